//  LongestCommonSubsequences.swift — LCS.

enum LongestCommonSubsequences {
    static let family = Family(group: .string, commands: [LCS])

    private struct Wanted {
        var length = false
        var indexes = false
        var matchLengths = false
        var shortest: Int64 = 0
    }

    static let LCS = Command(
        "LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]", [.readonly],
        keys: .reads, since: "7.0.0",
        complexity: "O(N*M) where N and M are the lengths of the strings.",
        summary: "Finds the longest common subsequence of two strings.",
        run: lcs)

    @Sendable static func lcs(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let first = text(args[1], &call), second = text(args[2], &call)
        guard let a = first, let b = second else {
            throw call.failed("ERR The specified keys must contain string values")
        }
        let wanted = try options(args)
        if wanted.length, wanted.indexes {
            throw call.failed(
                "ERR If you want both the length and indexes, please just use IDX.")
        }
        guard let bytes = LongestCommonSubsequence.matrixBytes(a.count, b.count),
            bytes <= call.configuration.protoMaxBulkLength
        else {
            throw call.failed(
                "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
        }
        let common = LongestCommonSubsequence(a.span, b.span)
        if wanted.length {
            reply.integer(Int64(common.count))
        } else if wanted.indexes {
            writeIndexes(common, a.span, b.span, wanted, &reply)
        } else {
            var pieces: [ClosedRange<Int>] = []
            common.forEachMatch(a.span, b.span) { pieces.append($0.a) }
            var result: [UInt8] = []
            for piece in pieces.reversed() { result += a[piece] }
            reply.bulk(result)
        }
    }

    private static func options(_ args: borrowing Arguments) throws(CommandError) -> Wanted {
        var wanted = Wanted()
        var options = args.options(from: 3)
        while let option = options.next() {
            switch option {
            case "LEN": wanted.length = true
            case "IDX": wanted.indexes = true
            case "WITHMATCHLEN": wanted.matchLengths = true
            case "MINMATCHLEN": wanted.shortest = max(try options.integer(), 0)
            default: throw .syntax
            }
        }
        return wanted
    }

    /// The string at a key as text, a missing one being empty; nil when it holds something else.
    private static func text(_ word: Bytes, _ call: inout Call) -> [UInt8]? {
        do throws(CommandError) {
            return try call.string(call.key(word))?.array ?? []
        } catch {
            return nil
        }
    }

    private static func writeIndexes(
        _ common: borrowing LongestCommonSubsequence, _ a: Bytes, _ b: Bytes, _ wanted: Wanted,
        _ reply: inout Reply
    ) {
        reply.map(2)
        reply.bulk("matches")
        let mark = reply.open()
        var count = 0
        common.forEachMatch(a, b) { match in
            guard match.count >= wanted.shortest else { return }
            reply.array(wanted.matchLengths ? 3 : 2)
            for range in [match.a, match.b] {
                reply.array(2)
                reply.integer(Int64(range.lowerBound))
                reply.integer(Int64(range.upperBound))
            }
            if wanted.matchLengths { reply.integer(Int64(match.count)) }
            count += 1
        }
        reply.close(array: mark, count: count)
        reply.bulk("len")
        reply.integer(Int64(common.count))
    }
}
