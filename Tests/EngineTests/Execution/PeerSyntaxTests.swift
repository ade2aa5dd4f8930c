//  PeerSyntaxTests.swift — every command of a real server, as a syntax line, read back.
import Testing

@testable import Engine

@Suite("Syntax lines of a real server", .enabled(if: Peer.binary != nil, "no peer is installed"))
struct PeerSyntaxTests {
    /// Arities that no line tells.
    static let irregularArities: Set<String> = [
        "client|kill", "psync", "quit", "replconf", "sentinel|simulate-failure", "debug", "command",
    ]

    /// Vector sets come as a module, which documents nothing.
    private func commands() throws -> [PeerCommand] {
        try PeerCommand.all(of: try Peer(version: 3)).values.filter { !$0.name.hasPrefix("V") }
    }

    @Test func `the arguments read back are those documented`() throws {
        for command in try commands() {
            let documented = command.docs["arguments"]?.items ?? []
            let rendered = SyntaxRenderer(name: command.name, documented)
            var syntax = Syntax(rendered.line, names: rendered.names)
            _ = KeySpecBuilder.specs(of: &syntax, KeyAccess.all(of: command))
            #expect(
                syntax.arguments.map(describe).joined(separator: " ")
                    == documented.map(describe).joined(separator: " "), "\(rendered.line)")
            #expect(syntax.fullName == command.name)
        }
    }

    @Test func `arity follows from the line`() throws {
        for command in try commands()
        where !command.isContainer && !Self.irregularArities.contains(command.name) {
            let documented = command.docs["arguments"]?.items ?? []
            let line = SyntaxRenderer(name: command.name, documented).line
            #expect(Int(Syntax(line).arity) == command.arity, "\(line)")
        }
    }

    @Test func `key specifications follow from the line`() throws {
        for command in try commands() where !command.isContainer {
            let documented = command.docs["arguments"]?.items ?? []
            let line = SyntaxRenderer(name: command.name, documented).line
            var syntax = Syntax(line)
            let accesses = KeyAccess.all(of: command)
            let specs = KeySpecBuilder.specs(of: &syntax, accesses)
            let (range, isIncomplete) = KeyRange.covering(specs)
            #expect(specs.map(describe) == command.keySpecs, "\(line)")
            #expect([range.first, range.last, range.step] == command.range, "\(line)")
            #expect(isIncomplete == command.flags.contains("movablekeys"), "\(line)")
        }
    }

    // MARK: - Descriptions

    /// An argument without the versions, which no line carries.
    private func describe(_ argument: RESPValue) -> String {
        let texts = ["name", "type", "display_text", "key_spec_index", "token"].compactMap { name in
            argument[name].map { "\(name)=\($0.text ?? "\($0.integer ?? -1)")" }
        }
        let flags = argument["flags"]?.items.compactMap(\.text) ?? []
        let parts = (argument["arguments"]?.items ?? []).map(describe)
        return "(\((texts + flags + parts).joined(separator: " ")))"
    }

    private func describe(_ argument: Argument) -> String {
        let isGroup = argument.type == .oneof || argument.type == .block
        var words = ["name=\(argument.name)", "type=\(argument.type.rawValue)"]
        if !isGroup { words.append("display_text=\(argument.display)") }
        if let spec = argument.keySpec { words.append("key_spec_index=\(spec)") }
        if let token = argument.token { words.append("token=\(token)") }
        if argument.isOptional { words.append("optional") }
        if argument.isMultiple { words.append("multiple") }
        if argument.isTokenMultiple { words.append("multiple_token") }
        return "(\((words + argument.parts.map(describe)).joined(separator: " ")))"
    }

    private func describe(_ spec: KeySpec) -> String {
        let begin =
            switch spec.begin {
            case .index(let i): "{\"type\"=\"index\" \"spec\"={\"index\"=:\(i)}}"
            case .keyword(let word, let from):
                "{\"type\"=\"keyword\" \"spec\"={\"keyword\"=\"\(word)\" \"startfrom\"=:\(from)}}"
            case .anywhere: "{\"type\"=\"unknown\" \"spec\"={}}"
            }
        let find =
            switch spec.find {
            case .range(let last, let step, let limit):
                "{\"type\"=\"range\" \"spec\"={\"lastkey\"=:\(last) \"keystep\"=:\(step) "
                    + "\"limit\"=:\(limit)}}"
            case .counted(let count, let first):
                "{\"type\"=\"keynum\" \"spec\"={\"keynumidx\"=:\(count) \"firstkey\"=:\(first) "
                    + "\"keystep\"=:1}}"
            case .unknown: "{\"type\"=\"unknown\" \"spec\"={}}"
            }
        let flags = spec.access.flags.names.map { "+\($0)" }.joined(separator: " ")
        return "\"flags\"=~[\(flags)] \"begin_search\"=\(begin) \"find_keys\"=\(find)"
    }
}
