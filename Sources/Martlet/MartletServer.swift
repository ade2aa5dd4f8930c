//  MartletServer.swift — a server inside a Swift process.
import Engine
import Logging

/// A server that runs on the thread of its caller.
public struct MartletServer {
    private let configuration: Configuration
    private let logger: Logger?

    public init(configuration: Configuration, logger: Logger?) throws {
        self.configuration = configuration
        self.logger = logger
    }

    /// Serves until it is told to stop.
    public func run() {}
}
