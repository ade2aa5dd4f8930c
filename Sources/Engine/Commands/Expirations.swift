//  Expirations.swift — commands that read and change when a key ends.

enum Expirations {
    static let family = Family(
        group: .generic,
        commands: [
            EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT, TTL, PTTL, EXPIRETIME, PEXPIRETIME, PERSIST,
        ])

    // MARK: - Setting

    static let EXPIRE = Command(
        "EXPIRE key seconds [NX | XX | GT | LT]", [.write, .fast], keys: .updates, since: "1.0.0",
        complexity: "O(1)",
        summary: "Lets a key expire after a number of seconds.",
        history: [("7.0.0", "Options `NX`, `XX`, `GT` and `LT`.")], added: [("condition", "7.0.0")],
        run: expire)

    @Sendable static func expire(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try set(args, .seconds, &call, &reply)
    }

    static let PEXPIRE = Command(
        "PEXPIRE key milliseconds [NX | XX | GT | LT]", [.write, .fast], keys: .updates,
        since: "2.6.0",
        complexity: "O(1)",
        summary: "Lets a key expire after a number of milliseconds.",
        history: [("7.0.0", "Options `NX`, `XX`, `GT` and `LT`.")], added: [("condition", "7.0.0")],
        run: pexpire)

    @Sendable static func pexpire(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try set(args, .milliseconds, &call, &reply)
    }

    static let EXPIREAT = Command(
        "EXPIREAT key unix-time-seconds [NX | XX | GT | LT]", [.write, .fast], keys: .updates,
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Lets a key expire at a Unix time in seconds.",
        history: [("7.0.0", "Options `NX`, `XX`, `GT` and `LT`.")], added: [("condition", "7.0.0")],
        run: expireat)

    @Sendable static func expireat(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try set(args, .unixSeconds, &call, &reply)
    }

    static let PEXPIREAT = Command(
        "PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]", [.write, .fast], keys: .updates,
        since: "2.6.0",
        complexity: "O(1)",
        summary: "Lets a key expire at a Unix time in milliseconds.",
        history: [("7.0.0", "Options `NX`, `XX`, `GT` and `LT`.")], added: [("condition", "7.0.0")],
        run: pexpireat)

    @Sendable static func pexpireat(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try set(args, .unixMilliseconds, &call, &reply)
    }

    /// Conditions on the deadline that a key has.
    private struct Conditions: OptionSet {
        let rawValue: Int
        static let ifNone = Conditions(rawValue: 1)
        static let ifSome = Conditions(rawValue: 2)
        static let ifGreater = Conditions(rawValue: 4)
        static let ifLess = Conditions(rawValue: 8)

        /// Whether a deadline may take the place of `old`, nil meaning that there is none.
        func allow(_ new: Int64, insteadOf old: Int64?) -> Bool {
            if contains(.ifNone), old != nil { return false }
            if contains(.ifSome), old == nil { return false }
            // No deadline counts as one that never comes.
            if contains(.ifGreater), new <= old ?? .max { return false }
            if contains(.ifLess), let old, new >= old { return false }
            return true
        }
    }

    private static func conditions(
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) -> Conditions {
        var found = Conditions()
        var options = args.options(from: 3)
        while let option = options.next() {
            switch option {
            case "NX": found.insert(.ifNone)
            case "XX": found.insert(.ifSome)
            case "GT": found.insert(.ifGreater)
            case "LT": found.insert(.ifLess)
            default:
                throw call.failed("ERR Unsupported option ", args[options.index - 1])
            }
        }
        if found.contains(.ifNone), found != .ifNone {
            throw call.failed(
                "ERR NX and XX, GT or LT options at the same time are not compatible")
        }
        if found.isSuperset(of: [.ifGreater, .ifLess]) {
            throw call.failed("ERR GT and LT options at the same time are not compatible")
        }
        return found
    }

    private static func set(
        _ args: borrowing Arguments, _ unit: TimeUnit, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let conditions = try conditions(args, &call)
        let deadline = try unit.signedDeadline(args.integer(2), call.now)
        guard let place = call.find(args.key) else { return reply.integer(0) }
        let old: Int64? = place.record.hasDeadline ? place.record.deadline : nil
        guard conditions.allow(deadline, insteadOf: old) else { return reply.integer(0) }
        call.setDeadline(args.key, at: place, deadline)
        reply.integer(1)
    }

    static let PERSIST = Command(
        "PERSIST key", [.write, .fast], keys: .updates, since: "2.2.0",
        complexity: "O(1)",
        summary: "Takes the expiry of a key away.",
        run: persist)

    @Sendable static func persist(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let place = call.find(args.key), place.record.hasDeadline else {
            return reply.integer(0)
        }
        call.persist(args.key, at: place)
        reply.integer(1)
    }

    // MARK: - Reading

    static let TTL = Command(
        "TTL key", [.readonly, .fast], keys: .reads, since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns how many seconds a key has left.",
        history: [("2.8.0", "Replies -2 when the key is missing.")],
        tips: ["nondeterministic_output"], run: ttl)

    @Sendable static func ttl(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        read(args, inSeconds: true, isRelative: true, &call, &reply)
    }

    static let PTTL = Command(
        "PTTL key", [.readonly, .fast], keys: .reads, since: "2.6.0",
        complexity: "O(1)",
        summary: "Returns how many milliseconds a key has left.",
        history: [("2.8.0", "Replies -2 when the key is missing.")],
        tips: ["nondeterministic_output"], run: pttl)

    @Sendable static func pttl(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        read(args, inSeconds: false, isRelative: true, &call, &reply)
    }

    static let EXPIRETIME = Command(
        "EXPIRETIME key", [.readonly, .fast], keys: .reads, since: "7.0.0",
        complexity: "O(1)",
        summary: "Returns the Unix time in seconds at which a key expires.",
        run: expiretime)

    @Sendable static func expiretime(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        read(args, inSeconds: true, isRelative: false, &call, &reply)
    }

    static let PEXPIRETIME = Command(
        "PEXPIRETIME key", [.readonly, .fast], keys: .reads, since: "7.0.0",
        complexity: "O(1)",
        summary: "Returns the Unix time in milliseconds at which a key expires.",
        run: pexpiretime)

    @Sendable static func pexpiretime(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        read(args, inSeconds: false, isRelative: false, &call, &reply)
    }

    /// Replies -2 without a key, -1 without a deadline; seconds are rounded to the nearest.
    private static func read(
        _ args: borrowing Arguments, inSeconds: Bool, isRelative: Bool, _ call: inout Call,
        _ reply: inout Reply
    ) {
        guard let place = call.inspect(args.key) else { return reply.integer(-2) }
        guard place.record.hasDeadline else { return reply.integer(-1) }
        let time = place.record.deadline &- (isRelative ? call.now : 0)
        // Deadlines of up to Int64.max milliseconds are legal.
        reply.integer(inSeconds ? time / 1000 &+ (time % 1000 >= 500 ? 1 : 0) : time)
    }
}
