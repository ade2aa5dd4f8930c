//  main.swift — the command `martlet`: read the command line, run a server, wait for its end.
import Engine
import Platform

/// Writes `text` to standard error and ends the process as a failure.
func fail(_ text: String) -> Never {
    try? FileSystem.write(Array((text + "\n").utf8), to: 2)
    Process.exit(1)
}

/// Writes `text` to standard output.
func say(_ text: String) {
    try? FileSystem.write(Array(text.utf8), to: 1)
}

/// Serves as `arguments` ask for, until the server is told to stop.
func serve(_ arguments: [String]) throws {
    var configuration = Configuration()
    try configuration.apply(arguments: arguments)
    // Before anything else: what follows has the number of the process that stays.
    if configuration.daemonize { try Process.becomeDaemon() }
    var service = try Service(configuration)
    try service.run()
}

let arguments = Array(CommandLine.arguments.dropFirst())
switch arguments {
case ["-v"], ["--version"]:
    say("Martlet server v=\(ServerIdentity.version) redis=\(ServerIdentity.redisVersion) bits=64\n")
case ["-h"], ["--help"]:
    say(Options.usage)
case let words where words.first == "check-rdb":
    guard words.count == 2 else { fail("Usage: martlet check-rdb FILE") }
    if !RDBCheck.run(words[1], say: say) { Process.exit(1) }
case ["--print-command-reference"]:
    // For `make docs`: the page is made from the declarations of the commands.
    say(CommandDocumentation.markdown())
case ["--print-directive-reference"]:
    // The same for the directives without an effect.
    say(Configuration.markdownOfDirectivesWithoutEffect())
default:
    do { try serve(arguments) } catch { fail("\(error)") }
}
