//  RandomTests.swift — chance, seeded and not.
import Testing

@testable import Platform

@Suite("Random") struct RandomTests {
    @Test func `the same seed gives the same sequence`() {
        var first = RandomGenerator(seed: 42)
        var second = RandomGenerator(seed: 42)
        var other = RandomGenerator(seed: 43)
        let numbers = (0..<100).map { _ in first.next() }
        #expect(numbers == (0..<100).map { _ in second.next() })
        #expect(numbers != (0..<100).map { _ in other.next() })
        #expect(Set(numbers).count == 100)
    }

    @Test func `generators without a seed differ`() {
        var first = RandomGenerator()
        var second = RandomGenerator()
        #expect(first.next() != second.next())
    }

    @Test func `secret bytes have the length that was asked for and differ`() {
        #expect(Random.bytes(0).isEmpty)
        #expect(Random.bytes(1000).count == 1000)
        #expect(Random.bytes(16) != Random.bytes(16))
        let identifier = Random.hexadecimal(40)
        #expect(identifier.utf8.count == 40)
        #expect(identifier.allSatisfy { $0.isHexDigit && !$0.isUppercase })
    }
}
