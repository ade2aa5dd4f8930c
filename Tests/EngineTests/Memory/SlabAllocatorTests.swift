//  SlabAllocatorTests.swift — blocks do not overlap, and memory comes back.
import TestSupport
import Testing

@testable import Engine

@Suite("SlabAllocator") struct SlabAllocatorTests {
    /// A block with the pattern that was written into it.
    private struct Block {
        let address: UInt
        let count: Int
        let pattern: UInt8
    }

    @Test(arguments: [1, 2, 3])
    func `random blocks keep their contents and are all given back`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var heap = SlabAllocator()
        var blocks: [Block] = []
        for _ in 0..<20_000 {
            if blocks.isEmpty || Int.random(in: 0..<5, using: &random) < 3 {
                blocks.append(allocate(&heap, &random))
            } else {
                let i = Int.random(in: 0..<blocks.count, using: &random)
                release(blocks.remove(at: i), &heap)
            }
        }
        #expect(heap.usedBytes >= blocks.reduce(0) { $0 + $1.count })
        for block in blocks { release(block, &heap) }
        #expect(heap.usedBytes == 0)
        #expect(heap.largeCount == 0)
        // At most the slab that each class allocates from stays.
        #expect(heap.slabBytesInUse <= 129 * SlabAllocator.slabBytes)
    }

    private func allocate(
        _ heap: inout SlabAllocator, _ random: inout SeededRandom
    ) -> Block {
        let isLarge = Int.random(in: 0..<20, using: &random) == 0
        let count = Int.random(in: isLarge ? 1025...5000 : 1...1024, using: &random)
        let pattern = UInt8.random(in: 0...255, using: &random)
        let block = unsafe heap.allocate(count)
        unsafe block.initializeMemory(as: UInt8.self, repeating: pattern, count: count)
        return Block(address: UInt(bitPattern: block), count: count, pattern: pattern)
    }

    private func release(_ block: Block, _ heap: inout SlabAllocator) {
        guard let address = unsafe UnsafeMutableRawPointer(bitPattern: block.address) else {
            return
        }
        for i in 0..<block.count {
            let byte = unsafe address.load(fromByteOffset: i, as: UInt8.self)
            if byte != block.pattern {
                Issue.record("byte \(i) of a block of \(block.count) was overwritten")
                break
            }
        }
        unsafe heap.free(address, block.count)
    }

    @Test func `used bytes are the rounded sizes of live blocks`() {
        var heap = SlabAllocator()
        let small = unsafe heap.allocate(1), odd = unsafe heap.allocate(41)
        #expect(heap.usedBytes == 8 + 48)
        unsafe heap.free(small, 1)
        #expect(heap.usedBytes == 48)
        unsafe heap.free(odd, 41)
        #expect(heap.usedBytes == 0)
    }

    @Test func `blocks of 64 bytes are aligned to cache lines`() {
        var heap = SlabAllocator()
        for _ in 0..<3000 {
            let block = unsafe heap.allocate(64)
            #expect(UInt(bitPattern: block) % 64 == 0)
        }
    }

    @Test func `slabs that fall empty are given back`() {
        var heap = SlabAllocator()
        var blocks: [UInt] = []
        for _ in 0..<100_000 { blocks.append(UInt(bitPattern: unsafe heap.allocate(40))) }
        let full = heap.slabBytesInUse
        for block in blocks {
            if let address = unsafe UnsafeMutableRawPointer(bitPattern: block) {
                unsafe heap.free(address, 40)
            }
        }
        #expect(full > 4_000_000)
        #expect(heap.slabBytesInUse <= SlabAllocator.slabBytes)
    }
}
