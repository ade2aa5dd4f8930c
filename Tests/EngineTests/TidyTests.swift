//  TidyTests.swift — what the tree looks like, checked.
import Foundation
import Testing

@Suite("Tidy")
struct TidyTests {
    /// The only files that may hold unsafe code.
    ///
    /// Whoever adds one says so here.
    private static let fences: Set<String> = [
        "Engine/Collections/ChunkedList.swift", "Engine/Collections/IDTree.swift",
        "Engine/Collections/Packed.swift", "Engine/Collections/StreamBlock.swift",
        "Engine/Collections/StreamGroups.swift",
        "Engine/Collections/Record+Objects.swift", "Engine/Execution/BareHandler.swift",
        "Engine/Execution/CommandStatistics.swift", "Engine/Keyspace/HashTable.swift",
        "Engine/Keyspace/Record.swift", "Engine/Memory/Buffer.swift",
        "Engine/Memory/ByteBuffer.swift", "Engine/Memory/Bytes.swift",
        "Engine/Memory/SlabAllocator.swift", "Engine/Protocol/Arguments.swift",
        "Engine/Protocol/LargeRequest.swift",
        "Engine/Protocol/Reply.swift", "Engine/Protocol/RequestParser+Fast.swift",
        "Engine/Structures/Bits.swift", "Engine/Structures/CRC64.swift",
        "Engine/Structures/HyperLogLog.swift", "Engine/Structures/LZF.swift",
        "Engine/Structures/OrderedIndex.swift",
        "Engine/Structures/SipHash.swift",
        "Engine/Structures/TimingWheel.swift",
    ]

    /// Files that hand a fence's pointers on in one line, without arithmetic of their own.
    private static let passages: Set<String> = [
        "Engine/Execution/Call+Collections.swift", "Engine/Execution/Client.swift",
        "Engine/Execution/Executor.swift", "Engine/Protocol/RequestParser.swift",
        "Engine/Persistence/AppendOnlyReader.swift", "Engine/Persistence/DataLoader.swift",
        "Engine/Persistence/RDBInput.swift", "Engine/Server/Server+Connections.swift",
        "Engine/Server/Server+LargeRequests.swift",
        "Engine/Server/Server+Readiness.swift",
    ]

    private struct SourceFile: CustomTestStringConvertible {
        /// Below `Sources`.
        let path: String
        let lines: [String]
        var testDescription: String { path }
    }

    private static func paths(below folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
    }

    private static func files(under folder: String) throws -> [SourceFile] {
        let root = "\(#filePath)".components(before: "/Tests/EngineTests/") + "/\(folder)"
        return try paths(below: root).filter { $0.hasSuffix(".swift") }.map { path in
            let text = try String(contentsOfFile: root + "/" + path, encoding: .utf8)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            return SourceFile(path: path, lines: lines.map(String.init))
        }
    }

    @Test func `unsafe code stays behind the fences`() throws {
        for file in try Self.files(under: "Sources") where file.path.hasPrefix("Engine/") {
            let isUnsafe = file.lines.contains { line in
                !line.drop { $0 == " " }.hasPrefix("//") && line.contains("unsafe ")
            }
            let isFence = Self.fences.contains(file.path)
            let says = file.lines.first?.hasSuffix("  U") == true
            #expect(says == isFence, "\(file.path): the mark U in the header")
            if isUnsafe { #expect(isFence || Self.passages.contains(file.path), "\(file.path)") }
            if isFence {
                let hasSafety = file.lines.contains { $0.hasPrefix("//  ## Safety") }
                #expect(hasSafety, "\(file.path): a Safety section")
            }
        }
    }

    @Test func `every file begins with its name and what it is for`() throws {
        for folder in ["Sources", "Tests"] {
            for file in try Self.files(under: folder) {
                let name = file.path.split(separator: "/").last ?? ""
                let first = file.lines.first ?? ""
                #expect(first.hasPrefix("//  \(name) — "), "\(file.path): \(first)")
            }
        }
    }

    @Test func `files fit 800 lines and functions 70`() throws {
        for file in try Self.files(under: "Sources") {
            #expect(file.lines.count <= 800, "\(file.path)")
            var start: (line: Int, indent: Int)?
            for (i, line) in file.lines.enumerated() {
                let indent = line.prefix { $0 == " " }.count
                let body = line.dropFirst(indent)
                if let begun = start, indent == begun.indent, body == "}" {
                    #expect(i - begun.line < 72, "\(file.path):\(begun.line + 1)")
                    start = nil
                }
                let isFunction = line.contains("func ") || body.hasPrefix("init(")
                if isFunction, !body.hasPrefix("//"), start == nil { start = (i, indent) }
            }
        }
    }

    @Test func `the engine prints nothing, leaves nothing for later and needs no Foundation`()
        throws
    {
        let words = ["TO" + "DO", "FIX" + "ME", "import Foundation", "try!", "fatalError("]
        for file in try Self.files(under: "Sources") {
            for line in file.lines {
                for word in words { #expect(!line.contains(word), "\(file.path): \(line)") }
                let isPrint = line.drop { $0 == " " }.hasPrefix("print(")
                #expect(!isPrint, "\(file.path): \(line)")
            }
        }
    }

    @Test func `layers know only those below`() throws {
        let forbidden = [
            "Platform/": ["import Engine", "import Martlet", "import Logging"],
            "Engine/": ["import Martlet"], "Martlet/": ["import MartletCommand"],
        ]
        for file in try Self.files(under: "Sources") {
            for (folder, imports) in forbidden where file.path.hasPrefix(folder) {
                for line in imports { #expect(!file.lines.contains(line), "\(file.path)") }
            }
        }
    }

    @Test func `links between pages lead somewhere`() throws {
        let root = "\(#filePath)".components(before: "/Tests/EngineTests/")
        let pages = ["README.md"] + (try Self.paths(below: root + "/docs").map { "docs/" + $0 })
        for page in pages where page.hasSuffix(".md") {
            let text = try String(contentsOfFile: root + "/" + page, encoding: .utf8)
            let folder = page.split(separator: "/").dropLast().joined(separator: "/")
            for part in text.split(separator: "](").dropFirst() {
                let target = part.prefix { $0 != ")" && $0 != "#" }
                if target.isEmpty || target.contains(":") { continue }
                let path = "\(root)/\(folder.isEmpty ? "" : folder + "/")\(target)"
                #expect(FileManager.default.fileExists(atPath: path), "\(page) → \(target)")
            }
        }
    }
}

extension String {
    /// What stands in front of the first `mark`.
    fileprivate func components(before mark: String) -> String {
        let parts = split(separator: mark, maxSplits: 1, omittingEmptySubsequences: false)
        return String(parts.first ?? "")
    }
}
