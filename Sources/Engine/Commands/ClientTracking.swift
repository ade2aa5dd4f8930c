//  ClientTracking.swift — CLIENT subcommands for clients that keep copies of keys.

enum ClientTracking {
    static let family = Family(
        group: .connection,
        commands: [CLIENT_TRACKING, CLIENT_CACHING, CLIENT_TRACKINGINFO, CLIENT_GETREDIR])

    // MARK: - Turning it on

    static let CLIENT_TRACKING = Command(
        """
        CLIENT TRACKING <ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] \
        [BCAST] [OPTIN] [OPTOUT] [NOLOOP]
        """,
        [.noscript, .loading, .stale], since: "6.0.0",
        complexity: "O(1). Some options may introduce additional complexity.",
        summary: "Has the server tell when keys change that the connection has read.",
        names: ["status"], run: tracking)

    @Sendable static func tracking(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let wish = try options(args, &call)
        switch args.word(2) {
        case "ON":
            try check(wish, &call)
            call.track(wish)
        case "OFF": call.endTracking(call.session.slot)
        default: throw .syntax
        }
        reply.ok()
    }

    private static func options(
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) -> Tracking {
        var wish = Tracking()
        var i = 3
        while i < args.count {
            let hasValue = i + 1 < args.count
            switch args.word(i) {
            case "BCAST": wish.isBroadcasting = true
            case "OPTIN": wish.isOptIn = true
            case "OPTOUT": wish.isOptOut = true
            case "NOLOOP": wish.noLoop = true
            case "REDIRECT" where hasValue:
                i += 1
                guard wish.redirection == nil else {
                    throw call.failed(
                        "ERR A client can only redirect to a single other client")
                }
                wish.redirection = try client(args.integer(i), &call)
            case "PREFIX" where hasValue:
                i += 1
                wish.prefixes.append(args[i].array)
            default: throw .syntax
            }
            i += 1
        }
        return wish
    }

    /// The client with an id; none for 0.
    private static func client(
        _ id: Int64, _ call: inout Call
    ) throws(CommandError) -> Tracking.Reader? {
        call.refreshSessionOfCaller()
        guard let slot = call.clients.slot(of: id) else {
            throw call.failed("ERR The client ID you want redirect to does not exist")
        }
        return Tracking.Reader(slot: Int32(slot), id: id)
    }

    /// Whether the options agree with each other, and with those in force.
    private static func check(_ wish: Tracking, _ call: inout Call) throws(CommandError) {
        guard wish.isBroadcasting || wish.prefixes.isEmpty else {
            throw call.failed("ERR PREFIX option requires BCAST mode to be enabled")
        }
        let old = call.clients[call.session.slot].tracking
        if let old, old.isBroadcasting != wish.isBroadcasting {
            throw call.failed(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client,"
                    + " and then re-enabling it with a different mode.")
        }
        if wish.isBroadcasting, wish.isOptIn || wish.isOptOut {
            throw call.failed("ERR OPTIN and OPTOUT are not compatible with BCAST")
        }
        if wish.isOptIn, wish.isOptOut {
            throw call.failed("ERR You can't specify both OPTIN mode and OPTOUT mode")
        }
        if let old, wish.isOptIn && old.isOptOut || wish.isOptOut && old.isOptIn {
            throw call.failed(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client,"
                    + " and then re-enabling it with a different mode.")
        }
        if wish.isBroadcasting { try checkPrefixes(wish.prefixes, old?.prefixes ?? [], &call) }
    }

    /// No key may be told of twice.
    private static func checkPrefixes(
        _ new: [[UInt8]], _ old: [[UInt8]], _ call: inout Call
    ) throws(CommandError) {
        let old = old.sorted { $0.lexicographicallyPrecedes($1) }
        for (i, prefix) in new.enumerated() {
            if let clash = old.first(where: { overlap($0, prefix) }) {
                throw overlaps(prefix, "an existing", clash, &call)
            }
            for other in new[(i + 1)...] where overlap(prefix, other) {
                throw overlaps(prefix, "another provided", other, &call)
            }
        }
    }

    private static func overlap(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        a.starts(with: b) || b.starts(with: a)
    }

    private static func overlaps(
        _ prefix: [UInt8], _ which: String, _ other: [UInt8], _ call: inout Call
    ) -> CommandError {
        call.failure =
            Array("ERR Prefix '".utf8) + prefix.prefix { $0 != 0 }
            + Array("' overlaps with \(which) prefix '".utf8) + other.prefix { $0 != 0 }
            + Array("'. Prefixes for a single client must not overlap.".utf8)
        return .text
    }

    // MARK: - One command

    static let CLIENT_CACHING = Command(
        "CLIENT CACHING <YES | NO>", [.noscript, .loading, .stale], since: "6.0.0",
        complexity: "O(1)",
        summary: "Says whether the keys of the next command are tracked.",
        names: ["mode"], run: caching)

    @Sendable static func caching(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let slot = call.session.slot
        guard let tracking = call.clients[slot].tracking else {
            throw call.failed(
                "ERR CLIENT CACHING can be called only when the client is in tracking mode with "
                    + "OPTIN or OPTOUT mode enabled")
        }
        switch args.word(2) {
        case "YES":
            guard tracking.isOptIn else {
                throw call.failed(
                    "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
            }
        case "NO":
            guard tracking.isOptOut else {
                throw call.failed(
                    "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
            }
        default: throw .syntax
        }
        call.clients[slot].tracking?.isCachingSet = true
        reply.ok()
    }

    // MARK: - Telling

    static let CLIENT_TRACKINGINFO = Command(
        "CLIENT TRACKINGINFO", [.noscript, .loading, .stale], since: "6.2.0",
        complexity: "O(1)",
        summary: "Tells how the keys of the connection are tracked.",
        run: trackingInfo)

    @Sendable static func trackingInfo(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let slot = call.session.slot
        let tracking = call.clients[slot].tracking
        reply.map(3)
        reply.bulk("flags")
        let flags = flags(tracking)
        reply.set(flags.count)
        for flag in flags { reply.bulk(flag) }
        reply.bulk("redirect")
        reply.integer(Int64(call.redirection(of: slot)))
        reply.bulk("prefixes")
        let prefixes = (tracking?.prefixes ?? []).sorted { $0.lexicographicallyPrecedes($1) }
        reply.array(prefixes.count)
        for prefix in prefixes { reply.bulk(prefix) }
    }

    private static func flags(_ tracking: Tracking?) -> [String] {
        guard let tracking else { return ["off"] }
        var flags = ["on"]
        if tracking.isBroadcasting { flags.append("bcast") }
        if tracking.isOptIn {
            flags.append("optin")
            if tracking.isCachingSet { flags.append("caching-yes") }
        }
        if tracking.isOptOut {
            flags.append("optout")
            if tracking.isCachingSet { flags.append("caching-no") }
        }
        if tracking.noLoop { flags.append("noloop") }
        if tracking.isBroken { flags.append("broken_redirect") }
        return flags
    }

    static let CLIENT_GETREDIR = Command(
        "CLIENT GETREDIR", [.noscript, .loading, .stale], since: "6.0.0",
        complexity: "O(1)",
        summary: "Returns the id of the connection that gets the invalidations of this one.",
        run: getRedirection)

    @Sendable static func getRedirection(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.integer(Int64(call.redirection(of: call.session.slot)))
    }
}
