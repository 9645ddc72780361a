public import PicketCore
public import PicketHardware
import PicketText

/// Everything that the agent says of itself and its pair when it is asked for its status.
///
/// The shell fills it in from the machine's `Status`, its configuration and its own devices; it
/// judges nothing. `Protection` says what it means for the pair.
public final class StatusReport {
    public var version: String
    public var names: Names
    public var policy: Policy
    public var status: Status
    public var session: SessionID
    /// Since the agent started.
    public var uptime: Duration
    public var sensors: [SensorReport]
    /// In configuration order, one for each link.
    public var links: [LinkReport]
    /// Why health is not the best, the worst first.
    public var healthReasons: [HealthReason] = []
    public var key = KeyReport()
    public var watchdog: WatchdogReport
    public var process: ProcessReport
    /// In the order in which they are shown; names in snake_case.
    public var counters: [Counter]
    /// The things that are not real here, as in "rack" or "sensor inlet"; empty on a real node.
    public var simulated: [String]
    /// Why units could not be started or stopped here, and what to do.
    public var unitsFault: String?
    /// Units that run here, though their groups are not active here.
    public var strayUnits: [String] = []
    /// What would start units of groups by itself, as in "gateway.socket (gateway.service)".
    public var unitStarters: [String] = []
    /// So many supplies of the peer are off though it lives.
    public var peerSuppliesOff = 0
    /// What became of the last real fence by each level.
    public var cuts: [RealCut] = []
    /// A level that was not seen to cut for longer weakens the pair.
    public var rehearseEvery = Duration.zero
    /// Why the peer would not be taken over if it lost its supply, by the configuration; and why
    /// this node would not be.
    public var unproven: (peer: UnprovenFeedback?, me: UnprovenFeedback?) = (nil, nil)
    /// The drill under way here, as its request says it.
    public var drill: String?
    /// A configuration that is applied and not settled.
    public var apply: ApplyReport?

    public init(
        version: String, names: Names, policy: Policy, status: Status, session: SessionID,
        uptime: Duration, sensors: [SensorReport] = [], links: [LinkReport] = [],
        watchdog: WatchdogReport = WatchdogReport(), process: ProcessReport = ProcessReport(),
        counters: [Counter] = [], simulated: [String] = [], drill: String? = nil
    ) {
        self.version = version
        self.names = names
        self.policy = policy
        self.status = status
        self.session = session
        self.uptime = uptime
        self.sensors = sensors
        self.links = links
        self.watchdog = watchdog
        self.process = process
        self.counters = counters
        self.simulated = simulated
        self.drill = drill
    }
}

extension StatusReport {
    /// What the peer is told of this node, so that its status shows it as well.
    public var gaps: Gaps {
        var gaps: Gaps = []
        if cuts.contains(where: { $0.age == nil }) { gaps.insert(.neverCut) }
        if cuts.contains(where: { $0.age ?? .zero > rehearseEvery }) { gaps.insert(.cutLongAgo) }
        if neverSaidOff { gaps.insert(.neverSaidOff) }
        if status.protectionGap == .timesDiffer { gaps.insert(.noTurn) }
        if status.protectionGap == .fenceBudgetSpent { gaps.insert(.budgetSpent) }
        if status.alwaysLate { gaps.insert(.alwaysLate) }
        if process.volatileState != nil { gaps.insert(.volatileState) }
        if unitsFault != nil { gaps.insert(.units) }
        if !strayUnits.isEmpty { gaps.insert(.strayUnits) }
        if !unitStarters.isEmpty { gaps.insert(.unitStarters) }
        if sensors.contains(where: { $0.isBlind }) { gaps.insert(.blindSensor) }
        if process.realTimeRefused != nil { gaps.insert(.notRealTime) }
        if process.lockedMemoryRefused != nil { gaps.insert(.notLocked) }
        return gaps
    }

    /// A relay's self-test drives its line and reads its feedback. A fence agent's asks for the
    /// status alone, and one that always says *on* passes.
    var neverSaidOff: Bool {
        let levels = policy.fenceLevels
        return !levels.isEmpty && levels.count == cuts.count
            && levels.indices.allSatisfy { levels[$0] == .agent && cuts[$0].age == nil }
    }
}

public struct ApplyReport: Equatable, Sendable {
    /// The new configuration is in place on this node.
    public var isNewHere: Bool
    /// On the peer; `nil` where it has not said.
    public var isNewThere: Bool?
    /// Until this node takes the old one back; `nil` where it will not.
    public var left: Duration?
    /// It is to stay so here, and the peer is still to hear of it, or to do it.
    public var isDecided: Bool

    public init(isNewHere: Bool, isNewThere: Bool?, left: Duration?, isDecided: Bool = false) {
        self.isDecided = isDecided
        self.isNewHere = isNewHere
        self.isNewThere = isNewThere
        self.left = left
    }

    public func text(_ names: Names) -> String {
        func has(_ node: String, _ isNew: Bool) -> String {
            "\(node) goes by the \(isNew ? "new" : "old") configuration"
        }
        var text = has(names.node, isNewHere)
        switch isNewThere {
        case .some(let isNew): text += ", \(has(names.peer, isNew))."
        case nil: text += "; \(names.peer) has not said by which it goes."
        }
        if isDecided {
            return text + " That is decided, and \(names.peer) is still to do likewise."
        }
        if let left { text += " \(names.node) takes the old one back in \(Text.span(left))." }
        return text + " \"picket apply --confirm\" keeps the new one on both, \"picket apply"
            + " --revert\" takes the old one back on both."
    }
}

/// The last real cut by a level: no self-test shows that a relay cuts.
public struct RealCut: Equatable, Sendable {
    /// Since a cut that was seen; `nil` if none was since the last that failed.
    public var age: Duration?
    /// The last real fence failed, and the operator has not said that it is mended.
    public var failed: Bool

    public init(age: Duration?, failed: Bool = false) {
        self.age = age
        self.failed = failed
    }
}

public struct SensorReport: Sendable {
    public var name: String
    /// The last good reading; `nil` if there was none.
    public var value: Double?
    /// "C", "V", "A", "W" or what the configuration names.
    public var unit: String
    public var state: State
    /// Of the last good reading.
    public var age: Duration?
    /// A drill or a simulated board made the value.
    public var simulated: Bool
    /// The failure, in the driver's words; `nil` while there is none.
    public var fault: String?

    public enum State: UInt8, CaseIterable, Sendable {
        /// Not read yet.
        case unknown, normal, warn, critical, stale, failed

        public var label: String {
            switch self {
            case .unknown: "unknown"
            case .normal: "normal"
            case .warn: "warn"
            case .critical: "critical"
            case .stale: "stale"
            case .failed: "failed"
            }
        }
    }

    /// Nobody would see it at this sensor if a limit were passed.
    var isBlind: Bool { state == .failed || state == .stale }

    public init(
        name: String, value: Double?, unit: String, state: State, age: Duration? = nil,
        simulated: Bool = false, fault: String? = nil
    ) {
        self.name = name
        self.value = value
        self.unit = unit
        self.state = state
        self.age = age
        self.simulated = simulated
        self.fault = fault
    }
}

public struct LinkReport: Sendable {
    public var local: String
    public var remote: String
    /// Carries both ways.
    public var up: Bool
    /// A drill drops everything on it.
    public var blocked: Bool
    public var sent: UInt64
    public var received: UInt64
    /// Since the last authentic datagram of the peer's; `nil` if there was none.
    public var silence: Duration?

    public init(
        local: String, remote: String, up: Bool, blocked: Bool = false, sent: UInt64 = 0,
        received: UInt64 = 0, silence: Duration? = nil
    ) {
        self.local = local
        self.remote = remote
        self.up = up
        self.blocked = blocked
        self.sent = sent
        self.received = received
        self.silence = silence
    }
}

/// The pair's key. There are two while it is changed.
public struct KeyReport: Sendable {
    /// The file of the key that seals sent messages; `nil` while no session is established.
    public var inUse: String?
    public var configured: Int

    public init(inUse: String? = nil, configured: Int = 1) {
        self.inUse = inUse
        self.configured = configured
    }
}

public struct WatchdogReport: Sendable {
    /// The driver's own name; `nil` where no watchdog is configured or it did not open.
    public var identity: String?
    /// As the driver made it; zero when it is not armed.
    public var timeout: Duration
    /// Why it is not armed; `nil` if it is.
    public var fault: String?
    /// Why the node last reset, as far as the hardware tells.
    public var lastReset: String?

    public init(
        identity: String? = nil, timeout: Duration = .zero, fault: String? = nil,
        lastReset: String? = nil
    ) {
        self.identity = identity
        self.timeout = timeout
        self.fault = fault
        self.lastReset = lastReset
    }
}

public struct ProcessReport: Sendable {
    public var identifier: Int32
    /// `nil` if granted; otherwise why it was refused.
    public var realTimeRefused: String?
    public var lockedMemoryRefused: String?
    /// Longest delay of a loop turn beyond its deadline since the start.
    public var worstDelay: Duration
    /// On what the state directory lies, if that is forgotten with the power.
    public var volatileState: String?

    public init(
        identifier: Int32 = 0, realTimeRefused: String? = nil, lockedMemoryRefused: String? = nil,
        worstDelay: Duration = .zero, volatileState: String? = nil
    ) {
        self.identifier = identifier
        self.realTimeRefused = realTimeRefused
        self.lockedMemoryRefused = lockedMemoryRefused
        self.worstDelay = worstDelay
        self.volatileState = volatileState
    }
}

public struct Counter: Equatable, Sendable {
    public var name: String
    public var value: UInt64
    public init(_ name: String, _ value: UInt64) {
        self.name = name
        self.value = value
    }
}
