//  CommandIntrospectionTests.swift — COMMAND, here and on a real server.
import TestSupport
import Testing

@testable import Engine

@Suite("COMMAND") struct CommandIntrospectionTests {
    @Test(arguments: RESPVersion.allCases)
    func `COMMAND describes as many commands as COMMAND COUNT counts`(version: RESPVersion) throws {
        let server = LocalServer(version: version)
        let count = try #require(server("COMMAND", "COUNT")?.integer)
        #expect(server("COMMAND")?.items.count == count)
        #expect(server("COMMAND", "INFO")?.items.count == count)
        #expect(server("COMMAND", "LIST")?.items.count == count)
        #expect(server("COMMAND", "DOCS")?.pairs.count == count)
    }

    @Test(arguments: RESPVersion.allCases)
    func `COMMAND INFO answers null for a name it does not know`(version: RESPVersion) {
        let server = LocalServer(version: version)
        let reply = server("COMMAND", "INFO", "nope", "get", "client|nope")
        #expect(reply?.item(0) == .null)
        #expect(reply?.item(1)?.item(0) == .bulk("get"))
        #expect(reply?.item(2) == .null)
    }

    @Test func `COMMAND DOCS leaves out names it does not know`() {
        let server = LocalServer(version: .resp3)
        #expect(server("COMMAND", "DOCS", "nope", "GET")?.pairs.map(\.key.text) == ["get"])
    }

    @Test func `a container stands for its subcommands`() {
        let server = LocalServer()
        let info = server("COMMAND", "INFO", "object")?.item(0)
        #expect(info?.item(1) == .integer(-2))
        #expect(info?.item(9)?.items.contains { $0.item(0) == .bulk("object|encoding") } == true)
    }

    @Test func `COMMAND LIST filters by category and by pattern`() {
        let server = LocalServer()
        let strings = server("COMMAND", "LIST", "FILTERBY", "ACLCAT", "string")?.items ?? []
        #expect(strings.contains(.bulk("get")))
        #expect(!strings.contains(.bulk("del")))
        #expect(
            server("COMMAND", "LIST", "FILTERBY", "PATTERN", "GETd*") == .array([.bulk("getdel")]))
        #expect(server("COMMAND", "LIST", "FILTERBY", "MODULE", "any") == .array([]))
    }

    @Test func `COMMAND HELP is a list of status lines`() {
        let lines = LocalServer()("COMMAND", "HELP")?.items ?? []
        #expect(
            lines.first
                == .simple("COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"))
        #expect(lines.last == .simple("    Print this help."))
    }

    /// Requests whose replies are the same on a real server.
    static let requests = [
        "COMMAND GETKEYS", "COMMAND GETKEYS nope", "COMMAND GETKEYS ping", "COMMAND GETKEYS get",
        "COMMAND GETKEYS get a", "COMMAND GETKEYS get a b", "COMMAND GETKEYS object nope k",
        "COMMAND GETKEYS client", "COMMAND GETKEYS client id", "COMMAND GETKEYS mset a 1 b 2",
        "COMMAND GETKEYS mset a 1 b", "COMMAND GETKEYS del a b c",
        "COMMAND GETKEYS object encoding k", "COMMAND GETKEYSANDFLAGS set a 1",
        "COMMAND GETKEYSANDFLAGS set a 1 get", "COMMAND GETKEYSANDFLAGS set get get",
        "COMMAND GETKEYSANDFLAGS rename a b",
        "COMMAND GETKEYSANDFLAGS renamenx a b", "COMMAND GETKEYSANDFLAGS copy a b db 1",
        "COMMAND GETKEYSANDFLAGS unlink a b", "COMMAND GETKEYSANDFLAGS append a b",
        "COMMAND GETKEYSANDFLAGS msetnx a 1 b 2", "COMMAND GETKEYSANDFLAGS getex a persist",
        "COMMAND LIST FILTERBY", "COMMAND LIST FILTERBY ACLCAT nope",
        "COMMAND LIST FILTERBY ACLCAT @string", "COMMAND LIST FILTERBY PATTERN getse*",
        "COMMAND LIST FILTERBY MODULE foo", "COMMAND LIST X", "COMMAND LIST FILTERBY FOO x",
        "COMMAND LIST FILTERBY ACLCAT geo pp", "COMMAND INFO nope", "COMMAND DOCS nope",
        "COMMAND FOO", "COMMAND COUNT x", "COMMAND HELP x", "COMMAND INFO mset",
        "COMMAND INFO type",
        "COMMAND INFO object|encoding", "COMMAND INFO config|get|x", "COMMAND DOCS |",
    ]

    @Test(.enabled(if: PeerServer.exactBinary != nil, "no peer is installed"), arguments: RESPVersion.allCases)
    func `replies equal those of a real server`(version: RESPVersion) throws {
        let peer = try PeerServer(version: Int(version.rawValue))
        let server = LocalServer(version: version)
        for request in Self.requests {
            let words = request.split(separator: " ").map(String.init)
            #expect(try server(words) == peer.send(words), "\(request)")
        }
    }
}
