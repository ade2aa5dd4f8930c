//  LogTests.swift — the lines of the log.
import Logging
import Platform
import Testing

@testable import Engine

@Suite("Log") struct LogTests {
    private func line(_ text: String, _ level: Logger.Level, at milliseconds: Int64) -> String {
        let time = LocalTime(unixMilliseconds: milliseconds)
        let bytes = RedisLineHandler.line(text, level: level, processID: 42, at: time)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func `a line has process, role, time, level and text`() throws {
        let text = line("Ready to accept connections tcp", .notice, at: 1_000_000_000_007)
        let expected = /42:M \d\d Sep 2001 \d\d:\d\d:40\.007 \* Ready to accept connections tcp\n/
        #expect(try expected.wholeMatch(in: text) != nil, "\(text)")
    }

    @Test(arguments: [
        (Logger.Level.debug, "."), (.info, "-"), (.notice, "*"), (.warning, "#"), (.error, "#"),
    ])
    func `each level has its sign`(level: Logger.Level, sign: String) {
        #expect(line("x", level, at: 0).hasSuffix(" \(sign) x\n"))
    }

    @Test func `no text forges a second line`() {
        let text = line("a\nb\r\u{1B}[31m", .notice, at: 0)
        #expect(text.hasSuffix(" * a b  [31m\n"))
    }

    @Test func `times before 1970 have milliseconds that count up`() {
        #expect(LocalTime(unixMilliseconds: -1).millisecond == 999)
    }

    @Test func `a file is appended to, also after somebody moved it away`() throws {
        let directory = try TemporaryDirectory()
        var configuration = Configuration()
        configuration.directory = directory.path
        configuration.logFile = "log"
        configuration.logLevel = .warning
        let logger = try RedisLineHandler.logger(for: configuration)
        logger.notice("hidden")
        logger.warning("one", metadata: ["k": "v"])
        let file = directory.path + "/log"
        let first = try FileSystem.read(file, bytesMax: 1000)
        #expect(String(decoding: first, as: UTF8.self).hasSuffix(" # one k=v\n"))
        FileSystem.remove(file)
        logger.warning("two")
        let second = try FileSystem.read(file, bytesMax: 1000)
        #expect(second.filter { $0 == 10 }.count == 1)
    }

    @Test func `loglevel nothing silences warnings`() throws {
        let directory = try TemporaryDirectory()
        var configuration = Configuration()
        configuration.logFile = directory.path + "/log"
        configuration.logLevel = .nothing
        let logger = try RedisLineHandler.logger(for: configuration)
        logger.warning("x")
        #expect(try FileSystem.read(configuration.logFile, bytesMax: 10).isEmpty)
    }

    @Test func `a log file that cannot be opened is an error of the configuration`() {
        var configuration = Configuration()
        configuration.logFile = "/nonexistent/log"
        let error = configurationError { _ = try RedisLineHandler.logger(for: configuration) }
        #expect(error?.hasSuffix("Can't open the log file: No such file or directory") == true)
    }

    @Test func `the start names directives that were set in vain`() throws {
        let directory = try TemporaryDirectory()
        var configuration = Configuration()
        try configuration.load(text: "io-threads 4\nlogfile \(directory.path)/log\n")
        let logger = try RedisLineHandler.logger(for: configuration)
        LifecycleText.logStart(of: configuration, to: logger)
        LifecycleText.logReady(port: 7, tcp: true, unix: true, eventLoop: "epoll", to: logger)
        let bytes = try FileSystem.read(directory.path + "/log", bytesMax: 10_000)
        let text = String(decoding: bytes, as: UTF8.self)
        for words in [
            "Martlet is starting", "Configuration loaded", "'io-threads' has no effect",
            " PID: \(SystemInformation.processID)", "Server initialized",
            "* Ready to accept connections tcp", "* Ready to accept connections unix",
        ] {
            #expect(text.contains(words), "\(words)")
        }
    }
}
