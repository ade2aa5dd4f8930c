//  FrozenChunks.swift — the chunks of a large list as they were when a snapshot came to it.
//
//  The list goes on with the same chunks: it copies one before it first changes it, and leaves one
//  that it no longer needs to the snapshot.

struct FrozenChunks {
    private var addresses: [UInt] = []
    private var counts: [UInt32] = []
    /// Chunks that were taken.
    private var taken = 0

    var count: Int { addresses.count }
    var isEmpty: Bool { taken == addresses.count }

    mutating func reserve(_ n: Int) {
        addresses.reserveCapacity(n)
        counts.reserveCapacity(n)
    }

    mutating func append(_ address: UInt, count: Int) {
        addresses.append(address)
        counts.append(UInt32(count))
    }

    /// The next chunk, for `ChunkedList.read` and then `ChunkedList.release`, and how many elements
    /// it has.
    mutating func next() -> (address: UInt, count: Int) {
        defer { taken += 1 }
        return (addresses[taken], Int(counts[taken]))
    }
}
