//  Discarding.swift — databases whose memory another thread gives back.
import Platform

enum Discarding {
    /// A database on its way to another thread.
    ///
    /// Sendable because exactly one thread holds it at a time: the loop gives it up here.
    private final class Parcel: @unchecked Sendable {
        var database: Database?

        init(_ database: consuming Database) { self.database = consume database }
    }

    /// Frees `database` on a thread of its own, or at once when there can be no more threads.
    static func discard(_ database: consuming Database) {
        let parcel = Parcel(database)
        do throws(SystemError) {
            try WorkerThread.start(name: "martlet-free") { parcel.database = nil }.detach()
        } catch {
            parcel.database = nil
        }
    }
}
