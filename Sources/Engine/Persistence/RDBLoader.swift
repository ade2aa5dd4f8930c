//  RDBLoader.swift — an RDB file read into the databases, a slice at a time.
import CPlatform
import Logging

struct RDBLoader: ~Copyable {
    private var input: RDBInput
    private var shop: ValueWorkshop
    private var version = 0
    private var database = 0
    private var key = ByteBuffer()
    /// What stands in front of the next key.
    private var deadline: Int64?
    private var idle: Int64?
    private var frequency: Int64?
    private let options: Options
    /// Who is told of a file that is only looked at; nil when it is loaded.
    private let check: RDBCheck?
    /// Takes the values instead of the databases.
    private let form: CommandForm?
    /// Keys that were read and are not in the table yet.
    private var pending = PendingKeys()
    private(set) var keys = 0
    private(set) var expired = 0
    /// Whether the file says that it is the base of an append-only file.
    private(set) var isBase = false

    struct Options: Sendable {
        var hasChecksum = true
        /// Whether keys whose time has come are left out.
        var skipsExpired = true
        /// Whether a key that is there already gives way instead of being an error.
        var replaces = false
    }

    /// Keys between two looks at the clock.
    private static var keysPerCheck: Int { 32 }

    init(
        _ input: consuming RDBInput, _ options: Options, _ call: borrowing Call,
        check: RDBCheck? = nil, form: CommandForm? = nil
    ) {
        self.input = input
        self.options = options
        self.check = check
        self.form = form
        shop = ValueWorkshop(
            limits: ValueLimits(call.configuration), seed: call.keyspace.seed)
    }

    /// Bytes that were read.
    var offset: Int { input.offset }

    /// The key that was read last.
    var lastKey: String { key.span.text }

    /// The input, for what stands behind the end.
    consuming func rest() -> RDBInput { input }

    /// Reads magic and version.
    mutating func begin() throws(RDBError) {
        var head: [UInt8] = []
        for _ in 0..<9 { head.append(try input.byte()) }
        guard head.prefix(5) == Array("REDIS".utf8)[...] else {
            throw RDBError(text: "not an RDB file: it does not begin with REDIS", offset: 0)
        }
        guard let number = Int(String(decoding: head.dropFirst(5), as: UTF8.self)), number >= 1
        else { throw RDBError(text: "the version is no number", offset: 5) }
        guard number <= RDB.versionMax else {
            throw RDBError(
                text: "version \(number) is newer than \(RDB.versionMax), the newest known",
                offset: 5)
        }
        version = number
        check?.stage = .type
        if !options.hasChecksum || version < 5 { input.skipChecksum() }
    }

    /// Loads keys until the processor's counter is at `end`; true when the file is read.
    mutating func step(_ call: inout Call, until end: UInt64) throws(RDBError) -> Bool {
        var isOver = false
        do throws(RDBError) {
            repeat {
                for _ in 0..<Self.keysPerCheck where try next(&call) {
                    isOver = true
                    break
                }
            } while !isOver && cp_ticks() < end
        } catch {
            // What came before the damage is as good as it was.
            try? insertPending(&call)
            throw error
        }
        try insertPending(&call)
        return isOver
    }

    /// Reads up to the end of the next key; true at the end of the file.
    private mutating func next(_ call: inout Call) throws(RDBError) -> Bool {
        while true {
            let byte = try input.byte()
            if let type = RDBType(rawValue: byte) {
                try load(type, &call)
                return false
            }
            guard let opcode = RDBOpcode(rawValue: byte) else {
                throw input.failure("unknown type \(byte)")
            }
            if try read(opcode, &call) { return true }
        }
    }

    private mutating func read(_ opcode: RDBOpcode, _ call: inout Call) throws(RDBError) -> Bool {
        switch opcode {
        case .seconds:
            let seconds = Int64(Int32(truncatingIfNeeded: try input.littleEndian(4)))
            deadline = seconds * 1000
        case .milliseconds: deadline = try input.milliseconds()
        case .frequency: frequency = Int64(try input.byte())
        case .idle: idle = Int64(try input.length())
        case .database:
            let index = try input.length()
            if let check {
                check.tell(input.offset, "Selecting DB ID \(index)")
                return false
            }
            guard index < call.keyspace.count else {
                throw input.failure(
                    "database \(index), but there are only \(call.keyspace.count) (`databases`)")
            }
            try insertPending(&call)
            call.keyspace.use(index)
            database = index
        case .sizes:
            let count = try input.length()
            _ = try input.length()
            if check != nil || form != nil { return false }
            // A key and its value have three bytes at least.
            call.keyspace.databases[database].reserve(min(count, input.remaining / 3))
        case .note: try readNote(&call)
        case .moduleData: try skipModuleData()
        case .slot: for _ in 0..<3 { _ = try input.length() }
        case .functions, .functionsUnfinished:
            throw input.failure("functions are not supported")
        case .end:
            try checkEnd()
            return true
        }
        return false
    }

    private mutating func readNote(_ call: inout Call) throws(RDBError) {
        try input.readString(into: &key)
        let name = key.span.text
        try input.readString()
        let text = input.text.text
        check?.tell(input.offset, "AUX FIELD \(name) = '\(text)'")
        switch name {
        case "redis-ver": call.log.notice("Loading RDB produced by version \(text)")
        case "aof-base": isBase = text == "1"
        default: break
        }
    }

    /// Data of a module, which tell their own lengths.
    private mutating func skipModuleData() throws(RDBError) {
        for _ in 0..<3 { _ = try input.length() }
        while true {
            switch try input.length() {
            case 0: return
            case 1, 2: _ = try input.length()
            case 3: try input.skip(4)
            case 4: try input.skip(8)
            case 5: try input.skipString()
            default: throw input.failure("data of a module are damaged")
            }
        }
    }

    private mutating func checkEnd() throws(RDBError) {
        guard version >= 5 else { return }
        check?.stage = .checksum
        let at = input.offset
        let computed = input.takeChecksum()
        let stored = try input.littleEndian(8)
        guard options.hasChecksum, stored != 0, stored != computed else {
            let text =
                stored == 0
                ? "RDB file was saved with checksum disabled: no check performed." : "Checksum OK"
            check?.tell(input.offset, text)
            return
        }
        throw RDBError(
            text: "wrong checksum: \(String(stored, radix: 16)) is stored, "
                + "\(String(computed, radix: 16)) computed",
            offset: at)
    }

    private mutating func load(_ type: RDBType, _ call: inout Call) throws(RDBError) {
        var name = ByteBuffer()
        swap(&name, &key)
        defer { swap(&name, &key) }
        if let check {
            check.type = type
            check.stage = .key
        }
        try input.readString(into: &name)
        check?.stage = .value
        let hash = call.keyspace.seed.hash(name.span)
        let record = try input.readValue(
            type, key: name.span, deadline: deadline, &shop,
            &call.keyspace.databases[database].heap)
        let deadline = deadline, idle = idle, frequency = frequency
        self.deadline = nil
        self.idle = nil
        self.frequency = nil
        guard let record else { return call.log.notice("An empty collection was left out.") }
        if let check {
            check.note(record, now: call.now)
            return call.keyspace.databases[database].freeAll(record)
        }
        if let form {
            form.append(record, in: database)
            return call.keyspace.databases[database].freeAll(record)
        }
        if options.skipsExpired, let deadline, deadline <= call.now {
            call.keyspace.databases[database].free(record)
            expired += 1
            return
        }
        record.touch(call.clock)
        if idle != nil || frequency != nil {
            call.setAccess(record, idle: idle, frequency: frequency)
        }
        call.keyspace.databases[database].prefetchBucket(hash)
        if let oldest = pending.exchange(record, hash) {
            try insert(oldest.record, oldest.hash, &call)
        }
    }

    private mutating func insertPending(_ call: inout Call) throws(RDBError) {
        var failure: RDBError?
        while let oldest = pending.take() {
            do throws(RDBError) {
                try insert(oldest.record, oldest.hash, &call)
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    private mutating func insert(
        _ record: Record, _ hash: UInt64, _ call: inout Call
    ) throws(RDBError) {
        if let old = call.keyspace.databases[database].find(Key(record.key, hash: hash)) {
            guard options.replaces else {
                let text = record.key.extracting(first: 64).text
                call.keyspace.databases[database].free(record)
                throw input.failure("a key comes twice: \(text)")
            }
            call.keyspace.databases[database].remove(old, hash: hash)
        }
        call.keyspace.databases[database].insert(record, hash: hash)
        keys += 1
    }
}

/// Keys whose buckets were asked for and should be cached when their turn comes.
private struct PendingKeys {
    private var records = InlineArray<16, Record?>(repeating: nil)
    private var hashes = InlineArray<16, UInt64>(repeating: 0)
    /// Where the oldest stands once all places are taken, and where the next one goes.
    private var at = 0

    /// Adds a key; returns the oldest if there were sixteen already.
    @inline(__always) mutating func exchange(
        _ record: Record, _ hash: UInt64
    ) -> (record: Record, hash: UInt64)? {
        let old = records[at]
        let oldHash = hashes[at]
        records[at] = record
        hashes[at] = hash
        at = (at &+ 1) & 15
        guard let old else { return nil }
        return (old, oldHash)
    }

    /// Takes some key out, the oldest first; nil when none is left.
    mutating func take() -> (record: Record, hash: UInt64)? {
        for _ in 0..<16 {
            let i = at
            at = (at &+ 1) & 15
            guard let record = records[i] else { continue }
            records[i] = nil
            return (record, hashes[i])
        }
        return nil
    }
}
