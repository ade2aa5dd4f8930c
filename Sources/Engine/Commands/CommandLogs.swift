//  CommandLogs.swift — SLOWLOG, and Valkey's COMMANDLOG, which knows two more kinds.

enum CommandLogs {
    static let family = Family(
        group: .server,
        commands: [
            SLOWLOG_GET, SLOWLOG_LEN, SLOWLOG_RESET, SLOWLOG_HELP, COMMANDLOG_GET, COMMANDLOG_LEN,
            COMMANDLOG_RESET, COMMANDLOG_HELP,
        ])

    // MARK: - SLOWLOG

    static let SLOWLOG_GET = Command(
        "SLOWLOG GET [count]", [.admin, .loading, .stale], since: "2.2.12",
        complexity: "O(N) where N is the number of entries returned.",
        summary: "Returns the latest slow commands.",
        history: [("4.0.0", "Shows the client's address and name.")],
        tips: ["request_policy:all_nodes", "nondeterministic_output"], run: slowlogGet)

    @Sendable static func slowlogGet(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard args.count <= 3 else {
            throw call.failed(
                "ERR unknown subcommand or wrong number of arguments for '", args[1],
                "'. Try SLOWLOG HELP.")
        }
        let count = args.count == 3 ? try entryCount(args[2], &call) : 10
        list(call.watch[.slow], count, &reply)
    }

    static let SLOWLOG_LEN = Command(
        "SLOWLOG LEN", [.admin, .loading, .stale], since: "2.2.12",
        complexity: "O(1)",
        summary: "Counts the slow commands that are kept.",
        tips: [
            "request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output",
        ], run: slowlogLen)

    @Sendable static func slowlogLen(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.integer(Int64(call.watch[.slow].count))
    }

    static let SLOWLOG_RESET = Command(
        "SLOWLOG RESET", [.admin, .loading, .stale], since: "2.2.12",
        complexity: "O(N) where N is the number of entries.",
        summary: "Forgets the slow commands.",
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"], run: slowlogReset)

    @Sendable static func slowlogReset(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        call.watch[.slow].reset()
        reply.ok()
    }

    static let SLOWLOG_HELP = Command(
        "SLOWLOG HELP", [.loading, .stale], since: "6.2.0",
        complexity: "O(1)",
        summary: "Explains the subcommands of SLOWLOG.",
        run: slowlogHelp)

    @Sendable static func slowlogHelp(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.help(
            "SLOWLOG",
            [
                "GET [<count>]", "    Show the latest slow commands (default: 10, -1 for all):",
                "    id, Unix time, microseconds, words, address and name of the client.",
                "LEN", "    Count the slow commands that are kept.",
                "RESET", "    Forget them.",
            ])
    }

    // MARK: - COMMANDLOG

    static let COMMANDLOG_GET = Command(
        "COMMANDLOG GET count <SLOW | LARGE-REQUEST | LARGE-REPLY>", [.admin, .loading, .stale],
        since: "8.1.0",
        complexity: "O(N) where N is the number of entries returned.",
        summary: "Returns the latest commands of a log.",
        tips: ["request_policy:all_nodes", "nondeterministic_output"], names: ["type"],
        docFlags: .valkey, run: commandlogGet)

    @Sendable static func commandlogGet(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let count = try entryCount(args[2], &call)
        list(call.watch[try kind(args[3], &call)], count, &reply)
    }

    static let COMMANDLOG_LEN = Command(
        "COMMANDLOG LEN <SLOW | LARGE-REQUEST | LARGE-REPLY>", [.admin, .loading, .stale],
        since: "8.1.0",
        complexity: "O(1)",
        summary: "Counts the commands of a log.",
        tips: [
            "request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output",
        ], names: ["type"], docFlags: .valkey, run: commandlogLen)

    @Sendable static func commandlogLen(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.integer(Int64(call.watch[try kind(args[2], &call)].count))
    }

    static let COMMANDLOG_RESET = Command(
        "COMMANDLOG RESET <SLOW | LARGE-REQUEST | LARGE-REPLY>", [.admin, .loading, .stale],
        since: "8.1.0",
        complexity: "O(N) where N is the number of entries.",
        summary: "Forgets the commands of a log.",
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"], names: ["type"],
        docFlags: .valkey, run: commandlogReset)

    @Sendable static func commandlogReset(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        call.watch[try kind(args[2], &call)].reset()
        reply.ok()
    }

    static let COMMANDLOG_HELP = Command(
        "COMMANDLOG HELP", [.loading, .stale], since: "8.1.0",
        complexity: "O(1)",
        summary: "Explains the subcommands of COMMANDLOG.",
        docFlags: .valkey, run: commandlogHelp)

    @Sendable static func commandlogHelp(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.help(
            "COMMANDLOG",
            [
                "GET <count> <type>", "    Show the latest commands of a log (-1 for all):",
                "    id, Unix time, microseconds (slow) or bytes (large-request, large-reply),",
                "    words, address and name of the client.",
                "LEN <type>", "    Count the commands of a log.",
                "RESET <type>", "    Forget them.",
            ])
    }

    // MARK: - Reading and writing

    private static func entryCount(_ word: Bytes, _ call: inout Call) throws(CommandError) -> Int {
        guard let count = Numbers.integer(word), count >= -1 else {
            throw call.failed("ERR count should be greater than or equal to -1")
        }
        return count < 0 ? .max : Int(count)
    }

    private static func kind(
        _ word: Bytes, _ call: inout Call
    ) throws(CommandError) -> CommandLogKind {
        switch Word(word) {
        case "SLOW": return .slow
        case "LARGE-REQUEST": return .largeRequest
        case "LARGE-REPLY": return .largeReply
        default:
            throw call.failed(
                "ERR type should be one of the following: slow, large-request, large-reply")
        }
    }

    private static func list(_ log: CommandLog, _ count: Int, _ reply: inout Reply) {
        let entries = log.newest(min(count, log.count))
        reply.array(entries.count)
        for entry in entries {
            reply.array(6)
            reply.integer(Int64(entry.id))
            reply.integer(entry.time)
            reply.integer(Int64(entry.value))
            reply.array(entry.words.count)
            for word in entry.words { reply.bulk(word) }
            reply.bulk(entry.address)
            reply.bulk(entry.name)
        }
    }
}
