//  Program.swift — the program of this build as a process, and the tools that people use with it.
import Platform
import TestSupport

/// A running `martlet` on a free port.
final class Program {
    let port: Int
    let process: ChildProcess
    let directory: TemporaryDirectory

    static let path = Programs.find(".build/debug/martlet", ".build/release/martlet")

    /// Starts it and waits until it is ready or has given up.
    ///
    /// - Parameters:
    ///   - file: The text of a configuration file.
    ///   - arguments: Further words; `{dir}` in them stands for its own folder.
    /// - Throws: `TestFailure` when it does not get so far.
    init(file: String? = nil, _ arguments: [String] = []) throws {
        guard let path = Self.path else { throw TestFailure("the program is not built") }
        directory = try TemporaryDirectory()
        port = try freePort()
        let folder = directory.path
        var words: [String] = []
        if let file {
            try FileSystem.replace(folder + "/martlet.conf", with: Array(file.utf8))
            words.append(folder + "/martlet.conf")
        }
        words += ["--port", "\(port)", "--dir", folder]
        words += arguments.map { word in
            word.hasPrefix("{dir}") ? folder + word.dropFirst("{dir}".count) : word
        }
        process = try ChildProcess(path, words, in: folder)
        let socket = folder + "/socket"
        try waitUntil("it is ready") {
            // Who logs little may have a socket in the folder.
            process.output.contains("Ready to accept connections") || process.hasEnded
                || (try? RESPClient(path: socket)) != nil
        }
    }

    func connect() throws -> RESPClient { try RESPClient(port: port) }

    /// Asks it to end and returns its exit code.
    func end() throws -> Int {
        process.terminate()
        return try process.wait()
    }
}

/// Tools of the peers; nil where they are missing.
enum Tools {
    static let redisCLI = Programs.find(".peers/redis-7.0.15/redis-cli", "redis-cli")
    static let redisBenchmark = Programs.find(
        ".peers/redis-7.0.15/redis-benchmark", "redis-benchmark")
    static let python = Programs.find(".peers/python/bin/python3", ".peers/python/bin/python")

    /// Whether Celery and RQ are there.
    static let hasJobQueues: Bool = {
        guard let python else { return false }
        return (try? run(python, ["-c", "import celery, rq"]).code) == 0
    }()

    /// Whether this machine lends a network of its own to a process.
    static let hasNamespaces: Bool = {
        let words = ["-c", "unshare -rn ip link set lo up"]
        return (try? run("/bin/sh", words).code) == 0
    }()
}
