//  LargeRequest.swift — a request with a large word, received where that word can stay.  U
//
//  What is left of the request goes from the socket into a block of its own that begins like a
//  large record: room for the header, the key, the value. A command that stores the word under that
//  key takes the block over instead of copying it. The other words, which are few and small, lie
//  behind, so that one base serves all of them.
//
//      0 header of a large record | [i64 deadline] | key | value CR LF | the other words
//
//  The block grows as bytes arrive: nothing is held for a length that is only announced.
//
//  ## Safety
//  - S1: `base` points at `capacity` bytes from malloc, which belong to this value until `settle`
//    says that the keyspace has them.
//  - S2: bytes up to `valueStart + filled` are initialised but for the header; so are the other
//    words once `finish` has put them there.
import CPlatform

@safe struct LargeRequest: ~Copyable {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    private let keyCount: Int
    private let valueStart: Int
    private let valueCount: Int
    /// Bytes of the value and its line end that are there.
    private var filled = 0
    /// The other words, one after the other, and where they lie among those bytes.
    private var others = ByteBuffer()
    private var slots: [Slot] = []
    /// Words in front of the large one.
    private let wordsBefore: Int
    /// Whether the request has run.
    private(set) var isAnswered = false
    private var isTaken = false

    /// What other words may need together, and what a block has at first.
    private static var othersBytesMax: Int { 4096 }
    private static var firstCapacity: Int { 1 << 20 }

    /// Takes a request over from the parser that awaits a large word of it.
    ///
    /// `input` is all that is there of the request. Nil when no such word is awaited, or when the
    /// request is not of that kind.
    static func make(_ input: Bytes, _ state: inout ParserState) -> LargeRequest? {
        guard let word = state.awaitedLargeWord, word.position <= othersBytesMax else { return nil }
        let key = keyWord(input, state.words, remaining: state.remaining)
        // With more words to come, or behind a lifetime, a deadline is likely.
        let hasDeadline = state.remaining > 1 || key < state.words.count - 1
        let keyCount = Int(state.words[key].count)
        let valueStart = (hasDeadline ? 24 : 16) + keyCount
        let total = valueStart + word.count + 2 + 2 * othersBytesMax
        guard total < Int(UInt32.max) else { return nil }
        let capacity = min(total, firstCapacity)
        guard let base = unsafe malloc(capacity) else { return nil }
        var request = unsafe LargeRequest(
            base, capacity, keyCount: keyCount, valueStart: valueStart, valueCount: word.count,
            wordsBefore: state.words.count)
        let start = unsafe base + (valueStart - keyCount)
        unsafe input.extracting(state.words[key].range).copy(to: start)
        for slot in state.words { request.append(word: input.extracting(slot.range)) }
        _ = request.append(input.extracting(word.position...))
        state.skipLargeWord()
        return request
    }

    /// The word that may be the key of the value behind the words that are there.
    private static func keyWord(_ input: Bytes, _ words: [Slot], remaining: Int64) -> Int {
        // SETEX and PSETEX have a lifetime in between.
        let isTimed = words.count == 3 && remaining == 1 && words[0].count >= 5
        return isTimed ? 1 : words.count - 1
    }

    private init(
        _ base: UnsafeMutableRawPointer, _ capacity: Int, keyCount: Int, valueStart: Int,
        valueCount: Int, wordsBefore: Int
    ) {
        unsafe self.base = base
        self.capacity = capacity
        self.keyCount = keyCount
        self.valueStart = valueStart
        self.valueCount = valueCount
        self.wordsBefore = wordsBefore
    }

    deinit { if !isTaken { unsafe free(base) } }

    // MARK: - Receiving

    /// Bytes of the value and its line end that are not there yet.
    var missing: Int { valueCount + 2 - filled }
    /// Bytes that are there.
    var heldBytes: Int { filled + others.count }
    /// Bytes of memory.
    var byteCount: Int { capacity + others.capacity }

    /// Takes as many of `bytes` as belong to the value; returns how many.
    mutating func append(_ bytes: Bytes) -> Int {
        let n = min(bytes.count, missing)
        guard n > 0, reserve(n) else { return 0 }
        unsafe bytes.extracting(..<n).copy(to: base + (valueStart + filled))
        filled += n
        return n
    }

    /// Lets `body` fill space for the value, and keeps as many bytes as it reports; nil when there
    /// is no memory.
    mutating func fill(_ body: (UnsafeMutableRawBufferPointer) -> Int) -> Int? {
        guard reserve(min(missing, 1 << 16)) else { return nil }
        let room = min(missing, capacity - valueStart - filled)
        let n = unsafe body(
            UnsafeMutableRawBufferPointer(start: base + (valueStart + filled), count: room))
        if n > 0 {
            precondition(n <= room)
            filled += n
        }
        return n
    }

    /// Makes room for `n` more bytes of the value; false when there is no memory.
    private mutating func reserve(_ n: Int) -> Bool {
        let needed = valueStart + filled + n
        if needed <= capacity { return true }
        let most = valueStart + valueCount + 2 + 2 * Self.othersBytesMax
        return resize(to: max(needed, min(2 * capacity, most)))
    }

    private mutating func resize(to bytes: Int) -> Bool {
        guard let block = unsafe realloc(base, bytes) else { return false }
        unsafe base = block
        capacity = bytes
        return true
    }

    /// Adds one of the other words.
    mutating func append(word: Bytes) {
        slots.append(
            Slot(
                offset: UInt32(truncatingIfNeeded: others.count),
                count: UInt32(truncatingIfNeeded: word.count)))
        others.append(word)
    }

    // MARK: - Running

    /// Puts the other words in place and all of them into `slots`; returns how many there are, or
    /// nil when there is no memory.
    mutating func finish(_ target: inout Buffer<Slot>) -> Int? {
        let start = valueStart + valueCount + 2
        let end = start + others.count
        guard missing == 0, end < Int(UInt32.max), slots.count < target.count else { return nil }
        if end > capacity, !resize(to: end) { return nil }
        unsafe others.span.copy(to: base + start)
        for (i, slot) in slots.enumerated() {
            target[i < wordsBefore ? i : i + 1] = Slot(
                offset: slot.offset + UInt32(truncatingIfNeeded: start), count: slot.count)
        }
        target[wordsBefore] = Slot(
            offset: UInt32(truncatingIfNeeded: valueStart),
            count: UInt32(truncatingIfNeeded: valueCount))
        return slots.count + 1
    }

    /// Everything that slots point into.
    var bytes: Bytes {
        @_lifetime(borrow self)
        get {
            let start = unsafe base.assumingMemoryBound(to: UInt8.self)
            let span = unsafe Span(
                _unsafeStart: start, count: valueStart + valueCount + 2 + others.count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The block, for the keyspace to take.
    var blank: BlankRecord {
        unsafe BlankRecord(
            base, keyCount: keyCount, valueCount: valueCount,
            hasDeadline: valueStart - keyCount == 24)
    }

    /// The request has run, and the keyspace has taken the block or has not.
    mutating func settle(isTaken: Bool) {
        isAnswered = true
        self.isTaken = isTaken
        // Until now the words had to stay.
        if isTaken { unsafe Record(base).unpin() }
    }
}

extension Slot {
    fileprivate var range: Range<Int> { Int(offset)..<Int(offset) + Int(count) }
}
