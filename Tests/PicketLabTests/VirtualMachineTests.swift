/// A node that is a virtual machine, with the test in the place of QEMU and of the guest's courier.
import CPicket
import Foundation
import PicketCore
import Testing

@testable import PicketLab
@testable import PicketRack

private final class Lab {
    let directory = "/tmp/picket-test.\(UInt32.random(in: 0 ... .max))"
    let rack: Rack
    private(set) var events: [RackEvent] = []
    private var sockets: [Int32] = []

    init() throws {
        let files = FileManager.default
        for name in ["kit", "rack"] {
            try files.createDirectory(
                atPath: "\(directory)/\(name)", withIntermediateDirectories: true)
        }
        for name in ["vmlinux", "state.img", "accel", "tools", "guest.cpio"] {
            try Data("tcg\n".utf8).write(to: URL(fileURLWithPath: "\(directory)/kit/\(name)"))
        }
        let scenarios = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../scenarios/lab/rack.yaml").standardized.path
        let kit = try LabKit(directory: directory + "/kit")
        rack = try Rack(
            plan: try RackFile.load(path: scenarios), of: VirtualMachines(kit),
            directory: directory + "/rack")
        rack.listen { [weak self] in self?.events.append($0) }
    }

    deinit {
        for socket in sockets { close(socket) }
        rack.remove(keepDirectory: false)
        try? FileManager.default.removeItem(atPath: directory)
    }

    var kinds: [String] { events.map(\.kind) }

    func path(_ name: String) -> String { "\(directory)/rack/\(name)" }

    func run() { rack.loop.run(for: .milliseconds(20)) }

    /// QEMU's end of a network card.
    func card(_ name: String) throws -> Int32 {
        let socket = unsafe picket_unix_datagram(path(name))
        try #require(socket >= 0)
        sockets.append(socket)
        return socket
    }

    func courier(of node: String) throws -> Int32 {
        let socket = picket_unix_stream()
        sockets.append(socket)
        try #require(unsafe picket_unix_connect(socket, path(node + "/courier")) == 0)
        return socket
    }

    func say(_ text: String, to socket: Int32) {
        let bytes = Array(text.utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe write(socket, $0.baseAddress, $0.count) }
        run()
    }

    func heard(_ socket: Int32) -> String? {
        run()
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe recv(socket, $0.baseAddress, $0.count, picket_msg_dontwait)
        }
        return count >= 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}

extension EventLoop {
    fileprivate func run(for span: Duration) {
        after(span) { [unowned self] in stop() }
        run()
    }
}

struct VirtualMachineTests {
    private let lab: Lab
    private var rack: Rack { lab.rack }
    private var east: SimulatedNode { lab.rack[.low] }

    init() throws { lab = try Lab() }

    private func send(_ text: String, from socket: Int32, to name: String) {
        let bytes = Array(text.utf8)
        let sent = unsafe bytes.withUnsafeBytes {
            unsafe picket_unix_send_to(socket, lab.path(name), $0.baseAddress!, $0.count)
        }
        #expect(sent == bytes.count)
    }

    @Test func `a cable carries frames both ways, and may be cut one way`() throws {
        let (low, high) = (try lab.card("east/net.0"), try lab.card("west/net.0"))
        send("to west", from: low, to: "east/switch.0")
        #expect(lab.heard(high) == "to west")
        send("to east", from: high, to: "west/switch.0")
        #expect(lab.heard(low) == "to east")
        rack.perform(.link(0, to: .high, .cut))
        send("lost", from: low, to: "east/switch.0")
        #expect(lab.heard(high) == nil)
        send("not lost", from: high, to: "west/switch.0")
        #expect(lab.heard(low) == "not lost")
    }

    @Test func `a record that comes by the evidence's network is dated by the rack`() throws {
        let card = try lab.card("east/net.evidence")
        let fields = [("7", 20), ("east", 32), ("gateway", 32), ("1", 20), ("9", 10)]
        let record = fields.map { $0.0.padding(to: $0.1) }.joined(separator: " ") + "   b     \n"
        let headers: [UInt8] =
            [UInt8](repeating: 0, count: 12) + [8, 0]
            + [0x45, 0, 0, 156, 0, 0, 0x40, 0, 1, 17, 0, 0, 192, 168, 255, 10, 239, 77, 0, 1]
            + [0x80, 0, 0x1E, 0x61, 0, 136, 0, 0]
        let before = rack.loop.now
        send("no record", from: card, to: "evidence")
        let frame = headers + Array(record.utf8)
        _ = unsafe frame.withUnsafeBytes {
            unsafe picket_unix_send_to(card, lab.path("evidence"), $0.baseAddress!, $0.count)
        }
        lab.run()
        #expect(rack.evidence.activities.map(\.node) == ["east"])
        #expect(rack.evidence.activities[0].first >= before)
    }

    @Test func `the courier tells of the agent`() throws {
        let courier = try lab.courier(of: "east")
        lab.say(
            "ready 1\nagent 77\nstatus {\"type\":\"status\",\"phase\":\"paired\"}\n", to: courier)
        #expect(east.state == .running)
        #expect(east.agent.phase == "paired")
        let entry = #"history {"time":"x","severity":"notice","kind":"joined","text":"Text."}"#
        // After each boot the courier tells the history from its beginning.
        lab.say(entry + "\n" + entry + "\n", to: courier)
        #expect(east.agent.kinds == ["joined"])
        lab.say("exit 9\n", to: courier)
        #expect(!east.agent.isAnswering)
        #expect(lab.events.last?.text == "east has lost its agent: signal 9")
    }

    @Test func `the courier does what is asked, and answers by number`() throws {
        let courier = try lab.courier(of: "east")
        lab.run()
        rack.perform(.run(.low, "uname -r"))
        #expect(lab.heard(courier) == "run 1 uname -r\n")
        #expect(rack.commandsUnderWay == 1)
        lab.say("reply 1 6.1\nend 1 3\n", to: courier)
        #expect(rack.commandsUnderWay == 0)
        #expect(rack.failedCommand == "east: uname -r ends with status 3: 6.1")
        #expect(lab.events.contains { $0.kind == "machine_said" && $0.text == "6.1" })
        rack.perform(.command(.low, "handover"))
        #expect(lab.heard(courier) == "ask 2 handover\n")
        lab.say("reply 2 {\"accepted\":false,\"text\":\"No.\"}\nend 2 0\n", to: courier)
        #expect(lab.kinds.last == "command_refused_reply" && lab.events.last?.text == "No.")
        rack.perform(.workload(.low, group: "gateway", verb: "stop", behaviour: "hang"))
        #expect(lab.heard(courier) == "put /run/picket-faults/east.gateway.stop 68616e67\n")
        rack.perform(.workload(.low, group: "gateway", verb: "stop", behaviour: ""))
        #expect(lab.heard(courier) == "remove /run/picket-faults/east.gateway.stop\n")
        rack.perform(.key(.low, right: false))
        let put = try #require(lab.heard(courier))
        #expect(put.hasPrefix("put /etc/picket/pair.key ") && put.utf8.count == 25 + 64 + 1)
    }

    @Test func `the agents are given the places of a real node`() throws {
        let text = try String(contentsOfFile: lab.path("east/picket.yaml"), encoding: .utf8)
        for place in ["/etc/picket/pair.key", "udp:239.77.0.1:7777", "/usr/bin/picket-workload"] {
            #expect(text.contains(place))
        }
        #expect(!text.contains("@"))
    }
}
