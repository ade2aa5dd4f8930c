//  FileCrossingTests.swift — RDB files and DUMPs between Martlet and real servers, both ways.
import TestSupport
import Testing

@Suite("Files of and for other servers", .enabled(if: DiskServer.hasAll))
struct FileCrossingTests {
    /// Who writes, who reads, and whether both know deadlines of fields.
    private static let ways: [(String?, String?, Bool)] = [
        (DiskServer.martlet, DiskServer.redis7, false),
        (DiskServer.martlet, DiskServer.redis8, true),
        (DiskServer.redis7, DiskServer.martlet, false),
        (DiskServer.redis8, DiskServer.martlet, true),
        (DiskServer.martlet, DiskServer.martlet, true),
    ]

    /// Values of a size that has forms of its own: pinned, and nodes of a list that hold one text.
    private static let large = [
        ["SET", "large", String(repeating: "text that repeats ", count: 5000)],
        [
            "RPUSH", "plain", String(repeating: "p", count: 20_000), "x",
            (0..<4000).map { "\($0)" }.joined(),
        ],
    ]

    @Test(arguments: 0..<5, ["yes", "no"])
    func `a file that one server saves is loaded by the other`(
        way: Int, compression: String
    ) throws {
        let (writer, reader, fieldDeadlines) = Self.ways[way]
        let directory = try TemporaryDirectory()
        let first = try DiskServer(writer, in: directory.path, ["--rdbcompression", compression])
        var source = DataSource(seed: UInt64(way + 1))
        source.hasFieldDeadlines = fieldDeadlines
        try source.fill(first.client, count: 200)
        try DataSource.send(Self.large + [["SELECT", "9"], ["SET", "other", "1"]], first.client)
        try DataSource.send([["SELECT", "0"]], first.client)
        let before = try DataImage(first.client, fieldDeadlines: fieldDeadlines)
        let digest = try first.client("DEBUG", "DIGEST")
        #expect(try first.client("SAVE") == .simple("OK"))
        try first.crash()
        let second = try DiskServer(reader, in: directory.path)
        let after = try DataImage(second.client, fieldDeadlines: fieldDeadlines)
        let beforeDifferences = before.differences(after)
        #expect(beforeDifferences.isEmpty)
        #expect(before.lines.count == 202)
        // Redis 7.0 signs scores with more digits than they need.
        guard fieldDeadlines else { return }
        #expect(try second.client("DEBUG", "DIGEST") == digest)
    }

    @Test(arguments: 0..<5) func `a value that one server dumps is restored by the other`(
        way: Int
    ) throws {
        let (writer, reader, fieldDeadlines) = Self.ways[way]
        let directories = try [TemporaryDirectory(), TemporaryDirectory()]
        let first = try DiskServer(writer, in: directories[0].path)
        let second = try DiskServer(reader, in: directories[1].path)
        var source = DataSource(seed: UInt64(way + 10))
        source.hasFieldDeadlines = fieldDeadlines
        try source.fill(first.client, count: 200)
        for i in 0..<200 {
            let name = Array("key:\(i)".utf8)
            guard case .bulk = try first.client.send([Array("DUMP".utf8), name]).value else {
                continue
            }
            let payload = try Self.bulk(first.client.send([Array("DUMP".utf8), name]).bytes)
            let reply = try second.client.send([
                Array("RESTORE".utf8), name, Array("0".utf8), payload,
            ])
            #expect(reply.value == .simple("OK"), "key \(i)")
            try DataSource.send([["PERSIST", "key:\(i)"]], first.client)
        }
        let before = try DataImage(first.client, fieldDeadlines: fieldDeadlines)
        let after = try DataImage(second.client, fieldDeadlines: fieldDeadlines)
        let beforeDifferences = before.differences(after)
        #expect(beforeDifferences.isEmpty)
    }

    /// The content of a bulk string, byte for byte.
    private static func bulk(_ reply: [UInt8]) -> [UInt8] {
        guard let end = reply.firstIndex(of: 10) else { return [] }
        return Array(reply[(end + 1)...].dropLast(2))
    }

    @Test func `RESTORE answers as a real server does`() throws {
        let directories = try [TemporaryDirectory(), TemporaryDirectory()]
        let ours = try DiskServer(DiskServer.martlet, in: directories[0].path)
        let theirs = try DiskServer(DiskServer.redis8, in: directories[1].path)
        _ = try theirs.client("SET", "source", "value of some length, more than twenty bytes")
        let payload = try Self.bulk(
            theirs.client.send([Array("DUMP".utf8), Array("source".utf8)]).bytes)
        var wrong = payload
        wrong[wrong.count - 1] ^= 1
        let past = "1000"
        let cases: [([String], [UInt8], [String])] = [
            (["z", "0"], payload, []), (["z", "0"], payload, ["REPLACE"]),
            (["z", "0"], wrong, ["REPLACE"]), (["z", "0"], [], ["REPLACE"]),
            (["z", "-1"], payload, ["REPLACE"]), (["z", "x"], payload, ["REPLACE"]),
            (["z", "5"], payload, []), (["z", past], payload, ["REPLACE", "ABSTTL"]),
            (["z", "0"], payload, ["IDLETIME"]), (["z", "0"], payload, ["IDLETIME", "-1"]),
            (["z", "0"], payload, ["FREQ", "256"]), (["z", "0"], payload, ["FREQ", "1"]),
            (["y", "0"], payload, ["IDLETIME", "3", "FREQ", "1"]), (["y", "0"], payload, ["NO"]),
            (["y", "0"], Array("short".utf8), []), (["y", "9223372036854775807"], payload, []),
        ]
        for (head, bytes, tail) in cases {
            let words =
                [Array("RESTORE".utf8)] + head.map { Array($0.utf8) } + [bytes]
                + tail.map { Array($0.utf8) }
            let mine = try ours.client.send(words).value,
                other = try theirs.client.send(words).value
            #expect(mine == other, "\(head) \(tail)")
        }
        for (word, answer) in [
            ("1", "OK"), ("0", "ERR DUMP payload version or checksum are wrong"),
        ] {
            for server in [ours, theirs] {
                let switched = try server.client("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", word)
                #expect(switched.text == "OK")
                let words = ["RESTORE", "skipped\(word)", "0"].map { Array($0.utf8) } + [wrong]
                #expect(try server.client.send(words).value.text == answer)
            }
        }
    }
}
