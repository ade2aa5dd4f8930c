//  IDTree.swift — words filed under stream IDs, in order: a B+tree.  U
//
//  The blocks of a stream, the pending entries of a group and those of a consumer are found in one of
//  these. Leaves and inner nodes look alike:
//
//      0 u16 entries | 2 u16 room | 16 keys, 16 bytes each | values, 8 bytes each
//
//  In a leaf a value is the owner's word; in an inner node it is the address of a child, and its key is
//  a lower border of what lies below. The first leaf starts with room for two entries and grows; every
//  other node has room for 42, which makes 1,024 bytes. A leaf that fills at the very end stays full,
//  so IDs that arrive in order make full leaves. A node that falls below a quarter merges with a
//  neighbour if both fit in three quarters of one.
//
//  Cost: everything O(log n). Credits: the B+tree is Bayer and McCreight's.
//
//  ## Safety
//  - S1: `root` and the values of inner nodes are 0 or live nodes from the heap that the owner passes
//    to every call, laid out as above; `height` inner levels lie above the leaves.
//  - S2: the count of a node is at most its room, so entries below it are inside and initialised;
//    every node but an empty tree's has at least one.
import CPlatform

/// A leaf or an inner node.
@safe private struct IDNode {
    static var roomMax: Int { 42 }
    static var headerCount: Int { 16 }

    let p: UnsafeMutableRawPointer

    @inline(__always) init(_ address: UInt) {
        unsafe p = UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped  // S1
    }

    @inline(__always) var address: UInt { UInt(bitPattern: unsafe p) }

    static func bytes(_ room: Int) -> Int { headerCount + room * 24 }

    var count: Int {
        @inline(__always) get { Int(unsafe p.load(as: UInt16.self)) }
        @inline(__always) nonmutating set {
            precondition(newValue >= 0 && newValue <= room)
            unsafe p.storeBytes(of: UInt16(truncatingIfNeeded: newValue), as: UInt16.self)
        }
    }

    var room: Int {
        @inline(__always) get { Int(unsafe p.load(fromByteOffset: 2, as: UInt16.self)) }
        nonmutating set {
            unsafe p.storeBytes(of: UInt16(newValue), toByteOffset: 2, as: UInt16.self)
        }
    }

    @inline(__always) private func keyOffset(_ i: Int) -> Int {
        precondition(UInt(bitPattern: i) < UInt(bitPattern: room))
        return IDNode.headerCount &+ i &* 16
    }

    @inline(__always) private func valueOffset(_ i: Int) -> Int {
        precondition(UInt(bitPattern: i) < UInt(bitPattern: room))
        return IDNode.headerCount &+ room &* 16 &+ i &* 8
    }

    @inline(__always) func key(_ i: Int) -> StreamID {
        unsafe p.load(fromByteOffset: keyOffset(i), as: StreamID.self)
    }

    @inline(__always) func setKey(_ i: Int, _ id: StreamID) {
        unsafe p.storeBytes(of: id, toByteOffset: keyOffset(i), as: StreamID.self)
    }

    @inline(__always) func value(_ i: Int) -> UInt {
        unsafe p.load(fromByteOffset: valueOffset(i), as: UInt.self)
    }

    @inline(__always) func setValue(_ i: Int, _ value: UInt) {
        unsafe p.storeBytes(of: value, toByteOffset: valueOffset(i), as: UInt.self)
    }

    /// Entries whose keys are at most `id`.
    @inline(__always) func count(upTo id: StreamID) -> Int {
        var low = 0, high = count
        while low < high {
            let middle = (low &+ high) >> 1
            if id < key(middle) { high = middle } else { low = middle &+ 1 }
        }
        return low
    }

    /// The child in which `id` belongs.
    @inline(__always) func slot(of id: StreamID) -> Int { Swift.max(count(upTo: id) &- 1, 0) }

    /// Copies `n` entries from `i` of `source` on to slot `j`; the counts are the caller's to set.
    func copy(_ n: Int, from i: Int, of source: IDNode, to j: Int) {
        guard n > 0 else { return }
        precondition(i >= 0 && j >= 0 && i + n <= source.room && j + n <= room)
        unsafe memmove(p + keyOffset(j), source.p + source.keyOffset(i), n * 16)
        unsafe memmove(p + valueOffset(j), source.p + source.valueOffset(i), n * 8)
    }

    func insert(_ id: StreamID, _ value: UInt, at i: Int) {
        let n = count
        precondition(i >= 0 && i <= n && n < room)
        copy(n - i, from: i, of: self, to: i + 1)
        setKey(i, id)
        setValue(i, value)
        count = n + 1
    }

    func remove(at i: Int) {
        let n = count
        precondition(i >= 0 && i < n)
        copy(n - i - 1, from: i + 1, of: self, to: i)
        count = n - 1
    }
}

@safe struct IDTree: ~Copyable {
    /// Address of the topmost node, 0 for none.
    private var root: UInt = 0
    /// Inner levels.
    private var height = 0
    /// Entries.
    private(set) var count = 0
    /// Bytes of the nodes.
    private(set) var nodeBytes = 0

    init() {}

    /// The way from the root to an entry.
    private struct Path {
        /// Inner nodes, the root first.
        var nodes: InlineArray<16, UInt> = .init(repeating: 0)
        /// The child that was taken in each.
        var slots: InlineArray<16, Int> = .init(repeating: 0)
        var leaf: UInt = 0
    }

    private mutating func makeNode(_ room: Int, _ heap: inout SlabAllocator) -> IDNode {
        let bytes = IDNode.bytes(room)
        let p = unsafe heap.allocate(bytes)
        unsafe p.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        nodeBytes &+= bytes
        let node = IDNode(UInt(bitPattern: p))
        node.room = room
        return node
    }

    private mutating func free(_ node: IDNode, _ heap: inout SlabAllocator) {
        let bytes = IDNode.bytes(node.room)
        nodeBytes &-= bytes
        unsafe heap.free(node.p, bytes)
    }

    // MARK: - Finding

    /// The leaf in which `id` belongs; the tree is not empty.
    @inline(__always) private func leaf(of id: StreamID) -> IDNode {
        var node = IDNode(root)
        for _ in 0..<height { node = IDNode(node.value(node.slot(of: id))) }
        return node
    }

    private func descend(_ id: StreamID) -> Path {
        var path = Path()
        var node = IDNode(root)
        for level in 0..<height {
            let i = node.slot(of: id)
            path.nodes[level] = node.address
            path.slots[level] = i
            node = IDNode(node.value(i))
        }
        path.leaf = node.address
        return path
    }

    /// The value filed under `id`.
    @inline(__always) func value(of id: StreamID) -> UInt? {
        if root == 0 { return nil }
        let leaf = leaf(of: id)
        let i = leaf.count(upTo: id) &- 1
        return i >= 0 && leaf.key(i) == id ? leaf.value(i) : nil
    }

    /// The last entry that is not above `id`.
    func floor(_ id: StreamID) -> (id: StreamID, value: UInt)? {
        if root == 0 { return nil }
        let leaf = leaf(of: id)
        let i = leaf.count(upTo: id) - 1
        if i >= 0 { return (leaf.key(i), leaf.value(i)) }
        // A border may be lower than what is left behind it.
        guard let node = neighbour(of: descend(id), by: -1) else { return nil }
        return (node.key(node.count - 1), node.value(node.count - 1))
    }

    /// The first entry that is not below `id`.
    func ceiling(_ id: StreamID) -> (id: StreamID, value: UInt)? {
        if root == 0 { return nil }
        let leaf = leaf(of: id)
        let i = position(of: id, in: leaf)
        if i < leaf.count { return (leaf.key(i), leaf.value(i)) }
        guard let node = neighbour(of: descend(id), by: 1) else { return nil }
        return (node.key(0), node.value(0))
    }

    /// The first entry above `id`.
    func next(behind id: StreamID) -> (id: StreamID, value: UInt)? {
        guard let next = id.next else { return nil }
        return ceiling(next)
    }

    var first: (id: StreamID, value: UInt)? { ceiling(.zero) }
    var last: (id: StreamID, value: UInt)? { floor(.max) }

    /// The slot of the first entry of `leaf` that is not below `id`.
    @inline(__always) private func position(of id: StreamID, in leaf: IDNode) -> Int {
        let n = leaf.count(upTo: id)
        return n > 0 && leaf.key(n &- 1) == id ? n &- 1 : n
    }

    /// The leaf behind or in front of that at the end of `path`.
    private func neighbour(of path: Path, by step: Int) -> IDNode? {
        var level = height - 1
        while level >= 0 {
            let node = IDNode(path.nodes[level])
            let i = path.slots[level] + step
            if i >= 0, i < node.count {
                var child = IDNode(node.value(i))
                for _ in (level + 1)..<height {
                    child = IDNode(child.value(step > 0 ? 0 : child.count - 1))
                }
                return child
            }
            level -= 1
        }
        return nil
    }

    /// Calls `body` with the entries from `id` on until it returns false.
    @inline(__always) func forEach(
        from id: StreamID = .zero, _ body: (StreamID, UInt) -> Bool
    ) {
        if root == 0 { return }
        var border = id
        while true {
            let path = descend(border)
            var leaf = IDNode(path.leaf)
            var i = position(of: border, in: leaf)
            if i == leaf.count {
                guard let next = neighbour(of: path, by: 1) else { return }
                leaf = next
                i = 0
            }
            let n = leaf.count
            let last = leaf.key(n &- 1)
            while i < n {
                if !body(leaf.key(i), leaf.value(i)) { return }
                i &+= 1
            }
            guard let next = last.next else { return }
            border = next
        }
    }

    // MARK: - Changing

    /// Files `value` under `id` in place of the value that is there.
    func replace(_ id: StreamID, by value: UInt) {
        precondition(root != 0)
        let leaf = leaf(of: id)
        let i = leaf.count(upTo: id) - 1
        precondition(i >= 0 && leaf.key(i) == id)
        leaf.setValue(i, value)
    }

    /// Files `value` under `id`; false when there is a value already, which stays.
    mutating func insert(_ id: StreamID, _ value: UInt, _ heap: inout SlabAllocator) -> Bool {
        if root == 0 {
            let node = makeNode(2, &heap)
            node.insert(id, value, at: 0)
            root = node.address
            count = 1
            return true
        }
        let leaf = leaf(of: id)
        let i = leaf.count(upTo: id)
        if i > 0, leaf.key(i &- 1) == id { return false }
        count &+= 1
        if leaf.count < leaf.room {
            leaf.insert(id, value, at: i)
        } else if leaf.room < IDNode.roomMax {
            grow(leaf, &heap).insert(id, value, at: i)
        } else {
            split(descend(id), id, value, at: i, &heap)
        }
        return true
    }

    /// Gives the only leaf twice the room.
    private mutating func grow(_ leaf: IDNode, _ heap: inout SlabAllocator) -> IDNode {
        let node = makeNode(min(leaf.room * 2 + 1, IDNode.roomMax), &heap)
        node.count = leaf.count
        node.copy(leaf.count, from: 0, of: leaf, to: 0)
        free(leaf, &heap)
        root = node.address
        return node
    }

    /// Makes two of the full leaf at the end of `path` and inserts.
    @inline(never) private mutating func split(
        _ path: Path, _ id: StreamID, _ value: UInt, at i: Int, _ heap: inout SlabAllocator
    ) {
        let leaf = IDNode(path.leaf)
        var fresh = halve(leaf, at: i, id, value, &heap)
        var level = height - 1
        while level >= 0 {
            let parent = IDNode(path.nodes[level])
            let at = path.slots[level] + 1
            if parent.count < parent.room {
                return parent.insert(fresh.key(0), fresh.address, at: at)
            }
            fresh = halve(parent, at: at, fresh.key(0), fresh.address, &heap)
            level -= 1
        }
        let top = makeNode(IDNode.roomMax, &heap)
        top.insert(IDNode(root).key(0), root, at: 0)
        top.insert(fresh.key(0), fresh.address, at: 1)
        root = top.address
        height += 1
        precondition(height < 16)
    }

    /// Moves the upper half of a full node to a new one and inserts; at the end nothing moves.
    private mutating func halve(
        _ node: IDNode, at i: Int, _ id: StreamID, _ value: UInt, _ heap: inout SlabAllocator
    ) -> IDNode {
        let fresh = makeNode(IDNode.roomMax, &heap)
        let n = node.count
        if i == n {
            fresh.insert(id, value, at: 0)
            return fresh
        }
        let kept = n / 2
        fresh.count = n - kept
        fresh.copy(n - kept, from: kept, of: node, to: 0)
        node.count = kept
        if i <= kept {
            node.insert(id, value, at: i)
        } else {
            fresh.insert(id, value, at: i - kept)
        }
        return fresh
    }

    /// Takes away what is filed under `id`, and returns it.
    @discardableResult
    mutating func remove(_ id: StreamID, _ heap: inout SlabAllocator) -> UInt? {
        if root == 0 { return nil }
        let leaf = leaf(of: id)
        let i = leaf.count(upTo: id) &- 1
        guard i >= 0, leaf.key(i) == id else { return nil }
        let value = leaf.value(i)
        leaf.remove(at: i)
        count &-= 1
        if leaf.count < IDNode.roomMax / 4 { settle(descend(id), &heap) }
        return value
    }

    /// The leaf at the end of `path` has become small.
    @inline(never) private mutating func settle(_ path: Path, _ heap: inout SlabAllocator) {
        var node = IDNode(path.leaf)
        var level = height - 1
        while true {
            if level < 0 {
                if node.count == 0 {
                    free(node, &heap)
                    root = 0
                    height = 0
                } else {
                    lower(&heap)
                }
                return
            }
            let parent = IDNode(path.nodes[level])
            let i = path.slots[level]
            if node.count == 0 {
                free(node, &heap)
                parent.remove(at: i)
            } else if !merge(i, of: parent, areInner: level < height - 1, &heap) {
                return
            }
            if parent.count >= IDNode.roomMax / 4 { return }
            node = parent
            level -= 1
        }
    }

    /// Merges child `i` with a neighbour, if both fit well into one.
    private mutating func merge(
        _ i: Int, of parent: IDNode, areInner: Bool, _ heap: inout SlabAllocator
    ) -> Bool {
        for left in [i - 1, i] where left >= 0 && left + 1 < parent.count {
            let a = IDNode(parent.value(left)), b = IDNode(parent.value(left + 1))
            guard a.count + b.count <= IDNode.roomMax * 3 / 4 else { continue }
            // The first key of an inner node counts for nothing until it stands behind others.
            if areInner { b.setKey(0, parent.key(left + 1)) }
            let n = a.count
            a.count = n + b.count
            a.copy(b.count, from: 0, of: b, to: n)
            free(b, &heap)
            parent.remove(at: left + 1)
            return true
        }
        return false
    }

    /// Takes away inner nodes at the top that have one child.
    private mutating func lower(_ heap: inout SlabAllocator) {
        while height > 0, IDNode(root).count == 1 {
            let node = IDNode(root)
            root = node.value(0)
            height -= 1
            free(node, &heap)
        }
    }

    /// Takes the first leaf away and calls `body` with its entries; false when there is none.
    mutating func removeFirstLeaf(
        _ heap: inout SlabAllocator, _ body: (UInt, inout SlabAllocator) -> Void
    ) -> Bool {
        if root == 0 { return false }
        let path = descend(.zero)
        let leaf = IDNode(path.leaf)
        let n = leaf.count
        for i in 0..<n { body(leaf.value(i), &heap) }
        leaf.count = 0
        count -= n
        settle(path, &heap)
        return true
    }
}
