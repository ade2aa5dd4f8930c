//  ChunkedList.swift — a large list: a double-ended queue of chunks of entries.  U
//
//  A chunk is a block of entries as in `Packed`, with free space in front of them, behind them or
//  both, so that pushing at either end moves nothing. The directory holds the address of each chunk
//  and beside it, close together, how many elements it has: a position is found by adding up those
//  numbers from the nearer end. The directory too has free space at both ends.
//
//      directory:  … | address | address | …        chunk:  u32 start | u32 end | u32 capacity
//                  … |  count  |  count  | …                u32 flags | free | entries | free
//
//  What a chunk may hold is `ListLimit`'s affair; a text that is larger than a whole chunk has one
//  of its own, called plain. Chunks split and merge as the nodes of Redis's quicklist do, because
//  clients can tell: a list whose only chunk has become small changes its encoding.
//
//  Chunks that are further than `list-compress-depth` from both ends may be compressed. Whoever reads
//  or edits such a chunk finds it expanded; `compress` makes up for that when the command is over.
//
//      compressed: u32 start | u32 end | u32 capacity | u32 flags | u32 bytes of entries | LZF
//
//  Cost: push and pop O(1); position i of n elements O(n / elements per chunk).
//
//  Credits: the quicklist, a list of packed runs, is Matt Stancliff's.
//
//  ## Safety
//  - S1: the directory is a block of the heap with room for `capacity` addresses, followed by as
//    many counts; those at `first ..< first + chunkCount` are initialised.
//  - S2: each address is that of a live block of the heap, which this list alone owns, with a
//    header as above; `16 <= start <= end <= capacity`, and the block has `capacity` bytes. A
//    block with the flag `isOutside` is not the heap's but malloc's.
//  - S3: `entries[start ..< end]` was written by `PackedEntry` or copied from such a run, and the
//    count beside it is the number of its entries; of a compressed chunk, what it expands to.
//  - S4: `compression` is 0 or the address of a live `Compression` that this list alone owns.
import CPlatform

/// Where an element of a list is: its chunk, and its offset in the chunk's entries.
struct ListPosition: Equatable {
    var chunk: Int
    var offset: Int
}

/// An end of a list.
enum ListEnd: Sendable {
    case head, tail

    var opposite: ListEnd { self == .head ? .tail : .head }
}

@safe struct ChunkedList: ~Copyable, CollectionObject {
    /// Address of the directory, 0 while there is none.
    private var directory: UInt = 0
    private var capacity = 0
    private var first = 0
    private(set) var chunkCount = 0
    /// Elements.
    private(set) var count = 0
    /// Bytes of the heap's blocks.
    private var blockBytes = 0
    /// Address of what is known about compressed chunks, 0 while there was none.
    private var compression: UInt = 0

    init() {}

    /// A list of one chunk with a copy of `entries`, which are `count` in number.
    init(entries: Bytes, count: Int, _ heap: inout SlabAllocator) {
        if count > 0 { append(run: entries, count: count, &heap) }
    }

    var byteCount: Int { MemoryLayout<ChunkedList>.stride + blockBytes + outsideBytes }

    // MARK: - Reading

    /// The entries of chunk `i`; tied to nothing here, as the bytes of a record.
    @_lifetime(immortal)
    @inline(__always) func chunk(_ i: Int) -> Packed {
        unsafe _overrideLifetime(Packed(entries: block(i).bytes), copying: ())
    }

    /// Elements of chunk `i`.
    @inline(__always) func chunkElementCount(_ i: Int) -> Int {
        Int(unsafe counts[checked(i)])
    }

    /// Bytes of the entries of chunk `i`, expanded.
    func chunkByteCount(_ i: Int) -> Int { stored(i).entryBytes }

    /// Whether chunk `i` is a single text that is larger than a chunk.
    @inline(__always) func isPlain(_ i: Int) -> Bool { stored(i).isPlain }

    /// The chunk of element `index`, and the element's number in it.
    ///
    /// The caller has checked that there is such an element.
    func locate(_ index: Int) -> (chunk: Int, index: Int) {
        precondition(index >= 0 && index < count)
        if index <= count / 2 {
            var i = 0, rest = index
            while true {
                let n = chunkElementCount(i)
                if rest < n { return (i, rest) }
                rest -= n
                i += 1
            }
        }
        var i = chunkCount - 1, rest = count - index
        while true {
            let n = chunkElementCount(i)
            if rest <= n { return (i, n - rest) }
            rest -= n
            i -= 1
        }
    }

    // MARK: - Directory

    /// A block of entries.
    @safe private struct Chunk {
        let p: UnsafeMutableRawPointer

        static var headerCount: Int { 16 }

        @inline(__always) private func field(_ offset: Int) -> Int {
            Int(unsafe p.load(fromByteOffset: offset, as: UInt32.self))
        }

        @inline(__always) private func setField(_ offset: Int, _ value: Int) {
            unsafe p.storeBytes(of: UInt32(value), toByteOffset: offset, as: UInt32.self)
        }

        /// Offset of the first entry in the block.
        var start: Int {
            @inline(__always) get { field(0) }
            @inline(__always) nonmutating set { setField(0, newValue) }
        }
        /// Offset behind the last entry.
        var end: Int {
            @inline(__always) get { field(4) }
            @inline(__always) nonmutating set { setField(4, newValue) }
        }
        /// Bytes of the block.
        var capacity: Int {
            @inline(__always) get { field(8) }
            nonmutating set { setField(8, newValue) }
        }
        var isPlain: Bool {
            @inline(__always) get { hasFlag(1) }
            nonmutating set { setFlag(1, newValue) }
        }
        var isCompressed: Bool {
            @inline(__always) get { hasFlag(2) }
            nonmutating set { setFlag(2, newValue) }
        }
        /// The block is malloc's, not the heap's.
        var isOutside: Bool {
            @inline(__always) get { hasFlag(4) }
            nonmutating set { setFlag(4, newValue) }
        }
        /// Compressing it has been tried in vain.
        var isDense: Bool {
            get { hasFlag(8) }
            nonmutating set { setFlag(8, newValue) }
        }

        @inline(__always) private func hasFlag(_ flag: Int) -> Bool { field(12) & flag != 0 }

        private func setFlag(_ flag: Int, _ isSet: Bool) {
            setField(12, isSet ? field(12) | flag : field(12) & ~flag)
        }

        /// A snapshot reads it too: it must neither change nor go.
        var isShared: Bool {
            @inline(__always) get { hasFlag(16) }
            nonmutating set { setFlag(16, newValue) }
        }
        /// Only a snapshot needs it any more, and frees it.
        var isOrphan: Bool {
            get { hasFlag(32) }
            nonmutating set { setFlag(32, newValue) }
        }

        func clearFlags() { setField(12, 0) }

        /// Bytes of the entries, expanded.
        @inline(__always) var entryBytes: Int { isCompressed ? field(Self.headerCount) : used }

        /// Bytes of entries.
        @inline(__always) var used: Int { end &- start }
        /// Bytes without entries.
        @inline(__always) var free: Int { capacity &- Self.headerCount &- used }

        @inline(__always) var bytes: Bytes {
            @_lifetime(immortal)
            get {
                let start = unsafe (p + self.start).assumingMemoryBound(to: UInt8.self)
                return unsafe _overrideLifetime(
                    Span(_unsafeStart: start, count: used), copying: ())
            }
        }
    }

    @inline(__always) @unsafe private var addresses: UnsafeMutablePointer<UInt> {
        // S1
        unsafe UnsafeMutablePointer<UInt>(bitPattern: directory).unsafelyUnwrapped + first
    }

    @inline(__always) @unsafe private var counts: UnsafeMutablePointer<UInt32> {
        // S1
        let end =
            unsafe UnsafeMutablePointer<UInt>(bitPattern: directory).unsafelyUnwrapped
            + capacity
        return unsafe UnsafeMutableRawPointer(end).assumingMemoryBound(to: UInt32.self) + first
    }

    @inline(__always) private func checked(_ i: Int) -> Int {
        precondition(UInt(bitPattern: i) < UInt(bitPattern: chunkCount))
        return i
    }

    /// Chunk `i` as it is.
    @inline(__always) private func stored(_ i: Int) -> Chunk {
        // S2
        unsafe Chunk(
            p: UnsafeMutableRawPointer(bitPattern: addresses[checked(i)]).unsafelyUnwrapped)
    }

    /// Chunk `i`, expanded if need be.
    @inline(__always) private func block(_ i: Int) -> Chunk {
        let chunk = stored(i)
        return chunk.isCompressed ? expand(i) : chunk
    }

    /// Chunk `i`, expanded if need be, for a change: a copy when a snapshot reads it too.
    @inline(__always) private mutating func ownBlock(
        _ i: Int, _ heap: inout SlabAllocator
    ) -> Chunk {
        let chunk = block(i)
        return chunk.isShared ? copyShared(i, chunk, &heap) : chunk
    }

    @inline(never) private mutating func copyShared(
        _ i: Int, _ chunk: Chunk, _ heap: inout SlabAllocator
    ) -> Chunk {
        let fresh = makeChunk(chunk.capacity - Chunk.headerCount, &heap)
        unsafe copyBlock(from: chunk.p + chunk.start, to: fresh.p + chunk.start, chunk.used)
        fresh.start = chunk.start
        fresh.end = chunk.end
        fresh.isPlain = chunk.isPlain
        free(chunk, &heap)
        unsafe addresses[i] = UInt(bitPattern: fresh.p)
        return fresh
    }

    @inline(__always) private mutating func addCount(_ n: Int, toChunk i: Int) {
        let value = Int(unsafe counts[checked(i)]) + n
        unsafe counts[i] = UInt32(value)
        count &+= n
    }

    /// Puts `chunk` at position `i` of the directory; `count` is not added to that of the list.
    private mutating func insertChunk(
        _ chunk: Chunk, count: Int, at i: Int, _ heap: inout SlabAllocator
    ) {
        precondition(i >= 0 && i <= chunkCount)
        let movesHead = i * 2 < chunkCount || i == 0 && chunkCount == 0
        if movesHead ? first == 0 : first + chunkCount == capacity { growDirectory(&heap) }
        if movesHead {
            first -= 1
            unsafe addresses.update(from: addresses + 1, count: i)
            unsafe counts.update(from: counts + 1, count: i)
        } else {
            unsafe (addresses + i + 1).update(from: addresses + i, count: chunkCount - i)
            unsafe (counts + i + 1).update(from: counts + i, count: chunkCount - i)
        }
        chunkCount += 1
        unsafe addresses[i] = UInt(bitPattern: chunk.p)
        unsafe counts[i] = UInt32(count)
        noteShift(i, by: 1)
    }

    /// Takes position `i` out of the directory; the chunk's elements no longer count.
    private mutating func removeChunk(_ i: Int, _ heap: inout SlabAllocator) {
        count -= chunkElementCount(i)
        free(stored(i), &heap)
        if i * 2 < chunkCount {
            unsafe (addresses + 1).update(from: addresses, count: i)
            unsafe (counts + 1).update(from: counts, count: i)
            first += 1
        } else {
            let behind = chunkCount - i - 1
            unsafe (addresses + i).update(from: addresses + i + 1, count: behind)
            unsafe (counts + i).update(from: counts + i + 1, count: behind)
        }
        chunkCount -= 1
        noteShift(i, by: -1)
    }

    private static func directoryBytes(_ capacity: Int) -> Int { capacity * 12 }

    /// Makes free space at both ends of the directory: a quarter of the new size each.
    private mutating func growDirectory(_ heap: inout SlabAllocator) {
        let isCrowded = chunkCount * 2 >= capacity
        let size = isCrowded ? max(capacity * 2, 8) : capacity
        var fresh = ChunkedList()
        let bytes = Self.directoryBytes(size)
        fresh.directory = UInt(bitPattern: unsafe heap.allocate(bytes))
        fresh.capacity = size
        fresh.first = (size - chunkCount) / 2
        if chunkCount > 0 {
            unsafe fresh.addresses.update(from: addresses, count: chunkCount)
            unsafe fresh.counts.update(from: counts, count: chunkCount)
        }
        freeDirectory(&heap)
        directory = fresh.directory
        capacity = size
        first = fresh.first
        blockBytes += bytes
    }

    private mutating func freeDirectory(_ heap: inout SlabAllocator) {
        guard let block = unsafe UnsafeMutableRawPointer(bitPattern: directory) else { return }
        let bytes = Self.directoryBytes(capacity)
        unsafe heap.free(block, bytes)
        blockBytes -= bytes
        directory = 0
        capacity = 0
    }

    // MARK: - Blocks

    /// A chunk without entries, with room for at least `n` bytes of them.
    private mutating func makeChunk(_ n: Int, _ heap: inout SlabAllocator) -> Chunk {
        let bytes = SlabAllocator.roundUp(n + Chunk.headerCount)
        let chunk = unsafe Chunk(p: heap.allocate(bytes))
        let isLarge = bytes > SlabAllocator.blockBytesMax
        chunk.capacity = isLarge ? unsafe SlabAllocator.capacity(ofLarge: chunk.p) : bytes
        chunk.start = Chunk.headerCount
        chunk.end = Chunk.headerCount
        chunk.clearFlags()
        blockBytes += chunk.capacity
        return chunk
    }

    private mutating func free(_ chunk: Chunk, _ heap: inout SlabAllocator) {
        if chunk.isOutside { return freeOutside(chunk) }
        blockBytes -= chunk.capacity
        if chunk.isShared {
            chunk.isOrphan = true
            return
        }
        unsafe heap.free(chunk.p, chunk.capacity)
    }

    /// Opens a gap of `n` bytes at `offset` of the entries of chunk `i`, and returns where it is.
    ///
    /// The block grows to `limit` bytes by doubling, and beyond that as far as it must.
    @inline(__always) private mutating func openGap(
        _ i: Int, at offset: Int, _ n: Int, upTo limit: Int, _ heap: inout SlabAllocator
    ) -> UnsafeMutableRawPointer {
        let chunk = ownBlock(i, &heap)
        let start = chunk.start, end = chunk.end
        if offset &+ start == end, n <= chunk.capacity &- end {
            chunk.end = end &+ n
            return unsafe chunk.p + end
        }
        if offset == 0, n <= start &- Chunk.headerCount {
            chunk.start = start &- n
            return unsafe chunk.p + (start &- n)
        }
        return unsafe openGapElsewhere(i, at: offset, n, upTo: limit, &heap)
    }

    @inline(never) private mutating func openGapElsewhere(
        _ i: Int, at offset: Int, _ n: Int, upTo limit: Int, _ heap: inout SlabAllocator
    ) -> UnsafeMutableRawPointer {
        let chunk = block(i)
        let used = chunk.used
        precondition(offset >= 0 && offset <= used && n >= 0)
        let atFront = offset * 2 < used
        if chunk.free < n || chunk.free < used / 4 && chunk.capacity < limit {
            let room = max(used + n, min(chunk.capacity * 2, limit) - Chunk.headerCount)
            let fresh = makeChunk(room, &heap)
            let start = startWithGap(fresh.free - used - n, atFront)
            unsafe copyBlock(from: chunk.p + chunk.start, to: fresh.p + start, offset)
            unsafe copyBlock(
                from: chunk.p + (chunk.start + offset), to: fresh.p + (start + offset + n),
                used - offset)
            fresh.start = start
            fresh.end = start + used + n
            free(chunk, &heap)
            unsafe addresses[i] = UInt(bitPattern: fresh.p)
            return unsafe fresh.p + (start + offset)
        }
        let start: Int
        if atFront, n <= chunk.start - Chunk.headerCount {
            start = chunk.start - n
        } else if !atFront, n <= chunk.capacity - chunk.end {
            start = chunk.start
        } else {
            start = startWithGap(chunk.free - n, atFront)
        }
        unsafe slide(chunk, to: start, offset, n)
        return unsafe chunk.p + (start + offset)
    }

    /// Where entries begin so that `free` bytes are where they will be wanted: all on the side of
    /// the gap, or half on each if the chunk is both the first and the last.
    private func startWithGap(_ free: Int, _ atFront: Bool) -> Int {
        Chunk.headerCount + (chunkCount == 1 ? free / 2 : atFront ? free : 0)
    }

    /// Moves the entries of `chunk` so that they begin at `start` and have a gap of `n` bytes at
    /// `offset`.
    @unsafe private func slide(_ chunk: Chunk, to start: Int, _ offset: Int, _ n: Int) {
        let old = chunk.start, used = chunk.used
        precondition(start >= Chunk.headerCount && start + used + n <= chunk.capacity)
        let head = unsafe chunk.p + old, tail = unsafe chunk.p + (old + offset)
        let newHead = unsafe chunk.p + start, newTail = unsafe chunk.p + (start + offset + n)
        // Whatever moves right moves last part first.
        if unsafe newTail > tail {
            unsafe memmove(newTail, tail, used - offset)
            unsafe memmove(newHead, head, offset)
        } else {
            unsafe memmove(newHead, head, offset)
            unsafe memmove(newTail, tail, used - offset)
        }
        chunk.start = start
        chunk.end = start + used + n
    }

    /// Takes `n` bytes at `offset` out of the entries of chunk `i`.
    private mutating func closeGap(
        _ i: Int, at offset: Int, _ n: Int, _ heap: inout SlabAllocator
    ) {
        let chunk = ownBlock(i, &heap)
        let used = chunk.used
        precondition(offset >= 0 && n >= 0 && offset + n <= used)
        if offset == 0 {
            chunk.start += n
        } else if offset + n == used {
            chunk.end -= n
        } else if offset * 2 < used - n {
            let head = unsafe chunk.p + chunk.start
            unsafe memmove(head + n, head, offset)
            chunk.start += n
        } else {
            let gap = unsafe chunk.p + (chunk.start + offset)
            unsafe memmove(gap, gap + n, used - offset - n)
            chunk.end -= n
        }
        // An end chunk that empties is gone soon; one in between would stay.
        if i > 0, i < chunkCount - 1, chunk.used < chunk.capacity / 4 { trim(i, &heap) }
    }

    /// Gives chunk `i` a block of the size that it needs.
    private mutating func trim(_ i: Int, _ heap: inout SlabAllocator) {
        let chunk = block(i)
        let fresh = makeChunk(chunk.used, &heap)
        unsafe copyBlock(from: chunk.p + chunk.start, to: fresh.p + fresh.start, chunk.used)
        fresh.end = fresh.start + chunk.used
        fresh.isPlain = chunk.isPlain
        free(chunk, &heap)
        unsafe addresses[i] = UInt(bitPattern: fresh.p)
    }

    // MARK: - Editing chunks

    /// Whether chunk `i`, if there is one, may take one more text of so many bytes.
    @inline(__always) func admits(_ textCount: Int, inChunk i: Int, _ limit: ListLimit) -> Bool {
        guard i >= 0, i < chunkCount else { return false }
        let chunk = stored(i)
        if chunk.isPlain { return false }
        return limit.admits(
            textCount: textCount, to: chunk.entryBytes, count: chunkElementCount(i))
    }

    /// Inserts `entry` at `offset` of chunk `i`, which admits it.
    @inline(__always) mutating func insert(
        _ entry: PackedEntry, inChunk i: Int, at offset: Int, _ limit: ListLimit,
        _ heap: inout SlabAllocator
    ) {
        let n = entry.count
        let gap = unsafe openGap(i, at: offset, n, upTo: limit.blockBytesMax, &heap)
        unsafe entry.encode(to: gap)
        addCount(1, toChunk: i)
    }

    /// Puts a new chunk with `entry` alone at position `i`.
    mutating func insertChunk(
        of entry: PackedEntry, at i: Int, _ limit: ListLimit, _ heap: inout SlabAllocator
    ) {
        let n = entry.count
        let isPlain = limit.isLarge(entry.textCount)
        // A small start, since many lists stay small; but none at all where one element is the
        // limit.
        let (whole, overflow) = n.multipliedReportingOverflow(by: limit.countHint)
        let chunk = makeChunk(isPlain || overflow ? n : max(n, min(whole, 1008)), &heap)
        unsafe entry.encode(to: chunk.p + Chunk.headerCount)
        chunk.end = Chunk.headerCount + n
        chunk.isPlain = isPlain
        insertChunk(chunk, count: 1, at: i, &heap)
        count += 1
    }

    /// Puts a new chunk with a copy of `run`, which are `count` entries, at the end.
    mutating func append(run: Bytes, count: Int, _ heap: inout SlabAllocator) {
        let chunk = makeChunk(run.count, &heap)
        unsafe run.copy(to: chunk.p + Chunk.headerCount)
        chunk.end = Chunk.headerCount + run.count
        insertChunk(chunk, count: count, at: chunkCount, &heap)
        self.count += count
    }

    /// Removes `n` bytes at `offset` of chunk `i` that are `elements` entries, and the chunk if
    /// nothing is left of it.
    mutating func remove(
        _ elements: Int, fromChunk i: Int, at offset: Int, bytes n: Int,
        _ heap: inout SlabAllocator
    ) {
        if chunkElementCount(i) == elements { return removeChunk(i, &heap) }
        addCount(-elements, toChunk: i)
        closeGap(i, at: offset, n, &heap)
    }

    /// Removes chunk `i` with its elements.
    mutating func removeWholeChunk(_ i: Int, _ heap: inout SlabAllocator) { removeChunk(i, &heap) }

    /// Makes two chunks of chunk `i`: the second begins at `offset`, which is neither end.
    mutating func splitChunk(_ i: Int, at offset: Int, _ heap: inout SlabAllocator) {
        let chunk = ownBlock(i, &heap)
        let packed = self.chunk(i)
        precondition(offset > 0 && offset < packed.end)
        var kept = 0, at = 0
        while at < offset {
            at = packed.next(at)
            kept += 1
        }
        let moved = chunkElementCount(i) - kept
        let fresh = makeChunk(chunk.used - offset, &heap)
        unsafe copyBlock(
            from: chunk.p + (chunk.start + offset), to: fresh.p + fresh.start,
            chunk.used - offset)
        fresh.end = fresh.start + chunk.used - offset
        chunk.end = chunk.start + offset
        unsafe counts[i] = UInt32(kept)
        insertChunk(fresh, count: moved, at: i + 1, &heap)
        trim(i, &heap)
    }

    /// Whether chunks `i` and `i + 1`, if there are both, fit into one.
    func admitsMerge(_ i: Int, _ limit: ListLimit) -> Bool {
        guard i >= 0, i + 1 < chunkCount else { return false }
        let a = stored(i), b = stored(i + 1)
        if a.isPlain || b.isPlain { return false }
        return !limit.isExceeded(
            bytes: a.entryBytes + b.entryBytes + ListLimit.frameCount,
            count: chunkElementCount(i) + chunkElementCount(i + 1))
    }

    /// Makes one chunk of chunks `i` and `i + 1`.
    mutating func mergeChunks(_ i: Int, _ heap: inout SlabAllocator) {
        let a = block(i), b = block(i + 1)
        let fresh = makeChunk(a.used + b.used, &heap)
        unsafe copyBlock(from: a.p + a.start, to: fresh.p + fresh.start, a.used)
        unsafe copyBlock(from: b.p + b.start, to: fresh.p + (fresh.start + a.used), b.used)
        fresh.end = fresh.start + a.used + b.used
        let moved = chunkElementCount(i + 1)
        removeChunk(i + 1, &heap)
        addCount(moved, toChunk: i)
        free(a, &heap)
        unsafe addresses[i] = UInt(bitPattern: fresh.p)
    }

    // MARK: - Compression

    /// What is known about chunks that were compressed.
    private struct Compression {
        /// Bytes of blocks that are malloc's, and how many of them the heap has counted.
        var outsideBytes = 0
        var countedBytes = 0
        /// Chunks that may have been expanded or moved since `compress` saw to them.
        var first = Int.max
        var last = -1

        mutating func note(_ i: Int) {
            first = min(first, max(i - 1, 0))
            last = max(last, i + 1)
        }
    }

    @unsafe private var compressionState: UnsafeMutablePointer<Compression>? {
        unsafe UnsafeMutablePointer(bitPattern: compression)  // S4
    }

    private var outsideBytes: Int { unsafe compressionState?.pointee.outsideBytes ?? 0 }

    private func noteShift(_ i: Int, by n: Int) {
        guard let state = unsafe compressionState else { return }
        if unsafe state.pointee.last >= i { unsafe state.pointee.last += n }
        unsafe state.pointee.note(i)
    }

    private mutating func freeCompression() {
        unsafe compressionState?.deallocate()
        compression = 0
    }

    private func freeOutside(_ chunk: Chunk) {
        unsafe compressionState?.pointee.outsideBytes -= chunk.capacity
        if chunk.isShared {
            chunk.isOrphan = true
            return
        }
        unsafe CPlatform.free(chunk.p)
    }

    /// Lets the heap know of blocks that are not its own.
    private mutating func settleOutside(_ heap: inout SlabAllocator) {
        guard let state = unsafe compressionState else { return }
        let bytes = unsafe state.pointee.outsideBytes
        heap.countOutside(bytes - (unsafe state.pointee.countedBytes))
        unsafe state.pointee.countedBytes = bytes
    }

    /// A block for `n` bytes behind the header that is malloc's; its bytes are counted.
    private func makeOutside(_ n: Int) -> Chunk {
        let bytes = SlabAllocator.roundUp(n + Chunk.headerCount)
        guard let block = unsafe malloc(bytes) else {
            preconditionFailure("out of memory: \(bytes) bytes for a list")
        }
        let chunk = unsafe Chunk(p: block)
        chunk.capacity = unsafe SlabAllocator.capacity(ofLarge: block)
        chunk.start = Chunk.headerCount
        chunk.end = Chunk.headerCount + n
        chunk.clearFlags()
        chunk.isOutside = true
        unsafe compressionState?.pointee.outsideBytes += chunk.capacity
        return chunk
    }

    /// Puts `fresh` in the place of chunk `i`, whose block stays the caller's.
    private func replace(_ i: Int, by fresh: Chunk) {
        unsafe addresses[checked(i)] = UInt(bitPattern: fresh.p)
    }

    /// Expands chunk `i`, which is compressed.
    @inline(never) private func expand(_ i: Int) -> Chunk {
        let chunk = stored(i)
        let n = chunk.entryBytes
        guard let entries = LZF.decompress(chunk.bytes.extracting(4...), count: n) else {
            preconditionFailure("a chunk that was compressed here cannot be expanded")
        }
        let fresh = makeOutside(n)
        unsafe entries.span.copy(to: fresh.p + fresh.start)
        fresh.isPlain = chunk.isPlain
        freeOutside(chunk)
        replace(i, by: fresh)
        unsafe compressionState?.pointee.note(i)
        return fresh
    }

    /// Compresses the chunks that are at least `depth` chunks away from both ends, as far as they
    /// may have changed since this was done last.
    mutating func compress(depth: Int, _ heap: inout SlabAllocator) {
        if compression == 0 {
            guard depth > 0, chunkCount > 2 * depth else { return }
            let state = UnsafeMutablePointer<Compression>.allocate(capacity: 1)
            // All of them are new.
            unsafe state.initialize(to: Compression(first: 0, last: chunkCount))
            compression = UInt(bitPattern: state)
        }
        guard let state = unsafe compressionState else { return }
        let end = chunkCount - depth
        if depth > 0, depth < end {
            compressOne(depth, &heap)
            compressOne(end - 1, &heap)
            let first = unsafe max(state.pointee.first, depth)
            let last = unsafe min(state.pointee.last, end - 1)
            if first <= last { for i in first...last { compressOne(i, &heap) } }
        }
        unsafe state.pointee.first = .max
        unsafe state.pointee.last = -1
        settleOutside(&heap)
    }

    /// Fewer bytes are not worth compressing, nor is gaining less than the second number.
    private static var compressedBytesMin: Int { 48 }
    private static var gainMin: Int { 8 }

    private mutating func compressOne(_ i: Int, _ heap: inout SlabAllocator) {
        let chunk = stored(i)
        guard !chunk.isCompressed, !chunk.isDense, chunk.used >= Self.compressedBytesMin else {
            return
        }
        guard let small = LZF.compress(chunk.bytes, atMost: chunk.used - Self.gainMin) else {
            chunk.isDense = true
            return
        }
        let fresh = makeOutside(small.count + 4)
        let n = UInt32(chunk.used)
        unsafe fresh.p.storeBytes(of: n, toByteOffset: fresh.start, as: UInt32.self)
        unsafe small.span.copy(to: fresh.p + (fresh.start + 4))
        fresh.isCompressed = true
        fresh.isPlain = chunk.isPlain
        free(chunk, &heap)
        replace(i, by: fresh)
    }

    /// Compressed chunks.
    var compressedCount: Int {
        compression == 0 ? 0 : (0..<chunkCount).reduce(0) { $0 + (stored($1).isCompressed ? 1 : 0) }
    }

    // MARK: - Snapshots

    /// The chunks as they are now, which stay so until each is handed to `release`.
    func freeze() -> FrozenChunks {
        var frozen = FrozenChunks()
        frozen.reserve(chunkCount)
        for i in 0..<chunkCount {
            let chunk = stored(i)
            chunk.isShared = true
            frozen.append(UInt(bitPattern: unsafe chunk.p), count: chunkElementCount(i))
        }
        return frozen
    }

    /// Calls `body` with the entries of a chunk that was frozen, and whether it is plain.
    static func read(_ address: UInt, _ body: (Packed, Bool) -> Void) {
        // S2: frozen chunks are not freed.
        let chunk = unsafe Chunk(
            p: UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped)
        guard chunk.isCompressed else { return body(Packed(entries: chunk.bytes), chunk.isPlain) }
        guard
            let entries = LZF.decompress(
                chunk.bytes.extracting(4...), count: chunk.entryBytes)
        else { preconditionFailure("a chunk that was compressed here cannot be expanded") }
        body(Packed(entries: entries.span), chunk.isPlain)
    }

    /// The snapshot has read a chunk, which is free to change again, or gone.
    static func release(_ address: UInt, _ heap: inout SlabAllocator) {
        // S2
        let chunk = unsafe Chunk(
            p: UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped)
        chunk.isShared = false
        guard chunk.isOrphan else { return }
        if chunk.isOutside {
            unsafe CPlatform.free(chunk.p)
        } else {
            unsafe heap.free(chunk.p, chunk.capacity)
        }
    }

    // MARK: - As an object

    /// A chunk is one block, whatever it holds, so that many go at a time.
    mutating func freeSome(_ budget: Int, _ heap: inout SlabAllocator) -> Bool {
        var freed = 0
        while chunkCount > 0 {
            if freed == budget { return false }
            removeChunk(chunkCount - 1, &heap)
            freed += 1
        }
        freeDirectory(&heap)
        settleOutside(&heap)
        freeCompression()
        return true
    }

    mutating func freeDetached() {
        for i in 0..<chunkCount {
            let chunk = stored(i)
            guard chunk.isOutside || chunk.capacity > SlabAllocator.blockBytesMax else { continue }
            unsafe CPlatform.free(chunk.p)
        }
        freeCompression()
        if Self.directoryBytes(capacity) > SlabAllocator.blockBytesMax {
            unsafe CPlatform.free(UnsafeMutableRawPointer(bitPattern: directory))
        }
    }

    func copied(_ heap: inout SlabAllocator, seed: HashSeed) -> ChunkedList {
        var copy = ChunkedList()
        for i in 0..<chunkCount {
            let chunk = block(i)
            let fresh = copy.makeChunk(chunk.used, &heap)
            unsafe copyBlock(from: chunk.p + chunk.start, to: fresh.p + fresh.start, chunk.used)
            fresh.end = fresh.start + chunk.used
            fresh.isPlain = chunk.isPlain
            copy.insertChunk(fresh, count: chunkElementCount(i), at: i, &heap)
            copy.count += chunkElementCount(i)
        }
        return copy
    }
}
