//  Clock.swift — what time it is.  U
//
//  ## Safety
//  - S1: the system fills a variable of the caller's frame.
import CPlatform

/// The system's clocks.
public enum Clock {
    /// Milliseconds since 1970, by the wall clock.
    public static func unixMilliseconds() -> Int64 { unixMicroseconds() / 1000 }

    /// Microseconds since 1970, by the wall clock.
    public static func unixMicroseconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)  // S1
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    /// Nanoseconds since some moment before the start of the process; never goes back.
    public static func monotonicNanoseconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)  // S1
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Holds the calling thread.
    public static func sleep(microseconds: Int64) {
        let start = monotonicNanoseconds()
        while true {
            let slept = (monotonicNanoseconds() - start) / 1000
            guard slept < microseconds else { return }
            let left = microseconds - slept
            var time = timespec(
                tv_sec: Int(left / 1_000_000), tv_nsec: Int(left % 1_000_000) * 1000)
            unsafe nanosleep(&time, nil)  // S1
        }
    }

    /// Ticks of the processor's counter in a microsecond; see `TickRate`.
    public static func measureTicksPerMicrosecond() -> Double { TickRate().ticksPerMicrosecond }

    /// The processor's tick counter; see `TickRate`.
    public static func ticks() -> UInt64 { cp_ticks() }
}

/// How fast the processor's tick counter runs.
///
/// The counter is read in a few nanoseconds, a tenth of what a clock costs, so durations of single
/// commands are taken in ticks and converted when somebody asks.
public struct TickRate: Sendable {
    private let startTicks: UInt64
    private let startNanoseconds: Int64
    /// Ticks in one microsecond.
    public private(set) var ticksPerMicrosecond: Double

    /// How long the first estimate takes.
    private static let estimateNanoseconds: Int64 = 200_000

    /// Takes a first estimate in less than a millisecond.
    public init() {
        startNanoseconds = Clock.monotonicNanoseconds()
        startTicks = cp_ticks()
        ticksPerMicrosecond = 1
        while Clock.monotonicNanoseconds() - startNanoseconds < TickRate.estimateNanoseconds {}
        refine()
    }

    /// Measures again over all the time since the start; the longer that is, the better.
    public mutating func refine() {
        let nanoseconds = Clock.monotonicNanoseconds() - startNanoseconds
        let (ticks, _) = cp_ticks().subtractingReportingOverflow(startTicks)
        guard nanoseconds > 0, ticks > 0, ticks < UInt64.max / 2 else { return }
        ticksPerMicrosecond = Double(ticks) * 1000 / Double(nanoseconds)
    }

    /// The duration of `ticks` in microseconds.
    public func microseconds(_ ticks: UInt64) -> Double { Double(ticks) / ticksPerMicrosecond }

    /// The duration of `ticks` in whole nanoseconds.
    public func nanoseconds(_ ticks: UInt64) -> Int64 {
        Int64(exactly: (Double(ticks) * 1000 / ticksPerMicrosecond).rounded()) ?? Int64.max
    }

    /// How many ticks a duration takes; 0 for a negative one.
    public func ticks(microseconds: Int64) -> UInt64 {
        UInt64(exactly: (Double(max(microseconds, 0)) * ticksPerMicrosecond).rounded())
            ?? UInt64.max
    }
}
