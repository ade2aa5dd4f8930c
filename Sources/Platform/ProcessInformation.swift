//  ProcessInformation.swift — what the process is, and how it leaves the terminal.
import CPlatform

public enum ProcessInformation {
    /// The number of this process.
    public static var id: Int32 { getpid() }

    /// Goes on as a daemon: a child without a terminal, in the same directory, with its standard
    /// streams at /dev/null.
    ///
    /// To be called before there is a second thread.
    public static func becomeDaemon() throws(SystemError) {
        guard daemon(1, 0) == 0 else { throw .last("daemon") }
    }

    /// Ends the process.
    public static func exit(_ status: Int32) -> Never { CPlatform.exit(status) }
}
