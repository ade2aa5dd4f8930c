//  Executor.swift — the order of things: parse, find, admit, execute, settle.
//
//  Up to sixteen requests are parsed ahead. Their keys are hashed and their buckets, then their
//  records prefetched, before the first is executed: a look-up in a large table is two cache
//  misses, and sixteen of them overlap. It is a hint only; gates are read at execution, and a
//  request that closes its connection ends the batch.
//
//  Nothing between a request's bytes and its reply's bytes allocates, retains or checks
//  exclusivity; rare paths are functions of their own so that the loop stays small.
import CPlatform
import Logging

/// One request of a batch: where its words are and what it was found to be.
struct Request: BitwiseCopyable {
    /// Its words in the slots.
    var first: Int32 = 0
    var count: Int32 = 0
    /// Position in the command table, or one of the negative codes below.
    var command: Int32 = -1
    /// Where the input goes on behind it; inputs are shorter than 4 GiB.
    var end: UInt32 = 0
    /// Hash of word 1 when that is a key.
    var hash: UInt64 = 0

    static var unknown: Int32 { -1 }
    static var unknownSubcommand: Int32 { -2 }
}

/// How a stretch of input was served.
struct Served {
    enum Verdict {
        /// Everything that was complete has run.
        case done
        /// The rest waits for the next turn, so that others are served in between.
        case yielded
        /// The rest waits until the client has got what its last command waits for.
        case blocked
        /// The connection ends once its replies are sent.
        case close
    }

    /// Bytes of input that are done with.
    var consumed: Int
    var verdict: Verdict
}

struct Executor: ~Copyable {
    var call: Call
    private var parser = RequestParser()
    private var slots = Buffer<Slot>(repeating: Slot(offset: 0, count: 0), count: 4096)
    private var batch = Buffer<Request>(repeating: Request(), count: batchMax)
    private var limits = RequestLimits()
    /// Name and position of the command that was looked up last; at first one that no word equals.
    private var lastName = Word(low: 0, high: 0, tail: 0, count: -1)
    private var lastID = 0
    /// Where the replies of a stretch of input begin, and where they call for attention.
    private var replyStart = 0
    private var replyStop = 0
    /// Whether the client has had its share, so that the rest waits for the next turn.
    private var isFull = false
    private var replyShare = 0
    /// The processor's counter from which on clients get one batch each.
    var sliceEnd = UInt64.max
    /// `Propagation.offset` before the client's requests.
    private var offsetBefore = 0
    /// How long the last command took that took long.
    private var lastTicks: UInt64 = 0
    /// Where the input of the batch begins.
    private var batchStart = 0
    /// When the log last told of a browser, in Unix milliseconds.
    private var lastBrowserWarning: Int64 = 0
    /// When deadlines next want attention, in Unix milliseconds, as of the last `expireDue`.
    var wakeTime = Int64.max
    /// The processor's counter when the turn took its time stamp.
    var ticksOfTurn: UInt64 = 0

    private static var batchMax: Int { 16 }
    /// Reply bytes after which a pipeline yields to other clients, and when the turn is late.
    private static var replyShareMax: Int { 1 << 20 }
    private static var replyShareWhenLate: Int { 16 << 10 }
    /// Reply bytes of all clients that make a turn late.
    private static var replyBytesPerTurn: Int { 4 << 20 }

    init(configuration: Configuration, identity: ServerIdentity, log: Logger) {
        call = Call(configuration: configuration, identity: identity, log: log)
        configurationChanged()
    }

    /// Whether requests may be as long as they like, since nobody announces what is not there.
    mutating func allowsAnyRequest(_ isAllowed: Bool) {
        let usual = RequestLimits()
        limits.argumentsMax = isAllowed ? Int64(Int32.max) : usual.argumentsMax
        limits.bulkBytesMax =
            isAllowed ? Int(UInt32.max) : call.configuration.protoMaxBulkLength
    }

    /// Takes over the directives that the executor keeps for itself.
    mutating func configurationChanged() {
        limits.bulkBytesMax = call.configuration.protoMaxBulkLength
        if call.configuration.maxMemory > 0 {
            call.raised.insert(.memory)
        } else {
            call.raised.remove(.memory)
        }
        call.countsAccesses = call.configuration.maxMemoryPolicy.countsAccesses
        call.clientMemoryLimit = call.configuration.clientMemoryLimit ?? .max
        call.updateNotifications()
        call.pool.removeAll()
        call.watch.configure(
            call.configuration, ticksPerMicrosecond: call.ticksPerMicrosecond)
        call.setTime(call.now)
    }

    /// Runs the complete requests of `input` for the client in `slot`.
    mutating func serve(
        _ input: Bytes, _ state: inout ParserState, client slot: Int, _ reply: inout Reply
    ) -> Served {
        let before = call.statistics.commands
        begin(slot, input.count, &reply)
        var cursor = 0
        var ticks = cp_ticks()
        var verdict = Served.Verdict.done
        while true {
            var failure: ProtocolError?
            batchStart = cursor
            let n = admitBatch(input, &cursor, &state, &failure)
            let done = executeBatch(input, n, &reply, &ticks)
            // What is left after the turn's time is for the next one, even if it is nothing.
            if ticks >= sliceEnd, n > 0, cursor < input.count { isFull = true }
            if done < n || isFull || !call.attention.isDisjoint(with: [.close, .blocked]) {
                cursor = done == 0 ? batchStart : Int(batch[done &- 1].end)
                Self.forgetParsedAhead(&state)
                verdict =
                    call.attention.contains(.close)
                    ? .close : call.attention.contains(.blocked) ? .blocked : .yielded
                break
            }
            // What came before a protocol error is answered; what came after is not read.
            if let failure {
                refuse(failure, &reply)
                verdict = .close
                break
            }
            if n == 0 { break }
        }
        finish(slot, commands: call.statistics.commands &- before)
        return Served(consumed: cursor, verdict: verdict)
    }

    /// Runs `request`, whose value is there; nil while words behind it are missing in `input`.
    mutating func serve(
        _ request: inout LargeRequest, _ input: Bytes, _ state: inout ParserState,
        client slot: Int, _ reply: inout Reply
    ) -> Served? {
        let before = call.statistics.commands
        begin(slot, request.bytes.count, &reply)
        parser.beginBatch()
        var cursor = 0
        if !state.isIdle {
            do throws(ProtocolError) {
                let n = try parser.next(input, &cursor, &slots, 0, limits, &state)
                if n == 0 { return nil }
                for i in 0..<n {
                    let start = Int(slots[i].offset), end = start + Int(slots[i].count)
                    request.append(word: input.extracting(start..<end))
                }
            } catch {
                refuse(error, &reply)
                return Served(consumed: cursor, verdict: .close)
            }
        }
        guard let count = request.finish(&slots) else {
            return Served(consumed: cursor, verdict: .close)
        }
        let database = call.session.database
        call.keyspace.databases[database].offered = request.blank
        batchStart = 0
        let args = arguments(request.bytes, 0, count, 0)
        admit(args, 0, first: 0, end: request.bytes.count, isWide: false)
        var ticks = cp_ticks()
        let done = executeBatch(request.bytes, 1, &reply, &ticks)
        if done > 0 {
            request.settle(isTaken: call.keyspace.databases[database].offered == nil)
        }
        call.keyspace.databases[database].offered = nil
        finish(slot, commands: call.statistics.commands &- before)
        let verdict: Served.Verdict =
            call.attention.contains(.close)
            ? .close : call.attention.contains(.blocked) ? .blocked : .done
        return Served(consumed: cursor, verdict: verdict)
    }

    /// Takes over what the client in `slot` wants, for `count` bytes of input.
    @inline(__always) private mutating func begin(
        _ slot: Int, _ count: Int, _ reply: inout Reply
    ) {
        call.session = call.clients[slot].session
        reply.version = call.session.version
        call.attention = call.session.replies == .on ? [] : .silence
        if count >= call.watch.requestBytes { call.attention.insert(.sizes) }
        if call.isObserved { call.attention.insert(.observed) }
        call.updateTouching()
        offsetBefore = call.propagation.offset
        replyStart = reply.out.count
        // A large reply calls for attention too.
        let isLate = replyStart > Self.replyBytesPerTurn || cp_ticks() >= sliceEnd
        replyShare = isLate ? Self.replyShareWhenLate : Self.replyShareMax
        replyStop = replyStart &+ min(replyShare, call.watch.replyBytes &- 1)
        reply.stop = replyStop
        isFull = false
    }

    /// What was parsed ahead of a batch that was cut short is parsed again.
    @inline(never) private static func forgetParsedAhead(_ state: inout ParserState) {
        state = ParserState()
    }

    private mutating func finish(_ slot: Int, commands: Int) {
        call.clients[slot].session = call.session
        call.clients[slot].lastActiveAt = call.now
        call.clients[slot].lastCommand = Int32(truncatingIfNeeded: call.command)
        call.clients[slot].commandCount &+= Int64(commands)
        let offset = call.propagation.offset
        if offset != offsetBefore { call.clients[slot].writeOffset = offset }
    }

    // MARK: - Parsing ahead

    /// Parses and admits up to sixteen requests; returns how many.
    @inline(__always) private mutating func admitBatch(
        _ input: Bytes, _ cursor: inout Int, _ state: inout ParserState,
        _ failure: inout ProtocolError?
    ) -> Int {
        parser.beginBatch()
        // Before authentication every request can change what the next one may be.
        limits.isAuthenticated = !call.session.raised.contains(.authentication)
        let most = limits.isAuthenticated ? Self.batchMax : 1
        let isWide = call.keyspace.databases[call.session.database].isWide
        var n = 0, used = 0
        while n < most {
            let count: Int
            do throws(ProtocolError) {
                count = try parser.next(input, &cursor, &slots, used, limits, &state)
            } catch {
                failure = error
                break
            }
            if count == 0 { break }
            admit(arguments(input, used, count, 0), n, first: used, end: cursor, isWide: isWide)
            used &+= count
            n &+= 1
            // An inline request, whose words lie elsewhere, is a batch of its own.
            if parser.isInline { break }
        }
        if isWide, n > 1 { prefetchRecords(n) }
        return n
    }

    @inline(never) private func prefetchRecords(_ n: Int) {
        let database = call.session.database
        for i in 0..<n { call.keyspace.databases[database].prefetchRecord(batch[i].hash) }
    }

    /// Whether connections that are ready in the same turn gain from `prefetchBucket`.
    var looksAhead: Bool { call.keyspace.hasWide }

    /// Asks for the bucket that the first request of `input`, from the client in `slot`, leads to;
    /// `prefetchRecord` goes on with what this returns, when others were asked for as well.
    @inline(never) mutating func prefetchBucket(_ input: Bytes, client slot: Int) -> UInt64? {
        let database = call.clients[slot].session.database
        guard call.keyspace.databases[database].isWide else { return nil }
        let count = parser.peek(input, &slots)
        guard count > 1 else { return nil }
        let args = unsafe arguments(input.address, 0, count, 0)
        guard let id = find(args.word(0)), call.commands.entries[id].hasKey else { return nil }
        let hash = call.keyspace.seed.hash(args[1])
        call.keyspace.databases[database].prefetchBucket(hash)
        return hash
    }

    func prefetchRecord(_ hash: UInt64, client slot: Int) {
        call.keyspace.databases[call.clients[slot].session.database].prefetchRecord(hash)
    }

    /// Finds the command, hashes the key and asks for its bucket.
    @inline(__always) private mutating func admit(
        _ args: borrowing Arguments, _ n: Int, first: Int, end: Int, isWide: Bool
    ) {
        var command = Request.unknown
        var hash: UInt64 = 0
        if let id = find(args.word(0)) {
            command = Int32(truncatingIfNeeded: id)
            let entry = call.commands.entries[id]
            if args.count > 1 {
                if entry.hasKey {
                    hash = call.keyspace.seed.hash(args[1])
                    if isWide {
                        call.keyspace.databases[call.session.database].prefetchBucket(hash)
                    }
                } else if entry.isContainer {
                    command = subcommand(of: id, args)
                }
            }
        }
        batch[n] = Request(
            first: Int32(truncatingIfNeeded: first), count: Int32(truncatingIfNeeded: args.count),
            command: command, end: UInt32(truncatingIfNeeded: end), hash: hash)
    }

    /// The position of a command, which most often is that of the request before.
    @inline(__always) private mutating func find(_ word: Word) -> Int? {
        if word.low == lastName.low, word.count == lastName.count, word.count <= 8 { return lastID }
        return findAnother(word)
    }

    @inline(never) private mutating func findAnother(_ word: Word) -> Int? {
        guard let id = call.commands.find(word) else { return nil }
        lastName = word
        lastID = id
        return id
    }

    @inline(never) private func subcommand(of id: Int, _ args: borrowing Arguments) -> Int32 {
        guard let sub = call.commands.find(args.word(1), in: id) else {
            return Request.unknownSubcommand
        }
        return Int32(truncatingIfNeeded: sub)
    }

    @inline(__always) private func arguments(
        _ input: Bytes, _ first: Int, _ count: Int, _ hash: UInt64
    ) -> Arguments {
        unsafe arguments(wordsStart(input), first, count, hash)
    }

    /// Where the words of the batch lie: in the input, or unquoted elsewhere.
    @inline(__always) @unsafe private func wordsStart(_ input: Bytes) -> UnsafeRawPointer {
        unsafe parser.isInline ? parser.scratch.address : input.address
    }

    @inline(__always) @unsafe private func arguments(
        _ start: UnsafeRawPointer, _ first: Int, _ count: Int, _ hash: UInt64
    ) -> Arguments {
        unsafe Arguments(
            base: start.assumingMemoryBound(to: UInt8.self),
            slots: UnsafePointer(slots.start + first), count: count, hash: hash)
    }

    // MARK: - Executing

    /// Runs the first `n` requests of the batch; returns how many ran.
    ///
    /// A function of its own, so that parsing and running do not compete for registers.
    @inline(never) private mutating func executeBatch(
        _ input: Bytes, _ n: Int, _ reply: inout Reply, _ ticks: inout UInt64
    ) -> Int {
        let start = unsafe wordsStart(input)
        var i = 0
        while i < n {
            let request = batch[i]
            let mark = reply.out.count
            unsafe execute(start, request, mark, &reply, &ticks)
            i &+= 1
            if !call.attention.isEmpty || reply.out.count > reply.stop {
                if call.attention == .propagation, reply.out.count <= reply.stop {
                    propagate(input, i &- 1)
                    continue
                }
                if attend(input, i &- 1, mark, &reply) {
                    if call.attention.contains(.held) { i &-= 1 }
                    break
                }
                // The next command does not pay for it.
                ticks = cp_ticks()
            }
        }
        call.statistics.commands &+= i
        return i
    }

    @inline(__always) @unsafe private mutating func execute(
        _ start: UnsafeRawPointer, _ request: Request, _ mark: Int, _ reply: inout Reply,
        _ ticks: inout UInt64
    ) {
        let id = Int(request.command)
        if id < 0 { return unsafe executeUnknown(start, request, mark, &reply, &ticks) }
        let args = unsafe arguments(
            start, Int(request.first), Int(request.count), request.hash)
        let entry = call.commands.entries[id]
        let refusals = entry.gates.intersection(call.raised.union(call.session.raised))
        if request.count < entry.arityMin || request.count > entry.arityMax || !refusals.isEmpty {
            if isRefused(id, refusals, args, &reply) { return }
        }
        call.command = id
        do throws(CommandError) {
            try entry.run(args, &call, &reply)
        } catch {
            fail(error, id, mark, &reply)
        }
        let now = cp_ticks()
        let spent = now &- ticks
        unsafe call.commandStatistics.noteCall(id, ticks: spent)
        ticks = now
        if spent >= call.watch.ticks {
            lastTicks = spent
            call.attention.insert(.duration)
        }
    }

    /// The name is not among the short ones.
    @inline(never) @unsafe private mutating func executeUnknown(
        _ start: UnsafeRawPointer, _ request: Request, _ mark: Int, _ reply: inout Reply,
        _ ticks: inout UInt64
    ) {
        let args = unsafe arguments(start, Int(request.first), Int(request.count), 0)
        var known = request
        guard let id = call.commands.findLong(args) else {
            return refuseUnknown(args, Int(request.command), &reply)
        }
        known.command = Int32(truncatingIfNeeded: id)
        if args.count > 1 {
            if call.commands.entries[id].hasKey { known.hash = call.keyspace.seed.hash(args[1]) }
            if call.commands.entries[id].isContainer { known.command = subcommand(of: id, args) }
        }
        if known.command < 0 { return refuseUnknown(args, Int(known.command), &reply) }
        unsafe execute(start, known, mark, &reply, &ticks)
    }

    /// Sees to what the command left behind; true when the batch ends here.
    @inline(never) private mutating func attend(
        _ input: Bytes, _ i: Int, _ mark: Int, _ reply: inout Reply
    ) -> Bool {
        if call.attention.contains(.held) { return true }
        reply.stop = replyStop
        if call.attention.contains(.transaction) {
            call.attention.remove(.transaction)
            runTransaction(&reply)
        }
        if call.attention.contains(.reload) { reload(&reply) }
        if call.attention.contains(.propagation) { propagate(input, i) }
        if call.attention.contains(.observed) { observe(input, i) }
        call.attention.remove(.refused)
        note(input, i, replyBytes: reply.byteCount(from: mark))
        if call.attention.contains(.changes) {
            call.deliverChanges()
            call.attention.remove(.changes)
            serveWaiters()
        }
        if call.attention.contains(.lists) {
            call.compressLists()
            call.attention.remove(.lists)
        }
        if call.attention.contains(.silence) { silence(mark, &reply) }
        if call.attention.contains(.ownPost) {
            // Messages to oneself come behind the reply of the command that caused them.
            call.attention.remove(.ownPost)
            call.takeOwnPost(&reply)
        }
        isFull = reply.byteCount(from: replyStart) > replyShare || cp_ticks() >= sliceEnd
        return isFull || !call.attention.isDisjoint(with: [.close, .blocked])
    }

    /// DEBUG LOADAOF.
    private mutating func reload(_ reply: inout Reply) {
        let session = call.session, attention = call.attention
        do throws(LoadError) {
            try reloadAppendOnlyFile()
            call.log.warning("Append Only File loaded by DEBUG LOADAOF")
            reply.ok()
        } catch {
            call.log.warning("\(error)")
            writeError(
                Array("ERR Error trying to load the AOF files, check server logs.".utf8), &reply)
        }
        call.session = session
        call.attention = attention.subtracting([.reload, .propagation])
    }

    /// Writes down what the request did.
    @inline(never) private mutating func propagate(_ input: Bytes, _ i: Int) {
        call.attention.remove(.propagation)
        let request = batch[i]
        let start = i == 0 ? batchStart : Int(batch[i &- 1].end)
        let args = arguments(input, Int(request.first), Int(request.count), request.hash)
        let end = Int(request.end)
        let isRaw =
            !parser.isInline && end &- start == args.byteCountAsArray && end <= input.count
            && input[start] == UInt8(ascii: "*")
        call.propagation.settle(
            args, raw: isRaw ? input.extracting(start..<end) : nil, in: call.session.database,
            isInTransaction: false)
    }

    /// Shows the request to whom it concerns, if it ran.
    private mutating func observe(_ input: Bytes, _ i: Int) {
        guard !call.attention.contains(.refused) else { return call.endCaching(after: -1) }
        let request = batch[i]
        let args = arguments(input, Int(request.first), Int(request.count), request.hash)
        call.observe(args, call.command)
        call.endCaching(after: call.command)
    }

    /// Keeps the request in the logs if it took long, or if it or its reply is large.
    private mutating func note(_ input: Bytes, _ i: Int, replyBytes: Int) {
        let isLong = call.attention.contains(.duration)
        call.attention.remove(.duration)
        let request = batch[i]
        let start = i == 0 ? batchStart : Int(batch[i &- 1].end)
        let requestBytes = Int(request.end) &- start
        guard request.command >= 0,
            isLong || requestBytes >= call.watch.requestBytes
                || replyBytes >= call.watch.replyBytes
        else { return }
        let args = arguments(input, Int(request.first), Int(request.count), request.hash)
        // What a client waits for counts when it has come.
        if isLong, !call.attention.contains(.blocked) {
            call.noteDuration(args, Int(request.command), ticks: lastTicks)
        }
        call.noteSizes(
            args, Int(request.command), requestBytes: requestBytes, replyBytes: replyBytes)
    }

    /// Takes back what a command replied whose client does not want to hear it.
    private mutating func silence(_ mark: Int, _ reply: inout Reply) {
        switch call.session.replies {
        case .on: call.attention.remove(.silence)
        case .off: reply.truncate(to: mark)
        case .skipNext:
            reply.truncate(to: mark)
            call.session.replies = .skip
        case .skip:
            reply.truncate(to: mark)
            call.session.replies = .on
        }
    }

    // MARK: - Refusing

    /// Whether the command does not run: wrong arity, or a gate is shut and does not open.
    @inline(never) private mutating func isRefused(
        _ id: Int, _ refusals: Gates, _ args: borrowing Arguments, _ reply: inout Reply
    ) -> Bool {
        call.attention.insert(.refused)
        let arity = call.commands.entries[id].arityMin...call.commands.entries[id].arityMax
        let error: CommandError
        if !arity.contains(Int32(truncatingIfNeeded: args.count)) {
            error = .wrongArity
        } else if refusals.contains(.authentication) {
            error = .noAuthentication
        } else if refusals.contains(.loading) {
            error = call.failed("LOADING Redis is loading the dataset in memory")
        } else if refusals.contains(.disk) {
            error = call.failed(call.diskFailure())
        } else if refusals.contains(.memory), !call.makeRoom() {
            error = .outOfMemory
        } else if refusals.contains(.listener) {
            error = call.failed(
                "ERR Can't execute '\(call.commands.fullName(id))': only (P|S)SUBSCRIBE / "
                    + "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context")
        } else if refusals.contains(.monitor) {
            error = call.failed("ERR Replica can't interact with the keyspace")
        } else if refusals.contains(.transaction),
            call.commands.entries[id].flags.contains(.noMulti)
        {
            error = call.failed("ERR Command not allowed inside a transaction")
        } else if refusals.contains(.pause) || refusals.contains(.pauseWrites) && mayWrite(id) {
            // Not refused, only not now.
            call.hold()
            return true
        } else if refusals.contains(.transaction) {
            call.enqueue(args, id)
            reply.simple("QUEUED")
            return true
        } else {
            if refusals.contains(.snapshot) { call.preserve(args, id) }
            call.attention.remove(.refused)
            return false
        }
        call.commandStatistics.noteRejection(id)
        if call.commands.fullName(id) == "exec" {
            call.takeTransaction()
            let reason = message(error, id).drop { $0 != UInt8(ascii: " ") }
            let text = Array("EXECABORT Transaction discarded because of:".utf8) + reason
            writeError(text, &reply)
            return true
        }
        call.abortTransaction()
        write(error, id, &reply)
        return true
    }

    /// Whether a command that a pause of writes concerns may write; EXEC does what is queued.
    private func mayWrite(_ id: Int) -> Bool {
        let writes: CommandFlags = [.write, .mayReplicate]
        if !call.commands.entries[id].flags.isDisjoint(with: writes) { return true }
        let queued = call.clients[call.session.slot].transaction?.flags ?? []
        return !queued.isDisjoint(with: writes)
    }

    /// No such command, or no such subcommand.
    @inline(never) private mutating func refuseUnknown(
        _ args: borrowing Arguments, _ code: Int, _ reply: inout Reply
    ) {
        if args[0].equalsIgnoringCase("post") || args[0].equalsIgnoringCase("host:") {
            return refuseBrowser()
        }
        call.attention.insert(.refused)
        call.abortTransaction()
        if code == Int(Request.unknownSubcommand) {
            let container = args[0].text.uppercased()
            var text = Array("ERR unknown subcommand '".utf8)
            text += args[1].firstBytes(128, before: 0)
            text += Array("'. Try \(container) HELP.".utf8)
            writeError(text, &reply)
        } else {
            var text = Array("ERR unknown command '".utf8)
            text += args[0].firstBytes(128, before: 0)
            text += Array("', with args beginning with: ".utf8)
            var shown = 0
            for i in 1..<max(args.count, 1) where shown < 128 {
                let word = args[i].firstBytes(128 - shown, before: 0)
                text += [UInt8(ascii: "'")] + word + [UInt8(ascii: "'"), UInt8(ascii: " ")]
                shown += word.count + 3
            }
            writeError(text, &reply)
        }
    }

    /// A web page has made a browser send its words here: nothing that follows may run.
    private mutating func refuseBrowser() {
        call.attention.insert(.close)
        // Whoever writes pages must not be able to fill the log.
        guard call.now - lastBrowserWarning >= 60_000 else { return }
        lastBrowserWarning = call.now
        let address = call.clients[call.session.slot].address
        call.log.warning(
            """
            A client at \(address) speaks HTTP (POST or Host:), as a browser does when a web page \
            tries to reach this server. The connection was closed.
            """)
    }

    @inline(never) private mutating func refuse(_ error: ProtocolError, _ reply: inout Reply) {
        guard call.session.replies == .on else { return }
        writeError(Array("ERR Protocol error: ".utf8) + error.message, &reply)
    }

    /// The command threw: nothing of its reply stays.
    @inline(never) mutating func fail(
        _ error: CommandError, _ id: Int, _ mark: Int, _ reply: inout Reply
    ) {
        reply.truncate(to: mark)
        call.commandStatistics.noteFailure(id)
        write(error, id, &reply)
    }

    mutating func write(_ error: CommandError, _ id: Int, _ reply: inout Reply) {
        writeError(message(error, id), &reply)
    }

    private func message(_ error: CommandError, _ id: Int) -> [UInt8] {
        if error == .text { return call.failure }
        var text = String(describing: error.message)
        if error.namesCommand { text += " '\(call.commands.fullName(id))' command" }
        return Array(text.utf8)
    }

    private mutating func writeError(_ text: [UInt8], _ reply: inout Reply) {
        call.statistics.errorReplies &+= 1
        if call.errorStatistics.note(text) {
            call.log.warning(
                """
                Errors are no longer counted by their codes, because there were more than 128 of \
                them. CONFIG RESETSTAT starts again.
                """)
        }
        reply.error(text)
    }
}
