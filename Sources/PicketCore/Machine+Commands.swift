/// The operator.
extension Machine {
    mutating func obey<Sink: EffectSink>(
        _ command: Command, id: UInt32, at now: Instant, into out: inout Sink
    ) {
        let refusal: Refusal?
        switch command {
        case .handover(let group): refusal = handover(group, at: now, into: &out)
        case .failback(let group): refusal = failback(group, at: now, into: &out)
        case .fence: refusal = orderFence(cause: .command)
        case .confirmFence: refusal = confirmByWord(at: now, into: &out)
        case .maintenance(let on, let group, let despite):
            guard
                let result = order(
                    maintenance: on, of: group, despite: despite, id: id, at: now, into: &out)
            else { return }
            if case .refusedFor(let refusal, let group) = result {
                out.emit(
                    .trace(
                        Trace(.commandRefused, group: group, cause: .command, refusal: refusal)))
            }
            out.emit(.answer(id: id, result))
            return
        case .pause(let length):
            refusal = pauseRefusal(length)
            if refusal == nil {
                life.pause(
                    Life.Pausing(length: length, until: now + .seconds(3), command: id))
                outgoing.noteChange()
                out.emit(.trace(Trace(.pausing, cause: .command, duration: length)))
                return
            }
        case .leave:
            leave(at: now, into: &out)
            refusal = nil
        case .clear(let group):
            refusal = clear(group)
        case .clearBudgets:
            disk.clearBudgets()
            out.emit(.trace(Trace(.budgetsCleared, cause: .command)))
            refusal = nil
        case .take(let group, let stale): refusal = take(group, stale: stale, into: &out)
        case .drillFailover(let live):
            refusal = drillFailover(live: live, at: now, into: &out)
        case .drill(let on):
            if vitals.note(drill: on, into: &out) { outgoing.noteChange() }
            refusal = nil
        }
        if let refusal {
            out.emit(.trace(Trace(.commandRefused, cause: .command, refusal: refusal)))
        }
        out.emit(.answer(id: id, refusal.map { .refused($0) } ?? .accepted))
    }

    private func selected(_ group: GroupIndex?) -> [GroupIndex]? {
        guard let group else { return Array(groups.indices) }
        return groups.indices.contains(group) ? [group] : nil
    }

    /// From whichever node holds it to the other: released here, or asked for from here.
    private mutating func handover<Sink: EffectSink>(
        _ group: GroupIndex?, at now: Instant, into out: inout Sink
    ) -> Refusal? {
        guard let chosen = selected(group) else { return .unknownGroup }
        let here = chosen.filter { groups[$0].isHolding }
        let there = chosen.filter { isHeldByPeer($0) }
        if life.isLeaving { return .leaving }
        if here.isEmpty, there.isEmpty { return notHeldRefusal(chosen, at: now) }
        for group in here {
            if let refusal = orderedMoveRefusal(group, at: now) { return refusal }
        }
        for group in there where here.isEmpty {
            if let refusal = wish(group, at: now) { return refusal }
        }
        for group in here {
            release(group, cause: .command, yields: true, automatic: false, into: &out)
        }
        return nil
    }

    private func orderedMoveRefusal(_ group: GroupIndex, at now: Instant) -> Refusal? {
        let refusal = moveRefusal(group, automatic: false, charged: false, at: now)
        return refusal == .notInContact && !inContact ? awayRefusal : refusal
    }

    /// Why none of these is held by a node.
    private func notHeldRefusal(_ chosen: [GroupIndex], at now: Instant) -> Refusal {
        if chosen.count == 1, let why = obstacle(of: chosen[0], at: now), why != .peersTurn {
            return why
        }
        return inContact ? .notHeld : awayRefusal
    }

    /// What is refused without contact. A peer that is known to be off need not be declared off.
    private var awayRefusal: Refusal { offRefusal(life.validReceipt) ?? .notInContact }

    private func offRefusal(_ receipt: Receipt?) -> Refusal? {
        guard let receipt, receipt.isWhole else { return nil }
        return receipt.proof == .left ? .peerLeft : .peerOff
    }

    private mutating func wish(_ group: GroupIndex, at now: Instant) -> Refusal? {
        if !inContact { return awayRefusal }
        if !mayStart(group) { return .groupsDiffer }
        if !groups[group].isReady, !planted(.unreadyIsWilling) { return .notReady }
        if !isEligible(group) { return isWilling(group) ? .notPersisted : .selfIneligible }
        if vitals.health.score == 0 { return .selfUnfit }
        if isStateful(group), groups[group].copy.state != .current { return .copyNotCurrent }
        groups[group].ask(failback: false, until: now + .seconds(10))
        return nil
    }

    private mutating func failback<Sink: EffectSink>(
        _ group: GroupIndex?, at now: Instant, into out: inout Sink
    ) -> Refusal? {
        guard let chosen = selected(group) else { return .unknownGroup }
        if life.isLeaving { return .leaving }
        var refusal: Refusal? = .alreadyThere
        for group in chosen {
            if groups[group].isHolding, policy.groups[group].prefer == peerID {
                refusal = orderedMoveRefusal(group, at: now)
                if refusal == nil {
                    release(group, cause: .failback, yields: true, automatic: false, into: &out)
                }
            } else if report(of: group)?.role == .holding,
                policy.groups[group].prefer == policy.me
            {
                refusal = wish(group, at: now)
            }
            if let refusal, refusal != .alreadyThere { return refusal }
        }
        let isHeld = chosen.contains { groups[$0].isHolding || isHeldByPeer($0) }
        return refusal != nil && !isHeld ? notHeldRefusal(chosen, at: now) : refusal
    }

    private mutating func orderFence(cause: Cause) -> Refusal? {
        if !canFence { return .noFence }
        if life.isLeaving { return .leaving }
        if peer.state == .lost, let refusal = offRefusal(life.receipt) { return refusal }
        if !fence.isIdle || fence.isCommanded { return .busy }
        fence.command(cause)
        return nil
    }

    /// The operator's word that the peer is off: a receipt, where nothing contradicts it.
    private mutating func confirmByWord<Sink: EffectSink>(
        at now: Instant, into out: inout Sink
    ) -> Refusal? {
        if inContact { return .inContact }
        if wasJustHeard(at: now) { return .peerHeard }
        if life.isLeaving { return .leaving }
        if let refusal = offRefusal(life.validReceipt) { return refusal }
        if fence.isOrdered { return .busy }
        fence.abandon()
        if let session = peer.session {
            peer.ban(session, declaredAt: now)
        } else {
            leapTerms(by: 1)
        }
        out.emit(.trace(Trace(.fenceConfirmed, cause: .operatorConfirmed)))
        goOn(
            by: .operatorsWord(on: peer.session), cause: .operatorConfirmed, into: &out)
        return nil
    }

    /// The peer spoke so lately that it cannot be off by the operator's doing, though it may hear
    /// nothing: where only one direction of the links is dead, there is no contact and the peer
    /// works on (S1). Of a session that this agent never met, or does not know yet, it hears hellos.
    func wasJustHeard(at now: Instant) -> Bool {
        wasHeard(within: max(.seconds(10), policy.timing.detectWithin * 3), at: now)
    }

    /// It is silent for less than what a pair of idle hellos takes. What a peer that is lost said before
    /// is no sign that it lives.
    func speaks(at now: Instant) -> Bool {
        if planted(.speechOutlivesPeer) { return wasJustHeard(at: now) }
        let lost = peer.state == .lost ? peer.contact.deadline(for: policy.timing.deadAfter) : nil
        return wasHeard(
            within: max(.seconds(2), policy.timing.detectWithin), since: lost, at: now)
    }

    /// What a session said that was verified off since says nothing of it.
    private func wasHeard(
        within window: Duration, since: Instant? = nil, at now: Instant
    ) -> Bool {
        let isOver = peer.session == peer.banned.last && !planted(.speechOutlivesPeer)
        var heard = peer.session == nil || isOver ? nil : peer.contact.heard
        if let since, let last = heard, last <= since { heard = nil }
        return [heard, peer.hailed].contains { $0.map { now - $0 <= window } ?? false }
    }

    private func pauseRefusal(_ length: Duration) -> Refusal? {
        if !inContact { return awayRefusal }
        if length > policy.timing.longestPause || length <= .zero { return .tooLong }
        if !life.isPaired || peer.pausedUntil != nil || !fence.isIdle { return .busy }
        if groups.contains(where: { !$0.isSettled || $0.isStarting || $0.next != nil }) {
            return .busy
        }
        return nil
    }

    private mutating func clear(_ group: GroupIndex?) -> Refusal? {
        guard let chosen = selected(group) else { return .unknownGroup }
        for group in chosen { groups[group].clear() }
        // That a fence is mended is said of the fence, not of a group that failed.
        if group == nil || planted(.anyClearTrusts) {
            fence.clear()
            disk.distrust(false)
        }
        return nil
    }

    /// The operator's last word on groups whose takeover is to be asked for; and on stateful ones
    /// that wait because no copy is known to be the newest, which may be in contact.
    private mutating func take<Sink: EffectSink>(
        _ group: GroupIndex?, stale: Bool, into out: inout Sink
    ) -> Refusal? {
        guard let all = selected(group) else { return .unknownGroup }
        if life.isLeaving { return .leaving }
        // An answer that waited for its end would start the group when nobody thinks of it any more.
        let chosen = all.filter { !isMaintained($0) }
        if chosen.isEmpty, !all.isEmpty {
            return isMaintained ? .maintenance : .groupMaintained
        }
        let waiting = chosen.filter { waitsForCopy($0) }
        if stale {
            for group in waiting {
                groups[group].nameCopy()
                if policy.groups[group].takeover == .ask { groups[group].answerQuestion() }
                out.emit(.trace(Trace(.staleTaken, group: group, cause: .command)))
            }
            if !waiting.isEmpty { return nil }
        }
        if life.validReceipt == nil {
            if !waiting.isEmpty { return .copyNotCurrent }
            return inContact ? .inContact : .peerMayHold
        }
        let asked = chosen.filter { groups[$0].question == .asked && startsOnCopy($0) }
        if asked.isEmpty { return waiting.isEmpty ? .notAsked : .copyNotCurrent }
        for group in asked {
            groups[group].answerQuestion()
            out.emit(.trace(Trace(.taken, group: group, cause: .command)))
        }
        return nil
    }

    private mutating func drillFailover<Sink: EffectSink>(
        live: Bool, at now: Instant, into out: inout Sink
    ) -> Refusal? {
        let refusal = protectionGap(at: now)
        out.emit(
            .trace(
                Trace(
                    .drillPlan, cause: .drill, refusal: refusal,
                    duration: policy.timing.detectWithin + policy.timing.offWithin,
                    number: UInt64(policy.fenceLevels.count))))
        if let refusal { return refusal }
        for group in groups.indices
        where isHeldByPeer(group) && policy.groups[group].takeover == .ask {
            out.emit(.trace(Trace(.drillPlan, group: group, cause: .drill)))
        }
        return live || planted(.drillFences) ? orderFence(cause: .drill) : nil
    }
}
