//  DeclarationTests.swift — what each command declares, against a real server.
import TestSupport
import Testing

@testable import Engine

@Suite("Declarations", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct DeclarationTests {
    /// Arguments that the peer does not have.
    static let additions: [String: Set<String>] = ["set": ["comparison-value"]]

    @Test func `every declared command is described as on a real server`() throws {
        let peers = try PeerCommand.all(of: try PeerServer(version: 3))
        let server = LocalServer(version: .resp3)
        var infos: [String: RESPValue] = [:], docs: [String: RESPValue] = [:]
        PeerCommand.collect(server("COMMAND")?.items ?? [], &infos)
        PeerCommand.collect(server("COMMAND", "DOCS")?.pairs ?? [], &docs)
        for (name, info) in infos.sorted(by: { $0.key < $1.key }) {
            let documentation = try #require(docs[name])
            let command = PeerCommand(name: name, info: info, docs: documentation)
            guard let peer = peers[name] else {
                #expect(isAddition(name), "no such command in 8.2: \(name)")
                continue
            }
            #expect(command.arity == peer.arity, "\(name)")
            #expect(command.flags == peer.flags, "\(name)")
            #expect(command.range == peer.range, "\(name)")
            #expect(command.categories == peer.categories, "\(name)")
            #expect(command.tips == peer.tips, "\(name)")
            #expect(command.keySpecs == peer.keySpecs, "\(name)")
            compare(name, documentation, peer.docs)
        }
    }

    /// Everything but prose.
    private func compare(_ name: String, _ docs: RESPValue, _ peer: RESPValue) {
        for field in ["group", "since", "deprecated_since", "doc_flags"] {
            #expect(docs[field] == peer[field], "\(name)")
        }
        #expect(firstTerm(docs["complexity"]) == firstTerm(peer["complexity"]), "\(name)")
        let added = name == "set" ? 1 : 0  // IFEQ has a line of its own.
        #expect(versions(docs).dropLast(added) == versions(peer)[...], "\(name)")
        #expect(
            arguments(docs["arguments"], without: Self.additions[name] ?? [])
                == arguments(peer["arguments"], without: []), "\(name)")
    }

    private func isAddition(_ name: String) -> Bool {
        let table = CommandTable(Family.all)
        let bytes = Array(name.utf8)
        guard let id = table.find(fullName: bytes.span) else { return false }
        let subcommands = table.documents[id].subcommands
        if table.documents[id].isImplied {
            return subcommands.allSatisfy { isAddition(table.fullName($0)) }
        }
        return !table.documents[id].command.docFlags.isDisjoint(with: [.valkey, .martlet])
    }

    /// `O(N)` of `O(N) where N is …`.
    private func firstTerm(_ complexity: RESPValue?) -> String {
        guard let text = complexity?.text, text.hasPrefix("O(") else { return "" }
        return String(text.prefix { $0 != ")" })
    }

    private func versions(_ docs: RESPValue) -> [String] {
        (docs["history"]?.items ?? []).compactMap { $0.item(0)?.text }
    }

    private func arguments(_ value: RESPValue?, without names: Set<String>) -> String {
        guard let value else { return "" }
        return value.items.filter { !names.contains($0["name"]?.text ?? "") }.map { argument in
            argument.pairs.map { key, value in
                key.text == "arguments"
                    ? arguments(value, without: names) : "\(key.text ?? "")=\(value)"
            }.joined(separator: " ")
        }.joined(separator: "; ")
    }
}
