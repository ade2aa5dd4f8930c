//  Record+Objects.swift — large collections: the record holds the address of an object.  U
//
//  An object is a value without copies in a block of the database's heap. Its record owns it: the
//  record's kind says which type it is, and it goes when the record goes, at once when it is small,
//  in slices when it is large (`Database.doom`).
//
//  ## Safety
//  - S1: a record of an object kind holds the address of a live object of that kind's type, made by
//    `Database.adopt`; nothing else writes that address.
//  - S2: an object is reached through its record only, for the length of one statement.
import CPlatform

/// What every large collection can do for the database that owns it.
protocol CollectionObject: ~Copyable {
    /// Elements as clients count them.
    var count: Int { get }
    /// Bytes of memory, elements included.
    var byteCount: Int { get }
    /// Frees about `budget` elements; true when nothing is left and the object may go.
    mutating func freeSome(_ budget: Int, _ heap: inout SlabAllocator) -> Bool
    /// Frees what lies outside the heap, which is going away as a whole.
    mutating func freeDetached()
    /// A copy whose memory belongs to `heap`.
    func copied(_ heap: inout SlabAllocator, seed: HashSeed) -> Self
}

extension Record {
    @inline(__always) @unsafe private func object<T: ~Copyable>(
        _ kind: Kind, as _: T.Type
    ) -> UnsafeMutablePointer<T> {
        precondition(self.kind == kind)
        let address = unsafe value.loadUnaligned(as: UInt.self)
        return unsafe UnsafeMutablePointer<T>(bitPattern: address).unsafelyUnwrapped  // S1
    }

    /// The chunks of a large list.
    var list: ChunkedList {
        @inline(__always) unsafeAddress {
            unsafe UnsafePointer(object(.list, as: ChunkedList.self))
        }
        @inline(__always) nonmutating unsafeMutableAddress {
            unsafe object(.list, as: ChunkedList.self)
        }
    }

    /// The table of a large hash.
    var hash: MemberTable {
        @inline(__always) unsafeAddress {
            unsafe UnsafePointer(object(.hash, as: MemberTable.self))
        }
        @inline(__always) nonmutating unsafeMutableAddress {
            unsafe object(.hash, as: MemberTable.self)
        }
    }

    /// The table of a large set.
    var set: MemberTable {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(object(.set, as: MemberTable.self)) }
        @inline(__always) nonmutating unsafeMutableAddress {
            unsafe object(.set, as: MemberTable.self)
        }
    }

    /// The table and index of a large sorted set.
    var sortedSet: SortedSet {
        @inline(__always) unsafeAddress {
            unsafe UnsafePointer(object(.sortedSet, as: SortedSet.self))
        }
        @inline(__always) nonmutating unsafeMutableAddress {
            unsafe object(.sortedSet, as: SortedSet.self)
        }
    }

    /// The blocks and groups of a stream.
    var stream: StreamLog {
        @inline(__always) unsafeAddress {
            unsafe UnsafePointer(object(.stream, as: StreamLog.self))
        }
        @inline(__always) nonmutating unsafeMutableAddress {
            unsafe object(.stream, as: StreamLog.self)
        }
    }
}

extension Record {
    /// Whether the key or an element of its value has a deadline.
    var isVolatile: Bool { hasDeadline || kind == .hash && hash.volatileCount > 0 }

    /// The earliest deadline of the key or of an element of its value; `Int64.max` without any.
    var earliestDeadline: Int64 {
        let own = hasDeadline ? deadline : .max
        return kind == .hash ? min(own, hash.earliestDeadline) : own
    }
}

/// An object, reached without its record.
@safe struct ObjectHandle {
    let kind: Kind
    fileprivate let address: UInt

    init(_ record: Record) {
        kind = record.kind
        address = unsafe record.value.loadUnaligned(as: UInt.self)
    }

    /// Puts `object`, which belongs to no record, into the heap.
    init<T: ~Copyable & CollectionObject>(
        _ object: consuming T, _ kind: Kind, _ heap: inout SlabAllocator
    ) {
        self.kind = kind
        let block = unsafe heap.allocate(MemoryLayout<T>.stride)
        let p = unsafe block.bindMemory(to: T.self, capacity: 1)
        unsafe p.initialize(to: object)
        address = UInt(bitPattern: p)
    }

    /// The elements of a hash or set.
    var table: MemberTable {
        @inline(__always) unsafeAddress {
            precondition(kind == .hash || kind == .set)
            return unsafe UnsafePointer<MemberTable>(bitPattern: address).unsafelyUnwrapped
        }
        @inline(__always) nonmutating unsafeMutableAddress {
            precondition(kind == .hash || kind == .set)
            return unsafe UnsafeMutablePointer<MemberTable>(bitPattern: address).unsafelyUnwrapped
        }
    }

    var sortedSet: SortedSet {
        @inline(__always) unsafeAddress {
            precondition(kind == .sortedSet)
            return unsafe UnsafePointer<SortedSet>(bitPattern: address).unsafelyUnwrapped
        }
        @inline(__always) nonmutating unsafeMutableAddress {
            precondition(kind == .sortedSet)
            return unsafe UnsafeMutablePointer<SortedSet>(bitPattern: address).unsafelyUnwrapped
        }
    }

    var stream: StreamLog {
        @inline(__always) unsafeAddress {
            precondition(kind == .stream)
            return unsafe UnsafePointer<StreamLog>(bitPattern: address).unsafelyUnwrapped
        }
        @inline(__always) nonmutating unsafeMutableAddress {
            precondition(kind == .stream)
            return unsafe UnsafeMutablePointer<StreamLog>(bitPattern: address).unsafelyUnwrapped
        }
    }

    /// The snapshot that is about to write the elements.
    var opened: OpenCollection? {
        get {
            switch kind {
            case .hash, .set: table.opened
            case .sortedSet: sortedSet.opened
            case .stream: stream.opened
            default: nil
            }
        }
        nonmutating set {
            switch kind {
            case .hash, .set: table.opened = newValue
            case .sortedSet: sortedSet.opened = newValue
            case .stream: stream.opened = newValue
            default: break
            }
        }
    }

    /// Frees about `budget` elements, in the end the object; true when it is gone.
    func freeSome(_ budget: Int, _ heap: inout SlabAllocator) -> Bool {
        switch kind {
        case .list: unsafe freeSome(budget, &heap, as: ChunkedList.self)
        case .hash, .set: unsafe freeSome(budget, &heap, as: MemberTable.self)
        case .sortedSet: unsafe freeSome(budget, &heap, as: SortedSet.self)
        case .stream: unsafe freeSome(budget, &heap, as: StreamLog.self)
        default: true
        }
    }

    @unsafe private func freeSome<T: ~Copyable & CollectionObject>(
        _ budget: Int, _ heap: inout SlabAllocator, as _: T.Type
    ) -> Bool {
        let p = unsafe UnsafeMutablePointer<T>(bitPattern: address).unsafelyUnwrapped
        guard unsafe p.pointee.freeSome(budget, &heap) else { return false }
        unsafe p.deinitialize(count: 1)
        unsafe heap.free(UnsafeMutableRawPointer(p), MemoryLayout<T>.stride)
        return true
    }

    /// Frees what lies outside the heap, which is going away as a whole.
    func freeDetached() {
        switch kind {
        case .list: unsafe freeDetached(as: ChunkedList.self)
        case .hash, .set: unsafe freeDetached(as: MemberTable.self)
        case .sortedSet: unsafe freeDetached(as: SortedSet.self)
        case .stream: unsafe freeDetached(as: StreamLog.self)
        default: break
        }
    }

    @unsafe private func freeDetached<T: ~Copyable & CollectionObject>(as _: T.Type) {
        let p = unsafe UnsafeMutablePointer<T>(bitPattern: address).unsafelyUnwrapped
        unsafe p.pointee.freeDetached()
        unsafe p.deinitialize(count: 1)
    }
}

extension Record {
    /// Puts `object` into the heap and its address into this record, whose kind fits the type.
    func adopt<T: ~Copyable & CollectionObject>(
        _ object: consuming T, _ heap: inout SlabAllocator
    ) {
        precondition(isObject && valueCount == 8)
        let handle = ObjectHandle(object, kind, &heap)
        unsafe value.storeBytes(of: handle.address, as: UInt.self)
    }

    /// Gives this record, whose kind is that of `source`, a copy of its object.
    func adoptCopy(of source: Record, _ heap: inout SlabAllocator, seed: HashSeed) {
        switch source.kind {
        case .list: adopt(source.list.copied(&heap, seed: seed), &heap)
        case .hash: adopt(source.hash.copied(&heap, seed: seed), &heap)
        case .set: adopt(source.set.copied(&heap, seed: seed), &heap)
        case .sortedSet: adopt(source.sortedSet.copied(&heap, seed: seed), &heap)
        case .stream: adopt(source.stream.copied(&heap, seed: seed), &heap)
        default: preconditionFailure("no object")
        }
    }

    /// Elements of the object.
    var objectElementCount: Int {
        switch kind {
        case .list: list.count
        case .hash: hash.count
        case .set: set.count
        case .sortedSet: sortedSet.count
        case .stream: stream.count
        default: 0
        }
    }

    /// Bytes of the object, elements included.
    var objectByteCount: Int {
        switch kind {
        case .list: list.byteCount
        case .hash: hash.byteCount
        case .set: set.byteCount
        case .sortedSet: sortedSet.byteCount
        case .stream: stream.byteCount
        default: 0
        }
    }
}
