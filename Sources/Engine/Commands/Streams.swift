//  Streams.swift — entries in and out of streams: XADD, XDEL, XTRIM and their like.
//
//  The other families of streams: `Streams+Ranges` looks at entries, `Streams+Reading` waits for them,
//  `Streams+Groups`, `Streams+Claiming` and `Streams+Pending` are about consumer groups,
//  `Streams+Information` is XINFO.

enum Streams {
    static let family = Family(
        group: .stream,
        commands: [
            XADD, XLEN, XRANGE, XREVRANGE, XREAD, XDEL, XDELEX, XTRIM, XSETID, XREADGROUP, XACK,
            XACKDEL, XPENDING, XCLAIM, XAUTOCLAIM, XGROUP_CREATE, XGROUP_SETID, XGROUP_DESTROY,
            XGROUP_CREATECONSUMER, XGROUP_DELCONSUMER, XGROUP_HELP, XINFO_STREAM, XINFO_GROUPS,
            XINFO_CONSUMERS, XINFO_HELP,
        ])

    static func id(_ text: Bytes) throws(CommandError) -> StreamID {
        guard let id = StreamID(text) else { throw .invalidStreamID }
        return id
    }

    // MARK: - Adding

    static let XADD = Command(
        """
        XADD key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] \
        [<MAXLEN | MINID> [equal== | approximately=~] threshold [LIMIT count]] \
        <auto-id=* | id> field value [field value ...]
        """,
        [.write, .denyOOM, .fast], keys: .updates, since: "5.0.0",
        complexity: "O(1), and O(N) for N entries that go.",
        summary: "Adds an entry to a stream, and makes the stream if need be.",
        history: [
            ("6.2.0", "Options `NOMKSTREAM`, `MINID` and `LIMIT`."),
            ("7.0.0", "IDs of the form `<ms>-*`."),
            ("8.2.0", "Options `KEEPREF`, `DELREF` and `ACKED`."),
        ],
        tips: ["nondeterministic_output"],
        names: ["condition", "trim", "strategy", "operator", "id-selector"],
        added: [("nomkstream", "6.2.0"), ("minid", "6.2.0"), ("count", "6.2.0")], run: xadd)

    @Sendable static func xadd(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let request = try StreamRequest(adding: args, &call)
        let first = request.position + 1
        guard args.count - first >= 2, (args.count - first) % 2 == 0 else { throw .wrongArity }
        if case .whole(.zero) = request.id {
            throw call.failed("ERR The ID specified in XADD must be greater than 0-0")
        }
        let old = try call.find(args.key, as: .stream)
        if old == nil, !request.makesKey { return reply.null() }
        let id = try newID(request.id, old, &call)
        var draft = StreamDraft()
        swap(&draft, &call.streamDraft)
        defer {
            swap(&draft, &call.streamDraft)
            call.streamDraft.removeAll()
        }
        let bytes = fill(&draft, args, from: first)
        guard bytes <= StreamDraft.bytesMax else {
            throw call.failed("ERR Elements are too large to be stored")
        }
        let place = old ?? call.makeStream(args.key)
        let limit = call.streamLimit
        place.record.stream.append(id, draft, textBytes: bytes, limit, &call.database.heap)
        call.changed(args.key, .stream, "xadd")
        if old == nil { call.created(args.key) }
        var removed = 0
        if let trim = request.trim {
            removed = place.record.stream.trim(trim, &call.database.heap)
            if removed > 0 { call.noted(args.key, .stream, "xtrim") }
        }
        reply.bulk(id)
        if call.isPropagating, !request.isExact {
            propagateAdding(args, from: first, id, request, place.record, &call)
        }
    }

    @inline(__always) private static func fill(
        _ draft: inout StreamDraft, _ args: borrowing Arguments, from first: Int
    ) -> Int {
        var bytes = 0, i = first
        while i < args.count {
            let field = args[i], value = args[i &+ 1]
            bytes &+= field.count &+ value.count
            draft.add(field: PackedEntry(field))
            draft.add(value: PackedEntry(value))
            i &+= 2
        }
        return bytes
    }

    /// The ID that a new entry gets.
    private static func newID(
        _ wanted: WrittenStreamID?, _ place: HashTable.Place?, _ call: inout Call
    ) throws(CommandError) -> StreamID {
        let last = place?.record.stream.lastID ?? .zero
        guard let next = last.next else {
            throw call.failed(
                "ERR The stream has exhausted the last possible ID, unable to add more items")
        }
        let id: StreamID
        switch wanted {
        case nil:
            let now = UInt64(max(call.now, 0))
            return now > last.milliseconds ? StreamID(now, 0) : next
        case .milliseconds(let milliseconds):
            // Zero of zero is no entry's.
            if place == nil || last == .zero, milliseconds == 0 { return StreamID(0, 1) }
            id = milliseconds == last.milliseconds ? next : StreamID(milliseconds, 0)
            guard id.milliseconds == milliseconds else { throw tooSmall(&call) }
        case .whole(let whole): id = whole
        }
        guard id > last else { throw tooSmall(&call) }
        return id
    }

    private static func tooSmall(_ call: inout Call) -> CommandError {
        call.failed(
            "ERR The ID specified in XADD is equal or smaller than the target stream top item")
    }

    /// The same entry with the ID that it got, and the exact border of what went.
    @inline(never) private static func propagateAdding(
        _ args: borrowing Arguments, from first: Int, _ id: StreamID, _ request: StreamRequest,
        _ record: Record, _ call: inout Call
    ) {
        let border = request.exactBorder(record)
        call.propagate("XADD") { words in
            words.append(args[1])
            words.append(border, request.references)
            words.append(id)
            for i in first..<args.count { words.append(args[i]) }
        }
    }

    static let XLEN = Command(
        "XLEN key", [.readonly, .fast], keys: .inspects, since: "5.0.0", complexity: "O(1)",
        summary: "Returns the number of entries of a stream.", run: xlen)

    @Sendable static func xlen(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let place = try call.look(args.key, as: .stream)
        reply.integer(Int64(place?.record.stream.count ?? 0))
    }

    // MARK: - Removing

    static let XDEL = Command(
        "XDEL key id [id ...]", [.write, .fast], keys: .deletesFrom, since: "5.0.0",
        complexity: "O(1) for each entry, whatever the size of the stream.",
        summary: "Removes entries from a stream and returns how many there were.", run: xdel)

    @Sendable static func xdel(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.find(args.key, as: .stream) else { return reply.integer(0) }
        for i in 2..<args.count { _ = try id(args[i]) }
        var removed = 0
        for i in 2..<args.count {
            if call.removeEntry(try id(args[i]), place) { removed += 1 }
        }
        if removed > 0 {
            call.effects.dirty &+= removed - 1
            call.changed(args.key, .stream, "xdel")
        }
        reply.integer(Int64(removed))
    }

    static let XTRIM = Command(
        """
        XTRIM key {<MAXLEN | MINID> [equal== | approximately=~] threshold [LIMIT count] \
        [KEEPREF | DELREF | ACKED]}
        """,
        [.write], keys: .deletesFrom, since: "5.0.0",
        complexity: "O(N) for N entries that go; whole blocks go fast.",
        summary: "Removes the oldest entries of a stream.",
        history: [
            ("6.2.0", "Options `MINID` and `LIMIT`."),
            ("8.2.0", "Options `KEEPREF`, `DELREF` and `ACKED`."),
        ],
        tips: ["nondeterministic_output"],
        names: ["trim", "strategy", "operator", "condition"],
        added: [("minid", "6.2.0"), ("count", "6.2.0")], run: xtrim)

    @Sendable static func xtrim(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let request = try StreamRequest(trimming: args, &call)
        guard let place = try call.find(args.key, as: .stream), let trim = request.trim else {
            return reply.integer(0)
        }
        let removed = place.record.stream.trim(trim, &call.database.heap)
        if removed > 0 {
            call.effects.dirty &+= removed - 1
            call.changed(args.key, .stream, "xtrim")
            if trim.isApproximate {
                let border = request.exactBorder(place.record)
                call.propagate("XTRIM") { words in
                    words.append(args[1])
                    words.append(border, request.references)
                }
            }
        }
        reply.integer(Int64(removed))
    }

    // MARK: - Setting

    static let XSETID = Command(
        "XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
        [.write, .denyOOM, .fast], keys: .updates, since: "5.0.0", complexity: "O(1)",
        summary: "Sets what a stream remembers of its past; for the server's own use.",
        history: [("7.0.0", "The arguments `entries_added` and `max_deleted_entry_id`.")],
        added: [("entries-added", "7.0.0"), ("max-deleted-id", "7.0.0")], run: xsetid)

    @Sendable static func xsetid(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let last = try id(args[2])
        var added: Int64?, deleted = StreamID.zero
        var options = args.options(from: 3)
        while let option = options.next() {
            guard options.remaining > 0 else { throw .syntax }
            switch option {
            case "ENTRIESADDED":
                let n = try options.integer()
                guard n >= 0 else { throw call.failed("ERR entries_added must be positive") }
                added = n
            case "MAXDELETEDID":
                deleted = try id(args[try options.position()])
                guard last >= deleted else {
                    throw call.failed(
                        "ERR The ID specified in XSETID is smaller than the provided "
                            + "max_deleted_entry_id")
                }
            default: throw .syntax
            }
        }
        guard let place = try call.find(args.key, as: .stream) else { throw .noSuchKey }
        let record = place.record
        guard last >= record.stream.maxDeletedID else {
            throw call.failed(
                "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
        }
        if let top = record.stream.lastEntryID {
            guard last >= top else {
                throw call.failed(
                    "ERR The ID specified in XSETID is smaller than the target stream top item")
            }
            guard added == nil || Int64(record.stream.count) <= added ?? 0 else {
                throw call.failed(
                    "ERR The entries_added specified in XSETID is smaller than the target stream "
                        + "length")
            }
        }
        record.stream.lastID = last
        if let added { record.stream.entriesAdded = UInt64(added) }
        if deleted != .zero { record.stream.maxDeletedID = deleted }
        call.changed(args.key, .stream, "xsetid")
        reply.ok()
    }
}

extension Call {
    /// Removes the entry called `id` from the stream at `place`; false when there is none.
    mutating func removeEntry(_ id: StreamID, _ place: HashTable.Place) -> Bool {
        guard place.record.stream.remove(id, &database.heap) else { return false }
        if id > place.record.stream.maxDeletedID { place.record.stream.maxDeletedID = id }
        return true
    }
}
