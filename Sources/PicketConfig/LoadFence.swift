import PicketCore
public import PicketHardware
import PicketText

/// `fence:`, how each node is cut.
///
/// Either a list, which then holds for both nodes (each calls the lines to the other by the same
/// names), or a mapping with a list for each node that is cut, or `none`.
///
/// `nil` if a level is so damaged that no timing can be derived from the whole.
func readFence(
    _ root: FoundMapping, _ names: PerNode<String>?, _ board: Board?,
    _ sensors: [SensorDescription]
) -> PerNode<[FenceSettings]>? {
    var cuts = PerNode<[FenceSettings]>(low: [], high: [])
    let what =
        "a list of levels, a mapping of each node to the levels that cut it, or none "
        + "(then nothing is ever taken over without the operator's word)"
    guard let found = root.required("fence", what) else { return nil }
    let context = FenceContext(board: board, sensors: sensors)
    if found.isSequence || found.isWord("none") {
        guard let levels = context.levels(found) else { return nil }
        if let names { warnOfNames(found, levels, names) }
        return PerNode(low: levels, high: levels)
    }
    guard found.isMapping else {
        found.expected(what)
        return nil
    }
    guard let names else { return nil }
    let mapping = found.mapping([names.low, names.high])
    var complete = true
    for node in [NodeID.low, .high] {
        let levels = mapping.required(
            names[node], "a list of levels that cut \(names[node]), or none"
        )
        .flatMap { context.levels($0) }
        if let levels { cuts[node] = levels } else { complete = false }
    }
    return complete ? cuts : nil
}

/// A list serves both nodes, so a line that is named after one of them is likely to make that node
/// cut itself.
private func warnOfNames(
    _ found: Found, _ levels: [FenceSettings], _ names: PerNode<String>
) {
    for case .relay(let relay) in levels {
        for supply in relay.supplies {
            let line = lowercased(supply.line.name)
            for name in [names.low, names.high] where contains(line, lowercased(name)) {
                found.warn(
                    "line \(supply.line.name) is called after \(name), and this list serves both "
                        + "nodes: \(name) would cut itself; write \"\(names.low): [...]\" and "
                        + "\"\(names.high): [...]\", each with what cuts that node")
            }
        }
    }
}

private func lowercased(_ text: String) -> [UInt8] {
    Array(text.utf8).map { (0x41...0x5A).contains($0) ? $0 + 0x20 : $0 }
}

private func contains(_ text: [UInt8], _ part: [UInt8]) -> Bool {
    if part.count > text.count { return false }
    for start in 0...(text.count - part.count)
    where text[start..<(start + part.count)] == part[...] {
        return true
    }
    return false
}

private struct FenceContext {
    var board: Board?
    var sensors: [SensorDescription]

    func levels(_ found: Found) -> [FenceSettings]? {
        if found.isWord("none") {
            found.warn("without a fence nothing is ever taken over without the operator's word")
            return []
        }
        guard let items = found.list("a list of fence levels, or none", atMost: 8) else {
            return []
        }
        if items.isEmpty {
            found.fail("found an empty list; if there is no fence, write none")
        }
        var all: [FenceSettings] = []
        var lines = FenceLines()
        for (index, item) in items.enumerated() {
            guard item.isMapping else {
                item.expected("a fence level: relay or agent")
                continue
            }
            if item.peek("lease") != nil {
                item.fail("lease is not available yet; a fence level is a relay or an agent")
                continue
            }
            let mapping = item.mapping(["relay", "agent"])
            switch (mapping["relay"], mapping["agent"]) {
            case (let relay?, nil):
                guard let level = readRelay(relay) else { continue }
                lines.add(level, level: index, sensors: sensors, at: relay)
                all.append(.relay(level))
            case (nil, let agent?): if let level = readAgent(agent) { all.append(.agent(level)) }
            case (nil, nil):
                if !item.problems.noted(at: item) { item.expected("a fence level: relay or agent") }
            case (.some, .some):
                item.fail("a relay and an agent in one level; write each with its own \"-\"")
            }
        }
        guard all.count == items.count else { return nil }
        warnOfProof(all, at: found)
        return all
    }

    /// What would not be taken over, by the way in which the feedback is wired.
    private func warnOfProof(_ levels: [FenceSettings], at found: Found) {
        guard let unproven = levels.unproven else { return }
        let cure =
            "wire it so that a parted wire reads on and write \"unplugged: on\" under verify, or "
            + "give verify two contacts, lines: [NO, NC] (boards/README.md draws both)"
        if unproven.never {
            found.warn(
                "\(unproven.name) shares a plug with a link\(connector(of: unproven.name)), and a "
                    + "pulled plug would read as a peer that is off: this fence proves nothing and "
                    + "nothing is taken over; \(cure)")
        } else {
            found.warn(
                "a node that has lost its supply would not be taken over, because \(unproven.name) "
                    + "may read off where its wire has parted, too; \(cure)")
        }
    }

    private func connector(of line: String) -> String {
        board?.connector(withLinkAnd: line).map { ", connector \($0) of the board's file" } ?? ""
    }

    // MARK: Relay

    private func readRelay(_ found: Found) -> RelayDescription? {
        let mapping = found.mapping([
            "line", "active", "bias", "drive", "wiring", "verify", "lines", "off_within",
            "off_time", "on_within", "policy",
        ])
        let longest = Duration.seconds(60)
        var relay = RelayDescription(supplies: supplies(mapping))
        let offWithin = mapping.required(
            "off_within", "the worst of the relay's data sheet, such as 50ms")?
            .duration(in: .milliseconds(1)...longest)
        relay.offWithin = offWithin ?? relay.offWithin
        relay.onWithin =
            mapping["on_within"]?.duration(in: .milliseconds(1)...longest) ?? relay.onWithin
        relay.offTime =
            mapping["off_time"]?.duration(in: .milliseconds(1) ... .seconds(600)) ?? relay.offTime
        relay.policy = mapping["policy"]?.afterFence() ?? .reboot
        if offWithin != nil, relay.offTime < relay.offWithin {
            mapping.fail(
                "off_time",
                "found \(relay.offTime.asWritten), shorter than off_within "
                    + "(\(relay.offWithin.asWritten)): the supply would be on again before it is off"
            )
        }
        return offWithin == nil ? nil : relay
    }

    private func supplies(_ mapping: FoundMapping) -> [SupplyDescription] {
        guard let lines = mapping["lines"] else {
            _ = mapping.required("line", "the name of the line, such as RELAY_PEER")
            return supply(mapping).map { [$0] } ?? []
        }
        for key in ["line", "active", "bias", "drive", "wiring", "verify"] where mapping[key] != nil
        {
            mapping.fail(key, "stands beside lines; each item of lines has its own")
        }
        guard let items = lines.list("a list of supplies", atMost: 8) else { return [] }
        if items.isEmpty { lines.fail("found an empty list, expected the lines of the supplies") }
        var all: [SupplyDescription] = []
        for item in items {
            let inner = item.mapping(
                ["line", "active", "bias", "drive", "wiring", "verify"], "a supply")
            _ = inner.required("line", "the name of the line, such as RELAY_PEER")
            guard let supply = supply(inner) else { continue }
            if all.contains(where: { $0.line.name == supply.line.name }) {
                item.fail("line \(supply.line.name) twice")
            }
            all.append(supply)
        }
        return all
    }

    private func supply(_ mapping: FoundMapping) -> SupplyDescription? {
        let line = mapping["line"].flatMap { place($0, mapping, driven: true) }
        let wiring =
            mapping["wiring"]?.word([
                ("normally_closed", SupplyDescription.Wiring.normallyClosed),
                ("normally_open", .normallyOpen),
            ]) ?? .normallyClosed
        let verify = mapping.required(
            "verify", "{ line: NAME }, { sensor: NAME, off: \"<0.5V\", on: \">4.5V\" }, or none")
        guard let verify, let feedback = feedback(verify), let line else { return nil }
        if feedback.lines.contains(where: { $0.name == line.name }) {
            verify.fail("the relay's own line proves nothing; name the line that senses the supply")
            return nil
        }
        var supply = SupplyDescription(line: line, wiring: wiring, feedback: feedback)
        guard verify.isMapping else { return supply }
        wire(&supply, verify)
        return supply
    }

    /// What is stated of the feedback's wire, here or by the board's file.
    private func wire(_ supply: inout SupplyDescription, _ verify: Found) {
        let name = supply.feedback.name
        supply.plug =
            verify.peek("plug")?.word([("link", .link), ("own", .own)])
            ?? board?.plug(of: name) ?? .unstated
        let stated = verify.peek("unplugged")
        supply.partedReadsOn =
            stated?.word([("on", true), ("off", false)])
            ?? (board?.line(name)?.line.partedReadsOn ?? false)
        guard supply.partedReadsOn, case .line(let line) = supply.feedback else { return }
        let pulledOff: LineDescription.Bias = line.active == .high ? .pullDown : .pullUp
        if line.bias == pulledOff {
            (stated ?? verify).fail(
                "\(name) is active \(line.active == .high ? "high" : "low") and pulled to the other "
                    + "level, so a parted wire reads off, not on; pull it the other way")
        }
    }

    private func feedback(_ found: Found) -> SupplyDescription.Feedback? {
        if found.isWord("none") {
            found.warn(
                "no feedback: a relay that is stuck is not noticed, and the whole off_time stands "
                    + "in for the proof that the power is off")
            return SupplyDescription.Feedback.none
        }
        guard found.isMapping else {
            found.expected(
                "{ line: NAME }, { sensor: NAME, off: \"<0.5V\", on: \">4.5V\" }, or none")
            return nil
        }
        if found.peek("sensor") != nil { return rail(found) }
        if found.peek("lines") != nil { return contacts(found) }
        let mapping = found.mapping(["line", "active", "bias", "unplugged", "plug"])
        return mapping.required("line", "the name of the sense line, such as PEER_PGOOD")
            .flatMap { place($0, mapping, driven: false) }.map { .line($0) }
    }

    /// Two contacts that must always differ.
    private func contacts(_ found: Found) -> SupplyDescription.Feedback? {
        let mapping = found.mapping(["lines", "active", "bias"])
        let what =
            "two lines: first that of the contact which is closed while there is power, then that "
            + "of the one which is closed while there is none"
        guard let lines = mapping["lines"], let items = lines.list(what, atMost: 2) else {
            return nil
        }
        guard items.count == 2 else {
            lines.fail("expected \(what)")
            return nil
        }
        guard let on = place(items[0], mapping, driven: false),
            let off = place(items[1], mapping, driven: false)
        else { return nil }
        return .contacts(on: on, off: off)
    }

    private func rail(_ found: Found) -> SupplyDescription.Feedback? {
        let mapping = found.mapping(["sensor", "off", "on", "unplugged", "plug"])
        let name = mapping["sensor"]?.name()
        let off = mapping.required("off", "a threshold such as \"<0.5V\"")?.threshold(.voltage)
        let on = mapping.required("on", "a threshold such as \">4.5V\"")?.threshold(.voltage)
        guard let name, let off, let on else { return nil }
        guard let sensor = sensors.first(where: { $0.name == name }) else {
            mapping.fail(
                "sensor",
                "no sensor is called \(Text.quoted(name))"
                    + Text.suggestion(name, sensors.map { $0.name }))
            return nil
        }
        guard sensor.driver.unit == .volts else {
            mapping.fail("sensor", "\(name) does not read volts")
            return nil
        }
        guard case .below(let offBelow) = off, case .above(let onAbove) = on, offBelow < onAbove
        else {
            found.fail(
                "expected off below and on above, with off the lower: off: \"<0.5V\", on: \">4.5V\""
            )
            return nil
        }
        return .sensor(name: name, offBelow: offBelow, onAbove: onAbove)
    }

    /// A line by name, by `{ name, chip, offset }`, or as a pin of an expander,
    /// `{ name, expander, bus, address, pin }`. The board knows the places of some.
    private func place(
        _ found: Found, _ around: FoundMapping, driven: Bool
    ) -> LineDescription? {
        guard var line = whereItIs(found) else { return nil }
        if let active = around["active"] { line.active = active.level() ?? .high }
        if let bias = around["bias"] { line.bias = bias.bias() ?? .asIs }
        if driven, let drive = around["drive"] { line.drive = drive.drive() ?? .pushPull }
        if line.pin != nil, line.bias != .asIs || line.drive != .pushPull {
            found.fail("a pin of an expander has no bias and no drive to choose")
        }
        return line
    }

    private func whereItIs(_ found: Found) -> LineDescription? {
        guard found.isMapping else {
            guard let name = found.gpioLine() else { return nil }
            var line = LineDescription(name: name)
            if let known = board?.line(name) {
                line.chip = known.chip
                line.offset = known.line.offset
                line.active = known.line.active ?? .high
                line.bias = known.line.bias
                line.drive = known.line.drive
                line.byBoard = true
            }
            return line
        }
        if found.peek("expander") != nil { return pin(found) }
        let mapping = found.mapping(["name", "chip", "offset"])
        let name = mapping.required("name", "what the line is called")?.gpioLine()
        let chip = mapping.required("chip", "a chip such as gpiochip0")?.line("a chip")
        let offset = mapping.required("offset", "the line's number on the chip")?
            .integer(in: 0...65535)
        guard let name, let chip, let offset else { return nil }
        return LineDescription(name: name, chip: chip, offset: UInt32(offset))
    }

    private func pin(_ found: Found) -> LineDescription? {
        let mapping = found.mapping(["name", "expander", "bus", "address", "pin"])
        let name = mapping.required("name", "what the line is called")?.gpioLine()
        let kind = mapping["expander"]?.word([
            ("pcf8574", ExpanderPin.Kind.pcf8574), ("mcp23017", .mcp23017),
        ])
        let bus = mapping.required("bus", "the N of /dev/i2c-N")?.integer(in: 0...255)
        let address = mapping.required("address", "an I2C address such as 0x20")?.i2cAddress()
        let pins = kind?.pins ?? 16
        let number = mapping.required("pin", "the pin's number, 0 to \(pins - 1)")?
            .integer(in: 0...(pins - 1))
        guard let name, let kind, let bus, let address, let number else { return nil }
        var line = LineDescription(name: name)
        line.pin = ExpanderPin(kind: kind, bus: bus, address: address, number: UInt8(number))
        return line
    }

    // MARK: Agent

    private func readAgent(_ found: Found) -> AgentSettings? {
        let mapping = found.mapping(["path", "options", "policy", "off_within", "timeout"])
        let path = mapping.required("path", "the fence agent, such as /usr/sbin/fence_ipmilan")?
            .path()
        let options =
            mapping["options"].map { $0.settings("a mapping of the agent's options") } ?? []
        let policy = mapping["policy"].map { $0.afterFence() } ?? .reboot
        let offWithin = mapping.required(
            "off_within", "the longest time until the power is off, such as 3s")?
            .duration(in: .milliseconds(1) ... .seconds(600))
        let timeout =
            mapping["timeout"].map { $0.duration(in: .milliseconds(1) ... .seconds(600)) }
            ?? offWithin
        guard let path, let options, let policy, let timeout, let offWithin else { return nil }
        for option in options where option.name == "action" {
            found.fail("the option action is picket's own: write policy: reboot or off")
            return nil
        }
        if timeout > offWithin {
            mapping.fail(
                "timeout",
                "found \(timeout.asWritten), longer than off_within (\(offWithin.asWritten)): the "
                    + "peer's turn to fence comes off_within after the last order of this node's, "
                    + "and the agent could still cut it \((timeout - offWithin).asWritten) later, "
                    + "so that both nodes are off; write timeout: \(offWithin.asWritten) or less, "
                    + "or off_within: \(timeout.asWritten) (detect_within grows with it)")
            return nil
        }
        return AgentSettings(
            path: path, options: options, policy: policy, offWithin: offWithin, timeout: timeout)
    }
}

extension Found {
    fileprivate func afterFence() -> RelayDescription.AfterFence? {
        word([("reboot", RelayDescription.AfterFence.reboot), ("off", .off)])
    }
}

extension Problems {
    /// Something is noted already at this value or below it.
    func noted(at found: Found) -> Bool {
        errors.contains { $0.path.hasPrefix(found.path) && $0.position >= found.position }
    }
}

extension [FenceSettings] {
    /// The feedback by which a node that has lost its supply could not be proven off, if none of
    /// these levels could prove it; of the level that proves the most.
    public var unproven: UnprovenFeedback? {
        var best: UnprovenFeedback?
        for level in self {
            guard case .relay(let relay) = level, let unproven = relay.unproven else { return nil }
            if best?.never != false { best = unproven }
        }
        return best
    }
}

extension FenceSettings {
    /// The level as the core is told of it.
    var level: FenceLevel {
        switch self {
        case .relay(let relay): .relay(verified: relay.verified)
        case .agent: .agent
        }
    }
}
