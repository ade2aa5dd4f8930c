//  Call+Lists.swift — the verbs for lists: elements in and out, in either encoding.
//
//  A list grows out of its small encoding before elements are added, by the estimate that Redis
//  makes, and back into it after elements went away.

extension Call {
    var listLimit: ListLimit {
        @inline(__always) get { ListLimit(configuration.listMaxListpackSize) }
    }

    // MARK: - Encoding

    /// Makes the small list at `place` a large one if it will be too large with `count` more
    /// elements, which have `bytes` bytes as text.
    @inline(__always) mutating func growList(
        _ key: borrowing Key, _ place: HashTable.Place, by bytes: Int, count: Int
    ) {
        let record = place.record
        guard record.kind == .packedList else { return }
        let size = record.valueCount &- Packed.headerCount &+ ListLimit.frameCount
        let elements = record.packed.count &+ count
        if listLimit.isExceeded(bytes: size &+ bytes, count: elements)
            || elements > Packed.entriesMax
        {
            makeLarge(key, place)
        }
    }

    @inline(never) private mutating func makeLarge(
        _ key: borrowing Key, _ place: HashTable.Place
    ) {
        let record = place.record
        let entries = record.bytes.extracting(Packed.headerCount...)
        let list = ChunkedList(entries: entries, count: record.packed.count, &database.heap)
        database.convert(key, at: place, to: .list, list)
    }

    /// Makes the large list at `place`, which is not empty, a small one if one chunk of it is left
    /// and that is not half full.
    @inline(__always) mutating func shrinkList(
        _ key: borrowing Key, _ place: HashTable.Place
    ) {
        let record = place.record
        guard record.kind == .list, record.list.chunkCount == 1 else { return }
        makeSmall(key, place)
    }

    @inline(never) private mutating func makeSmall(
        _ key: borrowing Key, _ place: HashTable.Place
    ) {
        let record = place.record
        let bytes = record.list.chunk(0).bytes.count, count = record.list.count
        if record.list.isPlain(0) || count > Packed.entriesMax
            || !listLimit.isSmallAgain(entryBytes: bytes, count: count)
        {
            return
        }
        // The chunk goes with the object.
        let entries = record.list.chunk(0).bytes.array
        let small = database.make(
            key, at: place, .packedList, valueCount: Packed.headerCount + bytes, .keep,
            clock: record.accessClock)
        small.write(entries.span, at: Packed.headerCount)
        small.setPackedCount(count)
    }

    // MARK: - Adding

    /// Adds the words from `first` on at an end of the list `key`, which is at `place` or does not
    /// exist; tells nobody.
    ///
    /// Returns the number of elements.
    @inline(__always) mutating func push(
        _ args: borrowing Arguments, from first: Int, at end: ListEnd, _ key: borrowing Key,
        _ place: HashTable.Place?
    ) -> Int {
        var text = 0
        for i in first..<args.count { text &+= args[i].count }
        let count = args.count &- first
        guard let place else { return pushFirst(args, from: first, text, at: end, key) }
        growList(key, place, by: text, count: count)
        guard place.record.kind == .list else {
            return pushPacked(args, from: first, at: end, place)
        }
        let limit = listLimit
        for i in first..<args.count {
            place.record.list.push(PackedEntry(args[i]), at: end, limit, &database.heap)
        }
        return place.record.list.count
    }

    /// The same where the key does not exist.
    @inline(never) private mutating func pushFirst(
        _ args: borrowing Arguments, from first: Int, _ text: Int, at end: ListEnd,
        _ key: borrowing Key
    ) -> Int {
        let count = args.count - first
        if listLimit.isExceeded(bytes: text + ListLimit.frameCount, count: count)
            || count > Packed.entriesMax
        {
            let place = makePacked(key, .packedList)
            return push(args, from: first, at: end, key, place)
        }
        var bytes = 0
        for i in first..<args.count { bytes &+= PackedEntry(args[i]).count }
        let record = database.make(
            key, at: nil, .packedList, valueCount: Packed.headerCount + bytes, .none,
            clock: clock)
        Self.write(args, from: first, at: end, record, Packed.headerCount)
        record.setPackedCount(count)
        return count
    }

    private mutating func pushPacked(
        _ args: borrowing Arguments, from first: Int, at end: ListEnd, _ place: HashTable.Place
    ) -> Int {
        var bytes = 0
        for i in first..<args.count { bytes &+= PackedEntry(args[i]).count }
        let count = place.record.packed.count &+ args.count &- first
        let offset = end == .head ? Packed.headerCount : place.record.valueCount
        let record = database.splice(place, at: offset, removing: 0, inserting: bytes)
        Self.write(args, from: first, at: end, record, offset)
        record.setPackedCount(count)
        return count
    }

    /// Writes entries into the gap at `offset`; what is pushed at the head last comes first.
    @inline(__always) private static func write(
        _ args: borrowing Arguments, from first: Int, at end: ListEnd, _ record: Record,
        _ offset: Int
    ) {
        var at = offset
        for k in first..<args.count {
            let i = end == .tail ? k : args.count &- 1 &- k &+ first
            let entry = PackedEntry(args[i])
            record.write(entry, at: at)
            at &+= entry.count
        }
    }

    /// Adds one element at an end of the list `key`, which is at `place` or does not exist; tells
    /// nobody.
    ///
    /// The element must not lie in this very list.
    mutating func push(
        _ element: StringView, at end: ListEnd, _ key: borrowing Key, _ place: HashTable.Place?
    ) {
        let place = place ?? makePacked(key, .packedList)
        // Redis counts the text of what it holds as text only.
        growList(key, place, by: element.form == .integer ? 0 : element.bytes.count, count: 1)
        let entry = PackedEntry(element)
        if place.record.kind == .list {
            return place.record.list.push(entry, at: end, listLimit, &database.heap)
        }
        let offset = end == .head ? Packed.headerCount : place.record.valueCount
        insert(entry, at: offset, of: place)
        place.record.setPackedCount(place.record.packed.count + 1)
    }

    /// Adds an element beside the one at `position`; the list has grown for it already.
    mutating func insertElement(
        _ entry: PackedEntry, behind isBehind: Bool, _ position: ListPosition,
        _ place: HashTable.Place
    ) {
        if place.record.kind == .list {
            return place.record.list.insert(
                entry, behind: isBehind, position, listLimit, &database.heap)
        }
        let packed = place.record.packed
        let offset = isBehind ? packed.next(position.offset) : position.offset
        let count = packed.count
        insert(entry, at: offset, of: place)
        place.record.setPackedCount(count + 1)
    }

    /// Puts `entry` in the place of the element at `position`; the list has grown for it already.
    mutating func replaceElement(
        _ position: ListPosition, by entry: PackedEntry, _ place: HashTable.Place
    ) {
        if place.record.kind == .list {
            return place.record.list.replace(position, by: entry, listLimit, &database.heap)
        }
        let packed = place.record.packed
        let length = packed.next(position.offset) - position.offset
        replace(length, at: position.offset, of: place, by: entry)
    }

    // MARK: - Removing

    /// Removes the element at `position`; the encoding stays and the key too.
    mutating func removeElement(_ position: ListPosition, _ place: HashTable.Place) {
        if place.record.kind == .list {
            return place.record.list.remove(position, &database.heap)
        }
        let packed = place.record.packed
        let length = packed.next(position.offset) - position.offset
        let count = packed.count
        cut(length, at: position.offset, of: place)
        place.record.setPackedCount(count - 1)
    }

    /// Removes `n` elements at an end; the encoding stays and the key too.
    mutating func dropElements(_ n: Int, from end: ListEnd, _ place: HashTable.Place) {
        if n == 0 { return }
        if place.record.kind == .list {
            return place.record.list.drop(n, from: end, &database.heap)
        }
        let packed = place.record.packed
        let count = packed.count
        precondition(n <= count)
        let border = packed.offset(at: end == .head ? n : -n)
        if end == .head {
            cut(border - packed.start, at: packed.start, of: place)
        } else {
            cut(packed.end - border, at: border, of: place)
        }
        place.record.setPackedCount(count - n)
    }

    /// Removes `n` elements at an end of the list `key` and tells of it; the key goes when it is
    /// empty, and shrinks its encoding when it is small.
    @inline(__always) mutating func takeElements(
        _ n: Int, from end: ListEnd, _ key: borrowing Key, _ place: HashTable.Place
    ) {
        let isWhole = n == place.record.listCount
        if !isWhole { dropElements(n, from: end, place) }
        changed(key, .list, end == .head ? "lpop" : "rpop")
        finishRemoval(key, place, isEmpty: isWhole)
    }

    /// Removes the key if its list is empty, else shrinks the encoding if the list is small.
    @inline(__always) mutating func finishRemoval(
        _ key: borrowing Key, _ place: HashTable.Place, isEmpty: Bool
    ) {
        guard isEmpty else { return shrinkList(key, place) }
        database.remove(place, hash: key.hash)
        noted(key, .generic, "del")
    }

    // MARK: - Compression

    /// The list at `key` is compressed again when the command is over.
    @inline(never) mutating func touchList(_ key: borrowing Key) {
        attention.insert(.lists)
        touchedLists.append(WaitKey(database: session.database, key: key.bytes.array))
    }

    /// Compresses what commands have looked at since this was done last.
    mutating func compressLists() {
        let depth = configuration.listCompressDepth
        for touched in touchedLists {
            let hash = keyspace.seed.hash(touched.key.span)
            inDatabase(touched.database) { call in
                guard let record = call.find(Key(touched.key.span, hash: hash))?.record,
                    record.kind == .list
                else { return }
                record.list.compress(depth: depth, &call.database.heap)
            }
        }
        touchedLists.removeAll(keepingCapacity: true)
    }
}
