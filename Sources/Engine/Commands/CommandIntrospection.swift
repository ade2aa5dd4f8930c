//  CommandIntrospection.swift — COMMAND: what the server tells about its commands.
//
//  Everything comes from the table's documents; nothing here knows a command by name. All of it is
//  cold, so strings are made freely.

enum CommandIntrospection {
    static let family = Family(
        group: .server,
        commands: [COMMAND, COUNT, LIST, INFO, DOCS, GETKEYS, GETKEYSANDFLAGS, HELP])

    static let COMMAND = Command(
        "COMMAND", [.loading, .stale], since: "2.8.13",
        complexity: "O(N) where N is the number of commands.",
        summary: "Describes all commands.", tips: ["nondeterministic_output_order"],
        also: .connection, arity: -1, run: command)

    @Sendable static func command(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        describeAll(call.commands, &reply)
    }

    static let COUNT = Command(
        "COMMAND COUNT", [.loading, .stale], since: "2.8.13", complexity: "O(1)",
        summary: "Counts the commands.", also: .connection, run: count)

    @Sendable static func count(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.integer(Int64(call.commands.topLevelCount))
    }

    static let INFO = Command(
        "COMMAND INFO [command-name [command-name ...]]", [.loading, .stale], since: "2.8.13",
        complexity: "O(N) where N is the number of names.",
        summary: "Describes the named commands, or all.",
        history: [("7.0.0", "Without names it describes all commands.")],
        tips: ["nondeterministic_output_order"], also: .connection, run: info)

    @Sendable static func info(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard args.count > 2 else { return describeAll(call.commands, &reply) }
        reply.array(args.count - 2)
        for i in 2..<args.count {
            if let id = call.commands.find(fullName: args[i]) {
                describe(id, call.commands, &reply)
            } else {
                reply.null()
            }
        }
    }

    static let DOCS = Command(
        "COMMAND DOCS [command-name [command-name ...]]", [.loading, .stale], since: "7.0.0",
        complexity: "O(N) where N is the number of names.",
        summary: "Documents the named commands, or all.",
        tips: ["nondeterministic_output_order"], also: .connection, run: docs)

    @Sendable static func docs(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var ids: [Int] = []
        if args.count == 2 {
            ids = topLevel(call.commands)
        } else {
            for i in 2..<args.count {
                if let id = call.commands.find(fullName: args[i]) { ids.append(id) }
            }
        }
        reply.map(ids.count)
        for id in ids { document(id, call.commands, &reply) }
    }

    // MARK: - COMMAND LIST

    static let LIST = Command(
        "COMMAND LIST [FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
        [.loading, .stale], since: "7.0.0", complexity: "O(N) where N is the number of commands.",
        summary: "Lists the names of commands.", tips: ["nondeterministic_output_order"],
        also: .connection, names: ["filterby"], run: list)

    @Sendable static func list(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        if args.count == 2 {
            return write(topLevel(call.commands), call.commands, &reply)
        }
        guard args.count == 5, args.word(2) == "FILTERBY" else { throw .syntax }
        let all = call.commands.documents.indices
        switch Token(word: args.word(3)) {
        case "MODULE":
            // There are no modules, so none has commands.
            write([], call.commands, &reply)
        case "ACLCAT":
            guard let category = ACLCategories.named(args[4].text) else {
                return write([], call.commands, &reply)
            }
            let documents = call.commands.documents
            write(
                all.filter { documents[$0].categories.contains(category) }, call.commands, &reply)
        case "PATTERN":
            var ids: [Int] = []
            for id in all {
                let name = Array(call.commands.fullName(id).utf8)
                if Glob.matches(pattern: args[4], name.span, ignoringCase: true) {
                    ids.append(id)
                }
            }
            write(ids, call.commands, &reply)
        default: throw .syntax
        }
    }

    /// Replies with the names of the commands at `ids`.
    private static func write(
        _ ids: [Int], _ commands: borrowing CommandTable, _ reply: inout Reply
    ) {
        reply.array(ids.count)
        for id in ids { reply.bulk(commands.fullName(id)) }
    }

    // MARK: - COMMAND GETKEYS

    static let GETKEYS = Command(
        "COMMAND GETKEYS command [arg [arg ...]]", [.loading, .stale], since: "2.8.13",
        complexity: "O(N) where N is the number of arguments.",
        summary: "Picks the names of keys out of a command.", also: .connection, run: getKeys)

    @Sendable static func getKeys(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let keys = try keys(args, &call)
        reply.array(keys.count)
        for key in keys { reply.bulk(args[key.index]) }
    }

    static let GETKEYSANDFLAGS = Command(
        "COMMAND GETKEYSANDFLAGS command [arg [arg ...]]", [.loading, .stale], since: "7.0.0",
        complexity: "O(N) where N is the number of arguments.",
        summary: "Picks the names of keys out of a command, with what it does to them.",
        also: .connection, run: getKeysAndFlags)

    @Sendable static func getKeysAndFlags(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let keys = try keys(args, &call)
        reply.array(keys.count)
        for key in keys {
            reply.array(2)
            reply.bulk(args[key.index])
            words(key.flags.names, &reply)
        }
    }

    /// The keys of the command that begins at word 2.
    private static func keys(
        _ args: borrowing Arguments, _ call: inout Call
    ) throws(CommandError) -> [KeyPosition] {
        guard let id = call.commands.find(args, from: 2) else {
            throw call.failed("ERR Invalid command specified")
        }
        let document = call.commands.documents[id]
        guard document.hasKeys else {
            throw call.failed("ERR The command has no key arguments")
        }
        guard document.allows(args.count - 2) else {
            throw call.failed("ERR Invalid number of arguments specified for command")
        }
        if let keys = document.keys(in: args, from: 2), !keys.isEmpty { return keys }
        guard document.flags.contains(.noMandatoryKeys) else {
            throw call.failed("ERR Invalid arguments specified for command")
        }
        return []
    }

    // MARK: - COMMAND HELP

    static let HELP = Command(
        "COMMAND HELP", [.loading, .stale], since: "5.0.0", complexity: "O(1)",
        summary: "Explains the subcommands of COMMAND.", also: .connection, run: help)

    @Sendable static func help(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.help(
            "COMMAND",
            [
                "(no subcommand)", "    Describe all commands.",
                "COUNT", "    Count the commands.",
                "LIST [FILTERBY <MODULE name | ACLCAT category | PATTERN pattern>]",
                "    List the names of all commands, or of those that the filter lets through.",
                "INFO [<command-name> ...]", "    Describe the named commands, or all.",
                "DOCS [<command-name> ...]", "    Document the named commands, or all.",
                "GETKEYS <full-command>", "    Pick the keys out of a command.",
                "GETKEYSANDFLAGS <full-command>",
                "    Pick the keys out of a command, with what it does to each.",
            ])
    }
}

// MARK: - Descriptions

extension CommandIntrospection {
    private static func topLevel(_ commands: borrowing CommandTable) -> [Int] {
        let documents = commands.documents
        return documents.indices.filter { !documents[$0].isSubcommand }
    }

    private static func describeAll(_ commands: borrowing CommandTable, _ reply: inout Reply) {
        let ids = topLevel(commands)
        reply.array(ids.count)
        for id in ids { describe(id, commands, &reply) }
    }

    /// One element of COMMAND INFO: ten fields, the last with the subcommands in the same form.
    private static func describe(
        _ id: Int, _ commands: borrowing CommandTable, _ reply: inout Reply
    ) {
        let document = commands.documents[id]
        reply.array(10)
        reply.bulk(document.fullName)
        reply.integer(Int64(document.arity))
        words(document.flags.names, &reply)
        reply.integer(Int64(document.keyRange.first))
        reply.integer(Int64(document.keyRange.last))
        reply.integer(Int64(document.keyRange.step))
        let categories = document.categories.names
        reply.set(categories.count)
        for category in categories { reply.status("@" + category) }
        reply.set(document.command.tips.count)
        for tip in document.command.tips { reply.bulk("\(tip)") }
        reply.set(document.keySpecs.count)
        for spec in document.keySpecs { describe(spec, &reply) }
        reply.set(document.subcommands.count)
        for subcommand in document.subcommands { describe(subcommand, commands, &reply) }
    }

    private static func describe(_ spec: KeySpec, _ reply: inout Reply) {
        reply.map(spec.access.note == nil ? 3 : 4)
        if let note = spec.access.note { field("notes", "\(note)", &reply) }
        reply.bulk("flags")
        words(spec.access.flags.names, &reply)
        reply.bulk("begin_search")
        switch spec.begin {
        case .index(let index): search("index", [("index", index)], &reply)
        case .keyword(let word, let from):
            reply.map(2)
            field("type", "keyword", &reply)
            reply.bulk("spec")
            reply.map(2)
            field("keyword", word, &reply)
            field("startfrom", from, &reply)
        case .anywhere: search("unknown", [], &reply)
        }
        reply.bulk("find_keys")
        switch spec.find {
        case .range(let last, let step, let limit):
            search("range", [("lastkey", last), ("keystep", step), ("limit", limit)], &reply)
        case .counted(let count, let first):
            search("keynum", [("keynumidx", count), ("firstkey", first), ("keystep", 1)], &reply)
        case .unknown: search("unknown", [], &reply)
        }
    }

    /// A step of a key specification: its type, and numbers that belong to it.
    private static func search(
        _ type: String, _ numbers: [(String, Int)], _ reply: inout Reply
    ) {
        reply.map(2)
        field("type", type, &reply)
        reply.bulk("spec")
        reply.map(numbers.count)
        for (name, number) in numbers { field(name, number, &reply) }
    }

    private static func words(_ words: [StaticString], _ reply: inout Reply) {
        reply.set(words.count)
        for word in words { reply.simple(word) }
    }

    private static func field(_ name: String, _ value: String, _ reply: inout Reply) {
        reply.bulk(name)
        reply.bulk(value)
    }

    private static func field(_ name: String, _ value: Int, _ reply: inout Reply) {
        reply.bulk(name)
        reply.integer(Int64(value))
    }
}

// MARK: - Documentation

extension CommandIntrospection {
    /// One pair of COMMAND DOCS: the name and what there is to say about it.
    private static func document(
        _ id: Int, _ commands: borrowing CommandTable, _ reply: inout Reply
    ) {
        let document = commands.documents[id]
        let command = document.command
        let facts = document.facts(in: commands)
        let flags = document.docFlags
        let parts =
            facts.count + (flags.isEmpty ? 0 : 1) + (command.deprecated == nil ? 0 : 2)
            + (command.history.isEmpty ? 0 : 1) + (document.syntax.arguments.isEmpty ? 0 : 1)
            + (document.subcommands.isEmpty ? 0 : 1)
        reply.bulk(document.fullName)
        reply.map(parts)
        for (name, value) in facts { field(name, value, &reply) }
        if !flags.isEmpty {
            reply.bulk("doc_flags")
            words(flags, &reply)
        }
        if let deprecated = command.deprecated {
            field("deprecated_since", "\(deprecated.since)", &reply)
            field("replaced_by", "\(deprecated.replacedBy)", &reply)
        }
        if !command.history.isEmpty {
            reply.bulk("history")
            reply.set(command.history.count)
            for (version, change) in command.history {
                reply.array(2)
                reply.bulk("\(version)")
                reply.bulk("\(change)")
            }
        }
        if !document.syntax.arguments.isEmpty {
            reply.bulk("arguments")
            write(document.syntax.arguments, &reply)
        }
        if !document.subcommands.isEmpty {
            reply.bulk("subcommands")
            reply.map(document.subcommands.count)
            for subcommand in document.subcommands {
                self.document(subcommand, commands, &reply)
            }
        }
    }

    private static func write(_ arguments: [Argument], _ reply: inout Reply) {
        reply.array(arguments.count)
        for argument in arguments { write(argument, &reply) }
    }

    private static func write(_ argument: Argument, _ reply: inout Reply) {
        let isGroup = argument.type == .oneof || argument.type == .block
        let texts: [(String, String?)] = [
            ("token", argument.token), ("since", argument.since),
            ("deprecated_since", argument.deprecatedSince),
        ]
        let flags = argument.flags
        reply.map(
            3 + (argument.keySpec == nil ? 0 : 1) + texts.count { $0.1 != nil }
                + (flags.isEmpty ? 0 : 1))
        field("name", argument.name, &reply)
        field("type", argument.type.rawValue, &reply)
        if !isGroup { field("display_text", argument.display, &reply) }
        if let keySpec = argument.keySpec { field("key_spec_index", keySpec, &reply) }
        for (name, text) in texts {
            if let text { field(name, text, &reply) }
        }
        if !flags.isEmpty {
            reply.bulk("flags")
            words(flags, &reply)
        }
        if isGroup {
            reply.bulk("arguments")
            write(argument.parts, &reply)
        }
    }
}

extension Argument {
    fileprivate var flags: [StaticString] {
        var flags: [StaticString] = []
        if isOptional { flags.append("optional") }
        if isMultiple { flags.append("multiple") }
        if isTokenMultiple { flags.append("multiple_token") }
        return flags
    }
}

extension CommandDocument {
    /// Whether any key of a request can be told from its words.
    fileprivate var hasKeys: Bool { keySpecs.contains { !$0.access.flags.contains(.notKey) } }

    fileprivate var docFlags: [StaticString] {
        var flags: [StaticString] = []
        if command.deprecated != nil { flags.append("deprecated") }
        if command.docFlags.contains(.systemCommand) { flags.append("syscmd") }
        return flags
    }

    /// The plain fields of the documentation, without those that are empty.
    fileprivate func facts(in commands: borrowing CommandTable) -> [(String, String)] {
        [
            ("summary", summary), ("since", since(in: commands)), ("group", group.rawValue),
            ("complexity", "\(command.complexity)"),
        ].filter { !$0.1.isEmpty }
    }
}
