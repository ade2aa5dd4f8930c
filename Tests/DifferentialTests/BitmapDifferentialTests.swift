//  BitmapDifferentialTests.swift — strings as rows of bits here and on a real server.
import TestSupport
import Testing

@Suite("Bitmaps in step", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct BitmapDifferentialTests {
    private static let length = 200
    private static let keys = ["a", "b", "c", "d"]

    @Test(arguments: [2, 3])
    func `random requests leave the same strings`(version: Int) throws {
        var lockstep = try Lockstep(version: version)
        lockstep.looks = Self.keys.flatMap { [["GET", $0], ["OBJECT", "ENCODING", $0]] }
        for seed in 0..<UInt64(Lockstep.sequences(of: Self.length, steps: 4000)) {
            let seed = Lockstep.seed + seed
            guard try lockstep.run(seed, length: Self.length, Self.request) else { return }
        }
    }

    @Test(arguments: [2, 3])
    func `extreme arguments are answered as by a real server`(version: Int) throws {
        let lockstep = try Lockstep(version: version)
        var requests = [
            "SETBIT k 4294967296 1", "SETBIT k 9223372036854775807 1", "SETBIT k -1 1",
            "GETBIT k 4294967295", "GETBIT k 4294967296", "GETBIT k 18446744073709551616",
            "BITFIELD k SET u8 #536870912 1", "BITFIELD k GET u8 #2305843009213693952",
            "BITFIELD k GET i64 #288230376151711743", "BITFIELD k GET u1 9223372036854775807",
            "BITFIELD k GET u64 0", "BITFIELD k GET i65 0", "BITFIELD k GET i0 0",
            "BITFIELD k GET u8 #-1", "BITFIELD k GET u8 #", "BITFIELD k SET u8 0",
            "BITFIELD k OVERFLOW", "BITFIELD k OVERFLOW x SET u8 0 1",
            "BITFIELD_RO k GET u8 0 SET u8 0 1", "BITFIELD_RO k", "BITFIELD k",
            "BITFIELD k OVERFLOW FAIL INCRBY u2 100 9", "STRLEN k", "EXISTS k",
            "BITCOUNT k 0", "BITCOUNT k 0 -1 BITS", "BITCOUNT k 0 -1 BIT x", "BITPOS k 2",
            "BITPOS k 1 0 -1 BITS", "BITPOS k 1 0 -1 BIT x", "BITPOS none 0", "BITPOS none 1",
            "BITOP NOT d a b", "BITOP DIFF d a", "BITOP DIFF1 d a", "BITOP ANDOR d a",
            "BITOP ONE d a", "BITOP NOPE d a", "RPUSH l 1", "BITOP AND d l", "SETBIT l 0 1",
            "BITCOUNT l", "BITPOS l 1", "BITFIELD l", "BITFIELD_RO l GET u8 0", "GETBIT l 0",
            "SET e ab", "BITOP OR l e", "TYPE l", "SET x abc", "EXPIRE x 1000",
            "BITOP OR x e none", "TTL x",
        ]
        // Numbers at both ends of every width, changed in every way.
        for type in ["i1", "u1", "i8", "u8", "i63", "u63", "i64"] {
            for overflow in ["WRAP", "SAT", "FAIL"] {
                for number in [
                    "0", "1", "-1", "127", "128", "-129", "255", "256", "9223372036854775807",
                    "-9223372036854775808", "4611686018427387904", "-4611686018427387905",
                ] {
                    requests.append(
                        "BITFIELD k OVERFLOW \(overflow) SET \(type) 3 \(number) GET \(type) 3 "
                            + "INCRBY \(type) 3 \(number) INCRBY \(type) 3 -1")
                }
            }
        }
        try lockstep.check(requests)
    }

    @Test func `a string may be as long as the configuration says`() throws {
        let lockstep = try Lockstep(version: 2)
        try lockstep.check([
            "CONFIG SET proto-max-bulk-len 1048576", "SETBIT k 8388608 1", "SETBIT k 8388607 1",
            "STRLEN k", "BITFIELD k SET u63 8388607 -1", "STRLEN k",
            "BITFIELD k GET i64 8388600", "BITFIELD k SET u8 8388608 1", "BITCOUNT k",
            "BITPOS k 1", "BITPOS k 0 -3", "BITOP NOT d k", "BITCOUNT d", "BITPOS d 0",
        ])
    }

    // MARK: - Requests

    private static func offset(_ random: inout SeededRandom) -> String {
        switch random.below(12) {
        case 0: random.some(["x", "", "-1", "01", "4294967296", "9223372036854775808"])
        case 1..<4: "\(random.below(2000))"
        default: "\(random.below(200))"
        }
    }

    private static func position(_ random: inout SeededRandom) -> String {
        random.below(12) == 0
            ? random.some(["x", "9223372036854775807", "-9223372036854775808", ""])
            : "\(random.below(400) - 200)"
    }

    private static func range(_ random: inout SeededRandom) -> [String] {
        let unit = random.some(["BIT", "BYTE", "bit", "byte", "BIT", "BYTE", "x"])
        let positions = [position(&random), position(&random)]
        return random.some([[], positions, positions + [unit], Array(positions.prefix(1))])
    }

    private static func number(_ random: inout SeededRandom) -> String {
        switch random.below(8) {
        case 0: random.some(["x", "9223372036854775808", ""])
        case 1..<5: "\(random.below(600) - 300)"
        default:
            "\((random.below(2) * 2 - 1) * (1 << random.below(62) + random.below(5) - 2))"
        }
    }

    private static func operations(_ random: inout SeededRandom) -> [String] {
        var words: [String] = []
        for _ in 0..<random.below(4) {
            let width = random.some([1, 2, 5, 8, 16, 31, 33, 62, 63, 64])
            let type = random.below(30) == 0 ? "u64" : "\(random.some(["i", "i", "u"]))\(width)"
            let at = random.below(3) == 0 ? "#\(random.below(20))" : offset(&random)
            switch random.below(10) {
            case 0..<2: words += ["GET", type, at]
            case 2..<5: words += ["SET", type, at, number(&random)]
            case 5..<8: words += ["INCRBY", type, at, number(&random)]
            default: words += ["OVERFLOW", random.some(["WRAP", "SAT", "FAIL", "sat", "fail"])]
            }
        }
        return words
    }

    private static func request(_ random: inout SeededRandom) -> [[UInt8]] {
        let key = random.some(keys)
        if random.below(12) == 0 {
            let bytes: [UInt8] = random.some([
                random.bytes(random.below(300)), [UInt8](repeating: 255, count: random.below(200)),
                Array("12".utf8), [],
            ])
            return [Array("SET".utf8), Array(key.utf8), bytes]
        }
        return Lockstep.words(words(key, &random))
    }

    private static func words(_ key: String, _ random: inout SeededRandom) -> [String] {
        switch random.below(14) {
        case 0..<3: return ["SETBIT", key, offset(&random), random.some(["0", "1", "1", "2"])]
        case 3: return ["GETBIT", key, offset(&random)]
        case 4, 5: return ["BITCOUNT", key] + range(&random)
        case 6, 7: return ["BITPOS", key, random.some(["0", "1"])] + range(&random)
        case 8, 9:
            let sources = (0..<random.some([1, 2, 2, 3, 4])).map { _ in random.some(keys) }
            let names = ["AND", "OR", "XOR", "NOT", "DIFF", "DIFF1", "ANDOR", "ONE", "one"]
            return ["BITOP", random.some(names), key] + sources
        case 10, 11: return ["BITFIELD", key] + operations(&random)
        case 12: return ["BITFIELD_RO", key] + operations(&random)
        default:
            return random.some([
                ["DEL", key], ["EXPIRE", key, "1000"], ["APPEND", key, "xyz"],
                ["COPY", key, random.some(keys), "REPLACE"], ["SETRANGE", key, "30", "ab"],
            ])
        }
    }
}
