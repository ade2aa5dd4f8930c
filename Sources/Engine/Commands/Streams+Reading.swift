//  Streams+Reading.swift — entries behind an ID, from several streams: XREAD and XREADGROUP.
//
//  A command that finds nothing may wait; it runs again when one of its streams has changed.

extension Streams {
    static let XREAD = Command(
        "XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
        [.readonly, .blocking], keys: .reads, since: "5.0.0",
        complexity: "For each stream O(M) for M entries returned.",
        summary: "Returns the entries of streams behind IDs; waits for some.", run: xread)

    @Sendable static func xread(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let request = try ReadRequest(args, 1, isGroup: false, &call)
        var places: [(word: Int, place: HashTable.Place, behind: StreamID)] = []
        var fixed: [Int: [UInt8]] = [:]
        var missing: [Int] = []
        for i in 0..<request.streamCount {
            let word = request.firstKey + i, idWord = word + request.streamCount
            let place = try call.look(call.key(args[word]), as: .stream)
            let behind = try self.behind(args[idWord], place, &call)
            if place == nil { missing.append(word) }
            if isSymbol(args[idWord], UInt8(ascii: "$")) {
                let text = StreamIDText(behind)
                fixed[idWord] = text.bytes.array
            }
            guard let place, let last = place.record.stream.lastEntryID, last > behind else {
                continue
            }
            places.append((word, place, behind))
        }
        // Redis looks twice, and whoever hears of misses knows it so.
        for word in missing { _ = call.look(call.key(args[word])) }
        guard !places.isEmpty else {
            return request.wait(args, replacing: fixed, needsKeys: false, &call, &reply)
        }
        if reply.version == .resp3 { reply.map(places.count) } else { reply.array(places.count) }
        for (word, place, behind) in places {
            if reply.version == .resp2 { reply.array(2) }
            reply.bulk(args[word])
            reply.entries(
                of: place.record.stream, from: behind.next ?? .max, through: .max,
                count: request.count)
        }
    }

    private static func isSymbol(_ word: Bytes, _ symbol: UInt8) -> Bool {
        word.count > 0 && word[0] == symbol && (word.count == 1 || word[1] == 0)
    }

    /// The ID that entries have to be behind.
    private static func behind(
        _ word: Bytes, _ place: HashTable.Place?, _ call: inout Call
    ) throws(CommandError) -> StreamID {
        if isSymbol(word, UInt8(ascii: "$")) { return place?.record.stream.lastID ?? .zero }
        if isSymbol(word, UInt8(ascii: "+")) {
            guard let stream = place?.record.stream.lastID else { return .zero }
            return place?.record.stream.lastEntryID?.previous ?? stream
        }
        if isSymbol(word, UInt8(ascii: ">")) {
            throw call.failed(
                "ERR The > ID can be specified only when calling XREADGROUP using the GROUP "
                    + "<group> <consumer> option.")
        }
        return try id(word)
    }

    // MARK: - Requests

    /// What stands in front of the streams, and where they stand.
    private struct ReadRequest {
        var count = Int.max
        /// Until when to wait; nil for not at all.
        private var deadline: Int64?
        var isAcknowledged = false
        /// Positions of words; 0 for none.
        var group = 0
        var firstKey = 0
        var streamCount = 0

        init(
            _ args: borrowing Arguments, _ first: Int, isGroup: Bool, _ call: inout Call
        ) throws(CommandError) {
            var i = first
            while i < args.count, firstKey == 0 {
                let more = args.count - i - 1
                switch Token(word: args.word(i)) {
                case "BLOCK" where more > 0:
                    i += 1
                    deadline = try Self.deadline(args[i], &call)
                case "COUNT" where more > 0:
                    i += 1
                    let value = try args.integer(i)
                    count = value > 0 ? Int(value) : .max
                case "STREAMS" where more > 0:
                    guard more % 2 == 0 else { throw Self.unbalanced(isGroup, &call) }
                    firstKey = i + 1
                    streamCount = more / 2
                case "GROUP" where more >= 2:
                    guard isGroup else {
                        throw call.failed(
                            "ERR The GROUP option is only supported by XREADGROUP. "
                                + "You called XREAD instead.")
                    }
                    group = i + 1
                    i += 2
                case "NOACK":
                    guard isGroup else {
                        throw call.failed(
                            "ERR The NOACK option is only supported by XREADGROUP. "
                                + "You called XREAD instead.")
                    }
                    isAcknowledged = true
                default: throw .syntax
                }
                i += 1
            }
            guard firstKey > 0 else { throw .syntax }
            if isGroup, group == 0 {
                throw call.failed("ERR Missing GROUP option for XREADGROUP")
            }
        }

        private static func unbalanced(_ isGroup: Bool, _ call: inout Call) -> CommandError {
            call.failed(
                isGroup
                    ? "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or "
                        + "'>' must be specified."
                    : "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or "
                        + "'$' must be specified.")
        }

        /// The time that a number of milliseconds leads to; `Int64.max` for 0.
        private static func deadline(
            _ word: Bytes, _ call: inout Call
        ) throws(CommandError) -> Int64 {
            guard let value = Numbers.integer(word) else { throw .timeoutNotAnInteger }
            if value < 0 { throw .timeoutNegative }
            if value == 0 { return .max }
            let (sum, overflow) = call.now.addingReportingOverflow(value)
            if overflow { throw .timeoutOutOfRange }
            return sum
        }

        /// Nothing was found.
        func wait(
            _ args: borrowing Arguments, replacing others: [Int: [UInt8]], needsKeys: Bool,
            _ call: inout Call, _ reply: inout Reply
        ) {
            guard let deadline, call.mayBlock else { return reply.nullArray() }
            call.block(
                args, keys: firstKey..<(firstKey + streamCount), on: .stream, until: deadline,
                timeoutReply: .nullArray, replacing: others, needsKeys: needsKeys)
        }
    }

    // MARK: - With a group

    static let XREADGROUP = Command(
        """
        XREADGROUP {GROUP group consumer} [COUNT count] [BLOCK milliseconds] [NOACK] \
        STREAMS key [key ...] id [id ...]
        """,
        [.write, .blocking], keys: .reads, since: "5.0.0",
        complexity: "For each stream O(M) for M entries returned.",
        summary: """
            Returns entries of streams that a group has yet to read, or that its consumer has \
            pending; waits for some.
            """,
        names: ["group-block"], run: xreadgroup)

    /// One stream of XREADGROUP.
    private struct GroupRead {
        let word: Int
        let place: HashTable.Place
        let group: StreamGroup
        /// Where to begin with what the consumer has pending; nil for entries that are new.
        let history: StreamID?
    }

    @Sendable static func xreadgroup(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let request = try ReadRequest(args, 1, isGroup: true, &call)
        var reads: [GroupRead] = []
        reads.reserveCapacity(request.streamCount)
        for i in 0..<request.streamCount {
            reads.append(try read(args, request, i, &call))
        }
        let mark = reply.open()
        var served = 0
        for read in reads {
            let key = call.key(args[read.word])
            let before = read.place.record.stream.isUneven
            let (consumer, isNew) = call.consumer(args[request.group + 1], of: read.group, key)
            var isFound = read.history != nil
            if !isFound, let last = read.place.record.stream.lastEntryID {
                isFound = last > read.group.state.last
            }
            if isNew, !isFound || read.history != nil || request.isAcknowledged {
                call.propagate(consumer: consumer.name, of: read.group, key.bytes)
            }
            if isFound {
                served += 1
                if reply.version == .resp2 { reply.array(2) }
                reply.bulk(args[read.word])
                if let start = read.history {
                    answer(read, consumer, from: start, request, &call, &reply)
                } else {
                    deliver(read, consumer, request, key, &call, &reply)
                }
            }
            call.database.noteTimes(read.place.record, wereUneven: before)
        }
        // What was not propagated in other words need not be.
        call.propagateNothing()
        guard served > 0 else {
            return request.wait(args, replacing: [:], needsKeys: true, &call, &reply)
        }
        if reply.version == .resp3 {
            reply.close(map: mark, count: served)
        } else {
            reply.close(array: mark, count: served)
        }
    }

    private static func read(
        _ args: borrowing Arguments, _ request: ReadRequest, _ i: Int, _ call: inout Call
    ) throws(CommandError) -> GroupRead {
        let word = request.firstKey + i
        let key = call.key(args[word])
        guard let place = try call.look(key, as: .stream),
            let group = place.record.stream.group(args[request.group])
        else {
            throw call.noGroup(
                key.bytes, args[request.group], " in XREADGROUP with GROUP option")
        }
        let text = args[word + request.streamCount]
        for symbol in ["$", "+"] where isSymbol(text, symbol.utf8.first ?? 0) {
            throw call.failed(
                "ERR The \(symbol) ID is meaningless in the context of XREADGROUP: you want to "
                    + "read the history of this consumer by specifying a proper ID, or use the > "
                    + "ID to get new messages. The \(symbol) ID would just return an empty result "
                    + "set.")
        }
        if isSymbol(text, UInt8(ascii: ">")) {
            return GroupRead(word: word, place: place, group: group, history: nil)
        }
        return GroupRead(word: word, place: place, group: group, history: try id(text).next)
    }

    /// Replies with what the consumer has pending behind an ID; each entry is delivered once more.
    private static func answer(
        _ read: GroupRead, _ consumer: StreamConsumer, from start: StreamID,
        _ request: ReadRequest, _ call: inout Call, _ reply: inout Reply
    ) {
        let mark = reply.open()
        var n = 0
        let record = read.place.record
        consumer.state.pending.forEach(from: start) { id, value in
            n += 1
            if record.stream.with(id, { reply.entry($0) }) {
                let entry = PendingEntry(value)
                read.group.update(
                    id, entry, time: call.now, deliveries: entry.deliveries &+ 1,
                    &call.database.heap)
            } else {
                reply.array(2)
                reply.bulk(id)
                reply.nullArray()
            }
            return n < request.count
        }
        reply.close(array: mark, count: n)
    }

    /// Replies with entries that the group has yet to read; they are pending from now on.
    private static func deliver(
        _ read: GroupRead, _ consumer: StreamConsumer, _ request: ReadRequest,
        _ key: borrowing Key, _ call: inout Call, _ reply: inout Reply
    ) {
        let group = read.group, record = read.place.record
        let mark = reply.open()
        var n = 0
        record.stream.forEach(from: group.state.last.next ?? .max, through: .max) { entry in
            reply.entry(entry)
            record.stream.advance(group, to: entry.id)
            if !request.isAcknowledged {
                let pending = call.deliver(entry.id, group, consumer)
                call.propagate(claim: entry.id, pending, of: group, key.bytes)
            }
            n &+= 1
            return n < request.count
        }
        // Whoever need not acknowledge is not active, as Redis counts.
        if !request.isAcknowledged {
            group.note(
                consumer, seen: call.consumerTime, active: call.consumerTime, &call.database.heap)
        }
        call.propagate(positionOf: group, key.bytes)
        call.effects.dirty &+= n
        reply.close(array: mark, count: n)
    }
}

extension Call {
    /// Makes an entry pending with `consumer`, whoever may have had it.
    @inline(__always) fileprivate mutating func deliver(
        _ id: StreamID, _ group: StreamGroup, _ consumer: StreamConsumer
    ) -> PendingEntry {
        let time = now
        if let fresh = group.deliver(id, to: consumer, at: time, &database.heap) { return fresh }
        guard let entry = group.pending(id) else {
            preconditionFailure("an entry is pending and is not")
        }
        group.move(id, entry, to: consumer, &database.heap)
        group.update(id, entry, time: time, deliveries: 1, &database.heap)
        return entry
    }
}
