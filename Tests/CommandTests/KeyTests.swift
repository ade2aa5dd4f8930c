//  KeyTests.swift — keys of any type: names, deadlines, walks.
import TestSupport
import Testing

@Suite("Keys")
struct KeyTests {
    private func client() throws -> (EmbeddedServer, RESPClient) {
        let server = try EmbeddedServer()
        return (server, try server.connect())
    }

    @Test func `a deadline moves with its key`() throws {
        let (server, c) = try client()
        defer { server.stop() }
        _ = try c("SET", "a", "1", "EX", "100")
        #expect(try c("RENAME", "a", "b") == .simple("OK"))
        #expect((try c("TTL", "b").integer ?? 0) > 90)
        #expect(try c("COPY", "b", "c", "DB", "3") == .integer(1))
        #expect(try c("MOVE", "b", "2") == .integer(1))
        #expect(try c("EXISTS", "b") == .integer(0))
        for database in ["2", "3"] {
            _ = try c("SELECT", database)
            let name = database == "2" ? "b" : "c"
            #expect((try c("TTL", name).integer ?? 0) > 90)
        }
        #expect(try c("SWAPDB", "2", "3") == .simple("OK"))
        #expect(try c("EXISTS", "b") == .integer(1))
    }

    @Test func `EXPIRE and its conditions`() throws {
        let (server, c) = try client()
        defer { server.stop() }
        _ = try c("SET", "k", "v")
        #expect(try c("EXPIRE", "k", "100", "XX") == .integer(0))
        #expect(try c("EXPIRE", "k", "100", "GT") == .integer(0))
        #expect(try c("EXPIRE", "k", "100", "NX") == .integer(1))
        #expect(try c("EXPIRE", "k", "200", "LT") == .integer(0))
        #expect(try c("EXPIRE", "k", "200", "GT") == .integer(1))
        #expect(try c("EXPIRE", "k", "9223372036854775807").isError)
        #expect(try c("PERSIST", "k") == .integer(1))
        #expect(try c("EXPIRE", "k", "-1") == .integer(1))
        #expect(try c("EXISTS", "k") == .integer(0))
    }

    @Test func `keys expire although nobody asks for them`() throws {
        let (server, c) = try client()
        defer { server.stop() }
        for i in 0..<1000 { try c.write(RESPClient.request(["SET", "k\(i)", "v", "PX", "50"])) }
        _ = try c.replies(1000)
        try waitUntil("all keys are gone") { try c("DBSIZE") == .integer(0) }
        let info = try c("INFO", "stats").text ?? ""
        #expect(info.contains("expired_keys:1000"))
    }

    @Test func `SCAN returns everything that stays while the table grows and shrinks`() throws {
        let (server, c) = try client()
        defer { server.stop() }
        for i in 0..<2000 { try c.write(RESPClient.request(["SET", "stay:\(i)", "v"])) }
        _ = try c.replies(2000)
        var seen: Set<String> = []
        var cursor = "0", round = 0
        repeat {
            let reply = try c("SCAN", cursor, "MATCH", "stay:*", "COUNT", "20")
            cursor = reply.item(0)?.text ?? "0"
            for item in reply.item(1)?.items ?? [] { seen.insert(item.text ?? "") }
            // Up to ten times as many keys and back again.
            let isGrowing = round % 40 < 20
            for i in 0..<1000 {
                let name = "other:\(round % 20)_\(i)"
                try c.write(RESPClient.request(isGrowing ? ["SET", name, "v"] : ["DEL", name]))
            }
            _ = try c.replies(1000)
            round += 1
        } while cursor != "0" && round < 2000
        #expect(seen.count == 2000)
    }

    @Test func `SCAN by type and with bad words`() throws {
        let (server, c) = try client()
        defer { server.stop() }
        _ = try c("SET", "k", "v")
        let strings = try c("SCAN", "0", "TYPE", "string")
        #expect(strings.item(1)?.items.count == 1)
        #expect(try c("SCAN", "0", "TYPE", "list").item(1)?.items.count == 0)
        #expect(try c("SCAN", "x") == .error("ERR invalid cursor"))
        #expect(try c("SCAN", "0", "COUNT", "0") == .error("ERR syntax error"))
        #expect(try c("SCAN", "0", "COUNT", "9223372036854775807").item(0)?.text == "0")
    }

    @Test func `two servers of one process know nothing of each other`() throws {
        let first = try EmbeddedServer(), second = try EmbeddedServer()
        defer {
            first.stop()
            second.stop()
        }
        let a = try first.connect(), b = try second.connect()
        _ = try a("SET", "k", "first")
        #expect(try b("GET", "k") == .null)
        _ = try b("CONFIG", "SET", "maxclients", "77")
        #expect(try a("CONFIG", "GET", "maxclients").item(1)?.text == "10000")
        first.stop()
        #expect(try b("PING") == .simple("PONG"))
    }
}
