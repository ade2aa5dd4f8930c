import Engine
import Logging
import Platform

var configuration = Configuration()
var i = 1
while i + 1 < CommandLine.arguments.count {
    if CommandLine.arguments[i] == "--port" { configuration.port = Int(CommandLine.arguments[i + 1]) ?? 6379 }
    if CommandLine.arguments[i] == "--enable-debug-command" { configuration.enableDebugCommand = .yes }
    i += 2
}
let mailbox = try Mailbox<ServerMessage>()
var server = try Server.make(configuration, identity: ServerIdentity(configurationFile: ""), log: Logger(label: "x"), mailbox: mailbox)
try server.listen()
server.run()
