//  Geo.swift — sorted sets whose scores are places: adding them, showing them, distances.
import Platform

enum Geo {
    static let family = Family(
        group: .geo,
        commands: [
            GEOADD, GEODIST, GEOHASH, GEOPOS, GEORADIUS, GEORADIUS_RO, GEORADIUSBYMEMBER,
            GEORADIUSBYMEMBER_RO, GEOSEARCH, GEOSEARCHSTORE,
        ])

    // MARK: - Reading words

    /// The place that words `i` and `i + 1` name.
    static func position(
        _ args: borrowing Arguments, _ i: Int, _ call: inout Call
    ) throws(CommandError) -> Position {
        guard let longitude = Numbers.double(args[i]), let latitude = Numbers.double(args[i + 1])
        else { throw .notAFloat }
        let position = Position(longitude: longitude, latitude: latitude)
        guard position.isValid else {
            let pair = "\(Decimals.fixed(longitude)),\(Decimals.fixed(latitude))"
            throw call.failed("ERR invalid longitude,latitude pair \(pair)")
        }
        return position
    }

    /// Metres in the unit that word `i` names.
    static func unit(
        _ args: borrowing Arguments, _ i: Int, _ call: inout Call
    ) throws(CommandError) -> Double {
        switch Token(word: args.word(i)) {
        case "M": return 1
        case "KM": return 1000
        case "FT": return 0.3048
        case "MI": return 1609.34
        default:
            throw call.failed("ERR unsupported unit provided. please use M, KM, FT, MI")
        }
    }

    // MARK: - Adding

    static let GEOADD = Command(
        """
        GEOADD key [NX | XX] [change=CH] longitude latitude member \
        [longitude latitude member ...]
        """,
        [.write, .denyOOM], keys: .updates, since: "3.2.0",
        complexity: "O(log(N)) for each member, where N is the size of the sorted set.",
        summary: "Adds places to a sorted set, or moves them.",
        history: [("6.2.0", "Options `CH`, `NX` and `XX`.")], names: ["condition", "data"],
        added: [("condition", "6.2.0"), ("change", "6.2.0")], run: geoadd)

    @Sendable static func geoadd(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        var options: ScoreOptions = []
        var showsChanges = false
        var first = 2
        reading: while first < args.count {
            switch Token(word: args.word(first)) {
            case "NX": options.insert(.onlyNew)
            case "XX": options.insert(.onlyOld)
            case "CH": showsChanges = true
            default: break reading
            }
            first += 1
        }
        let words = args.count - first
        guard words > 0, words % 3 == 0, options != [.onlyNew, .onlyOld] else { throw .syntax }
        // All places are read before anything changes.
        var scores: [Double] = []
        scores.reserveCapacity(words / 3)
        var longest = 0
        for i in stride(from: first, to: args.count, by: 3) {
            let cell = GeoCell(try position(args, i, &call), steps: GeoCell.stepsMax)
            scores.append(cell.score)
            longest = max(longest, args[i + 2].count)
        }
        let old = try call.find(args.key, as: .sortedSet)
        if old == nil, options.contains(.onlyOld) { return reply.integer(0) }
        let place = call.growSortedSet(args.key, old, by: scores.count, longest)
        var added = 0, updated = 0
        for i in scores.indices {
            switch call.setScore(args[first + i * 3 + 2], &scores[i], options, args.key, place) {
            case .added: added += 1
            case .updated: updated += 1
            case .unchanged, .refused, .notANumber: break
            }
        }
        if old == nil { call.created(args.key) }
        if added + updated > 0 {
            call.effects.dirty &+= added + updated - 1
            call.changed(args.key, .sortedSet, "zadd")
        }
        reply.integer(Int64(showsChanges ? added + updated : added))
    }

    // MARK: - Showing

    private static let alphabet = Array("0123456789bcdefghjkmnpqrstuvwxyz".utf8)

    static let GEOHASH = Command(
        "GEOHASH key [member [member ...]]", [.readonly], keys: .reads, since: "3.2.0",
        complexity: "O(1) for each member.",
        summary: "Returns places as geohashes of eleven letters.", run: geohash)

    @Sendable static func geohash(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let record = try call.look(args.key, as: .sortedSet)?.record
        reply.array(args.count - 2)
        for i in 2..<args.count {
            guard let score = record?.score(of: args[i]) else {
                reply.null()
                continue
            }
            // Others halve all latitudes, up to the poles.
            let cell = GeoCell(
                GeoCell(score: score).position, steps: GeoCell.stepsMax, latitudeMax: 90)
            var text = InlineArray<11, UInt8>(repeating: alphabet[0])
            // The last letter would need bits that there are not.
            for k in 0..<10 {
                text[k] = alphabet[Int(cell.aligned >> UInt64(52 - (k + 1) * 5) & 31)]
            }
            reply.bulk(text.span)
        }
    }

    static let GEOPOS = Command(
        "GEOPOS key [member [member ...]]", [.readonly], keys: .reads, since: "3.2.0",
        complexity: "O(1) for each member.",
        summary: "Returns the longitude and the latitude of places.", run: geopos)

    @Sendable static func geopos(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let record = try call.look(args.key, as: .sortedSet)?.record
        reply.array(args.count - 2)
        for i in 2..<args.count {
            guard let score = record?.score(of: args[i]) else {
                reply.nullArray()
                continue
            }
            reply.position(GeoCell(score: score).position)
        }
    }

    static let GEODIST = Command(
        "GEODIST key member1 member2 [M | KM | FT | MI]", [.readonly], keys: .reads,
        since: "3.2.0", complexity: "O(1)",
        summary: "Returns the distance between two places.", names: ["unit"], run: geodist)

    @Sendable static func geodist(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let unit = args.count == 5 ? try unit(args, 4, &call) : 1
        guard args.count <= 5 else { throw .syntax }
        guard let record = try call.look(args.key, as: .sortedSet)?.record,
            let from = record.score(of: args[2]), let to = record.score(of: args[3])
        else { return reply.null() }
        let distance = GeoCell(score: from).position.distance(to: GeoCell(score: to).position)
        reply.distance(distance / unit)
    }
}

extension Reply {
    /// Longitude and latitude.
    mutating func position(_ position: Position) {
        array(2)
        double(position.longitude)
        double(position.latitude)
    }

    /// A distance with four decimals.
    mutating func distance(_ distance: Double) {
        let scaled = (distance * 10_000).rounded(.toNearestOrEven)
        // Between opposite ends of the earth it may be no number; this is what that is there.
        let value = Int64(exactly: scaled) ?? .min
        var digits = InlineArray<24, UInt8>(repeating: 0)
        var i = 24
        func put(_ byte: UInt8) {
            i -= 1
            digits[i] = byte
        }
        var rest = value.magnitude
        for _ in 0..<4 {
            put(UInt8(truncatingIfNeeded: rest % 10) + 48)
            rest /= 10
        }
        put(UInt8(ascii: "."))
        repeat {
            put(UInt8(truncatingIfNeeded: rest % 10) + 48)
            rest /= 10
        } while rest > 0
        if value < 0 { put(UInt8(ascii: "-")) }
        bulk(digits.span.extracting(i..<24))
    }
}
