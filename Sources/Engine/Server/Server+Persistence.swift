//  Server+Persistence.swift — what the loop does for the files: load, save on the way, save at the end.
import CPlatform
import Logging
import Platform

extension Server {
    /// How long loading may hold the loop at a time, in microseconds.
    private static var loadMicroseconds: Double { 5000 }

    /// Whether data are being loaded.
    package var isLoading: Bool { loader != nil }

    /// Begins to load the data of the last run; `run` goes on with it.
    package mutating func beginLoading() throws(LoadError) {
        guard let loader = try DataLoader.open(&executor.call) else {
            return try executor.call.continueAppendOnlyFile()
        }
        self.loader = consume loader
        executor.call.raised.insert(.loading)
    }

    /// Loads everything now; clients are answered meanwhile as far as that goes.
    package mutating func load() throws(LoadError) {
        try beginLoading()
        while isLoading, !isStopping { turn() }
        if let loadFailure { throw LoadError(text: loadFailure) }
    }

    /// Whether the server has ended because its data cannot be loaded.
    package var hasFailed: Bool { loadFailure != nil }

    mutating func continueLoading() {
        guard var loader = loader.take() else { return }
        let end = cp_ticks() &+ UInt64(Self.loadMicroseconds * executor.call.ticksPerMicrosecond)
        do throws(LoadError) {
            guard try loader.step(&executor, until: end) else {
                self.loader = consume loader
                return
            }
        } catch {
            return failLoading(error)
        }
        endLoading()
    }

    private mutating func failLoading(_ error: LoadError) {
        log.critical("\(error.text)")
        loadFailure = error.text
        isStopping = true
    }

    private mutating func endLoading() {
        executor.call.raised.remove(.loading)
        let progress = executor.call.persistence.loading
        executor.call.persistence.loading = nil
        executor.call.resetStatistics()
        do throws(LoadError) {
            try executor.call.continueAppendOnlyFile()
        } catch {
            return failLoading(error)
        }
        executor.call.persistence.savedDirty = executor.call.effects.dirty
        guard let progress else { return }
        let seconds = Double(Clock.unixMilliseconds() - progress.startTime) / 1000
        log.notice(
            """
            DB loaded from disk: \(Numbers.fixed(seconds, decimals: 3)) seconds, \(progress.keys) \
            keys
            """)
    }

    /// Stops the server, unless data are to be saved and cannot be.
    mutating func shutDown(_ options: ShutdownOptions) {
        guard executor.call.prepareShutdown(options) else {
            log.warning(
                "Errors trying to shut down the server, check the logs for more information")
            return
        }
        isStopping = true
    }
}

extension ShutdownOptions {
    /// What the directive for a signal says.
    init(_ words: String) {
        let words = words.split(separator: " ")
        if words.contains("save") { saves = true }
        if words.contains("nosave") { saves = false }
        isForced = words.contains("force")
    }
}

extension Call {
    /// Puts on the disk what has to be there; false when that fails and is not forced.
    mutating func prepareShutdown(_ options: ShutdownOptions) -> Bool {
        // What is not loaded yet is on the disk, and must stay there.
        if persistence.loading != nil { return true }
        if isShutDown { return true }
        if snapshot != nil { abandonSnapshot() }
        if let file = appendOnly, !file.isProvisional {
            log.notice("Calling fsync() on the AOF file.")
            persistence.isRewriteWanted = false
            writeAppendOnlyFile()
            do throws(SystemError) {
                try file.finish()
            } catch {
                log.warning("Error trying to synchronise the AOF: \(error)")
                guard options.isForced else { return false }
            }
        }
        if options.saves ?? !configuration.save.isEmpty {
            log.notice("Saving the final RDB snapshot before exiting.")
            guard saveNow() || options.isForced else {
                log.warning("Error trying to save the DB, can't exit.")
                return false
            }
        }
        isShutDown = true
        return true
    }
}

extension Executor {
    /// How long a snapshot may hold the loop at a time, in microseconds.
    private static var snapshotMicroseconds: Double { 250 }

    /// Goes on with the snapshot, if there is one.
    mutating func stepSnapshot() {
        guard call.snapshot != nil else { return }
        let end = cp_ticks() &+ UInt64(Self.snapshotMicroseconds * call.ticksPerMicrosecond)
        _ = call.stepSnapshot(until: end)
    }

    /// How long the poller may wait while there is a snapshot to go on with, in milliseconds.
    var snapshotPatience: Int32? {
        guard let snapshot = call.snapshot, !snapshot.isFinished else { return nil }
        return snapshot.isHeldUp ? 1 : 0
    }
}
