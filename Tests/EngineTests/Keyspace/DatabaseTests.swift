//  DatabaseTests.swift — a database does what a dictionary does.
import TestSupport
import Testing

@testable import Engine

@Suite("Database") struct DatabaseTests {
    private static let seed = HashSeed(k0: 11, k1: 22)
    private static let now: Int64 = 1_700_000_000_000

    /// A database beside the dictionary that it has to match.
    private struct Pair: ~Copyable {
        var database = Database(seed: seed, now: now)
        var model: [[UInt8]: (value: [UInt8], deadline: Int64?)] = [:]

        mutating func set(_ name: [UInt8], _ value: [UInt8], _ expiry: Expiry) {
            let key = Key(name.span, hash: seed.hash(name.span))
            let place = database.find(key)
            database.setString(key, at: place, value.span, expiry, clock: 5)
            let kept = model[name]?.deadline
            let deadline: Int64? =
                switch expiry {
                case .none: nil
                case .keep: kept
                case .at(let time): time
                }
            model[name] = (value, deadline)
        }

        mutating func remove(_ name: [UInt8]) {
            let key = Key(name.span, hash: seed.hash(name.span))
            if let place = database.find(key) { database.remove(place, hash: key.hash) }
            model[name] = nil
        }

        mutating func resize(_ name: [UInt8], to count: Int) {
            let key = Key(name.span, hash: seed.hash(name.span))
            guard let place = database.find(key), let old = model[name] else { return }
            _ = database.resizeString(key, at: place, to: count)
            var value = Array(old.value.prefix(count))
            value += [UInt8](repeating: 0, count: count - value.count)
            model[name] = (value, old.deadline)
        }

        mutating func setDeadline(_ name: [UInt8], _ deadline: Int64?) {
            let key = Key(name.span, hash: seed.hash(name.span))
            guard let place = database.find(key), let old = model[name] else { return }
            database.setDeadline(key, at: place, deadline)
            model[name] = (old.value, deadline)
        }

        /// What differs between the two; empty when nothing does.
        mutating func differences() -> [String] {
            var found: [String] = []
            if database.count != model.count { found.append("count \(database.count)") }
            let volatileCount = model.values.count { $0.deadline != nil }
            if database.volatileCount != volatileCount { found.append("volatile count") }
            for (name, entry) in model {
                let key = Key(name.span, hash: seed.hash(name.span))
                guard let record = database.find(key)?.record else {
                    found.append("\(name) is missing")
                    continue
                }
                let text =
                    record.kind == .integer
                    ? Array(String(record.integer).utf8) : record.bytes.array
                if text != entry.value { found.append("value of \(name)") }
                let deadline: Int64? = record.hasDeadline ? record.deadline : nil
                if deadline != entry.deadline { found.append("deadline of \(name)") }
                if found.count > 5 { break }
            }
            return found
        }
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6])
    func `random commands match a dictionary`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var pair = Pair()
        let names = (0..<400).map { _ in random.bytes(0...40) } + [random.bytes(1000...1100)]
        for step in 0..<6000 {
            let name = names.randomElement(using: &random) ?? []
            let deadline = Self.now + Int64.random(in: 1...1_000_000, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0...3:
                let expiry: Expiry =
                    [.none, .keep, .at(deadline)].randomElement(using: &random) ?? .none
                pair.set(name, value(&random), expiry)
            case 4, 5: pair.remove(name)
            case 6: pair.setDeadline(name, deadline)
            case 7: pair.setDeadline(name, nil)
            default: pair.resize(name, to: Int.random(in: 0...1300, using: &random))
            }
            if step % 1000 == 999 { #expect(pair.differences() == []) }
        }
        for name in names { pair.remove(name) }
        #expect(pair.database.count == 0)
    }

    private func value(_ random: inout SeededRandom) -> [UInt8] {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: Array(String(Int64.random(in: .min ... .max, using: &random)).utf8)
        case 1: Array(String(Int.random(in: -5...5, using: &random)).utf8)
        case 2: random.bytes(900...1200)
        default: random.bytes(0...60)
        }
    }

    @Test func `integers are recognised in their one canonical form`() {
        var pair = Pair()
        let texts = [
            "0", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "01",
            "+1", " 1", "1 ", "-0", "-", "",
        ]
        for text in texts { pair.set(Array(text.utf8), Array(text.utf8), .none) }
        #expect(pair.differences() == [])
        let integers = texts.filter { text in
            let name = Array(text.utf8)
            let key = Key(name.span, hash: Self.seed.hash(name.span))
            return pair.database.find(key)?.record.kind == .integer
        }
        #expect(integers == ["0", "-1", "9223372036854775807", "-9223372036854775808"])
    }

    @Test func `a large table is as full at one size as at another`() {
        var random = SeededRandom(seed: 11)
        var pair = Pair()
        for i in 0..<200_000 {
            pair.set(Array("key:\(i)".utf8), Array("v".utf8), .none)
            guard i > 40_000, i % 10_000 == 0 else { continue }
            let tableBytes = pair.database.usedBytes - pair.database.heap.usedBytes
            #expect(tableBytes < i * 64 / 5 + 4096)
        }
        let isBetweenSizes = pair.database.isResizing
        #expect(isBetweenSizes)
        // Fewer and fewer, while some come back: growth ends early, and it shrinks.
        var most = 200_000
        while most > 1000 {
            for _ in 0..<most {
                let i = Int.random(in: 0..<200_000, using: &random)
                if i > most {
                    pair.remove(Array("key:\(i)".utf8))
                } else if i % 9 == 0 {
                    pair.set(Array("key:\(i)".utf8), Array("new".utf8), .none)
                }
            }
            most = most * 2 / 3
        }
        #expect(pair.differences() == [])
        for i in 0..<200_000 { pair.remove(Array("key:\(i)".utf8)) }
        while pair.database.advanceResize(1000) {}
        #expect(pair.database.heap.usedBytes == 0 && pair.database.bucketCount <= 64)
    }

    @Test func `memory comes back when keys go`() {
        var pair = Pair()
        for i in 0..<50_000 { pair.set(Array("key:\(i)".utf8), Array("value".utf8), .none) }
        let full = pair.database.usedBytes
        for i in 0..<50_000 { pair.remove(Array("key:\(i)".utf8)) }
        while pair.database.advanceResize(1000) {}
        #expect(full > 1_500_000)
        #expect(pair.database.heap.usedBytes == 0)
        #expect(pair.database.bucketCount <= 64)
    }

    @Test(arguments: [1, 2])
    func `a scan sees everything that stays, while the table grows and shrinks`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var pair = Pair()
        let stays = Set((0..<500).map { Array("stays:\($0)".utf8) })
        for name in stays { pair.set(name, [1], .none) }
        for i in 0..<3000 { pair.set(Array("before:\(i)".utf8), [2], .none) }
        var seen: Set<[UInt8]> = []
        var cursor: UInt64 = 0, step = 0
        let grows = seed == 1
        repeat {
            cursor = pair.database.scan(cursor) { seen.insert($0.key.array) }
            for _ in 0..<(grows ? 4 : 40) {
                if grows {
                    pair.set(Array("new:\(random.next())".utf8), [3], .none)
                } else {
                    pair.remove(Array("before:\(step)".utf8))
                }
                step += 1
            }
        } while cursor != 0 && step < 200_000
        #expect(cursor == 0)
        let missed = stays.subtracting(seen).count
        #expect(missed == 0)
    }

    @Test func `random draws reach every key`() {
        var pair = Pair()
        for i in 0..<50 { pair.set(Array("k\(i)".utf8), [1], .none) }
        var random = SeededRandom(seed: 3)
        var counts: [[UInt8]: Int] = [:]
        for _ in 0..<10_000 {
            guard let record = pair.database.random(&random) else { break }
            counts[record.key.array, default: 0] += 1
        }
        #expect(counts.count == 50)
        #expect((counts.values.min() ?? 0) > 20)
    }

    // MARK: - Deadlines

    /// Deletes what is due at `now`; returns how many keys went.
    private func expire(_ pair: inout Pair, _ now: Int64) -> Int {
        var gone = 0
        while true {
            var entries = 32
            while let place = pair.database.nextExpired(now, &entries) {
                let name = place.record.key.array
                pair.remove(name)
                gone += 1
            }
            if entries > 0 { return gone }
        }
    }

    @Test func `exactly the keys that are due go`() {
        var pair = Pair()
        for i in 0..<5000 {
            pair.set(Array("k\(i)".utf8), [1], .at(Self.now + Int64(i)))
        }
        #expect(expire(&pair, Self.now - 1) == 0)
        #expect(expire(&pair, Self.now + 999) == 1000)
        #expect(expire(&pair, Self.now + 1000) == 1)
        #expect(expire(&pair, Self.now + 100_000) == 3999)
        #expect(pair.database.volatileCount == 0)
    }

    @Test func `deadlines that go back and forth do not pile up`() {
        var pair = Pair()
        let name = Array("k".utf8)
        pair.set(name, [1], .at(Self.now + 2_000_000))
        for i in 0..<100_000 {
            pair.setDeadline(name, Self.now + (i % 2 == 0 ? 1_000_000 : 999_000))
            if i % 100 == 0 { _ = expire(&pair, Self.now) }
        }
        _ = expire(&pair, Self.now)
        #expect(pair.database.heap.usedBytes < 200_000)
        #expect(expire(&pair, Self.now + 2_000_000) == 1)
    }

    @Test func `a clock that is set back does not delay deadlines`() {
        var pair = Pair()
        pair.set(Array("k".utf8), [1], .at(Self.now + 10))
        let past = Self.now - 3_600_000
        pair.database.clockWentBack(to: past)
        pair.set(Array("early".utf8), [1], .at(past + 50))
        #expect(expire(&pair, past + 49) == 0)
        #expect(expire(&pair, past + 50) == 1)
        #expect(expire(&pair, Self.now + 10) == 1)
    }
}
