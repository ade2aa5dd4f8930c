//  KeySpec.swift — where the keys of a command are, and what happens to them.
//
//  A key specification is Redis's answer to that: where to begin looking, and how to go on from
//  there. All of it follows from the syntax line. A key behind fixed words has a fixed index; one
//  behind `numkeys` is counted; one behind a token of an optional part is found by that token.
//
//      EVAL script numkeys [key ...]        begin at index 2, which holds the number of keys
//      XREAD [COUNT n] STREAMS key … id …   begin behind the word STREAMS, take the first half
//      BLPOP key [key ...] timeout          begin at index 1, stop one before the last word
//
//  Positions count words of the request with the command's name as number 0.

/// What is done to a key, as COMMAND INFO reports it.
struct KeyFlags: OptionSet, Sendable {
    let rawValue: UInt16

    static let readOnly = KeyFlags(rawValue: 1 << 0)
    static let readWrite = KeyFlags(rawValue: 1 << 1)
    static let overwrites = KeyFlags(rawValue: 1 << 2)
    static let removes = KeyFlags(rawValue: 1 << 3)
    static let access = KeyFlags(rawValue: 1 << 4)
    static let update = KeyFlags(rawValue: 1 << 5)
    static let insert = KeyFlags(rawValue: 1 << 6)
    static let delete = KeyFlags(rawValue: 1 << 7)
    static let notKey = KeyFlags(rawValue: 1 << 8)
    static let incomplete = KeyFlags(rawValue: 1 << 9)
    static let variable = KeyFlags(rawValue: 1 << 10)

    private static let texts: [StaticString] = [
        "RW", "RO", "OW", "RM", "access", "insert", "update", "delete", "not_key", "incomplete",
        "variable_flags",
    ]

    private static let order: [KeyFlags] = [
        .readWrite, .readOnly, .overwrites, .removes, .access, .insert, .update, .delete, .notKey,
        .incomplete, .variable,
    ]

    /// The names of the members in Redis's order.
    var names: [StaticString] {
        zip(Self.order, Self.texts).filter { contains($0.0) }.map(\.1)
    }
}

extension KeyAccess {
    var flags: KeyFlags {
        switch self {
        case .reads, .readsSomewhere: [.readOnly, .access]
        case .inspects: .readOnly
        case .overwrites, .overwritesSomewhere: [.overwrites, .update]
        case .inserts: [.overwrites, .insert]
        case .appends: [.readWrite, .insert]
        case .updates: [.readWrite, .update]
        case .readsAndUpdates: [.readWrite, .access, .update]
        case .readsAndAdds: [.readWrite, .access, .insert]
        case .readsAndTouches: [.readWrite, .access]
        case .readsAndDeletes: [.readWrite, .access, .delete]
        case .deletesFrom: [.readWrite, .delete]
        case .updatesAndDeletes: [.readWrite, .update, .delete]
        case .deletes: [.removes, .delete]
        case .overwritesUnlessGet, .readsAndUpdatesUnlessGet:
            [.readWrite, .access, .update, .variable]
        case .readsAndDeletesIncompletely: [.readWrite, .access, .delete, .incomplete]
        case .channel: .notKey
        }
    }

    /// Why the flags are what they are, where that is not plain.
    var note: StaticString? {
        switch self {
        case .overwritesUnlessGet: "reads the key only with the GET option"
        case .readsAndUpdatesUnlessGet: "reads, writes or does both, as its operations say"
        case .readsSomewhere: "the names of these keys follow from the data"
        case .overwritesSomewhere: "the token in front of this key may stand anywhere"
        default: nil
        }
    }

    fileprivate var isSomewhere: Bool { self == .readsSomewhere || self == .overwritesSomewhere }
}

/// Where one key of a command, or one run of keys, is.
struct KeySpec: Equatable, Sendable {
    enum Begin: Equatable, Sendable {
        case index(Int)
        /// Behind the first such word from `from` on; counted from the end if negative.
        case keyword(String, from: Int)
        /// Unknown to clients. The server finds it behind the last such word, if there is one.
        case anywhere(String?)
    }

    enum Find: Equatable, Sendable {
        /// Up to `last` words further, or up to `-last` words before the end; of those only the
        /// first part in `limit`, if that is more than 1.
        case range(last: Int, step: Int, limit: Int)
        /// As many as the word at `count` behind the beginning says, starting `first` behind it.
        case counted(count: Int, first: Int)
        case unknown
    }

    let begin: Begin
    var find: Find
    let access: KeyAccess
}

// MARK: - Derivation

/// Walks over the arguments of a line and collects its key specifications.
struct KeySpecBuilder {
    private(set) var specs: [KeySpec] = []
    private let accesses: [KeyAccess]
    /// Keys seen so far, each with an access of its own while there are some.
    private var seen = 0
    /// Position of the current argument, if all before it have a fixed number of words.
    private var position: Int?
    private var positionMin: Int
    /// Position of the last argument, if that was a number of keys.
    private var counter: Int?
    /// Words that must follow the current argument.
    private var trailing = 0

    /// Finds the keys of `syntax` and marks its arguments with the specification they belong to.
    static func specs(of syntax: inout Syntax, _ accesses: [KeyAccess]) -> [KeySpec] {
        guard !accesses.isEmpty else { return [] }
        var builder = KeySpecBuilder(accesses, from: syntax.name.count)
        builder.walk(&syntax.arguments)
        return builder.specs
    }

    private init(_ accesses: [KeyAccess], from position: Int) {
        self.accesses = accesses
        self.position = position
        positionMin = position
    }

    private mutating func walk(_ arguments: inout [Argument]) {
        var rest = arguments.reduce(0) { $0 + $1.wordsMin }
        for i in arguments.indices {
            rest -= arguments[i].wordsMin
            trailing = rest
            visit(&arguments[i])
            advance(over: arguments[i])
        }
    }

    private mutating func advance(over argument: Argument) {
        let isCounter = argument.name == "numkeys" && !argument.isOptional
        counter = isCounter ? position : nil
        position = position.flatMap { p in argument.wordsExact.map { p + $0 } }
        positionMin += argument.wordsMin
    }

    private mutating func visit(_ argument: inout Argument) {
        switch argument.type {
        case .oneof:
            for i in argument.parts.indices { visit(&argument.parts[i]) }
        case .block: block(&argument)
        case .pattern where accesses.contains(.readsSomewhere) && argument.token != nil:
            argument.keySpec = patterns()
        default:
            if isKey(argument) { key(&argument) }
        }
    }

    private func isKey(_ argument: Argument) -> Bool {
        argument.type == .key || (argument.name == "shardchannel" && accesses.first == .channel)
    }

    /// The access of the next key: its own, or the last one for all that follow.
    private mutating func nextAccess() -> (access: KeyAccess, isShared: Bool) {
        var i = seen
        while i < accesses.count - 1, accesses[i] == .readsSomewhere { i += 1 }
        seen = i + 1
        return (accesses[min(i, accesses.count - 1)], i >= accesses.count)
    }

    private mutating func key(_ argument: inout Argument) {
        let (access, isShared) = nextAccess()
        // A channel is no key to COMMAND DOCS.
        if argument.type == .key { argument.keySpec = specs.count }
        if access.isSomewhere {
            return add(.anywhere(argument.token), .unknown, access)
        }
        let last = argument.isMultiple ? -1 - trailing : 0
        let run = KeySpec.Find.range(last: last, step: 1, limit: 0)
        if let token = argument.token {
            let from = access == .readsAndDeletesIncompletely ? -2 : positionMin
            return add(.keyword(token, from: from), run, access)
        }
        if let counter {
            return add(.index(counter), .counted(count: 0, first: 1), access)
        }
        guard let position else { preconditionFailure("no rule finds \(argument.name)") }
        if isShared, !argument.isMultiple, extendLast(to: position) {
            argument.keySpec = specs.count - 1
            return
        }
        add(.index(position), run, access)
    }

    /// Lets a run of single keys that are used alike go on; false if there is none.
    private mutating func extendLast(to position: Int) -> Bool {
        guard let last = specs.last, case .index(let start) = last.begin,
            case .range(let length, 1, 0) = last.find, start + length + 1 == position
        else { return false }
        specs[specs.count - 1].find = .range(last: length + 1, step: 1, limit: 0)
        return true
    }

    private mutating func block(_ block: inout Argument) {
        if block.isMultiple, let first = block.parts.firstIndex(where: isKey), let position {
            let width = block.parts.reduce(0) { $0 + $1.wordsMin }
            block.parts[first].keySpec = specs.count
            let access = nextAccess().access
            return add(
                .index(position + first), .range(last: -1 - trailing, step: width, limit: 0),
                access)
        }
        // Keys first, then equally many other words: the keys are the first half.
        if let token = block.token, block.parts.count == 2, isKey(block.parts[0]),
            block.parts.allSatisfy(\.isMultiple)
        {
            block.parts[0].keySpec = specs.count
            let access = nextAccess().access
            return add(
                .keyword(token, from: positionMin), .range(last: -1, step: 1, limit: 2), access)
        }
        inside(&block)
    }

    /// Visits the parts of a block, whose positions go on from here.
    private mutating func inside(_ block: inout Argument) {
        let outer = (position, positionMin, trailing)
        let isFixed = !block.isOptional && !block.isMultiple
        if !isFixed { position = nil }
        if block.token != nil {
            position = position.map { $0 + 1 }
            positionMin += 1
        }
        walk(&block.parts)
        (position, positionMin, trailing) = outer
    }

    private mutating func patterns() -> Int {
        if let i = specs.firstIndex(where: { $0.access == .readsSomewhere }) { return i }
        add(.anywhere(nil), .unknown, .readsSomewhere)
        return specs.count - 1
    }

    private mutating func add(
        _ begin: KeySpec.Begin, _ find: KeySpec.Find, _ access: KeyAccess
    ) {
        specs.append(KeySpec(begin: begin, find: find, access: access))
    }
}

// MARK: - What old clients know

/// First, last and step, which is all that COMMAND told before Redis 7.
struct KeyRange: Equatable, Sendable {
    var first = 0, last = 0, step = 0

    /// The range that covers the specifications, and whether some keys are outside.
    static func covering(_ specs: [KeySpec]) -> (range: KeyRange, isIncomplete: Bool) {
        if specs.count == 1, case .index(let start) = specs[0].begin,
            case .range(let last, let step, _) = specs[0].find
        {
            let end = last >= 0 ? start + last : last
            return (KeyRange(first: start, last: end, step: step), false)
        }
        var range = KeyRange()
        var isIncomplete = false
        for spec in specs {
            guard case .index(let start) = spec.begin,
                case .range(let last, 1, _) = spec.find,
                range.first == 0 || range.last == start - 1
            else {
                isIncomplete = true
                continue
            }
            if range.first == 0 { range = KeyRange(first: start, last: start, step: 1) }
            range.last = last >= 0 ? start + last : last
            if spec.access.flags.contains(.incomplete) { isIncomplete = true }
        }
        return (range, isIncomplete)
    }
}

// MARK: - Keys of a request

/// One key of a request: its position and what happens to it.
struct KeyPosition: Equatable, Sendable {
    let index: Int
    let flags: KeyFlags
}

extension KeySpec {
    /// The positions of all keys in `args`, or nil if the request makes no sense.
    ///
    /// The command's name is word `offset`. `options` tells how many words follow each token, so
    /// that these are not taken for tokens.
    static func positions(
        of specs: [KeySpec], in args: borrowing Arguments, from offset: Int = 0,
        options: [String: Int] = [:]
    ) -> [KeyPosition]? {
        var positions: [KeyPosition] = []
        for spec in specs {
            guard let found = spec.positions(in: args, offset, options) else { return nil }
            // The list behind a keyword is given in place of the key with the fixed position.
            if spec.access == .readsAndDeletesIncompletely, !found.isEmpty { positions = [] }
            positions += found
        }
        return positions
    }

    private func positions(
        in args: borrowing Arguments, _ offset: Int, _ options: [String: Int]
    ) -> [KeyPosition]? {
        let count = args.count - offset
        let start: Int
        switch begin {
        case .index(let index): start = index
        case .keyword(let word, let from):
            guard let found = Self.find(word, args, offset, from: from) else { return [] }
            start = found + 1
        case .anywhere(let word):
            guard let word, let found = Self.findLast(word, args, offset, options) else {
                return []
            }
            return [KeyPosition(index: offset + found, flags: access.flags)]
        }
        let first: Int, last: Int, step: Int
        switch find {
        case .range(let end, let stride, let limit):
            first = start
            step = stride
            if end >= 0 {
                last = start + end
            } else if limit > 1 {
                last = start + (count - start) / limit + end
            } else {
                last = count + end
            }
        case .counted(let at, let begin):
            step = 1
            guard start + at < count, let keys = Numbers.integer(args[offset + start + at]),
                keys > 0, keys <= Int64(count)
            else { return nil }
            first = start + begin
            last = first + Int(keys) - 1
        case .unknown: return []
        }
        // A run that leaves the request is a syntax error of the client's.
        guard first <= last, last < count else { return nil }
        let flags = flags(in: args, offset)
        return stride(from: first, through: last, by: step).map {
            KeyPosition(index: offset + $0, flags: flags)
        }
    }

    /// The flags for this very request, where options decide.
    private func flags(in args: borrowing Arguments, _ offset: Int) -> KeyFlags {
        switch access {
        case .overwritesUnlessGet:
            for i in (offset + 3)..<max(args.count, offset + 3)
            where args[i].equalsIgnoringCase("GET") {
                return KeyAccess.readsAndUpdates.flags
            }
            return KeyAccess.overwrites.flags
        case .readsAndUpdatesUnlessGet:
            return Self.onlyGets(args, offset)
                ? KeyAccess.reads.flags : KeyAccess.readsAndUpdates.flags
        default:
            return access.flags.subtracting(.incomplete)
        }
    }

    /// Whether GET is the only operation of a BITFIELD.
    private static func onlyGets(_ args: borrowing Arguments, _ offset: Int) -> Bool {
        var i = offset + 2
        while i < args.count {
            let words = args.count - i - 1
            if args[i].equalsIgnoringCase("GET"), words >= 2 {
                i += 3
            } else if args[i].equalsIgnoringCase("OVERFLOW"), words >= 1 {
                i += 2
            } else {
                return false
            }
        }
        return true
    }

    private static func find(
        _ word: String, _ args: borrowing Arguments, _ offset: Int, from: Int
    ) -> Int? {
        let count = args.count - offset
        let wanted = Word(word)
        if from >= 0 {
            var i = from
            while i < count - 1 {
                if args.word(offset + i) == wanted { return i }
                i += 1
            }
            return nil
        }
        var i = count + from
        while i > 1 {
            if args.word(offset + i) == wanted { return i }
            i -= 1
        }
        return nil
    }

    /// Position behind the last `word` that is a token and not the value of one.
    private static func findLast(
        _ word: String, _ args: borrowing Arguments, _ offset: Int, _ options: [String: Int]
    ) -> Int? {
        let skips = options.map { (Word($0.key), $0.value) }
        let wanted = Word(word)
        var found: Int?
        var i = 2
        while offset + i < args.count {
            let token = args.word(offset + i)
            if token == wanted, offset + i + 1 < args.count {
                found = i + 1
                i += 2
            } else {
                i += 1 + (skips.first { $0.0 == token }?.1 ?? 0)
            }
        }
        return found
    }
}

extension Syntax {
    /// How many words follow each token of an optional argument.
    var optionWidths: [String: Int] {
        var widths: [String: Int] = [:]
        for argument in arguments where argument.isOptional {
            guard let token = argument.token, argument.type != .pureToken else { continue }
            var single = argument
            single.isOptional = false
            single.isMultiple = false
            widths[token] = max(0, (single.wordsExact ?? 1) - 1)
        }
        return widths
    }
}
