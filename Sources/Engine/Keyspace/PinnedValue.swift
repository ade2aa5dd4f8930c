//  PinnedValue.swift — a stored value on its way to a client, without a copy.
//
//  A reply that shows a large string refers to it instead of copying it: the record is pinned until
//  the socket has taken the bytes. Meanwhile the keyspace may drop the record, whose memory then
//  goes with the last pin, and never changes it: `Record.fits` is false, so writers make another.

/// A large value that stands between the bytes of a buffer of replies.
struct PinnedValue {
    private let record: Record
    private let range: Range<Int>
    /// Where in the buffer the value's bytes belong.
    var position: Int

    /// Values with fewer bytes are copied: two more system calls cost as much.
    static var bytesMin: Int { 32 << 10 }

    /// Pins the `range` of the value of `record`, which is large.
    init(_ record: Record, _ range: Range<Int>, at position: Int) {
        record.pin()
        self.record = record
        self.range = range
        self.position = position
    }

    var count: Int { range.count }

    /// The value's bytes, as long as it is pinned.
    var bytes: Bytes {
        @_lifetime(immortal)
        get { record.bytes.extracting(range) }
    }

    /// Another pin on the same value, for another buffer.
    func pinned(at position: Int) -> PinnedValue { PinnedValue(record, range, at: position) }

    /// To be called once for each value, when its bytes are not needed any more.
    func unpin() { record.unpin() }
}
