//  BytesTests.swift — words, comparisons and buffers.
import TestSupport
import Testing

@testable import Engine

@Suite("Bytes") struct BytesTests {
    @Test func `copies and comparisons are right at every length`() {
        var random = SeededRandom(seed: 7)
        for count in 0...100 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            var buffer = ByteBuffer()
            buffer.append(bytes.span)
            let copy = buffer.span.array, isSame = buffer.span.equals(bytes.span)
            #expect(copy == bytes)
            #expect(isSame)
            for i in 0..<count {
                var other = bytes
                other[i] ^= 1
                let order = other.span.compare(bytes.span)
                let isSame = other.span.equals(bytes.span)
                #expect(!isSame)
                #expect((order < 0) == (other[i] < bytes[i]))
            }
        }
    }

    @Test func `a shorter prefix comes first`() {
        let a = Array("abc".utf8), b = Array("abcd".utf8)
        let orders = [a.span.compare(b.span), b.span.compare(a.span), a.span.compare(a.span)]
        #expect(orders.map { $0.signum() } == [-1, 1, 0])
    }

    @Test func `words fold letters and nothing else`() {
        // From text, not from literals, which are taken as they stand.
        func word(_ text: String) -> Word { Word(text) }
        #expect(word("get") == "GET")
        #expect(word("GeT") == "GET")
        #expect(word("get\u{0}") != "GET")
        #expect(word("ge") != "GET")
        #expect(word("@[`{") != word("`{@["))
        #expect(word("georadiusbymember_ro") == "GEORADIUSBYMEMBER_RO")
        #expect(word("georadiusbymember_r0") != "GEORADIUSBYMEMBER_RO")
    }

    @Test func `words of every length equal themselves in any case`() {
        let letters = Array("abcdefghijklmnopqrstuvwxyz1234".utf8)
        for count in 0...30 {
            let text = String(decoding: letters[..<count], as: UTF8.self)
            let isName = count <= 24
            if isName { #expect(Word(text) == Word(text.uppercased())) }
            if count > 0, isName {
                let other = String(text.dropLast()) + "_"
                #expect(Word(other) != Word(text))
            }
        }
    }

    @Test func `a comparison in constant time tells the truth`() {
        let a = Array("secret".utf8), b = Array("secreT".utf8)
        let shorter = Array("secre".utf8)
        let answers = [
            a.span.equalsInConstantTime(a.span), a.span.equalsInConstantTime(b.span),
            a.span.equalsInConstantTime(shorter.span),
        ]
        #expect(answers == [true, false, false])
    }
}

@Suite("ByteBuffer") struct ByteBufferTests {
    @Test(arguments: [1, 2, 3, 4])
    func `random edits match an array`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var buffer = ByteBuffer()
        var model: [UInt8] = []
        for _ in 0..<3000 {
            edit(&buffer, &model, &random)
            if buffer.count != model.count { break }
        }
        let bytes = buffer.span.array
        #expect(bytes == model)
    }

    private func edit(
        _ buffer: inout ByteBuffer, _ model: inout [UInt8], _ random: inout SeededRandom
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
        let capacity = buffer.capacity, count = buffer.span.count
        #expect(capacity == 0)
        #expect(count == 0)
    }
}
