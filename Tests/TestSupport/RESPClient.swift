//  RESPClient.swift — a connection to a server: send a request, wait for its reply.
//
//  Every wait is bounded by `patience`. Words are bytes, since keys and values need not be text.
import Platform

/// Why a test could not go on.
package struct TestFailure: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// One reply, as bytes and taken apart.
package struct RawReply {
    package let bytes: [UInt8]
    package let value: RESPValue
}

package final class RESPClient {
    package let descriptor: Int32
    private var poller: Poller
    private var reader = RESPReader()
    private var isOpen = true
    /// Replies that have not come within so many seconds never will.
    package var patience = 60

    /// Connects to a TCP port, and speaks RESP3 at once if asked to.
    package convenience init(
        port: Int, host: String = "127.0.0.1", version: Int = 2
    ) throws {
        let descriptor = try Socket.connect(address: host, port: UInt16(clamping: port))
        Socket.setNoDelay(descriptor)
        try self.init(descriptor, version)
    }

    /// Connects to a unix socket.
    package convenience init(path: String, version: Int = 2) throws {
        try self.init(try Socket.connect(path: path), version)
    }

    private init(_ descriptor: Int32, _ version: Int) throws {
        self.descriptor = descriptor
        poller = try Poller()
        try poller.watch(descriptor, token: 0, read: false, write: true)
        try wait(write: true)
        if let error = Socket.pendingError(descriptor) { throw error }
        if version == 3 { _ = try self("HELLO", "3") }
    }

    deinit { close() }

    package func close() {
        guard isOpen else { return }
        isOpen = false
        poller.forget(descriptor)
        Socket.close(descriptor)
    }

    /// Says that nothing more will be sent; replies still arrive.
    package func endOutput() { Socket.shutdown(descriptor, read: false, write: true) }

    // MARK: - Requests

    /// Sends one request and waits for its reply.
    package func callAsFunction(_ words: String...) throws -> RESPValue { try send(words) }

    package func send(_ words: [String]) throws -> RESPValue {
        try send(words.map { Array($0.utf8) }).value
    }

    package func send(_ words: [[UInt8]]) throws -> RawReply {
        try write(Self.request(words))
        return try reply()
    }

    /// The same for words that are text.
    package static func request(_ words: [String]) -> [UInt8] {
        request(words.map { Array($0.utf8) })
    }

    /// `words` as bytes on the wire.
    package static func request(_ words: [[UInt8]]) -> [UInt8] {
        var bytes = Array("*\(words.count)\r\n".utf8)
        for word in words {
            bytes += Array("$\(word.count)\r\n".utf8)
            bytes += word
            bytes += [13, 10]
        }
        return bytes
    }

    package static func request(_ words: String...) -> [UInt8] {
        request(words.map { Array($0.utf8) })
    }

    // MARK: - Bytes

    /// Sends bytes as they are; replies that arrive meanwhile are kept.
    package func write(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = Socket.write(descriptor, bytes.span, from: sent)
            if count == Socket.broken { throw TestFailure("the connection is broken") }
            if count > 0 {
                sent += count
                continue
            }
            // A server that waits for us to read would never take more.
            try wait(write: true)
            _ = receive()
        }
    }

    package func write(_ text: String) throws { try write(Array(text.utf8)) }

    /// Sends what the socket takes of `bytes` and reads nothing; false when it takes none.
    package func sendSome(_ bytes: [UInt8]) -> Bool {
        Socket.write(descriptor, bytes.span, from: 0) > 0
    }

    /// Waits for one reply.
    package func reply() throws -> RawReply {
        while true {
            let start = reader.position
            if let value = reader.next() {
                return RawReply(bytes: Array(reader.bytes[start..<reader.position]), value: value)
            }
            guard try receiveMore() else {
                throw TestFailure("the connection ended before the reply")
            }
        }
    }

    /// A reply, if one has arrived.
    package func replyIfAny() throws -> RawReply? {
        _ = receive()
        let start = reader.position
        guard let value = reader.next() else { return nil }
        return RawReply(bytes: Array(reader.bytes[start..<reader.position]), value: value)
    }

    /// Waits for so many replies.
    package func replies(_ count: Int) throws -> [RESPValue] {
        try (0..<count).map { _ in try reply().value }
    }

    /// Everything up to the end of the connection, for which it waits.
    package func readToEnd() throws -> [UInt8] {
        while try receiveMore() {}
        return reader.takeRest()
    }

    /// Waits for bytes and keeps them; false at the end.
    private func receiveMore() throws -> Bool {
        while true {
            switch receive() {
            case Socket.wouldBlock: try wait(write: false)
            case 0, Socket.broken: return false
            default: return true
            }
        }
    }

    private func receive() -> Int {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        var span = chunk.mutableSpan
        let count = Socket.read(descriptor, into: &span)
        if count > 0 { reader.append(chunk[..<count]) }
        return count
    }

    private func wait(write: Bool) throws {
        try poller.modify(descriptor, token: 0, read: true, write: write)
        let deadline = Clock.monotonicNanoseconds() + Int64(patience) * 1_000_000_000
        while Clock.monotonicNanoseconds() < deadline {
            if poller.wait(milliseconds: 1000) > 0 { return }
        }
        throw TestFailure("nothing happened in \(patience) seconds")
    }
}
