//  LargeValueTests.swift — values that are received into their record and sent from there.
//
//  The bytes of such a value are shared with the socket while it is under way, so what matters is
//  what happens to the key meanwhile; and a request that holds one arrives in pieces of any size.
import Engine
import TestSupport
import Testing

@Suite("Large values")
struct LargeValueTests {
    private static func server(_ loop: EventLoop) throws -> EmbeddedServer {
        try EmbeddedServer { $0.eventLoop = loop }
    }

    /// So many letters that are not the same everywhere, nor for every `salt`.
    private static func value(_ count: Int, _ salt: Int = 0) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ $0 >> 11 &+ salt) & 15 &+ 97) }
    }

    private static func bulk(_ value: [UInt8]) -> [UInt8] {
        Array("$\(value.count)\r\n".utf8) + value + [13, 10]
    }

    private static func send(
        _ c: RESPClient, _ words: [String], _ value: [UInt8], _ rest: [String] = []
    ) throws -> RESPValue {
        try c.send(words.map { Array($0.utf8) } + [value] + rest.map { Array($0.utf8) }).value
    }

    private static func get(_ c: RESPClient, _ key: String) throws -> [UInt8] {
        try c.send([Array("GET".utf8), Array(key.utf8)]).bytes
    }

    private static func figure(_ c: RESPClient, _ section: String, _ name: String) throws -> Int {
        let text = try c("INFO", section).text ?? ""
        let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix(name + ":") }
        return Int(line?.split(separator: ":").last ?? "") ?? -1
    }

    @Test(arguments: EventLoop.available)
    func `every command that stores a large value stores it whole`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let c = try server.connect()
        let a = Self.value(1_000_000), b = Self.value(700_003, 1)
        #expect(try Self.send(c, ["SET", "k"], a) == .simple("OK"))
        #expect(try Self.get(c, "k") == Self.bulk(a))
        #expect(try Self.send(c, ["SET", "k"], b, ["EX", "100"]) == .simple("OK"))
        #expect(try Self.get(c, "k") == Self.bulk(b))
        #expect(try c("TTL", "k") == .integer(100))
        #expect(try Self.send(c, ["SET", "k"], a, ["KEEPTTL"]) == .simple("OK"))
        #expect(try c("TTL", "k") == .integer(100))
        #expect(try Self.send(c, ["SET", "k"], b, ["NX"]) == .null)
        #expect(try Self.send(c, ["SET", "k"], b, ["XX"]) == .simple("OK"))
        #expect(try c("TTL", "k") == .integer(-1))
        #expect(try Self.get(c, "k") == Self.bulk(b))
        #expect(try Self.send(c, ["SETEX", "t", "100"], a) == .simple("OK"))
        #expect(try Self.send(c, ["PSETEX", "t", "50000"], b) == .simple("OK"))
        #expect(try Self.get(c, "t") == Self.bulk(b))
        #expect(try c("TTL", "t") == .integer(50))
        #expect(try Self.send(c, ["SETNX", "k"], a) == .integer(0))
        #expect(try Self.send(c, ["SETNX", "n"], a) == .integer(1))
        #expect(try Self.send(c, ["APPEND", "n"], b) == .integer(a.count + b.count))
        #expect(try Self.get(c, "n") == Self.bulk(a + b))
        let words = ["GETSET", "k"].map { Array($0.utf8) } + [a]
        #expect(try c.send(words).bytes == Self.bulk(b))
        #expect(try Self.get(c, "k") == Self.bulk(a))
        #expect(try Self.send(c, ["MSET", "x", "1", "y"], a, ["z", "2"]) == .simple("OK"))
        #expect(try Self.send(c, ["MSET", "x"], b, ["y", "3"]) == .simple("OK"))
        #expect(try Self.get(c, "x") == Self.bulk(b))
        #expect(try c("MGET", "y", "z") == .array([.bulk("3"), .bulk("2")]))
        #expect(try Self.send(c, ["SETRANGE", "x", "5"], a) == .integer(1_000_005))
        #expect(try Self.get(c, "x") == Self.bulk(Array(b[..<5]) + a))
        #expect(try Self.send(c, ["RPUSH", "l"], a) == .integer(1))
        #expect(try Self.send(c, ["SET", "l"], b) == .simple("OK"))
        #expect(try Self.get(c, "l") == Self.bulk(b))
        #expect(try Self.send(c, ["SET", "past"], b, ["PXAT", "1"]) == .simple("OK"))
        #expect(try c("EXISTS", "past") == .integer(0))
        #expect(try Self.send(c, ["NOSUCH", "k"], b).isError)
        #expect(try Self.send(c, ["SET", "k"], b, ["EX", "zero"]).isError)
        #expect(try Self.get(c, "k") == Self.bulk(a))
    }

    @Test(arguments: EventLoop.available)
    func `a large request is put together from pieces of any size`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let c = try server.connect()
        var random = SeededRandom(seed: 7)
        for round in 0..<40 {
            let value = Self.value(32_768 + Int(random.next() % 200_000), round)
            let options = round % 3 == 0 ? ["EX", "100"] : round % 3 == 1 ? ["XX"] : []
            let before = ["SET", "k"].map { Array($0.utf8) }
            let after = options.map { Array($0.utf8) }
            var bytes = RESPClient.request("SET", "k", "0")
            bytes += RESPClient.request(before + [value] + after)
            bytes += RESPClient.request("STRLEN", "k")
            if round % 2 == 0 { bytes += RESPClient.request(before + [value]) }
            var start = 0
            while start < bytes.count {
                // Pieces end in the middle of the value's head, tail and neighbours too.
                let most = UInt64(round % 4 == 0 ? 40 : 90_000)
                let most2 = start > 120 && bytes.count - start > 200 ? 90_000 : most
                let end = min(start + 1 + Int(random.next() % most2), bytes.count)
                try c.write(Array(bytes[start..<end]))
                start = end
            }
            var expected: [RESPValue] = [
                .simple("OK"), .simple("OK"), .integer(value.count),
            ]
            if round % 2 == 0 { expected.append(.simple("OK")) }
            #expect(try c.replies(expected.count) == expected, "\(round)")
            #expect(try Self.get(c, "k") == Self.bulk(value), "\(round)")
        }
    }

    @Test(arguments: EventLoop.available)
    func `what happens to a key does not change what is on its way`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let c = try server.connect(), other = try server.connect()
        let value = Self.value(3_000_000)
        let changes: [[String]] = [
            ["APPEND", "k", "more"], ["SETRANGE", "k", "10", "other"], ["DEL", "k"],
            ["SET", "k", "short"], ["FLUSHALL"], ["PEXPIRE", "k", "1"], ["RENAME", "k", "l"],
            ["GETDEL", "k"], ["FLUSHALL", "ASYNC"],
        ]
        for (round, change) in changes.enumerated() {
            #expect(try Self.send(other, ["SET", "k"], value) == .simple("OK"))
            // More than sockets take, so the last ones wait in the server.
            try c.write(String(repeating: "GET k\r\n", count: 4) + "GETRANGE k 1 2000000\r\n")
            _ = try c.reply()
            // Large replies take turns, so the last command runs some turns later.
            try waitUntil("all have run") {
                let text = try other("INFO", "commandstats").text ?? ""
                return text.contains("cmdstat_getrange:calls=\(round + 1),")
            }
            _ = try other.send(change.map { Array($0.utf8) })
            #expect(try Self.send(other, ["SET", "k"], Self.value(3_000_000, 1)) == .simple("OK"))
            for _ in 0..<3 { #expect(try c.reply().bytes == Self.bulk(value), "\(change)") }
            #expect(try c.reply().bytes == Self.bulk(Array(value[1...2_000_000])), "\(change)")
        }
    }

    @Test(arguments: EventLoop.available)
    func `a client that goes leaves nothing behind`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let c = try server.connect()
        let value = Self.value(2_000_000)
        let before = try Self.figure(c, "memory", "used_memory")
        for round in 0..<20 {
            let rude = try server.connect()
            #expect(try Self.send(rude, ["SET", "k"], value) == .simple("OK"))
            try rude.write(String(repeating: "GET k\r\n", count: 20))
            let half = RESPClient.request([Array("SET".utf8), Array("k".utf8), value])
            if round % 2 == 0 { try rude.write(Array(half[..<1_000_000])) }
            rude.close()
        }
        try waitUntil("the others are gone") {
            try Self.figure(c, "clients", "connected_clients") == 1
        }
        _ = try c("DEL", "k")
        try waitUntil("memory is back") {
            try Self.figure(c, "memory", "used_memory") < before + 500_000
        }
    }

    @Test(arguments: EventLoop.available)
    func `a large request waits for the end of a pause`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let c = try server.connect(), other = try server.connect()
        let value = Self.value(500_000)
        #expect(try other("CLIENT", "PAUSE", "100000", "WRITE") == .simple("OK"))
        try c.write(RESPClient.request([Array("SET".utf8), Array("k".utf8), value]))
        try c.write("GET k\r\n")
        try waitUntil("the request is there") {
            try Self.figure(other, "clients", "blocked_clients") == 1
        }
        #expect(try other("EXISTS", "k") == .integer(0))
        #expect(try other("CLIENT", "UNPAUSE") == .simple("OK"))
        #expect(try c.reply().value == .simple("OK"))
        #expect(try c.reply().bytes == Self.bulk(value))
    }

    @Test(arguments: EventLoop.available)
    func `announcing much holds no memory`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let c = try server.connect()
        let before = try Self.figure(c, "memory", "used_memory_rss")
        let announcers = try (0..<200).map { _ in try server.connect() }
        for a in announcers {
            try a.write("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\nabc")
        }
        #expect(try c("PING") == .simple("PONG"))
        // Other tests run in this process: a bound that 500 MB each would break at once.
        #expect(try Self.figure(c, "memory", "used_memory_rss") < before + 2_000_000_000)
        for a in announcers { a.close() }
    }
}
