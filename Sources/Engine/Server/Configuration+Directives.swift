//  Configuration+Directives.swift — the table of directives: one entry each, and nowhere else.
//
//  An entry with `noEffect`, and every `unused` one, is accepted, checked and printed but changes
//  nothing; the server says so once for each that someone set. `refused` ones fail, because a
//  server without the feature would not be the server that was asked for.
//
//  Groups follow the sections of redis.conf; CONFIG GET answers in the order of names.

extension Directive {
    /// Every directive, sorted by name.
    static let all: [Directive] =
        (network + process + security + memory + durability + replication + cluster + tls
        + encodings + watching + workers + internals).sorted { $0.name < $1.name }

    /// Where a name or an alias, in small letters, is in `all`.
    static let positions: [String: Int] = {
        var positions: [String: Int] = [:]
        for (i, directive) in all.enumerated() {
            positions[directive.name] = i
            if let alias = directive.alias { positions[alias] = i }
        }
        return positions
    }()

    /// The directive of that name, ASCII letters compared without case.
    static func named(_ name: String) -> Directive? {
        positions[name.lowercased()].map { all[$0] }
    }

    private static let anyCount = DirectiveShape.count(0...Int.max)
    private static let anyMemory = DirectiveShape.memory(0...Int.max)
    private static let anyInt32 = DirectiveShape.integer(0...Int(Int32.max))
    private static let anyInteger = DirectiveShape.integer(0...Int.max)
    private static let anyPort = DirectiveShape.integer(0...65535)

    // MARK: - Network and process

    private static let network: [Directive] = [
        bind,
        .number("port", \.port, anyPort),
        .text("unixsocket", \.unixSocket, .path, .immutable),
        .number("unixsocketperm", \.unixSocketPermissions, .octal(0...0o777), .immutable),
        .number("tcp-backlog", \.tcpBacklog, anyInt32, .immutable),
        .number("tcp-keepalive", \.tcpKeepAlive, anyInt32),
        .number("timeout", \.timeout, anyInt32),
        .number("maxclients", \.maxClients, .count(1...Int(UInt32.max))),
        .flag("protected-mode", \.protectedMode),
        .number("max-new-connections-per-cycle", \.maxNewConnectionsPerCycle, .count(1...1000)),
        .choice("event-loop", \.eventLoop, .immutable),
        .unused("bind-source-addr", .text, "", Reason.replication),
        .unused("socket-mark-id", .count(0...Int(UInt32.max)), "0", Reason.platform, .immutable),
    ]

    private static let process: [Directive] = [
        .flag("daemonize", \.daemonize, .immutable),
        .text("pidfile", \.pidFile, .path, .immutable),
        .choice("loglevel", \.logLevel),
        .text("logfile", \.logFile, .path, .immutable),
        directory,
        .number("databases", \.databases, .integer(1...Int(Int32.max)), .immutable),
        .number("hz", \.hz, anyInt32),
        .flag("dynamic-hz", \.dynamicHz),
        .unused("syslog-enabled", .flag, "no", Reason.syslog, .immutable),
        .unused("syslog-ident", .text, "redis", Reason.syslog, .immutable),
        .unused(
            "syslog-facility",
            .choice([
                "user", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
                "local7",
            ]), "local0", Reason.syslog, .immutable),
        .unused("always-show-logo", .flag, "no", Reason.logo, .immutable),
        .unused("set-proc-title", .flag, "yes", Reason.title, .immutable),
        .unused(
            "proc-title-template", .custom(titleTemplate),
            "{title} {listen-addr} {server-mode}", Reason.title),
        .unused(
            "supervised", .choice(["no", "auto", "systemd", "upstart"]), "no", Reason.supervision,
            .immutable),
        .unused("crash-log-enabled", .flag, "yes", Reason.crash),
        .unused("crash-memcheck-enabled", .flag, "yes", Reason.crash),
        .unused("use-exit-on-panic", .flag, "no", Reason.crash, [.immutable, .hidden]),
        .unused("watchdog-period", anyInt32, "0", Reason.crash, .hidden),
        .unused("disable-thp", .flag, "yes", Reason.kernel, .immutable),
        .unused(
            "oom-score-adj", .choice(["no", "yes", "relative", "absolute"]), "no", Reason.kernel),
        .unused(
            "oom-score-adj-values", .custom(outOfMemoryScores), "0 200 800", Reason.kernel,
            .manyWords),
        .unused("ignore-warnings", .text, "", Reason.kernel),
        .unused("locale-collate", .text, "", Reason.locale),
        .text(
            "shutdown-on-sigint", \.shutdownOnSIGINT,
            .choices(["default", "save", "nosave", "now", "force"]), .manyWords),
        .text(
            "shutdown-on-sigterm", \.shutdownOnSIGTERM,
            .choices(["default", "save", "nosave", "now", "force"]), .manyWords),
        .unused("shutdown-timeout", anyInt32, "10", Reason.replication),
        .unused("hide-user-data-from-log", .flag, "no", Reason.crash),
    ]

    // MARK: - Security and memory

    private static let security: [Directive] = [
        .text("requirepass", \.requirePass),
        .choice("enable-debug-command", \.enableDebugCommand, .immutable),
        .choice("enable-protected-configs", \.enableProtectedConfigs, .immutable),
        .choice(
            "enable-module-command", \.enableModuleCommand, .immutable, noEffect: Reason.modules),
        .refused("aclfile", .path, "", Reason.acl, .immutable),
        .unused(
            "acl-pubsub-default", .choice(["allchannels", "resetchannels"]), "resetchannels",
            Reason.acl),
        .unused("acllog-max-len", anyInteger, "128", Reason.acl),
        .unused("sanitize-dump-payload", .choice(["no", "yes", "clients"]), "no", Reason.dump),
    ]

    private static let memory: [Directive] = [
        .number("proto-max-bulk-len", \.protoMaxBulkLength, .memory(1 << 20...Int.max)),
        .number(
            "client-query-buffer-limit", \.clientQueryBufferLimit, .memory(1 << 20...Int.max)),
        clientOutputBufferLimit,
        .number("maxmemory", \.maxMemory, anyMemory),
        .choice("maxmemory-policy", \.maxMemoryPolicy),
        .number("maxmemory-samples", \.maxMemorySamples, .integer(1...64)),
        .number("maxmemory-eviction-tenacity", \.maxMemoryEvictionTenacity, .integer(0...100)),
        .text("maxmemory-clients", \.maxMemoryClients, .memoryOrPercent),
        .number("lfu-log-factor", \.lfuLogFactor, anyInt32),
        .number("lfu-decay-time", \.lfuDecayTime, anyInt32),
        .number("active-expire-effort", \.activeExpireEffort, .integer(1...10)),
        .flag("activerehashing", \.activeRehashing),
        .flag("lazyfree-lazy-eviction", \.lazyfreeLazyEviction),
        .flag("lazyfree-lazy-expire", \.lazyfreeLazyExpire),
        .flag("lazyfree-lazy-server-del", \.lazyfreeLazyServerDel),
        .flag("lazyfree-lazy-user-del", \.lazyfreeLazyUserDel),
        .flag("lazyfree-lazy-user-flush", \.lazyfreeLazyUserFlush),
        .unused("activedefrag", .flag, "no", Reason.allocator),
        .unused("active-defrag-cycle-max", .integer(1...99), "25", Reason.allocator),
        .unused("active-defrag-cycle-min", .integer(1...99), "1", Reason.allocator),
        .unused("active-defrag-ignore-bytes", anyMemory, "104857600", Reason.allocator),
        .unused(
            "active-defrag-max-scan-fields", .integer(1...Int.max), "1000", Reason.allocator),
        .unused("active-defrag-threshold-lower", .integer(0...1000), "10", Reason.allocator),
        .unused("active-defrag-threshold-upper", .integer(0...1000), "100", Reason.allocator),
        .unused("jemalloc-bg-thread", .flag, "yes", Reason.allocator),
    ]

    // MARK: - Durability

    private static let durability: [Directive] = [
        save,
        .flag("appendonly", \.appendOnly),
        .text("dbfilename", \.databaseFilename, .custom(filename), .protected),
        .text("appendfilename", \.appendFilename, .custom(filename), .immutable),
        .text("appenddirname", \.appendDirectory, .custom(filename), .immutable),
        .choice("appendfsync", \.appendFsync),
        .flag("no-appendfsync-on-rewrite", \.noAppendFsyncOnRewrite),
        .number("auto-aof-rewrite-percentage", \.autoAOFRewritePercentage, anyInt32),
        .number("auto-aof-rewrite-min-size", \.autoAOFRewriteMinSize, anyMemory),
        .flag("aof-load-truncated", \.aofLoadTruncated),
        .flag("aof-use-rdb-preamble", \.aofUseRDBPreamble),
        .flag("aof-timestamp-enabled", \.aofTimestampEnabled),
        .flag("aof-rewrite-incremental-fsync", \.aofRewriteIncrementalFsync),
        .flag("aof-disable-auto-gc", \.aofDisableAutoGC, .hidden),
        .flag("stop-writes-on-bgsave-error", \.stopWritesOnBgsaveError),
        .flag("rdbcompression", \.rdbCompression),
        .flag("rdbchecksum", \.rdbChecksum, .immutable),
        .unused("rdb-del-sync-files", .flag, "no", Reason.replication),
        .flag("rdb-save-incremental-fsync", \.rdbSaveIncrementalFsync),
        .unused(
            "rdb-key-save-delay", .integer(Int(Int32.min)...Int(Int32.max)), "0",
            Reason.testing, .hidden),
        .unused(
            "key-load-delay", .integer(Int(Int32.min)...Int(Int32.max)), "0", Reason.testing,
            .hidden),
        .unused(
            "loading-process-events-interval-bytes", .memory(1024...Int(Int32.max)), "524288",
            Reason.loading, .hidden),
    ]

    // MARK: - Replication

    private static let replication: [Directive] = [
        replicaOf,
        .unused("masterauth", .text, "", Reason.replication),
        .unused("masteruser", .text, "", Reason.replication),
        .unused(
            "replica-serve-stale-data", .flag, "yes", Reason.replication,
            alias: "slave-serve-stale-data"),
        .unused(
            "replica-read-only", .flag, "yes", Reason.replication, alias: "slave-read-only"),
        .unused(
            "replica-lazy-flush", .flag, "no", Reason.replication, alias: "slave-lazy-flush"),
        .unused(
            "replica-ignore-maxmemory", .flag, "yes", Reason.replication,
            alias: "slave-ignore-maxmemory"),
        .unused("replica-priority", anyInt32, "100", Reason.replication, alias: "slave-priority"),
        .unused(
            "replica-announce-ip", .text, "", Reason.replication, alias: "slave-announce-ip"),
        .unused(
            "replica-announce-port", anyPort, "0", Reason.replication,
            alias: "slave-announce-port"),
        .unused("replica-announced", .flag, "yes", Reason.replication),
        .unused("replica-full-sync-buffer-limit", anyMemory, "0", Reason.replication),
        .unused("replica-ignore-disk-write-errors", .flag, "no", Reason.replication),
        .unused("repl-backlog-size", .memory(1...Int.max), "1048576", Reason.replication),
        .unused("repl-backlog-ttl", anyInteger, "3600", Reason.replication),
        .unused("repl-disable-tcp-nodelay", .flag, "no", Reason.replication),
        .unused(
            "repl-diskless-load", .choice(["disabled", "on-empty-db", "swapdb"]), "disabled",
            Reason.replication),
        .unused("repl-diskless-sync", .flag, "yes", Reason.replication),
        .unused("repl-diskless-sync-delay", anyInt32, "5", Reason.replication),
        .unused("repl-diskless-sync-max-replicas", anyInt32, "0", Reason.replication),
        .unused(
            "repl-ping-replica-period", .integer(1...Int(Int32.max)), "10", Reason.replication,
            alias: "repl-ping-slave-period"),
        .unused("repl-rdb-channel", .flag, "yes", Reason.replication, .hidden),
        .unused("repl-timeout", .integer(1...Int(Int32.max)), "60", Reason.replication),
        .unused(
            "min-replicas-to-write", anyInt32, "0", Reason.replication,
            alias: "min-slaves-to-write"),
        .unused(
            "min-replicas-max-lag", anyInt32, "10", Reason.replication,
            alias: "min-slaves-max-lag"),
        .unused(
            "propagation-error-behavior", .choice(["ignore", "panic", "panic-on-replicas"]),
            "ignore", Reason.replication),
    ]

    // MARK: - Cluster

    private static let cluster: [Directive] = [
        .refused("cluster-enabled", .flag, "no", Reason.cluster, .immutable),
        .unused("cluster-config-file", .path, "nodes.conf", Reason.cluster, .immutable),
        .unused("cluster-port", anyPort, "0", Reason.cluster, .immutable),
        .unused("cluster-node-timeout", anyInteger, "15000", Reason.cluster),
        .unused("cluster-migration-barrier", anyInt32, "1", Reason.cluster),
        .unused("cluster-allow-replica-migration", .flag, "yes", Reason.cluster),
        .unused("cluster-require-full-coverage", .flag, "yes", Reason.cluster),
        .unused(
            "cluster-replica-no-failover", .flag, "no", Reason.cluster,
            alias: "cluster-slave-no-failover"),
        .unused(
            "cluster-replica-validity-factor", anyInt32, "10", Reason.cluster,
            alias: "cluster-slave-validity-factor"),
        .unused("cluster-allow-reads-when-down", .flag, "no", Reason.cluster),
        .unused("cluster-allow-pubsubshard-when-down", .flag, "yes", Reason.cluster),
        .unused("cluster-link-sendbuf-limit", anyMemory, "0", Reason.cluster),
        .unused("cluster-announce-ip", .text, "", Reason.cluster),
        .unused("cluster-announce-hostname", .custom(hostname), "", Reason.cluster),
        .unused("cluster-announce-human-nodename", .text, "", Reason.cluster),
        .unused("cluster-announce-port", anyPort, "0", Reason.cluster),
        .unused("cluster-announce-bus-port", anyPort, "0", Reason.cluster),
        .unused("cluster-announce-tls-port", anyPort, "0", Reason.cluster),
        .unused(
            "cluster-preferred-endpoint-type", .choice(["ip", "hostname", "unknown-endpoint"]),
            "ip", Reason.cluster),
        .unused("cluster-slot-stats-enabled", .flag, "no", Reason.cluster),
        .unused("cluster-compatibility-sample-ratio", .integer(0...100), "0", Reason.cluster),
    ]

    // MARK: - TLS

    private static let tls: [Directive] = [
        .refused("tls-port", anyPort, "0", Reason.tls),
        .unused("tls-cluster", .flag, "no", Reason.tls),
        .unused("tls-replication", .flag, "no", Reason.tls),
        .unused("tls-auth-clients", .choice(["no", "yes", "optional"]), "yes", Reason.tls),
        .unused("tls-prefer-server-ciphers", .flag, "no", Reason.tls),
        .unused("tls-session-caching", .flag, "yes", Reason.tls),
        .unused("tls-session-cache-size", anyInt32, "20480", Reason.tls),
        .unused("tls-session-cache-timeout", anyInt32, "300", Reason.tls),
        .unused("tls-cert-file", .text, "", Reason.tls),
        .unused("tls-key-file", .text, "", Reason.tls),
        .unused("tls-key-file-pass", .text, "", Reason.tls),
        .unused("tls-client-cert-file", .text, "", Reason.tls),
        .unused("tls-client-key-file", .text, "", Reason.tls),
        .unused("tls-client-key-file-pass", .text, "", Reason.tls),
        .unused("tls-dh-params-file", .text, "", Reason.tls),
        .unused("tls-ca-cert-file", .text, "", Reason.tls),
        .unused("tls-ca-cert-dir", .text, "", Reason.tls),
        .unused("tls-protocols", .text, "", Reason.tls),
        .unused("tls-ciphers", .text, "", Reason.tls),
        .unused("tls-ciphersuites", .text, "", Reason.tls),
        .unused("max-new-tls-connections-per-cycle", .count(1...1000), "1", Reason.tls),
    ]

    // MARK: - Encodings

    private static let encodings: [Directive] = [
        .number(
            "hash-max-listpack-entries", \.hashMaxListpackEntries, anyCount,
            alias: "hash-max-ziplist-entries"),
        .number(
            "hash-max-listpack-value", \.hashMaxListpackValue, anyMemory,
            alias: "hash-max-ziplist-value"),
        .number(
            "list-max-listpack-size", \.listMaxListpackSize,
            .integer(Int(Int32.min)...Int(Int32.max)), alias: "list-max-ziplist-size"),
        .number("list-compress-depth", \.listCompressDepth, anyInt32),
        .number(
            "set-max-intset-entries", \.setMaxIntsetEntries, anyCount),
        .number(
            "set-max-listpack-entries", \.setMaxListpackEntries, anyCount),
        .number(
            "set-max-listpack-value", \.setMaxListpackValue, anyCount),
        .number(
            "zset-max-listpack-entries", \.zsetMaxListpackEntries, anyCount,
            alias: "zset-max-ziplist-entries"),
        .number(
            "zset-max-listpack-value", \.zsetMaxListpackValue, anyMemory,
            alias: "zset-max-ziplist-value"),
        .number(
            "stream-node-max-bytes", \.streamNodeMaxBytes, anyMemory),
        .number(
            "stream-node-max-entries", \.streamNodeMaxEntries, anyInteger),
        .number(
            "hll-sparse-max-bytes", \.hllSparseMaxBytes, anyMemory),
    ]

    // MARK: - Watching

    private static let watching: [Directive] = [
        .number(
            "slowlog-log-slower-than", \.slowlogLogSlowerThan, .integer(-1...Int.max),
            alias: "commandlog-execution-slower-than"),
        .number(
            "slowlog-max-len", \.slowlogMaxLen, anyInteger,
            alias: "commandlog-slow-execution-max-len"),
        .number(
            "commandlog-request-larger-than", \.commandlogRequestLargerThan,
            .integer(-1...Int.max)),
        .number("commandlog-large-request-max-len", \.commandlogLargeRequestMaxLen, anyInteger),
        .number(
            "commandlog-reply-larger-than", \.commandlogReplyLargerThan, .integer(-1...Int.max)),
        .number("commandlog-large-reply-max-len", \.commandlogLargeReplyMaxLen, anyInteger),
        .flag("latency-tracking", \.latencyTracking),
        .text(
            "latency-tracking-info-percentiles", \.latencyTrackingInfoPercentiles,
            .custom(percentiles), .manyWords),
        .number("latency-monitor-threshold", \.latencyMonitorThreshold, anyInteger),
        notifyKeyspaceEvents,
        .number("tracking-table-max-keys", \.trackingTableMaxKeys, anyCount),
        .unused(
            "busy-reply-threshold", anyInteger, "5000", Reason.scripts, alias: "lua-time-limit"),
        .unused(
            "lua-enable-deprecated-api", .flag, "no", Reason.scripts, [.immutable, .hidden]),
    ]

    // MARK: - Threads and processors

    private static let workers: [Directive] = [
        .unused("io-threads", .integer(1...128), "1", Reason.threads, .immutable),
        .unused("io-threads-do-reads", .flag, "no", Reason.threads, [.immutable, .hidden]),
        .unused(
            "server-cpulist", .text, "", Reason.processors, .immutable, alias: "server_cpulist"),
        .unused("bio-cpulist", .text, "", Reason.processors, .immutable, alias: "bio_cpulist"),
        .unused(
            "aof-rewrite-cpulist", .text, "", Reason.processors, .immutable,
            alias: "aof_rewrite_cpulist"),
        .unused(
            "bgsave-cpulist", .text, "", Reason.processors, .immutable, alias: "bgsave_cpulist"),
        .unused("vset-force-single-threaded-execution", .flag, "no", Reason.notYet),
    ]

    /// Relics that files of earlier versions still name.
    private static let internals: [Directive] = [
        .unused("list-max-ziplist-entries", .text, "", Reason.relic, [.immutable, .hidden]),
        .unused("list-max-ziplist-value", .text, "", Reason.relic, [.immutable, .hidden]),
    ]
}

/// Why a directive of Redis changes nothing here.
enum Reason {
    static let notYet = "the feature it belongs to does not exist yet"
    static let loading = "loading shares the loop by time, not by bytes"
    static let replication = "there is no replication yet"
    static let cluster = "there is no cluster mode"
    static let tls = "there is no TLS; put a TLS proxy in front"
    static let acl = "there are no users but the default one"
    static let scripts = "there are no scripts yet"
    static let modules = "there are no modules"
    static let dump = "there is no RESTORE yet"
    static let allocator = "the memory allocator is another one"
    static let threads = "one thread serves all clients"
    static let processors = "processors are left to the operating system"
    static let platform = "it concerns a feature of sockets that is not used"
    static let kernel = "settings of the operating system are left alone"
    static let locale = "texts are compared byte by byte"
    static let syslog = "the log goes to standard output or to a file"
    static let logo = "there is no logo"
    static let title = "the title of the process stays as it is"
    static let supervision = "there is no handshake with a supervisor"
    static let crash = "crash reports are left to the Swift runtime"
    static let testing = "it serves the tests of Redis"
    static let relic = "Redis itself ignores it"
}
