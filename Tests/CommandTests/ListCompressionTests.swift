//  ListCompressionTests.swift — `list-compress-depth`: lists take less memory and stay what they are.
import Engine
import TestSupport
import Testing

@Suite("Compressed lists")
struct ListCompressionTests {
    private static func element(_ i: Int) -> String {
        "{\"event\":\"page view\",\"user\":\"user:\(i % 97)\",\"number\":\(i)}"
    }

    private static func usage(_ c: RESPClient) throws -> Int {
        try #require(try c("MEMORY", "USAGE", "l").integer)
    }

    private static func usedMemory(_ c: RESPClient) throws -> Int {
        let text = try c("INFO", "memory").text ?? ""
        let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("used_memory:") }
        return try #require(Int(line?.split(separator: ":").last ?? ""))
    }

    private static func fill(_ c: RESPClient, _ count: Int) throws {
        for start in stride(from: 0, to: count, by: 500) {
            _ = try c.send(["RPUSH", "l"] + (start..<start + 500).map(element))
        }
    }

    @Test func `the middle of a list is compressed, and reads and edits do not notice`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        let before = try Self.usedMemory(c)
        let count = 20_000
        try Self.fill(c, count)
        let plain = try Self.usage(c)
        _ = try c("DEL", "l")
        #expect(try c("CONFIG", "SET", "list-compress-depth", "1") == .simple("OK"))
        try Self.fill(c, count)
        let small = try Self.usage(c)
        #expect(small < plain / 2)
        var model = (0..<count).map(Self.element)
        func whole() throws -> [String] { try c("LRANGE", "l", "0", "-1").items.compactMap(\.text) }
        #expect(try whole() == model)
        let again = try Self.usage(c)
        #expect(abs(again - small) < small / 20, "\(again), \(small)")
        var random = SeededRandom(seed: 3)
        for _ in 0..<300 {
            let i = Int.random(in: 0..<model.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0:
                _ = try c("LSET", "l", "\(i)", "changed \(i)")
                model[i] = "changed \(i)"
            case 1:
                let pivot = model[i]
                _ = try c("LINSERT", "l", "BEFORE", pivot, "new \(i)")
                model.insert("new \(i)", at: model.firstIndex(of: pivot) ?? 0)
            case 2: #expect(try c("LPOP", "l").text == model.removeFirst())
            case 3: #expect(try c("RPOP", "l").text == model.removeLast())
            default: #expect(try c("LINDEX", "l", "\(i)").text == model[i])
            }
        }
        #expect(try whole() == model)
        #expect(try Self.usage(c) < plain * 2 / 3)
        #expect(try c("COPY", "l", "m") == .integer(1))
        #expect(try c("DEBUG", "DIGEST-VALUE", "l") == c("DEBUG", "DIGEST-VALUE", "m"))
        // Off again: what is compressed stays so until somebody looks.
        #expect(try c("CONFIG", "SET", "list-compress-depth", "0") == .simple("OK"))
        #expect(try whole() == model)
        _ = try c("LTRIM", "l", "1000", "1009")
        #expect(try whole() == Array(model[1000..<1010]))
        _ = try c("DEL", "l", "m")
        try waitUntil("memory is back") { try Self.usedMemory(c) < before + 100_000 }
    }

    @Test func `what cannot be compressed is left as it is`() throws {
        let server = try EmbeddedServer { $0.listCompressDepth = 1 }
        let c = try server.connect()
        var random = SeededRandom(seed: 8)
        let elements = (0..<3000).map { _ in
            (0..<60).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
        for element in elements { _ = try c.send([Array("RPUSH".utf8), Array("l".utf8), element]) }
        let reply = try c("LRANGE", "l", "0", "-1")
        #expect(reply.items.count == 3000)
        let raw = try c.send(["LRANGE", "l", "0", "-1"].map { Array($0.utf8) }).bytes
        var expected = Array("*3000\r\n".utf8)
        for element in elements { expected += Array("$60\r\n".utf8) + element + [13, 10] }
        #expect(raw == expected)
    }
}
