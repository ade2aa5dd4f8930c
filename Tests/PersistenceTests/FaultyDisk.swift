//  FaultyDisk.swift — a disk that fails when a test says so, for servers that tests start.
//
//  The library is made from Tests/Faults/faults.c, which tells how it works.
import Platform
import TestSupport

final class FaultyDisk {
    private static let folder = try? TemporaryDirectory()

    /// The path of the library; nil without a C compiler.
    static let library: String? = {
        guard let compiler = Programs.find("cc", "clang", "gcc"), let folder else { return nil }
        let path = folder.path + "/faults.so"
        let source = Programs.root + "/Tests/Faults/faults.c"
        let words = ["-shared", "-fPIC", "-O1", "-o", path, source, "-ldl"]
        guard let result = try? run(compiler, words), result.code == 0 else { return nil }
        return path
    }()

    private let folder: TemporaryDirectory
    private var control: String { folder.path + "/control" }
    private var synced: String { folder.path + "/synced" }

    init() throws {
        folder = try TemporaryDirectory()
        try set()
    }

    /// What a server has to have in its environment.
    var environment: [String] {
        ["LD_PRELOAD=\(Self.library ?? "")", "FAULTS=\(control)", "SYNCED=\(synced)"]
    }

    /// Puts faults in place of those there were; none without lines.
    func set(_ lines: String...) throws {
        try FileSystem.replace(
            control, with: Array(lines.map { $0 + "\n" }.joined().utf8))
    }

    /// Takes away from the files in `directory` what had not come to the disk.
    func losePower(_ directory: String) throws {
        var bytes: [String: Int] = [:]
        var begun: [String: String] = [:]
        for line in AppendFolder.text(synced).split(separator: "\n") {
            let parts = line.dropFirst(2)
            if line.hasPrefix("S "), let space = parts.firstIndex(of: " ") {
                bytes[String(parts[parts.index(after: space)...])] = Int(parts[..<space])
            } else if let tab = parts.firstIndex(of: "\t") {
                let old = String(parts[..<tab]), new = String(parts[parts.index(after: tab)...])
                begun[old] = line.hasPrefix("B ") ? new : nil
                if line.hasPrefix("R ") { bytes[new] = bytes.removeValue(forKey: old) }
            }
        }
        // The server died between renaming a file and saying so.
        for (old, new) in begun where Files.size(at: old) == nil {
            bytes[new] = bytes.removeValue(forKey: old)
        }
        for path in FileSystem.paths(matching: "\(directory)/*") where !Files.isDirectory(path) {
            try AppendFolder.cut(path, at: bytes[path] ?? 0)
        }
    }
}
