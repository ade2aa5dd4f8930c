//  Connections.swift — commands about the connection itself.
import Platform

enum Connections {
    static let family = Family(
        group: .connection, commands: [PING, ECHO, SELECT, HELLO, AUTH, QUIT, RESET])

    static let PING = Command(
        "PING [message]", [.fast], since: "1.0.0",
        complexity: "O(1)",
        summary: "Answers PONG, or repeats the message.",
        tips: ["request_policy:all_shards", "response_policy:all_succeeded"], run: ping)

    @Sendable static func ping(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        if call.session.raised.contains(.listener), args.count <= 2 {
            // Where a message may come at any time a status would not be told from one.
            reply.array(2)
            reply.bulk("pong")
            return args.count == 2 ? reply.bulk(args[1]) : reply.bulk("")
        }
        switch args.count {
        case 1: reply.simple("PONG")
        case 2: reply.bulk(args[1])
        default: throw .wrongArity
        }
    }

    static let ECHO = Command(
        "ECHO message", [.loading, .stale, .fast], since: "1.0.0",
        complexity: "O(1)",
        summary: "Repeats the message.",
        run: echo)

    @Sendable static func echo(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.bulk(args[1])
    }

    static let SELECT = Command(
        "SELECT index", [.loading, .stale, .fast], since: "1.0.0",
        complexity: "O(1)",
        summary: "Switches the connection to another database.",
        run: select)

    @Sendable static func select(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        call.session.database = try Keys.databaseIndex(args.integer(1), &call)
        reply.ok()
    }

    static let QUIT = Command(
        "QUIT", [.noscript, .loading, .stale, .fast, .noAuth, .allowBusy], since: "1.0.0",
        complexity: "O(1)",
        summary: "Closes the connection.",
        deprecated: Deprecation(since: "7.2.0", replacedBy: "closing the connection"), arity: -1,
        run: quit)

    @Sendable static func quit(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.ok()
        call.attention.insert(.close)
    }

    static let RESET = Command(
        "RESET", [.noscript, .loading, .stale, .fast, .noAuth, .allowBusy], since: "6.2.0",
        complexity: "O(1)",
        summary: "Puts the connection back into the state of a new one.",
        run: reset)

    @Sendable static func reset(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let slot = call.session.slot
        call.takeTransaction()
        call.unsubscribeAll(slot)
        call.session.raised.remove(.listener)
        call.endTracking(slot)
        call.endMonitoring(slot)
        call.session.database = 0
        call.session.version = .resp2
        call.session.replies = .on
        call.session.noTouch = false
        call.updateTouching()
        call.requireAuthentication()
        call.clients[slot].name = []
        call.clients[slot].noEvict = false
        reply.version = .resp2
        reply.simple("RESET")
    }

    // MARK: - Introductions

    static let AUTH = Command(
        "AUTH [username] password", [.noscript, .loading, .stale, .fast, .noAuth, .allowBusy],
        since: "1.0.0",
        complexity: "O(N) where N is the number of passwords of the user.",
        summary: "Authenticates the connection.",
        history: [("6.0.0", "Takes a user name.")], added: [("username", "6.0.0")], run: auth)

    @Sendable static func auth(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard args.count <= 3 else { throw .syntax }
        if args.count == 2, call.configuration.requirePass.isEmpty {
            throw call.failed(
                "ERR AUTH <password> called without any password configured for the default "
                    + "user. Are you sure your configuration is correct?")
        }
        let isDefaultUser = args.count == 2 || args[1].equals("default")
        try authenticate(args[args.count - 1], isDefaultUser: isDefaultUser, &call)
        reply.ok()
    }

    private static func authenticate(
        _ password: Bytes, isDefaultUser: Bool, _ call: inout Call
    ) throws(CommandError) {
        let expected = Array(call.configuration.requirePass.utf8)
        // Without a password the default user takes any.
        let isRight = expected.isEmpty || password.equalsInConstantTime(expected.span)
        guard isDefaultUser, isRight else { throw .wrongPassword }
        call.session.raised.remove(.authentication)
    }

    static let HELLO = Command(
        "HELLO [protover [AUTH username password] [SETNAME clientname]]",
        [.noscript, .loading, .stale, .fast, .noAuth, .allowBusy], since: "6.0.0",
        complexity: "O(1)",
        summary: "Chooses the protocol and introduces the client.",
        history: [("6.2.0", "The protocol version may be left out to ask about the connection.")],
        names: ["arguments"], run: hello)

    @Sendable static func hello(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var version = call.session.version
        if args.count > 1 { version = try protocolVersion(args[1], &call) }
        var name: Int?, user: Int?
        var i = 2
        while i < args.count {
            switch args.word(i) {
            case "AUTH" where i + 2 < args.count:
                user = i + 1
                i += 3
            case "SETNAME" where i + 1 < args.count:
                name = i + 1
                try Clients.checkName(args[i + 1], &call)
                i += 2
            default:
                throw call.failed("ERR Syntax error in HELLO option '", args[i], "'")
            }
        }
        // Only once all options are known to be right.
        if let user {
            let isDefaultUser = args[user].equals("default")
            try authenticate(args[user + 1], isDefaultUser: isDefaultUser, &call)
        }
        guard !call.session.raised.contains(.authentication) else {
            throw call.failed(
                "NOAUTH HELLO must be called with the client already authenticated, otherwise "
                    + "the HELLO <proto> AUTH <user> <pass> option can be used to authenticate "
                    + "the client and select the RESP protocol version at the same time")
        }
        if let name { call.clients[call.session.slot].name = args[name].array }
        call.session.version = version
        reply.version = version
        call.updateListening()
        introduce(call, &reply)
    }

    private static func protocolVersion(
        _ word: Bytes, _ call: inout Call
    ) throws(CommandError) -> RESPVersion {
        guard let number = Numbers.integer(word) else {
            throw call.failed("ERR Protocol version is not an integer or out of range")
        }
        guard let small = UInt8(exactly: number), let version = RESPVersion(rawValue: small) else {
            throw call.failed("NOPROTO unsupported protocol version")
        }
        return version
    }

    /// Client libraries look at `server` and `version` before they use a command.
    private static func introduce(_ call: borrowing Call, _ reply: inout Reply) {
        reply.map(7)
        reply.bulk("server")
        reply.bulk("redis")
        reply.bulk("version")
        reply.bulk(ServerIdentity.redisVersion)
        reply.bulk("proto")
        reply.integer(Int64(call.session.version.rawValue))
        reply.bulk("id")
        reply.integer(call.session.id)
        reply.bulk("mode")
        reply.bulk("standalone")
        reply.bulk("role")
        reply.bulk("master")
        reply.bulk("modules")
        reply.array(0)
    }
}
