//  Numbers.swift — numbers in and out, as strict as Redis reads and as Redis prints them.

import Platform

enum Numbers {
    /// A signed 64-bit integer in its one canonical form: no sign but '-', no leading zero, no
    /// white space.
    static func integer(_ s: Bytes) -> Int64? {
        let n = s.count
        guard n > 0, n <= 20 else { return nil }
        let negative = s[0] == UInt8(ascii: "-")
        var i = negative ? 1 : 0
        if i == n { return nil }
        if s[i] == UInt8(ascii: "0") { return n == 1 ? 0 : nil }
        var value: UInt64 = 0
        while i < n {
            let digit = s[i] &- 48
            if digit > 9 { return nil }
            let (tens, over) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(UInt64(digit))
            if over || carry { return nil }
            value = sum
            i &+= 1
        }
        if negative {
            return value <= UInt64(Int64.max) + 1 ? Int64(truncatingIfNeeded: 0 &- value) : nil
        }
        return Int64(exactly: value)
    }

    /// A cursor as `strtoull` reads it, which is how Redis does: white space, a sign and leading
    /// zeros may stand in front, a negative number counts from 2^64 down, and a byte 0 ends it.
    static func cursor(_ s: Bytes) -> UInt64? {
        var i = 0
        while i < s.count, s[i] == 32 || (s[i] >= 9 && s[i] <= 13) { i += 1 }
        let isNegative = i < s.count && s[i] == UInt8(ascii: "-")
        if isNegative || (i < s.count && s[i] == UInt8(ascii: "+")) { i += 1 }
        let start = i
        var value: UInt64 = 0
        while i < s.count, s[i] != 0 {
            let digit = s[i] &- 48
            if digit > 9 { return nil }
            let (tens, over) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(UInt64(digit))
            if over || carry { return nil }
            value = sum
            i += 1
        }
        if i == start { return nil }
        // "-1" alone is refused: it reads as an integer first, and that one is negative.
        if isNegative, start == 1, s[1] != UInt8(ascii: "0"), value <= UInt64(Int64.max) + 1 {
            return nil
        }
        return isNegative ? 0 &- value : value
    }

    /// A floating-point number as `strtod` reads it, infinities included, NaN and white space not.
    static func double(_ s: Bytes) -> Double? {
        if let value = short(s) { return value }
        return Decimals.double(s.array)
    }

    /// Powers of ten that a double holds exactly.
    private static let powers: InlineArray<19, Double> = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18,
    ]

    /// Digits with at most one point among them, if the result is exact but for one rounding; nil
    /// for anything else (Clinger's fast path).
    @inline(__always) static func short(_ s: Bytes) -> Double? {
        guard s.count <= 18, s.count > 0 else { return nil }
        let isNegative = s[0] == UInt8(ascii: "-")
        var digits: UInt64 = 0, count = 0, decimals = -1
        for i in (isNegative ? 1 : 0)..<s.count {
            let digit = s[i] &- 48
            if digit <= 9 {
                digits = digits &* 10 &+ UInt64(digit)
                count &+= 1
                if decimals >= 0 { decimals &+= 1 }
            } else if s[i] == UInt8(ascii: "."), decimals < 0 {
                decimals = 0
            } else {
                return nil
            }
        }
        guard count > 0, digits <= 1 << 53 else { return nil }
        let value = decimals > 0 ? Double(digits) / powers[decimals] : Double(digits)
        return isNegative ? -value : value
    }

    /// The sum of two decimal numbers, as INCRBYFLOAT prints it: at most 17 decimals.
    static func sum(of a: [UInt8], _ b: [UInt8]) throws(CommandError) -> [UInt8] {
        do throws(Decimals.Failure) {
            return try Decimals.sum(of: a, b)
        } catch {
            throw error == .notFinite ? .notANumberOrInfinity : .notAFloat
        }
    }

    /// The shortest decimal that reads back as `value`, in the form that Redis prints: no decimals
    /// for integers, an exponent where the zeros would be many.
    static func text(of value: Double) -> String {
        if let whole = Int64(exactly: value), whole != 0,
            whole.magnitude <= UInt64(Int64.max / 2)
        {
            return "\(whole)"
        }
        return shortest(value)
    }

    /// The same, of large integers too only as many digits as it takes; zeros follow.
    static func shortest(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        if value == 0 { return value.sign == .minus ? "-0" : "0" }
        // Of these nobody writes zeros in front or an exponent.
        if value.magnitude >= 0.001, value.magnitude < 10_000 {
            let text = value.description
            return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
        }
        let sign = value < 0 ? "-" : ""
        let (digits, exponent) = shortestDigits(value.magnitude)
        // The number is 0.digits * 10^point.
        let point = exponent + digits.count
        let magnitude = abs(point - 1)
        if exponent >= 0, magnitude < digits.count + 7 {
            return sign + digits + String(repeating: "0", count: exponent)
        }
        if exponent < 0, exponent > -7 || magnitude < 4 {
            if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
            return sign + digits.prefix(point) + "." + digits.dropFirst(point)
        }
        let fraction = digits.count > 1 ? "." + digits.dropFirst() : ""
        return sign + digits.prefix(1) + fraction + "e" + (point > 0 ? "+" : "-") + "\(magnitude)"
    }

    /// The digits of a finite number above zero, without zeros at either end, and the power of ten
    /// that they stand before.
    private static func shortestDigits(_ value: Double) -> (String, Int) {
        let parts = "\(value)".split(separator: "e", maxSplits: 1)
        var exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let halves = parts[0].split(separator: ".", maxSplits: 1)
        var fraction = halves.count > 1 ? halves[1] : ""
        while fraction.last == "0" { fraction.removeLast() }
        exponent -= fraction.count
        var digits = (halves[0] + fraction).drop { $0 == "0" }
        while digits.last == "0" {
            digits.removeLast()
            exponent += 1
        }
        return (String(digits), exponent)
    }

    /// `value` with so many decimals, rounded; for reports.
    static func fixed(_ value: Double, decimals: Int) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "0" }
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let product = abs(value) * scale
        var rounded = product.rounded(.toNearestOrEven)
        // A product that looks like a tie was rounded itself, unless nothing was lost.
        let lost = (-product).addingProduct(abs(value), scale)
        if abs(product - product.rounded(.down)) == 0.5, lost != 0 {
            rounded = product.rounded(lost > 0 ? .up : .down)
        }
        let scaled = Int64(rounded)
        var digits = String(scaled)
        while digits.count <= decimals { digits = "0" + digits }
        let point = digits.index(digits.endIndex, offsetBy: -decimals)
        let sign = value < 0 && scaled != 0 ? "-" : ""
        return sign + digits[..<point] + (decimals > 0 ? "." : "") + digits[point...]
    }

    /// Bytes with a unit, such as `1.18M`.
    static func humanBytes(_ bytes: Int) -> String {
        let units = ["B", "K", "M", "G", "T", "P"]
        if bytes < 1024 { return "\(bytes)B" }
        var value = Double(bytes), unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return fixed(value, decimals: 2) + units[unit]
    }
}
