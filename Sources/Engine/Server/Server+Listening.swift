//  Server+Listening.swift — addresses, and who may come in.
import Logging
import Platform

/// A socket that accepts connections.
struct Listener {
    let descriptor: Int32
    /// Path of a unix socket; empty for TCP.
    let path: String
    let port: UInt16

    var isUnix: Bool { !path.isEmpty }

    func close() {
        Socket.close(descriptor)
        if isUnix { FileSystem.remove(path) }
    }
}

extension Server {
    private static var acceptsPerTurn: Int { 1000 }

    /// The TCP port that the server listens on; 0 without one.
    package var port: Int { Int(listeners.first { !$0.isUnix }?.port ?? 0) }
    package var listensOnTCP: Bool { listeners.contains { !$0.isUnix } }
    package var listensOnUnixSocket: Bool { listeners.contains { $0.isUnix } }

    /// Listens at every configured address.
    ///
    /// - Parameter onAnyPort: Lets the system choose the TCP port, whatever is configured.
    /// - Throws: `SystemError` for an address that has to be there and cannot be bound.
    package mutating func listen(onAnyPort: Bool = false) throws(SystemError) {
        if onAnyPort { executor.call.configuration.port = 0 }
        let configuration = executor.call.configuration
        let backlog = Int32(clamping: configuration.tcpBacklog)
        if configuration.port != 0 || onAnyPort {
            try listenTCP(configuration, backlog)
        }
        let path = configuration.unixSocket
        guard !path.isEmpty else { return }
        let fd = try Socket.listen(
            path: path, permissions: UInt32(clamping: configuration.unixSocketPermissions),
            backlog: backlog)
        try add(Listener(descriptor: fd, path: path, port: 0))
    }

    private mutating func listenTCP(
        _ configuration: Configuration, _ backlog: Int32
    ) throws(SystemError) {
        var port = UInt16(clamping: configuration.port)
        for entry in configuration.bind {
            // A leading '-' means: only if this machine has the address.
            let isOptional = entry.hasPrefix("-")
            let address = Self.numeric(isOptional ? String(entry.dropFirst()) : entry)
            let fd: Int32
            do throws(SystemError) {
                fd = try Socket.listen(address: address, port: port, backlog: backlog)
            } catch {
                if isOptional, error.meansNoSuchAddress { continue }
                throw error
            }
            if port == 0 { port = Socket.port(of: fd) }
            try add(Listener(descriptor: fd, path: "", port: port))
        }
        executor.call.configuration.port = Int(port)
    }

    private static func numeric(_ address: String) -> String {
        switch address {
        case "*": "0.0.0.0"
        case "::*": "::"
        default: address
        }
    }

    private mutating func add(_ listener: Listener) throws(SystemError) {
        try poller.watch(listener.descriptor, token: EventToken.listenerWord(listeners.count))
        listeners.append(listener)
    }

    /// Listens anew after CONFIG SET; what cannot be bound is logged, and the old addresses are
    /// given up only when the new ones are there.
    mutating func relisten() {
        let old = listeners
        listeners = []
        for listener in old {
            poller.forget(listener.descriptor)
            listener.close()
        }
        do throws(SystemError) {
            try listen()
        } catch {
            log.warning("Failed listening after CONFIG SET: \(error)")
        }
    }

    mutating func accept(_ listener: Listener) {
        if executor.call.now < acceptsAgainAt { return }
        for _ in 0..<Self.acceptsPerTurn {
            switch Socket.accept(listener.descriptor) {
            case .connection(let fd): open(fd, isUnix: listener.isUnix)
            case .none: return
            case .aborted: continue
            case .exhausted(let code):
                let reason = SystemError(operation: "accept", code: code).reason
                log.warning("Accepting client connection: \(reason)")
                acceptsAgainAt = executor.call.now + 100
                return
            }
        }
    }

    private mutating func open(_ fd: Int32, isUnix: Bool) {
        if let reason = objection(to: fd, isUnix: isUnix) {
            executor.call.statistics.rejectedConnections += 1
            // Best effort: the socket's buffer is empty.
            var reply = Reply()
            reply.error(reason)
            _ = Socket.write(fd, reply.out.span)
            return Socket.close(fd)
        }
        if !isUnix {
            Socket.setNoDelay(fd)
            let seconds = executor.call.configuration.tcpKeepAlive
            Socket.setKeepAlive(fd, seconds: Int32(clamping: seconds))
        }
        let slot = executor.openClient(descriptor: fd, isUnix: isUnix)
        while connections.count <= slot { connections.append(Connection()) }
        connections[slot].open(fd)
        let generation = connections[slot].generation
        do throws(SystemError) {
            try poller.watch(fd, token: EventToken.connectionWord(slot, generation))
        } catch {
            log.warning("Error registering fd event for the new client: \(error.reason)")
            close(slot)
        }
    }

    /// Why a connection is not let in; nil when it is.
    private func objection(to fd: Int32, isUnix: Bool) -> String? {
        if executor.call.clients.count >= executor.call.configuration.maxClients {
            return "ERR max number of clients reached"
        }
        let isProtected =
            executor.call.configuration.protectedMode
            && executor.call.configuration.requirePass.isEmpty
        guard isProtected, !isUnix, !Socket.isLocal(fd) else { return nil }
        return """
            DENIED Martlet is running in protected mode because protected mode is enabled and no \
            password is set for the default user. In this mode connections are only accepted \
            from the loopback interface. To connect from other machines, set a password with \
            'requirepass' or 'CONFIG SET requirepass', or turn the protection off with \
            'CONFIG SET protected-mode no' from this machine or '--protected-mode no' at the start.
            """
    }
}
