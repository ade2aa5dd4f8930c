//  Packed.swift — small collections as entries in one run of bytes.  U
//
//      value of a packed record: u16 count | entry | entry | …
//      entry: encoding and length | data | length of both, readable from behind
//
//  An entry is one of Redis's listpack, so entries go into files and out of them as they are; the
//  listpack's own header and end byte are added there. Integers in canonical decimal are stored as
//  binary numbers. A run in a record begins with the number of its entries, which is below 65,536:
//  whoever adds entries converts to the large encoding long before.
//
//  Credits: listpack is Salvatore Sanfilippo's.
//
//  ## Safety
//  - S1: a run was written by `PackedEntry` or checked by `Packed.isValid`; offsets that clients
//    of `Packed` pass came from it. Reads go through spans, which check their bounds.
//  - S2: `encode` writes exactly `count` bytes; the caller has that much room.
import CPlatform

/// One element to be written.
struct PackedEntry: ~Escapable {
    private let bytes: Bytes
    private let number: Int64
    private let isInteger: Bool
    /// Bytes of encoding and data, without the length behind them.
    private let bodyCount: Int

    /// A string; one that is a canonical integer is kept as a number.
    @_lifetime(copy text)
    init(_ text: Bytes) {
        if text.count <= 20, text.count > 0, text[0] &- 45 < 13, let value = Numbers.integer(text) {
            number = value
            isInteger = true
            bodyCount = Self.integerCount(value)
        } else {
            number = 0
            isInteger = false
            let n = text.count
            bodyCount = n + (n < 64 ? 1 : n < 4096 ? 2 : 5)
        }
        bytes = text
    }

    @_lifetime(immortal)
    init(_ value: Int64) {
        bytes = Bytes()
        number = value
        isInteger = true
        bodyCount = Self.integerCount(value)
    }

    /// The stored form of an element that was read elsewhere.
    @_lifetime(copy view)
    init(_ view: StringView) {
        if view.form == .integer { self.init(view.number) } else { self.init(view.bytes) }
    }

    /// Bytes of the element as text.
    @inline(__always) var textCount: Int {
        isInteger && bytes.isEmpty ? Digits.count(Int(number)) : bytes.count
    }

    /// Bytes that the entry occupies.
    var count: Int { bodyCount &+ Self.backCount(bodyCount) }
    /// The same without the length behind it.
    @inline(__always) var bodyBytes: Int { bodyCount }

    private static func integerCount(_ v: Int64) -> Int {
        if v >= 0, v <= 127 { return 1 }
        if v >= -4096, v <= 4095 { return 2 }
        if Int16(exactly: v) != nil { return 3 }
        if v >= -8_388_608, v <= 8_388_607 { return 4 }
        if Int32(exactly: v) != nil { return 5 }
        return 9
    }

    /// Bytes that hold the length of an entry's body behind it.
    @inline(__always) static func backCount(_ n: Int) -> Int {
        n < 128 ? 1 : n < 16_384 ? 2 : n < 2_097_152 ? 3 : n < 268_435_456 ? 4 : 5
    }

    /// Writes the entry at `p`, which has room for `count` bytes.
    ///
    /// Fenced files only.
    @unsafe func encode(to p: UnsafeMutableRawPointer) {
        unsafe encodeBody(to: p)
        unsafe Self.putBack(bodyCount, p + bodyCount)
    }

    /// Writes encoding and data alone at `p`, which has room for `bodyBytes` bytes.
    ///
    /// Fenced files only.
    @unsafe func encodeBody(to p: UnsafeMutableRawPointer) {
        if isInteger {
            unsafe encodeInteger(p)
        } else {
            let n = bytes.count
            var head = 1
            if n < 64 {
                unsafe p.storeBytes(of: 0x80 | UInt8(n), as: UInt8.self)
            } else if n < 4096 {
                unsafe p.storeBytes(of: 0xE0 | UInt8(n >> 8), as: UInt8.self)
                unsafe p.storeBytes(of: UInt8(n & 0xFF), toByteOffset: 1, as: UInt8.self)
                head = 2
            } else {
                unsafe p.storeBytes(of: 0xF0, as: UInt8.self)
                unsafe p.storeBytes(of: UInt32(n).littleEndian, toByteOffset: 1, as: UInt32.self)
                head = 5
            }
            unsafe bytes.copy(to: p + head)
        }
    }

    @unsafe private func encodeInteger(_ p: UnsafeMutableRawPointer) {
        let v = number
        switch bodyCount {
        case 1: unsafe p.storeBytes(of: UInt8(v), as: UInt8.self)
        case 2:
            let bits = UInt16(truncatingIfNeeded: v) & 0x1FFF
            unsafe p.storeBytes(of: 0xC0 | UInt8(bits >> 8), as: UInt8.self)
            unsafe p.storeBytes(of: UInt8(bits & 0xFF), toByteOffset: 1, as: UInt8.self)
        default:
            let code: UInt8 = bodyCount == 9 ? 0xF4 : 0xF1 + UInt8(bodyCount - 3)
            unsafe p.storeBytes(of: code, as: UInt8.self)
            for i in 1..<bodyCount {
                let byte = UInt8(truncatingIfNeeded: v >> Int64((i - 1) * 8))
                unsafe p.storeBytes(of: byte, toByteOffset: i, as: UInt8.self)
            }
        }
    }

    /// The length in groups of seven bits, the last byte first to be read from behind.
    @unsafe fileprivate static func putBack(_ n: Int, _ p: UnsafeMutableRawPointer) {
        let count = backCount(n)
        for i in 0..<count {
            let group = UInt8(truncatingIfNeeded: n >> ((count - 1 - i) * 7)) & 0x7F
            unsafe p.storeBytes(of: group | (i == 0 ? 0 : 0x80), toByteOffset: i, as: UInt8.self)
        }
    }
}

/// A run of entries, read where it stands.
struct Packed: ~Escapable {
    /// All bytes; entries begin at `start`.
    let bytes: Bytes
    let start: Int

    /// Bytes of the count in front of a record's entries.
    static var headerCount: Int { 2 }
    /// More entries than any packed record may have.
    static var entriesMax: Int { 65_000 }

    /// The value of a packed record.
    @_lifetime(copy record)
    init(record: Bytes) {
        bytes = record
        start = Self.headerCount
    }

    /// Entries alone.
    @_lifetime(copy entries)
    init(entries: Bytes) {
        bytes = entries
        start = 0
    }

    /// Entries according to the count in front.
    ///
    /// Only for the value of a record.
    @inline(__always) var count: Int { Int(bytes[0]) | Int(bytes[1]) << 8 }
    @inline(__always) var end: Int { bytes.count }
    var isEmpty: Bool { start == end }

    /// The element of the entry at `offset`.
    subscript(offset: Int) -> StringView {
        @_lifetime(copy self)
        @inline(__always) get {
            let (data, count) = layout(offset)
            if count >= 0 {
                return StringView(
                    bytes.extracting(data..<data &+ count), number: 0, form: .bytes)
            }
            return StringView(Bytes(), number: integer(offset), form: .integer)
        }
    }

    /// The element of the entry at `offset`, which moves behind the entry.
    @_lifetime(copy self)
    @inline(__always) func take(_ offset: inout Int) -> StringView {
        let at = offset
        let (data, count) = layout(at)
        if count >= 0 {
            let body = data &- at &+ count
            offset = at &+ body &+ PackedEntry.backCount(body)
            return StringView(bytes.extracting(data..<data &+ count), number: 0, form: .bytes)
        }
        offset = at &- count &+ 1
        return StringView(Bytes(), number: integer(at), form: .integer)
    }

    /// The element of the body at `offset`, which moves behind it: runs of bodies have no lengths
    /// between them, so they are read in this direction only.
    @_lifetime(copy self)
    @inline(__always) func takeBody(_ offset: inout Int) -> StringView {
        let at = offset
        let (data, count) = layout(at)
        if count >= 0 {
            offset = data &+ count
            return StringView(bytes.extracting(data..<data &+ count), number: 0, form: .bytes)
        }
        offset = at &- count
        return StringView(Bytes(), number: integer(at), form: .integer)
    }

    /// Offset of the entry behind the one at `offset`; `end` behind the last.
    @inline(__always) func next(_ offset: Int) -> Int {
        let body = bodyCount(offset)
        return offset &+ body &+ PackedEntry.backCount(body)
    }

    /// The same, `n` entries further.
    func next(_ offset: Int, by n: Int) -> Int {
        var offset = offset
        for _ in 0..<n { offset = next(offset) }
        return offset
    }

    /// Offset of the entry in front of the one at `offset`, which is above `start`.
    func previous(_ offset: Int) -> Int {
        var at = offset - 1, body = 0, shift = 0
        while true {
            let byte = bytes[at]
            body |= Int(byte & 0x7F) << shift
            if byte & 0x80 == 0 { break }
            shift += 7
            at -= 1
        }
        return at - body
    }

    /// Offset of entry `index`, counted from 0, or from the end if negative; the caller knows that
    /// there is one.
    func offset(at index: Int) -> Int {
        var offset = start
        if index >= 0 {
            for _ in 0..<index { offset = next(offset) }
            return offset
        }
        offset = end
        for _ in 0..<(-index) { offset = previous(offset) }
        return offset
    }

    /// Offset of the first entry from `offset` on that equals `text`, looking at every `stride`th.
    func find(_ text: Bytes, from offset: Int, stride: Int = 1) -> Int? {
        let wanted: Int64? =
            text.count <= 20 && text.count > 0 && text[0] &- 45 < 13 ? Numbers.integer(text) : nil
        var at = offset
        while at < bytes.count {
            let (data, count) = layout(at)
            if count >= 0 {
                if wanted == nil, count == text.count,
                    bytes.extracting(data..<data &+ count).equals(text)
                {
                    return at
                }
            } else if let wanted, integer(at) == wanted {
                return at
            }
            at = next(at)
            if stride == 2, at < bytes.count { at = next(at) }
            if stride > 2 {
                for _ in 1..<stride where at < bytes.count { at = next(at) }
            }
        }
        return nil
    }

    /// Offset of the first entry that equals `text` among every `stride`th.
    func find(_ text: Bytes, stride: Int = 1) -> Int? { find(text, from: start, stride: stride) }

    // MARK: - Reading entries

    /// Bytes of encoding and data of the entry at `offset`.
    @inline(__always) private func bodyCount(_ offset: Int) -> Int {
        let (data, count) = layout(offset)
        if count >= 0 { return data &- offset &+ count }
        return -count
    }

    /// Where the data of a string begins and how long it is; for an integer the count is that of
    /// the body, negated.
    @inline(__always) private func layout(_ offset: Int) -> (data: Int, count: Int) {
        let head = bytes[offset]
        if head & 0xC0 == 0x80 { return (offset &+ 1, Int(head & 0x3F)) }
        if head & 0x80 == 0 { return (offset, -1) }
        if head & 0xE0 == 0xC0 { return (offset, -2) }
        if head & 0xF0 == 0xE0 {
            return (offset &+ 2, Int(head & 0x0F) << 8 | Int(bytes[offset &+ 1]))
        }
        switch head {
        case 0xF0:
            let n =
                Int(bytes[offset &+ 1]) | Int(bytes[offset &+ 2]) << 8
                | Int(bytes[offset &+ 3]) << 16 | Int(bytes[offset &+ 4]) << 24
            return (offset &+ 5, n)
        case 0xF1: return (offset, -3)
        case 0xF2: return (offset, -4)
        case 0xF3: return (offset, -5)
        default: return (offset, -9)
        }
    }

    private func integer(_ offset: Int) -> Int64 {
        let head = bytes[offset]
        if head & 0x80 == 0 { return Int64(head) }
        if head & 0xE0 == 0xC0 {
            let bits = Int64(head & 0x1F) << 8 | Int64(bytes[offset &+ 1])
            return bits >= 4096 ? bits - 8192 : bits
        }
        let count = head == 0xF4 ? 8 : Int(head) - 0xEF
        var value: UInt64 = 0
        for i in 0..<count { value |= UInt64(bytes[offset &+ 1 &+ i]) << UInt64(i * 8) }
        let unused = UInt64(64 - count * 8)
        return Int64(bitPattern: value << unused) >> Int64(unused)
    }

    /// Whether `entries`, which came from outside, is a run that every function here can read;
    /// returns the number of its entries.
    static func validCount(entries: Bytes) -> Int? {
        let run = Packed(entries: entries)
        var at = 0, count = 0
        while at < entries.count {
            let head = entries[at]
            if head > 0xF4 { return nil }
            let headCount = head == 0xF0 ? 5 : head & 0xF0 == 0xE0 ? 2 : 1
            guard at + headCount <= entries.count else { return nil }
            let body = run.bodyCount(at)
            let back = PackedEntry.backCount(body)
            guard body <= entries.count - at - back else { return nil }
            var stored = 0
            for i in 0..<back {
                let byte = entries[at + body + i]
                guard (byte & 0x80 != 0) == (i > 0) else { return nil }
                stored = stored << 7 | Int(byte & 0x7F)
            }
            guard stored == body else { return nil }
            at += body + back
            count += 1
        }
        return count
    }
}

extension Record {
    /// The entries of a packed record; lives as long as `bytes` does.
    var packed: Packed {
        @_lifetime(immortal)
        @inline(__always) get { unsafe _overrideLifetime(Packed(record: bytes), copying: ()) }
    }

    /// Writes `entry` at `offset` of the value, which reaches far enough.
    @inline(__always) func write(_ entry: PackedEntry, at offset: Int) {
        precondition(offset >= 0 && entry.count <= valueCount - offset)
        unsafe entry.encode(to: value + offset)  // S2
    }

    /// Sets the number of entries of a packed record.
    @inline(__always) func setPackedCount(_ n: Int) {
        precondition(n >= 0 && n <= 0xFFFF && valueCount >= Packed.headerCount)
        let bits = UInt16(truncatingIfNeeded: n).littleEndian
        unsafe value.storeBytes(of: bits, as: UInt16.self)
    }
}

extension ByteBuffer {
    /// Appends an entry without the length behind it.
    @inline(__always) mutating func append(body entry: PackedEntry) {
        unsafe withSpace(entry.bodyBytes) { p in
            unsafe entry.encodeBody(to: UnsafeMutableRawPointer(p))  // S2
            return entry.bodyBytes
        }
    }

    /// Appends bodies, each with the length that belongs behind it.
    mutating func append(entriesOf bodies: Packed) {
        var at = bodies.start
        while at < bodies.end {
            let start = at
            _ = bodies.takeBody(&at)
            append(bodies.bytes.extracting(start..<at))
            appendBack(at - start)
        }
    }

    private mutating func appendBack(_ n: Int) {
        unsafe withSpace(5) { p in
            unsafe PackedEntry.putBack(n, UnsafeMutableRawPointer(p))  // S2
            return PackedEntry.backCount(n)
        }
    }

    /// Appends an entry.
    mutating func append(_ entry: PackedEntry) {
        let n = entry.count
        unsafe withSpace(n) { p in
            unsafe entry.encode(to: UnsafeMutableRawPointer(p))  // S2
            return n
        }
    }
}
