//  Help.swift — what the HELP subcommands print.

extension Reply {
    /// The explanation of a container's subcommands: for each its usage and indented lines of text.
    mutating func help(of container: StaticString, _ topics: [(StaticString, [StaticString])]) {
        array(1 + topics.reduce(0) { $0 + 1 + $1.1.count } + 2)
        simple("\(container) <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
        for (usage, lines) in topics {
            simple(usage)
            for line in lines { simple("    \(line)") }
        }
        simple("HELP")
        simple("    Print this help.")
    }

    /// `+text`, for cold paths; `text` is ours and holds no line break.
    mutating func simple(_ text: String) {
        out.append(UInt8(ascii: "+"))
        out.append(text)
        out.append("\r\n")
    }
}
