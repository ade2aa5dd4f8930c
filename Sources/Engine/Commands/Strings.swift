//  Strings.swift — the string commands.

enum Strings {
    static let family = Family(
        group: .string,
        commands: [
            GET, SET, SETNX, SETEX, PSETEX, GETSET, GETDEL, GETEX, MGET, MSET, MSETNX, APPEND,
            STRLEN, INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT, SETRANGE, GETRANGE, SUBSTR,
            DELIFEQ,
        ])

    // MARK: - Reading

    static let GET = Command(
        "GET key", [.readonly, .fast], keys: .reads, since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns the string stored at a key.",
        run: get)

    @Sendable static func get(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let value = try call.string(args.key) else { return reply.null() }
        reply.string(value)
    }

    static let MGET = Command(
        "MGET key [key ...]", [.readonly, .fast], keys: .reads, since: "1.0.0",
        complexity: "O(N) where N is the number of keys.",
        summary: "Returns the strings stored at several keys, nil where there is none.",
        tips: ["request_policy:multi_shard"], run: mget)

    @Sendable static func mget(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.array(args.count - 1)
        for i in 1..<args.count {
            let key = call.key(args[i])
            // A key of another type counts as missing.
            guard let value = try? call.string(key) else {
                reply.null()
                continue
            }
            reply.string(value)
        }
    }

    static let STRLEN = Command(
        "STRLEN key", [.readonly, .fast], keys: .inspects, since: "2.2.0",
        complexity: "O(1)",
        summary: "Returns the length of a string in bytes.",
        run: strlen)

    @Sendable static func strlen(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let value = try call.string(args.key)
        reply.integer(Int64(value?.count ?? 0))
    }

    private static let rangeComplexity: StaticString =
        "O(N) where N is the length of the returned string."

    static let GETRANGE = Command(
        "GETRANGE key start end", [.readonly], keys: .reads, since: "2.4.0",
        complexity: "O(N) where N is the length of the reply.",
        summary: "Returns the part of a string between two positions.",
        run: getrange)

    static let SUBSTR = Command(
        "SUBSTR key start end", [.readonly], keys: .reads, since: "1.0.0",
        complexity: "O(N) where N is the length of the reply.",
        summary: "Returns the part of a string between two positions.",
        deprecated: Deprecation(since: "2.0.0", replacedBy: "`GETRANGE`"), run: getrange)

    @Sendable static func getrange(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let start = try args.integer(2), end = try args.integer(3)
        guard let value = try call.string(args.key) else { return reply.bulk(Bytes()) }
        guard let range = byteRange(start, end, count: value.count) else {
            return reply.bulk(Bytes())
        }
        if value.form == .integer {
            let text = value.array
            return reply.bulk(text.span.extracting(range))
        }
        reply.string(value, range)
    }

    /// The bytes that `start` and `end` name, inclusive and negative from the end; nil for none.
    static func byteRange(_ start: Int64, _ end: Int64, count: Int) -> Range<Int>? {
        if start < 0, end < 0, start > end { return nil }
        let n = Int64(count)
        // Neither sum can overflow: n is at most 2^32 and the other term negative.
        let first = max(start < 0 ? n + start : start, 0)
        let last = min(max(end < 0 ? n + end : end, 0), n - 1)
        if n == 0 || first > last { return nil }
        return Int(first)..<Int(last) + 1
    }

    // MARK: - Setting

    static let SET = Command(
        """
        SET key value [NX | XX | IFEQ comparison-value] [GET] [EX seconds | PX milliseconds \
        | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]
        """,
        [.write, .denyOOM], keys: .overwritesUnlessGet, since: "1.0.0",
        complexity: "O(1)",
        summary: "Stores a string at a key, whatever the key held before.",
        history: [
            ("2.6.12", "Options `EX`, `PX`, `NX` and `XX`."),
            ("6.0.0", "Option `KEEPTTL`."),
            ("6.2.0", "Options `GET`, `EXAT` and `PXAT`."),
            ("7.0.0", "`NX` and `GET` may stand together."),
            ("8.1.0", "Option `IFEQ`, as in Valkey."),
        ],
        added: [
            ("condition", "2.6.12"), ("get", "6.2.0"), ("seconds", "2.6.12"),
            ("milliseconds", "2.6.12"), ("unix-time-seconds", "6.2.0"),
            ("unix-time-milliseconds", "6.2.0"), ("keepttl", "6.0.0"),
            ("comparison-value", "8.1.0"),
        ],
        run: set)

    @Sendable static func set(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        if args.count == 3 {
            call.set(args.key, to: args[2], event: "set")
            return reply.ok()
        }
        try setWithOptions(args, &call, &reply)
    }

    private enum Condition { case always, ifMissing, ifExists, ifEqual(Int) }

    @inline(never) private static func setWithOptions(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var condition = Condition.always
        var lifetime = Lifetime.none
        var get = false
        var options = args.options(from: 3)
        while let option = options.next() {
            switch (option, condition, lifetime) {
            case ("NX", .always, _), ("NX", .ifMissing, _): condition = .ifMissing
            case ("XX", .always, _), ("XX", .ifExists, _): condition = .ifExists
            case ("IFEQ", .always, _): condition = .ifEqual(try options.position())
            case ("GET", _, _): get = true
            case ("KEEPTTL", _, .none), ("KEEPTTL", _, .keep): lifetime = .keep
            default:
                guard let unit = TimeUnit(option), lifetime.accepts(unit) else { throw .syntax }
                lifetime = .argument(try options.position(), unit)
            }
        }
        let expiry = try lifetime.expiry(args, call.now)
        try store(args, condition, expiry, get: get, &call, &reply)
    }

    private static func store(
        _ args: borrowing Arguments, _ condition: Condition, _ expiry: Expiry, get: Bool,
        _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        if get { _ = try answer(args, &call, &reply) }
        let holds: Bool =
            switch condition {
            case .always: true
            case .ifMissing: !call.exists(args.key)
            case .ifExists: call.exists(args.key)
            case .ifEqual(let i): try isEqual(args.key, args[i], &call)
            }
        guard holds else { return get ? () : reply.null() }
        call.set(args.key, to: args[2], expiry: expiry, event: "set")
        if expiry != .none, expiry != .keep { call.noted(args.key, .generic, "expire") }
        propagateSet(args, to: args[2], expiry, &call)
        if !get { reply.ok() }
    }

    /// What was decided, without the conditions, and with an absolute time.
    private static func propagateSet(
        _ args: borrowing Arguments, to value: Bytes, _ expiry: Expiry, _ call: inout Call
    ) {
        call.propagate("SET") { words in
            words.append(args.key.bytes)
            words.append(value)
            switch expiry {
            case .none: break
            case .keep: words.append("KEEPTTL")
            case .at(let deadline):
                words.append("PXAT")
                words.append(deadline)
            }
        }
    }

    /// Whether `key` exists and its string is exactly `value`.
    private static func isEqual(
        _ key: borrowing Key, _ value: Bytes, _ call: inout Call
    ) throws(CommandError) -> Bool {
        guard let old = try call.stringToChange(key) else { return false }
        if old.form == .integer { return Numbers.integer(value) == old.number }
        return old.bytes.equals(value)
    }

    static let SETNX = Command(
        "SETNX key value", [.write, .denyOOM, .fast], keys: .inserts, since: "1.0.0",
        complexity: "O(1)",
        summary: "Stores a string only if the key does not exist.",
        deprecated: Deprecation(since: "2.6.12", replacedBy: "`SET` with the `NX` option"),
        run: setnx)

    @Sendable static func setnx(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        if call.exists(args.key) { return reply.integer(0) }
        call.set(args.key, to: args[2], event: "set")
        reply.integer(1)
    }

    static let SETEX = Command(
        "SETEX key seconds value", [.write, .denyOOM], keys: .overwrites, since: "2.0.0",
        complexity: "O(1)",
        summary: "Stores a string that expires after a number of seconds.",
        deprecated: Deprecation(since: "2.6.12", replacedBy: "`SET` with the `EX` option"),
        run: setex)

    @Sendable static func setex(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try setExpiring(args, .seconds, &call, &reply)
    }

    static let PSETEX = Command(
        "PSETEX key milliseconds value", [.write, .denyOOM], keys: .overwrites, since: "2.6.0",
        complexity: "O(1)",
        summary: "Stores a string that expires after a number of milliseconds.",
        deprecated: Deprecation(since: "2.6.12", replacedBy: "`SET` with the `PX` option"),
        run: psetex)

    @Sendable static func psetex(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try setExpiring(args, .milliseconds, &call, &reply)
    }

    private static func setExpiring(
        _ args: borrowing Arguments, _ unit: TimeUnit, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let deadline = try unit.deadline(args.integer(2), call.now)
        call.set(args.key, to: args[3], expiry: .at(deadline), event: "set")
        call.noted(args.key, .generic, "expire")
        propagateSet(args, to: args[3], .at(deadline), &call)
        reply.ok()
    }

    static let GETSET = Command(
        "GETSET key value", [.write, .denyOOM, .fast], keys: .readsAndUpdates, since: "1.0.0",
        complexity: "O(1)",
        summary: "Stores a string and returns the one it replaces.",
        deprecated: Deprecation(since: "6.2.0", replacedBy: "`SET` with the `GET` option"),
        run: getset)

    @Sendable static func getset(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        _ = try answer(args, &call, &reply)
        call.set(args.key, to: args[2], event: "set")
    }

    static let MSET = Command(
        "MSET key value [key value ...]", [.write, .denyOOM], keys: .overwrites, since: "1.0.1",
        complexity: "O(N) where N is the number of keys.",
        summary: "Stores several strings at once.",
        tips: ["request_policy:multi_shard", "response_policy:all_succeeded"], run: mset)

    @Sendable static func mset(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard args.count % 2 == 1 else { throw .wrongArity }
        setPairs(args, &call)
        reply.ok()
    }

    static let MSETNX = Command(
        "MSETNX key value [key value ...]", [.write, .denyOOM], keys: .inserts, since: "1.0.1",
        complexity: "O(N) where N is the number of keys.",
        summary: "Stores several strings at once, or none if one of the keys exists.",
        run: msetnx)

    @Sendable static func msetnx(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard args.count % 2 == 1 else { throw .wrongArity }
        for i in stride(from: 1, to: args.count, by: 2) where call.exists(call.key(args[i])) {
            return reply.integer(0)
        }
        setPairs(args, &call)
        reply.integer(1)
    }

    private static func setPairs(_ args: borrowing Arguments, _ call: inout Call) {
        for i in stride(from: 1, to: args.count, by: 2) {
            let key = call.key(args[i])
            call.set(key, to: args[i + 1], event: "set")
        }
    }

    // MARK: - Reading and changing

    /// Replies with the string at the key, or null; false when there is none.
    private static func answer(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) -> Bool {
        guard let value = try call.string(args.key) else {
            reply.null()
            return false
        }
        reply.string(value)
        return true
    }

    static let GETDEL = Command(
        "GETDEL key", [.write, .fast], keys: .readsAndDeletes, since: "6.2.0",
        complexity: "O(1)",
        summary: "Returns the string stored at a key and deletes the key.",
        run: getdel)

    @Sendable static func getdel(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard try answer(args, &call, &reply) else { return }
        _ = call.remove(args.key)
    }

    static let GETEX = Command(
        """
        GETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT \
        unix-time-milliseconds | PERSIST]
        """,
        [.write, .fast], keys: .readsAndUpdates, since: "6.2.0",
        complexity: "O(1)",
        summary: "Returns the string stored at a key and changes when it expires.",
        run: getex)

    @Sendable static func getex(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var lifetime = Lifetime.none
        var options = args.options(from: 2)
        while let option = options.next() {
            switch (option, lifetime) {
            case ("PERSIST", .none), ("PERSIST", .persist): lifetime = .persist
            default:
                guard let unit = TimeUnit(option), lifetime.accepts(unit) else { throw .syntax }
                lifetime = .argument(try options.position(), unit)
            }
        }
        guard try answer(args, &call, &reply) else { return }
        // A bad time takes the reply back again: the executor truncates it.
        let expiry = try lifetime.expiry(args, call.now)
        guard let place = call.find(args.key) else { return }
        switch expiry {
        case .at(let deadline): call.setDeadline(args.key, at: place, deadline)
        case .none where lifetime == .persist && place.record.hasDeadline:
            call.persist(args.key, at: place)
        case .none, .keep: break
        }
    }

    static let DELIFEQ = Command(
        "DELIFEQ key value", [.write, .fast], keys: .readsAndDeletes, since: "9.0.0",
        complexity: "O(1)",
        summary: "Deletes a key if it holds the given string.",
        docFlags: .valkey, run: delifeq)

    @Sendable static func delifeq(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard try isEqual(args.key, args[2], &call) else { return reply.integer(0) }
        call.propagate("DEL") { $0.append(args.key.bytes) }
        reply.integer(call.remove(args.key) ? 1 : 0)
    }

    static let APPEND = Command(
        "APPEND key value", [.write, .denyOOM, .fast], keys: .appends, since: "2.0.0",
        complexity: "O(1) amortised: room is doubled as the string grows.",
        summary: "Adds bytes to the end of a string; a missing key starts empty.",
        run: append)

    @Sendable static func append(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let end = try call.lengthToChange(args.key) else {
            call.set(args.key, to: args[2], event: "append")
            return reply.integer(Int64(args[2].count))
        }
        try checkLength(end, args[2].count, call)
        let length = call.write(args[2], at: end, of: args.key, event: "append")
        reply.integer(Int64(length))
    }

    static let SETRANGE = Command(
        "SETRANGE key offset value", [.write, .denyOOM], keys: .updates, since: "2.2.0",
        complexity: "O(1) for short values; O(M) where M is the length of the value.",
        summary: "Overwrites part of a string from an offset on, padding with zero bytes.",
        run: setrange)

    @Sendable static func setrange(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let offset = try args.integer(2)
        guard offset >= 0 else { throw .offsetOutOfRange }
        let old = try call.lengthToChange(args.key) ?? 0
        if args[3].count == 0 { return reply.integer(Int64(old)) }
        try checkLength(Int(offset), args[3].count, call)
        let length = call.write(args[3], at: Int(offset), of: args.key, event: "setrange")
        reply.integer(Int64(length))
    }

    /// Refuses a string that would be longer than `proto-max-bulk-len`.
    private static func checkLength(
        _ offset: Int, _ count: Int, _ call: borrowing Call
    ) throws(CommandError) {
        let (sum, overflow) = offset.addingReportingOverflow(count)
        // Lengths are kept in 32 bits, whatever the configuration allows.
        let most = min(Int(clamping: call.configuration.protoMaxBulkLength), Int(UInt32.max) / 2)
        guard !overflow, sum <= most else { throw .stringTooLong }
    }

    // MARK: - Counting

    static let INCR = Command(
        "INCR key", [.write, .denyOOM, .fast], keys: .readsAndUpdates, since: "1.0.0",
        complexity: "O(1)",
        summary: "Adds one to an integer; a missing key counts as zero.",
        run: incr)

    @Sendable static func incr(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.integer(try call.add(1, to: args.key, event: "incrby"))
    }

    static let DECR = Command(
        "DECR key", [.write, .denyOOM, .fast], keys: .readsAndUpdates, since: "1.0.0",
        complexity: "O(1)",
        summary: "Subtracts one from an integer; a missing key counts as zero.",
        run: decr)

    @Sendable static func decr(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.integer(try call.add(-1, to: args.key, event: "incrby"))
    }

    static let INCRBY = Command(
        "INCRBY key increment", [.write, .denyOOM, .fast], keys: .readsAndUpdates, since: "1.0.0",
        complexity: "O(1)",
        summary: "Adds a number to an integer; a missing key counts as zero.",
        run: incrby)

    @Sendable static func incrby(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let delta = try args.integer(2)
        reply.integer(try call.add(delta, to: args.key, event: "incrby"))
    }

    static let DECRBY = Command(
        "DECRBY key decrement", [.write, .denyOOM, .fast], keys: .readsAndUpdates, since: "1.0.0",
        complexity: "O(1)",
        summary: "Subtracts a number from an integer; a missing key counts as zero.",
        run: decrby)

    @Sendable static func decrby(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let delta = try args.integer(2)
        guard delta != .min else { throw call.failed("ERR decrement would overflow") }
        reply.integer(try call.add(-delta, to: args.key, event: "incrby"))
    }

    static let INCRBYFLOAT = Command(
        "INCRBYFLOAT key increment:double", [.write, .denyOOM, .fast], keys: .readsAndUpdates,
        since: "2.6.0",
        complexity: "O(1)",
        summary: "Adds a number to a float; a missing key counts as zero.",
        run: incrbyfloat)

    @Sendable static func incrbyfloat(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let old = try call.copyToChange(args.key)
        let text = try Numbers.sum(of: old ?? Array("0".utf8), args[2].array)
        call.setText(args.key, to: text.span, event: "incrbyfloat")
        propagateSet(args, to: text.span, .keep, &call)
        reply.bulk(text.span)
    }
}
