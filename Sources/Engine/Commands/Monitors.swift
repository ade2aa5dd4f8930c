//  Monitors.swift — MONITOR.

enum Monitors {
    static let family = Family(group: .server, commands: [MONITOR])

    static let MONITOR = Command(
        "MONITOR", [.admin, .noscript, .loading, .stale], since: "1.0.0",
        complexity: "",
        summary: "Shows the requests of all clients as they run.", run: monitor)

    @Sendable static func monitor(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        if call.session.deniesBlocking {
            throw call.failed("ERR MONITOR isn't allowed for DENY BLOCKING client")
        }
        // A second one is not answered, as in Redis.
        guard !call.session.raised.contains(.monitor) else { return }
        call.beginMonitoring()
        reply.ok()
    }
}
