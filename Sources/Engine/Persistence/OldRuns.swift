//  OldRuns.swift — the packed forms of RDB files turned into entries as of `Packed`.
//
//      listpack: u32 bytes | u16 entries | entry … | 0xFF
//      ziplist:  u32 bytes | u32 offset of the last | u16 entries | entry … | 0xFF
//                entry: bytes of the one before, in 1 or 5 bytes | encoding | data
//      zipmap:   u8 pairs | pair … | 0xFF
//                pair: bytes of the name | name | bytes of the value | u8 unused | value | unused
//      intset:   u32 width | u32 members | members
//
//  Ziplists and zipmaps are what Redis wrote before versions 7.0 and 2.6. Every function returns nil
//  where the bytes are not what they should be.

enum OldRuns {
    /// Where the entries of a listpack are, and how many.
    static func listpack(_ bytes: Bytes) -> (range: Range<Int>, count: Int)? {
        guard bytes.count >= 7, Int(number(bytes, 0, 4)) == bytes.count,
            bytes[bytes.count - 1] == 0xFF
        else { return nil }
        let range = 6..<(bytes.count - 1)
        guard let count = Packed.validCount(entries: bytes.extracting(range)) else { return nil }
        let stored = Int(number(bytes, 4, 2))
        guard stored == 0xFFFF || stored == count else { return nil }
        return (range, count)
    }

    /// Appends the entries of a ziplist to `out`; returns how many.
    static func ziplist(_ bytes: Bytes, into out: inout ByteBuffer) -> Int? {
        guard bytes.count >= 11, Int(number(bytes, 0, 4)) == bytes.count,
            bytes[bytes.count - 1] == 0xFF
        else { return nil }
        let end = bytes.count - 1
        var at = 10, count = 0, before = 0
        while at < end {
            let start = at
            let isLong = bytes[at] == 254
            guard bytes[at] != 255, at + (isLong ? 5 : 1) < end else { return nil }
            let stored = isLong ? Int(number(bytes, at + 1, 4)) : Int(bytes[at])
            guard stored == before else { return nil }
            at += isLong ? 5 : 1
            guard appendEntry(bytes, &at, end, &out) else { return nil }
            before = at - start
            count += 1
        }
        let stored = Int(number(bytes, 8, 2))
        guard at == end, stored == 0xFFFF || stored == count else { return nil }
        return count
    }

    /// Appends the element whose encoding stands at `at`, which moves behind it.
    private static func appendEntry(
        _ bytes: Bytes, _ at: inout Int, _ end: Int, _ out: inout ByteBuffer
    ) -> Bool {
        let head = bytes[at]
        var headCount = 1, n = 0
        switch head >> 6 {
        case 0: n = Int(head & 0x3F)
        case 1:
            headCount = 2
            guard at + headCount <= end else { return false }
            n = Int(head & 0x3F) << 8 | Int(bytes[at + 1])
        case 2:
            headCount = 5
            guard head == 0x80, at + headCount <= end else { return false }
            for i in 1...4 { n = n << 8 | Int(bytes[at + i]) }
        default: return appendInteger(bytes, &at, end, &out)
        }
        guard n <= end - at - headCount else { return false }
        let start = at + headCount
        out.append(PackedEntry(bytes.extracting(start..<(start + n))))
        at = start + n
        return true
    }

    private static func appendInteger(
        _ bytes: Bytes, _ at: inout Int, _ end: Int, _ out: inout ByteBuffer
    ) -> Bool {
        let head = bytes[at]
        let width: Int
        switch head {
        case 0xC0: width = 2
        case 0xD0: width = 4
        case 0xE0: width = 8
        case 0xF0: width = 3
        case 0xFE: width = 1
        case 0xF1...0xFD:
            out.append(PackedEntry(Int64(head & 0x0F) - 1))
            at += 1
            return true
        default: return false
        }
        guard width <= end - at - 1 else { return false }
        let unused = Int64(64 - width * 8)
        let value = Int64(bitPattern: number(bytes, at + 1, width) << UInt64(unused)) >> unused
        out.append(PackedEntry(value))
        at += 1 + width
        return true
    }

    /// Appends names and values of a zipmap to `out`; returns how many both together are.
    static func zipmap(_ bytes: Bytes, into out: inout ByteBuffer) -> Int? {
        guard bytes.count >= 2, bytes[bytes.count - 1] == 0xFF else { return nil }
        let end = bytes.count - 1
        var at = 1, count = 0
        while at < end {
            let isValue = count % 2 == 1
            let isLong = bytes[at] == 254
            guard bytes[at] != 255, at + (isLong ? 5 : 1) <= end else { return nil }
            let n = isLong ? Int(number(bytes, at + 1, 4)) : Int(bytes[at])
            at += isLong ? 5 : 1
            var unused = 0
            if isValue {
                guard at < end else { return nil }
                unused = Int(bytes[at])
                at += 1
            }
            guard n <= end - at - unused else { return nil }
            out.append(PackedEntry(bytes.extracting(at..<(at + n))))
            at += n + unused
            count += 1
        }
        // The first byte counts up to 253.
        guard count % 2 == 0, bytes[0] >= 254 || Int(bytes[0]) == count / 2 else { return nil }
        return count
    }

    /// The value of a record for an intset: `IntegerSet`'s bytes.
    static func isIntset(_ bytes: Bytes) -> Bool {
        guard bytes.count >= 8 else { return false }
        let width = Int(number(bytes, 0, 4)), count = Int(number(bytes, 4, 4))
        guard width == 2 || width == 4 || width == 8, count == (bytes.count - 8) / width,
            (bytes.count - 8) % width == 0
        else { return false }
        var last = Int64.min
        for i in 0..<count {
            let member = member(i, width, bytes)
            guard i == 0 || member > last else { return false }
            last = member
        }
        return true
    }

    /// Member `i` of an intset that `isIntset` has found to be one.
    static func member(_ i: Int, _ width: Int, _ bytes: Bytes) -> Int64 {
        let unused = Int64(64 - width * 8)
        let bits = number(bytes, 8 + i * width, width)
        return Int64(bitPattern: bits << UInt64(unused)) >> unused
    }

    /// `n` bytes at `at` as a number, the lowest first.
    static func number(_ bytes: Bytes, _ at: Int, _ n: Int) -> UInt64 {
        var value: UInt64 = 0
        for i in 0..<n { value |= UInt64(bytes[at + i]) << UInt64(i * 8) }
        return value
    }
}
