//  TrackingTests.swift — clients that keep copies of keys, and MONITOR.
import Engine
import TestSupport
import Testing

@Suite("Tracking and MONITOR")
struct TrackingTests {
    private static func figure(_ c: RESPClient, _ section: String, _ name: String) throws -> Int {
        let text = try c("INFO", section).text ?? ""
        let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix(name + ":") }
        return try #require(Int(line?.split(separator: ":").last ?? ""))
    }

    private static func invalidation(_ keys: String...) -> RESPValue {
        .push([.bulk("invalidate"), .array(keys.map { .bulk($0) })])
    }

    @Test(arguments: EventLoop.available)
    func `a copy ends when its time is up, and nobody has to ask`(loop: EventLoop) throws {
        let server = try EmbeddedServer { $0.eventLoop = loop }
        let c = try server.connect(), reader = try server.connect(version: 3)
        _ = try reader("CLIENT", "TRACKING", "ON", "NOLOOP")
        _ = try c("SET", "k", "v", "PX", "500")
        _ = try reader("GET", "k")
        #expect(try reader.reply().value == Self.invalidation("k"))
        // A reader's own key too: time is nobody's change.
        _ = try reader("SET", "k", "v", "PX", "500")
        _ = try reader("GET", "k")
        #expect(try reader.reply().value == Self.invalidation("k"))
        _ = try c("HSET", "h", "f", "v")
        _ = try c("HPEXPIRE", "h", "500", "FIELDS", "1", "f")
        _ = try reader("HGETALL", "h")
        #expect(try reader.reply().value == Self.invalidation("h"))
    }

    @Test func `eviction tells readers`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect(), reader = try server.connect(version: 3)
        _ = try c("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        for i in 0..<50 { _ = try c("SET", "k:\(i)", String(repeating: "v", count: 10_000)) }
        _ = try reader("CLIENT", "TRACKING", "ON")
        for i in 0..<50 { _ = try reader("STRLEN", "k:\(i)") }
        let used = try Self.figure(c, "memory", "used_memory")
        _ = try c("CONFIG", "SET", "maxmemory", "\(used - 200_000)")
        for _ in 0..<5 {
            let items = try reader.reply().value.items
            let key = try #require(items.last?.item(0)?.text)
            #expect(try c("EXISTS", key) == .integer(0))
        }
    }

    @Test func `the table has a limit, and is empty when the last reader has gone`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect(), reader = try server.connect(version: 3)
        _ = try c("CONFIG", "SET", "tracking-table-max-keys", "10")
        _ = try reader("CLIENT", "TRACKING", "ON")
        var told: Set<String> = []
        for i in 0..<100 {
            try reader.write("GET k:\(i)\r\n")
            #expect(try reader.reply().value == .null)
            guard i >= 10 else { continue }
            told.insert(try reader.reply().value.item(1)?.item(0)?.text ?? "")
        }
        #expect(told.count == 90)
        #expect(try Self.figure(c, "stats", "tracking_total_keys") == 10)
        #expect(try Self.figure(c, "stats", "tracking_total_items") == 10)
        #expect(try Self.figure(c, "clients", "tracking_clients") == 1)
        reader.close()
        try waitUntil("the reader has gone") {
            try Self.figure(c, "clients", "tracking_clients") == 0
        }
        #expect(try Self.figure(c, "stats", "tracking_total_keys") == 0)
        let listener = try server.connect(version: 3)
        _ = try listener("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "b")
        #expect(try Self.figure(c, "stats", "tracking_total_prefixes") == 2)
        listener.close()
        try waitUntil("the listener has gone") {
            try Self.figure(c, "stats", "tracking_total_prefixes") == 0
        }
        _ = try c("SET", "a", "1")
    }

    @Test func `a slot that is used again gets nobody else's messages`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect(), other = try server.connect(version: 3)
        _ = try other("CLIENT", "TRACKING", "ON")
        let first = try server.connect(version: 3)
        _ = try first("CLIENT", "TRACKING", "ON")
        _ = try first("GET", "k")
        first.close()
        try waitUntil("it has gone") { try Self.figure(c, "clients", "tracking_clients") == 1 }
        let second = try server.connect(version: 3)
        _ = try second("CLIENT", "TRACKING", "ON")
        _ = try c("SET", "k", "v")
        #expect(try second("PING") == .simple("PONG"))
    }

    @Test func `messages go where they are redirected to`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect(), reader = try server.connect()
        let listener = try server.connect()
        let id = try #require(try listener("CLIENT", "ID").integer)
        _ = try listener("SUBSCRIBE", "__redis__:invalidate")
        #expect(try reader("CLIENT", "GETREDIR") == .integer(-1))
        _ = try reader("CLIENT", "TRACKING", "ON", "REDIRECT", "\(id)")
        #expect(try reader("CLIENT", "GETREDIR") == .integer(id))
        let info = try reader("CLIENT", "INFO").text ?? ""
        #expect(info.contains(" flags=t ") && info.contains(" redir=\(id) "))
        _ = try reader("GET", "k")
        _ = try c("SET", "k", "v")
        let message = try listener.reply().value
        #expect(message.item(1) == .bulk("__redis__:invalidate"))
        #expect(message.item(2) == .array([.bulk("k")]))
        listener.close()
        try waitUntil("the listener has gone") { try c("PUBSUB", "CHANNELS") == .array([]) }
        _ = try reader("GET", "k")
        _ = try c("SET", "k", "v")
        #expect(try reader("CLIENT", "TRACKINGINFO").item(1)?.item(1) == .bulk("broken_redirect"))
        #expect(try reader("CLIENT", "INFO").text?.contains(" flags=tR ") == true)
    }

    @Test(arguments: EventLoop.available)
    func `a monitor that does not read is dropped, and only that one`(loop: EventLoop) throws {
        let server = try EmbeddedServer { $0.eventLoop = loop }
        let c = try server.connect(), slow = try server.connect(), quick = try server.connect()
        _ = try c("CONFIG", "SET", "client-output-buffer-limit", "normal 1000000 0 0")
        let before = try Self.figure(c, "memory", "used_memory")
        _ = try slow("MONITOR")
        _ = try quick("MONITOR")
        #expect(try c("CLIENT", "LIST").text?.components(of: " flags=O ") == 2)
        let word = String(repeating: "x", count: 100_000)
        var sent = 0
        while try c("CLIENT", "LIST").text?.components(of: " flags=O ") == 2, sent < 500 {
            _ = try c("ECHO", word)
            #expect(try quick.reply().value.text?.hasSuffix("\"ECHO\" \"\(word)\"") == true)
            sent += 1
        }
        #expect(try c("CLIENT", "LIST").text?.components(of: " flags=O ") == 1)
        #expect(try quick("RESET") == .simple("RESET"))
        #expect(try quick("GET", "k") == .null)
        slow.close()
        try waitUntil("memory is back") {
            try Self.figure(c, "memory", "used_memory") < before + 1_000_000
        }
    }
}

extension String {
    /// How often `part` occurs.
    fileprivate func components(of part: String) -> Int {
        var count = 0
        var rest = self[...]
        while let range = rest.firstRange(of: part) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
