//  SHA1Tests.swift — the examples of the standard, and pieces of any size.
import Testing

@testable import Engine

@Suite("SHA-1") struct SHA1Tests {
    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test(arguments: [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
        ),
        (String(repeating: "a", count: 1_000), "291e9a6c66994949b57ba5e650361e98fc36b1ba"),
    ])
    func `the examples of the standard`(text: String, expected: String) {
        #expect(hex(SHA1.hash(Array(text.utf8))) == expected)
    }

    @Test func `pieces make the same hash as the whole`() {
        let bytes = (0..<200).map { UInt8($0) }
        for split in [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 200] {
            var sha = SHA1()
            sha.add(Array(bytes[..<split]).span)
            sha.add(Array(bytes[split...]).span)
            let hash = sha.finish()
            #expect(hash == SHA1.hash(bytes), "\(split)")
        }
    }
}
