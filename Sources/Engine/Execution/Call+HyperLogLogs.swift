//  Call+HyperLogLogs.swift — the verbs for HyperLogLogs: strings that grow register by register.
//
//  A sparse value becomes dense where Redis makes it dense: when it would have more bytes than
//  `hll-sparse-max-bytes`, or a register is too large for a run. There is no way back.

extension Call {
    /// The string at `place` as bytes that may be written over.
    mutating func own(_ key: borrowing Key, _ place: HashTable.Place) -> HashTable.Place {
        database.resizeString(key, at: place, to: place.record.valueCount)
    }

    /// Makes a new key with a string that stays text and may be written over.
    mutating func makeText(_ key: borrowing Key, _ text: Bytes) -> HashTable.Place {
        database.setText(key, at: nil, text, .none, clock: clock)
        let place = place(ofNew: key)
        place.record.setKind(.string, isModified: true)
        return place
    }

    /// The value of a key changed in a way that no event tells of.
    mutating func changedQuietly(_ key: borrowing Key) {
        effects.dirty &+= 1
        if isPropagating {
            propagation.hasChanged = true
            attention.insert(.propagation)
        }
        if interest.contains(.watchers) { touchWatched(session.database, key.bytes) }
        if interest.contains(.trackers) { invalidate(key.bytes, isOwn: true) }
    }

    /// Makes register `index` of the value at `place` at least `rank`; false if it was before, nil
    /// if the value is corrupted.
    mutating func raise(
        _ key: borrowing Key, _ place: HashTable.Place, _ index: Int, _ rank: Int
    ) -> Bool? {
        if place.record.bytes[4] == HyperLogLog.Encoding.dense.rawValue {
            return HyperLogLog.raise(place.record, index, rank)
        }
        guard rank <= HyperLogLog.sparseRankMax else { return raiseDense(key, place, index, rank) }
        switch HyperLogLog.edit(place.record.bytes, index, rank) {
        case .unchanged: return false
        case .corrupted: return nil
        case .edit(let edit):
            let count = place.record.valueCount - edit.removed + edit.count
            if edit.count > edit.removed, count > configuration.hllSparseMaxBytes {
                return raiseDense(key, place, index, rank)
            }
            let record = database.splice(
                place, at: edit.offset, removing: edit.removed, inserting: edit.count)
            record.write(edit.bytes.span.extracting(0..<edit.count), at: edit.offset)
            joinRuns(place, from: edit.previous)
            HyperLogLog.invalidate(place.record)
            place.record.setKind(.string, isModified: true)
            return true
        }
    }

    private mutating func raiseDense(
        _ key: borrowing Key, _ place: HashTable.Place, _ index: Int, _ rank: Int
    ) -> Bool? {
        guard makeDense(key, place) else { return nil }
        return HyperLogLog.raise(place.record, index, rank)
    }

    /// Runs that are looked at behind an edit.
    private static var runsJoined: Int { 5 }

    /// Makes one of two runs of the same rank, from `start` on.
    private mutating func joinRuns(_ place: HashTable.Place, from start: Int) {
        var offset = start
        for _ in 0..<Self.runsJoined where offset + 1 < place.record.valueCount {
            let bytes = place.record.bytes
            let run = HyperLogLog.run(bytes, at: offset)
            guard run.rank > 0 else {
                offset += run.bytes
                continue
            }
            let next = HyperLogLog.run(bytes, at: offset + 1)
            let length = run.length + next.length
            guard next.rank == run.rank, length <= 4 else {
                offset += 1
                continue
            }
            let record = database.splice(place, at: offset, removing: 1, inserting: 0)
            let joined: InlineArray<1, UInt8> = [HyperLogLog.code(rank: run.rank, length: length)]
            record.write(joined.span, at: offset)
        }
    }

    /// Makes the value at `place` dense; false, with nothing changed, if it is corrupted.
    mutating func makeDense(_ key: borrowing Key, _ place: HashTable.Place) -> Bool {
        let bytes = place.record.bytes
        guard bytes[4] == HyperLogLog.Encoding.sparse.rawValue else { return true }
        var registers = Registers()
        guard registers.merge(bytes, .sparse) else { return false }
        let edited = database.resizeString(key, at: place, to: HyperLogLog.denseCount)
        let dense: InlineArray<1, UInt8> = [HyperLogLog.Encoding.dense.rawValue]
        edited.record.write(dense.span, at: 4)
        registers.write(to: edited.record)
        return true
    }
}
