//  Keyspace.swift — the logical databases of a server.

struct Keyspace: ~Copyable {
    var databases: OwnedBuffer<Database>
    let seed: HashSeed
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

    /// Exchanges two databases.
    mutating func swap(_ a: Int, _ b: Int, now: Int64) {
        if a == b { return }
        var held = replace(a, with: Database(seed: seed, now: now))
        held = replace(b, with: held)
        _ = replace(a, with: held)
    }

    /// Puts `database` at `index` and returns what was there.
    mutating func replace(_ index: Int, with database: consuming Database) -> Database {
        Swift.swap(&databases[index], &database)
        return database
    }
}
