//  Transactions.swift — requests that run together, and the keys that must not change before.
//
//  MULTI raises a gate of the session: from then on a request that passes all others is queued
//  instead of run, and one that is refused spoils the transaction. EXEC runs the queue between two
//  requests of anybody else.
//
//  A watched key stands in `Watching` with the clients that watch it. Whatever changes a key says so
//  in `Call.note`, and that is where the clients are marked; whole databases are told of by
//  `touchWatched`.
import CPlatform

/// A request of a transaction.
struct QueuedCommand {
    /// Position in the table of commands.
    let command: Int
    let words: OwnedArguments

    /// Bytes of memory.
    var byteCount: Int { MemoryLayout<QueuedCommand>.stride + words.byteCount }
}

/// What a client has queued since MULTI.
struct Transaction {
    var queue: [QueuedCommand] = []
    /// A request was refused: EXEC runs nothing.
    var isAborted = false
    /// The flags of all commands together.
    var flags: CommandFlags = []
    /// Bytes of the queue.
    var byteCount = 0
}

/// The keys that clients watch.
struct Watching {
    private var watchers: [WaitKey: [Int]] = [:]

    var keyCount: Int { watchers.count }

    mutating func add(_ slot: Int, _ key: WaitKey) { watchers[key, default: []].append(slot) }

    mutating func remove(_ slot: Int, _ key: WaitKey) {
        guard let found = watchers.index(forKey: key) else { return }
        watchers.values[found].removeAll { $0 == slot }
        if watchers.values[found].isEmpty { watchers.remove(at: found) }
    }

    /// The clients that watch `key`.
    func slots(_ key: WaitKey) -> [Int] { watchers[key] ?? [] }

    /// The watched keys of a database.
    func keys(in database: Int) -> [WaitKey] { watchers.keys.filter { $0.database == database } }
}

extension Call {
    /// Whether the client's requests are queued.
    var isQueueing: Bool { session.raised.contains(.transaction) }

    /// Queues a request that nothing else speaks against.
    mutating func enqueue(_ args: borrowing Arguments, _ command: Int) {
        let slot = session.slot
        let item = QueuedCommand(command: command, words: OwnedArguments(copying: args))
        let flags = commands.entries[command].flags
        clients[slot].transaction?.queue.append(item)
        clients[slot].transaction?.flags.formUnion(flags)
        let bytes = (clients[slot].transaction?.byteCount ?? 0) + item.byteCount
        clients[slot].transaction?.byteCount = bytes
        clients.noteQueue(slot, bytes)
    }

    /// A request was refused, so nothing of the transaction will run.
    mutating func abortTransaction() {
        guard isQueueing else { return }
        clients[session.slot].transaction?.isAborted = true
    }

    /// Ends the transaction, if there is one, and the watch.
    @discardableResult
    mutating func takeTransaction() -> Transaction? {
        let slot = session.slot
        session.raised.remove(.transaction)
        unwatch(slot)
        clients.noteQueue(slot, 0)
        return clients[slot].transaction.take()
    }

    // MARK: - Watching

    /// Has changes of `key` end the client's transaction.
    mutating func watchKey(_ key: Bytes) {
        let slot = session.slot
        let name = WaitKey(database: session.database, key: key.array)
        guard !clients[slot].watched.contains(name) else { return }
        clients[slot].watched.append(name)
        watching.add(slot, name)
        interest.insert(.watchers)
    }

    /// Forgets what the client in `slot` watches.
    mutating func unwatch(_ slot: Int) {
        guard !clients[slot].watched.isEmpty || clients[slot].hasSeenChange else { return }
        for key in clients[slot].watched { watching.remove(slot, key) }
        clients[slot].watched = []
        clients[slot].hasSeenChange = false
        if watching.keyCount == 0 { interest.remove(.watchers) }
    }

    /// A key has changed that somebody may watch.
    mutating func touchWatched(_ database: Int, _ key: Bytes) {
        markWatchers(of: WaitKey(database: database, key: key.array))
    }

    /// The whole of `database` goes, or changes places with `other`: keys count that are in either.
    mutating func touchWatched(in database: Int, and other: Int? = nil) {
        guard interest.contains(.watchers) else { return }
        for key in watching.keys(in: database) {
            let hash = keyspace.seed.hash(key.key.span)
            let isThere = [database, other].contains { index in
                guard let index else { return false }
                return keyspace.databases[index].find(Key(key.key.span, hash: hash)) != nil
            }
            if isThere { markWatchers(of: key) }
        }
    }

    private mutating func markWatchers(of key: WaitKey) {
        for slot in watching.slots(key) { clients[slot].hasSeenChange = true }
    }

    /// Whether a key that the client watches has changed; time may have run out for one just now.
    mutating func hasWatchedChange() -> Bool {
        let slot = session.slot
        for key in clients[slot].watched where !clients[slot].hasSeenChange {
            let hash = keyspace.seed.hash(key.key.span)
            inDatabase(key.database) { call in _ = call.find(Key(key.key.span, hash: hash)) }
        }
        return clients[slot].hasSeenChange
    }
}

extension Executor {
    /// Runs what the client has queued; the replies make one array.
    mutating func runTransaction(_ reply: inout Reply) {
        let queue = call.takeTransaction()?.queue ?? []
        let deniesBlocking = call.session.deniesBlocking
        let exec = call.command
        call.session.deniesBlocking = true
        call.isInTransaction = true
        reply.array(queue.count)
        for item in queue {
            let mark = reply.out.count
            call.command = item.command
            let start = cp_ticks()
            let hash = call.keyspace.seed.hash(item.words.word1.span)
            if let error = run(item.command, item.words, hash, &reply) {
                fail(error, item.command, mark, &reply)
            }
            call.noteCall(item, ticks: cp_ticks() &- start)
            call.settle(item.words)
            if call.attention.contains(.observed) { call.observe(item, hash) }
        }
        call.session.deniesBlocking = deniesBlocking
        call.isInTransaction = false
        call.propagation.endUnit()
        call.command = exec
        call.statistics.commands &+= queue.count
    }
}

extension Call {
    /// Shows a command of a transaction to whom it concerns.
    fileprivate mutating func observe(_ item: QueuedCommand, _ hash: UInt64) {
        try? item.words.withArguments(hash: hash) { args throws(CommandError) in
            observe(args, item.command)
        }
    }

    /// Counts a command of a transaction, and keeps it in the log if it took long.
    fileprivate mutating func noteCall(_ item: QueuedCommand, ticks: UInt64) {
        commandStatistics.noteCheckedCall(item.command, ticks: ticks)
        guard ticks >= watch.ticks else { return }
        let hash = keyspace.seed.hash(item.words.word1.span)
        try? item.words.withArguments(hash: hash) { args throws(CommandError) in
            noteDuration(args, item.command, ticks: ticks)
        }
    }
}
