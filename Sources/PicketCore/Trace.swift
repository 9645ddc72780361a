/// The machine's own account of what it does and why; the shell logs it and keeps the history.

public struct Trace: Equatable, Sendable {
    public var kind: Kind
    public var group: GroupIndex?
    public var term: Term?
    public var cause: Cause
    /// With a kind that refuses.
    public var refusal: Refusal?
    /// With a kind that measures: an age, a delay, a duration.
    public var duration: Duration?
    /// With `fence…` kinds: the level's index; with others what the kind says.
    public var number: UInt64?

    public enum Kind: UInt8, CaseIterable, Equatable, Sendable {
        // Life
        case contact = 1, suspicion, contactLost, peerSession, armed
        case peerLeft, leaving, left, pausing, paused, peerPaused, peerPauseEnded
        // Time
        case stalled
        // Links (number: the link)
        case linkUp, linkDown
        // Fencing
        case fencePlanned, fenceRefused, fenceOrdered, fenceCancelled, fenceVoided, fenceVerified
        case fenceFailed, fenceRestored, fenceNotRestored, fenceExhausted, fenceConfirmed
        case fenceDisproved
        // Groups
        case claimed, granted, activating, active, releasing, released, yielded, taken, adopted
        case startFailed, stopFailed, monitorFailed, restarted, moveRefused, conflict, orphaned
        // State
        case healthChanged, peerHealthChanged, unfitBoth, maintenance, peerMaintenance
        case relayTestFailed, relayTestPassed, watchdogUnarmed, watchdogArmed
        case configurationDiffers, configurationAgrees, persistFailed, persistRecovered
        case drillBegan, drillEnded, drillPlan, commandRefused
        case syncChanged, askedToBeFenced
    }

    public init(
        _ kind: Kind, group: GroupIndex? = nil, term: Term? = nil, cause: Cause = .none,
        refusal: Refusal? = nil, duration: Duration? = nil, number: UInt64? = nil
    ) {
        self.kind = kind
        self.group = group
        self.term = term
        self.cause = cause
        self.refusal = refusal
        self.duration = duration
        self.number = number
    }
}

extension Trace.Kind {
    public enum Severity: UInt8, Sendable { case debug, info, notice, warning, alarm }

    /// How loudly it is said: `alarm` is a lost protection or a lost service.
    public var severity: Severity {
        switch self {
        case .suspicion: .debug
        case .linkUp, .armed, .granted, .claimed, .syncChanged, .relayTestPassed, .peerSession,
            .fenceRestored, .watchdogArmed, .configurationAgrees, .drillPlan,
            .persistRecovered:
            .info
        case .contact, .peerLeft, .leaving, .left, .pausing, .paused, .peerPaused,
            .peerPauseEnded, .fenceConfirmed, .activating, .active, .releasing,
            .released, .yielded, .taken, .adopted, .healthChanged, .peerHealthChanged,
            .maintenance, .peerMaintenance, .drillBegan, .drillEnded, .fencePlanned,
            .fenceOrdered, .fenceVerified, .fenceCancelled, .fenceVoided:
            .notice
        case .stalled, .linkDown, .fenceRefused, .moveRefused, .conflict, .restarted,
            .commandRefused, .contactLost, .orphaned:
            .warning
        case .fenceFailed, .fenceNotRestored, .fenceExhausted, .fenceDisproved, .startFailed,
            .stopFailed, .monitorFailed, .unfitBoth, .relayTestFailed, .watchdogUnarmed,
            .configurationDiffers, .persistFailed, .askedToBeFenced:
            .alarm
        }
    }
}
