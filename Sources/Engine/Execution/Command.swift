//  Command.swift — what a command declares, directly above the function that runs it.
//
//  The syntax line is the truth: name, arity, key positions, the arguments of COMMAND DOCS, the
//  generated documentation and the test grammar are all derived from it (Syntax.swift).

/// What a command is, as COMMAND INFO reports it.
struct CommandFlags: OptionSet, Sendable {
    let rawValue: UInt32

    static let write = CommandFlags(rawValue: 1 << 0)
    static let readonly = CommandFlags(rawValue: 1 << 1)
    static let denyOOM = CommandFlags(rawValue: 1 << 2)
    static let admin = CommandFlags(rawValue: 1 << 3)
    static let pubsub = CommandFlags(rawValue: 1 << 4)
    static let noscript = CommandFlags(rawValue: 1 << 5)
    static let blocking = CommandFlags(rawValue: 1 << 6)
    static let loading = CommandFlags(rawValue: 1 << 7)
    static let stale = CommandFlags(rawValue: 1 << 8)
    static let skipMonitor = CommandFlags(rawValue: 1 << 9)
    static let skipSlowlog = CommandFlags(rawValue: 1 << 10)
    static let fast = CommandFlags(rawValue: 1 << 11)
    static let noAuth = CommandFlags(rawValue: 1 << 12)
    static let mayReplicate = CommandFlags(rawValue: 1 << 13)
    static let noAsyncLoading = CommandFlags(rawValue: 1 << 14)
    static let noMulti = CommandFlags(rawValue: 1 << 15)
    static let allowBusy = CommandFlags(rawValue: 1 << 16)
    static let movableKeys = CommandFlags(rawValue: 1 << 17)
}

/// A group of commands, as COMMAND DOCS and the ACL categories name it.
enum CommandGroup: String, Sendable {
    case generic, string, list, set, hash, connection, server, scripting, stream, bitmap, geo
    case hyperloglog, pubsub, transactions, cluster
    case sortedSet = "sorted-set"
}

/// How a command touches the keys it names: the flags of its key specification.
enum KeyAccess: Sendable {
    /// `RO ACCESS`
    case reads
    /// `RO`: looks at the key, not at its value.
    case inspects
    /// `OW UPDATE`
    case overwrites
    /// `OW INSERT`
    case inserts
    /// `RW UPDATE`
    case updates
    /// `RW INSERT`
    case appends
    /// `RW ACCESS UPDATE`
    case readsAndUpdates
    /// `RW ACCESS DELETE`
    case readsAndDeletes
    /// `RM DELETE`
    case deletes
}

/// Input on the left, state in the middle, output on the right.
///
/// A view of a value borrowed from the call stays valid while the reply grows, and the compiler
/// proves that none outlives the next change of a key.
typealias Handler =
    @Sendable (borrowing Arguments, inout Call, inout Reply) throws(CommandError) -> Void

/// A command as its author writes it.
struct Command: Sendable {
    let syntax: StaticString
    let flags: CommandFlags
    /// One access for each key that the syntax line names, the last for all that follow.
    let keys: [KeyAccess]
    let since: StaticString
    let complexity: StaticString
    let summary: StaticString
    let run: Handler

    init(
        _ syntax: StaticString, _ flags: CommandFlags, keys: KeyAccess...,
        since: StaticString, complexity: StaticString, summary: StaticString,
        run: @escaping Handler
    ) {
        self.syntax = syntax
        self.flags = flags
        self.keys = keys
        self.since = since
        self.complexity = complexity
        self.summary = summary
        self.run = run
    }
}

/// The commands of one file.
struct Family: Sendable {
    let group: CommandGroup
    let commands: [Command]
}
