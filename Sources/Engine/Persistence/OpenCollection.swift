//  OpenCollection.swift — a large collection that a snapshot writes element by element.
//
//  Elements that are about to change while the collection waits for its turn are written into a draft
//  of its own, behind what stands in front of the elements; when its turn comes the draft goes into
//  the file, and what was not written yet follows. An element's epoch tells which is which, so the
//  collection may grow, shrink and reorder meanwhile. Lists keep their order: theirs are the chunks
//  of `FrozenChunks`, and so do the blocks of streams, whose groups are frozen too (`FrozenGroup`).

final class OpenCollection {
    /// The database's number in the snapshot.
    let database: Int
    private let epoch: Epoch
    private let object: ObjectHandle
    private unowned let snapshot: Snapshot
    /// What deadlines of fields are counted from.
    private let base: Int64?
    /// Until its turn has come.
    private var draft = RDBDraft()
    private var hasTurn = false
    /// Its key is gone; the object goes with the snapshot.
    var isDoomed = false
    /// How far the table was walked.
    private var cursor: UInt64 = 0
    private var chunks = FrozenChunks()
    /// What stands between the blocks of a stream and its groups.
    private var middle = RDBDraft()
    private var groups: [FrozenGroup] = []
    private var firstGroup = 0
    /// Whether a stream's consumers are written with the times when they last got something.
    private var hasActiveTimes = false
    /// The last member of a sorted set that was walked over.
    private var lastScore = -Double.infinity
    private var lastMember: [UInt8]?
    private var isFinished = false

    private static var membersAtOnce: Int { 64 }

    /// Begins to write the value of `record`, whose key is written whole.
    init(
        _ record: Record, database: Int, _ epoch: Epoch, _ snapshot: Snapshot,
        _ heap: inout SlabAllocator
    ) {
        self.database = database
        self.epoch = epoch
        self.snapshot = snapshot
        object = ObjectHandle(record)
        base = record.kind == .hash ? record.hash.deadlineBase : nil
        draft.append(lifeOf: record, access: snapshot.access(record))
        draft.append(RDBDraft.type(of: record))
        draft.append(string: record.key)
        switch record.kind {
        case .hash: draft.appendHead(ofHash: record)
        case .list:
            chunks = record.list.freeze()
            draft.append(length: chunks.count)
        case .stream:
            chunks = record.stream.freeze()
            draft.append(length: chunks.count)
            middle.append(middleOf: record.stream)
            groups = record.stream.freezeGroups(&heap)
            hasActiveTimes = record.stream.isUneven
        default: draft.append(length: record.objectElementCount)
        }
        object.opened = self
    }

    /// Bytes that wait for the turn.
    var draftCount: Int { draft.count }

    /// Writes an element that is about to change.
    func write(_ element: Record) {
        guard element.isBefore(epoch) else { return }
        element.enter(epoch)
        if hasTurn {
            snapshot.stream { append(element, to: &$0) }
        } else {
            append(element, to: &draft)
        }
    }

    private func append(_ element: Record, to draft: inout RDBDraft) {
        switch object.kind {
        case .hash: draft.append(field: element, base: base)
        case .set: draft.append(member: element)
        case .sortedSet: draft.append(member: element, score: element.score)
        default: break
        }
    }

    /// The draft, whose turn has come; elements follow from now on.
    func takeTurn(_ out: inout RDBDraft) {
        guard !hasTurn else { return }
        hasTurn = true
        out.append(draft)
        draft = RDBDraft()
    }

    /// Writes some more elements to `out`; true when all are written.
    func step(_ out: inout RDBDraft, _ database: inout Database) -> Bool {
        switch object.kind {
        case .list: stepList(&out, &database)
        case .stream: stepStream(&out, &database)
        case .sortedSet: stepSortedSet(&out)
        default: stepTable(&out)
        }
        guard isFinished else { return false }
        object.opened = nil
        if isDoomed { database.release(object) }
        return true
    }

    private func stepTable(_ out: inout RDBDraft) {
        var left = Self.membersAtOnce
        repeat {
            cursor = object.table.scan(cursor) { element in
                guard element.isBefore(epoch) else { return }
                element.enter(epoch)
                append(element, to: &out)
                left -= 1
            }
        } while cursor != 0 && left > 0
        isFinished = cursor == 0
    }

    /// In order, so that whoever reads the file need not sort.
    private func stepSortedSet(_ out: inout RDBDraft) {
        var first = 0
        if let lastMember { first = object.sortedSet.rank(behind: lastScore, lastMember.span) }
        let count = object.sortedSet.count
        let end = min(first + Self.membersAtOnce, count)
        object.sortedSet.forEach(first..<max(first, end)) { score, element in
            if element.isBefore(epoch) {
                element.enter(epoch)
                out.append(member: element, score: score)
            }
            lastScore = score
            lastMember = element.key.array
        }
        isFinished = end == count
    }

    private func stepStream(_ out: inout RDBDraft, _ database: inout Database) {
        if !chunks.isEmpty {
            let block = StreamBlock(chunks.next().address)
            out.append(block: block)
            database.release(block)
        } else if middle.count > 0 {
            out.append(middle)
            middle = RDBDraft()
        } else if out.append(partOf: &groups[firstGroup], hasActiveTimes) {
            database.release(groups[firstGroup])
            firstGroup += 1
        }
        isFinished = chunks.isEmpty && middle.count == 0 && firstGroup == groups.count
    }

    private func stepList(_ out: inout RDBDraft, _ database: inout Database) {
        if !chunks.isEmpty {
            let (address, count) = chunks.next()
            ChunkedList.read(address) { run, isPlain in
                if isPlain { out.append(plain: run) } else { out.append(run: run, count: count) }
            }
            database.release(chunk: address)
        }
        isFinished = chunks.isEmpty
    }
}
