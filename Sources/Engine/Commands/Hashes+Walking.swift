//  Hashes+Walking.swift — fields by chance, and all fields a few at a time.
import Platform

extension Hashes {
    // MARK: - By chance

    static let HRANDFIELD = Command(
        "HRANDFIELD key [count [WITHVALUES]]", [.readonly], keys: .reads,
        since: "6.2.0", complexity: "O(N) where N is the number of fields that are returned.",
        summary: "Returns fields of a hash that are chosen by chance.",
        tips: ["nondeterministic_output"], names: ["options"], run: hrandfield)

    @Sendable static func hrandfield(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard args.count > 2 else {
            guard let place = try call.lookHash(args.key) else { return reply.null() }
            let answered = call.withRandomFields(1, of: place.record, isDistinct: false) {
                name, _ in
                reply.string(name)
                return true
            }
            if !answered { reply.null() }
            return
        }
        try randomFields(args, &call, &reply)
    }

    /// A reply of more bytes is refused.
    private static var replyBytesMax: Int { 512 << 20 }

    private static func randomFields(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let count = try args.integer(2)
        guard count > .min else {
            throw call.failed(
                "ERR value is out of range, value must between -9223372036854775807 and "
                    + "9223372036854775807")
        }
        var withValues = false
        if args.count > 3 {
            guard args.count == 4, args.word(3) == "WITHVALUES" else { throw .syntax }
            withValues = true
            guard count.magnitude <= Int64.max.magnitude / 2 else { throw .outOfRange }
        }
        let place = try call.lookHash(args.key)
        guard count != 0, let place else { return reply.array(0) }
        let live = place.record.liveFieldCount(call.now)
        guard live > 0 else { return reply.array(0) }
        let isDistinct = count > 0
        let n = isDistinct ? Int(min(count, Int64(live))) : Int(count.magnitude)
        // Even empty fields take six bytes each.
        guard n <= replyBytesMax / 6 else { throw .outOfRange }
        let arePairs = withValues && reply.version == .resp3
        reply.array(withValues && !arePairs ? n * 2 : n)
        let start = reply.out.count
        let answered = call.withRandomFields(n, of: place.record, isDistinct: isDistinct) {
            name, value in
            if arePairs { reply.array(2) }
            reply.string(name)
            if withValues { reply.string(value) }
            return reply.out.count &- start <= replyBytesMax
        }
        guard answered else { throw .outOfRange }
    }

    // MARK: - All

    static let HSCAN = Command(
        "HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]", [.readonly], keys: .reads,
        since: "2.8.0",
        complexity: "O(1) for each call; O(N) for a complete walk over N fields.",
        summary: "Walks over the fields of a hash, some at a time.",
        tips: ["nondeterministic_output"], run: hscan)

    private struct ScanOptions {
        var pattern: Int?
        var count: Int64 = 10
        var withValues = true
    }

    @Sendable static func hscan(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let cursor = Numbers.cursor(args[2]) else {
            throw call.failed("ERR invalid cursor")
        }
        guard let place = try call.lookHash(args.key) else {
            reply.array(2)
            reply.bulk("0")
            return reply.array(0)
        }
        var wanted = ScanOptions()
        var options = args.options(from: 3)
        while let option = options.next() {
            switch option {
            case "MATCH": wanted.pattern = try options.position()
            case "NOVALUES": wanted.withValues = false
            case "COUNT":
                wanted.count = try options.integer()
                guard wanted.count >= 1 else { throw .syntax }
            default: throw .syntax
            }
        }
        scan(place.record, cursor, args, wanted, call.now, &reply)
    }

    private static func scan(
        _ record: Record, _ start: UInt64, _ args: borrowing Arguments, _ wanted: ScanOptions,
        _ now: Int64, _ reply: inout Reply
    ) {
        // The cursor comes first, and is known last: the fields are written beside it.
        var fields = Reply()
        fields.version = reply.version
        var found = 0
        var cursor: UInt64 = 0
        if record.kind == .packedHash || record.hash.isSmall {
            record.forEachField(now) { answer($0, $1, args, wanted, &fields, &found) }
        } else {
            cursor = start
            var visited: Int64 = 0
            // Ten visits a wanted field at most, so that a sparse table cannot hold the loop.
            let most = wanted.count.multipliedReportingOverflow(by: 10)
            let limit = most.overflow ? Int64.max : most.partialValue
            var visits: Int64 = 0
            repeat {
                visits += 1
                cursor = record.hash.scan(cursor) { field in
                    visited += 1
                    if field.hasDeadline, field.deadline <= now { return }
                    answer(field.fieldName, field.fieldValue, args, wanted, &fields, &found)
                }
            } while cursor != 0 && visited < wanted.count && visits < limit
        }
        reply.array(2)
        reply.bulk(String(cursor))
        reply.array(found)
        reply.out.append(fields.out.span)
    }

    /// Writes a field that matches.
    private static func answer(
        _ name: StringView, _ value: StringView, _ args: borrowing Arguments,
        _ wanted: ScanOptions, _ fields: inout Reply, _ found: inout Int
    ) {
        if let i = wanted.pattern {
            if name.form == .integer {
                let digits = DecimalText(name.number)
                guard Glob.matches(pattern: args[i], digits.bytes) else { return }
            } else {
                guard Glob.matches(pattern: args[i], name.bytes) else { return }
            }
        }
        fields.string(name)
        found += 1
        guard wanted.withValues else { return }
        fields.string(value)
        found += 1
    }
}

extension Call {
    /// Calls `body` with `n` live fields of the hash at `record` that are chosen by chance.
    ///
    /// If they are to be distinct there are as many. Returns false as soon as `body` does, or when
    /// there is no live field.
    mutating func withRandomFields(
        _ n: Int, of record: Record, isDistinct: Bool,
        _ body: (_ name: StringView, _ value: StringView) -> Bool
    ) -> Bool {
        if isDistinct {
            // Few of many are drawn until they are enough, others are picked on the way through.
            return record.kind == .hash && n < record.hash.count / 3
                ? drawDistinct(n, record, body) : pickDistinct(n, record, body)
        }
        if record.kind == .packedHash { return drawPacked(n, record, body) }
        for _ in 0..<n {
            guard let field = drawField(record), body(field.fieldName, field.fieldValue) else {
                return false
            }
        }
        return true
    }

    /// A live field of the large hash at `record`.
    private mutating func drawField(_ record: Record) -> Record? {
        for _ in 0..<64 {
            guard let field = record.hash.random(&random) else { return nil }
            if !field.hasDeadline || field.deadline > now { return field }
        }
        // Nearly all are due.
        var chosen: Record?
        var seen = 0
        record.hash.forEach { field in
            if field.hasDeadline, field.deadline <= now { return }
            seen += 1
            if Int.random(in: 0..<seen, using: &random) == 0 { chosen = field }
        }
        return chosen
    }

    private mutating func drawPacked(
        _ n: Int, _ record: Record, _ body: (StringView, StringView) -> Bool
    ) -> Bool {
        let packed = record.packed
        if n == 1 {
            let i = Int.random(in: 0..<packed.count / 2, using: &random)
            let at = packed.offset(at: i * 2)
            return body(packed[at], packed[packed.next(at)])
        }
        var offsets: [Int] = []
        var at = packed.start
        while at < packed.end {
            offsets.append(at)
            at = packed.next(at, by: 2)
        }
        for _ in 0..<n {
            var at = offsets[Int.random(in: 0..<offsets.count, using: &random)]
            let name = packed.take(&at)
            guard body(name, packed.take(&at)) else { return false }
        }
        return true
    }

    /// `n` of the fields, each with the same chance, in the order in which they stand.
    private mutating func pickDistinct(
        _ n: Int, _ record: Record, _ body: (StringView, StringView) -> Bool
    ) -> Bool {
        var wanted = n, left = record.liveFieldCount(now), goesOn = true
        record.forEachField(now) { name, value in
            guard wanted > 0, goesOn, left > 0 else { return }
            if Int.random(in: 0..<left, using: &random) < wanted {
                wanted -= 1
                goesOn = body(name, value)
            }
            left -= 1
        }
        return goesOn
    }

    /// `n` of the fields, at most a third.
    private mutating func drawDistinct(
        _ n: Int, _ record: Record, _ body: (StringView, StringView) -> Bool
    ) -> Bool {
        var drawn: Set<UInt> = []
        var misses = 0
        while drawn.count < n {
            guard let field = drawField(record) else { return false }
            guard drawn.insert(field.identity).inserted else {
                // Where most fields are due, drawing would take for ever.
                misses += 1
                if misses > 16 * n + 1024 { return pickRest(n, drawn, record, body) }
                continue
            }
            guard body(field.fieldName, field.fieldValue) else { return false }
        }
        return true
    }

    private func pickRest(
        _ n: Int, _ drawn: Set<UInt>, _ record: Record, _ body: (StringView, StringView) -> Bool
    ) -> Bool {
        var left = n - drawn.count, goesOn = true
        record.hash.forEach { field in
            guard left > 0, goesOn, !drawn.contains(field.identity) else { return }
            if field.hasDeadline, field.deadline <= now { return }
            left -= 1
            goesOn = body(field.fieldName, field.fieldValue)
        }
        return goesOn
    }
}
