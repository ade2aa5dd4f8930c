//  DeadlineHeap.swift — which fields of a large hash expire next.
//
//  A binary heap of deadlines and hashes of field names. An entry whose field has gone, or has
//  another deadline now, is stale: it is dropped when it comes up, or by a sweep when there are
//  many; so nobody has to find an entry, and 16 bytes do for a field.

struct DeadlineHeap {
    struct Entry {
        /// Unix milliseconds.
        let deadline: Int64
        /// Hash of the field's name.
        let hash: UInt64
    }

    private var entries: [Entry] = []

    var count: Int { entries.count }
    var byteCount: Int { entries.capacity * MemoryLayout<Entry>.stride }
    var first: Entry? { entries.first }
    subscript(i: Int) -> Entry { entries[i] }

    mutating func insert(_ entry: Entry) {
        entries.append(entry)
        rise(entries.count - 1)
    }

    mutating func removeFirst() { remove(at: 0) }

    /// Removes entry `i`; another one takes its place.
    mutating func remove(at i: Int) {
        let last = entries.removeLast()
        guard i < entries.count else { return }
        entries[i] = last
        rise(i)
        sink(i)
    }

    private mutating func rise(_ start: Int) {
        var i = start
        let entry = entries[i]
        while i > 0 {
            let parent = (i - 1) / 2
            guard entries[parent].deadline > entry.deadline else { break }
            entries[i] = entries[parent]
            i = parent
        }
        entries[i] = entry
    }

    private mutating func sink(_ start: Int) {
        var i = start
        let entry = entries[i]
        while true {
            var child = 2 * i + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1].deadline < entries[child].deadline {
                child += 1
            }
            guard entries[child].deadline < entry.deadline else { break }
            entries[i] = entries[child]
            i = child
        }
        entries[i] = entry
    }
}
