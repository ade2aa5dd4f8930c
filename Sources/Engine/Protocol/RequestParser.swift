enum ProtocolError: Error { case expectedArray, expectedBulk, badLength
  var message: String { "invalid multibulk length" } }
struct ParserState { var x = 0 }
struct RequestLimits { var bulkBytesMax = 512 << 20; var isAuthenticated = true; var inlineBytesMax = 65536; var argumentsMax = 1 << 20 }
@safe struct RequestParser: ~Copyable {
    var isInline: Bool { false }
    var scratch: Bytes { @_lifetime(immortal) get { Bytes() } }
    @inline(__always) mutating func next(_ input: Bytes, _ cursor: inout Int, _ slots: inout Buffer<Slot>, _ first: Int, _ limits: RequestLimits, _ state: inout ParserState) throws(ProtocolError) -> Int {
        let n = fast(input, &cursor, &slots, first)
        return n > 0 ? n : 0
    }
    @inline(__always) private func fast(_ input: Bytes, _ cursor: inout Int, _ slots: inout Buffer<Slot>, _ first: Int) -> Int {
        let left = input.count &- cursor
        if left < 8 || slots.count &- first < 9 { return 0 }
        let base = unsafe input.address
        var i = cursor
        let last = input.count &- 6  // the lowest a bulk header may start is six bytes before the end
        let head = unsafe base.loadUnaligned(fromByteOffset: i, as: UInt32.self)
        if head & 0xFFFF_00FF != 0x0A0D_002A { return 0 }
        let argc = Int((head >> 8) & 0xFF) &- 48
        if argc < 1 || argc > 9 { return 0 }
        i &+= 4
        var slot = unsafe slots.start + first
        let stop = unsafe slot + argc
        repeat {
            if i > last { return 0 }
            let w = unsafe base.loadUnaligned(fromByteOffset: i, as: UInt32.self)
            var n = Int((w >> 8) & 0xFF) &- 48
            if UInt(bitPattern: n) > 9 { return 0 }
            if w & 0xFFFF_00FF == 0x0A0D_0024 { i &+= 4 } else {
                let x = unsafe base.loadUnaligned(fromByteOffset: i &+ 1, as: UInt32.self)
                if x >> 16 != 0x0A0D || w & 0xFF != 36 { return 0 }
                let ones = Int((x >> 8) & 0xFF) &- 48
                if UInt(bitPattern: ones) > 9 { return 0 }
                n = n &* 10 &+ ones
                i &+= 5
            }
            unsafe slot.pointee = Slot(offset: UInt32(truncatingIfNeeded: i), count: UInt32(truncatingIfNeeded: n))
            i &+= n &+ 2
            unsafe slot += 1
        } while unsafe slot < stop
        if i > input.count { return 0 }
        cursor = i
        return argc
    }
}
