//  Tracking.swift — who holds copies of which keys, and is told when they are stale.
//
//  A client that tracks is remembered with the keys that its read-only commands name; the first
//  change of such a key tells it so and forgets it. A client that broadcasts names prefixes instead,
//  and hears at the end of the turn of every key that changed under them. Keys count whatever their
//  database is, as in Redis.
//
//  Clients are remembered by slot and id, so one that left needs no search through the table.
import Platform

/// What one client has asked for with CLIENT TRACKING.
struct Tracking {
    var isBroadcasting = false
    var isOptIn = false
    var isOptOut = false
    /// The client's own changes are not told.
    var noLoop = false
    /// The client that gets the messages, if that is another one.
    var redirection: Reader?
    /// That client has left.
    var isBroken = false
    /// In the order in which they were given.
    var prefixes: [[UInt8]] = []
    /// CLIENT CACHING spoke of the next command.
    var isCachingSet = false

    struct Reader: Hashable {
        let slot: Int32
        let id: Int64
    }
}

/// The keys that clients hold copies of.
struct TrackingTable {
    private struct Entry {
        let key: [UInt8]
        var readers: Set<Tracking.Reader>
    }

    /// Keys that changed under a prefix since the last turn, each with the slot of the client that
    /// changed it first, or -1; and who hears of them.
    struct Broadcast {
        var slots: [Int] = []
        var changed: [[UInt8]: Int] = [:]
    }

    /// Clients that track.
    var clientCount = 0
    private(set) var itemCount = 0
    private(set) var broadcasts: [[UInt8]: Broadcast] = [:]
    /// A key changed that is to be broadcast.
    private(set) var hasBroadcasts = false
    // Beside each other, so that one can be chosen by chance.
    private var entries: [Entry] = []
    private var positions: [[UInt8]: Int] = [:]

    var keyCount: Int { entries.count }
    var prefixCount: Int { broadcasts.count }

    /// Remembers that a client has read `key`.
    mutating func add(_ key: [UInt8], _ reader: Tracking.Reader) {
        if let i = positions[key] {
            if entries[i].readers.insert(reader).inserted { itemCount += 1 }
            return
        }
        positions[key] = entries.count
        entries.append(Entry(key: key, readers: [reader]))
        itemCount += 1
    }

    /// Forgets `key`; returns who has read it.
    mutating func remove(_ key: [UInt8]) -> Set<Tracking.Reader> {
        guard let i = positions.removeValue(forKey: key) else { return [] }
        entries.swapAt(i, entries.count - 1)
        let entry = entries.removeLast()
        if i < entries.count { positions[entries[i].key] = i }
        itemCount -= entry.readers.count
        return entry.readers
    }

    /// A key chosen by chance.
    func anyKey(_ random: inout RandomGenerator) -> [UInt8]? {
        entries.isEmpty ? nil : entries[Int.random(in: entries.indices, using: &random)].key
    }

    /// Forgets who has read what.
    mutating func removeAll() {
        entries = []
        positions = [:]
        itemCount = 0
    }

    // MARK: - Broadcasts

    mutating func listen(_ slot: Int, to prefix: [UInt8]) {
        broadcasts[prefix, default: Broadcast()].slots.append(slot)
    }

    mutating func forget(_ slot: Int, _ prefix: [UInt8]) {
        guard let i = broadcasts.index(forKey: prefix) else { return }
        broadcasts.values[i].slots.removeAll { $0 == slot }
        if broadcasts.values[i].slots.isEmpty { broadcasts.remove(at: i) }
    }

    /// Notes that `key` has been changed by the client in `slot`, or by none if that is -1.
    mutating func noteChange(of key: [UInt8], by slot: Int) {
        var i = broadcasts.startIndex
        while i != broadcasts.endIndex {
            let prefix = broadcasts.keys[i]
            if key.starts(with: prefix), broadcasts.values[i].changed[key] == nil {
                broadcasts.values[i].changed[key] = slot
                hasBroadcasts = true
            }
            broadcasts.formIndex(after: &i)
        }
    }

    /// What changed under each prefix, in the order of the prefixes; the lists start anew.
    mutating func takeBroadcasts() -> [Broadcast] {
        hasBroadcasts = false
        var taken: [(prefix: [UInt8], broadcast: Broadcast)] = []
        var i = broadcasts.startIndex
        while i != broadcasts.endIndex {
            if !broadcasts.values[i].changed.isEmpty {
                taken.append((broadcasts.keys[i], broadcasts.values[i]))
                broadcasts.values[i].changed = [:]
            }
            broadcasts.formIndex(after: &i)
        }
        return taken.sorted { $0.prefix.lexicographicallyPrecedes($1.prefix) }.map(\.broadcast)
    }
}

extension Call {
    // MARK: - Beginning and ending

    /// Has the client be told of changes, as `wish` says; prefixes add to those it has.
    mutating func track(_ wish: Tracking) {
        let slot = session.slot
        var tracking = wish
        tracking.prefixes = clients[slot].tracking?.prefixes ?? []
        let isNew = clients[slot].tracking == nil
        if wish.isBroadcasting {
            for prefix in wish.prefixes.isEmpty ? [[]] : wish.prefixes
            where !tracking.prefixes.contains(prefix) {
                tracking.prefixes.append(prefix)
                trackingTable.listen(slot, to: prefix)
            }
        }
        clients[slot].tracking = tracking
        guard isNew else { return }
        trackingTable.clientCount += 1
        session.isTracking = true
        interest.insert(.trackers)
        attention.insert(.observed)
    }

    /// Tells the client in `slot` of changes no more.
    mutating func endTracking(_ slot: Int) {
        guard let tracking = clients[slot].tracking.take() else { return }
        for prefix in tracking.prefixes { trackingTable.forget(slot, prefix) }
        if slot == session.slot { session.isTracking = false }
        clients[slot].session.isTracking = false
        trackingTable.clientCount -= 1
        guard trackingTable.clientCount == 0 else { return }
        trackingTable.removeAll()
        interest.remove(.trackers)
    }

    // MARK: - Reading

    /// Remembers what the client has read with a command that ran.
    mutating func rememberKeys(_ args: borrowing Arguments, _ id: Int) {
        let flags = commands.entries[id].flags
        guard flags.contains(.readonly), !flags.contains(.pubsub),
            let tracking = clients[session.slot].tracking, !tracking.isBroadcasting,
            !tracking.isOptIn || tracking.isCachingSet,
            !tracking.isOptOut || !tracking.isCachingSet
        else { return }
        let reader = Tracking.Reader(slot: Int32(session.slot), id: session.id)
        for position in commands.documents[id].keys(in: args, from: 0) ?? [] {
            trackingTable.add(args[position.index].array, reader)
        }
        limitTracking()
    }

    /// What CLIENT CACHING said holds for one command, or for one transaction.
    mutating func endCaching(after id: Int) {
        guard clients[session.slot].tracking?.isCachingSet == true, !isQueueing else { return }
        if id >= 0, commands.fullName(id).hasPrefix("client|") { return }
        clients[session.slot].tracking?.isCachingSet = false
    }

    /// Forgets keys until the table is within its limit; their readers drop them.
    private mutating func limitTracking() {
        let limit = configuration.trackingTableMaxKeys
        guard limit > 0 else { return }
        while trackingTable.keyCount > limit {
            var generator = random
            let victim = trackingTable.anyKey(&generator)
            random = generator
            guard let victim else { return }
            tellReaders(of: victim, changedBy: -1)
        }
    }

    // MARK: - Telling

    /// `key` has changed; `isOwn` when the command that runs did it.
    mutating func invalidate(_ key: Bytes, isOwn: Bool) {
        let slot = isOwn && !isHousekeeping ? session.slot : -1
        let name = key.array
        if trackingTable.prefixCount > 0 { trackingTable.noteChange(of: name, by: slot) }
        tellReaders(of: name, changedBy: slot)
    }

    private mutating func tellReaders(of key: [UInt8], changedBy slot: Int) {
        for reader in trackingTable.remove(key) {
            let target = Int(reader.slot)
            guard clients[target].isOpen, clients[target].session.id == reader.id,
                let tracking = clients[target].tracking, !tracking.isBroadcasting,
                !tracking.noLoop || target != slot
            else { continue }
            sendInvalidation(to: target, [key])
        }
    }

    /// No key is what it was.
    mutating func invalidateAll() {
        guard interest.contains(.trackers) else { return }
        for slot in 0..<clients.slotCount where clients[slot].tracking != nil {
            sendInvalidation(to: slot, nil)
        }
        trackingTable.removeAll()
    }

    /// Tells those who broadcast what has changed in this turn.
    mutating func sendBroadcasts() {
        guard trackingTable.hasBroadcasts else { return }
        for broadcast in trackingTable.takeBroadcasts() {
            let all = broadcast.changed.keys.sorted { $0.lexicographicallyPrecedes($1) }
            for slot in broadcast.slots {
                let noLoop = clients[slot].tracking?.noLoop ?? false
                let keys = noLoop ? all.filter { broadcast.changed[$0] != slot } : all
                if !keys.isEmpty { sendInvalidation(to: slot, keys) }
            }
        }
    }

    /// The message to the client in `slot`, or to whom it has its messages sent; nil means all keys.
    private mutating func sendInvalidation(to slot: Int, _ keys: [[UInt8]]?) {
        guard let tracking = clients[slot].tracking else { return }
        var target = slot
        if let other = tracking.redirection {
            target = Int(other.slot)
            guard clients[target].isOpen, clients[target].session.id == other.id else {
                clients[slot].tracking?.isBroken = true
                guard protocolVersion(of: slot) == .resp3 else { return }
                return push(to: slot) { reply in
                    reply.push(2)
                    reply.bulk("tracking-redir-broken")
                    reply.integer(other.id)
                }
            }
        }
        let isPush = protocolVersion(of: target) == .resp3
        let isListening = clients[target].subscriptions.count > 0
        guard isPush || tracking.redirection != nil && isListening else { return }
        push(to: target) { reply in
            if isPush {
                reply.push(2)
                reply.bulk("invalidate")
            } else {
                reply.array(3)
                reply.bulk("message")
                reply.bulk("__redis__:invalidate")
            }
            guard let keys else { return reply.null() }
            reply.array(keys.count)
            for key in keys { reply.bulk(key) }
        }
    }

    /// Bytes for any client, the one whose command runs included.
    private mutating func push(to slot: Int, _ body: (inout Reply) -> Void) {
        clients[slot].session.version = protocolVersion(of: slot)
        post(slot, body)
        if slot == session.slot { attention.insert(.ownPost) }
    }

    /// The session of the client whose command runs is not in the table meanwhile.
    func protocolVersion(of slot: Int) -> RESPVersion {
        slot == session.slot ? session.version : clients[slot].session.version
    }
}
