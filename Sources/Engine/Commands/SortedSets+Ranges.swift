//  SortedSets+Ranges.swift — members between two ranks, two scores or two names.
import Platform

/// What a range is a range of.
private enum RangeOrder {
    case ranks, scores, names
}

/// What a range command asks for.
private struct SortedRange {
    private enum Borders {
        case ranks(Int64, Int64)
        case scores(ScoreRange)
        case names(NameRange)
    }

    private let borders: Borders
    let isReversed: Bool
    private(set) var withScores = false
    /// Members to skip, and how many to return at most; all if negative.
    private var offset: Int64 = 0
    private var limit: Int64 = -1

    /// Reads `key min max [options]` with the key in word `key`; what `order` and `isReversed`
    /// leave open is for options to say.
    init(
        _ args: borrowing Arguments, key: Int, order wanted: RangeOrder? = nil,
        isReversed reversed: Bool? = nil, stores: Bool = false, _ call: inout Call
    ) throws(CommandError) {
        var order = wanted, isReversed = reversed
        var options = args.options(from: key + 3)
        while let option = options.next() {
            switch option {
            case "WITHSCORES" where !stores: withScores = true
            case "LIMIT" where options.remaining >= 2:
                offset = try options.integer()
                limit = try options.integer()
            case "REV" where isReversed == nil: isReversed = true
            case "BYLEX" where order == nil: order = .names
            case "BYSCORE" where order == nil: order = .scores
            default: throw .syntax
            }
        }
        self.isReversed = isReversed ?? false
        if limit != -1, order == nil || order == .ranks {
            throw call.failed(
                """
                ERR syntax error, LIMIT is only supported in combination with either BYSCORE or \
                BYLEX
                """)
        }
        if withScores, order == .names {
            throw call.failed(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX")
        }
        let first = self.isReversed ? key + 2 : key + 1, last = self.isReversed ? key + 1 : key + 2
        switch order {
        case .scores: borders = .scores(try SortedSets.scores(args, first, last, &call))
        case .names: borders = .names(try SortedSets.names(args, first, last, &call))
        default: borders = .ranks(try args.integer(key + 1), try args.integer(key + 2))
        }
    }

    /// The ranks, counted from the front, of the members of the sorted set at `record`.
    func ranks(_ record: Record) -> Range<Int> {
        let all: Range<Int>
        switch borders {
        case .scores(let range): all = record.ranks(range)
        case .names(let range): all = record.ranks(range)
        case .ranks(let start, let stop):
            let size = record.sortedSetCount
            let range = SortedSets.ranks(start, stop, size)
            // LIMIT does not come with ranks.
            return isReversed ? size - range.upperBound..<size - range.lowerBound : range
        }
        guard offset >= 0, offset < Int64(all.count) else { return 0..<0 }
        let left = all.count - Int(offset)
        let n = limit < 0 ? left : Int(min(limit, Int64(left)))
        if isReversed {
            let end = all.upperBound - Int(offset)
            return end - n..<end
        }
        let start = all.lowerBound + Int(offset)
        return start..<start + n
    }

    /// Replies with the members.
    func answer(
        _ key: borrowing Key, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let record = try call.look(key, as: .sortedSet)?.record else { return reply.array(0) }
        let ranks = ranks(record)
        reply.scored(ranks.count, withScores: withScores)
        record.forEachScored(ranks, backwards: isReversed) {
            reply.scored($0, $1, withScores: withScores)
        }
    }
}

extension SortedSets {
    // MARK: - Borders

    /// The ranks from `start` to `stop`, negative ones counted from the end, as far as there are
    /// any.
    fileprivate static func ranks(_ start: Int64, _ stop: Int64, _ size: Int) -> Range<Int> {
        let n = Int64(size)
        let first = max(start < 0 ? start &+ n : start, 0)
        let last = min(stop < 0 ? stop &+ n : stop, n - 1)
        return first <= last ? Int(first)..<Int(last) + 1 : 0..<0
    }

    /// The scores between two words.
    fileprivate static func scores(
        _ args: borrowing Arguments, _ min: Int, _ max: Int, _ call: inout Call
    ) throws(CommandError) -> ScoreRange {
        guard let lower = border(args[min]), let upper = border(args[max]) else {
            throw call.failed("ERR min or max is not a float")
        }
        return ScoreRange(
            lower: lower.score, upper: upper.score, excludesLower: lower.isExcluded,
            excludesUpper: upper.isExcluded)
    }

    private static func border(_ word: Bytes) -> (score: Double, isExcluded: Bool)? {
        let isExcluded = word.count > 0 && word[0] == UInt8(ascii: "(")
        let number = isExcluded ? word.extracting(1...) : word
        if let score = Numbers.short(number) { return (score, isExcluded) }
        return Decimals.border(number.array).map { ($0, isExcluded) }
    }

    /// The names between two words.
    fileprivate static func names(
        _ args: borrowing Arguments, _ min: Int, _ max: Int, _ call: inout Call
    ) throws(CommandError) -> NameRange {
        guard let lower = nameBorder(args[min]), let upper = nameBorder(args[max]) else {
            throw call.failed("ERR min or max not valid string range item")
        }
        return NameRange(lower: lower, upper: upper)
    }

    private static func nameBorder(_ word: Bytes) -> NameRange.Border? {
        guard word.count > 0 else { return nil }
        switch word[0] {
        case UInt8(ascii: "-") where word.count == 1: return .lowest
        case UInt8(ascii: "+") where word.count == 1: return .highest
        case UInt8(ascii: "["): return .name(word.extracting(1...).array, isExcluded: false)
        case UInt8(ascii: "("): return .name(word.extracting(1...).array, isExcluded: true)
        default: return nil
        }
    }

    // MARK: - Returning

    private static let rangeComplexity: StaticString =
        "O(log(N)+M) where N is the size of the sorted set and M that of the reply."

    static let ZRANGE = Command(
        """
        ZRANGE key start:string stop:string [BYSCORE | BYLEX] [REV] \
        [LIMIT offset count] [WITHSCORES]
        """,
        [.readonly], keys: .reads, since: "1.2.0", complexity: rangeComplexity,
        summary: "Returns the members of a sorted set in a range.",
        history: [("6.2.0", "Options `REV`, `BYSCORE`, `BYLEX` and `LIMIT`.")],
        names: ["sortby", "limit"],
        added: [("sortby", "6.2.0"), ("rev", "6.2.0"), ("limit", "6.2.0")], run: zrange)

    @Sendable static func zrange(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try SortedRange(args, key: 1, &call).answer(args.key, &call, &reply)
    }

    static let ZREVRANGE = Command(
        "ZREVRANGE key start:integer stop:integer [WITHSCORES]", [.readonly], keys: .reads,
        since: "1.2.0", complexity: rangeComplexity,
        summary: "Returns the members in a range of ranks, the last one first.",
        deprecated: Deprecation(since: "6.2.0", replacedBy: "`ZRANGE` with the `REV` argument"),
        run: zrevrange)

    @Sendable static func zrevrange(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try SortedRange(args, key: 1, order: .ranks, isReversed: true, &call)
            .answer(args.key, &call, &reply)
    }

    static let ZRANGEBYSCORE = Command(
        """
        ZRANGEBYSCORE key min:double max:double [WITHSCORES] [LIMIT offset count]
        """,
        [.readonly], keys: .reads, since: "1.0.5", complexity: rangeComplexity,
        summary: "Returns the members in a range of scores.",
        deprecated: Deprecation(
            since: "6.2.0", replacedBy: "`ZRANGE` with the `BYSCORE` argument"),
        history: [("2.0.0", "Option `WITHSCORES`.")], names: ["limit"],
        added: [("withscores", "2.0.0")],
        run: zrangebyscore)

    @Sendable static func zrangebyscore(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try SortedRange(args, key: 1, order: .scores, isReversed: false, &call)
            .answer(args.key, &call, &reply)
    }

    static let ZREVRANGEBYSCORE = Command(
        """
        ZREVRANGEBYSCORE key max:double min:double [WITHSCORES] [LIMIT offset count]
        """,
        [.readonly], keys: .reads, since: "2.2.0", complexity: rangeComplexity,
        summary: "Returns the members in a range of scores, the last one first.",
        deprecated: Deprecation(
            since: "6.2.0", replacedBy: "`ZRANGE` with the `REV` and `BYSCORE` arguments"),
        history: [("2.1.6", "Borders may be excluded.")], names: ["limit"], run: zrevrangebyscore)

    @Sendable static func zrevrangebyscore(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try SortedRange(args, key: 1, order: .scores, isReversed: true, &call)
            .answer(args.key, &call, &reply)
    }

    static let ZRANGEBYLEX = Command(
        "ZRANGEBYLEX key min max [LIMIT offset count]", [.readonly],
        keys: .reads, since: "2.8.9", complexity: rangeComplexity,
        summary: "Returns the members between two names, where all scores are the same.",
        deprecated: Deprecation(
            since: "6.2.0", replacedBy: "`ZRANGE` with the `BYLEX` argument"),
        names: ["limit"], run: zrangebylex)

    @Sendable static func zrangebylex(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try SortedRange(args, key: 1, order: .names, isReversed: false, &call)
            .answer(args.key, &call, &reply)
    }

    static let ZREVRANGEBYLEX = Command(
        "ZREVRANGEBYLEX key max:string min:string [LIMIT offset count]", [.readonly],
        keys: .reads, since: "2.8.9", complexity: rangeComplexity,
        summary: "Returns the members between two names, the last one first.",
        deprecated: Deprecation(
            since: "6.2.0", replacedBy: "`ZRANGE` with the `REV` and `BYLEX` arguments"),
        names: ["limit"], run: zrevrangebylex)

    @Sendable static func zrevrangebylex(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try SortedRange(args, key: 1, order: .names, isReversed: true, &call)
            .answer(args.key, &call, &reply)
    }

    // MARK: - Storing

    static let ZRANGESTORE = Command(
        """
        ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] \
        [LIMIT offset count]
        """,
        [.write, .denyOOM], keys: .overwrites, .reads, since: "6.2.0",
        complexity: "O(log(N)+M) where N is the size of the sorted set and M that of the result.",
        summary: "Stores the members of a sorted set in a range.", names: ["sortby", "limit"],
        run: zrangestore)

    @Sendable static func zrangestore(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let wanted = try SortedRange(args, key: 2, stores: true, &call)
        var builder = call.makeSortedSetBuilder()
        if let record = try call.look(call.key(args[2]), as: .sortedSet)?.record {
            record.forEachScored(wanted.ranks(record)) {
                builder.add($0, $1, .sum, &call.database.heap)
            }
        }
        store(builder, args, "zrangestore", &call, &reply)
    }

    /// Puts a result under the key that word 1 names, or deletes it when there is no member.
    static func store(
        _ builder: consuming SortedSetBuilder, _ args: borrowing Arguments, _ event: StaticString,
        _ call: inout Call, _ reply: inout Reply
    ) {
        let count = builder.count
        guard count > 0 else {
            builder.free(&call.database.heap)
            _ = call.remove(args.key)
            return reply.integer(0)
        }
        let place = call.find(args.key)
        call.overwritten(args.key, place?.record.kind.type, by: .sortedSet)
        call.store(builder, args.key, place)
        if place == nil { call.created(args.key) }
        call.changed(args.key, .sortedSet, event)
        reply.integer(Int64(count))
    }

    // MARK: - Counting

    static let ZCOUNT = Command(
        "ZCOUNT key min:double max:double", [.readonly, .fast], keys: .reads, since: "2.0.0",
        complexity: "O(log(N)) where N is the size of the sorted set.",
        summary: "Counts the members in a range of scores.", run: zcount)

    @Sendable static func zcount(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let range = try scores(args, 2, 3, &call)
        let record = try call.look(args.key, as: .sortedSet)?.record
        reply.integer(Int64(record?.ranks(range).count ?? 0))
    }

    static let ZLEXCOUNT = Command(
        "ZLEXCOUNT key min max", [.readonly, .fast], keys: .reads, since: "2.8.9",
        complexity: "O(log(N)) where N is the size of the sorted set.",
        summary: "Counts the members between two names, where all scores are the same.",
        run: zlexcount)

    @Sendable static func zlexcount(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let range = try names(args, 2, 3, &call)
        let record = try call.look(args.key, as: .sortedSet)?.record
        reply.integer(Int64(record?.ranks(range).count ?? 0))
    }

    // MARK: - Removing

    private static let removalComplexity: StaticString =
        "O(log(N)+M) where N is the size of the sorted set and M the number of members removed."

    static let ZREMRANGEBYRANK = Command(
        "ZREMRANGEBYRANK key start:integer stop:integer", [.write], keys: .deletesFrom,
        since: "2.0.0", complexity: removalComplexity,
        summary: "Removes the members in a range of ranks.", run: zremrangebyrank)

    @Sendable static func zremrangebyrank(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let start = try args.integer(2), stop = try args.integer(3)
        try remove(args, "zremrangebyrank", &call, &reply) {
            ranks(start, stop, $0.sortedSetCount)
        }
    }

    static let ZREMRANGEBYSCORE = Command(
        "ZREMRANGEBYSCORE key min:double max:double", [.write], keys: .deletesFrom,
        since: "1.2.0", complexity: removalComplexity,
        summary: "Removes the members in a range of scores.", run: zremrangebyscore)

    @Sendable static func zremrangebyscore(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let range = try scores(args, 2, 3, &call)
        try remove(args, "zremrangebyscore", &call, &reply) { $0.ranks(range) }
    }

    static let ZREMRANGEBYLEX = Command(
        "ZREMRANGEBYLEX key min max", [.write], keys: .deletesFrom,
        since: "2.8.9", complexity: removalComplexity,
        summary: "Removes the members between two names, where all scores are the same.",
        run: zremrangebylex)

    @Sendable static func zremrangebylex(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let range = try names(args, 2, 3, &call)
        try remove(args, "zremrangebylex", &call, &reply) { $0.ranks(range) }
    }

    private static func remove(
        _ args: borrowing Arguments, _ event: StaticString, _ call: inout Call,
        _ reply: inout Reply, _ ranks: (Record) -> Range<Int>
    ) throws(CommandError) {
        guard let place = try call.find(args.key, as: .sortedSet) else { return reply.integer(0) }
        let ranks = ranks(place.record)
        if !ranks.isEmpty {
            call.removeRanks(ranks, place)
            call.effects.dirty &+= ranks.count - 1
            call.changed(args.key, .sortedSet, event)
            call.removeIfEmpty(args.key, place)
        }
        reply.integer(Int64(ranks.count))
    }
}
