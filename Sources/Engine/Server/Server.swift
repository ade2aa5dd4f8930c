//  Server.swift — what a server owns, and the turn of its loop.
//
//  Everything hangs on this value, and the thread that runs `run` owns it. Other threads reach it
//  through its mailbox alone.
import Logging
import Platform

/// What other threads ask of a running server.
package enum ServerMessage: Sendable {
    /// Stop serving; the text goes to the log.
    case stop(reason: String)
    /// A snapshot's file is there, or could not be made.
    case snapshotFinished(number: Int, SnapshotOutcome)
    /// The helper thread of the append-only file has done what it was asked.
    case syncFinished
}

package struct Server: ~Copyable {
    var executor: Executor
    var connections = OwnedBuffer<Connection>(count: 0) { _ in Connection() }
    /// Connections with replies to send, by slot.
    var dirty: [Int] = []
    /// Connections whose input waits for the next turn.
    var yielded: [Int] = []
    /// Bytes of buffers of connections that were closed since memory last went back.
    var freedBytes = 0
    /// Connections that were accepted and not opened yet, with completions.
    var arrivals: [Arrival] = []
    /// Bytes of held replies that the turn may still send.
    var sendAllowance = 0
    /// Replies of the turn, of all connections.
    var arena = Reply(capacity: arenaBytesKept, takesValues: true)
    /// Where sockets are read into when nothing of a request is held already.
    var shared = ByteBuffer(capacity: readBytes)
    var poller: Poller
    var cron: Cron
    var isStopping = false
    /// The files that are being read, at the start.
    var loader: DataLoader?
    /// Why the data could not be loaded.
    var loadFailure: String?
    /// Accepting rests until this time because descriptors ran out, in Unix milliseconds.
    var acceptsAgainAt: Int64 = 0
    /// Listeners that rest until then, and how often all were set up, for completions.
    var restingListeners: [Int] = []
    var acceptRound: UInt32 = 0
    let mailbox: Mailbox<ServerMessage>
    /// Signals of the process; nil inside another program.
    let signals: Signals?
    var log: Logger { executor.call.log }
    /// The kernel's interface that the loop waits on: `io_uring` or `epoll`.
    package var eventLoop: String { poller.kind.rawValue }

    static var readBytes: Int { 64 << 10 }
    static var readBytesWhenLate: Int { 4 << 10 }
    /// Replies that the arena keeps room for between turns.
    static var arenaBytesKept: Int { 256 << 10 }

    private static var heldBytesPerTurn: Int { 1 << 20 }

    /// A server that is not listening yet.
    package static func make(
        _ configuration: Configuration, identity: ServerIdentity, log: Logger,
        mailbox: Mailbox<ServerMessage>, signals: Signals? = nil
    ) throws(SystemError) -> Server {
        var poller = try Self.poller(for: configuration.eventLoop)
        try poller.watch(mailbox.wakeup.descriptor, token: EventToken.mailboxWord)
        if let signals { try poller.watch(signals.descriptor, token: EventToken.signalWord) }
        var executor = Executor(configuration: configuration, identity: identity, log: log)
        executor.call.eventLoop = poller.kind.rawValue
        executor.call.outside = mailbox
        return Server(executor, poller, mailbox, signals)
    }

    /// The poller that was asked for, or the best one that the system allows.
    private static func poller(for choice: EventLoop) throws(SystemError) -> Poller {
        switch choice {
        case .epoll: return try Poller(.epoll)
        case .ioUring: return try Poller(.ioUring)
        case .auto:
            do throws(SystemError) {
                return try Poller(.ioUring)
            } catch {
                return try Poller(.epoll)
            }
        }
    }

    private init(
        _ executor: consuming Executor, _ poller: consuming Poller,
        _ mailbox: Mailbox<ServerMessage>, _ signals: Signals?
    ) {
        cron = Cron(now: executor.call.now)
        self.executor = executor
        self.poller = poller
        self.mailbox = mailbox
        self.signals = signals
    }

    deinit {
        for listener in executor.call.listeners { listener.close() }
        for arrival in arrivals { Socket.close(arrival.descriptor) }
        for slot in 0..<connections.count where connections[slot].isOpen {
            Socket.close(connections[slot].descriptor)
        }
    }

    /// Serves until it is told to stop.
    package mutating func run() {
        while !isStopping { turn() }
        poller.finish()
    }

    /// One turn of the loop: the order of its lines is a contract.
    mutating func turn() {
        let events = poller.wait(milliseconds: timeout())
        // One time stamp per turn: every command of the turn sees the same time.
        executor.tick()
        sendAllowance = Self.heldBytesPerTurn
        if poller.completesStreams { serveCompletions() }
        if events > 1, executor.looksAhead { serveTogether(events) } else { serveAlone(0..<events) }
        // After new requests, so that a long pipeline does not come first twice.
        resumeYielded()
        continueLoading()
        // May change keys, so it comes before replies leave.
        executor.expireDue()
        executor.evictDue()
        runCron()
        carryOutRequests()
        executor.stepSnapshot()
        // Replies to clients that waited go out with the others.
        deliverPosts()
        // What commands did comes to the disk, or on its way there, before their replies leave.
        executor.call.writeAppendOnlyFile(for: writers())
        releaseHeld()
        // One write per connection and turn; with io_uring the kernel gets them with `wait`.
        flush()
        evictClients()
        // Last: nobody above may hold a connection that is gone.
        closeDoomed()
        executor.endTurn()
    }

    /// How long the poller may wait, in milliseconds.
    private mutating func timeout() -> Int32 {
        if !yielded.isEmpty || !dirty.isEmpty || !arrivals.isEmpty { return 0 }
        if loader != nil { return 0 }
        if let patience = executor.snapshotPatience { return patience }
        if let patience = executor.call.appendOnly?.gatherPatience { return patience }
        let wake = min(cron.nextRun, executor.wakeTime)
        return Int32(clamping: max(wake &- executor.currentTime(), 0))
    }

    mutating func serveAlone(_ range: Range<Int>) { for i in range { serve(poller[i]) } }

    mutating func serve(_ event: PollEvent) {
        switch EventToken(event.token) {
        case .mailbox:
            for message in mailbox.takeAll() { receive(message) }
        case .signal:
            while let signal = signals?.next() {
                let isInterrupt = signal == Signals.interrupt
                let name = isInterrupt ? "SIGINT" : "SIGTERM"
                log.warning("\(LifecycleText.received(signal: name))")
                let configuration = executor.call.configuration
                shutDown(
                    ShutdownOptions(
                        isInterrupt
                            ? configuration.shutdownOnSIGINT : configuration.shutdownOnSIGTERM))
            }
        case .listener(let i):
            accept(executor.call.listeners[i])
        case .connection(let slot, let generation):
            // The event may be for an earlier connection in the same slot.
            guard connections[slot].isOpen, connections[slot].generation == generation else {
                return
            }
            if event.isWritable { drain(slot) }
            if event.isReadable, connections[slot].isOpen { read(slot) }
        }
    }

    private mutating func receive(_ message: ServerMessage) {
        switch message {
        case .stop(let reason):
            if !reason.isEmpty { log.warning("\(reason)") }
            shutDown(ShutdownOptions(isForced: true))
        case .snapshotFinished(let number, let outcome):
            executor.call.finishSave(number, outcome)
        case .syncFinished:
            executor.call.collectSync()
            executor.serveSyncWaiters()
        }
    }

    /// What commands of this turn asked for.
    private mutating func carryOutRequests() {
        guard executor.call.requests.isPending else { return }
        let requests = executor.call.requests
        executor.call.requests = ServerRequests()
        if requests.configurationChanged { executor.configurationChanged() }
        if let listeners = requests.listeners { take(listeners) }
        if let options = requests.shutdown {
            log.warning("\(LifecycleText.shutdownRequested)")
            shutDown(options)
        }
    }
}

/// What an event of the poller is about, as its token says.
enum EventToken {
    case connection(slot: Int, generation: UInt32)
    case listener(Int)
    case mailbox
    case signal

    static var mailboxWord: UInt64 { 1 << 63 }
    static var signalWord: UInt64 { 1 << 63 | 1 }
    static func listenerWord(_ i: Int) -> UInt64 { 1 << 62 | UInt64(i) }
    static func connectionWord(_ slot: Int, _ generation: UInt32) -> UInt64 {
        UInt64(slot) | UInt64(generation) << 32
    }

    @inline(__always) init(_ word: UInt64) {
        if word >> 62 == 0 {
            self = .connection(
                slot: Int(truncatingIfNeeded: word & 0xFFFF_FFFF),
                generation: UInt32(truncatingIfNeeded: word >> 32))
        } else if word >> 63 == 0 {
            self = .listener(Int(truncatingIfNeeded: word & 0xFFFF))
        } else {
            self = word == Self.mailboxWord ? .mailbox : .signal
        }
    }
}
