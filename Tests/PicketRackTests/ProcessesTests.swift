import CPicket
import Foundation
import PicketConfig
import PicketCore
import PicketHardware
import PicketRackClient
import Testing

@testable import PicketRack

struct LinesTests {
    @Test func `lines are taken as they become whole`() {
        var lines = Lines()
        #expect(lines.add(Array("on".utf8)[...]).isEmpty)
        #expect(
            lines.add(Array("e\n\ntwo\nth".utf8)[...]).map { String(decoding: $0, as: UTF8.self) }
                == ["one", "", "two"])
        #expect(lines.add(Array("ree\n".utf8)[...]) == [Array("three".utf8)])
    }
}

/// A loaded machine leaves a killed process unscheduled for long. The relay cuts all the same.
struct EndedProcessTests {
    @Test func `a process is at its end as soon as it is killed`() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sleep")
        process.arguments = ["60"]
        try process.run()
        let id = process.processIdentifier
        #expect(!picket_process_ended(id))
        kill(id, SIGSTOP)
        #expect(!picket_process_ended(id))
        kill(id, SIGKILL)
        #expect(picket_process_ended(id))
        process.awaitEnd()
        #expect(picket_process_ended(id))
    }

    @Test func `what has left the session of a killed leader is found below it`() throws {
        let leader = try #require(session("setsid sleep 61 & exec sleep 60"))
        defer { end(leader) }
        var child: pid_t?
        for _ in 0..<2000 where child == nil {
            usleep(1000)
            child = try escaped(from: leader)
        }
        let left = try #require(child)
        defer { kill(left, SIGKILL) }
        let other = try #require(session("exec sleep 60"))
        defer { end(other) }
        let leaders = [leader, other]
        #expect(Set(processes(of: leader, other: leaders)).isSuperset(of: [leader, left]))
        #expect(!processes(of: leader, other: leaders).contains(other))
        #expect(!processes(of: other, other: leaders).contains(left))
    }

    /// What nobody waits for keeps the testing library's look for ended processes busy to the end.
    private func end(_ child: pid_t) {
        kill(child, SIGKILL)
        waitpid(child, nil, 0)
    }

    private func escaped(from leader: pid_t) throws -> pid_t? {
        var table = [picket_process](repeating: picket_process(), count: 8192)
        let count = unsafe Int(picket_processes(&table, Int32(table.count)))
        return table[..<count].first { $0.parent == leader && $0.session == $0.id }?.id
    }

    private func session(_ script: String) -> pid_t? {
        spawnSession(
            ["/bin/sh", "-c", script], environment: ["PATH=/usr/bin:/bin"], input: 0, output: 1,
            error: 2)
    }
}

struct AgentTapTests {
    private static func entry(_ kind: String) -> String {
        #"{"time":"x","severity":"info","kind":"\#(kind)","text":"Text."}"# + "\n"
    }

    @Test func `a history is followed over its rotation`() throws {
        let fake = try FakeRack()
        let node = fake.rack[.low]
        let tap = AgentTap(of: node, controlSocket: "/nonexistent") { false }
        let path = node.stateDirectory + "/history.jsonl"
        try Self.entry("one").write(toFile: path, atomically: false, encoding: .utf8)
        fake.run(for: 60)
        let file = try #require(FileHandle(forWritingAtPath: path))
        try file.seekToEnd()
        // A line comes in two pieces.
        let text = Self.entry("two")
        try file.write(contentsOf: Data(text.utf8.prefix(20)))
        fake.run(for: 60)
        #expect(node.agent.kinds == ["one"])
        try file.write(contentsOf: Data(text.utf8.dropFirst(20)))
        fake.run(for: 60)
        try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
        try Self.entry("three").write(toFile: path, atomically: false, encoding: .utf8)
        fake.run(for: 90)
        #expect(node.agent.kinds == ["one", "two", "three"])
        withExtendedLifetime(tap) {}
    }
}

/// The devices of a node that is processes, reached as its agent reaches them.
struct RackServerTests {
    /// It talks in a thread of its own while the rack's loop runs.
    private final class Agent: @unchecked Sendable {
        private let path: String
        private let loop: EventLoop
        private(set) var heard: [String] = []

        init(path: String, loop: EventLoop) {
            self.path = path
            self.loop = loop
        }

        func talk() {
            do { try ask() } catch { heard.append("\(error)") }
            loop.stop()
        }

        private func ask() throws {
            let client = try RackClient(path: path)
            heard.append(try client.ask(.clock).text)
            heard.append(try client.ask(.getLine("EAST_OK")).text)
            heard.append(try client.ask(.openWatchdog(milliseconds: 0)).text)
            heard.append(try client.ask(.openWatchdog(milliseconds: 60_000)).text)
            heard.append("\(try client.ask(.links).text.split(separator: " ").count - 1) links")
            var bus = try RackBus(path: path, number: 1)
            heard.append("\(try bus.transaction(address: 0x48, write: [0], read: 2).count)")
            do { _ = try bus.transaction(address: 0x50, write: [0], read: 2) } catch {
                heard.append("\(error)")
            }
            var relay = try RackRelay(path: path, line: "RELAY_WEST")
            try relay.set(on: false, unlessAfter: .distantFuture)
            var sense = try RackSense(path: path, line: "WEST_OK")
            heard.append("\(try sense.read())")
        }
    }

    @Test func `an agent finds its devices behind the socket`() throws {
        let directory = "/tmp/picket-test.\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        let programs = RackPrograms(picketd: "/nonexistent", workload: "/nonexistent")
        let rack = try Rack(
            plan: try Example.plan("contact_delay: 0s\n"), of: Processes(programs),
            directory: directory)
        defer { rack.remove(keepDirectory: false) }
        rack.perform(.sensorFault(.low, "inlet", .stuck))
        let path = directory + "/east/rack.sock"
        let agent = Agent(path: path, loop: rack.loop)
        rack.loop.after(.seconds(20)) { rack.loop.stop() }
        rack.loop.after(.zero) { Thread { agent.talk() }.start() }
        rack.loop.run()
        #expect(
            agent.heard == [
                "ok 0", "error no line EAST_OK on east", "error a timeout of 0 ms", "ok 60000",
                "2 links", "2", "nak(address: 80)", "false",
            ])
        #expect(rack[.low].body.watchdog?.timeout == .seconds(60))
        #expect(!rack.relays.first { $0.plan.line == "RELAY_WEST" }!.contact)
    }
}

struct WorkloadLogTests {
    @Test func `a record that is torn is damage, and what is not whole yet waits`() throws {
        let path = "/tmp/picket-test.\(UInt32.random(in: 0 ... .max)).log"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let log = try #require(WorkloadLog(path: path))
        let file = try #require(FileHandle(forWritingAtPath: path))
        let record = Example.record(Instant(nanoseconds: 7), "east", "g", 9)
        try file.write(contentsOf: Data(record + record.prefix(50)))
        #expect(log.newRecords().map(\.process) == [9])
        #expect(log.newRecords().isEmpty && log.damaged == 0)
        try file.write(contentsOf: Data(record.dropFirst(50)))
        #expect(log.newRecords().count == 1)
        try file.write(contentsOf: Data(repeating: 0x20, count: 128))
        #expect(log.newRecords().isEmpty && log.damaged == 1)
    }
}

struct SimulatedDiskTests {
    @Test func `a full disk cannot be written to, and is given back`() throws {
        let path = "/tmp/picket-test.\(UInt32.random(in: 0 ... .max))"
        let files = FileManager.default
        try files.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? files.removeItem(atPath: path) }
        func mode() throws -> Int {
            (try files.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue
                ?? 0
        }
        let disk = SimulatedDisk(path: path, small: false)
        disk.fill()
        #expect(try mode() & 0o222 == 0)
        disk.remove()
        #expect(try mode() & 0o200 != 0)
    }
}
