//  CrashTests.swift — a server under load is killed again and again, and keeps its word.
//
//  `make crash-test CRASH_ROUNDS=1000` takes its time; `make test` a few rounds of each kind.
import Platform
import TestSupport
import Testing

@Suite("Crashes", .enabled(if: DiskServer.martlet != nil), .serialized)
struct CrashTests {
    private static let rounds =
        Programs.environment("CRASH_ROUNDS").flatMap { Int($0) } ?? 8
    private static let clientCount = 6

    /// How a server is killed, and what it promises.
    struct Kind: CustomTestStringConvertible, Sendable {
        let policy: String
        let eventLoop: String
        /// Whether the machine ends with it: what was not synchronised is gone.
        var losesPower = false
        var timestamps = "no"

        var testDescription: String {
            "\(policy), \(eventLoop), \(losesPower ? "loss of power" : "killed")"
        }
    }

    private static let kinds = [
        Kind(policy: "always", eventLoop: "auto"),
        Kind(policy: "always", eventLoop: "epoll", timestamps: "yes"),
        Kind(policy: "always", eventLoop: "auto", losesPower: true),
        Kind(policy: "always", eventLoop: "epoll", losesPower: true, timestamps: "yes"),
        // What the system was given stays when only the server dies, but while the disk is busy it
        // is given nothing, for half a second at most.
        Kind(policy: "everysec", eventLoop: "auto"),
        Kind(policy: "no", eventLoop: "epoll"),
    ]

    private static func arguments(_ kind: Kind) -> [String] {
        [
            "--appendonly", "yes", "--appendfsync", kind.policy, "--event-loop", kind.eventLoop,
            "--aof-timestamp-enabled", kind.timestamps, "--auto-aof-rewrite-min-size", "100kb",
            "--auto-aof-rewrite-percentage", "50",
        ]
    }

    /// Lets clients work for a while, with saves and rewrites between.
    private static func work(
        _ server: DiskServer, _ clients: [JournalClient], _ random: inout SeededRandom,
        milliseconds: Int
    ) throws {
        for client in clients { try client.connect(server) }
        let admin = try server.connect()
        let end = Clock.monotonicNanoseconds() + Int64(milliseconds) * 1_000_000
        while Clock.monotonicNanoseconds() < end {
            for client in clients { try client.advance() }
            switch Int.random(in: 0..<4000, using: &random) {
            case 0...2: try admin.write(RESPClient.request("BGREWRITEAOF"))
            case 3...4: try admin.write(RESPClient.request("BGSAVE"))
            default: break
            }
            _ = try admin.replyIfAny()
        }
        try server.crash(settles: false)
        for client in clients { client.disconnect() }
    }

    @Test(arguments: kinds.indices) func `nothing acknowledged is lost, nothing is half done`(
        i: Int
    ) throws {
        let kind = Self.kinds[i]
        if kind.losesPower, FaultyDisk.library == nil { return }
        let directory = try TemporaryDirectory()
        let disk = try FaultyDisk()
        let environment = kind.losesPower ? disk.environment : []
        var random = SeededRandom(
            seed: UInt64(Programs.environment("CRASH_SEED") ?? "") ?? UInt64(i))
        let clients = (0..<Self.clientCount).map {
            JournalClient("c\($0):", seed: random.next())
        }
        var total = 0
        var due = Int64.max
        for round in 0..<Self.rounds {
            let server = try DiskServer(
                DiskServer.martlet, in: directory.path, Self.arguments(kind),
                environment: environment)
            for client in clients {
                let wrong = try client.check(
                    server.client, acknowledgedBefore: kind.policy == "always" ? .max : due)
                #expect(wrong == nil, "round \(round) of \(kind.testDescription)")
                guard wrong == nil else { return }
            }
            // Longer than what may be lost, or nothing would have to be there.
            let longest = kind.policy == "always" ? 300 : 2000
            let milliseconds = Int.random(in: 5...longest, using: &random)
            try Self.work(server, clients, &random, milliseconds: milliseconds)
            let last = clients.compactMap(\.lastAcknowledged).max() ?? .max
            due = last - 1_000_000_000
            total += clients.reduce(0) { $0 + $1.acknowledgedCount }
            if kind.losesPower { try disk.losePower(directory.path + "/appendonlydir") }
        }
        let server = try DiskServer(
            DiskServer.martlet, in: directory.path, Self.arguments(kind), environment: environment)
        for client in clients {
            #expect(
                try client.check(
                    server.client, acknowledgedBefore: kind.policy == "always" ? .max : due)
                    == nil)
        }
        #expect(total > Self.rounds, "hardly anything was done")
    }

    @Test func `with everysec a loss of power takes the last second at most`() throws {
        guard FaultyDisk.library != nil else { return }
        let kind = Kind(policy: "everysec", eventLoop: "auto", losesPower: true)
        let directory = try TemporaryDirectory()
        let disk = try FaultyDisk()
        var random = SeededRandom(seed: 99)
        let clients = (0..<Self.clientCount).map {
            JournalClient("c\($0):", seed: random.next())
        }
        var killed: Int64 = 0
        for round in 0..<3 {
            let server = try DiskServer(
                DiskServer.martlet, in: directory.path, Self.arguments(kind),
                environment: disk.environment)
            for client in clients {
                // A second until it is due, and some time until it is done.
                let wrong = try client.check(
                    server.client, acknowledgedBefore: killed - 1_500_000_000)
                #expect(wrong == nil, "round \(round)")
            }
            if round == 2 { break }
            try Self.work(server, clients, &random, milliseconds: 2500)
            killed = Clock.monotonicNanoseconds()
            try disk.losePower(directory.path + "/appendonlydir")
        }
    }
}
