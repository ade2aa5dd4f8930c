//  Lists.swift — the list commands that work on one key and never wait.

enum Lists {
    static let family = Family(
        group: .list,
        commands: [
            LPUSH, RPUSH, LPUSHX, RPUSHX, LPOP, RPOP, LLEN, LINDEX, LRANGE, LPOS, LINSERT, LSET,
            LREM, LTRIM, LMOVE, RPOPLPUSH, LMPOP, BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP,
        ])

    // MARK: - Adding

    private static let pushComplexity: StaticString = "O(1) for each element."

    static let LPUSH = Command(
        "LPUSH key element [element ...]", [.write, .denyOOM, .fast], keys: .appends,
        since: "1.0.0",
        complexity: pushComplexity,
        summary: "Adds elements at the head of a list, which is made if there is none.",
        history: [("2.4.0", "Takes more than one element.")], run: lpush)

    @Sendable static func lpush(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try push(args, .head, mustExist: false, &call, &reply)
    }

    static let RPUSH = Command(
        "RPUSH key element [element ...]", [.write, .denyOOM, .fast], keys: .appends,
        since: "1.0.0",
        complexity: pushComplexity,
        summary: "Adds elements at the tail of a list, which is made if there is none.",
        history: [("2.4.0", "Takes more than one element.")], run: rpush)

    @Sendable static func rpush(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try push(args, .tail, mustExist: false, &call, &reply)
    }

    static let LPUSHX = Command(
        "LPUSHX key element [element ...]", [.write, .denyOOM, .fast], keys: .appends,
        since: "2.2.0",
        complexity: pushComplexity,
        summary: "Adds elements at the head of a list that exists.",
        history: [("4.0.0", "Takes more than one element.")], run: lpushx)

    @Sendable static func lpushx(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try push(args, .head, mustExist: true, &call, &reply)
    }

    static let RPUSHX = Command(
        "RPUSHX key element [element ...]", [.write, .denyOOM, .fast], keys: .appends,
        since: "2.2.0",
        complexity: pushComplexity,
        summary: "Adds elements at the tail of a list that exists.",
        history: [("4.0.0", "Takes more than one element.")], run: rpushx)

    @Sendable static func rpushx(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try push(args, .tail, mustExist: true, &call, &reply)
    }

    @inline(__always) private static func push(
        _ args: borrowing Arguments, _ end: ListEnd, mustExist: Bool, _ call: inout Call,
        _ reply: inout Reply
    ) throws(CommandError) {
        let place = try call.find(args.key, as: .list)
        if place == nil, mustExist { return reply.integer(0) }
        let count = call.push(args, from: 2, at: end, args.key, place)
        if place == nil { call.created(args.key) }
        call.changed(args.key, .list, end == .head ? "lpush" : "rpush")
        reply.integer(Int64(count))
    }

    // MARK: - Taking away

    private static let popComplexity: StaticString =
        "O(N) where N is the number of elements that are returned."

    static let LPOP = Command(
        "LPOP key [count]", [.write, .fast], keys: .readsAndDeletes, since: "1.0.0",
        complexity: popComplexity,
        summary: "Removes the first elements of a list and returns them.",
        history: [("6.2.0", "Argument `count`.")], added: [("count", "6.2.0")], run: lpop)

    @Sendable static func lpop(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try pop(args, .head, &call, &reply)
    }

    static let RPOP = Command(
        "RPOP key [count]", [.write, .fast], keys: .readsAndDeletes, since: "1.0.0",
        complexity: popComplexity,
        summary: "Removes the last elements of a list and returns them.",
        history: [("6.2.0", "Argument `count`.")], added: [("count", "6.2.0")], run: rpop)

    @Sendable static func rpop(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try pop(args, .tail, &call, &reply)
    }

    @inline(__always) private static func pop(
        _ args: borrowing Arguments, _ end: ListEnd, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        if args.count > 2 { return try popMany(args, end, &call, &reply) }
        guard let place = try call.find(args.key, as: .list) else { return reply.null() }
        let record = place.record
        reply.string(record.listElement(record.listPosition(of: end)))
        call.takeElements(1, from: end, args.key, place)
    }

    @inline(never) private static func popMany(
        _ args: borrowing Arguments, _ end: ListEnd, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard args.count == 3 else { throw .wrongArity }
        guard let count = Numbers.integer(args[2]), count >= 0 else { throw .notPositive }
        guard let place = try call.find(args.key, as: .list) else { return reply.nullArray() }
        if count == 0 { return reply.array(0) }
        answerAndTake(count, from: end, args.key, place, &call, &reply)
    }

    /// Replies with up to `count` elements from an end on, and removes them.
    static func answerAndTake(
        _ count: Int64, from end: ListEnd, _ key: borrowing Key, _ place: HashTable.Place,
        _ call: inout Call, _ reply: inout Reply
    ) {
        let length = place.record.listCount
        let n = Int(min(count, Int64(length)))
        reply.array(n)
        if end == .head {
            place.record.forEachElement(from: 0, count: n) { reply.string($0) }
        } else {
            place.record.forEachElementBackwards(from: length - 1, count: n) { reply.string($0) }
        }
        call.takeElements(n, from: end, key, place)
    }

    static let LREM = Command(
        "LREM key count element", [.write], keys: .deletesFrom, since: "1.0.0",
        complexity: "O(N+M) where N is the length of the list and M the number of removals.",
        summary: "Removes elements that equal a given one.", run: lrem)

    @Sendable static func lrem(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let count = try signedCount(args, 2, &call)
        guard let place = try call.find(args.key, as: .list) else { return reply.integer(0) }
        // Below zero: from the tail on; zero: all of them.
        let most = count == 0 ? Int.max : Int(count.magnitude)
        let removed =
            count < 0
            ? removeFromTail(args[3], most, place, &call)
            : removeFromHead(args[3], most, place, &call)
        reply.integer(Int64(removed))
        if removed == 0 { return }
        call.changed(args.key, .list, "lrem")
        call.finishRemoval(args.key, place, isEmpty: place.record.listCount == 0)
    }

    private static func removeFromHead(
        _ text: Bytes, _ most: Int, _ place: HashTable.Place, _ call: inout Call
    ) -> Int {
        var removed = 0
        var position = place.record.listPosition(of: .head)
        while removed < most, let found = place.record.listFind(text, from: position) {
            let length = place.record.listCount
            let isLastOfRun = place.record.isAloneInRun(found)
            call.removeElement(found, place)
            removed += 1
            if length == 1 { break }
            // What followed stands where it stood; an emptied run is gone and the next in its place.
            position = isLastOfRun ? ListPosition(chunk: found.chunk, offset: 0) : found
        }
        return removed
    }

    private static func removeFromTail(
        _ text: Bytes, _ most: Int, _ place: HashTable.Place, _ call: inout Call
    ) -> Int {
        let pattern = ElementPattern(text)
        var removed = 0
        var position: ListPosition? = place.record.listPosition(of: .tail)
        while removed < most, let current = position {
            position = place.record.listPosition(next: current, towards: .head)
            guard pattern.matches(place.record.listElement(current)) else { continue }
            call.removeElement(current, place)
            removed += 1
        }
        return removed
    }

    /// A count that may be negative; its opposite must be an integer too.
    private static func signedCount(
        _ args: borrowing Arguments, _ i: Int, _ call: inout Call
    ) throws(CommandError) -> Int64 {
        let count = try args.integer(i)
        guard count > .min else {
            throw call.failed(
                "ERR value is out of range, value must between -9223372036854775807 and "
                    + "9223372036854775807")
        }
        return count
    }

    static let LTRIM = Command(
        "LTRIM key start stop", [.write], keys: .deletesFrom, since: "1.0.0",
        complexity: "O(N) where N is the number of elements that are removed.",
        summary: "Removes the elements outside a range of positions.", run: ltrim)

    @Sendable static func ltrim(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let start = try args.integer(2), stop = try args.integer(3)
        guard let place = try call.find(args.key, as: .list) else { return reply.ok() }
        let length = place.record.listCount
        let kept = range(start, stop, length) ?? length..<length
        let isEmpty = kept.isEmpty
        if !isEmpty {
            call.dropElements(kept.lowerBound, from: .head, place)
            call.dropElements(length - kept.upperBound, from: .tail, place)
        }
        call.changed(args.key, .list, "ltrim")
        call.finishRemoval(args.key, place, isEmpty: isEmpty)
        reply.ok()
    }

    // MARK: - Looking

    static let LLEN = Command(
        "LLEN key", [.readonly, .fast], keys: .inspects, since: "1.0.0",
        complexity: "O(1)", summary: "Returns the number of elements of a list.", run: llen)

    @Sendable static func llen(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let place = try call.look(args.key, as: .list)
        reply.integer(Int64(place?.record.listCount ?? 0))
    }

    static let LINDEX = Command(
        "LINDEX key index", [.readonly], keys: .reads, since: "1.0.0",
        complexity: "O(N) where N is the distance of the element from the nearer end.",
        summary: "Returns the element at a position.", run: lindex)

    @Sendable static func lindex(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.look(args.key, as: .list) else { return reply.null() }
        let record = place.record
        guard let index = position(try args.integer(2), record.listCount) else {
            return reply.null()
        }
        reply.string(record.listElement(record.listPosition(at: index)))
    }

    static let LRANGE = Command(
        "LRANGE key start stop", [.readonly], keys: .reads, since: "1.0.0",
        complexity: """
            O(S+N) where S is the distance of the start from the nearer end and N the number of \
            elements that are returned.
            """,
        summary: "Returns the elements in a range of positions.", run: lrange)

    @Sendable static func lrange(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let start = try args.integer(2), stop = try args.integer(3)
        guard let place = try call.look(args.key, as: .list),
            let range = range(start, stop, place.record.listCount)
        else { return reply.array(0) }
        reply.array(range.count)
        place.record.forEachElement(from: range.lowerBound, count: range.count) {
            reply.string($0)
        }
    }

    /// The position in a list of `length` elements that `index` means, counted from the end if it
    /// is negative; nil when there is none.
    private static func position(_ index: Int64, _ length: Int) -> Int? {
        let i = index < 0 ? index + Int64(length) : index
        return i >= 0 && i < Int64(length) ? Int(i) : nil
    }

    /// The positions from `start` to `stop`, as far as there are any.
    private static func range(_ start: Int64, _ stop: Int64, _ length: Int) -> Range<Int>? {
        let n = Int64(length)
        let first = max(start < 0 ? start + n : start, 0)
        let last = min(stop < 0 ? stop + n : stop, n - 1)
        return first <= last ? Int(first)..<Int(last) + 1 : nil
    }
}
