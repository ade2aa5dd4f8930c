//  PubSub.swift — who listens to which channel, and messages on their way.
//
//  A message is written once for each protocol, into the bulletin of the turn. What a listener gets
//  is a run of the bulletin, which the end of the turn sends from where it is. Only where a run
//  would have a gap, or the client that publishes listens too, the message goes into an outbox.

/// The three name spaces of subscriptions.
enum SubscriptionKind: Int, CaseIterable {
    case channel, pattern, shardChannel
}

/// What one client listens to.
struct Subscriptions {
    private var names = InlineArray<3, Set<[UInt8]>>(repeating: [])

    subscript(kind: SubscriptionKind) -> Set<[UInt8]> {
        get { names[kind.rawValue] }
        // In place: a copy would make each subscription cost as much as all before.
        _modify { yield &names[kind.rawValue] }
    }

    var count: Int { names[0].count + names[1].count + names[2].count }
    /// As replies to SUBSCRIBE and PSUBSCRIBE count; shard channels count by themselves.
    func count(with kind: SubscriptionKind) -> Int {
        kind == .shardChannel ? names[2].count : names[0].count + names[1].count
    }
}

/// The listeners of all channels.
struct PubSub {
    private var listeners = InlineArray<3, [[UInt8]: [Int32]]>(repeating: [:])

    /// Names that somebody listens to.
    func names(_ kind: SubscriptionKind) -> Dictionary<[UInt8], [Int32]>.Keys {
        listeners[kind.rawValue].keys
    }

    func nameCount(_ kind: SubscriptionKind) -> Int { listeners[kind.rawValue].count }

    /// Slots of those who listen to exactly `name`.
    func slots(_ kind: SubscriptionKind, _ name: [UInt8]) -> [Int32] {
        listeners[kind.rawValue][name] ?? []
    }

    /// Adds a listener, and returns the name in the memory that all listeners share.
    mutating func add(_ slot: Int, _ kind: SubscriptionKind, _ name: [UInt8]) -> [UInt8] {
        let table = kind.rawValue
        guard let found = listeners[table].index(forKey: name) else {
            listeners[table][name] = [Int32(slot)]
            return name
        }
        listeners[table].values[found].append(Int32(slot))
        return listeners[table].keys[found]
    }

    mutating func remove(_ slot: Int, _ kind: SubscriptionKind, _ name: [UInt8]) {
        let table = kind.rawValue
        guard let found = listeners[table].index(forKey: name) else { return }
        guard let i = listeners[table].values[found].firstIndex(of: Int32(slot)) else { return }
        listeners[table].values[found].remove(at: i)
        if listeners[table].values[found].isEmpty { listeners[table].remove(at: found) }
    }
}

/// The messages of a turn.
struct Bulletin: ~Copyable {
    fileprivate var resp2 = ByteBuffer()
    fileprivate var resp3 = ByteBuffer()

    init() {}

    /// Moves the messages behind what is in `arena`, and tells where those of each protocol begin.
    mutating func move(to arena: inout Reply) -> (resp2: Int, resp3: Int) {
        let starts = (arena.out.count, arena.out.count + resp2.count)
        arena.out.append(resp2.span)
        arena.out.append(resp3.span)
        resp2.removeAll()
        resp3.removeAll()
        resp2.shrink(to: Self.bytesKept)
        resp3.shrink(to: Self.bytesKept)
        return starts
    }

    private static var bytesKept: Int { 64 << 10 }
}

/// What a listener gets of a bulletin.
struct BulletinRun {
    var range = 0..<0
    var version = RESPVersion.resp2
}

/// Where a message stands in the bulletin, as far as somebody has asked for it.
private struct Notice {
    var resp2: Range<Int>?
    var resp3: Range<Int>?
}

extension Call {
    // MARK: - Listening

    /// Has the client listen to `name`.
    mutating func subscribe(_ kind: SubscriptionKind, _ name: Bytes) {
        let slot = session.slot
        let name = name.array
        guard !clients[slot].subscriptions[kind].contains(name) else { return }
        let shared = pubsub.add(slot, kind, name)
        clients[slot].subscriptions[kind].insert(shared)
        updateListening()
    }

    mutating func unsubscribe(_ kind: SubscriptionKind, _ name: [UInt8]) {
        let slot = session.slot
        guard clients[slot].subscriptions[kind].remove(name) != nil else { return }
        pubsub.remove(slot, kind, name)
        updateListening()
    }

    /// Ends all subscriptions of the client in `slot`.
    mutating func unsubscribeAll(_ slot: Int) {
        guard clients[slot].subscriptions.count > 0 else { return }
        for kind in SubscriptionKind.allCases {
            for name in clients[slot].subscriptions[kind] { pubsub.remove(slot, kind, name) }
        }
        clients[slot].subscriptions = Subscriptions()
        clients[slot].isListener = false
        listenerCount -= 1
    }

    /// What a client that listens may do depends on its protocol.
    mutating func updateListening() {
        let slot = session.slot
        let listens = clients[slot].subscriptions.count > 0
        if listens != clients[slot].isListener {
            clients[slot].isListener = listens
            listenerCount += listens ? 1 : -1
        }
        if listens, session.version == .resp2 {
            session.raised.insert(.listener)
        } else {
            session.raised.remove(.listener)
        }
    }

    // MARK: - Publishing

    /// Sends `message` to everyone who listens to `channel`; returns how many those are.
    mutating func publish(_ channel: Bytes, _ message: Bytes, toShard: Bool) -> Int {
        let name = channel.array
        let kind = toShard ? SubscriptionKind.shardChannel : .channel
        var count = 0
        let direct = pubsub.slots(kind, name)
        if !direct.isEmpty {
            var text = Reply()
            text.array(3)
            text.bulk(toShard ? "smessage" : "message")
            text.bulk(channel)
            text.bulk(message)
            var notice = Notice()
            for slot in direct { deliver(text.out.span, &notice, to: Int(slot)) }
            count += direct.count
        }
        if toShard || pubsub.nameCount(.pattern) == 0 { return count }
        for pattern in pubsub.names(.pattern) {
            // Nothing but the empty pattern matches the empty channel, as in Redis.
            guard channel.isEmpty ? pattern.isEmpty : Glob.matches(pattern: pattern.span, channel)
            else { continue }
            var text = Reply()
            text.array(4)
            text.bulk("pmessage")
            text.bulk(pattern)
            text.bulk(channel)
            text.bulk(message)
            let slots = pubsub.slots(.pattern, pattern)
            var notice = Notice()
            for slot in slots { deliver(text.out.span, &notice, to: Int(slot)) }
            count += slots.count
        }
        return count
    }

    /// Moves what there is for the client itself into its reply.
    mutating func takeOwnPost(_ reply: inout Reply) {
        let slot = session.slot
        let run = clients[slot].news
        clients[slot].news = BulletinRun()
        if run.version == .resp3 {
            reply.out.append(bulletin.resp3.span.extracting(run.range))
        } else {
            reply.out.append(bulletin.resp2.span.extracting(run.range))
        }
        var outbox = ByteBuffer()
        swap(&outbox, &clients[slot].outbox)
        reply.out.append(outbox.span)
    }

    /// Leaves a message, written for RESP2, for a client.
    private mutating func deliver(_ message: Bytes, _ notice: inout Notice, to slot: Int) {
        let version = protocolVersion(of: slot)
        defer { notePost(slot) }
        if slot == session.slot { attention.insert(.ownPost) }
        if slot != session.slot, clients[slot].outbox.count == 0 {
            let place = post(message, &notice, version)
            let run = clients[slot].news
            if run.range.isEmpty {
                clients[slot].news = BulletinRun(range: place, version: version)
                return
            }
            if run.version == version, run.range.upperBound == place.lowerBound {
                clients[slot].news.range = run.range.lowerBound..<place.upperBound
                return
            }
        }
        if version == .resp3 {
            clients[slot].outbox.append(UInt8(ascii: ">"))
            clients[slot].outbox.append(message.extracting(1...))
        } else {
            clients[slot].outbox.append(message)
        }
    }

    /// The place of a message in the bulletin, where it is written when it is first asked for.
    @inline(__always) private mutating func post(
        _ message: Bytes, _ notice: inout Notice, _ version: RESPVersion
    ) -> Range<Int> {
        if let place = version == .resp3 ? notice.resp3 : notice.resp2 { return place }
        if version == .resp3 {
            let start = bulletin.resp3.count
            bulletin.resp3.append(UInt8(ascii: ">"))
            bulletin.resp3.append(message.extracting(1...))
            notice.resp3 = start..<bulletin.resp3.count
            return start..<bulletin.resp3.count
        }
        let start = bulletin.resp2.count
        bulletin.resp2.append(message)
        notice.resp2 = start..<bulletin.resp2.count
        return start..<bulletin.resp2.count
    }
}
