/// The stores of strict groups: what they acknowledge, and the commands that tell them.
///
/// A store that waits acknowledges a write once the peer's copy has it; one that goes on alone, at
/// once. It keeps what it was told when it is restarted, and when its node loses its power. A start of
/// its group may make it wait again, as its file has it, and so may somebody who works on it. A
/// command takes its time, and fails while the store does not serve. One that fails otherwise, or is
/// killed, may have taken effect all the same, and one that hangs may do so long after it was killed.
/// One whose agent has died goes on until the next agent ends it.
internal import PicketCore

/// A command for a store that is under way.
struct StoreJob {
    var number: UInt64
    var life: UInt32
    /// The group's name.
    var name: Int
    var action: ReplicationAction
    var fails: Bool
}

extension World {
    /// For a command whose configuration states nothing else.
    private static let storeTimeout: Int64 = 10_000_000_000

    /// What the store of the group acknowledges, after it has written or its copy has followed.
    func acknowledge(_ name: Int, _ node: Node) {
        guard plan.sync(of: name)?.strict == true else { return }
        let (mine, copy) = (node.data[name], peer(of: node).data[name])
        let copied = copy.epoch == mine.epoch ? copy.number : 0
        let number = node.goesAlone[name] ? mine.number : copied
        watch.acknowledges(number, of: name, copied: copied, node, in: self)
        watch.waits(!node.goesAlone[name] && copied < mine.number, on: name, node, in: self)
    }

    func replicate(
        _ group: GroupIndex, _ action: ReplicationAction, _ node: Node, _ agent: AgentLife
    ) {
        let name = agent.list[group].name
        let faults = node.resourceFaults[name]
        numbers += 1
        node.storeJobs.append(
            StoreJob(
                number: numbers, life: node.life, name: name, action: action,
                fails: (faults[.commandsFail] ?? 0) > now))
        watch.tells(action, name, node, in: self)
        var time = 1_000_000 + chance.below(8_000_000)
        if (faults[.slow] ?? 0) > now { time += chance.below(1_500_000_000) }
        if (faults[.commandsHang] ?? 0) > now {
            node.storeJobs[node.storeJobs.count - 1].fails = true
            time =
                World.storeTimeout + (chance.percent(50) ? 500_000 : chance.below(15_000_000_000))
            let (life, end) = (node.life, now + World.storeTimeout)
            queue.put(.storeOverdue(node.index, life: life, name: name, action), at: end)
        }
        after(time, .storeTold(node.index, number: numbers))
    }

    /// The store of a group that starts has come up. What it has from its file is the safe one.
    func storeStarts(_ name: Int, _ node: Node) {
        guard plan.sync(of: name)?.strict == true, chance.percent(50) else { return }
        node.goesAlone[name] = false
    }

    /// Somebody has worked on the group, and told its store to wait.
    func isWorkedOn(_ name: Int, _ node: Node) {
        guard plan.sync(of: name)?.strict == true, chance.percent(50) else { return }
        node.goesAlone[name] = false
    }

    /// What starts last has to commit before it is up. It waits beside a peer that is off.
    func waitsToStart(_ process: Process, _ node: Node) -> Bool {
        let name = process.group.name
        return process.action == .start && !process.killed && !process.fails
            && process.resource == process.group.resources.last
            && plan.sync(of: name)?.strict == true && !node.goesAlone[name]
            && !peer(of: node).powered
    }

    func storeTold(_ node: Node, _ number: UInt64) {
        guard let index = node.storeJobs.firstIndex(where: { $0.number == number }) else { return }
        end(node.storeJobs.remove(at: index), node, succeeds: true)
    }

    private func end(_ job: StoreJob, _ node: Node, succeeds: Bool) {
        if !serves(job.name, node) { watch.misses(job.name, node, at: now) }
        let succeeds = succeeds && !job.fails && serves(job.name, node)
        if succeeds || serves(job.name, node) && chance.percent(50) {
            node.goesAlone[job.name] = job.action == .degrade
        }
        guard job.life == node.life, node.agent != nil else { return }
        happen(
            .replicated(
                node.index, life: job.life, name: job.name, job.action, succeeded: succeeds))
    }

    /// The store is the first of the group's resources.
    private func serves(_ name: Int, _ node: Node) -> Bool {
        let group = (node.agent?.list ?? node.noted).first { $0.name == name }
        return group?.resources.first.map { node.serves[$0] } ?? false
    }

    func replicated(
        _ happening: Happening, _ node: Node, _ life: UInt32, _ name: Int,
        _ action: ReplicationAction, _ succeeded: Bool
    ) {
        hand(happening, node, life) {
            guard let place = $0.place(of: name) else { return }
            $0.followUps.append(.replicated(place, action, succeeded: succeeded))
        }
    }

    /// A stop of the group kills them, and so does an agent that starts (`name`: nil).
    func endStoreJobs(of name: Int?, _ node: Node) {
        let ended = node.storeJobs.filter { name == nil || $0.name == name }
        node.storeJobs.removeAll { name == nil || $0.name == name }
        for job in ended { end(job, node, succeeds: false) }
    }
}
