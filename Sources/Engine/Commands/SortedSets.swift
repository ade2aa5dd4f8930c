//  SortedSets.swift — the sorted-set commands that look at members one by one.
import Platform

enum SortedSets {
    static let family = Family(
        group: .sortedSet,
        commands: [
            ZADD, ZINCRBY, ZREM, ZSCORE, ZMSCORE, ZCARD, ZRANK, ZREVRANK, ZRANDMEMBER, ZSCAN,
            ZRANGE,
            ZRANGESTORE, ZRANGEBYSCORE, ZREVRANGEBYSCORE, ZRANGEBYLEX, ZREVRANGEBYLEX, ZREVRANGE,
            ZCOUNT, ZLEXCOUNT, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX, ZPOPMIN, ZPOPMAX,
            ZMPOP, BZPOPMIN, BZPOPMAX, BZMPOP, ZUNION, ZUNIONSTORE, ZINTER, ZINTERSTORE, ZINTERCARD,
            ZDIFF, ZDIFFSTORE,
        ])

    // MARK: - Adding and removing

    static let ZADD = Command(
        "ZADD key [NX | XX] [GT | LT] [change=CH] [increment=INCR] score member [score member ...]",
        [.write, .denyOOM, .fast], keys: .updates, since: "1.2.0",
        complexity: "O(log(N)) for each member, where N is the size of the sorted set.",
        summary: "Adds members to a sorted set, or gives them other scores.",
        history: [
            ("2.4.0", "Takes more than one member."),
            ("3.0.2", "Options `XX`, `NX`, `CH` and `INCR`."),
            ("6.2.0", "Options `GT` and `LT`."),
        ],
        names: ["condition", "comparison", "data"],
        added: [
            ("condition", "3.0.2"), ("comparison", "6.2.0"), ("change", "3.0.2"),
            ("increment", "3.0.2"),
        ], run: zadd)

    @Sendable static func zadd(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var options: ScoreOptions = []
        var showsChanges = false
        var first = 2
        reading: while first < args.count {
            switch Token(word: args.word(first)) {
            case "NX": options.insert(.onlyNew)
            case "XX": options.insert(.onlyOld)
            case "GT": options.insert(.onlyGreater)
            case "LT": options.insert(.onlyLess)
            case "CH": showsChanges = true
            case "INCR": options.insert(.increments)
            default: break reading
            }
            first &+= 1
        }
        let words = args.count &- first
        guard words > 0, words & 1 == 0 else { throw .syntax }
        if !options.isEmpty { try check(options, words, &call) }
        try add(args, from: first, options, showsChanges: showsChanges, &call, &reply)
    }

    private static func check(
        _ options: ScoreOptions, _ words: Int, _ call: inout Call
    ) throws(CommandError) {
        if options.isSuperset(of: [.onlyNew, .onlyOld]) {
            throw call.failed("ERR XX and NX options at the same time are not compatible")
        }
        let comparisons = options.intersection([.onlyGreater, .onlyLess])
        if comparisons == [.onlyGreater, .onlyLess]
            || !comparisons.isEmpty && options.contains(.onlyNew)
        {
            throw call.failed(
                "ERR GT, LT, and/or NX options at the same time are not compatible")
        }
        if options.contains(.increments), words > 2 {
            throw call.failed("ERR INCR option supports a single increment-element pair")
        }
    }

    static let ZINCRBY = Command(
        "ZINCRBY key increment member", [.write, .denyOOM, .fast], keys: .readsAndUpdates,
        since: "1.2.0",
        complexity: "O(log(N)) where N is the size of the sorted set.",
        summary: "Adds to the score of a member.", run: zincrby)

    @Sendable static func zincrby(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try add(args, from: 2, .increments, showsChanges: false, &call, &reply)
    }

    /// Adds the pairs of score and member from word `first` on.
    @inline(__always) private static func add(
        _ args: borrowing Arguments, from first: Int, _ options: ScoreOptions, showsChanges: Bool,
        _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        // All scores are read before anything changes.
        guard var score = Numbers.double(args[first]) else { throw .notAFloat }
        var longest = args[first &+ 1].count
        var i = first &+ 2
        while i < args.count {
            guard Numbers.double(args[i]) != nil else { throw .notAFloat }
            longest = max(longest, args[i &+ 1].count)
            i &+= 2
        }
        let old = try call.find(args.key, as: .sortedSet)
        if old == nil, options.contains(.onlyOld) {
            return options.contains(.increments) ? reply.null() : reply.integer(0)
        }
        let place: HashTable.Place
        if let old, old.record.kind == .sortedSet {
            place = old
        } else {
            place = call.growSortedSet(args.key, old, by: (args.count &- first) / 2, longest)
        }
        var added = 0, updated = 0, isRefused = false
        i = first
        while true {
            switch call.setScore(args[i &+ 1], &score, options, args.key, place) {
            case .added: added &+= 1
            case .updated: updated &+= 1
            case .unchanged: break
            case .refused: isRefused = true
            case .notANumber:
                throw call.failed("ERR resulting score is not a number (NaN)")
            }
            i &+= 2
            guard i < args.count else { break }
            score = Numbers.double(args[i]) ?? 0
        }
        let isIncrement = options.contains(.increments)
        if old == nil { call.created(args.key) }
        if added &+ updated > 0 {
            call.effects.dirty &+= added &+ updated &- 1
            call.changed(args.key, .sortedSet, isIncrement ? "zincr" : "zadd")
        }
        if isIncrement { return isRefused ? reply.null() : reply.double(score) }
        reply.integer(Int64(showsChanges ? added &+ updated : added))
    }

    static let ZREM = Command(
        "ZREM key member [member ...]", [.write, .fast], keys: .deletesFrom, since: "1.2.0",
        complexity: "O(M*log(N)) where N is the size of the sorted set and M that of the request.",
        summary: "Removes members from a sorted set.",
        history: [("2.4.0", "Takes more than one member.")], run: zrem)

    @Sendable static func zrem(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.find(args.key, as: .sortedSet) else { return reply.integer(0) }
        var removed = 0
        for i in 2..<args.count where call.removeScored(args[i], place) { removed += 1 }
        if removed > 0 {
            call.effects.dirty &+= removed - 1
            call.changed(args.key, .sortedSet, "zrem")
            call.removeIfEmpty(args.key, place)
        }
        reply.integer(Int64(removed))
    }

    // MARK: - Looking

    static let ZSCORE = Command(
        "ZSCORE key member", [.readonly, .fast], keys: .reads, since: "1.2.0",
        complexity: "O(1)", summary: "Returns the score of a member.", run: zscore)

    @Sendable static func zscore(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        answer(try call.look(args.key, as: .sortedSet)?.record.score(of: args[2]), &reply)
    }

    static let ZMSCORE = Command(
        "ZMSCORE key member [member ...]", [.readonly, .fast], keys: .reads, since: "6.2.0",
        complexity: "O(N) where N is the number of members that are asked for.",
        summary: "Returns the scores of members.", run: zmscore)

    @Sendable static func zmscore(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let record = try call.look(args.key, as: .sortedSet)?.record
        reply.array(args.count - 2)
        for i in 2..<args.count { answer(record?.score(of: args[i]), &reply) }
    }

    private static func answer(_ score: Double?, _ reply: inout Reply) {
        if let score { reply.double(score) } else { reply.null() }
    }

    static let ZCARD = Command(
        "ZCARD key", [.readonly, .fast], keys: .inspects, since: "1.2.0",
        complexity: "O(1)", summary: "Returns the number of members of a sorted set.", run: zcard)

    @Sendable static func zcard(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let place = try call.look(args.key, as: .sortedSet)
        reply.integer(Int64(place?.record.sortedSetCount ?? 0))
    }

    static let ZRANK = Command(
        "ZRANK key member [WITHSCORE]", [.readonly, .fast], keys: .reads, since: "2.0.0",
        complexity: "O(log(N))",
        summary: "Returns how many members are in front of one.",
        history: [("7.2.0", "Option `WITHSCORE`.")], run: zrank)

    @Sendable static func zrank(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try answerRank(args, isReversed: false, &call, &reply)
    }

    static let ZREVRANK = Command(
        "ZREVRANK key member [WITHSCORE]", [.readonly, .fast], keys: .reads, since: "2.0.0",
        complexity: "O(log(N))",
        summary: "Returns how many members are behind one.",
        history: [("7.2.0", "Option `WITHSCORE`.")], run: zrevrank)

    @Sendable static func zrevrank(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try answerRank(args, isReversed: true, &call, &reply)
    }

    private static func answerRank(
        _ args: borrowing Arguments, isReversed: Bool, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        if args.count > 4 { throw .wrongArity }
        let withScore = args.count == 4
        if withScore, args.word(3) != "WITHSCORE" { throw .syntax }
        guard let record = try call.look(args.key, as: .sortedSet)?.record,
            let (rank, score) = record.rank(of: args[2])
        else { return withScore ? reply.nullArray() : reply.null() }
        if withScore { reply.array(2) }
        reply.integer(Int64(isReversed ? record.sortedSetCount - 1 - rank : rank))
        if withScore { reply.double(score) }
    }

    // MARK: - Chance

    static let ZRANDMEMBER = Command(
        "ZRANDMEMBER key [count [WITHSCORES]]", [.readonly], keys: .reads, since: "6.2.0",
        complexity: "O(N) where N is the number of members that are returned.",
        summary: "Returns members of a sorted set that are chosen by chance.",
        tips: ["nondeterministic_output"], names: ["options"], run: zrandmember)

    @Sendable static func zrandmember(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        if args.count > 2 { return try randomMany(args, &call, &reply) }
        guard let record = try call.look(args.key, as: .sortedSet)?.record else {
            return reply.null()
        }
        call.withRandomScored(record) { member, _ in reply.string(member) }
    }

    private static func randomMany(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let wanted = try args.integer(2)
        guard wanted != .min else {
            throw call.failed(
                """
                ERR value is out of range, value must between -9223372036854775807 and \
                9223372036854775807
                """)
        }
        let withScores = args.count == 4
        if args.count > 3 {
            guard withScores, args.word(3) == "WITHSCORES" else { throw .syntax }
            guard wanted.magnitude <= Int64.max.magnitude / 2 else { throw .outOfRange }
        }
        guard let record = try call.look(args.key, as: .sortedSet)?.record, wanted != 0 else {
            return reply.array(0)
        }
        let size = record.sortedSetCount
        guard wanted >= -call.repetitionsMax else { throw .outOfRange }
        let count = wanted < 0 ? Int(-wanted) : Int(min(wanted, Int64(size)))
        reply.scored(count, withScores: withScores)
        if wanted < 0 {
            for _ in 0..<count {
                call.withRandomScored(record) { reply.scored($0, $1, withScores: withScores) }
            }
        } else if record.kind == .sortedSet, count * 3 < size {
            // Records stay where they are while nothing is changed.
            var seen = Set<UInt>(minimumCapacity: count)
            var generator = call.random
            while seen.count < count {
                guard let member = record.sortedSet.random(&generator) else { break }
                guard seen.insert(member.identity).inserted else { continue }
                let view = StringView(member.key, number: 0, form: .bytes)
                reply.scored(view, member.score, withScores: withScores)
            }
            call.random = generator
        } else {
            let isChosen = call.chosenPositions(count, of: size)
            var i = 0
            record.forEachScored(0..<size) { member, score in
                if isChosen[i] { reply.scored(member, score, withScores: withScores) }
                i += 1
            }
        }
    }

    // MARK: - Walking

    static let ZSCAN = Command(
        "ZSCAN key cursor [MATCH pattern] [COUNT count]", [.readonly], keys: .reads,
        since: "2.8.0",
        complexity: "O(1) for each call; O(N) for a complete walk over N members.",
        summary: "Walks over the members of a sorted set, some at a time.",
        tips: ["nondeterministic_output"], run: zscan)

    @Sendable static func zscan(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let cursor = Numbers.cursor(args[2]) else { throw call.failed("ERR invalid cursor") }
        guard let record = try call.look(args.key, as: .sortedSet)?.record else {
            reply.array(2)
            reply.bulk("0")
            return reply.array(0)
        }
        let wanted = try ElementScan(args, from: 3)
        var elements = Reply()
        var found = 0
        let isLarge = record.kind == .sortedSet
        let next = wanted.run(cursor, isLarge) { cursor, visited in
            func visit(_ member: StringView, _ score: Double) {
                visited += 1
                guard wanted.matches(member, args) else { return }
                elements.string(member)
                // As Redis shows them: as it keeps them, in the one encoding and the other.
                elements.bulk(isLarge ? Decimals.full(score) : Numbers.text(of: score))
                found += 2
            }
            if isLarge {
                return record.sortedSet.scan(cursor) {
                    visit(StringView($0.key, number: 0, form: .bytes), $0.score)
                }
            }
            record.forEachScored(0..<record.sortedSetCount, visit)
            return 0
        }
        reply.array(2)
        reply.bulk(String(next))
        reply.array(found)
        reply.out.append(elements.out.span)
    }
}

extension Reply {
    /// Begins a reply of `n` members, each with its score if so wished: pairs in RESP3.
    mutating func scored(_ n: Int, withScores: Bool) {
        array(withScores && version == .resp2 ? n * 2 : n)
    }

    /// One member of such a reply.
    @inline(__always) mutating func scored(
        _ member: StringView, _ score: Double, withScores: Bool
    ) {
        if withScores, version == .resp3 { array(2) }
        string(member)
        if withScores { double(score) }
    }
}

extension Call {
    /// Calls `body` with a member chosen by chance.
    mutating func withRandomScored(_ record: Record, _ body: (StringView, Double) -> Void) {
        var generator = random
        if record.kind == .sortedSet {
            if let member = record.sortedSet.random(&generator) {
                body(StringView(member.key, number: 0, form: .bytes), member.score)
            }
        } else {
            let i = Int.random(in: 0..<record.sortedSetCount, using: &generator)
            record.forEachScored(i..<i + 1, body)
        }
        random = generator
    }
}
