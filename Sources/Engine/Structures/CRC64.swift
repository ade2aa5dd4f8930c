//  CRC64.swift — the checksum of RDB files and of DUMP: CRC-64/Jones, eight bytes at a time.  U
//
//  Polynomial 0xAD93D23594C935A9, reflected, start and end value 0; the check value of "123456789"
//  is 0xE9C6D914C4B8D9CA.
//
//  Credits: slicing by eight is Michael Kounavis's and Frank Berry's.
//
//  ## Safety
//  - S1: words are read where at least eight bytes are left, single bytes where one is.
//  - S2: an index into a table is a byte plus 256 times the number of the table, of which there are
//    eight.

enum CRC64 {
    /// Eight tables of 256 words: table k is for a byte with k bytes behind it.
    private static let tables: [UInt64] = {
        var tables = [UInt64](repeating: 0, count: 8 * 256)
        for i in 0..<256 {
            var word = UInt64(i)
            for _ in 0..<8 { word = word & 1 != 0 ? word >> 1 ^ 0x95AC_9329_AC4B_C9B5 : word >> 1 }
            tables[i] = word
        }
        for i in 256..<(8 * 256) {
            let word = tables[i - 256]
            tables[i] = word >> 8 ^ tables[Int(word & 0xFF)]
        }
        return tables
    }()

    /// The checksum of what `checksum` covers and `bytes` behind it.
    static func update(_ checksum: UInt64, _ bytes: Bytes) -> UInt64 {
        unsafe tables.withUnsafeBufferPointer { buffer in
            guard let t = buffer.baseAddress else { return checksum }
            var crc = checksum
            let p = unsafe bytes.address, n = bytes.count
            var i = 0
            while n &- i >= 8 {
                let word = unsafe p.loadUnaligned(fromByteOffset: i, as: UInt64.self)  // S1
                crc ^= word.littleEndian
                // S2
                let a = unsafe t[Int(crc & 0xFF) | 7 << 8] ^ t[Int(crc >> 8 & 0xFF) | 6 << 8]
                let b = unsafe t[Int(crc >> 16 & 0xFF) | 5 << 8] ^ t[Int(crc >> 24 & 0xFF) | 4 << 8]
                let c = unsafe t[Int(crc >> 32 & 0xFF) | 3 << 8] ^ t[Int(crc >> 40 & 0xFF) | 2 << 8]
                let d = unsafe t[Int(crc >> 48 & 0xFF) | 1 << 8] ^ t[Int(crc >> 56)]
                crc = (a ^ b) ^ (c ^ d)
                i &+= 8
            }
            while i < n {
                let byte = unsafe p.load(fromByteOffset: i, as: UInt8.self)  // S1
                crc = crc >> 8 ^ (unsafe t[Int((crc ^ UInt64(byte)) & 0xFF)])  // S2
                i &+= 1
            }
            return crc
        }
    }
}
