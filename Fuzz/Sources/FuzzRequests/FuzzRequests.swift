//  FuzzRequests.swift — any bytes as the input of a connection: nothing may crash, and where the
//  input is cut must not matter.
import Logging

@testable import Engine

/// A client of a server without sockets.
private struct Session: ~Copyable {
    private var executor: Executor
    private let configuration: Configuration
    private var state = ParserState()
    private var slot = 0
    private(set) var replyBytes = 0

    init() {
        let log = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }
        var configuration = Configuration()
        // Requests for more memory than a fuzzer has are refused as early as anywhere.
        configuration.protoMaxBulkLength = 1 << 20
        configuration.enableDebugCommand = .no
        self.configuration = configuration
        executor = Executor(
            configuration: configuration, identity: ServerIdentity(configurationFile: ""),
            log: log)
    }

    /// A new client of an empty server.
    mutating func begin() {
        if executor.call.clients.count > 0 {
            executor.call.endWait(slot)
            executor.call.clients.close(slot)
        }
        executor.call.configuration = configuration
        executor.configurationChanged()
        for i in 0..<executor.call.keyspace.count { executor.call.flush(i, isLazy: false) }
        slot = executor.call.clients.open(now: executor.call.now)
        state = ParserState()
        replyBytes = 0
    }

    /// Serves `input` until nothing more of it is complete; what is left stays with the caller.
    mutating func serve(_ input: inout [UInt8]) -> Bool {
        while true {
            var reply = Reply()
            let served = executor.serve(input.span, &state, client: slot, &reply)
            replyBytes += reply.out.count
            input.removeFirst(served.consumed)
            switch served.verdict {
            case .done, .blocked: return true
            case .yielded: continue
            case .close: return false
            }
        }
    }
}

/// Building the table of commands takes longer than a run.
nonisolated(unsafe) private var session = Session()

private func answers(to bytes: [UInt8], piece: Int) -> Int {
    session.begin()
    var held: [UInt8] = []
    var i = 0
    while i < bytes.count {
        let end = min(i + piece, bytes.count)
        held += bytes[i..<end]
        i = end
        if !session.serve(&held) { break }
    }
    return session.replyBytes
}

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 1 else { return 0 }
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    _ = answers(to: bytes, piece: bytes.count)
    _ = answers(to: bytes, piece: 1 + Int(bytes[0] & 15))
    return 0
}

@main
struct FuzzRequests {
    static func main() {
        var count = CommandLine.argc
        var words: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        _ = runFuzzer(&count, &words, fuzz)
    }
}

/// libFuzzer's entry for programs with a `main` of their own.
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ words: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt
