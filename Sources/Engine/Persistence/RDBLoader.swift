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

    init(_ input: consuming RDBInput, _ options: Options, _ call: borrowing Call) {
        self.input = input
        self.options = options
        shop = ValueWorkshop(
            limits: ValueLimits(call.configuration), seed: call.keyspace.seed)
    }

    /// Bytes that were read.
    var offset: Int { input.offset }

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
        if !options.hasChecksum || version < 5 { input.skipChecksum() }
    }

    /// Loads keys until the processor's counter is at `end`; true when the file is read.
    mutating func step(_ call: inout Call, until end: UInt64) throws(RDBError) -> Bool {
        while true {
            for _ in 0..<Self.keysPerCheck where try next(&call) { return true }
            if cp_ticks() >= end { return false }
        }
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
            guard index < call.keyspace.count else {
                throw input.failure(
                    "database \(index), but there are only \(call.keyspace.count) (`databases`)")
            }
            call.keyspace.use(index)
            database = index
        case .sizes:
            let count = try input.length()
            _ = try input.length()
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
        let at = input.offset
        let computed = input.takeChecksum()
        let stored = try input.littleEndian(8)
        guard options.hasChecksum, stored != 0, stored != computed else { return }
        throw RDBError(
            text: "wrong checksum: \(String(stored, radix: 16)) is stored, "
                + "\(String(computed, radix: 16)) computed",
            offset: at)
    }

    private mutating func load(_ type: RDBType, _ call: inout Call) throws(RDBError) {
        var name = ByteBuffer()
        swap(&name, &key)
        defer { swap(&name, &key) }
        try input.readString(into: &name)
        let hash = call.keyspace.seed.hash(name.span)
        let record = try input.readValue(
            type, key: name.span, deadline: deadline, &shop,
            &call.keyspace.databases[database].heap)
        let deadline = deadline, idle = idle, frequency = frequency
        self.deadline = nil
        self.idle = nil
        self.frequency = nil
        guard let record else { return call.log.notice("An empty collection was left out.") }
        if options.skipsExpired, let deadline, deadline <= call.now {
            call.keyspace.databases[database].free(record)
            expired += 1
            return
        }
        if let old = call.keyspace.databases[database].find(Key(name.span, hash: hash)) {
            guard options.replaces else {
                call.keyspace.databases[database].free(record)
                throw input.failure("a key comes twice: \(name.span.extracting(first: 64).text)")
            }
            call.keyspace.databases[database].remove(old, hash: hash)
        }
        record.touch(call.clock)
        if idle != nil || frequency != nil {
            call.setAccess(record, idle: idle, frequency: frequency)
        }
        call.keyspace.databases[database].insert(record, hash: hash)
        keys += 1
    }
}
