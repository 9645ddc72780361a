public import PicketCore

// The words under which the core's values stand in JSON: history, status, replies. They are part
// of the format: a label is never changed, and never given to something else.

extension Trace.Kind {
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

extension Cause {
    /// Also the value of PICKET_CAUSE in the environment of a group's resources.
    public var label: String {
        switch self {
        case .contactLost: "contact_lost"
        case .command: "command"
        case .peerAskedForIt: "peer_asked_for_it"
        case .healthCritical: "health_critical"
        case .monitorFailed: "monitor_failed"
        case .startFailed: "start_failed"
        case .stopFailed: "stop_failed"
        case .failback: "failback"
        case .formation: "formation"
        case .peerYielded: "peer_yielded"
        case .peerLeft: "peer_left"
        case .aloneAfter: "alone_after"
        case .operatorConfirmed: "operator_confirmed"
        case .fenced: "fenced"
        case .agentRestarted: "agent_restarted"
        case .plannedStop: "planned_stop"
        case .drill: "drill"
        case .fenceDisproved: "fence_disproved"
        case .conflict: "conflict"
        case .peerAnswered: "peer_answered"
        case .late: "late"
        case .none: "none"
        }
    }
}

extension Refusal {
    public var label: String {
        switch self {
        case .notInContact: "not_in_contact"
        case .inContact: "in_contact"
        case .maintenance: "maintenance"
        case .notArmed: "not_armed"
        case .fenceBudgetSpent: "fence_budget_spent"
        case .moveBudgetSpent: "move_budget_spent"
        case .noFence: "no_fence"
        case .busy: "busy"
        case .peerUnfit: "peer_unfit"
        case .selfUnfit: "self_unfit"
        case .peerStale: "peer_stale"
        case .notHeld: "not_held"
        case .alreadyThere: "already_there"
        case .unknownGroup: "unknown_group"
        case .peerIneligible: "peer_ineligible"
        case .leaving: "leaving"
        case .peerMayHold: "peer_may_hold"
        case .drill: "drill"
        case .tooLong: "too_long"
        case .peerLeft: "peer_left"
        case .notPersisted: "not_persisted"
        case .selfIneligible: "self_ineligible"
        case .groupsDiffer: "groups_differ"
        case .peerHeard: "peer_heard"
        }
    }
}

extension FenceFailure {
    public var label: String {
        switch self {
        case .stillOn: "still_on"
        case .unreachable: "unreachable"
        case .contradictory: "contradictory"
        case .timeout: "timeout"
        case .agent: "agent"
        }
    }
}

extension Message.Phase {
    public var label: String {
        switch self {
        case .waiting: "waiting"
        case .paired: "paired"
        case .alone: "alone"
        case .pausing: "pausing"
        case .leaving: "leaving"
        case .left: "left"
        }
    }
}

extension Message.RelayTest {
    public var label: String {
        switch self {
        case .unknown: "unknown"
        case .passed: "passed"
        case .failed: "failed"
        case .absent: "absent"
        }
    }
}

extension GroupReport.Role {
    public var label: String {
        switch self {
        case .vacant: "vacant"
        case .claiming: "claiming"
        case .holding: "holding"
        case .releasing: "releasing"
        case .granting: "granting"
        case .resuming: "resuming"
        }
    }
}

extension GroupReport.SyncState {
    public var label: String {
        switch self {
        case .unknown: "unknown"
        case .current: "current"
        case .stale: "stale"
        case .failed: "failed"
        }
    }
}

extension Status.Contact {
    public var label: String {
        switch self {
        case .never: "never"
        case .established: "established"
        case .suspected: "suspected"
        case .lost: "lost"
        }
    }
}

extension Status.FenceStatus {
    public var label: String {
        switch self {
        case .idle: "idle"
        case .waiting: "waiting"
        case .ordered: "ordered"
        case .restoring: "restoring"
        case .failed: "failed"
        }
    }
}

extension Receipt.Proof {
    public var label: String {
        switch self {
        case .verifiedOff: "verified_off"
        case .left: "left"
        case .operatorsWord: "operators_word"
        case .remembered: "remembered"
        }
    }
}
