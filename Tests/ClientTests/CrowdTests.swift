//  CrowdTests.swift — clients by the thousand, most of them rude.
//
//  The server is a process of its own, so that its memory can be looked at and descriptors suffice.
import Platform
import TestSupport
import Testing

@Suite("Crowds", .serialized)
struct CrowdTests {
    /// Connections without a client around each.
    private final class Crowd {
        private var descriptors: [Int32] = []

        init(_ count: Int, port: Int) throws {
            for _ in 0..<count {
                descriptors.append(
                    try Socket.connect(address: "127.0.0.1", port: UInt16(clamping: port)))
            }
        }

        deinit { leave() }

        func leave(reset: Bool = false) {
            for descriptor in descriptors {
                if reset { Socket.setReset(descriptor) }
                Socket.close(descriptor)
            }
            descriptors = []
        }

        /// Has everyone send `text`, as far as sockets take it once they are connected.
        func send(_ text: String) throws {
            let bytes = Array(text.utf8)
            for descriptor in descriptors {
                try waitUntil("a connection", seconds: 60) {
                    Socket.write(descriptor, bytes.span) != Socket.wouldBlock
                }
            }
        }

        /// Waits until everyone has got `text` and nothing else.
        func expect(_ text: String) throws {
            let expected = Array(text.utf8)
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            for descriptor in descriptors {
                var got: [UInt8] = []
                try waitUntil("a reply", seconds: 60) {
                    var span = chunk.mutableSpan
                    let n = Socket.read(descriptor, into: &span)
                    if n > 0 { got += chunk[..<n] }
                    return got.count >= expected.count || n == 0 || n == Socket.broken
                }
                #expect(got == expected)
            }
        }
    }

    private static func figure(_ c: RESPClient, _ section: String, _ name: String) throws -> Int {
        let text = try c("INFO", section).text ?? ""
        let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix(name + ":") }
        return try #require(Int(line?.split(separator: ":").last ?? ""))
    }

    private static func expectAlone(_ c: RESPClient) throws {
        try waitUntil("the others are gone", seconds: 60) {
            try Self.figure(c, "clients", "connected_clients") == 1
        }
    }

    /// A run of ours, and its memory after the first client.
    private static func program(_ arguments: [String]) throws -> (Program, RESPClient, Int) {
        let program = try Program(["--save", ""] + arguments)
        let c = try program.connect()
        c.patience = 60
        let reply = try arguments.contains("--requirepass") ? c("AUTH", "secret") : c("PING")
        #expect(!reply.isError)
        return (program, c, try figure(c, "memory", "used_memory_rss"))
    }

    @Test func `ten thousand clients are served, listed and forgotten`() throws {
        let (program, c, before) = try Self.program(["--maxclients", "10100"])
        let count = 9_900
        let crowd = try Crowd(count, port: program.port)
        try crowd.send("PING\r\n")
        try crowd.expect("+PONG\r\n")
        #expect(try Self.figure(c, "clients", "connected_clients") == count + 1)
        let lines = try c("CLIENT", "LIST").text?.split(separator: "\n").count
        #expect(lines == count + 1)
        #expect(try c("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") == .integer(count))
        crowd.leave()
        try Self.expectAlone(c)
        #expect(try Self.figure(c, "memory", "used_memory_rss") < before + 32 << 20)
        #expect(try program.end() == 0)
    }

    @Test func `storms of connections pass`() throws {
        let (program, c, before) = try Self.program([])
        for round in 0..<20 {
            let crowd = try Crowd(400, port: program.port)
            if round % 3 > 0 {
                try crowd.send(round % 3 == 1 ? "PING\r\n" : "*3\r\n$3\r\nSET\r\n$1")
            }
            crowd.leave(reset: round % 2 == 0)
            #expect(try c("ECHO", "\(round)") == .bulk("\(round)"))
        }
        try Self.expectAlone(c)
        #expect(try Self.figure(c, "memory", "used_memory_rss") < before + 16 << 20)
        #expect(try program.end() == 0)
    }

    @Test(arguments: [
        "*1000000\r\n$536870912\r\n", "*2\r\n$536870912\r\n", "*10\r\n$16385\r\n",
    ])
    func `strangers who announce much are sent away`(text: String) throws {
        let (program, c, before) = try Self.program(["--requirepass", "secret"])
        let crowd = try Crowd(2000, port: program.port)
        try crowd.send(text)
        let what = text.hasPrefix("*1000000") ? "multibulk" : "bulk"
        try crowd.expect("-ERR Protocol error: unauthenticated \(what) length\r\n")
        try Self.expectAlone(c)
        #expect(try Self.figure(c, "memory", "used_memory_rss") < before + 16 << 20)
        #expect(try program.end() == 0)
    }

    @Test func `strangers who stay within their limits cost little and leave nothing`() throws {
        let (program, c, before) = try Self.program(["--requirepass", "secret"])
        let crowd = try Crowd(2000, port: program.port)
        try crowd.send("*10\r\n$16384\r\n" + String(repeating: "x", count: 16_000))
        #expect(try c("PING") == .simple("PONG"))
        try waitUntil("their bytes are there") {
            try Self.figure(c, "clients", "client_recent_max_input_buffer") >= 16_000
        }
        #expect(try Self.figure(c, "memory", "used_memory_rss") < before + 200 << 20)
        crowd.leave()
        try Self.expectAlone(c)
        try waitUntil("memory is back") {
            try Self.figure(c, "memory", "used_memory_rss") < before + 32 << 20
        }
        #expect(try program.end() == 0)
    }

    @Test func `clients who announce huge values hold what they send and no more`() throws {
        let (program, c, before) = try Self.program([])
        let crowd = try Crowd(2000, port: program.port)
        try crowd.send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nxyz")
        try crowd.send("xyz")
        for i in 0..<100 { #expect(try c("ECHO", "\(i)") == .bulk("\(i)")) }
        #expect(try Self.figure(c, "memory", "used_memory_rss") < before + 100 << 20)
        crowd.leave(reset: true)
        try Self.expectAlone(c)
        try waitUntil("memory is back") {
            try Self.figure(c, "memory", "used_memory_rss") < before + 32 << 20
        }
        #expect(try program.end() == 0)
    }

    @Test func `those who never read are closed, and the others do not notice`() throws {
        let (program, c, before) = try Self.program([
            "--client-output-buffer-limit", "normal 2mb 0 0",
        ])
        _ = try c("SET", "k", String(repeating: "v", count: 20_000))
        let crowd = try Crowd(50, port: program.port)
        let requests = String(repeating: "GET k\r\n", count: 1000)
        try crowd.send(requests)
        for i in 0..<100 { #expect(try c("ECHO", "\(i)") == .bulk("\(i)")) }
        try Self.expectAlone(c)
        try waitUntil("memory is back") {
            try Self.figure(c, "memory", "used_memory_rss") < before + 32 << 20
        }
        #expect(try program.end() == 0)
    }
}
