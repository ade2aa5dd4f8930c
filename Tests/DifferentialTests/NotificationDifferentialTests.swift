//  NotificationDifferentialTests.swift — keyspace events of random requests, here and on a real
//  server, in name and order.
import TestSupport
import Testing

@testable import Engine

@Suite("Events in step", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct NotificationDifferentialTests {
    private static let stepsPerSequence = 150
    private static let steps = Programs.environment("MARTLET_DIFF_STEPS").flatMap(Int.init) ?? 6000
    private static let seed =
        Programs.environment("MARTLET_DIFF_SEED").flatMap { UInt64($0) } ?? 1

    /// One who hears of all events.
    private final class Listener {
        private let client: RESPClient
        private var marks = 0

        init(_ client: RESPClient) throws {
            self.client = client
            _ = try client("PSUBSCRIBE", "__key*__:*")
        }

        /// The channel and the message of each event so far.
        func events() throws -> [String] {
            marks += 1
            try client.write("PING mark:\(marks)\r\n")
            var events: [String] = []
            while true {
                let items = try client.reply().value.items
                if items.count == 2 { return events }
                events.append(items.dropFirst(2).map { $0.text ?? "" }.joined(separator: " "))
            }
        }
    }

    @Test func `the same events come in the same order`() throws {
        let pair = try Pair()
        let words = ["CONFIG", "SET", "notify-keyspace-events", "KEAnmoc"].map { Array($0.utf8) }
        let (ours, theirs) = try pair.send(words)
        #expect(ours.bytes == theirs.bytes)
        let listeners = try (
            Listener(pair.server.connect()), Listener(RESPClient(port: pair.peer.port))
        )
        var failures: Set<String> = []
        for seed in Self.seed..<Self.seed + UInt64(max(Self.steps / Self.stepsPerSequence, 1)) {
            var requests = RandomRequests(seed: seed)
            for words in [["RESET"], ["FLUSHALL"]] {
                _ = try pair.send(words.map { Array($0.utf8) })
            }
            var history: [String] = []
            for _ in 0..<Self.stepsPerSequence {
                let words = requests.next()
                history.append(words.map(shown).joined(separator: " "))
                let (ours, theirs) = try pair.send(words)
                var a = try listeners.0.events(), b = try listeners.1.events()
                // Members of a set are looked at in an order of each server's own.
                if shown(words[0]).lowercased().contains("sort") {
                    a.sort()
                    b.sort()
                }
                if a == b, Leniency.accepts(words, ours, theirs) { continue }
                if a == b { break }
                let name = words[0].map { UInt8($0 & 0xDF) }
                guard failures.insert(shown(name)).inserted else { break }
                Issue.record(
                    """
                    seed \(seed):
                    \(history.suffix(6).joined(separator: "\n"))
                    ours:   \(a)
                    theirs: \(b)
                    """)
                break
            }
        }
    }
}
