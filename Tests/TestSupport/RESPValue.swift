//  RESPValue.swift — a reply, taken apart.

/// A reply in either protocol.
package indirect enum RESPValue: Equatable, CustomStringConvertible {
    case simple(String), error(String), integer(Int), bulk(String), double(String)
    case bigNumber(String), verbatim(String)
    case null, bool(Bool)
    case array([RESPValue]), set([RESPValue]), push([RESPValue])
    case map([(key: RESPValue, value: RESPValue)])

    package static func == (a: RESPValue, b: RESPValue) -> Bool { a.description == b.description }

    /// The bytes as they came, with spaces for line ends.
    package var description: String {
        switch self {
        case .simple(let text): "+" + text
        case .error(let text): "-" + text
        case .integer(let value): ":\(value)"
        case .bulk(let text): "\"\(text)\""
        case .double(let text): "," + text
        case .bigNumber(let text): "(" + text
        case .verbatim(let text): "=\"\(text)\""
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
    package var items: [RESPValue] {
        switch self {
        case .array(let items), .set(let items), .push(let items): items
        default: []
        }
    }

    /// The text of a string of any kind; a verbatim one keeps its format in front.
    package var text: String? {
        switch self {
        case .simple(let text), .error(let text), .bulk(let text), .double(let text),
            .bigNumber(let text), .verbatim(let text):
            text
        default: nil
        }
    }

    package var integer: Int? {
        guard case .integer(let value) = self else { return nil }
        return value
    }

    package var isError: Bool {
        guard case .error = self else { return false }
        return true
    }

    /// The value under `key` of a map, or of a RESP2 array of pairs.
    package subscript(key: String) -> RESPValue? {
        pairs.first { $0.key.text == key }?.value
    }

    package var pairs: [(key: RESPValue, value: RESPValue)] {
        if case .map(let pairs) = self { return pairs }
        let items = self.items
        return stride(from: 0, to: items.count - 1, by: 2).map { (items[$0], items[$0 + 1]) }
    }

    package func item(_ i: Int) -> RESPValue? { i < items.count ? items[i] : nil }
}

/// Reads replies out of bytes that arrive in pieces.
package struct RESPReader {
    package private(set) var bytes: [UInt8]
    package private(set) var position = 0
    /// No reply is complete before there are so many bytes.
    private var needed = 0

    package init(_ bytes: [UInt8] = []) { self.bytes = bytes }

    /// Adds what has arrived; what was read is forgotten.
    package mutating func append(_ more: some Sequence<UInt8>) {
        if position > 1 << 16 {
            bytes.removeFirst(position)
            needed -= position
            position = 0
        }
        bytes += more
    }

    /// The next reply, or nil if it is not complete.
    package mutating func next() -> RESPValue? {
        if bytes.count < needed { return nil }
        let start = position
        guard let value = value() else {
            position = start
            return nil
        }
        return value
    }

    /// The next reply as it came.
    package mutating func nextBytes() -> ArraySlice<UInt8>? {
        let start = position
        guard next() != nil else { return nil }
        return bytes[start..<position]
    }

    /// Everything that has not been read.
    package mutating func takeRest() -> [UInt8] {
        defer { position = bytes.count }
        return Array(bytes[position...])
    }

    private mutating func line() -> String? {
        guard let end = bytes[position...].firstIndex(of: 13), end + 1 < bytes.count else {
            return nil
        }
        defer { position = end + 2 }
        return String(decoding: bytes[position..<end], as: UTF8.self)
    }

    private mutating func value() -> RESPValue? {
        guard let line = line() else { return nil }
        guard let kind = line.first else { return .error("unreadable reply: an empty line") }
        let rest = String(line.dropFirst())
        switch kind {
        case "+": return .simple(rest)
        case "-": return .error(rest)
        case ":": return Int(rest).map { .integer($0) } ?? .error("unreadable reply: \(line)")
        case ",": return .double(rest)
        case "(": return .bigNumber(rest)
        case "#": return .bool(rest == "t")
        case "_": return .null
        case "$", "=", "!":
            guard let count = Int(rest) else { return .error("unreadable reply: \(line)") }
            return bulk(count, kind)
        case "*", "~", ">", "%", "|":
            guard let count = Int(rest) else { return .error("unreadable reply: \(line)") }
            return aggregate(count, kind)
        default: return .error("unreadable reply: \(line)")
        }
    }

    private mutating func bulk(_ count: Int, _ kind: Character) -> RESPValue? {
        guard count >= 0 else { return .null }
        let end = position + count
        guard end + 2 <= bytes.count else {
            needed = end + 2
            return nil
        }
        defer { position = end + 2 }
        let text = String(decoding: bytes[position..<end], as: UTF8.self)
        switch kind {
        case "=": return .verbatim(text)
        case "!": return .error(text)
        default: return .bulk(text)
        }
    }

    private mutating func aggregate(_ count: Int, _ kind: Character) -> RESPValue? {
        if count < 0 { return .null }
        let isMap = kind == "%" || kind == "|"
        guard let all = values(isMap ? 2 * count : count) else { return nil }
        switch kind {
        case "~": return .set(all)
        case ">": return .push(all)
        case "*": return .array(all)
        default:
            let pairs = stride(from: 0, to: all.count, by: 2).map { (all[$0], all[$0 + 1]) }
            // Attributes stand before the reply that they describe.
            return kind == "%" ? .map(pairs) : value()
        }
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
