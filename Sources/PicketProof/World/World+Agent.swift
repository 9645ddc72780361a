/// The agents: their starts and ends, their turns, and what their machines ask for.
internal import PicketCore
internal import PicketHardware
internal import PicketLinux
internal import PicketWire

extension World {
    // MARK: Start and end

    func startAgent(_ node: Node) {
        guard node.powered, node.agent == nil else { return }
        let local = node.clock(now)
        if node.damaged {
            tell(node, .world("the state file is damaged: the agent refuses to start"))
            restart(node, after: 1_000_000_000)
            return
        }
        guard endLeftBehind(node) else {
            tell(node, .world("no start of the agent: a process left behind does not end"))
            restart(node, after: 1_000_000_000)
            return
        }
        let (note, listed, retired) = note(
            of: node, for: changesMaintained(node) ? node.left : node.file)
        let list = listed + retired
        var file = StateFile(
            path: "state", groups: list.map { "g\($0.name)" }, boot: "\(node.powerLife)")
        var memory = Memory.blank(groups: list.count)
        if let bytes = node.disk {
            guard
                let loaded = try? file.decode(
                    bytes, ages: node.ages, now: local, wall: wall(node),
                    isSynchronised: isSynchronised(node))
            else {
                preconditionFailure("what was written whole cannot be read")
            }
            memory = loaded
        }
        node.life += 1
        node.wasRefused = false
        node.writing = nil
        node.looking = nil
        node.lookFailed = false
        let session = SessionID(chance.next() | 1)
        let random = RandomSource(chance.fork())
        node.hellosNoted = node.hellosNoted.joined(with: node.hellosKept)
            .next(wallSeconds: wall(node) / 1_000_000_000)
        if node.forgetsUntil <= now { node.hellosKept = node.hellosNoted }
        let agent = AgentLife(
            machine: Machine(
                policy: plan.policy(
                    node.policy, listing: listed, links: node.links, retired: retired,
                    found: listed == node.file && retired.isEmpty ? nil : node.left),
                memory: memory, session: session, note: note, at: local),
            channel: Channel(
                keys: [node.key], me: node.id, session: session, hellos: node.hellosNoted,
                at: local,
                random: { random.next() }), session: session,
            runners: list.indices.map { GroupRunner(group: $0, plan: groupPlan(list[$0])) },
            fence: RelayFence(relayDescription, found: node.line ? .on : .off, at: local),
            disproved: node.disproved,
            memoryFile: file, links: node.links, listed: listed, list: list, startedAt: now,
            local: local)
        agent.looksAgain = plan.faults.contains {
            switch $0.fault {
            case .byHand, .stray: true
            default: false
            }
        }
        agent.sensing.list(node.chips.indices.filter { node.chips[$0].isListed }, at: local)
        node.agent = agent
        // What runs goes on as it was started, until the file is taken up as a change.
        if !changesMaintained(node, agent) { reload(node, agent, node.file) }
        node.waiting = []
        node.standsStillUntil = 0
        watch.begins(node, session: session, memory, of: list, at: now)
        watch.links.begins(node)
        tell(node, .world("the agent starts"))
        // The line was kept for it, as it was (KeptLines).
        takeLine(node, agent)
        node.fedAt = now
        after(Chip.interval / 3, .senses(node.index, life: node.life))
        if !node.watchdogArmed {
            node.watchdogArmed = true
            after(plan.watchdog.nanoseconds, .watchdog(node.index, powerLife: node.powerLife))
        }
        turn(node) { agent in
            let works = node.watchdogDeadUntil <= self.now
            agent.followUps.append(.watchdog(works ? self.plan.watchdog : .zero))
        }
    }

    /// Its file lacks or changes what its agent left running in maintenance. Of such a file nothing is
    /// taken up: what it moves out of that group may start elsewhere.
    private func changesMaintained(_ node: Node) -> Bool {
        node.note.holdings.contains { holding in
            let runs = node.noted[holding.group]
            return node.note.isMaintained(holding.group)
                && !node.file.contains { $0.name == runs.name && $0.isStarted(like: runs) }
        }
    }

    /// What the note says, by the places of this list and of what runs that it does not have. What
    /// runs with other resources than the list gives it stands in it as it was started.
    private func note(
        of node: Node, for file: [ListedGroup]
    ) -> (note: RunNote, listed: [ListedGroup], retired: [ListedGroup]) {
        var note = node.note
        guard node.noted != file else { return (note, file, []) }
        note.holdings = []
        var list = file
        for var holding in node.note.holdings {
            let group = node.noted[holding.group]
            holding.group = list.firstIndex { $0.name == group.name } ?? list.count
            if holding.group == list.count {
                list.append(group)
            } else if !list[holding.group].isStarted(like: group) {
                list[holding.group] = group
            }
            note.holdings.append(holding)
        }
        note.holdings.sort { $0.group < $1.group }
        for (group, term) in zip(node.noted, note.terms)
        where !list.contains(where: { $0.name == group.name }) {
            note.goneTerm = max(note.goneTerm, term)
        }
        if !note.terms.isEmpty {
            note.terms = list.map { group in
                node.noted.firstIndex { $0.name == group.name }.map { node.note.terms[$0] }
                    ?? .never
            }
        }
        if !note.maintained.isEmpty {
            note.maintained = list.map { group in
                node.noted.firstIndex { $0.name == group.name }.map { node.note.maintained[$0] }
                    ?? .never
            }
        }
        return (note, Array(list[..<file.count]), Array(list[file.count...]))
    }

    func restart(_ node: Node, after delay: Int64) {
        after(
            delay, .agentStarts(node.index, powerLife: node.powerLife, life: node.life))
    }

    /// The process ends at once. A write that was under way may or may not be on disk.
    func endAgent(_ node: Node) {
        guard let agent = node.agent else { return }
        renewAges(node, agent)
        node.agent = nil
        node.life += 1
        node.waiting = []
        node.standsStillUntil = 0
        node.turnAt = .max
        node.effectsToLive = nil
        node.stepsToPause = nil
        watch.agentEnded(node, at: now)
    }

    func crash(_ node: Node) {
        guard node.agent != nil else { return }
        tell(node, .world("the agent crashes"))
        endAgent(node)
        restart(node, after: 200_000_000 + chance.below(300_000_000))
    }

    // MARK: Turns

    /// Something for the loop of this life. It is handled at once, or when the loop goes on.
    func hand(
        _ happening: Happening, _ node: Node, _ life: UInt32, _ body: (AgentLife) -> Void
    ) {
        guard node.life == life, node.agent != nil else { return }
        if node.standsStillUntil > now {
            // Unlike a datagram, a worker's message is not dropped.
            node.waiting.append(happening)
            return
        }
        turn(node, body)
    }

    func takeTurn(_ node: Node) {
        guard node.standsStillUntil <= now else {
            node.turnAt = .max
            return
        }
        turn(node, .tick)
    }

    /// One turn of the loop: what came, what is due, and the end of a healthy turn.
    func turn(_ node: Node, _ event: consuming Event) {
        guard let agent = node.agent else { return }
        let local = reading(node)
        if agent.handling || !agent.followUps.isEmpty {
            agent.followUps.append(event)
        } else {
            agent.handling = true
            agent.machine.handle(event, at: local, into: &agent.effects)
            perform(node, agent)
            if agent.halfway != nil { return }
            agent.handling = false
        }
        finishTurn(node, agent, at: local)
    }

    /// A turn in which `body` leaves the events in `followUps`.
    func turn(_ node: Node, _ body: (AgentLife) -> Void) {
        guard let agent = node.agent else { return }
        body(agent)
        finishTurn(node, agent, at: reading(node))
    }

    /// What the agent takes for the time: its clock, as it was when the turn looked at it.
    func reading(_ node: Node) -> Instant { node.agent?.turnClock ?? node.clock(now) }

    /// The turn stands still here, and goes on when the agent wakes.
    private func pauses(_ node: Node, _ agent: AgentLife) -> Bool {
        guard let (left, until) = node.stepsToPause else { return false }
        guard left == 0 else {
            node.stepsToPause = (left - 1, until)
            return false
        }
        node.stepsToPause = nil
        guard until > now else { return false }
        tell(node, .world("the agent stands still in the middle of a turn"))
        agent.halfway = reading(node)
        standStill(node, until: until, whole: true)
        return true
    }

    /// The turn that stood still goes on, with the time that it had looked at.
    private func goOn(_ node: Node, _ agent: AgentLife, since local: Instant) {
        agent.halfway = nil
        agent.turnClock = local
        perform(node, agent)
        guard agent.halfway == nil else { return }
        agent.handling = false
        finishTurn(node, agent, at: local)
    }

    private func finishTurn(_ node: Node, _ agent: AgentLife, at local: Instant) {
        // What comes while it stands still in a turn is handled when that turn goes on.
        guard agent.halfway == nil else { return }
        if !agent.followUps.isEmpty { drain(node, agent) }
        guard node.agent === agent, !agent.ended, agent.halfway == nil else { return }
        if local >= agent.channel.nextHello { sayHello(node, agent, local) }
        if local >= agent.runnersAt { tickRunners(node, agent, local) }
        if local >= agent.testAt { testRelay(node, agent, local) }
        if agent.selfTest.isPending { settleTest(node, agent, local) }
        if !agent.followUps.isEmpty {
            drain(node, agent)
            guard node.agent === agent, !agent.ended, agent.halfway == nil else { return }
        }
        if pauses(node, agent) { return }
        watch.judgeWord(node, agent, in: self)
        if node.livelockedUntil <= now { completeTurn(node, agent, local) }
        schedule(node, agent)
    }

    private func tickRunners(_ node: Node, _ agent: AgentLife, _ local: Instant) {
        for group in agent.runners.indices where local >= agent.runners[group].nextDeadline {
            agent.runners[group].tick(at: local, into: &agent.resourceEffects)
            perform(agent.resourceEffects, of: group, node, agent)
        }
        agent.noteRunners()
    }

    /// S8: nothing but this may feed.
    private func completeTurn(_ node: Node, _ agent: AgentLife, _ local: Instant) {
        // What is still to be done of a turn in whose middle this one came stays.
        let waiting = agent.effects.items.count
        agent.machine.completeTurn(at: local, into: &agent.effects)
        guard agent.effects.items.count > waiting else { return }
        for effect in agent.effects.items[waiting...] where effect == .feedWatchdog {
            node.fedAt = now
            coverage.effects[Coverage.index(effect)] += 1
        }
        agent.effects.items.removeSubrange(waiting...)
    }

    private func schedule(_ node: Node, _ agent: AgentLife) {
        watch.turns(node, since: agent.awaited.world, in: self)
        watch.status.look(node, agent, in: self)
        let next = min(
            agent.machine.promised, agent.channel.nextHello, agent.runnersAt, agent.testAt)
        if next != agent.awaited.local { agent.awaited = (next, node.world(next)) }
        let late = node.lateUntil > now ? chance.below(node.lateBy + 1) : 0
        let at = agent.awaited.world
        node.turnAt =
            at == .max
            ? .max : max(at, now) + 10_000 + chance.below(plan.jitter.nanoseconds + 1) + late
    }

    /// Gives the machine its events, and does what it asks for, in order, before the next event.
    func drain(_ node: Node, _ agent: AgentLife) {
        guard !agent.handling, !agent.followUps.isEmpty else { return }
        agent.handling = true
        let local = reading(node)
        var index = 0
        while index < agent.followUps.count, !agent.ended, node.agent === agent {
            agent.machine.handle(agent.followUps[index], at: local, into: &agent.effects)
            index += 1
            perform(node, agent)
            if agent.halfway != nil {
                agent.followUps.removeFirst(index)
                return
            }
        }
        agent.followUps.clear()
        agent.handling = false
    }

    func perform(_ node: Node, _ agent: AgentLife) {
        while node.agent === agent, !agent.effects.items.isEmpty {
            if pauses(node, agent) { return }
            guard let effect = agent.effects.takeFirst() else { break }
            if let left = node.effectsToLive {
                guard left > 0 else {
                    crash(node)
                    break
                }
                node.effectsToLive = left - 1
            }
            perform(effect, node, agent)
        }
        agent.effects.items.clear()
    }

    private func perform(_ effect: consuming Effect, _ node: Node, _ agent: AgentLife) {
        coverage.effects[Coverage.index(effect)] += 1
        switch consume effect {
        case .send(let message, let links): send(message, on: links, node, agent)
        case .persist(let memory, let ticket): write(memory, ticket, node, agent)
        case .lookAtDisk(let ticket): lookAtDisk(ticket, node, agent)
        case .note(let note):
            node.note = note
            node.noted = agent.list
            if !agent.machine.isDropping { node.left = agent.listed }
            watch.noted(note, agent.list, node)
        case .fence(let order):
            guard order.level < node.policy.fenceLevels.count else {
                return violate("S7", "\(node.id) orders a fence by a level that it does not have")
            }
            agent.orderCauses[order.id] = order.cause
            agent.orderVoidAfter = order.voidAfter
            watch.ordered(order, by: node, in: self)
            ask(.order(order), node)
            if plan.leastLag != nil { after(15_000_000, .probed(node.index)) }
        case .cancelFence(let id): ask(.cancel(id: id), node)
        case .start(let activation):
            watch.activates(activation, agent, adopts: false, node, in: self)
            node.data[agent.list[activation.group].name].startedAt = activation.term.value
            guard agent.runners[activation.group].isDown else {
                return violate("S2", "\(node.id) starts what it has not stopped")
            }
            agent.runners[activation.group].start(
                activation, at: reading(node), into: &agent.resourceEffects)
            perform(agent.resourceEffects, of: activation.group, node, agent)
        case .adopt(let activation):
            watch.activates(activation, agent, adopts: true, node, in: self)
            agent.runners[activation.group].adopt(
                activation, at: reading(node), into: &agent.resourceEffects)
            perform(agent.resourceEffects, of: activation.group, node, agent)
        case .replicate(let group, let action, _): replicate(group, action, node, agent)
        case .stop(let group, let cause):
            endStoreJobs(of: agent.list[group].name, node)
            watch.stops(agent.list[group].name, cause: cause, node, in: self)
            agent.runners[group].stop(
                cause: cause, at: reading(node), into: &agent.resourceEffects)
            perform(agent.resourceEffects, of: group, node, agent)
        case .feedWatchdog: violate("S8", "fed without a completed turn")
        case .ban(let session): agent.channel.ban(session)
        case .answer(_, let result):
            answered(result)
            if result == .refused(.peerHeard) { watch.judgeRecording(node, agent, in: self) }
        case .trace(let trace): note(trace, node, agent)
        case .leaveAlone(let group, let on):
            if !on { isWorkedOn(agent.list[group].name, node) }
            agent.runners[group].leaveAlone(
                on, at: reading(node), into: &agent.resourceEffects)
            perform(agent.resourceEffects, of: group, node, agent)
        case .change(let group, let part): change(group, part, node, agent)
        case .exit(let departure): exit(departure, node, agent)
        }
    }

    private func change(
        _ group: GroupIndex, _ part: GroupChange, _ node: Node, _ agent: AgentLife
    ) {
        let wanted = agent.wanted[group]
        let local = reading(node)
        switch part {
        case .whole:
            agent.list[group] = wanted
            agent.runners[group].replace(groupPlan(wanted), resourcesDiffer: true)
        case .drop:
            let first = zip(agent.list[group].resources, wanted.resources).prefix { $0 == $1 }.count
            agent.runners[group].change(
                to: groupPlan(wanted), from: first, at: local, into: &agent.resourceEffects)
        case .add(let term):
            agent.runners[group].add(term: term, at: local, into: &agent.resourceEffects)
        }
        perform(agent.resourceEffects, of: group, node, agent)
    }

    private func answered(_ result: CommandResult) {
        if case .refusedFor(let refusal, _) = result {
            coverage.refusals[Int(refusal.rawValue)] += 1
        }
        if case .refused(let refusal) = result { coverage.refusals[Int(refusal.rawValue)] += 1 }
    }

    private func note(_ trace: Trace, _ node: Node, _ agent: AgentLife) {
        var trace = trace
        // In a story a group has its name.
        if let group = trace.group { trace.group = agent.list[group].name }
        coverage.traces[Int(trace.kind.rawValue)] += 1
        if let refusal = trace.refusal { coverage.refusals[Int(refusal.rawValue)] += 1 }
        coverage.causes[Int(trace.cause.rawValue)] += 1
        if trace.kind != .suspicion { tell(node, .trace(trace)) }
        if trace.kind == .fenceRefused, trace.refusal == .fenceBudgetSpent {
            watch.refused(node, in: self)
        }
        switch trace.kind {
        case .changed:
            for place in node.noted.indices where node.noted[place].name == trace.group {
                node.noted[place] = agent.list.first { $0.name == trace.group }!
            }
        case .maintenance where trace.cause == .command:
            if trace.number == 0 { watch.judgeEnd(of: trace.group, on: node, in: self) }
            watch.maintain(node, trace.number == 1, trace.group, at: now)
        case .contact:
            agent.selfTest.contactLost()
            agent.testAt = reading(node)
        case .fenceRefused where trace.cause == .contactLost:
            watch.refuses(trace.refusal, node, agent, in: self)
            watch.status.refuses(trace.refusal, node)
        case .fencePlanned, .fenceOrdered: watch.status.refuses(nil, node)
        case .alwaysLate: watch.late.told(node, true)
        case .inTimeAgain: watch.late.told(node, false)
        case .resetDue: watch.letsReset(node, in: self)
        case .fenceDisproved where trace.cause == .fenceDisproved:
            watch.lied(node, at: now)
            prove(false, node, agent)
        case .fenceRestored: agent.testAt = reading(node)
        case .fenceFailed: watch.failsToFence(node, at: now)
        case .contactLost:
            agent.selfTest.contactLost()
            watch.status.refuses(nil, node)
        case .releasing: watch.releases(trace, node, agent, in: self)
        case .staleTaken where trace.cause == .command: watch.names(trace.group, node)
        case .diverged:
            watch.says(diverged: true, trace.group, node)
            watch.findsDiverged(trace, agent, node, in: self)
        case .convergent: watch.says(diverged: false, trace.group, node)
        default: break
        }
    }

    private func exit(_ departure: Departure, _ node: Node, _ agent: AgentLife) {
        agent.ended = true
        if departure != .running { node.watchdogArmed = false }
        if departure == .released {
            for resource in node.up.indices where node.up[resource] && node.byHand.isEmpty {
                violate("S1", "\(node.id) left, and resource \(resource) is up")
            }
        }
        watch.left(node, agent, departure, in: self)
        let hasLeft = departure == .released
        tell(node, .world(hasLeft ? "the agent has left" : "the agent ends, its groups go on"))
        endAgent(node)
        // After a planned stop an operator starts it again, sooner or later.
        restart(
            node,
            after: departure != .running
                ? 2_000_000_000 + chance.below(8_000_000_000) : 300_000_000)
    }

    // MARK: Standing still

    func standStill(_ node: Node, until: Int64, whole: Bool) {
        guard node.agent != nil else { return }
        if node.standsStillUntil <= now { node.stoodSince = now }
        node.standsStillUntil = max(node.standsStillUntil, until)
        node.wholeStands = whole
        queue.put(.wakes(node.index), at: node.standsStillUntil)
    }

    func wake(_ node: Node) {
        guard node.standsStillUntil <= now, node.standsStillUntil > 0, node.agent != nil else {
            return
        }
        node.stood += now - node.stoodSince
        node.standsStillUntil = 0
        node.wholeStands = false
        let waiting = node.waiting
        node.waiting = []
        if let agent = node.agent, let local = agent.halfway { goOn(node, agent, since: local) }
        // The clock is read anew after each receive.
        if !planted(.clockReadBefore) { node.agent?.turnClock = nil }
        // Sockets come first, as in the loop. Whatever is late is late for all of them.
        for happening in waiting { happen(happening) }
        node.agent?.turnClock = nil
        if node.agent != nil { takeTurn(node) }
    }
}

extension Array {
    /// `removeAll(keepingCapacity: true)`, for few elements.
    mutating func clear() { while !isEmpty { removeLast() } }
}

final class RandomSource {
    private var chance: Chance
    init(_ chance: Chance) { self.chance = chance }
    func next() -> UInt64 { chance.next() }
}
