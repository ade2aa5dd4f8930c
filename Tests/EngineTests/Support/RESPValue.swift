//  RESPValue.swift — a reply, taken apart.

/// A reply in either protocol.
indirect enum RESPValue: Equatable, CustomStringConvertible {
    case simple(String), error(String), integer(Int), bulk(String), double(String)
    case null, bool(Bool)
    case array([RESPValue]), set([RESPValue]), push([RESPValue])
    case map([(key: RESPValue, value: RESPValue)])

    static func == (a: RESPValue, b: RESPValue) -> Bool { a.description == b.description }

    /// The bytes as they came, with spaces for line ends.
    var description: String {
        switch self {
        case .simple(let text): "+" + text
        case .error(let text): "-" + text
        case .integer(let value): ":\(value)"
        case .bulk(let text): "\"\(text)\""
        case .double(let text): "," + text
        case .null: "nil"
        case .bool(let value): value ? "#t" : "#f"
        case .array(let items): "[" + items.map(\.description).joined(separator: " ") + "]"
        case .set(let items): "~[" + items.map(\.description).joined(separator: " ") + "]"
        case .push(let items): ">[" + items.map(\.description).joined(separator: " ") + "]"
        case .map(let pairs):
            "{" + pairs.map { "\($0.key)=\($0.value)" }.joined(separator: " ") + "}"
        }
    }

    /// The elements of an array or a set.
    var items: [RESPValue] {
        switch self {
        case .array(let items), .set(let items), .push(let items): items
        default: []
        }
    }

    /// The text of a string of any kind.
    var text: String? {
        switch self {
        case .simple(let text), .error(let text), .bulk(let text), .double(let text): text
        default: nil
        }
    }

    var integer: Int? {
        guard case .integer(let value) = self else { return nil }
        return value
    }

    /// The value under `key` of a map, or of a RESP2 array of pairs.
    subscript(key: String) -> RESPValue? {
        pairs.first { $0.key.text == key }?.value
    }

    var pairs: [(key: RESPValue, value: RESPValue)] {
        if case .map(let pairs) = self { return pairs }
        let items = self.items
        return stride(from: 0, to: items.count - 1, by: 2).map { (items[$0], items[$0 + 1]) }
    }

    func item(_ i: Int) -> RESPValue? { i < items.count ? items[i] : nil }
}

/// Reads replies out of bytes.
struct RESPReader {
    var bytes: [UInt8]
    var position = 0

    init(_ bytes: [UInt8] = []) { self.bytes = bytes }

    /// The next reply, or nil if it is not complete.
    mutating func next() -> RESPValue? {
        let start = position
        guard let value = value() else {
            position = start
            return nil
        }
        return value
    }

    private mutating func line() -> String? {
        guard let end = bytes[position...].firstIndex(of: 13), end + 1 < bytes.count else {
            return nil
        }
        defer { position = end + 2 }
        return String(decoding: bytes[position..<end], as: UTF8.self)
    }

    private mutating func value() -> RESPValue? {
        guard let line = line(), let kind = line.first else { return nil }
        let rest = String(line.dropFirst())
        switch kind {
        case "+": return .simple(rest)
        case "-": return .error(rest)
        case ":": return Int(rest).map { .integer($0) }
        case ",": return .double(rest)
        case "#": return .bool(rest == "t")
        case "_": return .null
        case "$", "=": return bulk(Int(rest) ?? 0)
        case "*": return rest == "-1" ? .null : values(Int(rest) ?? 0).map { .array($0) }
        case "~": return values(Int(rest) ?? 0).map { .set($0) }
        case ">": return values(Int(rest) ?? 0).map { .push($0) }
        case "%":
            guard let all = values(2 * (Int(rest) ?? 0)) else { return nil }
            return .map(stride(from: 0, to: all.count, by: 2).map { (all[$0], all[$0 + 1]) })
        default: return .error("unreadable reply: \(line)")
        }
    }

    private mutating func bulk(_ count: Int) -> RESPValue? {
        guard count >= 0 else { return .null }
        guard position + count + 2 <= bytes.count else { return nil }
        defer { position += count + 2 }
        return .bulk(String(decoding: bytes[position..<(position + count)], as: UTF8.self))
    }

    private mutating func values(_ count: Int) -> [RESPValue]? {
        var values: [RESPValue] = []
        for _ in 0..<count {
            guard let value = value() else { return nil }
            values.append(value)
        }
        return values
    }
}
