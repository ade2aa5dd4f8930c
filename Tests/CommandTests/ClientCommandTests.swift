//  ClientCommandTests.swift — clients that look at each other, hang up on each other, and are
//  silent.
import TestSupport
import Testing

@Suite("CLIENT")
struct ClientCommandTests {
    @Test func `CLIENT LIST shows every client with its fields`() throws {
        let server = try EmbeddedServer()
        let a = try server.connect(), b = try server.connect(version: 3)
        _ = try a("CLIENT", "SETNAME", "first")
        _ = try a("CLIENT", "SETINFO", "LIB-NAME", "lib")
        _ = try a("CLIENT", "SETINFO", "LIB-VER", "1.2")
        _ = try b("SELECT", "7")
        let list = clients(try a("CLIENT", "LIST"))
        #expect(list.count == 2)
        let (idA, idB) = (try a.id(), try b.id())
        #expect(idB > idA)
        let own = try #require(list.first { $0["id"] == "\(idA)" })
        let other = try #require(list.first { $0["id"] == "\(idB)" })
        #expect(own["name"] == "first" && own["lib-name"] == "lib" && own["lib-ver"] == "1.2")
        #expect(own["cmd"] == "client|list" && own["resp"] == "2" && own["db"] == "0")
        #expect(other["cmd"] == "select" && other["resp"] == "3" && other["db"] == "7")
        for client in list {
            #expect(client["user"] == "default" && client["flags"] == "N")
            #expect(client["addr"]?.hasPrefix("127.0.0.1:") == true)
            #expect(client["laddr"] == "127.0.0.1:\(server.port)")
            #expect(client["age"] == "0" && client["multi"] == "-1")
        }
        #expect(Set(list.compactMap { $0["addr"] }).count == 2)
    }

    @Test func `CLIENT LIST chooses by id and type`() throws {
        let server = try EmbeddedServer()
        let all = try (0..<4).map { _ in try server.connect() }
        let ids = try all.map { try $0.id() }
        let some = clients(try all[0]("CLIENT", "LIST", "ID", "\(ids[3])", "999", "\(ids[1])"))
        #expect(some.compactMap { $0["id"] } == ["\(ids[3])", "\(ids[1])"])
        #expect(clients(try all[0]("CLIENT", "LIST", "TYPE", "normal")).count == 4)
        let info = clients(try all[2]("CLIENT", "INFO"))
        #expect(info.compactMap { $0["id"] } == ["\(ids[2])"])
    }

    @Test(.enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
    func `the fields of a client are those of a real server, in order`() throws {
        let server = try EmbeddedServer(), peer = try PeerServer()
        let ours = try server.connect()("CLIENT", "INFO").text ?? ""
        let theirs = try peer.client("CLIENT", "INFO").text ?? ""
        #expect(clientFields(ours).map(\.name) == clientFields(theirs).map(\.name))
    }

    @Test func `bytes and commands of a client are counted`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect(), other = try server.connect()
        _ = try c("SET", "k", String(repeating: "v", count: 10_000))
        for _ in 0..<9 { _ = try c("GET", "k") }
        let id = try c.id()
        let line = try #require(clients(try other("CLIENT", "LIST", "ID", "\(id)")).first)
        #expect(line["tot-cmds"] == "11")
        #expect((Int(line["tot-net-in"] ?? "") ?? 0) > 10_000)
        #expect((Int(line["tot-net-out"] ?? "") ?? 0) > 90_000)
    }

    @Test func `CLIENT KILL closes those that match all filters`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        let victims = try (0..<4).map { _ in try server.connect() }
        let ids = try victims.map { try $0.id() }
        let list = clients(try c("CLIENT", "LIST"))
        let addresses = ids.compactMap { id in list.first { $0["id"] == "\(id)" }?["addr"] }
        #expect(try c("CLIENT", "KILL", "ID", "\(ids[0])", "ADDR", addresses[1]) == .integer(0))
        #expect(try c("CLIENT", "KILL", "ID", "\(ids[0])", "TYPE", "normal") == .integer(1))
        #expect(try victims[0].readToEnd().isEmpty)
        #expect(try c("CLIENT", "KILL", "ADDR", addresses[1], "USER", "default") == .integer(1))
        #expect(try victims[1].readToEnd().isEmpty)
        #expect(try c("CLIENT", "KILL", addresses[2]) == .simple("OK"))
        #expect(try victims[2].readToEnd().isEmpty)
        #expect(try victims[3]("PING") == .simple("PONG"))
        let own = "127.0.0.1:\(server.port)"
        #expect(try c("CLIENT", "KILL", "LADDR", own) == .integer(1))
        #expect(try victims[3].readToEnd().isEmpty)
        #expect(clients(try c("CLIENT", "LIST")).count == 1)
    }

    @Test func `who ends itself is told so first`() throws {
        let server = try EmbeddedServer()
        let a = try server.connect(), id = "\(try a.id())"
        #expect(try a("CLIENT", "KILL", "ID", id) == .integer(0))
        #expect(try a("CLIENT", "KILL", "ID", id, "SKIPME", "no") == .integer(1))
        #expect(try a.readToEnd().isEmpty)
        let b = try server.connect()
        let address = try #require(clients(try b("CLIENT", "INFO")).first?["addr"])
        try b.write("CLIENT KILL \(address)\r\nPING\r\n")
        #expect(try b.readToEnd() == Array("+OK\r\n".utf8))
    }

    @Test func `CLIENT REPLY OFF silences everything up to ON`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        try c.write("CLIENT REPLY OFF\r\nSET k v\r\nNOPE\r\nGET k\r\nCLIENT REPLY ON\r\nGET k\r\n")
        #expect(try c.replies(2) == [.simple("OK"), .bulk("v")])
    }

    @Test func `CLIENT REPLY SKIP silences one command`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        try c.write("CLIENT REPLY SKIP\r\nINCR n\r\nINCR n\r\n")
        #expect(try c.reply().value == .integer(2))
        // Also when it arrives later, and when it fails.
        try c.write("CLIENT REPLY SKIP\r\n")
        try c.write("NOPE\r\n")
        #expect(try c("INCR", "n") == .integer(3))
    }

    @Test func `the name of a client follows it and ends with it`() throws {
        let server = try EmbeddedServer()
        let a = try server.connect(), b = try server.connect()
        _ = try a("HELLO", "3", "SETNAME", "chosen")
        #expect(clients(try b("CLIENT", "LIST")).contains { $0["name"] == "chosen" })
        _ = try a("RESET")
        #expect(try a("CLIENT", "GETNAME") == .null)
        #expect(try a("HELLO")["proto"] == .integer(2))
        a.close()
        try waitUntil("it is gone") { clients(try b("CLIENT", "LIST")).count == 1 }
    }

    @Test func `NO-TOUCH leaves the idle time of keys alone`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect(), quiet = try server.connect()
        _ = try c("SET", "k", "v")
        #expect(try quiet("CLIENT", "NO-TOUCH", "ON") == .simple("OK"))
        try waitUntil("the key has been idle") {
            _ = try quiet("GET", "k")
            return (try c("OBJECT", "IDLETIME", "k").integer ?? 0) >= 1
        }
        _ = try c("GET", "k")
        #expect(try c("OBJECT", "IDLETIME", "k") == .integer(0))
    }
}
