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
    /// The request in front of what is in `input`, if it has a large word.
    var large: Box<LargeRequest>?
    /// The last request had a large word, so the next one may have one too.
    var sendsLarge = false
    /// Replies that the socket did not take.
    var held = HeldReplies()
    /// This turn's replies in the arena.
    var replies = 0..<0
    /// The part of the arena that the kernel was asked to send, until the next turn begins.
    var queued = 0..<0
    /// The kernel was asked for what the client sends.
    var isReceiving = false
    /// The poller tells when there is something to read.
    var awaitsReadable = false
    /// Stands in the list of connections with something to send.
    var isDirty = false
    /// The poller tells when the socket takes more.
    var waitsToWrite = false
    /// What is held waits for the disk.
    var isHeld = false
    /// Nothing more is read; it is closed once its replies are sent.
    var isClosing = false
    /// The client sends no more; it is closed once it has been served.
    var hasEnded = false
    /// The client waits for a key: what it sends is kept and not looked at.
    var isBlocked = false
    /// Complete requests wait in `input` for the next turn.
    var hasYielded = false
    /// The kernel is asked again for what the client sends once it has been served.
    var rests = false
    /// Since when the output is above the soft limit, in Unix milliseconds; 0 while it is not.
    var aboveSoftLimitSince: Int64 = 0

    init() {}

    /// Bytes of requests that have not run, and of the memory for them.
    var inputBytes: Int {
        switch large {
        case .none: input.count
        case .some(let large): input.count + large.value.heldBytes
        }
    }
    var inputCapacity: Int {
        switch large {
        case .none: input.capacity
        case .some(let large): input.capacity + large.value.byteCount
        }
    }

    /// Whether what arrives next begins with a request that can run at once.
    var isPlain: Bool {
        !isClosing && !isBlocked && !hasYielded && input.count == 0 && large == nil
    }

    /// Whether so much waits for the next turn that no more should come.
    var hasEnough: Bool { hasYielded && input.count >= 16 << 10 }

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
