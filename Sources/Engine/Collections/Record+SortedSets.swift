//  Record+SortedSets.swift — reading sorted sets, whatever their encoding.
//
//  A small one is entries in order: member, score, member, score. Every range, be it of ranks, of
//  scores or of names, becomes a range of ranks first.

/// The scores between two borders.
struct ScoreRange {
    var lower = -Double.infinity
    var upper = Double.infinity
    var excludesLower = false
    var excludesUpper = false
}

/// The members between two borders, in the order of their bytes.
struct NameRange {
    enum Border {
        case lowest, highest
        case name([UInt8], isExcluded: Bool)
    }

    var lower: Border
    var upper: Border
}

extension StringView {
    /// The score that an entry holds.
    @inline(__always) fileprivate var score: Double {
        form == .integer ? Double(number) : Numbers.double(bytes) ?? 0
    }

    /// Lexicographic order as of `Bytes.compare`.
    func compare(_ other: Bytes) -> Int {
        guard form == .integer else { return bytes.compare(other) }
        let digits = DecimalText(number)
        return digits.bytes.compare(other)
    }
}

extension Record {
    /// Members of a sorted set.
    var sortedSetCount: Int {
        kind == .packedSortedSet ? packed.count / 2 : sortedSet.count
    }

    /// The score of `member`; nil when it is not in the sorted set.
    func score(of member: Bytes) -> Double? {
        guard kind == .packedSortedSet else { return sortedSet.score(of: member) }
        let packed = packed
        guard let at = packed.find(member, stride: 2) else { return nil }
        return packed[packed.next(at)].score
    }

    /// The rank of `member`, counted from 0, and its score.
    func rank(of member: Bytes) -> (rank: Int, score: Double)? {
        guard kind == .packedSortedSet else { return sortedSet.rank(of: member) }
        let packed = packed
        guard let found = packed.find(member, stride: 2) else { return nil }
        var at = packed.start, rank = 0
        while at < found {
            at = packed.next(at, by: 2)
            rank += 1
        }
        return (rank, packed[packed.next(found)].score)
    }

    /// The ranks of the members whose scores are in `range`.
    func ranks(_ range: ScoreRange) -> Range<Int> {
        let first = rank(below: range.lower, orEqual: range.excludesLower)
        let end = rank(below: range.upper, orEqual: !range.excludesUpper)
        return first..<max(first, end)
    }

    private func rank(below score: Double, orEqual: Bool) -> Int {
        guard kind == .packedSortedSet else {
            return sortedSet.rank(below: score, orEqual: orEqual)
        }
        let packed = packed
        var at = packed.start, rank = 0
        while at < packed.end {
            at = packed.next(at)
            let other = packed.take(&at).score
            guard other < score || orEqual && other == score else { break }
            rank += 1
        }
        return rank
    }

    /// The ranks of the members that are in `range`; all scores are taken to be the same.
    func ranks(_ range: NameRange) -> Range<Int> {
        let first = rank(before: range.lower, isUpper: false)
        let end = rank(before: range.upper, isUpper: true)
        return first..<max(first, end)
    }

    private func rank(before border: NameRange.Border, isUpper: Bool) -> Int {
        switch border {
        case .lowest: return 0
        case .highest: return sortedSetCount
        case .name(let name, let isExcluded):
            return rank(before: name.span, orEqual: isUpper != isExcluded)
        }
    }

    private func rank(before member: Bytes, orEqual: Bool) -> Int {
        guard kind == .packedSortedSet else {
            return sortedSet.rank(before: member, orEqual: orEqual)
        }
        let packed = packed
        var at = packed.start, rank = 0
        while at < packed.end {
            let order = packed[at].compare(member)
            guard order < 0 || orEqual && order == 0 else { break }
            at = packed.next(at, by: 2)
            rank += 1
        }
        return rank
    }

    /// Calls `body` with the members of these ranks, which exist, forwards or backwards.
    @inline(__always) func forEachScored(
        _ ranks: Range<Int>, backwards: Bool = false, _ body: (StringView, Double) -> Void
    ) {
        guard kind == .packedSortedSet else {
            return sortedSet.forEach(ranks, backwards: backwards) { score, member in
                body(StringView(member.key, number: 0, form: .bytes), score)
            }
        }
        let packed = packed
        guard !ranks.isEmpty else { return }
        var at = packed.offset(at: (backwards ? ranks.upperBound - 1 : ranks.lowerBound) * 2)
        for i in 0..<ranks.count {
            var next = at
            let member = packed.take(&next)
            body(member, packed.take(&next).score)
            if !backwards {
                at = next
            } else if i + 1 < ranks.count {
                at = packed.previous(packed.previous(at))
            }
        }
    }

    /// Calls `body` with all members and their scores; those of a set count 1.
    func forEachWeighed(_ body: (StringView, Double) -> Void) {
        guard kind.type == .sortedSet else {
            return forEachSetMember {
                body($0, 1)
                return true
            }
        }
        forEachScored(0..<sortedSetCount, body)
    }

    /// The score of `member`, 1 in a set; nil when it is not there.
    func weight(of member: StringView) -> Double? {
        guard kind.type == .sortedSet else { return setContains(member) ? 1 : nil }
        guard member.form == .integer else { return score(of: member.bytes) }
        let digits = DecimalText(member.number)
        return score(of: digits.bytes)
    }

    /// Members of a sorted set or a set.
    var weighedCount: Int { kind.type == .sortedSet ? sortedSetCount : setCount }
}
