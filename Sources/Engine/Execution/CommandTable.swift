//  CommandTable.swift — all commands of a server, found by name.
//
//  Built once per server from the families. What every request needs lies in `entries`, one record
//  per command; what only COMMAND and the documentation need lies in `documents`, at the same
//  positions. Statistics are kept by the executor in an array of its own, also at these positions.
//
//      names     open addressing, a quarter full at most     word ──► position
//      entries   [ handler | gates | flags | arity | … ]     hot
//      documents [ syntax | key specs | categories | … ]     cold
//
//  Look-up compares words of at most 24 bytes, folded to capitals, as three integers; no string is
//  made. A longer name, which only `rename-command` can give, is found in a dictionary. A container such as CLIENT exists because a subcommand does; its subcommands are found in
//  an index of their own, by the second word and the position of the container.

/// What the executor reads for each request.
struct Entry: BitwiseCopyable {
    let run: BareHandler
    /// Conditions under which the command must not run.
    let gates: Gates
    let flags: CommandFlags
    /// Words that a request must and may have, the name included.
    let arityMin: Int32, arityMax: Int32
    /// Word 1 is a key.
    let hasKey: Bool
    /// Word 1 is a key, and no other word is one.
    let hasOneKey: Bool
    /// Word 1 may name a subcommand.
    let isContainer: Bool
}

/// What a command tells about itself.
struct CommandDocument: Sendable {
    let command: Command
    let group: CommandGroup
    let syntax: Syntax
    let keySpecs: [KeySpec]
    let keyRange: KeyRange
    /// The declared flags and the derived one.
    let flags: CommandFlags
    let categories: ACLCategories
    let arity: Int32
    /// In capitals, as `syntax.name`.
    var name: [String] { syntax.name }
    /// `get`, or `client|getname`.
    let fullName: String
    /// Positions of the subcommands.
    var subcommands: [Int] = []
    let isSubcommand: Bool
    /// Not declared: exists because its subcommands do.
    let isImplied: Bool

    init(_ command: Command, _ group: CommandGroup) {
        var syntax = Syntax(command)
        let specs = KeySpecBuilder.specs(of: &syntax, command.keys)
        let (range, isIncomplete) = KeyRange.covering(specs)
        self.command = command
        self.group = group
        self.syntax = syntax
        isImplied = false
        keySpecs = specs
        keyRange = range
        flags = isIncomplete ? command.flags.union(.movableKeys) : command.flags
        categories = ACLCategories.implied(by: command.flags, group, instead: command.instead)
            .union(command.also)
        arity = command.arity ?? syntax.arity
        fullName = syntax.fullName
        isSubcommand = syntax.name.count == 2
    }

    /// What it is for, in one sentence.
    var summary: String {
        isImplied ? "The commands that begin with \(name[0])." : "\(command.summary)"
    }

    /// The first version that had it; for a container, that had one of its subcommands.
    func since(in commands: borrowing CommandTable) -> String {
        guard isImplied else { return "\(command.since)" }
        let versions = subcommands.map { "\(commands.documents[$0].command.since)" }
        return versions.min(by: Self.precedes) ?? ""
    }

    /// Order of version numbers, part by part.
    private static func precedes(_ a: String, _ b: String) -> Bool {
        let parts = [a, b].map { $0.split(separator: ".").map { Int($0) ?? 0 } }
        return parts[0].lexicographicallyPrecedes(parts[1])
    }

    /// The keys of the request that begins at word `offset`, or nil if it makes no sense.
    func keys(in args: borrowing Arguments, from offset: Int = 0) -> [KeyPosition]? {
        KeySpec.positions(
            of: keySpecs, in: args, from: offset,
            options: flags.contains(.movableKeys) ? syntax.optionWidths : [:])
    }

    /// Whether a request with so many words can be right.
    func allows(_ words: Int) -> Bool {
        arity >= 0 ? words == Int(arity) : words >= -Int(arity)
    }
}

struct CommandTable: ~Copyable {
    let entries: OwnedBuffer<Entry>
    let documents: [CommandDocument]
    private let names: NameIndex
    private let subnames: NameIndex
    /// Names of more than 24 bytes, in capitals.
    private let longNames: [[UInt8]: Int]

    init(_ families: [Family], renames: [CommandRename] = []) {
        var documents = families.flatMap { family in
            family.commands.map { CommandDocument($0, family.group) }
        }
        Self.addContainers(to: &documents)
        self.documents = documents
        entries = OwnedBuffer(count: documents.count) { Self.entry(of: documents[$0]) }
        var names = NameIndex(count: documents.count)
        var subnames = NameIndex(count: documents.count)
        var longNames: [[UInt8]: Int] = [:]
        for (name, id) in Self.topLevelNames(documents, renames) {
            if name.utf8.count <= Word.countMax {
                names.insert(Word(name), id, owner: 0)
            } else {
                longNames[Array(name.utf8)] = id
            }
        }
        for (id, document) in documents.enumerated() {
            for sub in document.subcommands {
                subnames.insert(Word(documents[sub].name[1]), sub, owner: id)
            }
        }
        self.names = names
        self.subnames = subnames
        self.longNames = longNames
    }

    /// What commands answer to, in capitals, after `renames` were carried out in their order.
    private static func topLevelNames(
        _ documents: [CommandDocument], _ renames: [CommandRename]
    ) -> [String: Int] {
        var names: [String: Int] = [:]
        for (id, document) in documents.enumerated() where !document.isSubcommand {
            names[document.name[0]] = id
        }
        for rename in renames {
            guard let id = names.removeValue(forKey: rename.name.uppercased()) else { continue }
            let name = rename.newName.uppercased()
            if !name.isEmpty, names[name] == nil { names[name] = id }
        }
        return names
    }

    /// What commands answer to, in capitals, without building a table.
    static func names(of families: [Family], renames: [CommandRename]) -> Set<String> {
        let lines = families.flatMap(\.commands).map { "\($0.syntax)" }
        var names = Set(lines.map { $0.prefix { $0 != " " }.uppercased() })
        for rename in renames {
            names.remove(rename.name.uppercased())
            names.insert(rename.newName.uppercased())
        }
        names.remove("")
        return names
    }

    /// The position of the command whose long name is word 0.
    @inline(never) func findLong(_ args: borrowing Arguments) -> Int? {
        guard !longNames.isEmpty, args[0].count > Word.countMax else { return nil }
        return longNames[args[0].array.map { 97...122 ~= $0 ? $0 - 32 : $0 }]
    }

    /// The position of the command called `word`.
    @inline(__always) func find(_ word: Word) -> Int? { names.find(word, owner: 0) }

    /// The position of the subcommand called `word` of the container at `id`.
    func find(_ word: Word, in id: Int) -> Int? { subnames.find(word, owner: id) }

    /// The position of the command that `args` names from word `i` on, a subcommand if it is one.
    func find(_ args: borrowing Arguments, from i: Int) -> Int? {
        guard i < args.count, let id = find(args.word(i)) else { return nil }
        guard entries[id].isContainer, i + 1 < args.count else { return id }
        return find(args.word(i + 1), in: id)
    }

    /// The position of the command called `name`, which may be `client|getname`.
    func find(fullName name: Bytes) -> Int? {
        var bar = 0
        while bar < name.count, name[bar] != UInt8(ascii: "|") { bar += 1 }
        guard bar < name.count else { return find(Word(name)) }
        guard let id = find(Word(name.extracting(0..<bar))) else { return nil }
        return find(Word(name.extracting((bar + 1)..<name.count)), in: id)
    }

    /// `get`, or `client|getname`: the name that errors show.
    func fullName(_ id: Int) -> String { documents[id].fullName }

    /// Commands that are no subcommands.
    var topLevelCount: Int { documents.count { !$0.isSubcommand } }

    // MARK: - Building

    /// Adds a container for each first word that only subcommands declare.
    private static func addContainers(to documents: inout [CommandDocument]) {
        var containers: [String: Int] = [:]
        for (id, document) in documents.enumerated() where !document.isSubcommand {
            let isNew = containers.updateValue(id, forKey: document.name[0]) == nil
            precondition(isNew, "two commands are called \(document.name[0])")
        }
        for (id, document) in documents.enumerated() where document.isSubcommand {
            let name = document.name[0]
            if let container = containers[name] {
                documents[container].subcommands.append(id)
                continue
            }
            containers[name] = documents.count
            var container = CommandDocument(containerOf: name, document)
            container.subcommands = [id]
            documents.append(container)
        }
    }

    private static func entry(of document: CommandDocument) -> Entry {
        var gates = Gates()
        if !document.flags.contains(.noAuth) { gates.insert(.authentication) }
        if document.flags.contains(.denyOOM) { gates.insert(.memory) }
        gates.insert(.pause)
        if !TransactionCommands.immediate.contains(document.fullName) { gates.insert(.transaction) }
        if !PubSubCommands.whileListening.contains(document.fullName) { gates.insert(.listener) }
        if !document.flags.isDisjoint(with: [.write, .readonly, .mayReplicate]) {
            gates.insert(.monitor)
        }
        // What it runs may write.
        if document.fullName == "exec" { gates.insert(.pauseWrites) }
        if !document.flags.isDisjoint(with: [.write, .mayReplicate]) { gates.insert(.pauseWrites) }
        if document.flags.contains(.write) { gates.formUnion([.snapshot, .disk]) }
        if document.fullName == "ping" { gates.insert(.disk) }
        if !document.flags.contains(.loading) { gates.insert(.loading) }
        let least = document.arity.magnitude
        let firstIsKey = document.keySpecs.contains {
            $0.begin == .index(1) && $0.find != .counted(count: 0, first: 1)
                && $0.access != .channel
        }
        return Entry(
            run: BareHandler(document.command.run), gates: gates, flags: document.flags,
            arityMin: Int32(clamping: least),
            arityMax: document.arity >= 0 ? document.arity : .max,
            hasKey: firstIsKey,
            hasOneKey: firstIsKey && document.keySpecs.count == 1
                && document.keySpecs[0].find == .range(last: 0, step: 1, limit: 0),
            isContainer: !document.subcommands.isEmpty)
    }
}

extension CommandDocument {
    /// A container that nobody declared; it came with the first of its subcommands.
    fileprivate init(containerOf name: String, _ first: CommandDocument) {
        command = Command(
            "", since: "", complexity: "Depends on the subcommand.", summary: "", arity: -2,
            run: Containers.run)
        group = first.group
        syntax = Syntax(name)
        keySpecs = []
        keyRange = KeyRange()
        flags = []
        categories = .slow
        arity = -2
        fullName = name.lowercased()
        isSubcommand = false
        isImplied = true
    }
}

/// What a container does without a subcommand: arity refuses that before.
private enum Containers {
    @Sendable static func run(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) { throw .wrongArity }
}

/// Words and the numbers they stand for, each under an owner.
struct NameIndex: ~Copyable {
    // Not private: the compiler (6.3.1) emits a broken reference to a private element type.
    struct Slot: BitwiseCopyable {
        var low: UInt64 = 0
        /// Length and owner, so that one comparison tells both.
        var key: UInt64 = 0
        var high: UInt64 = 0
        var tail: UInt64 = 0
        var id = -1
    }

    private var slots: Buffer<Slot>
    private let mask: Int

    /// Room for `count` words: four slots for each, so that most are found at the first.
    init(count: Int) {
        var capacity = 64
        while capacity < count * 4 { capacity *= 2 }
        slots = Buffer(repeating: Slot(), count: capacity)
        mask = capacity - 1
    }

    mutating func insert(_ word: Word, _ id: Int, owner: Int) {
        precondition(word.count <= Word.countMax, "a name may have 24 bytes")
        precondition(find(word, owner: owner) == nil, "a name stands for two commands")
        var i = start(word, owner)
        while slots[i].id >= 0 { i = (i &+ 1) & mask }
        slots[i] = Slot(
            low: word.low, key: Self.key(word, owner), high: word.high, tail: word.tail, id: id)
    }

    @inline(__always) func find(_ word: Word, owner: Int) -> Int? {
        let key = Self.key(word, owner)
        var i = start(word, owner)
        while slots[i].id >= 0 {
            let slot = slots[i]
            if slot.low == word.low, slot.key == key {
                // Most names are short, and then the rest is zero.
                if word.count <= 8 { return slot.id }
                if slot.high == word.high, slot.tail == word.tail { return slot.id }
            }
            i = (i &+ 1) & mask
        }
        return nil
    }

    @inline(__always) private static func key(_ word: Word, _ owner: Int) -> UInt64 {
        UInt64(truncatingIfNeeded: word.count) | UInt64(truncatingIfNeeded: owner) << 32
    }

    @inline(__always) private func start(_ word: Word, _ owner: Int) -> Int {
        let mixed = word.low ^ word.high ^ word.tail ^ UInt64(truncatingIfNeeded: owner)
        return Int(truncatingIfNeeded: (mixed &* 0x9E37_79B9_7F4A_7C15) >> 40) & mask
    }
}
