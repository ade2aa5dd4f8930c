//  SyntaxGenerator.swift — requests made from syntax lines, right ones and almost right ones.
//
//  A line is a grammar: choosing at each bracket, bar and repetition gives a request that the
//  command must understand. Counts such as `numkeys` agree with what they count.
package import Engine

package struct SyntaxGenerator {
    package var keys = ["a", "b", "c", "{t}d", "key with space", ""]
    package var values = [
        "", "0", "1", "-1", "hello", "3.5", "\u{0}\u{1}", "a much longer value than that",
    ]
    package var integers = ["0", "1", "2", "-1", "10", "100"]
    package var doubles = ["0", "1.5", "-2", "1e3"]
    package var patterns = ["*", "a*", "[ab]", "?", "nothing*here"]
    /// Texts for arguments whose names say more than their types.
    package var named: [String: [String]] = [
        "cursor": ["0"], "db": ["0", "1"], "index": ["0", "1"], "index1": ["0", "1"],
        "index2": ["0", "1"], "destination-db": ["0", "1"], "type": ["string", "list", "hash"],
        "protover": ["2", "3"], "count": ["1", "10"], "seconds": ["10", "100"],
        "milliseconds": ["10000", "99999"], "unix-time-seconds": ["4102444800"],
        "unix-time-milliseconds": ["4102444800000"], "offset": ["0", "3", "20"],
        "command-name": ["get", "client|id", "nope"], "category": ["string", "read", "nope"],
        "section": ["server", "all", "nope"], "version": ["5", "6"], "command": ["get"],
        "connection-name": ["me"], "libname": ["lib"], "libver": ["1.0"], "client-id": ["1"],
        "parameter": ["maxmemory", "save", "nope*"], "min-match-len": ["0", "2"],
    ]
    package var repetitionsMax = 3

    package init() {}

    /// A request that `syntax` allows.
    package func request(_ syntax: Syntax, using random: inout some RandomNumberGenerator) -> [String] {
        syntax.name.map { recased($0, &random) } + sequence(syntax.arguments, &random)
    }

    /// A request of which one word is missing or doubled.
    package func spoiledRequest(
        _ syntax: Syntax, using random: inout some RandomNumberGenerator
    ) -> [String] {
        var words = request(syntax, using: &random)
        guard words.count > syntax.name.count else { return words + ["surplus"] }
        let i = Int.random(in: syntax.name.count..<words.count, using: &random)
        if Bool.random(using: &random) {
            words.remove(at: i)
        } else {
            words.insert(words[i], at: i)
        }
        return words
    }

    private func sequence(
        _ arguments: [Argument], _ random: inout some RandomNumberGenerator
    ) -> [String] {
        var words: [String] = []
        // What counts the next argument, or is as many as it, waits here.
        var count: Int?
        for (i, argument) in arguments.enumerated() {
            let next = i + 1 < arguments.count ? arguments[i + 1] : nil
            if argument.type == .integer, argument.name.hasPrefix("num"), let next,
                next.isMultiple
            {
                let n = Int.random(in: (next.isOptional ? 0 : 1)...repetitionsMax, using: &random)
                words.append(contentsOf: prefix(argument, &random) + ["\(n)"])
                count = n
                continue
            }
            let isPaired = argument.isMultiple && next?.isMultiple == true && next?.token == nil
            if isPaired, next?.isOptional == false {
                count = count ?? Int.random(in: 1...repetitionsMax, using: &random)
                words += optional(argument, count, &random)
                continue
            }
            words += optional(argument, count, &random)
            count = nil
        }
        return words
    }

    private func optional(
        _ argument: Argument, _ count: Int?, _ random: inout some RandomNumberGenerator
    ) -> [String] {
        if count == 0 { return [] }
        if count == nil, argument.isOptional, Bool.random(using: &random) { return [] }
        var words: [String] = []
        let chosen = count ?? Int.random(in: 1...repetitionsMax, using: &random)
        let n = argument.isMultiple ? chosen : 1
        for i in 0..<n {
            if i == 0 || argument.isTokenMultiple { words += prefix(argument, &random) }
            words += body(argument, &random)
        }
        return words
    }

    private func prefix(
        _ argument: Argument, _ random: inout some RandomNumberGenerator
    ) -> [String] {
        guard let token = argument.token, argument.type != .pureToken else { return [] }
        return [recased(token, &random)]
    }

    private func body(
        _ argument: Argument, _ random: inout some RandomNumberGenerator
    ) -> [String] {
        switch argument.type {
        case .pureToken: return [recased(argument.token ?? "", &random)]
        case .block: return sequence(argument.parts, &random)
        case .oneof:
            guard let part = argument.parts.randomElement(using: &random) else { return [] }
            return sequence([part], &random)
        default:
            let pool = named[argument.name] ?? pool(argument.type)
            return [pool.randomElement(using: &random) ?? ""]
        }
    }

    private func pool(_ type: ArgumentType) -> [String] {
        switch type {
        case .key: keys
        case .integer, .unixTime: integers
        case .double: doubles
        case .pattern: patterns
        default: values
        }
    }

    /// Command names and tokens count in any case.
    private func recased(
        _ word: String, _ random: inout some RandomNumberGenerator
    ) -> String {
        Bool.random(using: &random) ? word : word.lowercased()
    }
}

/// Random numbers that a seed repeats.
package struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    /// SplitMix64.
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
