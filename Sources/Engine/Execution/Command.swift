//  Command.swift — what a command declares, directly above the function that runs it.
//
//  The syntax line is the truth: name, arity, key positions, the arguments of COMMAND DOCS, the
//  generated documentation and the test grammar are all derived from it (Syntax.swift). The other
//  fields say what no line can: what the command does to its keys, when it appeared, what it costs.
//
//  A literal stays a plain copy of its fields; nothing is parsed before the table is built.

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
    /// Derived from the key specifications; nobody declares it.
    static let movableKeys = CommandFlags(rawValue: 1 << 17)
    static let asking = CommandFlags(rawValue: 1 << 18)
    /// May be called without any key although it can name some, as EVAL may.
    static let noMandatoryKeys = CommandFlags(rawValue: 1 << 19)

    /// The names of the members in the order in which they are reported.
    var names: [StaticString] {
        let order: [(CommandFlags, StaticString)] = [
            (.write, "write"), (.readonly, "readonly"), (.denyOOM, "denyoom"), (.admin, "admin"),
            (.pubsub, "pubsub"), (.noscript, "noscript"), (.blocking, "blocking"),
            (.loading, "loading"), (.stale, "stale"), (.skipMonitor, "skip_monitor"),
            (.skipSlowlog, "skip_slowlog"), (.asking, "asking"), (.fast, "fast"),
            (.noAuth, "no_auth"),
            (.noAsyncLoading, "no_async_loading"), (.noMulti, "no_multi"),
            (.noMandatoryKeys, "no_mandatory_keys"), (.movableKeys, "movablekeys"),
            (.allowBusy, "allow_busy"),
        ]
        return order.filter { contains($0.0) }.map(\.1)
    }
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
    /// `RW INSERT`: adds to what is there.
    case appends
    /// `RW UPDATE`
    case updates
    /// `RW ACCESS UPDATE`
    case readsAndUpdates
    /// `RW ACCESS INSERT`
    case readsAndAdds
    /// `RW ACCESS`: may change how the value is kept, not what it is.
    case readsAndTouches
    /// `RW ACCESS DELETE`
    case readsAndDeletes
    /// `RW DELETE`: takes something away from the value.
    case deletesFrom
    /// `RW UPDATE DELETE`
    case updatesAndDeletes
    /// `RM DELETE`
    case deletes
    /// As `overwrites`; as `readsAndUpdates` when the word GET is among the options, as in SET.
    case overwritesUnlessGet
    /// As `readsAndUpdates`; as `reads` when GET is the only operation, as in BITFIELD.
    case readsAndUpdatesUnlessGet
    /// `RW ACCESS DELETE` on a list of keys that may also be named elsewhere, as in MIGRATE.
    case readsAndDeletesIncompletely
    /// `RO ACCESS` on keys that only the data tells, as the patterns of SORT do.
    case readsSomewhere
    /// `OW UPDATE` on a key whose position no rule tells, as STORE does in SORT.
    case overwritesSomewhere
    /// Routed like a key but none: a shard channel.
    case channel
}

/// When a command fell out of favour, and what to use instead.
struct Deprecation: Sendable {
    let since: StaticString
    let replacedBy: StaticString
}

/// Marks beside the ordinary ones.
struct DocFlags: OptionSet, Sendable {
    let rawValue: UInt8

    /// For the server's own use.
    static let systemCommand = DocFlags(rawValue: 1 << 0)
    /// From Valkey: absent in Redis 8.2.
    static let valkey = DocFlags(rawValue: 1 << 1)
    /// Our own.
    static let martlet = DocFlags(rawValue: 1 << 2)
}

/// A pair of literals: a version and what it changed, or an argument and when it came.
typealias Remark = (StaticString, StaticString)

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
    /// One for each key specification, in the order of the line.
    let keys: [KeyAccess]
    let since: StaticString
    let complexity: StaticString
    let summary: StaticString
    let deprecated: Deprecation?
    /// What changed in which version.
    let history: [Remark]
    let tips: [StaticString]
    /// Categories beside those that follow from flags and group.
    let also: ACLCategories
    /// Categories in place of the group's.
    let instead: ACLCategories?
    /// Where the line does not tell.
    let arity: Int32?
    /// Names of the line's groups in the order in which they open, as COMMAND DOCS reports them.
    let names: [StaticString]
    /// Arguments that came later than the command.
    let added: [Remark]
    /// Arguments that nobody should use any more.
    let dropped: [Remark]
    let docFlags: DocFlags
    let run: Handler

    init(
        _ syntax: StaticString, _ flags: CommandFlags = [], keys: KeyAccess...,
        since: StaticString, complexity: StaticString, summary: StaticString,
        deprecated: Deprecation? = nil, history: [Remark] = [], tips: [StaticString] = [],
        also: ACLCategories = [], instead: ACLCategories? = nil, arity: Int32? = nil,
        names: [StaticString] = [], added: [Remark] = [], dropped: [Remark] = [],
        docFlags: DocFlags = [], run: @escaping Handler
    ) {
        self.syntax = syntax
        self.flags = flags
        self.keys = keys
        self.since = since
        self.complexity = complexity
        self.summary = summary
        self.deprecated = deprecated
        self.history = history
        self.tips = tips
        self.also = also
        self.instead = instead
        self.arity = arity
        self.names = names
        self.added = added
        self.dropped = dropped
        self.docFlags = docFlags
        self.run = run
    }
}

/// The commands of one file.
struct Family: Sendable {
    let group: CommandGroup
    let commands: [Command]
}
