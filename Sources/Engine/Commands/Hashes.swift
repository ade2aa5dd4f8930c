//  Hashes.swift — the hash commands that read and write fields.

enum Hashes {
    static let family = Family(
        group: .hash,
        commands: [
            HSET, HSETNX, HMSET, HGET, HMGET, HGETALL, HDEL, HLEN, HEXISTS, HKEYS, HVALS, HSTRLEN,
            HINCRBY, HINCRBYFLOAT, HRANDFIELD, HSCAN, HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT,
            HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME, HPERSIST, HGETEX, HSETEX, HGETDEL,
        ])

    // MARK: - Setting

    static let HSET = Command(
        "HSET key field value [field value ...]", [.write, .denyOOM, .fast],
        keys: .updates, since: "2.0.0",
        complexity: "O(1) for each field.",
        summary: "Sets fields of a hash, which is made if there is none.",
        history: [("4.0.0", "Takes more than one field with its value.")], run: hset)

    @Sendable static func hset(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.integer(Int64(try set(args, &call)))
    }

    static let HMSET = Command(
        "HMSET key field value [field value ...]", [.write, .denyOOM, .fast],
        keys: .updates, since: "2.0.0",
        complexity: "O(N) where N is the number of fields.",
        summary: "Sets fields of a hash, which is made if there is none.",
        deprecated: Deprecation(
            since: "4.0.0", replacedBy: "`HSET` with multiple field-value pairs"),
        run: hmset)

    @Sendable static func hmset(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        _ = try set(args, &call)
        reply.ok()
    }

    /// Returns how many of the fields are new.
    @inline(__always) private static func set(
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) -> Int {
        guard args.count & 1 == 0 else { throw .wrongArity }
        let place = try call.findHash(args.key)
        let added = call.setFields(args, from: 2, args.key, place)
        if place == nil { call.created(args.key) }
        call.effects.dirty &+= (args.count &- 4) / 2
        call.changed(args.key, .hash, "hset")
        return added
    }

    static let HSETNX = Command(
        "HSETNX key field value", [.write, .denyOOM, .fast], keys: .appends, since: "2.0.0",
        complexity: "O(1)",
        summary: "Sets a field of a hash unless the field exists.", run: hsetnx)

    @Sendable static func hsetnx(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let place = try call.findHash(args.key)
        if let place, call.fieldDeadline(args[2], place.record) != nil { return reply.integer(0) }
        _ = call.setFields(args, from: 2, args.key, place)
        if place == nil { call.created(args.key) }
        call.changed(args.key, .hash, "hset")
        reply.integer(1)
    }

    // MARK: - Getting

    static let HGET = Command(
        "HGET key field", [.readonly, .fast], keys: .reads, since: "2.0.0",
        complexity: "O(1)", summary: "Returns the value of a field.", run: hget)

    @Sendable static func hget(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.lookHash(args.key),
            let value = call.fieldValue(args[2], place.record)
        else { return reply.null() }
        reply.string(value)
    }

    static let HMGET = Command(
        "HMGET key field [field ...]", [.readonly, .fast], keys: .reads, since: "2.0.0",
        complexity: "O(N) where N is the number of fields that are asked for.",
        summary: "Returns the values of fields.", run: hmget)

    @Sendable static func hmget(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let place = try call.lookHash(args.key)
        reply.array(args.count &- 2)
        for i in 2..<args.count {
            if let place, let value = call.fieldValue(args[i], place.record) {
                reply.string(value)
            } else {
                reply.null()
            }
        }
    }

    private static let wholeComplexity: StaticString = "O(N) where N is the number of fields."

    static let HGETALL = Command(
        "HGETALL key", [.readonly], keys: .reads, since: "2.0.0", complexity: wholeComplexity,
        summary: "Returns all fields of a hash with their values.",
        tips: ["nondeterministic_output_order"], run: hgetall)

    @Sendable static func hgetall(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.lookHash(args.key) else { return reply.map(0) }
        let record = place.record
        reply.map(record.liveFieldCount(call.now))
        record.forEachField(call.now) { name, value in
            reply.string(name)
            reply.string(value)
        }
    }

    static let HKEYS = Command(
        "HKEYS key", [.readonly], keys: .reads, since: "2.0.0", complexity: wholeComplexity,
        summary: "Returns the names of all fields of a hash.",
        tips: ["nondeterministic_output_order"], run: hkeys)

    @Sendable static func hkeys(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.lookHash(args.key) else { return reply.array(0) }
        let record = place.record
        reply.array(record.liveFieldCount(call.now))
        record.forEachField(call.now) { name, _ in reply.string(name) }
    }

    static let HVALS = Command(
        "HVALS key", [.readonly], keys: .reads, since: "2.0.0", complexity: wholeComplexity,
        summary: "Returns the values of all fields of a hash.",
        tips: ["nondeterministic_output_order"], run: hvals)

    @Sendable static func hvals(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.lookHash(args.key) else { return reply.array(0) }
        let record = place.record
        reply.array(record.liveFieldCount(call.now))
        record.forEachField(call.now) { _, value in reply.string(value) }
    }

    static let HLEN = Command(
        "HLEN key", [.readonly, .fast], keys: .inspects, since: "2.0.0",
        complexity: "O(1)", summary: "Returns the number of fields of a hash.", run: hlen)

    @Sendable static func hlen(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.lookHash(args.key) else { return reply.integer(0) }
        reply.integer(Int64(place.record.liveFieldCount(call.now)))
    }

    static let HEXISTS = Command(
        "HEXISTS key field", [.readonly, .fast], keys: .inspects, since: "2.0.0",
        complexity: "O(1)", summary: "Tells whether a hash has a field.", run: hexists)

    @Sendable static func hexists(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.lookHash(args.key) else { return reply.integer(0) }
        reply.integer(call.fieldDeadline(args[2], place.record) == nil ? 0 : 1)
    }

    static let HSTRLEN = Command(
        "HSTRLEN key field", [.readonly, .fast], keys: .inspects, since: "3.2.0",
        complexity: "O(1)", summary: "Returns the length of the value of a field.", run: hstrlen)

    @Sendable static func hstrlen(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.lookHash(args.key) else { return reply.integer(0) }
        reply.integer(Int64(call.fieldValue(args[2], place.record)?.count ?? 0))
    }

    // MARK: - Removing

    static let HDEL = Command(
        "HDEL key field [field ...]", [.write, .fast], keys: .deletesFrom, since: "2.0.0",
        complexity: "O(N) where N is the number of fields to remove.",
        summary: "Removes fields of a hash, and the hash with its last field.",
        history: [("2.4.0", "Takes more than one field.")], run: hdel)

    @Sendable static func hdel(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.findHash(args.key) else { return reply.integer(0) }
        var removed = 0
        for i in 2..<args.count where call.removeField(args[i], args.key, place) { removed &+= 1 }
        reply.integer(Int64(removed))
        if removed > 0 { call.toldRemoval(of: removed, args.key, place) }
    }
}

extension Call {
    /// Tells that fields of the hash `key` were removed, which goes if it has no other.
    @inline(__always) mutating func toldRemoval(
        of count: Int, _ key: borrowing Key, _ place: HashTable.Place
    ) {
        effects.dirty &+= count &- 1
        changed(key, .hash, "hdel")
        removeIfEmpty(key, place)
    }
}
