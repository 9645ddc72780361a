import Foundation
import PicketConfig
import PicketCore
import Testing

@testable import PicketRack

struct RackFileTests {
    @Test func `what the rack file leaves out comes from the configuration`() throws {
        let plan = try Example.plan()
        let east = plan.nodes.low
        #expect(plan.names.low == "east")
        #expect(east.bootTime == .milliseconds(500))
        #expect(east.restartDelay == .milliseconds(200))
        // The peer's agent drives the line.
        #expect(east.supplies.map(\.line) == ["RELAY_EAST"])
        #expect(east.supplies.map(\.sense) == ["EAST_OK"])
        #expect(east.supplies.map(\.delay) == [.milliseconds(3)])
        // No threshold minds what a sensor reads at first.
        #expect(east.sensors[0].value < 75)
        #expect(east.sensors[1].value > 4.65)
        #expect(east.sensors.allSatisfy { !$0.sensesPeer })
    }

    @Test func `what the rack file says of a node is of that node alone`() throws {
        let plan = try Example.plan(
            """
            contact_delay: 7ms
            nodes:
              west:
                boot_time: 2s
                released_lines: fall
                sensors: { inlet: 38C }
                supplies: [{ line: A, sense: B, wiring: normally_open, delay: 4ms }, { line: C }]
            """)
        let (east, west) = (plan.nodes.low, plan.nodes.high)
        #expect(west.bootTime == .seconds(2) && east.bootTime == .milliseconds(500))
        #expect(!west.holdsLines && east.holdsLines)
        #expect(west.sensors[0].value == 38)
        #expect(west.supplies.map(\.line) == ["A", "C"])
        #expect(west.supplies.map(\.normallyClosed) == [false, true])
        #expect(west.supplies.map(\.delay) == [.milliseconds(4), .milliseconds(7)])
        #expect(east.supplies.map(\.delay) == [.milliseconds(7)])
    }

    @Test func `a sensor by which the peer's rail is verified sits on that rail`() throws {
        let pair = Example.pair.replacingOccurrences(
            of: "verify: { line: WEST_OK, unplugged: on }",
            with: "verify: { sensor: rail, off: \"<0.5V\", on: \">4.5V\" }")
        let plan = try Example.plan(pair: pair)
        #expect(plan.nodes.low.sensors.map(\.sensesPeer) == [false, true])
    }

    @Test func `a field is replaced everywhere, and for the agents too`() throws {
        let plan = try Example.plan("everywhere:\n  detect_within: 4s\n  off_time: 3s\n")
        #expect(plan.rehearsed.contains("\"detect_within\": \"4s\""))
        #expect(plan.rehearsed.contains("\"off_time\": \"3s\""))
        #expect(!plan.rehearsed.contains("\"off_time\": \"1s\""))
        let original = try Example.plan().configurations.low.timing.timing
        #expect(plan.configurations.low.timing.timing.detectWithin == .seconds(4))
        #expect(original.detectWithin == .milliseconds(500))
    }

    @Test func `all mistakes are told at once, each with its place`() {
        let told = Example.mistakes { () throws(ConfigurationErrors) in
            _ = try Example.plan(
                "boot_tim: 1s\nnodes:\n  north: {}\n  east: { board: none-such }\n")
        }
        #expect(told.contains("rack.yaml:2:1: boot_tim: unknown key"), "\(told)")
        #expect(told.contains("did you mean boot_time?"), "\(told)")
        #expect(told.contains("rack.yaml:4:3: nodes.north: unknown key"), "\(told)")
        #expect(told.contains("rack.yaml:5:18: nodes.east.board: there is no board"), "\(told)")
    }

    @Test func `files that cannot be read are named`() {
        let told = Example.mistakes { () throws(ConfigurationErrors) in
            _ = try RackFile.load(path: "/nonexistent/rack.yaml")
        }
        #expect(told.contains("/nonexistent/rack.yaml:1:1: the rack file cannot be read"))
    }

    @Test func `a path of a file is relative to that file`() {
        #expect(RackFile.beside("/etc/racks/a.yaml", "pair.yaml") == "/etc/racks/pair.yaml")
        #expect(RackFile.beside("/etc/racks/a.yaml", "/pair.yaml") == "/pair.yaml")
    }
}

struct RehearsalTests {
    private let pair =
        Example.pair + """
            directories: { state: /var/lib/elsewhere }
            control: { socket: /run/elsewhere }

            """

    @Test func `nothing reaches out of the rack`() throws {
        let text = try Example.plan(pair: pair).rehearsed
        for word in ["elsewhere", "tested.key", "10.0.0.100"] { #expect(!text.contains(word)) }
        #expect(text.contains("RELAY_EAST"))
    }

    @Test func `fence agents switch outlets of the rack, and are left out where it has none`()
        throws
    {
        let agent = "{ agent: { path: /bin/cut, options: { plug: 7 }, off_within: 5s } }"
        let fence = Example.pair.replacingOccurrences(
            of: "    - relay: { line: RELAY_EAST",
            with: "    - \(agent)\n    - relay: { line: RELAY_EAST"
        ).replacingOccurrences(of: "detect_within: 500ms", with: "detect_within: 10s")
        let plan = try Example.plan(pair: fence)
        #expect(!plan.rehearsed.contains("/bin/cut") && plan.rehearsed.contains("RELAY_EAST"))
        #expect(plan.nodes.low.outlets.map(\.line) == ["OUTLET_1_east"])
        #expect(plan.nodes.high.outlets.isEmpty)
        let places = Processes.places(of: "west", in: "/rack", workload: "/workload")
        let switched = Rehearsal.completed(plan.rehearsed, node: "west", places)
        #expect(switched.contains("/rack/west/rack.sock") && switched.contains("OUTLET_1_east"))
        #expect(!switched.contains("\"plug\""))
        // Both nodes' files have the same outlets.
        let other = Processes.places(of: "east", in: "/rack", workload: "/workload")
        #expect(
            Rehearsal.completed(plan.rehearsed, node: "east", other).contains("/west/rack.sock"))
        let root = try YamlNode.parse(
            Array("fence: { east: [\(agent)] }\n".utf8), file: "pair.yaml")
        let without = Rehearsal.completed(
            Rehearsal.configuration(root), node: "west",
            FakeNodes().places(of: "west", in: "/rack"))
        #expect(without.contains("\"east\": \"none\""))
    }

    @Test func `the agents are given a configuration that they can read`() throws {
        let plan = try Example.plan()
        let text = Rehearsal.completed(
            plan.rehearsed, node: "west", FakeNodes().places(of: "west", in: "/rack"))
        #expect(!text.contains("@"))
        #expect(text.contains("/the/key") && text.contains("/the/faults"))
        let read = try Configuration.load(
            Array(text.utf8), file: "picket.yaml", boards: BoardLibrary())
        #expect(read.node == "west")
        #expect(read.groups.map(\.name) == ["gateway"])
    }
}
