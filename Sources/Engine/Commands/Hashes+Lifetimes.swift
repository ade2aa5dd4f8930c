//  Hashes+Lifetimes.swift — hash commands that get or set fields together with their ends.

extension Hashes {
    private static let fieldsComplexity: StaticString =
        "O(N) where N is the number of fields that are named."

    // MARK: - Getting

    static let HGETDEL = Command(
        "HGETDEL key FIELDS numfields field [field ...]", [.write, .fast],
        keys: .readsAndDeletes, since: "8.0.0", complexity: fieldsComplexity,
        summary: "Returns the values of fields and removes them.", run: hgetdel)

    @Sendable static func hgetdel(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let place = try call.findHash(args.key)
        let first = try fields(args, from: 2, &call)
        reply.array(args.count &- first)
        var removed = 0
        var fates = FieldFates()
        for i in first..<args.count {
            guard let place, let value = call.fieldValue(args[i], place.record) else {
                reply.null()
                continue
            }
            reply.string(value)
            guard call.removeField(args[i], args.key, place) else { continue }
            removed &+= 1
            if call.isPropagating { fates.add(i, isRemoved: true) }
        }
        call.propagate(fates, of: args, .none)
        if let place, removed > 0 { call.toldRemoval(of: removed, args.key, place) }
    }

    static let HGETEX = Command(
        """
        HGETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
        PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...]
        """, [.write, .fast],
        keys: .readsAndUpdates, since: "8.0.0", complexity: fieldsComplexity,
        summary: "Returns the values of fields and changes when they expire.", run: hgetex)

    @Sendable static func hgetex(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let place = try call.findHash(args.key)
        var expiry = Expiry.keep
        var start = 2
        var options = args.options(from: 2)
        if let option = options.next() {
            if let unit = TimeUnit(option) {
                expiry = .at(try unit.fieldDeadline(args.integer(3), &call))
                start = 4
            } else if case "PERSIST" = option {
                expiry = .none
                start = 3
            }
        }
        let first = try fields(args, from: start, &call)
        reply.array(args.count &- first)
        guard let place else {
            for _ in first..<args.count { reply.null() }
            return
        }
        if expiry != .keep { call.makeVolatile(args.key, place) }
        var changed = 0, removed = 0
        var fates = FieldFates()
        for i in first..<args.count {
            guard let value = call.fieldValue(args[i], place.record) else {
                reply.null()
                continue
            }
            reply.string(value)
            switch expiry {
            case .keep: break
            case .at(let deadline) where deadline <= call.now:
                guard call.removeField(args[i], args.key, place) else { continue }
                removed &+= 1
                if call.isPropagating { fates.add(i, isRemoved: true) }
            case .at, .none:
                guard change(args[i], expiry, args.key, place, &call) else { continue }
                changed &+= 1
                if call.isPropagating { fates.add(i, isRemoved: false) }
            }
        }
        call.propagate(fates, of: args, expiry)
        if changed > 0 {
            call.toldDeadlines(of: changed, args.key, expiry == .none ? "hpersist" : "hexpire")
        }
        if removed > 0 { call.toldRemoval(of: removed, args.key, place) }
    }

    /// Gives a field its deadline or takes it away; false when there was none to take.
    private static func change(
        _ name: Bytes, _ expiry: Expiry, _ key: borrowing Key, _ place: HashTable.Place,
        _ call: inout Call
    ) -> Bool {
        let record = place.record
        guard let field = call.findField(record.hash.key(name), record) else { return false }
        if case .at(let deadline) = expiry {
            call.setFieldDeadline(field, deadline, key, record)
            return true
        }
        guard field.record.hasDeadline else { return false }
        call.setFieldDeadline(field, nil, key, record)
        return true
    }

    /// The fields and values from word `first` on, which end at an absolute time.
    private static func propagate(
        _ args: borrowing Arguments, from first: Int, endingAt deadline: Int64, _ call: inout Call
    ) {
        call.propagate("HSETEX") { words in
            words.append(args.key.bytes)
            words.append("PXAT")
            words.append(deadline)
            words.append("FIELDS")
            words.append(Int64((args.count &- first) / 2))
            for i in first..<args.count { words.append(args[i]) }
        }
    }

    // MARK: - Setting

    static let HSETEX = Command(
        """
        HSETEX key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
        PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields field value [field value ...]
        """, [.write, .denyOOM, .fast],
        keys: .updates, since: "8.0.0", complexity: fieldsComplexity,
        summary: "Sets fields of a hash and when they expire.", names: ["condition"], run: hsetex)

    /// What HSETEX asks for.
    private struct SetRequest {
        /// Nil: in any case; else whether all fields have to exist, or none of them.
        var mustExist: Bool?
        var expiry: Expiry?
        /// Position of the first field.
        var first = 0

        init(_ args: borrowing Arguments, _ call: inout Call) throws(CommandError) {
            var options = args.options(from: 2)
            while let option = options.next() {
                switch option {
                case "FIELDS":
                    first = options.index &+ 1
                    try Self.check(args, options.index, &call)
                    return
                case "FNX", "FXX":
                    guard mustExist == nil else {
                        throw call.failed(
                            "ERR Only one of FXX or FNX arguments can be specified")
                    }
                    if case "FXX" = option { mustExist = true } else { mustExist = false }
                default: try readExpiry(option, &options, args, &call)
                }
            }
            throw .wrongArity
        }

        private mutating func readExpiry(
            _ option: Token, _ options: inout Options, _ args: borrowing Arguments,
            _ call: inout Call
        ) throws(CommandError) {
            let unit = TimeUnit(option)
            var isKeep = false
            if case "KEEPTTL" = option { isKeep = true }
            guard isKeep || unit != nil else {
                throw call.failed("ERR unknown argument: ", args[options.index &- 1])
            }
            guard expiry == nil else {
                throw call.failed(
                    "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified")
            }
            expiry = .keep
            guard let unit else { return }
            guard options.remaining > 0 else { throw .wrongArity }
            expiry = .at(try unit.fieldDeadline(options.integer(), &call))
        }

        /// The number of fields at `i`, and as many pairs up to the end.
        private static func check(
            _ args: borrowing Arguments, _ i: Int, _ call: inout Call
        ) throws(CommandError) {
            guard i &+ 2 < args.count else { throw .wrongArity }
            guard let count = Numbers.integer(args[i]), count > 0, count <= Int32.max else {
                throw call.failed("ERR invalid number of fields")
            }
            guard count * 2 == Int64(args.count &- i &- 1) else { throw .wrongArity }
        }
    }

    @Sendable static func hsetex(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let request = try SetRequest(args, &call)
        let first = request.first, expiry = request.expiry ?? .none
        let place = try call.findHash(args.key)
        if let mustExist = request.mustExist {
            if place == nil, mustExist { return reply.integer(0) }
            for i in stride(from: first, to: args.count, by: 2) {
                guard let place else { break }
                let exists = call.fieldDeadline(args[i], place.record) != nil
                if exists != mustExist { return reply.integer(0) }
            }
        }
        let home = place ?? call.makeHash(args.key, for: args, from: first)
        call.growHash(args.key, home, for: args, from: first)
        if case .at = expiry { call.makeVolatile(args.key, home) }
        for i in stride(from: first, to: args.count, by: 2) {
            call.setField(args[i], to: args[i &+ 1], expiry, args.key, home)
        }
        if place == nil { call.created(args.key) }
        let count = (args.count &- first) / 2
        call.effects.dirty &+= count &- 1
        call.changed(args.key, .hash, "hset")
        reply.integer(1)
        guard case .at(let deadline) = expiry else { return }
        guard deadline <= call.now else {
            propagate(args, from: first, endingAt: deadline, &call)
            return call.noted(args.key, .hash, "hexpire")
        }
        // They end before they began.
        call.propagate("HDEL") { words in
            words.append(args.key.bytes)
            for i in stride(from: first, to: args.count, by: 2) { words.append(args[i]) }
        }
        for i in stride(from: first, to: args.count, by: 2) {
            call.dropField(args[i], args.key, home)
        }
        call.noted(args.key, .hash, "hdel")
        call.removeIfEmpty(args.key, home)
    }
}
