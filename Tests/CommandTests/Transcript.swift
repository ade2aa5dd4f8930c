//  Transcript.swift — sessions written down: what a client says, and what it is told.
//
//  The files lie in Tests/Transcripts. A section is one connection to an empty server and begins
//  with `= Title`; behind the title may stand
//
//      [resp2] or [resp3]     only in this protocol; without a mark, in both
//      [martlet]              not on a real server
//
//  A line `> …` is a request, with quotes and escapes as in an inline one. The line `< …` below it
//  is the reply: as `RESPValue` prints it, with \xHH for what is not printable. `:90..100` stands
//  for every integer of that range. Lines with # in front are for people.
import Platform
import TestSupport
import Testing

@testable import Engine

struct Transcript: Sendable, CustomTestStringConvertible {
    struct Step: Sendable {
        let request: [[UInt8]]
        let reply: String
        /// Where the request stands, for messages.
        let line: Int
    }

    let file: String
    let title: String
    /// The protocols in which it goes so.
    let versions: [Int]
    /// Whether a real server answers the same.
    let isCommon: Bool
    private(set) var steps: [Step] = []

    var testDescription: String { "\(file): \(title)" }

    /// All sections of all files.
    static let all: [Transcript] =
        FileSystem.paths(matching: Programs.root + "/Tests/Transcripts/*.txt").flatMap(read)

    private static func read(_ path: String) -> [Transcript] {
        let file = path.split(separator: "/").last.map(String.init) ?? path
        guard let bytes = try? FileSystem.read(path, bytesMax: 1 << 20) else { return [] }
        let text = String(decoding: bytes, as: UTF8.self)
        var sections: [Transcript] = []
        var request: String?
        for (i, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
        {
            let rest = String(line.dropFirst(2))
            if line.hasPrefix("= ") { sections.append(Transcript(file, rest)) }
            if line.hasPrefix("> ") { request = rest }
            if line.hasPrefix("< "), let words = request, !sections.isEmpty {
                let step = Step(request: split(words), reply: rest, line: i)
                sections[sections.count - 1].steps.append(step)
                request = nil
            }
        }
        return sections
    }

    private init(_ file: String, _ heading: String) {
        self.file = file
        title = heading
        isCommon = !heading.contains("[martlet]")
        versions = heading.contains("[resp2]") ? [2] : heading.contains("[resp3]") ? [3] : [2, 3]
    }

    private static func split(_ words: String) -> [[UInt8]] {
        let bytes = Array(words.utf8)
        return ArgumentSplitter.split(bytes.span) ?? []
    }

    /// Goes through the session on a new connection and says where it went otherwise.
    func replay(on client: RESPClient) throws -> [String] {
        _ = try client("FLUSHALL")
        return try steps.compactMap { step in
            let reply = Self.shown(try client.send(step.request).value)
            if reply == step.reply || Self.isInRange(reply, step.reply) { return nil }
            let words = step.request.map { String(decoding: $0, as: UTF8.self) }
            return """
                \(file):\(step.line): \(words.joined(separator: " "))
                written: \(step.reply)
                told:    \(reply)
                """
        }
    }

    private static func shown(_ reply: RESPValue) -> String {
        reply.description.unicodeScalars.reduce(into: "") { text, scalar in
            let isPrintable = scalar.value >= 32 && scalar.value != 127
            text += isPrintable ? "\(scalar)" : "\\x" + (scalar.value < 16 ? "0" : "")
            if !isPrintable { text += String(scalar.value, radix: 16) }
        }
    }

    /// Whether `reply` is an integer of a range such as `:90..100`.
    private static func isInRange(_ reply: String, _ range: String) -> Bool {
        guard reply.hasPrefix(":"), range.hasPrefix(":") else { return false }
        let bounds = range.dropFirst().split(separator: ".").compactMap { Int($0) }
        guard bounds.count == 2, let value = Int(reply.dropFirst()) else { return false }
        return value >= bounds[0] && value <= bounds[1]
    }
}
