//  AppendOnlyCommands.swift — commands about the append-only file.

enum AppendOnlyCommands {
    static let server = Family(group: .server, commands: [BGREWRITEAOF])
    static let generic = Family(group: .generic, commands: [WAITAOF])

    static let BGREWRITEAOF = Command(
        "BGREWRITEAOF", [.admin, .noscript, .noAsyncLoading], since: "1.0.0",
        complexity: "O(1)",
        summary: "Writes the append-only file anew, as short as can be, in the background.",
        run: bgrewriteaof)

    @Sendable static func bgrewriteaof(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        if call.persistence.rewrite != nil || call.persistence.isRewriteWanted {
            throw call.failed("ERR Background append only file rewriting already in progress")
        }
        // Whoever asks does not want to wait for the end of a pause after failures.
        call.persistence.nextRewriteTry = 0
        if call.snapshot != nil || call.isInTransaction {
            call.persistence.isRewriteScheduled = true
            return reply.simple("Background append only file rewriting scheduled")
        }
        call.persistence.isRewriteWanted = true
        if call.appendOnly == nil { call.beginRewrite() }
        guard
            call.persistence.isRewriteOK || call.persistence.isRewriteWanted
                || call.persistence.rewrite != nil
        else {
            throw call.failed(
                "ERR Can't execute an AOF background rewriting. Please check the server logs for "
                    + "more information.")
        }
        reply.simple("Background append only file rewriting started")
    }

    static let WAITAOF = Command(
        "WAITAOF numlocal numreplicas timeout:integer", [.blocking], since: "7.2.0",
        complexity: "O(1)",
        summary: "Waits until what the client wrote is on the disk, here and at replicas.",
        tips: ["request_policy:all_shards", "response_policy:agg_min"],
        instead: .connection, run: waitaof)

    @Sendable static func waitaof(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let local = try args.integer(1)
        guard 0...1 ~= local else {
            throw call.failed("ERR value is out of range, value must between 0 and 1")
        }
        guard let replicas = Numbers.integer(args[2]), replicas >= 0 else {
            throw call.failed("ERR value is out of range, must be positive")
        }
        let end = try deadline(args, &call)
        if local == 1, !call.configuration.appendOnly {
            throw call.failed(
                "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
        }
        let isOnDisk = call.isOnDisk(call.session.slot)
        if (isOnDisk || local == 0) && replicas == 0 || !call.mayBlock {
            return Call.acknowledge(isOnDisk: isOnDisk, &reply)
        }
        call.blockForDisk(args, until: end)
    }

    /// Until when WAITAOF waits, in Unix milliseconds.
    private static func deadline(
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) -> Int64 {
        guard let timeout = Numbers.integer(args[3]) else {
            throw call.failed("ERR timeout is not an integer or out of range")
        }
        guard timeout >= 0 else { throw .timeoutNegative }
        let (end, overflow) = call.now.addingReportingOverflow(timeout)
        guard !overflow else { throw .timeoutOutOfRange }
        return timeout == 0 ? .max : end
    }
}
