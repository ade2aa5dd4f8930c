//  RequestPeerTests.swift — the same bytes to us and to a real redis-server.
//
//  Without such a server the tests are skipped. Bytes 0 are left out: the real server takes them
//  for the end of what it received.
import TestSupport
import Testing

@testable import Engine

@Suite("Requests beside a real server", .enabled(if: PeerServer.exactBinary != nil))
struct RequestPeerTests {
    /// All that comes back for `input`, up to the end of the connection.
    private func conversation(_ port: Int, _ input: [UInt8]) throws -> String {
        let client = try RESPClient(port: port)
        try client.write(input)
        client.endOutput()
        return String(decoding: try client.readToEnd(), as: UTF8.self)
    }

    private func compare(
        _ inputs: [[UInt8]], _ ours: EmbeddedServer, _ theirs: PeerServer
    ) throws {
        for input in inputs {
            let reply = try conversation(ours.port, input)
            let expected = try conversation(theirs.port, input)
            #expect(reply == expected, "\(String(decoding: input.prefix(200), as: UTF8.self))")
        }
    }

    @Test func `Every fixture is answered alike`() throws {
        let inputs = RequestParserTests.fixtures.map(\.input).filter { !$0.contains(0) }
        try compare(inputs, try EmbeddedServer(), try PeerServer())
    }

    @Test func `Every malformed request is refused alike, behind good ones too`() throws {
        let malformed = RequestParserTests.malformed.map { Array($0.input.utf8) }
            .filter { !$0.contains(0) }
        let good = request(words("PING")) + Array("PING\r\n*0\r\nECHO 'a b'\n".utf8)
        try compare(
            malformed + malformed.map { good + $0 }, try EmbeddedServer(), try PeerServer())
    }

    @Test func `Limits are met at the same byte`() throws {
        let digits = [UInt8](repeating: 49, count: 70_000)
        let inputs: [[UInt8]] = ["", "*", "*1\r\n$", "*1\r\n"].flatMap { head in
            [65_535, 65_536, 65_537].map { Array(head.utf8) + digits[..<$0] }
        }
        try compare(inputs, try EmbeddedServer(), try PeerServer())
    }

    @Test func `Configured limits are met at the same byte`() throws {
        let ours = try EmbeddedServer()
        let theirs = try PeerServer()
        let setting = request(words("CONFIG", "SET", "proto-max-bulk-len", "1048576"))
        let inputs = ["*1\r\n$1048576\r\n", "*1\r\n$1048577\r\n"].map { Array($0.utf8) }
        try compare([setting] + inputs, ours, theirs)
    }

    @Test func `Before authentication the limits are the same`() throws {
        let ours = try EmbeddedServer { $0.requirePass = "secret" }
        let theirs = try PeerServer(version: 2, "--requirepass", "secret")
        let authenticate = request(words("AUTH", "secret"))
        let inputs = [
            "*10\r\n$4\r\nPING\r\n", "*11\r\n", "*1\r\n$16384\r\n", "*1\r\n$16385\r\n",
            "*2147483648\r\n", "*1\r\n$536870913\r\n", "A B C D E F G H I J K L M N O\r\n",
        ].map { Array($0.utf8) }
        try compare(
            inputs + inputs.map { authenticate + $0 } + inputs.map { $0 + authenticate }, ours,
            theirs)
    }

    @Test func `Random inline requests are split alike`() throws {
        let ours = try EmbeddedServer()
        let theirs = try PeerServer()
        var random = SeededRandom(seed: 7)
        let alphabet = Array("\"\"''\\\\ \t\rxabnrt09fFgG\u{b}\u{c}".utf8)
        let inputs: [[UInt8]] = (0..<1500).map { _ in
            Array("ECHO ".utf8)
                + (0..<Int.random(in: 0..<14, using: &random)).map { _ in
                    alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                } + [13, 10]
        }
        try compare(inputs, ours, theirs)
    }
}
