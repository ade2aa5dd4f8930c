//  LocalTime.swift — a moment as a calendar shows it here.  U
//
//  ## Safety
//  - S1: `localtime_r` writes to a structure of our own; nothing is shared between threads.
import CPlatform

/// A moment in the time zone of the process.
public struct LocalTime: Sendable {
    public let year: Int, month: Int, day: Int
    public let hour: Int, minute: Int, second: Int, millisecond: Int

    public init(unixMilliseconds time: Int64) {
        // Rounded down also before 1970, so that the milliseconds are never negative.
        let millisecond = ((time % 1000) + 1000) % 1000
        var seconds = time_t((time - millisecond) / 1000)
        var parts = unsafe tm()
        _ = unsafe localtime_r(&seconds, &parts)  // S1
        unsafe year = Int(parts.tm_year) + 1900
        unsafe month = Int(parts.tm_mon) + 1
        unsafe day = Int(parts.tm_mday)
        unsafe hour = Int(parts.tm_hour)
        unsafe minute = Int(parts.tm_min)
        unsafe second = Int(parts.tm_sec)
        self.millisecond = Int(millisecond)
    }
}
