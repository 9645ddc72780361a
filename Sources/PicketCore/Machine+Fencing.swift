/// Who may fence, when, and what the outcome is worth. Fence.swift keeps how far it has come.
extension Machine {
    /// Why this node may not fence a peer that it has lost.
    func fenceRefusal(at now: Instant) -> Refusal? {
        if life.isLeaving { return .leaving }
        if isMaintained, !planted(.maintenanceIgnored) { return .maintenance }
        if isFenceForNothing(at: now), !isMaintained { return .groupMaintained }
        if !peer.isArmed { return .notArmed }
        if !canFence { return .noFence }
        if peer.pausedUntil != nil || life.pausing != nil { return .busy }
        if isBudgetSpent(at: now), !planted(.fenceBudgetIgnored) { return .fenceBudgetSpent }
        return hasNoTurn ? .timesDiffer : nil
    }

    mutating func stepFencing<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        switch fence.look(at: now, timeout: policy.timing.fenceTimeout) {
        case .underWay: return
        case .overdue:
            fenced(fence.id, .failed(.timeout), at: now, into: &out)
            return
        case .free: break
        }
        dropRequest(at: now)
        heedRequest(at: now, into: &out)
        if let episode = fence.episode, episode.commanded {
            // A node that asked, and has lost contact since, must not find its own turn open
            // meanwhile (S7).
            var limit = policy.timing.fenceTimeout
            if episode.cause == .peerAskedForIt { limit = min(limit, policy.timing.deadAfter) }
            order(cause: episode.cause, voidAfter: now + limit, at: now, into: &out)
        } else if peer.state == .lost, !life.hasReceipt || isRestToTakeOver {
            stepLost(at: now, into: &out)
        } else if case .waiting(let receipt) = life, !inContact,
            receipt.map({ $0.proof == .remembered }) ?? mayFenceUnmet(at: now)
        {
            stepBootAlone(at: now, into: &out)
        }
    }

    /// Alone in this boot, with a receipt that an earlier life of the agent left, or with a peer
    /// whose supply has been off all the time. The peer is not armed, so no turn is needed; but an
    /// operator may have given it the word while this node was dark, so it is fenced before this
    /// node goes on (S1). The receipt, or the time, vouches for the sense line, if it reads *off*
    /// already: the relay is driven all the same.
    private mutating func stepBootAlone<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard patienceIsOver(at: now) else { return }
        if let refusal = bootAloneRefusal(at: now) {
            fence.tell(
                refusal, cause: .aloneAfter, until: refillsIn(refusal, at: now), into: &out)
            return
        }
        fence.planAlone()
        order(
            cause: .aloneAfter, voidAfter: now + policy.timing.fenceTimeout, at: now, into: &out)
    }

    /// What a peer that left by plan has left running is in maintenance no more.
    private var isRestToTakeOver: Bool {
        guard let receipt = life.validReceipt else { return false }
        return groups.indices.contains {
            !covers(receipt, $0) && policy.groups[$0].enabled && !groups[$0].isHeld
                && !isMaintained($0)
        }
    }

    func bootAloneRefusal(at now: Instant) -> Refusal? {
        if life.isLeaving { return .leaving }
        if isMaintained { return .maintenance }
        if isFenceForNothing(at: now) { return .groupMaintained }
        if !canFence { return .noFence }
        if fence.isCounted { return nil }
        if isBudgetSpent(at: now) { return .fenceBudgetSpent }
        return disk.lastFenceIsKept ? nil : .notPersisted
    }

    /// A way to fence is configured, and none has turned out to lie.
    var canFence: Bool { !policy.fenceLevels.isEmpty && !disk.memory.distrusted }

    /// No more fence may be begun. An episode that is counted goes on.
    private func isBudgetSpent(at now: Instant) -> Bool {
        let budget = policy.fenceBudget
        return !fence.isCounted && budget.spent(disk.memory.fences, at: now) >= budget.count
    }

    /// How long the refusal stands, where that is known.
    private func refillsIn(_ refusal: Refusal, at now: Instant) -> Duration? {
        guard refusal == .fenceBudgetSpent else { return nil }
        return policy.fenceBudget.refillsIn(disk.memory.fences, at: now)
    }

    /// The peer asks to be fenced, in a contact that is fresh by the real clock, because a node
    /// that stood still must first read what the peer says now.
    @inline(__always)
    private func isAskedToFence(at now: Instant) -> Bool {
        guard peer.message?.flags.contains(.fenceMe) == true, inContact,
            let reached = peer.contact.reachedReal
        else { return false }
        return now - reached <= policy.timing.deadAfter
    }

    /// A request that failed is tried again only as long as it stands and may be heeded. Once
    /// contact is lost, the peer is fenced in turn, or not at all: it may be about to fence this node
    /// (S7).
    @inline(__always)
    private mutating func dropRequest(at now: Instant) {
        guard fence.episode?.cause == .peerAskedForIt,
            !isAskedToFence(at: now)
                || requestRefusal != nil && !planted(.requestInMaintenance)
        else { return }
        fence.endEpisode()
    }

    /// The peer could not stop a group that it agreed to hand over, and asks to be fenced (S5).
    @inline(__always)
    private mutating func heedRequest<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard fence.episode == nil, isAskedToFence(at: now) else { return }
        if let refusal = requestRefusal {
            fence.tell(refusal, cause: .peerAskedForIt, into: &out)
        } else {
            fence.heedRequest()
        }
    }

    private var requestRefusal: Refusal? {
        guard let theirs = peer.message?.flags, !vitals.drill, !theirs.contains(.drill) else {
            return .drill
        }
        if isMaintained { return .maintenance }
        if !canFence { return .noFence }
        return life.isLeaving ? .leaving : nil
    }

    /// Contact is lost: waits for its turn, and orders.
    private mutating func stepLost<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        if let refusal = fenceRefusal(at: now) {
            fence.tell(
                refusal, cause: .contactLost, until: refillsIn(refusal, at: now), into: &out)
            return
        }
        // A session that was just met still has its first round trip to come.
        guard now - peer.metAt > policy.timing.deadAfter else { return }
        guard let turn = turn(at: now) else {
            fence.tell(.turnUnknown, cause: .contactLost, into: &out)
            return
        }
        if fence.episode == nil {
            fence.plan()
            out.emit(
                .trace(
                    Trace(
                        .fencePlanned, cause: .contactLost, duration: max(.zero, turn.opens - now),
                        number: isFitForTurns ? nil : 1))
            )
        }
        guard now >= turn.opens else {
            fence.await(turn.opens)
            return
        }
        guard takeoverTermsReady(), fence.isCounted || disk.lastFenceIsKept else {
            fence.tell(.notPersisted, cause: .contactLost, into: &out)
            return
        }
        order(cause: .contactLost, voidAfter: turn.closes, at: now, into: &out)
    }

    /// Whether a takeover could go on at once: its terms lie under the ceiling on disk.
    private mutating func takeoverTermsReady() -> Bool {
        for group in groups.indices where isTakenOver(group) {
            if !mayUse(takeoverTerm(of: group), of: group) { return false }
        }
        return isFenceOfUse
    }

    /// Nothing is gained by a fence after which every group would wait for the disk.
    private var isFenceOfUse: Bool {
        groups.indices.contains(where: isTakenOver) || planted(.fencesForNothing)
            || !groups.indices.contains(where: isLeft)
    }

    /// A group with data would not start, because its data term cannot be kept.
    private func isTakenOver(_ group: GroupIndex) -> Bool {
        isLeft(group) && !(isStateful(group) && disk.takesNothing)
    }

    /// It is not held here, and is to be taken over.
    private func isLeft(_ group: GroupIndex) -> Bool {
        policy.groups[group].enabled && !groups[group].isHeld && !isMaintained(group)
    }

    /// The disk keeps this node neither from fencing nor from going on with what it has no need of
    /// the disk for. It is for a person who asks: nothing is reserved.
    var isFenceKept: Bool {
        isFenceOfUse && (fence.isCounted || disk.lastFenceIsKept)
            && groups.indices.allSatisfy {
                !isTakenOver($0) || disk.hasRoom(for: takeoverTerm(of: $0), of: $0)
            }
    }

    /// The same of all groups, for a person and a peer who ask beforehand.
    var isTakeoverKept: Bool {
        isFenceKept
            && !(disk.isAiling && groups.indices.contains { isLeft($0) && isStateful($0) })
    }

    /// Those before it get theirs first.
    func takeoverTerm(of group: GroupIndex) -> Term {
        var next = nextTerm(of: group)
        for before in 0..<group where isTakenOver(before) { next = next.next.next }
        return next
    }

    /// Even on the lower node, odd on the higher. Two nodes that take over without having heard of
    /// each other, each by an operator's word or order, then never run at one term (S4).
    func nextTerm(of group: GroupIndex) -> Term {
        if planted(.termOfPeerForgotten) { return groups[group].term.next }
        var known = highestTerm(for: group)
        // What it starts without a grant is told after it is started: of each group one term.
        if peer.isLeftDifferences, !mayStart(group), known < .highest {
            known = Term(known.value + 2 * UInt64(peer.listed))
        }
        let next = known.next
        return next.value % 2 == UInt64(policy.me.rawValue) ? next : next.next
    }

    func turn(at now: Instant) -> FencingTurns.Turn? {
        let agreed = configurationIsAgreed
        let turns = FencingTurns(timing: policy.timing, former: agreed ? nil : formerTiming)
        guard let reached = peer.contact.reachedReal,
            let lost = peer.contact.deadline(for: policy.timing.deadAfter)
        else { return nil }
        let heard = max(peer.contact.heard ?? startedAt, reached)
        if fence.firstTurn, fence.level == 0, agreed, let rank = rank,
            case let first = turns.first(rank, reached: reached, heard: heard, lost: lost),
            now <= first.closes, first.opens <= first.closes
        {
            return first
        }
        guard let offset = peer.contact.clockOffset else { return nil }
        return turns.late(me: policy.me, heard: heard, offset: offset, at: now)
    }

    /// While times differ there are late turns alone, and none where one is longer than the shortest,
    /// since the peer's may not be.
    var hasNoTurn: Bool {
        !configurationIsAgreed
            && FencingTurns.lateTurn(policy.timing) > FencingTurns.shortestLateTurn
    }

    /// Of this node's first turn; `nil` where it has late turns only.
    private var rank: Int64? {
        let fit =
            planted(.everybodyFit)
            || (planted(.ranksByPeersFitness) ? peer.message?.health != 0 : isFitForTurns)
        if fit { return view.rank(of: policy.me) }
        // 0.1.0 knows no rank for it.
        return peer.message?.turnsDigest ?? 0 == 0 ? nil : view.unfitRank
    }

    /// Whether this node is fit to go on with what the peer holds. A drill makes nobody unfit.
    var isFitForTurns: Bool {
        if vitals.health.score == 0, !isRehearsed { return false }
        return groups.indices.allSatisfy { group in
            guard report(of: group)?.role == .holding, !isMaintained(group) || isMaintained
            else { return true }
            let hasData =
                isStateful(group)
                ? hasCopy(group) : groups[group].copy.state.suffices(stateful: false)
            return isWilling(group) && (!disk.takesNothing || isInReserve(group)) && hasData
        }
    }

    /// Both nodes' turns go by the same times, and the peer knows that this one does. An agent
    /// that has heard nothing yet goes by what the one before it knew.
    var configurationIsAgreed: Bool {
        guard let theirs = peer.message?.turnsDigest, !planted(.configurationIgnored) else {
            return true
        }
        // A peer of 0.1.0 says only whether the whole file agrees.
        let agree =
            theirs == 0
            ? peer.message?.configurationDigest == policy.digest : theirs == policy.turnsDigest
        return agree && peer.contact.reachedSequence >= configuredSince
    }

    /// Who works, as this node sees it.
    private var view: FencingTurns.View {
        var mine: UInt64 = 0
        var theirs: UInt64 = 0
        let isTold = reportsAreCurrent || planted(.untoldIsClear)
        var clear = peer.message?.seenGeneration == outgoing.generation && isTold
        if peer.worksOnOthers { clear = false }
        for group in groups.indices {
            let priority = UInt64(policy.groups[group].priority)
            if groups[group].isHeld { mine += priority }
            clear = clear && groups[group].isSettled
            guard let report = report(of: group) else {
                if groups[group].isHeld { clear = false }
                continue
            }
            switch report.role {
            case .holding: theirs += report.name == 0 ? priority : UInt64(report.priority)
            case .vacant: break
            case .claiming, .releasing, .granting, .resuming: clear = false
            }
        }
        return FencingTurns.View(clear: clear, mine: mine, theirs: theirs, me: policy.me)
    }

    private mutating func order<Sink: EffectSink>(
        cause: Cause, voidAfter: Instant, at now: Instant, into out: inout Sink
    ) {
        // What the operator orders, or rehearses, costs nothing.
        if fence.count(), cause != .command, cause != .drill {
            disk.countFence(of: policy.fenceBudget, at: now)
        }
        for group in groups.indices where isTakenOver(group) { ownDataAhead(of: group) }
        save(at: now, into: &out)
        fence.order(session: peer.session, cause: cause, at: now)
        out.emit(
            .fence(
                FenceOrder(
                    id: fence.id, level: fence.level, voidAfter: voidAfter, cause: cause,
                    relayTest: cause == .aloneAfter ? .passed : vitals.relayTest,
                    reboots: cause != .command && cause != .drill && !isFitForTurns,
                    onlyIfOff: cause == .aloneAfter && goesByLooks)))
        out.emit(.trace(Trace(.fenceOrdered, cause: cause, number: UInt64(fence.level))))
    }

    /// Alone in this boot, it knows of its peer only that it has no power.
    private var goesByLooks: Bool { !life.hasReceipt && !policy.startup.fencesUnreachable }

    mutating func fenced<Sink: EffectSink>(
        _ id: UInt32, _ outcome: FenceOutcome, at now: Instant, into out: inout Sink
    ) {
        // Perhaps it was on when the relay was to move: it is looked at anew.
        if outcome == .voided { vitals.note(peerOff: false, at: now) }
        let verified = fence.take(
            outcome, of: id, onlyIfOff: goesByLooks, levels: policy.fenceLevels.count,
            retry: policy.timing.fenceRetry, at: now, into: &out)
        if let verified { confirm(verified, wasOff: hasSeenPeerOff(at: now)) }
    }

    /// S3: only here does a fence become a receipt, and only for the session that was fenced.
    private mutating func confirm(_ order: Fence.Ordered, wasOff: Bool) {
        guard peer.session == order.session, let proof = Receipt(.off, of: order.session) else {
            return
        }
        life.goOn(by: proof)
        if let session = order.session {
            peer.ban(session)
        } else {
            leapTerms(by: 2, unmet: order.cause == .aloneAfter)
        }
        peer.lose()
        // A peer that had no power for so long has started nothing that this node does not know of.
        if order.cause == .aloneAfter, wasOff {
            for group in groups.indices { groups[group].noteTerms() }
        }
        // Without contact in this boot it was the operator's order, unless it went by a receipt.
        // The peer may remember one of its own, and two nodes that both remember one would fence
        // each other (S7).
        if peer.isArmed || planted(.orderRemembered) { disk.rememberAlone() }
    }
}
