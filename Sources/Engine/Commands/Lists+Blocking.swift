//  Lists+Blocking.swift — list commands that wait until there is an element.
//
//  Each looks for an element first and waits when there is none; when a list has come into being
//  it runs again from the start, so that serving late is serving at once.

extension Lists {
    private static let popComplexity: StaticString = "O(N) where N is the number of keys."
    private static let timeoutHistory: [Remark] = [("6.0.0", "`timeout` may have decimals.")]

    static let BLPOP = Command(
        "BLPOP key [key ...] timeout", [.write, .blocking], keys: .readsAndDeletes,
        since: "2.0.0",
        complexity: popComplexity,
        summary: "Removes the first element of the first list that is not empty; waits for one.",
        history: timeoutHistory, run: blpop)

    @Sendable static func blpop(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try pop(args, .head, &call, &reply)
    }

    static let BRPOP = Command(
        "BRPOP key [key ...] timeout", [.write, .blocking], keys: .readsAndDeletes,
        since: "2.0.0",
        complexity: popComplexity,
        summary: "Removes the last element of the first list that is not empty; waits for one.",
        history: timeoutHistory, run: brpop)

    @Sendable static func brpop(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try pop(args, .tail, &call, &reply)
    }

    private static func pop(
        _ args: borrowing Arguments, _ end: ListEnd, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let keys = 1..<(args.count - 1)
        let deadline = try call.blockingDeadline(args, keys.upperBound)
        for i in keys {
            let key = call.key(args[i])
            guard let place = try call.find(key, as: .list) else { continue }
            let record = place.record
            reply.array(2)
            reply.bulk(args[i])
            reply.string(record.listElement(record.listPosition(of: end)))
            call.propagate(end == .head ? "LPOP" : "RPOP") { $0.append(args[i]) }
            return call.takeElements(1, from: end, key, place)
        }
        guard call.mayBlock else { return reply.nullArray() }
        call.block(args, keys: keys, on: .list, until: deadline, timeoutReply: .nullArray)
    }

    static let BLMPOP = Command(
        "BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
        [.write, .blocking], keys: .readsAndDeletes, since: "7.0.0",
        complexity: "O(N+M) where N is the number of keys and M that of the elements returned.",
        summary: "Removes elements of the first list that is not empty; waits for one.",
        names: ["where"], run: blmpop)

    @Sendable static func blmpop(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let request = try PopRequest(args, from: 2, &call)
        let deadline = try call.blockingDeadline(args, 1)
        if try request.answer(args, &call, &reply) { return }
        guard call.mayBlock else { return reply.nullArray() }
        call.block(
            args, keys: request.keys, on: .list, until: deadline, timeoutReply: .nullArray)
    }

    static let BLMOVE = Command(
        "BLMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout",
        [.write, .denyOOM, .blocking], keys: .readsAndDeletes, .appends, since: "6.2.0",
        complexity: "O(1)",
        summary: "Moves an element from one list to another and returns it; waits for one.",
        names: ["wherefrom", "whereto"], run: blmove)

    @Sendable static func blmove(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let from = try end(args, 3), to = try end(args, 4)
        try moveOrWait(args, from, to, timeout: 5, &call, &reply)
    }

    static let BRPOPLPUSH = Command(
        "BRPOPLPUSH source destination timeout", [.write, .denyOOM, .blocking],
        keys: .readsAndDeletes, .appends, since: "2.2.0",
        complexity: "O(1)",
        summary: "Moves the last element of a list to the head of another; waits for one.",
        deprecated: Deprecation(
            since: "6.2.0", replacedBy: "`BLMOVE` with the `RIGHT` and `LEFT` arguments"),
        history: timeoutHistory, run: brpoplpush)

    @Sendable static func brpoplpush(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try moveOrWait(args, .tail, .head, timeout: 3, &call, &reply)
    }

    private static func moveOrWait(
        _ args: borrowing Arguments, _ from: ListEnd, _ to: ListEnd, timeout: Int,
        _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let deadline = try call.blockingDeadline(args, timeout)
        if try move(args, from, to, &call, &reply) {
            call.propagate("LMOVE") { words in
                words.append(args[1])
                words.append(args[2])
                words.append(from == .head ? "LEFT" : "RIGHT")
                words.append(to == .head ? "LEFT" : "RIGHT")
            }
            return
        }
        guard call.mayBlock else { return reply.null() }
        call.block(args, keys: 1..<2, on: .list, until: deadline, timeoutReply: .nullArray)
    }
}
