//  Executor+Replay.swift — commands from a file, run as if a client had sent them again.
//
//  Nobody listens and nothing is refused meanwhile, time stands still before every deadline, so that
//  a key is there as long as it was the first time, and nothing is propagated.
import Logging

/// A client that is none, whose commands come from a file.
struct Replay: ~Copyable {
    fileprivate let slot: Int
    fileprivate var state = ParserState()
    fileprivate var reply = Reply()
    /// Commands that failed, and what the first was told.
    private(set) var failures = 0
    private(set) var firstFailure = ""

    fileprivate init(slot: Int) { self.slot = slot }

    /// Takes the replies away, and looks for errors among them if there are any.
    fileprivate mutating func takeReplies(errors: Int) {
        if errors > 0 {
            failures += errors
            if firstFailure.isEmpty { firstFailure = Self.firstError(reply.out.span) }
        }
        reply.clear(keeping: 64 << 10)
    }

    private static func firstError(_ replies: Bytes) -> String {
        var start = 0
        for i in 0..<replies.count where replies[i] == 10 {
            if replies[start] == UInt8(ascii: "-") {
                return replies.extracting(start + 1..<max(i - 1, start + 1)).text
            }
            start = i + 1
        }
        return "unknown error"
    }
}

extension Executor {
    /// Makes a client that no list shows.
    mutating func beginReplay() -> Replay {
        let slot = call.clients.openHidden(now: call.now)
        call.clients[slot].session.deniesBlocking = true
        return Replay(slot: slot)
    }

    mutating func endReplay(_ replay: consuming Replay) {
        call.unwatch(replay.slot)
        call.clients.closeHidden(replay.slot)
    }

    /// Runs `requests`, which are whole; false when they end the connection or are no requests.
    mutating func replay(_ requests: Bytes, _ replay: inout Replay) -> Bool {
        let raised = call.raised, interest = call.interest, statistics = call.statistics
        let now = call.now, slice = sliceEnd
        call.raised = []
        call.interest = []
        call.now = 0
        sliceEnd = .max
        allowsAnyRequest(true)
        var done = 0
        var isSound = true
        while done < requests.count, isSound {
            let served = serve(
                requests.extracting(done...), &replay.state, client: replay.slot, &replay.reply)
            done += served.consumed
            isSound = served.verdict != .close && (served.consumed > 0 || done == requests.count)
            let errors = call.statistics.errorReplies &- statistics.errorReplies
            replay.takeReplies(errors: errors)
            call.statistics = statistics
        }
        allowsAnyRequest(false)
        sliceEnd = slice
        call.now = now
        call.interest = interest
        call.raised = raised
        return isSound
    }
}
