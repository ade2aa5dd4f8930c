//  SipHashTests.swift — SipHash-1-3 against values of an independent implementation.
import Testing

@testable import Engine

@Suite("SipHash") struct SipHashTests {
    @Test(
        arguments: [
            (0, 0xabac_0158_050f_c4dc),
            (1, 0xc9f4_9bf3_7d57_ca93),
            (7, 0xd392_7d98_9bb1_1140),
            (8, 0x3690_9511_8d29_9a8e),
            (9, 0x25a4_8eb3_6c06_3de4),
            (15, 0xd320_d86d_2a51_9956),
            (16, 0xcc4f_dd1a_7d90_8b66),
            (17, 0x9cf2_6890_63db_d80c),
            (63, 0x9d19_9062_b7bb_b3a8),
        ] as [(Int, UInt64)])
    func `hashes match the reference`(count: Int, expected: UInt64) {
        let seed = HashSeed(k0: 0x0706_0504_0302_0100, k1: 0x0f0e_0d0c_0b0a_0908)
        let bytes = (0..<count).map { UInt8($0) }
        let hash = seed.hash(bytes.span)
        #expect(hash == expected)
    }

    @Test func `another key gives other hashes`() {
        let text = Array("key".utf8)
        let one = HashSeed(k0: 1, k1: 2).hash(text.span)
        let other = HashSeed(k0: 1, k1: 3).hash(text.span)
        #expect(one != other)
    }
}
