//  SortedSets+Operations.swift — unions, intersections and differences of sorted sets.
//
//  Sets take part too: each of their members has the score 1.

extension SortedSets {
    private enum Operation {
        case union, intersection, difference
    }

    /// What ZUNION and its like ask for: `numkeys key [key …] [options]`.
    private struct Request {
        /// A sorted set or a set, and what its scores are multiplied with.
        struct Source {
            let record: Record?
            var weight = 1.0

            /// The score that counts.
            @inline(__always) func weighed(_ score: Double) -> Double {
                let product = weight * score
                return product.isNaN ? 0 : product
            }
        }

        private(set) var sources: [Source] = []
        private(set) var aggregate = Aggregate.sum
        private(set) var withScores = false
        private(set) var limit = Int64.max

        /// Reads from word `first` on; `name` is the command's, for an error.
        init(
            _ args: borrowing Arguments, from first: Int, _ operation: Operation, _ name: String,
            stores: Bool = false, counts: Bool = false, _ call: inout Call
        ) throws(CommandError) {
            let numkeys = try args.integer(first)
            guard numkeys >= 1 else {
                throw call.failed("ERR at least 1 input key is needed for '\(name)' command")
            }
            guard numkeys <= Int64(args.count - first - 1) else { throw .syntax }
            let end = first + 1 + Int(numkeys)
            // Keys whose time has come go first: then nothing moves any more.
            for i in (first + 1)..<end {
                guard let record = call.look(call.key(args[i]))?.record else { continue }
                let type = record.kind.type
                guard type == .sortedSet || type == .set else { throw .wrongType }
            }
            for i in (first + 1)..<end {
                sources.append(Source(record: call.find(call.key(args[i]))?.record))
            }
            let weighs = operation != .difference && !counts
            var options = args.options(from: end)
            while let option = options.next() {
                switch option {
                case "WEIGHTS" where weighs && options.remaining >= sources.count:
                    for i in sources.indices {
                        guard let weight = Numbers.double(args[try options.position()]) else {
                            throw call.failed("ERR weight value is not a float")
                        }
                        sources[i].weight = weight
                    }
                case "AGGREGATE" where weighs && options.remaining > 0:
                    aggregate = try Self.aggregate(options.next())
                case "WITHSCORES" where !stores && !counts: withScores = true
                case "LIMIT" where counts && options.remaining > 0:
                    guard let value = Numbers.integer(args[try options.position()]), value >= 0
                    else { throw call.failed("ERR LIMIT can't be negative") }
                    limit = value == 0 ? .max : value
                default: throw .syntax
                }
            }
            // As Redis does it: the order in which scores are added can be seen in the sum.
            if operation != .difference {
                sources.sort { ($0.record?.weighedCount ?? 0) < ($1.record?.weighedCount ?? 0) }
            }
        }

        private static func aggregate(_ word: Token?) throws(CommandError) -> Aggregate {
            guard let word else { throw .syntax }
            switch word {
            case "SUM": return .sum
            case "MIN": return .min
            case "MAX": return .max
            default: throw .syntax
            }
        }

        /// Makes the result.
        func run(_ operation: Operation, _ call: inout Call) -> SortedSetBuilder {
            var builder = call.makeSortedSetBuilder()
            switch operation {
            case .union: unite(&builder, &call.database.heap)
            case .intersection:
                intersect {
                    builder.add($0, $1, .sum, &call.database.heap)
                    return true
                }
            case .difference: subtract(&builder, &call.database.heap)
            }
            return builder
        }

        private func unite(_ builder: inout SortedSetBuilder, _ heap: inout SlabAllocator) {
            for source in sources {
                source.record?.forEachWeighed { member, score in
                    builder.add(member, source.weighed(score), aggregate, &heap)
                }
            }
        }

        /// Calls `body` with the members that all sources have, until it returns false.
        func intersect(_ body: (StringView, Double) -> Bool) {
            guard let smallest = sources.first?.record,
                sources.allSatisfy({ $0.record != nil })
            else { return }
            let first = sources[0], others = sources.dropFirst()
            var isGoingOn = true
            smallest.forEachWeighed { member, score in
                guard isGoingOn else { return }
                var total = first.weighed(score)
                for other in others {
                    guard let score = other.record?.weight(of: member) else { return }
                    total = aggregate.combine(total, other.weighed(score))
                }
                isGoingOn = body(member, total)
            }
        }

        private func subtract(_ builder: inout SortedSetBuilder, _ heap: inout SlabAllocator) {
            let others = sources.dropFirst().compactMap(\.record)
            guard let first = sources[0].record,
                !others.contains(where: { $0.identity == first.identity })
            else { return }
            first.forEachWeighed { member, score in
                if others.contains(where: { $0.weight(of: member) != nil }) { return }
                builder.add(member, score, .sum, &heap)
            }
        }
    }

    private static func answer(
        _ args: borrowing Arguments, _ operation: Operation, _ name: String, _ call: inout Call,
        _ reply: inout Reply
    ) throws(CommandError) {
        let request = try Request(args, from: 1, operation, name, &call)
        let builder = request.run(operation, &call)
        reply.scored(builder.count, withScores: request.withScores)
        for element in builder.inOrder() {
            let member = StringView(element.record.key, number: 0, form: .bytes)
            reply.scored(member, element.score, withScores: request.withScores)
        }
        builder.free(&call.database.heap)
    }

    private static func store(
        _ args: borrowing Arguments, _ operation: Operation, _ name: StaticString,
        _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let request = try Request(args, from: 2, operation, "\(name)", stores: true, &call)
        let builder = request.run(operation, &call)
        store(builder, args, name, &call, &reply)
    }

    // MARK: - Unions

    static let ZUNION = Command(
        """
        ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] \
        [WITHSCORES]
        """,
        [.readonly], keys: .reads, since: "6.2.0",
        complexity: """
            O(N)+O(M*log(M)) where N is the number of members of all sorted sets and M that of the \
            result.
            """,
        summary: "Returns the members that any of several sorted sets has.", run: zunion)

    @Sendable static func zunion(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try answer(args, .union, "zunion", &call, &reply)
    }

    static let ZUNIONSTORE = Command(
        """
        ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] \
        [AGGREGATE <SUM | MIN | MAX>]
        """,
        [.write, .denyOOM], keys: .overwrites, .reads, since: "2.0.0",
        complexity: """
            O(N)+O(M log(M)) where N is the number of members of all sorted sets and M that of the \
            result.
            """,
        summary: "Stores the members that any of several sorted sets has.", run: zunionstore)

    @Sendable static func zunionstore(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try store(args, .union, "zunionstore", &call, &reply)
    }

    // MARK: - Intersections

    static let ZINTER = Command(
        """
        ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] \
        [WITHSCORES]
        """,
        [.readonly], keys: .reads, since: "6.2.0",
        complexity: """
            O(N*K)+O(M*log(M)) where N is the size of the smallest sorted set, K the number of \
            sorted sets and M the size of the result.
            """,
        summary: "Returns the members that all of several sorted sets have.", run: zinter)

    @Sendable static func zinter(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try answer(args, .intersection, "zinter", &call, &reply)
    }

    static let ZINTERSTORE = Command(
        """
        ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] \
        [AGGREGATE <SUM | MIN | MAX>]
        """,
        [.write, .denyOOM], keys: .overwrites, .reads, since: "2.0.0",
        complexity: """
            O(N*K)+O(M*log(M)) where N is the size of the smallest sorted set, K the number of \
            sorted sets and M the size of the result.
            """,
        summary: "Stores the members that all of several sorted sets have.", run: zinterstore)

    @Sendable static func zinterstore(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try store(args, .intersection, "zinterstore", &call, &reply)
    }

    static let ZINTERCARD = Command(
        "ZINTERCARD numkeys key [key ...] [LIMIT limit]", [.readonly], keys: .reads,
        since: "7.0.0",
        complexity: """
            O(N*K) where N is the size of the smallest sorted set and K the number of sorted sets.
            """,
        summary: "Counts the members that all of several sorted sets have.", run: zintercard)

    @Sendable static func zintercard(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let request = try Request(
            args, from: 1, .intersection, "zintercard", counts: true, &call)
        var count: Int64 = 0
        request.intersect { _, _ in
            count += 1
            return count < request.limit
        }
        reply.integer(count)
    }

    // MARK: - Differences

    static let ZDIFF = Command(
        "ZDIFF numkeys key [key ...] [WITHSCORES]", [.readonly], keys: .reads, since: "6.2.0",
        complexity: """
            O(L + (N-K)log(N)) where L is the number of members of all sorted sets, N the size of \
            the first one and K that of the result.
            """,
        summary: "Returns the members of a sorted set that none of several others has.",
        run: zdiff)

    @Sendable static func zdiff(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try answer(args, .difference, "zdiff", &call, &reply)
    }

    static let ZDIFFSTORE = Command(
        "ZDIFFSTORE destination numkeys key [key ...]", [.write, .denyOOM],
        keys: .overwrites, .reads, since: "6.2.0",
        complexity: """
            O(L + (N-K)log(N)) where L is the number of members of all sorted sets, N the size of \
            the first one and K that of the result.
            """,
        summary: "Stores the members of a sorted set that none of several others has.",
        run: zdiffstore)

    @Sendable static func zdiffstore(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try store(args, .difference, "zdiffstore", &call, &reply)
    }
}
