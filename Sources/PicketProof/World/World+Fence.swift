/// The fence worker: PicketHardware's RelayFence, on the world's lines and clock.
internal import PicketCore
internal import PicketHardware

extension World {
    var relayDescription: RelayDescription {
        let supply = SupplyDescription(
            line: LineDescription(name: "RELAY"),
            feedback: plan.wiring == .contacts
                ? .contacts(on: LineDescription(name: "ON"), off: LineDescription(name: "OFF"))
                : .line(LineDescription(name: "PGOOD")),
            partedReadsOn: plan.wiring == .readsOn,
            plug: plan.wiring == .sharesPlug ? .link : .unstated)
        return RelayDescription(
            supplies: Array(repeating: supply, count: plan.supplies),
            offWithin: plan.outlet ?? plan.offWithin, offTime: plan.offTime)
    }

    /// Puts a request into the worker's mailbox.
    func ask(_ request: FenceRequest, _ node: Node) {
        let late = node.lateUntil > now ? chance.below(node.lateBy + 1) : 0
        // A mailbox is emptied in order.
        node.mailAt = max(
            node.mailAt, now + 20_000 + chance.below(plan.jitter.nanoseconds + 1) + late)
        queue.put(
            .request(node.index, life: node.life, request), at: node.mailAt)
    }

    /// The worker stands still with its process.
    private func stands(_ node: Node, _ happening: Happening) -> Bool {
        guard node.wholeStands, node.standsStillUntil > now else { return false }
        node.waiting.append(happening)
        return true
    }

    func take(_ request: FenceRequest, _ node: Node, _ life: UInt32) {
        guard node.life == life, let agent = node.agent,
            !stands(node, .request(node.index, life: life, request))
        else { return }
        if node.relayFault == .hangs {
            node.unanswered.append(.request(node.index, life: life, request))
            return
        }
        if request == .test {
            // The worker looks at supplies that it cannot switch on, such as a dead one of two.
            let looks = agent.fence.isIdle || plan.supplies > 1 && agent.fence.isUnrestored
            if !looks { agent.selfTest.answer() }
            if looks { report(observation: node, life) }
            return
        }
        if case .cancel(let id) = request { agent.cancelled = id }
        agent.requests.append(request)
        if agent.pendingAnswer == nil { proceed(node, agent) }
    }

    func runWorker(_ node: Node, _ life: UInt32, _ generation: UInt32) {
        guard node.life == life, let agent = node.agent, agent.workerGeneration == generation,
            !stands(node, .worker(node.index, life: life, generation: generation))
        else { return }
        if let answer = agent.pendingAnswer {
            agent.pendingAnswer = nil
            agent.fence.take(answer, at: node.clock(now))
        }
        proceed(node, agent)
    }

    /// An agent that died while it held the supply off has left it off. The next agent switches it
    /// on.
    func takeLine(_ node: Node, _ agent: AgentLife) {
        if !agent.fence.isIdle { proceed(node, agent) }
    }

    private func proceed(_ node: Node, _ agent: AgentLife) {
        agent.workerGeneration += 1
        while true {
            let local = node.clock(now)
            while !agent.requests.isEmpty {
                agent.fence.accept(agent.requests.removeFirst(), at: local)
            }
            switch agent.fence.step(at: local) {
            case .look: return pend(.seen(scan(node)), node, agent)
            case .cut(let unlessAfter):
                return pend(.cut(cut(node, agent, unlessAfter, local)), node, agent)
            case .connect:
                if node.relayFault == .unreachable {
                    return pend(.connected(false), node, agent)
                }
                drive(node, on: true, cause: .none)
                return pend(.connected(true), node, agent)
            case .report(let id, let outcome):
                watch.reports(outcome, of: node, ordered: agent.orderCauses[id], in: self)
                after(
                    10_000 + chance.below(60_000),
                    .fenceReport(
                        node.index, life: node.life, id: id, outcome,
                        cut: agent.fence.takeProof()))
            case .wait(let until):
                let at = max(now, node.world(until)) + 5_000 + chance.below(60_000)
                queue.put(
                    .worker(node.index, life: node.life, generation: agent.workerGeneration),
                    at: at)
                return
            case .idle, .ended: return
            }
        }
    }

    /// Answers the fence once the time has passed that the step takes.
    private func pend(_ answer: RelayFence.Answer, _ node: Node, _ agent: AgentLife) {
        agent.pendingAnswer = answer
        after(
            20_000 + chance.below(60_000),
            .worker(node.index, life: node.life, generation: agent.workerGeneration))
    }

    private func scan(_ node: Node) -> SupplyScan {
        var scan = SupplyScan()
        for supply in 0..<plan.supplies {
            switch sense(node, supply: supply) {
            case true?: scan.on += 1
            case false?:
                scan.off += 1
                if relayDescription.offProves != .always { scan.unproven += 1 }
            case nil:
                scan.unreadable += 1
                if node.relayFault != .unreachable { scan.undecided += 1 }
            }
        }
        return scan
    }

    private func cut(
        _ node: Node, _ agent: AgentLife, _ unlessAfter: Instant, _ local: Instant
    ) -> RelayFence.Cut {
        guard local <= unlessAfter else { return .late }
        if node.relayFault == .unreachable { return .halfway(.unreachable) }
        let order = agent.orderCauses.max { $0.key < $1.key }
        let cause = order?.value ?? .none
        if local > agent.orderVoidAfter {
            violate("S7", "\(node.id)'s relay moves by an order whose time has passed")
        }
        if let id = order?.key, id == agent.cancelled {
            violate("S5", "\(node.id)'s relay moves by an order that its worker saw cancelled")
        }
        drive(node, on: false, cause: cause)
        return .done
    }

    // MARK: Self-test

    func testRelay(_ node: Node, _ agent: AgentLife, _ local: Instant) {
        // A node that has not met its peer looks more often.
        let waits = agent.machine.life.isWaiting && plan.startup != .wait
        agent.testAt = local + (waits ? .seconds(1) : .seconds(10))
        ask(.test, node)
        guard let result = agent.selfTest.ask(at: local) else { return }
        agent.followUps += [.peerSupply(off: false), .relayTest(result)]
    }

    private func report(observation node: Node, _ life: UInt32) {
        let drivable = node.relayFault != .unreachable
        let observation = RelayObservation(
            readAt: node.clock(now), linesOn: drivable && node.line, feedback: scan(node))
        after(20_000, .observed(node.index, life: life, observation))
    }

    /// The relay was seen to cut, or did not. It is kept on disk.
    func prove(_ cut: Bool, _ node: Node, _ agent: AgentLife) {
        node.disproved = !cut
        watch.proved(node, cut, at: now)
        if let result = agent.selfTest.fenced(cut) { agent.followUps.append(.relayTest(result)) }
    }

    func observe(_ observation: RelayObservation, _ node: Node, _ agent: AgentLife) {
        // Nobody listens to a worker that the file has no more.
        guard observation.readAt >= agent.fencesSince else { return }
        let result = agent.selfTest.observe(observation)
        agent.followUps.append(.peerSupply(off: agent.selfTest.seesOff && node.hasPassed))
        if let result { agent.followUps.append(.relayTest(result)) }
    }

    func settleTest(_ node: Node, _ agent: AgentLife, _ local: Instant) {
        guard let age = agent.machine.peer.contact.age(at: local) else { return }
        let result = agent.selfTest.acknowledged(sentAt: local - age)
        guard !agent.selfTest.isPending else { return }
        node.hasPassed = agent.selfTest.result == .passed
        if node.hasPassed { node.passedAt = now }
        if let result { agent.followUps.append(.relayTest(result)) }
    }
}
