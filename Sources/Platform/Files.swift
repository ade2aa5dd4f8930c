//  Files.swift — files that must survive: written, synchronised, renamed, read back.  U
//
//  ## Safety
//  - S1: paths are terminated copies that live for the call.
//  - S2: variables of the caller's frame are filled by the system.
//  - S3: a span's memory outlives the call that is handed its address; counts are its own.
import CPlatform

/// Operations on files whose content has to be on the disk when they return.
public enum Files {
    /// Opens a file for writing, empty.
    public static func create(_ path: String) throws(SystemError) -> Int32 {
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
        let descriptor = unsafe cp_open(path, flags, 0o644)  // S1
        guard descriptor >= 0 else { throw .last("open") }
        return descriptor
    }

    /// Opens a file for writing with what it holds; one that is missing is made.
    public static func openToContinue(_ path: String) throws(SystemError) -> Int32 {
        let descriptor = unsafe cp_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)  // S1
        guard descriptor >= 0 else { throw .last("open") }
        return descriptor
    }

    /// Writes all of `bytes` at `offset` of an open file, in place of what is there.
    public static func write(
        _ bytes: Span<UInt8>, to descriptor: Int32, at offset: Int
    ) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            let start = done
            let n = unsafe bytes.withUnsafeBytes { bytes in
                unsafe pwrite(
                    descriptor, bytes.baseAddress.map { unsafe $0 + start }, bytes.count - start,
                    off_t(offset + start))
            }  // S3
            if n > 0 {
                done += n
            } else if n == 0 || cp_errno() != EINTR {
                throw n == 0 ? SystemError(operation: "write", code: EIO) : .last("write")
            }
        }
    }

    /// Moves on to `offset` of an open file.
    public static func seek(_ descriptor: Int32, to offset: Int) throws(SystemError) {
        guard lseek(descriptor, off_t(offset), Int32(SEEK_SET)) >= 0 else { throw .last("lseek") }
    }

    /// Opens a file for reading; nil when there is none.
    public static func openToRead(_ path: String) throws(SystemError) -> Int32? {
        let descriptor = unsafe cp_open(path, O_RDONLY | O_CLOEXEC, 0)  // S1
        if descriptor >= 0 { return descriptor }
        if cp_errno() == ENOENT { return nil }
        throw .last("open")
    }

    /// Bytes of an open file.
    public static func size(_ descriptor: Int32) throws(SystemError) -> Int {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw .last("fstat") }  // S2
        return Int(status.st_size)
    }

    /// Bytes of the file at `path`; nil when there is none.
    public static func size(at path: String) -> Int? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }  // S1, S2
        return Int(status.st_size)
    }

    /// Whether there is a directory at `path`.
    public static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return false }  // S1, S2
        return status.st_mode & mode_t(S_IFMT) == mode_t(S_IFDIR)
    }

    /// Waits until what was written to a file is on the disk.
    public static func synchronize(_ descriptor: Int32) throws(SystemError) {
        guard fdatasync(descriptor) == 0 else { throw .last("fdatasync") }
    }

    /// Asks the system to begin writing a part of a file to the disk, and does not wait.
    public static func beginWriting(_ descriptor: Int32, from offset: Int, count: Int) {
        // A hint: whoever needs it on the disk waits with `synchronize`.
        _ = cp_begin_writing(descriptor, Int64(offset), Int64(count))
    }

    /// Cuts an open file off.
    public static func truncate(_ descriptor: Int32, to count: Int) throws(SystemError) {
        guard ftruncate(descriptor, off_t(count)) == 0 else { throw .last("ftruncate") }
    }

    /// Gives a file another name; one that has it gives way.
    public static func rename(_ path: String, to newPath: String) throws(SystemError) {
        guard unsafe CPlatform.rename(path, newPath) == 0 else { throw .last("rename") }  // S1
    }

    /// Makes a directory, if there is none.
    public static func makeDirectory(_ path: String) throws(SystemError) {
        guard unsafe mkdir(path, 0o755) != 0 else { return }  // S1
        if cp_errno() != EEXIST { throw .last("mkdir") }
        guard isDirectory(path) else { throw SystemError(operation: "mkdir", code: ENOTDIR) }
    }

    /// Waits until the names in a directory are on the disk.
    public static func synchronizeDirectory(_ path: String) throws(SystemError) {
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
        let descriptor = unsafe cp_open(path.isEmpty ? "." : path, flags, 0)  // S1
        guard descriptor >= 0 else { throw .last("open") }
        defer { _ = close(descriptor) }
        // Some file systems know no such thing.
        if fsync(descriptor) != 0, cp_errno() != EINVAL { throw .last("fsync") }
    }
}
