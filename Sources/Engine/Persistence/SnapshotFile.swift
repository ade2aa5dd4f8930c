//  SnapshotFile.swift — the helper thread that makes drafts a file.
//
//  It compresses, computes the checksum, writes into a temporary file beside the real one,
//  synchronises, renames, and synchronises the directory: a reader finds the old file or the new one,
//  never a part. After a failure it takes the rest and throws it away.
import Platform
import Synchronization

/// How a file came out.
package struct SnapshotOutcome: Sendable {
    /// Nil when the file is there.
    var error: SystemError?
    /// Bytes of the file.
    var count = 0
}

/// How a snapshot's file is to be written.
struct SnapshotFileOptions: Sendable {
    var compresses = true
    var hasChecksum = true
    /// Whether the loop waits for the file.
    var isAwaited = false
    /// Whether the file becomes one of commands, see `CommandForm`.
    var isCommands = false
    /// Whether the system is asked to write now and then, so that the end does not take long.
    var writesBack = true
}

final class SnapshotFile: Sendable {
    /// A draft on its way.
    ///
    /// Sendable because exactly one thread holds it at a time.
    private final class Parcel: @unchecked Sendable {
        var draft: RDBDraft

        init(_ draft: consuming RDBDraft) {
            self.draft = draft
        }
    }

    private enum Message: Sendable {
        case draft(Parcel)
        case end
        case abandon
    }

    let path: String
    private let mailbox: Mailbox<Message>
    /// Drafts that were used and can be used again.
    private let spare = Mutex<[Parcel]>([])
    private let waiting = Atomic<Int>(0)
    private let outcome = Latch<SnapshotOutcome>()

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - path: The file, which is replaced once its successor is complete.
    ///   - options: How it is written.
    ///   - finished: Called by the thread at its end.
    /// - Throws: The system's refusal of one more thread or descriptor.
    init(
        _ path: String, _ options: SnapshotFileOptions,
        finished: @escaping @Sendable (SnapshotOutcome) -> Void
    ) throws(SystemError) {
        self.path = path
        mailbox = try Mailbox()
        try WorkerThread.start(name: "martlet-save") { [self] in
            let result = run(options)
            outcome.open(result)
            finished(result)
        }.detach()
    }

    /// Bytes that were handed over and not written yet.
    var backlog: Int { waiting.load(ordering: .relaxed) }

    /// Hands `draft` over; it is empty afterwards.
    func post(_ draft: inout RDBDraft) {
        waiting.add(draft.byteCount, ordering: .relaxed)
        let parcel = spare.withLock { $0.popLast() } ?? Parcel(RDBDraft(pinsValues: true))
        swap(&parcel.draft, &draft)
        mailbox.post(.draft(parcel))
    }

    /// Nothing follows.
    func end() { mailbox.post(.end) }

    /// Nobody wants the file.
    func abandon() { mailbox.post(.abandon) }

    /// Waits for the end.
    func wait() -> SnapshotOutcome { outcome.wait() }

    // MARK: - The thread

    /// Steps of `nice` by which the loop goes before this thread, where they share a core.
    private static var niceness: Int32 { 5 }
    /// Bytes on their way above which there is no time to compress.
    private static var hurryBytes: Int { 32 << 20 }

    private func run(_ options: SnapshotFileOptions) -> SnapshotOutcome {
        if !options.isAwaited { WorkerThread.lowerPriority(by: Self.niceness) }
        let draftPath = Self.temporaryPath(path)
        var writer = FileWriter(draftPath, options)
        var isOver = false, isWanted = true
        while !isOver {
            for message in mailbox.takeAll(waitingMilliseconds: -1) {
                switch message {
                case .draft(let parcel):
                    let count = parcel.draft.byteCount
                    if isWanted {
                        writer.write(parcel.draft, inHurry: backlog > Self.hurryBytes)
                    } else {
                        parcel.draft.drop()
                    }
                    parcel.draft.removeAll()
                    waiting.subtract(count, ordering: .relaxed)
                    spare.withLock { if $0.count < 8 { $0.append(parcel) } }
                case .end: isOver = true
                case .abandon:
                    isOver = true
                    isWanted = false
                }
            }
        }
        if isWanted { writer.finish(renamingTo: path) }
        let result = writer.outcome
        writer.close()
        if options.isCommands { FileSystem.remove(draftPath) }
        if !isWanted || result.error != nil { FileSystem.remove(draftPath) }
        return result
    }

    /// Where the file is until it is complete.
    static func temporaryPath(_ path: String) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let name = "temp-" + (parts.last ?? "")
        return (parts.dropLast().map(String.init) + [name]).joined(separator: "/")
    }
}

/// A file in the making; after a failure it takes everything and does nothing.
private struct FileWriter: ~Copyable {
    private let options: SnapshotFileOptions
    private let draftPath: String
    private var descriptor: Int32 = -1
    private var bytes = ByteBuffer()
    private var compressor: LZFCompressor?
    private var checksum: UInt64 = 0
    /// Bytes that the system was asked to write to the disk.
    private var writtenBack = 0
    private(set) var outcome = SnapshotOutcome()

    private static var flushBytes: Int { 256 << 10 }
    private static var writeBackBytes: Int { 4 << 20 }

    init(_ draftPath: String, _ options: SnapshotFileOptions) {
        self.options = options
        self.draftPath = draftPath
        if options.compresses { compressor = LZFCompressor(bytesMax: .max) }
        do throws(SystemError) {
            descriptor = try Files.create(draftPath)
        } catch {
            outcome.error = error
        }
    }

    /// Writes a draft; nothing of it is compressed when time is short.
    mutating func write(_ draft: borrowing RDBDraft, inHurry: Bool) {
        guard outcome.error == nil else { return draft.drop() }
        if inHurry {
            var none: LZFCompressor?
            draft.finish(into: &bytes, &none)
        } else {
            draft.finish(into: &bytes, &compressor)
        }
        if bytes.count >= Self.flushBytes { flush() }
        rest()
    }

    /// Where the loop shares the core it need not wait until the system takes it away, which may be
    /// several milliseconds.
    private func rest() {
        if !options.isAwaited { Clock.sleep(microseconds: 50) }
    }

    private mutating func flush() {
        guard outcome.error == nil, bytes.count > 0 else { return }
        if options.hasChecksum { checksum = CRC64.update(checksum, bytes.span) }
        do throws(SystemError) {
            try Descriptor.writeAll(descriptor, bytes.span)
        } catch {
            outcome.error = error
        }
        outcome.count += bytes.count
        bytes.removeAll()
        if options.writesBack, outcome.count - writtenBack >= Self.writeBackBytes {
            Files.beginWriting(descriptor, from: writtenBack, count: outcome.count - writtenBack)
            writtenBack = outcome.count
        }
        rest()
    }

    mutating func finish(renamingTo path: String) {
        flush()
        let hasChecksum = options.hasChecksum
        for i in 0..<8 {
            bytes.append(hasChecksum ? UInt8(truncatingIfNeeded: checksum >> UInt64(i * 8)) : 0)
        }
        flush()
        guard outcome.error == nil else { return }
        do throws(SystemError) {
            if options.isCommands {
                outcome.count = try CommandForm.translate(draftPath, to: commandsPath)
                try Files.rename(commandsPath, to: path)
            } else {
                try Files.synchronize(descriptor)
                try Files.rename(draftPath, to: path)
            }
            let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            let isRoot = folder.count == 1 && path.hasPrefix("/")
            try Files.synchronizeDirectory(isRoot ? "/" : folder.joined(separator: "/"))
        } catch {
            outcome.error = error
            if options.isCommands { FileSystem.remove(commandsPath) }
        }
    }

    private var commandsPath: String { draftPath + ".commands" }

    mutating func close() {
        Descriptor.close(descriptor)
        descriptor = -1
    }
}
