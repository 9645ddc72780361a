import CPicket
import Foundation
import PicketRack
import Testing

/// Each is a pair of its own, of real processes.
@Suite(.besideAnother) enum EndToEnd {}

extension EndToEnd {
    /// The shipped scenarios, played by the programs that are shipped: real processes, real sockets,
    /// a simulated rack around them. What each of them expects stands in its own file.
    @Suite struct ScenarioTests {
        static let scenarios: [String] = {
            let files = try? FileManager.default.contentsOfDirectory(atPath: Program.scenarios)
            return (files ?? []).filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }
                .filter { $0 != "rack" && !$0.hasPrefix("pair") }.sorted()
        }()

        @Test func `there are scenarios`() {
            #expect(Self.scenarios.count > 25)
        }

        @Test(arguments: scenarios)
        func `a scenario ends as its file expects`(_ name: String) throws {
            let result = try Program.rack(name, "--json")
            let objects = try result.output.map(Program.object)
            let summary = try #require(objects.last)
            let story = result.output.suffix(60).joined(separator: "\n") + result.complaints
            #expect(summary["type"] as? String == "summary", "\(story)")
            #expect(summary["scenario"] as? String == name)
            #expect(summary["dual_active_ms"] as? Double == 0, "\(story)")
            #expect(result.status == 0, "\(story)")
        }
    }

    @Suite struct RackFileTests {
        private func refusal(_ files: [String: String], _ arguments: String...) throws -> String {
            let directory = FileManager.default.temporaryDirectory
                .appendingPathComponent("picket-\(UUID().uuidString)")
            try FileManager.default.createDirectory(
                at: directory, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: directory) }
            for (name, text) in files {
                try text.write(
                    to: directory.appendingPathComponent(name), atomically: true, encoding: .utf8)
            }
            let arguments = arguments.map { $0.replacingOccurrences(of: "@", with: directory.path) }
            let result = try Program.rack(arguments)
            #expect(result.status == 2)
            #expect(result.output.isEmpty)
            return result.complaints.replacingOccurrences(of: directory.path, with: "@")
        }

        @Test func `a mistake in a file is refused with its place`() throws {
            let scenario = "description: x\nsteps:\n  - do: crash north\nexpect: {}\n"
            let complaint = try refusal(
                ["bad.yaml": scenario], Program.scenarios + "/rack.yaml", "--scenario", "@/bad.yaml"
            )
            #expect(complaint.contains("@/bad.yaml:3:9"), "\(complaint)")
            #expect(complaint.contains("there is no node \"north\""), "\(complaint)")
        }

        @Test func `a rack whose configuration cannot be read is refused`() throws {
            let rack = "configuration: nowhere.yaml\n"
            let complaint = try refusal(["rack.yaml": rack], "@/rack.yaml", "--plain")
            #expect(complaint.contains("nowhere.yaml:1:1: the configuration file cannot be read"))
        }

        @Test(arguments: [
            ["rack", "--json", "no-such-scenario"], ["rack", "--json", "--repeat", "0", "demo"],
            ["status", "--json", "--no-such-option"], ["no-such-verb", "--json"],
            ["drill", "link", "9", "--for", "1s", "--json"],
        ])
        func `a wrong command line is refused in JSON where that was asked for`(
            arguments: [String]
        ) throws {
            let result = try Program.run("picket", arguments)
            #expect(result.status == 2)
            #expect(result.output.count == 1)
            let error = try Program.object(#require(result.output.last))
            #expect(error["type"] as? String == "error" && error["code"] as? String == "usage")
        }

        @Test func `the scenarios are listed in JSON as well`() throws {
            let names = try Program.rack("--list", "--json").output.map {
                try Program.object($0)["name"] as? String
            }
            #expect(names.contains("primary-killed"))
        }

        @Test func `a scenario that is not met fails with 1 and says why`() throws {
            let directory = FileManager.default.temporaryDirectory
            let file = directory.appendingPathComponent("picket-\(UUID().uuidString).yaml")
            defer { try? FileManager.default.removeItem(at: file) }
            try """
            description: What cannot be.
            steps:
              - when: takeovers 1
                within: 1500ms
            expect: { takeovers: 1 }
            """.write(to: file, atomically: true, encoding: .utf8)
            let result = try Program.rack(
                [Program.scenarios + "/rack.yaml", "--scenario", file.path])
            #expect(result.status == 1)
            #expect(result.output.contains { $0.contains("waited 1.5 s in vain for: takeovers 1") })
            #expect(result.output.contains { $0.contains("takeovers is 0, not 1") })
            // No terminal, no colour.
            #expect(!result.output.contains { $0.contains("\u{1B}") })
        }

        @Test func `a rack that ends leaves no process and no file`() throws {
            let directory = "/tmp/picket-test.\(UInt32.random(in: 0...UInt32.max))"
            let files = FileManager.default
            try files.createDirectory(atPath: directory, withIntermediateDirectories: true)
            defer { try? files.removeItem(atPath: directory) }
            let result = try Program.rack("handover-and-failback", "--temporary", directory)
            #expect(result.status == 0)
            #expect(try files.contentsOfDirectory(atPath: directory) == [])
            let left = try files.contentsOfDirectory(atPath: "/proc").filter {
                guard Int($0) != nil else { return false }
                let line = try? String(contentsOfFile: "/proc/\($0)/cmdline", encoding: .utf8)
                return line?.contains(directory) ?? false
            }
            #expect(left == [])
        }
    }

}

/// The programs, as they were built beside these tests.
enum Program {
    static let directory = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent()
    static let scenarios = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("scenarios").path

    struct Result {
        var status: Int32
        var output: [String]
        var complaints: String
    }

    static func rack(_ arguments: String...) throws -> Result { try rack(arguments) }

    static func rack(_ arguments: [String]) throws -> Result {
        try run("picket", ["rack"] + arguments)
    }

    static func run(_ program: String, _ arguments: [String]) throws -> Result {
        let files = FileManager.default
        let base = files.temporaryDirectory.appendingPathComponent("picket-\(UUID().uuidString)")
        let (output, complaints) = (base.path + ".out", base.path + ".err")
        defer {
            try? files.removeItem(atPath: output)
            try? files.removeItem(atPath: complaints)
        }
        let texts = [output, complaints].map { (path: String) in
            unsafe open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        }
        let nothing = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { for file in texts + [nothing] { close(file) } }
        // Foundation's Process breaks where two threads start programs again and again.
        let started = spawnSession(
            [directory.appendingPathComponent(program).path] + arguments,
            environment: ProcessInfo.processInfo.environment.map { "\($0)=\($1)" },
            input: nothing, output: texts[0], error: texts[1])
        let id = try #require(started)
        // A test's time limit would not end it, and would run while the test waits for its seat.
        let deadline = Date() + 120
        var status: Int32 = 0
        while unsafe waitpid(id, &status, WNOHANG) == 0 {
            if Date() > deadline {
                kill(id, Date() > deadline + 30 ? SIGKILL : SIGINT)
                Thread.sleep(forTimeInterval: 1)
            }
            usleep(1000)
        }
        #expect(Date() <= deadline, "\(program) \(arguments) hung")
        return Result(
            status: status & 0x7F == 0 ? status >> 8 : status & 0x7F,
            output: try String(contentsOfFile: output, encoding: .utf8)
                .split(separator: "\n").map(String.init),
            complaints: try String(contentsOfFile: complaints, encoding: .utf8))
    }

    static func object(_ line: String) throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
        return try #require(object as? [String: Any])
    }
}
