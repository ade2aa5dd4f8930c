//  Configuration+Access.swift — CONFIG GET, CONFIG SET and what is said about unused directives.

/// Why a file, the command line or CONFIG SET is refused: the text for people or for the reply.
public struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }

    /// A value that is well-formed but that the server could not put into effect.
    public static func applying(_ name: String, _ reason: String) -> ConfigurationError {
        ConfigurationError(
            "ERR CONFIG SET failed (possibly related to argument '\(name)') - \(reason)")
    }
}

extension Configuration {
    /// Names and values of the directives that match, each once.
    ///
    /// A pattern without wildcards is a name, also of a hidden directive, and comes back as it was
    /// written; case does not matter.
    public func get(patterns: [String]) -> [(name: String, value: String)] {
        var seen: Set<String> = []
        var found: [(name: String, value: String)] = []
        for pattern in patterns {
            let lower = pattern.lowercased()
            guard lower.contains(where: { "*?[".contains($0) }) else {
                if let directive = Directive.named(lower), seen.insert(lower).inserted {
                    found.append((pattern, directive.get(self)))
                }
                continue
            }
            let matcher = Array(lower.utf8)
            for directive in Directive.all where !directive.traits.contains(.hidden) {
                for name in [directive.name, directive.alias].compactMap({ $0 }) {
                    guard Glob.matches(pattern: matcher.span, Array(name.utf8).span),
                        seen.insert(name).inserted
                    else { continue }
                    found.append((name, directive.get(self)))
                }
            }
        }
        return found
    }

    /// Sets all of `pairs`, or none when one of them is refused.
    ///
    /// `isLocal` says whether the client sits on this machine. Returned are the names, without
    /// aliases, of the directives whose values are different now, so that the server can put
    /// them into effect. The error's text is the reply.
    public mutating func set(
        _ pairs: [(name: String, value: String)], isLocal: Bool = true
    ) throws(ConfigurationError) -> [String] {
        var directives: [Directive] = []
        var seen: Set<String> = []
        for (name, _) in pairs {
            guard let directive = Directive.named(name) else {
                throw ConfigurationError(
                    "ERR Unknown option or number of arguments for CONFIG SET - '\(name)'")
            }
            if directive.traits.contains(.immutable) {
                throw .applying(name, "can't set immutable config")
            }
            if directive.traits.contains(.protected), !enableProtectedConfigs.admits(local: isLocal)
            {
                throw .applying(name, "can't set protected config")
            }
            guard seen.insert(name.lowercased()).inserted else {
                throw .applying(name, "duplicate parameter")
            }
            directives.append(directive)
        }
        var draft = self
        var changed: [String] = []
        for (directive, pair) in zip(directives, pairs) {
            // Unlike lines of a file, CONFIG SET replaces all save points.
            if directive.name == "save" { draft.isSaveInitial = true }
            do {
                try directive.set(&draft, directive.words(of: pair.value))
            } catch {
                throw .applying(pair.name, error.text)
            }
            draft.named.insert(directive.name)
            if directive.get(self) != directive.get(draft), !changed.contains(directive.name) {
                changed.append(directive.name)
            }
        }
        self = draft
        return changed
    }

    /// Directives without an effect that someone set to other than the initial value, with the
    /// reason, in the order of names.
    public var withoutEffect: [(name: String, reason: String)] {
        let initial = Configuration()
        return Directive.all.compactMap { directive in
            guard let reason = directive.noEffect, named.contains(directive.name),
                directive.get(self) != directive.get(initial),
                // Who switches saving off gets what they asked for.
                directive.name != "save" || !save.isEmpty
            else { return nil }
            return (directive.name, reason)
        }
    }

    /// What all clients together may hold, in bytes; nil means any amount.
    var clientMemoryLimit: Int? {
        let text = maxMemoryClients
        guard text.hasSuffix("%") else {
            let bytes = Int(text) ?? 0
            // Less than a handful of buffers would close every client that says something.
            return bytes == 0 ? nil : max(bytes, 128 << 10)
        }
        guard let percent = Int(text.dropLast()), maxMemory > 0 else { return nil }
        return maxMemory / 100 * percent
    }

    /// The page of the documentation about directives without an effect, by reason.
    package static func markdownOfDirectivesWithoutEffect() -> String {
        var names: [String: [String]] = [:]
        for directive in Directive.all {
            guard let reason = directive.noEffect else { continue }
            names[reason, default: []].append("`\(directive.name)`")
        }
        var text = """
            # Directives without an effect

            Generated by `make docs`. A configuration file may set these; values are checked, shown \
            by CONFIG GET, and change nothing. The log names those that a file sets. Martlet does not \
            start where the lack of a feature would make it another server than the file asks for: \
            `aclfile`, `cluster-enabled yes`, `tls-port`, `replicaof`, `user` and `loadmodule`.

            | Why | Directives |
            |---|---|

            """
        for (reason, list) in names.sorted(by: { $0.key < $1.key }) {
            text += "| \(reason) | \(list.joined(separator: ", ")) |\n"
        }
        return text
    }
}

extension Directive {
    /// The words of a value that came as one string.
    func words(of value: String) -> [String] {
        guard traits.contains(.manyWords) else { return [value] }
        if value.isEmpty { return [] }
        return value.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    }
}
