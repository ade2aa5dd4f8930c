//  Keyspace.swift — the logical databases of a server.

struct Keyspace: ~Copyable {
    var databases: OwnedBuffer<Database>
    let seed: HashSeed
    /// The epoch that records are made in; a snapshot begins the next one.
    private(set) var epoch = Epoch.even
    /// One more than the highest database that a client ever named: those above are empty.
    private(set) var usedCount = 1

    init(count: Int, seed: HashSeed, now: Int64) {
        self.seed = seed
        databases = OwnedBuffer(count: count) { _ in Database(seed: seed, now: now) }
    }

    var count: Int { databases.count }

    /// A client named this database, whose index was checked.
    mutating func use(_ index: Int) { usedCount = max(usedCount, index + 1) }

    /// Whether a database is too large for its look-ups to stay in the processor's caches.
    var hasWide: Bool {
        for i in 0..<usedCount where databases[i].isWide { return true }
        return false
    }

    /// Bytes of all databases.
    var usedBytes: Int {
        var total = 0
        for i in 0..<databases.count { total += databases[i].usedBytes }
        return total
    }

    /// Begins the next epoch for `snapshot`, which is to write every record there is.
    mutating func beginEpoch(_ snapshot: Snapshot) {
        epoch = epoch.next
        for i in 0..<databases.count {
            databases[i].heap.epoch = epoch
            databases[i].snapshot = snapshot
            databases[i].snapshotIndex = i
        }
    }

    /// The snapshot has written every record.
    mutating func endEpoch() {
        for i in 0..<databases.count { databases[i].snapshot = nil }
    }

    /// Where the database is that had this number when the snapshot began; nil when it is gone.
    func position(ofSnapshot index: Int) -> Int? {
        for i in 0..<databases.count {
            if databases[i].snapshot != nil, databases[i].snapshotIndex == index { return i }
        }
        return nil
    }

    /// Exchanges two databases.
    mutating func swap(_ a: Int, _ b: Int, now: Int64) {
        if a == b { return }
        var held = replace(a, with: Database(seed: seed, now: now, epoch: epoch))
        held = replace(b, with: held)
        _ = replace(a, with: held)
    }

    /// Puts `database` at `index` and returns what was there.
    mutating func replace(_ index: Int, with database: consuming Database) -> Database {
        Swift.swap(&databases[index], &database)
        return database
    }
}
