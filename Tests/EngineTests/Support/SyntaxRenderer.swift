//  SyntaxRenderer.swift — writes the syntax line of a command that a real server documents.
//
//  The way back from COMMAND DOCS to a line. What it writes, the parser must read as the same.
import TestSupport

@testable import Engine

struct SyntaxRenderer {
    private(set) var names: [String] = []
    let line: String

    /// - Parameters:
    ///   - name: as the server spells it, such as `client|getname`.
    ///   - arguments: of COMMAND DOCS.
    init(name: String, _ arguments: [RESPValue]) {
        var names: [String] = []
        let head = name.uppercased().split(separator: "|").joined(separator: " ")
        line = ([head] + Self.sequence(arguments, &names, isFirst: true)).joined(separator: " ")
        self.names = names
    }

    /// Arguments in a row, with braces where one would otherwise be read into another.
    private static func sequence(
        _ arguments: [RESPValue], _ names: inout [String], isFirst: Bool = false
    ) -> [String] {
        arguments.enumerated().map { i, argument in
            let text = bracketed(argument, &names)
            guard !flags(argument).contains("optional"), !flags(argument).contains("multiple")
            else { return text }
            let isBlock = argument["type"]?.text == "block"
            let ownsToken = argument["token"] != nil && argument["type"]?.text != "pure-token"
            let swallows = ownsToken && !isBlock && i + 1 < arguments.count
            let isAlone = isBlock && !ownsToken
            let looksLikeName = isFirst && i == 0 && ownsToken
            return swallows || isAlone || looksLikeName ? "{\(text)}" : text
        }
    }

    private static func bracketed(_ argument: RESPValue, _ names: inout [String]) -> String {
        let text = body(argument, &names)
        return flags(argument).contains("optional") ? "[\(text)]" : text
    }

    private static func body(_ argument: RESPValue, _ names: inout [String]) -> String {
        let type = argument["type"]?.text ?? ""
        let token = type == "pure-token" ? nil : argument["token"]?.text
        let prefix = token.map { $0.isEmpty ? "\"\" " : $0 + " " } ?? ""
        let flags = flags(argument)
        let isMultiple = flags.contains("multiple")
        let repeated = flags.contains("multiple_token") ? prefix : ""
        let parts = argument["arguments"]?.items ?? []
        switch type {
        case "oneof":
            names.append(argument["name"]?.text ?? "")
            let choices = parts.map { bracketed($0, &names) }.joined(separator: " | ")
            if isMultiple { return "\(prefix)<\(choices)>..." }
            return flags.contains("optional") && token == nil ? choices : "\(prefix)<\(choices)>"
        case "block":
            names.append(argument["name"]?.text ?? "")
            let text = sequence(parts, &names).joined(separator: " ")
            if isMultiple { return "\(prefix)\(text) [\(repeated)\(text) ...]" }
            let hasOptions = parts.contains { Self.flags($0).contains("optional") }
            return token != nil && hasOptions ? "\(prefix){\(text)}" : prefix + text
        default:
            let text = word(argument, type)
            return isMultiple ? "\(prefix)\(text) [\(repeated)\(text) ...]" : prefix + text
        }
    }

    private static func word(_ argument: RESPValue, _ type: String) -> String {
        let name = argument["name"]?.text ?? ""
        let display = argument["display_text"]?.text ?? name
        if type == "pure-token" {
            let token = argument["token"]?.text ?? ""
            let isPlain = token.lowercased() == name && token.contains(where: \.isLetter)
            return isPlain ? token : "\(name)=\(token.isEmpty ? "\"\"" : token)"
        }
        let usual = ArgumentType.usual(for: name).rawValue
        return (name == display ? name : "\(name)=\(display)") + (usual == type ? "" : ":\(type)")
    }

    private static func flags(_ argument: RESPValue) -> [String] {
        argument["flags"]?.items.compactMap(\.text) ?? []
    }
}
