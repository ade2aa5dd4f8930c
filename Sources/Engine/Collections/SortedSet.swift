//  SortedSet.swift — the members of a large sorted set: a table by name, an index by score.
//
//  Both lead to the same records. A record's key is the member, its value the score.

extension Record {
    /// The score in the record of a member.
    @inline(__always) var score: Double {
        get { Double(bitPattern: UInt64(bitPattern: integer)) }
        nonmutating set { integer = Int64(bitPattern: newValue.bitPattern) }
    }
}

struct SortedSet: ~Copyable, CollectionObject {
    private var members: MemberTable
    private var index = OrderedIndex()

    init(seed: HashSeed) { members = MemberTable(seed: seed) }

    /// A sorted set of the members in `table`, whose records hold scores; `order` has all of them
    /// in order.
    init(
        _ table: consuming MemberTable, inOrder order: [ScoredRecord], _ heap: inout SlabAllocator
    ) {
        members = table
        for element in order { index.append(element.score, element.record, &heap) }
    }

    var count: Int { members.count }
    /// The snapshot that is about to write the members.
    var opened: OpenCollection? {
        get { members.opened }
        set { members.opened = newValue }
    }
    var byteCount: Int {
        MemoryLayout<SortedSet>.stride - MemoryLayout<MemberTable>.stride + members.byteCount
            + index.nodeBytes
    }

    // MARK: - Looking up

    @_lifetime(copy bytes)
    @inline(__always) func key(_ bytes: Bytes) -> Key { members.key(bytes) }

    @inline(__always) func score(of member: Bytes) -> Double? { members.peek(member)?.score }

    /// The rank of `member`, counted from 0, and its score.
    func rank(of member: Bytes) -> (rank: Int, score: Double)? {
        guard let score = score(of: member), let rank = index.rank(of: score, member) else {
            return nil
        }
        return (rank, score)
    }

    /// The number of members with a score below `score`, or at most `score`.
    func rank(below score: Double, orEqual: Bool) -> Int {
        index.rank(below: score, orEqual: orEqual)
    }

    /// The number of members in front of `member`, or up to it, where all scores are the same.
    func rank(before member: Bytes, orEqual: Bool) -> Int {
        index.rank(before: member, orEqual: orEqual)
    }

    /// The number of members up to (`score`, `member`), which need not be there.
    func rank(behind score: Double, _ member: Bytes) -> Int {
        index.rank(behind: score, member)
    }

    @inline(__always) mutating func find(
        _ key: borrowing Key, _ heap: inout SlabAllocator
    ) -> HashTable.Place? {
        members.find(key, &heap)
    }

    // MARK: - Changing

    /// Adds a member that is not there.
    @inline(__always) mutating func insert(
        _ key: borrowing Key, _ score: Double, _ heap: inout SlabAllocator
    ) {
        let record = members.insert(key, valueCount: 8, &heap)
        record.score = score
        index.insert(score, record, &heap)
    }

    /// Gives the member in `record` another score.
    @inline(__always) mutating func move(
        _ record: Record, to score: Double, _ heap: inout SlabAllocator
    ) {
        members.willChange(record, heap)
        index.move(record.score, record, to: score, &heap)
        record.score = score
    }

    /// Removes `member`; false when it was not there.
    mutating func remove(_ member: Bytes, _ heap: inout SlabAllocator) -> Bool {
        let key = members.key(member)
        guard let place = members.find(key, &heap) else { return false }
        index.remove(place.record.score, place.record, &heap)
        members.remove(place, hash: key.hash, &heap)
        return true
    }

    /// Removes the members with these ranks, which exist; `body` gets each in order before.
    mutating func remove(
        ranks: Range<Int>, _ heap: inout SlabAllocator, _ body: (Double, Record) -> Void
    ) {
        index.remove(ranks: ranks, &heap) { score, record, heap in
            body(score, record)
            let key = members.key(record.key)
            guard let place = members.find(key, &heap) else { return }
            members.remove(place, hash: key.hash, &heap)
        }
    }

    // MARK: - Walking

    /// Calls `body` with the members of these ranks, which exist, forwards or backwards.
    @inline(__always) func forEach(
        _ ranks: Range<Int>, backwards: Bool = false, _ body: (Double, Record) -> Void
    ) {
        let first = backwards ? ranks.upperBound - 1 : ranks.lowerBound
        index.forEach(from: first, count: ranks.count, backwards: backwards, body)
    }

    /// Calls `body` with the members at `cursor`; see `HashTable.scan`.
    func scan(_ cursor: UInt64, _ body: (Record) -> Void) -> UInt64 { members.scan(cursor, body) }

    /// A member chosen by chance.
    func random(_ generator: inout some RandomNumberGenerator) -> Record? {
        members.random(&generator)
    }

    // MARK: - As an object

    mutating func freeSome(_ budget: Int, _ heap: inout SlabAllocator) -> Bool {
        guard index.freeSome(budget, &heap) else { return false }
        return members.freeSome(budget, &heap)
    }

    mutating func freeDetached() { members.freeDetached() }

    func copied(_ heap: inout SlabAllocator, seed: HashSeed) -> SortedSet {
        var table = members.copied(&heap, seed: seed)
        var order: [ScoredRecord] = []
        order.reserveCapacity(count)
        forEach(0..<count) { score, record in
            guard let place = table.find(table.key(record.key), &heap) else { return }
            order.append(ScoredRecord(score: score, record: place.record))
        }
        return SortedSet(table, inOrder: order, &heap)
    }

    /// Stops the program where the index is not as it should be; for tests.
    func checkInvariants() {
        precondition(index.count == members.count)
        index.checkInvariants()
    }
}

/// A member of a table with its score.
struct ScoredRecord {
    let score: Double
    let record: Record

    /// Whether this one stands in front of `other`.
    @inline(__always) func isBefore(_ other: ScoredRecord) -> Bool {
        if score != other.score { return score < other.score }
        return record.key.compare(other.record.key) < 0
    }
}
