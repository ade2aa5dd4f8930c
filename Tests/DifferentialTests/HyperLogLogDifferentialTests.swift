//  HyperLogLogDifferentialTests.swift — HyperLogLogs here and on a real server, damaged ones among
//  them; after each step the values are the same, byte for byte.
import TestSupport
import Testing

@Suite("HyperLogLogs in step", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct HyperLogLogDifferentialTests {
    private static let length = 150
    private static let keys = ["a", "b", "c", "d"]

    @Test(arguments: [2, 3])
    func `random requests leave the same values`(version: Int) throws {
        var lockstep = try Lockstep(version: version)
        lockstep.setup = ["CONFIG SET hll-sparse-max-bytes 3000"]
        lockstep.looks = Self.keys.flatMap { [["GET", $0], ["OBJECT", "ENCODING", $0]] }
        for seed in 0..<UInt64(Lockstep.sequences(of: Self.length, steps: 2400)) {
            let seed = Lockstep.seed + seed
            guard try lockstep.run(seed, length: Self.length, Self.request) else { return }
        }
    }

    /// Thousands of elements, so that runs split and join in all ways and become registers.
    @Test(arguments: ["100", "3000", "16000"])
    func `a value grows the same way`(sparseBytes: String) throws {
        let lockstep = try Lockstep(version: 2)
        try lockstep.check(["CONFIG SET hll-sparse-max-bytes \(sparseBytes)"])
        for i in 0..<150 {
            let elements = (0..<20).map { "element:\(i * 20 + $0)" }
            try lockstep.check([
                "PFADD h " + elements.joined(separator: " "), "PFDEBUG ENCODING h", "GET h",
                "PFCOUNT h", "PFADD g element:\(i)", "PFMERGE m h g", "PFCOUNT m g", "GET m",
            ])
        }
    }

    @Test func `values cross in both directions`() throws {
        let pair = try Pair()
        for count in [0, 1, 300, 5000] {
            let elements = (0..<count).map { "e\($0)" }
            let dumps = try pair.send(Lockstep.words(["PFADD", "h\(count)"] + elements))
            #expect(dumps.ours.bytes == dumps.theirs.bytes)
            let (ours, theirs) = try pair.send(Lockstep.words("DUMP h\(count)"))
            let payloads = [ours, theirs].map { reply in
                Array(
                    reply.bytes[(reply.bytes.firstIndex(of: 10) ?? 0) + 1..<reply.bytes.count - 2])
            }
            for payload in payloads {
                let restore = Lockstep.words("RESTORE r 0") + [payload] + Lockstep.words("REPLACE")
                let (first, second) = try pair.send(restore)
                #expect(first.value == .simple("OK") && second.value == .simple("OK"))
                for text in ["PFCOUNT r", "GET r", "PFADD r new", "PFCOUNT r", "GET r"] {
                    let (ours, theirs) = try pair.send(Lockstep.words(text))
                    #expect(ours.bytes == theirs.bytes, "\(text) of \(count)")
                }
            }
        }
    }

    @Test(arguments: [2, 3])
    func `PFDEBUG and errors are as on a real server`(version: Int) throws {
        let lockstep = try Lockstep(version: version)
        try lockstep.check([
            "PFADD h", "PFADD h", "PFADD h a b c", "PFDEBUG ENCODING h", "PFDEBUG DECODE h",
            "PFDEBUG TODENSE h", "PFDEBUG TODENSE h", "PFDEBUG DECODE h", "PFDEBUG ENCODING h",
            "PFDEBUG GETREG h", "PFDEBUG NOPE h", "PFDEBUG NOPE none", "PFDEBUG SIMD ON",
            "PFDEBUG SIMD off", "PFDEBUG GETREG", "PFSELFTEST", "PFSELFTEST x", "PFCOUNT",
            "PFCOUNT none", "PFMERGE", "PFMERGE m", "PFCOUNT m", "RPUSH l 1", "PFADD l a",
            "PFCOUNT l", "PFCOUNT h l", "PFMERGE m l", "PFDEBUG GETREG l", "SET s text",
            "PFADD s a", "PFCOUNT s", "PFMERGE m s", "PFMERGE s m", "SET i 12345", "PFADD i a",
            "PFDEBUG ENCODING i", "EXPIRE h 100", "PFADD h z", "PFMERGE h m", "TTL h",
        ])
    }

    // MARK: - Requests

    /// Runs that may be too many, too few or just all registers.
    private static func value(_ random: inout SeededRandom) -> [UInt8] {
        let encoding: UInt8 = random.some([0, 1, 1, 1, 1, 1, 2, 255])
        let stale: [UInt8] = [UInt8](repeating: 0, count: 7) + [128]
        let header =
            Array("HYLL".utf8) + [encoding, 0, 0, 0] + random.some([stale, random.bytes(8)])
        switch random.below(10) {
        case 0: return Array(header.prefix(random.below(17)))
        case 1: return header + random.bytes(12_288)
        case 2: return header + [UInt8](repeating: random.some([0, 255, 0x41]), count: 12_288)
        default: break
        }
        var runs: [UInt8] = []
        var rest = 16384
        func zeros(_ n: Int) -> [UInt8] {
            [UInt8(0x40 | (n - 1) >> 8), UInt8((n - 1) & 255)]
        }
        for _ in 0..<random.below(12) {
            switch random.below(3) {
            case 0:
                let n = random.below(64)
                runs.append(UInt8(n))
                rest -= n + 1
            case 1:
                let n = 1 + random.below(16384)
                runs += zeros(n)
                rest -= n
            default:
                let byte = UInt8(0x80 | random.below(128))
                runs.append(byte)
                rest -= Int(byte & 3) + 1
            }
        }
        if rest > 0, random.below(3) > 0 { runs += zeros(rest) }
        return header + runs
    }

    private static func element(_ random: inout SeededRandom) -> [UInt8] {
        switch random.below(4) {
        case 0: random.bytes(random.below(40))
        case 1: Array("\(random.below(1000))".utf8)
        default: Array("element:\(random.next() % 1_000_000)".utf8)
        }
    }

    private static func request(_ random: inout SeededRandom) -> [[UInt8]] {
        let key = random.some(keys)
        let others = (0..<random.some([1, 1, 1, 2, 3])).map { _ in random.some(keys) }
        switch random.below(16) {
        case 0..<6:
            let elements = (0..<random.some([0, 1, 1, 2, 5, 50, 200])).map { _ in
                element(&random)
            }
            return Lockstep.words(["PFADD", key]) + elements
        case 6..<8: return Lockstep.words(["PFCOUNT"] + others)
        case 8, 9: return Lockstep.words(["PFMERGE"] + others)
        case 10:
            let names = ["GETREG", "DECODE", "ENCODING", "TODENSE", "decode", "x"]
            return Lockstep.words(["PFDEBUG", random.some(names), key])
        case 11, 12: return Lockstep.words(["SET", key]) + [value(&random)]
        case 13:
            // In the header: a run that is cut off ends differently there, behind the string.
            let offset = random.below(16)
            return Lockstep.words(["SETRANGE", key, "\(offset)"]) + [random.bytes(1)]
        case 14:
            let limit = random.some(["3000", "100", "0", "20", "16000"])
            return Lockstep.words(["CONFIG", "SET", "hll-sparse-max-bytes", limit])
        default:
            return Lockstep.words(
                random.some([["DEL", key], ["COPY", key, random.some(keys), "REPLACE"]]))
        }
    }
}
