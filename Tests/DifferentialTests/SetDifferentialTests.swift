//  SetDifferentialTests.swift — sets here and on a real server, with limits so low that encodings
//  change all the time.
//
//  Members of tables come in another order, so replies with members are sorted before they are
//  compared. What chance decides here is done on the other side by name.
import TestSupport
import Testing

@Suite("Sets in step", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct SetDifferentialTests {
    private static let steps = Programs.environment("MARTLET_DIFF_STEPS").flatMap(Int.init) ?? 3000
    private static let seed =
        Programs.environment("MARTLET_DIFF_SEED").flatMap { UInt64($0) } ?? 1
    private static let stepsPerSequence = 200
    private static let keys = ["a", "b", "c", "d"]

    @Test(arguments: [2, 3])
    func `random requests leave the same sets`(version: Int) throws {
        let pair = try Pair()
        _ = try send(["HELLO", "\(version)"], pair)
        for seed in Self.seed..<Self.seed + UInt64(max(Self.steps / Self.stepsPerSequence, 1)) {
            var random = SeededRandom(seed: seed)
            var history = ["seed \(seed)"]
            for words in [["FLUSHALL"]] + Self.limits(&random) { _ = try send(words, pair) }
            for _ in 0..<Self.stepsPerSequence {
                let words = Self.request(&random)
                history.append(words.joined(separator: " "))
                var (ours, theirs) = try send(words, pair)
                if words[0] == "SPOP", !ours.isError {
                    // The real server loses the same members; the key may be a new set to it.
                    guard Self.shape(ours) == Self.shape(theirs) else {
                        return Self.fail(history, ours, theirs)
                    }
                    _ = try send(["DEL", words[1]], pair)
                    continue
                }
                if words[0] == "SRANDMEMBER", !ours.isError {
                    (ours, theirs) = (.simple(Self.shape(ours)), .simple(Self.shape(theirs)))
                }
                guard Self.normal(ours) == Self.normal(theirs) else {
                    return Self.fail(history, ours, theirs)
                }
                for key in Self.keys {
                    for look in [["OBJECT", "ENCODING", key], ["SMEMBERS", key]] {
                        let (ours, theirs) = try send(look, pair)
                        if Self.normal(ours) == Self.normal(theirs) { continue }
                        if words[0].hasSuffix("STORE"), key == words[1], look[0] == "OBJECT" {
                            // Which member of a table comes first decides, and chance which that is.
                            _ = try send(["DEL", key], pair)
                            continue
                        }
                        return Self.fail(history + [look.joined(separator: " ")], ours, theirs)
                    }
                }
            }
        }
    }

    @Test func `what remains of a set has the encoding that it has on a real server`() throws {
        let pair = try Pair()
        var random = SeededRandom(seed: Self.seed)
        for i in 0..<60 {
            let size = Int.random(in: 1...700, using: &random)
            let prefix = ["", "m", String(repeating: "long", count: 20)][i % 3]
            let members = (0..<size).map { "\(prefix)\($0)" }
            for words in [["DEL", "s"], ["SADD", "s"] + members] { _ = try send(words, pair) }
            let count = Int.random(in: 0...size, using: &random)
            let (ours, theirs) = try send(["SPOP", "s", "\(count)"], pair)
            #expect(Self.shape(ours) == Self.shape(theirs))
            for words in [["SCARD", "s"], ["OBJECT", "ENCODING", "s"]] {
                let (ours, theirs) = try send(words, pair)
                #expect(ours == theirs, "\(size) \(prefix) \(count)")
            }
            let left = try send(["SMEMBERS", "s"], pair).0
            let all = Set(ours.items.compactMap(\.text) + left.items.compactMap(\.text))
            #expect(all == Set(members))
        }
    }

    private func send(_ words: [String], _ pair: Pair) throws -> (RESPValue, RESPValue) {
        let (ours, theirs) = try pair.send(words.map { Array($0.utf8) })
        return (ours.value, theirs.value)
    }

    private static func fail(_ history: [String], _ ours: RESPValue, _ theirs: RESPValue) {
        Issue.record(
            """
            \(history.suffix(12).map { String($0.prefix(200)) }.joined(separator: "\n"))
            ours:   \(ours.description.prefix(400))
            theirs: \(theirs.description.prefix(400))
            """)
    }

    /// The reply with its elements sorted, those of nested ones too.
    private static func normal(_ reply: RESPValue) -> String {
        switch reply {
        case .array(let items): "[\(items.map(normal).sorted())]"
        case .set(let items): "~[\(items.map(normal).sorted())]"
        default: reply.description
        }
    }

    /// Type and length of the reply.
    private static func shape(_ reply: RESPValue) -> String {
        switch reply {
        case .array(let items): "array of \(items.count)"
        case .set(let items): "set of \(items.count)"
        case .bulk: "string"
        default: reply.description
        }
    }

    private static func limits(_ random: inout SeededRandom) -> [[String]] {
        [
            ["set-max-intset-entries", ["512", "0", "1", "3", "8"].randomElement(using: &random)],
            [
                "set-max-listpack-entries",
                ["128", "0", "1", "4", "9"].randomElement(using: &random),
            ],
            ["set-max-listpack-value", ["64", "0", "1", "3"].randomElement(using: &random)],
        ].map { ["CONFIG", "SET"] + $0.compactMap { $0 } }
    }

    private static func member(_ random: inout SeededRandom) -> String {
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<5: "\(Int.random(in: 0..<12, using: &random))"
        case 5:
            "\(Int64.random(in: .min ... .max, using: &random) >> Int64.random(in: 0...63, using: &random))"
        case 6: ["", "01", "-0", "+1", "9223372036854775808"].randomElement(using: &random) ?? ""
        case 7: String(repeating: "x", count: Int.random(in: 60...70, using: &random))
        default: String(UnicodeScalar(UInt8.random(in: 97...102, using: &random)))
        }
    }

    private static func request(_ random: inout SeededRandom) -> [String] {
        func key() -> String {
            Int.random(in: 0..<25, using: &random) == 0
                ? "missing" : keys.randomElement(using: &random) ?? "a"
        }
        func some(_ most: Int, _ make: () -> String) -> [String] {
            (0..<Int.random(in: 1...most, using: &random)).map { _ in make() }
        }
        let members = some(7) { member(&random) }
        let counts = [
            "0", "1", "3", "100", "-1", "-4", "9223372036854775807", "x",
            "-9223372036854775808",
        ]
        let count = counts.randomElement(using: &random) ?? "1"
        switch Int.random(in: 0..<30, using: &random) {
        case 0..<8: return ["SADD", key()] + members
        case 8..<11: return ["SREM", key()] + members
        case 11: return ["SMISMEMBER", key()] + members
        case 12: return ["SISMEMBER", key(), members[0]]
        case 13: return ["SCARD", key()]
        case 14..<16: return ["SMOVE", key(), key(), members[0]]
        case 16: return ["SINTER"] + some(3, key)
        case 17: return ["SINTERSTORE", key()] + some(3, key)
        case 18: return ["SUNION"] + some(3, key)
        case 19: return ["SUNIONSTORE", key()] + some(3, key)
        case 20: return ["SDIFF"] + some(3, key)
        case 21: return ["SDIFFSTORE", key()] + some(3, key)
        case 22:
            let sources = some(3, key)
            let numkeys = ["\(sources.count)", "0", "-1", "9", "x"].randomElement(using: &random)
            let limit = [[], ["LIMIT", count], ["LIMIT"], ["NOPE"]].randomElement(using: &random)
            return [
                "SINTERCARD", Bool.random(using: &random) ? "\(sources.count)" : numkeys ?? "1",
            ]
                + sources + (limit ?? [])
        case 23: return ["SPOP", key(), count]
        case 24: return ["SPOP", key()]
        case 25: return ["SRANDMEMBER", key(), count]
        case 26:
            let pattern = ["*", "1*", "[a-c]", "x*"].randomElement(using: &random) ?? "*"
            return ["SSCAN", key(), "0", "COUNT", "1000", "MATCH", pattern]
        case 27: return ["COPY", key(), key(), "REPLACE"]
        case 28: return ["SORT", key(), "ALPHA"]
        default:
            return [
                ["SET", "a", "text"], ["RPUSH", "missing", "x"], ["DEL", "missing"],
                ["EXPIRE", key(), "1000"], ["PERSIST", "b"], ["RENAME", key(), key()],
            ].randomElement(using: &random) ?? ["PING"]
        }
    }
}
