import Glibc
import PicketConfig
import PicketCore
import PicketLinux
import Testing

@testable import picketd

struct ConfigurationReaderTests {
    private func found(_ reader: ConfigurationReader) throws -> String {
        var taken = reader.take()
        for _ in 0..<2000 where taken == nil {
            Worker.sleep(.milliseconds(5))
            taken = reader.take()
        }
        reader.goOn()
        guard case .refused(let lines) = try #require(taken).found else { return "read" }
        return lines[0]
    }

    @Test func `nobody waits for a slow disk, and a wish meanwhile is taken up after it`() throws {
        let disk = try BoundedQueue<String>(capacity: 2)
        let reader = try ConfigurationReader { _ in .refused([disk.wait() ?? ""]) }
        reader.ask(.reload)
        #expect(reader.isReloading && reader.take() == nil)
        for _ in 0..<3 { reader.ask(.reload) }
        #expect(disk.push("first") && disk.push("second"))
        #expect(try found(reader) == "first")
        #expect(reader.isReloading)
        #expect(try found(reader) == "second")
        #expect(!reader.isReloading && reader.take() == nil)
    }

    @Test(arguments: ["/dev/zero", "/proc", "/no/such/file"])
    func `what is no file is no configuration`(path: String) {
        var options = Options()
        options.configuration = path
        guard
            case .refused(let lines) = Startup.read(
                options, Hardware(), KeptLines(), for: .reload)
        else {
            Issue.record("read")
            return
        }
        #expect(lines.count == 1 && lines[0].contains(path))
    }

    private func code(_ path: String) -> Int32? {
        var options = Options()
        options.configuration = path
        do throws(StartupError) {
            _ = try Startup.load(options, Hardware())
            return nil
        } catch { return error.code }
    }

    @Test func `an agent whose configuration or key is not there yet is started again`() throws {
        #expect(code("/no/such/file") == ExitCode.failed)
        // A read that fails, as on a disk with bad blocks.
        #expect(code("/proc") == ExitCode.failed)
        let path = "/tmp/picket-\(getpid())-wrong.yaml"
        try DurableFile.replace(path, with: Array("pair: 1\n".utf8), durable: false)
        defer { try? DurableFile.remove(path) }
        #expect(code(path) == ExitCode.wrong)
        do throws(StartupError) {
            _ = try Startup.keys(["/no/such/key"])
            Issue.record("a key out of nothing")
        } catch { #expect(error.code == ExitCode.failed) }
    }
}
