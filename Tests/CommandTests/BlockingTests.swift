//  BlockingTests.swift — clients that wait for a list: who is served, when, and with what.
import TestSupport
import Testing

@Suite("Blocking")
struct BlockingTests {
    /// A server with a client that does not wait, and others that will.
    private struct Stage {
        let server: EmbeddedServer
        let control: RESPClient
        let waiters: [RESPClient]

        init(_ count: Int, version: Int = 2) throws {
            server = try EmbeddedServer()
            control = try server.connect()
            let server = server
            waiters = try (0..<count).map { _ in try server.connect(version: version) }
        }

        func info(_ field: String) throws -> Int {
            let text = try control("INFO").text ?? ""
            let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix(field + ":") }
            return line.flatMap { Int($0.dropFirst(field.count + 1)) } ?? -1
        }

        /// Sends requests to the waiters in turn, each when the one before waits.
        func block(_ requests: [String]...) throws {
            let before = try info("blocked_clients")
            for (i, words) in requests.enumerated() {
                try waiters[i].write(RESPClient.request(words))
                try waitUntil("client \(i) waits") {
                    try info("blocked_clients") == before + i + 1
                }
            }
        }
    }

    @Test func `the first to wait is served first`() throws {
        let stage = try Stage(3)
        defer { stage.server.stop() }
        try stage.block(["BLPOP", "k", "0"], ["BRPOP", "k", "0"], ["BLPOP", "k", "0"])
        #expect(try stage.info("total_blocking_keys") == 1)
        #expect(try stage.control("RPUSH", "k", "a", "b", "c", "d") == .integer(4))
        #expect(try stage.waiters[0].reply().value == .array([.bulk("k"), .bulk("a")]))
        #expect(try stage.waiters[1].reply().value == .array([.bulk("k"), .bulk("d")]))
        #expect(try stage.waiters[2].reply().value == .array([.bulk("k"), .bulk("b")]))
        #expect(try stage.control("LRANGE", "k", "0", "-1") == .array([.bulk("c")]))
        #expect(try stage.info("blocked_clients") == 0)
        #expect(try stage.info("total_blocking_keys") == 0)
    }

    @Test func `of several keys the first named one counts`() throws {
        let stage = try Stage(2)
        defer { stage.server.stop() }
        _ = try stage.control("RPUSH", "b", "1")
        #expect(try stage.waiters[0]("BLPOP", "a", "b", "b", "0").item(1) == .bulk("1"))
        try stage.block(["BLPOP", "x", "y", "x", "0"], ["BLMPOP", "0", "2", "y", "z", "LEFT"])
        #expect(try stage.info("total_blocking_keys") == 3)
        _ = try stage.control("RPUSH", "y", "1", "2")
        #expect(try stage.waiters[0].reply().value == .array([.bulk("y"), .bulk("1")]))
        #expect(
            try stage.waiters[1].reply().value == .array([.bulk("y"), .array([.bulk("2")])]))
        #expect(try stage.control("EXISTS", "y") == .integer(0))
        #expect(try stage.info("total_blocking_keys") == 0)
    }

    @Test(arguments: [2, 3]) func `a wait ends when its time is up`(version: Int) throws {
        let stage = try Stage(4, version: version)
        defer { stage.server.stop() }
        try stage.waiters[0].write(RESPClient.request("BLPOP", "k", "0.02"))
        try stage.waiters[1].write(RESPClient.request("BLMPOP", "0.02", "1", "k", "RIGHT"))
        try stage.waiters[2].write(RESPClient.request("BLMOVE", "k", "l", "LEFT", "LEFT", "0.02"))
        try stage.waiters[3].write(RESPClient.request("BRPOPLPUSH", "k", "l", "0.02"))
        let null = version == 3 ? "_\r\n" : "*-1\r\n"
        for waiter in stage.waiters {
            #expect(try waiter.reply().bytes == Array(null.utf8))
        }
        #expect(try stage.info("blocked_clients") == 0)
        #expect(try stage.info("clients_in_timeout_table") == 0)
    }

    @Test func `keys that come by other ways than a push serve too`() throws {
        let ways: [[[String]]] = [
            [["RENAME", "source", "k"]], [["COPY", "source", "k"]],
            [["SELECT", "3"], ["RPUSH", "k", "1"], ["MOVE", "k", "0"], ["SELECT", "0"]],
            [["SELECT", "3"], ["RPUSH", "k", "1"], ["SWAPDB", "0", "3"], ["SELECT", "0"]],
            [["LMOVE", "source", "k", "LEFT", "LEFT"]],
            [["SORT", "source", "STORE", "k"]],
        ]
        for way in ways {
            let stage = try Stage(1)
            defer { stage.server.stop() }
            _ = try stage.control("RPUSH", "source", "1")
            try stage.block(["BLPOP", "k", "0"])
            for words in way { _ = try stage.control.send(words) }
            #expect(
                try stage.waiters[0].reply().value == .array([.bulk("k"), .bulk("1")]), "\(way)")
        }
    }

    @Test func `a key of another type serves nobody`() throws {
        let stage = try Stage(1)
        defer { stage.server.stop() }
        try stage.block(["BLPOP", "k", "0"])
        _ = try stage.control("SET", "k", "1")
        _ = try stage.control("DEL", "k")
        _ = try stage.control("RPUSH", "k", "2")
        #expect(try stage.waiters[0].reply().value.item(1) == .bulk("2"))
    }

    @Test func `a chain of moves goes through in one go`() throws {
        let stage = try Stage(3)
        defer { stage.server.stop() }
        try stage.block(
            ["BLMOVE", "a", "b", "LEFT", "LEFT", "0"], ["BLMOVE", "b", "c", "LEFT", "LEFT", "0"],
            ["BLPOP", "c", "0"])
        _ = try stage.control("RPUSH", "a", "1")
        #expect(try stage.waiters[0].reply().value == .bulk("1"))
        #expect(try stage.waiters[1].reply().value == .bulk("1"))
        #expect(try stage.waiters[2].reply().value == .array([.bulk("c"), .bulk("1")]))
        #expect(try stage.control("DBSIZE") == .integer(0))
    }

    @Test func `a target of the wrong type is an error when the element comes`() throws {
        let stage = try Stage(2)
        defer { stage.server.stop() }
        _ = try stage.control("SET", "s", "text")
        try stage.block(["BLMOVE", "a", "s", "LEFT", "LEFT", "0"], ["BLPOP", "a", "0"])
        _ = try stage.control("RPUSH", "a", "1")
        #expect(try stage.waiters[0].reply().value.text?.hasPrefix("WRONGTYPE") == true)
        #expect(try stage.waiters[1].reply().value.item(1) == .bulk("1"))
    }

    @Test func `what was sent behind a wait runs after it`() throws {
        let stage = try Stage(1)
        defer { stage.server.stop() }
        let pipeline =
            RESPClient.request("BLPOP", "k", "0") + RESPClient.request("ECHO", "one")
            + RESPClient.request("BLPOP", "k", "0") + RESPClient.request("ECHO", "two")
        try stage.waiters[0].write(pipeline)
        try waitUntil("the client waits") { try stage.info("blocked_clients") == 1 }
        try stage.waiters[0].write(RESPClient.request("ECHO", "three"))
        _ = try stage.control("RPUSH", "k", "1")
        try waitUntil("the client waits again") { try stage.info("blocked_clients") == 1 }
        _ = try stage.control("RPUSH", "k", "2")
        let replies = try stage.waiters[0].replies(5).map(\.description)
        #expect(replies == ["[\"k\" \"1\"]", "\"one\"", "[\"k\" \"2\"]", "\"two\"", "\"three\""])
    }

    @Test func `a client that vanishes gives its turn to the next`() throws {
        let stage = try Stage(3)
        defer { stage.server.stop() }
        try stage.block(["BLPOP", "k", "0"], ["BLPOP", "k", "j", "10"], ["BLPOP", "k", "0"])
        stage.waiters[0].close()
        stage.waiters[1].close()
        try waitUntil("one client is left") { try stage.info("blocked_clients") == 1 }
        #expect(try stage.info("total_blocking_keys") == 1)
        _ = try stage.control("RPUSH", "k", "1")
        #expect(try stage.waiters[2].reply().value.item(1) == .bulk("1"))
        #expect(try stage.control("EXISTS", "k") == .integer(0))
    }

    @Test func `CLIENT UNBLOCK ends a wait`() throws {
        let stage = try Stage(2)
        defer { stage.server.stop() }
        let ids = try stage.waiters.map { "\(try $0("CLIENT", "ID").integer ?? 0)" }
        try stage.block(["BLPOP", "k", "0"], ["BLMOVE", "k", "l", "LEFT", "RIGHT", "0"])
        let list = try stage.control("CLIENT", "LIST", "ID", ids[0]).text ?? ""
        #expect(list.contains(" flags=b ") && list.contains(" cmd=blpop "))
        #expect(try stage.control("CLIENT", "UNBLOCK", ids[0]) == .integer(1))
        #expect(try stage.waiters[0].reply().value == .null)
        #expect(try stage.control("CLIENT", "UNBLOCK", ids[0]) == .integer(0))
        #expect(try stage.control("CLIENT", "UNBLOCK", ids[1], "error") == .integer(1))
        #expect(
            try stage.waiters[1].reply().value
                == .error("UNBLOCKED client unblocked via CLIENT UNBLOCK"))
        #expect(
            try stage.control("CLIENT", "UNBLOCK", ids[1], "x")
                == .error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"))
        #expect(try stage.waiters[0]("PING") == .simple("PONG"))
    }

    @Test func `many clients wait for the same key and are all served`() throws {
        let stage = try Stage(150)
        defer { stage.server.stop() }
        for waiter in stage.waiters {
            try waiter.write(RESPClient.request("BLPOP", "k", "other", "100"))
        }
        try waitUntil("all wait") { try stage.info("blocked_clients") == 150 }
        // Every third gives up.
        for i in stride(from: 0, to: 150, by: 3) { stage.waiters[i].close() }
        try waitUntil("the others are left") { try stage.info("blocked_clients") == 100 }
        var left = 100
        while left > 0 {
            let n = min(left, 30)
            _ = try stage.control.send(["RPUSH", "k"] + (0..<n).map { "\($0)" })
            left -= n
            #expect(try stage.info("blocked_clients") == left)
        }
        for (i, waiter) in stage.waiters.enumerated() where i % 3 != 0 {
            #expect(try waiter.reply().value.items.count == 2)
        }
    }
}
