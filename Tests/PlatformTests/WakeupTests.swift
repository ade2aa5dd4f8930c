//  WakeupTests.swift — waking a thread that waits, and handing it messages.
import Testing

@testable import Platform

@Suite("Wakeup") struct WakeupTests {
    /// Waits for an event, again when a signal that another test sends to the process ends a wait.
    private func waitUntilReady(_ poller: inout Poller) -> Int {
        for _ in 0..<6 {
            let events = poller.wait(milliseconds: 10_000)
            if events > 0 { return events }
        }
        return 0
    }

    @Test func `a signal from another thread ends a wait`() throws {
        let wakeup = try Wakeup()
        var poller = try Poller()
        try poller.watch(wakeup.descriptor, token: 9)
        let thread = try WorkerThread.start(name: "signaller") { wakeup.signal() }
        #expect(waitUntilReady(&poller) == 1)
        #expect(poller[0].token == 9)
        thread.join()
        wakeup.signal()
        wakeup.drain()
        #expect(poller.wait(nanoseconds: 0) == 0)
        #expect(!wakeup.wait(timeoutMilliseconds: 0))
    }

    @Test func `a mailbox keeps every message and each sender's order`() throws {
        struct Message: Sendable { let sender: Int, number: Int }
        let mailbox = try Mailbox<Message>()
        let senders = 4, messages = 20_000
        for sender in 0..<senders {
            try WorkerThread.start(name: "sender \(sender)", stackBytes: 256 * 1024) {
                for number in 0..<messages {
                    mailbox.post(Message(sender: sender, number: number))
                }
            }.detach()
        }
        var poller = try Poller()
        try poller.watch(mailbox.wakeup.descriptor, token: 1)
        var next = [Int](repeating: 0, count: senders)
        var inOrder = true
        while next != [Int](repeating: messages, count: senders) {
            try #require(waitUntilReady(&poller) == 1)
            for message in mailbox.takeAll() {
                inOrder = inOrder && next[message.sender] == message.number
                next[message.sender] += 1
            }
        }
        #expect(inOrder)
        #expect(mailbox.takeAll().isEmpty)
    }

    @Test func `a receiver without an event loop waits for the first message`() throws {
        let requests = try Mailbox<Int>()
        let replies = try Mailbox<Int>()
        let worker = try WorkerThread.start(name: "worker") {
            while true {
                for request in requests.takeAll(waitingMilliseconds: -1) {
                    if request == 0 { return }
                    replies.post(request * 2)
                }
            }
        }
        requests.post(21)
        #expect(replies.takeAll(waitingMilliseconds: 10_000) == [42])
        requests.post(0)
        worker.join()
        #expect(replies.takeAll(waitingMilliseconds: 0).isEmpty)
    }

    @Test func `two mailboxes can share one wake-up`() throws {
        let wakeup = try Wakeup()
        let first = try Mailbox<Int>(wakeup)
        let second = try Mailbox<String>(wakeup)
        first.post(1)
        second.post("a")
        #expect(wakeup.wait(timeoutMilliseconds: 0))
        #expect(first.takeAll() == [1])
        #expect(second.takeAll() == ["a"])
    }
}
