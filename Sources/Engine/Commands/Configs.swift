//  Configs.swift — CONFIG: the directives of a running server.

enum Configs {
    static let family = Family(
        group: .server,
        commands: [CONFIG_GET, CONFIG_SET, CONFIG_RESETSTAT, CONFIG_REWRITE, CONFIG_HELP])

    static let CONFIG_GET = Command(
        "CONFIG GET parameter [parameter ...]", [.admin, .noscript, .loading, .stale],
        since: "2.0.0",
        complexity: "O(N) where N is the number of directives.",
        summary: "Returns the directives whose names match.",
        history: [("7.0.0", "Takes more than one pattern.")], run: get)

    @Sendable static func get(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let found = call.configuration.get(patterns: (2..<args.count).map { args[$0].text })
        reply.map(found.count)
        for (name, value) in found {
            reply.bulk(name)
            reply.bulk(value)
        }
    }

    static let CONFIG_SET = Command(
        "CONFIG SET parameter value [parameter value ...]", [.admin, .noscript, .loading, .stale],
        since: "2.0.0",
        complexity: "O(N) where N is the number of directives.",
        summary: "Changes directives while the server runs.",
        history: [("7.0.0", "Takes more than one directive.")],
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"], run: set)

    @Sendable static func set(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard args.count % 2 == 0 else { throw .syntax }
        var pairs: [(name: String, value: String)] = []
        for i in stride(from: 2, to: args.count, by: 2) {
            let name = args[i].text
            guard let value = String(validating: args[i + 1].array, as: UTF8.self) else {
                throw call.failed(
                    ConfigurationError.applying(name, "argument is not valid UTF-8").description)
            }
            pairs.append((name, value))
        }
        let isLocal = call.session.isLocal
        do throws(ConfigurationError) {
            let before = call.configuration
            let changed = try call.configuration.set(pairs, isLocal: isLocal)
            do throws(ConfigurationError) {
                try call.apply(changed)
            } catch {
                call.configuration = before
                throw error
            }
        } catch {
            throw call.failed(error.description)
        }
        reply.ok()
    }

    static let CONFIG_RESETSTAT = Command(
        "CONFIG RESETSTAT", [.admin, .noscript, .loading, .stale], since: "2.0.0",
        complexity: "O(1)",
        summary: "Sets the counters of INFO back to zero.",
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        run: resetStatistics)

    @Sendable static func resetStatistics(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        call.resetStatistics()
        reply.ok()
    }

    static let CONFIG_REWRITE = Command(
        "CONFIG REWRITE", [.admin, .noscript, .loading, .stale], since: "2.8.0",
        complexity: "O(1)",
        summary: "Writes the directives in force back to the configuration file.",
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"], run: rewrite)

    @Sendable static func rewrite(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let path = call.configuration.file
        guard !path.isEmpty else {
            throw call.failed("ERR The server is running without a config file")
        }
        do throws(ConfigurationError) {
            try call.configuration.rewrite(file: path)
        } catch {
            throw call.failed(error.description)
        }
        reply.ok()
    }

    static let CONFIG_HELP = Command(
        "CONFIG HELP", [.loading, .stale], since: "5.0.0",
        complexity: "O(1)",
        summary: "Explains the subcommands of CONFIG.",
        run: help)

    @Sendable static func help(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let lines: [StaticString] = [
            "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "GET <pattern>",
            "    Show the directives whose names match, with their values.",
            "SET <directive> <value>",
            "    Change directives, all or none.",
            "RESETSTAT",
            "    Start the counters of INFO again from zero.",
            "REWRITE",
            "    Write the directives in force to the configuration file.",
            "HELP",
            "    Show this text.",
        ]
        reply.array(lines.count)
        for line in lines { reply.simple(line) }
    }
}
