//  Socket.swift — streams over TCP and unix domain sockets.  U
//
//  Calls on the data path return a plain `Int`, a count of bytes or one of two negative numbers
//  with names. That is one register, and what a buffer's fill closure returns.
//
//  All sockets made here are non-blocking and are closed on exec.
//
//  ## Safety
//  - S1: a buffer's memory outlives the call that is handed its address; counts are its own.
//  - S2: an address list of the resolver is freed after its last use, and not before.
//  - S3: option values are `Int32` variables of the caller's frame, passed with their own size.
import CPlatform

/// How an attempt to accept a connection ended.
public enum Accepted: Sendable, Equatable {
    /// A new connection, non-blocking.
    case connection(Int32)
    /// Nobody is waiting.
    case none
    /// The one who waited is gone; try again.
    case aborted
    /// There is no descriptor or memory for it (`errno`).
    ///
    /// The connection stays in the queue and the listener stays ready, so let it rest for a while.
    case exhausted(Int32)

    /// What the failure `code` of an attempt means.
    init(code: Int32) {
        switch code {
        case EAGAIN: self = .none
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: self = .exhausted(code)
        // Not a listener at all: trying again at once would never end.
        case EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP: self = .exhausted(code)
        // The rest are the connection's own errors, which Linux reports through `accept`.
        default: self = .aborted
        }
    }
}

/// Operations on sockets.
public enum Socket {
    /// What `read` and `write` return when nothing can be moved now.
    public static var wouldBlock: Int { -1 }
    /// What `read` and `write` return when the connection is broken; see `lastFailure`.
    public static var broken: Int { -2 }

    // MARK: Listening

    /// Listens on a TCP address.
    ///
    /// The first address that a name stands for and that can be bound is taken. A socket for
    /// IPv6 never takes IPv4: one address means one family.
    ///
    /// - Parameters:
    ///   - address: An address or a name; `0.0.0.0` and `::` are all addresses of a family.
    ///   - port: 0 lets the system choose; see `port(of:)`.
    ///   - backlog: How many connections may wait to be accepted.
    /// - Returns: The listening socket.
    /// - Throws: The failure of the last address tried.
    public static func listen(
        address: String, port: UInt16, backlog: Int32
    ) throws(SystemError) -> Int32 {
        try unsafe resolve(address, port, AF_UNSPEC) { candidate throws(SystemError) in
            let descriptor = try unsafe open(candidate)
            do throws(SystemError) {
                try set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
                if unsafe candidate.pointee.ai_family == AF_INET6 {
                    try set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1)
                }
                try unsafe bind(descriptor, to: candidate)
                guard CPlatform.listen(descriptor, backlog) == 0 else { throw .last("listen") }
                return descriptor
            } catch {
                Descriptor.close(descriptor)
                throw error
            }
        }
    }

    /// Listens on a unix domain socket at `path`.
    ///
    /// A socket that an earlier run left there is removed, any other file is not. The permissions
    /// are set between `bind` and `listen`, when nobody can connect yet; 0 leaves them to the
    /// system.
    public static func listen(
        path: String, permissions: UInt32, backlog: Int32
    ) throws(SystemError) -> Int32 {
        var address = try UnixAddress(path)
        let descriptor = try open(AF_UNIX)
        do throws(SystemError) {
            var info = stat()
            if unsafe lstat(path, &info) == 0, cp_is_socket(info.st_mode) != 0 {
                _ = unsafe unlink(path)
            }
            let bound = unsafe address.withPointer { unsafe CPlatform.bind(descriptor, $0, $1) }
            guard bound == 0 else { throw .last("bind") }
            if permissions != 0, unsafe chmod(path, permissions) != 0 { throw .last("chmod") }
            guard CPlatform.listen(descriptor, backlog) == 0 else { throw .last("listen") }
            return descriptor
        } catch {
            Descriptor.close(descriptor)
            throw error
        }
    }

    /// Takes one waiting connection from a listening socket.
    public static func accept(_ listener: Int32) -> Accepted {
        let descriptor = cp_accept(listener)
        return descriptor >= 0 ? .connection(descriptor) : Accepted(code: cp_errno())
    }

    // MARK: Connecting

    /// Starts to connect; the socket becomes writable when the outcome is known.
    ///
    /// A name is looked up first, and that waits.
    ///
    /// - Parameters:
    ///   - address: An address or a name.
    ///   - port: The port to connect to.
    ///   - source: The local address to connect from, or nil.
    /// - Returns: The socket, connected or about to be.
    /// - Throws: The failure of the last address tried.
    public static func connect(
        address: String, port: UInt16, from source: String? = nil
    ) throws(SystemError) -> Int32 {
        try unsafe resolve(address, port, AF_UNSPEC) { candidate throws(SystemError) in
            let descriptor = try unsafe open(candidate)
            do throws(SystemError) {
                if let source {
                    try bindLocally(descriptor, source, unsafe candidate.pointee.ai_family)
                }
                let status = unsafe CPlatform.connect(
                    descriptor, candidate.pointee.ai_addr, candidate.pointee.ai_addrlen)
                guard status == 0 || cp_errno() == EINPROGRESS else { throw .last("connect") }
                return descriptor
            } catch {
                Descriptor.close(descriptor)
                throw error
            }
        }
    }

    /// Connects to the unix domain socket at `path`.
    public static func connect(path: String) throws(SystemError) -> Int32 {
        var address = try UnixAddress(path)
        let descriptor = try open(AF_UNIX)
        let status = unsafe address.withPointer { unsafe CPlatform.connect(descriptor, $0, $1) }
        guard status == 0 || cp_errno() == EINPROGRESS else {
            let error = SystemError.last("connect")
            Descriptor.close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Two connected sockets.
    public static func pair() throws(SystemError) -> (Int32, Int32) {
        var both: (Int32, Int32) = (-1, -1)
        let status = unsafe withUnsafeMutableBytes(of: &both) { bytes in
            unsafe socketpair(
                AF_UNIX, streamType, 0, bytes.bindMemory(to: Int32.self).baseAddress)
        }
        guard status == 0 else { throw .last("socketpair") }
        return both
    }

    /// Takes the error that is pending on a socket: how a connection attempt ended.
    ///
    /// - Returns: nil when there is none.
    public static func pendingError(_ descriptor: Int32) -> SystemError? {
        let code = option(descriptor, SOL_SOCKET, SO_ERROR) ?? cp_errno()
        return code == 0 ? nil : SystemError(operation: "connect", code: code)
    }

    // MARK: Reading and writing

    /// Reads what there is, as far as it fits into `space`.
    ///
    /// - Returns: The count of bytes, 0 at the end of the stream, `wouldBlock`, or `broken`.
    public static func read(_ descriptor: Int32, into space: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            // Not `read`: that passes the file layer first.
            let count = unsafe recv(descriptor, space.baseAddress, space.count, 0)  // S1
            if count >= 0 { return count }
            let code = cp_errno()
            if code != EINTR { return code == EAGAIN ? wouldBlock : broken }
        }
    }

    /// Reads what there is, as far as it fits into `space`.
    ///
    /// - Returns: The count of bytes, 0 at the end of the stream, `wouldBlock`, or `broken`.
    public static func read(_ descriptor: Int32, into space: inout MutableSpan<UInt8>) -> Int {
        unsafe space.withUnsafeMutableBytes { unsafe read(descriptor, into: $0) }
    }

    /// Writes as much of `bytes` as the socket takes; a closed peer raises no signal.
    ///
    /// With `hasMore` another write follows at once, so the end may wait for it.
    ///
    /// - Returns: The count of bytes, `wouldBlock`, or `broken`.
    public static func write(
        _ descriptor: Int32, _ bytes: Span<UInt8>, hasMore: Bool = false
    ) -> Int {
        let flags = Int32(MSG_NOSIGNAL) | (hasMore ? Int32(MSG_MORE) : 0)
        return unsafe bytes.withUnsafeBytes { bytes in
            while true {
                let count = unsafe send(descriptor, bytes.baseAddress, bytes.count, flags)  // S1
                if count >= 0 { return count }
                let code = cp_errno()
                if code != EINTR { return code == EAGAIN ? wouldBlock : broken }
            }
        }
    }

    /// Why this thread's last `read` or `write` returned `broken`; ask at once, for a log.
    public static var lastFailure: SystemError { .last("") }

    /// Writes `bytes` from index `offset` on, as `write(_:_:)` does.
    public static func write(_ descriptor: Int32, _ bytes: Span<UInt8>, from offset: Int) -> Int {
        precondition(offset >= 0 && offset <= bytes.count)
        return write(descriptor, bytes.extracting(droppingFirst: offset))
    }

    /// Ends one or both directions of a connection.
    public static func shutdown(_ descriptor: Int32, read: Bool, write: Bool) {
        guard read || write else { return }
        let how = read && write ? SHUT_RDWR : read ? SHUT_RD : SHUT_WR
        _ = CPlatform.shutdown(descriptor, Int32(how))
    }

    /// Closes a socket.
    public static func close(_ descriptor: Int32) { Descriptor.close(descriptor) }

    // MARK: Options

    /// Sends small segments at once; fails quietly on sockets that are not TCP.
    public static func setNoDelay(_ descriptor: Int32, _ on: Bool = true) {
        try? set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, on ? 1 : 0)
    }

    /// Has the system probe a silent connection after `seconds`, and give up after three probes
    /// a third of that apart; 0 turns probing off.
    public static func setKeepAlive(_ descriptor: Int32, seconds: Int32) {
        guard seconds > 0 else { try? set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 0); return }
        let tcp = Int32(IPPROTO_TCP)
        try? set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        try? set(descriptor, tcp, TCP_KEEPIDLE, seconds)
        try? set(descriptor, tcp, TCP_KEEPINTVL, max(seconds / 3, 1))
        try? set(descriptor, tcp, TCP_KEEPCNT, 3)
    }

    /// Closes with a reset: no waiting for the peer, unsent bytes are dropped.
    public static func setReset(_ descriptor: Int32) {
        var value = linger(l_onoff: 1, l_linger: 0)
        _ = unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
    }

    /// The port that a TCP socket is bound to, or 0.
    public static func port(of descriptor: Int32) -> UInt16 { local(of: descriptor)?.port ?? 0 }

    /// Whether the peer is on this machine: a loopback address or a unix socket.
    public static func isLocal(_ descriptor: Int32) -> Bool {
        peer(of: descriptor)?.isLocal ?? false
    }

    /// `address:port` of the peer, `[address]:port` for IPv6, `path:0` for a unix socket.
    public static func peerAddress(_ descriptor: Int32) -> String {
        peer(of: descriptor)?.description ?? "?:0"
    }

    /// The same for this end.
    public static func localAddress(_ descriptor: Int32) -> String {
        local(of: descriptor)?.description ?? "?:0"
    }

    /// The address of the other side, or nil when there is none.
    public static func peer(of descriptor: Int32) -> Endpoint? {
        // The client's end of a unix socket has no name; the server's path stands for both.
        guard let endpoint = unsafe Endpoint(descriptor, getpeername) else { return nil }
        if case .unix(let path) = endpoint, path.isEmpty { return local(of: descriptor) }
        return endpoint
    }

    /// The address of this side.
    public static func local(of descriptor: Int32) -> Endpoint? {
        unsafe Endpoint(descriptor, getsockname)
    }

    /// The value of an option that is an `int`.
    static func option(_ descriptor: Int32, _ level: Int32, _ name: Int32) -> Int32? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe getsockopt(descriptor, level, name, &value, &size) == 0 else { return nil }
        return value  // S3
    }

    private static func set(
        _ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32
    ) throws(SystemError) {
        var value = value
        let size = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe setsockopt(descriptor, level, name, &value, size) == 0 else {  // S3
            throw .last("setsockopt")
        }
    }

    // MARK: Addresses

    private static let streamType = Int32(
        SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)

    private static func open(_ family: Int32) throws(SystemError) -> Int32 {
        let descriptor = socket(family, streamType, 0)
        guard descriptor >= 0 else { throw .last("socket") }
        return descriptor
    }

    private static func open(_ candidate: UnsafePointer<addrinfo>) throws(SystemError) -> Int32 {
        try open(unsafe candidate.pointee.ai_family)
    }

    private static func bind(
        _ descriptor: Int32, to candidate: UnsafePointer<addrinfo>
    ) throws(SystemError) {
        let address = unsafe candidate.pointee
        guard unsafe CPlatform.bind(descriptor, address.ai_addr, address.ai_addrlen) == 0 else {
            throw .last("bind")
        }
    }

    private static func bindLocally(
        _ descriptor: Int32, _ source: String, _ family: Int32
    ) throws(SystemError) {
        try set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        _ = try unsafe resolve(source, 0, family) { candidate throws(SystemError) in
            try unsafe bind(descriptor, to: candidate)
            return 0
        }
    }

    /// Tries `use` on each address that `address` stands for until one succeeds, else throws the last failure.
    private static func resolve(
        _ address: String, _ port: UInt16, _ family: Int32,
        _ use: (UnsafePointer<addrinfo>) throws(SystemError) -> Int32
    ) throws(SystemError) -> Int32 {
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = family
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let status = unsafe getaddrinfo(address, String(port), &hints, &list)
        guard status == 0 else { throw .resolver(status) }
        defer { unsafe freeaddrinfo(list) }  // S2
        var failure = SystemError(operation: "getaddrinfo", code: EADDRNOTAVAIL)
        var next = unsafe UnsafePointer(list)
        while let candidate = unsafe next {
            do throws(SystemError) {
                return try unsafe use(candidate)
            } catch {
                failure = error
            }
            unsafe next = UnsafePointer(candidate.pointee.ai_next)
        }
        throw failure
    }
}
