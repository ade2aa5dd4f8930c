//  RedisBenchmarkTests.swift — the load generator that everybody has.
import Platform
import TestSupport
import Testing

@Suite("redis-benchmark", .enabled(if: Tools.redisBenchmark != nil, "it is not installed"))
struct RedisBenchmarkTests {
    private func benchmark(_ server: EmbeddedServer, _ words: String...) throws -> String {
        let path = try #require(Tools.redisBenchmark)
        let (code, output) = try run(path, ["-p", "\(server.port)"] + words, seconds: 120)
        #expect(code == 0)
        #expect(!output.contains("Error") && !output.contains("ERR"), "\(output)")
        return output
    }

    @Test(arguments: ["1", "16"]) func `its runs finish`(pipeline: String) throws {
        let server = try EmbeddedServer()
        let output = try benchmark(
            server, "-t", "ping,get,set,incr,mset", "-n", "2000", "-P", pipeline, "-r", "1000",
            "-q")
        for name in ["PING_INLINE", "PING_MBULK", "GET", "SET", "INCR", "MSET"] {
            #expect(output.contains(name), "\(name)")
        }
        let c = try server.connect()
        #expect((try c("DBSIZE").integer ?? 0) > 500)
    }

    @Test func `threads, RESP3, other clients, and values of some size`() throws {
        let server = try EmbeddedServer()
        let words = ["-t", "set,get", "-n", "2000", "--csv"]
        for options in [
            ["--threads", "2"], ["-3"], ["-c", "1"], ["-k", "0", "-n", "300"], ["-d", "20000"],
        ] {
            let path = try #require(Tools.redisBenchmark)
            let (code, output) = try run(
                path, ["-p", "\(server.port)"] + words + options, seconds: 120)
            #expect(code == 0, "\(options)")
            #expect(output.contains("\"SET\"") && output.contains("\"GET\""), "\(options)")
        }
        #expect(try server.connect()("STRLEN", "key:__rand_int__") == .integer(20_000))
    }

    @Test func `a command of one's own`() throws {
        let server = try EmbeddedServer()
        let output = try benchmark(
            server, "-n", "1000", "-r", "100", "-q", "SET", "own:__rand_int__", "v", "EX", "100")
        #expect(output.contains("requests per second"))
        let count = try server.connect()("DBSIZE").integer ?? 0
        #expect(count > 50 && count <= 100)
    }
}
