//  ByteRows.swift — many short byte strings in one block.

/// Byte strings that are appended and then read by number.
struct ByteRows: ~Copyable {
    private var bytes = ByteBuffer()
    private var ends: [Int] = []
    /// Some row holds a byte 0.
    private(set) var holdsZero = false

    init() {}

    var count: Int { ends.count }

    subscript(i: Int) -> Bytes {
        @_lifetime(borrow self)
        get { bytes.span.extracting((i == 0 ? 0 : ends[i - 1])..<ends[i]) }
    }

    mutating func append(_ row: Bytes) {
        bytes.append(row)
        ends.append(bytes.count)
        if !holdsZero { holdsZero = Self.zero(in: row) < row.count }
    }

    /// The text of a stored element.
    mutating func append(_ element: StringView) {
        guard element.form == .integer else { return append(element.bytes) }
        let text = element.array
        append(text.span)
    }

    /// The position of the first byte 0; the length when there is none.
    private static func zero(in row: Bytes) -> Int {
        for i in 0..<row.count where row[i] == 0 { return i }
        return row.count
    }

    /// Order of two rows as bytes: negative, zero or positive.
    func compare(_ a: Int, _ b: Int) -> Int { self[a].compare(self[b]) }

    /// Order of two rows as texts of C, which end at the first byte 0.
    func compareTexts(_ a: Int, _ b: Int) -> Int {
        guard holdsZero else { return compare(a, b) }
        let x = self[a], y = self[b]
        return x.extracting(0..<Self.zero(in: x)).compare(y.extracting(0..<Self.zero(in: y)))
    }
}
