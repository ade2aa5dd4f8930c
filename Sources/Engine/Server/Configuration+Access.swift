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
                    guard ConfigurationPattern.matches(matcher, Array(name.utf8)),
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
            if directive.traits.contains(.protected), !enableProtectedConfigs.admits(local: isLocal) {
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
                directive.get(self) != directive.get(initial)
            else { return nil }
            return (directive.name, reason)
        }
    }

    /// Every directive without an effect, with the reason, for the documentation.
    public static var directivesWithoutEffect: [(name: String, reason: String)] {
        Directive.all.compactMap { directive in
            directive.noEffect.map { (directive.name, $0) }
        }
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

/// Shell-style patterns over names of directives.
enum ConfigurationPattern {
    /// Whether `text` matches `*`, `?`, `[a-z]`, `[^a]` and `\` in `pattern`.
    ///
    /// - Complexity: O(pattern × text), however many stars there are.
    static func matches(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
        var p = 0, t = 0
        var retry: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                retry = (p + 1, t)
                p += 1
            } else if let next = step(pattern, p, text[t]) {
                p = next
                t += 1
            } else if let (starred, start) = retry {
                retry = (starred, start + 1)
                p = starred
                t = start + 1
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
    }

    /// Where the pattern goes on after the element at `p` has matched `byte`, or nil.
    private static func step(_ pattern: [UInt8], _ p: Int, _ byte: UInt8) -> Int? {
        guard p < pattern.count else { return nil }
        switch pattern[p] {
        case UInt8(ascii: "?"): return p + 1
        case UInt8(ascii: "["): return set(pattern, p + 1, byte)
        case UInt8(ascii: "\\") where p + 1 < pattern.count:
            return pattern[p + 1] == byte ? p + 2 : nil
        default: return pattern[p] == byte ? p + 1 : nil
        }
    }

    /// As `step`, for a set whose first element is at `start`; an open set ends with the pattern.
    private static func set(_ pattern: [UInt8], _ start: Int, _ byte: UInt8) -> Int? {
        var p = start, found = false
        let isNegated = p < pattern.count && pattern[p] == UInt8(ascii: "^")
        if isNegated { p += 1 }
        while p < pattern.count, pattern[p] != UInt8(ascii: "]") {
            if pattern[p] == UInt8(ascii: "\\"), p + 1 < pattern.count { p += 1 }
            if p + 2 < pattern.count, pattern[p + 1] == UInt8(ascii: "-") {
                let ends = (pattern[p], pattern[p + 2])
                if min(ends.0, ends.1)...max(ends.0, ends.1) ~= byte { found = true }
                p += 3
            } else {
                if pattern[p] == byte { found = true }
                p += 1
            }
        }
        return found != isNegated ? min(p + 1, pattern.count) : nil
    }
}
