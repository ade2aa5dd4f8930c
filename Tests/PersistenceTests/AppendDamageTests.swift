//  AppendDamageTests.swift — append-only files that are damaged, cut short, or somebody's invention.
import Platform
import TestSupport
import Testing

@Suite("Damaged append-only files", .enabled(if: DiskServer.hasAll))
struct AppendDamageTests {
    private static let on = ["--appendonly", "yes"]
    private static let set = RESPClient.request("SET", "a", "1")

    private static let manifests: [String] = [
        "", "\n", "x", "file\n", "file appendonly.aof.1.incr.aof\n",
        "file appendonly.aof.1.incr.aof seq 1 type i",
        "file appendonly.aof.1.incr.aof seq 1 type i\n",
        "file appendonly.aof.1.incr.aof seq 1 type i\n\n",
        "\nfile appendonly.aof.1.incr.aof seq 1 type i\n",
        "FILE appendonly.aof.1.incr.aof SEQ 1 TYPE i\n",
        "type i seq 1 file appendonly.aof.1.incr.aof\n",
        "file appendonly.aof.1.incr.aof seq 1 type i color blue\n",
        "file appendonly.aof.1.incr.aof seq 1 type i color\n",
        "file appendonly.aof.1.incr.aof seq 1 type x\n",
        "file appendonly.aof.1.incr.aof seq 1 type incr\n",
        "file appendonly.aof.1.incr.aof seq 0 type i\n",
        "file appendonly.aof.1.incr.aof seq -1 type i\n",
        "file appendonly.aof.1.incr.aof seq one type i\n",
        "file appendonly.aof.1.incr.aof seq 99999999999999999999 type i\n",
        "file \"appendonly.aof.1.incr.aof\" seq 1 type i\n",
        "file 'appendonly.aof.1.incr.aof' seq '1' type \"i\"\n",
        "file \"appendonly.aof.1.incr.aof seq 1 type i\n",
        "  file   appendonly.aof.1.incr.aof   seq 1 type i  \n",
        "file ../appendonly.aof seq 1 type i\n", "file /etc/passwd seq 1 type i\n",
        "file a/b seq 1 type i\n", "file . seq 1 type i\n", "file .. seq 1 type i\n",
        "file \"\" seq 1 type i\n", "file missing.aof seq 1 type i\n",
        "file missing.aof seq 1 type b\n",
        "file appendonly.aof.1.incr.aof seq 1 type b\n"
            + "file appendonly.aof.1.incr.aof seq 2 type b\n",
        "file appendonly.aof.1.incr.aof seq 2 type i\n"
            + "file appendonly.aof.2.incr.aof seq 1 type i\n",
        "file appendonly.aof.1.incr.aof seq 1 type i\n"
            + "file appendonly.aof.2.incr.aof seq 1 type i\n",
        "file appendonly.aof.1.incr.aof seq 1 type i\n"
            + "file appendonly.aof.2.incr.aof seq 7 type i\n",
        "file appendonly.aof.2.incr.aof seq 2 type i\n"
            + "file appendonly.aof.1.incr.aof seq 1 type b\n",
        "file missing.aof seq 1 type h\nfile appendonly.aof.1.incr.aof seq 1 type i\n",
        "file appendonly.aof.1.incr.aof seq 1 type i\n" + String(repeating: "x", count: 2000)
            + "\n",
        "# " + String(repeating: "x", count: 2000) + "\n"
            + "file appendonly.aof.1.incr.aof seq 1 type i\n",
        "file appendonly.aof.1.incr.aof seq 1 type i\r\n",
    ]

    @Test(arguments: manifests.indices) func `a manifest is read as Redis reads it, or refused`(
        i: Int
    ) throws {
        let text = Self.manifests[i]
        let outcomes = try [DiskServer.martlet, DiskServer.redis8].map { binary in
            let folder = try AppendFolder.holding(Self.set)
            let directory = "\(folder.path)/appendonlydir"
            try AppendFolder.write(
                RESPClient.request("INCR", "a"), to: "\(directory)/appendonly.aof.2.incr.aof")
            try AppendFolder.write(text, to: "\(directory)/\(AppendFolder.manifest)")
            if let refusal = try DiskServer.refusal(binary, in: folder.path, Self.on) {
                #expect(!refusal.contains("Fatal error"), "\(refusal.suffix(500))")
                // Nothing is written over what could not be read.
                #expect(AppendFolder.text("\(directory)/\(AppendFolder.manifest)") == text)
                return "refused"
            }
            let server = try DiskServer(binary, in: folder.path, Self.on)
            return "loaded \(try server.client("GET", "a"))"
        }
        // Redis takes the first letter of a type, and the end of all numbers for larger ones.
        let isOurs = text.contains("type incr\n") || text.contains("seq 9999999999")
        #expect(outcomes[0] == (isOurs ? "refused" : outcomes[1]), "\(text.prefix(200))")
    }

    @Test func `numbers near the end of all numbers do no harm`() throws {
        for number in ["9223372036854775806", "9223372036854775807", "9000000000000000000"] {
            let folder = try AppendFolder.holding(Self.set)
            let directory = "\(folder.path)/appendonlydir"
            try AppendFolder.write(
                "file appendonly.aof.1.incr.aof seq \(number) type i\n",
                to: "\(directory)/\(AppendFolder.manifest)")
            if try DiskServer.refusal(DiskServer.martlet, in: folder.path, Self.on) != nil {
                continue
            }
            for _ in 0..<3 {
                let server = try DiskServer(DiskServer.martlet, in: folder.path, Self.on)
                #expect(try server.client("GET", "a").text == "1")
                try server.rewrite()
                try server.rewrite()
                try server.crash()
            }
        }
    }

    @Test func `what is still in use is not deleted, whatever the history says`() throws {
        let folder = try AppendFolder.holding(Self.set)
        let directory = "\(folder.path)/appendonlydir"
        let line = "file appendonly.aof.1.incr.aof seq 1 type"
        try AppendFolder.write(
            "\(line) i\n\(line) h\n", to: "\(directory)/\(AppendFolder.manifest)")
        let server = try DiskServer(DiskServer.martlet, in: folder.path, Self.on)
        _ = try server.client("SET", "b", "2")
        try server.crash()
        let again = try DiskServer(DiskServer.martlet, in: folder.path, Self.on)
        #expect(try again.client("DBSIZE") == .integer(2))
    }

    @Test func `an upgrade that was cut short goes on`() throws {
        // The manifest was written, and the file not moved yet.
        let folder = try TemporaryDirectory()
        try Files.makeDirectory("\(folder.path)/appendonlydir")
        try AppendFolder.write(
            "file appendonly.aof seq 1 type b\n",
            to: "\(folder.path)/appendonlydir/\(AppendFolder.manifest)")
        try AppendFolder.write(Self.set, to: "\(folder.path)/appendonly.aof")
        for _ in 0..<2 {
            let server = try DiskServer(DiskServer.martlet, in: folder.path, Self.on)
            #expect(try server.client("GET", "a").text == "1")
            try server.crash()
        }
        #expect(AppendFolder.names(folder.path).contains("appendonly.aof"))
    }

    @Test func `a file that the manifest names is missing`() throws {
        let folder = try AppendFolder.holding(Self.set, base: Self.set)
        FileSystem.remove("\(folder.path)/appendonlydir/appendonly.aof.1.base.aof")
        let refusal = try DiskServer.refusal(DiskServer.martlet, in: folder.path, Self.on)
        #expect(refusal?.contains("appendonly.aof.1.base.aof doesn't exist") == true)
        #expect(AppendFolder.names(folder.path).count == 2)
    }

    // MARK: - Ends

    /// Requests of every kind, and where each ends.
    private static func requests() -> (bytes: [UInt8], ends: [Int]) {
        var units = [RESPClient.request("SELECT", "0")]
        for i in 0..<5 { units.append(RESPClient.request("RPUSH", "list", "element \(i)")) }
        var unit = RESPClient.request("MULTI")
        for i in 0..<3 { unit += RESPClient.request("INCRBY", "n", "\(i + 1)") }
        units += [unit + RESPClient.request("EXEC"), Array("#TS:1700000000\r\n".utf8)]
        units.append(RESPClient.request("SET", "long", String(repeating: "v", count: 300)))
        units.append(RESPClient.request("SET", "last", "1"))
        var bytes: [UInt8] = [], ends: [Int] = []
        for unit in units {
            bytes += unit
            ends.append(bytes.count)
        }
        return (bytes, ends)
    }

    @Test func `a file without its end is read up to there, as Redis does`() throws {
        let (all, ends) = Self.requests()
        var random = SeededRandom(seed: 9)
        var cuts = (0..<14).map { _ in Int.random(in: 1..<all.count, using: &random) }
        cuts += [all.count - 1, all.count - 2, all.count - 30, 24, 25]
        for cut in cuts {
            let folders = try (0..<3).map { _ in try AppendFolder.holding(Array(all[..<cut])) }
            let path = "/appendonlydir/appendonly.aof.1.incr.aof"
            let ours = try DiskServer(DiskServer.martlet, in: folders[0].path, Self.on)
            let theirs = try DiskServer(DiskServer.redis8, in: folders[1].path, Self.on)
            let differences = try Everything(ours).differences(Everything(theirs))
            #expect(differences == [], "cut at \(cut)")
            let file = AppendFolder.bytes(folders[0].path + path)
            // Redis leaves a MULTI without its EXEC, and pieces of annotations.
            #expect(file.count == (ends.last { $0 <= cut } ?? 0), "cut at \(cut)")
            // It goes on behind what was good.
            _ = try ours.client("SET", "more", "1")
            try ours.crash()
            let again = try DiskServer(DiskServer.redis8, in: folders[0].path, Self.on)
            #expect(try again.client("GET", "more").text == "1")
            if file.count == cut { continue }
            let refusal = try DiskServer.refusal(
                DiskServer.martlet, in: folders[2].path, Self.on + ["--aof-load-truncated", "no"])
            #expect(refusal?.contains("byte \(file.count)") == true, "\(cut): \(refusal ?? "")")
            #expect(AppendFolder.bytes(folders[2].path + path).count == cut)
        }
    }

    @Test func `only the last file may lack its end`() throws {
        let all = Self.requests().bytes
        for binary in [DiskServer.martlet, DiskServer.redis8] {
            let folder = try AppendFolder.holding(Self.set, base: Array(all.dropLast(3)))
            let refusal = try DiskServer.refusal(binary, in: folder.path, Self.on)
            #expect(refusal != nil)
        }
    }

    @Test func `garbage ends the start and stays as it is`() throws {
        let all = Self.requests().bytes
        var random = SeededRandom(seed: 12)
        let pieces = [
            "garbage", "*1\r\n+PING\r\n", "*-1\r\n", "*0\r\n", "$4\r\nPING\r\n", "\0\0\0\0\0\0\0\0",
            "*1\r\n$-1\r\n", "*1\r\n$4\r\nPINGxx", "*99999999999999999999\r\n", "PING\r\n",
            "*1\r\n$9223372036854775807\r\n", "*2147483647\r\n$1\r\na\r\n",
            "*1\r\n$7\r\nNOTHING\r\n",
            "*1\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nMULTI\r\n",
        ]
        for piece in pieces {
            let at = Int.random(in: 1..<all.count, using: &random)
            // Between two requests, and in the middle of one.
            for place in [0, at] {
                let bytes = Array(all[..<place]) + Array(piece.utf8) + Array(all[place...])
                let folder = try AppendFolder.holding(bytes)
                let path = "\(folder.path)/appendonlydir/appendonly.aof.1.incr.aof"
                let refusal = try DiskServer.refusal(DiskServer.martlet, in: folder.path, Self.on)
                guard let refusal else {
                    // Inside of a value it is a value.
                    #expect(place > 0 || piece.contains("MULTI"), "\(piece) at \(place) was loaded")
                    continue
                }
                #expect(!refusal.contains("Fatal error"), "\(refusal.suffix(300))")
                #expect(AppendFolder.bytes(path) == bytes, "\(piece) at \(place)")
            }
        }
    }

    @Test func `random damage never ends in a trap`() throws {
        let all = Self.requests().bytes
        var random = SeededRandom(seed: 21)
        for _ in 0..<25 {
            var bytes = all
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] =
                    Array("0123456789*$\r\n\0x".utf8).randomElement(using: &random) ?? 0
            }
            let folder = try AppendFolder.holding(bytes)
            if let text = try DiskServer.refusal(DiskServer.martlet, in: folder.path, Self.on) {
                #expect(text.contains("append only file"), "\(text.suffix(300))")
            }
        }
    }

    // MARK: - While it loads

    @Test func `clients are told that data are loaded`() throws {
        var bytes: [UInt8] = []
        for i in 0..<60_000 {
            bytes += RESPClient.request("RPUSH", "list:\(i % 100)", "element", "another")
        }
        var copies: [UInt8] = []
        for _ in 0..<5 { copies += bytes }
        let folder = try AppendFolder.holding(copies)
        let port = try freePort()
        let process = try DiskServer.start(DiskServer.martlet, port, folder.path, Self.on)
        var client: RESPClient?
        try waitUntil("the server listens") {
            client = try? RESPClient(port: port, version: 2)
            return client != nil || process.hasEnded
        }
        guard let client else { throw TestFailure(process.output) }
        let loading = "LOADING Redis is loading the dataset in memory"
        var refused = 0
        try waitUntil("everything is loaded", seconds: 60) {
            let requests = [
                ["INFO", "persistence"], ["LLEN", "list:1"], ["LRANGE", "list:1", "0", "1"],
                ["BGREWRITEAOF"], ["SAVE"],
            ]
            try client.write(requests.flatMap { RESPClient.request($0) })
            let replies = try client.replies(requests.count)
            let info = replies[0].text ?? ""
            guard info.contains("loading:1\r\n") else { return true }
            #expect(info.contains("loading_total_bytes:\(copies.count)"))
            let texts = Set(replies.dropFirst().map { $0.text ?? "" })
            refused += 1
            if texts != [loading] {
                // The end came between them.
                #expect(texts.contains(loading))
                let end = try client("INFO", "persistence").text ?? ""
                #expect(end.contains("loading:0\r\n"))
                return true
            }
            return false
        }
        #expect(refused > 0)
        #expect(try client("LLEN", "list:1") == .integer(6000))
        #expect(try client("EXISTS", "a") == .integer(0))
    }
}
