//  ArgumentSplitter.swift — words of a line, with quotes and escapes.
//
//  One set of rules for inline requests and configuration files. "…" knows \n \r \t \b \a \xHH and
//  backslash before anything else; '…' knows \' only; a closing quote ends its word, so something
//  other than white space behind it is an error, as is a quote that is not closed.

enum ArgumentSplitter {
    /// The words of `line`; nil when quotes are unbalanced.
    static func split(_ line: Bytes) -> [[UInt8]]? {
        var words: [[UInt8]] = []
        var i = 0
        while true {
            while i < line.count, isSpace(line[i]) { i += 1 }
            if i == line.count { return words }
            guard let word = word(line, &i) else { return nil }
            words.append(word)
        }
    }

    private static func isSpace(_ c: UInt8) -> Bool { c == 32 || (c >= 9 && c <= 13) }

    /// Reads one word at `i`; nil when its quotes are unbalanced.
    private static func word(_ line: Bytes, _ i: inout Int) -> [UInt8]? {
        var word: [UInt8] = []
        while i < line.count {
            let c = line[i]
            switch c {
            case UInt8(ascii: " "), 9, 10, 13:
                return word
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                i += 1
                let isClosed =
                    c == UInt8(ascii: "'")
                    ? singleQuoted(line, &i, &word) : doubleQuoted(line, &i, &word)
                guard isClosed, i == line.count || isSpace(line[i]) else { return nil }
                return word
            default:
                word.append(c)
                i += 1
            }
        }
        return word
    }

    /// Reads up to the closing quote and past it; false when there is none.
    private static func singleQuoted(
        _ line: Bytes, _ i: inout Int, _ word: inout [UInt8]
    ) -> Bool {
        while i < line.count {
            let c = line[i]
            i += 1
            if c == UInt8(ascii: "'") { return true }
            if c == UInt8(ascii: "\\"), i < line.count, line[i] == UInt8(ascii: "'") {
                word.append(UInt8(ascii: "'"))
                i += 1
            } else {
                word.append(c)
            }
        }
        return false
    }

    private static func doubleQuoted(
        _ line: Bytes, _ i: inout Int, _ word: inout [UInt8]
    ) -> Bool {
        while i < line.count {
            let c = line[i]
            i += 1
            if c == UInt8(ascii: "\"") { return true }
            guard c == UInt8(ascii: "\\"), i < line.count else {
                word.append(c)
                continue
            }
            if let byte = hexByte(line, i) {
                word.append(byte)
                i += 3
            } else {
                word.append(unescaped(line[i]))
                i += 1
            }
        }
        return false
    }

    /// The byte that `xHH` at `i` means.
    private static func hexByte(_ line: Bytes, _ i: Int) -> UInt8? {
        guard line.count - i >= 3, line[i] == UInt8(ascii: "x") else { return nil }
        guard let high = hexDigit(line[i + 1]), let low = hexDigit(line[i + 2]) else { return nil }
        return high << 4 | low
    }

    private static func hexDigit(_ c: UInt8) -> UInt8? {
        switch c {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): c - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): c - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): c - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private static func unescaped(_ c: UInt8) -> UInt8 {
        switch c {
        case UInt8(ascii: "n"): 10
        case UInt8(ascii: "r"): 13
        case UInt8(ascii: "t"): 9
        case UInt8(ascii: "b"): 8
        case UInt8(ascii: "a"): 7
        default: c
        }
    }
}
