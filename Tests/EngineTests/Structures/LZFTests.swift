//  LZFTests.swift — what was compressed comes back, and what is damaged does no harm.
import TestSupport
import Testing

@testable import Engine

@Suite("LZF")
struct LZFTests {
    private static func sample(_ random: inout SeededRandom) -> [UInt8] {
        let words = (0..<20).map { _ in random.bytes(1...12) }
        var bytes: [UInt8] = []
        let size = Int.random(in: 0..<20_000, using: &random)
        while bytes.count < size {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes += random.bytes(0...40)
            case 1: bytes += [UInt8](repeating: 7, count: Int.random(in: 0..<600, using: &random))
            default: bytes += words.randomElement(using: &random) ?? []
            }
        }
        return bytes
    }

    @Test(arguments: 1...4)
    func `what was compressed comes back`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<150 {
            let bytes = Self.sample(&random)
            guard let small = LZF.compress(bytes.span, atMost: bytes.count * 2 + 16) else {
                #expect(bytes.count < 4)
                continue
            }
            #expect(LZF.decompress(small.span, count: bytes.count) == bytes)
            #expect(LZF.compress(bytes.span, atMost: small.count) == small)
            #expect(LZF.compress(bytes.span, atMost: small.count - 1) == nil)
            #expect(LZF.decompress(small.span, count: bytes.count + 1) == nil)
            #expect(LZF.decompress(small.span, count: bytes.count - 1) == nil)
        }
    }

    @Test func `one text does not refer to another that was compressed before it`() {
        var random = SeededRandom(seed: 6)
        var compressor = LZFCompressor(bytesMax: .max)
        let shared = random.bytes(200...200)
        for _ in 0..<500 {
            let bytes = shared.shuffled(using: &random).prefix(3) + shared + random.bytes(0...90)
            var out = ByteBuffer()
            out.append(7)
            let isShorter = compressor.compress(Array(bytes).span, atMost: 400, into: &out)
            #expect(isShorter && out.span[0] == 7)
            let small = out.span.extracting(1...)
            #expect(LZF.decompress(small, count: bytes.count) == Array(bytes))
            var back = ByteBuffer()
            back.append(8)
            #expect(LZF.decompress(small, count: bytes.count, into: &back))
            #expect(back.span.extracting(1...).array == Array(bytes) && back.span[0] == 8)
            #expect(!LZF.decompress(small, count: bytes.count - 1, into: &back))
            #expect(back.count == bytes.count + 1)
        }
    }

    @Test func `repetition shrinks`() {
        let bytes = Array(String(repeating: "the same words again and again; ", count: 200).utf8)
        #expect((LZF.compress(bytes.span, atMost: bytes.count)?.count ?? .max) < bytes.count / 20)
        // A distance of one repeats the last byte.
        #expect(
            LZF.decompress([0, 65, 0xE0, 10, 0].span, count: 20)
                == [UInt8](repeating: 65, count: 20))
    }

    @Test func `damaged bytes are refused`() {
        var random = SeededRandom(seed: 9)
        for bytes: [UInt8] in [[0], [31], [0x20], [0xE0], [0xE0, 255], [0x20, 0], [5, 1, 2]] {
            #expect(LZF.decompress(bytes.span, count: 10) == nil)
        }
        #expect(LZF.decompress([0, 65].span, count: .max) == nil)
        #expect(LZF.decompress([0, 65].span, count: -1) == nil)
        for _ in 0..<20_000 {
            let bytes = random.bytes(0...40)
            let count = Int.random(in: 0..<100, using: &random)
            if let out = LZF.decompress(bytes.span, count: count) { #expect(out.count == count) }
        }
    }
}
