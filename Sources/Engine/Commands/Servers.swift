//  Servers.swift — commands about databases as a whole and about the server.
import Platform

enum Servers {
    static let family = Family(
        group: .server,
        commands: [DBSIZE, SWAPDB, FLUSHDB, FLUSHALL, INFO, TIME, SHUTDOWN, LOLWUT])

    // MARK: - Databases

    static let DBSIZE = Command(
        "DBSIZE", [.readonly, .fast], since: "1.0.0",
        complexity: "O(1)",
        summary: "Counts the keys of the database.",
        tips: ["request_policy:all_shards", "response_policy:agg_sum"], also: .keyspace,
        run: dbsize)

    @Sendable static func dbsize(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.integer(Int64(call.keyspace.databases[call.session.database].count))
    }

    static let SWAPDB = Command(
        "SWAPDB index1 index2", [.write, .fast], since: "4.0.0",
        complexity: "O(N) where N is the number of clients that watch or wait for keys.",
        summary: "Exchanges the contents of two databases.",
        also: [.keyspace, .dangerous], run: swapdb)

    @Sendable static func swapdb(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let first = Numbers.integer(args[1]).flatMap(Int32.init(exactly:)) else {
            throw call.failed("ERR invalid first DB index")
        }
        guard let second = Numbers.integer(args[2]).flatMap(Int32.init(exactly:)) else {
            throw call.failed("ERR invalid second DB index")
        }
        let a = try Keys.databaseIndex(Int64(first), &call)
        let b = try Keys.databaseIndex(Int64(second), &call)
        if a != b {
            call.touchWatched(in: a, and: b)
            call.touchWatched(in: b, and: a)
        }
        call.keyspace.swap(a, b, now: call.turnTime)
        call.changedAll()
        reply.ok()
    }

    static let FLUSHDB = Command(
        "FLUSHDB [ASYNC | SYNC]", [.write], since: "1.0.0",
        complexity: "O(N) where N is the number of keys in the database.",
        summary: "Deletes all keys of the database.",
        history: [("4.0.0", "Option `ASYNC`."), ("6.2.0", "Option `SYNC`.")],
        tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
        also: [.keyspace, .dangerous], names: ["flush-type"],
        added: [("async", "4.0.0"), ("sync", "6.2.0")], run: flushdb)

    @Sendable static func flushdb(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let isLazy = try isLazyFlush(args, call)
        call.flush(call.session.database, isLazy: isLazy)
        call.invalidateAll()
        reply.ok()
    }

    static let FLUSHALL = Command(
        "FLUSHALL [ASYNC | SYNC]", [.write], since: "1.0.0",
        complexity: "O(N) where N is the number of keys in all databases.",
        summary: "Deletes all keys of all databases.",
        history: [("4.0.0", "Option `ASYNC`."), ("6.2.0", "Option `SYNC`.")],
        tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
        also: [.keyspace, .dangerous], names: ["flush-type"],
        added: [("async", "4.0.0"), ("sync", "6.2.0")], run: flushall)

    @Sendable static func flushall(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let isLazy = try isLazyFlush(args, call)
        for i in 0..<call.keyspace.count { call.flush(i, isLazy: isLazy) }
        call.saveNothing()
        call.invalidateAll()
        reply.ok()
    }

    private static func isLazyFlush(
        _ args: borrowing Arguments, _ call: borrowing Call
    ) throws(CommandError) -> Bool {
        guard args.count <= 2 else { throw .syntax }
        if args.count == 1 { return call.configuration.lazyfreeLazyUserFlush }
        switch args.word(1) {
        case "ASYNC": return true
        case "SYNC": return false
        default: throw .syntax
        }
    }

    // MARK: - The server

    static let INFO = Command(
        "INFO [section [section ...]]", [.loading, .stale], since: "1.0.0",
        complexity: "O(1)",
        summary: "Reports on the state of the server.",
        history: [("7.0.0", "Takes more than one section.")],
        tips: ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        also: .dangerous, run: info)

    @Sendable static func info(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var sections: [String] = []
        for i in 1..<max(args.count, 1) { sections.append(args[i].text.lowercased()) }
        reply.verbatim(Info.text(sections, &call))
    }

    static let TIME = Command(
        "TIME", [.loading, .stale, .fast], since: "2.6.0",
        complexity: "O(1)",
        summary: "Returns the time of the server.",
        tips: ["nondeterministic_output"], run: time)

    @Sendable static func time(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let now = Clock.unixMicroseconds()
        reply.array(2)
        reply.bulk(String(now / 1_000_000))
        reply.bulk(String(now % 1_000_000))
    }

    static let SHUTDOWN = Command(
        "SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
        [.admin, .noscript, .loading, .stale, .noMulti, .allowBusy], since: "1.0.0",
        complexity: "O(N) where N is the number of keys to save, otherwise O(1).",
        summary: "Saves if asked to, then stops the server.",
        history: [("7.0.0", "Options `NOW`, `FORCE` and `ABORT`.")], names: ["save-selector"],
        added: [("now", "7.0.0"), ("force", "7.0.0"), ("abort", "7.0.0")], run: shutdown)

    @Sendable static func shutdown(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var save: Bool?
        var isAbort = false, hasOthers = false, isForced = false
        for i in 1..<max(args.count, 1) {
            switch args.word(i) {
            case "NOSAVE" where save != true: save = false
            case "SAVE" where save != false: save = true
            case "NOW": hasOthers = true
            case "FORCE":
                hasOthers = true
                isForced = true
            case "ABORT": isAbort = true
            default: throw .syntax
            }
        }
        if isAbort {
            guard save == nil, !hasOthers else { throw .syntax }
            throw call.failed("ERR No shutdown in progress.")
        }
        let options = ShutdownOptions(saves: save, isForced: isForced)
        guard call.prepareShutdown(options) else {
            throw call.failed("ERR Errors trying to SHUTDOWN. Check logs.")
        }
        call.requests.shutdown = options
        // Nothing is answered: the connection ends with the server.
        call.attention.insert(.close)
    }

    static let LOLWUT = Command(
        "LOLWUT [VERSION version]", [.readonly, .fast], since: "5.0.0",
        complexity: "",
        summary: "Draws a picture and tells the version.",
        run: lolwut)

    @Sendable static func lolwut(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let version = "Redis ver. \(ServerIdentity.redisVersion)\n"
        var isPlain = false
        if args.count >= 3, args[1].equalsIgnoringCase("version") {
            // Only the newest picture is ours; older ones are other people's work.
            isPlain = try args.integer(2) < 8
        }
        reply.verbatim(isPlain ? version : Martin.drawing(&call.random) + version)
    }

    /// House martins on a wire, a new flock each time.
    private enum Martin {
        static func drawing(_ random: inout RandomGenerator) -> String {
            var lines: [String] = []
            for row in 0..<6 {
                var line = ""
                while line.count < 56 {
                    let isBird = Int.random(in: 0..<10 + row * 4, using: &random) == 0
                    line += isBird ? (Bool.random(using: &random) ? "\\v/" : "~v~") : "  "
                }
                lines.append(line)
            }
            lines.append(String(repeating: "─", count: 57))
            var wire = ""
            while wire.count < 56 {
                wire += Int.random(in: 0..<4, using: &random) == 0 ? "(•>" : "   "
            }
            lines.append(wire)
            lines.append("\nMartlet ver. \(ServerIdentity.version)")
            return lines.joined(separator: "\n") + "\n"
        }
    }
}
