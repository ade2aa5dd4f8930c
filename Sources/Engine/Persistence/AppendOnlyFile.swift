//  AppendOnlyFile.swift — what commands did, on the disk before or soon after they are answered.
//
//  At the end of each turn, before replies leave, what was propagated is written to the increment
//  that is open. With `appendfsync everysec` and `no` the loop writes; a helper thread waits for the
//  disk once a second. With `always` the helper thread writes and waits, and the replies concerned
//  leave when it has come back: everything that piles up meanwhile is its next job, so many clients
//  share one wait, and the loop never has any. Those who were just answered will write again in a
//  moment; the next job waits for them, but not long. Else clients would fall into two groups of which
//  one waits while the other is on its way, and half of each wait would be wasted.
//
//  While the helper thread is at work nothing else is written, for a write may have to wait for it:
//  bytes stay in `backlog`, for half a second at most, so that a process that is killed takes less
//  than the second with it that `everysec` allows.
//
//  A failure keeps what could not be written: writes of clients are refused from then on, the same
//  bytes are tried again every second at the same place, and all goes on when that works.
//
//      log ─► backlog ─► SyncJob ─► file          always
//      log ─────────────────────► file ─► SyncJob everysec, no
import Logging
import Platform

final class AppendOnlyFile {
    var manifest: AppendOnlyManifest
    /// The directory of the files, and the name that they have in common.
    let directory: String
    let name: String
    private let thread: SyncThread
    /// The increment that is written to, or -1, and its bytes, those on their way included.
    private var descriptor: Int32 = -1
    private var incrementBytes = 0
    /// Bytes of all other files.
    private var otherBytes = 0
    /// Bytes of all files after the last rewrite, or as loaded.
    private(set) var baseBytes = 0
    /// What was not written yet.
    private var backlog = ByteBuffer()
    /// The job of the helper thread, and whether it has failed and waits for another try.
    private var job: SyncJob?
    private var hasJobFailed = false
    /// `Propagation.offset` as of the end of what was taken, of what the system has, and of what is
    /// on the disk.
    private(set) var taken: Int
    private var written: Int
    private(set) var synced: Int
    /// Whether there is no base yet that the increment belongs to.
    var isProvisional = false
    /// Somebody waits for the disk.
    var isSyncWanted = false
    private var lastSyncTime: Int64 = 0
    /// The last job's begin, and until when the next one waits for `expectedWriters` clients, and for
    /// most of them, in monotonic nanoseconds.
    private var jobStart: Int64 = 0
    private var gatherAllEnd: Int64 = 0
    private var gatherEnd: Int64 = 0
    private var expectedWriters = 0
    /// How long the loop may sleep while a job waits for clients, in milliseconds; nil when none does.
    private(set) var gatherPatience: Int32?
    /// Why nothing can be written at present.
    private(set) var failure: SystemError?
    /// What the system has taken may not have come to the disk, although it says so later.
    private(set) var needsRewrite = false
    /// How often a write could not wait for the helper thread any longer.
    private(set) var delayedCount = 0
    /// The second of the last time stamp.
    private var stampedSecond: Int64 = 0

    private static var delayMillisecondsMax: Int64 { 500 }
    private static var backlogBytesKept: Int { 256 << 10 }
    /// Waiting for more clients may take this part of what the disk takes, and no longer than this.
    private static var gatherDivisor: Int64 { 2 }
    private static var gatherNanosecondsMax: Int64 { 2_000_000 }

    init(
        _ directory: String, _ name: String, _ manifest: AppendOnlyManifest, offset: Int,
        finished: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        self.directory = directory
        self.name = name
        self.manifest = manifest
        taken = offset
        written = offset
        synced = offset
        thread = try SyncThread(finished: finished)
    }

    deinit { Descriptor.close(descriptor) }

    // MARK: - What is known

    /// Bytes of all files.
    var totalBytes: Int { otherBytes + incrementBytes }
    var backlogBytes: Int { backlog.count + (job?.bytes.count ?? 0) }
    var isBusy: Bool { job != nil }
    var isOpen: Bool { descriptor >= 0 }

    // MARK: - Files

    /// The path of a file of the manifest.
    func path(_ file: AppendOnlyManifest.File) -> String { "\(directory)/\(file.name)" }

    var manifestName: String { "\(name).manifest" }

    func writeManifest() throws(SystemError) { try manifest.write(manifestName, in: directory) }

    /// Goes on writing at the end of the last increment, or begins the first.
    func openLast() throws(SystemError) {
        if manifest.increments.isEmpty {
            manifest.increments.append(manifest.nextIncrement(name))
            try open(manifest.increments[0], isNew: true)
            try writeManifest()
        } else {
            try open(manifest.increments[manifest.increments.count - 1], isNew: false)
        }
        measure()
    }

    private func open(_ file: AppendOnlyManifest.File, isNew: Bool) throws(SystemError) {
        let path = path(file)
        let fd = isNew ? try Files.create(path) : try Files.openToContinue(path)
        descriptor = fd
        incrementBytes = isNew ? 0 : try Files.size(fd)
    }

    /// Looks how large the other files are, and takes the sum for what later growth is measured by.
    func measure() {
        measureOthers()
        baseBytes = totalBytes
    }

    private func measureOthers() {
        let files = [manifest.base].compactMap(\.self) + manifest.increments.dropLast()
        otherBytes = files.reduce(0) { $0 + (Files.size(at: path($1)) ?? 0) }
    }

    /// Begins the next increment, which what follows belongs to.
    ///
    /// The helper thread must be idle.
    ///
    /// - Returns: Its number.
    func beginIncrement(now: Int64) throws(SystemError) -> Int64 {
        try writeBacklog()
        let file = manifest.nextIncrement(name)
        let fd = try Files.create(path(file))
        let before = manifest
        manifest.increments.append(file)
        do throws(SystemError) {
            // An increment without a base would be all there is.
            if !isProvisional { try writeManifest() }
        } catch {
            manifest = before
            Descriptor.close(fd)
            FileSystem.remove(path(file))
            throw error
        }
        if descriptor >= 0 {
            post(SyncJob(descriptor, ByteBuffer(), at: 0, upTo: written, closes: true), now)
        }
        descriptor = fd
        otherBytes += incrementBytes
        incrementBytes = 0
        stampedSecond = 0
        return file.number
    }

    /// Takes `base` for everything in front of the increment with the number `first`.
    func replaceBase(
        with base: AppendOnlyManifest.File, incrementsFrom first: Int64, keepsHistory: Bool
    ) throws(SystemError) {
        let before = manifest
        manifest.replace(with: base, incrementsFrom: first)
        do throws(SystemError) {
            try writeManifest()
        } catch {
            manifest = before
            throw error
        }
        isProvisional = false
        needsRewrite = false
        measure()
        if !keepsHistory { removeHistory() }
    }

    /// Deletes files that were replaced.
    func removeHistory() {
        guard !manifest.history.isEmpty else { return }
        for file in manifest.unused { FileSystem.remove(path(file)) }
        manifest.history = []
        // What it names in vain until it is next written does no harm.
        try? writeManifest()
    }

    // MARK: - Writing

    /// Takes what was propagated up to `offset`.
    func take(_ log: inout ByteBuffer, upTo offset: Int, second: Int64?) {
        if let second, second != stampedSecond {
            stampedSecond = second
            backlog.append("#TS:")
            backlog.append(decimal: Int(second))
            backlog.append("\r\n")
        }
        if backlog.count == 0 { swap(&backlog, &log) } else { backlog.append(log.span) }
        taken = offset
    }

    /// Writes, and has the helper thread wait for the disk, as far as that is due.
    ///
    /// - Parameters:
    ///   - policy: Whether and when.
    ///   - now: Unix milliseconds.
    ///   - delaysSync: Nobody is to wait for the disk now.
    ///   - writers: Clients that wait for it.
    func advance(_ policy: AppendFsync, now: Int64, delaysSync: Bool, writers: Int) {
        gatherPatience = nil
        guard failure == nil, descriptor >= 0 else { return }
        if backlog.count > 0 {
            if policy == .always {
                guard job == nil else { return }
                let left = gatherTime(writers)
                if left <= 0 { return postBacklog(now) }
                gatherPatience = left < 500_000 ? 0 : 1
                return
            }
            if let job {
                // Bytes behind it must not come to the disk before its own.
                guard job.bytes.count == 0, now - job.startTime > Self.delayMillisecondsMax else {
                    return
                }
                delayedCount += 1
            }
            do throws(SystemError) { try writeBacklog() } catch { return }
        }
        guard job == nil, written > synced else { return }
        let isDue =
            policy == .everySecond && !delaysSync && now - lastSyncTime >= 1000
            || policy == .always || isSyncWanted
        guard isDue else { return }
        post(SyncJob(descriptor, ByteBuffer(), at: 0, upTo: written), now)
    }

    /// How long the next job should wait for more than `writers` clients, in nanoseconds.
    private func gatherTime(_ writers: Int) -> Int64 {
        if writers >= expectedWriters { return 0 }
        // All of them for a moment, most of them for some more.
        let areMost = writers >= expectedWriters - expectedWriters / 4
        return (areMost ? gatherAllEnd : gatherEnd) - Clock.monotonicNanoseconds()
    }

    /// Gives the backlog to the helper thread.
    private func postBacklog(_ now: Int64) {
        var bytes = ByteBuffer()
        swap(&bytes, &backlog)
        let position = incrementBytes
        incrementBytes += bytes.count
        written = taken
        post(SyncJob(descriptor, bytes, at: position, upTo: taken), now)
    }

    private func post(_ job: SyncJob, _ now: Int64) {
        isSyncWanted = false
        lastSyncTime = now
        job.startTime = now
        jobStart = Clock.monotonicNanoseconds()
        hasJobFailed = false
        self.job = job
        thread.post(job)
    }

    private func writeBacklog() throws(SystemError) {
        guard backlog.count > 0 else { return }
        do throws(SystemError) {
            try Files.write(backlog.span, to: descriptor, at: incrementBytes)
        } catch {
            // A part of a command must not stay.
            try? Files.truncate(descriptor, to: incrementBytes)
            failure = error
            throw error
        }
        incrementBytes += backlog.count
        written = taken
        backlog.removeAll()
        backlog.shrink(to: Self.backlogBytesKept)
    }

    /// The helper thread is done with its job; false when it failed.
    @discardableResult
    func collect() -> Bool {
        guard let job else { return true }
        if let error = job.outcome.wait().error {
            failure = error
            hasJobFailed = true
            // Without the bytes nobody can write them again.
            if job.bytes.count == 0 { needsRewrite = true }
            return false
        }
        self.job = nil
        failure = nil
        synced = max(synced, job.offset)
        return true
    }

    /// So many clients waited when the last job came back, and may be about to write again.
    func expect(_ writers: Int) {
        let now = Clock.monotonicNanoseconds()
        expectedWriters = writers
        let time = min((now - jobStart) / Self.gatherDivisor, Self.gatherNanosecondsMax)
        gatherAllEnd = now + time / 4
        gatherEnd = now + time
    }

    /// Tries again what has failed.
    func retry(_ now: Int64) {
        guard failure != nil else { return }
        if hasJobFailed, let job { return post(job, now) }
        guard job == nil else { return }
        failure = nil
        try? writeBacklog()
    }

    /// Puts everything on the disk, whatever it takes.
    func finish() throws(SystemError) {
        if hasJobFailed { retry(0) }
        if !collect() { throw failure ?? SystemError(operation: "fdatasync", code: 0) }
        guard descriptor >= 0 else { return }
        failure = nil
        try writeBacklog()
        do throws(SystemError) {
            try Files.synchronize(descriptor)
        } catch {
            failure = error
            throw error
        }
        synced = written
    }

    /// Gives the increment that was begun for a base up which will not be.
    func dropProvisional() {
        Descriptor.close(descriptor)
        descriptor = -1
        if let file = manifest.increments.popLast() { FileSystem.remove(path(file)) }
        backlog.removeAll()
        incrementBytes = 0
    }
}
