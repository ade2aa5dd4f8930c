//  IntegerSet.swift — small sets of integers, sorted, each of the same width.
//
//      value of the record: u8 width in bytes (2, 4 or 8) | integers, ascending, little-endian
//
//  The width is that of the widest member and never shrinks, as in Redis, whose encoding `intset`
//  this is but for the header, which is added in files.

enum IntegerSet {
    static var headerCount: Int { 1 }

    static func width(_ bytes: Bytes) -> Int { Int(bytes[0]) }
    static func count(_ bytes: Bytes) -> Int { (bytes.count - headerCount) / width(bytes) }

    /// Bytes that `value` needs.
    static func width(of value: Int64) -> Int {
        Int16(exactly: value) != nil ? 2 : Int32(exactly: value) != nil ? 4 : 8
    }

    /// Member `i` in ascending order.
    static func member(_ i: Int, _ bytes: Bytes) -> Int64 {
        let width = width(bytes)
        var at = headerCount + i * width + width
        var value: UInt64 = 0
        for _ in 0..<width {
            at -= 1
            value = value << 8 | UInt64(bytes[at])
        }
        let unused = UInt64(64 - width * 8)
        return Int64(bitPattern: value << unused) >> Int64(unused)
    }

    /// The position of `value`, or where it would stand.
    static func search(_ value: Int64, _ bytes: Bytes) -> (index: Int, isFound: Bool) {
        var low = 0, high = count(bytes)
        while low < high {
            let middle = (low + high) / 2
            let member = member(middle, bytes)
            if member == value { return (middle, true) }
            if member < value { low = middle + 1 } else { high = middle }
        }
        return (low, false)
    }

    /// The little-endian bytes of `value`; the first `width` of them stand for it.
    static func encoded(_ value: Int64) -> InlineArray<8, UInt8> {
        InlineArray { UInt8(truncatingIfNeeded: value >> Int64($0 * 8)) }
    }

    /// The bytes of a set of ascending integers.
    static func bytes(_ members: [Int64]) -> [UInt8] {
        let width = members.reduce(2) { max($0, self.width(of: $1)) }
        var out = [UInt8(width)]
        for member in members {
            let encoded = encoded(member)
            for k in 0..<width { out.append(encoded[k]) }
        }
        return out
    }

    /// All members in ascending order.
    static func members(_ bytes: Bytes) -> [Int64] { (0..<count(bytes)).map { member($0, bytes) } }
}
