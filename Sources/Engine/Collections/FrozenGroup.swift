//  FrozenGroup.swift — a consumer group as it was when a snapshot came to it.
//
//  The group goes on changing; freezing gives it a shadow, which is a group too: the same name and
//  position, a roster of its consumers, and nothing pending. When a consumer changes for the first
//  time, a copy of it takes its place in the roster. When something pending changes for the first
//  time, it is filed with the shadow as it was, and with nobody there if it was not pending at all.
//  (`StreamGroup.preserve` does both.) So what the shadow has filed tells how that was; whatever else
//  the group has pending, up to the highest ID at the time, was so then.
//
//  Freezing copies the addresses of consumers, a change costs O(log n) more than before.

struct FrozenGroup {
    private let group: StreamGroup
    /// The group's name, position and consumers as they were.
    let shadow: StreamGroup
    /// Entries that were pending with the group.
    private let pendingCount: Int
    /// Whose pending entries are next: 0 for the group's, 1 for those of the first consumer, ….
    private var list = 0
    /// Where that goes on; nil when there are no more.
    private var cursor: StreamID?
    /// Whether nothing was read yet.
    private(set) var isAtStart = true

    /// Freezes `group`.
    init(_ group: StreamGroup, _ heap: inout SlabAllocator) {
        self.group = group
        shadow = StreamGroup.make(
            group.name, last: group.state.last, entriesRead: group.state.entriesRead, &heap)
        shadow.state.roster = group.state.consumers.copied(&heap)
        shadow.state.border = group.state.pending.last?.id ?? .zero
        group.state.shadow = shadow.address
        pendingCount = group.state.pending.count
        cursor = pendingCount > 0 ? .zero : nil
    }

    /// The group goes its own way; returns it if nobody else has it any more.
    func end() -> StreamGroup? {
        group.state.shadow = 0
        return group.state.isOrphan ? group : nil
    }

    // MARK: - Reading

    var consumerCount: Int { shadow.state.roster.count }

    /// The consumer whose pending entries are next; nil while those of the whole group are.
    var consumer: StreamConsumer? {
        list > 0 ? StreamConsumer(shadow.state.roster[list - 1]) : nil
    }

    /// How many entries were pending with it.
    var count: Int {
        guard let consumer else { return pendingCount }
        return consumer.isKept ? consumer.state.keptCount : consumer.state.pending.count
    }

    /// Whether all of them were read.
    var isOver: Bool { cursor == nil }

    /// Goes on to the next consumer; false when there is none.
    mutating func nextConsumer() -> Bool {
        guard list < consumerCount else { return false }
        list += 1
        cursor = count > 0 ? .zero : nil
        return true
    }

    /// Calls `body` with some of the entries, in order.
    mutating func readSome(_ body: (StreamID, PendingEntry) -> Void) {
        let group = group, shadow = shadow
        isAtStart = false
        guard let consumer else {
            return read(group.state.pending, shadow.state.pending, body)
        }
        if !consumer.isKept {
            read(consumer.state.pending, IDTree(), body)
        } else if let present = group.consumer(consumer.name) {
            read(present.state.pending, consumer.state.pending, body)
        } else {
            read(IDTree(), consumer.state.pending, body)
        }
    }

    /// Reads what is in either tree: in `present` what has not changed, in `past` what has.
    private mutating func read(
        _ present: borrowing IDTree, _ past: borrowing IDTree,
        _ body: (StreamID, PendingEntry) -> Void
    ) {
        guard let start = cursor else { return }
        let border = shadow.state.border
        let end = min(border, Self.end(of: present, from: start), Self.end(of: past, from: start))
        var old = past.ceiling(start)
        func readPast(before id: StreamID?) {
            while let (oldID, value) = old, id.map({ oldID < $0 }) ?? (oldID <= end) {
                let entry = PendingEntry(value)
                if !entry.isNobodys { body(oldID, entry) }
                old = past.next(behind: oldID)
            }
        }
        present.forEach(from: start) { id, value in
            if id > end { return false }
            readPast(before: id)
            if shadow.pending(id) == nil { body(id, PendingEntry(value)) }
            return true
        }
        readPast(before: nil)
        cursor = end < border ? end.next : nil
    }

    private static var entriesAtOnce: Int { 64 }

    /// The last of some IDs of `tree` from `start` on; the highest of all if there are few.
    private static func end(of tree: borrowing IDTree, from start: StreamID) -> StreamID {
        var n = 0, last = StreamID.max
        tree.forEach(from: start) { id, _ in
            n += 1
            last = id
            return n < entriesAtOnce
        }
        return n < entriesAtOnce ? .max : last
    }
}

extension StreamGroup {
    /// Whether a snapshot has yet to write it.
    var isFrozen: Bool { state.shadow != 0 }

    /// *The* statement that a consumer, or what it has pending, changes: a snapshot that has yet to
    /// write the group keeps how it was.
    @inline(__always) func preserve(_ consumer: StreamConsumer, _ heap: inout SlabAllocator) {
        if isFrozen { _ = kept(consumer, &heap) }
    }

    /// What the snapshot keeps of a consumer that has not changed yet; nil if it came later.
    @inline(never) private func kept(
        _ consumer: StreamConsumer, _ heap: inout SlabAllocator
    ) -> StreamConsumer? {
        let shadow = StreamGroup(state.shadow)  // S3
        let (i, isThere) = shadow.state.roster.find(consumer.name, StreamConsumer.nameOffset)
        guard isThere else { return nil }
        let past = StreamConsumer(shadow.state.roster[i])
        if past.isKept { return past }
        let (j, _) = shadow.state.consumers.find(consumer.name, StreamConsumer.nameOffset)
        let copy = shadow.addConsumer(like: past, at: j, &heap)
        copy.state.keptCount = past.state.pending.count
        shadow.state.roster.replace(at: i, with: copy.address)
        return copy
    }

    /// *The* statement that what is pending under `id` changes: a snapshot that has yet to write the
    /// group keeps how it was; `entry` is nil if nothing was.
    @inline(__always) func preserve(
        _ id: StreamID, _ entry: PendingEntry?, _ heap: inout SlabAllocator
    ) {
        if isFrozen { keep(id, entry, &heap) }
    }

    @inline(never) private func keep(
        _ id: StreamID, _ entry: PendingEntry?, _ heap: inout SlabAllocator
    ) {
        let shadow = StreamGroup(state.shadow)  // S3
        guard id <= shadow.state.border, shadow.pending(id) == nil else { return }
        // What has not changed belongs to one of those who were there.
        let owner = entry.flatMap { $0.isNobodys ? nil : kept($0.consumer, &heap) }
        _ = shadow.deliver(
            id, to: owner, at: entry?.time ?? 0, deliveries: entry?.deliveries ?? 0, &heap)
    }
}
