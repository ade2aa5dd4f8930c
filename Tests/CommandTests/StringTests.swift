//  StringTests.swift — string commands as a client sees them.
import TestSupport
import Testing

@Suite("Strings")
struct StringTests {
    private func client(_ version: Int = 2) throws -> (EmbeddedServer, RESPClient) {
        let server = try EmbeddedServer()
        return (server, try server.connect(version: version))
    }

    @Test(arguments: [2, 3]) func `SET and its options`(version: Int) throws {
        let (server, c) = try client(version)
        defer { server.stop() }
        #expect(try c("SET", "k", "1") == .simple("OK"))
        #expect(try c("SET", "k", "2", "NX") == .null)
        #expect(try c("SET", "missing", "2", "XX") == .null)
        #expect(try c("SET", "k", "3", "GET") == .bulk("1"))
        #expect(try c("SET", "k", "4", "XX", "GET", "EX", "100") == .bulk("3"))
        #expect(try c("TTL", "k") == .integer(100))
        #expect(try c("SET", "k", "5", "KEEPTTL") == .simple("OK"))
        #expect((try c("TTL", "k").integer ?? 0) > 90)
        #expect(try c("SET", "k", "6") == .simple("OK"))
        #expect(try c("TTL", "k") == .integer(-1))
        #expect(try c("SET", "k", "7", "PXAT", "1") == .simple("OK"))
        #expect(try c("EXISTS", "k") == .integer(0))
        #expect(try c("SET", "k", "a", "EX", "0").isError)
        #expect(try c("SET", "k", "a", "NX", "XX") == .error("ERR syntax error"))
    }

    @Test func `Valkey's comparisons`() throws {
        let (server, c) = try client()
        defer { server.stop() }
        _ = try c("SET", "k", "a")
        #expect(try c("SET", "k", "b", "IFEQ", "x") == .null)
        #expect(try c("SET", "k", "b", "IFEQ", "a") == .simple("OK"))
        #expect(try c("SET", "k", "c", "IFEQ", "b", "GET") == .bulk("b"))
        #expect(try c("SET", "none", "c", "IFEQ", "b") == .null)
        #expect(try c("DELIFEQ", "k", "b") == .integer(0))
        #expect(try c("DELIFEQ", "k", "c") == .integer(1))
        #expect(try c("EXISTS", "k") == .integer(0))
    }

    @Test func `GETEX changes the deadline and returns the value`() throws {
        let (server, c) = try client()
        defer { server.stop() }
        _ = try c("SET", "k", "v")
        #expect(try c("GETEX", "k", "EX", "50") == .bulk("v"))
        #expect(try c("TTL", "k") == .integer(50))
        #expect(try c("GETEX", "k", "PERSIST") == .bulk("v"))
        #expect(try c("TTL", "k") == .integer(-1))
        #expect(try c("GETEX", "k", "PXAT", "1") == .bulk("v"))
        #expect(try c("GET", "k") == .null)
    }

    @Test func `numbers`() throws {
        let (server, c) = try client()
        defer { server.stop() }
        #expect(try c("INCR", "n") == .integer(1))
        #expect(try c("DECRBY", "n", "-9") == .integer(10))
        _ = try c("SET", "n", "9223372036854775807")
        #expect(try c("INCR", "n") == .error("ERR increment or decrement would overflow"))
        _ = try c("SET", "n", "-9223372036854775808")
        #expect(try c("DECR", "n").isError)
        #expect(try c("DECRBY", "n", "-9223372036854775808").isError)
        _ = try c("SET", "n", "10.5")
        #expect(try c("INCRBYFLOAT", "n", "0.1") == .bulk("10.6"))
        #expect(try c("INCRBYFLOAT", "n", "nan") == .error("ERR value is not a valid float"))
        #expect(try c("INCR", "n") == .error("ERR value is not an integer or out of range"))
    }

    @Test func `parts of strings`() throws {
        let (server, c) = try client()
        defer { server.stop() }
        #expect(try c("APPEND", "s", "Hello") == .integer(5))
        #expect(try c("SETRANGE", "s", "8", "!") == .integer(9))
        #expect(try c("GETRANGE", "s", "0", "-1") == .bulk("Hello\0\0\0!"))
        #expect(try c("GETRANGE", "s", "-3", "-2") == .bulk("\0\0"))
        #expect(try c("SETRANGE", "s", "536870912", "x").isError)
        #expect(try c("SETRANGE", "s", "-1", "x") == .error("ERR offset is out of range"))
        #expect(try c("MSETNX", "a", "1", "s", "2") == .integer(0))
        #expect(try c("MSETNX", "a", "1", "b", "2") == .integer(1))
        #expect(try c("MGET", "a", "x", "b") == .array([.bulk("1"), .null, .bulk("2")]))
        _ = try c("MSET", "x", "ohmytext", "y", "mynewtext")
        #expect(try c("LCS", "x", "y") == .bulk("mytext"))
        #expect(try c("LCS", "x", "y", "LEN") == .integer(6))
    }
}
