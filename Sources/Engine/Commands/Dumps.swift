//  Dumps.swift — single values in the form of RDB files: DUMP and RESTORE.
//
//      type | value | u16 version | u64 checksum of everything in front

enum Dumps {
    static let family = Family(group: .generic, commands: [DUMP, RESTORE])

    /// Version and checksum behind the value.
    private static let footerCount = 10

    static let DUMP = Command(
        "DUMP key", [.readonly], keys: .reads, since: "2.6.0",
        complexity: "O(1) to find the key and O(N) for a value of the size N.",
        summary: "Returns the value of a key in the form in which RESTORE takes it.",
        tips: ["nondeterministic_output"], run: dump)

    @Sendable static func dump(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = call.look(args.key) else { return reply.null() }
        let bytes = payload(place.record, compresses: call.configuration.rdbCompression)
        reply.bulk(bytes.span)
    }

    static func payload(_ record: Record, compresses: Bool) -> ByteBuffer {
        var draft = RDBDraft()
        let type = RDBDraft.type(of: record)
        draft.append(type)
        draft.append(valueOf: record)
        var out = ByteBuffer(capacity: draft.count + 64)
        var compressor = compresses ? LZFCompressor(bytesMax: draft.count) : nil
        draft.finish(into: &out, &compressor)
        let version =
            type == .hashWithDeadlines
            ? RDB.versionWithFieldDeadlines
            : type == .stream3 ? RDB.versionWithActiveTimes : RDB.versionUsual
        out.append(UInt8(version))
        out.append(0)
        let checksum = CRC64.update(0, out.span)
        for i in 0..<8 { out.append(UInt8(truncatingIfNeeded: checksum >> UInt64(i * 8))) }
        return out
    }

    static let RESTORE = Command(
        "RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
        [.write, .denyOOM], keys: .overwrites, since: "2.6.0",
        complexity:
            "O(1) to make the key and O(N) for a value of the size N, O(N*log(N)) for a sorted set.",
        summary: "Makes a key of what DUMP returned.",
        history: [
            ("3.0.0", "Option `REPLACE`."), ("5.0.0", "Option `ABSTTL`."),
            ("5.0.0", "Options `IDLETIME` and `FREQ`."),
        ],
        also: .dangerous,
        added: [
            ("replace", "3.0.0"), ("absttl", "5.0.0"), ("seconds", "5.0.0"),
            ("frequency", "5.0.0"),
        ], run: restore)

    /// What RESTORE's words ask for.
    private struct Request {
        var replaces = false
        var isAbsolute = false
        var idle: Int64?
        var frequency: Int64?
    }

    @Sendable static func restore(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let request = try request(args, &call)
        let old = call.find(args.key)?.record.kind.type
        if old != nil, !request.replaces {
            throw call.failed("BUSYKEY Target key name already exists.")
        }
        var deadline = try args.integer(2)
        guard deadline >= 0 else { throw call.failed("ERR Invalid TTL value, must be >= 0") }
        guard isIntact(args[3], skipsChecksum: call.skipsChecksums) else {
            throw call.failed("ERR DUMP payload version or checksum are wrong")
        }
        if deadline > 0, !request.isAbsolute {
            let (sum, overflow) = deadline.addingReportingOverflow(call.now)
            deadline = overflow ? .max : sum
        }
        guard let record = value(args, deadline > 0 ? deadline : nil, &call) else {
            throw call.failed("ERR Bad data format")
        }
        if old != nil { call.discard(args.key) }
        if deadline > 0, deadline <= call.now {
            call.free(record)
            if old != nil {
                call.propagate("DEL") { $0.append(args.key.bytes) }
                call.changed(args.key, .generic, "del")
            }
            return reply.ok()
        }
        call.insert(record, args.key)
        call.setAccess(
            record, idle: request.idle, frequency: request.frequency)
        if old == nil { call.created(args.key) }
        call.changed(args.key, .generic, "restore")
        call.overwritten(args.key, old, by: record.kind.type)
        if deadline > 0, !request.isAbsolute {
            call.propagate("RESTORE") { words in
                words.append(args.key.bytes)
                words.append(deadline)
                for i in 3..<args.count { words.append(args[i]) }
                words.append("ABSTTL")
            }
        }
        reply.ok()
    }

    private static func request(
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) -> Request {
        var request = Request()
        var options = args.options(from: 4)
        while let option = options.next() {
            switch option {
            case "REPLACE": request.replaces = true
            case "ABSTTL": request.isAbsolute = true
            case "IDLETIME":
                // Either of the two, and only with a number behind it.
                guard options.remaining > 0, request.frequency == nil else { throw .syntax }
                let seconds = try options.integer()
                guard seconds >= 0 else {
                    throw call.failed("ERR Invalid IDLETIME value, must be >= 0")
                }
                request.idle = seconds
            case "FREQ":
                guard options.remaining > 0, request.idle == nil else { throw .syntax }
                let count = try options.integer()
                guard 0...255 ~= count else {
                    throw call.failed("ERR Invalid FREQ value, must be >= 0 and <= 255")
                }
                request.frequency = count
            default: throw .syntax
            }
        }
        return request
    }

    private static func isIntact(_ payload: Bytes, skipsChecksum: Bool) -> Bool {
        let n = payload.count
        guard n >= footerCount else { return false }
        let version = OldRuns.number(payload, n - footerCount, 2)
        guard version <= UInt64(RDB.versionMax) else { return false }
        if skipsChecksum { return true }
        let checksum = OldRuns.number(payload, n - 8, 8)
        return CRC64.update(0, payload.extracting(..<(n - 8))) == checksum
    }

    /// The value as a record that no table knows of yet; nil when the bytes are none.
    private static func value(
        _ args: borrowing Arguments, _ deadline: Int64?, _ call: inout Call
    ) -> Record? {
        let payload = args[3].extracting(..<(args[3].count - footerCount))
        var input = RDBInput(payload, stringBytesMax: call.configuration.protoMaxBulkLength)
        var shop = ValueWorkshop(
            limits: ValueLimits(call.configuration), seed: call.keyspace.seed)
        guard let byte = try? input.byte(), let type = RDBType(rawValue: byte) else { return nil }
        let record = try? input.readValue(
            type, key: args[1], deadline: deadline, &shop, &call.database.heap)
        guard let record = record ?? nil else { return nil }
        if input.remaining > 0 {
            call.free(record)
            return nil
        }
        return record
    }
}

extension Call {
    /// Frees a record that no table knows of.
    mutating func free(_ record: Record) { database.free(record) }

    /// Makes `record`, which no table knows of, the value of `key`, which must not exist; the
    /// caller says what changed.
    mutating func insert(_ record: Record, _ key: borrowing Key) {
        record.touch(clock)
        database.insert(record, hash: key.hash)
    }

    /// Lets a key look as if it had been used so long ago, or so often.
    func setAccess(_ record: Record, idle: Int64?, frequency: Int64?) {
        if let frequency, countsAccesses {
            record.touch(AccessCounter.word(UInt32(frequency & 0xFF), now))
        } else if let idle, !countsAccesses {
            let seconds = UInt32(truncatingIfNeeded: min(idle, 0xFF_FFFF))
            record.touch((clock &- seconds) & 0xFF_FFFF)
        }
    }
}
