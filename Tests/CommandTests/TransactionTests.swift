//  TransactionTests.swift — transactions of many clients, and what may end one.
import TestSupport
import Testing

@Suite("Transactions")
struct TransactionTests {
    @Test func `optimistic counters of many clients lose nothing`() throws {
        let server = try EmbeddedServer()
        let clients = try (0..<8).map { _ in try server.connect() }
        var done = [Int](repeating: 0, count: clients.count)
        var read: [Int?] = Array(repeating: nil, count: clients.count)
        var random = SeededRandom(seed: 4)
        var refused = 0
        // Each client is somewhere between WATCH and EXEC; chance says whose step is next.
        while done.contains(where: { $0 < 50 }) {
            let i = Int.random(in: 0..<clients.count, using: &random)
            let c = clients[i]
            if let value = read[i] {
                let replies = try c.replies(
                    to: [["MULTI"], ["SET", "n", "\(value + 1)"], ["EXEC"]])
                if case .null = replies[2] { refused += 1 } else { done[i] += 1 }
                read[i] = nil
            } else {
                _ = try c("WATCH", "n")
                read[i] = Int(try c("GET", "n").text ?? "0") ?? 0
            }
        }
        #expect(try clients[0]("GET", "n") == .bulk("\(done.reduce(0, +))"))
        #expect(refused > 0)
    }

    @Test func `transfers between accounts are never seen half done`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        _ = try c("MSET", "x", "500", "y", "500")
        let writers = try (0..<4).map { _ in try server.connect() }
        for round in 0..<50 {
            for (i, writer) in writers.enumerated() {
                try writer.write(
                    "MULTI\r\nDECRBY x \(i + round)\r\nINCRBY y \(i + round)\r\nEXEC\r\n")
            }
            let values = try c("MGET", "x", "y").items.compactMap { Int($0.text ?? "") }
            #expect(values.reduce(0, +) == 1000)
            for writer in writers { _ = try writer.replies(4) }
        }
    }

    /// Clients send transactions in pieces, all at once; the numbers that a counter gives them put
    /// them in an order in which a model answers the same.
    @Test(arguments: [1, 2, 3]) func `transactions have an order`(seed: UInt64) throws {
        let server = try EmbeddedServer()
        let clients = try (0..<12).map { _ in try server.connect() }
        var random = SeededRandom(seed: seed)
        var run: [(order: Int, requests: [[String]], replies: [RESPValue])] = []
        for _ in 0..<40 {
            let requests = clients.map { _ in
                (0..<Int.random(in: 1...6, using: &random)).map { _ in Self.step(&random) }
            }
            var rest = requests.map { steps in
                ([["MULTI"], ["INCR", "order"]] + steps + [["EXEC"]])
                    .flatMap { RESPClient.request($0) }
            }
            while rest.contains(where: { !$0.isEmpty }) {
                let i = Int.random(in: 0..<clients.count, using: &random)
                let piece = rest[i].prefix(Int.random(in: 1...40, using: &random))
                rest[i].removeFirst(piece.count)
                try clients[i].write(Array(piece))
            }
            for (i, client) in clients.enumerated() {
                let replies = try #require(client.replies(requests[i].count + 3).last).items
                let order = try #require(replies.first?.integer)
                run.append((order, requests[i], Array(replies.dropFirst())))
            }
        }
        var model: [String: Int] = [:]
        for (expected, transaction) in run.sorted(by: { $0.order < $1.order }).enumerated() {
            #expect(transaction.order == expected + 1)
            let answers = transaction.requests.map { Self.answer($0, &model) }
            #expect(answers == transaction.replies)
        }
    }

    private static func step(_ random: inout SeededRandom) -> [String] {
        let key = ["a", "b", "c"][Int.random(in: 0..<3, using: &random)]
        let value = String(Int.random(in: 0..<100, using: &random))
        switch Int.random(in: 0..<5, using: &random) {
        case 0: return ["GET", key]
        case 1: return ["INCRBY", key, value]
        case 2: return ["GETSET", key, value]
        case 3: return ["DEL", key]
        default: return ["EXISTS", key]
        }
    }

    /// What a server would answer on which nothing else happens.
    private static func answer(_ words: [String], _ model: inout [String: Int]) -> RESPValue {
        let old = model[words[1]]
        let text = old.map { RESPValue.bulk("\($0)") } ?? .null
        switch words[0] {
        case "GET": return text
        case "INCRBY":
            let sum = (old ?? 0) + (Int(words[2]) ?? 0)
            model[words[1]] = sum
            return .integer(sum)
        case "GETSET":
            model[words[1]] = Int(words[2])
            return text
        case "DEL":
            model[words[1]] = nil
            return .integer(old == nil ? 0 : 1)
        default: return .integer(old == nil ? 0 : 1)
        }
    }

    @Test func `time ends a transaction whose key had a deadline`() throws {
        let server = try EmbeddedServer()
        let a = try server.connect(), b = try server.connect()
        _ = try a("SET", "k", "1", "PX", "1000")
        _ = try a("WATCH", "k")
        _ = try a("MULTI")
        _ = try a("PING")
        try waitUntil("it expires") { try b("EXISTS", "k") == .integer(0) }
        #expect(try a("EXEC") == .null)
        // One that was gone before is no change when it goes.
        _ = try a("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        _ = try a("SET", "k", "1", "PX", "1")
        try waitUntil("its time comes") { try b("PTTL", "k") == .integer(-2) }
        _ = try a("WATCH", "k")
        _ = try b("GET", "k")
        _ = try a("MULTI")
        #expect(try a("EXEC") == .array([]))
    }

    @Test func `what is queued counts as the client's memory, and goes with it`() throws {
        let server = try EmbeddedServer()
        let a = try server.connect(), b = try server.connect()
        func info() throws -> String { try b("CLIENT", "LIST").text ?? "" }
        _ = try a("WATCH", "k", "l")
        _ = try a("MULTI")
        for _ in 0..<10 { _ = try a("SET", "k", String(repeating: "x", count: 100_000)) }
        let line = try info().split(separator: "\n").first { $0.contains(" multi=10 watch=2 ") }
        #expect(line?.contains(" flags=x ") == true)
        let memory = line?.split(separator: " ").first { $0.hasPrefix("multi-mem=") }
        #expect(Int(memory?.dropFirst(10) ?? "") ?? 0 > 1_000_000)
        #expect(try b("INFO", "clients").text?.contains("total_watched_keys:2\r\n") == true)
        a.close()
        try waitUntil("it is gone") {
            try b("INFO", "clients").text?.contains("watching_clients:0\r\n") == true
        }
        #expect(try b("INFO", "clients").text?.contains("total_watched_keys:0\r\n") == true)
        // Memory for all clients ends the one that queues most.
        _ = try b("CONFIG", "SET", "maxmemory-clients", "1000000")
        let c = try server.connect()
        _ = try c("MULTI")
        var isClosed = false
        for _ in 0..<20 where !isClosed {
            do {
                _ = try c("SET", "k", String(repeating: "x", count: 100_000))
            } catch { isClosed = true }
        }
        #expect(isClosed)
    }

    @Test func `waiting clients are served when a transaction is over`() throws {
        let server = try EmbeddedServer()
        let a = try server.connect(), b = try server.connect()
        try b.write("BLPOP l 0\r\n")
        try waitUntil("it waits") {
            try a("INFO", "clients").text?.contains("blocked_clients:1") == true
        }
        let replies = try a.replies(
            to: [["MULTI"], ["RPUSH", "l", "1", "2"], ["LPOP", "l"], ["EXEC"]])
        #expect(replies[3] == .array([.integer(2), .bulk("1")]))
        #expect(try b.reply().value == .array([.bulk("l"), .bulk("2")]))
    }

    @Test func `a pause of writes holds a transaction that writes, and no other`() throws {
        let server = try EmbeddedServer()
        let a = try server.connect(), b = try server.connect()
        _ = try a("SET", "k", "1")
        #expect(try a("CLIENT", "PAUSE", "100000", "WRITE") == .simple("OK"))
        let reads = try b.replies(to: [["MULTI"], ["GET", "k"], ["EXEC"]])
        #expect(reads[2] == .array([.bulk("1")]))
        _ = try a("CLIENT", "UNPAUSE")
        _ = try b.replies(to: [["MULTI"], ["INCR", "k"]])
        _ = try a("CLIENT", "PAUSE", "100000", "WRITE")
        try b.write("EXEC\r\n")
        try waitUntil("it waits") { try a("CLIENT", "LIST").text?.contains("flags=xb") == true }
        _ = try a("CLIENT", "UNPAUSE")
        #expect(try b.reply().value == .array([.integer(2)]))
    }
}

extension RESPClient {
    /// Sends the requests together and reads all replies.
    fileprivate func replies(to requests: [[String]]) throws -> [RESPValue] {
        try write(requests.flatMap { RESPClient.request($0.map { Array($0.utf8) }) })
        return try replies(requests.count)
    }
}
