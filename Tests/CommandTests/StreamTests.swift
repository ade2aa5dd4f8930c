//  StreamTests.swift — who waits for entries, and what becomes of groups whose consumers are gone.
import TestSupport
import Testing

@Suite("Streams")
struct StreamTests {
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

        func waiting() throws -> Int {
            let text = try control("INFO", "clients").text ?? ""
            let line = text.split(whereSeparator: \.isNewline).first {
                $0.hasPrefix("blocked_clients:")
            }
            return line.flatMap { Int($0.dropFirst(16)) } ?? -1
        }

        func block(_ requests: [String]...) throws {
            let before = try waiting()
            for (i, words) in requests.enumerated() {
                try waiters[i].write(RESPClient.request(words))
                try waitUntil("client \(i) waits") { try waiting() == before + i + 1 }
            }
        }
    }

    /// `[key, [[id, [f, value]], …]]`, as a text.
    private static func entries(_ key: String, _ entries: (String, String)...) -> String {
        let list = entries.map { "[\"\($0.0)\" [\"f\" \"\($0.1)\"]]" }.joined(separator: " ")
        return "[\"\(key)\" [\(list)]]"
    }

    @Test func `whoever waits behind the end gets only what comes later`() throws {
        let stage = try Stage(3)
        defer { stage.server.stop() }
        _ = try stage.control("XADD", "s", "1-1", "f", "old")
        try stage.block(
            ["XREAD", "BLOCK", "0", "STREAMS", "s", "$"],
            ["XREAD", "BLOCK", "0", "STREAMS", "none", "s", "$", "1-3"],
            ["XREAD", "BLOCK", "0", "COUNT", "1", "STREAMS", "none", "+"])
        _ = try stage.control("XADD", "s", "1-2", "f", "a")
        #expect(
            try stage.waiters[0].reply().value.description
                == "[\(Self.entries("s", ("1-2", "a")))]")
        #expect(try stage.waiting() == 2)
        _ = try stage.control("XADD", "s", "1-4", "f", "b")
        #expect(
            try stage.waiters[1].reply().value.description
                == "[\(Self.entries("s", ("1-4", "b")))]")
        // A key of another type is nothing to wait for, and nothing to be woken by.
        _ = try stage.control("SET", "none", "text")
        _ = try stage.control("DEL", "none")
        #expect(try stage.waiting() == 1)
        _ = try stage.control("XADD", "none", "5-5", "f", "c")
        #expect(
            try stage.waiters[2].reply().value.description
                == "[\(Self.entries("none", ("5-5", "c")))]")
    }

    @Test(arguments: [2, 3]) func `a wait ends when its time is up`(version: Int) throws {
        let stage = try Stage(1, version: version)
        defer { stage.server.stop() }
        _ = try stage.control("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
        try stage.waiters[0].write(
            RESPClient.request(["XREAD", "BLOCK", "5", "STREAMS", "s", "0"]))
        let null = version == 2 ? "*-1\r\n" : "_\r\n"
        #expect(try stage.waiters[0].reply().bytes == Array(null.utf8))
        try stage.waiters[0].write(
            RESPClient.request([
                "XREADGROUP", "GROUP", "g", "c", "BLOCK", "5", "STREAMS", "s", ">",
            ]))
        #expect(try stage.waiters[0].reply().bytes == Array(null.utf8))
    }

    @Test func `each entry goes to one of the consumers that wait`() throws {
        let stage = try Stage(2)
        defer { stage.server.stop() }
        _ = try stage.control("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
        try stage.block(
            ["XREADGROUP", "GROUP", "g", "one", "BLOCK", "0", "STREAMS", "s", ">"],
            ["XREADGROUP", "GROUP", "g", "two", "BLOCK", "0", "STREAMS", "s", ">"])
        _ = try stage.control("XADD", "s", "1-1", "f", "a")
        _ = try stage.control("XADD", "s", "1-2", "f", "b")
        #expect(
            try stage.waiters[0].reply().value.description
                == "[\(Self.entries("s", ("1-1", "a")))]")
        #expect(
            try stage.waiters[1].reply().value.description
                == "[\(Self.entries("s", ("1-2", "b")))]")
        #expect(
            try stage.control("XPENDING", "s", "g").description
                == #"[:2 "1-1" "1-2" [["one" "1"] ["two" "1"]]]"#)
    }

    @Test(arguments: [
        (
            ["DEL", "s"],
            "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"
        ),
        (
            ["XGROUP", "DESTROY", "s", "g"],
            "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"
        ),
        (["SET", "s", "x"], "WRONGTYPE Operation against a key holding the wrong kind of value"),
        (
            ["FLUSHALL"],
            "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"
        ),
    ])
    func `consumers that wait learn that their group is gone`(
        words: [String], error: String
    ) throws {
        let stage = try Stage(1)
        defer { stage.server.stop() }
        _ = try stage.control("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
        try stage.block(["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", ">"])
        _ = try stage.control.send(words.map { Array($0.utf8) })
        #expect(try stage.waiters[0].reply().value == .error(error))
    }

    @Test func `what a lost consumer had pending is taken over`() throws {
        let server = try EmbeddedServer()
        defer { server.stop() }
        let client = try server.connect()
        for i in 1...6 { _ = try client("XADD", "s", "\(i)", "f", "\(i)") }
        _ = try client("XGROUP", "CREATE", "s", "g", "0")
        let lost = try server.connect()
        _ = try lost("XREADGROUP", "GROUP", "g", "lost", "COUNT", "4", "STREAMS", "s", ">")
        lost.close()
        _ = try client("XDEL", "s", "2")
        _ = try client("XTRIM", "s", "MAXLEN", "4")
        #expect(
            try client("XAUTOCLAIM", "s", "g", "new", "0", "0", "COUNT", "3", "JUSTID").description
                == #"["4-0" ["3-0"] ["1-0" "2-0"]]"#)
        #expect(
            try client("XAUTOCLAIM", "s", "g", "new", "0", "4", "JUSTID").description
                == #"["0-0" ["4-0"] []]"#)
        #expect(
            try client("XPENDING", "s", "g").description == #"[:2 "3-0" "4-0" [["new" "2"]]]"#)
        #expect(try client("XGROUP", "DELCONSUMER", "s", "g", "lost") == .integer(0))
        #expect(try client("XGROUP", "DELCONSUMER", "s", "g", "new") == .integer(2))
        #expect(try client("XPENDING", "s", "g").item(0) == .integer(0))
        #expect(try client("XINFO", "GROUPS", "s").item(0)?["lag"] == .integer(2))
    }

    private func usedMemory(_ client: RESPClient) throws -> Int {
        let text = try client("INFO", "memory").text ?? ""
        let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("used_memory:") }
        return line.flatMap { Int($0.dropFirst(12)) } ?? 0
    }

    @Test func `a hundred thousand pending entries are handled one by one`() throws {
        let server = try EmbeddedServer()
        defer { server.stop() }
        let client = try server.connect()
        _ = try client("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
        var requests: [UInt8] = []
        for i in 1...100_000 {
            requests += RESPClient.request(["XADD", "s", "\(i)", "f", "v"])
            if i % 10_000 == 0 {
                try client.write(requests)
                _ = try client.replies(10_000)
                requests = []
            }
        }
        _ = try client("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
        #expect(try client("XPENDING", "s", "g").item(0) == .integer(100_000))
        for i in 0..<1000 {
            requests += RESPClient.request(["XACK", "s", "g", "\(1 + (i * 7919) % 100_000)"])
            requests += RESPClient.request(["XPENDING", "s", "g", "50000", "+", "1"])
        }
        try client.write(requests)
        _ = try client.replies(2000)
        #expect(try client("XPENDING", "s", "g").item(0) == .integer(99_000))
        #expect(try client("COPY", "s", "t") == .integer(1))
        #expect(try client("XPENDING", "t", "g").item(0) == .integer(99_000))
        let before = try usedMemory(client)
        #expect(try client("XGROUP", "DESTROY", "t", "g") == .integer(1))
        #expect(try client("XINFO", "GROUPS", "t") == .array([]))
        try waitUntil("what was pending is freed") {
            try usedMemory(client) < before - 99_000 * 64
        }
        #expect(try client("DEL", "s", "t") == .integer(2))
    }
}
