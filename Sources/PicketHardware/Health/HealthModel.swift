public import PicketCore

/// One number for the node's fitness, from its sensors and its own self-checks.
///
///     a critical sensor                       → 0, unfit
///     each sensor that warns by its value     − 20
///     each sensor that gives no value         − 5, unless `on_fail` says otherwise
///     watchdog not armed                      − 10
///     relay self-test failed                  − 5
///     a link down, each                       − 5
///     no locked memory, no real-time priority − 1 each
///     state cannot be written                 − 20
///
/// Only a critical sensor makes a node unfit; all else together leaves it at 10 or more. A failed
/// sensor alone thus never moves a group, unless the configuration says that it is critical.
///
/// The score falls at once and rises only when it has been higher for `riseAfter`, to the lowest
/// score of that time: a sensor at its threshold cannot make the pair's groups go to and fro, and a
/// sensor that warns now and then cannot keep a node unfit that is fit again.
public struct HealthModel: Sendable {
    public static let warnPenalty = 20
    public static let failedPenalty = 5
    public static let lowestFit = 10

    public let riseAfter: Duration
    public private(set) var health = Health(score: 100)
    /// Why it is not 100, the worst first; the score may still be lower than they say
    /// (`riseAfter`).
    public private(set) var reasons: [HealthReason] = []
    private var rising: Rising?

    private struct Rising: Sendable {
        var since: Instant
        var lowest: UInt8
    }

    public init(riseAfter: Duration = .seconds(10)) { self.riseAfter = riseAfter }

    /// The instant at which the score would rise without any other change.
    public var nextDeadline: Instant { rising.map { $0.since + riseAfter } ?? .distantFuture }

    /// - Parameter simulated: The node's hardware is simulated, wholly or in part.
    /// - Returns: The health, if it is another one.
    public mutating func update(
        sensors: [SensorMonitor], checks: SelfChecks, simulated: Bool = false, at now: Instant
    ) -> Health? {
        reasons = Self.reasons(sensors: sensors, checks: checks)
        var next = Health(score: health.score, simulated: simulated)
        for index in sensors.indices where sensors[index].isSimulated { next.simulated = true }
        next.score = damped(Self.score(reasons), at: now)
        guard next != health else { return nil }
        health = next
        return next
    }

    /// The score that the reasons make, before damping.
    public static func score(_ reasons: [HealthReason]) -> UInt8 {
        var penalty = 0
        for reason in reasons {
            if reason.penalty == nil { return 0 }
            penalty += reason.penalty ?? 0
        }
        return UInt8(max(lowestFit, 100 - penalty))
    }

    private mutating func damped(_ score: UInt8, at now: Instant) -> UInt8 {
        guard score > health.score, riseAfter > .zero else {
            rising = nil
            return score
        }
        guard let rising else {
            self.rising = Rising(since: now, lowest: score)
            return health.score
        }
        let lowest = min(score, rising.lowest)
        guard now - rising.since >= riseAfter else {
            self.rising = Rising(since: rising.since, lowest: lowest)
            return health.score
        }
        self.rising = score > lowest ? Rising(since: now, lowest: score) : nil
        return lowest
    }

    private static func reasons(sensors: [SensorMonitor], checks: SelfChecks) -> [HealthReason] {
        var reasons: [HealthReason] = []
        for index in 0..<sensors.count {
            let verdict = sensors[index].verdict
            if verdict.level == .warn || verdict.level == .critical {
                reasons.append(.sensor(index, verdict, simulated: sensors[index].isSimulated))
            }
        }
        if checks.watchdog == .unarmed { reasons.append(.watchdogUnarmed) }
        if checks.relayTest == .failed { reasons.append(.relayTestFailed) }
        if checks.linksDown > 0 { reasons.append(.linksDown(checks.linksDown)) }
        if !checks.stateWritten { reasons.append(.stateNotWritten) }
        if !checks.memoryLocked { reasons.append(.memoryNotLocked) }
        if !checks.realTime { reasons.append(.notRealTime) }
        reasons.sortShort { ($0.penalty ?? 1_000) > ($1.penalty ?? 1_000) }
        return reasons
    }
}

/// The node's findings about itself.
public struct SelfChecks: Equatable, Sendable {
    public var watchdog: Watchdog
    public var relayTest: Message.RelayTest
    public var linksDown: Int
    public var memoryLocked: Bool
    public var realTime: Bool
    public var stateWritten: Bool

    public enum Watchdog: UInt8, Sendable {
        case armed
        case unarmed
        /// None is configured.
        case absent
    }

    public init(
        watchdog: Watchdog = .armed, relayTest: Message.RelayTest = .unknown, linksDown: Int = 0,
        memoryLocked: Bool = true, realTime: Bool = true, stateWritten: Bool = true
    ) {
        self.watchdog = watchdog
        self.relayTest = relayTest
        self.linksDown = linksDown
        self.memoryLocked = memoryLocked
        self.realTime = realTime
        self.stateWritten = stateWritten
    }
}

/// One thing that lowers health.
public enum HealthReason: Equatable, Sendable {
    /// Index in the configuration's sensors.
    case sensor(Int, Verdict, simulated: Bool)
    case watchdogUnarmed
    case relayTestFailed
    case linksDown(Int)
    case stateNotWritten
    case memoryNotLocked
    case notRealTime

    /// How much it takes off 100; `nil`: the node is unfit.
    public var penalty: Int? {
        switch self {
        case .sensor(_, let verdict, _):
            switch verdict.level {
            case .ok, .unknown: 0
            case .warn: verdict.failed ? HealthModel.failedPenalty : HealthModel.warnPenalty
            case .critical: nil
            }
        case .watchdogUnarmed: 10
        case .relayTestFailed: 5
        case .linksDown(let count): 5 * count
        case .stateNotWritten: 20
        case .memoryNotLocked, .notRealTime: 1
        }
    }
}
