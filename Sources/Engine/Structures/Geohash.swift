//  Geohash.swift — places on the earth as numbers: cells of a grid, distances, areas around a place.
//
//  Longitude and latitude are halved 26 times each; the bits of the two take turns, so that a cell
//  of a coarser grid is a range of numbers.
//
//      bit 51  50  49  48 …   1   0
//          lon lat lon lat …  lon lat
//
//  The earth is a sphere. Arithmetic follows Redis's step by step, because its digits are part of the
//  replies.
//
//  Credits: geohashes are Gustavo Niemeyer's, the formula for distances is the haversine.
import CPlatform

/// A place, in degrees.
struct Position {
    var longitude: Double
    var latitude: Double

    static let longitudeMax = 180.0
    static let latitudeMax = 85.05112878

    var isValid: Bool {
        longitude >= -Self.longitudeMax && longitude <= Self.longitudeMax
            && latitude >= -Self.latitudeMax && latitude <= Self.latitudeMax
    }

    // MARK: - Distances

    /// Metres.
    static let earthRadius = 6_372_797.560856

    static func radians(_ degrees: Double) -> Double { degrees * (Double.pi / 180) }
    static func degrees(_ radians: Double) -> Double { radians / (Double.pi / 180) }

    /// Metres to `other` along a great circle.
    func distance(to other: Position) -> Double {
        let v = sin((Self.radians(other.longitude) - Self.radians(longitude)) / 2)
        if v == 0 { return northing(to: other) }
        let from = Self.radians(latitude), to = Self.radians(other.latitude)
        let u = sin((to - from) / 2)
        let a = u * u + cos(from) * cos(to) * v * v
        return 2 * Self.earthRadius * asin(a.squareRoot())
    }

    /// Metres to the latitude of `other`.
    func northing(to other: Position) -> Double {
        Self.earthRadius * abs(Self.radians(other.latitude) - Self.radians(latitude))
    }
}

/// The borders of a cell, in degrees.
struct GeoArea {
    let west: Double, east: Double, south: Double, north: Double
}

/// A cell of the grid that 1 to 26 halvings of both directions make.
struct GeoCell: Equatable {
    private(set) var bits: UInt64
    let steps: Int

    static let stepsMax = 26

    /// The cell of the finest grid that a score stands for; scores that no place has stand for what
    /// the conversion to an integer without a sign makes of them on x86.
    init(score: Double) {
        steps = Self.stepsMax
        let limit = 9_223_372_036_854_775_808.0
        let isHigh = score >= limit
        let rest = isHigh ? score - limit : score
        let whole = rest >= -limit && rest < limit ? Int64(rest) : .min
        bits = UInt64(bitPattern: whole) ^ (isHigh ? 1 << 63 : 0)
    }

    /// The cell of a place that is inside of the limits.
    init(_ position: Position, steps: Int, latitudeMax: Double = Position.latitudeMax) {
        self.steps = steps
        let scale = Double(UInt64(1) << UInt64(steps))
        let y = (position.latitude + latitudeMax) / (latitudeMax + latitudeMax) * scale
        let x = (position.longitude + Position.longitudeMax) / 360 * scale
        bits = Self.spread(UInt32(y)) | Self.spread(UInt32(x)) << 1
    }

    /// The score of a member that stands for the cell's first place.
    var score: Double { Double(aligned) }

    /// The cell's bits as those of the finest grid.
    var aligned: UInt64 { bits << UInt64(2 * (Self.stepsMax - steps)) }

    /// The scores inside of the cell: from the first one up to the second.
    var scores: ScoreRange {
        ScoreRange(
            lower: score,
            upper: Double((bits &+ 1) << UInt64(2 * (Self.stepsMax - steps))), excludesUpper: true)
    }

    // MARK: - Bits

    /// Puts a 0 in front of every bit.
    private static func spread(_ half: UInt32) -> UInt64 {
        var x = UInt64(half)
        x = (x | x << 16) & 0x0000_FFFF_0000_FFFF
        x = (x | x << 8) & 0x00FF_00FF_00FF_00FF
        x = (x | x << 4) & 0x0F0F_0F0F_0F0F_0F0F
        x = (x | x << 2) & 0x3333_3333_3333_3333
        return (x | x << 1) & 0x5555_5555_5555_5555
    }

    /// Every other bit, from the lowest on.
    private static func gathered(_ bits: UInt64) -> UInt32 {
        var x = bits & 0x5555_5555_5555_5555
        x = (x | x >> 1) & 0x3333_3333_3333_3333
        x = (x | x >> 2) & 0x0F0F_0F0F_0F0F_0F0F
        x = (x | x >> 4) & 0x00FF_00FF_00FF_00FF
        x = (x | x >> 8) & 0x0000_FFFF_0000_FFFF
        return UInt32(truncatingIfNeeded: x | x >> 16)
    }

    // MARK: - Places

    var area: GeoArea {
        let scale = Double(UInt64(1) << UInt64(steps))
        let y = Self.gathered(bits), x = Self.gathered(bits >> 1)
        let top = Position.latitudeMax, height = top + top
        return GeoArea(
            west: -180 + Double(x) / scale * 360,
            east: -180 + Double(x &+ 1) / scale * 360,
            south: -top + Double(y) / scale * height,
            north: -top + Double(y &+ 1) / scale * height)
    }

    /// The middle of the cell.
    var position: Position {
        let area = area
        let x = (area.west + area.east) / 2, y = (area.south + area.north) / 2
        let top = Position.latitudeMax
        return Position(longitude: min(max(x, -180), 180), latitude: min(max(y, -top), top))
    }

    // MARK: - Neighbours

    private static let odd: UInt64 = 0xAAAA_AAAA_AAAA_AAAA
    private static let even: UInt64 = 0x5555_5555_5555_5555

    /// The cell so many cells further east and north, each -1, 0 or 1; the grid has no end.
    func moved(east: Int, north: Int) -> GeoCell {
        var cell = self
        let unused = UInt64(64 - steps * 2)
        cell.bits = Self.moved(cell.bits, east, Self.odd, Self.even, unused)
        cell.bits = Self.moved(cell.bits, north, Self.even, Self.odd, unused)
        return cell
    }

    /// Adds to the bits at `mine` as if those at `others` were not between them.
    private static func moved(
        _ bits: UInt64, _ by: Int, _ mine: UInt64, _ others: UInt64, _ unused: UInt64
    ) -> UInt64 {
        guard by != 0 else { return bits }
        let gaps = others >> unused
        var x = bits & mine
        x = by > 0 ? x &+ (gaps &+ 1) : (x | gaps) &- (gaps &+ 1)
        return x & mine >> unused | bits & others
    }
}

/// What is around a place: a circle or a box.
struct GeoShape {
    enum Form {
        case circle(radius: Double)
        case box(width: Double, height: Double)
    }

    var center = Position(longitude: 0, latitude: 0)
    /// In units of `unit` metres.
    var form = Form.circle(radius: 0)
    var unit = 1.0

    // MARK: - What is inside

    /// Metres from the middle to `position`; nil if that is outside.
    @inline(__always) func distance(to position: Position) -> Double? {
        switch form {
        case .circle(let radius):
            let distance = center.distance(to: position)
            return distance > radius * unit ? nil : distance
        case .box(let width, let height):
            if position.northing(to: center) > height * unit / 2 { return nil }
            let level = Position(longitude: center.longitude, latitude: position.latitude)
            if position.distance(to: level) > width * unit / 2 { return nil }
            return center.distance(to: position)
        }
    }

    // MARK: - Cells

    /// Metres from the middle to the farthest corner.
    private var reach: Double {
        switch form {
        case .circle(let radius): radius * unit
        case .box(let width, let height):
            ((width / 2) * (width / 2) + (height / 2) * (height / 2)).squareRoot() * unit
        }
    }

    /// A box of degrees around the shape, which is somewhat too narrow near the poles.
    private var bounds: GeoArea {
        let height: Double, width: Double
        switch form {
        case .circle(let radius):
            height = unit * radius
            width = height
        case .box(let boxWidth, let boxHeight):
            height = unit * (boxHeight / 2)
            width = unit * (boxWidth / 2)
        }
        let latitudes = Position.degrees(height / Position.earthRadius)
        func longitudes(_ latitude: Double) -> Double {
            Position.degrees(width / Position.earthRadius / cos(Position.radians(latitude)))
        }
        let isSouthern = center.latitude < 0
        let longitudes = longitudes(
            isSouthern ? center.latitude - latitudes : center.latitude + latitudes)
        return GeoArea(
            west: center.longitude - longitudes, east: center.longitude + longitudes,
            south: center.latitude - latitudes, north: center.latitude + latitudes)
    }

    /// Half the way around the earth on a Mercator map, in metres.
    private static let mercatorMax = 20_037_726.37

    /// Halvings after which nine cells are as large as the shape.
    private var steps: Int {
        var reach = reach
        guard reach != 0 else { return GeoCell.stepsMax }
        var steps = 1
        while reach < Self.mercatorMax {
            reach *= 2
            steps += 1
        }
        steps -= 2
        // Cells are narrower towards the poles.
        if center.latitude > 66 || center.latitude < -66 {
            steps -= 1
            if center.latitude > 80 || center.latitude < -80 { steps -= 1 }
        }
        return min(max(steps, 1), GeoCell.stepsMax)
    }

    /// The cells that cover the shape, in the order in which they are searched: the middle one
    /// first.
    var cells: [GeoCell] {
        let bounds = bounds
        var steps = steps
        var middle = GeoCell(center, steps: steps)
        let reachesBeyond =
            middle.moved(east: 0, north: 1).area.north < bounds.north
            || middle.moved(east: 0, north: -1).area.south > bounds.south
            || middle.moved(east: 1, north: 0).area.east < bounds.east
            || middle.moved(east: -1, north: 0).area.west > bounds.west
        if steps > 1, reachesBeyond {
            steps -= 1
            middle = GeoCell(center, steps: steps)
        }
        let area = middle.area
        var cells = [middle]
        let ways = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)]
        // The last cell that was not left out, but for the middle one.
        var last: GeoCell?
        for (east, north) in ways {
            if steps >= 2 {
                if north < 0, area.south < bounds.south { continue }
                if north > 0, area.north > bounds.north { continue }
                if east < 0, area.west < bounds.west { continue }
                if east > 0, area.east > bounds.east { continue }
            }
            let cell = middle.moved(east: east, north: north)
            // In a coarse grid the neighbour on one side is that on the other.
            if cell == last { continue }
            cells.append(cell)
            last = cell
        }
        return cells
    }
}

/// Tells of most places outside of a circle, with a few multiplications, that they are outside.
///
/// For angles from 0 to a right one, x - x³/6 is not more than the sine.
struct GeoFilter {
    private let longitude: Double, latitude: Double
    /// Radians that a latitude may be away from the centre's.
    private let latitudesMax: Double
    /// The haversine of the radius.
    private let haversineMax: Double
    /// The cosine of the centre's latitude times the least one of those within the radius.
    private let cosines: Double

    /// More than all errors of rounding together.
    private static let slack = 1e-6

    init(_ shape: GeoShape) {
        longitude = Position.radians(shape.center.longitude)
        latitude = Position.radians(shape.center.latitude)
        guard case .circle(let radius) = shape.form else {
            (latitudesMax, haversineMax, cosines) = (.infinity, .infinity, 0)
            return
        }
        let angle = radius * shape.unit / Position.earthRadius * (1 + Self.slack) + Self.slack
        latitudesMax = angle
        haversineMax = angle < Double.pi ? sin(angle / 2) * sin(angle / 2) : .infinity
        cosines = cos(latitude) * max(cos(min(abs(latitude) + angle, Double.pi / 2)), 0)
    }

    @inline(__always) func excludes(_ position: Position) -> Bool {
        let y = abs(Position.radians(position.latitude) - latitude)
        if y > latitudesMax { return true }
        var x = abs(Position.radians(position.longitude) - longitude)
        if x > Double.pi { x = 2 * Double.pi - x }
        let u = y / 2 - y * y * y / 48, v = x / 2 - x * x * x / 48
        return u * u + cosines * v * v > haversineMax
    }
}
