//  ExpirationTests.swift — deadlines that pass, with and without somebody looking.
import Platform
import TestSupport
import Testing

@Suite("Expiration")
struct ExpirationTests {
    @Test func `a key is gone from its deadline on`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        _ = try c("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        let deadline = Clock.unixMicroseconds() / 1000 + 100
        _ = try c("SET", "k", "v", "PXAT", "\(deadline)")
        try waitUntil("it is gone") {
            let value = try c("GET", "k")
            // Never before its time.
            if value == .null { #expect(Clock.unixMicroseconds() / 1000 >= deadline) }
            return value == .null
        }
        for words in [["EXISTS", "k"], ["DEL", "k"], ["PERSIST", "k"], ["STRLEN", "k"]] {
            #expect(try c.send(words) == .integer(0))
        }
        #expect(try c("TTL", "k") == .integer(-2))
        #expect(try c("APPEND", "k", "new") == .integer(3))
        #expect(try c("TTL", "k") == .integer(-1))
    }

    @Test func `every command treats an expired key as missing`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        _ = try c("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        let requests: [([String], RESPValue)] = [
            (["GETDEL", "k"], .null), (["GETSET", "k", "n"], .null), (["INCR", "k"], .integer(1)),
            (["TYPE", "k"], .simple("none")), (["SETNX", "k", "n"], .integer(1)),
            (["RENAME", "k", "n"], .error("ERR no such key")), (["COPY", "k", "n"], .integer(0)),
            (["MOVE", "k", "1"], .integer(0)), (["TOUCH", "k"], .integer(0)),
            (["GETRANGE", "k", "0", "-1"], .bulk("")), (["OBJECT", "ENCODING", "k"], .null),
            (["SETRANGE", "k", "1", "x"], .integer(2)), (["EXPIRE", "k", "10"], .integer(0)),
            (["RANDOMKEY"], .null), (["KEYS", "*"], .array([])), (["MGET", "k"], .array([.null])),
            (["MSETNX", "k", "1", "n", "2"], .integer(1)), (["SET", "k", "v", "XX"], .null),
            (["SCAN", "0"], .array([.bulk("0"), .array([])])), (["UNLINK", "k"], .integer(0)),
        ]
        for (words, reply) in requests {
            _ = try c("FLUSHALL")
            _ = try c("SET", "k", "5", "PX", "1")
            let start = Clock.unixMicroseconds()
            try waitUntil("its time is over") { Clock.unixMicroseconds() - start > 3000 }
            #expect(try c.send(words) == reply, "\(words)")
        }
    }

    @Test func `keys of every database go without being asked for`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        for database in ["0", "5", "15"] {
            _ = try c("SELECT", database)
            for i in 0..<100 { _ = try c("SET", "k\(i)", "v", "PX", "\(20 + i)") }
            _ = try c("SET", "stays", "v", "EX", "1000")
            _ = try c("SET", "forever", "v")
        }
        try waitUntil("INFO counts them out") {
            let info = try c.info("keyspace")
            return ["db0", "db5", "db15"].allSatisfy {
                info[$0]?.hasPrefix("keys=2,expires=1") == true
            }
        }
        #expect(try c.infoNumber("expired_keys") == 300)
    }

    @Test func `a deadline that was moved or taken away is forgotten`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        for i in 0..<5 { _ = try c("SET", "k\(i)", "\(i)", "PX", "1000") }
        _ = try c("SET", "last", "v", "PX", "1200")
        #expect(try c("PERSIST", "k0") == .integer(1))
        #expect(try c("EXPIRE", "k1", "1000") == .integer(1))
        #expect(try c("SET", "k2", "new") == .simple("OK"))
        #expect(try c("RENAME", "k3", "renamed") == .simple("OK"))
        _ = try c("GETEX", "k4", "PERSIST")
        try waitUntil("the last one is gone") { try c("EXISTS", "last") == .integer(0) }
        try waitUntil("the renamed one is gone") { try c("DBSIZE") == .integer(4) }
        #expect(try c("MGET", "k0", "k1", "k2", "k4").items.compactMap(\.text).count == 4)
    }

    @Test func `deadlines go along when databases are swapped`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        for i in 0..<50 { _ = try c("SET", "k\(i)", "v", "PX", "1000") }
        _ = try c("SWAPDB", "0", "9")
        _ = try c("SELECT", "9")
        #expect(try c("DBSIZE") == .integer(50))
        try waitUntil("they are gone") { try c("DBSIZE") == .integer(0) }
    }

    @Test func `many keys with one deadline do not hold up others`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        let deadline = "\(Clock.unixMicroseconds() / 1000 + 700)"
        let requests = (0..<50_000).flatMap {
            RESPClient.request(["SET", "k\($0)", "v", "PXAT", deadline])
        }
        try c.write(requests)
        _ = try c.replies(50_000)
        try waitUntil("they are gone") {
            #expect(try c("PING") == .simple("PONG"))
            return try c("DBSIZE") == .integer(0)
        }
    }

    @Test func `a deadline far away is kept as it is`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        for deadline in ["9223372036854775807", "4611686018427387904", "281474976710656"] {
            _ = try c("SET", "k", "v")
            #expect(try c("PEXPIREAT", "k", deadline) == .integer(1))
            #expect(try c("PEXPIRETIME", "k") == .integer(Int(deadline) ?? 0))
            #expect(try c("GET", "k") == .bulk("v"))
        }
    }
}
