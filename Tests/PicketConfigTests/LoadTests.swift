import PicketConfig
import PicketCore
import PicketHardware
import Testing

struct LoadTests {
    @Test func `the example says what it means`() throws {
        let it = try load(example).get()
        #expect(it.node == "east")
        #expect(it.me == .low)
        #expect(it.peerName == "west")
        #expect(it.pair == "rack7")
        #expect(it.keys == ["/etc/picket/rack7.key"])
        #expect(it.links.count == 2)
        #expect(it.links[1].high == LinkAddress(host: "10.1.0.2", port: 7780))
        #expect(it.board?.name == "simulated")
        #expect(it.policy.simulated)
        #expect(it.watchdog == WatchdogSettings(timeout: .seconds(10)))
        #expect(it.sensors.map(\.name) == ["inlet", "rail5v"])
        #expect(it.sensors[0].watch.critical == [.above(75)])
        #expect(it.sensors[0].watch.plausible == -40...125)
        #expect(it.sensors[1].driver == .ina219(INA219(measure: .busVoltage, shunt: 0.1)))
        #expect(it.policy.fenceLevels == [.relay(verified: true), .agent])
        guard case .relay(let relay) = it.fence[0] else { return #expect(Bool(false)) }
        #expect(relay.supplies[0].line == LineDescription(name: "RELAY_PEER", active: .low))
        #expect(relay.supplies[0].feedback == .line(LineDescription(name: "PEER_PGOOD")))
        #expect(it.policy.groups.map(\.prefer) == [.low] && it.policy.groups[0].priority == 1)
        #expect(it.policy.groups[0].enabled && it.policy.groups[0].failback == .manual)
        #expect(it.groups[0].standby == .warm)
        #expect(
            it.groups[0].resources.map(\.name) == ["ip-10.0.0.100", "gateway.service", "command-3"])
        #expect(
            it.groups[0].resources.map(\.timeouts.start) == [.seconds(2), .seconds(4), .seconds(4)])
        #expect(it.paths == Paths())
        #expect(it.warnings == [])
    }

    @Test func `what works, and protects from less than it seems, is warned of`() throws {
        let one = try load(changed("10.1.0.1:7780]", "10.0.0.11:7780]")).get()
        #expect(one.warnings.map(\.path) == ["pair.nodes.east.links[1]"])
        let inlet = "  inlet:"
        let twice = changed(
            inlet,
            "  other: { driver: tmp102, bus: 1, address: 0x48, critical: \">90C\" }\n" + inlet)
        #expect(try load(twice).get().warnings.map(\.path) == ["sensors.inlet"])
    }

    @Test func `a number that two readers of YAML read otherwise is refused`() {
        #expect(
            errors(load(changed("hysteresis: 3C", "hysteresis: 3C\n    debounce: 010"))).hasSuffix(
                "found \"010\", expected a whole number, with no zero before it"))
        #expect(
            errors(load(changed("timeout: 10s", "timeout: 010s"))).hasSuffix(
                "watchdog.timeout: found \"010s\", expected a duration, with no zero before it"))
        #expect(
            errors(load(changed("critical: \">75C\"", "critical: \">075C\""))).hasSuffix(
                "behind > expected a temperature, with no zero before it"))
    }

    @Test func `a threshold that a chip cannot tell is refused`() {
        let adc =
            "  adc: { driver: ads1115, bus: 1, address: 0x4a, input: a0, range: 4.096V,"
            + " critical: \">4.5V\" }"
        #expect(
            errors(load(changed("  inlet:", adc + "\n  inlet:"))).hasSuffix(
                "sensors.adc.critical: 4.5V lies beyond what the chip can tell, -4.096V to 4.096V, and is"
                    + " never crossed; choose a wider range"))
    }

    @Test func `one file serves both nodes`() throws {
        let west = try load(example, node: "west").get()
        #expect(west.me == .high)
        #expect(west.peerName == "east")
        let file = try load(changed("node: east", "node: west")).get()
        #expect(file.node == west.node && file.policy == west.policy && file.cuts == west.cuts)
        #expect(file.groups == west.groups && file.paths == west.paths)
        let stateless = try load(changed("node: east\n", ""), node: "west").get()
        #expect(stateless.policy == west.policy)
    }

    @Test func `each node can be cut in its own way`() throws {
        let text = changed(
            "fence:\n", "fence:\n  east: none\n  west:\n"
        ).replacingFence()
        let it = try load(text).get()
        #expect(it.cuts.low == [])
        #expect(it.fence.count == 2)
        #expect(try load(text, node: "west").get().fence == [])
        #expect(it.warnings.map(\.path) == ["fence.east"])
    }

    @Test func `all mistakes of a file are told at once`() {
        let text = """
            node: est
            pair:
              name: rack 7
              key: rack7.key
              detect_within: 500
              nodes:
                east: { links: [10.0.0.1] }
                west: { linsk: [10.0.0.2:7780] }
            watchdog: 10s
            sensor: {}
            sensors:
              inlet: { driver: tmp101, bus: 1, address: 48 }
              outlet: { driver: tmp102, address: 48, warn: 60C }
            fence:
              - relay: { line: RELAY, off_within: 50 }
              - lease: { after: 10s }
            groups:
              a:
                prefer: north
                standby: tepid
                resources:
                  - ip: 10.0.0.100
                  - unit: gateway
                  - command: { start: run it, stop: [x] }
                failback: auto

            """
        #expect(
            errors(load(text)) == """
                p.yaml:1:7: node: found "est", expected a node of pair.nodes: east or west; did you mean east?
                p.yaml:3:9: pair.name: found "rack 7", expected a name of letters, digits, '-', '_' and '.', with a letter or digit first
                p.yaml:4:8: pair.key: found "rack7.key", expected an absolute path
                p.yaml:5:18: pair.detect_within: found "500", expected a duration with its unit: 500ms, 500s or 500m
                p.yaml:7:21: pair.nodes.east.links[0]: found "10.0.0.1", expected a port behind the address: 10.0.0.1:7780
                p.yaml:8:11: pair.nodes.west.links: missing; expected a list such as [10.0.0.1:7780]
                p.yaml:8:13: pair.nodes.west.linsk: unknown key; did you mean links?
                p.yaml:9:11: watchdog: found "10s", expected a timeout, as { timeout: 10s }, or none
                p.yaml:10:1: sensor: unknown key; did you mean sensors?
                p.yaml:12:20: sensors.inlet.driver: found "tmp101", expected tmp102, tmp117, lm75, mcp9808, sht3x, ina219, ina226, ads1115, ds3231, register or hwmon; did you mean tmp102?
                p.yaml:13:11: sensors.outlet.bus: missing; expected the N of /dev/i2c-N
                p.yaml:13:38: sensors.outlet.address: found "48", expected an I2C address in hexadecimal, 0x08 to 0x77
                p.yaml:13:48: sensors.outlet.warn: found "60C", expected a threshold: ">60C" or "<60C"
                p.yaml:15:12: fence[0].relay.verify: missing; expected { line: NAME }, { sensor: NAME, off: "<0.5V", on: ">4.5V" }, or none
                p.yaml:15:39: fence[0].relay.off_within: found "50", expected a duration with its unit: 50ms, 50s or 50m
                p.yaml:16:5: fence[1]: lease is not available yet; a fence level is a relay or an agent
                p.yaml:19:13: groups.a.prefer: found "north", expected east or west
                p.yaml:20:14: groups.a.standby: found "tepid", expected cold, warm or hot
                p.yaml:22:13: groups.a.resources[0].ip: found "10.0.0.100", expected an address, its prefix and a network interface, as 10.0.0.100/24@eth0
                p.yaml:23:15: groups.a.resources[1].unit: found "gateway", expected a systemd unit with its suffix, such as gateway.service
                p.yaml:24:27: groups.a.resources[2].command.start: found "run it", expected a list of arguments: ["run", "it"]; no shell runs it, so nothing would split or expand a string
                p.yaml:25:15: groups.a.failback: found "auto", expected the time for which all must be well: { auto: { stable_for: 10m } }
                """)
    }

    @Test func `an empty mapping names all that is missing`() {
        #expect(
            errors(load("{}\n")) == """
                p.yaml:1:1: pair: missing; expected the pair's name, key, detect_within and nodes
                p.yaml:1:1: watchdog: missing; expected a timeout, as { timeout: 10s }, or none
                p.yaml:1:1: fence: missing; expected a list of levels, a mapping of each node to the levels that cut it, or none (then nothing is ever taken over without the operator's word)
                """)
    }

    @Test func `what is no mapping at all is told so`() {
        #expect(
            errors(load("- a\n")) == """
                p.yaml:1:1: found a list, expected a mapping with node, pair, board, watchdog, sensors, fence, groups, startup, budgets, control, directories and rehearse_every
                """)
    }

    static let mistakes: [(String, String, String)] = [
        // The pair
        (
            "node: east\n", "",
            "p.yaml:1:1: node: missing; expected the name of this node: east or west"
        ),
        (
            "name: rack7", "name:",
            "p.yaml:3:3: pair.name: found nothing, expected a name such as rack7"
        ),
        (
            "key: /etc/picket/rack7.key", "key: [/a, /a]",
            "p.yaml:4:13: pair.key[1]: the same key twice"
        ),
        (
            "key: /etc/picket/rack7.key", "key: [/a, /b, /c]",
            "p.yaml:4:8: pair.key: found 3 keys, expected one, or two while a key is changed"
        ),
        (
            "10.1.0.2:7780]", "10.0.0.2:7780]",
            "p.yaml:8:36: pair.nodes.west.links[1]: 10.0.0.2:7780 is the end of another link"
        ),
        (
            ", 10.1.0.2:7780]", "]",
            "p.yaml:7:5: pair.nodes: east has 2 links and west has 1; each link has an end on both nodes, in the same order"
        ),
        (
            "10.1.0.2:7780", "\"[fd00::2]:7780\"",
            "p.yaml:8:36: pair.nodes.west.links[1]: this link has an IPv4 and an IPv6 end"
        ),
        // Board and watchdog
        (
            "board: simulated", "board: simulatd",
            "p.yaml:9:8: board: found \"simulatd\", expected a known board: simulated; did you mean simulated?"
        ),
        (
            "timeout: 10s", "timeout: 500ms",
            "p.yaml:10:22: watchdog.timeout: 500ms cannot hold: at least 4 feeds must fit into it, and there are at most 5 a second: 4 × 200ms = 800ms"
        ),
        // Sensors
        (
            "bus: 1\n", "bus: 9\n",
            "p.yaml:14:5: sensors.inlet.bus: board simulated has no bus 9; it has 0, 1, 2 and 3"
        ),
        (
            "address: 0x40", "address: 0x48",
            "p.yaml:20:11: sensors.rail5v: bus 1, address 0x48 is a tmp102 already (sensors.inlet)"
        ),
        (
            "shunt: 100mOhm, measure: voltage", "measure: current",
            "p.yaml:20:11: sensors.rail5v.shunt: missing; expected the shunt's resistance, such as 100mOhm\n"
                + "p.yaml:20:80: sensors.rail5v.critical: found \"<4.65V\"; behind < expected a current such as 1.5A (in A, mA or uA)"
        ),
        (
            "\">60C\"", "\">80C\"",
            "p.yaml:16:5: sensors.inlet.warn: 80C comes with or after critical at 75C"
        ),
        (
            "\">60C\"", "[\">60C\", \"<55C\"]",
            "p.yaml:18:5: sensors.inlet.hysteresis: 3C leaves no way back between warn at 55C and at 60C"
        ),
        (
            "[-40C, 125C]", "[-40C, 70C]",
            "p.yaml:17:5: sensors.inlet.critical: 75C lies outside the plausible range of -40C to 70C: such a reading counts as failed and never crosses it"
        ),
        (
            "[-40C, 125C]", "[125C, -40C]",
            "p.yaml:19:16: sensors.inlet.plausible: the first value must be the smaller one"
        ),
        (
            "hysteresis: 3C", "stale_after: 1500ms",
            "p.yaml:18:5: sensors.inlet.stale_after: found 1.5s, expected at least twice the interval of 1s: one late reading makes no stale sensor"
        ),
        (
            "hysteresis: 3C", "stuck_after: 2s",
            "p.yaml:18:5: sensors.inlet.stuck_after: found 2s, expected at least five times the interval of 1s: a few equal readings make no stuck sensor"
        ),
        (
            "hysteresis: 3C", "on_fail: alarm",
            "p.yaml:18:14: sensors.inlet.on_fail: found \"alarm\", expected warn, critical or ignore"
        ),
        (
            "hysteresis: 3C", "rate_limit: 5C",
            "p.yaml:18:17: sensors.inlet.rate_limit: found \"5C\", expected a change per second such as 5C/s"
        ),
        (
            "hysteresis: 3C", "shunt: 1Ohm",
            "p.yaml:18:5: sensors.inlet.shunt: unknown key; known here: driver, bus, address, interval, warn, critical, hysteresis, debounce, plausible, stuck_after, stale_after, rate_limit and on_fail"
        ),
        // Fence
        (
            "verify: { line: PEER_PGOOD }", "verify: { line: RELAY_PEER }",
            "p.yaml:27:15: fence[0].relay.verify: the relay's own line proves nothing; name the line that senses the supply"
        ),
        (
            "verify: { line: PEER_PGOOD }",
            "verify: { sensor: rail5, off: \"<0.5V\", on: \">4.5V\" }",
            "p.yaml:27:17: fence[0].relay.verify.sensor: no sensor is called \"rail5\"; did you mean rail5v?"
        ),
        (
            "verify: { line: PEER_PGOOD }",
            "verify: { sensor: inlet, off: \"<0.5V\", on: \">4.5V\" }",
            "p.yaml:27:17: fence[0].relay.verify.sensor: inlet does not read volts"
        ),
        (
            "verify: { line: PEER_PGOOD }",
            "verify: { sensor: rail5v, off: \"<5V\", on: \">4.5V\" }",
            "p.yaml:27:15: fence[0].relay.verify: expected off below and on above, with off the lower: off: \"<0.5V\", on: \">4.5V\""
        ),
        (
            "off_time: 5s", "off_time: 20ms",
            "p.yaml:26:7: fence[0].relay.off_time: found 20ms, shorter than off_within (50ms): the supply would be on again before it is off"
        ),
        (
            "line: RELAY_PEER", "lines: [{ line: A, verify: none }, { line: A, verify: none }]",
            "p.yaml:23:42: fence[0].relay.lines[1]: line A twice\n"
                + "p.yaml:24:7: fence[0].relay.active: stands beside lines; each item of lines has its own\n"
                + "p.yaml:27:7: fence[0].relay.verify: stands beside lines; each item of lines has its own"
        ),
        (
            "options: { ip: 10.0.9.2, username: admin }", "options: { action: off }",
            "p.yaml:29:7: fence[1].agent: the option action is picket's own: write policy: reboot or off"
        ),
        (
            "off_within: 3s", "off_within: 3s\n      timeout: 20s",
            "p.yaml:32:7: fence[1].agent.timeout: found 20s, longer than off_within (3s): the peer's turn to fence comes off_within after the last order of this node's, and the agent could still cut it 17s later, so that both nodes are off; write timeout: 3s or less, or off_within: 20s (detect_within grows with it)"
        ),
        // Groups
        (
            "  - unit: gateway.service", "  - { unit: a.service, ip: 10.0.0.7/24@eth0 }",
            "p.yaml:39:9: groups.plc-gateway.resources[1]: unit and ip in one resource; write each with its own \"-\""
        ),
        (
            "10.0.0.100/24@eth0", "10.0.0.1/24@eth0",
            "p.yaml:38:13: groups.plc-gateway.resources[0].ip: \"10.0.0.1/24@eth0\" stands already at pair.nodes"
        ),
        (
            "10.0.0.100/24@eth0", "0.0.0.0/24@eth0",
            "p.yaml:38:13: groups.plc-gateway.resources[0].ip: found \"0.0.0.0/24@eth0\", expected an address that clients can use: this one stands for any address"
        ),
        (
            "10.0.0.100/24@eth0", "127.0.0.5/8@lo",
            "p.yaml:38:13: groups.plc-gateway.resources[0].ip: found \"127.0.0.5/8@lo\", expected an address that clients can use: this one never leaves its node"
        ),
        (
            "10.0.0.100/24@eth0", "224.0.0.5/24@eth0",
            "p.yaml:38:13: groups.plc-gateway.resources[0].ip: found \"224.0.0.5/24@eth0\", expected an address that clients can use: this one is for many receivers"
        ),
        (
            "10.0.0.100/24@eth0", "10.0.0.255/24@eth0",
            "p.yaml:38:13: groups.plc-gateway.resources[0].ip: found \"10.0.0.255/24@eth0\", expected an address that clients can use: this one is for all of its subnet"
        ),
        (
            "10.0.0.100/24@eth0", "10.0.0.64/26@eth0",
            "p.yaml:38:13: groups.plc-gateway.resources[0].ip: found \"10.0.0.64/26@eth0\", expected an address that clients can use: this one is its subnet's own"
        ),
        (
            "10.0.0.100/24@eth0", "ff02::5/64@eth0",
            "p.yaml:38:13: groups.plc-gateway.resources[0].ip: found \"ff02::5/64@eth0\", expected an address that clients can use: this one is for many receivers"
        ),
        (
            "10.0.0.100/24@eth0", "::1/128@lo",
            "p.yaml:38:13: groups.plc-gateway.resources[0].ip: found \"::1/128@lo\", expected an address that clients can use: this one never leaves its node"
        ),
        (
            "- ip: 10.0.0.100/24@eth0", "- ip: fd00::100/64@eth0\n      - ip: fd00:0::0100/64@eth0",
            "p.yaml:39:13: groups.plc-gateway.resources[1].ip: \"fd00:0::0100/64@eth0\" stands already at groups.plc-gateway.resources[0].ip"
        ),
        (
            "- unit: gateway.service", "- { unit: gateway.service, timeouts: { start: 12s } }",
            "p.yaml:38:7: groups.plc-gateway.resources: the start timeouts 12s (gateway.service) are more than start_within (10s) holds, and nothing is left for the other resources"
        ),
        (
            "monitor: [/bin/true]", "promote: [/bin/true]",
            "p.yaml:40:59: groups.plc-gateway.resources[2].command.promote: stands without demote; a command has both or neither"
        ),
        (
            "failback: manual", "environment: { PICKET_TERM: 1 }",
            "p.yaml:41:18: groups.plc-gateway.environment: found the name \"PICKET_TERM\", expected one of letters, digits and '_' that does not begin with PICKET_"
        ),
        (
            "failback: manual", "failback: { auto: { stabel_for: 10m } }",
            "p.yaml:41:23: groups.plc-gateway.failback.auto.stable_for: missing; expected a duration such as 10m\n"
                + "p.yaml:41:25: groups.plc-gateway.failback.auto.stabel_for: unknown key; did you mean stable_for?"
        ),
        (
            "max_lag: 10s }", "max_lag: 10s, interval: 1s, timeout: 2s }",
            "p.yaml:42:64: groups.plc-gateway.sync.timeout: found 2s, longer than the interval (1s)"
        ),
        (
            "max_lag: 10s }", "max_lag: 10s, follows: always }",
            "p.yaml:42:59: groups.plc-gateway.sync.follows: found \"always\", expected true or false"
        ),
        (
            "max_lag: 10s }", "max_lag: 10s, interval: 4s }",
            "p.yaml:42:50: groups.plc-gateway.sync.interval: found 4s, more than a third of max_lag (10s): a copy that is looked at so seldom is never known to be current"
        ),
        (
            "max_lag: 10s }", "max_lag: 10s, strict: true, degrade: [/bin/a] }",
            "p.yaml:42:11: groups.plc-gateway.sync.restore: missing; expected with strict: true, a list of arguments such as [/usr/local/bin/db-waits]"
        ),
        (
            "max_lag: 10s }", "max_lag: 10s, restore: [/bin/b] }",
            "p.yaml:42:50: groups.plc-gateway.sync.restore: found without strict: true, expected that as well, or no restore"
        ),
        (
            "max_lag: 10s }",
            "max_lag: 10s, strict: true, degrade: [/a], restore: [/b], takeover: allow }",
            "p.yaml:42:94: groups.plc-gateway.sync.takeover: found allow beside strict: true, expected refuse: a copy that is not in step lacks what was acknowledged"
        ),
        // The rest
        (
            "board: simulated", "startup: { alone_after: 1s }",
            "p.yaml:9:25: startup.alone_after: found 1s, expected more than twice detect_within (500ms): a peer that is alive must have time to answer"
        ),
        (
            "board: simulated", "budgets: { fences: 0 }",
            "p.yaml:9:20: budgets.fences: found \"0\", expected at least 1"
        ),
        (
            "board: simulated", "control: { socket: run/x }",
            "p.yaml:9:20: control.socket: found \"run/x\", expected an absolute path"
        ),
        (
            "board: simulated", "directories: { run: /\(String(repeating: "r", count: 100)) }",
            "p.yaml:9:1: directories: the control socket \"/rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr…\" is longer than the 107 bytes that a socket's path may have; set control.socket"
        ),
    ]

    @Test(arguments: mistakes)
    func `a mistake is told with its place`(old: String, new: String, message: String) {
        #expect(errors(load(changed(old, new))) == message)
    }

    @Test func `a name given in place of the file's is checked too`() {
        #expect(
            errors(load(example, node: "north"))
                == "p.yaml:1:1: node: the name given in its place is \"north\", expected east or west"
        )
    }

    @Test func `three nodes are no pair`() {
        #expect(
            errors(load(changed("    west: {", "    mid: { links: [10.0.0.9:1] }\n    west: {")))
                == "p.yaml:7:5: pair.nodes: found 3 nodes, expected two: a pair has two nodes")
    }

    @Test func `a fence is to be rehearsed every 90 days, or as the file says`() throws {
        #expect(try load(example).get().rehearseEvery == .seconds(90 * 86_400))
        let stated = try load(example + "rehearse_every: 30d\n").get()
        #expect(stated.rehearseEvery == .seconds(30 * 86_400))
        // It is of no turn, so the nodes need not agree.
        #expect(try stated.policy.digest == load(example).get().policy.digest)
    }

    @Test func `a node that boots alone goes on where its peer can be seen off`() throws {
        let unproven = try load(example).get()
        #expect(unproven.policy.startup == .wait)
        let text = changed("line: PEER_PGOOD }", "line: PEER_PGOOD, unplugged: on }")
        let usual = try load(text).get()
        #expect(usual.policy.startup == .aloneAfter(.seconds(300)))
        let waits = try load(text + "startup: wait\n").get()
        #expect(waits.policy.startup == .wait)
        // 0.1.0 waited where the file says nothing, and must find the same digest.
        #expect(try load(example + "startup: wait\n").get().policy.digest == unproven.policy.digest)
    }

    @Test func `two nodes that might leave each other off may not fence unseen`() throws {
        let risk = "startup: { alone_after: 5m, fence_unreachable: true }\n"
        #expect(
            errors(load(example + risk)).contains(
                "startup.fence_unreachable: found true, expected relays with"))
    }

    /// The proof takes the whole off time where there is no feedback.
    @Test func `a copy that every fence would spend is refused`() {
        let text = changed("verify: { line: PEER_PGOOD }", "verify: none")
            .replacing("max_lag: 10s", with: "max_lag: 5s")
        #expect(
            errors(load(text)) == """
                p.yaml:42:45: groups.plc-gateway.sync.max_lag: found 5s, expected at least 5.131s, which is the head start 121.428ms, the proof of off 5s and margin 10ms: a fence takes so long, and the holder may write meanwhile, so every takeover would be refused
                """)
    }

    @Test func `a strict group has the commands that its database is told by`() throws {
        let text = changed(
            "max_lag: 10s }", "max_lag: 10s, strict: true, degrade: [/a, x], restore: [/b] }")
        let it = try load(text).get()
        #expect(it.groups[0].sync?.strict?.degrade == ["/a", "x"])
        #expect(it.groups[0].sync?.strict?.restore == ["/b"])
        #expect(it.policy.groups[0].sync?.strict == true)
        let usual = try load(changed("max_lag: 10s }", "max_lag: 10s, strict: false }")).get()
        #expect(usual.groups[0].sync?.strict == nil)
        #expect(usual.policy.groups[0].sync?.strict == false)
    }

    /// To switch off and to look each may take all its time.
    @Test func `a copy that a slow fence agent would spend is a warning`() throws {
        let relay = """
              - relay:
                  line: RELAY_PEER
                  active: low
                  off_within: 50ms
                  off_time: 5s
                  verify: { line: PEER_PGOOD }

            """
        let text = changed(relay, "")
            .replacing("detect_within: 500ms", with: "detect_within: 5s")
        let it = try load(text.replacing("max_lag: 10s", with: "max_lag: 8s")).get()
        let warning = try #require(it.warnings.first { $0.path.hasSuffix("sync.max_lag") })
        #expect(warning.message.contains("8s is less than"))
        let well = try load(text.replacing("max_lag: 10s", with: "max_lag: 30s")).get()
        #expect(!well.warnings.contains { $0.path.hasSuffix("sync.max_lag") })
    }

    @Test(
        arguments: [
            (
                "web", nil, false,
                "groups: found plc-gateway, expected web as well: it runs on this node, and must be handed over before it is removed or renamed"
            ),
            (
                "web", nil, true,
                "groups: found plc-gateway, expected web as well: it runs on this node in maintenance: put it back, and remove or rename it after its end"
            ),
            (
                "plc-gateway", 7, false,
                "groups.plc-gateway: found other resources (or another sync), expected those that run on this node: hand the group over before they are changed"
            ),
            (
                "plc-gateway", 7, true,
                "groups.plc-gateway: found other resources (or another sync), expected those that run on this node in maintenance: put them back, and change them after its end"
            ),
            ("plc-gateway", nil, true, ""),
        ] as [(String, UInt32?, Bool, String)])
    func `what runs on this node must be in the file as it runs`(
        name: String, resources: UInt32?, isMaintained: Bool, expected: String
    ) {
        let found = load(
            Array(example.utf8),
            running: [
                RunningGroup(name: name, resources: resources, isMaintained: isMaintained)
            ])
        #expect(errors(found).hasSuffix(expected) && errors(found).isEmpty == expected.isEmpty)
    }

    @Test func `a group must not be named like what is cleared`() {
        let found = errors(load(changed("plc-gateway:", "budgets:")))
        #expect(found.contains("groups.budgets: found the name budgets, expected another"))
    }

    @Test func `what is allowed but looks like a mistake is a warning`() throws {
        let text = changed("verify: { line: PEER_PGOOD }", "verify: none")
        let it = try load(text).get()
        #expect(it.policy.fenceLevels == [.relay(verified: false), .agent])
        #expect(it.warnings.map(\.path) == ["fence[0].relay.verify"])
        let named = try load(changed("line: RELAY_PEER", "line: RELAY_WEST")).get()
        #expect(named.warnings.map(\.path) == ["fence"])
        #expect(named.warnings[0].message.hasPrefix("line RELAY_WEST is called after west"))
        #expect(
            try load(changed("{ timeout: 10s }", "none")).get().warnings.map(\.path) == ["watchdog"]
        )
    }

    @Test func `a register sensor is described wholly by the file`() throws {
        let text = changed(
            "  rail5v: {",
            "  fan: { driver: register, bus: 0, address: 0x2f, register: 0x0a, width: 16, "
                + "byte_order: little, mask: 0x1fff, shift: 3, scale: 0.5, offset: -1, unit: rpm, "
                + "critical: \"<400rpm\", interval: 250ms }\n  rail5v: {")
        let sensor = try load(text).get().sensors[1]
        #expect(
            sensor.driver
                == .register(
                    RegisterDescription(
                        register: 0x0A, width: .bits16, order: .little, mask: 0x1FFF, shift: 3,
                        scale: 0.5, offset: -1, unit: .named("rpm"))))
        #expect(sensor.watch.critical == [.below(400)])
        #expect(sensor.watch.interval == .milliseconds(250))
    }

    @Test func `a board knows the places of its lines`() throws {
        let board = BoardFile(
            name: "b1", path: "boards/b1.yaml",
            bytes: Array(
                "description: x\nchips: { gpiochip0: { RELAY_PEER: 17 } }\nbuses: [1]\n".utf8))
        let text = changed("board: simulated", "board: b1")
        let it = try load(text, boards: BoardLibrary([board])).get()
        guard case .relay(let relay) = it.fence[0] else { return #expect(Bool(false)) }
        var line = LineDescription(
            name: "RELAY_PEER", chip: "gpiochip0", offset: 17, active: .low)
        line.byBoard = true
        #expect(relay.supplies[0].line == line)
        #expect(!it.policy.simulated)
    }

    /// The relay of the example, with this under `verify`, and its file's warnings.
    private func verified(
        _ verify: String, board: String? = nil
    ) throws -> (SupplyDescription, [String]) {
        var text = changed("verify: { line: PEER_PGOOD }", "verify: \(verify)")
        // Only the relay is left: a fence agent asks an outlet, which has power.
        let agent = try #require(text.firstRange(of: "  - agent:"))
        let groups = try #require(text.firstRange(of: "groups:"))
        text.removeSubrange(agent.lowerBound..<groups.lowerBound)
        var boards = BoardLibrary()
        if let board {
            text = text.replacing("board: simulated", with: "board: b1")
            boards = BoardLibrary([
                BoardFile(name: "b1", path: "boards/b1.yaml", bytes: Array(board.utf8))
            ])
        }
        let it = try load(text, boards: boards).get()
        guard case .relay(let relay) = it.fence[0] else { fatalError("no relay") }
        return (relay.supplies[0], it.warnings.map(\.message))
    }

    @Test(arguments: [
        ("{ line: PEER_PGOOD }", SupplyDescription.Proof.edge, "lost its supply"),
        ("{ line: PEER_PGOOD, unplugged: off }", .edge, "lost its supply"),
        ("{ line: PEER_PGOOD, unplugged: on }", .always, ""),
        ("{ line: PEER_PGOOD, unplugged: on, plug: link }", .always, ""),
        ("{ line: PEER_PGOOD, plug: link }", .never, "proves nothing"),
        ("{ lines: [PEER_PGOOD, PEER_PBAD], bias: pull_up, active: low }", .always, ""),
        ("{ sensor: rail5v, off: \"<0.5V\", on: \">4.5V\" }", .edge, "lost its supply"),
        ("{ sensor: rail5v, off: \"<0.5V\", on: \">4.5V\", unplugged: on }", .always, ""),
    ])
    func `what off proves follows from how the wire is stated to be`(
        verify: String, proof: SupplyDescription.Proof, warning: String
    ) throws {
        let (supply, warnings) = try verified(verify)
        #expect(supply.offProves == proof)
        #expect(warnings.count == (warning.isEmpty ? 0 : 1))
        #expect(warnings.allSatisfy { $0.contains(warning) })
    }

    @Test(arguments: [
        ("{ line: PEER_PGOOD }", "200ms", true), ("{ line: PEER_PGOOD }", "500ms", false),
        ("{ line: PEER_PGOOD, plug: own }", "200ms", false),
        ("{ line: PEER_PGOOD, unplugged: on }", "200ms", false),
        ("{ lines: [PEER_PGOOD, PEER_PBAD], bias: pull_up, active: low }", "200ms", false),
    ])
    func `a peer is cut when a plug that may carry both link and sense wire has parted`(
        verify: String, detects: String, waits: Bool
    ) throws {
        let text = changed("verify: { line: PEER_PGOOD }", "verify: \(verify)")
            .replacing("detect_within: 500ms", with: "detect_within: \(detects)")
        let it = try load(text).get()
        let timing = it.policy.timing
        #expect((timing.detectWithin > .milliseconds(500 / 2)) == (waits || detects == "500ms"))
        #expect(!waits || timing.deadAfter > TimingIntent.plugPartsWithin + timing.heartbeat * 2)
        #expect(
            it.warnings.contains { $0.message.contains("may share a plug with a link") } == waits)
    }

    @Test func `a board states what its plugs carry and what its parted wires read`() throws {
        let board = """
            description: x
            chips: { c: { RELAY_PEER: 4, PEER_PGOOD: { offset: 5, unplugged: WORD } } }
            buses: [1]
            connectors: { J7: [link, RELAY_PEER, PEER_PGOOD] }
            """
        let off = board.replacing("WORD", with: "off")
        let (shared, warnings) = try verified("{ line: PEER_PGOOD }", board: off)
        #expect(shared.offProves == .never)
        #expect(warnings.first?.contains("connector J7 of the board's file") == true)
        let on = board.replacing("WORD", with: "on")
        #expect(try verified("{ line: PEER_PGOOD }", board: on).0.offProves == .always)
        // The configuration's own word goes first.
        #expect(
            try verified("{ line: PEER_PGOOD, unplugged: off, plug: own }", board: on).0.offProves
                == .edge)
    }

    @Test(arguments: [
        (
            "{ line: PEER_PGOOD, bias: pull_down, unplugged: on }",
            "PEER_PGOOD is active high and pulled to the other level, so a parted wire reads off, "
                + "not on; pull it the other way"
        ),
        ("{ lines: [PEER_PGOOD] }", "expected two lines"),
        ("{ lines: [PEER_PGOOD, PEER_PGOOD] }", "line PEER_PGOOD twice"),
        ("{ lines: [PEER_PGOOD, RELAY_PEER] }", "the relay's own line proves nothing"),
        ("{ line: PEER_PGOOD, unplugged: yes }", "expected on or off"),
        ("{ line: PEER_PGOOD, plug: shared }", "expected link or own"),
    ])
    func `a wire that cannot be as it is stated is refused`(verify: String, message: String) {
        let result = load(changed("verify: { line: PEER_PGOOD }", "verify: \(verify)"))
        guard case .failure(let errors) = result else {
            Issue.record("\(verify) is taken")
            return
        }
        #expect(errors.list.contains { $0.message.contains(message) }, "\(errors.list)")
    }

    @Test func `a board says how its lines are wired`() throws {
        let board = BoardFile(
            name: "b1", path: "boards/b1.yaml",
            bytes: Array(
                """
                description: x
                models: [Example]
                chips:
                  pinctrl-x:
                    RELAY_PEER: { offset: 4, active: high, drive: open_drain, bias: pull_up }
                    PEER_PGOOD: { offset: 5, active: low }
                buses: [1]
                """.utf8))
        let text = changed("board: simulated", "board: b1")
        let it = try load(text, boards: BoardLibrary([board])).get()
        guard case .relay(let relay) = it.fence[0] else { return #expect(Bool(false)) }
        var line = LineDescription(name: "RELAY_PEER", chip: "pinctrl-x", offset: 4, active: .low)
        line.byBoard = true
        line.bias = .pullUp
        line.drive = .openDrain
        // The configuration's own word, active: low, goes before the board's.
        #expect(relay.supplies[0].line == line)
        #expect(it.board?.models == ["Example"])
    }

    @Test func `a relay may hang on a pin of an expander`() throws {
        let text = changed(
            "line: RELAY_PEER",
            "line: { name: RELAY_PEER, expander: mcp23017, bus: 2, address: 0x20, pin: 9 }")
        let it = try load(text).get()
        guard case .relay(let relay) = it.fence[0] else { return #expect(Bool(false)) }
        #expect(
            relay.supplies[0].line.pin
                == ExpanderPin(kind: .mcp23017, bus: 2, address: 0x20, number: 9))
        let wrong = changed(
            "line: RELAY_PEER",
            "line: { name: RELAY_PEER, expander: pcf8574, bus: 2, address: 0x20, pin: 9 }")
        #expect(errors(load(wrong)).hasSuffix("found \"9\", expected at most 7"))
    }

    static let pin = "{ name: A, expander: pcf8574, bus: 2, address: 0x20, pin: 0 }"

    /// Two relay levels, each with its line and its sense line.
    @Test(arguments: [
        (
            pin, "SA", "{ name: B, expander: pcf8574, bus: 2, address: 0x20, pin: 1 }", "SB",
            "drives relays of two levels"
        ),
        (
            pin, "SA", "{ name: B, expander: mcp23017, bus: 2, address: 0x20, pin: 1 }", "SB",
            "two kinds"
        ),
        (
            pin, "SA", "{ name: B, expander: pcf8574, bus: 2, address: 0x20, pin: 0 }", "SB",
            "A and B are the same line"
        ),
        ("A", "SA", "A", "SB", "line A twice"),
        ("A", "S", "B", "S", "line S twice"),
        ("A", "SA", "B", "A", "line A twice"),
        (
            "{ name: A, chip: gpiochip0, offset: 4 }", "SA",
            "{ name: B, chip: gpiochip0, offset: 4 }", "SB", "A and B are the same line"
        ),
    ])
    func `each line has one user, and each expander's outputs one level`(
        line: String, sense: String, other: String, otherSense: String, error: String
    ) {
        func level(_ line: String, _ sense: String) -> String {
            "  - relay: { line: \(line), off_within: 50ms, verify: { line: \(sense) } }\n"
        }
        let text = changed(
            "  - agent:\n", level(line, sense) + level(other, otherSense) + "  - agent:\n")
        #expect(errors(load(text)).contains(error), "\(errors(load(text)))")
    }

    @Test func `two levels on two expanders, and supplies on one, are well`() throws {
        let text = changed(
            "  - agent:\n",
            """
              - relay:
                  off_within: 50ms
                  lines:
                    - { line: \(LoadTests.pin), verify: { line: SA } }
                    - { line: { name: B, expander: pcf8574, bus: 2, address: 0x20, pin: 1 }, verify: none }
              - relay: { line: { name: C, expander: pcf8574, bus: 2, address: 0x21, pin: 1 }, off_within: 50ms, verify: none }
              - agent:

            """)
        _ = try load(text).get()
    }

    @Test func `an expander that drives a relay has its bus for itself`() {
        let text = changed(
            "line: RELAY_PEER",
            "line: { name: RELAY_PEER, expander: pcf8574, bus: 1, address: 0x20, pin: 1 }")
        #expect(errors(load(text)).contains("where sensors are read"))
    }

    @Test func `watchdogs are named by path or identity`() throws {
        let text = changed(
            "watchdog: { timeout: 10s }",
            "watchdog: { timeout: 10s, pretimeout: 3s, device: [/dev/watchdog1, SP5100 TCO timer] }"
        )
        let it = try load(text).get()
        #expect(
            it.watchdog
                == WatchdogSettings(
                    timeout: .seconds(10), pretimeout: .seconds(3),
                    devices: ["/dev/watchdog1", "SP5100 TCO timer"]))
    }

    @Test func `a watchdog may end a node that cannot stop a group`() throws {
        let old = "watchdog: { timeout: 10s }"
        let set = "watchdog: { timeout: 10s, reset_after_stops: 3 }"
        #expect(try load(changed(old, set)).get().policy.resetAfterStops == 3)
        #expect(try load(example).get().policy.resetAfterStops == nil)
        let never = "watchdog: { timeout: 10s, reset_after_stops: 0 }"
        #expect(errors(load(changed(old, never))).contains("reset_after_stops"))
    }

    @Test func `a sensor that the kernel reads needs no bus`() throws {
        let text = changed(
            "sensors:",
            "sensors:\n  core: { driver: hwmon, chip: cpu_thermal, input: temp1, warn: \">80C\" }")
        let sensor = try load(text).get().sensors[0]
        #expect(sensor.driver == .hwmon(HwmonDescription(chip: "cpu_thermal", input: "temp1")))
        #expect(sensor.bus == HwmonDescription.noBus)
        #expect(sensor.watch.warn == [.above(80)])
    }

    @Test func `mistakes of a board file carry its name`() {
        let board = BoardFile(
            name: "b1", path: "boards/b1.yaml",
            bytes: Array("buses: [300]\nwatchdog: { minimum: 5s, maximum: 1s }\n".utf8))
        let text = changed("board: simulated", "board: b1")
        #expect(
            errors(load(text, boards: BoardLibrary([board]))) == """
                boards/b1.yaml:1:1: description: missing; expected a line that says what the board is
                boards/b1.yaml:1:9: buses[0]: found "300", expected at most 255
                boards/b1.yaml:2:26: watchdog.maximum: is shorter than minimum
                """)
    }
}

extension String {
    /// Indents the two fence levels by two.
    fileprivate func replacingFence() -> String {
        var inside = false
        var all = ""
        for line in self.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("groups:") { inside = false }
            all += (inside && !line.isEmpty ? "  " : "") + line + "\n"
            if line == "  west:" { inside = true }
        }
        return all
    }
}
