//  Bytes.swift — reading words out of spans, copying and comparing blocks.  U
//
//  The compiler has no safe unaligned load from a span and no block copy from a span into raw
//  space; byte-at-a-time code costs 70 to 150 instructions per request. Those two gaps are closed
//  here, and nowhere else.
//
//  ## Safety
//  - S1: every load and store lies inside the span or block whose length the caller passed.
import CPlatform

/// Bytes that somebody else owns: an argument, a key, a value.
typealias Bytes = Span<UInt8>

extension Span where Element == UInt8 {
    /// Copies all bytes to raw memory that has room for `count` of them.
    ///
    /// Fenced files only.
    @inline(__always) @unsafe func copy(to target: UnsafeMutableRawPointer) {
        unsafe withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            unsafe copyBlock(from: UnsafeRawPointer(base), to: target, buffer.count)
        }
    }

    /// Address of the first byte; meaningful only while the span lives.
    ///
    /// Fenced files only.
    @inline(__always) @unsafe var address: UnsafeRawPointer {
        unsafe withUnsafeBufferPointer { buffer in
            unsafe UnsafeRawPointer(buffer.baseAddress)
                ?? UnsafeRawPointer(bitPattern: 8).unsafelyUnwrapped
        }
    }

    /// Whether both spans hold the same bytes.
    @inline(__always) func equals(_ other: Bytes) -> Bool {
        count == other.count && (unsafe bytesEqual(address, other.address, count))
    }

    /// Lexicographic order as of `memcmp`, shorter first: negative, zero or positive.
    func compare(_ other: Bytes) -> Int {
        let order = unsafe memcmp(address, other.address, Swift.min(count, other.count))
        return order != 0 ? Int(order) : count - other.count
    }

    /// An owned copy.
    var array: [UInt8] {
        unsafe withUnsafeBufferPointer { unsafe Array($0) }
    }

    /// An owned copy of at most `n` bytes.
    func firstBytes(_ n: Int) -> [UInt8] { extracting(0..<Swift.min(count, n)).array }

    /// The same, ending in front of the first `stop`.
    func firstBytes(_ n: Int, before stop: UInt8) -> [UInt8] {
        var end = 0
        while end < Swift.min(count, n), self[end] != stop { end += 1 }
        return extracting(0..<end).array
    }

    /// An owned copy as text; invalid UTF-8 is repaired.
    ///
    /// For logs and cold paths only.
    var text: String {
        unsafe withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// Whether the bytes are those of `other`.
    func equals(_ other: StaticString) -> Bool {
        guard count == other.utf8CodeUnitCount else { return false }
        for i in 0..<count where self[i] != (unsafe other.utf8Start[i]) { return false }
        return true
    }

    /// Whether both spans hold the same bytes; the time taken tells nothing about where they
    /// differ.
    func equalsInConstantTime(_ other: Bytes) -> Bool {
        guard count == other.count else { return false }
        var difference: UInt8 = 0
        for i in 0..<count { difference |= self[i] ^ other[i] }
        return difference == 0
    }

    /// Whether the bytes are those of `other`, ASCII letters compared without case.
    func equalsIgnoringCase(_ other: StaticString) -> Bool {
        guard count == other.utf8CodeUnitCount else { return false }
        for i in 0..<count {
            let a = self[i], b = unsafe other.utf8Start[i]
            if a != b, asciiLower(a) != asciiLower(b) { return false }
        }
        return true
    }
}

/// The lower-case form of an ASCII letter; any other byte as it is.
@inline(__always) func asciiLower(_ c: UInt8) -> UInt8 { c &- 65 < 26 ? c | 0x20 : c }

/// Copies `n` bytes between blocks that do not overlap; up to 32 bytes inline, since a call to
/// `memmove` costs more than the copy for the usual key or value.
@inline(__always) @unsafe func copyBlock(
    from s: UnsafeRawPointer, to p: UnsafeMutableRawPointer, _ n: Int
) {
    if n > 32 {
        unsafe p.copyMemory(from: s, byteCount: n)
    } else if n >= 16 {
        let head = unsafe s.loadUnaligned(as: SIMD16<UInt8>.self)
        let tail = unsafe s.loadUnaligned(fromByteOffset: n &- 16, as: SIMD16<UInt8>.self)
        unsafe p.storeBytes(of: head, as: SIMD16<UInt8>.self)
        unsafe p.storeBytes(of: tail, toByteOffset: n &- 16, as: SIMD16<UInt8>.self)
    } else if n >= 8 {
        let head = unsafe s.loadUnaligned(as: UInt64.self)
        let tail = unsafe s.loadUnaligned(fromByteOffset: n &- 8, as: UInt64.self)
        unsafe p.storeBytes(of: head, as: UInt64.self)
        unsafe p.storeBytes(of: tail, toByteOffset: n &- 8, as: UInt64.self)
    } else {
        var i = 0
        while i < n {
            unsafe p.storeBytes(
                of: s.load(fromByteOffset: i, as: UInt8.self), toByteOffset: i, as: UInt8.self)
            i &+= 1
        }
    }
}

/// Whether two blocks of `n` bytes are the same, a word at a time.
@inline(__always) @unsafe func bytesEqual(
    _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ n: Int
) -> Bool {
    if n >= 8 {
        var i = 0
        while i &+ 8 < n {
            let x = unsafe a.loadUnaligned(fromByteOffset: i, as: UInt64.self)
            let y = unsafe b.loadUnaligned(fromByteOffset: i, as: UInt64.self)
            if x != y { return false }
            i &+= 8
        }
        let x = unsafe a.loadUnaligned(fromByteOffset: n &- 8, as: UInt64.self)
        let y = unsafe b.loadUnaligned(fromByteOffset: n &- 8, as: UInt64.self)
        return x == y
    }
    var i = 0
    while i < n {
        let x = unsafe a.load(fromByteOffset: i, as: UInt8.self)
        let y = unsafe b.load(fromByteOffset: i, as: UInt8.self)
        if x != y { return false }
        i &+= 1
    }
    return true
}

/// A name of at most 24 bytes with ASCII letters folded to capitals.
///
/// Equality of words is equality of names. A longer one keeps its length, so it equals no command.
///
/// Literals are written in capitals and fold to integer constants at compile time, so
/// `switch token { case "EX": … }` compiles to integer comparisons.
struct Word: Equatable, ExpressibleByStringLiteral, Sendable {
    let low: UInt64, high: UInt64, tail: UInt64
    let count: Int

    @inline(__always) init(low: UInt64, high: UInt64, tail: UInt64, count: Int) {
        self.low = low
        self.high = high
        self.tail = tail
        self.count = count
    }

    @inline(__always) init(stringLiteral text: StaticString) {
        var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
        let n = text.utf8CodeUnitCount
        var i = 0
        while i < n {
            let c = UInt64(unsafe text.utf8Start[i])
            if i < 8 {
                words.0 |= c &<< UInt64(i &* 8)
            } else if i < 16 {
                words.1 |= c &<< UInt64((i &- 8) &* 8)
            } else {
                words.2 |= c &<< UInt64((i &- 16) &* 8)
            }
            i &+= 1
        }
        self.init(low: words.0, high: words.1, tail: words.2, count: n)
    }

    /// Bytes of which a word tells more than their number.
    static var countMax: Int { 24 }

    init(_ text: String) {
        let bytes = Array(text.utf8)
        self.init(bytes.span)
    }

    @inline(__always) init(_ bytes: Bytes) {
        unsafe self.init(folding: bytes.address, bytes.count)
    }

    @inline(__always) @unsafe init(folding p: UnsafeRawPointer, _ n: Int) {
        if n <= 8 {
            self.init(low: Word.upper(unsafe Word.short(p, n)), high: 0, tail: 0, count: n)
        } else {
            unsafe self = Word.long(p, n)
        }
    }

    /// Out of line: most command names have at most eight letters.
    @inline(never) @unsafe private static func long(_ p: UnsafeRawPointer, _ n: Int) -> Word {
        let low = upper(unsafe p.loadUnaligned(as: UInt64.self))
        if n <= 16 {
            let high = upper(unsafe short(p + 8, n &- 8))
            return Word(low: low, high: high, tail: 0, count: n)
        }
        let high = upper(unsafe p.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        let tail = n <= 24 ? upper(unsafe short(p + 16, n &- 16)) : 0
        return Word(low: low, high: high, tail: tail, count: n)
    }

    /// Clears bit 5 of the bytes 'a'...'z' and of no others.
    @inline(__always) private static func upper(_ x: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        if x & (0x20 &* ones) == 0 { return x }  // Already capitals: the usual case.
        let seven = x & (0x7F &* ones)
        let fromA = seven &+ (0x80 - 0x61) &* ones
        let pastZ = seven &+ (0x80 - 0x7B) &* ones
        return x ^ (((fromA ^ pastZ) & ~x & (0x80 &* ones)) >> 2)
    }

    /// Up to eight bytes as one integer; no byte outside is read.
    @inline(__always) @unsafe private static func short(_ p: UnsafeRawPointer, _ n: Int) -> UInt64 {
        if n >= 4 {
            let a = UInt64(unsafe p.loadUnaligned(as: UInt32.self))
            if n > 8 { return 0 }
            let b = UInt64(unsafe p.loadUnaligned(fromByteOffset: n &- 4, as: UInt32.self))
            return a | (b &<< UInt64((n &- 4) &* 8))
        }
        if n >= 2 {
            let a = UInt64(unsafe p.loadUnaligned(as: UInt16.self))
            let b = UInt64(unsafe p.loadUnaligned(fromByteOffset: n &- 2, as: UInt16.self))
            return a | (b &<< UInt64((n &- 2) &* 8))
        }
        return n == 1 ? UInt64(unsafe p.load(as: UInt8.self)) : 0
    }
}
