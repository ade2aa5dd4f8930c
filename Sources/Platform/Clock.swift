//  Clock.swift — what time it is.  U
//
//  ## Safety
//  - S1: the system writes to a local.
import CPlatform

public enum Clock {
    /// Unix time in milliseconds.
    public static func unixMilliseconds() -> Int64 { unixMicroseconds() / 1000 }

    /// Unix time in microseconds.
    public static func unixMicroseconds() -> Int64 {
        let time = read(CLOCK_REALTIME)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    /// Nanoseconds since some moment; never goes back.
    public static func monotonicNanoseconds() -> Int64 {
        let time = read(CLOCK_MONOTONIC)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private static func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        unsafe clock_gettime(clock, &time)  // S1
        return time
    }

    /// Holds the calling thread.
    public static func sleep(microseconds: Int64) {
        let end = monotonicNanoseconds() + microseconds * 1000
        while true {
            let left = end - monotonicNanoseconds()
            if left <= 0 { return }
            var time = timespec()
            time.tv_sec = Int(left / 1_000_000_000)
            time.tv_nsec = Int(left % 1_000_000_000)
            unsafe nanosleep(&time, nil)  // S1
        }
    }

    /// Ticks of the processor's counter in a microsecond, measured for half a millisecond.
    public static func measureTicksPerMicrosecond() -> Double {
        let start = monotonicNanoseconds(), first = cp_ticks()
        while monotonicNanoseconds() - start < 500_000 {}
        let ticks = cp_ticks() &- first
        return max(Double(ticks) * 1000 / Double(monotonicNanoseconds() - start), 0.001)
    }
}
