//  LZF.swift — a small and fast compression, the one that Redis uses.
//
//      0 ... 31                so many bytes plus one follow as they are
//      len << 5 | high, low    a copy of len + 2 bytes, from the distance high << 8 | low, plus one
//      7 << 5 | high, n, low   the same with a length of n + 9
//
//  Credits: the format is Marc Lehmann's LibLZF; code is ours.

enum LZF {
    private static var distanceMax: Int { 1 << 13 }
    private static var copyMax: Int { 264 }
    private static var literalsMax: Int { 32 }

    /// `bytes` compressed; nil when that takes more than `most` bytes.
    static func compress(_ bytes: Bytes, atMost most: Int) -> [UInt8]? {
        let n = bytes.count
        guard n >= 4, n <= 1 << 30, most > 0 else { return nil }
        // Positions plus one at which three bytes were seen last.
        let bits = n < 1 << 14 ? 11 : 14
        var table = [Int32](repeating: 0, count: 1 << bits)
        var out: [UInt8] = []
        out.reserveCapacity(most)
        var literals = 0, i = 0
        while i < n - 2 {
            guard out.count + (i - literals) < most else { return nil }
            let next =
                UInt32(bytes[i]) << 16 | UInt32(bytes[i + 1]) << 8 | UInt32(bytes[i + 2])
            let slot = Int(truncatingIfNeeded: (next &* 2_654_435_769) >> UInt32(32 - bits))
            let candidate = Int(table[slot]) - 1
            table[slot] = Int32(i + 1)
            let distance = i - candidate
            guard candidate >= 0, distance <= distanceMax, bytes[candidate] == bytes[i],
                bytes[candidate + 1] == bytes[i + 1], bytes[candidate + 2] == bytes[i + 2]
            else {
                i += 1
                continue
            }
            var length = 3
            let longest = min(copyMax, n - i)
            while length < longest, bytes[candidate + length] == bytes[i + length] { length += 1 }
            append(bytes, literals..<i, &out)
            append(length, distance - 1, &out)
            i += length
            literals = i
        }
        append(bytes, literals..<n, &out)
        return out.count <= most ? out : nil
    }

    private static func append(_ bytes: Bytes, _ range: Range<Int>, _ out: inout [UInt8]) {
        var start = range.lowerBound
        while start < range.upperBound {
            let end = min(start + literalsMax, range.upperBound)
            out.append(UInt8(end - start - 1))
            for i in start..<end { out.append(bytes[i]) }
            start = end
        }
    }

    private static func append(_ length: Int, _ distance: Int, _ out: inout [UInt8]) {
        let high = UInt8(distance >> 8)
        if length < 9 {
            out.append(UInt8(length - 2) << 5 | high)
        } else {
            out.append(7 << 5 | high)
            out.append(UInt8(length - 9))
        }
        out.append(UInt8(distance & 0xFF))
    }

    /// What `bytes` were before they were compressed; nil when they are not `count` bytes or
    /// damaged.
    static func decompress(_ bytes: Bytes, count: Int) -> [UInt8]? {
        guard count >= 0, count <= 1 << 32 else { return nil }
        var out: [UInt8] = []
        // Nothing grows by more than this, whatever the count says.
        out.reserveCapacity(min(count, bytes.count * copyMax))
        var i = 0
        while i < bytes.count {
            let head = Int(bytes[i])
            i += 1
            if head < literalsMax {
                guard head + 1 <= bytes.count - i, head + 1 <= count - out.count else { return nil }
                for k in i...(i + head) { out.append(bytes[k]) }
                i += head + 1
                continue
            }
            var length = head >> 5
            if length == 7 {
                guard i < bytes.count else { return nil }
                length += Int(bytes[i])
                i += 1
            }
            guard i < bytes.count else { return nil }
            let distance = (head & 31) << 8 | Int(bytes[i])
            i += 1
            let start = out.count - distance - 1
            guard start >= 0, length + 2 <= count - out.count else { return nil }
            for k in start..<(start + length + 2) { out.append(out[k]) }
        }
        return out.count == count ? out : nil
    }
}
