//  Wakeup.swift — another thread wants the loop's attention.  U
//
//  ## Safety
//  - S1: the eight bytes read and written are a local's.
import CPlatform
import Synchronization

/// A descriptor that becomes readable when any thread signals it.
public final class Wakeup: Sendable {
    public let descriptor: Int32

    public init() throws(SystemError) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        if descriptor < 0 { throw SystemError.last("eventfd") }
    }

    deinit { _ = CPlatform.close(descriptor) }

    /// Makes the descriptor readable; async-signal-safe.
    public func signal() {
        var one: UInt64 = 1
        _ = unsafe CPlatform.write(descriptor, &one, 8)  // S1
    }

    /// Makes it unreadable again.
    public func drain() {
        var count: UInt64 = 0
        _ = unsafe CPlatform.read(descriptor, &count, 8)  // S1
    }
}

/// Messages from any thread to the loop, in order.
public final class Mailbox<Message: Sendable>: Sendable {
    public let wakeup: Wakeup
    private let messages = Mutex<[Message]>([])

    public init() throws(SystemError) { wakeup = try Wakeup() }

    /// Appends a message and wakes the loop.
    public func post(_ message: Message) {
        messages.withLock { $0.append(message) }
        wakeup.signal()
    }

    /// Takes all messages.
    public func takeAll() -> [Message] {
        wakeup.drain()
        return messages.withLock { messages in
            let taken = messages
            messages = []
            return taken
        }
    }
}
