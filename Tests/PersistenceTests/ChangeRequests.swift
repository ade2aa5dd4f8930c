//  ChangeRequests.swift — random requests that change data, of every family, from the grammar.
import Platform
import TestSupport

@testable import Engine

struct ChangeRequests {
    var random: SeededRandom
    /// Whether keys and fields get deadlines that pass during the test.
    var hasShortTimes = true
    private let commands: [CommandDocument]
    private let isOld: Bool

    /// No command is newer than `version`, as 7.0.
    init(seed: UInt64, version: Double = 99) {
        random = SeededRandom(seed: seed)
        isOld = version < 8
        commands = CommandTable(Family.all).documents.filter { document in
            let parts = "\(document.command.since)".split(separator: ".").prefix(2)
            let since = Double(parts.joined(separator: ".")) ?? 0
            // The two times of a consumer, where they differ, need a newer form of file.
            if version < 7.2, Self.consumerMakers.contains(document.fullName) { return false }
            return document.flags.contains(.write) && !document.isImplied && since <= version
                && !document.command.keys.isEmpty && document.fullName != "restore"
        }
    }

    // MARK: - Words

    private static let consumerMakers: Set = [
        "xgroup|createconsumer", "xreadgroup", "xclaim", "xautoclaim",
    ]

    static let letters = ["s", "l", "t", "h", "z", "x", "p"]
    private static let newWords: Set = [
        "KEEPREF", "DELREF", "ACKED", "DIFF", "DIFF1", "ANDOR", "ONE", "IFEQ",
    ]
    private static let values = [
        "", "0", "1", "-7", "12", "3.5", "-0.25", "1e3", "0.1", "9223372036854775807", "hello",
        "line\r\nend", "\0\u{1}", "é", "a b", "'\"\\", String(repeating: "x", count: 70),
        String(repeating: "lorem ", count: 40),
    ]
    private static let elements = [
        "a", "b", "c", "1", "2", "3", "-5", "100000", "", "é", "x y",
        String(repeating: "e", count: 70),
    ]

    private static func generator(_ letters: [String], hasShortTimes: Bool) -> SyntaxGenerator {
        var generator = SyntaxGenerator()
        generator.keys = letters.flatMap { letter in (1...4).map { "\(letter)\($0)" } }
        generator.values = values
        generator.integers = ["0", "1", "2", "-1", "3", "7", "-2", "10"]
        generator.doubles = ["0", "1.5", "-2", "1e3", "0.1", "3", "7", "(1", "inf", "-inf"]
        for name in ["db", "index", "index1", "index2", "destination-db"] {
            generator.named[name] = ["0", "1", "2", "3"]
        }
        for name in ["element", "pivot", "field", "member"] { generator.named[name] = elements }
        generator.named["seconds"] = ["100000", "2000000"]
        generator.named["milliseconds"] = ["100000000", "2000000000"]
        if hasShortTimes { generator.named["milliseconds"]? += ["1", "15", "30"] }
        generator.named["unix-time-seconds"] = ["4102444800", "4102444801", "1"]
        generator.named["unix-time-milliseconds"] = ["4102444800000", "4102444800001", "1"]
        generator.named["timeout"] = ["0.001"]
        for name in ["id", "start-id", "last-id", "entriesid"] {
            generator.named[name] = ["*", "0", "1-1", "2-*", "5-1", "$", ">", "99999-0"]
        }
        // What a group of an empty stream may have read is not the same in all versions.
        for name in ["entriesread", "entries-read"] { generator.named[name] = ["0"] }
        generator.named["group"] = ["g1", "g2"]
        generator.named["consumer"] = ["alice", "bob"]
        generator.named["encoding"] = ["u8", "i5", "u16"]
        generator.named["bit"] = ["0", "1"]
        for name in ["longitude", "latitude"] { generator.named[name] = ["1.5", "-20", "45.25"] }
        generator.named["min-idle-time"] = ["0", "1"]
        generator.named["count"] = ["1", "2", "5"]
        generator.named["min"] = ["-", "[a", "(b", "-inf", "0", "1", "(1"]
        generator.named["max"] = ["+", "[c", "(x", "inf", "3", "10"]
        generator.named["by-pattern"] = ["nosort", "s*", "h*->1"]
        generator.named["get-pattern"] = ["#", "s*", "h*->1"]
        return generator
    }

    mutating func number(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &random)
    }

    private mutating func key(_ letter: String) -> String { letter + "\(number(1...4))" }

    // MARK: - Requests

    /// A request, or several that belong together.
    mutating func next() -> [[String]] {
        switch number(0...399) {
        case 0: return [["FLUSHALL"]]
        case 1: return [["FLUSHDB", "ASYNC"]]
        case 2...8: return [["SWAPDB", "\(number(0...3))", "\(number(0...3))"]]
        case 9...30: return [["SELECT", "\(number(0...3))"]]
        case 31...50:
            let inner = (0...number(1...6)).map { _ in change() }
            return [["MULTI"]] + inner + [[number(0...4) == 0 ? "DISCARD" : "EXEC"]]
        case 51...56:
            // The first of them fails when it runs, and what follows runs all the same.
            return [
                ["MULTI"], ["LPUSH", "s1", "x"], ["SET", "s1", "1"], ["INCR", "s1"], ["EXEC"],
            ]
        case 57...60: return [["MULTI"], ["SET", "s1"], ["SET", "s2", "1"], ["EXEC"]]
        case 61...64:
            return [["MULTI"], ["SELECT", "2"], ["INCR", "s1"], ["SELECT", "1"], ["EXEC"]]
        default: return [change()]
        }
    }

    /// One change of a key.
    private mutating func change() -> [String] {
        while true {
            guard let command = commands.randomElement(using: &random) else { return ["PING"] }
            let letters: [String] =
                switch command.group {
                case .string: ["s"]
                case .list: ["l"]
                case .set: ["t"]
                case .hash: ["h"]
                case .sortedSet: number(0...5) == 0 ? ["z", "t"] : ["z"]
                case .stream: ["x"]
                case .geo: ["z"]
                case .bitmap: ["s"]
                case .hyperloglog: ["p"]
                default: Self.letters
                }
            let generator = Self.generator(
                number(0...30) == 0 ? Self.letters : letters, hasShortTimes: hasShortTimes)
            let words = generator.request(command.syntax, using: &random)
            let upper = words.map { $0.uppercased() }
            // Nobody would end the wait; and Redis 7.0 does not know these words.
            if upper[0] == "XREADGROUP", upper.contains("BLOCK") { continue }
            if isOld, !Self.newWords.isDisjoint(with: upper) { continue }
            // Elements of the same weight come in the order of a method that is not stable.
            if upper[0] == "SORT", upper.contains("BY") || upper.contains("LIMIT") { continue }
            return words
        }
    }

    /// A request that waits for somebody else's.
    mutating func wait() -> [String] {
        let keys = [key("l"), key("l")], z = key("z")
        switch number(0...6) {
        case 0: return ["BLPOP", keys[0], keys[1], "0"]
        case 1: return ["BRPOP", keys[0], keys[1], "0"]
        case 2: return ["BLMOVE", keys[0], keys[1], "LEFT", "RIGHT", "0"]
        case 3: return ["BLMPOP", "0", "2", keys[0], keys[1], "LEFT", "COUNT", "2"]
        case 4: return ["BZPOPMIN", z, "0"]
        case 5: return ["BZMPOP", "0", "1", z, "MAX", "COUNT", "2"]
        default: return ["BRPOPLPUSH", keys[0], keys[1], "0"]
        }
    }
}

/// Clients that send such requests to a server.
struct ChangeDriver {
    var source: ChangeRequests
    private let server: DiskServer
    private let writers: [RESPClient]
    private var waiters: [RESPClient] = []
    /// Requests that succeeded, and that failed.
    private(set) var done = 0
    private(set) var failed = 0

    init(_ server: DiskServer, _ source: ChangeRequests) throws {
        self.server = server
        self.source = source
        writers = try (0..<2).map { _ in try server.connect() }
        for writer in writers { writer.patience = 60 }
        for _ in 0..<3 { try wait(server.connect()) }
    }

    private mutating func wait(_ client: RESPClient) throws {
        _ = try client("SELECT", "\(source.number(0...3))")
        try client.write(RESPClient.request(source.wait()))
        waiters.append(client)
    }

    /// Sends about `count` requests.
    mutating func run(_ count: Int) throws {
        let end = done + failed + count
        while done + failed < end {
            for writer in writers {
                let requests = (0..<15).flatMap { _ in source.next() }
                try writer.write(requests.flatMap { RESPClient.request($0) })
                let replies = try writer.replies(requests.count)
                let errors = replies.count(where: \.isError)
                failed += errors
                done += replies.count - errors
            }
            let answered = try waiters.filter { try $0.replyIfAny() != nil }
            waiters.removeAll { client in answered.contains { $0 === client } }
            for client in answered { try wait(client) }
            if source.number(0...3) == 0 { try restore() }
        }
    }

    /// Takes a value of some key for another, byte for byte.
    private mutating func restore() throws {
        let letter = ChangeRequests.letters.randomElement(using: &source.random) ?? "s"
        let writer = writers[source.number(0...1)]
        let reply = try writer.send([Array("DUMP".utf8), Array("\(letter)1".utf8)])
        guard case .bulk = reply.value, let lineEnd = reply.bytes.firstIndex(of: 10) else { return }
        let payload = Array(reply.bytes[(lineEnd + 1)...].dropLast(2))
        let ttl = ["0", "20", "100000000"][source.number(0...2)]
        let words = [Array("RESTORE".utf8), Array("\(letter)2".utf8), Array(ttl.utf8), payload]
        let value = try writer.send(words + [Array("REPLACE".utf8)]).value
        guard value == .simple("OK") else { throw TestFailure("RESTORE: \(value)") }
    }

    /// Ends everybody's wait, and lets every deadline pass that passes soon.
    mutating func finish() throws {
        for client in waiters { client.close() }
        waiters = []
        let end = Clock.monotonicNanoseconds() + 100_000_000
        try waitUntil("deadlines have passed") {
            try server.info("blocked_clients") == "0" && Clock.monotonicNanoseconds() > end
        }
    }
}
