//  EventLoopTests.swift — clients in numbers, slow ones and rude ones, on every event loop.
//
//  What differs between the loops is who moves the bytes, and when: these scenarios are those in
//  which the difference could show.
import Engine
import Platform
import TestSupport
import Testing

extension EventLoop {
    /// Those that work here: sandboxes refuse io_uring.
    static let available: [EventLoop] =
        Poller.Kind.ioUring.isAvailable ? [.epoll, .ioUring] : [.epoll]
}

@Suite("Event loops")
struct EventLoopTests {
    private static func server(
        _ loop: EventLoop, _ configure: (inout Configuration) -> Void = { _ in }
    ) throws -> EmbeddedServer {
        try EmbeddedServer {
            $0.eventLoop = loop
            configure(&$0)
        }
    }

    /// So many letters that are not the same everywhere.
    private static func value(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ $0 >> 11) & 15 &+ 97) }
    }

    private static func set(_ c: RESPClient, _ key: String, _ value: [UInt8]) throws {
        let reply = try c.send([Array("SET".utf8), Array(key.utf8), value])
        #expect(reply.value == .simple("OK"))
    }

    private static func bulk(_ value: [UInt8]) -> [UInt8] {
        Array("$\(value.count)\r\n".utf8) + value + [13, 10]
    }

    private static func connectedClients(_ c: RESPClient) throws -> Int {
        let text = try c("INFO", "clients").text ?? ""
        let line = text.split(whereSeparator: \.isNewline).first {
            $0.hasPrefix("connected_clients:")
        }
        return Int(line?.split(separator: ":").last ?? "") ?? -1
    }

    private static func expectAlone(_ server: EmbeddedServer) throws {
        let c = try server.connect()
        try waitUntil("the others are gone") { try connectedClients(c) == 1 }
    }

    @Test(arguments: EventLoop.available)
    func `INFO names the event loop, and CONFIG cannot change it`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let client = try server.connect()
        let text = try client("INFO", "server").text ?? ""
        #expect(text.contains("multiplexing_api:\(loop.rawValue)\r\n"))
        #expect(
            try client("CONFIG", "GET", "event-loop")
                == .array([.bulk("event-loop"), .bulk(loop.rawValue)]))
        #expect(try client("CONFIG", "SET", "event-loop", "auto").isError)
    }

    @Test(arguments: EventLoop.available)
    func `many clients with pipelines get their own replies in order`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let clients = try (0..<100).map { _ in try server.connect() }
        for round in 0..<3 {
            for (i, c) in clients.enumerated() {
                let requests = (0..<50).map { _ in "INCR counter:\(i)\r\nECHO \(i)\r\n" }
                try c.write(requests.joined())
            }
            for (i, c) in clients.enumerated() {
                let expected = (1...50).flatMap {
                    [RESPValue.integer(round * 50 + $0), .bulk("\(i)")]
                }
                #expect(try c.replies(100) == expected)
            }
        }
    }

    @Test(arguments: EventLoop.available)
    func `clients that are ready together look up a large table`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let clients = try (0..<100).map { _ in try server.connect() }
        let busy = try server.connect()
        _ = try busy("DEBUG", "POPULATE", "200000")
        for round in 0..<10 {
            // All of them write while the server is busy; some go away, one selects.
            try busy.write("DEBUG SLEEP 0.05\r\n")
            for (i, c) in clients.enumerated() {
                let key = "key:\(i * 1999)"
                switch i % 5 {
                case 0: try c.write(RESPClient.request("GET", key))
                case 1: try c.write("GET \(key)\r\n")
                case 2: try c.write(RESPClient.request("SET", "new:\(i)", "\(round)"))
                case 3: try c.write(Array(RESPClient.request("GET", key).dropLast(5)))
                default: try c.write(RESPClient.request("SELECT", "\(round % 3)"))
                }
            }
            #expect(try busy.reply().value == .simple("OK"))
            for (i, c) in clients.enumerated() {
                if i % 5 == 3 {
                    #expect(try c.replyIfAny() == nil)
                    try c.write(Array(RESPClient.request("GET", "key:\(i * 1999)").suffix(5)))
                }
                let isStored = i % 5 < 2 || i % 5 == 3
                let expected: RESPValue = isStored ? .bulk("value:\(i * 1999)") : .simple("OK")
                #expect(try c.reply().value == expected, "\(round) \(i)")
            }
        }
    }

    @Test(arguments: EventLoop.available)
    func `more clients at once than there are buffers are all served`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let clients = try (0..<400).map { _ in try server.connect() }
        // The server is busy while all of them write.
        let busy = try server.connect()
        try busy.write("DEBUG SLEEP 0.3\r\n")
        for (i, c) in clients.enumerated() { try c.write("ECHO \(i)\r\n") }
        for (i, c) in clients.enumerated() { #expect(try c.reply().value == .bulk("\(i)")) }
        #expect(try busy.reply().value == .simple("OK"))
    }

    @Test(arguments: EventLoop.available)
    func `several clients that send much at once do not mix`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let clients = try (0..<8).map { _ in try server.connect() }
        let busy = try server.connect()
        try busy.write("DEBUG SLEEP 0.2\r\n")
        let values = (0..<8).map { i in [UInt8](repeating: UInt8(97 + i), count: 700_000 + i) }
        for round in 0..<2 {
            for (i, c) in clients.enumerated() {
                let words = [Array("SET".utf8), Array("big:\(i)".utf8), values[i]]
                try c.write(RESPClient.request(words))
                try c.write("STRLEN big:\(i)\r\n")
            }
            for (i, c) in clients.enumerated() {
                let expected: [RESPValue] = [.simple("OK"), .integer(values[i].count)]
                #expect(try c.replies(2) == expected, "\(round)")
                let reply = try c.send([Array("GET".utf8), Array("big:\(i)".utf8)])
                #expect(reply.bytes == Self.bulk(values[i]))
            }
        }
    }

    @Test(arguments: EventLoop.available)
    func `large replies reach a slow reader whole and in order`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let c = try server.connect(), other = try server.connect()
        let value = Self.value(3_000_000)
        try Self.set(c, "k", value)
        try c.write(String(repeating: "GET k\r\nPING\r\n", count: 5))
        // Replies of later turns queue behind what the socket did not take.
        for i in 0..<20 {
            #expect(try other("ECHO", "\(i)") == .bulk("\(i)"))
            try c.write("ECHO \(i)\r\n")
        }
        for _ in 0..<5 {
            #expect(try c.reply().bytes == Self.bulk(value))
            #expect(try c.reply().value == .simple("PONG"))
        }
        for i in 0..<20 { #expect(try c.reply().value == .bulk("\(i)")) }
        #expect(try c("PING") == .simple("PONG"))
    }

    @Test(arguments: EventLoop.available)
    func `requests in single bytes and across buffers are put together`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let c = try server.connect(), other = try server.connect()
        for byte in RESPClient.request("SET", "key", "value") {
            try c.write([byte])
            #expect(try other("PING") == .simple("PONG"))
        }
        #expect(try c.reply().value == .simple("OK"))
        for count in [16_383, 16_384, 16_385, 65_536, 1_000_000] {
            let value = Self.value(count)
            try Self.set(c, "k", value)
            #expect(try c.send([Array("GET".utf8), Array("k".utf8)]).bytes == Self.bulk(value))
        }
    }

    @Test(arguments: EventLoop.available)
    func `a client that has ended its side gets its replies`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        // The last ones are served over several turns, and the end is seen before that.
        for count in [1, 100, 10_000, 400_000] {
            let c = try server.connect()
            try c.write(String(repeating: "PING\r\n", count: count))
            c.endOutput()
            let expected = Array(String(repeating: "+PONG\r\n", count: count).utf8)
            #expect(try c.readToEnd() == expected)
        }
        let value = Self.value(1_000_000)
        let c = try server.connect()
        try Self.set(c, "k", value)
        try c.write(String(repeating: "GET k\r\n", count: 20))
        c.endOutput()
        let expected = repeatElement(Self.bulk(value), count: 20).flatMap { $0 }
        #expect(try c.readToEnd() == expected)
        try Self.expectAlone(server)
    }

    @Test(arguments: EventLoop.available)
    func `QUIT behind a large reply closes when all of it is sent`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let value = Self.value(5_000_000)
        for request in ["GET k\r\nQUIT\r\n", "GET k\r\nQUIT\r\nPING\r\n"] {
            let c = try server.connect(), other = try server.connect()
            try Self.set(c, "k", value)
            try c.write(request)
            for _ in 0..<5 { #expect(try other("PING") == .simple("PONG")) }
            #expect(try c.readToEnd() == Self.bulk(value) + Array("+OK\r\n".utf8))
        }
    }

    @Test(arguments: EventLoop.available)
    func `clients that vanish leave nothing behind`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let first = try server.connect()
        try Self.set(first, "k", Self.value(2_000_000))
        first.close()
        for i in 0..<120 {
            let c = try server.connect()
            switch i % 4 {
            case 0: try c.write("*2\r\n$3\r\nGET\r\n$1")
            case 1: try c.write("GET k\r\nGET k\r\nGET k\r\n")
            case 2: try c.write("PING\r\n")
            default: break
            }
            if i % 8 < 4 { Socket.setReset(c.descriptor) }
            c.close()
        }
        try Self.expectAlone(server)
    }

    @Test(arguments: EventLoop.available)
    func `a slow reader that vanishes or is killed takes nobody along`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let other = try server.connect()
        try Self.set(other, "k", Self.value(4_000_000))
        for i in 0..<10 {
            let slow = try server.connect()
            let id = try #require(try slow("CLIENT", "ID").integer)
            try slow.write(String(repeating: "GET k\r\n", count: 4))
            #expect(try other("PING") == .simple("PONG"))
            if i % 2 == 0 {
                #expect(try other("CLIENT", "KILL", "ID", "\(id)") == .integer(1))
            }
            slow.close()
            // The next client gets the same place, and none of the bytes.
            let next = try server.connect()
            #expect(try next("ECHO", "\(i)") == .bulk("\(i)"))
            next.close()
        }
        other.close()
        try Self.expectAlone(server)
    }

    @Test(arguments: EventLoop.available)
    func `what a killed client sends is not taken for its successor's`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let other = try server.connect()
        for i in 0..<10 {
            let old = try server.connect()
            let id = try #require(try old("CLIENT", "ID").integer)
            // While the server is busy, someone knocks who will get the place of the old client,
            // and the old client's last words arrive.
            try other.write("DEBUG SLEEP 0.05\r\nCLIENT KILL ID \(id)\r\n")
            let new = try server.connect()
            try? old.write("PING\r\n")
            #expect(try other.replies(2) == [.simple("OK"), .integer(1)])
            #expect(try new("ECHO", "\(i)") == .bulk("\(i)"))
            new.close()
        }
    }

    @Test(arguments: EventLoop.available)
    func `a reader that is too slow is closed at the limit`(loop: EventLoop) throws {
        let server = try Self.server(loop) {
            $0.outputBufferLimits.normal = OutputBufferLimit(
                hardBytes: 1_000_000, softBytes: 0, softSeconds: 0)
        }
        let c = try server.connect()
        try Self.set(c, "k", Self.value(900_000))
        try c.write(String(repeating: "GET k\r\n", count: 40))
        #expect(try c.readToEnd().count < 36_000_000)
        #expect(server.log.contains("closed for overcoming of output buffer limits"))
        try Self.expectAlone(server)
    }

    @Test(arguments: EventLoop.available)
    func `clients that reconnect for every request are served`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        for i in 0..<1000 {
            let c = try server.connect()
            #expect(try c("ECHO", "\(i)") == .bulk("\(i)"))
            if i % 3 == 0 { #expect(try c("QUIT") == .simple("OK")) }
            c.close()
        }
        for _ in 0..<3 {
            let many = try (0..<200).map { _ in try server.connect() }
            for c in many { try c.write("PING\r\n") }
            for c in many { #expect(try c.reply().value == .simple("PONG")) }
            for c in many { c.close() }
        }
        try Self.expectAlone(server)
    }

    @Test(arguments: EventLoop.available)
    func `the listener moves, and clients stay`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let c = try server.connect()
        let (probe, free) = try Self.freePort()
        Socket.close(probe)
        #expect(try c("CONFIG", "SET", "port", "\(free)") == .simple("OK"))
        try waitUntil("the new port is open") {
            (try? RESPClient(port: free)("PING")) == .simple("PONG")
        }
        #expect(throws: (any Error).self) { _ = try RESPClient(port: server.port)("PING") }
        #expect(try c("PING") == .simple("PONG"))
    }

    private static func freePort() throws -> (Int32, Int) {
        let probe = try Socket.listen(address: "127.0.0.1", port: 0, backlog: 1)
        return (probe, Int(Socket.port(of: probe)))
    }

    @Test(arguments: EventLoop.available)
    func `a server that stops ends its connections and frees its port`(loop: EventLoop) throws {
        let server = try Self.server(loop)
        let clients = try (0..<20).map { _ in try server.connect() }
        for c in clients { #expect(try c("PING") == .simple("PONG")) }
        server.stop()
        for c in clients { #expect(try c.readToEnd().isEmpty) }
        let again = try Socket.listen(
            address: "127.0.0.1", port: UInt16(server.port), backlog: 1)
        Socket.close(again)
    }
}
