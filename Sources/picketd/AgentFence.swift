/// Fencing by a ClusterLabs fence agent, by its contract (FenceAgentAPI.md): options and
/// `action=…` as lines on its standard input, exit code 0 for done; `status` exits 0 where the
/// peer's power is on and 2 where it is off.
///
///     idle ─ order ─▶ off ─▶ verifying (status says off) ─▶ on (policy reboot) ─▶ idle
///
/// An agent's own word that it switched off is not enough (S3): its `status` must say so. Orders
/// that come while one is under way share its outcome until the power comes back on.

import PicketConfig
import PicketCore
import PicketHardware
import PicketLinux

struct AgentFence {
    let settings: AgentSettings
    private(set) var phase = Phase.idle
    private var orders: [FenceOrder] = []
    private var waiting: [FenceOrder] = []

    enum Phase: Equatable { case idle, off, verifying, on, testing }
    enum Action: String { case off, on, status }

    enum Step {
        /// Start the agent with this action, unless this instant has passed by then.
        case run(Action, notAfter: Instant)
        case report(id: UInt32, FenceOutcome)
        /// What a self-test found.
        case tested(Message.RelayTest)
        /// Kill the one that runs: a fence does not wait for a self-test.
        case abort
    }

    init(_ settings: AgentSettings) { self.settings = settings }

    mutating func order(_ order: FenceOrder) -> [Step] {
        switch phase {
        case .idle:
            orders = [order]
            phase = .off
            return [.run(.off, notAfter: order.voidAfter)]
        case .off, .verifying:
            orders.append(order)
            return []
        case .on:
            waiting.append(order)
            return []
        case .testing:
            waiting.append(order)
            return [.abort]
        }
    }

    /// The agent may have begun: only what waits can be taken back.
    mutating func cancel(_ id: UInt32) -> [Step] {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return [] }
        waiting.remove(at: index)
        return [.report(id: id, .voided)]
    }

    mutating func test() -> [Step] {
        guard phase == .idle else { return [] }
        phase = .testing
        return [.run(.status, notAfter: .distantFuture)]
    }

    mutating func ended(_ end: ChildEnd, timedOut: Bool) -> [Step] {
        switch phase {
        case .idle: return []
        case .testing:
            phase = .idle
            // One that was cut short by an order has found nothing.
            guard waiting.isEmpty || end == .exited(0) else { return next() }
            return [.tested(end == .exited(0) ? .passed : .failed)] + next()
        case .off:
            if end == .late { return conclude(.voided) }
            guard end == .exited(0) else { return undo(timedOut ? .timeout : .agent) }
            phase = .verifying
            return [.run(.status, notAfter: .distantFuture)]
        case .verifying:
            guard end == .exited(2) else {
                return undo(timedOut ? .timeout : end == .exited(0) ? .stillOn : .agent)
            }
            var steps: [Step] = []
            for order in orders { steps.append(.report(id: order.id, .off)) }
            guard settings.policy == .reboot else {
                phase = .idle
                orders = []
                return steps + next()
            }
            phase = .on
            return steps + [.run(.on, notAfter: .distantFuture)]
        case .on: return conclude(end == .exited(0) ? .restored : .notRestored)
        }
    }

    /// The level failed; the peer is given its power back, whatever became of it.
    private mutating func undo(_ failure: FenceFailure) -> [Step] {
        var steps: [Step] = []
        for order in orders { steps.append(.report(id: order.id, .failed(failure))) }
        orders = []
        phase = .on
        return steps + [.run(.on, notAfter: .distantFuture)]
    }

    private mutating func conclude(_ outcome: FenceOutcome) -> [Step] {
        var steps: [Step] = []
        for order in orders { steps.append(.report(id: order.id, outcome)) }
        orders = []
        phase = .idle
        return steps + next()
    }

    private mutating func next() -> [Step] {
        guard phase == .idle, !waiting.isEmpty else { return [] }
        orders = waiting
        waiting = []
        phase = .off
        return [.run(.off, notAfter: orders[0].voidAfter)]
    }

    func launch(_ action: Action, environment: [String], notAfter: Instant) -> Launch {
        var input = ""
        for option in settings.options { input += "\(option.name)=\(option.value)\n" }
        input += "action=\(action.rawValue)\n"
        return Launch(
            arguments: [settings.path], environment: environment, input: Array(input.utf8),
            notAfter: notAfter, endsWithAgent: action == .off)
    }
}
