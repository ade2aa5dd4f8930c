//  PeerSyntaxTests.swift — every command of a real server, as a syntax line, read back.
import TestSupport
import Testing

@testable import Engine

@Suite("Syntax lines of a real server", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct PeerSyntaxTests {
    /// Arities that no line tells.
    static let irregularArities: Set<String> = [
        "client|kill", "psync", "quit", "replconf", "sentinel|simulate-failure", "debug", "command",
    ]

    /// Vector sets come as a module, which documents nothing.
    private func commands() throws -> [PeerCommand] {
        try PeerCommand.all(of: try PeerServer(version: 3)).values.filter { !$0.name.hasPrefix("V") }
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

    /// Requests of all kinds: counted keys, keys behind tokens, keys that nobody can foresee.
    static let requests = [
        "zunionstore d 2 a b weights 1 2", "zunionstore d 3 a b", "lmpop 2 a b left count 1",
        "blmpop 0 1 a left", "xread count 1 streams a b 0 0", "xread streams a b 0",
        "xread count 2 streams", "xreadgroup group g c streams a 0", "eval s 0", "eval s 2 a b c",
        "eval s -1", "eval s x", "fcall f 1 k", "georadius k 1 2 3 m store a",
        "georadius k 1 2 3 m count 1 storedist b", "georadiusbymember k m 3 m store a storedist b",
        "sort k by a_* get store store y", "sort k limit 0 1 store x store y", "sort k",
        "sort_ro k by store get x", "migrate h 1 k 0 10", "migrate h 1  0 10 keys a b",
        "migrate h 1  0 10 copy auth x keys a", "bitfield a get u8 0",
        "bitfield a get u8 0 set u8 0 1", "bitfield a overflow sat get u8 0", "bitfield a",
        "bitfield_ro a get u8 0", "bitop and d a b", "blpop a b 0", "brpoplpush a b 0",
        "smove a b c", "xgroup create k g 0", "xinfo stream k", "memory usage k", "pfcount a b",
        "lcs a b", "lmove a b left right", "zrangestore a b 0 1", "geosearchstore a b c d e f g h",
        "spublish a b", "ssubscribe a", "xadd k * f v", "zinter 1 a", "sintercard 2 a b",
        "zinter 9223372036854775807 a", "restore k 0 x", "object freq k", "msetnx a 1 b 2",
    ]

    @Test func `keys of a request and what happens to them are found`() throws {
        let peer = try PeerServer(version: 3)
        let all = try PeerCommand.all(of: peer)
        for request in Self.requests {
            // Two spaces stand for an empty word.
            let words = request.split(separator: " ", omittingEmptySubsequences: false)
                .map(String.init)
            let answer = try peer.send(["COMMAND", "GETKEYSANDFLAGS"] + words)
            let name = words.count > 1 ? "\(words[0])|\(words[1])" : ""
            let command = try #require(all[name] ?? all[words[0]])
            var syntax = Syntax(
                SyntaxRenderer(name: command.name, command.docs["arguments"]?.items ?? []).line)
            let specs = KeySpecBuilder.specs(of: &syntax, KeyAccess.all(of: command))
            let found = withArguments(words) { args in
                KeySpec.positions(of: specs, in: args, options: syntax.optionWidths)
            }
            let keys = (found ?? []).filter { !$0.flags.contains(.notKey) }.map { key in
                "\(words[key.index]) \(key.flags.names.map { "\($0)" })"
            }
            let expected = answer.items.map { item in
                let flags = item.item(1)?.items.compactMap(\.text) ?? []
                return "\(item.item(0)?.text ?? "") \(flags)"
            }
            #expect(keys == expected, "\(request): \(answer)")
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
