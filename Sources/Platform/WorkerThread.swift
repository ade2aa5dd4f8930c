//  WorkerThread.swift — threads that run one function.  U
//
//  ## Safety
//  - S1: the box is retained once for the new thread, which releases it.
import CPlatform
import Synchronization

/// A thread of its own for one function.
public struct WorkerThread: Sendable {
    private final class Box: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    private let thread: pthread_t

    /// Starts a thread; when the system refuses one, `body` runs on the caller's.
    ///
    /// - Parameter name: At most 15 characters, shown by tools.
    @discardableResult
    public static func start(
        name: String, _ body: @escaping @Sendable () -> Void
    ) -> WorkerThread? {
        let box = unsafe Unmanaged.passRetained(Box(name, body))  // S1
        var thread = pthread_t()
        let error = unsafe pthread_create(&thread, nil, { context in
            guard let context = unsafe context else { return nil }
            let box = unsafe Unmanaged<Box>.fromOpaque(context).takeRetainedValue()
            unsafe cp_name_thread(box.name)
            box.body()
            return nil
        }, box.toOpaque())
        if error != 0 {
            unsafe box.takeRetainedValue().body()
            return nil
        }
        return WorkerThread(thread: thread)
    }

    /// Waits until the function has returned; to be called once.
    public func join() { pthread_join(thread, nil) }
}
