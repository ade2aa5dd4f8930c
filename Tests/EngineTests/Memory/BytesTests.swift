//  BytesTests.swift — words, comparisons and buffers.
import Testing

@testable import Engine

@Suite("Bytes") struct BytesTests {
    @Test func `copies and comparisons are right at every length`() {
        var random = SeededGenerator(7)
        for count in 0...100 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            var buffer = ByteBuffer()
            buffer.append(bytes.span)
            #expect(buffer.span.array == bytes)
            #expect(buffer.span.equals(bytes.span))
            for i in 0..<count {
                var other = bytes
                other[i] ^= 1
                #expect(!other.span.equals(bytes.span))
                #expect((other.span.compare(bytes.span) < 0) == (other[i] < bytes[i]))
            }
        }
    }

    @Test func `a shorter prefix comes first`() {
        let a = Array("abc".utf8), b = Array("abcd".utf8)
        #expect(a.span.compare(b.span) < 0)
        #expect(b.span.compare(a.span) > 0)
        #expect(a.span.compare(a.span) == 0)
    }

    @Test func `words fold letters and nothing else`() {
        #expect(Word("get") == "GET")
        #expect(Word("GeT") == "GET")
        #expect(Word("get\u{0}") != "GET")
        #expect(Word("ge") != "GET")
        #expect(Word("@[`{") != Word("`{@["))
        #expect(Word("georadiusbymember_ro") == "GEORADIUSBYMEMBER_RO")
        #expect(Word("georadiusbymember_r0") != "GEORADIUSBYMEMBER_RO")
    }

    @Test func `words of every length equal themselves in any case`() {
        let letters = Array("abcdefghijklmnopqrstuvwxyz1234".utf8)
        for count in 0...30 {
            let text = String(decoding: letters[..<count], as: UTF8.self)
            let isName = count <= 24
            #expect((Word(text) == Word(text.uppercased())) == isName || !isName)
            if count > 0, isName {
                let other = String(text.dropLast()) + "_"
                #expect(Word(other) != Word(text))
            }
        }
    }

    @Test func `a comparison in constant time tells the truth`() {
        let a = Array("secret".utf8), b = Array("secreT".utf8)
        #expect(a.span.equalsInConstantTime(a.span))
        #expect(!a.span.equalsInConstantTime(b.span))
        #expect(!a.span.equalsInConstantTime(Array("secre".utf8).span))
    }
}

@Suite("ByteBuffer") struct ByteBufferTests {
    @Test(arguments: [1, 2, 3, 4])
    func `random edits match an array`(seed: UInt64) {
        var random = SeededGenerator(seed)
        var buffer = ByteBuffer()
        var model: [UInt8] = []
        for _ in 0..<3000 {
            edit(&buffer, &model, &random)
            if buffer.count != model.count { break }
        }
        #expect(buffer.span.array == model)
    }

    private func edit(
        _ buffer: inout ByteBuffer, _ model: inout [UInt8], _ random: inout SeededGenerator
    ) {
        switch Int.random(in: 0..<6, using: &random) {
        case 0, 1:
            let bytes = random.bytes(0...200)
            buffer.append(bytes.span)
            model += bytes
        case 2:
            let n = Int.random(in: 0...model.count, using: &random)
            buffer.removeFirst(n)
            model.removeFirst(n)
        case 3:
            let n = Int.random(in: 0...model.count, using: &random)
            buffer.truncate(to: n)
            model.removeLast(model.count - n)
        case 4:
            let bytes = random.bytes(0...50)
            let at = Int.random(in: 0...model.count, using: &random)
            buffer.insert(bytes.span, at: at)
            model.insert(contentsOf: bytes, at: at)
        default:
            buffer.shrink(to: Int.random(in: 0...1000, using: &random))
        }
    }

    @Test func `an empty buffer owns nothing after shrinking`() {
        var buffer = ByteBuffer(capacity: 1000)
        buffer.append("text")
        buffer.removeAll()
        buffer.shrink(to: 0)
        #expect(buffer.capacity == 0)
        #expect(buffer.span.isEmpty)
    }
}
