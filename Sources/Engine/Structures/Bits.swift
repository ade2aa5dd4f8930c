//  Bits.swift — strings as rows of bits: counting, searching, combining, integers of any width.  U
//
//  Bit 0 is the highest of byte 0. What follows the end of a string is zero.
//
//  Counting is one instruction on processors with wide vectors (`cp_count_bits`). On others sixteen
//  vectors at a time are added with full adders, bit by bit, so that only every sixteenth is
//  counted in earnest; that needs nothing but 128-bit AND, XOR and shifts. Strings are combined in
//  blocks that fit into the first cache, so each is read once, however many there are.
//
//  Credits: the tree of adders is Robert Harley's and David Seal's.
//
//  ## Safety
//  - S1: loads and stores lie inside the block whose length is passed along: a loop over vectors
//    stops a vector before the end, one over words a word before it.
//    `cp_count_bits` reads as many blocks of 64 bytes as it is told.
//  - S2: the bytes of sources live as long as the records that they were taken from; the target
//    may be one of them, since a block of it is written after all of it was read.

import CPlatform

/// The unit of vector arithmetic: what a register of every processor holds.
private typealias Vector = SIMD2<UInt64>

enum Bits {
    // MARK: - Counting

    /// The number of bits that are set.
    static func count(_ bytes: Bytes) -> Int {
        unsafe count(bytes.address, bytes.count)
    }

    /// The number of bits set among those with the positions `range`, which exist.
    static func count(_ bytes: Bytes, bits range: Range<Int>) -> Int {
        guard !range.isEmpty else { return 0 }
        let first = range.lowerBound >> 3, last = (range.upperBound - 1) >> 3
        let outside =
            bytes[first] & ~head(range.lowerBound)
        let behind = bytes[last] & ~tail(range.upperBound)
        return count(bytes.extracting(first..<last + 1)) - outside.nonzeroBitCount
            - behind.nonzeroBitCount
    }

    /// The bits of a byte from position `bit` on.
    private static func head(_ bit: Int) -> UInt8 { 0xFF >> UInt8(bit & 7) }

    /// The bits of a byte in front of position `bit`; all of them if that is the next byte's first.
    private static func tail(_ bit: Int) -> UInt8 {
        bit & 7 == 0 ? 0xFF : ~(0xFF >> UInt8(bit & 7))
    }

    /// A full adder for every bit: `sum` takes in two more rows, `carry` what is carried over.
    @inline(__always) private static func add(
        _ a: Vector, _ b: Vector, to sum: inout Vector
    ) -> Vector {
        let half = sum ^ a
        let carry = sum & a | half & b
        sum = half ^ b
        return carry
    }

    /// The bits set in each half of `x`.
    @inline(__always) private static func weigh(_ x: Vector) -> Vector {
        let fives = Vector(repeating: 0x5555_5555_5555_5555)
        let threes = Vector(repeating: 0x3333_3333_3333_3333)
        let ones = Vector(repeating: 0x0F0F_0F0F_0F0F_0F0F)
        let pairs = x &- (x &>> 1 & fives)
        let fours = (pairs & threes) &+ (pairs &>> 2 & threes)
        let bytes = (fours &+ fours &>> 4) & ones
        let words = bytes &+ bytes &>> 8
        let longer = words &+ words &>> 16
        return (longer &+ longer &>> 32) & Vector(repeating: 0xFF)
    }

    @unsafe private static func count(_ p: UnsafeRawPointer, _ n: Int) -> Int {
        let whole = n & ~63
        let wide = unsafe cp_count_bits(p, whole / 64)  // S1
        if wide >= 0 { return unsafe Int(wide) &+ countWithAdders(p + whole, n &- whole) }
        return unsafe countWithAdders(p, n)
    }

    /// The same for bytes of which no processor needs to know more than AND and XOR.
    static func countWithAdders(_ bytes: Bytes) -> Int {
        unsafe countWithAdders(bytes.address, bytes.count)
    }

    @unsafe private static func countWithAdders(_ p: UnsafeRawPointer, _ n: Int) -> Int {
        @inline(__always) func row(_ i: Int) -> Vector {
            unsafe p.loadUnaligned(fromByteOffset: i, as: Vector.self)  // S1
        }
        var ones = Vector(), twos = Vector(), fours = Vector(), eights = Vector()
        var total = Vector()
        var i = 0
        while n &- i >= 256 {
            let a = add(row(i), row(i &+ 16), to: &ones)
            let b = add(row(i &+ 32), row(i &+ 48), to: &ones)
            let c = add(a, b, to: &twos)
            let d = add(row(i &+ 64), row(i &+ 80), to: &ones)
            let e = add(row(i &+ 96), row(i &+ 112), to: &ones)
            let f = add(d, e, to: &twos)
            let g = add(c, f, to: &fours)
            let h = add(row(i &+ 128), row(i &+ 144), to: &ones)
            let j = add(row(i &+ 160), row(i &+ 176), to: &ones)
            let k = add(h, j, to: &twos)
            let l = add(row(i &+ 192), row(i &+ 208), to: &ones)
            let m = add(row(i &+ 224), row(i &+ 240), to: &ones)
            let o = add(l, m, to: &twos)
            let q = add(k, o, to: &fours)
            total &+= weigh(add(g, q, to: &eights))
            i &+= 256
        }
        total = total &* 16 &+ weigh(eights) &* 8 &+ weigh(fours) &* 4
        total = total &+ weigh(twos) &* 2 &+ weigh(ones)
        var rest = 0
        while n &- i >= 8 {
            rest &+= (unsafe p.loadUnaligned(fromByteOffset: i, as: UInt64.self)).nonzeroBitCount
            i &+= 8
        }
        while i < n {
            rest &+= (unsafe p.load(fromByteOffset: i, as: UInt8.self)).nonzeroBitCount
            i &+= 1
        }
        return rest &+ Int(truncatingIfNeeded: total[0] &+ total[1])
    }

    // MARK: - Searching

    /// The position of the first bit that is set, or not set, among those with the positions
    /// `range`, which exist.
    static func first(_ isSet: Bool, _ bytes: Bytes, bits range: Range<Int>) -> Int? {
        guard !range.isEmpty else { return nil }
        let skipped: UInt8 = isSet ? 0 : 0xFF
        let first = range.lowerBound >> 3, last = (range.upperBound - 1) >> 3
        let edge = (bytes[first] ^ skipped) & head(range.lowerBound)
        var found = first
        if edge == 0 {
            found =
                first + 1 + skip(skipped, bytes.extracting(min(first + 1, last + 1)..<last + 1))
            guard found <= last else { return nil }
        }
        let byte = found == first ? edge : bytes[found] ^ skipped
        let position = found << 3 + byte.leadingZeroBitCount
        return position < range.upperBound ? position : nil
    }

    /// How many bytes at the beginning are `byte`, which is 0 or 255.
    private static func skip(_ byte: UInt8, _ bytes: Bytes) -> Int {
        let p = unsafe bytes.address, n = bytes.count
        let pattern = byte == 0 ? Vector() : Vector(repeating: .max)
        var i = 0
        while n &- i >= 64 {
            // S1
            let a = unsafe p.loadUnaligned(fromByteOffset: i, as: Vector.self) ^ pattern
            let b = unsafe p.loadUnaligned(fromByteOffset: i &+ 16, as: Vector.self) ^ pattern
            let c = unsafe p.loadUnaligned(fromByteOffset: i &+ 32, as: Vector.self) ^ pattern
            let d = unsafe p.loadUnaligned(fromByteOffset: i &+ 48, as: Vector.self) ^ pattern
            let all = a | b | c | d
            if all[0] | all[1] != 0 { break }
            i &+= 64
        }
        while i < n, unsafe p.load(fromByteOffset: i, as: UInt8.self) == byte { i &+= 1 }
        return i
    }

    // MARK: - Integers

    /// Bytes that an integer of 64 bits can touch.
    private static var windowBytes: Int { 9 }

    /// The `width` bits, 1 to 64, from position `bit` on as an unsigned number.
    static func field(_ bytes: Bytes, at bit: Int, width: Int) -> UInt64 {
        let start = bit >> 3
        var window: UInt128 = 0
        for i in start..<start + windowBytes {
            window = window << 8 | UInt128(i < bytes.count ? bytes[i] : 0)
        }
        return UInt64(truncatingIfNeeded: window >> shift(bit, width) & mask(width))
    }

    /// Puts the lowest `width` bits of `value` at position `bit` of the string in `record`, which
    /// must reach that far.
    static func setField(_ record: Record, at bit: Int, width: Int, to value: UInt64) {
        let start = bit >> 3, end = (bit + width - 1) >> 3
        var window: UInt128 = 0
        for i in start..<start + windowBytes {
            window = window << 8 | UInt128(i <= end ? record.bytes[i] : 0)
        }
        let shift = shift(bit, width)
        window &= ~(mask(width) << shift)
        window |= (UInt128(value) & mask(width)) << shift
        var out = InlineArray<9, UInt8>(repeating: 0)
        for i in 0..<windowBytes {
            out[i] = UInt8(truncatingIfNeeded: window >> UInt128((windowBytes - 1 - i) * 8))
        }
        record.write(out.span.extracting(0..<end - start + 1), at: start)
    }

    private static func shift(_ bit: Int, _ width: Int) -> UInt128 {
        UInt128(windowBytes * 8 - (bit & 7) - width)
    }

    private static func mask(_ width: Int) -> UInt128 { UInt128(1) << UInt128(width) - 1 }
}

// MARK: - Combining

/// How strings are combined, bit by bit, where X is the first of them.
enum BitOperation {
    case and, or, xor, not
    /// In X and in none of the others.
    case difference
    /// In one of the others and not in X.
    case reverseDifference
    /// In X and in one of the others.
    case andOr
    /// In exactly one.
    case one
}

/// Strings that are combined into another.
@safe struct BitSources: ~Copyable {
    private var starts: [UnsafeRawPointer] = unsafe []
    private var counts: [Int] = []
    /// The texts of strings that are kept as integers.
    private var texts: [UnsafeMutableRawPointer] = unsafe []
    /// Bytes of the longest one.
    private(set) var longest = 0

    private static var blockBytes: Int { 8192 }

    deinit {
        for i in unsafe texts.indices { unsafe texts[i].deallocate() }
    }

    /// Adds the string in `record`, which stays where it is; nil is an empty one.
    mutating func add(_ record: Record?) {
        guard let record else { return add(Bytes()) }
        guard record.kind == .integer else { return add(record.bytes) }
        let digits = DecimalText(record.integer)
        let n = digits.bytes.count
        let copy = UnsafeMutableRawPointer.allocate(byteCount: n, alignment: 1)
        unsafe digits.bytes.copy(to: copy)
        unsafe texts.append(copy)
        unsafe starts.append(UnsafeRawPointer(copy))
        counts.append(n)
        longest = max(longest, n)
    }

    private mutating func add(_ bytes: Bytes) {
        unsafe starts.append(bytes.address)
        counts.append(bytes.count)
        longest = max(longest, bytes.count)
    }

    /// Writes the combination to `target`, whose value has `longest` bytes.
    func combine(_ operation: BitOperation, into target: Record) {
        precondition(target.valueCount == longest && !counts.isEmpty)
        let out = unsafe target.value
        var done = 0
        if counts.count == 2, operation != .one {
            done = min(counts[0], counts[1])
            unsafe combineTwo(operation, starts[0], starts[1], out, done)
        }
        let room = Self.blockBytes
        unsafe withUnsafeTemporaryAllocation(byteCount: 2 * room, alignment: 16) { buffer in
            guard let a = buffer.baseAddress else { return }
            while done < longest {
                let n = min(room, longest - done)
                unsafe combine(operation, done, n, a, a + room)
                unsafe out.advanced(by: done).copyMemory(from: a, byteCount: n)
                done += n
            }
        }
    }

    /// The usual case, without a detour.
    @unsafe private func combineTwo(
        _ operation: BitOperation, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer,
        _ out: UnsafeMutableRawPointer, _ n: Int
    ) {
        switch operation {
        case .and, .andOr: unsafe Self.merge(a, b, out, n) { $0 & $1 }
        case .or: unsafe Self.merge(a, b, out, n) { $0 | $1 }
        case .xor: unsafe Self.merge(a, b, out, n) { $0 ^ $1 }
        case .difference: unsafe Self.merge(a, b, out, n) { $0 & ~$1 }
        case .reverseDifference: unsafe Self.merge(a, b, out, n) { ~$0 & $1 }
        case .not, .one: break
        }
    }

    /// Combines `n` bytes at `offset` into `out`; `spare` has as much room.
    @unsafe private func combine(
        _ operation: BitOperation, _ offset: Int, _ n: Int, _ out: UnsafeMutableRawPointer,
        _ spare: UnsafeMutableRawPointer
    ) {
        let others = 1..<counts.count
        switch operation {
        case .and, .or, .xor, .difference, .not:
            unsafe read(0, offset, n, out)
            if operation == .not { unsafe Self.merge(out, out, out, n) { a, _ in ~a } }
        case .reverseDifference, .andOr, .one:
            unsafe out.initializeMemory(as: UInt8.self, repeating: 0, count: n)
        }
        switch operation {
        case .and:
            for i in others {
                let m = available(i, offset, n)
                unsafe Self.merge(out, starts[i] + offset, out, m) { $0 & $1 }
                unsafe (out + m).initializeMemory(as: UInt8.self, repeating: 0, count: n - m)
            }
        case .or: for i in others { unsafe join(i, offset, n, out) { $0 | $1 } }
        case .xor: for i in others { unsafe join(i, offset, n, out) { $0 ^ $1 } }
        case .difference: for i in others { unsafe join(i, offset, n, out) { $0 & ~$1 } }
        case .not: break
        case .reverseDifference, .andOr:
            for i in others { unsafe join(i, offset, n, out) { $0 | $1 } }
            unsafe read(0, offset, n, spare)
            if operation == .andOr {
                unsafe Self.merge(out, spare, out, n) { $0 & $1 }
            } else {
                unsafe Self.merge(out, spare, out, n) { $0 & ~$1 }
            }
        case .one:
            // `spare` has what was seen twice.
            unsafe spare.initializeMemory(as: UInt8.self, repeating: 0, count: n)
            for i in counts.indices {
                let m = available(i, offset, n)
                unsafe Self.mergeTwice(starts[i] + offset, out, spare, m)
            }
            unsafe Self.merge(out, spare, out, n) { $0 & ~$1 }
        }
    }

    /// Bytes that source `i` has of the `n` at `offset`.
    private func available(_ i: Int, _ offset: Int, _ n: Int) -> Int {
        min(max(counts[i] - offset, 0), n)
    }

    /// Copies what source `i` has of the `n` bytes at `offset`, and zeros behind it.
    @unsafe private func read(
        _ i: Int, _ offset: Int, _ n: Int, _ out: UnsafeMutableRawPointer
    ) {
        let m = available(i, offset, n)
        if m > 0 { unsafe out.copyMemory(from: starts[i] + offset, byteCount: m) }
        unsafe (out + m).initializeMemory(as: UInt8.self, repeating: 0, count: n - m)
    }

    /// Combines source `i` into `out` where zeros change nothing.
    @inline(__always) @unsafe private func join(
        _ i: Int, _ offset: Int, _ n: Int, _ out: UnsafeMutableRawPointer,
        _ combine: (Vector, Vector) -> Vector
    ) {
        let m = available(i, offset, n)
        if m > 0 { unsafe Self.merge(out, starts[i] + offset, out, m, combine) }
    }

    /// `out` becomes what `combine` makes of `a` and `b`, vector by vector.
    @inline(__always) @unsafe private static func merge(
        _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ n: Int,
        _ combine: (Vector, Vector) -> Vector
    ) {
        var i = 0
        while n &- i >= 64 {
            // S1, S2
            let x0 = unsafe a.loadUnaligned(fromByteOffset: i, as: Vector.self)
            let x1 = unsafe a.loadUnaligned(fromByteOffset: i &+ 16, as: Vector.self)
            let x2 = unsafe a.loadUnaligned(fromByteOffset: i &+ 32, as: Vector.self)
            let x3 = unsafe a.loadUnaligned(fromByteOffset: i &+ 48, as: Vector.self)
            let y0 = unsafe b.loadUnaligned(fromByteOffset: i, as: Vector.self)
            let y1 = unsafe b.loadUnaligned(fromByteOffset: i &+ 16, as: Vector.self)
            let y2 = unsafe b.loadUnaligned(fromByteOffset: i &+ 32, as: Vector.self)
            let y3 = unsafe b.loadUnaligned(fromByteOffset: i &+ 48, as: Vector.self)
            unsafe out.storeBytes(of: combine(x0, y0), toByteOffset: i, as: Vector.self)
            unsafe out.storeBytes(of: combine(x1, y1), toByteOffset: i &+ 16, as: Vector.self)
            unsafe out.storeBytes(of: combine(x2, y2), toByteOffset: i &+ 32, as: Vector.self)
            unsafe out.storeBytes(of: combine(x3, y3), toByteOffset: i &+ 48, as: Vector.self)
            i &+= 64
        }
        while i < n {
            let x = UInt64(unsafe a.load(fromByteOffset: i, as: UInt8.self))
            let y = UInt64(unsafe b.load(fromByteOffset: i, as: UInt8.self))
            let z = combine(Vector(repeating: x), Vector(repeating: y))
            unsafe out.storeBytes(
                of: UInt8(truncatingIfNeeded: z[0]), toByteOffset: i, as: UInt8.self)
            i &+= 1
        }
    }

    /// `twice` takes in what is both in `source` and in `once`, then `once` what is in `source`.
    @unsafe private static func mergeTwice(
        _ source: UnsafeRawPointer, _ once: UnsafeMutableRawPointer,
        _ twice: UnsafeMutableRawPointer, _ n: Int
    ) {
        var i = 0
        while n &- i >= 16 {
            let x = unsafe source.loadUnaligned(fromByteOffset: i, as: Vector.self)  // S1
            let seen = unsafe once.loadUnaligned(fromByteOffset: i, as: Vector.self)
            let again = unsafe twice.loadUnaligned(fromByteOffset: i, as: Vector.self)
            unsafe twice.storeBytes(of: again | seen & x, toByteOffset: i, as: Vector.self)
            unsafe once.storeBytes(of: seen | x, toByteOffset: i, as: Vector.self)
            i &+= 16
        }
        while i < n {
            let x = unsafe source.load(fromByteOffset: i, as: UInt8.self)
            let seen = unsafe once.load(fromByteOffset: i, as: UInt8.self)
            let again = unsafe twice.load(fromByteOffset: i, as: UInt8.self)
            unsafe twice.storeBytes(of: again | seen & x, toByteOffset: i, as: UInt8.self)
            unsafe once.storeBytes(of: seen | x, toByteOffset: i, as: UInt8.self)
            i &+= 1
        }
    }
}
