//  AppendLayoutTests.swift — the files of an append-only file and their manifest, beside Redis's.
import Platform
import TestSupport
import Testing

@Suite("Append-only files", .enabled(if: DiskServer.hasAll))
struct AppendLayoutTests {
    /// A server of ours and a real one that do the same in folders of their own.
    private final class Pair {
        let directories: [TemporaryDirectory]
        private(set) var servers: [DiskServer]
        private let arguments: [String]
        private let folder: String
        private let peer: String?

        /// Starts both; manifests of Redis 7.0 name files and numbers only, as ours do.
        init(
            _ arguments: [String], folder: String = "appendonlydir",
            peer: String? = DiskServer.redis7
        ) throws {
            self.peer = peer
            directories = try [TemporaryDirectory(), TemporaryDirectory()]
            self.arguments = arguments
            self.folder = folder
            servers = try Self.start(directories, arguments, peer)
        }

        private static func start(
            _ directories: [TemporaryDirectory], _ arguments: [String], _ peer: String?
        ) throws -> [DiskServer] {
            try zip([DiskServer.martlet, peer], directories).map {
                try DiskServer($0, in: $1.path, arguments)
            }
        }

        func send(_ words: String...) throws {
            let replies = try servers.map { try $0.client.send(words) }
            #expect(replies[0] == replies[1], "\(words)")
        }

        /// Waits for rewrites, the first of a file too.
        func settle() throws {
            for server in servers {
                try waitUntil("nothing is being written", seconds: 60) {
                    let text = try server.client("INFO", "persistence").text ?? ""
                    return text.contains("aof_rewrite_in_progress:0")
                        && text.contains("aof_rewrite_scheduled:0")
                        && text.contains("aof_last_bgrewrite_status:ok")
                }
            }
        }

        func rewrite() throws {
            let counts = try servers.map { try Int($0.info("aof_rewrites")) ?? 0 }
            for server in servers { _ = try server.client("BGREWRITEAOF") }
            for (server, count) in zip(servers, counts) {
                try server.waitFor("aof_rewrites", "\(count + 1)")
            }
            try settle()
        }

        func restart() throws {
            for server in servers { try server.crash() }
            servers = try Self.start(directories, arguments, peer)
        }

        /// The same names, and the same lines in the manifest.
        func compare(_ what: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
            var seen: [[String]] = []
            // What was replaced is deleted in the background there.
            try? waitUntil("\(what): the files are alike", seconds: 5) {
                seen = directories.map { directory in
                    let names = AppendFolder.names(directory.path, folder)
                    let manifests = names.filter { $0.hasSuffix(".manifest") }
                    return names
                        + manifests.map { AppendFolder.text("\(directory.path)/\(folder)/\($0)") }
                }
                return seen[0] == seen[1]
            }
            #expect(seen[0] == seen[1], "\(what)", sourceLocation: sourceLocation)
        }
    }

    @Test(arguments: ["yes", "no"]) func `files are called as Redis calls them, whatever happens`(
        preamble: String
    ) throws {
        let pair = try Pair(["--appendonly", "yes", "--aof-use-rdb-preamble", preamble])
        try pair.compare("a new server")
        try pair.send("SET", "a", "1")
        try pair.restart()
        try pair.compare("after a restart")
        try pair.send("GET", "a")
        try pair.rewrite()
        try pair.compare("after a rewrite")
        try pair.send("SET", "b", "2")
        try pair.rewrite()
        try pair.rewrite()
        try pair.compare("after three rewrites")
        try pair.restart()
        try pair.compare("after three rewrites and a restart")
        try pair.send("CONFIG", "SET", "appendonly", "no")
        try pair.compare("switched off")
        try pair.send("SET", "c", "3")
        try pair.send("CONFIG", "SET", "appendonly", "yes")
        try pair.settle()
        try pair.compare("switched on again")
        try pair.send("SET", "d", "4")
        try pair.restart()
        try pair.compare("after all that")
        try pair.send("MGET", "a", "b", "c", "d")
    }

    @Test(arguments: [
        ("my file.aof", "my folder"), ("x", "y"), ("a.b", "c.d"), ("ü.aof", "ü"),
        ("*?[a]", "[b]"),
    ])
    func `names may be strange`(file: String, folder: String) throws {
        let pair = try Pair(
            [
                "--appendonly", "yes", "--appendfilename", file, "--appenddirname", folder,
            ], folder: folder)
        try pair.send("SET", "a", "1")
        try pair.compare("strange names")
        try pair.rewrite()
        try pair.compare("strange names, rewritten")
        try pair.restart()
        try pair.send("GET", "a")
        try pair.compare("strange names, loaded")
    }

    @Test func `switched on while it runs, the file holds what was there`() throws {
        let directory = try TemporaryDirectory()
        let server = try DiskServer(DiskServer.martlet, in: directory.path)
        var source = DataSource(seed: 4)
        try source.fill(server.client, count: 300)
        #expect(try server.client("CONFIG", "SET", "appendonly", "yes").text == "OK")
        for i in 0..<200 { _ = try server.client("SET", "later\(i)", "1") }
        try server.waitFor("aof_rewrites", "1")
        _ = try server.client("SET", "last", "1")
        let before = try Everything(server)
        try server.crash()
        let again = try DiskServer(DiskServer.martlet, in: directory.path, ["--appendonly", "yes"])
        let differences = try before.differences(Everything(again))
        #expect(differences == [])
        // Off and on again without a wait in between.
        for state in ["no", "yes", "no", "yes"] {
            #expect(try again.client("CONFIG", "SET", "appendonly", state).text == "OK")
            _ = try again.client("INCR", "turns")
        }
        try waitUntil("the file is complete") {
            try again.info("aof_rewrite_in_progress") == "0"
                && AppendFolder.names(directory.path).contains { $0.contains(".incr.") }
                && AppendFolder.text("\(directory.path)/appendonlydir/\(AppendFolder.manifest)")
                    .contains("type i")
        }
        let last = try Everything(again)
        try again.crash()
        let third = try DiskServer(DiskServer.martlet, in: directory.path, ["--appendonly", "yes"])
        let lastDifferences = try last.differences(Everything(third))
        #expect(lastDifferences == [])
    }

    @Test func `a rewrite while it is off makes a file that holds the data`() throws {
        let directory = try TemporaryDirectory()
        let server = try DiskServer(
            DiskServer.martlet, in: directory.path, ["--appendonly", "yes"])
        _ = try server.client("SET", "a", "1")
        _ = try server.client("CONFIG", "SET", "appendonly", "no")
        _ = try server.client("SET", "b", "1")
        try server.rewrite()
        try server.waitFor("aof_rewrites", "1")
        let names = AppendFolder.names(directory.path)
        #expect(names == ["appendonly.aof.2.base.rdb", AppendFolder.manifest])
        for binary in [DiskServer.martlet, DiskServer.redis8] {
            let copy = try AppendFolder.copy(directory.path)
            let reader = try DiskServer(binary, in: copy.path, ["--appendonly", "yes"])
            #expect(try reader.client("DBSIZE") == .integer(2))
        }
        _ = try server.client("CONFIG", "SET", "appendonly", "yes")
        try server.waitFor("aof_rewrites", "2")
        _ = try server.client("SET", "c", "1")
        try server.crash()
        let again = try DiskServer(DiskServer.martlet, in: directory.path, ["--appendonly", "yes"])
        #expect(try again.client("DBSIZE") == .integer(3))
    }

    @Test func `a file that grows is rewritten`() throws {
        let directory = try TemporaryDirectory()
        let server = try DiskServer(
            DiskServer.martlet, in: directory.path,
            [
                "--appendonly", "yes", "--auto-aof-rewrite-min-size", "64kb",
                "--auto-aof-rewrite-percentage", "100", "--appendfsync", "no",
            ])
        let value = String(repeating: "v", count: 1000)
        // Below the least size nothing happens, however much it has grown.
        for _ in 0..<30 { _ = try server.client("SET", "a", value) }
        #expect(try server.info("aof_rewrites") == "0")
        for _ in 0..<60 { _ = try server.client("SET", "a", value) }
        try server.waitFor("aof_rewrites", "1")
        #expect((Int(try server.info("aof_base_size")) ?? .max) < 64_000)
        _ = try server.client("CONFIG", "SET", "auto-aof-rewrite-percentage", "0")
        for _ in 0..<300 { _ = try server.client("SET", "a", value) }
        #expect((Int(try server.info("aof_current_size")) ?? 0) > 300_000)
        #expect(try server.info("aof_rewrites") == "1")
        #expect(try server.info("aof_rewrite_scheduled") == "0")
        _ = try server.client("CONFIG", "SET", "auto-aof-rewrite-percentage", "50")
        try server.waitFor("aof_rewrites", "2")
    }

    @Test func `WAITAOF answers as a real server does`() throws {
        for state in ["yes", "no"] {
            let pair = try Pair(["--appendonly", state], peer: DiskServer.redis8)
            let cases = [
                [], ["0"], ["0", "0"], ["0", "0", "0"], ["1", "0", "0"], ["2", "0", "0"],
                ["-1", "0", "0"], ["1", "-1", "0"], ["1", "0", "-1"], ["x", "0", "0"],
                ["0", "x", "0"], ["1", "0", "x"], ["0", "0", "9223372036854775807"],
                ["1", "0", "9223372036854775807"], ["0", "1", "20"], ["1", "1", "20"],
                ["0", "9223372036854775807", "10"], ["0", "9223372036854775808", "10"],
                ["1", "0", "1.5"], ["", "", ""],
            ]
            for words in cases {
                try pair.send("SET", "a", "1")
                let replies = try pair.servers.map { try $0.client.send(["WAITAOF"] + words) }
                if replies.allSatisfy({ $0.items.count == 2 }), words != ["1", "0", "0"] {
                    // Whether the disk has it by then is chance.
                    #expect(replies.map { $0.item(1)?.integer } == [0, 0])
                } else {
                    #expect(replies[0] == replies[1], "WAITAOF \(words) with appendonly \(state)")
                }
            }
            try pair.send("MULTI")
            try pair.send("WAITAOF", "0", "1", "0")
            for server in pair.servers {
                #expect(try server.client("EXEC").item(0)?.items.count == 2)
            }
        }
    }

    @Test(arguments: ["always", "everysec", "no"])
    func `WAITAOF waits until the disk has it`(policy: String) throws {
        let directory = try TemporaryDirectory()
        let server = try DiskServer(
            DiskServer.martlet, in: directory.path,
            ["--appendonly", "yes", "--appendfsync", policy, "--no-appendfsync-on-rewrite", "yes"])
        let clients = try (0..<5).map { _ in try server.connect() }
        for round in 0..<5 {
            for client in clients {
                try client.write(
                    RESPClient.request("INCR", "n") + RESPClient.request("WAITAOF", "1", "0", "0"))
            }
            if round == 2 { _ = try server.client("BGREWRITEAOF") }
            for client in clients {
                let replies = try client.replies(2)
                #expect(replies[1] == .array([.integer(1), .integer(0)]))
            }
        }
        // Somebody who leaves while he waits.
        let leaver = try server.connect()
        try leaver.write(
            RESPClient.request("INCR", "n") + RESPClient.request("WAITAOF", "1", "1", "0"))
        _ = try leaver.replies(1)
        leaver.close()
        _ = try server.client("SET", "behind", "1")
        #expect(try server.client("WAITAOF", "1", "0", "0").items.count == 2)
        try server.crash()
        let again = try DiskServer(DiskServer.martlet, in: directory.path, ["--appendonly", "yes"])
        #expect(try again.client("GET", "n").text == "26")
    }
}
