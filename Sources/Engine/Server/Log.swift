//  Log.swift — log lines in redis-server's format, behind swift-log.
//
//      4711:M 23 Nov 2026 09:10:07.476 * Ready to accept connections tcp
//      pid, role, local time, level: . debug  - verbose  * notice  # warning
//
//  The server speaks to a swift-log `Logger`, so that an embedder may pass any other. A line is one
//  `write` to a descriptor or to a file opened for appending; a file is opened for every line, as
//  redis-server does, so a rotated log needs no signal and the handler keeps no state to lock.
import Logging
import Platform

/// Writes lines as redis-server does.
public struct RedisLineHandler: LogHandler {
    /// Where lines go.
    public enum Destination: Sendable, Equatable {
        case standardOutput
        case file(String)
    }

    public var metadata = Logger.Metadata()
    public var logLevel: Logger.Level
    private let destination: Destination
    private let processID: Int32

    public init(_ destination: Destination = .standardOutput, level: Logger.Level = .notice) {
        self.destination = destination
        logLevel = level
        processID = SystemInformation.processID
    }

    /// A logger as the configuration asks for; fails when its file cannot be written to.
    public static func logger(
        for configuration: Configuration
    ) throws(ConfigurationError) -> Logger {
        var destination = Destination.standardOutput
        let path = configuration.logFile
        if !path.isEmpty {
            let directory = configuration.directory
            let isComplete = path.hasPrefix("/") || directory.isEmpty
            let file = isComplete ? path : directory + "/" + path
            do throws(SystemError) {
                try FileSystem.append([], to: file)
            } catch {
                throw ConfigurationError(
                    """

                    *** FATAL CONFIG FILE ERROR (Martlet \(ServerIdentity.version)) ***
                    Can't open the log file: \(error.reason)
                    """)
            }
            destination = .file(file)
        }
        let handler = RedisLineHandler(destination, level: configuration.logLevel.threshold)
        return Logger(label: "martlet") { _ in handler }
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var text = "\(event.message)"
        if let error = event.error { text += ": \(error)" }
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) { text += " \(key)=\(value)" }
        let bytes = Self.line(
            text, level: event.level, processID: processID,
            at: LocalTime(unixMilliseconds: Clock.unixMilliseconds()))
        // A log that cannot be written has nowhere to say so.
        switch destination {
        case .standardOutput: try? FileSystem.write(bytes, to: 1)
        case .file(let path): try? FileSystem.append(bytes, to: path)
        }
    }

    /// The bytes of one line.
    ///
    /// Control characters become spaces: no text forges a second line.
    static func line(
        _ text: String, level: Logger.Level, processID: Int32, at time: LocalTime
    ) -> [UInt8] {
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        let month = months[min(max(time.month - 1, 0), 11)]
        let date = "\(padded(time.day, 2)) \(month) \(time.year)"
        let clock = [time.hour, time.minute, time.second].map { padded($0, 2) }
        let moment = clock.joined(separator: ":") + "." + padded(time.millisecond, 3)
        var bytes = Array("\(processID):M \(date) \(moment) \(sign(of: level)) ".utf8)
        bytes += text.utf8.map { $0 < 32 || $0 == 127 ? 32 : $0 }
        bytes.append(10)
        return bytes
    }

    private static func sign(of level: Logger.Level) -> String {
        switch level {
        case .trace, .debug: "."
        case .info: "-"
        case .notice: "*"
        case .warning, .error, .critical: "#"
        }
    }

    private static func padded(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

extension LogLevel {
    /// The lowest level of swift-log that is still written.
    ///
    /// Nothing is logged at `critical`, so `nothing` silences all.
    public var threshold: Logger.Level {
        switch self {
        case .debug: .debug
        case .verbose: .info
        case .notice: .notice
        case .warning: .warning
        case .nothing: .critical
        }
    }
}

/// Lines of the start and the end that test harnesses and service managers look for.
public enum LifecycleText {
    public static let starting = "oO0OoO0OoO0Oo Martlet is starting oO0OoO0OoO0Oo"

    public static func version(commit: String = "00000000") -> String {
        "Martlet version=\(ServerIdentity.version), bits=64, commit=\(commit), modified=0, "
            + "pid=\(SystemInformation.processID), just started"
    }

    public static let configured = "Configuration loaded"
    /// A warning.
    public static let unconfigured =
        "Warning: no config file specified, using the default config. In order to specify a "
        + "config file use martlet /path/to/martlet.conf"

    public static func running(port: Int) -> String { "Running mode=standalone, port=\(port)." }

    public static let initialized = "Server initialized"
    public static let readyTCP = "Ready to accept connections tcp"
    public static let readyUnix = "Ready to accept connections unix"

    /// A warning.
    public static func cannotListen(on address: String, port: Int, _ reason: String) -> String {
        "Warning: Could not create server TCP listening socket \(address):\(port): \(reason)"
    }

    /// A warning.
    public static func failed(port: Int) -> String {
        "Failed listening on port \(port) (tcp), aborting."
    }

    /// A warning.
    public static let deaf = "Configured to not listen anywhere, exiting."

    public static func received(signal: String) -> String {
        "Received \(signal) scheduling shutdown..."
    }

    public static let shutdownRequested = "User requested shutdown..."
    /// A warning.
    public static let bye = "Martlet is now ready to exit, bye bye..."

    /// The first lines of a process, with a warning for each directive that was set in vain.
    public static func logStart(of configuration: Configuration, to logger: Logger) {
        logger.notice("\(starting)")
        logger.notice("\(version())")
        if configuration.isUntouched {
            logger.warning("\(unconfigured)")
        } else {
            logger.notice("\(configured)")
        }
        for (name, reason) in configuration.withoutEffect {
            logger.warning("The directive '\(name)' has no effect: \(reason).")
        }
    }

    /// The lines of a server that has bound its addresses and accepts connections from now on.
    public static func logReady(
        port: Int, tcp: Bool, unix: Bool, eventLoop: String, to logger: Logger
    ) {
        logger.notice("\(running(port: port))")
        logger.notice("Event loop: \(eventLoop)")
        logger.notice("PID: \(SystemInformation.processID)")
        logger.notice("\(initialized)")
        if tcp { logger.notice("\(readyTCP)") }
        if unix { logger.notice("\(readyUnix)") }
    }
}
