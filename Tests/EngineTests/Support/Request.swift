//  Request.swift — the words of a request as a handler sees them.  U
//
//  ## Safety
//  - S1: the bytes and slots live until `body` has returned, and every slot lies inside the bytes.
@testable import Engine

/// Lends `words` as arguments to `body`.
func withArguments<R>(_ words: [String], _ body: (borrowing Arguments) throws -> R) rethrows -> R {
    var bytes: [UInt8] = []
    var slots: [Slot] = []
    for word in words {
        slots.append(Slot(offset: UInt32(bytes.count), count: UInt32(word.utf8.count)))
        bytes += Array(word.utf8)
    }
    bytes.append(0)
    return try unsafe bytes.withUnsafeBufferPointer { bytes in
        try unsafe slots.withUnsafeBufferPointer { slots in
            guard let base = bytes.baseAddress, let first = slots.baseAddress else {
                preconditionFailure("a request has words")
            }
            // S1
            let args = unsafe Arguments(base: base, slots: first, count: words.count, hash: 0)
            return try body(args)
        }
    }
}
