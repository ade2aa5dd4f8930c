//  HyperLogLogs.swift — counting different elements without keeping them.

enum HyperLogLogs {
    static let family = Family(
        group: .hyperloglog, commands: [PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST])

    // MARK: - Checking

    fileprivate static func corrupted(_ call: inout Call) -> CommandError {
        call.failed("INVALIDOBJ Corrupted HLL object detected")
    }

    /// The encoding of the value in `record`, which is a string.
    private static func encoding(
        _ record: Record, _ call: inout Call
    ) throws(CommandError) -> HyperLogLog.Encoding {
        guard record.kind == .string, let encoding = HyperLogLog.encoding(record.bytes) else {
            throw call.failed("WRONGTYPE Key is not a valid HyperLogLog string value.")
        }
        return encoding
    }

    // MARK: - Adding

    static let PFADD = Command(
        "PFADD key [element [element ...]]", [.write, .denyOOM, .fast], keys: .appends,
        since: "2.8.9", complexity: "O(1) for each element.",
        summary: "Counts elements in a HyperLogLog, which it makes if there is none.", run: pfadd)

    @Sendable static func pfadd(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let found = try call.find(args.key, as: .string)
        let place: HashTable.Place
        if let found {
            _ = try encoding(found.record, &call)
            place = call.own(args.key, found)
        } else {
            let empty = HyperLogLog.empty
            place = call.makeText(args.key, empty.span)
            call.created(args.key)
        }
        var updates = found == nil ? 1 : 0
        for i in 2..<args.count {
            let (index, rank) = HyperLogLog.place(args[i])
            guard let isRaised = call.raise(args.key, place, index, rank) else {
                // What was added before stays, as there.
                throw corrupted(&call)
            }
            if isRaised { updates += 1 }
        }
        guard updates > 0 else { return reply.integer(0) }
        HyperLogLog.invalidate(place.record)
        call.effects.dirty &+= updates - 1
        call.changed(args.key, .string, "pfadd")
        reply.integer(1)
    }

    // MARK: - Counting

    static let PFCOUNT = Command(
        "PFCOUNT key [key ...]", [.readonly], keys: .readsAndTouches, since: "2.8.9",
        complexity: """
            O(1) with one key, whose count is kept until elements are added; O(N) with N keys.
            """,
        summary: "Returns about how many different elements were added to HyperLogLogs.",
        run: pfcount)

    @Sendable static func pfcount(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard args.count == 2 else { return try countUnion(args, &call, &reply) }
        guard let found = try call.look(args.key, as: .string) else { return reply.integer(0) }
        let encoding = try encoding(found.record, &call)
        let cached = HyperLogLog.cachedCount(found.record.bytes)
        if let cached, found.record.isModified {
            return reply.integer(Int64(truncatingIfNeeded: cached))
        }
        let record = call.own(args.key, found).record
        guard let count = cached ?? count(record.bytes, encoding) else { throw corrupted(&call) }
        if cached == nil {
            // The count that it keeps is a part of the value.
            HyperLogLog.setCachedCount(record, count)
            call.changedQuietly(args.key)
        }
        reply.integer(Int64(truncatingIfNeeded: count))
    }

    /// The estimate of a value; nil if it is corrupted.
    private static func count(_ value: Bytes, _ encoding: HyperLogLog.Encoding) -> UInt64? {
        guard encoding == .dense else { return HyperLogLog.countSparse(value) }
        var registers = Registers()
        return registers.merge(value, .dense) ? registers.count : nil
    }

    private static func countUnion(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var registers = Registers()
        for i in 1..<args.count { _ = try merge(args[i], into: &registers, &call) }
        reply.integer(Int64(truncatingIfNeeded: registers.count))
    }

    /// Adds what the value at a key has counted; returns its encoding, nil when there is none.
    private static func merge(
        _ name: Bytes, into registers: inout Registers, _ call: inout Call
    ) throws(CommandError) -> HyperLogLog.Encoding? {
        guard let record = try call.look(call.key(name), as: .string)?.record else { return nil }
        let encoding = try encoding(record, &call)
        guard registers.merge(record.bytes, encoding) else { throw corrupted(&call) }
        return encoding
    }

    // MARK: - Merging

    static let PFMERGE = Command(
        "PFMERGE destkey [sourcekey [sourcekey ...]]", [.write, .denyOOM],
        keys: .readsAndAdds, .reads, since: "2.8.9",
        complexity: "O(N) where N is the number of HyperLogLogs.",
        summary: "Makes a HyperLogLog count what it and others have counted.", run: pfmerge)

    @Sendable static func pfmerge(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var registers = Registers()
        var usesDense = false
        for i in 1..<args.count {
            if try merge(args[i], into: &registers, &call) == .dense { usesDense = true }
        }
        let place: HashTable.Place
        if let found = call.find(args.key) {
            place = call.own(args.key, found)
        } else {
            let empty = HyperLogLog.empty
            place = call.makeText(args.key, empty.span)
            call.created(args.key)
        }
        if usesDense {
            // The target was merged itself, so it is not corrupted.
            _ = call.makeDense(args.key, place)
            registers.write(to: place.record)
        } else {
            for i in 0..<HyperLogLog.registerCount where registers[i] > 0 {
                _ = call.raise(args.key, place, i, registers[i])
            }
        }
        HyperLogLog.invalidate(place.record)
        call.changed(args.key, .string, "pfadd")
        reply.ok()
    }

    // MARK: - For developers

    static let PFDEBUG = Command(
        "PFDEBUG subcommand key", [.write, .denyOOM, .admin], keys: .readsAndTouches,
        since: "2.8.9", complexity: "N/A",
        summary: "Shows how a HyperLogLog is kept.", docFlags: .systemCommand, run: pfdebug)

    @Sendable static func pfdebug(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let name = args.word(1)
        if name == "SIMD" { return try vectors(args, &call, &reply) }
        let key = call.key(args[2])
        guard let found = try call.find(key, as: .string) else {
            throw call.failed("ERR The specified key does not exist")
        }
        let encoding = try encoding(found.record, &call)
        let place = call.own(key, found)
        switch Token(word: name) {
        case "GETREG":
            if encoding == .sparse { try makeDense(key, place, &call) }
            reply.array(HyperLogLog.registerCount)
            for i in 0..<HyperLogLog.registerCount {
                reply.integer(Int64(HyperLogLog.register(place.record.bytes, i)))
            }
        case "DECODE":
            guard encoding == .sparse else { throw call.failed("ERR HLL encoding is not sparse") }
            reply.bulk(decoded(place.record.bytes))
        case "ENCODING": reply.simple(encoding == .dense ? "dense" : "sparse")
        case "TODENSE":
            if encoding == .sparse { try makeDense(key, place, &call) }
            reply.integer(encoding == .sparse ? 1 : 0)
        default: throw call.failed("ERR Unknown PFDEBUG subcommand '", args[1], "'")
        }
    }

    /// Vectors cannot be done without here; the switch is there for those who look for it.
    private static func vectors(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        switch Token(word: args.word(2)) {
        case "ON": reply.simple("enabled")
        case "OFF": reply.simple("disabled")
        default: throw call.failed("ERR Argument must be ON or OFF")
        }
    }

    private static func makeDense(
        _ key: borrowing Key, _ place: HashTable.Place, _ call: inout Call
    ) throws(CommandError) {
        guard call.makeDense(key, place) else { throw corrupted(&call) }
        call.changedQuietly(key)
    }

    /// The runs of a sparse value: `z` and `Z` for zeros, `v` for a rank and how often it comes.
    private static func decoded(_ bytes: Bytes) -> String {
        var texts: [String] = []
        var offset = HyperLogLog.headerCount
        while offset < bytes.count {
            let run = HyperLogLog.run(bytes, at: offset)
            if run.rank > 0 {
                texts.append("v:\(run.rank),\(run.length)")
            } else {
                texts.append("\(run.isLongZero ? "Z" : "z"):\(run.length)")
            }
            offset += run.bytes
        }
        return texts.joined(separator: " ")
    }

    static let PFSELFTEST = Command(
        "PFSELFTEST", [.admin], since: "2.8.9", complexity: "N/A",
        summary: "Checks that registers and estimates are what they have to be.",
        docFlags: .systemCommand, run: pfselftest)

    /// Standard errors that an estimate may be off.
    private static let errorsMax = 5.0

    @Sendable static func pfselftest(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var registers = Registers()
        var checkpoint: Int64 = 1
        for i in Int64(1)...100_000 {
            let name = DecimalText(i)
            let (index, rank) = HyperLogLog.place(name.bytes)
            registers.raise(index, rank)
            guard i == checkpoint else { continue }
            let estimate = Double(registers.count)
            let allowed = Double(i) * errorsMax * 1.04 / 128 + 1
            guard abs(estimate - Double(i)) <= allowed else {
                throw call.failed("ERR TESTFAILED \(i) elements were counted as \(estimate)")
            }
            checkpoint *= 10
        }
        reply.ok()
    }
}
