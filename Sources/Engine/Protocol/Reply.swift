//  Reply.swift — appends wire format to the output.  U
//
//  Counts come first: know n, then write. Where n is known only afterwards, `open` and `close`
//  shift the body by the header's width. RESP2 and RESP3 differ by one predictable branch here and
//  nowhere else.
//
//  ## Safety
//  - S1: `withSpace(n)` hands out n writable bytes; every body writes at most that many.

/// The protocol a client speaks.
enum RESPVersion: UInt8, Sendable, CaseIterable {
    case resp2 = 2
    case resp3 = 3
}

struct Reply: ~Copyable {
    var out: ByteBuffer
    var version = RESPVersion.resp2
    /// Large values that stand between the bytes of `out`, in order.
    private var values: [PinnedValue] = []
    /// Whether whoever sends the reply knows of `values`.
    private let takesValues: Bool
    /// Bytes of `out` above which the executor looks at what was replied.
    var stop = Int.max

    init(capacity: Int = 0, takesValues: Bool = false) {
        out = ByteBuffer(capacity: capacity)
        self.takesValues = takesValues
    }

    deinit { for value in values { value.unpin() } }

    // MARK: - The whole

    /// Whether values stand between the bytes of `range`.
    @inline(__always) func hasValues(in range: Range<Int>) -> Bool {
        !values.isEmpty && !self.values(in: range).isEmpty
    }

    /// The values that stand between the bytes of `range`, which are whole replies.
    func values(in range: Range<Int>) -> ArraySlice<PinnedValue> {
        // A value has bytes of its reply in front of it and behind.
        values[firstValue(behind: range.lowerBound)..<firstValue(behind: range.upperBound - 1)]
    }

    /// Index of the first value that stands behind `position`.
    private func firstValue(behind position: Int) -> Int {
        var low = 0, high = values.count
        while low < high {
            let middle = (low + high) / 2
            if values[middle].position > position { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// Bytes of replies from `mark` on.
    func byteCount(from mark: Int) -> Int {
        var n = out.count - mark
        var i = values.count
        while i > 0, values[i - 1].position > mark {
            i -= 1
            n += values[i].count
        }
        return n
    }

    /// Takes back what was replied from `mark` on.
    mutating func truncate(to mark: Int) {
        while let last = values.last, last.position > mark {
            last.unpin()
            values.removeLast()
        }
        out.truncate(to: mark)
    }

    /// Empties the reply, and gives memory back but for `kept` bytes.
    mutating func clear(keeping kept: Int) {
        if !values.isEmpty { truncate(to: 0) }
        out.removeAll()
        out.shrink(to: kept)
    }

    // MARK: - Scalars

    @inline(__always) mutating func ok() { out.append("+OK\r\n") }

    /// A status line: `+text`.
    mutating func simple(_ text: StaticString) {
        out.append(UInt8(ascii: "+"))
        out.append(text)
        out.append("\r\n")
    }

    /// `+text` for text made at run time, which holds no line breaks.
    mutating func status(_ text: String) {
        out.append(UInt8(ascii: "+"))
        out.append(copying: text)
        out.append("\r\n")
    }

    /// `-text`; line breaks in `text` become spaces so that it cannot forge a second reply, and
    /// those at its end go away.
    mutating func error(_ text: String) { error(Array(text.utf8)) }

    /// The same for bytes that need not be text.
    mutating func error(_ text: [UInt8]) {
        out.append(UInt8(ascii: "-"))
        let end = text.lastIndex { $0 != 13 && $0 != 10 } ?? -1
        for byte in text.prefix(end + 1) {
            out.append(byte == 13 || byte == 10 ? UInt8(ascii: " ") : byte)
        }
        out.append("\r\n")
    }

    @inline(__always) mutating func null() {
        if version == .resp3 { out.append("_\r\n") } else { out.append("$-1\r\n") }
    }

    mutating func nullArray() {
        if version == .resp3 { out.append("_\r\n") } else { out.append("*-1\r\n") }
    }

    @inline(__always) mutating func integer(_ value: Int64) {
        header(UInt8(ascii: ":"), Int(value))
    }

    /// `#t` or `#f`; in RESP2 the integers 1 and 0.
    mutating func bool(_ value: Bool) {
        if version == .resp3 {
            out.append(value ? "#t\r\n" : "#f\r\n")
        } else {
            integer(value ? 1 : 0)
        }
    }

    /// A float in its shortest form; in RESP2 a bulk string.
    mutating func double(_ value: Double) {
        // Most scores are small integers.
        if value.magnitude < 9_007_199_254_740_992, let whole = Int64(exactly: value),
            whole != 0 || value.sign == .plus
        {
            if version == .resp2 { return integerBulk(whole) }
            return header(UInt8(ascii: ","), Int(whole))
        }
        let text = Numbers.text(of: value)
        if version == .resp3 {
            out.append(UInt8(ascii: ","))
            out.append(copying: text)
            out.append("\r\n")
        } else {
            bulk(text)
        }
    }

    /// An integer of any size, in decimal; in RESP2 a bulk string.
    mutating func bigNumber(_ digits: String) {
        guard version == .resp3 else { return bulk(digits) }
        out.append(UInt8(ascii: "("))
        out.append(copying: digits)
        out.append("\r\n")
    }

    // MARK: - Strings

    @inline(__always) mutating func bulk(_ bytes: Bytes) {
        let n = bytes.count
        unsafe out.withSpace(n &+ 26) { p in  // S1: '$', 20 digits, two line ends.
            let head = UnsafeMutableRawPointer(p)
            var i: Int
            if n < 10 {
                // "$n\r\n" as one word.
                let word = 0x0A0D_3024 &+ UInt32(truncatingIfNeeded: n) &<< 8
                unsafe head.storeBytes(of: word.littleEndian, as: UInt32.self)
                i = 4
            } else if n < 100 {
                // "$nn\r\n" as one word; the three bytes behind it are overwritten.
                let tens = (UInt64(truncatingIfNeeded: n) &* 103) >> 10
                let ones = UInt64(truncatingIfNeeded: n) &- tens &* 10
                let word = 0x0A_0D30_3024 &+ tens &<< 8 &+ ones &<< 16
                unsafe head.storeBytes(of: word.littleEndian, as: UInt64.self)
                i = 5
            } else {
                unsafe p[0] = UInt8(ascii: "$")
                i = unsafe 1 &+ Digits.put(n, p + 1)
                unsafe p[i] = 13
                unsafe p[i &+ 1] = 10
                i &+= 2
            }
            unsafe bytes.copy(to: head + i)
            i &+= n
            let end = UInt16(0x0A0D).littleEndian
            unsafe head.storeBytes(of: end, toByteOffset: i, as: UInt16.self)
            return i &+ 2
        }
    }

    /// A stored string.
    @inline(__always) mutating func string(_ value: StringView) {
        switch value.form {
        case .integer: integerBulk(value.number)
        case .bytes:
            if value.bytes.count >= PinnedValue.bytesMin {
                return large(value, 0..<value.bytes.count)
            }
            bulk(value.bytes)
        }
    }

    /// The `range` of a stored string that is kept as bytes.
    mutating func string(_ value: StringView, _ range: Range<Int>) {
        if range.count >= PinnedValue.bytesMin { return large(value, range) }
        bulk(value.bytes.extracting(range))
    }

    /// A reference to the value instead of a copy, where that can be.
    @inline(never) private mutating func large(_ value: StringView, _ range: Range<Int>) {
        guard takesValues, let record = Record.owner(of: value) else {
            return bulk(value.bytes.extracting(range))
        }
        header(UInt8(ascii: "$"), range.count)
        values.append(PinnedValue(record, range, at: out.count))
        out.append("\r\n")
        stop = -1
    }

    /// For cold paths.
    mutating func bulk(_ text: String) {
        let bytes = Array(text.utf8)
        bulk(bytes.span)
    }

    /// For cold paths.
    mutating func bulk(_ bytes: [UInt8]) { bulk(bytes.span) }

    /// The decimal form of `value` as a bulk string.
    @inline(never) mutating func integerBulk(_ value: Int64) {
        unsafe out.withSpace(32) { p in  // S1: "$20\r\n" + 20 digits + CRLF is 27.
            let n = Digits.count(Int(value))
            unsafe p[0] = UInt8(ascii: "$")
            var i = unsafe 1 &+ Digits.put(n, p + 1)
            unsafe p[i] = 13
            unsafe p[i &+ 1] = 10
            i &+= 2
            i &+= unsafe Digits.put(Int(value), p + i)
            unsafe p[i] = 13
            unsafe p[i &+ 1] = 10
            return i &+ 2
        }
    }

    /// Text for people; in RESP2 a bulk string.
    mutating func verbatim(_ text: String) {
        let bytes = Array(text.utf8)
        verbatim(bytes.span)
    }

    /// The same for bytes.
    mutating func verbatim(_ text: Bytes) {
        guard version == .resp3 else { return bulk(text) }
        header(UInt8(ascii: "="), text.count + 4)
        out.append("txt:")
        out.append(text)
        out.append("\r\n")
    }

    /// The reply of `NAME HELP`: one status line each.
    mutating func help(_ name: String, _ lines: [String]) {
        array(lines.count + 3)
        status("\(name) <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
        for line in lines { status(line) }
        status("HELP")
        status("    Print this help.")
    }

    // MARK: - Aggregates

    @inline(__always) mutating func array(_ n: Int) { header(UInt8(ascii: "*"), n) }

    /// `n` pairs; in RESP2 an array of 2n.
    @inline(__always) mutating func map(_ n: Int) {
        if version == .resp3 {
            header(UInt8(ascii: "%"), n)
        } else {
            header(UInt8(ascii: "*"), n &* 2)
        }
    }

    /// `n` distinct elements; in RESP2 an array.
    mutating func set(_ n: Int) {
        header(version == .resp3 ? UInt8(ascii: "~") : UInt8(ascii: "*"), n)
    }

    /// `n` pairs that describe the reply behind them; RESP3 only.
    mutating func attribute(_ n: Int) { header(UInt8(ascii: "|"), n) }

    /// Out-of-band data; in RESP2 an array.
    mutating func push(_ n: Int) {
        header(version == .resp3 ? UInt8(ascii: ">") : UInt8(ascii: "*"), n)
    }

    /// Starts an aggregate whose size is not known yet.
    func open() -> Int { out.count }

    /// Ends an array that `open` started, once its `count` is known.
    mutating func close(array mark: Int, count: Int) { close(mark, UInt8(ascii: "*"), count) }

    /// Ends a map of `count` pairs that `open` started.
    mutating func close(map mark: Int, count: Int) {
        if version == .resp3 {
            close(mark, UInt8(ascii: "%"), count)
        } else {
            close(mark, UInt8(ascii: "*"), count * 2)
        }
    }

    /// Ends a set that `open` started, once its `count` is known.
    mutating func close(set mark: Int, count: Int) {
        close(mark, version == .resp3 ? UInt8(ascii: "~") : UInt8(ascii: "*"), count)
    }

    private mutating func close(_ mark: Int, _ kind: UInt8, _ n: Int) {
        var head: [UInt8] = [kind]
        head.append(contentsOf: String(n).utf8)
        head.append(13)
        head.append(10)
        out.insert(head.span, at: mark)
        for i in values.indices where values[i].position >= mark {
            values[i].position += head.count
        }
    }

    @inline(__always) private mutating func header(_ kind: UInt8, _ n: Int) {
        unsafe out.withSpace(24) { p in  // S1: kind, sign and 19 digits, line end.
            unsafe p[0] = kind
            let i = unsafe 1 &+ Digits.put(n, p + 1)
            unsafe p[i] = 13
            unsafe p[i &+ 1] = 10
            return i &+ 2
        }
    }
}

extension ByteBuffer {
    /// Appends `value` in decimal.
    mutating func append(decimal value: Int) {
        unsafe withSpace(20) { p in unsafe Digits.put(value, p) }  // S1
    }
}

/// Decimal digits of integers.
enum Digits {
    /// Characters of `value` in decimal, sign included: 1 to 20.
    static func count(_ value: Int) -> Int {
        var n = value < 0 ? 2 : 1
        var rest = value.magnitude
        while rest >= 10 {
            n &+= 1
            rest /= 10
        }
        return n
    }

    /// Writes decimal at `p`, which has room for 20 bytes, and returns the length.
    @inline(__always) @unsafe static func put(_ v: Int, _ p: UnsafeMutablePointer<UInt8>) -> Int {
        if UInt(bitPattern: v) < 10 {
            unsafe p[0] = UInt8(truncatingIfNeeded: v) &+ 48
            return 1
        }
        if UInt(bitPattern: v) < 100 {
            unsafe p[0] = UInt8(truncatingIfNeeded: v / 10) &+ 48
            unsafe p[1] = UInt8(truncatingIfNeeded: v % 10) &+ 48
            return 2
        }
        return unsafe long(v, p)
    }

    @inline(never) @unsafe private static func long(
        _ v: Int, _ p: UnsafeMutablePointer<UInt8>
    ) -> Int {
        let n = count(v)
        var rest = v.magnitude, i = n
        repeat {
            i &-= 1
            unsafe p[i] = UInt8(truncatingIfNeeded: rest % 10) &+ 48
            rest /= 10
        } while rest != 0
        if v < 0 { unsafe p[0] = UInt8(ascii: "-") }
        return n
    }
}
