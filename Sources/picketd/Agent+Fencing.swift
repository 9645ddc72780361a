import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux
import PicketText

extension Agent {
    func fence(_ order: FenceOrder) {
        var order = order
        // A level is believed by its own test; a receipt vouches for any.
        if order.cause != .aloneAfter { order.relayTest = relayTests[order.level].result }
        switch fencing.levels[order.level] {
        case .relay(let requests):
            if !requests.push(.order(order)) {
                followUps.append(.fence(id: order.id, .failed(.unreachable)))
            }
        case .agent:
            withFenceAgent(order.level) { $0.order(order, at: now) }
        }
    }

    /// The order may be with any level: an id is given once.
    func cancelFence(_ id: UInt32) {
        for index in fencing.levels.indices {
            switch fencing.levels[index] {
            case .relay(let requests): _ = requests.push(.cancel(id: id))
            case .agent: withFenceAgent(index) { $0.cancel(id, at: now) }
            }
        }
    }

    /// The operator's word after a fence with policy `off`. Power that is on stays on.
    func restorePower() {
        for index in fencing.levels.indices {
            switch fencing.levels[index] {
            case .relay(let requests): _ = requests.push(.switchOn(id: RelayFence.foundOff))
            case .agent: withFenceAgent(index) { $0.switchOn() }
            }
        }
    }

    func drainFencing() {
        guard ready.contains(Token.fencing) else { return }
        fencing.clear()
        var seen: Seen?
        while let report = fencing.next() {
            switch report.content {
            case .saw(let what): seen = what
            case .report(.outcome(let id, let outcome)):
                give(outcome, of: id)
                drainFollowUps()
                if outcome == .off, let seen, fenceProvedAt > seen.sign { tellTiming(seen) }
                seen = nil
            case .report(.test(let observation)):
                let new = relayTests[report.level].observe(observation)
                observed(observation)
                if new != nil { tellRelayTests() }
            case .closed(let reason): noteRelay(reason, report.level)
            case .open(let notes):
                for note in notes { log(.notice, note) }
                noteRelay(nil, report.level)
            case .ended: fencing.working -= 1
            }
        }
    }

    /// What was found off at the start, or is given back by itself, is of no order of the machine's.
    private func give(_ outcome: FenceOutcome, of id: UInt32) {
        guard id == RelayFence.foundOff else {
            followUps.append(.fence(id: id, outcome))
            return
        }
        let peer = narrator.names.peer
        switch outcome {
        case .restored:
            tell("power", .notice, "\(peer) has its power back.", simulated: false)
            relayTestAt = now
        case .notRestored:
            tell(
                "power", .alarm,
                "The power of \(peer) could not be switched on again; it is tried every 5 s.",
                simulated: false)
        case .off, .voided, .failed: break
        }
    }

    /// What of a fence is the agent's own: from the sense line's edge to the proof.
    private func tellTiming(_ seen: Seen) {
        let whole = fenceProvedAt - seen.sign
        let own = whole - seen.inDriver
        let text =
            "The fence was proved \(Text.number(inMilliseconds(own))) ms after the sense line moved,"
            + " and \(Text.number(inMilliseconds(seen.inDriver))) ms in the line's driver."
        tell(
            "fence_timing", .info, text, simulated: false,
            figures: [
                ("own_ms", inMilliseconds(own)), ("driver_ms", inMilliseconds(seen.inDriver)),
            ])
    }

    /// Said once, until something else is the matter.
    private func noteRelay(_ trouble: String?, _ level: Int) {
        guard trouble != relayTroubles[level] else { return }
        relayTroubles[level] = trouble
        if let trouble {
            tell("relay", .alarm, "No fence by relay: \(trouble).", simulated: false)
        } else {
            tell("relay", .notice, "The relay's lines are open.", simulated: false)
        }
    }

    // MARK: Fence agents

    func fenceAgent(_ level: Int, ended end: ChildEnd, timedOut: Bool) {
        withFenceAgent(level) { $0.ended(end, timedOut: timedOut, at: now) }
        drainFollowUps()
    }

    func fenceAgentsDue() {
        guard now >= fencing.agentsDue else { return }
        for level in fencing.levels.indices { withFenceAgent(level) { $0.tick(at: now) } }
        drainFollowUps()
    }

    /// Does what a fence agent's level asks for; nothing where the level is a relay.
    func withFenceAgent(_ level: Int, _ change: (inout AgentFence) -> [AgentFence.Step]) {
        guard case .agent(var agent) = fencing.levels[level] else { return }
        let steps = change(&agent)
        fencing.levels[level] = .agent(agent)
        for step in steps { perform(step, agent, level: level) }
    }

    private func perform(_ step: AgentFence.Step, _ agent: AgentFence, level: Int) {
        switch step {
        case .mark:
            if !storage.ask(.mark(path: fencing.markPath(level), level: level)) {
                withFenceAgent(level) { $0.marked() }
            }
        case .unmark: _ = storage.ask(.file(path: fencing.markPath(level), nil))
        case .run(let action, let notAfter):
            run(
                agent.launch(action, environment: processes.environment, notAfter: notAfter),
                as: .fenceAgent(level: level), within: agent.settings.timeout)
        case .report(let id, let outcome): give(outcome, of: id)
        case .abort:
            for id in processes.running(.fenceAgent(level: level)) { kill(id) }
        case .tested(let result):
            let new = relayTests[level].conclude(result)
            relayTestSettled(level)
            if new != nil { tellRelayTests() }
        }
    }

    // MARK: The end

    /// A planned stop leaves no peer dark: what is under way comes to its end first. Lines that are
    /// closed, and outlets, stay as they are.
    func endFencing() {
        var longest = Duration.zero
        for (index, level) in fencing.levels.enumerated() {
            switch (level, settings.fence[index]) {
            case (.relay(let requests), .relay(let relay)):
                _ = requests.push(.stop)
                longest = max(longest, relay.offWithin + relay.onWithin * 3)
            case (.agent(let fence), .agent(let agent)):
                if fence.isBusy { longest = max(longest, agent.timeout * 3) }
            case (.relay, .agent), (.agent, .relay): break
            }
        }
        now = clock.now()
        let deadline = now + longest + .seconds(1)
        while fencing.isBusy, now < deadline {
            ready.removeAll(keepingCapacity: true)
            var next = min(deadline, processes.nextDeadline)
            next = min(next, min(children.nextDeadline, fencing.agentsDue))
            do throws(SystemError) {
                try poller.wait(until: min(next, now + .seconds(1)), now: now, into: &ready)
            } catch { return }
            now = clock.now()
            drainStorage()
            drainFencing()
            drainSignals()
            drainChildren()
            for id in processes.overdue(at: now) { kill(id) }
            fenceAgentsDue()
            serviceManager?.alive()
        }
        if fencing.isBusy {
            tell(
                "power", .alarm,
                "\(narrator.names.peer) may be left without power: its fence did not come to an"
                    + " end in time.", simulated: false)
        }
    }

    // MARK: Self-test

    /// Often enough that a lost relay is known long before the day it is needed. A look at a relay
    /// costs nothing; a fence agent has to ask somebody else.
    private static let testEvery = Duration.seconds(10)
    private static let testAgentsEvery = Duration.seconds(60)

    func testRelays() {
        relayTestAt = now + (fencing.hasRelay ? Agent.testEvery : Agent.testAgentsEvery)
        let agents = now >= agentTestAt || drills.testing != nil
        if agents { agentTestAt = now + Agent.testAgentsEvery }
        for index in fencing.levels.indices {
            switch fencing.levels[index] {
            case .relay(let requests): _ = requests.push(.test)
            case .agent: if agents { withFenceAgent(index) { $0.test() } }
            }
        }
    }

    /// What a relay's sense lines said counts once the peer has answered something sent later.
    func settleRelayTests() {
        guard relayTests.contains(where: { $0.isPending }),
            let age = machine.status(at: now).age
        else { return }
        for level in relayTests.indices where relayTests[level].isPending {
            let new = relayTests[level].acknowledged(sentAt: now - age)
            if !relayTests[level].isPending { relayTestSettled(level) }
            if new != nil { tellRelayTests() }
        }
    }

    /// What was seen proves nothing any more.
    func forgetRelayLooks() {
        for level in relayTests.indices { relayTests[level].contactLost() }
    }

    /// The node is as well protected as by the worst of its levels.
    private func tellRelayTests() {
        handle(.relayTest(RelaySelfTest.worst(of: relayTests)))
        updateHealth()
    }
}
