//  CrashJournal.swift — what a client asked for and what it was told, to hold against what is left.
//
//  A client has keys of its own and its requests are done in order, so after a crash its keys have to
//  look as they did after some request of its: not before the last that was acknowledged, and never in
//  the middle of a transaction.
import Platform
import TestSupport

/// The keys of one client.
struct JournalState: Equatable {
    var strings: [String: String] = [:]
    var list: [String] = []
    var set: Set<String> = []
    var hash: [String: Int] = [:]
    /// Both keys of the transactions.
    var pair: [String] = []

    /// What a server holds for the client called `name`.
    static func read(_ client: RESPClient, _ name: String) throws -> JournalState {
        var state = JournalState()
        for key in ["n"] + (0..<4).map({ "s\($0)" }) {
            if let text = try client("GET", name + key).text { state.strings[key] = text }
        }
        state.list = try client("LRANGE", name + "l", "0", "-1").items.compactMap(\.text)
        state.set = Set(try client("SMEMBERS", name + "t").items.compactMap(\.text))
        for (field, value) in try client("HGETALL", name + "h").pairs {
            state.hash[field.text ?? ""] = Int(value.text ?? "") ?? -1
        }
        state.pair = try client("MGET", name + "x", name + "y").items.compactMap(\.text)
        return state
    }
}

enum JournalStep {
    case count
    case write(String, String)
    case delete(String)
    case push(String)
    case pop
    case add(String)
    case take
    case increase(String, Int)
    /// Two keys and a list that belong together.
    case together(String)

    /// The requests, for the client called `name`.
    func requests(_ name: String) -> [[String]] {
        switch self {
        case .count: [["INCR", name + "n"]]
        case .write(let key, let value): [["SET", name + key, value, "EX", "100000"]]
        case .delete(let key): [["DEL", name + key]]
        case .push(let value): [["RPUSH", name + "l", value]]
        case .pop: [["LPOP", name + "l"]]
        case .add(let value): [["SADD", name + "t", value]]
        case .take: [["SPOP", name + "t"]]
        case .increase(let field, let n): [["HINCRBY", name + "h", field, "\(n)"]]
        case .together(let value):
            [
                ["MULTI"], ["SET", name + "x", value], ["RPUSH", name + "l", value],
                ["SET", name + "y", value], ["EXEC"],
            ]
        }
    }

    /// Does to `state` what the server did, or may have done for all that `left` says; `taken` is the
    /// member that was taken, where that is known.
    func apply(_ state: inout JournalState, taken: String?, left: JournalState) {
        switch self {
        case .count: state.strings["n"] = "\((Int(state.strings["n"] ?? "0") ?? 0) + 1)"
        case .write(let key, let value): state.strings[key] = value
        case .delete(let key): state.strings[key] = nil
        case .push(let value): state.list.append(value)
        case .pop: if !state.list.isEmpty { state.list.removeFirst() }
        case .add(let value): state.set.insert(value)
        case .take:
            // Nobody was told which one: one that is gone.
            let member = taken ?? state.set.subtracting(left.set).first
            if let member { state.set.remove(member) } else { state.set.removeAll() }
        case .increase(let field, let n): state.hash[field, default: 0] += n
        case .together(let value):
            state.pair = [value, value]
            state.list.append(value)
        }
    }
}

/// A client that keeps a journal.
final class JournalClient {
    private struct Entry {
        let step: JournalStep
        /// When all replies had come, in nanoseconds; nil as long as they have not.
        var acknowledged: Int64?
        var taken: String?
    }

    private let name: String
    private var random: SeededRandom
    private var connection: RESPClient?
    /// The keys when the server started, and what came after.
    private var start = JournalState()
    private var entries: [Entry] = []
    /// Replies to the first entry that is not acknowledged yet, and where that is.
    private var replies: [RESPValue] = []
    private var next = 0
    private var serial = 0
    private var depth = 1

    init(_ name: String, seed: UInt64) {
        self.name = name
        random = SeededRandom(seed: seed)
    }

    func connect(_ server: DiskServer) throws {
        connection = try server.connect()
        depth = [1, 1, 4, 16][Int.random(in: 0..<4, using: &random)]
    }

    private func step() -> JournalStep {
        serial += 1
        let value = "\(name)\(serial)", key = "s\(Int.random(in: 0...3, using: &random))"
        // As much is taken away as is added, so that a check stays short after thousands of rounds.
        switch Int.random(in: 0...18, using: &random) {
        case 0...2: return .count
        case 3...4:
            let isLong = Int.random(in: 0...60, using: &random) == 0
            return .write(key, value + (isLong ? String(repeating: "long", count: 15_000) : ""))
        case 5: return .delete(key)
        case 6: return .push(value)
        case 7...10: return .pop
        case 11...12: return .add(value)
        case 13...14: return .take
        case 15: return .increase("f\(serial % 5)", serial)
        default: return .together(value)
        }
    }

    /// Sends what there is room for and takes what has come.
    func advance() throws {
        guard let connection else { return }
        var bytes: [UInt8] = []
        while entries.count - next < depth {
            let step = step()
            entries.append(Entry(step: step))
            bytes += step.requests(name).flatMap { RESPClient.request($0) }
        }
        if !bytes.isEmpty { try connection.write(bytes) }
        try collect()
    }

    private func collect() throws {
        while let reply = try connection?.replyIfAny() {
            guard next < entries.count else {
                throw TestFailure("a reply to nothing: \(reply.value)")
            }
            if reply.value.isError { throw TestFailure("\(name): \(reply.value)") }
            replies.append(reply.value)
            guard replies.count == entries[next].step.requests(name).count else { continue }
            if case .take = entries[next].step { entries[next].taken = replies[0].text ?? "" }
            entries[next].acknowledged = Clock.monotonicNanoseconds()
            replies = []
            next += 1
        }
    }

    /// Takes what came before the server died.
    func disconnect() {
        // What is lost with the connection counts as not acknowledged.
        try? collect()
        connection?.close()
        connection = nil
        replies = []
    }

    /// Requests that were acknowledged.
    var acknowledgedCount: Int { next }

    /// When the last of them was, in nanoseconds.
    var lastAcknowledged: Int64? { next > 0 ? entries[next - 1].acknowledged : nil }

    /// Looks whether what is left is what has to be left, and goes on from there.
    ///
    /// That is all that was acknowledged before `time`, in nanoseconds. What comes back is what is
    /// wrong.
    func check(_ client: RESPClient, acknowledgedBefore time: Int64 = .max) throws -> String? {
        let left = try JournalState.read(client, name)
        let least = entries.firstIndex { ($0.acknowledged ?? .max) >= time } ?? entries.count
        var state = start
        var isFound = state == left && least == 0
        for (i, entry) in entries.enumerated() where !isFound {
            entry.step.apply(&state, taken: entry.taken, left: left)
            isFound = i + 1 >= least && state == left
        }
        defer {
            start = left
            entries = []
            next = 0
        }
        if isFound { return nil }
        var needed = start
        for entry in entries[..<least] { entry.step.apply(&needed, taken: entry.taken, left: left) }
        return "\(name): \(entries.count) requests, \(least) of them must be there. "
            + "Needed \(Self.shown(needed)), left \(Self.shown(left))"
    }

    private static func shown(_ state: JournalState) -> String {
        let strings = state.strings.mapValues { $0.prefix(20) }.sorted { $0.key < $1.key }
        return "\(strings) list \(state.list.suffix(8)) set \(state.set.sorted().suffix(8)) "
            + "hash \(state.hash) pair \(state.pair)"
    }
}
