//  RDBCheck.swift — an RDB file read from end to end and told of, as redis-check-rdb does.
//
//  The loader itself reads it, so what passes here is what a server would load. Values are made in a
//  heap of their own and dropped one by one: a file may be larger than the memory.
import Logging
import Platform

/// What the loader tells of a file that is only looked at.
package final class RDBCheck {
    var keys = 0
    var volatileKeys = 0
    var expiredKeys = 0
    /// Hashes that have fields with deadlines.
    var volatileHashes = 0
    /// Where the loader is.
    var stage = Stage.start
    var type: RDBType?
    private let say: (String) -> Void

    /// What was being done when a file turned out to be damaged.
    enum Stage: String {
        case start
        case type = "read-type"
        case key = "read-key"
        case value = "read-object-value"
        case checksum = "check-sum"
    }

    init(_ say: @escaping (String) -> Void) { self.say = say }

    func tell(_ offset: Int, _ text: String) { say("[offset \(offset)] \(text)\n") }

    /// A key was read whole, and is about to be dropped.
    func note(_ record: Record, now: Int64) {
        keys += 1
        if record.hasDeadline {
            volatileKeys += 1
            if record.deadline <= now { expiredKeys += 1 }
        }
        if record.kind == .hash, record.hash.volatileCount > 0 { volatileHashes += 1 }
        stage = .type
        type = nil
    }

    fileprivate func tell(_ error: RDBError, key: String) {
        say("--- RDB ERROR DETECTED ---\n")
        tell(error.offset, error.text)
        say("[additional info] While doing: \(stage.rawValue)\n")
        if stage == .value { say("[additional info] Reading key '\(key)'\n") }
        if let type { say("[additional info] Reading type \(type.rawValue) (\(type.name))\n") }
    }

    fileprivate func tellCounts() {
        say("[info] \(keys) keys read\n")
        say("[info] \(volatileKeys) expires\n")
        say("[info] \(expiredKeys) already expired\n")
        say("[info] \(volatileHashes) subexpires\n")
    }

    /// Reads the RDB file at `path`, behind which there may be more, and tells of it through `say`.
    ///
    /// - Returns: Its bytes; nil when no server would load it.
    package static func run(
        _ path: String, say: @escaping (String) -> Void
    ) -> Int? {
        let check = RDBCheck(say)
        check.tell(0, "Checking RDB file \(path)")
        do throws(SystemError) {
            guard let descriptor = try Files.openToRead(path) else {
                say("Cannot open the file: there is none\n")
                return nil
            }
            defer { Descriptor.close(descriptor) }
            let count = try Files.size(descriptor)
            return check.read(RDBInput(descriptor: descriptor, count: count))
        } catch {
            say("Cannot open the file: \(error)\n")
            return nil
        }
    }

    private func read(_ input: consuming RDBInput) -> Int? {
        var executor = Executor(
            configuration: Configuration(), identity: ServerIdentity(configurationFile: ""),
            log: Logger(label: "check-rdb") { _ in SwiftLogNoOpLogHandler() })
        var loader = RDBLoader(input, RDBLoader.Options(), executor.call, check: self)
        do throws(RDBError) {
            try loader.begin()
            _ = try loader.step(&executor.call, until: .max)
        } catch {
            tell(error, key: loader.lastKey)
            tellCounts()
            return nil
        }
        tell(loader.offset, "\\o/ RDB looks OK! \\o/")
        tellCounts()
        return loader.offset
    }
}
