//  ConnectionTests.swift — greeting, authenticating, limits, and clients that behave badly.
import Engine
import Platform
import TestSupport
import Testing

@Suite("Connections")
struct ConnectionTests {
    @Test func `HELLO answers with a map of facts`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        let reply = try c("HELLO", "3", "SETNAME", "me")
        #expect(reply["server"] == .bulk("redis"))
        #expect(reply["version"] == .bulk("8.2.0"))
        #expect(reply["proto"] == .integer(3))
        #expect(try c("CLIENT", "GETNAME") == .bulk("me"))
        #expect(try c("HELLO", "4") == .error("NOPROTO unsupported protocol version"))
        #expect(try c("RESET") == .simple("RESET"))
        #expect(try c("CLIENT", "GETNAME") == .null)
    }

    @Test func `a password is asked for`() throws {
        let server = try EmbeddedServer { $0.requirePass = "secret" }
        let c = try server.connect()
        #expect(try c("GET", "k") == .error("NOAUTH Authentication required."))
        #expect(try c("AUTH", "wrong").text?.hasPrefix("WRONGPASS") == true)
        #expect(try c("AUTH", "default", "secret") == .simple("OK"))
        #expect(try c("GET", "k") == .null)
        let other = try server.connect()
        #expect(try other("HELLO", "3", "AUTH", "default", "secret")["proto"] == .integer(3))
    }

    @Test func `before authentication requests are short`() throws {
        let server = try EmbeddedServer { $0.requirePass = "secret" }
        for (request, text) in [
            ("*11\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n"),
            ("*1\r\n$16385\r\n", "-ERR Protocol error: unauthenticated bulk length\r\n"),
        ] {
            let c = try server.connect()
            try c.write(request)
            #expect(String(decoding: try c.readToEnd(), as: UTF8.self) == text)
        }
    }

    @Test func `one client too many is told so and hung up on`() throws {
        let server = try EmbeddedServer { $0.maxClients = 2 }
        let a = try server.connect(), b = try server.connect()
        _ = try (a("PING"), b("PING"))
        let third = try server.connect()
        let text = String(decoding: try third.readToEnd(), as: UTF8.self)
        #expect(text == "-ERR max number of clients reached\r\n")
        a.close()
        try waitUntil("there is room again") {
            let c = try server.connect()
            return (try? c("PING")) == .simple("PONG")
        }
    }

    @Test func `a silent client is closed after the timeout`() throws {
        let server = try EmbeddedServer { $0.timeout = 1 }
        let c = try server.connect()
        #expect(try c("PING") == .simple("PONG"))
        #expect(try c.readToEnd().isEmpty)
    }

    @Test func `limits of requests`() throws {
        let server = try EmbeddedServer {
            $0.protoMaxBulkLength = 1 << 20
            $0.clientQueryBufferLimit = 1 << 20
        }
        let long = try server.connect()
        try long.write("*2\r\n$4\r\nECHO\r\n$1048577\r\n")
        let text = String(decoding: try long.readToEnd(), as: UTF8.self)
        #expect(text == "-ERR Protocol error: invalid bulk length\r\n")

        let inline = try server.connect()
        try? inline.write(String(repeating: "x", count: 70_000))
        let answer = String(decoding: try inline.readToEnd(), as: UTF8.self)
        #expect(answer == "-ERR Protocol error: too big inline request\r\n")

        // Words that are each short enough, and together are not.
        let greedy = try server.connect()
        let word = "$1000000\r\n" + String(repeating: "y", count: 1_000_000) + "\r\n"
        try? greedy.write("*9\r\n" + word + word + word)
        #expect(try greedy.readToEnd().isEmpty)
        #expect(try server.connect()("PING") == .simple("PONG"))
    }

    @Test func `a client that never reads is dropped, and only that one`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        _ = try c("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
        _ = try c("SET", "big", String(repeating: "z", count: 100_000))
        let deaf = try server.connect()
        let id = try deaf("CLIENT", "ID").integer ?? 0
        let get = RESPClient.request(["GET", "big"])
        for _ in 0..<500 {
            guard (try? deaf.write(get)) != nil else { break }
        }
        try waitUntil("it is closed") {
            try c("CLIENT", "LIST", "ID", "\(id)").text?.isEmpty ?? true
        }
        #expect(server.log.contains("overcoming of output buffer limits"))
    }

    @Test func `a long pipeline does not starve others`() throws {
        let server = try EmbeddedServer()
        let busy = try server.connect(), other = try server.connect()
        _ = try busy("SET", "k", String(repeating: "v", count: 1000))
        var requests: [UInt8] = []
        for _ in 0..<20_000 { requests += RESPClient.request(["GET", "k"]) }
        try busy.write(requests)
        for _ in 0..<50 { #expect(try other("PING") == .simple("PONG")) }
        #expect(try busy.replies(20_000).count == 20_000)
    }

    @Test func `a unix socket and the sixth version of IP`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        let server = try EmbeddedServer {
            $0.unixSocket = path
            $0.bind = ["127.0.0.1", "-::1"]
        }
        let local = try RESPClient(path: path)
        #expect(try local("SET", "k", "v") == .simple("OK"))
        if let six = try? RESPClient(port: server.port, host: "::1") {
            #expect(try six("GET", "k") == .bulk("v"))
        }
        #expect((try local("CLIENT", "INFO").text ?? "").contains("flags=U"))
    }

    @Test func `CLIENT KILL by id, address and age`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect(), victim = try server.connect()
        let id = try victim("CLIENT", "ID").integer ?? 0
        #expect(try c("CLIENT", "KILL", "ID", "\(id)") == .integer(1))
        #expect(try victim.readToEnd().isEmpty)
        #expect(try c("CLIENT", "KILL", "ID", "\(id)") == .integer(0))
        #expect(try c("CLIENT", "KILL", "1.2.3.4:5") == .error("ERR No such client"))
        #expect(try c("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") == .integer(0))
    }

    @Test func `CONFIG SET of several is all or nothing`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        let reply = try c("CONFIG", "SET", "timeout", "7", "maxclients", "nonsense")
        #expect(reply.text?.hasPrefix("ERR CONFIG SET failed") == true)
        #expect(try c("CONFIG", "GET", "timeout").item(1)?.text == "0")
        #expect(try c("CONFIG", "SET", "timeout", "7", "maxclients", "70") == .simple("OK"))
        let both = try c("CONFIG", "GET", "timeo*", "maxclients")
        #expect(both["timeout"] == .bulk("7"))
        #expect(both["maxclients"] == .bulk("70"))
    }

    @Test func `INFO says who we are`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        let info = try c("INFO").text ?? ""
        for line in ["redis_version:8.2.0", "server_name:martlet", "martlet_version:"] {
            #expect(info.contains(line))
        }
        for section in ["Server", "Clients", "Memory", "Stats", "Replication", "CPU", "Keyspace"] {
            #expect(info.contains("# \(section)\r\n"))
        }
    }

    @Test func `SHUTDOWN ends the server`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        try c.write("SHUTDOWN NOSAVE\r\n")
        #expect(try c.readToEnd().isEmpty)
        server.stop()
        #expect((try? server.connect()) == nil)
    }

    @Test func `requests that never end hold nobody up`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        var halves: [RESPClient] = []
        for _ in 0..<300 {
            let half = try server.connect()
            try half.write("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\nabc")
            halves.append(half)
        }
        #expect(try c("PING") == .simple("PONG"))
        let used = try c("INFO", "memory").text ?? ""
        #expect(used.contains("used_memory:"))
        halves.removeAll()
        try waitUntil("they are gone") {
            (try c("INFO", "clients").text ?? "").contains("connected_clients:1\r\n")
        }
    }
}
