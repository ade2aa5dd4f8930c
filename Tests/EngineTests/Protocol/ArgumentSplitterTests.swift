//  ArgumentSplitterTests.swift — lines taken apart, and words quoted and read back.
import TestSupport
import Testing

@testable import Engine

@Suite("Argument splitter")
struct ArgumentSplitterTests {
    private func split(_ line: String) -> [String]? {
        let bytes = Array(line.utf8)
        return ArgumentSplitter.split(bytes.span)?.map { String(decoding: $0, as: UTF8.self) }
    }

    private static let lines: [(line: String, words: [String]?)] = [
        ("", []), (" \t\r\n\u{b}\u{c} ", []), ("a", ["a"]), ("  a  b\t\tc  ", ["a", "b", "c"]),
        ("\"\"", [""]), ("''", [""]), ("'' \"\" ''", ["", "", ""]),
        ("\"a b\"", ["a b"]), ("'a b'", ["a b"]), ("\"a'b\" 'c\"d'", ["a'b", "c\"d"]),
        ("\"\\n\\r\\t\\b\\a\\\\\\\"\"", ["\n\r\t\u{8}\u{7}\\\""]), ("'\\n\\''", ["\\n'"]),
        ("\"\\x41\\x4a\\x7E\"", ["AJ~"]), ("\"\\x4\" \"\\xg0\" \"\\x\"", ["x4", "xg0", "x"]),
        ("\"\\X41\"", ["X41"]), ("a\\b \\", ["a\\b", "\\"]), ("a'b c'", ["ab c"]),
        ("a\"b\" c", ["ab", "c"]), ("'a'b", nil), ("\"a\"b", nil), ("\"a\"\"b\"", nil),
        ("'", nil), ("\"", nil), ("\"\\\"", nil), ("'\\'", nil), ("a b 'c", nil), ("\"\\", nil),
        ("a b\"", nil),
    ]

    @Test func `quotes and escapes`() {
        for (line, words) in Self.lines { #expect(split(line) == words, "\(line)") }
    }

    @Test(arguments: [1, 2, 3])
    func `what was quoted reads back as it was`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<3000 {
            let words = (0..<Int.random(in: 0...5, using: &random)).map { _ in random.bytes(0...12)
            }
            var line: [UInt8] = []
            for word in words {
                line += [[32], [9], [32, 13, 10, 32]][Int.random(in: 0..<3, using: &random)]
                line += Self.quoted(word, &random)
            }
            #expect(ArgumentSplitter.split(line.span) == words, "\(line)")
        }
    }

    /// One of the ways to write `word`.
    private static func quoted(_ word: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        let isPlain = word.allSatisfy { $0 > 32 && $0 != 34 && $0 != 39 }
        if isPlain, !word.isEmpty, Bool.random(using: &random) { return word }
        // A backslash at the end, or in front of a quote, would take the quote with it.
        if !word.contains(92), Bool.random(using: &random) {
            return [39] + word.flatMap { $0 == 39 ? [92, 39] : [$0] } + [39]
        }
        let digits = Array("0123456789abcdefABCDEF".utf8)
        return [34]
            + word.flatMap { byte -> [UInt8] in
                let isSpecial = byte == 34 || byte == 92
                if !isSpecial, Bool.random(using: &random) { return [byte] }
                let low = Int(byte & 15), high = Int(byte >> 4)
                let capital = low > 9 && Bool.random(using: &random) ? 6 : 0
                return [92, 120, digits[high], digits[low + capital]]
            } + [34]
    }

    @Test func `random lines never trap, and words are no longer than their line`() {
        var random = SeededRandom(seed: 11)
        let letters = Array(" \t\r\n\"\"''\\\\xab09\0".utf8) + [255]
        for _ in 0..<50_000 {
            let line = (0..<Int.random(in: 0...20, using: &random)).map { _ in
                letters[Int.random(in: 0..<letters.count, using: &random)]
            }
            let words = ArgumentSplitter.split(line.span) ?? []
            #expect(words.reduce(0) { $0 + $1.count } <= line.count)
        }
    }
}
