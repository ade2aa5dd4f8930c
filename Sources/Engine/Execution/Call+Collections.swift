//  Call+Collections.swift — the verbs for keys that hold collections.
//
//  A handler finds the place of a key as the type it wants, reads or edits the value through it, and
//  says what changed; a collection that became empty is removed by `removeIfEmpty`.

extension Call {
    /// The selected database.
    var database: Database {
        @inline(__always) unsafeAddress {
            unsafe UnsafePointer(keyspace.databases.address(of: session.database))
        }
        @inline(__always) unsafeMutableAddress {
            unsafe keyspace.databases.address(of: session.database)
        }
    }

    /// The live place of `key` for a read: counts the hit or miss and touches the access clock.
    ///
    /// - Throws: `wrongType` when it holds something else.
    @inline(__always) mutating func look(
        _ key: borrowing Key, as type: ValueType
    ) throws(CommandError) -> HashTable.Place? {
        if type == .list, configuration.listCompressDepth > 0 { touchList(key) }
        guard let place = look(key) else { return nil }
        guard place.record.kind.type == type else { throw .wrongType }
        return place
    }

    /// The live place of `key` for a command that will change it: no hit, no miss.
    ///
    /// - Throws: `wrongType` when it holds something else.
    @inline(__always) mutating func find(
        _ key: borrowing Key, as type: ValueType
    ) throws(CommandError) -> HashTable.Place? {
        if type == .list, configuration.listCompressDepth > 0 { touchList(key) }
        guard let place = find(key) else { return nil }
        guard place.record.kind.type == type else { throw .wrongType }
        touch(place.record)
        return place
    }

    /// Makes a new key with a packed collection that has no entries yet.
    mutating func makePacked(_ key: borrowing Key, _ kind: Kind) -> HashTable.Place {
        let record = database.make(
            key, at: nil, kind, valueCount: Packed.headerCount, .none, clock: clock)
        record.setPackedCount(0)
        return place(ofNew: key)
    }

    /// Makes a key, new or in place of what it held, whose value is `object`.
    ///
    /// The deadline that it may have had is gone.
    @discardableResult
    mutating func makeObject<T: ~Copyable & CollectionObject>(
        _ key: borrowing Key, _ kind: Kind, _ object: consuming T
    ) -> HashTable.Place {
        let old = find(key)
        let record = database.make(key, at: old, kind, valueCount: 8, .none, clock: clock)
        record.adopt(object, &database.heap)
        return place(ofNew: key)
    }

    /// The place of a key that was just made.
    mutating func place(ofNew key: borrowing Key) -> HashTable.Place {
        guard let place = database.find(key) else {
            preconditionFailure("a key that was just made is not there")
        }
        return place
    }

    /// Appends `entry` to the packed collection at `place`; the count is the caller's to set.
    mutating func append(_ entry: PackedEntry, at place: HashTable.Place) {
        let offset = place.record.valueCount
        insert(entry, at: offset, of: place)
    }

    /// Inserts `entry` at `offset` of the packed collection at `place`; the count is the caller's.
    mutating func insert(_ entry: PackedEntry, at offset: Int, of place: HashTable.Place) {
        let record = database.splice(place, at: offset, removing: 0, inserting: entry.count)
        record.write(entry, at: offset)
    }

    /// Puts `entry` in the place of `removed` bytes of entries at `offset`.
    mutating func replace(
        _ removed: Int, at offset: Int, of place: HashTable.Place, by entry: PackedEntry
    ) {
        let record = database.splice(
            place, at: offset, removing: removed, inserting: entry.count)
        record.write(entry, at: offset)
    }

    /// Removes `removed` bytes of entries at `offset`; the count is the caller's to set.
    mutating func cut(_ removed: Int, at offset: Int, of place: HashTable.Place) {
        _ = database.splice(place, at: offset, removing: removed, inserting: 0)
    }

    /// Elements of the collection at `place`, as clients count them.
    func elementCount(_ record: Record) -> Int {
        switch record.kind {
        case .string, .integer: 0
        case .packedList, .packedSet: record.packed.count
        case .packedHash, .packedSortedSet: record.packed.count / 2
        case .integerSet: IntegerSet.count(record.bytes)
        case .list, .hash, .set, .sortedSet, .stream: record.objectElementCount
        }
    }

    /// Removes `key`, which is at `place`, when its collection has no element left; the caller has
    /// told of the change that took the last one.
    mutating func removeIfEmpty(_ key: borrowing Key, _ place: HashTable.Place) {
        guard elementCount(place.record) == 0 else { return }
        database.remove(place, hash: key.hash)
        noted(key, .generic, "del")
    }
}
