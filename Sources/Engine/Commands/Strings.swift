enum Strings {
    static let family = Family(group: .string, commands: [GET, SET])
    static let GET = Command("GET key", [.readonly, .fast], keys: .reads, since: "1.0.0", complexity: "O(1)", summary: "Returns the string value of a key.", run: get)
    @Sendable static func get(_ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply) throws(CommandError) {
        guard let value = try call.string(args.key) else { return reply.null() }
        reply.string(value)
    }
    static let SET = Command("SET key value [NX]", [.write, .denyOOM], keys: .overwrites, since: "1.0.0", complexity: "O(1)", summary: "x", run: set)
    @Sendable static func set(_ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply) throws(CommandError) {
        call.set(args.key, to: args[2], event: "set")
        reply.ok()
    }
}
extension Family { static var all: [Family] { [Strings.family] } }
