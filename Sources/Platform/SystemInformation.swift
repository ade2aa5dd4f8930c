//  SystemInformation.swift — facts about the machine and the process.  U
//
//  ## Safety
//  - S1: every structure handed to the system is a local's.
import CPlatform

public enum SystemInformation {
    public static var processID: Int32 { getpid() }

    /// Name, release and machine of the kernel.
    public static var kernel: String {
        var text = [CChar](repeating: 0, count: 256)
        unsafe cp_kernel(&text, text.count)
        return string(text)
    }

    /// Path of the running program; empty when unknown.
    public static var executable: String {
        var text = [CChar](repeating: 0, count: 4096)
        let n = unsafe readlink("/proc/self/exe", &text, text.count - 1)
        return n > 0 ? string(text) : ""
    }

    private static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Bytes of memory that the process has in RAM.
    public static var residentBytes: Int { Int(cp_resident_bytes()) }

    /// Bytes of RAM in the machine.
    public static var totalMemory: Int {
        Int(sysconf(Int32(_SC_PHYS_PAGES))) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Whose processor time.
    public enum Subject: Int32, Sendable {
        case process = 0
        case children = -1
        case thread = 1
    }

    /// Seconds of processor time used so far.
    public static func processorTime(of subject: Subject) -> (user: Double, system: Double) {
        var user = 0.0, system = 0.0
        unsafe cp_processor_time(subject.rawValue, &user, &system)  // S1
        return (user, system)
    }

    /// Raises the limit of open descriptors towards `wanted` and returns what was achieved.
    public static func raiseDescriptorLimit(to wanted: Int) -> Int {
        Int(cp_raise_descriptor_limit(UInt(max(wanted, 0))))
    }
}
