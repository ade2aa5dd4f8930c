//  PropagationTests.swift — what comes out of the append-only file is what went in, here and on Redis.
import TestSupport
import Testing

@Suite("Propagation", .enabled(if: DiskServer.hasAll))
struct PropagationTests {
    private static let steps =
        Programs.environment("MARTLET_AOF_STEPS").flatMap { Int($0) } ?? 2000

    /// What differs from seed to seed.
    private static func arguments(_ seed: Int) -> [String] {
        [
            "--appendonly", "yes", "--appendfsync", ["always", "everysec", "no"][seed % 3],
            "--aof-timestamp-enabled", seed % 2 == 0 ? "yes" : "no",
        ]
    }

    private static let eventLoops = ["auto", "epoll"]

    /// Starts `reader` on a copy of the files in `folder` and says what is different there.
    private static func differences(
        _ before: Everything, _ reader: String?, _ folder: String, fieldDeadlines: Bool = true
    ) throws -> [String] {
        let copy = try AppendFolder.copy(folder)
        let server = try DiskServer(reader, in: copy.path, ["--appendonly", "yes"])
        let after = try Everything(server, fieldDeadlines: fieldDeadlines)
        return signed(before.differences(after), fieldDeadlines)
    }

    /// Redis 7.0 signs scores with more digits than they need, so signatures say nothing there.
    private static func signed(_ differences: [String], _ isComparable: Bool) -> [String] {
        isComparable ? differences : differences.filter { !$0.hasPrefix("digests ") }
    }

    @Test(arguments: 0..<6) func `data survive, and real servers read them`(seed: Int) throws {
        let directory = try TemporaryDirectory()
        // Every other time the file has to suit Redis 7.0 too.
        let isOld = seed % 2 == 1
        let loop = ["--event-loop", Self.eventLoops[seed / 2 % 2]]
        let server = try DiskServer(
            DiskServer.martlet, in: directory.path, Self.arguments(seed) + loop)
        let source = ChangeRequests(seed: UInt64(seed), version: isOld ? 7.0 : 99)
        var driver = try ChangeDriver(server, source)
        try driver.run(Self.steps / 2)
        if seed % 3 != 2 {
            _ = try server.client("BGREWRITEAOF")
            try driver.run(Self.steps / 2)
            try server.waitForRewrite()
        }
        try driver.run(Self.steps / 2)
        try driver.finish()
        #expect(driver.done > driver.failed)
        let before = try Everything(server)
        #expect(try server.client("DEBUG", "LOADAOF").text == "OK")
        let reloaded = try before.differences(Everything(server))
        #expect(reloaded == [], "after DEBUG LOADAOF")
        // And the file goes on behind it.
        _ = try server.client("SET", "behind", "1")
        let last = try Everything(server)
        try server.crash()
        let again = try Self.differences(last, DiskServer.martlet, directory.path)
        #expect(again == [], "after a crash")
        let newer = try Self.differences(last, DiskServer.redis8, directory.path)
        #expect(newer == [], "on Redis 8.2")
        guard isOld else { return }
        let older = try Self.differences(
            Self.withoutFields(server: directory.path), DiskServer.redis7, directory.path,
            fieldDeadlines: false)
        #expect(older == [], "on Redis 7.0")
    }

    /// The same data read without deadlines of fields.
    private static func withoutFields(server folder: String) throws -> Everything {
        let copy = try AppendFolder.copy(folder)
        let server = try DiskServer(DiskServer.martlet, in: copy.path, ["--appendonly", "yes"])
        return try Everything(server, fieldDeadlines: false)
    }

    @Test(arguments: ["redis7", "redis8"], 0..<3) func `files of real servers are read`(
        writer: String, seed: Int
    ) throws {
        let directory = try TemporaryDirectory()
        let isOld = writer == "redis7"
        let server = try DiskServer(
            isOld ? DiskServer.redis7 : DiskServer.redis8, in: directory.path,
            Self.arguments(seed) + ["--aof-use-rdb-preamble", seed == 1 ? "no" : "yes"])
        // Commands of Valkey's fail there.
        let source = ChangeRequests(seed: UInt64(seed + 40), version: isOld ? 7.0 : 8.2)
        var driver = try ChangeDriver(server, source)
        try driver.run(Self.steps / 2)
        try server.rewrite()
        try driver.run(Self.steps / 2)
        try driver.finish()
        let before = try Everything(server, fieldDeadlines: !isOld)
        try server.crash()
        let after = try Self.differences(
            before, DiskServer.martlet, directory.path, fieldDeadlines: !isOld)
        #expect(after == [])
        // The same as one file, as Redis 6 wrote them.
        let old = try TemporaryDirectory()
        let names = AppendFolder.names(directory.path)
        let parts = names.filter { $0.contains(".base.") } + names.filter { $0.contains(".incr.") }
        let bytes = parts.flatMap { AppendFolder.bytes("\(directory.path)/appendonlydir/\($0)") }
        try AppendFolder.write(bytes, to: "\(old.path)/appendonly.aof")
        let reader = try DiskServer(DiskServer.martlet, in: old.path, ["--appendonly", "yes"])
        let upgraded = try Everything(reader, fieldDeadlines: !isOld)
        let upgradedDifferences = Self.signed(before.differences(upgraded), !isOld)
        #expect(upgradedDifferences == [])
        _ = try reader.client("SET", "behind", "1")
        try reader.rewrite()
        let last = try Everything(reader, fieldDeadlines: !isOld)
        try reader.crash()
        let again = try Self.differences(
            last, DiskServer.martlet, old.path, fieldDeadlines: !isOld)
        #expect(again == [])
    }

    @Test func `what is evicted stays away`() throws {
        let directory = try TemporaryDirectory()
        let server = try DiskServer(
            DiskServer.martlet, in: directory.path, ["--appendonly", "yes"])
        let used = Int(try server.info("used_memory")) ?? 0
        _ = try server.client("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        _ = try server.client("CONFIG", "SET", "maxmemory", "\(used + 300_000)")
        let value = String(repeating: "v", count: 200)
        for chunk in 0..<20 {
            let requests = (0..<200).map { i -> [String] in
                let key = "k\(chunk * 200 + i)"
                return i % 3 == 0 ? ["RPUSH", key, value, value] : ["SET", key, value]
            }
            try server.client.write(requests.flatMap { RESPClient.request($0) })
            _ = try server.client.replies(requests.count)
        }
        #expect((Int(try server.info("evicted_keys")) ?? 0) > 100)
        _ = try server.client("CONFIG", "SET", "maxmemory", "0")
        let before = try Everything(server)
        try server.crash()
        let ours = try Self.differences(before, DiskServer.martlet, directory.path)
        #expect(ours == [])
        let theirs = try Self.differences(before, DiskServer.redis8, directory.path)
        #expect(theirs == [])
    }

    @Test func `a deadline that passed while the server was down has passed`() throws {
        let directory = try TemporaryDirectory()
        let server = try DiskServer(
            DiskServer.martlet, in: directory.path, ["--appendonly", "yes"])
        _ = try server.client("SET", "short", "1", "PX", "1500")
        _ = try server.client("SET", "long", "1", "EX", "1000")
        _ = try server.client("HSET", "hash", "a", "1", "b", "2")
        _ = try server.client("HPEXPIRE", "hash", "1500", "FIELDS", "1", "a")
        // Done while the key was there, and no matter when it is read.
        _ = try server.client("APPEND", "short", "2")
        _ = try server.client("COPY", "short", "kept")
        _ = try server.client("PERSIST", "kept")
        #expect(try server.client("WAITAOF", "1", "0", "0").item(0) == .integer(1))
        try server.crash()
        try waitUntil("the deadline has passed") {
            let again = try DiskServer(
                DiskServer.martlet, in: directory.path, ["--appendonly", "yes"])
            let isThere = try again.client("EXISTS", "short").integer == 1
            try again.crash()
            return !isThere
        }
        let last = try DiskServer(DiskServer.martlet, in: directory.path, ["--appendonly", "yes"])
        #expect(try last.client("GET", "kept").text == "12")
        #expect(try last.client("EXISTS", "short", "long").integer == 1)
        #expect(try last.client("HGETALL", "hash").items.compactMap(\.text) == ["b", "2"])
    }
}
