//  Poller+Epoll.swift — readiness by epoll.  U
//
//  ## Safety
//  - S1: `events` has room for `capacity` entries, of which the kernel has filled `ready`.
import CPlatform

@safe struct EpollBackend: ~Copyable {
    private static var capacity: Int { 1024 }
    private let epoll: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    private var ready = 0

    init() throws(SystemError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        unsafe events = .allocate(capacity: Self.capacity)
        if epoll < 0 { throw SystemError.last("epoll_create1") }
    }

    deinit {
        unsafe events.deallocate()
        if epoll >= 0 { close(epoll) }
    }

    func add(_ fd: Int32, token: UInt64, read: Bool, write: Bool) throws(SystemError) {
        try control(EPOLL_CTL_ADD, fd, token, read, write)
    }

    func modify(_ fd: Int32, token: UInt64, read: Bool, write: Bool) throws(SystemError) {
        try control(EPOLL_CTL_MOD, fd, token, read, write)
    }

    func remove(_ fd: Int32) { _ = epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nil) }

    private func control(
        _ operation: Int32, _ fd: Int32, _ token: UInt64, _ read: Bool, _ write: Bool
    ) throws(SystemError) {
        var event = unsafe epoll_event()
        unsafe event.events = (read ? EPOLLIN.rawValue : 0) | (write ? EPOLLOUT.rawValue : 0)
        unsafe event.data.u64 = token
        if unsafe epoll_ctl(epoll, operation, fd, &event) != 0 {
            throw SystemError.last("epoll_ctl")
        }
    }

    mutating func wait(_ milliseconds: Int32) -> Int {
        // An interrupted wait reports nothing; the loop comes round again.
        let n = unsafe epoll_wait(epoll, events, Int32(Self.capacity), milliseconds)
        ready = max(Int(n), 0)
        return ready
    }

    func event(_ i: Int) -> PollEvent {
        precondition(i >= 0 && i < ready)  // S1
        let event = unsafe events[i]
        let flags = unsafe event.events
        // Errors and hang-ups show when the descriptor is read.
        return PollEvent(
            token: unsafe event.data.u64, isReadable: flags & ~EPOLLOUT.rawValue != 0,
            isWritable: flags & EPOLLOUT.rawValue != 0)
    }
}
