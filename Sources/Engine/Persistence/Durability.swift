//  Durability.swift — the append-only file in the life of a server: begun, rewritten, mended, ended.
//
//  A rewrite is a snapshot that becomes the next base. At the moment it begins, the file goes on in a
//  new increment; when the base is on the disk, the manifest names the two instead of all that was
//  before. Until then it names the old base and all increments, so there is never a moment at which a
//  crash would lose anything.
import Logging
import Platform

/// A rewrite that is going on.
struct Rewrite {
    let base: AppendOnlyManifest.File
    /// Number of the increment that begins with the snapshot; nil when nothing is appended.
    let firstIncrement: Int64?
    /// Unix milliseconds.
    let startTime: Int64
}

extension Call {
    var appendDirectory: String { path(configuration.appendDirectory) }

    /// Whether replies to commands that wrote wait for the disk.
    var isGroupCommitOn: Bool {
        configuration.appendFsync == .always && appendOnly?.isProvisional == false
    }

    // MARK: - Begin and end

    private func openFile(
        _ manifest: AppendOnlyManifest
    ) throws(SystemError) -> AppendOnlyFile {
        let outside = outside
        try Files.makeDirectory(appendDirectory)
        return try AppendOnlyFile(
            appendDirectory, configuration.appendFilename, manifest, offset: propagation.offset
        ) { outside?.post(.syncFinished) }
    }

    /// Goes on with the append-only file that was loaded, or begins one with what is there.
    mutating func continueAppendOnlyFile() throws(LoadError) {
        guard configuration.appendOnly, appendOnly == nil else { return }
        let path = "\(appendDirectory)/\(configuration.appendFilename).manifest"
        let manifest = try AppendOnlyManifest.read(path) ?? AppendOnlyManifest()
        do throws(SystemError) {
            let file = try openFile(manifest)
            if manifest.base == nil, manifest.increments.isEmpty { try makeFirstBase(file) }
            try file.openLast()
            if !configuration.aofDisableAutoGC { file.removeHistory() }
            appendOnly = file
        } catch {
            throw LoadError(text: "Can't open the append-only file: \(error)")
        }
        beginPropagating()
    }

    /// Writes what is there as the base of a new append-only file, whatever it takes.
    private mutating func makeFirstBase(_ file: AppendOnlyFile) throws(SystemError) {
        let isRDB = configuration.aofUseRDBPreamble
        let base = file.manifest.nextBase(file.name, isRDB: isRDB)
        log.notice("Creating AOF base file \(base.name) on server start")
        try beginSnapshot(.rewrite, path: file.path(base), reports: false)
        finishSnapshot()
        let outcome = snapshot?.file.wait()
        snapshot = nil
        if let error = outcome?.error { throw error }
        file.manifest.base = base
    }

    private mutating func beginPropagating() {
        propagation.forgetDatabase()
        interest.insert(.propagation)
        updateDiskGate()
    }

    /// `appendonly` was switched on: a first rewrite makes the file.
    mutating func startAppendOnlyFile() throws(SystemError) {
        guard appendOnly == nil else { return }
        let path = "\(appendDirectory)/\(configuration.appendFilename).manifest"
        let old = (try? AppendOnlyManifest.read(path)) ?? nil
        let file = try openFile(old ?? AppendOnlyManifest())
        file.isProvisional = true
        appendOnly = file
        persistence.isRewriteWanted = true
        log.notice("Enabling the append-only file")
    }

    /// `appendonly` was switched off: the file ends with what was written so far.
    mutating func stopAppendOnlyFile() {
        guard let file = appendOnly else { return }
        persistence.isRewriteWanted = false
        writeAppendOnlyFile()
        do throws(SystemError) {
            try file.finish()
        } catch {
            log.warning("The end of the append-only file is not on the disk: \(error)")
        }
        if persistence.rewrite != nil { abandonSnapshot() }
        persistence.isRewriteScheduled = false
        if file.isProvisional { file.dropProvisional() }
        interest.remove(.propagation)
        appendOnly = nil
        updateDiskGate()
        log.notice("The append-only file is switched off")
    }

    // MARK: - The turn

    /// Writes what was propagated, and has it synchronised; comes before the replies leave.
    ///
    /// - Parameter writers: Clients that wait for the disk, or will at the end of the turn.
    mutating func writeAppendOnlyFile(for writers: Int = .max) {
        guard let file = appendOnly else { return }
        let hadFailed = file.failure != nil
        if propagation.log.count > 0 {
            let second = configuration.aofTimestampEnabled ? turnTime / 1000 : nil
            let offset = propagation.offset
            propagation.take { file.take(&$0, upTo: offset, second: second) }
        }
        if persistence.isRewriteWanted { beginRewrite() }
        if !heldSlots.isEmpty || !syncWaits.isEmpty { file.isSyncWanted = true }
        let delaysSync = configuration.noAppendFsyncOnRewrite && snapshot != nil
        file.advance(
            configuration.appendFsync, now: turnTime, delaysSync: delaysSync, writers: writers)
        if file.failure != nil, !hadFailed { noteFileFailure(file) }
    }

    /// The helper thread has something to tell.
    mutating func collectSync() {
        guard let file = appendOnly else { return }
        let hadFailed = file.failure != nil
        if file.collect() {
            file.expect(heldSlots.count)
            if hadFailed { noteFileHealed(file) }
        } else if !hadFailed {
            noteFileFailure(file)
        }
    }

    private mutating func noteFileFailure(_ file: AppendOnlyFile) {
        guard let error = file.failure else { return }
        log.warning("Error writing to the AOF file: \(error.reason)")
        updateDiskGate()
    }

    private mutating func noteFileHealed(_ file: AppendOnlyFile) {
        log.notice("AOF write error looks solved. The server can write again.")
        // What the system had taken before may be lost although it says nothing of it.
        if file.needsRewrite { persistence.isRewriteWanted = true }
        updateDiskGate()
    }

    /// Tries again what has failed, and rewrites what has grown; ten times a second or so.
    mutating func tendAppendOnlyFile() {
        guard let file = appendOnly else { return rewriteIfScheduled() }
        if file.failure != nil, turnTime >= persistence.nextFileRetry {
            persistence.nextFileRetry = turnTime + 1000
            file.retry(turnTime)
            if file.failure == nil { noteFileHealed(file) }
        }
        guard snapshot == nil, persistence.rewrite == nil, !persistence.isRewriteWanted else {
            return
        }
        guard turnTime >= persistence.nextRewriteTry else { return }
        if persistence.isRewriteScheduled || file.isProvisional {
            persistence.isRewriteWanted = true
        } else if hasGrown(file) {
            let growth = file.totalBytes * 100 / max(file.baseBytes, 1) - 100
            log.notice("Starting automatic rewriting of AOF on \(growth)% growth")
            persistence.isRewriteWanted = true
        }
    }

    private mutating func rewriteIfScheduled() {
        guard persistence.isRewriteScheduled, snapshot == nil else { return }
        persistence.isRewriteWanted = true
        beginRewrite()
    }

    private func hasGrown(_ file: AppendOnlyFile) -> Bool {
        let percentage = configuration.autoAOFRewritePercentage
        guard percentage > 0, file.totalBytes > configuration.autoAOFRewriteMinSize else {
            return false
        }
        let growth = Double(file.totalBytes) * 100 / Double(max(file.baseBytes, 1)) - 100
        return growth >= Double(percentage)
    }

    // MARK: - Rewriting

    /// Begins the rewrite that is wanted, if nothing stands in the way.
    mutating func beginRewrite() {
        guard snapshot == nil, persistence.loading == nil else { return }
        if let file = appendOnly, file.isBusy || file.failure != nil { return }
        persistence.isRewriteWanted = false
        persistence.isRewriteScheduled = false
        do throws(SystemError) {
            if appendOnly == nil { try beginRewriteWithoutIncrements() } else { try beginUsual() }
            log.notice("Background append only file rewriting started")
        } catch {
            failRewrite("Can't rewrite append only file in background: \(error)")
        }
    }

    private mutating func beginUsual() throws(SystemError) {
        guard let file = appendOnly else { return }
        let isFirst = !file.isOpen
        if file.isProvisional, !isFirst { file.dropProvisional() }
        let increment = try file.beginIncrement(now: turnTime)
        if file.isProvisional { beginPropagating() } else { propagation.forgetDatabase() }
        try beginBase(file.manifest, file, increment)
    }

    private mutating func beginRewriteWithoutIncrements() throws(SystemError) {
        let path = "\(appendDirectory)/\(configuration.appendFilename).manifest"
        let old = (try? AppendOnlyManifest.read(path)) ?? nil
        try Files.makeDirectory(appendDirectory)
        try beginBase(old ?? AppendOnlyManifest(), nil, nil)
    }

    private mutating func beginBase(
        _ manifest: AppendOnlyManifest, _ file: AppendOnlyFile?, _ increment: Int64?
    ) throws(SystemError) {
        let base = manifest.nextBase(
            configuration.appendFilename, isRDB: configuration.aofUseRDBPreamble)
        try beginSnapshot(.rewrite, path: "\(appendDirectory)/\(base.name)")
        persistence.rewrite = Rewrite(
            base: base, firstIncrement: increment, startTime: turnTime)
    }

    /// The base of a rewrite is there, or could not be made.
    mutating func finishRewrite(_ outcome: SnapshotOutcome) {
        guard let rewrite = persistence.rewrite else { return }
        persistence.rewrite = nil
        persistence.lastRewriteSeconds = max((turnTime - rewrite.startTime) / 1000, 0)
        if let error = outcome.error {
            return failRewrite("Background AOF rewrite terminated with an error: \(error)")
        }
        do throws(SystemError) {
            try replaceFiles(rewrite)
        } catch {
            return failRewrite("The AOF manifest cannot be written: \(error)")
        }
        persistence.isRewriteOK = true
        persistence.rewrites += 1
        persistence.rewriteFailures = 0
        persistence.nextRewriteTry = 0
        log.notice("Background AOF rewrite finished successfully")
        updateDiskGate()
    }

    private mutating func replaceFiles(_ rewrite: Rewrite) throws(SystemError) {
        if let file = appendOnly, let first = rewrite.firstIncrement {
            try file.replaceBase(
                with: rewrite.base, incrementsFrom: first,
                keepsHistory: configuration.aofDisableAutoGC)
            return
        }
        let name = "\(configuration.appendFilename).manifest"
        var manifest = (try? AppendOnlyManifest.read("\(appendDirectory)/\(name)")) ?? nil
        manifest = manifest ?? AppendOnlyManifest()
        manifest?.replace(with: rewrite.base, incrementsFrom: .max)
        try manifest?.write(name, in: appendDirectory)
        for file in manifest?.unused ?? [] { FileSystem.remove("\(appendDirectory)/\(file.name)") }
        manifest?.history = []
        try manifest?.write(name, in: appendDirectory)
    }

    private mutating func failRewrite(_ text: String) {
        log.warning("\(text)")
        persistence.isRewriteOK = false
        persistence.rewriteFailures += 1
        // A few times at once; after that it may take an hour until the disk is well again.
        let exponent = min(max(persistence.rewriteFailures - 3, 0), 6)
        let seconds = persistence.rewriteFailures < 3 ? 5 : min(60 << exponent, 3600)
        persistence.nextRewriteTry = turnTime + Int64(seconds) * 1000
    }

    // MARK: - Waiting for the disk

    /// How many have what a client wrote on the disk: this server, and its replicas.
    static func acknowledge(isOnDisk: Bool, _ reply: inout Reply) {
        reply.array(2)
        reply.integer(isOnDisk ? 1 : 0)
        reply.integer(0)
    }

    /// Whether everything that the client in `slot` wrote is on the disk.
    func isOnDisk(_ slot: Int) -> Bool {
        guard let file = appendOnly, !file.isProvisional else { return false }
        return clients[slot].writeOffset <= file.synced
    }
}
