//  LZF.swift — a small and fast compression, the one that Redis uses.  U
//
//      0 ... 31                so many bytes plus one follow as they are
//      len << 5 | high, low    a copy of len + 2 bytes, from the distance high << 8 | low, plus one
//      7 << 5 | high, n, low   the same with a length of n + 9
//
//  Whoever compresses many texts keeps one `LZFCompressor`: its table tells positions of one text
//  from those of another, so that it need not be emptied in between.
//
//  Credits: the format is Marc Lehmann's LibLZF; striding over what does not repeat is Yann Collet's,
//  from LZ4; code is ours.
//
//  ## Safety
//  - S1: four bytes are read where at least four, eight where at least eight are left.
//  - S2: a copy begins inside what was written, and has its room behind it.
import CPlatform

enum LZF {
    fileprivate static var distanceMax: Int { 1 << 13 }
    fileprivate static var copyMax: Int { 264 }
    fileprivate static var literalsMax: Int { 32 }

    /// `bytes` compressed; nil when that takes more than `most` bytes.
    static func compress(_ bytes: Bytes, atMost most: Int) -> [UInt8]? {
        var compressor = LZFCompressor(bytesMax: bytes.count)
        var out = ByteBuffer()
        guard compressor.compress(bytes, atMost: most, into: &out) else { return nil }
        return out.span.array
    }

    /// What `bytes` were before they were compressed; nil when they are not `count` bytes or
    /// damaged.
    static func decompress(_ bytes: Bytes, count: Int) -> [UInt8]? {
        var out = ByteBuffer()
        guard decompress(bytes, count: count, into: &out) else { return nil }
        return out.span.array
    }

    /// The same appended to `out`; false, and nothing is appended, when they are damaged.
    static func decompress(_ bytes: Bytes, count: Int, into out: inout ByteBuffer) -> Bool {
        guard count >= 0, count <= 1 << 32 else { return false }
        let start = out.count
        // Nothing grows by more than this, whatever the count says.
        out.reserve(min(count, bytes.count * copyMax))
        guard expand(bytes, to: start + count, from: start, &out), out.count == start + count else {
            out.truncate(to: start)
            return false
        }
        return true
    }

    private static func expand(
        _ bytes: Bytes, to end: Int, from start: Int, _ out: inout ByteBuffer
    ) -> Bool {
        var i = 0
        while i < bytes.count {
            let head = Int(bytes[i])
            i += 1
            if head < literalsMax {
                guard head + 1 <= bytes.count - i, head + 1 <= end - out.count else { return false }
                out.append(bytes.extracting(i..<(i + head + 1)))
                i += head + 1
                continue
            }
            var length = (head >> 5) + 2
            if length == 9 {
                guard i < bytes.count else { return false }
                length += Int(bytes[i])
                i += 1
            }
            guard i < bytes.count else { return false }
            let distance = ((head & 31) << 8 | Int(bytes[i])) + 1
            i += 1
            guard distance <= out.count - start, length <= end - out.count else { return false }
            unsafe out.withSpace(length) { target in
                let source = unsafe target - distance  // S2
                if distance >= length {
                    unsafe target.update(from: source, count: length)
                } else {
                    for k in 0..<length { unsafe target[k] = source[k] }
                }
                return length
            }
        }
        return true
    }
}

struct LZFCompressor: ~Copyable {
    /// Where three bytes were seen last: the position plus one, counted from `origin`.
    private var table: Buffer<UInt32>
    private let shift: UInt32
    /// Bytes of all texts so far: what the table has from before is at most this.
    private var origin: UInt32 = 0
    /// What was compressed last, for whoever wants its length first.
    private var result = ByteBuffer()

    /// For texts of about so many bytes at most; larger ones shrink less.
    init(bytesMax: Int) {
        let bits: UInt32 = bytesMax < 1 << 14 ? 11 : 14
        shift = 32 - bits
        table = Buffer(repeating: 0, count: 1 << Int(bits))
    }

    /// Appends `bytes` compressed to `out`; false, and nothing is appended, when that takes more than
    /// `most` bytes.
    mutating func compress(
        _ bytes: Bytes, atMost most: Int, into out: inout ByteBuffer
    ) -> Bool {
        let n = bytes.count, start = out.count
        guard n >= 4, n <= 1 << 30, most > 0 else { return false }
        if origin > .max - UInt32(n) - 1 {
            for i in 0..<table.count { table[i] = 0 }
            origin = 0
        }
        guard search(bytes, start + most, &out) else {
            origin += UInt32(n)
            out.truncate(to: start)
            return false
        }
        origin += UInt32(n)
        return true
    }

    private mutating func search(
        _ bytes: Bytes, _ limit: Int, _ out: inout ByteBuffer
    ) -> Bool {
        let p = unsafe bytes.address, n = bytes.count
        var literals = 0, i = 0, misses = 0
        while i < n &- 3 {
            guard out.count &+ (i &- literals) < limit else { return false }
            let three = unsafe Self.three(p, i)
            let slot = Int(truncatingIfNeeded: (three &* 2_654_435_769) >> shift)
            let stored = table[slot]
            table[slot] = origin &+ UInt32(truncatingIfNeeded: i) &+ 1
            let candidate = Int(stored) &- Int(origin) &- 1
            let distance = i &- candidate
            guard candidate >= 0, distance <= LZF.distanceMax,
                unsafe Self.three(p, candidate) == three
            else {
                // What has not repeated for long is not likely to.
                i &+= 1 &+ misses >> 6
                misses &+= 1
                continue
            }
            let length = unsafe Self.common(p, candidate, i, min(LZF.copyMax, n &- i))
            Self.append(bytes, literals..<i, &out)
            Self.append(length, distance &- 1, &out)
            i &+= length
            literals = i
            misses = 0
        }
        Self.append(bytes, literals..<n, &out)
        return out.count <= limit
    }

    /// Three bytes at `i`, behind which there is at least one more.
    @inline(__always) @unsafe private static func three(_ p: UnsafeRawPointer, _ i: Int) -> UInt32 {
        unsafe p.loadUnaligned(fromByteOffset: i, as: UInt32.self).littleEndian & 0xFF_FFFF  // S1
    }

    /// How many bytes, up to `longest`, are the same at `a` and at `b` behind it.
    @inline(__always) @unsafe private static func common(
        _ p: UnsafeRawPointer, _ a: Int, _ b: Int, _ longest: Int
    ) -> Int {
        var length = 3
        while length &+ 8 <= longest {
            let one = unsafe p.loadUnaligned(fromByteOffset: a &+ length, as: UInt64.self)  // S1
            let other = unsafe p.loadUnaligned(fromByteOffset: b &+ length, as: UInt64.self)
            let difference = (one ^ other).littleEndian
            if difference != 0 { return length &+ difference.trailingZeroBitCount >> 3 }
            length &+= 8
        }
        while length < longest {
            let one = unsafe p.load(fromByteOffset: a &+ length, as: UInt8.self)
            guard one == (unsafe p.load(fromByteOffset: b &+ length, as: UInt8.self)) else { break }
            length &+= 1
        }
        return length
    }

    private static func append(_ bytes: Bytes, _ range: Range<Int>, _ out: inout ByteBuffer) {
        var start = range.lowerBound
        while start < range.upperBound {
            let end = min(start + LZF.literalsMax, range.upperBound)
            out.append(UInt8(end - start - 1))
            out.append(bytes.extracting(start..<end))
            start = end
        }
    }

    private static func append(_ length: Int, _ distance: Int, _ out: inout ByteBuffer) {
        let high = UInt8(distance >> 8)
        if length < 9 {
            out.append(UInt8(length - 2) << 5 | high)
        } else {
            out.append(7 << 5 | high)
            out.append(UInt8(length - 9))
        }
        out.append(UInt8(distance & 0xFF))
    }
}

extension LZFCompressor {
    /// Appends `text` as a string of an RDB file, compressed if that makes it shorter.
    mutating func append(rdbString text: Bytes, to out: inout ByteBuffer) {
        result.removeAll()
        if text.count >= RDB.compressedBytesMin,
            compressToResult(text)
        {
            out.append(0xC0 | RDBInteger.compressed.rawValue)
            out.append(rdbLength: result.count)
            out.append(rdbLength: text.count)
            out.append(result.span)
        } else {
            out.append(rdbLength: text.count)
            out.append(text)
        }
        result.shrink(to: 1 << 20)
    }

    private mutating func compressToResult(_ text: Bytes) -> Bool {
        var out = ByteBuffer()
        swap(&out, &result)
        let isShorter = compress(text, atMost: text.count - 4, into: &out)
        swap(&out, &result)
        return isShorter
    }
}
