//  Bitmaps.swift — strings as rows of bits: single bits, counts, positions, combinations.

enum Bitmaps {
    static let family = Family(
        group: .bitmap,
        commands: [SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP, BITFIELD, BITFIELD_RO])

    // MARK: - Offsets

    /// Reads the position of a bit.
    ///
    /// With `width` it may be written as `#n`: that of the n-th integer of that width.
    static func offset(
        _ word: Bytes, width: Int? = nil, _ call: inout Call
    ) throws(CommandError) -> Int {
        let isMultiple = width != nil && word.count > 0 && word[0] == UInt8(ascii: "#")
        let number = Numbers.integer(isMultiple ? word.extracting(1...) : word)
        // A product that is too large wraps, as there.
        let offset = number.map { $0 &* Int64(isMultiple ? width ?? 1 : 1) }
        guard let offset, offset >= 0, offset >> 3 < bytesMax(call) else {
            throw call.failed("ERR bit offset is not an integer or out of range")
        }
        return Int(offset)
    }

    /// Strings may have this many bytes, and a few more for an integer that begins in the last one.
    private static func bytesMax(_ call: borrowing Call) -> Int64 {
        // Lengths are kept in 32 bits, whatever the configuration allows.
        min(Int64(call.configuration.protoMaxBulkLength), Int64(UInt32.max) / 2 - 16)
    }

    // MARK: - Single bits

    static let SETBIT = Command(
        "SETBIT key offset value:integer", [.write, .denyOOM], keys: .readsAndUpdates,
        since: "2.2.0", complexity: "O(1)",
        summary:
            "Sets or clears a bit of a string and returns what it was; a missing key is zeros.",
        run: setbit)

    @Sendable static func setbit(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let offset = try offset(args[2], &call)
        guard let value = Numbers.integer(args[3]), value == 0 || value == 1 else {
            throw call.failed("ERR bit is not an integer or out of range")
        }
        let string = try call.edit(args.key, count: offset >> 3 + 1)
        let byte = string.record.bytes[offset >> 3]
        let bit: UInt8 = 0x80 >> UInt8(offset & 7)
        let old: Int64 = byte & bit != 0 ? 1 : 0
        if string.hasGrown || old != value {
            let changed: InlineArray<1, UInt8> = [value == 1 ? byte | bit : byte & ~bit]
            string.record.write(changed.span, at: offset >> 3)
            call.changed(args.key, .string, "setbit")
        }
        if string.isNew { call.created(args.key) }
        reply.integer(old)
    }

    static let GETBIT = Command(
        "GETBIT key offset", [.readonly, .fast], keys: .reads, since: "2.2.0",
        complexity: "O(1)", summary: "Returns a bit of a string, 0 behind its end.", run: getbit)

    @Sendable static func getbit(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let offset = try offset(args[2], &call)
        let record = try call.look(args.key, as: .string)?.record
        let bit = record?.withText { bytes in
            offset >> 3 < bytes.count ? bytes[offset >> 3] & (0x80 >> UInt8(offset & 7)) : 0
        }
        reply.integer(bit ?? 0 != 0 ? 1 : 0)
    }

    // MARK: - Ranges

    /// Whether word `i` says that a range is one of bits, not of bytes.
    private static func countsBits(
        _ args: borrowing Arguments, _ i: Int
    ) throws(CommandError) -> Bool {
        guard args.count > i else { return false }
        switch Token(word: args.word(i)) {
        case "BIT": return true
        case "BYTE": return false
        default: throw .syntax
        }
    }

    /// The positions of the bits from `start` to `end`, inclusive and negative from the end, in a
    /// string of `count` bytes.
    private static func bits(
        _ start: Int64, _ end: Int64, inBits: Bool, count: Int
    ) -> Range<Int> {
        let n = Int64(inBits ? count * 8 : count)
        let first = max(start < 0 ? n + start : start, 0)
        let last = min(max(end < 0 ? n + end : end, 0), n - 1)
        guard first <= last else { return 0..<0 }
        let width = inBits ? 1 : 8
        return Int(first) * width..<(Int(last) + 1) * width
    }

    static let BITCOUNT = Command(
        "BITCOUNT key [start end [BYTE | BIT]]", [.readonly], keys: .reads, since: "2.6.0",
        complexity: "O(N) where N is the number of bytes that are looked at.",
        summary: "Counts the bits that are set in a string or a part of it.",
        history: [("7.0.0", "Option `BYTE` or `BIT`.")], names: ["range", "unit"],
        added: [("unit", "7.0.0")], run: bitcount)

    @Sendable static func bitcount(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var start: Int64 = 0, end: Int64 = -1, inBits = false
        if args.count > 2 {
            guard args.count == 4 || args.count == 5 else { throw .syntax }
            start = try args.integer(2)
            end = try args.integer(3)
            inBits = try countsBits(args, 4)
        }
        guard let record = try call.look(args.key, as: .string)?.record else {
            return reply.integer(0)
        }
        // Otherwise two borders before the beginning would enclose the first bit.
        if start < 0, end < 0, start > end { return reply.integer(0) }
        let count = record.withText { bytes in
            Bits.count(bytes, bits: bits(start, end, inBits: inBits, count: bytes.count))
        }
        reply.integer(Int64(count))
    }

    static let BITPOS = Command(
        "BITPOS key bit [start [end [BYTE | BIT]]]", [.readonly], keys: .reads, since: "2.8.7",
        complexity: "O(N) where N is the number of bytes that are looked at.",
        summary: "Finds the first bit that is set, or not set, in a string or a part of it.",
        history: [("7.0.0", "Option `BYTE` or `BIT`.")],
        names: ["range", "end-unit-block", "unit"], added: [("unit", "7.0.0")], run: bitpos)

    @Sendable static func bitpos(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let bit = try args.integer(2)
        guard bit == 0 || bit == 1 else {
            throw call.failed("ERR The bit argument must be 1 or 0.")
        }
        guard args.count <= 6 else { throw .syntax }
        let start = args.count > 3 ? try args.integer(3) : 0
        let inBits = try countsBits(args, 5)
        let hasEnd = args.count > 4
        let end = hasEnd ? try args.integer(4) : -1
        guard let record = try call.look(args.key, as: .string)?.record else {
            return reply.integer(bit == 1 ? -1 : 0)
        }
        let position = record.withText { bytes in
            let range = bits(start, end, inBits: inBits, count: bytes.count)
            guard !range.isEmpty else { return -1 }
            if let found = Bits.first(bit == 1, bytes, bits: range) { return found }
            // Without an end the string goes on with zeros.
            return bit == 0 && !hasEnd ? bytes.count * 8 : -1
        }
        reply.integer(Int64(position))
    }

    // MARK: - Combinations

    static let BITOP = Command(
        """
        BITOP <AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]
        """,
        [.write, .denyOOM], keys: .overwrites, .reads, since: "2.6.0",
        complexity: "O(N) where N is the number of bytes of all strings together.",
        summary: "Combines strings bit by bit and stores the result.", names: ["operation"],
        run: bitop)

    @Sendable static func bitop(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let operation = try operation(args, &call)
        var sources = BitSources()
        for i in 3..<args.count {
            sources.add(try call.look(call.key(args[i]), as: .string)?.record)
        }
        let key = call.key(args[2])
        let count = sources.longest
        if count == 0 {
            _ = call.remove(key)
        } else {
            call.compose(key, count: count, event: "set") { sources.combine(operation, into: $0) }
        }
        reply.integer(Int64(count))
    }

    private static func operation(
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) -> BitOperation {
        let operation: BitOperation
        switch Token(word: args.word(1)) {
        case "AND": operation = .and
        case "OR": operation = .or
        case "XOR": operation = .xor
        case "NOT": operation = .not
        case "DIFF": operation = .difference
        case "DIFF1": operation = .reverseDifference
        case "ANDOR": operation = .andOr
        case "ONE": operation = .one
        default: throw .syntax
        }
        if operation == .not, args.count != 4 {
            throw call.failed("ERR BITOP NOT must be called with a single source key.")
        }
        let name: String? =
            switch operation {
            case .difference: "DIFF"
            case .reverseDifference: "DIFF1"
            case .andOr: "ANDOR"
            default: nil
            }
        if let name, args.count < 5 {
            throw call.failed(
                "ERR BITOP \(name) must be called with at least two source keys.")
        }
        return operation
    }
}
