//  RDBInput+Streams.swift — a stream made of what a file or a DUMP says; see `RDBDraft+Streams`.
//
//  Entries are added one by one, so nothing of the file's blocks is kept but where they end, and what
//  was removed is left out.

extension RDBInput {
    /// The stream that comes next as a record of `heap` that no table knows of.
    mutating func readStream(
        _ type: RDBType, _ key: Bytes, _ deadline: Int64?, _ heap: inout SlabAllocator
    ) throws(RDBError) -> Record {
        var stream = StreamLog()
        do throws(RDBError) {
            try readBlocks(&stream, &heap)
            try readFacts(type, &stream)
            let groups = try elementCount()
            for _ in 0..<groups { try readGroup(type, &stream, &heap) }
        } catch {
            while !stream.freeSome(.max, &heap) {}
            throw error
        }
        return ValueWorkshop.objectRecord(.stream, key: key, deadline: deadline, stream, &heap)
    }

    /// An ID of 16 bytes.
    private mutating func rawID() throws(RDBError) -> StreamID {
        let high = try littleEndian(8).byteSwapped
        return StreamID(high, try littleEndian(8).byteSwapped)
    }

    private mutating func id() throws(RDBError) -> StreamID {
        let high = try number()
        return StreamID(high, try number())
    }

    // MARK: - Blocks

    private mutating func readBlocks(
        _ stream: inout StreamLog, _ heap: inout SlabAllocator
    ) throws(RDBError) {
        let blocks = try elementCount()
        var draft = StreamDraft()
        for _ in 0..<blocks {
            try readString()
            guard text.count == 16 else { throw failure("the ID of a stream's block is damaged") }
            let base = StreamID(
                OldRuns.number(text, 0, 8).byteSwapped, OldRuns.number(text, 8, 8).byteSwapped)
            try readString()
            guard let (range, count) = OldRuns.listpack(text) else {
                throw failure("a block of a stream is damaged")
            }
            var run = StreamRun(entries: text.extracting(range), count: count)
            guard run.addEntries(base, to: &stream, &draft, &heap) else {
                throw failure("a block of a stream is damaged")
            }
        }
    }

    private mutating func readFacts(
        _ type: RDBType, _ stream: inout StreamLog
    ) throws(RDBError) {
        let count = try length()
        guard count == stream.count else {
            throw failure("a stream of \(count) entries has \(stream.count)")
        }
        let top = stream.lastID
        let last = try id()
        guard last >= top || count == 0 else {
            throw failure("a stream has an entry above its last ID")
        }
        stream.lastID = last
        stream.entriesAdded = UInt64(count)
        if type == .stream { return }
        _ = try id()
        stream.maxDeletedID = try id()
        stream.entriesAdded = try number()
    }

    // MARK: - Groups

    private mutating func readGroup(
        _ type: RDBType, _ stream: inout StreamLog, _ heap: inout SlabAllocator
    ) throws(RDBError) {
        var name = ByteBuffer()
        try readString(into: &name)
        let last = try id()
        var read = stream.entriesAdded(upTo: last) ?? -1
        if type != .stream { read = max(Int64(bitPattern: try number()), -1) }
        guard
            let group = stream.makeGroup(
                name.span, last: last, entriesRead: read, &heap)
        else { throw failure("a group of a stream comes twice") }
        let pending = try elementCount()
        for _ in 0..<pending {
            let id = try rawID()
            let time = try milliseconds()
            let deliveries = Int64(clamping: try number())
            guard group.file(id, time, deliveries, &heap) else {
                throw failure("an entry is pending twice in a group")
            }
        }
        var owned = 0
        let consumers = try elementCount()
        for _ in 0..<consumers { owned += try readConsumer(type, group, &heap) }
        guard owned == pending else { throw failure("an entry is pending with nobody") }
    }

    /// Returns how many entries the consumer has pending.
    private mutating func readConsumer(
        _ type: RDBType, _ group: StreamGroup, _ heap: inout SlabAllocator
    ) throws(RDBError) -> Int {
        var name = ByteBuffer()
        try readString(into: &name)
        let seen = try milliseconds()
        let active = try type == .stream3 ? milliseconds() : seen
        let (consumer, isNew) = group.makeConsumer(
            name.span, seen: seen, active: active, &heap)
        guard isNew else { throw failure("a consumer comes twice in a group") }
        let count = try elementCount()
        for _ in 0..<count {
            guard group.assign(try rawID(), to: consumer, &heap) else {
                throw failure("a consumer has pending what its group has not")
            }
        }
        return count
    }
}

/// The entries of a block as a listpack has them.
private struct StreamRun: ~Escapable {
    private let entries: Packed
    private var at: Int
    /// Elements that have not been read.
    private var left: Int

    @_lifetime(copy entries)
    init(entries: Bytes, count: Int) {
        self.entries = Packed(entries: entries)
        at = 0
        left = count
    }

    /// Adds the entries to `stream`; false when the bytes are none.
    ///
    /// Those in front of what is damaged may have been added then.
    @_lifetime(self: copy self)
    mutating func addEntries(
        _ base: StreamID, to stream: inout StreamLog, _ draft: inout StreamDraft,
        _ heap: inout SlabAllocator
    ) -> Bool {
        guard let count = number(), let removed = number(), let fieldCount = number(),
            count >= 0, removed >= 0, fieldCount >= 0, fieldCount < Int64(left)
        else { return false }
        let shared = at
        for _ in 0..<fieldCount { skip() }
        guard number() == 0 else { return false }
        var added: Int64 = 0, gone: Int64 = 0
        while left > 0 {
            guard let flags = number(), 0...3 ~= flags, let high = number(), let low = number()
            else { return false }
            let id = StreamID(
                base.milliseconds &+ UInt64(bitPattern: high),
                base.sequence &+ UInt64(bitPattern: low))
            let isGone = flags & 1 != 0
            draft.removeAll()
            guard let elements = readPairs(flags & 2 != 0 ? fieldCount : nil, shared, &draft),
                number() == elements
            else { return false }
            if isGone {
                gone += 1
                continue
            }
            // The ID zero is nobody's.
            guard id > stream.lastID, draft.byteCount <= StreamDraft.bytesMax else {
                return false
            }
            stream.append(
                id, draft, textBytes: 0, StreamLimit.none, &heap, beginsBlock: added == 0)
            added += 1
        }
        return added == count && gone == removed
    }

    /// Reads the fields and values of an entry; returns the number of elements with those in front.
    @_lifetime(self: copy self)
    private mutating func readPairs(
        _ sharedCount: Int64?, _ shared: Int, _ draft: inout StreamDraft
    ) -> Int64? {
        if let count = sharedCount {
            guard count < Int64(left) else { return nil }
            var field = shared
            for _ in 0..<count {
                draft.add(field: PackedEntry(entries.take(&field)))
                draft.add(value: PackedEntry(entries.take(&at)))
            }
            left -= Int(count)
            return count + 3
        }
        guard let count = number(), count >= 0, count < Int64(left) else { return nil }
        guard count * 2 < Int64(left) else { return nil }
        for _ in 0..<count {
            draft.add(field: PackedEntry(entries.take(&at)))
            draft.add(value: PackedEntry(entries.take(&at)))
        }
        left -= Int(count) * 2
        return count * 2 + 4
    }

    /// The next element as an integer; nil when there is none or it is no integer.
    @_lifetime(self: copy self)
    private mutating func number() -> Int64? {
        guard left > 0 else { return nil }
        left -= 1
        return entries.take(&at).integer
    }

    @_lifetime(self: copy self)
    private mutating func skip() {
        left -= 1
        at = entries.next(at)
    }
}
