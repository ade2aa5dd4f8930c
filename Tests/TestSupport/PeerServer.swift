//  PeerServer.swift — a real server of the version we follow, to compare with.
//
//  Named by MARTLET_PEER, fetched by `make peers`, or installed; without one the tests that need
//  it are skipped. Each peer listens on a free loopback port, keeps nothing on disk and ends with
//  its owner.
import Platform

package final class PeerServer {
    package let port: Int
    /// A connection for tests that need no more than one.
    package let client: RESPClient
    private let directory: TemporaryDirectory
    private let process: ChildProcess

    /// The server's binary, if there is one.
    package static let binary: String? =
        Programs.environment("MARTLET_PEER")
        ?? Programs.find(
            ".peers/redis-8.2.3/redis-server", ".peers/redis-7.0.15/redis-server", "redis-server")

    /// The binary, if it is of the very version that replies are compared with.
    package static let exactBinary: String? =
        Programs.environment("MARTLET_PEER") ?? Programs.find(".peers/redis-8.2.3/redis-server")

    /// Starts a server, connects and waits until it answers.
    package init(version: Int = 2, _ arguments: String...) throws {
        guard let binary = Self.binary else { throw TestFailure("no peer is installed") }
        directory = try TemporaryDirectory()
        // Somebody else may take the port in between; then another one does.
        for attempt in 1... {
            let port = try freePort()
            let process = try ChildProcess(
                binary,
                [
                    "--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                    "--enable-debug-command", "yes", "--dir", directory.path,
                ] + arguments, in: directory.path)
            if let client = try Self.connect(process, port, version) {
                self.port = port
                self.process = process
                self.client = client
                return
            }
            if attempt == 5 { throw TestFailure("the peer does not start: \(process.output)") }
        }
        throw TestFailure("the peer does not start")
    }

    private static func connect(
        _ process: ChildProcess, _ port: Int, _ version: Int
    ) throws -> RESPClient? {
        var client: RESPClient?
        try waitUntil("the peer answers") {
            client = try? RESPClient(port: port, version: version)
            return client != nil || process.hasEnded
        }
        return client
    }

    /// Sends one request and waits for its reply.
    package func send(_ words: [String]) throws -> RESPValue { try client.send(words) }
}

/// A TCP port that nobody listens on right now.
package func freePort() throws -> Int {
    let descriptor = try Socket.listen(address: "127.0.0.1", port: 0, backlog: 1)
    defer { Socket.close(descriptor) }
    return Int(Socket.port(of: descriptor))
}
