//  PubSubDifferentialTests.swift — what listeners and publishers get here and from a real server.
import TestSupport
import Testing

@Suite("Pub/Sub in step", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct PubSubDifferentialTests {
    private static let steps = Programs.environment("MARTLET_DIFF_STEPS").flatMap(Int.init) ?? 3000
    private static let seed =
        Programs.environment("MARTLET_DIFF_SEED").flatMap { UInt64($0) } ?? 1
    private static let stepsPerSequence = 60

    @Test(arguments: [[2, 2, 2], [3, 3, 3], [2, 3, 2], [3, 2, 3]])
    func `listeners get the same messages`(versions: [Int]) throws {
        let server = try EmbeddedServer(), peer = try PeerServer()
        for seed in Self.seed..<Self.seed + UInt64(max(Self.steps / Self.stepsPerSequence, 1)) {
            var random = SeededRandom(seed: seed)
            var ours = try Side(port: server.port, versions: versions)
            var theirs = try Side(port: peer.port, versions: versions)
            defer {
                ours.close()
                theirs.close()
            }
            var history = ["seed \(seed), \(versions)"]
            for _ in 0..<Self.stepsPerSequence {
                let i = Int.random(in: 0..<3, using: &random)
                let words = Self.request(&random)
                history.append("\(i): \(words.joined(separator: " "))")
                var a = [try ours.send(i, words)], b = [try theirs.send(i, words)]
                for k in 0..<3 where k != i {
                    a.append(try ours.drain(k))
                    b.append(try theirs.drain(k))
                }
                // Several names at once come in the order of a table.
                if words.count == 1 || words[0].hasPrefix("PUBSUB") || words[0] == "PUBLISH" {
                    a = a.map(Self.unordered)
                    b = b.map(Self.unordered)
                }
                if a == b { continue }
                Issue.record(
                    """
                    \(history.suffix(16).joined(separator: "\n"))
                    ours:   \(a)
                    theirs: \(b)
                    """)
                return
            }
        }
        server.stop()
    }

    /// The replies without their order; the counts at the end of confirmations follow from that.
    private static func unordered(_ replies: [String]) -> [String] {
        replies.map { reply in
            guard reply.contains("subscribe\\r"), replies.count > 1 else { return reply }
            return String(reply.prefix(upTo: reply.lastIndex(of: ":") ?? reply.endIndex))
        }.sorted()
    }

    private static func request(_ random: inout SeededRandom) -> [String] {
        func some<T>(_ choices: [T]) -> T {
            choices[Int.random(in: 0..<choices.count, using: &random)]
        }
        let channel = some(["a", "b", "news.1", "news.2", ""])
        let pattern = some(["*", "news.*", "n?ws.1", "[ab]"])
        switch Int.random(in: 0..<24, using: &random) {
        case 0..<3: return ["SUBSCRIBE", channel] + some([[], ["a"], [channel]])
        case 3: return ["UNSUBSCRIBE", channel]
        case 4: return ["PSUBSCRIBE", pattern]
        case 5: return ["PUNSUBSCRIBE", pattern]
        case 6: return ["SSUBSCRIBE", channel]
        case 7: return ["SUNSUBSCRIBE", channel]
        case 8: return [some(["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"])]
        case 9..<14: return ["PUBLISH", channel, "message"]
        case 14, 15: return ["SPUBLISH", channel, "message"]
        case 16: return ["PUBSUB", "NUMSUB", "a", "b", channel]
        case 17: return ["PUBSUB", "SHARDNUMSUB", "a", channel]
        case 18: return ["PUBSUB", "NUMPAT"]
        case 19: return ["PUBSUB", some(["CHANNELS", "SHARDCHANNELS"]), some(["a", "b", "x*"])]
        case 20: return some([["PING"], ["GET", "k"], ["SET", "k", "v"], ["ECHO", "x"]])
        case 21:
            return some([
                ["SUBSCRIBE"], ["PUBLISH", "a"], ["PUBSUB", "NOSUCH"], ["PING", "x", "y"],
            ])
        case 22: return ["PUBSUB", "CHANNELS", "a", "b"]
        default: return ["CLIENT", "GETNAME"]
        }
    }
}
