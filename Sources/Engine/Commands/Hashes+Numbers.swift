//  Hashes+Numbers.swift — hash commands that calculate.
import Platform

extension Hashes {
    static let HINCRBY = Command(
        "HINCRBY key field increment", [.write, .denyOOM, .fast], keys: .readsAndUpdates,
        since: "2.0.0", complexity: "O(1)",
        summary: "Adds an integer to the value of a field, which counts as 0 where there is none.",
        run: hincrby)

    @Sendable static func hincrby(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let increment = try args.integer(3)
        let place = try call.findHash(args.key)
        var old: Int64 = 0
        if let place, let value = call.fieldValue(args[2], place.record) {
            guard let number = value.integer else {
                throw call.failed("ERR hash value is not an integer")
            }
            old = number
        }
        let (sum, overflow) = old.addingReportingOverflow(increment)
        guard !overflow else { throw .overflow }
        let digits = DecimalText(sum)
        store(digits.bytes, args, place, "hincrby", &call)
        reply.integer(sum)
    }

    static let HINCRBYFLOAT = Command(
        "HINCRBYFLOAT key field increment:double", [.write, .denyOOM, .fast],
        keys: .readsAndUpdates, since: "2.6.0", complexity: "O(1)",
        summary: "Adds a number to the value of a field, which counts as 0 where there is none.",
        run: hincrbyfloat)

    @Sendable static func hincrbyfloat(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let increment = args[3].array
        var sum = try checked(increment, &call)
        let place = try call.findHash(args.key)
        if let place, let value = call.fieldValue(args[2], place.record) {
            sum = try add(increment, to: value.array, &call)
        }
        store(sum.span, args, place, "hincrbyfloat", &call)
        propagate(sum.span, args, &call)
        reply.bulk(sum.span)
    }

    /// The sum as it is, since others may add fractions in another way; a deadline stays.
    private static func propagate(
        _ sum: Bytes, _ args: borrowing Arguments, _ call: inout Call
    ) {
        guard call.isPropagating, let place = call.find(args.key) else { return }
        let isVolatile = (call.fieldDeadline(args[2], place.record) ?? .max) != .max
        call.propagate(isVolatile ? "HSETEX" : "HSET") { words in
            words.append(args.key.bytes)
            if isVolatile {
                words.append("KEEPTTL")
                words.append("FIELDS")
                words.append(1)
            }
            words.append(args[2])
            words.append(sum)
        }
    }

    /// The increment as it is printed.
    private static func checked(
        _ increment: [UInt8], _ call: inout Call
    ) throws(CommandError) -> [UInt8] {
        do throws(Decimals.Failure) {
            return try Decimals.sum(of: [UInt8(ascii: "0")], increment)
        } catch {
            guard error == .notFinite else { throw .notAFloat }
            throw call.failed("ERR value is NaN or Infinity")
        }
    }

    private static func add(
        _ increment: [UInt8], to value: [UInt8], _ call: inout Call
    ) throws(CommandError) -> [UInt8] {
        do throws(Decimals.Failure) {
            return try Decimals.sum(of: value, increment)
        } catch {
            guard error == .notFinite else {
                throw call.failed("ERR hash value is not a float")
            }
            throw .notANumberOrInfinity
        }
    }

    /// Makes `value` that of the field named by word 2; its deadline stays.
    private static func store(
        _ value: Bytes, _ args: borrowing Arguments, _ place: HashTable.Place?,
        _ event: StaticString, _ call: inout Call
    ) {
        let home = place ?? call.makePacked(args.key, .packedHash)
        call.growHash(args.key, home, field: args[2], value: value)
        call.setField(args[2], to: value, .keep, args.key, home)
        if place == nil { call.created(args.key) }
        call.changed(args.key, .hash, event)
    }
}

/// The decimal text of an integer, without an allocation.
struct DecimalText {
    private var digits = InlineArray<20, UInt8>(repeating: 0)
    private var start = 20

    init(_ value: Int64) {
        var rest = value.magnitude
        repeat {
            start &-= 1
            digits[start] = UInt8(truncatingIfNeeded: rest % 10) &+ 48
            rest /= 10
        } while rest != 0
        if value < 0 {
            start &-= 1
            digits[start] = UInt8(ascii: "-")
        }
    }

    var bytes: Bytes {
        @_lifetime(borrow self)
        get { digits.span.extracting(start..<20) }
    }
}
