//  LookAhead.swift — keys of several connections, asked for together.
//
//  A look-up in a large table is two cache misses. Where requests of several connections are there
//  at the same time, the buckets and then the records of the first ones are prefetched before any
//  of them runs. It is a hint: each is parsed again when its turn comes.

struct LookAhead {
    /// As many as the processor has under way at the same time.
    static var connectionsMax: Int { 16 }

    private var hashes = InlineArray<16, UInt64>(repeating: 0)
    private var slots = InlineArray<16, Int>(repeating: 0)
    private var count = 0

    /// Takes note of what the client in `slot` has sent.
    mutating func add(_ input: Bytes, _ slot: Int, _ executor: inout Executor) {
        guard count < Self.connectionsMax,
            let hash = executor.prefetchBucket(input, client: slot)
        else { return }
        hashes[count] = hash
        slots[count] = slot
        count &+= 1
    }

    /// Asks for the records; to be called when all are noted.
    func finish(_ executor: borrowing Executor) {
        for i in 0..<count { executor.prefetchRecord(hashes[i], client: slots[i]) }
    }
}
