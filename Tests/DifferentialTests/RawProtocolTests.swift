//  RawProtocolTests.swift — bytes that are hardly requests, here and on a real server.
//
//  Each input is sent to both as it is and followed by a PING, then the sending side is closed:
//  whether the server hung up, waits for more or goes on shows in what it answers until the end.
//  Ours gets every input a second time in two pieces, split at every byte.
import TestSupport
import Testing

@testable import Engine

@Suite("Raw protocol", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct RawProtocolTests {
    static let inputs: [String] = [
        // Counts of words.
        "*2147483648\r\n", "*9223372036854775808\r\n",
        "*01\r\n$4\r\nPING\r\n", "*+1\r\n", "* 1\r\n", "*1 \r\n$4\r\nPING\r\n", "*-1\r\nPING\r\n",
        "*0\r\nPING\r\n", "*\r\n", "*\r\nPING\r\n", "*abc\r\n", "*1\n$4\nPING\n\r\n",
        "*1\rx$4\r\nPING\r\n", "*-2147483648\r\nPING\r\n",
        "*3", "*3\r", "*3\r\n",
        // Lengths of words.
        "*1\r\nX4\r\n", "*1\r\nX", "*1\r\n\u{1}\r\n", "*1\r\n$-1\r\n", "*1\r\n$\r\n",
        "*1\r\n$04\r\nPING\r\n", "*1\r\n$+4\r\nPING\r\n", "*1\r\n$4 \r\nPING\r\n",
        "*1\r\n$536870913\r\n", "*1\r\n$4294967296\r\n", "*1\r\n$9223372036854775808\r\n",
        "*1\r\n$abc\r\n", "*1\r\n$0\r\n\r\n", "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
        "*1\r\n$4\r\nPING\r\n*1\r\nY", "*1\r\nY\r\n", "*1\r\n:4\r\nPING\r\n", "*1\r\n\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n", "*2\r\n$3\r\nGET\r\n",
        // What stands behind a word is counted, not read.
        "*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n", "*1\r\n$4\r\nPING\n\r*1\r\n$4\r\nPING\r\n",
        // Lines of words.
        "PING\n", "PING\r\n\r\nPING\r\n", "\r\n\r\n", "\n\n", " \r\n", "  PING   \"a b\" \r\n",
        "ECHO 'a\\'b'\r\n", "ECHO \"\\x41\\n\"\r\n", "ECHO \"\\xzz\"\r\n", "ECHO \"a\\\"b\"\r\n",
        "ECHO \"a\"b\r\n", "ECHO a\"b\"\r\n", "ECHO 'a'b\r\n", "\"abc\r\n", "'abc\r\n",
        "ECHO \"\\\r\n",
        "ECHO \"\"\r\n", "ECHO ''\r\n", "ECHO\ta\r\n", "ECHO a\u{b}b\r\n", "ECHO a\u{c}b\r\n",
        "PING\rPING\r\n",
        "ECHO \"\\a\\b\\t\\r\\n\\\\\"\r\n",
        "ECHO '\\n'\r\n", "PING\r\n*1\r\n$4\r\nPING\r\nPING\r\n", "$4\r\nPING\r\n", "+PING\r\n",
        "ping x y z\r\n", "é\r\n", "GET / HTTP/1.1\r\nA: b\r\n\r\n",
        "POST / HTTP/1.1\r\n", "Host: x\r\n",
        // Names of commands and subcommands.
        "*1\r\n$0\r\n\r\nPING\r\n", "*2\r\n$6\r\nCLIENT\r\n$0\r\n\r\n", "CLIENT\r\n",
        "CLIENT NOPE\r\n",
        "CLIENT  ID x\r\n", "OBJECT\r\n", "CONFIG NOPE x\r\n", "*1\r\n$3\r\n\r\n\r\r\n",
        // The end of the connection, and silence.
        "QUIT\r\nPING\r\n", "QUIT now\r\n", "*1\r\n$4\r\nQUIT\r\n*1\r\n",
        "PING\r\nQUIT\r\nSET a b\r\n",
        "CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\n",
        "CLIENT REPLY SKIP\r\nPING\r\nPING\r\n",
        "CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nPING\r\nPING\r\n",
        "CLIENT REPLY OFF\r\nCLIENT REPLY SKIP\r\nPING\r\nCLIENT REPLY ON\r\n",
        "CLIENT REPLY SKIP\r\nCLIENT REPLY OFF\r\nPING\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\n",
        "CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nPING\r\n", "CLIENT REPLY NOPE\r\nPING\r\n",
        "CLIENT REPLY SKIP\r\nNOPE\r\nPING\r\n", "CLIENT REPLY OFF\r\n*1\r\nX\r\n",
        "CLIENT REPLY SKIP\r\n*1\r\nX\r\n", "CLIENT REPLY SKIP\r\nGET\r\nGET\r\n",
        "CLIENT REPLY OFF\r\nRESET\r\nPING\r\n", "CLIENT REPLY OFF\r\nQUIT\r\n",
        "CLIENT REPLY SKIP\r\nQUIT\r\nPING\r\n", "CLIENT KILL ID 999999\r\nCLIENT KILL ID x\r\n",
        "CLIENT KILL ID 0\r\nCLIENT KILL ID -1\r\nCLIENT KILL nope\r\nCLIENT KILL\r\n",
        "CLIENT KILL TYPE nope\r\nCLIENT KILL USER nope\r\nCLIENT KILL ID 1 SKIPME x\r\n",
        "CLIENT KILL ADDR 1.2.3.4:5 LADDR x\r\nCLIENT KILL MAXAGE x\r\nCLIENT KILL MAXAGE 0\r\n",
        "CLIENT KILL MAXAGE 9223372036854775807\r\nCLIENT KILL TYPE pubsub\r\nCLIENT KILL NOPE 1\r\n",
        "CLIENT KILL ID 1 ADDR\r\nPING\r\n",
        "CLIENT KILL TYPE replica SKIPME no\r\nPING\r\n",

        // Both protocols.
        "HELLO 2 x\r\nGET nope\r\nHELLO 1\r\nHELLO x\r\nHELLO 3 SETNAME\r\nGET nope\r\n",
        "SHUTDOWN ABORT\r\nSHUTDOWN NOPE\r\nSHUTDOWN SAVE NOSAVE\r\nSHUTDOWN ABORT NOW\r\n",
    ]

    /// The same for inputs too long to write down.
    static let longInputs: [(name: String, bytes: [UInt8])] = [
        ("a count without an end", Array("*".utf8) + [UInt8](repeating: 0x31, count: 70_000)),
        (
            "a length without an end",
            Array("*1\r\n$".utf8) + [UInt8](repeating: 0x31, count: 70_000)
        ),
        ("a line without an end", [UInt8](repeating: 0x78, count: 70_000)),
        ("a long line", Array("ECHO ".utf8) + [UInt8](repeating: 0x78, count: 60_000) + [13, 10]),
        ("a long name", [UInt8](repeating: 0x78, count: 300) + [13, 10]),
        (
            "long arguments of an unknown command",
            Array("nope ".utf8) + [UInt8](repeating: 0x78, count: 100) + [32]
                + [UInt8](repeating: 0x79, count: 100) + Array(" z\r\n".utf8)
        ),
        (
            "many arguments of an unknown command",
            Array(("nope" + String(repeating: " a", count: 100) + "\r\n").utf8)
        ),
        ("bytes of no encoding", [0xFF, 0xFE, 13, 10]),
        ("a length of no encoding", Array("*1\r\n".utf8) + [0xFF, 13, 10]),
        ("a name with every byte", RESPClient.request([[UInt8](0...255)])),
        (
            "a subcommand with every byte",
            RESPClient.request([Array("CLIENT".utf8), [UInt8](0...255)])
        ),
    ]

    private static let ping = Array("\r\n*1\r\n$4\r\nPING\r\n".utf8)

    private static var all: [(name: String, bytes: [UInt8])] {
        inputs.map { (shown(Array($0.utf8)), Array($0.utf8)) } + longInputs
    }

    @Test func `odd input is answered as by a real server`() throws {
        let server = try EmbeddedServer()
        let peer = try PeerServer()
        for (name, input) in Self.all {
            for bytes in [input, input + Self.ping] {
                let ours = try Self.answer(to: [bytes], try server.connect())
                let theirs = try Self.answer(to: [bytes], try RESPClient(port: peer.port))
                #expect(shown(ours) == shown(theirs), "\(name)")
            }
        }
    }

    @Test func `where input is split makes no difference`() throws {
        let server = try EmbeddedServer()
        // One loop serves both: once it has answered here, it has read there.
        let barrier = try server.connect()
        for (name, input) in Self.all where input.count < 400 {
            let bytes = input + Self.ping
            let whole = try Self.answer(to: [bytes], try server.connect())
            for i in 1..<bytes.count {
                let pieces = [Array(bytes[..<i]), Array(bytes[i...])]
                let answer = try Self.answer(to: pieces, try server.connect(), barrier)
                #expect(shown(answer) == shown(whole), "\(name) split at \(i)")
            }
        }
    }

    /// Everything that comes back for `pieces`, up to the end of the connection.
    private static func answer(
        to pieces: [[UInt8]], _ client: RESPClient, _ barrier: RESPClient? = nil
    ) throws -> [UInt8] {
        for (i, piece) in pieces.enumerated() {
            // A server that has hung up already does not take the rest.
            do { try client.write(piece) } catch { break }
            if i + 1 < pieces.count { _ = try barrier?("PING") }
        }
        client.endOutput()
        return try client.readToEnd()
    }
}
