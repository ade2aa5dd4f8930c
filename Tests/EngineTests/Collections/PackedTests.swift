//  PackedTests.swift — packed entries against an array of the same elements.
import Logging
import TestSupport
import Testing

@testable import Engine

@Suite("Packed")
struct PackedTests {
    private static let edges: [Int64] = [
        0, 1, 127, 128, -1, 4095, 4096, -4096, -4097, 32767, 32768, -32768, -32769, 8_388_607,
        8_388_608, -8_388_608, -8_388_609, 2_147_483_647, 2_147_483_648, -2_147_483_648,
        -2_147_483_649, .max, .min,
    ]

    private func element(_ random: inout SeededRandom) -> [UInt8] {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: Array("\(Self.edges.randomElement(using: &random) ?? 0)".utf8)
        case 1: Array("\(Int64.random(in: .min ... .max, using: &random))".utf8)
        case 2: Array("007".utf8)
        case 3: random.bytes(63...65)
        case 4: random.bytes(4094...4097)
        default: random.bytes(0...40)
        }
    }

    /// A database with one packed list, and the call that edits it.
    private func makeCall() -> Call {
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return Call(
            configuration: Configuration(), identity: ServerIdentity(configurationFile: ""),
            log: log)
    }

    private func elements(_ packed: Packed) -> [[UInt8]] {
        var found: [[UInt8]] = []
        var at = packed.start
        while at < packed.end {
            found.append(packed[at].array)
            at = packed.next(at)
        }
        return found
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `edits are those of an array`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var call = makeCall()
        let name = Array("key".utf8)
        let key = call.key(name.span)
        let place = call.makePacked(key, .packedList)
        var model: [[UInt8]] = []
        for _ in 0..<300 {
            let count = model.count
            let i = Int.random(in: 0...count, using: &random)
            let entry = element(&random)
            let packed = place.record.packed
            switch Int.random(in: 0..<4, using: &random) {
            case 0 where count > 0 && i < count:
                let at = packed.offset(at: i)
                let length = packed.next(at) - at
                call.cut(length, at: at, of: place)
                model.remove(at: i)
            case 1 where count > 0 && i < count:
                let at = packed.offset(at: i - count)
                let length = packed.next(at) - at
                call.replace(length, at: at, of: place, by: PackedEntry(entry.span))
                model[i] = entry
            default:
                let at = i < count ? packed.offset(at: i) : packed.end
                call.insert(PackedEntry(entry.span), at: at, of: place)
                model.insert(entry, at: i)
            }
            place.record.setPackedCount(model.count)
            check(place.record, model, &random)
        }
    }

    private func check(
        _ record: Record, _ model: [[UInt8]], _ random: inout SeededRandom
    ) {
        let packed = record.packed
        let found = elements(packed)
        let isSame = found == model && packed.count == model.count
        #expect(isSame)
        let entries = record.bytes.extracting(Packed.headerCount...)
        let isValid = Packed.validCount(entries: entries) == model.count
        #expect(isValid)
        guard let wanted = model.randomElement(using: &random) else { return }
        let at = packed.find(wanted.span)
        let first = model.firstIndex(of: wanted).map { packed.offset(at: $0) }
        #expect(at == first)
        let odd = packed.find(wanted.span, stride: 2)
        let firstOdd = stride(from: 0, to: model.count, by: 2).first { model[$0] == wanted }
        #expect(odd == firstOdd.map { packed.offset(at: $0) })
    }

    @Test func `random bytes are refused or read without harm`() {
        var random = SeededRandom(seed: 7)
        var accepted = 0
        for _ in 0..<20_000 {
            let bytes = random.bytes(0...24)
            guard let count = Packed.validCount(entries: bytes.span) else { continue }
            accepted += 1
            let found = elements(Packed(entries: bytes.span))
            #expect(found.count == count)
        }
        #expect(accepted > 0)
    }
}

@Suite("Numbers as text")
struct NumberTextTests {
    @Test(arguments: [
        (0.0, "0"), (-0.0, "-0"), (1, "1"), (-1.5, "-1.5"), (3.0, "3"), (0.1, "0.1"),
        (1e18, "1000000000000000000"), (1e20, "1e+20"), (1e21, "1e+21"), (1.5e300, "1.5e+300"),
        (1e-5, "0.00001"),
        (1e-7, "1e-7"), (123_456_789.125, "123456789.125"), (.infinity, "inf"),
        (-.infinity, "-inf"), (0.001, "0.001"), (.leastNonzeroMagnitude, "5e-324"),
    ])
    func `doubles print as Redis prints them`(value: Double, text: String) {
        #expect(Numbers.text(of: value) == text)
    }
}
