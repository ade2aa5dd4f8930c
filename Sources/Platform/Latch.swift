//  Latch.swift — one thread waits for a value that another one makes.  U
//
//  ## Safety
//  - S1: mutex and condition live in one allocation from `init` to `deinit` and never move.
import CPlatform

/// A value that is set once; whoever waits for it gets it.
@safe public final class Latch<Value: Sendable>: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var value: Value?

    public init() {
        unsafe lock = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        unsafe pthread_mutex_init(lock, nil)
        unsafe pthread_cond_init(condition, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(lock)
        unsafe condition.deallocate()
        unsafe lock.deallocate()
    }

    /// Sets the value, if none is set yet.
    public func open(_ newValue: Value) {
        unsafe pthread_mutex_lock(lock)
        if value == nil { value = newValue }
        unsafe pthread_cond_broadcast(condition)
        unsafe pthread_mutex_unlock(lock)
    }

    /// Waits until there is a value.
    public func wait() -> Value {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        while true {
            if let value { return value }
            unsafe pthread_cond_wait(condition, lock)
        }
    }
}
