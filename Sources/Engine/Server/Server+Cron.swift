//  Server+Cron.swift — what happens from time to time, whether or not somebody asks.
import Platform

/// When the housekeeping runs.
struct Cron {
    /// Unix time in milliseconds.
    private(set) var nextRun: Int64
    private var runs = 0

    init(now: Int64) { nextRun = now }

    /// Whether a run is due; then the next one is `1000 / hz` milliseconds away.
    mutating func isDue(_ now: Int64, hz: Int) -> Bool {
        let period = Int64(1000 / max(hz, 1))
        // A clock that was set back must not stop the housekeeping.
        guard now >= nextRun || nextRun - now > period else { return false }
        nextRun = now + period
        runs &+= 1
        return true
    }

    /// True once in `seconds`, for a run that just became due.
    func isEvery(_ seconds: Int, hz: Int) -> Bool { runs % max(seconds * hz, 1) == 0 }
}

extension Server {
    private static var freedBytesMax: Int { 16 << 20 }

    mutating func runCron() {
        let now = executor.call.now
        let hz = executor.call.configuration.hz
        guard cron.isDue(now, hz: hz), executor.call.isCronOn else { return }
        resumeAccepting()
        executor.call.sampleRates()
        executor.call.samplePeakMemory()
        executor.resizeTables()
        executor.call.saveIfDue()
        executor.call.tendAppendOnlyFile()
        guard cron.isEvery(1, hz: hz) else { return }
        closeIdle()
        closeSlow()
        returnMemory()
    }

    /// Gives back what a crowd held that has left; the allocator would keep most of it.
    private mutating func returnMemory() {
        guard freedBytes >= Self.freedBytesMax else { return }
        freedBytes = 0
        Process.returnFreeMemory()
    }

    /// Closes clients that have had too much to read for too long and say nothing themselves.
    private mutating func closeSlow() {
        let limits = executor.call.configuration.outputBufferLimits
        guard limits.normal.softBytes > 0 || limits.pubsub.softBytes > 0 else { return }
        for slot in 0..<connections.count where connections[slot].isOpen {
            if connections[slot].held.count > 0 { checkLimits(slot) }
        }
    }

    /// Closes clients that have been silent for longer than `timeout`.
    private mutating func closeIdle() {
        let seconds = executor.call.configuration.timeout
        guard seconds > 0 else { return }
        let oldest = executor.call.now - Int64(seconds) * 1000
        for slot in 0..<connections.count where connections[slot].isOpen {
            // Who waits for a key, for the end of a pause or for a message is not idle.
            if connections[slot].isBlocked || executor.call.clients[slot].isListener { continue }
            if executor.call.clients[slot].lastActiveAt < oldest { close(slot) }
        }
    }
}
