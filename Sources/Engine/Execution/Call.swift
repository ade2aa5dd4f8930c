//  Call.swift — the state that a handler works on.
//
//  One call lives as long as the executor; a client's session is swapped in for a batch. Everything
//  hangs on this value and nothing on globals, so several servers live in one process.
import Logging
import Platform

/// What the executor has to see to after the handler returned; empty for most commands.
struct Attention: OptionSet, Sendable {
    let rawValue: UInt16

    /// Somebody wants to hear of `Effects.changes`.
    static let changes = Attention(rawValue: 1 << 0)
    /// The client does not want to hear the reply.
    static let silence = Attention(rawValue: 1 << 1)
    /// The connection ends once its replies are sent.
    static let close = Attention(rawValue: 1 << 2)
    /// The client waits for a key; nothing of it runs until that is over.
    static let blocked = Attention(rawValue: 1 << 3)
    /// The input is so long that a request of it may be worth a line in a log.
    static let sizes = Attention(rawValue: 1 << 4)
    /// The command took so long that it may be worth a line in a log.
    static let duration = Attention(rawValue: 1 << 5)
    /// The command did not run: its client waits until a pause is over, and sends it again.
    static let held = Attention(rawValue: 1 << 6)
    /// Lists were looked at that are to be compressed.
    static let lists = Attention(rawValue: 1 << 7)
    /// EXEC was called and nothing speaks against it.
    static let transaction = Attention(rawValue: 1 << 8)
    /// There is something in the client's own outbox.
    static let ownPost = Attention(rawValue: 1 << 9)
    /// Somebody wants to hear of each request of this client.
    static let observed = Attention(rawValue: 1 << 10)
    /// The request did not run.
    static let refused = Attention(rawValue: 1 << 11)
    /// There is something to propagate.
    static let propagation = Attention(rawValue: 1 << 12)
    /// The append-only file is to be read in place of all data.
    static let reload = Attention(rawValue: 1 << 13)
}

/// What commands ask the server to do at the end of the turn.
struct ServerRequests {
    /// Stop serving; set by SHUTDOWN.
    var shutdown: ShutdownOptions?
    /// CONFIG SET changed something that others keep.
    var configurationChanged = false
    /// Listen on these from now on, some of which are new.
    var listeners: [Listener]?

    var isPending: Bool { shutdown != nil || configurationChanged }
}

/// How a server is to stop.
struct ShutdownOptions {
    /// Whether data are saved; nil where that depends on whether there are save points.
    var saves: Bool?
    /// Whether it stops although something fails.
    var isForced = false
}

struct Call: ~Copyable {
    var keyspace: Keyspace
    var session = Session()
    var clients = ClientTable()
    /// Conditions that hold for every client.
    var raised = Gates()
    var pause: Pause?
    var commands: CommandTable
    var configuration: Configuration
    var effects = Effects()
    var interest = Interest()
    var propagation = Propagation()
    var blocking: Blocking
    var watching = Watching()
    var pubsub = PubSub()
    var notifications = NotificationClasses(rawValue: 0)
    /// Messages of this turn for clients that listen.
    var bulletin = Bulletin()
    var trackingTable = TrackingTable()
    /// Slots of clients that MONITOR shows requests.
    var monitors: [Int] = []
    /// What happens now, no client has asked for.
    var isHousekeeping = false
    /// Clients with subscriptions.
    var listenerCount = 0
    /// Slots of clients with something in their outboxes, or whose wait has ended.
    var posted: [Int] = []
    /// Lists to compress once the command is over.
    var touchedLists: [WaitKey] = []
    var pool = EvictionPool()
    var nextEvictionDatabase = 0
    /// Records count their uses; mirrors the policy of the configuration.
    var countsAccesses = false
    /// Bytes that all clients together may hold.
    var clientMemoryLimit = Int.max
    /// A use of a key just sets the access clock.
    var touchesPlainly = true
    /// A command that waited runs again.
    var isResuming = false
    var statistics = Statistics()
    var commandStatistics: CommandStatisticsTable
    var errorStatistics = ErrorStatistics()
    var watch = CommandWatch()
    var persistence = Persistence()
    /// The snapshot that is being written.
    var snapshot: Snapshot?
    /// What commands did, on the disk; nil when that is not wanted.
    var appendOnly: AppendOnlyFile?
    /// Slots of clients whose replies wait for the disk.
    var heldSlots: [Int] = []
    /// Clients whose commands wait for the disk, and the tickets of their waits.
    var syncWaits: [(slot: Int, ticket: UInt64)] = []
    /// How helper threads reach the loop.
    var outside: Mailbox<ServerMessage>?
    /// Everything is on the disk that has to be, and the server ends.
    var isShutDown = false
    /// Whether EXEC is at work.
    var isInTransaction = false
    var random: RandomGenerator
    let identity: ServerIdentity
    var log: Logger
    /// Sockets that accept connections.
    var listeners: [Listener] = []
    /// The kernel's interface that the loop waits on, for INFO.
    var eventLoop = ""
    var rates = Rates()
    /// Bytes that the server uses before the first key.
    var startupMemory = 0
    var peakMemory = 0
    /// Unix time in milliseconds.
    var peakMemoryTime: Int64 = 0
    /// Rate of the counter behind `CommandStatistics.ticks`.
    let ticksPerMicrosecond: Double
    /// Unix time in milliseconds as commands see it: that of the turn, or, while an append-only file
    /// is read, one at which nothing expires.
    var now: Int64 = 0
    /// Unix time of the turn in milliseconds.
    private(set) var turnTime: Int64 = 0
    /// The 24 bits of a record that is made or changed now: Unix time of the turn in seconds,
    /// modulo 2^24, or what an LFU policy starts with.
    var clock: UInt32 = 0
    var attention = Attention()
    var requests = ServerRequests()
    /// The entry of a stream in the making.
    var streamDraft = StreamDraft()
    /// The text of `CommandError.text`.
    var failure: [UInt8] = []
    var isActiveExpiryOn = true
    /// Whether housekeeping runs; DEBUG can stop it.
    var isCronOn = true
    /// Whether payloads and files may have wrong checksums; DEBUG can say so.
    var skipsChecksums = false
    /// What replicas know the history of the data by.
    var replicationID = ""
    /// Position in the table of the command that runs.
    var command = -1

    init(configuration: Configuration, identity: ServerIdentity, log: Logger) {
        self.configuration = configuration
        self.identity = identity
        self.log = log
        ticksPerMicrosecond = Clock.measureTicksPerMicrosecond()
        random = RandomGenerator()
        replicationID = ServerIdentity.newID(&random)
        let seed = HashSeed(k0: random.next(), k1: random.next())
        commands = CommandTable(Family.all, renames: configuration.renamedCommands)
        commandStatistics = CommandStatisticsTable(count: commands.entries.count)
        let time = Clock.unixMilliseconds()
        keyspace = Keyspace(count: configuration.databases, seed: seed, now: time)
        blocking = Blocking(now: time)
        setTime(time)
        persistence.lastSaveTime = unixSeconds
    }

    /// Sets the time that every command of the turn sees.
    mutating func setTime(_ milliseconds: Int64) {
        now = milliseconds
        turnTime = milliseconds
        clock =
            countsAccesses
            ? AccessCounter.word(AccessCounter.initial, milliseconds)
            : UInt32(truncatingIfNeeded: milliseconds / 1000) & 0xFF_FFFF
    }

    /// The error with a text of its own: `throw call.failed("ERR …")`.
    mutating func failed(_ text: String) -> CommandError {
        failure = Array(text.utf8)
        return .text
    }

    /// The same with a word of the request in the middle, as far as its first byte 0: clients
    /// that compare texts know them from C.
    mutating func failed(_ text: String, _ word: Bytes, _ rest: String = "") -> CommandError {
        failure = Array(text.utf8) + word.firstBytes(.max, before: 0) + Array(rest.utf8)
        return .text
    }

    /// The client has to authenticate, if a password is set.
    mutating func requireAuthentication() {
        if !configuration.requirePass.isEmpty { session.raised.insert(.authentication) }
    }

    mutating func resetStatistics() {
        statistics = Statistics()
        errorStatistics = ErrorStatistics()
        commandStatistics.reset()
        // A counter that starts again would look like one that runs backwards.
        rates = Rates()
    }
}
