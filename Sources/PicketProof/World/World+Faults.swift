/// The script: what each fault does to the world, and how it ends.
internal import PicketCore
internal import PicketHardware
internal import PicketWire

extension World {
    func begin(_ index: Int) {
        guard !recovering else { return }
        let entry = plan.faults[index]
        coverage.count(entry.fault)
        tell(nil, .fault(entry))
        let until =
            entry.lasting > .zero ? now + entry.lasting.nanoseconds : plan.safety.nanoseconds
        if apply(entry.fault, until: until) { queue.put(.faultEnds(index), at: until) }
    }

    /// True where something must be done at the end.
    private func apply(_ fault: Fault, until: Int64) -> Bool {
        switch fault {
        case .cut(let from, let link):
            weather(from, link) { $0.cutUntil = until }
        case .loss(let from, let link, let percent):
            weather(from, link) { ($0.lossUntil, $0.loss) = (until, percent) }
        case .delay(let from, let link, let upTo):
            weather(from, link) { ($0.delayUntil, $0.delay) = (until, upTo.nanoseconds) }
        case .duplicate(let from, let link, let percent):
            weather(from, link) { ($0.duplicateUntil, $0.duplicate) = (until, percent) }
        case .corrupt(let from, let link, let percent):
            weather(from, link) { ($0.corruptUntil, $0.corrupt) = (until, percent) }
        case .replay(let to, let count): replay(to: node(to), count: count)
        case .pause(let id): standStill(node(id), until: until, whole: true)
        case .pauseAfter(let id, let steps):
            if node(id).agent != nil { node(id).stepsToPause = (steps, until) }
        case .hang(let id): standStill(node(id), until: until, whole: false)
        case .livelock(let id): node(id).livelockedUntil = until
        case .crash(let id): crash(node(id))
        case .crashAfter(let id, let effects):
            if node(id).agent != nil { node(id).effectsToLive = effects }
        case .late(let id, let upTo):
            (node(id).lateUntil, node(id).lateBy) = (until, upTo.nanoseconds)
        case .loseState(let id): loseState(node(id))
        case .damageState(let id):
            node(id).damaged = true
            return true
        case .diskFull(let id): fillDisk(of: node(id), until: until)
        case .diskHangs(let id): node(id).hangsUntil = until
        case .diskSlow(let id, let upTo):
            (node(id).slowUntil, node(id).slowBy) = (until, upTo.nanoseconds)
        case .powerLoss(let id):
            node(id).mains = false
            supply(node(id))
            return true
        case .relay(let id, let kind):
            set(kind, of: node(id))
            return true
        case .harness(let id):
            guard mayPartHarness else { return false }
            moveHarness(of: node(id), parts: true)
            return true
        case .deadSupply(let id, let supply):
            node(id).deadSupply = supply
            self.supply(node(id))
            return true
        case .deadWatchdog(let id):
            node(id).watchdogDeadUntil = until
            give(.watchdog(.zero), node(id))
            return true
        case .otherConfiguration(let id):
            give(digest: 43, to: node(id))
            return true
        case .list(let id, let list):
            node(id).file = list
            return true
        case .reload(let id): takeUpFile(node(id))
        case .links(let id, let links):
            node(id).links = links.filter { $0 < plan.links }
            return true
        case .fenceAnew(let id, let levels): fenceAnew(node(id), levels)
        case .wrongKey(let id):
            use(World.otherKey, on: node(id))
            return true
        case .wallStep(let id, let by):
            node(id).wallOffset += by.nanoseconds
        case .sensor(let id, let sensor, let kind):
            set(kind, sensor, of: node(id))
            return true
        case .sensorGone(let id, let sensor):
            node(id).chips[sensor].isListed = false
            return true
        case .drill(let id, let kind):
            drill(kind, node(id), until: until)
            return true
        case .sync(let id, let group, let state):
            if plan.sync(of: group) != nil {
                if state == .stale { node(id).copyStallsUntil[group] = until }
                if state == .failed { node(id).probeFailsUntil[group] = until }
                return false
            }
            guard let place = node(id).agent?.place(of: group) else { return false }
            give(.sync(place, state), node(id))
            return true
        case .resource(let id, let group, let kind):
            guard group < plan.names else { return false }
            node(id).resourceFaults[group][kind] = until
        case .byHand(let id, let group):
            guard group < plan.names else { return false }
            startByHand(group, node(id), inMaintenance: true)
            return true
        case .stray(let id, let group):
            guard group < plan.names else { return false }
            startByHand(group, node(id), inMaintenance: false)
        case .command(let id, let command): self.command(command, node(id))
        case .falseWord(let id):
            watch.excuses.insert(.falseWord)
            command(.confirmFence, node(id))
        }
        return false
    }

    func end(_ index: Int) {
        guard !recovering else { return }
        let fault = plan.faults[index].fault
        // The loop that ends a drill has to go on first.
        if case .drill(let id, _) = fault, node(id).standsStillUntil > now {
            queue.put(.faultEnds(index), at: node(id).standsStillUntil + 1)
            return
        }
        undo(fault)
    }

    private func undo(_ fault: Fault) {
        switch fault {
        case .damageState(let id): node(id).damaged = false
        case .powerLoss(let id):
            node(id).mains = true
            supply(node(id))
        case .relay(let id, _): set(nil, of: node(id))
        case .sensor(let id, let sensor, _): set(nil, sensor, of: node(id))
        case .sensorGone(let id, let sensor): node(id).chips[sensor].isListed = true
        case .drill(let id, _): endDrill(node(id))
        case .harness(let id): moveHarness(of: node(id), parts: false)
        case .deadSupply(let id, _):
            node(id).deadSupply = nil
            supply(node(id))
        case .deadWatchdog(let id): revive(node(id))
        case .otherConfiguration(let id):
            give(digest: 42, to: node(id))
        case .wrongKey(let id): use(World.key, on: node(id))
        case .sync(let id, let group, _):
            if let place = node(id).agent?.place(of: group) {
                give(.sync(place, .current), node(id))
            }
        case .list(let id, _): node(id).file = plan.list
        case .links(let id, _): node(id).links = Array(0..<plan.links)
        case .byHand(let id, let group): stopByHand(group, node(id))
        case .cut, .loss, .delay, .duplicate, .corrupt, .replay, .pause, .pauseAfter, .hang,
            .livelock, .crash, .crashAfter, .late, .loseState, .diskFull, .diskSlow, .diskHangs,
            .wallStep, .reload, .fenceAnew, .resource, .command, .stray, .falseWord:
            break
        }
    }

    /// The watchdog's driver is back, and armed anew.
    func revive(_ node: Node) {
        guard node.watchdogDeadUntil > 0 else { return }
        node.watchdogDeadUntil = 0
        node.fedAt = now
        give(.watchdog(plan.watchdog), node)
    }

    func use(_ key: Key, on node: Node) {
        node.key = key
        crash(node)
    }

    /// Its agent takes the other settings up. One that is still taking up a list is started anew.
    func give(digest: UInt64, to node: Node) {
        let isNew = node.digest != digest
        node.digest = digest
        guard isNew, node.agent?.machine.isBetweenLists == true else { return reload(node) }
        crash(node)
    }

    func reload(_ node: Node) {
        guard let agent = node.agent, !agent.machine.isBetweenLists else { return }
        reload(node, agent, agent.listed)
    }

    /// The agent that lives takes up its file. It does not change a group that is in maintenance.
    private func takeUpFile(_ node: Node) {
        guard let agent = node.agent, node.standsStillUntil <= now,
            !agent.machine.isBetweenLists, node.file != agent.listed,
            !changesMaintained(node, agent)
        else { return }
        tell(node, .world("the agent reads its file again"))
        agent.handling = true
        reload(node, agent, node.file)
        perform(node, agent)
        guard agent.halfway == nil else { return }
        agent.handling = false
        turn(node, .tick)
    }

    func changesMaintained(_ node: Node, _ agent: AgentLife) -> Bool {
        agent.machine.maintained(
            changedBy: placed(
                policy(of: node, listing: node.file, links: agent.links), agent)) != nil
    }

    /// The agent is told of other links until it takes them up, which it does not while the peer is
    /// heard on none of those that stay.
    func takeUpLinks(_ node: Node, _ agent: AgentLife) {
        guard node.links != agent.links, !agent.machine.isBetweenLists,
            agent.machine.keepsContact(by: node.links.map { agent.links.firstIndex(of: $0) })
        else { return }
        tell(node, .world("the agent takes up other links"))
        watch.links.takes(node.links, instead: agent.links, node, agent, in: self)
        agent.handling = true
        reload(node, agent, agent.listed, links: node.links)
        perform(node, agent)
        guard agent.halfway == nil else { return }
        agent.handling = false
        turn(node, .tick)
    }

    /// The agent takes up other levels, all for the same relay: another worker, which knows nothing. It
    /// does not while its worker is at work.
    private func fenceAnew(_ node: Node, _ levels: Int) {
        guard let agent = node.agent, node.standsStillUntil <= now,
            !agent.machine.isBetweenLists, agent.machine.mayFenceAnew,
            agent.fence.isIdle || planted(.fencesAnewInFence)
        else { return }
        tell(node, .world("the agent takes up other levels of fencing"))
        if !agent.fence.isIdle {
            violate(
                "S7", "\(node.id) takes up other levels, and its fence by the former ones is left")
        }
        let local = reading(node)
        agent.fenceAnew(
            RelayFence(relayDescription, found: node.line ? .on : .off, at: local), local)
        node.policy.fenceLevels = Array(repeating: .relay(verified: true), count: levels)
        node.disproved = false
        node.hasPassed = false
        node.unanswered = []
        watch.fencesAnew(node)
        agent.handling = true
        reload(node, agent, agent.listed, fencesAnew: true)
        perform(node, agent)
        guard agent.halfway == nil else { return }
        agent.handling = false
        turn(node) {
            $0.followUps += [.peerSupply(off: false), .relayTest($0.selfTest.result)]
        }
    }

    func reload(
        _ node: Node, _ agent: AgentLife, _ file: [ListedGroup], links: [Int]? = nil,
        fencesAnew: Bool = false
    ) {
        let links = links ?? agent.links
        let numbers = links.map { agent.links.firstIndex(of: $0) }
        agent.links = links
        let new = policy(of: node, listing: file, links: links)
        let policy = placed(new, agent)
        let places = agent.machine.policy.places(of: new.groups)
        let added = agent.list(file, at: places) { groupPlan($0) }
        watch.lists(node, added, agent.list.suffix(added.count), at: now)
        let isTaken = agent.machine.reload(
            policy, adding: added, links: numbers, fencesAnew: fencesAnew, at: reading(node),
            into: &agent.effects)
        precondition(isTaken, "a reload that is refused")
    }

    private func policy(
        of node: Node, listing file: [ListedGroup], links: [Int]
    ) -> Policy {
        guard node.digest != node.policy.digest else {
            return plan.policy(node.policy, listing: file, links: links)
        }
        // The changed configuration has another holder and other times of the turns.
        var policy = plan.otherPolicy(of: node.id)
        policy.digest = node.digest
        policy.turnsDigest = node.digest
        policy.fenceLevels = node.policy.fenceLevels
        return plan.policy(policy, listing: file, links: links)
    }

    private func placed(_ new: Policy, _ agent: AgentLife) -> Policy {
        var policy = new
        policy.groups = agent.machine.policy.taking(new.groups)
        return policy
    }

    func node(_ id: NodeID) -> Node { nodes[Int(id.rawValue)] }

    private func weather(_ from: NodeID, _ link: Int?, _ body: (inout Weather) -> Void) {
        let node = node(from)
        for index in node.weather.indices where link == nil || link == index {
            body(&node.weather[index])
        }
    }

    private func set(_ fault: RelayFault?, of node: Node) {
        node.hasBeenOddAt = now
        node.relayFault = fault
        watch.hangs(node, fault == .hangs, at: now)
        if fault != .hangs { answerAtLast(node) }
        if fault == .lies { watch.excuses.insert(.doubleFault) }
        settleContact(node)
    }

    /// A worker that hung goes on with what has come meanwhile.
    func answerAtLast(_ node: Node) {
        let unanswered = node.unanswered
        node.unanswered = []
        for request in unanswered { happen(request) }
    }

    private func loseState(_ node: Node) {
        watch.excuses.insert(.lostState)
        crash(node)
        node.disk = nil
        node.kept = nil
        node.ages = nil
        node.disproved = false
        watch.isBelieved(node)
        watch.proved(node, true, at: now)
    }

    /// An event of the shell's own, for the loop.
    func give(_ event: Event, _ node: Node) {
        guard node.agent != nil, node.standsStillUntil <= now else { return }
        turn(node, event)
    }

    func command(_ command: Command, _ node: Node) {
        guard node.agent != nil, node.standsStillUntil <= now else { return }
        if command == .confirmFence {
            // An operator who looked: the peer is dark. Else it is a false word.
            guard !peer(of: node).powered || watch.excuses.contains(.falseWord) else { return }
            watch.wordGiven(node, at: now)
        }
        switch command {
        case .handover, .failback, .clear, .clearBudgets: watch.orders()
        default: break
        }
        if case .clear(nil) = command {
            node.disproved = false
            watch.isBelieved(node)
            watch.proved(node, true, at: now)
            if let result = node.agent!.selfTest.clear() {
                node.agent!.followUps.append(.relayTest(result))
                node.agent!.testAt = node.clock(now)
            }
        }
        if command == .clearBudgets { watch.resets.clear() }
        if command == .leave { watch.leaves(node, at: now) }
        if case .maintenance(false, _, let despite) = command { watch.named = despite }
        if command == .drillFailover(live: true) { watch.liveDrill(node) }
        if case .take(let group, _) = command { watch.takeover(of: group, orderedOn: node) }
        numbers += 1
        let id = UInt32(truncatingIfNeeded: numbers)
        let known = node.agent!.machine.life.receipt?.proof
        turn(node, .command(node.agent!.here(command), id: id))
        if command == .confirmFence, known != .operatorsWord {
            watch.judgeAudible(node, in: self)
        }
    }
}

extension AgentLife {
    /// The command, with the group's place in this agent's list.
    fileprivate func here(_ command: Command) -> Command {
        func place(_ name: Int?) -> GroupIndex? { name.map { self.place(of: $0) ?? 99 } }
        return switch command {
        case .handover(let name): .handover(place(name))
        case .failback(let name): .failback(place(name))
        case .clear(let name): .clear(place(name))
        case .take(let name, let stale): .take(place(name), stale: stale)
        case .maintenance(let on, let name?, let despite):
            .maintenance(on, of: place(name), despite: despite)
        case .fence, .confirmFence, .maintenance(_, nil, _), .pause, .leave, .clearBudgets,
            .drillFailover,
            .drill:
            command
        }
    }
}
