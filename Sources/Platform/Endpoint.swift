//  Endpoint.swift — addresses of sockets as text.  U
//
//  ## Safety
//  - S1: `sockaddr_storage` is large and aligned enough for every kind of address, so each kind
//    may be read from its memory once the family says that the kernel wrote one.
//  - S2: `inet_ntop` is told the size of the buffer it fills.
//  - S3: a path is copied only up to the size of the field, and its terminator is there already.
import CPlatform

/// One end of a connection.
public enum Endpoint: Sendable, Equatable, CustomStringConvertible {
    case ipv4(host: String, port: UInt16)
    case ipv6(host: String, port: UInt16)
    /// The path is empty for a socket without a name.
    case unix(path: String)

    /// The address without the port; the path of a unix socket.
    public var host: String {
        switch self {
        case .ipv4(let host, _), .ipv6(let host, _): host
        case .unix(let path): path
        }
    }

    /// The port, 0 for a unix socket.
    public var port: UInt16 {
        switch self {
        case .ipv4(_, let port), .ipv6(_, let port): port
        case .unix: 0
        }
    }

    /// `127.0.0.1:6379`, `[::1]:6379` or `/path:0`.
    public var description: String {
        switch self {
        case .ipv4(let host, let port): "\(host):\(port)"
        case .ipv6(let host, let port): "[\(host)]:\(port)"
        case .unix(let path): "\(path):0"
        }
    }

    /// Whether this is the machine itself: a loopback address or a unix socket.
    public var isLocal: Bool {
        switch self {
        case .ipv4(let host, _): host.hasPrefix("127.")
        case .ipv6(let host, _): host == "::1" || host.hasPrefix("::ffff:127.")
        case .unix: true
        }
    }

    /// Asks `call` (`getpeername` or `getsockname`) for an end of a socket.
    init?(
        _ descriptor: Int32,
        _ call: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = unsafe withUnsafeMutablePointer(to: &storage) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe call(descriptor, $0, &size)
            }
        }
        guard status == 0 else { return nil }
        self.init(storage, size: Int(size))
    }

    private init?(_ storage: sockaddr_storage, size: Int) {
        switch Int32(storage.ss_family) {
        case AF_INET:
            let address = unsafe withUnsafeBytes(of: storage) {
                unsafe $0.load(as: sockaddr_in.self)  // S1
            }
            guard let host = Endpoint.text(AF_INET, address.sin_addr) else { return nil }
            self = .ipv4(host: host, port: UInt16(bigEndian: address.sin_port))
        case AF_INET6:
            let address = unsafe withUnsafeBytes(of: storage) {
                unsafe $0.load(as: sockaddr_in6.self)  // S1
            }
            guard let host = Endpoint.text(AF_INET6, address.sin6_addr) else { return nil }
            self = .ipv6(host: host, port: UInt16(bigEndian: address.sin6_port))
        case AF_UNIX:
            let offset = UnixAddress.pathOffset
            let path = unsafe withUnsafeBytes(of: storage) { bytes in
                unsafe Array(bytes[offset..<max(offset, min(size, UnixAddress.size))])  // S1
            }
            // A first byte of zero marks a name in the abstract space, which has no path.
            self = .unix(path: String(decoding: path.prefix { $0 != 0 }, as: UTF8.self))
        default: return nil
        }
    }

    private static func text<Address>(_ family: Int32, _ address: Address) -> String? {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            unsafe withUnsafePointer(to: address) { address -> String? in
                let result = unsafe inet_ntop(
                    family, address, buffer.baseAddress, socklen_t(buffer.count))  // S2
                return unsafe result.map { unsafe String(cString: $0) }
            }
        }
    }
}

/// The address of a unix socket with a path.
struct UnixAddress {
    private var address = sockaddr_un()

    static var size: Int { MemoryLayout<sockaddr_un>.size }
    static var pathOffset: Int { size - pathCapacity }
    private static var pathCapacity: Int { MemoryLayout.size(ofValue: sockaddr_un().sun_path) }

    init(_ path: String) throws(SystemError) {
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, !bytes.contains(0) else {
            throw SystemError(operation: "bind", code: EINVAL)
        }
        // One byte stays zero: the terminator.
        guard bytes.count < UnixAddress.pathCapacity else {
            throw SystemError(operation: "bind", code: ENAMETOOLONG)
        }
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { field in
            unsafe field.copyBytes(from: bytes)  // S3
        }
    }

    mutating func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        unsafe withUnsafePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(UnixAddress.size))
            }
        }
    }
}
