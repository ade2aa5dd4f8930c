//  Server+LargeRequests.swift — values that are received where they will stay.
import Platform

extension Server {
    /// Takes a request with a large word, of which `rest` is there, out of the usual way.
    static func beginLarge(_ rest: Bytes, _ connection: inout Connection) -> Bool {
        guard let request = LargeRequest.make(rest, &connection.parser) else { return false }
        connection.large = Box(request)
        return true
    }

    /// A request with a large word has begun, or still waits.
    @inline(never) mutating func awaitLarge(_ slot: Int) {
        connections[slot].sendsLarge = true
        guard poller.completesStreams, connections[slot].isReceiving else { return }
        // The kernel's buffers would be a copy too many.
        poller.stopReceiving(token: token(slot))
    }

    /// Reads on behalf of a request with a large word.
    mutating func readLarge(_ slot: Int) {
        let fd = connections[slot].descriptor
        let n: Int
        if connections[slot].awaitsValue {
            n = unsafe Self.fill(&connections[slot]) { unsafe Socket.read(fd, into: $0) }
        } else {
            n = unsafe connections[slot].input.fill(Self.readBytes) {
                unsafe Socket.read(fd, into: $0)
            }
        }
        if moved(slot, n), !connections[slot].hasYielded { advanceLarge(slot) }
    }

    private static func fill(
        _ connection: inout Connection, _ body: (UnsafeMutableRawBufferPointer) -> Int
    ) -> Int {
        guard var large = connection.large.take() else { return Socket.broken }
        let n = unsafe large.value.fill(body)
        connection.large = consume large
        return n ?? Socket.broken
    }

    /// Takes bytes that the kernel has received already.
    mutating func takeLarge(_ completion: Completion, _ slot: Int) {
        Self.take(completion, poller, &connections[slot])
        if connections[slot].hasYielded { return restIfEnough(slot) }
        advanceLarge(slot)
    }

    private static func take(
        _ completion: Completion, _ poller: borrowing Poller, _ connection: inout Connection
    ) {
        let bytes = poller.bytes(completion)
        guard var large = connection.large.take() else { return }
        let n = large.value.append(bytes)
        connection.large = consume large
        connection.input.append(bytes.extracting(n...))
    }

    private mutating func advanceLarge(_ slot: Int) {
        if !connections[slot].awaitsValue { return serveLarge(slot) }
        mirror(slot)
        checkInput(slot)
    }

    /// Serves a request whose large word is there, and what is held behind it.
    mutating func serveLarge(_ slot: Int) {
        let start = arena.out.count
        if let served = Self.serveLarge(&executor, &connections[slot], slot, &arena) {
            finish(slot, served, start)
        } else {
            mirror(slot)
            checkInput(slot)
        }
        guard connections[slot].isOpen, connections[slot].large == nil,
            connections[slot].input.count > 0, !connections[slot].isBlocked,
            !connections[slot].isClosing
        else { return }
        serveHeld(slot)
    }

    private static func serveLarge(
        _ executor: inout Executor, _ connection: inout Connection, _ slot: Int,
        _ arena: inout Reply
    ) -> Served? {
        guard var large = connection.large.take() else { return nil }
        var held = ByteBuffer()
        swap(&held, &connection.input)
        let served = executor.serve(
            &large.value, held.span, &connection.parser, client: slot, &arena)
        held.removeFirst(served?.consumed ?? 0)
        swap(&held, &connection.input)
        if !large.value.isAnswered, served?.verdict != .close { connection.large = consume large }
        return served
    }

    // MARK: - With completions

    /// Asks for what the client sends next, in the way that suits it.
    mutating func listen(_ slot: Int) {
        guard connections[slot].sendsLarge else { return receive(slot) }
        connections[slot].awaitsReadable = true
        poller.awaitReadable(connections[slot].descriptor, token: token(slot))
    }

    mutating func becameReadable(_ slot: Int) {
        connections[slot].awaitsReadable = false
        read(slot)
        if connections[slot].isOpen, !connections[slot].hasEnded { listen(slot) }
    }
}

extension Connection {
    /// Whether the large word of a request is not complete.
    fileprivate var awaitsValue: Bool {
        switch large {
        case .none: false
        case .some(let large): large.value.missing > 0
        }
    }
}
