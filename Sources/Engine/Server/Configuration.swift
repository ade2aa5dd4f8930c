//  Configuration.swift — every setting of a server, as typed values.
//
//  The value is plain: a copy is a snapshot, and a change is tried on a copy before it counts. What
//  a directive is called, how its text is read and printed, and whether it may change at run time
//  is said once, in the table of Configuration+Directives.swift. Directives of Redis that mean
//  nothing here keep their text in `unused`, so that CONFIG GET returns what was set.
//
//  Names of properties follow the directives. Sizes are in bytes and times in seconds unless the
//  name says otherwise.
import Platform

public struct Configuration: Sendable {
    public init() {}

    // MARK: - Network

    /// Addresses to listen on: `*` and `::*` mean all, a leading `-` allows the address to be
    /// missing on this machine.
    public var bind = ["127.0.0.1", "-::1"]
    /// 0 means no TCP port, unless `usesAnyPort` is set.
    public var port = 6379
    /// Port 0 means a free port of the system's choice: for embedders and tests, not a directive.
    public var usesAnyPort = false
    /// Path of the Unix socket; empty means none.
    public var unixSocket = ""
    /// Permission bits of the Unix socket; 0 leaves them as the process makes files.
    public var unixSocketPermissions = 0
    public var tcpBacklog = 511
    /// 0 turns keep-alive off.
    public var tcpKeepAlive = 300
    /// Idle clients are closed after so many seconds; 0 means never.
    public var timeout = 0
    public var maxClients = 10_000
    /// Refuse clients from elsewhere while there is no password.
    public var protectedMode = true
    /// Accepted per turn of the loop.
    public var maxNewConnectionsPerCycle = 10
    /// How the server waits for its clients.
    public var eventLoop = EventLoop.auto

    // MARK: - Security

    /// Empty means that clients need no password.
    public var requirePass = ""
    public var enableDebugCommand = Permission.no
    public var enableProtectedConfigs = Permission.no
    public var enableModuleCommand = Permission.no
    /// `rename-command` in order of appearance; an empty new name takes the command away.
    public var renamedCommands: [CommandRename] = []

    // MARK: - Process

    public var daemonize = false
    /// Empty means none, or the usual path for a daemon.
    public var pidFile = ""
    public var logLevel = LogLevel.notice
    /// Empty means standard output.
    public var logFile = ""
    /// Empty means the current directory of the process.
    public var directory = ""
    public var databases = 16
    /// What a signal does: `default`, or some of `save`, `nosave`, `now` and `force`.
    public var shutdownOnSIGINT = "default"
    public var shutdownOnSIGTERM = "default"
    /// Background work per second.
    public var hz = 10 {
        didSet { hz = min(max(hz, 1), 500) }
    }
    public var dynamicHz = true
    public var activeRehashing = true
    /// How hard expired keys are looked for, 1 to 10.
    public var activeExpireEffort = 1

    // MARK: - Limits

    /// Longest string that a request may carry or a command may build.
    public var protoMaxBulkLength = 512 << 20
    public var clientQueryBufferLimit = 1 << 30
    public var outputBufferLimits = ClientOutputBufferLimits()
    /// Letters for the classes of changes that are published; nothing publishes none.
    public var notifyKeyspaceEvents = ""
    /// 0 means no limit.
    public var maxMemory = 0
    /// What all clients together may hold: bytes, or a part of `maxmemory` as `5%`; 0 means any
    /// amount.
    public var maxMemoryClients = "0"
    public var maxMemoryPolicy = EvictionPolicy.noEviction
    public var maxMemorySamples = 5
    public var maxMemoryEvictionTenacity = 10
    /// The more, the slower the access counter of OBJECT FREQ saturates.
    public var lfuLogFactor = 10
    /// Minutes after which the access counter loses one.
    public var lfuDecayTime = 1

    // MARK: - Freeing

    public var lazyfreeLazyEviction = false
    public var lazyfreeLazyExpire = false
    public var lazyfreeLazyServerDel = false
    public var lazyfreeLazyUserDel = false
    public var lazyfreeLazyUserFlush = false

    // MARK: - Durability

    public var save = [
        SavePoint(seconds: 3600, changes: 1), SavePoint(seconds: 300, changes: 100),
        SavePoint(seconds: 60, changes: 10_000),
    ]
    public var databaseFilename = "dump.rdb"
    /// Whether strings in RDB files and in the replies of DUMP are compressed.
    public var rdbCompression = true
    /// Whether RDB files end with a checksum, and whether that is compared when they are read.
    public var rdbChecksum = true
    /// Whether the system is asked now and then to write what it holds of a file in the making.
    public var rdbSaveIncrementalFsync = true
    /// Whether writes are refused while the last save has failed.
    public var stopWritesOnBgsaveError = true
    public var appendOnly = false
    public var appendFilename = "appendonly.aof"
    public var appendDirectory = "appendonlydir"
    public var appendFsync = AppendFsync.everySecond
    public var noAppendFsyncOnRewrite = false
    /// How much larger than after the last rewrite the file has to be for the next; 0 means never.
    public var autoAOFRewritePercentage = 100
    public var autoAOFRewriteMinSize = 64 << 20
    /// Whether an append-only file whose end is missing is loaded without it.
    public var aofLoadTruncated = true
    /// Whether the base of an append-only file is an RDB file.
    public var aofUseRDBPreamble = true
    public var aofTimestampEnabled = false
    /// Whether files that a rewrite has replaced are kept.
    public var aofDisableAutoGC = false
    public var aofRewriteIncrementalFsync = true

    // MARK: - Encodings

    public var hashMaxListpackEntries = 512
    public var hashMaxListpackValue = 64
    public var listMaxListpackSize = -2
    /// Chunks at either end of a list that are not compressed; 0 compresses none.
    public var listCompressDepth = 0
    public var setMaxIntsetEntries = 512
    public var setMaxListpackEntries = 128
    public var setMaxListpackValue = 64
    public var zsetMaxListpackEntries = 128
    public var zsetMaxListpackValue = 64
    public var streamNodeMaxBytes = 4096
    public var streamNodeMaxEntries = 100
    public var hllSparseMaxBytes = 3000

    // MARK: - Watching

    /// Microseconds; negative turns the log off, 0 logs every command.
    public var slowlogLogSlowerThan = 10_000
    public var slowlogMaxLen = 128
    /// Bytes; negative turns the log off, 0 logs every command.
    public var commandlogRequestLargerThan = 1 << 20
    public var commandlogLargeRequestMaxLen = 128
    /// Bytes; negative turns the log off, 0 logs every command.
    public var commandlogReplyLargerThan = 1 << 20
    public var commandlogLargeReplyMaxLen = 128
    /// Whether histograms of durations are shown.
    public var latencyTracking = true
    /// Keys that are remembered for clients which keep copies; 0 is no limit.
    public var trackingTableMaxKeys = 1_000_000
    /// Percentiles that INFO latencystats shows.
    public var latencyTrackingInfoPercentiles = "50 99 99.9"
    /// Milliseconds from which on the latency monitor takes a sample; 0 turns it off.
    public var latencyMonitorThreshold = 0

    // MARK: - Bookkeeping

    /// Absolute path of the file that CONFIG REWRITE writes to; empty without one.
    public internal(set) var file = ""
    /// Whether neither a file nor an argument said anything.
    public var isUntouched: Bool { file.isEmpty && named.isEmpty }
    /// Texts of directives without an effect, by name; missing ones have their initial text.
    var unused: [String: String] = [:]
    /// Names of directives that a file, an argument or CONFIG SET named.
    var named: Set<String> = []
    /// Whether `save` still holds what it has before anyone says a word.
    var isSaveInitial = true

    /// For embedders: whoever has not said where or when to save does not want files.
    package mutating func forgetInitialSavePoints() {
        if isSaveInitial, directory.isEmpty { save = [] }
    }
}

// MARK: - Types of single directives

/// Who may use a dangerous feature.
public enum Permission: String, Sendable, CaseIterable {
    case no, yes
    /// Clients on this machine.
    case local

    /// Whether a client may, which sits on this machine or not.
    public func admits(local isLocal: Bool) -> Bool {
        switch self {
        case .no: false
        case .yes: true
        case .local: isLocal
        }
    }
}

/// The kernel's interface that a server waits on.
public enum EventLoop: String, Sendable, CaseIterable {
    /// io_uring where the system allows it, else epoll.
    case auto
    case ioUring = "io_uring"
    case epoll
}

/// When the system is asked to write the append-only file to the disk.
public enum AppendFsync: String, Sendable, CaseIterable {
    /// Before a command that wrote is answered.
    case always
    case everySecond = "everysec"
    /// When the system wants to.
    case no
}

/// What is worth a line in the log, most talkative first.
public enum LogLevel: String, Sendable, CaseIterable {
    case debug, verbose, notice, warning, nothing
}

/// Which key goes when memory is short.
public enum EvictionPolicy: String, Sendable, CaseIterable {
    case volatileLRU = "volatile-lru"
    case volatileLFU = "volatile-lfu"
    case volatileRandom = "volatile-random"
    case volatileTTL = "volatile-ttl"
    case allKeysLRU = "allkeys-lru"
    case allKeysLFU = "allkeys-lfu"
    case allKeysRandom = "allkeys-random"
    case noEviction = "noeviction"

    /// Whether the access counter replaces the time of the last access.
    public var countsAccesses: Bool { self == .volatileLFU || self == .allKeysLFU }
}

/// A command that answers to another name, or to none.
public struct CommandRename: Sendable, Equatable {
    public var name: String
    public var newName: String

    public init(name: String, newName: String) {
        self.name = name
        self.newName = newName
    }
}

/// Save after so many seconds if there were so many changes.
public struct SavePoint: Sendable, Equatable {
    public var seconds: Int
    public var changes: Int

    public init(seconds: Int, changes: Int) {
        self.seconds = seconds
        self.changes = changes
    }
}

/// How much unsent output a client may pile up before it is closed; 0 means any amount.
public struct OutputBufferLimit: Sendable, Equatable {
    public var hardBytes: Int
    public var softBytes: Int
    public var softSeconds: Int

    public init(hardBytes: Int, softBytes: Int, softSeconds: Int) {
        self.hardBytes = hardBytes
        self.softBytes = softBytes
        self.softSeconds = softSeconds
    }

    var text: String { "\(hardBytes) \(softBytes) \(softSeconds)" }
}

/// The limit of each class of clients.
public struct ClientOutputBufferLimits: Sendable, Equatable {
    public var normal = OutputBufferLimit(hardBytes: 0, softBytes: 0, softSeconds: 0)
    public var replica = OutputBufferLimit(
        hardBytes: 256 << 20, softBytes: 64 << 20, softSeconds: 60)
    public var pubsub = OutputBufferLimit(hardBytes: 32 << 20, softBytes: 8 << 20, softSeconds: 60)

    public init() {}
}
