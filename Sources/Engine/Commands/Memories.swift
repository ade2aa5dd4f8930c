//  Memories.swift — MEMORY: what keys and the server cost.
import Platform

enum Memories {
    static let family = Family(
        group: .server,
        commands: [
            MEMORY_USAGE, MEMORY_STATS, MEMORY_DOCTOR, MEMORY_PURGE, MEMORY_MALLOC_STATS,
            MEMORY_HELP,
        ])

    static let MEMORY_USAGE = Command(
        "MEMORY USAGE key [SAMPLES count]", [.readonly], keys: .inspects, since: "4.0.0",
        complexity: "O(N) where N is the number of samples.",
        summary: "Returns the bytes that a key and its value take.",
        run: usage)

    /// Elements are not sampled: what collections take is known.
    @Sendable static func usage(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var i = 3
        while i < args.count {
            guard args.word(i) == "SAMPLES", i + 1 < args.count else { throw .syntax }
            guard try args.integer(i + 1) >= 0 else { throw .syntax }
            i += 2
        }
        guard let place = call.inspect(call.key(args[2]), isQuiet: true) else {
            return reply.null()
        }
        reply.integer(Int64(call.memoryUsage(place.record)))
    }

    static let MEMORY_STATS = Command(
        "MEMORY STATS", since: "4.0.0",
        complexity: "O(1)",
        summary: "Returns where memory goes.",
        tips: [
            "nondeterministic_output", "request_policy:all_shards", "response_policy:special",
        ], run: stats)

    @Sendable static func stats(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let facts = call.memoryFacts()
        reply.map(facts.count)
        for (name, fact) in facts {
            reply.bulk(name)
            switch fact {
            case .bytes(let bytes): reply.integer(Int64(bytes))
            case .ratio(let ratio): reply.double(ratio)
            case .database(let table, let expires):
                reply.map(2)
                reply.bulk("overhead.hashtable.main")
                reply.integer(Int64(table))
                reply.bulk("overhead.hashtable.expires")
                reply.integer(Int64(expires))
            }
        }
    }

    static let MEMORY_DOCTOR = Command(
        "MEMORY DOCTOR", since: "4.0.0",
        complexity: "O(1)",
        summary: "Tells what stands out about memory.",
        tips: [
            "nondeterministic_output", "request_policy:all_shards", "response_policy:special",
        ], run: doctor)

    @Sendable static func doctor(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.verbatim(call.memoryReport())
    }

    static let MEMORY_PURGE = Command(
        "MEMORY PURGE", since: "4.0.0",
        complexity: "Depends on how much memory is free.",
        summary: "Gives free memory back to the system.",
        tips: ["request_policy:all_shards", "response_policy:all_succeeded"], run: purge)

    @Sendable static func purge(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        Process.returnFreeMemory()
        reply.ok()
    }

    static let MEMORY_MALLOC_STATS = Command(
        "MEMORY MALLOC-STATS", since: "4.0.0",
        complexity: "Depends on the number of databases.",
        summary: "Describes how memory is laid out.",
        tips: [
            "nondeterministic_output", "request_policy:all_shards", "response_policy:special",
        ], run: mallocStats)

    @Sendable static func mallocStats(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.verbatim(call.memoryMap())
    }

    static let MEMORY_HELP = Command(
        "MEMORY HELP", [.loading, .stale], since: "4.0.0",
        complexity: "O(1)",
        summary: "Explains the subcommands of MEMORY.",
        run: help)

    @Sendable static func help(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.help(
            "MEMORY",
            [
                "DOCTOR", "    Tell what stands out about memory.",
                "MALLOC-STATS", "    Describe how memory is laid out.",
                "PURGE", "    Give free memory back to the system.",
                "STATS", "    Show where memory goes.",
                "USAGE <key> [SAMPLES <count>]",
                "    Show the bytes of a key and its value; samples are not needed.",
            ])
    }
}
