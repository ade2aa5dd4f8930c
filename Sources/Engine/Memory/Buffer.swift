//  Buffer.swift — arrays with one owner, reached without reference counts.  U
//
//  A Swift array read through a stored property costs a retain or an exclusivity check in places
//  the optimiser cannot see through; these never do.
//
//  ## Safety
//  - S1: `base` points at `count` initialised elements that this value alone owns.
//  - S2: every index is checked against `count`.

/// Fixed number of trivial elements.
@safe struct Buffer<Element: BitwiseCopyable>: ~Copyable {
    private let base: UnsafeMutablePointer<Element>
    let count: Int

    init(repeating value: Element, count: Int) {
        unsafe base = .allocate(capacity: Swift.max(count, 1))
        unsafe base.initialize(repeating: value, count: count)
        self.count = count
    }

    deinit { unsafe base.deallocate() }

    subscript(i: Int) -> Element {
        @inline(__always) unsafeAddress {
            precondition(UInt(bitPattern: i) < UInt(bitPattern: count))
            return unsafe UnsafePointer(base + i)  // S2
        }
        @inline(__always) unsafeMutableAddress {
            precondition(UInt(bitPattern: i) < UInt(bitPattern: count))
            return unsafe base + i  // S2
        }
    }

    /// For other fenced files only.
    @inline(__always) @unsafe var start: UnsafeMutablePointer<Element> { unsafe base }
}

/// Growable array of values that need not be copyable.
@safe struct OwnedBuffer<Element: ~Copyable>: ~Copyable {
    private var base: UnsafeMutablePointer<Element>
    private(set) var count: Int
    private var capacity: Int

    init(count: Int = 0, _ make: (Int) -> Element) {
        capacity = Swift.max(count, 1)
        unsafe base = .allocate(capacity: capacity)
        for i in 0..<count { unsafe (base + i).initialize(to: make(i)) }
        self.count = count
    }

    deinit {
        unsafe base.deinitialize(count: count)
        unsafe base.deallocate()
    }

    subscript(i: Int) -> Element {
        @inline(__always) unsafeAddress {
            precondition(UInt(bitPattern: i) < UInt(bitPattern: count))
            return unsafe UnsafePointer(base + i)  // S2
        }
        @inline(__always) unsafeMutableAddress {
            precondition(UInt(bitPattern: i) < UInt(bitPattern: count))
            return unsafe base + i  // S2
        }
    }

    /// Where element `i` is; for containers that offer it under a subscript of their own.
    ///
    /// They use addresses too: a `_read` accessor of a type without copies yields memory of its own
    /// coroutine in debug builds, which is gone when the value is used.
    @inline(__always) @unsafe func address(of i: Int) -> UnsafeMutablePointer<Element> {
        precondition(UInt(bitPattern: i) < UInt(bitPattern: count))
        return unsafe base + i  // S2
    }

    mutating func append(_ element: consuming Element) {
        if count == capacity { grow() }
        unsafe (base + count).initialize(to: element)
        count += 1
    }

    private mutating func grow() {
        let bigger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        unsafe bigger.moveInitialize(from: base, count: count)
        unsafe base.deallocate()
        unsafe base = bigger
        capacity *= 2
    }
}
