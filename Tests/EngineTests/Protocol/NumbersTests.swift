//  NumbersTests.swift — numbers read as strictly and printed as shortly as Redis does it.
import TestSupport
import Testing

@testable import Engine

@Suite("Numbers")
struct NumbersTests {
    private func integer(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        return Numbers.integer(bytes.span)
    }

    private func double(_ text: String) -> Double? {
        let bytes = Array(text.utf8)
        return Numbers.double(bytes.span)
    }

    private func cursor(_ text: String) -> UInt64? {
        let bytes = Array(text.utf8)
        return Numbers.cursor(bytes.span)
    }

    @Test func `integers have one form each`() {
        for value in [0, 1, -1, 9, 10, -10, 255, .max, .min, .max - 1, .min + 1] as [Int64] {
            #expect(integer("\(value)") == value)
        }
        for text in [
            "", "-", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1.0", "1e3", "0x10", "a", "1a",
            "9223372036854775808", "-9223372036854775809", "18446744073709551616",
            "99999999999999999999", "-99999999999999999999", "100000000000000000000", "1\0", "--1",
            "\u{661}",
        ] {
            #expect(integer(text) == nil, "\(text)")
        }
    }

    @Test func `random texts are integers exactly when they print back as they were`() {
        var random = SeededRandom(seed: 3)
        let letters = Array("0012345678999-+ ".utf8)
        for _ in 0..<50_000 {
            let text = (0..<Int.random(in: 0...21, using: &random)).map { _ in
                letters[Int.random(in: 0..<letters.count, using: &random)]
            }
            let word = String(decoding: text, as: UTF8.self)
            let model = Int64(word).flatMap { "\($0)" == word ? $0 : nil }
            #expect(Numbers.integer(text.span) == model, "\(word)")
        }
        for _ in 0..<20_000 {
            let value = Int64.random(in: .min ... .max, using: &random)
            let shorter = value >> Int64.random(in: 0...63, using: &random)
            #expect(integer("\(shorter)") == shorter)
        }
    }

    @Test func `cursors are read as leniently as strtoull does`() {
        let cursors: [(String, UInt64?)] = [
            ("0", 0), ("18446744073709551615", .max), (" 7", 7), ("+7", 7), ("007", 7),
            ("\t\n\u{b}\u{c}\r42", 42), ("18446744073709551616", nil), ("", nil), ("x", nil),
            ("7x", nil), ("7 ", nil), ("-", nil), ("-1", nil), (" -1", .max), ("0x10", nil),
        ]
        for (text, value) in cursors { #expect(cursor(text) == value, "\(text)") }
    }

    @Test func `floating-point numbers are read as strtod does`() {
        let numbers: [(String, Double?)] = [
            ("0", 0), ("-0", -0.0), ("1.5", 1.5), (".5", 0.5), ("5.", 5), ("+3", 3), ("1e3", 1000),
            ("1E-2", 0.01), ("inf", .infinity), ("-inf", -.infinity), ("Infinity", .infinity),
            ("0x10", 16), ("9007199254740993", 9_007_199_254_740_992), ("", nil), ("nan", nil),
            (" 1", nil), ("1 ", nil), ("1,5", nil), ("1e", nil), ("abc", nil), ("1\0", nil),
            ("--1", nil), ("1e400", nil),
        ]
        for (text, value) in numbers { #expect(double(text) == value, "\(text)") }
    }

    @Test func `numbers print in their shortest form`() {
        let texts: [(Double, String)] = [
            (0, "0"), (-0.0, "-0"), (1, "1"), (-1.5, "-1.5"), (0.1, "0.1"), (3.0, "3"),
            (100, "100"), (1e15, "1000000000000000"), (0.1 + 0.2, "0.30000000000000004"),
            (.infinity, "inf"), (-.infinity, "-inf"), (.nan, "nan"), (1e-5, "0.00001"),
            (1.7976931348623157e308, "1.7976931348623157e+308"), (.leastNonzeroMagnitude, "5e-324"),
            (1e21, "1e+21"), (123456.789, "123456.789"),
        ]
        for (value, text) in texts { #expect(Numbers.text(of: value) == text) }
    }

    @Test func `what is printed reads back as it was`() {
        var random = SeededRandom(seed: 5)
        for round in 0..<30_000 {
            let value =
                round % 2 == 0
                ? Double(bitPattern: UInt64.random(in: 0 ... .max, using: &random))
                : Double(Int64.random(in: -1_000_000...1_000_000, using: &random)) / 1000
            guard value.isFinite else { continue }
            let text = Numbers.text(of: value)
            #expect(double(text) == value, "\(text)")
            #expect(!text.hasSuffix(".") && !text.hasSuffix(".0"), "\(text)")
        }
    }

    @Test func `sums of decimals are exact where people look`() throws {
        func sum(_ a: String, _ b: String) throws -> String {
            String(decoding: try Numbers.sum(of: Array(a.utf8), Array(b.utf8)), as: UTF8.self)
        }
        #expect(try sum("10.5", "0.1") == "10.6")
        #expect(try sum("0.1", "0.2") == "0.3")
        #expect(try sum("3", "-3") == "0")
        #expect(try sum("5.0e3", "200") == "5200")
        #expect(throws: CommandError.self) { try sum("x", "1") }
        #expect(throws: CommandError.self) { try sum("1", "nan") }
        #expect(throws: CommandError.self) { try sum("inf", "1") }
        #expect(throws: CommandError.self) { try sum("1", " 1") }
    }

    @Test func `reports round and choose units`() {
        #expect(Numbers.fixed(1.005, decimals: 1) == "1.0")
        #expect(Numbers.fixed(-0.04, decimals: 1) == "0.0")
        #expect(Numbers.fixed(.infinity, decimals: 2) == "0")
        #expect(Numbers.humanBytes(1023) == "1023B")
        #expect(Numbers.humanBytes(1024) == "1.00K")
        #expect(Numbers.humanBytes(1_237_319) == "1.18M")
    }
}
