//  TransactionDifferentialTests.swift — two clients' transactions here and on a real server.
//
//  One client watches, queues and executes while the other changes keys under its feet, so every
//  reason for which EXEC does nothing comes up, and every one that is none.
import TestSupport
import Testing

@Suite("Transactions in step", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct TransactionDifferentialTests {
    private static let steps = Programs.environment("MARTLET_DIFF_STEPS").flatMap(Int.init) ?? 6000
    private static let seed =
        Programs.environment("MARTLET_DIFF_SEED").flatMap { UInt64($0) } ?? 1
    private static let stepsPerSequence = 150

    @Test(arguments: [2, 3])
    func `the same transactions run and fail`(version: Int) throws {
        let server = try EmbeddedServer(), peer = try PeerServer()
        let ours = try [server.connect(), server.connect()]
        let theirs = [peer.client, try RESPClient(port: peer.port)]
        for client in ours + theirs { _ = try client("HELLO", "\(version)") }
        for seed in Self.seed..<Self.seed + UInt64(max(Self.steps / Self.stepsPerSequence, 1)) {
            var random = SeededRandom(seed: seed)
            var history = ["seed \(seed)"]
            for client in ours + theirs {
                for words in [["UNWATCH"], ["DISCARD"], ["SELECT", "0"], ["FLUSHALL"]] {
                    _ = try client.send(words)
                }
            }
            for _ in 0..<Self.stepsPerSequence {
                let i = Int.random(in: 0..<3, using: &random) == 0 ? 1 : 0
                let words = Self.request(&random)
                history.append("\(i): \(words.joined(separator: " "))")
                let bytes = words.map { Array($0.utf8) }
                let a = try ours[i].send(bytes), b = try theirs[i].send(bytes)
                if a.bytes == b.bytes { continue }
                Issue.record(
                    """
                    \(history.suffix(16).joined(separator: "\n"))
                    ours:   \(shown(a.bytes))
                    theirs: \(shown(b.bytes))
                    """)
                return
            }
        }
        server.stop()
    }

    private static func request(_ random: inout SeededRandom) -> [String] {
        func some<T>(_ choices: [T]) -> T {
            choices[Int.random(in: 0..<choices.count, using: &random)]
        }
        let key = some(["a", "b", "c", "d"]), other = some(["a", "b", "c", "d"])
        switch Int.random(in: 0..<40, using: &random) {
        case 0..<5: return ["MULTI"]
        case 5..<10: return ["EXEC"]
        case 10: return ["DISCARD"]
        case 11..<15: return ["WATCH", key] + some([[], [other]])
        case 15: return ["UNWATCH"]
        case 16: return some([["NOSUCH", key], ["GET"], ["CONFIG", "NOSUCH"], ["SET", key]])
        case 17: return ["SELECT", some(["0", "0", "1"])]
        case 18:
            return some([["FLUSHALL"], ["FLUSHDB"], ["SWAPDB", "0", "1"], ["SWAPDB", "0", "0"]])
        case 19: return ["RENAME", key, other]
        case 20: return ["COPY", key, other, "REPLACE"]
        case 21: return ["PEXPIRE", key, some(["100000", "-1"])]
        case 22: return ["PERSIST", key]
        case 23: return ["MOVE", key, "1"]
        case 24: return ["BLPOP", key, "0.001"]
        case 25: return ["RPUSH", key, "x"]
        case 26: return ["LPOP", key]
        case 27: return ["DEL", key, other]
        case 28: return ["SETNX", key, "1"]
        case 29: return ["TOUCH", key]
        case 30: return ["INCR", key]
        case 31: return ["SADD", key, "m"]
        case 32: return ["SREM", key, "m"]
        case 34: return ["GETEX", key, "PERSIST"]
        default: return some([["SET", key, "1"], ["GET", key], ["APPEND", key, "2"]])
        }
    }

    @Test func `the error texts are the same`() throws {
        let pair = try Pair()
        for words in [
            ["EXEC"], ["DISCARD"], ["MULTI"], ["MULTI"], ["WATCH", "k"], ["SHUTDOWN"], ["EXEC"],
            ["MULTI"], ["NOSUCH"], ["SET", "k", "1"], ["EXEC"], ["GET", "k"], ["MULTI"], ["EXEC"],
            ["MULTI"], ["SET", "k", "1"], ["INCRBY", "k", "x"], ["LPUSH", "k", "1"], ["EXEC"],
            ["MULTI"], ["RESET"], ["PING"], ["EXEC"],
            ["MULTI", "x"], ["EXEC", "x"], ["WATCH"], ["UNWATCH", "x"],
        ] {
            let (ours, theirs) = try pair.send(words.map { Array($0.utf8) })
            #expect(ours.bytes == theirs.bytes, "\(words)")
        }
    }
}
