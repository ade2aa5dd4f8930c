//  ServerIdentity.swift — what a server is called for as long as it runs.
import Platform

/// Facts that do not change between start and stop.
struct ServerIdentity: Sendable {
    /// 40 hexadecimal digits, new at every start.
    let runID: String
    /// Unix time of the start in milliseconds.
    let startedAt: Int64
    let configurationFile: String
    let executable: String
}
