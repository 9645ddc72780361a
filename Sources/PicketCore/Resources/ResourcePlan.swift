/// What a group runner must know of a group's resources. What an action is (a unit, an address, a
/// command) is the shell's business.

/// One thing that can be asked of a resource.
public enum ResourceAction: UInt8, CaseIterable, Equatable, Sendable {
    /// Must bring the resource up, and succeed where it is up already.
    case start = 0
    /// Must bring it down, and succeed where it is down already or was never up.
    case stop = 1
    /// Succeeds while the resource does its work.
    case monitor = 2
    /// After `start`: from standby to active.
    case promote = 3
    /// Before `stop`: from active to standby.
    case demote = 4

    public var text: String {
        switch self {
        case .start: "start"
        case .stop: "stop"
        case .monitor: "monitor"
        case .promote: "promote"
        case .demote: "demote"
        }
    }
}

/// The actions that a resource has, and how long each may take; `nil` for an action that it lacks.
public struct ResourcePlan: Equatable, Sendable {
    public var start: Duration
    public var stop: Duration
    public var monitor: Duration?
    /// From the end of one monitor run to the next.
    public var monitorInterval: Duration
    public var promote: Duration?
    public var demote: Duration?

    /// All durations must be positive.
    public init(
        start: Duration, stop: Duration, monitor: Duration? = nil,
        monitorInterval: Duration = .seconds(10), promote: Duration? = nil,
        demote: Duration? = nil
    ) {
        precondition(start > .zero && stop > .zero && monitorInterval > .zero)
        precondition((monitor ?? start) > .zero)
        precondition((promote ?? start) > .zero && (demote ?? start) > .zero)
        self.start = start
        self.stop = stop
        self.monitor = monitor
        self.monitorInterval = monitorInterval
        self.promote = promote
        self.demote = demote
    }

    func timeout(of action: ResourceAction) -> Duration? {
        switch action {
        case .start: start
        case .stop: stop
        case .monitor: monitor
        case .promote: promote
        case .demote: demote
        }
    }
}

public struct GroupPlan: Equatable, Sendable {
    /// Started in this order, stopped in reverse.
    public var resources: [ResourcePlan]
    /// So many restarts on this node before the group is given up.
    public var restarts: Budget

    public init(resources: [ResourcePlan], restarts: Budget) {
        self.resources = resources
        self.restarts = restarts
    }
}

/// Names one process of one group, among all that this life of the agent starts.
public struct RunID: Equatable, Hashable, Sendable {
    /// The group in the upper 8 bits, a number that wraps in the lower 24.
    public let value: UInt32

    public init(_ value: UInt32) { self.value = value }

    init(group: GroupIndex, number: UInt32) {
        value = UInt32(group) << 24 | number & 0xFF_FFFF
    }

    public var group: GroupIndex { GroupIndex(value >> 24) }
}

/// One process to be started.
public struct ResourceRun: Equatable, Sendable {
    public var id: RunID
    public var group: GroupIndex
    /// Index in `GroupPlan.resources`.
    public var resource: Int
    public var action: ResourceAction
    /// The runner itself sees to it; given for the log.
    public var timeout: Duration
    /// For the process's environment.
    public var term: Term
    public var cause: Cause
}

/// What the start or promotion of a resource said that ended with `exitCode`: it does not run at a
/// term below that of its data.
public struct TermRefusal: Equatable, Sendable {
    public static let exitCode: Int32 = 79
    /// The term of the data; `nil` where it named none.
    public var dataTerm: Term?

    public init(dataTerm: Term?) { self.dataTerm = dataTerm }

    /// A term that refuses `given`, as far as any can.
    func dataTerm(above given: Term) -> Term? {
        guard let dataTerm, dataTerm > given, dataTerm < .highestOfData else { return nil }
        return dataTerm
    }
}

/// What a group runner asks of the shell, in this order.
public enum ResourceEffect: Equatable, Sendable {
    /// Start this process, and tell its end with `exited`, also if it could not be started.
    case run(ResourceRun)
    /// Kill it with all that it started, at once (SIGKILL). Its end is told with `exited`.
    case kill(RunID)
    /// For the machine: `Event.resources`.
    case outcome(ResourceOutcome)
    /// For the log: something did not succeed. Its consequences follow by themselves.
    case failure(ResourceFailure)
}

/// What did not succeed. A process that was cancelled is none.
public struct ResourceFailure: Equatable, Sendable {
    public var resource: Int
    public var action: ResourceAction
    public var kind: Kind

    public enum Kind: Equatable, Sendable {
        /// It exited with an error, or could not be started.
        case failed
        /// It was killed when its time was up.
        case timedOut
        /// It was killed and did not end: it hangs in the kernel.
        case unkillable
        /// Its data are of this term, which is later than the one it was given.
        case refused(Term)
        /// It refused the term that it was given, and named none that is later; or one that no group
        /// can have.
        case refusedWrongly(Term?)
    }
}

public protocol ResourceSink {
    mutating func emit(_ effect: ResourceEffect)
}
