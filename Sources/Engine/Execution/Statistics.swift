//  Statistics.swift — what INFO counts.

/// Counters since the start or the last CONFIG RESETSTAT.
struct Statistics: BitwiseCopyable {
    var hits = 0
    var misses = 0
    var expiredKeys = 0
    var expiredFields = 0
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
    /// Time that the turns took, in ticks of the processor's counter.
    var turnTicks: UInt64 = 0
    /// How often active expiry ran out of time, and how long it ran in all.
    var expirySlices = 0
    var expiryMicroseconds = 0
    var inputBufferLimitDisconnections = 0
    var outputBufferLimitDisconnections = 0
    /// Clients closed because all of them together held too much.
    var evictedClients = 0
}

/// Error replies by code: the first word of the text.
struct ErrorStatistics {
    private(set) var counts: [String: Int] = [:]
    private var isOff = false

    /// More codes than these are some program's texts taken for codes.
    private static let codesMax = 128

    /// Counts a reply; true when this one turned the counting off.
    mutating func note(_ text: [UInt8]) -> Bool {
        if isOff { return false }
        let end = text.firstIndex(of: UInt8(ascii: " ")) ?? 0
        let code = end == 0 ? "ERR" : String(decoding: text[..<end], as: UTF8.self)
        if counts[code] == nil, counts.count >= Self.codesMax {
            isOff = true
            counts = ["ERRORSTATS_DISABLED": 1]
            return true
        }
        counts[code, default: 0] += 1
        return false
    }
}
