//  RDBFormat.swift — the numbers of the RDB format, versions 1 to 12.
//
//      "REDIS" | version, four digits | part … | 0xFF | u64 checksum, from version 5 on
//      part: opcode and what belongs to it, or [deadline] [access] type | key | value
//
//  Written down from files of the servers themselves and from the public descriptions of the format.

/// How a value is laid out.
enum RDBType: UInt8 {
    case string = 0
    case list = 1
    case set = 2
    /// Scores as text.
    case sortedSetOfTexts = 3
    case hash = 4
    /// Scores as eight bytes.
    case sortedSet = 5
    case moduleUnfinished = 6
    case module = 7
    case hashZipmap = 9
    case listZiplist = 10
    case integerSet = 11
    case sortedSetZiplist = 12
    case hashZiplist = 13
    case listOfZiplists = 14
    case stream = 15
    case hashListpack = 16
    case sortedSetListpack = 17
    case listOfListpacks = 18
    case stream2 = 19
    case setListpack = 20
    case stream3 = 21
    /// Hashes whose fields have deadlines; the unfinished ones are of pre-releases.
    case hashWithDeadlinesUnfinished = 22
    case hashListpackWithDeadlinesUnfinished = 23
    case hashWithDeadlines = 24
    case hashListpackWithDeadlines = 25
}

extension RDBType {
    /// As redis-check-rdb calls it.
    var name: String {
        switch self {
        case .string: "string"
        case .list: "list-linked"
        case .set: "set-hashtable"
        case .sortedSetOfTexts: "zset-v1"
        case .hash: "hash-hashtable"
        case .sortedSet: "zset-v2"
        case .moduleUnfinished: "module-pre-release"
        case .module: "module-value"
        case .hashZipmap: "hash-zipmap"
        case .listZiplist: "list-ziplist"
        case .integerSet: "set-intset"
        case .sortedSetZiplist: "zset-ziplist"
        case .hashZiplist: "hash-ziplist"
        case .listOfZiplists: "quicklist"
        case .stream: "stream"
        case .hashListpack: "hash-listpack"
        case .sortedSetListpack: "zset-listpack"
        case .listOfListpacks: "quicklist-v2"
        case .stream2: "stream-v2"
        case .setListpack: "set-listpack"
        case .stream3: "stream-v3"
        case .hashWithDeadlinesUnfinished: "hash-hashtable-md-pre-release"
        case .hashListpackWithDeadlinesUnfinished: "hash-listpack-md-pre-release"
        case .hashWithDeadlines: "hash-hashtable-md"
        case .hashListpackWithDeadlines: "hash-listpack-md"
        }
    }
}

/// What is not a key.
enum RDBOpcode: UInt8 {
    /// Three lengths about a slot of a cluster.
    case slot = 244
    case functions = 245
    case functionsUnfinished = 246
    case moduleData = 247
    /// Seconds since the key that follows was used.
    case idle = 248
    /// The access counter of the key that follows.
    case frequency = 249
    /// A name and a text about the file.
    case note = 250
    /// How many keys the database has, and how many with a deadline.
    case sizes = 251
    case milliseconds = 252
    case seconds = 253
    case database = 254
    case end = 255
}

/// Widths of integers that stand in the place of a string.
enum RDBInteger: UInt8 {
    case int8 = 0, int16, int32
    /// Not an integer but a compressed string.
    case compressed = 3
}

enum RDB {
    /// The newest version that is read.
    static var versionMax: Int { 12 }
    /// The version of files in which no hash has fields with deadlines: Redis 7.0 reads it.
    static var versionUsual: Int { 10 }
    /// The version of files with streams whose consumers have two times: Redis 7.2 and later.
    static var versionWithActiveTimes: Int { 11 }
    /// The version of files with such hashes: Redis 7.4 and later.
    static var versionWithFieldDeadlines: Int { 12 }
    static var magic: StaticString { "REDIS" }
    /// Shorter strings are not worth compressing.
    static var compressedBytesMin: Int { 21 }
}

/// Why bytes are no value, or no file.
struct RDBError: Error, Equatable {
    let text: String
    /// Where in the file, in bytes.
    let offset: Int
}
