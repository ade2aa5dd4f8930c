//  Poller+Epoll.swift — the poller on Linux's epoll.  U
//
//  ## Safety
//  - S1: `events` has room for `capacity` entries, all initialised, owned by this value alone.
//  - S2: the kernel is told `capacity`, and fills no more.
import CPlatform

/// Level-triggered epoll; see the contract in `Poller.swift`.
@safe struct EpollBackend: ~Copyable {
    private let epoll: Int32
    private let capacity: Int
    private let events: UnsafeMutablePointer<epoll_event>
    /// Whether timeouts are exact to the nanosecond; else they round up to milliseconds.
    private let isPrecise: Bool

    init(events capacity: Int) throws(SystemError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw .last("epoll_create1") }
        self.capacity = capacity
        unsafe events = .allocate(capacity: capacity)
        unsafe events.initialize(repeating: epoll_event(), count: capacity)
        // An old kernel says ENOSYS, a sandbox may say EPERM; both mean the older call.
        var zero = timespec()
        isPrecise = unsafe cp_epoll_wait(epoll, events, 1, &zero) == 0
    }

    deinit {
        unsafe events.deallocate()
        Descriptor.close(epoll)
    }

    func watch(_ descriptor: Int32, token: UInt64, read: Bool, write: Bool) throws(SystemError) {
        try control(EPOLL_CTL_ADD, descriptor, token, read: read, write: write)
    }

    func modify(_ descriptor: Int32, token: UInt64, read: Bool, write: Bool) throws(SystemError) {
        try control(EPOLL_CTL_MOD, descriptor, token, read: read, write: write)
    }

    func forget(_ descriptor: Int32) {
        var event = unsafe epoll_event()
        _ = unsafe epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, &event)
    }

    private func control(
        _ operation: Int32, _ descriptor: Int32, _ token: UInt64, read: Bool, write: Bool
    ) throws(SystemError) {
        var event = unsafe epoll_event()
        var interest: UInt32 = 0
        if read { interest |= EPOLLIN.rawValue }
        if write { interest |= EPOLLOUT.rawValue }
        unsafe event.events = interest
        unsafe event.data.u64 = token
        guard unsafe epoll_ctl(epoll, operation, descriptor, &event) == 0 else {
            throw .last("epoll_ctl")
        }
    }

    func wait(nanoseconds: Int64) -> Int {
        let count: Int32
        if isPrecise && nanoseconds > 0 {
            var timeout = timespec(
                tv_sec: Int(nanoseconds / 1_000_000_000),
                tv_nsec: Int(nanoseconds % 1_000_000_000))
            count = unsafe cp_epoll_wait(epoll, events, Int32(capacity), &timeout)  // S2
        } else {
            // Rounded up: a timer that is not yet due must not make the loop spin.
            let (whole, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000)
            let timeout = nanoseconds < 0 ? -1 : Int32(clamping: whole + (rest > 0 ? 1 : 0))
            count = unsafe epoll_wait(epoll, events, Int32(capacity), timeout)  // S2
        }
        if count >= 0 { return Int(count) }
        let code = cp_errno()
        precondition(code == EINTR, "\(SystemError(operation: "epoll_wait", code: code))")
        return 0
    }

    subscript(i: Int) -> PollEvent {
        precondition(i >= 0 && i < capacity)
        let event = unsafe events[i]  // S1
        let bits = unsafe event.events
        let broken = bits & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
        return unsafe PollEvent(
            token: event.data.u64,
            isReadable: broken || bits & EPOLLIN.rawValue != 0,
            isWritable: bits & EPOLLOUT.rawValue != 0,
            isHangUp: broken)
    }
}
