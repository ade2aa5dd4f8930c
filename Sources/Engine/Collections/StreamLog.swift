//  StreamLog.swift — a stream: blocks of entries in order of their IDs, and consumer groups.
//
//      blocks: IDTree  ──►  StreamBlock, StreamBlock, …, the tail       groups: NameTable
//
//  Entries are added to the tail, which is remembered apart, so that adding looks nothing up. Everybody
//  else finds the block that an ID belongs to in the tree and walks over it; a block holds about a
//  hundred entries.

struct StreamLog: ~Copyable, CollectionObject {
    /// Addresses of blocks under the IDs of their first entries.
    private var blocks = IDTree()
    /// Address of the last block, 0 for none.
    private var tail: UInt = 0
    /// Entries.
    private(set) var count = 0
    /// Bytes of the blocks.
    private var blockBytes = 0
    /// The ID of the first entry; zero when there is none.
    private(set) var firstID = StreamID.zero
    /// The highest ID so far.
    var lastID = StreamID.zero
    /// The highest ID that was deleted by name.
    var maxDeletedID = StreamID.zero
    /// Entries that were ever added.
    var entriesAdded: UInt64 = 0
    private var groups = NameTable()
    /// The snapshot that is about to write the stream.
    var opened: OpenCollection?

    init() {}

    /// A stream of nothing but a group that belongs to no other any more.
    init(of group: StreamGroup, _ heap: inout SlabAllocator) {
        groups.insert(group.address, at: 0, &heap)
    }

    var byteCount: Int {
        var bytes =
            MemoryLayout<StreamLog>.stride + blocks.nodeBytes + blockBytes + groups.byteCount
        for i in 0..<groupCount { bytes += group(at: i).byteCount }
        return bytes
    }

    var blockCount: Int { blocks.count }
    /// Nodes of the tree, for curious clients.
    var nodeCount: Int { blocks.nodeBytes / 1024 + 1 }

    // MARK: - Adding

    /// Adds an entry, whose ID is above `lastID`.
    @inline(__always) mutating func append(
        _ id: StreamID, _ draft: borrowing StreamDraft, textBytes: Int, _ limit: StreamLimit,
        _ heap: inout SlabAllocator, beginsBlock: Bool = false
    ) {
        let need = StreamBlock.roomFor(draft)
        if tail != 0, !beginsBlock {
            let block = StreamBlock(tail)
            if !block.isFull(textBytes, limit) {
                if block.isShared || !block.hasRoom(need) { growTail(need, limit, &heap) }
                StreamBlock(tail).append(id, draft)
            } else {
                beginBlock(id, draft, need, &heap)
            }
        } else {
            beginBlock(id, draft, need, &heap)
        }
        if count == 0 { firstID = id }
        count &+= 1
        lastID = id
        entriesAdded &+= 1
    }

    @inline(never) private mutating func beginBlock(
        _ id: StreamID, _ draft: borrowing StreamDraft, _ need: Int, _ heap: inout SlabAllocator
    ) {
        if tail != 0 { fit(StreamBlock(tail), &heap) }
        let block = StreamBlock.make(id, draft, room: need, &heap)
        blockBytes += block.capacity
        _ = blocks.insert(id, block.address, &heap)
        tail = block.address
        block.append(id, draft)
    }

    /// Gives the tail room for `need` bytes more: twice as much as it had, as long as that is less
    /// than a whole block.
    @inline(never) private mutating func growTail(
        _ need: Int, _ limit: StreamLimit, _ heap: inout SlabAllocator
    ) {
        let block = StreamBlock(tail)
        let wanted = min(
            block.capacity * 2, max(min(limit.bytes, 64 << 10), block.capacity * 5 / 4))
        replace(block, room: max(wanted, block.used + need), &heap)
    }

    /// Puts a copy in the place of a block.
    @discardableResult
    private mutating func replace(
        _ block: StreamBlock, room: Int, _ heap: inout SlabAllocator
    ) -> StreamBlock {
        let fresh = block.copied(room: room, &heap)
        blockBytes += fresh.capacity - block.capacity
        if block.address == tail { tail = fresh.address }
        blocks.replace(block.id, by: fresh.address)
        block.free(&heap)
        return fresh
    }

    /// Gives back what a block that will not grow has too much.
    private mutating func fit(_ block: StreamBlock, _ heap: inout SlabAllocator) {
        guard !block.isShared, block.capacity - block.used >= 16 else { return }
        replace(block, room: block.used, &heap)
    }

    // MARK: - Reading

    /// The block that `id` belongs to, or the first one behind it.
    @inline(__always) private func block(from id: StreamID) -> StreamBlock? {
        if tail == 0 { return nil }
        // Readers are mostly near the end.
        let last = StreamBlock(tail)
        if last.id <= id { return last.last < id ? nil : last }
        return (blocks.floor(id) ?? blocks.first).map { StreamBlock($0.value) }
    }

    /// Calls `body` with the entries from `low` to `high` until it returns false.
    @inline(__always) func forEach(
        from low: StreamID, through high: StreamID, _ body: (StreamEntry) -> Bool
    ) {
        guard low <= high, var block = block(from: low) else { return }
        var at = block.offset(of: low)
        while true {
            let end = block.end
            while at < end {
                let entry = block.take(&at)
                if entry.id > high || !body(entry) { return }
            }
            if block.address == tail { return }
            guard let next = blocks.next(behind: block.id) else { return }
            block = StreamBlock(next.value)
            at = block.start
        }
    }

    /// The same from `high` down to `low`.
    func forEachBackwards(
        from low: StreamID, through high: StreamID, _ body: (StreamEntry) -> Bool
    ) {
        var border: StreamID? = high
        while let top = border, top >= low, let found = blocks.floor(top) {
            let block = StreamBlock(found.value)
            for offset in block.offsets(from: low, through: high).reversed() {
                var at = offset
                if !body(block.take(&at)) { return }
            }
            border = found.id.previous
        }
    }

    /// Calls `body` with the entry called `id`, if there is one.
    func with(_ id: StreamID, _ body: (StreamEntry) -> Void) -> Bool {
        guard let (block, offset) = place(of: id) else { return false }
        var at = offset
        body(block.take(&at))
        return true
    }

    func contains(_ id: StreamID) -> Bool { place(of: id) != nil }

    private func place(of id: StreamID) -> (block: StreamBlock, offset: Int)? {
        guard tail != 0, id >= firstID, id <= lastID, let found = blocks.floor(id) else {
            return nil
        }
        let block = StreamBlock(found.value)
        let offset = block.offset(of: id)
        guard offset < block.end, block.look(offset).id == id else { return nil }
        return (block, offset)
    }

    /// The ID of the last entry; nil when there is none.
    var lastEntryID: StreamID? {
        guard tail != 0 else { return nil }
        let block = StreamBlock(tail)
        if block.removedCount == 0 { return block.last }
        var at = block.start, last: StreamID?
        while at < block.end {
            let (id, next) = block.look(at)
            last = id
            at = next
        }
        return last
    }

    // MARK: - Removing

    /// Removes the entry called `id`; false when there is none.
    mutating func remove(_ id: StreamID, _ heap: inout SlabAllocator) -> Bool {
        guard let (block, offset) = place(of: id) else { return false }
        remove(1, block, offset..<block.look(offset).next, &heap)
        if id == firstID { findFirst() }
        return true
    }

    /// Removes `n` entries, the bytes `range` of a block.
    private mutating func remove(
        _ n: Int, _ block: StreamBlock, _ range: Range<Int>, _ heap: inout SlabAllocator
    ) {
        if n == block.count { return removeBlock(block, &heap) }
        var block = block
        if block.isShared { block = replace(block, room: block.used, &heap) }
        block.remove(n, range)
        count -= n
        // A block that is not the last grows no more.
        if block.address != tail, block.capacity > 128, block.used < block.capacity / 2 {
            fit(block, &heap)
        }
    }

    private mutating func removeBlock(_ block: StreamBlock, _ heap: inout SlabAllocator) {
        count -= block.count
        blockBytes -= block.capacity
        blocks.remove(block.id, &heap)
        if block.address == tail { tail = blocks.last?.value ?? 0 }
        block.free(&heap)
    }

    private mutating func findFirst() {
        guard let first = blocks.first else {
            firstID = .zero
            return
        }
        let block = StreamBlock(first.value)
        firstID = block.look(block.start).id
    }

    /// Removes entries from the front as `trim` asks; returns how many.
    mutating func trim(_ trim: StreamTrim, _ heap: inout SlabAllocator) -> Int {
        var removed = 0
        var next = blocks.first
        while let found = next {
            if !trim.wants(more: count) { break }
            let block = StreamBlock(found.value)
            let entries = block.count
            if trim.limit > 0, removed + entries > trim.limit { break }
            let isWhole = trim.takesWhole(block, of: count)
            if isWhole, trim.references == .kept {
                removeBlock(block, &heap)
                removed += entries
            } else {
                // Redis removes whole blocks only where it need not look at the entries.
                if trim.isApproximate { break }
                removed += self.trim(inside: block, trim, isWhole, &heap)
                if !isWhole, trim.references != .acknowledged || !trim.isCount { break }
            }
            next = blocks.next(behind: found.id)
        }
        if removed > 0 { findFirst() }
        return removed
    }

    /// Removes entries of one block; returns how many.
    private mutating func trim(
        inside block: StreamBlock, _ trim: StreamTrim, _ isWhole: Bool,
        _ heap: inout SlabAllocator
    ) -> Int {
        var block = block
        var at = block.start, n = 0
        var left = block.count
        while left > 0 {
            let (id, next) = block.look(at)
            if !isWhole, !trim.wants(more: count) || !trim.reaches(id) { break }
            left -= 1
            if trim.references == .acknowledged, isReferenced(id) {
                at = next
                continue
            }
            if trim.references == .deleted { removeReferences(id, &heap) }
            let key = block.id
            remove(1, block, at..<next, &heap)
            n += 1
            guard left > 0, let moved = blocks.value(of: key) else { break }
            block = StreamBlock(moved)
        }
        return n
    }

    // MARK: - Groups

    var groupCount: Int { groups.count }

    func group(at i: Int) -> StreamGroup { StreamGroup(groups[i]) }

    @inline(__always) func group(_ name: Bytes) -> StreamGroup? {
        let (i, isThere) = groups.find(name, StreamGroup.nameOffset)
        return isThere ? group(at: i) : nil
    }

    /// A new group; nil when there is one of that name.
    mutating func makeGroup(
        _ name: Bytes, last: StreamID, entriesRead: Int64, _ heap: inout SlabAllocator
    ) -> StreamGroup? {
        let (i, isThere) = groups.find(name, StreamGroup.nameOffset)
        if isThere { return nil }
        let group = StreamGroup.make(name, last: last, entriesRead: entriesRead, &heap)
        groups.insert(group.address, at: i, &heap)
        return group
    }

    /// Takes the group called `name` out of the stream, for `Database.discard`.
    mutating func takeGroup(_ name: Bytes, _ heap: inout SlabAllocator) -> StreamGroup? {
        let (i, isThere) = groups.find(name, StreamGroup.nameOffset)
        guard isThere else { return nil }
        let group = group(at: i)
        groups.remove(at: i, &heap)
        return group
    }

    /// Groups, their consumers, and what is pending with them.
    var groupElementCount: Int {
        var n = groupCount
        for i in 0..<groupCount {
            let group = group(at: i)
            n += group.consumerCount + group.state.pending.count
        }
        return n
    }

    /// Whether some consumer's times of asking and getting differ.
    var isUneven: Bool {
        for i in 0..<groupCount where group(at: i).state.unevenCount > 0 { return true }
        return false
    }

    /// Whether some group has yet to read the entry called `id`, or to acknowledge it.
    func isReferenced(_ id: StreamID) -> Bool {
        for i in 0..<groupCount {
            let group = group(at: i)
            if id > group.state.last || group.state.pending.value(of: id) != nil { return true }
        }
        return false
    }

    /// Makes the entry called `id` pending nowhere.
    mutating func removeReferences(_ id: StreamID, _ heap: inout SlabAllocator) {
        for i in 0..<groupCount { _ = group(at: i).acknowledge(id, &heap) }
    }

    // MARK: - Counting

    /// Whether an entry from `id` on was deleted by name.
    func hasDeleted(from id: StreamID) -> Bool {
        if count == 0 || maxDeletedID == .zero || firstID > maxDeletedID { return false }
        return id <= maxDeletedID
    }

    /// How many entries were added up to `id`; nil when nobody can know.
    func entriesAdded(upTo id: StreamID) -> Int64? {
        let added = Int64(bitPattern: entriesAdded)
        if added == 0 { return 0 }
        if count == 0, id <= lastID { return added }
        if id == lastID { return added }
        if id > lastID { return nil }
        guard maxDeletedID == .zero || maxDeletedID < firstID else { return nil }
        if id < firstID { return added &- Int64(count) }
        if id == firstID { return added &- Int64(count) &+ 1 }
        return nil
    }

    /// Entries that `group` has yet to read; nil when nobody can know.
    func lag(of group: StreamGroup) -> Int64? {
        let added = Int64(bitPattern: entriesAdded)
        if added == 0 || count == 0 { return 0 }
        let last = group.state.last
        if last < firstID, maxDeletedID < firstID { return Int64(count) }
        let read = group.state.entriesRead
        if read != -1, !hasDeleted(from: last) { return added &- read }
        return entriesAdded(upTo: last).map { added &- $0 }
    }

    /// The group goes on to an entry that was just read, whose ID is above its last.
    @inline(__always) func advance(_ group: StreamGroup, to id: StreamID) {
        let last = group.state.last
        if group.state.entriesRead != -1, last >= firstID, !hasDeleted(from: last) {
            group.state.entriesRead &+= 1
        } else if entriesAdded != 0 {
            group.state.entriesRead = entriesAdded(upTo: id) ?? -1
        }
        group.state.last = id
    }

    // MARK: - Snapshots

    /// The blocks as they are now, which stay so until each is released.
    func freeze() -> FrozenChunks {
        var frozen = FrozenChunks()
        frozen.reserve(blocks.count)
        blocks.forEach { _, address in
            let block = StreamBlock(address)
            block.isShared = true
            frozen.append(address, count: block.count)
            return true
        }
        return frozen
    }

    /// The groups as they are now.
    func freezeGroups(_ heap: inout SlabAllocator) -> [FrozenGroup] {
        var frozen: [FrozenGroup] = []
        for i in 0..<groupCount { frozen.append(FrozenGroup(group(at: i), &heap)) }
        return frozen
    }

    /// Calls `body` with all blocks in order.
    func forEachBlock(_ body: (StreamBlock) -> Void) {
        blocks.forEach { _, address in
            body(StreamBlock(address))
            return true
        }
    }

    // MARK: - As an object

    /// A block is one piece of memory, whatever it holds, so that many go at a time.
    mutating func freeSome(_ budget: Int, _ heap: inout SlabAllocator) -> Bool {
        var left = budget
        while blocks.count > 0 {
            if left <= 0 { return false }
            left -= 42
            _ = blocks.removeFirstLeaf(&heap) { StreamBlock($0).free(&$1) }
        }
        tail = 0
        count = 0
        while groupCount > 0 {
            if left <= 0 { return false }
            guard group(at: groupCount - 1).freeSome(left, &heap) else { return false }
            left -= 42
            groups.remove(at: groupCount - 1, &heap)
        }
        return true
    }

    mutating func freeDetached() {
        blocks.forEach { _, address in
            StreamBlock(address).freeDetached()
            return true
        }
        for i in 0..<groupCount { group(at: i).freeDetached() }
        groups.freeDetached()
    }

    func copied(_ heap: inout SlabAllocator, seed: HashSeed) -> StreamLog {
        var copy = StreamLog()
        blocks.forEach { id, address in
            let block = StreamBlock(address)
            let fresh = block.copied(room: block.used, &heap)
            _ = copy.blocks.insert(id, fresh.address, &heap)
            copy.blockBytes += fresh.capacity
            copy.tail = fresh.address
            return true
        }
        copy.count = count
        copy.firstID = firstID
        copy.lastID = lastID
        copy.maxDeletedID = maxDeletedID
        copy.entriesAdded = entriesAdded
        for i in 0..<groupCount {
            let group = group(at: i).copied(&heap)
            copy.groups.insert(group.address, at: i, &heap)
        }
        return copy
    }
}

/// Which entries are removed from the front of a stream.
struct StreamTrim {
    enum Border: Equatable {
        /// Above so many.
        case count(Int)
        /// Below this one.
        case id(StreamID)
    }

    let border: Border
    /// Only whole blocks.
    var isApproximate = false
    /// At most so many, if not 0.
    var limit = 0
    var references = StreamReferences.kept

    @inline(__always) fileprivate func wants(more count: Int) -> Bool {
        if case .count(let max) = border { return count > max }
        return true
    }

    fileprivate func reaches(_ id: StreamID) -> Bool {
        if case .id(let min) = border { return id < min }
        return true
    }

    fileprivate var isCount: Bool {
        if case .count = border { true } else { false }
    }

    /// Whether all entries of `block`, the first of a stream of `count`, are to go.
    fileprivate func takesWhole(_ block: StreamBlock, of count: Int) -> Bool {
        switch border {
        case .count(let max): count - block.count >= max
        case .id(let min): block.last < min
        }
    }
}

/// What becomes of pending entries whose entry is removed.
enum StreamReferences {
    /// They stay.
    case kept
    /// They go too.
    case deleted
    /// Only entries that no group needs any more are removed.
    case acknowledged
}
