//  LongestCommonSubsequence.swift — what two strings have in common, in order.
//
//  The textbook matrix of lengths, filled forwards and walked back from its last corner. Among
//  subsequences of the same length the walk prefers to leave out bytes of the second string, as
//  Redis does, so both yield the same one.
//
//  Cost: O(a · b) time and four bytes for each pair of positions; the caller bounds it.

struct LongestCommonSubsequence: ~Copyable {
    /// Matching stretches, both ends inclusive.
    struct Match: Equatable {
        let a: ClosedRange<Int>
        let b: ClosedRange<Int>

        var count: Int { a.count }
    }

    private var lengths: Buffer<UInt32>
    private let width: Int
    private let rows: Int

    /// Bytes of the matrix for strings of these lengths; nil when that is not representable.
    static func matrixBytes(_ a: Int, _ b: Int) -> Int? {
        let cells = (a + 1).multipliedReportingOverflow(by: b + 1)
        let bytes = cells.partialValue.multipliedReportingOverflow(by: 4)
        return cells.overflow || bytes.overflow ? nil : bytes.partialValue
    }

    init(_ a: Bytes, _ b: Bytes) {
        rows = a.count
        width = b.count + 1
        lengths = Buffer(repeating: 0, count: (a.count + 1) * width)
        for i in 0..<a.count {
            let above = i * width, row = above + width
            for j in 0..<b.count {
                lengths[row + j + 1] =
                    a[i] == b[j]
                    ? lengths[above + j] + 1 : max(lengths[above + j + 1], lengths[row + j])
            }
        }
    }

    /// Length of the longest common subsequence.
    var count: Int { Int(lengths[lengths.count - 1]) }

    /// Walks back over the subsequence; `body` is given each matching stretch, the last first.
    func forEachMatch(_ a: Bytes, _ b: Bytes, _ body: (Match) -> Void) {
        var i = rows, j = width - 1
        // Where the stretch ends that is being followed back; nil outside of one.
        var end: (a: Int, b: Int)?
        while i > 0, j > 0 {
            if a[i - 1] == b[j - 1] {
                if end == nil { end = (i - 1, j - 1) }
                i -= 1
                j -= 1
                continue
            }
            if let last = end { body(Match(a: i...last.a, b: j...last.b)) }
            end = nil
            if lengths[(i - 1) * width + j] > lengths[i * width + j - 1] {
                i -= 1
            } else {
                j -= 1
            }
        }
        if let last = end { body(Match(a: i...last.a, b: j...last.b)) }
    }
}
