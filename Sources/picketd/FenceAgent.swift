/// Fencing by a ClusterLabs fence agent, by its contract (FenceAgentAPI.md): options and
/// `action=…` as lines on its standard input, exit code 0 for done; `status` exits 0 where the
/// peer's power is on and 2 where it is off.
///
///     idle ─ order ─▶ off ─▶ verifying (status says off) ─▶ on (policy reboot) ─▶ idle
///                                                          │ ▲
///                                                          ▼ │ every 5 s
///                                                      unrestored
///
/// An agent's own word that it switched off is not enough (S3): its `status` must say so. Orders
/// that come while one is under way share its outcome until the power comes back on.
///
/// A switched outlet stays as it is when this agent ends. So a mark on disk says that the peer's
/// power is this level's to give back: an agent that finds it at its start asks for the status, and
/// switches on what is not on. No fence waits for the disk. The mark is written ahead, at the first
/// contact, and stays until either node leaves, because an operator may switch off by hand then.
/// Where the policy leaves the power off, it stands from the order to the proof.

import PicketConfig
import PicketCore
import PicketHardware
import PicketLinux

struct FenceAgent {
    let settings: AgentSettings
    private(set) var phase = Phase.idle
    private var orders: [FenceOrder] = []
    private var waiting: [FenceOrder] = []
    /// The power may be off by this level, and is not meant to stay so.
    private var owes: Bool
    /// The mark is on disk, or on its way there.
    private(set) var isMarked: Bool
    /// It was found there, and the peer's power has not been looked at since.
    private var foundMark: Bool
    private var toldUnrestored = false
    /// The peer's power is off, as it last saw: to switch it off proves nothing of the outlet.
    private var sawOff = false
    /// The operator's order to switch on came during a self-test.
    private var wantedOn = false

    enum Phase: Equatable {
        case idle
        case off, verifying, on
        /// The power ought to be on, and could not be switched on.
        case unrestored(again: Instant)
        case testing
    }

    enum Action: String { case off, on, status }

    enum Step {
        /// Write the mark to disk.
        case mark
        case unmark
        /// Start the agent with this action, unless this instant has passed by then.
        case run(Action, notAfter: Instant)
        case report(id: UInt32, FenceOutcome)
        /// The agent was seen to cut, or did not.
        case proved(cut: Bool)
        /// What a self-test found.
        case tested(Message.RelayTest)
        /// Kill the one that runs: a fence does not wait for a self-test.
        case abort
    }

    static let retryOn = Duration.seconds(5)

    /// - Parameter owes: The mark of an agent before this one was found. Every process that one had
    ///   started has been ended by now (Actions.swift): none switches off behind this one's back.
    init(_ settings: AgentSettings, owes: Bool = false) {
        self.settings = settings
        self.owes = owes
        isMarked = owes
        foundMark = owes
        guard owes else { return }
        orders = [FenceAgent.switchingOn]
        phase = .unrestored(again: Instant(nanoseconds: 0))
    }

    /// Stands for no order, where the power comes back on nobody's behalf.
    private static var switchingOn: FenceOrder {
        FenceOrder(
            id: RelayFence.foundOff, level: 0, voidAfter: .distantFuture, cause: .command,
            relayTest: .unknown)
    }

    /// A fence is under way, or the power is owed.
    var isBusy: Bool { phase != .idle && (phase != .testing || owes) }

    /// The power is off, and stays so until somebody switches it on.
    var leavesOff: Bool { settings.policy == .off && sawOff }

    mutating func order(_ order: FenceOrder) -> [Step] {
        switch phase {
        case .idle, .unrestored: return begin([order])
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

    private mutating func begin(_ orders: [FenceOrder]) -> [Step] {
        self.orders = orders
        toldUnrestored = false
        foundMark = false
        phase = .off
        return [.run(.off, notAfter: orders[0].voidAfter)] + mark()
    }

    private mutating func mark() -> [Step] {
        guard !isMarked else { return [] }
        isMarked = true
        return [.mark]
    }

    private mutating func unmark() -> [Step] {
        guard isMarked else { return [] }
        isMarked = false
        return [.unmark]
    }

    /// The peer is in contact, so it has its power.
    mutating func met() -> [Step] {
        settings.policy == .reboot && phase == .idle ? mark() : []
    }

    /// The peer or this node leaves by plan.
    mutating func parted() -> [Step] { phase == .idle ? unmark() : [] }

    /// When `tick` has something to do.
    var due: Instant {
        switch phase {
        case .unrestored(let again): again
        case .idle, .off, .verifying, .on, .testing: .distantFuture
        }
    }

    mutating func tick(at now: Instant) -> [Step] {
        guard now >= due else { return [] }
        guard foundMark else { return switchOn() }
        phase = .idle
        return test()
    }

    /// The operator ordered it, or it is time to try again. Work that is under way sees to the
    /// power itself.
    mutating func switchOn() -> [Step] {
        switch phase {
        case .idle: orders = [FenceAgent.switchingOn]
        case .unrestored: break
        case .testing:
            wantedOn = true
            return []
        case .off, .verifying, .on: return []
        }
        foundMark = false
        phase = .on
        return [.run(.on, notAfter: .distantFuture)]
    }

    /// The agent may have begun, so only waiting orders can be taken back.
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

    mutating func ended(_ end: ChildEnd, timedOut: Bool, at now: Instant) -> [Step] {
        switch phase {
        case .idle, .unrestored: return []
        case .testing:
            phase = .idle
            if end == .exited(0) || end == .exited(2) { sawOff = end == .exited(2) }
            // One that was cut short by an order has found nothing.
            var steps: [Step] = []
            if end == .exited(0) || (waiting.isEmpty && !foundMark) {
                steps = [.tested(end == .exited(0) ? .passed : .failed)]
            }
            if end == .exited(0), foundMark {
                owes = false
                if settings.policy == .off { steps += unmark() }
            }
            let wanted = (wantedOn || (foundMark && owes)) && waiting.isEmpty
            foundMark = false
            wantedOn = false
            return steps + (wanted ? switchOn() : next())
        case .off:
            if end == .late { return reports(.voided) + void(at: now) }
            owes = true
            guard end == .exited(0) else { return undo(timedOut ? .timeout : .agent) }
            phase = .verifying
            return [.run(.status, notAfter: .distantFuture)]
        case .verifying:
            guard end == .exited(2) else {
                return undo(timedOut ? .timeout : end == .exited(0) ? .stillOn : .agent)
            }
            let steps = reports(.off) + (sawOff ? [] : [.proved(cut: true)])
            guard settings.policy == .reboot || orders.contains(where: { $0.reboots }) else {
                sawOff = true
                return steps + settle()
            }
            phase = .on
            return steps + [.run(.on, notAfter: .distantFuture)]
        case .on: return switchedOn(end == .exited(0), at: now)
        }
    }

    /// The level failed; the peer is given its power back, whatever became of it.
    private mutating func undo(_ failure: FenceFailure) -> [Step] {
        let steps = reports(.failed(failure)) + [.proved(cut: false)]
        orders = []
        phase = .on
        return steps + [.run(.on, notAfter: .distantFuture)]
    }

    /// Not restored is said once; `restored` follows when a later attempt brings the power back.
    private mutating func switchedOn(_ done: Bool, at now: Instant) -> [Step] {
        if done {
            sawOff = false
            return reports(.restored) + settle()
        }
        if orders.isEmpty { orders = [FenceAgent.switchingOn] }
        let steps = toldUnrestored ? [] : reports(.notRestored)
        toldUnrestored = true
        phase = .unrestored(again: now + FenceAgent.retryOn)
        return steps + next()
    }

    /// Nothing was switched off for these orders.
    private mutating func void(at now: Instant) -> [Step] {
        guard owes else { return settle() }
        orders = [FenceAgent.switchingOn]
        phase = .unrestored(again: now)
        return next()
    }

    /// The power is as it shall be.
    private mutating func settle() -> [Step] {
        orders = []
        toldUnrestored = false
        owes = false
        phase = .idle
        return (settings.policy == .off ? unmark() : []) + next()
    }

    private mutating func next() -> [Step] {
        guard !waiting.isEmpty else { return [] }
        let orders = waiting
        waiting = []
        return begin(orders)
    }

    private func reports(_ outcome: FenceOutcome) -> [Step] {
        orders.map { .report(id: $0.id, outcome) }
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
