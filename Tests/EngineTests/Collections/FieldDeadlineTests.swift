//  FieldDeadlineTests.swift — fields with deadlines against a dictionary of the same.
import TestSupport
import Testing

@testable import Engine

@Suite("Field deadlines")
struct FieldDeadlineTests {
    /// A table with its heap, and what it should hold.
    private struct Subject: ~Copyable {
        var table = MemberTable(seed: HashSeed(k0: 1, k1: 2))
        var heap = SlabAllocator()
        /// Deadlines by name; `Int64.max` without one.
        var model: [String: Int64] = [:]

        mutating func set(_ name: String, _ deadline: Int64?) {
            let bytes = Array(name.utf8)
            let key = table.key(bytes.span)
            if let place = table.find(key, &heap) {
                _ = table.reshape(place, valueCount: 0, deadline: deadline, &heap)
            } else {
                table.insert(key, deadline: deadline, &heap)
            }
            model[name] = deadline ?? .max
        }

        mutating func remove(_ name: String) -> Bool {
            let bytes = Array(name.utf8)
            return table.remove(bytes.span, &heap) == (model.removeValue(forKey: name) != nil)
        }

        /// Removes what is due, a few at a time; whether exactly that went.
        mutating func advance(to now: Int64, by limit: Int) -> Bool {
            var removed = 0
            while table.earliestDeadline <= now {
                removed += table.removeDue(now, limit: limit, &heap) { _ in }
            }
            let due = model.filter { $0.value <= now }
            for name in due.keys { model[name] = nil }
            return removed == due.count
        }

        /// Whether the table tells what the model says.
        func isSound(_ now: Int64) -> Bool {
            var found: [String: Int64] = [:]
            table.forEach {
                found[$0.key.text] = $0.hasDeadline ? $0.deadline : .max
            }
            let deadlines = model.values.filter { $0 < .max }
            return found == model && table.count == model.count
                && table.volatileCount == deadlines.count
                && table.earliestDeadline <= deadlines.min() ?? .max
                && (deadlines.isEmpty ? table.earliestDeadline == .max : true)
                && table.liveCount(now) == model.values.count { $0 > now }
        }

        mutating func free() { _ = table.freeSome(.max, &heap) }
    }

    @Test(arguments: [20, 70, 1000], 1...4 as ClosedRange<UInt64>)
    func `edits and expiry are those of a dictionary`(names: Int, seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var subject = Subject()
        var now: Int64 = 1000
        for step in 0..<5000 {
            let name = "field:\(Int.random(in: 0..<names, using: &random))"
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5: subject.set(name, now + Int64.random(in: 1...500, using: &random))
            case 5, 6: subject.set(name, nil)
            case 7:
                let isSame = subject.remove(name)
                #expect(isSame)
            case 8:
                now += Int64.random(in: 0...20, using: &random)
                let limit = Int.random(in: 1...40, using: &random)
                let isExact = subject.advance(to: now, by: limit)
                #expect(isExact)
            default:
                if step % 100 != 0 { continue }
                let isSound = subject.isSound(now)
                #expect(isSound, "step \(step)")
            }
        }
        let isEmptied = subject.advance(to: .max - 1, by: 100)
        #expect(isEmptied)
        let isSound = subject.isSound(now)
        #expect(isSound)
        subject.free()
    }

    @Test func `deadlines that change all the time take no more room`() {
        var subject = Subject()
        for i in 0..<500 { subject.set("field:\(i)", 1_000_000) }
        let before = subject.table.byteCount
        for round in 0..<200 {
            for i in 0..<500 { subject.set("field:\(i)", Int64(2_000_000 + round)) }
        }
        let after = subject.table.byteCount
        // Two stale deadlines for each that counts, and an array that doubles.
        #expect(after < before + 500 * 16 * 8)
        for i in 0..<500 { subject.set("field:\(i)", nil) }
        let isSound = subject.isSound(0)
        #expect(isSound)
        subject.free()
    }

    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func `a heap hands out deadlines in order`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var heap = DeadlineHeap()
        var model: [Int64] = []
        for _ in 0..<2000 {
            if Int.random(in: 0..<3, using: &random) > 0 {
                let deadline = Int64.random(in: -50...50, using: &random)
                heap.insert(DeadlineHeap.Entry(deadline: deadline, hash: 0))
                model.append(deadline)
            } else if heap.count > 0 {
                let i = Int.random(in: 0..<heap.count, using: &random)
                let gone = heap[i].deadline
                heap.remove(at: i)
                model.remove(at: model.firstIndex(of: gone) ?? 0)
            }
            #expect(heap.first?.deadline == model.min())
        }
        var last = Int64.min
        while let first = heap.first {
            #expect(first.deadline >= last)
            last = first.deadline
            heap.removeFirst()
        }
    }
}
