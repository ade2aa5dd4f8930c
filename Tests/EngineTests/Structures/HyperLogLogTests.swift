//  HyperLogLogTests.swift — registers, runs and estimates, against a plain array of numbers.
import TestSupport
import Testing

@testable import Engine

@Suite("HyperLogLog")
struct HyperLogLogTests {
    @Test func `the hash is MurmurHash64A`() {
        // The reference implementation's values.
        let empty: [UInt8] = []
        #expect(HyperLogLog.hash(empty.span, seed: 0) == 0)
        let long = Array("The quick brown fox jumps over the lazy dog".utf8)
        for count in 0...long.count {
            let bytes = Array(long.prefix(count))
            #expect(HyperLogLog.hash(bytes.span, seed: 0xADC8_3B19) == Self.reference(bytes))
        }
    }

    /// The same a byte at a time.
    private static func reference(_ bytes: [UInt8]) -> UInt64 {
        let m: UInt64 = 0xC6A4_A793_5BD1_E995
        var h: UInt64 = 0xADC8_3B19 ^ (UInt64(bytes.count) &* m)
        let words = bytes.count / 8
        for w in 0..<words {
            var k: UInt64 = 0
            for i in (0..<8).reversed() { k = k << 8 | UInt64(bytes[w * 8 + i]) }
            k = k &* m
            k = (k ^ k >> 47) &* m
            h = (h ^ k) &* m
        }
        if bytes.count % 8 != 0 {
            for i in words * 8..<bytes.count { h ^= UInt64(bytes[i]) << UInt64((i % 8) * 8) }
            h = h &* m
        }
        h = (h ^ h >> 47) &* m
        return h ^ h >> 47
    }

    /// Adds elements to a server and to an array of registers, and compares the two.
    @Test(arguments: [3000, 0, 200])
    func `registers are what the elements make them`(sparseBytes: Int) throws {
        let server = LocalServer(
            configuration: {
                var configuration = Configuration()
                configuration.hllSparseMaxBytes = sparseBytes
                return configuration
            }())
        var registers = [Int](repeating: 0, count: HyperLogLog.registerCount)
        var random = SeededRandom(seed: 5)
        for step in 0..<60 {
            let elements = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                "e\(Int.random(in: 0..<3000, using: &random))"
            }
            var hasChanged = step == 0
            for element in elements {
                let bytes = Array(element.utf8)
                let (index, rank) = HyperLogLog.place(bytes.span)
                if rank > registers[index] {
                    registers[index] = rank
                    hasChanged = true
                }
            }
            #expect(server(["PFADD", "h"] + elements) == .integer(hasChanged ? 1 : 0))
            guard step % 10 == 9 else { continue }
            _ = server("COPY", "h", "copy", "REPLACE")
            let shown = server("PFDEBUG", "GETREG", "copy")?.items.map { Int($0.integer ?? -1) }
            #expect(shown == registers)
            // The same from the dense form, from the sparse one, and from several at once.
            let count = server("PFCOUNT", "h")
            #expect(server("PFCOUNT", "copy") == count)
            #expect(server("PFCOUNT", "h", "copy") == count)
            #expect(server("PFCOUNT", "h") == count)
            _ = server("PFMERGE", "merged", "copy", "h")
            #expect(server("PFCOUNT", "merged") == count)
        }
    }

    @Test func `estimates are near the truth`() {
        var registers = Registers()
        for i in Int64(1)...300_000 {
            let name = DecimalText(i &* 7_919)
            let (index, rank) = HyperLogLog.place(name.bytes)
            registers.raise(index, rank)
            guard [1, 10, 100, 1000, 10_000, 100_000, 300_000].contains(i) else { continue }
            #expect(abs(Double(registers.count) - Double(i)) <= Double(i) * 0.03 + 0.5, "\(i)")
        }
    }

    @Test func `dense registers survive packing and unpacking`() throws {
        let server = try EmbeddedServer()
        let c = try server.connect()
        var random = SeededRandom(seed: 6)
        let header = Array(HyperLogLog.empty.prefix(4)) + [0] + [UInt8](repeating: 0, count: 11)
        for _ in 0..<4 {
            let body = random.bytes(12_288...12_288)
            _ = try c.send([Array("SET".utf8), [97], header + body])
            _ = try c.send([Array("DEL".utf8), [98]])
            #expect(try c("PFMERGE", "b", "a") == .simple("OK"))
            let shown = try c("PFDEBUG", "GETREG", "b").items.map { Int($0.integer ?? -1) }
            let expected = (0..<HyperLogLog.registerCount).map { i in
                HyperLogLog.register((header + body).span, i)
            }
            #expect(shown == expected)
            var wide = Registers(), narrow = Registers()
            let value = header + body
            let isSound = wide.merge(value.span, .dense)
            let isSoundToo = narrow.merge(value.span, .dense, usesWide: false)
            #expect(isSound && isSoundToo)
            #expect((0..<HyperLogLog.registerCount).allSatisfy { narrow[$0] == expected[$0] })
            #expect(wide.count == narrow.count)
            #expect(wide.packed().dropLast(4) == body[...])
            #expect(narrow.packed(usesWide: false).dropLast(4) == body[...])
            for i in 0..<HyperLogLog.registerCount {
                var rank = 0
                for k in 0..<6 {
                    let bit = i * 6 + k
                    rank |= Int(body[bit / 8] >> UInt8(bit % 8) & 1) << k
                }
                #expect(expected[i] == rank)
            }
        }
    }

    @Test func `runs that are damaged are noticed`() {
        let header = Array(HyperLogLog.empty.prefix(16))
        for (runs, isWhole) in [
            ([0x7F, 0xFF], true), ([0x7F, 0xFE, 0x00], true), ([0x7F, 0xFE, 0x80], true),
            ([0x7F, 0xFE], false), ([0x7F, 0xFF, 0x00], false), ([], false), ([0x7F], false),
            ([0x7F, 0xFE, 0x83], false),
        ] as [([UInt8], Bool)] {
            let value = header + runs
            #expect((HyperLogLog.countSparse(value.span) != nil) == isWhole, "\(runs)")
            var registers = Registers()
            #expect(registers.merge(value.span, .sparse) == isWhole)
        }
    }
}
