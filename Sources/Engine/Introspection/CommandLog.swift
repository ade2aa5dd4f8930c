//  CommandLog.swift — commands worth a look: slow ones, large requests, large replies.
//
//  A log keeps the newest entries, each with the words of its command, cut to a bearable size. What
//  must not be seen, passwords above all, is replaced before it is kept.

/// The logs there are.
enum CommandLogKind: Int, Sendable, CaseIterable {
    case slow, largeRequest, largeReply
}

/// One command in a log.
struct CommandLogEntry: Sendable {
    let id: Int
    /// Unix time in seconds.
    let time: Int64
    /// Microseconds, or bytes.
    let value: Int
    let words: [[UInt8]]
    let address: String
    let name: [UInt8]
}

/// The newest entries, and how many there have been.
struct CommandLog: Sendable {
    /// Oldest first; those before `start` are gone.
    private var kept: [CommandLogEntry] = []
    private var start = 0
    private(set) var nextID = 0

    /// Words of an entry; the last one says how many are missing.
    private static let wordsMax = 32
    /// Bytes of a word of an entry.
    private static let wordBytesMax = 128

    var count: Int { kept.count - start }

    /// The newest entries, newest first.
    func newest(_ count: Int) -> [CommandLogEntry] { kept[start...].suffix(count).reversed() }

    mutating func reset() {
        kept = []
        start = 0
    }

    /// Adds an entry; those above `lengthMax` go.
    mutating func add(
        _ words: [[UInt8]], value: Int, time: Int64, address: String, name: [UInt8], lengthMax: Int
    ) {
        kept.append(
            CommandLogEntry(
                id: nextID, time: time, value: value, words: words, address: address, name: name))
        nextID += 1
        start = max(start, kept.count - lengthMax)
        // The list is shifted once in many entries rather than for each.
        if start > kept.count / 2 {
            kept.removeFirst(start)
            start = 0
        }
    }

    /// The words of a request as an entry keeps them; those at `secrets` are hidden.
    static func words(of args: borrowing Arguments, hiding secrets: Set<Int>) -> [[UInt8]] {
        let shown = args.count > wordsMax ? wordsMax - 1 : args.count
        var words: [[UInt8]] = []
        for i in 0..<shown {
            let word = args[i]
            if secrets.contains(i) {
                words.append(Array("(redacted)".utf8))
            } else if word.count > wordBytesMax {
                let rest = Array("... (\(word.count - wordBytesMax) more bytes)".utf8)
                words.append(word.extracting(0..<wordBytesMax).array + rest)
            } else {
                words.append(word.array)
            }
        }
        if shown < args.count {
            words.append(Array("... (\(args.count - shown) more arguments)".utf8))
        }
        return words
    }

    /// Positions of the words that nobody but the client may see.
    static func secrets(in args: borrowing Arguments) -> Set<Int> {
        guard args.count > 1 else { return [] }
        switch args.word(0) {
        case "AUTH": return Set(1..<args.count)
        case "HELLO":
            var secrets: Set<Int> = []
            for i in 1..<args.count where args[i].equalsIgnoringCase("auth") {
                secrets.formUnion([i + 1, i + 2])
            }
            return secrets
        case "ACL" where args.count > 2 && args[1].equalsIgnoringCase("setuser"):
            return Set(2..<args.count)
        case "CONFIG" where args[1].equalsIgnoringCase("set"):
            return Set(
                stride(from: 2, to: args.count - 1, by: 2).filter { isSensitive(args[$0]) }
                    .map { $0 + 1 })
        case "MIGRATE":
            var secrets: Set<Int> = []
            for i in 1..<args.count {
                if args[i].equalsIgnoringCase("auth") { secrets.insert(i + 1) }
                if args[i].equalsIgnoringCase("auth2") { secrets.formUnion([i + 1, i + 2]) }
            }
            return secrets
        default: return []
        }
    }

    private static func isSensitive(_ directive: Bytes) -> Bool {
        let names = [
            "requirepass", "masterauth", "masteruser", "tls-key-file-pass",
            "tls-client-key-file-pass",
        ]
        return names.contains(directive.text.lowercased())
    }
}
