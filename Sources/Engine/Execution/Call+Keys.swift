//  Call+Keys.swift — the verbs: the only way to reach a key.
//
//  Each verb always does its duties: lazy expiry, hits and misses, the access clock, type checks,
//  deadlines, and the one statement `changed`, behind which stand dirty count, notifications and
//  whoever else wants to know.

extension Call {
    /// The hash of a key that is not word 1 of its request.
    @_lifetime(copy bytes)
    @inline(__always) func key(_ bytes: Bytes) -> Key {
        Key(bytes, hash: keyspace.seed.hash(bytes))
    }

    // MARK: - Finding

    /// The live place of `key`; an expired one is removed first.
    @inline(__always) mutating func find(_ key: borrowing Key) -> HashTable.Place? {
        guard let place = keyspace.databases[session.database].find(key) else { return nil }
        if place.record.hasDeadline, place.record.deadline <= now {
            expire(key, place)
            return nil
        }
        return place
    }

    @inline(never) private mutating func expire(_ key: borrowing Key, _ place: HashTable.Place) {
        removeExpired(place, hash: key.hash, database: session.database)
    }

    /// Removes a key because its time has come.
    mutating func removeExpired(_ place: HashTable.Place, hash: UInt64, database: Int) {
        if !interest.isEmpty {
            note(place.record.key, .expired, "expired", database)
        }
        keyspace.databases[database].remove(place, hash: hash)
        statistics.expiredKeys &+= 1
        effects.dirty &+= 1
    }

    /// The place of `key` for a read: counts the hit or miss and touches the access clock.
    @inline(__always) mutating func look(_ key: borrowing Key) -> HashTable.Place? {
        guard let place = find(key) else {
            statistics.misses &+= 1
            if !interest.isEmpty { noteMiss(key.bytes) }
            return nil
        }
        statistics.hits &+= 1
        touch(place.record)
        return place
    }

    /// The place of `key` for a command that looks at the key, not at its value: counts the hit
    /// or miss and leaves the access clock alone.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - isQuiet: Whether nobody hears of a miss.
    /// - Returns: The place of the key, nil when it does not exist.
    @inline(__always) mutating func inspect(
        _ key: borrowing Key, isQuiet: Bool = false
    ) -> HashTable.Place? {
        let place = find(key)
        if place == nil {
            statistics.misses &+= 1
            if !interest.isEmpty, !isQuiet { noteMiss(key.bytes) }
        } else {
            statistics.hits &+= 1
        }
        return place
    }

    /// A record of the selected database chosen by chance; it may have expired.
    mutating func randomRecord() -> Record? {
        var generator = random
        let record = keyspace.databases[session.database].random(&generator)
        random = generator
        return record
    }

    // MARK: - Reading

    @_lifetime(immortal)
    @inline(__always) private func view(_ record: Record) throws(CommandError) -> StringView {
        if record.isText { return StringView(text: record) }
        guard record.kind == .integer else { throw .wrongType }
        return StringView(record.bytes, number: record.integer, form: .integer)
    }

    /// The string at `key`; counts the hit or miss.
    @_lifetime(&self)
    @inline(__always) mutating func string(
        _ key: borrowing Key
    ) throws(CommandError) -> StringView? {
        guard let record = find(key)?.record else {
            statistics.misses &+= 1
            if !interest.isEmpty { noteMiss(key.bytes) }
            return nil
        }
        statistics.hits &+= 1
        let value = try view(record)
        // Last: a store to the record would make the compiler read its header again.
        touch(record)
        return value
    }

    /// The string at `key` for a command that will change it: no hit, no miss.
    @_lifetime(&self)
    @inline(__always) mutating func stringToChange(
        _ key: borrowing Key
    ) throws(CommandError) -> StringView? {
        guard let place = find(key) else { return nil }
        return try view(place.record)
    }

    /// The length in bytes of the string at `key`, which a command will change.
    mutating func lengthToChange(_ key: borrowing Key) throws(CommandError) -> Int? {
        guard let place = find(key) else { return nil }
        return try view(place.record).count
    }

    /// An owned copy of the string at `key`, which a command will change.
    mutating func copyToChange(_ key: borrowing Key) throws(CommandError) -> [UInt8]? {
        guard let place = find(key) else { return nil }
        return try view(place.record).array
    }

    /// Whether `key` exists; counts nothing.
    @inline(__always) mutating func exists(_ key: borrowing Key) -> Bool { find(key) != nil }

    // MARK: - Writing strings

    /// Sets `key` to a string, whatever it was.
    @inline(__always) mutating func set(
        _ key: borrowing Key, to value: Bytes, expiry: Expiry = .none, event: StaticString
    ) {
        let place = find(key)
        if !interest.isEmpty, let place {
            overwritten(key, place.record.kind.type, by: .string)
        }
        if !touchesPlainly, let place { return setUsed(key, place, value, expiry, event) }
        keyspace.databases[session.database].setString(
            key, at: place, value, expiry, clock: clock)
        changed(key, .string, event)
        if place == nil { created(key) }
    }

    /// The same for a key whose past counts.
    @inline(never) private mutating func setUsed(
        _ key: borrowing Key, _ place: HashTable.Place, _ value: Bytes, _ expiry: Expiry,
        _ event: StaticString
    ) {
        let past = place.record.accessClock
        keyspace.databases[session.database].setString(
            key, at: place, value, expiry, clock: past)
        touch(place.record)
        changed(key, .string, event)
    }

    /// Sets `key` to a string that stays text even if it is an integer; its deadline stays.
    mutating func setText(_ key: borrowing Key, to value: Bytes, event: StaticString) {
        let place = find(key)
        keyspace.databases[session.database].setText(key, at: place, value, .keep, clock: clock)
        changed(key, .string, event)
        if place == nil { created(key) }
    }

    /// Adds `delta` to the integer at `key`, a missing one counting as zero.
    @inline(__always) mutating func add(
        _ delta: Int64, to key: borrowing Key, event: StaticString
    ) throws(CommandError) -> Int64 {
        let place = find(key)
        var old: Int64 = 0
        if let place {
            guard let value = try view(place.record).integer else { throw .notAnInteger }
            old = value
        }
        let (sum, overflow) = old.addingReportingOverflow(delta)
        guard !overflow else { throw .overflow }
        if let place, place.record.kind == .integer {
            place.record.integer = sum
            touch(place.record)
        } else {
            keyspace.databases[session.database].setInteger(
                key, at: place, sum, .keep, clock: clock)
        }
        changed(key, .string, event)
        if place == nil { created(key) }
        return sum
    }

    /// Writes `bytes` at `offset` of the string at `key`, filling a gap with zero bytes, and
    /// returns the new length; a missing key counts as empty.
    ///
    /// The type and the resulting length have been checked.
    mutating func write(
        _ bytes: Bytes, at offset: Int, of key: borrowing Key, event: StaticString
    ) -> Int {
        guard let place = find(key) else {
            insertWritten(bytes, at: offset, key)
            changed(key, .string, event)
            created(key)
            return offset + bytes.count
        }
        let old =
            place.record.kind == .integer
            ? Digits.count(Int(place.record.integer)) : place.record.valueCount
        let length = max(old, offset + bytes.count)
        let changedPlace = keyspace.databases[session.database].resizeString(
            key, at: place, to: length)
        changedPlace.record.write(bytes, at: offset)
        touch(changedPlace.record)
        changed(key, .string, event)
        return length
    }

    private mutating func insertWritten(_ bytes: Bytes, at offset: Int, _ key: borrowing Key) {
        let index = session.database
        keyspace.databases[index].setText(key, at: nil, Bytes(), .none, clock: clock)
        guard let place = keyspace.databases[index].find(key) else { return }
        keyspace.databases[index].resizeString(key, at: place, to: offset + bytes.count)
            .record.write(bytes, at: offset)
    }

    // MARK: - Keys of any type

    /// Deletes `key`; false when it did not exist.
    @inline(__always) mutating func remove(
        _ key: borrowing Key, event: StaticString = "del"
    ) -> Bool {
        guard let place = find(key) else { return false }
        keyspace.databases[session.database].remove(place, hash: key.hash)
        changed(key, .generic, event)
        return true
    }

    /// Gives `key`, which is at `place`, a deadline; one that has passed deletes it.
    mutating func setDeadline(
        _ key: borrowing Key, at place: HashTable.Place, _ deadline: Int64
    ) {
        if deadline <= now {
            keyspace.databases[session.database].remove(place, hash: key.hash)
            propagate("DEL") { $0.append(key.bytes) }
            return changed(key, .generic, "del")
        }
        keyspace.databases[session.database].setDeadline(key, at: place, deadline)
        changed(key, .generic, "expire")
        propagate("PEXPIREAT") { words in
            words.append(key.bytes)
            words.append(deadline)
        }
    }

    /// Takes the deadline away from `key`, which is at `place` and has one.
    mutating func persist(_ key: borrowing Key, at place: HashTable.Place) {
        keyspace.databases[session.database].setDeadline(key, at: place, nil)
        changed(key, .generic, "persist")
        propagate("PERSIST") { $0.append(key.bytes) }
    }

    /// Copies the value of `source`, a live key of the selected database, to `key` of `database`.
    ///
    /// The target must not exist; the deadline goes along. The caller says what changed.
    mutating func copy(_ source: borrowing Key, to key: borrowing Key, in database: Int) {
        guard let record = find(source)?.record else { return }
        let deadline: Int64? = record.hasDeadline ? record.deadline : nil
        keyspace.databases[database].insertCopy(of: record, key, deadline: deadline)
    }

    /// Gives the value of `source`, a live key, the name `key`, which must not exist.
    ///
    /// The caller says what changed.
    mutating func rename(_ source: borrowing Key, to key: borrowing Key) {
        guard let place = find(source) else { return }
        keyspace.databases[session.database].rename(place, hash: source.hash, to: key)
    }

    /// Takes `key` away as part of another change, which the caller tells.
    mutating func discard(_ key: borrowing Key) {
        guard let place = find(key) else { return }
        keyspace.databases[session.database].remove(place, hash: key.hash)
    }

    /// Runs `body` with another database selected.
    mutating func inDatabase(_ database: Int, _ body: (inout Call) -> Void) {
        let home = session.database
        session.database = database
        body(&self)
        session.database = home
    }

    // MARK: - Whole databases

    /// Deletes every key of a database; its memory goes as a whole.
    mutating func flush(_ database: Int, isLazy: Bool) {
        touchWatched(in: database)
        let count = keyspace.databases[database].count
        let empty = Database(seed: keyspace.seed, now: turnTime, epoch: keyspace.epoch)
        let old = keyspace.replace(database, with: empty)
        if let snapshot, !snapshot.isFinished, old.snapshot != nil, count > 0 {
            effects.dirty &+= count
            snapshot.keep(old)
            return changedAll()
        }
        // Dropping mappings takes long only where large values have to be freed one by one.
        if isLazy && old.heap.largeCount > 0 || old.objectCount > 0 { Discarding.discard(old) }
        effects.dirty &+= count
        changedAll()
    }

    // MARK: - Telling

    /// Any key of any database may have changed.
    mutating func changedAll() {
        effects.dirty &+= 1
        if isPropagating {
            propagation.hasChanged = true
            attention.insert(.propagation)
        }
        guard interest.contains(.waiters) else { return }
        blocking.touchAll()
        attention.insert(.changes)
    }

    /// *The* statement that a key of the selected database changed.
    @inline(__always) mutating func changed(
        _ key: borrowing Key, _ kind: ChangeClass, _ event: StaticString
    ) {
        effects.dirty &+= 1
        if !interest.isEmpty { note(key.bytes, kind, event, session.database) }
    }

    /// A further event of a change that `changed` has told.
    @inline(__always) mutating func noted(
        _ key: borrowing Key, _ kind: ChangeClass, _ event: StaticString
    ) {
        if !interest.isEmpty { note(key.bytes, kind, event, session.database) }
    }

    /// The whole value of a key gives way to another, of which another event tells as well.
    @inline(never) mutating func overwritten(
        _ key: borrowing Key, _ old: ValueType?, by new: ValueType
    ) {
        guard let old, interest.contains(.changes) else { return }
        noted(key, .overwritten, "overwritten")
        if old != new { noted(key, .typeChanged, "type_changed") }
    }

    /// A key that did not exist before came into being.
    @inline(__always) mutating func created(_ key: borrowing Key) {
        if !interest.isEmpty { note(key.bytes, .new, "new", session.database) }
    }

    @inline(never) mutating func note(
        _ key: Bytes, _ kind: ChangeClass, _ event: StaticString, _ database: Int
    ) {
        if isPropagating {
            if kind == .expired || kind == .evicted {
                propagateDeletion("DEL", in: database) { $0.append(key) }
            } else {
                propagation.hasChanged = true
                attention.insert(.propagation)
            }
            if interest == .propagation { return }
        }
        attention.insert(.changes)
        if interest.contains(.waiters) { blocking.touch(database, key) }
        if interest.contains(.watchers) { touchWatched(database, key) }
        if interest.contains(.trackers), kind != .new {
            invalidate(key, isOwn: kind != .expired && kind != .evicted)
        }
        guard interest.contains(.changes) else { return }
        let change = Change(
            database: database, key: key.array, kind: kind, event: String(describing: event))
        // A key is new before anything else happens to it.
        let first =
            kind != .new
            ? nil
            : effects.changes.firstIndex {
                $0.database == database && $0.kind != .miss && $0.key == change.key
            }
        effects.changes.insert(change, at: first ?? effects.changes.count)
    }
}
