//  ListLimit.swift — how much one run of a list's entries may hold: `list-max-listpack-size`.
//
//  The rule decides the encoding that clients see, so it is Redis's to the byte: sizes count the
//  seven bytes that a listpack has around its entries, and the size of an entry that is still to be
//  added is estimated from the length of its text.

/// A limit on the bytes of a run, or on the number of its elements.
struct ListLimit {
    /// `Int.max` where the number of elements is limited.
    private let bytesMax: Int
    /// `Int.max` where bytes are limited.
    private let countMax: Int

    /// Bytes that a limit on the number of elements allows anyway.
    private static var safeBytes: Int { 8192 }
    /// Bytes of a listpack around its entries.
    static var frameCount: Int { 7 }
    /// What an entry may need beside its text.
    private static var entryOverhead: Int { 8 }

    /// The limit that the directive means: -1 to -5 are 4 to 64 KiB, others a number of elements.
    @inline(__always) init(_ directive: Int) {
        if directive < 0 {
            bytesMax = 2048 << min(-directive, 5)
            countMax = .max
        } else {
            bytesMax = .max
            countMax = max(directive, 1)
        }
    }

    /// Whether a run of so many bytes, its frame included, and elements is too large.
    @inline(__always) func isExceeded(bytes: Int, count: Int) -> Bool {
        bytesMax != .max ? bytes > bytesMax : bytes > Self.safeBytes || count > countMax
    }

    /// Whether a run of so many bytes of entries may take one more element.
    @inline(__always) func admits(textCount: Int, to entryBytes: Int, count: Int) -> Bool {
        let bytes = entryBytes &+ Self.frameCount &+ textCount &+ Self.entryOverhead
        return !isExceeded(bytes: bytes, count: count &+ 1)
    }

    /// Whether a text is too long to share a run with others.
    @inline(__always) func isLarge(_ textCount: Int) -> Bool {
        textCount > (bytesMax != .max ? bytesMax : Self.safeBytes)
    }

    /// Whether a list that is down to one run of so many bytes of entries is small again.
    ///
    /// Half of the limit, so that a list at the limit does not change its encoding all the time.
    func isSmallAgain(entryBytes: Int, count: Int) -> Bool {
        entryBytes + Self.frameCount <= bytesMax / 2 && count <= countMax / 2
    }

    /// Bytes that the block of a chunk grows to while it fills.
    ///
    /// With what malloc keeps for itself that is a round number.
    @inline(__always) var blockBytesMax: Int {
        (bytesMax != .max ? bytesMax : Self.safeBytes) &- 8
    }

    /// Elements for which a new chunk makes room, all like its first.
    @inline(__always) var countHint: Int { min(countMax, 1024) }
}
