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

    /// One line of CLIENT LIST, without its end.
    func clientInfo(_ slot: Int) -> String {
        var line = ByteBuffer()
        appendClientInfo(slot, to: &line)
        return line.span.text
    }

    /// The same for ten thousand clients: straight into `line`.
    func appendClientInfo(_ slot: Int, to line: inout ByteBuffer) {
        let isCaller = slot == session.slot
        let own = isCaller ? session : clients[slot].session
        line.append("id=")
        line.append(decimal: Int(own.id))
        line.append(" addr=")
        line.append(copying: clients[slot].address)
        line.append(" laddr=")
        line.append(copying: clients[slot].localAddress)
        line.append(" fd=")
        line.append(decimal: Int(clients[slot].descriptor))
        line.append(" name=")
        line.append(clients[slot].name.span)
        line.append(" age=")
        line.append(decimal: Int(max(now - clients[slot].connectedAt, 0) / 1000))
        line.append(" idle=")
        line.append(decimal: isCaller ? 0 : Int(max(now - clients[slot].lastActiveAt, 0) / 1000))
        line.append(" flags=")
        appendFlags(slot, own, to: &line)
        line.append(" db=")
        line.append(decimal: own.database)
        line.append(" sub=")
        line.append(decimal: clients[slot].subscriptions[.channel].count)
        line.append(" psub=")
        line.append(decimal: clients[slot].subscriptions[.pattern].count)
        line.append(" ssub=")
        line.append(decimal: clients[slot].subscriptions[.shardChannel].count)
        line.append(" multi=")
        line.append(decimal: clients[slot].transaction?.queue.count ?? -1)
        line.append(" watch=")
        line.append(decimal: clients[slot].watched.count)
        line.append(" qbuf=")
        line.append(decimal: clients[slot].inputBytes)
        line.append(" qbuf-free=")
        line.append(decimal: clients[slot].inputFreeBytes)
        appendBuffers(slot, to: &line)
        appendOrigin(slot, own, isCaller: isCaller, to: &line)
    }

    private func appendFlags(_ slot: Int, _ own: Session, to line: inout ByteBuffer) {
        let start = line.count
        if monitors.contains(slot) { line.append("O") }
        if clients[slot].isListener { line.append("P") }
        if clients[slot].transaction != nil { line.append("x") }
        if clients[slot].wait != nil || clients[slot].isHeld { line.append("b") }
        if let tracking = clients[slot].tracking {
            line.append("t")
            if tracking.isBroken { line.append("R") }
            if tracking.isBroadcasting { line.append("B") }
        }
        if clients[slot].hasSeenChange { line.append("d") }
        if clients[slot].isDoomed { line.append("A") }
        if own.isUnixSocket { line.append("U") }
        if clients[slot].noEvict { line.append("e") }
        if own.noTouch { line.append("T") }
        if line.count == start { line.append("N") }
    }

    /// What is held for the client.
    private func appendBuffers(_ slot: Int, to line: inout ByteBuffer) {
        let isHolding = clients[slot].outputBytes > 0
        line.append(" argv-mem=0 multi-mem=")
        line.append(decimal: clients[slot].queueBytes)
        line.append(" rbs=0 rbp=0 obl=0 oll=")
        line.append(isHolding ? "1" : "0")
        line.append(" omem=")
        line.append(decimal: clients[slot].outputBytes)
        line.append(" tot-mem=")
        line.append(decimal: clients[slot].memoryBytes)
        line.append(isHolding ? " events=rw" : " events=r")
    }

    /// Id of the client that gets the invalidations of this one; 0 is itself, -1 there are none.
    func redirection(of slot: Int) -> Int {
        guard let tracking = clients[slot].tracking else { return -1 }
        return Int(tracking.redirection?.id ?? 0)
    }

    /// What the client speaks, and how much it has said.
    private func appendOrigin(
        _ slot: Int, _ own: Session, isCaller: Bool, to line: inout ByteBuffer
    ) {
        let last = isCaller ? command : Int(clients[slot].lastCommand)
        line.append(" cmd=")
        if last >= 0 { line.append(copying: commands.fullName(last)) } else { line.append("NULL") }
        line.append(" user=default redir=")
        line.append(decimal: redirection(of: slot))
        line.append(" resp=")
        line.append(decimal: Int(own.version.rawValue))
        line.append(" lib-name=")
        line.append(clients[slot].libraryName.span)
        line.append(" lib-ver=")
        line.append(clients[slot].libraryVersion.span)
        line.append(" io-thread=0 tot-net-in=")
        line.append(decimal: Int(clients[slot].bytesIn))
        line.append(" tot-net-out=")
        line.append(decimal: Int(clients[slot].bytesOut))
        line.append(" tot-cmds=")
        line.append(decimal: Int(clients[slot].commandCount))
    }
}
