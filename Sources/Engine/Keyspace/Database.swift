//  Database.swift — the keys of one logical database, their memory and their deadlines.
//
//  A database owns its heap, so dropping one returns whole mappings instead of freeing keys one by
//  one, and a flushed database can be handed to another thread as a value.
//
//  Whatever gives a record a deadline goes through `schedule`, so that the wheel knows it.

/// A string value as it is stored; borrowed from the database.
struct StringView: ~Escapable {
    enum Form { case bytes, integer }

    /// The value's bytes; meaningless when `form` is `.integer`.
    let bytes: Bytes
    /// The value; of `.bytes` the identity of the record whose value they are, or 0.
    let number: Int64
    let form: Form

    @_lifetime(copy bytes)
    @inline(__always) init(_ bytes: Bytes, number: Int64, form: Form) {
        self.bytes = bytes
        self.number = number
        self.form = form
    }

    /// The string that a record holds as bytes.
    @_lifetime(immortal)
    @inline(__always) init(text record: Record) {
        self.init(record.bytes, number: Int64(Int(bitPattern: record.identity)), form: .bytes)
    }

    /// Length in bytes of the value's text.
    var count: Int { form == .integer ? Digits.count(Int(number)) : bytes.count }

    /// The value as a signed 64-bit integer, if it is one.
    @inline(__always) var integer: Int64? {
        form == .integer ? number : Numbers.integer(bytes)
    }

    /// An owned copy of the value's text.
    var array: [UInt8] { form == .integer ? Array(String(number).utf8) : bytes.array }
}

/// What a write does with a key's deadline.
enum Expiry: Equatable {
    case none
    case keep
    /// Unix time in milliseconds.
    case at(Int64)
}

struct Database: ~Copyable {
    private(set) var table: HashTable
    var heap = SlabAllocator()
    private var wheel: TimingWheel
    /// The wheel before a rebuild; it runs on until every volatile key was filed in the new one.
    private var retiredWheel: TimingWheel?
    private var rebuildCursor: UInt64 = 0
    /// Keys with a deadline.
    private(set) var volatileCount = 0
    /// Keys whose values are objects.
    private(set) var objectCount = 0
    /// Hashes that have fields with a deadline.
    private(set) var volatileHashCount = 0
    /// Streams with consumers whose times only newer dump files can hold.
    private(set) var unevenStreamCount = 0
    /// Objects whose keys are gone, to be freed in slices.
    private var doomed: [ObjectHandle] = []
    let seed: HashSeed
    /// Where a large value of the running command lies, which may stay there; nil once it does.
    var offered: BlankRecord?
    /// The snapshot that this database belongs to, and its number there; nil most of the time.
    var snapshot: Snapshot?
    var snapshotIndex = 0

    init(seed: HashSeed, now: Int64, epoch: Epoch = .even) {
        self.seed = seed
        table = HashTable(seed: seed)
        wheel = TimingWheel(now: now)
        heap.epoch = epoch
    }

    deinit {
        for object in doomed { object.freeDetached() }
        // Only large records and objects have memory of their own.
        guard heap.largeCount > 0 || objectCount > 0 else { return }
        table.forEach { record in
            if record.isObject { ObjectHandle(record).freeDetached() }
            if record.isLarge { record.freeDetached() }
        }
    }

    var count: Int { table.count }
    /// Bytes of records, child buckets, deadlines and the table itself.
    var usedBytes: Int { heap.usedBytes + table.tableBytes }

    // MARK: - Looking up

    @inline(__always) mutating func find(_ key: borrowing Key) -> HashTable.Place? {
        table.find(key, &heap)
    }

    @inline(__always) func prefetchBucket(_ hash: UInt64) { table.prefetchBucket(hash) }
    @inline(__always) func prefetchRecord(_ hash: UInt64) { table.prefetchRecord(hash) }

    // MARK: - Writing

    /// Replaces whatever is at `place` by a string; decimal integers are stored as such.
    @inline(__always) mutating func setString(
        _ key: borrowing Key, at place: HashTable.Place?, _ value: Bytes, _ expiry: Expiry,
        clock: UInt32
    ) {
        // '-' or a digit, and no longer than Int64.min.
        if value.count <= 20, value.count > 0, value[0] &- 45 < 13,
            let number = Numbers.integer(value)
        {
            return setInteger(key, at: place, number, expiry, clock: clock)
        }
        setText(key, at: place, value, expiry, clock: clock)
    }

    /// Replaces whatever is at `place` by a string, kept as the bytes it is.
    @inline(__always) mutating func setText(
        _ key: borrowing Key, at place: HashTable.Place?, _ value: Bytes, _ expiry: Expiry,
        clock: UInt32
    ) {
        if expiry == .none, let place, place.record.overwrite(value, clock: clock) { return }
        setTextElsewhere(key, at: place, value, expiry, clock: clock)
    }

    @inline(never) private mutating func setTextElsewhere(
        _ key: borrowing Key, at place: HashTable.Place?, _ value: Bytes, _ expiry: Expiry,
        clock: UInt32
    ) {
        if value.count >= PinnedValue.bytesMin, adopt(key, place, value, expiry, clock) { return }
        let record = room(key, at: place, .string, value.count, expiry)
        record.replace(value)
        record.touch(clock)
    }

    /// Makes the block that was offered the record of `key`, if it is laid out for it.
    private mutating func adopt(
        _ key: borrowing Key, _ place: HashTable.Place?, _ value: Bytes, _ expiry: Expiry,
        _ clock: UInt32
    ) -> Bool {
        guard let offered else { return false }
        let old = place?.record
        let oldDeadline: Int64? = old.flatMap { $0.hasDeadline ? $0.deadline : nil }
        let deadline: Int64? =
            switch expiry {
            case .none: nil
            case .keep: oldDeadline
            case .at(let time): time
            }
        guard
            let record = Record.adopt(
                offered, key: key.bytes, value: value, deadline: deadline, &heap)
        else { return false }
        self.offered = nil
        record.touch(clock)
        noteChange(from: oldDeadline, to: deadline, key.hash)
        if let place, let old {
            willRemove(old)
            if old.isObject { doom(old) }
            old.free(&heap)
            place.record = record
        } else {
            table.insert(record, hash: key.hash, &heap)
        }
        return true
    }

    /// Replaces whatever is at `place` by an integer.
    @inline(__always) mutating func setInteger(
        _ key: borrowing Key, at place: HashTable.Place?, _ value: Int64, _ expiry: Expiry,
        clock: UInt32
    ) {
        let record = room(key, at: place, .integer, 8, expiry)
        record.setValueCount(8)
        record.integer = value
        record.touch(clock)
    }

    /// A record of `kind` with room for `n` bytes, at `place` if it fits there.
    @inline(__always) private mutating func room(
        _ key: borrowing Key, at place: HashTable.Place?, _ kind: Kind, _ n: Int,
        _ expiry: Expiry
    ) -> Record {
        guard let place else { return insert(key, kind, n, expiry) }
        let old = place.record
        guard !old.isObject, old.fits(n) else { return exchange(key, place, kind, n, expiry) }
        switch expiry {
        case .none:
            if old.hasDeadline { return exchange(key, place, kind, n, expiry) }
        case .keep:
            break
        case .at(let deadline):
            guard old.hasDeadline else { return exchange(key, place, kind, n, expiry) }
            move(old, to: deadline, key.hash)
        }
        old.setKind(kind)
        return old
    }

    @inline(never) private mutating func exchange(
        _ key: borrowing Key, _ place: HashTable.Place, _ kind: Kind, _ n: Int, _ expiry: Expiry
    ) -> Record {
        let old = place.record
        let deadline: Int64? =
            switch expiry {
            case .none: nil
            case .keep: old.hasDeadline ? old.deadline : nil
            case .at(let time): time
            }
        noteChange(from: old.hasDeadline ? old.deadline : nil, to: deadline, key.hash)
        willRemove(old)
        let record = Record.make(
            &heap, kind, key: key.bytes, valueCount: n, deadline: deadline)
        if kind.isObject { objectCount += 1 }
        if old.isObject { doom(old) }
        old.free(&heap)
        place.record = record
        return record
    }

    @inline(never) private mutating func insert(
        _ key: borrowing Key, _ kind: Kind, _ n: Int, _ expiry: Expiry
    ) -> Record {
        var deadline: Int64?
        if case .at(let time) = expiry { deadline = time }
        let record = Record.make(
            &heap, kind, key: key.bytes, valueCount: n, deadline: deadline)
        if kind.isObject { objectCount += 1 }
        table.insert(record, hash: key.hash, &heap)
        noteChange(from: nil, to: deadline, key.hash)
        return record
    }

    /// The string at `place` with `count` bytes, new ones zero; the encoding becomes raw.
    ///
    /// Large values get spare room as they grow, so that appending is linear in the end.
    mutating func resizeString(
        _ key: borrowing Key, at place: HashTable.Place, to count: Int
    ) -> HashTable.Place {
        let old = place.record
        if old.kind == .string, old.fits(count) {
            old.extend(to: count)
            old.setKind(.string, isModified: true)
            return place
        }
        // As Redis: twice the length, at most one megabyte more.
        let spare = count > old.valueCount ? min(count, 1 << 20) : 0
        let deadline: Int64? = old.hasDeadline ? old.deadline : nil
        let record: Record
        if old.kind == .integer {
            let text = Array(String(old.integer).utf8)
            record = Record.make(
                &heap, .string, key: key.bytes, valueCount: text.count, deadline: deadline)
            record.replace(text.span)
            record.touch(old.accessClock)
            old.free(&heap)
            place.record = record
            return resizeString(key, at: place, to: count)
        }
        record = old.copied(
            &heap, key: key.bytes, valueCount: count, spare: spare, deadline: deadline)
        record.setKind(.string, isModified: true)
        old.free(&heap)
        place.record = record
        return place
    }

    /// Adds a string of `count` zero bytes, with room to grow; there must be no such key.
    mutating func insertText(_ key: borrowing Key, count: Int, clock: UInt32) -> Record {
        let record = Record.make(
            &heap, .string, key: key.bytes, valueCount: count, spare: min(count, 1 << 20),
            deadline: nil)
        record.setValueCount(0)
        record.extend(to: count)
        record.setKind(.string, isModified: true)
        record.touch(clock)
        table.insert(record, hash: key.hash, &heap)
        return record
    }

    /// Makes the value of `key`, which is at `place` if it exists, a string of `count` bytes that
    /// `fill` writes; its deadline goes.
    ///
    /// What is at `place` stays until `fill` is done, or is what `fill` writes over.
    mutating func compose(
        _ key: borrowing Key, at place: HashTable.Place?, count: Int, clock: UInt32,
        _ fill: (Record) -> Void
    ) {
        if let old = place?.record, old.isText, !old.hasDeadline, old.fits(count) {
            old.setValueCount(count)
            old.setKind(.string, isModified: true)
            old.touch(clock)
            return fill(old)
        }
        let record = Record.make(
            &heap, .string, key: key.bytes, valueCount: count, deadline: nil)
        record.setKind(.string, isModified: true)
        record.touch(clock)
        fill(record)
        guard let place else { return table.insert(record, hash: key.hash, &heap) }
        let old = place.record
        noteChange(from: old.hasDeadline ? old.deadline : nil, to: nil, key.hash)
        willRemove(old)
        if old.isObject { doom(old) }
        old.free(&heap)
        place.record = record
    }

    /// Puts a copy of `source`, which may belong to another database, under `key`.
    ///
    /// The key must not exist here.
    mutating func insertCopy(
        of source: Record, _ key: borrowing Key, deadline: Int64?
    ) {
        let record = source.copied(
            &heap, key: key.bytes, valueCount: source.valueCount, deadline: deadline)
        if source.isObject { record.adoptCopy(of: source, &heap, seed: seed) }
        insert(record, hash: key.hash)
    }

    /// Adds a record that was made in this heap; there must be no such key.
    mutating func insert(_ record: Record, hash: UInt64) {
        if record.isObject { objectCount += 1 }
        table.insert(record, hash: hash, &heap)
        noteChange(from: nil, to: record.hasDeadline ? record.deadline : nil, hash)
        if record.kind == .hash {
            noteElements(record, of: hash, volatileBefore: 0, earliestBefore: .max)
        } else if record.kind == .stream {
            noteTimes(record, wereUneven: false)
        }
    }

    /// The times of a stream's consumers may have changed.
    mutating func noteTimes(_ record: Record, wereUneven: Bool) {
        unevenStreamCount &+= (record.stream.isUneven ? 1 : 0) &- (wereUneven ? 1 : 0)
    }

    /// Frees a record that was made in this heap and is in no table.
    mutating func free(_ record: Record) {
        if record.isObject {
            let object = ObjectHandle(record)
            if !object.freeSome(Self.freedAtOnce, &heap) { doomed.append(object) }
        }
        record.free(&heap)
    }

    /// The same, all at once.
    mutating func freeAll(_ record: Record) {
        free(record)
        while freeDoomed() {}
    }

    @inline(__always) mutating func remove(_ place: HashTable.Place, hash: UInt64) {
        let record = table.remove(place, hash: hash, &heap)
        willRemove(record)
        if record.hasDeadline { volatileCount &-= 1 }
        if record.isObject { doom(record) }
        record.free(&heap)
    }

    /// *The* statement that a key's record goes: a snapshot that has yet to write it does so now.
    @inline(__always) private mutating func willRemove(_ record: Record) {
        if record.isBefore(heap.epoch) { preserve(record) }
    }

    /// Lets the snapshot, if there is one, write a key before it changes.
    @inline(never) mutating func preserve(_ record: Record) {
        guard record.isBefore(heap.epoch) else { return }
        snapshot?.write(record, in: snapshotIndex, heap.epoch, &heap)
    }

    /// Frees an object that was kept for a snapshot.
    mutating func release(_ object: ObjectHandle) { doomed.append(object) }

    /// A chunk that a snapshot has read.
    mutating func release(chunk address: UInt) { ChunkedList.release(address, &heap) }

    /// A group of a stream that a snapshot has written.
    mutating func release(_ frozen: FrozenGroup) {
        discard(frozen.shadow)
        if let orphan = frozen.end() { discard(orphan) }
    }

    /// A block of a stream that a snapshot has read.
    mutating func release(_ block: StreamBlock) { block.release(&heap) }

    /// Gives the value of the key at `place` the name `key`, which must not exist; the old name,
    /// with the hash `hash`, is gone.
    mutating func rename(_ place: HashTable.Place, hash: UInt64, to key: borrowing Key) {
        let old = table.remove(place, hash: hash, &heap)
        let deadline: Int64? = old.hasDeadline ? old.deadline : nil
        let record = old.copied(
            &heap, key: key.bytes, valueCount: old.valueCount, deadline: deadline)
        if old.hasDeadline { volatileCount &-= 1 }
        old.free(&heap)
        table.insert(record, hash: key.hash, &heap)
        noteChange(from: nil, to: deadline, key.hash)
        if record.kind == .hash, record.hash.volatileCount > 0 {
            schedule(key.hash, record.hash.earliestDeadline)
        }
    }

    // MARK: - Collections

    /// Elements that are freed at once with their key; what has more goes in slices.
    private static var freedAtOnce: Int { 64 }

    /// The record is going, so its object has to.
    @inline(never) private mutating func doom(_ record: Record) {
        objectCount -= 1
        if record.kind == .hash, record.hash.volatileCount > 0 { volatileHashCount -= 1 }
        if record.kind == .stream { noteGone(record) }
        let object = ObjectHandle(record)
        if let opened = object.opened {
            // It goes when the snapshot has it.
            opened.isDoomed = true
            return
        }
        // A stream without entries may have many of them pending.
        let budget = record.kind == .stream ? Self.freedAtOnce : .max
        if record.objectElementCount <= Self.freedAtOnce, object.freeSome(budget, &heap) { return }
        doomed.append(object)
    }

    /// Frees a group that no stream has any more, in slices if it is large.
    mutating func discard(_ group: StreamGroup) {
        if group.isFrozen {
            group.state.isOrphan = true
            return
        }
        let object = ObjectHandle(StreamLog(of: group, &heap), .stream, &heap)
        if !object.freeSome(Self.freedAtOnce, &heap) { doomed.append(object) }
    }

    private mutating func noteGone(_ record: Record) {
        if record.stream.isUneven { unevenStreamCount -= 1 }
    }

    var hasDoomed: Bool { !doomed.isEmpty }

    /// Frees some hundred elements of objects whose keys are gone; false when none is left.
    mutating func freeDoomed() -> Bool {
        guard let object = doomed.last else { return false }
        if object.freeSome(256, &heap) { doomed.removeLast() }
        return !doomed.isEmpty
    }

    /// A record of `kind` with `n` bytes for the caller to write, in place of whatever `key` holds;
    /// `place` is where that is.
    mutating func make(
        _ key: borrowing Key, at place: HashTable.Place?, _ kind: Kind, valueCount n: Int,
        _ expiry: Expiry, clock: UInt32
    ) -> Record {
        let record: Record
        if let place {
            record = exchange(key, place, kind, n, expiry)
        } else {
            record = insert(key, kind, n, expiry)
        }
        record.touch(clock)
        return record
    }

    /// Makes the value of the key at `place` an object; the deadline stays.
    @discardableResult
    mutating func convert<T: ~Copyable & CollectionObject>(
        _ key: borrowing Key, at place: HashTable.Place, to kind: Kind, _ object: consuming T
    ) -> Record {
        let clock = place.record.accessClock
        let record = exchange(key, place, kind, 8, .keep)
        record.touch(clock)
        record.adopt(object, &heap)
        return record
    }

    /// Replaces `removed` bytes at `offset` of the value at `place` by `inserted` bytes for the
    /// caller to write.
    mutating func splice(
        _ place: HashTable.Place, at offset: Int, removing removed: Int, inserting inserted: Int
    ) -> Record {
        let old = place.record
        let count = old.valueCount - removed + inserted
        if old.fits(count) {
            old.splice(at: offset, removing: removed, inserting: inserted)
            return old
        }
        let deadline: Int64? = old.hasDeadline ? old.deadline : nil
        // Large values get room to grow, so that adding at the end is linear in the end.
        let spare = inserted > removed ? count / 4 : 0
        let record = old.respaced(
            &heap, at: offset, removing: removed, inserting: inserted, spare: spare,
            deadline: deadline)
        old.free(&heap)
        place.record = record
        return record
    }

    // MARK: - Deadlines

    /// Gives the key a deadline, or takes it away.
    mutating func setDeadline(
        _ key: borrowing Key, at place: HashTable.Place, _ deadline: Int64?
    ) {
        let old = place.record
        if old.hasDeadline, let deadline { return move(old, to: deadline, key.hash) }
        if !old.hasDeadline, deadline == nil { return }
        noteChange(from: old.hasDeadline ? old.deadline : nil, to: deadline, key.hash)
        let record = old.copied(
            &heap, key: key.bytes, valueCount: old.valueCount, deadline: deadline)
        old.free(&heap)
        place.record = record
    }

    @inline(__always) private mutating func move(
        _ record: Record, to deadline: Int64, _ hash: UInt64
    ) {
        let old = record.deadline
        record.deadline = deadline
        // A later deadline is noticed when the earlier one comes up.
        if deadline < old { schedule(hash, deadline) }
    }

    @inline(__always) private mutating func noteChange(
        from old: Int64?, to new: Int64?, _ hash: UInt64
    ) {
        if old == nil, new == nil { return }
        volatileCount &+= (new == nil ? 0 : 1) &- (old == nil ? 0 : 1)
        guard let new else { return }
        if let old, old <= new { return }
        schedule(hash, new)
    }

    @inline(never) private mutating func schedule(_ hash: UInt64, _ deadline: Int64) {
        wheel.file(hash, at: deadline, &heap)
        // Deadlines that come and go leave entries behind: at twice the keys, start over.
        if wheel.count > 2 * (volatileCount + objectCount) + 1024, retiredWheel == nil {
            rebuildWheel(at: wheel.position)
        }
    }

    /// An element of the collection whose key has this hash got a deadline that is earlier than any
    /// that the database knows of for that key.
    mutating func scheduleElement(of hash: UInt64, at deadline: Int64) { schedule(hash, deadline) }

    /// Fields of the hash at `record`, whose key has this hash, came, went or got other deadlines;
    /// the rest tells how things were.
    mutating func noteElements(
        _ record: Record, of hash: UInt64, volatileBefore: Int, earliestBefore: Int64
    ) {
        let count = record.hash.volatileCount
        volatileHashCount &+= (count > 0 ? 1 : 0) &- (volatileBefore > 0 ? 1 : 0)
        let earliest = record.hash.earliestDeadline
        if earliest < earliestBefore { schedule(hash, earliest) }
    }

    /// After the clock was set back: entries would come up as late as it was set back.
    mutating func clockWentBack(to now: Int64) {
        if retiredWheel == nil, wheel.count > 0 { rebuildWheel(at: now) }
    }

    /// Starts a new wheel; `continueRebuild` fills it from the table, a slice at a time.
    private mutating func rebuildWheel(at now: Int64) {
        var fresh = TimingWheel(now: now)
        swap(&fresh, &wheel)
        retiredWheel = consume fresh
        rebuildCursor = 0
    }

    /// Files the volatile keys of some buckets in the new wheel; false when that is finished.
    private mutating func continueRebuild() -> Bool {
        guard retiredWheel != nil else { return false }
        var filed: [(UInt64, Int64)] = []
        rebuildCursor = table.scan(rebuildCursor) { record in
            guard record.isVolatile else { return }
            filed.append((seed.hash(record.key), record.earliestDeadline))
        }
        for (hash, deadline) in filed { wheel.file(hash, at: deadline, &heap) }
        if rebuildCursor == 0 { retireOldWheel() }
        return rebuildCursor != 0
    }

    private mutating func retireOldWheel() {
        guard var retired = retiredWheel.take() else { return }
        retired.removeAll(&heap)
    }

    /// When deadlines next want attention, in Unix milliseconds; nil when there are none.
    mutating func wakeTime() -> Int64? {
        if retiredWheel != nil { return 0 }
        return wheel.wakeTime()
    }

    /// The place of a key that is due, or has an element that is due, at `now`; nil when none is
    /// left.
    ///
    /// What is returned has to be dealt with: an entry is handed out once.
    ///
    /// Entries whose key is gone, or whose deadline has moved later, are dealt with on the way;
    /// at most `entries` are looked at, and the count is lowered by as many. It is above zero at
    /// the end exactly when nothing is left.
    mutating func nextExpired(_ now: Int64, _ entries: inout Int) -> HashTable.Place? {
        while entries > 0 {
            entries -= 1
            if retiredWheel != nil {
                if let hash = retiredWheel?.next(now, &heap), let place = table.findVolatile(hash),
                    place.record.earliestDeadline <= now
                {
                    return place
                }
                _ = continueRebuild()
                continue
            }
            guard let hash = wheel.next(now, &heap) else {
                entries += 1
                return nil
            }
            guard let place = table.findVolatile(hash) else { continue }
            let deadline = place.record.earliestDeadline
            if deadline <= now { return place }
            wheel.file(hash, at: deadline, &heap)
        }
        return nil
    }

    /// Mean of what keys with a deadline still live, in milliseconds, from a sample of them.
    func averageLifetime(_ now: Int64) -> Int64 {
        guard volatileCount > 0 else { return 0 }
        var sum: Int64 = 0, count: Int64 = 0, buckets = 0
        var cursor: UInt64 = 0
        repeat {
            cursor = table.scan(cursor) { record in
                guard record.hasDeadline else { return }
                // Capped at a century so that the sum cannot overflow.
                sum += min(max(record.deadline &- now, 0), 3_155_760_000_000)
                count += 1
            }
            buckets += 1
        } while cursor != 0 && count < 32 && buckets < 512
        return count > 0 ? sum / count : 0
    }

    /// Makes room for about `count` keys, if there are none yet.
    mutating func reserve(_ count: Int) { table.reserve(count) }

    // MARK: - Walking

    /// Calls `body` with the records at `cursor`; see `HashTable.scan`.
    func scan(_ cursor: UInt64, _ body: (Record) -> Void) -> UInt64 { table.scan(cursor, body) }

    /// Calls `body` with at least `n` records chosen by chance, fewer where there are not as many or
    /// chance does not find them soon; the same one may come twice.
    func sample(
        _ n: Int, onlyVolatile: Bool, _ generator: inout some RandomNumberGenerator,
        _ body: (Record) -> Void
    ) {
        guard table.count > 0, !onlyVolatile || volatileCount > 0 else { return }
        var found = 0
        // Among many keys the few with a deadline are found through the wheel.
        if onlyVolatile, volatileCount < table.count / 8 {
            for _ in 0..<(n * 8) where found < n {
                guard let hash = wheel.sample(&generator), let place = table.findVolatile(hash),
                    place.record.hasDeadline
                else { continue }
                found += 1
                body(place.record)
            }
            if found > 0 { return }
        }
        for _ in 0..<(n * 16 + 64) where found < n {
            table.sampleBucket(&generator) { record in
                if onlyVolatile, !record.hasDeadline { return }
                found += 1
                body(record)
            }
        }
    }

    /// A record chosen by chance.
    func random(_ generator: inout some RandomNumberGenerator) -> Record? {
        table.random(&generator)
    }

    /// Moves up to `buckets` buckets of a table that changes size; false when there is none left.
    mutating func advanceResize(_ buckets: Int) -> Bool { table.advanceResize(buckets, &heap) }

    var isResizing: Bool { table.isResizing }
    var bucketCount: Int { table.bucketCount }
    var isWide: Bool {
        @inline(__always) get { table.isWide }
    }
}
