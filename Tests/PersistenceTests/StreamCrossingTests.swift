//  StreamCrossingTests.swift — streams in files and DUMPs between Martlet and real servers, to the
//  last time of a consumer.
import TestSupport
import Testing

@Suite("Streams of and for other servers", .enabled(if: DiskServer.martlet != nil))
struct StreamCrossingTests {
    /// Who writes and who reads; the old version does not know when a consumer was active.
    private static let ways: [(String?, String?)] = [
        (DiskServer.martlet, DiskServer.redis8), (DiskServer.redis8, DiskServer.martlet),
        (DiskServer.martlet, DiskServer.martlet), (DiskServer.martlet, DiskServer.redis7),
        (DiskServer.redis7, DiskServer.martlet),
    ]

    private static func knowsActivity(_ way: Int) -> Bool { way < 3 }

    /// Streams of all kinds: empty, large, trimmed, with groups, with pending entries that are gone.
    private static func requests(_ isOld: Bool) -> [[String]] {
        var requests: [[String]] = []
        for (key, n) in [("small", 3), ("large", 3000), ("trimmed", 500), ("empty", 10)] {
            for i in 1...n {
                let own = i % 7 == 0 ? ["own", String(repeating: "x", count: i % 300)] : []
                requests.append(
                    ["XADD", key, "\(i)-\(i % 4)", "f", "\(i * 1000)", "12", "text \(i)"] + own)
            }
            for group in ["g", "h"] {
                requests.append(["XGROUP", "CREATE", key, group, "0"])
                for consumer in ["a", "b"] {
                    let count = "\(n / 3)"
                    requests.append([
                        "XREADGROUP", "GROUP", group, consumer, "COUNT", count, "STREAMS", key, ">",
                    ])
                }
            }
            requests.append(["XACK", key, "g", "1-1", "2-2"])
            requests.append(["XCLAIM", key, "h", "b", "0", "1-1", "RETRYCOUNT", "1000"])
            requests.append(["XDEL", key, "2-2", "3-3"])
            if isOld { continue }
            requests.append(["XGROUP", "CREATECONSUMER", key, "h", "idle"])
            requests.append(["XREADGROUP", "GROUP", "g", "a", "STREAMS", key, "0"])
        }
        requests.append(["XTRIM", "trimmed", "MAXLEN", "20"])
        requests.append(["XTRIM", "empty", "MAXLEN", "0"])
        requests.append(["XADD", "last", "18446744073709551615-18446744073709551615", "f", "v"])
        requests.append(["XADD", "first", "0-1", "f", "v"])
        requests.append(["XADD", "first", "0-18446744073709551615", "f", "v"])
        requests.append(["XADD", "first", "18446744073709551614-7", "f", "v"])
        requests.append(["XGROUP", "CREATE", "made", "g", "$", "MKSTREAM"])
        return requests
    }

    private static let keys = ["small", "large", "trimmed", "empty", "last", "first", "made"]

    private static func image(_ client: RESPClient, _ key: String, all: Bool) throws -> String {
        let value = try client("XINFO", "STREAM", key, "FULL", "COUNT", "0")
        let names = ["radix-tree-keys", "radix-tree-nodes"]
        return value.pairs.filter { !names.contains($0.key.text ?? "") }.map { name, value in
            guard name.text == "groups", !all else { return "\(name)=\(value)" }
            return value.items.map { group in
                group.pairs.filter { $0.key.text != "lag" }.map { name, value in
                    guard name.text == "consumers" else { return "\(name)=\(value)" }
                    return value.items.map { consumer in
                        consumer.pairs.filter { $0.key.text != "active-time" }
                            .map { "\($0.key)=\($0.value)" }.joined(separator: " ")
                    }.joined(separator: " ")
                }.joined(separator: " ")
            }.joined(separator: " ")
        }.joined(separator: " ")
    }

    @Test(arguments: 0..<5) func `files and DUMPs hold all of a stream`(way: Int) throws {
        let (writer, reader) = Self.ways[way]
        guard let writer, let reader else { return }
        let all = Self.knowsActivity(way)
        let folders = try [TemporaryDirectory(), TemporaryDirectory()]
        let first = try DiskServer(writer, in: folders[0].path)
        try DataSource.send(Self.requests(!all), first.client)
        let before = try Self.keys.map { try Self.image(first.client, $0, all: all) }
        let digest = try first.client("DEBUG", "DIGEST")
        // DUMP and RESTORE.
        let other = try DiskServer(reader, in: folders[1].path)
        for key in Self.keys {
            let dump = try first.client.send(["DUMP", key].map { Array($0.utf8) }).bytes
            guard let end = dump.firstIndex(of: 10) else { continue }
            let payload = Array(dump[(end + 1)...].dropLast(2))
            let reply = try other.client.send(
                ["RESTORE", key, "0"].map { Array($0.utf8) } + [payload])
            #expect(reply.value == .simple("OK"), "\(key)")
        }
        for (key, image) in zip(Self.keys, before) {
            #expect(try Self.image(other.client, key, all: all) == image, "\(key)")
        }
        #expect(try other.client("DEBUG", "DIGEST") == digest)
        // A file.
        #expect(try first.client("SAVE") == .simple("OK"))
        try first.crash()
        let second = try DiskServer(reader, in: folders[0].path)
        for (key, image) in zip(Self.keys, before) {
            #expect(try Self.image(second.client, key, all: all) == image, "\(key)")
        }
        #expect(try second.client("DEBUG", "DIGEST") == digest)
        // And the streams go on.
        #expect(try second.client("XADD", "large", "9000", "f", "v").text == "9000-0")
        #expect(try second.client("XLEN", "large") == .integer(2999))
        #expect(try second.client("XADD", "last", "*", "f", "v").isError)
    }

    /// Requests that would come out otherwise if they were done again as they were asked.
    private static let deeds: [[String]] = [
        ["XADD", "s", "*", "f", "v"], ["XADD", "s", "MAXLEN", "~", "40", "*", "f", "v"],
        [
            "XADD", "s", "NOMKSTREAM", "MINID", "~", "5", "LIMIT", "10", "99999999999999-*", "f",
            "v",
        ],
        ["XTRIM", "s", "MAXLEN", "~", "30", "LIMIT", "10"],
        ["XREADGROUP", "GROUP", "g", "c", "COUNT", "7", "STREAMS", "s", ">"],
        ["XREADGROUP", "GROUP", "g", "d", "NOACK", "COUNT", "2", "STREAMS", "s", ">"],
        ["XREADGROUP", "GROUP", "h", "e", "COUNT", "20", "STREAMS", "s", ">"],
        ["XCLAIM", "s", "g", "d", "0", "45-0", "46-0", "47-0", "1-1", "LASTID", "50"],
        ["XDEL", "s", "46"], ["XCLAIM", "s", "g", "idle", "0", "46-0"],
        ["XAUTOCLAIM", "s", "g", "x", "0", "0", "COUNT", "2"],
        ["XAUTOCLAIM", "s", "h", "y", "1000000", "0"], ["XACK", "s", "h", "48", "49"],
        ["XDELEX", "s", "ACKED", "IDS", "2", "48", "49"], ["XACKDEL", "s", "h", "IDS", "1", "50"],
        ["XREADGROUP", "GROUP", "h", "none", "STREAMS", "s", "0"],
        ["XGROUP", "CREATECONSUMER", "s", "h", "z"], ["XGROUP", "DELCONSUMER", "s", "h", "z"],
        ["XGROUP", "CREATE", "s", "i", "$"],
        ["XGROUP", "SETID", "s", "i", "47", "ENTRIESREAD", "3"],
    ]

    @Test(arguments: [DiskServer.martlet, DiskServer.redis8])
    func `a log of what was done makes the same streams again`(reader: String?) throws {
        guard let reader else { return }
        let folder = try TemporaryDirectory()
        let options = ["--appendonly", "yes", "--appendfsync", "always"]
        let first = try DiskServer(
            DiskServer.martlet, in: folder.path, options + ["--stream-node-max-entries", "5"])
        var requests = (1...60).map { ["XADD", "s", "\($0)", "f", "\($0)"] }
        for group in ["g", "h"] { requests.append(["XGROUP", "CREATE", "s", group, "0"]) }
        try DataSource.send(requests + Self.deeds, first.client)
        let before = try Self.image(first.client, "s", all: false)
        let digest = try first.client("DEBUG", "DIGEST")
        try first.crash()
        let second = try DiskServer(reader, in: folder.path, options)
        let after = try Self.image(second.client, "s", all: false)
        #expect(Self.timeless(after) == Self.timeless(before))
        #expect(try second.client("DEBUG", "DIGEST") == digest)
    }

    /// Without the times at which consumers asked, which nobody writes down.
    private static func timeless(_ image: String) -> String {
        image.split(separator: " ").filter { !$0.hasPrefix("\"seen-time\"") }.joined(separator: " ")
    }

    @Test func `the oldest form is used that holds the stream`() throws {
        let folder = try TemporaryDirectory()
        let server = try DiskServer(DiskServer.martlet, in: folder.path)
        func form(_ key: String) throws -> (UInt8, UInt8) {
            let dump = try server.client.send(["DUMP", key].map { Array($0.utf8) }).bytes
            guard let end = dump.firstIndex(of: 10) else { return (0, 0) }
            return (dump[end + 1], dump[dump.count - 12])
        }
        _ = try server.client("XADD", "s", "1", "f", "v")
        _ = try server.client("XGROUP", "CREATE", "s", "g", "0")
        _ = try server.client("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
        #expect(try form("s") == (19, 10))
        _ = try server.client("XGROUP", "CREATECONSUMER", "s", "g", "d")
        #expect(try form("s") == (21, 11))
        _ = try server.client("XGROUP", "DELCONSUMER", "s", "g", "d")
        #expect(try form("s") == (19, 10))
    }
}
