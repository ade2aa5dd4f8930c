//  SetBuilder.swift — a set in the making: what SINTERSTORE and its like find.
//
//  Members are kept in the order in which they came while they are few, and in a table from then on,
//  which may become the object of a key as it is.

/// When a set changes its encoding: `set-max-intset-entries` and its like.
struct SetLimit {
    let integerSetCount: Int
    let packedCount: Int
    let packedBytes: Int

    init(_ configuration: borrowing Configuration) {
        integerSetCount = min(configuration.setMaxIntsetEntries, 1 << 30)
        packedCount = min(configuration.setMaxListpackEntries, Packed.entriesMax)
        packedBytes = min(configuration.setMaxListpackValue, 1 << 30)
    }
}

struct SetBuilder: ~Copyable {
    /// The members, one after the other, while they are few.
    private var entries = ByteBuffer()
    private var few = 0
    private var table: MemberTable?
    private let seed: HashSeed
    private let limit: SetLimit
    private var hasOnlyIntegers = true
    /// The encoding that members of this number and kind, added one by one, have led to: integers
    /// become entries, both become a table, and there is no way back.
    private var reached = Kind.integerSet
    /// Bytes of the longest member.
    private var longest = 0

    /// Members above which a table is faster.
    private static var fewMax: Int { 128 }

    /// An empty one; with `startsPacked` integers are entries like all others, and only in the end
    /// a set of integers.
    init(seed: HashSeed, limit: SetLimit, startsPacked: Bool = false) {
        self.seed = seed
        self.limit = limit
        if startsPacked { reached = .packedSet }
    }

    var count: Int {
        switch table {
        case .none: few
        case .some(let table): table.count
        }
    }

    /// Adds `member` unless it is there; returns whether it was not.
    mutating func add(_ member: StringView, _ heap: inout SlabAllocator) -> Bool {
        if member.form == .integer {
            let text = member.array
            return add(text.span, isInteger: true, &heap)
        }
        return add(member.bytes, isInteger: Numbers.integer(member.bytes) != nil, &heap)
    }

    private mutating func add(
        _ member: Bytes, isInteger: Bool, _ heap: inout SlabAllocator
    ) -> Bool {
        let isNew: Bool
        if table != nil {
            isNew = addToTable(member, &heap)
        } else {
            isNew = Packed(entries: entries.span).find(member) == nil
            if isNew { addToFew(member, &heap) }
        }
        guard isNew else { return false }
        note(member.count, isInteger: isInteger)
        hasOnlyIntegers = hasOnlyIntegers && isInteger
        longest = max(longest, member.count)
        return true
    }

    /// Takes note of what one more member, which is counted already, does to the encoding.
    private mutating func note(_ bytes: Int, isInteger: Bool) {
        switch reached {
        case .integerSet where isInteger:
            if count > limit.integerSetCount { reached = .set }
        case .integerSet, .packedSet:
            let fits = count <= limit.packedCount && max(bytes, longest) <= limit.packedBytes
            reached = fits ? .packedSet : .set
        default: break
        }
    }

    private mutating func addToTable(_ member: Bytes, _ heap: inout SlabAllocator) -> Bool {
        guard var table = table.take() else { return false }
        let isNew = table.add(member, &heap)
        self.table = consume table
        return isNew
    }

    private mutating func addToFew(_ member: Bytes, _ heap: inout SlabAllocator) {
        guard few == Self.fewMax || member.count > 1024 else {
            entries.append(PackedEntry(member))
            few += 1
            return
        }
        var table = MemberTable(seed: seed)
        Self.forEach(entries) { _ = table.add($0.array.span, &heap) }
        _ = table.add(member, &heap)
        self.table = consume table
        entries = ByteBuffer()
    }

    private static func forEach(_ entries: borrowing ByteBuffer, _ body: (StringView) -> Void) {
        let packed = Packed(entries: entries.span)
        var at = packed.start
        while at < packed.end { body(packed.take(&at)) }
    }

    /// Takes `member` out again if it is there.
    mutating func remove(_ member: StringView, _ heap: inout SlabAllocator) {
        let text = member.array
        if var table = table.take() {
            _ = table.remove(text.span, &heap)
            self.table = consume table
            return
        }
        guard let at = Packed(entries: entries.span).find(text.span) else { return }
        let end = Packed(entries: entries.span).next(at)
        var rest = ByteBuffer(capacity: entries.count)
        rest.append(entries.span.extracting(..<at))
        rest.append(entries.span.extracting(end...))
        entries = consume rest
        few -= 1
    }

    /// Calls `body` with every member.
    func forEach(_ body: (StringView) -> Void) {
        switch table {
        case .none: Self.forEach(entries, body)
        case .some(let table):
            table.forEach { body(StringView($0.key, number: 0, form: .bytes)) }
        }
    }

    // MARK: - The end

    /// What kind of set the members make; `looksForIntegers` if they may be a set of integers
    /// although they were something else on the way.
    func kind(looksForIntegers: Bool) -> Kind {
        if looksForIntegers, hasOnlyIntegers, count <= limit.integerSetCount { return .integerSet }
        return reached
    }

    /// The members as the value of a record of `kind`, which is not `.set`.
    func value(_ kind: Kind) -> [UInt8] {
        if kind == .integerSet {
            var members: [Int64] = []
            forEach { if let member = $0.integer { members.append(member) } }
            return IntegerSet.bytes(members.sorted())
        }
        let count = count
        var bytes = ByteBuffer()
        bytes.append(UInt8(truncatingIfNeeded: count))
        bytes.append(UInt8(truncatingIfNeeded: count >> 8))
        forEach { bytes.append(PackedEntry($0)) }
        return bytes.span.array
    }

    /// The members as an object; the builder is empty afterwards.
    mutating func takeTable(_ heap: inout SlabAllocator) -> MemberTable {
        if let table = table.take() { return table }
        var table = MemberTable(seed: seed)
        Self.forEach(entries) { _ = table.add($0.array.span, &heap) }
        return table
    }

    /// Frees what is left.
    mutating func free(_ heap: inout SlabAllocator) {
        guard var table = table.take() else { return }
        while !table.freeSome(1 << 20, &heap) {}
    }
}
