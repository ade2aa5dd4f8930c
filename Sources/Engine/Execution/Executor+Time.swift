//  Executor+Time.swift — the clock of the turn, keys whose time has come, tables that change size.
import CPlatform
import Platform

extension Executor {
    /// How long expiry or resizing may hold the loop at a time, in microseconds.
    private static var sliceMicroseconds: Double { 400 }
    /// How long clients may be served in a turn before each gets one batch, in microseconds.
    private static var turnMicroseconds: Double { 1000 }
    /// How much longer those whose input waits since an earlier turn.
    private static var resumeMicroseconds: Double { 500 }
    /// Deadlines looked at between two looks at the clock.
    private static var entriesPerCheck: Int { 32 }

    /// Unix time in milliseconds now, which is that of the turn while the turn is young.
    func currentTime() -> Int64 {
        let elapsed = Double(cp_ticks() &- ticksOfTurn)
        return elapsed < 500 * call.ticksPerMicrosecond ? call.now : Clock.unixMilliseconds()
    }

    /// Takes the time stamp of the turn.
    mutating func tick() {
        let now = Clock.unixMilliseconds()
        ticksOfTurn = cp_ticks()
        sliceEnd = ticksOfTurn &+ UInt64(Self.turnMicroseconds * call.ticksPerMicrosecond)
        if now < call.now - 1000 {
            for i in 0..<call.keyspace.count {
                call.keyspace.databases[i].clockWentBack(to: now)
            }
        }
        call.setTime(now)
        call.statistics.turns &+= 1
    }

    /// Gives those who waited some time of their own.
    mutating func beginResuming() {
        sliceEnd = cp_ticks() &+ UInt64(Self.resumeMicroseconds * call.ticksPerMicrosecond)
    }

    /// Whether clients have had the time that they get in a turn.
    var isLate: Bool { cp_ticks() >= sliceEnd }

    /// Notes how long the turn took.
    mutating func endTurn() {
        call.statistics.turnTicks &+= cp_ticks() &- ticksOfTurn
    }

    /// When deadlines next want attention, in Unix milliseconds; `Int64.max` when there are none.
    private mutating func earliestDeadline() -> Int64 {
        var wake = Int64.max
        for i in 0..<call.keyspace.usedCount {
            if call.keyspace.databases[i].hasDoomed { return 0 }
            guard call.isActiveExpiryOn, call.pause == nil else { continue }
            guard let time = call.keyspace.databases[i].wakeTime() else { continue }
            wake = min(wake, time)
        }
        if let time = call.blocking.wakeTime() { wake = min(wake, time) }
        if let pause = call.pause { wake = min(wake, pause.end) }
        return wake
    }

    /// Frees objects whose keys are gone, for as long as a slice lasts.
    private mutating func freeDoomed(until end: UInt64) {
        for i in 0..<call.keyspace.usedCount where call.keyspace.databases[i].hasDoomed {
            while call.keyspace.databases[i].freeDoomed() {
                if cp_ticks() >= end { return }
            }
        }
    }

    /// Deletes keys whose time has come, for as long as a slice lasts.
    ///
    /// Leaves in `wakeTime` when deadlines next want attention.
    mutating func expireDue() {
        wakeTime = earliestDeadline()
        guard wakeTime <= call.now else { return }
        if let pause = call.pause, pause.end <= call.now { call.endPause() }
        defer { wakeTime = earliestDeadline() }
        endDueWaits()
        let start = cp_ticks()
        let end = start &+ UInt64(Self.sliceMicroseconds * call.ticksPerMicrosecond)
        freeDoomed(until: end)
        let isExpiryOn = call.isActiveExpiryOn && call.pause == nil
        var isOut = !isExpiryOn
        call.isHousekeeping = true
        defer { call.isHousekeeping = false }
        for i in 0..<call.keyspace.usedCount where !isOut {
            isOut = expireDue(in: i, until: end)
        }
        if isOut, isExpiryOn { call.statistics.expirySlices &+= 1 }
        let microseconds = Int(Double(cp_ticks() &- start) / call.ticksPerMicrosecond)
        call.statistics.expiryMicroseconds &+= microseconds
        call.noteLatency(.expiry, milliseconds: microseconds / 1000)
        if !call.interest.isEmpty {
            call.deliverChanges()
            serveWaiters()
        }
    }

    /// Deletes due keys of one database; true when time ran out.
    private mutating func expireDue(in index: Int, until end: UInt64) -> Bool {
        while true {
            var entries = Self.entriesPerCheck
            while let place = call.keyspace.databases[index].nextExpired(call.now, &entries) {
                let hash = call.keyspace.seed.hash(place.record.key)
                if place.record.hasDeadline, place.record.deadline <= call.now {
                    call.removeExpired(place, hash: hash, database: index)
                } else {
                    // Many fields of one hash may be due.
                    while call.expireElements(place, hash: hash, database: index) {
                        if cp_ticks() < end { continue }
                        call.keyspace.databases[index].scheduleElement(of: hash, at: call.now)
                        return true
                    }
                }
            }
            if entries > 0 { return false }
            if cp_ticks() >= end { return true }
        }
    }

    /// Goes on evicting what a command's slice of time was too short for.
    mutating func evictDue() {
        guard call.configuration.maxMemory > 0, call.pause == nil else { return }
        let start = cp_ticks()
        let evicted = call.statistics.evictedKeys
        guard call.makeRoom(), call.statistics.evictedKeys > evicted else { return }
        let microseconds = Double(cp_ticks() &- start) / call.ticksPerMicrosecond
        call.noteLatency(.eviction, milliseconds: Int(microseconds / 1000))
        // Still above it: the next turn goes on at once.
        if call.memoryForLimit > call.configuration.maxMemory { wakeTime = 0 }
        if !call.interest.isEmpty {
            call.deliverChanges()
            serveWaiters()
        }
    }

    /// Lets tables that change size go on while nobody asks for keys.
    mutating func resizeTables() {
        guard call.configuration.activeRehashing else { return }
        let end = cp_ticks() &+ UInt64(Self.sliceMicroseconds * call.ticksPerMicrosecond)
        for i in 0..<call.keyspace.count {
            while call.keyspace.databases[i].advanceResize(128) {
                if cp_ticks() >= end { return }
            }
        }
    }

    /// A slot for a connection that was accepted.
    mutating func openClient(descriptor: Int32, isUnix: Bool) -> Int {
        let slot = call.clients.open(now: call.now)
        call.clients[slot].descriptor = descriptor
        call.clients[slot].address = Socket.peerAddress(descriptor)
        call.clients[slot].localAddress = Socket.localAddress(descriptor)
        call.clients[slot].session.isUnixSocket = isUnix
        call.clients[slot].session.isLocal = isUnix || Socket.isLocal(descriptor)
        if !call.configuration.requirePass.isEmpty {
            call.clients[slot].session.raised.insert(.authentication)
        }
        call.statistics.connections &+= 1
        return slot
    }
}
