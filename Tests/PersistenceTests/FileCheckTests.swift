//  FileCheckTests.swift — `martlet check-rdb` beside the real redis-check-rdb.
import Platform
import TestSupport
import Testing

@Suite("Checking files", .enabled(if: DiskServer.martlet != nil))
struct FileCheckTests {
    /// What a program says of a file, and its exit status.
    private static func check(_ path: String) throws -> (text: String, status: Int) {
        let (code, output) = try run(DiskServer.martlet ?? "", ["check-rdb", path])
        return (output, code)
    }

    /// A folder with a file that Martlet has saved.
    private static func saved(_ directory: TemporaryDirectory) throws -> [UInt8] {
        let server = try DiskServer(DiskServer.martlet, in: directory.path)
        var source = DataSource(seed: 77)
        try source.fill(server.client, count: 60)
        _ = try server.client("SET", "gone", "x", "PX", "1000000")
        try DataSource.send([["SELECT", "3"], ["SET", "late", "x"]], server.client)
        #expect(try server.client("SAVE") == .simple("OK"))
        return try FileSystem.read(directory.path + "/dump.rdb", bytesMax: 1 << 30)
    }

    /// Opcodes and types of what Martlet does not have, with a key or some code behind them.
    @Test(arguments: [
        ("functions", 245, "functions are not supported"),
        ("functions", 246, "functions are not supported"),
        ("a module's value", 6, "values of modules are not supported"),
        ("a module's value", 7, "values of modules are not supported"),
    ])
    func `what Martlet does not have ends the start, and the file stays`(
        what: String, code: UInt8, reason: String
    ) throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/dump.rdb"
        let file = Array("REDIS0010".utf8) + [code, 3] + Array("abc".utf8) + [1, 1, 0, 0xFF]
        try FileSystem.replace(path, with: file)
        let refusal = try DiskServer.refusal(DiskServer.martlet, in: directory.path)
        #expect(refusal?.contains(reason) == true, "\(what): \(refusal ?? "it started")")
        #expect(refusal?.contains("dump.rdb") == true)
        #expect(try FileSystem.read(path, bytesMax: 100) == file)
        let (text, status) = try Self.check(path)
        #expect(status == 1)
        #expect(text.contains(reason))
    }

    @Test func `a file that is as it should be`() throws {
        let directory = try TemporaryDirectory()
        let bytes = try Self.saved(directory)
        let path = directory.path + "/dump.rdb"
        let (text, status) = try Self.check(path)
        #expect(status == 0)
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines.first == "[offset 0] Checking RDB file \(path)")
        #expect(lines.contains { $0.hasSuffix("AUX FIELD redis-bits = '64'") })
        #expect(lines.contains { $0.hasSuffix("Selecting DB ID 3") })
        #expect(lines.contains("[offset \(bytes.count)] Checksum OK"))
        #expect(lines.contains("[offset \(bytes.count)] \\o/ RDB looks OK! \\o/"))
        #expect(lines.contains("[info] 62 keys read"))
        #expect(lines.contains("[info] 0 already expired"))
    }

    @Test(.enabled(if: DiskServer.hasAll), arguments: [DiskServer.redis7, DiskServer.redis8])
    func `it says the same as the real one of a file of a real server`(peer: String?) throws {
        let directory = try TemporaryDirectory()
        let server = try DiskServer(peer, in: directory.path)
        var source = DataSource(seed: 78)
        source.hasFieldDeadlines = peer == DiskServer.redis8
        try source.fill(server.client, count: 100)
        #expect(try server.client("SAVE") == .simple("OK"))
        let path = directory.path + "/dump.rdb"
        let ours = try Self.check(path)
        #expect(ours.status == 0)
        guard let checker = try Self.checker(peer, directory) else { return }
        let theirs = try run(checker, [path])
        #expect(theirs.code == 0)
        let lines = theirs.output.split(separator: "\n")
        // Redis 7.0 counts no fields with deadlines.
        #expect(ours.text.split(separator: "\n").prefix(lines.count) == lines[...])
    }

    /// The server's program under the name that makes it check files.
    ///
    /// A script that finds its libraries beside itself cannot be called by another name.
    private static func checker(
        _ server: String?, _ directory: TemporaryDirectory
    ) throws -> String? {
        guard let server else { return nil }
        let name = directory.path + "/redis-check-rdb"
        let made = try run("/bin/ln", ["-s", absolute(server), name])
        guard made.code == 0, try run(name, []).output.hasPrefix("Usage:") else { return nil }
        return name
    }

    private static func absolute(_ path: String) throws -> String {
        try run("/bin/realpath", [path]).output.split(separator: "\n").first.map(String.init)
            ?? path
    }

    @Test func `damage is named with its place, its key and its reason`() throws {
        let directory = try TemporaryDirectory()
        let intact = try Self.saved(directory)
        let path = directory.path + "/damaged.rdb"
        func verdict(_ bytes: [UInt8]) throws -> String {
            try FileSystem.replace(path, with: bytes)
            let (text, status) = try Self.check(path)
            #expect(status == 1)
            #expect(text.contains("--- RDB ERROR DETECTED ---\n[offset "))
            #expect(text.contains(" keys read\n"))
            return text
        }
        var bytes = intact
        bytes[bytes.count - 1] ^= 1
        #expect(try verdict(bytes).contains("wrong checksum"))
        #expect(try verdict(bytes).contains("While doing: check-sum"))
        bytes = intact
        bytes[0] = 65
        #expect(try verdict(bytes).contains("not an RDB file"))
        bytes = intact
        bytes.replaceSubrange(5..<9, with: Array("0099".utf8))
        #expect(try verdict(bytes).contains("version 99 is newer"))
        let half = try verdict(Array(intact.prefix(intact.count / 2)))
        #expect(half.contains("the file ends too early"))
        #expect(try verdict([]).contains("[offset 0] "))
        #expect(try verdict(Array("REDIS0010".utf8) + [200]).contains("unknown type 200"))
        // A set in which a member comes twice.
        let twice = try verdict(
            Array("REDIS0010".utf8) + [2, 1] + Array("s".utf8) + [2, 1, 97, 1, 97, 255])
        #expect(twice.contains("Reading key 's'"))
        #expect(twice.contains("Reading type 2 (set-hashtable)"))
    }

    @Test func `a file that is not there, and words that are not a file`() throws {
        let missing = try Self.check("/nowhere/dump.rdb")
        #expect(missing.status == 1)
        #expect(missing.text.contains("Cannot open the file"))
        #expect(try run(DiskServer.martlet ?? "", ["check-rdb"]).code == 1)
        #expect(try run(DiskServer.martlet ?? "", ["check-rdb", "a", "b"]).code == 1)
    }
}
