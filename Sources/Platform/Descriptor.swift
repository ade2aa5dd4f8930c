//  Descriptor.swift — what any file descriptor can do.  U
//
//  Descriptors are plain `Int32`: their owners (a connection, a log, a poller) close them once.
//
//  ## Safety
//  - S1: a span's memory outlives the call that is handed its address; counts are its own.
import CPlatform

/// Operations on file descriptors of every kind.
public enum Descriptor {
    /// The descriptor of standard input.
    public static let input: Int32 = 0
    /// The descriptor of standard output.
    public static let output: Int32 = 1
    /// The descriptor of standard error.
    public static let error: Int32 = 2

    /// Closes a descriptor; a negative one is ignored.
    public static func close(_ descriptor: Int32) {
        // Not repeated after EINTR: Linux has freed the number by then, and another thread may
        // own it already.
        if descriptor >= 0 { _ = CPlatform.close(descriptor) }
    }

    /// Opens a file for writing at its end, and creates it with `mode` if it does not exist.
    public static func openForAppending(
        _ path: String, mode: UInt32 = 0o644
    ) throws(SystemError) -> Int32 {
        let descriptor = unsafe cp_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw .last("open") }
        return descriptor
    }

    /// Reads up to as many bytes as fit; 0 at the end, negative when reading fails.
    @unsafe public static func read(
        _ descriptor: Int32, into space: UnsafeMutableRawBufferPointer
    ) -> Int {
        while true {
            let n = unsafe CPlatform.read(descriptor, space.baseAddress, space.count)  // S1
            if n >= 0 || cp_errno() != EINTR { return n }
        }
    }

    /// Writes all of `bytes`, waiting if need be.
    public static func writeAll(
        _ descriptor: Int32, _ bytes: Span<UInt8>
    ) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            let offset = done
            let written = unsafe bytes.withUnsafeBytes { bytes in
                unsafe CPlatform.write(
                    descriptor, bytes.baseAddress.map { unsafe $0 + offset }, bytes.count - offset)
            }  // S1
            if written > 0 {
                done += written
                continue
            }
            let code = cp_errno()
            switch written < 0 ? code : EIO {
            case EINTR: continue
            case EAGAIN: _ = waitUntilReady(descriptor, write: true, timeoutMilliseconds: -1)
            case let code: throw SystemError(operation: "write", code: code)
            }
        }
    }

    /// Writes all of `text` as UTF-8.
    public static func writeAll(_ descriptor: Int32, _ text: String) throws(SystemError) {
        let bytes = Array(text.utf8)
        try writeAll(descriptor, bytes.span)
    }

    /// Sets whether calls on the descriptor return `EAGAIN` rather than wait.
    public static func setNonBlocking(
        _ descriptor: Int32, _ nonBlocking: Bool = true
    ) throws(SystemError) {
        let flags = cp_fcntl(descriptor, F_GETFL, 0)
        guard flags >= 0 else { throw .last("fcntl") }
        let wanted = nonBlocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
        guard cp_fcntl(descriptor, F_SETFL, wanted) == 0 else { throw .last("fcntl") }
    }

    /// Waits for one descriptor; for threads without an event loop, and for tests.
    ///
    /// - Returns: Whether it became ready in time.
    public static func waitUntilReady(
        _ descriptor: Int32, write: Bool = false, timeoutMilliseconds: Int32
    ) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(write ? POLLOUT : POLLIN), revents: 0)
        while true {
            let count = unsafe poll(&entry, 1, timeoutMilliseconds)
            if count >= 0 { return count > 0 }
            if cp_errno() != EINTR { return false }
        }
    }
}
