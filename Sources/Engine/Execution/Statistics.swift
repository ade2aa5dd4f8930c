//  Statistics.swift — what INFO counts.

/// Counters since the start or the last CONFIG RESETSTAT.
struct Statistics: BitwiseCopyable {
    var hits = 0
    var misses = 0
    var expiredKeys = 0
    var evictedKeys = 0
    var errorReplies = 0
    var commands = 0
    var connections = 0
    var rejectedConnections = 0
    var bytesIn = 0
    var bytesOut = 0
    /// Calls of read and write on sockets that moved something.
    var reads = 0
    var writes = 0
    /// Turns of the loop.
    var turns = 0
    /// How often active expiry ran out of time, and how long it ran in all.
    var expirySlices = 0
    var expiryMicroseconds = 0
    var inputBufferLimitDisconnections = 0
    var outputBufferLimitDisconnections = 0
}

/// Counters of one command.
struct CommandStatistics: BitwiseCopyable {
    var calls = 0
    /// Time spent, in ticks of the processor's counter.
    var ticks: UInt64 = 0
    /// Calls refused before they ran: arity, authentication, memory.
    var rejected = 0
    /// Calls that ended in an error.
    var failed = 0
}
