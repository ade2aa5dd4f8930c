//  MemberTable.swift — the elements of a large hash or set.
//
//  The same bucket table as the keyspace: an element is a record whose key is the field or member.
//  A hash's record holds the value, and a deadline where the field has one; a set's holds nothing.

/// Elements that are looked up together.
private struct MemberBatch {
    /// No more buckets are added from here on.
    static var enough: Int { 16 }

    var records = InlineArray<32, Record?>(repeating: nil)
    var hashes = InlineArray<32, UInt64>(repeating: 0)
    var count = 0
    /// Those for which there was no room: long chains.
    var rest: [Record] = []

    mutating func add(_ record: Record) {
        record.prefetch()
        if count == 32 { return rest.append(record) }
        records[count] = record
        count &+= 1
    }

    /// Hashes the names, and calls `body` with each hash.
    mutating func hash(_ seed: HashSeed, _ body: (UInt64) -> Void) {
        for i in 0..<count {
            guard let record = records[i] else { continue }
            hashes[i] = seed.hash(record.key)
            body(hashes[i])
        }
    }
}

struct MemberTable: ~Copyable, CollectionObject {
    private var table: HashTable
    /// Bytes of the element records.
    private(set) var recordBytes = 0
    /// Elements with a deadline.
    private(set) var volatileCount = 0
    /// No element's deadline is earlier, in Unix milliseconds; `Int64.max` when there is none.
    private(set) var earliestDeadline = Int64.max
    /// Deadlines in order, once there are too many elements to look at all of them.
    private var deadlines: DeadlineHeap?
    /// Where the next sweep over `deadlines` begins.
    private var sweepIndex = 0
    /// Whether this is a hash that has deadlines and would be small without: Redis calls its
    /// encoding `listpackex`.
    var isSmall = false
    /// Bytes beside the heap that the heap has counted.
    private var outsideBytes = 0
    private let seed: HashSeed
    /// The snapshot that is about to write the elements; nil most of the time.
    var opened: OpenCollection?
    /// Where `freeSome` goes on.
    private var cursor: UInt64 = 0

    init(seed: HashSeed) {
        self.seed = seed
        table = HashTable(seed: seed)
    }

    var count: Int { table.count }
    var byteCount: Int {
        MemoryLayout<MemberTable>.stride + table.tableBytes + recordBytes
            + (deadlines?.byteCount ?? 0)
    }

    @_lifetime(copy bytes)
    @inline(__always) func key(_ bytes: Bytes) -> Key { Key(bytes, hash: seed.hash(bytes)) }

    // MARK: - Looking up

    @inline(__always) mutating func find(
        _ key: borrowing Key, _ heap: inout SlabAllocator
    ) -> HashTable.Place? {
        table.find(key, &heap)
    }

    @inline(__always) func peek(_ member: Bytes) -> Record? { table.peek(key(member)) }

    @inline(__always) func contains(_ member: Bytes) -> Bool { peek(member) != nil }

    /// Calls `body` with every element and whether `other` has one of that name.
    ///
    /// Both tables have the same seed. Each element is two cache misses here and two in `other`,
    /// so some dozen of them are under way at the same time.
    func forEach(lookingUpIn other: borrowing MemberTable, _ body: (Record, Bool) -> Bool) {
        var cursor: UInt64 = 0
        var isGoingOn = true
        repeat {
            var batch = MemberBatch()
            repeat {
                cursor = table.scan(cursor) { batch.add($0) }
            } while cursor != 0 && batch.count < MemberBatch.enough
            batch.hash(seed) { other.table.prefetchBucket($0) }
            for i in 0..<batch.count { other.table.prefetchRecord(batch.hashes[i]) }
            for i in 0..<batch.count where isGoingOn {
                guard let record = batch.records[i] else { continue }
                let key = Key(record.key, hash: batch.hashes[i])
                isGoingOn = body(record, other.table.peek(key) != nil)
            }
            for record in batch.rest where isGoingOn {
                isGoingOn = body(record, other.contains(record.key))
            }
        } while cursor != 0 && isGoingOn
    }

    // MARK: - Changing

    /// Adds an element whose name is not in the table, with a value of `valueCount` bytes for the
    /// caller to write.
    @discardableResult
    @inline(__always) mutating func insert(
        _ key: borrowing Key, valueCount: Int = 0, deadline: Int64? = nil,
        _ heap: inout SlabAllocator
    ) -> Record {
        let record = Record.make(
            &heap, .string, key: key.bytes, valueCount: valueCount, deadline: deadline)
        recordBytes &+= record.blockCount
        table.insert(record, hash: key.hash, &heap)
        if volatileCount > 0 || deadline != nil { noteInsertion(key.hash, deadline) }
        countOutside(&heap)
        return record
    }

    /// Gives the element at `place` room for `valueCount` bytes and a deadline or none.
    ///
    /// The value's bytes are the caller's to write; those that fit stay as they were.
    mutating func reshape(
        _ place: HashTable.Place, valueCount: Int, deadline: Int64?, _ heap: inout SlabAllocator
    ) -> Record {
        let old = place.record
        willChange(old, heap)
        let past: Int64? = old.hasDeadline ? old.deadline : nil
        var record = old
        if old.hasDeadline == (deadline != nil), old.fits(valueCount) {
            old.setValueCount(valueCount)
            if let deadline { old.deadline = deadline }
        } else {
            record = old.copied(
                &heap, key: old.key, valueCount: valueCount, deadline: deadline)
            recordBytes &+= record.blockCount &- old.blockCount
            old.free(&heap)
            place.record = record
        }
        if past != deadline { noteChange(record, from: past, to: deadline) }
        return record
    }

    /// Takes out and frees the element at `place`, whose name has this hash.
    @inline(__always) mutating func remove(
        _ place: HashTable.Place, hash: UInt64, _ heap: inout SlabAllocator
    ) {
        let record = table.remove(place, hash: hash, &heap)
        willChange(record, heap)
        recordBytes &-= record.blockCount
        if record.hasDeadline { noteRemoval() }
        record.free(&heap)
        countOutside(&heap)
    }

    /// *The* statement that an element is about to change or to go: a snapshot that has yet to write
    /// it does so now.
    @inline(__always) func willChange(_ record: Record, _ heap: borrowing SlabAllocator) {
        if record.isBefore(heap.epoch) { preserve(record) }
    }

    @inline(never) private func preserve(_ record: Record) { opened?.write(record) }

    /// Lets the heap know how large the table and the deadlines are, which lie outside of it.
    @inline(__always) private mutating func countOutside(_ heap: inout SlabAllocator) {
        let bytes = table.tableBytes &+ (deadlines?.byteCount ?? 0)
        if bytes == outsideBytes { return }
        heap.countOutside(bytes &- outsideBytes)
        outsideBytes = bytes
    }

    /// Adds `member`, without a value; false when it was there.
    @inline(__always) mutating func add(_ member: Bytes, _ heap: inout SlabAllocator) -> Bool {
        let key = key(member)
        if table.find(key, &heap) != nil { return false }
        insert(key, &heap)
        return true
    }

    /// Removes `member`; false when it was not there.
    @inline(__always) mutating func remove(
        _ member: Bytes, _ heap: inout SlabAllocator
    ) -> Bool {
        let key = key(member)
        guard let place = table.find(key, &heap) else { return false }
        remove(place, hash: key.hash, &heap)
        return true
    }

    // MARK: - Deadlines

    /// Up to so many elements are looked at one by one; above, deadlines are kept in order.
    private static var unsortedMax: Int { 64 }

    @inline(never) private mutating func noteInsertion(_ hash: UInt64, _ deadline: Int64?) {
        if let deadline {
            noteChange(hash, deadline)
            volatileCount &+= 1
        }
        sortIfLarge()
    }

    @inline(never) private mutating func noteChange(
        _ record: Record, from old: Int64?, to new: Int64?
    ) {
        guard let new else { return noteRemoval() }
        if old == nil { volatileCount &+= 1 }
        noteChange(seed.hash(record.key), new)
        sortIfLarge()
    }

    private mutating func noteChange(_ hash: UInt64, _ deadline: Int64) {
        earliestDeadline = min(earliestDeadline, deadline)
        guard deadlines != nil else { return }
        deadlines?.insert(DeadlineHeap.Entry(deadline: deadline, hash: hash))
        sweep()
    }

    private mutating func noteRemoval() {
        volatileCount &-= 1
        if volatileCount == 0 {
            deadlines = nil
            earliestDeadline = .max
        }
    }

    private mutating func sortIfLarge() {
        if deadlines != nil || table.count <= Self.unsortedMax { return }
        var heap = DeadlineHeap()
        table.forEach { record in
            guard record.hasDeadline else { return }
            heap.insert(DeadlineHeap.Entry(deadline: record.deadline, hash: seed.hash(record.key)))
        }
        deadlines = heap
        sweepIndex = 0
    }

    /// Whether the entry is about a field as it is now.
    private func isCurrent(_ entry: DeadlineHeap.Entry) -> Bool {
        table.findVolatile(entry.hash)?.record.deadline == entry.deadline
    }

    /// Drops some stale entries when they may be the majority: each insertion adds one and looks
    /// at four, so that they cannot get ahead.
    private mutating func sweep() {
        guard var heap = deadlines.take() else { return }
        if heap.count > 2 * volatileCount + Self.unsortedMax {
            for _ in 0..<4 where heap.count > 0 {
                if sweepIndex >= heap.count { sweepIndex = 0 }
                if isCurrent(heap[sweepIndex]) {
                    sweepIndex += 1
                } else {
                    heap.remove(at: sweepIndex)
                }
            }
        }
        deadlines = consume heap
    }

    /// Removes elements whose time has come at `now`, looking at about `limit` deadlines; returns
    /// how many were removed.
    ///
    /// More are due exactly when `earliestDeadline` is not above `now` afterwards.
    /// `body` is called with each before it goes.
    mutating func removeDue(
        _ now: Int64, limit: Int, _ heap: inout SlabAllocator, _ body: (Record) -> Void
    ) -> Int {
        if deadlines == nil { return removeDueUnsorted(now, &heap, body) }
        var removed = 0
        for _ in 0..<limit {
            guard let entry = deadlines?.first, entry.deadline <= now else { break }
            deadlines?.removeFirst()
            guard let place = table.findVolatile(entry.hash),
                place.record.deadline == entry.deadline
            else { continue }
            body(place.record)
            remove(place, hash: entry.hash, &heap)
            removed += 1
        }
        earliestDeadline = deadlines?.first?.deadline ?? .max
        return removed
    }

    private mutating func removeDueUnsorted(
        _ now: Int64, _ heap: inout SlabAllocator, _ body: (Record) -> Void
    ) -> Int {
        var due: [UInt64] = []
        var earliest = Int64.max
        table.forEach { record in
            guard record.hasDeadline else { return }
            if record.deadline <= now {
                due.append(seed.hash(record.key))
            } else {
                earliest = min(earliest, record.deadline)
            }
        }
        for hash in due {
            guard let place = table.findVolatile(hash) else { continue }
            body(place.record)
            remove(place, hash: hash, &heap)
        }
        earliestDeadline = earliest
        return due.count
    }

    /// Elements whose time has not come at `now`.
    func liveCount(_ now: Int64) -> Int {
        if earliestDeadline > now { return count }
        var live = 0
        table.forEach { if !$0.hasDeadline || $0.deadline > now { live += 1 } }
        return live
    }

    // MARK: - Walking

    /// Calls `body` with the elements at `cursor`; see `HashTable.scan`.
    func scan(_ cursor: UInt64, _ body: (Record) -> Void) -> UInt64 { table.scan(cursor, body) }

    /// Calls `body` with every element; the table must not change meanwhile.
    func forEach(_ body: (Record) -> Void) { table.forEach(body) }

    /// An element chosen by chance.
    func random(_ generator: inout some RandomNumberGenerator) -> Record? {
        table.random(&generator)
    }

    // MARK: - As an object

    mutating func freeSome(_ budget: Int, _ heap: inout SlabAllocator) -> Bool {
        var freed = 0
        repeat {
            cursor = table.drain(cursor, &heap) { record, heap in
                freed += 1
                record.free(&heap)
            }
        } while cursor != 0 && freed < budget
        guard cursor == 0 else { return false }
        heap.countOutside(-outsideBytes)
        outsideBytes = 0
        return true
    }

    mutating func freeDetached() {
        table.forEach { record in if record.isLarge { record.freeDetached() } }
    }

    func copied(_ heap: inout SlabAllocator, seed: HashSeed) -> MemberTable {
        var copy = MemberTable(seed: seed)
        var cursor: UInt64 = 0
        repeat {
            var found: [Record] = []
            cursor = table.scan(cursor) { found.append($0) }
            for record in found {
                let key = copy.key(record.key)
                // A walk may see an element twice while the table changes size.
                if table.isResizing, copy.find(key, &heap) != nil { continue }
                let deadline: Int64? = record.hasDeadline ? record.deadline : nil
                copy.insert(key, valueCount: record.valueCount, deadline: deadline, &heap)
                    .replace(record.bytes)
            }
        } while cursor != 0
        copy.isSmall = isSmall
        return copy
    }
}
