//  ChunkedList+Editing.swift — elements in and out of a large list: which chunk takes them.
//
//  When chunks split and merge is Redis's rule, which clients can see in OBJECT ENCODING: an element
//  that fits neither its chunk nor the neighbour at hand splits the chunk, and what a split left
//  small merges with what stands beside it. Removing elements merges nothing.

extension ChunkedList {
    // MARK: - Ends

    /// Adds an element at an end.
    @inline(__always) mutating func push(
        _ entry: PackedEntry, at end: ListEnd, _ limit: ListLimit, _ heap: inout SlabAllocator
    ) {
        let i = end == .head ? 0 : chunkCount &- 1
        guard admits(entry.textCount, inChunk: i, limit) else {
            return insertChunk(of: entry, at: end == .head ? 0 : chunkCount, limit, &heap)
        }
        insert(entry, inChunk: i, at: end == .head ? 0 : chunk(i).end, limit, &heap)
    }

    /// Where the first or last element of a list that is not empty is.
    @inline(__always) func position(of end: ListEnd) -> ListPosition {
        if end == .head { return ListPosition(chunk: 0, offset: 0) }
        let packed = chunk(chunkCount &- 1)
        return ListPosition(chunk: chunkCount &- 1, offset: packed.previous(packed.end))
    }

    /// Removes `n` elements at an end; the list has as many.
    mutating func drop(_ n: Int, from end: ListEnd, _ heap: inout SlabAllocator) {
        precondition(n >= 0 && n <= count)
        var left = n
        while left > 0 {
            let i = end == .head ? 0 : chunkCount - 1
            let have = chunkElementCount(i)
            if have <= left {
                left -= have
                removeWholeChunk(i, &heap)
                continue
            }
            let packed = chunk(i)
            if end == .head {
                remove(left, fromChunk: i, at: 0, bytes: packed.next(0, by: left), &heap)
            } else {
                var offset = packed.end
                for _ in 0..<left { offset = packed.previous(offset) }
                remove(left, fromChunk: i, at: offset, bytes: packed.end - offset, &heap)
            }
            left = 0
        }
    }

    // MARK: - Anywhere

    /// Where element `index` is; the caller has checked that there is one.
    func position(at index: Int) -> ListPosition {
        let (i, k) = locate(index)
        let packed = chunk(i), n = chunkElementCount(i)
        return ListPosition(chunk: i, offset: packed.offset(at: k * 2 <= n ? k : k - n))
    }

    /// Removes the element at `position`.
    mutating func remove(_ position: ListPosition, _ heap: inout SlabAllocator) {
        let bytes = chunk(position.chunk).next(position.offset) - position.offset
        remove(1, fromChunk: position.chunk, at: position.offset, bytes: bytes, &heap)
    }

    /// Adds an element beside the one at `position`.
    mutating func insert(
        _ entry: PackedEntry, behind isBehind: Bool, _ position: ListPosition, _ limit: ListLimit,
        _ heap: inout SlabAllocator
    ) {
        let i = position.chunk
        let packed = chunk(i)
        let offset = isBehind ? packed.next(position.offset) : position.offset
        let isAtEnd = isBehind ? offset == packed.end : offset == 0
        if limit.isLarge(entry.textCount) {
            if !isAtEnd { splitChunk(i, at: offset, &heap) }
            let isFirst = isAtEnd && !isBehind
            return insertChunk(of: entry, at: isFirst ? i : i + 1, limit, &heap)
        }
        if admits(entry.textCount, inChunk: i, limit) {
            return insert(entry, inChunk: i, at: offset, limit, &heap)
        }
        guard isAtEnd else {
            return insertBySplitting(entry, behind: isBehind, i, at: offset, limit, &heap)
        }
        let neighbour = isBehind ? i + 1 : i - 1
        if admits(entry.textCount, inChunk: neighbour, limit) {
            let at = isBehind ? 0 : chunk(neighbour).end
            return insert(entry, inChunk: neighbour, at: at, limit, &heap)
        }
        insertChunk(of: entry, at: isBehind ? i + 1 : i, limit, &heap)
    }

    private mutating func insertBySplitting(
        _ entry: PackedEntry, behind isBehind: Bool, _ i: Int, at offset: Int, _ limit: ListLimit,
        _ heap: inout SlabAllocator
    ) {
        splitChunk(i, at: offset, &heap)
        if isBehind {
            insert(entry, inChunk: i + 1, at: 0, limit, &heap)
            mergeAround(i, limit, &heap)
        } else {
            insert(entry, inChunk: i, at: chunk(i).end, limit, &heap)
            mergeAround(i + 1, limit, &heap)
        }
    }

    /// Merges what stands around chunk `i` where two fit into one: the two chunks in front of it,
    /// the two behind it, then the chunk itself with what is left at its sides.
    private mutating func mergeAround(
        _ i: Int, _ limit: ListLimit, _ heap: inout SlabAllocator
    ) {
        var i = i
        if admitsMerge(i - 2, limit) {
            mergeChunks(i - 2, &heap)
            i -= 1
        }
        if admitsMerge(i + 1, limit) { mergeChunks(i + 1, &heap) }
        if admitsMerge(i - 1, limit) {
            mergeChunks(i - 1, &heap)
            i -= 1
        }
        if admitsMerge(i, limit) { mergeChunks(i, &heap) }
    }

    /// Puts `entry` in the place of the element at `position`.
    mutating func replace(
        _ position: ListPosition, by entry: PackedEntry, _ limit: ListLimit,
        _ heap: inout SlabAllocator
    ) {
        let i = position.chunk, offset = position.offset
        let packed = chunk(i)
        let length = packed.next(offset) - offset
        let isLarge = limit.isLarge(entry.textCount)
        if isPlain(i) {
            // The new one goes where it would go behind the old one.
            if isLarge {
                insertChunk(of: entry, at: i + 1, limit, &heap)
            } else {
                insert(entry, behind: true, position, limit, &heap)
            }
            return removeWholeChunk(i, &heap)
        }
        if !isLarge {
            // However large the chunk becomes.
            return exchange(i, offset, length, entry, limit, &heap)
        }
        if offset + length < packed.end { splitChunk(i, at: offset + length, &heap) }
        insertChunk(of: entry, at: i + 1, limit, &heap)
        let isWhole = chunkElementCount(i) == 1
        remove(1, fromChunk: i, at: offset, bytes: length, &heap)
        if !isWhole { mergeAround(i + 1, limit, &heap) }
    }

    private mutating func exchange(
        _ i: Int, _ offset: Int, _ length: Int, _ entry: PackedEntry, _ limit: ListLimit,
        _ heap: inout SlabAllocator
    ) {
        insert(entry, inChunk: i, at: offset + length, limit, &heap)
        remove(1, fromChunk: i, at: offset, bytes: length, &heap)
    }

    /// Bytes of all entries as Redis counts them: with the frame of a listpack around each chunk,
    /// plain ones as text.
    var contentBytes: Int {
        var sum = 0
        for i in 0..<chunkCount {
            sum += isPlain(i) ? chunk(i)[0].count : chunkByteCount(i) + ListLimit.frameCount
        }
        return sum
    }
}
