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

/// Does what the words behind `check-aof` ask for; whether the file is good.
func checkAppendOnlyFile(_ words: [String]) -> Bool {
    var options = AppendOnlyCheck.Options()
    var path: String?
    switch (words.count, words.first) {
    case (1, _): path = words[0]
    case (2, "--fix"):
        options.fixes = true
        path = words[1]
    case (3, "--truncate-to-timestamp"):
        options.latestTime = Int64(words[1])
        if options.latestTime != nil { path = words[2] }
    default: break
    }
    guard let path else {
        fail(
            "Usage: martlet check-aof [--fix | --truncate-to-timestamp SECONDS] "
                + "<file.manifest | file.aof>")
    }
    let check = AppendOnlyCheck(options, say: say) {
        readLine()?.lowercased().hasPrefix("y") == true
    }
    return check.run(path)
}

let arguments = Array(CommandLine.arguments.dropFirst())
switch arguments {
case ["-v"], ["--version"]:
    say("Martlet server v=\(ServerIdentity.version) redis=\(ServerIdentity.redisVersion) bits=64\n")
case ["-h"], ["--help"]:
    say(Options.usage)
case let words where words.first == "check-rdb":
    guard words.count == 2 else { fail("Usage: martlet check-rdb FILE") }
    if RDBCheck.run(words[1], say: say) == nil { Process.exit(1) }
case let words where words.first == "check-aof":
    if !checkAppendOnlyFile(Array(words.dropFirst())) { Process.exit(1) }
case ["--print-command-reference"]:
    // For `make docs`: the page is made from the declarations of the commands.
    say(CommandDocumentation.markdown())
case ["--print-directive-reference"]:
    // The same for the directives without an effect.
    say(Configuration.markdownOfDirectivesWithoutEffect())
default:
    do { try serve(arguments) } catch { fail("\(error)") }
}
