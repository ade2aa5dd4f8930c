//  GeoDifferentialTests.swift — places here and on a real server: crowded ones, places all over the
//  earth, places at the poles and at the date line.
import TestSupport
import Testing

@Suite("Places in step", .enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
struct GeoDifferentialTests {
    private static let length = 150
    private static let keys = ["a", "b", "c"]

    private enum Region: CaseIterable { case crowded, everywhere, poles, dateLine }

    @Test(arguments: [2, 3])
    func `random requests are answered alike`(version: Int) throws {
        var lockstep = try Lockstep(version: version)
        lockstep.looks = (Self.keys + ["d"]).map { ["ZRANGE", $0, "0", "-1", "WITHSCORES"] }
        lockstep.agrees = { Self.isSame($0.value, $1.value) }
        for seed in 0..<UInt64(Lockstep.sequences(of: Self.length, steps: 3600)) {
            let region = Region.allCases[Int(seed) % Region.allCases.count]
            let isSound = try lockstep.run(Lockstep.seed + seed, length: Self.length) { random in
                Lockstep.words(Self.request(region, &random))
            }
            guard isSound else { return }
        }
    }

    /// Whether numbers are the same although there they have more digits than it takes.
    private static func isSame(_ ours: RESPValue, _ theirs: RESPValue) -> Bool {
        if ours == theirs { return true }
        let a = ours.items, b = theirs.items
        if !a.isEmpty { return a.count == b.count && zip(a, b).allSatisfy(isSame) }
        func number(_ value: RESPValue) -> Double? {
            if case .double(let text) = value { return Double(text) }
            guard let text = value.text, text.count > 14 else { return nil }
            return Double(text)
        }
        guard let x = number(ours), let y = number(theirs) else { return false }
        return x == y
    }

    @Test(arguments: [2, 3])
    func `extreme arguments are answered as by a real server`(version: Int) throws {
        let lockstep = try Lockstep(version: version)
        try lockstep.check([
            "GEOADD g 180 85.05112878 a -180 -85.05112878 b 0 0 c 1e-20 -1e-20 d",
            "GEOADD g 181 0 x", "GEOADD g 0 85.0511288 x", "GEOADD g inf 0 x",
            "GEOADD g 1e300 -1e300 x", "GEOADD g nan 0 x", "GEOADD g x 0 x", "GEOADD g 0 0",
            "GEOADD g NX XX 0 0 x", "GEOADD g CH CH CH", "GEOADD g CH 1 1 c", "GEOADD g NX 2 2 c",
            "GEOADD g XX 2 2 new", "GEOADD g XX CH 2 2 c 3 3 new", "GEOADD none XX 1 1 a",
            "ZRANGE g 0 -1 WITHSCORES", "GEOPOS g a b c d none", "GEOHASH g a b c d none",
            "GEOPOS none a", "GEOHASH none a", "GEOPOS g", "GEOHASH g", "GEODIST g a b",
            "GEODIST g a c FT", "GEODIST g a c x", "GEODIST g a c m m", "GEODIST g a none",
            "GEODIST none a b", "ZADD g -1 neg inf inf -inf -inf 1e300 big 1.5 frac",
            "GEOPOS g neg inf -inf big frac", "GEOHASH g neg inf -inf big frac",
            "GEOSEARCH g FROMMEMBER neg BYRADIUS 100000 km WITHHASH ASC",
            "GEOSEARCH g FROMMEMBER inf BYBOX 50000 50000 km WITHHASH WITHDIST WITHCOORD",
            "GEOSEARCH g FROMLONLAT 0 0", "GEOSEARCH g BYRADIUS 1 m", "GEOSEARCH g x y z 1 2",
            "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 m ANY",
            "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS x m",
            "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS -1 m", "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 x",
            "GEOSEARCH g FROMLONLAT 0 0 BYBOX 1 -1 m", "GEOSEARCH g FROMLONLAT 0 0 BYBOX 1 x m",
            "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 m COUNT 0",
            "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 m COUNT x",
            "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 m BYBOX 1 1 m",
            "GEOSEARCH g FROMLONLAT 0 0 FROMMEMBER a BYRADIUS 1 m",
            "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS inf m ASC",
            "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1e308 mi ASC WITHDIST",
            "GEOSEARCH g FROMLONLAT 180 85 BYRADIUS 500 km ASC WITHDIST",
            "GEOSEARCH g FROMLONLAT -180 -85 BYBOX 500 500 km ASC WITHDIST",
            "GEOSEARCH g FROMMEMBER none BYRADIUS 1 m", "GEOSEARCH none FROMMEMBER x BYRADIUS 1 m",
            "GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 1 m WITHDIST",
            "GEOSEARCHSTORE d none FROMMEMBER x BYRADIUS 1 m", "SET d x",
            "GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 500 km STOREDIST", "TYPE d",
            "GEOSEARCHSTORE d g FROMLONLAT 100 50 BYRADIUS 1 m", "EXISTS d",
            "GEORADIUS g 0 0 500 km STORE d WITHDIST", "GEORADIUS g 0 0 500 km STORE d", "TYPE d",
            "GEORADIUS g 0 0 500 km STOREDIST g", "ZCARD g",
            "GEORADIUS_RO g 0 0 500 km STORE d", "GEORADIUSBYMEMBER none x y z", "SET s x",
            "GEORADIUSBYMEMBER none x y z STORE s", "EXISTS s", "GEORADIUSBYMEMBER g none 1 m",
            "GEORADIUSBYMEMBER_RO d a 1 m STOREDIST x", "SET s x", "GEOADD s 0 0 a", "GEOPOS s a",
            "GEOSEARCH s FROMLONLAT 0 0 BYRADIUS 1 m", "GEORADIUS s 0 0 1 m",
        ])
    }

    // MARK: - Requests

    private static func place(_ region: Region, _ random: inout SeededRandom) -> [String] {
        if random.below(30) == 0 {
            return random.some([
                ["181", "0"], ["0", "-86"], ["x", "0"], ["0", "nan"], ["inf", "0"],
            ])
        }
        let longitude: Double, latitude: Double
        switch region {
        case .crowded:
            longitude = Double.random(in: 10...12, using: &random)
            latitude = Double.random(in: 45...47, using: &random)
        case .everywhere:
            longitude = Double.random(in: -180...180, using: &random)
            latitude = Double.random(in: -85.05...85.05, using: &random)
        case .poles:
            longitude = Double.random(in: -180...180, using: &random)
            latitude =
                Double.random(in: 80...85.05, using: &random)
                * (Bool.random(using: &random) ? 1 : -1)
        case .dateLine:
            longitude =
                Double.random(in: 178...180, using: &random)
                * (Bool.random(using: &random) ? 1 : -1)
            latitude = Double.random(in: -5...5, using: &random)
        }
        return ["\(longitude)", "\(latitude)"]
    }

    private static func member(_ random: inout SeededRandom) -> String { "m\(random.below(40))" }

    private static func radius(_ random: inout SeededRandom) -> [String] {
        let number: String
        switch random.below(12) {
        case 0: number = random.some(["0", "-1", "x", "inf", "1e300", "1e-310", "-0"])
        case 1: number = random.some(["5000", "10000", "20000", "20040000"])
        default:
            let scale = random.some([1.0, 100, 10_000, 1_000_000])
            number = "\(Double.random(in: 0...scale, using: &random))"
        }
        return [number, random.some(["m", "km", "ft", "mi", "KM", "m"])]
    }

    private static func options(_ random: inout SeededRandom, shows: Bool = true) -> [String] {
        var words: [[String]] = []
        for word in ["WITHCOORD", "WITHDIST", "WITHHASH"] where shows && random.below(3) == 0 {
            words.append([word])
        }
        if random.below(3) == 0 {
            words.append(["COUNT", random.some(["1", "2", "3", "5", "100", "0"])])
            if random.below(3) == 0 { words.append(["ANY"]) }
        }
        if random.below(2) == 0 { words.append([random.some(["ASC", "DESC"])]) }
        return words.shuffled(using: &random).flatMap { $0 }
    }

    private static func area(_ region: Region, _ random: inout SeededRandom) -> [String] {
        let from =
            Bool.random(using: &random)
            ? ["FROMMEMBER", member(&random)] : ["FROMLONLAT"] + place(region, &random)
        let by =
            Bool.random(using: &random)
            ? ["BYRADIUS"] + radius(&random) : ["BYBOX", radius(&random)[0]] + radius(&random)
        return Bool.random(using: &random) ? from + by : by + from
    }

    private static func request(_ region: Region, _ random: inout SeededRandom) -> [String] {
        let key = random.some(keys)
        let store = random.some([[], [], ["STORE", "d"], ["STOREDIST", "d"]])
        switch random.below(18) {
        case 0..<4:
            let pairs = (0..<random.some([1, 1, 2, 3, 10])).flatMap { _ in
                place(region, &random) + [member(&random)]
            }
            return ["GEOADD", key] + random.some([[], [], ["NX"], ["XX", "CH"], ["CH"]]) + pairs
        case 4:
            return ["GEODIST", key, member(&random), member(&random)]
                + random.some([[], ["km"], ["MI"], ["x"]])
        case 5: return ["GEOHASH", key, member(&random), member(&random)]
        case 6: return ["GEOPOS", key, member(&random), member(&random)]
        case 7..<11: return ["GEOSEARCH", key] + area(region, &random) + options(&random)
        case 11, 12:
            return ["GEOSEARCHSTORE", random.some(keys + ["d"]), key] + area(region, &random)
                + options(&random, shows: false) + random.some([[], ["STOREDIST"]])
        case 13, 14:
            return [random.some(["GEORADIUS", "GEORADIUS_RO"]), key] + place(region, &random)
                + radius(&random) + options(&random) + store
        case 15:
            return [random.some(["GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"]), key]
                + [member(&random)] + radius(&random) + options(&random) + store
        case 16:
            let scores = [
                "-1", "inf", "1e300", "4503599627370496", "1.5", "\(random.next() >> 12)",
            ]
            return ["ZADD", key, random.some(scores), member(&random)]
        default:
            return random.some([
                ["DEL", key], ["CONFIG", "SET", "zset-max-listpack-entries", "0"],
                ["CONFIG", "SET", "zset-max-listpack-entries", "128"], ["SET", "d", "x"],
                ["ZREM", key, member(&random)],
            ])
        }
    }
}
