//  SyncThread.swift — the helper thread that waits for the disk.
//
//  It takes one job at a time: write these bytes there and wait until they are on the disk, or only
//  wait. The loop goes on meanwhile, and hears of the outcome by a message.
import Platform

/// Something to be on the disk.
///
/// Sendable because the loop leaves it alone from `post` until the outcome is there.
final class SyncJob: @unchecked Sendable {
    let descriptor: Int32
    /// What to write first, and where in the file.
    var bytes: ByteBuffer
    let position: Int
    /// `Propagation.offset` as of its end.
    let offset: Int
    /// The file is closed afterwards.
    let closes: Bool
    /// When it was handed over, in Unix milliseconds.
    var startTime: Int64 = 0
    fileprivate(set) var outcome = Latch<SyncOutcome>()

    init(
        _ descriptor: Int32, _ bytes: consuming ByteBuffer, at position: Int, upTo offset: Int,
        closes: Bool = false
    ) {
        self.descriptor = descriptor
        self.bytes = bytes
        self.position = position
        self.offset = offset
        self.closes = closes
    }
}

/// How a job came out.
struct SyncOutcome: Sendable {
    /// Nil when everything is on the disk.
    var error: SystemError?
}

final class SyncThread: Sendable {
    private let mailbox: Mailbox<SyncJob?>

    /// Starts the thread.
    ///
    /// - Parameter finished: Called by the thread after each job.
    /// - Throws: The system's refusal of one more thread or descriptor.
    init(finished: @escaping @Sendable () -> Void) throws(SystemError) {
        let mailbox = try Mailbox<SyncJob?>()
        self.mailbox = mailbox
        try WorkerThread.start(name: "martlet-aof") {
            while true {
                for job in mailbox.takeAll(waitingMilliseconds: -1) {
                    guard let job else { return }
                    job.outcome.open(SyncOutcome(error: Self.run(job)))
                    finished()
                }
            }
        }.detach()
    }

    deinit { mailbox.post(nil) }

    /// Hands a job over; one that has failed may be handed over again.
    func post(_ job: SyncJob) {
        job.outcome = Latch()
        mailbox.post(job)
    }

    private static func write(
        _ bytes: borrowing ByteBuffer, _ job: SyncJob
    ) throws(SystemError) {
        if bytes.count == 0 { return }
        try Files.write(bytes.span, to: job.descriptor, at: job.position)
    }

    private static func run(_ job: SyncJob) -> SystemError? {
        do throws(SystemError) {
            try write(job.bytes, job)
            try Files.synchronize(job.descriptor)
        } catch {
            return error
        }
        if job.closes { Descriptor.close(job.descriptor) }
        return nil
    }
}
