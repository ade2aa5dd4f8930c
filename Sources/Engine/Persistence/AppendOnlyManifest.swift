//  AppendOnlyManifest.swift — which files an append-only file consists of.
//
//  A line for each file, in the format of Redis 7:
//
//      file appendonly.aof.2.base.rdb seq 2 type b
//      file appendonly.aof.3.incr.aof seq 3 type i
//
//  `b` is the base, at most one; `i` are increments, in ascending order of their numbers; `h` is
//  history, files that were replaced and may be deleted. A name with unusual characters is quoted.
//  The manifest is replaced whole, so there is the old one or the new one.
import Platform

struct AppendOnlyManifest: Equatable {
    enum Kind: String {
        case base = "b"
        case increment = "i"
        case history = "h"
    }

    struct File: Equatable {
        let name: String
        let number: Int64
        let kind: Kind
    }

    var base: File?
    var increments: [File] = []
    var history: [File] = []

    /// What is wrong with a manifest, and where.
    struct Failure: Error, Equatable {
        let line: Int
        let reason: String
    }

    init() {}

    /// Bytes that no manifest has more of.
    static var bytesMax: Int { 16 << 20 }
    private static var lineBytesMax: Int { 1024 }
    /// The largest number of a file that is read; the next ones always fit.
    private static var sequenceMax: Int64 { 1 << 62 }

    // MARK: - Text

    init(parsing bytes: [UInt8]) throws(Failure) {
        guard !bytes.isEmpty else { throw Failure(line: 1, reason: "Empty AOF manifest file") }
        let lines = bytes.split(separator: 10, omittingEmptySubsequences: false)
        var lastIncrement: Int64 = 0
        for (i, line) in lines.enumerated() {
            if line.isEmpty {
                guard i == lines.count - 1 else {
                    throw Failure(line: i + 1, reason: "Invalid AOF manifest file format")
                }
                break
            }
            guard line.count < Self.lineBytesMax else {
                throw Failure(line: i + 1, reason: "The AOF manifest file contains too long line")
            }
            if line.first == UInt8(ascii: "#") { continue }
            let file = try Self.file(Array(line), i + 1)
            switch file.kind {
            case .base:
                guard base == nil else {
                    throw Failure(line: i + 1, reason: "Found duplicate base file information")
                }
                base = file
            case .increment:
                guard file.number > lastIncrement else {
                    throw Failure(line: i + 1, reason: "Found a non-monotonic sequence number")
                }
                lastIncrement = file.number
                increments.append(file)
            case .history: history.append(file)
            }
        }
        // Else the end of the last line may be missing.
        guard bytes.last == 10 else {
            throw Failure(line: lines.count, reason: "Invalid AOF manifest file format")
        }
    }

    private static func file(_ line: [UInt8], _ number: Int) throws(Failure) -> File {
        let invalid = Failure(line: number, reason: "Invalid AOF manifest file format")
        guard let words = ArgumentSplitter.split(line.span), words.count >= 6,
            words.count % 2 == 0
        else { throw invalid }
        var name: String?, sequence: Int64?, kind: Kind?
        for i in stride(from: 0, to: words.count, by: 2) {
            let word = words[i + 1]
            let value = String(validating: word, as: UTF8.self)
            switch String(decoding: words[i], as: UTF8.self).lowercased() {
            case "file":
                guard let value, isFileName(value) else {
                    throw Failure(
                        line: number, reason: "File can't be a path, just a filename")
                }
                name = value
            case "seq": sequence = Numbers.integer(word.span)
            case "type": kind = value.flatMap(Kind.init(rawValue:))
            default: break
            }
        }
        guard let name, let sequence, 1...sequenceMax ~= sequence, let kind else {
            throw invalid
        }
        return File(name: name, number: sequence, kind: kind)
    }

    /// Whether `name` names a file in the directory itself.
    static func isFileName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && !name.utf8.contains { $0 == 47 || $0 == 0 }
    }

    var text: String {
        var text = ""
        for file in [base].compactMap(\.self) + history + increments {
            let name = Self.quoted(file.name)
            text += "file \(name) seq \(file.number) type \(file.kind.rawValue)\n"
        }
        return text
    }

    private static func quoted(_ name: String) -> String {
        let isPlain = name.utf8.allSatisfy {
            $0 > 32 && $0 < 127 && $0 != 34 && $0 != 39 && $0 != 92
        }
        if isPlain { return name }
        var text = "\""
        for byte in name.utf8 {
            switch byte {
            case 34, 92: text += "\\" + String(UnicodeScalar(byte))
            case 32..<127: text += String(UnicodeScalar(byte))
            default: text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return text + "\""
    }

    /// Whether it is the manifest of a single file called `name` that became a base; the file may
    /// not have been moved yet.
    func isUpgrade(of name: String) -> Bool { base?.name == name && increments.isEmpty }

    /// Files that were replaced and that nothing else names.
    var unused: [File] {
        let used = Set(([base].compactMap(\.self) + increments).map(\.name))
        return history.filter { !used.contains($0.name) }
    }

    // MARK: - Names

    /// The next base of the append-only file called `name`.
    func nextBase(_ name: String, isRDB: Bool) -> File {
        let latest = ([base].compactMap(\.self) + history).map(\.number).max() ?? 0
        let number = latest + 1
        return File(
            name: "\(name).\(number).base.\(isRDB ? "rdb" : "aof")", number: number, kind: .base)
    }

    /// The next increment.
    func nextIncrement(_ name: String) -> File {
        let latest = (increments + history).map(\.number).max() ?? 0
        let number = latest + 1
        return File(name: "\(name).\(number).incr.aof", number: number, kind: .increment)
    }

    /// Puts `base` and the increments from `first` on in place of all there was, which becomes
    /// history.
    mutating func replace(with base: File, incrementsFrom first: Int64) {
        let old = [self.base].compactMap(\.self) + increments.filter { $0.number < first }
        history += old.map { File(name: $0.name, number: $0.number, kind: .history) }
        self.base = base
        increments.removeAll { $0.number < first }
    }

    // MARK: - Files

    /// Reads the manifest at `path`; nil when there is none.
    static func read(_ path: String) throws(LoadError) -> AppendOnlyManifest? {
        guard Files.size(at: path) != nil else { return nil }
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try FileSystem.read(path, bytesMax: bytesMax)
        } catch {
            throw LoadError(text: "\(path): \(error)")
        }
        do throws(Failure) {
            return try AppendOnlyManifest(parsing: bytes)
        } catch {
            throw LoadError(text: "\(path), line \(error.line): \(error.reason)")
        }
    }

    /// Puts the manifest in place of the one in `directory`, on the disk when this returns.
    func write(_ name: String, in directory: String) throws(SystemError) {
        let path = "\(directory)/\(name)", draft = "\(directory)/temp-\(name)"
        let bytes = Array(text.utf8)
        do throws(SystemError) {
            try Self.writeDraft(draft, bytes)
            try Files.rename(draft, to: path)
            try Files.synchronizeDirectory(directory)
        } catch {
            FileSystem.remove(draft)
            throw error
        }
    }

    private static func writeDraft(_ path: String, _ bytes: [UInt8]) throws(SystemError) {
        let descriptor = try Files.create(path)
        defer { Descriptor.close(descriptor) }
        try Descriptor.writeAll(descriptor, bytes.span)
        try Files.synchronize(descriptor)
    }
}
