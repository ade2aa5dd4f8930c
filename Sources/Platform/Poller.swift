//  Poller.swift — which descriptors are ready, behind one small interface.
//
//  Level-triggered: a descriptor is reported as long as it is ready. Each registration carries a
//  64-bit token that comes back with its events. `Poller` is the seam for further backends; the
//  loop knows nothing but these methods.

/// What happened to one descriptor.
public struct PollEvent: Sendable {
    public let token: UInt64
    public let isReadable: Bool
    public let isWritable: Bool
}

public struct Poller: ~Copyable {
    private var backend: EpollBackend

    /// - Throws: `SystemError` when the kernel refuses another descriptor.
    public init() throws(SystemError) { backend = try EpollBackend() }

    /// Starts to watch `descriptor`.
    public mutating func watch(
        _ descriptor: Int32, token: UInt64, read: Bool = true, write: Bool = false
    ) throws(SystemError) {
        try backend.add(descriptor, token: token, read: read, write: write)
    }

    /// Changes what is watched for.
    public mutating func modify(
        _ descriptor: Int32, token: UInt64, read: Bool = true, write: Bool
    ) throws(SystemError) {
        try backend.modify(descriptor, token: token, read: read, write: write)
    }

    /// Stops watching; to be called before the descriptor is closed.
    public mutating func forget(_ descriptor: Int32) { backend.remove(descriptor) }

    /// Waits until something is ready and returns how many events there are.
    ///
    /// - Parameter milliseconds: How long to wait at most; negative means for ever.
    public mutating func wait(milliseconds: Int32) -> Int { backend.wait(milliseconds) }

    /// Event `i` of the last `wait`.
    public subscript(i: Int) -> PollEvent { backend.event(i) }
}
