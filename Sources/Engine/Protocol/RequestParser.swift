//  RequestParser.swift — requests out of bytes, checked and resumable.
//
//  Two parts: the fast path (RequestParser+Fast.swift) takes the usual request, all of it present,
//  in a few loads a word and declines anything else; this part takes everything, with every index
//  checked. It remembers in the connection's `ParserState` how far it came, so a large value that
//  arrives in a thousand pieces is not read a thousand times.
//
//  Nothing is allocated for lengths that are only announced: words are noted as they arrive.

/// A request that breaks the protocol; the connection ends after the reply.
enum ProtocolError: Error, Equatable {
    case multibulkLength, bulkLength
    case multibulkCountTooBig, bulkCountTooBig
    case unauthenticatedMultibulkLength, unauthenticatedBulkLength
    case inlineTooBig, unbalancedQuotes
    /// The byte that stood where a '$' was expected.
    case expectedBulk(UInt8)

    /// The text behind `ERR Protocol error: `.
    var message: [UInt8] {
        switch self {
        case .multibulkLength: Array("invalid multibulk length".utf8)
        case .bulkLength: Array("invalid bulk length".utf8)
        case .multibulkCountTooBig: Array("too big mbulk count string".utf8)
        case .bulkCountTooBig: Array("too big bulk count string".utf8)
        case .unauthenticatedMultibulkLength: Array("unauthenticated multibulk length".utf8)
        case .unauthenticatedBulkLength: Array("unauthenticated bulk length".utf8)
        case .inlineTooBig: Array("too big inline request".utf8)
        case .unbalancedQuotes: Array("unbalanced quotes in request".utf8)
        case .expectedBulk(let c): Array("expected '$', got '".utf8) + [c, UInt8(ascii: "'")]
        }
    }
}

/// What a request may announce.
struct RequestLimits: BitwiseCopyable {
    var bulkBytesMax = 512 << 20
    var argumentsMax: Int64 = 1_048_576
    /// Also the longest line that announces a count.
    var inlineBytesMax = 64 << 10
    /// Before authentication: ten words of at most 16 KiB.
    var isAuthenticated = true

    static var unauthenticatedArgumentsMax: Int64 { 10 }
    static var unauthenticatedBulkBytesMax: Int64 { 16_384 }
}

/// How far the partial request at the head of a connection's input has been read.
struct ParserState: ~Copyable {
    /// Words still to come; 0 between requests.
    fileprivate(set) var remaining: Int64 = 0
    /// Length of the word whose bytes are awaited; -1 while its length is.
    fileprivate var awaited = -1
    /// Bytes of the request that are done with.
    fileprivate var position = 0
    /// Words found, relative to the request's first byte.
    fileprivate(set) var words: [Slot] = []

    init() {}

    var isIdle: Bool { remaining == 0 }

    /// Where the word that is awaited begins and how long it is, if it is large and follows a name
    /// and a key, with few words around it.
    var awaitedLargeWord: (position: Int, count: Int)? {
        guard awaited >= PinnedValue.bytesMin, words.count >= 2, words.count <= 16, remaining <= 16
        else { return nil }
        return (position, awaited)
    }

    /// The rest of the request begins behind the awaited word, which is read elsewhere.
    mutating func skipLargeWord() {
        words = []
        position = 0
        awaited = -1
        remaining -= 1
    }
}

struct RequestParser: ~Copyable {
    /// Unescaped words of an inline request.
    private var line = ByteBuffer()
    /// Whether the words of the request just parsed lie in `scratch` instead of the input.
    private(set) var isInline = false

    init() {}

    /// To be called before the first request of a batch.
    @inline(__always) mutating func beginBatch() { isInline = false }

    var scratch: Bytes {
        @_lifetime(borrow self)
        get { line.span }
    }

    /// Parses the request of `input` that starts at `cursor` into `slots[first...]`.
    ///
    /// - Returns: The number of its words, with `cursor` behind it; 0 when more bytes are needed.
    ///   Empty requests are passed over. 0 as well for an inline request that is not the first
    ///   of its batch.
    @inline(__always) mutating func next(
        _ input: Bytes, _ cursor: inout Int, _ slots: inout Buffer<Slot>, _ first: Int,
        _ limits: RequestLimits, _ state: inout ParserState
    ) throws(ProtocolError) -> Int {
        if state.isIdle {
            let count = parseFast(input, &cursor, &slots, first)
            if count > 0 { return count }
        }
        return try parse(input, &cursor, &slots, first, limits, &state)
    }

    /// The number of words of the usual request that `input` begins with, which is not consumed; 0
    /// when it is of another kind.
    func peek(_ input: Bytes, _ slots: inout Buffer<Slot>) -> Int {
        var cursor = 0
        return parseFast(input, &cursor, &slots, 0)
    }

    @inline(never) private mutating func parse(
        _ input: Bytes, _ cursor: inout Int, _ slots: inout Buffer<Slot>, _ first: Int,
        _ limits: RequestLimits, _ state: inout ParserState
    ) throws(ProtocolError) -> Int {
        isInline = false
        while cursor < input.count {
            if state.isIdle {
                if input[cursor] != UInt8(ascii: "*") {
                    // Its words lie in the scratch: it has to be alone in its batch.
                    if first > 0 { return 0 }
                    let count = try parseInline(input, &cursor, &slots, first, limits)
                    if let count { return count }
                    continue
                }
                guard try parseCount(input, &cursor, limits, &state) else { return 0 }
                continue
            }
            guard try parseWords(input, cursor, limits, &state) else { return 0 }
            return finish(&cursor, &slots, first, &state)
        }
        return 0
    }

    // MARK: - RESP

    /// Reads `*count`; false when its line is not complete.
    private func parseCount(
        _ input: Bytes, _ cursor: inout Int, _ limits: RequestLimits, _ state: inout ParserState
    ) throws(ProtocolError) -> Bool {
        guard let end = lineEnd(input, cursor) else {
            if input.count - cursor > limits.inlineBytesMax { throw .multibulkCountTooBig }
            return false
        }
        guard let count = Numbers.integer(input.extracting(cursor + 1..<end)),
            count <= limits.argumentsMax
        else { throw .multibulkLength }
        if count > RequestLimits.unauthenticatedArgumentsMax, !limits.isAuthenticated {
            throw .unauthenticatedMultibulkLength
        }
        guard count > 0 else {
            cursor = end + 2
            return true
        }
        state.remaining = count
        state.awaited = -1
        state.position = end + 2 - cursor
        return true
    }

    /// Reads words until all are there; false when bytes are missing.
    private func parseWords(
        _ input: Bytes, _ start: Int, _ limits: RequestLimits, _ state: inout ParserState
    ) throws(ProtocolError) -> Bool {
        while state.remaining > 0 {
            if state.awaited < 0 {
                guard try parseLength(input, start, limits, &state) else { return false }
            }
            let at = start + state.position
            // The line end behind a word is counted, not looked at, as in Redis.
            if input.count - at < state.awaited + 2 { return false }
            state.words.append(
                Slot(
                    offset: UInt32(truncatingIfNeeded: state.position),
                    count: UInt32(truncatingIfNeeded: state.awaited)))
            state.position += state.awaited + 2
            state.awaited = -1
            state.remaining -= 1
        }
        return true
    }

    /// Reads `$length`; false when its line is not complete.
    private func parseLength(
        _ input: Bytes, _ start: Int, _ limits: RequestLimits, _ state: inout ParserState
    ) throws(ProtocolError) -> Bool {
        let at = start + state.position
        guard at < input.count, let end = lineEnd(input, at) else {
            if input.count - at > limits.inlineBytesMax { throw .bulkCountTooBig }
            return false
        }
        guard input[at] == UInt8(ascii: "$") else { throw .expectedBulk(input[at]) }
        guard let length = Numbers.integer(input.extracting(at + 1..<end)), length >= 0,
            length <= Int64(limits.bulkBytesMax)
        else { throw .bulkLength }
        if length > RequestLimits.unauthenticatedBulkBytesMax, !limits.isAuthenticated {
            throw .unauthenticatedBulkLength
        }
        // Offsets are kept in 32 bits; a sum with a length of any size could overflow.
        guard length < Int64(UInt32.max) - 4 - Int64(state.position) else { throw .bulkLength }
        state.awaited = Int(length)
        state.position = end + 2 - start
        return true
    }

    /// The position of the '\r' that ends the line at `start`, if the byte behind it is there.
    private func lineEnd(_ input: Bytes, _ start: Int) -> Int? {
        var i = start
        while i < input.count {
            if input[i] == 13 { return i + 1 < input.count ? i : nil }
            i += 1
        }
        return nil
    }

    /// Moves the words of a complete request to the slots.
    private func finish(
        _ cursor: inout Int, _ slots: inout Buffer<Slot>, _ first: Int,
        _ state: inout ParserState
    ) -> Int {
        let count = state.words.count
        ensure(first + count, &slots, keeping: first)
        for i in 0..<count {
            slots[first + i] = Slot(
                offset: state.words[i].offset &+ UInt32(truncatingIfNeeded: cursor),
                count: state.words[i].count)
        }
        cursor += state.position
        state.words = []
        state.position = 0
        return count
    }

    private func ensure(_ count: Int, _ slots: inout Buffer<Slot>, keeping kept: Int) {
        guard slots.count < count else { return }
        var bigger = Buffer(repeating: Slot(offset: 0, count: 0), count: count)
        for i in 0..<kept { bigger[i] = slots[i] }
        slots = bigger
    }

    // MARK: - Inline

    /// Reads a line of words; nil when it was empty and has been passed over, 0 when it is not
    /// complete.
    private mutating func parseInline(
        _ input: Bytes, _ cursor: inout Int, _ slots: inout Buffer<Slot>, _ first: Int,
        _ limits: RequestLimits
    ) throws(ProtocolError) -> Int? {
        var end = cursor
        while end < input.count, input[end] != 10 { end += 1 }
        guard end < input.count else {
            if input.count - cursor > limits.inlineBytesMax { throw .inlineTooBig }
            return 0
        }
        let hasReturn = end > cursor && input[end - 1] == 13
        let text = input.extracting(cursor..<(hasReturn ? end - 1 : end))
        guard let words = ArgumentSplitter.split(text) else { throw .unbalancedQuotes }
        cursor = end + 1
        if words.isEmpty { return nil }
        line.removeAll()
        line.shrink(to: limits.inlineBytesMax)
        ensure(first + words.count, &slots, keeping: first)
        for (i, word) in words.enumerated() {
            slots[first + i] = Slot(
                offset: UInt32(truncatingIfNeeded: line.count),
                count: UInt32(truncatingIfNeeded: word.count))
            line.append(copying: word)
        }
        isInline = true
        return words.count
    }
}
