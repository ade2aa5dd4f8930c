//  Syntax.swift — reads the syntax line of a command.
//
//  The line is written as the manual writes it: words in capitals stand for themselves, other words
//  name an argument, [brackets] may be left out, <angles> group, a bar separates alternatives, and
//  `[key ...]` behind `key` says that there may be more. A word in capitals owns the arguments that
//  follow it up to the next such word or bracket. Three additions serve COMMAND DOCS where it is not
//  regular: `name=WORD` calls an argument otherwise than the line shows it, `word:type` overrules
//  the usual type, and {braces} group what belongs together. People do not see these.
//
//      SET key value [NX | XX] [EX seconds | KEEPTTL]
//       |   |    |       |             |
//       |   |    |       |             oneof, optional: integer "seconds" with token EX, pure token
//       |   |    |       oneof, optional: two pure tokens
//       |   key and string
//       name: the leading words in capitals, at most two
//
//  Lines are written by us, not by clients: a line that cannot be read is a programming error and
//  stops the server at start.

/// What may stand at one place of a command: a word, a choice or a group of places.
package struct Argument: Equatable, Sendable {
    package var name: String
    package var type: ArgumentType
    /// How the line shows it.
    var display: String
    /// The word in capitals in front of it; for a pure token, the word that it is.
    package var token: String?
    package var isOptional = false
    /// May be repeated.
    package var isMultiple = false
    /// The token is repeated too.
    package var isTokenMultiple = false
    /// The alternatives of a oneof, or the parts of a block.
    package var parts: [Argument] = []
    /// Position of the key specification that says where this key is.
    var keySpec: Int?
    var since: String?
    var deprecatedSince: String?
}

/// A syntax line, read.
package struct Syntax: Sendable {
    /// The line as people should see it.
    let text: String
    /// In capitals: one word, or two for a subcommand.
    package let name: [String]
    package var arguments: [Argument]

    /// Reads the line of `command` with everything that the literal adds to it.
    init(_ command: Command) {
        self.init(
            String(describing: command.syntax), names: command.names.map { "\($0)" })
        for (name, version) in command.added {
            Self.mark("\(name)", &arguments) { $0.since = "\(version)" }
        }
        for (name, version) in command.dropped {
            Self.mark("\(name)", &arguments) { $0.deprecatedSince = "\(version)" }
        }
    }

    init(_ line: String, names: [String] = []) {
        var parser = SyntaxParser(line, names: names)
        name = parser.name()
        arguments = parser.sequence()
        precondition(parser.isAtEnd, "unbalanced syntax line: \(line)")
        text = SyntaxParser.shown(line)
    }

    /// `get`, or `client|getname` for a subcommand.
    package var fullName: String { name.joined(separator: "|").lowercased() }

    /// Words of the shortest request that the line allows, the name included.
    var wordsMin: Int { name.count + arguments.reduce(0) { $0 + $1.wordsMin } }

    /// Arity as Redis counts: the exact number of words, or less the least number if it varies.
    var arity: Int32 {
        let isExact = arguments.allSatisfy { $0.wordsExact != nil }
        return Int32(clamping: isExact ? wordsMin : -wordsMin)
    }

    /// Applies `body` to the first argument called `name`, outermost first.
    @discardableResult private static func mark(
        _ name: String, _ arguments: inout [Argument], _ body: (inout Argument) -> Void
    ) -> Bool {
        for i in arguments.indices {
            if arguments[i].name == name {
                body(&arguments[i])
                return true
            }
            if mark(name, &arguments[i].parts, body) { return true }
        }
        return false
    }
}

extension Argument {
    /// Words of the shortest form, the token included.
    var wordsMin: Int { isOptional ? 0 : bodyMin }

    /// Number of words, if it is the same in all forms.
    var wordsExact: Int? {
        isOptional || isMultiple ? nil : bodyExact
    }

    /// Words if present, and only once.
    private var bodyMin: Int {
        switch type {
        case .pureToken: 1
        case .oneof: prefix + (parts.map(\.wordsMin).min() ?? 0)
        case .block: prefix + parts.reduce(0) { $0 + $1.wordsMin }
        default: prefix + 1
        }
    }

    private var bodyExact: Int? {
        switch type {
        case .oneof:
            guard let first = parts.first?.wordsExact else { return nil }
            return parts.allSatisfy { $0.wordsExact == first } ? prefix + first : nil
        case .block:
            return parts.allSatisfy { $0.wordsExact != nil } ? bodyMin : nil
        default:
            return bodyMin
        }
    }

    /// Words in front of the argument proper.
    private var prefix: Int { token == nil ? 0 : 1 }
}

/// Reads one line by recursive descent.
private struct SyntaxParser {
    private let lexemes: [String]
    private var i = 0
    /// Names for the groups still to come, in the order in which they open.
    private var names: [String]

    init(_ line: String, names: [String]) {
        lexemes = Self.lexemes(of: line)
        self.names = names.reversed()
    }

    var isAtEnd: Bool { i == lexemes.count }

    private var next: String? { i < lexemes.count ? lexemes[i] : nil }

    /// The leading words in capitals, at most two.
    mutating func name() -> [String] {
        var name: [String] = []
        while name.count < 2, let word = next, !Self.isPunctuation(word), Self.isToken(word),
            !word.contains("=")
        {
            name.append(word)
            i += 1
        }
        return name
    }

    /// Arguments up to a closing bracket, a bar or the end.
    mutating func sequence() -> [Argument] {
        var arguments: [Argument] = []
        while let word = next, !["]", ">", "}", "|", "..."].contains(word) {
            if word == "[" {
                bracket(&arguments)
            } else if word == "<" {
                arguments.append(angle())
            } else if word == "{" {
                arguments.append(alternatives(closing: "}"))
            } else {
                i += 1
                arguments.append(Self.isToken(word) ? token(word) : Self.argument(word))
            }
        }
        return arguments
    }

    /// `[…]`: something optional, or one more of what precedes.
    private mutating func bracket(_ arguments: inout [Argument]) {
        let start = i, saved = names
        i += 1
        let inner = sequence()
        if next == "..." {
            i += 1
            names = saved
            let before = arguments.count - Self.repeated(inner, in: arguments)
            close("]")
            fold(&arguments, from: before, inner)
            return
        }
        i = start
        names = saved
        arguments.append(optional())
    }

    private mutating func optional() -> Argument {
        var argument = alternatives(closing: "]")
        argument.isOptional = true
        return argument
    }

    /// `<…>`, repeatable if three dots follow.
    private mutating func angle() -> Argument {
        var argument = alternatives(closing: ">")
        if next == "..." {
            i += 1
            argument.isMultiple = true
        }
        return argument
    }

    /// What stands between an opening bracket and its `closing` one.
    private mutating func alternatives(closing: String) -> Argument {
        i += 1
        let isChoice = hasBar(closing)
        let name = isChoice ? groupName() : nil
        var choices: [Argument] = []
        while true {
            choices.append(group(isPart: isChoice))
            guard next == "|" else { break }
            i += 1
        }
        close(closing)
        guard isChoice else { return choices[0] }
        var argument = Argument(name: "", type: .oneof, display: "", parts: choices)
        argument.name = name ?? argument.usualName
        return argument
    }

    /// One alternative: its only argument, or a block of them.
    private mutating func group(isPart: Bool) -> Argument {
        // A block's name comes before those of its parts, so look ahead for how many there are.
        let start = i, saved = names
        let probe = sequence()
        if probe.count == 1 { return probe[0] }
        i = start
        names = saved
        let name = groupName()
        let parts = sequence()
        var block = Argument(name: "", type: .block, display: "", parts: parts)
        block.name = name ?? block.usualName
        return block
    }

    /// A word in capitals and what belongs to it: nothing, one argument or a block.
    private mutating func token(_ word: String) -> Argument {
        let start = i, saved = names
        var owned = tail()
        let (name, token) = Self.split(word)
        if owned.isEmpty {
            let usual = name ?? token.lowercased()
            return Argument(name: usual, type: .pureToken, display: usual, token: token)
        }
        if owned.count > 1 {
            i = start
            names = saved
            let blockName = groupName() ?? token.lowercased()
            owned = tail()
            return Argument(
                name: blockName, type: .block, display: "", token: token, parts: owned)
        }
        owned[0].token = token
        if owned[0].type == .oneof, saved.isEmpty { owned[0].name = token.lowercased() }
        return owned[0]
    }

    /// What follows a token up to the next one: words, groups in angles, repetitions.
    private mutating func tail() -> [Argument] {
        var owned: [Argument] = []
        while let word = next {
            if word == "<" {
                owned.append(angle())
            } else if word == "{" {
                owned.append(alternatives(closing: "}"))
            } else if word == "[", !owned.isEmpty, isRepetition(owned) {
                bracket(&owned)
            } else if Self.isPunctuation(word) || Self.isToken(word) {
                break
            } else {
                i += 1
                owned.append(Self.argument(word))
            }
        }
        return owned
    }

    /// Turns the arguments from `start` on, which `inner` repeats, into a multiple one.
    private mutating func fold(
        _ arguments: inout [Argument], from start: Int, _ inner: [Argument]
    ) {
        let repeatsToken = inner[0].token != nil && inner[0].type != .pureToken
        var folded: Argument
        if arguments.count - start == 1 {
            folded = arguments[start]
        } else {
            let parts = Array(arguments[start...])
            folded = Argument(name: "", type: .block, display: "", parts: parts)
            folded.name = groupName() ?? "data"
        }
        folded.isMultiple = true
        folded.isTokenMultiple = repeatsToken
        arguments.removeSubrange(start...)
        arguments.append(folded)
    }

    // MARK: - Looking ahead

    /// Whether the bracket that opens here repeats the last of `owned`.
    private func isRepetition(_ owned: [Argument]) -> Bool {
        var probe = self
        probe.i += 1
        let inner = probe.sequence()
        return probe.next == "..." && inner.first?.token == nil
    }

    /// Whether a bar stands directly between here and the `closing` bracket.
    private func hasBar(_ closing: String) -> Bool {
        var depth = 0
        for word in lexemes[i...] {
            if "[<{".contains(word) { depth += 1 }
            if "]>}".contains(word) {
                if depth == 0 { return false }
                depth -= 1
            }
            if word == "|", depth == 0 { return true }
        }
        return false
    }

    private mutating func groupName() -> String? { names.popLast() }

    private mutating func close(_ bracket: String) {
        precondition(next == bracket, "syntax line lacks a \(bracket)")
        i += 1
    }

    /// How many of the last arguments `inner` says again.
    private static func repeated(_ inner: [Argument], in arguments: [Argument]) -> Int {
        // A token that owns what is repeated does not count: `ID id [id ...]`.
        precondition(inner.count <= arguments.count, "nothing to repeat")
        return inner.count
    }

    // MARK: - Words

    /// Splits at white space and around brackets and bars.
    static func lexemes(of line: String) -> [String] {
        var lexemes: [String] = []
        var word = ""
        func flush() {
            if !word.isEmpty { lexemes.append(word) }
            word = ""
        }
        for c in line {
            switch c {
            case " ", "\n": flush()
            case "[", "]", "<", ">", "{", "}", "|":
                flush()
                lexemes.append(String(c))
            default: word.append(c)
            }
        }
        flush()
        return lexemes.flatMap { word in
            // `...` may stick to a word.
            guard word != "...", word.hasSuffix("...") else { return [word] }
            return [String(word.dropLast(3)), "..."]
        }
    }

    /// The line without what only COMMAND DOCS needs.
    static func shown(_ line: String) -> String {
        line.split(separator: " ").map { word in
            let (head, core, tail) = trimmed(word)
            guard !isPunctuation(String(core)) else { return String(word) }
            let token = isToken(String(core))
            let display =
                token ? split(String(core)).token : argument(String(core)).display
            let shown = head + (display.isEmpty ? "\"\"" : display) + tail
            return shown.filter { !"{}".contains($0) }
        }.joined(separator: " ")
    }

    /// Takes brackets off both ends of a word.
    private static func trimmed(_ word: Substring) -> (String, Substring, String) {
        let head = word.prefix { "[<{".contains($0) }
        let rest = word.dropFirst(head.count)
        var core = rest
        while let last = core.last, "]>}.".contains(last) { core.removeLast() }
        return (String(head), core, String(rest.dropFirst(core.count)))
    }

    private static func isPunctuation(_ word: String) -> Bool {
        word.isEmpty || word == "..." || (word.count == 1 && "[]<>{}|".contains(word))
    }

    /// Whether a word stands for itself: capitals or symbols, behind a name if it has one.
    private static func isToken(_ word: String) -> Bool {
        let token = split(word).token
        guard token.contains(where: \.isLetter) else { return true }
        return !token.contains(where: \.isLowercase)
    }

    /// `name=TOKEN`, or a token alone; `""` is the empty token.
    private static func split(_ word: String) -> (name: String?, token: String) {
        guard let sign = word.firstIndex(of: "="), sign != word.startIndex else {
            return (nil, word == "\"\"" ? "" : word)
        }
        let token = String(word[word.index(after: sign)...])
        return (String(word[..<sign]), token == "\"\"" ? "" : token)
    }

    /// `word`, `name=word` or `word:type`.
    private static func argument(_ word: String) -> Argument {
        var text = word
        var type: ArgumentType?
        if let colon = text.lastIndex(of: ":") {
            type = ArgumentType(rawValue: String(text[text.index(after: colon)...]))
            if type != nil { text = String(text[..<colon]) }
        }
        let (name, display) = split(text)
        let own = name ?? display
        return Argument(name: own, type: type ?? .usual(for: own), display: display)
    }
}

extension Argument {
    /// What Redis usually calls such a group.
    fileprivate var usualName: String {
        guard type == .oneof else { return "block" }
        let tokens = parts.compactMap(\.token)
        if tokens.contains("EX") { return "expiration" }
        if tokens.contains("NX") || tokens.contains("XX") { return "condition" }
        if tokens == ["ASC", "DESC"] { return "order" }
        if tokens == ["LEFT", "RIGHT"] { return "where" }
        return "option"
    }
}
