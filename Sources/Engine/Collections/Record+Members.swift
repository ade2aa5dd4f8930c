//  Record+Members.swift — the elements of any collection that has no fields.

extension Record {
    /// Whether the value is a list, a set or a sorted set.
    var hasMembers: Bool {
        switch kind.type {
        case .list, .set, .sortedSet: true
        case .string, .hash, .stream: false
        }
    }

    /// Calls `body` with every element of a list or set, and every member of a sorted set in order.
    func forEachMember(_ body: (StringView) -> Void) {
        switch kind {
        case .packedList, .list: forEachElement(from: 0, count: listCount, body)
        case .packedSet: forEachEntry(body)
        case .packedSortedSet, .sortedSet:
            forEachScored(0..<sortedSetCount) { view, _ in body(view) }
        case .integerSet:
            for i in 0..<IntegerSet.count(bytes) {
                body(StringView(Bytes(), number: IntegerSet.member(i, bytes), form: .integer))
            }
        case .set: set.forEach { body(StringView($0.key, number: 0, form: .bytes)) }
        case .string, .integer, .packedHash, .hash, .stream: break
        }
    }

    private func forEachEntry(_ body: (StringView) -> Void) {
        let packed = packed
        var at = packed.start
        while at < packed.end { body(packed.take(&at)) }
    }
}
