//  Peer.swift — a real server of the version we follow, to compare with.  U
//
//  Found in `.peers/redis-8.2.3/redis-server` under the package or named by MARTLET_PEER; without
//  it the tests that need it are skipped. Each peer listens on a free loopback port, keeps nothing
//  on disk and ends with its owner.
//
//  ## Safety
//  - S1: addresses and buffers handed to the system outlive the call and have the stated size.
import Glibc
import Testing

final class Peer {
    private let process: pid_t
    private var socket: Int32 = -1
    private var reader = RESPReader()

    /// The server's binary, if there is one.
    static var binary: String? {
        let named = unsafe getenv("MARTLET_PEER").map { unsafe String(cString: $0) }  // S1
        if let named { return named }
        let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let path = "/\(root)/.peers/redis-8.2.3/redis-server"
        return unsafe access(path, X_OK) == 0 ? path : nil
    }

    /// Starts the server and connects; throws if it does not answer within ten seconds.
    init(version: Int = 2) throws {
        let binary = try #require(Self.binary)
        let port = Self.freePort()
        process = try Self.spawn([
            binary, "--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--logfile", "/dev/null",
        ])
        for _ in 0..<1000 where socket < 0 {
            socket = Self.connect(port)
            if socket < 0 { usleep(10_000) }
        }
        try #require(socket >= 0, "the peer does not listen")
        if version == 3 { _ = try send(["HELLO", "3"]) }
    }

    deinit {
        if socket >= 0 { close(socket) }
        kill(process, SIGKILL)
        var status: Int32 = 0
        unsafe waitpid(process, &status, 0)  // S1
    }

    private static func spawn(_ words: [String]) throws -> pid_t {
        var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        defer { unsafe arguments.forEach { unsafe free($0) } }
        // Its output must not keep the pipe of the test run open.
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        unsafe posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var process: pid_t = 0
        let result = unsafe posix_spawn(&process, words[0], &actions, nil, &arguments, nil)  // S1
        try #require(result == 0, "the peer does not start")
        return process
    }

    /// Sends one request and waits for its reply.
    func send(_ words: [String]) throws -> RESPValue {
        var request = "*\(words.count)\r\n"
        for word in words { request += "$\(word.utf8.count)\r\n\(word)\r\n" }
        let bytes = Array(request.utf8)
        let sent = unsafe bytes.withUnsafeBytes {
            unsafe Glibc.send(socket, $0.baseAddress, $0.count, 0)  // S1
        }
        try #require(sent == bytes.count)
        reader = RESPReader(Array(reader.bytes[reader.position...]))
        while true {
            if let value = reader.next() { return value }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = unsafe chunk.withUnsafeMutableBytes {
                unsafe recv(socket, $0.baseAddress, $0.count, 0)  // S1
            }
            try #require(count > 0, "the peer closed the connection")
            reader.bytes += chunk[..<count]
        }
    }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private static func connect(_ port: UInt16) -> Int32 {
        let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = address(port)
        let result = unsafe withUnsafePointer(to: &address) { pointer in  // S1
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            close(descriptor)
            return -1
        }
        return descriptor
    }

    /// A port that nobody listens on right now.
    private static func freePort() -> UInt16 {
        let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = address(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        unsafe withUnsafeMutablePointer(to: &address) { pointer in  // S1
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = unsafe bind(descriptor, $0, size)
                _ = unsafe getsockname(descriptor, $0, &size)
            }
        }
        return UInt16(bigEndian: address.sin_port)
    }
}
