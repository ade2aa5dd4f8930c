//  CommandStatistics.swift — calls, time and a histogram of durations for each command.  U
//
//  What a command costs is noted after every call, so it has to be cheap: one addition and one
//  increment in a histogram whose bucket is found without a comparison. A duration in ticks becomes
//  a floating-point number, and the low six bits of its exponent with the high six of its fraction
//  are the number of the bucket: 64 buckets for each power of two, an error of less than 1 %.
//
//      command 0:  [ ticks | rejected | failed | – | 4096 counters ]
//      command 1:  [ …
//
//  The memory is mapped, 32 KiB of addresses for each command; only pages that a command uses
//  exist, one or two for most.
//
//  Credits: Gil Tene's HdrHistogram for buckets of constant relative width.
//
//  ## Safety
//  - S1: `base` points at `count * stride` integers, mapped with zeros and owned by this value.
//  - S2: a bucket is masked to 12 bits; a command is checked, or comes from the command table,
//    which has `count` entries.
import CPlatform

/// Counters of one command.
struct CommandStatistics: BitwiseCopyable {
    var calls = 0
    /// Time spent, in ticks of the processor's counter.
    var ticks = 0
    /// Calls refused before they ran: arity, authentication, memory.
    var rejected = 0
    /// Calls that ended in an error.
    var failed = 0

    var isEmpty: Bool { calls + rejected + failed == 0 }
}

/// The counters of all commands.
@safe struct CommandStatisticsTable: ~Copyable {
    private let base: UnsafeMutablePointer<Int>
    /// Commands.
    let count: Int

    private static var header: Int { 4 }
    private static var buckets: Int { 4096 }
    private static var stride: Int { header + buckets }
    private var bytes: Int { Swift.max(count, 1) * Self.stride * MemoryLayout<Int>.stride }

    init(count: Int) {
        self.count = count
        let bytes = Swift.max(count, 1) * Self.stride * MemoryLayout<Int>.stride
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        let map = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0)
        guard let map = unsafe map, UInt(bitPattern: map) != .max else {
            preconditionFailure("out of memory: \(bytes) bytes of addresses for statistics")
        }
        // A huge page for a few counters would cost two megabytes.
        unsafe madvise(map, bytes, MADV_NOHUGEPAGE)
        unsafe base = map.assumingMemoryBound(to: Int.self)
    }

    deinit { unsafe munmap(base, bytes) }

    /// Notes a call that took so many ticks; `id` is a position in the command table.
    @inline(__always) @unsafe mutating func noteCall(_ id: Int, ticks: UInt64) {
        let entry = unsafe base + id &* Self.stride  // S2
        unsafe entry[0] &+= Int(truncatingIfNeeded: ticks)
        unsafe entry[Self.header &+ Self.bucket(ticks)] &+= 1
    }

    /// The same where the position is checked.
    mutating func noteCheckedCall(_ id: Int, ticks: UInt64) {
        precondition(UInt(bitPattern: id) < UInt(bitPattern: count))
        unsafe noteCall(id, ticks: ticks)
    }

    mutating func noteRejection(_ id: Int) {
        precondition(UInt(bitPattern: id) < UInt(bitPattern: count))
        unsafe base[id * Self.stride + 1] &+= 1
    }

    mutating func noteFailure(_ id: Int) {
        precondition(UInt(bitPattern: id) < UInt(bitPattern: count))
        unsafe base[id * Self.stride + 2] &+= 1
    }

    subscript(id: Int) -> CommandStatistics {
        precondition(UInt(bitPattern: id) < UInt(bitPattern: count))
        let entry = unsafe base + id * Self.stride
        // The calls are not counted but summed up when somebody asks.
        var calls = 0
        if unsafe entry[0] != 0 {
            for i in 0..<Self.buckets { unsafe calls &+= entry[Self.header + i] }
        }
        return unsafe CommandStatistics(
            calls: calls, ticks: entry[0], rejected: entry[1], failed: entry[2])
    }

    /// Time that a command took in all.
    func ticks(_ id: Int) -> Int {
        precondition(UInt(bitPattern: id) < UInt(bitPattern: count))
        return unsafe base[id * Self.stride]
    }

    /// Whether a command has run; cheaper than asking how often.
    func hasRun(_ id: Int) -> Bool { ticks(id) != 0 }

    /// How often a command took how long: the most ticks of each bucket that is not empty, and its
    /// count, from the shortest duration to the longest.
    func durations(_ id: Int) -> [(ticks: Double, count: Int)] {
        precondition(UInt(bitPattern: id) < UInt(bitPattern: count))
        let entry = unsafe base + id * Self.stride + Self.header
        // Bucket 63 * 64 and those behind it hold durations of one tick, the shortest.
        let order = [Self.buckets - 64..<Self.buckets, 0..<Self.buckets - 64].joined()
        return order.compactMap { bucket in
            let count = unsafe entry[bucket]
            return count == 0 ? nil : (Self.limit(of: bucket), count)
        }
    }

    /// Starts all counters again from zero.
    mutating func reset() {
        // The next use of a page finds zeros.
        unsafe madvise(base, bytes, MADV_DONTNEED)
    }

    /// The bucket of a duration.
    @inline(__always) private static func bucket(_ ticks: UInt64) -> Int {
        let number = Double(Int64(bitPattern: ticks)).bitPattern
        return Int(truncatingIfNeeded: number >> 46) & (buckets &- 1)
    }

    /// The longest duration of a bucket, in ticks.
    private static func limit(of bucket: Int) -> Double {
        let exponent = ((bucket >> 6) + 1) & 63
        let power = Double(sign: .plus, exponent: exponent, significand: 1)
        return power * (1 + (Double(bucket & 63) + 1) / 64)
    }
}
