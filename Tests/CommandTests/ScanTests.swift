//  ScanTests.swift — walks through a keyspace that does not stand still.
import TestSupport
import Testing

@Suite("SCAN")
struct ScanTests {
    /// What one walk returns, with repetitions; `between` runs after each step.
    private func walk(
        _ c: RESPClient, _ options: String..., between: (Int) throws -> Void = { _ in }
    ) throws -> [String] {
        var keys: [String] = []
        var cursor = "0"
        for step in 0..<20_000 {
            let reply = try c.send(["SCAN", cursor] + options)
            cursor = reply.item(0)?.text ?? "0"
            keys += reply.item(1)?.items.compactMap(\.text) ?? []
            if cursor == "0" { return keys }
            try between(step)
        }
        throw TestFailure("the walk does not end")
    }

    private func send(_ c: RESPClient, _ requests: [[String]]) throws {
        try c.write(requests.flatMap { RESPClient.request($0) })
        _ = try c.replies(requests.count)
    }

    private func fill(_ c: RESPClient, _ prefix: String, _ count: Int) throws {
        try send(c, (0..<count).map { ["SET", "\(prefix)\($0)", "v"] })
    }

    @Test(arguments: ["1", "10", "100", "100000"])
    func `a keyspace at rest is returned whole`(count: String) throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        try fill(c, "k", 1000)
        let keys = try walk(c, "COUNT", count)
        #expect(Set(keys).count == 1000)
    }

    @Test func `COUNT bounds the work of a step`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        try fill(c, "k", 5000)
        let first = try c("SCAN", "0", "COUNT", "10")
        #expect(first.item(0)?.text != "0")
        #expect((first.item(1)?.items.count ?? 0) < 100)
        // A pattern that matches nothing does not make a step longer.
        let none = try c("SCAN", "0", "MATCH", "nothing", "COUNT", "10")
        #expect(none.item(0)?.text != "0")
        #expect(none.item(1)?.items.isEmpty == true)
    }

    @Test(arguments: [1, 2] as [UInt64])
    func `what stays is returned although others come and go`(seed: UInt64) throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        var random = SeededRandom(seed: seed)
        try fill(c, "stay:", 500)
        var others = 0
        let keys = try walk(c, "COUNT", "25") { _ in
            // Mostly up or mostly down for a while, so that the table is resized both ways.
            let target = Int.random(in: 0...3000, using: &random)
            let step = min(abs(target - others), 700)
            if target > others {
                try send(c, (others..<others + step).map { ["SET", "other:\($0)", "v"] })
                others += step
            } else {
                try send(c, (others - step..<others).map { ["DEL", "other:\($0)"] })
                others -= step
            }
        }
        #expect(Set(keys.filter { $0.hasPrefix("stay:") }).count == 500)
        #expect(keys.allSatisfy { $0.hasPrefix("stay:") || $0.hasPrefix("other:") })
    }

    @Test func `what stays is returned although everything else is deleted at once`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        try fill(c, "go:", 20_000)
        try fill(c, "stay:", 50)
        let keys = try walk(c, "COUNT", "50") { step in
            if step == 3 { try send(c, (0..<20_000).map { ["DEL", "go:\($0)"] }) }
        }
        #expect(Set(keys.filter { $0.hasPrefix("stay:") }).count == 50)
    }

    @Test func `several walks at once do not disturb each other`() throws {
        let server = try EmbeddedServer()
        let a = try server.connect(), b = try server.connect()
        try fill(a, "k", 800)
        var inner: [String] = []
        let outer = try walk(a, "COUNT", "7") { step in
            if step == 5 { inner = try walk(b, "COUNT", "3") }
        }
        #expect(Set(outer).count == 800)
        #expect(Set(inner).count == 800)
    }

    @Test func `patterns and types choose among all keys`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        try fill(c, "user:", 300)
        try fill(c, "item:", 300)
        #expect(Set(try walk(c, "MATCH", "user:*")).count == 300)
        #expect(Set(try walk(c, "MATCH", "*:7", "COUNT", "50")) == ["user:7", "item:7"])
        #expect(Set(try walk(c, "TYPE", "string", "MATCH", "item:1?")).count == 10)
        #expect(try walk(c, "TYPE", "list").isEmpty)
        #expect(Set(try c("KEYS", "item:*").items.compactMap(\.text)).count == 300)
    }

    @Test func `keys of other databases and expired keys are not returned`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        _ = try c("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        try fill(c, "k", 100)
        try send(c, (0..<50).map { ["PEXPIRE", "k\($0)", "1"] })
        _ = try c("SELECT", "1")
        try fill(c, "elsewhere", 10)
        _ = try c("SELECT", "0")
        try waitUntil("they are expired") {
            try Set(walk(c)).count == 50 && c("KEYS", "*").items.count == 50
        }
        #expect(!(try walk(c)).contains { $0.hasPrefix("elsewhere") })
    }

    @Test func `cursors out of nowhere do no harm`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        try fill(c, "k", 1000)
        for cursor in ["1", "12345678901234567890", "18446744073709551615", "9223372036854775808"] {
            let reply = try c("SCAN", cursor)
            #expect(reply.items.count == 2)
            let rest = try walk(c)
            #expect(Set(rest).count == 1000)
        }
    }
}
