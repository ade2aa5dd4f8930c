//  Eviction.swift — which key goes when memory is short, and how use is remembered.
//
//  A record has 24 bits for its past: the second of its last use (LRU), or, under an LFU policy,
//  16 bits of the minute of its last decay and an 8-bit counter that grows with the logarithm of
//  uses and shrinks with time. Candidates are found by sampling; the best of several rounds wait in
//  a small pool, which comes close to the true order at the price of some samples per key.
//
//  Memory is looked at only while `maxmemory` is set: then the gate `memory` is up, and a command
//  that may need memory makes room first, for a slice of time at most; between turns the executor
//  goes on.
//
//  Credits: sampling into a pool and the logarithmic counter are Salvatore Sanfilippo's.
import CPlatform

/// The 8-bit counter of an LFU policy and its clock.
enum AccessCounter {
    /// What a new key starts with, so that it is not the first to go.
    static var initial: UInt32 { 5 }

    /// The 24 bits for a counter at a time in Unix milliseconds.
    static func word(_ counter: UInt32, _ now: Int64) -> UInt32 {
        minutes(now) << 8 | counter & 0xFF
    }

    private static func minutes(_ now: Int64) -> UInt32 {
        UInt32(truncatingIfNeeded: now / 60_000) & 0xFFFF
    }

    /// The counter of `word` now: it loses one every `decayMinutes`.
    static func value(_ word: UInt32, _ now: Int64, decayMinutes: Int) -> UInt32 {
        guard decayMinutes > 0 else { return word & 0xFF }
        let elapsed = (minutes(now) &- (word >> 8)) & 0xFFFF
        let periods = elapsed / UInt32(clamping: decayMinutes)
        let counter = word & 0xFF
        return periods > counter ? 0 : counter - periods
    }

    /// The counter after one more use: it grows by one with a chance that shrinks as it grows.
    static func raised(
        _ counter: UInt32, logFactor: Int, _ generator: inout some RandomNumberGenerator
    ) -> UInt32 {
        guard counter < 255 else { return 255 }
        let base = Double(counter > initial ? counter - initial : 0)
        let chance = 1 / (base * Double(logFactor) + 1)
        return Double.random(in: 0..<1, using: &generator) < chance ? counter + 1 : counter
    }
}

/// Keys that may go, the best candidate last.
struct EvictionPool {
    private struct Candidate {
        let score: UInt64
        let database: Int
        let key: [UInt8]
    }

    private static let countMax = 16
    private var candidates: [Candidate] = []

    /// Whether a candidate of this score would be kept.
    func admits(_ score: UInt64) -> Bool {
        candidates.count < Self.countMax || score > candidates[0].score
    }

    mutating func add(_ score: UInt64, _ database: Int, _ key: Bytes) {
        let i = candidates.firstIndex { $0.score >= score } ?? candidates.count
        let name = key.array
        if candidates.contains(where: { $0.database == database && $0.key == name }) { return }
        candidates.insert(Candidate(score: score, database: database, key: name), at: i)
        if candidates.count > Self.countMax { candidates.removeFirst() }
    }

    mutating func popBest() -> (database: Int, key: [UInt8])? {
        candidates.popLast().map { ($0.database, $0.key) }
    }

    mutating func removeAll() { candidates = [] }
}

extension Call {
    // MARK: - Remembering use

    /// Takes over what decides how uses are remembered; after a change of session or configuration.
    @inline(__always) mutating func updateTouching() {
        touchesPlainly = !session.noTouch && !countsAccesses
    }

    /// Remembers a use of `record`.
    @inline(__always) mutating func touch(_ record: Record) {
        if touchesPlainly { record.touch(clock) } else { touchSpecially(record) }
    }

    @inline(never) private mutating func touchSpecially(_ record: Record) {
        if !session.noTouch { touchAlways(record) }
    }

    /// Remembers a use of `record` even for a client that asked for NO-TOUCH.
    mutating func touchAlways(_ record: Record) {
        guard countsAccesses else { return record.touch(clock) }
        let counter = AccessCounter.raised(
            frequency(record.accessClock), logFactor: configuration.lfuLogFactor, &random)
        record.touch(AccessCounter.word(counter, now))
    }

    /// The access counter in the 24 bits of a record.
    func frequency(_ word: UInt32) -> UInt32 {
        AccessCounter.value(word, now, decayMinutes: configuration.lfuDecayTime)
    }

    // MARK: - Making room

    /// Whether memory is within `maxmemory`, or could be brought there, or is being so.
    ///
    /// Evicts for up to half a millisecond; what is left to do the turn does.
    @inline(never) mutating func makeRoom() -> Bool {
        let limit = configuration.maxMemory
        guard limit > 0, memoryForLimit > limit else { return true }
        let end = cp_ticks() &+ UInt64(500 * ticksPerMicrosecond)
        while memoryForLimit > limit {
            guard freeDoomedOrEvict() else { return false }
            if cp_ticks() >= end { break }
        }
        return true
    }

    /// Bytes that count against `maxmemory`.
    var memoryForLimit: Int { startupMemory + keyspace.usedBytes + clients.memoryBytes }

    /// Frees something; false when there is nothing that may go.
    private mutating func freeDoomedOrEvict() -> Bool {
        for i in 0..<keyspace.usedCount where keyspace.databases[i].hasDoomed {
            _ = keyspace.databases[i].freeDoomed()
            return true
        }
        return evictOne()
    }

    private mutating func evictOne() -> Bool {
        let policy = configuration.maxMemoryPolicy
        switch policy {
        case .noEviction: return false
        case .allKeysRandom, .volatileRandom: return evictRandom(policy.isVolatile)
        default: break
        }
        for _ in 0..<3 {
            sampleCandidates(policy)
            while let (index, key) = pool.popBest() {
                if evict(index, key, policy.isVolatile) { return true }
            }
        }
        return evictRandom(policy.isVolatile)
    }

    private mutating func sampleCandidates(_ policy: EvictionPolicy) {
        let now = now, clock = clock, decay = configuration.lfuDecayTime
        var pool = EvictionPool()
        swap(&pool, &self.pool)
        for i in 0..<keyspace.usedCount {
            var generator = random
            // Twice as many as asked for: neighbours in a bucket come at the price of one.
            keyspace.databases[i].sample(
                configuration.maxMemorySamples * 2, onlyVolatile: policy.isVolatile, &generator
            ) { record in
                let word = record.accessClock
                let score: UInt64 =
                    switch policy {
                    case .volatileTTL: UInt64(bitPattern: Int64.max &- record.deadline)
                    case .allKeysLFU, .volatileLFU:
                        UInt64(255 - AccessCounter.value(word, now, decayMinutes: decay))
                    default: UInt64((clock &- word) & 0xFF_FFFF)
                    }
                if pool.admits(score) { pool.add(score, i, record.key) }
            }
            random = generator
        }
        swap(&pool, &self.pool)
    }

    /// Evicts a random key of the databases in turn; false when there is none.
    private mutating func evictRandom(_ isVolatile: Bool) -> Bool {
        for _ in 0..<keyspace.usedCount {
            nextEvictionDatabase = (nextEvictionDatabase + 1) % keyspace.usedCount
            var chosen: [UInt8]?
            var generator = random
            keyspace.databases[nextEvictionDatabase].sample(
                1, onlyVolatile: isVolatile, &generator
            ) { chosen = $0.key.array }
            random = generator
            if let chosen, evict(nextEvictionDatabase, chosen, isVolatile) { return true }
        }
        return false
    }

    private mutating func evict(_ index: Int, _ name: [UInt8], _ isVolatile: Bool) -> Bool {
        let key = key(name.span)
        guard index < keyspace.count, let place = keyspace.databases[index].find(key) else {
            return false
        }
        // It may have lost its deadline since it was sampled.
        if isVolatile, !place.record.hasDeadline { return false }
        keyspace.databases[index].remove(place, hash: key.hash)
        statistics.evictedKeys &+= 1
        effects.dirty &+= 1
        if !interest.isEmpty { note(key.bytes, .evicted, "evicted", index) }
        return true
    }
}

extension EvictionPolicy {
    /// Whether only keys with a deadline may go.
    var isVolatile: Bool {
        switch self {
        case .volatileLRU, .volatileLFU, .volatileRandom, .volatileTTL: true
        default: false
        }
    }
}
