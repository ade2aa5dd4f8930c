//  RDBDraft.swift — keys and values as bytes of an RDB file, but for the compression of strings.
//
//  Whoever owns the data writes the draft, which costs little more than a copy; a helper thread, or
//  DUMP, finishes it. A string that may be worth compressing stands in the draft as it is, without its
//  length, and its place is noted.
//
//  Every value gets the oldest form that holds it, so that files and DUMPs cross to Redis 7.0 where
//  the data can be expressed there.

struct RDBDraft: ~Copyable {
    /// A string in the draft that the finisher compresses or not.
    struct LongString {
        let position: Int
        let count: Int
        /// Where the bytes are when they do not stand in the draft.
        var pin: PinnedValue?
    }

    private(set) var bytes = ByteBuffer()
    private(set) var longStrings: [LongString] = []
    /// Bytes of values that are pinned instead of copied.
    private var pinnedBytes = 0
    /// Whether large values may be pinned.
    let pinsValues: Bool

    init(pinsValues: Bool = false) { self.pinsValues = pinsValues }

    /// Bytes that stand in the draft.
    var count: Int { bytes.count }
    /// The same with values that are pinned.
    var byteCount: Int { bytes.count + pinnedBytes }
    var isEmpty: Bool { bytes.count == 0 }

    mutating func removeAll() {
        bytes.removeAll()
        longStrings.removeAll(keepingCapacity: true)
        pinnedBytes = 0
    }

    /// Takes back the pins of a draft that nobody finishes.
    func drop() {
        guard pinnedBytes > 0 else { return }
        for long in longStrings { long.pin?.unpin() }
    }

    /// Appends another draft.
    mutating func append(_ other: borrowing RDBDraft) {
        let offset = bytes.count
        bytes.append(other.bytes.span)
        for long in other.longStrings {
            longStrings.append(
                LongString(position: long.position + offset, count: long.count, pin: long.pin))
        }
        pinnedBytes += other.pinnedBytes
    }

    mutating func append(raw bytes: [UInt8]) { self.bytes.append(copying: bytes) }

    /// A name and a text about the file.
    mutating func append(note name: String, _ text: String) {
        append(.note)
        append(string: Array(name.utf8).span)
        append(string: Array(text.utf8).span)
    }

    // MARK: - Numbers

    mutating func append(_ byte: UInt8) { bytes.append(byte) }
    mutating func append(_ type: RDBType) { bytes.append(type.rawValue) }
    mutating func append(_ opcode: RDBOpcode) { bytes.append(opcode.rawValue) }

    /// The low `count` bytes of `value`, the lowest first.
    mutating func append(littleEndian value: UInt64, count: Int = 8) {
        for i in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(i * 8))) }
    }

    @inline(__always) mutating func append(length n: Int) { bytes.append(rdbLength: n) }

    // MARK: - Strings

    /// A string, which becomes an integer where it is one of at most 32 bits.
    @inline(__always) mutating func append(string: Bytes) {
        let n = string.count
        if n <= 11 {
            if n > 0, string[0] &- 45 < 13, let number = Numbers.integer(string),
                Int32(exactly: number) != nil
            {
                return append(number)
            }
        } else if n >= RDB.compressedBytesMin {
            return append(long: string)
        }
        bytes.append(rdbLength: n)
        bytes.append(string)
    }

    private mutating func append(long string: Bytes) {
        longStrings.append(LongString(position: bytes.count, count: string.count))
        bytes.append(string)
    }

    /// An integer as a string.
    mutating func append(_ number: Int64) {
        if Int8(exactly: number) != nil {
            bytes.append(0xC0 | RDBInteger.int8.rawValue)
            append(littleEndian: UInt64(bitPattern: number), count: 1)
        } else if Int16(exactly: number) != nil {
            bytes.append(0xC0 | RDBInteger.int16.rawValue)
            append(littleEndian: UInt64(bitPattern: number), count: 2)
        } else if Int32(exactly: number) != nil {
            bytes.append(0xC0 | RDBInteger.int32.rawValue)
            append(littleEndian: UInt64(bitPattern: number), count: 4)
        } else {
            let digits = DecimalText(number)
            bytes.append(rdbLength: digits.bytes.count)
            bytes.append(digits.bytes)
        }
    }

    mutating func append(_ element: StringView) {
        if element.form == .integer { return append(element.number) }
        append(string: element.bytes)
    }

    // MARK: - Keys

    /// What stands in front of a key's type: its deadline, and when or how often it was used.
    ///
    /// - Parameters:
    ///   - record: The key's record.
    ///   - access: Seconds since its last use, or the access counter; nil when no policy asks.
    mutating func append(lifeOf record: Record, access: RecordAccess?) {
        if record.hasDeadline {
            append(.milliseconds)
            append(littleEndian: UInt64(bitPattern: record.deadline))
        }
        switch access {
        case .idle(let seconds):
            append(.idle)
            append(length: seconds)
        case .frequency(let count):
            append(.frequency)
            append(count)
        case nil: break
        }
    }

    /// Type, key and value.
    mutating func append(_ record: Record) {
        append(Self.type(of: record))
        append(string: record.key)
        append(valueOf: record)
    }

    // MARK: - Values

    static func type(of record: Record) -> RDBType {
        switch record.kind {
        case .string, .integer: .string
        case .packedList, .list: .listOfListpacks
        case .packedHash: .hashListpack
        // Listpacks of sets are unknown to Redis 7.0.
        case .packedSet, .set: .set
        case .packedSortedSet: .sortedSetListpack
        case .integerSet: .integerSet
        case .hash: record.hash.volatileCount > 0 ? .hashWithDeadlines : .hash
        case .sortedSet: .sortedSet
        case .stream: type(of: record.stream)
        }
    }

    /// The value in the form that `type(of:)` names.
    mutating func append(valueOf record: Record) {
        switch record.kind {
        case .string:
            if pinsValues, record.isLarge, record.valueCount >= PinnedValue.bytesMin {
                return append(pinning: record)
            }
            append(string: record.bytes)
        case .integer: append(record.integer)
        case .packedList:
            append(length: 1)
            append(run: record.packed, count: record.packed.count)
        case .packedHash, .packedSortedSet:
            append(listpack: record.packed, count: record.packed.count)
        case .packedSet:
            append(length: record.packed.count)
            record.forEachMember { append($0) }
        case .integerSet: append(integers: record.bytes)
        case .list:
            append(length: record.list.chunkCount)
            for i in 0..<record.list.chunkCount { append(chunk: i, of: record) }
        case .set:
            append(length: record.set.count)
            record.set.forEach { append(member: $0) }
        case .hash:
            appendHead(ofHash: record)
            let base = record.hash.deadlineBase
            record.hash.forEach { append(field: $0, base: base) }
        case .sortedSet:
            append(length: record.sortedSet.count)
            record.sortedSet.forEach(0..<record.sortedSet.count) { score, member in
                append(member: member, score: score)
            }
        case .stream: append(record.stream)
        }
    }

    private mutating func append(pinning record: Record) {
        let n = record.valueCount
        let pin = PinnedValue(record, 0..<n, at: bytes.count)
        longStrings.append(LongString(position: bytes.count, count: n, pin: pin))
        pinnedBytes += n
    }

    private mutating func append(chunk i: Int, of record: Record) {
        if record.list.isPlain(i) { return append(plain: record.list.chunk(i)) }
        append(run: record.list.chunk(i), count: record.list.chunkElementCount(i))
    }

    /// One run of a list.
    mutating func append(run: Packed, count: Int) {
        append(length: 2)
        append(listpack: run, count: count)
    }

    /// A run that is one text.
    mutating func append(plain run: Packed) {
        append(length: 1)
        let text = run[run.start]
        if text.form == .integer { return append(text.number) }
        append(string: text.bytes)
    }

    /// Entries with the header and the end of a listpack, as a string.
    mutating func append(listpack run: Packed, count: Int) {
        let entries = run.bytes.extracting(run.start...)
        let n = entries.count + 7
        if n >= RDB.compressedBytesMin {
            longStrings.append(LongString(position: bytes.count, count: n))
        } else {
            append(length: n)
        }
        append(littleEndian: UInt64(n), count: 4)
        // More than the field can tell have to be counted by the reader.
        append(littleEndian: UInt64(min(count, 0xFFFF)), count: 2)
        bytes.append(entries)
        bytes.append(0xFF)
    }

    /// A set of integers with the header of Redis's, as a string.
    private mutating func append(integers: Bytes) {
        let width = IntegerSet.width(integers), count = IntegerSet.count(integers)
        let n = 8 + width * count
        if n >= RDB.compressedBytesMin {
            longStrings.append(LongString(position: bytes.count, count: n))
        } else {
            append(length: n)
        }
        append(littleEndian: UInt64(width), count: 4)
        append(littleEndian: UInt64(count), count: 4)
        bytes.append(integers.extracting(IntegerSet.headerCount...))
    }

    // MARK: - Elements

    /// What stands in front of the fields of a large hash.
    mutating func appendHead(ofHash record: Record) {
        if let base = record.hash.deadlineBase {
            append(littleEndian: UInt64(bitPattern: base))
        }
        append(length: record.hash.count)
    }

    mutating func append(member: Record) { append(string: member.key) }

    mutating func append(member: Record, score: Double) {
        append(string: member.key)
        append(littleEndian: score.bitPattern)
    }

    /// A field; `base` is the hash's `deadlineBase`.
    mutating func append(field: Record, base: Int64?) {
        if let base {
            // Relative to the earliest, plus one, since 0 means none.
            append(length: field.hasDeadline ? Int(max(field.deadline - base, 0)) + 1 : 0)
        }
        append(string: field.key)
        append(string: field.bytes)
    }

    // MARK: - Finishing

    /// Appends the finished bytes to `out` and takes back the pins: to be called once.
    ///
    /// Without a compressor long strings stay as they are.
    func finish(into out: inout ByteBuffer, _ compressor: inout LZFCompressor?) {
        var at = 0
        let draft = bytes.span
        for long in longStrings {
            out.append(draft.extracting(at..<long.position))
            if let pin = long.pin {
                Self.append(pin.bytes, to: &out, &compressor)
                pin.unpin()
                at = long.position
                continue
            }
            let text = draft.extracting(long.position..<(long.position + long.count))
            Self.append(text, to: &out, &compressor)
            at = long.position + long.count
        }
        out.append(draft.extracting(at...))
    }

    private static func append(
        _ text: Bytes, to out: inout ByteBuffer, _ compressor: inout LZFCompressor?
    ) {
        if compressor?.append(rdbString: text, to: &out) != nil { return }
        out.append(rdbLength: text.count)
        out.append(text)
    }
}

/// When or how often a key was used, for an eviction policy.
enum RecordAccess {
    /// Seconds.
    case idle(Int)
    case frequency(UInt8)
}

extension MemberTable {
    /// What deadlines of fields are counted from in files; nil where no field has one.
    var deadlineBase: Int64? { volatileCount > 0 ? earliestDeadline : nil }
}

extension ByteBuffer {
    /// A length in one, two, five or nine bytes.
    @inline(__always) mutating func append(rdbLength n: Int) {
        if n < 64 { return append(UInt8(truncatingIfNeeded: n)) }
        appendLong(rdbLength: n)
    }

    private mutating func appendLong(rdbLength n: Int) {
        var count = 8
        if n < 1 << 14 {
            append(0x40 | UInt8(n >> 8))
            count = 1
        } else if n <= Int(UInt32.max) {
            append(0x80)
            count = 4
        } else {
            append(0x81)
        }
        for i in (0..<count).reversed() { append(UInt8(truncatingIfNeeded: n >> (i * 8))) }
    }
}
