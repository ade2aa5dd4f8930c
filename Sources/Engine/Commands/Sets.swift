//  Sets.swift — the set commands that look at one key, and SMOVE.

enum Sets {
    static let family = Family(
        group: .set,
        commands: [
            SADD, SREM, SISMEMBER, SMISMEMBER, SMEMBERS, SCARD, SPOP, SRANDMEMBER, SMOVE, SINTER,
            SINTERSTORE, SINTERCARD, SUNION, SUNIONSTORE, SDIFF, SDIFFSTORE, SSCAN,
        ])

    // MARK: - Adding and removing

    static let SADD = Command(
        "SADD key member [member ...]", [.write, .denyOOM, .fast], keys: .appends, since: "1.0.0",
        complexity: "O(1) for each member.",
        summary: "Adds members to a set, which is made if there is none.",
        history: [("2.4.0", "Takes more than one member.")], run: sadd)

    @Sendable static func sadd(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let old = try call.find(args.key, as: .set)
        let place: HashTable.Place
        if let old, old.record.kind == .set {
            place = old
        } else {
            place = call.growSet(args.key, old, args[2], by: args.count - 2)
        }
        var added: Int64 = 0
        for i in 2..<args.count where call.addMember(args[i], args.key, place) { added += 1 }
        if old == nil { call.created(args.key) }
        if added > 0 { call.changed(args.key, .set, "sadd") }
        reply.integer(added)
    }

    static let SREM = Command(
        "SREM key member [member ...]", [.write, .fast], keys: .deletesFrom, since: "1.0.0",
        complexity: "O(N) where N is the number of members to remove.",
        summary: "Removes members from a set.",
        history: [("2.4.0", "Takes more than one member.")], run: srem)

    @Sendable static func srem(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.find(args.key, as: .set) else { return reply.integer(0) }
        var removed: Int64 = 0
        for i in 2..<args.count where call.removeMember(args[i], place) { removed += 1 }
        if removed > 0 {
            call.changed(args.key, .set, "srem")
            call.removeIfEmpty(args.key, place)
        }
        reply.integer(removed)
    }

    static let SMOVE = Command(
        "SMOVE source destination member", [.write, .fast], keys: .readsAndDeletes, .appends,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Moves a member from one set to another.",
        run: smove)

    @Sendable static func smove(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let key = call.key(args[2])
        // Looked up first, since a key whose time has come may make others change places.
        let isThere = call.exists(key)
        guard let source = try call.find(args.key, as: .set) else { return reply.integer(0) }
        if isThere { _ = try call.find(key, as: .set) }
        if args[1].equals(args[2]) {
            return reply.integer(source.record.setContains(args[3]) ? 1 : 0)
        }
        guard call.removeMember(args[3], source) else { return reply.integer(0) }
        call.changed(args.key, .set, "srem")
        call.removeIfEmpty(args.key, source)
        let old = try call.find(key, as: .set)
        let place = call.growSet(key, old, args[3], by: 1)
        let isNew = call.addMember(args[3], key, place)
        if old == nil { call.created(key) }
        if isNew { call.changed(key, .set, "sadd") }
        reply.integer(1)
    }

    // MARK: - Looking

    static let SISMEMBER = Command(
        "SISMEMBER key member", [.readonly, .fast], keys: .inspects, since: "1.0.0",
        complexity: "O(1)",
        summary: "Tells whether a set has a member.",
        run: sismember)

    @Sendable static func sismember(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let place = try call.look(args.key, as: .set)
        reply.integer(place?.record.setContains(args[2]) == true ? 1 : 0)
    }

    static let SMISMEMBER = Command(
        "SMISMEMBER key member [member ...]", [.readonly, .fast], keys: .reads, since: "6.2.0",
        complexity: "O(N) where N is the number of members to look for.",
        summary: "Tells of each of several members whether a set has it.",
        run: smismember)

    @Sendable static func smismember(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let record = try call.look(args.key, as: .set)?.record
        reply.array(args.count - 2)
        for i in 2..<args.count {
            reply.integer(record?.setContains(args[i]) == true ? 1 : 0)
        }
    }

    static let SCARD = Command(
        "SCARD key", [.readonly, .fast], keys: .inspects, since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns the number of members of a set.",
        run: scard)

    @Sendable static func scard(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let place = try call.look(args.key, as: .set)
        reply.integer(Int64(place?.record.setCount ?? 0))
    }

    static let SMEMBERS = Command(
        "SMEMBERS key", [.readonly], keys: .reads, since: "1.0.0",
        complexity: "O(N) where N is the number of members.",
        summary: "Returns all members of a set.",
        tips: ["nondeterministic_output_order"], run: smembers)

    @Sendable static func smembers(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let record = try call.look(args.key, as: .set)?.record else { return reply.set(0) }
        answerAll(record, &reply)
    }

    private static func answerAll(_ record: Record, _ reply: inout Reply) {
        reply.set(record.setCount)
        record.forEachSetMember {
            reply.string($0)
            return true
        }
    }

    // MARK: - Chance

    static let SPOP = Command(
        "SPOP key [count]", [.write, .fast], keys: .readsAndDeletes, since: "1.0.0",
        complexity: "Without a count O(1), else O(N) where N is the count.",
        summary: "Removes members chosen by chance from a set and returns them.",
        history: [("3.2.0", "Argument `count`.")], tips: ["nondeterministic_output"],
        added: [("count", "3.2.0")], run: spop)

    @Sendable static func spop(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        if args.count > 2 { return try popMany(args, &call, &reply) }
        guard let place = try call.find(args.key, as: .set) else { return reply.null() }
        call.answerAndRemoveRandomMember(args.key, place, &reply)
        call.changed(args.key, .set, "spop")
        call.removeIfEmpty(args.key, place)
    }

    private static func popMany(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard args.count == 3 else { throw .syntax }
        guard let wanted = Numbers.integer(args[2]), wanted >= 0 else { throw .notPositive }
        guard let place = try call.find(args.key, as: .set), wanted > 0 else {
            return reply.set(0)
        }
        let size = place.record.setCount
        guard wanted < Int64(size) else {
            answerAll(place.record, &reply)
            call.changed(args.key, .set, "spop")
            call.propagate("DEL") { $0.append(args.key.bytes) }
            call.discard(args.key)
            return call.noted(args.key, .generic, "del")
        }
        let count = Int(wanted)
        reply.set(count)
        if place.record.kind != .set {
            popFromSmall(count, args.key, place, &call, &reply)
        } else if (size - count) * 5 > count {
            for _ in 0..<count { call.answerAndRemoveRandomMember(args.key, place, &reply) }
        } else {
            keepSome(size - count, args.key, place, &call, &reply)
        }
        call.changed(args.key, .set, "spop")
    }

    private static func popFromSmall(
        _ count: Int, _ key: borrowing Key, _ place: HashTable.Place, _ call: inout Call,
        _ reply: inout Reply
    ) {
        let record = place.record
        let isChosen = call.chosenPositions(count, of: record.setCount)
        var rest = call.makeSetBuilder(startsPacked: record.kind == .packedSet)
        call.propagate("SREM") { words in
            words.append(key.bytes)
            var i = 0
            record.forEachSetMember { member in
                if isChosen[i] { words.append(member) }
                i += 1
                return true
            }
        }
        var i = 0
        record.forEachSetMember { member in
            if isChosen[i] {
                reply.string(member)
            } else {
                _ = rest.add(member, &call.database.heap)
            }
            i += 1
            return true
        }
        call.store(&rest, key, place, looksForIntegers: false, keepsDeadline: true)
    }

    /// Nearly all go: those that stay make a new set, as in Redis.
    private static func keepSome(
        _ kept: Int, _ key: borrowing Key, _ place: HashTable.Place, _ call: inout Call,
        _ reply: inout Reply
    ) {
        var rest = call.makeSetBuilder(startsPacked: true)
        let record = place.record
        var generator = call.random
        for _ in 0..<kept {
            guard let member = record.set.random(&generator) else { break }
            let view = StringView(member.key, number: 0, form: .bytes)
            _ = rest.add(view, &call.database.heap)
            _ = record.set.remove(member.key, &call.database.heap)
        }
        call.random = generator
        call.propagate("SREM") { words in
            words.append(key.bytes)
            record.forEachSetMember {
                words.append($0)
                return true
            }
        }
        record.forEachSetMember {
            reply.string($0)
            return true
        }
        call.store(&rest, key, place, looksForIntegers: false, keepsDeadline: true)
    }

    static let SRANDMEMBER = Command(
        "SRANDMEMBER key [count]", [.readonly], keys: .reads, since: "1.0.0",
        complexity: "Without a count O(1), else O(N) where N is the count without its sign.",
        summary: "Returns members of a set chosen by chance.",
        history: [("2.6.0", "Argument `count`.")], tips: ["nondeterministic_output"],
        added: [("count", "2.6.0")], run: srandmember)

    @Sendable static func srandmember(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        if args.count > 2 { return try randomMany(args, &call, &reply) }
        guard let place = try call.look(args.key, as: .set) else { return reply.null() }
        call.answerRandomMember(place.record, &reply)
    }

    private static func randomMany(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard args.count == 3 else { throw .syntax }
        let wanted = try args.integer(2)
        guard wanted != .min else {
            throw call.failed(
                """
                ERR value is out of range, value must between -9223372036854775807 and \
                9223372036854775807
                """)
        }
        guard let record = try call.look(args.key, as: .set)?.record, wanted != 0 else {
            return reply.array(0)
        }
        if wanted < 0 {
            guard wanted >= -call.repetitionsMax else { throw .outOfRange }
            reply.array(Int(-wanted))
            for _ in 0..<(-wanted) { call.answerRandomMember(record, &reply) }
            return
        }
        answerDistinct(Int(min(wanted, Int64(record.setCount))), record, &call, &reply)
    }

    /// Replies with `count` different members, of which there are as many at least.
    private static func answerDistinct(
        _ count: Int, _ record: Record, _ call: inout Call, _ reply: inout Reply
    ) {
        let size = record.setCount
        reply.array(count)
        if record.kind == .set, count * 3 < size {
            // Records stay where they are while nothing is changed.
            var seen = Set<UInt>(minimumCapacity: count)
            var generator = call.random
            while seen.count < count {
                guard let member = record.set.random(&generator) else { break }
                if seen.insert(member.identity).inserted { reply.bulk(member.key) }
            }
            call.random = generator
            return
        }
        let isChosen = count == size ? [] : call.chosenPositions(count, of: size)
        var i = 0
        record.forEachSetMember { member in
            if isChosen.isEmpty || isChosen[i] { reply.string(member) }
            i += 1
            return true
        }
    }

    // MARK: - Walking

    static let SSCAN = Command(
        "SSCAN key cursor [MATCH pattern] [COUNT count]", [.readonly], keys: .reads,
        since: "2.8.0",
        complexity: "O(1) for each call; O(N) for a complete walk over N members.",
        summary: "Walks over the members of a set, some at a time.",
        tips: ["nondeterministic_output"], run: sscan)

    @Sendable static func sscan(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let cursor = Numbers.cursor(args[2]) else { throw call.failed("ERR invalid cursor") }
        guard let record = try call.look(args.key, as: .set)?.record else {
            reply.array(2)
            reply.bulk("0")
            return reply.array(0)
        }
        let wanted = try ElementScan(args, from: 3)
        var elements = Reply()
        var found = 0
        let next = wanted.run(cursor, record.kind == .set) { cursor, visited in
            func visit(_ member: StringView) {
                visited += 1
                guard wanted.matches(member, args) else { return }
                elements.string(member)
                found += 1
            }
            if record.kind == .set {
                return record.set.scan(cursor) {
                    visit(StringView($0.key, number: 0, form: .bytes))
                }
            }
            record.forEachMember(visit)
            return 0
        }
        reply.array(2)
        reply.bulk(String(next))
        reply.array(found)
        reply.out.append(elements.out.span)
    }
}

/// The options of SSCAN, HSCAN and ZSCAN, and how far one call goes.
struct ElementScan {
    private var pattern: Int?
    private var count: Int64 = 10

    init(_ args: borrowing Arguments, from first: Int) throws(CommandError) {
        var options = args.options(from: first)
        while let option = options.next() {
            switch option {
            case "MATCH": pattern = try options.position()
            case "COUNT":
                count = try options.integer()
                guard count >= 1 else { throw .syntax }
            default: throw .syntax
            }
        }
    }

    func matches(_ element: StringView, _ args: borrowing Arguments) -> Bool {
        guard let pattern else { return true }
        if element.form == .bytes { return Glob.matches(pattern: args[pattern], element.bytes) }
        return Glob.matches(pattern: args[pattern], element.array.span)
    }

    /// Calls `visit` with cursor after cursor until enough elements are visited; small collections
    /// are visited whole.
    func run(
        _ first: UInt64, _ isLarge: Bool, _ visit: (UInt64, inout Int64) -> UInt64
    ) -> UInt64 {
        var cursor = first, visited: Int64 = 0
        guard isLarge else {
            _ = visit(0, &visited)
            return 0
        }
        repeat {
            // An empty bucket counts too, so that a sparse table cannot hold the loop.
            visited += 1
            cursor = visit(cursor, &visited)
        } while cursor != 0 && visited < count
        return cursor
    }
}
