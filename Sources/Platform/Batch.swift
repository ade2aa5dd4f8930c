//  Batch.swift — a list that is filled and emptied in every turn of a loop.  U
//
//  An array would do the same, with checks of its reference count at every step.
//
//  ## Safety
//  - S1: `base` has room for `capacity` elements, the first `count` of which are initialised; this
//    value alone owns it.

@safe struct Batch<Element: BitwiseCopyable>: ~Copyable {
    private var base: UnsafeMutablePointer<Element>
    private var capacity: Int
    private(set) var count = 0

    init(capacity: Int = 64) {
        self.capacity = max(capacity, 1)
        unsafe base = .allocate(capacity: self.capacity)
    }

    deinit { unsafe base.deallocate() }

    mutating func append(_ element: Element) {
        if count == capacity { grow() }
        unsafe (base + count).initialize(to: element)  // S1
        count &+= 1
    }

    @inline(never) private mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        unsafe larger.initialize(from: base, count: count)
        unsafe base.deallocate()
        unsafe base = larger
        capacity *= 2
    }

    mutating func removeAll() { count = 0 }

    subscript(i: Int) -> Element {
        precondition(i >= 0 && i < count)
        return unsafe base[i]  // S1
    }
}
