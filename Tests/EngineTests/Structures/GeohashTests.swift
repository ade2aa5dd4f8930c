//  GeohashTests.swift — cells and distances where they are delicate: edges, poles, the date line.
import TestSupport
import Testing

@testable import Engine

@Suite("Geohash")
struct GeohashTests {
    private static func position(_ longitude: Double, _ latitude: Double) -> Position {
        Position(longitude: longitude, latitude: latitude)
    }

    private static func random(_ random: inout SeededRandom) -> Position {
        let top = Position.latitudeMax
        return position(
            Double.random(in: -180...180, using: &random),
            Double.random(in: -top...top, using: &random))
    }

    @Test func `a place is in its own cell, whatever the grid`() {
        var random = SeededRandom(seed: 1)
        for _ in 0..<2000 {
            let place = Self.random(&random)
            for steps in [1, 2, 7, 13, 25, 26] {
                let area = GeoCell(place, steps: steps).area
                #expect(area.west <= place.longitude && place.longitude <= area.east)
                #expect(area.south <= place.latitude && place.latitude <= area.north)
            }
            let again = GeoCell(score: GeoCell(place, steps: 26).score).position
            #expect(place.distance(to: again) < 1)
        }
    }

    @Test func `neighbours touch, and meet again on the other side`() {
        let cell = GeoCell(Self.position(179.9, 10), steps: 8)
        #expect(cell.moved(east: 1, north: 0).area.west == -180)
        #expect(cell.moved(east: 1, north: 0).moved(east: -1, north: 0) == cell)
        #expect(cell.moved(east: 0, north: 1).area.south == cell.area.north)
        #expect(cell.moved(east: -1, north: -1).area.east == cell.area.west)
        var around = cell
        for _ in 0..<256 { around = around.moved(east: 1, north: 0) }
        #expect(around == cell)
    }

    @Test func `scores that no place has do no harm`() {
        let scores = [
            -1, -0.0, .infinity, -.infinity, .nan, 1e300, -1e300, 9.3e18, 1.9e19,
            .leastNonzeroMagnitude,
        ]
        for score in scores {
            let place = GeoCell(score: score).position
            #expect(place.isValid, "\(score)")
        }
        #expect(GeoCell(score: -1).bits == .max)
    }

    /// Nothing within a radius is left out by the cells or by the filter, but near the poles, where
    /// Redis's cells are too narrow.
    @Test func `what is in a circle is in one of its cells`() {
        var random = SeededRandom(seed: 2)
        for _ in 0..<3000 {
            var shape = GeoShape()
            shape.center = Self.position(
                Double.random(in: -170...170, using: &random),
                Double.random(in: -60...60, using: &random))
            let radius = Double.random(in: 1...300_000, using: &random)
            shape.form = .circle(radius: radius)
            let filter = GeoFilter(shape)
            let cells = shape.cells
            #expect(cells.count <= 9)
            for _ in 0..<10 {
                let near = Self.position(
                    shape.center.longitude + Double.random(in: -4...4, using: &random),
                    shape.center.latitude + Double.random(in: -3...3, using: &random))
                guard near.isValid else { continue }
                let score = GeoCell(near, steps: 26).score
                let place = GeoCell(score: score).position
                guard shape.distance(to: place) != nil else { continue }
                #expect(!filter.excludes(place))
                let isCovered = cells.contains { cell in
                    score >= cell.scores.lower && score < cell.scores.upper
                }
                #expect(isCovered, "\(shape) \(place)")
            }
        }
    }

    @Test func `the filter never excludes what is inside, anywhere on earth`() {
        var random = SeededRandom(seed: 3)
        var excluded = 0
        for _ in 0..<200_000 {
            var shape = GeoShape()
            shape.center = Self.random(&random)
            let exponent = Double.random(in: 0...7.4, using: &random)
            var radius = 1.0
            for _ in 0..<Int(exponent * 10) { radius *= 1.2589254 }
            shape.form = .circle(radius: radius)
            let place = Self.random(&random)
            let filter = GeoFilter(shape)
            if filter.excludes(place) {
                excluded += 1
                #expect(shape.distance(to: place) == nil)
            }
        }
        #expect(excluded > 100_000)
    }
}
