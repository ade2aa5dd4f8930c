//  ServerTests.swift — what a server says of itself, how it ends, and where it listens.
import Engine
import Platform
import TestSupport
import Testing

@Suite("Servers")
struct ServerTests {
    // MARK: - INFO

    @Test(.enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
    func `INFO has the fields that exporters look for`() throws {
        // How Redis was compiled, its modules, its own way to measure its loop, and histograms.
        let redisOnly: Set<String> = [
            "atomicvar_api", "gcc_version", "module", "eventloop_duration_cmd_sum",
            "eventloop_duration_sum", "instantaneous_eventloop_cycles_per_sec",
            "instantaneous_eventloop_duration_usec", "used_memory_vm_total_human",
            "latency_percentiles_usec_set", "db0_distrib_strings_sizes",
        ]
        let server = try EmbeddedServer(), peer = try PeerServer()
        let c = try server.connect()
        for client in [c, peer.client] { for _ in 0..<3 { _ = try client("SET", "k", "v") } }
        let ours = Set(try c.info().keys), theirs = Set(try peer.client.info().keys)
        let missing = theirs.subtracting(ours).subtracting(redisOnly)
        #expect(missing.isEmpty, "\(missing.sorted())")
        #expect(ours.subtracting(theirs) == ["server_name", "martlet_version"])
    }

    @Test func `INFO gives the sections that are asked for`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        func titles(_ words: String...) throws -> [String] {
            let text = try c.send(["INFO"] + words).text ?? ""
            return text.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("# ") }.map {
                String($0.dropFirst(2))
            }
        }
        #expect(try titles("server") == ["Server"])
        #expect(try titles("SERVER", "clients") == ["Server", "Clients"])
        #expect(try titles("nope").isEmpty)
        #expect(try titles("keyspace", "cpu") == ["CPU", "Keyspace"])
        let usual = try titles(), all = try titles("all")
        #expect(!usual.contains("Commandstats") && all.contains("Commandstats"))
        #expect(try titles("default") == usual)
        #expect(try titles("everything") == all)
        #expect(Set(all).count == all.count)
    }

    @Test func `INFO counts what happens`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        for i in 0..<10 { _ = try c("SET", "k\(i)", "v") }
        for i in 0..<15 { _ = try c("GET", "k\(i)") }
        _ = try c("GET")
        _ = try c("INCR", "k0")
        _ = try c("NOPE")
        let info = try c.info()
        #expect(info["redis_version"] == "8.2.0" && info["server_name"] == "martlet")
        #expect(info["keyspace_hits"] == "10" && info["keyspace_misses"] == "5")
        #expect(info["db0"]?.hasPrefix("keys=10,expires=0,avg_ttl=0") == true)
        #expect(info["connected_clients"] == "1" && info["total_connections_received"] == "1")
        #expect(info["cmdstat_set"]?.hasPrefix("calls=10,") == true)
        #expect(info["cmdstat_get"]?.hasPrefix("calls=15,") == true)
        #expect(info["cmdstat_get"]?.contains("rejected_calls=1,failed_calls=0") == true)
        #expect(info["cmdstat_incr"]?.contains("rejected_calls=0,failed_calls=1") == true)
        #expect(info["errorstat_ERR"] == "count=3" && info["total_error_replies"] == "3")
        #expect(info["tcp_port"] == "\(server.port)" && info["role"] == "master")
        _ = try c("CONFIG", "RESETSTAT")
        let reset = try c.info()
        #expect(reset["keyspace_hits"] == "0" && reset["cmdstat_set"] == nil)
        #expect(reset["errorstat_ERR"] == nil && reset["total_error_replies"] == "0")
        #expect(reset["db0"]?.hasPrefix("keys=10,") == true)
    }

    @Test func `memory grows with keys and shrinks without them`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        let before = try c.infoNumber("used_memory")
        for i in 0..<100 { _ = try c("SET", "k\(i)", String(repeating: "v", count: 100_000)) }
        #expect(try c.infoNumber("used_memory") - before > 10_000_000)
        _ = try c("FLUSHALL")
        #expect(try c.infoNumber("used_memory") - before < 1_000_000)
        #expect(try c.infoNumber("used_memory_peak") - before > 10_000_000)
    }

    // MARK: - COMMAND

    @Test func `COMMAND, COUNT, LIST, INFO and DOCS agree`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        let names = try c("COMMAND", "LIST").items.compactMap(\.text)
        #expect(try c("COMMAND", "COUNT") == .integer(names.count))
        let all = try c("COMMAND").items
        #expect(Set(all.compactMap { $0.item(0)?.text }) == Set(names))
        let docs = try c("COMMAND", "DOCS").pairs
        #expect(Set(docs.compactMap(\.key.text)) == Set(names))
        for (name, documentation) in docs {
            #expect(documentation["summary"]?.text?.isEmpty == false, "\(name)")
            #expect(documentation["since"]?.text?.isEmpty == false, "\(name)")
        }
        let some = try c("COMMAND", "INFO", "GET", "nope", "client|kill").items
        #expect(some.count == 3 && some[1] == .null)
        #expect(some[0].item(0) == .bulk("get") && some[2].item(0) == .bulk("client|kill"))
        let reads = try c("COMMAND", "LIST", "FILTERBY", "ACLCAT", "string").items
        #expect(reads.contains(.bulk("getex")) && !reads.contains(.bulk("ping")))
    }

    // MARK: - Sockets

    @Test func `a unix socket has its permissions and goes with its server`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        let server = try EmbeddedServer {
            $0.unixSocket = path
            $0.unixSocketPermissions = 0o600
        }
        let c = try RESPClient(path: path)
        #expect(try c("PING") == .simple("PONG"))
        let line = try #require(clients(try c("CLIENT", "INFO")).first)
        #expect(line["addr"] == path + ":0" && line["flags"] == "U")
        let (_, mode) = try run("/usr/bin/env", ["stat", "-c", "%a", path])
        #expect(mode == "600\n")
        server.stop()
        #expect(FileSystem.paths(matching: path).isEmpty)
    }

    @Test func `clients on this machine are let in although there is no password`() throws {
        let server = try EmbeddedServer { $0.bind = ["127.0.0.1", "-::1"] }
        let c = try server.connect()
        #expect(try c("CONFIG", "GET", "protected-mode").item(1) == .bulk("yes"))
        if let six = try? RESPClient(port: server.port, host: "::1") {
            #expect(try six("PING") == .simple("PONG"))
            let line = try #require(clients(try six("CLIENT", "INFO")).first)
            #expect(line["addr"]?.hasPrefix("[::1]:") == true)
        }
    }

    // MARK: - The end

    @Test func `SHUTDOWN ends the server and all its clients`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect(), other = try server.connect(), half = try server.connect()
        #expect(try other("PING") == .simple("PONG"))
        try half.write("*2\r\n$3\r\nGET\r\n$100\r\nabc")
        try c.write("SET k v\r\nSHUTDOWN NOSAVE\r\nPING\r\n")
        #expect(try c.readToEnd() == Array("+OK\r\n".utf8))
        #expect(try other.readToEnd().isEmpty)
        #expect(try half.readToEnd().isEmpty)
        try waitUntil("the port is free") {
            let socket = try? Socket.listen(
                address: "127.0.0.1", port: UInt16(server.port), backlog: 1)
            guard let socket else { return false }
            Socket.close(socket)
            return true
        }
        server.stop()
        server.stop()
    }

    @Test func `servers of one process share nothing`() throws {
        let servers = try (0..<5).map { _ in try EmbeddedServer() }
        #expect(Set(servers.map(\.port)).count == 5)
        let all = try servers.map { try $0.connect() }
        for (i, c) in all.enumerated() {
            _ = try c("SET", "k", "\(i)")
            _ = try c("CONFIG", "SET", "timeout", "\(100 + i)")
            _ = try c("CLIENT", "SETNAME", "name\(i)")
        }
        for (i, c) in all.enumerated() {
            #expect(try c("GET", "k") == .bulk("\(i)"))
            #expect(try c("CONFIG", "GET", "timeout").item(1) == .bulk("\(100 + i)"))
            #expect(clients(try c("CLIENT", "LIST")).map { $0["name"] } == ["name\(i)"])
            #expect(try c("DBSIZE") == .integer(1))
        }
        #expect(Set(try all.map { try $0.info()["run_id"] }).count == 5)
        try all[0].write("SHUTDOWN NOSAVE\r\n")
        #expect(try all[0].readToEnd().isEmpty)
        for c in all.dropFirst() { #expect(try c("PING") == .simple("PONG")) }
    }
}
