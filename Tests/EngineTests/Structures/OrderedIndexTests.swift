//  OrderedIndexTests.swift — the ordered index against a sorted array.
import TestSupport
import Testing

@testable import Engine

@Suite("Ordered index")
struct OrderedIndexTests {
    private struct Element: Equatable {
        var score: Double
        var member: [UInt8]

        static func < (a: Element, b: Element) -> Bool {
            a.score != b.score
                ? a.score < b.score : a.member.lexicographicallyPrecedes(b.member)
        }
    }

    /// An index, the heap of its records, and what it should hold.
    private struct Subject: ~Copyable {
        var heap = SlabAllocator()
        var index = OrderedIndex()
        var model: [Element] = []
        var records: [[UInt8]: Record] = [:]

        init() {}

        /// The position of `element` in the model, or where it would be.
        func position(_ element: Element) -> Int {
            var low = 0, high = model.count
            while low < high {
                let middle = (low + high) / 2
                if model[middle] < element { low = middle + 1 } else { high = middle }
            }
            return low
        }

        mutating func insert(_ element: Element) {
            guard records[element.member] == nil else { return }
            let record = Record.make(
                &heap, .string, key: element.member.span, valueCount: 8, deadline: nil)
            records[element.member] = record
            index.insert(element.score, record, &heap)
            model.insert(element, at: position(element))
        }

        mutating func remove(at i: Int) {
            let element = model.remove(at: i)
            guard let record = records.removeValue(forKey: element.member) else { return }
            #expect(index.remove(element.score, record, &heap))
            #expect(!index.remove(element.score, record, &heap))
            record.free(&heap)
        }

        mutating func remove(_ ranks: Range<Int>) {
            var removed: [Element] = []
            index.remove(ranks: ranks, &heap) { score, record, heap in
                removed.append(Element(score: score, member: record.key.array))
                record.free(&heap)
            }
            #expect(removed == Array(model[ranks]))
            for element in model[ranks] { records[element.member] = nil }
            model.removeSubrange(ranks)
        }

        mutating func move(at i: Int, to score: Double) {
            var element = model.remove(at: i)
            guard let record = records[element.member] else { return }
            index.move(element.score, record, to: score, &heap)
            element.score = score
            model.insert(element, at: position(element))
        }

        /// Everything that can be asked for.
        func check(_ random: inout SeededRandom) {
            index.checkInvariants()
            #expect(index.count == model.count)
            guard let sample = model.randomElement(using: &random) else { return }
            let rank = position(sample)
            #expect(index.rank(of: sample.score, sample.member.span) == rank)
            #expect(index.rank(of: sample.score + 0.25, sample.member.span) == nil)
            let score = sample.score + Double(Int.random(in: -1...1, using: &random)) / 2
            #expect(
                index.rank(below: score, orEqual: false)
                    == model.prefix { $0.score < score }.count)
            #expect(
                index.rank(below: score, orEqual: true)
                    == model.prefix { $0.score <= score }.count)
            let n = Int.random(in: 0...(model.count - rank), using: &random)
            #expect(elements(from: rank, n, false) == Array(model[rank..<rank + n]))
            let m = Int.random(in: 0...(rank + 1), using: &random)
            #expect(elements(from: rank, m, true) == model[...rank].suffix(m).reversed())
        }

        func elements(from rank: Int, _ n: Int, _ isBackwards: Bool) -> [Element] {
            var found: [Element] = []
            index.forEach(from: rank, count: n, backwards: isBackwards) { score, record in
                found.append(Element(score: score, member: record.key.array))
            }
            return found
        }

        /// Walks over the index by positions, in both directions.
        func checkWalk() {
            guard !model.isEmpty else { return }
            var forwards: [Element] = [], backwards: [Element] = []
            var at: OrderedIndex.Position? = index.position(at: 0)
            while let position = at {
                let (score, record) = index[position]
                forwards.append(Element(score: score, member: record.key.array))
                at = index.next(position)
            }
            at = index.position(at: model.count - 1)
            while let position = at {
                let (score, record) = index[position]
                backwards.append(Element(score: score, member: record.key.array))
                at = index.previous(position)
            }
            #expect(forwards == model)
            #expect(backwards == model.reversed())
        }

        mutating func free() {
            while !index.freeSome(3, &heap) {}
            index.checkInvariants()
            for record in records.values { record.free(&heap) }
            #expect(heap.usedBytes == 0)
        }
    }

    private func element(_ random: inout SeededRandom, scores: Int) -> Element {
        let score = Double(Int.random(in: 0..<scores, using: &random))
        return Element(score: score, member: random.bytes(0...12))
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func `random edits are those of a sorted array`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var subject = Subject()
        let scores = [1, 3, 1000, 1_000_000][Int(seed % 4)]
        let size = [10, 100, 2000, 6000][Int(seed / 4 % 4)]
        // Grows to the size, then shrinks until nothing is left.
        for phase in 0..<2 {
            let grows = phase == 0
            for step in 0..<size * 4 {
                if subject.model.isEmpty || Int.random(in: 0..<10, using: &random) < (grows ? 7 : 2)
                {
                    subject.insert(element(&random, scores: scores))
                } else if Int.random(in: 0..<4, using: &random) == 0 {
                    let i = Int.random(in: 0..<subject.model.count, using: &random)
                    let near = subject.model[i].score + 0.5
                    let far = element(&random, scores: scores).score
                    subject.move(at: i, to: Bool.random(using: &random) ? near : far)
                } else if !grows, Int.random(in: 0..<50, using: &random) == 0 {
                    let start = Int.random(in: 0...subject.model.count, using: &random)
                    let rest = min(subject.model.count - start, 200)
                    subject.remove(start..<start + Int.random(in: 0...rest, using: &random))
                } else {
                    subject.remove(at: Int.random(in: 0..<subject.model.count, using: &random))
                }
                if size <= 100 || step % 97 == 0 { subject.check(&random) }
            }
            subject.checkWalk()
        }
        subject.free()
    }

    @Test(arguments: [true, false], [true, false])
    func `a queue is fed at one end and drained at another`(isAscending: Bool, isFIFO: Bool) {
        var random = SeededRandom(seed: 7)
        var subject = Subject()
        for step in 0..<20_000 {
            if step < 5000 || step % 2 == 0 {
                let score = Double(isAscending ? step : -step)
                subject.insert(Element(score: score, member: Array("\(step)".utf8)))
            } else {
                let last = subject.model.count - 1
                subject.remove(at: isAscending == isFIFO ? 0 : last)
            }
            if step % 501 == 0 { subject.check(&random) }
        }
        while !subject.model.isEmpty { subject.remove(at: isFIFO ? 0 : subject.model.count - 1) }
        subject.index.checkInvariants()
        subject.free()
    }

    @Test func `members that arrive in order fill their leaves`() {
        var subject = Subject()
        for step in 0..<31_000 {
            subject.insert(Element(score: Double(step), member: Array("\(step)".utf8)))
        }
        subject.index.checkInvariants()
        #expect(subject.index.nodeBytes < 31_000 * 18)
        var copy = OrderedIndex()
        subject.index.forEach(from: 0, count: 31_000) { score, record in
            copy.append(score, record, &subject.heap)
        }
        copy.checkInvariants()
        #expect(copy.nodeBytes == subject.index.nodeBytes)
        _ = copy.freeSome(.max, &subject.heap)
        subject.free()
    }

    @Test func `with equal scores the bytes of the members decide`() {
        var subject = Subject()
        var random = SeededRandom(seed: 3)
        for _ in 0..<3000 {
            subject.insert(Element(score: -0.0, member: random.bytes(0...3)))
        }
        for element in subject.model {
            let member = element.member.span
            let rank = subject.position(element)
            #expect(subject.index.rank(before: member, orEqual: false) == rank)
            #expect(subject.index.rank(before: member, orEqual: true) == rank + 1)
            #expect(subject.index.rank(of: 0, member) == rank)
        }
        subject.checkWalk()
        subject.free()
    }
}
