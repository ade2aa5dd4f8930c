//  TimingWheelTests.swift — everything comes up when it is due, and not before.
import TestSupport
import Testing

@testable import Engine

@Suite("TimingWheel") struct TimingWheelTests {
    private static let start: Int64 = 1_700_000_000_123

    /// Drives a wheel like a server would: wakes when the wheel asks, refiles what is not due.
    private struct Driver: ~Copyable {
        var heap = SlabAllocator()
        var wheel: TimingWheel
        var now: Int64
        /// Deadline of each payload that is still to come.
        var deadlines: [UInt64: Int64] = [:]
        var lateness: [Int64] = []

        init(start: Int64) {
            now = start
            wheel = TimingWheel(now: start)
        }

        mutating func file(_ payload: UInt64, at deadline: Int64) {
            deadlines[payload] = deadline
            wheel.file(payload, at: deadline, &heap)
        }

        /// Hands out everything that is up, at most `most` entries.
        mutating func serve(most: Int = .max) {
            var n = 0
            while n < most, let payload = wheel.next(now, &heap) {
                n += 1
                guard let deadline = deadlines[payload] else { continue }
                if deadline <= now {
                    deadlines[payload] = nil
                    lateness.append(now - deadline)
                } else {
                    wheel.file(payload, at: deadline, &heap)
                }
            }
        }

        mutating func runToTheEnd() {
            var turns = 0
            while let wake = wheel.wakeTime(), turns < 2_000_000 {
                now = max(now, wake)
                serve()
                turns += 1
            }
        }
    }

    @Test(arguments: [1, 2, 3, 4, 5])
    func `random deadlines come up to the millisecond`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var driver = Driver(start: Self.start)
        let spans: [Int64] = [1, 300, 70_000, 20_000_000, 5_000_000_000, 1_000_000_000_000]
        for payload in 0..<2000 {
            let span = spans.randomElement(using: &random) ?? 1
            let distance = Int64.random(in: 1...span, using: &random)
            driver.file(UInt64(payload), at: Self.start + distance)
        }
        driver.runToTheEnd()
        #expect(driver.deadlines.isEmpty)
        #expect(driver.lateness.count == 2000)
        #expect(driver.lateness.allSatisfy { $0 == 0 })
        #expect(driver.wheel.count == 0)
    }

    @Test func `deadlines in the past come up at once`() {
        var driver = Driver(start: Self.start)
        driver.file(1, at: 0)
        driver.file(2, at: -1_000_000)
        driver.serve()
        #expect(driver.deadlines.isEmpty)
    }

    @Test func `deadlines beyond the wheel are kept`() {
        var driver = Driver(start: Self.start)
        driver.file(1, at: .max)
        driver.file(2, at: Self.start + 5_000_000_000_000)
        driver.now += 3_000_000_000_000
        driver.serve()
        #expect(driver.deadlines.count == 2)
        driver.now = Self.start + 5_000_000_000_000
        driver.serve()
        #expect(driver.deadlines.count == 1)
    }

    @Test(arguments: [11, 12])
    func `leaps of the clock lose nothing`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var driver = Driver(start: Self.start)
        for payload in 0..<3000 {
            let distance = Int64.random(in: 0...100_000_000, using: &random)
            driver.file(UInt64(payload), at: Self.start + distance)
        }
        while driver.now < Self.start + 100_000_000 {
            driver.now += Int64.random(in: 1...7_200_000, using: &random)
            driver.serve()
            let due = driver.deadlines.values.filter { $0 <= driver.now }
            if !due.isEmpty {
                Issue.record("\(due.count) entries are late")
                break
            }
        }
        driver.now = Self.start + 100_000_001
        driver.serve()
        #expect(driver.deadlines.isEmpty)
    }

    @Test func `a deadline that moves later is filed again and comes up once`() {
        var driver = Driver(start: Self.start)
        driver.file(1, at: Self.start + 100)
        driver.deadlines[1] = Self.start + 90_000
        driver.runToTheEnd()
        #expect(driver.lateness == [0])
    }

    @Test func `small slices hand out everything in time`() {
        var driver = Driver(start: Self.start)
        // Ten thousand entries due in one second, a minute and a half away.
        for payload in 0..<10_000 {
            driver.file(UInt64(payload), at: Self.start + 90_000 + Int64(payload % 1000))
        }
        // Sixty entries every millisecond.
        while driver.now < Self.start + 91_100 {
            driver.now += 1
            driver.serve(most: 60)
        }
        #expect(driver.deadlines.isEmpty)
        #expect((driver.lateness.max() ?? 99) <= 2)
    }

    @Test func `removing all gives every byte back`() {
        var driver = Driver(start: Self.start)
        for payload in 0..<5000 {
            driver.file(UInt64(payload), at: Self.start + Int64(payload) * 977)
        }
        #expect(driver.heap.usedBytes > 0)
        driver.wheel.removeAll(&driver.heap)
        #expect(driver.heap.usedBytes == 0)
        #expect(driver.wheel.wakeTime() == nil)
    }
}
