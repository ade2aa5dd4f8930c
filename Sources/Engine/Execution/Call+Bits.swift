//  Call+Bits.swift — the verbs for strings that are edited in place, bit by bit.

extension Record {
    /// Calls `body` with the text of a string, whatever its encoding.
    @inline(__always) func withText<Result>(_ body: (Bytes) -> Result) -> Result {
        guard kind == .integer else { return body(bytes) }
        let digits = DecimalText(integer)
        return body(digits.bytes)
    }
}

/// A string that a command is about to edit.
struct EditedString {
    let record: Record
    /// Whether the key did not exist before.
    let isNew: Bool
    /// Whether it was shorter before.
    let hasGrown: Bool
}

extension Call {
    /// The string at `key`, as bytes of its own and at least `count` of them; new ones are zero.
    ///
    /// The caller has checked the length and tells what changed.
    mutating func edit(
        _ key: borrowing Key, count: Int
    ) throws(CommandError) -> EditedString {
        guard let place = try find(key, as: .string) else {
            let record = database.insertText(key, count: count, clock: clock)
            return EditedString(record: record, isNew: true, hasGrown: true)
        }
        let old =
            place.record.kind == .integer
            ? Digits.count(Int(place.record.integer)) : place.record.valueCount
        let edited = database.resizeString(key, at: place, to: max(old, count))
        return EditedString(record: edited.record, isNew: false, hasGrown: count > old)
    }

    /// Makes the value of `key` a string of `count` bytes that `fill` writes.
    ///
    /// The caller has replied with whatever it takes from the old value, of which `fill` may still
    /// read as much as it has not written yet.
    mutating func compose(
        _ key: borrowing Key, count: Int, event: StaticString, _ fill: (Record) -> Void
    ) {
        let place = find(key)
        if !interest.isEmpty, let place {
            overwritten(key, place.record.kind.type, by: .string)
        }
        database.compose(key, at: place, count: count, clock: clock, fill)
        changed(key, .string, event)
        if place == nil { created(key) }
    }
}
