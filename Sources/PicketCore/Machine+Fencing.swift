/// Fencing: who may, when, and what the outcome is worth.
///
///     idle ──turn opens──▶ ordered(level) ──off──▶ restoring ──restored──▶ idle
///      ▲                      │  ├──voided──▶ idle (late turns only)
///      │                      │  └──failed──▶ next level, in its own turn
///      └──backoff over─── failed ◀──last level failed
///
/// An episode is one loss of contact. It counts once against the budget, however many levels and
/// attempts it takes; a level that failed never leads to a takeover (S3).
struct FenceState: Sendable {
    var step = Step.idle
    var id: UInt32 = 0
    /// The level to try next.
    var level = 0
    var attempts: Int64 = 0
    /// The first turn of this loss of contact may still be used.
    var firstTurn = false
    /// When the turn opens that is waited for.
    var opensAt: Instant?
    var toldRefusal: Refusal?
    /// A verified fence turned out to be none: no outcome is believed until a restart.
    var distrusted = false
    var episode: Episode?

    enum Step: Equatable, Sendable {
        case idle
        case ordered(Ordered)
        case restoring
        case failed(until: Instant)
    }

    struct Ordered: Equatable, Sendable {
        /// The peer's session at the time of the order: the only one that the outcome ends.
        var session: SessionID?
        var cause: Cause
        var level: Int
        var at: Instant
        /// For so long of the time since, the agent did not run: nor could it hear of an outcome.
        var stood = Duration.zero
        var cancelled = false
    }

    struct Episode: Equatable, Sendable {
        var cause: Cause
        /// In contact, by the operator's word or the peer's own request: no turn is needed.
        var commanded: Bool
        var counted = false
    }

    mutating func forgive(_ lateness: Duration) {
        guard case .ordered(var order) = step else { return }
        order.stood = order.stood + lateness
        step = .ordered(order)
    }
}

extension Machine {
    /// Why this node may not fence a peer that it has lost.
    func fenceRefusal(at now: Instant) -> Refusal? {
        if leaving != nil { return .leaving }
        #if PICKET_PLANTED_BUGS
            if peerMaintenance || (maintenance && !planted(.maintenanceIgnored)) {
                return .maintenance
            }
        #else
            if maintenance || peerMaintenance { return .maintenance }
        #endif
        if !hadContact { return .notArmed }
        if policy.fenceLevels.isEmpty || fence.distrusted { return .noFence }
        if pauseUntil != nil || pausing != nil { return .busy }
        #if PICKET_PLANTED_BUGS
            if planted(.fenceBudgetIgnored) { return nil }
        #endif
        let counted = fence.episode?.counted ?? false
        return !counted && isBudgetSpent(at: now) ? .fenceBudgetSpent : nil
    }

    mutating func stepFencing<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        fence.opensAt = nil
        switch fence.step {
        case .ordered(let order):
            // Commanded levels verify within their own time; this is for a worker that never does.
            if now - order.at - order.stood > policy.timing.fenceTimeout * 4 {
                fenced(fence.id, .failed(.timeout), at: now, into: &out)
            }
            return
        case .restoring: return
        case .failed(let until) where now < until:
            fence.opensAt = until
            return
        case .failed: fence.step = .idle
        case .idle: break
        }
        dropRequest(at: now)
        heedRequest(at: now, into: &out)
        if let episode = fence.episode, episode.commanded {
            // Who asked, and has lost contact since, must not find its own turn open meanwhile (S7).
            var limit = policy.timing.fenceTimeout
            if episode.cause == .peerAskedForIt { limit = min(limit, policy.timing.deadAfter) }
            order(cause: episode.cause, voidAfter: now + limit, at: now, into: &out)
        } else if contactState == .lost, receipt == nil {
            stepLost(at: now, into: &out)
        } else if phase == .waiting, receipt?.proof == .remembered, !inContact {
            stepBootAlone(at: now, into: &out)
        }
    }

    /// Alone in this boot, with a receipt that an earlier life of the agent left. The peer is not
    /// armed, so no turn is needed; but an operator may have given it the word while this node was
    /// dark, so it is fenced before this node goes on (S1). The receipt vouches for the sense line,
    /// if it reads *off* already: the relay is driven all the same.
    private mutating func stepBootAlone<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard case .aloneAfter(let patience) = policy.startup, now - startedAt >= patience else {
            return
        }
        if let refusal = bootAloneRefusal(at: now) {
            tell(refusal, cause: .aloneAfter, into: &out)
            return
        }
        if fence.episode == nil {
            fence.episode = FenceState.Episode(cause: .aloneAfter, commanded: false)
        }
        order(
            cause: .aloneAfter, voidAfter: now + policy.timing.fenceTimeout, at: now, into: &out)
    }

    private func bootAloneRefusal(at now: Instant) -> Refusal? {
        if leaving != nil { return .leaving }
        if maintenance || peerMaintenance { return .maintenance }
        if policy.fenceLevels.isEmpty || fence.distrusted { return .noFence }
        if fence.episode?.counted == true { return nil }
        if isBudgetSpent(at: now) { return .fenceBudgetSpent }
        return lastFenceIsKept ? nil : .notPersisted
    }

    var isFencing: Bool { if case .ordered = fence.step { true } else { false } }

    private func isBudgetSpent(at now: Instant) -> Bool {
        spent(memory.fences, of: policy.fenceBudget, at: now) >= policy.fenceBudget.count
    }

    /// The peer asks to be fenced, in a contact that is fresh by the real clock: who stood still
    /// reads first what the peer says now.
    @inline(__always)
    private func isAskedToFence(at now: Instant) -> Bool {
        guard peer?.flags.contains(.fenceMe) == true, inContact,
            let reached = contact.reachedReal
        else { return false }
        return now - reached <= policy.timing.deadAfter
    }

    /// A request that failed is tried again only as long as it stands. Once contact is lost, the
    /// peer is fenced in turn, or not at all: it may be about to fence this node (S7).
    private mutating func dropRequest(at now: Instant) {
        guard fence.episode?.cause == .peerAskedForIt, !isAskedToFence(at: now) else { return }
        fence.episode = nil
    }

    /// The peer could not stop a group that it agreed to hand over, and asks to be fenced (S5).
    private mutating func heedRequest<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard fence.episode == nil, isAskedToFence(at: now) else { return }
        if let refusal = requestRefusal {
            tell(refusal, cause: .peerAskedForIt, into: &out)
        } else {
            fence.episode = FenceState.Episode(cause: .peerAskedForIt, commanded: true)
        }
    }

    private var requestRefusal: Refusal? {
        guard let peer, !drill, !peer.flags.contains(.drill) else { return .drill }
        if maintenance || peerMaintenance { return .maintenance }
        if policy.fenceLevels.isEmpty || fence.distrusted { return .noFence }
        return leaving == nil ? nil : .leaving
    }

    /// Contact is lost: waits for its turn, and orders.
    private mutating func stepLost<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        if let refusal = fenceRefusal(at: now) {
            tell(refusal, cause: .contactLost, into: &out)
            return
        }
        // A session just met has its first round trip before it.
        guard now - metAt > policy.timing.deadAfter else { return }
        guard let turn = turn(at: now) else {
            tell(.notArmed, cause: .contactLost, into: &out)
            return
        }
        if fence.episode == nil {
            fence.toldRefusal = nil
            fence.episode = FenceState.Episode(cause: .contactLost, commanded: false)
            out.emit(
                .trace(
                    Trace(
                        .fencePlanned, cause: .contactLost, duration: max(.zero, turn.opens - now)))
            )
        }
        guard now >= turn.opens else {
            fence.opensAt = turn.opens
            return
        }
        guard takeoverTermsReady(), lastFenceIsKept else {
            tell(.notPersisted, cause: .contactLost, into: &out)
            return
        }
        order(cause: .contactLost, voidAfter: turn.closes, at: now, into: &out)
    }

    /// A disk that takes nothing lets an agent fence once, not once more after each restart: what
    /// is not on disk counts against no budget.
    private var lastFenceIsKept: Bool {
        fence.episode?.counted == true || memory.fences.last == nil
            || memory.fences.last == durable.fences.last
    }

    /// Whether a takeover could go on at once: its terms lie under the ceiling on disk.
    private mutating func takeoverTermsReady() -> Bool {
        for group in groups.indices where policy.groups[group].enabled && !groups[group].isHeld {
            if !mayUse(takeoverTerm(of: group), of: group) { return false }
        }
        return true
    }

    /// Even on the lower node, odd on the higher. Two nodes that take over without having heard of
    /// each other, each by an operator's word or fence, then never run at one term (S4).
    func takeoverTerm(of group: GroupIndex) -> Term {
        #if PICKET_PLANTED_BUGS
            if planted(.termOfPeerForgotten) { return groups[group].term.next }
        #endif
        let next = knownTerm(of: group).next
        return next.value % 2 == UInt64(policy.me.rawValue) ? next : next.next
    }

    private func turn(at now: Instant) -> FencingTurns.Turn? {
        let agreed = configurationIsAgreed
        let turns = FencingTurns(timing: policy.timing, former: agreed ? nil : formerTiming)
        guard let reached = contact.reachedReal,
            let lost = contact.deadline(for: policy.timing.deadAfter)
        else { return nil }
        let heard = max(contact.heard ?? startedAt, reached)
        if fence.firstTurn, fence.level == 0, agreed {
            let first = turns.first(
                view, me: policy.me, reached: reached, heard: heard, lost: lost)
            if now <= first.closes, first.opens <= first.closes { return first }
        }
        guard let offset = contact.clockOffset else { return nil }
        if !agreed, FencingTurns.lateTurn(policy.timing) > FencingTurns.shortestLateTurn {
            return nil
        }
        return turns.late(me: policy.me, heard: heard, offset: offset, at: now)
    }

    /// Both nodes go by the same configuration, and the peer knows that this one does. An agent that
    /// has heard nothing yet goes by what the one before it knew.
    var configurationIsAgreed: Bool {
        #if PICKET_PLANTED_BUGS
            if planted(.configurationIgnored) { return true }
        #endif
        guard let peer else { return true }
        return peer.configurationDigest == policy.digest
            && contact.reachedSequence >= configuredSince
    }

    /// Who works, as this node sees it.
    private var view: FencingTurns.View {
        var mine: UInt64 = 0
        var theirs: UInt64 = 0
        #if PICKET_PLANTED_BUGS
            let isTold = reportsAreCurrent || planted(.untoldIsClear)
        #else
            let isTold = reportsAreCurrent
        #endif
        var clear = peer?.seenGeneration == generation && isTold
        for group in groups.indices {
            let priority = UInt64(policy.groups[group].priority)
            if groups[group].isHeld { mine += priority }
            clear = clear && groups[group].isSettled
            switch report(of: group)?.role {
            case .holding: theirs += priority
            case .vacant: break
            case .claiming, .releasing, .granting, .resuming, nil: clear = false
            }
        }
        return FencingTurns.View(clear: clear, mine: mine, theirs: theirs, me: policy.me)
    }

    private mutating func order<Sink: EffectSink>(
        cause: Cause, voidAfter: Instant, at now: Instant, into out: inout Sink
    ) {
        if fence.episode?.counted == false {
            fence.episode?.counted = true
            countFence(at: now)
        }
        save(at: now, into: &out)
        fence.id += 1
        fence.step = .ordered(
            FenceState.Ordered(session: peerSession, cause: cause, level: fence.level, at: now))
        out.emit(
            .fence(
                FenceOrder(
                    id: fence.id, level: fence.level, voidAfter: voidAfter, cause: cause,
                    relayTest: cause == .aloneAfter ? .passed : relayTest)))
        out.emit(.trace(Trace(.fenceOrdered, cause: cause, number: UInt64(fence.level))))
    }

    /// Something of the peer's arrived before the relay moved, or the reason is gone.
    mutating func cancelFence<Sink: EffectSink>(cause: Cause, into out: inout Sink) {
        switch fence.step {
        case .ordered(var order) where !order.cancelled:
            guard fence.episode?.commanded != true || cause == .peerLeft else { return }
            order.cancelled = true
            fence.step = .ordered(order)
            out.emit(.cancelFence(id: fence.id))
            out.emit(.trace(Trace(.fenceCancelled, cause: cause)))
        case .idle where fence.episode?.commanded == false:
            fence.episode = nil
            out.emit(.trace(Trace(.fenceCancelled, cause: cause)))
        case .failed:
            fence.step = .idle
            fence.episode = nil
        case .idle, .ordered, .restoring: break
        }
        fence.level = 0
        fence.attempts = 0
        fence.toldRefusal = nil
    }

    mutating func fenced<Sink: EffectSink>(
        _ id: UInt32, _ outcome: FenceOutcome, at now: Instant, into out: inout Sink
    ) {
        guard id == fence.id else { return }
        switch (fence.step, outcome) {
        case (.ordered(let order), .off):
            confirm(order, outcome, at: now, into: &out)
        case (.ordered(let order), .voided):
            fence.step = .idle
            fence.firstTurn = false
            if order.cancelled { fence.episode = nil }
            out.emit(.trace(Trace(.fenceVoided, cause: order.cancelled ? order.cause : .late)))
        case (.ordered(let order), .failed(let failure)):
            #if PICKET_PLANTED_BUGS
                if planted(.failedFenceCounts) {
                    return confirm(order, .off, at: now, into: &out)
                }
            #endif
            failed(order, failure, at: now, into: &out)
        case (.restoring, .restored), (.idle, .restored):
            fence.step = .idle
            out.emit(.trace(Trace(.fenceRestored, cause: .fenced)))
        case (.restoring, .notRestored), (.restoring, .failed):
            fence.step = .idle
            out.emit(.trace(Trace(.fenceNotRestored, cause: .fenced)))
        case (.ordered, .restored), (.ordered, .notRestored), (.restoring, .off),
            (.restoring, .voided), (.idle, .off), (.idle, .voided), (.idle, .failed),
            (.idle, .notRestored), (.failed, _):
            break
        }
    }

    /// S3: only here does a fence become a receipt, and only for the session that was fenced.
    private mutating func confirm<Sink: EffectSink>(
        _ order: FenceState.Ordered, _ outcome: FenceOutcome, at now: Instant,
        into out: inout Sink
    ) {
        out.emit(
            .trace(
                Trace(
                    .fenceVerified, cause: order.cause, duration: now - order.at,
                    number: UInt64(order.level))))
        fence.step = .restoring
        fence.episode = nil
        fence.level = 0
        fence.attempts = 0
        fence.firstTurn = false
        guard peerSession == order.session, let proof = Receipt(outcome, of: order.session) else {
            return
        }
        receipt = proof
        if order.session == nil { leapTerms(by: 2) }
        if let session = order.session {
            banned.append(session)
            if banned.count > 16 { banned.removeFirst() }
            sequenceAtVerification = contact.sequence
        }
        contactState = .lost
        linksUp = .none
        if phase == .waiting || phase == .paired { phase = .alone }
        // Without contact in this boot it was the operator's order, unless it went by a receipt: the
        // peer may remember one of its own, and of two who do each would fence the other (S7).
        #if PICKET_PLANTED_BUGS
            if planted(.orderRemembered) { memory.alone = true }
        #endif
        if hadContact { memory.alone = true }
    }

    private mutating func failed<Sink: EffectSink>(
        _ order: FenceState.Ordered, _ failure: FenceFailure, at now: Instant,
        into out: inout Sink
    ) {
        fence.firstTurn = false
        out.emit(
            .trace(Trace(.fenceFailed, cause: order.cause, number: UInt64(failure.rawValue))))
        if fence.level + 1 < policy.fenceLevels.count {
            fence.level += 1
            fence.step = .idle
        } else {
            let backoff = policy.timing.fenceRetry * min(16, 1 << min(fence.attempts, 4))
            fence.attempts += 1
            fence.level = 0
            fence.step = .failed(until: now + backoff)
            out.emit(.trace(Trace(.fenceExhausted, cause: order.cause, duration: backoff)))
        }
        let given = order.cause == .command || order.cause == .drill
        if order.cancelled || (given && fence.level == 0) {
            fence.step = .idle
            fence.episode = nil
            fence.level = 0
        }
    }

    private mutating func tell<Sink: EffectSink>(
        _ refusal: Refusal, cause: Cause, into out: inout Sink
    ) {
        guard fence.toldRefusal != refusal else { return }
        fence.toldRefusal = refusal
        out.emit(.trace(Trace(.fenceRefused, cause: cause, refusal: refusal)))
    }
}
