//  Monitoring.swift — what MONITOR shows: every request, as it runs.
import Platform

extension Call {
    /// Has the client be shown the requests of everyone.
    mutating func beginMonitoring() {
        monitors.append(session.slot)
        session.raised.insert(.monitor)
    }

    /// Shows the client in `slot` nothing more.
    mutating func endMonitoring(_ slot: Int) {
        guard let i = monitors.firstIndex(of: slot) else { return }
        monitors.remove(at: i)
        if slot == session.slot { session.raised.remove(.monitor) }
    }

    /// Whether anybody wants to hear of each request that the client makes.
    var isObserved: Bool { !monitors.isEmpty || session.isTracking }

    /// A request of the client has run.
    mutating func observe(_ args: borrowing Arguments, _ id: Int) {
        if !monitors.isEmpty { show(args, id) }
        if session.isTracking { rememberKeys(args, id) }
    }

    private mutating func show(_ args: borrowing Arguments, _ id: Int) {
        let document = commands.documents[id]
        // What administrators say may be secret.
        guard document.flags.isDisjoint(with: [.admin, .skipMonitor]) else { return }
        let (seconds, microseconds) = Clock.unixMicroseconds()
            .quotientAndRemainder(dividingBy: 1_000_000)
        var line = ByteBuffer()
        line.append("+")
        line.append(decimal: Int(seconds))
        line.append(".")
        let fraction = String(microseconds)
        for _ in fraction.utf8.count..<6 { line.append("0") }
        line.append(copying: fraction)
        line.append(" [")
        line.append(decimal: session.database)
        if session.isUnixSocket {
            line.append(" unix:")
            line.append(copying: configuration.unixSocket)
        } else {
            line.append(" ")
            line.append(copying: clients[session.slot].address)
        }
        line.append("]")
        let secrets = secrets(args, document.fullName)
        for i in 0..<args.count {
            line.append(" \"")
            if secrets.contains(i) {
                line.append("(redacted)")
            } else {
                Self.escape(args[i], into: &line)
            }
            line.append("\"")
        }
        line.append("\r\n")
        for slot in monitors {
            clients[slot].outbox.append(line.span)
            notePost(slot)
            if slot == session.slot { attention.insert(.ownPost) }
        }
    }

    /// The words that nobody shall see.
    private func secrets(_ args: borrowing Arguments, _ name: String) -> Range<Int> {
        if name == "auth" { return 1..<args.count }
        guard name == "hello" else { return 0..<0 }
        for i in 1..<args.count where args[i].equalsIgnoringCase("auth") { return i + 1..<i + 3 }
        return 0..<0
    }

    /// Appends a word so that the line stays one line of printable characters.
    private static func escape(_ word: Bytes, into line: inout ByteBuffer) {
        let digits = Array("0123456789abcdef".utf8)
        for i in 0..<word.count {
            let byte = word[i]
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "\""):
                line.append(UInt8(ascii: "\\"))
                line.append(byte)
            case 10: line.append("\\n")
            case 13: line.append("\\r")
            case 9: line.append("\\t")
            case 7: line.append("\\a")
            case 8: line.append("\\b")
            case 32...126: line.append(byte)
            default:
                line.append("\\x")
                line.append(digits[Int(byte >> 4)])
                line.append(digits[Int(byte & 15)])
            }
        }
    }
}
