//  Blocking.swift — clients that wait for a key, in the order in which they came.
//
//  A blocking command that finds nothing keeps a copy of its words and waits. When a key that
//  somebody waits for has changed and holds the wanted type, the commands of its waiters run again,
//  first come, first served, before the next command of anybody; one that finds nothing waits on.
//  So there is one code path for serving at once and serving late.
//
//  Queues are by key. Leaving a queue early marks nothing: an entry counts only while its ticket is
//  that of its client's present wait. Deadlines stand in a timing wheel. A waiting client costs
//  nothing per turn.
import CPlatform

/// What a waiting client is told when its time is up.
enum TimeoutReply: Sendable {
    case null, nullArray
    /// How many have what the client wrote on the disk: this server, and replicas.
    case acknowledgements
}

/// A wait, kept with its client.
struct Wait {
    let ticket: UInt64
    /// Position in the table of the command to run again.
    let command: Int
    let words: OwnedArguments
    let keys: [WaitKey]
    let type: ValueType
    /// Whether the command runs again too when a key is gone or holds something else.
    var needsKeys = false
    let timeoutReply: TimeoutReply
    /// Unix time in milliseconds; `Int64.max` for ever.
    let deadline: Int64
    /// When it began, in Unix milliseconds.
    let since: Int64
}

/// A key that somebody waits for.
struct WaitKey: Hashable {
    let database: Int
    let key: [UInt8]
}

/// Every wait of a server.
struct Blocking: ~Copyable {
    /// One place in the queue of a key.
    private struct Entry {
        let slot: Int
        let ticket: UInt64
        var isLive = true
    }

    /// The clients that wait for one key.
    private struct Queue {
        /// In ascending order of their tickets, which are handed out in that order.
        private var entries: [Entry] = []
        /// Entries in front of this are not live.
        private var first = 0
        /// Entries whose wait is going on.
        private(set) var live = 0
        var isReady = false

        mutating func append(_ slot: Int, _ ticket: UInt64) {
            entries.append(Entry(slot: slot, ticket: ticket))
            live += 1
        }

        /// The position of the first entry whose ticket is not below `ticket`.
        private func position(of ticket: UInt64) -> Int {
            var low = first, high = entries.count
            while low < high {
                let middle = (low + high) / 2
                if entries[middle].ticket < ticket { low = middle + 1 } else { high = middle }
            }
            return low
        }

        mutating func leave(_ ticket: UInt64) {
            let i = position(of: ticket)
            guard i < entries.count, entries[i].ticket == ticket, entries[i].isLive else { return }
            entries[i].isLive = false
            live -= 1
            while first < entries.count, !entries[first].isLive { first += 1 }
            // Clients that give up in the middle must not make the queue longer and longer.
            if entries.count > 2 * live + 16 {
                entries.removeAll { !$0.isLive }
                first = 0
            }
        }

        func next(behind ticket: UInt64) -> (slot: Int, ticket: UInt64)? {
            var i = position(of: ticket + 1)
            while i < entries.count, !entries[i].isLive { i += 1 }
            return i < entries.count ? (entries[i].slot, entries[i].ticket) : nil
        }
    }

    private var queues: [WaitKey: Queue] = [:]
    /// Keys that changed since waiters were last served, in that order.
    private var ready: [WaitKey] = []
    private var wheel: TimingWheel
    private var heap = SlabAllocator()
    private var nextTicket: UInt64 = 1
    /// Slots and deadlines by ticket, for waits that end at a time.
    private var timed: [UInt64: (slot: Int, deadline: Int64)] = [:]
    /// Clients that wait.
    private(set) var count = 0
    /// Clients that wait for ever are not among these.
    var timedCount: Int { timed.count }
    /// Keys that somebody waits for.
    var keyCount: Int { queues.count }
    var hasReady: Bool { !ready.isEmpty }

    init(now: Int64) { wheel = TimingWheel(now: now) }

    mutating func makeTicket() -> UInt64 {
        defer { nextTicket += 1 }
        return nextTicket
    }

    /// Queues a client.
    mutating func begin(_ wait: Wait, slot: Int) {
        count += 1
        for key in wait.keys {
            queues[key, default: Queue()].append(slot, wait.ticket)
        }
        guard wait.deadline != .max else { return }
        timed[wait.ticket] = (slot, wait.deadline)
        wheel.file(wait.ticket, at: wait.deadline, &heap)
        // Waits that ended early leave entries behind: at twice the number, start over.
        if wheel.count > 2 * timed.count + 1024 { rebuildWheel() }
    }

    private mutating func rebuildWheel() {
        var fresh = TimingWheel(now: wheel.position)
        swap(&fresh, &wheel)
        fresh.removeAll(&heap)
        for (ticket, wait) in timed { wheel.file(ticket, at: wait.deadline, &heap) }
    }

    /// Takes a client out of its queues.
    mutating func end(_ wait: Wait) {
        count -= 1
        timed[wait.ticket] = nil
        for key in wait.keys { leave(key, wait.ticket) }
    }

    /// Takes a place in the queue of `key` away.
    private mutating func leave(_ key: WaitKey, _ ticket: UInt64) {
        guard let found = queues.index(forKey: key) else { return }
        // Through the index, so that the queue is changed where it stands.
        queues.values[found].leave(ticket)
        if queues.values[found].live == 0 { queues.remove(at: found) }
    }

    /// A key changed; somebody may wait for it.
    mutating func touch(_ database: Int, _ key: Bytes) {
        touch(WaitKey(database: database, key: key.array))
    }

    /// Any key may have changed.
    mutating func touchAll() {
        for key in queues.keys { touch(key) }
    }

    private mutating func touch(_ key: WaitKey) {
        guard let queue = queues[key], !queue.isReady else { return }
        queues[key]?.isReady = true
        ready.append(key)
    }

    /// The keys that changed; the list starts anew.
    mutating func takeReady() -> [WaitKey] {
        let keys = ready
        ready = []
        for key in keys { queues[key]?.isReady = false }
        return keys
    }

    /// The client that waits for `key` with the lowest ticket above `ticket`.
    func nextWaiter(of key: WaitKey, behind ticket: UInt64) -> (slot: Int, ticket: UInt64)? {
        queues[key]?.next(behind: ticket)
    }

    /// The ticket of the latest wait that has begun.
    var latestTicket: UInt64 { nextTicket - 1 }

    /// When the next wait ends, in Unix milliseconds.
    mutating func wakeTime() -> Int64? { timed.isEmpty ? nil : wheel.wakeTime() }

    /// The slot and ticket of a wait whose time is up.
    mutating func nextDue(_ now: Int64) -> (slot: Int, ticket: UInt64)? {
        while let ticket = wheel.next(now, &heap) {
            guard let wait = timed[ticket] else { continue }
            if wait.deadline <= now { return (wait.slot, ticket) }
            // The wheel hands out early what is far away.
            wheel.file(ticket, at: wait.deadline, &heap)
        }
        return nil
    }
}

extension Call {
    /// Whether a blocking command may wait; if not it answers at once.
    var mayBlock: Bool { !session.deniesBlocking }

    /// Makes the client wait until one of the keys at `positions` holds `type` and this command,
    /// run again, finds what it wants.
    ///
    /// `deadline` is Unix time in milliseconds, `Int64.max` for ever. The command returns without a
    /// reply after this. Words that mean something else later are kept as `others` say; a command
    /// that `needsKeys` runs again when one of them is gone.
    mutating func block(
        _ args: borrowing Arguments, keys positions: some Sequence<Int>, on type: ValueType,
        until deadline: Int64, timeoutReply: TimeoutReply, replacing others: [Int: [UInt8]] = [:],
        needsKeys: Bool = false
    ) {
        attention.insert(.blocked)
        // Run again and found nothing: the wait goes on as it was.
        if isResuming { return }
        var keys: [WaitKey] = []
        for i in positions {
            let key = WaitKey(database: session.database, key: args[i].array)
            if !keys.contains(key) { keys.append(key) }
        }
        let wait = Wait(
            ticket: blocking.makeTicket(), command: command,
            words: others.isEmpty
                ? OwnedArguments(copying: args) : OwnedArguments(copying: args, replacing: others),
            keys: keys, type: type, needsKeys: needsKeys, timeoutReply: timeoutReply,
            deadline: deadline, since: now)
        clients[session.slot].wait = wait
        blocking.begin(wait, slot: session.slot)
        interest.insert(.waiters)
    }

    /// Makes the client wait until this command, run again when something has come to the disk, finds
    /// that it is enough.
    mutating func blockForDisk(_ args: borrowing Arguments, until deadline: Int64) {
        attention.insert(.blocked)
        if isResuming { return }
        let wait = Wait(
            ticket: blocking.makeTicket(), command: command, words: OwnedArguments(copying: args),
            keys: [], type: .string, needsKeys: false, timeoutReply: .acknowledgements,
            deadline: deadline, since: now)
        clients[session.slot].wait = wait
        blocking.begin(wait, slot: session.slot)
        syncWaits.append((session.slot, wait.ticket))
    }

    /// Ends the wait of a client, if it has one.
    mutating func endWait(_ slot: Int) {
        guard let wait = clients[slot].wait else { return }
        clients[slot].wait = nil
        blocking.end(wait)
        if blocking.count == 0 { interest.remove(.waiters) }
    }

    /// The timeout in word `i`, in seconds, as a time to wait until in Unix milliseconds.
    func blockingDeadline(
        _ args: borrowing Arguments, _ i: Int
    ) throws(CommandError) -> Int64 {
        guard let seconds = Numbers.double(args[i]) else {
            // Redis reads a wider format, in which the number may exist.
            guard (try? Numbers.sum(of: args[i].array, [UInt8(ascii: "0")])) != nil else {
                throw .timeoutNotAFloat
            }
            throw args[i][0] == UInt8(ascii: "-") ? .timeoutNegative : .timeoutOutOfRange
        }
        let milliseconds = (seconds * 1000).rounded(.up)
        guard milliseconds < Double(Int64.max) else { throw .timeoutOutOfRange }
        if milliseconds < 0 { throw .timeoutNegative }
        if milliseconds == 0 { return .max }
        let (deadline, overflow) = now.addingReportingOverflow(Int64(milliseconds))
        if overflow { throw .timeoutOutOfRange }
        return deadline
    }

    /// Bytes for a client that is not the one whose command runs; sent at the end of the turn.
    mutating func post(_ slot: Int, _ body: (inout Reply) -> Void) {
        var reply = Reply()
        reply.version = clients[slot].session.version
        swap(&reply.out, &clients[slot].outbox)
        body(&reply)
        swap(&reply.out, &clients[slot].outbox)
        notePost(slot)
    }

    mutating func notePost(_ slot: Int) {
        if clients[slot].isPosted { return }
        clients[slot].isPosted = true
        posted.append(slot)
    }

    /// Ends a wait with an error or as if its time were up.
    mutating func unblock(_ slot: Int, error: String? = nil) {
        guard let wait = clients[slot].wait else { return }
        endWait(slot)
        let isOnDisk = isOnDisk(slot)
        let silent = clients[slot].session.replies != .on
        if !silent {
            post(slot) { reply in
                if let error { return reply.error(error) }
                switch wait.timeoutReply {
                case .null: reply.null()
                case .nullArray: reply.nullArray()
                case .acknowledgements: Self.acknowledge(isOnDisk: isOnDisk, &reply)
                }
            }
        }
        if error != nil { statistics.errorReplies &+= 1 }
        notePost(slot)
    }
}

extension Executor {
    /// Runs the commands of clients whose keys have changed, until nobody finds anything more.
    @inline(never) mutating func serveWaiters() {
        guard call.blocking.hasReady else { return }
        let session = call.session, attention = call.attention, command = call.command
        while call.blocking.hasReady {
            for key in call.blocking.takeReady() { serveWaiters(of: key) }
        }
        call.compressLists()
        call.session = session
        call.attention = attention
        call.command = command
    }

    /// Those whose waits begin meanwhile are left for the next change.
    private mutating func serveWaiters(of key: WaitKey) {
        let latest = call.blocking.latestTicket
        var last: UInt64 = 0
        while let (slot, ticket) = call.blocking.nextWaiter(of: key, behind: last), ticket <= latest
        {
            last = ticket
            let type = type(of: key)
            guard let wait = call.clients[slot].wait, wait.ticket == ticket,
                wait.type == type || wait.needsKeys
            else { continue }
            resume(slot, wait)
        }
    }

    /// The type of the key's value; nil when there is no such key any more.
    private mutating func type(of key: WaitKey) -> ValueType? {
        call.session.database = key.database
        return call.find(call.key(key.key.span))?.record.kind.type
    }

    /// Runs a waiting client's command again.
    private mutating func resume(_ slot: Int, _ wait: Wait) {
        call.session = call.clients[slot].session
        call.attention = []
        call.command = wait.command
        call.isResuming = true
        var reply = Reply()
        reply.version = call.session.version
        let hash = call.keyspace.seed.hash(wait.words.word1.span)
        let error = run(wait.command, wait.words, hash, &reply)
        call.isResuming = false
        let offset = call.propagation.offset
        call.settle(wait.words)
        if call.propagation.offset != offset {
            call.clients[slot].writeOffset = call.propagation.offset
        }
        if call.attention.contains(.changes) { call.deliverChanges() }
        if call.attention.contains(.blocked) { return }
        call.endWait(slot)
        if let error {
            reply.truncate(to: 0)
            write(error, wait.command, &reply)
        }
        call.clients[slot].session = call.session
        if call.session.replies == .on {
            call.clients[slot].outbox.append(reply.out.span)
        }
        call.notePost(slot)
    }

    /// Runs a command whose words were kept; returns how it failed.
    mutating func run(
        _ command: Int, _ words: OwnedArguments, _ hash: UInt64, _ reply: inout Reply
    ) -> CommandError? {
        let entry = call.commands.entries[command]
        do throws(CommandError) {
            try words.withArguments(hash: hash) { args throws(CommandError) in
                if call.raised.contains(.snapshot), entry.flags.contains(.write) {
                    call.preserve(args, command)
                }
                try entry.run(args, &call, &reply)
            }
            return nil
        } catch {
            return error
        }
    }

    /// Runs the commands of clients that wait for the disk again.
    mutating func serveSyncWaiters() {
        guard !call.syncWaits.isEmpty else { return }
        let session = call.session, attention = call.attention, command = call.command
        let waits = call.syncWaits
        call.syncWaits = []
        for (slot, ticket) in waits {
            guard let wait = call.clients[slot].wait, wait.ticket == ticket else { continue }
            resume(slot, wait)
            if call.clients[slot].wait?.ticket == ticket { call.syncWaits.append((slot, ticket)) }
        }
        call.session = session
        call.attention = attention
        call.command = command
    }

    /// Answers clients whose waiting time is up.
    mutating func endDueWaits() {
        guard call.blocking.timedCount > 0 else { return }
        while let (slot, ticket) = call.blocking.nextDue(call.now) {
            guard call.clients[slot].wait?.ticket == ticket else { continue }
            call.unblock(slot)
        }
    }
}
