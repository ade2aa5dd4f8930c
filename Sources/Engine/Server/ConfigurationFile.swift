//  ConfigurationFile.swift — redis.conf and the command line, which is more lines of the same file.
//
//  A line is a directive and its words, split as redis-cli splits them; `#` starts a comment only
//  at the beginning of a line. `include` takes a path or a shell pattern. Options of the command
//  line are appended as lines, so the last word wins and errors name the line in which it stands.
//
//  Files are input like any other: their size, the depth of inclusion and the number of files have
//  limits, and a line that is not UTF-8 or holds a byte 0 is an error of that line.
import Platform

enum ConfigurationFile {
    /// Larger files are refused; redis.conf with all its comments has a hundred thousand bytes.
    static let bytesMax = 16 << 20
    /// A file that includes itself would never end.
    static let includeDepthMax = 16
    static let fileCountMax = 1000

    /// The message of redis-server for a bad line.
    static func fault(
        line number: Int, of path: String?, _ text: String, _ reason: String
    ) -> ConfigurationError {
        let place = path.map { " \($0)" } ?? ""
        return ConfigurationError(
            """

            *** FATAL CONFIG FILE ERROR (Martlet \(ServerIdentity.version)) ***
            Reading the configuration file\(place), at line \(number)
            >>> '\(printable(text))'
            \(reason)
            """)
    }

    static func unreadable(_ path: String, _ error: SystemError) -> ConfigurationError {
        ConfigurationError("Fatal error, can't open config file '\(path)': \(error.reason)")
    }

    /// The word as it is, or in quotes when it would not survive as one word of a line.
    static func quoted(_ word: String) -> String {
        let isPlain = word.utf8.allSatisfy {
            $0 > 32 && $0 != 127 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "'")
                && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "#")
        }
        return isPlain && !word.isEmpty ? word : quotedAlways(word)
    }

    static func quotedAlways(_ word: String) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var bytes: [UInt8] = [UInt8(ascii: "\"")]
        for byte in word.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 10: bytes += Array("\\n".utf8)
            case 13: bytes += Array("\\r".utf8)
            case 9: bytes += Array("\\t".utf8)
            case 7: bytes += Array("\\a".utf8)
            case 8: bytes += Array("\\b".utf8)
            case 0..<32, 127:
                bytes += Array("\\x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A line for people: control characters as `?`, and not endless.
    private static func printable(_ text: String) -> String {
        let shown = text.unicodeScalars.prefix(512).map {
            $0.value < 32 || $0.value == 127 ? "?" : $0
        }
        return String(String.UnicodeScalarView(shown))
    }

    /// The first word of a trimmed line in small letters; nil for comments and empty lines.
    static func directiveName(_ line: ArraySlice<UInt8>) -> String? {
        guard let first = line.first, first != UInt8(ascii: "#") else { return nil }
        let words = ArgumentSplitter.split(Array(line).span)
        return words?.first.map { String(decoding: $0, as: UTF8.self).lowercased() }
    }

    static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let isBlank = { (byte: UInt8) in byte == 32 || byte == 9 || byte == 13 || byte == 10 }
        var line = line.drop(while: isBlank)
        while let last = line.last, isBlank(last) { line.removeLast() }
        return line
    }
}

// MARK: - Loading

extension Configuration {
    /// Reads the file at `path` in redis.conf's dialect; a missing file is an error.
    public mutating func load(file path: String) throws(ConfigurationError) {
        var reader = ConfigurationReader(configuration: self)
        try reader.read(file: path, name: nil)
        self = reader.configuration
    }

    /// Reads `text` in redis.conf's dialect.
    public mutating func load(text: String) throws(ConfigurationError) {
        var reader = ConfigurationReader(configuration: self)
        try reader.read(Array(text.utf8), name: nil)
        self = reader.configuration
    }

    /// Reads a command line without the program's name: an optional path, options such as
    /// `--port 7000 --save ""`, and `-` for more directives on standard input.
    ///
    /// `file` becomes the absolute path of the file, if there is one.
    public mutating func apply(arguments: [String]) throws(ConfigurationError) {
        let line = CommandLineDirectives(arguments)
        var text: [UInt8] = []
        if let path = line.path {
            do throws(SystemError) {
                text = try FileSystem.read(path, bytesMax: ConfigurationFile.bytesMax)
            } catch {
                throw ConfigurationFile.unreadable(path, error)
            }
        }
        if line.readsInput {
            do throws(SystemError) {
                text += [10]
                text += try FileSystem.read(descriptor: 0, bytesMax: ConfigurationFile.bytesMax)
            } catch {
                throw ConfigurationFile.unreadable("-", error)
            }
        }
        if !line.text.isEmpty { text += [10] + Array(line.text.utf8) }
        var reader = ConfigurationReader(configuration: self)
        try reader.read(text, name: nil)
        self = reader.configuration
        file = line.path ?? ""
    }
}

extension Configuration {
    /// Where the number of the process belongs; a daemon has one always.
    public var processFile: String? {
        if !pidFile.isEmpty { return pidFile }
        return daemonize ? "/var/run/martlet.pid" : nil
    }
}

/// The command line as text of a configuration file.
struct CommandLineDirectives {
    private(set) var path: String?
    private(set) var readsInput = false
    private(set) var text = ""

    init(_ arguments: [String]) {
        var rest = arguments[...]
        if let first = rest.first, !first.hasPrefix("-") {
            path = first.hasPrefix("/") ? first : FileSystem.currentDirectory + "/" + first
            rest = rest.dropFirst()
        }
        // A word with dashes is a value while the directive before it has none.
        var hasValue = true
        for i in rest.indices {
            let word = rest[i]
            if word == "-", i == arguments.indices.first || i == arguments.indices.last {
                readsInput = true
            } else if word.hasPrefix("--"), hasValue {
                if !text.isEmpty { text += "\n" }
                text += word.dropFirst(2)
                // "--port 7000" may be one word.
                hasValue = word.utf8.contains(32)
                // `--save` without a value, at the end or before another option, means none.
                let next = i + 1 < rest.endIndex ? rest[i + 1] : "--"
                if word.lowercased() == "--save", next.hasPrefix("--") {
                    text += " \"\""
                    hasValue = true
                }
            } else {
                text += " " + ConfigurationFile.quotedAlways(word)
                hasValue = true
            }
        }
    }
}

/// Applies lines to a configuration.
struct ConfigurationReader {
    var configuration: Configuration
    private var depth = 0
    private var fileCount = 0
    /// What commands are called, renames included, in capitals; nil until a line renames one.
    private var commandNames: Set<String>?

    init(configuration: Configuration) { self.configuration = configuration }

    /// Reads a file; `name` is what errors call it, nil for the main one.
    mutating func read(file path: String, name: String?) throws(ConfigurationError) {
        let text: [UInt8]
        do throws(SystemError) {
            text = try FileSystem.read(path, bytesMax: ConfigurationFile.bytesMax)
        } catch {
            throw ConfigurationFile.unreadable(path, error)
        }
        try read(text, name: name)
    }

    mutating func read(_ text: [UInt8], name: String?) throws(ConfigurationError) {
        let lines = text.split(separator: 10, omittingEmptySubsequences: false)
        for (i, raw) in lines.enumerated() {
            let line = ConfigurationFile.trimmed(raw)
            if line.isEmpty || line.first == UInt8(ascii: "#") { continue }
            do {
                try apply(line)
            } catch {
                switch error {
                case .fault(let fault):
                    let text = String(decoding: line, as: UTF8.self)
                    throw ConfigurationFile.fault(line: i + 1, of: name, text, fault.text)
                case .file(let error): throw error
                }
            }
        }
    }

    /// What is wrong with a line, or with a file that it includes.
    private enum LineError: Error {
        case fault(DirectiveFault)
        case file(ConfigurationError)
    }

    private mutating func apply(_ line: ArraySlice<UInt8>) throws(LineError) {
        guard !line.contains(0) else {
            throw .fault(DirectiveFault("Byte 0 in configuration line"))
        }
        let copy = Array(line)
        guard let split = ArgumentSplitter.split(copy.span) else {
            throw .fault(DirectiveFault("Unbalanced quotes in configuration line"))
        }
        let words = split.compactMap { String(validating: $0, as: UTF8.self) }
        guard words.count == split.count else {
            throw .fault(DirectiveFault("Configuration line is not valid UTF-8"))
        }
        guard let first = words.first else { return }
        let values = Array(words.dropFirst())
        guard let directive = Directive.named(first) else {
            return try applyStatement(first.lowercased(), values)
        }
        do {
            try directive.set(&configuration, directive.fileWords(values))
        } catch {
            throw .fault(error)
        }
        configuration.named.insert(directive.name)
    }

    /// Lines that are no directives with a value: `include` and what names commands and users.
    private mutating func applyStatement(
        _ name: String, _ values: [String]
    ) throws(LineError) {
        switch (name, values.count) {
        case ("include", 1): try include(values[0])
        case ("rename-command", 2):
            try rename(values[0], to: values[1])
        case ("user", 1...):
            throw .fault(DirectiveFault("not supported by Martlet: " + Reason.acl))
        case ("loadmodule", 1...):
            throw .fault(DirectiveFault("not supported by Martlet: " + Reason.modules))
        default:
            throw .fault(DirectiveFault("Bad directive or wrong number of arguments"))
        }
    }

    private mutating func rename(_ name: String, to newName: String) throws(LineError) {
        let old = name.uppercased(), new = newName.uppercased()
        var names =
            commandNames
            ?? CommandTable.names(of: Family.all, renames: configuration.renamedCommands)
        guard names.contains(old) else {
            throw .fault(DirectiveFault("No such command in rename-command"))
        }
        names.remove(old)
        guard !names.contains(new) else {
            throw .fault(DirectiveFault("Target command name already exists"))
        }
        if !new.isEmpty { names.insert(new) }
        commandNames = names
        configuration.renamedCommands.append(CommandRename(name: name, newName: newName))
    }

    private mutating func include(_ pattern: String) throws(LineError) {
        let isPattern = pattern.contains { "*?[".contains($0) }
        let paths = isPattern ? FileSystem.paths(matching: pattern) : [pattern]
        for path in paths {
            fileCount += 1
            guard depth < ConfigurationFile.includeDepthMax,
                fileCount <= ConfigurationFile.fileCountMax
            else { throw .fault(DirectiveFault("Too many included files")) }
            depth += 1
            defer { depth -= 1 }
            do {
                try read(file: path, name: path)
            } catch {
                throw .file(error)
            }
        }
    }
}

extension Directive {
    /// The words of a line: one quoted word may stand for many.
    fileprivate func fileWords(_ words: [String]) -> [String] {
        words.count == 1 ? self.words(of: words[0]) : words
    }
}

extension Directive {
    private func words(ofLine line: ArraySlice<UInt8>) -> [String] {
        let words = ArgumentSplitter.split(Array(line).span) ?? []
        return words.dropFirst().map { String(decoding: $0, as: UTF8.self) }
    }

    /// What the new lines say beyond an old one; nil if that says something else.
    fileprivate func lines(of values: [String], beside line: ArraySlice<UInt8>) -> [String]? {
        let words = words(ofLine: line)
        var probe = Configuration()
        guard !words.isEmpty, (try? set(&probe, fileWords(words))) != nil else { return nil }
        var said = lines(probe)
        if name == "client-output-buffer-limit" {
            // A line tells of one class; the others are as they were in the probe.
            guard words.count == 4 else { return nil }
            let i = self.line(amongst: said, replacing: line)
            said = [said[i]]
        }
        guard said.allSatisfy(values.contains) else { return nil }
        return values.filter { !said.contains($0) }
    }

    /// Which of the new lines takes the place of an old one: the first, or that of the same class
    /// of clients.
    fileprivate func line(amongst values: [String], replacing line: ArraySlice<UInt8>) -> Int {
        guard name == "client-output-buffer-limit", let word = words(ofLine: line).first else {
            return 0
        }
        let kind = word.lowercased() == "slave" ? "replica" : word.lowercased()
        return values.firstIndex { $0.hasPrefix(kind + " ") } ?? 0
    }
}

// MARK: - Rewriting

extension Configuration {
    /// Puts the values in force into the file at `path`, as CONFIG REWRITE does.
    public func rewrite(file path: String) throws(ConfigurationError) {
        do throws(SystemError) {
            let old = try FileSystem.read(path, bytesMax: ConfigurationFile.bytesMax)
            try FileSystem.replace(path, with: rewritten(old))
        } catch {
            throw ConfigurationError("ERR Rewriting config file: \(error.reason)")
        }
    }

    /// The text `old` with the values in force: comments, order and other lines stay, lines of
    /// directives take their new values in place, and what no line mentions and is not initial
    /// follows at the end.
    func rewritten(_ old: [UInt8]) -> [UInt8] {
        let initial = Configuration()
        var pending: [String: [String]] = [:]
        var output: [ArraySlice<UInt8>] = []
        var lines = old.split(separator: 10, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        for raw in lines {
            let line = ConfigurationFile.trimmed(raw)
            guard let name = ConfigurationFile.directiveName(line),
                let directive = Directive.named(name)
            else {
                output.append(raw)
                continue
            }
            var values = pending[directive.name] ?? directive.lines(self)
            if name == directive.name, let rest = directive.lines(of: values, beside: line) {
                // Sizes keep their units, words their quotes.
                values = rest
                output.append(raw)
            } else if !values.isEmpty {
                let i = directive.line(amongst: values, replacing: line)
                let text = "\(directive.name) \(values.remove(at: i))"
                output.append(Array(text.utf8)[...])
            }
            // A directive with fewer lines than before loses the rest of its old ones.
            pending[directive.name] = values
        }
        var additions: [String] = []
        for directive in Directive.all {
            if let rest = pending[directive.name] {
                // Classes of clients that no line named need none while nothing changed them.
                let isByClass = directive.name == "client-output-buffer-limit"
                let known = isByClass ? directive.lines(initial) : []
                additions += rest.filter { !known.contains($0) }
                    .map { "\(directive.name) \($0)" }
            } else if directive.get(self) != directive.get(initial) {
                additions += directive.lines(self).map { "\(directive.name) \($0)" }
            }
        }
        let banner = "# Generated by CONFIG REWRITE"
        let hasBanner = output.contains { ConfigurationFile.trimmed($0).elementsEqual(banner.utf8) }
        if !additions.isEmpty, !hasBanner { additions.insert(banner, at: 0) }
        output += additions.map { Array($0.utf8)[...] }
        return Array(output.joined(separator: [10])) + [10]
    }
}
