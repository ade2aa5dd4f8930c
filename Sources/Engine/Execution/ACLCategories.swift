//  ACLCategories.swift — the sets of commands that access rules speak of.

/// Categories of a command, written with an `@` by COMMAND INFO and without one by ACL CAT.
struct ACLCategories: OptionSet, Sendable {
    let rawValue: UInt32

    static let keyspace = ACLCategories(rawValue: 1 << 0)
    static let read = ACLCategories(rawValue: 1 << 1)
    static let write = ACLCategories(rawValue: 1 << 2)
    static let set = ACLCategories(rawValue: 1 << 3)
    static let sortedSet = ACLCategories(rawValue: 1 << 4)
    static let list = ACLCategories(rawValue: 1 << 5)
    static let hash = ACLCategories(rawValue: 1 << 6)
    static let string = ACLCategories(rawValue: 1 << 7)
    static let bitmap = ACLCategories(rawValue: 1 << 8)
    static let hyperloglog = ACLCategories(rawValue: 1 << 9)
    static let geo = ACLCategories(rawValue: 1 << 10)
    static let stream = ACLCategories(rawValue: 1 << 11)
    static let pubsub = ACLCategories(rawValue: 1 << 12)
    static let admin = ACLCategories(rawValue: 1 << 13)
    static let fast = ACLCategories(rawValue: 1 << 14)
    static let slow = ACLCategories(rawValue: 1 << 15)
    static let blocking = ACLCategories(rawValue: 1 << 16)
    static let dangerous = ACLCategories(rawValue: 1 << 17)
    static let connection = ACLCategories(rawValue: 1 << 18)
    static let transaction = ACLCategories(rawValue: 1 << 19)
    static let scripting = ACLCategories(rawValue: 1 << 20)

    /// Names in the order of the bits, which is the order in which they are reported.
    static let names: [String] = [
        "keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap",
        "hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow", "blocking",
        "dangerous", "connection", "transaction", "scripting",
    ]

    /// The names of the members.
    var names: [String] {
        Self.names.indices.filter { rawValue & 1 << UInt32($0) != 0 }.map { Self.names[$0] }
    }

    /// The category called `name`, in any case.
    static func named(_ name: String) -> ACLCategories? {
        guard let bit = names.firstIndex(of: name.lowercased()) else { return nil }
        return ACLCategories(rawValue: 1 << UInt32(bit))
    }

    /// The categories that follow from what a command is.
    static func implied(
        by flags: CommandFlags, _ group: CommandGroup, instead: ACLCategories?
    ) -> ACLCategories {
        var categories = instead ?? group.categories
        if flags.contains(.write) { categories.insert(.write) }
        // A script that promises not to write is no look-up of a key.
        if flags.contains(.readonly), group != .scripting { categories.insert(.read) }
        if flags.contains(.admin) { categories.formUnion([.admin, .dangerous]) }
        if flags.contains(.pubsub) { categories.insert(.pubsub) }
        if flags.contains(.blocking) { categories.insert(.blocking) }
        categories.insert(flags.contains(.fast) ? .fast : .slow)
        return categories
    }
}

extension CommandGroup {
    /// The category of the group's commands; some groups have none of their own.
    fileprivate var categories: ACLCategories {
        switch self {
        case .generic: .keyspace
        case .string: .string
        case .list: .list
        case .set: .set
        case .sortedSet: .sortedSet
        case .hash: .hash
        case .connection: .connection
        case .scripting: .scripting
        case .stream: .stream
        case .bitmap: .bitmap
        case .geo: .geo
        case .hyperloglog: .hyperloglog
        case .transactions: .transaction
        case .server, .cluster, .pubsub: []
        }
    }
}
