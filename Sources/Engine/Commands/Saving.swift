//  Saving.swift — commands that write all data to the disk.

enum Saving {
    static let family = Family(group: .server, commands: [SAVE, BGSAVE, LASTSAVE])

    static let SAVE = Command(
        "SAVE", [.admin, .noscript, .noAsyncLoading, .noMulti], since: "1.0.0",
        complexity: "O(N) where N is the number of keys in all databases",
        summary: "Writes all data to the disk while everybody waits.",
        run: save)

    @Sendable static func save(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        if call.snapshot?.purpose == .save {
            throw call.failed("ERR Background save already in progress")
        }
        guard call.saveNow() else { throw call.failed("ERR") }
        reply.ok()
    }

    static let BGSAVE = Command(
        "BGSAVE [SCHEDULE]", [.admin, .noscript, .noAsyncLoading], since: "1.0.0",
        complexity: "O(1)",
        summary: "Writes all data as they are now to the disk, in the background.",
        history: [("3.2.2", "Option `SCHEDULE`.")], added: [("schedule", "3.2.2")], run: bgsave)

    @Sendable static func bgsave(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var isScheduled = false
        if args.count > 1 {
            guard args.count == 2, args[1].equalsIgnoringCase("schedule") else { throw .syntax }
            isScheduled = true
        }
        if let snapshot = call.snapshot {
            if snapshot.purpose == .save {
                throw call.failed("ERR Background save already in progress")
            }
            guard isScheduled || call.isInTransaction else {
                throw call.failed(
                    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE "
                        + "SCHEDULE in order to schedule a BGSAVE whenever possible.")
            }
            call.persistence.isSaveScheduled = true
            return reply.simple("Background saving scheduled")
        }
        if call.isInTransaction {
            call.persistence.isSaveScheduled = true
            return reply.simple("Background saving scheduled")
        }
        guard call.saveInBackground() else { throw call.failed("ERR") }
        reply.simple("Background saving started")
    }

    static let LASTSAVE = Command(
        "LASTSAVE", [.loading, .stale, .fast], since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns when data were last written to the disk, in Unix seconds.",
        tips: ["nondeterministic_output"], also: [.admin, .dangerous], run: lastsave)

    @Sendable static func lastsave(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        reply.integer(call.persistence.lastSaveTime)
    }
}
