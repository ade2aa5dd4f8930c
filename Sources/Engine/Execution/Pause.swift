//  Pause.swift — CLIENT PAUSE: commands wait until the pause is over.
//
//  A pause is a gate like any other, only that a command that finds it shut is not refused: its
//  client keeps the request and everything behind it, and is served again when the pause ends.
//  Meanwhile keys neither expire nor are evicted by the server's own doing, so that nothing changes
//  behind the back of whoever asked for the pause.

/// A pause that is going on.
struct Pause {
    /// Unix time in milliseconds.
    var end: Int64
    /// Whether commands that change nothing wait too.
    var stopsAll: Bool
    /// Slots of clients that wait for the end.
    var held: [Int] = []

    /// The gate that is shut.
    var gate: Gates { stopsAll ? .pause : .pauseWrites }
}

extension Call {
    /// Begins a pause, or makes the present one longer or stricter; never shorter or milder.
    mutating func pause(until end: Int64, all: Bool) {
        var next = pause ?? Pause(end: end, stopsAll: all)
        next.end = max(next.end, end)
        next.stopsAll = next.stopsAll || all
        pause = next
        raised.remove([.pause, .pauseWrites])
        raised.insert(next.gate)
    }

    /// Ends the pause and lets the clients go on that wait for it.
    mutating func endPause() {
        guard let pause else { return }
        self.pause = nil
        raised.remove([.pause, .pauseWrites])
        for slot in pause.held {
            clients[slot].isHeld = false
            notePost(slot)
        }
    }

    /// Keeps the running client's request until the pause ends.
    mutating func hold() {
        attention.insert([.blocked, .held])
        clients[session.slot].isHeld = true
        pause?.held.append(session.slot)
    }
}
