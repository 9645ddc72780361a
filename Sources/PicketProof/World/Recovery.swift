/// Liveness: faults have stopped, everything is repaired, and an operator has looked at both nodes.
/// Now the pair must come to rest (L1, L2): each group is up on exactly one node, and both nodes
/// are paired.
internal import PicketCore
internal import PicketWire

struct Recovery {
    var began: Int64 = 0
    /// Since when all has been well.
    var wellSince: Int64?
    var done = false
    /// The node that lost its power in the exam, and when.
    var examined: (node: Int, at: Int64)?
    var looks = 0
    /// How long the pair took, nanoseconds.
    var took: Int64 = 0
}

extension World {
    /// As long as the slowest honest way back: a node's boot, a fence's backoff, a stuck stop's
    /// retry.
    static let recoverWithin: Int64 = 100_000_000_000
    /// Longer than a node is passed over after a failed start.
    static let stayWell: Int64 = 12_000_000_000

    func stopFaults() {
        tell(nil, .world("the faults stop"))
        recovering = true
        recovery.began = now
        for node in nodes { repair(node) }
        for node in nodes { supply(node) }
        if let full = plan.staysFull, plan.seed % 2 == 0 { crash(self.node(full)) }
        tend()
        after(100_000_000, .look)
    }

    private func repair(_ node: Node) {
        for link in node.weather.indices { node.weather[link] = Weather() }
        node.livelockedUntil = 0
        node.lateUntil = 0
        fillDisk(of: node, until: plan.staysFull == node.id ? .max : 0)
        node.slowUntil = 0
        node.hangsUntil = 0
        node.damaged = false
        revive(node)
        if node.key.id != World.key.id { use(World.key, on: node) }
        node.file = plan.lastingList(of: node.id)
        if let agent = node.agent, agent.listed != node.file { crash(node) }
        give(digest: 42, to: node)
        node.links = Array(0..<plan.links)
        node.effectsToLive = nil
        node.stepsToPause = nil
        node.mains = true
        node.deadSupply = plan.staysDead.flatMap { $0.node == node.id ? $0.supply : nil }
        for index in node.chips.indices {
            set(nil, index, of: node)
            node.chips[index].isListed = true
        }
        if node.relayFault != nil || !node.parted.isEmpty {
            node.relayFault = nil
            node.parted = []
            watch.hangs(node, false, at: now)
            answerAtLast(node)
            settleContact(node)
        }
        for group in node.resourceFaults.indices {
            node.resourceFaults[group] = [:]
            node.copyStallsUntil[group] = 0
            node.probeFailsUntil[group] = 0
        }
        // Somebody switches on by hand what two nodes that are dark cannot.
        if plan.outlet != nil, !node.powered, !node.line {
            node.line = true
            settleContact(node)
        }
        // Processes that hung in the kernel hang no more.
        for process in node.processes {
            node.processes[node.processes.firstIndex { $0.number == process.number }!].killed = true
            after(
                1_000_000,
                .processEnds(node.index, powerLife: node.powerLife, number: process.number))
        }
        if node.standsStillUntil > now {
            node.standsStillUntil = now
            node.stood += now - node.stoodSince
            node.stoodSince = now
            queue.put(.wakes(node.index), at: now)
        }
    }

    /// An operator comes to a pair that has seen bad days, and does this.
    private func tend() {
        for node in nodes where node.agent != nil {
            // Each order makes a new version, so one is not given for nothing again and again.
            if recovery.looks == 0 || node.agent?.machine.isMaintained == true {
                command(.maintenance(false, despite: .all), node)
            }
            for (place, group) in (node.agent?.list ?? []).enumerated()
            where node.agent?.machine.disk.memory.groups[place].maintenance.isOn == true {
                command(.maintenance(false, of: group.name, despite: .all), node)
            }
            endDrill(node)
            command(.clear(nil), node)
            if plan.groups.contains(where: { $0.takeover == .ask }) {
                command(.take(nil, stale: false), node)
            }
            // One node alone starts what the files have otherwise, by whatever copy it has.
            for group in node.file where waitsForCopy(group, node) {
                if watch.head(of: group.name) == node.index
                    || !peer(of: node).file.contains(group)
                {
                    command(.take(group.name, stale: true), node)
                }
            }
            turn(node) {
                for (place, group) in $0.list.enumerated()
                where self.plan.sync(of: group.name) == nil {
                    $0.followUps.append(.sync(place, .current))
                }
            }
        }
    }

    /// One more failure, now that all is well: the pair must survive it within its time (L1).
    /// Nothing is asked of a pair whose budget may be spent, whose feedback proves no dead supply, or
    /// that has the excuse of a second fault, or whose standby has said that it would not take over, or
    /// has fenced once already by a disk that takes nothing.
    private func examine() {
        guard plan.staysOther == nil, plan.fencesAnHour >= 100, plan.wiring.survivesDeadSupply,
            watch.fences < plan.fencesAnHour, watch.excuses.isEmpty,
            let holder = nodes.first(where: { $0.isUp(plan.list[0]) }),
            peer(of: holder).agent?.machine.disk.lastFenceIsKept == true,
            plan.list.allSatisfy({
                !holder.isUp($0) || watch.isEligible(peer(of: holder), $0.name)
            })
        else {
            recovery.done = true
            return
        }
        guard plan.seed % 3 != 0 || restartStores(on: holder) else {
            recovery.done = true
            return
        }
        // One with a dead supply must be cut, too, while it has power from the other.
        let hangs = plan.staysDead?.node == holder.id && plan.seed % 4 != 0 && plan.seed % 3 != 0
        tell(
            nil,
            .world(
                "exam: \(holder.id), which holds group 0, "
                    + (hangs ? "stands still" : "loses its power")))
        recovery.examined = (holder.index, now)
        // Every fourth pair is examined in an agreed pause, which must not last beyond its time. With
        // an outlet it would be taken over in a late turn, which are long there.
        var pause: Int64 = 0
        if plan.seed % 4 == 0, plan.outlet == nil {
            pause = 2_000_000_000
            command(.pause(Duration(nanoseconds: pause)), holder)
            while now < recovery.examined!.at + 20_000_000 { step() }
        }
        if hangs {
            standStill(holder, until: .max, whole: true)
        } else {
            holder.mains = false
            supply(holder)
        }
        let starts = Int64(World.resources * plan.groups.count) * 10_000_000
        var bound =
            holder.policy.timing.detectWithin.nanoseconds
            + (plan.outlet ?? plan.offWithin).nanoseconds + starts
            + 50_000_000
            + pause * 2
        // A store that starts is told to go on alone, once more if it was not up yet.
        if plan.list.contains(where: { plan.sync(of: $0.name)?.strict == true }) {
            bound += 1_200_000_000
        }
        // It is taken over in a late turn, which comes after the first turns of all ranks from 2 to 5.
        let timing = holder.policy.timing
        if pause > 0 { bound += ((timing.deadAfter + timing.offWithin) * 4).nanoseconds }
        after(bound, .look)
    }

    /// The stores of strict groups come up anew. They have what they were told, and the copies have all
    /// that was acknowledged. False where they did not.
    private func restartStores(on node: Node) -> Bool {
        let (began, stores) = (now, plan.list.filter { plan.sync(of: $0.name)?.strict == true })
        for group in stores {
            node.resourceFaults[group.name][.monitorFails] = .max
            while node.restartedAt[group.name] < began, now < began + 5_000_000_000 { step() }
            node.resourceFaults[group.name][.monitorFails] = nil
        }
        let restarted = now
        while !stores.isEmpty, now < restarted + 100_000_000 { step() }
        return stores.allSatisfy { node.restartedAt[$0.name] >= began && node.isWholeUp($0) }
    }

    /// A start that a store keeps from its end is none.
    private func serves(_ group: ListedGroup, _ node: Node) -> Bool {
        guard plan.sync(of: group.name)?.strict == true else { return node.isWholeUp(group) }
        return group.resources.allSatisfy { node.serves[$0] }
    }

    private func mark(_ victim: Node) {
        recovery.done = true
        let other = peer(of: victim)
        // A group whose takeover is to be asked for waits; the watch sees that it does. A judgement
        // of the data is spent by an agreed pause.
        for group in plan.list
        where plan.groups[group.name].takeover == .auto && !serves(group, other)
            && (plan.sync(of: group.name) == nil || plan.seed % 4 != 0)
        {
            violate(
                "L1",
                "\(victim.id) is dead, and group \(group.name) is not up in time on \(other.id)")
        }
    }

    func lookForRecovery() {
        if let examined = recovery.examined { return mark(nodes[examined.node]) }
        recovery.looks += 1
        makeRoom()
        if recovery.looks % 100 == 0 { tend() }
        if isWell {
            let since = recovery.wellSince ?? now
            recovery.wellSince = since
            if now - since >= World.stayWell {
                if recovery.examined == nil { recovery.took = since - recovery.began }
                examine()
                return
            }
        } else {
            recovery.wellSince = nil
        }
        if now - recovery.began > World.recoverWithin {
            violate("L1", "100 s after the last fault: \(state)")
            return
        }
        after(100_000_000, .look)
    }

    /// A node that remembers on disk that it may go on alone must stay dark until its disk forgets:
    /// somebody has to make room. Nothing else that a disk does not take keeps a pair from forming.
    private func makeRoom() {
        guard let id = plan.staysFull, node(id).kept?.alone == true else { return }
        node(id).fullUntil = 0
    }

    private var isWell: Bool {
        for node in nodes {
            guard node.powered, let agent = node.agent,
                agent.machine.life.isPaired,
                agent.machine.disk.isKept || node.fullUntil > now
            else { return false }
        }
        for group in plan.list
        where plan.groups[group.name].enabled && nodes.allSatisfy({ $0.file.contains(group) }) {
            let full = nodes.count { $0.isWholeUp(group) }
            let some = nodes.count { $0.isUp(group) }
            if full != 1 || some != 1 { return false }
            if plan.sync(of: group.name) != nil, !copyIsCurrent(group) { return false }
            if plan.sync(of: group.name)?.strict == true,
                nodes.contains(where: { $0.isUp(group) && $0.goesAlone[group.name] })
            {
                return false
            }
        }
        return plan.staysOther == nil || differencesAreUp
    }

    /// One node has what the files have otherwise, all of it, by its own file. Where each had
    /// something of it before they came to differ, both go on with that.
    private var differencesAreUp: Bool {
        let differ = nodes.map { node in
            node.file.filter { !peer(of: node).file.contains($0) }
        }
        let up = zip(nodes, differ).map { node, groups in groups.count { node.isUp($0) } }
        if up[0] > 0, up[1] > 0 { return true }
        return zip(nodes, differ).contains { node, groups in
            groups.allSatisfy { node.isWholeUp($0) }
        }
    }

    private func waitsForCopy(_ group: ListedGroup, _ node: Node) -> Bool {
        guard let agent = node.agent, let place = agent.place(of: group.name) else { return false }
        return agent.machine.status(at: node.clock(now)).groups[place].waitsForCopy
    }

    /// In contact a copy that follows is found to be current.
    private func copyIsCurrent(_ group: ListedGroup) -> Bool {
        nodes.allSatisfy { node in
            guard !node.isUp(group), let agent = node.agent,
                let place = agent.place(of: group.name)
            else { return true }
            return agent.machine.status(at: node.clock(now)).groups[place].sync == .current
        }
    }

    private var state: String {
        nodes.map { node in
            let phase = node.agent.map { "\($0.machine.status(at: node.clock(now)).phase)" }
            let groups = plan.list.map { node.isUp($0) ? "up" : "-" }.joined(separator: " ")
            let roles =
                node.agent?.machine.status(at: node.clock(now)).groups.map { "\($0.role)" }
                .joined(separator: " ") ?? ""
            let kept = node.agent.map { $0.machine.disk.isKept }
            return "\(node.id): \(node.powered ? phase ?? "no agent" : "no power"), \(groups)"
                + " (\(roles))\(kept == false ? ", not all on disk" : "")"
        }.joined(separator: "; ")
    }
}
