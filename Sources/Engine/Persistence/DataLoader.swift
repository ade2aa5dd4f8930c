//  DataLoader.swift — the data of the last run, read at the start while the loop goes on.
//
//  Clients are answered LOADING meanwhile, but for the commands that need no data. A file that is
//  damaged ends the server: it must not go on without the data, nor write over them.
import CPlatform
import Logging
import Platform

struct DataLoader: ~Copyable {
    private var loader: RDBLoader
    private let descriptor: Int32
    private let path: String
    private var nextReport: Int64
    private var reportedKeys = 0

    /// Opens the file that there is to load; nil when there is none.
    static func open(
        _ call: inout Call, replaces: Bool = false
    ) throws(LoadError) -> DataLoader? {
        let path = call.path(call.configuration.databaseFilename)
        do throws(SystemError) {
            guard let descriptor = try Files.openToRead(path) else { return nil }
            let count = try Files.size(descriptor)
            call.persistence.loading = LoadProgress(startTime: call.now, totalBytes: count)
            return DataLoader(path, descriptor, count, replaces, &call)
        } catch {
            throw LoadError(text: "\(path): \(error)")
        }
    }

    private init(
        _ path: String, _ descriptor: Int32, _ count: Int, _ replaces: Bool, _ call: inout Call
    ) {
        self.path = path
        self.descriptor = descriptor
        var options = RDBLoader.Options()
        options.hasChecksum = call.configuration.rdbChecksum
        options.replaces = replaces
        loader = RDBLoader(RDBInput(descriptor: descriptor, count: count), options, call)
        nextReport = call.now + 1000
    }

    deinit { Descriptor.close(descriptor) }

    /// Reads on until the processor's counter is at `end`; true when everything is there.
    mutating func step(_ call: inout Call, until end: UInt64) throws(LoadError) -> Bool {
        do throws(RDBError) {
            if loader.offset == 0 { try loader.begin() }
            let isOver = try loader.step(&call, until: end)
            call.persistence.loading?.loadedBytes = loader.offset
            call.persistence.loading?.keys = loader.keys
            call.persistence.loadedKeys = loader.keys
            call.persistence.expiredKeys = loader.expired
            if call.now >= nextReport { report(call) }
            return isOver
        } catch {
            throw LoadError(text: "\(path) is damaged at byte \(error.offset): \(error.text)")
        }
    }

    private mutating func report(_ call: borrowing Call) {
        guard let progress = call.persistence.loading else { return }
        let percent = progress.loadedBytes * 100 / max(progress.totalBytes, 1)
        let keys = loader.keys - reportedKeys
        let rate = Int64(keys) * 1000 / max(call.now - nextReport + 1000, 1)
        call.log.notice("Loading: \(percent) %, \(loader.keys) keys, \(rate) keys/s")
        reportedKeys = loader.keys
        nextReport = call.now + 1000
    }
}

/// Why data cannot be loaded.
package struct LoadError: Error, CustomStringConvertible {
    let text: String
    package var description: String { text }
}

extension Call {
    /// Reads the RDB file at once, in place of all data or beside them.
    mutating func reload(flushes: Bool, replaces: Bool) throws(LoadError) {
        defer { persistence.loading = nil }
        guard var loader = try DataLoader.open(&self, replaces: replaces) else {
            throw LoadError(text: "there is no file to load")
        }
        if flushes { for i in 0..<keyspace.count { flush(i, isLazy: false) } }
        while try !loader.step(&self, until: .max) {}
        changedAll()
        propagateNothing()
        persistence.savedDirty = effects.dirty
    }
}
