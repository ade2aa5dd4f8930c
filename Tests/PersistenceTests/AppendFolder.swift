//  AppendFolder.swift — the files of an append-only file: listed, read, copied, cut short.
import Platform
import TestSupport

enum AppendFolder {
    static let manifest = "appendonly.aof.manifest"

    /// The names of the files below `folder`, in order.
    static func names(_ folder: String, _ directory: String = "appendonlydir") -> [String] {
        FileSystem.paths(matching: "\(escaped("\(folder)/\(directory)"))/*").map {
            String($0.split(separator: "/").last ?? "")
        }
    }

    /// A path whose bytes mean themselves to `glob`.
    private static func escaped(_ path: String) -> String {
        path.map { "\\*?[".contains($0) ? "\\\($0)" : "\($0)" }.joined()
    }

    static func bytes(_ path: String) -> [UInt8] {
        (try? FileSystem.read(path, bytesMax: 1 << 30)) ?? []
    }

    static func text(_ path: String) -> String { String(decoding: bytes(path), as: UTF8.self) }

    /// Puts `bytes` in place of the file at `path`, and makes it.
    static func write(_ bytes: [UInt8], to path: String) throws {
        FileSystem.remove(path)
        try FileSystem.append(bytes, to: path)
    }

    static func write(_ text: String, to path: String) throws {
        try write(Array(text.utf8), to: path)
    }

    /// Cuts the file at `path` off, if it is longer.
    static func cut(_ path: String, at count: Int) throws {
        let all = bytes(path)
        if all.count > count { try write(Array(all[..<count]), to: path) }
    }

    /// A new folder with a copy of all files of `folder` that make up its append-only file.
    static func copy(_ folder: String) throws -> TemporaryDirectory {
        let other = try TemporaryDirectory()
        try Files.makeDirectory("\(other.path)/appendonlydir")
        for name in names(folder) {
            let bytes = bytes("\(folder)/appendonlydir/\(name)")
            try FileSystem.append(bytes, to: "\(other.path)/appendonlydir/\(name)")
        }
        return other
    }

    /// A new folder with an append-only file of one increment that holds `requests`.
    static func holding(_ requests: [UInt8], base: [UInt8]? = nil) throws -> TemporaryDirectory {
        let other = try TemporaryDirectory()
        let directory = "\(other.path)/appendonlydir"
        try Files.makeDirectory(directory)
        var text = "file appendonly.aof.1.incr.aof seq 1 type i\n"
        if let base {
            text = "file appendonly.aof.1.base.aof seq 1 type b\n" + text
            try write(base, to: "\(directory)/appendonly.aof.1.base.aof")
        }
        try write(requests, to: "\(directory)/appendonly.aof.1.incr.aof")
        try write(text, to: "\(directory)/\(manifest)")
        return other
    }
}

/// All that can be seen of the data: their digest, and every key of some databases.
struct Everything: Equatable {
    let digest: String
    let databases: [[String: String]]

    /// Of each key, to find one that differs in bytes that are no text.
    private var keyDigests: [[String: String]] = []

    static let databaseCount = 4

    static func == (a: Everything, b: Everything) -> Bool {
        a.digest == b.digest && a.databases == b.databases
    }

    init(_ server: DiskServer, fieldDeadlines: Bool = true) throws {
        var databases: [[String: String]] = []
        let client = try server.connect()
        client.patience = 60
        for i in 0..<Self.databaseCount {
            _ = try client("SELECT", "\(i)")
            let lines = try DataImage(client, fieldDeadlines: fieldDeadlines).lines
            databases.append(lines)
            let keys = lines.keys.sorted()
            if keys.isEmpty { keyDigests.append([:]); continue }
            let reply = try client.send(["DEBUG", "DIGEST-VALUE"] + keys)
            let pairs = zip(keys, reply.items.map(\.description))
            keyDigests.append([String: String](uniqueKeysWithValues: pairs))
        }
        self.databases = databases
        // After looking at every key, so that none is left that has expired.
        digest = try client("DEBUG", "DIGEST").text ?? ""
    }

    /// Keys that differ, a few of them.
    func differences(_ other: Everything) -> [String] {
        var texts: [String] = []
        for (i, (ours, theirs)) in zip(databases, other.databases).enumerated() {
            for key in Set(ours.keys).union(theirs.keys).sorted() where ours[key] != theirs[key] {
                // From a little before the place where they part.
                let both = [ours[key] ?? "missing", theirs[key] ?? "missing"]
                let same = zip(both[0], both[1]).prefix { $0 == $1 }.count
                let parts = both.map { $0.dropFirst(max(same - 100, 0)).prefix(300) }
                texts.append("\(i):\(key): \(parts[0]) | \(parts[1])")
            }
        }
        // Whole scores above 2^53 have other digits in Redis's digests than in its replies.
        let hasLargeScores = databases.contains { $0.values.contains { $0.contains("e+16") } }
        if texts.isEmpty, !hasLargeScores, digest != other.digest {
            var text = "digests \(digest) | \(other.digest)"
            for (i, (ours, theirs)) in zip(keyDigests, other.keyDigests).enumerated() {
                for key in ours.keys where ours[key] != theirs[key] {
                    text += ", \(i):\(key): \(databases[i][key] ?? "")"
                }
            }
            texts = [text]
        }
        return Array(texts.prefix(4))
    }
}
