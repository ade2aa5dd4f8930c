//  SnapshotTests.swift — a save shows the data as they were when it began, whatever happened since.
import TestSupport
import Testing

@Suite("Snapshots", .enabled(if: DiskServer.martlet != nil))
struct SnapshotTests {
    /// Keys of all types, some with so many elements that they are written in many steps.
    private static func fill(_ source: inout DataSource, _ client: RESPClient) throws {
        var requests: [[String]] = []
        for i in 0..<6000 { requests.append(["SET", "s\(i)", source.word()]) }
        for (type, letter) in ["l", "t", "h", "z", "x"].enumerated() {
            for i in 0..<150 {
                requests += source.value("\(letter)\(i)", type + 1, source.number(1...90))
            }
            for i in 0..<4 {
                requests += source.value("\(letter.uppercased())\(i)", type + 1, 6000)
            }
        }
        for i in 0..<4 {
            requests.append(["SET", "B\(i)", String(repeating: "b\(i)", count: 60_000)])
        }
        try DataSource.send(requests, client)
    }

    private static func key(_ source: inout DataSource) -> String {
        switch source.number(0...9) {
        case 0...4: return "s\(source.number(0...6100))"
        case 5...6:
            return "\(["l", "t", "h", "z", "x"][source.number(0...4)])\(source.number(0...155))"
        default:
            return "\(["L", "T", "H", "Z", "X", "B"][source.number(0...5)])\(source.number(0...4))"
        }
    }

    /// Some change of a key.
    private static func change(_ source: inout DataSource) -> [String] {
        let key = key(&source)
        switch source.number(0...11) {
        case 0: return ["DEL", key]
        case 1: return ["RENAME", key, Self.key(&source)]
        case 2: return ["PEXPIRE", key, ["1", "20", "100000"][source.number(0...2)]]
        case 3: return ["COPY", key, Self.key(&source), "REPLACE"]
        case 4: return ["SET", key, source.word()]
        case 5: return ["PERSIST", key]
        default: break
        }
        let i = "\(source.number(0...6000))", word = source.word(), n = source.number(0...5)
        switch key.first?.lowercased() {
        case "l":
            return [
                ["LPUSH", key, word], ["RPUSH", key, word], ["LPOP", key, "20"],
                ["LSET", key, i, word], ["LTRIM", key, "3", "-4"], ["LRANGE", key, i, i],
            ][n]
        case "h":
            return [
                ["HSET", key, "f\(i)", word], ["HDEL", key, "f\(i)", "f1", "f2"],
                ["HINCRBY", key, "n", "3"], ["HPEXPIRE", key, "1", "FIELDS", "1", "f\(i)"],
                ["HSET", key, "f\(i)", "1"], ["HGETDEL", key, "FIELDS", "1", "f\(i)"],
            ][n]
        case "t":
            return [
                ["SADD", key, word], ["SREM", key, i, word], ["SPOP", key, "5"],
                ["SMOVE", key, Self.key(&source), i], ["SUNIONSTORE", key, key, "T1"],
                ["SADD", key, i],
            ][n]
        case "z":
            return [
                ["ZADD", key, i, word], ["ZINCRBY", key, "7", word], ["ZPOPMAX", key, "5"],
                ["ZREMRANGEBYRANK", key, "0", "3"], ["ZADD", key, "-\(i)", word],
                ["ZUNIONSTORE", key, "1", "Z1"],
            ][n]
        case "x" where source.number(0...1) == 0: return groupChange(key, &source)
        case "x":
            return [
                ["XADD", key, "*", "f", word], ["XDEL", key, "\(source.number(1...90) * 3)-0"],
                ["XREADGROUP", "GROUP", "one", "c", "COUNT", "7", "STREAMS", key, ">"],
                ["XTRIM", key, "MAXLEN", "~", i], ["XACK", key, "two", "3-0", "6-1", "9-2"],
                ["XAUTOCLAIM", key, "two", "b", "0", "0", "COUNT", "9"],
            ][n]
        default:
            return [
                ["APPEND", key, word], ["INCR", key], ["SETRANGE", key, "3", word],
                ["GETDEL", key], ["SETEX", key, "1000", word], ["SET", key, word, "KEEPTTL"],
            ][n]
        }
    }

    /// Some change of what groups have pending, or of the groups.
    private static func groupChange(_ key: String, _ source: inout DataSource) -> [String] {
        let group = ["one", "two"][source.number(0...1)],
            consumer = ["a", "b", "c"][source.number(0...2)]
        let ids = (0..<9).map { _ in "\(source.number(1...2000) * 3)-\(source.number(0...2))" }
        switch source.number(0...19) {
        case 0: return ["XGROUP", "DESTROY", key, group]
        case 1: return ["XGROUP", "DELCONSUMER", key, group, consumer]
        case 2...3: return ["XGROUP", "CREATE", key, group, "$"]
        case 4: return ["XGROUP", "SETID", key, group, "0"]
        case 5...8: return ["XACK", key, group] + ids
        case 9...11: return ["XCLAIM", key, group, consumer, "0"] + ids + ["FORCE"]
        case 12...13:
            return ["XCLAIM", key, group, consumer, "0"] + ids + ["TIME", "5", "RETRYCOUNT", "9"]
        case 14...16:
            return [
                "XREADGROUP", "GROUP", group, consumer, "COUNT", "9", "STREAMS", key, ids[0],
            ]
        case 17: return ["XACKDEL", key, group, "ACKED", "IDS", "9"] + ids
        default: return ["XDELEX", key, "DELREF", "IDS", "9"] + ids
        }
    }

    @Test(arguments: 0..<8) func `later changes stay out of the file`(seed: Int) throws {
        let directory = try TemporaryDirectory()
        let server = try DiskServer(
            DiskServer.martlet, in: directory.path,
            [
                "--list-compress-depth", "\(seed % 3)", "--list-max-listpack-size",
                ["-2", "-1", "20"][seed % 3],
            ])
        var source = DataSource(seed: UInt64(seed))
        try Self.fill(&source, server.client)
        let before = try DataImage(server.client)
        var requests = [["BGSAVE"]]
        for _ in 0..<3000 { requests.append(Self.change(&source)) }
        if seed % 4 == 2 { requests.append(["SWAPDB", "0", "3"]) }
        if seed % 4 == 3 { requests.append(["FLUSHDB"]) }
        // All at once, so that the save and the changes take turns.
        try server.client.write(requests.flatMap { RESPClient.request($0) })
        let replies = try server.client.replies(requests.count)
        #expect(replies[0].text == "Background saving started")
        try server.waitFor("rdb_bgsave_in_progress", "0")
        #expect(try server.info("rdb_last_bgsave_status") == "ok")
        // A real server finds the same in it.
        let reader = try DiskServer(
            seed % 2 == 1 ? DiskServer.redis8 ?? DiskServer.martlet : DiskServer.martlet,
            in: directory.path)
        let after = try DataImage(reader.client)
        let beforeDifferences = before.differences(after)
        #expect(beforeDifferences.isEmpty)
        try reader.crash()
        // And the next save is as good as the first.
        let now = try DataImage(server.client)
        #expect(try server.client("BGSAVE").text == "Background saving started")
        try server.waitFor("rdb_bgsave_in_progress", "0")
        let again = try DiskServer(DiskServer.martlet, in: directory.path)
        let reread = try DataImage(again.client)
        let nowDifferences = now.differences(reread)
        #expect(nowDifferences.isEmpty)
    }

    @Test func `FLUSHALL ends a save, and the file is empty if there are save points`() throws {
        let directory = try TemporaryDirectory()
        let server = try DiskServer(
            DiskServer.martlet, in: directory.path, ["--save", "100000", "1"])
        var source = DataSource(seed: 3)
        try Self.fill(&source, server.client)
        try server.client.write(
            RESPClient.request("BGSAVE") + RESPClient.request("FLUSHALL")
                + RESPClient.request("SET", "left", "1"))
        _ = try server.client.replies(3)
        try server.waitFor("rdb_bgsave_in_progress", "0")
        try server.crash()
        let reader = try DiskServer(DiskServer.martlet, in: directory.path)
        #expect(try reader.client("DBSIZE") == .integer(0))
    }

    @Test func `a server that ends saves if there are save points, and not if told so`() throws {
        let directory = try TemporaryDirectory()
        let server = try DiskServer(
            DiskServer.martlet, in: directory.path, ["--save", "100000", "1"])
        _ = try server.client("SET", "a", "1")
        #expect(try server.end() == 0)
        let second = try DiskServer(
            DiskServer.martlet, in: directory.path, ["--save", "100000", "1"])
        #expect(try second.client("GET", "a") == .bulk("1"))
        _ = try second.client("SET", "a", "2")
        try second.client.write(RESPClient.request("SHUTDOWN", "NOSAVE"))
        #expect(try second.process.wait() == 0)
        let third = try DiskServer(DiskServer.martlet, in: directory.path)
        #expect(try third.client("GET", "a") == .bulk("1"))
    }

    @Test func `save points save`() throws {
        let directory = try TemporaryDirectory()
        let server = try DiskServer(DiskServer.martlet, in: directory.path, ["--save", "1", "2"])
        _ = try server.client("MSET", "a", "1", "b", "2")
        _ = try server.client("SET", "c", "2")
        try server.waitFor("rdb_saves", "1")
        #expect(try server.info("rdb_changes_since_last_save") == "0")
        try server.crash()
        let second = try DiskServer(DiskServer.martlet, in: directory.path)
        #expect(try second.client("DBSIZE") == .integer(3))
    }

    @Test func `DEBUG RELOAD changes nothing`() throws {
        let directory = try TemporaryDirectory()
        let server = try DiskServer(DiskServer.martlet, in: directory.path)
        var source = DataSource(seed: 5)
        try source.fill(server.client, count: 100)
        let before = try DataImage(server.client)
        let digest = try server.client("DEBUG", "DIGEST")
        #expect(try server.client("DEBUG", "RELOAD") == .simple("OK"))
        let after = try DataImage(server.client)
        let beforeDifferences = before.differences(after)
        #expect(beforeDifferences.isEmpty)
        #expect(try server.client("DEBUG", "DIGEST") == digest)
        _ = try server.client("DEL", "key:1")
        #expect(try server.client("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE").text == "OK")
        let again = try DataImage(server.client).differences(before)
        #expect(again.isEmpty)
    }
}
