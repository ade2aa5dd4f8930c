//  BlockingDifferentialTests.swift — several clients that wait, here and on a real server.
//
//  After each request both servers are left to settle: a client either has its reply or waits. Who
//  was answered, and with what, must be the same.
import TestSupport
import Testing

@testable import Engine

@Suite("Blocking in step", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct BlockingDifferentialTests {
    private static let steps = Programs.environment("MARTLET_DIFF_STEPS").flatMap(Int.init) ?? 2000
    private static let seed =
        Programs.environment("MARTLET_DIFF_SEED").flatMap { UInt64($0) } ?? 1
    private static let stepsPerSequence = 60
    private static let clientCount = 7

    /// One server with its clients.
    private final class Side {
        private let control: RESPClient
        private let clients: [RESPClient]
        private var pending: Set<Int> = []

        init(port: Int) throws {
            control = try RESPClient(port: port)
            clients = try (0..<clientCount).map { _ in try RESPClient(port: port) }
        }

        var idle: [Int] { clients.indices.filter { !pending.contains($0) } }

        func reset() throws -> [String] {
            _ = try control("FLUSHALL")
            for client in pending {
                let id = try ids()[client]
                _ = try control("CLIENT", "UNBLOCK", id)
            }
            let replies = try settle()
            for client in clients { _ = try client("SELECT", "0") }
            return replies
        }

        private var names: [String] = []

        private func ids() throws -> [String] { names }

        /// Remembers the ids of the clients, while none of them waits.
        func learnIDs() throws {
            names = try clients.map { "\(try $0("CLIENT", "ID").integer ?? 0)" }
        }

        func unblock(_ i: Int, _ how: String) throws -> String {
            try control("CLIENT", "UNBLOCK", names[i], how).description
        }

        func send(_ i: Int, _ words: [String]) throws {
            try clients[i].write(RESPClient.request(words))
            pending.insert(i)
        }

        /// Waits until every client has its reply or waits; returns the replies.
        func settle() throws -> [String] {
            var replies: [String] = []
            try waitUntil("all is quiet") {
                for i in pending.sorted() {
                    guard let reply = try clients[i].replyIfAny() else { continue }
                    pending.remove(i)
                    replies.append("client \(i): \(reply.value)")
                }
                let info = try control("INFO", "clients").text ?? ""
                return info.contains("\r\nblocked_clients:\(pending.count)\r\n")
            }
            return replies.sorted()
        }

        func state() throws -> String {
            let info = try control("INFO", "clients").text ?? ""
            let keys = info.split(whereSeparator: \.isNewline).first {
                $0.hasPrefix("total_blocking_keys:")
            }
            let lists = try ["a", "b", "c"].map { try control("LRANGE", $0, "0", "-1").description }
            return "\(keys ?? "") \(lists) \(try control("DBSIZE"))"
        }
    }

    @Test func `the same clients are served with the same elements`() throws {
        let server = try EmbeddedServer(), peer = try PeerServer()
        let ours = try Side(port: server.port), theirs = try Side(port: peer.port)
        try ours.learnIDs()
        try theirs.learnIDs()
        for seed in Self.seed..<Self.seed + UInt64(max(Self.steps / Self.stepsPerSequence, 1)) {
            var random = SeededRandom(seed: seed)
            #expect(try ours.reset() == theirs.reset())
            var history: [String] = []
            for _ in 0..<Self.stepsPerSequence {
                if ours.idle.count < 2 || Int.random(in: 0..<12, using: &random) == 0 {
                    let i = Int.random(in: 0..<Self.clientCount, using: &random)
                    let how = Bool.random(using: &random) ? "TIMEOUT" : "ERROR"
                    history.append("unblock \(i) \(how)")
                    #expect(try ours.unblock(i, how) == theirs.unblock(i, how))
                } else {
                    let i = ours.idle.randomElement(using: &random) ?? 0
                    var words = Self.request(&random)
                    // In which order the keys of a whole database are served is chance.
                    if words[0] == "SWAPDB", ours.idle.count < Self.clientCount - 1 {
                        words = ["PING"]
                    }
                    history.append("\(i): \(words.joined(separator: " "))")
                    try ours.send(i, words)
                    try theirs.send(i, words)
                }
                let (a, b) = (try ours.settle(), try theirs.settle())
                let (x, y) = (try ours.state(), try theirs.state())
                if a == b, x == y { continue }
                Issue.record(
                    """
                    seed \(seed):
                    \(history.suffix(20).joined(separator: "\n"))
                    ours:   \(a) \(x)
                    theirs: \(b) \(y)
                    """)
                return
            }
        }
        server.stop()
    }

    private static func request(_ random: inout SeededRandom) -> [String] {
        let keys = ["a", "b", "c"]
        func key() -> String { keys.randomElement(using: &random) ?? "a" }
        func end() -> String { Bool.random(using: &random) ? "LEFT" : "RIGHT" }
        func elements() -> [String] {
            (0..<Int.random(in: 1...3, using: &random)).map { _ in
                "\(Int.random(in: 0...99, using: &random))"
            }
        }
        switch Int.random(in: 0..<26, using: &random) {
        case 0...2: return ["BLPOP", key(), key(), "0"]
        case 3: return ["BRPOP", key(), "d", "0"]
        case 4, 5: return ["BLMOVE", key(), key(), end(), end(), "0"]
        case 6: return ["BRPOPLPUSH", key(), key(), "0"]
        case 7, 8: return ["BLMPOP", "0", "2", key(), key(), end(), "COUNT", "2"]
        case 9: return ["RPOPLPUSH", key(), key()]
        case 10...14: return [Bool.random(using: &random) ? "LPUSH" : "RPUSH", key()] + elements()
        case 15: return ["DEL", key()]
        case 16: return ["SET", key(), "text"]
        case 17: return ["RENAME", key(), key()]
        case 18: return ["COPY", key(), key(), "REPLACE"]
        case 19: return ["MOVE", key(), "1"]
        case 20: return ["SWAPDB", "0", "1"]
        case 21: return ["SELECT", Int.random(in: 0..<4, using: &random) == 0 ? "1" : "0"]
        case 22: return ["LMOVE", key(), key(), end(), end()]
        // A list stored over a string wakes nobody there, so the target is one or nothing.
        case 23: return ["SORT", key(), "BY", "x", "STORE", "d"]
        case 24: return ["LINSERT", key(), "BEFORE", "1", "2"]
        default: return ["LPOP", key()]
        }
    }
}
