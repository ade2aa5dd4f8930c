//  Sorting.swift — SORT: the elements of a collection in order, or what they point to.
//
//  Elements are copied out first, so that looking up other keys and storing the result meet
//  nothing that is being read. Then numbers of rows are sorted, by weights where there are any.

enum Sorting {
    static let family = Family(group: .generic, commands: [SORT, SORT_RO])

    static let SORT = Command(
        """
        SORT key [BY by-pattern=pattern] [LIMIT offset count] \
        [GET get-pattern=pattern [GET get-pattern=pattern ...]] [ASC | DESC] [sorting=ALPHA] \
        [STORE destination]
        """,
        [.write, .denyOOM], keys: .reads, .readsSomewhere, .overwritesSomewhere, since: "1.0.0",
        complexity: """
            O(N+M*log(M)) where N is the number of elements and M that of the elements returned; \
            O(N) when nothing is sorted.
            """,
        summary: "Returns or stores the elements of a list, a set or a sorted set in order.",
        also: .dangerous, instead: [.set, .sortedSet, .list], names: ["limit"], run: sort)

    @Sendable static func sort(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try answer(args, mayStore: true, &call, &reply)
    }

    static let SORT_RO = Command(
        """
        SORT_RO key [BY by-pattern=pattern] [LIMIT offset count] \
        [GET get-pattern=pattern [GET get-pattern=pattern ...]] [ASC | DESC] [sorting=ALPHA]
        """,
        [.readonly], keys: .reads, .readsSomewhere, since: "7.0.0",
        complexity: """
            O(N+M*log(M)) where N is the number of elements and M that of the elements returned; \
            O(N) when nothing is sorted.
            """,
        summary: "Returns the elements of a list, a set or a sorted set in order.",
        also: .dangerous, instead: [.set, .sortedSet, .list], names: ["limit"], run: sortReadOnly)

    @Sendable static func sortReadOnly(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try answer(args, mayStore: false, &call, &reply)
    }

    /// What the options ask for; patterns and keys are positions of words.
    private struct Request {
        var isDescending = false
        var isText = false
        var offset: Int64 = 0
        /// Below zero: all.
        var count: Int64 = -1
        var by: Int?
        var gets: [Int] = []
        var target: Int?
        /// The pattern of BY names no key, so the order stays.
        var keepsOrder = false

        init(_ args: borrowing Arguments, mayStore: Bool) throws(CommandError) {
            var options = args.options(from: 2)
            while let option = options.next() {
                switch option {
                case "ASC": isDescending = false
                case "DESC": isDescending = true
                case "ALPHA": isText = true
                case "LIMIT" where options.remaining >= 2:
                    offset = try options.integer()
                    count = try options.integer()
                case "STORE" where mayStore && options.remaining >= 1:
                    target = try options.position()
                case "BY" where options.remaining >= 1:
                    let i = try options.position()
                    by = i
                    if SortPattern.star(args[i]) == nil { keepsOrder = true }
                case "GET" where options.remaining >= 1: gets.append(try options.position())
                default: throw .syntax
                }
            }
        }

        /// The rows to return out of `n`.
        func range(of n: Int) -> Range<Int> {
            let length = Int64(n)
            let start = min(max(offset, 0), length)
            let most = min(max(count, -1), length)
            let end = most < 0 ? length : min(start + most, length)
            return Int(start)..<max(Int(start), Int(end))
        }
    }

    private static func answer(
        _ args: borrowing Arguments, mayStore: Bool, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var request = try Request(args, mayStore: mayStore)
        var rows = ByteRows()
        if let place = call.look(args.key) {
            guard place.record.hasMembers else { throw .wrongType }
            // A set has no order to keep; what is stored should not depend on the table.
            if request.keepsOrder, place.record.kind.type == .set, request.target != nil {
                request.keepsOrder = false
                request.isText = true
                request.by = nil
            }
            place.record.forEachMember { rows.append($0) }
        }
        let range = request.range(of: rows.count)
        var order = Array(0..<rows.count)
        if request.keepsOrder {
            if request.isDescending { order.reverse() }
        } else if request.isText {
            try sortAsTexts(&order, rows, request, args, &call)
        } else {
            try sortAsNumbers(&order, rows, request, args, &call)
        }
        if let target = request.target {
            var results = ByteRows()
            for i in range { gather(rows[order[i]], request, args, &call, &results) }
            store(results, call.key(args[target]), &call)
            return reply.integer(Int64(results.count))
        }
        reply.array(range.count * max(request.gets.count, 1))
        for i in range { answer(rows[order[i]], request, args, &call, &reply) }
    }

    // MARK: - Order

    private static func sortAsNumbers(
        _ order: inout [Int], _ rows: borrowing ByteRows, _ request: Request,
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) {
        var scores = [Double](repeating: 0, count: rows.count)
        for i in 0..<rows.count {
            var score: Double?
            if let by = request.by {
                guard let weight = SortPattern.value(args[by], rows[i], &call) else { continue }
                score = number(weight.span)
            } else {
                score = number(rows[i])
            }
            guard let score else {
                throw call.failed("ERR One or more scores can't be converted into double")
            }
            scores[i] = score
        }
        let isDescending = request.isDescending
        order.sort { a, b in
            let (first, second) = isDescending ? (b, a) : (a, b)
            if scores[first] != scores[second] { return scores[first] < scores[second] }
            // The same for everybody, wherever the elements come from.
            return rows.compare(first, second) < 0
        }
    }

    private static func sortAsTexts(
        _ order: inout [Int], _ rows: borrowing ByteRows, _ request: Request,
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) {
        let isStored = request.target != nil
        let isDescending = request.isDescending
        guard let by = request.by else {
            order.sort { a, b in
                let (first, second) = isDescending ? (b, a) : (a, b)
                return isStored
                    ? rows.compare(first, second) < 0 : rows.compareTexts(first, second) < 0
            }
            return
        }
        var weights = ByteRows()
        var isMissing = [Bool](repeating: false, count: rows.count)
        for i in 0..<rows.count {
            let weight = SortPattern.value(args[by], rows[i], &call)
            isMissing[i] = weight == nil
            let text = weight ?? []
            weights.append(text.span)
        }
        sort(&order, weights, isMissing, isStored: isStored, isDescending: isDescending)
    }

    /// Elements without a weight come first.
    private static func sort(
        _ order: inout [Int], _ weights: borrowing ByteRows, _ isMissing: [Bool],
        isStored: Bool, isDescending: Bool
    ) {
        order.sort { a, b in
            let (first, second) = isDescending ? (b, a) : (a, b)
            if isMissing[first] || isMissing[second] {
                return isMissing[first] && !isMissing[second]
            }
            return isStored
                ? weights.compare(first, second) < 0 : weights.compareTexts(first, second) < 0
        }
    }

    /// A decimal number; what stands behind a byte 0 does not count, and nothing at all is zero.
    private static func number(_ text: Bytes) -> Double? {
        let end = (0..<text.count).first { text[$0] == 0 } ?? text.count
        if end == 0 { return 0 }
        for i in 0..<end where text[i] | 0x20 == UInt8(ascii: "x") { return nil }
        let digits = text.extracting(0..<end)
        return Numbers.double(digits) ?? outOfRange(digits)
    }

    /// What a decimal number comes to that is too large or too small: infinity or zero.
    private static func outOfRange(_ text: Bytes) -> Double? {
        let isNegative = text[0] == UInt8(ascii: "-")
        var i = isNegative || text[0] == UInt8(ascii: "+") ? 1 : 0
        var digits = 0, points = 0
        while i < text.count, text[i] &- 48 < 10 || text[i] == UInt8(ascii: ".") {
            if text[i] == UInt8(ascii: ".") { points += 1 } else { digits += 1 }
            i += 1
        }
        guard digits > 0, points < 2 else { return nil }
        guard i < text.count else { return isNegative ? -.infinity : .infinity }
        guard text[i] | 0x20 == UInt8(ascii: "e"), i + 1 < text.count else { return nil }
        i += 1
        let isSmall = text[i] == UInt8(ascii: "-")
        if isSmall || text[i] == UInt8(ascii: "+") { i += 1 }
        guard i < text.count else { return nil }
        while i < text.count, text[i] &- 48 < 10 { i += 1 }
        guard i == text.count else { return nil }
        return isSmall ? 0 : isNegative ? -.infinity : .infinity
    }

    // MARK: - Results

    private static func answer(
        _ row: Bytes, _ request: Request, _ args: borrowing Arguments, _ call: inout Call,
        _ reply: inout Reply
    ) {
        if request.gets.isEmpty { return reply.bulk(row) }
        for i in request.gets {
            if let value = SortPattern.value(args[i], row, &call) {
                reply.bulk(value)
            } else {
                reply.null()
            }
        }
    }

    private static func gather(
        _ row: Bytes, _ request: Request, _ args: borrowing Arguments, _ call: inout Call,
        _ results: inout ByteRows
    ) {
        if request.gets.isEmpty { return results.append(row) }
        for i in request.gets {
            let value = SortPattern.value(args[i], row, &call) ?? []
            results.append(value.span)
        }
    }

    /// Makes `key` a list of `rows`; without any there is no key.
    private static func store(
        _ rows: borrowing ByteRows, _ key: borrowing Key, _ call: inout Call
    ) {
        call.propagate("DEL") { $0.append(key.bytes) }
        if rows.count == 0 {
            if !call.remove(key) { call.propagateNothing() }
            return
        }
        // The order of a set's members is a matter of each server's own.
        call.propagate("RPUSH") { words in
            words.append(key.bytes)
            for i in 0..<rows.count { words.append(rows[i]) }
        }
        let old = call.find(key)?.record.kind.type
        call.overwritten(key, old, by: .list)
        call.makeList(key, rows)
        if old == nil { call.created(key) }
        call.changed(key, .list, "sortstore")
    }
}

/// A pattern of SORT: `weight_*` names a string, `user_*->age` a field of a hash, `#` the element.
enum SortPattern {
    /// The position of the star that an element takes the place of.
    static func star(_ pattern: Bytes) -> Int? {
        for i in 0..<pattern.count {
            if pattern[i] == UInt8(ascii: "*") { return i }
            // There the texts of C end.
            if pattern[i] == 0 { return nil }
        }
        return nil
    }

    /// The position of the arrow in front of a field's name.
    private static func arrow(_ pattern: Bytes, from start: Int) -> Int? {
        var i = start
        while i + 2 < pattern.count, pattern[i] != 0 {
            if pattern[i] == UInt8(ascii: "-"), pattern[i + 1] == UInt8(ascii: ">") {
                return pattern[i + 2] == 0 ? nil : i
            }
            i += 1
        }
        return nil
    }

    /// What `pattern` means for an element; nil when there is no such thing.
    static func value(_ pattern: Bytes, _ element: Bytes, _ call: inout Call) -> [UInt8]? {
        if pattern.equals("#") { return element.array }
        guard let star = star(pattern) else { return nil }
        let arrow = arrow(pattern, from: star + 1)
        let end = arrow ?? pattern.count
        let name =
            pattern.extracting(0..<star).array + element.array
            + pattern.extracting(star + 1..<end).array
        let key = call.key(name.span)
        guard let arrow else {
            guard let value = try? call.string(key) else { return nil }
            return value.array
        }
        guard let place = try? call.lookHash(key) else { return nil }
        let field = pattern.extracting(arrow + 2..<pattern.count)
        return call.fieldValue(field, place.record)?.array
    }
}

extension Call {
    /// Makes `key` a list of `rows`, of which there are some, whatever it was.
    fileprivate mutating func makeList(_ key: borrowing Key, _ rows: borrowing ByteRows) {
        let limit = listLimit
        var list = ChunkedList()
        for i in 0..<rows.count {
            list.push(PackedEntry(rows[i]), at: .tail, limit, &database.heap)
        }
        let entries = list.chunk(0).bytes
        let isSmall =
            list.chunkCount == 1 && !list.isPlain(0) && list.count <= Packed.entriesMax
            && !limit.isExceeded(bytes: entries.count + ListLimit.frameCount, count: list.count)
        guard isSmall else {
            makeObject(key, .list, list)
            return
        }
        let place = find(key)
        let record = database.make(
            key, at: place, .packedList, valueCount: Packed.headerCount + entries.count, .none,
            clock: clock)
        record.write(entries, at: Packed.headerCount)
        record.setPackedCount(list.count)
        _ = list.freeSome(.max, &database.heap)
    }
}
