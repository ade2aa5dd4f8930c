//  ChunkedListTests.swift — large lists against an array of the same elements.
import TestSupport
import Testing

@testable import Engine

@Suite("Chunked lists")
struct ChunkedListTests {
    /// A list with its heap, and what it should hold.
    private struct Subject: ~Copyable {
        var list = ChunkedList()
        var heap = SlabAllocator()
        var model: [[UInt8]] = []
        let limit: ListLimit

        init(_ directive: Int) { limit = ListLimit(directive) }

        /// Whether everything that can be read is what the model says.
        func isSound() -> Bool {
            guard list.count == model.count else { return false }
            var k = 0
            for i in 0..<list.chunkCount {
                let packed = list.chunk(i)
                guard let n = Packed.validCount(entries: packed.bytes), n > 0,
                    n == list.chunkElementCount(i)
                else { return false }
                var at = 0
                while at < packed.end {
                    guard packed[at].array == model[k] else { return false }
                    let next = packed.next(at)
                    guard packed.previous(next) == at else { return false }
                    at = next
                    k += 1
                }
            }
            return k == model.count
        }

        /// Gives all memory back.
        mutating func free() { _ = list.freeSome(.max, &heap) }

        func element(at index: Int) -> [UInt8] {
            let position = list.position(at: index)
            return list.chunk(position.chunk)[position.offset].array
        }
    }

    private static func element(_ random: inout SeededRandom) -> [UInt8] {
        switch Int.random(in: 0..<8, using: &random) {
        case 0...2: Array("\(Int64.random(in: .min ... .max, using: &random) >> 32)".utf8)
        case 3: random.bytes(1000...5000)
        case 4: random.bytes(8000...9000)
        default: random.bytes(0...100)
        }
    }

    @Test(arguments: [-2, -1, -5, 1, 3, 128], 1...5 as ClosedRange<UInt64>)
    func `edits are those of an array`(directive: Int, seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var subject = Subject(directive)
        for step in 0..<800 {
            edit(&subject, &random)
            // Every other run with chunks that come and go compressed.
            if seed % 2 == 0 { subject.list.compress(depth: step / 400 + 1, &subject.heap) }
            if step % 8 == 0 {
                let isSound = subject.isSound()
                #expect(isSound, "step \(step)")
                if !isSound { return }
            }
            guard let index = subject.model.indices.randomElement(using: &random) else { continue }
            let isSame = subject.element(at: index) == subject.model[index]
            #expect(isSame, "step \(step)")
        }
        let copy = subject.list.copied(&subject.heap, seed: HashSeed(k0: 1, k1: 2))
        subject.free()
        subject.list = copy
        let isSound = subject.isSound()
        #expect(isSound, "the copy")
        subject.free()
        let left = subject.heap.usedBytes
        #expect(left == 0)
    }

    private func edit(_ subject: inout Subject, _ random: inout SeededRandom) {
        let count = subject.model.count
        let entry = Self.element(&random)
        let index = count > 0 ? Int.random(in: 0..<count, using: &random) : 0
        switch Int.random(in: 0..<10, using: &random) {
        case 0, 1:
            subject.list.push(PackedEntry(entry.span), at: .tail, subject.limit, &subject.heap)
            subject.model.append(entry)
        case 2, 3:
            subject.list.push(PackedEntry(entry.span), at: .head, subject.limit, &subject.heap)
            subject.model.insert(entry, at: 0)
        case 4 where count > 0, 5 where count > 0:
            let isBehind = Bool.random(using: &random)
            subject.list.insert(
                PackedEntry(entry.span), behind: isBehind, subject.list.position(at: index),
                subject.limit, &subject.heap)
            subject.model.insert(entry, at: isBehind ? index + 1 : index)
        case 6 where count > 0:
            subject.list.replace(
                subject.list.position(at: index), by: PackedEntry(entry.span), subject.limit,
                &subject.heap)
            subject.model[index] = entry
        case 7 where count > 0:
            subject.list.remove(subject.list.position(at: index), &subject.heap)
            subject.model.remove(at: index)
        case 8:
            let n = min(Int.random(in: 0...6, using: &random), count)
            subject.list.drop(n, from: .head, &subject.heap)
            subject.model.removeFirst(n)
        default:
            let n = min(Int.random(in: 0...6, using: &random), count)
            subject.list.drop(n, from: .tail, &subject.heap)
            subject.model.removeLast(n)
        }
    }

    @Test func `queues in both directions take the memory of what they hold`() {
        for end in [ListEnd.head, .tail] {
            var subject = Subject(-2)
            let text = Array("an element of a queue".utf8)
            for _ in 0..<100_000 {
                subject.list.push(PackedEntry(text.span), at: end, subject.limit, &subject.heap)
                if subject.list.count > 1000 {
                    subject.list.drop(1, from: end.opposite, &subject.heap)
                }
            }
            let bytes = subject.list.byteCount
            #expect(bytes < 60_000)
            #expect(subject.list.count == 1000)
            subject.free()
        }
    }

    @Test func `a million small elements take little more than their entries`() {
        var subject = Subject(-2)
        for i in 0..<1_000_000 {
            let text = Array("element:\(i)".utf8)
            subject.list.push(
                PackedEntry(text.span), at: i % 2 == 0 ? .head : .tail, subject.limit,
                &subject.heap)
        }
        var entries = 0
        for i in 0..<subject.list.chunkCount { entries += subject.list.chunk(i).end }
        let ratio = Double(subject.heap.usedBytes) / Double(entries)
        #expect(ratio < 1.01)
        subject.free()
    }
}
