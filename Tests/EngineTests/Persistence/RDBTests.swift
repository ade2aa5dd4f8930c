//  RDBTests.swift — forms of values that only old servers write, and bytes that nobody writes.
import Logging
import Platform
import TestSupport
import Testing

@testable import Engine

@Suite("RDB") struct RDBTests {
    /// A value that was read into a database of its own, as text; nil when the bytes are damaged.
    private static func read(
        _ type: RDBType, _ bytes: [UInt8], _ configuration: Configuration = Configuration()
    ) -> String? {
        var database = Database(seed: HashSeed(k0: 1, k1: 2), now: 0)
        var shop = ValueWorkshop(
            limits: ValueLimits(configuration), seed: HashSeed(k0: 1, k1: 2))
        var input = RDBInput(bytes.span, stringBytesMax: 1 << 20)
        let key = Array("key".utf8)
        let record = try? input.readValue(
            type, key: key.span, deadline: nil, &shop, &database.heap)
        guard let record = record ?? nil else {
            #expect(database.heap.usedBytes == 0, "something is left")
            return nil
        }
        defer { database.free(record) }
        var parts: [String] = []
        switch record.kind {
        case .string: parts = [record.bytes.text]
        case .integer: parts = ["\(record.integer)"]
        case .packedHash, .hash:
            record.forEachField(0) { name, value in
                parts.append(String(decoding: name.array, as: UTF8.self))
                parts.append(String(decoding: value.array, as: UTF8.self))
            }
        case .packedSortedSet, .sortedSet:
            record.forEachScored(0..<record.sortedSetCount) { member, score in
                parts.append(String(decoding: member.array, as: UTF8.self))
                parts.append(Numbers.shortest(score))
            }
        default:
            record.forEachMember { parts.append(String(decoding: $0.array, as: UTF8.self)) }
        }
        return "\(Objects.encodingName(record)) " + parts.joined(separator: " ")
    }

    private static func string(_ bytes: [UInt8]) -> [UInt8] {
        var out = ByteBuffer()
        out.append(rdbLength: bytes.count)
        return out.span.array + bytes
    }

    private static func ziplist(_ entries: [[UInt8]]) -> [UInt8] {
        var body: [UInt8] = [], before = 0, last = 10
        for entry in entries {
            last = 10 + body.count
            let head: [UInt8] =
                before < 254
                ? [UInt8(before)] : [254] + (0..<4).map { UInt8(before >> ($0 * 8) & 0xFF) }
            body += head + entry
            before = head.count + entry.count
        }
        let total = 11 + body.count
        let fields = [(total, 4), (last, 4), (entries.count, 2)]
        return fields.flatMap { value, n in (0..<n).map { UInt8(value >> ($0 * 8) & 0xFF) } } + body
            + [255]
    }

    private static func text(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        if bytes.count < 64 { return [UInt8(bytes.count)] + bytes }
        return [0x40 | UInt8(bytes.count >> 8), UInt8(bytes.count & 0xFF)] + bytes
    }

    @Test func `the checksum is that of the format`() {
        let text = Array("123456789".utf8)
        #expect(CRC64.update(0, text.span) == 0xE9C6_D914_C4B8_D9CA)
        let long = (0..<100).map { UInt8($0) }
        for cut in [0, 1, 7, 8, 50, 99] {
            let first = CRC64.update(0, long.span.extracting(..<cut))
            #expect(CRC64.update(first, long.span.extracting(cut...)) == CRC64.update(0, long.span))
        }
    }

    @Test func `lists of ziplists`() {
        let long = String(repeating: "y", count: 300)
        let one = Self.ziplist([
            Self.text("a"), [0xF3], [0xFE, 0x80], [0xC0, 0x00, 0x80], Self.text(long),
            [0xF0, 1, 2, 0xFF], [0xD0, 0, 0, 0, 0x80],
            [0xE0, 255, 255, 255, 255, 255, 255, 255, 127], Self.text(""),
        ])
        let expected = "a 2 -128 -32768 \(long) -65023 -2147483648 9223372036854775807 "
        #expect(Self.read(.listZiplist, Self.string(one)) == "listpack " + expected)
        let two = Self.string(one) + Self.string(Self.ziplist([Self.text("b")]))
        #expect(Self.read(.listOfZiplists, [2] + two) == "quicklist \(expected) b")
        #expect(
            Self.read(.list, [3] + Self.string(Array("x".utf8)) + [0xC0, 5] + [0xC1, 0, 1])
                == "listpack x 5 256")
    }

    @Test func `hashes of zipmaps and ziplists`() {
        let map: [UInt8] = [2, 1, 97, 2, 0, 98, 99, 1, 100, 1, 2, 101, 0, 0, 255]
        #expect(Self.read(.hashZipmap, Self.string(map)) == "listpack a bc d e")
        let list = Self.ziplist([Self.text("f"), [0xF1], Self.text("g"), Self.text("h")])
        #expect(Self.read(.hashZiplist, Self.string(list)) == "listpack f 0 g h")
    }

    @Test func `sets of integers, and sorted sets with scores as text`() {
        let set: [UInt8] = [2, 0, 0, 0, 3, 0, 0, 0, 0xFF, 0xFF, 1, 0, 2, 0]
        #expect(Self.read(.integerSet, Self.string(set)) == "intset -1 1 2")
        let scores: [UInt8] =
            [4] + Self.string([97]) + [3] + Array("2.5".utf8) + Self.string([98]) + [254]
            + Self.string([99]) + [255] + Self.string([100]) + [1] + Array("1".utf8)
        #expect(Self.read(.sortedSetOfTexts, scores) == "listpack c -inf d 1 a 2.5 b inf")
        let list = Self.ziplist([Self.text("m"), Self.text("1.5"), Self.text("n"), [0xF3]])
        #expect(Self.read(.sortedSetZiplist, Self.string(list)) == "listpack m 1.5 n 2")
    }

    @Test func `limits of the configuration count, not those of the file`() {
        var small = Configuration()
        small.hashMaxListpackEntries = 1
        small.setMaxIntsetEntries = 1
        small.setMaxListpackEntries = 1
        small.zsetMaxListpackEntries = 1
        let list = Self.ziplist([Self.text("f"), [0xF1], Self.text("g"), Self.text("h")])
        #expect(Self.read(.hashZiplist, Self.string(list), small)?.hasPrefix("hashtable") == true)
        let set: [UInt8] = [2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2, 0]
        #expect(Self.read(.integerSet, Self.string(set), small)?.hasPrefix("hashtable") == true)
        let scores = Self.ziplist([Self.text("m"), [0xF2], Self.text("n"), [0xF3]])
        #expect(
            Self.read(.sortedSetZiplist, Self.string(scores), small)?.hasPrefix("skiplist") == true)
    }

    @Test(
        arguments: [
            [0xC3, 5, 0x90, 1, 2, 3, 4, 5], [0x80, 0xFF, 0xFF, 0xFF, 0xFF, 1],
            [0x81] + [UInt8](repeating: 0xFF, count: 9),
            [0xC3, 1, 0x81, 0x7F, 255, 255, 255, 255, 255, 255, 255, 0], [0xC4], [5, 1], [],
        ] as [[UInt8]])
    func `strings that are none`(bytes: [UInt8]) {
        for type in [RDBType.string, .list, .set, .hash, .sortedSet, .hashListpack, .integerSet] {
            #expect(Self.read(type, bytes) == nil)
        }
    }

    @Test func `names that come twice are refused`() {
        #expect(Self.read(.set, [2, 1, 97, 1, 97]) == nil)
        #expect(Self.read(.hash, [2, 1, 97, 1, 98, 1, 97, 1, 99]) == nil)
        let zero = [UInt8](repeating: 0, count: 8)
        #expect(Self.read(.sortedSet, [2, 1, 97] + zero + [1, 97] + zero) == nil)
        let list = Self.ziplist([Self.text("f"), [0xF1], Self.text("f"), Self.text("h")])
        #expect(Self.read(.hashZiplist, Self.string(list)) == nil)
    }

    // MARK: - Damage

    /// Values of every type, as DUMP writes them, without the footer.
    private static func payloads(_ random: inout SeededRandom) -> [[UInt8]] {
        let server = DamageServer()
        for n in [1, 3, 14, 40] {
            let words = (0..<n).map { _ in
                Bool.random(using: &random)
                    ? "\(Int.random(in: -99_999...99_999, using: &random))"
                    : String(repeating: "ab", count: Int.random(in: 0...60, using: &random))
            }
            server.run(["SET", "string\(n)", words.joined()])
            server.run(["RPUSH", "list\(n)"] + words)
            server.run(["SADD", "set\(n)"] + words)
            server.run(["SADD", "integers\(n)"] + (0..<n).map { "\($0 * 300)" })
            server.run(["HSET", "hash\(n)"] + words.enumerated().flatMap { ["\($0)", $1] })
            server.run(["HSET", "volatile\(n)"] + words.enumerated().flatMap { ["\($0)", $1] })
            server.run(["HEXPIRE", "volatile\(n)", "1000", "FIELDS", "1", "0"])
            server.run(["ZADD", "zset\(n)"] + words.enumerated().flatMap { ["\($0)", $1] })
            makeStream("stream\(n)", words, server)
        }
        return server.dumps() + oldPayloads()
    }

    /// Values in the forms that only other servers write.
    private static func oldPayloads() -> [[UInt8]] {
        let numbers = ziplist([text("a"), [0xF3], [0xFE, 0x80], [0xC0, 0, 0x80]])
        let pairs = ziplist([text("f"), [0xF1], text("g"), text("value")])
        let scores = ziplist([text("m"), text("1.5"), text("n"), [0xF3]])
        let base: [UInt8] = [0, 0x10, 0xA5, 0xD4, 0xE8, 0, 0, 0]
        let members = listpack(["one", "-2", String(repeating: "m", count: 70)])
        let fields = listpack(["f", "v", "0", "g", "12", "1000000000000"])
        let forms: [(RDBType, [UInt8])] = [
            (.hashZipmap, string([1, 1, 97, 2, 0, 98, 99, 255])),
            (.listZiplist, string(numbers)),
            (.listOfZiplists, [2] + string(numbers) + string(ziplist([text("hello")]))),
            (.hashZiplist, string(pairs)), (.sortedSetZiplist, string(scores)),
            (.list, [3] + text("x") + [0xC0, 5] + [0xC1, 0, 1]),
            (.listOfListpacks, [2, 1] + text("plain") + [2] + string(members)),
            (
                .sortedSetOfTexts,
                [4] + text("a") + [3] + Array("2.5".utf8) + text("b") + [254] + text("c") + [255]
                    + text("d") + [1, 49]
            ),
            (.setListpack, string(members)),
            (.hashListpackWithDeadlines, base + string(fields)),
            (.hashListpackWithDeadlinesUnfinished, string(fields)),
            (
                .hashWithDeadlines,
                base + [2, 0] + text("f") + text("v") + [9] + text("g") + [1, 50]
            ),
            (.hashWithDeadlinesUnfinished, [1, 0] + text("f") + text("v")),
            (.string, [0xC3, 5, 12, 0, 97, 0xE0, 2, 0]),
        ]
        return forms.map { [$0.rawValue] + $1 }
    }

    private static func listpack(_ words: [String]) -> [UInt8] {
        var entries = ByteBuffer()
        for word in words { entries.append(PackedEntry(Array(word.utf8).span)) }
        let total = entries.count + 7
        let head = (0..<4).map { UInt8(total >> ($0 * 8) & 0xFF) } + [UInt8(words.count), 0]
        return head + entries.span.array + [255]
    }

    @Test func `the values that are damaged below are whole before`() {
        for payload in Self.oldPayloads() {
            let type = RDBType(rawValue: payload[0]) ?? .module
            #expect(Self.read(type, Array(payload.dropFirst())) != nil, "\(type.name)")
        }
    }

    private static func makeStream(_ key: String, _ words: [String], _ server: DamageServer) {
        for (i, word) in words.enumerated() {
            let own = i % 5 == 4 ? ["extra", word] : []
            server.run(["XADD", key, "\(i + 1)-\(i % 3)", "field", word, "7", "8"] + own)
        }
        for group in ["one", "two"] { server.run(["XGROUP", "CREATE", key, group, "0"]) }
        for consumer in ["c", "d"] {
            server.run([
                "XREADGROUP", "GROUP", "one", consumer, "COUNT", "5", "STREAMS", key, ">",
            ])
        }
        server.run(["XREADGROUP", "GROUP", "two", "c", "STREAMS", key, ">"])
        server.run(["XDEL", key, "2-1"])
        server.run(["XGROUP", "CREATECONSUMER", key, "two", "idle"])
    }

    private static func damage(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0...5, using: &random) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[at] ^= 1 << UInt8.random(in: 0...7, using: &random)
            case 2: bytes.remove(at: at)
            case 3:
                let odd: [UInt8] = [0, 0xFF, 0x80, 0x81, 0xC3]
                bytes.insert(odd.randomElement(using: &random) ?? 0, at: at)
            case 4: bytes.removeSubrange(at...)
            default:
                let odd: [UInt8] = [0, 0xFF, 0x7F, 0x80, 0x81, 0xC3, 0xF4]
                bytes[at] = odd.randomElement(using: &random) ?? 0
            }
        }
    }

    @Test func `100,000 damaged payloads of RESTORE leave nothing behind`() throws {
        var random = SeededRandom(seed: 20_261_124)
        let payloads = Self.payloads(&random)
        let server = DamageServer()
        for i in 0..<100_000 {
            var bytes = payloads[i % payloads.count]
            Self.damage(&bytes, &random)
            bytes += [11, 0]
            let checksum = CRC64.update(0, bytes.span)
            for k in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: checksum >> UInt64(k * 8))) }
            let reply = server.run(["RESTORE", "key", "0"].map { Array($0.utf8) } + [bytes])
            if reply.first == UInt8(ascii: "+") {
                // What was taken is whole: every command of its type can read it.
                server.readBack("key")
                server.run(["DEL", "key"])
            }
            if i % 1000 == 0 {
                server.settle()
                try #require(server.usedBytes < 1 << 20)
            }
        }
        #expect(server.isEmpty)
        server.settle()
        #expect(server.usedBytes < 256 << 10)
    }

    /// What stands in front of the keys of a file: a note, data of a module, a database, its size.
    private static let preamble: [UInt8] =
        [RDBOpcode.note.rawValue] + text("redis-ver") + text("7.0.15")
        + [RDBOpcode.moduleData.rawValue, 9, 2, 1, 5] + text("data") + [2, 7, 0]
        + [RDBOpcode.database.rawValue, 0, RDBOpcode.sizes.rawValue, 3, 1]

    /// What may stand in front of a key.
    private static let lives: [[UInt8]] = [
        [], [RDBOpcode.milliseconds.rawValue, 0, 0, 0, 0, 0, 9, 0, 0],
        [RDBOpcode.seconds.rawValue, 255, 255, 255, 127], [RDBOpcode.idle.rawValue, 5],
        [RDBOpcode.frequency.rawValue, 9], [RDBOpcode.slot.rawValue, 1, 2, 3],
    ]

    @Test func `100,000 damaged files load a whole number of keys or none`() throws {
        var random = SeededRandom(seed: 4)
        let payloads = Self.payloads(&random)
        let server = DamageServer()
        for i in 0..<100_000 {
            var bytes = Array("REDIS0010".utf8) + Self.preamble
            for k in 0..<3 {
                let payload = payloads[(i + k * 7) % payloads.count]
                bytes += Self.lives[(i + k) % Self.lives.count] + [payload[0]]
                bytes += [2, UInt8(ascii: "k"), UInt8(48 + k)] + payload.dropFirst()
            }
            bytes.append(RDBOpcode.end.rawValue)
            Self.damage(&bytes, &random)
            if i % 2 == 0 {
                let checksum = CRC64.update(0, bytes.span)
                for k in 0..<8 {
                    bytes.append(UInt8(truncatingIfNeeded: checksum >> UInt64(k * 8)))
                }
            }
            server.load(bytes)
            server.settle()
            // What is there is whole.
            if i % 4 == 0 { for key in server.keys() { server.readBack(key) } }
            server.clear()
            // Deadlines of keys that are gone stay a while.
            try #require(server.usedBytes < 64 << 10)
        }
    }
}

/// An executor for bytes that nobody should send.
private final class DamageServer {
    private var executor: Executor
    private let slot: Int
    private var state = ParserState()

    init() {
        var configuration = Configuration()
        configuration.databases = 1
        configuration.save = []
        // Small, so that short values come in every encoding.
        configuration.hashMaxListpackEntries = 16
        configuration.setMaxIntsetEntries = 16
        configuration.setMaxListpackEntries = 16
        configuration.zsetMaxListpackEntries = 16
        configuration.listMaxListpackSize = 8
        configuration.streamNodeMaxEntries = 4
        executor = Executor(
            configuration: configuration, identity: ServerIdentity(configurationFile: ""),
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        slot = executor.call.clients.open(now: executor.call.now)
    }

    @discardableResult
    func run(_ words: [String]) -> [UInt8] { run(words.map { Array($0.utf8) }) }

    @discardableResult
    func run(_ words: [[UInt8]]) -> [UInt8] {
        let request = RESPClient.request(words)
        var reply = Reply()
        _ = executor.serve(request.span, &state, client: slot, &reply)
        return reply.out.span.array
    }

    /// The values of all keys as DUMP writes them, without the footer.
    func dumps() -> [[UInt8]] {
        var all: [[UInt8]] = []
        _ = executor.call.database.scanAll { record in
            all.append(
                Dumps.payload(record, compresses: all.count % 2 == 0).span.array.dropLast(10))
        }
        return all
    }

    func readBack(_ key: String) { readBack(Array(key.utf8)) }

    func readBack(_ key: [UInt8]) {
        let requests = [
            "DEBUG DIGEST", "DUMP KEY", "LRANGE KEY 0 -1", "HGETALL KEY", "SMEMBERS KEY",
            "ZRANGE KEY 0 -1 WITHSCORES", "GET KEY", "LPOP KEY", "ZPOPMIN KEY", "SPOP KEY",
            "HDEL KEY 0", "XINFO STREAM KEY FULL", "XREVRANGE KEY + -",
            "XREADGROUP GROUP one d STREAMS KEY >", "XPENDING KEY two",
            "XREADGROUP GROUP two c STREAMS KEY 0", "XADD KEY * f v",
            "XAUTOCLAIM KEY one new 0 0", "XACK KEY two 1-0 4-0", "XDELEX KEY DELREF IDS 1 3-2",
            "XGROUP DELCONSUMER KEY one c", "XTRIM KEY MAXLEN 2 ACKED", "XGROUP DESTROY KEY two",
            "COPY KEY copy", "DEL copy",
        ]
        for request in requests {
            run(request.split(separator: " ").map { $0 == "KEY" ? key : Array($0.utf8) })
        }
    }

    func keys() -> [[UInt8]] {
        var all: [[UInt8]] = []
        _ = executor.call.database.scanAll { all.append($0.key.array) }
        return all
    }

    func load(_ bytes: [UInt8]) {
        var loader = RDBLoader(RDBInput(bytes.span), RDBLoader.Options(), executor.call)
        do throws(RDBError) {
            try loader.begin()
            _ = try loader.step(&executor.call, until: .max)
        } catch {}
    }

    var usedBytes: Int { executor.call.keyspace.usedBytes }
    var isEmpty: Bool { executor.call.keyspace.databases[0].count == 0 }

    /// Does what a turn does besides commands: frees what is freed in slices, forgets deadlines of
    /// keys that are gone.
    func settle() {
        while executor.call.keyspace.databases[0].freeDoomed() {}
        executor.expireDue()
    }

    /// Deletes the keys that files have.
    func clear() {
        for _ in 0..<executor.call.keyspace.databases[0].count {
            var random = RandomGenerator()
            guard let record = executor.call.keyspace.databases[0].random(&random) else { break }
            run([Array("DEL".utf8), record.key.array])
        }
        settle()
    }
}

extension Database {
    fileprivate func scanAll(_ body: (Record) -> Void) -> UInt64 {
        var cursor: UInt64 = 0
        repeat { cursor = scan(cursor, body) } while cursor != 0
        return cursor
    }
}
