//  Debugging.swift — DEBUG: for developers and tests, off unless the configuration allows it.
import Logging
import Platform

enum Debugging {
    static let family = Family(group: .server, commands: [DEBUG])

    static let DEBUG = Command(
        "DEBUG", [.admin, .noscript, .loading, .stale], since: "1.0.0",
        complexity: "Depends on the subcommand.",
        summary: "Tools for developers and tests.",
        arity: -2, docFlags: .systemCommand, run: debug)

    @Sendable static func debug(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard call.configuration.enableDebugCommand.admits(local: call.session.isLocal) else {
            throw call.failed(
                "ERR DEBUG command not allowed. If the enable-debug-command option is set to "
                    + "\"local\", you can run it from a local connection, otherwise you need to "
                    + "set this option in the configuration file, and then restart the server.")
        }
        switch (args.word(1), args.count) {
        case ("HELP", 2): help(&reply)
        case ("SLEEP", 3): sleep(args, &reply)
        case ("OBJECT", 3...): try object(args, &call, &reply)
        case ("SET-ACTIVE-EXPIRE", 3):
            call.isActiveExpiryOn = (Numbers.integer(args[2]) ?? 0) != 0
            reply.ok()
        case ("POPULATE", 3...5): try populate(args, &call, &reply)
        case ("PROTOCOL", 3): try protocolSample(args, &call, &reply)
        case ("STRINGMATCH-LEN", 4): try stringMatch(args, &call, &reply)
        case ("JMAP", 2): reply.verbatim(call.memoryMap())
        case ("ERROR", 3): throw call.failed("", args[2])
        case ("LOG", 3):
            call.log.warning("DEBUG LOG: \(args[2].text)")
            reply.ok()
        default:
            if try measure(args, &call, &reply) { return }
            throw unknown(args, &call)
        }
    }

    private static func unknown(
        _ args: borrowing Arguments, _ call: inout Call
    ) -> CommandError {
        call.failed(
            "ERR unknown subcommand or wrong number of arguments for '", args[1],
            "'. Try DEBUG HELP.")
    }

    /// The subcommands that look inside or turn something off; false for others.
    private static func measure(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) -> Bool {
        switch (args.word(1), args.count) {
        case ("DIGEST", 2): reply.status(call.digest().text)
        case ("DIGEST-VALUE", _):
            reply.array(args.count - 2)
            for i in 2..<max(args.count, 2) {
                var digest = Digest()
                if let place = call.inspect(call.key(args[i])) {
                    digest.append(value: place.record)
                }
                reply.status(digest.text)
            }
        case ("CHANGE-REPL-ID", 2):
            call.replicationID = ServerIdentity.newID(&call.random)
            reply.ok()
        case ("RELOAD", 2...): try reload(args, &call, &reply)
        // The executor does it, since it runs commands.
        case ("LOADAOF", 2): call.attention.insert(.reload)
        case ("PAUSE-CRON", 3):
            call.isCronOn = (Numbers.integer(args[2]) ?? 0) == 0
            reply.ok()
        case ("REPLYBUFFER", 4): try replyBuffer(args, &call, &reply)
        case ("HTSTATS", 3...4): try tableStatistics(args, &call, &reply)
        case ("HTSTATS-KEY", 3...4), ("LISTPACK", 3): try structure(args, &call, &reply)
        case ("STRUCTSIZE", 2):
            reply.status(
                "bits:\(Int.bitWidth) bucket:64 record-header:8 client:"
                    + "\(MemoryLayout<Client>.stride) connection:"
                    + "\(MemoryLayout<Connection>.stride) entry:\(MemoryLayout<Entry>.stride)")
        // Its name is too long for a `Word`.
        case (_, 3) where args[1].text.uppercased() == "SET-SKIP-CHECKSUM-VALIDATION":
            call.skipsChecksums = (Numbers.integer(args[2]) ?? 0) != 0
            reply.ok()
        default: return false
        }
        return true
    }

    /// Writes all data into the file and reads them back.
    private static func reload(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var saves = true, flushes = true, replaces = false
        for i in 2..<max(args.count, 2) {
            switch args.word(i) {
            case "NOSAVE": saves = false
            case "NOFLUSH": flushes = false
            case "MERGE": replaces = true
            default:
                throw call.failed(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
            }
        }
        if saves, !call.saveNow() { throw call.failed("ERR") }
        do throws(LoadError) {
            try call.reload(flushes: flushes, replaces: replaces)
        } catch {
            call.log.warning("\(error)")
            throw call.failed("ERR Error trying to load the RDB dump, check server logs.")
        }
        call.log.warning("DB reloaded by DEBUG RELOAD")
        reply.ok()
    }

    /// There is no buffer of a client's own to resize; what is asked for is already so.
    private static func replyBuffer(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        switch args.word(2) {
        case "RESIZING": break
        case "PEAK-RESET-TIME":
            if args.word(3) != "NEVER", args.word(3) != "RESET" { _ = try args.integer(3) }
        default: throw unknown(args, &call)
        }
        reply.ok()
    }

    private static func tableStatistics(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let index = Int(try args.integer(2))
        guard 0..<call.keyspace.count ~= index else {
            throw call.failed("ERR Out of range database")
        }
        let count = call.keyspace.databases[index].count
        let volatileCount = call.keyspace.databases[index].volatileCount
        reply.verbatim(
            """
            [Dictionary HT]
            Hash table 0 stats (main hash table):
             table size: \(call.keyspace.databases[index].bucketCount * 7)
             number of elements: \(count)
            [Expires HT]
             number of elements: \(volatileCount)

            """)
    }

    /// What is inside a table, or a run of entries, which goes to the log.
    private static func structure(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = call.find(call.key(args[2])) else { throw .noSuchKey }
        let record = place.record
        let name = Objects.encodingName(record)
        if args.word(1) == "LISTPACK" {
            guard "\(name)".hasPrefix("listpack") else {
                throw call.failed("ERR Not a listpack encoded object.")
            }
            call.log.notice(
                "listpack: \(call.elementCount(record)) elements, \(record.valueCount) bytes")
            return reply.simple("Listpack structure printed on stdout")
        }
        guard "\(name)" == "hashtable" || "\(name)" == "skiplist" else {
            throw call.failed(
                "ERR The value stored at the specified key is not represented using an hash table")
        }
        reply.verbatim(
            """
            Hash table 0 stats (main hash table):
             number of elements: \(record.objectElementCount)
             bytes: \(record.objectByteCount)

            """)
    }

    /// Holds the whole server, as Redis does.
    private static func sleep(_ args: borrowing Arguments, _ reply: inout Reply) {
        let seconds = Double(args[2].text) ?? 0
        // Ten years are enough for any test.
        let microseconds = seconds.isFinite ? min(max(seconds, 0), 315_360_000) * 1_000_000 : 0
        Clock.sleep(microseconds: Int64(microseconds))
        reply.ok()
    }

    private static func object(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = call.find(call.key(args[2])) else { throw .noSuchKey }
        let record = place.record
        let idle = Objects.idleSeconds(record, call)
        reply.status(
            "Value at:0x\(String(record.identity, radix: 16)) refcount:1 "
                + "encoding:\(Objects.encodingName(record)) "
                + "serializedlength:\(serializedLength(record)) "
                + "lru:\(record.accessClock) lru_seconds_idle:\(idle)\(chunks(record, call))")
    }

    /// How a large list is cut into chunks.
    private static func chunks(_ record: Record, _ call: borrowing Call) -> String {
        guard record.kind == .list else { return "" }
        let nodes = record.list.chunkCount
        let average = Double(record.list.count) / Double(max(nodes, 1))
        return " ql_nodes:\(nodes) ql_avg_node:\(Numbers.fixed(average, decimals: 2)) "
            + "ql_listpack_max:\(min(max(call.configuration.listMaxListpackSize, -5), 32_767)) "
            + "ql_compressed:\(call.configuration.listCompressDepth > 0 ? 1 : 0) "
            + "ql_uncompressed_size:\(record.list.contentBytes)"
    }

    /// Bytes of the value in a dump file, uncompressed.
    private static func serializedLength(_ record: Record) -> Int {
        switch record.kind {
        case .integer:
            if Int8(exactly: record.integer) != nil { return 2 }
            if Int16(exactly: record.integer) != nil { return 3 }
            if Int32(exactly: record.integer) != nil { return 5 }
            return 1 + Digits.count(Int(record.integer))
        case .string:
            let n = record.valueCount
            return n + (n < 64 ? 1 : n < 16_384 ? 2 : 5)
        default:
            return record.isObject ? record.objectByteCount : record.valueCount
        }
    }

    private static func populate(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let count = Numbers.integer(args[2]), count >= 0 else { throw .notPositive }
        guard let size = args.count == 5 ? Numbers.integer(args[4]) : 0, size >= 0 else {
            throw .notPositive
        }
        guard size <= Int64(call.configuration.protoMaxBulkLength) else { throw .stringTooLong }
        let prefix = args.count > 3 ? args[3].array : Array("key".utf8)
        for i in 0..<count {
            let name = prefix + Array(":\(i)".utf8)
            let key = call.key(name.span)
            if call.exists(key) { continue }
            var value = Array("value:\(i)".utf8)
            if size > 0 {
                let missing = Int(size) - value.count
                if missing < 0 { value.removeLast(-missing) }
                if missing > 0 { value += [UInt8](repeating: 0, count: missing) }
            }
            call.set(key, to: value.span, event: "set")
        }
        reply.ok()
    }

    /// Whether a text of so many letters `a` matches a pattern: shows what patterns cost.
    private static func stringMatch(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let length = try args.integer(2)
        guard length >= 0, length <= 1 << 20 else { throw .outOfRange }
        let text = [UInt8](repeating: UInt8(ascii: "a"), count: Int(length))
        reply.integer(Glob.matches(pattern: args[3], text.span) ? 1 : 0)
    }

    private static func protocolSample(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        switch args.word(2) {
        case "STRING": reply.bulk("Hello World")
        case "INTEGER": reply.integer(12345)
        case "DOUBLE": reply.double(3.141)
        case "BIGNUM": reply.bigNumber("1234567999999999999999999999999999999")
        case "NULL": reply.null()
        case "ARRAY":
            reply.array(3)
            for i in 0..<3 { reply.integer(Int64(i)) }
        case "SET":
            reply.set(3)
            for i in 0..<3 { reply.integer(Int64(i)) }
        case "MAP":
            reply.map(3)
            for i in 0..<3 {
                reply.integer(Int64(i))
                reply.bool(i == 1)
            }
        case "ATTRIB":
            if reply.version == .resp3 {
                reply.attribute(1)
                reply.bulk("key-popularity")
                reply.array(2)
                reply.bulk("key:123")
                reply.integer(90)
            }
            reply.bulk("Some real reply following the attribute")
        case "PUSH":
            guard reply.version == .resp3 else {
                throw call.failed("ERR RESP2 is not supported by this command")
            }
            reply.bulk("Some real reply following the push reply")
            reply.push(2)
            reply.bulk("server-cpu-usage")
            reply.integer(42)
        case "TRUE": reply.bool(true)
        case "FALSE": reply.bool(false)
        case "VERBATIM": reply.verbatim("This is a verbatim\nstring")
        default:
            throw call.failed(
                "ERR Wrong protocol type name. Please use one of the following: "
                    + "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|"
                    + "true|false")
        }
    }

    private static func help(_ reply: inout Reply) {
        reply.help(
            "DEBUG",
            [
                "CHANGE-REPL-ID", "    Take a new replication id.",
                "DIGEST", "    Show a signature of all data.",
                "DIGEST-VALUE <key> [<key> ...]", "    Show signatures of values.",
                "ERROR <text>", "    Reply with an error.",
                "HTSTATS <dbid>", "    Show the size of the table of a database.",
                "HTSTATS-KEY <key>", "    Show the size of the table of a value.",
                "JMAP", "    Show how memory is laid out: slabs, tables, buffers.",
                "LISTPACK <key>", "    Log the size of a small collection.",
                "LOADAOF", "    Write out the append-only file, delete everything and read it.",
                "LOG <message>", "    Write a line to the log.",
                "OBJECT <key>", "    Show how a key and its value are kept.",
                "PAUSE-CRON <0|1>", "    Stop, or continue, the housekeeping.",
                "POPULATE <count> [<prefix>] [<size>]",
                "    Create keys <prefix>:0 and so on with values of so many bytes.",
                "PROTOCOL <type>",
                "    Reply with a value of a type: string, integer, double, bignum, null, array,",
                "    set, map, attrib, push, verbatim, true, false.",
                "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
                "    Save, delete everything and load; or leave the named part out.",
                "REPLYBUFFER (RESIZING <0|1>|PEAK-RESET-TIME <time>)",
                "    Do nothing: no buffer of replies outlives its turn.",
                "SET-ACTIVE-EXPIRE <0|1>", "    Turn off, or on, the deletion of expired keys.",
                "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
                "    Take, or refuse, RDB files and payloads of RESTORE with a wrong checksum.",
                "SLEEP <seconds>", "    Hold the server; decimals are allowed.",
                "STRUCTSIZE", "    Show the sizes of some structures.",
                "STRINGMATCH-LEN <length> <pattern>",
                "    Match a pattern against so many letters 'a'.",
            ])
    }
}
