//  RDBDraft+Streams.swift — streams as bytes of an RDB file.
//
//      blocks | per block: 16 bytes, the ID that it is filed under | listpack, as a string
//      entries | last ID | first ID | highest ID deleted | entries added
//      groups | per group: name | last ID | entries read | pending | consumers
//          pending:   16 bytes of ID | i64 time | deliveries
//          consumers: name | i64 seen | i64 active, in the newest form only | IDs that are pending
//
//  An ID is two lengths but where it says 16 bytes, which are its halves with the highest byte first.
//
//  A block's listpack: entries | entries removed | number of fields | fields | 0, and then for each
//  entry: flags | milliseconds | number | [number of fields | fields] | values | elements so far.

extension RDBDraft {
    /// The oldest form that holds the stream.
    static func type(of stream: borrowing StreamLog) -> RDBType {
        stream.isUneven ? .stream3 : .stream2
    }

    mutating func append(_ stream: borrowing StreamLog) {
        append(length: stream.blockCount)
        stream.forEachBlock { append(block: $0) }
        append(middleOf: stream)
        let hasActiveTimes = stream.isUneven
        for i in 0..<stream.groupCount { append(stream.group(at: i), hasActiveTimes) }
    }

    /// An ID with the highest byte of each half first.
    private mutating func append(raw id: StreamID) {
        append(littleEndian: id.milliseconds.byteSwapped)
        append(littleEndian: id.sequence.byteSwapped)
    }

    private mutating func append(_ id: StreamID) {
        append(number: id.milliseconds)
        append(number: id.sequence)
    }

    /// A length that may be any number.
    private mutating func append(number: UInt64) {
        if let n = Int(exactly: number) { return append(length: n) }
        append(UInt8(0x81))
        append(littleEndian: number.byteSwapped)
    }

    // MARK: - Blocks

    mutating func append(block: StreamBlock) {
        append(length: 16)
        append(raw: block.id)
        var entries = ByteBuffer(capacity: block.end * 2)
        var count = 3 + block.fieldCount + 1
        entries.append(PackedEntry(Int64(block.count)))
        entries.append(PackedEntry(0))
        entries.append(PackedEntry(Int64(block.fieldCount)))
        entries.append(entriesOf: block.fields)
        entries.append(PackedEntry(0))
        var at = block.start
        while at < block.end {
            let sharesFields = block.sharesFields(at)
            let entry = block.take(&at)
            entries.append(PackedEntry(sharesFields ? 2 : 0))
            entries.append(difference(entry.id.milliseconds, block.id.milliseconds))
            entries.append(difference(entry.id.sequence, block.id.sequence))
            var elements = 3 + entry.fieldCount
            if sharesFields {
                entries.append(entriesOf: entry.values)
            } else {
                elements += 1 + entry.fieldCount
                entries.append(PackedEntry(Int64(entry.fieldCount)))
                var field = 0, value = 0
                for _ in 0..<entry.fieldCount {
                    entries.append(PackedEntry(entry.fields.takeBody(&field)))
                    entries.append(PackedEntry(entry.values.takeBody(&value)))
                }
            }
            entries.append(PackedEntry(Int64(elements)))
            count += elements + 1
        }
        append(listpack: Packed(entries: entries.span), count: count)
    }

    @_lifetime(immortal)
    private func difference(_ a: UInt64, _ b: UInt64) -> PackedEntry {
        PackedEntry(Int64(bitPattern: a &- b))
    }

    // MARK: - What follows the blocks

    mutating func append(middleOf stream: borrowing StreamLog) {
        append(length: stream.count)
        append(stream.lastID)
        append(stream.firstID)
        append(stream.maxDeletedID)
        append(number: stream.entriesAdded)
        append(length: stream.groupCount)
    }

    private mutating func append(_ group: StreamGroup, _ hasActiveTimes: Bool) {
        append(headOf: group, pending: group.state.pending.count)
        group.state.pending.forEach { id, value in
            append(id, PendingEntry(value))
            return true
        }
        append(length: group.consumerCount)
        for i in 0..<group.consumerCount {
            let consumer = group.consumer(at: i)
            append(headOf: consumer, pending: consumer.state.pending.count, hasActiveTimes)
            consumer.state.pending.forEach { id, _ in
                append(raw: id)
                return true
            }
        }
    }

    /// Some more of a group; true when that was the rest.
    mutating func append(partOf group: inout FrozenGroup, _ hasActiveTimes: Bool) -> Bool {
        if group.isAtStart { append(headOf: group.shadow, pending: group.count) }
        let isInConsumer = group.consumer != nil
        group.readSome { id, entry in
            if isInConsumer { append(raw: id) } else { append(id, entry) }
        }
        guard group.isOver else { return false }
        if !isInConsumer { append(length: group.consumerCount) }
        guard group.nextConsumer(), let consumer = group.consumer else { return true }
        append(headOf: consumer, pending: group.count, hasActiveTimes)
        return false
    }

    private mutating func append(headOf group: StreamGroup, pending: Int) {
        append(string: group.name)
        append(group.state.last)
        append(number: UInt64(bitPattern: group.state.entriesRead))
        append(length: pending)
    }

    private mutating func append(_ id: StreamID, _ entry: PendingEntry) {
        append(raw: id)
        append(littleEndian: UInt64(bitPattern: entry.time))
        append(number: UInt64(bitPattern: entry.deliveries))
    }

    private mutating func append(
        headOf consumer: StreamConsumer, pending: Int, _ hasActiveTimes: Bool
    ) {
        append(string: consumer.name)
        append(littleEndian: UInt64(bitPattern: consumer.state.seenTime))
        if hasActiveTimes {
            append(littleEndian: UInt64(bitPattern: consumer.state.activeTime))
        }
        append(length: pending)
    }
}
