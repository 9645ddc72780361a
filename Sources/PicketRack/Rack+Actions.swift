/// Doing to the rack what a scenario or a key says, and asking it what a scenario waits for.
import Foundation
import PicketConfig
import PicketControl
import PicketCore
import PicketHardware

extension Rack {
    func perform(_ action: Action) {
        switch action {
        case .crash(let id):
            injected(id)
            self[id].crash()
        case .boot(let id): self[id].switchOn()
        case .cutPower(let id):
            injected(id)
            self[id].cutMains()
        case .agent(let id, let verb): perform(verb, on: self[id])
        case .agentStalls(let id, let stalls):
            loop.cancel(self[id].stallTimer)
            if let stalls { stall(self[id], stalls) }
        case .pauseNode(let id, let pause):
            if pause { injected(id) }
            self[id].body.pauseAll(pause)
        case .sensorReads(let id, let name, let value, let span):
            ramp(self[id].sensor(name)!, to: value, within: span)
        case .sensorFault(let id, let name, let fault):
            self[id].sensor(name)!.set(fault, at: loop.now)
            for bus in self[id].buses.values { bus.release() }
        case .bus(let id, let number, let hangs): self[id].buses[number]?.hang(hangs)
        case .relay(let id, let fault): for relay in self[id].relays { relay.set(fault) }
        case .supply(let id, let number, let dead):
            let node = self[id]
            node.relays[number].isDead = dead
            tell(
                .rack, dead ? "supply_dead" : "supply_well", node: node.name,
                "supply \(number + 1) of \(node.name) \(dead ? "is dead" : "gives power")")
            node.feedChanged()
        case .outlet(let id, let fault): for outlet in self[id].outlets { outlet.set(fault) }
        case .fenceWorker(let id, let hangs): self[id].linesHang = hangs
        case .feedback(let id, let feedback):
            for relay in self[id].relays { relay.feedback = feedback }
            railMoved()
        case .harness(let id, let move): moveHarness(of: id, move)
        case .link(let link, let to, let change): perform(change, on: link, to: to)
        case .workload(let id, let group, let verb, let behaviour):
            self[id].body.misbehave(group: group, verb: verb, behaviour: behaviour)
        case .command(let id, let text): command(self[id], text)
        case .clock(let id, let seconds): self[id].body.stepClock(by: seconds)
        case .line(let id, let name, let level): self[id].body.stick(name, level)
        case .run(let id, let text): run(text, on: self[id])
        case .disk(let id, let full): fill(self[id], full)
        case .diskHangs(let id, let hangs):
            self[id].body.hangDisk(hangs)
            tell(
                .rack, hangs ? "disk_hangs" : "disk_answers", node: self[id].name,
                "\(self[id].name)'s disk \(hangs ? "does not answer" : "answers again")")
        case .key(let id, let right): try? changeKey(of: id, right: right)
        case .file(let id, let edit): try? writeFile(of: id, edit)
        case .capture(let name): network.capture(name)
        case .replay(let name):
            tell(.scenario, "replay", "replays \(network.captured(name)) captured datagrams")
            network.replay(name)
        case .junk(let id, let count): network.junk(to: id, count: count)
        case .copy(let group, let id, let stalls): stallCopy(of: group, on: id, stalls)
        case .say: break
        }
    }

    private func perform(_ verb: Action.AgentVerb, on node: SimulatedNode) {
        switch verb {
        case .kill:
            injected(node.id)
            node.body.killAgent()
        case .pause:
            injected(node.id)
            node.body.pauseAgent(true)
        case .resume: node.body.pauseAgent(false)
        case .stop: node.body.stopAgent()
        case .start: node.body.startAgent()
        case .reload: node.body.reloadAgent()
        }
    }

    private func stall(_ node: SimulatedNode, _ stalls: Action.Stalls) {
        node.body.pauseAgent(true)
        loop.after(stalls.length) { node.body.pauseAgent(false) }
        node.stallTimer = loop.after(stalls.period) { [unowned self] in stall(node, stalls) }
    }

    private func perform(_ change: Action.LinkChange, on link: Int?, to: NodeID?) {
        switch change {
        case .well: network.disturb(link: link, to: to) { $0 = .none }
        case .cut:
            network.disturb(link: link, to: to) { $0.cut = true }
            if network.paths.allSatisfy({ $0.disturbance.cut }) {
                for node in nodes { injected(node.id) }
            }
        case .disturb(let disturbance): network.disturb(link: link, to: to) { $0 = disturbance }
        }
    }

    /// The wires of a plug part one after the other, and so they come back; each when it has parted.
    private func moveHarness(of id: NodeID, _ move: Action.Harness) {
        let parts = move != .returns
        func at(_ lead: SimulatedRelay.Lead? = nil, _ action: @escaping () -> Void) {
            var delay = Duration.milliseconds(Int64.random(in: parts ? 0..<300 : 300..<600))
            if case .parts(let senseAfter?) = move { delay = lead == .sense ? senseAfter : .zero }
            loop.after(delay, action)
        }
        at { [unowned self] in perform(parts ? .cut : .well, on: nil, to: nil) }
        for relay in relays where relay.driver == id {
            for lead in SimulatedRelay.Lead.allCases {
                at(lead) { [unowned self] in
                    if parts { relay.parted.insert(lead) } else { relay.parted.remove(lead) }
                    railMoved()
                }
            }
        }
    }

    /// Walks there in steps of 20 ms, as a temperature does.
    private func ramp(_ sensor: SimulatedSensor, to value: Double, within span: Duration) {
        let steps = max(1, span.milliseconds / 20)
        let from = sensor.value
        for step in 1...steps {
            let share = Double(step) / Double(steps)
            loop.after(.milliseconds(20 * (step - 1))) {
                sensor.value = from + (value - from) * share
            }
        }
    }

    private func run(_ command: String, on node: SimulatedNode) {
        commandsUnderWay += 1
        node.body.run(command) { [unowned self] lines, status in
            commandsUnderWay -= 1
            for line in lines { tell(.rack, "machine_said", node: node.name, line) }
            let failed = status > 0
            tell(
                .rack, failed ? "command_failed" : "command_done", node: node.name,
                "the command on \(node.name) ends with status \(status)",
                failed ? .warning : .quiet)
            if failed {
                let last = lines.last.map { ": \($0)" } ?? ""
                failedCommand = "\(node.name): \(command) ends with status \(status)\(last)"
            }
        }
    }

    private func command(_ node: SimulatedNode, _ text: String) {
        node.agent.command(text) { [unowned self] reply, accepted in
            tell(
                RackEvent(
                    at: loop.now, source: .agent, node: node.name,
                    kind: accepted ? "command_accepted_reply" : "command_refused_reply",
                    text: reply, severity: accepted ? .quiet : .warning))
        }
    }

    private func fill(_ node: SimulatedNode, _ full: Bool) {
        if full {
            tell(.rack, "disk_full", node: node.name, "\(node.name)'s disk \(node.body.fillDisk())")
        } else {
            node.body.freeDisk()
            tell(.rack, "disk_free", node: node.name, "\(node.name)'s disk has room again")
        }
    }

    // MARK: - Conditions

    func holds(_ condition: Condition) -> Bool {
        switch condition {
        case .ready:
            self[.low].agent.isPaired && self[.high].agent.isPaired
                && self[.low].agent.protectionGap == nil
                && self[.high].agent.protectionGap == nil && self[.low].agent.isArmed
                && self[.high].agent.isArmed
                && plan.groups.allSatisfy { active($0) != nil }
                && stateful.allSatisfy { copyIsCurrent(of: $0) }
        case .paired: self[.low].agent.isPaired && self[.high].agent.isPaired
        case .phase(let id, let phase): self[id].agent.phase == phase
        case .silent(let id): !self[id].agent.isAnswering
        case .fit(let id): self[id].agent.health ?? 0 > 50
        case .verdict(let id, let verdict): self[id].agent.verdict == verdict.label
        case .power(let id, let on): (self[id].state == .running) == on
        case .active(let group, nil): active(group) != nil
        case .active(let group, let id?): active(group) == self[id].name
        case .inactive(let group): active(group) == nil
        case .count(.fences, let count): tally.fenceCount >= count
        case .count(.attempts, let count): tally.attemptCount >= count
        case .count(.takeovers, let count): tally.takeovers >= count
        case .count(.handovers, let count): tally.handovers >= count
        case .count(.resets, let count): tally.resets >= count
        case .reports(let id, let kind, let times):
            self[id].agent.kinds.count { $0 == kind } >= times
        case .says(let id, let words): self[id].agent.sentences.contains { $0.contains(words) }
        case .sensor(let id, let name, let state):
            self[id].agent.sensor(name)?["state"] as? String == state
        }
    }

    /// Both agents say so, the holder since it has the group: a status of before tells nothing.
    private func copyIsCurrent(of group: String) -> Bool {
        guard let name = active(group), let holder = plan.node(named: name),
            let held = self[holder].agent.group(group),
            let copy = self[holder.peer].agent.group(group)
        else { return false }
        return held["running"] as? Bool == true && held["peer_sync"] as? String == "current"
            && copy["sync"] as? String == "current"
    }
}
