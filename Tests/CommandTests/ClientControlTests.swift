//  ClientControlTests.swift — pauses, ended waits and what CLIENT tells about clients.
import Engine
import TestSupport
import Testing

@Suite("CLIENT") struct ClientControlTests {
    @Test func `a pause holds requests, and what is behind them, until it ends`() throws {
        let server = try EmbeddedServer()
        let a = try server.connect(), b = try server.connect()
        _ = try a("SET", "k", "1")
        #expect(try a("CLIENT", "PAUSE", "100000", "WRITE") == .simple("OK"))
        try b.write("INCR k\r\nGET k\r\n")
        try waitUntil("the client waits") {
            try a("CLIENT", "LIST").text?.contains("flags=b") == true
        }
        #expect(try a("GET", "k") == .bulk("1"))
        #expect(try a("INFO", "clients").text?.contains("blocked_clients:1\r\n") == true)
        #expect(try a("CLIENT", "UNPAUSE") == .simple("OK"))
        #expect(try b.replies(2) == [.integer(2), .bulk("2")])
        #expect(try a("INFO", "clients").text?.contains("blocked_clients:0\r\n") == true)
    }

    @Test func `a pause of everything ends by itself`() throws {
        let server = try EmbeddedServer()
        let a = try server.connect(), b = try server.connect()
        #expect(try a("CLIENT", "PAUSE", "200") == .simple("OK"))
        let start = ContinuousClock.now
        #expect(try b("PING") == .simple("PONG"))
        #expect(start.duration(to: .now) > .milliseconds(100))
    }

    @Test func `a pause holds the rest of a pipeline`() throws {
        let server = try EmbeddedServer()
        let a = try server.connect()
        try a.write("SET k 1\r\nCLIENT PAUSE 100 WRITE\r\nGET k\r\nSET k 2\r\nGET k\r\n")
        #expect(
            try a.replies(5) == [
                .simple("OK"), .simple("OK"), .bulk("1"), .simple("OK"), .bulk("2"),
            ])
        let info = try a("INFO", "commandstats").text ?? ""
        #expect(info.contains("cmdstat_set:calls=2,"))
    }

    @Test func `a shorter pause does not end a longer one, nor a milder one a strict one`() throws {
        let server = try EmbeddedServer()
        let a = try server.connect(), b = try server.connect()
        _ = try a("CLIENT", "PAUSE", "300", "WRITE")
        _ = try a("CLIENT", "PAUSE", "1", "ALL")
        let start = ContinuousClock.now
        #expect(try b("PING") == .simple("PONG"))
        #expect(start.duration(to: .now) > .milliseconds(150))
    }

    @Test func `arity and passwords are checked before a pause`() throws {
        let server = try EmbeddedServer()
        let a = try server.connect(), b = try server.connect()
        _ = try a("CLIENT", "PAUSE", "100000", "WRITE")
        #expect(try b("SET").isError)
        #expect(try a("CLIENT", "UNPAUSE") == .simple("OK"))
    }

    @Test func `the half of a request behind a large pipeline is not lost`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        _ = try c("SET", "big", String(repeating: "v", count: 300_000))
        var input: [UInt8] = []
        for _ in 0..<12 { input += RESPClient.request(["GET", "big"]) }
        let last = RESPClient.request(["ECHO", "the end"])
        try c.write(input + last.prefix(17))
        #expect(try c.replies(12).count == 12)
        try c.write(Array(last.dropFirst(17)))
        #expect(try c.replies(1) == [.bulk("the end")])
    }

    @Test func `clients that hold too much together are closed, the heaviest first`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect(), spared = try server.connect(), deaf = try server.connect()
        _ = try c("SET", "big", String(repeating: "z", count: 100_000))
        _ = try spared("CLIENT", "NO-EVICT", "ON")
        let id = try deaf("CLIENT", "ID").integer ?? 0
        #expect(try c("CONFIG", "SET", "maxmemory-clients", "3mb") == .simple("OK"))
        let get = RESPClient.request(["GET", "big"])
        for _ in 0..<500 {
            guard (try? deaf.write(get)) != nil else { break }
        }
        try waitUntil("it is closed") {
            try c("CLIENT", "LIST", "ID", "\(id)").text?.isEmpty ?? true
        }
        #expect(try c("INFO", "stats").text?.contains("evicted_clients:1\r\n") == true)
        #expect(server.log.contains("Evicting client: id=\(id)"))
        #expect(try spared("PING") == .simple("PONG"))
    }

    @Test func `who does not wait cannot be unblocked`() throws {
        let server = try EmbeddedServer()
        let a = try server.connect(), b = try server.connect()
        let id = try b("CLIENT", "ID").integer ?? 0
        #expect(try a("CLIENT", "UNBLOCK", "\(id)") == .integer(0))
        #expect(try a("CLIENT", "UNBLOCK", "999", "ERROR") == .integer(0))
    }

    @Test func `fields of CLIENT LIST are those of a real server, in its order`() throws {
        guard PeerServer.exactBinary != nil else { return }
        let server = try EmbeddedServer()
        let peer = try PeerServer()
        func names(_ reply: RESPValue) -> [String] {
            (reply.text ?? "").split(separator: " ").map {
                String($0.prefix { $0 != "=" && $0 != "\n" })
            }
        }
        let ours = try server.connect()("CLIENT", "INFO")
        #expect(names(ours) == names(try peer.send(["CLIENT", "INFO"])))
    }

    /// Requests whose replies are the same on a real server.
    static let requests = [
        "CLIENT TRACKINGINFO", "CLIENT GETREDIR", "CLIENT GETREDIR x", "CLIENT PAUSE",
        "CLIENT PAUSE x", "CLIENT PAUSE -1", "CLIENT PAUSE 9223372036854775807",
        "CLIENT PAUSE 99999999999999999999", "CLIENT PAUSE 1 X", "CLIENT PAUSE 1 WRITE X",
        "CLIENT PAUSE 0", "CLIENT UNPAUSE", "CLIENT UNPAUSE x", "CLIENT UNBLOCK",
        "CLIENT UNBLOCK x", "CLIENT UNBLOCK 99", "CLIENT UNBLOCK 99 X",
        "CLIENT UNBLOCK 99 TIMEOUT X", "CLIENT KILL TYPE master", "CLIENT KILL TYPE pubsub",
        "CLIENT KILL MAXAGE 0", "CLIENT KILL MAXAGE -1", "CLIENT KILL MAXAGE x",
        "CLIENT KILL ID 0", "CLIENT KILL USER nope", "CLIENT KILL ID 1 TYPE",
        "CLIENT KILL TYPE foo", "CLIENT KILL x", "CLIENT LIST ID", "CLIENT LIST ID x",
        "CLIENT LIST TYPE x", "CLIENT LIST TYPE normal ID 1", "CLIENT LIST TYPE replica",
        "CLIENT LIST X", "CLIENT NO-EVICT x", "CLIENT NO-TOUCH x", "CLIENT REPLY x",
        "CLIENT KILL MAXAGE 1000", "CLIENT KILL LADDR 1.2.3.4:5", "CLIENT KILL SKIPME maybe",
    ]

    @Test(
        .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"), arguments: [2, 3])
    func `replies equal those of a real server`(version: Int) throws {
        let peer = try PeerServer(version: version)
        let server = try EmbeddedServer()
        let client = try server.connect(version: version)
        for request in Self.requests {
            let words = request.split(separator: " ").map(String.init)
            #expect(try client.send(words) == peer.send(words), "\(request)")
        }
    }
}
