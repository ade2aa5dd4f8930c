//  Directive.swift — how one directive is read, checked and printed.
//
//  A directive has a name, traits, and two closures: one prints its value, one reads words into it
//  or throws the reason why not. The builders at the end make both from a key path and a shape, so
//  that the table in Configuration+Directives.swift has one line per directive. All of this runs
//  when a file is loaded or CONFIG is called; closures and strings are fine here.
//
//  Texts of faults are those of redis-server, since clients and their tests compare them.

/// Why a directive refuses a value.
struct DirectiveFault: Error {
    let text: String

    init(_ text: String) { self.text = text }

    static let wrongCount = DirectiveFault("wrong number of arguments")
}

/// Restrictions and habits of a directive.
struct DirectiveTraits: OptionSet, Sendable {
    let rawValue: UInt8

    /// CONFIG SET refuses it.
    static let immutable = DirectiveTraits(rawValue: 1 << 0)
    /// CONFIG SET refuses it unless `enable-protected-configs` admits the client.
    static let protected = DirectiveTraits(rawValue: 1 << 1)
    /// Patterns of CONFIG GET do not find it, its exact name does.
    static let hidden = DirectiveTraits(rawValue: 1 << 2)
    /// Takes any number of words; a single quoted word is split at spaces.
    static let manyWords = DirectiveTraits(rawValue: 1 << 3)
}

struct Directive: Sendable {
    let name: String
    /// The older name of the same directive.
    let alias: String?
    let traits: DirectiveTraits
    /// Why it changes nothing in Martlet; nil when it does what it says.
    let noEffect: String?
    let get: @Sendable (Configuration) -> String
    let set: @Sendable (inout Configuration, [String]) throws(DirectiveFault) -> Void

    /// The lines that CONFIG REWRITE writes for a value, without the name.
    func lines(_ configuration: Configuration) -> [String] {
        switch name {
        case "save":
            let points = configuration.save.map { "\($0.seconds) \($0.changes)" }
            return points.isEmpty ? ["\"\""] : points
        case "client-output-buffer-limit":
            let limits = configuration.outputBufferLimits
            return [
                "normal \(limits.normal.text)", "replica \(limits.replica.text)",
                "pubsub \(limits.pubsub.text)",
            ]
        default:
            let text = get(configuration)
            let plain = traits.contains(.manyWords) && !text.isEmpty
            return [plain ? text : ConfigurationFile.quoted(text)]
        }
    }
}

/// What the text of a directive without special rules looks like.
enum DirectiveShape: Sendable {
    case flag
    case choice([String])
    /// Several of the choices, separated by spaces.
    case choices([String])
    case integer(ClosedRange<Int>)
    /// An integer that Redis keeps unsigned: a negative one has a message of its own.
    case count(ClosedRange<Int>)
    case octal(ClosedRange<Int>)
    /// A number of bytes, with units.
    case memory(ClosedRange<Int>)
    case memoryOrPercent
    case text
    /// Text that names a file: a byte 0 is refused.
    case path
    case custom(@Sendable ([String]) throws(DirectiveFault) -> String)

    /// The text that CONFIG GET prints after `words` were set.
    func canonical(_ words: [String]) throws(DirectiveFault) -> String {
        if case .custom(let rule) = self { return try rule(words) }
        if case .choices(let all) = self { return try Self.choices(words, of: all) }
        guard words.count == 1 else { throw .wrongCount }
        let word = words[0]
        switch self {
        case .flag: return try Self.flag(word) ? "yes" : "no"
        case .choice(let all): return try Self.choice(word, of: all)
        case .octal: return String(try integer(word), radix: 8)
        case .integer, .count, .memory: return String(try integer(word))
        case .memoryOrPercent: return try Self.memoryOrPercent(word)
        case .path: return try Self.path(word)
        case .text, .custom, .choices: return word
        }
    }

    /// The value of a shape that is a number.
    func integer(_ word: String) throws(DirectiveFault) -> Int {
        switch self {
        case .integer(let range): return try Self.checked(Self.decimal(word), range)
        case .count(let range):
            let value = try Self.decimal(word)
            if value < 0 { throw DirectiveFault("argument must be greater or equal to 0") }
            return try Self.checked(value, range)
        case .octal(let range):
            guard !word.isEmpty, word.utf8.allSatisfy({ 48...55 ~= $0 }),
                let value = Int(word, radix: 8)
            else { throw DirectiveFault("argument couldn't be parsed as an octal number") }
            guard range.contains(value) else {
                let low = String(range.lowerBound, radix: 8)
                let high = String(range.upperBound, radix: 8)
                throw DirectiveFault("argument must be between \(low) and \(high) inclusive")
            }
            return value
        case .memory(let range):
            guard let memory = Self.memory(word) else {
                throw DirectiveFault("argument must be a memory value")
            }
            // Beyond 63 bits, Redis sees a negative number.
            guard let value = Int(exactly: memory) else {
                throw DirectiveFault("argument must be greater or equal to 0")
            }
            return try Self.checked(value, range)
        default: return try Self.decimal(word)
        }
    }

    // MARK: - Readers

    static func flag(_ word: String) throws(DirectiveFault) -> Bool {
        switch word.lowercased() {
        case "yes": return true
        case "no": return false
        default: throw DirectiveFault("argument must be 'yes' or 'no'")
        }
    }

    static func choice(_ word: String, of all: [String]) throws(DirectiveFault) -> String {
        let lower = word.lowercased()
        guard all.contains(lower) else {
            throw DirectiveFault(
                "argument(s) must be one of the following: " + all.joined(separator: ", "))
        }
        return lower
    }

    static func choices(_ words: [String], of all: [String]) throws(DirectiveFault) -> String {
        guard !words.isEmpty else { throw .wrongCount }
        var chosen: Set<String> = []
        for word in words { chosen.insert(try choice(word, of: all)) }
        // The first choice stands for none of the others.
        if chosen.count > 1 { chosen.remove(all[0]) }
        return all.filter { chosen.contains($0) }.joined(separator: " ")
    }

    static func decimal(_ word: String) throws(DirectiveFault) -> Int {
        let bytes = Array(word.utf8)
        guard let value = Numbers.integer(bytes.span) else {
            throw DirectiveFault("argument couldn't be parsed into an integer")
        }
        return Int(value)
    }

    static func checked(_ value: Int, _ range: ClosedRange<Int>) throws(DirectiveFault) -> Int {
        guard range.contains(value) else {
            throw DirectiveFault(
                "argument must be between \(range.lowerBound) and \(range.upperBound) inclusive")
        }
        return value
    }

    /// Digits and a unit: `k`, `m`, `g` count in thousands, `kb`, `mb`, `gb` in 1024s, any case.
    ///
    /// No digits at all are 0, as in Redis; more than 64 bits are the largest number.
    static func memory(_ word: String) -> UInt64? {
        let digits = word.utf8.prefix { 48...57 ~= $0 }
        guard digits.count < 128 else { return nil }
        let factor: UInt64
        switch String(decoding: word.utf8.dropFirst(digits.count), as: UTF8.self).lowercased() {
        case "", "b": factor = 1
        case "k": factor = 1000
        case "kb": factor = 1 << 10
        case "m": factor = 1_000_000
        case "mb": factor = 1 << 20
        case "g": factor = 1_000_000_000
        case "gb": factor = 1 << 30
        default: return nil
        }
        var value: UInt64 = 0
        for digit in digits {
            let (tens, over) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(UInt64(digit - 48))
            if over || carry { return .max }
            value = sum
        }
        let (bytes, over) = value.multipliedReportingOverflow(by: factor)
        return over ? .max : bytes
    }

    static func memoryOrPercent(_ word: String) throws(DirectiveFault) -> String {
        if word.utf8.last == UInt8(ascii: "%") {
            let number = Array(word.utf8.dropLast())
            if let percent = Numbers.integer(number.span), percent >= 0 {
                guard percent <= 100 else {
                    throw DirectiveFault("percentage argument must be less or equal to 100")
                }
                return percent == 0 ? "0" : "\(percent)%"
            }
        } else if let bytes = memory(word), bytes <= UInt64(Int.max) {
            return String(bytes)
        }
        throw DirectiveFault("argument must be a memory or percent value")
    }

    static func path(_ word: String) throws(DirectiveFault) -> String {
        if word.utf8.contains(0) { throw DirectiveFault("argument must not contain a byte 0") }
        return word
    }
}

// MARK: - Builders

/// The place of a typed value.
typealias SettingPath<Value> = any WritableKeyPath<Configuration, Value> & Sendable

extension Directive {
    static func flag(
        _ name: String, _ path: SettingPath<Bool>,
        _ traits: DirectiveTraits = [], noEffect: String? = nil
    ) -> Directive {
        Directive(name: name, alias: nil, traits: traits, noEffect: noEffect) { configuration in
            configuration[keyPath: path] ? "yes" : "no"
        } set: { (configuration, words) throws(DirectiveFault) in
            guard words.count == 1 else { throw .wrongCount }
            configuration[keyPath: path] = try DirectiveShape.flag(words[0])
        }
    }

    static func choice<Value: RawRepresentable & CaseIterable & Sendable>(
        _ name: String, _ path: SettingPath<Value>,
        _ traits: DirectiveTraits = [], noEffect: String? = nil
    ) -> Directive where Value.RawValue == String {
        let all = Value.allCases.map(\.rawValue)
        return Directive(name: name, alias: nil, traits: traits, noEffect: noEffect) {
            $0[keyPath: path].rawValue
        } set: { (configuration, words) throws(DirectiveFault) in
            guard words.count == 1 else { throw .wrongCount }
            let word = try DirectiveShape.choice(words[0], of: all)
            if let value = Value(rawValue: word) { configuration[keyPath: path] = value }
        }
    }

    /// A number; `shape` says how it is written and what it may be.
    static func number(
        _ name: String, _ path: SettingPath<Int>,
        _ shape: DirectiveShape, _ traits: DirectiveTraits = [], alias: String? = nil,
        noEffect: String? = nil
    ) -> Directive {
        var radix = 10
        if case .octal = shape { radix = 8 }
        return Directive(name: name, alias: alias, traits: traits, noEffect: noEffect) {
            [radix] configuration in
            String(configuration[keyPath: path], radix: radix)
        } set: { (configuration, words) throws(DirectiveFault) in
            guard words.count == 1 else { throw .wrongCount }
            configuration[keyPath: path] = try shape.integer(words[0])
        }
    }

    static func text(
        _ name: String, _ path: SettingPath<String>,
        _ shape: DirectiveShape = .text, _ traits: DirectiveTraits = [], noEffect: String? = nil
    ) -> Directive {
        Directive(name: name, alias: nil, traits: traits, noEffect: noEffect) {
            $0[keyPath: path]
        } set: { (configuration, words) throws(DirectiveFault) in
            configuration[keyPath: path] = try shape.canonical(words)
        }
    }

    /// A directive of Redis that is checked, kept and printed, and does nothing.
    static func unused(
        _ name: String, _ shape: DirectiveShape, _ initial: String, _ reason: String,
        _ traits: DirectiveTraits = [], alias: String? = nil
    ) -> Directive {
        Directive(name: name, alias: alias, traits: traits, noEffect: reason) {
            $0.unused[name] ?? initial
        } set: { (configuration, words) throws(DirectiveFault) in
            configuration.unused[name] = try shape.canonical(words)
        }
    }

    /// A directive of Redis that would change what a client may rely on: anything but its initial
    /// value is refused, because a server that ignored it would not be what was asked for.
    static func refused(
        _ name: String, _ shape: DirectiveShape, _ initial: String, _ reason: String,
        _ traits: DirectiveTraits = [], alias: String? = nil
    ) -> Directive {
        Directive(name: name, alias: alias, traits: traits, noEffect: reason) { _ in
            initial
        } set: { (_, words) throws(DirectiveFault) in
            if try shape.canonical(words) != initial {
                throw DirectiveFault("not supported by Martlet: " + reason)
            }
        }
    }
}
