//  CommandWatch.swift — what is looked for in commands that take long or carry much.
//
//  The executor compares each command with one number of ticks and each stretch of input and output
//  with one number of bytes; the rest happens here, for the few that reach them.

/// The logs of remarkable commands, and from when on a command is one.
struct CommandWatch {
    /// One for each `CommandLogKind`.
    private var logs = [CommandLog](repeating: CommandLog(), count: CommandLogKind.allCases.count)
    var latency = LatencyMonitor()
    /// From so many ticks on a command is looked at.
    private(set) var ticks = UInt64.max
    /// From so many bytes on a request is looked at.
    private(set) var requestBytes = Int.max
    /// From so many bytes on a reply is looked at.
    private(set) var replyBytes = Int.max

    subscript(kind: CommandLogKind) -> CommandLog {
        _read { yield logs[kind.rawValue] }
        _modify { yield &logs[kind.rawValue] }
    }

    /// Takes over the thresholds of a configuration.
    mutating func configure(_ configuration: Configuration, ticksPerMicrosecond: Double) {
        func threshold(_ value: Int, _ length: Int) -> Int {
            value < 0 || length == 0 ? .max : value
        }
        var microseconds = threshold(
            configuration.slowlogLogSlowerThan, configuration.slowlogMaxLen)
        let milliseconds = configuration.latencyMonitorThreshold
        if milliseconds > 0 {
            let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1000)
            if !overflow { microseconds = min(microseconds, product) }
        }
        let wanted = Double(microseconds) * ticksPerMicrosecond
        ticks = wanted < 1e18 ? UInt64(max(wanted, 0)) : .max
        requestBytes = threshold(
            configuration.commandlogRequestLargerThan, configuration.commandlogLargeRequestMaxLen)
        replyBytes = threshold(
            configuration.commandlogReplyLargerThan, configuration.commandlogLargeReplyMaxLen)
    }
}

extension Call {
    /// Keeps a command that took long.
    mutating func noteDuration(_ args: borrowing Arguments, _ id: Int, ticks: UInt64) {
        let duration = Double(ticks) / ticksPerMicrosecond
        let microseconds = duration < 1e18 ? Int(duration) : Int.max
        let flags = commands.entries[id].flags
        noteLatency(
            flags.contains(.fast) ? .fastCommand : .command, milliseconds: microseconds / 1000)
        let threshold = configuration.slowlogLogSlowerThan
        guard threshold >= 0, microseconds >= threshold else { return }
        log(args, id, .slow, value: microseconds, lengthMax: configuration.slowlogMaxLen)
    }

    /// Keeps a command whose request or reply is large.
    mutating func noteSizes(
        _ args: borrowing Arguments, _ id: Int, requestBytes: Int, replyBytes: Int
    ) {
        if requestBytes >= watch.requestBytes {
            log(
                args, id, .largeRequest, value: requestBytes,
                lengthMax: configuration.commandlogLargeRequestMaxLen)
        }
        if replyBytes >= watch.replyBytes {
            log(
                args, id, .largeReply, value: replyBytes,
                lengthMax: configuration.commandlogLargeReplyMaxLen)
        }
    }

    /// Adds a sample to the latency monitor, if it is on and this was slow.
    mutating func noteLatency(_ source: LatencySource, milliseconds: Int) {
        let threshold = configuration.latencyMonitorThreshold
        guard threshold > 0, milliseconds >= threshold else { return }
        watch.latency.add(source, milliseconds: milliseconds, at: now / 1000)
    }

    private mutating func log(
        _ args: borrowing Arguments, _ id: Int, _ kind: CommandLogKind, value: Int, lengthMax: Int
    ) {
        guard lengthMax > 0, !commands.entries[id].flags.contains(.skipSlowlog) else { return }
        let words = CommandLog.words(of: args, hiding: CommandLog.secrets(in: args))
        watch[kind].add(
            words, value: value, time: now / 1000, address: clients[session.slot].address,
            name: clients[session.slot].name, lengthMax: lengthMax)
    }
}
