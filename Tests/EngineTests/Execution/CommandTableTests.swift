//  CommandTableTests.swift — finding commands, and the page about them.
import Testing

@testable import Engine

@Suite("Command table") struct CommandTableTests {
    private func find(_ name: String, in table: borrowing CommandTable) throws -> Int {
        let id = table.find(Word(name))
        return try #require(id)
    }

    @Test func `every command is found by its name in any case`() {
        let table = CommandTable(Family.all)
        for (id, document) in table.documents.enumerated() {
            let spellings = [document.fullName, document.fullName.uppercased()]
            for spelling in spellings {
                let bytes = Array(spelling.utf8)
                let found = table.find(fullName: bytes.span)
                #expect(found == id)
            }
            let found = table.find(Word(document.name[0]))
            #expect(document.isSubcommand || found == id)
        }
    }

    @Test(arguments: ["", "g", "gett", "get\0", "get ", "a-name-longer-than-any-command-has", "|"])
    func `nothing else is found`(name: String) {
        let table = CommandTable(Family.all)
        let id = table.find(Word(name))
        #expect(id == nil)
        let bytes = Array(name.utf8)
        let fullID = table.find(fullName: bytes.span)
        #expect(fullID == nil)
    }

    @Test func `subcommands are found only inside their container`() throws {
        let table = CommandTable(Family.all)
        let client = try find("CLIENT", in: table), object = try find("OBJECT", in: table)
        let isContainer = table.entries[client].isContainer
        #expect(isContainer)
        let inside = table.find("GETNAME", in: client), outside = table.find("GETNAME", in: object)
        #expect(inside != nil)
        #expect(outside == nil)
        let top = table.find("GETNAME")
        #expect(top == nil)
    }

    @Test func `only commands that begin with a key hash word 1`() throws {
        let table = CommandTable(Family.all)
        for (name, hasKey) in [
            ("GET", true), ("MSET", true), ("RENAME", true), ("SCAN", false), ("OBJECT", false),
        ] {
            let entry = table.entries[try find(name, in: table)]
            #expect(entry.hasKey == hasKey, "\(name)")
        }
    }

    @Test func `arity bounds the number of words`() throws {
        let table = CommandTable(Family.all)
        let get = table.entries[try find("GET", in: table)]
        let set = table.entries[try find("SET", in: table)]
        #expect(get.arityMin == 2)
        #expect(get.arityMax == 2)
        #expect(set.arityMin == 3)
        #expect(set.arityMax == .max)
    }

    @Test func `the page names every command and its generator`() {
        let page = CommandDocumentation.markdown()
        #expect(page.hasPrefix("<!-- Generated"))
        for document in CommandTable(Family.all).documents where !document.isImplied {
            #expect(page.contains("### \(document.name.joined(separator: " "))\n"))
        }
    }
}
