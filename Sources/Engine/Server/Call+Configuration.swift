//  Call+Configuration.swift — what a change of the configuration changes elsewhere.
import Logging
import Platform

extension Call {
    /// Puts directives with new values into effect.
    ///
    /// - Throws: `ConfigurationError` with the reply when the system does not go along; the caller
    ///   then restores the old values.
    mutating func apply(_ names: [String]) throws(ConfigurationError) {
        if names.contains("maxclients") { try makeRoomForClients() }
        try listenElsewhere(names)
        if names.contains("appendonly") { try switchAppendOnlyFile() }
        if names.contains("loglevel") { log.logLevel = configuration.logLevel.threshold }
        requests.configurationChanged = true
    }

    private mutating func switchAppendOnlyFile() throws(ConfigurationError) {
        // What is being loaded decides at its end.
        guard persistence.loading == nil else { return }
        if !configuration.appendOnly { return stopAppendOnlyFile() }
        do throws(SystemError) {
            try startAppendOnlyFile()
        } catch {
            log.warning("The append-only file cannot be begun: \(error)")
            throw .applying(
                "appendonly", "Unable to turn on AOF. Check server logs.")
        }
    }

    /// Descriptors that the process needs besides those of clients.
    static var reservedDescriptors: Int { 32 }

    private func makeRoomForClients() throws(ConfigurationError) {
        let wanted = configuration.maxClients + Self.reservedDescriptors
        let limit = Process.raiseDescriptorLimit(to: wanted)
        guard limit < wanted else { return }
        throw .applying(
            "maxclients",
            "The operating system is not able to handle the specified number of clients, try "
                + "with \(max(limit - Self.reservedDescriptors, 1))")
    }

    private mutating func listenElsewhere(_ names: [String]) throws(ConfigurationError) {
        let isPort = names.contains("port")
        guard isPort || names.contains("bind") else { return }
        do throws(SystemError) {
            requests.listeners = try openListeners()
        } catch {
            log.warning("\(error)")
            if isPort {
                throw .applying(
                    "port", "Unable to listen on this port. Check server logs.")
            }
            throw .applying("bind", "Failed to bind to specified addresses.")
        }
    }
}
