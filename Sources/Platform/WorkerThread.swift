//  WorkerThread.swift — threads that run one function.  U
//
//  Helper threads do one blocking job each (flushing files, freeing large values); the pool of
//  Swift's concurrency is not made for calls that wait.
//
//  ## Safety
//  - S1: the box is retained once for the new thread, which releases it.
//  - S2: attributes and names are variables of the caller's frame.
import CPlatform

/// A thread of its own for one function.
public struct WorkerThread: Sendable {
    private final class Box: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = String(decoding: name.utf8.prefix(15), as: UTF8.self)
            self.body = body
        }
    }

    private let thread: pthread_t

    /// Starts a thread, which must be joined or detached once: until then its stack stays.
    ///
    /// - Parameters:
    ///   - name: Shown by tools; cut to 15 bytes.
    ///   - stackBytes: The size of its stack; nil takes the system's choice.
    ///   - body: What it does.
    /// - Returns: The thread.
    /// - Throws: The system's refusal of one more thread, or of the size of its stack.
    public static func start(
        name: String, stackBytes: Int? = nil, _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) -> WorkerThread {
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)  // S2
        defer { unsafe pthread_attr_destroy(&attributes) }
        if let stackBytes {
            let status = unsafe pthread_attr_setstacksize(&attributes, stackBytes)
            guard status == 0 else {
                throw SystemError(operation: "pthread_attr_setstacksize", code: status)
            }
        }
        let box = unsafe Unmanaged.passRetained(Box(name, body))  // S1
        var thread = pthread_t()
        let status = unsafe pthread_create(
            &thread, &attributes,
            { context in
                guard let context = unsafe context else { return nil }
                let box = unsafe Unmanaged<Box>.fromOpaque(context).takeRetainedValue()  // S1
                unsafe cp_name_thread(box.name)
                box.body()
                return nil
            }, box.toOpaque())
        guard status == 0 else {
            unsafe box.release()
            throw SystemError(operation: "pthread_create", code: status)
        }
        return WorkerThread(thread: thread)
    }

    /// Lets other threads go before the calling one, by so many steps of `nice`.
    ///
    /// Where threads have no priority of their own, nothing happens.
    public static func lowerPriority(by steps: Int32) {
        #if os(Linux)
            cp_lower_priority(steps)
        #endif
    }

    /// Waits until the function has returned; to be called once.
    public func join() { pthread_join(thread, nil) }

    /// Lets the thread run on its own to its end.
    public func detach() { pthread_detach(thread) }
}
