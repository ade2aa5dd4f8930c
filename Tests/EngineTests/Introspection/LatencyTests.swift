//  LatencyTests.swift — histograms of durations, the latency monitor and its pictures.
import TestSupport
import Testing

@testable import Engine

@Suite("Latency") struct LatencyTests {
    @Test func `a duration is found again within two per cent`() {
        var table = CommandStatisticsTable(count: 2)
        for ticks: UInt64 in [1, 2, 3, 100, 12_345, 3_000_000, 1 << 40] {
            unsafe table.noteCall(1, ticks: ticks)
            let found = table.durations(1).first?.ticks ?? 0
            #expect(found >= Double(ticks), "\(ticks)")
            #expect(found <= Double(ticks) * 1.0201 + 1, "\(ticks)")
            table.reset()
        }
    }

    @Test func `calls, time, rejections and failures add up and start again`() {
        var table = CommandStatisticsTable(count: 3)
        for i: UInt64 in 1...1000 { unsafe table.noteCall(2, ticks: i) }
        table.noteRejection(2)
        table.noteFailure(2)
        #expect(table[2].calls == 1000)
        #expect(table[2].ticks == 500_500)
        #expect(table[2].rejected == 1)
        #expect(table[2].failed == 1)
        #expect(table[1].isEmpty)
        let durations = table.durations(2)
        #expect(durations.map(\.ticks) == durations.map(\.ticks).sorted())
        #expect(durations.reduce(0) { $0 + $1.count } == 1000)
        table.reset()
        #expect(table[2].isEmpty)
    }

    @Test func `an event keeps the worst of each second and 160 seconds`() {
        var event = LatencyEvent()
        event.add(10, at: 1)
        event.add(30, at: 1)
        event.add(20, at: 1)
        #expect(event.samples == [LatencySample(time: 1, milliseconds: 30)])
        for i in 2...200 { event.add(5, at: Int64(i)) }
        #expect(event.samples.count == 160)
        #expect(event.samples.first?.time == 41)
        #expect(event.worst == 30)
    }

    @Test func `a picture shows the samples from the lowest to the highest`() {
        var monitor = LatencyMonitor()
        #expect(monitor.graph(of: "command", at: 100) == nil)
        for (i, value) in [10, 50, 100, 30].enumerated() {
            monitor.add(.command, milliseconds: value, at: Int64(96 + i))
        }
        let line = String(repeating: "-", count: 80)
        #expect(
            monitor.graph(of: "command", at: 100)
                == "command - high 100 ms, low 10 ms (all time high 100 ms)\n\(line)\n"
                + "  # \n  | \n #| \n_||#\n    \n4321\nssss\n")
        let count = monitor.reset(["nope", "command"])
        #expect(count == 1)
    }

    @Test func `the monitor's report follows the threshold`() {
        let server = LocalServer()
        #expect(server("LATENCY", "DOCTOR")?.text?.contains("is off") == true)
        _ = server("CONFIG", "SET", "latency-monitor-threshold", "1")
        #expect(server("LATENCY", "DOCTOR")?.text?.contains("Nothing took 1") == true)
    }

    @Test func `thresholds beyond what fits turn nothing on`() {
        let server = LocalServer()
        let most = "9223372036854775807"
        for name in ["latency-monitor-threshold", "slowlog-log-slower-than"] {
            #expect(server("CONFIG", "SET", name, most) == .simple("OK"))
        }
        _ = server("PING")
        #expect(server("SLOWLOG", "LEN") == .integer(0))
        #expect(server("LATENCY", "LATEST") == .array([]))
    }

    @Test func `a slow command is an event of its kind`() {
        var configuration = Configuration()
        configuration.enableDebugCommand = .yes
        configuration.latencyMonitorThreshold = 2
        let server = LocalServer(configuration: configuration)
        _ = server("DEBUG", "SLEEP", "0.005")
        let latest = server("LATENCY", "LATEST")?.items ?? []
        #expect(latest.count == 1)
        #expect(latest.first?.item(0) == .bulk("command"))
        #expect((latest.first?.item(3)?.integer ?? 0) >= 5)
        #expect(server("LATENCY", "HISTORY", "command")?.items.count == 1)
        #expect(server("LATENCY", "DOCTOR")?.text?.contains("1. command: 1 times") == true)
        #expect(server("LATENCY", "RESET") == .integer(1))
        #expect(server("LATENCY", "LATEST") == .array([]))
    }

    @Test func `histograms count calls in growing limits`() {
        var configuration = Configuration()
        configuration.enableDebugCommand = .yes
        let server = LocalServer(version: .resp3, configuration: configuration)
        for _ in 0..<100 { _ = server("SET", "k", "v") }
        _ = server("DEBUG", "SLEEP", "0.003")
        let reply = server("LATENCY", "HISTOGRAM", "set", "nope", "debug", "config|get")
        #expect(reply?.pairs.map(\.key.text) == ["set", "debug"])
        #expect(reply?["set"]?["calls"] == .integer(100))
        let buckets = reply?["set"]?["histogram_usec"]?.pairs ?? []
        #expect(buckets.last?.value == .integer(100))
        let limits = buckets.map { $0.key.integer ?? 0 }
        #expect(limits == limits.sorted())
        let slow = reply?["debug"]?["histogram_usec"]?.pairs.last?.key.integer ?? 0
        // As a real server names the limits above 3 ms.
        #expect([4227, 8454, 16908, 33816, 67633].contains(slow))
        _ = server("CONFIG", "SET", "latency-tracking", "no")
        #expect(server("LATENCY", "HISTOGRAM")?.pairs.isEmpty == true)
    }

    @Test func `INFO shows the percentiles that are asked for`() throws {
        let server = LocalServer()
        for _ in 0..<10 { _ = server("PING") }
        var info = try #require(server("INFO", "latencystats")?.text)
        #expect(info.contains("latency_percentiles_usec_ping:p50="))
        #expect(info.contains(",p99.9="))
        _ = server("CONFIG", "SET", "latency-tracking-info-percentiles", "10 75.5")
        info = try #require(server("INFO", "latencystats")?.text)
        #expect(info.contains("ping:p10=") && info.contains(",p75.5="))
        #expect(server("INFO")?.text?.contains("latency_percentiles") == false)
    }
}
