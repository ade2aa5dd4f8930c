//  LocalServer.swift — an executor without a socket, driven by requests in the test.
import Logging
import TestSupport

@testable import Engine

/// One server with one client, in this process.
final class LocalServer {
    private var executor: Executor
    private let slot: Int
    private var state = ParserState()

    /// Where commands that write files write them.
    private let directory = try? TemporaryDirectory()

    init(version: RESPVersion = .resp2, configuration: Configuration = Configuration()) {
        var configuration = configuration
        configuration.save = []
        if let directory { configuration.directory = directory.path }
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        executor = Executor(
            configuration: configuration, identity: ServerIdentity(configurationFile: ""), log: log)
        slot = executor.call.clients.open(now: executor.call.now)
        executor.call.clients[slot].session.version = version
    }

    /// Runs one request and takes its reply apart; nil if there is none.
    func callAsFunction(_ words: [String]) -> RESPValue? {
        var request = "*\(words.count)\r\n"
        for word in words { request += "$\(word.utf8.count)\r\n\(word)\r\n" }
        var reader = RESPReader(replies(to: request))
        return reader.next()
    }

    func callAsFunction(_ words: String...) -> RESPValue? { self(words) }

    /// The bytes that `input` is answered with.
    func replies(to input: String) -> [UInt8] {
        let bytes = Array(input.utf8)
        var reply = Reply()
        _ = executor.serve(bytes.span, &state, client: slot, &reply)
        return reply.out.span.array
    }

    /// Whether the client waits for a key.
    var isBlocked: Bool { executor.call.clients[slot].wait != nil }

    /// Ends the client's wait.
    func unblock() { executor.call.endWait(slot) }
}
