//  Socket.swift — listening, accepting, reading and writing.  U
//
//  ## Safety
//  - S1: every buffer is passed with its own length, and lives for the length of the call.
import CPlatform

/// How an attempt to accept a connection ended.
public enum Accepted: Equatable, Sendable {
    case connection(Int32)
    /// Nobody is waiting.
    case none
    /// The one who waited is gone; try again.
    case aborted
    /// The process or the system has no descriptor or memory for it.
    case exhausted(Int32)
}

public enum Socket {
    /// `read` and `write`: nothing can be moved now.
    public static var wouldBlock: Int { -1 }
    /// `read` and `write`: the connection is broken.
    public static var broken: Int { -2 }

    // MARK: - Listening

    /// Listens for TCP connections at a numeric address or host name.
    ///
    /// - Parameter port: 0 lets the system choose; see `port(of:)`.
    public static func listen(
        address: String, port: UInt16, backlog: Int32
    ) throws(SystemError) -> Int32 {
        let fd = unsafe cp_listen_tcp(address, port, backlog)
        if fd < 0 { throw SystemError(operation: "listen", code: -fd) }
        return fd
    }

    /// Listens at a path, which is removed first if it is a socket.
    ///
    /// - Parameter permissions: Mode bits of the socket's file, or 0 for the system's choice; set
    ///   before anybody can connect.
    public static func listen(
        path: String, permissions: UInt32, backlog: Int32
    ) throws(SystemError) -> Int32 {
        let fd = unsafe cp_listen_unix(path, permissions, backlog)
        if fd < 0 { throw SystemError(operation: "listen", code: -fd) }
        return fd
    }

    /// The port that a TCP socket is bound to.
    public static func port(of fd: Int32) -> UInt16 { cp_local_port(fd) }

    /// Accepts one connection, which does not block.
    public static func accept(_ listener: Int32) -> Accepted {
        let fd = cp_accept(listener)
        if fd >= 0 { return .connection(fd) }
        switch -fd {
        case EAGAIN, EWOULDBLOCK: return .none
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted(-fd)
        default: return .aborted
        }
    }

    // MARK: - Connections

    /// Sends small replies at once instead of waiting for more.
    public static func setNoDelay(_ fd: Int32) { cp_no_delay(fd) }

    /// Probes an idle peer after `seconds`; 0 turns it off.
    public static func setKeepAlive(_ fd: Int32, seconds: Int32) { cp_keep_alive(fd, seconds) }

    /// Whether the peer is on this machine: a loopback address or a unix socket.
    public static func isLocal(_ fd: Int32) -> Bool { cp_peer_is_local(fd) != 0 }

    /// `address:port` of the peer, `[address]:port` for IPv6, `path:0` for a unix socket.
    public static func peerAddress(_ fd: Int32) -> String { address(fd, local: false) }

    /// The same for this end.
    public static func localAddress(_ fd: Int32) -> String { address(fd, local: true) }

    private static func address(_ fd: Int32, local: Bool) -> String {
        var text = [CChar](repeating: 0, count: 256)
        unsafe cp_address(fd, local ? 1 : 0, &text, text.count)
        return String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Reads what there is: bytes read, 0 at the end, `wouldBlock` or `broken`.
    public static func read(_ fd: Int32, into space: UnsafeMutableRawBufferPointer) -> Int {
        let n = unsafe CPlatform.read(fd, space.baseAddress, space.count)  // S1
        return n >= 0 ? n : failure()
    }

    /// Writes what fits: bytes written, `wouldBlock` or `broken`.
    public static func write(_ fd: Int32, _ bytes: Span<UInt8>) -> Int {
        let n = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe send(fd, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))  // S1
        }
        return n >= 0 ? n : failure()
    }

    private static func failure() -> Int {
        switch cp_errno() {
        case EAGAIN, EWOULDBLOCK, EINTR: wouldBlock
        default: broken
        }
    }

    public static func close(_ fd: Int32) { _ = CPlatform.close(fd) }

    /// Two connected stream sockets that do not block.
    public static func pair() throws(SystemError) -> (Int32, Int32) {
        var fds: [Int32] = [-1, -1]
        let kind = Int32(bitPattern: SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue)
        if unsafe socketpair(AF_UNIX, kind, 0, &fds) != 0 { throw SystemError.last("socketpair") }
        return (fds[0], fds[1])
    }
}
