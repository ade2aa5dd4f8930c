//  ConfigurationFileTests.swift — the dialect of redis.conf, the command line, hostile files.
import Platform
import TestSupport
import Testing

@testable import Engine

/// A directory that vanishes with the value.
final class TemporaryDirectory {
    let path: String

    init() throws {
        path = try FileSystem.makeTemporaryDirectory("martlet-test")
    }

    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = path + "/" + name
        try FileSystem.replace(file, with: bytes)
        return file
    }

    func write(_ name: String, _ text: String) throws -> String {
        try write(name, Array(text.utf8))
    }

    deinit {
        for file in FileSystem.paths(matching: path + "/*") { FileSystem.remove(file) }
        FileSystem.removeDirectory(path)
    }
}

@Suite("Configuration files") struct ConfigurationFileTests {
    @Test func `a file sets what it says and leaves the rest`() throws {
        var configuration = Configuration()
        try configuration.load(
            text: """
                # a comment
                  PORT 7000\t
                bind 127.0.0.1 ::1
                requirepass "a \\"b\\" \\x41"
                logfile ''
                save 900 1
                save 300 10
                client-output-buffer-limit pubsub 1mb 1kb 5
                unixsocketperm 770
                rename-command FLUSHALL ""
                """)
        #expect(configuration.port == 7000)
        #expect(configuration.bind == ["127.0.0.1", "::1"])
        #expect(configuration.requirePass == "a \"b\" A")
        #expect(value("save", configuration) == "900 1 300 10")
        #expect(configuration.outputBufferLimits.pubsub.hardBytes == 1 << 20)
        #expect(configuration.unixSocketPermissions == 0o770)
        #expect(value("unixsocketperm", configuration) == "770")
        #expect(configuration.renamedCommands == [CommandRename(name: "FLUSHALL", newName: "")])
        #expect(configuration.timeout == 0)
    }

    private static let faults: [(String, Int, String, String)] = [
        ("\n# x\n  port 1x\n", 3, "port 1x", "argument couldn't be parsed into an integer"),
        ("port", 1, "port", "wrong number of arguments"),
        ("port 1 # comment", 1, "port 1 # comment", "wrong number of arguments"),
        ("timeout 1\nnosuch 2", 2, "nosuch 2", "Bad directive or wrong number of arguments"),
        ("port \"12", 1, "port \"12", "Unbalanced quotes in configuration line"),
        ("\"\"", 1, "\"\"", "Bad directive or wrong number of arguments"),
        (
            "unixsocketperm 999", 1, "unixsocketperm 999",
            "argument couldn't be parsed as an octal number"
        ),
        (
            "unixsocketperm 1777", 1, "unixsocketperm 1777",
            "argument must be between 0 and 777 inclusive"
        ),
        ("dir /nonexistent", 1, "dir /nonexistent", "No such file or directory"),
        ("timeout 5\0 6", 1, "timeout 5? 6", "Byte 0 in configuration line"),
        ("rename-command", 1, "rename-command", "Bad directive or wrong number of arguments"),
        ("include", 1, "include", "Bad directive or wrong number of arguments"),
    ]

    @Test(arguments: faults)
    func `a bad line is named by number`(text: String, line: Int, shown: String, reason: String) {
        var configuration = Configuration()
        let error = configurationError { try configuration.load(text: text) }
        #expect(
            error == """

                *** FATAL CONFIG FILE ERROR (Martlet \(ServerIdentity.version)) ***
                Reading the configuration file, at line \(line)
                >>> '\(shown)'
                \(reason)
                """)
    }

    @Test func `a bad file changes nothing`() {
        var configuration = Configuration()
        _ = configurationError { try configuration.load(text: "port 7\nport x\n") }
        #expect(configuration.port == 6379)
    }

    @Test func `include takes a path or a pattern`() throws {
        let directory = try TemporaryDirectory()
        _ = try directory.write("b.conf", "timeout 2\n")
        _ = try directory.write("a.conf", "timeout 1\nhz 20\n")
        let main = try directory.write(
            "main", "include \(directory.path)/*.conf\ninclude \(directory.path)/none*.conf\n")
        var configuration = Configuration()
        try configuration.load(file: main)
        #expect(configuration.timeout == 2)
        #expect(configuration.hz == 20)
    }

    @Test func `a missing file and a missing included file are errors`() {
        var configuration = Configuration()
        let text =
            "Fatal error, can't open config file '/nonexistent.conf': No such file or directory"
        #expect(configurationError { try configuration.load(file: "/nonexistent.conf") } == text)
        #expect(
            configurationError { try configuration.load(text: "include /nonexistent.conf") } == text
        )
    }

    @Test func `an error in an included file names the file`() throws {
        let directory = try TemporaryDirectory()
        let inner = try directory.write("inner.conf", "\nport x\n")
        var configuration = Configuration()
        let error = configurationError { try configuration.load(text: "include \(inner)") }
        #expect(error?.contains("Reading the configuration file \(inner), at line 2") == true)
    }

    @Test func `a file that includes itself ends in an error`() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("self.conf", "include \(directory.path)/self.conf\n")
        var configuration = Configuration()
        let error = configurationError { try configuration.load(file: file) }
        #expect(error?.hasSuffix("Too many included files") == true)
    }

    @Test func `files that include each other many times end in an error`() throws {
        let directory = try TemporaryDirectory()
        for level in 0..<15 {
            let next = "include \(directory.path)/\(level + 1).conf\n"
            _ = try directory.write("\(level).conf", next + next)
        }
        _ = try directory.write("15.conf", "")
        var configuration = Configuration()
        let error = configurationError {
            try configuration.load(file: directory.path + "/0.conf")
        }
        #expect(error?.hasSuffix("Too many included files") == true)
    }

    @Test func `binary garbage is an error and no trap`() throws {
        let directory = try TemporaryDirectory()
        var generator = SeededRandom(seed: 7)
        for round in 0..<50 {
            let bytes = (0..<2000).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            let file = try directory.write("garbage", bytes)
            var configuration = Configuration()
            #expect(configurationError { try configuration.load(file: file) } != nil, "\(round)")
        }
    }

    @Test func `random values of every directive are taken or refused`() throws {
        var generator = SeededRandom(seed: 11)
        let pieces = [
            "0", "-1", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1gb",
            "%", "100%", "yes", "no", "", " ", "  ", "\u{0}", "é", "{", "}", "normal", "a/b",
            "1e400",
            "nan", "-inf", "0x1p3", "777", "888", "KEA", "*", "99999999999999999999999999",
        ]
        for directive in Directive.all where !["dir", "logfile"].contains(directive.name) {
            for _ in 0..<40 {
                var configuration = Configuration()
                let words = (0..<Int(generator.next() % 6)).map { _ in
                    pieces[Int(generator.next() % UInt64(pieces.count))]
                }
                do { try directive.set(&configuration, words) } catch { continue }
                let text = directive.get(configuration)
                var again = Configuration()
                try directive.set(&again, directive.words(of: text))
                #expect(directive.get(again) == text, "\(directive.name) \(words)")
            }
        }
    }

    @Test func `a huge line and a huge file are bounded`() throws {
        let directory = try TemporaryDirectory()
        var configuration = Configuration()
        let line = try directory.write(
            "line", "requirepass " + String(repeating: "x", count: 1 << 20))
        try configuration.load(file: line)
        #expect(configuration.requirePass.utf8.count == 1 << 20)
        let error = configurationError { try configuration.load(file: "/dev/zero") }
        #expect(error == "Fatal error, can't open config file '/dev/zero': File too large")
    }

    @Test func `Latin-1 is fine in a comment and an error in a value`() throws {
        let directory = try TemporaryDirectory()
        var configuration = Configuration()
        try configuration.load(file: try directory.write("c", [35, 0xE9, 10]))
        let bad = try directory.write("v", Array("requirepass ".utf8) + [0xE9, 10])
        let error = configurationError { try configuration.load(file: bad) }
        #expect(error?.hasSuffix("Configuration line is not valid UTF-8") == true)
    }

    @Test(arguments: ["/etc/redis/redis.conf"])
    func `the configuration of Debian's redis-server loads`(path: String) throws {
        guard !FileSystem.paths(matching: path).isEmpty else { return }
        let bytes: [UInt8]
        do { bytes = try FileSystem.read(path, bytesMax: 1 << 20) } catch { return }
        // The directory belongs to another package and may not be there.
        let lines = bytes.split(separator: 10).filter { !$0.starts(with: "dir ".utf8) }
        var configuration = Configuration()
        try configuration.load(
            text: String(decoding: Array(lines.joined(separator: [10])), as: UTF8.self))
        #expect(configuration.daemonize)
        #expect(configuration.withoutEffect.isEmpty)
    }

    @Test func `every directive that Debian's file explains is known`() throws {
        let path = "/etc/redis/redis.conf"
        guard let bytes = try? FileSystem.read(path, bytesMax: 1 << 20) else { return }
        let statements: Set = ["include", "loadmodule", "rename-command", "user"]
        let text = String(decoding: bytes, as: UTF8.self)
        for line in text.split(separator: "\n") {
            // A commented example: a hyphenated name and a value.
            let words = line.drop { $0 == "#" || $0 == " " }.split(separator: " ")
            guard line.hasPrefix("# "), words.count == 2, words[0].contains("-"),
                words[0].allSatisfy({ $0.isASCII && ($0.isLowercase || $0 == "-") }),
                !words[0].hasSuffix("-"), !words[0].hasPrefix("-")
            else { continue }
            let name = String(words[0])
            if ["non-existing", "re-enabled"].contains(name) { continue }
            #expect(Directive.named(name) != nil || statements.contains(name), "\(line)")
        }
    }
}

@Suite("Command line") struct CommandLineTests {
    @Test func `options are lines of the file`() throws {
        var configuration = Configuration()
        try configuration.apply(arguments: [
            "--port", "7000", "--save", "", "--bind", "127.0.0.1", "::1", "--hz 20",
        ])
        #expect(configuration.port == 7000)
        #expect(configuration.save.isEmpty)
        #expect(configuration.bind == ["127.0.0.1", "::1"])
        #expect(configuration.hz == 20)
    }

    @Test func `save without a value means none`() throws {
        var configuration = Configuration()
        try configuration.apply(arguments: ["--save", "--port", "7001"])
        #expect(configuration.save.isEmpty)
        #expect(configuration.port == 7001)
    }

    @Test func `the first value of an option may begin with dashes`() throws {
        var configuration = Configuration()
        try configuration.apply(arguments: ["--requirepass", "--port", "--timeout", "3"])
        #expect(configuration.requirePass == "--port")
        #expect(configuration.timeout == 3)
    }

    @Test func `values keep quotes, spaces and control characters`() throws {
        var configuration = Configuration()
        let password = "a \"b\" 'c' \\ \n\t\u{1}é #"
        try configuration.apply(arguments: ["--requirepass", password])
        #expect(configuration.requirePass == password)
    }

    @Test func `options come after the file and win`() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("m.conf", "port 1\ntimeout 5\n")
        var configuration = Configuration()
        try configuration.apply(arguments: [file, "--port", "2"])
        #expect(configuration.port == 2)
        #expect(configuration.timeout == 5)
        #expect(configuration.file == file)
    }

    @Test(arguments: [
        (["--timeout"], 2, "timeout", "wrong number of arguments"),
        (["--timeout", "1", "2"], 2, "timeout \"1\" \"2\"", "wrong number of arguments"),
        (
            ["--port", "1", "--loglevel", "x"], 3, "loglevel \"x\"",
            "argument(s) must be one of the following: debug, verbose, notice, warning, nothing"
        ),
        (["-x"], 2, "\"-x\"", "Bad directive or wrong number of arguments"),
    ])
    func `a bad option is shown as a line`(
        arguments: [String], line: Int, shown: String, reason: String
    ) {
        var configuration = Configuration()
        let error = configurationError { try configuration.apply(arguments: arguments) }
        #expect(
            error == """

                *** FATAL CONFIG FILE ERROR (Martlet \(ServerIdentity.version)) ***
                Reading the configuration file, at line \(line)
                >>> '\(shown)'
                \(reason)
                """)
    }

    @Test func `the configuration of the project loads and says the defaults`() throws {
        let here = #filePath
        guard let end = here.firstRange(of: "/Tests/") else { return }
        var configuration = Configuration()
        try configuration.load(file: String(here[..<end.lowerBound]) + "/martlet.conf")
        let initial = Configuration()
        for directive in Directive.all {
            #expect(directive.get(configuration) == directive.get(initial), "\(directive.name)")
        }
        for name in configuration.named {
            #expect(Directive.named(name)?.noEffect == nil, "\(name)")
        }
    }
}

@Suite("Rewriting configuration files") struct ConfigurationRewriteTests {
    private func rewritten(_ old: String, _ changes: [(name: String, value: String)]) throws
        -> String
    {
        var configuration = Configuration()
        try configuration.load(text: old)
        _ = try configuration.set(changes)
        return String(decoding: configuration.rewritten(Array(old.utf8)), as: UTF8.self)
    }

    @Test func `comments and order stay, values change in place`() throws {
        let text = try rewritten(
            "# one\nport 7\n\n# two\nslave-priority 5\n", [("port", "8"), ("requirepass", "a b")])
        #expect(
            text == "# one\nport 8\n\n# two\nreplica-priority 5\n# Generated by CONFIG REWRITE\n"
                + "requirepass \"a b\"\n")
    }

    @Test func `directives of many lines take as many as they need`() throws {
        #expect(
            try rewritten("save 1 2\nsave 3 4\nport 7\n", [("save", "5 6")]) == "save 5 6\nport 7\n"
        )
        #expect(
            try rewritten("save 1 2\n", [("save", "5 6 7 8")])
                == "save 5 6\n# Generated by CONFIG REWRITE\nsave 7 8\n")
        #expect(try rewritten("save 1 2\n", [("save", "")]) == "save \"\"\n")
    }

    @Test func `rewriting twice changes nothing more`() throws {
        // What did not change stays as it was written.
        let written = """
            maxmemory 64mb
            requirepass "secret"
            save 900 1 300 10
            client-output-buffer-limit slave 256mb 64mb 60
            client-output-buffer-limit pubsub 1mb 1kb 5
            slowlog-log-slower-than 7

            """
        #expect(try rewritten(written, []) == written)
        #expect(
            try rewritten(
                written,
                [
                    ("maxmemory", "1kb"), ("save", "900 1"),
                    ("client-output-buffer-limit", "replica 1 2 3"), ("slowlog-max-len", "9"),
                ]) == """
                    maxmemory 1024
                    requirepass "secret"
                    save 900 1
                    client-output-buffer-limit replica 1 2 3
                    client-output-buffer-limit pubsub 1mb 1kb 5
                    slowlog-log-slower-than 7
                    # Generated by CONFIG REWRITE
                    slowlog-max-len 9

                    """)
        let once = try rewritten("port 7\n", [("hz", "20"), ("bind", "* -::*")])
        #expect(try rewritten(once, []) == once)
        var configuration = Configuration()
        try configuration.load(text: once)
        #expect(configuration.hz == 20)
        #expect(configuration.bind == ["*", "-::*"])
    }
}
