//  MemberTable.swift — the elements of a large hash or set.
//
//  The same bucket table as the keyspace: an element is a record whose key is the field or member.
//  A hash's record holds the value, and a deadline where the field has one; a set's holds nothing.

struct MemberTable: ~Copyable, CollectionObject {
    private var table: HashTable
    /// Bytes of the element records.
    private(set) var recordBytes = 0
    /// Elements with a deadline.
    private(set) var volatileCount = 0
    /// No element's deadline is earlier, in Unix milliseconds; `Int64.max` when there is none.
    var earliestDeadline = Int64.max
    private let seed: HashSeed
    /// Where `freeSome` goes on.
    private var cursor: UInt64 = 0

    init(seed: HashSeed) {
        self.seed = seed
        table = HashTable(seed: seed)
    }

    var count: Int { table.count }
    var byteCount: Int { MemoryLayout<MemberTable>.stride + table.tableBytes + recordBytes }

    @_lifetime(copy bytes)
    @inline(__always) func key(_ bytes: Bytes) -> Key { Key(bytes, hash: seed.hash(bytes)) }

    // MARK: - Looking up

    @inline(__always) mutating func find(
        _ key: borrowing Key, _ heap: inout SlabAllocator
    ) -> HashTable.Place? {
        table.find(key, &heap)
    }

    @inline(__always) mutating func contains(
        _ member: Bytes, _ heap: inout SlabAllocator
    ) -> Bool {
        table.find(key(member), &heap) != nil
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
        if let deadline {
            volatileCount &+= 1
            earliestDeadline = min(earliestDeadline, deadline)
        }
        table.insert(record, hash: key.hash, &heap)
        return record
    }

    /// Gives the element at `place` room for `valueCount` bytes and a deadline or none.
    ///
    /// The value's bytes are the caller's to write; those that fit stay as they were.
    mutating func reshape(
        _ place: HashTable.Place, valueCount: Int, deadline: Int64?, _ heap: inout SlabAllocator
    ) -> Record {
        let old = place.record
        volatileCount &+= (deadline == nil ? 0 : 1) &- (old.hasDeadline ? 1 : 0)
        if let deadline { earliestDeadline = min(earliestDeadline, deadline) }
        if old.hasDeadline == (deadline != nil), old.fits(valueCount) {
            old.setValueCount(valueCount)
            if let deadline { old.deadline = deadline }
            return old
        }
        let record = old.copied(
            &heap, key: old.key, valueCount: valueCount, deadline: deadline)
        recordBytes &+= record.blockCount &- old.blockCount
        old.free(&heap)
        place.record = record
        return record
    }

    /// Takes out and frees the element at `place`, whose name has this hash.
    @inline(__always) mutating func remove(
        _ place: HashTable.Place, hash: UInt64, _ heap: inout SlabAllocator
    ) {
        let record = table.remove(place, hash: hash, &heap)
        recordBytes &-= record.blockCount
        if record.hasDeadline { volatileCount &-= 1 }
        record.free(&heap)
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
        return cursor == 0
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
        copy.earliestDeadline = earliestDeadline
        return copy
    }
}
