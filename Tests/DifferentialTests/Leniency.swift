//  Leniency.swift — where replies may differ from a real server's, and why.
//
//  Everything else is compared byte for byte. Differences that are on purpose are told to users in
//  docs/differences.md.
import TestSupport

/// A way to compare two replies that are not equal.
struct Leniency: Sendable {
    /// Full names of commands, as `client|list`.
    let commands: Set<String>
    let reason: String
    /// Whether ours, the first, is as good as theirs; neither is an error.
    let agree: @Sendable (RESPValue, RESPValue) -> Bool

    static let all: [Leniency] = [
        Leniency(["keys"], "The order of keys is the table's.") { same(sorted($0), sorted($1)) },
        Leniency(["scan"], "Cursors are positions in the table, and so is what is found there.") {
            $0.items.count == 2 && $1.items.count == 2 && kind($0.items[1]) == "array"
        },
        Leniency(
            ["hgetall", "hkeys", "hvals"], "The order of fields is the table's."
        ) { kind($0) == kind($1) && fields($0) == fields($1) },
        Leniency(["hscan"], "Cursors are positions in the table, and so is what is found there.") {
            $0.items.count == 2 && $1.items.count == 2 && kind($0.items[1]) == "array"
        },
        Leniency(["hrandfield", "zrandmember"], "Chance chooses.") {
            kind($0) == kind($1) && $0.items.count == $1.items.count
        },
        Leniency(
            ["httl", "hpttl", "hexpiretime", "hpexpiretime"],
            "Two servers read the clock in turn."
        ) { ours, theirs in
            ours.items.count == theirs.items.count
                && zip(ours.items, theirs.items).allSatisfy { $0 == $1 || within(2000)($0, $1) }
        },
        Leniency(
            ["smembers", "sinter", "sunion", "sdiff"], "The order of members is the table's."
        ) { kind($0) == kind($1) && same(sorted($0), sorted($1)) },
        Leniency(["sscan", "zscan"], "The order of members is the table's.") {
            $0.item(0) == $1.item(0)
                && same(sorted($0.item(1) ?? .null), sorted($1.item(1) ?? .null))
        },
        Leniency(["srandmember"], "Chance chooses.") {
            kind($0) == kind($1) && $0.items.count == $1.items.count
        },
        Leniency(["dump"], "Values have the oldest form that holds them; see FileCrossingTests.") {
            kind($0) == kind($1)
        },
        Leniency(["lastsave"], "Two servers started in turn.", within(60)),
        Leniency(["randomkey"], "Chance chooses.") { kind($0) == kind($1) },
        Leniency(["time"], "Two clocks.") { $0.items.count == 2 && $1.items.count == 2 },
        Leniency(
            ["ttl", "expiretime", "object|idletime"], "Two servers read the clock in turn.",
            within(2)),
        Leniency(
            ["pttl", "pexpiretime"], "Two servers read the clock in turn.", within(2000)),
        Leniency(
            ["object|encoding"],
            "Whether a short string shares a block with its key depends on the key's past there."
        ) { $0.isShortString && $1.isShortString },
        Leniency(
            [
                "slowlog|get", "slowlog|len", "latency|histogram", "latency|doctor",
                "memory|usage", "memory|stats", "memory|doctor", "memory|malloc-stats",
            ],
            "Each server measures itself."
        ) { kind($0) == kind($1) },
        Leniency(
            ["xinfo|stream", "xinfo|consumers", "xpending"],
            "Times are each server's own; the rest is compared by StreamDifferentialTests."
        ) { kind($0) == kind($1) && $0.items.count == $1.items.count },
        Leniency(["object|refcount"], "Small integers are shared there, and not here.") {
            kind($0) == kind($1)
        },
        Leniency(["hello"], "The id of the connection and the version are each server's own.") {
            $0.pairs.map(\.key) == $1.pairs.map(\.key) && $0["proto"] == $1["proto"]
        },
        Leniency(
            ["client|id", "client|info", "client|list", "info", "config|get"],
            "About this very server or connection."
        ) { kind($0) == kind($1) },
        Leniency(
            ["command", "command|count", "command|docs", "command|info", "command|list"],
            "The lists of commands differ; entries are compared in EngineTests."
        ) {
            kind($0) == kind($1)
        },
        Leniency(
            [
                "client|help", "command|help", "config|help", "latency|help", "memory|help",
                "object|help", "pubsub|help", "slowlog|help", "xgroup|help", "xinfo|help",
            ], "Help lists what is there, in words of its own."
        ) { kind($0) == kind($1) },
    ]

    /// Commands that a random sequence does not send.
    static let undriven: [String: String] = [
        "shutdown": "ends the server",
        "quit": "ends the connection; among the raw requests",
        "client|reply": "leaves requests without a reply; among the raw requests",
        "client|kill": "ids and addresses differ; has tests of its own",
        "config|set": "changes the server for all that follows; compared in EngineTests",
        "config|rewrite": "there is no file to write",
        "client|pause": "holds up all that follow; compared in CommandTests",
        "client|capa": "a command of Valkey's", "commandlog": "a family of Valkey's",
        "commandlog|get": "a command of Valkey's",
        "commandlog|len": "a command of Valkey's", "commandlog|reset": "a command of Valkey's",
        "commandlog|help": "a command of Valkey's",
        "debug": "has no grammar; its replies are compared from a list",
        "delifeq": "a command of Valkey's",
        "spop": "chance chooses what is left; compared by SetDifferentialTests",
        "multi": "queues all that follows; compared by TransactionDifferentialTests",
        "subscribe": "one reply for each name; compared by PubSubDifferentialTests",
        "unsubscribe": "one reply for each name; compared by PubSubDifferentialTests",
        "psubscribe": "one reply for each name; compared by PubSubDifferentialTests",
        "punsubscribe": "one reply for each name; compared by PubSubDifferentialTests",
        "ssubscribe": "one reply for each name; compared by PubSubDifferentialTests",
        "sunsubscribe": "one reply for each name; compared by PubSubDifferentialTests",
        "monitor": "answers what it was not asked; compared by TrackingDifferentialTests",
        "client|tracking": "messages come between replies; compared by TrackingDifferentialTests",
        "save": "writes a file; compared by FileCrossingTests",
        "bgsave": "fails while another one runs, which is a matter of time",
        "bgrewriteaof": "fails while another one runs, which is a matter of time",
        "waitaof":
            "waits for a disk that the real server does not use; compared by AppendLayoutTests",
        "pfselftest": "takes long; sent by HyperLogLogDifferentialTests",
        "lolwut": "the picture is our own and takes no measures",
    ]

    /// Whether the two servers mean to answer a request differently.
    static func isDifferentOnPurpose(_ words: [[UInt8]]) -> Bool {
        let texts = words.map { String(decoding: $0, as: UTF8.self).uppercased() }
        // Options of ours, and commands of theirs that a random word may hit.
        if texts.contains("IFEQ")
            || texts.prefix(3).contains("SYNC") && texts[0] != "FLUSHALL"
                && texts[0] != "FLUSHDB"
        {
            return true
        }
        // IDs that are made of the time.
        if texts[0] == "XADD", texts.contains(where: { $0.hasPrefix("*") }) { return true }
        // They would be sent forever.
        if texts[0] == "HRANDFIELD", texts.count > 2, let count = Int64(texts[2]),
            ((.min + 1)...(-100_000)).contains(count)
        {
            return true
        }
        // Elements without a weight are equal, and come in the order of a method that is not stable.
        if texts[0] == "SORT" || texts[0] == "SORT_RO", texts.contains("BY"),
            texts.contains("ALPHA"), texts.contains("LIMIT") || texts.contains("DESC")
        {
            return true
        }
        // Names with a byte 0 end there for one and are refused by the other.
        return ["CLIENT", "HELLO"].contains(texts[0]) && words.contains { $0.contains(0) }
    }

    init(
        _ commands: Set<String>, _ reason: String,
        _ agree: @escaping @Sendable (RESPValue, RESPValue) -> Bool
    ) {
        self.commands = commands
        self.reason = reason
        self.agree = agree
    }

    /// Whether our reply to `words` is as good as theirs.
    static func accepts(_ words: [[UInt8]], _ ours: RawReply, _ theirs: RawReply) -> Bool {
        if ours.bytes == theirs.bytes { return true }
        if ours.value.isError || theirs.value.isError { return false }
        let leniency = all.first { leniency in
            (1...2).contains { leniency.commands.contains(name(words.prefix($0))) }
        }
        return leniency?.agree(ours.value, theirs.value) ?? false
    }

    private static func name(_ words: ArraySlice<[UInt8]>) -> String {
        words.map { String(decoding: $0, as: UTF8.self).lowercased() }.joined(separator: "|")
    }

    // MARK: - Comparing

    private static func same(_ a: [String], _ b: [String]) -> Bool { a == b }

    private static func sorted(_ value: RESPValue) -> [String] {
        value.items.map(\.description).sorted()
    }

    /// Pairs of a map, or elements of an array as they are sent in RESP2, in a certain order.
    private static func fields(_ value: RESPValue) -> [String] {
        if case .map(let pairs) = value { return pairs.map { "\($0)=\($1)" }.sorted() }
        return sorted(value)
    }

    private static func within(
        _ tolerance: Int
    ) -> @Sendable (RESPValue, RESPValue) -> Bool {
        { ours, theirs in
            guard let a = ours.integer, let b = theirs.integer, a >= 0, b >= 0 else { return false }
            return abs(a - b) <= tolerance
        }
    }

    private static func kind(_ value: RESPValue) -> String {
        switch value {
        case .simple: "simple"
        case .error: "error"
        case .integer: "integer"
        case .bulk: "bulk"
        case .double: "double"
        case .bigNumber: "big number"
        case .verbatim: "verbatim"
        case .null: "null"
        case .bool: "bool"
        case .array: "array"
        case .set: "set"
        case .push: "push"
        case .map: "map"
        }
    }
}

extension RESPValue {
    fileprivate var isShortString: Bool { text == "raw" || text == "embstr" }
}
