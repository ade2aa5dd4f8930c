//  Streams+Information.swift — XINFO: what there is to know about a stream and its groups.

extension Streams {
    static let XINFO_STREAM = Command(
        "XINFO STREAM key [FULL [COUNT count]]", [.readonly], keys: .reads, since: "5.0.0",
        complexity: "O(1), and O(N) for N entries shown.",
        summary: "Tells about a stream, in full with entries, groups and consumers.",
        history: [
            ("6.0.0", "The word `FULL`."),
            ("7.0.0", "Tells of what was added, deleted and read."),
            ("7.2.0", "Tells when a consumer last got something, beside when it last asked."),
        ],
        names: ["full-block"], run: xinfoStream)

    /// Entries that are shown unless COUNT says otherwise.
    private static var shownUsually: Int { 10 }

    @Sendable static func xinfoStream(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.look(call.key(args[2]), as: .stream) else {
            throw .noSuchKey
        }
        var shown = shownUsually
        if args.count > 3 {
            guard args.count == 4 || args.count == 6, case "FULL" = Token(word: args.word(3)) else {
                throw unknown(args, "XINFO", &call)
            }
            if args.count == 6 {
                guard case "COUNT" = Token(word: args.word(4)) else {
                    throw unknown(args, "XINFO", &call)
                }
                let count = try args.integer(5)
                shown = count < 0 ? shownUsually : count == 0 ? .max : Int(count)
            }
        }
        let record = place.record
        reply.map(args.count > 3 ? 9 : 10)
        describe(record, &reply)
        if args.count > 3 { return describeInFull(record, shown, &reply) }
        reply.bulk("groups")
        reply.integer(Int64(record.stream.groupCount))
        reply.bulk("first-entry")
        edge(record, backwards: false, &reply)
        reply.bulk("last-entry")
        edge(record, backwards: true, &reply)
    }

    private static func describe(_ record: Record, _ reply: inout Reply) {
        let numbers = [
            ("length", record.stream.count), ("radix-tree-keys", record.stream.blockCount),
            ("radix-tree-nodes", record.stream.nodeCount),
        ]
        for (name, value) in numbers {
            reply.bulk(name)
            reply.integer(Int64(value))
        }
        reply.bulk("last-generated-id")
        reply.bulk(record.stream.lastID)
        reply.bulk("max-deleted-entry-id")
        reply.bulk(record.stream.maxDeletedID)
        reply.bulk("entries-added")
        reply.integer(Int64(bitPattern: record.stream.entriesAdded))
        reply.bulk("recorded-first-entry-id")
        reply.bulk(record.stream.firstID)
    }

    private static func edge(_ record: Record, backwards: Bool, _ reply: inout Reply) {
        guard record.stream.count > 0 else { return reply.null() }
        if backwards {
            record.stream.forEachBackwards(from: .zero, through: .max) {
                reply.entry($0)
                return false
            }
        } else {
            record.stream.forEach(from: .zero, through: .max) {
                reply.entry($0)
                return false
            }
        }
    }

    private static func describeInFull(_ record: Record, _ shown: Int, _ reply: inout Reply) {
        reply.bulk("entries")
        reply.entries(of: record.stream, from: .zero, through: .max, count: shown)
        reply.bulk("groups")
        reply.array(record.stream.groupCount)
        for i in 0..<record.stream.groupCount {
            let group = record.stream.group(at: i)
            reply.map(7)
            reply.bulk("name")
            reply.bulk(group.name)
            describeProgress(group, record, &reply)
            reply.bulk("pel-count")
            reply.integer(Int64(group.state.pending.count))
            reply.bulk("pending")
            reply.array(min(shown, group.state.pending.count))
            list(group.state.pending, shown, &reply) { entry, reply in
                reply.array(4)
                return entry.consumer
            }
            reply.bulk("consumers")
            reply.array(group.consumerCount)
            for k in 0..<group.consumerCount { describe(group.consumer(at: k), shown, &reply) }
        }
    }

    /// Lists pending entries; `open` begins each and tells whose name to show.
    private static func list(
        _ pending: borrowing IDTree, _ shown: Int, _ reply: inout Reply,
        _ open: (PendingEntry, inout Reply) -> StreamConsumer?
    ) {
        var left = shown
        pending.forEach { id, value in
            if left == 0 { return false }
            left -= 1
            let entry = PendingEntry(value)
            let consumer = open(entry, &reply)
            reply.bulk(id)
            if let consumer { reply.bulk(consumer.name) }
            reply.integer(entry.time)
            reply.integer(entry.deliveries)
            return true
        }
    }

    private static func describe(
        _ consumer: StreamConsumer, _ shown: Int, _ reply: inout Reply
    ) {
        reply.map(5)
        reply.bulk("name")
        reply.bulk(consumer.name)
        reply.bulk("seen-time")
        reply.integer(consumer.state.seenTime)
        reply.bulk("active-time")
        reply.integer(consumer.state.activeTime)
        reply.bulk("pel-count")
        reply.integer(Int64(consumer.state.pending.count))
        reply.bulk("pending")
        reply.array(min(shown, consumer.state.pending.count))
        list(consumer.state.pending, shown, &reply) { _, reply in
            reply.array(3)
            return nil
        }
    }

    private static func describeProgress(
        _ group: StreamGroup, _ record: Record, _ reply: inout Reply
    ) {
        reply.bulk("last-delivered-id")
        reply.bulk(group.state.last)
        reply.bulk("entries-read")
        let read = group.state.entriesRead
        if read == -1 { reply.null() } else { reply.integer(read) }
        reply.bulk("lag")
        if let lag = record.stream.lag(of: group) { reply.integer(lag) } else { reply.null() }
    }

    // MARK: - Groups and consumers

    static let XINFO_GROUPS = Command(
        "XINFO GROUPS key", [.readonly], keys: .reads, since: "5.0.0", complexity: "O(1)",
        summary: "Lists the consumer groups of a stream.",
        history: [("7.0.0", "Tells of the entries read and to be read.")], run: xinfoGroups)

    @Sendable static func xinfoGroups(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.look(call.key(args[2]), as: .stream) else {
            throw .noSuchKey
        }
        let record = place.record
        reply.array(record.stream.groupCount)
        for i in 0..<record.stream.groupCount {
            let group = record.stream.group(at: i)
            reply.map(6)
            reply.bulk("name")
            reply.bulk(group.name)
            reply.bulk("consumers")
            reply.integer(Int64(group.consumerCount))
            reply.bulk("pending")
            reply.integer(Int64(group.state.pending.count))
            describeProgress(group, record, &reply)
        }
    }

    static let XINFO_CONSUMERS = Command(
        "XINFO CONSUMERS key group", [.readonly], keys: .reads, since: "5.0.0",
        complexity: "O(1)", summary: "Lists the consumers of a group.",
        history: [("7.2.0", "Tells how long ago each got something, beside when it asked.")],
        tips: ["nondeterministic_output"], run: xinfoConsumers)

    @Sendable static func xinfoConsumers(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.look(call.key(args[2]), as: .stream) else {
            throw .noSuchKey
        }
        let group = try group(args, place.record, &call)
        reply.array(group.consumerCount)
        for i in 0..<group.consumerCount {
            let consumer = group.consumer(at: i)
            reply.map(4)
            reply.bulk("name")
            reply.bulk(consumer.name)
            reply.bulk("pending")
            reply.integer(Int64(consumer.state.pending.count))
            reply.bulk("idle")
            reply.integer(max(call.now &- consumer.state.seenTime, 0))
            reply.bulk("inactive")
            let active = consumer.state.activeTime
            reply.integer(active == -1 ? -1 : max(call.now &- active, 0))
        }
    }

    static let XINFO_HELP = Command(
        "XINFO HELP", [.loading, .stale], since: "5.0.0", complexity: "O(1)",
        summary: "Describes the subcommands of XINFO.", run: xinfoHelp)

    @Sendable static func xinfoHelp(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.help(
            "XINFO",
            [
                "CONSUMERS <key> <group>", "    List the consumers of a group.", "GROUPS <key>",
                "    List the groups of a stream.", "STREAM <key> [FULL [COUNT <count>]]",
                "    Tell about a stream, in full with its first entries and its groups.",
            ])
    }
}
