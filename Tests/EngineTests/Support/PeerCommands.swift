//  PeerCommands.swift — what a real server says about its commands.
import TestSupport

@testable import Engine

/// One command of a real server.
struct PeerCommand {
    let name: String
    /// An element of COMMAND INFO.
    let info: RESPValue
    /// A value of COMMAND DOCS.
    let docs: RESPValue

    var arity: Int { info.item(1)?.integer ?? 0 }
    var flags: Set<String> { Set(texts(2)) }
    var range: [Int] { (3...5).map { info.item($0)?.integer ?? 0 } }
    var categories: Set<String> { Set(texts(6)) }
    var tips: [String] { texts(7) }
    /// Without the notes, which are prose.
    var keySpecs: [String] {
        info.item(8)?.items.map { spec in
            let parts = spec.pairs.filter { $0.key.text != "notes" }
            return parts.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        } ?? []
    }
    var isContainer: Bool { info.item(9)?.items.isEmpty == false }

    private func texts(_ i: Int) -> [String] { info.item(i)?.items.compactMap(\.text) ?? [] }

    /// All commands and subcommands of `peer`, by name.
    static func all(of peer: PeerServer) throws -> [String: PeerCommand] {
        var infos: [String: RESPValue] = [:], docs: [String: RESPValue] = [:]
        collect(try peer.send(["COMMAND"]).items, &infos)
        collect(try peer.send(["COMMAND", "DOCS"]).pairs, &docs)
        var all: [String: PeerCommand] = [:]
        for (name, info) in infos {
            guard let documentation = docs[name] else { continue }
            all[name] = PeerCommand(name: name, info: info, docs: documentation)
        }
        return all
    }

    static func collect(_ list: [RESPValue], _ infos: inout [String: RESPValue]) {
        for info in list {
            infos[info.item(0)?.text ?? ""] = info
            collect(info.item(9)?.items ?? [], &infos)
        }
    }

    static func collect(
        _ pairs: [(key: RESPValue, value: RESPValue)], _ docs: inout [String: RESPValue]
    ) {
        for (name, documentation) in pairs {
            docs[name.text ?? ""] = documentation
            collect(documentation["subcommands"]?.pairs ?? [], &docs)
        }
    }
}

extension KeyAccess {
    /// The accesses that the key specifications of a real server's command amount to.
    static func all(of command: PeerCommand) -> [KeyAccess] {
        (command.info.item(8)?.items ?? []).compactMap { spec in
            let flags = spec["flags"]?.items.compactMap(\.text) ?? []
            let isUnknown = spec["begin_search"]?["type"]?.text == "unknown"
            if flags.contains("variable_flags") {
                return command.name == "set" ? .overwritesUnlessGet : .readsAndUpdatesUnlessGet
            }
            return named.first {
                $0.flags.names.map { "\($0)" } == flags
                    && ($0 == .readsSomewhere || $0 == .overwritesSomewhere) == isUnknown
            }
        }
    }

    private static let named: [KeyAccess] = [
        .reads, .inspects, .overwrites, .inserts, .appends, .updates, .readsAndUpdates,
        .readsAndAdds, .readsAndTouches, .readsAndDeletes, .deletesFrom, .updatesAndDeletes,
        .deletes, .readsAndDeletesIncompletely, .readsSomewhere, .overwritesSomewhere, .channel,
    ]
}
