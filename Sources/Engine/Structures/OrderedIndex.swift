//  OrderedIndex.swift — the elements of a sorted set in order: a B+tree that counts.  U
//
//  An element is a score and the address of a record whose key is the member. The order is that of
//  the scores; where they are equal, that of the members' bytes, a shorter one first. Every entry
//  of an inner node knows how many elements lie below it, so a rank is found, and an element by its
//  rank, on the way down.
//
//      leaf, 512 bytes                      inner node, 1,024 bytes
//       0 u48 next leaf | u16 elements       0 u48 unused | u16 children
//       8 u64 previous leaf                  8 u64 unused
//      16 f64 scores[31]                    16 f64 scores[31]    ┐ the first element
//     264 u64 records[31]                  264 u64 records[31]   ┘ below each child
//                                          512 u64 children[31]
//                                          760 u64 elements[31] below each child
//
//  A leaf that fills in the middle is halved. One that fills at an end of the whole order stays
//  full and a new one begins there, so members that arrive in order make full leaves. A node below
//  a third of its room merges with a neighbour or takes some of its entries, but for the nodes at
//  the two edges, which live until they are empty: queues are fed and drained there.
//
//  Cost: insert, remove, rank and element at a rank O(log n); the next one O(1). At a million
//  random elements 26 bytes each, filled in order 17.
//
//  Credits: the B+tree is Bayer and McCreight's, counting below inner nodes Knuth's.
//
//  ## Safety
//  - S1: `root`, children and links are 0 or live nodes from the heap that the owner passes to
//    every call, laid out as above; `height` inner levels lie above the leaves.
//  - S2: records are live as long as their elements are in the index. Whoever takes elements out
//    may free their records at once: nothing reads them any more.
//  - S3: counts of nodes are 1...31, so that slots below them are initialised and inside.
import CPlatform

/// A leaf or an inner node, both alike in their first half.
@safe private struct Node {
    static var entriesMax: Int { 31 }
    private static var addressMask: UInt64 { 0x0000_FFFF_FFFF_FFFF }

    let p: UnsafeMutableRawPointer

    @inline(__always) init(_ address: UInt64) {
        unsafe p = UnsafeMutableRawPointer(bitPattern: UInt(address)).unsafelyUnwrapped  // S1
    }

    var address: UInt64 { UInt64(UInt(bitPattern: unsafe p)) }

    /// Entries.
    var count: Int {
        @inline(__always) get { Int(unsafe p.load(fromByteOffset: 6, as: UInt16.self)) }
        @inline(__always) nonmutating set {
            precondition(newValue >= 0 && newValue <= Node.entriesMax)
            unsafe p.storeBytes(
                of: UInt16(truncatingIfNeeded: newValue), toByteOffset: 6, as: UInt16.self)
        }
    }

    /// The leaf behind this one, 0 for none.
    var next: UInt64 {
        @inline(__always) get { unsafe p.load(as: UInt64.self) & Node.addressMask }
        nonmutating set {
            let kept = unsafe p.load(as: UInt64.self) & ~Node.addressMask
            unsafe p.storeBytes(of: kept | newValue, as: UInt64.self)
        }
    }

    /// The leaf in front of this one, 0 for none.
    var previous: UInt64 {
        @inline(__always) get { unsafe p.load(fromByteOffset: 8, as: UInt64.self) }
        nonmutating set { unsafe p.storeBytes(of: newValue, toByteOffset: 8, as: UInt64.self) }
    }

    @inline(__always) private func word(_ base: Int, _ i: Int) -> UInt64 {
        unsafe p.load(fromByteOffset: base &+ i &* 8, as: UInt64.self)
    }

    @inline(__always) private func setWord(_ base: Int, _ i: Int, _ value: UInt64) {
        precondition(UInt(bitPattern: i) < UInt(bitPattern: Node.entriesMax))
        unsafe p.storeBytes(of: value, toByteOffset: base &+ i &* 8, as: UInt64.self)
    }

    @inline(__always) func score(_ i: Int) -> Double {
        unsafe p.load(fromByteOffset: 16 &+ i &* 8, as: Double.self)
    }

    @inline(__always) func recordAddress(_ i: Int) -> UInt64 { word(264, i) }

    @inline(__always) func record(_ i: Int) -> Record {
        unsafe Record(
            UnsafeMutableRawPointer(bitPattern: UInt(word(264, i))).unsafelyUnwrapped)  // S2
    }

    @inline(__always) func child(_ i: Int) -> Node { Node(word(512, i)) }

    /// Elements below child `i`.
    @inline(__always) func weight(_ i: Int) -> Int { Int(word(760, i)) }

    @inline(__always) func setWeight(_ i: Int, _ n: Int) { setWord(760, i, UInt64(n)) }

    @inline(__always) func setElement(_ i: Int, _ score: Double, _ record: UInt64) {
        setWord(16, i, score.bitPattern)
        setWord(264, i, record)
    }

    /// Makes entry `i` say what is first in `child`, and how much is in it.
    func setChild(_ i: Int, _ child: Node, isInner: Bool) {
        setElement(i, child.score(0), child.recordAddress(0))
        setWord(512, i, child.address)
        setWeight(i, child.total(isInner: isInner))
    }

    /// Elements in or below the node.
    func total(isInner: Bool) -> Int {
        guard isInner else { return count }
        var sum = 0
        for i in 0..<count { sum &+= weight(i) }
        return sum
    }

    /// The first entry from `first` on that is not below the border.
    @inline(__always) func border(
        from first: Int, _ isBelow: (Double, Record) -> Bool
    ) -> Int {
        var low = first, n = count &- first
        while n > 0 {
            let half = n >> 1
            let middle = low &+ half
            if isBelow(score(middle), record(middle)) {
                low = middle &+ 1
                n &-= half &+ 1
            } else {
                n = half
            }
        }
        return low
    }

    /// Asks for the lines with the scores.
    @inline(__always) func prefetch() {
        unsafe cp_prefetch(p)
        unsafe cp_prefetch(p + 64)
        unsafe cp_prefetch(p + 128)
        unsafe cp_prefetch(p + 192)
    }

    /// Copies `n` entries from `i` of `source` on to slot `j` of this node, which may be the
    /// same one; both counts are the caller's to set.
    @inline(__always) func copy(
        _ n: Int, from i: Int, of source: Node, to j: Int, isInner: Bool
    ) {
        let room = Node.entriesMax
        precondition(n >= 0 && i >= 0 && j >= 0 && i &+ n <= room && j &+ n <= room)
        let from = unsafe source.p + i &* 8, to = unsafe p + j &* 8
        unsafe memmove(to + 16, from + 16, n &* 8)
        unsafe memmove(to + 264, from + 264, n &* 8)
        guard isInner else { return }
        unsafe memmove(to + 512, from + 512, n &* 8)
        unsafe memmove(to + 760, from + 760, n &* 8)
    }

    /// Takes `n` entries out at `i`.
    @inline(__always) func close(_ n: Int, at i: Int, isInner: Bool) {
        copy(count &- i &- n, from: i &+ n, of: self, to: i, isInner: isInner)
        count &-= n
    }

    /// Makes room for `n` entries at `i`.
    @inline(__always) func open(_ n: Int, at i: Int, isInner: Bool) {
        copy(count &- i, from: i, of: self, to: i &+ n, isInner: isInner)
        count &+= n
    }
}

@safe struct OrderedIndex: ~Copyable {
    /// Nodes with fewer entries are merged or filled up.
    private static var entriesMin: Int { 11 }
    /// More levels than any number of elements can make.
    private static var levelsMax: Int { 16 }

    /// Address of the topmost node, 0 for none.
    private var root: UInt64 = 0
    /// Inner levels.
    private var height = 0
    /// Elements.
    private(set) var count = 0
    /// Bytes of the nodes.
    private(set) var nodeBytes = 0

    init() {}

    // MARK: - Nodes

    /// The way from the root to an element.
    private struct Path {
        /// Inner nodes, the root first.
        var nodes: InlineArray<16, UInt64> = .init(repeating: 0)
        /// The child that was taken in each.
        var slots: InlineArray<16, Int> = .init(repeating: 0)
        var leaf: UInt64 = 0
        var slot = 0
    }

    private mutating func makeNode(isInner: Bool, _ heap: inout SlabAllocator) -> Node {
        let bytes = isInner ? 1024 : 512
        let p = unsafe heap.allocate(bytes)
        unsafe p.initializeMemory(as: UInt8.self, repeating: 0, count: 16)
        nodeBytes &+= bytes
        return Node(UInt64(UInt(bitPattern: p)))
    }

    private mutating func free(_ node: Node, isInner: Bool, _ heap: inout SlabAllocator) {
        let bytes = isInner ? 1024 : 512
        nodeBytes &-= bytes
        unsafe heap.free(node.p, bytes)
    }

    // MARK: - Finding

    /// The way to the first element that is not below the border, or to where it would be.
    @inline(__always) private func descend(
        _ path: inout Path, _ isBelow: (Double, Record) -> Bool
    ) {
        var node = Node(root)
        var level = 0
        while level < height {
            let i = node.border(from: 1, isBelow) &- 1
            path.nodes[level] = node.address
            path.slots[level] = i
            node = node.child(i)
            node.prefetch()
            level &+= 1
        }
        path.leaf = node.address
        path.slot = node.border(from: 0, isBelow)
    }

    /// The way to the element at `rank`, which exists.
    private func descend(_ path: inout Path, rank: Int) {
        precondition(rank >= 0 && rank < count)
        var node = Node(root)
        var rest = rank
        var level = 0
        while level < height {
            var i = 0
            while rest >= node.weight(i) {
                rest &-= node.weight(i)
                i &+= 1
            }
            path.nodes[level] = node.address
            path.slots[level] = i
            node = node.child(i)
            level &+= 1
        }
        path.leaf = node.address
        path.slot = rest
    }

    /// The number of elements below the border.
    @inline(__always) private func rank(_ isBelow: (Double, Record) -> Bool) -> Int {
        if root == 0 { return 0 }
        var node = Node(root)
        var rank = 0
        for _ in 0..<height {
            let i = node.border(from: 1, isBelow) &- 1
            for k in 0..<i { rank &+= node.weight(k) }
            node = node.child(i)
            node.prefetch()
        }
        return rank &+ node.border(from: 0, isBelow)
    }

    /// Whether an element is in front of (`score`, `member`) or is that very one.
    @inline(__always) private static func isUpTo(
        _ score: Double, _ member: Bytes, _ other: Double, _ record: Record
    ) -> Bool {
        if other != score { return other < score }
        return record.key.compare(member) <= 0
    }

    /// The way to the element (`score`, `member`); nil when there is none.
    private func find(_ score: Double, _ member: Bytes) -> Path? {
        if root == 0 { return nil }
        var path = Path()
        descend(&path) { Self.isUpTo(score, member, $0, $1) }
        // The last one that is not above; a leaf whose first is above is the very first leaf.
        let i = path.slot &- 1
        let leaf = Node(path.leaf)
        guard i >= 0, leaf.score(i) == score, leaf.record(i).keyEquals(member) else { return nil }
        path.slot = i
        return path
    }

    /// The rank of the element (`score`, `member`), counted from 0; nil when there is none.
    func rank(of score: Double, _ member: Bytes) -> Int? {
        guard let path = find(score, member) else { return nil }
        var rank = path.slot
        for level in 0..<height {
            let node = Node(path.nodes[level])
            for i in 0..<path.slots[level] { rank &+= node.weight(i) }
        }
        return rank
    }

    /// The number of elements with a score below `score`, or at most `score`.
    func rank(below score: Double, orEqual: Bool) -> Int {
        orEqual ? rank { other, _ in other <= score } : rank { other, _ in other < score }
    }

    /// The number of elements in front of `member`, or up to it, where all scores are the same.
    func rank(before member: Bytes, orEqual: Bool) -> Int {
        rank { _, record in
            let order = record.key.compare(member)
            return orEqual ? order <= 0 : order < 0
        }
    }

    /// The number of elements up to (`score`, `member`), which need not be there.
    func rank(behind score: Double, _ member: Bytes) -> Int {
        rank { other, record in
            other < score || other == score && record.key.compare(member) <= 0
        }
    }

    // MARK: - Reading

    /// Where an element is; good until the index changes.
    struct Position {
        fileprivate var leaf: UInt64
        fileprivate var slot: Int
    }

    /// Where the element at `rank` is; the caller has checked that there is one.
    func position(at rank: Int) -> Position {
        var path = Path()
        descend(&path, rank: rank)
        return Position(leaf: path.leaf, slot: path.slot)
    }

    /// The element at `position`.
    @inline(__always) subscript(position: Position) -> (score: Double, record: Record) {
        let leaf = Node(position.leaf)
        return (leaf.score(position.slot), leaf.record(position.slot))
    }

    /// Where the element behind `position` is; nil at the end.
    @inline(__always) func next(_ position: Position) -> Position? {
        let leaf = Node(position.leaf)
        if position.slot &+ 1 < leaf.count {
            return Position(leaf: position.leaf, slot: position.slot &+ 1)
        }
        return leaf.next == 0 ? nil : Position(leaf: leaf.next, slot: 0)
    }

    /// Where the element in front of `position` is; nil at the start.
    @inline(__always) func previous(_ position: Position) -> Position? {
        if position.slot > 0 { return Position(leaf: position.leaf, slot: position.slot &- 1) }
        let before = Node(position.leaf).previous
        return before == 0 ? nil : Position(leaf: before, slot: Node(before).count &- 1)
    }

    /// Calls `body` with `n` elements from `rank` on, forwards or backwards; the caller has checked
    /// that there are as many.
    @inline(__always) func forEach(
        from rank: Int, count n: Int, backwards isBackwards: Bool = false,
        _ body: (Double, Record) -> Void
    ) {
        guard n > 0 else { return }
        var at = position(at: rank)
        var left = n
        while true {
            let leaf = Node(at.leaf)
            let step = isBackwards ? -1 : 1
            let run = min(left, isBackwards ? at.slot &+ 1 : leaf.count &- at.slot)
            // Records are anywhere: ask for them before they are needed.
            for k in 0..<run { leaf.record(at.slot &+ k &* step).prefetch() }
            for k in 0..<run {
                let i = at.slot &+ k &* step
                body(leaf.score(i), leaf.record(i))
            }
            left &-= run
            let neighbour = isBackwards ? leaf.previous : leaf.next
            guard left > 0, neighbour != 0 else { return }
            at = Position(leaf: neighbour, slot: isBackwards ? Node(neighbour).count &- 1 : 0)
        }
    }

    // MARK: - Inserting

    /// Adds `record` under `score`; its member must not be in the index.
    mutating func insert(_ score: Double, _ record: Record, _ heap: inout SlabAllocator) {
        if root == 0 { return insertFirst(score, record, &heap) }
        let member = record.key
        var path = Path()
        descend(&path) { Self.isUpTo(score, member, $0, $1) }
        insert(score, record, path, &heap)
    }

    /// Adds `record` behind all others; `score` and its member say that it belongs there.
    mutating func append(_ score: Double, _ record: Record, _ heap: inout SlabAllocator) {
        if root == 0 { return insertFirst(score, record, &heap) }
        var path = Path()
        descend(&path) { _, _ in true }
        insert(score, record, path, &heap)
    }

    private mutating func insertFirst(
        _ score: Double, _ record: Record, _ heap: inout SlabAllocator
    ) {
        let leaf = makeNode(isInner: false, &heap)
        leaf.count = 1
        leaf.setElement(0, score, UInt64(record.identity))
        root = leaf.address
        height = 0
        count = 1
    }

    @inline(__always) private mutating func insert(
        _ score: Double, _ record: Record, _ path: Path, _ heap: inout SlabAllocator
    ) {
        let address = UInt64(record.identity)
        let leaf = Node(path.leaf)
        count &+= 1
        guard leaf.count < Node.entriesMax else {
            return insertSplitting(score, address, path, &heap)
        }
        leaf.open(1, at: path.slot, isInner: false)
        leaf.setElement(path.slot, score, address)
        var isFirst = path.slot == 0
        var level = height
        while level > 0 {
            level &-= 1
            let node = Node(path.nodes[level]), i = path.slots[level]
            node.setWeight(i, node.weight(i) &+ 1)
            if isFirst { node.setElement(i, score, address) }
            isFirst = isFirst && i == 0
        }
    }

    @inline(never) private mutating func insertSplitting(
        _ score: Double, _ address: UInt64, _ path: Path, _ heap: inout SlabAllocator
    ) {
        var child = Node(path.leaf)
        let isLast = path.slot == child.count && child.next == 0
        let half = split(child, at: path.slot, isInner: false, isLast: isLast, &heap)
        let (leaf, slot) = Self.side(child, half, path.slot)
        leaf.open(1, at: slot, isInner: false)
        leaf.setElement(slot, score, address)
        var right: Node? = half
        var level = height
        while level > 0 {
            level -= 1
            let isAboveLeaves = level == height - 1
            let node = Node(path.nodes[level]), i = path.slots[level]
            node.setChild(i, child, isInner: !isAboveLeaves)
            var newRight: Node?
            if let right {
                var (target, slot) = (node, i + 1)
                if node.count == Node.entriesMax {
                    let half = split(node, at: i + 1, isInner: true, isLast: isLast, &heap)
                    (target, slot) = Self.side(node, half, i + 1)
                    newRight = half
                }
                target.open(1, at: slot, isInner: true)
                target.setChild(slot, right, isInner: !isAboveLeaves)
            }
            child = node
            right = newRight
        }
        guard let right else { return }
        let isInner = height > 0
        let top = makeNode(isInner: true, &heap)
        top.count = 2
        top.setChild(0, child, isInner: isInner)
        top.setChild(1, right, isInner: isInner)
        root = top.address
        height += 1
    }

    /// Moves the upper part of a full node, to which an entry is to be added at `slot`, to a new
    /// one, which is returned.
    ///
    /// `isLast` says that an element becomes the last of all.
    private mutating func split(
        _ node: Node, at slot: Int, isInner: Bool, isLast: Bool, _ heap: inout SlabAllocator
    ) -> Node {
        let right = makeNode(isInner: isInner, &heap)
        let n = node.count
        let kept: Int
        if slot == n, isLast {
            kept = n
        } else if slot == 0, !isInner, node.previous == 0 {
            kept = 0
        } else {
            kept = slot <= n / 2 ? n / 2 : n / 2 + 1
        }
        right.copy(n - kept, from: kept, of: node, to: 0, isInner: isInner)
        right.count = n - kept
        node.count = kept
        guard !isInner else { return right }
        right.next = node.next
        right.previous = node.address
        if node.next != 0 { Node(node.next).previous = right.address }
        node.next = right.address
        return right
    }

    /// Where slot `i` of a node is after it was split.
    private static func side(_ left: Node, _ right: Node, _ i: Int) -> (Node, Int) {
        // Both sides end with an entry at least: an empty one takes what is new.
        if right.count == 0 || i > left.count { return (right, i - left.count) }
        if left.count == 0 || i < left.count { return (left, i) }
        return left.count < right.count ? (left, i) : (right, 0)
    }

    // MARK: - Removing

    /// Takes the element (`score`, `record`) out; false when it is not there.
    @discardableResult
    mutating func remove(
        _ score: Double, _ record: Record, _ heap: inout SlabAllocator
    ) -> Bool {
        guard let path = find(score, record.key) else { return false }
        remove(1, path, &heap)
        return true
    }

    /// Takes the elements in `ranks` out, which exist; `body` gets each in order and may free its
    /// record.
    mutating func remove(
        ranks: Range<Int>, _ heap: inout SlabAllocator,
        _ body: (Double, Record, inout SlabAllocator) -> Void
    ) {
        precondition(ranks.lowerBound >= 0 && ranks.upperBound <= count)
        var left = ranks.count
        while left > 0 {
            var path = Path()
            descend(&path, rank: ranks.lowerBound)
            let leaf = Node(path.leaf)
            let n = min(left, leaf.count - path.slot)
            for i in path.slot..<path.slot + n { leaf.record(i).prefetch() }
            for i in path.slot..<path.slot + n { body(leaf.score(i), leaf.record(i), &heap) }
            remove(n, path, &heap)
            left -= n
        }
    }

    /// Gives the element (`old`, `record`) another score; it must be in the index.
    mutating func move(
        _ old: Double, _ record: Record, to score: Double, _ heap: inout SlabAllocator
    ) {
        guard let path = find(old, record.key) else { return }
        let leaf = Node(path.leaf), i = path.slot
        // Where neither neighbour is passed the element stays; at the ends of a leaf nobody looks.
        if i > 0, i + 1 < leaf.count,
            Self.isUpTo(score, record.key, leaf.score(i - 1), leaf.record(i - 1)),
            !Self.isUpTo(score, record.key, leaf.score(i + 1), leaf.record(i + 1))
        {
            leaf.setElement(i, score, UInt64(record.identity))
            return
        }
        remove(1, path, &heap)
        insert(score, record, &heap)
    }

    /// Takes out `n` elements of one leaf.
    @inline(__always) private mutating func remove(
        _ n: Int, _ path: Path, _ heap: inout SlabAllocator
    ) {
        let leaf = Node(path.leaf)
        leaf.close(n, at: path.slot, isInner: false)
        count &-= n
        if path.slot == 0 || leaf.count < Self.entriesMin {
            return settle(n, path, &heap)
        }
        for level in 0..<height {
            let node = Node(path.nodes[level]), i = path.slots[level]
            node.setWeight(i, node.weight(i) &- n)
        }
    }

    /// Sets right what lies above a leaf from which `n` elements were taken.
    @inline(never) private mutating func settle(
        _ n: Int, _ path: Path, _ heap: inout SlabAllocator
    ) {
        var child = Node(path.leaf)
        var isFirstChanged = path.slot == 0
        var level = height
        while level > 0 {
            level -= 1
            let isInner = level < height - 1
            let node = Node(path.nodes[level]), i = path.slots[level]
            node.setWeight(i, node.weight(i) - n)
            if child.count == 0 {
                if !isInner { unlink(child) }
                free(child, isInner: isInner, &heap)
                node.close(1, at: i, isInner: true)
            } else {
                if isFirstChanged { node.setElement(i, child.score(0), child.recordAddress(0)) }
                if child.count < Self.entriesMin, !isAtEdge(path, level) {
                    rebalance(node, i, isInner: isInner, &heap)
                }
            }
            isFirstChanged = isFirstChanged && i == 0
            child = node
        }
        shrink(&heap)
    }

    /// Takes levels off whose only node has no more than one child.
    private mutating func shrink(_ heap: inout SlabAllocator) {
        while root != 0 {
            let node = Node(root)
            if node.count > 1 || (node.count == 1 && height == 0) { return }
            root = node.count == 0 ? 0 : node.child(0).address
            free(node, isInner: height > 0, &heap)
            height = root == 0 ? 0 : height - 1
        }
    }

    /// Whether the node below `level` of the path is the first or the last of its level.
    private func isAtEdge(_ path: Path, _ level: Int) -> Bool {
        var isFirst = true, isLast = true
        for k in 0...level {
            isFirst = isFirst && path.slots[k] == 0
            isLast = isLast && path.slots[k] == Node(path.nodes[k]).count - 1
        }
        return isFirst || isLast
    }

    private func unlink(_ leaf: Node) {
        if leaf.next != 0 { Node(leaf.next).previous = leaf.previous }
        if leaf.previous != 0 { Node(leaf.previous).next = leaf.next }
    }

    /// Merges child `i` of `parent`, which has few entries, with a neighbour or evens the two out.
    private mutating func rebalance(
        _ parent: Node, _ i: Int, isInner: Bool, _ heap: inout SlabAllocator
    ) {
        guard parent.count > 1 else { return }
        let first = i + 1 < parent.count ? i : i - 1
        let left = parent.child(first), right = parent.child(first + 1)
        let a = left.count, b = right.count
        if a + b <= Node.entriesMax {
            left.copy(b, from: 0, of: right, to: a, isInner: isInner)
            left.count = a + b
            parent.setChild(first, left, isInner: isInner)
            if !isInner { unlink(right) }
            free(right, isInner: isInner, &heap)
            return parent.close(1, at: first + 1, isInner: true)
        }
        let wanted = (a + b) / 2
        if a < wanted {
            left.copy(wanted - a, from: 0, of: right, to: a, isInner: isInner)
            left.count = wanted
            right.close(wanted - a, at: 0, isInner: isInner)
        } else {
            right.open(a - wanted, at: 0, isInner: isInner)
            right.copy(a - wanted, from: wanted, of: left, to: 0, isInner: isInner)
            left.count = wanted
        }
        parent.setChild(first, left, isInner: isInner)
        parent.setChild(first + 1, right, isInner: isInner)
    }

    // MARK: - Freeing

    /// Frees about `budget` nodes from the end, not the records; true when none is left.
    ///
    /// Between the first call and the last nothing else touches the index.
    mutating func freeSome(_ budget: Int, _ heap: inout SlabAllocator) -> Bool {
        var freed = 0
        while root != 0, freed < budget {
            // Down along the last children to the lowest node whose children are leaves, or gone.
            var node = Node(root)
            var parent: Node?
            var level = 0
            while level < height, node.count > 0 {
                parent = node
                node = node.child(node.count - 1)
                level += 1
            }
            free(node, isInner: level < height, &heap)
            freed += 1
            if let parent {
                parent.count -= 1
            } else {
                root = 0
            }
        }
        if root == 0 {
            height = 0
            count = 0
        }
        return root == 0
    }

    // MARK: - Checking

    /// Stops the program where the tree is not as it should be; for tests.
    func checkInvariants() {
        guard root != 0 else { return precondition(count == 0 && height == 0 && nodeBytes == 0) }
        var bytes = 0
        var previous: UInt64 = 0
        var last: (score: Double, record: Record)?
        let total = check(
            Node(root), level: 0, isFirst: true, isLast: true, &bytes, &previous, &last)
        precondition(total == count && bytes == nodeBytes)
        precondition(Node(previous).next == 0)
    }

    private func check(
        _ node: Node, level: Int, isFirst: Bool, isLast: Bool, _ bytes: inout Int,
        _ previous: inout UInt64, _ last: inout (score: Double, record: Record)?
    ) -> Int {
        precondition(node.count > 0 && node.count <= Node.entriesMax)
        precondition(isFirst || isLast || node.count >= Self.entriesMin)
        guard level < height else {
            bytes += 512
            precondition(node.previous == previous)
            if previous != 0 { precondition(Node(previous).next == node.address) }
            previous = node.address
            for i in 0..<node.count {
                if let last {
                    precondition(
                        Self.isUpTo(node.score(i), node.record(i).key, last.score, last.record))
                }
                last = (node.score(i), node.record(i))
            }
            return node.count
        }
        bytes += 1024
        precondition(level > 0 || node.count > 1)
        var total = 0
        for i in 0..<node.count {
            let child = node.child(i)
            precondition(
                child.score(0) == node.score(i) && child.recordAddress(0) == node.recordAddress(i))
            let n = check(
                child, level: level + 1, isFirst: isFirst && i == 0,
                isLast: isLast && i == node.count - 1, &bytes, &previous, &last)
            precondition(n == node.weight(i))
            total += n
        }
        return total
    }
}
