import CPlatform
public enum Clock {
    public static func unixMilliseconds() -> Int64 { unixMicroseconds() / 1000 }
    public static func unixMicroseconds() -> Int64 {
        var t = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &t)
        return Int64(t.tv_sec) * 1_000_000 + Int64(t.tv_nsec) / 1000
    }
    public static func monotonicNanoseconds() -> Int64 {
        var t = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &t)
        return Int64(t.tv_sec) * 1_000_000_000 + Int64(t.tv_nsec)
    }
}
