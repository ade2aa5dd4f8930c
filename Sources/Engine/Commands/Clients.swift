//  Clients.swift — CLIENT and its subcommands.

enum Clients {
    static let family = Family(
        group: .connection,
        commands: [
            CLIENT_ID, CLIENT_GETNAME, CLIENT_SETNAME, CLIENT_SETINFO, CLIENT_LIST, CLIENT_INFO,
            CLIENT_KILL, CLIENT_REPLY, CLIENT_NO_EVICT, CLIENT_NO_TOUCH, CLIENT_HELP,
        ])

    // MARK: - Who am I

    static let CLIENT_ID = Command(
        "CLIENT ID", [.noscript, .loading, .stale], since: "5.0.0",
        complexity: "O(1)",
        summary: "Returns the id of the connection.",
        run: clientID)

    @Sendable static func clientID(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.integer(call.session.id)
    }

    static let CLIENT_GETNAME = Command(
        "CLIENT GETNAME", [.noscript, .loading, .stale], since: "2.6.9",
        complexity: "O(1)",
        summary: "Returns the name of the connection.",
        run: clientGetName)

    @Sendable static func clientGetName(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let name = call.clients[call.session.slot].name
        if name.isEmpty { reply.null() } else { reply.bulk(name) }
    }

    static let CLIENT_SETNAME = Command(
        "CLIENT SETNAME connection-name", [.noscript, .loading, .stale], since: "2.6.9",
        complexity: "O(1)",
        summary: "Names the connection.",
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"], run: clientSetName)

    @Sendable static func clientSetName(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try checkName(args[2], &call)
        call.clients[call.session.slot].name = args[2].array
        reply.ok()
    }

    /// A name stands between spaces in CLIENT LIST, so it holds printable characters only.
    static func checkName(_ name: Bytes, _ call: inout Call) throws(CommandError) {
        guard isPrintable(name) else {
            throw call.failed(
                "ERR Client names cannot contain spaces, newlines or special characters.")
        }
    }

    private static func isPrintable(_ text: Bytes) -> Bool {
        for i in 0..<text.count where text[i] < 33 || text[i] > 126 { return false }
        return true
    }

    static let CLIENT_SETINFO = Command(
        "CLIENT SETINFO <LIB-NAME libname | LIB-VER libver>", [.noscript, .loading, .stale],
        since: "7.2.0",
        complexity: "O(1)",
        summary: "Records which client library is speaking.",
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"], names: ["attr"],
        run: clientSetInfo)

    @Sendable static func clientSetInfo(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let isName = args[2].equalsIgnoringCase("lib-name")
        guard isName || args[2].equalsIgnoringCase("lib-ver") else {
            throw call.failed("ERR Unrecognized option '", args[2], "'")
        }
        guard isPrintable(args[3]) else {
            throw call.failed(
                "ERR ", args[2], " cannot contain spaces, newlines or special characters.")
        }
        if isName {
            call.clients[call.session.slot].libraryName = args[3].array
        } else {
            call.clients[call.session.slot].libraryVersion = args[3].array
        }
        reply.ok()
    }

    // MARK: - Who is here

    static let CLIENT_INFO = Command(
        "CLIENT INFO", [.noscript, .loading, .stale], since: "6.2.0",
        complexity: "O(1)",
        summary: "Describes the connection.",
        tips: ["nondeterministic_output"], run: clientInfo)

    @Sendable static func clientInfo(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.verbatim(call.clientInfo(call.session.slot) + "\n")
    }

    static let CLIENT_LIST = Command(
        "CLIENT LIST [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
        [.admin, .noscript, .loading, .stale], since: "2.4.0",
        complexity: "O(N) where N is the number of connections.",
        summary: "Lists the open connections.",
        history: [
            ("2.8.12", "Shows the `id`."),
            ("5.0.0", "Option `TYPE`."),
            ("6.0.0", "Shows the `user`."),
            ("6.2.0", "Shows `argv-mem`, `tot-mem`, `laddr` and `redir`; option `ID`."),
            ("7.0.0", "Shows `resp`, `multi-mem`, `rbs` and `rbp`."),
            ("7.0.3", "Shows `ssub`."),
            ("7.2.0", "Shows `lib-name` and `lib-ver`."),
            ("7.4.0", "Shows `watch`."),
            ("8.0.0", "Shows `io-thread`."),
        ],
        tips: ["nondeterministic_output"], names: ["client-type"],
        added: [("client-type", "5.0.0"), ("client-id", "6.2.0")], run: clientList)

    @Sendable static func clientList(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var text = ByteBuffer()
        func add(_ slot: Int) {
            call.appendClientInfo(slot, to: &text)
            text.append("\n")
        }
        if args.count == 2 {
            for slot in 0..<call.clients.slotCount where call.clients[slot].isOpen {
                add(slot)
            }
        } else if args.count == 4, args[2].equalsIgnoringCase("type") {
            let type = try clientType(args[3], &call)
            for slot in 0..<call.clients.slotCount where call.clients[slot].isOpen {
                if call.clients[slot].type == type { add(slot) }
            }
        } else if args.count > 3, args[2].equalsIgnoringCase("id") {
            for i in 3..<args.count {
                guard let id = Numbers.integer(args[i]) else {
                    throw call.failed("ERR Invalid client ID")
                }
                if let slot = call.clients.slot(of: id) { add(slot) }
            }
        } else {
            throw .syntax
        }
        reply.verbatim(text.span)
    }

    private static func clientType(
        _ word: Bytes, _ call: inout Call
    ) throws(CommandError) -> ClientType {
        switch Word(word) {
        case "NORMAL": return .normal
        case "MASTER": return .master
        case "REPLICA", "SLAVE": return .replica
        case "PUBSUB": return .pubsub
        default: throw call.failed("ERR Unknown client type '", word, "'")
        }
    }

    // MARK: - Ending others

    /// Which clients CLIENT KILL means.
    private struct Filter {
        var id: Int64?
        var type: ClientType?
        var address: [UInt8]?
        var localAddress: [UInt8]?
        var maxAge: Int64?
        var skipsSelf = true

        func matches(_ client: borrowing Client, now: Int64) -> Bool {
            if let id, client.session.id != id { return false }
            if let type, client.type != type { return false }
            if let address, Array(client.address.utf8) != address { return false }
            if let localAddress, Array(client.localAddress.utf8) != localAddress { return false }
            if let maxAge, (now - client.connectedAt) / 1000 < maxAge { return false }
            return true
        }
    }

    static let CLIENT_KILL = Command(
        """
        CLIENT KILL <old-format=ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | \
        REPLICA | PUBSUB>] | [USER username] | [ADDR addr=ip:port] | [LADDR laddr=ip:port] | \
        [SKIPME <YES | NO>] | [MAXAGE maxage]>...>
        """,
        [.admin, .noscript, .loading, .stale], since: "2.4.0",
        complexity: "O(N) where N is the number of connections.",
        summary: "Closes connections that match.",
        history: [
            ("2.8.12", "Takes filters."),
            ("2.8.12", "Filter `ID`."),
            ("3.2.0", "Type `master`."),
            ("5.0.0", "Type `replica`; `slave` stays as another word for it."),
            ("6.2.0", "Filter `LADDR`."),
            ("7.4.0", "Filter `MAXAGE`."),
        ],
        arity: -3, names: ["filter", "new-format", "client-type"],
        added: [
            ("client-id", "2.8.12"), ("client-type", "2.8.12"), ("master", "3.2.0"),
            ("replica", "5.0.0"), ("laddr", "6.2.0"), ("maxage", "7.4.0"),
        ],
        dropped: [("old-format", "2.8.12")], run: clientKill)

    @Sendable static func clientKill(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var filter = Filter()
        let isOldForm = args.count == 3
        if isOldForm {
            filter.address = args[2].array
            filter.skipsSelf = false
        } else {
            filter = try killFilter(args, &call)
        }
        var count: Int64 = 0
        for slot in 0..<call.clients.slotCount where call.clients[slot].isOpen {
            let isSelf = slot == call.session.slot
            guard !(isSelf && filter.skipsSelf), !call.clients[slot].isDoomed,
                filter.matches(call.clients[slot], now: call.now)
            else { continue }
            // The reply still goes out to whoever ends itself.
            if isSelf { call.attention.insert(.close) } else { call.clients.doom(slot) }
            count += 1
        }
        if !isOldForm { return reply.integer(count) }
        guard count > 0 else { throw call.failed("ERR No such client") }
        reply.ok()
    }

    private static func killFilter(
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) -> Filter {
        var filter = Filter()
        for i in stride(from: 2, to: args.count, by: 2) {
            guard i + 1 < args.count else { throw .syntax }
            switch args.word(i) {
            case "ID": filter.id = try positive(args[i + 1], "client-id", &call)
            case "MAXAGE": filter.maxAge = try positive(args[i + 1], "maxage", &call)
            case "TYPE": filter.type = try clientType(args[i + 1], &call)
            case "ADDR": filter.address = args[i + 1].array
            case "LADDR": filter.localAddress = args[i + 1].array
            case "USER":
                guard args[i + 1].equals("default") else {
                    throw call.failed("ERR No such user '", args[i + 1], "'")
                }
            case "SKIPME":
                switch args.word(i + 1) {
                case "YES": filter.skipsSelf = true
                case "NO": filter.skipsSelf = false
                default: throw .syntax
                }
            default: throw .syntax
            }
        }
        return filter
    }

    private static func positive(
        _ word: Bytes, _ name: String, _ call: inout Call
    ) throws(CommandError) -> Int64 {
        guard let value = Numbers.integer(word) else {
            // An id that is no number is told like one that is too small.
            let isID = name == "client-id"
            throw call.failed(
                isID
                    ? "ERR client-id should be greater than 0"
                    : "ERR \(name) is not an integer or out of range")
        }
        guard value > 0 else { throw call.failed("ERR \(name) should be greater than 0") }
        return value
    }

    // MARK: - Manners

    static let CLIENT_REPLY = Command(
        "CLIENT REPLY <ON | OFF | SKIP>", [.noscript, .loading, .stale], since: "3.2.0",
        complexity: "O(1)",
        summary: "Turns the replies to the connection off and on.",
        names: ["action"], run: clientReply)

    @Sendable static func clientReply(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        switch args.word(2) {
        case "ON":
            call.session.replies = .on
            reply.ok()
        case "OFF":
            call.session.replies = .off
            call.attention.insert(.silence)
        case "SKIP":
            if call.session.replies != .off { call.session.replies = .skipNext }
            call.attention.insert(.silence)
        default: throw .syntax
        }
    }

    static let CLIENT_NO_EVICT = Command(
        "CLIENT NO-EVICT <ON | OFF>", [.admin, .noscript, .loading, .stale], since: "7.0.0",
        complexity: "O(1)",
        summary: "Keeps the connection from being closed to free memory.",
        names: ["enabled"], run: clientNoEvict)

    @Sendable static func clientNoEvict(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        call.clients[call.session.slot].noEvict = try isOn(args)
        reply.ok()
    }

    static let CLIENT_NO_TOUCH = Command(
        "CLIENT NO-TOUCH <ON | OFF>", [.noscript, .loading, .stale], since: "7.2.0",
        complexity: "O(1)",
        summary: "Lets the commands of the connection leave no trace of use on keys.",
        names: ["enabled"], run: clientNoTouch)

    @Sendable static func clientNoTouch(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        call.session.noTouch = try isOn(args)
        call.updateTouching()
        reply.ok()
    }

    private static func isOn(_ args: borrowing Arguments) throws(CommandError) -> Bool {
        switch args.word(2) {
        case "ON": true
        case "OFF": false
        default: throw .syntax
        }
    }

    static let CLIENT_HELP = Command(
        "CLIENT HELP", [.loading, .stale], since: "5.0.0",
        complexity: "O(1)",
        summary: "Explains the subcommands of CLIENT.",
        run: clientHelp)

    @Sendable static func clientHelp(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.help(
            "CLIENT",
            [
                "CAPA <option> [<option> ...]",
                "    Tell what this client can do: redirect.",
                "CACHING (YES|NO)", "    Track, or do not track, the keys of the next command.",
                "GETNAME", "    Return the name of the connection.",
                "GETREDIR", "    Return the id of the client that gets invalidations.",
                "ID", "    Return the id of the connection.",
                "INFO", "    Describe the connection.",
                "KILL <ip:port>", "    Close the connection from an address.",
                "KILL <option> <value> [<option> <value> [...]]",
                "    Close the connections that match all of:",
                "    * ADDR (<ip:port>|<unixsocket>:0), LADDR (<ip:port>|<unixsocket>:0)",
                "    * ID <client-id>, USER <username>, MAXAGE <seconds>",
                "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
                "    * SKIPME (YES|NO): leave this connection alone (default: yes)",
                "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)|ID <client-id> [...]]",
                "    Describe all connections, or some.",
                "NO-EVICT (ON|OFF)",
                "    Keep the connection from being closed to free memory.",
                "NO-TOUCH (ON|OFF)", "    Leave no trace of use on keys.",
                "PAUSE <timeout> [WRITE|ALL]",
                "    Let all commands, or those that write, wait for so many milliseconds.",
                "REPLY (ON|OFF|SKIP)", "    Turn the replies to the connection on and off.",
                "SETINFO (LIB-NAME|LIB-VER) <value>",
                "    Record which client library is speaking.",
                "SETNAME <name>", "    Name the connection.",
                "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
                "         [OPTIN] [OPTOUT] [NOLOOP]",
                "    Tell when keys change that this connection has read.",
                "TRACKINGINFO", "    Tell how keys are tracked.",
                "UNBLOCK <client-id> [TIMEOUT|ERROR]",
                "    End the wait of another connection, as if its time were up or with an error.",
                "UNPAUSE", "    End a pause.",
            ])
    }
}
