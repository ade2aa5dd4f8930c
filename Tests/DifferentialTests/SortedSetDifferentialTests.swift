//  SortedSetDifferentialTests.swift — sorted sets here and on a real server, with limits so low that
//  encodings change all the time.
//
//  Order is part of the data, so replies are compared as they are, and after each step every sorted
//  set as a whole. Ranges of names are only asked for where all scores are the same.
import TestSupport
import Testing

@Suite("Sorted sets in step", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct SortedSetDifferentialTests {
    private static let steps = Programs.environment("MARTLET_DIFF_STEPS").flatMap(Int.init) ?? 4000
    private static let seed =
        Programs.environment("MARTLET_DIFF_SEED").flatMap { UInt64($0) } ?? 1
    private static let stepsPerSequence = 200
    private static let keys = ["a", "b", "c", "d"]
    /// Here every member has the score 0.
    private static let even = "even"

    @Test(arguments: [2, 3])
    func `random requests leave the same sorted sets`(version: Int) throws {
        let pair = try Pair()
        _ = try send(["HELLO", "\(version)"], pair)
        for seed in Self.seed..<Self.seed + UInt64(max(Self.steps / Self.stepsPerSequence, 1)) {
            var random = SeededRandom(seed: seed)
            var history = ["seed \(seed)"]
            for words in [["FLUSHALL"]] + Self.limits(&random) { _ = try send(words, pair) }
            for _ in 0..<Self.stepsPerSequence {
                let words = Self.request(&random)
                history.append(words.joined(separator: " "))
                let (ours, theirs) = try send(words, pair)
                let isByChance = words[0] == "ZRANDMEMBER" && !ours.value.isError
                guard
                    isByChance
                        ? Self.shape(ours.value) == Self.shape(theirs.value)
                        : ours.bytes == theirs.bytes || Self.isWalk(words, ours, theirs)
                else { return Self.fail(history, ours, theirs) }
                for look in Self.looks {
                    let (ours, theirs) = try send(look, pair)
                    if ours.bytes == theirs.bytes { continue }
                    return Self.fail(history + [look.joined(separator: " ")], ours, theirs)
                }
            }
        }
    }

    @Test(arguments: [2, 3])
    func `scores are read and shown as on a real server`(version: Int) throws {
        let pair = try Pair()
        _ = try send(["HELLO", "\(version)"], pair)
        var random = SeededRandom(seed: Self.seed)
        var texts = [
            "0", "-0", "0.0", "-0.0", "00012", "1.", ".5", "-.5", ".", "-", "", "+1", "1e5", "1E-5",
            "1e400", "1e-400", "inf", "-inf", "+inf", "infinity", "nan", "-nan", "0x10", " 1", "1 ",
            "1e", "1.2.3", "3.0000000000000000001", "9007199254740993", "4503599627370496.5",
            "123456789012345678", "1234567890123456789", "0.1", "0.30000000000000004", "1e22",
            "1e21", "123456789.123456789", "(1", "[1", "5e-324", "1.7976931348623157e308",
        ]
        for _ in 0..<400 {
            let bits = UInt64.random(in: .min ... .max, using: &random)
            texts.append("\(Double(bitPattern: bits))")
            texts.append("\(Double(Int64.random(in: -100_000...100_000, using: &random)) / 1000)")
        }
        for limit in ["128", "0"] {
            _ = try send(["CONFIG", "SET", "zset-max-listpack-entries", limit], pair)
            for text in texts {
                var hasLongDigits = false
                for words in [
                    ["ZADD", "k", text, "m"], ["ZINCRBY", "k", text, "m"], ["ZSCORE", "k", "m"],
                    ["ZRANGE", "k", "0", "-1", "WITHSCORES"], ["ZCOUNT", "k", text, "(" + text],
                    ["ZRANGEBYSCORE", "k", "-inf", text], ["ZSCAN", "k", "0"],
                    ["ZADD", "n", "INCR", text, "m"], ["DEBUG", "DIGEST-VALUE", "k", "n"],
                    ["DEL", "k"],
                ] {
                    let (ours, theirs) = try send(words, pair)
                    if ours.bytes == theirs.bytes { continue }
                    if Self.isShorter(ours.value, theirs.value) {
                        hasLongDigits = true
                        continue
                    }
                    // The digest is made of the digits.
                    if words[0] == "DEBUG", hasLongDigits { continue }
                    return Self.fail([text, words.joined(separator: " ")], ours, theirs)
                }
            }
        }
    }

    /// Whether the real server shows the same number with more digits than it takes: its algorithm
    /// does not always find the shortest.
    private static func isShorter(_ ours: RESPValue, _ theirs: RESPValue) -> Bool {
        func numbers(_ reply: RESPValue) -> [Double?] {
            if case .double(let value) = reply { return [Double(value)] }
            let items = reply.items
            return items.isEmpty ? [reply.text.flatMap(Double.init)] : items.flatMap(numbers)
        }
        let a = numbers(ours), b = numbers(theirs)
        return a == b && !a.compactMap { $0 }.isEmpty
            && ours.description.count < theirs.description.count
    }

    @Test func `SORT takes sorted sets in their order`() throws {
        let pair = try Pair()
        for limit in ["128", "0"] {
            for words in [
                ["CONFIG", "SET", "zset-max-listpack-entries", limit], ["DEL", "z"],
                ["ZADD", "z", "3", "5", "1", "9", "2", "7", "2", "1"], ["SORT", "z"],
                ["SORT", "z", "DESC"], ["SORT", "z", "BY", "nosort"],
                ["SORT", "z", "BY", "nosort", "DESC"],
                ["SORT", "z", "BY", "nosort", "LIMIT", "1", "2"],
                ["SORT", "z", "BY", "nosort", "DESC", "LIMIT", "1", "2"],
                ["SORT", "z", "LIMIT", "1", "2", "STORE", "l"], ["LRANGE", "l", "0", "-1"],
            ] {
                let (ours, theirs) = try send(words, pair)
                if ours.bytes != theirs.bytes {
                    Self.fail([words.joined(separator: " ")], ours, theirs)
                }
            }
        }
    }

    private func send(_ words: [String], _ pair: Pair) throws -> (RawReply, RawReply) {
        let (ours, theirs) = try pair.send(words.map { Array($0.utf8) })
        return (ours, theirs)
    }

    private static var looks: [[String]] {
        (keys + [even]).flatMap { key in
            [["OBJECT", "ENCODING", key], ["ZRANGE", key, "0", "-1", "WITHSCORES"]]
        } + [["DEBUG", "DIGEST-VALUE"] + keys]
    }

    /// Whether both replies walk over the same members; tables have orders of their own.
    private static func isWalk(_ words: [String], _ ours: RawReply, _ theirs: RawReply) -> Bool {
        guard words[0] == "ZSCAN" else { return false }
        func sorted(_ reply: RESPValue) -> [String] {
            (reply.item(1)?.items ?? []).map(\.description).sorted()
        }
        return sorted(ours.value) == sorted(theirs.value)
    }

    private static func fail(_ history: [String], _ ours: RawReply, _ theirs: RawReply) {
        Issue.record(
            """
            \(history.suffix(12).map { String($0.prefix(200)) }.joined(separator: "\n"))
            ours:   \(shown(ours.bytes).prefix(400))
            theirs: \(shown(theirs.bytes).prefix(400))
            """)
    }

    /// Type and length of the reply.
    private static func shape(_ reply: RESPValue) -> String {
        switch reply {
        case .array(let items):
            "array of \(items.count)\(items.first.map { ", \($0.items.count)" } ?? "")"
        case .bulk: "string"
        default: reply.description
        }
    }

    private static func limits(_ random: inout SeededRandom) -> [[String]] {
        [
            [
                "zset-max-listpack-entries",
                ["128", "0", "1", "4", "9"].randomElement(using: &random),
            ],
            ["zset-max-listpack-value", ["64", "0", "1", "3"].randomElement(using: &random)],
            ["set-max-intset-entries", ["512", "0", "3"].randomElement(using: &random)],
            ["set-max-listpack-entries", ["128", "0", "3"].randomElement(using: &random)],
        ].map { ["CONFIG", "SET"] + $0.compactMap { $0 } }
    }

    // MARK: - Requests

    private static func member(_ random: inout SeededRandom) -> String {
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<3: "\(Int.random(in: 0..<12, using: &random))"
        case 3: ["", "01", "-0", "+1", "x\0y"].randomElement(using: &random) ?? ""
        case 4: String(repeating: "x", count: Int.random(in: 60...70, using: &random))
        default: String(UnicodeScalar(UInt8.random(in: 97...104, using: &random)))
        }
    }

    private static func score(_ random: inout SeededRandom) -> String {
        switch Int.random(in: 0..<12, using: &random) {
        case 0..<5: "\(Int.random(in: -3..<6, using: &random))"
        case 5..<8: "\(Double(Int.random(in: -40..<40, using: &random)) / 8)"
        case 8: ["inf", "-inf", "+inf"].randomElement(using: &random) ?? "inf"
        case 9: ["1e300", "-1e-7", "9007199254740993", "0.1"].randomElement(using: &random) ?? "1"
        case 10: ["nan", "x", "", "1 "].randomElement(using: &random) ?? "x"
        default: "3.25"
        }
    }

    private static func border(_ random: inout SeededRandom) -> String {
        (Int.random(in: 0..<3, using: &random) == 0 ? "(" : "") + score(&random)
    }

    private static func name(_ random: inout SeededRandom) -> String {
        switch Int.random(in: 0..<9, using: &random) {
        case 0: "-"
        case 1: "+"
        case 2: ["", "a", "(", "["].randomElement(using: &random) ?? ""
        default: (Bool.random(using: &random) ? "[" : "(") + member(&random)
        }
    }

    private static func rank(_ random: inout SeededRandom) -> String {
        let extremes = ["9223372036854775807", "-9223372036854775808", "x", "1.5"]
        return Int.random(in: 0..<12, using: &random) == 0
            ? extremes.randomElement(using: &random) ?? "0"
            : "\(Int.random(in: -8..<8, using: &random))"
    }

    private static func some<T>(_ random: inout SeededRandom, _ choices: [T]) -> T {
        choices[Int.random(in: 0..<choices.count, using: &random)]
    }

    private static func key(_ random: inout SeededRandom) -> String {
        some(&random, keys + keys + keys + ["missing", "set"])
    }

    private static func request(_ random: inout SeededRandom) -> [String] {
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<3: addition(&random)
        case 3..<5: look(&random)
        case 5..<7: range(&random)
        case 7: operation(&random)
        default: removal(&random)
        }
    }

    private static func addition(_ random: inout SeededRandom) -> [String] {
        let options = ["NX", "XX", "GT", "LT", "CH", "INCR"].filter { _ in
            Int.random(in: 0..<6, using: &random) == 0
        }
        let pairs = (0..<some(&random, [1, 1, 1, 2, 5])).flatMap { _ in
            [score(&random), member(&random)]
        }
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return ["ZINCRBY", key(&random), score(&random), member(&random)]
        case 1: return ["ZADD", even, "0", member(&random), "0", member(&random)]
        case 2: return ["SADD", "set", member(&random), member(&random)]
        case 3:
            return some(
                &random,
                [
                    ["COPY", key(&random), key(&random), "REPLACE"], ["SET", "a", "text"],
                    ["DEL", key(&random)], ["RENAME", key(&random), key(&random)],
                    ["EXPIRE", key(&random), "1000"], ["PERSIST", "b"],
                ])
        default: return ["ZADD", key(&random)] + options + pairs
        }
    }

    private static func look(_ random: inout SeededRandom) -> [String] {
        let key = key(&random), member = member(&random)
        let scores = some(&random, [[], ["WITHSCORE"], ["WITHSCORES"], ["x", "y"]])
        let count = some(&random, ["0", "1", "3", "100", "-1", "-4", "x", "9223372036854775807"])
        switch Int.random(in: 0..<9, using: &random) {
        case 0: return ["ZSCORE", key, member]
        case 1: return ["ZMSCORE", key, member, "b"]
        case 2: return ["ZCARD", key]
        case 3: return ["ZRANK", key, member] + scores
        case 4: return ["ZREVRANK", key, member] + scores
        case 5: return ["ZCOUNT", key, border(&random), border(&random)]
        case 6: return ["ZLEXCOUNT", even, name(&random), name(&random)]
        case 7: return ["ZRANDMEMBER", key, count] + some(&random, [[], ["WITHSCORES"], ["x"]])
        default:
            return ["ZSCAN", key, "0", "COUNT", "1000", "MATCH", some(&random, ["*", "[a-d]"])]
        }
    }

    private static func range(_ random: inout SeededRandom) -> [String] {
        let key = key(&random)
        let limit = some(
            &random,
            [
                [], [], ["LIMIT", rank(&random), rank(&random)], ["LIMIT", "0", "-1"],
                ["LIMIT", "1"],
            ])
        let scores = some(&random, [[], ["WITHSCORES"]])
        let reversed = some(&random, [[], ["REV"], ["REV", "REV"]])
        let from = some(&random, [["ZRANGE"], ["ZRANGE"], ["ZRANGESTORE", some(&random, keys)]])
        switch Int.random(in: 0..<9, using: &random) {
        case 0: return from + [key, rank(&random), rank(&random)] + reversed + scores + limit
        case 1:
            return from + [key, border(&random), border(&random), "BYSCORE"] + limit + reversed
                + scores
        case 2: return from + [even, name(&random), name(&random), "BYLEX"] + reversed + limit
        case 3: return ["ZREVRANGE", key, rank(&random), rank(&random)] + scores
        case 4: return ["ZRANGEBYSCORE", key, border(&random), border(&random)] + scores + limit
        case 5: return ["ZREVRANGEBYSCORE", key, border(&random), border(&random)] + limit + scores
        case 6: return ["ZRANGEBYLEX", even, name(&random), name(&random)] + limit
        case 7: return ["ZREVRANGEBYLEX", even, name(&random), name(&random)] + limit
        default:
            return from + [key, "0", "1"] + some(&random, [["BYLEX", "WITHSCORES"], ["BYNAME"]])
        }
    }

    private static func removal(_ random: inout SeededRandom) -> [String] {
        let key = key(&random)
        let count = some(&random, ["0", "1", "2", "100", "-1", "x", "9223372036854775807"])
        let names = (0..<some(&random, [1, 2])).map { _ in self.key(&random) }
        let numkeys = some(&random, ["\(names.count)", "\(names.count)", "0", "x", "9"])
        let tail = some(&random, [[], ["COUNT", count], ["COUNT"], ["x"]])
        let end = some(&random, ["MIN", "MAX", "mid"])
        switch Int.random(in: 0..<12, using: &random) {
        case 0..<3: return ["ZREM", key, member(&random), member(&random)]
        case 3: return ["ZREMRANGEBYRANK", key, rank(&random), some(&random, ["0", "1", "-3"])]
        case 4: return ["ZREMRANGEBYSCORE", key, border(&random), border(&random)]
        case 5: return ["ZREMRANGEBYLEX", even, name(&random), name(&random)]
        case 6: return ["ZPOPMIN", key] + some(&random, [[], [count], ["1", "2"]])
        case 7: return ["ZPOPMAX", key] + some(&random, [[], [count]])
        case 8: return ["ZMPOP", numkeys] + names + [end] + tail
        case 9: return ["BZPOPMIN", some(&random, keys), some(&random, keys), "0.001"]
        case 10: return ["BZPOPMAX", some(&random, keys), some(&random, ["0.001", "-1", "x"])]
        default: return ["BZMPOP", "0.001", numkeys] + names + [end] + tail
        }
    }

    private static func operation(_ random: inout SeededRandom) -> [String] {
        let names = (0..<some(&random, [1, 2, 2, 3])).map { _ in key(&random) }
        let numkeys = some(
            &random, ["\(names.count)", "\(names.count)", "\(names.count)", "0", "x", "9"])
        let weights = some(
            &random,
            [[], [], ["WEIGHTS"] + names.map { _ in score(&random) }, ["WEIGHTS", "1"]])
        let aggregate = some(
            &random,
            [[], [], ["AGGREGATE", some(&random, ["SUM", "min", "MAX", "x"])], ["AGGREGATE"]])
        let scores = some(&random, [[], ["WITHSCORES"]])
        let name = some(&random, ["ZUNION", "ZINTER", "ZDIFF"])
        switch Int.random(in: 0..<5, using: &random) {
        case 0:
            return ["ZINTERCARD", numkeys] + names
                + some(&random, [[], ["LIMIT", rank(&random)], ["LIMIT"], weights])
        case 1, 2:
            return [name + "STORE", some(&random, keys), numkeys] + names + weights + aggregate
                + some(&random, [[], [], [], scores])
        default: return [name, numkeys] + names + weights + aggregate + scores
        }
    }
}
