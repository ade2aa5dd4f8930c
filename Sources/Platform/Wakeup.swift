//  Wakeup.swift — how other threads reach the event loop.  U
//
//  A `Wakeup` is a descriptor that any thread can make readable; a `Mailbox` adds a queue. The
//  loop watches `descriptor` like any other, and drains when it is readable.
//
//  ## Safety
//  - S1: the kernel reads and writes eight bytes of a variable of the caller's frame.
import CPlatform
import Synchronization

/// Makes a descriptor readable from any thread.
public final class Wakeup: Sendable {
    /// What the event loop watches for reading.
    public let descriptor: Int32

    /// Opens an event descriptor.
    public init() throws(SystemError) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard descriptor >= 0 else { throw .last("eventfd") }
    }

    deinit { Descriptor.close(descriptor) }

    /// Makes the descriptor readable until the next `drain`; many signals count as one.
    public func signal() {
        var one: UInt64 = 1
        // Fails only when 2^64 - 1 signals are pending, and then it is readable anyway.
        while unsafe write(descriptor, &one, 8) < 0, cp_errno() == EINTR {}  // S1
    }

    /// Makes the descriptor unreadable.
    ///
    /// Call it before looking for work: work that arrives later signals again.
    public func drain() {
        var count: UInt64 = 0
        while unsafe read(descriptor, &count, 8) < 0, cp_errno() == EINTR {}  // S1
    }

    /// Waits for a signal; for threads without an event loop.
    ///
    /// - Parameter timeoutMilliseconds: Negative waits for ever.
    /// - Returns: Whether there was a signal in time.
    public func wait(timeoutMilliseconds: Int32) -> Bool {
        Descriptor.waitUntilReady(descriptor, timeoutMilliseconds: timeoutMilliseconds)
    }
}

/// A queue from any number of threads to one.
///
/// Messages of one sender arrive in the order in which it posted them.
public final class Mailbox<Message: Sendable>: Sendable {
    private let queue = Mutex<[Message]>([])
    /// What wakes the receiver; its event loop watches this descriptor for reading.
    public let wakeup: Wakeup

    /// Opens an empty mailbox; several may share one wake-up if their owner drains them all.
    public init(_ wakeup: Wakeup? = nil) throws(SystemError) {
        if let wakeup {
            self.wakeup = wakeup
        } else {
            self.wakeup = try Wakeup()
        }
    }

    /// Appends a message and wakes the receiver.
    public func post(_ message: Message) {
        let wasEmpty = queue.withLock { queue in
            queue.append(message)
            return queue.count == 1
        }
        // Whoever found the queue empty has signalled, and the receiver has yet to look.
        if wasEmpty { wakeup.signal() }
    }

    /// Takes all messages; for the receiver.
    public func takeAll() -> [Message] {
        // In this order: a message posted after the queue was emptied signals again.
        wakeup.drain()
        return queue.withLock { queue in
            let messages = queue
            queue = []
            return messages
        }
    }

    /// Takes all messages, waiting for the first; for a receiver without an event loop.
    ///
    /// - Parameter timeoutMilliseconds: Negative waits for ever.
    /// - Returns: No messages when none came in time.
    public func takeAll(waitingMilliseconds timeoutMilliseconds: Int32) -> [Message] {
        _ = wakeup.wait(timeoutMilliseconds: timeoutMilliseconds)
        return takeAll()
    }
}
