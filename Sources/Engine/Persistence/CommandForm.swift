//  CommandForm.swift — data as the commands that make them: the base of an append-only file for
//  those who want to read it (`aof-use-rdb-preamble no`).
//
//  A snapshot is always written as an RDB file. The helper thread then reads that file value by value
//  and writes what it finds as commands, so there is one way to take a snapshot and one form in which
//  it is drafted.
import Logging
import Platform

final class CommandForm {
    private let descriptor: Int32
    private var out = ByteBuffer()
    private var words = CommandWords()
    private var database = -1
    private(set) var count = 0
    private(set) var failure: SystemError?

    private static var flushBytes: Int { 1 << 20 }
    /// Elements that one command adds.
    private static var elementsAtOnce: Int { 64 }

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Writes what the RDB file at `source` holds as commands into a file at `target`.
    ///
    /// - Returns: Bytes of the file, which is on the disk then.
    static func translate(_ source: String, to target: String) throws(SystemError) -> Int {
        let descriptor = try Files.create(target)
        defer { Descriptor.close(descriptor) }
        let form = CommandForm(descriptor)
        try form.readAll(source)
        form.flush()
        if let failure = form.failure { throw failure }
        try Files.synchronize(descriptor)
        return form.count
    }

    private func readAll(_ source: String) throws(SystemError) {
        guard let input = try Files.openToRead(source) else {
            throw SystemError(operation: "open", code: 2)
        }
        defer { Descriptor.close(input) }
        let size = try Files.size(input)
        var executor = Executor(
            configuration: Configuration(), identity: ServerIdentity(configurationFile: ""),
            log: Logger(label: "rewrite") { _ in SwiftLogNoOpLogHandler() })
        var loader = RDBLoader(
            RDBInput(descriptor: input, count: size), RDBLoader.Options(), executor.call,
            form: self)
        do throws(RDBError) {
            try loader.begin()
            _ = try loader.step(&executor.call, until: .max)
        } catch {
            // Written a moment ago by this server: the disk does not hold what it was given.
            throw SystemError(operation: "read", code: 5)
        }
    }

    private func flush() {
        guard failure == nil else { return out.removeAll() }
        do throws(SystemError) {
            try Descriptor.writeAll(descriptor, out.span)
        } catch {
            failure = error
        }
        count += out.count
        out.removeAll()
    }

    // MARK: - Values

    /// Writes the commands that make a key of the database `index`.
    func append(_ record: Record, in index: Int) {
        switch record.kind.type {
        case .string: appendString(record, index)
        case .list: appendElements("RPUSH", record, index)
        case .set: appendElements("SADD", record, index)
        case .sortedSet: appendScored(record, index)
        case .hash: appendFields(record, index)
        case .stream: appendWhole(record, index)
        }
        if record.hasDeadline, record.kind.type != .string {
            write("PEXPIREAT", record.key, index) { $0.append(record.deadline) }
        }
        if out.count >= Self.flushBytes { flush() }
    }

    private func write(
        _ name: StaticString, _ key: Bytes, _ index: Int, _ body: (inout CommandWords) -> Void
    ) {
        words.begin(name)
        words.append(key)
        body(&words)
        words.write(to: &out, in: index, after: &database)
    }

    /// A stream has more to it than commands say: groups, and what they have read.
    private func appendWhole(_ record: Record, _ index: Int) {
        let payload = Dumps.payload(record, compresses: true)
        write("RESTORE", record.key, index) { words in
            words.append(0)
            words.append(payload.span)
        }
    }

    private func appendString(_ record: Record, _ index: Int) {
        write("SET", record.key, index) { words in
            if record.kind == .integer {
                words.append(record.integer)
            } else {
                words.append(record.bytes)
            }
            guard record.hasDeadline else { return }
            words.append("PXAT")
            words.append(record.deadline)
        }
    }

    /// Gathers words and writes a command whenever there are enough of them.
    private func gather(
        _ name: StaticString, _ record: Record, _ index: Int,
        _ walk: (_ add: (_ body: (inout CommandWords) -> Void) -> Void) -> Void
    ) {
        var elements = 0
        walk { body in
            if elements == 0 {
                words.begin(name)
                words.append(record.key)
            }
            body(&words)
            elements += 1
            guard elements == Self.elementsAtOnce else { return }
            words.write(to: &out, in: index, after: &database)
            elements = 0
        }
        if elements > 0 { words.write(to: &out, in: index, after: &database) }
    }

    private func appendElements(_ name: StaticString, _ record: Record, _ index: Int) {
        gather(name, record, index) { add in
            record.forEachMember { element in add { $0.append(element) } }
        }
    }

    private func appendScored(_ record: Record, _ index: Int) {
        gather("ZADD", record, index) { add in
            record.forEachScored(0..<record.sortedSetCount) { member, score in
                add { words in
                    words.append(copying: Array(Numbers.shortest(score).utf8))
                    words.append(member)
                }
            }
        }
    }

    private func appendFields(_ record: Record, _ index: Int) {
        guard record.kind == .hash else { return appendPackedFields(record, index) }
        gather("HSET", record, index) { add in
            record.hash.forEach { field in
                add { words in
                    words.append(field.key)
                    words.append(field.bytes)
                }
            }
        }
        record.hash.forEach { field in
            guard field.hasDeadline else { return }
            write("HPEXPIREAT", record.key, index) { words in
                words.append(field.deadline)
                words.append("FIELDS")
                words.append(1)
                words.append(field.key)
            }
        }
    }

    private func appendPackedFields(_ record: Record, _ index: Int) {
        let packed = Packed(record: record.bytes)
        gather("HSET", record, index) { add in
            var offset = packed.start
            while offset < packed.end {
                let name = offset, value = packed.next(name)
                add { words in
                    words.append(packed[name])
                    words.append(packed[value])
                }
                offset = packed.next(value)
            }
        }
    }
}
