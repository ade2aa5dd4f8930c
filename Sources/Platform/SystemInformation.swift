//  SystemInformation.swift — facts about the machine and the process.  U
//
//  A fact that the system does not tell is 0 or empty: facts end up in reports, and a report with
//  a hole is better than none.
//
//  ## Safety
//  - S1: the system fills a local, or a buffer whose size it is told.
//  - S2: texts that the system owns are copied before anything else runs.
import CPlatform

/// Facts about the machine and the process.
public enum SystemInformation {
    /// The number of this process.
    public static var processID: Int32 { getpid() }

    // MARK: - Names

    /// Name, release and machine of the kernel, as `Linux 6.1.0 x86_64`.
    public static var kernel: String {
        var name = utsname()
        guard unsafe uname(&name) == 0 else { return "unknown" }  // S1
        return [text(name.sysname), text(name.release), text(name.machine)]
            .joined(separator: " ")
    }

    private static func text<Field>(_ field: Field) -> String {
        unsafe withUnsafeBytes(of: field) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    /// Path of the running program; empty when unknown.
    public static var executable: String {
        var path = [CChar](repeating: 0, count: 4096)
        let count = unsafe readlink("/proc/self/exe", &path, path.count)  // S1
        return String(
            decoding: path.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The value of a variable of the environment.
    public static func environment(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }  // S2
    }

    // MARK: - Memory

    /// Bytes of memory that the process has in RAM.
    public static var residentBytes: Int {
        // Total and resident size come first, in pages.
        let fields = contents("/proc/self/statm").split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return 0 }
        return pages.multipliedReportingOverflow(by: pageBytes).partialValue
    }

    /// The most bytes of memory that the process has had in RAM.
    public static var peakResidentBytes: Int {
        var usage = rusage()
        guard unsafe cp_rusage(Subject.process.rawValue, &usage) == 0 else { return 0 }  // S1
        return usage.ru_maxrss * 1024
    }

    /// Bytes of RAM in the machine.
    public static var totalMemory: Int {
        let pages = max(sysconf(Int32(_SC_PHYS_PAGES)), 0)
        return pages.multipliedReportingOverflow(by: pageBytes).partialValue
    }

    /// Bytes of a page of memory.
    public static var pageBytes: Int { max(sysconf(Int32(_SC_PAGESIZE)), 1) }

    /// The kernel's policy on promising more memory than there is (0, 1 or 2); nil without one.
    public static var overcommitPolicy: Int? {
        Int(contents("/proc/sys/vm/overcommit_memory").prefix { $0 != "\n" })
    }

    // MARK: - Processor time

    /// Whose processor time.
    public enum Subject: Int32, Sendable {
        case process = 0
        case children = 1
        case thread = 2
    }

    /// Seconds of processor time used so far.
    public static func processorTime(of subject: Subject) -> (user: Double, system: Double) {
        var usage = rusage()
        _ = unsafe cp_rusage(subject.rawValue, &usage)  // S1
        return (seconds(usage.ru_utime), seconds(usage.ru_stime))
    }

    private static func seconds(_ time: timeval) -> Double {
        Double(time.tv_sec) + Double(time.tv_usec) / 1e6
    }

    /// The beginning of a small file of the kernel.
    private static func contents(_ path: String) -> String {
        let descriptor = unsafe cp_open(path, O_RDONLY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { return "" }
        defer { Descriptor.close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = unsafe read(descriptor, &bytes, bytes.count)  // S1
        return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    }
}
