//  PipelineTests.swift — requests that were parsed ahead of a batch that ended early.
import TestSupport
import Testing

@testable import Engine

@Suite("Pipelines")
struct PipelineTests {
    @Test func `A pipeline that yields to others goes on where it stopped`() throws {
        let server = try EmbeddedServer()
        let client = try server.connect()
        let value = String(repeating: "v", count: 400_000)
        _ = try client("SET", "key", value)
        // The replies fill more than one turn while the last request is still partial.
        let gets = (0..<8).flatMap { _ in request(words("GET", "key")) }
        try client.write(gets + Array("*2\r\n$4\r\nECHO\r\n$5\r\nhel".utf8))
        for _ in 0..<8 { #expect(try client.reply().value == .bulk(value)) }
        try client.write("lo\r\nPING\r\n")
        #expect(try client.reply().value == .bulk("hello"))
        #expect(try client.reply().value == .simple("PONG"))
    }

    @Test func `A pipeline that yields reports its protocol error at its end`() throws {
        let server = try EmbeddedServer()
        let client = try server.connect()
        let value = String(repeating: "v", count: 400_000)
        _ = try client("SET", "key", value)
        let gets = (0..<8).flatMap { _ in request(words("GET", "key")) }
        try client.write(gets + Array("*1\r\n$x\r\n".utf8) + request(words("PING")))
        for _ in 0..<8 { #expect(try client.reply().value == .bulk(value)) }
        let end = String(decoding: try client.readToEnd(), as: UTF8.self)
        #expect(end == "-ERR Protocol error: invalid bulk length\r\n")
    }
}
