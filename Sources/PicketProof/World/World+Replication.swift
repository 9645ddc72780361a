/// The stores of strict groups: what they acknowledge, and the commands that tell them.
///
/// A store that waits acknowledges a write once the peer's copy has it; one that goes on alone, at
/// once. It keeps what it was told when it is stopped, and when its node loses its power. A command
/// takes its time. One that fails, or is killed, may have taken effect all the same. One whose agent
/// has died goes on until the next agent ends it.
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
        var time = 1_000_000 + chance.below(8_000_000)
        if (faults[.slow] ?? 0) > now { time += chance.below(1_500_000_000) }
        after(time, .storeTold(node.index, number: numbers))
    }

    func storeTold(_ node: Node, _ number: UInt64) {
        guard let index = node.storeJobs.firstIndex(where: { $0.number == number }) else { return }
        end(node.storeJobs.remove(at: index), node, succeeds: true)
    }

    private func end(_ job: StoreJob, _ node: Node, succeeds: Bool) {
        let succeeds = succeeds && !job.fails
        if succeeds || chance.percent(50) { node.goesAlone[job.name] = job.action == .degrade }
        guard job.life == node.life, node.agent != nil else { return }
        happen(
            .replicated(
                node.index, life: job.life, name: job.name, job.action, succeeded: succeeds))
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
