//  ConfigurationTests.swift — reading, checking, printing and changing directives.
import Testing

@testable import Engine

/// The text of the error that `body` throws, or nil.
func configurationError(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch {
        return "\(error)"
    }
}

/// The value that CONFIG GET returns for `name`.
func value(_ name: String, _ configuration: Configuration) -> String? {
    configuration.get(patterns: [name]).first?.value
}

@Suite("Configuration") struct ConfigurationTests {
    @Test func `every directive prints a value that it accepts again`() throws {
        let initial = Configuration()
        for directive in Directive.all where directive.name != "replicaof" {
            var copy = initial
            let text = directive.get(initial)
            if directive.name == "save" { copy.isSaveInitial = true }
            try directive.set(&copy, directive.words(of: text))
            #expect(directive.get(copy) == text, "\(directive.name)")
        }
    }

    @Test func `names and aliases are unique and in small letters`() {
        let names = Directive.all.flatMap { [$0.name] + ($0.alias.map { [$0] } ?? []) }
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { $0 == $0.lowercased() })
    }

    @Test(arguments: [
        ("maxmemory", "1", "1"), ("maxmemory", "1b", "1"), ("maxmemory", "1k", "1000"),
        ("maxmemory", "1KB", "1024"), ("maxmemory", "2m", "2000000"),
        ("maxmemory", "2Mb", "2097152"), ("maxmemory", "1g", "1000000000"),
        ("maxmemory", "1gb", "1073741824"), ("maxmemory", "", "0"),
        ("maxmemory", "9223372036854775807", "9223372036854775807"),
        ("appendonly", "YES", "yes"), ("loglevel", "VERBOSE", "verbose"),
        ("hz", "0", "1"), ("hz", "1000", "500"), ("maxclients", "4294967295", "4294967295"),
        ("maxmemory-clients", "5%", "5%"), ("maxmemory-clients", "0%", "0"),
        ("maxmemory-clients", "1g", "1000000000"), ("save", "900 1 300 10", "900 1 300 10"),
        ("save", "", ""), ("bind", "", ""), ("bind", "* -::*", "* -::*"),
        (
            "client-output-buffer-limit", "",
            "normal 0 0 0 slave 268435456 67108864 60 "
                + "pubsub 33554432 8388608 60"
        ),
        (
            "client-output-buffer-limit", "replica 1kb 0 0 PUBSUB 0 0 5",
            "normal 0 0 0 slave 1024 0 0 pubsub 0 0 5"
        ),
        ("notify-keyspace-events", "KEA", "AKE"), ("notify-keyspace-events", "Kx", "xK"),
        ("notify-keyspace-events", "Eg$lshzxetdmn", "AEm"), ("notify-keyspace-events", "En", "nE"),
        ("latency-tracking-info-percentiles", "1e1 99.999999", "10 99.999999"),
        ("latency-tracking-info-percentiles", "", ""),
        ("maxmemory-policy", "ALLKEYS-LRU", "allkeys-lru"),
        ("shutdown-on-sigterm", "nosave now", "nosave now"), ("requirepass", "a b", "a b"),
        ("oom-score-adj-values", "3 2 1", "3 2 1"),
        ("proc-title-template", "{title} x", "{title} x"),
    ])
    func `CONFIG SET accepts`(name: String, text: String, printed: String) throws {
        var configuration = Configuration()
        _ = try configuration.set([(name, text)])
        #expect(value(name, configuration) == printed)
    }

    private static let refused: [(String, String, String)] = [
        ("maxmemory", "1tb", "argument must be a memory value"),
        ("maxmemory", "-1", "argument must be a memory value"),
        ("maxmemory", "1.5gb", "argument must be a memory value"),
        ("maxmemory", " 1", "argument must be a memory value"),
        ("maxmemory", "18446744073709551615gb", "argument must be greater or equal to 0"),
        ("maxmemory", "99999999999999999999999", "argument must be greater or equal to 0"),
        ("maxmemory", String(repeating: "9", count: 128), "argument must be a memory value"),
        ("maxmemory-clients", "101%", "percentage argument must be less or equal to 100"),
        ("maxmemory-clients", "-5%", "argument must be a memory or percent value"),
        (
            "proto-max-bulk-len", "1",
            "argument must be between 1048576 and 9223372036854775807 inclusive"
        ),
        ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
        ("maxclients", "-1", "argument must be greater or equal to 0"),
        ("timeout", "03", "argument couldn't be parsed into an integer"),
        ("timeout", "99999999999999999999", "argument couldn't be parsed into an integer"),
        ("timeout", "2147483648", "argument must be between 0 and 2147483647 inclusive"),
        ("appendonly", "maybe", "argument must be 'yes' or 'no'"),
        (
            "loglevel", "debug verbose",
            "argument(s) must be one of the following: debug, verbose, notice, warning, nothing"
        ),
        ("save", "900", "Invalid save parameters"), ("save", "900  1", "Invalid save parameters"),
        ("save", "0 1", "Invalid save parameters"), ("save", "1 -1", "Invalid save parameters"),
        (
            "client-output-buffer-limit", "normal 1 1",
            "Wrong number of arguments in buffer limit configuration."
        ),
        (
            "client-output-buffer-limit", "master 0 0 0",
            "Invalid client class specified in buffer limit configuration."
        ),
        (
            "client-output-buffer-limit", "normal 0 0 99999999999999999999",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration."
        ),
        ("notify-keyspace-events", "kA", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        (
            "bind", Array(repeating: "127.0.0.1", count: 17).joined(separator: " "),
            "Too many bind addresses specified."
        ),
        (
            "latency-tracking-info-percentiles", "100.1",
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
        ),
        (
            "latency-tracking-info-percentiles", "nan",
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
        ),
        ("oom-score-adj-values", "1 2", "wrong number of arguments"),
        (
            "proc-title-template", "{foo}",
            "template format is invalid or contains unknown variables"
        ),
        ("proc-title-template", "{", "template format is invalid or contains unknown variables"),
        ("databases", "3", "can't set immutable config"),
        ("dir", "/", "can't set protected config"),
    ]

    @Test(arguments: refused)
    func `CONFIG SET refuses`(name: String, text: String, reason: String) {
        var configuration = Configuration()
        let error = configurationError { _ = try configuration.set([(name, text)]) }
        #expect(
            error == "ERR CONFIG SET failed (possibly related to argument '\(name)') - \(reason)")
    }

    @Test func `CONFIG SET changes all directives or none`() {
        var configuration = Configuration()
        let error = configurationError {
            _ = try configuration.set([("timeout", "77"), ("tcp-keepalive", "x")])
        }
        #expect(
            error == "ERR CONFIG SET failed (possibly related to argument 'tcp-keepalive') - "
                + "argument couldn't be parsed into an integer")
        #expect(configuration.timeout == 0)
        #expect(configuration.named.isEmpty)
    }

    @Test func `CONFIG SET reports what changed, by the newer name`() throws {
        var configuration = Configuration()
        let changed = try configuration.set([
            ("TIMEOUT", "7"), ("port", "6379"), ("slave-priority", "3"),
        ])
        #expect(changed == ["timeout", "replica-priority"])
    }

    @Test func `CONFIG SET names the first culprit`() {
        var configuration = Configuration()
        #expect(
            configurationError { _ = try configuration.set([("timeout", "x"), ("nosuch", "1")]) }
                == "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'")
        #expect(
            configurationError { _ = try configuration.set([("timeout", "1"), ("TIMEOUT", "2")]) }
                == "ERR CONFIG SET failed (possibly related to argument 'TIMEOUT') - "
                + "duplicate parameter")
    }

    @Test func `protected directives open for those whom the configuration admits`() throws {
        var configuration = Configuration()
        configuration.enableProtectedConfigs = .local
        _ = try configuration.set([("dbfilename", "x.rdb")], isLocal: true)
        #expect(configuration.databaseFilename == "x.rdb")
        #expect(
            configurationError {
                _ = try configuration.set([("dbfilename", "y.rdb")], isLocal: false)
            } != nil)
        #expect(
            configurationError { _ = try configuration.set([("dbfilename", "a/b")]) }?
                .hasSuffix("dbfilename can't be a path, just a filename") == true)
    }

    @Test func `CONFIG GET finds names once, ignoring case, with aliases`() {
        let configuration = Configuration()
        let names = configuration.get(patterns: ["MAXMEMORY", "maxmemory", "maxm?mory"]).map(\.name)
        #expect(names == ["MAXMEMORY"])
        #expect(
            configuration.get(patterns: ["*-PRIORITY"]).map(\.name)
                == ["replica-priority", "slave-priority"])
        #expect(
            configuration.get(patterns: ["[m]axmemory", "nosuch", "[", ""]).map(\.name) == [
                "maxmemory"
            ])
    }

    @Test func `hidden directives answer to their exact names only`() {
        let configuration = Configuration()
        #expect(configuration.get(patterns: ["watchdog-*"]).isEmpty)
        #expect(value("watchdog-period", configuration) == "0")
    }

    @Test func `directives without an effect are reported when they differ from the start`() throws
    {
        var configuration = Configuration()
        try configuration.load(text: "rdbcompression yes\nio-threads 4\nsave \"\"\nport 7\n")
        #expect(configuration.withoutEffect.map(\.name) == ["io-threads"])
    }

    @Test func `what would be a different server is refused`() {
        for text in [
            "cluster-enabled yes", "tls-port 6380", "aclfile /x", "replicaof localhost 6379",
            "user bob on", "loadmodule x.so",
        ] {
            var configuration = Configuration()
            let error = configurationError { try configuration.load(text: text) }
            #expect(error?.contains("not supported by Martlet") == true, "\(text)")
        }
        var configuration = Configuration()
        #expect(
            configurationError {
                try configuration.load(
                    text: "cluster-enabled no\ntls-port 0\naclfile \"\"\nreplicaof no one\n")
            } == nil)
    }
}
