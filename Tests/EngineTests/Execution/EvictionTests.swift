//  EvictionTests.swift — what happens when memory is short.
import TestSupport
import Testing

@testable import Engine

@Suite("Eviction")
struct EvictionTests {
    /// Room for about so many small keys.
    private static let keys = 2000

    private func server(_ policy: EvictionPolicy) -> LocalServer {
        var configuration = Configuration()
        configuration.maxMemory = Self.keys * 100 + 100_000
        configuration.maxMemoryPolicy = policy
        return LocalServer(configuration: configuration)
    }

    private func fill(_ server: LocalServer, _ names: Range<Int>, volatile: Bool) -> Int {
        var refused = 0
        for i in names {
            let words = ["SET", "key:\(i)", String(repeating: "v", count: 40)]
            let reply = server(words + (volatile ? ["EX", "\(1000 + i)"] : []))
            if reply?.isError == true { refused += 1 }
        }
        return refused
    }

    private static let evicting: [EvictionPolicy] = [
        .allKeysLRU, .allKeysLFU, .allKeysRandom, .volatileLRU, .volatileLFU, .volatileRandom,
        .volatileTTL,
    ]

    @Test(arguments: evicting)
    func `a full store makes room`(policy: EvictionPolicy) {
        let server = server(policy)
        #expect(fill(server, 0..<4 * Self.keys, volatile: true) == 0)
        let size = server("DBSIZE")?.integer ?? 0
        #expect(size < 3 * Self.keys)
        #expect(size > Self.keys / 2)
    }

    @Test(arguments: [EvictionPolicy.volatileLRU, .volatileLFU, .volatileRandom, .volatileTTL])
    func `volatile policies spare keys without a deadline`(policy: EvictionPolicy) {
        let server = server(policy)
        #expect(fill(server, 0..<500, volatile: false) == 0)
        #expect(fill(server, 500..<5 * Self.keys, volatile: true) == 0)
        for i in 0..<500 { #expect(server("EXISTS", "key:\(i)")?.integer == 1) }
        // Nothing volatile left to evict: refused.
        #expect(fill(server, 5 * Self.keys..<10 * Self.keys, volatile: false) > 0)
    }

    @Test func `noeviction refuses what may need memory and nothing else`() {
        let server = server(.noEviction)
        #expect(fill(server, 0..<4 * Self.keys, volatile: false) > 0)
        let text = "OOM command not allowed when used memory > 'maxmemory'."
        #expect(server("SET", "more", "x")?.text == text)
        #expect(server("GET", "key:1")?.text?.count == 40)
        for i in 0..<1000 { #expect(server("DEL", "key:\(i)")?.integer == 1) }
        #expect(server("SET", "more", "x")?.text == "OK")
    }

    @Test func `keys that are often used stay under an LFU policy`() {
        let server = server(.allKeysLFU)
        _ = fill(server, 0..<100, volatile: false)
        for _ in 0..<60 {
            for i in 0..<100 { _ = server("GET", "key:\(i)") }
        }
        _ = fill(server, 100..<6 * Self.keys, volatile: false)
        let left = (0..<100).count { server("EXISTS", "key:\($0)")?.integer == 1 }
        #expect(left > 95)
        let frequency = server("OBJECT", "FREQ", "key:1")?.integer ?? 0
        #expect(frequency > 5)
    }

    @Test func `volatile-ttl evicts what would expire first`() {
        let server = server(.volatileTTL)
        _ = fill(server, 0..<4 * Self.keys, volatile: true)
        let early = (0..<500).count { server("EXISTS", "key:\($0)")?.integer == 1 }
        let late = (4 * Self.keys - 500..<4 * Self.keys).count {
            server("EXISTS", "key:\($0)")?.integer == 1
        }
        #expect(late > 2 * early + 100)
    }

    @Test func `the counter grows with the logarithm of uses and decays`() {
        var generator = SystemRandomNumberGenerator()
        var counter = AccessCounter.initial
        for _ in 0..<100_000 {
            counter = AccessCounter.raised(counter, logFactor: 10, &generator)
        }
        #expect(counter > 60 && counter < 255)
        let word = AccessCounter.word(counter, 0)
        #expect(AccessCounter.value(word, 0, decayMinutes: 1) == counter)
        #expect(AccessCounter.value(word, 600_000, decayMinutes: 1) == counter - 10)
        #expect(AccessCounter.value(word, 600_000, decayMinutes: 0) == counter)
        #expect(AccessCounter.value(word, 60_000 * 1000, decayMinutes: 1) == 0)
    }
}
