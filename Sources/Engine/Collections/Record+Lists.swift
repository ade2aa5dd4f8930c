//  Record+Lists.swift — reading a list in either encoding.
//
//  A small list is one run of entries, a large one a run for each chunk; whoever reads goes over
//  runs and need not know which it is. Positions are good until the list changes.

/// A text to compare elements with: entries hold integers as numbers.
struct ElementPattern: ~Escapable {
    private let text: Bytes
    private let number: Int64?

    @_lifetime(copy text)
    init(_ text: Bytes) {
        self.text = text
        number = Numbers.integer(text)
    }

    @inline(__always) func matches(_ element: StringView) -> Bool {
        element.form == .integer ? element.number == number : element.bytes.equals(text)
    }
}

extension Record {
    /// Elements of the list.
    @inline(__always) var listCount: Int { kind == .list ? list.count : packed.count }

    private var runCount: Int { kind == .list ? list.chunkCount : 1 }

    @_lifetime(immortal)
    @inline(__always) private func run(_ i: Int) -> Packed {
        kind == .list ? list.chunk(i) : packed
    }

    /// The element at `position`; tied to nothing here, as the record's bytes.
    @_lifetime(immortal)
    @inline(__always) func listElement(_ position: ListPosition) -> StringView {
        run(position.chunk)[position.offset]
    }

    /// Where element `index` is; the caller has checked that there is one.
    func listPosition(at index: Int) -> ListPosition {
        if kind == .list { return list.position(at: index) }
        let packed = packed, n = packed.count
        precondition(index >= 0 && index < n)
        return ListPosition(
            chunk: 0, offset: packed.offset(at: index * 2 <= n ? index : index - n))
    }

    /// Where the first or last element is; the list is not empty.
    @inline(__always) func listPosition(of end: ListEnd) -> ListPosition {
        if kind == .list { return list.position(of: end) }
        let packed = packed
        return ListPosition(
            chunk: 0, offset: end == .head ? packed.start : packed.previous(packed.end))
    }

    /// The position of the element behind the one at `position`, or in front of it.
    func listPosition(
        next position: ListPosition, towards end: ListEnd
    ) -> ListPosition? {
        let run = run(position.chunk)
        if end == .tail {
            let offset = run.next(position.offset)
            if offset < run.end { return ListPosition(chunk: position.chunk, offset: offset) }
            return firstPosition(from: position.chunk + 1)
        }
        if position.offset > run.start {
            return ListPosition(chunk: position.chunk, offset: run.previous(position.offset))
        }
        guard position.chunk > 0 else { return nil }
        let before = self.run(position.chunk - 1)
        return ListPosition(chunk: position.chunk - 1, offset: before.previous(before.end))
    }

    private func firstPosition(from chunk: Int) -> ListPosition? {
        guard chunk < runCount else { return nil }
        return ListPosition(chunk: chunk, offset: run(chunk).start)
    }

    /// The position of the first element from `position` on that equals `text`.
    ///
    /// The position may be the end of a run.
    func listFind(_ text: Bytes, from position: ListPosition) -> ListPosition? {
        var at = position
        while at.chunk < runCount {
            if let offset = run(at.chunk).find(text, from: at.offset) {
                return ListPosition(chunk: at.chunk, offset: offset)
            }
            guard let next = firstPosition(from: at.chunk + 1) else { return nil }
            at = next
        }
        return nil
    }

    /// Whether the element at `position` is the only one of its run.
    func isAloneInRun(_ position: ListPosition) -> Bool {
        let run = run(position.chunk)
        return position.offset == run.start && run.next(position.offset) == run.end
    }

    /// Calls `body` with `n` elements from element `index` on; the list has as many.
    @inline(__always) func forEachElement(
        from index: Int, count n: Int, _ body: (StringView) -> Void
    ) {
        if n <= 0 { return }
        var position = listPosition(at: index)
        var left = n
        while true {
            let run = run(position.chunk)
            var offset = position.offset
            while offset < run.end, left > 0 {
                body(run.take(&offset))
                left &-= 1
            }
            if left == 0 { return }
            position = ListPosition(chunk: position.chunk + 1, offset: 0)
        }
    }

    /// The same from element `index` back towards the head.
    func forEachElementBackwards(
        from index: Int, count n: Int, _ body: (StringView) -> Void
    ) {
        if n <= 0 { return }
        var position = listPosition(at: index)
        for i in 0..<n {
            body(listElement(position))
            if i + 1 == n { return }
            guard let next = listPosition(next: position, towards: .head) else { return }
            position = next
        }
    }
}
