//  Record.swift — one allocation for one key: header, deadline, key, value.  U
//
//      small, at most 1,024 bytes in all, from a slab:
//       0 u8 kind and flags | 1 u24 access clock | 4 u16 value bytes | 6 u16 key bytes
//       8 [i64 deadline] key value
//      large, from malloc:
//       0 u8 kind and flags | 1 u24 access clock | 4 u32 value bytes | 8 u32 key bytes | 12 u32 pins
//      16 [i64 deadline] key value
//
//  No capacity is stored: a small record's block is its length rounded up to 8, so a value is
//  replaced in place exactly when the new one rounds to the same block; malloc knows the capacity
//  of a large one.
//
//  ## Safety
//  - S1: `p` is a live block laid out as above; `Database` alone makes and frees records.
//  - S2: a `Record` is made anew for each access and never stored outside the table, but for
//    large ones that are pinned: their block outlives the table's interest in it.
import CPlatform

/// The type of a value together with its encoding.
enum Kind: UInt8 {
    /// A string as bytes.
    case string = 0
    /// A string that is a signed 64-bit integer in canonical form, as eight bytes.
    case integer = 1
    /// Small collections: entries in one run of bytes, see `Packed`.
    case packedList = 2
    case packedHash = 3
    case packedSet = 4
    case packedSortedSet = 5
    /// Sorted integers of one width, see `IntegerSet`.
    case integerSet = 6
    /// Large collections: the record holds the address of an object, see `Record+Objects`.
    case list = 8
    case hash = 9
    case set = 10
    case sortedSet = 11
    case stream = 12

    /// The type, whatever the encoding.
    var type: ValueType {
        switch self {
        case .string, .integer: .string
        case .packedList, .list: .list
        case .packedHash, .hash: .hash
        case .packedSet, .integerSet, .set: .set
        case .packedSortedSet, .sortedSet: .sortedSet
        case .stream: .stream
        }
    }

    /// Whether the record holds the address of an object.
    @inline(__always) var isObject: Bool { rawValue & Kind.list.rawValue != 0 }

    /// The name that TYPE answers with.
    var typeName: StaticString { type.name }
}

/// The type of a value, as TYPE names it.
enum ValueType: UInt8, Sendable {
    case string, list, hash, set, sortedSet, stream

    var name: StaticString {
        switch self {
        case .string: "string"
        case .list: "list"
        case .hash: "hash"
        case .set: "set"
        case .sortedSet: "zset"
        case .stream: "stream"
        }
    }
}

/// What tells records from before the start of a snapshot from those made since: two values take
/// turns.
enum Epoch: UInt8 {
    case even = 0
    case odd = 0x80

    var next: Epoch { self == .even ? .odd : .even }
}

/// A view of a record; lives no longer than the borrow of the table it came from.
@safe struct Record {
    private let p: UnsafeMutableRawPointer

    private static var kindMask: UInt8 { 0x0F }
    private static var deadlineFlag: UInt8 { 0x10 }
    private static var largeFlag: UInt8 { 0x20 }
    private static var modifiedFlag: UInt8 { 0x40 }
    /// Of the kind: see `Kind.isObject`.
    private static var objectFlag: UInt8 { 0x08 }
    /// The epoch in which the record was made or went into a snapshot; see `Snapshot`.
    private static var epochFlag: UInt8 { 0x80 }

    @inline(__always) @unsafe init(_ p: UnsafeMutableRawPointer) { unsafe self.p = p }

    @inline(__always) @unsafe var address: UnsafeMutableRawPointer { unsafe p }

    /// The address as a number, for display.
    var identity: UInt { UInt(bitPattern: unsafe p) }

    // MARK: - Header

    @inline(__always) private var head: UInt8 {
        get { unsafe p.load(as: UInt8.self) }
        nonmutating set { unsafe p.storeBytes(of: newValue, as: UInt8.self) }
    }

    @inline(__always) var kind: Kind {
        // S1: only `Database` writes the field, from a `Kind`.
        unsafe Kind(rawValue: head & Self.kindMask).unsafelyUnwrapped
    }

    /// Whether the value is a string kept as bytes; cheaper than asking for the kind.
    @inline(__always) var isText: Bool { head & Self.kindMask == Kind.string.rawValue }

    @inline(__always) var hasDeadline: Bool { head & Self.deadlineFlag != 0 }
    @inline(__always) var isLarge: Bool { head & Self.largeFlag != 0 }
    /// Whether the value is the address of an object, which has memory of its own.
    @inline(__always) var isObject: Bool { head & Self.objectFlag != 0 }

    /// Whether the string was edited in place: Redis calls its encoding `raw` then.
    @inline(__always) var isModified: Bool { head & Self.modifiedFlag != 0 }

    /// Gives the value its kind; it counts as freshly set, or as edited.
    @inline(__always) func setKind(_ kind: Kind, isModified: Bool = false) {
        let kept = head & (Self.deadlineFlag | Self.largeFlag | Self.epochFlag)
        head = kept | kind.rawValue | (isModified ? Self.modifiedFlag : 0)
    }

    /// Whether a snapshot that began the epoch `epoch` has still to write the record.
    @inline(__always) func isBefore(_ epoch: Epoch) -> Bool {
        (head ^ epoch.rawValue) & Self.epochFlag != 0
    }

    /// The record is in the snapshot, or need not be.
    @inline(__always) func enter(_ epoch: Epoch) {
        head = head & ~Self.epochFlag | epoch.rawValue
    }

    /// Seconds of the last access, modulo 2^24.
    @inline(__always) var accessClock: UInt32 {
        unsafe p.load(as: UInt32.self).littleEndian >> 8
    }

    @inline(__always) func touch(_ clock: UInt32) {
        let word = unsafe p.load(as: UInt32.self).littleEndian
        unsafe p.storeBytes(of: ((word & 0xFF) | (clock << 8)).littleEndian, as: UInt32.self)
    }

    /// Unix time in milliseconds; only where `hasDeadline`.
    @inline(__always) var deadline: Int64 {
        get { unsafe p.load(fromByteOffset: headerCount, as: Int64.self) }
        nonmutating set {
            unsafe p.storeBytes(of: newValue, toByteOffset: headerCount, as: Int64.self)
        }
    }

    @inline(__always) private var headerCount: Int { isLarge ? 16 : 8 }

    // MARK: - Key and value

    @inline(__always) var keyCount: Int {
        isLarge
            ? Int(unsafe p.load(fromByteOffset: 8, as: UInt32.self))
            : Int(unsafe p.load(fromByteOffset: 6, as: UInt16.self))
    }

    @inline(__always) var valueCount: Int {
        isLarge
            ? Int(unsafe p.load(fromByteOffset: 4, as: UInt32.self))
            : Int(unsafe p.load(fromByteOffset: 4, as: UInt16.self))
    }

    @inline(__always) func setValueCount(_ n: Int) {
        if isLarge {
            unsafe p.storeBytes(
                of: UInt32(truncatingIfNeeded: n), toByteOffset: 4, as: UInt32.self)
        } else {
            unsafe p.storeBytes(
                of: UInt16(truncatingIfNeeded: n), toByteOffset: 4, as: UInt16.self)
        }
    }

    @inline(__always) private var keyOffset: Int { headerCount &+ (hasDeadline ? 8 : 0) }
    @inline(__always) private var valueOffset: Int { keyOffset &+ keyCount }

    @inline(__always) @unsafe var value: UnsafeMutableRawPointer { unsafe p + valueOffset }

    /// The key's bytes; tied to nothing here, the table's owner ties them to itself.
    @inline(__always) var key: Bytes {
        @_lifetime(immortal)
        get {
            let start = unsafe (p + keyOffset).assumingMemoryBound(to: UInt8.self)
            return unsafe _overrideLifetime(
                Span(_unsafeStart: start, count: keyCount), copying: ())
        }
    }

    /// The value's bytes; tied to nothing here, the table's owner ties them to itself.
    @inline(__always) var bytes: Bytes {
        @_lifetime(immortal)
        get {
            let start = unsafe value.assumingMemoryBound(to: UInt8.self)
            return unsafe _overrideLifetime(
                Span(_unsafeStart: start, count: valueCount), copying: ())
        }
    }

    @inline(__always) func keyEquals(_ other: Bytes) -> Bool {
        // One comparison of the usual small header answers most look-ups.
        guard keyCount == other.count else { return false }
        return unsafe bytesEqual(p + keyOffset, other.address, other.count)
    }

    @inline(__always) var integer: Int64 {
        get { unsafe value.loadUnaligned(as: Int64.self) }
        nonmutating set { unsafe value.storeBytes(of: newValue, as: Int64.self) }
    }

    // MARK: - Blocks

    /// Bytes of the block that this record occupies.
    @inline(__always) var blockCount: Int {
        isLarge
            ? unsafe SlabAllocator.capacity(ofLarge: p)
            : SlabAllocator.roundUp(valueOffset &+ valueCount)
    }

    /// Whether a value of `n` bytes can take the place of this one without wasting half a block,
    /// and nobody needs this one any more.
    @inline(__always) func fits(_ n: Int) -> Bool {
        let total = valueOffset &+ n
        if isLarge {
            let capacity = unsafe SlabAllocator.capacity(ofLarge: p)
            return total <= capacity && total > SlabAllocator.blockBytesMax
                && total >= capacity / 2 && !isPinned
        }
        return SlabAllocator.roundUp(total) == SlabAllocator.roundUp(valueOffset &+ valueCount)
    }

    /// Replaces the value where it stands; `fits(bytes.count)` has been checked.
    @inline(__always) func replace(_ bytes: Bytes) {
        unsafe bytes.copy(to: value)
        setValueCount(bytes.count)
    }

    /// Makes the value the string `bytes` where it stands, if the record is small, has no deadline
    /// and keeps its block; false, with nothing changed, otherwise.
    ///
    /// The usual overwrite: the whole header is one load and one store.
    @inline(__always) func overwrite(_ bytes: Bytes, clock: UInt32) -> Bool {
        let header = unsafe p.load(as: UInt64.self).littleEndian
        guard header & UInt64(Self.deadlineFlag | Self.largeFlag | Self.objectFlag) == 0 else {
            return false
        }
        let offset = 8 &+ Int(truncatingIfNeeded: header >> 48)
        let old = Int(truncatingIfNeeded: (header >> 32) & 0xFFFF)
        let isSameBlock =
            SlabAllocator.roundUp(offset &+ bytes.count) == SlabAllocator.roundUp(offset &+ old)
        guard isSameBlock else { return false }
        unsafe bytes.copy(to: p + offset)
        let fresh =
            header & 0xFFFF_0000_0000_0080 | UInt64(truncatingIfNeeded: bytes.count) << 32
            | UInt64(clock) << 8 | UInt64(Kind.string.rawValue)
        unsafe p.storeBytes(of: fresh.littleEndian, as: UInt64.self)
        return true
    }

    /// A record with an uninitialised value of `valueCount` bytes and `spare` bytes behind it.
    ///
    /// `spare` is honoured for large records only.
    @inline(__always) static func make(
        _ heap: inout SlabAllocator, _ kind: Kind, key: Bytes, valueCount: Int, spare: Int = 0,
        deadline: Int64?
    ) -> Record {
        let extra = deadline == nil ? 0 : 8
        let total = 8 &+ extra &+ key.count &+ valueCount
        if total > SlabAllocator.blockBytesMax {
            return makeLarge(
                &heap, kind, key: key, valueCount: valueCount, spare: spare, deadline: deadline)
        }
        let p = unsafe heap.allocate(total)
        let flags =
            kind.rawValue | (deadline == nil ? 0 : deadlineFlag) | heap.epoch.rawValue
        unsafe p.storeBytes(of: UInt32(flags).littleEndian, as: UInt32.self)
        unsafe p.storeBytes(
            of: UInt16(truncatingIfNeeded: valueCount), toByteOffset: 4, as: UInt16.self)
        unsafe p.storeBytes(
            of: UInt16(truncatingIfNeeded: key.count), toByteOffset: 6, as: UInt16.self)
        if let deadline { unsafe p.storeBytes(of: deadline, toByteOffset: 8, as: Int64.self) }
        unsafe key.copy(to: p + (8 &+ extra))
        return unsafe Record(p)
    }

    @inline(never) private static func makeLarge(
        _ heap: inout SlabAllocator, _ kind: Kind, key: Bytes, valueCount: Int, spare: Int,
        deadline: Int64?
    ) -> Record {
        let extra = deadline == nil ? 0 : 8
        let p = unsafe heap.allocate(16 + extra + key.count + valueCount + spare)
        let flags =
            kind.rawValue | largeFlag | (deadline == nil ? 0 : deadlineFlag)
            | heap.epoch.rawValue
        unsafe p.storeBytes(of: UInt32(flags).littleEndian, as: UInt32.self)
        unsafe p.storeBytes(
            of: UInt32(truncatingIfNeeded: valueCount), toByteOffset: 4, as: UInt32.self)
        unsafe p.storeBytes(
            of: UInt32(truncatingIfNeeded: key.count), toByteOffset: 8, as: UInt32.self)
        unsafe p.storeBytes(of: 0, toByteOffset: 12, as: UInt32.self)
        if let deadline { unsafe p.storeBytes(of: deadline, toByteOffset: 16, as: Int64.self) }
        unsafe key.copy(to: p + (16 + extra))
        return unsafe Record(p)
    }

    @inline(__always) func free(_ heap: inout SlabAllocator) {
        if isLarge { return freeLarge(&heap) }
        unsafe heap.free(p, blockCount)
    }

    @inline(never) private func freeLarge(_ heap: inout SlabAllocator) {
        unsafe heap.disown(p)
        freeDetached()
    }

    /// Frees a large record when its heap is going away as a whole; with its last pin if it has
    /// any.
    func freeDetached() {
        if unsafe cp_let_go(p + 12) != 0 { unsafe CPlatform.free(p) }
    }

    // MARK: - Pins

    /// The large record whose value `view` shows whole; nil when it shows something else.
    static func owner(of view: borrowing StringView) -> Record? {
        guard view.form == .bytes, view.number != 0 else { return nil }
        let address = UInt(bitPattern: Int(view.number))
        // S1: a view lives no longer than its record.
        let p = unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
        let record = unsafe Record(p)
        return record.isLarge ? record : nil
    }

    /// Keeps the block of a large record, and its bytes as they are, until `unpin`.
    func pin() {
        precondition(isLarge)
        unsafe cp_pin(p + 12)
    }

    /// Takes back one `pin`; the block goes with the last one if the table has let go of it.
    func unpin() {
        if unsafe cp_unpin(p + 12) != 0 { unsafe CPlatform.free(p) }
    }

    /// Makes `blank` a string's record, pinned once; nil unless it was laid out for just this.
    ///
    /// `key` and `value` are compared with what is there: the value by its place.
    static func adopt(
        _ blank: BlankRecord, key: Bytes, value: Bytes, deadline: Int64?,
        _ heap: inout SlabAllocator
    ) -> Record? {
        let p = unsafe blank.p
        let start = blank.hasDeadline ? 24 : 16
        guard unsafe value.address == UnsafeRawPointer(p + (start + blank.keyCount)),
            value.count == blank.valueCount, key.count == blank.keyCount,
            unsafe bytesEqual(p + start, key.address, key.count),
            blank.hasDeadline == (deadline != nil)
        else { return nil }
        let flags =
            largeFlag | (deadline == nil ? 0 : deadlineFlag) | Kind.string.rawValue
            | heap.epoch.rawValue
        unsafe p.storeBytes(of: UInt32(flags).littleEndian, as: UInt32.self)
        unsafe p.storeBytes(
            of: UInt32(truncatingIfNeeded: value.count), toByteOffset: 4, as: UInt32.self)
        unsafe p.storeBytes(
            of: UInt32(truncatingIfNeeded: key.count), toByteOffset: 8, as: UInt32.self)
        unsafe p.storeBytes(of: 1, toByteOffset: 12, as: UInt32.self)
        if let deadline { unsafe p.storeBytes(of: deadline, toByteOffset: 16, as: Int64.self) }
        unsafe heap.own(p)
        return unsafe Record(p)
    }

    private var isPinned: Bool { unsafe cp_pin_count(p + 12) != 0 }

    /// Makes the value `n` bytes long where it stands, new bytes being zero; `fits(n)` was checked.
    func extend(to n: Int) {
        let old = valueCount
        if n > old {
            unsafe (value + old).initializeMemory(as: UInt8.self, repeating: 0, count: n - old)
        }
        setValueCount(n)
    }

    /// Writes `bytes` at `offset`; the value must reach that far.
    func write(_ bytes: Bytes, at offset: Int) {
        precondition(offset >= 0 && offset <= valueCount && bytes.count <= valueCount - offset)
        unsafe bytes.copy(to: value + offset)
    }

    /// Replaces `removed` bytes of the value at `offset` by `inserted` bytes of any content, where
    /// it stands; the new length was checked with `fits`.
    @inline(__always) func splice(at offset: Int, removing removed: Int, inserting inserted: Int) {
        let count = valueCount
        precondition(offset >= 0 && removed >= 0 && inserted >= 0 && offset + removed <= count)
        if removed != inserted {
            let tail = count &- offset &- removed
            unsafe memmove(value + (offset &+ inserted), value + (offset &+ removed), tail)
            setValueCount(count &- removed &+ inserted)
        }
    }

    /// A copy in which `removed` bytes of the value at `offset` are `inserted` bytes of any content.
    func respaced(
        _ heap: inout SlabAllocator, at offset: Int, removing removed: Int, inserting inserted: Int,
        spare: Int, deadline: Int64?
    ) -> Record {
        let count = valueCount
        precondition(offset >= 0 && removed >= 0 && inserted >= 0 && offset + removed <= count)
        let copy = Record.make(
            &heap, kind, key: key, valueCount: count - removed + inserted, spare: spare,
            deadline: deadline)
        unsafe copyBlock(from: value, to: copy.value, offset)
        unsafe copyBlock(
            from: value + (offset + removed), to: copy.value + (offset + inserted),
            count - offset - removed)
        copy.setKind(kind)
        copy.touch(accessClock)
        return copy
    }

    /// A copy under another key or deadline, with a value of `valueCount` bytes of which as many
    /// as there are come from this one, the rest being zero.
    func copied(
        _ heap: inout SlabAllocator, key: Bytes, valueCount: Int, spare: Int = 0, deadline: Int64?
    ) -> Record {
        let copy = Record.make(
            &heap, kind, key: key, valueCount: valueCount, spare: spare, deadline: deadline)
        let kept = min(valueCount, self.valueCount)
        unsafe copyBlock(from: value, to: copy.value, kept)
        if valueCount > kept {
            unsafe (copy.value + kept).initializeMemory(
                as: UInt8.self, repeating: 0, count: valueCount - kept)
        }
        copy.setKind(kind, isModified: isModified)
        copy.touch(accessClock)
        return copy
    }

    @inline(__always) func prefetch() { unsafe cp_prefetch(p) }
}

/// A block from malloc with room for a large record's header, and its key and value in place.
@safe struct BlankRecord {
    fileprivate let p: UnsafeMutableRawPointer
    fileprivate let keyCount: Int
    fileprivate let valueCount: Int
    fileprivate let hasDeadline: Bool

    @unsafe init(
        _ p: UnsafeMutableRawPointer, keyCount: Int, valueCount: Int, hasDeadline: Bool
    ) {
        unsafe self.p = p
        self.keyCount = keyCount
        self.valueCount = valueCount
        self.hasDeadline = hasDeadline
    }
}
