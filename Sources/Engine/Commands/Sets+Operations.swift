//  Sets+Operations.swift — intersections, unions and differences.
//
//  Nothing is built that is only shown: an intersection probes, a union shows what no earlier set
//  has. Only results that are stored are made.

extension Sets {
    /// The sets that a command names, nil for those that do not exist.
    private static func sources(
        _ args: borrowing Arguments, _ range: Range<Int>, _ call: inout Call
    ) throws(CommandError) -> [Record?] {
        // Keys whose time has come go first: then nothing moves any more.
        for i in range { _ = try call.look(call.key(args[i]), as: .set) }
        var records: [Record?] = []
        for i in range { records.append(call.find(call.key(args[i]))?.record) }
        return records
    }

    // MARK: - Intersections

    static let SINTER = Command(
        "SINTER key [key ...]", [.readonly], keys: .reads, since: "1.0.0",
        complexity: "O(N*M) where N is the size of the smallest set and M the number of sets.",
        summary: "Returns the members that all of several sets have.",
        tips: ["nondeterministic_output_order"], run: sinter)

    @Sendable static func sinter(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let records = try sources(args, 1..<args.count, &call)
        let mark = reply.open()
        var count = 0
        intersect(records) {
            reply.string($0)
            count += 1
            return true
        }
        reply.close(set: mark, count: count)
    }

    static let SINTERSTORE = Command(
        "SINTERSTORE destination key [key ...]", [.write, .denyOOM], keys: .overwrites, .reads,
        since: "1.0.0",
        complexity: "O(N*M) where N is the size of the smallest set and M the number of sets.",
        summary: "Stores the members that all of several sets have.", run: sinterstore)

    @Sendable static func sinterstore(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let records = try sources(args, 2..<args.count, &call)
        let smallest = records.contains { $0 == nil } ? nil : sortedBySize(records).first
        var builder = call.makeSetBuilder(startsPacked: smallest?.kind != .integerSet)
        intersect(records) {
            _ = builder.add($0, &call.database.heap)
            return true
        }
        store(&builder, args, "sinterstore", looksForIntegers: true, &call, &reply)
    }

    static let SINTERCARD = Command(
        "SINTERCARD numkeys key [key ...] [LIMIT limit]", [.readonly], keys: .reads,
        since: "7.0.0",
        complexity: "O(N*M) where N is the size of the smallest set and M the number of sets.",
        summary: "Counts the members that all of several sets have.", run: sintercard)

    @Sendable static func sintercard(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        guard let numkeys = Numbers.integer(args[1]), numkeys > 0 else {
            throw call.failed("ERR numkeys should be greater than 0")
        }
        guard numkeys <= Int64(args.count - 2) else {
            throw call.failed("ERR Number of keys can't be greater than number of args")
        }
        let end = 2 + Int(numkeys)
        var limit = Int64.max
        var options = args.options(from: end)
        while let option = options.next() {
            guard case "LIMIT" = option, options.remaining > 0 else { throw .syntax }
            guard let value = Numbers.integer(args[try options.position()]), value >= 0 else {
                throw call.failed("ERR LIMIT can't be negative")
            }
            limit = value == 0 ? .max : value
        }
        let records = try sources(args, 2..<end, &call)
        var count: Int64 = 0
        intersect(records) { _ in
            count += 1
            return count < limit
        }
        reply.integer(count)
    }

    private static func sortedBySize(_ records: [Record?]) -> [Record] {
        records.compactMap { $0 }.sorted { $0.setCount < $1.setCount }
    }

    /// Calls `body` with the members that all of `records` have, until it returns false.
    private static func intersect(_ records: [Record?], _ body: (StringView) -> Bool) {
        guard !records.contains(where: { $0 == nil }) else { return }
        let sorted = sortedBySize(records)
        guard let first = sorted.first else { return }
        let others = sorted.dropFirst()
        guard let second = others.first, first.kind == .set, second.kind == .set else {
            return first.forEachSetMember { member in
                others.allSatisfy { $0.setContains(member) } ? body(member) : true
            }
        }
        first.set.forEach(lookingUpIn: second.set) { member, isThere in
            guard isThere else { return true }
            let view = StringView(member.key, number: 0, form: .bytes)
            return others.dropFirst().allSatisfy { $0.setContains(view) } ? body(view) : true
        }
    }

    // MARK: - Unions

    static let SUNION = Command(
        "SUNION key [key ...]", [.readonly], keys: .reads, since: "1.0.0",
        complexity: "O(N) where N is the number of members of all sets.",
        summary: "Returns the members that any of several sets has.",
        tips: ["nondeterministic_output_order"], run: sunion)

    @Sendable static func sunion(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let records = try sources(args, 1..<args.count, &call).compactMap { $0 }
        let mark = reply.open()
        var count = 0
        unite(records) {
            reply.string($0)
            count += 1
        }
        reply.close(set: mark, count: count)
    }

    static let SUNIONSTORE = Command(
        "SUNIONSTORE destination key [key ...]", [.write, .denyOOM], keys: .overwrites, .reads,
        since: "1.0.0",
        complexity: "O(N) where N is the number of members of all sets.",
        summary: "Stores the members that any of several sets has.", run: sunionstore)

    @Sendable static func sunionstore(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let records = try sources(args, 2..<args.count, &call)
        var builder = call.makeSetBuilder()
        for case .some(let record) in records {
            record.forEachSetMember {
                _ = builder.add($0, &call.database.heap)
                return true
            }
        }
        store(&builder, args, "sunionstore", looksForIntegers: false, &call, &reply)
    }

    /// Calls `body` with each member of any of `records` once.
    private static func unite(_ records: [Record], _ body: (StringView) -> Void) {
        // Largest first: what is in it is shown without a question.
        let sorted = sortedBySize(records).reversed()
        for (i, record) in sorted.enumerated() {
            let earlier = sorted.prefix(i)
            if let first = earlier.first, first.kind == .set, record.kind == .set {
                record.set.forEach(lookingUpIn: first.set) { member, isThere in
                    let view = StringView(member.key, number: 0, form: .bytes)
                    if !isThere, !earlier.dropFirst().contains(where: { $0.setContains(view) }) {
                        body(view)
                    }
                    return true
                }
                continue
            }
            record.forEachSetMember { member in
                if !earlier.contains(where: { $0.setContains(member) }) { body(member) }
                return true
            }
        }
    }

    // MARK: - Differences

    static let SDIFF = Command(
        "SDIFF key [key ...]", [.readonly], keys: .reads, since: "1.0.0",
        complexity: "O(N) where N is the number of members of all sets.",
        summary: "Returns the members of a set that none of several others has.",
        tips: ["nondeterministic_output_order"], run: sdiff)

    @Sendable static func sdiff(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let records = try sources(args, 1..<args.count, &call)
        let mark = reply.open()
        var count = 0
        subtract(records) {
            reply.string($0)
            count += 1
        }
        reply.close(set: mark, count: count)
    }

    static let SDIFFSTORE = Command(
        "SDIFFSTORE destination key [key ...]", [.write, .denyOOM], keys: .overwrites, .reads,
        since: "1.0.0",
        complexity: "O(N) where N is the number of members of all sets.",
        summary: "Stores the members of a set that none of several others has.", run: sdiffstore)

    @Sendable static func sdiffstore(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let records = try sources(args, 2..<args.count, &call)
        var builder = call.makeSetBuilder()
        if removesOneByOne(records) {
            // As Redis does it where that is cheaper, for the encoding that it leads to.
            records[0]?.forEachSetMember {
                _ = builder.add($0, &call.database.heap)
                return true
            }
            for case .some(let record) in records.dropFirst() where builder.count > 0 {
                record.forEachSetMember {
                    builder.remove($0, &call.database.heap)
                    return builder.count > 0
                }
            }
        } else {
            subtract(records) { _ = builder.add($0, &call.database.heap) }
        }
        store(&builder, args, "sdiffstore", looksForIntegers: false, &call, &reply)
    }

    /// Whether Redis would fill the result with the first set and take the others out.
    private static func removesOneByOne(_ records: [Record?]) -> Bool {
        guard let first = records.first ?? nil else { return false }
        // The same key twice leaves nothing.
        if records.dropFirst().contains(where: { $0?.identity == first.identity }) { return false }
        let probes = first.setCount * records.compactMap { $0 }.count / 2
        let steps = records.reduce(0) { $0 + ($1?.setCount ?? 0) }
        return probes > steps
    }

    /// Calls `body` with the members of the first record that no other has.
    private static func subtract(_ records: [Record?], _ body: (StringView) -> Void) {
        guard let first = records.first ?? nil else { return }
        let others = sortedBySize(Array(records.dropFirst())).reversed()
        if others.contains(where: { $0.identity == first.identity }) { return }
        if let largest = others.first, largest.kind == .set, first.kind == .set {
            return first.set.forEach(lookingUpIn: largest.set) { member, isThere in
                let view = StringView(member.key, number: 0, form: .bytes)
                if !isThere, !others.dropFirst().contains(where: { $0.setContains(view) }) {
                    body(view)
                }
                return true
            }
        }
        first.forEachSetMember { member in
            if !others.contains(where: { $0.setContains(member) }) { body(member) }
            return true
        }
    }

    // MARK: - Storing

    /// Puts a result under the key that word 1 names, or deletes it when there is no member.
    private static func store(
        _ builder: inout SetBuilder, _ args: borrowing Arguments, _ event: StaticString,
        looksForIntegers: Bool, _ call: inout Call, _ reply: inout Reply
    ) {
        let count = builder.count
        guard count > 0 else {
            builder.free(&call.database.heap)
            _ = call.remove(args.key)
            return reply.integer(0)
        }
        let place = call.find(args.key)
        call.overwritten(args.key, place?.record.kind.type, by: .set)
        call.store(&builder, args.key, place, looksForIntegers: looksForIntegers)
        if place == nil { call.created(args.key) }
        call.changed(args.key, .set, event)
        reply.integer(Int64(count))
    }
}
