//  Server+Readiness.swift — connections that are ready in the same turn, with epoll.
import Platform

extension Server {
    /// Bytes read of each connection when several are read before any is served.
    private static var readAheadBytes: Int { 16 << 10 }

    /// Serves the turn's events; of several connections the requests are read before any is run.
    mutating func serveTogether(_ events: Int) {
        var first = 0
        while first < events {
            let end = min(first &+ LookAhead.connectionsMax, events)
            serveTogether(first..<end)
            first = end
        }
    }

    private mutating func serveTogether(_ range: Range<Int>) {
        // What was read of each event's connection: its end in the shared buffer, or why there is
        // nothing; `Int.min` for events that are served as usual.
        var counts = InlineArray<16, Int>(repeating: .min)
        var ahead = LookAhead()
        shared.removeAll()
        for i in range {
            guard let slot = plainSlot(poller[i]) else { continue }
            let fd = connections[slot].descriptor
            let start = shared.count
            let n = unsafe shared.fill(Self.readAheadBytes) { unsafe Socket.read(fd, into: $0) }
            counts[i &- range.lowerBound] = n
            if n > 0 { Self.add(&ahead, shared, start..<start &+ n, slot, &executor) }
        }
        ahead.finish(executor)
        var start = 0
        // Those that use the shared buffer themselves come afterwards.
        for i in range {
            let n = counts[i &- range.lowerBound]
            guard n != .min else { continue }
            if let slot = openSlot(poller[i]), moved(slot, n) {
                serve(start..<start &+ n, slot)
            }
            start &+= max(n, 0)
        }
        for i in range where counts[i &- range.lowerBound] == .min { serve(poller[i]) }
    }

    private mutating func serve(_ range: Range<Int>, _ slot: Int) {
        let start = arena.out.count
        let served = Self.serve(shared, range, &executor, &connections[slot], slot, &arena)
        finish(slot, served, start)
    }

    private static func serve(
        _ input: borrowing ByteBuffer, _ range: Range<Int>, _ executor: inout Executor,
        _ connection: inout Connection, _ slot: Int, _ arena: inout Reply
    ) -> Served {
        serve(input.span.extracting(range), &executor, &connection, slot, &arena)
    }

    private static func add(
        _ ahead: inout LookAhead, _ input: borrowing ByteBuffer, _ range: Range<Int>, _ slot: Int,
        _ executor: inout Executor
    ) {
        ahead.add(input.span.extracting(range), slot, &executor)
    }

    /// The slot of a connection that has sent something and nothing else.
    private func plainSlot(_ event: PollEvent) -> Int? {
        guard event.isReadable, !event.isWritable, let slot = openSlot(event),
            connections[slot].isPlain
        else { return nil }
        return slot
    }

    private func openSlot(_ event: PollEvent) -> Int? {
        guard case .connection(let slot, let generation) = EventToken(event.token),
            connections[slot].isOpen, connections[slot].generation == generation
        else { return nil }
        return slot
    }
}
