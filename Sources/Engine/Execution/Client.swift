//  Client.swift — who is speaking: what the executor reads for each command, and the rest.
//
//  `Session` is what a batch keeps in registers and hands back at its end; `Client` is what CLIENT
//  LIST shows and what lives as long as the connection. Neither knows a socket: the connection
//  with the same slot does.

/// Conditions that may refuse a command; a command lists those that can apply to it.
struct Gates: OptionSet, Sendable {
    let rawValue: UInt32

    /// The client has not authenticated.
    static let authentication = Gates(rawValue: 1 << 0)
    /// Memory is above `maxmemory`.
    static let memory = Gates(rawValue: 1 << 1)
    /// Every command waits.
    static let pause = Gates(rawValue: 1 << 2)
    /// Commands that may change something wait.
    static let pauseWrites = Gates(rawValue: 1 << 3)
    /// The client's requests are queued.
    static let transaction = Gates(rawValue: 1 << 4)
    /// The client listens to channels and speaks RESP2, where a message looks like a reply.
    static let listener = Gates(rawValue: 1 << 5)
    /// The client is shown the requests of others.
    static let monitor = Gates(rawValue: 1 << 6)
    /// A snapshot has to write keys before they change.
    static let snapshot = Gates(rawValue: 1 << 7)
    /// The data is being read from the disk.
    static let loading = Gates(rawValue: 1 << 8)
    /// Changes could not be kept: the disk fails.
    static let disk = Gates(rawValue: 1 << 9)
}

/// What happens to the replies of a client.
enum ReplyMode: UInt8, Sendable {
    case on, off
    /// CLIENT REPLY SKIP was this command; the next one is silent.
    case skipNext
    /// The command that runs is silent.
    case skip
}

/// The part of a client that every command reads.
struct Session: BitwiseCopyable {
    var id: Int64 = 0
    /// Position of the client in the table of clients.
    var slot = 0
    var database = 0
    /// Conditions that hold for this client alone.
    var raised = Gates()
    var version = RESPVersion.resp2
    var replies = ReplyMode.on
    var isUnixSocket = false
    /// Sits on this machine.
    var isLocal = true
    var noTouch = false
    /// A blocking command answers at once, as if its time were up.
    var deniesBlocking = false
    /// Is told when keys change that it has read.
    var isTracking = false
}

/// The kinds of clients that filters and limits name.
enum ClientType { case normal, master, replica, pubsub }

/// Everything else that is known about a client.
struct Client: ~Copyable {
    var session = Session()
    var isOpen = false
    /// To be closed once its replies are sent.
    var isDoomed = false
    var name: [UInt8] = []
    var libraryName: [UInt8] = []
    var libraryVersion: [UInt8] = []
    var address = ""
    var localAddress = ""
    var descriptor: Int32 = -1
    var connectedAt: Int64 = 0
    var lastActiveAt: Int64 = 0
    /// Id of the last command, or -1.
    var lastCommand: Int32 = -1
    var commandCount: Int64 = 0
    var bytesIn: Int64 = 0
    var bytesOut: Int64 = 0
    /// Mirrors of the connection's buffers; `ClientTable.noteInput` and `noteOutput` set them.
    fileprivate(set) var inputBytes = 0
    fileprivate(set) var inputFreeBytes = 0
    fileprivate(set) var outputBytes = 0
    fileprivate(set) var outputCapacity = 0
    /// Bytes of queued requests.
    fileprivate(set) var queueBytes = 0
    var noEvict = false
    /// `Propagation.offset` behind the client's last write.
    var writeOffset = 0
    /// Its next request waits for the end of a pause.
    var isHeld = false
    /// What the client waits for.
    var wait: Wait?
    /// What the client has queued since MULTI.
    var transaction: Transaction?
    /// Keys that must not change before the next EXEC, and whether one has.
    var watched: [WaitKey] = []
    var hasSeenChange = false
    var subscriptions = Subscriptions()
    /// Has subscriptions, as far as `Call.listenerCount` knows.
    var isListener = false
    /// What the client wants to be told of keys.
    var tracking: Tracking?
    /// Messages of this turn; they come before what is in the outbox.
    var news = BulletinRun()
    /// What other clients' commands and the server have for this one.
    var outbox = ByteBuffer()
    /// Stands in `Call.posted`.
    var isPosted = false

    init() {}

    /// What filters and limits call it.
    var type: ClientType { isListener ? .pubsub : .normal }

    /// Bytes that the client holds: its entry and its buffers.
    var memoryBytes: Int {
        MemoryLayout<Client>.stride + MemoryLayout<Connection>.stride + bufferBytes
    }

    /// Bytes of the client's buffers.
    var bufferBytes: Int { inputBytes + inputFreeBytes + outputCapacity + queueBytes }
}

/// All clients, by slot; slots of closed ones are used again.
struct ClientTable: ~Copyable {
    private var clients = OwnedBuffer<Client>(count: 0) { _ in Client() }
    private var free: [Int] = []
    private var nextID: Int64 = 1
    private(set) var count = 0
    /// Bytes that all clients hold: entries and buffers.
    private(set) var memoryBytes = 0
    /// Clients that others asked to close, for the server to act on at the end of the turn.
    private(set) var doomed: [Int] = []

    /// One more than the highest slot in use so far.
    var slotCount: Int { clients.count }

    subscript(slot: Int) -> Client {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(clients.address(of: slot)) }
        @inline(__always) unsafeMutableAddress { unsafe clients.address(of: slot) }
    }

    /// A slot for a new client, which gets the next id.
    mutating func open(now: Int64) -> Int {
        let slot = free.popLast() ?? clients.count
        if slot == clients.count { clients.append(Client()) }
        clients[slot] = Client()
        clients[slot].isOpen = true
        clients[slot].session.id = nextID
        clients[slot].session.slot = slot
        clients[slot].connectedAt = now
        clients[slot].lastActiveAt = now
        nextID += 1
        count += 1
        memoryBytes += clients[slot].memoryBytes
        return slot
    }

    /// What a client's input buffer holds and has room for, in bytes.
    mutating func noteInput(_ slot: Int, held: Int, free: Int) {
        memoryBytes += held + free - clients[slot].inputBytes - clients[slot].inputFreeBytes
        clients[slot].inputBytes = held
        clients[slot].inputFreeBytes = free
    }

    /// What a client's output buffer holds and how large it is, in bytes.
    mutating func noteOutput(_ slot: Int, held: Int, capacity: Int) {
        memoryBytes += capacity - clients[slot].outputCapacity
        clients[slot].outputBytes = held
        clients[slot].outputCapacity = capacity
    }

    /// How many bytes of requests a client has queued.
    mutating func noteQueue(_ slot: Int, _ bytes: Int) {
        memoryBytes += bytes - clients[slot].queueBytes
        clients[slot].queueBytes = bytes
    }

    /// A slot for a client that no list shows and no number counts.
    mutating func openHidden(now: Int64) -> Int {
        let slot = free.popLast() ?? clients.count
        if slot == clients.count { clients.append(Client()) }
        clients[slot] = Client()
        clients[slot].session.slot = slot
        return slot
    }

    mutating func closeHidden(_ slot: Int) {
        memoryBytes -= clients[slot].queueBytes
        clients[slot] = Client()
        free.append(slot)
    }

    mutating func close(_ slot: Int) {
        guard clients[slot].isOpen else { return }
        memoryBytes -= clients[slot].memoryBytes
        clients[slot] = Client()
        free.append(slot)
        count -= 1
    }

    /// The slot of the client with an id.
    func slot(of id: Int64) -> Int? {
        (0..<clients.count).first { clients[$0].isOpen && clients[$0].session.id == id }
    }

    /// The client that holds most of those that may be closed for it.
    var heaviest: Int? {
        var best: (slot: Int, bytes: Int)?
        for slot in 0..<clients.count where clients[slot].isOpen && !clients[slot].noEvict {
            let bytes = clients[slot].bufferBytes
            if bytes > best?.bytes ?? 0 { best = (slot, bytes) }
        }
        return best?.slot
    }

    /// Clients to close now; the list starts anew.
    mutating func takeDoomed() -> [Int] {
        defer { doomed = [] }
        return doomed
    }

    /// Marks a client for closing.
    mutating func doom(_ slot: Int) {
        guard clients[slot].isOpen, !clients[slot].isDoomed else { return }
        clients[slot].isDoomed = true
        doomed.append(slot)
    }
}
