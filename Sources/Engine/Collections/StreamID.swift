//  StreamID.swift — the names of a stream's entries: `1526919030474-55`, milliseconds and a number.

struct StreamID: Equatable, Comparable, BitwiseCopyable, Sendable {
    /// Unix time in milliseconds, if a server has made it up.
    var milliseconds: UInt64
    /// Tells entries of one millisecond apart.
    var sequence: UInt64

    @inline(__always) init(_ milliseconds: UInt64, _ sequence: UInt64) {
        self.milliseconds = milliseconds
        self.sequence = sequence
    }

    static var zero: StreamID { StreamID(0, 0) }
    static var max: StreamID { StreamID(.max, .max) }

    @inline(__always) static func < (a: StreamID, b: StreamID) -> Bool {
        a.milliseconds != b.milliseconds
            ? a.milliseconds < b.milliseconds : a.sequence < b.sequence
    }

    /// The next one up; nil behind the last.
    @inline(__always) var next: StreamID? {
        if sequence < .max { return StreamID(milliseconds, sequence &+ 1) }
        return milliseconds < .max ? StreamID(milliseconds &+ 1, 0) : nil
    }

    /// The next one down; nil in front of the first.
    var previous: StreamID? {
        if sequence > 0 { return StreamID(milliseconds, sequence - 1) }
        return milliseconds > 0 ? StreamID(milliseconds - 1, .max) : nil
    }
}

// MARK: - Reading

/// An ID as a client wrote it, which may leave its second half to the server.
enum WrittenStreamID {
    case whole(StreamID)
    /// `5-*`
    case milliseconds(UInt64)
}

extension StreamID {
    /// An ID in full or without its second half, which is `missing` then.
    init?(_ text: Bytes, missing: UInt64 = 0) {
        guard case .whole(let id) = Self.read(text, missing: missing) else { return nil }
        self = id
    }

    /// The same, or `5-*` for the milliseconds alone.
    @inline(__always) static func read(
        _ text: Bytes, missing: UInt64 = 0, allowsStar: Bool = false
    ) -> WrittenStreamID? {
        // Longer texts are no numbers.
        guard text.count <= 127 else { return nil }
        var end = 0, dash = -1
        while end < text.count, text[end] != 0 {
            if text[end] == UInt8(ascii: "-"), dash < 0 { dash = end }
            end &+= 1
        }
        if dash < 0 {
            return number(text.extracting(0..<end)).map { .whole(StreamID($0, missing)) }
        }
        guard let milliseconds = number(text.extracting(0..<dash)) else { return nil }
        let rest = text.extracting((dash &+ 1)..<end)
        if allowsStar, rest.count == 1, rest[0] == UInt8(ascii: "*") {
            return .milliseconds(milliseconds)
        }
        return number(rest).map { .whole(StreamID(milliseconds, $0)) }
    }

    /// An ID, or `-` or `+` for the lowest and the highest; `missing` as above.
    init?(end text: Bytes, missing: UInt64) {
        let symbol = text.count == 1 || text.count > 1 && text[1] == 0 ? text[0] : 0
        switch symbol {
        case UInt8(ascii: "-"): self = .zero
        case UInt8(ascii: "+"): self = .max
        default: self.init(text, missing: missing)
        }
    }

    /// Up to 19 digits here; everything else as Redis reads it.
    @inline(__always) private static func number(_ text: Bytes) -> UInt64? {
        guard text.count > 0, text.count <= 19 else { return Numbers.cursor(text) }
        var value: UInt64 = 0
        for i in 0..<text.count {
            let digit = text[i] &- 48
            if digit > 9 { return Numbers.cursor(text) }
            value = value &* 10 &+ UInt64(digit)
        }
        return value
    }
}

// MARK: - Writing

/// The text of an ID.
struct StreamIDText {
    private var characters = InlineArray<44, UInt8>(repeating: 0)
    private var start = 44

    init(_ id: StreamID) {
        put(id.sequence)
        start &-= 1
        characters[start] = UInt8(ascii: "-")
        put(id.milliseconds)
    }

    private mutating func put(_ value: UInt64) {
        var rest = value
        repeat {
            start &-= 1
            characters[start] = UInt8(truncatingIfNeeded: rest % 10) &+ 48
            rest /= 10
        } while rest != 0
    }

    var bytes: Bytes {
        @_lifetime(borrow self)
        get { characters.span.extracting(start..<44) }
    }
}

extension Reply {
    mutating func bulk(_ id: StreamID) {
        let text = StreamIDText(id)
        bulk(text.bytes)
    }
}

extension CommandWords {
    mutating func append(_ id: StreamID) {
        let text = StreamIDText(id)
        append(text.bytes)
    }
}
