//  TrackingDifferentialTests.swift — invalidations and MONITOR, here and from a real server.
import TestSupport
import Testing

@Suite("Tracking in step", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct TrackingDifferentialTests {
    private static let steps = Programs.environment("MARTLET_DIFF_STEPS").flatMap(Int.init) ?? 3000
    private static let seed =
        Programs.environment("MARTLET_DIFF_SEED").flatMap { UInt64($0) } ?? 1
    private static let stepsPerSequence = 60

    @Test(arguments: [[3, 3, 3, 3], [3, 2, 2, 2], [2, 3, 2, 2]])
    func `readers hear of the same changes`(versions: [Int]) throws {
        let server = try EmbeddedServer(), peer = try PeerServer()
        for seed in Self.seed..<Self.seed + UInt64(max(Self.steps / Self.stepsPerSequence, 1)) {
            var random = SeededRandom(seed: seed)
            var ours = try Side(port: server.port, versions: versions)
            var theirs = try Side(port: peer.port, versions: versions)
            defer {
                ours.close()
                theirs.close()
            }
            // Martlet forgets what was read when nobody tracks any more, Redis does not.
            _ = try ours.send(3, ["CLIENT", "TRACKING", "ON"])
            _ = try theirs.send(3, ["CLIENT", "TRACKING", "ON"])
            var history = ["seed \(seed), \(versions)"]
            for _ in 0..<Self.stepsPerSequence {
                let i = Int.random(in: 0..<3, using: &random)
                var requests = [Self.request(&random)]
                if Int.random(in: 0..<10, using: &random) == 0 {
                    requests = (0..<3).map { _ in Self.request(&random) }
                    // Redis tells the client itself as its options are at the end, Martlet at once.
                    requests.removeAll { $0[0].hasPrefix("FLUSH") || $0.contains("TRACKING") }
                    requests = [["MULTI"]] + requests + [["EXEC"]]
                }
                let lines = requests.map { $0.joined(separator: " ") }
                history.append("\(i): \(lines.joined(separator: ", "))")
                var a = try ours.sendToAll(i, requests: requests)
                var b = try theirs.sendToAll(i, requests: requests)
                // Redis tells the client itself before it answers, Martlet behind the answer; and
                // Redis may send the null of RESP3 to a listener that speaks RESP2.
                if requests[0][0].hasPrefix("FLUSH") {
                    a = a.map { $0.map(Self.withNull).sorted() }
                    b = b.map { $0.map(Self.withNull).sorted() }
                }
                if a == b { continue }
                Issue.record(
                    """
                    \(history.joined(separator: "\n"))
                    ours:   \(a)
                    theirs: \(b)
                    """)
                return
            }
        }
        server.stop()
    }

    private static func withNull(_ reply: String) -> String {
        guard reply.contains("invalidate"), reply.hasSuffix("\\n_\\r\\n'") else { return reply }
        return reply.dropLast(6) + "$-1\\r\\n'"
    }

    private static func request(_ random: inout SeededRandom) -> [String] {
        func some<T>(_ choices: [T]) -> T {
            choices[Int.random(in: 0..<choices.count, using: &random)]
        }
        let key = some(["a:1", "a:2", "b:1", "b:2", "c"])
        let other = some(["a:1", "a:2", "b:1", "b:2", "c"])
        switch Int.random(in: 0..<30, using: &random) {
        case 0: return ["CLIENT", "TRACKING", "ON"]
        case 1: return ["CLIENT", "TRACKING", "ON", "NOLOOP"]
        case 2: return ["CLIENT", "TRACKING", "ON", some(["OPTIN", "OPTOUT"])]
        case 3: return ["CLIENT", "TRACKING", "ON", "BCAST"] + some([[], ["NOLOOP"]])
        case 4:
            return ["CLIENT", "TRACKING", "ON", "BCAST"]
                + some([["PREFIX", "a:"], ["PREFIX", "b:", "PREFIX", "c"], ["PREFIX", "a:1"]])
                + some([[], ["NOLOOP"]])
        case 5: return ["CLIENT", "TRACKING", "ON", "REDIRECT", "@2"] + some([[], ["NOLOOP"]])
        case 6, 7: return ["CLIENT", "TRACKING", "OFF"]
        case 8: return ["CLIENT", "CACHING", some(["YES", "NO"])]
        case 9: return ["SUBSCRIBE", "__redis__:invalidate"]
        case 10: return ["UNSUBSCRIBE"]
        case 11: return [some(["FLUSHALL", "FLUSHDB"])]
        case 12, 13: return [some(["EXEC", "RESET"])]
        case 14..<18: return ["GET", key]
        case 18: return ["MGET", key, other]
        case 19: return ["EXISTS", key, other]
        case 20: return ["SMEMBERS", key]
        case 21..<24: return ["SET", key, "v"]
        case 24: return ["MSET", key, "1", other, "2"]
        case 25: return ["DEL", key, other]
        case 26: return ["RENAME", key, other]
        case 27: return ["INCR", key]
        case 28: return ["SADD", key, "m"]
        default: return [some(["NOSUCH", "GET", "PING"])]
        }
    }

    @Test func `a monitor sees the same requests`() throws {
        let server = try EmbeddedServer(), peer = try PeerServer()
        var ours = try Side(port: server.port, versions: [2, 3, 2])
        var theirs = try Side(port: peer.port, versions: [2, 3, 2])
        let requests: [(Int, [String])] = [
            (1, ["SET", "k \"\\\n\r\t\u{7}\u{8}\u{1}é", "v"]), (1, ["GET"]),
            (1, ["NOSUCH", "x"]), (1, ["AUTH", "x"]), (1, ["AUTH", "x", "y"]),
            (1, ["CLIENT", "SETNAME", "n"]),
            (1, ["CONFIG", "GET", "maxmemory"]), (1, ["SELECT", "2"]), (1, ["SELECT", "0"]),
            (0, ["PING"]), (0, ["GET", "k"]), (0, ["SET", "k", "v"]), (0, ["PUBLISH", "a", "b"]),
            (2, ["MONITOR"]), (1, ["GET", "k"]),
            (2, ["RESET"]), (1, ["GET", "k"]), (0, ["RESET"]), (0, ["GET", "k"]),
        ]
        let transactions = [
            "MULTI, SET k 1, INCR k, EXEC", "MULTI, NOSUCH, EXEC", "MULTI, DISCARD",
        ]
        for line in ["MONITOR", "MULTI, MONITOR, EXEC"] + transactions {
            let commands = line.split(separator: ", ").map {
                $0.split(separator: " ").map(String.init)
            }
            let i = line == "MONITOR" ? 0 : 2
            let a = try ours.sendToAll(i, requests: commands).map { Self.withoutTime($0) }
            let b = try theirs.sendToAll(i, requests: commands).map { Self.withoutTime($0) }
            #expect(a == b, "\(line)")
        }
        for (i, words) in requests {
            let a = try ours.sendToAll(i, words).map { Self.withoutTime($0) }
            let b = try theirs.sendToAll(i, words).map { Self.withoutTime($0) }
            #expect(a == b, "\(words)")
        }
    }

    /// Lines of MONITOR without the time and the address, and without the tests' own PINGs, which
    /// come when they like.
    private static func withoutTime(_ replies: [String]) -> [String] {
        replies.compactMap { reply in
            guard let end = reply.firstIndex(of: "]"), reply.contains(" [") else { return reply }
            if reply.contains("mark:") { return nil }
            return reply.drop { $0 != "[" }.prefix { $0 != " " } + String(reply[end...])
        }
    }
}
