//  Propagation.swift — what commands did, as commands that do the same again.
//
//  A request that changed something is propagated as it came, unless its handler says what to
//  propagate in its place: with `Call.propagate`, when doing the request again would come out otherwise
//  (random choice, relative time, sums of fractions), or with `propagateNothing`. Keys and fields that
//  go because their time has come, or for lack of memory, are propagated as deletions.
//
//  A *unit* is what must be done whole or not at all: one request, or one EXEC. A unit of several
//  commands is written between MULTI and EXEC.
//
//      handler ─changed─► hasChanged ┐
//      handler ─propagate─► unit ────┴─ settle ─► log ─ end of the turn ─► append-only file

struct Propagation: ~Copyable {
    /// Complete units that nobody has taken yet.
    private(set) var log = ByteBuffer()
    /// Bytes that were taken before.
    private var takenBytes = 0
    /// Commands of the unit that runs.
    private var unit = ByteBuffer()
    private var unitCount = 0
    /// The database that the last command in `log`, or in `unit`, works on; -1 when there is none.
    private var database = -1
    private var unitDatabase = -1
    /// Words of the command that is being written.
    private var words = CommandWords()
    /// The request that runs has changed something.
    var hasChanged = false
    /// The request that runs has said what is to be propagated.
    private(set) var isReplaced = false

    init() {}

    // MARK: - Writing

    /// Adds a command to the unit that runs.
    mutating func add(
        _ name: StaticString, in index: Int, _ body: (inout CommandWords) -> Void
    ) {
        isReplaced = true
        prepare(name, body)
        writeToUnit(in: index)
    }

    /// The request that runs does not count.
    mutating func addNothing() { isReplaced = true }

    /// Adds a deletion that stands for itself, in front of the request that runs.
    mutating func addDeletion(
        _ name: StaticString, in index: Int, isInTransaction: Bool,
        _ body: (inout CommandWords) -> Void
    ) {
        prepare(name, body)
        if isInTransaction || unitCount > 0 {
            writeToUnit(in: index)
        } else {
            words.write(to: &log, in: index, after: &database)
        }
    }

    private mutating func writeToUnit(in index: Int) {
        beginUnit()
        words.write(to: &unit, in: index, after: &unitDatabase)
        unitCount += 1
    }

    /// What the unit's first command finds selected is what the log selected last.
    private mutating func beginUnit() { if unitCount == 0 { unitDatabase = database } }

    private mutating func prepare(_ name: StaticString, _ body: (inout CommandWords) -> Void) {
        words.begin(name)
        body(&words)
    }

    /// The request that runs is over, which began in the database `index`.
    ///
    /// - Parameters:
    ///   - args: Its words.
    ///   - raw: The same as they came, if they did in the form of an array.
    ///   - index: The database in which it began.
    ///   - isInTransaction: Whether it is a part of a unit that goes on.
    mutating func settle(
        _ args: borrowing Arguments, raw: Bytes?, in index: Int, isInTransaction: Bool
    ) {
        let isPlain = hasChanged && !isReplaced
        hasChanged = false
        isReplaced = false
        guard isPlain else {
            if !isInTransaction { endUnit() }
            return
        }
        if !isInTransaction, unitCount == 0 {
            CommandWords.select(index, &database, &log)
            return Self.append(args, raw, to: &log)
        }
        beginUnit()
        CommandWords.select(index, &unitDatabase, &unit)
        Self.append(args, raw, to: &unit)
        unitCount += 1
        if !isInTransaction { endUnit() }
    }

    /// Everything that belongs together has run.
    mutating func endUnit() {
        guard unitCount > 0 else { return }
        if unitCount > 1 { log.append("*1\r\n$5\r\nMULTI\r\n") }
        Self.append(unit, to: &log)
        if unitCount > 1 { log.append("*1\r\n$4\r\nEXEC\r\n") }
        database = unitDatabase
        unitCount = 0
        unit.removeAll()
        unit.shrink(to: Self.unitBytesKept)
    }

    private static func append(_ unit: borrowing ByteBuffer, to log: inout ByteBuffer) {
        log.append(unit.span)
    }

    private static func append(
        _ args: borrowing Arguments, _ raw: Bytes?, to buffer: inout ByteBuffer
    ) {
        if let raw { return buffer.append(raw) }
        buffer.append("*")
        buffer.append(decimal: args.count)
        buffer.append("\r\n")
        for i in 0..<args.count {
            let word = args[i]
            buffer.append("$")
            buffer.append(decimal: word.count)
            buffer.append("\r\n")
            buffer.append(word)
            buffer.append("\r\n")
        }
    }

    // MARK: - Taking

    /// Bytes that were ever propagated.
    @inline(__always) var offset: Int { takenBytes &+ log.count }

    /// Whoever reads on knows of no database.
    mutating func forgetDatabase() { database = -1 }

    /// Lends the log to `body`, which may exchange it for another buffer; it is empty afterwards.
    mutating func take(_ body: (inout ByteBuffer) -> Void) {
        takenBytes &+= log.count
        body(&log)
        log.removeAll()
        log.shrink(to: Self.logBytesKept)
    }

    private static var logBytesKept: Int { 256 << 10 }
    private static var unitBytesKept: Int { 64 << 10 }
}

/// The words of a command in the making.
struct CommandWords: ~Copyable {
    private var bytes = ByteBuffer()
    private var count = 0

    init() {}

    /// Begins a command.
    mutating func begin(_ name: StaticString) {
        bytes.removeAll()
        bytes.shrink(to: 64 << 10)
        count = 0
        append(name)
    }

    private mutating func beginWord(_ length: Int) {
        bytes.append("$")
        bytes.append(decimal: length)
        bytes.append("\r\n")
        count += 1
    }

    mutating func append(_ word: Bytes) {
        beginWord(word.count)
        bytes.append(word)
        bytes.append("\r\n")
    }

    mutating func append(_ word: StaticString) {
        beginWord(word.utf8CodeUnitCount)
        bytes.append(word)
        bytes.append("\r\n")
    }

    mutating func append(_ number: Int64) {
        beginWord(Digits.count(Int(number)))
        bytes.append(decimal: Int(number))
        bytes.append("\r\n")
    }

    mutating func append(_ value: StringView) {
        if value.form == .integer { append(value.number) } else { append(value.bytes) }
    }

    /// For cold paths.
    mutating func append(copying word: [UInt8]) { append(word.span) }

    /// Writes the command, and in front of it the choice of its database where that is another.
    func write(to buffer: inout ByteBuffer, in index: Int, after database: inout Int) {
        Self.select(index, &database, &buffer)
        buffer.append("*")
        buffer.append(decimal: count)
        buffer.append("\r\n")
        buffer.append(bytes.span)
    }

    fileprivate static func select(
        _ index: Int, _ database: inout Int, _ buffer: inout ByteBuffer
    ) {
        if database == index { return }
        database = index
        buffer.append("*2\r\n$6\r\nSELECT\r\n$")
        buffer.append(decimal: Digits.count(index))
        buffer.append("\r\n")
        buffer.append(decimal: index)
        buffer.append("\r\n")
    }
}

extension Call {
    /// Whether anybody takes what is propagated.
    @inline(__always) var isPropagating: Bool { interest.contains(.propagation) }

    /// Propagates a command in place of the request that runs; several in place of one are done
    /// together.
    ///
    /// - Parameters:
    ///   - name: The command.
    ///   - database: Where it works; nil for the selected one.
    ///   - words: Appends the words behind the name. Does not run when nobody takes them.
    mutating func propagate(
        _ name: StaticString, in database: Int? = nil, _ words: (inout CommandWords) -> Void
    ) {
        guard isPropagating else { return }
        attention.insert(.propagation)
        propagation.add(name, in: database ?? session.database, words)
    }

    /// Writes down what a request did whose words were kept.
    mutating func settle(_ words: OwnedArguments) {
        guard attention.contains(.propagation) else { return }
        attention.remove(.propagation)
        try? words.withArguments(hash: 0) { args throws(CommandError) in
            propagation.settle(
                args, raw: nil, in: session.database, isInTransaction: isInTransaction)
        }
    }

    /// The request that runs changes nothing that others have to know.
    mutating func propagateNothing() {
        guard isPropagating else { return }
        propagation.addNothing()
        attention.insert(.propagation)
    }

    /// Propagates that something went by itself.
    mutating func propagateDeletion(
        _ name: StaticString, in database: Int, _ words: (inout CommandWords) -> Void
    ) {
        guard isPropagating else { return }
        propagation.addDeletion(
            name, in: database, isInTransaction: isInTransaction, words)
    }
}
