//  TimingWheel.swift — what is due when, in eight bytes an entry.  U
//
//  An entry is an opaque 64-bit payload filed under a deadline in milliseconds; the deadline itself
//  is not kept. When an entry's slot comes up the owner is handed the payload and decides: done, or
//  file it again under the deadline that it has by now. So moving a deadline later costs nothing
//  until the old one comes up, and one entry per key is enough.
//
//      level  slot width   reach                 each level: a ring of 512 slots,
//        0    1 ms         0.5 s                 a slot of level n is 256 slots of level n - 1
//        1    256 ms       131 s
//        2    65.5 s       9.3 h
//        3    4.66 h       99 days
//        4    49.7 days    69 years
//
//  Slots of upper levels are opened one slot ahead of time (a ring holds twice what the level above
//  opens at once), so that a slot of a million entries can be spread over many turns and still be
//  sorted into the level below before the first of them is due.
//
//  Cost: filing O(1); an entry is handed out at most once a level. Credits: Varghese and Lauck 1987.
//
//  ## Safety
//  - S1: every slot's head and every chunk's link is 0 or a live chunk of 512 bytes from the heap
//    that the owner passes to every call, laid out as below.

@safe struct TimingWheel: ~Copyable {
    private static var levels: Int { 5 }
    private static var slotsPerLevel: Int { 512 }
    private static var wordsPerLevel: Int { 8 }

    // Chunk: 0 next chunk | 8 u32 entries | 16... 62 payloads
    private static var chunkBytes: Int { 512 }
    private static var chunkEntries: UInt32 { 62 }

    /// Chunks of each slot; empty until the first entry is filed.
    private var slots: Buffer<UInt>
    /// One bit a slot: it has entries.
    private var occupied: Buffer<UInt64>
    /// Slots with entries on each level.
    private var occupiedCount = Buffer<Int>(repeating: 0, count: levels)
    /// The first slot of each level, counted from time 0, that has not been opened.
    private var next = Buffer<Int64>(repeating: 0, count: levels)
    /// Chunks of a slot of level 0 that was opened and is being handed out.
    private var due: UInt = 0
    /// Chunks of a slot of an upper level that was opened ahead of time.
    private var ahead: UInt = 0
    /// When the first entry of `ahead` can be due: until then what is due goes first.
    private var aheadStart: Int64 = 0
    /// When the earliest slot comes up; nil when unknown.
    private var wakeCache: Int64?
    /// Entries filed and not yet handed out.
    private(set) var count = 0
    /// The first millisecond that has not come up.
    var position: Int64 { next[0] }

    /// A wheel that starts at `now`, in Unix milliseconds.
    init(now: Int64) {
        slots = Buffer(repeating: 0, count: 0)
        occupied = Buffer(repeating: 0, count: 0)
        start(at: now)
    }

    private mutating func start(at now: Int64) {
        next[0] = now
        for level in 1..<Self.levels { next[level] = (now >> Self.shift(level)) + 1 }
    }

    @inline(__always) private static func shift(_ level: Int) -> Int64 {
        Int64(truncatingIfNeeded: level &* 8)
    }

    // MARK: - Filing

    /// Files `payload` under `deadline`; one that has passed comes up at once.
    @inline(never) mutating func file(
        _ payload: UInt64, at deadline: Int64, _ heap: inout SlabAllocator
    ) {
        if slots.count == 0 { build() }
        // What lies beyond the wheel comes up at its rim and is filed again from there.
        let rim = ((next[0] >> Self.shift(4)) &+ 500) << Self.shift(4)
        let time = min(max(deadline, next[0]), rim)
        var level = 0
        while level < Self.levels - 1, time >> Self.shift(level + 1) >= next[level + 1] {
            level += 1
        }
        let index = time >> Self.shift(level)
        let slot = level &* Self.slotsPerLevel &+ Int(index & 511)
        if slots[slot] == 0 { mark(slot, level) }
        unsafe push(payload, slot, &heap)
        count &+= 1
        if let wake = wakeCache {
            let up = level == 0 ? index : (index &- 1) << Self.shift(level)
            if up < wake { wakeCache = up }
        }
    }

    private mutating func build() {
        slots = Buffer(repeating: 0, count: Self.levels * Self.slotsPerLevel)
        occupied = Buffer(repeating: 0, count: Self.levels * Self.wordsPerLevel)
    }

    private mutating func mark(_ slot: Int, _ level: Int) {
        occupied[slot >> 6] |= 1 &<< UInt64(slot & 63)
        occupiedCount[level] += 1
    }

    @unsafe private mutating func push(
        _ payload: UInt64, _ slot: Int, _ heap: inout SlabAllocator
    ) {
        if let chunk = unsafe UnsafeMutableRawPointer(bitPattern: slots[slot]) {
            let n = unsafe chunk.load(fromByteOffset: 8, as: UInt32.self)
            if n < Self.chunkEntries {
                unsafe chunk.storeBytes(
                    of: payload, toByteOffset: 16 &+ Int(n) &* 8, as: UInt64.self)
                unsafe chunk.storeBytes(of: n &+ 1, toByteOffset: 8, as: UInt32.self)
                return
            }
        }
        let chunk = unsafe heap.allocate(Self.chunkBytes)
        unsafe chunk.storeBytes(of: slots[slot], as: UInt.self)
        unsafe chunk.storeBytes(of: 1, toByteOffset: 8, as: UInt32.self)
        unsafe chunk.storeBytes(of: payload, toByteOffset: 16, as: UInt64.self)
        slots[slot] = UInt(bitPattern: chunk)
    }

    /// A payload chosen by chance, though not each with the same; nil when none is found at once.
    func sample(_ generator: inout some RandomNumberGenerator) -> UInt64? {
        var total = 0
        for level in 0..<Self.levels { total += occupiedCount[level] }
        guard total > 0 else { return nil }
        var rank = Int.random(in: 0..<total, using: &generator)
        for i in 0..<occupied.count {
            var word = occupied[i]
            if rank >= word.nonzeroBitCount {
                rank -= word.nonzeroBitCount
                continue
            }
            for _ in 0..<rank { word &= word &- 1 }
            let slot = i * 64 + word.trailingZeroBitCount
            guard let chunk = unsafe UnsafeRawPointer(bitPattern: slots[slot]) else { return nil }
            let n = unsafe chunk.load(fromByteOffset: 8, as: UInt32.self)
            let k = Int.random(in: 0..<max(Int(n), 1), using: &generator)
            return unsafe chunk.load(fromByteOffset: 16 + k * 8, as: UInt64.self)
        }
        return nil
    }

    // MARK: - Coming up

    /// The next payload whose slot has come up at `now`; nil when there is none.
    ///
    /// The caller either is done with it or files it again under its present deadline.
    mutating func next(_ now: Int64, _ heap: inout SlabAllocator) -> UInt64? {
        while true {
            if due != 0 { return unsafe Self.pop(&due, &count, &heap) }
            if ahead != 0 {
                if next[0] <= now, openDue(min(now + 1, aheadStart)) { continue }
                return unsafe Self.pop(&ahead, &count, &heap)
            }
            if count == 0 {
                if next[0] <= now { start(at: now + 1) }
                return nil
            }
            guard open(now) else { return nil }
        }
    }

    @unsafe private static func pop(
        _ list: inout UInt, _ count: inout Int, _ heap: inout SlabAllocator
    ) -> UInt64? {
        guard let chunk = unsafe UnsafeMutableRawPointer(bitPattern: list) else { return nil }
        let n = unsafe chunk.load(fromByteOffset: 8, as: UInt32.self) &- 1
        let payload = unsafe chunk.load(fromByteOffset: 16 &+ Int(n) &* 8, as: UInt64.self)
        if n == 0 {
            list = unsafe chunk.load(as: UInt.self)
            unsafe heap.free(chunk, chunkBytes)
        } else {
            unsafe chunk.storeBytes(of: n, toByteOffset: 8, as: UInt32.self)
        }
        count &-= 1
        return payload
    }

    /// Opens one slot, or moves the position on; false when nothing is up at `now`.
    private mutating func open(_ now: Int64) -> Bool {
        if next[0] <= now {
            skipEmptyLevels(now)
            // Slots of upper levels that the position has reached come first.
            for level in stride(from: Self.levels - 1, to: 0, by: -1)
            where next[0] >> Self.shift(level) >= next[level] {
                return open(level: level)
            }
            _ = openDue(now + 1)
            return true
        }
        for level in stride(from: Self.levels - 1, to: 0, by: -1)
        where next[level] <= (now >> Self.shift(level)) + 1 {
            return open(level: level)
        }
        return false
    }

    /// Opens the first slot of level 0 before `end` that has entries; false when there is none.
    private mutating func openDue(_ end: Int64) -> Bool {
        let limit = min(end, next[1] << Self.shift(1))
        guard limit > next[0] else { return false }
        guard let time = firstOccupied(0, from: next[0], to: limit) else {
            next[0] = limit
            return false
        }
        next[0] = time
        return open(level: 0)
    }

    /// Takes the next slot of `level`; always true.
    private mutating func open(level: Int) -> Bool {
        let slot = level &* Self.slotsPerLevel &+ Int(next[level] & 511)
        next[level] += 1
        if slots[slot] != 0 {
            if level == 0 {
                due = slots[slot]
            } else {
                ahead = slots[slot]
                aheadStart = (next[level] - 1) << Self.shift(level)
            }
            slots[slot] = 0
            occupied[slot >> 6] &= ~(1 &<< UInt64(slot & 63))
            occupiedCount[level] -= 1
            wakeCache = nil
        }
        return true
    }

    /// After a leap of the clock: passes over levels that hold nothing in one step each.
    private mutating func skipEmptyLevels(_ now: Int64) {
        var empty = 0
        while empty < Self.levels - 1, occupiedCount[empty] == 0 { empty += 1 }
        guard empty > 0 else { return }
        let target = min(now, next[empty] << Self.shift(empty))
        guard target > next[0] else { return }
        next[0] = target
        for level in 1..<empty { next[level] = max(next[level], target >> Self.shift(level)) }
    }

    // MARK: - Sleeping

    /// When the next slot comes up; nil for an empty wheel.
    mutating func wakeTime() -> Int64? {
        if due != 0 || ahead != 0 { return 0 }
        if count == 0 { return nil }
        if let wakeCache { return wakeCache }
        var wake = Int64.max
        for level in 0..<Self.levels where occupiedCount[level] > 0 {
            let start = next[level]
            guard let index = firstOccupied(level, from: start, to: start + 512) else { continue }
            wake = min(wake, level == 0 ? index : (index - 1) << Self.shift(level))
        }
        wakeCache = wake
        return wake
    }

    /// The first slot of `level` with entries in a range of at most 512 slots.
    private func firstOccupied(_ level: Int, from start: Int64, to end: Int64) -> Int64? {
        let base = level * Self.wordsPerLevel
        var index = start
        while index < end {
            let bit = index & 63
            let word = occupied[base + Int((index & 511) >> 6)] >> UInt64(bit)
            if word != 0 {
                let found = index + Int64(word.trailingZeroBitCount)
                return found < end ? found : nil
            }
            index += 64 - bit
        }
        return nil
    }

    /// Frees every entry.
    mutating func removeAll(_ heap: inout SlabAllocator) {
        for slot in 0..<slots.count { unsafe freeChunks(slots[slot], &heap) }
        unsafe freeChunks(due, &heap)
        unsafe freeChunks(ahead, &heap)
        due = 0
        ahead = 0
        slots = Buffer(repeating: 0, count: 0)
        occupied = Buffer(repeating: 0, count: 0)
        for level in 0..<Self.levels { occupiedCount[level] = 0 }
        wakeCache = nil
        count = 0
    }

    @unsafe private func freeChunks(_ head: UInt, _ heap: inout SlabAllocator) {
        var head = head
        while let chunk = unsafe UnsafeMutableRawPointer(bitPattern: head) {
            head = unsafe chunk.load(as: UInt.self)
            unsafe heap.free(chunk, Self.chunkBytes)
        }
    }
}
