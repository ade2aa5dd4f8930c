//  Streams+Groups.swift — consumer groups: XGROUP, XACK and what removes entries for all groups.

extension Streams {
    private static let mustExist =
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to "
        + "use the MKSTREAM option to create an empty stream automatically."

    // MARK: - XGROUP

    static let XGROUP_CREATE = Command(
        """
        XGROUP CREATE key group <id | new-id=$> [MKSTREAM] [ENTRIESREAD entriesread=entries-read]
        """,
        [.write, .denyOOM], keys: .appends, since: "5.0.0", complexity: "O(1)",
        summary: "Makes a consumer group.",
        history: [("7.0.0", "The argument `entries_read`.")],
        names: ["id-selector"], run: xgroupCreate)

    @Sendable static func xgroupCreate(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let options = try GroupOptions(args, allowsMaking: true, &call)
        let key = call.key(args[2])
        let old = try call.find(key, as: .stream)
        guard old != nil || options.makesStream else { throw call.failed(mustExist) }
        // Options that come twice are counted only now.
        guard args.count <= 8 else { throw unknown(args, "XGROUP", &call) }
        let last: StreamID
        if args[4].equals("$") {
            last = old?.record.stream.lastID ?? .zero
        } else {
            last = try id(args[4])
        }
        if old?.record.stream.group(args[3]) != nil {
            throw call.failed("BUSYGROUP Consumer Group name already exists")
        }
        let place = old ?? call.makeStream(key)
        _ = place.record.stream.makeGroup(
            args[3], last: last, entriesRead: options.entriesRead(place.record),
            &call.database.heap)
        call.changed(key, .stream, "xgroup-create")
        if old == nil { call.created(key) }
        reply.ok()
    }

    /// What stands behind the ID in XGROUP CREATE and SETID.
    private struct GroupOptions {
        var makesStream = false
        private var read: Int64 = -1

        init(
            _ args: borrowing Arguments, allowsMaking: Bool, _ call: inout Call
        ) throws(CommandError) {
            var options = args.options(from: 5)
            while let option = options.next() {
                switch option {
                case "MKSTREAM" where allowsMaking: makesStream = true
                case "ENTRIESREAD" where options.remaining > 0:
                    read = try options.integer()
                    guard read >= -1 else {
                        throw call.failed("ERR value for ENTRIESREAD must be positive or -1")
                    }
                default: throw Streams.unknown(args, "XGROUP", &call)
                }
            }
        }

        /// No more than were ever added.
        func entriesRead(_ record: Record) -> Int64 {
            min(read, Int64(clamping: record.stream.entriesAdded))
        }
    }

    /// The error of containers whose subcommand makes no sense.
    static func unknown(
        _ args: borrowing Arguments, _ name: String, _ call: inout Call
    ) -> CommandError {
        call.failed(
            "ERR unknown subcommand or wrong number of arguments for '", args[1],
            "'. Try \(name) HELP.")
    }

    /// The stream at word 2 and its group at word 3, which must exist.
    private static func find(
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) -> (place: HashTable.Place, group: StreamGroup) {
        guard let place = try call.find(call.key(args[2]), as: .stream) else {
            throw call.failed(mustExist)
        }
        return (place, try group(args, place.record, &call))
    }

    /// The group at word 3 of the stream at word 2.
    static func group(
        _ args: borrowing Arguments, _ record: Record, _ call: inout Call
    ) throws(CommandError) -> StreamGroup {
        guard let group = record.stream.group(args[3]) else {
            call.failure =
                Array("NOGROUP No such consumer group '".utf8)
                + args[3].firstBytes(.max, before: 0) + Array("' for key name '".utf8)
                + args[2].firstBytes(.max, before: 0) + Array("'".utf8)
            throw .text
        }
        return group
    }

    static let XGROUP_SETID = Command(
        "XGROUP SETID key group <id | new-id=$> [ENTRIESREAD entriesread=entries-read]", [.write],
        keys: .updates, since: "5.0.0", complexity: "O(1)",
        summary: "Sets how far a consumer group has read.",
        history: [("7.0.0", "The argument `entries_read`.")],
        names: ["id-selector"], run: xgroupSetID)

    @Sendable static func xgroupSetID(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let options = try GroupOptions(args, allowsMaking: false, &call)
        let (place, group) = try find(args, &call)
        guard args.count <= 7 else { throw unknown(args, "XGROUP", &call) }
        if args[4].equals("$") {
            group.state.last = place.record.stream.lastID
        } else {
            guard let id = StreamID(end: args[4], missing: 0) else { throw .invalidStreamID }
            group.state.last = id
        }
        group.state.entriesRead = options.entriesRead(place.record)
        call.changed(call.key(args[2]), .stream, "xgroup-setid")
        reply.ok()
    }

    static let XGROUP_DESTROY = Command(
        "XGROUP DESTROY key group", [.write], keys: .deletesFrom, since: "5.0.0",
        complexity: "O(N) for N pending entries, which are freed in slices.",
        summary: "Removes a consumer group.", run: xgroupDestroy)

    @Sendable static func xgroupDestroy(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let key = call.key(args[2])
        guard let place = try call.find(key, as: .stream) else { throw call.failed(mustExist) }
        let before = place.record.stream.isUneven
        guard let group = place.record.stream.takeGroup(args[3], &call.database.heap) else {
            return reply.integer(0)
        }
        call.database.discard(group)
        call.database.noteTimes(place.record, wereUneven: before)
        call.changed(key, .stream, "xgroup-destroy")
        reply.integer(1)
    }

    static let XGROUP_CREATECONSUMER = Command(
        "XGROUP CREATECONSUMER key group consumer", [.write, .denyOOM], keys: .appends,
        since: "6.2.0", complexity: "O(1)", summary: "Makes a consumer in a group.",
        run: xgroupCreateConsumer)

    @Sendable static func xgroupCreateConsumer(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let (place, group) = try find(args, &call)
        let before = place.record.stream.isUneven
        let isNew = group.makeConsumer(
            args[4], seen: call.consumerTime, &call.database.heap
        ).isNew
        call.database.noteTimes(place.record, wereUneven: before)
        if isNew { call.changed(call.key(args[2]), .stream, "xgroup-createconsumer") }
        reply.integer(isNew ? 1 : 0)
    }

    static let XGROUP_DELCONSUMER = Command(
        "XGROUP DELCONSUMER key group consumer", [.write], keys: .deletesFrom, since: "5.0.0",
        complexity: "O(1), and O(N) for N pending entries.",
        summary: "Removes a consumer from a group, with what it has pending.",
        run: xgroupDeleteConsumer)

    @Sendable static func xgroupDeleteConsumer(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let (place, group) = try find(args, &call)
        let before = place.record.stream.isUneven
        guard let count = group.removeConsumer(args[4], &call.database.heap) else {
            return reply.integer(0)
        }
        call.database.noteTimes(place.record, wereUneven: before)
        call.changed(call.key(args[2]), .stream, "xgroup-delconsumer")
        reply.integer(Int64(count))
    }

    static let XGROUP_HELP = Command(
        "XGROUP HELP", [.loading, .stale], since: "5.0.0", complexity: "O(1)",
        summary: "Describes the subcommands of XGROUP.", run: xgroupHelp)

    @Sendable static func xgroupHelp(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.help(
            "XGROUP",
            [
                "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <count>]",
                "    Make a group that reads on behind the ID, or behind the last one.",
                "    MKSTREAM makes the stream too; ENTRIESREAD is for the server's own use.",
                "CREATECONSUMER <key> <group> <consumer>", "    Make a consumer.",
                "DELCONSUMER <key> <group> <consumer>",
                "    Remove a consumer with what it has pending.",
                "DESTROY <key> <group>", "    Remove a group with its consumers.",
                "SETID <key> <group> <id|$> [ENTRIESREAD <count>]",
                "    Have a group read on behind another ID.",
            ])
    }

    // MARK: - Acknowledging

    static let XACK = Command(
        "XACK key group id [id ...]", [.write, .fast], keys: .updates, since: "5.0.0",
        complexity: "O(1) for each entry.",
        summary: "Acknowledges entries that were pending and returns how many.", run: xack)

    @Sendable static func xack(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.look(args.key, as: .stream),
            let group = place.record.stream.group(args[2])
        else { return reply.integer(0) }
        for i in 3..<args.count where StreamID(args[i]) == nil { throw .invalidStreamID }
        var n = 0
        for i in 3..<args.count {
            if group.acknowledge(try id(args[i]), &call.database.heap) { n += 1 }
        }
        if n > 0 { call.changedQuietly(n) }
        reply.integer(Int64(n))
    }

    // MARK: - Removing for all groups

    /// `[KEEPREF | DELREF | ACKED] IDS numids id [id ...]`, from word `first` on.
    private struct RemovalRequest {
        var references = StreamReferences.kept
        /// Positions of the IDs.
        var ids = 0..<0

        init(
            _ args: borrowing Arguments, from first: Int, _ call: inout Call
        ) throws(CommandError) {
            var i = first
            var isChosen = false
            while i < args.count {
                let token = Token(word: args.word(i))
                i += 1
                switch token {
                case "KEEPREF" where !isChosen: isChosen = true
                case "DELREF" where !isChosen:
                    isChosen = true
                    references = .deleted
                case "ACKED" where !isChosen:
                    isChosen = true
                    references = .acknowledged
                case "IDS" where i < args.count:
                    guard let count = Numbers.integer(args[i]), count > 0 else {
                        throw call.failed("ERR Number of IDs must be a positive integer")
                    }
                    guard count <= Int64(args.count - i - 1) else {
                        throw call.failed(
                            "ERR The `numids` parameter must match the number of arguments")
                    }
                    ids = (i + 1)..<(i + 1 + Int(count))
                    i = ids.upperBound
                default: throw .syntax
                }
            }
            guard !ids.isEmpty else { throw .syntax }
        }
    }

    static let XDELEX = Command(
        "XDELEX key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]", [.write, .fast],
        keys: .deletesFrom, since: "8.2.0",
        complexity: "O(1) for each entry, whatever the size of the stream.",
        summary: "Removes entries from a stream, minding what groups have pending.",
        names: ["condition"], run: xdelex)

    @Sendable static func xdelex(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let found = try call.find(args.key, as: .stream)
        let request = try RemovalRequest(args, from: 2, &call)
        guard let place = found else {
            reply.array(request.ids.count)
            for _ in request.ids { reply.integer(-1) }
            return
        }
        for i in request.ids { _ = try id(args[i]) }
        reply.array(request.ids.count)
        var removed = 0
        for i in request.ids {
            let outcome = remove(try id(args[i]), request.references, place, &call)
            if outcome == 1 { removed += 1 }
            reply.integer(outcome)
        }
        tell(removed, removed, args.key, &call)
    }

    /// Removes an entry: 1 when it is gone, -1 when there is none, 2 when a group needs it.
    private static func remove(
        _ id: StreamID, _ references: StreamReferences, _ place: HashTable.Place,
        _ call: inout Call
    ) -> Int64 {
        switch references {
        case .kept: break
        case .deleted: place.record.stream.removeReferences(id, &call.database.heap)
        case .acknowledged: if place.record.stream.isReferenced(id) { return 2 }
        }
        return call.removeEntry(id, place) ? 1 : -1
    }

    private static func tell(
        _ removed: Int, _ changes: Int, _ key: borrowing Key, _ call: inout Call
    ) {
        guard changes > 0 else { return }
        guard removed > 0 else { return call.changedQuietly(changes) }
        call.effects.dirty &+= changes - 1
        call.changed(key, .stream, "xdel")
    }

    static let XACKDEL = Command(
        "XACKDEL key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]", [.write, .fast],
        keys: .updatesAndDeletes, since: "8.2.0", complexity: "O(1) for each entry.",
        summary: "Acknowledges entries and removes them from the stream.",
        names: ["condition"], run: xackdel)

    @Sendable static func xackdel(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let found = try call.look(args.key, as: .stream)
        let request = try RemovalRequest(args, from: 3, &call)
        guard let place = found, let group = place.record.stream.group(args[2]) else {
            reply.array(request.ids.count)
            for _ in request.ids { reply.integer(-1) }
            return
        }
        for i in request.ids { _ = try id(args[i]) }
        reply.array(request.ids.count)
        var removed = 0, acknowledged = 0
        for i in request.ids {
            let id = try id(args[i])
            guard group.acknowledge(id, &call.database.heap) else {
                reply.integer(-1)
                continue
            }
            acknowledged += 1
            let outcome = remove(id, request.references, place, &call)
            if outcome == 1 { removed += 1 }
            // That it was gone before makes no difference.
            reply.integer(max(outcome, 1))
        }
        tell(removed, acknowledged, args.key, &call)
    }
}
