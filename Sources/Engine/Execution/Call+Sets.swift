//  Call+Sets.swift — the verbs for sets, whatever their encoding.
//
//  Encodings change where Redis changes them: a set of integers becomes entries or a table when
//  something else comes, and a table when it has too many; entries become a table when they are too
//  many or one is too long. There is no way back.

extension Record {
    /// Members of a set.
    var setCount: Int {
        switch kind {
        case .integerSet: IntegerSet.count(bytes)
        case .packedSet: packed.count
        default: set.count
        }
    }

    /// Whether `member` is in the set.
    func setContains(_ member: Bytes) -> Bool {
        switch kind {
        case .integerSet:
            guard let value = Numbers.integer(member) else { return false }
            return IntegerSet.search(value, bytes).isFound
        case .packedSet: return packed.find(member) != nil
        default: return set.contains(member)
        }
    }

    /// Whether `member`, which is in another set, is in this one.
    func setContains(_ member: StringView) -> Bool {
        guard member.form == .integer else { return setContains(member.bytes) }
        if kind == .integerSet { return IntegerSet.search(member.number, bytes).isFound }
        return setContains(member.array.span)
    }

    /// Calls `body` with each member until it returns false.
    func forEachSetMember(_ body: (StringView) -> Bool) {
        switch kind {
        case .integerSet:
            for i in 0..<IntegerSet.count(bytes) {
                let number = IntegerSet.member(i, bytes)
                if !body(StringView(Bytes(), number: number, form: .integer)) { return }
            }
        case .packedSet:
            let packed = packed
            var at = packed.start
            while at < packed.end { if !body(packed.take(&at)) { return } }
        default:
            var cursor: UInt64 = 0
            var isGoingOn = true
            repeat {
                cursor = set.scan(cursor) {
                    if isGoingOn {
                        isGoingOn = body(StringView($0.key, number: 0, form: .bytes))
                    }
                }
            } while cursor != 0 && isGoingOn
        }
    }
}

extension Record {
    /// Calls `body` with member `i` of a set that is no table, in its own order.
    func withSetMember(_ i: Int, _ body: (StringView) -> Void) {
        if kind == .integerSet {
            body(StringView(Bytes(), number: IntegerSet.member(i, bytes), form: .integer))
        } else {
            body(packed[packed.offset(at: i)])
        }
    }
}

extension Call {
    private var setLimit: SetLimit { SetLimit(configuration) }

    // MARK: - Adding

    /// Makes room for `count` more members, the first of which is `member`, in the set `key`, which
    /// is at `place` or does not exist.
    mutating func growSet(
        _ key: borrowing Key, _ place: HashTable.Place?, _ member: Bytes, by count: Int
    ) -> HashTable.Place {
        let limit = setLimit
        guard let place else {
            if Numbers.integer(member) != nil, count <= limit.integerSetCount {
                return makeIntegerSet(key)
            }
            if count <= limit.packedCount { return makePacked(key, .packedSet) }
            return makeObject(key, .set, MemberTable(seed: keyspace.seed))
        }
        let kind = place.record.kind
        if kind == .integerSet && count > limit.integerSetCount
            || kind == .packedSet && count > limit.packedCount
        {
            makeTable(key, place)
        }
        return place
    }

    private mutating func makeIntegerSet(_ key: borrowing Key) -> HashTable.Place {
        let record = database.make(key, at: nil, .integerSet, valueCount: 1, .none, clock: clock)
        let width: InlineArray<1, UInt8> = [2]
        record.write(width.span, at: 0)
        return place(ofNew: key)
    }

    /// Turns the set at `place` into a table.
    private mutating func makeTable(_ key: borrowing Key, _ place: HashTable.Place) {
        var table = MemberTable(seed: keyspace.seed)
        let record = place.record
        Self.fill(&table, record, &database.heap)
        database.convert(key, at: place, to: .set, table)
    }

    private static func fill(
        _ table: inout MemberTable, _ record: Record, _ heap: inout SlabAllocator
    ) {
        record.forEachMember { view in
            if view.form == .bytes {
                _ = table.add(view.bytes, &heap)
            } else {
                _ = table.add(view.array.span, &heap)
            }
        }
    }

    /// Turns the integers at `place` into entries.
    private mutating func makeEntries(_ key: borrowing Key, _ place: HashTable.Place) {
        let members = IntegerSet.members(place.record.bytes)
        var entries = ByteBuffer()
        for member in members { entries.append(PackedEntry(member)) }
        let record = database.make(
            key, at: place, .packedSet, valueCount: Packed.headerCount + entries.count, .keep,
            clock: place.record.accessClock)
        record.write(entries.span, at: Packed.headerCount)
        record.setPackedCount(members.count)
    }

    /// Adds `member` to the set `key` at `place`; false when it was there.
    @inline(__always) mutating func addMember(
        _ member: Bytes, _ key: borrowing Key, _ place: HashTable.Place
    ) -> Bool {
        if place.record.kind == .set { return place.record.set.add(member, &database.heap) }
        return addToSmall(member, key, place)
    }

    @inline(never) private mutating func addToSmall(
        _ member: Bytes, _ key: borrowing Key, _ place: HashTable.Place
    ) -> Bool {
        let limit = setLimit
        if place.record.kind == .integerSet {
            if let value = Numbers.integer(member) { return addInteger(value, key, place, limit) }
            guard integersFit(place.record.bytes, besides: member, limit) else {
                makeTable(key, place)
                return place.record.set.add(member, &database.heap)
            }
            makeEntries(key, place)
        }
        let packed = place.record.packed
        if packed.find(member) != nil { return false }
        let count = packed.count
        guard count < limit.packedCount, member.count <= limit.packedBytes else {
            makeTable(key, place)
            return place.record.set.add(member, &database.heap)
        }
        append(PackedEntry(member), at: place)
        place.record.setPackedCount(count + 1)
        return true
    }

    /// Whether integers and `member` may be entries together.
    private func integersFit(_ bytes: Bytes, besides member: Bytes, _ limit: SetLimit) -> Bool {
        let count = IntegerSet.count(bytes)
        guard count < limit.packedCount, member.count <= limit.packedBytes else { return false }
        if count == 0 { return true }
        // The longest is the first or the last.
        let first = Digits.count(Int(IntegerSet.member(0, bytes)))
        let last = Digits.count(Int(IntegerSet.member(count - 1, bytes)))
        return max(first, last) <= limit.packedBytes
    }

    private mutating func addInteger(
        _ value: Int64, _ key: borrowing Key, _ place: HashTable.Place, _ limit: SetLimit
    ) -> Bool {
        let bytes = place.record.bytes
        let (index, isFound) = IntegerSet.search(value, bytes)
        if isFound { return false }
        let count = IntegerSet.count(bytes) + 1
        let width = IntegerSet.width(bytes)
        if IntegerSet.width(of: value) > width {
            var members = IntegerSet.members(bytes)
            members.insert(value, at: index)
            setValue(IntegerSet.bytes(members), of: place)
        } else {
            let offset = IntegerSet.headerCount + index * width
            let encoded = IntegerSet.encoded(value)
            database.splice(place, at: offset, removing: 0, inserting: width)
                .write(encoded.span.extracting(..<width), at: offset)
        }
        if count > limit.integerSetCount { makeTable(key, place) }
        return true
    }

    /// Replaces the whole value of the record at `place`.
    private mutating func setValue(_ bytes: [UInt8], of place: HashTable.Place) {
        database.splice(
            place, at: 0, removing: place.record.valueCount, inserting: bytes.count
        ).write(bytes.span, at: 0)
    }

    // MARK: - Removing

    /// Removes `member` from the set at `place`; false when it was not there.
    mutating func removeMember(_ member: Bytes, _ place: HashTable.Place) -> Bool {
        switch place.record.kind {
        case .integerSet:
            guard let value = Numbers.integer(member) else { return false }
            let (index, isFound) = IntegerSet.search(value, place.record.bytes)
            if isFound { removeSmall(index, place) }
            return isFound
        case .packedSet:
            let packed = place.record.packed
            guard let offset = packed.find(member) else { return false }
            removeEntry(at: offset, place)
            return true
        default: return place.record.set.remove(member, &database.heap)
        }
    }

    private mutating func removeEntry(at offset: Int, _ place: HashTable.Place) {
        let packed = place.record.packed
        let count = packed.count
        cut(packed.next(offset) - offset, at: offset, of: place)
        place.record.setPackedCount(count - 1)
    }

    /// Removes member `i` of the set at `place`, which is no table.
    private mutating func removeSmall(_ i: Int, _ place: HashTable.Place) {
        if place.record.kind == .packedSet {
            return removeEntry(at: place.record.packed.offset(at: i), place)
        }
        let width = IntegerSet.width(place.record.bytes)
        cut(width, at: IntegerSet.headerCount + i * width, of: place)
    }

    // MARK: - Chance

    /// Replies with a member chosen by chance.
    mutating func answerRandomMember(_ record: Record, _ reply: inout Reply) {
        var generator = random
        if record.kind == .set {
            if let member = record.set.random(&generator) { reply.bulk(member.key) }
        } else {
            let i = Int.random(in: 0..<record.setCount, using: &generator)
            record.withSetMember(i) { reply.string($0) }
        }
        random = generator
    }

    /// Replies with a member chosen by chance and removes it.
    mutating func answerAndRemoveRandomMember(
        _ key: borrowing Key, _ place: HashTable.Place, _ reply: inout Reply
    ) {
        let record = place.record
        var generator = random
        if record.kind == .set {
            if let member = record.set.random(&generator) {
                reply.bulk(member.key)
                propagate("SREM") { words in
                    words.append(key.bytes)
                    words.append(member.key)
                }
                _ = record.set.remove(member.key, &database.heap)
            }
        } else {
            let i = Int.random(in: 0..<record.setCount, using: &generator)
            record.withSetMember(i) { reply.string($0) }
            propagate("SREM") { words in
                words.append(key.bytes)
                record.withSetMember(i) { words.append($0) }
            }
            removeSmall(i, place)
        }
        random = generator
    }

    /// Elements that a command repeats for a negative count at most: a reply of more is a mistake.
    var repetitionsMax: Int64 { 1 << 24 }

    /// Which of `n` positions are chosen when `count` are, each as likely as any other.
    mutating func chosenPositions(_ count: Int, of n: Int) -> [Bool] {
        var left = count
        var generator = random
        let isChosen = (0..<n).map { i in
            let isChosen = left > 0 && Int.random(in: 0..<(n - i), using: &generator) < left
            if isChosen { left -= 1 }
            return isChosen
        }
        random = generator
        return isChosen
    }

    // MARK: - Results

    func makeSetBuilder(startsPacked: Bool = false) -> SetBuilder {
        SetBuilder(seed: keyspace.seed, limit: setLimit, startsPacked: startsPacked)
    }

    /// Makes the members of `builder`, of which there is one at least, the value of `key`.
    mutating func store(
        _ builder: inout SetBuilder, _ key: borrowing Key, _ place: HashTable.Place?,
        looksForIntegers: Bool, keepsDeadline: Bool = false
    ) {
        let expiry: Expiry = keepsDeadline ? .keep : .none
        let kind = builder.kind(looksForIntegers: looksForIntegers)
        if kind == .set {
            let table = builder.takeTable(&database.heap)
            let record = database.make(
                key, at: place, .set, valueCount: 8, expiry, clock: clock)
            return record.adopt(table, &database.heap)
        }
        let value = builder.value(kind)
        builder.free(&database.heap)
        database.make(key, at: place, kind, valueCount: value.count, expiry, clock: clock)
            .write(value.span, at: 0)
    }
}
