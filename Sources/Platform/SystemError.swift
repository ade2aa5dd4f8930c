//  SystemError.swift — a system call that failed.  U
//
//  ## Safety
//  - S1: the text's buffer is passed with its own size.
import CPlatform

public struct SystemError: Error, CustomStringConvertible, Equatable {
    /// What was attempted.
    public let operation: String
    /// The value of `errno`.
    public let code: Int32

    public init(operation: String, code: Int32) {
        self.operation = operation
        self.code = code
    }

    /// The failure of the call just made.
    static func last(_ operation: String) -> SystemError {
        SystemError(operation: operation, code: cp_errno())
    }

    /// The system's words for the code.
    public var reason: String {
        var text = [CChar](repeating: 0, count: 256)
        unsafe cp_error_text(code, &text, text.count)
        return String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The machine or its kernel does not have such an address or family.
    public var meansNoSuchAddress: Bool {
        code == EADDRNOTAVAIL || code == EAFNOSUPPORT || code == EPROTONOSUPPORT
            || code == ENOPROTOOPT || code == EPFNOSUPPORT
    }

    public var description: String { "\(operation): \(reason)" }
}
