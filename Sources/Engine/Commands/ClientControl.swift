//  ClientControl.swift — CLIENT subcommands that hold clients up and let them go.

enum ClientControl {
    static let family = Family(
        group: .connection,
        commands: [
            CLIENT_PAUSE, CLIENT_UNPAUSE, CLIENT_UNBLOCK, CLIENT_CAPA,
        ])

    // MARK: - Pauses

    static let CLIENT_PAUSE = Command(
        "CLIENT PAUSE timeout:integer [WRITE | ALL]", [.admin, .noscript, .loading, .stale],
        since: "3.0.0",
        complexity: "O(1)",
        summary: "Lets commands wait for some time.",
        history: [("6.2.0", "Mode `WRITE`.")], names: ["mode"], added: [("mode", "6.2.0")],
        run: pause)

    @Sendable static func pause(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try checkCount(args, atMost: 4, &call)
        var isAll = true
        if args.count == 4 {
            switch args.word(3) {
            case "WRITE": isAll = false
            case "ALL": break
            default: throw call.failed("ERR CLIENT PAUSE mode must be WRITE or ALL")
            }
        }
        guard let milliseconds = Numbers.integer(args[2]) else {
            throw call.failed("ERR timeout is not an integer or out of range")
        }
        if milliseconds < 0 { throw .timeoutNegative }
        let (end, overflow) = call.now.addingReportingOverflow(milliseconds)
        if overflow { throw .timeoutOutOfRange }
        call.pause(until: end, all: isAll)
        reply.ok()
    }

    static let CLIENT_UNPAUSE = Command(
        "CLIENT UNPAUSE", [.admin, .noscript, .loading, .stale], since: "6.2.0",
        complexity: "O(N) where N is the number of clients that wait.",
        summary: "Ends a pause.",
        run: unpause)

    @Sendable static func unpause(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        call.endPause()
        reply.ok()
    }

    // MARK: - Waits

    static let CLIENT_UNBLOCK = Command(
        "CLIENT UNBLOCK client-id [TIMEOUT | ERROR]", [.admin, .noscript, .loading, .stale],
        since: "5.0.0",
        complexity: "O(log N) where N is the number of connections.",
        summary: "Ends the wait of another connection.",
        names: ["unblock-type"], run: unblock)

    @Sendable static func unblock(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try checkCount(args, atMost: 4, &call)
        var isError = false
        if args.count == 4 {
            switch args.word(3) {
            case "TIMEOUT": break
            case "ERROR": isError = true
            default:
                throw call.failed("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
            }
        }
        let id = try args.integer(2)
        guard let slot = call.clients.slot(of: id), call.clients[slot].wait != nil else {
            return reply.integer(0)
        }
        call.unblock(slot, error: isError ? unblocked : nil)
        reply.integer(1)
    }

    private static let unblocked = "UNBLOCKED client unblocked via CLIENT UNBLOCK"

    private static func checkCount(
        _ args: borrowing Arguments, atMost count: Int, _ call: inout Call
    ) throws(CommandError) {
        guard args.count > count else { return }
        throw call.failed(
            "ERR unknown subcommand or wrong number of arguments for '", args[1],
            "'. Try CLIENT HELP.")
    }

    // MARK: - Abilities

    static let CLIENT_CAPA = Command(
        "CLIENT CAPA capability [capability ...]", [.noscript, .loading, .stale],
        since: "8.0.0",
        complexity: "O(1)",
        summary: "Tells what the client can do.",
        docFlags: .valkey, run: capabilities)

    /// The one that exists is `redirect`, and no server of ours sends a redirection.
    @Sendable static func capabilities(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.ok()
    }
}
