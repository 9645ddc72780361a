/// The watch over a group that cannot be stopped, beside a peer that cannot fence: its node is ended
/// by its own watchdog (L1), and by nothing less than what calls for that (S5).
internal import PicketCore

struct ResetWatch {
    /// By group and node: how often in a row stopping was tried and did not help, and whether it
    /// was tried the last time.
    private var failed: [[Int]]
    private var isTried: [[Bool]]
    /// By group and node: since when stopping could not be tried; and since when something may run
    /// there that only a fence can end.
    private var untriedSince: [[Int64?]]
    private var asksSince: [[Int64?]]
    /// By group and node: something of it may run there by a right of the node's, as it has noted.
    private var isNoted: [[Bool]]
    /// By node, what its peer's newest message says to it.
    private var heard: [Message?] = [nil, nil]
    /// By node: since when it is to be ended, and when that was last looked at.
    private var since: [Int64?] = [nil, nil]
    private var looked: [Int64] = [0, 0]
    /// By node: how often it has let its watchdog end it. Each is on disk before.
    private var resets = [0, 0]

    /// The others are handed over, the fence is counted, and the watchdog's time begins.
    private static let grace: Int64 = 15_000_000_000

    init(groups: Int) {
        failed = Array(repeating: [0, 0], count: groups)
        isTried = Array(repeating: [false, false], count: groups)
        untriedSince = Array(repeating: [nil, nil], count: groups)
        asksSince = untriedSince
        isNoted = isTried
    }

    mutating func begins(_ node: Node) {
        for group in failed.indices { forget(group, node) }
        heard[node.index] = nil
        since[node.index] = nil
    }

    /// One of its resources.
    mutating func beginsStop(of group: Int, isTried: Bool, _ node: Node) {
        if isTried { self.isTried[group][node.index] = true }
    }

    mutating func noted(_ group: Int, _ node: Node) { isNoted[group][node.index] = true }

    mutating func wentDark(_ node: Node) {
        for group in isNoted.indices { isNoted[group][node.index] = false }
    }

    mutating func came(_ outcome: ResourceOutcome, of group: Int, _ node: Node, at now: Int64) {
        switch outcome {
        // They say nothing of the stop that may be under way.
        case .ailing, .recovered, .seen, .unseen, .dropped, .outgrown: return
        case .failed, .restarted: break
        case .stopFailed, .stopUnknown:
            if isTried[group][node.index] { failed[group][node.index] += 1 }
            noteStuck(group, node, at: now)
        case .startFailedDirty, .startFailedUnknown: noteStuck(group, node, at: now)
        case .startFailed, .startRefused, .stopped:
            isNoted[group][node.index] = false
            forget(group, node)
        case .started: forget(group, node)
        }
        isTried[group][node.index] = false
    }

    /// One that could not be tried is told of when that has been so for a minute.
    private mutating func noteStuck(_ group: Int, _ node: Node, at now: Int64) {
        var asks = isTried[group][node.index]
        if !asks {
            let since = untriedSince[group][node.index] ?? now
            untriedSince[group][node.index] = since
            asks = now - since > 59_400_000_000
        }
        if asks { asksSince[group][node.index] = asksSince[group][node.index] ?? now }
    }

    private mutating func forget(_ group: Int, _ node: Node) {
        failed[group][node.index] = 0
        untriedSince[group][node.index] = nil
        asksSince[group][node.index] = nil
    }

    func isStuck(_ group: Int, _ node: Node) -> Bool {
        failed[group][node.index] > 0 || untriedSince[group][node.index] != nil
    }

    /// The operator gives back what was spent.
    mutating func clear() { resets = [0, 0] }

    mutating func hears(_ message: Message, _ node: Node) { heard[node.index] = message }

    // MARK: S5

    mutating func letsReset(
        _ node: Node, isMaintained: Bool, remembers: Bool, in world: World
    ) {
        resets[node.index] += 1
        guard let most = world.plan.resetAfterStops, let peer = heard[node.index] else {
            return world.violate("S5", "\(node.id) lets its watchdog end it, and nobody asked")
        }
        let stuck = failed.indices.filter { failed[$0][node.index] >= most }
        if stuck.isEmpty {
            world.violate(
                "S5", "\(node.id) lets its watchdog end it, and no stop has failed \(most) times")
        }
        if peer.relayTest != .failed, peer.relayTest != .absent {
            world.violate("S5", "\(node.id) lets its watchdog end it, and its peer can fence")
        }
        for group in stuck where !takes(group, peer) {
            world.violate(
                "S5",
                "\(node.id) lets its watchdog end it, and its peer would not start group \(group)")
        }
        if remembers, resets[node.index] > node.policy.fenceBudget.count {
            world.violate("S7", "\(node.id) lets its watchdog end it beyond its budget of fences")
        }
        if isMaintained {
            world.violate("S11", "\(node.id) lets its watchdog end it in maintenance")
        }
    }

    /// In the peer's own words.
    private func takes(_ group: Int, _ peer: Message) -> Bool {
        guard peer.phase == .paired, peer.health > 0 else { return false }
        return peer.groups.contains {
            Int($0.name) - 1 == group && $0.flags.contains(.eligible)
        }
    }

    // MARK: L1

    /// - Parameters:
    ///   - left: the groups that somebody may work on.
    ///   - reached: when the newest of its sendings that the peer acknowledged was sent.
    mutating func judge(
        _ message: Message, _ node: Node, left: SmallSet, reached: Int64, orders: Int,
        in world: World
    ) {
        let index = node.index
        defer { looked[index] = world.now }
        if message.flags.contains(.fenceMe), !asksSince.contains(where: { $0[index] != nil }) {
            world.violate("S5", "\(node.id) asks to be fenced, and no stop has failed")
        }
        judgeSilence(message, node, left, in: world)
        guard let most = world.plan.resetAfterStops else { return }
        guard isDue(message, node, after: most, reached: reached, orders: orders, in: world) else {
            since[index] = nil
            return
        }
        let began =
            world.now - looked[index] < 1_000_000_000 ? since[index] ?? world.now : world.now
        since[index] = began
        guard world.now - began > world.plan.watchdog.nanoseconds + ResetWatch.grace else {
            return
        }
        world.violate(
            "L1",
            "\(node.id) cannot stop a group, its peer cannot fence it, and it goes on all the same")
    }

    /// L1: what it had a right to, and cannot stop, it asks its peer to end. While it fences that
    /// peer itself, or somebody works on the group, it says nothing.
    private func judgeSilence(
        _ message: Message, _ node: Node, _ left: SmallSet, in world: World
    ) {
        guard message.flags.isDisjoint(with: [.fenceMe, .maintenance]), message.phase == .paired,
            message.seenGeneration > 0, message.acknowledged > 0
        else { return }
        for group in asksSince.indices where isNoted[group][node.index] && !left.contains(group) {
            guard let since = asksSince[group][node.index], world.now - since > 5_000_000_000,
                node.agent?.listed.contains(where: { $0.name == group }) == true
            else { continue }
            world.violate(
                "L1", "\(node.id) cannot stop group \(group), and does not ask to be fenced")
        }
    }

    private func isDue(
        _ message: Message, _ node: Node, after most: Int, reached: Int64, orders: Int,
        in world: World
    ) -> Bool {
        let forbidden: Message.Flags = [.maintenance, .drill]
        guard message.flags.contains(.fenceMe), message.flags.isDisjoint(with: forbidden),
            message.phase == .paired, message.watchdogMilliseconds > 0,
            let peer = heard[node.index], peer.flags.isDisjoint(with: forbidden),
            peer.relayTest == .failed || peer.relayTest == .absent,
            world.now - reached < node.policy.timing.deadAfter.nanoseconds / 10 * 8,
            node.watchdogDeadUntil <= world.now, node.forgetsUntil <= world.now, !node.wasRefused,
            node.lateUntil <= world.now, !world.rolls, world.plan.leastLag == nil,
            orders < node.policy.fenceBudget.count,
            world.plan.groups.count == 1 || world.plan.movesAnHour >= 100
        else { return false }
        for group in world.plan.list {
            guard failed[group.name][node.index] < most else {
                guard takes(group.name, peer) else { return false }
                continue
            }
            // It can be handed over.
            let isWell = world.nodes.allSatisfy { $0.resourceFaults[group.name].isEmpty }
            if node.isUp(group), !isWell || !takes(group.name, peer) { return false }
        }
        return true
    }
}
