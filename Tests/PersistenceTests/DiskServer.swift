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
    /// - Throws: `TestFailure` with the log when it ends instead.
    init(_ binary: String?, in folder: String, _ arguments: [String] = []) throws {
        guard let binary else { throw TestFailure("a server is missing") }
        port = try freePort()
        // The log is beside the data, not among them.
        let words = [
            "--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--enable-debug-command",
            "yes",
            "--dir", folder,
        ]
        process = try ChildProcess(binary, words + arguments, in: folder)
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

    /// Ends it at once.
    func crash() throws {
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

    /// Waits until INFO says `value`.
    func waitFor(_ name: String, _ value: String) throws {
        try waitUntil("\(name) is \(value)", seconds: 60) { try info(name) == value }
    }
}
