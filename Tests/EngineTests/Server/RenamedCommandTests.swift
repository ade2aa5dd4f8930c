//  RenamedCommandTests.swift — rename-command, from the line of a file to the request.
import TestSupport
import Testing

@testable import Engine

@Suite("rename-command") struct RenamedCommandTests {
    private static let long = "b840fc02d524045429941cc15f59e41cb7be6c52"

    private func server(_ text: String) throws -> LocalServer {
        var configuration = Configuration()
        try configuration.load(text: text)
        return LocalServer(configuration: configuration)
    }

    @Test func `a command answers to its new name alone`() throws {
        let server = try server("rename-command GET lookup\nrename-command config \"\"")
        _ = server("SET", "k", "v")
        #expect(server("Lookup", "k") == .bulk("v"))
        #expect(server("GET", "k")?.text?.hasPrefix("ERR unknown command 'GET'") == true)
        #expect(server("CONFIG", "GET", "*")?.isError == true)
        #expect(
            server("LOOKUP") == .error("ERR wrong number of arguments for 'get' command"))
    }

    @Test func `a name may be longer than any command's`() throws {
        let server = try server(
            "rename-command SET \(Self.long)\nrename-command CLIENT x\(Self.long)")
        #expect(server(Self.long, "k", "v") == .simple("OK"))
        #expect(server(Self.long.uppercased(), "k", "w") == .simple("OK"))
        #expect(server("GET", "k") == .bulk("w"))
        #expect(server("x" + Self.long, "ID") == .integer(1))
        #expect(server("x" + Self.long, "NOPE")?.isError == true)
        #expect(server("y" + Self.long, "ID")?.isError == true)
        #expect(
            server(Self.long, "k") == .error("ERR wrong number of arguments for 'set' command"))
    }

    @Test func `names can be exchanged`() throws {
        let server = try server(
            "rename-command GET x\nrename-command GETDEL GET\nrename-command x GETDEL")
        _ = server("SET", "k", "v")
        #expect(server("GETDEL", "k") == .bulk("v"))
        #expect(server("GET", "k") == .bulk("v"))
        #expect(server("GET", "k") == .null)
    }

    @Test(arguments: [
        ("rename-command NOPE x", "No such command in rename-command"),
        ("rename-command GET set", "Target command name already exists"),
        ("rename-command GET a\nrename-command GET b", "No such command in rename-command"),
        ("rename-command GET a\nrename-command SET A", "Target command name already exists"),
    ])
    func `a line that makes no sense is an error`(text: String, reason: String) {
        let error = configurationError {
            var configuration = Configuration()
            try configuration.load(text: text)
        }
        #expect(error?.contains(reason) == true)
    }

    @Test func `the lines of Debian's redis.conf are taken without a warning`() throws {
        var configuration = Configuration()
        try configuration.load(text: Self.debian)
        #expect(configuration.withoutEffect.map(\.name) == [])
        #expect(configuration.daemonize)
    }

    private static let debian = """
        bind 127.0.0.1 -::1
        protected-mode yes
        port 6379
        tcp-backlog 511
        timeout 0
        tcp-keepalive 300
        daemonize yes
        pidfile /run/redis/redis-server.pid
        loglevel notice
        logfile /var/log/redis/redis-server.log
        databases 16
        always-show-logo no
        set-proc-title yes
        proc-title-template "{title} {listen-addr} {server-mode}"
        stop-writes-on-bgsave-error yes
        rdbcompression yes
        rdbchecksum yes
        dbfilename dump.rdb
        rdb-del-sync-files no
        dir /
        replica-serve-stale-data yes
        replica-read-only yes
        repl-diskless-sync yes
        repl-diskless-sync-delay 5
        repl-diskless-sync-max-replicas 0
        repl-diskless-load disabled
        repl-disable-tcp-nodelay no
        replica-priority 100
        acllog-max-len 128
        lazyfree-lazy-eviction no
        lazyfree-lazy-expire no
        lazyfree-lazy-server-del no
        replica-lazy-flush no
        lazyfree-lazy-user-del no
        lazyfree-lazy-user-flush no
        oom-score-adj no
        oom-score-adj-values 0 200 800
        disable-thp yes
        appendonly no
        appendfilename "appendonly.aof"
        appenddirname "appendonlydir"
        appendfsync everysec
        no-appendfsync-on-rewrite no
        auto-aof-rewrite-percentage 100
        auto-aof-rewrite-min-size 64mb
        aof-load-truncated yes
        aof-use-rdb-preamble yes
        aof-timestamp-enabled no
        slowlog-log-slower-than 10000
        slowlog-max-len 128
        latency-monitor-threshold 0
        notify-keyspace-events ""
        hash-max-listpack-entries 512
        hash-max-listpack-value 64
        list-max-listpack-size -2
        list-compress-depth 0
        set-max-intset-entries 512
        zset-max-listpack-entries 128
        zset-max-listpack-value 64
        hll-sparse-max-bytes 3000
        stream-node-max-bytes 4096
        stream-node-max-entries 100
        activerehashing yes
        client-output-buffer-limit normal 0 0 0
        client-output-buffer-limit replica 256mb 64mb 60
        client-output-buffer-limit pubsub 32mb 8mb 60
        hz 10
        dynamic-hz yes
        aof-rewrite-incremental-fsync yes
        rdb-save-incremental-fsync yes
        jemalloc-bg-thread yes
        """
}
