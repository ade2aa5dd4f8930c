//  Process.swift — what a process can change about itself.  U
//
//  ## Safety
//  - S1: the system reads or fills a local.
import CPlatform

/// Settings of this process.
public enum Process {
    /// Raises the limit of open descriptors to `wanted` or as near as the system allows.
    ///
    /// - Returns: The limit in force afterwards; never lower than before.
    public static func raiseDescriptorLimit(to wanted: Int) -> Int {
        var limit = rlimit()
        guard unsafe cp_get_file_limit(&limit) == 0 else { return 0 }  // S1
        let before = limit
        let target = rlim_t(max(wanted, 0))
        guard target > before.rlim_cur else { return Int(clamping: before.rlim_cur) }
        limit.rlim_cur = target
        limit.rlim_max = max(before.rlim_max, target)
        if unsafe cp_set_file_limit(&limit) == 0 { return Int(clamping: target) }
        // Only the superuser may go beyond the hard limit.
        limit.rlim_cur = min(target, before.rlim_max)
        limit.rlim_max = before.rlim_max
        if unsafe cp_set_file_limit(&limit) == 0 { return Int(clamping: limit.rlim_cur) }
        return Int(clamping: before.rlim_cur)
    }

    /// Keeps the kernel from merging this process's pages into huge ones, which makes touching a
    /// few bytes cost megabytes.
    ///
    /// - Returns: Whether the kernel agreed.
    @discardableResult
    public static func disableHugePages() -> Bool { cp_disable_huge_pages() == 0 }

    /// Gives memory that the allocator holds and nobody uses back to the system.
    public static func returnFreeMemory() {
        #if os(Linux)
            _ = malloc_trim(0)
        #endif
    }

    /// Changes the current directory.
    public static func setWorkingDirectory(_ path: String) throws(SystemError) {
        guard unsafe chdir(path) == 0 else { throw .last("chdir") }
    }

    /// Sets which permissions new files do not get, and returns the old setting.
    @discardableResult
    public static func setFileModeMask(_ mask: UInt32) -> UInt32 { umask(mask) }

    /// Ends the process at once.
    public static func exit(_ status: Int32) -> Never { CPlatform.exit(status) }

    /// Detaches the process from its terminal and goes on in the background.
    ///
    /// The caller's process exits; the copy that returns has another number, is the leader of a
    /// session, and has its standard streams on `/dev/null`. Call it before the first thread
    /// starts and before a poller is made: threads do not survive it.
    public static func becomeDaemon() throws(SystemError) {
        let child = cp_fork()
        guard child >= 0 else { throw .last("fork") }
        if child > 0 { _exit(0) }
        setsid()
        let null = unsafe cp_open("/dev/null", O_RDWR, 0)
        guard null >= 0 else { return }
        dup2(null, Descriptor.input)
        dup2(null, Descriptor.output)
        dup2(null, Descriptor.error)
        if null > Descriptor.error { Descriptor.close(null) }
    }
}
