//  Streams+Pending.swift — what consumers have pending, and how others take it over.

extension Streams {
    static let XPENDING = Command(
        """
        XPENDING key group [[IDLE min-idle-time:integer] start:string end:string count \
        [consumer]]
        """,
        [.readonly], keys: .reads, since: "5.0.0",
        complexity: "O(N) for N entries returned, or looked at because of IDLE.",
        summary: "Tells what the consumers of a group have pending.",
        history: [("6.2.0", "Option `IDLE` and exclusive ends.")],
        tips: ["nondeterministic_output"], names: ["filters"],
        added: [("min-idle-time", "6.2.0")], run: xpending)

    /// Which pending entries to list.
    private struct PendingRequest {
        var idle: Int64 = 0
        var first = StreamID.zero
        var last = StreamID.max
        var count: Int64 = 0
        /// Position of the consumer's name; 0 for all.
        var consumer = 0
    }

    @Sendable static func xpending(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var request: PendingRequest?
        if args.count > 3 { request = try pendingRequest(args, &call) }
        guard let place = try call.look(args.key, as: .stream),
            let group = place.record.stream.group(args[2])
        else { throw call.noGroup(args[1], args[2]) }
        guard let request else { return summary(group, &reply) }
        var consumer: StreamConsumer?
        if request.consumer > 0 {
            consumer = group.consumer(args[request.consumer])
            if consumer == nil { return reply.array(0) }
        }
        let mark = reply.open()
        var n: Int64 = 0
        let now = call.now
        func list(_ id: StreamID, _ value: UInt) -> Bool {
            let entry = PendingEntry(value)
            if id > request.last || n >= request.count { return false }
            if request.idle > 0, now &- entry.time < request.idle { return true }
            n += 1
            reply.array(4)
            reply.bulk(id)
            reply.bulk(entry.consumer.name)
            reply.integer(max(now &- entry.time, 0))
            reply.integer(entry.deliveries)
            return true
        }
        if let consumer {
            consumer.state.pending.forEach(from: request.first, list)
        } else {
            group.state.pending.forEach(from: request.first, list)
        }
        reply.close(array: mark, count: Int(n))
    }

    private static func pendingRequest(
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) -> PendingRequest {
        guard 6...9 ~= args.count else { throw .syntax }
        var request = PendingRequest()
        var i = 3
        if case "IDLE" = Token(word: args.word(3)) {
            request.idle = try args.integer(4)
            guard args.count >= 8 else { throw .syntax }
            i = 5
        }
        request.count = max(try args.integer(i + 2), 0)
        request.first = try start(args[i], &call)
        request.last = try end(args[i + 1], &call)
        if i + 3 < args.count { request.consumer = i + 3 }
        return request
    }

    private static func summary(_ group: StreamGroup, _ reply: inout Reply) {
        reply.array(4)
        reply.integer(Int64(group.state.pending.count))
        guard let first = group.state.pending.first, let last = group.state.pending.last else {
            reply.null()
            reply.null()
            return reply.nullArray()
        }
        reply.bulk(first.id)
        reply.bulk(last.id)
        let mark = reply.open()
        var n = 0
        for i in 0..<group.consumerCount {
            let consumer = group.consumer(at: i)
            if consumer.state.pending.count == 0 { continue }
            n += 1
            reply.array(2)
            reply.bulk(consumer.name)
            reply.integerBulk(Int64(consumer.state.pending.count))
        }
        reply.close(array: mark, count: n)
    }

    // MARK: - Claiming

    static let XCLAIM = Command(
        """
        XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] \
        [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]
        """,
        [.write, .fast], keys: .updates, since: "5.0.0",
        complexity: "O(log N) for each entry, where N are pending in the group.",
        summary: "Makes entries that are pending with others the consumer's own.",
        tips: ["nondeterministic_output"], run: xclaim)

    /// What XCLAIM says.
    private struct ClaimRequest {
        /// Positions of IDs.
        var ids = 5..<5
        var idle: Int64 = 0
        var time: Int64 = -1
        var deliveries: Int64 = -1
        var isForced = false
        var repliesWithIDs = false
        var last = StreamID.zero
    }

    @Sendable static func xclaim(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let (place, group) = try call.findGroup(args.key, args[2])
        let request = try claimRequest(args, &call)
        var movesOn = false
        if request.last > group.state.last {
            group.state.last = request.last
            movesOn = true
        }
        let before = place.record.stream.isUneven
        let (consumer, isNew) = call.consumer(args[3], of: group, args.key)
        let mark = reply.open()
        var n = 0
        for i in request.ids {
            guard let id = StreamID(args[i]) else { continue }
            guard place.record.stream.contains(id) else {
                // It is gone, so nobody can do anything with it.
                call.drop(id, of: group, args[1])
                continue
            }
            guard let entry = claim(id, group, consumer, request, &call) else { continue }
            n += 1
            answer(id, justID: request.repliesWithIDs, place.record, &reply)
            call.propagate(claim: id, entry, of: group, args[1])
            movesOn = false
        }
        if n > 0 {
            group.note(
                consumer, seen: call.consumerTime, active: call.consumerTime, &call.database.heap)
        }
        call.database.noteTimes(place.record, wereUneven: before)
        if isNew, n == 0 { call.propagate(consumer: consumer.name, of: group, args[1]) }
        if movesOn { call.propagate(positionOf: group, args[1]) }
        if movesOn || n > 0 { call.effects.dirty &+= max(n, 1) }
        call.propagateNothing()
        reply.close(array: mark, count: n)
    }

    private static func answer(
        _ id: StreamID, justID: Bool, _ record: Record, _ reply: inout Reply
    ) {
        if justID { return reply.bulk(id) }
        _ = record.stream.with(id) { reply.entry($0) }
    }

    /// Gives an entry that exists to `consumer`; nil when it may not have it.
    private static func claim(
        _ id: StreamID, _ group: StreamGroup, _ consumer: StreamConsumer,
        _ request: ClaimRequest, _ call: inout Call
    ) -> PendingEntry? {
        let entry: PendingEntry
        if let pending = group.pending(id) {
            if request.idle > 0, call.now &- pending.time < request.idle { return nil }
            group.move(id, pending, to: consumer, &call.database.heap)
            entry = pending
        } else {
            guard request.isForced,
                let fresh = group.deliver(id, to: consumer, at: call.now, &call.database.heap)
            else { return nil }
            entry = fresh
        }
        var deliveries = entry.deliveries
        if request.deliveries >= 0 {
            deliveries = request.deliveries
        } else if !request.repliesWithIDs {
            deliveries &+= 1
        }
        group.update(
            id, entry, time: request.time, deliveries: deliveries, &call.database.heap)
        return entry
    }

    private static func claimRequest(
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) -> ClaimRequest {
        var request = ClaimRequest()
        request.idle = try number(args[4], "min-idle-time argument for XCLAIM", &call)
        var i = 5
        while i < args.count, StreamID(args[i]) != nil { i += 1 }
        request.ids = 5..<i
        while i < args.count {
            let hasMore = i + 1 < args.count
            switch Token(word: args.word(i)) {
            case "FORCE": request.isForced = true
            case "JUSTID": request.repliesWithIDs = true
            case "IDLE" where hasMore:
                i += 1
                request.time =
                    call.now &- (try number(args[i], "IDLE option argument for XCLAIM", &call))
            case "TIME" where hasMore:
                i += 1
                request.time = try number(args[i], "TIME option argument for XCLAIM", &call)
            case "RETRYCOUNT" where hasMore:
                i += 1
                request.deliveries = try number(
                    args[i], "RETRYCOUNT option argument for XCLAIM", &call)
            case "LASTID" where hasMore:
                i += 1
                request.last = try id(args[i])
            default:
                throw call.failed("ERR Unrecognized XCLAIM option '", args[i], "'")
            }
            i += 1
        }
        // A time that cannot be is most likely another clock's.
        let now = call.consumerTime
        if request.time < 0 || request.time > now { request.time = now }
        return request
    }

    private static func number(
        _ word: Bytes, _ what: String, _ call: inout Call
    ) throws(CommandError) -> Int64 {
        guard let value = Numbers.integer(word) else {
            throw call.failed("ERR Invalid \(what)")
        }
        return value
    }

    // MARK: - Claiming what is there

    static let XAUTOCLAIM = Command(
        "XAUTOCLAIM key group consumer min-idle-time start:string [COUNT count] [JUSTID]",
        [.write, .fast], keys: .deletesFrom, since: "6.2.0",
        complexity: "O(1) if COUNT is small.",
        summary: "Makes entries that have been pending for long the consumer's own.",
        history: [("7.0.0", "Returns the IDs of entries that were gone.")],
        tips: ["nondeterministic_output"], run: xautoclaim)

    /// Entries that are looked at for each that is wanted.
    private static var attemptsPerEntry: Int64 { 10 }

    /// Reads what XAUTOCLAIM asks for: where to begin, and how many entries to claim.
    private static func readAutoclaim(
        _ args: borrowing Arguments, _ request: inout ClaimRequest, _ call: inout Call
    ) throws(CommandError) -> (StreamID, Int64) {
        request.idle = try number(args[4], "min-idle-time argument for XAUTOCLAIM", &call)
        request.time = call.consumerTime
        let first = try start(args[5], &call)
        var count: Int64 = 100
        var options = args.options(from: 6)
        while let option = options.next() {
            switch option {
            case "COUNT" where options.remaining > 0:
                let word = try options.position()
                guard let value = Numbers.integer(args[word]), 1...(Int64.max / 16) ~= value else {
                    throw call.failed("ERR COUNT must be > 0")
                }
                count = value
            case "JUSTID": request.repliesWithIDs = true
            default: throw .syntax
            }
        }
        return (first, count)
    }

    @Sendable static func xautoclaim(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var request = ClaimRequest()
        let first: StreamID
        let count: Int64
        do throws(CommandError) {
            (first, count) = try readAutoclaim(args, &request, &call)
        } catch {
            // The key counts as looked for all the same.
            _ = call.look(args.key)
            throw error
        }
        let (place, group) = try call.findGroup(args.key, args[2])
        guard count <= claimsMax else {
            throw call.failed(
                "ERR Insufficient memory, failed allocating transient memory, COUNT too high.")
        }
        let before = place.record.stream.isUneven
        let (consumer, isNew) = call.consumer(args[3], of: group, args.key)
        let (next, found) = candidates(
            group, from: first, count: count, idle: request.idle, call.now, place.record)
        reply.array(3)
        reply.bulk(next)
        let claimed = found.filter(\.exists)
        reply.array(claimed.count)
        for candidate in found {
            guard candidate.exists else {
                call.drop(candidate.id, of: group, args[1])
                continue
            }
            guard let entry = claim(candidate.id, group, consumer, request, &call) else {
                preconditionFailure("an entry that was pending is not")
            }
            answer(
                candidate.id, justID: request.repliesWithIDs, place.record, &reply)
            call.propagate(claim: candidate.id, entry, of: group, args[1])
        }
        if !claimed.isEmpty {
            group.note(
                consumer, seen: call.consumerTime, active: call.consumerTime, &call.database.heap)
        }
        call.database.noteTimes(place.record, wereUneven: before)
        if isNew, claimed.isEmpty {
            call.propagate(consumer: consumer.name, of: group, args[1])
        }
        call.effects.dirty &+= found.count
        call.propagateNothing()
        reply.array(found.count - claimed.count)
        for candidate in found where !candidate.exists { reply.bulk(candidate.id) }
    }

    /// More cannot be asked for: Redis would not find the memory.
    private static var claimsMax: Int64 { 1 << 36 }

    /// Entries that are pending long enough, or gone, and where to go on.
    private static func candidates(
        _ group: StreamGroup, from first: StreamID, count: Int64, idle: Int64, _ now: Int64,
        _ record: Record
    ) -> (next: StreamID, found: [(id: StreamID, exists: Bool)]) {
        var found: [(id: StreamID, exists: Bool)] = []
        var attempts = count * attemptsPerEntry
        var next = StreamID.zero
        group.state.pending.forEach(from: first) { id, value in
            if attempts == 0 || Int64(found.count) == count {
                next = id
                return false
            }
            attempts -= 1
            if !record.stream.contains(id) {
                found.append((id, false))
            } else if idle <= 0 || now &- PendingEntry(value).time >= idle {
                found.append((id, true))
            }
            return true
        }
        return (next, found)
    }
}

extension Call {
    /// An entry that is gone from its stream is pending no more.
    fileprivate mutating func drop(_ id: StreamID, of group: StreamGroup, _ key: Bytes) {
        guard group.acknowledge(id, &database.heap) else { return }
        effects.dirty &+= 1
        propagate(acknowledged: id, of: group, key)
    }
}
