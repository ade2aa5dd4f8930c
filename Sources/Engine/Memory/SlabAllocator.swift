//  SlabAllocator.swift — 8-byte size classes in 64 KiB slabs.  U
//
//  A record is 40 to 100 bytes in most stores; general-purpose allocators round such blocks up by
//  8 to 16 bytes and know nothing of when a page is empty. Here a class is every multiple of 8 up
//  to 1,024 bytes, the caller says how large the block was when it frees it, a slab whose last
//  block goes is empty at once, and its pages return to the system. Larger blocks are malloc's.
//
//      slab, 65,536 bytes, aligned to its size
//      ┌────────────────────────────────┬───────┬───────┬───────┬─ ─ ─
//      │ header, 64 bytes               │ block │ block │ block │
//      └────────────────────────────────┴───────┴───────┴───────┴─ ─ ─
//       0 u32 first free block, 0 none     4 u32 live blocks
//       8 u32 where untouched space begins 12 u32 class
//      16 next, 24 previous slab with room 32 u32 whether it stands in that list
//
//  Cost: allocate and free O(1), about 10 instructions each. Credits: Bonwick 1994.
//
//  ## Safety
//  - S1: every block of at most 1,024 bytes lies in a slab of `extents`; its slab is found by
//    masking the address; larger blocks came from malloc.
//  - S2: the caller frees a block once, with a size of the same class as it was allocated with.
//  - S3: extents are unmapped in `deinit` only, when no block is reachable any more.
import CPlatform

@safe struct SlabAllocator: ~Copyable {
    static var slabBytes: Int { 65536 }
    /// The largest block that comes from a slab.
    static var blockBytesMax: Int { 1024 }
    private static var classCount: Int { blockBytesMax / 8 + 1 }
    private static var extentBytes: Int { 64 << 20 }
    /// Empty slabs that keep their pages, so that a store that breathes does not fault.
    private static var warmSlabsMax: Int { 4 }

    /// The slab that each class allocates from.
    private var current: Buffer<UInt>
    /// Other slabs with room, a doubly linked list for each class.
    private var partial: Buffer<UInt>
    private var extents: [UInt] = []
    /// Bytes of the newest extent that slabs were taken from.
    private var extentUsed = SlabAllocator.extentBytes
    /// Empty slabs that still hold their pages.
    private var empty: [UInt] = []
    /// Empty slabs whose pages went back to the system.
    private var cold: [UInt] = []

    /// The epoch that records are made in.
    var epoch = Epoch.even
    /// Bytes in live blocks, rounded to their classes; large ones as malloc rounds them.
    private(set) var usedBytes = 0
    /// Bytes of slabs that hold at least one block.
    private(set) var slabBytesInUse = 0
    /// Live blocks that came from malloc.
    private(set) var largeCount = 0

    init() {
        current = Buffer(repeating: 0, count: Self.classCount)
        partial = Buffer(repeating: 0, count: Self.classCount)
    }

    deinit {
        for extent in extents {
            unsafe munmap(UnsafeMutableRawPointer(bitPattern: extent), Self.extentBytes)
        }
    }

    /// Counts memory that belongs to what is in here but did not come from here.
    mutating func countOutside(_ bytes: Int) { usedBytes &+= bytes }

    /// What a request for `n` bytes really occupies, for n up to `blockBytesMax`.
    @inline(__always) static func roundUp(_ n: Int) -> Int { (n &+ 7) & ~7 }

    /// Room in the large block at `p`.
    @inline(__always) @unsafe static func capacity(ofLarge p: UnsafeMutableRawPointer) -> Int {
        unsafe cp_usable_size(p)
    }

    /// A block of at least `n` bytes, aligned to 8; to 64 for the class of 64.
    @inline(__always) @unsafe mutating func allocate(_ n: Int) -> UnsafeMutableRawPointer {
        if n > Self.blockBytesMax { return unsafe allocateLarge(n) }
        let size = Self.roundUp(n)
        if let slab = unsafe UnsafeMutableRawPointer(bitPattern: current[size >> 3]) {
            let free = unsafe slab.load(as: UInt32.self)
            if free != 0 {
                let block = unsafe slab + Int(free)
                unsafe slab.storeBytes(of: block.load(as: UInt32.self), as: UInt32.self)
                unsafe Self.add(1, toLiveOf: slab)
                usedBytes &+= size
                return unsafe block
            }
            let fresh = Int(unsafe slab.load(fromByteOffset: 8, as: UInt32.self))
            if fresh &+ size <= Self.slabBytes {
                unsafe slab.storeBytes(
                    of: UInt32(truncatingIfNeeded: fresh &+ size), toByteOffset: 8, as: UInt32.self)
                unsafe Self.add(1, toLiveOf: slab)
                usedBytes &+= size
                return unsafe slab + fresh
            }
        }
        return unsafe refill(size)
    }

    /// Frees a block that was allocated with a size of the class of `n`.
    @inline(__always) @unsafe mutating func free(_ block: UnsafeMutableRawPointer, _ n: Int) {
        if n > Self.blockBytesMax { return unsafe freeLarge(block) }
        usedBytes &-= Self.roundUp(n)
        let slab = unsafe UnsafeMutableRawPointer(
            bitPattern: UInt(bitPattern: block) & ~UInt(Self.slabBytes &- 1)
        ).unsafelyUnwrapped
        unsafe block.storeBytes(of: slab.load(as: UInt32.self), as: UInt32.self)
        unsafe slab.storeBytes(of: UInt32(truncatingIfNeeded: block - slab), as: UInt32.self)
        unsafe Self.add(-1, toLiveOf: slab)
        let live = unsafe slab.load(fromByteOffset: 4, as: UInt32.self)
        let listed = unsafe slab.load(fromByteOffset: 32, as: UInt32.self)
        if live == 0 || listed == 0 { unsafe settle(slab, live: live, isListed: listed != 0) }
    }

    @inline(__always) @unsafe private static func add(
        _ n: Int32, toLiveOf slab: UnsafeMutableRawPointer
    ) {
        let live = unsafe slab.load(fromByteOffset: 4, as: Int32.self)
        unsafe slab.storeBytes(of: live &+ n, toByteOffset: 4, as: Int32.self)
    }

    // MARK: - Slow paths

    /// The current slab of the class is full: take one with room, or a fresh one.
    @inline(never) @unsafe private mutating func refill(_ size: Int) -> UnsafeMutableRawPointer {
        let sizeClass = size >> 3
        if let slab = unsafe UnsafeMutableRawPointer(bitPattern: partial[sizeClass]) {
            unsafe unlink(slab, sizeClass)
            current[sizeClass] = UInt(bitPattern: slab)
        } else {
            let slab = unsafe takeSlab()
            unsafe slab.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
            unsafe slab.storeBytes(of: 64, toByteOffset: 8, as: UInt32.self)
            unsafe slab.storeBytes(of: UInt32(sizeClass), toByteOffset: 12, as: UInt32.self)
            current[sizeClass] = UInt(bitPattern: slab)
        }
        return unsafe allocate(size)
    }

    /// A block was freed: its slab may have room again, or be empty.
    @inline(never) @unsafe private mutating func settle(
        _ slab: UnsafeMutableRawPointer, live: UInt32, isListed: Bool
    ) {
        let sizeClass = Int(unsafe slab.load(fromByteOffset: 12, as: UInt32.self))
        if current[sizeClass] == UInt(bitPattern: slab) { return }
        if live == 0 {
            if isListed { unsafe unlink(slab, sizeClass) }
            unsafe giveBack(slab)
        } else if !isListed {
            unsafe link(slab, sizeClass)
        }
    }

    @unsafe private mutating func link(_ slab: UnsafeMutableRawPointer, _ sizeClass: Int) {
        let head = partial[sizeClass]
        unsafe slab.storeBytes(of: head, toByteOffset: 16, as: UInt.self)
        unsafe slab.storeBytes(of: 0, toByteOffset: 24, as: UInt.self)
        unsafe slab.storeBytes(of: 1, toByteOffset: 32, as: UInt32.self)
        if let next = unsafe UnsafeMutableRawPointer(bitPattern: head) {
            unsafe next.storeBytes(of: UInt(bitPattern: slab), toByteOffset: 24, as: UInt.self)
        }
        partial[sizeClass] = UInt(bitPattern: slab)
    }

    @unsafe private mutating func unlink(_ slab: UnsafeMutableRawPointer, _ sizeClass: Int) {
        let next = unsafe slab.load(fromByteOffset: 16, as: UInt.self)
        let previous = unsafe slab.load(fromByteOffset: 24, as: UInt.self)
        if let p = unsafe UnsafeMutableRawPointer(bitPattern: previous) {
            unsafe p.storeBytes(of: next, toByteOffset: 16, as: UInt.self)
        } else {
            partial[sizeClass] = next
        }
        if let n = unsafe UnsafeMutableRawPointer(bitPattern: next) {
            unsafe n.storeBytes(of: previous, toByteOffset: 24, as: UInt.self)
        }
        unsafe slab.storeBytes(of: 0, toByteOffset: 32, as: UInt32.self)
    }

    @unsafe private mutating func takeSlab() -> UnsafeMutableRawPointer {
        slabBytesInUse += Self.slabBytes
        if let slab = empty.popLast() ?? cold.popLast() {
            return unsafe UnsafeMutableRawPointer(bitPattern: slab).unsafelyUnwrapped
        }
        if extentUsed == Self.extentBytes { addExtent() }
        let slab = extents[extents.count - 1] + UInt(extentUsed)
        extentUsed += Self.slabBytes
        return unsafe UnsafeMutableRawPointer(bitPattern: slab).unsafelyUnwrapped
    }

    @unsafe private mutating func giveBack(_ slab: UnsafeMutableRawPointer) {
        slabBytesInUse -= Self.slabBytes
        if empty.count < Self.warmSlabsMax {
            empty.append(UInt(bitPattern: slab))
        } else {
            unsafe madvise(slab, Self.slabBytes, MADV_DONTNEED)
            cold.append(UInt(bitPattern: slab))
        }
    }

    /// Maps address space for 1,024 more slabs; pages are the system's until touched.
    private mutating func addExtent() {
        let slack = Self.slabBytes
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        let map = unsafe mmap(
            nil, Self.extentBytes + slack, PROT_READ | PROT_WRITE, flags, -1, 0)
        guard let map = unsafe map, UInt(bitPattern: map) != .max else {
            preconditionFailure("out of memory: no address space for records")
        }
        let start = UInt(bitPattern: map)
        let aligned = (start + UInt(slack) - 1) & ~UInt(slack - 1)
        let head = Int(aligned - start)
        if head > 0 { unsafe munmap(map, head) }
        if slack > head {
            unsafe munmap(
                UnsafeMutableRawPointer(bitPattern: aligned + UInt(Self.extentBytes)), slack - head)
        }
        // Huge pages turn one touched page into two megabytes and stall on compaction.
        unsafe madvise(
            UnsafeMutableRawPointer(bitPattern: aligned), Self.extentBytes, MADV_NOHUGEPAGE)
        extents.append(aligned)
        extentUsed = 0
    }

    @inline(never) @unsafe private mutating func allocateLarge(_ n: Int) -> UnsafeMutableRawPointer
    {
        guard let block = unsafe malloc(n) else {
            preconditionFailure("out of memory: \(n) bytes for a value")
        }
        unsafe own(block)
        return unsafe block
    }

    @inline(never) @unsafe private mutating func freeLarge(_ block: UnsafeMutableRawPointer) {
        unsafe disown(block)
        unsafe CPlatform.free(block)
    }

    /// Gives up a large block without freeing it.
    @unsafe mutating func disown(_ block: UnsafeMutableRawPointer) {
        usedBytes &-= unsafe cp_usable_size(block)
        largeCount &-= 1
    }

    /// Takes over a large block from malloc.
    @unsafe mutating func own(_ block: UnsafeMutableRawPointer) {
        usedBytes &+= unsafe cp_usable_size(block)
        largeCount &+= 1
    }
}
