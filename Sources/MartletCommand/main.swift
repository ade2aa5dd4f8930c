//  main.swift — the command `martlet`: read the command line, start a server, wait for its end.
import Engine
import Martlet
import Platform

/// Writes `text` to standard error and ends the process as a failure.
func fail(_ text: String) -> Never {
    try? FileSystem.write(Array((text + "\n").utf8), to: 2)
    ProcessInformation.exit(1)
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
    if configuration.daemonize { try ProcessInformation.becomeDaemon() }
    let logger = try RedisLineHandler.logger(for: configuration)
    LifecycleText.logStart(of: configuration, to: logger)
    let server = try MartletServer(configuration: configuration, logger: logger)
    let processFile = configuration.processFile
    if let processFile {
        try? FileSystem.replace(processFile, with: Array("\(ProcessInformation.id)\n".utf8))
    }
    defer { if let processFile { FileSystem.remove(processFile) } }
    server.run()
}

let arguments = Array(CommandLine.arguments.dropFirst())
switch arguments {
case ["-v"], ["--version"]:
    say("Martlet server v=\(EngineVersion.text) bits=64\n")
case ["-h"], ["--help"]:
    say(Options.usage)
default:
    do { try serve(arguments) } catch { fail("\(error)") }
}
