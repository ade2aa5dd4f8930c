//  Call+Hashes.swift — the verbs for hashes: fields in and out, in either encoding.
//
//  A hash is packed until it gets too large, or until a field of it gets a deadline: deadlines are
//  kept in the field's record of a `MemberTable`, and the key is filed in the database's wheel under
//  the earliest of them. A field whose time has come is invisible at once; whoever finds its hash
//  removes some of those.

extension Call {
    // MARK: - Finding

    /// The live place of the hash at `key` for a command that will change it: no hit, no miss.
    ///
    /// - Throws: `wrongType` when it holds something else.
    @inline(__always) mutating func findHash(
        _ key: borrowing Key
    ) throws(CommandError) -> HashTable.Place? {
        guard let place = try find(key, as: .hash) else { return nil }
        return hasDueFields(place.record) ? removeDueFields(key, place) : place
    }

    /// The live place of the hash at `key` for a read: counts the hit or miss.
    ///
    /// - Throws: `wrongType` when it holds something else.
    @inline(__always) mutating func lookHash(
        _ key: borrowing Key
    ) throws(CommandError) -> HashTable.Place? {
        guard let place = try look(key, as: .hash) else { return nil }
        return hasDueFields(place.record) ? removeDueFields(key, place) : place
    }

    @inline(__always) private func hasDueFields(_ record: Record) -> Bool {
        record.kind == .hash && record.hash.earliestDeadline <= now
    }

    /// The field of this name in the large hash at `record`, unless its time has come.
    @inline(__always) mutating func findField(
        _ name: borrowing Key, _ record: Record
    ) -> HashTable.Place? {
        guard let field = record.hash.find(name, &database.heap) else { return nil }
        return isDue(field.record) ? nil : field
    }

    @inline(__always) private func isDue(_ field: Record) -> Bool {
        field.hasDeadline && field.deadline <= now
    }

    /// The value of a field of the hash at `record`; tied to nothing here, as the record's bytes.
    @_lifetime(immortal)
    @inline(__always) mutating func fieldValue(
        _ name: Bytes, _ record: Record
    ) -> StringView? {
        if record.kind == .packedHash {
            let packed = record.packed
            guard let at = packed.find(name, stride: 2) else { return nil }
            return packed[packed.next(at)]
        }
        guard let field = findField(record.hash.key(name), record) else { return nil }
        return field.record.fieldValue
    }

    /// The deadline of a field: nil when there is no such field, `Int64.max` when it has none.
    mutating func fieldDeadline(_ name: Bytes, _ record: Record) -> Int64? {
        if record.kind == .packedHash {
            return record.packed.find(name, stride: 2) == nil ? nil : .max
        }
        guard let field = findField(record.hash.key(name), record)?.record else { return nil }
        return field.hasDeadline ? field.deadline : .max
    }

    // MARK: - Encoding

    private var packedFieldsMax: Int {
        min(configuration.hashMaxListpackEntries, Packed.entriesMax / 2)
    }

    /// Whether the pairs of words from `first` on make any hash a large one.
    @inline(__always) private func isTooLarge(_ args: borrowing Arguments, from first: Int) -> Bool
    {
        if (args.count &- first) / 2 > packedFieldsMax { return true }
        let limit = configuration.hashMaxListpackValue
        for i in first..<args.count where args[i].count > limit { return true }
        return false
    }

    /// Makes the hash at `place` a large one if the pairs of words from `first` on, which are to be
    /// added, are too large for a small one.
    @inline(__always) mutating func growHash(
        _ key: borrowing Key, _ place: HashTable.Place, for args: borrowing Arguments,
        from first: Int
    ) {
        guard isSmallHash(place.record), isTooLarge(args, from: first) else { return }
        makeTable(key, place, isSmall: false)
    }

    /// The same for one field.
    mutating func growHash(
        _ key: borrowing Key, _ place: HashTable.Place, field: Bytes, value: Bytes
    ) {
        let limit = configuration.hashMaxListpackValue
        guard isSmallHash(place.record), field.count > limit || value.count > limit else { return }
        makeTable(key, place, isSmall: false)
    }

    @inline(__always) private func isSmallHash(_ record: Record) -> Bool {
        record.kind == .packedHash || record.hash.isSmall
    }

    /// Makes the hash at `place` a table, which goes on counting as small or not.
    @inline(never) mutating func makeTable(
        _ key: borrowing Key, _ place: HashTable.Place, isSmall: Bool
    ) {
        let record = place.record
        guard record.kind == .packedHash else {
            record.hash.isSmall = isSmall
            return
        }
        var table = MemberTable(seed: keyspace.seed)
        table.isSmall = isSmall
        let packed = record.packed
        var at = packed.start
        while at < packed.end {
            let name = packed.take(&at).array, value = packed.take(&at).array
            let field = table.key(name.span)
            table.insert(field, valueCount: value.count, &database.heap).replace(value.span)
        }
        database.convert(key, at: place, to: .hash, table)
    }

    /// A new hash without fields at `key`, which does not exist.
    mutating func makeHash(
        _ key: borrowing Key, for args: borrowing Arguments, from first: Int
    ) -> HashTable.Place {
        let place = makePacked(key, .packedHash)
        growHash(key, place, for: args, from: first)
        return place
    }

    // MARK: - Setting

    /// Sets fields to values, the pairs of words from `first` on, in the hash `key`, which is at
    /// `place` or does not exist; tells nobody.
    ///
    /// The deadlines of the fields go. Returns how many of the fields are new.
    @inline(__always) mutating func setFields(
        _ args: borrowing Arguments, from first: Int, _ key: borrowing Key,
        _ place: HashTable.Place?
    ) -> Int {
        guard let place else { return setFirstFields(args, from: first, key) }
        growHash(key, place, for: args, from: first)
        var added = 0
        var i = first
        while i < args.count {
            if setField(args[i], to: args[i &+ 1], .none, key, place) { added &+= 1 }
            i &+= 2
        }
        return added
    }

    /// The same where the key does not exist.
    @inline(never) private mutating func setFirstFields(
        _ args: borrowing Arguments, from first: Int, _ key: borrowing Key
    ) -> Int {
        if isTooLarge(args, from: first) || !Self.areDistinct(args, from: first) {
            let place = makeHash(key, for: args, from: first)
            return setFields(args, from: first, key, place)
        }
        var bytes = 0
        for i in first..<args.count { bytes &+= PackedEntry(args[i]).count }
        let record = database.make(
            key, at: nil, .packedHash, valueCount: Packed.headerCount + bytes, .none,
            clock: clock)
        var at = Packed.headerCount
        for i in first..<args.count {
            let entry = PackedEntry(args[i])
            record.write(entry, at: at)
            at &+= entry.count
        }
        record.setPackedCount(args.count &- first)
        return (args.count &- first) / 2
    }

    /// Whether no field comes twice; for many fields that is not worth knowing.
    private static func areDistinct(_ args: borrowing Arguments, from first: Int) -> Bool {
        if args.count &- first > 32 { return false }
        var i = first &+ 2
        while i < args.count {
            var j = first
            while j < i {
                if args[i].equals(args[j]) { return false }
                j &+= 2
            }
            i &+= 2
        }
        return true
    }

    /// Sets a field of the hash `key`, which is at `place`, and gives it the deadline that `expiry`
    /// says; true when it is new.
    ///
    /// Tells nobody. A small hash has been made a large one if these words are too long for it, and a packed one
    /// a table if there is a deadline.
    @inline(__always) @discardableResult
    mutating func setField(
        _ name: Bytes, to value: Bytes, _ expiry: Expiry, _ key: borrowing Key,
        _ place: HashTable.Place
    ) -> Bool {
        if place.record.kind == .packedHash { return setPackedField(name, to: value, key, place) }
        let record = place.record
        let field = record.hash.key(name)
        if record.hash.isSmall { keepSmall(field, record) }
        if let old = record.hash.find(field, &database.heap) {
            return change(old, to: value, expiry, key, record)
        }
        var deadline: Int64?
        if case .at(let time) = expiry { deadline = time }
        let volatileBefore = record.hash.volatileCount
        let earliestBefore = record.hash.earliestDeadline
        record.hash.insert(field, valueCount: value.count, deadline: deadline, &database.heap)
            .replace(value)
        if deadline != nil {
            database.noteElements(
                record, of: key.hash, volatileBefore: volatileBefore,
                earliestBefore: earliestBefore)
        }
        return true
    }

    /// A small hash ends to be one when it has too many fields after a field was set.
    @inline(never) private mutating func keepSmall(_ name: borrowing Key, _ record: Record) {
        let isNew = record.hash.find(name, &database.heap) == nil
        record.hash.isSmall = record.hash.count &+ (isNew ? 1 : 0) <= packedFieldsMax
    }

    @inline(__always) private mutating func change(
        _ field: HashTable.Place, to value: Bytes, _ expiry: Expiry, _ key: borrowing Key,
        _ record: Record
    ) -> Bool {
        let old = field.record
        var deadline: Int64?
        switch expiry {
        case .none: deadline = nil
        case .keep: deadline = old.hasDeadline && !isDue(old) ? old.deadline : nil
        case .at(let time): deadline = time
        }
        if deadline == nil, !old.hasDeadline, old.fits(value.count) {
            record.hash.willChange(old, database.heap)
            old.replace(value)
            return false
        }
        let isNew = isDue(old)
        reshape(field, valueCount: value.count, deadline, key, record).replace(value)
        return isNew
    }

    @inline(never) private mutating func reshape(
        _ field: HashTable.Place, valueCount: Int, _ deadline: Int64?, _ key: borrowing Key,
        _ record: Record
    ) -> Record {
        let volatileBefore = record.hash.volatileCount
        let earliestBefore = record.hash.earliestDeadline
        let reshaped = record.hash.reshape(
            field, valueCount: valueCount, deadline: deadline, &database.heap)
        if volatileBefore > 0 || deadline != nil {
            database.noteElements(
                record, of: key.hash, volatileBefore: volatileBefore,
                earliestBefore: earliestBefore)
        }
        return reshaped
    }

    private mutating func setPackedField(
        _ name: Bytes, to value: Bytes, _ key: borrowing Key, _ place: HashTable.Place
    ) -> Bool {
        let packed = place.record.packed
        let second = PackedEntry(value)
        if let at = packed.find(name, stride: 2) {
            let offset = packed.next(at)
            let count = packed.count
            replace(packed.next(offset) &- offset, at: offset, of: place, by: second)
            if count / 2 > packedFieldsMax { makeTable(key, place, isSmall: false) }
            return false
        }
        let first = PackedEntry(name)
        let count = packed.count, offset = packed.end
        let record = database.splice(
            place, at: offset, removing: 0, inserting: first.count &+ second.count)
        record.write(first, at: offset)
        record.write(second, at: offset &+ first.count)
        record.setPackedCount(count &+ 2)
        if count / 2 >= packedFieldsMax { makeTable(key, place, isSmall: false) }
        return true
    }

    /// Gives a live field of the hash `key`, whose record is `record`, a deadline or none.
    mutating func setFieldDeadline(
        _ field: HashTable.Place, _ deadline: Int64?, _ key: borrowing Key, _ record: Record
    ) {
        _ = reshape(field, valueCount: field.record.valueCount, deadline, key, record)
    }

    // MARK: - Removing

    /// Removes a field of the hash `key`, which is at `place`; false when there is none.
    ///
    /// The key stays, and nobody is told.
    mutating func removeField(
        _ name: Bytes, _ key: borrowing Key, _ place: HashTable.Place
    ) -> Bool {
        guard place.record.kind == .packedHash else {
            let record = place.record
            let field = record.hash.key(name)
            guard let found = record.hash.find(field, &database.heap) else { return false }
            let wasDue = isDue(found.record)
            remove(found, fieldHash: field.hash, key, record)
            return !wasDue
        }
        let packed = place.record.packed
        guard let at = packed.find(name, stride: 2) else { return false }
        let count = packed.count
        cut(packed.next(at, by: 2) &- at, at: at, of: place)
        place.record.setPackedCount(count &- 2)
        return true
    }

    /// Removes a field whether or not its time has come.
    mutating func dropField(_ name: Bytes, _ key: borrowing Key, _ place: HashTable.Place) {
        _ = removeField(name, key, place)
    }

    /// Removes the field at `field` of the large hash `key`.
    @inline(__always) private mutating func remove(
        _ field: HashTable.Place, fieldHash: UInt64, _ key: borrowing Key, _ record: Record
    ) {
        let volatileBefore = record.hash.volatileCount
        record.hash.remove(field, hash: fieldHash, &database.heap)
        if volatileBefore > 0 {
            database.noteElements(
                record, of: key.hash, volatileBefore: volatileBefore, earliestBefore: .min)
        }
    }

    // MARK: - Fields whose time has come

    /// Deadlines looked at when a key with fields that are due is found, or comes up.
    private static var dueFieldsAtOnce: Int { 64 }

    /// Removes some fields whose time has come and the key if it has no other; nil then.
    @inline(never) private mutating func removeDueFields(
        _ key: borrowing Key, _ place: HashTable.Place
    ) -> HashTable.Place? {
        if raised.contains(.snapshot) { preserve(key) }
        let record = place.record
        let volatileBefore = record.hash.volatileCount
        var names: [[UInt8]] = []
        let isPropagating = isPropagating
        let removed = record.hash.removeDue(now, limit: Self.dueFieldsAtOnce, &database.heap) {
            if isPropagating { names.append($0.key.array) }
        }
        database.noteElements(
            record, of: key.hash, volatileBefore: volatileBefore, earliestBefore: .min)
        if removed > 0 {
            statistics.expiredFields &+= removed
            effects.dirty &+= removed &- 1
            // The request that came upon them has not changed anything by that.
            let hasChanged = propagation.hasChanged
            changed(key, .hash, "hexpired")
            propagation.hasChanged = hasChanged
            propagateDeletion("HDEL", in: session.database) { words in
                words.append(key.bytes)
                for name in names { words.append(copying: name) }
            }
        }
        guard record.hash.count == 0 else { return place }
        noted(key, .generic, "del")
        database.remove(place, hash: key.hash)
        return nil
    }

    /// Removes some elements of the collection at `place` whose time has come; true when more are
    /// due.
    ///
    /// When none are, the key is filed in the database's wheel again under the earliest deadline
    /// that is left; else it is still to be filed.
    mutating func expireElements(
        _ place: HashTable.Place, hash: UInt64, database: Int
    ) -> Bool {
        var isMoreDue = false
        inDatabase(database) { call in
            let key = Key(place.record.key, hash: hash)
            guard let place = call.removeDueFields(key, place) else { return }
            let earliest = place.record.hash.earliestDeadline
            isMoreDue = earliest <= call.now
            if !isMoreDue, earliest < .max {
                call.database.scheduleElement(of: hash, at: earliest)
            }
        }
        return isMoreDue
    }
}
