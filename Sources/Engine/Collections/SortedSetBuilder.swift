//  SortedSetBuilder.swift — a sorted set in the making: what ZUNION and its like find.

/// When a sorted set changes its encoding.
struct SortedSetLimit {
    let count: Int
    /// Bytes of a member.
    let bytes: Int

    init(_ configuration: borrowing Configuration) {
        count = min(configuration.zsetMaxListpackEntries, Packed.entriesMax / 2)
        bytes = min(configuration.zsetMaxListpackValue, 1 << 30)
    }
}

/// How the scores of a member in several sorted sets become one.
enum Aggregate {
    case sum, min, max

    @inline(__always) func combine(_ a: Double, _ b: Double) -> Double {
        switch self {
        case .sum:
            let sum = a + b
            // Infinities of both signs cancel out.
            return sum.isNaN ? 0 : sum
        case .min: return Swift.min(a, b)
        case .max: return Swift.max(a, b)
        }
    }
}

struct SortedSetBuilder: ~Copyable {
    private var table: MemberTable
    /// Bytes of the longest member.
    private(set) var longest = 0

    init(seed: HashSeed) { table = MemberTable(seed: seed) }

    var count: Int { table.count }

    /// Adds `member`, or lets `aggregate` make one of its score and this one.
    mutating func add(
        _ member: StringView, _ score: Double, _ aggregate: Aggregate,
        _ heap: inout SlabAllocator
    ) {
        if member.form == .integer {
            let digits = DecimalText(member.number)
            return add(digits.bytes, score, aggregate, &heap)
        }
        add(member.bytes, score, aggregate, &heap)
    }

    private mutating func add(
        _ member: Bytes, _ score: Double, _ aggregate: Aggregate, _ heap: inout SlabAllocator
    ) {
        let key = table.key(member)
        if let old = table.find(key, &heap)?.record {
            old.score = aggregate.combine(old.score, score)
            return
        }
        table.insert(key, valueCount: 8, &heap).score = score
        longest = max(longest, member.count)
    }

    /// The members in order.
    func inOrder() -> [ScoredRecord] {
        var order: [ScoredRecord] = []
        order.reserveCapacity(count)
        table.forEach { order.append(ScoredRecord(score: $0.score, record: $0)) }
        order.sort { $0.isBefore($1) }
        return order
    }

    /// The members as an object; `order` has all of them in order.
    consuming func sortedSet(
        inOrder order: [ScoredRecord], _ heap: inout SlabAllocator
    ) -> SortedSet {
        SortedSet(table, inOrder: order, &heap)
    }

    /// Frees the members.
    consuming func free(_ heap: inout SlabAllocator) {
        var table = table
        while !table.freeSome(1 << 20, &heap) {}
    }
}
