//  Call+Memory.swift — where memory goes, as MEMORY reports it.
import Platform

/// One entry of MEMORY STATS.
enum MemoryFact {
    case bytes(Int)
    case ratio(Double)
    case database(table: Int, expires: Int)
}

extension Call {
    /// Bytes that a key costs: its record, its value, and its share of the table.
    func memoryUsage(_ record: Record) -> Int {
        record.blockCount + (record.isObject ? record.objectByteCount : 0) + Self.bytesPerSlot
    }

    /// A bucket of 64 bytes holds seven records, and a table is three quarters full.
    private static var bytesPerSlot: Int { 12 }

    /// Names and values of MEMORY STATS, in Redis's order.
    func memoryFacts() -> [(name: String, fact: MemoryFact)] {
        let used = usedMemory, resident = SystemInformation.residentBytes
        let peak = max(peakMemory, used)
        let overhead = used - datasetMemory
        var facts: [(name: String, fact: MemoryFact)] = [
            ("peak.allocated", .bytes(peak)), ("total.allocated", .bytes(used)),
            ("startup.allocated", .bytes(startupMemory)), ("replication.backlog", .bytes(0)),
            ("replica.fullsync.buffer", .bytes(0)), ("clients.slaves", .bytes(0)),
            ("clients.normal", .bytes(clientMemory)), ("cluster.links", .bytes(0)),
            ("aof.buffer", .bytes(0)), ("lua.caches", .bytes(0)), ("functions.caches", .bytes(0)),
            ("script.VMs", .bytes(0)),
        ]
        var keys = 0, tables = 0, resizing = 0
        for i in 0..<keyspace.count where keyspace.databases[i].count > 0 {
            keys += keyspace.databases[i].count
            let table = keyspace.databases[i].usedBytes - keyspace.databases[i].heap.usedBytes
            tables += table
            if keyspace.databases[i].isResizing { resizing += 1 }
            facts.append(("db.\(i)", .database(table: table, expires: 0)))
        }
        let data = max(used - startupMemory, 1)
        facts += [
            ("overhead.db.hashtable.lut", .bytes(tables)),
            ("overhead.db.hashtable.rehashing", .bytes(0)), ("overhead.total", .bytes(overhead)),
            ("db.dict.rehashing.count", .bytes(resizing)), ("keys.count", .bytes(keys)),
            ("keys.bytes-per-key", .bytes(keys == 0 ? 0 : (used - startupMemory) / keys)),
            ("dataset.bytes", .bytes(datasetMemory)),
            ("dataset.percentage", .ratio(Double(datasetMemory) * 100 / Double(data))),
            ("peak.percentage", .ratio(Double(used) * 100 / Double(max(peak, 1)))),
            ("allocator.allocated", .bytes(used)), ("allocator.active", .bytes(resident)),
            ("allocator.resident", .bytes(resident)), ("allocator.muzzy", .bytes(0)),
            ("allocator-fragmentation.ratio", .ratio(1)),
            ("allocator-fragmentation.bytes", .bytes(0)),
            ("allocator-rss.ratio", .ratio(Double(resident) / Double(max(used, 1)))),
            ("allocator-rss.bytes", .bytes(resident - used)), ("rss-overhead.ratio", .ratio(1)),
            ("rss-overhead.bytes", .bytes(0)),
            ("fragmentation", .ratio(Double(resident) / Double(max(used, 1)))),
            ("fragmentation.bytes", .bytes(resident - used)),
        ]
        return facts
    }

    /// What stands out about memory, and what may help.
    func memoryReport() -> String {
        let used = usedMemory, resident = SystemInformation.residentBytes
        guard used > 5 << 20 else {
            return "There is next to nothing in memory yet, so there is nothing to say about it.\n"
        }
        var findings: [String] = []
        if Double(peakMemory) > Double(used) * 1.5 {
            findings.append(
                """
                Peak: \(Numbers.humanBytes(peakMemory)) were in use once, much more than now. The \
                process may keep some of it; MEMORY PURGE gives back what is free.
                """)
        }
        if Double(resident) > Double(used) * 1.4, resident - used > 10 << 20 {
            findings.append(
                """
                Fragmentation: the process holds \(Numbers.humanBytes(resident)) for \
                \(Numbers.humanBytes(used)) in use. It falls as new keys take the free places.
                """)
        }
        let perClient = clients.count > 0 ? clientMemory / clients.count : 0
        if perClient > 200 << 10 {
            findings.append(
                """
                Clients: each holds \(Numbers.humanBytes(perClient)) on average. CLIENT LIST shows \
                which (omem, qbuf); maxmemory-clients bounds them all.
                """)
        }
        if configuration.maxMemory > 0, used > configuration.maxMemory / 10 * 9 {
            findings.append(
                "Limit: more than nine tenths of maxmemory are in use.")
        }
        if findings.isEmpty { return "Memory is in good order.\n" }
        return findings.map { "- " + $0 }.joined(separator: "\n\n") + "\n"
    }
}
