//  RandomBytes.swift — bytes by chance.
import TestSupport

extension SeededRandom {
    /// Random bytes, as many as chance wants within `counts`.
    mutating func bytes(_ counts: ClosedRange<Int>) -> [UInt8] {
        (0..<Int.random(in: counts, using: &self)).map { _ in
            UInt8.random(in: 0...255, using: &self)
        }
    }
}
