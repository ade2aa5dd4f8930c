//  DiskServer.swift — a server, ours or a real one, that keeps its data in a folder of the test's.
import Platform
import TestSupport

final class DiskServer {
    let port: Int
    let process: ChildProcess
    let client: RESPClient

    static let martlet = Programs.find(".build/debug/martlet", ".build/release/martlet")
    static let redis7 = Programs.find(".peers/redis-7.0.15/redis-server")
    static let redis8 = Programs.find(".peers/redis-8.2.3/redis-server")
    static let hasAll = martlet != nil && redis7 != nil && redis8 != nil

    /// Starts `binary` on the files in `folder` and waits until it has loaded them.
    ///
    /// It gets the variables of `environment`, as `NAME=value`, beside those of the test.
    ///
    /// - Throws: `TestFailure` with the log when it ends instead.
    init(
        _ binary: String?, in folder: String, _ arguments: [String] = [],
        environment: [String] = []
    ) throws {
        port = try freePort()
        process = try Self.start(binary, port, folder, arguments, environment)
        let port = port, process = process
        var client: RESPClient?
        try waitUntil("the server has loaded its data", seconds: 60) {
            if process.hasEnded { return true }
            if client == nil { client = try? RESPClient(port: port, version: 2) }
            guard let reply = try? client?("PING") else {
                client = nil
                return false
            }
            return reply.text == "PONG"
        }
        guard let client, !process.hasEnded else {
            throw TestFailure("the server does not start: \(process.output.suffix(600))")
        }
        self.client = client
    }

    /// Starts `binary` and does not wait for it.
    static func start(
        _ binary: String?, _ port: Int, _ folder: String, _ arguments: [String] = [],
        _ environment: [String] = []
    ) throws -> ChildProcess {
        guard let binary else { throw TestFailure("a server is missing") }
        let words = [
            "--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--enable-debug-command",
            "yes", "--dir", folder,
        ]
        if environment.isEmpty { return try ChildProcess(binary, words + arguments, in: folder) }
        return try ChildProcess(
            "/usr/bin/env", environment + [binary] + words + arguments, in: folder)
    }

    /// What `binary` says when it does not start with the files in `folder`; nil when it does.
    static func refusal(
        _ binary: String?, in folder: String, _ arguments: [String] = []
    ) throws -> String? {
        let port = try freePort()
        let process = try start(binary, port, folder, arguments)
        var isUp = false
        try waitUntil("the server starts or ends", seconds: 60) {
            if process.hasEnded { return true }
            let client = try? RESPClient(port: port, version: 2)
            isUp = (try? client?("PING").text) == "PONG"
            return isUp
        }
        return isUp ? nil : process.output
    }

    /// Ends it with SIGKILL.
    ///
    /// - Parameter settles: What it has yet to give the system comes first: while the disk is busy,
    ///   the last of what was acknowledged is in the process only, but with `always`.
    /// - Throws: The system's refusal to tell how it ended.
    func crash(settles: Bool = true) throws {
        if settles, !process.hasEnded {
            try? waitUntil("everything is written", seconds: 5) {
                let isFailing = try info("aof_last_write_status") != "ok"
                return try isFailing || ["", "0"].contains(info("aof_buffer_length"))
            }
        }
        process.crash()
        _ = try process.wait()
    }

    /// Asks it to end, and returns its exit code.
    func end() throws -> Int {
        process.terminate()
        return try process.wait()
    }

    /// A field of INFO.
    func info(_ name: String) throws -> String {
        let text = try client("INFO", "everything").text ?? ""
        for line in text.split(whereSeparator: \.isNewline) where line.hasPrefix(name + ":") {
            return String(line.dropFirst(name.count + 1))
        }
        return ""
    }

    /// Another connection.
    func connect() throws -> RESPClient { try RESPClient(port: port, version: 2) }

    /// Asks for a rewrite and waits for its end.
    func rewrite() throws {
        let reply = try client("BGREWRITEAOF")
        guard !reply.isError else { throw TestFailure("BGREWRITEAOF: \(reply)") }
        try waitForRewrite()
    }

    /// Waits until no rewrite is going on or about to.
    func waitForRewrite() throws {
        try waitUntil("there is no rewrite", seconds: 60) {
            let text = try client("INFO", "persistence").text ?? ""
            return text.contains("aof_rewrite_in_progress:0")
                && text.contains("aof_rewrite_scheduled:0")
        }
    }

    /// Waits until INFO says `value`.
    func waitFor(_ name: String, _ value: String) throws {
        try waitUntil("\(name) is \(value)", seconds: 60) { try info(name) == value }
    }
}
