//  Box.swift — a value behind a pointer, with one owner.  U
//
//  For a large value that is optional: asking an optional whether it is there copies it, and a
//  pointer is copied in no time. Access costs no check, unlike a property of a class.
//
//  ## Safety
//  - S1: `pointer` is one initialised value that this box alone owns; `deinit` frees it.

@safe package struct Box<Value: ~Copyable>: ~Copyable {
    private let pointer: UnsafeMutablePointer<Value>

    package init(_ value: consuming Value) {
        unsafe pointer = .allocate(capacity: 1)
        unsafe pointer.initialize(to: value)
    }

    deinit {
        unsafe pointer.deinitialize(count: 1)
        unsafe pointer.deallocate()
    }

    package var value: Value {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(pointer) }  // S1
        @inline(__always) unsafeMutableAddress { unsafe pointer }  // S1
    }
}
