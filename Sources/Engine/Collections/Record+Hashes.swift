//  Record+Hashes.swift — walking over the fields of a hash in either encoding.

extension Record {
    /// Fields of the hash whose time has not come at `now`.
    @inline(__always) func liveFieldCount(_ now: Int64) -> Int {
        kind == .hash ? hash.liveCount(now) : packed.count / 2
    }

    /// Calls `body` with each field and its value, except those whose time has come at `now`.
    @inline(__always) func forEachField(
        _ now: Int64, _ body: (_ name: StringView, _ value: StringView) -> Void
    ) {
        guard kind == .hash else {
            let packed = packed
            var at = packed.start
            while at < packed.end {
                let name = packed.take(&at)
                body(name, packed.take(&at))
            }
            return
        }
        hash.forEach { field in
            if field.hasDeadline, field.deadline <= now { return }
            body(field.fieldName, field.fieldValue)
        }
    }

    /// The name of a field whose record this is.
    var fieldName: StringView {
        @_lifetime(immortal)
        @inline(__always) get { StringView(key, number: 0, form: .bytes) }
    }

    /// The value of a field whose record this is.
    var fieldValue: StringView {
        @_lifetime(immortal)
        @inline(__always) get { StringView(bytes, number: 0, form: .bytes) }
    }
}
