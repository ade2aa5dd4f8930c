//  SortedSets+Popping.swift — members with the lowest or highest scores, taken away; some wait.
//
//  A blocking command looks for a member first and waits when there is none; when a sorted set has
//  come into being it runs again from the start, so that serving late is serving at once.

extension SortedSets {
    /// Which end of the order members are taken from.
    enum End {
        case lowest, highest
    }

    private static let popComplexity: StaticString =
        "O(log(N)*M) where N is the size of the sorted set and M the number of members removed."

    static let ZPOPMIN = Command(
        "ZPOPMIN key [count]", [.write, .fast], keys: .readsAndDeletes, since: "5.0.0",
        complexity: popComplexity,
        summary: "Removes the members with the lowest scores and returns them.", run: zpopmin)

    @Sendable static func zpopmin(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try pop(args, .lowest, &call, &reply)
    }

    static let ZPOPMAX = Command(
        "ZPOPMAX key [count]", [.write, .fast], keys: .readsAndDeletes, since: "5.0.0",
        complexity: popComplexity,
        summary: "Removes the members with the highest scores and returns them.", run: zpopmax)

    @Sendable static func zpopmax(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try pop(args, .highest, &call, &reply)
    }

    private static func pop(
        _ args: borrowing Arguments, _ end: End, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard args.count <= 3 else { throw .syntax }
        var wanted: Int64?
        if args.count == 3 {
            guard let value = Numbers.integer(args[2]), value >= 0 else { throw .notPositive }
            wanted = value
        }
        guard let place = try call.find(args.key, as: .sortedSet), wanted != 0 else {
            return reply.array(0)
        }
        let count = Int(min(wanted ?? 1, Int64(place.record.sortedSetCount)))
        let arePairs = wanted != nil && reply.version == .resp3
        reply.array(arePairs ? count : count * 2)
        answerAndRemove(count, end, args.key, place, arePairs: arePairs, &call, &reply)
    }

    /// Replies with the first `count` members from `end`, which exist, and removes them.
    private static func answerAndRemove(
        _ count: Int, _ end: End, _ key: borrowing Key, _ place: HashTable.Place, arePairs: Bool,
        _ call: inout Call, _ reply: inout Reply
    ) {
        let size = place.record.sortedSetCount
        let ranks = end == .lowest ? 0..<count : size - count..<size
        place.record.forEachScored(ranks, backwards: end == .highest) {
            if arePairs { reply.array(2) }
            reply.string($0)
            reply.double($1)
        }
        call.removeRanks(ranks, place)
        call.propagate(end == .lowest ? "ZPOPMIN" : "ZPOPMAX") { words in
            words.append(key.bytes)
            words.append(Int64(count))
        }
        call.effects.dirty &+= count - 1
        call.changed(key, .sortedSet, end == .lowest ? "zpopmin" : "zpopmax")
        call.removeIfEmpty(key, place)
    }

    // MARK: - From the first of several

    static let ZMPOP = Command(
        "ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]", [.write],
        keys: .readsAndDeletes, since: "7.0.0",
        complexity: """
            O(K) + O(M*log(N)) where K is the number of keys, N the size of the sorted set and M \
            the number of members removed.
            """,
        summary: "Removes members of the first of several sorted sets that is not empty.",
        names: ["where"], run: zmpop)

    @Sendable static func zmpop(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let request = try PopRequest(args, from: 1, &call)
        guard try request.answer(args, &call, &reply) else { return reply.nullArray() }
    }

    /// What ZMPOP and BZMPOP ask for: `numkeys key [key …] MIN|MAX [COUNT n]`.
    private struct PopRequest {
        /// Positions of the keys.
        let keys: Range<Int>
        private let end: End
        private var count: Int64?

        init(
            _ args: borrowing Arguments, from first: Int, _ call: inout Call
        ) throws(CommandError) {
            guard let numkeys = Numbers.integer(args[first]), numkeys > 0 else {
                throw call.failed("ERR numkeys should be greater than 0")
            }
            // The word behind the keys has to be there.
            guard numkeys < Int64(args.count - first - 1) else { throw .syntax }
            keys = (first + 1)..<(first + 1 + Int(numkeys))
            switch Token(word: args.word(keys.upperBound)) {
            case "MIN": end = .lowest
            case "MAX": end = .highest
            default: throw .syntax
            }
            var options = args.options(from: keys.upperBound + 1)
            while let option = options.next() {
                guard case "COUNT" = option, count == nil, options.remaining > 0 else {
                    throw .syntax
                }
                guard let value = Numbers.integer(args[try options.position()]), value > 0 else {
                    throw call.failed("ERR count should be greater than 0")
                }
                count = value
            }
        }

        /// Replies with the first sorted set's name and members, and removes them; false when there
        /// is none.
        func answer(
            _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
        ) throws(CommandError) -> Bool {
            for i in keys {
                let key = call.key(args[i])
                guard let place = try call.find(key, as: .sortedSet) else { continue }
                let n = Int(min(count ?? 1, Int64(place.record.sortedSetCount)))
                reply.array(2)
                reply.bulk(args[i])
                reply.array(n)
                answerAndRemove(n, end, key, place, arePairs: true, &call, &reply)
                return true
            }
            return false
        }
    }

    // MARK: - Waiting

    private static let timeoutHistory: [Remark] = [("6.0.0", "`timeout` may have decimals.")]

    static let BZPOPMIN = Command(
        "BZPOPMIN key [key ...] timeout", [.write, .blocking, .fast], keys: .readsAndDeletes,
        since: "5.0.0", complexity: "O(log(N)) where N is the size of the sorted set.",
        summary: "Removes the lowest member of the first sorted set there is; waits for one.",
        history: timeoutHistory, run: bzpopmin)

    @Sendable static func bzpopmin(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try popOrWait(args, .lowest, &call, &reply)
    }

    static let BZPOPMAX = Command(
        "BZPOPMAX key [key ...] timeout", [.write, .blocking, .fast], keys: .readsAndDeletes,
        since: "5.0.0", complexity: "O(log(N)) where N is the size of the sorted set.",
        summary: "Removes the highest member of the first sorted set there is; waits for one.",
        history: timeoutHistory, run: bzpopmax)

    @Sendable static func bzpopmax(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try popOrWait(args, .highest, &call, &reply)
    }

    private static func popOrWait(
        _ args: borrowing Arguments, _ end: End, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let keys = 1..<(args.count - 1)
        let deadline = try call.blockingDeadline(args, keys.upperBound)
        for i in keys {
            let key = call.key(args[i])
            guard let place = try call.find(key, as: .sortedSet) else { continue }
            reply.array(3)
            reply.bulk(args[i])
            return answerAndRemove(1, end, key, place, arePairs: false, &call, &reply)
        }
        guard call.mayBlock else { return reply.nullArray() }
        call.block(args, keys: keys, on: .sortedSet, until: deadline, timeoutReply: .nullArray)
    }

    static let BZMPOP = Command(
        "BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]", [.write, .blocking],
        keys: .readsAndDeletes, since: "7.0.0",
        complexity: """
            O(K) + O(M*log(N)) where K is the number of keys, N the size of the sorted set and M \
            the number of members removed.
            """,
        summary: "Removes members of the first sorted set that is not empty; waits for one.",
        names: ["where"], run: bzmpop)

    @Sendable static func bzmpop(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let request = try PopRequest(args, from: 2, &call)
        let deadline = try call.blockingDeadline(args, 1)
        if try request.answer(args, &call, &reply) { return }
        guard call.mayBlock else { return reply.nullArray() }
        call.block(
            args, keys: request.keys, on: .sortedSet, until: deadline, timeoutReply: .nullArray)
    }
}
