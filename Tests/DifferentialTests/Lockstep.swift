//  Lockstep.swift — random requests of one family, here and on a real server, one by one.
import TestSupport
import Testing

/// Sequences of requests that both servers must answer alike, and that must leave the same data.
struct Lockstep {
    static let seed = Programs.environment("MARTLET_DIFF_SEED").flatMap { UInt64($0) } ?? 1

    /// How many sequences make about `steps` steps, or as many as the environment asks for.
    static func sequences(of length: Int, steps: Int) -> Int {
        max((Programs.environment("MARTLET_DIFF_STEPS").flatMap(Int.init) ?? steps) / length, 1)
    }

    let pair: Pair
    /// Sent in front of each sequence.
    var setup: [String] = []
    /// Sent after each request; what they show must be the same.
    var looks: [[String]] = []
    /// Whether two replies that are not the same are as good as each other.
    var agrees: (RawReply, RawReply) -> Bool = { _, _ in false }

    init(version: Int) throws {
        pair = try Pair()
        _ = try pair.send(Self.words("HELLO \(version)"))
    }

    static func words(_ text: String) -> [[UInt8]] {
        text.split(separator: " ").map { Array($0.utf8) }
    }

    static func words(_ words: [String]) -> [[UInt8]] { words.map { Array($0.utf8) } }

    /// Runs a sequence; false after a difference, which it reports.
    func run(
        _ seed: UInt64, length: Int, _ request: (inout SeededRandom) -> [[UInt8]]
    ) throws -> Bool {
        var random = SeededRandom(seed: seed)
        var history = ["seed \(seed)"]
        for text in ["FLUSHALL"] + setup { _ = try pair.send(Self.words(text)) }
        for _ in 0..<length {
            let words = request(&random)
            history.append(words.map(shown).joined(separator: " "))
            guard try compare(words, history) else { return false }
            for look in looks where try !compare(Self.words(look), history + [look.description]) {
                return false
            }
        }
        return true
    }

    /// Sends requests that are written out; reports each that is answered otherwise.
    func check(_ requests: [String]) throws {
        for request in requests {
            let words = Self.words(request)
            let (ours, theirs) = try pair.send(words)
            #expect(shown(ours.bytes) == shown(theirs.bytes), "\(request)")
        }
    }

    private func compare(_ words: [[UInt8]], _ history: [String]) throws -> Bool {
        let (ours, theirs) = try pair.send(words)
        if ours.bytes == theirs.bytes || agrees(ours, theirs) { return true }
        Issue.record(
            """
            \(history.suffix(10).joined(separator: "\n"))
            ours:   \(shown(ours.bytes))
            theirs: \(shown(theirs.bytes))
            """)
        return false
    }
}

extension SeededRandom {
    mutating func some<T>(_ choices: [T]) -> T {
        choices[Int.random(in: 0..<choices.count, using: &self)]
    }

    mutating func below(_ n: Int) -> Int { Int.random(in: 0..<n, using: &self) }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
    }
}
