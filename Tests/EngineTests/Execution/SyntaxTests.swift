//  SyntaxTests.swift — syntax lines and what follows from them, without a server to compare with.
import TestSupport
import Testing

@testable import Engine

@Suite("Syntax") struct SyntaxTests {
    @Test(arguments: [
        ("GET key", 2), ("SET key value [NX | XX] [EX seconds | KEEPTTL]", -3),
        ("DEL key [key ...]", -2), ("MSET key value [key value ...]", -3), ("PING [message]", -1),
        ("CLIENT GETNAME", 2), ("CLIENT REPLY <ON | OFF | SKIP>", 3),
        ("CLIENT SETINFO <LIB-NAME libname | LIB-VER libver>", 4),
        ("REPLICAOF <host port | NO ONE>", 3), ("AUTH [username] password", -2),
        ("EVAL script numkeys [key [key ...]] [arg [arg ...]]", -3),
        ("XREAD [COUNT count] STREAMS key [key ...] id [id ...]", -4),
        ("ZADD key [NX | XX] [CH] score member [score member ...]", -4),
    ])
    func `arity counts the words that must be there`(line: String, arity: Int) {
        #expect(Int(Syntax(line).arity) == arity)
    }

    @Test func `a name has one word or two`() {
        #expect(Syntax("GET key").fullName == "get")
        #expect(Syntax("CLIENT NO-EVICT <ON | OFF>").fullName == "client|no-evict")
        #expect(Syntax("PING [message]").name == ["PING"])
    }

    @Test func `a token owns what follows it`() throws {
        let syntax = Syntax("X key [LIMIT offset count] [COUNT count [ANY]]", names: ["", "both"])
        let limit = syntax.arguments[1]
        #expect(limit.type == .block)
        #expect(limit.token == "LIMIT")
        #expect(limit.isOptional)
        #expect(limit.parts.map(\.name) == ["offset", "count"])
        let count = syntax.arguments[2]
        #expect(count.name == "both")
        #expect(count.parts[0].token == "COUNT")
        #expect(count.parts[1].type == .pureToken)
    }

    @Test func `repetition folds into what is repeated`() {
        let syntax = Syntax("X [GET pattern [GET pattern ...]] [ID id [id ...]] a b [a b ...]")
        #expect(syntax.arguments.map(\.isMultiple) == [true, true, true])
        #expect(syntax.arguments.map(\.isTokenMultiple) == [true, false, false])
        #expect(syntax.arguments[2].name == "data")
        #expect(syntax.arguments[2].parts.map(\.name) == ["a", "b"])
    }

    @Test func `types follow from names unless the line says otherwise`() {
        let syntax = Syntax("X key count start:string by-pattern=pattern ip:port")
        #expect(syntax.arguments.map(\.type) == [.key, .integer, .string, .pattern, .string])
        #expect(syntax.arguments[3].display == "pattern")
        #expect(syntax.arguments[4].name == "ip:port")
    }

    @Test func `people see the line without what only COMMAND DOCS needs`() {
        let syntax = Syntax("X key {start:string [BY by-pattern=pattern]} <auto=* | id> [e=\"\"]")
        #expect(syntax.text == "X key start [BY pattern] <* | id> [\"\"]")
    }

    // MARK: - Keys

    @Test(arguments: [
        ("LCS a b", "LCS key1 key2 [LEN]", [1, 2]),
        ("BLPOP a b 0", "BLPOP key [key ...] timeout", [1, 2]),
        ("MSET a 1 b 2", "MSET key value [key value ...]", [1, 3]),
        ("EVAL s 2 a b c", "EVAL script numkeys [key [key ...]] [arg [arg ...]]", [3, 4]),
        (
            "XREAD COUNT 1 streams a b 0 0",
            "XREAD [COUNT count] STREAMS key [key ...] id [id ...]", [4, 5]
        ),
        ("OBJECT ENCODING a", "OBJECT ENCODING key", [2]),
        ("SCAN 0", "SCAN cursor", []),
    ])
    func `keys of a request are found`(request: String, line: String, expected: [Int]) {
        #expect(positions(line, request, .reads)?.map(\.index) == expected)
    }

    @Test(arguments: [
        ("ZUNION 0 a", "ZUNION numkeys key [key ...]"),
        ("ZUNION 9223372036854775807 a", "ZUNION numkeys key [key ...]"),
        ("ZUNION -1 a", "ZUNION numkeys key [key ...]"),
        ("ZUNION x a", "ZUNION numkeys key [key ...]"),
        ("ZUNION 2 a", "ZUNION numkeys key [key ...]"),
    ])
    func `a count of keys that cannot be right has no keys`(request: String, line: String) {
        #expect(positions(line, request, .reads) == nil)
    }

    private func positions(
        _ line: String, _ request: String, _ accesses: KeyAccess...
    ) -> [KeyPosition]? {
        var syntax = Syntax(line)
        let specs = KeySpecBuilder.specs(
            of: &syntax, syntax.arguments.contains { $0.name.hasPrefix("cursor") } ? [] : accesses)
        return withArguments(request.split(separator: " ").map(String.init)) { args in
            KeySpec.positions(of: specs, in: args, options: syntax.optionWidths)
        }
    }

    // MARK: - Requests from lines

    /// Commands that end the client or the server, or whose options exclude each other.
    static let excluded: Set<String> = [
        "shutdown", "debug", "client|kill", "client|reply", "client|list", "quit", "reset",
        "auth", "hello", "config|set", "config|rewrite", "client|pause", "restore",
    ]

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `requests made from a command's line are understood`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let generator = SyntaxGenerator()
        let server = LocalServer()
        let documents = CommandTable(Family.all).documents
        for document in documents where !Self.excluded.contains(document.fullName) {
            if !document.subcommands.isEmpty { continue }
            for _ in 0..<40 {
                let request = generator.request(document.syntax, using: &random)
                guard case .error(let text)? = server(request) else { continue }
                // Longer texts are about options that do not go together.
                #expect(!text.hasSuffix("syntax error"), "seed \(seed): \(request)")
                #expect(!text.contains("wrong number of arguments"), "seed \(seed): \(request)")
            }
        }
    }

    @Test(arguments: [4, 5, 6] as [UInt64])
    func `requests that are almost right get one reply each`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let generator = SyntaxGenerator()
        let server = LocalServer()
        let documents = CommandTable(Family.all).documents
        for document in documents where !Self.excluded.contains(document.fullName) {
            for _ in 0..<40 {
                let request = generator.spoiledRequest(document.syntax, using: &random)
                #expect(server(request) != nil, "seed \(seed): \(request)")
            }
        }
    }
}
