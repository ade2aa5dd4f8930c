//  TransactionCommands.swift — MULTI, EXEC and what belongs to them.

enum TransactionCommands {
    static let family = Family(
        group: .transactions, commands: [MULTI, EXEC, DISCARD, WATCH, UNWATCH])

    /// Commands that run at once although the client's requests are queued.
    static let immediate: Set<String> = ["multi", "exec", "discard", "watch", "quit", "reset"]

    static let MULTI = Command(
        "MULTI", [.noscript, .loading, .stale, .fast, .allowBusy], since: "1.2.0",
        complexity: "O(1)",
        summary: "Begins a transaction: what follows is queued.", run: multi)

    @Sendable static func multi(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard !call.isQueueing else { throw call.failed("ERR MULTI calls can not be nested") }
        call.session.raised.insert(.transaction)
        call.clients[call.session.slot].transaction = Transaction()
        reply.ok()
    }

    static let EXEC = Command(
        "EXEC", [.noscript, .loading, .stale, .skipSlowlog], since: "1.2.0",
        complexity: "Depends on the commands in the transaction.",
        summary: "Runs the requests of a transaction, unless a watched key has changed.",
        run: exec)

    @Sendable static func exec(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard call.isQueueing, let transaction = call.clients[call.session.slot].transaction else {
            throw call.failed("ERR EXEC without MULTI")
        }
        if transaction.isAborted {
            call.takeTransaction()
            throw call.failed("EXECABORT Transaction discarded because of previous errors.")
        }
        if transaction.flags.contains(.denyOOM), call.raised.contains(.memory), !call.makeRoom() {
            call.takeTransaction()
            throw call.failed(
                """
                EXECABORT Transaction discarded because of: OOM command not allowed when used \
                memory > 'maxmemory'.
                """)
        }
        if call.hasWatchedChange() {
            call.takeTransaction()
            return reply.nullArray()
        }
        // The executor runs it, since it alone writes errors.
        call.attention.insert(.transaction)
    }

    static let DISCARD = Command(
        "DISCARD", [.noscript, .loading, .stale, .fast, .allowBusy], since: "2.0.0",
        complexity: "O(N) where N is the number of queued requests.",
        summary: "Gives up a transaction.", run: discard)

    @Sendable static func discard(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard call.isQueueing else { throw call.failed("ERR DISCARD without MULTI") }
        call.takeTransaction()
        reply.ok()
    }

    static let WATCH = Command(
        "WATCH key [key ...]", [.noscript, .loading, .stale, .fast, .allowBusy], keys: .inspects,
        since: "2.2.0", complexity: "O(1) for each key.",
        summary: "Has the next transaction run only if these keys have not changed until then.",
        run: watch)

    @Sendable static func watch(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard !call.isQueueing else { throw call.failed("ERR WATCH inside MULTI is not allowed") }
        for i in 1..<args.count {
            // A key whose time has come is gone already: that is no change.
            _ = call.find(call.key(args[i]))
            call.watchKey(args[i])
        }
        reply.ok()
    }

    static let UNWATCH = Command(
        "UNWATCH", [.noscript, .loading, .stale, .fast, .allowBusy], since: "2.2.0",
        complexity: "O(1)", summary: "Forgets the keys that the connection watches.", run: unwatch)

    @Sendable static func unwatch(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        call.unwatch(call.session.slot)
        reply.ok()
    }
}
