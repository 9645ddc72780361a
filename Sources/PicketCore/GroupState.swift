/// One group, as this node has it.
///
/// A group is active on at most one node because a node activates it only with a `Warrant`, and a
/// node gives the peer a warrant only while every resource of the group is stopped here:
///
///     vacant ──claim──▶ claiming ──peer's grant──▶ holding ──▶ releasing ──stopped──▶ granting
///        ▲ │                │                        ▲ ▲                               │    │
///        │ └──peer's offer, or a receipt─────────────┘ │                               │    │
///        │                  └──a receipt───────────────┘                               │    │
///        └──────────────the peer holds it, or declined────────────────────────────────-┘    │
///     releasing (at an agent's start: nothing is known to be stopped) ──stopped──▶ vacant
///     resuming (restarted agent) ──peer's grant or a receipt──▶ holding          vacant ◀───┘
///
/// Everything is level-triggered: each side tells its whole state in every message, and each rule
/// looks only at the newest state of both. A lost message delays; it cannot mislead.
struct GroupState: Sendable {
    var role = Role.vacant
    /// The highest term used, granted or seen held.
    var term: Term
    var sync = GroupReport.SyncState.unknown
    /// Not started here before this, after a failed start or monitor.
    var blockedUntil: Instant?
    var failures: Int64 = 0
    var wish: Wish?
    /// Since when this node would be a better home, for automatic failback.
    var stableSince: Instant?
    /// The last refusal told, so that each is told once.
    var toldRefusal: Refusal?

    enum Role: Equatable, Sendable {
        case vacant
        case claiming(Claiming)
        case holding(Active)
        case releasing(Releasing)
        case granting(Granting)
        case resuming(Term)
    }

    /// This node asks the holder for the group.
    struct Wish: Equatable, Sendable {
        var failback: Bool
        var until: Instant
    }

    var blocked: Bool { blockedUntil != nil }

    var isHeld: Bool {
        switch role {
        case .holding, .releasing, .resuming: true
        case .vacant, .claiming, .granting: false
        }
    }

    /// In a state that the peer need not acknowledge to know who may act.
    var isSettled: Bool {
        switch role {
        case .vacant, .holding: true
        case .claiming, .releasing, .granting, .resuming: false
        }
    }
}

/// Asks for the peer's grant. Holds nothing.
struct Claiming: Equatable, Sendable {
    var term: Term
}

/// Every resource is stopped here, and the peer may start them at `term`.
struct Granting: Equatable, Sendable {
    var term: Term
    var automatic: Bool
    /// The peer resumes what it never stopped; `term` is its own.
    var resumed = false
}

/// Starting or running here, by a warrant.
struct Active: Equatable, Sendable {
    var activation: Activation
    var run: Run

    enum Run: Equatable, Sendable {
        case starting
        case running
    }

    var term: Term { activation.term }

    /// A claim that the peer granted.
    init?(from claim: Claiming, group: GroupIndex, report: GroupReport, session: SessionID) {
        guard report.term == claim.term, let warrant = Warrant(report, from: session) else {
            return nil
        }
        activation = Activation(
            group: group, term: claim.term, cause: .formation, warrant: warrant)
        run = .starting
    }

    /// An offer of the peer's that nobody had to claim: a handover.
    init?(offer report: GroupReport, group: GroupIndex, session: SessionID) {
        guard let warrant = Warrant(report, from: session) else { return nil }
        activation = Activation(
            group: group, term: report.term, cause: .peerYielded, warrant: warrant)
        run = .starting
    }

    /// A takeover: the peer's session has ended for good.
    init(takeover group: GroupIndex, term: Term, receipt: Receipt, cause: Cause) {
        activation = Activation(
            group: group, term: term, cause: cause, warrant: Warrant(receipt))
        run = .starting
    }

    /// A restarted agent keeps what runs: by the peer's grant of the very term …
    init?(resuming term: Term, group: GroupIndex, report: GroupReport, session: SessionID) {
        guard report.term == term, let warrant = Warrant(report, from: session) else { return nil }
        activation = Activation(
            group: group, term: term, cause: .agentRestarted, warrant: warrant)
        run = .running
    }

    /// … or by a receipt.
    init(resuming term: Term, group: GroupIndex, receipt: Receipt) {
        activation = Activation(
            group: group, term: term, cause: .agentRestarted, warrant: Warrant(receipt))
        run = .running
    }
}

/// Stopping here.
struct Releasing: Equatable, Sendable {
    var term: Term
    var cause: Cause
    /// Whether the peer is to be offered the group once everything is stopped.
    var yields: Bool
    var automatic: Bool
    /// A stop failed for good: something may still run here, and only a fence can end it.
    var stuck = false
    var retryAt = Instant.distantFuture
    /// Not held, but not known to be stopped either: an agent that starts stops everything first.
    var unknown = false

    /// At the agent's start. Until the stop is done the group is not vacant here (S1).
    init(unknownAt term: Term) {
        self.term = term
        cause = .none
        yields = false
        automatic = false
        unknown = true
    }

    init(from active: Active, cause: Cause, yields: Bool, automatic: Bool) {
        term = active.term
        self.cause = cause
        self.yields = yields
        self.automatic = automatic
    }

    /// An agent that found its group held elsewhere, or leaves before it was confirmed.
    init(resuming term: Term, cause: Cause) {
        self.term = term
        self.cause = cause
        yields = false
        automatic = false
    }
}
