//  LimitTests.swift — clients that want more than they may have.
import Engine
import TestSupport
import Testing

@Suite("Limits")
struct LimitTests {
    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    // MARK: - Passwords

    @Test func `without the password nothing but introductions is answered`() throws {
        let server = try EmbeddedServer { $0.requirePass = "secret" }
        let c = try server.connect()
        let refusal = RESPValue.error("NOAUTH Authentication required.")
        for words in [
            ["PING"], ["GET", "k"], ["CONFIG", "GET", "*"], ["COMMAND"], ["CLIENT", "ID"],
            ["SHUTDOWN", "NOSAVE"], ["FLUSHALL"], ["INFO"], ["ECHO", "x"],
        ] {
            #expect(try c.send(words) == refusal, "\(words)")
        }
        #expect(try c("HELLO").text?.hasPrefix("NOAUTH HELLO must be called with") == true)
        #expect(try c("HELLO", "3").text?.hasPrefix("NOAUTH HELLO") == true)
        #expect(
            try c("HELLO", "3", "AUTH", "default", "wrong").text?.hasPrefix("WRONGPASS") == true)
        #expect(try c("AUTH", "nobody", "secret").text?.hasPrefix("WRONGPASS") == true)
        #expect(try c("AUTH", "Secret").text?.hasPrefix("WRONGPASS") == true)
        #expect(try c("GET") == .error("ERR wrong number of arguments for 'get' command"))
        #expect(try c("RESET") == .simple("RESET"))
        #expect(try c("AUTH", "secret") == .simple("OK"))
        #expect(try c("PING") == .simple("PONG"))
        // A wrong password does not take away what the right one gave.
        #expect(try c("AUTH", "wrong").isError)
        #expect(try c("PING") == .simple("PONG"))
        #expect(try c("RESET") == .simple("RESET"))
        #expect(try c("PING") == refusal)
        let other = try server.connect()
        #expect(try other("QUIT") == .simple("OK"))
        #expect(try other.readToEnd().isEmpty)
    }

    @Test func `a password set later is for those who come later`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        #expect(try c("CONFIG", "SET", "requirepass", "later") == .simple("OK"))
        #expect(try c("PING") == .simple("PONG"))
        let other = try server.connect()
        #expect(try other("PING").isError)
        #expect(try other("AUTH", "later") == .simple("OK"))
        #expect(try c("CONFIG", "SET", "requirepass", "") == .simple("OK"))
        #expect(try server.connect()("PING") == .simple("PONG"))
    }

    @Test func `a pipeline is held to the limits of its own state`() throws {
        let server = try EmbeddedServer { $0.requirePass = "secret" }
        let many = RESPClient.request(["EXISTS"] + (0..<50).map { "k\($0)" })
        let long = RESPClient.request(["SET", "k", String(repeating: "v", count: 50_000)])
        let c = try server.connect()
        try c.write(RESPClient.request(["AUTH", "secret"]) + many + long)
        #expect(try c.replies(3) == [.simple("OK"), .integer(0), .simple("OK")])
        // The same behind a password that is wrong.
        for request in [many, long] {
            let d = try server.connect()
            try d.write(RESPClient.request(["AUTH", "wrong"]) + request)
            #expect(try d.reply().value.text?.hasPrefix("WRONGPASS") == true)
            let end = Self.text(try d.readToEnd())
            #expect(end.hasPrefix("-ERR Protocol error: unauthenticated "), "\(end)")
        }
        let e = try server.connect()
        #expect(try e("AUTH", "secret") == .simple("OK"))
        #expect(try e("RESET") == .simple("RESET"))
        try e.write(many)
        let end = Self.text(try e.readToEnd())
        #expect(end == "-ERR Protocol error: unauthenticated multibulk length\r\n")
    }

    @Test func `ten words of 16 KiB are allowed to strangers`() throws {
        let server = try EmbeddedServer { $0.requirePass = "secret" }
        let c = try server.connect()
        let words = ["NOPE"] + (0..<9).map { _ in String(repeating: "w", count: 16_384) }
        #expect(try c.send(words).text?.hasPrefix("ERR unknown command 'NOPE'") == true)
        #expect(
            try c("AUTH", String(repeating: "w", count: 16_384)).text?.hasPrefix("WRONGPASS")
                == true)
    }

    // MARK: - Requests

    @Test func `lines end within 64 KiB`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        let word = String(repeating: "x", count: 65_000)
        try c.write("ECHO \(word)\r\n")
        #expect(try c.reply().value == .bulk(word))
        for start in ["", "*", "*2\r\n$"] {
            let d = try server.connect()
            try? d.write(start + String(repeating: "1", count: 66_000))
            let end = Self.text(try d.readToEnd())
            let reason = ["": "too big inline request", "*": "too big mbulk count string"][start]
            #expect(end == "-ERR Protocol error: \(reason ?? "too big bulk count string")\r\n")
        }
        #expect(try c("PING") == .simple("PONG"))
    }

    @Test func `proto-max-bulk-len bounds requests and what commands build`() throws {
        let server = try EmbeddedServer { $0.protoMaxBulkLength = 1 << 20 }
        let c = try server.connect()
        let most = String(repeating: "v", count: 1 << 20)
        #expect(try c("SET", "k", most) == .simple("OK"))
        let tooLong = RESPValue.error(
            "ERR string exceeds maximum allowed size (proto-max-bulk-len)")
        #expect(try c("APPEND", "k", "x") == tooLong)
        #expect(try c("SETRANGE", "k", "1048576", "x") == tooLong)
        #expect(try c("SETRANGE", "k", "1048575", "x") == .integer(1 << 20))
        #expect(try c("STRLEN", "k") == .integer(1 << 20))
        try c.write("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048577\r\n")
        let end = Self.text(try c.readToEnd())
        #expect(end == "-ERR Protocol error: invalid bulk length\r\n")
        // The limit may be raised while others are connected.
        let d = try server.connect()
        #expect(try d("CONFIG", "SET", "proto-max-bulk-len", "2mb") == .simple("OK"))
        #expect(try d("APPEND", "k", "x") == .integer((1 << 20) + 1))
        #expect(try d("SET", "k", most + "more") == .simple("OK"))
    }

    @Test func `client-query-buffer-limit ends those who announce without end`() throws {
        let server = try EmbeddedServer { $0.clientQueryBufferLimit = 1 << 20 }
        let c = try server.connect()
        let word = "$100000\r\n" + String(repeating: "y", count: 100_000) + "\r\n"
        try? c.write("*1000\r\n" + String(repeating: word, count: 20))
        #expect(try c.readToEnd().isEmpty)
        let d = try server.connect()
        #expect(server.log.contains("reached max query buffer length"))
        #expect(try d.infoNumber("client_query_buffer_limit_disconnections") == 1)
        // Requests that are complete may add up to more.
        try d.write(String(repeating: "*2\r\n$4\r\nECHO\r\n" + word, count: 30))
        for _ in 0..<30 { #expect(try d.reply().bytes.count == 100_011) }
    }

    /// Whoever has to wait is not to blame for what waits.
    @Test(arguments: [100_000, 5000]) func `what a busy server lets wait counts for nothing`(
        size: Int
    )
        throws
    {
        let server = try EmbeddedServer {
            $0.clientQueryBufferLimit = 1 << 20
            $0.enableDebugCommand = .yes
        }
        let busy = try (0..<8).map { _ in try server.connect() }
        let c = try server.connect()
        let n = 3_000_000 / size
        let echo = RESPClient.request(["ECHO", String(repeating: "y", count: size)])
        let nap = RESPClient.request(["DEBUG", "SLEEP", "0.002"])
        for _ in 0..<5 {
            for busy in busy { try busy.write(Array(repeatElement(nap, count: 20).joined())) }
            try c.write(Array(repeatElement(echo, count: n).joined()))
            for _ in 0..<n { #expect(try c.reply().bytes.count > size) }
            for busy in busy { #expect(try busy.replies(20).last == .simple("OK")) }
        }
    }

    // MARK: - Replies

    @Test func `one who never reads keeps no more than the limit and holds nobody up`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        _ = try c("CONFIG", "SET", "client-output-buffer-limit", "normal 3mb 0 0")
        _ = try c("SET", "k", String(repeating: "v", count: 100_000))
        let before = try c.infoNumber("used_memory")
        let deaf = try server.connect(), id = try deaf.id()
        let request = RESPClient.request(["GET", "k"])
        var worst = 0
        for _ in 0..<2000 {
            guard (try? deaf.writeOnly(request)) != nil else { break }
            let line = clients(try c("CLIENT", "LIST", "ID", "\(id)")).first
            guard let line else { break }
            worst = max(worst, Int(line["omem"] ?? "") ?? 0)
        }
        try waitUntil("it is closed") { clients(try c("CLIENT", "LIST")).count == 1 }
        #expect(worst > 0 && worst < 3 << 20)
        #expect(try c.infoNumber("client_output_buffer_limit_disconnections") == 1)
        #expect(server.log.contains("closed for overcoming of output buffer limits"))
        try waitUntil("its memory is free again") {
            try c.infoNumber("used_memory") < before + (1 << 20)
        }
    }

    @Test func `a soft limit gives time`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        _ = try c("CONFIG", "SET", "client-output-buffer-limit", "normal 0 1mb 3600")
        _ = try c("SET", "k", String(repeating: "v", count: 4_000_000))
        let deaf = try server.connect()
        try deaf.write(RESPClient.request(["GET", "k"]) + RESPClient.request(["GET", "k"]))
        let id = try #require(clients(try c("CLIENT", "LIST")).last?["id"])
        try waitUntil("much waits for it") {
            let line = clients(try c("CLIENT", "LIST", "ID", id)).first
            return Int(line?["tot-mem"] ?? "") ?? 0 > 1 << 20
        }
        _ = try c("CONFIG", "SET", "client-output-buffer-limit", "normal 0 1mb 1")
        try waitUntil("it is closed") { clients(try c("CLIENT", "LIST")).count == 1 }
        #expect(server.log.contains("closed for overcoming of output buffer limits"))
    }

    @Test func `a hundred thousand commands of one client let another through`() throws {
        let server = try EmbeddedServer()
        let busy = try server.connect(), other = try server.connect()
        let requests = String(repeating: "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n", count: 100_000)
        try busy.write(requests)
        var last = 0
        for i in 0..<20 {
            #expect(try other("ECHO", "\(i)") == .bulk("\(i)"))
            let now = try other("GET", "n").text.flatMap(Int.init) ?? 0
            #expect(now >= last)
            last = now
        }
        let replies = try busy.replies(100_000)
        #expect(replies.last == .integer(100_000))
        #expect(replies[12_344] == .integer(12_345))
    }

    // MARK: - Connections

    @Test func `maxclients may change while clients are there`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect(), other = try server.connect()
        _ = try other("PING")
        #expect(try c("CONFIG", "SET", "maxclients", "1") == .simple("OK"))
        let third = try server.connect()
        let end = Self.text(try third.readToEnd())
        #expect(end == "-ERR max number of clients reached\r\n")
        #expect(try other("PING") == .simple("PONG"))
        #expect(try c.infoNumber("rejected_connections") == 1)
        _ = try c("CONFIG", "SET", "maxclients", "100")
        #expect(try server.connect()("PING") == .simple("PONG"))
    }

    @Test func `only the idle are closed, and only while timeout is set`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect(), idle = try server.connect()
        _ = try idle("PING")
        #expect(try c("CONFIG", "SET", "timeout", "1") == .simple("OK"))
        try waitUntil("the idle one is closed") {
            _ = try c("PING")
            return clients(try c("CLIENT", "LIST")).count == 1
        }
        #expect(try idle.readToEnd().isEmpty)
        #expect(try c("CONFIG", "SET", "timeout", "0") == .simple("OK"))
    }
}

extension RESPClient {
    /// Sends bytes without taking replies in; throws when the connection is broken or full.
    fileprivate func writeOnly(_ bytes: [UInt8]) throws {
        let wasSent = sendSome(bytes)
        if !wasSent { throw TestFailure("nothing can be sent") }
    }
}
