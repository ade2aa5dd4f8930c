//  Ring.swift — requests to the kernel and their completions in shared memory: io_uring.  U
//
//  Two rings are mapped from the kernel: requests go into the submission ring, and one system
//  call hands over all of them and waits for completions. A third ring, of buffers, tells the
//  kernel where received bytes may go, so that a connection that waits needs no buffer of its own.
//
//  The flags of the setup matter more than the interface. With `DEFER_TASKRUN` the kernel works
//  on completions only inside our own calls, never in the middle of our code, so between two calls
//  nothing of what is mapped here changes; it requires one thread that does it all
//  (`SINGLE_ISSUER`). `SUBMIT_ALL` goes on after a request that is refused.
//
//  The layouts of entries are the kernel's (include/uapi/linux/io_uring.h); the fields have the
//  names of what they carry for the requests made here. Kernel 6.1 has all of it.
//
//  ## Safety
//  - S1: `rings` and `submissions` are mappings of the sizes that the kernel was asked for with
//    the offsets that it returned; they live as long as the value.
//  - S2: an index is masked with the ring's size before it is used.
//  - S3: `space` is `bufferCount` buffers of `bufferBytes`, and `bufferRing` as many entries. The
//    kernel writes into a buffer only between `provide` and the completion that names it.
//  - S4: memory that a request refers to is in place until the kernel has taken it: the caller of
//    `Submission.send` sees to that.
//  - S5: before the memory goes, every request is cancelled and the ring is closed.
import CPlatform

/// One request: `struct io_uring_sqe`.
struct Submission {
    var operation: UInt8 = 0
    var flags: UInt8 = 0
    var priority: UInt16 = 0
    var descriptor: Int32 = -1
    var offset: UInt64 = 0
    var address: UInt64 = 0
    var length: UInt32 = 0
    var details: UInt32 = 0
    var word: UInt64 = 0
    var bufferGroup: UInt16 = 0
    var personality: UInt16 = 0
    var file: Int32 = 0
    var address3: UInt64 = 0
    private var padding: UInt64 = 0

    init(_ operation: io_uring_op, _ descriptor: Int32, _ word: UInt64) {
        self.operation = UInt8(truncatingIfNeeded: operation.rawValue)
        self.descriptor = descriptor
        self.word = word
    }

    /// Refers to the first `count` of `bytes`; S4.
    mutating func point(to bytes: Span<UInt8>, _ count: Int) {
        unsafe bytes.withUnsafeBytes { address = UInt64(UInt(bitPattern: $0.baseAddress)) }
        length = UInt32(count)
    }
}

/// One outcome: `struct io_uring_cqe`.
struct Outcome {
    var word: UInt64 = 0
    var result: Int32 = 0
    var flags: UInt32 = 0
}

/// One buffer to receive into: `struct io_uring_buf`.
private struct ProvidedBuffer {
    var address: UInt64 = 0
    var length: UInt32 = 0
    var id: UInt16 = 0
    /// Of the first entry: the tail of the ring.
    var tail: UInt16 = 0
}

/// The argument of registering a ring of buffers: `struct io_uring_buf_reg`.
private struct BufferRegistration {
    var address: UInt64 = 0
    var entries: UInt32 = 0
    var group: UInt16 = 0
    var flags: UInt16 = 0
    var reserved: (UInt64, UInt64, UInt64) = (0, 0, 0)
}

/// The argument of cancelling at once: `struct io_uring_sync_cancel_reg`.
private struct Cancellation {
    var word: UInt64 = 0
    var descriptor: Int32 = -1
    var flags: UInt32 = 0
    /// No limit.
    var timeout: (Int64, Int64) = (-1, -1)
    var reserved: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
}

@safe struct Ring: ~Copyable {
    static var submissionCount: UInt32 { 1024 }
    static var completionCount: UInt32 { 4096 }
    static var bufferCount: Int { 128 }
    static var bufferBytes: Int { 16 << 10 }

    private let descriptor: Int32
    private let rings: UnsafeMutableRawPointer
    private let ringBytes: Int
    private let submissions: UnsafeMutablePointer<Submission>
    private let submissionBytes: Int
    private let outcomes: UnsafeMutablePointer<Outcome>
    private let submissionHead: UnsafeMutablePointer<UInt32>
    private let submissionTail: UnsafeMutablePointer<UInt32>
    private let submissionFlags: UnsafeMutablePointer<UInt32>
    private let completionHead: UnsafeMutablePointer<UInt32>
    private let completionTail: UnsafeMutablePointer<UInt32>
    private let submissionMask: UInt32
    private let completionMask: UInt32
    /// Our side of the rings; the kernel learns of `tail` with the next call.
    private var tail: UInt32 = 0
    private var head: UInt32 = 0

    private let bufferRing: UnsafeMutablePointer<ProvidedBuffer>
    private let space: UnsafeMutablePointer<UInt8>
    private var bufferTail: UInt16 = 0

    // MARK: - Opening and closing

    /// Opens a ring.
    ///
    /// - Throws: When the kernel is too old or the sandbox does not allow it.
    init() throws(SystemError) {
        var parameters = io_uring_params()
        parameters.flags =
            IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_DEFER_TASKRUN
            | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE
        parameters.cq_entries = Self.completionCount
        let fd = unsafe cp_ring_setup(Self.submissionCount, &parameters)
        guard fd >= 0 else { throw .last("io_uring_setup") }
        let sq = parameters.sq_off, cq = parameters.cq_off
        let ringBytes = max(
            Int(sq.array) + Int(parameters.sq_entries) * MemoryLayout<UInt32>.size,
            Int(cq.cqes) + Int(parameters.cq_entries) * MemoryLayout<Outcome>.size)
        let submissionBytes = Int(parameters.sq_entries) * MemoryLayout<Submission>.stride
        let wanted = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG
        let isComplete = parameters.features & wanted == wanted
        let rings = unsafe isComplete ? Self.map(ringBytes, fd, IORING_OFF_SQ_RING) : nil
        let entries = unsafe isComplete ? Self.map(submissionBytes, fd, IORING_OFF_SQES) : nil
        let spaceBytes = Self.bufferCount * Self.bufferBytes
        let ringOfBuffers = unsafe Self.map(Self.bufferRingBytes)
        let space = unsafe Self.map(spaceBytes)
        guard let rings = unsafe rings, let entries = unsafe entries,
            let ringOfBuffers = unsafe ringOfBuffers, let space = unsafe space,
            unsafe Self.register(ringOfBuffers, fd),
            // A sandbox may allow the rest and refuse this.
            cp_ring_enter(fd, 0, 0, IORING_ENTER_GETEVENTS, nil, 0) >= 0
        else {
            let failure = SystemError(
                operation: "io_uring", code: isComplete ? cp_errno() : ENOSYS)
            unsafe Self.unmap(rings, ringBytes)
            unsafe Self.unmap(entries, submissionBytes)
            unsafe Self.unmap(ringOfBuffers, Self.bufferRingBytes)
            unsafe Self.unmap(space, spaceBytes)
            Descriptor.close(fd)
            throw failure
        }
        descriptor = fd
        self.ringBytes = ringBytes
        self.submissionBytes = submissionBytes
        unsafe self.rings = rings
        unsafe submissions = entries.assumingMemoryBound(to: Submission.self)
        unsafe outcomes = (rings + Int(cq.cqes)).assumingMemoryBound(to: Outcome.self)
        unsafe submissionHead = Self.index(rings, sq.head)
        unsafe submissionTail = Self.index(rings, sq.tail)
        unsafe submissionFlags = Self.index(rings, sq.flags)
        unsafe completionHead = Self.index(rings, cq.head)
        unsafe completionTail = Self.index(rings, cq.tail)
        submissionMask = parameters.sq_entries - 1
        completionMask = parameters.cq_entries - 1
        unsafe bufferRing = ringOfBuffers.assumingMemoryBound(to: ProvidedBuffer.self)
        unsafe self.space = space.assumingMemoryBound(to: UInt8.self)
        // Entry i of the submission ring is entry i of the array, for ever.
        let order = unsafe Self.index(rings, sq.array)
        for i in 0..<Int(parameters.sq_entries) { unsafe order[i] = UInt32(i) }
        for id in 0..<Self.bufferCount {
            // The pages that short requests need are there before the first one comes.
            unsafe self.space[id * Self.bufferBytes] = 0
            provide(UInt16(id))
        }
        publishBuffers()
    }

    deinit {
        // S5: whoever closes a ring with requests in flight leaves them to a kernel thread, which
        // would go on writing into buffers that are gone.
        cancelAll()
        Descriptor.close(descriptor)
        unsafe Self.unmap(rings, ringBytes)
        unsafe Self.unmap(UnsafeMutableRawPointer(submissions), submissionBytes)
        unsafe Self.unmap(UnsafeMutableRawPointer(bufferRing), Self.bufferRingBytes)
        unsafe Self.unmap(
            UnsafeMutableRawPointer(space), Self.bufferCount * Self.bufferBytes)
    }

    private static var bufferRingBytes: Int {
        bufferCount * MemoryLayout<ProvidedBuffer>.stride
    }

    private static func register(_ ring: UnsafeMutableRawPointer, _ descriptor: Int32) -> Bool {
        var argument = BufferRegistration()
        argument.address = UInt64(UInt(bitPattern: ring))
        argument.entries = UInt32(bufferCount)
        return unsafe cp_ring_register(
            descriptor, UInt32(cp_ring_register_buffers), &argument, 1) == 0
    }

    /// Memory of the kernel's at `offset` of `descriptor`, or new memory without one; zeros.
    ///
    /// A child that was forked must not get it: the kernel would see two writers.
    private static func map(
        _ bytes: Int, _ descriptor: Int32 = -1, _ offset: UInt64 = 0
    ) -> UnsafeMutableRawPointer? {
        let flags = descriptor < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE
        let block = unsafe mmap(
            nil, bytes, PROT_READ | PROT_WRITE, flags, descriptor, off_t(offset))
        guard let block = unsafe block, Int(bitPattern: block) != -1 else { return nil }
        _ = unsafe madvise(block, bytes, MADV_DONTFORK)
        return unsafe block
    }

    private static func unmap(_ block: UnsafeMutableRawPointer?, _ bytes: Int) {
        if let block = unsafe block { _ = unsafe munmap(block, bytes) }
    }

    private static func index(
        _ rings: UnsafeMutableRawPointer, _ offset: UInt32
    ) -> UnsafeMutablePointer<UInt32> {
        unsafe (rings + Int(offset)).assumingMemoryBound(to: UInt32.self)
    }

    // MARK: - Requests

    /// Requests that the kernel has not taken yet.
    var pending: UInt32 { unsafe tail &- cp_load_acquire(submissionHead) }

    /// Queues a request; a full ring is handed over first.
    @inline(__always) mutating func push(_ submission: Submission) {
        while pending > submissionMask { enter(waitingFor: 0, nanoseconds: 0) }
        unsafe submissions[Int(tail & submissionMask)] = submission  // S1, S2
        tail &+= 1
    }

    /// Hands over what is queued, and waits for so many completions.
    ///
    /// A signal, lack of memory and too many completions that nobody took end the call early;
    /// `pending` tells.
    ///
    /// - Parameters:
    ///   - count: 0 does not wait.
    ///   - nanoseconds: How long at most; negative means for ever.
    mutating func enter(waitingFor count: UInt32, nanoseconds: Int64) {
        unsafe cp_store_release(submissionTail, tail)
        var result: Int32
        if count > 0, nanoseconds >= 0 {
            var timeout = __kernel_timespec(
                tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
            result = unsafe withUnsafeMutablePointer(to: &timeout) { timeout in
                var argument = io_uring_getevents_arg()
                argument.ts = UInt64(UInt(bitPattern: timeout))
                return unsafe cp_ring_enter(
                    descriptor, pending, count, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
                    &argument, MemoryLayout<io_uring_getevents_arg>.size)
            }
        } else {
            result = cp_ring_enter(
                descriptor, pending, count, IORING_ENTER_GETEVENTS, nil, 0)
        }
        if result >= 0 { return }
        let code = cp_errno()
        let isPassing = [ETIME, EINTR, EAGAIN, EBUSY].contains(code)
        precondition(isPassing, "\(SystemError(operation: "io_uring_enter", code: code))")
    }

    /// Ends what goes on at a descriptor, and returns when it has ended; completions say so.
    func cancel(descriptor target: Int32) {
        cancel(target, cp_ring_cancel_descriptor | cp_ring_cancel_all)
    }

    /// The same for all requests.
    func cancelAll() { cancel(-1, cp_ring_cancel_any | cp_ring_cancel_all) }

    private func cancel(_ target: Int32, _ flags: Int) {
        var argument = Cancellation(descriptor: target, flags: UInt32(flags))
        _ = unsafe cp_ring_register(descriptor, UInt32(cp_ring_cancel_and_wait), &argument, 1)
        // What was cancelled lets go of its file when its completion is worked on.
        _ = cp_ring_enter(descriptor, 0, 0, IORING_ENTER_GETEVENTS, nil, 0)
    }

    // MARK: - Completions

    /// Whether the kernel keeps completions back because the ring was full.
    var hasOverflowed: Bool {
        unsafe cp_load_acquire(submissionFlags) & IORING_SQ_CQ_OVERFLOW != 0
    }

    /// Takes the next completion.
    @inline(__always) mutating func next() -> Outcome? {
        guard unsafe head != cp_load_acquire(completionTail) else { return nil }
        let outcome = unsafe outcomes[Int(head & completionMask)]  // S1, S2
        head &+= 1
        return outcome
    }

    /// Tells the kernel that what `next` returned may be overwritten.
    mutating func releaseCompletions() { unsafe cp_store_release(completionHead, head) }

    // MARK: - Buffers

    /// Which buffer a completion used.
    static func buffer(_ flags: UInt32) -> UInt16? {
        flags & IORING_CQE_F_BUFFER == 0 ? nil : UInt16(flags >> 16)
    }

    /// The first `count` bytes of buffer `id`; valid until it is provided again.
    @_lifetime(borrow self)
    func bytes(_ id: UInt16, _ count: Int) -> Span<UInt8> {
        precondition(id < Self.bufferCount && count >= 0 && count <= Self.bufferBytes)
        let start = unsafe space + Int(id) * Self.bufferBytes
        let span = unsafe Span(_unsafeStart: start, count: count)  // S3
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// Gives a buffer to the kernel; it knows with `publishBuffers`.
    mutating func provide(_ id: UInt16) {
        precondition(id < Self.bufferCount)
        let i = Int(bufferTail) & (Self.bufferCount - 1)
        let address = unsafe space + Int(id) * Self.bufferBytes  // S3
        // Field by field: the last two bytes of the first entry are the tail of the ring.
        unsafe bufferRing[i].address = UInt64(UInt(bitPattern: address))
        unsafe bufferRing[i].length = UInt32(Self.bufferBytes)
        unsafe bufferRing[i].id = id
        bufferTail &+= 1
    }

    mutating func publishBuffers() {
        let word = unsafe UnsafeMutableRawPointer(bufferRing) + 14
        unsafe cp_store_release16(word.assumingMemoryBound(to: UInt16.self), bufferTail)
    }
}
