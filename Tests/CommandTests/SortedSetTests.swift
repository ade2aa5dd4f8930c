//  SortedSetTests.swift — what sorted sets promise beyond single replies.
import TestSupport
import Testing

@Suite("Sorted sets")
struct SortedSetTests {
    private static func texts(_ reply: RESPValue) -> [String] { reply.items.compactMap(\.text) }

    private static func add(
        _ members: some Sequence<(String, Double)>, _ c: RESPClient, _ key: String
    ) throws {
        var chunk: [String] = []
        for (member, score) in members {
            chunk += ["\(score)", member]
            if chunk.count == 2000 {
                _ = try c.send(["ZADD", key] + chunk)
                chunk = []
            }
        }
        if !chunk.isEmpty { _ = try c.send(["ZADD", key] + chunk) }
    }

    @Test func `large sorted sets agree with a model`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        var random = SeededRandom(seed: 5)
        var model: [String: Double] = [:]
        for round in 0..<30 {
            let batch = (0..<700).map { _ in
                (
                    "m\(Int.random(in: 0..<9000, using: &random))",
                    Double(Int.random(in: 0..<400, using: &random)) / 4
                )
            }
            try Self.add(batch, c, "z")
            for (member, score) in batch { model[member] = score }
            for member in Array(model.keys.sorted().prefix(60)) {
                #expect(try c("ZREM", "z", member) == .integer(1))
                model[member] = nil
            }
            var order = model.map { ($0.value, $0.key) }.sorted(by: <)
            if round % 5 == 4 {
                #expect(try c("ZREMRANGEBYRANK", "z", "100", "299") == .integer(200))
                for (_, member) in order[100..<300] { model[member] = nil }
                order.removeSubrange(100..<300)
                let popped = Self.texts(try c("ZPOPMAX", "z", "50"))
                let expected = order.suffix(50).reversed().flatMap { [$0.1, "\($0.0)"] }
                #expect(popped.count == expected.count && popped[0] == expected[0])
                for (_, member) in order.suffix(50) { model[member] = nil }
                order.removeLast(50)
            }
            #expect(try c("ZCARD", "z") == .integer(order.count))
            #expect(Self.texts(try c("ZRANGE", "z", "0", "-1")) == order.map(\.1))
            for _ in 0..<20 {
                let i = Int.random(in: 0..<order.count, using: &random)
                #expect(try c("ZRANK", "z", order[i].1) == .integer(i))
                #expect(try c("ZREVRANK", "z", order[i].1) == .integer(order.count - 1 - i))
                let low = Double(Int.random(in: 0..<400, using: &random)) / 4
                let wanted = order.filter { $0.0 >= low && $0.0 < low + 5 }
                #expect(
                    try c("ZCOUNT", "z", "\(low)", "(\(low + 5))".replacing(")", with: ""))
                        == .integer(wanted.count))
                let shown = try c(
                    "ZRANGEBYSCORE", "z", "\(low)", "(\(low + 5)", "LIMIT", "3", "10")
                #expect(Self.texts(shown) == wanted.dropFirst(3).prefix(10).map(\.1))
            }
        }
    }

    @Test func `ZSCAN returns what is there throughout, whatever happens meanwhile`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        let lasting = Set((0..<3000).map { "lasting:\($0)" })
        for grows in [true, false] {
            _ = try c("DEL", "z")
            try Self.add(lasting.map { ($0, 1) }, c, "z")
            if !grows { try Self.add((0..<60_000).map { ("other:\($0)", 2) }, c, "z") }
            var seen: Set<String> = [], cursor = "0", calls = 0
            repeat {
                let reply = try c("ZSCAN", "z", cursor, "COUNT", "20")
                cursor = reply.item(0)?.text ?? "0"
                seen.formUnion(Self.texts(reply.item(1) ?? .null))
                if calls < 150 {
                    let names = (0..<400).map { "other:\(calls * 400 + $0)" }
                    if grows {
                        try Self.add(names.map { ($0, 2) }, c, "z")
                    } else {
                        _ = try c.send(["ZREM", "z"] + names)
                    }
                }
                calls += 1
                guard calls < 5000 else { throw TestFailure("the walk does not end") }
            } while cursor != "0"
            #expect(seen.isSuperset(of: lasting))
        }
    }

    @Test func `waiting clients are served in the order in which they came`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        let waiting = try (0..<3).map { _ in try server.connect() }
        for (i, client) in waiting.enumerated() {
            try client.write(i == 1 ? "BZPOPMAX z y 0\r\n" : "BZMPOP 0 2 y z MIN COUNT 2\r\n")
            try waitUntil("it waits") {
                try c("INFO", "clients").text?.contains("blocked_clients:\(i + 1)") == true
            }
        }
        // A list does not serve them.
        _ = try c("RPUSH", "z", "x")
        _ = try c("DEL", "z")
        _ = try c("ZADD", "z", "1", "a", "2", "b", "3", "c", "4", "d", "5", "e")
        func pair(_ member: String, _ score: String) -> RESPValue {
            .array([.bulk(member), .bulk(score)])
        }
        #expect(
            try waiting[0].reply().value
                == .array([.bulk("z"), .array([pair("a", "1"), pair("b", "2")])]))
        #expect(
            try waiting[1].reply().value == .array([.bulk("z"), .bulk("e"), .bulk("5")]))
        #expect(
            try waiting[2].reply().value
                == .array([.bulk("z"), .array([pair("c", "3"), pair("d", "4")])]))
        #expect(try c("EXISTS", "z") == .integer(0))
    }

    @Test func `results of operations become the smallest encoding`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        try Self.add((0..<500).map { ("m\($0)", Double($0)) }, c, "z")
        _ = try c("ZADD", "few", "1", "m1", "2", "m2")
        #expect(try c("ZINTERSTORE", "out", "2", "z", "few") == .integer(2))
        #expect(try c("OBJECT", "ENCODING", "out") == .bulk("listpack"))
        #expect(try c("ZUNIONSTORE", "few", "2", "z", "few") == .integer(500))
        #expect(try c("OBJECT", "ENCODING", "few") == .bulk("skiplist"))
        #expect(try c("ZRANGESTORE", "few", "z", "0", "9") == .integer(10))
        #expect(try c("OBJECT", "ENCODING", "few") == .bulk("listpack"))
        #expect(try c("ZRANGESTORE", "z", "z", "900", "901") == .integer(0))
        #expect(try c("EXISTS", "z") == .integer(0))
    }

    @Test func `huge counts hold nothing and nobody`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        _ = try c("ZADD", "z", "1", "a", "2", "b", "3", "c")
        let most = "9223372036854775807", least = "-9223372036854775808"
        #expect(try c("ZRANDMEMBER", "z", "-" + most).isError)
        #expect(try c("ZRANDMEMBER", "z", least).isError)
        #expect(Self.texts(try c("ZRANDMEMBER", "z", most)).count == 3)
        #expect(Self.texts(try c("ZRANGE", "z", least, most)).count == 3)
        #expect(Self.texts(try c("ZRANGE", "z", most, least)).isEmpty)
        let all = try c("ZRANGEBYSCORE", "z", "-inf", "inf", "LIMIT", "1", most)
        #expect(Self.texts(all) == ["b", "c"])
        #expect(Self.texts(try c("ZRANGEBYSCORE", "z", "0", "9", "LIMIT", least, most)).isEmpty)
        #expect(try c("ZINTERCARD", "1", "z", "LIMIT", most) == .integer(3))
        #expect(try c("ZUNION", most, "z").isError)
        #expect(try c("ZMPOP", most, "z", "MIN").isError)
        #expect(try c("ZREMRANGEBYRANK", "z", least, least) == .integer(0))
        #expect(Self.texts(try c("ZPOPMIN", "z", most)).count == 6)
    }

    @Test func `large sorted sets are copied, renamed and deleted with all their memory`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        func used() throws -> Int {
            let text = try c("INFO", "memory").text ?? ""
            let line = text.split(whereSeparator: \.isNewline).first {
                $0.hasPrefix("used_memory:")
            }
            return Int(line?.split(separator: ":").last ?? "") ?? -1
        }
        let before = try used()
        try Self.add((0..<20_000).map { ("member:\($0)", Double($0 % 100)) }, c, "z")
        #expect(try c("COPY", "z", "y") == .integer(1))
        #expect(try c("DEBUG", "DIGEST-VALUE", "z") == c("DEBUG", "DIGEST-VALUE", "y"))
        #expect(try c("ZREM", "z", "member:7") == .integer(1))
        #expect(try c("ZSCORE", "y", "member:7") == .bulk("7"))
        #expect(try c("ZREMRANGEBYSCORE", "y", "-inf", "inf") == .integer(20_000))
        #expect(try c("EXISTS", "y") == .integer(0))
        _ = try c("RENAME", "z", "x")
        _ = try c("DEL", "x")
        try waitUntil("memory is back") { try used() < before + 200_000 }
    }
}
