//  DataLoader.swift — the data of the last run, read at the start while the loop goes on.
//
//  They are in the append-only file where there is one that is wanted: its base, then its increments.
//  Else they are in the RDB file. Clients are answered LOADING meanwhile, but for the commands that
//  need no data. A file that is damaged ends the server: it must not go on without the data, nor write
//  over them. Only the end of the last increment may be missing, since a crash leaves it so.
import CPlatform
import Logging
import Platform

struct DataLoader: ~Copyable {
    /// One file to read.
    private struct File {
        let path: String
        var isRDB = false
        /// Its end may be missing.
        var isLast = false
    }

    /// Files that were not begun, the next one last.
    private var files: [File]
    private var current = File(path: "")
    private var rdb: RDBFile?
    private var commands: CommandFile?
    private var replay: Replay?
    /// Bytes and keys of files that are done with.
    private var doneBytes = 0
    private var doneKeys = 0
    private var nextReport: Int64
    private var reportedKeys = 0
    private var lastReportTime: Int64

    /// Finds what there is to load; nil when there is nothing.
    static func open(_ call: inout Call) throws(LoadError) -> DataLoader? {
        var files: [File] = []
        if call.configuration.appendOnly { files = try appendOnlyFiles(call) }
        let path = call.path(call.configuration.databaseFilename)
        if files.isEmpty, Files.size(at: path) != nil {
            if call.configuration.appendOnly {
                call.log.notice("There is no append-only file yet: it begins with the RDB file.")
            }
            files = [File(path: path, isRDB: true)]
        }
        guard !files.isEmpty else { return nil }
        return DataLoader(files, &call)
    }

    /// Reads the append-only file alone, in place of all data.
    static func openAppendOnly(_ call: inout Call) throws(LoadError) -> DataLoader {
        DataLoader(try appendOnlyFiles(call), &call)
    }

    /// Opens a file to read from `offset` on; the other number is that of its bytes.
    fileprivate static func open(
        _ path: String, at offset: Int = 0
    ) throws(LoadError) -> (descriptor: Int32, count: Int) {
        do throws(SystemError) {
            guard let descriptor = try Files.openToRead(path) else {
                throw SystemError(operation: "open", code: ENOENT)
            }
            do throws(SystemError) {
                try Files.seek(descriptor, to: offset)
                return (descriptor, try Files.size(descriptor))
            } catch {
                Descriptor.close(descriptor)
                throw error
            }
        } catch {
            throw LoadError(text: "\(path): \(error)")
        }
    }

    private init(_ files: [File], _ call: inout Call) {
        self.files = files.reversed()
        let total = files.reduce(0) { $0 + (Files.size(at: $1.path) ?? 0) }
        call.persistence.loading = LoadProgress(startTime: call.turnTime, totalBytes: total)
        lastReportTime = call.turnTime
        nextReport = call.turnTime + 1000
    }

    /// The files that the manifest names, in order; a file of Redis 6 or earlier becomes the base.
    private static func appendOnlyFiles(_ call: borrowing Call) throws(LoadError) -> [File] {
        let directory = call.appendDirectory, name = call.configuration.appendFilename
        var manifest = try AppendOnlyManifest.read("\(directory)/\(name).manifest")
        // An upgrade may have been cut short before the file was moved.
        let isUnmoved =
            manifest?.isUpgrade(of: name) == true && Files.size(at: "\(directory)/\(name)") == nil
        if manifest == nil || isUnmoved,
            let upgraded = try upgrade(call.path(name), directory, name, call)
        {
            manifest = upgraded
        }
        guard let manifest else { return [] }
        let named = [manifest.base].compactMap(\.self) + manifest.increments
        for file in named where Files.size(at: "\(directory)/\(file.name)") == nil {
            throw LoadError(text: "The AOF file \(file.name) doesn't exist")
        }
        let sizes = named.map { Files.size(at: "\(directory)/\($0.name)") ?? 0 }
        return named.indices.map { i in
            // An increment that nothing has come to yet is begun before the one in front of it is on the
            // disk whole.
            let isLast = sizes[(i + 1)...].allSatisfy { $0 == 0 }
            return File(path: "\(directory)/\(named[i].name)", isLast: isLast)
        }
    }

    /// Moves a single append-only file to where its parts are now.
    private static func upgrade(
        _ old: String, _ directory: String, _ name: String, _ call: borrowing Call
    ) throws(LoadError) -> AppendOnlyManifest? {
        guard Files.size(at: old) != nil, !Files.isDirectory(old) else { return nil }
        var manifest = AppendOnlyManifest()
        manifest.base = AppendOnlyManifest.File(name: name, number: 1, kind: .base)
        do throws(SystemError) {
            try Files.makeDirectory(directory)
            try manifest.write("\(name).manifest", in: directory)
            try Files.rename(old, to: "\(directory)/\(name)")
            try Files.synchronizeDirectory(directory)
        } catch {
            throw LoadError(text: "\(old) cannot be moved into \(directory): \(error)")
        }
        call.log.notice("Successfully migrated an old-style AOF configuration.")
        return manifest
    }

    // MARK: - Reading

    /// Reads on until the processor's counter is at `end`; true when everything is there.
    mutating func step(_ executor: inout Executor, until end: UInt64) throws(LoadError) -> Bool {
        let isOver = try advance(&executor, until: end)
        tell(&executor.call)
        if isOver, let replay = replay.take() {
            if replay.failures > 0 {
                executor.call.log.warning(
                    """
                    \(replay.failures) commands of the append-only file failed, the first with: \
                    \(replay.firstFailure)
                    """)
            }
            executor.endReplay(replay)
        }
        return isOver
    }

    private mutating func advance(
        _ executor: inout Executor, until end: UInt64
    ) throws(LoadError) -> Bool {
        while true {
            if rdb != nil {
                guard try stepRDB(&executor.call, until: end) else { return false }
            } else if commands != nil {
                guard try stepCommands(&executor, until: end) else { return false }
            } else {
                guard let file = files.popLast() else { return true }
                try begin(file, &executor.call)
            }
        }
    }

    private mutating func begin(_ file: File, _ call: inout Call) throws(LoadError) {
        current = file
        var isRDB = file.isRDB
        if !isRDB { isRDB = try RDBFile.isOne(file.path) }
        if isRDB {
            var options = RDBLoader.Options()
            options.hasChecksum = call.checksChecksums
            // What follows in the other files was done while such keys were there.
            options.skipsExpired = file.isRDB
            rdb = try RDBFile(file.path, options, call)
        } else {
            commands = try CommandFile(file.path, from: 0)
        }
    }

    private mutating func stepRDB(
        _ call: inout Call, until end: UInt64
    ) throws(LoadError) -> Bool {
        guard var file = rdb.take() else { return true }
        guard try file.step(&call, until: end) else {
            rdb = consume file
            return false
        }
        doneBytes += file.offset
        doneKeys += file.keys
        call.persistence.expiredKeys += file.expired
        // Behind an RDB file at the front of an old append-only file there are commands.
        if !current.isRDB, let size = Files.size(at: current.path), size > file.offset {
            commands = try CommandFile(current.path, from: file.offset)
        }
        return true
    }

    private mutating func stepCommands(
        _ executor: inout Executor, until end: UInt64
    ) throws(LoadError) -> Bool {
        guard var file = commands.take() else { return true }
        var replay = self.replay.take() ?? executor.beginReplay()
        let isOver = try file.step(
            &executor, &replay, until: end,
            mayEndEarly: current.isLast && executor.call.configuration.aofLoadTruncated)
        self.replay = consume replay
        if isOver { doneBytes += file.readBytes } else { commands = consume file }
        return isOver
    }

    // MARK: - Telling

    private mutating func tell(_ call: inout Call) {
        var bytes = doneBytes, keys = doneKeys
        bytes += rdb?.offset ?? 0
        keys += rdb?.keys ?? 0
        bytes += commands?.readBytes ?? 0
        if replay != nil {
            // Commands make keys and delete them.
            keys = 0
            for i in 0..<call.keyspace.count { keys += call.keyspace.databases[i].count }
        }
        call.persistence.loading?.loadedBytes = bytes
        call.persistence.loading?.keys = keys
        call.persistence.loadedKeys = keys
        guard call.turnTime >= nextReport, let progress = call.persistence.loading else { return }
        let percent = bytes * 100 / max(progress.totalBytes, 1)
        let elapsed = max(call.turnTime - lastReportTime, 1)
        let rate = Int64(keys - reportedKeys) * 1000 / elapsed
        call.log.notice("Loading: \(percent) %, \(keys) keys, \(rate) keys/s")
        reportedKeys = keys
        lastReportTime = call.turnTime
        nextReport = call.turnTime + 1000
    }
}

/// An RDB file that is being read.
struct RDBFile: ~Copyable {
    private var loader: RDBLoader
    private let descriptor: Int32
    private let path: String

    /// Opens the file at `path`.
    init(_ path: String, _ options: RDBLoader.Options, _ call: borrowing Call) throws(LoadError) {
        let (descriptor, count) = try DataLoader.open(path)
        self.path = path
        self.descriptor = descriptor
        loader = RDBLoader(RDBInput(descriptor: descriptor, count: count), options, call)
    }

    deinit { Descriptor.close(descriptor) }

    /// Whether the file at `path` begins as an RDB file does.
    static func isOne(_ path: String) throws(LoadError) -> Bool {
        do throws(SystemError) {
            guard let descriptor = try Files.openToRead(path) else { return false }
            defer { Descriptor.close(descriptor) }
            var head = ByteBuffer()
            let n = unsafe head.fill(5) { unsafe Descriptor.read(descriptor, into: $0) }
            return n == 5 && head.span.equals("REDIS")
        } catch {
            throw LoadError(text: "\(path): \(error)")
        }
    }

    var offset: Int { loader.offset }
    var keys: Int { loader.keys }
    var expired: Int { loader.expired }

    /// Reads on until the processor's counter is at `end`; true when everything is there.
    mutating func step(_ call: inout Call, until end: UInt64) throws(LoadError) -> Bool {
        do throws(RDBError) {
            if loader.offset == 0 { try loader.begin() }
            return try loader.step(&call, until: end)
        } catch {
            throw LoadError(text: "\(path) is damaged at byte \(error.offset): \(error.text)")
        }
    }
}

/// A file of commands that is being read.
struct CommandFile: ~Copyable {
    private var reader: AppendOnlyReader
    private let descriptor: Int32
    private let path: String
    private let start: Int

    /// Opens the file at `path`, whose commands begin at `offset`.
    init(_ path: String, from offset: Int) throws(LoadError) {
        let (descriptor, count) = try DataLoader.open(path, at: offset)
        self.path = path
        self.descriptor = descriptor
        start = offset
        reader = AppendOnlyReader(
            descriptor: descriptor, from: offset, count: max(count - offset, 0))
    }

    deinit { Descriptor.close(descriptor) }

    /// Bytes of commands that were read.
    var readBytes: Int { reader.offset - start }

    /// Runs commands until the processor's counter is at `end`; true when all have run.
    mutating func step(
        _ executor: inout Executor, _ replay: inout Replay, until end: UInt64, mayEndEarly: Bool
    ) throws(LoadError) -> Bool {
        do throws(AppendOnlyError) {
            while true {
                let range = try reader.next()
                if range.isEmpty { return true }
                let position = reader.offset - range.count
                guard executor.replay(reader.bytes(range), &replay) else {
                    throw AppendOnlyError(
                        kind: .damaged, offset: position, reason: "a command cannot be read")
                }
                if replay.firstFailure.hasPrefix("ERR unknown command") {
                    throw AppendOnlyError(
                        kind: .damaged, offset: position, reason: replay.firstFailure)
                }
                if cp_ticks() >= end { return false }
            }
        } catch {
            guard error.kind == .truncated, mayEndEarly else { throw failure(error) }
            try cut(at: error.offset, executor.call)
            return true
        }
    }

    private func failure(_ error: AppendOnlyError) -> LoadError {
        switch error.kind {
        case .truncated:
            LoadError(
                text:
                    "Unexpected end of file reading the append only file \(path): it is good up to "
                    + "byte \(error.offset). Make a copy, then cut it off there with "
                    + "'martlet check-aof --fix', or set aof-load-truncated to yes.")
        case .damaged:
            LoadError(
                text: "Bad file format reading the append only file \(path): \(error.reason), at "
                    + "byte \(error.offset). Make a copy, then look at it with 'martlet check-aof'."
            )
        case .unreadable:
            LoadError(text: "\(path): \(error.reason), at byte \(error.offset)")
        }
    }

    /// Takes away what is left of a command, or of a transaction, that a crash has cut short.
    private func cut(at offset: Int, _ call: borrowing Call) throws(LoadError) {
        call.log.warning("The end of the append-only file \(path) is missing.")
        do throws(SystemError) {
            let file = try Files.openToContinue(path)
            defer { Descriptor.close(file) }
            try Files.truncate(file, to: offset)
            try Files.synchronize(file)
        } catch {
            throw LoadError(text: "\(path) cannot be cut off at byte \(offset): \(error)")
        }
        call.log.warning(
            """
            AOF loaded anyway because aof-load-truncated is enabled: it was cut off at byte \(offset).
            """)
    }
}

/// Why data cannot be loaded.
package struct LoadError: Error, CustomStringConvertible {
    let text: String
    package var description: String { text }
}

extension Call {
    /// Whether an RDB file has to have the right checksum.
    fileprivate var checksChecksums: Bool { configuration.rdbChecksum && !skipsChecksums }

    /// Reads the RDB file at once, in place of all data or beside them.
    mutating func reload(flushes: Bool, replaces: Bool) throws(LoadError) {
        var options = RDBLoader.Options()
        options.hasChecksum = checksChecksums
        options.replaces = replaces
        var file = try RDBFile(path(configuration.databaseFilename), options, self)
        if flushes { for i in 0..<keyspace.count { flush(i, isLazy: false) } }
        while try !file.step(&self, until: .max) {}
        changedAll()
        propagateNothing()
        persistence.savedDirty = effects.dirty
    }
}

extension Executor {
    /// Reads the append-only file at once, in place of all data.
    mutating func reloadAppendOnlyFile() throws(LoadError) {
        defer { call.persistence.loading = nil }
        if let file = call.appendOnly {
            do throws(SystemError) {
                call.writeAppendOnlyFile()
                try file.finish()
            } catch {
                throw LoadError(text: "\(error)")
            }
        }
        var loader = try DataLoader.openAppendOnly(&call)
        let interest = call.interest
        call.interest.remove(.propagation)
        defer { call.interest = interest }
        for i in 0..<call.keyspace.count { call.flush(i, isLazy: false) }
        while try !loader.step(&self, until: .max) {}
        call.changedAll()
        call.persistence.savedDirty = call.effects.dirty
    }
}
