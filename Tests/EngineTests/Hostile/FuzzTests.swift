//  FuzzTests.swift — requests from the commands' own grammar, with arguments that hurt.
//
//  MARTLET_FUZZ_SECONDS goes on with other seeds for so long; MARTLET_FUZZ_SEED says where to begin.
import Platform
import TestSupport
import Testing

@testable import Engine

@Suite("Fuzz")
struct FuzzTests {
    private static let requestsPerSeed = 40_000
    private static let seconds = Programs.environment("MARTLET_FUZZ_SECONDS").flatMap(Int.init)
    private static let seed =
        Programs.environment("MARTLET_FUZZ_SEED").flatMap { UInt64($0) } ?? 1

    private static let hostile = [
        "", "0", "-0", "-1", "+1", "00", "9223372036854775807", "9223372036854775808",
        "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "4294967296",
        "2147483648", "-2147483649", "536870912", "1e400", "-1e400", "nan", "-nan", "inf", "-inf",
        "0x1p-1074", "1.7976931348623157e308", "99999999999999999999999999999999999999999",
        "line\r\nend", "\r\n", "\0", "*3\r\n", "$-1\r\n", "é", "%n%s", "../../etc/passwd",
        String(repeating: "9", count: 400), String(repeating: "[", count: 300),
        String(repeating: "*a", count: 200), String(repeating: "x", count: 20_000),
    ]

    /// Commands that end the server, its connection, or its replies.
    private static let spared: Set<String> = [
        "shutdown", "quit", "client|reply", "client|kill", "config|set", "config|rewrite", "debug",
        "reset", "hello", "auth", "monitor", "client|pause",
    ]

    @Test func `no request harms the server`() throws {
        let deadline = Clock.monotonicNanoseconds() + Int64(Self.seconds ?? 0) * 1_000_000_000
        var seed = Self.seed
        repeat {
            try run(seed)
            seed += 1
        } while Self.seconds != nil && Clock.monotonicNanoseconds() < deadline
    }

    private func run(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var generator = SyntaxGenerator()
        generator.keys = ["a", "b", "", "k\r\n"]
        generator.values = Self.hostile
        generator.integers = Self.hostile
        generator.doubles = Self.hostile
        generator.patterns = Self.hostile
        for name in generator.named.keys { generator.named[name] = Self.hostile }
        let server = LocalServer()
        let commands = CommandTable(Family.all).documents.filter {
            !Self.spared.contains($0.fullName)
        }
        for _ in 0..<Self.requestsPerSeed {
            guard let command = commands.randomElement(using: &random) else { return }
            let words =
                Bool.random(using: &random)
                ? generator.request(command.syntax, using: &random)
                : generator.spoiledRequest(command.syntax, using: &random)
            let reply = server(words)
            if server.isBlocked { server.unblock() }
            let isReadable = reply == nil || reply?.text?.hasPrefix("unreadable reply") != true
            #expect(isReadable, "seed \(seed): \(words.map { $0.prefix(60) })")
        }
        // It may be in the middle of a transaction, or listen to channels.
        #expect(server("RESET") == .simple("RESET"))
        #expect(server("PING") == .simple("PONG"))
    }
}
