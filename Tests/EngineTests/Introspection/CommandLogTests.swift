//  CommandLogTests.swift — SLOWLOG, COMMANDLOG, and the counters of INFO by command and error.
import TestSupport
import Testing

@testable import Engine

@Suite("Command logs") struct CommandLogTests {
    private func server(_ configure: (inout Configuration) -> Void) -> LocalServer {
        var configuration = Configuration()
        configure(&configuration)
        return LocalServer(configuration: configuration)
    }

    private func words(_ entry: RESPValue?) -> [String] {
        entry?.item(3)?.items.compactMap(\.text) ?? []
    }

    @Test func `a threshold of 0 logs every command, newest first`() {
        let server = server { $0.slowlogLogSlowerThan = 0 }
        _ = server("SET", "k", "v")
        _ = server("GET", "k")
        let entries = server("SLOWLOG", "GET")?.items ?? []
        #expect(entries.map { words($0) } == [["GET", "k"], ["SET", "k", "v"]])
        #expect(entries.map { $0.item(0) } == [.integer(1), .integer(0)])
        #expect(entries.first?.items.count == 6)
        #expect(server("SLOWLOG", "LEN") == .integer(3))
        #expect(server("SLOWLOG", "GET", "1")?.items.count == 1)
        #expect(server("SLOWLOG", "GET", "-1")?.items.count == 5)
        #expect(server("SLOWLOG", "RESET") == .simple("OK"))
        // The reset itself is logged after it ran; numbers go on.
        #expect(server("SLOWLOG", "GET")?.item(0)?.item(0) == .integer(6))
    }

    @Test func `a negative threshold and a length of 0 log nothing`() {
        let off = server { $0.slowlogLogSlowerThan = -1 }
        _ = off("PING")
        #expect(off("SLOWLOG", "LEN") == .integer(0))
        let short = server {
            $0.slowlogLogSlowerThan = 0
            $0.slowlogMaxLen = 0
        }
        _ = short("PING")
        #expect(short("SLOWLOG", "LEN") == .integer(0))
    }

    @Test func `only the newest entries are kept`() {
        let server = server {
            $0.slowlogLogSlowerThan = 0
            $0.slowlogMaxLen = 3
        }
        for i in 0..<50 { _ = server("ECHO", "\(i)") }
        #expect(
            server("SLOWLOG", "GET")?.items.map { words($0)[1] } == ["49", "48", "47"])
        _ = server("CONFIG", "SET", "slowlog-max-len", "1")
        #expect(server("SLOWLOG", "LEN") == .integer(1))
    }

    @Test func `long requests are cut and passwords hidden`() {
        let server = server { $0.slowlogLogSlowerThan = 0 }
        _ = server(["MSET"] + (0..<40).map(String.init))
        let long = words(server("SLOWLOG", "GET", "1")?.item(0))
        #expect(long.count == 32)
        #expect(long.last == "... (10 more arguments)")
        _ = server("ECHO", String(repeating: "x", count: 200))
        let wide = words(server("SLOWLOG", "GET", "1")?.item(0))
        #expect(wide[1] == String(repeating: "x", count: 128) + "... (72 more bytes)")
        for (request, shown) in [
            ("AUTH default pw", "AUTH (redacted) (redacted)"),
            ("HELLO 2 AUTH default pw", "HELLO 2 AUTH (redacted) (redacted)"),
            (
                "CONFIG SET timeout 0 MASTERAUTH pw",
                "CONFIG SET timeout 0 MASTERAUTH (redacted)"
            ),
        ] {
            _ = server(request.split(separator: " ").map(String.init))
            #expect(words(server("SLOWLOG", "GET", "1")?.item(0)).joined(separator: " ") == shown)
        }
    }

    @Test func `large requests and replies have logs of their own`() {
        let server = server {
            $0.commandlogRequestLargerThan = 100
            $0.commandlogReplyLargerThan = 100
        }
        _ = server("SET", "k", String(repeating: "v", count: 200))
        _ = server("GET", "k")
        _ = server("GET", "k")
        #expect(server("COMMANDLOG", "LEN", "large-request") == .integer(1))
        #expect(server("COMMANDLOG", "LEN", "LARGE-REPLY") == .integer(2))
        let reply = server("COMMANDLOG", "GET", "-1", "large-reply")?.item(0)
        #expect(words(reply) == ["GET", "k"])
        #expect(reply?.item(2) == .integer(208))
        let request = server("COMMANDLOG", "GET", "10", "large-request")?.item(0)
        #expect(words(request).first == "SET")
        #expect(request?.item(2) == .integer(228))
        #expect(server("COMMANDLOG", "RESET", "large-reply") == .simple("OK"))
        #expect(server("COMMANDLOG", "LEN", "large-reply") == .integer(0))
        #expect(server("COMMANDLOG", "LEN", "slow") == .integer(0))
        let text = "ERR type should be one of the following: slow, large-request, large-reply"
        #expect(server("COMMANDLOG", "LEN", "x") == .error(text))
    }

    @Test func `requests of a pipeline are measured one by one`() {
        let server = server { $0.commandlogRequestLargerThan = 40 }
        let long = String(repeating: "v", count: 60)
        _ = server.replies(to: "ECHO a\r\n*2\r\n$4\r\nECHO\r\n$60\r\n\(long)\r\nPING\r\n")
        let entries = server("COMMANDLOG", "GET", "-1", "large-request")?.items ?? []
        #expect(entries.map { $0.item(2) } == [.integer(81)])
    }

    @Test func `the directives have Valkey's names too`() {
        let server = server { _ in }
        _ = server("CONFIG", "SET", "commandlog-execution-slower-than", "77")
        #expect(server("CONFIG", "GET", "slowlog-log-slower-than")?.item(1) == .bulk("77"))
        _ = server("CONFIG", "SET", "commandlog-slow-execution-max-len", "7")
        #expect(server("CONFIG", "GET", "slowlog-max-len")?.item(1) == .bulk("7"))
        #expect(server("CONFIG", "GET", "commandlog-*")?.items.count == 12)
    }

    @Test func `INFO counts calls, rejections and failures of each command`() throws {
        let server = server { _ in }
        _ = server("SET", "k", "v")
        _ = server("INCR", "k")
        _ = server("GET")
        let info = try #require(server("INFO", "commandstats")?.text)
        #expect(info.contains("cmdstat_set:calls=1,usec="))
        #expect(info.contains("cmdstat_get:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1"))
        #expect(info.contains("rejected_calls=0,failed_calls=1\r\n"))
        _ = server("CONFIG", "RESETSTAT")
        let after = try #require(server("INFO", "commandstats")?.text)
        #expect(after.contains("cmdstat_config|resetstat:calls=1,"))
        #expect(!after.contains("cmdstat_set"))
    }

    @Test func `too many kinds of errors turn the counting off`() {
        var errors = ErrorStatistics()
        var turnedOff = (0..<128).map { errors.note(Array("E\($0) text".utf8)) }
        turnedOff.append(errors.note(Array("E5 text".utf8)))
        #expect(!turnedOff.contains(true))
        #expect(errors.counts["E5"] == 2)
        let last = errors.note(Array("ONE more".utf8)), later = errors.note(Array("ERR x".utf8))
        #expect(last && !later)
        #expect(errors.counts == ["ERRORSTATS_DISABLED": 1])
        var fresh = ErrorStatistics()
        _ = fresh.note(Array("nospace".utf8))
        #expect(fresh.counts == ["ERR": 1])
    }

    /// Requests whose replies are the same on a real server.
    static let requests = [
        "SLOWLOG GET -2", "SLOWLOG GET x", "SLOWLOG GET 1 2", "SLOWLOG NOPE", "SLOWLOG LEN 1",
        "SLOWLOG", "SLOWLOG RESET", "SLOWLOG LEN", "SLOWLOG GET", "LATENCY", "LATENCY NOPE",
        "LATENCY LATEST", "LATENCY LATEST 1", "LATENCY HISTORY", "LATENCY HISTORY x",
        "LATENCY GRAPH x", "LATENCY RESET", "LATENCY RESET a b", "LATENCY HISTOGRAM nope",
        "LATENCY DOCTOR 1", "CONFIG SET slowlog-max-len -1",
        "CONFIG SET latency-monitor-threshold -1",
    ]

    @Test(
        .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"),
        arguments: RESPVersion.allCases)
    func `replies equal those of a real server`(version: RESPVersion) throws {
        let peer = try PeerServer(version: Int(version.rawValue))
        let server = LocalServer(version: version)
        for request in Self.requests {
            let words = request.split(separator: " ").map(String.init)
            #expect(try server(words) == peer.send(words), "\(request)")
        }
    }
}
