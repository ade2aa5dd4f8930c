//  Service.swift — one server as a process of its own.
import Engine
import Logging
import Platform

/// Runs a server until a signal or SHUTDOWN ends it.
struct Service {
    private var configuration: Configuration
    private let log: Logger

    /// Descriptors that the process needs besides those of clients.
    private static let reservedDescriptors = 32

    init(_ configuration: Configuration) throws {
        self.configuration = configuration
        log = try RedisLineHandler.logger(for: configuration)
    }

    /// Serves; returns when the server was told to stop.
    mutating func run() throws {
        // Before there is a second thread: all of them have to leave signals to the loop.
        let signals = try Signals()
        Signals.ignoreDisconnections()
        if !Process.disableHugePages() { log.debug("Transparent huge pages stay on.") }
        LifecycleText.logStart(of: configuration, to: log)
        raiseDescriptorLimit()
        var server = try Server.make(
            configuration, identity: ServerIdentity(configurationFile: configuration.file),
            log: log, mailbox: try Mailbox<ServerMessage>(), signals: signals)
        do {
            try server.listen()
        } catch {
            // The reason stands in the log.
            log.warning("\(LifecycleText.failed(port: configuration.port))")
            Process.exit(1)
        }
        guard server.listensOnTCP || server.listensOnUnixSocket else {
            log.warning("\(LifecycleText.deaf)")
            Process.exit(1)
        }
        let processFile = configuration.processFile
        if let processFile {
            let line = Array("\(SystemInformation.processID)\n".utf8)
            try? FileSystem.replace(processFile, with: line)
        }
        LifecycleText.logReady(
            port: server.port, tcp: server.listensOnTCP, unix: server.listensOnUnixSocket,
            eventLoop: server.eventLoop, to: log)
        do {
            try server.beginLoading()
        } catch {
            log.critical("\(error)")
            Process.exit(1)
        }
        server.run()
        if server.hasFailed { Process.exit(1) }
        if let processFile { FileSystem.remove(processFile) }
        log.warning("\(LifecycleText.bye)")
    }

    /// Makes room for `maxclients`, or lowers it to what there is room for.
    private mutating func raiseDescriptorLimit() {
        let wanted = configuration.maxClients + Self.reservedDescriptors
        let limit = Process.raiseDescriptorLimit(to: wanted)
        guard limit < wanted else { return }
        let possible = max(limit - Self.reservedDescriptors, 1)
        log.warning(
            """
            You requested maxclients of \(configuration.maxClients) requiring at least \(wanted) \
            max file descriptors. The system allows \(limit): maxclients has been reduced to \
            \(possible). Raise the limit with 'ulimit -n' for more.
            """)
        configuration.maxClients = possible
    }
}
