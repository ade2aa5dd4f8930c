//  Numbers.swift — numbers in and out, as strict as Redis reads and as Redis prints them.

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

    /// The shortest decimal that reads back as `value`.
    static func text(of value: Double) -> String { "\(value)" }
}
