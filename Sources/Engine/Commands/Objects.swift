//  Objects.swift — OBJECT: how a value is kept.

enum Objects {
    static let family = Family(
        group: .generic,
        commands: [
            OBJECT_ENCODING, OBJECT_REFCOUNT, OBJECT_IDLETIME, OBJECT_FREQ, OBJECT_HELP,
        ])

    /// Redis calls a string `embstr` that shares a block of 64 bytes with its key and deadline:
    /// so many bytes are left for the three.
    private static let embeddedBytesMax = 41

    /// The encoding by the name that Redis gives it.
    static func encodingName(_ record: Record) -> StaticString {
        switch record.kind {
        case .integer: "int"
        case .string: isEmbedded(record) ? "embstr" : "raw"
        case .packedList, .packedHash, .packedSet, .packedSortedSet: "listpack"
        case .integerSet: "intset"
        case .list: "quicklist"
        case .hash: record.hash.isSmall ? "listpackex" : "hashtable"
        case .set: "hashtable"
        case .sortedSet: "skiplist"
        case .stream: "stream"
        }
    }

    private static func isEmbedded(_ record: Record) -> Bool {
        if record.isModified || record.valueCount > embeddedBytesMax { return false }
        let bytes = record.keyCount + record.valueCount + (record.hasDeadline ? 8 : 0)
        return bytes <= embeddedBytesMax
    }

    static let OBJECT_ENCODING = Command(
        "OBJECT ENCODING key", [.readonly], keys: .inspects, since: "2.2.3",
        complexity: "O(1)",
        summary: "Tells how a value is kept in memory.",
        tips: ["nondeterministic_output"], run: objectEncoding)

    @Sendable static func objectEncoding(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = call.inspect(call.key(args[2]), isQuiet: true) else {
            return reply.null()
        }
        reply.bulk(String(describing: encodingName(place.record)))
    }

    static let OBJECT_REFCOUNT = Command(
        "OBJECT REFCOUNT key", [.readonly], keys: .inspects, since: "2.2.3",
        complexity: "O(1)",
        summary: "Tells how many references a value has.",
        tips: ["nondeterministic_output"], run: objectRefCount)

    @Sendable static func objectRefCount(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard call.inspect(call.key(args[2]), isQuiet: true) != nil else { return reply.null() }
        // A record has one owner, the table.
        reply.integer(1)
    }

    static let OBJECT_IDLETIME = Command(
        "OBJECT IDLETIME key", [.readonly], keys: .inspects, since: "2.2.3",
        complexity: "O(1)",
        summary: "Tells how many seconds ago a key was last used.",
        tips: ["nondeterministic_output"], run: objectIdleTime)

    @Sendable static func objectIdleTime(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = call.inspect(call.key(args[2]), isQuiet: true) else {
            return reply.null()
        }
        if call.configuration.maxMemoryPolicy.countsAccesses {
            throw call.failed(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note "
                    + "that when switching between policies at runtime LRU and LFU data will "
                    + "take some time to adjust.")
        }
        reply.integer(idleSeconds(place.record, call))
    }

    /// Seconds since the last access; the clock runs round every 194 days.
    static func idleSeconds(_ record: Record, _ call: borrowing Call) -> Int64 {
        Int64((call.clock &- record.accessClock) & 0xFF_FFFF)
    }

    static let OBJECT_FREQ = Command(
        "OBJECT FREQ key", [.readonly], keys: .inspects, since: "4.0.0",
        complexity: "O(1)",
        summary: "Tells how often a key is used, on a logarithmic scale.",
        tips: ["nondeterministic_output"], run: objectFreq)

    @Sendable static func objectFreq(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = call.inspect(call.key(args[2]), isQuiet: true) else {
            return reply.null()
        }
        guard call.configuration.maxMemoryPolicy.countsAccesses else {
            throw call.failed(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please "
                    + "note that when switching between policies at runtime LRU and LFU data will "
                    + "take some time to adjust.")
        }
        reply.integer(Int64(call.frequency(place.record.accessClock)))
    }

    static let OBJECT_HELP = Command(
        "OBJECT HELP", [.loading, .stale], since: "6.2.0",
        complexity: "O(1)",
        summary: "Explains the subcommands of OBJECT.",
        run: objectHelp)

    @Sendable static func objectHelp(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.help(
            "OBJECT",
            [
                "ENCODING <key>", "    Tell how the value of a key is kept in memory.",
                "FREQ <key>", "    Tell how often a key is used, on a logarithmic scale.",
                "IDLETIME <key>", "    Tell how many seconds ago a key was last used.",
                "REFCOUNT <key>", "    Tell how many references the value of a key has.",
            ])
    }
}
