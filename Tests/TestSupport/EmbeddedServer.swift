//  EmbeddedServer.swift — a server of ours in this process, on a free port.
package import Engine
import Logging
import Martlet
import Synchronization

package final class EmbeddedServer {
    package let port: Int
    package let log = CollectedLog()
    private let server: MartletServer
    /// Where commands that write files write them.
    private let directory: TemporaryDirectory

    /// Starts a server; `configure` may change any setting but the port.
    ///
    /// The variable MARTLET_EVENT_LOOP names the event loop that servers of tests use which do not
    /// choose one.
    package init(_ configure: (inout Configuration) -> Void = { _ in }) throws {
        var configuration = Configuration()
        configuration.enableDebugCommand = .yes
        configuration.save = []
        directory = try TemporaryDirectory()
        configuration.directory = directory.path
        let choice = Programs.environment("MARTLET_EVENT_LOOP") ?? ""
        if let eventLoop = EventLoop(rawValue: choice) { configuration.eventLoop = eventLoop }
        configure(&configuration)
        let collected = log
        let logger = Logger(label: "test") { _ in CollectingHandler(collected) }
        server = try MartletServer.start(configuration: configuration, logger: logger)
        port = server.port
    }

    deinit { server.stop() }

    package func stop() { server.stop() }

    /// A new connection.
    package func connect(version: Int = 2) throws -> RESPClient {
        try RESPClient(port: port, version: version)
    }
}

/// The lines that a server has logged.
package final class CollectedLog: Sendable {
    private let messages = Mutex<[String]>([])

    package var lines: [String] { messages.withLock { $0 } }

    package func contains(_ text: String) -> Bool { lines.contains { $0.contains(text) } }

    fileprivate func add(_ line: String) { messages.withLock { $0.append(line) } }
}

private struct CollectingHandler: LogHandler {
    var logLevel = Logger.Level.debug
    var metadata = Logger.Metadata()
    private let collected: CollectedLog

    init(_ collected: CollectedLog) { self.collected = collected }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { collected.add("\(event.message)") }
}
