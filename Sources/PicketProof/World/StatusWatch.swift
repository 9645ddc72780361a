/// The watch over what a status says in an outage (L4): a person goes by it. Where a group runs nowhere,
/// some node says why; what keeps a node from fencing is not hidden behind the loss of contact; a
/// peer that is off is shown neither as one that speaks nor with what it had; and nobody is asked for an
/// order that starts nothing.
internal import PicketCore

struct StatusWatch {
    private struct Side {
        var lookedAt = Int64.min / 2
        /// Why it does not fence a peer that it has lost, as it has told, and since when its status
        /// hides that.
        var refusal: Refusal?
        var hiddenSince: Int64?
    }

    private var sides = [Side(), Side()]
    /// By group: when it last was up, or a node last said why it does not start there.
    private var explainedAt: [Int64]
    private var lookedAt = Int64.min / 2

    /// A disk that does not answer is known to take nothing after about ten seconds.
    private static let explainsWithin: Int64 = 15_000_000_000
    private static let between: Int64 = 1_000_000_000

    init(groups: Int) { explainedAt = Array(repeating: 0, count: groups) }

    mutating func begins(_ node: Node, at now: Int64) {
        sides[node.index] = Side()
        for group in explainedAt.indices { explainedAt[group] = now }
    }

    mutating func refuses(_ refusal: Refusal?, _ node: Node) {
        sides[node.index].refusal = refusal
        sides[node.index].hiddenSince = nil
    }

    mutating func look(_ node: Node, _ agent: AgentLife, in world: World) {
        let now = world.now
        guard now - sides[node.index].lookedAt >= StatusWatch.between else { return }
        sides[node.index].lookedAt = now
        let clock = node.clock(now)
        let status = agent.see { $0.status(at: clock) }
        judgeRefusal(status, node, in: world)
        judgePeer(status, node, agent, in: world)
        judgeQuestions(status, node, agent, in: world)
        if !world.rolls { judgeGroups(status, node, agent, in: world) }
    }

    private mutating func judgeRefusal(_ status: Status, _ node: Node, in world: World) {
        guard let refusal = sides[node.index].refusal, status.protectionGap == .notInContact,
            status.fence != .waiting
        else {
            sides[node.index].hiddenSince = nil
            return
        }
        let since = sides[node.index].hiddenSince ?? world.now
        sides[node.index].hiddenSince = since
        guard world.now - since > StatusWatch.between * 2 else { return }
        world.violate(
            "L4",
            "\(node.id) has told that it does not fence (\(refusal)), and its status names only the"
                + " loss of contact")
    }

    private func judgePeer(
        _ status: Status, _ node: Node, _ agent: AgentLife, in world: World
    ) {
        let isOff = status.receipt == .verifiedOff || status.receipt == .operatorsWord
        if isOff, status.groups.contains(where: { $0.peerRole == .holding }) {
            world.violate("L4", "\(node.id) goes on without its peer, and shows a group on it")
        }
        guard status.peerSpeaks else { return }
        let silent = world.now - (agent.spokeAt ?? .min / 2)
        let detects = agent.see { $0.policy.timing.detectWithin }
        let limit = max(.seconds(2), detects).nanoseconds
        // What somebody has recorded counts once.
        let hasRecordings = world.plan.faults.contains {
            if case .replay = $0.fault { true } else { false }
        }
        if silent > limit + StatusWatch.between, !hasRecordings {
            world.violate(
                "L4",
                "\(node.id) says that its peer speaks, which has been silent for "
                    + "\(silent / 1_000_000) ms")
        }
    }

    /// A person is asked for what starts the group.
    private func judgeQuestions(
        _ status: Status, _ node: Node, _ agent: AgentLife, in world: World
    ) {
        for (place, group) in status.groups.enumerated()
        where group.obstacle == .takeoverAsked && group.waitsForCopy {
            if agent.see({ $0.policy.groups[place].sync?.takesOverStale == true }) { continue }
            world.violate(
                "L4",
                "\(node.id) asks whether to take a group over, whose copy keeps it from that")
        }
    }

    private mutating func judgeGroups(
        _ status: Status, _ node: Node, _ agent: AgentLife, in world: World
    ) {
        // Nobody was there who could have said it.
        let isNew = world.now - lookedAt > StatusWatch.between * 3
        lookedAt = world.now
        for group in world.plan.list {
            let isUp = world.nodes.contains { $0.isUp(group) }
            let known = agent.place(of: group.name).map { status.groups[$0] }
            if isNew || isUp || known.map({ explains($0, status) }) ?? true {
                explainedAt[group.name] = world.now
            }
            guard world.now - explainedAt[group.name] > StatusWatch.explainsWithin else { continue }
            world.violate(
                "L4", "group \(group.name) runs nowhere, and no status says why")
        }
    }

    /// That the peer is to start it, the peer has to make good.
    private func explains(_ group: GroupStatus, _ status: Status) -> Bool {
        switch group.obstacle {
        case nil: group.role == .holding || group.role == .resuming
        case .peersTurn: false
        case .notInContact: status.receipt == nil
        case .some: true
        }
    }
}
