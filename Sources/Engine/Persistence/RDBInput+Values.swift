//  RDBInput+Values.swift — a value of any type, made of what a file or a DUMP says.

extension RDBInput {
    /// The value that comes next as a record of `heap` that no table knows of; nil for a
    /// collection without elements.
    ///
    /// - Parameters:
    ///   - type: How it is laid out.
    ///   - key: The record's key.
    ///   - deadline: The record's deadline in Unix milliseconds.
    ///   - shop: What builders need.
    ///   - heap: Where the record goes.
    /// - Returns: The record, which is the caller's.
    /// - Throws: An error after which nothing of the value is left.
    mutating func readValue(
        _ type: RDBType, key: Bytes, deadline: Int64?, _ shop: inout ValueWorkshop,
        _ heap: inout SlabAllocator
    ) throws(RDBError) -> Record? {
        switch type {
        case .string: return try readText(key, deadline, &heap)
        case .list, .listZiplist, .listOfZiplists, .listOfListpacks:
            return try readList(type, key, deadline, &shop, &heap)
        case .set, .integerSet, .setListpack: return try readSet(type, key, deadline, &shop, &heap)
        case .sortedSet, .sortedSetOfTexts, .sortedSetZiplist, .sortedSetListpack:
            return try readSortedSet(type, key, deadline, &shop, &heap)
        case .hash, .hashZipmap, .hashZiplist, .hashListpack, .hashWithDeadlines,
            .hashWithDeadlinesUnfinished, .hashListpackWithDeadlines,
            .hashListpackWithDeadlinesUnfinished:
            return try readHash(type, key, deadline, &shop, &heap)
        case .stream, .stream2, .stream3: return try readStream(type, key, deadline, &heap)
        case .module, .moduleUnfinished: throw failure("values of modules are not supported")
        }
    }

    private mutating func readText(
        _ key: Bytes, _ deadline: Int64?, _ heap: inout SlabAllocator
    ) throws(RDBError) -> Record {
        try readString()
        let text = text
        if text.count <= 20, text.count > 0, text[0] &- 45 < 13,
            let number = Numbers.integer(text)
        {
            let record = Record.make(
                &heap, .integer, key: key, valueCount: 8, deadline: deadline)
            record.integer = number
            return record
        }
        let record = Record.make(
            &heap, .string, key: key, valueCount: text.count, deadline: deadline)
        record.replace(text)
        return record
    }

    // MARK: - Lists

    private mutating func readList(
        _ type: RDBType, _ key: Bytes, _ deadline: Int64?, _ shop: inout ValueWorkshop,
        _ heap: inout SlabAllocator
    ) throws(RDBError) -> Record? {
        var builder = ListBuilder(&shop)
        do throws(RDBError) {
            try readElements(type, &builder, &shop, &heap)
        } catch {
            builder.free(&heap)
            throw error
        }
        return builder.record(key: key, deadline: deadline, &shop, &heap)
    }

    private mutating func readElements(
        _ type: RDBType, _ builder: inout ListBuilder, _ shop: inout ValueWorkshop,
        _ heap: inout SlabAllocator
    ) throws(RDBError) {
        let count = type == .listZiplist ? 1 : try elementCount()
        var run = ByteBuffer()
        for _ in 0..<count {
            var isPlain = type == .list
            if type == .listOfListpacks {
                let form = try length()
                guard form == 1 || form == 2 else { throw failure("unknown form of a list's node") }
                isPlain = form == 1
            }
            try readString()
            if isPlain {
                builder.add(text, &shop, &heap)
            } else if type == .listOfListpacks {
                guard let (range, count) = OldRuns.listpack(text) else { throw damaged("listpack") }
                builder.add(run: text.extracting(range), count: count, &shop, &heap)
            } else {
                run.removeAll()
                guard let count = OldRuns.ziplist(text, into: &run) else {
                    throw damaged("ziplist")
                }
                builder.add(run: run.span, count: count, &shop, &heap)
            }
        }
    }

    private func damaged(_ form: String) -> RDBError { failure("a \(form) is damaged") }

    // MARK: - Sets

    private mutating func readSet(
        _ type: RDBType, _ key: Bytes, _ deadline: Int64?, _ shop: inout ValueWorkshop,
        _ heap: inout SlabAllocator
    ) throws(RDBError) -> Record? {
        var run = Run()
        if type == .set { run.count = try elementCount() } else { try readMembers(type, &run) }
        if run.count == 0 { return nil }
        var builder = LoadedSetBuilder(count: run.count, &shop)
        do throws(RDBError) {
            if type == .set {
                for _ in 0..<run.count {
                    try readString()
                    guard builder.add(text, &shop, &heap) else { throw twice() }
                }
            } else {
                let packed = Packed(entries: run.entries.span)
                var at = packed.start
                while at < packed.end {
                    let member = packed.take(&at)
                    guard Self.add(member, to: &builder, &shop, &heap) else { throw twice() }
                }
            }
        } catch {
            builder.free(&heap)
            throw error
        }
        return builder.record(key: key, deadline: deadline, shop, &heap)
    }

    private func twice() -> RDBError { failure("an element comes twice") }

    private static func add(
        _ member: StringView, to builder: inout LoadedSetBuilder, _ shop: inout ValueWorkshop,
        _ heap: inout SlabAllocator
    ) -> Bool {
        if member.form == .bytes { return builder.add(member.bytes, &shop, &heap) }
        let digits = DecimalText(member.number)
        return builder.add(digits.bytes, &shop, &heap)
    }

    /// Entries that were one string in the file.
    private struct Run: ~Copyable {
        var entries = ByteBuffer()
        var count = 0
    }

    /// Reads a set of integers or a listpack.
    private mutating func readMembers(
        _ type: RDBType, _ run: inout Run
    ) throws(RDBError) {
        try readString()
        if type == .integerSet {
            guard OldRuns.isIntset(text) else { throw damaged("set of integers") }
            let width = Int(OldRuns.number(text, 0, 4))
            run.count = (text.count - 8) / width
            for i in 0..<run.count {
                run.entries.append(PackedEntry(OldRuns.member(i, width, text)))
            }
        } else {
            guard let (range, count) = OldRuns.listpack(text) else { throw damaged("listpack") }
            run.entries.append(text.extracting(range))
            run.count = count
        }
    }

    // MARK: - Sorted sets

    private mutating func readSortedSet(
        _ type: RDBType, _ key: Bytes, _ deadline: Int64?, _ shop: inout ValueWorkshop,
        _ heap: inout SlabAllocator
    ) throws(RDBError) -> Record? {
        if let whole = try readOrdered(type, key, deadline, &shop, &heap) { return whole }
        var builder = LoadedSortedSetBuilder(&shop)
        do throws(RDBError) {
            try readScores(type, &builder, &heap)
        } catch {
            builder.free(&heap)
            throw error
        }
        if builder.count == 0 {
            builder.free(&heap)
            return nil
        }
        return builder.record(key: key, deadline: deadline, &shop, &heap)
    }

    /// A listpack that may stay as it is; nil, and the string still in `text`, for any other.
    private mutating func readOrdered(
        _ type: RDBType, _ key: Bytes, _ deadline: Int64?, _ shop: inout ValueWorkshop,
        _ heap: inout SlabAllocator
    ) throws(RDBError) -> Record? {
        guard type == .sortedSetListpack || type == .sortedSetZiplist else { return nil }
        try readString()
        guard type == .sortedSetListpack else { return nil }
        guard let (range, count) = OldRuns.listpack(text) else { throw damaged("listpack") }
        guard count % 2 == 0 else { throw damaged("listpack") }
        guard count > 0, count / 2 <= min(shop.limits.sortedSet.count, NameSet.countMax) else {
            return nil
        }
        shop.begin()
        let run = Packed(entries: text.extracting(range))
        var at = run.start, first = 0, last = -Double.infinity
        while at < run.end {
            let before = first
            first = at
            let member = run.take(&at)
            guard let score = Self.score(run.take(&at)), member.count <= shop.limits.sortedSet.bytes
            else { return nil }
            // Members of one score are in the order of their bytes.
            let isBehind =
                before == first || last < score
                || last == score && Self.areInOrder(run[before], member)
            guard isBehind, shop.names.insert(Self.hash(member, shop.seed)) else { return nil }
            last = score
        }
        shop.entries.append(run.bytes)
        return shop.packedRecord(
            .packedSortedSet, key: key, deadline: deadline, count: count, &heap)
    }

    private static func hash(_ member: StringView, _ seed: HashSeed) -> UInt64 {
        if member.form == .bytes { return seed.hash(member.bytes) }
        let digits = DecimalText(member.number)
        return seed.hash(digits.bytes)
    }

    private static func areInOrder(_ a: StringView, _ b: StringView) -> Bool {
        if b.form == .bytes { return a.compare(b.bytes) < 0 }
        let digits = DecimalText(b.number)
        return a.compare(digits.bytes) < 0
    }

    private static func score(_ entry: StringView) -> Double? {
        if entry.form == .integer { return Double(entry.number) }
        guard let score = Numbers.double(entry.bytes), !score.isNaN else { return nil }
        return score
    }

    private mutating func readScores(
        _ type: RDBType, _ builder: inout LoadedSortedSetBuilder, _ heap: inout SlabAllocator
    ) throws(RDBError) {
        if type == .sortedSet || type == .sortedSetOfTexts {
            let count = try elementCount()
            var member = ByteBuffer()
            for _ in 0..<count {
                try readString(into: &member)
                let score = try type == .sortedSet ? double() : scoreText()
                if score.isNaN { throw failure("a score is not a number") }
                guard builder.add(member.span, score, &heap) else { throw twice() }
            }
            return
        }
        // `readOrdered` has read the string.
        var run = ByteBuffer()
        let count: Int
        if type == .sortedSetZiplist {
            guard let n = OldRuns.ziplist(text, into: &run) else { throw damaged("ziplist") }
            count = n
        } else {
            guard let (range, n) = OldRuns.listpack(text) else { throw damaged("listpack") }
            run.append(text.extracting(range))
            count = n
        }
        guard count % 2 == 0 else { throw failure("a member without a score") }
        let packed = Packed(entries: run.span)
        var at = packed.start
        while at < packed.end {
            let member = packed.take(&at).array
            guard let score = Self.score(packed.take(&at)) else {
                throw failure("a score is not a number")
            }
            guard builder.add(member.span, score, &heap) else { throw twice() }
        }
    }

    // MARK: - Hashes

    private mutating func readHash(
        _ type: RDBType, _ key: Bytes, _ deadline: Int64?, _ shop: inout ValueWorkshop,
        _ heap: inout SlabAllocator
    ) throws(RDBError) -> Record? {
        var base: Int64 = 0
        if type == .hashWithDeadlines || type == .hashListpackWithDeadlines {
            base = try milliseconds()
            guard base >= 0, base <= 1 << 48 else { throw failure("a deadline is out of range") }
        }
        switch type {
        case .hash, .hashWithDeadlines, .hashWithDeadlinesUnfinished:
            let count = try elementCount()
            if count == 0 { return nil }
            var builder = HashBuilder(count: count, hasDeadlines: type != .hash, &shop)
            do throws(RDBError) {
                try readFields(type, count, base, &builder, &shop, &heap)
            } catch {
                builder.free(&heap)
                throw error
            }
            return builder.record(key: key, deadline: deadline, shop, &heap)
        default: return try readPackedHash(type, key, deadline, &shop, &heap)
        }
    }

    private mutating func readFields(
        _ type: RDBType, _ count: Int, _ base: Int64, _ builder: inout HashBuilder,
        _ shop: inout ValueWorkshop, _ heap: inout SlabAllocator
    ) throws(RDBError) {
        var name = ByteBuffer()
        for _ in 0..<count {
            var fieldDeadline: Int64?
            if type != .hash {
                let n = try length()
                guard n <= 1 << 48 else { throw failure("a deadline is out of range") }
                if n > 0 {
                    fieldDeadline = type == .hashWithDeadlines ? base + Int64(n) - 1 : Int64(n)
                }
            }
            try readString(into: &name)
            try readString()
            guard builder.add(name.span, text, deadline: fieldDeadline, &shop, &heap) else {
                throw twice()
            }
        }
    }

    private mutating func readPackedHash(
        _ type: RDBType, _ key: Bytes, _ deadline: Int64?, _ shop: inout ValueWorkshop,
        _ heap: inout SlabAllocator
    ) throws(RDBError) -> Record? {
        try readString()
        var run = ByteBuffer()
        let entries: Int
        switch type {
        case .hashZipmap:
            guard let n = OldRuns.zipmap(text, into: &run) else { throw damaged("zipmap") }
            entries = n
        case .hashZiplist:
            guard let n = OldRuns.ziplist(text, into: &run) else { throw damaged("ziplist") }
            entries = n
        default:
            guard let (range, n) = OldRuns.listpack(text) else { throw damaged("listpack") }
            if type == .hashListpack, n > 0, n % 2 == 0,
                let whole = try readWhole(text.extracting(range), n, key, deadline, &shop, &heap)
            {
                return whole
            }
            run.append(text.extracting(range))
            entries = n
        }
        let hasDeadlines =
            type == .hashListpackWithDeadlines || type == .hashListpackWithDeadlinesUnfinished
        let stride = hasDeadlines ? 3 : 2
        guard entries % stride == 0 else { throw failure("a field without a value") }
        if entries == 0 { return nil }
        var builder = HashBuilder(
            count: entries / stride, hasDeadlines: hasDeadlines, &shop)
        do throws(RDBError) {
            try addFields(run, hasDeadlines, &builder, &shop, &heap)
        } catch {
            builder.free(&heap)
            throw error
        }
        return builder.record(key: key, deadline: deadline, shop, &heap)
    }

    /// Entries that may stay as they are; nil for others.
    private func readWhole(
        _ entries: Bytes, _ count: Int, _ key: Bytes, _ deadline: Int64?,
        _ shop: inout ValueWorkshop, _ heap: inout SlabAllocator
    ) throws(RDBError) -> Record? {
        guard count / 2 <= min(shop.limits.hashFields, NameSet.countMax) else { return nil }
        shop.begin()
        let run = Packed(entries: entries)
        var at = run.start
        while at < run.end {
            let name = run.take(&at)
            let value = run.take(&at)
            guard max(name.count, value.count) <= shop.limits.hashBytes else { return nil }
            guard shop.names.insert(Self.hash(name, shop.seed)) else { throw twice() }
        }
        shop.entries.append(entries)
        return shop.packedRecord(.packedHash, key: key, deadline: deadline, count: count, &heap)
    }

    private func addFields(
        _ run: borrowing ByteBuffer, _ hasDeadlines: Bool, _ builder: inout HashBuilder,
        _ shop: inout ValueWorkshop, _ heap: inout SlabAllocator
    ) throws(RDBError) {
        let packed = Packed(entries: run.span)
        var at = packed.start
        while at < packed.end {
            let name = packed.take(&at).array, value = packed.take(&at).array
            var fieldDeadline: Int64?
            if hasDeadlines {
                guard let time = packed.take(&at).integer, time >= 0, time <= 1 << 48 else {
                    throw failure("a deadline is out of range")
                }
                fieldDeadline = time > 0 ? time : nil
            }
            guard builder.add(name.span, value.span, deadline: fieldDeadline, &shop, &heap) else {
                throw twice()
            }
        }
    }
}
