/// The groups' processes, and the disk.
///
/// A resource may be up from the moment at which its start process begins, until a stop process has
/// ended well or the power is gone. The agent's death ends no process. The start of the next agent
/// does.
internal import PicketCore
internal import PicketLinux

extension World {
    /// A service that flaps runs so long.
    static let flapsAfter: Int64 = 3_000_000_000

    func groupPlan(_ group: ListedGroup) -> GroupPlan {
        GroupPlan(
            resources: Array(
                repeating: ResourcePlan(
                    start: .seconds(2), stop: .seconds(2), monitor: .seconds(1),
                    monitorInterval: .seconds(2)), count: group.resources.count),
            restarts: Budget(count: 2, window: .seconds(60)))
    }

    func perform(
        _ list: ResourceRecorder, of group: GroupIndex, _ node: Node, _ agent: AgentLife
    ) {
        agent.resourceEffects.items.removeAll(keepingCapacity: true)
        agent.noteRunners()
        for effect in list.items {
            switch effect {
            case .run(let run): begin(run, node)
            case .kill(let run): kill(run, node)
            case .outcome(let outcome):
                let name = agent.list[group].name
                if outcome == .started { watch.isUp(name, node) }
                if outcome == .restarted { node.restartedAt[name] = now }
                if outcome == .dropped { agent.list[group] = agent.wanted[group] }
                watch.came(outcome, of: name, node, at: now)
                agent.followUps.append(.resources(group, outcome))
            case .failure: break
            }
        }
    }

    func lasts(_ fault: ResourceFault, _ group: ListedGroup, _ node: Node) -> Bool {
        (node.resourceFaults[group.name][fault] ?? 0) > now
    }

    private func flaps(_ group: ListedGroup, _ node: Node) -> Bool {
        lasts(.flaps, group, node) && now - node.startedAt[group.name] > World.flapsAfter
    }

    /// The group's store is its first resource.
    private func refusal(of run: ResourceRun, _ group: ListedGroup, _ node: Node) -> Term? {
        guard run.resource == 0 else { return nil }
        if lasts(.startRefused, group, node) { return Term(run.term.value + 3) }
        guard plan.sync(of: group.name) != nil else { return nil }
        let dataTerm = Term(node.data[group.name].term)
        return dataTerm > run.term ? dataTerm : nil
    }

    private func begin(_ run: ResourceRun, _ node: Node) {
        guard let agent = node.agent else { return }
        watch.works(
            run.action, on: agent.list[run.group].name, cause: run.cause, node, in: self)
        numbers += 1
        let group = agent.list[run.group]
        let resource = group.resources[run.resource]
        var process = Process(
            run: run.id, life: node.life, group: group, resource: resource,
            action: run.action, fails: false, number: numbers)
        // Who only looks takes no time and draws nothing, so that older seeds tell their stories.
        if run.action == .monitor, agent.runners[run.group].isLooking {
            return exited(run.id, node.up[resource] ? .well : .badly, node)
        }
        var time = 1_000_000 + chance.below(8_000_000)
        if lasts(.slow, group, node) { time += chance.below(1_500_000_000) }
        var hangs = false
        switch run.action {
        case .start, .promote:
            process.refusedBy = refusal(of: run, group, node)
            process.fails =
                lasts(.startFails, group, node) || lasts(.unitMissing, group, node)
                || process.refusedBy != nil
            hangs = lasts(.startHangs, group, node)
            process.startsStore = run.resource == 0 && run.cause != .monitorFailed
        case .stop, .demote:
            process.isUnknown = lasts(.stopUnknown, group, node)
            process.fails = process.isUnknown || lasts(.stopFails, group, node)
            hangs = lasts(.stopHangs, group, node) && !process.isUnknown
            watch.resets.beginsStop(of: group.name, isTried: !process.isUnknown, node)
        case .monitor:
            process.fails =
                lasts(.monitorFails, group, node) || flaps(group, node) || !node.up[resource]
        }
        node.processes.append(process)
        if run.action == .start || run.action == .promote { node.starts[numbers] = group.name }
        if run.action == .start {
            // Of a stray the resources to come are still what somebody started.
            if !node.strays.contains(group.name) || run.resource == group.resources.count - 1 {
                node.endWorkByHand(group.name)
            }
            node.startedAt[group.name] = now
            node.up[resource] = true
            node.serves[resource] = false
            // Of a changed group no more than this is to be up here.
            var part = group
            let wanted = max(run.resource + 1, agent.runners[run.group].wanted)
            part.resources = Array(group.resources.prefix(wanted))
            watch.comesUp(part, term: run.term, node, in: self)
            watch.starts(resource, of: group.name, at: run.term, node, in: self)
        }
        // It comes up long beyond its time, as a file system does that had to be checked first.
        if hangs { time += 3_000_000_000 + chance.below(40_000_000_000) }
        after(
            time, .processEnds(node.index, powerLife: node.powerLife, number: process.number))
    }

    private func kill(_ run: RunID, _ node: Node) {
        guard
            let index = node.processes.firstIndex(where: {
                $0.run == run && $0.life == node.life
            }), !lasts(.unkillable, node.processes[index].group, node)
        else { return }
        node.processes[index].killed = true
        after(
            500_000,
            .processEnds(
                node.index, powerLife: node.powerLife, number: node.processes[index].number))
    }

    /// Starts that earlier agents left under way are killed, and gone, before the next agent does
    /// anything (LeftBehind). False while one cannot be killed.
    func endLeftBehind(_ node: Node) -> Bool {
        if planted(.leftBehindGoesOn) { return true }
        endStoreJobs(of: nil, node)
        let ends = { (process: Process) in process.action == .start || process.action == .promote }
        node.processes.removeAll { ends($0) && !lasts(.unkillable, $0.group, node) }
        guard !node.processes.contains(where: ends) else { return false }
        let names = Set(node.starts.values)
        node.note.interrupt(node.noted.indices.filter { names.contains(node.noted[$0].name) })
        watch.cutShort(names, node)
        node.starts = [:]
        return true
    }

    func processEnds(_ node: Node, _ powerLife: UInt32, _ number: UInt64) {
        guard node.powerLife == powerLife,
            let index = node.processes.firstIndex(where: { $0.number == number })
        else { return }
        if waitsToStart(node.processes[index], node) {
            return after(20_000_000, .processEnds(node.index, powerLife: powerLife, number: number))
        }
        let process = node.processes.remove(at: index)
        let succeeded = !process.killed && !process.fails
        if succeeded {
            switch process.action {
            case .start:
                // Of an agent that died: it comes up whatever has happened since.
                if !node.up[process.resource] {
                    node.up[process.resource] = true
                    watch.comesUp(process.group, term: .never, node, in: self)
                }
                node.serves[process.resource] = true
                if process.startsStore { storeStarts(process.group.name, node) }
                write(process.group.name, node)
            case .stop:
                node.up[process.resource] = false
                node.serves[process.resource] = false
                if !node.isUp(process.group) { node.endWorkByHand(process.group.name) }
            case .monitor, .promote, .demote: break
            }
        }
        guard process.life == node.life else { return }
        node.starts[process.number] = nil
        var end: ProcessEnd = succeeded ? .well : process.isUnknown ? .unknown : .badly
        if let dataTerm = process.refusedBy, !process.killed { end = .refused(dataTerm) }
        let happening = Happening.exited(node.index, life: process.life, process.run, end)
        happen(happening)
    }

    func exited(_ run: RunID, _ end: ProcessEnd, _ node: Node) {
        guard let agent = node.agent else { return }
        var refusal: TermRefusal?
        if case .refused(let dataTerm) = end { refusal = TermRefusal(dataTerm: dataTerm) }
        agent.runners[run.group].exited(
            run, succeeded: end == .well, unknown: end == .unknown, refusal: refusal,
            at: reading(node), into: &agent.resourceEffects)
        perform(agent.resourceEffects, of: run.group, node, agent)
    }

    // MARK: By hand

    /// Somebody starts a group beside the agent, where it does not run: in maintenance, or at any time.
    func startByHand(_ name: Int, _ node: Node, inMaintenance: Bool) {
        guard node.powered, let group = node.file.first(where: { $0.name == name }),
            !node.isUp(group), !inMaintenance || watch.isHandsOff(name, node)
        else { return }
        tell(node, .world("somebody starts group \(name) by hand"))
        for resource in group.resources { node.up[resource] = true }
        node.byHand[name] = now
        if inMaintenance { watch.worksByHand(name, node) } else { node.strays.insert(name) }
    }

    /// … and stops it.
    func stopByHand(_ name: Int, _ node: Node) {
        guard node.byHand[name] != nil, let group = node.file.first(where: { $0.name == name })
        else { return }
        tell(node, .world("group \(name), which somebody has started, is stopped"))
        for resource in group.resources { node.up[resource] = false }
        node.endWorkByHand(name)
    }

    /// The agent looks at its units every ten seconds. Only those are judged that somebody has started:
    /// of what the groups' runners do the watch knows more than systemd.
    func lookAtUnits(_ node: Node, _ agent: AgentLife) {
        guard agent.looksAgain, now - agent.looksAtUnitsAt >= 10_000_000_000 else { return }
        agent.looksAtUnitsAt = now
        guard !node.strays.isEmpty else { return }
        let groups = agent.machine.status(at: node.clock(now)).groups
        let vacant = groups.indices.filter { groups[$0].role == .vacant }
        // It draws nothing, so that older seeds tell their stories.
        let time = 1_000_000 + now / 1_000 % 20_000_000
        after(time, .unitsSeen(node.index, life: node.life, vacant: vacant))
    }

    func judgeUnits(_ vacant: [GroupIndex], _ node: Node, _ agent: AgentLife) {
        guard !agent.machine.isBetweenLists else { return }
        let status = agent.machine.status(at: node.clock(now))
        let hands = status.maintenance || status.peerMaintenance
        for (place, group) in agent.list.enumerated()
        where node.strays.contains(group.name) && node.isUp(group) {
            let known = status.groups[place]
            if known.role == .vacant, !vacant.contains(place) { continue }
            let need = UnitNeed(
                runs: true, warrant: nil, known.role, isRunning: known.running,
                inMaintenance: hands || known.maintained)
            switch need {
            case .alarm(let stops):
                tell(node, .world("the agent alarms: group \(group.name) runs beside it"))
                guard stops else { continue }
                after(5_000_000, .strayStops(node.index, powerLife: node.powerLife, group.name))
            case .warrant: watch.warrants(group.name, known.role, node, in: self)
            case .nothing, .clearing: break
            }
        }
    }

    /// A start of the group's takes the stop back.
    func strayStops(_ name: Int, _ node: Node, _ powerLife: UInt32) {
        guard node.powerLife == powerLife, node.strays.contains(name) else { return }
        if let agent = node.agent, let place = agent.place(of: name) {
            let groups = agent.machine.status(at: node.clock(now)).groups
            guard groups[place].role == .vacant else { return }
        }
        stopByHand(name, node)
    }

    // MARK: Disk

    func wall(_ node: Node, at time: Int64? = nil) -> Int64 {
        let time = time ?? now
        guard let clock = runningClock(node, at: time) else {
            return 1_700_000_000_000_000_000 + time + node.wallOffset
        }
        return Int64(clock.begins) * 1_000_000_000 + time - node.poweredAt + node.wallOffset
    }

    /// Something keeps its wall clock right.
    func isSynchronised(_ node: Node, at time: Int64? = nil) -> Bool {
        node.wallOffset == 0 && runningClock(node, at: time ?? now) == nil
    }

    /// The board's own clock, until something keeps it right.
    private func runningClock(_ node: Node, at time: Int64) -> Plan.BoardClock? {
        guard let clock = plan.boardClocks[node.index],
            time - node.poweredAt < clock.synchronisedAfter.nanoseconds
        else { return nil }
        return clock
    }

    /// picketd writes the ages anew every five minutes, which are a twelfth of the usual window: an
    /// agent that ends has done so last at a multiple of that.
    func renewAges(_ node: Node, _ agent: AgentLife) {
        guard plan.boardClocks[node.index] != nil, node.ages != nil, node.fullUntil <= now,
            node.hangsUntil <= now
        else { return }
        let interval = plan.window.nanoseconds / 12
        let at = agent.startedAt + (now - agent.startedAt) / interval * interval
        guard at > max(agent.startedAt, node.agesAt) else { return }
        node.ages = agent.memoryFile.encodeAges(
            agent.machine.disk.durable, now: node.clock(at), wall: wall(node, at: at),
            isSynchronised: isSynchronised(node, at: at))
        node.agesAt = at
    }

    func fillDisk(of node: Node, until: Int64) {
        if node.fullUntil <= now { node.fullSince = now }
        node.fullUntil = until
    }

    func write(_ memory: Memory, _ ticket: UInt32, _ node: Node, _ agent: AgentLife) {
        let bytes = agent.memoryFile.encode(memory, now: node.clock(now), wall: wall(node))
        let ages = agent.memoryFile.encodeAges(
            memory, now: node.clock(now), wall: wall(node), isSynchronised: isSynchronised(node))
        let writing = Writing(
            ticket: ticket, memory: memory, list: agent.list, bytes: bytes, ages: ages, at: now,
            full: node.fullUntil > now)
        node.writing = (now, node.stood)
        after(timeOfDisk(node), .written(node.index, life: node.life, writing))
    }

    private func timeOfDisk(_ node: Node) -> Int64 {
        var time = 800_000 + chance.below(4_000_000)
        if node.slowUntil > now { time += chance.below(node.slowBy + 1) }
        return time
    }

    func lookAtDisk(_ ticket: UInt32, _ node: Node, _ agent: AgentLife) {
        // One that is well draws nothing, so that older seeds tell their stories.
        if node.forgetsUntil <= now {
            node.lookFailed = false
            agent.followUps.append(.persisted(ticket: ticket))
            return
        }
        node.looking = (now, node.stood)
        let look = Happening.looked(
            node.index, life: node.life, ticket: ticket, full: node.fullUntil > now)
        after(timeOfDisk(node), look)
    }

    func looked(
        _ happening: Happening, _ node: Node, _ life: UInt32, _ ticket: UInt32, full: Bool
    ) {
        guard node.life == life, node.agent != nil else { return }
        if node.hangsUntil > now {
            after(min(node.hangsUntil - now, 100_000_000), happening)
            return
        }
        hand(happening, node, life) {
            node.lookFailed = full
            if full { node.refusedAt = self.now }
            node.looking = nil
            $0.followUps.append(
                full ? .persistFailed(ticket: ticket) : .persisted(ticket: ticket))
        }
    }

    func written(_ happening: Happening, _ node: Node, _ life: UInt32, _ writing: Writing) {
        guard node.life == life, node.agent != nil else {
            // The writer died. The write may have been done just before, if nobody has written
            // since.
            if node.life == life + 1, node.agent == nil, !writing.full,
                !node.keeps(writing.memory, writing.list), chance.percent(50)
            {
                // The ages come first. It draws nothing, so that older seeds tell their stories.
                if now % 5 == 0 { node.keepAges(writing) } else { node.keep(writing) }
            }
            return
        }
        if node.hangsUntil > now {
            after(min(node.hangsUntil - now, 100_000_000), happening)
            return
        }
        if !writing.full, !node.keeps(writing.memory, writing.list) { node.keep(writing) }
        hand(happening, node, life) {
            node.wasRefused = writing.full
            if writing.full { node.refusedAt = self.now } else { node.lookFailed = false }
            node.writing = nil
            $0.followUps.append(
                writing.full
                    ? .persistFailed(ticket: writing.ticket) : .persisted(ticket: writing.ticket))
        }
    }
}

/// A state file on its way to the disk.
final class Writing {
    let ticket: UInt32
    let memory: Memory
    let list: [ListedGroup]
    let bytes: [UInt8]
    let ages: [UInt8]
    let at: Int64
    /// The disk takes nothing.
    let full: Bool

    init(
        ticket: UInt32, memory: Memory, list: [ListedGroup], bytes: [UInt8], ages: [UInt8],
        at: Int64, full: Bool
    ) {
        self.at = at
        self.list = list
        self.ticket = ticket
        self.memory = memory
        self.bytes = bytes
        self.ages = ages
        self.full = full
    }
}

extension Node {
    /// The bytes on disk say this already: to write it is a look at whether the disk takes anything.
    fileprivate func keeps(_ memory: Memory, _ list: [ListedGroup]) -> Bool {
        kept == memory && keptList == list
    }

    fileprivate func keep(_ writing: Writing) {
        disk = writing.bytes
        kept = writing.memory
        keptList = writing.list
        keepAges(writing)
    }

    fileprivate func keepAges(_ writing: Writing) {
        ages = writing.ages
        agesAt = writing.at
    }
}
