//  ServerIdentity.swift — what a server is called for as long as it runs.
import Platform

/// Facts that do not change between start and stop.
package struct ServerIdentity: Sendable {
    /// Martlet's own version.
    package static let version = "0.1.0"
    /// The Redis version whose behaviour clients may expect.
    package static let redisVersion = "8.2.0"

    /// 40 hexadecimal digits, new at every start.
    let runID: String
    /// Unix time of the start in milliseconds.
    let startedAt: Int64
    let configurationFile: String
    let executable: String

    package init(configurationFile: String) {
        var random = RandomGenerator()
        runID = Self.newID(&random)
        startedAt = Clock.unixMilliseconds()
        self.configurationFile = configurationFile
        executable = SystemInformation.executable
    }

    /// 40 hexadecimal digits by chance.
    static func newID(_ random: inout RandomGenerator) -> String {
        String((0..<40).map { _ in "0123456789abcdef".randomElement(using: &random) ?? "0" })
    }
}
