//  Server+Listening.swift — addresses, and who may come in.
import Logging
import Platform

/// A socket that accepts connections.
struct Listener: Equatable, Sendable {
    let descriptor: Int32
    /// Numeric address or host name; empty for a unix socket.
    let address: String
    let port: UInt16
    /// Path of a unix socket; empty for TCP.
    let path: String

    var isUnix: Bool { !path.isEmpty }

    func close() {
        Socket.close(descriptor)
        if isUnix { FileSystem.remove(path) }
    }
}

extension Call {
    /// The listeners that the configuration asks for.
    ///
    /// Those that are there already are kept, the others are opened; nothing new stays open when
    /// one fails.
    ///
    /// - Throws: `SystemError` for an address that has to be there and cannot be bound.
    mutating func openListeners(onAnyPort: Bool = false) throws(SystemError) -> [Listener] {
        var wanted: [Listener] = []
        do throws(SystemError) {
            if configuration.port != 0 || onAnyPort { try openTCP(&wanted) }
            if !configuration.unixSocket.isEmpty { try openUnix(&wanted) }
        } catch {
            for listener in wanted where !listeners.contains(listener) { listener.close() }
            throw error
        }
        return wanted
    }

    private mutating func openTCP(_ wanted: inout [Listener]) throws(SystemError) {
        var port = UInt16(clamping: configuration.port)
        for entry in configuration.bind {
            // A leading '-' means: only if this machine has the address.
            let isOptional = entry.hasPrefix("-")
            let address = numeric(isOptional ? String(entry.dropFirst()) : entry)
            if let old = listeners.first(where: { $0.address == address && $0.port == port }) {
                wanted.append(old)
                continue
            }
            let fd: Int32
            do throws(SystemError) {
                fd = try Socket.listen(address: address, port: port, backlog: backlog)
            } catch {
                if isOptional, error.meansNoSuchAddress { continue }
                let text = LifecycleText.cannotListen(
                    on: address, port: Int(port), error.description)
                log.warning("\(text)")
                throw error
            }
            if port == 0 { port = Socket.port(of: fd) }
            wanted.append(Listener(descriptor: fd, address: address, port: port, path: ""))
        }
        configuration.port = Int(port)
    }

    private func openUnix(_ wanted: inout [Listener]) throws(SystemError) {
        let path = configuration.unixSocket
        if let old = listeners.first(where: { $0.path == path }) { return wanted.append(old) }
        do throws(SystemError) {
            let fd = try Socket.listen(
                path: path, permissions: UInt32(clamping: configuration.unixSocketPermissions),
                backlog: backlog)
            wanted.append(Listener(descriptor: fd, address: "", port: 0, path: path))
        } catch {
            log.warning("Failed opening Unix socket: \(error)")
            throw error
        }
    }

    private var backlog: Int32 { Int32(clamping: configuration.tcpBacklog) }

    private func numeric(_ address: String) -> String {
        switch address {
        case "*": "0.0.0.0"
        case "::*": "::"
        default: address
        }
    }
}

extension Server {
    private static var acceptsPerTurn: Int { 1000 }
    /// Connections that are let in although the turn is late.
    static var acceptsWhenLate: Int { 8 }

    /// The TCP port that the server listens on; 0 without one.
    package var port: Int { Int(executor.call.listeners.first { !$0.isUnix }?.port ?? 0) }
    package var listensOnTCP: Bool { executor.call.listeners.contains { !$0.isUnix } }
    package var listensOnUnixSocket: Bool { executor.call.listeners.contains { $0.isUnix } }

    /// Listens at every configured address.
    ///
    /// - Parameter onAnyPort: Lets the system choose the TCP port, whatever is configured.
    /// - Throws: `SystemError` for an address that has to be there and cannot be bound.
    package mutating func listen(onAnyPort: Bool = false) throws(SystemError) {
        if onAnyPort { executor.call.configuration.port = 0 }
        take(try executor.call.openListeners(onAnyPort: onAnyPort))
    }

    /// Listens on these from now on and gives up the others.
    mutating func take(_ wanted: [Listener]) {
        let old = executor.call.listeners
        for listener in old {
            poller.completesStreams
                ? poller.stopAccepting(listener.descriptor) : poller.forget(listener.descriptor)
        }
        for listener in old where !wanted.contains(listener) { listener.close() }
        executor.call.listeners = wanted
        if poller.completesStreams { return acceptAll() }
        for (i, listener) in wanted.enumerated() {
            do throws(SystemError) {
                try poller.watch(listener.descriptor, token: EventToken.listenerWord(i))
            } catch {
                log.warning("A listening socket cannot be watched: \(error)")
            }
        }
    }

    mutating func accept(_ listener: Listener) {
        if executor.call.now < acceptsAgainAt { return }
        for i in 0..<Self.acceptsPerTurn {
            if i >= Self.acceptsWhenLate, executor.isLate { return }
            switch Socket.accept(listener.descriptor) {
            case .connection(let fd): open(fd, isUnix: listener.isUnix)
            case .none: return
            case .aborted: continue
            case .exhausted(let code): return restAccepting(code)
            }
        }
    }

    mutating func restAccepting(_ code: Int32) {
        let reason = SystemError(operation: "accept", code: code).reason
        log.warning("Accepting client connection: \(reason)")
        acceptsAgainAt = executor.call.now + 100
    }

    mutating func open(_ fd: Int32, isUnix: Bool) {
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
        if poller.completesStreams { return receive(slot) }
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
