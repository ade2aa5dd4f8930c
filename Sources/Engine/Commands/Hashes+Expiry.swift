//  Hashes+Expiry.swift — hash commands that read and change when fields end.

extension Hashes {
    // MARK: - Setting

    static let HEXPIRE = Command(
        "HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
        [.write, .fast], keys: .updates, since: "7.4.0", complexity: fieldsComplexity,
        summary: "Lets fields expire after a number of seconds.", run: hexpire)

    @Sendable static func hexpire(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try setDeadlines(args, .seconds, &call, &reply)
    }

    static let HPEXPIRE = Command(
        "HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
        [.write, .fast], keys: .updates, since: "7.4.0", complexity: fieldsComplexity,
        summary: "Lets fields expire after a number of milliseconds.", run: hpexpire)

    @Sendable static func hpexpire(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try setDeadlines(args, .milliseconds, &call, &reply)
    }

    static let HEXPIREAT = Command(
        "HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
        [.write, .fast], keys: .updates, since: "7.4.0", complexity: fieldsComplexity,
        summary: "Lets fields expire at a Unix time in seconds.", run: hexpireat)

    @Sendable static func hexpireat(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try setDeadlines(args, .unixSeconds, &call, &reply)
    }

    static let HPEXPIREAT = Command(
        "HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
        [.write, .fast], keys: .updates, since: "7.4.0", complexity: fieldsComplexity,
        summary: "Lets fields expire at a Unix time in milliseconds.", run: hpexpireat)

    @Sendable static func hpexpireat(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try setDeadlines(args, .unixMilliseconds, &call, &reply)
    }

    private static let fieldsComplexity: StaticString =
        "O(N) where N is the number of fields that are named."

    private enum Condition { case always, ifNone, ifSome, ifGreater, ifLess }

    private static func setDeadlines(
        _ args: borrowing Arguments, _ unit: TimeUnit, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let place = try call.findHash(args.key)
        let deadline = try unit.fieldDeadline(args.integer(2), &call)
        var condition = Condition.always
        switch args.word(3) {
        case "NX": condition = .ifNone
        case "XX": condition = .ifSome
        case "GT": condition = .ifGreater
        case "LT": condition = .ifLess
        default: break
        }
        let first = try fields(
            args, from: condition == .always ? 3 : 4,
            isPositive: "ERR Parameter `numFields` should be greater than 0", &call)
        reply.array(args.count &- first)
        guard let place else {
            for _ in first..<args.count { reply.integer(-2) }
            return
        }
        call.makeVolatile(args.key, place)
        var changed = 0, removed = 0
        var fates = FieldFates()
        for i in first..<args.count {
            let result = set(args[i], deadline, condition, args.key, place, &call)
            reply.integer(result)
            if result == 1 { changed &+= 1 }
            if result == 2 { removed &+= 1 }
            if result > 0, call.isPropagating { fates.add(i, isRemoved: result == 2) }
        }
        call.propagate(fates, of: args, .at(deadline))
        if changed > 0 { call.toldDeadlines(of: changed, args.key, "hexpire") }
        if removed > 0 { call.toldRemoval(of: removed, args.key, place) }
    }

    /// -2 when there is no such field, 0 when the condition does not hold, 1 when it got the
    /// deadline, 2 when that has passed and the field is gone.
    private static func set(
        _ name: Bytes, _ deadline: Int64, _ condition: Condition, _ key: borrowing Key,
        _ place: HashTable.Place, _ call: inout Call
    ) -> Int64 {
        let record = place.record
        guard let field = call.findField(record.hash.key(name), record) else { return -2 }
        let old: Int64? = field.record.hasDeadline ? field.record.deadline : nil
        let isMet =
            switch condition {
            case .always: true
            case .ifNone: old == nil
            case .ifSome: old != nil
            // No deadline counts as one that never comes.
            case .ifGreater: deadline > old ?? .max
            case .ifLess: deadline < old ?? .max
            }
        guard isMet else { return 0 }
        if deadline <= call.now {
            _ = call.removeField(name, key, place)
            return 2
        }
        call.setFieldDeadline(field, deadline, key, record)
        return 1
    }

    /// The position of the first field behind `FIELDS numfields`, which has to be followed by as
    /// many fields, up to the end.
    static func fields(
        _ args: borrowing Arguments, from start: Int,
        isPositive text: String = "ERR Number of fields must be a positive integer",
        _ call: inout Call
    ) throws(CommandError) -> Int {
        guard start &+ 1 < args.count else { throw .wrongArity }
        guard args.word(start) == "FIELDS" else {
            throw call.failed(
                "ERR Mandatory argument FIELDS is missing or not at the right position")
        }
        guard let count = Numbers.integer(args[start &+ 1]), count > 0 else {
            throw call.failed(text)
        }
        let first = start &+ 2
        guard count == args.count &- first else {
            throw call.failed("ERR The `numfields` parameter must match the number of arguments")
        }
        return first
    }

    static let HPERSIST = Command(
        "HPERSIST key FIELDS numfields field [field ...]", [.write, .fast], keys: .updates,
        since: "7.4.0", complexity: fieldsComplexity,
        summary: "Takes the expiry of fields away.", run: hpersist)

    @Sendable static func hpersist(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let place = try call.findHash(args.key)
        let first = try fields(args, from: 2, &call)
        reply.array(args.count &- first)
        var changed = 0
        for i in first..<args.count {
            guard let place, let deadline = call.fieldDeadline(args[i], place.record) else {
                reply.integer(-2)
                continue
            }
            if deadline == .max {
                reply.integer(-1)
                continue
            }
            call.persistField(args[i], args.key, place.record)
            reply.integer(1)
            changed &+= 1
        }
        if changed > 0 { call.toldDeadlines(of: changed, args.key, "hpersist") }
    }

    /// The positions of fields whose ends a request has changed.
    struct FieldFates {
        fileprivate var kept: [Int] = []
        fileprivate var removed: [Int] = []

        mutating func add(_ i: Int, isRemoved: Bool) {
            if isRemoved { removed.append(i) } else { kept.append(i) }
        }
    }

    // MARK: - Reading

    static let HTTL = Command(
        "HTTL key FIELDS numfields field [field ...]", [.readonly, .fast], keys: .reads,
        since: "7.4.0", complexity: fieldsComplexity,
        summary: "Returns how many seconds fields have left.",
        tips: ["nondeterministic_output"], run: httl)

    @Sendable static func httl(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try readDeadlines(args, inSeconds: true, isRelative: true, &call, &reply)
    }

    static let HPTTL = Command(
        "HPTTL key FIELDS numfields field [field ...]", [.readonly, .fast], keys: .reads,
        since: "7.4.0", complexity: fieldsComplexity,
        summary: "Returns how many milliseconds fields have left.",
        tips: ["nondeterministic_output"], run: hpttl)

    @Sendable static func hpttl(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try readDeadlines(args, inSeconds: false, isRelative: true, &call, &reply)
    }

    static let HEXPIRETIME = Command(
        "HEXPIRETIME key FIELDS numfields field [field ...]", [.readonly, .fast], keys: .reads,
        since: "7.4.0", complexity: fieldsComplexity,
        summary: "Returns the Unix times in seconds at which fields expire.", run: hexpiretime)

    @Sendable static func hexpiretime(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try readDeadlines(args, inSeconds: true, isRelative: false, &call, &reply)
    }

    static let HPEXPIRETIME = Command(
        "HPEXPIRETIME key FIELDS numfields field [field ...]", [.readonly, .fast], keys: .reads,
        since: "7.4.0", complexity: fieldsComplexity,
        summary: "Returns the Unix times in milliseconds at which fields expire.", run: hpexpiretime
    )

    @Sendable static func hpexpiretime(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try readDeadlines(args, inSeconds: false, isRelative: false, &call, &reply)
    }

    /// Replies -2 without a field, -1 without a deadline; seconds are rounded up.
    private static func readDeadlines(
        _ args: borrowing Arguments, inSeconds: Bool, isRelative: Bool, _ call: inout Call,
        _ reply: inout Reply
    ) throws(CommandError) {
        let place = try call.lookHash(args.key)
        let first = try fields(args, from: 2, &call)
        reply.array(args.count &- first)
        for i in first..<args.count {
            guard let place, let deadline = call.fieldDeadline(args[i], place.record) else {
                reply.integer(-2)
                continue
            }
            if deadline == .max {
                reply.integer(-1)
                continue
            }
            let time = deadline &- (isRelative ? call.now : 0)
            reply.integer(inSeconds ? (time &+ 999) / 1000 : time)
        }
    }
}

extension TimeUnit {
    /// No deadline of a field is later: Redis keeps them in 46 bits.
    private static var fieldDeadlineMax: Int64 { 1 << 46 - 1 }

    /// The deadline of a field in Unix milliseconds that `value` means.
    func fieldDeadline(_ value: Int64, _ call: inout Call) throws(CommandError) -> Int64 {
        guard value >= 0 else {
            throw call.failed("ERR invalid expire time, must be >= 0")
        }
        let deadline = try signedDeadline(value, call.now)
        guard deadline <= Self.fieldDeadlineMax else { throw .invalidExpireTime }
        return deadline
    }
}

extension Call {
    /// Propagates what became of the fields of word 1: gone, or with another end, or with none.
    mutating func propagate(
        _ fates: Hashes.FieldFates, of args: borrowing Arguments, _ expiry: Expiry
    ) {
        if !fates.removed.isEmpty {
            propagate("HDEL") { words in
                words.append(args.key.bytes)
                for i in fates.removed { words.append(args[i]) }
            }
        }
        guard !fates.kept.isEmpty else { return }
        var deadline: Int64?
        if case .at(let time) = expiry { deadline = time }
        propagate(deadline == nil ? "HPERSIST" : "HPEXPIREAT") { words in
            words.append(args.key.bytes)
            if let deadline { words.append(deadline) }
            words.append("FIELDS")
            words.append(Int64(fates.kept.count))
            for i in fates.kept { words.append(args[i]) }
        }
    }

    /// Makes sure that fields of the hash at `place` can have deadlines.
    @inline(__always) mutating func makeVolatile(
        _ key: borrowing Key, _ place: HashTable.Place
    ) {
        if place.record.kind == .packedHash { makeTable(key, place, isSmall: true) }
    }

    /// Takes the deadline away from a field of the large hash at `record` that has one.
    mutating func persistField(_ name: Bytes, _ key: borrowing Key, _ record: Record) {
        guard let field = findField(record.hash.key(name), record) else { return }
        setFieldDeadline(field, nil, key, record)
    }

    /// Tells that fields of the hash `key` got deadlines or lost them.
    mutating func toldDeadlines(of count: Int, _ key: borrowing Key, _ event: StaticString) {
        effects.dirty &+= count &- 1
        changed(key, .hash, event)
    }
}
