//  ProgramTests.swift — the command `martlet`: its words, its log, its files and its end.
import Platform
import TestSupport
import Testing

@Suite("Program", .enabled(if: Program.path != nil, "the program is not built"))
struct ProgramTests {
    // MARK: - The log

    @Test func `the log has the lines that harnesses wait for`() throws {
        let program = try Program()
        let output = program.process.output
        for text in [
            "Martlet version=", " PID: \(program.process.id)\n", " Server initialized\n",
            "Ready to accept connections tcp\n", "port=\(program.port).",
        ] {
            #expect(output.contains(text), "\(text)")
        }
        #expect(try program.end() == 0)
        #expect(program.process.output.contains("Received SIGTERM"))
    }

    @Test func `every line has process, role, time and level`() throws {
        let program = try Program(["--loglevel", "debug"])
        _ = try program.end()
        let lines = program.process.output.split(separator: "\n")
        #expect(lines.count > 5)
        for line in lines {
            let words = line.split(separator: " ", maxSplits: 6)
            #expect(words.count == 7 && words[0] == "\(program.process.id):M", "\(line)")
            #expect(words.count > 5 && ".-*#".contains(words[5]), "\(line)")
            #expect(words.count > 4 && words[4].split(separator: ":").count == 3, "\(line)")
        }
    }

    @Test func `the log goes to a file and may be quiet`() throws {
        let program = try Program([
            "--port", "0", "--unixsocket", "{dir}/socket", "--logfile", "{dir}/log",
            "--loglevel", "warning",
        ])
        let path = program.directory.path
        #expect(try RESPClient(path: path + "/socket")("PING") == .simple("PONG"))
        #expect(program.process.output.isEmpty)
        #expect(try program.end() == 0)
        let log = String(
            decoding: try FileSystem.read(path + "/log", bytesMax: 1 << 20), as: UTF8.self)
        #expect(log.contains("Received SIGTERM") && !log.contains("Server initialized"))
    }

    // MARK: - The command line

    @Test func `version and help`() throws {
        let path = try #require(Program.path)
        for word in ["-v", "--version"] {
            let (code, output) = try run(path, [word])
            #expect(code == 0 && output.hasPrefix("Martlet server v="))
            #expect(output.contains("redis=8.2.0"))
        }
        for word in ["-h", "--help"] {
            let (code, output) = try run(path, [word])
            #expect(code == 0 && output.contains("Usage: martlet"))
        }
    }

    @Test func `a mistake is named with its line`() throws {
        let path = try #require(Program.path)
        let directory = try TemporaryDirectory()
        let file = directory.path + "/bad.conf"
        for (text, line, word) in [
            ("port 0\n\nno-such-thing yes\n", 3, "no-such-thing"),
            ("# words\nmaxclients many\n", 2, "maxclients"),
            ("timeout 5 6\n", 1, "timeout"),
            ("timeout \"5\n", 1, "timeout"),
        ] {
            try FileSystem.replace(file, with: Array(text.utf8))
            let (code, output) = try run(path, [file])
            #expect(code == 1)
            #expect(output.contains("at line \(line)") && output.contains(word), "\(output)")
        }
        #expect(try run(path, ["--no-such-thing", "yes"]).code == 1)
        #expect(try run(path, ["--maxclients"]).code == 1)
        let (code, output) = try run(path, [directory.path + "/missing.conf"])
        #expect(code == 1 && output.contains("missing.conf"))
    }

    @Test func `options count after the file, and input after both`() throws {
        let path = try #require(Program.path)
        let program = try Program(
            file: "timeout 11\ndatabases 3\nmaxclients 500\n", ["--timeout", "12"])
        let c = try program.connect()
        #expect(try c("CONFIG", "GET", "timeout").item(1) == .bulk("12"))
        #expect(try c("CONFIG", "GET", "databases").item(1) == .bulk("3"))
        #expect(try c("SELECT", "3").isError)
        #expect(try c("INFO", "server").text?.contains("martlet.conf") == true)
        // With the file on standard input, a line of it is in error.
        let script = "echo 'maxclients none' | '\(path)' -"
        let (code, output) = try run("/bin/sh", ["-c", script])
        #expect(code == 1 && output.contains("maxclients"))
    }

    @Test func `CONFIG REWRITE survives the next start`() throws {
        let text = "# kept\ntimeout 11\n"
        let first = try Program(file: text, [])
        let c = try first.connect()
        #expect(try c("CONFIG", "SET", "timeout", "33", "maxclients", "77") == .simple("OK"))
        #expect(try c("CONFIG", "REWRITE") == .simple("OK"))
        #expect(try first.end() == 0)
        let path = first.directory.path + "/martlet.conf"
        let written = String(
            decoding: try FileSystem.read(path, bytesMax: 1 << 20), as: UTF8.self)
        #expect(written.contains("# kept\ntimeout 33\n") && written.contains("maxclients 77\n"))
        let second = try Program(file: written, [])
        let d = try second.connect()
        #expect(try d("CONFIG", "GET", "timeout").item(1) == .bulk("33"))
        #expect(try d("CONFIG", "GET", "maxclients").item(1) == .bulk("77"))
    }

    // MARK: - Sockets

    @Test func `a port in use is named`() throws {
        let first = try Program()
        let path = try #require(Program.path)
        let (code, output) = try run(path, ["--port", "\(first.port)"])
        #expect(code == 1)
        #expect(output.contains("Failed listening on port \(first.port)"))
        #expect(try first.connect()("PING") == .simple("PONG"))
    }

    @Test func `a server that listens nowhere does not start`() throws {
        let path = try #require(Program.path)
        let (code, output) = try run(path, ["--port", "0"])
        #expect(code == 1 && output.contains("Configured to not listen anywhere"))
        let (other, reason) = try run(
            path, ["--bind", "203.0.113.7", "--port", "\(try freePort())"])
        #expect(other == 1 && reason.contains("203.0.113.7"))
    }

    @Test func `a unix socket alone will do, also one left behind`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        try FileSystem.replace(path + ".keep", with: [])
        for _ in 0..<2 {
            let program = try Program(["--port", "0", "--unixsocket", path])
            #expect(program.process.output.contains("Ready to accept connections unix"))
            #expect(try RESPClient(path: path)("PING") == .simple("PONG"))
            #expect(try program.end() == 0)
        }
    }

    @Test(.enabled(if: Tools.hasNamespaces && Tools.redisCLI != nil))
    func `strangers are refused while there is no password`() throws {
        let (martlet, cli) = (try #require(Program.path), try #require(Tools.redisCLI))
        // A network that nobody else has, with an address besides the loopback one.
        let script = """
            ip link set lo up && ip addr add 10.1.1.1/32 dev lo || exit 9
            '\(martlet)' --port 7000 --bind 0.0.0.0 > /dev/null & server=$!
            until '\(cli)' -p 7000 ping > /dev/null 2>&1; do :; done
            '\(cli)' -h 10.1.1.1 -p 7000 ping
            '\(cli)' -p 7000 config set requirepass secret
            '\(cli)' -h 10.1.1.1 -p 7000 ping
            '\(cli)' -p 7000 -a secret --no-auth-warning config set requirepass '' protected-mode no
            '\(cli)' -h 10.1.1.1 -p 7000 ping
            kill $server; wait $server
            """
        let (code, output) = try run("/bin/sh", ["-c", "unshare -rn sh -c \"$0\"", script])
        let lines = output.split(separator: "\n").map(String.init)
        #expect(code == 0)
        #expect(lines.first?.hasPrefix("DENIED Martlet is running in protected mode") == true)
        #expect(
            Array(lines.dropFirst()) == ["OK", "NOAUTH Authentication required.", "OK", "PONG"])
    }

    // MARK: - The end

    @Test func `signals and SHUTDOWN end it with status 0, and clients with it`() throws {
        let first = try Program()
        let c = try first.connect()
        #expect(try c("PING") == .simple("PONG"))
        first.process.interrupt()
        #expect(try first.process.wait() == 0)
        #expect(try c.readToEnd().isEmpty)
        #expect(first.process.output.contains("Received SIGINT"))
        let second = try Program()
        let d = try second.connect()
        try d.write("SHUTDOWN NOSAVE\r\n")
        #expect(try second.process.wait() == 0)
        #expect(second.process.output.contains("User requested shutdown"))
        #expect(second.process.output.contains("bye bye"))
    }

    @Test func `the process file is there as long as the process`() throws {
        let program = try Program(["--pidfile", "{dir}/martlet.pid"])
        let path = program.directory.path + "/martlet.pid"
        let line = String(decoding: try FileSystem.read(path, bytesMax: 100), as: UTF8.self)
        #expect(line == "\(program.process.id)\n")
        #expect(try program.end() == 0)
        #expect(FileSystem.paths(matching: path).isEmpty)
    }

    @Test func `a daemon goes on when its parent has ended`() throws {
        let path = try #require(Program.path)
        let directory = try TemporaryDirectory()
        let port = try freePort()
        let (code, _) = try run(
            path,
            [
                "--daemonize", "yes", "--port", "\(port)", "--dir", directory.path, "--logfile",
                directory.path + "/log", "--pidfile", directory.path + "/pid",
            ])
        #expect(code == 0)
        var client: RESPClient?
        try waitUntil("it answers") {
            client = try? RESPClient(port: port)
            return client != nil
        }
        let c = try #require(client)
        // Clients may be served before the file is there.
        try waitUntil("the process file is there") {
            !FileSystem.paths(matching: directory.path + "/pid").isEmpty
        }
        let line = String(
            decoding: try FileSystem.read(directory.path + "/pid", bytesMax: 100), as: UTF8.self)
        let info = try c("INFO", "server").text ?? ""
        #expect(info.contains("process_id:\(line.dropLast())\r\n"))
        try c.write("SHUTDOWN NOSAVE\r\n")
        #expect(try c.readToEnd().isEmpty)
        try waitUntil("it has cleaned up") {
            FileSystem.paths(matching: directory.path + "/pid").isEmpty
        }
    }
}
