//  FieldExpirationTests.swift — deadlines of fields that pass, with and without somebody looking.
import Platform
import TestSupport
import Testing

@Suite("Field expiration")
struct FieldExpirationTests {
    private func isOver(_ milliseconds: Int64) throws {
        let end = Clock.unixMicroseconds() + milliseconds * 1000
        try waitUntil("its time is over") { Clock.unixMicroseconds() > end }
    }

    @Test func `every command treats an expired field as missing`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        _ = try c("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        let requests: [([String], RESPValue)] = [
            (["HGET", "h", "f"], .null), (["HEXISTS", "h", "f"], .integer(0)),
            (["HLEN", "h"], .integer(1)), (["HSTRLEN", "h", "f"], .integer(0)),
            (["HKEYS", "h"], .array([.bulk("stays")])), (["HVALS", "h"], .array([.bulk("v")])),
            (["HGETALL", "h"], .array([.bulk("stays"), .bulk("v")])),
            (["HMGET", "h", "f", "stays"], .array([.null, .bulk("v")])),
            (["HDEL", "h", "f"], .integer(0)), (["HSET", "h", "f", "1"], .integer(1)),
            (["HSETNX", "h", "f", "1"], .integer(1)), (["HINCRBY", "h", "f", "2"], .integer(2)),
            (["HINCRBYFLOAT", "h", "f", "0.5"], .bulk("0.5")),
            (["HTTL", "h", "FIELDS", "1", "f"], .array([.integer(-2)])),
            (["HPERSIST", "h", "FIELDS", "1", "f"], .array([.integer(-2)])),
            (["HEXPIRE", "h", "10", "FIELDS", "1", "f"], .array([.integer(-2)])),
            (["HGETDEL", "h", "FIELDS", "1", "f"], .array([.null])),
            (["HGETEX", "h", "EX", "5", "FIELDS", "1", "f"], .array([.null])),
            (["HSETEX", "h", "FXX", "FIELDS", "1", "f", "1"], .integer(0)),
            (["HSETEX", "h", "FNX", "FIELDS", "1", "f", "1"], .integer(1)),
            (["HRANDFIELD", "h", "5"], .array([.bulk("stays")])),
            (["HRANDFIELD", "h"], .bulk("stays")),
            (
                ["HSCAN", "h", "0", "NOVALUES"],
                .array([.bulk("0"), .array([.bulk("stays")])])
            ),
        ]
        for (words, reply) in requests {
            _ = try c("FLUSHALL")
            _ = try c("HSET", "h", "f", "5", "stays", "v")
            _ = try c("HPEXPIRE", "h", "1", "FIELDS", "1", "f")
            try isOver(3)
            #expect(try c.send(words) == reply, "\(words)")
        }
    }

    @Test func `a field that was set again has no deadline`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        _ = try c("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        _ = try c("HSETEX", "h", "PX", "1", "FIELDS", "1", "f", "old")
        try isOver(3)
        #expect(try c("HINCRBY", "h", "f", "7") == .integer(7))
        #expect(try c("HTTL", "h", "FIELDS", "1", "f") == .array([.integer(-1)]))
    }

    @Test func `fields go without being asked for, the key with the last`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        for database in ["0", "3"] {
            _ = try c("SELECT", database)
            for i in 0..<30 {
                _ = try c("HSET", "h\(i)", "a", "1", "b", "2", "c", "3")
                _ = try c("HPEXPIRE", "h\(i)", "\(20 + i)", "FIELDS", "2", "a", "b")
                if i % 2 == 0 { _ = try c("HPEXPIRE", "h\(i)", "60", "FIELDS", "1", "c") }
            }
        }
        try waitUntil("all are gone") { try c.infoNumber("expired_subkeys") == 150 }
        let info = try c.info("keyspace")
        for database in ["db0", "db3"] {
            #expect(info[database] == "keys=15,expires=0,avg_ttl=0,subexpiry=0")
        }
    }

    @Test func `deadlines of fields go along with their key`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        _ = try c("HSETEX", "h", "PX", "1000", "FIELDS", "2", "a", "1", "b", "2")
        _ = try c("HSET", "h", "stays", "v")
        #expect(try c("COPY", "h", "copy") == .integer(1))
        #expect(try c("COPY", "h", "elsewhere", "DB", "4") == .integer(1))
        #expect(try c("RENAME", "h", "renamed") == .simple("OK"))
        _ = try c("HSETEX", "moved", "PX", "1000", "FIELDS", "1", "a", "1")
        _ = try c("MOVE", "moved", "4")
        _ = try c("SWAPDB", "4", "5")
        try waitUntil("they are gone") { try c.infoNumber("expired_subkeys") == 7 }
        #expect(try c("HKEYS", "copy") == .array([.bulk("stays")]))
        #expect(try c("HKEYS", "renamed") == .array([.bulk("stays")]))
        _ = try c("SELECT", "5")
        #expect(try c("DBSIZE") == .integer(1))
    }

    @Test func `many fields with one deadline do not hold up others`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        let count = 50_000
        let deadline = Clock.unixMicroseconds() / 1000 + 4000
        let requests = (0..<count / 100).flatMap { i in
            RESPClient.request(
                ["HSETEX", "h", "PXAT", "\(deadline)", "FIELDS", "100"]
                    + (0..<100).flatMap { ["field:\(i * 100 + $0)", "v"] })
        }
        try c.write(requests)
        _ = try c.replies(count / 100)
        // On a slow machine some come too late to be made.
        let inTime = Clock.unixMicroseconds() / 1000 < deadline
        try waitUntil("they are gone") {
            #expect(try c("PING") == .simple("PONG"))
            return try c("EXISTS", "h") == .integer(0)
        }
        #expect(try c.infoNumber("expired_subkeys") == count || !inTime)
    }

    @Test func `counts without end are refused or cost nothing`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        _ = try c("HSET", "h", "f", String(repeating: "v", count: 1 << 20))
        #expect(try c("HRANDFIELD", "h", "9223372036854775807") == .array([.bulk("f")]))
        for count in ["-4611686018427387903", "-9223372036854775807", "-9223372036854775808"] {
            #expect(try c("HRANDFIELD", "h", count, "WITHVALUES").isError)
        }
        #expect(try c("HRANDFIELD", "h", "-3") == .array([.bulk("f"), .bulk("f"), .bulk("f")]))
        #expect(
            try c("HSCAN", "h", "0", "COUNT", "9223372036854775807", "NOVALUES").items.count == 2)
    }
}
