//  AppendOnlyReaderTests.swift — commands found in a file, however it is cut and whatever is in it.
import Platform
import TestSupport
import Testing

@testable import Engine

@Suite("Append-only reader") struct AppendOnlyReaderTests {
    /// What a reader makes of a file.
    private struct Outcome: Equatable {
        var requests: [UInt8] = []
        /// How the error says it ends.
        var error = ""
        var errorOffset = 0
        var validEnd = 0
    }

    private static func read(
        _ bytes: [UInt8], from offset: Int = 0, announced: Int? = nil
    ) throws -> Outcome {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/file"
        try FileSystem.append(bytes, to: path)
        guard let descriptor = try Files.openToRead(path) else { throw TestFailure("no file") }
        defer { Descriptor.close(descriptor) }
        try Files.seek(descriptor, to: offset)
        var reader = AppendOnlyReader(
            descriptor: descriptor, from: offset, count: announced ?? bytes.count - offset)
        var outcome = Outcome()
        do throws(AppendOnlyError) {
            while true {
                let range = try reader.next()
                if range.isEmpty { break }
                outcome.requests += reader.bytes(range).array
            }
        } catch {
            outcome.error = "\(error.kind)"
            outcome.errorOffset = error.offset
        }
        outcome.validEnd = reader.validEnd
        return outcome
    }

    /// Random requests, transactions and annotations, and the ends of whole units among them.
    private static func file(
        _ random: inout SeededRandom, units: Int
    ) -> (bytes: [UInt8], requests: [UInt8], ends: [Int]) {
        var bytes: [UInt8] = [], requests: [UInt8] = [], ends = [0]
        func request() -> [UInt8] {
            let sizes = [0, 1, 5, 40, 3000, 300_000]
            let largest = Int.random(in: 0...40, using: &random) == 0 ? 5 : 3
            let words = (0..<Int.random(in: 1...5, using: &random)).map { _ in
                [UInt8](
                    repeating: UInt8.random(in: 0...255, using: &random),
                    count: sizes[Int.random(in: 0...largest, using: &random)])
            }
            return RESPClient.request([Array("SET".utf8)] + words)
        }
        for _ in 0..<units {
            var unit: [UInt8] = []
            switch Int.random(in: 0...9, using: &random) {
            case 0:
                bytes += Array("#TS:1700000000\r\n".utf8)
                ends.append(bytes.count)
            case 1:
                let name = Bool.random(using: &random) ? "MULTI" : "multi"
                unit = RESPClient.request(name)
                for _ in 0..<Int.random(in: 0...4, using: &random) { unit += request() }
                unit += RESPClient.request(Bool.random(using: &random) ? "EXEC" : "Exec")
            default: unit = request()
            }
            bytes += unit
            requests += unit
            ends.append(bytes.count)
        }
        return (bytes, requests, ends)
    }

    @Test(arguments: 0..<5) func `every request is found, and a cut file is good up to a unit`(
        seed: Int
    ) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let (bytes, requests, ends) = Self.file(&random, units: 60)
        let whole = try Self.read(bytes)
        #expect(whole.error == "" && whole.validEnd == bytes.count)
        #expect(whole.requests == requests)
        for _ in 0..<60 {
            let cut = Int.random(in: 0...bytes.count, using: &random)
            let outcome = try Self.read(Array(bytes[..<cut]))
            let good = ends.last { $0 <= cut } ?? 0
            #expect(outcome.error == (good == cut ? "" : "truncated"), "cut at \(cut)")
            #expect(outcome.validEnd == good, "cut at \(cut)")
            if good < cut { #expect(outcome.errorOffset == good) }
            #expect(requests.starts(with: outcome.requests))
        }
    }

    @Test func `a file may begin anywhere`() throws {
        var random = SeededRandom(seed: 77)
        let (bytes, requests, _) = Self.file(&random, units: 20)
        let outcome = try Self.read(Array("REDIS".utf8) + bytes, from: 5)
        #expect(outcome.requests == requests)
        #expect(outcome.validEnd == bytes.count + 5)
    }

    @Test func `lengths that cannot be are damage, those that are too long a missing end`() throws {
        let good = RESPClient.request("SET", "a", "1")
        let cases: [(String, String)] = [
            ("*", "truncated"), ("*1", "truncated"), ("*1\r", "truncated"), ("*1\r\n", "truncated"),
            ("*1\r\n$", "truncated"), ("*1\r\n$4\r\nPIN", "truncated"),
            ("*1\r\n$4\r\nPING\r", "truncated"), ("*-", "truncated"), ("*0\r\n", "damaged"),
            ("*-1\r\n", "damaged"), ("*x\r\n", "damaged"), ("*1x", "damaged"), ("x", "damaged"),
            ("*1\r\nx", "damaged"), ("*1\r\n$-1\r\n", "damaged"), ("*1\r\n$4\r\nPINGxx", "damaged"),
            ("*1\r\n$9223372036854775807\r\n", "damaged"), ("*1\r\n$536870912\r\n", "truncated"),
            ("*1\r\n$536870913\r\n", "damaged"), ("*2147483647\r\n$1\r\na\r\n", "truncated"),
            ("*9223372036854775807\r\n$1\r\na\r\n", "damaged"),
            ("*9223372036854775808\r\n", "damaged"), ("*1\r\n$9223372036854775808\r\n", "damaged"),
            ("*" + String(repeating: "1", count: 100), "damaged"), ("*1\rx", "damaged"),
            ("#" + String(repeating: "x", count: 2000), "damaged"), ("#", "truncated"),
            ("#TS:x\r\n", ""), ("#TS:\r\n", ""), ("#\n", ""), ("\r\n", "damaged"),
            ("*1\r\n$5\r\nMULTI\r\n", "truncated"), ("*1\r\n$4\r\nEXEC\r\n", ""), ("", ""),
        ]
        for (text, error) in cases {
            let outcome = try Self.read(good + Array(text.utf8))
            #expect(outcome.error == error, "\(text.prefix(40).debugDescription)")
            let end = error.isEmpty ? good.count + text.utf8.count : good.count
            #expect(outcome.validEnd == end, "\(text.prefix(40).debugDescription)")
        }
    }

    @Test func `random damage is found or is harmless`() throws {
        var random = SeededRandom(seed: 3)
        for _ in 0..<300 {
            var (bytes, _, _) = Self.file(&random, units: 6)
            for _ in 0..<Int.random(in: 1...5, using: &random) where !bytes.isEmpty {
                let i = Int.random(in: 0..<bytes.count, using: &random)
                let marks = Array("*$#-0123456789\r\n".utf8)
                switch Int.random(in: 0...2, using: &random) {
                case 0: bytes[i] = marks.randomElement(using: &random) ?? 0
                case 1: bytes.remove(at: i)
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: i)
                }
            }
            let outcome = try Self.read(bytes)
            #expect(outcome.validEnd <= bytes.count)
            #expect(outcome.errorOffset <= bytes.count)
        }
    }

    @Test func `a file that is shorter than it was is an error`() throws {
        let good = RESPClient.request("SET", "a", "1")
        #expect(try Self.read(good, announced: good.count + 10).error == "unreadable")
    }
}
