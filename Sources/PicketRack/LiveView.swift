/// The rack on a terminal: both nodes, their wires, what happens, and a key for each fault.
///
/// It draws what the rack itself sees. What an agent says of itself stands under "agent". Every key
/// does an `Action`, as a scenario does.
import CPicket
import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketText

package final class LiveView {
    private unowned let rack: Rack
    private let player: ScenarioPlayer?
    private var selected = NodeID.low
    private var showsHelp = false
    private var events: [RackEvent] = []
    private var undo: Set<String> = []
    private var summary: String?
    private let output: Output

    package init(rack: Rack, player: ScenarioPlayer?, to output: Output) {
        self.output = output
        self.rack = rack
        self.player = player
        rack.listen { [unowned self] event in
            guard event.severity != .quiet else { return }
            // What an agent says is heard a moment later than it happened.
            let place = events.lastIndex { $0.at <= event.at }.map { $0 + 1 } ?? 0
            events.insert(event, at: place)
            if events.count > 500 { events.removeFirst(100) }
        }
    }

    /// - Returns: the exit status: that of the story, if one was played to its end.
    package func run() -> Int32 {
        guard picket_terminal_raw() == 0 else { return 2 }
        // Alternate screen, no cursor.
        output.write(Array("\u{1B}[?1049h\u{1B}[?25l".utf8))
        defer {
            output.write(Array("\u{1B}[?25h\u{1B}[?1049l".utf8))
            picket_terminal_restore()
            if let summary { output.write(Array((summary + "\n").utf8)) }
        }
        rack.loop.watch(0) { [unowned self] in readKeys() }
        rack.loop.every(.milliseconds(100)) { [unowned self] in draw() }
        guard let player else {
            for node in rack.nodes { node.switchOn() }
            rack.loop.run()
            return 0
        }
        var status: Int32 = 0
        player.begin { [unowned self] in
            let result = player.judge()
            summary = result.text
            status = result.passed ? 0 : 1
        }
        rack.loop.run()
        return status
    }

    // MARK: - Keys

    private struct Key {
        var key: Character
        var help: String
        /// The phrases that cause the fault. A second press takes it back by `release`.
        var press: (String) -> [String]
        var release: ((String) -> [String])?
    }

    /// Phrases of the action for the node that is selected.
    private lazy var keys: [Key] = {
        let sensor = rack.plan.nodes.low.sensors.first?.settings.name
        let group = rack.plan.groups.first
        var keys: [Key] = [
            Key(key: "c", help: "crash: the kernel dies", press: { ["crash \($0)"] }),
            Key(
                key: "p", help: "power: cut, restore", press: { ["cut power of \($0)"] },
                release: { ["boot \($0)"] }),
            Key(key: "k", help: "kill the agent", press: { ["kill agent of \($0)"] }),
            Key(
                key: "h", help: "hang the agent, resume", press: { ["pause agent of \($0)"] },
                release: { ["resume agent of \($0)"] }),
            Key(
                key: "z", help: "freeze the whole node, resume", press: { ["pause \($0)"] },
                release: { ["resume \($0)"] }),
            Key(
                key: "s", help: "stop the agent as planned, start",
                press: { ["stop agent of \($0)"] },
                release: { ["start agent of \($0)"] }),
            Key(
                key: "r", help: "relay that feeds it: stuck, well",
                press: { ["relay of \($0) is stuck-on"] },
                release: { ["relay of \($0) is well"] }),
            Key(
                key: "f", help: "feedback of that relay: lies, truth",
                press: { ["feedback of \($0) says opposite"] },
                release: { ["feedback of \($0) says truth"] }),
            Key(
                key: "x", help: "all links: cut, well", press: { _ in ["link all cut"] },
                release: { _ in ["link all well"] }),
            Key(
                key: "t", help: "links to it: cut, well", press: { ["link all to \($0) cut"] },
                release: { ["link all to \($0) well"] }),
            Key(
                key: "l", help: "all links: 30% loss, well",
                press: { _ in ["link all loss 30% duplicate 10% reorder 10%"] },
                release: { _ in ["link all well"] }),
            Key(
                key: "d", help: "disk: full, free", press: { ["disk of \($0) full"] },
                release: { ["disk of \($0) free"] }),
            Key(
                key: "m", help: "maintenance: on, off", press: { ["command \($0) maintenance on"] },
                release: { ["command \($0) maintenance off"] }),
        ]
        if let sensor {
            let hot = Self.criticalValue(rack.plan.nodes.low.sensors[0].settings)
            let normal = rack.plan.nodes.low.sensors[0].value
            keys += [
                Key(
                    key: "o", help: "\(sensor): critical, normal",
                    press: { ["sensor \(sensor) of \($0) reads \(Text.number(hot)) within 2s"] },
                    release: {
                        ["sensor \(sensor) of \($0) reads \(Text.number(normal)) within 1s"]
                    }),
                Key(
                    key: "n", help: "\(sensor): no acknowledge, well",
                    press: { ["sensor \(sensor) of \($0) is nak"] },
                    release: { ["sensor \(sensor) of \($0) is well"] }),
                Key(
                    key: "b", help: "bus of \(sensor): hangs, recovers",
                    press: { [unowned self] in ["bus \(busNumber) of \($0) hangs"] },
                    release: { [unowned self] in ["bus \(busNumber) of \($0) recovers"] }),
            ]
        }
        if group != nil {
            keys.append(
                Key(key: "g", help: "hand over its groups", press: { ["command \($0) handover"] }))
        }
        return keys
    }()

    private var busNumber: Int { rack.plan.nodes.low.sensors.first?.settings.bus ?? 1 }

    private static func criticalValue(_ sensor: SensorDescription) -> Double {
        switch sensor.watch.critical.first {
        case .above(let limit): return limit + 10
        case .below(let limit): return limit - 1
        case nil: break
        }
        return 100
    }

    private func readKeys() {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(0, $0.baseAddress, $0.count) }
        guard count > 0 else { return rack.loop.stop() }
        for byte in bytes[..<count] { press(Character(UnicodeScalar(byte))) }
        draw()
    }

    private func press(_ key: Character) {
        switch key {
        case "q": rack.loop.stop()
        case "?": showsHelp.toggle()
        case "\t": selected = selected.peer
        case "1"..."8":
            let number = key.wholeNumberValue!
            guard number <= rack.plan.linkCount else { return }
            toggle("link \(number)", ["link \(number) cut"], ["link \(number) well"])
        default:
            guard let known = keys.first(where: { $0.key == key }) else { return }
            let name = rack[selected].name
            toggle("\(key) \(name)", known.press(name), known.release?(name))
        }
    }

    private func toggle(_ id: String, _ press: [String], _ release: [String]?) {
        if let release, undo.remove(id) != nil {
            perform(release)
        } else {
            if release != nil { undo.insert(id) }
            perform(press)
        }
    }

    private func perform(_ phrases: [String]) {
        for phrase in phrases {
            do throws(PhraseError) {
                let action = try PhraseReader.action(phrase, plan: rack.plan)
                rack.tell(.scenario, "action", phrase, .good)
                rack.perform(action)
            } catch {
                rack.tell(.scenario, "refused", "\(phrase): \(error.text)", .warning)
            }
        }
    }

    // MARK: - Drawing

    private func draw() {
        var columns: Int32 = 80
        var rows: Int32 = 24
        unsafe picket_terminal_size(&columns, &rows)
        let width = max(40, Int(columns))
        var lines = header(width)
        if showsHelp {
            lines += help()
        } else {
            lines += nodeLines(width)
            lines += wires()
        }
        lines.append(Line(String(repeating: "─", count: width), "2"))
        let room = max(0, Int(rows) - lines.count - 1)
        for event in events.suffix(room) { lines.append(line(of: event)) }
        while lines.count < Int(rows) - 1 { lines.append(Line("")) }
        let mine = rack[selected].name
        lines.append(Line(" Tab: \(mine) selected   ?: keys   q: quit", "7"))
        var text = "\u{1B}[H"
        for (index, line) in lines.prefix(Int(rows)).enumerated() {
            text +=
                line.text(width, output.colour) + "\u{1B}[K" + (index < Int(rows) - 1 ? "\r\n" : "")
        }
        output.write(Array(text.utf8))
    }

    /// Pieces of text, each with its colour.
    private struct Line {
        var pieces: [(text: String, code: String?)]
        init(_ text: String, _ code: String? = nil) { pieces = [(text, code)] }
        init(_ pieces: [(String, String?)]) {
            self.pieces = pieces.map { (text: $0.0, code: $0.1) }
        }

        var length: Int { pieces.reduce(0) { $0 + $1.text.count } }

        func padded(to width: Int) -> Line {
            var line = self
            line.pieces.append((String(repeating: " ", count: max(0, width - length)), nil))
            return line
        }

        func text(_ width: Int, _ colour: Bool) -> String {
            var left = width
            var text = ""
            for piece in pieces where left > 0 {
                let cut = String(piece.text.prefix(left))
                left -= cut.count
                if colour, let code = piece.code {
                    text += "\u{1B}[\(code)m\(cut)\u{1B}[0m"
                } else {
                    text += cut
                }
            }
            return text
        }
    }

    private func header(_ width: Int) -> [Line] {
        let name = rack.plan.configurations.low.pair
        let time = Text.offset(rack.loop.now - rack.began)
        let tally = rack.tally
        let counts =
            "fences \(tally.fenceCount)  takeovers \(tally.takeovers)  handovers \(tally.handovers)  "
        let dual = rack.evidence.dualActive()
        var line = Line([
            (" picket rack ", "7"), (" SIMULATED ", "33"), (" \(name) \(time) s  \(counts)", nil),
            dual > .zero
                ? ("DUAL ACTIVE \(dual.milliseconds) ms", "1;31") : ("dual active 0 ms", "32"),
        ])
        if let summary { line = Line(" \(summary)", summary.hasPrefix("PASSED") ? "1;32" : "1;31") }
        return [line, Line("")]
    }

    private func nodeLines(_ width: Int) -> [Line] {
        let half = (width - 3) / 2
        let low = lines(of: rack[.low])
        let high = lines(of: rack[.high])
        return (0..<max(low.count, high.count)).map { index in
            let left = index < low.count ? low[index] : Line("")
            let right = index < high.count ? high[index] : Line("")
            var line = left.padded(to: half)
            line.pieces = clip(line.pieces, half) + [(" │ ", "2")] + right.pieces
            return line
        }
    }

    private func clip(
        _ pieces: [(text: String, code: String?)], _ width: Int
    ) -> [(text: String, code: String?)] {
        var left = width
        return pieces.map { piece in
            let cut = String(piece.text.prefix(max(0, left)))
            left -= cut.count
            return (cut, piece.code)
        }
    }

    private func lines(of node: SimulatedNode) -> [Line] {
        let agent = node.agent
        let mark = node.id == selected ? "▶ " : "  "
        var lines = [Line([(mark + node.name, node.id == selected ? "1;36" : "1")])]
        let (state, code): (String, String) =
            switch node.state {
            case .off: ("OFF", "1;31")
            case .booting: ("booting", "33")
            case .running: ("on", "32")
            case .crashed: ("CRASHED", "1;31")
            }
        lines.append(Line([("  power     ", "2"), (state, code), ("   boots \(node.boots)", "2")]))
        lines.append(Line([("  agent     ", "2"), agentText(node, agent)]))
        var watchdog = ("off", Optional("33"))
        if let (timeout, fedAt) = node.body.watchdog {
            let age = (rack.loop.now - fedAt).milliseconds
            watchdog = ("\(Text.span(timeout)), fed \(age) ms ago", nil)
        }
        lines.append(Line([("  watchdog  ", "2"), watchdog]))
        for group in rack.plan.groups {
            let holds = rack.active(group) == node.name
            let term = agent.group(group)?["term"].map { "term \($0)" } ?? ""
            let role = agent.group(group)?["role"] as? String ?? ""
            lines.append(
                Line([
                    ("  \(group.padding(to: 9)) ", "2"),
                    holds ? ("ACTIVE ", "1;32") : ("– ", "2"), ("\(role) \(term)", "2"),
                ]))
        }
        for sensor in node.sensors { lines.append(line(of: sensor, agent)) }
        return lines
    }

    private func agentText(_ node: SimulatedNode, _ agent: AgentObserver) -> (String, String?) {
        guard node.state == .running else { return ("–", "2") }
        if node.body.agentPaused { return ("HUNG", "1;31") }
        guard agent.isAnswering, let phase = agent.phase else { return ("silent", "33") }
        let contact = agent.hasContact ? "contact" : "no contact"
        let gap =
            agent.hasContact
            ? agent.protectionGap.map {
                ", unprotected: \(String($0.map { $0 == "_" ? " " : $0 }))"
            } ?? "" : ""
        return ("\(phase), \(contact)\(gap)", agent.isPaired ? "32" : "33")
    }

    private func line(of sensor: SimulatedSensor, _ agent: AgentObserver) -> Line {
        let said = agent.sensor(sensor.settings.name)?["state"] as? String
        let code: String? =
            switch said {
            case "critical", "failed": "1;31"
            case "warn", "stale": "33"
            default: nil
            }
        let value =
            "\(Text.number(sensor.reading(at: rack.loop.now))) \(sensor.settings.driver.unit.symbol)"
        let fault = sensor.fault == .none ? "" : "  [\(sensor.fault)]"
        return Line([
            ("  \(sensor.settings.name.padding(to: 9)) ", "2"), (value + fault, nil),
            ("  \(said ?? "")", code),
        ])
    }

    private func wires() -> [Line] {
        let (low, high) = (rack.plan.names.low, rack.plan.names.high)
        var lines = [Line("")]
        for link in 0..<rack.plan.linkCount {
            func path(_ to: NodeID) -> Network.Path {
                rack.network.paths.first { $0.link == link && $0.to == to }!
            }
            lines.append(
                Line([
                    ("  link \(link + 1)  ", "2"), ("\(low) ", nil), arrow(path(.high), "→"),
                    (" \(high)   ", nil), ("\(high) ", nil), arrow(path(.low), "→"),
                    (" \(low)", nil),
                ]))
        }
        for relay in rack.relays + rack.outlets {
            let fed = rack[relay.fed].name
            var pieces: [(String, String?)] = [
                ("  relay   ", "2"), ("\(relay.plan.line) feeds \(fed): ", nil),
                relay.contact ? ("connected", "32") : ("DISCONNECTED", "1;31"),
            ]
            if relay.fault != .none { pieces.append(("  [\(relay.fault)]", "1;31")) }
            if relay.feedback != .truthful {
                pieces.append(("  [feedback \(relay.feedback)]", "1;31"))
            }
            lines.append(Line(pieces))
        }
        return lines
    }

    private func arrow(_ path: Network.Path, _ head: String) -> (String, String?) {
        let disturbance = path.disturbance
        if disturbance.cut { return ("──╳──\(head)", "1;31") }
        if disturbance != .none { return ("─ ─ ─\(head)", "33") }
        return ("─────\(head)", "32")
    }

    private func help() -> [Line] {
        var lines = [
            Line(" What the keys do to \(rack[selected].name); Tab selects the other.", "1"),
            Line(""),
        ]
        for key in keys { lines.append(Line([("   \(key.key)  ", "1;36"), (key.help, nil)])) }
        lines.append(
            Line([("   1…\(rack.plan.linkCount)", "1;36"), (" one link: cut, well", nil)]))
        return lines
    }

    private func line(of event: RackEvent) -> Line {
        let node = (event.node ?? "").padding(to: 8)
        let text =
            "\(Text.offset(event.at - rack.began))  \(node) "
            + "\(event.source.rawValue.padding(to: 9))\(event.text)"
        return Line(text, Timeline.code(event.severity, event.source))
    }
}
