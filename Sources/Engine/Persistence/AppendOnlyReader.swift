//  AppendOnlyReader.swift — the commands of an append-only file, found and checked, not yet run.
//
//  A file is a run of requests in the form of arrays, with lines between them that begin with `#`.
//  What is found are runs of whole requests, which the executor parses as it does those of clients.
//  Nothing announced is believed: a length is compared with what is left of the file first.
//
//  A file whose end is missing is good up to the last request, or the MULTI that has no EXEC.
import Platform

/// What is wrong with an append-only file.
struct AppendOnlyError: Error {
    enum Kind {
        /// Its end is missing; up to `offset` it is good.
        case truncated
        /// There is something else than a request at `offset`.
        case damaged
        /// The system cannot read it.
        case unreadable
    }

    let kind: Kind
    /// Where in the file.
    let offset: Int
    let reason: String
}

struct AppendOnlyReader: ~Copyable {
    private let descriptor: Int32
    /// Bytes that were read and not dropped yet, and where in the file they begin.
    private var window = ByteBuffer()
    private var windowOffset: Int
    /// Where the next request begins in the window.
    private var at = 0
    /// Bytes of the file behind the window.
    private var left: Int
    /// Where the MULTI is whose EXEC has not come yet.
    private var transaction: Int?
    /// Up to where the file could be cut off without loss of a whole unit.
    private(set) var validEnd: Int
    /// Lines up to there, the words among them.
    private(set) var validLines = 0
    private var lines = 0
    /// What was done later is left out, in Unix seconds.
    var latestTime: Int64?
    private(set) var isPastLatestTime = false

    private static var chunkBytes: Int { 256 << 10 }
    private static var lineBytesMax: Int { 64 }
    /// Words that a request has at most, as from a client.
    private static var wordsMax: Int { Int(Int32.max) }
    /// A word that is longer than this must be in the file whole; what `proto-max-bulk-len` is usually.
    private static var wordBytesMax: Int { 512 << 20 }
    private static var annotationBytesMax: Int { 1024 }

    /// `count` bytes of the open file `descriptor`, which stays the caller's, from `offset` on, where
    /// it stands.
    init(descriptor: Int32, from offset: Int, count: Int) {
        self.descriptor = descriptor
        windowOffset = offset
        validEnd = offset
        left = count
    }

    var offset: Int { windowOffset + at }
    /// Whether requests are kept until their EXEC comes.
    var isInTransaction: Bool { transaction != nil }

    /// Whole requests that were found.
    @_lifetime(borrow self)
    func bytes(_ range: Range<Int>) -> Bytes { window.span.extracting(range) }

    /// Finds the next requests, about a chunk of them.
    ///
    /// - Returns: Where they are for `bytes`, until the next call; empty at the end of the file.
    mutating func next() throws(AppendOnlyError) -> Range<Int> {
        while true {
            try skipAnnotations()
            if isPastLatestTime { return 0..<0 }
            let start = at
            var end = start
            while end - start < Self.chunkBytes, end < window.count, window.span[end] != Self.mark,
                let next = try skipRequest(from: end)
            {
                end = next
            }
            if end > start {
                at = end
                return start..<end
            }
            guard left > 0 else { return try atEnd() }
            try fill()
        }
    }

    private static var mark: UInt8 { UInt8(ascii: "#") }

    /// Passes over lines that are nobody's to run.
    private mutating func skipAnnotations() throws(AppendOnlyError) {
        while at < window.count, window.span[at] == Self.mark,
            let end = try skipAnnotation(from: at)
        {
            if isPastLatestTime { break }
            at = end
            lines += 1
            noteValid(offset)
        }
    }

    private func atEnd() throws(AppendOnlyError) -> Range<Int> {
        guard at == window.count, transaction == nil else {
            throw AppendOnlyError(
                kind: .truncated, offset: validEnd, reason: "the file ends within a command")
        }
        return 0..<0
    }

    private mutating func fill() throws(AppendOnlyError) {
        window.removeFirst(at)
        windowOffset += at
        at = 0
        let fd = descriptor
        // What is there of a long request is looked at again, so as seldom as can be.
        let most = min(left, max(Self.chunkBytes, window.count))
        let got = unsafe window.fill(most) { unsafe Descriptor.read(fd, into: $0) }
        guard got > 0 else {
            throw AppendOnlyError(
                kind: .unreadable, offset: windowOffset + window.count,
                reason: "the file cannot be read")
        }
        left -= got
    }

    // MARK: - Requests

    private func damage(_ position: Int, _ reason: String) -> AppendOnlyError {
        AppendOnlyError(kind: .damaged, offset: windowOffset + position, reason: reason)
    }

    /// The position behind the request that begins at `start`; nil when it is not there whole.
    private mutating func skipRequest(from start: Int) throws(AppendOnlyError) -> Int? {
        guard window.span[start] == UInt8(ascii: "*") else {
            throw damage(start, "a command should begin with '*'")
        }
        guard let (count, first) = try number(at: start + 1) else { return nil }
        guard 1...Self.wordsMax ~= count else {
            throw damage(start, "no command has \(count) words")
        }
        let name = first
        var position = first
        var nameEnd = first
        for i in 0..<count {
            guard let end = try skipWord(at: position) else { return nil }
            if i == 0 { nameEnd = end }
            position = end
        }
        lines += 1 + 2 * count
        note(name..<nameEnd, from: start, to: position)
        return position
    }

    private func skipWord(at start: Int) throws(AppendOnlyError) -> Int? {
        guard start < window.count else { return nil }
        guard window.span[start] == UInt8(ascii: "$") else {
            throw damage(start, "a word should begin with '$'")
        }
        guard let (count, first) = try number(at: start + 1) else { return nil }
        guard count >= 0 else { throw damage(start, "a word with a negative length") }
        // The file may end here, so this is no damage, unless nobody writes words so long.
        guard count <= Self.wordBytesMax || count <= window.count - first + left else {
            throw damage(start, "a word is longer than the file")
        }
        guard count <= Int.max - first - 2, first + count + 2 <= window.count else { return nil }
        let end = first + count
        guard window.span[end] == 13, window.span[end + 1] == 10 else {
            throw damage(end, "a word should end with a line break")
        }
        return end + 2
    }

    /// The number at `start` and the position behind its line.
    private func number(at start: Int) throws(AppendOnlyError) -> (Int, Int)? {
        var i = start
        while i < window.count, window.span[i] != 13 {
            guard i - start < Self.lineBytesMax else { throw damage(start, "a number is too long") }
            i += 1
        }
        guard i + 1 < window.count else {
            let isSound = (start..<i).allSatisfy { isDigit(window.span[$0]) }
            guard isSound else { throw damage(start, "a number was expected") }
            return nil
        }
        guard window.span[i + 1] == 10,
            let value = Numbers.integer(window.span.extracting(start..<i))
        else { throw damage(start, "a number was expected") }
        return (Int(value), i + 2)
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte &- 48 < 10 || byte == UInt8(ascii: "-") }

    private mutating func skipAnnotation(from start: Int) throws(AppendOnlyError) -> Int? {
        var i = start
        while i < window.count, window.span[i] != 10 {
            guard i - start < Self.annotationBytesMax else {
                throw damage(start, "an annotation is too long")
            }
            i += 1
        }
        guard i < window.count else { return nil }
        if i - start > 5, window.span[i - 1] == 13,
            window.span.extracting(start..<start + 4).equals("#TS:")
        {
            let time = Numbers.integer(window.span.extracting(start + 4..<i - 1))
            if let time, let latestTime, time > latestTime { isPastLatestTime = true }
        }
        return i + 1
    }

    /// A request was found; remembers which belong together.
    private mutating func note(_ name: Range<Int>, from start: Int, to end: Int) {
        // `$5\r\nMULTI\r\n` and `$4\r\nEXEC\r\n`
        if name.count == 11, word(name, "multi") {
            if transaction == nil { transaction = windowOffset + start }
        } else if name.count == 10, word(name, "exec") {
            transaction = nil
        }
        noteValid(windowOffset + end)
    }

    private mutating func noteValid(_ end: Int) {
        guard transaction == nil else { return }
        validEnd = end
        validLines = lines
    }

    private func word(_ name: Range<Int>, _ text: StaticString) -> Bool {
        let range = name.lowerBound + 4..<name.upperBound - 2
        return window.span.extracting(range).equalsIgnoringCase(text)
    }
}
