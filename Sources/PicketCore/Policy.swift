/// What the operator wants of the pair, in the core's terms. PicketConfig makes it from YAML, and
/// only if it is valid.

public struct Policy: Equatable, Sendable {
    public var me: NodeID
    public var linkCount: Int
    public var timing: Timing
    public var startup: Startup
    /// Tried in this order; empty where the pair has no way to fence, and then it never takes over
    /// without the operator's word.
    public var fenceLevels: [FenceLevel]
    public var fenceBudget: Budget
    public var moveBudget: Budget
    public var groups: [GroupPolicy]
    /// Digest of all settings that must agree between the nodes.
    public var digest: UInt64
    /// Digest of what the turns of fencing go by; never 0.
    public var turnsDigest: UInt64
    /// The hardware is simulated, wholly or in part.
    public var simulated: Bool
    /// After so many failed stops of a group, the node lets its watchdog end it where its peer cannot
    /// (`Machine+Reset`); `nil`: never.
    public var resetAfterStops: Int?

    /// Groups without a name of their own are named by their place.
    public init(
        me: NodeID, linkCount: Int, timing: Timing, startup: Startup = .wait,
        fenceLevels: [FenceLevel], fenceBudget: Budget = .perHour(3),
        moveBudget: Budget = .perHour(3), groups: [GroupPolicy], digest: UInt64,
        turnsDigest: UInt64 = 1, simulated: Bool = false, resetAfterStops: Int? = nil
    ) {
        self.me = me
        self.linkCount = linkCount
        self.timing = timing
        self.startup = startup
        self.fenceLevels = fenceLevels
        self.fenceBudget = fenceBudget
        self.moveBudget = moveBudget
        self.groups = groups
        self.digest = digest
        self.turnsDigest = turnsDigest
        self.simulated = simulated
        self.resetAfterStops = resetAfterStops
        for group in groups.indices where groups[group].name == 0 {
            self.groups[group].name = UInt64(group + 1)
        }
    }
}

extension Policy {
    /// The groups of a changed file at their places in this policy: one that it has had stays
    /// where it is, one that is gone is retired there, and what is new comes last. By place: the
    /// group's number in the file; `nil` of one that is gone.
    public func places(of file: [GroupPolicy]) -> [Int?] {
        var places: [Int?] = groups.map { known in
            file.firstIndex { $0.name == known.name }
        }
        for number in file.indices where !places.contains(number) { places.append(number) }
        return places
    }

    /// This policy, of the file before it, with the groups of a changed one at their places.
    public func taking(_ file: [GroupPolicy]) -> [GroupPolicy] {
        places(of: file).enumerated().map { place, number in
            guard let number else { return groups[place].retired() }
            var group = file[number]
            if number != place { group.position = number }
            return group
        }
    }

    /// The groups of which this policy changes what is up while a person may be at work on them.
    ///
    /// - Parameters:
    ///   - known: the groups so far, at their places in this policy. What comes after them is added.
    ///   - isMaintained: of the group at a place; `nil` asks for one that is added.
    public func changes(
        of known: [GroupPolicy], whereMaintained isMaintained: (GroupIndex?) -> Bool
    ) -> [GroupIndex] {
        groups.indices.filter { group in
            guard group < known.count else { return isMaintained(nil) }
            guard isMaintained(group) else { return false }
            let isListed = known[group].listing == .listed
            if isListed != (groups[group].listing == .listed) { return true }
            return isListed && groups[group].resources != known[group].resources
        }
    }
}

public enum Startup: Equatable, Sendable {
    /// Waits for the peer or the operator, however long.
    case wait
    /// After this long alone, fences the peer and goes on, if this node knows that the peer
    /// cannot be the holder: it remembers that it was (see `Memory.alone`), or has seen the peer's
    /// supply off all the time. `unreachable`: also a peer whose supply is not known to be off; one
    /// that works and is only unreachable is cut.
    case aloneAfter(Duration, unreachable: Bool = false)

    public var fencesUnreachable: Bool {
        switch self {
        case .wait: false
        case .aloneAfter(_, let unreachable): unreachable
        }
    }
}

public enum FenceLevel: Equatable, Sendable {
    /// Power relay. `verified` is false only where the configuration says there is no feedback.
    case relay(verified: Bool)
    /// A ClusterLabs fence agent.
    case agent
}

/// At most `count` in any `window`.
public struct Budget: Equatable, Sendable {
    public var count: Int
    public var window: Duration
    public init(count: Int, window: Duration) {
        self.count = count
        self.window = window
    }
    public static func perHour(_ count: Int) -> Budget {
        Budget(count: count, window: .seconds(3600))
    }
}

public struct GroupPolicy: Equatable, Sendable {
    public var prefer: NodeID
    /// Weighs the groups when each node holds some: the larger sum has the head start.
    public var priority: UInt32
    public var failback: Failback
    /// False: never started by the pair.
    public var enabled: Bool
    /// Failures are forgotten after the group has run well for this long.
    public var forgetsAfter: Duration
    /// By which the nodes speak of the group: a hash of its name, never 0 within a policy.
    public var name: UInt64
    /// Digest of its resources and of what copies their data.
    public var resources: UInt32
    /// Digest of all else that is set for it.
    public var settings: UInt32
    public var takeover: Takeover
    /// `nil` for a group without data of its own. With it the group is *stateful* (Copy.swift).
    public var sync: Sync?
    public var listing = Listing.listed
    /// In the order of the file, where the machine has it at another place; 0.1.0 knows it by that.
    public var position: Int?
    /// The list that this agent found running did not have it, or had other resources for it. A
    /// resource may have moved to it.
    public var isAdded = false

    /// Whether the file has it.
    public enum Listing: UInt8, Sendable {
        case listed
        /// Not any more: what may run of it here is stopped as it was listed.
        case retiring
        /// … and has been stopped. It is spoken of no more.
        case gone
    }

    /// The same group, of a file that does not have it any more.
    public func retired() -> GroupPolicy {
        var group = self
        group.listing = .retiring
        group.isAdded = false
        group.position = nil
        group.enabled = false
        group.sync = nil
        return group
    }

    /// How old the copy of a stateful group may be that this node takes over with.
    public struct Sync: Equatable, Sendable {
        public var maxLag: Duration
        /// Takes over with an older copy as well, and alarms.
        public var takesOverStale: Bool
        /// A planned stop waits at most so long until the peer's copy is current.
        public var waits: Duration
        /// Its database acknowledges nothing that the peer's copy lacks, until it is told to go on
        /// alone (Replication.swift).
        public var strict: Bool

        public init(
            maxLag: Duration, takesOverStale: Bool = false, waits: Duration = .zero,
            strict: Bool = false
        ) {
            self.maxLag = maxLag
            self.takesOverStale = takesOverStale
            self.waits = waits
            self.strict = strict
        }
    }

    /// Who says the last word, once the peer is provably off.
    public enum Takeover: Equatable, Sendable {
        case auto
        /// The operator. Everything is prepared, and then this node waits for `Command.take`.
        case ask
    }

    public enum Failback: Equatable, Sendable {
        case manual
        /// After this much time of good health and sync on the preferred node.
        case auto(stableFor: Duration)
    }

    public init(
        prefer: NodeID, priority: UInt32 = 1, failback: Failback = .manual, enabled: Bool = true,
        forgetsAfter: Duration = .seconds(600), takeover: Takeover = .auto, sync: Sync? = nil,
        name: UInt64 = 0, resources: UInt32 = 0, settings: UInt32 = 0
    ) {
        self.prefer = prefer
        self.priority = priority
        self.failback = failback
        self.enabled = enabled
        self.forgetsAfter = forgetsAfter
        self.takeover = takeover
        self.sync = sync
        self.name = name
        self.resources = resources
        self.settings = settings
    }
}

/// Every duration of the protocol, derived from the operator's intent (ARCHITECTURE, "Time").
public struct Timing: Equatable, Sendable {
    /// The operator's intent: a fit standby orders the fence at most this long after its peer's death.
    public var detectWithin: Duration
    /// The same of one that is not fit, and leaves the first turns to a fit node (FencingTurns).
    public var unfitWithin: Duration { detectWithin + (deadAfter + offWithin) * 4 }
    /// Between heartbeats in steady state.
    public var heartbeat: Duration
    /// Contact is lost when the newest acknowledged sending is older than this.
    public var deadAfter: Duration
    /// Between probes once half of `deadAfter` has passed.
    public var probe: Duration
    /// Length of the holder's turn: longer than the two nodes' views of the moment of loss can
    /// differ, plus the time in which a fence takes effect.
    public var headStart: Duration
    /// From an order to a first level until it has taken effect, at the latest.
    public var offWithin: Duration
    /// The same of the slowest level.
    public var slowestOff: Duration
    /// After this a fence level that has not reported is taken for failed.
    public var fenceTimeout: Duration
    /// Between attempts after every level failed; doubles up to 16 times this.
    public var fenceRetry: Duration
    /// Between feeds of the hardware watchdog; at least 200 ms.
    public var feed: Duration
    /// Longest pause that this node agrees to.
    public var longestPause: Duration
    /// A planned stop waits this long for the peer to acknowledge it.
    public var leaveWithin: Duration

    public init(
        detectWithin: Duration, heartbeat: Duration, deadAfter: Duration, probe: Duration,
        headStart: Duration, offWithin: Duration, fenceTimeout: Duration, fenceRetry: Duration,
        feed: Duration, longestPause: Duration, leaveWithin: Duration, slowestOff: Duration? = nil
    ) {
        self.detectWithin = detectWithin
        self.heartbeat = heartbeat
        self.deadAfter = deadAfter
        self.probe = probe
        self.headStart = headStart
        self.offWithin = offWithin
        self.fenceTimeout = fenceTimeout
        self.fenceRetry = fenceRetry
        self.feed = feed
        self.longestPause = longestPause
        self.leaveWithin = leaveWithin
        self.slowestOff = slowestOff ?? offWithin
    }
}
