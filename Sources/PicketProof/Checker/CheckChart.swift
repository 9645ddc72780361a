/// The way to a violation as a message-sequence chart.

import PicketCore

extension CheckResult {
    /// One line or a few for each step: the step of time, then the two nodes, one at each side.
    public func chart(_ bounds: CheckBounds) -> [String] {
        var state = PairState.first(bounds)
        var image = ImageWriter(
            now: state.now, step: CheckBounds.step, horizon: bounds.horizon)
        var chart = Chart()
        state.keepsEffects = true
        for step in path {
            chart.note(step, from: state)
            state.out.removeAll()
            state.apply(step)
            for (id, effect) in state.out { chart.note(effect, of: id, in: state) }
            if state.violation != nil { break }
            // The path's numbers are those of images.
            image.base = state.now
            state.write(to: &image)
            _ = state.read(image.bytes, at: 0)
        }
        if let violation = state.violation {
            chart.add(nil, "\(violation.property) is broken: \(violation.text)")
        }
        return chart.lines
    }
}

private struct Chart {
    private(set) var lines = [
        Chart.row("step", "low", "", "high"),
        Chart.row("────", String(repeating: "─", count: 44), "", String(repeating: "─", count: 44)),
    ]
    private var time = 0

    static func row(_ time: String, _ low: String, _ middle: String, _ high: String) -> String {
        var line = pad(time, 5) + pad(low, 46) + pad(middle, 6) + high
        while line.hasSuffix(" ") { line.removeLast() }
        return line
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    mutating func add(_ id: NodeID?, _ text: String, arrow: String = "") {
        switch id {
        case .low: lines.append(Chart.row("\(time)", text, arrow, ""))
        case .high: lines.append(Chart.row("\(time)", "", arrow, text))
        case nil: lines.append(Chart.row("\(time)", text, "", ""))
        }
    }

    mutating func note(_ step: Step, from state: PairState) {
        let id = step.node
        switch step.kind {
        case .advance: time += 1
        case .deliver, .duplicate, .deliverCopy, .lose:
            note(step, state[to: id][Int(step.index)])
        case .boot: add(id, "power on, the agent starts")
        case .start: add(id, "the agent is started again")
        case .tick: add(id, "(wakes)")
        case .greet: add(id, "learns the peer's session by hello")
        case .written: add(id, "what it must remember is on disk")
        case .writeFails: add(id, "✗ the disk does not take it")
        case .started: add(id, "the group is up")
        case .stopped: add(id, "the group is stopped")
        case .startFails: add(id, "✗ the group does not start, and is stopped")
        case .startFailsDirty: add(id, "✗ the group neither starts nor stops")
        case .stopFails: add(id, "✗ the group does not stop")
        case .monitorFails: add(id, "✗ the group's monitor fails")
        case .drive: add(id, "⚡ the relay is driven")
        case .void: add(id, "the fence's order is void")
        case .relaySticks: add(id, "✗ the relay sticks, the peer stays on")
        case .fall: add(id.peer, "⚡ the power is cut")
        case .spare: add(id, "the line is back before the supply fell")
        case .reportOff: add(id, "the fence is verified")
        case .restore: add(id.peer, "the supply is on again")
        case .reportRestored: add(id, "the supply is reported on")
        case .crash, .crashAfterWrite: add(id, "✗ the agent dies")
        case .powerLoss, .powerLossAfterWrite: add(id, "✗ the power fails")
        case .pause: add(id, "✗ the agent stands still")
        case .resume: add(id, "the agent goes on")
        case .haltTick, .haltReceipt, .haltWritten:
            add(id, "✗ the agent stands still in the middle of a turn")
        case .haltDelivery:
            note(Step(.deliver, id), state[to: id][0])
            add(id, "✗ the agent stands still in the middle of a turn")
        case .unfit: add(id, "✗ health 0")
        case .fit: add(id, "health 100")
        case .handover: add(id, "☞ handover")
        case .leave: add(id, "☞ leave")
        case .maintain: add(id, "☞ maintenance on")
        case .unmaintain: add(id, "☞ maintenance off")
        case .agreePause: add(id, "☞ pause")
        case .fence: add(id, "☞ fence")
        case .confirm: add(id, "☞ fence confirm")
        case .clear: add(id, "☞ clear")
        }
    }

    private mutating func note(_ step: Step, _ flight: Flight) {
        let toHigh = step.node == .high
        var text = flight.delivered ? "a copy" : describe(flight.message)
        if step.kind == .duplicate { text += " (and a copy goes on)" }
        if step.kind == .lose {
            add(step.node.peer, "lost: " + text, arrow: toHigh ? "──✗" : "✗──")
        } else {
            add(step.node, text, arrow: toHigh ? "──▶" : "◀──")
        }
    }

    private func describe(_ message: Message) -> String {
        var text = "#\(message.sequence) \(message.phase)"
        if let group = message.groups.first {
            text += ", \(group.role) \(group.term.value)"
            if group.flags.contains(.running) { text += " running" }
        }
        if message.acknowledged > 0 { text += ", acknowledges #\(message.acknowledged)" }
        return text
    }

    mutating func note(_ effect: Effect, of id: NodeID, in state: PairState) {
        switch effect {
        case .trace(let trace): add(id, "  · " + describe(trace))
        case .send(let message, _):
            if state[id].known != 0 { add(id, "  → " + describe(message)) }
        case .start(let activation):
            add(id, "  ▲ starts the group at term \(activation.term.value)")
        case .adopt(let activation):
            add(id, "  ▲ keeps the group at term \(activation.term.value)")
        case .stop: add(id, "  ▼ stops the group")
        case .exit: add(id, "  the agent ends")
        case .persist, .lookAtDisk, .note, .fence, .cancelFence, .feedWatchdog, .ban, .answer,
            .leaveAlone, .change, .replicate:
            break
        }
    }

    private func describe(_ trace: Trace) -> String {
        var text = "\(trace.kind)"
        if let term = trace.term { text += " at term \(term.value)" }
        if trace.cause != .none { text += " (\(trace.cause))" }
        if let refusal = trace.refusal { text += ": \(refusal)" }
        return text
    }
}
