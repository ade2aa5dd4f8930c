//  FrozenGroupTests.swift — a group that changes while it is read shows what it was.
import TestSupport
import Testing

@testable import Engine

@Suite("Frozen groups")
struct FrozenGroupTests {
    private struct Pending: Equatable, Comparable {
        var id: StreamID
        var time: Int64
        var deliveries: Int64
        var consumer: [UInt8]

        static func < (a: Pending, b: Pending) -> Bool { a.id < b.id }
    }

    private struct Consumer: Equatable {
        let name: [UInt8], seen: Int64, active: Int64

        init(_ consumer: StreamConsumer) {
            name = consumer.name.array
            seen = consumer.state.seenTime
            active = consumer.state.activeTime
        }
    }

    private struct Image: Equatable {
        var all: [Pending] = []
        var consumers: [Consumer] = []
        var lists: [[StreamID]] = []
    }

    private struct Subject: ~Copyable {
        var heap = SlabAllocator()
        let group: StreamGroup
        var random: SeededRandom

        init(seed: UInt64) {
            random = SeededRandom(seed: seed)
            group = StreamGroup.make(
                Array("group".utf8).span, last: StreamID(1, 2), entriesRead: 7, &heap)
        }

        /// An ID with or without something pending.
        mutating func id(upTo n: UInt64) -> StreamID {
            StreamID(
                UInt64.random(in: 0...n, using: &random), UInt64.random(in: 0...1, using: &random))
        }

        mutating func consumer() -> StreamConsumer {
            let name = Array("consumer \(Int.random(in: 0..<5, using: &random))".utf8)
            return group.makeConsumer(name.span, seen: 1, &heap).consumer
        }

        /// Some change at some ID.
        mutating func change(_ ids: UInt64) {
            let id = id(upTo: ids)
            let time = Int64.random(in: 0..<100, using: &random)
            switch Int.random(in: 0..<40, using: &random) {
            case 0:
                let name = Array("consumer \(Int.random(in: 0..<5, using: &random))".utf8)
                _ = group.removeConsumer(name.span, &heap)
            case 1: group.note(consumer(), seen: time, active: time + 1, &heap)
            case 2..<12: _ = group.acknowledge(id, &heap)
            case 12..<20:
                if let entry = group.pending(id) { group.move(id, entry, to: consumer(), &heap) }
            case 20..<28:
                if let entry = group.pending(id) {
                    group.update(
                        id, entry, time: time, deliveries: entry.deliveries + 1, &heap)
                }
            default: _ = group.deliver(id, to: consumer(), at: time, &heap)
            }
        }

        /// What is pending now.
        func image() -> Image {
            var image = Image()
            group.state.pending.forEach { id, value in
                let entry = PendingEntry(value)
                image.all.append(
                    Pending(
                        id: id, time: entry.time, deliveries: entry.deliveries,
                        consumer: entry.consumer.name.array))
                return true
            }
            for i in 0..<group.consumerCount {
                let consumer = group.consumer(at: i)
                image.consumers.append(Consumer(consumer))
                var list: [StreamID] = []
                consumer.state.pending.forEach { id, _ in
                    list.append(id)
                    return true
                }
                image.lists.append(list)
            }
            return image
        }
    }

    /// Reads `frozen` to its end with changes between.
    private static func read(
        _ frozen: inout FrozenGroup, _ subject: inout Subject, changes: Int, _ ids: UInt64
    ) -> Image {
        var image = Image()
        for _ in 0..<changes { subject.change(ids) }
        repeat {
            if let consumer = frozen.consumer {
                image.consumers.append(Consumer(consumer))
                image.lists.append([])
            }
            let count = frozen.count
            var n = 0
            while !frozen.isOver {
                frozen.readSome { id, entry in
                    n += 1
                    if image.lists.isEmpty {
                        image.all.append(
                            Pending(
                                id: id, time: entry.time, deliveries: entry.deliveries,
                                consumer: entry.consumer.name.array))
                    } else {
                        image.lists[image.lists.count - 1].append(id)
                    }
                }
                for _ in 0..<changes / 8 { subject.change(ids) }
            }
            #expect(n == count)
        } while frozen.nextConsumer()
        return image
    }

    @Test(arguments: [0, 3, 50, 400, 2000]) func `changes while it is read stay out`(size: Int) {
        for seed in 0..<20 {
            var subject = Subject(seed: UInt64(seed))
            let ids = UInt64(size)
            for _ in 0..<size * 2 { subject.change(ids) }
            let before = subject.image()
            var frozen = FrozenGroup(subject.group, &subject.heap)
            #expect(subject.group.isFrozen)
            let changes = [0, 8, 80, size * 4][seed % 4]
            // Some land behind what was pending, which is nobody's business.
            let read = Self.read(&frozen, &subject, changes: changes, ids + ids / 4 + 1)
            #expect(read == before)
            #expect(frozen.shadow.state.last == StreamID(1, 2))
            #expect(frozen.shadow.state.entriesRead == 7)
            let orphan = frozen.end()
            #expect(orphan == nil)
            #expect(!subject.group.isFrozen)
            while !frozen.shadow.freeSome(10, &subject.heap) {}
            // The group is as good as before.
            let after = subject.image()
            var again = FrozenGroup(subject.group, &subject.heap)
            let reread = Self.read(&again, &subject, changes: 0, ids)
            #expect(reread == after)
            _ = again.end()
            while !again.shadow.freeSome(.max, &subject.heap) {}
            while !subject.group.freeSome(10, &subject.heap) {}
            #expect(subject.heap.usedBytes == 0)
        }
    }

    @Test func `a group that its stream gives up lives until it is read`() throws {
        var heap = SlabAllocator()
        var log = StreamLog()
        let name = Array("group".utf8)
        let made = log.makeGroup(name.span, last: .zero, entriesRead: -1, &heap)
        let group = try #require(made)
        let consumer = group.makeConsumer(name.span, seen: 1, &heap).consumer
        for i in 1...200 { _ = group.deliver(StreamID(UInt64(i), 0), to: consumer, at: 5, &heap) }
        var groups = log.freezeGroups(&heap)
        let taken = log.takeGroup(name.span, &heap)
        #expect(taken?.address == group.address)
        #expect(log.groupCount == 0)
        group.state.isOrphan = true
        var n = 0
        while !groups[0].isOver { groups[0].readSome { _, _ in n += 1 } }
        #expect(n == 200)
        let orphan = groups[0].end()
        #expect(orphan?.address == group.address)
        while !groups[0].shadow.freeSome(.max, &heap) {}
        while !group.freeSome(.max, &heap) {}
        while !log.freeSome(.max, &heap) {}
        #expect(heap.usedBytes == 0)
    }
    /// Consumers are copied when they change, and only then.
    @Test func `freezing takes an address for each consumer`() throws {
        var heap = SlabAllocator()
        var log = StreamLog()
        let made = log.makeGroup(Array("group".utf8).span, last: .zero, entriesRead: -1, &heap)
        let group = try #require(made)
        let names = (0..<1000).map { Array("consumer \($0)".utf8) }
        for name in names { _ = group.makeConsumer(name.span, seen: 1, &heap) }
        #expect(log.groupElementCount == 1001)
        let before = heap.usedBytes
        let groups = log.freezeGroups(&heap)
        #expect(heap.usedBytes - before < 1000 * 8 + 512)
        for name in names.prefix(10) { _ = group.removeConsumer(name.span, &heap) }
        #expect(groups[0].consumerCount == 1000)
        #expect(group.consumerCount == 990)
        _ = groups[0].end()
        while !groups[0].shadow.freeSome(.max, &heap) {}
        while !log.freeSome(.max, &heap) {}
        #expect(heap.usedBytes == 0)
    }
}
