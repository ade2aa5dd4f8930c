//  HashTable.swift — the keys of one database, found in two cache misses.  U
//
//      bucket, one cache line
//      ┌──────────┬──────────────┬───────────────────────────────────────────────┐
//      │ presence │ seven 1-byte │ seven words: 48-bit record address,           │
//      │ + chain  │ tags         │ 16 more hash bits                             │
//      └──────────┴──────────────┴───────────────────────────────────────────────┘
//       byte 0     1 ... 7        8 ... 63
//
//  A look-up compares seven tags at once and reads a record only when 24 hash bits agree. The hash
//  bits kept beside the address tell where a record goes when the table doubles, so growing reads
//  one cache line per bucket and touches no record. A full bucket turns its last word into a
//  pointer to a child bucket. Growth and shrinking are incremental: every operation moves one
//  bucket, and the old table's pages return to the system while it empties. A table with its own
//  mapping grows only as fast as records come, a bucket for every five, so that it is as full at
//  one size as at another; it may stay between two sizes for as long as nothing is added.
//
//  Hash bits: 0... home bucket; 16...31 beside the address; 56...63 tag.
//
//  Credits: the bucket is Valkey 8.1's, after Swiss tables; hash bits in the pointer words are
//  ours; growing with the records is Witold Litwin's linear hashing; the cursor of `scan` is Pieter
//  Noordhuis's, from Redis.
//
//  ## Safety
//  - S1: `old`/`new` point at `mask + 1` buckets each; a present word is a live record of the
//    owner's heap; a chained bucket's last word is a bucket of the same heap.
//  - S2: a `Place` is used before the next mutation of the table.
//  - S3: buckets below `moved` of `old` are empty and may have lost their pages.
import CPlatform

@safe struct HashTable: ~Copyable {
    private var old: UnsafeMutableRawPointer
    private var oldMask: UInt64
    /// Where buckets go while the table changes size; equal to `old` otherwise.
    private var new: UnsafeMutableRawPointer
    private var newMask: UInt64
    /// Buckets of `old` that were moved, or -1 while the size is stable.
    private var moved = -1
    /// The next bucket moves when there are more records than this; -1 moves them all soon.
    private var stepAbove = Int.max
    private(set) var count = 0
    private let seed: HashSeed

    private static var bucketBytes: Int { 64 }
    private static var slotsPerBucket: Int { 7 }
    /// Records in a bucket, on average, of a table that grows with them: with more, chains cost
    /// more time than they save memory.
    private static var recordsPerBucket: Int { 5 }
    private static var chainBit: UInt8 { 0x80 }
    /// Tables from this size on have their own mapping, whose pages can be returned piecewise.
    private static var mappedBytesMin: Int { 256 << 10 }
    /// How much of the old table is returned at a time.
    private static var returnBytes: Int { 1 << 20 }

    /// An empty table whose keys are hashed with `seed`.
    init(seed: HashSeed) {
        self.seed = seed
        unsafe old = Self.make(1)
        unsafe new = old
        oldMask = 0
        newMask = 0
    }

    deinit {
        unsafe Self.unmake(old, oldMask)
        if moved >= 0 { unsafe Self.unmake(new, newMask) }
    }

    // MARK: - Shape

    /// Buckets in both tables.
    var bucketCount: Int { Int(oldMask) + 1 + (moved >= 0 ? Int(newMask) + 1 : 0) }
    var isResizing: Bool { moved >= 0 }
    /// Bytes of the tables themselves, without records, child buckets and what is not in use of
    /// mappings.
    var tableBytes: Int {
        let buckets = stepAbove < 0 || moved < 0 ? bucketCount : Int(oldMask) + 1 + moved
        return buckets * Self.bucketBytes
    }
    /// Too large for the nearest caches, so that looking ahead pays: from half a megabyte on.
    @inline(__always) var isWide: Bool { oldMask > 0x1FFF }

    @unsafe private static func make(_ buckets: Int) -> UnsafeMutableRawPointer {
        let bytes = buckets * bucketBytes
        if bytes >= mappedBytesMin {
            let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
            let map = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0)
            guard let map = unsafe map, UInt(bitPattern: map) != .max else {
                preconditionFailure("out of memory: \(bytes) bytes for a table")
            }
            unsafe madvise(map, bytes, MADV_NOHUGEPAGE)
            return unsafe map
        }
        let p = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: bucketBytes)
        unsafe p.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        return unsafe p
    }

    @unsafe private static func unmake(_ p: UnsafeMutableRawPointer, _ mask: UInt64) {
        let bytes = (Int(mask) + 1) * bucketBytes
        if bytes >= mappedBytesMin {
            unsafe munmap(p, bytes)
        } else {
            unsafe p.deallocate()
        }
    }

    // MARK: - Looking up

    /// Where a record sits.
    @safe struct Place {
        fileprivate let word: UnsafeMutablePointer<UInt64>

        @inline(__always) fileprivate init(_ word: UnsafeMutablePointer<UInt64>) {
            unsafe self.word = word
        }

        @inline(__always) var record: Record {
            get { unsafe HashTable.record(word.pointee) }
            nonmutating set {
                let bits = UInt64(UInt(bitPattern: unsafe newValue.address))
                unsafe word.pointee = word.pointee & 0xFFFF_0000_0000_0000 | bits
            }
        }
    }

    @inline(__always) @unsafe private static func record(_ word: UInt64) -> Record {
        let address = UInt(word & 0x0000_FFFF_FFFF_FFFF)
        return unsafe Record(UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped)
    }

    @inline(__always) private static func tag(_ hash: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: hash >> 56)
    }

    @inline(__always) @unsafe private func home(_ hash: UInt64) -> UnsafeMutableRawPointer {
        // Chosen without a branch: between two sizes it would go either way.
        let isMoved = Int(truncatingIfNeeded: hash & oldMask) < moved
        let mask = isMoved ? newMask : oldMask
        let base = unsafe isMoved ? new : old
        return unsafe base + Int(truncatingIfNeeded: hash & mask) &* Self.bucketBytes
    }

    /// Calls `body` with each place whose 24 stored hash bits match, until it returns true.
    @inline(__always) @unsafe private static func search(
        _ home: UnsafeMutableRawPointer, _ hash: UInt64, _ body: (Place) -> Bool
    ) -> Place? {
        var bucket = unsafe home
        while true {
            let meta = unsafe bucket.load(as: UInt8.self)
            var match = unsafe cp_match7(bucket, tag(hash))
            if meta & chainBit != 0 { match &= 0x3F }
            while match != 0 {
                let slot = 8 &+ match.trailingZeroBitCount &* 8
                let word = unsafe (bucket + slot).assumingMemoryBound(to: UInt64.self)
                let bits = UInt16(truncatingIfNeeded: unsafe word.pointee >> 48)
                if bits == UInt16(truncatingIfNeeded: hash >> 16) {
                    let place = unsafe Place(word)
                    if body(place) { return place }
                }
                match &= match &- 1
            }
            if meta & chainBit == 0 { return nil }
            unsafe bucket = child(of: bucket)
        }
    }

    @inline(__always) @unsafe private static func child(
        of bucket: UnsafeMutableRawPointer
    ) -> UnsafeMutableRawPointer {
        unsafe bucket.load(fromByteOffset: 56, as: UnsafeMutableRawPointer.self)
    }

    /// The place of `key`; moves one bucket if one is due.
    @inline(__always) mutating func find(
        _ key: borrowing Key, _ heap: inout SlabAllocator
    ) -> Place? {
        if count > stepAbove { step(&heap) }
        let bytes = key.bytes
        return unsafe Self.search(home(key.hash), key.hash) { $0.record.keyEquals(bytes) }
    }

    /// The record of `key`; moves nothing.
    @inline(__always) func peek(_ key: borrowing Key) -> Record? {
        let bytes = key.bytes
        return unsafe Self.search(home(key.hash), key.hash) {
            $0.record.keyEquals(bytes)
        }?.record
    }

    /// The place of the record whose key has exactly this hash and which, or an element of which,
    /// has a deadline.
    func findVolatile(_ hash: UInt64) -> Place? {
        unsafe Self.search(home(hash), hash) {
            $0.record.isVolatile && seed.hash($0.record.key) == hash
        }
    }

    @inline(__always) func prefetchBucket(_ hash: UInt64) { unsafe cp_prefetch(home(hash)) }

    /// Asks for the record that `hash` probably leads to; its bucket should be cached by now.
    @inline(__always) func prefetchRecord(_ hash: UInt64) {
        let bucket = unsafe home(hash)
        var match = unsafe cp_match7(bucket, Self.tag(hash))
        if unsafe bucket.load(as: UInt8.self) & Self.chainBit != 0 { match &= 0x3F }
        guard match != 0 else { return }
        let slot = 8 &+ match.trailingZeroBitCount &* 8
        unsafe Self.record(bucket.load(fromByteOffset: slot, as: UInt64.self)).prefetch()
    }

    // MARK: - Inserting and removing

    /// Adds a record whose key is not in the table.
    @inline(never) mutating func insert(
        _ record: Record, hash: UInt64, _ heap: inout SlabAllocator
    ) {
        if moved < 0, count >= growAt { resize(to: (oldMask << 1) | 1) }
        count &+= 1
        let address = UInt64(UInt(bitPattern: unsafe record.address))
        let word = address | ((hash >> 16) << 48)
        unsafe Self.put(home(hash), word, Self.tag(hash), &heap)
    }

    @unsafe private static func put(
        _ home: UnsafeMutableRawPointer, _ word: UInt64, _ tag: UInt8, _ heap: inout SlabAllocator
    ) {
        var bucket = unsafe home
        while true {
            let meta = unsafe bucket.load(as: UInt8.self)
            let free = ~meta & (meta & chainBit != 0 ? 0x3F : 0x7F)
            if free != 0 {
                let i = free.trailingZeroBitCount
                unsafe bucket.storeBytes(of: word, toByteOffset: 8 &+ i &* 8, as: UInt64.self)
                unsafe bucket.storeBytes(of: tag, toByteOffset: 1 &+ i, as: UInt8.self)
                let present = meta | (1 &<< UInt8(truncatingIfNeeded: i))
                unsafe bucket.storeBytes(of: present, as: UInt8.self)
                return
            }
            if meta & chainBit == 0 { unsafe addChild(to: bucket, &heap) }
            unsafe bucket = child(of: bucket)
        }
    }

    /// Moves the last word of a full bucket to a new child, whose address takes its place.
    @inline(never) @unsafe private static func addChild(
        to bucket: UnsafeMutableRawPointer, _ heap: inout SlabAllocator
    ) {
        let child = unsafe heap.allocate(bucketBytes)
        unsafe child.initializeMemory(as: UInt8.self, repeating: 0, count: bucketBytes)
        let word = unsafe bucket.load(fromByteOffset: 56, as: UInt64.self)
        unsafe child.storeBytes(of: word, toByteOffset: 8, as: UInt64.self)
        let tag = unsafe bucket.load(fromByteOffset: 7, as: UInt8.self)
        unsafe child.storeBytes(of: tag, toByteOffset: 1, as: UInt8.self)
        unsafe child.storeBytes(of: 1, as: UInt8.self)
        unsafe bucket.storeBytes(of: child, toByteOffset: 56, as: UnsafeMutableRawPointer.self)
        unsafe bucket.storeBytes(of: 0x3F | chainBit, as: UInt8.self)
    }

    /// Takes the record out; its memory stays the caller's.
    @inline(__always) mutating func remove(
        _ place: Place, hash: UInt64, _ heap: inout SlabAllocator
    ) -> Record {
        let record = place.record
        let address = UInt(bitPattern: unsafe place.word)
        let bucket = unsafe UnsafeMutableRawPointer(bitPattern: address & ~63).unsafelyUnwrapped
        let i = UInt8(truncatingIfNeeded: ((address & 63) >> 3) &- 1)
        let meta = unsafe bucket.load(as: UInt8.self)
        unsafe bucket.storeBytes(of: meta & ~(1 &<< i), as: UInt8.self)
        count &-= 1
        let start = unsafe home(hash)
        if unsafe start.load(as: UInt8.self) & Self.chainBit != 0 {
            unsafe Self.compact(start, hole: bucket, Int(i), &heap)
        }
        if count < Int(oldMask) { shrinkIfSparse() }
        return record
    }

    /// Fills a hole in a chain from its last bucket, which is freed once it is empty.
    @inline(never) @unsafe private static func compact(
        _ home: UnsafeMutableRawPointer, hole: UnsafeMutableRawPointer, _ i: Int,
        _ heap: inout SlabAllocator
    ) {
        var parent = unsafe home
        var last = unsafe child(of: home)
        while unsafe last.load(as: UInt8.self) & chainBit != 0 {
            unsafe parent = last
            unsafe last = child(of: last)
        }
        var meta = unsafe last.load(as: UInt8.self)
        if meta != 0, unsafe last != hole {
            let j = meta.trailingZeroBitCount
            let word = unsafe last.load(fromByteOffset: 8 + j * 8, as: UInt64.self)
            let tag = unsafe last.load(fromByteOffset: 1 + j, as: UInt8.self)
            unsafe hole.storeBytes(of: word, toByteOffset: 8 + i * 8, as: UInt64.self)
            unsafe hole.storeBytes(of: tag, toByteOffset: 1 + i, as: UInt8.self)
            let present = unsafe hole.load(as: UInt8.self) | (1 << UInt8(i))
            unsafe hole.storeBytes(of: present, as: UInt8.self)
            meta &= meta &- 1
            unsafe last.storeBytes(of: meta, as: UInt8.self)
        }
        if meta == 0 {
            let parentMeta = unsafe parent.load(as: UInt8.self)
            unsafe parent.storeBytes(of: parentMeta & ~chainBit & 0x3F, as: UInt8.self)
            unsafe heap.free(last, bucketBytes)
        }
    }

    // MARK: - Changing size

    private mutating func resize(to mask: UInt64) {
        unsafe new = Self.make(Int(mask) + 1)
        newMask = mask
        moved = 0
        stepAbove = mask > oldMask && isMapped ? pace : -1
    }

    /// Takes a size that `records` will not make grow much, if the table is empty and has its first.
    mutating func reserve(_ records: Int) {
        guard count == 0, moved < 0, oldMask == 0 else { return }
        var mask: UInt64 = 0
        while Int(mask) * 2 + 2 <= min(records, 1 << 40) / Self.recordsPerBucket {
            mask = mask << 1 | 1
        }
        guard mask > 0 else { return }
        unsafe Self.unmake(old, oldMask)
        unsafe old = Self.make(Int(mask) + 1)
        unsafe new = old
        oldMask = mask
        newMask = mask
    }

    private var isMapped: Bool { (Int(oldMask) &+ 1) &* Self.bucketBytes >= Self.mappedBytesMin }

    /// As many records make a table grow that has one size.
    private var growAt: Int {
        (Int(oldMask) &+ 1) &* (isMapped ? Self.recordsPerBucket : Self.slotsPerBucket)
    }

    /// More records than this are too many for the buckets in use.
    private var pace: Int { (Int(oldMask) &+ 1 &+ moved) &* Self.recordsPerBucket }

    /// Below one record per bucket the table shrinks to a quarter.
    @inline(never) private mutating func shrinkIfSparse() {
        if moved >= 0 {
            // Growth comes to its end first.
            stepAbove = -1
        } else if oldMask >= 7 {
            resize(to: oldMask >> 2)
        }
    }

    /// Moves up to `buckets` buckets that are due; false when none is left.
    mutating func advanceResize(_ buckets: Int, _ heap: inout SlabAllocator) -> Bool {
        var n = 0
        while count > stepAbove, n < buckets {
            step(&heap)
            n += 1
        }
        return count > stepAbove
    }

    @inline(never) private mutating func step(_ heap: inout SlabAllocator) {
        let home = unsafe old + moved &* Self.bucketBytes
        var bucket = unsafe home
        while true {
            let meta = unsafe bucket.load(as: UInt8.self)
            let isChained = meta & Self.chainBit != 0
            var present = meta & (isChained ? 0x3F : 0x7F)
            while present != 0 {
                let i = present.trailingZeroBitCount
                let word = unsafe bucket.load(fromByteOffset: 8 &+ i &* 8, as: UInt64.self)
                let tag = unsafe bucket.load(fromByteOffset: 1 &+ i, as: UInt8.self)
                let target = unsafe new + newIndex(word, tag) &* Self.bucketBytes
                unsafe Self.put(target, word, tag, &heap)
                present &= present &- 1
            }
            let next = isChained ? unsafe Self.child(of: bucket) : nil
            if unsafe bucket != home { unsafe heap.free(bucket, Self.bucketBytes) }
            guard let next = unsafe next else { break }
            unsafe bucket = next
        }
        unsafe home.storeBytes(of: 0, as: UInt8.self)
        moved &+= 1
        if stepAbove >= 0 { stepAbove = pace }
        returnPages()
        if moved > Int(oldMask) { finishResize() }
    }

    /// The home in the new table of a word that stood in bucket `moved`.
    @inline(__always) private func newIndex(_ word: UInt64, _ tag: UInt8) -> Int {
        let low = UInt64(truncatingIfNeeded: moved)
        if newMask <= oldMask { return Int(truncatingIfNeeded: low & newMask) }
        if oldMask >= 0xFFFF {
            // Doubling: the one new bit stands among the sixteen beside the address.
            let bit = UInt64((oldMask &+ 1).trailingZeroBitCount)
            return Int(truncatingIfNeeded: low | (((word >> (32 &+ bit)) & 1) << bit))
        }
        let hash = rehash(unsafe Self.record(word).key)
        return Int(truncatingIfNeeded: hash & newMask)
    }

    /// For tables too small to find the next bit in a word.
    @inline(never) private func rehash(_ key: Bytes) -> UInt64 { seed.hash(key) }

    /// Gives back each whole megabyte of the old table that has been moved.
    @inline(__always) private func returnPages() {
        let done = moved &* Self.bucketBytes
        guard done & (Self.returnBytes &- 1) == 0 else { return }
        let bytes = (Int(oldMask) + 1) * Self.bucketBytes
        guard bytes >= Self.mappedBytesMin else { return }
        unsafe madvise(old + (done - Self.returnBytes), Self.returnBytes, MADV_DONTNEED)
    }

    @inline(never) private mutating func finishResize() {
        unsafe Self.unmake(old, oldMask)
        unsafe old = new
        oldMask = newMask
        moved = -1
        stepAbove = .max
        // What was deleted meanwhile may be worth another step.
        if count < Int(oldMask) { shrinkIfSparse() }
    }

    // MARK: - Walking

    @unsafe private static func forEach(
        _ home: UnsafeMutableRawPointer, _ body: (Record) -> Void
    ) {
        var bucket = unsafe home
        while true {
            let meta = unsafe bucket.load(as: UInt8.self)
            let isChained = meta & chainBit != 0
            var present = meta & (isChained ? 0x3F : 0x7F)
            while present != 0 {
                let slot = 8 &+ present.trailingZeroBitCount &* 8
                body(unsafe record(bucket.load(fromByteOffset: slot, as: UInt64.self)))
                present &= present &- 1
            }
            if !isChained { return }
            unsafe bucket = child(of: bucket)
        }
    }

    /// Calls `body` with the records at `cursor` and returns the next cursor, 0 at the end.
    ///
    /// Cursors count in reverse binary over the buckets, so that a bucket that was split or merged
    /// between two calls is neither left out nor started anew: whatever stays in the table from
    /// the first call to the last is seen at least once.
    func scan(_ cursor: UInt64, _ body: (Record) -> Void) -> UInt64 {
        var v = cursor
        guard moved >= 0 else {
            unsafe Self.forEach(old + Int(v & oldMask) * Self.bucketBytes, body)
            return Self.increment(v, oldMask)
        }
        let oldIsSmall = oldMask < newMask
        let small = unsafe oldIsSmall ? old : new, large = unsafe oldIsSmall ? new : old
        let smallMask = min(oldMask, newMask), largeMask = max(oldMask, newMask)
        unsafe Self.forEach(small + Int(v & smallMask) * Self.bucketBytes, body)
        repeat {
            unsafe Self.forEach(large + Int(v & largeMask) * Self.bucketBytes, body)
            v = Self.increment(v, largeMask)
        } while v & (smallMask ^ largeMask) != 0
        return v
    }

    /// Adds one to the bits under `mask`, the highest first.
    private static func increment(_ cursor: UInt64, _ mask: UInt64) -> UInt64 {
        func reversed(_ x: UInt64) -> UInt64 {
            var y = x.byteSwapped
            y = (y >> 4) & 0x0F0F_0F0F_0F0F_0F0F | (y & 0x0F0F_0F0F_0F0F_0F0F) << 4
            y = (y >> 2) & 0x3333_3333_3333_3333 | (y & 0x3333_3333_3333_3333) << 2
            return (y >> 1) & 0x5555_5555_5555_5555 | (y & 0x5555_5555_5555_5555) << 1
        }
        return reversed(reversed(cursor | ~mask) &+ 1)
    }

    /// Takes the records of a few buckets out for `body` to free, starting at bucket `cursor`;
    /// returns where to go on, 0 at the end, when the table is empty.
    ///
    /// Between the first call and the last nothing else touches the table.
    mutating func drain(
        _ cursor: UInt64, _ heap: inout SlabAllocator,
        _ body: (Record, inout SlabAllocator) -> Void
    ) -> UInt64 {
        // Of a table that changes size first what is left in the old place.
        let first = max(moved, 0), oldLeft = Int(oldMask) + 1 - first
        let total = oldLeft + (moved >= 0 ? Int(newMask) + 1 : 0)
        let i = Int(cursor)
        let home =
            unsafe i < oldLeft
            ? old + (first + i) * Self.bucketBytes : new + (i - oldLeft) * Self.bucketBytes
        unsafe Self.forEach(home) { record in
            count &-= 1
            body(record, &heap)
        }
        var bucket = unsafe home
        while unsafe bucket.load(as: UInt8.self) & Self.chainBit != 0 {
            let next = unsafe Self.child(of: bucket)
            if unsafe bucket != home { unsafe heap.free(bucket, Self.bucketBytes) }
            unsafe bucket = next
        }
        if unsafe bucket != home { unsafe heap.free(bucket, Self.bucketBytes) }
        unsafe home.storeBytes(of: 0, as: UInt8.self)
        return i + 1 < total ? cursor + 1 : 0
    }

    /// Calls `body` with every record.
    ///
    /// The table must not change meanwhile.
    func forEach(_ body: (Record) -> Void) {
        for i in max(moved, 0)...Int(oldMask) {
            unsafe Self.forEach(old + i * Self.bucketBytes, body)
        }
        guard moved >= 0 else { return }
        for i in 0...Int(newMask) { unsafe Self.forEach(new + i * Self.bucketBytes, body) }
    }

    /// Calls `body` with the records of a bucket chosen by chance, which may be empty.
    func sampleBucket(
        _ generator: inout some RandomNumberGenerator, _ body: (Record) -> Void
    ) {
        let first = max(moved, 0)
        let oldLeft = Int(oldMask) + 1 - first
        let total = oldLeft + (moved >= 0 ? Int(newMask) + 1 : 0)
        let i = Int.random(in: 0..<total, using: &generator)
        let bucket =
            unsafe i < oldLeft
            ? old + (first + i) * Self.bucketBytes : new + (i - oldLeft) * Self.bucketBytes
        unsafe Self.forEach(bucket, body)
    }

    /// A record chosen by chance; nil when there is none.
    ///
    /// A bucket is drawn until one is not empty, then one of its records: records in thin buckets
    /// are a little more likely, as in Redis.
    func random(_ generator: inout some RandomNumberGenerator) -> Record? {
        guard count > 0 else { return nil }
        let first = max(moved, 0)
        let oldLeft = Int(oldMask) + 1 - first
        let total = oldLeft + (moved >= 0 ? Int(newMask) + 1 : 0)
        while true {
            let i = Int.random(in: 0..<total, using: &generator)
            let bucket =
                unsafe i < oldLeft
                ? old + (first + i) * Self.bucketBytes : new + (i - oldLeft) * Self.bucketBytes
            var chosen: Record?
            var seen = 0
            unsafe Self.forEach(bucket) { record in
                seen += 1
                if Int.random(in: 0..<seen, using: &generator) == 0 { chosen = record }
            }
            if let chosen { return chosen }
        }
    }
}
