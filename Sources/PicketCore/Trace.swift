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
        case takeoverAsked
        // State
        case healthChanged, peerHealthChanged, unfitBoth, maintenance, peerMaintenance
        case relayTestFailed, relayTestPassed, watchdogUnarmed, watchdogArmed
        case configurationDiffers, configurationAgrees, persistFailed, persistRecovered
        case drillBegan, drillEnded, drillPlan, commandRefused
        case syncChanged, askedToBeFenced
        // Files that differ (number: `GroupDifference`, or how many groups)
        case groupDiffers, groupAgrees, peerListsOthers
        // Maintenance: the monitor of a group fails, and nothing is done; it is well again
        case ailing, recovered, leftRunning
        // … and something of it runs on a node that does not hold it, or no longer does
        case strayed, strayGone
        // What was spent of the budgets is given back
        case budgetsCleared
        // Data
        case copyRefused, staleTaken, copyAwaited, leftStale
        // A reset by the node's own watchdog
        case resetDue, resetCalledOff, resetRefused
        // The loop comes late again and again, or no longer
        case alwaysLate, inTimeAgain
        // What the file does not have any more has been stopped
        case retired
        // A group goes by the changed configuration; the rest of it waits for the peer's
        case changed, changeWaits
        // The group's data are of a later term (number) than the one that it was to start at (term)
        case startRefused
        // The database of a strict group
        case degraded, restored, degradeFailed, restoreFailed, commitsWait
        // Each node's data have something that the other's lack (number: `Group.Divergence`), or no
        // longer
        case diverged, convergent
        // Something that the group needs to start here is missing, or there again
        case unready, readyAgain
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
            .fenceRestored, .recovered, .strayGone, .watchdogArmed, .configurationAgrees,
            .drillPlan, .persistRecovered, .groupAgrees, .inTimeAgain, .readyAgain:
            .info
        case .contact, .peerLeft, .leaving, .left, .pausing, .paused, .peerPaused,
            .peerPauseEnded, .fenceConfirmed, .activating, .active, .releasing,
            .released, .yielded, .taken, .adopted, .healthChanged, .peerHealthChanged,
            .maintenance, .peerMaintenance, .leftRunning, .budgetsCleared, .drillBegan,
            .drillEnded, .fencePlanned, .fenceOrdered, .fenceVerified, .fenceCancelled,
            .fenceVoided, .resetCalledOff, .copyAwaited, .retired, .changed, .changeWaits,
            .restored, .convergent:
            .notice
        case .stalled, .linkDown, .fenceRefused, .moveRefused, .conflict, .restarted,
            .commandRefused, .contactLost, .orphaned, .peerListsOthers, .resetRefused,
            .startRefused:
            .warning
        case .fenceFailed, .fenceNotRestored, .fenceExhausted, .fenceDisproved, .startFailed,
            .stopFailed, .monitorFailed, .unfitBoth, .relayTestFailed, .watchdogUnarmed,
            .configurationDiffers, .persistFailed, .askedToBeFenced, .takeoverAsked,
            .copyRefused, .staleTaken, .groupDiffers, .ailing, .strayed, .resetDue,
            .alwaysLate, .leftStale, .degraded, .degradeFailed, .restoreFailed, .commitsWait,
            .diverged, .unready:
            .alarm
        }
    }
}

extension Trace.Kind {
    /// As JSON has it: part of the format, so it is never changed and never given to another kind.
    public var label: String {
        switch self {
        case .contact: "contact"
        case .suspicion: "suspicion"
        case .contactLost: "contact_lost"
        case .peerSession: "peer_session"
        case .armed: "armed"
        case .peerLeft: "peer_left"
        case .leaving: "leaving"
        case .left: "left"
        case .pausing: "pausing"
        case .paused: "paused"
        case .peerPaused: "peer_paused"
        case .peerPauseEnded: "peer_pause_ended"
        case .stalled: "stalled"
        case .linkUp: "link_up"
        case .linkDown: "link_down"
        case .fencePlanned: "fence_planned"
        case .fenceRefused: "fence_refused"
        case .fenceOrdered: "fence_ordered"
        case .fenceCancelled: "fence_cancelled"
        case .fenceVoided: "fence_voided"
        case .fenceVerified: "fence_verified"
        case .fenceFailed: "fence_failed"
        case .fenceRestored: "fence_restored"
        case .fenceNotRestored: "fence_not_restored"
        case .fenceExhausted: "fence_exhausted"
        case .fenceConfirmed: "fence_confirmed"
        case .fenceDisproved: "fence_disproved"
        case .claimed: "claimed"
        case .granted: "granted"
        case .activating: "activating"
        case .active: "active"
        case .releasing: "releasing"
        case .released: "released"
        case .yielded: "yielded"
        case .taken: "taken"
        case .adopted: "adopted"
        case .startFailed: "start_failed"
        case .stopFailed: "stop_failed"
        case .monitorFailed: "monitor_failed"
        case .restarted: "restarted"
        case .moveRefused: "move_refused"
        case .conflict: "conflict"
        case .orphaned: "orphaned"
        case .takeoverAsked: "takeover_asked"
        case .healthChanged: "health_changed"
        case .peerHealthChanged: "peer_health_changed"
        case .unfitBoth: "unfit_both"
        case .maintenance: "maintenance"
        case .peerMaintenance: "peer_maintenance"
        case .relayTestFailed: "relay_test_failed"
        case .relayTestPassed: "relay_test_passed"
        case .watchdogUnarmed: "watchdog_unarmed"
        case .watchdogArmed: "watchdog_armed"
        case .configurationDiffers: "configuration_differs"
        case .configurationAgrees: "configuration_agrees"
        case .persistFailed: "persist_failed"
        case .persistRecovered: "persist_recovered"
        case .drillBegan: "drill_began"
        case .drillEnded: "drill_ended"
        case .drillPlan: "drill_plan"
        case .commandRefused: "command_refused"
        case .syncChanged: "sync_changed"
        case .askedToBeFenced: "asked_to_be_fenced"
        case .groupDiffers: "group_differs"
        case .groupAgrees: "group_agrees"
        case .peerListsOthers: "peer_lists_others"
        case .ailing: "ailing"
        case .strayed: "strayed"
        case .strayGone: "stray_gone"
        case .recovered: "recovered"
        case .leftRunning: "left_running"
        case .budgetsCleared: "budgets_cleared"
        case .copyRefused: "copy_refused"
        case .staleTaken: "stale_taken"
        case .copyAwaited: "copy_awaited"
        case .leftStale: "left_stale"
        case .resetDue: "reset_due"
        case .resetCalledOff: "reset_called_off"
        case .resetRefused: "reset_refused"
        case .alwaysLate: "always_late"
        case .inTimeAgain: "in_time_again"
        case .retired: "retired"
        case .changed: "changed"
        case .changeWaits: "change_waits"
        case .startRefused: "start_refused"
        case .degraded: "degraded"
        case .restored: "restored"
        case .degradeFailed: "degrade_failed"
        case .restoreFailed: "restore_failed"
        case .commitsWait: "commits_wait"
        case .diverged: "diverged"
        case .convergent: "convergent"
        case .unready: "unready"
        case .readyAgain: "ready_again"
        }
    }
}

extension Trace.Kind.Severity {
    public var label: String {
        switch self {
        case .debug: "debug"
        case .info: "info"
        case .notice: "notice"
        case .warning: "warning"
        case .alarm: "alarm"
        }
    }
}
