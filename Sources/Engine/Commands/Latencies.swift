//  Latencies.swift — LATENCY: when the server was slow, and how long commands take.

enum Latencies {
    static let family = Family(
        group: .server,
        commands: [
            LATENCY_LATEST, LATENCY_HISTORY, LATENCY_RESET, LATENCY_GRAPH, LATENCY_DOCTOR,
            LATENCY_HISTOGRAM, LATENCY_HELP,
        ])

    // MARK: - Events

    static let LATENCY_LATEST = Command(
        "LATENCY LATEST", [.admin, .noscript, .loading, .stale], since: "2.8.13",
        complexity: "O(1)",
        summary: "Returns the latest sample of every event.",
        tips: [
            "nondeterministic_output", "request_policy:all_nodes", "response_policy:special",
        ], run: latest)

    @Sendable static func latest(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let events = call.watch.latency.events.sorted { $0.key < $1.key }
        reply.array(events.count)
        for (name, event) in events {
            reply.array(4)
            reply.bulk(name)
            reply.integer(event.samples.last?.time ?? 0)
            reply.integer(Int64(event.samples.last?.milliseconds ?? 0))
            reply.integer(Int64(event.worst))
        }
    }

    static let LATENCY_HISTORY = Command(
        "LATENCY HISTORY event", [.admin, .noscript, .loading, .stale], since: "2.8.13",
        complexity: "O(1)",
        summary: "Returns the samples of an event.",
        tips: [
            "nondeterministic_output", "request_policy:all_nodes", "response_policy:special",
        ], run: history)

    @Sendable static func history(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let samples = call.watch.latency.events[args[2].text]?.samples ?? []
        reply.array(samples.count)
        for sample in samples {
            reply.array(2)
            reply.integer(sample.time)
            reply.integer(Int64(sample.milliseconds))
        }
    }

    static let LATENCY_RESET = Command(
        "LATENCY RESET [event [event ...]]", [.admin, .noscript, .loading, .stale],
        since: "2.8.13",
        complexity: "O(1)",
        summary: "Forgets the samples of events.",
        tips: ["request_policy:all_nodes", "response_policy:agg_sum"], run: reset)

    @Sendable static func reset(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let names = args.count == 2 ? nil : (2..<args.count).map { args[$0].text }
        reply.integer(Int64(call.watch.latency.reset(names)))
    }

    static let LATENCY_GRAPH = Command(
        "LATENCY GRAPH event", [.admin, .noscript, .loading, .stale], since: "2.8.13",
        complexity: "O(1)",
        summary: "Draws the samples of an event.",
        tips: [
            "nondeterministic_output", "request_policy:all_nodes", "response_policy:special",
        ], run: graph)

    @Sendable static func graph(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let text = call.watch.latency.graph(of: args[2].text, at: call.now / 1000) else {
            throw call.failed("ERR No samples available for event '", args[2], "'")
        }
        reply.verbatim(text)
    }

    static let LATENCY_DOCTOR = Command(
        "LATENCY DOCTOR", [.admin, .noscript, .loading, .stale], since: "2.8.13",
        complexity: "O(1)",
        summary: "Tells what was slow, and what may help.",
        tips: [
            "nondeterministic_output", "request_policy:all_nodes", "response_policy:special",
        ], run: doctor)

    @Sendable static func doctor(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.verbatim(
            call.watch.latency.report(
                threshold: call.configuration.latencyMonitorThreshold,
                slowlogMicroseconds: call.configuration.slowlogLogSlowerThan))
    }

    // MARK: - Durations

    static let LATENCY_HISTOGRAM = Command(
        "LATENCY HISTOGRAM [command [command ...]]", [.admin, .noscript, .loading, .stale],
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands with durations.",
        summary: "Returns how long commands take.",
        tips: [
            "nondeterministic_output", "request_policy:all_nodes", "response_policy:special",
        ], run: histogram)

    @Sendable static func histogram(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var ids: [Int] = []
        if args.count == 2 {
            ids = Array(0..<call.commands.documents.count)
        } else {
            for i in 2..<args.count {
                guard let id = call.commands.find(fullName: args[i]) else { continue }
                ids.append(id)
                ids += call.commands.documents[id].subcommands
            }
        }
        let mark = reply.open()
        var count = 0
        for id in ids where call.hasDurations(id) {
            count += 1
            reply.bulk(call.commands.fullName(id))
            reply.map(2)
            reply.bulk("calls")
            reply.integer(Int64(call.commandStatistics[id].calls))
            reply.bulk("histogram_usec")
            let buckets = call.histogram(id)
            reply.map(buckets.count)
            for (microseconds, calls) in buckets {
                reply.integer(Int64(microseconds))
                reply.integer(Int64(calls))
            }
        }
        reply.close(map: mark, count: count)
    }

    static let LATENCY_HELP = Command(
        "LATENCY HELP", [.loading, .stale], since: "2.8.13",
        complexity: "O(1)",
        summary: "Explains the subcommands of LATENCY.",
        run: help)

    @Sendable static func help(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.help(
            "LATENCY",
            [
                "DOCTOR", "    Tell what was slow, and what may help.",
                "GRAPH <event>", "    Draw the samples of an event.",
                "HISTOGRAM [<command> ...]", "    Show how long commands take.",
                "HISTORY <event>", "    Show the samples of an event.",
                "LATEST", "    Show the latest sample of every event.",
                "RESET [<event> ...]", "    Forget the samples of events, or all.",
            ])
    }
}
