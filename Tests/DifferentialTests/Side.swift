//  Side.swift — clients of one server that get messages between their replies.
import TestSupport

struct Side {
    let clients: [RESPClient]
    /// The ids of the clients; `@0` in a request stands for the first.
    private let ids: [String]
    private var marks = 0

    init(port: Int, versions: [Int]) throws {
        clients = try versions.map { try RESPClient(port: port, version: $0) }
        ids = try clients.map { String(try $0("CLIENT", "ID").integer ?? 0) }
    }

    /// Sends a request, and returns all that its client gets up to an answer to a PING.
    mutating func send(_ i: Int, _ words: [String]) throws -> [String] {
        try send(i, requests: [words])
    }

    private mutating func send(_ i: Int, requests: [[String]]) throws -> [String] {
        var bytes: [UInt8] = []
        for words in requests {
            let words = words.map { word in
                guard word.hasPrefix("@"), let index = Int(word.dropFirst()) else { return word }
                return ids[index]
            }
            bytes += RESPClient.request(words.map { Array($0.utf8) })
        }
        try clients[i].write(bytes)
        return try drain(i)
    }

    mutating func drain(_ i: Int) throws -> [String] {
        marks += 1
        let mark = "mark:\(marks)"
        try clients[i].write(RESPClient.request(["PING", mark].map { Array($0.utf8) }))
        var got: [String] = []
        while true {
            let reply = try clients[i].reply()
            if reply.value.text == mark || reply.value.item(1)?.text == mark,
                reply.value.items.count == 2 || reply.value.text == mark
            {
                return got
            }
            got.append(shown(reply.bytes))
        }
    }

    /// Sends requests together, and returns what each client gets, the end of the turn included.
    mutating func sendToAll(_ i: Int, _ requests: [String]...) throws -> [[String]] {
        try sendToAll(i, requests: requests)
    }

    mutating func sendToAll(_ i: Int, requests: [[String]]) throws -> [[String]] {
        var got = clients.map { _ in [String]() }
        got[i] += try send(i, requests: requests)
        for k in clients.indices { got[k] += try drain(k) }
        return got
    }

    func close() { for client in clients { client.close() } }
}
