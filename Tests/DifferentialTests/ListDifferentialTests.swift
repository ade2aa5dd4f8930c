//  ListDifferentialTests.swift — where the elements of large lists are, here and on a real server.
//
//  Random edits with limits of all kinds; after each the encoding and the number and size of the
//  chunks are compared, which decide when a list changes its encoding back.
import TestSupport
import Testing

@testable import Engine

@Suite("List chunks", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct ListDifferentialTests {
    private static let steps = Programs.environment("MARTLET_DIFF_STEPS").flatMap(Int.init) ?? 3000
    private static let seed =
        Programs.environment("MARTLET_DIFF_SEED").flatMap { UInt64($0) } ?? 1
    private static let limits = ["-2", "-1", "-3", "-5", "-9", "0", "1", "2", "5", "128", "3000"]
    private static let stepsPerSequence = 150

    @Test func `chunks split, merge and go as on a real server`() throws {
        let pair = try Pair()
        for seed in Self.seed..<Self.seed + UInt64(max(Self.steps / Self.stepsPerSequence, 1)) {
            var random = SeededRandom(seed: seed)
            let limit = Self.limits.randomElement(using: &random) ?? "-2"
            let sizes = Self.sizes(&random)
            var history = ["limit \(limit), seed \(seed)"]
            let depth = ["0", "1", "2"].randomElement(using: &random) ?? "0"
            for words in [
                ["FLUSHALL"], ["CONFIG", "SET", "list-max-listpack-size", limit],
                ["CONFIG", "SET", "list-compress-depth", depth],
            ] {
                _ = try send(words, pair)
            }
            for _ in 0..<Self.stepsPerSequence {
                let words = Self.request(&random, sizes)
                history.append(
                    words.map { String($0.prefix(12)) + "(\($0.utf8.count))" }.joined(
                        separator: " "))
                let (ours, theirs) = try send(words, pair)
                let states = try ["a", "b"].map { try state(of: $0, pair) }
                if ours == theirs, states.allSatisfy({ $0.0 == $0.1 }) { continue }
                Issue.record(
                    """
                    \(history.suffix(10).joined(separator: "\n"))
                    ours:   \(ours.prefix(80)) \(states.map(\.0))
                    theirs: \(theirs.prefix(80)) \(states.map(\.1))
                    """)
                return
            }
            let all = try send(["LRANGE", "a", "0", "-1"], pair)
            #expect(all.0 == all.1, "seed \(seed)")
        }
    }

    private func send(_ words: [String], _ pair: Pair) throws -> (String, String) {
        let (ours, theirs) = try pair.send(words.map { Array($0.utf8) })
        return (ours.value.description, theirs.value.description)
    }

    /// The encoding of a list, and what DEBUG OBJECT tells of its chunks, on both servers.
    private func state(of key: String, _ pair: Pair) throws -> (String, String) {
        let encodings = try send(["OBJECT", "ENCODING", key], pair)
        let objects = try send(["DEBUG", "OBJECT", key], pair)
        let chunks = { (text: String) in
            text.split(separator: " ").filter { $0.hasPrefix("ql_") }.joined(separator: " ")
        }
        return (encodings.0 + chunks(objects.0), encodings.1 + chunks(objects.1))
    }

    /// Lengths of elements, short ones or all kinds.
    private static func sizes(_ random: inout SeededRandom) -> [Int] {
        let all = [
            [0, 1, 3], [20, 63, 64], [100, 500, 1000, 4095, 4096], [2000, 5000, 9000, 70_000],
        ]
        let chosen = all.filter { _ in Bool.random(using: &random) }
        return chosen.isEmpty ? [1, 10, 1000, 9000] : chosen.flatMap { $0 }
    }

    private static func element(_ random: inout SeededRandom, _ sizes: [Int]) -> String {
        if Int.random(in: 0..<3, using: &random) == 0 {
            return
                "\(Int64.random(in: .min ... .max, using: &random) >> Int64.random(in: 0...63, using: &random))"
        }
        let letter = ["a", "b", "c"].randomElement(using: &random) ?? "a"
        return String(repeating: letter, count: sizes.randomElement(using: &random) ?? 1)
    }

    private static func request(_ random: inout SeededRandom, _ sizes: [Int]) -> [String] {
        let key = Int.random(in: 0..<5, using: &random) == 0 ? "b" : "a"
        let index = "\(Int.random(in: -60...60, using: &random))"
        let value = element(&random, sizes), pivot = element(&random, sizes)
        let end = Bool.random(using: &random) ? "LEFT" : "RIGHT"
        let isHead = Bool.random(using: &random)
        switch Int.random(in: 0..<24, using: &random) {
        case 0..<8:
            let n = Int.random(in: 1...12, using: &random)
            return [isHead ? "LPUSH" : "RPUSH", key]
                + (0..<n).map { _ in element(&random, sizes) }
        case 8..<13:
            return ["LINSERT", key, isHead ? "BEFORE" : "AFTER", pivot, value]
        case 13..<17: return ["LSET", key, index, value]
        case 17: return ["LREM", key, "\(Int.random(in: -3...3, using: &random))", pivot]
        case 18:
            return [
                "LTRIM", key, "\(Int.random(in: 0...8, using: &random))",
                "-\(Int.random(in: 1...8, using: &random))",
            ]
        case 19:
            return [isHead ? "LPOP" : "RPOP", key, "\(Int.random(in: 1...30, using: &random))"]
        case 20: return [isHead ? "LPOP" : "RPOP", key]
        case 21: return ["LMOVE", key, "a", end, isHead ? "LEFT" : "RIGHT"]
        case 22: return ["COPY", "a", "b", "REPLACE"]
        default: return ["LINDEX", key, index]
        }
    }
}
