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
///     unknown (at an agent's start: nothing is known to be stopped) ──stopped──▶ vacant
///     resuming (restarted agent) ──peer's grant or a receipt──▶ holding          vacant ◀───┘
///
/// Everything is level-triggered: each side tells its whole state in every message, and each rule
/// looks only at the newest state of both. A lost message delays; it cannot mislead.
package struct Group: Sendable {
    package private(set) var role: Role
    /// The highest term used, granted or seen held.
    package private(set) var term: Term
    /// The newest that the peer was given.
    private(set) var given = Term.never
    package private(set) var copy: Copy
    private(set) var replication = Replication()
    /// Its copy keeps it from starting here, and that was told.
    private(set) var copyIsRefused = false
    /// What was told of the nodes' data.
    package private(set) var divergence = Divergence.none
    /// A planned stop waits until then for the peer's copy.
    private(set) var awaitsCopyUntil: Instant?
    /// Not started here before this, after a failed start or monitor.
    package private(set) var blockedUntil: Instant?
    /// In a row: forgotten when the group has run well for a while, on either node.
    package private(set) var failures: Int64 = 0
    /// Since when it runs well, after failures.
    package private(set) var runsSince: Instant?
    /// It failed here last, so that a start on the peer is a move for a failure, whatever it is
    /// called …
    package private(set) var hasFailed = false
    /// … and no such move is left: only this node starts it again.
    package private(set) var stays = false
    /// Its data refused a start here, and are of this term: it starts again here, above that.
    private(set) var refusedBy: Term?
    /// As far as the shell has looked, all is there that it needs to start here.
    package private(set) var isReady = true
    package private(set) var wish: Wish?
    /// Maintenance: the runner was told to leave it alone.
    package private(set) var isLeftAlone = false
    /// This agent has begun in maintenance, and has not stopped what may run of it: somebody may be at
    /// work on that.
    package private(set) var isStopDue = false
    /// In maintenance something of it is seen to run, though this node does not hold it.
    package private(set) var isSeen = false
    /// Since when this node would be a better home, for automatic failback.
    package private(set) var stableSince: Instant?
    /// Where a takeover is to be asked for: how far the question has come.
    package private(set) var question = Question.none
    /// What the changed file has it be, as long as something of the former may be up here.
    package private(set) var next: GroupPolicy?
    /// How far that has come of a group that is held.
    package private(set) var change = Change.none
    /// The last refusal told, so that each is told once.
    package private(set) var toldRefusal: Refusal?

    package enum Role: Equatable, Sendable {
        /// Not known to be stopped: an agent that starts stops everything first.
        case unknown(Unknown)
        case vacant
        case claiming(Claiming)
        case holding(Active)
        case releasing(Releasing)
        case granting(Granting)
        case resuming(Term)
    }

    /// Whether the operator lets this node take the group over. It holds as long as the receipt by
    /// which the peer is off.
    package enum Question: UInt8, Sendable {
        case none
        /// The operator was asked.
        case asked
        /// The operator ordered it, or the group was active here when the peer went off.
        case answered
    }

    /// Each node's data have something that the other's lack.
    package enum Divergence: UInt8, Sendable {
        case none
        /// This node started the group last.
        case seen
        /// The peer did, and says so.
        case told
    }

    package enum Change: UInt8, Sendable {
        case none
        /// What the file does not have any more is being stopped.
        case dropping
        /// The rest is up. What the file adds waits …
        case waiting
        /// … for the peer to hear of the term at which it is to start.
        case raised
        case adding
    }

    /// This node asks the holder for the group.
    package struct Wish: Equatable, Sendable {
        package var failback: Bool
        package var until: Instant

        package init(failback: Bool, until: Instant) {
            self.failback = failback
            self.until = until
        }
    }

    /// - Parameters:
    ///   - noted: as the agent before this one ran it; `nil` if it did not.
    ///   - isListed: by the file of this agent.
    ///   - isLeft: hands are off it.
    ///   - wasKnown: that agent knew of the group.
    init(
        term: Term, noted: Holding?, isListed: Bool, mayBeOutdated: Bool, isLeft: Bool = false,
        wasKnown: Bool = false
    ) {
        self.term = term
        copy = Copy(mayBeOutdated: mayBeOutdated && noted?.isByRight != true)
        if let noted, !noted.isPartial, isListed {
            role = .resuming(noted.term)
        } else if planted(.noteAfterStart) {
            role = .vacant
        } else if isLeft, wasKnown, noted == nil {
            // It was stopped here. What runs since, somebody has started by hand.
            role = .vacant
            isStopDue = true
        } else if let noted, noted.isByRight, isListed, !planted(.partialIsUnknown) {
            role = .releasing(Releasing(resuming: noted.term, cause: .agentRestarted))
        } else {
            role = .unknown(
                Unknown(term: max(term, noted?.term ?? term), notedAt: noted?.term))
        }
    }

    var isBlocked: Bool { blockedUntil != nil }

    /// Something of it may run here.
    package var isHeld: Bool {
        switch role {
        case .unknown, .holding, .releasing, .resuming: true
        case .vacant, .claiming, .granting: false
        }
    }

    /// Nobody knows whether something of it runs here, or how far it was started or stopped, and it
    /// is not stopped before the maintenance ends. (What this node had no right to also when nothing
    /// of it is seen. What is half up may look so.)
    var isLeftUnstopped: Bool {
        switch role {
        case .unknown, .releasing: isStopDue
        case .vacant, .claiming, .holding, .granting, .resuming: false
        }
    }

    /// Something of it is seen to run here, and is not being stopped.
    var isStray: Bool { if case .vacant = role { isSeen } else { false } }

    /// Nothing is being done to it here, nor is about to be.
    var isAtRest: Bool {
        switch role {
        case .vacant, .claiming, .granting, .resuming: true
        case .holding(let active): active.run != .starting
        case .unknown, .releasing: isStuck || isLeftUnstopped
        }
    }

    /// In a state that the peer need not acknowledge to know who may act.
    var isSettled: Bool {
        switch role {
        case .vacant, .holding: true
        case .unknown, .claiming, .releasing, .granting, .resuming: false
        }
    }

    /// In maintenance its monitor fails, or more, and nothing was done.
    var isAiling: Bool {
        guard case .holding(let active) = role else { return false }
        switch active.run {
        case .ailing, .broken: return true
        case .starting, .running: return false
        }
    }

    /// Something of it may still run here, after its stop was tried and failed so often.
    func isStuck(after stops: Int) -> Bool {
        guard case .releasing(let releasing) = role, releasing.retryAt != nil else { return false }
        return releasing.failedStops >= stops
    }

    /// A stop did not end well: something may still run here.
    var isStuck: Bool {
        switch role {
        case .unknown(let unknown): unknown.retryAt != nil
        case .releasing(let releasing): releasing.retryAt != nil
        case .vacant, .claiming, .holding, .granting, .resuming: false
        }
    }

    var isHolding: Bool { if case .holding = role { true } else { false } }
    var isResuming: Bool { if case .resuming = role { true } else { false } }

    /// The term at which something of it may run here for the pair; `nil` where nothing does.
    @inline(__always)
    var runningTerm: Term? {
        switch role {
        case .holding(let active): active.term
        case .releasing(let releasing): releasing.term
        case .resuming(let term): term
        case .unknown, .vacant, .claiming, .granting: nil
        }
    }

    /// For the agent that follows.
    @inline(__always)
    func holding(_ group: GroupIndex) -> Holding? {
        switch role {
        case .holding(let active):
            Holding(
                group: group, term: active.term,
                isPartial: isStarting && !planted(.startAdopted))
        case .releasing(let releasing):
            Holding(group: group, term: releasing.term, isPartial: !planted(.stopAdopted))
        case .resuming(let term): Holding(group: group, term: term)
        case .unknown(let unknown):
            unknown.mayRun || isLeftAlone
                ? Holding(group: group, term: unknown.notedAt ?? .never, isPartial: true) : nil
        case .vacant, .claiming, .granting: nil
        }
    }

    /// It is not up as a whole.
    var isStarting: Bool {
        guard case .holding(let active) = role else { return false }
        return active.run == .starting || change != .none
    }

    /// The term of what is being stopped.
    var stoppingTerm: Term {
        if case .unknown(let unknown) = role { unknown.term } else { runningTerm ?? term }
    }

    /// What the peer is told of it.
    @inline(__always)
    func report(isEligible: Bool, of policy: GroupPolicy) -> GroupReport {
        var report = GroupReport(
            term: term, sync: copy.state, name: policy.name, priority: policy.priority,
            resources: policy.resources, settings: policy.settings)
        switch role {
        case .unknown(let unknown):
            report.role = .releasing
            report.term = unknown.term
        case .vacant: report.role = .vacant
        case .claiming(let claim):
            report.role = .claiming
            report.term = claim.term
        case .granting(let grant):
            report.role = .granting
            report.term = grant.term
            if grant.automatic { report.flags.insert(.automatic) }
        case .holding(let active):
            report.role = .holding
            report.term = active.term
            if active.run == .running { report.flags.insert(.running) }
        case .releasing(let releasing):
            report.role = .releasing
            report.term = releasing.term
        case .resuming(let term):
            report.role = .resuming
            report.term = term
            report.flags.insert(.running)
        }
        if isEligible { report.flags.insert(.eligible) }
        if isSeen, !isHeld { report.flags.insert(.running) }
        if stays { report.flags.insert(.stays) }
        if !isReady { report.flags.insert(.unready) }
        if let wish { report.flags.insert(wish.failback ? .failback : .wanted) }
        return report
    }

    // MARK: Terms

    /// A term that the peer has used, or an offer that is declined by using its term up.
    mutating func use(_ term: Term) { self.term = max(self.term, term) }

    /// Far above every term that this life of the agent can know of.
    mutating func leap(by distance: UInt64) {
        if term < .highest { term = Term(term.value + distance) }
    }

    /// What is added to it is started at this term; what runs goes on.
    mutating func raise(to term: Term) {
        guard case .holding(var active) = role else { return }
        use(term)
        active.raise(to: term)
        role = .holding(active)
    }

    // MARK: Roles

    mutating func claim(_ term: Term) {
        self.term = term
        role = .claiming(Claiming(term: term))
    }

    /// Lets the peer start it, or go on with it.
    mutating func grant(_ term: Term, automatic: Bool = false, resumed: Bool = false) {
        precondition(!isHeld || planted(.grantWhileHolding), "granted while it may run here")
        use(term)
        given = term
        forgetFailing()
        role = .granting(Granting(term: term, automatic: automatic, resumed: resumed))
    }

    /// A claim is withdrawn or a grant is over: neither runs anything.
    mutating func vacate() {
        switch role {
        case .claiming, .granting: role = .vacant
        case .unknown, .vacant, .holding, .releasing, .resuming: break
        }
    }

    mutating func withdrawClaim() { if case .claiming = role { role = .vacant } }

    mutating func hold(_ active: Active) {
        term = active.term
        role = .holding(active)
        forgetFailing()
        wish = nil
        toldRefusal = nil
        isStopDue = false
        isSeen = false
    }

    /// Every resource is up.
    mutating func noteRunning() {
        guard case .holding(var active) = role else { return }
        active.run = .running
        role = .holding(active)
        refusedBy = nil
        if planted(.failuresForgottenAtStart) { failures = 0 }
    }

    /// Its monitor fails, and hands are off. `isBroken`: nothing watches it any more.
    mutating func noteAiling(isBroken: Bool) {
        guard case .holding(var active) = role else { return }
        active.run = isBroken ? .broken : .ailing
        role = .holding(active)
    }

    mutating func leaveAlone(_ on: Bool) { isLeftAlone = on }

    mutating func awaitStop() { isStopDue = true }

    /// It is not held here. Returns whether that is new.
    mutating func note(seen: Bool) -> Bool {
        defer { isSeen = seen }
        return isSeen != seen
    }

    /// What was left alone is to be stopped now.
    mutating func beginStop() {
        isStopDue = false
        if case .vacant = role { forgetStopped() }
    }

    mutating func release(_ releasing: Releasing) {
        role = .releasing(releasing)
        change = .none
    }

    // MARK: A changed configuration

    mutating func await(_ next: GroupPolicy?) { self.next = next }

    mutating func note(_ change: Change) { self.change = change }

    /// Nobody knows whether something of it is up, by the changed file.
    mutating func forgetStopped() { role = .unknown(Unknown(term: term)) }

    /// Every resource is stopped.
    mutating func noteStopped() {
        role = .vacant
        isStopDue = false
        isSeen = false
    }

    /// A stop did not end well: it is tried again.
    mutating func stick(by end: StuckBy, at now: Instant) {
        if case .releasing(var releasing) = role {
            releasing.note(end, at: now)
            role = .releasing(releasing)
        }
        retryStop(at: now + Group.stopRetry)
    }

    mutating func retryStop(at next: Instant) {
        switch role {
        case .unknown(var unknown):
            unknown.retryAt = next
            role = .unknown(unknown)
        case .releasing(var releasing):
            releasing.retryAt = next
            role = .releasing(releasing)
        case .vacant, .claiming, .holding, .granting, .resuming: break
        }
    }

    /// The peer is to end what may still run here.
    var asksToBeFenced: Bool {
        guard case .releasing(let releasing) = role else { return false }
        return releasing.asksToBeFenced
    }

    /// The cause of the stop that is due again, if one is.
    @inline(__always)
    func stopDue(at now: Instant) -> Cause? {
        let due: (at: Instant?, cause: Cause)
        switch role {
        case .unknown(let unknown): due = (unknown.retryAt, .none)
        case .releasing(let releasing): due = (releasing.retryAt, releasing.cause)
        case .vacant, .claiming, .holding, .granting, .resuming: return nil
        }
        guard let at = due.at, now >= at else { return nil }
        return due.cause
    }

    static let stopRetry = Duration.seconds(30)

    // MARK: Failures

    /// For how long the next failure keeps it from this node: 10 s, doubled with each failure in a
    /// row up to about ten minutes.
    var nextBlock: Duration { .seconds(10) * (1 << min(failures, 6)) }

    mutating func block(at now: Instant) {
        blockedUntil = now + nextBlock
        failures += 1
        runsSince = nil
        hasFailed = !planted(.formationIsNoMove)
    }

    /// Failures are forgotten once it has run well for as long as `span`.
    mutating func noteRuns(_ well: Bool, for span: Duration, at now: Instant) {
        let since = well ? runsSince ?? now : nil
        runsSince = since
        guard let since, now - since >= span else { return }
        failures = 0
        runsSince = nil
    }

    /// A local restart: it does not run well.
    mutating func noteRestarted() { runsSince = nil }

    mutating func stay(_ on: Bool) { stays = on }

    /// Its data refused a start. Returns whether that is the first time since it ran, here or on the
    /// peer: who names a later term each time is broken.
    mutating func refuse(by dataTerm: Term) -> Bool {
        if !planted(.refusedTermIgnored) { use(dataTerm) }
        defer { refusedBy = dataTerm }
        return refusedBy == nil || planted(.refusalsNeverFail)
    }

    mutating func forgetRefusedTerm() { refusedBy = nil }

    /// It starts somewhere.
    mutating func forgetFailing() {
        hasFailed = false
        stays = false
    }

    func isBlockOver(at now: Instant) -> Bool {
        guard let blockedUntil else { return false }
        return now >= blockedUntil
    }

    mutating func unblock() { blockedUntil = nil }

    /// The operator has mended what failed.
    mutating func clear() {
        blockedUntil = nil
        failures = 0
        runsSince = nil
        forgetFailing()
        refusedBy = nil
        toldRefusal = nil
        switch role {
        case .unknown(var unknown) where unknown.retryAt != nil:
            unknown.retryAt = Instant(nanoseconds: 0)
            role = .unknown(unknown)
        case .releasing(var releasing) where releasing.retryAt != nil:
            releasing.retryAt = Instant(nanoseconds: 0)
            role = .releasing(releasing)
        case .unknown, .vacant, .claiming, .holding, .releasing, .granting, .resuming: break
        }
    }

    /// Returns whether that is new.
    mutating func note(ready: Bool) -> Bool {
        defer { isReady = ready }
        return isReady != ready
    }

    // MARK: Wishes

    mutating func ask(failback: Bool, until: Instant) {
        wish = Wish(failback: failback, until: until)
    }

    func hasLapsed(at now: Instant) -> Bool {
        guard let wish else { return false }
        return now >= wish.until
    }

    mutating func dropWish() { wish = nil }

    /// All has been well here; returns since when.
    mutating func noteWell(at now: Instant) -> Instant {
        let since = stableSince ?? now
        stableSince = since
        return since
    }

    /// It was well here a moment ago, or is asked for because of that.
    var isThoughtWell: Bool { stableSince != nil || wish?.failback == true }

    mutating func noteUnwell() {
        stableSince = nil
        if wish?.failback == true { wish = nil }
    }

    // MARK: Takeovers that are asked for

    /// The operator is to be asked. Returns whether that is new.
    mutating func askForTakeover() -> Bool {
        guard question == .none else { return false }
        question = .asked
        return true
    }

    mutating func answerQuestion() { question = .answered }
    mutating func dropQuestion() { question = .none }

    // MARK: What else is told

    /// Returns whether the refusal is another one than the last.
    mutating func tell(_ refusal: Refusal) -> Bool {
        defer { toldRefusal = refusal }
        return toldRefusal != refusal
    }

    mutating func forgetRefusal() { toldRefusal = nil }

    // MARK: Its data

    /// Returns what the copy's state is now, if that is new.
    mutating func edit(_ body: (inout Copy) -> Void) -> GroupReport.SyncState? {
        let before = copy.state
        body(&copy)
        return copy.state == before ? nil : copy.state
    }

    mutating func replicate<Result>(_ body: (inout Replication) -> Result) -> Result {
        body(&replication)
    }

    mutating func awaitCopy(until: Instant) { awaitsCopyUntil = until }
    mutating func forgetCopy() { copy.forget() }
    mutating func giveCopy() { copy.give() }
    mutating func nameCopy() { copy.name() }
    mutating func noteData(_ divergence: Divergence) { self.divergence = divergence }
    mutating func noteTerms() { copy.noteTermsHeard() }

    /// Returns whether it is new that its copy keeps it from starting here, or no longer does.
    mutating func noteCopy(refused: Bool) -> Bool {
        defer { copyIsRefused = refused }
        return copyIsRefused != refused
    }
}

/// Asks for the peer's grant. Holds nothing.
package struct Claiming: Equatable, Sendable {
    package var term: Term

    package init(term: Term) { self.term = term }
}

/// Every resource is stopped here, and the peer may start them at `term`.
package struct Granting: Equatable, Sendable {
    package var term: Term
    package var automatic: Bool
    /// The peer resumes what it never stopped; `term` is its own.
    package var resumed = false

    package init(term: Term, automatic: Bool, resumed: Bool = false) {
        self.term = term
        self.automatic = automatic
        self.resumed = resumed
    }
}

/// Starting or running here, by a warrant.
package struct Active: Equatable, Sendable {
    package private(set) var activation: Activation
    package fileprivate(set) var run: Run

    package enum Run: Equatable, Sendable {
        case starting
        case running
        /// In maintenance: the monitor fails …
        case ailing
        /// … or nothing watches it any more, because a restart that was under way failed.
        case broken
    }

    package var term: Term { activation.term }

    fileprivate mutating func raise(to term: Term) {
        activation = Activation(
            group: activation.group, term: term, cause: activation.cause,
            warrant: activation.warrant)
    }

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

    /// What the files have otherwise, and the peer leaves to this node.
    init(leftBy session: SessionID, group: GroupIndex, term: Term) {
        activation = Activation(
            group: group, term: term, cause: .formation, warrant: Warrant(leftBy: session))
        run = .starting
    }

    /// A restarted agent keeps what runs: by the peer's grant of the very term …
    init?(resuming term: Term, group: GroupIndex, report: GroupReport, session: SessionID) {
        guard report.term == term, let warrant = Warrant(report, from: session) else { return nil }
        activation = Activation(
            group: group, term: term, cause: .agentRestarted, warrant: warrant)
        run = .running
    }

    /// … or because the peer's file does not have the group …
    init(resuming term: Term, group: GroupIndex, unlistedBy session: SessionID) {
        activation = Activation(
            group: group, term: term, cause: .agentRestarted,
            warrant: Warrant(unlistedBy: session))
        run = .running
    }

    /// … or by a receipt.
    init(resuming term: Term, group: GroupIndex, receipt: Receipt) {
        activation = Activation(
            group: group, term: term, cause: .agentRestarted, warrant: Warrant(receipt))
        run = .running
    }
}

/// Not held, but not known to be stopped either. Until the stop is done the group is not vacant
/// here (S1).
package struct Unknown: Equatable, Sendable {
    /// The highest that was known at the agent's start.
    package var term: Term
    /// The stop failed, and is tried again then.
    package var retryAt: Instant?
    /// An agent before this one in the same boot has noted that something of it may run, at this
    /// term; `never` where it had no right to it.
    package let notedAt: Term?

    package init(term: Term, retryAt: Instant? = nil, notedAt: Term? = nil) {
        self.term = term
        self.retryAt = retryAt
        self.notedAt = notedAt
    }

    /// Should it leave the file, the agent that follows must stop it by that file.
    var mayRun: Bool { notedAt != nil || retryAt != nil }
}

/// How a stop did not end well.
enum StuckBy {
    /// It was tried, and did not help.
    case failed
    /// So it was with what a start had left that failed.
    case dirtyStart
    /// It could not be tried.
    case unknown
}

/// Stopping here.
package struct Releasing: Equatable, Sendable {
    package var term: Term
    package var cause: Cause
    /// Whether the peer is to be offered the group once everything is stopped.
    package var yields: Bool
    package var automatic: Bool
    /// A stop did not end well, and is tried again then: something may still run here.
    package var retryAt: Instant?
    /// In how many of them stopping was tried, and did not help.
    fileprivate(set) var failedStops = 0
    /// Since when it could not be tried, or not every time; and how often.
    private var unknownSince: Instant?
    private var unknownStops = 0
    /// Only a fence can end for certain what may run here. A stop that could not be tried may be
    /// tried in a moment, and costs no node its power until it could not be for a minute.
    package var asksToBeFenced = false

    static let patience = Duration.seconds(60)
    /// An agent that stood still for a minute has tried nothing meanwhile.
    static let fewestUnknownStops = 3

    init(from active: Active, cause: Cause, yields: Bool, automatic: Bool) {
        term = active.term
        self.cause = cause
        self.yields = yields
        self.automatic = automatic
    }

    fileprivate mutating func note(_ end: StuckBy, at now: Instant) {
        switch end {
        case .failed:
            failedStops += 1
            asksToBeFenced = true
        case .dirtyStart: asksToBeFenced = true
        case .unknown:
            let since = unknownSince ?? now
            unknownSince = since
            if planted(.unknownStopsCount) { failedStops += 1 }
            unknownStops += 1
            if now - since >= Releasing.patience && unknownStops >= Releasing.fewestUnknownStops
                || planted(.unknownStopsAsk)
            {
                asksToBeFenced = true
            }
        }
    }

    /// An agent that found its group held elsewhere, or not up as a whole, or leaves before it was
    /// confirmed.
    package init(resuming term: Term, cause: Cause) {
        self.term = term
        self.cause = cause
        yields = false
        automatic = false
    }
}

extension Group {
    /// As an image has it.
    package init(
        role: Role, term: Term, sync: GroupReport.SyncState, blockedUntil: Instant?,
        failures: Int64, runsSince: Instant?, hasFailed: Bool, stays: Bool, wish: Wish?,
        stableSince: Instant?, question: Question, isStopDue: Bool
    ) {
        self.role = role
        self.isStopDue = isStopDue
        self.term = term
        copy = Copy(imaged: sync)
        self.blockedUntil = blockedUntil
        self.failures = failures
        self.runsSince = runsSince
        self.hasFailed = hasFailed
        self.stays = stays
        self.wish = wish
        self.stableSince = stableSince
        self.question = question
    }
}

extension Active {
    /// For the proof's images, which do not keep the warrant by which a group was activated.
    package init(imaged group: GroupIndex, term: Term, run: Run) {
        activation = Activation(
            group: group, term: term, cause: .none, warrant: Warrant(.operatorsWord(on: nil)))
        self.run = run
    }
}
