//  Effects.swift — what a command changed, told once and read once.
//
//  A handler says which key changed and how; the executor settles it after the handler returned.
//  Whoever wants to know raises a bit of `Interest`; with nobody interested a change costs one
//  addition and one test.

/// The class of a change, as keyspace notifications name it.
enum ChangeClass: UInt8, Sendable {
    case generic, string, list, hash, set, sortedSet, stream, expired, evicted, new, miss
    case overwritten, typeChanged
}

/// Who wants to hear of changes.
struct Interest: OptionSet, Sendable {
    let rawValue: UInt32

    /// Changes are published at the end of each command.
    static let changes = Interest(rawValue: 1 << 0)
    /// Some client waits for a key.
    static let waiters = Interest(rawValue: 1 << 1)
    /// Some client watches a key.
    static let watchers = Interest(rawValue: 1 << 2)
    /// Some client holds copies of keys.
    static let trackers = Interest(rawValue: 1 << 3)
    /// Changes are written down as commands.
    static let propagation = Interest(rawValue: 1 << 4)
}

/// One change of one key.
struct Change: Equatable, Sendable {
    let database: Int
    let key: [UInt8]
    let kind: ChangeClass
    /// The event's name, as Redis notifies it.
    let event: String
}

/// What the running command has changed so far.
struct Effects: ~Copyable {
    /// Changes since the start.
    var dirty = 0
    /// Kept only while somebody is interested.
    var changes: [Change] = []

    init() {}
}
