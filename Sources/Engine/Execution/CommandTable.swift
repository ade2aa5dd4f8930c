struct Entry: ~Copyable {
    let run: BareHandler
    let gates: Gates
    let flags: CommandFlags
    let arityMin: Int32, arityMax: Int32
    let hasKey: Bool
    let isContainer: Bool
}
struct CommandTable: ~Copyable {
    struct Name: BitwiseCopyable { var word = Word(low: 0, high: 0, tail: 0, count: -1); var id: Int32 = -1 }
    private var names: Buffer<Name>
    var entries: OwnedBuffer<Entry>
    let list: [Command]
    var subs: [Int: [(Word, Int)]] = [:]
    init(_ families: [Family]) {
        let all = families.flatMap(\.commands)
        list = all
        names = Buffer(repeating: Name(), count: 2048)
        var tops: [(String, Int)] = []
        var children: [String: [(Word, Int)]] = [:]
        entries = OwnedBuffer(count: all.count) { i in
            let words = String(describing: all[i].syntax).split(separator: " ")
            let nameCount = words.count > 1 && words[1].first!.isUppercase && all[i].syntax.utf8CodeUnitCount > 0 && ["CLIENT", "CONFIG", "OBJECT", "COMMAND", "DEBUG"].contains(String(words[0])) ? 2 : 1
            let required = words.prefix { !$0.hasPrefix("[") }.count
            let open = words.contains { $0.hasPrefix("[") } || all[i].syntax.description.contains("<")
            _ = nameCount
            var gates = Gates()
            if !all[i].flags.contains(.noAuth) { gates.insert(.authentication) }
            return Entry(run: BareHandler(all[i].run), gates: gates, flags: all[i].flags, arityMin: Int32(required), arityMax: open ? .max : Int32(required), hasKey: !all[i].keys.isEmpty && nameCount == 1, isContainer: false)
        }
        for (i, c) in all.enumerated() {
            let words = String(describing: c.syntax).split(separator: " ").map(String.init)
            if ["CLIENT", "CONFIG", "OBJECT", "COMMAND", "DEBUG"].contains(words[0]), words.count > 1, words[1].first!.isUppercase { children[words[0], default: []].append((Word(words[1]), i)) } else { tops.append((words[0], i)) }
        }
        for (name, id) in tops {
            let w = Word(name)
            var s = CommandTable.slot(w)
            while names[s].id >= 0 { s = (s + 1) & 2047 }
            names[s] = Name(word: w, id: Int32(id))
        }
        _ = children
    }
    @inline(__always) private static func slot(_ w: Word) -> Int { Int(truncatingIfNeeded: ((w.low ^ (w.high &* 31)) &* 0x9E37_79B9_7F4A_7C15) >> 53) }
    @inline(__always) func find(_ w: Word) -> Int? {
        var s = CommandTable.slot(w)
        while true {
            if names[s].id < 0 { return nil }
            if names[s].word == w { return Int(names[s].id) }
            s = (s &+ 1) & 2047
        }
    }
    func find(_ w: Word, in id: Int) -> Int? { nil }
    func fullName(_ id: Int) -> String { String(describing: list[id].syntax).split(separator: " ")[0].lowercased() }
}
