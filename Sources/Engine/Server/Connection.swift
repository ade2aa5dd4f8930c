//  Connection.swift — the bytes of one client: its socket, what it sent, what it has to get.
//
//  A connection that waits owns no buffers. Requests are parsed where the shared read buffer holds
//  them; only a partial one is copied here. Replies grow in the arena that all connections share;
//  only what the socket did not take at the end of the turn is copied here.

struct Connection: ~Copyable {
    /// -1 when the slot is free.
    private(set) var descriptor: Int32 = -1
    /// Tells a connection from earlier ones in the same slot; 30 bits.
    private(set) var generation: UInt32 = 0
    /// A request that is not complete yet, from its first byte on.
    var input = ByteBuffer()
    var parser = ParserState()
    /// Replies that the socket did not take.
    var output = ByteBuffer()
    /// This turn's replies in the arena.
    var replies = 0..<0
    /// Stands in the list of connections with something to send.
    var isDirty = false
    /// The poller tells when the socket takes more.
    var waitsToWrite = false
    /// Nothing more is read; it is closed once its replies are sent.
    var isClosing = false
    /// Complete requests wait in `input` for the next turn.
    var hasYielded = false
    /// Since when the output is above the soft limit, in Unix milliseconds; 0 while it is not.
    var aboveSoftLimitSince: Int64 = 0

    init() {}

    var isOpen: Bool { descriptor >= 0 }

    /// Makes the slot a new connection.
    mutating func open(_ descriptor: Int32) {
        let next = (generation &+ 1) & 0x3FFF_FFFF
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
