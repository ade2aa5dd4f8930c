//  Poller+Streams.swift — accepting, receiving and sending by completion.
//
//  Where the poller is on io_uring, a server need not ask whether a socket is ready and then call
//  it: it makes a request once, and `wait` brings what came of it. The kernel accepts every
//  connection and receives all bytes until the request ends (`Completion.hasMore` is false), and
//  replies that are queued during a turn leave with the one system call that waits for the next.
//
//  Contract:
//  - Only while `completesStreams` is true; with epoll there are no completions.
//  - A token names a connection and must not name another one in the same place later: completions
//    of a connection that is closed may still come.
//  - A send refers to the caller's memory. It stays where it is and as it is until the next `wait`
//    has returned; then every send is done, and those that were short or failed are in the list
//    of sends.
//  - One connection has at most one send per `wait`. What a send did not move is the caller's.
//  - A descriptor with requests is closed through `close`, which ends the requests first. The number is not used again before.
//  - Received bytes are valid until the next `wait`, whether or not the connection is closed.

extension Poller {
    /// Accepts connections until a completion says that there are no more.
    public mutating func accept(_ listener: Int32, token: UInt64) {
        ring?.value.accept(listener, token)
    }

    /// Ends accepting, and returns when the listener may be closed.
    public mutating func stopAccepting(_ listener: Int32) { ring?.value.stop(listener) }

    /// Receives bytes until a completion says that there are no more.
    public mutating func receive(_ descriptor: Int32, token: UInt64) {
        ring?.value.receive(descriptor, token)
    }

    /// Ends receiving: a completion without more to come says when, behind what came before.
    public mutating func stopReceiving(token: UInt64) { ring?.value.stopReceiving(token) }

    /// Reports once when there is something to read.
    public mutating func awaitReadable(_ descriptor: Int32, token: UInt64) {
        ring?.value.awaitReadable(descriptor, token)
    }

    /// Queues bytes to send with the next `wait`; reported when they do not go in whole, or always
    /// when `isReported` is set.
    @inline(__always) public mutating func send(
        _ descriptor: Int32, token: UInt64, _ bytes: Span<UInt8>, isReported: Bool
    ) {
        ring?.value.send(descriptor, token, bytes, isReported: isReported)
    }

    /// Reports once when the socket takes bytes again.
    public mutating func awaitWritable(_ descriptor: Int32, token: UInt64) {
        ring?.value.awaitWritable(descriptor, token)
    }

    /// Ends the requests of a connection and closes it, behind what is queued to be sent.
    public mutating func close(
        _ descriptor: Int32, token: UInt64, isReceiving: Bool, awaitsReadable: Bool,
        awaitsWritable: Bool
    ) {
        ring?.value.close(
            descriptor, token, isReceiving: isReceiving, awaitsReadable: awaitsReadable,
            awaitsWritable: awaitsWritable)
    }

    /// Sends what is queued and ends all requests: nothing may follow but closing descriptors.
    public mutating func finish() { ring?.value.finish() }

    /// How many sends of the last turn were short, failed, or had to be reported.
    public var reportedSends: Int {
        switch ring {
        case .some(let ring): ring.value.sends.count
        case .none: 0
        }
    }

    /// Send `i` of `reportedSends`.
    public func reportedSend(_ i: Int) -> Completion {
        switch ring {
        case .some(let ring): return ring.value.sends[i]
        case .none: preconditionFailure("no ring")
        }
    }

    /// How many other requests of streams were completed.
    public var completionCount: Int {
        switch ring {
        case .some(let ring): ring.value.completions.count
        case .none: 0
        }
    }

    /// Completion `i` of `completionCount`.
    public func completion(_ i: Int) -> Completion {
        switch ring {
        case .some(let ring): return ring.value.completions[i]
        case .none: preconditionFailure("no ring")
        }
    }

    /// The bytes of a completed receive.
    @_lifetime(borrow self)
    public func bytes(_ completion: Completion) -> Span<UInt8> {
        switch ring {
        case .some(let ring): ring.value.bytes(completion)
        case .none: Span()
        }
    }
}
