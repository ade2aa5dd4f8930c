//  Decimals.swift — decimal arithmetic in the C library's widest binary format.  U
//
//  Swift has no such type on every platform; the clients of INCRBYFLOAT see its digits.
//
//  ## Safety
//  - S1: both texts are NUL-terminated copies; `out` has the size that is passed with it.
import CPlatform

public enum Decimals {
    public enum Failure: Error {
        case malformedFirst, malformedSecond, notFinite
    }

    /// Room for any number: the widest has 4,933 digits before the point.
    private static let charactersMax = 5120

    /// The binary number nearest to a decimal one; nil when `text` is none, NaN or out of range.
    public static func double(_ text: [UInt8]) -> Double? {
        guard text.count < charactersMax, !text.contains(0) else { return nil }
        let characters = text.map { CChar(bitPattern: $0) } + [0]
        var value = 0.0
        return unsafe cp_read_double(characters, text.count, &value) == 1 ? value : nil  // S1
    }

    /// `value` with 17 significant digits, which are enough for any and often more than needed.
    public static func full(_ value: Double) -> String {
        var out = [CChar](repeating: 0, count: 32)
        let n = unsafe cp_print_double(value, &out, out.count)  // S1
        return String(decoding: out[..<Int(n)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// `value` with six decimals, however large it is.
    public static func fixed(_ value: Double) -> String {
        var out = [CChar](repeating: 0, count: 512)
        let n = unsafe cp_print_fixed(value, &out, out.count)  // S1
        return String(decoding: out[..<Int(n)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The border of a range of scores, which Redis reads in its own way: nothing is 0, what is out
    /// of range is infinite or 0, and a byte 0 ends it; nil for what is no decimal number.
    public static func border(_ text: [UInt8]) -> Double? {
        guard text.count < charactersMax else { return nil }
        let characters = text.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
        var value = 0.0
        return unsafe cp_read_border(characters, &value) == 1 ? value : nil  // S1
    }

    /// The sum of two decimal numbers with at most 17 decimals and no trailing zeros.
    ///
    /// - Throws: `Failure` when a number is malformed or the sum is infinite.
    public static func sum(
        of a: [UInt8], _ b: [UInt8]
    ) throws(Failure) -> [UInt8] {
        // Longer texts are no numbers; a NUL byte would hide what follows it.
        guard a.count < charactersMax, !a.contains(0) else { throw .malformedFirst }
        guard b.count < charactersMax, !b.contains(0) else { throw .malformedSecond }
        let first = a.map { CChar(bitPattern: $0) } + [0]
        let second = b.map { CChar(bitPattern: $0) } + [0]
        var out = [CChar](repeating: 0, count: charactersMax)
        let length = unsafe cp_add_decimals(first, second, &out, out.count)  // S1
        switch length {
        case -1: throw .malformedFirst
        case -2: throw .malformedSecond
        case ..<0: throw .notFinite
        default: return out[..<Int(length)].map { UInt8(bitPattern: $0) }
        }
    }
}
