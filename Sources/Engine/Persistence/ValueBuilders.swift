//  ValueBuilders.swift — records made of elements that come from a file or a DUMP.
//
//  A record is complete before any table knows of it, so a value that turns out to be damaged leaves
//  nothing behind. Encodings are those that the configuration asks for, whatever the file had.

/// When collections change their encoding.
struct ValueLimits {
    let hashFields: Int
    let hashBytes: Int
    let set: SetLimit
    let sortedSet: SortedSetLimit
    let list: ListLimit

    init(_ configuration: borrowing Configuration) {
        hashFields = min(configuration.hashMaxListpackEntries, Packed.entriesMax / 2)
        hashBytes = min(configuration.hashMaxListpackValue, 1 << 30)
        set = SetLimit(configuration)
        sortedSet = SortedSetLimit(configuration)
        list = ListLimit(configuration.listMaxListpackSize)
    }
}

/// Finds names that come twice, by their hashes.
struct NameSet: ~Copyable {
    private var slots: Buffer<UInt64>
    private var used: [Int] = []

    /// More names than this are a table's affair.
    static var countMax: Int { 1024 }

    init() { slots = Buffer(repeating: 0, count: 2 * Self.countMax) }

    mutating func removeAll() {
        for i in used { slots[i] = 0 }
        used.removeAll(keepingCapacity: true)
    }

    /// Adds a name; false when it is there.
    mutating func insert(_ hash: UInt64) -> Bool {
        let word = hash | 1
        var i = Int(truncatingIfNeeded: hash >> 32) & (slots.count - 1)
        while slots[i] != 0 {
            if slots[i] == word { return false }
            i = (i + 1) & (slots.count - 1)
        }
        precondition(used.count < Self.countMax)
        slots[i] = word
        used.append(i)
        return true
    }
}

/// What builders share: whoever reads many values keeps one.
struct ValueWorkshop: ~Copyable {
    let limits: ValueLimits
    let seed: HashSeed
    var names = NameSet()
    var entries = ByteBuffer()
    var count = 0

    init(limits: ValueLimits, seed: HashSeed) {
        self.limits = limits
        self.seed = seed
    }

    mutating func begin() {
        names.removeAll()
        entries.removeAll()
        entries.shrink(to: 1 << 20)
        count = 0
    }

    /// A packed record of the entries that were collected.
    func packedRecord(
        _ kind: Kind, key: Bytes, deadline: Int64?, count: Int, _ heap: inout SlabAllocator
    ) -> Record {
        let record = Record.make(
            &heap, kind, key: key, valueCount: Packed.headerCount + entries.count,
            deadline: deadline)
        record.write(entries.span, at: Packed.headerCount)
        record.setPackedCount(count)
        return record
    }

    /// A record of an object.
    static func objectRecord<T: ~Copyable & CollectionObject>(
        _ kind: Kind, key: Bytes, deadline: Int64?, _ object: consuming T,
        _ heap: inout SlabAllocator
    ) -> Record {
        let record = Record.make(&heap, kind, key: key, valueCount: 8, deadline: deadline)
        record.adopt(object, &heap)
        return record
    }
}

// MARK: - Hashes

/// A hash in the making.
struct HashBuilder: ~Copyable {
    private var table: MemberTable?
    private var isSmall = true

    /// A hash of `count` fields, if they are as many.
    init(count: Int, hasDeadlines: Bool, _ shop: inout ValueWorkshop) {
        shop.begin()
        isSmall = count <= shop.limits.hashFields
        if !isSmall || hasDeadlines || count > NameSet.countMax {
            table = MemberTable(seed: shop.seed)
        }
    }

    var count: Int {
        switch table {
        case .none: 0
        case .some(let table): table.count
        }
    }

    /// Adds a field; false when there is one of that name.
    mutating func add(
        _ name: Bytes, _ value: Bytes, deadline: Int64?, _ shop: inout ValueWorkshop,
        _ heap: inout SlabAllocator
    ) -> Bool {
        let isLong = max(name.count, value.count) > shop.limits.hashBytes
        if isLong { isSmall = false }
        if table == nil, isLong || deadline != nil { makeTable(&shop, &heap) }
        guard var table = table.take() else {
            guard shop.names.insert(shop.seed.hash(name)) else { return false }
            shop.entries.append(PackedEntry(name))
            shop.entries.append(PackedEntry(value))
            shop.count += 2
            return true
        }
        let key = table.key(name)
        let isNew = table.find(key, &heap) == nil
        if isNew {
            table.insert(key, valueCount: value.count, deadline: deadline, &heap).replace(value)
        }
        self.table = consume table
        return isNew
    }

    private mutating func makeTable(_ shop: inout ValueWorkshop, _ heap: inout SlabAllocator) {
        var table = MemberTable(seed: shop.seed)
        let packed = Packed(entries: shop.entries.span)
        var at = packed.start
        while at < packed.end {
            let name = packed.take(&at).array, value = packed.take(&at).array
            table.insert(table.key(name.span), valueCount: value.count, &heap).replace(value.span)
        }
        self.table = consume table
    }

    consuming func record(
        key: Bytes, deadline: Int64?, _ shop: borrowing ValueWorkshop,
        _ heap: inout SlabAllocator
    ) -> Record {
        let isSmall = isSmall
        guard var table = table.take() else {
            return shop.packedRecord(
                .packedHash, key: key, deadline: deadline, count: shop.count, &heap)
        }
        table.isSmall = isSmall
        return ValueWorkshop.objectRecord(.hash, key: key, deadline: deadline, table, &heap)
    }

    consuming func free(_ heap: inout SlabAllocator) {
        guard var table = table.take() else { return }
        while !table.freeSome(.max, &heap) {}
    }
}

// MARK: - Sets

/// A set in the making.
struct LoadedSetBuilder: ~Copyable {
    private var table: MemberTable?
    private var integers: [Int64] = []
    private var isOfIntegers = true

    /// A set of `count` members.
    init(count: Int, _ shop: inout ValueWorkshop) {
        shop.begin()
        isOfIntegers = count <= shop.limits.set.integerSetCount && count <= NameSet.countMax
        if count > NameSet.countMax || !isOfIntegers && count > shop.limits.set.packedCount {
            table = MemberTable(seed: shop.seed)
        }
    }

    /// Adds a member; false when it is there.
    mutating func add(
        _ member: Bytes, _ shop: inout ValueWorkshop, _ heap: inout SlabAllocator
    ) -> Bool {
        if table == nil {
            guard shop.names.insert(shop.seed.hash(member)) else { return false }
            if isOfIntegers {
                if let number = Numbers.integer(member) {
                    integers.append(number)
                } else {
                    isOfIntegers = false
                    integers = []
                }
            }
            shop.entries.append(PackedEntry(member))
            shop.count += 1
            let isTooLarge =
                shop.count > shop.limits.set.packedCount
                || member.count > shop.limits.set.packedBytes
            if !isOfIntegers, isTooLarge { makeTable(&shop, &heap) }
            return true
        }
        guard var table = table.take() else { return false }
        let isNew = table.add(member, &heap)
        self.table = consume table
        return isNew
    }

    private mutating func makeTable(_ shop: inout ValueWorkshop, _ heap: inout SlabAllocator) {
        var table = MemberTable(seed: shop.seed)
        let packed = Packed(entries: shop.entries.span)
        var at = packed.start
        while at < packed.end { _ = table.add(packed.take(&at).array.span, &heap) }
        self.table = consume table
    }

    consuming func record(
        key: Bytes, deadline: Int64?, _ shop: borrowing ValueWorkshop,
        _ heap: inout SlabAllocator
    ) -> Record {
        let isOfIntegers = isOfIntegers, integers = integers
        if let table = table.take() {
            return ValueWorkshop.objectRecord(.set, key: key, deadline: deadline, table, &heap)
        }
        guard isOfIntegers else {
            return shop.packedRecord(
                .packedSet, key: key, deadline: deadline, count: shop.count, &heap)
        }
        let bytes = IntegerSet.bytes(integers.sorted())
        let record = Record.make(
            &heap, .integerSet, key: key, valueCount: bytes.count, deadline: deadline)
        record.write(bytes.span, at: 0)
        return record
    }

    consuming func free(_ heap: inout SlabAllocator) {
        guard var table = table.take() else { return }
        while !table.freeSome(.max, &heap) {}
    }
}

// MARK: - Sorted sets

/// A sorted set in the making.
struct LoadedSortedSetBuilder: ~Copyable {
    private var table: MemberTable
    private var order: [ScoredRecord] = []
    private var longest = 0
    private var ascends = true
    private var descends = true

    init(_ shop: inout ValueWorkshop) {
        shop.begin()
        table = MemberTable(seed: shop.seed)
    }

    var count: Int { table.count }

    /// Adds a member; false when it is there.
    mutating func add(
        _ member: Bytes, _ score: Double, _ heap: inout SlabAllocator
    ) -> Bool {
        let key = table.key(member)
        if table.find(key, &heap) != nil { return false }
        let record = table.insert(key, valueCount: 8, &heap)
        record.score = score
        longest = max(longest, member.count)
        let element = ScoredRecord(score: score, record: record)
        if let last = order.last {
            if last.isBefore(element) { descends = false } else { ascends = false }
        }
        order.append(element)
        return true
    }

    consuming func record(
        key: Bytes, deadline: Int64?, _ shop: inout ValueWorkshop, _ heap: inout SlabAllocator
    ) -> Record {
        if !ascends {
            if descends { order.reverse() } else { order.sort { $0.isBefore($1) } }
        }
        if count <= shop.limits.sortedSet.count, longest <= shop.limits.sortedSet.bytes {
            for element in order {
                shop.entries.append(PackedEntry(element.record.key))
                let score = ScoreEntry(element.score)
                shop.entries.append(score.entry)
            }
            let record = shop.packedRecord(
                .packedSortedSet, key: key, deadline: deadline, count: 2 * count, &heap)
            free(&heap)
            return record
        }
        return ValueWorkshop.objectRecord(
            .sortedSet, key: key, deadline: deadline, SortedSet(table, inOrder: order, &heap),
            &heap)
    }

    consuming func free(_ heap: inout SlabAllocator) {
        while !table.freeSome(.max, &heap) {}
    }
}

// MARK: - Lists

/// A list in the making.
struct ListBuilder: ~Copyable {
    private var list = ChunkedList()

    init(_ shop: inout ValueWorkshop) { shop.begin() }

    /// Adds one element at the end.
    mutating func add(
        _ element: Bytes, _ shop: inout ValueWorkshop, _ heap: inout SlabAllocator
    ) {
        let limit = shop.limits.list
        if limit.isLarge(element.count) {
            settle(&shop, &heap)
            list.insertChunk(of: PackedEntry(element), at: list.chunkCount, limit, &heap)
            return
        }
        let isFull = !limit.admits(
            textCount: element.count, to: shop.entries.count, count: shop.count)
        if isFull, shop.count > 0 { settle(&shop, &heap) }
        shop.entries.append(PackedEntry(element))
        shop.count += 1
    }

    /// Adds a run of entries at the end, as a chunk of its own.
    mutating func add(
        run: Bytes, count: Int, _ shop: inout ValueWorkshop, _ heap: inout SlabAllocator
    ) {
        settle(&shop, &heap)
        if count > 0 { list.append(run: run, count: count, &heap) }
    }

    /// What was collected becomes a chunk.
    private mutating func settle(_ shop: inout ValueWorkshop, _ heap: inout SlabAllocator) {
        if shop.count > 0 { list.append(run: shop.entries.span, count: shop.count, &heap) }
        shop.entries.removeAll()
        shop.count = 0
    }

    /// Nil for a list without elements.
    consuming func record(
        key: Bytes, deadline: Int64?, _ shop: inout ValueWorkshop, _ heap: inout SlabAllocator
    ) -> Record? {
        let limit = shop.limits.list
        if list.count == 0, shop.count > 0,
            !limit.isExceeded(bytes: shop.entries.count + ListLimit.frameCount, count: shop.count)
        {
            return shop.packedRecord(
                .packedList, key: key, deadline: deadline, count: shop.count, &heap)
        }
        settle(&shop, &heap)
        if list.count == 0 { return nil }
        if list.chunkCount == 1, !list.isPlain(0), list.count <= Packed.entriesMax,
            !limit.isExceeded(
                bytes: list.chunkByteCount(0) + ListLimit.frameCount, count: list.count)
        {
            shop.entries.append(list.chunk(0).bytes)
            let record = shop.packedRecord(
                .packedList, key: key, deadline: deadline, count: list.count, &heap)
            free(&heap)
            return record
        }
        return ValueWorkshop.objectRecord(.list, key: key, deadline: deadline, list, &heap)
    }

    consuming func free(_ heap: inout SlabAllocator) {
        while !list.freeSome(.max, &heap) {}
    }
}
