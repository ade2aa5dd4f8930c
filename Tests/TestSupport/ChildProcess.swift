//  ChildProcess.swift — another program, ended at the latest with its owner.  U
//
//  ## Safety
//  - S1: argument and environment lists live until the call has returned and end with nil.
//  - S2: `status` outlives the call.
import Platform

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

package final class ChildProcess {
    package let id: pid_t
    /// Where its output goes, both streams of it.
    package let outputPath: String
    private var exitStatus: Int32?

    /// Starts the program at `path`; its output goes to `output.log` in `directory`, and it gets
    /// nothing to read.
    package init(_ path: String, _ arguments: [String], in directory: String) throws {
        outputPath = directory + "/output.log"
        var words = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
        defer { unsafe words.forEach { unsafe free($0) } }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        let flags = O_WRONLY | O_CREAT | O_TRUNC
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_addopen(&actions, 1, outputPath, flags, 0o600)
        unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // Threads that run tests may have signals blocked; a program expects none to be.
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var id: pid_t = 0
        let result = unsafe posix_spawn(&id, path, &actions, &attributes, &words, environ)  // S1
        guard result == 0 else { throw TestFailure("\(path) does not start: error \(result)") }
        self.id = id
    }

    deinit {
        guard !hasEnded else { return }
        kill(id, SIGKILL)
        while !hasEnded { Clock.sleep(microseconds: 1000) }
    }

    /// What it has written so far.
    package var output: String {
        let bytes = (try? FileSystem.read(outputPath, bytesMax: 64 << 20)) ?? []
        return String(decoding: bytes, as: UTF8.self)
    }

    package var hasEnded: Bool {
        if exitStatus != nil { return true }
        var status: Int32 = 0
        guard unsafe waitpid(id, &status, WNOHANG) == id else { return false }  // S2
        exitStatus = status
        return true
    }

    /// Asks the program to end.
    package func terminate() { kill(id, SIGTERM) }

    /// Does what ^C does.
    package func interrupt() { kill(id, SIGINT) }

    /// Ends the program without giving it a chance to do anything.
    package func crash() { kill(id, SIGKILL) }

    /// Waits for its end: the exit code, or the negative number of the signal that ended it.
    package func wait(seconds: Int = 60) throws -> Int {
        try waitUntil("process \(id) has ended", seconds: seconds) { hasEnded }
        let status = exitStatus ?? 0
        return status & 0x7F == 0 ? Int(status >> 8) & 0xFF : -Int(status & 0x7F)
    }
}

/// Runs `path` to its end: exit code and output.
package func run(
    _ path: String, _ arguments: [String], seconds: Int = 60
) throws -> (code: Int, output: String) {
    let directory = try TemporaryDirectory()
    let process = try ChildProcess(path, arguments, in: directory.path)
    let code = try process.wait(seconds: seconds)
    return (code, process.output)
}

/// Waits until `condition` holds, looking again and again.
package func waitUntil(
    _ what: String, seconds: Int = 60, _ condition: () throws -> Bool
) throws {
    let deadline = Clock.monotonicNanoseconds() + Int64(seconds) * 1_000_000_000
    while try !condition() {
        guard Clock.monotonicNanoseconds() < deadline else {
            throw TestFailure("\(what): not within \(seconds) seconds")
        }
        Clock.sleep(microseconds: 1000)
    }
}

/// A folder that goes with its owner.
package final class TemporaryDirectory: Sendable {
    package let path: String

    package init() throws { path = try FileSystem.makeTemporaryDirectory("martlet-test-") }

    deinit {
        // One level of folders is enough for what tests make.
        for file in FileSystem.paths(matching: path + "/*/*") { FileSystem.remove(file) }
        for file in FileSystem.paths(matching: path + "/*") {
            FileSystem.remove(file)
            FileSystem.removeDirectory(file)
        }
        FileSystem.removeDirectory(path)
    }
}

/// Programs that tests want and may not have.
package enum Programs {
    /// The value of a variable of the environment.
    package static func environment(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    /// The folder of the package.
    package static var root: String {
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    }

    package static func isExecutable(_ path: String) -> Bool { unsafe access(path, X_OK) == 0 }

    /// The first of `candidates` that can be run: paths below the package, or names on the PATH.
    package static func find(_ candidates: String...) -> String? {
        let folders = (environment("PATH") ?? "").split(separator: ":")
        for candidate in candidates {
            let paths =
                candidate.contains("/")
                ? [root + "/" + candidate] : folders.map { "\($0)/\(candidate)" }
            if let path = paths.first(where: isExecutable) { return path }
        }
        return nil
    }
}
