//  PubSubCommands.swift — messages to whoever listens.

enum PubSubCommands {
    static let family = Family(
        group: .pubsub,
        commands: [
            SUBSCRIBE, UNSUBSCRIBE, PSUBSCRIBE, PUNSUBSCRIBE, SSUBSCRIBE, SUNSUBSCRIBE, PUBLISH,
            SPUBLISH, PUBSUB_CHANNELS, PUBSUB_NUMSUB, PUBSUB_NUMPAT, PUBSUB_SHARDCHANNELS,
            PUBSUB_SHARDNUMSUB, PUBSUB_HELP,
        ])

    /// What a client that listens may still say in RESP2.
    static let whileListening: Set<String> = [
        "subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe",
        "ping", "quit", "reset",
    ]

    // MARK: - Listening

    private static let listenFlags: CommandFlags = [.pubsub, .noscript, .loading, .stale]

    static let SUBSCRIBE = Command(
        "SUBSCRIBE channel [channel ...]", listenFlags, since: "2.0.0",
        complexity: "O(N) where N is the number of channels.",
        summary: "Listens to channels.", run: subscribe)

    @Sendable static func subscribe(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        add(.channel, "subscribe", args, &call, &reply)
    }

    static let UNSUBSCRIBE = Command(
        "UNSUBSCRIBE [channel [channel ...]]", listenFlags, since: "2.0.0",
        complexity: "O(N) where N is the number of channels.",
        summary: "Listens to channels no more, or to none.", run: unsubscribe)

    @Sendable static func unsubscribe(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        remove(.channel, "unsubscribe", args, &call, &reply)
    }

    static let PSUBSCRIBE = Command(
        "PSUBSCRIBE pattern [pattern ...]", listenFlags, since: "2.0.0",
        complexity: "O(N) where N is the number of patterns.",
        summary: "Listens to all channels whose names match.", run: psubscribe)

    @Sendable static func psubscribe(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        add(.pattern, "psubscribe", args, &call, &reply)
    }

    static let PUNSUBSCRIBE = Command(
        "PUNSUBSCRIBE [pattern [pattern ...]]", listenFlags, since: "2.0.0",
        complexity: "O(N) where N is the number of patterns.",
        summary: "Listens no more to what matches these patterns, or any.", run: punsubscribe)

    @Sendable static func punsubscribe(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        remove(.pattern, "punsubscribe", args, &call, &reply)
    }

    static let SSUBSCRIBE = Command(
        "SSUBSCRIBE shardchannel [shardchannel ...]", listenFlags, keys: .channel,
        since: "7.0.0", complexity: "O(N) where N is the number of channels.",
        summary: "Listens to shard channels.", run: ssubscribe)

    @Sendable static func ssubscribe(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        add(.shardChannel, "ssubscribe", args, &call, &reply)
    }

    static let SUNSUBSCRIBE = Command(
        "SUNSUBSCRIBE [shardchannel [shardchannel ...]]", listenFlags, keys: .channel,
        since: "7.0.0", complexity: "O(N) where N is the number of channels.",
        summary: "Listens to shard channels no more, or to none.", run: sunsubscribe)

    @Sendable static func sunsubscribe(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        remove(.shardChannel, "sunsubscribe", args, &call, &reply)
    }

    private static func add(
        _ kind: SubscriptionKind, _ event: String, _ args: borrowing Arguments,
        _ call: inout Call, _ reply: inout Reply
    ) {
        for i in 1..<args.count {
            call.subscribe(kind, args[i])
            confirm(kind, event, args[i], call, &reply)
        }
    }

    private static func remove(
        _ kind: SubscriptionKind, _ event: String, _ args: borrowing Arguments,
        _ call: inout Call, _ reply: inout Reply
    ) {
        for i in 1..<args.count {
            call.unsubscribe(kind, args[i].array)
            confirm(kind, event, args[i], call, &reply)
        }
        guard args.count == 1 else { return }
        let names = call.clients[call.session.slot].subscriptions[kind]
        for name in names {
            call.unsubscribe(kind, name)
            confirm(kind, event, name.span, call, &reply)
        }
        guard names.isEmpty else { return }
        reply.push(3)
        reply.bulk(event)
        reply.null()
        reply.integer(count(kind, call))
    }

    private static func confirm(
        _ kind: SubscriptionKind, _ event: String, _ name: Bytes, _ call: borrowing Call,
        _ reply: inout Reply
    ) {
        reply.push(3)
        reply.bulk(event)
        reply.bulk(name)
        reply.integer(count(kind, call))
    }

    private static func count(_ kind: SubscriptionKind, _ call: borrowing Call) -> Int64 {
        Int64(call.clients[call.session.slot].subscriptions.count(with: kind))
    }

    // MARK: - Publishing

    static let PUBLISH = Command(
        "PUBLISH channel message", [.pubsub, .loading, .stale, .fast, .mayReplicate],
        since: "2.0.0",
        complexity: "O(N+M) where N is the number of listeners and M that of all patterns.",
        summary: "Sends a message to everyone who listens to a channel.", run: publish)

    @Sendable static func publish(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.integer(Int64(call.publish(args[1], args[2], toShard: false)))
    }

    static let SPUBLISH = Command(
        "SPUBLISH shardchannel message", [.pubsub, .loading, .stale, .fast, .mayReplicate],
        keys: .channel,
        since: "7.0.0", complexity: "O(N) where N is the number of listeners.",
        summary: "Sends a message to everyone who listens to a shard channel.", run: spublish)

    @Sendable static func spublish(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.integer(Int64(call.publish(args[1], args[2], toShard: true)))
    }

    // MARK: - Looking

    private static let lookFlags: CommandFlags = [.pubsub, .loading, .stale]

    static let PUBSUB_CHANNELS = Command(
        "PUBSUB CHANNELS [pattern]", lookFlags, since: "2.8.0",
        complexity: "O(N) where N is the number of channels that somebody listens to.",
        summary: "Returns the channels that somebody listens to.", run: channels)

    @Sendable static func channels(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try answerNames(.channel, args, &call, &reply)
    }

    static let PUBSUB_SHARDCHANNELS = Command(
        "PUBSUB SHARDCHANNELS [pattern]", lookFlags, since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels that somebody listens to.",
        summary: "Returns the shard channels that somebody listens to.", run: shardChannels)

    @Sendable static func shardChannels(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try answerNames(.shardChannel, args, &call, &reply)
    }

    private static func answerNames(
        _ kind: SubscriptionKind, _ args: borrowing Arguments, _ call: inout Call,
        _ reply: inout Reply
    ) throws(CommandError) {
        guard args.count <= 3 else {
            throw call.failed(
                "ERR unknown subcommand or wrong number of arguments for '", args[1],
                "'. Try PUBSUB HELP.")
        }
        let mark = reply.open()
        var count = 0
        for name in call.pubsub.names(kind) {
            if args.count == 3, !Glob.matches(pattern: args[2], name.span) { continue }
            reply.bulk(name)
            count += 1
        }
        reply.close(array: mark, count: count)
    }

    static let PUBSUB_NUMSUB = Command(
        "PUBSUB NUMSUB [channel [channel ...]]", lookFlags, since: "2.8.0",
        complexity: "O(N) where N is the number of channels that are asked for.",
        summary: "Counts the listeners of channels.", run: numSub)

    @Sendable static func numSub(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        answerCounts(.channel, args, call, &reply)
    }

    static let PUBSUB_SHARDNUMSUB = Command(
        "PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]]", lookFlags, since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels that are asked for.",
        summary: "Counts the listeners of shard channels.", run: shardNumSub)

    @Sendable static func shardNumSub(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        answerCounts(.shardChannel, args, call, &reply)
    }

    private static func answerCounts(
        _ kind: SubscriptionKind, _ args: borrowing Arguments, _ call: borrowing Call,
        _ reply: inout Reply
    ) {
        reply.array((args.count - 2) * 2)
        for i in 2..<args.count {
            reply.bulk(args[i])
            reply.integer(Int64(call.pubsub.slots(kind, args[i].array).count))
        }
    }

    static let PUBSUB_NUMPAT = Command(
        "PUBSUB NUMPAT", lookFlags, since: "2.8.0", complexity: "O(1)",
        summary: "Counts the patterns that somebody listens to.", run: numPat)

    @Sendable static func numPat(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.integer(Int64(call.pubsub.nameCount(.pattern)))
    }

    static let PUBSUB_HELP = Command(
        "PUBSUB HELP", [.loading, .stale], since: "6.2.0", complexity: "O(1)",
        summary: "Explains the subcommands of PUBSUB.", run: help)

    @Sendable static func help(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.help(
            "PUBSUB",
            [
                "CHANNELS [<pattern>]", "    Return the channels that somebody listens to.",
                "NUMPAT", "    Count the patterns that somebody listens to.",
                "NUMSUB [<channel> ...]", "    Count the listeners of channels.",
                "SHARDCHANNELS [<pattern>]",
                "    Return the shard channels that somebody listens to.",
                "SHARDNUMSUB [<shardchannel> ...]", "    Count the listeners of shard channels.",
            ])
    }
}
