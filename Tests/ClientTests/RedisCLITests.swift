//  RedisCLITests.swift — what people type.
import Engine
import Platform
import TestSupport
import Testing

@Suite("redis-cli", .enabled(if: Tools.redisCLI != nil, "redis-cli is not installed"))
struct RedisCLITests {
    private func cli(_ server: EmbeddedServer, _ words: String...) throws -> String {
        let path = try #require(Tools.redisCLI)
        let (code, output) = try run(path, ["-p", "\(server.port)"] + words)
        #expect(code == 0, "\(output)")
        return output
    }

    /// The same with `input` to read.
    private func cli(
        _ server: EmbeddedServer, reading input: [UInt8], _ words: String...
    ) throws -> String {
        let path = try #require(Tools.redisCLI)
        let directory = try TemporaryDirectory()
        let file = directory.path + "/input"
        try FileSystem.replace(file, with: input)
        let script = "exec \"$0\" -p \(server.port) \"$@\" < '\(file)'"
        let (code, output) = try run("/bin/sh", ["-c", script, path] + words)
        #expect(code == 0, "\(output)")
        return output
    }

    @Test func `plain and in RESP3`() throws {
        let server = try EmbeddedServer()
        #expect(try cli(server, "SET", "k", "v") == "OK\n")
        #expect(try cli(server, "-3", "GET", "k") == "v\n")
        #expect(try cli(server, "-3", "HELLO").contains("redis"))
        #expect(try cli(server, "NOPE").contains("ERR unknown command"))
        #expect(try cli(server, "--no-raw", "GET", "none") == "(nil)\n")
        #expect(try cli(server, "-3", "--no-raw", "GET", "none") == "(nil)\n")
        #expect(try cli(server, "--no-raw", "INCR", "n") == "(integer) 1\n")
        #expect(try cli(server, "-r", "5", "INCR", "n") == "2\n3\n4\n5\n6\n")
        #expect(try cli(server, "--csv", "MGET", "k", "n", "x") == "\"v\",\"6\",NULL\n")
        #expect(try cli(server, "--json", "MGET", "k", "x") == "[\"v\",null]\n")
        #expect(try cli(server, "-n", "5", "DBSIZE") == "0\n")
        #expect(try cli(server, "-e", "DBSIZE") == "2\n")
    }

    @Test func `passwords in every form`() throws {
        let server = try EmbeddedServer { $0.requirePass = "secret" }
        let quiet = "--no-auth-warning"
        #expect(try cli(server, "PING") == "NOAUTH Authentication required.\n\n")
        #expect(try cli(server, quiet, "-a", "secret", "PING") == "PONG\n")
        #expect(try cli(server, quiet, "--user", "default", "--pass", "secret", "PING") == "PONG\n")
        #expect(try cli(server, quiet, "-3", "-a", "secret", "PING") == "PONG\n")
        #expect(try cli(server, quiet, "-a", "wrong", "PING").contains("WRONGPASS"))
        let address = "redis://default:secret@127.0.0.1:\(server.port)/3"
        #expect(try cli(server, quiet, "-u", address, "SET", "k", "v") == "OK\n")
        #expect(try cli(server, quiet, "-a", "secret", "-n", "3", "GET", "k") == "v\n")
    }

    @Test func `a unix socket`() throws {
        let directory = try TemporaryDirectory()
        let server = try EmbeddedServer { $0.unixSocket = directory.path + "/socket" }
        #expect(try cli(server, "-s", directory.path + "/socket", "PING") == "PONG\n")
    }

    @Test func `commands and values from standard input`() throws {
        let server = try EmbeddedServer()
        let lines = "SET a 1\nINCR a\nGET \"a\"\n\nECHO 'two words'\n"
        let output = try cli(server, reading: Array(lines.utf8))
        #expect(output == "OK\n2\n2\ntwo words\n")
        let value = [UInt8](0...255)
        #expect(try cli(server, reading: value, "-x", "SET", "bytes") == "OK\n")
        let reply = try server.connect().send([Array("GET".utf8), Array("bytes".utf8)])
        #expect(reply.bytes == Array("$256\r\n".utf8) + value + [13, 10])
    }

    @Test func `scanning with a pattern`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        for i in 0..<500 { _ = try c("SET", "user:\(i)", "v") }
        _ = try c("SET", "other", "v")
        let lines = try cli(server, "--scan", "--pattern", "user:*").split(separator: "\n")
        #expect(Set(lines).count == 500)
        #expect(try cli(server, "--scan", "--pattern", "oth*") == "other\n")
        #expect(Set(try cli(server, "--scan").split(separator: "\n")).count == 501)
    }

    @Test func `biggest and hottest keys`() throws {
        let server = try EmbeddedServer { $0.maxMemoryPolicy = .allKeysLFU }
        let c = try server.connect()
        for i in 0..<50 { _ = try c("SET", "k\(i)", String(repeating: "v", count: i)) }
        for _ in 0..<200 { _ = try c("GET", "k7") }
        let big = try cli(server, "--bigkeys")
        #expect(big.contains("Sampled 50 keys"))
        #expect(big.contains("Biggest string found") && big.contains("k49"))
        let hot = try cli(server, "--hotkeys")
        #expect(hot.contains("hot key found") && hot.contains("k7"))
    }

    @Test func `mass insertion`() throws {
        let server = try EmbeddedServer()
        var requests: [UInt8] = []
        for i in 0..<5000 { requests += RESPClient.request(["SET", "key:\(i)", "value:\(i)"]) }
        let output = try cli(server, reading: requests, "--pipe")
        #expect(output.contains("errors: 0, replies: 5000"))
        let c = try server.connect()
        #expect(try c("DBSIZE") == .integer(5000))
        #expect(try c("GET", "key:4321") == .bulk("value:4321"))
        let lines = (0..<3000).map { "SET line:\($0) v\r\n" }.joined() + "NOPE\r\n"
        let second = try run(
            "/bin/sh",
            [
                "-c", "printf '%s' \"$0\" | \"$1\" -p \(server.port) --pipe", lines,
                try #require(Tools.redisCLI),
            ])
        #expect(second.output.contains("errors: 1, replies: 3001"))
        #expect(try c("DBSIZE") == .integer(8000))
    }
}
