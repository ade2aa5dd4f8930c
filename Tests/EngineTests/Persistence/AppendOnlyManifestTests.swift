//  AppendOnlyManifestTests.swift — manifests written, read back, and made up.
import Platform
import TestSupport
import Testing

@testable import Engine

@Suite("Append-only manifest") struct AppendOnlyManifestTests {
    private typealias File = AppendOnlyManifest.File

    private static func parse(_ text: String) throws(AppendOnlyManifest.Failure)
        -> AppendOnlyManifest
    {
        try AppendOnlyManifest(parsing: Array(text.utf8))
    }

    @Test func `what is written is read back`() throws {
        var random = SeededRandom(seed: 5)
        let alphabet = Array("ab.\"'\\ \t\n#é\u{1}\u{7F}".unicodeScalars)
        for _ in 0..<500 {
            func name() -> String {
                var text = "n"
                for _ in 0..<Int.random(in: 0...12, using: &random) {
                    text.unicodeScalars.append(alphabet.randomElement(using: &random) ?? "a")
                }
                return text
            }
            var manifest = AppendOnlyManifest()
            if Bool.random(using: &random) {
                manifest.base = File(
                    name: name(), number: Int64.random(in: 1...1000, using: &random), kind: .base)
            }
            var number: Int64 = 0
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                number += Int64.random(in: 1...9, using: &random)
                manifest.increments.append(File(name: name(), number: number, kind: .increment))
                manifest.history.append(File(name: name(), number: number, kind: .history))
            }
            if manifest.text.isEmpty { continue }
            let again = try Self.parse(manifest.text)
            #expect(again == manifest, "\(manifest.text)")
        }
    }

    @Test func `what is wrong is told with its line`() {
        let line = "file a seq 1 type i\n"
        let cases: [(String, Int, String)] = [
            ("", 1, "Empty AOF manifest file"),
            (line + "file b seq 2 type i", 2, "Invalid AOF manifest file format"),
            (line + "\n" + line, 2, "Invalid AOF manifest file format"),
            (line + "file b seq 1 type i\n", 2, "Found a non-monotonic sequence number"),
            (
                "file a seq 1 type b\nfile b seq 2 type b\n", 2,
                "Found duplicate base file information"
            ),
            ("#\nfile a/b seq 1 type i\n", 2, "File can't be a path, just a filename"),
            ("file a seq 0 type i\n", 1, "Invalid AOF manifest file format"),
            ("file a seq 9223372036854775807 type i\n", 1, "Invalid AOF manifest file format"),
            (
                "file a seq 1 type i" + String(repeating: " ", count: 1100), 1,
                "The AOF manifest file contains too long line"
            ),
        ]
        for (text, number, reason) in cases {
            #expect(
                throws: AppendOnlyManifest.Failure(line: number, reason: reason),
                "\(text.prefix(80))"
            ) { try Self.parse(text) }
        }
    }

    @Test func `random bytes are read or refused`() {
        var random = SeededRandom(seed: 6)
        let words = [
            "file", "seq", "type", "i", "b", "h", "1", "2", "a", "b", "\"", "'", "\\x", "\n", " ",
            "#", "\0", "/", "..", "99999999999999999999",
        ]
        for _ in 0..<5000 {
            var text = ""
            for _ in 0..<Int.random(in: 0...14, using: &random) {
                text += (words.randomElement(using: &random) ?? "")
                if Bool.random(using: &random) { text += " " }
            }
            guard let manifest = try? Self.parse(text) else { continue }
            for file in [manifest.base].compactMap(\.self) + manifest.increments + manifest.history
            {
                #expect(AppendOnlyManifest.isFileName(file.name))
            }
            // There is always a next one.
            #expect(manifest.nextBase("x", isRDB: true).number > 0)
            #expect(manifest.nextIncrement("x").number > 0)
        }
    }

    @Test func `numbers go on and names follow them`() {
        var manifest = AppendOnlyManifest()
        #expect(manifest.nextBase("f", isRDB: true).name == "f.1.base.rdb")
        #expect(manifest.nextBase("f", isRDB: false).name == "f.1.base.aof")
        manifest.base = manifest.nextBase("f", isRDB: true)
        for _ in 0..<3 { manifest.increments.append(manifest.nextIncrement("f")) }
        #expect(manifest.increments.map(\.number) == [1, 2, 3])
        let base = manifest.nextBase("f", isRDB: false)
        manifest.replace(with: base, incrementsFrom: 3)
        #expect(manifest.base?.name == "f.2.base.aof")
        #expect(manifest.increments.map(\.name) == ["f.3.incr.aof"])
        #expect(manifest.history.map(\.name) == ["f.1.base.rdb", "f.1.incr.aof", "f.2.incr.aof"])
        manifest.increments = []
        manifest.history = [File(name: "old", number: 9, kind: .history)]
        #expect(manifest.nextIncrement("f").number == 10)
    }
}
