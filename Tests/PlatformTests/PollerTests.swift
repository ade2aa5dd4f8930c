//  PollerTests.swift — descriptors watched, and what the poller says of them.
import Testing

@testable import Platform

/// A connected pair of sockets, closed with the value.
final class SocketPair {
    let a: Int32
    let b: Int32

    init() throws { (a, b) = try Socket.pair() }

    deinit {
        Socket.close(a)
        Socket.close(b)
    }

    func write(_ text: String) -> Int { Socket.write(a, Array(text.utf8).span) }

    func read(_ capacity: Int = 1024) -> Int {
        var bytes = [UInt8](repeating: 0, count: capacity)
        var span = bytes.mutableSpan
        return Socket.read(b, into: &span)
    }
}

private let patienceMilliseconds: Int32 = 10_000

extension Poller.Kind {
    /// Those that work here: sandboxes refuse io_uring.
    static let available = allCases.filter(\.isAvailable)
}

@Suite("Poller") struct PollerTests {
    @Test(arguments: Poller.Kind.available)
    func `a descriptor becomes readable when bytes arrive`(kind: Poller.Kind) throws {
        let pair = try SocketPair()
        var poller = try Poller(kind)
        try poller.watch(pair.b, token: 0xfedc_ba98_7654_3210)
        #expect(poller.wait(nanoseconds: 0) == 0)
        #expect(pair.write("x") == 1)
        // Level-triggered: what is not read is reported again.
        for _ in 0..<2 {
            #expect(poller.wait(milliseconds: patienceMilliseconds) == 1)
            #expect(
                poller[0]
                    == PollEvent(
                        token: 0xfedc_ba98_7654_3210, isReadable: true, isWritable: false,
                        isHangUp: false))
        }
        #expect(pair.read() == 1)
        #expect(poller.wait(nanoseconds: 0) == 0)
    }

    @Test(arguments: Poller.Kind.available)
    func `interest in writing is reported until it is withdrawn`(kind: Poller.Kind) throws {
        let pair = try SocketPair()
        var poller = try Poller(kind)
        try poller.watch(pair.a, token: 7, read: true, write: true)
        #expect(poller.wait(nanoseconds: 0) == 1)
        #expect(poller[0].isWritable && !poller[0].isReadable && poller[0].token == 7)
        try poller.modify(pair.a, token: 8, read: true, write: false)
        #expect(poller.wait(nanoseconds: 0) == 0)
    }

    @Test(arguments: Poller.Kind.available)
    func `a full socket is not writable until the peer reads`(kind: Poller.Kind) throws {
        let pair = try SocketPair()
        var poller = try Poller(kind)
        let block = [UInt8](repeating: 1, count: 65536)
        var sent = 0
        while true {
            let count = Socket.write(pair.a, block.span)
            guard count > 0 else {
                #expect(count == Socket.wouldBlock)
                break
            }
            sent += count
        }
        try poller.watch(pair.a, token: 1, read: false, write: true)
        #expect(poller.wait(nanoseconds: 0) == 0)
        while sent > 0 { sent -= max(pair.read(65536), 1) }
        #expect(poller.wait(milliseconds: patienceMilliseconds) == 1)
        #expect(poller[0].isWritable)
    }

    @Test(arguments: Poller.Kind.available)
    func `a closed peer makes the descriptor readable, and a read returns 0`(kind: Poller.Kind)
        throws
    {
        let (a, b) = try Socket.pair()
        defer { Socket.close(b) }
        var poller = try Poller(kind)
        try poller.watch(b, token: 3)
        Socket.close(a)
        #expect(poller.wait(milliseconds: patienceMilliseconds) == 1)
        #expect(poller[0].isReadable && poller[0].isHangUp)
        var byte: [UInt8] = [0]
        var span = byte.mutableSpan
        #expect(Socket.read(b, into: &span) == 0)
    }

    @Test(arguments: Poller.Kind.available)
    func `a half-closed peer is readable without being hung up`(kind: Poller.Kind) throws {
        let pair = try SocketPair()
        var poller = try Poller(kind)
        try poller.watch(pair.b, token: 3)
        Socket.shutdown(pair.a, read: false, write: true)
        #expect(poller.wait(milliseconds: patienceMilliseconds) == 1)
        #expect(poller[0].isReadable && !poller[0].isHangUp)
        #expect(pair.read() == 0)
    }

    @Test(arguments: Poller.Kind.available)
    func `a forgotten descriptor is silent and may be watched again`(kind: Poller.Kind) throws {
        let pair = try SocketPair()
        var poller = try Poller(kind)
        try poller.watch(pair.b, token: 1)
        #expect(throws: SystemError.self) { try poller.watch(pair.b, token: 1) }
        #expect(pair.write("x") == 1)
        poller.forget(pair.b)
        poller.forget(pair.b)
        #expect(poller.wait(nanoseconds: 0) == 0)
        #expect(throws: SystemError.self) {
            try poller.modify(pair.b, token: 1, read: true, write: false)
        }
        try poller.watch(pair.b, token: 2)
        #expect(poller.wait(nanoseconds: 0) == 1)
        #expect(poller[0].token == 2)
    }

    @Test(arguments: Poller.Kind.available)
    func `a wait without events lasts as long as it was told`(kind: Poller.Kind) throws {
        var poller = try Poller(kind)
        let start = Clock.monotonicNanoseconds()
        #expect(poller.wait(nanoseconds: 300_000) == 0)
        #expect(Clock.monotonicNanoseconds() - start >= 300_000)
    }

    @Test(arguments: Poller.Kind.available)
    func `more descriptors than one wait returns are all reported`(kind: Poller.Kind) throws {
        var poller = try Poller(kind)
        let wakeups = try (0...Poller.eventsPerWaitMax).map { _ in try Wakeup() }
        for (i, wakeup) in wakeups.enumerated() {
            try poller.watch(wakeup.descriptor, token: UInt64(i))
            wakeup.signal()
        }
        var seen: Set<UInt64> = []
        while seen.count < wakeups.count {
            let count = poller.wait(milliseconds: patienceMilliseconds)
            try #require(count > 0)
            for i in 0..<count {
                seen.insert(poller[i].token)
                wakeups[Int(poller[i].token)].drain()
            }
        }
        #expect(poller.wait(nanoseconds: 0) == 0)
    }
}
