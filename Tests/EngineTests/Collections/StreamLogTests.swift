//  StreamLogTests.swift — blocks of entries against an array of them.
import TestSupport
import Testing

@testable import Engine

@Suite("Stream log")
struct StreamLogTests {
    private struct Entry: Equatable {
        var id: StreamID
        var pairs: [[UInt8]]
    }

    private struct Subject: ~Copyable {
        var heap = SlabAllocator()
        var log = StreamLog()
        var model: [Entry] = []
        let limit: StreamLimit

        init(bytes: Int, entries: Int) {
            var configuration = Configuration()
            configuration.streamNodeMaxBytes = bytes
            configuration.streamNodeMaxEntries = entries
            limit = StreamLimit(configuration)
        }

        mutating func append(_ id: StreamID, _ pairs: [[UInt8]]) {
            var draft = StreamDraft()
            for (i, text) in pairs.enumerated() {
                if i % 2 == 0 {
                    draft.add(field: PackedEntry(text.span))
                } else {
                    draft.add(value: PackedEntry(text.span))
                }
            }
            let bytes = pairs.reduce(0) { $0 + $1.count }
            log.append(id, draft, textBytes: bytes, limit, &heap)
            model.append(Entry(id: id, pairs: pairs))
        }

        func entries(_ low: StreamID, _ high: StreamID, backwards: Bool) -> [Entry] {
            var all: [Entry] = []
            let body = { (entry: StreamEntry) in
                var pairs: [[UInt8]] = []
                entry.forEach { field, value in
                    pairs.append(field.array)
                    pairs.append(value.array)
                }
                all.append(Entry(id: entry.id, pairs: pairs))
                return true
            }
            if backwards {
                log.forEachBackwards(from: low, through: high, body)
            } else {
                log.forEach(from: low, through: high, body)
            }
            return all
        }

        func check(_ low: StreamID, _ high: StreamID) {
            let expected = model.filter { low <= $0.id && $0.id <= high }
            #expect(entries(low, high, backwards: false) == expected)
            #expect(entries(low, high, backwards: true) == expected.reversed())
            #expect(log.contains(low) == model.contains { $0.id == low })
            #expect(log.count == model.count)
            #expect(log.firstID == model.first?.id ?? .zero)
            #expect(log.lastEntryID == model.last?.id)
        }

        mutating func empty() {
            while !log.freeSome(10, &heap) {}
            #expect(heap.usedBytes == 0)
        }
    }

    private static func text(_ random: inout SeededRandom) -> [UInt8] {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: Array("\(Int64.random(in: .min ... .max, using: &random))".utf8)
        case 1: Array("\(Int.random(in: -200...200, using: &random))".utf8)
        case 2: []
        case 3: [UInt8](repeating: 7, count: Int.random(in: 60...5000, using: &random))
        default: Array("value \(Int.random(in: 0..<1000, using: &random))".utf8)
        }
    }

    private static func pairs(_ random: inout SeededRandom) -> [[UInt8]] {
        let usual = [Array("field".utf8), text(&random), Array("12".utf8), text(&random)]
        if Int.random(in: 0..<4, using: &random) > 0 { return usual }
        return (0..<Int.random(in: 1...4, using: &random)).flatMap { _ in
            [text(&random), text(&random)]
        }
    }

    @Test(arguments: [(4096, 100), (4096, 3), (200, 0), (0, 0), (4096, 1)])
    func `random changes leave what an array has`(bytes: Int, entries: Int) {
        var random = SeededRandom(seed: UInt64(bytes + entries))
        var subject = Subject(bytes: bytes, entries: entries)
        var last = StreamID.zero
        for step in 0..<1000 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<6:
                let isSame = Bool.random(using: &random)
                let up = UInt64.random(in: 1...(isSame ? 3 : 100_000), using: &random)
                last =
                    isSame
                    ? StreamID(last.milliseconds, last.sequence + up)
                    : StreamID(last.milliseconds + up, UInt64.random(in: 0...9, using: &random))
                subject.append(last, Self.pairs(&random))
            case 6..<9:
                let id = subject.model.randomElement(using: &random)?.id ?? StreamID(1, 1)
                let isThere = subject.model.contains { $0.id == id }
                let isRemoved = subject.log.remove(id, &subject.heap)
                #expect(isRemoved == isThere)
                subject.model.removeAll { $0.id == id }
            default:
                let count = Int.random(in: 0...(subject.model.count + 1), using: &random)
                let trim = StreamTrim(border: .count(count))
                let removed = subject.log.trim(trim, &subject.heap)
                #expect(removed == max(subject.model.count - count, 0))
                subject.model.removeFirst(removed)
            }
            let low = subject.model.randomElement(using: &random)?.id ?? .zero
            let high = subject.model.randomElement(using: &random)?.id ?? .max
            subject.check(low, high)
            if step % 100 == 0 { subject.check(.zero, .max) }
        }
        var copy = subject.log.copied(&subject.heap, seed: HashSeed(k0: 0, k1: 0))
        #expect(copy.count == subject.model.count)
        while !copy.freeSome(.max, &subject.heap) {}
        subject.empty()
    }

    @Test func `the lowest and the highest IDs are like all others`() {
        var subject = Subject(bytes: 4096, entries: 100)
        let pairs = [Array("f".utf8), Array("v".utf8)]
        for id in [
            StreamID(0, 1), StreamID(0, .max), StreamID(1, 0), StreamID(.max, 0),
            StreamID(.max, .max - 1), .max,
        ] {
            subject.append(id, pairs)
            subject.check(.zero, .max)
            subject.check(id, id)
        }
        subject.check(.zero, .zero)
        subject.check(.max, .max)
        let isFirst = subject.log.remove(.max, &subject.heap)
        let isAgain = subject.log.remove(.max, &subject.heap)
        #expect(isFirst && !isAgain)
        subject.model.removeLast()
        subject.check(.zero, .max)
        subject.empty()
    }

    @Test func `entries with the same fields cost little more than their values`() {
        var subject = Subject(bytes: 4096, entries: 100)
        var draft = StreamDraft()
        for i in 0..<3 {
            draft.add(field: PackedEntry(Array("field number \(i)".utf8).span))
            draft.add(value: PackedEntry(Array("a value of 20 bytes\(i)".utf8).span))
        }
        for i in 1...100_000 {
            subject.log.append(
                StreamID(UInt64(1_700_000_000_000 + i / 10), UInt64(i % 10)), draft, textBytes: 96,
                subject.limit, &subject.heap)
        }
        #expect(subject.log.byteCount / 100_000 < 72)
        #expect(subject.log.byteCount - 200 <= subject.heap.usedBytes)
        subject.empty()
    }

    @Test func `what groups have pending goes with them`() throws {
        var heap = SlabAllocator()
        var log = StreamLog()
        let name = Array("group".utf8)
        let made = log.makeGroup(name.span, last: .zero, entriesRead: -1, &heap)
        let group = try #require(made)
        let isSecond = log.makeGroup(name.span, last: .zero, entriesRead: -1, &heap) != nil
        #expect(!isSecond)
        let names = (0..<20).map { Array("consumer \($0)".utf8) }
        for (i, name) in names.enumerated() {
            let consumer = group.makeConsumer(name.span, seen: 1, &heap).consumer
            for k in 0..<500 {
                _ = group.deliver(StreamID(UInt64(k * 20 + i), 0), to: consumer, at: 5, &heap)
            }
        }
        #expect(group.state.pending.count == 10_000)
        let third = names[3], fourth = names[4]
        let removed = group.removeConsumer(third.span, &heap)
        #expect(removed == 500)
        let found = group.consumer(fourth.span)
        let other = try #require(found)
        for k in 0..<500 {
            let id = StreamID(UInt64(k * 20 + 5), 0)
            guard let entry = group.pending(id) else { continue }
            group.move(id, entry, to: other, &heap)
        }
        #expect(other.state.pending.count == 1000)
        for k in 0..<500 {
            let id = StreamID(UInt64(k * 20 + 6), 0)
            let isFirst = group.acknowledge(id, &heap), isAgain = group.acknowledge(id, &heap)
            #expect(isFirst && !isAgain)
        }
        #expect(group.state.pending.count == 9000)
        var copy = log.copied(&heap, seed: HashSeed(k0: 0, k1: 0))
        let copiedCount = copy.group(name.span)?.state.pending.count
        #expect(copiedCount == 9000)
        while !copy.freeSome(100, &heap) {}
        #expect(log.byteCount - MemoryLayout<StreamLog>.stride <= heap.usedBytes)
        while !log.freeSome(100, &heap) {}
        #expect(heap.usedBytes == 0)
    }
}
