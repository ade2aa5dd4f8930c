//  SystemError.swift — why a system call failed.  U
//
//  ## Safety
//  - S1: `strerror` and `gai_strerror` return a terminated text that lives until the next call of
//    the same thread; it is copied at once.
import CPlatform

/// The failure of one system call.
///
/// Its description reads `bind: Address already in use`.
public struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was attempted: the name of the call, or empty when the reason speaks for itself.
    public let operation: String
    /// The value of `errno`, or 0 for a failure of the name resolver.
    public let code: Int32
    /// The system's words for the failure.
    public let reason: String

    /// Describes the failure `code` of `operation`.
    public init(operation: String, code: Int32) {
        self.operation = operation
        self.code = code
        reason = unsafe strerror(code).map { unsafe String(cString: $0) } ?? ""  // S1
    }

    private init(resolver status: Int32) {
        operation = ""
        code = 0
        let text = unsafe gai_strerror(status)
        reason = unsafe text.map { unsafe String(cString: $0) } ?? ""  // S1
    }

    /// The failure that the calling thread's last system call left in `errno`.
    static func last(_ operation: String) -> SystemError {
        SystemError(operation: operation, code: cp_errno())
    }

    /// A failure of the name resolver.
    static func resolver(_ status: Int32) -> SystemError {
        status == EAI_SYSTEM ? last("getaddrinfo") : SystemError(resolver: status)
    }

    public var description: String { operation.isEmpty ? reason : "\(operation): \(reason)" }

    /// Whether an address was refused because this machine does not have it or its protocol.
    public var meansNoSuchAddress: Bool {
        switch code {
        case EADDRNOTAVAIL, EAFNOSUPPORT, EPFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT,
            ENOPROTOOPT:
            true
        default: false
        }
    }
}
