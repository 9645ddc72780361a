import PicketConfig
import PicketCore
import PicketLinux
import Testing

@testable import picketd

struct ConfigurationReaderTests {
    private func found(_ reading: ConfigurationReader) throws -> (lines: [String], again: Bool) {
        var taken = reading.take()
        for _ in 0..<2000 where taken == nil {
            Worker.sleep(.milliseconds(5))
            taken = reading.take()
        }
        let (found, again) = try #require(taken)
        guard case .refused(let lines) = found else {
            Issue.record("read")
            return ([], again)
        }
        return (lines, again)
    }

    @Test func `nobody waits for a slow disk, and a wish meanwhile is taken up after it`() throws {
        let reading = try ConfigurationReader()
        let disk = try BoundedQueue<String>(capacity: 1)
        try reading.begin { .refused([disk.wait() ?? ""]) }
        #expect(reading.isUnderWay && reading.take() == nil)
        try reading.begin { .refused(["never"]) }
        #expect(disk.push("first"))
        var first = try found(reading)
        #expect(first.lines == ["first"] && first.again && !reading.isUnderWay)
        try reading.begin { .refused(["second"]) }
        first = try found(reading)
        #expect(first.lines == ["second"] && !first.again)
    }

    @Test(arguments: ["/dev/zero", "/proc", "/no/such/file"])
    func `what is no file is no configuration`(path: String) {
        var options = Options()
        options.configuration = path
        guard case .refused(let lines) = Startup.read(options) else {
            Issue.record("read")
            return
        }
        #expect(lines.count == 1 && lines[0].contains(path))
    }
}
