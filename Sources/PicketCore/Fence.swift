/// The fence of the peer, as far as it has come.
///
///     idle ──turn opens──▶ ordered(level) ──off──▶ restoring ──restored──▶ idle
///      ▲                      │  ├──voided──▶ idle (late turns only)
///      │                      │  └──failed──▶ next level, in its own turn
///      └──backoff over─── failed ◀──last level failed
///
/// An episode (ARCHITECTURE, "Words") counts once against the budget, however many levels and
/// attempts it takes. A level that failed never leads to a takeover (S3).
package struct Fence: Sendable {
    package private(set) var step = Step.idle
    /// Of the newest order.
    package private(set) var id: UInt32 = 0
    /// The level to try next.
    package private(set) var level = 0
    package private(set) var attempts: Int64 = 0
    /// The first turn of this loss of contact may still be used.
    package private(set) var firstTurn = false
    /// When the turn that is waited for opens.
    package private(set) var opensAt: Instant?
    package private(set) var toldRefusal: Refusal?
    package private(set) var episode: Episode?

    package enum Step: Equatable, Sendable {
        case idle
        case ordered(Ordered)
        case restoring
        case failed(until: Instant)
    }

    package struct Ordered: Equatable, Sendable {
        /// The peer's session at the time of the order: the only one that the outcome ends.
        package var session: SessionID?
        package var cause: Cause
        package var level: Int
        package var at: Instant
        /// For so long since then the agent did not run, and could not hear of an outcome.
        package var stood = Duration.zero
        package var cancelled = false

        package init(
            session: SessionID?, cause: Cause, level: Int, at: Instant, cancelled: Bool = false
        ) {
            self.session = session
            self.cause = cause
            self.level = level
            self.at = at
            self.cancelled = cancelled
        }
    }

    package struct Episode: Equatable, Sendable {
        package var cause: Cause
        /// In contact, by the operator's order or the peer's own request: no turn is needed.
        package var commanded: Bool
        package var counted = false

        package init(cause: Cause, commanded: Bool, counted: Bool = false) {
            self.cause = cause
            self.commanded = commanded
            self.counted = counted
        }
    }

    init() {}

    var isOrdered: Bool { if case .ordered = step { true } else { false } }
    var isIdle: Bool { if case .idle = step { true } else { false } }
    var isCommanded: Bool { episode?.commanded == true }
    /// The episode counts against the budget already.
    var isCounted: Bool { episode?.counted == true }

    /// An order that was given in a turn stands; it was given on what had been heard by then.
    @inline(__always)
    var isOrderedInTurn: Bool {
        guard case .ordered(let order) = step else { return false }
        return order.cause == .contactLost || order.cause == .aloneAfter
    }

    // MARK: Before an order

    enum Standing { case free, underWay, overdue }

    /// Whether the orders before it allow an order now.
    mutating func look(at now: Instant, timeout: Duration) -> Standing {
        opensAt = nil
        switch step {
        case .ordered(let order):
            // Commanded levels verify within their own time; this is for a worker that never does.
            return now - order.at - order.stood > timeout * 4 ? .overdue : .underWay
        case .restoring: return .underWay
        case .failed(let until) where now < until:
            opensAt = until
            return .underWay
        case .failed:
            step = .idle
            return .free
        case .idle: return .free
        }
    }

    /// The agent did not run for this long.
    mutating func forgive(_ lateness: Duration) {
        guard case .ordered(var order) = step else { return }
        order.stood = order.stood + lateness
        step = .ordered(order)
    }

    /// Contact is lost, and its turn is still to come.
    mutating func plan() {
        toldRefusal = nil
        episode = Episode(cause: .contactLost, commanded: false)
    }

    /// Alone in this boot: no turn is needed.
    mutating func planAlone() {
        if episode == nil { episode = Episode(cause: .aloneAfter, commanded: false) }
    }

    /// The peer asks for it, in contact.
    mutating func heedRequest() { episode = Episode(cause: .peerAskedForIt, commanded: true) }

    /// The operator orders it.
    mutating func command(_ cause: Cause) {
        episode = Episode(cause: cause, commanded: true)
        level = 0
    }

    mutating func endEpisode() { episode = nil }
    mutating func await(_ turn: Instant) { opensAt = turn }

    mutating func tell<Sink: EffectSink>(
        _ refusal: Refusal, cause: Cause, until: Duration? = nil, into out: inout Sink
    ) {
        guard toldRefusal != refusal else { return }
        toldRefusal = refusal
        out.emit(.trace(Trace(.fenceRefused, cause: cause, refusal: refusal, duration: until)))
    }

    /// Contact is there: the next loss of it has a first turn, which is the first level's. The peer may
    /// have taken a request back while one of the levels was tried.
    mutating func renewFirstTurn() {
        firstTurn = true
        if isIdle, episode == nil, !planted(.levelOutlivesFence) { level = 0 }
    }
    /// It is no longer certain from when the peer may count its turns.
    mutating func forgoFirstTurn() { firstTurn = false }

    // MARK: The order

    /// Counts the episode against the budget. Returns false if it was counted before.
    mutating func count() -> Bool {
        guard let counted = episode?.counted, !counted else { return false }
        episode?.counted = true
        return true
    }

    mutating func order(session: SessionID?, cause: Cause, at now: Instant) {
        id += 1
        step = .ordered(Ordered(session: session, cause: cause, level: level, at: now))
    }

    /// Something of the peer's arrived before the relay moved, or the reason is gone.
    mutating func cancel<Sink: EffectSink>(cause: Cause, into out: inout Sink) {
        switch step {
        case .ordered(var order) where !order.cancelled:
            guard !isCommanded || cause == .peerLeft else { return }
            order.cancelled = true
            step = .ordered(order)
            out.emit(.cancelFence(id: id))
            out.emit(.trace(Trace(.fenceCancelled, cause: cause)))
        case .idle where episode?.commanded == false:
            episode = nil
            out.emit(.trace(Trace(.fenceCancelled, cause: cause)))
        case .failed:
            step = .idle
            episode = nil
        case .idle, .ordered, .restoring: break
        }
        level = 0
        attempts = 0
        toldRefusal = nil
    }

    // MARK: The outcome

    /// Takes the worker's word on an order. Returns the order if that word is that it was verified:
    /// nothing else makes a receipt (S3).
    mutating func take<Sink: EffectSink>(
        _ outcome: FenceOutcome, of id: UInt32, onlyIfOff: Bool, levels: Int, retry: Duration,
        at now: Instant, into out: inout Sink
    ) -> Ordered? {
        guard id == self.id else { return nil }
        switch (step, outcome) {
        case (.ordered(let order), .off):
            verified(order, at: now, into: &out)
            return order
        case (.ordered(let order), .voided):
            step = .idle
            firstTurn = false
            let isMoot = onlyIfOff && order.cause == .aloneAfter && !order.cancelled
            if order.cancelled || isMoot { episode = nil }
            let cause: Cause = order.cancelled ? order.cause : isMoot ? .none : .late
            out.emit(.trace(Trace(.fenceVoided, cause: cause)))
        case (.ordered(let order), .failed(let failure)):
            if planted(.failedFenceCounts) {
                verified(order, at: now, into: &out)
                return order
            }
            failed(order, failure, levels: levels, retry: retry, at: now, into: &out)
        case (.restoring, .restored), (.idle, .restored):
            step = .idle
            out.emit(.trace(Trace(.fenceRestored, cause: .fenced)))
        case (.restoring, .notRestored), (.restoring, .failed):
            step = .idle
            out.emit(.trace(Trace(.fenceNotRestored, cause: .fenced)))
        case (.ordered, .restored), (.ordered, .notRestored), (.restoring, .off),
            (.restoring, .voided), (.idle, .off), (.idle, .voided), (.idle, .failed),
            (.idle, .notRestored), (.failed, _):
            break
        }
        return nil
    }

    private mutating func verified<Sink: EffectSink>(
        _ order: Ordered, at now: Instant, into out: inout Sink
    ) {
        out.emit(
            .trace(
                Trace(
                    .fenceVerified, cause: order.cause, duration: now - order.at,
                    number: UInt64(order.level))))
        step = .restoring
        episode = nil
        level = 0
        attempts = 0
        firstTurn = false
    }

    private mutating func failed<Sink: EffectSink>(
        _ order: Ordered, _ failure: FenceFailure, levels: Int, retry: Duration, at now: Instant,
        into out: inout Sink
    ) {
        firstTurn = false
        out.emit(
            .trace(Trace(.fenceFailed, cause: order.cause, number: UInt64(failure.rawValue))))
        if level + 1 < levels {
            level += 1
            step = .idle
        } else {
            let backoff = retry * min(16, 1 << min(attempts, 4))
            attempts += 1
            level = 0
            step = .failed(until: now + backoff)
            out.emit(.trace(Trace(.fenceExhausted, cause: order.cause, duration: backoff)))
        }
        let given = order.cause == .command || order.cause == .drill
        if order.cancelled || (given && level == 0) {
            step = .idle
            episode = nil
            level = 0
        }
    }

    /// Contact is back. A peer that was left off by policy and is back needs no more restoring.
    mutating func settle() {
        episode = nil
        if step == .restoring { step = .idle }
    }

    /// The peer lives though it was verified off, or declared so.
    mutating func disprove() { step = .idle }

    /// The operator's word stands in for it.
    mutating func abandon() {
        step = .idle
        episode = nil
    }

    /// The operator has mended what failed.
    mutating func clear() {
        if case .failed = step { step = .idle }
        attempts = 0
    }

    /// Nothing is asked of any level, nor about to be.
    var isAtRest: Bool {
        switch step {
        case .idle: episode == nil
        case .failed: true
        case .ordered, .restoring: false
        }
    }

    /// The levels are others from now on.
    mutating func beginAnew() {
        clear()
        level = 0
    }

    var status: Status.FenceStatus {
        switch step {
        case .idle: opensAt == nil ? .idle : .waiting
        case .ordered: .ordered
        case .restoring: .restoring
        case .failed: .failed
        }
    }
}

extension Fence {
    /// As an image has it: `id` is 1 while it is the present order's.
    package init(
        step: Step, level: Int, attempts: Int64, firstTurn: Bool, opensAt: Instant?,
        episode: Episode?
    ) {
        self.step = step
        id = 1
        self.level = level
        self.attempts = attempts
        self.firstTurn = firstTurn
        self.opensAt = opensAt
        self.episode = episode
    }
}
