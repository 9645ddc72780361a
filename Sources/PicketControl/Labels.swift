public import PicketCore

// The words under which the core's values stand in JSON: history, status, replies. They are part
// of the format: a label is never changed, and never given to something else.

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
        case .configurationChanged: "configuration_changed"
        case .termRefused: "term_refused"
        case .none: "none"
        }
    }
}

extension ReplicationState {
    public var label: String {
        switch self {
        case .inStep: "in_step"
        case .degrading: "degrading"
        case .degraded: "degraded"
        case .restoring: "restoring"
        }
    }
}

extension Refusal {
    public var label: String {
        switch self {
        case .notInContact: "not_in_contact"
        case .inContact: "in_contact"
        case .maintenance: "maintenance"
        case .groupMaintained: "group_maintenance"
        case .notArmed: "not_armed"
        case .turnUnknown: "turn_unknown"
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
        case .peerNotPersisted: "peer_not_persisted"
        case .peerStops: "peer_stops"
        case .timesDiffer: "times_differ"
        case .notReady: "not_ready"
        case .peerNotReady: "peer_not_ready"
        case .notAsked: "not_asked"
        case .peerUnaware: "peer_unaware"
        case .groupWrong: "group_wrong"
        case .copyNotCurrent: "copy_not_current"
        case .overruled: "overruled"
        case .peerOff: "peer_off"
        case .fenceFailed: "fence_failed"
        case .takeoverAsked: "takeover_asked"
        case .peersTurn: "peers_turn"
        case .notGranted: "not_granted"
        case .selfStops: "self_stops"
        case .disabled: "disabled"
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
        case .unproven: "unproven"
        case .unreadable: "unreadable"
        case .undecided: "undecided"
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

extension GroupDifference {
    /// Each with its name.
    static var labels: [(GroupDifference, String)] {
        [(.unlisted, "unlisted"), (.resources, "resources"), (.settings, "settings")]
    }
}

extension Gaps {
    static var labels: [(Gaps, String)] {
        [
            (.neverCut, "never_cut"), (.cutLongAgo, "cut_long_ago"),
            (.neverSaidOff, "never_said_off"), (.noTurn, "no_turn"),
            (.budgetSpent, "budget_spent"), (.alwaysLate, "always_late"),
            (.volatileState, "volatile_state"), (.units, "units"), (.strayUnits, "stray_units"),
            (.unitStarters, "unit_starters"), (.blindSensor, "blind_sensor"),
            (.notRealTime, "not_real_time"), (.notLocked, "not_locked"),
        ]
    }
}
