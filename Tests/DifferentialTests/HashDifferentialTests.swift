//  HashDifferentialTests.swift — hashes that change their encoding, here and on a real server.
//
//  Random commands with low limits and deadlines that are far away or long ago; after each the
//  encodings and the signatures of the values are compared.
import TestSupport
import Testing

@testable import Engine

@Suite("Hash encodings", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct HashDifferentialTests {
    private static let steps = Programs.environment("MARTLET_DIFF_STEPS").flatMap(Int.init) ?? 4000
    private static let seed =
        Programs.environment("MARTLET_DIFF_SEED").flatMap { UInt64($0) } ?? 1
    private static let stepsPerSequence = 200

    @Test(arguments: RESPVersion.allCases)
    func `encodings and values are those of a real server`(version: RESPVersion) throws {
        let pair = try Pair()
        _ = try send(["HELLO", "\(version.rawValue)"], pair)
        for seed in Self.seed..<Self.seed + UInt64(max(Self.steps / Self.stepsPerSequence, 1)) {
            var requests = HashRequests(seed: seed)
            var history = ["seed \(seed)"]
            for words in [
                ["FLUSHALL"], ["CONFIG", "SET", "hash-max-listpack-entries", "5"],
                ["CONFIG", "SET", "hash-max-listpack-value", "8"],
            ] {
                _ = try send(words, pair)
            }
            for _ in 0..<Self.stepsPerSequence {
                let words = requests.next()
                history.append(words.map { String($0.prefix(12)) }.joined(separator: " "))
                let (ours, theirs) = try send(words, pair)
                let isSame = Leniency.accepts(words.map { Array($0.utf8) }, ours, theirs)
                let states = try ["h", "g", "n"].map { try state(of: $0, pair) }
                if isSame, states.allSatisfy({ $0.0 == $0.1 }) { continue }
                Issue.record(
                    """
                    \(history.suffix(12).joined(separator: "\n"))
                    ours:   \(shown(ours.bytes)) \(states.map(\.0))
                    theirs: \(shown(theirs.bytes)) \(states.map(\.1))
                    """)
                return
            }
        }
    }

    private func send(
        _ words: [String], _ pair: Pair
    ) throws -> (ours: RawReply, theirs: RawReply) {
        try pair.send(words.map { Array($0.utf8) })
    }

    private func state(of key: String, _ pair: Pair) throws -> (String, String) {
        let encodings = try send(["OBJECT", "ENCODING", key], pair)
        let digests = try send(["DEBUG", "DIGEST-VALUE", key], pair)
        return (
            shown(encodings.ours.bytes) + shown(digests.ours.bytes),
            shown(encodings.theirs.bytes) + shown(digests.theirs.bytes)
        )
    }
}

/// Commands on a few hashes, most of them right.
private struct HashRequests {
    private var random: SeededRandom

    private static let fields = [
        "a", "b", "c", "1", "2", "-5", "a", "b", "c", "01", "", "field", "longerfield",
        String(repeating: "f", count: 4100), "9223372036854775807",
    ]
    private static let values = [
        "1", "2", "-7", "abc", "", "1.5", "9223372036854775807", "-9223372036854775808",
        "12345678", "123456789", "3.0e2", "70000", "9000000000",
        String(repeating: "v", count: 5000),
    ]
    private static let times: [String: [String]] = [
        "EX": ["100000", "200000", "0", "-1", "x", "9223372036854775807"],
        "PX": ["100000000", "0", "-5", "70368744177663"],
        "EXAT": ["4102444800", "1", "0", "70368744177", "70368744178"],
        "PXAT": ["4102444800000", "1", "-1", "70368744177663", "70368744177664"],
    ]

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    private mutating func one(_ of: [String]) -> String { of.randomElement(using: &random) ?? "" }
    private mutating func chance(_ n: Int) -> Bool { Int.random(in: 0..<n, using: &random) == 0 }
    private mutating func field() -> String { one(Self.fields) }

    private mutating func list() -> [String] {
        let n = [1, 1, 2, 3, 5].randomElement(using: &random) ?? 1
        let count = chance(20) ? one(["0", "x", "-1", "9", "9223372036854775808", ""]) : "\(n)"
        return [chance(30) ? "FIELD" : one(["FIELDS", "fields"]), count]
            + (0..<n).map { _ in field() }
    }

    private mutating func pairs() -> [String] {
        let n = [1, 1, 2, 3, 6].randomElement(using: &random) ?? 1
        var words: [String] = []
        for _ in 0..<n { words += [field(), one(Self.values)] }
        if chance(25) { words.removeLast() }
        return words
    }

    private mutating func lifetime() -> [String] {
        let unit = one(["EX", "PX", "EXAT", "PXAT"])
        return [unit, one(Self.times[unit] ?? [])]
    }

    mutating func next() -> [String] {
        let key = one(["h", "h", "h", "g", "n", "s"])
        switch Int.random(in: 0..<32, using: &random) {
        case 0..<5: return [one(["HSET", "HSET", "HMSET"]), key] + pairs()
        case 5: return ["HSETNX", key, field(), one(Self.values)]
        case 6..<9: return ["HDEL", key, field(), field()]
        case 9: return [one(["HGET", "HEXISTS", "HSTRLEN"]), key, field()]
        case 10: return ["HMGET", key, field(), field(), field()]
        case 11: return [one(["HGETALL", "HKEYS", "HVALS", "HLEN"]), key]
        case 12, 13:
            return [
                "HINCRBY", key, field(),
                one(["1", "-1", "9223372036854775807", "x", "-9223372036854775808", "1.0"]),
            ]
        case 14, 15:
            return [
                "HINCRBYFLOAT", key, field(),
                one(["1", "-1.5", "1e300", "x", "inf", "nan", "0.1", "1e-20", "1e5000"]),
            ]
        case 16..<20: return expire(key)
        case 20:
            return [one(["HPEXPIRETIME", "HEXPIRETIME", "HTTL", "HPTTL", "HPERSIST"]), key]
                + list()
        case 21..<24: return ["HGETEX", key] + (chance(4) ? ["PERSIST"] : lifetime()) + list()
        case 24: return ["HGETDEL", key] + list()
        case 25..<28: return setWithLifetime(key)
        case 28: return [one(["HSCAN", "HRANDFIELD"]), key, "0"]
        case 29: return other(key)
        case 30:
            return [
                "CONFIG", "SET", "hash-max-listpack-entries", one(["0", "1", "3", "5", "512"]),
            ]
        default:
            return ["CONFIG", "SET", "hash-max-listpack-value", one(["0", "4", "8", "64"])]
        }
    }

    private mutating func expire(_ key: String) -> [String] {
        let unit = one(["EX", "PX", "EXAT", "PXAT"])
        let names = ["EX": "HEXPIRE", "PX": "HPEXPIRE", "EXAT": "HEXPIREAT", "PXAT": "HPEXPIREAT"]
        return [names[unit] ?? "", key, one(Self.times[unit] ?? [])]
            + (chance(3) ? [one(["NX", "XX", "GT", "LT", "gt"])] : []) + list()
    }

    private mutating func setWithLifetime(_ key: String) -> [String] {
        let pairs = pairs()
        var options = [chance(3) ? [one(["FNX", "FXX"])] : []]
        options.append(chance(3) ? [] : chance(5) ? ["KEEPTTL"] : lifetime())
        if chance(20) { options.append([one(["FNX", "KEEPTTL", "EX", "PERSIST"])]) }
        options.shuffle(using: &random)
        let count = chance(20) ? one(["0", "x", "7", "2147483648"]) : "\(pairs.count / 2)"
        return ["HSETEX", key] + options.flatMap { $0 } + ["FIELDS", count] + pairs
    }

    private mutating func other(_ key: String) -> [String] {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: ["DEL", key]
        case 1: ["COPY", "h", "g", "REPLACE"]
        case 2: ["RENAME", "g", "h"]
        case 3: ["SET", "s", "text"]
        case 4: ["PERSIST", key]
        default: ["SORT", "list", "BY", "h->*", "GET", "g->a"]
        }
    }
}
