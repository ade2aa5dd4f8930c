//  ToolTests.swift — the program and the tools that people use with it.
import Platform
import TestSupport
import Testing

/// The program of this build as a process on a free port.
private final class Program {
    let port: Int
    let process: ChildProcess
    let directory: TemporaryDirectory

    static let path = Programs.find(".build/debug/martlet", ".build/release/martlet")

    init(_ arguments: [String] = []) throws {
        guard let path = Self.path else { throw TestFailure("the program is not built") }
        directory = try TemporaryDirectory()
        port = try freePort()
        process = try ChildProcess(
            path, ["--port", "\(port)", "--dir", directory.path] + arguments, in: directory.path)
        try waitUntil("it is ready") {
            process.output.contains("Ready to accept connections tcp") || process.hasEnded
        }
    }
}

private let redisCLI = Programs.find(".peers/redis-7.0.15/redis-cli", "redis-cli")
private let redisBenchmark = Programs.find(
    ".peers/redis-7.0.15/redis-benchmark", "redis-benchmark")
private let python = Programs.find(".peers/python/bin/python3")

@Suite("Program")
struct ProgramTests {
    @Test func `the log has the lines that harnesses wait for`() throws {
        let program = try Program()
        let output = program.process.output
        for text in [
            "Martlet version=", "PID: \(program.process.id)", "Server initialized",
            "Ready to accept connections tcp",
        ] {
            #expect(output.contains(text), "\(text)")
        }
        program.process.terminate()
        #expect(try program.process.wait() == 0)
        #expect(program.process.output.contains("Received SIGTERM"))
    }

    @Test func `a port in use is named`() throws {
        let first = try Program()
        let path = try #require(Program.path)
        let (code, output) = try run(path, ["--port", "\(first.port)"])
        #expect(code == 1)
        #expect(output.contains("Failed listening on port \(first.port)"))
    }

    @Test func `version, help, and a file with a mistake`() throws {
        let path = try #require(Program.path)
        #expect(try run(path, ["--version"]).output.hasPrefix("Martlet server v="))
        #expect(try run(path, ["--help"]).output.contains("Usage: martlet"))
        let directory = try TemporaryDirectory()
        let file = directory.path + "/bad.conf"
        try FileSystem.replace(file, with: Array("port 0\n\nno-such-thing yes\n".utf8))
        let (code, output) = try run(path, [file])
        #expect(code == 1)
        #expect(output.contains("line 3"))
    }

    @Test func `options count after the file`() throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/good.conf"
        try FileSystem.replace(file, with: Array("timeout 11\ndatabases 3\n".utf8))
        let program = try Program([])
        program.process.terminate()
        let path = try #require(Program.path)
        let port = try freePort()
        let process = try ChildProcess(
            path, [file, "--port", "\(port)", "--timeout", "12"], in: directory.path)
        try waitUntil("it answers") { (try? RESPClient(port: port)) != nil || process.hasEnded }
        let c = try RESPClient(port: port)
        #expect(try c("CONFIG", "GET", "timeout").item(1)?.text == "12")
        #expect(try c("CONFIG", "GET", "databases").item(1)?.text == "3")
    }
}

@Suite("redis-cli", .enabled(if: redisCLI != nil, "redis-cli is not installed"))
struct RedisCLITests {
    private func cli(_ server: EmbeddedServer, _ words: String...) throws -> String {
        let path = try #require(redisCLI)
        let (code, output) = try run(path, ["-p", "\(server.port)"] + words)
        #expect(code == 0)
        return output
    }

    @Test func `plain and in RESP3`() throws {
        let server = try EmbeddedServer()
        #expect(try cli(server, "SET", "k", "v") == "OK\n")
        #expect(try cli(server, "-3", "GET", "k") == "v\n")
        #expect(try cli(server, "-3", "HELLO").contains("redis"))
        #expect(try cli(server, "NOPE").contains("ERR unknown command"))
    }

    @Test func `scanning with a pattern`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        for i in 0..<500 { _ = try c("SET", "user:\(i)", "v") }
        _ = try c("SET", "other", "v")
        let lines = try cli(server, "--scan", "--pattern", "user:*").split(separator: "\n")
        #expect(Set(lines).count == 500)
    }

    @Test func `mass insertion`() throws {
        let server = try EmbeddedServer()
        let directory = try TemporaryDirectory()
        let file = directory.path + "/requests"
        var requests: [UInt8] = []
        for i in 0..<5000 { requests += RESPClient.request(["SET", "key:\(i)", "value:\(i)"]) }
        try FileSystem.replace(file, with: requests)
        let path = try #require(redisCLI)
        let (code, output) = try run(
            "/bin/sh", ["-c", "exec '\(path)' -p \(server.port) --pipe < '\(file)'"])
        #expect(code == 0)
        #expect(output.contains("errors: 0, replies: 5000"))
        #expect(try server.connect()("DBSIZE") == .integer(5000))
    }
}

@Suite("redis-benchmark", .enabled(if: redisBenchmark != nil, "it is not installed"))
struct RedisBenchmarkTests {
    @Test(arguments: ["1", "16"]) func `its runs finish`(pipeline: String) throws {
        let server = try EmbeddedServer()
        let path = try #require(redisBenchmark)
        let (code, output) = try run(
            path,
            [
                "-p", "\(server.port)", "-t", "ping,get,set,incr,mset", "-n", "2000", "-P",
                pipeline, "-r", "1000", "-q",
            ], seconds: 120)
        #expect(code == 0)
        for name in ["PING", "GET", "SET", "INCR", "MSET"] { #expect(output.contains(name)) }
        #expect(!output.contains("Error"))
    }
}

@Suite("redis-py", .enabled(if: python != nil, "redis-py is not installed"))
struct RedisPyTests {
    @Test(arguments: [2, 3]) func `pipelines, pools and types`(version: Int) throws {
        let server = try EmbeddedServer()
        let path = try #require(python)
        let script = """
            import redis, threading
            pool = redis.ConnectionPool(port=\(server.port), protocol=\(version),
                                        decode_responses=True, max_connections=8)
            r = redis.Redis(connection_pool=pool)
            assert r.ping()
            assert r.set('k', 'v', ex=100) and r.get('k') == 'v' and 90 < r.ttl('k') <= 100
            assert r.set('k', 'w', nx=True) is None
            assert r.getset('k', 'x') == 'v'
            with r.pipeline(transaction=False) as p:
                for i in range(1000):
                    p.set('n:%d' % i, i)
                    p.incr('n:%d' % i)
                replies = p.execute()
            assert replies[1::2] == list(range(1, 1001))
            assert len(list(r.scan_iter('n:*', count=50))) == 1000
            def work(n):
                c = redis.Redis(connection_pool=pool)
                for _ in range(200): c.incr('shared')
            threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
            [t.start() for t in threads]; [t.join() for t in threads]
            assert r.get('shared') == '1200'
            assert r.config_get('maxclients')['maxclients'] == '10000'
            assert r.info()['redis_version'] == '8.2.0'
            assert len(r.client_list()) >= 1 and r.client_getname() is None
            assert r.command_count() > 60
            try:
                r.execute_command('NOPE'); raise SystemExit('no error')
            except redis.ResponseError as e:
                assert 'unknown command' in str(e)
            print('fine')
            """
        let (code, output) = try run(path, ["-c", script])
        #expect(output == "fine\n")
        #expect(code == 0)
    }
}
