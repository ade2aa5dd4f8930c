//  Random.swift — secrets and dice.  U
//
//  Two needs, two sources: bytes that nobody may guess (identifiers, hash keys) come from the
//  kernel; samples (random keys, eviction) come from a small generator that a test can seed.
//
//  Credits: xoshiro256** by Blackman and Vigna, seeded by SplitMix64 as they advise.
//
//  ## Safety
//  - S1: the kernel is told the count of bytes left in the span it fills.
import CPlatform

/// Bytes that nobody can guess.
public enum Random {
    /// Fills `space` from the kernel.
    public static func fill(_ space: inout MutableSpan<UInt8>) {
        unsafe space.withUnsafeMutableBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = unsafe getrandom(
                    bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done, 0)  // S1
                if count > 0 {
                    done += count
                } else {
                    precondition(cp_errno() == EINTR, "the system has no source of randomness")
                }
            }
        }
    }

    /// `count` bytes from the kernel.
    public static func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var span = bytes.mutableSpan
        fill(&span)
        return bytes
    }

    /// `count` hexadecimal digits in lower case.
    public static func hexadecimal(_ count: Int) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes(count).map { digits[Int($0 & 15)] }, as: UTF8.self)
    }

    /// 64 bits from the kernel.
    public static func word() -> UInt64 {
        bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// A fast source of samples, not of secrets; the same seed gives the same sequence.
public struct RandomGenerator: RandomNumberGenerator, Sendable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// Starts from a seed that the kernel chooses.
    public init() { self.init(seed: Random.word()) }

    /// Starts from `seed`.
    public init(seed: UInt64) {
        var counter = seed
        func mix() -> UInt64 {
            counter &+= 0x9e37_79b9_7f4a_7c15
            var word = counter
            word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
            word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
            return word ^ (word >> 31)
        }
        state = (mix(), mix(), mix(), mix())
    }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        let product = state.1 &* 5
        let result = (product << 7 | product >> 57) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = state.3 << 45 | state.3 >> 19
        return result
    }
}
