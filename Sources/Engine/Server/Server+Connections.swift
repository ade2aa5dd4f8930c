//  Server+Connections.swift — bytes in, bytes out, and the end of a connection.
import Logging
import Platform

extension Server {
    // MARK: - In

    mutating func read(_ slot: Int) {
        // Nothing was asked for then, so the connection is broken.
        if connections[slot].hasEnded { return close(slot) }
        if connections[slot].isClosing { return readToDiscard(slot) }
        if connections[slot].hasEnough { return }
        if connections[slot].large != nil, !connections[slot].isBlocked { return readLarge(slot) }
        connections[slot].sendsLarge = false
        let fd = connections[slot].descriptor
        if connections[slot].input.count > 0 || connections[slot].isBlocked {
            let n = unsafe connections[slot].input.fill(readShare) {
                unsafe Socket.read(fd, into: $0)
            }
            guard moved(slot, n), !connections[slot].hasYielded else { return }
            if connections[slot].isBlocked { return checkInput(slot) }
            return serveHeld(slot)
        }
        shared.removeAll()
        let n = unsafe shared.fill(readShare) { unsafe Socket.read(fd, into: $0) }
        guard moved(slot, n) else { return }
        let start = arena.out.count
        let served = Self.serve(shared, &executor, &connections[slot], slot, &arena)
        finish(slot, served, start)
    }

    /// What is read of one connection at a time; little where most of it would have to wait.
    private var readShare: Int { executor.isLate ? Self.readBytesWhenLate : Self.readBytes }

    /// Counts what was read; false when nothing was, which may end the connection.
    mutating func moved(_ slot: Int, _ n: Int) -> Bool {
        guard n > 0 else {
            if n == 0 { end(slot) } else if n != Socket.wouldBlock { close(slot) }
            return false
        }
        account(slot, n)
        return true
    }

    mutating func account(_ slot: Int, _ n: Int) {
        executor.call.statistics.bytesIn &+= n
        executor.call.statistics.reads &+= 1
        executor.call.clients[slot].bytesIn &+= Int64(n)
    }

    /// Closes a connection whose client sends no more, when it has what it asked for.
    mutating func end(_ slot: Int) {
        let waits = connections[slot].hasYielded || connections[slot].isDirty
        guard waits || connections[slot].held.count > 0 else { return close(slot) }
        connections[slot].hasEnded = true
        if !connections[slot].hasYielded { connections[slot].isClosing = true }
        if !poller.completesStreams { watch(slot, write: connections[slot].waitsToWrite) }
    }

    /// After a protocol error nothing counts but the end of the stream.
    private mutating func readToDiscard(_ slot: Int) {
        let fd = connections[slot].descriptor
        shared.removeAll()
        let n = unsafe shared.fill(Self.readBytes) { unsafe Socket.read(fd, into: $0) }
        if n == 0 { end(slot) } else if n < 0, n != Socket.wouldBlock { close(slot) }
    }

    /// Fields of the server as separate parameters: a span borrowed from one field would
    /// otherwise lock them all.
    private static func serve(
        _ input: borrowing ByteBuffer, _ executor: inout Executor,
        _ connection: inout Connection, _ slot: Int, _ arena: inout Reply
    ) -> Served {
        serve(input.span, &executor, &connection, slot, &arena)
    }

    static func serve(
        _ bytes: Bytes, _ executor: inout Executor,
        _ connection: inout Connection, _ slot: Int, _ arena: inout Reply
    ) -> Served {
        let served = executor.serve(bytes, &connection.parser, client: slot, &arena)
        if served.consumed < bytes.count, served.verdict != .close {
            let rest = bytes.extracting(served.consumed...)
            if served.verdict == .done, beginLarge(rest, &connection) { return served }
            connection.input.append(rest)
        }
        return served
    }

    /// Serves what is held in the connection's own buffer.
    mutating func serveHeld(_ slot: Int) {
        if connections[slot].large != nil { return serveLarge(slot) }
        var held = ByteBuffer()
        swap(&held, &connections[slot].input)
        let start = arena.out.count
        let served = Self.serveHeld(&held, &executor, &connections[slot], slot, &arena)
        swap(&held, &connections[slot].input)
        finish(slot, served, start)
    }

    private static func serveHeld(
        _ held: inout ByteBuffer, _ executor: inout Executor, _ connection: inout Connection,
        _ slot: Int, _ arena: inout Reply
    ) -> Served {
        let served = executor.serve(held.span, &connection.parser, client: slot, &arena)
        held.removeFirst(served.consumed)
        if served.verdict == .done, beginLarge(held.span, &connection) { held.removeAll() }
        // What was one large request may be a few bytes now.
        if held.count == 0 { held.shrink(to: 0) }
        return served
    }

    mutating func resumeYielded() {
        guard !yielded.isEmpty else { return }
        let slots = yielded
        yielded = []
        executor.beginResuming()
        for i in slots.indices {
            let slot = slots[i]
            guard connections[slot].isOpen, connections[slot].hasYielded else { continue }
            // Those who waited longest are in front.
            if i > 0, executor.isLate {
                yielded.insert(contentsOf: slots[i...], at: 0)
                return
            }
            connections[slot].hasYielded = false
            serveHeld(slot)
            guard connections[slot].isOpen, !connections[slot].hasYielded else { continue }
            if connections[slot].hasEnded {
                connections[slot].isClosing = true
                markDirty(slot)
            } else if connections[slot].rests {
                connections[slot].rests = false
                listen(slot)
            }
        }
    }

    /// Takes note of what serving a connection came to.
    mutating func finish(_ slot: Int, _ served: Served, _ start: Int) {
        switch served.verdict {
        case .done: break
        case .yielded:
            connections[slot].hasYielded = true
            yielded.append(slot)
        case .blocked: connections[slot].isBlocked = true
        case .close: connections[slot].isClosing = true
        }
        mirror(slot)
        let end = arena.out.count
        if end > start { addReplies(slot, start..<end) }
        if end > start || connections[slot].isClosing { markDirty(slot) }
        checkInput(slot)
        if connections[slot].large != nil { awaitLarge(slot) }
    }

    /// Delivers what commands had for other clients than their own.
    mutating func deliverPosts() {
        executor.call.sendBroadcasts()
        guard !executor.call.posted.isEmpty else { return }
        let slots = executor.call.posted
        executor.call.posted = []
        let bulletin = executor.call.bulletin.move(to: &arena)
        for slot in slots {
            executor.call.clients[slot].isPosted = false
            let news = executor.call.clients[slot].news
            executor.call.clients[slot].news = BulletinRun()
            guard connections[slot].isOpen else { continue }
            if !news.range.isEmpty {
                let base = news.version == .resp3 ? bulletin.resp3 : bulletin.resp2
                addReplies(slot, base + news.range.lowerBound..<base + news.range.upperBound)
                markDirty(slot)
            }
            let start = arena.out.count
            Self.empty(&executor.call.clients[slot].outbox, into: &arena)
            let end = arena.out.count
            if end > start {
                addReplies(slot, start..<end)
                markDirty(slot)
            }
            guard connections[slot].isBlocked, executor.call.clients[slot].wait == nil else {
                continue
            }
            connections[slot].isBlocked = false
            let hasInput = connections[slot].input.count > 0 || connections[slot].large != nil
            guard hasInput, !connections[slot].hasYielded else { continue }
            connections[slot].hasYielded = true
            yielded.append(slot)
        }
    }

    private static func empty(_ outbox: inout ByteBuffer, into arena: inout Reply) {
        arena.out.append(outbox.span)
        outbox.removeAll()
        outbox.shrink(to: 0)
    }

    /// A client that sends without end must not hold any amount of memory.
    ///
    /// Complete requests that have to wait for a turn are not the client's fault, and no more is read
    /// while they do, but for what the kernel has received already.
    mutating func checkInput(_ slot: Int) {
        if connections[slot].hasYielded { return }
        if connections[slot].inputBytes > executor.call.configuration.clientQueryBufferLimit {
            let info = executor.call.clientInfo(slot)
            log.warning("Closing client that reached max query buffer length: \(info)")
            executor.call.statistics.inputBufferLimitDisconnections += 1
            close(slot)
        }
    }

    /// What CLIENT LIST shows of the buffers.
    mutating func mirror(_ slot: Int) {
        let held = connections[slot].inputBytes
        if held == 0, executor.call.clients[slot].inputBytes == 0 { return }
        executor.call.clients.noteInput(
            slot, held: held, free: connections[slot].inputCapacity - held)
    }

    // MARK: - Out

    private mutating func addReplies(_ slot: Int, _ range: Range<Int>) {
        let earlier = connections[slot].replies
        if earlier.isEmpty {
            connections[slot].replies = range
        } else if earlier.upperBound == range.lowerBound {
            connections[slot].replies = earlier.lowerBound..<range.upperBound
        } else {
            // Served twice in a turn, with others in between.
            Self.keep(arena, earlier, &connections[slot])
            connections[slot].replies = range
        }
    }

    private mutating func markDirty(_ slot: Int) {
        if connections[slot].isDirty { return }
        connections[slot].isDirty = true
        dirty.append(slot)
    }

    static func keep(
        _ arena: borrowing Reply, _ range: Range<Int>, _ connection: inout Connection
    ) {
        connection.held.append(arena, range)
    }

    /// Sends the turn's replies.
    mutating func flush() {
        guard !dirty.isEmpty else { return }
        var i = 0
        let count = dirty.count
        while i < count {
            let slot = dirty[i]
            i &+= 1
            guard connections[slot].isOpen else { continue }
            connections[slot].isDirty = false
            send(slot)
        }
        // Behind them stand those who wait for the next turn.
        if dirty.count == count {
            dirty.removeAll(keepingCapacity: true)
        } else {
            dirty.removeFirst(count)
        }
        // The kernel reads it until the next turn begins.
        if !poller.completesStreams { clearArena() }
    }

    mutating func clearArena() {
        arena.clear(keeping: Self.arenaBytesKept)
    }

    private mutating func send(_ slot: Int) {
        let range = connections[slot].replies
        connections[slot].replies = 0..<0
        if awaitsDisk(slot) {
            if !range.isEmpty { Self.keep(arena, range, &connections[slot]) }
            return hold(slot)
        }
        // What is older goes first.
        if connections[slot].held.count > 0 {
            if !range.isEmpty { Self.keep(arena, range, &connections[slot]) }
            return connections[slot].waitsToWrite ? checkLimits(slot) : drain(slot)
        }
        var sent = 0
        if !range.isEmpty {
            // Both ways of sending know one run of bytes only.
            if arena.hasValues(in: range) {
                Self.keep(arena, range, &connections[slot])
                return drain(slot)
            }
            if poller.completesStreams { return queue(slot, range) }
            let fd = connections[slot].descriptor
            sent = Socket.write(fd, arena.out.span.extracting(range))
            if sent == Socket.broken { return close(slot) }
            sent = max(sent, 0)
            countOut(slot, sent)
        }
        if sent < range.count {
            Self.keep(arena, range.dropFirst(sent), &connections[slot])
            return waitToWrite(slot)
        }
        if connections[slot].isClosing { close(slot) }
    }

    mutating func countOut(_ slot: Int, _ n: Int) {
        executor.call.statistics.bytesOut &+= n
        executor.call.statistics.writes &+= 1
        executor.call.clients[slot].bytesOut &+= Int64(n)
    }

    /// Takes back what was counted before it was known how much goes out.
    mutating func uncountOut(_ slot: Int, _ n: Int) {
        executor.call.statistics.bytesOut &-= n
        executor.call.clients[slot].bytesOut &-= Int64(n)
    }

    mutating func waitToWrite(_ slot: Int) {
        if !connections[slot].waitsToWrite {
            connections[slot].waitsToWrite = true
            if poller.completesStreams { awaitWritable(slot) } else { watch(slot, write: true) }
            guard connections[slot].isOpen else { return }
        }
        checkLimits(slot)
    }

    private mutating func watch(_ slot: Int, write: Bool) {
        let token = EventToken.connectionWord(slot, connections[slot].generation)
        do throws(SystemError) {
            try poller.modify(
                connections[slot].descriptor, token: token, read: !connections[slot].hasEnded,
                write: write)
        } catch {
            close(slot)
        }
    }

    /// Sends what is held, or leaves it for the next turn when this one has sent enough.
    mutating func drain(_ slot: Int) {
        if awaitsDisk(slot) { return hold(slot) }
        if connections[slot].held.count > 0 {
            guard sendAllowance > 0 else { return postpone(slot) }
            let sent = connections[slot].held.send(
                connections[slot].descriptor, atMost: sendAllowance)
            if sent == Socket.broken { return close(slot) }
            if sent > 0 {
                countOut(slot, sent)
                sendAllowance &-= sent
            }
        }
        mirrorOutput(slot)
        if connections[slot].held.count > 0 {
            return sendAllowance > 0 ? waitToWrite(slot) : postpone(slot)
        }
        connections[slot].aboveSoftLimitSince = 0
        if connections[slot].isClosing { return close(slot) }
        if connections[slot].waitsToWrite {
            connections[slot].waitsToWrite = false
            watch(slot, write: false)
        }
    }

    /// Whether what the client wrote has to be on the disk before it hears of it, and is not yet.
    @inline(__always) private func awaitsDisk(_ slot: Int) -> Bool {
        guard let file = executor.call.appendOnly, executor.call.isGroupCommitOn else {
            return false
        }
        return executor.call.clients[slot].writeOffset > file.synced
    }

    /// How many clients wait for the disk, or have just written what has to come there.
    func writers() -> Int {
        guard executor.call.appendOnly != nil, executor.call.isGroupCommitOn else { return .max }
        let held = executor.call.heldSlots.count { connections[$0].isHeld && awaitsDisk($0) }
        return held + dirty.count { !connections[$0].isHeld && awaitsDisk($0) }
    }

    /// Keeps what a client has to get until what it wrote is on the disk.
    private mutating func hold(_ slot: Int) {
        // Else the poller would tell again and again that there is room.
        if connections[slot].waitsToWrite, !poller.completesStreams {
            connections[slot].waitsToWrite = false
            watch(slot, write: false)
        }
        guard connections[slot].isOpen else { return }
        checkLimits(slot)
        guard connections[slot].isOpen, !connections[slot].isHeld else { return }
        connections[slot].isHeld = true
        executor.call.heldSlots.append(slot)
    }

    /// Sends what waited for the disk.
    mutating func releaseHeld() {
        guard !executor.call.heldSlots.isEmpty else { return }
        let slots = executor.call.heldSlots
        executor.call.heldSlots = []
        for slot in slots where connections[slot].isOpen && connections[slot].isHeld {
            if awaitsDisk(slot) {
                executor.call.heldSlots.append(slot)
                continue
            }
            connections[slot].isHeld = false
            markDirty(slot)
        }
    }

    private mutating func postpone(_ slot: Int) {
        // With epoll the poller tells again by itself.
        if !connections[slot].waitsToWrite { markDirty(slot) }
        checkLimits(slot)
    }

    private mutating func mirrorOutput(_ slot: Int) {
        executor.call.clients.noteOutput(
            slot, held: connections[slot].held.count, capacity: connections[slot].held.capacity)
    }

    /// A client that does not read must not hold any amount of memory.
    mutating func checkLimits(_ slot: Int) {
        mirrorOutput(slot)
        let limits = executor.call.configuration.outputBufferLimits
        let isListener = executor.call.clients[slot].isListener
        let limit = isListener ? limits.pubsub : limits.normal
        let held = connections[slot].held.count
        let now = executor.call.now
        var isOver = limit.hardBytes > 0 && held >= limit.hardBytes
        if limit.softBytes > 0, held >= limit.softBytes {
            let since = connections[slot].aboveSoftLimitSince
            if since == 0 { connections[slot].aboveSoftLimitSince = now }
            if since != 0, now - since > Int64(limit.softSeconds) * 1000 { isOver = true }
        } else {
            connections[slot].aboveSoftLimitSince = 0
        }
        guard isOver else { return }
        let info = executor.call.clientInfo(slot)
        log.warning("Client \(info) closed for overcoming of output buffer limits.")
        executor.call.statistics.outputBufferLimitDisconnections += 1
        close(slot)
    }

    // MARK: - The end

    /// Closes the clients that hold most while all together hold too much.
    mutating func evictClients() {
        let limit = executor.call.clientMemoryLimit
        guard executor.call.clients.memoryBytes > limit else { return }
        while executor.call.clients.memoryBytes > limit {
            guard let slot = executor.call.clients.heaviest else { return }
            let info = executor.call.clientInfo(slot)
            log.notice("Evicting client: \(info)")
            executor.call.statistics.evictedClients += 1
            close(slot)
        }
    }

    mutating func close(_ slot: Int) {
        guard connections[slot].isOpen else { return }
        if poller.completesStreams {
            endRequests(slot)
        } else {
            poller.forget(connections[slot].descriptor)
            Socket.close(connections[slot].descriptor)
        }
        freedBytes += connections[slot].inputCapacity + connections[slot].held.capacity
        connections[slot].close()
        executor.call.endWait(slot)
        executor.call.unwatch(slot)
        executor.call.unsubscribeAll(slot)
        executor.call.endTracking(slot)
        executor.call.endMonitoring(slot)
        executor.call.clients.close(slot)
    }

    /// Closes the clients that commands have killed.
    mutating func closeDoomed() {
        guard !executor.call.clients.doomed.isEmpty else { return }
        for slot in executor.call.clients.takeDoomed() { close(slot) }
    }
}
