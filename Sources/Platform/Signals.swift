//  Signals.swift — signals as events, for the executable.  U
//
//  A program that embeds the server keeps its own signal handling; only the executable uses this.
//
//  ## Safety
//  - S1: sets of signals and the record that is read are variables of the caller's frame.
import CPlatform

/// Delivers chosen signals to a descriptor instead of interrupting the process.
public final class Signals: Sendable {
    /// Asks for termination; what service managers send.
    public static let terminate: Int32 = SIGTERM
    /// Sent by the terminal on Control-C.
    public static let interrupt: Int32 = SIGINT

    /// What the event loop watches for reading.
    public let descriptor: Int32

    /// Blocks `signals` in the calling thread and all threads it starts later.
    ///
    /// Call it before the first thread starts: one that does not block them would be interrupted.
    public init(_ signals: [Int32] = [SIGTERM, SIGINT]) throws(SystemError) {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in signals {
            guard unsafe sigaddset(&set, signal) == 0 else { throw .last("sigaddset") }
        }
        let status = unsafe pthread_sigmask(SIG_BLOCK, &set, nil)  // S1
        guard status == 0 else { throw SystemError(operation: "pthread_sigmask", code: status) }
        descriptor = unsafe signalfd(-1, &set, Int32(SFD_NONBLOCK | SFD_CLOEXEC))
        guard descriptor >= 0 else { throw .last("signalfd") }
    }

    deinit { Descriptor.close(descriptor) }

    /// The next signal that arrived, or nil.
    public func next() -> Int32? {
        var record = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        while true {
            let count = unsafe read(descriptor, &record, size)  // S1
            if count == size { return Int32(bitPattern: record.ssi_signo) }
            if count >= 0 || cp_errno() != EINTR { return nil }
        }
    }

    /// Keeps a write to a closed pipe, or the end of the terminal, from ending the process.
    public static func ignoreDisconnections() {
        cp_ignore_signal(SIGPIPE)
        cp_ignore_signal(SIGHUP)
    }
}
