//  Lists+Positions.swift — list commands that find an element and work where it is.

extension Lists {
    // MARK: - Changing

    static let LSET = Command(
        "LSET key index element", [.write, .denyOOM], keys: .updates, since: "1.0.0",
        complexity:
            "O(N) where N is the distance of the element from the nearer end; O(1) at the ends.",
        summary: "Replaces the element at a position.", run: lset)

    @Sendable static func lset(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = try call.find(args.key, as: .list) else { throw .noSuchKey }
        let index = try args.integer(2)
        call.growList(args.key, place, by: args[3].count, count: 1)
        let n = Int64(place.record.listCount)
        let i = index < 0 ? index + n : index
        guard i >= 0, i < n else { throw call.failed("ERR index out of range") }
        let position = place.record.listPosition(at: Int(i))
        call.replaceElement(position, by: PackedEntry(args[3]), place)
        call.changed(args.key, .list, "lset")
        call.shrinkList(args.key, place)
        reply.ok()
    }

    static let LINSERT = Command(
        "LINSERT key <BEFORE | AFTER> pivot element", [.write, .denyOOM], keys: .appends,
        since: "2.2.0",
        complexity: "O(N) where N is the number of elements in front of the pivot.",
        summary: "Adds an element before or after another one.", names: ["where"], run: linsert)

    @Sendable static func linsert(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let isBehind: Bool
        switch args.word(2) {
        case "BEFORE": isBehind = false
        case "AFTER": isBehind = true
        default: throw .syntax
        }
        guard let place = try call.find(args.key, as: .list) else { return reply.integer(0) }
        // As in Redis the encoding changes even if the pivot is not found.
        call.growList(args.key, place, by: args[4].count, count: 1)
        let start = place.record.listPosition(of: .head)
        guard let position = place.record.listFind(args[3], from: start) else {
            return reply.integer(-1)
        }
        call.insertElement(PackedEntry(args[4]), behind: isBehind, position, place)
        call.changed(args.key, .list, "linsert")
        reply.integer(Int64(place.record.listCount))
    }

    // MARK: - Searching

    static let LPOS = Command(
        "LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]", [.readonly],
        keys: .reads, since: "6.0.6",
        complexity: "O(N) where N is the number of elements that are looked at.",
        summary: "Returns the positions of elements that equal a given one.", run: lpos)

    /// What LPOS looks for.
    private struct Search {
        /// Number of the first match that counts; below zero from the tail on.
        var rank: Int64 = 1
        /// Matches to return; nil for one that is not in an array, 0 for all.
        var count: Int64?
        /// Elements to look at; 0 for all.
        var length: Int64 = 0
    }

    @Sendable static func lpos(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let search = try search(args, &call)
        guard let place = try call.look(args.key, as: .list) else {
            return search.count == nil ? reply.null() : reply.array(0)
        }
        guard let count = search.count else {
            var found: Int64?
            find(args[2], search, place.record) { index in
                found = index
                return false
            }
            return found.map { reply.integer($0) } ?? reply.null()
        }
        let mark = reply.open()
        var found = 0
        find(args[2], search, place.record) { index in
            reply.integer(index)
            found += 1
            return count == 0 || found < count
        }
        reply.close(array: mark, count: found)
    }

    private static func search(
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) -> Search {
        var search = Search()
        var options = args.options(from: 3)
        while let option = options.next() {
            guard options.remaining > 0 else { throw .syntax }
            switch option {
            case "RANK":
                search.rank = try options.integer()
                if search.rank == 0 {
                    throw call.failed(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                            + "second ... or use negative to start from the end of the list")
                }
                if search.rank == .min {
                    throw call.failed(
                        "ERR value is out of range, value must between -9223372036854775807 and "
                            + "9223372036854775807")
                }
            case "COUNT":
                search.count = try natural(args, options.position(), "COUNT", &call)
            case "MAXLEN":
                search.length = try natural(args, options.position(), "MAXLEN", &call)
            default: throw .syntax
            }
        }
        return search
    }

    private static func natural(
        _ args: borrowing Arguments, _ i: Int, _ name: String, _ call: inout Call
    ) throws(CommandError) -> Int64 {
        guard let value = Numbers.integer(args[i]), value >= 0 else {
            throw call.failed("ERR \(name) can't be negative")
        }
        return value
    }

    /// Calls `body` with the position of each match until it returns false.
    private static func find(
        _ text: Bytes, _ search: Search, _ record: Record, _ body: (Int64) -> Bool
    ) {
        let pattern = ElementPattern(text)
        let length = Int64(record.listCount)
        let most = search.length == 0 ? length : min(search.length, length)
        let isBackwards = search.rank < 0
        var skipped = search.rank.magnitude - 1
        var position: ListPosition? = record.listPosition(of: isBackwards ? .tail : .head)
        var looked: Int64 = 0
        while looked < most, let current = position {
            if pattern.matches(record.listElement(current)) {
                if skipped > 0 {
                    skipped -= 1
                } else if !body(isBackwards ? length - 1 - looked : looked) {
                    return
                }
            }
            looked += 1
            position = record.listPosition(next: current, towards: isBackwards ? .head : .tail)
        }
    }
}
