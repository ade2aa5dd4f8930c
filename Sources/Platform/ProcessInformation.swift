//  ProcessInformation.swift — what the process is.
import CPlatform

public enum ProcessInformation {
    /// The number of this process.
    public static var id: Int32 { getpid() }
}
