//  Snapshot.swift — all data as they are at one moment, written while they go on changing.
//
//  Nothing is forked. A snapshot begins an epoch: every record carries one bit that tells whether it
//  is from before. Between two turns of the loop the snapshot walks over the tables and writes what is
//  from before; whoever changes or removes a record lets the snapshot write it first
//  (`Call.preserve` before a command that writes, `Database.willRemove` for whatever removes a key by
//  itself). New records are born in the new epoch and stay out. So tables may grow, shrink and move
//  meanwhile, and what is written is exactly what there was at the start.
//
//  A large collection is opened instead of written, see `OpenCollection`. While one is, keys that
//  are written because they change wait in `side`, since a key's bytes stand together in the file.
//
//  What is written is a draft (`RDBDraft`); a helper thread makes it a file (`SnapshotFile`).
import CPlatform

/// What a snapshot is for.
enum SnapshotPurpose: Sendable {
    /// The RDB file that `dir` and `dbfilename` name.
    case save
    /// The base of the append-only file.
    case rewrite
}

final class Snapshot {
    let purpose: SnapshotPurpose
    /// Tells it from others.
    let number: Int
    /// When it began, in Unix milliseconds.
    let startTime: Int64
    /// `Effects.dirty` at the start.
    let dirtyAtStart: Int
    let file: SnapshotFile
    /// Keys that were there at the start, and that were written so far.
    let keysTotal: Int
    private(set) var keysDone = 0
    /// Nobody wants the file any more: what is left only enters the epoch.
    private(set) var isAbandoned = false
    private let policy: EvictionPolicy?
    private let clock: UInt32
    private let now: Int64
    private let decayMinutes: Int

    private var main = RDBDraft(pinsValues: true)
    /// Keys that wait for open collections.
    private var side = RDBDraft(pinsValues: true)
    /// The database that the next key of each draft belongs to, -1 when that has yet to be said.
    private var mainDatabase = -1
    private var sideDatabase = -1
    private var open: [OpenCollection] = []
    private var firstOpen = 0
    /// Databases that were flushed meanwhile.
    private var kept: [KeptDatabase] = []
    /// The database that is walked over, its number, and how far.
    private var walked = 0
    private let databaseCount: Int
    private var cursor: UInt64 = 0
    private var isWalkOver = false
    private(set) var isFinished = false

    /// Bytes of a draft that are worth handing over.
    private static var draftBytes: Int { 256 << 10 }
    /// Bytes on their way to the helper thread above which the walk rests.
    private static var backlogMax: Int { 8 << 20 }
    /// Elements that are written at once with their key.
    private static var elementsAtOnce: Int { 64 }
    private static var recordsAtOnce: Int { 64 }

    init(
        _ purpose: SnapshotPurpose, _ file: SnapshotFile, _ call: inout Call
    ) {
        self.purpose = purpose
        self.file = file
        number = call.persistence.snapshotCount
        startTime = call.now
        now = call.now
        clock = call.clock
        dirtyAtStart = call.effects.dirty
        policy =
            call.configuration.maxMemory > 0 ? call.configuration.maxMemoryPolicy : nil
        decayMinutes = call.configuration.lfuDecayTime
        databaseCount = call.keyspace.count
        var total = 0
        for i in 0..<call.keyspace.count { total += call.keyspace.databases[i].count }
        keysTotal = total
        appendHead(&call)
        call.keyspace.beginEpoch(self)
    }

    private func appendHead(_ call: inout Call) {
        var hasFieldDeadlines = false, hasActiveTimes = false
        for i in 0..<call.keyspace.count {
            if call.keyspace.databases[i].volatileHashCount > 0 { hasFieldDeadlines = true }
            if call.keyspace.databases[i].unevenStreamCount > 0 { hasActiveTimes = true }
        }
        let version =
            hasFieldDeadlines
            ? RDB.versionWithFieldDeadlines
            : hasActiveTimes ? RDB.versionWithActiveTimes : RDB.versionUsual
        let digits = String(version)
        main.append(raw: Array("REDIS".utf8) + Array(repeating: 48, count: 4 - digits.count))
        main.append(raw: Array(digits.utf8))
        main.append(note: "redis-ver", ServerIdentity.redisVersion)
        main.append(note: "redis-bits", "64")
        main.append(note: "ctime", "\(call.now / 1000)")
        main.append(note: "used-mem", "\(call.keyspace.usedBytes)")
        main.append(note: "aof-base", purpose == .rewrite ? "1" : "0")
        for i in 0..<call.keyspace.count where call.keyspace.databases[i].count > 0 {
            main.append(.database)
            main.append(length: i)
            main.append(.sizes)
            main.append(length: call.keyspace.databases[i].count)
            main.append(length: call.keyspace.databases[i].volatileCount)
            mainDatabase = i
        }
    }

    // MARK: - Writing

    /// What the file tells of a key's use.
    func access(_ record: Record) -> RecordAccess? {
        guard let policy else { return nil }
        switch policy {
        case .allKeysLRU, .volatileLRU:
            return .idle(Int((clock &- record.accessClock) & 0xFF_FFFF))
        case .allKeysLFU, .volatileLFU:
            let count = AccessCounter.value(
                record.accessClock, now, decayMinutes: decayMinutes)
            return .frequency(UInt8(truncatingIfNeeded: count))
        default: return nil
        }
    }

    /// Writes a key of the database with the number `database`, if it is from before.
    func write(
        _ record: Record, in database: Int, _ epoch: Epoch, _ heap: inout SlabAllocator
    ) {
        guard record.isBefore(epoch) else { return }
        record.enter(epoch)
        keysDone += 1
        if record.isObject, Self.isLarge(record) {
            open.append(OpenCollection(record, database: database, epoch, self, &heap))
            return
        }
        if firstOpen < open.count {
            Self.append(record, database, access(record), &side, &sideDatabase)
        } else {
            Self.append(record, database, access(record), &main, &mainDatabase)
            handOver(atLeast: Self.draftBytes)
        }
        if record.isObject { Self.enterElements(of: record, epoch) }
    }

    private static func isLarge(_ record: Record) -> Bool {
        record.objectElementCount > elementsAtOnce
            || record.kind == .stream && record.stream.groupElementCount > elementsAtOnce
    }

    private static func append(
        _ record: Record, _ database: Int, _ access: RecordAccess?, _ draft: inout RDBDraft,
        _ current: inout Int
    ) {
        if current != database {
            draft.append(.database)
            draft.append(length: database)
            current = database
        }
        draft.append(lifeOf: record, access: access)
        draft.append(record)
    }

    private static func enterElements(of record: Record, _ epoch: Epoch) {
        switch record.kind {
        case .hash: record.hash.forEach { $0.enter(epoch) }
        case .set: record.set.forEach { $0.enter(epoch) }
        case .sortedSet:
            record.sortedSet.forEach(0..<record.sortedSet.count) { $1.enter(epoch) }
        default: break
        }
    }

    /// Lets an open collection whose turn it is write an element.
    func stream(_ body: (inout RDBDraft) -> Void) { body(&main) }

    private func handOver(atLeast bytes: Int) {
        guard main.byteCount >= bytes, main.byteCount > 0 else { return }
        if isAbandoned {
            main.drop()
            return main.removeAll()
        }
        file.post(&main)
    }

    // MARK: - The walk

    /// Whether the helper thread has more than enough to do.
    var isHeldUp: Bool { !isAbandoned && file.backlog > Self.backlogMax }

    /// Goes on until the processor's counter is at `end`; true when everything is written.
    func step(_ keyspace: inout Keyspace, until end: UInt64) -> Bool {
        while !isFinished, !isHeldUp {
            if firstOpen < open.count {
                stepOpen(&keyspace)
            } else if !isWalkOver {
                walk(&keyspace)
            } else {
                finish(&keyspace)
            }
            if cp_ticks() >= end { break }
        }
        return isFinished
    }

    private func stepOpen(_ keyspace: inout Keyspace) {
        let head = open[firstOpen]
        if mainDatabase != head.database {
            main.append(.database)
            main.append(length: head.database)
            mainDatabase = head.database
        }
        head.takeTurn(&main)
        let isOver: Bool
        if let i = keyspace.position(ofSnapshot: head.database) {
            isOver = head.step(&main, &keyspace.databases[i])
        } else if let box = kept.first(where: { $0.database.snapshotIndex == head.database }) {
            isOver = head.step(&main, &box.database)
        } else {
            // Nobody wants what is in it.
            isOver = true
        }
        if isOver {
            firstOpen += 1
            if firstOpen == open.count {
                open = []
                firstOpen = 0
                if side.byteCount > 0 {
                    main.append(side)
                    side = RDBDraft(pinsValues: true)
                    mainDatabase = sideDatabase
                }
                sideDatabase = -1
            }
        }
        handOver(atLeast: Self.draftBytes)
    }

    /// Writes the keys of some buckets.
    private func walk(_ keyspace: inout Keyspace) {
        guard walked < databaseCount else {
            isWalkOver = true
            return
        }
        if let i = keyspace.position(ofSnapshot: walked) {
            cursor = walk(&keyspace.databases[i])
        } else if let box = kept.first(where: { $0.database.snapshotIndex == walked }) {
            cursor = walk(&box.database)
        } else {
            cursor = 0
        }
        if cursor == 0 { walked += 1 }
    }

    private func walk(_ database: inout Database) -> UInt64 {
        var found = FoundRecords()
        var next = cursor
        let epoch = database.heap.epoch
        repeat {
            next = database.scan(next) { found.add($0) }
        } while next != 0 && found.count < Self.recordsAtOnce
        let number = database.snapshotIndex
        found.forEach { write($0, in: number, epoch, &database.heap) }
        return next
    }

    private func finish(_ keyspace: inout Keyspace) {
        main.append(.end)
        handOver(atLeast: 0)
        if !isAbandoned { file.end() }
        keyspace.endEpoch()
        kept = []
        isFinished = true
    }

    // MARK: - Flushed databases

    /// A database that was flushed and has yet to be written.
    private final class KeptDatabase {
        var database: Database

        init(_ database: consuming Database) {
            self.database = database
        }
    }

    /// Takes over a database that its server no longer wants.
    func keep(_ database: consuming Database) { kept.append(KeptDatabase(database)) }

    /// The file is not wanted any more; records still have to enter the epoch.
    func abandon() {
        guard !isAbandoned else { return }
        isAbandoned = true
        main.drop()
        main.removeAll()
        side.drop()
        side.removeAll()
        kept = []
        file.abandon()
    }
}

/// Some records, asked for all at once before they are read one by one.
private struct FoundRecords {
    private var records = InlineArray<128, Record?>(repeating: nil)
    private(set) var count = 0
    private var rest: [Record] = []

    mutating func add(_ record: Record) {
        record.prefetch()
        if count == 128 { return rest.append(record) }
        records[count] = record
        count &+= 1
    }

    func forEach(_ body: (Record) -> Void) {
        for i in 0..<count {
            if let record = records[i] { body(record) }
        }
        for record in rest { body(record) }
    }
}
