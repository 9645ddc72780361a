import PicketConfig
import PicketControl
import PicketCore
import PicketHardware
import PicketLinux

extension Agent {
    func fence(_ order: FenceOrder) {
        switch fencing.levels[order.level] {
        case .relay(let requests):
            if !requests.push(.order(order)) {
                followUps.append(.fence(id: order.id, .failed(.unreachable)))
            }
        case .agent(var agent):
            let steps = agent.order(order)
            fencing.levels[order.level] = .agent(agent)
            perform(steps, level: order.level)
        }
    }

    /// The order may be with any level: an id is given once.
    func cancelFence(_ id: UInt32) {
        for index in fencing.levels.indices {
            switch fencing.levels[index] {
            case .relay(let requests): _ = requests.push(.cancel(id: id))
            case .agent(var agent):
                let steps = agent.cancel(id)
                fencing.levels[index] = .agent(agent)
                perform(steps, level: index)
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
                handle(.fence(id: id, outcome))
                if outcome == .off, let seen, fenceProvedAt > seen.sign { tellTiming(seen) }
                seen = nil
            case .report(.test(let observation)):
                if let result = relayTest.observe(observation) { conclude(result) }
                observed(observation)
            case .closed(let reason): noteRelay(reason)
            case .open(let notes):
                for note in notes { log(.notice, note) }
                noteRelay(nil)
            }
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
    private func noteRelay(_ trouble: String?) {
        guard trouble != relayTrouble else { return }
        relayTrouble = trouble
        if let trouble {
            tell("relay", .alarm, "No fence by relay: \(trouble).", simulated: false)
        } else {
            tell("relay", .notice, "The relay's lines are open.", simulated: false)
        }
    }

    func fenceAgent(_ level: Int, ended end: ChildEnd, timedOut: Bool) {
        guard case .agent(var agent) = fencing.levels[level] else { return }
        let steps = agent.ended(end, timedOut: timedOut)
        fencing.levels[level] = .agent(agent)
        perform(steps, level: level)
        drainFollowUps()
    }

    private func perform(_ steps: [AgentFence.Step], level: Int) {
        guard case .agent(let agent) = fencing.levels[level] else { return }
        for step in steps {
            switch step {
            case .run(let action, let notAfter):
                run(
                    agent.launch(action, environment: processes.environment, notAfter: notAfter),
                    as: .fenceAgent(level: level), within: agent.settings.timeout)
            case .report(let id, let outcome): followUps.append(.fence(id: id, outcome))
            case .abort:
                for id in processes.running(.fenceAgent(level: level)) { kill(id) }
            case .tested(let result):
                guard !fencing.hasRelay else { continue }
                followUps.append(.relayTest(result))
                relayTestSettled(result)
            }
        }
    }

    // MARK: Self-test

    /// Often enough that a lost relay is known long before the day it is needed. A look at a relay
    /// costs nothing; a fence agent has to ask somebody else.
    private static let testEvery = Duration.seconds(10)
    private static let testAgentsEvery = Duration.seconds(60)

    func testRelays() {
        relayTestAt = now + (fencing.hasRelay ? Agent.testEvery : Agent.testAgentsEvery)
        for index in fencing.levels.indices {
            switch fencing.levels[index] {
            case .relay(let requests): _ = requests.push(.test)
            case .agent(var agent):
                let steps = agent.test()
                fencing.levels[index] = .agent(agent)
                perform(steps, level: index)
            }
        }
    }

    /// What a relay's sense lines said counts once the peer has answered something sent later.
    func settleRelayTest() {
        guard relayTest.isPending, let age = machine.status(at: now).age else { return }
        if let result = relayTest.acknowledged(sentAt: now - age) { conclude(result) }
        if !relayTest.isPending { relayTestSettled(relayTest.result) }
    }

    private func conclude(_ result: Message.RelayTest) {
        handle(.relayTest(result))
        updateHealth()
    }
}
