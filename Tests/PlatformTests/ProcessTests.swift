//  ProcessTests.swift — the process, its clock, its signals and its limits.
import CPlatform
import Synchronization
import Testing

@testable import Platform

@Suite("Clock") struct ClockTests {
    @Test func `the monotonic clock never goes back`() {
        var last = Clock.monotonicNanoseconds()
        for _ in 0..<10_000 {
            let now = Clock.monotonicNanoseconds()
            #expect(now >= last)
            last = now
        }
    }

    @Test func `the wall clock's units agree`() {
        let before = Clock.unixMicroseconds()
        let milliseconds = Clock.unixMilliseconds()
        let after = Clock.unixMicroseconds()
        #expect(before / 1000 <= milliseconds && milliseconds <= after / 1000)
        #expect(milliseconds > 1_600_000_000_000)
    }

    @Test func `a sleep lasts at least as long as it was told`() {
        let start = Clock.monotonicNanoseconds()
        Clock.sleep(microseconds: 1500)
        #expect(Clock.monotonicNanoseconds() - start >= 1_500_000)
        Clock.sleep(microseconds: -1)
        Clock.sleep(microseconds: .min)
    }

    @Test func `ticks measure time`() {
        var rate = TickRate()
        let startTicks = Clock.ticks()
        let start = Clock.monotonicNanoseconds()
        while Clock.monotonicNanoseconds() - start < 5_000_000 {}
        let ticks = Clock.ticks() &- startTicks
        rate.refine()
        let nanoseconds = rate.nanoseconds(ticks)
        // Wide limits: the machine may stop this thread between any two reads.
        #expect(nanoseconds > 4_000_000 && nanoseconds < 5_000_000_000)
        #expect(rate.ticks(microseconds: 0) == 0)
        #expect(rate.ticks(microseconds: -1) == 0)
        #expect(rate.ticks(microseconds: .max) > 0)
        #expect(rate.nanoseconds(.max) > 0)
    }
}

@Suite("Process") struct ProcessTests {
    @Test func `resident memory is between a page and the whole machine`() {
        let resident = SystemInformation.residentBytes
        #expect(resident > SystemInformation.pageBytes)
        #expect(resident < SystemInformation.totalMemory)
        #expect(SystemInformation.peakResidentBytes >= SystemInformation.pageBytes)
    }

    @Test func `resident memory grows with what is touched`() {
        let before = SystemInformation.residentBytes
        let block = [UInt8](repeating: 1, count: 64 << 20)
        #expect(SystemInformation.residentBytes - before > 32 << 20)
        #expect(block.count == 64 << 20)
    }

    @Test func `processor time advances with work`() {
        let before = SystemInformation.processorTime(of: .thread)
        var random = RandomGenerator(seed: 1)
        var sum: UInt64 = 0
        func used() -> Double {
            let now = SystemInformation.processorTime(of: .thread)
            return now.user + now.system - before.user - before.system
        }
        while used() < 0.001 {
            for _ in 0..<1000 { sum &+= random.next() }
        }
        #expect(sum != 0)
        let process = SystemInformation.processorTime(of: .process)
        #expect(process.user + process.system >= 0.001)
        #expect(SystemInformation.processorTime(of: .children).user >= 0)
    }

    @Test func `the descriptor limit is raised as far as possible and never lowered`() {
        let limit = Process.raiseDescriptorLimit(to: 0)
        #expect(limit > 0)
        #expect(Process.raiseDescriptorLimit(to: -1) == limit)
        #expect(Process.raiseDescriptorLimit(to: limit) == limit)
        #expect(Process.raiseDescriptorLimit(to: limit + 1) >= limit)
        #expect(Process.raiseDescriptorLimit(to: .max) >= limit)
    }

    @Test func `facts about process and machine are there`() throws {
        #expect(SystemInformation.processID == getpid())
        #expect(SystemInformation.kernel.split(separator: " ").count >= 3)
        #expect(SystemInformation.executable.hasPrefix("/"))
        #expect(FileSystem.currentDirectory.hasPrefix("/"))
        try Process.setWorkingDirectory(FileSystem.currentDirectory)
        let error = #expect(throws: SystemError.self) {
            try Process.setWorkingDirectory("/nowhere/at/all")
        }
        #expect(error?.code == ENOENT)
        #expect(SystemInformation.environment("PATH")?.isEmpty == false)
        #expect(SystemInformation.environment("NO_SUCH_VARIABLE_HERE") == nil)
        if let policy = SystemInformation.overcommitPolicy { #expect((0...2).contains(policy)) }
    }
}

@Suite("WorkerThread") struct WorkerThreadTests {
    @Test func `a joined thread has done its work under its name`() throws {
        let done = Mutex<String>("")
        try WorkerThread.start(name: "a name that is too long", stackBytes: 1 << 20) {
            let name = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16) {
                unsafe cp_thread_name($0.baseAddress, 16)
                return unsafe $0.baseAddress.map { unsafe String(cString: $0) } ?? ""
            }
            done.withLock { $0 = name }
        }.join()
        #expect(done.withLock { $0 } == "a name that is ")
    }

    @Test func `a stack below the system's minimum is refused`() {
        let error = #expect(throws: SystemError.self) {
            try WorkerThread.start(name: "small", stackBytes: 1) {}.detach()
        }
        #expect(error?.code == EINVAL)
    }
}

@Suite("Signals") struct SignalTests {
    @Test func `a blocked signal arrives through the descriptor`() throws {
        // On a thread of its own: the mask and the signal belong to that thread alone.
        let result = Mutex<[Int32?]>([])
        try WorkerThread.start(name: "signals") {
            guard let signals = try? Signals([SIGUSR1, SIGUSR2]) else { return }
            var seen = [signals.next()]
            pthread_kill(pthread_self(), SIGUSR1)
            let isReady = Descriptor.waitUntilReady(
                signals.descriptor, timeoutMilliseconds: 10_000)
            seen += [isReady ? signals.next() : nil, signals.next()]
            result.withLock { [seen] in $0 = seen }
        }.join()
        #expect(result.withLock { $0 } == [nil, SIGUSR1, nil])
    }

    @Test func `a number that is no signal is refused`() {
        #expect(throws: SystemError.self) { try Signals([10_000]) }
    }

    @Test func `termination is delivered to a process that asked for it`() async {
        await #expect(processExitsWith: .exitCode(7)) {
            let signals = try Signals()
            pthread_kill(pthread_self(), SIGTERM)
            pthread_kill(pthread_self(), SIGINT)
            let both = Set([signals.next(), signals.next()])
            Process.exit(both == [Signals.terminate, Signals.interrupt] ? 7 : 1)
        }
    }

    @Test func `a daemon goes on in a session of its own`() async {
        await #expect(processExitsWith: .exitCode(7)) {
            let (a, b) = try Socket.pair()
            let original = SystemInformation.processID
            let child = cp_fork()
            if child == 0 {
                try Process.becomeDaemon()
                let isLeader =
                    getsid(0) == SystemInformation.processID
                    && SystemInformation.processID != original
                let answer: [UInt8] = [isLeader ? 7 : 1]
                _ = Socket.write(b, answer.span)
                Process.exit(0)
            }
            // The daemon's answer arrives, and its parent has ended with success.
            var status: Int32 = 0
            guard Descriptor.waitUntilReady(a, timeoutMilliseconds: 10_000) else {
                Process.exit(2)
            }
            unsafe waitpid(child, &status, 0)
            var answer: [UInt8] = [0]
            var span = answer.mutableSpan
            _ = Socket.read(a, into: &span)
            Process.exit(status == 0 ? Int32(answer[0]) : 3)
        }
    }
}
