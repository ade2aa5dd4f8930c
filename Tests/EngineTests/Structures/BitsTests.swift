//  BitsTests.swift — counting, searching and combining bits, against loops over single bits.
import TestSupport
import Testing

@testable import Engine

@Suite("Bits")
struct BitsTests {
    private static func bit(_ bytes: [UInt8], _ i: Int) -> Bool {
        i >> 3 < bytes.count && bytes[i >> 3] >> UInt8(7 - i & 7) & 1 == 1
    }

    /// Bytes among which many are alike.
    private static func sample(_ random: inout SeededRandom, _ counts: ClosedRange<Int>) -> [UInt8]
    {
        let bytes = random.bytes(counts)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return bytes.map { _ in 0 }
        case 1: return bytes.map { _ in 255 }
        case 2: return bytes.map { $0 < 4 ? $0 : 0 }
        default: return bytes
        }
    }

    @Test func `bits are counted, of all bytes and of a range`() {
        var random = SeededRandom(seed: 1)
        for step in 0..<400 {
            let bytes = Self.sample(&random, 0...(step % 10 == 0 ? 2000 : 100))
            let bits = bytes.count * 8
            let all = (0..<bits).map { Self.bit(bytes, $0) }
            #expect(Bits.count(bytes.span) == all.count { $0 })
            #expect(Bits.countWithAdders(bytes.span) == all.count { $0 })
            for _ in 0..<8 {
                let start = Int.random(in: 0...bits, using: &random)
                let end = Int.random(in: start...bits, using: &random)
                #expect(Bits.count(bytes.span, bits: start..<end) == all[start..<end].count { $0 })
            }
        }
    }

    @Test func `the first bit of a kind is found`() {
        var random = SeededRandom(seed: 2)
        for _ in 0..<600 {
            let bytes = Self.sample(&random, 0...300)
            let bits = bytes.count * 8
            let start = Int.random(in: 0...bits, using: &random)
            let end = Int.random(in: start...bits, using: &random)
            for isSet in [true, false] {
                let expected = (start..<end).first { Self.bit(bytes, $0) == isSet }
                #expect(Bits.first(isSet, bytes.span, bits: start..<end) == expected)
            }
        }
    }

    @Test func `integers are read at any bit`() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<2000 {
            let bytes = Self.sample(&random, 0...20)
            let start = Int.random(in: 0...200, using: &random)
            let width = Int.random(in: 1...64, using: &random)
            let expected = (start..<start + width).reduce(UInt64(0)) {
                $0 << 1 | (Self.bit(bytes, $1) ? 1 : 0)
            }
            #expect(Bits.field(bytes.span, at: start, width: width) == expected)
        }
        #expect(Bits.field([255].span, at: 1 << 60, width: 64) == 0)
    }

    private static let operations: [(String, @Sendable ([Bool]) -> Bool)] = [
        ("AND", { $0.allSatisfy { $0 } }), ("OR", { $0.contains(true) }),
        ("XOR", { $0.count { $0 } % 2 == 1 }), ("NOT", { !$0[0] }),
        ("DIFF", { $0[0] && !$0.dropFirst().contains(true) }),
        ("DIFF1", { !$0[0] && $0.dropFirst().contains(true) }),
        ("ANDOR", { $0[0] && $0.dropFirst().contains(true) }),
        ("ONE", { $0.count { $0 } == 1 }),
    ]

    @Test func `strings are combined bit by bit, the target among them too`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        var random = SeededRandom(seed: 4)
        for step in 0..<160 {
            let (name, combine) = Self.operations[step % Self.operations.count]
            let least = ["DIFF", "DIFF1", "ANDOR"].contains(name) ? 2 : 1
            let count = name == "NOT" ? 1 : Int.random(in: least...4, using: &random)
            let most = step % 5 == 0 ? 20_000 : 200
            let sources = (0..<count).map { _ in Self.sample(&random, 0...most) }
            for (i, source) in sources.enumerated() {
                _ = try c.send([Array("SET".utf8), Array("s\(i)".utf8), source])
            }
            let target = Bool.random(using: &random) ? "s\(count - 1)" : "target"
            let longest = sources.map(\.count).max() ?? 0
            let reply = try c.send(
                ["BITOP", name, target] + (0..<count).map { "s\($0)" })
            #expect(reply == .integer(longest))
            let got = try c.send([Array("GETRANGE".utf8), Array(target.utf8), [48], [45, 49]])
            let body = got.bytes.dropLast(2).suffix(longest)
            var expected = [UInt8](repeating: 0, count: longest)
            for i in 0..<longest * 8 where combine(sources.map { Self.bit($0, i) }) {
                expected[i >> 3] |= 0x80 >> UInt8(i & 7)
            }
            #expect(Array(body) == expected, "\(name) of \(sources.map(\.count))")
        }
    }
}
