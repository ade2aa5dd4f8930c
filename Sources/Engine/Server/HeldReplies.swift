//  HeldReplies.swift — what a client has to get and its socket did not take yet.
import Platform

struct HeldReplies: ~Copyable {
    private var bytes = ByteBuffer()
    /// Values between the bytes, in order.
    private var values: [PinnedValue] = []
    /// Bytes of `bytes`, and of the first value, that were sent.
    private var sentBytes = 0
    private var sentOfValue = 0
    private var valueBytes = 0

    init() {}

    deinit { for value in values { value.unpin() } }

    /// Bytes that wait for the socket.
    var count: Int { bytes.count - sentBytes + valueBytes - sentOfValue }
    /// Bytes of memory; values count in full, since the keyspace may have dropped them.
    var capacity: Int { bytes.capacity + valueBytes }

    /// Keeps the `range` of replies and the values that stand in it.
    mutating func append(_ replies: borrowing Reply, _ range: Range<Int>) {
        // What was sent is dropped when that is worth a copy, so that a slow reader costs O(1).
        if sentBytes > 1 << 16, sentBytes > bytes.count / 2 {
            bytes.removeFirst(sentBytes)
            for i in values.indices { values[i].position -= sentBytes }
            sentBytes = 0
        }
        for value in replies.values(in: range) {
            values.append(value.pinned(at: bytes.count + value.position - range.lowerBound))
            valueBytes += value.count
        }
        bytes.append(replies.out.span.extracting(range))
    }

    /// Writes what is held, and stops soon behind the first `most` bytes.
    ///
    /// - Parameters:
    ///   - descriptor: The socket.
    ///   - most: Bytes; one write may go beyond.
    /// - Returns: Bytes written, `Socket.wouldBlock` or `Socket.broken`.
    mutating func send(_ descriptor: Int32, atMost most: Int) -> Int {
        var total = 0
        while count > 0, total < most {
            var expected = 0
            let n = sendNext(descriptor, &expected)
            if n < 0 { return n == Socket.wouldBlock && total > 0 ? total : n }
            total += n
            if n < expected { break }
        }
        if count == 0 {
            sentBytes = 0
            bytes.removeAll()
            bytes.shrink(to: 0)
        }
        return total
    }

    /// Writes the bytes up to the next value, or that value; `expected` is how many those are.
    private mutating func sendNext(_ descriptor: Int32, _ expected: inout Int) -> Int {
        guard let value = values.first, value.position == sentBytes else {
            let end = values.first?.position ?? bytes.count
            expected = end - sentBytes
            let n = Socket.write(
                descriptor, bytes.span.extracting(sentBytes..<end), hasMore: end < bytes.count)
            sentBytes += max(n, 0)
            return n
        }
        expected = value.count - sentOfValue
        // A line end at least stands behind it.
        let n = Socket.write(
            descriptor, value.bytes.extracting(sentOfValue...), hasMore: true)
        sentOfValue += max(n, 0)
        if sentOfValue == value.count {
            value.unpin()
            values.removeFirst()
            valueBytes -= value.count
            sentOfValue = 0
        }
        return n
    }
}
