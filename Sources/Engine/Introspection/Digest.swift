//  Digest.swift — a signature of the data: equal data have equal signatures, on Redis too.
//
//  The signature of a database does not depend on the order of its keys, nor that of a set on the
//  order of its members: such parts are combined with XOR, ordered parts by hashing what came so far.

struct Digest {
    private(set) var bytes = [UInt8](repeating: 0, count: 20)

    /// Combines with something whose order does not matter.
    mutating func add(_ data: [UInt8]) {
        let hash = SHA1.hash(data)
        for i in bytes.indices { bytes[i] ^= hash[i] }
    }

    /// Combines with the next part of something ordered.
    mutating func append(_ data: [UInt8]) {
        add(data)
        bytes = SHA1.hash(bytes)
    }

    /// Combines with another signature, whose order does not matter.
    mutating func add(_ other: Digest) { add(other.bytes) }

    var text: String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}

extension Digest {
    /// Combines with a value: its type, its contents, and whether it expires.
    mutating func append(value record: Record) {
        append(Self.number(Self.typeNumber(record.kind.type)))
        switch record.kind {
        case .string: append(record.bytes.array)
        case .integer: append(Array("\(record.integer)".utf8))
        case .packedList, .list: record.forEachMember { append(Self.text($0)) }
        case .packedSet, .integerSet, .set: record.forEachMember { add(Self.text($0)) }
        case .packedHash:
            var pair: Digest?
            Self.elements(record) { element in
                guard var first = pair else {
                    pair = Digest()
                    pair?.append(element)
                    return
                }
                first.append(element)
                add(first)
                pair = nil
            }
        case .hash:
            record.hash.forEach { field in
                var pair = Digest()
                pair.append(field.key.array)
                pair.append(field.bytes.array)
                if field.hasDeadline { pair.add(Array("!!hexpire!!".utf8)) }
                add(pair)
            }
        case .packedSortedSet, .sortedSet:
            record.forEachScored(0..<record.sortedSetCount) { member, score in
                var pair = Digest()
                pair.append(Self.text(member))
                pair.append(Array(Numbers.shortest(score).utf8))
                add(pair)
            }
        case .stream:
            record.stream.forEach(from: .zero, through: .max) { entry in
                append(Array("\(entry.id.milliseconds).\(entry.id.sequence)".utf8))
                entry.forEach { field, value in
                    append(Self.text(field))
                    append(Self.text(value))
                }
                return true
            }
        }
        if record.hasDeadline { add(Array("!!expire!!".utf8)) }
    }

    private static func elements(_ record: Record, _ body: ([UInt8]) -> Void) {
        let packed = Packed(record: record.bytes)
        var offset = packed.start
        while offset < packed.end {
            body(text(packed[offset]))
            offset = packed.next(offset)
        }
    }

    private static func text(_ element: StringView) -> [UInt8] {
        element.form == .integer ? Array("\(element.number)".utf8) : element.bytes.array
    }

    /// Four bytes, the highest first.
    static func number(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
    }

    private static func typeNumber(_ type: ValueType) -> UInt32 {
        switch type {
        case .string: 0
        case .list: 1
        case .set: 2
        case .sortedSet: 3
        case .hash: 4
        case .stream: 6
        }
    }
}

extension Call {
    /// The signature of all databases.
    func digest() -> Digest {
        var total = Digest()
        for i in 0..<keyspace.count where keyspace.databases[i].count > 0 {
            total.append(Digest.number(UInt32(i)))
            var cursor: UInt64 = 0
            repeat {
                cursor = keyspace.databases[i].scan(cursor) { record in
                    var one = Digest()
                    one.append(record.key.array)
                    one.append(value: record)
                    total.add(one)
                }
            } while cursor != 0
        }
        return total
    }
}
