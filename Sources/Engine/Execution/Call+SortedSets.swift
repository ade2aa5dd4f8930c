//  Call+SortedSets.swift — the verbs for sorted sets, whatever their encoding.
//
//  Encodings change where Redis changes them: entries become a table with an index when they are
//  too many or a member is too long. There is no way back.

/// The options of ZADD.
struct ScoreOptions: OptionSet {
    let rawValue: UInt8

    static let onlyNew = ScoreOptions(rawValue: 1)
    static let onlyOld = ScoreOptions(rawValue: 2)
    static let onlyGreater = ScoreOptions(rawValue: 4)
    static let onlyLess = ScoreOptions(rawValue: 8)
    static let increments = ScoreOptions(rawValue: 16)
}

/// What became of a member that was to get a score.
enum ScoreOutcome {
    /// An option forbade it.
    case refused
    case added, updated, unchanged
    /// The sum is no number.
    case notANumber
}

extension ScoreOptions {
    /// Makes `score`, which is to replace `old`, what it will be, and says whether it will.
    @inline(__always) func decide(_ old: Double, _ score: inout Double) -> ScoreOutcome {
        if rawValue != 0 {
            if contains(.onlyNew) { return .refused }
            if contains(.increments) {
                score += old
                if score.isNaN { return .notANumber }
            }
            if contains(.onlyLess) && score >= old || contains(.onlyGreater) && score <= old {
                return .refused
            }
        }
        return score == old ? .unchanged : .updated
    }
}

/// A score as an entry: an integer where Redis makes it one, else text.
struct ScoreEntry {
    private let number: Int64?
    private let text: [UInt8]

    init(_ score: Double) {
        let most = 4_503_599_627_370_495.0
        number = score.magnitude <= most ? Int64(exactly: score) : nil
        text = number == nil ? Array(Numbers.text(of: score).utf8) : []
    }

    var entry: PackedEntry {
        @_lifetime(borrow self)
        get {
            if let number { return PackedEntry(number) }
            return PackedEntry(text.span)
        }
    }
}

extension Call {
    private var sortedSetLimit: SortedSetLimit { SortedSetLimit(configuration) }

    func makeSortedSetBuilder() -> SortedSetBuilder { SortedSetBuilder(seed: keyspace.seed) }

    // MARK: - Adding

    /// Makes room for `count` more members, the longest of which has `bytes`, in the sorted set
    /// `key`, which is at `place` or does not exist.
    mutating func growSortedSet(
        _ key: borrowing Key, _ place: HashTable.Place?, by count: Int, _ bytes: Int
    ) -> HashTable.Place {
        let limit = sortedSetLimit
        guard let place else {
            if count <= limit.count, bytes <= limit.bytes {
                return makePacked(key, .packedSortedSet)
            }
            return makeObject(key, .sortedSet, SortedSet(seed: keyspace.seed))
        }
        if count > limit.count, place.record.kind == .packedSortedSet {
            makeSortedTable(key, place)
        }
        return place
    }

    /// Turns the entries at `place` into a table with an index.
    private mutating func makeSortedTable(_ key: borrowing Key, _ place: HashTable.Place) {
        var object = SortedSet(seed: keyspace.seed)
        Self.fill(&object, place.record, &database.heap)
        database.convert(key, at: place, to: .sortedSet, object)
    }

    private static func fill(
        _ object: inout SortedSet, _ record: Record, _ heap: inout SlabAllocator
    ) {
        record.forEachScored(0..<record.sortedSetCount) { member, score in
            let text = member.array
            object.insert(object.key(text.span), score, &heap)
        }
    }

    /// Gives `member` of the sorted set `key` at `place` a score, as far as `options` let it;
    /// `score` is what it has then.
    @inline(__always) mutating func setScore(
        _ member: Bytes, _ score: inout Double, _ options: ScoreOptions, _ key: borrowing Key,
        _ place: HashTable.Place
    ) -> ScoreOutcome {
        let record = place.record
        guard record.kind == .sortedSet else {
            return setPackedScore(member, &score, options, key, place)
        }
        let name = record.sortedSet.key(member)
        guard let old = record.sortedSet.find(name, &database.heap)?.record else {
            if options.contains(.onlyOld) { return .refused }
            record.sortedSet.insert(name, score, &database.heap)
            return .added
        }
        let outcome = options.decide(old.score, &score)
        if case .updated = outcome { record.sortedSet.move(old, to: score, &database.heap) }
        return outcome
    }

    @inline(never) private mutating func setPackedScore(
        _ member: Bytes, _ score: inout Double, _ options: ScoreOptions, _ key: borrowing Key,
        _ place: HashTable.Place
    ) -> ScoreOutcome {
        let packed = place.record.packed
        if let at = packed.find(member, stride: 2) {
            let old = place.record.score(of: member) ?? 0
            let outcome = options.decide(old, &score)
            guard case .updated = outcome else { return outcome }
            cut(packed.next(at, by: 2) - at, at: at, of: place)
            insertEntries(member, score, place)
            return .updated
        }
        if options.contains(.onlyOld) { return .refused }
        let limit = sortedSetLimit
        let count = packed.count / 2
        if count >= limit.count || member.count > limit.bytes {
            makeSortedTable(key, place)
            let object = place.record
            object.sortedSet.insert(object.sortedSet.key(member), score, &database.heap)
            return .added
        }
        insertEntries(member, score, place)
        place.record.setPackedCount((count + 1) * 2)
        return .added
    }

    /// Puts a member where it belongs among the entries at `place`; the count is the caller's.
    private mutating func insertEntries(
        _ member: Bytes, _ score: Double, _ place: HashTable.Place
    ) {
        let packed = place.record.packed
        var offset = packed.start
        while offset < packed.end {
            var next = offset
            let other = packed.take(&next)
            let entry = packed.take(&next)
            let otherScore =
                entry.form == .integer ? Double(entry.number) : Numbers.double(entry.bytes) ?? 0
            if otherScore > score || otherScore == score && other.compare(member) > 0 { break }
            offset = next
        }
        let first = PackedEntry(member), scoreEntry = ScoreEntry(score)
        let second = scoreEntry.entry
        let record = database.splice(
            place, at: offset, removing: 0, inserting: first.count + second.count)
        record.write(first, at: offset)
        record.write(second, at: offset + first.count)
    }

    // MARK: - Removing

    /// Removes `member` from the sorted set at `place`; false when it was not there.
    mutating func removeScored(_ member: Bytes, _ place: HashTable.Place) -> Bool {
        guard place.record.kind == .packedSortedSet else {
            return place.record.sortedSet.remove(member, &database.heap)
        }
        let packed = place.record.packed
        guard let at = packed.find(member, stride: 2) else { return false }
        let count = packed.count
        cut(packed.next(at, by: 2) - at, at: at, of: place)
        place.record.setPackedCount(count - 2)
        return true
    }

    /// Removes the members with these ranks, which exist, from the sorted set at `place`.
    mutating func removeRanks(_ ranks: Range<Int>, _ place: HashTable.Place) {
        guard !ranks.isEmpty else { return }
        guard place.record.kind == .packedSortedSet else {
            return place.record.sortedSet.remove(ranks: ranks, &database.heap) { _, _ in }
        }
        let packed = place.record.packed
        let count = packed.count
        let start = packed.offset(at: ranks.lowerBound * 2)
        let end = packed.next(start, by: ranks.count * 2)
        cut(end - start, at: start, of: place)
        place.record.setPackedCount(count - ranks.count * 2)
    }

    // MARK: - Results

    /// Makes the members of `builder`, of which there is one at least, the value of `key`.
    mutating func store(
        _ builder: consuming SortedSetBuilder, _ key: borrowing Key, _ place: HashTable.Place?
    ) {
        let limit = sortedSetLimit
        let order = builder.inOrder()
        guard order.count <= limit.count, builder.longest <= limit.bytes else {
            let object = builder.sortedSet(inOrder: order, &database.heap)
            let record = database.make(
                key, at: place, .sortedSet, valueCount: 8, .none, clock: clock)
            return record.adopt(object, &database.heap)
        }
        var entries = ByteBuffer()
        for element in order {
            entries.append(PackedEntry(element.record.key))
            let score = ScoreEntry(element.score)
            entries.append(score.entry)
        }
        builder.free(&database.heap)
        let record = database.make(
            key, at: place, .packedSortedSet, valueCount: Packed.headerCount + entries.count,
            .none, clock: clock)
        record.write(entries.span, at: Packed.headerCount)
        record.setPackedCount(order.count * 2)
    }
}
