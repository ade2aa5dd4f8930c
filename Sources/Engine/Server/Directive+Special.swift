//  Directive+Special.swift — directives and texts with rules of their own.
import Platform

extension Directive {
    /// Most addresses that `bind` may list.
    private static let bindCountMax = 16

    static let bind = Directive(
        name: "bind", alias: nil, traits: .manyWords, noEffect: nil
    ) {
        $0.bind.joined(separator: " ")
    } set: { (configuration, words) throws(DirectiveFault) in
        guard words.count <= bindCountMax else {
            throw DirectiveFault("Too many bind addresses specified.")
        }
        for word in words { _ = try DirectiveShape.path(word) }
        configuration.bind = words
    }

    static let directory = Directive(
        name: "dir", alias: nil, traits: .protected, noEffect: nil
    ) {
        $0.directory.isEmpty ? FileSystem.currentDirectory : $0.directory
    } set: { (configuration, words) throws(DirectiveFault) in
        guard words.count == 1 else { throw .wrongCount }
        // Relative to the directory so far, as if the process had moved there.
        let base = configuration.directory
        let path = words[0].hasPrefix("/") || base.isEmpty ? words[0] : base + "/" + words[0]
        do throws(SystemError) {
            configuration.directory = try FileSystem.directory(path)
        } catch {
            throw DirectiveFault(error.reason)
        }
    }

    /// Lines add up; the first one replaces the initial points.
    static let save = Directive(
        name: "save", alias: nil, traits: .manyWords, noEffect: nil
    ) { configuration in
        configuration.save.map { "\($0.seconds) \($0.changes)" }.joined(separator: " ")
    } set: { (configuration, words) throws(DirectiveFault) in
        if words.isEmpty {
            configuration.save = []
            configuration.isSaveInitial = false
            return
        }
        let numbers = words.compactMap { Int($0) }
        guard words.count % 2 == 0, numbers.count == words.count else {
            throw DirectiveFault("Invalid save parameters")
        }
        var points: [SavePoint] = []
        for i in stride(from: 0, to: numbers.count, by: 2) {
            guard numbers[i] >= 1, numbers[i + 1] >= 0 else {
                throw DirectiveFault("Invalid save parameters")
            }
            points.append(SavePoint(seconds: numbers[i], changes: numbers[i + 1]))
        }
        if configuration.isSaveInitial { configuration.save = [] }
        configuration.isSaveInitial = false
        configuration.save += points
    }

    /// Classes that are not named keep their limits.
    static let clientOutputBufferLimit = Directive(
        name: "client-output-buffer-limit", alias: nil, traits: .manyWords, noEffect: nil
    ) {
        let limits = $0.outputBufferLimits
        return "normal \(limits.normal.text) slave \(limits.replica.text) pubsub "
            + limits.pubsub.text
    } set: { (configuration, words) throws(DirectiveFault) in
        guard words.count % 4 == 0 else {
            throw DirectiveFault("Wrong number of arguments in buffer limit configuration.")
        }
        var limits = configuration.outputBufferLimits
        for i in stride(from: 0, to: words.count, by: 4) {
            let path: WritableKeyPath<ClientOutputBufferLimits, OutputBufferLimit>
            switch words[i].lowercased() {
            case "normal": path = \.normal
            case "slave", "replica": path = \.replica
            case "pubsub": path = \.pubsub
            default:
                throw DirectiveFault(
                    "Invalid client class specified in buffer limit configuration.")
            }
            guard let hard = DirectiveShape.memory(words[i + 1]).flatMap({ Int(exactly: $0) }),
                let soft = DirectiveShape.memory(words[i + 2]).flatMap({ Int(exactly: $0) }),
                let seconds = Int(words[i + 3]), 0...Int(Int32.max) ~= seconds
            else {
                throw DirectiveFault(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration.")
            }
            limits[keyPath: path] = OutputBufferLimit(
                hardBytes: hard, softBytes: soft, softSeconds: seconds)
        }
        configuration.outputBufferLimits = limits
    }

    /// Shown in Redis's order, which leaves `n` out beside `A`.
    static let notifyKeyspaceEvents = Directive(
        name: "notify-keyspace-events", alias: nil, traits: [], noEffect: nil
    ) {
        (try? keyspaceEvents([$0.notifyKeyspaceEvents])) ?? ""
    } set: { (configuration, words) throws(DirectiveFault) in
        _ = try keyspaceEvents(words)
        configuration.notifyKeyspaceEvents = words[0]
    }

    static let replicaOf = Directive(
        name: "replicaof", alias: "slaveof", traits: [.immutable, .manyWords],
        noEffect: Reason.replication
    ) { _ in
        ""
    } set: { (_, words) throws(DirectiveFault) in
        guard words.count == 2 else { throw .wrongCount }
        guard words.map({ $0.lowercased() }) == ["no", "one"] else {
            throw DirectiveFault("not supported by Martlet: " + Reason.replication)
        }
    }

    // MARK: - Rules for texts

    @Sendable static func filename(_ words: [String]) throws(DirectiveFault) -> String {
        guard words.count == 1 else { throw .wrongCount }
        let word = try DirectiveShape.path(words[0])
        if word.contains("/") {
            throw DirectiveFault("dbfilename can't be a path, just a filename")
        }
        return word
    }

    @Sendable static func hostname(_ words: [String]) throws(DirectiveFault) -> String {
        guard words.count == 1 else { throw .wrongCount }
        guard words[0].utf8.count < 256 else {
            throw DirectiveFault("Hostnames must be less than 256 characters")
        }
        let isFine = words[0].utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard isFine else {
            throw DirectiveFault(
                "Hostnames may only contain alphanumeric characters, hyphens or dots")
        }
        return words[0]
    }

    @Sendable static func titleTemplate(_ words: [String]) throws(DirectiveFault) -> String {
        guard words.count == 1 else { throw .wrongCount }
        let known = [
            "title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file",
        ]
        // What stands between the first brace and the next closing one is a variable.
        let parts = words[0].split(separator: "{", omittingEmptySubsequences: false).dropFirst()
        let isFine = parts.allSatisfy { part in
            guard let end = part.firstIndex(of: "}") else { return false }
            return known.contains(String(part[..<end]))
        }
        guard isFine, !words[0].isEmpty else {
            throw DirectiveFault("template format is invalid or contains unknown variables")
        }
        return words[0]
    }

    @Sendable static func outOfMemoryScores(_ words: [String]) throws(DirectiveFault) -> String {
        guard words.count == 3 else { throw .wrongCount }
        let values = words.compactMap { Int($0) }
        guard values.count == 3, values.allSatisfy({ -2000...2000 ~= $0 }) else {
            throw DirectiveFault(
                "Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
        }
        return values.map(String.init).joined(separator: " ")
    }

    @Sendable static func percentiles(_ words: [String]) throws(DirectiveFault) -> String {
        var texts: [String] = []
        for word in words {
            guard let value = Double(word) else {
                throw DirectiveFault("Invalid latency-tracking-info-percentiles parameters")
            }
            guard 0...100 ~= value else {
                throw DirectiveFault(
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
            }
            let text = "\(value)"
            texts.append(text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
        }
        return texts.joined(separator: " ")
    }

    /// Classes of events in the order in which Redis prints them; `A` stands for most of them.
    @Sendable static func keyspaceEvents(_ words: [String]) throws(DirectiveFault) -> String {
        guard words.count == 1 else { throw .wrongCount }
        let all = "g$lshzxetd"
        var chosen: Set<Character> = []
        for letter in words[0] {
            guard letter == "A" || (all + "KEmnoc").contains(letter) else {
                throw DirectiveFault(
                    "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
            }
            if letter == "A" { chosen.formUnion(all) } else { chosen.insert(letter) }
        }
        let hasAll = chosen.isSuperset(of: all)
        let classes = hasAll ? "A" : (all + "noc").filter { chosen.contains($0) }
        return classes + "KEm".filter { chosen.contains($0) }
    }
}
