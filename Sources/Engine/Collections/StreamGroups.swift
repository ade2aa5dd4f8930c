//  StreamGroups.swift — the consumer groups of a stream, and what their consumers have pending.  U
//
//      NameTable: addresses of groups, or of a group's consumers, in order of their names
//      group:     its name's length, the last ID delivered, …, an IDTree of all pending entries,
//                 a NameTable of consumers | name
//      consumer:  its name's length, times, an IDTree of its pending entries | name
//      pending:   i64 time of delivery | u64 number of deliveries | address of the consumer
//
//  An entry that is pending is filed twice under its ID, with its group and with its consumer; both
//  lead to the same 24 bytes.
//
//  ## Safety
//  - S1: an address in a `NameTable` is that of a live block of the heap with a state as its owner's
//    `nameOffset` tells, followed by its name. Groups and consumers live until the table that
//    leads to them gives them up; views of them are made anew for each use.
//  - S2: values in trees of pending entries are addresses of live blocks of 24 bytes. Each stands in
//    its group's tree and in that of the consumer that it names, and is freed when it leaves them.
//  - S3: a group's `shadow` is 0 or a live group, see `FrozenGroup`.
import CPlatform

// MARK: - Names

/// Things with names, in order of these.
@safe struct NameTable: ~Copyable {
    private var base: UInt = 0
    private(set) var count = 0
    private var capacity = 0

    init() {}

    /// The address of the thing at position `i`.
    @inline(__always) subscript(i: Int) -> UInt {
        precondition(UInt(bitPattern: i) < UInt(bitPattern: count))
        return unsafe UnsafePointer<UInt>(bitPattern: base).unsafelyUnwrapped[i]
    }

    var byteCount: Int { SlabAllocator.roundUp(capacity * 8) }

    /// The bytes of the name that stands `offset` behind `address`.
    @_lifetime(immortal)
    @inline(__always) static func name(_ address: UInt, _ offset: Int) -> Bytes {
        // S1
        let p = unsafe UnsafeRawPointer(bitPattern: address).unsafelyUnwrapped
        let count = unsafe p.load(as: Int.self)
        let start = unsafe (p + offset).assumingMemoryBound(to: UInt8.self)
        return unsafe _overrideLifetime(Span(_unsafeStart: start, count: count), copying: ())
    }

    /// Where `name` is, or where it would be.
    @inline(__always) func find(_ name: Bytes, _ offset: Int) -> (position: Int, isThere: Bool) {
        var low = 0, high = count
        while low < high {
            let middle = (low &+ high) >> 1
            let order = Self.name(self[middle], offset).compare(name)
            if order == 0 { return (middle, true) }
            if order < 0 { low = middle &+ 1 } else { high = middle }
        }
        return (low, false)
    }

    mutating func insert(_ address: UInt, at i: Int, _ heap: inout SlabAllocator) {
        precondition(i >= 0 && i <= count)
        if count == capacity {
            let room = max(capacity * 2, 1)
            let fresh = unsafe heap.allocate(room * 8)
            if let old = unsafe UnsafeMutableRawPointer(bitPattern: base) {
                unsafe copyBlock(from: old, to: fresh, count * 8)
                unsafe heap.free(old, capacity * 8)
            }
            base = UInt(bitPattern: fresh)
            capacity = room
        }
        let p = unsafe UnsafeMutablePointer<UInt>(bitPattern: base).unsafelyUnwrapped
        unsafe (p + i + 1).update(from: p + i, count: count - i)
        unsafe p[i] = address
        count += 1
    }

    mutating func remove(at i: Int, _ heap: inout SlabAllocator) {
        precondition(i >= 0 && i < count)
        let p = unsafe UnsafeMutablePointer<UInt>(bitPattern: base).unsafelyUnwrapped
        unsafe (p + i).update(from: p + i + 1, count: count - i - 1)
        count -= 1
        if count == 0 { free(&heap) }
    }

    /// Another table that leads to the same things.
    func copied(_ heap: inout SlabAllocator) -> NameTable {
        var copy = NameTable()
        guard let source = unsafe UnsafeRawPointer(bitPattern: base) else { return copy }
        let fresh = unsafe heap.allocate(count * 8)
        unsafe copyBlock(from: source, to: fresh, count * 8)
        copy.base = UInt(bitPattern: fresh)
        copy.count = count
        copy.capacity = count
        return copy
    }

    /// Puts another thing with the same name at position `i`.
    mutating func replace(at i: Int, with address: UInt) {
        precondition(UInt(bitPattern: i) < UInt(bitPattern: count))
        let p = unsafe UnsafeMutablePointer<UInt>(bitPattern: base).unsafelyUnwrapped
        unsafe p[i] = address
    }

    /// Frees its own memory, and nothing that it leads to.
    mutating func free(_ heap: inout SlabAllocator) {
        guard let p = unsafe UnsafeMutableRawPointer(bitPattern: base) else { return }
        unsafe heap.free(p, capacity * 8)
        self = NameTable()
    }

    func freeDetached() {
        guard capacity * 8 > SlabAllocator.blockBytesMax else { return }
        unsafe CPlatform.free(UnsafeMutableRawPointer(bitPattern: base))
    }

    /// A block for `state` with `name` behind it.
    static func make<State: ~Copyable>(
        _ state: consuming State, _ name: Bytes, _ heap: inout SlabAllocator
    ) -> UInt {
        let offset = MemoryLayout<State>.stride
        let p = unsafe heap.allocate(offset + name.count)
        unsafe p.bindMemory(to: State.self, capacity: 1).initialize(to: state)
        unsafe name.copy(to: p + offset)
        return UInt(bitPattern: p)
    }

    /// Frees such a block.
    static func free<State: ~Copyable>(
        _ address: UInt, _: State.Type, _ heap: inout SlabAllocator
    ) {
        let offset = MemoryLayout<State>.stride
        let bytes = offset + name(address, offset).count
        let p = unsafe UnsafeMutablePointer<State>(bitPattern: address).unsafelyUnwrapped
        unsafe p.deinitialize(count: 1)
        unsafe heap.free(UnsafeMutableRawPointer(p), bytes)
    }

    /// Frees such a block if it is not the heap's, which is going away as a whole.
    static func freeDetached<State: ~Copyable>(_ address: UInt, _: State.Type) {
        let offset = MemoryLayout<State>.stride
        let bytes = offset + name(address, offset).count
        let p = unsafe UnsafeMutablePointer<State>(bitPattern: address).unsafelyUnwrapped
        unsafe p.deinitialize(count: 1)
        if bytes > SlabAllocator.blockBytesMax { unsafe CPlatform.free(p) }
    }
}

// MARK: - Pending entries

/// An entry that was delivered and not acknowledged.
@safe struct PendingEntry {
    private let p: UnsafeMutableRawPointer

    static var byteCount: Int { 24 }

    @inline(__always) init(_ address: UInt) {
        unsafe p = UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped  // S2
    }

    static func make(
        _ time: Int64, _ deliveries: Int64, _ consumer: StreamConsumer,
        _ heap: inout SlabAllocator
    ) -> PendingEntry {
        let entry = PendingEntry(UInt(bitPattern: unsafe heap.allocate(byteCount)))
        entry.time = time
        entry.deliveries = deliveries
        entry.consumer = consumer
        return entry
    }

    func free(_ heap: inout SlabAllocator) { unsafe heap.free(p, Self.byteCount) }

    @inline(__always) var address: UInt { UInt(bitPattern: unsafe p) }

    /// When it was delivered last, in Unix milliseconds.
    fileprivate(set) var time: Int64 {
        @inline(__always) get { unsafe p.load(as: Int64.self) }
        @inline(__always) nonmutating set { unsafe p.storeBytes(of: newValue, as: Int64.self) }
    }
    /// How often it was delivered.
    fileprivate(set) var deliveries: Int64 {
        @inline(__always) get { unsafe p.load(fromByteOffset: 8, as: Int64.self) }
        @inline(__always) nonmutating set {
            unsafe p.storeBytes(of: newValue, toByteOffset: 8, as: Int64.self)
        }
    }
    fileprivate(set) var consumer: StreamConsumer {
        @inline(__always) get { StreamConsumer(unsafe p.load(fromByteOffset: 16, as: UInt.self)) }
        @inline(__always) nonmutating set {
            unsafe p.storeBytes(of: newValue.address, toByteOffset: 16, as: UInt.self)
        }
    }
    /// Whether it is pending with nobody.
    @inline(__always) var isNobodys: Bool { consumer.address == 0 }
}

// MARK: - Consumers

@safe struct StreamConsumer {
    let address: UInt

    struct State: ~Copyable {
        let nameCount: Int
        /// When it last asked for something, in Unix milliseconds.
        var seenTime: Int64
        /// When it last got something; -1 when it never did.
        var activeTime: Int64
        /// What it has yet to acknowledge.
        var pending = IDTree()
        /// Of what a snapshot keeps of a consumer: how many entries it had pending; -1 of a live one.
        var keptCount = -1
    }

    static var nameOffset: Int { MemoryLayout<State>.stride }

    @inline(__always) init(_ address: UInt) { self.address = address }

    var name: Bytes {
        @_lifetime(immortal)
        @inline(__always) get { NameTable.name(address, Self.nameOffset) }
    }

    var state: State {
        @inline(__always) unsafeAddress {
            unsafe UnsafePointer<State>(bitPattern: address).unsafelyUnwrapped  // S1
        }
        @inline(__always) nonmutating unsafeMutableAddress {
            unsafe UnsafeMutablePointer<State>(bitPattern: address).unsafelyUnwrapped
        }
    }

    /// Whether it is what a snapshot keeps of a consumer.
    @inline(__always) var isKept: Bool { state.keptCount >= 0 }

    /// Whether the times differ, which old dump files cannot say.
    @inline(__always) var isUneven: Bool { state.seenTime != state.activeTime }
}

// MARK: - Groups

@safe struct StreamGroup {
    let address: UInt

    struct State: ~Copyable {
        let nameCount: Int
        /// The ID of the last entry that was delivered.
        var last: StreamID
        /// How many entries were added up to that one; -1 when nobody knows.
        var entriesRead: Int64
        /// What consumers have yet to acknowledge.
        var pending = IDTree()
        var consumers = NameTable()
        /// Consumers whose times differ.
        var unevenCount = 0
        /// What keeps for a snapshot how the group was when it began; 0 for none.
        var shadow: UInt = 0
        /// Of a shadow: the consumers that there were, be they live ones, which have not changed since,
        /// or its own, which stand in `consumers` too.
        var roster = NameTable()
        /// Of a shadow: the highest ID that was pending.
        var border = StreamID.zero
        /// Its stream has no such group any more; it goes when the snapshot has it.
        var isOrphan = false
    }

    static var nameOffset: Int { MemoryLayout<State>.stride }

    @inline(__always) init(_ address: UInt) { self.address = address }

    var name: Bytes {
        @_lifetime(immortal)
        @inline(__always) get { NameTable.name(address, Self.nameOffset) }
    }

    var state: State {
        @inline(__always) unsafeAddress {
            unsafe UnsafePointer<State>(bitPattern: address).unsafelyUnwrapped  // S1
        }
        @inline(__always) nonmutating unsafeMutableAddress {
            unsafe UnsafeMutablePointer<State>(bitPattern: address).unsafelyUnwrapped
        }
    }

    static func make(
        _ name: Bytes, last: StreamID, entriesRead: Int64, _ heap: inout SlabAllocator
    ) -> StreamGroup {
        let state = State(nameCount: name.count, last: last, entriesRead: entriesRead)
        return StreamGroup(NameTable.make(state, name, &heap))
    }

    var byteCount: Int {
        var bytes =
            Self.nameOffset + name.count + state.pending.nodeBytes + state.consumers.byteCount
            + state.pending.count * PendingEntry.byteCount
        for i in 0..<consumerCount {
            let consumer = consumer(at: i)
            bytes +=
                StreamConsumer.nameOffset + consumer.name.count + consumer.state.pending.nodeBytes
        }
        return bytes
    }

    // MARK: - Consumers

    @inline(__always) var consumerCount: Int { state.consumers.count }

    @inline(__always) func consumer(at i: Int) -> StreamConsumer {
        StreamConsumer(state.consumers[i])
    }

    @inline(__always) func consumer(_ name: Bytes) -> StreamConsumer? {
        let (i, isThere) = state.consumers.find(name, StreamConsumer.nameOffset)
        return isThere ? consumer(at: i) : nil
    }

    /// The consumer called `name`, a new one if there is none.
    func makeConsumer(
        _ name: Bytes, seen: Int64, active: Int64 = -1, _ heap: inout SlabAllocator
    ) -> (consumer: StreamConsumer, isNew: Bool) {
        let (i, isThere) = state.consumers.find(name, StreamConsumer.nameOffset)
        if isThere { return (consumer(at: i), false) }
        return (addConsumer(name, at: i, seen: seen, active: active, &heap), true)
    }

    /// Adds a consumer at position `i`, where its name belongs.
    private func addConsumer(
        _ name: Bytes, at i: Int, seen: Int64, active: Int64, _ heap: inout SlabAllocator
    ) -> StreamConsumer {
        let fresh = StreamConsumer.State(
            nameCount: name.count, seenTime: seen, activeTime: active)
        let consumer = StreamConsumer(NameTable.make(fresh, name, &heap))
        state.consumers.insert(consumer.address, at: i, &heap)
        if consumer.isUneven { state.unevenCount += 1 }
        return consumer
    }

    /// Adds a consumer with the name and the times of `other`, and nothing pending.
    func addConsumer(
        like other: StreamConsumer, at i: Int, _ heap: inout SlabAllocator
    ) -> StreamConsumer {
        addConsumer(
            other.name, at: i, seen: other.state.seenTime, active: other.state.activeTime, &heap)
    }

    /// A consumer has asked for something, and perhaps got it.
    @inline(__always) func note(
        _ consumer: StreamConsumer, seen: Int64, active: Int64? = nil, _ heap: inout SlabAllocator
    ) {
        preserve(consumer, &heap)
        let before = consumer.isUneven
        consumer.state.seenTime = seen
        if let active { consumer.state.activeTime = active }
        state.unevenCount &+= (consumer.isUneven ? 1 : 0) &- (before ? 1 : 0)
    }

    /// Removes a consumer with everything that it has pending; returns how much that was.
    func removeConsumer(_ name: Bytes, _ heap: inout SlabAllocator) -> Int? {
        let (i, isThere) = state.consumers.find(name, StreamConsumer.nameOffset)
        guard isThere else { return nil }
        let consumer = consumer(at: i)
        preserve(consumer, &heap)
        let count = consumer.state.pending.count
        while let (id, _) = consumer.state.pending.first { _ = acknowledge(id, &heap) }
        if consumer.isUneven { state.unevenCount -= 1 }
        state.consumers.remove(at: i, &heap)
        NameTable.free(consumer.address, StreamConsumer.State.self, &heap)
        return count
    }

    // MARK: - Pending entries

    @inline(__always) func pending(_ id: StreamID) -> PendingEntry? {
        state.pending.value(of: id).map { PendingEntry($0) }
    }

    /// Files an entry as delivered to `consumer`; nil when it is pending already.
    @inline(__always) func deliver(
        _ id: StreamID, to consumer: StreamConsumer?, at time: Int64, deliveries: Int64 = 1,
        _ heap: inout SlabAllocator
    ) -> PendingEntry? {
        let owner = consumer ?? StreamConsumer(0)
        let entry = PendingEntry.make(time, deliveries, owner, &heap)
        guard state.pending.insert(id, entry.address, &heap) else {
            entry.free(&heap)
            return nil
        }
        preserve(id, nil, &heap)
        if let consumer {
            preserve(consumer, &heap)
            _ = consumer.state.pending.insert(id, entry.address, &heap)
        }
        return entry
    }

    /// Files an entry as pending, with nobody yet; false when it is pending already.
    func file(
        _ id: StreamID, _ time: Int64, _ deliveries: Int64, _ heap: inout SlabAllocator
    ) -> Bool {
        deliver(id, to: nil, at: time, deliveries: deliveries, &heap) != nil
    }

    /// Gives an entry that is pending with nobody to `consumer`; false when there is no such one.
    func assign(
        _ id: StreamID, to consumer: StreamConsumer, _ heap: inout SlabAllocator
    ) -> Bool {
        guard let entry = pending(id), entry.isNobodys else { return false }
        entry.consumer = consumer
        return consumer.state.pending.insert(id, entry.address, &heap)
    }

    /// A pending entry was delivered again.
    @inline(__always) func update(
        _ id: StreamID, _ entry: PendingEntry, time: Int64, deliveries: Int64,
        _ heap: inout SlabAllocator
    ) {
        preserve(id, entry, &heap)
        entry.time = time
        entry.deliveries = deliveries
    }

    /// Gives a pending entry to another consumer.
    @inline(__always) func move(
        _ id: StreamID, _ entry: PendingEntry, to consumer: StreamConsumer,
        _ heap: inout SlabAllocator
    ) {
        if entry.consumer.address == consumer.address { return }
        preserve(id, entry, &heap)
        preserve(consumer, &heap)
        entry.consumer.state.pending.remove(id, &heap)
        _ = consumer.state.pending.insert(id, entry.address, &heap)
        entry.consumer = consumer
    }

    /// An entry is pending no more; false when it was not.
    @inline(__always) func acknowledge(_ id: StreamID, _ heap: inout SlabAllocator) -> Bool {
        guard let value = state.pending.remove(id, &heap) else { return false }
        let entry = PendingEntry(value)
        preserve(id, entry, &heap)
        entry.consumer.state.pending.remove(id, &heap)
        entry.free(&heap)
        return true
    }

    // MARK: - As a part of the stream

    /// Frees some pending entries, in the end everything; true when the group is gone.
    func freeSome(_ budget: Int, _ heap: inout SlabAllocator) -> Bool {
        var left = budget
        while state.pending.count > 0 {
            if left <= 0 { return false }
            left -= 42
            _ = state.pending.removeFirstLeaf(&heap) { PendingEntry($0).free(&$1) }
        }
        while consumerCount > 0 {
            if left <= 0 { return false }
            let consumer = consumer(at: consumerCount - 1)
            while consumer.state.pending.removeFirstLeaf(&heap, { _, _ in }) {
                left -= 42
                if left <= 0 { return false }
            }
            left -= 1
            state.consumers.remove(at: consumerCount - 1, &heap)
            NameTable.free(consumer.address, StreamConsumer.State.self, &heap)
        }
        state.roster.free(&heap)
        NameTable.free(address, State.self, &heap)
        return true
    }

    func freeDetached() {
        for i in 0..<consumerCount {
            NameTable.freeDetached(consumer(at: i).address, StreamConsumer.State.self)
        }
        state.consumers.freeDetached()
        state.roster.freeDetached()
        if state.shadow != 0 { StreamGroup(state.shadow).freeDetached() }
        NameTable.freeDetached(address, State.self)
    }

    func copied(_ heap: inout SlabAllocator) -> StreamGroup {
        let copy = Self.make(name, last: state.last, entriesRead: state.entriesRead, &heap)
        for i in 0..<consumerCount { _ = copy.addConsumer(like: consumer(at: i), at: i, &heap) }
        state.pending.forEach { id, value in
            let entry = PendingEntry(value)
            if let consumer = copy.consumer(entry.consumer.name) {
                _ = copy.deliver(
                    id, to: consumer, at: entry.time, deliveries: entry.deliveries, &heap)
            }
            return true
        }
        return copy
    }
}
