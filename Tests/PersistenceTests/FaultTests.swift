//  FaultTests.swift — a disk that fails: who is told, what is kept, and that all goes on by itself.
import Platform
import TestSupport
import Testing

@Suite("Faults", .enabled(if: DiskServer.hasAll && FaultyDisk.library != nil), .serialized)
struct FaultTests {
    private static let noSpace = "28", brokenDisk = "5"
    private static let on = ["--appendonly", "yes"]

    /// A server on a disk of its own.
    private final class Patient {
        let directory: TemporaryDirectory
        let disk: FaultyDisk
        private let arguments: [String]
        private(set) var server: DiskServer

        init(_ arguments: [String], _ binary: String? = DiskServer.martlet) throws {
            directory = try TemporaryDirectory()
            disk = try FaultyDisk()
            self.arguments = arguments
            server = try DiskServer(
                binary, in: directory.path, arguments, environment: disk.environment)
        }

        func restart(settles: Bool = true) throws {
            try server.crash(settles: settles)
            try disk.set()
            server = try DiskServer(
                DiskServer.martlet, in: directory.path, arguments, environment: disk.environment)
        }

        /// Puts something of every size and of most types in.
        func fill(seed: UInt64) throws {
            var source = DataSource(seed: seed)
            let requests = (0..<30).flatMap { i in
                source.value("key:\(i)", i % 5, [1, 20, 200][i % 3])
            }
            try DataSource.send(requests, server.client)
        }

        func send(_ words: String...) throws -> RESPValue { try server.client.send(words) }

        /// Waits until writes are refused.
        func waitForRefusal() throws -> String {
            var text = ""
            try waitUntil("writes are refused", seconds: 30) {
                text = try server.client("SET", "probe", "1").text ?? ""
                return text.hasPrefix("MISCONF")
            }
            return text
        }

        /// Waits until writes work again.
        func waitForRecovery() throws {
            try waitUntil("writes work again", seconds: 30) {
                try server.client("SET", "probe", "1") == .simple("OK")
            }
        }
    }

    // MARK: - Writing

    @Test(arguments: ["write 28", "part 28", "write 5", "sync 5", "sync 28"])
    func `writes are refused with Redis's words, reads go on, and all is well afterwards`(
        fault: String
    ) throws {
        let texts = try [DiskServer.martlet, DiskServer.redis8].map { binary in
            let patient = try Patient(Self.on, binary)
            for i in 0..<20 { _ = try patient.send("SET", "before\(i)", "1") }
            try patient.disk.set("\(fault) .incr.aof")
            let refusal = try patient.waitForRefusal()
            var seen = [refusal]
            for words in [
                ["SET", "a", "1"], ["DEL", "before1"], ["PING"], ["GET", "before0"], ["DBSIZE"],
                ["MULTI"], ["SET", "a", "1"], ["EXEC"], ["PUBLISH", "a", "b"], ["FLUSHALL"],
                ["CONFIG", "GET", "appendonly"], ["TTL", "before0"], ["ECHO", "a"],
            ] {
                let reply = try patient.server.client.send(words)
                // The number of keys depends on how many were let through before.
                seen.append("\(words) \(words[0] == "DBSIZE" ? "" : reply.description)")
            }
            #expect(try patient.server.info("aof_last_write_status") == "err")
            // A failed wait for the disk is not tried again there as long as nothing is written.
            if binary == DiskServer.redis8 { return seen }
            try patient.disk.set()
            try patient.waitForRecovery()
            #expect(try patient.server.info("aof_last_write_status") == "ok")
            return seen
        }
        #expect(texts[0] == texts[1])
        #expect(texts[0][0].hasPrefix("MISCONF Errors writing to the AOF file: "))
    }

    @Test(arguments: ["write 28", "part 28", "write 5", "sync 5", "part 5"], ["everysec", "no"])
    func `what was acknowledged is there after a failure, and after a crash in its middle`(
        fault: String, policy: String
    ) throws {
        if policy == "no", fault.hasPrefix("sync") { return }
        let patient = try Patient(
            Self.on + ["--appendfsync", policy, "--auto-aof-rewrite-percentage", "0"])
        var sums: [Int] = []
        for round in 0..<3 {
            for _ in 0..<50 { _ = try patient.send("INCR", "n") }
            try patient.disk.set("\(fault) .incr.aof")
            _ = try patient.waitForRefusal()
            #expect(try patient.send("INCR", "n").isError)
            try patient.disk.set()
            try patient.waitForRecovery()
            _ = try patient.send("RPUSH", "rounds", "\(round)")
            // While the disk is busy the last of it is in the process only.
            #expect(try patient.send("WAITAOF", "1", "0", "0").item(0) == .integer(1))
            sums.append(Int(try patient.send("GET", "n").text ?? "") ?? 0)
            try patient.restart()
            #expect(try patient.send("GET", "n") == .bulk("\(sums[round])"))
            #expect(try patient.send("LLEN", "rounds") == .integer(round + 1))
        }
        #expect(sums == [50, 100, 150])
        // Nothing is left of a command that was written in part.
        try patient.disk.set("part 28 .incr.aof")
        _ = try patient.waitForRefusal()
        try patient.restart()
        #expect(try patient.send("GET", "n") == .bulk("150"))
        try patient.waitForRecovery()
    }

    @Test(arguments: ["write 28", "part 28", "sync 5", "write 5"], ["auto", "epoll"])
    func `under always nobody hears of a write that is not on the disk`(
        fault: String, loop: String
    ) throws {
        let patient = try Patient(
            Self.on + ["--appendfsync", "always", "--event-loop", loop])
        for _ in 0..<20 { _ = try patient.send("INCR", "n") }
        try patient.disk.set("\(fault) .incr.aof")
        let writer = try patient.server.connect()
        try writer.write(RESPClient.request("INCR", "n") + RESPClient.request("GET", "n"))
        try patient.server.waitFor("aof_last_write_status", "err")
        #expect(try patient.waitForRefusal().hasPrefix("MISCONF Errors writing to the AOF file: "))
        #expect(try writer.replyIfAny() == nil)
        #expect(try patient.send("GET", "n") == .bulk("21"))
        try patient.disk.set()
        let replies = try writer.replies(2)
        #expect(replies == [RESPValue.integer(21), RESPValue.bulk("21")])
        try patient.waitForRecovery()
        #expect(try patient.send("INCR", "n") == .integer(22))
        try patient.restart()
        #expect(try patient.send("GET", "n") == .bulk("22"))
        // And somebody who gives up meanwhile.
        try patient.disk.set("\(fault) .incr.aof")
        let leaver = try patient.server.connect()
        try leaver.write(RESPClient.request("INCR", "n"))
        try patient.server.waitFor("aof_last_write_status", "err")
        _ = try patient.waitForRefusal()
        leaver.close()
        try patient.disk.set()
        try patient.waitForRecovery()
        #expect(try patient.send("GET", "n") == .bulk("23"))
    }

    @Test(arguments: ["auto", "epoll"]) func `a slow disk holds up those who write and nobody else`(
        loop: String
    ) throws {
        let patient = try Patient(Self.on + ["--appendfsync", "always", "--event-loop", loop])
        _ = try patient.send("SET", "a", "1")
        try patient.disk.set("slow 1500 .incr.aof")
        let writers = try (0..<5).map { _ in try patient.server.connect() }
        let start = Clock.monotonicNanoseconds()
        for writer in writers { try writer.write(RESPClient.request("INCR", "n")) }
        var reads = 0
        while try writers[0].replyIfAny() == nil {
            #expect(try patient.send("GET", "a") == .bulk("1"))
            reads += 1
        }
        #expect(Clock.monotonicNanoseconds() - start >= 1_400_000_000)
        #expect(reads > 20, "readers had to wait")
        for writer in writers.dropFirst() { _ = try writer.replies(1) }
        // One wait for the first, and one for all that came meanwhile.
        #expect(Clock.monotonicNanoseconds() - start < 6_000_000_000)
    }

    @Test func `with everysec a slow disk is waited for half a second and no longer`() throws {
        let patient = try Patient(Self.on)
        _ = try patient.send("SET", "a", "1")
        try patient.disk.set("slow 3500 .incr.aof")
        try waitUntil("a write could not wait", seconds: 30) {
            _ = try patient.send("INCR", "n")
            return try patient.server.info("aof_delayed_fsync") != "0"
        }
        let n = try patient.send("INCR", "n").integer ?? 0
        try patient.disk.set()
        // Those two are there before the disk is: the system has them.
        try waitUntil("the file has it", seconds: 30) {
            try patient.server.info("aof_buffer_length") == "0"
        }
        try patient.restart()
        #expect(try patient.send("GET", "n") == .bulk("\(n)"))
    }

    @Test(arguments: ["everysec", "no"])
    func `who is killed beside a slow disk loses a second at most`(
        policy: String
    ) throws {
        let patient = try Patient(Self.on + ["--appendfsync", policy])
        for milliseconds in [300, 1200, 2500] {
            _ = try patient.send("SET", "n", "0")
            try patient.disk.set("slow 3500 .incr.aof")
            // The helper thread is to be at work: with `no` it closes an increment.
            if policy == "no" { _ = try patient.send("BGREWRITEAOF") }
            var acknowledged: [Int64] = []
            let end = Clock.monotonicNanoseconds() + Int64(milliseconds) * 1_000_000
            while Clock.monotonicNanoseconds() < end || acknowledged.count < 2 {
                _ = try patient.send("INCR", "n")
                acknowledged.append(Clock.monotonicNanoseconds())
            }
            try patient.restart(settles: false)
            let left = Int(try patient.send("GET", "n").text ?? "") ?? 0
            let due = acknowledged.count {
                $0 < acknowledged[acknowledged.count - 1] - 1_000_000_000
            }
            #expect(left >= due, "killed after \(milliseconds) ms, of \(acknowledged.count)")
        }
    }

    @Test(arguments: ["yes", "no"]) func `no-appendfsync-on-rewrite lets the disk alone meanwhile`(
        rests: String
    ) throws {
        let patient = try Patient(Self.on + ["--no-appendfsync-on-rewrite", rests])
        _ = try patient.send("SET", "a", "1")
        // The base takes its time, and whoever waits for the increment hears of it.
        try patient.disk.set("slow 2500 .base.", "sync 5 .2.incr")
        _ = try patient.send("BGREWRITEAOF")
        try patient.server.waitFor("aof_rewrite_in_progress", "1")
        var hasFailed = false
        while !hasFailed, try patient.server.info("aof_rewrite_in_progress") == "1" {
            hasFailed = try patient.send("SET", "a", "2").isError
        }
        #expect(hasFailed == (rests == "no"))
        try waitUntil("the disk is waited for afterwards", seconds: 30) {
            try patient.send("SET", "a", "3").isError
        }
        try patient.disk.set()
        try patient.waitForRecovery()
    }

    // MARK: - Rewriting

    @Test(arguments: [
        "open 28 .base.", "write 28 .base.", "part 28 .base.", "sync 5 .base.", "rename 5 .base.",
        "open 13 .2.incr", "open 28 manifest", "write 28 manifest", "sync 5 manifest",
        "rename 5 manifest", "open 5 temp-",
    ])
    func `a rewrite that fails changes nothing, and the next one works`(fault: String) throws {
        let patient = try Patient(Self.on + ["--auto-aof-rewrite-percentage", "0"])
        try patient.fill(seed: 8)
        try patient.disk.set(fault)
        _ = try patient.send("BGREWRITEAOF")
        try patient.server.waitFor("aof_last_bgrewrite_status", "err")
        try patient.server.waitFor("aof_rewrite_in_progress", "0")
        #expect(try patient.send("SET", "during", "1") == .simple("OK"))
        var before = try Everything(patient.server)
        try patient.restart()
        let differences = try before.differences(Everything(patient.server))
        #expect(differences == [], "after a failed rewrite and a crash")
        try patient.disk.set(fault)
        _ = try patient.send("BGREWRITEAOF")
        try patient.server.waitFor("aof_last_bgrewrite_status", "err")
        try patient.disk.set()
        _ = try patient.send("SET", "after", "1")
        _ = try patient.send("BGREWRITEAOF")
        try patient.server.waitFor("aof_last_bgrewrite_status", "ok")
        try patient.server.waitForRewrite()
        _ = try patient.send("SET", "last", "1")
        before = try Everything(patient.server)
        try patient.restart()
        let later = try before.differences(Everything(patient.server))
        #expect(later == [], "after a rewrite that worked")
        let copy = try AppendFolder.copy(patient.directory.path)
        let reader = try DiskServer(DiskServer.redis8, in: copy.path, Self.on)
        let theirs = try before.differences(Everything(reader))
        #expect(theirs == [])
        let names = AppendFolder.names(patient.directory.path)
        #expect(names.count { $0.contains(".base.") && !$0.hasPrefix("temp-") } == 1, "\(names)")
        #expect(names.count { $0.contains(".incr.") } == 1, "\(names)")
    }

    @Test(arguments: ["open 28 .base.", "open 28 .incr.", "rename 28 manifest", "write 28 .base."])
    func `switching it on may fail`(fault: String) throws {
        let patient = try Patient([])
        try patient.fill(seed: 9)
        try patient.disk.set(fault)
        let reply = try patient.send("CONFIG", "SET", "appendonly", "yes")
        #expect(try patient.send("SET", "a", "1") == .simple("OK"))
        #expect(try patient.send("PING") == .simple("PONG"))
        if reply == .simple("OK") {
            try patient.server.waitFor("aof_last_bgrewrite_status", "err")
        } else {
            #expect(
                reply.text == "ERR CONFIG SET failed (possibly related to argument 'appendonly') - "
                    + "Unable to turn on AOF. Check server logs.")
        }
        #expect(try patient.send("SET", "b", "1") == .simple("OK"))
        try patient.disk.set()
        #expect(try patient.send("CONFIG", "SET", "appendonly", "no") == .simple("OK"))
        #expect(try patient.send("CONFIG", "SET", "appendonly", "yes") == .simple("OK"))
        try patient.server.waitFor("aof_last_bgrewrite_status", "ok")
        try waitUntil("there is a file", seconds: 60) {
            AppendFolder.text("\(patient.directory.path)/appendonlydir/\(AppendFolder.manifest)")
                .contains("type i")
        }
        _ = try patient.send("SET", "c", "1")
        let before = try Everything(patient.server)
        try patient.server.crash()
        let again = try DiskServer(DiskServer.martlet, in: patient.directory.path, Self.on)
        let differences = try before.differences(Everything(again))
        #expect(differences == [])
    }

    @Test func `a server does not start when its file cannot be written`() throws {
        for fault in ["open 13 .incr.", "open 13 .base.", "rename 5 manifest", "write 28 .base."] {
            let directory = try TemporaryDirectory()
            let disk = try FaultyDisk()
            try disk.set(fault)
            let process = try DiskServer.start(
                DiskServer.martlet, freePort(), directory.path, Self.on, disk.environment)
            #expect(try process.wait() == 1, "\(fault)")
            #expect(process.output.contains("append-only file"), "\(process.output.suffix(300))")
        }
    }

    @Test func `a tail that cannot be cut off ends the start`() throws {
        let folder = try AppendFolder.holding(
            Array(RESPClient.request("SET", "a", "1").dropLast(2)))
        let disk = try FaultyDisk()
        try disk.set("sync 5 .incr.")
        let process = try DiskServer.start(
            DiskServer.martlet, freePort(), folder.path, Self.on, disk.environment)
        #expect(try process.wait() == 1)
        #expect(process.output.contains("cannot be cut off"))
    }

    // MARK: - Ending

    @Test func `a server that ends puts everything on the disk, or stays`() throws {
        for policy in ["always", "everysec", "no"] {
            let patient = try Patient(Self.on + ["--appendfsync", policy])
            for _ in 0..<100 { _ = try patient.send("INCR", "n") }
            #expect(try patient.server.end() == 0)
            try patient.disk.losePower(patient.directory.path + "/appendonlydir")
            try patient.restart()
            #expect(try patient.send("GET", "n") == .bulk("100"), "\(policy)")
            try patient.disk.set("sync 5 .incr.")
            let client = try patient.server.connect()
            try client.write(RESPClient.request("INCR", "n"))
            try waitUntil("the increment is done") {
                try patient.send("GET", "n") == .bulk("101")
            }
            patient.server.process.terminate()
            try waitUntil("the server has refused to end") {
                patient.server.process.output.contains("Errors trying to shut down")
            }
            #expect(try patient.send("GET", "n") == .bulk("101"))
            try patient.disk.set()
            #expect(try patient.server.end() == 0)
            try patient.restart()
            #expect(try patient.send("GET", "n") == .bulk("101"), "\(policy)")
        }
    }

    // MARK: - Snapshots

    @Test(arguments: ["open 28 temp-", "write 28 temp-", "sync 5 temp-", "rename 5 dump.rdb"])
    func `a save that fails shuts the gate, and the next one opens it`(fault: String) throws {
        let patient = try Patient(["--save", "1000", "100000"])
        for i in 0..<50 { _ = try patient.send("SET", "k\(i)", "1") }
        try patient.disk.set(fault)
        _ = try patient.send("BGSAVE")
        let refusal = try patient.waitForRefusal()
        #expect(refusal.hasPrefix("MISCONF Redis is configured to save RDB snapshots, but"))
        #expect(try patient.send("GET", "k1") == .bulk("1"))
        #expect(try patient.send("SAVE").isError)
        #expect(try patient.server.info("rdb_last_bgsave_status") == "err")
        try patient.disk.set()
        #expect(try patient.send("SAVE") == .simple("OK"))
        try patient.waitForRecovery()
        #expect(try patient.send("SAVE") == .simple("OK"))
        let before = try Everything(patient.server)
        try patient.restart()
        let differences = try before.differences(Everything(patient.server))
        #expect(differences == [])
    }

    // MARK: - A disk that is full in earnest

    @Test func `a full disk is told, and the server goes on when there is room`() throws {
        let directory = try TemporaryDirectory()
        let mount = Programs.find("mount"), unmount = Programs.find("umount")
        guard let mount, let unmount,
            try run(mount, ["-t", "tmpfs", "-o", "size=2m", "tmpfs", directory.path]).code == 0
        else { return }
        defer { _ = try? run(unmount, ["-l", directory.path]) }
        let server = try DiskServer(DiskServer.martlet, in: directory.path, Self.on)
        // Something that can be taken away again.
        try FileSystem.append(
            [UInt8](repeating: 1, count: 600_000), to: directory.path + "/ballast")
        let value = String(repeating: "v", count: 10_000)
        var count = 0
        var text = ""
        try waitUntil("the disk is full", seconds: 60) {
            let reply = try server.client("RPUSH", "list", value)
            if reply.isError { text = reply.text ?? "" } else { count += 1 }
            return reply.isError
        }
        #expect(text == "MISCONF Errors writing to the AOF file: No space left on device")
        #expect(try server.client("LLEN", "list") == .integer(count))
        _ = try server.client("BGREWRITEAOF")
        FileSystem.remove(directory.path + "/ballast")
        try waitUntil("there is room", seconds: 60) {
            let reply = try server.client("RPUSH", "list", value)
            if !reply.isError { count += 1 }
            return !reply.isError
        }
        try server.crash()
        let again = try DiskServer(DiskServer.martlet, in: directory.path, Self.on)
        #expect(try again.client("LLEN", "list") == .integer(count))
        try again.crash()
    }
}
