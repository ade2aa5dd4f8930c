//  Feeding.swift — bytes fed to a parser in pieces, the way a connection receives them.
@testable import Engine

/// What came out of a stretch of input.
struct Fed: Equatable, CustomStringConvertible {
    var requests: [[[UInt8]]] = []
    var error: ProtocolError?
    /// Bytes that wait for more.
    var waiting = 0

    var description: String {
        let words = requests.map { $0.map { String(decoding: $0, as: UTF8.self) } }
        return "\(words) \(error.map { "\($0)" } ?? "") waiting \(waiting)"
    }
}

/// One connection's parser, state and held input.
struct Feeder: ~Copyable {
    var parser = RequestParser()
    var state = ParserState()
    var slots = Buffer<Slot>(repeating: Slot(offset: 0, count: 0), count: 64)
    var limits: RequestLimits
    private var held: [UInt8] = []
    private(set) var fed = Fed()

    init(_ limits: RequestLimits = RequestLimits()) { self.limits = limits }

    /// Receives `piece` and takes every request that is complete, in batches of up to sixteen.
    mutating func receive(_ piece: ArraySlice<UInt8>) {
        guard fed.error == nil else { return }
        held += piece
        var cursor = 0
        while takeBatch(&cursor) {}
        held.removeFirst(cursor)
        fed.waiting = held.count
    }

    /// False when nothing was complete.
    private mutating func takeBatch(_ cursor: inout Int) -> Bool {
        parser.beginBatch()
        let input = held
        var counts: [Int] = []
        var used = 0
        while counts.count < 16, fed.error == nil {
            do throws(ProtocolError) {
                let count = try parser.next(input.span, &cursor, &slots, used, limits, &state)
                if count == 0 { break }
                counts.append(count)
                used += count
                if parser.isInline { break }
            } catch {
                fed.error = error
            }
        }
        var first = 0
        for count in counts {
            fed.requests.append(
                (first..<first + count).map { i in
                    let start = Int(slots[i].offset), end = start + Int(slots[i].count)
                    return parser.isInline
                        ? parser.scratch.extracting(start..<end).array : Array(input[start..<end])
                })
            first += count
        }
        return !counts.isEmpty && fed.error == nil
    }
}

/// Feeds `input` cut at `cuts`.
func feed(
    _ input: [UInt8], cutAt cuts: [Int] = [], limits: RequestLimits = RequestLimits()
) -> Fed {
    var feeder = Feeder(limits)
    var start = 0
    for end in cuts + [input.count] {
        feeder.receive(input[start..<end])
        start = end
    }
    return feeder.fed
}

/// `words` as a request.
func request(_ words: [[UInt8]]) -> [UInt8] {
    var bytes = Array("*\(words.count)\r\n".utf8)
    for word in words { bytes += Array("$\(word.count)\r\n".utf8) + word + [13, 10] }
    return bytes
}

func words(_ texts: String...) -> [[UInt8]] { texts.map { Array($0.utf8) } }
