//  LatencyMonitor.swift — when the server was slow, and at what.
//
//  Off until `latency-monitor-threshold` says how many milliseconds are too many. An event is a
//  kind of work; each keeps its last 160 seconds in which something of it was too slow, with the
//  worst of each second.

/// The slowest of one second.
struct LatencySample: Equatable, Sendable {
    /// Unix time in seconds.
    let time: Int64
    let milliseconds: Int
}

/// The samples of one kind of work.
struct LatencyEvent: Sendable {
    /// Oldest first.
    private(set) var samples: [LatencySample] = []
    private(set) var worst = 0

    static let samplesMax = 160

    mutating func add(_ milliseconds: Int, at time: Int64) {
        worst = max(worst, milliseconds)
        if let last = samples.last, last.time == time {
            if last.milliseconds >= milliseconds { return }
            samples.removeLast()
        }
        if samples.count == Self.samplesMax { samples.removeFirst() }
        samples.append(LatencySample(time: time, milliseconds: milliseconds))
    }
}

/// Kinds of work that are watched.
enum LatencySource: String, Sendable {
    case command
    case fastCommand = "fast-command"
    case expiry = "expire-cycle"
    case eviction = "eviction-cycle"
}

struct LatencyMonitor: Sendable {
    private(set) var events: [String: LatencyEvent] = [:]

    mutating func add(_ source: LatencySource, milliseconds: Int, at time: Int64) {
        events[source.rawValue, default: LatencyEvent()].add(milliseconds, at: time)
    }

    /// Forgets the named events, or all; returns how many there were.
    mutating func reset(_ names: [String]?) -> Int {
        let count = events.count
        guard let names else {
            events = [:]
            return count
        }
        for name in names { events[name] = nil }
        return count - events.count
    }

    // MARK: - For people

    /// The samples of an event as a picture; nil without any.
    func graph(of name: String, at now: Int64) -> String? {
        guard let event = events[name], !event.samples.isEmpty else { return nil }
        let values = event.samples.map(\.milliseconds)
        let high = values.max() ?? 0, low = values.min() ?? 0
        var text = "\(name) - high \(high) ms, low \(low) ms (all time high \(event.worst) ms)\n"
        text += String(repeating: "-", count: Self.graphColumns) + "\n"
        for start in stride(from: 0, to: values.count, by: Self.graphColumns) {
            let part = event.samples[start...].prefix(Self.graphColumns)
            if start > 0 { text += "\n" }
            text += Self.columns(part.map(\.milliseconds), low, high)
            text += Self.labels(part.map { Self.age(max(now - $0.time, 0)) })
        }
        return text
    }

    private static let graphColumns = 80
    private static let graphRows = 4

    /// Bars from the lowest to the highest value, three heights to a row.
    private static func columns(_ values: [Int], _ low: Int, _ high: Int) -> String {
        let tips: [Character] = ["_", "o", "#"]
        let range = max(high - low, 1), heights = graphRows * tips.count
        let steps = values.map { min(($0 - low) * heights / range, heights - 1) }
        var text = ""
        for row in (0..<graphRows).reversed() {
            for step in steps {
                let top = step / tips.count
                text.append(top == row ? tips[step % tips.count] : top > row ? "|" : " ")
            }
            text += "\n"
        }
        return text
    }

    /// Texts written from top to bottom, one in each column.
    private static func labels(_ labels: [String]) -> String {
        let texts = labels.map { Array($0) }
        var text = String(repeating: " ", count: texts.count) + "\n"
        for row in 0..<(texts.map(\.count).max() ?? 0) {
            for label in texts { text.append(row < label.count ? label[row] : " ") }
            text += "\n"
        }
        return text
    }

    private static func age(_ seconds: Int64) -> String {
        if seconds < 60 { return "\(seconds)s" }
        if seconds < 3600 { return "\(seconds / 60)m" }
        if seconds < 86_400 { return "\(seconds / 3600)h" }
        return "\(seconds / 86_400)d"
    }

    /// What was slow, and what to do about it.
    func report(threshold: Int, slowlogMicroseconds: Int) -> String {
        guard threshold > 0 else {
            return """
                The latency monitor is off. Turn it on with CONFIG SET latency-monitor-threshold \
                <milliseconds>, wait until the server has been slow, and ask again.\n
                """
        }
        guard !events.isEmpty else {
            return "Nothing took \(threshold) milliseconds or longer since the monitor was on.\n"
        }
        var text = "These took \(threshold) milliseconds or longer:\n\n"
        for (i, event) in events.sorted(by: { $0.key < $1.key }).enumerated() {
            text += "\(i + 1). \(event.key): \(Self.summary(of: event.value))\n"
        }
        text += "\nWhat helps:\n\n"
        let names = Set(events.keys)
        if names.contains("command") || names.contains("fast-command") {
            if slowlogMicroseconds < 0 || slowlogMicroseconds > threshold * 1000 {
                text += """
                    - CONFIG SET slowlog-log-slower-than \(threshold * 1000), so that the slow log \
                    shows the commands that were this slow.

                    """
            }
            text += """
                - SLOWLOG GET shows what was slow. KEYS, SMEMBERS and large ranges grow with the \
                data; SCAN and its siblings do not.

                """
        }
        if names.contains("fast-command") {
            text += """
                - Commands that are fast by nature were slow: the machine may be short of processor \
                time, or swap. Look at its load and at swapping.

                """
        }
        if names.contains("expire-cycle") || names.contains("eviction-cycle") {
            text += "- Many keys went at once: spread deadlines, or give maxmemory more room.\n"
        }
        return text
    }

    private static func summary(of event: LatencyEvent) -> String {
        let samples = event.samples
        let count = Double(max(samples.count, 1))
        let mean = Double(samples.reduce(0) { $0 + $1.milliseconds }) / count
        let deviation =
            samples.reduce(0) { $0 + ((Double($1.milliseconds) - mean).magnitude) } / count
        let span = (samples.last?.time ?? 0) - (samples.first?.time ?? 0)
        let period = samples.count > 1 ? Double(span) / (count - 1) : 0
        return "\(samples.count) times, \(Int(mean)) ms on average (mean deviation "
            + "\(Int(deviation)) ms), every \(Numbers.fixed(period, decimals: 2)) seconds, "
            + "\(event.worst) ms at worst."
    }
}
