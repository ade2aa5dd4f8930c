//  RequestParserTests.swift — every way in which a request can arrive.
import TestSupport
import Testing

@testable import Engine

@Suite("Requests")
struct RequestParserTests {
    /// Input and the words it means; an empty request means none.
    static let fixtures: [(input: [UInt8], words: [[UInt8]])] =
        [
            words("PING"), words("GET", "key"), words("SET", "key", "value"), words(""),
            words("ECHO", ""), words("ECHO", "\r\n"), words("ECHO", "*1\r\n$4\r\nPING\r\n"),
            words("1", "2", "3", "4", "5", "6", "7", "8", "9"),
            words("1", "2", "3", "4", "5", "6", "7", "8", "9", "10"),
            [Array("SET".utf8), [0, 255, 13, 10, 0], [UInt8](repeating: 36, count: 9)],
            words("ECHO", "1234567890"),
            [[UInt8](repeating: 97, count: 99)], [[UInt8](repeating: 98, count: 100)],
            [Array("SET".utf8), [UInt8](repeating: 99, count: 1000), [1, 2, 3]],
            (0..<100).map { Array("word\($0)".utf8) },
        ].map { (request($0), $0) }
        + [
            ("*0\r\n", []), ("*-1\r\n", []), ("*-9\r\n", []), ("\r\n", []), ("\n", []),
            ("  \t \r\n", []),
            ("PING\r\n", words("PING")), ("PING\n", words("PING")),
            ("  get\t key \r\n", words("get", "key")),
            (
                "SET key \"a b\\x00\\xfF\\n\\r\\t\\b\\a\\\"\\\\\\q\"\r\n",
                words("SET", "key") + [
                    Array("a b\u{0}".utf8) + [255, 10, 13, 9, 8, 7]
                        + Array("\"\\q".utf8)
                ]
            ),
            ("ECHO 'it\\'s \\n'\n", words("ECHO", "it's \\n")),
            ("ECHO \"\" ''\r\n", words("ECHO", "", "")),
            ("ECHO \"\\x4\" \"\\xzz\"\r\n", words("ECHO", "x4", "xzz")),
            ("a\\x41 b\"c d\"\r\n", words("a\\x41", "bc d")),
            ("ECHO a\rb\r\r\n", words("ECHO", "a", "b")),
            ("$4\r\n", words("$4")), ("\u{b}a\u{b}b\r\n", words("a\u{b}b")),
            // Any byte may follow a '\r', and any two bytes a word.
            ("*1\rX$4\rYPINGZZ", words("PING")),
        ].map { (Array($0.utf8), $1) }

    private func expected(_ fixtures: [(input: [UInt8], words: [[UInt8]])]) -> Fed {
        Fed(requests: fixtures.map(\.words).filter { !$0.isEmpty })
    }

    @Test func `A request that is all there is taken whole`() {
        for fixture in Self.fixtures {
            #expect(feed(fixture.input) == expected([fixture]))
        }
    }

    @Test func `A request may arrive byte by byte`() {
        for fixture in Self.fixtures {
            let cuts = Array(1..<fixture.input.count)
            #expect(feed(fixture.input, cutAt: cuts) == expected([fixture]))
        }
    }

    @Test func `A request may be cut anywhere`() {
        for fixture in Self.fixtures {
            for cut in 1..<fixture.input.count {
                #expect(feed(fixture.input, cutAt: [cut]) == expected([fixture]), "cut at \(cut)")
            }
        }
    }

    @Test func `Any request may follow any other`() {
        for a in Self.fixtures {
            for b in Self.fixtures {
                #expect(feed(a.input + b.input) == expected([a, b]))
            }
        }
    }

    @Test func `All requests in one stream may be cut anywhere`() {
        let input = Self.fixtures.flatMap(\.input)
        let all = expected(Self.fixtures)
        for cut in 0...input.count {
            #expect(feed(input, cutAt: [cut]) == all, "cut at \(cut)")
        }
    }

    @Test func `A request waits until its last byte is there`() {
        for fixture in Self.fixtures {
            let all = fixture.input.count
            let partial = feed(Array(fixture.input[..<(all - 1)]))
            #expect(partial == Fed(waiting: all - 1))
        }
    }

    // MARK: - Malformed

    static let malformed: [(input: String, error: ProtocolError)] = [
        ("*\r\n", .multibulkLength), ("*x\r\n", .multibulkLength), ("* 1\r\n", .multibulkLength),
        ("*1 \r\n", .multibulkLength), ("*+1\r\n", .multibulkLength),
        ("*01\r\n", .multibulkLength), ("*-0\r\n", .multibulkLength),
        ("*00\r\n", .multibulkLength), ("*2147483648\r\n", .multibulkLength),
        ("*9223372036854775808\r\n", .multibulkLength), ("*--1\r\n", .multibulkLength),
        ("*1\n$4\r\n", .multibulkLength), ("*1\u{0}\r\n", .multibulkLength),
        ("*1\r\n$\r\n", .bulkLength), ("*1\r\n$-1\r\n", .bulkLength),
        ("*1\r\n$-0\r\n", .bulkLength), ("*1\r\n$04\r\n", .bulkLength),
        ("*1\r\n$+4\r\n", .bulkLength), ("*1\r\n$ 4\r\n", .bulkLength),
        ("*1\r\n$4a\r\n", .bulkLength), ("*1\r\n$536870913\r\n", .bulkLength),
        ("*1\r\n$99999999999999999999\r\n", .bulkLength),
        ("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$x\r\n", .bulkLength),
        ("*1\r\n:4\r\n", .expectedBulk(UInt8(ascii: ":"))),
        ("*1\r\nPING\r\n", .expectedBulk(UInt8(ascii: "P"))),
        ("*1\r\n\r\n", .expectedBulk(13)), ("*1\r\n\u{0}\r\n", .expectedBulk(0)),
        ("*2\r\n$4\r\nECHO\r\n*1\r\n", .expectedBulk(UInt8(ascii: "*"))),
        ("ECHO \"abc\r\n", .unbalancedQuotes), ("ECHO 'abc\n", .unbalancedQuotes),
        ("ECHO \"abc\"d\r\n", .unbalancedQuotes), ("ECHO 'abc'd\r\n", .unbalancedQuotes),
        ("ECHO a\"\r\n", .unbalancedQuotes), ("ECHO \"a\\\r\n", .unbalancedQuotes),
        ("ECHO '\\'\r\n", .unbalancedQuotes),
    ]

    @Test func `A malformed request is refused however it arrives`() {
        for (text, error) in Self.malformed {
            let input = Array(text.utf8)
            #expect(feed(input).error == error, "\(text)")
            #expect(feed(input, cutAt: Array(1..<input.count)).error == error, "\(text)")
            for cut in 1..<input.count {
                #expect(feed(input, cutAt: [cut]).error == error, "\(text) cut at \(cut)")
            }
        }
    }

    @Test func `What comes before a malformed request is taken`() {
        for (text, error) in Self.malformed {
            let input = request(words("PING")) + Array("GET key\r\n".utf8) + Array(text.utf8)
            let fed = feed(input)
            #expect(fed.requests == [words("PING"), words("GET", "key")])
            #expect(fed.error == error)
        }
    }

    @Test func `Errors have the texts that clients know`() {
        func text(_ error: ProtocolError) -> String {
            String(decoding: error.message, as: UTF8.self)
        }
        #expect(text(.multibulkLength) == "invalid multibulk length")
        #expect(text(.bulkLength) == "invalid bulk length")
        #expect(text(.multibulkCountTooBig) == "too big mbulk count string")
        #expect(text(.bulkCountTooBig) == "too big bulk count string")
        #expect(text(.unauthenticatedMultibulkLength) == "unauthenticated multibulk length")
        #expect(text(.unauthenticatedBulkLength) == "unauthenticated bulk length")
        #expect(text(.inlineTooBig) == "too big inline request")
        #expect(text(.unbalancedQuotes) == "unbalanced quotes in request")
        #expect(text(.expectedBulk(UInt8(ascii: ":"))) == "expected '$', got ':'")
    }

    // MARK: - Limits

    @Test func `A line without an end is refused behind 64 KiB`() {
        func line(_ head: String, _ count: Int) -> Fed {
            var feeder = Feeder()
            let input = Array(head.utf8) + [UInt8](repeating: UInt8(ascii: "1"), count: count)
            // The pieces of a slow sender.
            for start in stride(from: 0, to: input.count, by: 5000) {
                feeder.receive(input[start..<min(start + 5000, input.count)])
            }
            return feeder.fed
        }
        #expect(line("", 65536).error == nil)
        #expect(line("", 65537).error == .inlineTooBig)
        #expect(line("*", 65535).error == nil)
        #expect(line("*", 65536).error == .multibulkCountTooBig)
        #expect(line("*1\r\n$", 65535).error == nil)
        #expect(line("*1\r\n$", 65536).error == .bulkCountTooBig)
        #expect(line("*1\r\n", 65536).error == nil)
        #expect(line("*1\r\n", 65537).error == .bulkCountTooBig)
    }

    @Test func `A long line goes on where its search stopped`() {
        let word = [UInt8](repeating: 97, count: 3000)
        let input = word + [32] + word + [13, 10] + request(words("PING"))
        for step in [1, 7, 1000, 1025] {
            let cuts = Array(stride(from: step, to: input.count, by: step))
            #expect(feed(input, cutAt: cuts) == Fed(requests: [[word, word], words("PING")]))
        }
        let number = Array("*1\r\n$".utf8) + [UInt8](repeating: 49, count: 3000) + [13, 10]
        #expect(feed(number, cutAt: Array(1..<number.count)).error == .bulkLength)
    }

    @Test func `Before authentication ten short words are all there may be`() {
        let limits = RequestLimits(isAuthenticated: false)
        func error(_ text: String) -> ProtocolError? {
            feed(Array(text.utf8), limits: limits).error
        }
        #expect(error("*10\r\n") == nil)
        #expect(error("*11\r\n") == .unauthenticatedMultibulkLength)
        #expect(error("*2147483648\r\n") == .multibulkLength)
        #expect(error("*1\r\n$16384\r\n") == nil)
        #expect(error("*1\r\n$16385\r\n") == .unauthenticatedBulkLength)
        #expect(error("*1\r\n$536870913\r\n") == .bulkLength)
    }

    @Test func `A request has at most a million words and some`() {
        #expect(feed(Array("*1048576\r\n".utf8)).error == nil)
        #expect(feed(Array("*1048577\r\n".utf8)).error == .multibulkLength)
    }

    @Test func `A word has at most the bytes that are configured`() {
        let limits = RequestLimits(bulkBytesMax: 1 << 20)
        #expect(feed(Array("*1\r\n$1048576\r\n".utf8), limits: limits).error == nil)
        #expect(feed(Array("*1\r\n$1048577\r\n".utf8), limits: limits).error == .bulkLength)
    }

    @Test func `A request ends below 4 GiB whatever is configured`() {
        let limits = RequestLimits(bulkBytesMax: .max)
        #expect(feed(Array("*2\r\n$4294967200\r\n".utf8), limits: limits).error == nil)
        #expect(feed(Array("*2\r\n$4294967295\r\n".utf8), limits: limits).error == .bulkLength)
        #expect(
            feed(Array("*2\r\n$9223372036854775807\r\n".utf8), limits: limits).error == .bulkLength)
    }

    @Test func `Announced words take no memory before they arrive`() {
        var feeder = Feeder()
        feeder.receive(Array("*1048576\r\n$536870912\r\n".utf8)[...])
        #expect(feeder.fed == Fed(waiting: 22))
        let slots = feeder.slots.count
        #expect(slots == 64)
    }

    @Test func `A request of very many words arrives in pieces`() {
        let count = 100_000
        let word = Array("$3\r\nabc\r\n".utf8)
        var feeder = Feeder()
        feeder.receive(Array("*\(count)\r\n".utf8)[...])
        for _ in 0..<(count / 1000) {
            #expect(feeder.fed.requests.isEmpty)
            // Not at a word's border.
            let piece = Array((0..<1000).map { _ in word }.joined())
            feeder.receive(piece[..<5])
            feeder.receive(piece[5...])
        }
        #expect(feeder.fed.requests.count == 1)
        #expect(feeder.fed.requests[0].count == count)
        #expect(feeder.fed.requests[0].allSatisfy { $0 == Array("abc".utf8) })
        let isIdle = feeder.state.isIdle
        #expect(isIdle)
    }

    // MARK: - Anything

    @Test func `Random bytes never trap, and pieces make no difference`() {
        var random = SeededRandom(seed: 20_260_101)
        let alphabet = Array("*$\r\n\r\n\r\n0123456789-+ \"'\\xaPING\t\u{0}\u{b}".utf8)
        for round in 0..<3000 {
            let count = Int.random(in: 0..<60, using: &random)
            let input: [UInt8] = (0..<count).map { _ in
                round % 4 == 0
                    ? UInt8.random(in: 0...255, using: &random)
                    : alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
            }
            compare(input, &random)
        }
    }

    @Test func `Spoiled requests never trap, and pieces make no difference`() {
        var random = SeededRandom(seed: 42)
        for _ in 0..<2000 {
            var input: [UInt8] = []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                input += Self.fixtures.randomElement(using: &random)?.input ?? []
            }
            for _ in 0..<Int.random(in: 0...3, using: &random) where !input.isEmpty {
                let i = Int.random(in: 0..<input.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: input[i] = UInt8.random(in: 0...255, using: &random)
                case 1: input.remove(at: i)
                case 2: input.insert(UInt8.random(in: 48...57, using: &random), at: i)
                default: input = Array(input[..<i])
                }
            }
            compare(input, &random)
        }
    }

    private func compare(_ input: [UInt8], _ random: inout SeededRandom) {
        let whole = feed(input)
        guard input.count > 1 else { return }
        let cuts = (0..<3).map { _ in Int.random(in: 0...input.count, using: &random) }.sorted()
        let everywhere = input.count > 2000 ? [] : Array(1..<input.count)
        for cuts in [everywhere, cuts] {
            var pieces = feed(input, cutAt: cuts)
            // What is left unread behind an error depends on how much had come by then.
            if whole.error != nil { pieces.waiting = whole.waiting }
            #expect(pieces == whole, "\(input) cut at \(cuts)")
        }
    }
}
