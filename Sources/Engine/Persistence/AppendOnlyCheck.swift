//  AppendOnlyCheck.swift — an append-only file read from end to end and told of, as redis-check-aof
//  does, and cut off where it stops being good.
//
//  The reader is that of the loader. Nothing is run: what is checked is whether the files can be read.
import Platform

package struct AppendOnlyCheck {
    /// What to do beyond looking.
    package struct Options {
        /// Whether a file whose end is missing is cut off, when `agrees` says so.
        package var fixes = false
        /// Cut off what was done after this time, in Unix seconds.
        package var latestTime: Int64?

        package init() {}
    }

    private let options: Options
    private let say: (String) -> Void
    private let agrees: () -> Bool

    /// - Parameters:
    ///   - options: What to do beyond looking.
    ///   - say: Takes the text of the report.
    ///   - agrees: Asks whoever watches whether to go on.
    package init(
        _ options: Options, say: @escaping (String) -> Void, agrees: @escaping () -> Bool
    ) {
        self.options = options
        self.say = say
        self.agrees = agrees
    }

    /// Checks the file, or the files of the manifest, at `path`; whether a server would load them.
    package func run(_ path: String) -> Bool {
        guard Files.size(at: path) != nil else {
            say("Cannot open file \(path): No such file or directory\n")
            return false
        }
        if isManifest(path) { return checkAll(path) }
        say("Start checking Old-Style AOF\n")
        return check(path, path, kind: "AOF", isLast: true)
    }

    private func isManifest(_ path: String) -> Bool {
        guard let size = Files.size(at: path), size <= AppendOnlyManifest.bytesMax,
            let bytes = try? FileSystem.read(path, bytesMax: AppendOnlyManifest.bytesMax)
        else { return false }
        let line = bytes.split(separator: 10).first { $0.first != UInt8(ascii: "#") }
        return line?.starts(with: Array("file".utf8)) == true
    }

    private func checkAll(_ path: String) -> Bool {
        say("Start checking Multi Part AOF\n")
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let folder = parts.dropLast().map { $0 + "/" }.joined()
        let manifest: AppendOnlyManifest
        do throws(LoadError) {
            manifest = try AppendOnlyManifest.read(path) ?? AppendOnlyManifest()
        } catch {
            say("\(error)\n")
            return false
        }
        if let base = manifest.base {
            let isRDB = (try? RDBFile.isOne(folder + base.name)) ?? false
            say("Start to check BASE AOF (\(isRDB ? "RDB" : "AOF") format).\n")
            let isLast = manifest.increments.isEmpty
            guard check(folder + base.name, base.name, kind: "BASE AOF", isLast: isLast) else {
                return false
            }
        }
        if !manifest.increments.isEmpty { say("Start to check INCR files.\n") }
        for file in manifest.increments {
            let isLast = file == manifest.increments.last
            guard check(folder + file.name, file.name, kind: "INCR AOF", isLast: isLast) else {
                return false
            }
        }
        say("All AOF files and manifest are valid\n")
        return true
    }

    // MARK: - One file

    private func check(_ path: String, _ name: String, kind: String, isLast: Bool) -> Bool {
        guard let size = Files.size(at: path) else {
            say("Cannot open file \(path): No such file or directory\n")
            return false
        }
        var start = 0
        if (try? RDBFile.isOne(path)) == true {
            guard let end = RDBCheck.run(path, say: say) else {
                say("RDB preamble of AOF file is not sane, aborting.\n")
                return false
            }
            say("RDB preamble is OK, proceeding with AOF tail...\n")
            start = end
        }
        let findings: Findings
        do throws(SystemError) {
            findings = try read(path, from: start, size)
        } catch {
            say("Cannot open file \(path): \(error.reason)\n")
            return false
        }
        say(
            "AOF analyzed: filename=\(name), size=\(size), ok_up_to=\(findings.end), "
                + "ok_up_to_line=\(findings.lines + 1), diff=\(size - findings.end)\n")
        if findings.end == size {
            say("\(kind) \(name) is valid\n")
            return true
        }
        return cut(path, name, findings, size, isLast: isLast)
    }

    private struct Findings {
        /// Up to where the file is good, and how many lines that is.
        var end: Int
        var lines: Int
        /// Whether it goes on with what was done too late.
        var isCutByTime = false
    }

    private func read(
        _ path: String, from start: Int, _ size: Int
    ) throws(SystemError) -> Findings {
        guard let descriptor = try Files.openToRead(path) else {
            throw SystemError(operation: "open", code: 2)
        }
        defer { Descriptor.close(descriptor) }
        try Files.seek(descriptor, to: start)
        var reader = AppendOnlyReader(descriptor: descriptor, from: start, count: size - start)
        reader.latestTime = options.latestTime
        do throws(AppendOnlyError) {
            while try !reader.next().isEmpty {}
        } catch {
            let offset = String(error.offset, radix: 16)
            let padding = String(repeating: " ", count: max(16 - offset.count, 0))
            say("0x\(padding)\(offset): \(error.reason)\n")
        }
        return Findings(
            end: reader.validEnd, lines: reader.validLines, isCutByTime: reader.isPastLatestTime)
    }

    private func cut(
        _ path: String, _ name: String, _ findings: Findings, _ size: Int, isLast: Bool
    ) -> Bool {
        guard options.fixes || findings.isCutByTime else {
            say("AOF \(name) is not valid. Use the --fix option to try fixing it.\n")
            return false
        }
        guard isLast else {
            say("Failed to truncate AOF \(name) because it is not the last file\n")
            return false
        }
        let end = findings.end
        if findings.isCutByTime {
            say("Truncate nothing in front of the time, and \(size - end) bytes behind it\n")
        } else {
            say(
                "This will shrink the AOF \(name) from \(size) bytes, with \(size - end) bytes, to "
                    + "\(end) bytes\nContinue? [y/N]: ")
            guard agrees() else {
                say("Aborting...\n")
                return false
            }
        }
        do throws(SystemError) {
            let file = try Files.openToContinue(path)
            defer { Descriptor.close(file) }
            try Files.truncate(file, to: end)
            try Files.synchronize(file)
        } catch {
            say("Failed to truncate AOF \(name): \(error.reason)\n")
            return false
        }
        say("Successfully truncated AOF \(name)\n")
        return true
    }
}
