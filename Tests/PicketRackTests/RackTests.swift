import Foundation
import PicketCore
import PicketRackClient
import Testing

@testable import PicketRack

/// A rack in a directory of its own, with nodes that do what the test says.
final class FakeRack {
    let nodes: FakeNodes
    let rack: Rack
    private(set) var events: [RackEvent] = []

    init(patience: Int = 1) throws {
        let directory = "/tmp/picket-test.\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        nodes = FakeNodes(patience: patience)
        rack = try Rack(plan: try Example.plan(), of: nodes, directory: directory)
        rack.listen { [weak self] in self?.events.append($0) }
    }

    deinit { rack.remove(keepDirectory: false) }

    func body(_ id: NodeID) -> FakeBody { nodes.bodies[Int(id.rawValue)] }

    func run(for milliseconds: Int64 = 20) { rack.loop.run(for: .milliseconds(milliseconds)) }

    var kinds: [String] { events.map(\.kind) }

    /// A record of the group's process on a node.
    func record(_ node: String, _ process: Int, _ kind: String = "a", term: Int = 1) throws {
        let bytes = Example.record(rack.loop.now, node, "gateway", process, kind, term: term)
        rack.take(try #require(Record(bytes[...])))
    }

    func status(_ id: NodeID, phase: String, contact: String = "established", gap: String? = nil) {
        let gap = gap.map { "\"\($0)\"" } ?? "null"
        let line = """
            {"type":"status","phase":"\(phase)","contact":"\(contact)","armed":true,"health":90,\
            "fence":{"gap":\(gap)},"sensors":[{"name":"inlet","state":"warn"}]}
            """
        rack[id].agent.take(status: Array(line.utf8))
    }
}

struct RackTests {
    private let fake: FakeRack
    private var rack: Rack { fake.rack }
    private var east: SimulatedNode { fake.rack[.low] }
    private var west: SimulatedNode { fake.rack[.high] }

    init() throws { fake = try FakeRack() }

    private func cutEast() -> RackAnswer { rack.setLine("RELAY_EAST", on: false, by: west) }

    // MARK: - Power

    @Test func `the rail is off only when nothing of the node is left`() {
        east.switchOn()
        #expect(east.state == .running && fake.body(.low).log == ["boot: power on"])
        let body = fake.body(.low)
        body.isGone = false
        #expect(cutEast() == .done)
        fake.run()
        #expect(east.state == .off && body.log.last == "loses power")
        #expect(rack.getLine("EAST_OK", by: west) == .ok(["on"]))
        #expect(!fake.kinds.contains("rail_off"))
        body.isGone = true
        fake.run()
        #expect(rack.getLine("EAST_OK", by: west) == .ok(["off"]))
        #expect(fake.kinds.contains("rail_off"))
        #expect(rack.tally.fenceCount == 1 && rack.tally.edges == 1)
    }

    @Test func `power that comes back while the old life still dies boots a new one only then`() {
        east.switchOn()
        fake.body(.low).isGone = false
        _ = cutEast()
        fake.run()
        _ = rack.setLine("RELAY_EAST", on: true, by: west)
        fake.run()
        #expect(east.state == .off && east.draining)
        fake.body(.low).isGone = true
        fake.run()
        #expect(east.state == .running && east.boots == 2)
    }

    @Test func `a node that dies lets go of the relay that it drives`() {
        east.switchOn()
        west.switchOn()
        _ = rack.setLine("RELAY_WEST", on: false, by: east)
        fake.run()
        #expect(west.state == .off)
        // A normally closed relay connects again.
        east.cutMains()
        fake.run()
        #expect(west.state == .running)
    }

    @Test func `a node of which nobody has said so is not switched on`() {
        _ = cutEast()
        _ = rack.setLine("RELAY_EAST", on: true, by: west)
        fake.run()
        #expect(east.state == .off && fake.body(.low).log.isEmpty)
    }

    @Test func `a crash is of a node that runs`() {
        east.crash()
        #expect(fake.body(.low).log.isEmpty)
        east.switchOn()
        fake.status(.low, phase: "paired")
        east.crash()
        #expect(east.state == .crashed && !east.agent.isAnswering)
        // It has its power all the while.
        #expect(rack.getLine("EAST_OK", by: west) == .ok(["on"]))
    }

    @Test func `feedback may lie, and what it shows is the rail all the same`() {
        east.switchOn()
        let relay = east.relays[0]
        relay.feedback = .inverted
        #expect(rack.getLine("EAST_OK", by: west) == .ok(["off"]))
        relay.feedback = .saysOff
        #expect(rack.getLine("EAST_OK", by: west) == .ok(["off"]))
        relay.feedback = .saysOn
        _ = cutEast()
        fake.run()
        #expect(east.state == .off)
        #expect(rack.getLine("EAST_OK", by: west) == .ok(["on"]))
    }

    @Test func `a node reaches its own lines alone`() {
        guard case .error = rack.setLine("RELAY_EAST", on: false, by: east) else {
            Issue.record("east moved its own relay")
            return
        }
        guard case .error = rack.getLine("WEST_OK", by: west) else {
            Issue.record("west read a line of east's")
            return
        }
        #expect(rack.getLine("RELAY_EAST", by: west) == .ok(["on"]))
    }

    // MARK: - Evidence and what agents say

    @Test func `a group is active where its process says so, while that node runs`() throws {
        east.switchOn()
        try fake.record("east", 1, "b")
        #expect(rack.active("gateway") == "east")
        #expect(fake.kinds.last == "active")
        east.cutMains()
        #expect(rack.active("gateway") == nil)
    }

    @Test func `two that are active at once raise an alarm`() throws {
        east.switchOn()
        west.switchOn()
        try fake.record("east", 1, "b")
        try fake.record("west", 2, "b", term: 2)
        try fake.record("east", 1)
        try fake.record("west", 2, term: 2)
        // Once for each of the two.
        #expect(fake.kinds.filter { $0 == "dual_active" }.count == 2)
        #expect(rack.evidence.dualActive() > .zero)
    }

    @Test func `ready is when both are paired, armed and without a gap, and every group is active`()
        throws
    {
        east.switchOn()
        west.switchOn()
        try fake.record("east", 1, "b")
        fake.status(.low, phase: "paired")
        #expect(!rack.holds(.paired))
        fake.status(.high, phase: "paired", gap: "fence_unverified")
        #expect(rack.holds(.paired) && !rack.holds(.ready))
        fake.status(.high, phase: "paired")
        #expect(rack.holds(.ready))
        #expect(rack.holds(.sensor(.low, "inlet", "warn")) && rack.holds(.fit(.low)))
        fake.status(.low, phase: "paired", contact: "lost")
        #expect(!rack.holds(.paired))
        #expect(rack.holds(.phase(.low, "paired")) && !rack.holds(.silent(.low)))
    }

    @Test func `the history is counted by its kinds, and told as the agent's own`() {
        let line = #"{"time":"x","severity":"alarm","kind":"fence_failed","text":"It failed."}"#
        for _ in 0..<2 { west.agent.take(history: Array(line.utf8)) }
        west.agent.take(history: Array("not JSON".utf8))
        #expect(rack.holds(.reports(.high, "fence_failed", times: 2)))
        #expect(!rack.holds(.reports(.high, "fence_failed", times: 3)))
        #expect(rack.holds(.says(.high, "It failed")))
        #expect(fake.events.last?.source == .agent && fake.events.last?.severity == .alarm)
    }

    // MARK: - Actions

    @Test func `what is done reaches the node's body`() {
        let body = fake.body(.low)
        for action in [
            .agent(.low, .kill), .agent(.low, .stop), .pauseNode(.low, true),
            .clock(.low, seconds: 60), .key(.low, right: false), .disk(.low, full: true),
            .workload(.low, group: "gateway", verb: "stop", behaviour: "hang"),
            .line(.low, "RELAY_WEST", stuck: true),
        ] as [Action] { rack.perform(action) }
        #expect(
            body.log == [
                "kill", "stop", "pause all true", "clock 60", "key of 32 bytes", "fill",
                "gateway stop hang", "RELAY_WEST stuck Optional(true)",
            ])
        #expect(fake.body(.high).log.isEmpty)
    }

    @Test func `an agent's answer to a command is told, and so is its silence`() {
        rack.perform(.command(.low, "handover"))
        #expect(fake.events.last?.text == "the agent on east does not answer")
        fake.body(.low).reply = #"{"type":"result","accepted":true,"text":"Done."}"#
        rack.perform(.command(.low, "handover"))
        #expect(fake.kinds.last == "command_accepted_reply")
        fake.body(.low).reply = #"{"type":"error","text":"No."}"#
        rack.perform(.command(.low, "handover"))
        #expect(fake.kinds.last == "command_refused_reply" && fake.events.last?.text == "No.")
    }

    @Test func `a value is walked to in steps`() {
        rack.perform(.sensorReads(.low, "inlet", 80, within: .milliseconds(100)))
        fake.run(for: 50)
        let half = east.sensors[0].value
        #expect(half > 50 && half < 80)
        fake.run(for: 100)
        #expect(east.sensors[0].value == 80)
    }

    @Test func `a hung bus answers nobody, and a node's death makes all that wait go`() {
        var answers: [RackAnswer] = []
        rack.perform(.bus(.low, 1, hangs: true))
        let bus = east.buses[1]!
        bus.transfer(address: 0x48, write: [0], read: 2, at: rack.loop.now) { answers.append($0) }
        #expect(answers.isEmpty)
        rack.perform(.bus(.low, 1, hangs: false))
        #expect(answers == [.timeout])
        rack.perform(.bus(.low, 1, hangs: true))
        bus.transfer(address: 0x48, write: [0], read: 2, at: rack.loop.now) { answers.append($0) }
        east.switchOn()
        east.cutMains()
        rack.perform(.bus(.low, 1, hangs: false))
        #expect(answers.count == 1)
    }
}
