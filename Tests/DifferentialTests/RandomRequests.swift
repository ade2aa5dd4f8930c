//  RandomRequests.swift — requests for every declared command, and what goes wrong with them.
import TestSupport

@testable import Engine

struct RandomRequests {
    private let commands: [CommandDocument]
    private let generator: SyntaxGenerator
    /// The group that most requests are from; nil for all alike.
    private let focus: CommandGroup?
    var random: SeededRandom

    /// Stands for a time that no other request names, so that comparing deadlines is no race
    /// between two clocks; far enough away that nothing expires during a run.
    private static let seconds = "<seconds>", milliseconds = "<milliseconds>"

    /// What a value or an argument may look like.
    private static let texts = [
        "", "0", "-0", "1", "-1", "+1", "01", " 1", "1 ", "3.0", "3.5", "-2.25", "1e3", "1e400",
        "nan", "inf", "-inf", "0x10", "9223372036854775807", "9223372036854775808",
        "-9223372036854775808", "-9223372036854775809", "18446744073709551615",
        "4611686018427387904", "hello", "line\r\nend", "\0\u{1}", "é", "1.7976931348623157e308",
        "0.1", "0.2", "1234567890123456789012", "99999999999999999.5", ".5", "5.", "-.5e-3",
        "0.00000000000000000001", "3.14159265358979323846",
        String(repeating: "x", count: 44), String(repeating: "y", count: 45),
        String(repeating: "z", count: 100), String(repeating: "long ", count: 2000),
    ]
    private static let bytes: [[UInt8]] =
        texts.map { Array($0.utf8) } + [
            [0xFF, 0xFE], [0x80], [13], [10], [0], [UInt8](0...255),
        ]
    private static let tokens = [
        "NX", "XX", "GT", "LT", "GET", "EX", "PX", "EXAT", "PXAT", "KEEPTTL", "PERSIST",
        "REPLACE", "DB", "MATCH", "COUNT", "TYPE", "ASYNC", "SYNC", "AUTH", "SETNAME", "ID", "yes",
        "YES", "no", "ON", "OFF", "*", "get",
    ]

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        let groups: [CommandGroup?] = [nil, .list, .hash, .geo, .bitmap, .stream]
        focus = groups[Int.random(in: 0..<groups.count, using: &random)]
        commands = CommandTable(Family.all).documents.filter {
            Leniency.undriven[$0.fullName] == nil
        }
        var generator = SyntaxGenerator()
        generator.keys = [
            "a", "b", "c", "d", "", "k\r\n\0", "a long key, longer than many: 0123456789",
        ]
        generator.values = Self.texts
        generator.integers = [
            "0", "1", "2", "-1", "3", "-3", "10", "100", "1000", "9223372036854775807",
            "-9223372036854775808", "9223372036854775808", "x", "1.5", "", "01", "536870912",
            "4294967296", "2147483648",
        ]
        generator.doubles = Self.texts
        generator.patterns = [
            "*", "a*", "[ab]", "?", "nothing*here", "[^a]", "\\a", "[a-c", "[", "",
        ]
        generator.named = Self.named(generator.named).merging(Self.collectionWords) { $1 }
        self.generator = generator
    }

    private static func named(_ usual: [String: [String]]) -> [String: [String]] {
        var named = usual
        let databases = ["0", "1", "2", "15", "16", "-1", "x", "2147483648", "9223372036854775808"]
        for name in ["db", "index", "index1", "index2", "destination-db"] {
            named[name] = databases
        }
        let ends = [
            "0", "-1", "-100", "9223372036854775807", "-9223372036854775808", "x", "1.5", "",
        ]
        named["seconds"] =
            [seconds, seconds, seconds, "9223372036854775", "9223372036854776"] + ends
        named["milliseconds"] = [milliseconds, milliseconds, milliseconds] + ends
        named["unix-time-seconds"] =
            ["4102444800", "4102444801", "1", "9223372036854775", "9223372036854776"] + ends
        named["unix-time-milliseconds"] = ["4102444800000", "4102444800001", "1"] + ends
        named["cursor"] = [
            "0", "0", "0", "1", "7", "18446744073709551615", "18446744073709551616",
            "-1", "x", "", " 0", "00",
        ]
        named["count"] = ["1", "10", "1000", "0", "-1", "9223372036854775807", "x"]
        named["type"] = ["string", "STRING", "list", "hash", "nope", ""]
        named["protover"] = ["2", "3", "2", "3", "1", "4", "x", "-2", "02"]
        named["username"] = ["default", "DEFAULT", "nobody", ""]
        named["connection-name"] = ["me", "", "with space", "é", "new\nline"]
        named["clientname"] = named["connection-name"]
        named["offset"] = [
            "0", "1", "3", "20", "100", "-1", "536870912", "9223372036854775807", "x",
        ]
        return named
    }

    /// Few elements, so that many are found again; one is larger than a chunk of a list.
    private static let elements = [
        "a", "b", "1", "2", "-5", "01", "hello", "", "9223372036854775807",
        String(repeating: "e", count: 100), String(repeating: "f", count: 3000),
        String(repeating: "g", count: 9000),
    ]
    private static let collectionWords = [
        "element": elements, "pivot": elements, "field": elements,
        "timeout": ["0.001", "0.001", "0.002", "-1", "x", "inf", "", "1e400", "nan", "1e16"],
        "id": ["0", "1", "2-1", "5", "9", "12-3", "7-*", "$", ">", "x"],
        "start": ["-", "0", "(1", "5", "+", "1", "-1", "x"],
        "end": ["+", "9", "(12", "5-1", "-", "-1", "2", "x"],
        "threshold": ["0", "1", "3", "100", "x"], "group": ["g", "g", "h"],
        "consumer": ["c", "d"], "lastid": ["0", "5", "x"], "last-id": ["20", "30", "x"],
        "max-deleted-id": ["0", "5", "x"], "min-idle-time": ["0", "0", "1000000000", "x"],
        "ms": ["0", "1000000000", "x"], "entriesread": ["0", "3", "-1", "x"],
        "rank": ["1", "2", "3", "-1", "-2", "0", "-9223372036854775808", "x"],
        "num-matches": ["0", "1", "2", "-1", "9223372036854775807", "x"],
        "by-pattern": ["*", "nosort", "w_*", "*->f", "a*", "*\u{0}", ""],
        "get-pattern": ["#", "*", "w_*", "*->f", "*->", "nothing", "\u{0}*"],
        "len": ["0", "1", "3", "-1", "9223372036854775807", "x"],
        "encoding": ["u8", "i8", "i16", "u63", "i64", "u1", "i5", "u64", "i0", "8", ""],
        "subcommand": ["GETREG", "DECODE", "ENCODING", "TODENSE", "nope"],
        "longitude": ["1", "1.5", "-2", "180", "-180", "181", "x", "inf", "179.5"],
        "latitude": ["1", "1.5", "-2", "85", "-85.05112878", "86", "x", "nan"],
        "radius": ["0", "1", "1000", "20000", "1e300", "-1", "x", "inf"],
        "width": ["0", "1", "1000", "20000", "-1", "x"], "height": ["0", "1", "1000", "-1", "x"],
    ]

    /// The next request.
    mutating func next() -> [[UInt8]] {
        while true {
            let command = pick()
            var words = generator.request(command.syntax, using: &random).map { Array($0.utf8) }
            if chance(4) { spoil(&words, from: command.syntax.name.count) }
            finish(&words)
            if !Leniency.isDifferentOnPurpose(words) { return words }
        }
    }

    /// Commands on values and keys come more often than the others.
    private mutating func pick() -> CommandDocument {
        while true {
            let command = commands[Int.random(in: 0..<commands.count, using: &random)]
            let isSort = command.fullName.hasPrefix("sort")
            if let focus, command.group != focus, !isSort, !chance(20) { continue }
            if !command.command.keys.isEmpty || chance(3) { return command }
        }
    }

    private mutating func chance(_ n: Int) -> Bool { Int.random(in: 0..<n, using: &random) == 0 }

    private mutating func spoil(_ words: inout [[UInt8]], from start: Int) {
        // The name is spoiled less often than what follows it.
        let first = words.count > start && !chance(10) ? start : 0
        let i = Int.random(in: first..<words.count, using: &random)
        switch Int.random(in: 0..<8, using: &random) {
        case 0: words.remove(at: i)
        case 1: words.insert(words[i], at: i)
        case 2: words.append(oddity())
        case 3: words[i] = oddity()
        case 4: words.swapAt(i, Int.random(in: first..<words.count, using: &random))
        case 5: words = Array(words.prefix(max(i, 1)))
        case 6: words.insert(oddity(), at: max(i, 1))
        default: garble(&words[i])
        }
        if words.isEmpty { words = [oddity()] }
    }

    private mutating func oddity() -> [UInt8] {
        if chance(2) { return Array((Self.tokens.randomElement(using: &random) ?? "").utf8) }
        return Self.bytes.randomElement(using: &random) ?? []
    }

    private mutating func garble(_ word: inout [UInt8]) {
        let byte = UInt8.random(in: 0...255, using: &random)
        guard !word.isEmpty else { return word.append(byte) }
        let i = Int.random(in: 0..<word.count, using: &random)
        if chance(2) { word[i] = byte } else { word.insert(byte, at: i) }
    }

    /// Puts times in, and keeps others from expiring during the run or filling the memory.
    private mutating func finish(_ words: inout [[UInt8]]) {
        let name = String(decoding: words[0], as: UTF8.self).uppercased()
        if ["BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP"].contains(name) {
            // Nobody is there to end a long wait.
            let i = name == "BLMPOP" ? min(1, words.count - 1) : words.count - 1
            let timeout = String(decoding: words[i], as: UTF8.self)
            if i > 0, Self.collectionWords["timeout"]?.contains(timeout) == false {
                words[i] = Array("0.001".utf8)
            }
        }
        if name == "XREAD" || name == "XREADGROUP" {
            for i in words.indices.dropFirst()
            where String(decoding: words[i - 1], as: UTF8.self).uppercased() == "BLOCK" {
                words[i] = Array("1".utf8)
            }
        }
        let isField = name.hasPrefix("H")
        for i in words.indices {
            let number = String(decoding: words[i], as: UTF8.self)
            if number == Self.seconds {
                words[i] = Array("\(Int.random(in: 1000...1_000_000, using: &random) * 100)".utf8)
            } else if number == Self.milliseconds {
                words[i] = Array(
                    "\(Int.random(in: 1000...1_000_000, using: &random) * 100_000)".utf8)
            } else if let value = Int(number), number.utf8.first != UInt8(ascii: "+") {
                let isTime = name.hasSuffix("EX") || name.contains("EXPIRE") || name == "SET"
                if isTime, isField ? isFieldTime(words, i) : i >= 2,
                    (1..<1_000_000).contains(value), !(name == "SET" && i == 2)
                {
                    words[i] = Array("10000000".utf8)
                }
                let option = String(decoding: words[max(i - 1, 0)], as: UTF8.self).uppercased()
                if name == "SET", option.hasSuffix("AT"), (1..<4_102_444_800).contains(value) {
                    // Whether a key that is born expired is still counted is a race.
                    words[i] = Array((option == "EXAT" ? "4102444800" : "4102444800000").utf8)
                }
                if ["SETRANGE", "SETBIT", "BITFIELD"].contains(name),
                    (10_000...4_294_967_295).contains(value)
                {
                    words[i] = Array("1000".utf8)
                }
            }
        }
    }

    /// Whether word `i` of a command on fields is a time that is not over soon and not long ago.
    private func isFieldTime(_ words: [[UInt8]], _ i: Int) -> Bool {
        let texts = words.map { String(decoding: $0, as: UTF8.self).uppercased() }
        if texts[0].contains("EXPIRE") { return i == 2 && !texts[0].hasSuffix("AT") }
        return ["EX", "PX"].contains(texts[i - 1])
    }
}
