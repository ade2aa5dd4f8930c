//  IDTreeTests.swift — the tree of IDs against a sorted array.
import TestSupport
import Testing

@testable import Engine

@Suite("ID tree")
struct IDTreeTests {
    private struct Subject: ~Copyable {
        var heap = SlabAllocator()
        var tree = IDTree()
        var model: [(id: StreamID, value: UInt)] = []

        init() {}

        func position(_ id: StreamID) -> Int {
            var low = 0, high = model.count
            while low < high {
                let middle = (low + high) / 2
                if model[middle].id < id { low = middle + 1 } else { high = middle }
            }
            return low
        }

        func isThere(_ id: StreamID) -> Bool {
            let i = position(id)
            return i < model.count && model[i].id == id
        }

        mutating func insert(_ id: StreamID, _ value: UInt) {
            let isNew = !isThere(id)
            #expect(tree.insert(id, value, &heap) == isNew)
            if isNew { model.insert((id, value), at: position(id)) }
        }

        mutating func remove(_ id: StreamID) {
            let value = isThere(id) ? model.remove(at: position(id)).value : nil
            #expect(tree.remove(id, &heap) == value)
        }

        func check(_ id: StreamID) {
            let i = position(id)
            let above = i < model.count ? model[i] : nil
            let below = above?.id == id ? above : i > 0 ? model[i - 1] : nil
            #expect(tree.value(of: id) == (above?.id == id ? above?.value : nil))
            #expect(tree.ceiling(id)?.id == above?.id)
            #expect(tree.floor(id)?.id == below?.id)
            #expect(tree.floor(id)?.value == below?.value)
        }

        func checkAll() {
            #expect(tree.count == model.count)
            var seen: [UInt] = []
            tree.forEach { _, value in
                seen.append(value)
                return true
            }
            #expect(seen == model.map(\.value))
            #expect(tree.first?.id == model.first?.id)
            #expect(tree.last?.id == model.last?.id)
            #expect(tree.nodeBytes == heap.usedBytes)
        }

        mutating func empty() {
            while tree.removeFirstLeaf(&heap, { _, _ in }) {}
            #expect(tree.count == 0)
            #expect(heap.usedBytes == 0)
        }
    }

    private static func id(_ random: inout SeededRandom, _ most: UInt64) -> StreamID {
        switch Int.random(in: 0..<50, using: &random) {
        case 0: .zero
        case 1: .max
        case 2: StreamID(.max, UInt64.random(in: 0...3, using: &random))
        default:
            StreamID(
                UInt64.random(in: 0...most, using: &random),
                UInt64.random(in: 0...3, using: &random))
        }
    }

    @Test(arguments: [3, 60, 3000, 100_000] as [UInt64])
    func `random changes leave what a sorted array has`(most: UInt64) {
        var random = SeededRandom(seed: most)
        var subject = Subject()
        for round in 0..<6 {
            // Growing and shrinking in turns.
            let growth = round % 2 == 0 ? 7 : 3
            for step in 0..<3000 {
                let id = Self.id(&random, most)
                if Int.random(in: 0..<10, using: &random) < growth {
                    subject.insert(id, UInt(round * 10_000 + step))
                } else {
                    subject.remove(id)
                }
                subject.check(Self.id(&random, most))
            }
            subject.checkAll()
        }
        subject.empty()
    }

    @Test func `a long queue needs no more than its entries`() {
        var subject = Subject()
        for i in 0..<50_000 {
            subject.insert(StreamID(UInt64(i), 0), UInt(i))
            if i >= 1000 { subject.remove(StreamID(UInt64(i - 1000), 0)) }
        }
        subject.checkAll()
        #expect(subject.tree.nodeBytes < 40_000)
        var heap = SlabAllocator()
        var tree = IDTree()
        for i in 0..<200_000 { _ = tree.insert(StreamID(UInt64(i), 0), UInt(i), &heap) }
        #expect(tree.nodeBytes < 5_200_000)
        var last = 0
        tree.forEach(from: StreamID(50_000, 0)) { _, value in
            last = Int(value)
            return value < 60_000
        }
        #expect(last == 60_000)
        for i in 0..<200_000 { tree.remove(StreamID(UInt64((i &* 7919) % 200_000), 0), &heap) }
        #expect(heap.usedBytes == 0)
    }
}
