//  SipHash.swift — keyed hash of keys.  U
//
//  SipHash-1-3 with a random 128-bit key per server. Weaker seeded hashes were broken in minutes:
//  a client could choose keys that all collide and turn every look-up linear. 8 ns for 16 bytes,
//  against hundreds for a look-up that misses the caches.
//
//  Credits: Aumasson and Bernstein 2012.
//
//  ## Safety
//  - S1: loads lie inside the span: whole words while eight bytes remain, single bytes after.

/// The secret that makes a server's hashes its own.
struct HashSeed: Sendable {
    let k0: UInt64, k1: UInt64

    /// The hash of `bytes` under this key.
    @inline(__always) func hash(_ bytes: Bytes) -> UInt64 {
        var v0 = 0x736f_6d65_7073_6575 ^ k0, v1 = 0x646f_7261_6e64_6f6d ^ k1
        var v2 = 0x6c79_6765_6e65_7261 ^ k0, v3 = 0x7465_6462_7974_6573 ^ k1
        @inline(__always) func round() {
            v0 &+= v1
            v1 = (v1 << 13) | (v1 >> 51)
            v1 ^= v0
            v0 = (v0 << 32) | (v0 >> 32)
            v2 &+= v3
            v3 = (v3 << 16) | (v3 >> 48)
            v3 ^= v2
            v0 &+= v3
            v3 = (v3 << 21) | (v3 >> 43)
            v3 ^= v0
            v2 &+= v1
            v1 = (v1 << 17) | (v1 >> 47)
            v1 ^= v2
            v2 = (v2 << 32) | (v2 >> 32)
        }
        let n = bytes.count
        var tail = UInt64(truncatingIfNeeded: n) << 56
        if n > 0 {
            var p = unsafe bytes.address
            let words = unsafe p + (n & ~7)
            while unsafe p != words {
                let word = unsafe p.loadUnaligned(as: UInt64.self)  // S1
                v3 ^= word
                round()
                v0 ^= word
                unsafe p += 8
            }
            var i = 0
            while i < n & 7 {
                let byte = UInt64(unsafe p.load(fromByteOffset: i, as: UInt8.self))  // S1
                tail |= byte &<< UInt64(truncatingIfNeeded: i &* 8)
                i &+= 1
            }
        }
        v3 ^= tail
        round()
        v0 ^= tail
        v2 ^= 0xff
        round()
        round()
        round()
        return v0 ^ v1 ^ v2 ^ v3
    }
}
