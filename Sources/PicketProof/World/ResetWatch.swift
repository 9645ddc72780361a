/// The watch over a group that cannot be stopped, beside a peer that cannot fence: its node is ended
/// by its own watchdog (L1), and by nothing less than what calls for that (S5).
internal import PicketCore

struct ResetWatch {
    /// By group and node: how often in a row stopping was tried and did not help, and whether it
    /// was tried the last time.
    private var failed: [[Int]]
    private var isTried: [[Bool]]
    /// By group and node: how often in a row stopping could not be tried, and whether something may
    /// run there that only a fence can end.
    private var untried: [[Int]]
    private var asks: [[Bool]]
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
        untried = failed
        asks = isTried
    }

    mutating func begins(_ node: Node) {
        for group in failed.indices { forget(group, node) }
        heard[node.index] = nil
        since[node.index] = nil
    }

    mutating func beginsStop(of group: Int, isTried: Bool, _ node: Node) {
        self.isTried[group][node.index] = isTried
    }

    mutating func came(_ outcome: ResourceOutcome, of group: Int, _ node: Node) {
        switch outcome {
        case .stopFailed, .stopUnknown:
            if isTried[group][node.index] { failed[group][node.index] += 1 }
            noteStuck(group, node)
        case .startFailedDirty, .startFailedUnknown: noteStuck(group, node)
        case .started, .startFailed, .stopped: forget(group, node)
        case .failed, .restarted, .ailing, .recovered: break
        }
    }

    private mutating func noteStuck(_ group: Int, _ node: Node) {
        if !isTried[group][node.index] { untried[group][node.index] += 1 }
        if isTried[group][node.index] || untried[group][node.index] >= 3 {
            asks[group][node.index] = true
        }
    }

    private mutating func forget(_ group: Int, _ node: Node) {
        failed[group][node.index] = 0
        untried[group][node.index] = 0
        asks[group][node.index] = false
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

    /// - Parameter reached: when the newest of its sendings that the peer acknowledged was sent.
    mutating func judge(
        _ message: Message, _ node: Node, reached: Int64, orders: Int, in world: World
    ) {
        let index = node.index
        defer { looked[index] = world.now }
        if message.flags.contains(.fenceMe), !asks.contains(where: { $0[index] }) {
            world.violate("S5", "\(node.id) asks to be fenced, and no stop has failed")
        }
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
