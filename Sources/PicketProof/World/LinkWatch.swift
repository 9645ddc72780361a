/// The watch over what a node says of its links (L4), and that no reload takes away the last of them
/// on which the peer is heard (S5). It goes by what came, by the plan's number of each link and never
/// by a file's.
internal import PicketCore

struct LinkWatch {
    /// By node.
    private var sides: [Side]

    private struct Side {
        /// By the plan's link: when something last came, and since when it does so steadily.
        var cameAt: [Int64]
        var steadyAt: [Int64]
        /// When it last spoke, and since when it does so steadily and in contact, to this life of its
        /// peer.
        var spokeAt = Int64.min / 2
        /// The longer of both nodes' times, then.
        var window: Int64 = 0
        var speaksAt = Int64.min / 2
        var peer: SessionID?

        init(links: Int) {
            cameAt = Array(repeating: .min / 2, count: links)
            steadyAt = cameAt
        }
    }

    init(links: Int) { sides = [Side(links: links), Side(links: links)] }

    mutating func begins(_ node: Node) {
        sides[node.index] = Side(links: sides[node.index].cameAt.count)
    }

    /// A message of the peer's present session, the first of it or a copy.
    mutating func came(_ link: Int, _ node: Node, _ agent: AgentLife, at now: Int64) {
        let steady = agent.machine.policy.timing.deadAfter.nanoseconds / 2
        if now - sides[node.index].cameAt[link] > steady { sides[node.index].steadyAt[link] = now }
        sides[node.index].cameAt[link] = now
    }

    /// It goes by other links from now on.
    mutating func takes(
        _ links: [Int], instead former: [Int], _ node: Node, _ agent: AgentLife, in world: World
    ) {
        let now = world.now
        let window = agent.machine.policy.timing.deadAfter.nanoseconds
        let side = sides[node.index]
        if agent.machine.peer.inContact,
            former.contains(where: { now - side.cameAt[$0] < window / 2 }),
            !links.contains(where: { former.contains($0) && now - side.cameAt[$0] < window * 2 })
        {
            world.violate(
                "S5", "\(node.id) takes up a file without a link on which its peer is heard")
        }
        for link in side.cameAt.indices where !links.contains(link) || !former.contains(link) {
            sides[node.index].cameAt[link] = .min / 2
            sides[node.index].steadyAt[link] = .min / 2
        }
    }

    /// It speaks: what it says of its links is looked at.
    mutating func speaks(_ node: Node, _ agent: AgentLife, in world: World) {
        let now = world.now
        let peer = world.peer(of: node)
        guard let other = peer.agent else { return sides[node.index].peer = nil }
        // Each goes by its own.
        let mine = agent.machine.policy.timing.deadAfter.nanoseconds
        let theirs = other.machine.policy.timing.deadAfter.nanoseconds
        let (shortest, window) = (min(mine, theirs), max(mine, theirs))
        // Links are looked at with each heartbeat of a contact. A file with other times counts anew.
        let isSteady =
            now - sides[node.index].spokeAt <= shortest / 2 && sides[node.index].window == window
            && sides[node.index].peer == other.session && agent.partner == other.session
            && other.partner == agent.session
        if !isSteady { sides[node.index].speaksAt = now }
        sides[node.index].spokeAt = now
        sides[node.index].window = window
        sides[node.index].peer = other.session
        // The other one may stand still, and its word be old.
        let isHeard = now - sides[peer.index].spokeAt <= shortest / 2
        guard isHeard, now - sides[node.index].speaksAt > window * 4 else { return }
        for (number, link) in agent.links.enumerated() {
            let isUp = agent.machine.peer.linksUp.contains(number)
            if isUp, now - sides[node.index].cameAt[link] > window * 2 {
                world.violate(
                    "L4", "\(node.id) says that link \(link) is up, and hears nothing on it")
            }
            let carries = sides.indices.allSatisfy {
                now - sides[$0].cameAt[link] <= shortest / 2
                    && now - sides[$0].steadyAt[link] > window * 4
            }
            if !isUp, other.links.contains(link), carries {
                world.violate(
                    "L4", "\(node.id) says that link \(link) is down, and both hear on it")
            }
        }
    }
}
