//  KeySizes.swift — how large values are, by type, in powers of two.
//
//  Counted when somebody asks, so that nobody else pays. A database of more keys than a millisecond
//  or two allows is estimated from a stretch of its table, which is as good as a random sample:
//  where a key lies depends on its hash alone.

struct KeySizes {
    /// Counts by type and by the power of two of the size; bucket 0 is for empty values.
    private var counts: [ValueType: [Int]] = [:]
    private var seen = 0

    /// Keys that are looked at.
    private static let keysMax = 16_384

    init(_ database: borrowing Database, from start: UInt64) {
        var sizes = KeySizes()
        var cursor: UInt64 = database.count > Self.keysMax ? start : 0
        let total = database.count
        repeat {
            cursor = database.scan(cursor) { sizes.add($0) }
            // A stretch that began in the middle goes on at the beginning.
            if cursor == 0, total <= Self.keysMax { break }
        } while sizes.seen < min(total, Self.keysMax)
        if total > Self.keysMax { sizes.scale(to: total) }
        self = sizes
    }

    private init() {}

    private mutating func add(_ record: Record) {
        seen += 1
        let size = record.elementCount
        let bucket = size == 0 ? 0 : Int.bitWidth - size.leadingZeroBitCount
        counts[record.kind.type, default: [Int](repeating: 0, count: 65)][bucket] += 1
    }

    private mutating func scale(to total: Int) {
        let factor = Double(total) / Double(max(seen, 1))
        for (type, list) in counts {
            counts[type] = list.map { Int((Double($0) * factor).rounded()) }
        }
    }

    /// Fields of INFO without the database's name: `strings_sizes`, `1=3,2=1`.
    var fields: [(name: String, value: String)] {
        let names: [(ValueType, String)] = [
            (.string, "strings_sizes"), (.list, "lists_items"), (.set, "sets_items"),
            (.sortedSet, "zsets_items"), (.hash, "hashes_items"),
        ]
        return names.compactMap { type, name in
            guard let list = counts[type] else { return nil }
            let parts = list.indices.filter { list[$0] > 0 }.map {
                "\(Self.label($0))=\(list[$0])"
            }
            return (name, parts.joined(separator: ","))
        }
    }

    /// The lower limit of a bucket, in units of 1024.
    private static func label(_ bucket: Int) -> String {
        guard bucket > 0 else { return "0" }
        let units = ["", "K", "M", "G", "T", "P", "E"]
        let exponent = bucket - 1
        return "\(1 << (exponent % 10))\(units[exponent / 10])"
    }
}

extension Record {
    /// Elements of a collection, bytes of a string.
    var elementCount: Int {
        switch kind {
        case .string: valueCount
        case .integer: Digits.count(Int(integer))
        case .packedList, .packedSet: Packed(record: bytes).count
        case .packedHash, .packedSortedSet: Packed(record: bytes).count / 2
        case .integerSet: IntegerSet.count(bytes)
        case .list, .hash, .set, .sortedSet, .stream: objectElementCount
        }
    }
}
