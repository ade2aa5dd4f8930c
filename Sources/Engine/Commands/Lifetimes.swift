//  Lifetimes.swift — the options that say how long a key lives: EX, PX, EXAT, PXAT, KEEPTTL.

/// What a number of a lifetime counts.
enum TimeUnit {
    case seconds, milliseconds, unixSeconds, unixMilliseconds

    /// The unit that an option names; nil for any other option.
    init?(_ option: Token) {
        switch option {
        case "EX": self = .seconds
        case "PX": self = .milliseconds
        case "EXAT": self = .unixSeconds
        case "PXAT": self = .unixMilliseconds
        default: return nil
        }
    }

    private var inSeconds: Bool { self == .seconds || self == .unixSeconds }
    private var isRelative: Bool { self == .seconds || self == .milliseconds }

    /// The deadline in Unix milliseconds that `value` means; it must be positive and in range.
    func deadline(_ value: Int64, _ now: Int64) throws(CommandError) -> Int64 {
        guard value > 0 else { throw .invalidExpireTime }
        return try signedDeadline(value, now)
    }

    /// The same for commands that take times in the past.
    func signedDeadline(_ value: Int64, _ now: Int64) throws(CommandError) -> Int64 {
        let scaled = value.multipliedReportingOverflow(by: inSeconds ? 1000 : 1)
        if scaled.overflow { throw .invalidExpireTime }
        if !isRelative { return scaled.partialValue }
        let sum = scaled.partialValue.addingReportingOverflow(now)
        if sum.overflow { throw .invalidExpireTime }
        return sum.partialValue
    }
}

/// The lifetime that a command's options ask for, before its number is read.
enum Lifetime: Equatable {
    case none, keep, persist
    /// The number is at this position.
    case argument(Int, TimeUnit)

    /// Whether an option of `unit` may follow: only after none, or one of the same unit.
    func accepts(_ unit: TimeUnit) -> Bool {
        switch self {
        case .none: true
        case .argument(_, let other): other == unit
        case .keep, .persist: false
        }
    }

    /// Reads the number.
    func expiry(_ args: borrowing Arguments, _ now: Int64) throws(CommandError) -> Expiry {
        switch self {
        case .none, .persist: .none
        case .keep: .keep
        case .argument(let i, let unit): .at(try unit.deadline(args.integer(i), now))
        }
    }
}
