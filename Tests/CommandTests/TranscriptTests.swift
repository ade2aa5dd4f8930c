//  TranscriptTests.swift — the sessions of Tests/Transcripts, here and on a real server.
//
//  What is written there is what people may rely on; a real server, where there is one, keeps it
//  honest.
import TestSupport
import Testing

@Suite("Transcripts")
struct TranscriptTests {
    @Test func `there are transcripts, and every request has its reply`() {
        #expect(Transcript.all.count > 30)
        for transcript in Transcript.all {
            #expect(!transcript.steps.isEmpty, "\(transcript.testDescription)")
            #expect(transcript.steps.allSatisfy { !$0.request.isEmpty })
        }
    }

    @Test func `sessions go as written`() throws {
        let server = try EmbeddedServer()
        for transcript in Transcript.all {
            for version in transcript.versions {
                let client = try server.connect(version: version)
                for difference in try transcript.replay(on: client) {
                    Issue.record("RESP\(version) \(difference)")
                }
            }
        }
    }

    @Test(.enabled(if: PeerServer.exactBinary != nil, "no peer is installed"))
    func `sessions go the same way on a real server`() throws {
        let peer = try PeerServer()
        for transcript in Transcript.all where transcript.isCommon {
            for version in transcript.versions {
                let client = try RESPClient(port: peer.port, version: version)
                for difference in try transcript.replay(on: client) {
                    Issue.record("RESP\(version) \(difference)")
                }
            }
        }
    }
}
