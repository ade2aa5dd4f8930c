//  Lists+Moving.swift — list commands that take from one list what another gets, or from the first
//  of several.

extension Lists {
    // MARK: - From one list to another

    static let LMOVE = Command(
        "LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>", [.write, .denyOOM],
        keys: .readsAndDeletes, .appends, since: "6.2.0",
        complexity: "O(1)",
        summary: "Moves an element from an end of a list to an end of another, and returns it.",
        names: ["wherefrom", "whereto"], run: lmove)

    @Sendable static func lmove(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let from = try end(args, 3), to = try end(args, 4)
        guard try move(args, from, to, &call, &reply) else { return reply.null() }
    }

    static let RPOPLPUSH = Command(
        "RPOPLPUSH source destination", [.write, .denyOOM], keys: .readsAndDeletes, .appends,
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Moves the last element of a list to the head of another, and returns it.",
        deprecated: Deprecation(
            since: "6.2.0", replacedBy: "`LMOVE` with the `RIGHT` and `LEFT` arguments"),
        run: rpoplpush)

    @Sendable static func rpoplpush(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard try move(args, .tail, .head, &call, &reply) else { return reply.null() }
    }

    /// The end of a list that word `i` names.
    static func end(_ args: borrowing Arguments, _ i: Int) throws(CommandError) -> ListEnd {
        switch args.word(i) {
        case "LEFT": return .head
        case "RIGHT": return .tail
        default: throw .syntax
        }
    }

    /// Moves an element from the list named by word 1 to that named by word 2 and replies with it;
    /// false when there is none.
    static func move(
        _ args: borrowing Arguments, _ from: ListEnd, _ to: ListEnd, _ call: inout Call,
        _ reply: inout Reply
    ) throws(CommandError) -> Bool {
        guard let source = try call.find(args.key, as: .list) else { return false }
        if args[1].equals(args[2]) {
            rotate(args.key, source, from, to, &call, &reply)
            return true
        }
        let key = call.key(args[2])
        let target = try call.find(key, as: .list)
        // The source stays where it is while the target changes.
        let element = source.record.listElement(source.record.listPosition(of: from))
        reply.string(element)
        call.push(element, at: to, key, target)
        if target == nil { call.created(key) }
        call.changed(key, .list, to == .head ? "lpush" : "rpush")
        // A new target may have made the table grow, and places move when it does.
        guard let source = call.find(args.key) else { return true }
        call.takeElements(1, from: from, args.key, source)
        return true
    }

    /// Moves an element within one list.
    private static func rotate(
        _ key: borrowing Key, _ place: HashTable.Place, _ from: ListEnd, _ to: ListEnd,
        _ call: inout Call, _ reply: inout Reply
    ) {
        let record = place.record
        let element = record.listElement(record.listPosition(of: from))
        reply.string(element)
        // Also from an end to itself: that may move the element to another chunk.
        if element.form == .integer {
            let number = StringView(Bytes(), number: element.number, form: .integer)
            call.dropElements(1, from: from, place)
            call.push(number, at: to, key, place)
        } else {
            let bytes = element.bytes.array
            call.dropElements(1, from: from, place)
            call.push(StringView(bytes.span, number: 0, form: .bytes), at: to, key, place)
        }
        call.changed(key, .list, to == .head ? "lpush" : "rpush")
        call.changed(key, .list, from == .head ? "lpop" : "rpop")
        call.shrinkList(key, place)
    }

    // MARK: - From the first of several lists

    static let LMPOP = Command(
        "LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]", [.write],
        keys: .readsAndDeletes, since: "7.0.0",
        complexity: "O(N+M) where N is the number of keys and M that of the elements returned.",
        summary: "Removes elements of the first of several lists that is not empty.",
        names: ["where"], run: lmpop)

    @Sendable static func lmpop(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let request = try PopRequest(args, from: 1, &call)
        guard try request.answer(args, &call, &reply) else { return reply.nullArray() }
    }

    /// What LMPOP and BLMPOP ask for: `numkeys key [key …] LEFT|RIGHT [COUNT n]`.
    struct PopRequest {
        /// Positions of the keys.
        let keys: Range<Int>
        let end: ListEnd
        private(set) var count: Int64?

        init(
            _ args: borrowing Arguments, from first: Int, _ call: inout Call
        ) throws(CommandError) {
            guard let numkeys = Numbers.integer(args[first]), numkeys > 0 else {
                throw call.failed("ERR numkeys should be greater than 0")
            }
            // The word behind the keys has to be there.
            guard numkeys < Int64(args.count - first - 1) else { throw .syntax }
            keys = (first + 1)..<(first + 1 + Int(numkeys))
            end = try Lists.end(args, keys.upperBound)
            var options = args.options(from: keys.upperBound + 1)
            while let option = options.next() {
                guard case "COUNT" = option, count == nil, options.remaining > 0 else {
                    throw .syntax
                }
                guard let value = Numbers.integer(args[try options.position()]), value > 0 else {
                    throw call.failed("ERR count should be greater than 0")
                }
                count = value
            }
        }

        /// Replies with the first list's name and elements, and removes them; false when there is
        /// no list.
        func answer(
            _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
        ) throws(CommandError) -> Bool {
            for i in keys {
                let key = call.key(args[i])
                guard let place = try call.find(key, as: .list) else { continue }
                reply.array(2)
                reply.bulk(args[i])
                call.propagate(end == .head ? "LPOP" : "RPOP") { words in
                    words.append(args[i])
                    words.append(count ?? 1)
                }
                answerAndTake(count ?? 1, from: end, key, place, &call, &reply)
                return true
            }
            return false
        }
    }
}
