//  SetTests.swift — what sets promise beyond single replies.
import TestSupport
import Testing

@Suite("Sets")
struct SetTests {
    private static func add(_ members: some Sequence<String>, _ c: RESPClient, _ key: String) throws
    {
        var chunk: [String] = []
        for member in members {
            chunk.append(member)
            if chunk.count == 1000 {
                _ = try c.send(["SADD", key] + chunk)
                chunk = []
            }
        }
        if !chunk.isEmpty { _ = try c.send(["SADD", key] + chunk) }
    }

    private static func texts(_ reply: RESPValue) -> [String] { reply.items.compactMap(\.text) }

    @Test func `operations on large sets agree with a model`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        var random = SeededRandom(seed: 3)
        for round in 0..<6 {
            var models: [Set<String>] = []
            for i in 0..<4 {
                let size = [30, 400, 5000, 20_000][(round + i) % 4]
                let model = Set(
                    (0..<size).map { _ in
                        "\(i % 2 == 0 ? "" : "m")\(Int.random(in: 0..<25_000, using: &random))"
                    })
                _ = try c("DEL", "s\(i)")
                try Self.add(model, c, "s\(i)")
                models.append(model)
            }
            for pick in [[0, 1], [1, 3], [0, 2], [2, 0, 1], [3, 2, 1, 0], [1, 1], [2, 9]] {
                let keys = pick.map { "s\($0)" }
                let sets = pick.map { $0 < 4 ? models[$0] : [] }
                let inter = sets.dropFirst().reduce(sets[0]) { $0.intersection($1) }
                let union = sets.reduce(Set()) { $0.union($1) }
                let diff = sets.dropFirst().reduce(sets[0]) { $0.subtracting($1) }
                for (name, expected) in [("SINTER", inter), ("SUNION", union), ("SDIFF", diff)] {
                    let shown = Self.texts(try c.send([name] + keys))
                    #expect(shown.count == expected.count && Set(shown) == expected)
                    let stored = try c.send([name + "STORE", "out"] + keys)
                    #expect(stored == .integer(expected.count))
                    #expect(Set(Self.texts(try c("SMEMBERS", "out"))) == expected)
                }
                let count = try c.send(["SINTERCARD", "\(keys.count)"] + keys)
                #expect(count == .integer(inter.count))
            }
        }
    }

    @Test func `SSCAN returns what is there throughout, whatever happens meanwhile`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        let lasting = Set((0..<3000).map { "lasting:\($0)" })
        for grows in [true, false] {
            _ = try c("DEL", "s")
            try Self.add(lasting, c, "s")
            if !grows { try Self.add((0..<60_000).map { "other:\($0)" }, c, "s") }
            var seen: Set<String> = [], cursor = "0", calls = 0
            repeat {
                let reply = try c("SSCAN", "s", cursor, "COUNT", "20")
                cursor = reply.item(0)?.text ?? "0"
                seen.formUnion(Self.texts(reply.item(1) ?? .null))
                // The table doubles several times, or shrinks as often.
                if calls < 150 {
                    let names = (0..<400).map { "other:\(calls * 400 + $0)" }
                    _ = try c.send([grows ? "SADD" : "SREM", "s"] + names)
                }
                calls += 1
                guard calls < 5000 else { throw TestFailure("the walk does not end") }
            } while cursor != "0"
            #expect(seen.isSuperset(of: lasting))
        }
    }

    @Test func `SPOP and SRANDMEMBER choose fairly`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        // Integers, entries and a table.
        for (count, prefix) in [(20, ""), (20, "m"), (600, "m")] {
            let members = (0..<count).map { prefix + "\($0)" }
            try Self.add(members, c, "s")
            var hits: [String: Int] = [:]
            let draws = count * 100
            for member in Self.texts(try c("SRANDMEMBER", "s", "-\(draws)")) {
                hits[member, default: 0] += 1
            }
            #expect(hits.count == count)
            // Members of thin buckets come more often, as in Redis; none comes hardly ever.
            #expect(hits.values.allSatisfy { $0 > 10 && $0 < 1000 })
            let distinct = Self.texts(try c("SRANDMEMBER", "s", "\(count / 2)"))
            #expect(Set(distinct).count == count / 2)
            var popped: [String] = []
            while let member = try c("SPOP", "s").text { popped.append(member) }
            #expect(Set(popped) == Set(members) && popped.count == count)
            #expect(try c("EXISTS", "s") == .integer(0))
        }
    }

    @Test func `huge counts hold nothing and nobody`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        _ = try c("SADD", "s", "a", "b", "c")
        #expect(try c("SRANDMEMBER", "s", "-9223372036854775807").isError)
        #expect(try c("SRANDMEMBER", "s", "-9223372036854775808").isError)
        #expect(Self.texts(try c("SRANDMEMBER", "s", "9223372036854775807")).count == 3)
        #expect(Self.texts(try c("SSCAN", "s", "0", "COUNT", "9223372036854775807")).count == 1)
        #expect(try c("SINTERCARD", "1", "s", "LIMIT", "9223372036854775807") == .integer(3))
        #expect(Self.texts(try c("SPOP", "s", "9223372036854775807")).count == 3)
    }

    @Test func `a deadline stays with a set that is popped nearly empty`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        try Self.add((0..<1000).map { "m\($0)" }, c, "s")
        _ = try c("EXPIRE", "s", "1000")
        #expect(Self.texts(try c("SPOP", "s", "990")).count == 990)
        #expect(try c("TTL", "s") == .integer(1000))
        #expect(try c("SUNIONSTORE", "s", "s") == .integer(10))
        #expect(try c("TTL", "s") == .integer(-1))
    }
}
