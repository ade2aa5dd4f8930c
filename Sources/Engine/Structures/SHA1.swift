//  SHA1.swift — the hash of FIPS 180-4, for digests that other servers compute too.
//
//  No longer a defence against anybody; here it only names contents.

/// A running SHA-1.
struct SHA1 {
    private var state: (UInt32, UInt32, UInt32, UInt32, UInt32) = (
        0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0
    )
    /// Bytes that do not fill a block yet.
    private var rest: [UInt8] = []
    private var count: UInt64 = 0

    private static let blockBytes = 64

    /// The 20 bytes for `bytes`.
    static func hash(_ bytes: [UInt8]) -> [UInt8] {
        var sha = SHA1()
        sha.add(bytes.span)
        return sha.finish()
    }

    mutating func add(_ bytes: Bytes) {
        count &+= UInt64(bytes.count)
        for i in 0..<bytes.count {
            rest.append(bytes[i])
            if rest.count == Self.blockBytes { mix() }
        }
    }

    mutating func finish() -> [UInt8] {
        let bits = count &* 8
        rest.append(0x80)
        while rest.count % Self.blockBytes != 56 {
            if rest.count == Self.blockBytes { mix() }
            rest.append(0)
        }
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            rest.append(UInt8(truncatingIfNeeded: bits >> shift))
        }
        mix()
        return [state.0, state.1, state.2, state.3, state.4].flatMap { word in
            [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) }
        }
    }

    /// Takes in one block.
    private mutating func mix() {
        var words = [UInt32](repeating: 0, count: 80)
        for i in 0..<16 {
            words[i] = rest[(i * 4)..<(i * 4 + 4)].reduce(0) { $0 << 8 | UInt32($1) }
        }
        for i in 16..<80 {
            words[i] = Self.left(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1)
        }
        var (a, b, c, d, e) = state
        for i in 0..<80 {
            let f: UInt32, k: UInt32
            switch i / 20 {
            case 0: (f, k) = (b & c | ~b & d, 0x5A82_7999)
            case 1: (f, k) = (b ^ c ^ d, 0x6ED9_EBA1)
            case 2: (f, k) = (b & c | b & d | c & d, 0x8F1B_BCDC)
            default: (f, k) = (b ^ c ^ d, 0xCA62_C1D6)
            }
            let next = Self.left(a, 5) &+ f &+ e &+ k &+ words[i]
            (e, d, c, b, a) = (d, c, Self.left(b, 30), a, next)
        }
        state = (
            state.0 &+ a, state.1 &+ b, state.2 &+ c, state.3 &+ d, state.4 &+ e
        )
        rest.removeAll(keepingCapacity: true)
    }

    private static func left(_ word: UInt32, _ n: UInt32) -> UInt32 {
        word << n | word >> (32 - n)
    }
}
