//  Keys.swift — commands on keys of any type.

enum Keys {
    static let family = Family(
        group: .generic,
        commands: [
            DEL, UNLINK, EXISTS, TOUCH, TYPE, RENAME, RENAMENX, COPY, MOVE, KEYS, SCAN, RANDOMKEY,
        ])

    // MARK: - Deleting

    static let DEL = Command(
        "DEL key [key ...]", [.write], keys: .deletes, since: "1.0.0",
        complexity: "O(N) where N is the number of keys; O(M) for a collection of M elements.",
        summary: "Deletes keys.",
        tips: ["request_policy:multi_shard", "response_policy:agg_sum"], run: del)

    @Sendable static func del(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var count: Int64 = call.remove(args.key) ? 1 : 0
        for i in 2..<max(args.count, 2) where call.remove(call.key(args[i])) { count += 1 }
        reply.integer(count)
    }

    static let UNLINK = Command(
        "UNLINK key [key ...]", [.write, .fast], keys: .deletes, since: "4.0.0",
        complexity: "O(1) for each key; the memory is freed later in O(N).",
        summary: "Deletes keys and frees large values later.",
        tips: ["request_policy:multi_shard", "response_policy:agg_sum"], run: del)

    // MARK: - Looking

    static let EXISTS = Command(
        "EXISTS key [key ...]", [.readonly, .fast], keys: .inspects, since: "1.0.0",
        complexity: "O(N) where N is the number of keys.",
        summary: "Counts how many of the named keys exist.",
        history: [("3.0.3", "Takes more than one key.")],
        tips: ["request_policy:multi_shard", "response_policy:agg_sum"], run: exists)

    @Sendable static func exists(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var count: Int64 = 0
        for i in 1..<args.count where call.inspect(call.key(args[i])) != nil { count += 1 }
        reply.integer(count)
    }

    static let TOUCH = Command(
        "TOUCH key [key ...]", [.readonly, .fast], keys: .inspects, since: "3.2.1",
        complexity: "O(N) where N is the number of keys.",
        summary: "Counts the named keys that exist and marks them as just used.",
        tips: ["request_policy:multi_shard", "response_policy:agg_sum"], run: touch)

    @Sendable static func touch(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var count: Int64 = 0
        for i in 1..<args.count {
            guard let place = call.look(call.key(args[i])) else { continue }
            // The command means it, even from a client that asked for NO-TOUCH.
            call.touchAlways(place.record)
            count += 1
        }
        reply.integer(count)
    }

    static let TYPE = Command(
        "TYPE key", [.readonly, .fast], keys: .inspects, since: "1.0.0",
        complexity: "O(1)",
        summary: "Tells what type of value a key holds.",
        run: type)

    @Sendable static func type(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = call.inspect(args.key) else { return reply.simple("none") }
        reply.simple(place.record.kind.typeName)
    }

    // MARK: - Renaming, copying, moving

    static let RENAME = Command(
        "RENAME key newkey", [.write], keys: .readsAndDeletes, .overwrites, since: "1.0.0",
        complexity: "O(1)",
        summary: "Gives a key another name, replacing what has that name.",
        run: rename)

    @Sendable static func rename(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard call.inspect(args.key, isQuiet: true) != nil else { throw .noSuchKey }
        if !args[1].equals(args[2]) {
            let target = call.key(args[2])
            let new = call.find(args.key)?.record.kind.type
            let old = call.find(target)?.record.kind.type
            call.discard(target)
            rename(args, target, &call)
            if let new { call.overwritten(target, old, by: new) }
        }
        reply.ok()
    }

    static let RENAMENX = Command(
        "RENAMENX key newkey", [.write, .fast], keys: .readsAndDeletes, .inserts, since: "1.0.0",
        complexity: "O(1)",
        summary: "Gives a key another name unless that name is taken.",
        history: [("3.2.0", "Both names may be the same.")], run: renamenx)

    @Sendable static func renamenx(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard call.inspect(args.key, isQuiet: true) != nil else { throw .noSuchKey }
        let target = call.key(args[2])
        if args[1].equals(args[2]) || call.exists(target) { return reply.integer(0) }
        rename(args, target, &call)
        reply.integer(1)
    }

    private static func rename(
        _ args: borrowing Arguments, _ target: borrowing Key, _ call: inout Call
    ) {
        call.rename(args.key, to: target)
        call.created(target)
        call.changed(args.key, .generic, "rename_from")
        call.changed(target, .generic, "rename_to")
    }

    static let COPY = Command(
        "COPY source destination [DB destination-db] [REPLACE]", [.write, .denyOOM],
        keys: .reads, .overwrites, since: "6.2.0",
        complexity: "O(N) for a collection of N elements; O(1) for a string.",
        summary: "Copies the value of a key to another key.",
        run: copy)

    @Sendable static func copy(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var database = call.session.database
        var replace = false
        var options = args.options(from: 3)
        while let option = options.next() {
            switch option {
            case "REPLACE": replace = true
            case "DB": database = try databaseIndex(options.integer(), &call)
            default: throw .syntax
            }
        }
        if database == call.session.database, args[1].equals(args[2]) { throw .sameObject }
        guard let type = call.look(args.key)?.record.kind.type else { return reply.integer(0) }
        let target = call.key(args[2])
        let home = call.session.database
        call.session.database = database
        let old = call.find(target)?.record.kind.type
        if replace { call.discard(target) }
        call.session.database = home
        if old != nil, !replace { return reply.integer(0) }
        call.copy(args.key, to: target, in: database)
        call.inDatabase(database) {
            $0.created(target)
            $0.changed(target, .generic, "copy_to")
            $0.overwritten(target, old, by: type)
        }
        reply.integer(1)
    }

    static let MOVE = Command(
        "MOVE key db", [.write, .fast], keys: .readsAndUpdates, since: "1.0.0",
        complexity: "O(1)",
        summary: "Moves a key to another database.",
        run: move)

    @Sendable static func move(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let database = try databaseIndex(args.integer(2), &call)
        if database == call.session.database { throw .sameObject }
        guard call.find(args.key) != nil else { return reply.integer(0) }
        let home = call.session.database
        call.session.database = database
        let exists = call.exists(args.key)
        call.session.database = home
        if exists { return reply.integer(0) }
        call.copy(args.key, to: args.key, in: database)
        call.discard(args.key)
        call.inDatabase(database) { $0.created(args.key) }
        call.changed(args.key, .generic, "move_from")
        call.inDatabase(database) { $0.noted(args.key, .generic, "move_to") }
        reply.integer(1)
    }

    /// A database's index from a client, checked.
    static func databaseIndex(
        _ value: Int64, _ call: inout Call
    ) throws(CommandError) -> Int {
        guard Int32(exactly: value) != nil else { throw .outOfShortRange }
        guard value >= 0, value < call.keyspace.count else { throw .databaseIndexOutOfRange }
        call.keyspace.use(Int(value))
        return Int(value)
    }

    // MARK: - Walking

    static let KEYS = Command(
        "KEYS pattern", [.readonly], since: "1.0.0",
        complexity: "O(N) where N is the number of keys in the database.",
        summary: "Lists all keys whose names match a pattern.",
        tips: ["request_policy:all_shards", "nondeterministic_output_order"], also: .dangerous,
        run: keys)

    @Sendable static func keys(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let mark = reply.open()
        var count = 0
        var cursor: UInt64 = 0
        let now = call.now
        repeat {
            cursor = call.keyspace.databases[call.session.database].scan(cursor) { record in
                if record.hasDeadline, record.deadline <= now { return }
                guard Glob.matches(pattern: args[1], record.key) else { return }
                reply.bulk(record.key)
                count += 1
            }
        } while cursor != 0
        reply.close(array: mark, count: count)
    }

    static let SCAN = Command(
        "SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]", [.readonly], since: "2.8.0",
        complexity: "O(1) for each call; O(N) for a complete walk over N keys.",
        summary: "Walks over the keys of the database, some at a time.",
        history: [("6.0.0", "Option `TYPE`.")],
        tips: ["nondeterministic_output", "request_policy:special", "response_policy:special"],
        added: [("type", "6.0.0")], run: scan)

    private struct ScanOptions {
        var pattern: Int?
        var count: Int64 = 10
        var type: Int?
    }

    @Sendable static func scan(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard var cursor = Numbers.cursor(args[1]) else {
            throw call.failed("ERR invalid cursor")
        }
        var wanted = ScanOptions()
        var options = args.options(from: 2)
        while let option = options.next() {
            switch option {
            case "MATCH": wanted.pattern = try options.position()
            case "TYPE": wanted.type = try options.position()
            case "COUNT":
                wanted.count = try options.integer()
                guard wanted.count >= 1 else { throw .syntax }
            default: throw .syntax
            }
        }
        // The cursor comes first, and is known last: the elements are written beside it.
        var elements = Reply()
        elements.version = reply.version
        var found = 0, visited: Int64 = 0
        // Ten visits a wanted element at most, so that a sparse table cannot hold the loop.
        let most = wanted.count.multipliedReportingOverflow(by: 10)
        let limit = most.overflow ? Int64.max : most.partialValue
        repeat {
            cursor = scanBucket(cursor, args, wanted, call, &elements, &found, &visited)
        } while cursor != 0 && visited < wanted.count && limit > visited
        reply.array(2)
        reply.bulk(String(cursor))
        reply.array(found)
        reply.out.append(elements.out.span)
    }

    private static func scanBucket(
        _ cursor: UInt64, _ args: borrowing Arguments, _ wanted: ScanOptions,
        _ call: borrowing Call, _ elements: inout Reply, _ found: inout Int,
        _ visited: inout Int64
    ) -> UInt64 {
        let now = call.now
        visited += 1
        return call.keyspace.databases[call.session.database].scan(cursor) { record in
            visited += 1
            if record.hasDeadline, record.deadline <= now { return }
            if let i = wanted.pattern, !Glob.matches(pattern: args[i], record.key) { return }
            if let i = wanted.type, !args[i].equalsIgnoringCase(record.kind.typeName) { return }
            elements.bulk(record.key)
            found += 1
        }
    }

    static let RANDOMKEY = Command(
        "RANDOMKEY", [.readonly], since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns the name of a random key.",
        tips: ["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
        run: randomkey)

    @Sendable static func randomkey(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        while let record = call.randomRecord() {
            let key = call.key(record.key)
            // Finding it removes it when its time has come; then another one is drawn.
            guard let place = call.find(key) else { continue }
            return reply.bulk(place.record.key)
        }
        reply.null()
    }
}
