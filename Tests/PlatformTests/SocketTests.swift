//  SocketTests.swift — sockets of both families and of files.
import CPlatform
import Testing

@testable import Platform

/// A new directory under the system's place for temporary files, removed with the value.
private final class TemporaryDirectory {
    let path: String

    init() throws {
        path =
            (SystemInformation.environment("TMPDIR") ?? "/tmp") + "/platform-"
            + Random.hexadecimal(12)
        try #require(unsafe mkdir(path, 0o700) == 0)
    }

    deinit {
        _ = unsafe unlink(path + "/s")
        _ = unsafe rmdir(path)
    }
}

/// Waits for the one connection that is under way.
private func takeConnection(_ listener: Int32) throws -> Int32 {
    try #require(Descriptor.waitUntilReady(listener, timeoutMilliseconds: 10_000))
    guard case .connection(let descriptor) = Socket.accept(listener) else {
        throw SystemError(operation: "accept", code: ECONNABORTED)
    }
    return descriptor
}

/// Sends one byte from `client` to `server` and checks that it arrives.
private func exchange(_ client: Int32, _ server: Int32) throws {
    try #require(Descriptor.waitUntilReady(client, write: true, timeoutMilliseconds: 10_000))
    #expect(Socket.pendingError(client) == nil)
    let message: [UInt8] = [42]
    #expect(Socket.write(client, message.span) == 1)
    try #require(Descriptor.waitUntilReady(server, timeoutMilliseconds: 10_000))
    var received: [UInt8] = [0, 0]
    var span = received.mutableSpan
    #expect(Socket.read(server, into: &span) == 1)
    #expect(received == [42, 0])
}

@Suite("Socket") struct SocketTests {
    @Test(arguments: ["127.0.0.1", "::1"])
    func `a connection to a port that the system chose carries bytes`(host: String) throws {
        let listener = try Socket.listen(address: host, port: 0, backlog: 16)
        defer { Socket.close(listener) }
        let local = try #require(Socket.local(of: listener))
        #expect(local.host == host)
        #expect(local.port > 0)
        #expect(Socket.accept(listener) == Accepted.none)
        let client = try Socket.connect(address: host, port: local.port, from: host)
        defer { Socket.close(client) }
        let server = try takeConnection(listener)
        defer { Socket.close(server) }
        try exchange(client, server)
        #expect(Socket.peer(of: server) == Socket.local(of: client))
        #expect(Socket.local(of: server) == local)
        #expect(Socket.isLocal(server))
        #expect(Socket.peer(of: listener) == nil)
    }

    @Test func `sockets for both families share a port`() throws {
        let six = try Socket.listen(address: "::", port: 0, backlog: 1)
        defer { Socket.close(six) }
        let port = try #require(Socket.local(of: six)?.port)
        let four = try Socket.listen(address: "0.0.0.0", port: port, backlog: 1)
        defer { Socket.close(four) }
        #expect(Socket.local(of: six)?.description == "[::]:\(port)")
        #expect(Socket.local(of: four)?.description == "0.0.0.0:\(port)")
    }

    @Test func `a port in use and an address of another machine are refused by name`() throws {
        let listener = try Socket.listen(address: "127.0.0.1", port: 0, backlog: 1)
        defer { Socket.close(listener) }
        let port = try #require(Socket.local(of: listener)?.port)
        let used = #expect(throws: SystemError.self) {
            try Socket.listen(address: "127.0.0.1", port: port, backlog: 1)
        }
        #expect(used?.description == "bind: Address already in use")
        #expect(used?.meansNoSuchAddress == false)
        // From the range that is reserved for documentation.
        let foreign = #expect(throws: SystemError.self) {
            try Socket.listen(address: "192.0.2.1", port: 0, backlog: 1)
        }
        #expect(foreign?.description == "bind: Cannot assign requested address")
        #expect(foreign?.meansNoSuchAddress == true)
    }

    @Test func `an address of the wrong family is the resolver's error`() {
        let error = #expect(throws: SystemError.self) {
            try Socket.connect(address: "127.0.0.1", port: 1, from: "::1")
        }
        #expect(error?.code == 0)
        #expect(error?.description.isEmpty == false)
    }

    @Test func `connecting to a port nobody listens on reports it when it is known`() throws {
        let listener = try Socket.listen(address: "127.0.0.1", port: 0, backlog: 1)
        let port = try #require(Socket.local(of: listener)?.port)
        Socket.close(listener)
        let client = try Socket.connect(address: "127.0.0.1", port: port)
        defer { Socket.close(client) }
        try #require(Descriptor.waitUntilReady(client, write: true, timeoutMilliseconds: 10_000))
        #expect(Socket.pendingError(client)?.description == "connect: Connection refused")
        #expect(Socket.pendingError(client) == nil)
    }

    @Test func `a unix socket has its permissions and both ends show its path`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/s"
        let listener = try Socket.listen(path: path, permissions: 0o640, backlog: 16)
        defer { Socket.close(listener) }
        var info = stat()
        #expect(unsafe stat(path, &info) == 0)
        #expect(info.st_mode & 0o777 == 0o640)
        let client = try Socket.connect(path: path)
        defer { Socket.close(client) }
        let server = try takeConnection(listener)
        defer { Socket.close(server) }
        try exchange(client, server)
        #expect(Socket.peer(of: server)?.description == path + ":0")
        #expect(Socket.local(of: server) == .unix(path: path))
        #expect(Socket.isLocal(client))
    }

    @Test func `a socket left behind is replaced, another file is not`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/s"
        for _ in 0..<2 {
            Socket.close(try Socket.listen(path: path, permissions: 0, backlog: 1))
        }
        _ = unsafe unlink(path)
        Descriptor.close(try Descriptor.openForAppending(path))
        let error = #expect(throws: SystemError.self) {
            try Socket.listen(path: path, permissions: 0, backlog: 1)
        }
        #expect(error?.description == "bind: Address already in use")
    }

    @Test(arguments: [
        ("", EINVAL), ("a\0b", EINVAL), (String(repeating: "x", count: 108), ENAMETOOLONG),
    ])
    func `a path that does not fit is refused`(path: String, code: Int32) {
        let error = #expect(throws: SystemError.self) {
            try Socket.listen(path: path, permissions: 0, backlog: 1)
        }
        #expect(error?.code == code)
    }

    @Test func `the longest path fits`() throws {
        let directory = try TemporaryDirectory()
        let padding = 107 - directory.path.utf8.count - 1
        try #require(padding > 0)
        let path = directory.path + "/" + String(repeating: "x", count: padding)
        let listener = try Socket.listen(path: path, permissions: 0, backlog: 1)
        defer {
            Socket.close(listener)
            _ = unsafe unlink(path)
        }
        #expect(Socket.local(of: listener) == .unix(path: path))
    }

    @Test func `options for TCP are set as asked`() throws {
        let listener = try Socket.listen(address: "127.0.0.1", port: 0, backlog: 1)
        defer { Socket.close(listener) }
        let tcp = Int32(IPPROTO_TCP)
        Socket.setNoDelay(listener)
        Socket.setKeepAlive(listener, seconds: 300)
        #expect(Socket.option(listener, tcp, TCP_NODELAY) == 1)
        #expect(Socket.option(listener, SOL_SOCKET, SO_KEEPALIVE) == 1)
        #expect(Socket.option(listener, tcp, TCP_KEEPIDLE) == 300)
        #expect(Socket.option(listener, tcp, TCP_KEEPINTVL) == 100)
        #expect(Socket.option(listener, tcp, TCP_KEEPCNT) == 3)
        Socket.setKeepAlive(listener, seconds: 1)
        #expect(Socket.option(listener, tcp, TCP_KEEPINTVL) == 1)
        Socket.setKeepAlive(listener, seconds: 0)
        #expect(Socket.option(listener, SOL_SOCKET, SO_KEEPALIVE) == 0)
    }

    @Test func `reads and writes tell bytes, end, waiting and failure apart`() throws {
        let (a, b) = try Socket.pair()
        defer { Socket.close(b) }
        var bytes = [UInt8](repeating: 0, count: 4)
        var span = bytes.mutableSpan
        #expect(Socket.read(b, into: &span) == Socket.wouldBlock)
        let message: [UInt8] = [1, 2, 3, 4, 5]
        #expect(Socket.write(a, message.span, from: 2) == 3)
        #expect(Socket.read(b, into: &span) == 3)
        #expect(Socket.write(a, message.span, from: 5) == 0)
        Socket.close(a)
        #expect(Socket.read(b, into: &span) == 0)
        // The signal that would end the process does not come.
        #expect(Socket.write(b, message.span) == Socket.broken)
        #expect(Socket.lastFailure.code == EPIPE)
        #expect(Socket.read(-1, into: &span) == Socket.broken)
        #expect(Socket.lastFailure.code == EBADF)
        #expect(bytes == [3, 4, 5, 0])
    }

    @Test func `a process without free descriptors is told so, and the connection waits`() async {
        await #expect(processExitsWith: .success) {
            let listener = try Socket.listen(address: "127.0.0.1", port: 0, backlog: 1)
            let port = try #require(Socket.local(of: listener)?.port)
            let client = try Socket.connect(address: "127.0.0.1", port: port)
            try #require(Descriptor.waitUntilReady(listener, timeoutMilliseconds: 10_000))
            var limit = rlimit()
            try #require(unsafe cp_get_file_limit(&limit) == 0)
            let usual = limit.rlim_cur
            limit.rlim_cur = rlim_t(client)
            try #require(unsafe cp_set_file_limit(&limit) == 0)
            #expect(Socket.accept(listener) == .exhausted(EMFILE))
            limit.rlim_cur = usual
            try #require(unsafe cp_set_file_limit(&limit) == 0)
            Socket.close(try takeConnection(listener))
        }
    }

    @Test func `accepting from what is not a listener fails for good`() throws {
        #expect(Socket.accept(-1) == .exhausted(EBADF))
        let pair = try SocketPair()
        #expect(Socket.accept(pair.a) == .exhausted(EINVAL))
    }

    @Test(arguments: [
        (Endpoint.ipv4(host: "127.0.0.1", port: 1234), "127.0.0.1:1234", true),
        (.ipv4(host: "127.9.9.9", port: 1), "127.9.9.9:1", true),
        (.ipv4(host: "10.0.0.1", port: 0), "10.0.0.1:0", false),
        (.ipv6(host: "::1", port: 1234), "[::1]:1234", true),
        (.ipv6(host: "::ffff:127.0.0.1", port: 5), "[::ffff:127.0.0.1]:5", true),
        (.ipv6(host: "2001:db8::1", port: 5), "[2001:db8::1]:5", false),
        (.unix(path: "/run/x"), "/run/x:0", true),
    ])
    func `an address reads as host and port`(endpoint: Endpoint, text: String, isLocal: Bool) {
        #expect(endpoint.description == text)
        #expect(endpoint.isLocal == isLocal)
    }
}
