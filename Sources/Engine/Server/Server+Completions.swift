//  Server+Completions.swift — bytes in and out where the kernel reports completions.
//
//  The same turn as with epoll, with other ends: bytes have been received already when the turn
//  begins, and replies are queued instead of written; they leave with the call that waits for the
//  next turn. Nearly all sends go in whole and nobody hears of them. Of a short one the rest is
//  copied out of the arena before anything new is served, so later replies of that connection
//  queue behind it; from then on it is drained as with epoll until it has nothing left.
//
//  Hence the rule about the arena: what `flush` has queued stays until `settleSends`, and nothing
//  is appended in between.
import Platform

extension Server {
    // MARK: - In

    /// Serves what was completed since the last turn.
    mutating func serveCompletions() {
        settleSends()
        let count = poller.completionCount
        let looksAhead = count > 1 && executor.looksAhead
        for i in 0..<count {
            if looksAhead, i % LookAhead.connectionsMax == 0 {
                lookAhead(i..<min(i &+ LookAhead.connectionsMax, count))
            }
            let completion = poller.completion(i)
            switch completion.operation {
            case .receive: received(completion)
            case .accept: accepted(completion)
            case .writable: becameWritable(completion)
            case .readable: if let slot = slot(of: completion) { becameReadable(slot) }
            case .send, .ready, .none: break
            }
        }
        openArrivals()
    }

    /// Lets in those who were accepted, and the rest with the next turn if there are many.
    private mutating func openArrivals() {
        var i = 0
        while i < arrivals.count, i < Self.acceptsWhenLate || !executor.isLate {
            open(arrivals[i].descriptor, isUnix: arrivals[i].isUnix)
            i += 1
        }
        arrivals.removeFirst(i)
    }

    /// Asks for the keys that completions will look up.
    private mutating func lookAhead(_ range: Range<Int>) {
        var ahead = LookAhead()
        for i in range {
            let completion = poller.completion(i)
            guard completion.operation == .receive, completion.count > 0,
                let slot = slot(of: completion), connections[slot].isPlain
            else { continue }
            Self.add(&ahead, completion, poller, slot, &executor)
        }
        ahead.finish(executor)
    }

    private static func add(
        _ ahead: inout LookAhead, _ completion: Completion, _ poller: borrowing Poller, _ slot: Int,
        _ executor: inout Executor
    ) {
        ahead.add(poller.bytes(completion), slot, &executor)
    }

    /// The slot of the connection that a completion is for; nil when that one is gone.
    @inline(__always) private func slot(of completion: Completion) -> Int? {
        let slot = Int(truncatingIfNeeded: completion.token & 0xFFFF_FFFF)
        let generation = UInt32(truncatingIfNeeded: completion.token >> 32)
        guard connections[slot].isOpen, connections[slot].generation == generation else {
            return nil
        }
        return slot
    }

    private mutating func received(_ completion: Completion) {
        guard let slot = slot(of: completion) else { return }
        let n = completion.count
        if !completion.hasMore { connections[slot].isReceiving = false }
        if n > 0 {
            if !connections[slot].isClosing {
                account(slot, n)
                take(completion, slot)
            }
        } else if n == 0 {
            // Bytes and end may come in one turn: the replies go out first.
            return end(slot)
        } else if n != Socket.wouldBlock {
            return close(slot)
        }
        guard !completion.hasMore, connections[slot].isOpen else { return }
        // The buffers ran out, or receiving was stopped. Asking again at once would be a race that
        // one of many clients may lose for long.
        if n == Socket.wouldBlock { read(slot) }
        guard connections[slot].isOpen, !connections[slot].hasEnded else { return }
        if connections[slot].hasEnough { connections[slot].rests = true } else { listen(slot) }
    }

    /// Stops receiving from a client that sends faster than it can be served.
    mutating func restIfEnough(_ slot: Int) {
        guard connections[slot].hasEnough, connections[slot].isReceiving else { return }
        poller.stopReceiving(token: token(slot))
    }

    private mutating func take(_ completion: Completion, _ slot: Int) {
        if connections[slot].large != nil, !connections[slot].isBlocked {
            return takeLarge(completion, slot)
        }
        let waits = connections[slot].isBlocked || connections[slot].hasYielded
        if waits || connections[slot].input.count > 0 {
            Self.keep(completion, poller, &connections[slot])
            if connections[slot].hasYielded { return restIfEnough(slot) }
            if connections[slot].isBlocked { return checkInput(slot) }
            return serveHeld(slot)
        }
        let start = arena.out.count
        let served = Self.serve(completion, poller, &executor, &connections[slot], slot, &arena)
        finish(slot, served, start)
    }

    private static func serve(
        _ completion: Completion, _ poller: borrowing Poller, _ executor: inout Executor,
        _ connection: inout Connection, _ slot: Int, _ arena: inout Reply
    ) -> Served {
        serve(poller.bytes(completion), &executor, &connection, slot, &arena)
    }

    private static func keep(
        _ completion: Completion, _ poller: borrowing Poller, _ connection: inout Connection
    ) {
        connection.input.append(poller.bytes(completion))
    }

    /// Asks for the bytes that the client sends from now on.
    mutating func receive(_ slot: Int) {
        connections[slot].isReceiving = true
        poller.receive(connections[slot].descriptor, token: token(slot))
    }

    func token(_ slot: Int) -> UInt64 {
        EventToken.connectionWord(slot, connections[slot].generation)
    }

    // MARK: - Out

    /// Queues the turn's replies of a connection that has nothing older to send.
    mutating func queue(_ slot: Int, _ range: Range<Int>) {
        connections[slot].queued = range
        countOut(slot, range.count)
        // Whether to close afterwards is known when the outcome is.
        let isReported = connections[slot].isClosing
        Self.queue(
            arena, range, &poller, connections[slot].descriptor, token(slot),
            isReported: isReported)
    }

    private static func queue(
        _ arena: borrowing Reply, _ range: Range<Int>, _ poller: inout Poller,
        _ descriptor: Int32, _ token: UInt64, isReported: Bool
    ) {
        let bytes = arena.out.span.extracting(range)
        poller.send(descriptor, token: token, bytes, isReported: isReported)
    }

    /// Keeps what sockets did not take of the last turn's replies; then the arena is free.
    private mutating func settleSends() {
        for i in 0..<poller.reportedSends {
            let completion = poller.reportedSend(i)
            guard let slot = slot(of: completion) else { continue }
            settle(slot, completion.count)
        }
        clearArena()
    }

    private mutating func settle(_ slot: Int, _ count: Int) {
        if count == Socket.broken { return close(slot) }
        let sent = max(count, 0)
        let rest = connections[slot].queued.dropFirst(sent)
        if rest.isEmpty {
            if connections[slot].isClosing { close(slot) }
            return
        }
        uncountOut(slot, rest.count)
        Self.keep(arena, rest, &connections[slot])
        waitToWrite(slot)
    }

    private mutating func becameWritable(_ completion: Completion) {
        guard let slot = slot(of: completion) else { return }
        connections[slot].waitsToWrite = false
        drain(slot)
    }

    /// Has the poller tell once when the socket takes more.
    mutating func awaitWritable(_ slot: Int) {
        poller.awaitWritable(connections[slot].descriptor, token: token(slot))
    }

    // MARK: - The ends

    /// Ends the requests of a connection, and closes its socket behind what is queued.
    mutating func endRequests(_ slot: Int) {
        poller.close(
            connections[slot].descriptor, token: token(slot),
            isReceiving: connections[slot].isReceiving,
            awaitsReadable: connections[slot].awaitsReadable,
            awaitsWritable: connections[slot].waitsToWrite)
    }

    /// Accepts on every listener.
    mutating func acceptAll() {
        acceptRound = (acceptRound &+ 1) & 0xFFF_FFFF
        restingListeners = []
        for i in executor.call.listeners.indices { startAccepting(i) }
    }

    private mutating func startAccepting(_ i: Int) {
        let listener = executor.call.listeners[i]
        let token = AcceptToken(listener: i, isUnix: listener.isUnix, round: acceptRound)
        poller.accept(listener.descriptor, token: token.word)
    }

    private mutating func accepted(_ completion: Completion) {
        let token = AcceptToken(completion.token)
        let isCurrent = token.round == acceptRound
        switch completion.accepted {
        // From a listener that is given up by now, too: the client has been let in.
        case .connection(let fd): arrivals.append(Arrival(descriptor: fd, isUnix: token.isUnix))
        case .exhausted(let code):
            restAccepting(code)
            if isCurrent { restingListeners.append(token.listener) }
            return
        case .none, .aborted: break
        }
        if !completion.hasMore, isCurrent { startAccepting(token.listener) }
    }

    /// Goes on accepting after descriptors had run out.
    mutating func resumeAccepting() {
        guard !restingListeners.isEmpty, executor.call.now >= acceptsAgainAt else { return }
        let resting = restingListeners
        restingListeners = []
        for i in resting { startAccepting(i) }
    }
}

/// A connection that was accepted and is not served yet.
struct Arrival {
    var descriptor: Int32
    var isUnix: Bool
}

/// What an accepted connection tells about its listener.
private struct AcceptToken {
    var listener: Int
    var isUnix: Bool
    /// Counts how often the listeners were set up; 28 bits.
    var round: UInt32

    init(listener: Int, isUnix: Bool, round: UInt32) {
        self.listener = listener
        self.isUnix = isUnix
        self.round = round
    }

    init(_ word: UInt64) {
        listener = Int(word & 0xFFFF)
        isUnix = word & 0x1_0000 != 0
        round = UInt32(truncatingIfNeeded: word >> 32)
    }

    var word: UInt64 {
        UInt64(listener & 0xFFFF) | (isUnix ? 0x1_0000 : 0) | UInt64(round) << 32
    }
}
