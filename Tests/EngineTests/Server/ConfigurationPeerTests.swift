//  ConfigurationPeerTests.swift — the same questions to us and to a real redis-server.
//
//  Without such a server the tests are skipped.
import TestSupport
import Testing

@testable import Engine

@Suite("Configuration beside a real server", .enabled(if: PeerServer.exactBinary != nil))
struct ConfigurationPeerTests {
    @Test func `CONFIG GET knows every parameter and prints it alike`() throws {
        let peer = try PeerServer()
        var configuration = Configuration()
        try configuration.apply(arguments: ["--bind", "127.0.0.1", "--save", ""])
        var theirs: [String: String] = [:]
        let items = try peer.send(["CONFIG", "GET", "*"]).items
        for i in stride(from: 0, to: items.count - 1, by: 2) {
            theirs[items[i].text ?? ""] = items[i + 1].text
        }
        #expect(theirs.count > 200)
        var ours: [String: String] = [:]
        for (name, value) in configuration.get(patterns: ["*"]) { ours[name] = value }
        #expect(Set(theirs.keys).subtracting(ours.keys).isEmpty)
        // Valkey's names and our own apart.
        let others = Set(ours.keys).subtracting(theirs.keys)
        #expect(others.allSatisfy { $0.hasPrefix("commandlog-") || $0 == "event-loop" })
        // What the peer was started with.
        let other: Set = ["port", "logfile", "dir", "enable-debug-command"]
        for (name, value) in theirs.sorted(by: { $0.key < $1.key }) where !other.contains(name) {
            #expect(ours[name] == value, "\(name)")
        }
    }

    /// What `name` gets, and what comes of it: the error or the value that is printed.
    private func outcome(_ name: String, _ text: String) -> String {
        var configuration = Configuration()
        if let error = configurationError({ _ = try configuration.set([(name, text)]) }) {
            return error
        }
        return value(name, configuration) ?? ""
    }

    @Test func `CONFIG SET takes and refuses the same values`() throws {
        let peer = try PeerServer()
        let questions: [String: [String]] = [
            "maxmemory-policy": ["allkeys-LFU", "lru", ""],
            "timeout": ["3", "-1", "03", "+3", "", "2147483648", "9223372036854775808"],
            "maxclients": ["-5", "0", "4294967296"],
            "client-query-buffer-limit": ["1", "1mb", "9223372036854775808", "2MB"],
            "maxmemory": ["100mb", "1tb", "kb", "1 mb", "1.5gb"],
            "save": ["900 1 300 10", "900", "a b", "1 -1", "", "0 1"],
            "notify-keyspace-events": ["KEA", "Kx", "kA", "", "g$lshzxetd", "Kgn"],
            "hz": ["0", "1000", "x"],
            "list-max-listpack-size": ["-6", "2147483648", "-2147483649"],
            "slowlog-log-slower-than": ["-1", "-2", "1kb"],
            "latency-tracking-info-percentiles": ["50 99.5", "101", "a", ""],
            "oom-score-adj-values": ["1 2 3", "1 2", "5000 0 0"],
            "loglevel": ["VERBOSE", "loud"], "protected-mode": ["No", "off"],
            "databases": ["4"], "dir": ["/"], "nosuch": ["1"], "logfile": [""],
            "slave-priority": ["-1", "7"], "maxmemory-clients": ["5%", "101%", "0%", "x"],
            "active-expire-effort": ["0", "11", "10"], "lfu-log-factor": ["-1", "255"],
            "client-output-buffer-limit": [
                "normal 1 1", "foo 0 0 0", "normal a 0 0", "slave 1mb 2mb 60", "normal 0 0 -1",
            ],
        ]
        for (name, texts) in questions.sorted(by: { $0.key < $1.key }) {
            for text in texts {
                var theirs = try peer.send(["CONFIG", "SET", name, text]).text
                if theirs == "OK" {
                    theirs = try peer.send(["CONFIG", "GET", name]).item(1)?.text
                    // Classes add up over questions; one starts anew each time.
                    if name == "client-output-buffer-limit" { continue }
                }
                #expect(outcome(name, text) == theirs, "\(name) \(text)")
            }
        }
    }
}
