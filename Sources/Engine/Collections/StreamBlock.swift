//  StreamBlock.swift — some consecutive entries of a stream in one block of memory.  U
//
//      header, 64 bytes:
//       0 ID that the block is filed under: that of its first entry ever   16 ID of the last ever
//      32 u32 bytes used | u32 bytes of the block | u32 entries | u32 entries that were removed
//      48 u32 bytes as a listpack | u32 offset of the first entry | u32 number of fields | u32 flags
//      the fields that the entries share, bodies as of `Packed`
//      entry: size and kind | milliseconds | number | [own fields] | values
//
//  Most entries of a stream have the same fields, so the names stand there once: those of the first
//  entry. An entry with others has its own names in front of its values, behind their number and
//  the bytes that they take. All numbers are in groups of seven bits. The size is that of what follows
//  it, doubled, plus one where an entry has its own fields. Milliseconds count from those of the
//  block's ID, and so does the number where the milliseconds are the same.
//
//  A block is full when Redis's would be, so both trim alike: hence the bytes as a listpack, and the
//  number of entries that were removed, which Redis leaves in place.
//
//  ## Safety
//  - S1: `p` is a live block of the heap that its stream owns, laid out as above, 64 <= used <= bytes.
//  - S2: entries were written by `append`, which checks the room; offsets of entries come from
//    walking over them. Reads go through spans, which check their bounds.
import CPlatform

/// The fields and values of an entry in the making, encoded.
struct StreamDraft: ~Copyable {
    fileprivate var fields = ByteBuffer()
    fileprivate var values = ByteBuffer()
    fileprivate(set) var fieldCount = 0
    /// Bytes of both in a listpack.
    fileprivate var fieldsAsListpack = 0
    fileprivate var valuesAsListpack = 0

    init() {}

    mutating func removeAll() {
        fields.removeAll()
        values.removeAll()
        fields.shrink(to: 64 << 10)
        values.shrink(to: 64 << 10)
        fieldCount = 0
        fieldsAsListpack = 0
        valuesAsListpack = 0
    }

    @inline(__always) mutating func add(field: PackedEntry) {
        fieldsAsListpack &+= field.count
        fields.append(body: field)
        fieldCount &+= 1
    }

    @inline(__always) mutating func add(value: PackedEntry) {
        valuesAsListpack &+= value.count
        values.append(body: value)
    }

    /// Bytes of fields and values together.
    var byteCount: Int { fields.count + values.count }
    /// More than a block can hold.
    static var bytesMax: Int { 1 << 30 }
}

/// An entry, read where it stands.
struct StreamEntry: ~Escapable {
    let id: StreamID
    let fieldCount: Int
    /// Runs of bodies.
    let fields: Packed
    let values: Packed

    @_lifetime(copy fields, copy values)
    fileprivate init(_ id: StreamID, _ count: Int, _ fields: Packed, _ values: Packed) {
        self.id = id
        fieldCount = count
        self.fields = fields
        self.values = values
    }

    /// Calls `body` with every field and its value.
    @inline(__always) func forEach(_ body: (StringView, StringView) -> Void) {
        var field = 0, value = 0
        for _ in 0..<fieldCount { body(fields.takeBody(&field), values.takeBody(&value)) }
    }
}

/// A view of a block; lives no longer than the borrow of the stream that it came from.
@safe struct StreamBlock {
    private let p: UnsafeMutableRawPointer

    static var headerCount: Int { 64 }

    @inline(__always) init(_ address: UInt) {
        unsafe p = UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped  // S1
    }

    @inline(__always) var address: UInt { UInt(bitPattern: unsafe p) }

    // MARK: - Header

    @inline(__always) private func field(_ offset: Int) -> Int {
        Int(unsafe p.load(fromByteOffset: offset, as: UInt32.self))
    }

    @inline(__always) private func setField(_ offset: Int, _ value: Int) {
        unsafe p.storeBytes(of: UInt32(value), toByteOffset: offset, as: UInt32.self)
    }

    /// What the block is filed under.
    var id: StreamID {
        @inline(__always) get { unsafe p.load(as: StreamID.self) }
        nonmutating set { unsafe p.storeBytes(of: newValue, as: StreamID.self) }
    }
    /// The ID of the last entry that was ever added.
    var last: StreamID {
        @inline(__always) get { unsafe p.load(fromByteOffset: 16, as: StreamID.self) }
        @inline(__always) nonmutating set {
            unsafe p.storeBytes(of: newValue, toByteOffset: 16, as: StreamID.self)
        }
    }
    private(set) var used: Int {
        @inline(__always) get { field(32) }
        @inline(__always) nonmutating set { setField(32, newValue) }
    }
    /// Bytes of the block.
    private(set) var capacity: Int {
        @inline(__always) get { field(36) }
        nonmutating set { setField(36, newValue) }
    }
    /// Entries.
    private(set) var count: Int {
        @inline(__always) get { field(40) }
        @inline(__always) nonmutating set { setField(40, newValue) }
    }
    private(set) var removedCount: Int {
        @inline(__always) get { field(44) }
        nonmutating set { setField(44, newValue) }
    }
    private var listpackBytes: Int {
        @inline(__always) get { field(48) }
        @inline(__always) nonmutating set { setField(48, newValue) }
    }
    /// Offset of the first entry.
    private(set) var start: Int {
        @inline(__always) get { field(52) }
        nonmutating set { setField(52, newValue) }
    }
    private(set) var fieldCount: Int {
        @inline(__always) get { field(56) }
        nonmutating set { setField(56, newValue) }
    }
    /// A snapshot reads it too: it must neither change nor go.
    var isShared: Bool {
        @inline(__always) get { field(60) & 1 != 0 }
        nonmutating set { setField(60, newValue ? field(60) | 1 : field(60) & ~1) }
    }
    /// Only a snapshot needs it any more, and frees it.
    var isOrphan: Bool {
        get { field(60) & 2 != 0 }
        nonmutating set { setField(60, newValue ? field(60) | 2 : field(60) & ~2) }
    }

    @inline(__always) private var bytes: Bytes {
        @_lifetime(immortal)
        get {
            let start = unsafe p.assumingMemoryBound(to: UInt8.self)
            return unsafe _overrideLifetime(Span(_unsafeStart: start, count: used), copying: ())
        }
    }

    /// The names that the entries share, a run of bodies.
    @inline(__always) var fields: Packed {
        @_lifetime(immortal)
        get {
            unsafe _overrideLifetime(
                Packed(entries: bytes.extracting(Self.headerCount..<start)), copying: ())
        }
    }

    // MARK: - Making and freeing

    /// A block without entries that will begin with the entry `id`, with room for `n` bytes more.
    static func make(
        _ id: StreamID, _ draft: borrowing StreamDraft, room n: Int, _ heap: inout SlabAllocator
    ) -> StreamBlock {
        let fields = draft.fields.span
        let block = allocate(headerCount + fields.count + n, &heap)
        block.id = id
        block.last = id
        unsafe fields.copy(to: block.p + headerCount)
        block.start = headerCount + fields.count
        block.used = block.start
        block.fieldCount = draft.fieldCount
        // Header and end, number of fields, fields, and what ends them.
        block.listpackBytes =
            7 + PackedEntry(Int64(draft.fieldCount)).count + draft.fieldsAsListpack + 2
        return block
    }

    private static func allocate(_ n: Int, _ heap: inout SlabAllocator) -> StreamBlock {
        let bytes = SlabAllocator.roundUp(n)
        let p = unsafe heap.allocate(bytes)
        unsafe p.initializeMemory(as: UInt8.self, repeating: 0, count: headerCount)
        let block = StreamBlock(UInt(bitPattern: p))
        block.capacity = bytes
        return block
    }

    /// A copy with room for `n` bytes in all, which nobody shares.
    func copied(room n: Int, _ heap: inout SlabAllocator) -> StreamBlock {
        let fresh = Self.allocate(max(n, used), &heap)
        let capacity = fresh.capacity
        unsafe copyBlock(from: p, to: fresh.p, used)
        fresh.capacity = capacity
        fresh.setField(60, 0)
        return fresh
    }

    func free(_ heap: inout SlabAllocator) {
        if isShared {
            isOrphan = true
            return
        }
        unsafe heap.free(p, capacity)
    }

    /// Frees the block if it is not the heap's, which is going away as a whole.
    func freeDetached() {
        if capacity > SlabAllocator.blockBytesMax { unsafe CPlatform.free(p) }
    }

    /// The snapshot has read the block, which is free to change again, or gone.
    func release(_ heap: inout SlabAllocator) {
        isShared = false
        if isOrphan { unsafe heap.free(p, capacity) }
    }

    // MARK: - Adding

    /// Bytes of the two counters that Redis has in front of a block's fields.
    private var counterBytes: Int {
        PackedEntry(Int64(count)).count + PackedEntry(Int64(removedCount)).count
    }

    /// Whether Redis would begin a new block for an entry of so many bytes of text.
    @inline(__always) func isFull(_ textBytes: Int, _ limit: StreamLimit) -> Bool {
        if listpackBytes &+ counterBytes &+ textBytes >= limit.bytes { return true }
        return limit.entries > 0 && count &+ removedCount >= limit.entries
    }

    /// Bytes that the entry `id` will take at most.
    static func roomFor(_ draft: borrowing StreamDraft) -> Int { draft.byteCount + 50 }

    /// Whether there is room for so many bytes more.
    @inline(__always) func hasRoom(_ n: Int) -> Bool { capacity &- used >= n }

    /// Adds an entry, whose ID is above all others; there is room.
    @inline(__always) func append(_ id: StreamID, _ draft: borrowing StreamDraft) {
        precondition(hasRoom(Self.roomFor(draft)))
        let isShared = draft.fieldCount == fieldCount && draft.fields.span.equals(fields.bytes)
        let base = self.id
        let milliseconds = id.milliseconds &- base.milliseconds
        let number = milliseconds == 0 ? id.sequence &- base.sequence : id.sequence
        let fields = isShared ? 0 : draft.fields.count
        var size = Self.width(milliseconds) &+ Self.width(number) &+ draft.values.count
        if !isShared {
            size &+= Self.width(UInt64(draft.fieldCount)) &+ Self.width(UInt64(fields)) &+ fields
        }
        var at = used
        put(UInt64(size) &<< 1 | (isShared ? 0 : 1), &at)
        put(milliseconds, &at)
        put(number, &at)
        if !isShared {
            put(UInt64(draft.fieldCount), &at)
            put(UInt64(fields), &at)
            unsafe draft.fields.span.copy(to: p + at)
            at &+= fields
        }
        unsafe draft.values.span.copy(to: p + at)
        at &+= draft.values.count
        noteListpack(id, draft, isShared)
        used = at
        count &+= 1
        last = id
    }

    private func noteListpack(
        _ id: StreamID, _ draft: borrowing StreamDraft, _ isShared: Bool
    ) {
        let milliseconds = Int64(bitPattern: id.milliseconds &- self.id.milliseconds)
        let number = Int64(bitPattern: id.sequence &- self.id.sequence)
        var elements = draft.fieldCount &+ 3
        var bytes =
            2 &+ PackedEntry(milliseconds).count &+ PackedEntry(number).count
            &+ draft.valuesAsListpack
        if !isShared {
            elements &+= draft.fieldCount &+ 1
            bytes &+= PackedEntry(Int64(draft.fieldCount)).count &+ draft.fieldsAsListpack
        }
        listpackBytes &+= bytes &+ PackedEntry(Int64(elements)).count
    }

    @inline(__always) private static func width(_ value: UInt64) -> Int {
        value < 128 ? 1 : (70 &- value.leadingZeroBitCount) / 7
    }

    @inline(__always) private func put(_ value: UInt64, _ at: inout Int) {
        var rest = value
        while rest >= 128 {
            unsafe p.storeBytes(
                of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: at, as: UInt8.self)
            rest &>>= 7
            at &+= 1
        }
        unsafe p.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: at, as: UInt8.self)
        at &+= 1
    }

    // MARK: - Reading

    @inline(__always) private static func take(_ bytes: Bytes, _ at: inout Int) -> UInt64 {
        let first = bytes[at]
        at &+= 1
        if first < 128 { return UInt64(first) }
        var value = UInt64(first & 0x7F), shift: UInt64 = 7
        while true {
            let byte = bytes[at]
            at &+= 1
            value |= UInt64(byte & 0x7F) &<< shift
            if byte < 128 { return value }
            shift &+= 7
        }
    }

    /// The ID of the entry at `offset`, and where the next one is.
    @inline(__always) func look(_ offset: Int) -> (id: StreamID, next: Int) {
        let bytes = bytes
        var at = offset
        let size = Int(Self.take(bytes, &at) &>> 1)
        let next = at &+ size
        let milliseconds = Self.take(bytes, &at)
        let number = Self.take(bytes, &at)
        let base = id
        return (
            StreamID(
                base.milliseconds &+ milliseconds,
                milliseconds == 0 ? base.sequence &+ number : number), next
        )
    }

    /// The entry at `offset`, which moves behind it.
    @_lifetime(immortal)
    @inline(__always) func take(_ offset: inout Int) -> StreamEntry {
        let bytes = bytes
        let id = look(offset).id
        var at = offset
        let head = Self.take(bytes, &at)
        let next = at &+ Int(head &>> 1)
        _ = Self.take(bytes, &at)
        _ = Self.take(bytes, &at)
        var names = self.fields
        var n = fieldCount
        if head & 1 != 0 {
            n = Int(Self.take(bytes, &at))
            let count = Int(Self.take(bytes, &at))
            names = Packed(entries: bytes.extracting(at..<(at &+ count)))
            at &+= count
        }
        offset = next
        let values = Packed(entries: bytes.extracting(at..<next))
        return unsafe _overrideLifetime(StreamEntry(id, n, names, values), copying: ())
    }

    /// Offset of the first entry that is not below `id`; `end` when there is none.
    @inline(__always) func offset(of id: StreamID) -> Int {
        if last < id { return end }
        var at = start
        let end = end
        while at < end {
            let (found, next) = look(at)
            if found >= id { return at }
            at = next
        }
        return end
    }

    /// Offset behind the last entry.
    @inline(__always) var end: Int { used }

    /// Offsets of the entries in a range of IDs.
    func offsets(from low: StreamID, through high: StreamID) -> [Int] {
        var offsets: [Int] = []
        var at = offset(of: low)
        while at < end {
            let (id, next) = look(at)
            if id > high { break }
            offsets.append(at)
            at = next
        }
        return offsets
    }

    /// Whether the entry at `offset` has the block's fields.
    func sharesFields(_ offset: Int) -> Bool {
        var at = offset
        return Self.take(bytes, &at) & 1 == 0
    }

    // MARK: - Removing

    /// Removes `n` entries, which are the bytes of `range`.
    func remove(_ n: Int, _ range: Range<Int>) {
        precondition(range.lowerBound >= start && range.upperBound <= used && n <= count)
        unsafe memmove(p + range.lowerBound, p + range.upperBound, used - range.upperBound)
        used -= range.count
        count -= n
        removedCount += n
    }
}

/// How large blocks become.
struct StreamLimit {
    let bytes: Int
    let entries: Int

    init(_ configuration: borrowing Configuration) {
        let wanted = configuration.streamNodeMaxBytes
        bytes = wanted <= 0 || wanted > StreamDraft.bytesMax ? StreamDraft.bytesMax : wanted
        entries = configuration.streamNodeMaxEntries
    }

    private init() {
        bytes = StreamDraft.bytesMax
        entries = 0
    }

    /// As much as a block can hold.
    static var none: StreamLimit { StreamLimit() }
}
