public import PicketCore

/// How far the exhaustive checker goes. Everything within the bounds is explored; nothing beyond
/// them is claimed.
public struct CheckBounds: Equatable, Sendable {
    /// Faults and operator's commands, of all kinds together. Loss, delay and reordering of
    /// messages are free, and partitions too.
    public var faults = 1
    /// Messages under way, both directions together; with one more the oldest is lost.
    public var inFlight = 2
    /// Fences (and as many automatic moves) that each node's budget allows.
    public var fences = 1
    /// In steps: `dead_after`, the length of the holder's turn, and the time that a relay takes.
    public var deadAfter: Int64 = 2
    public var headStart: Int64 = 2
    public var offWithin: Int64 = 1
    /// Whether turns after the first, by the pair's common time, are explored too.
    public var lateTurns = false
    /// Whether the node goes on alone after a while, if it may.
    public var aloneAfter = false
    /// Whether disks and resources may take any time, and not only less than one step.
    public var slow = false
    public var files = Files.alike
    /// Begins with a pair in contact whose group runs, and not with two nodes that are off.
    public var paired = false
    /// In steps: the longest time for which an agent stands still in the middle of a turn.
    static let longestHalt: Int64 = 6
    public var kinds = FaultKinds.all
    /// Gives up, without having seen all, beyond this many states.
    public var mostStates = 100_000_000

    /// How the two nodes' files differ.
    public enum Files: String, CaseIterable, Sendable {
        case alike
        /// One group, of other resources.
        case resources
        /// Each lists a group that the other lacks, and the same resources have moved between them.
        case lists
    }

    public init() {}

    /// Why these bounds make no sense, if so.
    public var objection: String? {
        if !(0...15).contains(faults) { return "faults: 0 to 15" }
        if !(2...8).contains(inFlight) || inFlight % 2 != 0 {
            return "messages in flight: 2, 4, 6 or 8, half of them each way"
        }
        if !(0...8).contains(fences) { return "fences: 0 to 8" }
        if deadAfter < 2 || deadAfter % 2 != 0 || deadAfter > 6 {
            return "dead after: 2, 4 or 6 steps, so that suspicion falls on a step too"
        }
        if offWithin < 1 || headStart <= offWithin || headStart > 8 {
            return "the head start is longer than the relay takes, and at most 8 steps"
        }
        if horizon > 60 { return "these times reach beyond 60 steps" }
        if mostStates < 1 || mostStates > 2_000_000_000 { return "states: 1 to 2000000000" }
        return nil
    }

    public static let step = Duration.seconds(10)

    /// Steps from the loss of contact until the last first turn closes.
    private var lastCloses: Int64 { headStart + (deadAfter + offWithin) * 4 + deadAfter }

    /// Steps after which no rule looks back.
    var horizon: Int64 { max(4 * deadAfter, deadAfter + lastCloses + offWithin) + 1 }

    /// Late turns are a second or eight times the relay's time long, and alternate.
    var period: Int64 { 16 * offWithin }

    /// Nothing but what differs needs a name here.
    private func group(of node: NodeID) -> GroupPolicy {
        var group = GroupPolicy(prefer: .low)
        switch files {
        case .alike: break
        case .resources: (group.name, group.resources) = (1, UInt32(node.rawValue))
        case .lists: (group.name, group.resources) = (1 + UInt64(node.rawValue), 1)
        }
        return group
    }

    public func policy(of node: NodeID) -> Policy {
        let step = CheckBounds.step
        let early = Duration.nanoseconds(1)
        let timing = Timing(
            detectWithin: step * (deadAfter + headStart), heartbeat: step,
            deadAfter: step * deadAfter - early, probe: step, headStart: step * headStart,
            offWithin: step * offWithin, fenceTimeout: step * (offWithin + 1),
            fenceRetry: step * 2, feed: .seconds(2), longestPause: step * 6,
            leaveWithin: step * 3)
        return Policy(
            me: node, linkCount: 1, timing: timing,
            startup: aloneAfter ? .aloneAfter(step * 3) : .wait,
            fenceLevels: [.relay(verified: true)],
            fenceBudget: Budget(count: fences, window: .seconds(1_000_000_000)),
            moveBudget: Budget(count: fences, window: .seconds(1_000_000_000)),
            groups: [group(of: node)], digest: files == .alike ? 0 : UInt64(node.rawValue))
    }
}

/// Which faults and commands the budget of faults is spent on.
public struct FaultKinds: OptionSet, Hashable, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    /// The agent dies; another follows on the same boot.
    public static let crash = FaultKinds(rawValue: 1 << 0)
    /// A node loses its power, and boots again.
    public static let power = FaultKinds(rawValue: 1 << 1)
    /// The agent stands still for any number of steps.
    public static let pause = FaultKinds(rawValue: 1 << 2)
    public static let duplicate = FaultKinds(rawValue: 1 << 3)
    /// A write to disk fails.
    public static let disk = FaultKinds(rawValue: 1 << 4)
    /// A start, stop or monitor fails.
    public static let resource = FaultKinds(rawValue: 1 << 5)
    /// A relay sticks: the supply stays on.
    public static let relay = FaultKinds(rawValue: 1 << 6)
    /// The node becomes unfit, or fit again.
    public static let health = FaultKinds(rawValue: 1 << 7)
    public static let command = FaultKinds(rawValue: 1 << 8)
    /// The agent stands still in the middle of a turn, for some steps.
    public static let turn = FaultKinds(rawValue: 1 << 9)
    public static let all = FaultKinds(names.map { $0.1 })

    public static let names: [(String, FaultKinds)] = [
        ("crash", .crash), ("power", .power), ("pause", .pause), ("duplicate", .duplicate),
        ("disk", .disk), ("resource", .resource), ("relay", .relay), ("health", .health),
        ("command", .command), ("turn", .turn),
    ]
}
