//  Geo+Searching.swift — which members of a sorted set are in a circle or a box.
//
//  At most nine cells of a grid cover the area; each is a range of scores. Its members are decoded
//  and measured one by one.

/// Where the words of a search begin and what they may say.
private enum SearchKind {
    case radius(stores: Bool)
    case radiusByMember(stores: Bool)
    case search
    case searchAndStore

    var isSearch: Bool {
        switch self {
        case .search, .searchAndStore: true
        case .radius, .radiusByMember: false
        }
    }

    /// Word of the sorted set, and of the first option.
    var source: Int { if case .searchAndStore = self { 2 } else { 1 } }
    var options: Int {
        switch self {
        case .radius: 6
        case .radiusByMember: 5
        case .search: 2
        case .searchAndStore: 3
        }
    }

    var mayStore: Bool {
        switch self {
        case .radius(let stores), .radiusByMember(let stores): stores
        case .search, .searchAndStore: false
        }
    }
}

/// What a search asks for.
private struct GeoRequest {
    enum Order { case none, ascending, descending }

    var shape = GeoShape()
    private(set) var showsDistance = false
    private(set) var showsHash = false
    private(set) var showsPosition = false
    private(set) var order = Order.none
    /// Most members that are returned; 0 for all.
    private(set) var count: Int64 = 0
    private(set) var any = false
    /// The word that names the key for the result.
    private(set) var target: Int?
    private(set) var storesDistances = false

    init(
        _ args: borrowing Arguments, _ kind: SearchKind, _ source: Record?, _ call: inout Call
    ) throws(CommandError) {
        switch kind {
        case .radius:
            shape.center = try Geo.position(args, 2, &call)
            try readRadius(args, 4, &call)
        case .radiusByMember:
            if let source {
                shape.center = try Self.member(args[2], source, &call)
                try readRadius(args, 3, &call)
            }
        case .search: break
        case .searchAndStore: target = 1
        }
        var i = kind.options
        while i < args.count { i += try readOption(args, i, kind, source, &call) }
        try check(args, kind, &call)
    }

    /// Whether members are put in order: the nearest ones are wanted, not just any.
    var sorts: Bool { order != .none || count > 0 && !any }

    /// How many words an option takes.
    private mutating func readOption(
        _ args: borrowing Arguments, _ i: Int, _ kind: SearchKind, _ source: Record?,
        _ call: inout Call
    ) throws(CommandError) -> Int {
        let remaining = args.count - i - 1
        let word = Token(word: args.word(i))
        switch word {
        case "WITHDIST": showsDistance = true
        case "WITHHASH": showsHash = true
        case "WITHCOORD": showsPosition = true
        case "ANY": any = true
        case "ASC": order = .ascending
        case "DESC": order = .descending
        case "COUNT" where remaining >= 1:
            count = try args.integer(i + 1)
            guard count > 0 else { throw call.failed("ERR COUNT must be > 0") }
            return 2
        case "STORE" where kind.mayStore && remaining >= 1:
            target = i + 1
            storesDistances = false
            return 2
        case "STOREDIST" where kind.mayStore && remaining >= 1:
            target = i + 1
            storesDistances = true
            return 2
        default:
            guard kind.isSearch else { throw .syntax }
            return try readArea(args, i, word, source, &call)
        }
        return 1
    }

    /// The options of GEOSEARCH, of which two are no options.
    private mutating func readArea(
        _ args: borrowing Arguments, _ i: Int, _ word: Token, _ source: Record?,
        _ call: inout Call
    ) throws(CommandError) -> Int {
        let remaining = args.count - i - 1
        switch word {
        case "FROMMEMBER" where remaining >= 1 && !isFromPosition:
            if let source { shape.center = try Self.member(args[i + 1], source, &call) }
            isFromMember = true
            return 2
        case "FROMLONLAT" where remaining >= 2 && !isFromMember:
            shape.center = try Geo.position(args, i + 1, &call)
            isFromPosition = true
            return 3
        case "BYRADIUS" where remaining >= 2 && !isBox:
            try readRadius(args, i + 1, &call)
            isCircle = true
            return 3
        case "BYBOX" where remaining >= 3 && !isCircle:
            try readBox(args, i + 1, &call)
            isBox = true
            return 4
        case "STOREDIST" where target != nil: storesDistances = true
        default: throw .syntax
        }
        return 1
    }

    private var isFromMember = false
    private var isFromPosition = false
    private var isCircle = false
    private var isBox = false

    private mutating func readRadius(
        _ args: borrowing Arguments, _ i: Int, _ call: inout Call
    ) throws(CommandError) {
        guard let radius = Numbers.double(args[i]) else {
            throw call.failed("ERR need numeric radius")
        }
        guard radius >= 0 else { throw call.failed("ERR radius cannot be negative") }
        shape.unit = try Geo.unit(args, i + 1, &call)
        shape.form = .circle(radius: radius)
    }

    private mutating func readBox(
        _ args: borrowing Arguments, _ i: Int, _ call: inout Call
    ) throws(CommandError) {
        guard let width = Numbers.double(args[i]) else {
            throw call.failed("ERR need numeric width")
        }
        guard let height = Numbers.double(args[i + 1]) else {
            throw call.failed("ERR need numeric height")
        }
        guard width >= 0, height >= 0 else {
            throw call.failed("ERR height or width cannot be negative")
        }
        shape.unit = try Geo.unit(args, i + 2, &call)
        shape.form = .box(width: width, height: height)
    }

    /// The place of a member.
    private static func member(
        _ name: Bytes, _ source: Record, _ call: inout Call
    ) throws(CommandError) -> Position {
        guard let score = source.score(of: name) else {
            throw call.failed("ERR could not decode requested zset member")
        }
        return GeoCell(score: score).position
    }

    private func check(
        _ args: borrowing Arguments, _ kind: SearchKind, _ call: inout Call
    ) throws(CommandError) {
        if target != nil, showsDistance || showsHash || showsPosition {
            let who = kind.isSearch ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS"
            throw call.failed(
                """
                ERR \(who) is not compatible with WITHDIST, WITHHASH and WITHCOORD options
                """)
        }
        if kind.isSearch, !isFromMember, !isFromPosition {
            throw call.failed(
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ", args[0])
        }
        if kind.isSearch, !isCircle, !isBox {
            throw call.failed(
                "ERR exactly one of BYRADIUS and BYBOX can be specified for ", args[0])
        }
        if any, count == 0 {
            throw call.failed("ERR the ANY argument requires COUNT argument")
        }
    }
}

/// A member that was found.
private struct GeoMatch {
    let score: Double
    let position: Position
    /// Metres from the middle.
    let distance: Double
    /// The member's record, or where it is among the entries of a small sorted set.
    let record: Record?
    let offset: Int
}

/// The members in an area, found cell by cell.
private struct GeoWalk {
    private(set) var matches: [GeoMatch] = []
    private let filter: GeoFilter
    private let shape: GeoShape
    /// Matches after which the walk may end; 0 for none.
    private let limit: Int

    /// Members of a large sorted set that are looked at before asking whether there are enough.
    private static let stride = 64

    init(_ source: Record, _ shape: GeoShape, limit: Int) {
        self.shape = shape
        self.limit = limit
        filter = GeoFilter(shape)
        if source.kind == .packedSortedSet { walkPacked(source) } else { walk(source) }
    }

    private var isFull: Bool { limit > 0 && matches.count >= limit }

    private mutating func visit(_ score: Double, _ record: Record?, _ offset: Int) {
        let position = GeoCell(score: score).position
        guard !filter.excludes(position), let distance = shape.distance(to: position) else {
            return
        }
        matches.append(
            GeoMatch(
                score: score, position: position, distance: distance, record: record,
                offset: offset))
    }

    private mutating func walk(_ source: Record) {
        for cell in shape.cells where !isFull {
            let all = source.ranks(cell.scores)
            let step = limit > 0 ? Self.stride : max(all.count, 1)
            for start in Swift.stride(from: all.lowerBound, to: all.upperBound, by: step) {
                let ranks = start..<min(start + step, all.upperBound)
                source.sortedSet.forEach(ranks) { score, record in
                    if !isFull { visit(score, record, 0) }
                }
                if isFull { return }
            }
        }
    }

    private mutating func walkPacked(_ source: Record) {
        let packed = source.packed
        var entries: [(offset: Int, score: Double)] = []
        var at = packed.start
        while at < packed.end {
            let offset = at
            _ = packed.take(&at)
            let score = packed.take(&at)
            entries.append(
                (offset, score.form == .integer ? Double(score.number) : score.asDouble))
        }
        for cell in shape.cells {
            let range = cell.scores
            for entry in entries where entry.score >= range.lower && entry.score < range.upper {
                if isFull { return }
                visit(entry.score, nil, entry.offset)
            }
        }
    }
}

extension StringView {
    /// The number that a text is.
    fileprivate var asDouble: Double { Numbers.double(bytes) ?? 0 }
}

extension Geo {
    // MARK: - Answering

    private static func run(
        _ args: borrowing Arguments, _ kind: SearchKind, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        let source = try call.look(call.key(args[kind.source]), as: .sortedSet)?.record
        let request = try GeoRequest(args, kind, source, &call)
        guard let source else {
            guard let target = request.target else { return reply.array(0) }
            return store([], nil, request, call.key(args[target]), kind, &call, &reply)
        }
        let limit = request.any ? Int(clamping: request.count) : 0
        var matches = GeoWalk(source, request.shape, limit: limit).matches
        if request.sorts {
            if request.order == .descending {
                matches.sort { $0.distance > $1.distance }
            } else {
                matches.sort { $0.distance < $1.distance }
            }
        }
        if request.count > 0, request.count < matches.count {
            matches.removeLast(matches.count - Int(request.count))
        }
        if let target = request.target {
            return store(matches, source, request, call.key(args[target]), kind, &call, &reply)
        }
        answer(matches, source, request, &reply)
    }

    private static func answer(
        _ matches: [GeoMatch], _ source: Record, _ request: GeoRequest, _ reply: inout Reply
    ) {
        let options =
            (request.showsDistance ? 1 : 0) + (request.showsHash ? 1 : 0)
            + (request.showsPosition ? 1 : 0)
        reply.array(matches.count)
        for match in matches {
            if options > 0 { reply.array(options + 1) }
            if let record = match.record {
                reply.bulk(record.key)
            } else {
                reply.string(source.packed[match.offset])
            }
            if request.showsDistance { reply.distance(match.distance / request.shape.unit) }
            if request.showsHash {
                reply.integer(Int64(exactly: match.score.rounded(.towardZero)) ?? .min)
            }
            if request.showsPosition { reply.position(match.position) }
        }
    }

    private static func store(
        _ matches: [GeoMatch], _ source: Record?, _ request: GeoRequest, _ key: borrowing Key,
        _ kind: SearchKind, _ call: inout Call, _ reply: inout Reply
    ) {
        guard !matches.isEmpty, let source else {
            _ = call.remove(key)
            return reply.integer(0)
        }
        var builder = call.makeSortedSetBuilder()
        for match in matches {
            let score =
                request.storesDistances ? match.distance / request.shape.unit : match.score
            if let record = match.record {
                let name = StringView(record.key, number: 0, form: .bytes)
                builder.add(name, score, .max, &call.database.heap)
            } else {
                builder.add(source.packed[match.offset], score, .max, &call.database.heap)
            }
        }
        let place = call.find(key)
        call.overwritten(key, place?.record.kind.type, by: .sortedSet)
        call.store(builder, key, place)
        if place == nil { call.created(key) }
        call.effects.dirty &+= matches.count - 1
        call.changed(key, .sortedSet, kind.isSearch ? "geosearchstore" : "georadiusstore")
        reply.integer(Int64(matches.count))
    }

    // MARK: - Commands

    private static let complexity: StaticString = """
        O(N+log(M)) where N is the number of members in the cells around the area and M that of \
        the sorted set.
        """
    private static let capitals: Remark = ("7.0.0", "Units may be written in capitals.")
    private static let anyOption: Remark = ("6.2.0", "Option `ANY` of `COUNT`.")

    static let GEOSEARCH = Command(
        """
        GEOSEARCH key <FROMMEMBER member | FROMLONLAT longitude latitude> \
        <{BYRADIUS radius} <M | KM | FT | MI> | {BYBOX width} height <M | KM | FT | MI>> \
        [ASC | DESC] [{COUNT count} [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]
        """,
        [.readonly], keys: .reads, since: "6.2.0", complexity: complexity,
        summary: "Returns the members in a circle or a box.", history: [capitals],
        names: [
            "from", "fromlonlat", "by", "circle", "unit", "box", "unit", "order", "count-block",
        ],
        run: geosearch)

    @Sendable static func geosearch(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try run(args, .search, &call, &reply)
    }

    static let GEOSEARCHSTORE = Command(
        """
        GEOSEARCHSTORE destination source <FROMMEMBER member | FROMLONLAT longitude latitude> \
        <{BYRADIUS radius} <M | KM | FT | MI> | {BYBOX width} height <M | KM | FT | MI>> \
        [ASC | DESC] [{COUNT count} [ANY]] [STOREDIST]
        """,
        [.write, .denyOOM], keys: .overwrites, .reads, since: "6.2.0", complexity: complexity,
        summary: "Stores the members in a circle or a box.", history: [capitals],
        names: [
            "from", "fromlonlat", "by", "circle", "unit", "box", "unit", "order", "count-block",
        ],
        run: geosearchstore)

    @Sendable static func geosearchstore(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try run(args, .searchAndStore, &call, &reply)
    }

    static let GEORADIUS = Command(
        """
        GEORADIUS key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] \
        [WITHHASH] [{COUNT count} [ANY]] [ASC | DESC] \
        [STORE storekey=key | STOREDIST storedistkey=key]
        """,
        [.write, .denyOOM], keys: .reads, .overwrites, .overwrites, since: "3.2.0",
        complexity: complexity, summary: "Returns or stores the members in a circle.",
        deprecated: Deprecation(
            since: "6.2.0",
            replacedBy: "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"),
        history: [anyOption, capitals], names: ["unit", "count-block", "order", "store"],
        added: [("any", "6.2.0")], run: georadius)

    @Sendable static func georadius(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try run(args, .radius(stores: true), &call, &reply)
    }

    static let GEORADIUS_RO = Command(
        """
        GEORADIUS_RO key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] \
        [WITHHASH] [{COUNT count} [ANY]] [ASC | DESC]
        """,
        [.readonly], keys: .reads, since: "3.2.10", complexity: complexity,
        summary: "Returns the members in a circle.",
        deprecated: Deprecation(
            since: "6.2.0", replacedBy: "`GEOSEARCH` with the `BYRADIUS` argument"),
        history: [anyOption, capitals], names: ["unit", "count-block", "order"],
        added: [("any", "6.2.0")], run: georadiusReadOnly)

    @Sendable static func georadiusReadOnly(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try run(args, .radius(stores: false), &call, &reply)
    }

    static let GEORADIUSBYMEMBER = Command(
        """
        GEORADIUSBYMEMBER key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] \
        [WITHHASH] [{COUNT count} [ANY]] [ASC | DESC] \
        [STORE storekey=key | STOREDIST storedistkey=key]
        """,
        [.write, .denyOOM], keys: .reads, .overwrites, .overwrites, since: "3.2.0",
        complexity: complexity,
        summary: "Returns or stores the members in a circle around one of them.",
        deprecated: Deprecation(
            since: "6.2.0",
            replacedBy: """
                `GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments
                """),
        history: [anyOption, capitals], names: ["unit", "count-block", "order", "store"],
        run: georadiusbymember)

    @Sendable static func georadiusbymember(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try run(args, .radiusByMember(stores: true), &call, &reply)
    }

    static let GEORADIUSBYMEMBER_RO = Command(
        """
        GEORADIUSBYMEMBER_RO key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] \
        [WITHHASH] [{COUNT count} [ANY]] [ASC | DESC]
        """,
        [.readonly], keys: .reads, since: "3.2.10", complexity: complexity,
        summary: "Returns the members in a circle around one of them.",
        deprecated: Deprecation(
            since: "6.2.0",
            replacedBy: "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"),
        history: [anyOption, capitals], names: ["unit", "count-block", "order"],
        run: georadiusbymemberReadOnly)

    @Sendable static func georadiusbymemberReadOnly(
        _ args: borrowing Arguments, _ call: inout Call, _ reply: inout Reply
    ) throws(CommandError) {
        try run(args, .radiusByMember(stores: false), &call, &reply)
    }
}
