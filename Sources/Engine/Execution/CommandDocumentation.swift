//  CommandDocumentation.swift — the page of all commands, written from the table.
//
//  What a person reads in docs/commands.md and what a client reads with COMMAND DOCS come from the
//  same literals. `make docs` writes the page; a check that it is up to date is a comparison.

/// Renders the commands for people.
package enum CommandDocumentation {
    /// The page of all commands of this server, in Markdown.
    package static func markdown() -> String { markdown(of: CommandTable(Family.all)) }

    /// The page of the commands of `table`.
    static func markdown(of table: borrowing CommandTable) -> String {
        let documents = table.documents
        var page = """
            <!-- Generated from the command declarations by `make docs`. Do not edit. -->

            # Commands

            """
        page += "\n\(documents.count { !$0.isImplied }) commands and subcommands, by group. "
        page += "Words in capitals are written as they stand; others stand for values.\n"
        for group in groups(of: documents) {
            page += "\n## \(title(of: group))\n"
            let members = documents.filter { $0.group == group && !$0.isImplied }
            for document in members { page += entry(document) }
        }
        return page
    }

    /// The groups that have commands, in the order in which they first appear.
    private static func groups(of documents: [CommandDocument]) -> [CommandGroup] {
        var groups: [CommandGroup] = []
        for document in documents where !groups.contains(document.group) {
            groups.append(document.group)
        }
        return groups
    }

    private static func title(of group: CommandGroup) -> String {
        let words = group.rawValue.split(separator: "-").joined(separator: " ")
        return words.prefix(1).uppercased() + words.dropFirst()
    }

    private static func entry(_ document: CommandDocument) -> String {
        let command = document.command
        var text = "\n### \(document.name.joined(separator: " "))\n\n"
        text += "```\n\(document.syntax.text)\n```\n\n\(document.summary)\n\n"
        text += "- Since: \(command.since)\(origin(of: command))\n"
        if let deprecated = command.deprecated {
            text += "- Deprecated since \(deprecated.since): use \(deprecated.replacedBy)\n"
        }
        if command.complexity.utf8CodeUnitCount > 0 {
            text += "- Complexity: \(command.complexity)\n"
        }
        let categories = document.categories.names.map { "@" + $0 }.joined(separator: ", ")
        text += "- Categories: \(categories)\n"
        for (version, change) in command.history { text += "- \(version): \(change)\n" }
        return text
    }

    private static func origin(of command: Command) -> String {
        if command.docFlags.contains(.valkey) { return " (Valkey)" }
        return command.docFlags.contains(.martlet) ? " (Martlet)" : ""
    }
}
