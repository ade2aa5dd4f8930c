//  Fields.swift — reports of `name=value` and `name:value`, taken apart.
import TestSupport

/// The fields of one client's line of CLIENT LIST, in order.
func clientFields(_ line: some StringProtocol) -> [(name: String, value: String)] {
    line.split(whereSeparator: \.isWhitespace).compactMap { field in
        guard let mark = field.firstIndex(of: "=") else { return nil }
        return (String(field[..<mark]), String(field[field.index(after: mark)...]))
    }
}

/// The clients of a CLIENT LIST, by name of field.
func clients(_ reply: RESPValue) -> [[String: String]] {
    (reply.text ?? "").split(separator: "\n").map { line in
        Dictionary(clientFields(line).map { ($0.name, $0.value) }) { $1 }
    }
}

extension RESPClient {
    /// The fields of a section of INFO.
    func info(_ section: String = "everything") throws -> [String: String] {
        let lines = (try self("INFO", section).text ?? "").split(whereSeparator: \.isNewline)
        let fields = lines.compactMap { line -> (String, String)? in
            guard let mark = line.firstIndex(of: ":") else { return nil }
            return (String(line[..<mark]), String(line[line.index(after: mark)...]))
        }
        return Dictionary(fields) { $1 }
    }

    func infoNumber(_ field: String) throws -> Int { Int(try info()[field] ?? "") ?? -1 }

    func id() throws -> Int { try self("CLIENT", "ID").integer ?? -1 }
}
