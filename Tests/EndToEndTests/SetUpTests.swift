import CPicket
import Foundation
import PicketConfig
import PicketCore
import PicketHardware
import PicketLinux
import PicketRack
import Testing

@testable import picket

struct SetUpTests {
    private let directory = FileManager.default.temporaryDirectory
        .appendingPathComponent("picket-\(UUID().uuidString)").path

    private func load(_ lines: [String]) throws -> Configuration {
        let text = lines.joined(separator: "\n") + "\n"
        return try Configuration.load(Array(text.utf8), file: "draft.yaml")
    }

    private func put(_ files: [String: String]) throws {
        for (name, text) in files {
            let path = URL(fileURLWithPath: directory + "/" + name)
            try FileManager.default.createDirectory(
                at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: path, atomically: true, encoding: .utf8)
        }
    }

    @Test func `the draft for a machine is a valid configuration that fences nobody`() throws {
        let settings = try load(DraftConfiguration().lines())
        #expect(settings.fence.isEmpty)
        #expect(settings.groups.isEmpty)
    }

    @Test func `what the draft suggests is a sensor once it is uncommented`() throws {
        let draft = try DraftConfiguration().lines().filter { !$0.hasPrefix("sensors:") }
        let section = DraftConfiguration.sensors([
            "#   cpu_temp1: { driver: hwmon, chip: cpu, input: temp1 }", "# bus 1: bcm2835",
        ])
        #expect(try load(draft + section).sensors.isEmpty)
        let uncommented = section.prefix(3).map { String($0.dropFirst(min($0.count, 2))) }
        #expect(try load(draft + uncommented).sensors.map(\.name) == ["cpu_temp1"])
    }

    @Test func `a draft that cannot be written says why, and replaces nothing`() throws {
        try put(["there.yaml": "mine"])
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let nowhere = try Program.run("picket", ["init", "--output", directory + "/no/draft.yaml"])
        #expect(nowhere.status == 1)
        #expect(nowhere.complaints.contains("No such file or directory"), "\(nowhere)")
        let there = try Program.run("picket", ["init", "--output", directory + "/there.yaml"])
        #expect(there.complaints.contains("is there already"), "\(there)")
        #expect(try String(contentsOfFile: directory + "/there.yaml", encoding: .utf8) == "mine")
    }

    @Test func `of two board files with one name the first directory's is meant`() throws {
        try put(["own/a.yaml": "own", "shipped/a.yaml": "shipped", "shipped/b.yaml": "shipped"])
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let boards = BoardFiles(in: [
            directory + "/own", directory + "/none", directory + "/shipped",
        ])
        let found = boards.library.files.filter { $0.name != "simulated" }
        #expect(found.map(\.path) == ["\(directory)/own/a.yaml", "\(directory)/shipped/b.yaml"])
    }

    @Test func `a key that root makes is the agent's, and doctor says where one is not`() throws {
        try put(["key": "a"])
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = directory + "/key"
        let agent = try #require(AgentUser("nobody"))
        #expect(AgentUser("no-such-user") == nil)
        let descriptor = unsafe picket_open_file(path, O_RDWR, 0)
        defer { close(descriptor) }
        #expect(agent.take(descriptor))
        var status = stat()
        unsafe stat(path, &status)
        #expect(status.st_uid == (geteuid() == 0 ? agent.user : geteuid()))
        // As one who may not give it away leaves it.
        if geteuid() == 0 { unsafe chown(path, 0, 0) }
        var findings = Findings()
        DoctorCommand.lookAtOwner(path, agent, &findings)
        #expect(findings.all.map(\.verdict) == [.bad])
        #expect(findings.all[0].remedy == "chown nobody:nobody \(path)")
    }

    @Test func `picketd says before it starts that it would not, for want of its key`() throws {
        let configuration = directory + "/picket.yaml"
        let text = try DraftConfiguration().lines().joined(separator: "\n")
            .replacing("/etc/picket/pair.key", with: directory + "/pair.key")
            .replacing("watchdog: { timeout: 10s }", with: "watchdog: none")
        try put(["picket.yaml": text])
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let without = try Program.run("picketd", ["--check", "--config", configuration])
        #expect(without.status == 1)
        #expect(without.complaints.contains(directory + "/pair.key"), "\(without)")
        let made = try Program.run("picket", ["keygen", directory + "/pair.key"])
        #expect(made.output.contains { $0.contains("chown picket:picket \(directory)/pair.key") })
        let with = try Program.run("picketd", ["--check", "--config", configuration])
        #expect(with.status == 0, "\(with)")
    }

    @Test func `picketd says before it replaces an agent that its file changes what runs`() throws {
        let configuration = directory + "/picket.yaml"
        let text = try DraftConfiguration().lines().joined(separator: "\n")
            .replacing("/etc/picket/pair.key", with: directory + "/pair.key")
            .replacing("watchdog: { timeout: 10s }", with: "watchdog: none")
        try put([
            "picket.yaml": text + "\ndirectories: { run: \(directory)/run }\n", "run/none": "",
        ])
        defer { try? FileManager.default.removeItem(atPath: directory) }
        _ = try Program.run("picket", ["keygen", directory + "/pair.key"])
        func check() throws -> Program.Result {
            try Program.run("picketd", ["--check", "--config", configuration])
        }
        #expect(try check().status == 0)
        let note = RunNoteFile(
            path: directory + "/run/note", boot: try BootID.read(), groups: ["gateway"])
        try note.store(
            RunNote(
                holdings: [Holding(group: 0, term: Term(3))], terms: [Term(3)], contact: true,
                clockOffset: nil))
        let refused = try check()
        #expect(refused.status == 2, "\(refused)")
        #expect(refused.complaints.contains("expected gateway as well"), "\(refused)")
    }

    @Test func `doctor's remedy is for what is wrong`() throws {
        try put(["directory.yaml/x": ""])
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let missing = try Program.run("picket", ["doctor", "--config", directory + "/none.yaml"])
        #expect(missing.status == 4)
        #expect(missing.output.contains { $0.contains("picket init --output \(directory)/none") })
        for name in ["none.yaml", "directory.yaml"] {
            let result = try Program.run("picket", ["doctor", "--config", directory + "/" + name])
            #expect(!result.output.contains { $0.contains("systemctl start") }, "\(result)")
        }
    }
}
