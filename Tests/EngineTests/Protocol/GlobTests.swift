//  GlobTests.swift — patterns against a matcher that is slow and plain.
import TestSupport
import Testing

@testable import Engine

@Suite("Glob")
struct GlobTests {
    private func matches(_ pattern: String, _ text: String, ignoringCase: Bool = false) -> Bool {
        let pattern = Array(pattern.utf8), text = Array(text.utf8)
        return Glob.matches(pattern: pattern.span, text.span, ignoringCase: ignoringCase)
    }

    @Test(arguments: [
        ("", "", true), ("", "a", false), ("*", "", true), ("*", "anything", true),
        ("**", "", true), ("?", "", false), ("?", "a", true), ("??", "a", false),
        ("a*c", "abc", true), ("a*c", "ac", true), ("a*c", "abcd", false), ("a*b*c", "abbc", true),
        ("h?llo", "hello", true), ("h[ae]llo", "hallo", true), ("h[ae]llo", "hillo", false),
        ("h[^e]llo", "hello", false), ("h[^e]llo", "hallo", true), ("h[a-c]llo", "hbllo", true),
        ("h[c-a]llo", "hbllo", true), ("h[a-c]llo", "hdllo", false), ("[a-]", "-", false),
        ("[a-]", "a", true), ("[]", "]", false), ("[]a]", "a]", false), ("[^]", "x", true),
        ("[abc", "a", true), ("[abc", "d", false), ("[^abc", "d", true), ("[", "[", false),
        ("a[", "a", false),
        ("\\*", "*", true), ("\\*", "a", false), ("\\?", "?", true), ("\\[a]", "[a]", true),
        ("a\\", "a\\", true), ("\\\\", "\\", true), ("[\\]]", "]", true), ("[\\-a]", "-", true),
        ("[a\\-z]", "m", false), ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false),
        ("*?", "", false), ("*?", "ab", true), ("ABC", "abc", false),
    ])
    func `patterns that people write`(pattern: String, text: String, isMatch: Bool) {
        #expect(matches(pattern, text) == isMatch)
    }

    @Test func `letters are folded on demand`() {
        #expect(matches("MAX*", "maxclients", ignoringCase: true))
        #expect(matches("[A-C]x", "bX", ignoringCase: true))
        #expect(!matches("[A-C]x", "dX", ignoringCase: true))
        #expect(!matches("@", "`", ignoringCase: true))
    }

    @Test func `many stars take no more than pattern times text`() {
        let pattern = String(repeating: "*a", count: 5000) + "b"
        #expect(!matches(pattern, String(repeating: "a", count: 20_000)))
    }

    @Test(arguments: [1, 2, 3])
    func `random patterns match as the plain matcher says`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let letters = Array("aabbc*?[]^-\\".utf8), texts = Array("aabbcc*-]\\[^".utf8)
        for _ in 0..<40_000 {
            let pattern = Self.word(of: letters, upTo: 9, &random)
            let text = Self.word(of: texts, upTo: 7, &random)
            let isMatch = Glob.matches(pattern: pattern.span, text.span)
            let shown = (
                String(decoding: pattern, as: UTF8.self), String(decoding: text, as: UTF8.self)
            )
            #expect(isMatch == PlainMatcher.matches(pattern[...], text[...]), "\(shown)")
        }
    }

    private static func word(
        of letters: [UInt8], upTo count: Int, _ random: inout SeededRandom
    ) -> [UInt8] {
        (0..<Int.random(in: 0...count, using: &random)).map { _ in
            letters[Int.random(in: 0..<letters.count, using: &random)]
        }
    }
}

/// The definition of a match, one element of the pattern at a time.
private enum PlainMatcher {
    static func matches(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        if first == UInt8(ascii: "*") {
            let rest = pattern.dropFirst()
            return (0...text.count).contains { matches(rest, text.dropFirst($0)) }
        }
        guard let c = text.first else { return false }
        let (isMatch, count) = element(Array(pattern), c)
        return isMatch && matches(pattern.dropFirst(count), text.dropFirst())
    }

    /// Whether the first element of `pattern` matches `c`, and of how many bytes it is.
    private static func element(_ pattern: [UInt8], _ c: UInt8) -> (Bool, Int) {
        switch pattern[0] {
        case UInt8(ascii: "?"): return (true, 1)
        case UInt8(ascii: "\\") where pattern.count > 1: return (pattern[1] == c, 2)
        case UInt8(ascii: "["): return list(pattern, c)
        default: return (pattern[0] == c, 1)
        }
    }

    private static func list(_ pattern: [UInt8], _ c: UInt8) -> (Bool, Int) {
        var rest = pattern.dropFirst()
        let isNegated = rest.first == UInt8(ascii: "^")
        if isNegated { rest = rest.dropFirst() }
        var members: Set<UInt8> = []
        while let first = rest.first, first != UInt8(ascii: "]") {
            let following = rest.dropFirst()
            if first == UInt8(ascii: "\\"), let escaped = following.first {
                members.insert(escaped)
                rest = rest.dropFirst(2)
            } else if following.first == UInt8(ascii: "-"), let last = following.dropFirst().first {
                members.formUnion(min(first, last)...max(first, last))
                rest = rest.dropFirst(3)
            } else {
                members.insert(first)
                rest = following
            }
        }
        let end = rest.isEmpty ? pattern.count : rest.startIndex + 1
        return (members.contains(c) != isNegated, end)
    }
}
