//  CommandError.swift — every way a command can fail, and the only place with the texts.
//
//  A case travels in a register; the executor alone turns it into bytes, counts it and truncates
//  the reply to where the command began.

enum CommandError: Error, Equatable {
    case wrongType
    case syntax
    case notAnInteger
    case notAFloat
    case outOfRange
    /// An integer that must fit into 32 bits.
    case outOfShortRange
    case notPositive
    case noSuchKey
    case overflow
    case notANumberOrInfinity
    case stringTooLong
    case offsetOutOfRange
    case databaseIndexOutOfRange
    case invalidDatabaseIndex
    case sameObject
    /// Completed with the command's name.
    case invalidExpireTime
    /// Completed with the command's name.
    case wrongArity
    case noAuthentication
    case wrongPassword
    case outOfMemory
    case timeoutNotAFloat
    case timeoutNegative
    case timeoutOutOfRange
    case timeoutNotAnInteger
    case invalidStreamID
    /// The text is in `Call.failure`.
    case text

    /// Code and text as they go on the wire; nil for `text`, whose words the call carries.
    var message: StaticString {
        switch self {
        case .wrongType:
            "WRONGTYPE Operation against a key holding the wrong kind of value"
        case .syntax: "ERR syntax error"
        case .notAnInteger: "ERR value is not an integer or out of range"
        case .notAFloat: "ERR value is not a valid float"
        case .outOfRange: "ERR value is out of range"
        case .outOfShortRange:
            "ERR value is out of range, value must between -2147483648 and 2147483647"
        case .notPositive: "ERR value is out of range, must be positive"
        case .noSuchKey: "ERR no such key"
        case .overflow: "ERR increment or decrement would overflow"
        case .notANumberOrInfinity: "ERR increment would produce NaN or Infinity"
        case .stringTooLong: "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
        case .offsetOutOfRange: "ERR offset is out of range"
        case .databaseIndexOutOfRange: "ERR DB index is out of range"
        case .invalidDatabaseIndex: "ERR invalid DB index"
        case .sameObject: "ERR source and destination objects are the same"
        case .invalidExpireTime: "ERR invalid expire time in"
        case .wrongArity: "ERR wrong number of arguments for"
        case .noAuthentication: "NOAUTH Authentication required."
        case .wrongPassword: "WRONGPASS invalid username-password pair or user is disabled."
        case .outOfMemory: "OOM command not allowed when used memory > 'maxmemory'."
        case .timeoutNotAFloat: "ERR timeout is not a float or out of range"
        case .timeoutNegative: "ERR timeout is negative"
        case .timeoutOutOfRange: "ERR timeout is out of range"
        case .timeoutNotAnInteger: "ERR timeout is not an integer or out of range"
        case .invalidStreamID: "ERR Invalid stream ID specified as stream command argument"
        case .text: ""
        }
    }

    /// Whether the executor appends ` 'name' command`.
    var namesCommand: Bool { self == .invalidExpireTime || self == .wrongArity }
}
