//  Arguments.swift — one request, as views into the input.  U
//
//  The words of a request stay where the kernel put them; a handler borrows them for as long as it
//  runs, and the compiler refuses a view that outlives the call.
//
//  ## Safety
//  - S1: `slots[0 ..< count]` is initialised and every slot lies inside the input at `base`.
//  - S2: the executor makes this value, lends it to one handler and drops it before the input
//    moves.

/// One argument: where it starts in the input and how long it is.
struct Slot: BitwiseCopyable {
    var offset: UInt32, count: UInt32
}

/// The words of one request, borrowed from the input buffer.
///
/// Word 0 is the command's name.
@safe struct Arguments: ~Copyable {
    private let base: UnsafePointer<UInt8>
    private let slots: UnsafePointer<Slot>
    let count: Int
    private let hash: UInt64

    @inline(__always) @unsafe init(
        base: UnsafePointer<UInt8>, slots: UnsafePointer<Slot>, count: Int, hash: UInt64
    ) {
        unsafe self.base = base
        unsafe self.slots = slots
        self.count = count
        self.hash = hash
    }

    subscript(i: Int) -> Bytes {
        @_lifetime(borrow self)
        @inline(__always) get {
            precondition(UInt(bitPattern: i) < UInt(bitPattern: count))
            let slot = unsafe slots[i]
            let span = unsafe Span(_unsafeStart: base + Int(slot.offset), count: Int(slot.count))
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// Word 1 with the hash that was made when the request was admitted.
    ///
    /// Only for commands of the shape `NAME key …`.
    var key: Key {
        @_lifetime(borrow self)
        @inline(__always) get { Key(self[1], hash: hash) }
    }

    /// Word `i` folded for comparison with names.
    @inline(__always) func word(_ i: Int) -> Word {
        precondition(UInt(bitPattern: i) < UInt(bitPattern: count))
        let slot = unsafe slots[i]
        return unsafe Word(
            folding: UnsafeRawPointer(base + Int(slot.offset)), Int(slot.count))
    }

    /// Word `i` as a signed 64-bit integer, as strictly as Redis reads it.
    @inline(__always) func integer(_ i: Int) throws(CommandError) -> Int64 {
        guard let value = Numbers.integer(self[i]) else { throw .notAnInteger }
        return value
    }

    /// A cursor over the words from `i` on.
    @_lifetime(borrow self)
    @inline(__always) func options(from i: Int) -> Options {
        let copy = unsafe Arguments(base: base, slots: slots, count: count, hash: 0)
        let options = Options(copy, i)
        return unsafe _overrideLifetime(options, borrowing: self)
    }

    /// An owned copy of every word, for what outlives the request.
    var copied: [[UInt8]] { (0..<count).map { self[$0].array } }

    /// Bytes of a request with these words in its shortest form, an array of strings.
    var byteCountAsArray: Int {
        // `*n\r\n`, and for each word `$n\r\n` and `\r\n` behind it.
        var total = 3 &+ Digits.count(count)
        for i in 0..<count {
            let n = self[i].count
            total &+= 5 &+ Digits.count(n) &+ n
        }
        return total
    }
}

/// The words of a request that outlives its input.
struct OwnedArguments: Sendable {
    private let bytes: [UInt8]
    private let slots: [Slot]

    init(copying args: borrowing Arguments) {
        var total = 0
        for i in 0..<args.count { total += args[i].count }
        var bytes: [UInt8] = []
        var slots: [Slot] = []
        bytes.reserveCapacity(total)
        slots.reserveCapacity(args.count)
        for i in 0..<args.count {
            slots.append(Slot(offset: UInt32(bytes.count), count: UInt32(args[i].count)))
            unsafe args[i].withUnsafeBufferPointer { unsafe bytes.append(contentsOf: $0) }
        }
        self.bytes = bytes
        self.slots = slots
    }

    /// The same with other texts in the place of some words.
    init(copying args: borrowing Arguments, replacing others: [Int: [UInt8]]) {
        var bytes: [UInt8] = []
        var slots: [Slot] = []
        slots.reserveCapacity(args.count)
        for i in 0..<args.count {
            let word = others[i] ?? args[i].array
            slots.append(Slot(offset: UInt32(bytes.count), count: UInt32(word.count)))
            bytes += word
        }
        self.bytes = bytes
        self.slots = slots
    }

    /// Bytes of memory.
    var byteCount: Int { bytes.capacity + slots.capacity * MemoryLayout<Slot>.stride }

    /// Word 1, or nothing.
    var word1: ArraySlice<UInt8> {
        guard slots.count > 1 else { return [] }
        return bytes[Int(slots[1].offset)...].prefix(Int(slots[1].count))
    }

    /// Lends the words to `body`; `hash` is that of word 1.
    func withArguments<Result>(
        hash: UInt64, _ body: (borrowing Arguments) throws(CommandError) -> Result
    ) throws(CommandError) -> Result {
        try unsafe bytes.withUnsafeBufferPointer { bytes throws(CommandError) in
            try unsafe slots.withUnsafeBufferPointer { slots throws(CommandError) in
                guard let base = bytes.baseAddress, let first = slots.baseAddress else {
                    throw .syntax
                }
                let args = unsafe Arguments(
                    base: base, slots: first, count: slots.count, hash: hash)
                return try body(args)
            }
        }
    }
}

/// A key: its bytes and their hash, made once per request.
struct Key: ~Escapable {
    let bytes: Bytes
    let hash: UInt64

    @_lifetime(copy bytes)
    @inline(__always) init(_ bytes: Bytes, hash: UInt64) {
        self.bytes = bytes
        self.hash = hash
    }
}

/// A cursor over an optional tail of words.
struct Options: ~Copyable, ~Escapable {
    private let args: Arguments
    /// Position of the word that `next` or `integer` will read.
    private(set) var index: Int

    @_lifetime(immortal)
    @inline(__always) init(_ args: consuming Arguments, _ i: Int) {
        self.args = args
        index = i
    }

    /// Words not yet read.
    var remaining: Int { args.count - index }

    /// The next word, or nil at the end.
    @inline(__always) mutating func next() -> Token? {
        guard index < args.count else { return nil }
        defer { index &+= 1 }
        return Token(word: args.word(index))
    }

    /// The next word as an integer; a missing one is a syntax error.
    @inline(__always) mutating func integer() throws(CommandError) -> Int64 {
        guard index < args.count else { throw .syntax }
        defer { index &+= 1 }
        return try args.integer(index)
    }

    /// The position of the next word, which is skipped; a missing one is a syntax error.
    @inline(__always) mutating func position() throws(CommandError) -> Int {
        guard index < args.count else { throw .syntax }
        defer { index &+= 1 }
        return index
    }
}

/// One option word; `switch` compares it with literals in capitals, ignoring case.
struct Token {
    let word: Word
}

@inline(__always) func ~= (pattern: Word, token: Token) -> Bool { pattern == token.word }
