//  FileSystem.swift — whole small files, names that match a pattern, single lines appended.  U
//
//  For configuration, logs and process files: cold paths that read or write a file at once. Bulk
//  input and output of the server does not pass here.
//
//  ## Safety
//  - S1: every buffer handed to the system is alive for the call and at least as long as the
//    length that goes with it.
//  - S2: what `glob` allocated is read before `globfree`, and only `gl_pathc` entries of it.
import CPlatform

public enum FileSystem {
    /// The bytes of the file at `path`; more than `bytesMax` of them are an error (EFBIG).
    public static func read(_ path: String, bytesMax: Int) throws(SystemError) -> [UInt8] {
        try refuseNUL(path)
        let descriptor = unsafe cp_open(path, O_RDONLY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw .last("open") }
        defer { _ = close(descriptor) }
        return try read(descriptor: descriptor, bytesMax: bytesMax)
    }

    /// What is left to read from an open descriptor, such as 0 for standard input.
    public static func read(
        descriptor: Int32, bytesMax: Int
    ) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let n = unsafe CPlatform.read(descriptor, &chunk, chunk.count)  // S1
            if n < 0 {
                if cp_errno() == EINTR { continue }
                throw .last("read")
            }
            if n == 0 { return bytes }
            guard n <= bytesMax - bytes.count else {
                throw SystemError(operation: "read", code: EFBIG)
            }
            bytes.append(contentsOf: chunk[..<n])
        }
    }

    /// Puts `bytes` in place of the file at `path`: readers see the old content or the new one.
    public static func replace(_ path: String, with bytes: [UInt8]) throws(SystemError) {
        try refuseNUL(path)
        var status = stat()
        let mode = unsafe stat(path, &status) == 0 ? status.st_mode & 0o777 : 0o644
        let draft = path + ".\(getpid()).draft"
        let descriptor = unsafe cp_open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw .last("open") }
        do throws(SystemError) {
            defer { _ = close(descriptor) }
            try write(bytes, to: descriptor)
            guard fchmod(descriptor, mode) == 0, fsync(descriptor) == 0 else {
                throw SystemError.last("fsync")
            }
        } catch {
            _ = unsafe unlink(draft)
            throw error
        }
        guard unsafe rename(draft, path) == 0 else {
            let error = SystemError.last("rename")
            _ = unsafe unlink(draft)
            throw error
        }
    }

    /// Adds `bytes` to the end of the file at `path`, which is made when it is missing.
    public static func append(_ bytes: [UInt8], to path: String) throws(SystemError) {
        try refuseNUL(path)
        let descriptor = unsafe cp_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .last("open") }
        defer { _ = close(descriptor) }
        try write(bytes, to: descriptor)
    }

    /// Writes all of `bytes` to an open descriptor, such as 1 for standard output.
    public static func write(_ bytes: [UInt8], to descriptor: Int32) throws(SystemError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let n = unsafe rest.withUnsafeBytes { part in
                unsafe CPlatform.write(descriptor, part.baseAddress, part.count)  // S1
            }
            if n < 0 {
                if cp_errno() == EINTR { continue }
                throw .last("write")
            }
            rest = rest.dropFirst(n)
        }
    }

    /// The files whose paths match a shell pattern, in order of name; none is no error.
    public static func paths(matching pattern: String) -> [String] {
        guard !pattern.utf8.contains(0) else { return [] }
        var found = unsafe glob_t()
        defer { unsafe globfree(&found) }
        guard unsafe glob(pattern, 0, nil, &found) == 0 else { return [] }
        var paths: [String] = []
        for i in 0..<Int(unsafe found.gl_pathc) {
            guard let path = unsafe found.gl_pathv?[i] else { continue }  // S2
            unsafe paths.append(String(cString: path))
        }
        return paths
    }

    /// Takes the file at `path` away; a missing one is no error.
    public static func remove(_ path: String) {
        _ = unsafe unlink(path)
    }

    /// Takes the empty directory at `path` away; a missing one is no error.
    public static func removeDirectory(_ path: String) {
        _ = unsafe rmdir(path)
    }

    /// A new directory of its own among the temporary files, whose name starts with `prefix`.
    public static func makeTemporaryDirectory(_ prefix: String) throws(SystemError) -> String {
        var template = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? ""
        if template.isEmpty { template = "/tmp" }
        var path = Array((template + "/" + prefix + "-XXXXXX").utf8) + [0]
        let isMade = unsafe path.withUnsafeMutableBytes { bytes in  // S1: ends with a byte 0.
            guard let start = unsafe bytes.bindMemory(to: CChar.self).baseAddress else {
                return false
            }
            return unsafe mkdtemp(start) != nil
        }
        guard isMade else { throw .last("mkdtemp") }
        return String(decoding: path.dropLast(), as: UTF8.self)
    }

    /// The absolute form of the path of a directory, links followed.
    public static func directory(_ path: String) throws(SystemError) -> String {
        try refuseNUL(path)
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw .last("stat") }
        guard status.st_mode & mode_t(S_IFMT) == mode_t(S_IFDIR) else {
            throw SystemError(operation: "stat", code: ENOTDIR)
        }
        guard unsafe access(path, X_OK) == 0 else { throw .last("access") }
        guard let resolved = unsafe realpath(path, nil) else { throw .last("realpath") }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }

    /// The directory in which relative paths of this process start; empty when it is gone.
    public static var currentDirectory: String {
        guard let path = unsafe getcwd(nil, 0) else { return "" }
        defer { unsafe free(path) }
        return unsafe String(cString: path)
    }

    /// A byte 0 would end the path early and name another file.
    private static func refuseNUL(_ path: String) throws(SystemError) {
        if path.utf8.contains(0) { throw SystemError(operation: "open", code: EINVAL) }
    }
}
