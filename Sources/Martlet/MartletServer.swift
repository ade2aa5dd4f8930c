//  MartletServer.swift — a whole server inside a Swift program.
//
//  The server runs on a thread of its own; any number of them live in one process.
//
//      let server = try MartletServer.start()
//      // Connect any Redis client to 127.0.0.1 at server.port.
//      server.stop()
import Engine
import Logging
import Platform
import Synchronization

public typealias Configuration = Engine.Configuration

/// A running server.
public final class MartletServer: Sendable {
    /// The TCP port that the server listens on; 0 without one.
    public let port: Int
    private let mailbox: Mailbox<ServerMessage>
    private let thread: Mutex<WorkerThread?>

    private init(port: Int, mailbox: Mailbox<ServerMessage>, thread: WorkerThread?) {
        self.port = port
        self.mailbox = mailbox
        self.thread = Mutex(thread)
    }

    /// Starts a server on a thread of its own and returns once it serves.
    ///
    /// Data are kept in memory only, unless the configuration sets save points, `appendonly` or
    /// `dir`.
    ///
    /// - Parameters:
    ///   - port: TCP port on the configured addresses; 0 lets the system choose a free one.
    ///   - configuration: Everything else; by default as redis.conf without a line.
    ///   - logger: Where the server reports; by default nowhere.
    /// - Returns: The server, which runs until `stop` or until nobody holds it.
    /// - Throws: `MartletError` when an address cannot be bound.
    public static func start(
        port: Int = 0, configuration: Configuration = Configuration(), logger: Logger? = nil
    ) throws(MartletError) -> MartletServer {
        var configuration = configuration
        configuration.port = port
        configuration.forgetInitialSavePoints()
        let settings = configuration
        let log = logger ?? Logger(label: "martlet") { _ in SwiftLogNoOpLogHandler() }
        do {
            let mailbox = try Mailbox<ServerMessage>()
            let started = Latch<Result<Int, any Error>>()
            let thread = try WorkerThread.start(name: "martlet") {
                serve(settings, log, mailbox, started)
            }
            let port = try started.wait().get()
            return MartletServer(port: port, mailbox: mailbox, thread: thread)
        } catch {
            throw MartletError(reason: "\(error)")
        }
    }

    private static func serve(
        _ configuration: Configuration, _ log: Logger, _ mailbox: Mailbox<ServerMessage>,
        _ started: Latch<Result<Int, any Error>>
    ) {
        do {
            var server = try Server.make(
                configuration, identity: ServerIdentity(configurationFile: ""), log: log,
                mailbox: mailbox)
            try server.listen(onAnyPort: configuration.port == 0)
            try server.load()
            started.open(.success(server.port))
            server.run()
        } catch {
            started.open(.failure(error))
        }
    }

    /// Stops the server and waits until it has; connections end.
    ///
    /// Further calls do nothing.
    public func stop() {
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        guard let running else { return }
        mailbox.post(.stop(reason: ""))
        running.join()
    }

    deinit { stop() }
}

/// Why a server did not start.
public struct MartletError: Error, CustomStringConvertible {
    public let reason: String
    public var description: String { reason }
}
