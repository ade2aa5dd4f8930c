//  Call+Introspection.swift — what a server can tell about itself.
import Platform

/// How fast a counter grows: the mean of the last sixteen samples.
struct Rate {
    private var samples = [Int](repeating: 0, count: 16)
    private var next = 0
    private var lastValue = 0
    private var lastTime: Int64 = 0

    /// Takes the counter's value at a time in Unix milliseconds.
    mutating func sample(_ value: Int, at now: Int64) {
        let elapsed = now - lastTime
        if lastTime > 0, elapsed > 0 {
            samples[next] = Int(Double(value - lastValue) * 1000 / Double(elapsed))
            next = (next + 1) % samples.count
        }
        lastTime = now
        lastValue = value
    }

    var perSecond: Int { samples.reduce(0, +) / samples.count }
}

/// The rates that INFO shows.
struct Rates {
    var commands = Rate()
    var bytesIn = Rate()
    var bytesOut = Rate()
    var turns = Rate()
    /// Microseconds in turns.
    var turnTime = Rate()
}

extension Call {
    /// Takes the samples behind the rates of INFO.
    mutating func sampleRates() {
        rates.commands.sample(statistics.commands, at: now)
        rates.bytesIn.sample(statistics.bytesIn, at: now)
        rates.bytesOut.sample(statistics.bytesOut, at: now)
        rates.turns.sample(statistics.turns, at: now)
        rates.turnTime.sample(turnMicroseconds, at: now)
    }

    /// Time in turns of the loop since the start.
    var turnMicroseconds: Int { Int(Double(statistics.turnTicks) / ticksPerMicrosecond) }

    /// Remembers the most memory ever used.
    mutating func samplePeakMemory() {
        let used = usedMemory
        if used > peakMemory {
            peakMemory = used
            peakMemoryTime = now
        }
    }

    // MARK: - Memory

    /// Bytes of everything that grows with data and clients.
    var usedMemory: Int { startupMemory + keyspace.usedBytes + clientMemory }

    /// Bytes of records: keys, values, deadlines.
    var datasetMemory: Int {
        var total = 0
        for i in 0..<keyspace.count { total += keyspace.databases[i].heap.usedBytes }
        return total
    }

    /// Bytes of the buffers of all clients.
    var clientMemory: Int { clients.memoryBytes }

    /// How memory is laid out, for people.
    func memoryMap() -> String {
        var lines: [String] = []
        for i in 0..<keyspace.count where keyspace.databases[i].count > 0 {
            let heap = keyspace.databases[i].heap.usedBytes
            let slabs = keyspace.databases[i].heap.slabBytesInUse
            lines.append(
                "db\(i): keys=\(keyspace.databases[i].count) "
                    + "buckets=\(keyspace.databases[i].bucketCount) "
                    + "resizing=\(keyspace.databases[i].isResizing ? 1 : 0) "
                    + "table=\(keyspace.databases[i].usedBytes - heap) records=\(heap) "
                    + "slabs=\(slabs) large=\(keyspace.databases[i].heap.largeCount)")
        }
        lines.append("clients: count=\(clients.count) buffers=\(clientMemory)")
        lines.append("process: resident=\(SystemInformation.residentBytes)")
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: - Clients

    /// The caller's session lives in the call while its batch runs; its entry catches up.
    mutating func refreshSessionOfCaller() {
        clients[session.slot].session = session
        clients[session.slot].lastCommand = Int32(truncatingIfNeeded: command)
    }

    /// One line of CLIENT LIST.
    func clientInfo(_ slot: Int) -> String {
        let isCaller = slot == session.slot
        let own = isCaller ? session : clients[slot].session
        let last = isCaller ? command : Int(clients[slot].lastCommand)
        var flags = ""
        if clients[slot].wait != nil || clients[slot].isHeld { flags += "b" }
        if clients[slot].isDoomed { flags += "A" }
        if own.isUnixSocket { flags += "U" }
        if clients[slot].noEvict { flags += "e" }
        if own.noTouch { flags += "T" }
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        let fields: [(String, String)] = [
            ("id", "\(own.id)"),
            ("addr", clients[slot].address),
            ("laddr", clients[slot].localAddress),
            ("fd", "\(clients[slot].descriptor)"),
            ("name", text(clients[slot].name)),
            ("age", "\(max(now - clients[slot].connectedAt, 0) / 1000)"),
            ("idle", "\(isCaller ? 0 : max(now - clients[slot].lastActiveAt, 0) / 1000)"),
            ("flags", flags.isEmpty ? "N" : flags),
            ("db", "\(own.database)"),
            ("sub", "0"), ("psub", "0"), ("ssub", "0"), ("multi", "-1"), ("watch", "0"),
            ("qbuf", "\(clients[slot].inputBytes)"),
            ("qbuf-free", "\(clients[slot].inputFreeBytes)"),
            ("argv-mem", "0"), ("multi-mem", "0"), ("rbs", "0"), ("rbp", "0"), ("obl", "0"),
            ("oll", clients[slot].outputBytes > 0 ? "1" : "0"),
            ("omem", "\(clients[slot].outputBytes)"),
            ("tot-mem", "\(clients[slot].memoryBytes)"),
            ("events", clients[slot].outputBytes > 0 ? "rw" : "r"),
            ("cmd", last >= 0 ? commands.fullName(last) : "NULL"),
            ("user", "default"),
            ("redir", "-1"),
            ("resp", "\(own.version.rawValue)"),
            ("lib-name", text(clients[slot].libraryName)),
            ("lib-ver", text(clients[slot].libraryVersion)),
            ("io-thread", "0"),
            ("tot-net-in", "\(clients[slot].bytesIn)"),
            ("tot-net-out", "\(clients[slot].bytesOut)"),
            ("tot-cmds", "\(clients[slot].commandCount)"),
        ]
        return fields.map { "\($0)=\($1)" }.joined(separator: " ")
    }
}
