//  Notifications.swift — changes of keys as messages: `notify-keyspace-events`.
//
//  A change that `Call.note` has taken down is published when its command is over, under the name of
//  the key and under that of the event. With nothing chosen, nothing is taken down.

/// Which changes are published, and how.
struct NotificationClasses: OptionSet, Sendable {
    let rawValue: UInt32

    static let byKey = NotificationClasses(rawValue: 1 << 16)
    static let byEvent = NotificationClasses(rawValue: 1 << 17)

    init(rawValue: UInt32) { self.rawValue = rawValue }

    init(_ kind: ChangeClass) { rawValue = 1 << UInt32(kind.rawValue) }

    private static let letters: [Character: ChangeClass] = [
        "g": .generic, "$": .string, "l": .list, "h": .hash, "s": .set, "z": .sortedSet,
        "t": .stream, "x": .expired, "e": .evicted, "n": .new, "m": .miss, "o": .overwritten,
        "c": .typeChanged,
    ]

    /// The classes that the directive's value names.
    init(_ text: String) {
        var classes = NotificationClasses(rawValue: 0)
        for letter in text {
            switch letter {
            case "K": classes.insert(.byKey)
            case "E": classes.insert(.byEvent)
            case "A":
                for (letter, kind) in Self.letters where !"nmoc".contains(letter) {
                    classes.insert(NotificationClasses(kind))
                }
            default:
                if let kind = Self.letters[letter] { classes.insert(NotificationClasses(kind)) }
            }
        }
        self = classes
    }

    /// Whether anything is published at all.
    var isOn: Bool { !isDisjoint(with: [.byKey, .byEvent]) }
}

extension Call {
    /// Takes over the directive's value.
    mutating func updateNotifications() {
        notifications = NotificationClasses(configuration.notifyKeyspaceEvents)
        if notifications.isOn { interest.insert(.changes) } else { interest.remove(.changes) }
    }

    /// A read found no key.
    @inline(never) mutating func noteMiss(_ key: Bytes) {
        guard interest.contains(.changes), notifications.contains(NotificationClasses(.miss)) else {
            return
        }
        attention.insert(.changes)
        effects.changes.append(
            Change(database: session.database, key: key.array, kind: .miss, event: "keymiss"))
    }

    /// Publishes the changes of one command.
    @inline(never) mutating func deliverChanges() {
        guard !effects.changes.isEmpty else { return }
        var changes: [Change] = []
        swap(&changes, &effects.changes)
        for change in changes { notify(change) }
    }

    private mutating func notify(_ change: Change) {
        guard notifications.contains(NotificationClasses(change.kind)) else { return }
        let event = Array(change.event.utf8)
        if notifications.contains(.byKey) {
            let channel = Array("__keyspace@\(change.database)__:".utf8) + change.key
            _ = publish(channel.span, event.span, toShard: false)
        }
        if notifications.contains(.byEvent) {
            let channel = Array("__keyevent@\(change.database)__:".utf8) + event
            _ = publish(channel.span, change.key.span, toShard: false)
        }
    }
}
