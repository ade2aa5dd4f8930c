//  Call+Latencies.swift — how long commands take, as histograms and percentiles.

extension Call {
    /// Whether a command has a histogram to show.
    func hasDurations(_ id: Int) -> Bool {
        configuration.latencyTracking && commandStatistics.hasRun(id)
    }

    /// Counts of calls that took at most so many microseconds, growing, in powers of two.
    func histogram(_ id: Int) -> [(microseconds: Int, count: Int)] {
        var buckets: [(microseconds: Int, count: Int)] = []
        var total = 0, exponent = 10, isOpen = false
        func limit(_ exponent: Int) -> Int { (1 << exponent) + (1 << (exponent - 7)) - 1 }
        for (ticks, count) in commandStatistics.durations(id) {
            let nanoseconds = ticks * 1000 / ticksPerMicrosecond
            var needed = exponent
            while needed < 50, nanoseconds > Double(limit(needed)) { needed += 1 }
            if needed > exponent, isOpen {
                buckets.append((limit(exponent) / 1000, total))
            }
            exponent = needed
            isOpen = true
            total += count
        }
        if isOpen { buckets.append((limit(exponent) / 1000, total)) }
        return buckets
    }

    /// The durations in microseconds that so many per cent of the calls do not exceed.
    func percentiles(_ id: Int, _ percents: [Double]) -> [Double] {
        let durations = commandStatistics.durations(id)
        let total = durations.reduce(0) { $0 + $1.count }
        return percents.map { percent in
            let wanted = max(Double(total) * min(percent, 100) / 100, 1)
            var seen = 0
            for (ticks, count) in durations {
                seen += count
                if Double(seen) >= wanted.rounded() { return ticks / ticksPerMicrosecond }
            }
            return 0
        }
    }
}
