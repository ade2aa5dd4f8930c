//  DataImage.swift — random data of every type, and all that can be read back of them.
import TestSupport

/// What a server holds: a line for each key.
struct DataImage {
    private(set) var lines: [String: String] = [:]

    /// Reads everything from the selected database of `client`; the deadlines of fields too, if the
    /// server knows such.
    init(_ client: RESPClient, fieldDeadlines: Bool = true) throws {
        let keys = try client("KEYS", "*").items.compactMap(\.text)
        for chunk in stride(from: 0, to: keys.count, by: 500) {
            let part = Array(keys[chunk..<min(chunk + 500, keys.count)])
            try client.write(part.flatMap { RESPClient.request("TYPE", $0) })
            let types = try client.replies(part.count).map { $0.text ?? "" }
            try client.write(part.flatMap { RESPClient.request("PEXPIRETIME", $0) })
            let deadlines = try client.replies(part.count)
            var requests: [UInt8] = []
            for (key, type) in zip(part, types) { requests += Self.read(key, type) }
            try client.write(requests)
            let values = try client.replies(part.count)
            for i in part.indices {
                var text = "\(types[i]) \(deadlines[i]) " + Self.shown(values[i], types[i])
                if types[i] == "hash", fieldDeadlines {
                    text += try Self.deadlines(part[i], values[i], client)
                }
                lines[part[i]] = text
            }
        }
    }

    private static func read(_ key: String, _ type: String) -> [UInt8] {
        switch type {
        case "list": RESPClient.request("LRANGE", key, "0", "-1")
        case "set": RESPClient.request("SMEMBERS", key)
        case "hash": RESPClient.request("HGETALL", key)
        case "zset": RESPClient.request("ZRANGE", key, "0", "-1", "WITHSCORES")
        case "stream": RESPClient.request("XINFO", "STREAM", key, "FULL", "COUNT", "0")
        default: RESPClient.request("GET", key)
        }
    }

    private static func shown(_ value: RESPValue, _ type: String) -> String {
        switch type {
        case "set": return value.items.map(\.description).sorted().joined(separator: " ")
        case "hash":
            let items = value.items
            let pairs = stride(from: 0, to: items.count - 1, by: 2).map {
                "\(items[$0])=\(items[$0 + 1])"
            }
            return pairs.sorted().joined(separator: " ")
        case "zset":
            // Redis 7.0 prints a score with more digits than it needs.
            return value.items.enumerated().map { i, item in
                i % 2 == 0 ? item.description : "\(item.text.flatMap { Double($0) } ?? .nan)"
            }.joined(separator: " ")
        case "stream": return stream(value)
        default: return value.description
        }
    }

    /// All but how the tree is built, and what only some versions know.
    private static func stream(_ value: RESPValue) -> String {
        value.pairs.filter { !($0.key.text ?? "").hasPrefix("radix") }.map { key, value in
            guard key.text == "groups" else { return "\(key)=\(value)" }
            let groups = value.items.map { group in
                // Versions count what is to be read in different ways.
                group.pairs.filter { $0.key.text != "lag" }.map { key, value in
                    key.text != "consumers"
                        ? "\(key)=\(value)"
                        : value.items.map { consumer in
                            consumer.pairs.filter {
                                $0.key.text != "active-time" && $0.key.text != "seen-time"
                            }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
                        }.joined(separator: "; ")
                }.joined(separator: " ")
            }
            return "groups=\(groups)"
        }.joined(separator: " ")
    }

    private static func deadlines(
        _ key: String, _ value: RESPValue, _ client: RESPClient
    ) throws -> String {
        let names = stride(from: 0, to: value.items.count, by: 2).compactMap {
            value.items[$0].text
        }
        let reply = try client.send(
            (["HPEXPIRETIME", key, "FIELDS", "\(names.count)"] + names).map { Array($0.utf8) })
        let pairs = zip(names, reply.value.items).filter { $0.1 != .integer(-1) }
        return pairs.map { "\($0.0)@\($0.1)" }.sorted().joined(separator: " ")
    }

    /// Keys that differ, at most a few of them, with what there is.
    func differences(_ other: DataImage) -> [String] {
        let keys = Set(lines.keys).union(other.lines.keys).sorted()
        return keys.filter { lines[$0] != other.lines[$0] }.prefix(3).map { key in
            let texts = [self, other].map { $0.lines[key]?.prefix(200) ?? "missing" }
            return "\(key): \(texts[0]) | \(texts[1])"
        }
    }
}

/// Data and changes by chance.
struct DataSource {
    var random: SeededRandom
    /// Whether hashes get fields with deadlines.
    var hasFieldDeadlines = true

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    mutating func number(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &random)
    }

    /// A word without bytes above 127, so that it survives as text.
    mutating func word() -> String {
        switch number(0...6) {
        case 0: return "\(number(-200...200))"
        case 1: return "\(Int.random(in: .min ... .max, using: &random))"
        case 2: return String(repeating: "x", count: number(0...90))
        case 3: return "word\(number(0...999))"
        case 4: return "\(number(-40_000...40_000))"
        case 5: return String(repeating: "lorem ipsum dolor sit amet ", count: number(1...8))
        default: return "\u{1}\n\u{0}\(number(0...9))é"
        }
    }

    mutating func words(_ n: Int) -> [String] { (0..<n).map { _ in word() } }

    /// Requests that make a key of any type with about `n` elements.
    mutating func value(_ key: String, _ type: Int, _ n: Int) -> [[String]] {
        switch type {
        case 0: return [["SET", key, word()]]
        case 1: return [["RPUSH", key] + words(n)]
        case 2:
            let areIntegers = number(0...1) == 0
            return [
                ["SADD", key]
                    + (0..<n).map { _ in areIntegers ? "\(number(-70_000...70_000))" : word() }
            ]
        case 3:
            var requests = [["HSET", key] + (0..<n).flatMap { ["f\($0)", word()] }]
            guard hasFieldDeadlines, number(0...2) == 0 else { return requests }
            for i in stride(from: 0, to: n, by: 3) {
                requests.append(["HPEXPIRE", key, "\(10_000_000 + i)", "FIELDS", "1", "f\(i)"])
            }
            return requests
        case 5: return stream(key, n)
        default:
            let scores = ["inf", "-inf", "1e300", "0.1", "3.25"]
            return [
                ["ZADD", key]
                    + (0..<n).flatMap { _ in
                        let score =
                            number(0...3) == 0 ? scores[number(0...4)] : "\(number(-99...99))"
                        return [score, word()]
                    }
            ]
        }
    }

    /// A stream whose consumers have been active when they last asked, as old servers suppose.
    private mutating func stream(_ key: String, _ n: Int) -> [[String]] {
        var requests: [[String]] = []
        for i in 1...n {
            let own = number(0...9) == 0 ? [word(), word()] : []
            requests.append(
                ["XADD", key, "\(i * 3)-\(number(0...2))", "f", word(), "12", word()] + own)
        }
        requests.append(["XDEL", key, "\(number(1...n) * 3)-1"])
        guard n > 4, number(0...2) > 0 else { return requests }
        for group in ["one", "two"] {
            requests.append(["XGROUP", "CREATE", key, group, "0"])
            for consumer in ["a", "b"] {
                requests.append([
                    "XREADGROUP", "GROUP", group, consumer, "COUNT", "\(number(1...(n / 3)))",
                    "STREAMS", key, ">",
                ])
            }
            requests.append(["XACK", key, group, "\(number(1...n) * 3)-0"])
        }
        return requests
    }

    /// Fills a server with `count` keys of every type and size.
    mutating func fill(_ client: RESPClient, count: Int) throws {
        var requests: [[String]] = []
        for i in 0..<count {
            let size = [1, 2, 5, 20, 100, 130, 600, 1500][number(0...7)]
            requests += value("key:\(i)", number(0...5), size)
            if number(0...4) == 0 { requests.append(["PEXPIRE", "key:\(i)", "10000000"]) }
        }
        try Self.send(requests, client)
    }

    static func send(_ requests: [[String]], _ client: RESPClient) throws {
        for chunk in stride(from: 0, to: requests.count, by: 200) {
            let part = requests[chunk..<min(chunk + 200, requests.count)]
            try client.write(part.flatMap { RESPClient.request($0) })
            _ = try client.replies(part.count)
        }
    }
}
