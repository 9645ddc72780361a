/// The operator, and what the shell reports of the node itself.
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
        case .maintenance(let on):
            memory.maintenance = on
            if !on, !inContact { peerMaintenance = false }
            sendDue = true
            out.emit(.trace(Trace(.maintenance, cause: .command, number: on ? 1 : 0)))
            refusal = nil
        case .pause(let length):
            refusal = pauseRefusal(length)
            if refusal == nil {
                phase = .pausing
                pausing = Pausing(length: length, until: now + .seconds(3), command: id)
                sendDue = true
                out.emit(.trace(Trace(.pausing, cause: .command, duration: length)))
                return
            }
        case .leave:
            leave(at: now, into: &out)
            refusal = nil
        case .clear(let group):
            refusal = clear(group)
        case .drillFailover(let live):
            refusal = drillFailover(live: live, at: now, into: &out)
        case .drill(let on):
            if drill != on {
                drill = on
                sendDue = true
                out.emit(.trace(Trace(on ? .drillBegan : .drillEnded, cause: .drill)))
            }
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
        let here = chosen.filter {
            if case .holding = groups[$0].role { true } else { false }
        }
        let there = chosen.filter { report(of: $0)?.role == .holding }
        if leaving != nil { return .leaving }
        if here.isEmpty, there.isEmpty { return inContact ? .notHeld : .notInContact }
        for group in here {
            if let refusal = moveRefusal(group, automatic: false, at: now) { return refusal }
        }
        for group in there where here.isEmpty {
            if let refusal = wish(group, at: now) { return refusal }
        }
        for group in here {
            release(group, cause: .command, yields: true, automatic: false, into: &out)
        }
        return nil
    }

    private mutating func wish(_ group: GroupIndex, at now: Instant) -> Refusal? {
        if !inContact { return .notInContact }
        if !groupsAgree { return .groupsDiffer }
        if !isEligible(group) { return .selfIneligible }
        if health.score == 0 { return .selfUnfit }
        groups[group].wish = GroupState.Wish(failback: false, until: now + .seconds(10))
        return nil
    }

    private mutating func failback<Sink: EffectSink>(
        _ group: GroupIndex?, at now: Instant, into out: inout Sink
    ) -> Refusal? {
        guard let chosen = selected(group) else { return .unknownGroup }
        if leaving != nil { return .leaving }
        var refusal: Refusal? = .alreadyThere
        for group in chosen {
            if case .holding = groups[group].role, policy.groups[group].prefer == peerID {
                refusal = moveRefusal(group, automatic: false, at: now)
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
        return refusal
    }

    private mutating func orderFence(cause: Cause) -> Refusal? {
        if policy.fenceLevels.isEmpty || fence.distrusted { return .noFence }
        if leaving != nil { return .leaving }
        if fence.step != .idle || fence.episode?.commanded == true { return .busy }
        if receipt != nil, contactState == .lost { return .peerLeft }
        fence.episode = FenceState.Episode(cause: cause, commanded: true)
        fence.level = 0
        return nil
    }

    /// The operator's word that the peer is off: a receipt, where nothing contradicts it.
    private mutating func confirmByWord<Sink: EffectSink>(
        at now: Instant, into out: inout Sink
    ) -> Refusal? {
        if inContact { return .inContact }
        if wasJustHeard(at: now) { return .peerHeard }
        if leaving != nil { return .leaving }
        if receipt != nil, phase == .alone { return .alreadyThere }
        if isFencing { return .busy }
        fence.step = .idle
        fence.episode = nil
        receipt = .operatorsWord(on: peerSession)
        if peerSession == nil { leapTerms(by: 1) }
        if let peerSession {
            banned.append(peerSession)
            if banned.count > 16 { banned.removeFirst() }
            sequenceAtVerification = contact.sequence
        }
        out.emit(.trace(Trace(.fenceConfirmed, cause: .operatorConfirmed)))
        goOn(cause: .operatorConfirmed, into: &out)
        return nil
    }

    /// The peer's present session spoke so lately that it cannot be off by the operator's doing,
    /// though it may hear nothing: where only one direction of the links is dead, there is no contact
    /// and the peer works on (S1).
    private func wasJustHeard(at now: Instant) -> Bool {
        guard peerSession != nil, let heard = contact.heard else { return false }
        return now - heard <= max(.seconds(10), policy.timing.detectWithin * 3)
    }

    private func pauseRefusal(_ length: Duration) -> Refusal? {
        if !inContact { return .notInContact }
        if length > policy.timing.longestPause || length <= .zero { return .tooLong }
        if phase != .paired || pauseUntil != nil || fence.step != .idle { return .busy }
        if groups.contains(where: { !$0.isSettled }) { return .busy }
        return nil
    }

    private mutating func clear(_ group: GroupIndex?) -> Refusal? {
        guard let chosen = selected(group) else { return .unknownGroup }
        for group in chosen {
            groups[group].blockedUntil = nil
            groups[group].failures = 0
            groups[group].toldRefusal = nil
            if case .releasing(var releasing) = groups[group].role, releasing.stuck {
                releasing.retryAt = Instant(nanoseconds: 0)
                groups[group].role = .releasing(releasing)
            }
        }
        if case .failed = fence.step { fence.step = .idle }
        fence.attempts = 0
        fence.distrusted = false
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
        #if PICKET_PLANTED_BUGS
            if planted(.drillFences) { return orderFence(cause: .drill) }
        #endif
        return live ? orderFence(cause: .drill) : nil
    }

    // MARK: The node itself

    mutating func noteHealth<Sink: EffectSink>(_ new: Health, into out: inout Sink) {
        let before = health
        health = new
        if before != new { sendDue = true }
        if before.score != new.score {
            out.emit(.trace(Trace(.healthChanged, number: UInt64(new.score))))
        }
    }

    mutating func noteSync<Sink: EffectSink>(
        _ group: GroupIndex, _ state: GroupReport.SyncState, into out: inout Sink
    ) {
        guard group < groups.count, groups[group].sync != state else { return }
        groups[group].sync = state
        out.emit(.trace(Trace(.syncChanged, group: group, number: UInt64(state.rawValue))))
    }

    mutating func noteRelayTest<Sink: EffectSink>(
        _ result: Message.RelayTest, into out: inout Sink
    ) {
        guard relayTest != result else { return }
        relayTest = result
        switch result {
        case .passed: out.emit(.trace(Trace(.relayTestPassed)))
        case .failed: out.emit(.trace(Trace(.relayTestFailed)))
        case .unknown, .absent: break
        }
    }

    mutating func noteWatchdog<Sink: EffectSink>(_ timeout: Duration, into out: inout Sink) {
        guard watchdog != timeout else { return }
        watchdog = timeout
        out.emit(
            .trace(
                timeout > .zero
                    ? Trace(.watchdogArmed, duration: timeout) : Trace(.watchdogUnarmed)))
    }
}
