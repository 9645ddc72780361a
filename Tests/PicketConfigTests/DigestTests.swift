import Foundation
import PicketConfig
import PicketCore
import Testing

struct DigestTests {
    private func digest(_ text: String, node: String? = nil) throws -> UInt64 {
        try load(text, node: node).get().policy.digest
    }

    @Test func `both nodes make the same digest of one file`() throws {
        #expect(try digest(example) == digest(example, node: "west"))
    }

    /// A change of this number is a change of the wire: two releases would disagree. They are meant to
    /// about a fence agent without a timeout, because their turns differ.
    @Test func `the digest does not depend on the day`() throws {
        let found = try digest(changed("max_lag: 10s", "max_lag: 5s"))
        #expect(found == 7_195_492_157_101_916_482)
    }

    @Test(arguments: [
        ("detect_within: 500ms", "detect_within: 0.5s"),
        ("hysteresis: 3C", "hysteresis: 3.0 C"),
        ("hysteresis: 3C", "hysteresis: 3C\n    debounce: 3"),
        ("failback: manual", "failback: manual # by hand"),
        ("key: /etc/picket/rack7.key", "key: /root/other.key"),
        ("board: simulated", "board: simulated\ndirectories: { state: /srv/picket }"),
        ("board: simulated", "board: simulated\nbudgets: { fences: 3, moves: 3, window: 1h }"),
        ("verify: { line: PEER_PGOOD }", "verify: { line: PEER_PGOOD, unplugged: off }"),
    ])
    func `what says the same, or concerns one node, leaves it as it is`(old: String, new: String)
        throws
    {
        #expect(try digest(changed(old, new)) == digest(example))
    }

    @Test(arguments: [
        ("name: rack7", "name: rack8"), ("detect_within: 500ms", "detect_within: 600ms"),
        ("10.1.0.2:7780", "10.1.0.2:7781"), ("timeout: 10s", "timeout: 11s"),
        ("address: 0x48", "address: 0x49"), ("\">75C\"", "\">76C\""), ("\">60C\"", "\"<60C\""),
        ("hysteresis: 3C", "hysteresis: 4C"), ("-40C", "-41C"), ("shunt: 100mOhm", "shunt: 10mOhm"),
        ("measure: voltage", "measure: shunt_voltage"), ("line: RELAY_PEER", "line: RELAY"),
        ("active: low", "active: high"), ("off_time: 5s", "off_time: 6s"),
        ("verify: { line: PEER_PGOOD }", "verify: none"),
        ("verify: { line: PEER_PGOOD }", "verify: { line: PEER_PGOOD, unplugged: on }"),
        ("verify: { line: PEER_PGOOD }", "verify: { line: PEER_PGOOD, plug: link }"),
        ("verify: { line: PEER_PGOOD }", "verify: { line: PEER_PGOOD, plug: own }"),
        ("verify: { line: PEER_PGOOD }", "verify: { lines: [PEER_PGOOD, PEER_PBAD] }"),
        ("username: admin", "username: root"),
        ("prefer: east", "prefer: west"), ("standby: warm", "standby: hot"),
        ("10.0.0.100/24", "10.0.0.100/25"), ("gateway.service", "other.service"),
        ("monitor: [/bin/true]", "monitor: [/bin/false]"), ("max_lag: 10s", "max_lag: 11s"),
        ("max_lag: 10s", "max_lag: 10s, takeover: allow"),
        ("max_lag: 10s", "max_lag: 10s, follows: true"),
        ("max_lag: 10s", "max_lag: 10s, strict: true, degrade: [/a], restore: [/b]"),
        ("failback: manual", "failback: { auto: { stable_for: 5m } }"),
        ("failback: manual", "environment: { A: b }"), ("failback: manual", "priority: 2"),
        ("failback: manual", "enabled: false"),
        ("board: simulated", "board: simulated\nstartup: { alone_after: 60s }"),
        ("timeout: 10s", "timeout: 10s, reset_after_stops: 3"),
        ("board: simulated", "board: simulated\nbudgets: { moves: 4 }"),
        ("board: simulated\n", ""),
    ])
    func `what must agree changes it`(old: String, new: String) throws {
        #expect(try digest(changed(old, new)) != digest(example))
    }

    /// What stands for nothing stated depends on what the feedback of each node proves.
    @Test func `a default of startup is the same as one that is written out`() throws {
        func digest(_ text: String, _ startup: String) throws -> UInt64 {
            try self.digest(text + startup)
        }
        let (wait, alone) = ("startup: wait\n", "startup: { alone_after: 5m }\n")
        #expect(try digest(example, "") == digest(example, wait))
        #expect(try digest(example, "") != digest(example, alone))
        let proven = "{ line: PEER_PGOOD, unplugged: on }"
        let both = changed("{ line: PEER_PGOOD }", proven)
        #expect(try digest(both, "") == digest(both, alone))
        #expect(try digest(both, "") != digest(both, wait))
        // Where only the fence of one of them proves it, no word stands for both.
        let relay = "[{ relay: { line: R, off_within: 50ms, verify: "
        let fence = try #require(both.range(of: "fence:\n"))
        let groups = try #require(both.range(of: "groups:\n"))
        var one = both
        one.replaceSubrange(
            fence.upperBound..<groups.lowerBound,
            with: "  east: \(relay)\(proven) } }]\n  west: \(relay){ line: PEER_PGOOD } } }]\n")
        let startups = try ["east", "west"].map { try load(one, node: $0).get().policy.startup }
        #expect(startups == [.wait, .aloneAfter(.seconds(300))])
        let digests = try ["east", "west"].map { try load(one, node: $0).get().policy.digest }
        #expect(digests[0] == digests[1])
        #expect(try digest(one, "") != digest(one, wait) && digest(one, "") != digest(one, alone))
    }

    private func group(_ text: String, node: String? = nil) throws -> GroupPolicy {
        try load(text, node: node).get().policy.groups[0]
    }

    /// A change of these numbers is a change of the wire: two releases would disagree.
    @Test func `what a group is known by does not depend on the day, nor on the node`() throws {
        let found = try group(example)
        #expect(try found == group(example, node: "west"))
        #expect(found.name != 0 && found.resources != 0 && found.settings != 0)
        let turns = try load(example).get().policy.turnsDigest
        #expect(try turns == load(example, node: "west").get().policy.turnsDigest)
    }

    @Test(arguments: [
        ("10.0.0.100/24", "10.0.0.100/25"), ("gateway.service", "other.service"),
        ("monitor: [/bin/true]", "monitor: [/bin/false]"), ("max_lag: 10s", "max_lag: 11s"),
        ("max_lag: 10s", "max_lag: 10s, takeover: allow"),
        ("max_lag: 10s", "max_lag: 10s, follows: true"),
        ("max_lag: 10s", "max_lag: 10s, strict: true, degrade: [/a], restore: [/b]"),
    ])
    func `what is started, and how it is copied, is a digest of its own`(old: String, new: String)
        throws
    {
        let (found, before) = (try group(changed(old, new)), try group(example))
        #expect(found.resources != before.resources)
        #expect(found.name == before.name && found.settings == before.settings)
    }

    @Test(arguments: [
        ("prefer: east", "prefer: west"), ("standby: warm", "standby: hot"),
        ("failback: manual", "failback: { auto: { stable_for: 5m } }"),
        ("failback: manual", "environment: { A: b }"), ("failback: manual", "enabled: false"),
        ("failback: manual", "monitor_interval: 9s"),
    ])
    func `all else that is set for a group is another digest`(old: String, new: String) throws {
        let (found, before) = (try group(changed(old, new)), try group(example))
        #expect(found.settings != before.settings)
        #expect(found.name == before.name && found.resources == before.resources)
    }

    @Test(arguments: [
        ("failback: manual", "failback: manual\n    enabled: true"),
        ("failback: manual", "restart_limit: { count: 2, within: 10m }"),
        ("max_lag: 10s", "max_lag: 10s, follows: false"),
        ("failback: manual", "stop_within: 30s"), ("failback: manual", "priority: 2"),
    ])
    func `a default that is written out adds nothing, and the priority is told by itself`(
        old: String, new: String
    ) throws {
        var (found, before) = (try group(changed(old, new)), try group(example))
        (found.priority, before.priority) = (1, 1)
        #expect(found == before)
    }

    @Test(arguments: [
        ("detect_within: 500ms", "detect_within: 600ms", true),
        ("failback: manual", "priority: 2", false), ("gateway.service", "other.service", false),
        ("\">75C\"", "\">76C\"", false),
    ])
    func `turns have a digest of what they go by`(old: String, new: String, differs: Bool) throws {
        let found = try load(changed(old, new)).get().policy.turnsDigest
        #expect(try (found != load(example).get().policy.turnsDigest) == differs)
    }

    /// Two releases must agree of every driver, as of the example above.
    @Test(
        arguments: [
            ("name: rack7", "name: rack8", [.names]), ("10.1.0.2:7780", "10.1.0.2:7781", []),
            ("timeout: 10s", "timeout: 11s", [.watchdog]),
            ("timeout: 10s", "timeout: 10s, reset_after_stops: 3", []),
            ("address: 0x48", "address: 0x49", []), ("\">75C\"", "\">76C\"", []),
            ("hysteresis: 3C", "hysteresis: 3C\n    interval: 2s", []),
            ("off_time: 5s", "off_time: 6s", []),
            ("prefer: east", "prefer: west", []), ("gateway.service", "other.service", []),
        ] as [(String, String, [Configuration.Section])])
    func `what an agent binds at its start needs another agent`(
        old: String, new: String, sections: [Configuration.Section]
    ) throws {
        let (before, after) = (try load(example).get(), try load(changed(old, new)).get())
        #expect(
            Configuration.Section.allCases.filter { after.isBound($0, otherwiseThan: before) }
                == sections)
    }

    @Test(
        arguments: [
            ("off_time: 5s", "off_time: 6s", [nil, 1]),
            ("off_within: 3s", "off_within: 4s", [0, nil]),
            ("username: admin", "username: root", [0, nil]),
            ("prefer: east", "prefer: west", [0, 1]),
            ("line: RELAY_PEER", "line: RELAY_2", [nil, 1]), ("\">75C\"", "\">76C\"", [0, 1]),
        ] as [(String, String, [Int?])])
    func `a level is the same where all that is set for it is`(
        old: String, new: String, numbers: [Int?]
    ) throws {
        let (before, after) = (try load(example).get(), try load(changed(old, new)).get())
        #expect(after.numbersOfLevels(in: before) == numbers)
        #expect(after.fencesAs(before) == !numbers.contains(nil))
        #expect(after.needsRestart(from: before).isEmpty)
    }

    @Test func `levels in another order are others, each the one that it was`() throws {
        let text = changed("detect_within: 500ms", "detect_within: 9s")
        let agent = split(split(text, "  - agent:")[1], "groups:")[0]
        let swapped = split(split(text, "  - agent:\(agent)").joined(), "fence:\n").joined(
            separator: "fence:\n  - agent:\(agent)")
        let (former, other) = (try load(text).get(), try load(swapped).get())
        #expect(other.numbersOfLevels(in: former) == [1, 0])
        #expect(!other.fencesAs(former) && former.fencesAs(former))
    }

    /// It would have to be let go, and taken again.
    @Test(arguments: [
        ("active: low", "active: high", "RELAY_PEER"),
        ("line: RELAY_PEER", "line: { name: OTHER, chip: gpiochip0, offset: 3 }", ""),
        ("line: RELAY_PEER", "wiring: normally_open\n      line: RELAY_PEER", "RELAY_PEER"),
    ])
    func `a line that is to be used otherwise needs another agent`(
        old: String, new: String, line: String
    ) throws {
        let (before, after) = (try load(example).get(), try load(changed(old, new)).get())
        #expect(
            after.needsRestart(from: before).map { $0.what }
                == (line.isEmpty ? [] : ["how line \(line) is used"]))
    }

    @Test func `another board needs another agent, and a level sees by its sensor`() throws {
        let former = try load(example).get()
        let boardless = try load(changed("board: simulated\n", "")).get()
        #expect(boardless.needsRestart(from: former).map { $0.path } == ["board"])
        let railed = changed(
            "{ line: PEER_PGOOD }", "{ sensor: rail5v, off: \"<1V\", on: \">4V\" }")
        let (before, after) = (
            try load(railed).get(),
            try load(split(railed, "address: 0x40").joined(separator: "address: 0x41")).get()
        )
        #expect(after.numbersOfLevels(in: before) == [nil, 1])
        #expect(after.needsRestart(from: before).isEmpty)
    }

    @Test func `a link is the same where both of its ends are`() throws {
        let former = try load(example).get()
        #expect(former.numbersOfLinks(in: former) == [0, 1])
        let swapped = changed("10.0.0.1:7780, 10.1.0.1:7780", "10.1.0.1:7780, 10.0.0.1:7780")
        let other = try load(swapped).get()
        #expect(other.numbersOfLinks(in: former) == [nil, nil])
        let both = split(swapped, "10.0.0.2:7780, 10.1.0.2:7780").joined(
            separator: "10.1.0.2:7780, 10.0.0.2:7780")
        #expect(try load(both).get().numbersOfLinks(in: former) == [1, 0])
        #expect(
            other.refusalOfLinks(from: former).contains(
                "pair: links: found none of the links that the agent has, expected one on which"))
    }

    @Test func `a section and a group are named with their line`() throws {
        let settings = try load("# one line more\n" + example).get()
        let lines = example.split(separator: "\n", omittingEmptySubsequences: false)
        let line = try #require(lines.firstIndex { $0.hasPrefix("fence:") }) + 2
        #expect(settings.place(of: "fence").hasSuffix(":\(line): fence"))
        #expect(settings.place(of: "groups.plc-gateway").hasSuffix(": groups.plc-gateway"))
        #expect(settings.place(of: "directories") == "directories")
    }

    @Test func `the digest of the drivers does not depend on the day`() throws {
        let sensors = """
              a: { driver: tmp102, bus: 1, address: 0x48 }
              b: { driver: lm75, bits: 11, bus: 1, address: 0x49 }
              c: { driver: mcp9808, bus: 1, address: 0x18 }
              d: { driver: sht3x, measure: humidity, bus: 1, address: 0x44 }
              e: { driver: ina219, measure: current, shunt: 10mOhm, bus: 1, address: 0x40 }
              f: { driver: ina226, measure: power, shunt: 20mOhm, bus: 1, address: 0x41 }
              g: { driver: ads1115, input: a1, range: 2.048V, scale: 11, unit: V, bus: 1, address: 0x4a }
              h: { driver: ds3231, bus: 1, address: 0x68 }
              i: { driver: register, register: 5, width: 16, byte_order: little, signed: true, mask: 0xFFF0, shift: 4, scale: 0.5, offset: -3, unit: rpm, pec: true, bus: 1, address: 0x50 }
              j: { driver: hwmon, chip: cpu_thermal, input: temp1 }
              k: { driver: tmp117, bus: 1, address: 0x4b }

            """
        let start = try #require(example.firstRange(of: "sensors:\n")).upperBound
        let end = try #require(example.firstRange(of: "\nfence:")).lowerBound
        let text = example[..<start] + sensors + example[end...]
        let digest = try load(String(text)).get().digest(of: .sensors)
        #expect(digest == 5_019_331_352_793_747_071)
    }
}
