//  StreamDifferentialTests.swift — streams and their groups here and on a real server, with blocks so
//  small that they come and go all the time.
//
//  After each request everything that is known about two streams is compared. Times are not, but for
//  whether there is one; nor is the number of nodes of a tree.
import TestSupport
import Testing

@Suite("Streams in step", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct StreamDifferentialTests {
    private static let steps = Programs.environment("MARTLET_DIFF_STEPS").flatMap(Int.init) ?? 4000
    private static let seed =
        Programs.environment("MARTLET_DIFF_SEED").flatMap { UInt64($0) } ?? 1
    private static let stepsPerSequence = 250

    private static let looks: [[String]] = [
        ["XINFO", "STREAM", "a", "FULL", "COUNT", "0"], ["XINFO", "STREAM", "b", "FULL"],
        ["XINFO", "STREAM", "a"], ["XINFO", "GROUPS", "a"], ["XINFO", "CONSUMERS", "a", "g"],
        ["XPENDING", "a", "g"], ["DEBUG", "DIGEST-VALUE", "a", "b"],
    ]

    @Test(arguments: [2, 3])
    func `random requests leave the same streams`(version: Int) throws {
        let pair = try Pair()
        for seed in Self.seed..<Self.seed + UInt64(max(Self.steps / Self.stepsPerSequence, 1)) {
            var requests = StreamRequests(seed: seed)
            var history = ["seed \(seed)"]
            for words in requests.beginning(version) { _ = try send(words, pair) }
            for _ in 0..<Self.stepsPerSequence {
                let words = requests.next()
                history.append(words.joined(separator: " "))
                for look in [words] + Self.looks {
                    let (ours, theirs) = try send(look, pair)
                    if ours.bytes == theirs.bytes { continue }
                    let a = Self.steady(ours.value), b = Self.steady(theirs.value)
                    if !ours.value.isError, a == b { continue }
                    return Self.fail(history + [look.joined(separator: " ")], "\(a)", "\(b)")
                }
            }
        }
    }

    @Test(arguments: [2, 3])
    func `odd requests are answered as on a real server`(version: Int) throws {
        let pair = try Pair()
        _ = try send(["HELLO", "\(version)"], pair)
        for line in Self.oddities {
            let words = line.split(separator: " ", omittingEmptySubsequences: false).map(
                String.init)
            let (ours, theirs) = try send(words, pair)
            if ours.bytes == theirs.bytes { continue }
            let a = Self.steady(ours.value), b = Self.steady(theirs.value)
            if ours.value.isError || a != b { Self.fail([line], "\(a)", "\(b)") }
        }
    }

    private func send(_ words: [String], _ pair: Pair) throws -> (ours: RawReply, theirs: RawReply)
    {
        try pair.send(words.map { Array($0.utf8) })
    }

    private static func fail(_ history: [String], _ ours: String, _ theirs: String) {
        Issue.record(
            """
            \(history.suffix(12).map { String($0.prefix(200)) }.joined(separator: "\n"))
            ours:   \(ours.prefix(1500))
            theirs: \(theirs.prefix(1500))
            """)
    }

    // MARK: - Time

    private static let timeNames: Set<String> = [
        "idle", "inactive", "seen-time", "active-time", "radix-tree-nodes",
    ]

    /// The reply without what depends on the moment.
    private static func steady(_ value: RESPValue) -> RESPValue {
        switch value {
        case .integer(let number): return .integer(number > 1_000_000_000_000 ? 0 : number)
        case .map(let pairs):
            return .map(
                pairs.map { key, value in
                    (key, timeNames.contains(key.text ?? "") ? coarse(value) : steady(value))
                })
        case .array(let items):
            // ID, consumer, idle time, deliveries.
            if items.count == 4, items[1].text != nil, items[2].integer != nil,
                items[3].integer != nil, items[0].text?.contains("-") == true
            {
                return .array([items[0], items[1], .integer(0), items[3]])
            }
            var steadied: [RESPValue] = []
            for (i, item) in items.enumerated() {
                let isTime = i % 2 == 1 && timeNames.contains(items[i - 1].text ?? "")
                steadied.append(isTime ? coarse(item) : steady(item))
            }
            return .array(steadied)
        default: return value
        }
    }

    private static func coarse(_ value: RESPValue) -> RESPValue {
        value.integer.map { .integer($0 < 0 ? -1 : 0) } ?? value
    }

    // MARK: - Requests

    private static let oddities = [
        "SET str x", "XADD s 1 f v", "XADD s 1 f", "XADD s 1-0 f v g", "XADD s abc f v",
        "XADD s 0-0 f v", "XADD s 0 f v", "XADD s 1-* f v", "XADD s 1-0 f v", "XADD z 0-* f v",
        "XADD s 2-18446744073709551615 f v", "XADD s 2-* f v",
        "XADD s 18446744073709551615-18446744073709551615 f v", "XADD s * f v", "XADD s 5 f v",
        "XRANGE s - +", "XREVRANGE s + -", "XRANGE s (18446744073709551615-18446744073709551615 +",
        "XREVRANGE s + (18446744073709551615-18446744073709551614", "XREAD STREAMS s $",
        "XREAD STREAMS s 18446744073709551615-18446744073709551615", "XREAD STREAMS s +",
        "XDEL s 18446744073709551615-18446744073709551615", "XREAD STREAMS s +", "XINFO STREAM s",
        "XADD s MAXLEN x * f v", "XADD s MAXLEN -1 * f v", "XADD t MAXLEN 3 LIMIT 3 * f v",
        "XADD t MAXLEN ~ 3 LIMIT -1 * f v", "XADD t MAXLEN ~ 3 LIMIT x * f v",
        "XADD t MAXLEN ~ 3 MINID 3 * f v", "XADD t NOMKSTREAM LIMIT 3 * f v", "XADD t - f v",
        "XADD t NOMKSTREAM * f v", "XADD t KEEPREF DELREF * f v", "XADD t KEEPREF 1-1 f v",
        "XADD t acked nomkstream 1-2 f v", "XADD t FOO 1-2 f v", "XADD t MINID x 1-2 f v",
        "XADD t MINID (3 1-2 f v", "XADD t MAXLEN ~ 1 *", "XADD t -* f v", "XADD t 5-*x f v",
        "XADD t 01-03 f v", "XADD t 1-2-3 f v", "XADD t  f v", "XADD t +7 f v", "XADD str * f v",
        "XADD t 18446744073709551616 f v", "XADD t 9-0018446744073709551615 f v",
        "XTRIM t FOO 1", "XTRIM t MAXLEN 1 LIMIT 1", "XTRIM t MAXLEN ~ 1 LIMIT 0",
        "XTRIM t LIMIT 1 KEEPREF", "XTRIM t KEEPREF MAXLEN 5", "XTRIM t MAXLEN 1 KEEPREF ACKED",
        "XTRIM nokey MAXLEN 1 x", "XTRIM nokey MAXLEN = 1", "XTRIM t NOMKSTREAM MAXLEN 3",
        "XTRIM t MAXLEN 1 MINID 2", "XTRIM t KEEPREF ACKED", "XTRIM str MAXLEN 1", "XLEN str",
        "XTRIM t LIMIT 0 KEEPREF", "XDEL str x", "XDEL nokey x", "XDEL t x", "XDEL t 1-1 x",
        "XRANGE str - +", "XRANGE str x +", "XRANGE t - + COUNT 0", "XRANGE t - + COUNT -1",
        "XRANGE t - + COUNT x", "XRANGE t - + COUNT 1 COUNT 2", "XRANGE t (- +", "XRANGE t - (0-0",
        "XRANGE nokey - + COUNT 0", "XRANGE t + -", "XRANGE t 1- +", "XREVRANGE t (9 (1",
        "XSETID t 1", "XSETID t 100-1", "XSETID nokey 1", "XSETID t x", "XSETID str 1",
        "XSETID t 200 ENTRIESADDED 0", "XSETID t 200 ENTRIESADDED 7 MAXDELETEDID 5",
        "XSETID t 200 ENTRIESADDED 7 MAXDELETEDID 300", "XSETID t 200 ENTRIESADDED -7",
        "XSETID t 200 ENTRIESADDED 9223372036854775807", "XSETID t 200 FOO", "XSETID t 1 FOO 2",
        "XINFO GROUPS t", "XINFO STREAM t", "XINFO STREAM nokey FOO", "XINFO STREAM t FOO",
        "XINFO STREAM t FULL COUNT", "XINFO STREAM t FULL COUNT x", "XINFO STREAM t FULL COUNT -1",
        "XINFO CONSUMERS t nog", "XINFO CONSUMERS nokey nog", "XINFO GROUPS str",
        "XGROUP CREATE nokey g $", "XGROUP CREATE nokey g x MKSTREAM",
        "EXISTS nokey", "XGROUP CREATE m g $ MKSTREAM", "XGROUP CREATE m g $ MKSTREAM",
        "XGROUP CREATE m h 5 ENTRIESREAD 3", "XGROUP CREATE m i 0 ENTRIESREAD -2",
        "XGROUP CREATE m i 0 ENTRIESREAD", "XGROUP CREATE m i +", "XGROUP SETID m g +",
        "XGROUP SETID m nog 0", "XGROUP SETID nokey g 0", "XGROUP SETID m g 0 MKSTREAM",
        "XGROUP SETID m g -", "XGROUP DESTROY m nog", "XGROUP DESTROY nokey g",
        "XGROUP CREATECONSUMER nokey g c", "XGROUP CREATECONSUMER m nog c",
        "XGROUP DELCONSUMER m g c", "XGROUP FOO", "XGROUP CREATE str g 0", "XINFO GROUPS m",
        "XREADGROUP GROUP g c STREAMS m m >", "XREADGROUP GROUP nog c STREAMS m >",
        "XREADGROUP GROUP g c STREAMS nokey >", "XREADGROUP GROUP g c FOO 1 STREAMS m >",
        "XREADGROUP COUNT 2 BLOCK 1 STREAMS m >", "XREADGROUP GROUP g c STREAMS m $",
        "XREADGROUP GROUP g c STREAMS m +", "XREADGROUP GROUP g c STREAMS m -",
        "XREADGROUP GROUP g c STREAMS str >", "XREAD COUNT 2 STREAMS m >",
        "XREAD GROUP g c STREAMS m >", "XREAD NOACK STREAMS m 0", "XREAD STREAMS m t 0",
        "XREAD BLOCK x STREAMS m 3", "XREAD BLOCK -1 STREAMS m 3", "XREAD COUNT x STREAMS m 3",
        "XREAD BLOCK 9223372036854775807 STREAMS m 0", "XREAD FOO BAR BAZ", "XREAD STREAMS str x",
        "XREAD STREAMS m -", "XREAD BLOCK 1 STREAMS m $", "XREAD BLOCK 1 STREAMS nokey +",
        "XPENDING m nog", "XPENDING m g - +", "XPENDING m g - + x", "XPENDING m g x + 1",
        "XPENDING m g IDLE 1", "XPENDING m g IDLE x - + 1", "XPENDING m g - + 1 c d",
        "XPENDING m g IDLE 1 - + 1 c d", "XPENDING str g", "XACK m g x", "XACK nokey g x",
        "XACK m nog x", "XACK str g 1", "XCLAIM m g c x 1", "XCLAIM m g c 0 x",
        "XCLAIM m g c 0 1 IDLE", "XCLAIM m g c 0 1 IDLE x", "XCLAIM m g c 0 1 TIME x",
        "XCLAIM m g c 0 1 RETRYCOUNT x", "XCLAIM m g c 0 1 LASTID x", "XCLAIM m nog c x 1",
        "XCLAIM m g c 0 1 JUSTID 2", "XCLAIM str g c 0 1", "XAUTOCLAIM m g c x 0",
        "XAUTOCLAIM m g c 0 x", "XAUTOCLAIM m g c 0 0 COUNT 0", "XAUTOCLAIM m g c 0 0 COUNT",
        "XAUTOCLAIM m g c 0 0 COUNT 576460752303423488", "XAUTOCLAIM m nog c 0 0 FOO",
        "XAUTOCLAIM str g c 0 0", "XAUTOCLAIM m g c 0 (18446744073709551615-18446744073709551615",
        "XDELEX m IDS 0 1", "XDELEX m IDS x 1", "XDELEX m IDS 2 1", "XDELEX m FOO IDS 1 1",
        "XDELEX m KEEPREF ACKED IDS 1 1", "XDELEX m IDS 1 1 ACKED", "XDELEX m 1 1 1",
        "XDELEX m IDS 1 4 4", "XDELEX str IDS x 1", "XDELEX nokey IDS 2 1 x",
        "XDELEX m IDS 1 1 IDS 1 2", "XDELEX m IDS 1 x", "XACKDEL m nog IDS 1 5",
        "XACKDEL m g IDS -1 5", "XACKDEL nokey g IDS 2 5 6", "XACKDEL str g IDS 1 x",
        "XDELEX m IDS 4294967297 1", "OBJECT ENCODING t", "TYPE t", "SORT t",
        "APPEND t x", "LPUSH t x", "XADD", "XGROUP CREATE", "XINFO FOO",
    ]
}

/// Requests on two streams that make sense most of the time.
private struct StreamRequests {
    private var random: SeededRandom
    private var lastID = 1

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    /// Limits, and something to begin with.
    mutating func beginning(_ version: Int) -> [[String]] {
        [
            ["HELLO", "\(version)"], ["FLUSHALL"], ["SET", "text", "x"],
            ["CONFIG", "SET", "stream-node-max-entries", some(["2", "3", "5", "100", "0"])],
            ["CONFIG", "SET", "stream-node-max-bytes", some(["100", "300", "4096", "0"])],
            ["XGROUP", "CREATE", "a", "g", "0", "MKSTREAM"],
            ["XGROUP", "CREATE", "a", "h", "0"], ["XGROUP", "CREATE", "b", "g", "0", "MKSTREAM"],
        ]
    }

    private mutating func some<T>(_ choices: [T]) -> T {
        choices[Int.random(in: 0..<choices.count, using: &random)]
    }

    private mutating func chance(_ n: Int) -> Bool { Int.random(in: 0..<n, using: &random) == 0 }

    private mutating func newID() -> String {
        if chance(12) { return anyID() }
        lastID += some([0, 1, 1, 1, 2, 3])
        switch Int.random(in: 0..<6, using: &random) {
        case 0: return "\(lastID)-*"
        case 1: return "\(lastID)-\(some([0, 1, 2, 3]))"
        default: return "\(lastID)"
        }
    }

    private mutating func anyID() -> String {
        if chance(12) {
            return some([
                "0", "0-0", "0-1", "18446744073709551615", "x", "-", "+", "$", ">", "(1", "3-",
                "9-18446744073709551615", "5-*",
            ])
        }
        let id = max(0, lastID - Int.random(in: -1...25, using: &random))
        return some(["\(id)", "\(id)-\(some([0, 1, 2]))"])
    }

    private mutating func end() -> String {
        (chance(5) ? "(" : "") + some(["-", "+", anyID(), anyID()])
    }

    private mutating func ids(_ most: Int = 3) -> [String] {
        (0..<Int.random(in: 1...most, using: &random)).map { _ in anyID() }
    }

    private mutating func count() -> String {
        chance(4)
            ? some(["0", "-1", "100", "x", "9223372036854775807"])
            : some(["1", "2", "3", "5", "10"])
    }

    private mutating func references() -> [String] {
        some([[], [], ["KEEPREF"], ["DELREF"], ["ACKED"]])
    }

    private mutating func trim() -> [String] {
        let isCount = Bool.random(using: &random)
        var words = [isCount ? "MAXLEN" : "MINID"] + some([[], ["="], ["~"]])
        words.append(isCount ? some(["0", "1", "3", "5", "8", "12"]) : anyID())
        if chance(4) { words += ["LIMIT", some(["0", "1", "3", "10", "100", "-1"])] }
        return words
    }

    private mutating func fields() -> [String] {
        if chance(2) { return ["f", some(["v", "w", "77", "-1"])] }
        return (0..<some([1, 1, 2, 3])).flatMap { _ in
            [
                some(["f", "f", "g", "12", String(repeating: "long", count: 20)]),
                some(["v", "-5", "100000", "", String(repeating: "x", count: 300)]),
            ]
        }
    }

    private mutating func key() -> String {
        chance(16) ? some(["none", "text"]) : some(["a", "a", "b"])
    }
    private mutating func group() -> String { chance(20) ? "none" : some(["g", "g", "h"]) }
    private mutating func consumer() -> String { some(["c1", "c2", "c3"]) }
    private mutating func waiting() -> [String] {
        chance(10) ? ["BLOCK", some(["1", "-1", "x"])] : []
    }

    mutating func next() -> [String] {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<25: return adding()
        case 25..<39: return removing()
        case 39..<50: return looking()
        case 50..<65: return delivering()
        case 65..<72: return ["XACK", key(), group()] + ids(5)
        case 72..<80: return pending()
        case 80..<90: return claiming()
        case 90..<97: return grouping()
        case 97:
            return ["XSETID", key(), newID()]
                + some([[], ["ENTRIESADDED", some(["0", "50", "1000"])]])
                + some([[], [], ["MAXDELETEDID", anyID()]])
        default:
            return some([
                ["COPY", "a", "b", "REPLACE"], ["RENAME", "a", "b"], ["DEL", key()],
                ["EXPIRE", "a", "1000"], ["PERSIST", "a"],
            ])
        }
    }

    private mutating func adding() -> [String] {
        var words = ["XADD", key()]
        if chance(10) { words.append("NOMKSTREAM") }
        if chance(8) { words += references() }
        if chance(3) { words += trim() }
        return words + [newID()] + fields()
    }

    private mutating func removing() -> [String] {
        let ids = ids()
        let number = chance(15) ? some(["0", "-1", "9", "x"]) : "\(ids.count)"
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return ["XDEL", key()] + ids
        case 1: return ["XTRIM", key()] + trim() + references()
        case 2: return ["XDELEX", key()] + references() + ["IDS", number] + ids
        default: return ["XACKDEL", key(), group()] + references() + ["IDS", number] + ids
        }
    }

    private mutating func looking() -> [String] {
        if chance(2) {
            return [some(["XRANGE", "XREVRANGE"]), key(), end(), end()]
                + (chance(2) ? ["COUNT", count()] : [])
        }
        let n = some([1, 2])
        return ["XREAD"] + (chance(2) ? ["COUNT", count()] : []) + waiting() + ["STREAMS"]
            + (0..<n).map { _ in key() } + (0..<n).map { _ in some([anyID(), "$", "+"]) }
    }

    private mutating func delivering() -> [String] {
        let n = some([1, 1, 1, 2])
        return ["XREADGROUP", "GROUP", group(), consumer()] + (chance(2) ? ["COUNT", count()] : [])
            + waiting() + (chance(5) ? ["NOACK"] : []) + ["STREAMS"] + (0..<n).map { _ in key() }
            + (0..<n).map { _ in some([">", ">", ">", "0", anyID()]) }
    }

    private mutating func pending() -> [String] {
        if chance(3) { return ["XPENDING", key(), group()] }
        return ["XPENDING", key(), group()] + some([[], [], ["IDLE", some(["0", "1000000"])]])
            + [end(), end(), count()] + some([[], [consumer()]])
    }

    private mutating func claiming() -> [String] {
        let idle = some(["0", "0", "0", "1000000"])
        if chance(3) {
            return ["XAUTOCLAIM", key(), group(), consumer(), idle, end()]
                + some([[], ["COUNT", count()]]) + some([[], ["JUSTID"]])
        }
        var words = ["XCLAIM", key(), group(), consumer(), idle] + ids()
        let options = [
            ["FORCE"], ["JUSTID"], ["IDLE", some(["0", "1000000", "-1"])],
            ["TIME", some(["1", "99"])], ["RETRYCOUNT", some(["0", "5", "-1"])],
            ["LASTID", anyID()],
        ]
        for option in options where chance(6) { words += option }
        return words
    }

    private mutating func grouping() -> [String] {
        let read = some([[], [], ["ENTRIESREAD", some(["0", "3", "100", "-1", "-2"])]])
        let at = some(["$", "0", anyID()])
        switch Int.random(in: 0..<9, using: &random) {
        case 0..<3:
            return ["XGROUP", "CREATE", key(), group(), at] + some([[], ["MKSTREAM"]]) + read
        case 3, 4: return ["XGROUP", "SETID", key(), group(), at] + read
        case 5: return ["XGROUP", "DESTROY", key(), group()]
        case 6, 7: return ["XGROUP", "CREATECONSUMER", key(), group(), consumer()]
        default: return ["XGROUP", "DELCONSUMER", key(), group(), consumer()]
        }
    }
}
