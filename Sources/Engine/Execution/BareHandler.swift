//  BareHandler.swift — a function value without its reference count.  U
//
//  A handler loaded from memory as a closure is retained and released around the call although its
//  context is null; that costs 33 instructions per command.
//
//  ## Safety
//  - S1: made from a function without captures, so there is no context to keep alive.

@safe struct BareHandler: BitwiseCopyable {
    /// A function value changes form when it is passed as a generic; inside a struct it does not.
    private struct Whole { let run: Handler }
    private let function: UInt

    init(_ handler: @escaping Handler) {
        let words = unsafe unsafeBitCast(Whole(run: handler), to: (UInt, UInt).self)
        precondition(words.1 == 0, "a handler may not capture")
        function = words.0
    }

    @inline(__always) func callAsFunction(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let whole = unsafe unsafeBitCast((function, UInt(0)), to: Whole.self)  // S1
        try whole.run(args, &call, &reply)
    }
}
