//  Poller.swift — which descriptors can be read or written now.
//
//  One small interface in front of the kernel's readiness calls. The backend is chosen when the
//  poller is made and never changes; asking which one it is costs a predicted branch per call, and
//  there is no existential.
//
//  Contract, the same for every backend:
//  - Readiness is level-triggered: what was not consumed is reported again by the next `wait`.
//  - Every registration carries a token of 64 bits that comes back with its events; the poller
//    never looks into it. One descriptor is registered at most once.
//  - Errors and hang-ups are reported whether or not anything was asked for.
//  - `forget` comes before `close`. Events of the current turn that were fetched before `forget`
//    are still in the list, so a token that is reused needs a generation number to tell them apart.
//  - All calls come from one thread. Other threads reach it through a `Wakeup`.
//
//  io_uring can do more than tell readiness; see Poller+Streams.swift. It serves one thread for
//  life: the one that made the poller.

/// What happened to one descriptor.
public struct PollEvent: Sendable, Equatable, BitwiseCopyable {
    /// The token that the descriptor was registered with.
    public let token: UInt64
    /// A read will not block: it returns bytes, the end, or an error.
    public let isReadable: Bool
    /// A write will not block: it takes bytes or returns an error.
    public let isWritable: Bool
    /// The connection is broken or closed in both directions, and `isReadable` says so as well.
    ///
    /// Reported whatever was asked for, so whoever does not read must close, or every wait
    /// returns at once.
    public let isHangUp: Bool
}

/// Waits for readiness of many descriptors.
public struct Poller: ~Copyable {
    /// The kernel interfaces there are.
    public enum Kind: String, Sendable, CaseIterable {
        /// Level-triggered epoll, which is always there.
        case epoll
        /// Requests and completions in shared memory; old kernels and sandboxes refuse it.
        case ioUring = "io_uring"

        /// Whether this process may use it.
        public var isAvailable: Bool { (try? Poller(self)) != nil }
    }

    /// Events fetched from epoll by one `wait` at most; the rest follow with the next one.
    public static let eventsPerWaitMax = 1024

    /// The kernel interface in use.
    public let kind: Kind
    /// One of the two is there.
    private let epoll: EpollBackend?
    var ring: Box<RingBackend>?
    /// Whether streams are served by completion; see Poller+Streams.swift.
    public let completesStreams: Bool

    /// Opens a poller.
    public init(_ kind: Kind = .epoll) throws(SystemError) {
        switch kind {
        case .epoll: self.init(try EpollBackend(events: Poller.eventsPerWaitMax), nil)
        case .ioUring: self.init(nil, Box(try RingBackend()))
        }
    }

    private init(_ epoll: consuming EpollBackend?, _ ring: consuming Box<RingBackend>?) {
        switch epoll {
        case .some: kind = .epoll
        case .none: kind = .ioUring
        }
        completesStreams = kind == .ioUring
        self.epoll = epoll
        self.ring = ring
    }

    /// Registers a descriptor that is not yet registered.
    public mutating func watch(
        _ descriptor: Int32, token: UInt64, read: Bool = true, write: Bool = false
    ) throws(SystemError) {
        try epoll?.watch(descriptor, token: token, read: read, write: write)
        try ring?.value.watch(descriptor, token: token, read: read, write: write)
    }

    /// Replaces what is asked of a registered descriptor, and its token.
    public mutating func modify(
        _ descriptor: Int32, token: UInt64, read: Bool = true, write: Bool
    ) throws(SystemError) {
        try epoll?.modify(descriptor, token: token, read: read, write: write)
        try ring?.value.modify(descriptor, token: token, read: read, write: write)
    }

    /// Ends a registration; does nothing if there is none.
    public mutating func forget(_ descriptor: Int32) {
        epoll?.forget(descriptor)
        ring?.value.forget(descriptor)
    }

    /// Waits until something is ready.
    ///
    /// A signal ends the wait early with no events.
    ///
    /// - Parameter nanoseconds: How long at most; 0 does not wait, negative means for ever.
    /// - Returns: How many events there are.
    public mutating func wait(nanoseconds: Int64) -> Int {
        epoll?.wait(nanoseconds: nanoseconds) ?? ring?.value.wait(nanoseconds: nanoseconds) ?? 0
    }

    /// Waits as `wait(nanoseconds:)` does.
    public mutating func wait(milliseconds: Int32) -> Int {
        wait(nanoseconds: Int64(milliseconds) * 1_000_000)
    }

    /// Event `i` of the last `wait`, which returned more than `i`.
    public subscript(i: Int) -> PollEvent {
        switch epoll {
        case .some(let epoll): return epoll[i]
        case .none: break
        }
        switch ring {
        case .some(let ring): return ring.value.events[i]
        case .none: preconditionFailure("no backend")
        }
    }
}
