//  Glob.swift — patterns of keys: * ? [abc] [^a] [a-z] and \ before a literal.
//
//  The semantics are Redis's to the odd corners; the method is not: a mismatch goes back to the
//  last '*' only, so no pattern takes more than |pattern| times |text| steps and none recurses.

enum Glob {
    /// Whether all of `text` matches `pattern`.
    ///
    /// - Complexity: O(pattern.count · text.count) at worst.
    static func matches(
        pattern: Bytes, _ text: Bytes, ignoringCase: Bool = false
    ) -> Bool {
        var p = 0, t = 0
        // Where to go on after the last '*': behind it in the pattern, and one byte further on
        // in the text than the last attempt.
        var starPattern = -1, starText = 0
        while t < text.count {
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                while p < pattern.count, pattern[p] == UInt8(ascii: "*") { p += 1 }
                if p == pattern.count { return true }
                starPattern = p
                starText = t
                continue
            }
            if p < pattern.count, matchesOne(pattern, &p, text[t], ignoringCase) {
                t += 1
                continue
            }
            guard starPattern >= 0 else { return false }
            starText += 1
            t = starText
            p = starPattern
        }
        while p < pattern.count, pattern[p] == UInt8(ascii: "*") { p += 1 }
        return p == pattern.count
    }

    /// Whether the element of the pattern at `p` matches `c`; moves `p` behind the element.
    private static func matchesOne(
        _ pattern: Bytes, _ p: inout Int, _ c: UInt8, _ ignoringCase: Bool
    ) -> Bool {
        switch pattern[p] {
        case UInt8(ascii: "?"):
            p += 1
            return true
        case UInt8(ascii: "["):
            return matchesClass(pattern, &p, c, ignoringCase)
        case UInt8(ascii: "\\") where p + 1 < pattern.count:
            p += 2
            return equal(pattern[p - 1], c, ignoringCase)
        default:
            p += 1
            return equal(pattern[p - 1], c, ignoringCase)
        }
    }

    /// A class that is not closed ends with the pattern; a range may be written backwards.
    private static func matchesClass(
        _ pattern: Bytes, _ p: inout Int, _ c: UInt8, _ ignoringCase: Bool
    ) -> Bool {
        p += 1
        let isNegated = p < pattern.count && pattern[p] == UInt8(ascii: "^")
        if isNegated { p += 1 }
        var found = false
        while p < pattern.count, pattern[p] != UInt8(ascii: "]") {
            if pattern[p] == UInt8(ascii: "\\"), p + 1 < pattern.count {
                if pattern[p + 1] == c { found = true }
                p += 2
            } else if p + 2 < pattern.count, pattern[p + 1] == UInt8(ascii: "-") {
                // Bytes above 127 come before the others: Redis compares signed characters.
                let a = Int8(bitPattern: fold(pattern[p], ignoringCase))
                let b = Int8(bitPattern: fold(pattern[p + 2], ignoringCase))
                let x = Int8(bitPattern: fold(c, ignoringCase))
                if x >= min(a, b), x <= max(a, b) { found = true }
                p += 3
            } else {
                if equal(pattern[p], c, ignoringCase) { found = true }
                p += 1
            }
        }
        if p < pattern.count { p += 1 }
        return found != isNegated
    }

    private static func fold(_ c: UInt8, _ ignoringCase: Bool) -> UInt8 {
        ignoringCase ? asciiLower(c) : c
    }

    private static func equal(_ a: UInt8, _ b: UInt8, _ ignoringCase: Bool) -> Bool {
        a == b || ignoringCase && asciiLower(a) == asciiLower(b)
    }
}
