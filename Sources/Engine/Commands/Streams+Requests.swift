//  Streams+Requests.swift — what XADD and XTRIM say in front of an entry.

/// The options of XADD and XTRIM.
struct StreamRequest {
    /// Which entries go.
    private(set) var trim: StreamTrim?
    private(set) var references: StreamReferences?
    private(set) var makesKey = true
    /// The ID for the new entry; nil for one that the server makes up.
    private(set) var id: WrittenStreamID?
    /// Position of the ID.
    private(set) var position: Int
    private var border: StreamTrim.Border?
    private var isApproximate = false
    private var limit: Int64?

    /// The options of XADD, up to the ID.
    @inline(__always) init(
        adding args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) {
        position = 2
        if Self.isStar(args[2]) { return }
        try readOptions(args, &call)
        if position < args.count, !Self.isStar(args[position]) {
            let read = StreamID.read(args[position], allowsStar: true)
            guard let read else { throw .invalidStreamID }
            id = read
        }
        try finish(&call)
    }

    init(trimming args: borrowing Arguments, _ call: inout Call) throws(CommandError) {
        position = 2
        makesKey = false
        try readOptions(args, &call)
        guard position == args.count else { throw .syntax }
        if (limit ?? 0) == 0, border == nil {
            throw call.failed(
                "ERR syntax error, XTRIM must be called with a trimming strategy")
        }
        try finish(&call)
    }

    private static func isStar(_ word: Bytes) -> Bool {
        word.count > 0 && word[0] == UInt8(ascii: "*") && (word.count == 1 || word[1] == 0)
    }

    private static func isSymbol(_ word: Bytes, _ symbol: UInt8) -> Bool {
        word.count > 0 && word[0] == symbol && (word.count == 1 || word[1] == 0)
    }

    /// Reads up to the first word that is no option.
    @inline(never) private mutating func readOptions(
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) {
        let isAdding = makesKey
        while position < args.count {
            if isAdding, Self.isStar(args[position]) { return }
            let hasMore = position + 1 < args.count
            switch Token(word: args.word(position)) {
            case "MAXLEN" where hasMore: try readBorder(args, isCount: true, &call)
            case "MINID" where hasMore: try readBorder(args, isCount: false, &call)
            case "LIMIT" where hasMore:
                position += 1
                let value = try args.integer(position)
                guard value >= 0 else {
                    throw call.failed("ERR The LIMIT argument must be >= 0.")
                }
                limit = value
            case "NOMKSTREAM" where isAdding: makesKey = false
            case "KEEPREF" where references == nil: references = .kept
            case "DELREF" where references == nil: references = .deleted
            case "ACKED" where references == nil: references = .acknowledged
            default: return
            }
            position += 1
        }
    }

    /// Reads `MAXLEN` or `MINID` and its threshold, which `position` stands at afterwards.
    private mutating func readBorder(
        _ args: borrowing Arguments, isCount: Bool, _ call: inout Call
    ) throws(CommandError) {
        guard border == nil else {
            throw call.failed(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
        }
        position += 1
        isApproximate = false
        if position + 1 < args.count {
            isApproximate = Self.isSymbol(args[position], UInt8(ascii: "~"))
            if isApproximate || Self.isSymbol(args[position], UInt8(ascii: "=")) { position += 1 }
        }
        if isCount {
            let count = try args.integer(position)
            guard count >= 0 else { throw call.failed("ERR The MAXLEN argument must be >= 0.") }
            border = .count(Int(count))
        } else {
            border = .id(try Streams.id(args[position]))
        }
    }

    private mutating func finish(_ call: inout Call) throws(CommandError) {
        guard let border else {
            guard let limit else { return }
            throw call.failed(
                limit != 0
                    ? "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
                    : "ERR syntax error, LIMIT cannot be used without the special ~ option")
        }
        if limit != nil, !isApproximate {
            throw call.failed(
                "ERR syntax error, LIMIT cannot be used without the special ~ option")
        }
        var most = Int(limit ?? 0)
        if isApproximate, limit == nil {
            // A hundred full blocks.
            let (whole, overflow) = call.configuration.streamNodeMaxEntries
                .multipliedReportingOverflow(by: 100)
            most = overflow ? 1_000_000 : whole <= 0 ? 10_000 : min(whole, 1_000_000)
        }
        trim = StreamTrim(
            border: border, isApproximate: isApproximate, limit: most,
            references: references ?? .kept)
    }

    // MARK: - Propagating

    /// Whether the request does the same when it is done again.
    var isExact: Bool {
        guard case .whole = id else { return false }
        return trim.map { !$0.isApproximate } ?? true
    }

    /// The border of what is left, where something was to go.
    func exactBorder(_ record: Record) -> StreamTrim.Border? {
        guard let trim else { return nil }
        guard trim.isApproximate else { return trim.border }
        if case .count = trim.border { return .count(record.stream.count) }
        return .id(record.stream.count == 0 ? .max : record.stream.firstID)
    }
}

extension CommandWords {
    /// The options that trim.
    mutating func append(_ border: StreamTrim.Border?, _ references: StreamReferences?) {
        switch border {
        case .count(let count):
            append("MAXLEN")
            append("=")
            append(Int64(count))
        case .id(let id):
            append("MINID")
            append("=")
            append(id)
        case nil: return
        }
        switch references {
        case .deleted: append("DELREF")
        case .acknowledged: append("ACKED")
        case .kept, nil: break
        }
    }
}
