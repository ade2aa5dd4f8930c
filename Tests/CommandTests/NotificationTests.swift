//  NotificationTests.swift — changes of keys as messages, when they are due and to whom.
import Engine
import TestSupport
import Testing

@Suite("Keyspace notifications")
struct NotificationTests {
    @Test func `only the chosen classes are published`() throws {
        let server = try EmbeddedServer { $0.notifyKeyspaceEvents = "E$" }
        let c = try server.connect(), listener = try server.connect()
        _ = try listener("PSUBSCRIBE", "__key*__:*")
        _ = try c("RPUSH", "l", "1")
        _ = try c("SET", "k", "1")
        #expect(
            try listener.reply().value
                == .array([
                    .bulk("pmessage"), .bulk("__key*__:*"), .bulk("__keyevent@0__:set"),
                    .bulk("k"),
                ]))
        _ = try c("CONFIG", "SET", "notify-keyspace-events", "Kl")
        _ = try c("SET", "k", "2")
        _ = try c("SELECT", "3")
        _ = try c("RPUSH", "l", "1")
        #expect(
            try listener.reply().value
                == .array([
                    .bulk("pmessage"), .bulk("__key*__:*"), .bulk("__keyspace@3__:l"),
                    .bulk("rpush"),
                ]))
        _ = try c("CONFIG", "SET", "notify-keyspace-events", "")
        _ = try c("RPUSH", "l", "1")
        _ = try c("PUBLISH", "__keyend__:", "end")
        #expect(try listener.reply().value.item(3) == .bulk("end"))
    }

    @Test(arguments: EventLoop.available)
    func `expired and evicted keys are told of without anybody asking`(loop: EventLoop) throws {
        let server = try EmbeddedServer {
            $0.eventLoop = loop
            $0.notifyKeyspaceEvents = "Exe"
        }
        let c = try server.connect(), listener = try server.connect()
        _ = try listener("SUBSCRIBE", "__keyevent@0__:expired")
        for i in 0..<20 { _ = try c("SET", "k\(i)", "1", "PX", "\(10 + i)") }
        let keys = try (0..<20).compactMap { _ in try listener.reply().value.item(2)?.text }
        #expect(Set(keys) == Set((0..<20).map { "k\($0)" }))
        let evictions = try server.connect()
        _ = try evictions("SUBSCRIBE", "__keyevent@0__:evicted")
        for i in 0..<200 { _ = try c("SET", "e\(i)", String(repeating: "x", count: 1000)) }
        _ = try c("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        _ = try c("CONFIG", "SET", "maxmemory", "1")
        #expect(try evictions.reply().value.item(2)?.text?.hasPrefix("e") == true)
    }

    @Test func `events of a transaction come behind its replies`() throws {
        let server = try EmbeddedServer { $0.notifyKeyspaceEvents = "K$" }
        let c = try RESPClient(port: server.port, version: 3)
        _ = try c("PSUBSCRIBE", "__keyspace*")
        try c.write("MULTI\r\nSET a 1\r\nSET b 2\r\nEXEC\r\n")
        let got = try (0..<6).map { _ in try c.reply().value }
        #expect(got[3] == .array([.simple("OK"), .simple("OK")]))
        #expect(got[4].items.last == .bulk("set") && got[5].items.last == .bulk("set"))
    }
}
