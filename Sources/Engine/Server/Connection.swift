//  Connection.swift — the bytes of one client: its socket, what it sent, what it has to get.
//
//  A connection that waits owns no buffers. Requests are parsed where the shared read buffer holds
//  them; only a partial one is copied here. Replies grow in the arena that all connections share;
//  only what the socket did not take at the end of the turn is copied here.

import Platform

struct Connection: ~Copyable {
    /// -1 when the slot is free.
    private(set) var descriptor: Int32 = -1
    /// Tells a connection from earlier ones in the same slot; 28 bits.
    private(set) var generation: UInt32 = 0
    /// A request that is not complete yet, from its first byte on.
    var input = ByteBuffer()
    var parser = ParserState()
    /// Replies that the socket did not take, the first `sentBytes` of which it took later.
    private var output = ByteBuffer()
    private var sentBytes = 0
    /// This turn's replies in the arena.
    var replies = 0..<0
    /// The part of the arena that the kernel was asked to send, until the next turn begins.
    var queued = 0..<0
    /// The kernel was asked for what the client sends.
    var isReceiving = false
    /// Stands in the list of connections with something to send.
    var isDirty = false
    /// The poller tells when the socket takes more.
    var waitsToWrite = false
    /// Nothing more is read; it is closed once its replies are sent.
    var isClosing = false
    /// The client waits for a key: what it sends is kept and not looked at.
    var isBlocked = false
    /// Complete requests wait in `input` for the next turn.
    var hasYielded = false
    /// Since when the output is above the soft limit, in Unix milliseconds; 0 while it is not.
    var aboveSoftLimitSince: Int64 = 0

    init() {}

    /// Bytes that wait for the socket.
    var unsentBytes: Int { output.count - sentBytes }
    var outputCapacity: Int { output.capacity }

    /// Keeps replies until the socket takes them.
    mutating func hold(_ bytes: Bytes) {
        // What was sent is dropped when that is worth a copy, so that a slow reader costs O(1).
        if sentBytes > 1 << 16, sentBytes > output.count / 2 {
            output.removeFirst(sentBytes)
            sentBytes = 0
        }
        output.append(bytes)
    }

    /// Writes what is held: bytes written, `Socket.wouldBlock` or `Socket.broken`.
    mutating func sendHeld() -> Int {
        let sent = Socket.write(descriptor, output.span.extracting(sentBytes...))
        guard sent > 0 else { return sent }
        sentBytes += sent
        if sentBytes == output.count {
            sentBytes = 0
            output.removeAll()
            output.shrink(to: 0)
        }
        return sent
    }

    var isOpen: Bool { descriptor >= 0 }

    /// Makes the slot a new connection.
    mutating func open(_ descriptor: Int32) {
        let next = (generation &+ 1) & 0x0FFF_FFFF
        self = Connection()
        generation = next
        self.descriptor = descriptor
    }

    /// Frees what the connection held; the generation goes on counting.
    mutating func close() {
        let last = generation
        self = Connection()
        generation = last
    }
}
