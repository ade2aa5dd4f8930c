//  ByteBuffer.swift — growable bytes with one owner.  U
//
//  Input that has not been parsed, replies that have not been sent. An empty buffer owns no
//  memory, so an idle connection costs only its struct.
//
//  ## Safety
//  - S1: `base` is nil or points at `capacity` bytes from `malloc` that this value alone owns.
//  - S2: `base[0 ..< count]` is initialised; nothing at or past `count` is ever read.
import CPlatform

@safe struct ByteBuffer: ~Copyable {
    private var base: UnsafeMutablePointer<UInt8>?
    private(set) var count = 0
    private(set) var capacity = 0

    init(capacity: Int = 0) {
        unsafe base = nil
        if capacity > 0 { reserve(capacity) }
    }

    deinit { unsafe free(base) }

    /// The bytes written so far.
    var span: Bytes {
        @_lifetime(borrow self)
        @inline(__always) get {
            guard let base = unsafe base else { return Bytes() }
            let span = unsafe Span(_unsafeStart: base, count: count)  // S2
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// Makes room for `n` more bytes.
    @inline(__always) mutating func reserve(_ n: Int) {
        if capacity &- count < n { grow(n) }
    }

    @inline(never) private mutating func grow(_ n: Int) {
        resize(to: max(capacity * 2, count + n, 256))
    }

    private mutating func resize(to bytes: Int) {
        guard let block = unsafe realloc(base, bytes) else {
            preconditionFailure("out of memory: \(bytes) bytes for a buffer")
        }
        unsafe base = block.assumingMemoryBound(to: UInt8.self)
        capacity = bytes
    }

    /// Gives memory back when more than `bytes` of capacity are held and fewer are in use.
    mutating func shrink(to bytes: Int) {
        guard capacity > bytes, count <= bytes else { return }
        if bytes == 0 {
            unsafe free(base)
            unsafe base = nil
            capacity = 0
        } else {
            resize(to: bytes)
        }
    }

    mutating func removeAll() { count = 0 }

    mutating func truncate(to n: Int) {
        precondition(n >= 0 && n <= count)
        count = n
    }

    mutating func removeFirst(_ n: Int) {
        precondition(n >= 0 && n <= count)
        guard n > 0, let base = unsafe base else { return }
        unsafe base.update(from: base + n, count: count &- n)
        count &-= n
    }

    @inline(__always) mutating func append(_ bytes: Bytes) {
        let n = bytes.count
        if n == 0 { return }
        unsafe withSpace(n) { p in
            unsafe bytes.copy(to: UnsafeMutableRawPointer(p))
            return n
        }
    }

    @inline(__always) mutating func append(_ byte: UInt8) {
        unsafe withSpace(1) { p in
            unsafe p.pointee = byte
            return 1
        }
    }

    @inline(__always) mutating func append(_ text: StaticString) {
        let n = text.utf8CodeUnitCount
        unsafe withSpace(n) { p in
            unsafe p.update(from: text.utf8Start, count: n)
            return n
        }
    }

    /// For cold paths: `text` as UTF-8.
    ///
    /// The label keeps literals with the `StaticString` above.
    mutating func append(copying text: String) {
        reserve(text.utf8.count)
        for byte in text.utf8 { append(byte) }
    }

    /// For cold paths.
    mutating func append(copying bytes: [UInt8]) { append(bytes.span) }

    /// Shifts the bytes from `offset` on to the right by `gap.count` and writes `gap` there.
    mutating func insert(_ gap: Bytes, at offset: Int) {
        precondition(offset >= 0 && offset <= count)
        let n = gap.count, tail = count - offset
        if n == 0 { return }
        unsafe withSpace(n) { p in
            let hole = unsafe p - tail
            unsafe (hole + n).update(from: hole, count: tail)
            unsafe gap.copy(to: UnsafeMutableRawPointer(hole))
            return n
        }
    }

    /// Lets `body` fill up to `n` bytes of free space and keeps as many as it reports.
    @inline(__always) mutating func fill(
        _ n: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int
    ) -> Int {
        reserve(n)
        let space = unsafe UnsafeMutableRawBufferPointer(
            start: base.unsafelyUnwrapped + count, count: n)
        let got = unsafe body(space)
        if got > 0 {
            precondition(got <= n)
            count &+= got
        }
        return got
    }

    /// Runs `body` over `n` bytes of free space and keeps as many as it reports.
    ///
    /// Fenced files only.
    @inline(__always) @unsafe mutating func withSpace(
        _ n: Int, _ body: (UnsafeMutablePointer<UInt8>) -> Int
    ) {
        reserve(n)
        let used = unsafe body(base.unsafelyUnwrapped + count)
        assert(used <= n)
        count &+= used
    }
}
