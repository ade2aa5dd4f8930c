//  CommandDifferentialTests.swift — random requests, here and on a real server, in lockstep.
//
//  MARTLET_DIFF_STEPS sets how many requests are sent in each protocol, MARTLET_DIFF_SEED where
//  to begin. A failure names the seed of its sequence and shows what led to it.
import TestSupport
import Testing

@testable import Engine

@Suite("Differential", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct CommandDifferentialTests {
    private static let stepsPerSequence = 200
    private static let steps = Programs.environment("MARTLET_DIFF_STEPS").flatMap(Int.init) ?? 8000
    private static let seed =
        Programs.environment("MARTLET_DIFF_SEED").flatMap { UInt64($0) } ?? 1
    private static let failuresMax = 40

    @Test(arguments: RESPVersion.allCases)
    func `random requests are answered as by a real server`(version: RESPVersion) throws {
        let pair = try Pair()
        var failures: Set<String> = []
        let sequences = UInt64(max(Self.steps / Self.stepsPerSequence, 1))
        for seed in Self.seed..<Self.seed + sequences {
            guard failures.count < Self.failuresMax else { return }
            guard let failure = try runSequence(seed, version, pair) else { continue }
            // One mistake shows in many sequences.
            if failures.insert(failure.kind).inserted {
                Issue.record("seed \(seed), RESP\(version.rawValue):\n\(failure.text)")
            }
        }
    }

    private func runSequence(
        _ seed: UInt64, _ version: RESPVersion, _ pair: Pair
    ) throws -> (kind: String, text: String)? {
        var requests = RandomRequests(seed: seed)
        for words in [["RESET"], ["FLUSHALL"], ["HELLO", "\(version.rawValue)"]] {
            _ = try pair.send(words.map { Array($0.utf8) })
        }
        var history: [String] = []
        for _ in 0..<Self.stepsPerSequence {
            let (name, words) = requests.next()
            history.append(words.map(shown).joined(separator: " "))
            let (ours, theirs) = try pair.send(words)
            if Leniency.accepts(name, ours, theirs) { continue }
            let led = history.suffix(12).joined(separator: "\n")
            return (
                "\(name) \(shown(theirs.bytes.prefix(20))) \(shown(ours.bytes.prefix(20)))",
                "\(led)\nours:   \(shown(ours.bytes))\ntheirs: \(shown(theirs.bytes))"
            )
        }
        return nil
    }

    /// Requests whose replies do not depend on anything, one connection for all.
    @Test(arguments: RESPVersion.allCases)
    func `DEBUG answers as a real server does`(version: RESPVersion) throws {
        let pair = try Pair()
        _ = try pair.send([Array("HELLO".utf8), Array("\(version.rawValue)".utf8)])
        let types = [
            "string", "integer", "double", "bignum", "null", "array", "set", "map", "attrib",
            "push", "verbatim", "true", "false", "nope",
        ]
        var requests = types.map { "DEBUG PROTOCOL \($0)" }
        requests += [
            "DEBUG", "DEBUG PROTOCOL", "DEBUG NOPE", "DEBUG STRINGMATCH-LEN 100 a*b",
            "DEBUG SLEEP 0", "DEBUG SLEEP", "DEBUG SET-ACTIVE-EXPIRE 1", "DEBUG POPULATE 3 p 10",
            "GET p:0", "GET p:2", "STRLEN p:1", "DBSIZE", "DEBUG POPULATE 2", "GET key:1",
            "DEBUG POPULATE x", "DEBUG POPULATE -1", "DEBUG POPULATE 1 a -1", "DEBUG ERROR E",
            "DEBUG OBJECT nope", "DEBUG OBJECT", "DEBUG LOG hello",
        ]
        for request in requests {
            let words = request.split(separator: " ").map { Array($0.utf8) }
            let (ours, theirs) = try pair.send(words)
            #expect(shown(ours.bytes) == shown(theirs.bytes), "\(request)")
        }
    }
}

/// Our server and a real one.
final class Pair {
    let server: EmbeddedServer
    let peer: PeerServer
    private let client: RESPClient

    init() throws {
        server = try EmbeddedServer()
        peer = try PeerServer()
        client = try server.connect()
    }

    func send(_ words: [[UInt8]]) throws -> (ours: RawReply, theirs: RawReply) {
        let request = RESPClient.request(words)
        try client.write(request)
        try peer.client.write(request)
        let theirs = try peer.client.reply()
        do {
            return (try client.reply(), theirs)
        } catch {
            throw TestFailure("\(error) to \(words.map(shown)), theirs: \(shown(theirs.bytes))")
        }
    }
}

/// Bytes for people: what is not printable is escaped, what is long is cut.
func shown(_ bytes: some Collection<UInt8>) -> String {
    var text = ""
    for byte in bytes.prefix(300) {
        switch byte {
        case 13: text += "\\r"
        case 10: text += "\\n"
        case 32...126: text.unicodeScalars.append(Unicode.Scalar(byte))
        default: text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
    }
    return "'" + text + (bytes.count > 300 ? "…(\(bytes.count))" : "") + "'"
}
