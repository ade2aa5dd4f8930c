//  RDBInput.swift — the bytes of an RDB file or of a DUMP, read in order.
//
//  Nothing in them is believed: a length is compared with what is left of the file before anything is
//  made for it, and every error says where in the file it was found.
import Platform

struct RDBInput: ~Copyable {
    /// Bytes that were read and not dropped yet.
    private var window = ByteBuffer()
    /// Where in the window the next byte stands.
    private var at = 0
    /// Where in the file the window begins.
    private var windowOffset = 0
    /// Bytes of the file behind the window.
    private var left: Int
    /// The file, or -1.
    private let descriptor: Int32
    /// Bytes of a string; compressed ones may claim any length.
    private let stringBytesMax: Int
    /// Of the bytes in front of the window.
    private var checksum: UInt64 = 0
    private var isChecksummed = true
    /// A string that does not stand in the window as it is.
    private var scratch = ByteBuffer()
    /// Where the last string is: in the window, or in `scratch`.
    private var textStart = 0
    private var textCount = 0
    private var isScratch = false

    private static var chunkBytes: Int { 1 << 18 }

    /// The whole of `bytes`, which are copied; `stringBytesMax` is what a string may expand to.
    init(_ bytes: Bytes, stringBytesMax: Int = .max) {
        window.append(bytes)
        left = 0
        descriptor = -1
        self.stringBytesMax = stringBytesMax
    }

    /// `count` bytes of the open file `descriptor`, which stays the caller's, from where it stands.
    init(descriptor: Int32, count: Int) {
        self.descriptor = descriptor
        left = count
        stringBytesMax = .max
    }

    /// Where the next byte stands in the file.
    var offset: Int { windowOffset + at }
    /// Bytes that are left.
    var remaining: Int { window.count - at + left }

    func failure(_ text: String) -> RDBError { RDBError(text: text, offset: offset) }

    // MARK: - Bytes

    /// Makes the next `n` bytes available.
    @inline(__always) private mutating func require(_ n: Int) throws(RDBError) {
        if n > window.count &- at { try refill(n) }
    }

    @inline(never) private mutating func refill(_ n: Int) throws(RDBError) {
        guard n >= 0, n <= remaining else {
            throw failure("the file ends too early: \(n) bytes are wanted, \(remaining) are left")
        }
        checkWindow()
        window.removeFirst(at)
        windowOffset += at
        at = 0
        while window.count < n {
            let most = min(left, max(Self.chunkBytes, min(n - window.count, 1 << 26)))
            let fd = descriptor
            let got = unsafe window.fill(most) { unsafe Descriptor.read(fd, into: $0) }
            guard got > 0 else { throw failure("the file cannot be read") }
            left -= got
        }
    }

    private mutating func checkWindow() {
        guard isChecksummed else { return }
        checksum = CRC64.update(checksum, window.span.extracting(..<at))
    }

    /// The checksum of everything that was read; nothing can be checked afterwards.
    mutating func takeChecksum() -> UInt64 {
        checkWindow()
        isChecksummed = false
        return checksum
    }

    /// No checksum is wanted.
    mutating func skipChecksum() { isChecksummed = false }

    @inline(__always) mutating func byte() throws(RDBError) -> UInt8 {
        try require(1)
        at &+= 1
        return window.span[at &- 1]
    }

    /// The byte that comes next, without taking it; nil at the end.
    mutating func peek() throws(RDBError) -> UInt8? {
        if remaining == 0 { return nil }
        try require(1)
        return window.span[at]
    }

    /// `n` bytes as a number, the lowest first.
    @inline(__always) mutating func littleEndian(_ n: Int) throws(RDBError) -> UInt64 {
        try require(n)
        var value: UInt64 = 0
        for i in 0..<n { value |= UInt64(window.span[at &+ i]) &<< UInt64(i &* 8) }
        at &+= n
        return value
    }

    private mutating func bigEndian(_ n: Int) throws(RDBError) -> UInt64 {
        try require(n)
        var value: UInt64 = 0
        for i in 0..<n { value = value << 8 | UInt64(window.span[at + i]) }
        at += n
        return value
    }

    mutating func double() throws(RDBError) -> Double {
        Double(bitPattern: try littleEndian(8))
    }

    mutating func milliseconds() throws(RDBError) -> Int64 {
        Int64(bitPattern: try littleEndian(8))
    }

    /// Leaves out `n` bytes.
    mutating func skip(_ n: Int) throws(RDBError) {
        guard n >= 0, n <= remaining else { throw failure("the file ends too early") }
        var rest = n
        while rest > 0 {
            let some = min(rest, Self.chunkBytes)
            try require(some)
            at += some
            rest -= some
        }
    }

    // MARK: - Lengths and strings

    /// A length, or the form of a string that is not kept as it is.
    private enum Length {
        case plain(Int)
        case special(UInt8)
    }

    @inline(__always) private mutating func lengthOrForm() throws(RDBError) -> Length {
        let head = try byte()
        switch head >> 6 {
        case 0: return .plain(Int(head))
        case 1: return .plain(Int(head & 0x3F) << 8 | Int(try byte()))
        case 3: return .special(head & 0x3F)
        default: return .plain(try longLength(head))
        }
    }

    private mutating func longLength(_ head: UInt8) throws(RDBError) -> Int {
        switch head {
        case 0x80: return Int(try bigEndian(4))
        case 0x81:
            guard let n = Int(exactly: try bigEndian(8)) else {
                throw failure("a length is too large")
            }
            return n
        default: throw failure("unknown form of a length: \(head)")
        }
    }

    /// A number of bytes or elements, or any other length.
    mutating func length() throws(RDBError) -> Int {
        guard case .plain(let n) = try lengthOrForm() else {
            throw failure("a string where a length should be")
        }
        return n
    }

    /// A length that may be any number.
    mutating func number() throws(RDBError) -> UInt64 {
        guard try peek() == 0x81 else { return UInt64(try length()) }
        _ = try byte()
        return try bigEndian(8)
    }

    /// A number of elements, each of at least one byte.
    mutating func elementCount() throws(RDBError) -> Int {
        let n = try length()
        guard n <= remaining else { throw failure("\(n) elements, but only \(remaining) bytes") }
        return n
    }

    /// The last string that was read.
    ///
    /// Gone when anything else is read.
    var text: Bytes {
        @_lifetime(borrow self)
        @inline(__always) get {
            if isScratch { return scratch.span }
            return window.span.extracting(textStart..<(textStart &+ textCount))
        }
    }

    /// Reads a string, which is in `text` afterwards.
    @inline(__always) mutating func readString() throws(RDBError) {
        switch try lengthOrForm() {
        case .plain(let n):
            try require(n)
            textStart = at
            textCount = n
            isScratch = false
            at &+= n
        case .special(let form): try readSpecial(form)
        }
    }

    @inline(never) private mutating func readSpecial(_ form: UInt8) throws(RDBError) {
        isScratch = true
        switch RDBInteger(rawValue: form) {
        case .int8: hold(Int64(Int8(truncatingIfNeeded: try littleEndian(1))))
        case .int16: hold(Int64(Int16(truncatingIfNeeded: try littleEndian(2))))
        case .int32: hold(Int64(Int32(truncatingIfNeeded: try littleEndian(4))))
        case .compressed: try readCompressed()
        case nil: throw failure("unknown form of a string: \(form)")
        }
    }

    private mutating func hold(_ number: Int64) {
        let digits = DecimalText(number)
        scratch.removeAll()
        scratch.append(digits.bytes)
    }

    private mutating func readCompressed() throws(RDBError) {
        let small = try length(), large = try length()
        try require(small)
        guard large <= stringBytesMax else { throw failure("a compressed string is too long") }
        scratch.removeAll()
        guard Self.expand(window, at..<(at + small), large, into: &scratch) else {
            throw failure("a compressed string is damaged")
        }
        at += small
    }

    private static func expand(
        _ window: borrowing ByteBuffer, _ range: Range<Int>, _ count: Int,
        into scratch: inout ByteBuffer
    ) -> Bool {
        LZF.decompress(window.span.extracting(range), count: count, into: &scratch)
    }

    /// Reads a string into `out`, which is emptied first.
    @inline(__always) mutating func readString(into out: inout ByteBuffer) throws(RDBError) {
        try readString()
        out.removeAll()
        out.append(text)
    }

    /// Leaves out a string.
    mutating func skipString() throws(RDBError) { try readString() }

    /// A score of a file from before version 8: a length and a text, or a code.
    mutating func scoreText() throws(RDBError) -> Double {
        switch try byte() {
        case 253: return .nan
        case 254: return .infinity
        case 255: return -.infinity
        case let n:
            try require(Int(n))
            let score = Numbers.double(window.span.extracting(at..<(at + Int(n))))
            guard let score else { throw failure("a score is no number") }
            at += Int(n)
            return score
        }
    }
}
