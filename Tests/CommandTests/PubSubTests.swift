//  PubSubTests.swift — messages to many listeners, slow ones and such that go away.
import Engine
import TestSupport
import Testing

@Suite("Pub/Sub")
struct PubSubTests {
    private static func figure(_ c: RESPClient, _ section: String, _ name: String) throws -> Int {
        let text = try c("INFO", section).text ?? ""
        let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix(name + ":") }
        return try #require(Int(line?.split(separator: ":").last ?? ""))
    }

    @Test(arguments: EventLoop.available)
    func `many listeners of both protocols get every message in order`(loop: EventLoop) throws {
        let server = try EmbeddedServer { $0.eventLoop = loop }
        let c = try server.connect()
        let listeners = try (0..<40).map { try RESPClient(port: server.port, version: 2 + $0 % 2) }
        for (i, listener) in listeners.enumerated() {
            let words = i % 4 < 2 ? ["SUBSCRIBE", "news"] : ["PSUBSCRIBE", "n*"]
            #expect(try listener.send(words).item(2) == .integer(1))
        }
        #expect(try Self.figure(c, "clients", "pubsub_clients") == 40)
        #expect(try Self.figure(c, "stats", "pubsub_patterns") == 1)
        for n in 0..<50 { try c.write("PUBLISH news message:\(n)\r\n") }
        #expect(try c.replies(50) == Array(repeating: .integer(40), count: 50))
        for listener in listeners {
            for n in 0..<50 {
                let items = try listener.reply().value.items
                #expect(items.last == .bulk("message:\(n)"))
            }
        }
        for listener in listeners { listener.close() }
        try waitUntil("they are gone") { try Self.figure(c, "clients", "pubsub_clients") == 0 }
        #expect(try c("PUBLISH", "news", "x") == .integer(0))
        #expect(try c("PUBSUB", "CHANNELS") == .array([]))
        #expect(try Self.figure(c, "stats", "pubsub_patterns") == 0)
    }

    @Test(arguments: EventLoop.available)
    func `a listener that does not read is dropped, and only that one`(loop: EventLoop) throws {
        let server = try EmbeddedServer { $0.eventLoop = loop }
        let c = try server.connect()
        _ = try c("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1000000 0 0")
        let before = try Self.figure(c, "memory", "used_memory")
        let slow = try server.connect(), quick = try server.connect()
        _ = try slow("SUBSCRIBE", "news")
        _ = try quick("SUBSCRIBE", "news")
        let message = String(repeating: "x", count: 100_000)
        var receivers = 2, sent = 0
        while receivers == 2, sent < 500 {
            receivers = try c("PUBLISH", "news", message).integer ?? 0
            sent += 1
            #expect(try quick.reply().value.item(2) == .bulk(message))
        }
        #expect(receivers == 1)
        #expect(try c("PUBLISH", "news", "last") == .integer(1))
        #expect(try quick.reply().value.item(2) == .bulk("last"))
        try waitUntil("memory is back") {
            try Self.figure(c, "memory", "used_memory") < before + 1_000_000
        }
    }

    @Test func `filters and lists know listeners`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect(), listener = try server.connect()
        _ = try listener("SUBSCRIBE", "a", "b")
        _ = try listener.reply()
        _ = try listener("PSUBSCRIBE", "x*")
        _ = try listener("SSUBSCRIBE", "s")
        let list = try c("CLIENT", "LIST", "TYPE", "pubsub").text ?? ""
        #expect(list.contains(" flags=P ") && list.contains(" sub=2 psub=1 ssub=1 multi=-1 "))
        #expect(list.split(separator: "\n").count == 1)
        #expect(try c("CLIENT", "LIST", "TYPE", "normal").text?.contains("flags=P") == false)
        #expect(try listener("RESET") == .simple("RESET"))
        #expect(try listener("GET", "k") == .null)
        #expect(try c("PUBLISH", "a", "x") == .integer(0))
        _ = try listener("SUBSCRIBE", "a")
        #expect(try c("CLIENT", "KILL", "TYPE", "pubsub") == .integer(1))
        try waitUntil("it is gone") { try c("PUBLISH", "a", "x") == .integer(0) }
    }

    @Test func `messages to oneself come behind the reply, also from a transaction`() throws {
        let server = try EmbeddedServer()
        let c = try RESPClient(port: server.port, version: 3)
        _ = try c("SUBSCRIBE", "a")
        try c.write("PUBLISH a 1\r\nPING\r\nMULTI\r\nPUBLISH a 2\r\nPING\r\nEXEC\r\n")
        let got = try (0..<8).map { _ in try c.reply().value }
        func message(_ text: String) -> RESPValue {
            .push([.bulk("message"), .bulk("a"), .bulk(text)])
        }
        #expect(got[0] == .integer(1) && got[1] == message("1") && got[2] == .simple("PONG"))
        #expect(got[6] == .array([.integer(1), .simple("PONG")]) && got[7] == message("2"))
    }
}
