//  Bitmaps+Fields.swift — integers of any width in strings: BITFIELD.

/// An integer that a BITFIELD reads or writes.
struct BitInteger {
    let isSigned: Bool
    /// Bits: 1 to 64, or to 63 without a sign.
    let width: Int

    /// Reads `i16`, `u8` and so on; a byte 0 ends the word.
    init?(_ word: Bytes) {
        guard word.count > 1 else { return nil }
        switch word[0] {
        case UInt8(ascii: "i"): isSigned = true
        case UInt8(ascii: "u"): isSigned = false
        default: return nil
        }
        var end = 1
        while end < word.count, word[end] != 0 { end += 1 }
        guard let width = Numbers.integer(word.extracting(1..<end)),
            (1...(isSigned ? 64 : 63)).contains(width)
        else { return nil }
        self.width = Int(width)
    }

    var least: Int64 { isSigned ? -1 << Int64(width - 1) : 0 }
    var most: Int64 {
        isSigned ? ~least : Int64(truncatingIfNeeded: UInt64.max >> UInt64(64 - width))
    }

    /// The number that the lowest `width` of these bits are.
    func value(of bits: UInt64) -> Int64 {
        let spare = UInt64(64 - width)
        let high = Int64(bitPattern: bits << spare)
        return isSigned
            ? high >> Int64(spare) : Int64(bitPattern: UInt64(bitPattern: high) >> spare)
    }

    /// What happens to a result that does not fit.
    enum Overflow { case wraps, saturates, fails }

    /// The sum of two numbers as this integer holds it; nil if it is not to be written.
    func sum(_ a: Int64, _ b: Int64, _ overflow: Overflow) -> Int64? {
        let (sum, isBeyond) = a.addingReportingOverflow(b)
        if !isBeyond, sum >= least, sum <= most { return sum }
        switch overflow {
        case .wraps: return value(of: UInt64(bitPattern: sum))
        case .saturates:
            // The difference wraps, as there: what is far below everything counts as above.
            let isAbove = width < 64 ? a > most || b > most &- a : b > 0
            return isAbove ? most : least
        case .fails: return nil
        }
    }
}

extension Bitmaps {
    /// One of the operations of a BITFIELD.
    private struct Operation {
        enum Kind { case get, set, increment }

        let kind: Kind
        let integer: BitInteger
        /// Position of the first bit.
        let offset: Int
        var operand: Int64 = 0
        var overflow = BitInteger.Overflow.wraps

        /// Bytes that a string must have for it.
        var end: Int { (offset + integer.width - 1) >> 3 + 1 }
    }

    static let BITFIELD = Command(
        """
        BITFIELD key [<GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] \
        <SET encoding offset value:integer | INCRBY encoding offset increment>>...]
        """,
        [.write, .denyOOM], keys: .readsAndUpdatesUnlessGet, since: "3.2.0",
        complexity: "O(1) for each operation.",
        summary: "Reads and writes integers of any width at any bits of a string.",
        names: [
            "operation", "get-block", "write", "overflow-block", "write-operation", "set-block",
            "incrby-block",
        ], run: bitfield)

    @Sendable static func bitfield(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let operations = try operations(args, &call)
        let end = operations.reduce(0) { $1.kind == .get ? $0 : max($0, $1.end) }
        guard end > 0 else { return try read(operations, args, &call, &reply) }
        let string = try call.edit(args.key, count: end)
        var changes = 0
        reply.array(operations.count)
        for operation in operations {
            if apply(operation, string, &reply) { changes += 1 }
        }
        if changes > 0 {
            call.effects.dirty &+= changes - 1
            call.changed(args.key, .string, "setbit")
        }
        if string.isNew { call.created(args.key) }
    }

    static let BITFIELD_RO = Command(
        "BITFIELD_RO key [GET encoding offset [GET encoding offset ...]]", [.readonly, .fast],
        keys: .reads, since: "6.0.0", complexity: "O(1) for each operation.",
        summary: "Reads integers of any width at any bits of a string.", names: ["get-block"],
        run: bitfieldReadOnly)

    @Sendable static func bitfieldReadOnly(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let operations = try operations(args, &call)
        guard operations.allSatisfy({ $0.kind == .get }) else {
            throw call.failed("ERR BITFIELD_RO only supports the GET subcommand")
        }
        try read(operations, args, &call, &reply)
    }

    // MARK: - Reading requests

    private static func operations(
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) -> [Operation] {
        var operations: [Operation] = []
        var overflow = BitInteger.Overflow.wraps
        var i = 2
        while i < args.count {
            let remaining = args.count - i - 1
            switch Token(word: args.word(i)) {
            case "GET" where remaining >= 2:
                operations.append(try operation(args, i, .get, overflow, &call))
                i += 3
            case "SET" where remaining >= 3:
                operations.append(try operation(args, i, .set, overflow, &call))
                i += 4
            case "INCRBY" where remaining >= 3:
                operations.append(try operation(args, i, .increment, overflow, &call))
                i += 4
            case "OVERFLOW" where remaining >= 1:
                switch Token(word: args.word(i + 1)) {
                case "WRAP": overflow = .wraps
                case "SAT": overflow = .saturates
                case "FAIL": overflow = .fails
                default: throw call.failed("ERR Invalid OVERFLOW type specified")
                }
                i += 2
            default: throw .syntax
            }
        }
        return operations
    }

    private static func operation(
        _ args: borrowing Arguments, _ i: Int, _ kind: Operation.Kind,
        _ overflow: BitInteger.Overflow, _ call: inout Call
    ) throws(CommandError) -> Operation {
        guard let integer = BitInteger(args[i + 1]) else {
            throw call.failed(
                """
                ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not \
                supported but i64 is.
                """)
        }
        let offset = try offset(args[i + 2], width: integer.width, &call)
        let operand = kind == .get ? 0 : try args.integer(i + 3)
        return Operation(
            kind: kind, integer: integer, offset: offset, operand: operand, overflow: overflow)
    }

    // MARK: - Running them

    private static func read(
        _ operations: [Operation], _ args: borrowing Arguments, _ call: inout Call,
        _ reply: inout Reply
    ) throws(CommandError) {
        let record = try call.look(args.key, as: .string)?.record
        reply.array(operations.count)
        for operation in operations {
            let bits = record?.withText { bytes in
                Bits.field(bytes, at: operation.offset, width: operation.integer.width)
            }
            reply.integer(operation.integer.value(of: bits ?? 0))
        }
    }

    /// Replies with what an operation returns; true if it wrote another value than was there.
    private static func apply(
        _ operation: Operation, _ string: EditedString, _ reply: inout Reply
    ) -> Bool {
        let integer = operation.integer
        let record = string.record
        let old = integer.value(
            of: Bits.field(record.bytes, at: operation.offset, width: integer.width))
        let isIncrement = operation.kind == .increment
        guard operation.kind != .get else {
            reply.integer(old)
            return false
        }
        guard
            let new = isIncrement
                ? integer.sum(old, operation.operand, operation.overflow)
                : integer.held(operation.operand, operation.overflow)
        else {
            reply.null()
            return false
        }
        reply.integer(isIncrement ? new : old)
        Bits.setField(
            record, at: operation.offset, width: integer.width, to: UInt64(bitPattern: new))
        return string.hasGrown || old != new
    }
}

extension BitInteger {
    /// A number as this integer holds it; without a sign it is one of 64 bits without a sign.
    fileprivate func held(_ value: Int64, _ overflow: Overflow) -> Int64? {
        guard !isSigned, value < 0 else { return sum(value, 0, overflow) }
        switch overflow {
        case .wraps: return self.value(of: UInt64(bitPattern: value))
        case .saturates: return most
        case .fails: return nil
        }
    }
}
