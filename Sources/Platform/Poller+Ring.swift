//  Poller+Ring.swift — the poller on io_uring: readiness, and streams by completion.
//
//  Readiness is one poll request per descriptor. It is level-triggered because whatever was
//  reported is asked for again by the next `wait`, and the kernel looks before it queues.
//
//  Every request carries a word: four bits say what it is, 60 what it is about. Completions of
//  sends come apart from the others, so that what a socket did not take can be saved before
//  anything new is served.
import CPlatform

/// What one request of a stream came to.
public struct Completion: Sendable, BitwiseCopyable {
    /// What was asked for.
    public enum Operation: UInt8, Sendable {
        /// Nobody asks: a cancellation, a close.
        case none
        case ready, accept, receive, send, readable, writable
    }

    let outcome: Outcome

    /// What the request was started with.
    public var token: UInt64 { outcome.word & Self.tokenMax }
    public var operation: Operation {
        Operation(rawValue: UInt8(truncatingIfNeeded: outcome.word >> 60)) ?? .none
    }
    /// Whether the request goes on; else it has to be made again.
    public var hasMore: Bool { outcome.flags & IORING_CQE_F_MORE != 0 }

    /// Bytes moved, 0 at the end of a stream, `Socket.wouldBlock`, or `Socket.broken`.
    public var count: Int {
        if outcome.result >= 0 { return Int(outcome.result) }
        switch -outcome.result {
        // Without a buffer there is nothing to receive into, which passes.
        case EAGAIN, EINTR, ENOBUFS, ENOMEM, ECANCELED: return Socket.wouldBlock
        default: return Socket.broken
        }
    }

    /// The connection that was accepted, or why there is none.
    public var accepted: Accepted {
        if outcome.result >= 0 { return .connection(outcome.result) }
        return outcome.result == -ECANCELED ? .none : Accepted(code: -outcome.result)
    }

    /// Tokens of streams have 60 bits.
    static let tokenMax: UInt64 = 1 << 60 - 1

    static func word(_ operation: Operation, _ token: UInt64) -> UInt64 {
        precondition(token <= tokenMax)
        return UInt64(operation.rawValue) << 60 | token
    }
}

/// Readiness and streams on a ring; see the contracts in `Poller.swift` and `Poller+Streams.swift`.
struct RingBackend: ~Copyable {
    /// A descriptor whose readiness is asked for.
    private struct Registration {
        var token: UInt64
        var interest: UInt32
        /// Tells its requests from those of earlier registrations; 28 bits.
        var generation: UInt32
        var isArmed = false
    }

    private(set) var ring: Ring
    private var registrations: [Int32: Registration] = [:]
    private var generation: UInt32 = 0
    /// Descriptors to ask about again, because the last answer was reported.
    private var reported = Batch<Int32>()
    private(set) var events = Batch<PollEvent>()
    private(set) var sends = Batch<Completion>()
    private(set) var completions = Batch<Completion>()

    init() throws(SystemError) { ring = try Ring() }

    // MARK: - Readiness

    mutating func watch(_ fd: Int32, token: UInt64, read: Bool, write: Bool) throws(SystemError) {
        guard registrations[fd] == nil else {
            throw SystemError(operation: "io_uring", code: EEXIST)
        }
        generation = (generation &+ 1) & 0xFFF_FFFF
        registrations[fd] = Registration(
            token: token, interest: Self.interest(read, write), generation: generation)
        arm(fd)
    }

    mutating func modify(_ fd: Int32, token: UInt64, read: Bool, write: Bool) throws(SystemError) {
        guard let old = registrations[fd] else {
            throw SystemError(operation: "io_uring", code: ENOENT)
        }
        cancelPoll(fd, old)
        registrations[fd] = nil
        try watch(fd, token: token, read: read, write: write)
    }

    mutating func forget(_ fd: Int32) {
        guard let old = registrations.removeValue(forKey: fd) else { return }
        cancelPoll(fd, old)
        // The request holds the file open, and the caller is about to close it.
        if old.isArmed { submit() }
    }

    private static func interest(_ read: Bool, _ write: Bool) -> UInt32 {
        (read ? UInt32(POLLIN) : 0) | (write ? UInt32(POLLOUT) : 0)
    }

    private static func word(_ fd: Int32, _ registration: Registration) -> UInt64 {
        let token = UInt64(UInt32(bitPattern: fd)) | UInt64(registration.generation) << 32
        return Completion.word(.ready, token)
    }

    private mutating func arm(_ fd: Int32) {
        guard let registration = registrations[fd], !registration.isArmed else { return }
        registrations[fd]?.isArmed = true
        poll(fd, registration.interest, Self.word(fd, registration))
    }

    private mutating func poll(_ fd: Int32, _ interest: UInt32, _ word: UInt64) {
        var request = Submission(IORING_OP_POLL_ADD, fd, word)
        request.details = interest.littleEndian
        ring.push(request)
    }

    private mutating func cancelPoll(_ fd: Int32, _ registration: Registration) {
        if registration.isArmed { cancel(Self.word(fd, registration)) }
    }

    private mutating func cancel(_ word: UInt64) {
        var request = Submission(IORING_OP_ASYNC_CANCEL, -1, 0)
        request.flags = UInt8(cp_ring_skip_success)
        request.address = word
        ring.push(request)
    }

    // MARK: - Streams

    mutating func accept(_ listener: Int32, _ token: UInt64) {
        var request = Submission(IORING_OP_ACCEPT, listener, Completion.word(.accept, token))
        request.priority = UInt16(IORING_ACCEPT_MULTISHOT)
        request.details = SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
        ring.push(request)
    }

    mutating func receive(_ fd: Int32, _ token: UInt64) {
        var request = Submission(IORING_OP_RECV, fd, Completion.word(.receive, token))
        request.priority = UInt16(IORING_RECV_MULTISHOT)
        request.flags = UInt8(cp_ring_select_buffer)
        ring.push(request)
    }

    mutating func send(_ fd: Int32, _ token: UInt64, _ bytes: Span<UInt8>, isReported: Bool) {
        // More than the kernel moves at once looks like a short send, which is always reported.
        let most = 1 << 30
        var request = Submission(IORING_OP_SEND, fd, Completion.word(.send, token))
        request.point(to: bytes, min(bytes.count, most))
        request.details = UInt32(
            bitPattern: Int32(MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL))
        if !isReported, bytes.count <= most { request.flags = UInt8(cp_ring_skip_success) }
        ring.push(request)
    }

    mutating func awaitWritable(_ fd: Int32, _ token: UInt64) {
        poll(fd, UInt32(POLLOUT), Completion.word(.writable, token))
    }

    mutating func awaitReadable(_ fd: Int32, _ token: UInt64) {
        poll(fd, UInt32(POLLIN), Completion.word(.readable, token))
    }

    mutating func stopReceiving(_ token: UInt64) { cancel(Completion.word(.receive, token)) }

    mutating func close(
        _ fd: Int32, _ token: UInt64, isReceiving: Bool, awaitsReadable: Bool, awaitsWritable: Bool
    ) {
        if isReceiving { cancel(Completion.word(.receive, token)) }
        if awaitsReadable { cancel(Completion.word(.readable, token)) }
        if awaitsWritable { cancel(Completion.word(.writable, token)) }
        var request = Submission(IORING_OP_CLOSE, fd, 0)
        request.flags = UInt8(cp_ring_skip_success)
        ring.push(request)
    }

    mutating func stop(_ listener: Int32) {
        submit()
        ring.cancel(descriptor: listener)
    }

    // MARK: - Waiting

    mutating func wait(nanoseconds: Int64) -> Int {
        returnBuffers()
        events.removeAll()
        sends.removeAll()
        completions.removeAll()
        askAgain()
        ring.enter(waitingFor: nanoseconds == 0 ? 0 : 1, nanoseconds: nanoseconds)
        collect()
        // The memory of sends is free afterwards, so all of them have to be with the kernel and
        // back.
        while ring.pending > 0 || ring.hasOverflowed {
            ring.enter(waitingFor: 0, nanoseconds: 0)
            collect()
        }
        return events.count
    }

    /// Whatever was reported is asked for again.
    private mutating func askAgain() {
        for i in 0..<reported.count { arm(reported[i]) }
        reported.removeAll()
    }

    /// Hands over what is queued, without waiting; completions stay for the next `wait`.
    mutating func submit() {
        while ring.pending > 0 { ring.enter(waitingFor: 0, nanoseconds: 0) }
    }

    /// Hands over what is queued and ends everything that goes on.
    mutating func finish() {
        submit()
        ring.cancelAll()
        collect()
        for i in 0..<completions.count where completions[i].operation == .accept {
            if case .connection(let fd) = completions[i].accepted { Descriptor.close(fd) }
        }
        completions.removeAll()
    }

    private mutating func collect() {
        while let outcome = ring.next() {
            let completion = Completion(outcome: outcome)
            switch completion.operation {
            case .none: break
            case .ready: report(completion)
            case .send: sends.append(completion)
            case .accept, .receive, .readable, .writable: completions.append(completion)
            }
        }
        ring.releaseCompletions()
    }

    private mutating func report(_ completion: Completion) {
        let fd = Int32(truncatingIfNeeded: completion.token)
        guard var registration = registrations[fd],
            registration.generation == UInt32(truncatingIfNeeded: completion.token >> 32)
        else { return }
        registration.isArmed = false
        registrations[fd] = registration
        reported.append(fd)
        let result = completion.outcome.result
        let bits = result < 0 ? UInt32(POLLERR) : UInt32(result)
        let isBroken = bits & UInt32(POLLERR | POLLHUP) != 0
        events.append(
            PollEvent(
                token: registration.token, isReadable: isBroken || bits & UInt32(POLLIN) != 0,
                isWritable: bits & UInt32(POLLOUT) != 0, isHangUp: isBroken))
    }

    /// What was received in the last turn has been served.
    private mutating func returnBuffers() {
        var isChanged = false
        for i in 0..<completions.count {
            guard let buffer = Ring.buffer(completions[i].outcome.flags) else { continue }
            ring.provide(buffer)
            isChanged = true
        }
        if isChanged { ring.publishBuffers() }
    }

    /// The bytes of a completed receive, until the next `wait`.
    @_lifetime(borrow self)
    func bytes(_ completion: Completion) -> Span<UInt8> {
        guard let buffer = Ring.buffer(completion.outcome.flags) else { return Span() }
        return ring.bytes(buffer, max(completion.count, 0))
    }
}
