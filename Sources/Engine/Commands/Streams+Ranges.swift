//  Streams+Ranges.swift — entries by their IDs: XRANGE and XREVRANGE.

extension Streams {
    private static let rangeComplexity: StaticString = "O(N) for N entries returned."
    private static let rangeHistory: [Remark] = [("6.2.0", "Exclusive ends.")]

    static let XRANGE = Command(
        "XRANGE key start:string end:string [COUNT count]", [.readonly], keys: .reads,
        since: "5.0.0",
        complexity: rangeComplexity,
        summary: "Returns the entries between two IDs.",
        history: rangeHistory, run: xrange)

    @Sendable static func xrange(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try range(args, low: 2, high: 3, &call, &reply)
    }

    static let XREVRANGE = Command(
        "XREVRANGE key end:string start:string [COUNT count]", [.readonly], keys: .reads,
        since: "5.0.0",
        complexity: rangeComplexity,
        summary: "Returns the entries between two IDs, the newest first.",
        history: rangeHistory, run: xrevrange)

    @Sendable static func xrevrange(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try range(args, low: 3, high: 2, &call, &reply)
    }

    private static func range(
        _ args: borrowing Arguments, low: Int, high: Int, _ call: inout Call,
        _ reply: inout Reply
    ) throws(CommandError) {
        let first = try start(args[low], &call), last = try end(args[high], &call)
        var count: Int64?
        var options = args.options(from: 4)
        while let option = options.next() {
            guard case "COUNT" = option, options.remaining > 0 else { throw .syntax }
            count = max(try options.integer(), 0)
        }
        guard let place = try call.look(args.key, as: .stream) else { return reply.array(0) }
        if count == 0 { return reply.nullArray() }
        reply.entries(
            of: place.record.stream, from: first, through: last,
            count: count.map { Int($0) } ?? .max, backwards: low > high)
    }

    /// The lower end of a range: an ID, one behind `(` that does not count, or `-`.
    static func start(_ text: Bytes, _ call: inout Call) throws(CommandError) -> StreamID {
        guard text.count > 1, text[0] == UInt8(ascii: "(") else {
            guard let id = StreamID(end: text, missing: 0) else { throw .invalidStreamID }
            return id
        }
        guard let next = try id(text.extracting(1...)).next else {
            throw call.failed("ERR invalid start ID for the interval")
        }
        return next
    }

    /// The upper end of a range.
    static func end(_ text: Bytes, _ call: inout Call) throws(CommandError) -> StreamID {
        guard text.count > 1, text[0] == UInt8(ascii: "(") else {
            guard let id = StreamID(end: text, missing: .max) else { throw .invalidStreamID }
            return id
        }
        guard let id = StreamID(text.extracting(1...), missing: .max) else {
            throw .invalidStreamID
        }
        guard let previous = id.previous else {
            throw call.failed("ERR invalid end ID for the interval")
        }
        return previous
    }
}
