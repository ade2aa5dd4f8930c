//  Persistence.swift — when data go to the disk, and what the server knows of it.
import Logging
import Platform

/// Saves and loads, as INFO tells of them.
struct Persistence {
    /// When data were last saved, in Unix seconds; at first the start of the server.
    var lastSaveTime: Int64 = 0
    /// `Effects.dirty` as of what was saved last.
    var savedDirty = 0
    /// Whether the last save has worked.
    var isSaveOK = true
    /// When a save last began, in Unix seconds.
    var lastTryTime: Int64 = 0
    /// Seconds that the last save took; -1 before the first.
    var lastSaveSeconds: Int64 = -1
    var saves = 0
    /// Snapshots that were begun.
    var snapshotCount = 0
    /// The rewrite of the append-only file that is going on.
    var rewrite: Rewrite?
    /// A rewrite is to begin as soon as the helper thread of the append-only file is idle.
    var isRewriteWanted = false
    /// A rewrite waits for a save to end.
    var isRewriteScheduled = false
    var isRewriteOK = true
    /// Seconds that the last rewrite took; -1 before the first.
    var lastRewriteSeconds: Int64 = -1
    var rewrites = 0
    /// How many failed one after another.
    var rewriteFailures = 0
    /// Not before these times, in Unix milliseconds: another rewrite, another try to write.
    var nextRewriteTry: Int64 = 0
    var nextFileRetry: Int64 = 0
    /// BGSAVE SCHEDULE waits for a rewrite to end.
    var isSaveScheduled = false
    var loadedKeys = 0
    /// Keys that were left out of a file because their time had come.
    var expiredKeys = 0
    /// While data are loaded.
    var loading: LoadProgress?

    /// Seconds between two attempts after a failure.
    static var retrySeconds: Int64 { 5 }
}

/// How far loading has come.
struct LoadProgress {
    /// Unix milliseconds.
    var startTime: Int64
    /// Bytes of all files, and those that were read.
    var totalBytes = 0
    var loadedBytes = 0
    var keys = 0
}

extension Call {
    /// Seconds since 1970 as of the turn.
    var unixSeconds: Int64 { now / 1000 }

    /// Changes since what was last saved.
    var changesSinceSave: Int { max(effects.dirty &- persistence.savedDirty, 0) }

    /// A path in the directory that `dir` names.
    func path(_ name: String) -> String {
        configuration.directory.isEmpty ? name : configuration.directory + "/" + name
    }

    // MARK: - Before a key changes

    /// Lets a snapshot write `key` of the selected database before it changes.
    mutating func preserve(_ key: borrowing Key) {
        guard let place = database.find(key) else { return }
        database.preserve(place.record)
    }

    /// The same for all keys of a request that may write.
    mutating func preserve(_ args: borrowing Arguments, _ command: Int) {
        let entry = commands.entries[command]
        if entry.hasOneKey { return preserve(args.key) }
        for position in commands.documents[command].keys(in: args) ?? [] {
            preserve(key(args[position.index]))
        }
    }

    // MARK: - Snapshots

    /// Begins a snapshot; `snapshot` must be nil.
    mutating func beginSnapshot(
        _ purpose: SnapshotPurpose, path: String, reports: Bool = true
    ) throws(SystemError) {
        var options = SnapshotFileOptions()
        options.compresses = configuration.rdbCompression
        options.hasChecksum = configuration.rdbChecksum
        options.writesBack =
            purpose == .save
            ? configuration.rdbSaveIncrementalFsync : configuration.aofRewriteIncrementalFsync
        options.isAwaited = !reports
        options.isCommands = purpose == .rewrite && !configuration.aofUseRDBPreamble
        let outside = reports ? outside : nil
        persistence.snapshotCount += 1
        let number = persistence.snapshotCount
        let file = try SnapshotFile(path, options) { outcome in
            outside?.post(.snapshotFinished(number: number, outcome))
        }
        snapshot = Snapshot(purpose, file, &self)
        raised.insert(.snapshot)
    }

    /// Writes some more of the snapshot; true when its keys are all written.
    mutating func stepSnapshot(until end: UInt64) -> Bool {
        guard let snapshot, !snapshot.isFinished else { return true }
        guard snapshot.step(&keyspace, until: end) else { return false }
        raised.remove(.snapshot)
        return true
    }

    /// Runs the snapshot to its end, whatever it takes.
    mutating func finishSnapshot() {
        while !stepSnapshot(until: .max) { Clock.sleep(microseconds: 100) }
    }

    /// Gives the snapshot's file up; what is left is only the epoch.
    mutating func abandonSnapshot() {
        snapshot?.abandon()
        finishSnapshot()
        snapshot = nil
        guard persistence.rewrite != nil else { return }
        // It starts over when it can.
        persistence.rewrite = nil
        persistence.isRewriteScheduled = true
    }

    // MARK: - Saving

    /// Writes the RDB file now, whatever it takes; false when that fails.
    mutating func saveNow() -> Bool {
        if snapshot != nil { abandonSnapshot() }
        persistence.lastTryTime = unixSeconds
        do throws(SystemError) {
            try beginSnapshot(.save, path: path(configuration.databaseFilename), reports: false)
        } catch {
            log.warning("Cannot save: \(error)")
            persistence.isSaveOK = false
            return false
        }
        finishSnapshot()
        guard let snapshot else { return false }
        let outcome = snapshot.file.wait()
        noteSave(outcome, snapshot)
        self.snapshot = nil
        return outcome.error == nil
    }

    /// Begins to write the RDB file; false when that fails.
    mutating func saveInBackground() -> Bool {
        persistence.lastTryTime = unixSeconds
        persistence.isSaveScheduled = false
        do throws(SystemError) {
            try beginSnapshot(.save, path: path(configuration.databaseFilename))
        } catch {
            log.warning("Can't save in background: \(error)")
            persistence.isSaveOK = false
            updateDiskGate()
            return false
        }
        log.notice("Background saving started")
        return true
    }

    /// After all data were deleted: what is being saved is not wanted any more, nor is the file.
    mutating func saveNothing() {
        if snapshot?.purpose == .save { abandonSnapshot() }
        guard !configuration.save.isEmpty, persistence.loading == nil else { return }
        if snapshot == nil { _ = saveNow() } else { persistence.isSaveScheduled = true }
    }

    /// The helper thread is done with its file.
    mutating func finishSave(_ number: Int, _ outcome: SnapshotOutcome) {
        guard let snapshot, snapshot.number == number else { return }
        // A file that fails at once has failed before the last key was handed over.
        finishSnapshot()
        self.snapshot = nil
        if snapshot.purpose == .rewrite { return finishRewrite(outcome) }
        noteSave(outcome, snapshot)
        if outcome.error == nil { log.notice("Background saving terminated with success") }
    }

    private mutating func noteSave(_ outcome: SnapshotOutcome, _ snapshot: Snapshot) {
        persistence.lastSaveSeconds = max(unixSeconds - snapshot.startTime / 1000, 0)
        if let error = outcome.error {
            log.warning("Background saving error: \(snapshot.file.path): \(error)")
            persistence.isSaveOK = false
        } else {
            log.notice("DB saved on disk")
            persistence.isSaveOK = true
            persistence.saves += 1
            persistence.savedDirty = snapshot.dirtyAtStart
            persistence.lastSaveTime = unixSeconds
        }
        updateDiskGate()
    }

    /// Saves when a save point is reached, or a save was scheduled.
    mutating func saveIfDue() {
        guard snapshot == nil, persistence.loading == nil else { return }
        let now = unixSeconds
        let mayTry =
            persistence.isSaveOK || now - persistence.lastTryTime > Persistence.retrySeconds
        guard mayTry else { return }
        if persistence.isSaveScheduled {
            _ = saveInBackground()
            return
        }
        let changes = changesSinceSave
        for point in configuration.save where changes >= point.changes {
            guard now - persistence.lastSaveTime > Int64(point.seconds) else { continue }
            log.notice("\(point.changes) changes in \(point.seconds) seconds. Saving...")
            _ = saveInBackground()
            return
        }
    }

    /// Shuts, or opens, the gate for writes that would not be kept.
    mutating func updateDiskGate() {
        let isShut = hasSaveFailed || appendOnly?.failure != nil
        if isShut { raised.insert(.disk) } else { raised.remove(.disk) }
    }

    private var hasSaveFailed: Bool {
        !persistence.isSaveOK && configuration.stopWritesOnBgsaveError
            && !configuration.save.isEmpty
    }

    /// What a command that may not write is told.
    func diskFailure() -> String {
        if !hasSaveFailed, let error = appendOnly?.failure {
            return "MISCONF Errors writing to the AOF file: \(error.reason)"
        }
        return
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
            + "disk. Commands that may modify the data set are disabled, because this instance is "
            + "configured to report errors during writes if RDB snapshotting fails "
            + "(stop-writes-on-bgsave-error option). Please check the Redis logs for details about "
            + "the RDB error."
    }
}
