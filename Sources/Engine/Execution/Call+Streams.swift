//  Call+Streams.swift — the verbs for streams.
import Platform

extension Call {
    /// Something of the selected database changed that nobody is told of: it counts, and it is
    /// propagated.
    mutating func changedQuietly(_ n: Int = 1) {
        effects.dirty &+= n
        guard isPropagating else { return }
        propagation.hasChanged = true
        attention.insert(.propagation)
    }

    /// The time for what consumers do, in Unix milliseconds.
    ///
    /// While a log is read again, `now` stands still so that nothing expires.
    var consumerTime: Int64 { now > 0 ? now : Clock.unixMilliseconds() }

    var streamLimit: StreamLimit { StreamLimit(configuration) }

    /// Makes a key with an empty stream.
    mutating func makeStream(_ key: borrowing Key) -> HashTable.Place {
        makeObject(key, .stream, StreamLog())
    }

    /// The group called `name` of the stream at `key`, for a command that changes it.
    ///
    /// - Throws: `wrongType`, or that there is no such group.
    mutating func findGroup(
        _ key: borrowing Key, _ name: Bytes
    ) throws(CommandError) -> (place: HashTable.Place, group: StreamGroup) {
        guard let place = try look(key, as: .stream), let group = place.record.stream.group(name)
        else { throw noGroup(key.bytes, name) }
        return (place, group)
    }

    /// Neither the key nor the group need exist, but for what the client wants.
    mutating func noGroup(_ key: Bytes, _ name: Bytes, _ rest: String = "") -> CommandError {
        let text = Array("NOGROUP No such key '".utf8) + key.firstBytes(.max, before: 0)
        failure =
            text + Array("' or consumer group '".utf8) + name.firstBytes(.max, before: 0)
            + Array("'\(rest)".utf8)
        return .text
    }

    /// The consumer called `name`, who asks for something now; a new one if there is none.
    mutating func consumer(
        _ name: Bytes, of group: StreamGroup, _ key: borrowing Key
    ) -> (consumer: StreamConsumer, isNew: Bool) {
        let time = consumerTime
        let (consumer, isNew) = group.makeConsumer(name, seen: time, &database.heap)
        if isNew {
            effects.dirty &+= 1
            noted(key, .stream, "xgroup-createconsumer")
        } else {
            group.note(consumer, seen: time, &database.heap)
        }
        return (consumer, isNew)
    }

    // MARK: - Propagating

    /// Propagates who has an entry pending now, and since when.
    mutating func propagate(
        claim id: StreamID, _ entry: PendingEntry, of group: StreamGroup, _ key: Bytes
    ) {
        propagate("XCLAIM") { words in
            words.append(key)
            words.append(group.name)
            words.append(entry.consumer.name)
            words.append("0")
            words.append(id)
            words.append("TIME")
            words.append(entry.time)
            words.append("RETRYCOUNT")
            words.append(entry.deliveries)
            words.append("FORCE")
            words.append("JUSTID")
            words.append("LASTID")
            words.append(group.state.last)
        }
    }

    /// Propagates how far a group has read.
    mutating func propagate(positionOf group: StreamGroup, _ key: Bytes) {
        propagate("XGROUP") { words in
            words.append("SETID")
            words.append(key)
            words.append(group.name)
            words.append(group.state.last)
            words.append("ENTRIESREAD")
            words.append(group.state.entriesRead)
        }
    }

    /// Propagates that there is a consumer.
    mutating func propagate(consumer name: Bytes, of group: StreamGroup, _ key: Bytes) {
        propagate("XGROUP") { words in
            words.append("CREATECONSUMER")
            words.append(key)
            words.append(group.name)
            words.append(name)
        }
    }

    /// Propagates that an entry is pending no more.
    mutating func propagate(acknowledged id: StreamID, of group: StreamGroup, _ key: Bytes) {
        propagate("XACK") { words in
            words.append(key)
            words.append(group.name)
            words.append(id)
        }
    }
}

extension Reply {
    /// An entry of a stream.
    @inline(__always) mutating func entry(_ entry: StreamEntry) {
        array(2)
        bulk(entry.id)
        array(entry.fieldCount &* 2)
        entry.forEach { field, value in
            string(field)
            string(value)
        }
    }

    /// The entries of `stream` in a range of IDs, at most `count` of them.
    mutating func entries(
        of stream: borrowing StreamLog, from low: StreamID, through high: StreamID,
        count: Int = .max, backwards: Bool = false
    ) {
        let mark = open()
        var n = 0
        if backwards {
            stream.forEachBackwards(from: low, through: high) {
                entry($0)
                n += 1
                return n < count
            }
        } else {
            stream.forEach(from: low, through: high) {
                entry($0)
                n &+= 1
                return n < count
            }
        }
        close(array: mark, count: n)
    }
}
