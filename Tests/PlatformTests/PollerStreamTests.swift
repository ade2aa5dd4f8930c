//  PollerStreamTests.swift — accepting, receiving and sending by completion.
import Testing

@testable import Platform

private let patienceMilliseconds: Int32 = 10_000

@Suite("Poller streams", .enabled(if: Poller.Kind.ioUring.isAvailable, "io_uring is refused"))
struct PollerStreamTests {
    /// The completions of the next wait that brings any.
    private func completions(_ poller: inout Poller) -> [Completion] {
        for _ in 0..<100 {
            _ = poller.wait(milliseconds: patienceMilliseconds / 100)
            if poller.completionCount > 0 { break }
        }
        return (0..<poller.completionCount).map { poller.completion($0) }
    }

    private func bytes(_ poller: borrowing Poller, _ completion: Completion) -> [UInt8] {
        let span = poller.bytes(completion)
        return (0..<span.count).map { span[$0] }
    }

    private func text(_ poller: borrowing Poller, _ completion: Completion) -> String {
        String(decoding: bytes(poller, completion), as: UTF8.self)
    }

    /// Whether `descriptor` is closed by now.
    private func isClosed(_ descriptor: Int32) -> Bool {
        (try? Descriptor.setNonBlocking(descriptor)) == nil
    }

    @Test func `connections are accepted and bytes received as long as they come`() throws {
        var poller = try Poller(.ioUring)
        let listener = try Socket.listen(address: "127.0.0.1", port: 0, backlog: 8)
        defer { Socket.close(listener) }
        poller.accept(listener, token: 5)
        for i in 0..<3 {
            let client = try Socket.connect(
                address: "127.0.0.1", port: Socket.port(of: listener))
            defer { Socket.close(client) }
            let accepted = try #require(completions(&poller).first)
            #expect(accepted.operation == .accept && accepted.token == 5 && accepted.hasMore)
            guard case .connection(let served) = accepted.accepted else {
                Issue.record("\(accepted)")
                return
            }
            poller.receive(served, token: 70 + UInt64(i))
            for word in ["one", "two"] {
                #expect(Socket.write(client, Array(word.utf8).span) == 3)
                let received = try #require(completions(&poller).first)
                #expect(received.operation == .receive && received.token == 70 + UInt64(i))
                #expect(received.hasMore && text(poller, received) == word)
            }
            Socket.shutdown(client, read: false, write: true)
            let end = try #require(completions(&poller).first)
            #expect(end.count == 0 && !end.hasMore)
            poller.close(
                served, token: 70 + UInt64(i), isReceiving: false, awaitsReadable: false,
                awaitsWritable: false)
        }
        poller.stopAccepting(listener)
    }

    @Test func `only sends that matter are reported, in full or in part`() throws {
        let pair = try SocketPair()
        var poller = try Poller(.ioUring)
        let small = Array("small".utf8), large = [UInt8](repeating: 7, count: 10_000_000)
        poller.send(pair.a, token: 1, small.span, isReported: false)
        _ = poller.wait(nanoseconds: 0)
        #expect(poller.reportedSends == 0)
        #expect(pair.read() == 5)
        poller.send(pair.a, token: 2, small.span, isReported: true)
        _ = poller.wait(nanoseconds: 0)
        #expect(poller.reportedSends == 1 && poller.reportedSend(0).count == 5)
        #expect(pair.read() == 5)

        poller.send(pair.a, token: 3, large.span, isReported: false)
        _ = poller.wait(nanoseconds: 0)
        try #require(poller.reportedSends == 1)
        let sent = poller.reportedSend(0)
        #expect(sent.token == 3 && sent.count > 0 && sent.count < large.count)
        poller.send(pair.a, token: 4, small.span, isReported: false)
        _ = poller.wait(nanoseconds: 0)
        #expect(poller.reportedSends == 1 && poller.reportedSend(0).count == Socket.wouldBlock)

        poller.awaitWritable(pair.a, token: 9)
        _ = poller.wait(nanoseconds: 0)
        #expect(poller.completionCount == 0)
        var read = 0
        while read < sent.count { read += max(pair.read(1 << 16), 1) }
        #expect(read == sent.count)
        let writable = try #require(completions(&poller).first)
        #expect(writable.operation == .writable && writable.token == 9)
    }

    @Test func `more bytes than the buffers hold arrive in order`() throws {
        let pair = try SocketPair()
        var poller = try Poller(.ioUring)
        let total = Ring.bufferCount * Ring.bufferBytes * 2 + 12_345
        let source = (0..<total).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 13) }
        var written = 0, received: [UInt8] = [], ends = 0
        poller.receive(pair.b, token: 1)
        while received.count < total {
            let n = Socket.write(pair.a, source.span, from: written)
            if n > 0 { written += n }
            for completion in completions(&poller) {
                received += bytes(poller, completion)
                if completion.hasMore { continue }
                #expect(completion.count > 0 || completion.count == Socket.wouldBlock)
                ends += 1
                try #require(ends < 10_000)
                poller.receive(pair.b, token: 1)
            }
        }
        #expect(received == source)
    }

    @Test func `more connections than buffers are all received from`() throws {
        var poller = try Poller(.ioUring)
        let pairs = try (0..<Ring.bufferCount * 2).map { _ in try SocketPair() }
        for (i, pair) in pairs.enumerated() {
            poller.receive(pair.b, token: UInt64(i))
            #expect(pair.write("\(i)") > 0)
        }
        var seen: [UInt64: String] = [:]
        while seen.count < pairs.count {
            let all = completions(&poller)
            try #require(!all.isEmpty)
            for completion in all {
                if completion.count > 0 { seen[completion.token] = text(poller, completion) }
                if completion.hasMore { continue }
                poller.receive(pairs[Int(completion.token)].b, token: completion.token)
            }
        }
        for i in pairs.indices { #expect(seen[UInt64(i)] == "\(i)") }
    }

    @Test func `closing ends what goes on, behind what is queued`() throws {
        let (a, b) = try Socket.pair()
        defer { Socket.close(a) }
        var poller = try Poller(.ioUring)
        poller.receive(b, token: 1)
        poller.awaitWritable(b, token: 1)
        _ = poller.wait(nanoseconds: 0)
        poller.awaitWritable(b, token: 2)
        let last = Array("last words".utf8)
        poller.send(b, token: 1, last.span, isReported: false)
        poller.close(b, token: 1, isReceiving: true, awaitsReadable: false, awaitsWritable: false)
        #expect(!isClosed(b), "not before the kernel has let go")
        _ = poller.wait(nanoseconds: 0)
        #expect(isClosed(b))
        for i in 0..<poller.completionCount where poller.completion(i).operation == .receive {
            #expect(
                poller.completion(i).count == Socket.wouldBlock && !poller.completion(i).hasMore)
        }
        var bytes = [UInt8](repeating: 0, count: 100)
        var span = bytes.mutableSpan
        #expect(Socket.read(a, into: &span) == last.count)
        span = bytes.mutableSpan
        #expect(Socket.read(a, into: &span) == 0, "the peer sees the end")
    }

    @Test func `no report is lost when there are more than the rings hold`() throws {
        let (a, b) = try Socket.pair()
        defer { Socket.close(b) }
        Socket.close(a)
        var poller = try Poller(.ioUring)
        let count = Int(Ring.completionCount) * 3
        let bytes: [UInt8] = [1]
        for i in 0..<count {
            poller.send(b, token: UInt64(i), bytes.span, isReported: false)
        }
        _ = poller.wait(nanoseconds: 0)
        #expect(poller.reportedSends == count)
        for i in 0..<poller.reportedSends {
            #expect(poller.reportedSend(i).token == UInt64(i))
            #expect(poller.reportedSend(i).count == Socket.broken)
        }
    }

    @Test func `the port of a listener that stopped accepting is free at once`() throws {
        var poller = try Poller(.ioUring)
        let listener = try Socket.listen(address: "127.0.0.1", port: 0, backlog: 8)
        let port = Socket.port(of: listener)
        poller.accept(listener, token: 1)
        _ = poller.wait(nanoseconds: 0)
        poller.stopAccepting(listener)
        Socket.close(listener)
        Socket.close(try Socket.listen(address: "127.0.0.1", port: port, backlog: 8))
    }

    @Test func `a poller that finishes sends, and closes whom nobody has met`() throws {
        let pair = try SocketPair()
        var poller = try Poller(.ioUring)
        let listener = try Socket.listen(address: "127.0.0.1", port: 0, backlog: 8)
        defer { Socket.close(listener) }
        poller.accept(listener, token: 1)
        poller.receive(pair.a, token: 2)
        _ = poller.wait(nanoseconds: 0)
        let client = try Socket.connect(address: "127.0.0.1", port: Socket.port(of: listener))
        defer { Socket.close(client) }
        #expect(Descriptor.waitUntilReady(client, write: true, timeoutMilliseconds: 10_000))
        let word: [UInt8] = [1, 2, 3]
        poller.send(pair.a, token: 3, word.span, isReported: false)
        poller.finish()
        #expect(pair.read() == 3)
        #expect(Descriptor.waitUntilReady(client, timeoutMilliseconds: 10_000), "the end")
    }

    @Test func `a wait without completions lasts as long as it was told`() throws {
        let pair = try SocketPair()
        var poller = try Poller(.ioUring)
        poller.receive(pair.b, token: 1)
        let start = Clock.monotonicNanoseconds()
        #expect(poller.wait(nanoseconds: 2_000_000) == 0)
        #expect(Clock.monotonicNanoseconds() - start >= 2_000_000)
        #expect(poller.completionCount == 0)
    }
}
