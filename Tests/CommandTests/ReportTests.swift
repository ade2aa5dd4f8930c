//  ReportTests.swift — INFO, MEMORY and the looks inside that DEBUG allows, beside a real server.
import Engine
import TestSupport
import Testing

@Suite("Reports") struct ReportTests {
    /// Fields of INFO by section.
    private func fields(_ reply: RESPValue) -> [String: Set<String>] {
        var sections: [String: Set<String>] = [:]
        var current = ""
        for line in (reply.text ?? "").split(separator: "\r\n") {
            if line.hasPrefix("# ") {
                current = String(line.dropFirst(2))
                sections[current] = []
            } else {
                sections[current]?.insert(String(line.prefix { $0 != ":" }))
            }
        }
        return sections
    }

    @Test(.enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
    func `INFO has the sections and fields of a real server`() throws {
        let server = try EmbeddedServer()
        let peer = try PeerServer()
        let client = try server.connect()
        for words in [["CONFIG", "RESETSTAT"], ["SET", "k", "v"], ["GET"]] {
            _ = try client.send(words)
            _ = try peer.send(words)
        }
        for request in [["INFO"], ["INFO", "everything"], ["INFO", "keysizes", "cpu"]] {
            let ours = fields(try client.send(request))
            let theirs = fields(try peer.send(request))
            #expect(Set(ours.keys) == Set(theirs.keys))
            // How it was built, and modules.
            let left: Set = ["atomicvar_api", "gcc_version", "module", "listener0"]
            for (section, names) in theirs {
                let missing = names.subtracting(ours[section] ?? []).subtracting(left)
                #expect(missing == [], "\(section)")
            }
        }
    }

    @Test func `INFO keysizes counts values in powers of two`() throws {
        let server = try EmbeddedServer()
        let client = try server.connect()
        for count in [0, 1, 2, 3, 4, 1023, 1024, 1500] {
            _ = try client("SET", "k\(count)", String(repeating: "x", count: count))
        }
        _ = try client("SET", "number", "-123")
        let info = try client("INFO", "keysizes").text ?? ""
        #expect(
            info == "# Keysizes\r\ndb0_distrib_strings_sizes:0=1,1=1,2=2,4=2,512=1,1K=2\r\n")
        _ = try client("DEBUG", "POPULATE", "30000", "p", "100")
        let large = try client("INFO", "keysizes").text ?? ""
        let count = large.split(separator: ":").last?.split(separator: ",")
            .first { $0.hasPrefix("64=") }.flatMap { Int($0.dropFirst(3).prefix { $0.isNumber }) }
        #expect((29_000...30_100).contains(count ?? 0))
    }

    @Test(.enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
    func `DEBUG DIGEST signs the data as a real server does`() throws {
        let server = try EmbeddedServer()
        let peer = try PeerServer()
        let client = try server.connect()
        #expect(try client.send(["DEBUG", "DIGEST"]) == peer.send(["DEBUG", "DIGEST"]))
        for words in [
            ["SET", "a", "b"], ["SET", "n", "-42"], ["SET", "e", ""],
            ["SET", "long", String(repeating: "long", count: 1000)],
            ["SET", "t", "v", "EX", "1000"],
            ["RPUSH", "l", "x", "7", "y"],
            ["RPUSH", "chunks"] + (0..<2000).map { "element \($0)" },
            ["SELECT", "3"], ["SET", "a", "c"],
        ] {
            #expect(try client.send(words) == peer.send(words))
        }
        for request in [
            ["DEBUG", "DIGEST"], ["DEBUG", "DIGEST-VALUE", "a", "nope"], ["SELECT", "0"],
            ["DEBUG", "DIGEST-VALUE", "a", "n", "e", "long", "t"], ["DEBUG", "DIGEST-VALUE"],
            ["DEBUG", "DIGEST-VALUE", "l", "chunks"],
            ["DEBUG", "CHANGE-REPL-ID"], ["DEBUG", "REPLYBUFFER"],
            ["DEBUG", "REPLYBUFFER", "RESIZING", "0"], ["DEBUG", "REPLYBUFFER", "NOPE", "1"],
            ["DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "NEVER"],
            ["DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "x"], ["DEBUG", "PAUSE-CRON", "1"],
            ["DEBUG", "PAUSE-CRON", "0"], ["DEBUG", "HTSTATS", "99"], ["DEBUG", "HTSTATS", "x"],
            ["MEMORY", "USAGE"], ["MEMORY", "USAGE", "nope"],
            ["MEMORY", "USAGE", "a", "SAMPLES"], ["MEMORY", "USAGE", "a", "SAMPLES", "-1"],
            ["MEMORY", "USAGE", "a", "SAMPLES", "x"], ["MEMORY", "USAGE", "a", "X", "1"],
            ["MEMORY", "PURGE"], ["MEMORY", "STATS", "x"], ["MEMORY", "NOPE"],
        ] {
            #expect(try client.send(request) == peer.send(request), "\(request)")
        }
    }

    @Test(.enabled(if: PeerServer.exactBinary != nil, "no peer is installed"), arguments: [2, 3])
    func `MEMORY STATS has the entries of a real server`(version: Int) throws {
        let server = try EmbeddedServer()
        let peer = try PeerServer(version: version)
        let client = try server.connect(version: version)
        for words in [["SET", "k", "v"], ["CONFIG", "RESETSTAT"]] {
            _ = try client.send(words)
            _ = try peer.send(words)
        }
        let ours = try client.send(["MEMORY", "STATS"]),
            theirs = try peer.send(["MEMORY", "STATS"])
        #expect(ours.pairs.map(\.key) == theirs.pairs.map(\.key))
        #expect(ours["keys.count"] == .integer(1))
    }

    @Test func `MEMORY USAGE grows with the value`() throws {
        let server = try EmbeddedServer()
        let client = try server.connect()
        _ = try client("SET", "k", "v")
        _ = try client("SET", "large", String(repeating: "v", count: 100_000))
        let small = try client("MEMORY", "USAGE", "k").integer ?? 0
        let large = try client("MEMORY", "USAGE", "large").integer ?? 0
        #expect((20...100).contains(small))
        #expect((100_000...120_000).contains(large))
        #expect(try client("MEMORY", "DOCTOR").text?.isEmpty == false)
        #expect(try client("MEMORY", "MALLOC-STATS").text?.contains("db0: keys=2") == true)
    }

    @Test func `OBJECT FREQ counts uses under an LFU policy`() throws {
        let server = try EmbeddedServer()
        let client = try server.connect()
        _ = try client("SET", "k", "v")
        #expect(try client("OBJECT", "FREQ", "k").isError)
        _ = try client("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu", "lfu-log-factor", "0")
        _ = try client("SET", "k", "v")
        for _ in 0..<20 { _ = try client("GET", "k") }
        #expect((try client("OBJECT", "FREQ", "k").integer ?? 0) >= 20)
        #expect(try client("OBJECT", "IDLETIME", "k").isError)
    }
}
