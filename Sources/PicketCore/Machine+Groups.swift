/// The groups' rules: formation, handover, failback, takeover, and what fails.
///
/// GroupState.swift draws the states. Each rule here looks at this node's state, the newest report
/// of the peer's, the contact and the receipt, and makes at most one transition.
extension Machine {
    mutating func stepGroup<Sink: EffectSink>(
        _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        absorbTerm(group)
        unblock(group, at: now)
        switch groups[group].role {
        case .vacant: stepVacant(group, at: now, into: &out)
        case .claiming(let claim): step(claim, group, at: now, into: &out)
        case .granting(let grant): step(grant, group, at: now, into: &out)
        case .holding(let active): step(active, group, at: now, into: &out)
        case .releasing(let releasing): step(releasing, group, at: now, into: &out)
        case .resuming(let term): step(resuming: term, group, at: now, into: &out)
        }
        stepWish(group, at: now)
    }

    /// A peer that holds a term, or knows of it, has used it up. A claim uses nothing until it is
    /// granted, and an offer is used up by accepting or declining it.
    private mutating func absorbTerm(_ group: GroupIndex) {
        guard let report = report(of: group) else { return }
        #if PICKET_PLANTED_BUGS
            if planted(.termOfPeerForgotten) { return }
        #endif
        switch report.role {
        case .vacant, .holding, .releasing:
            if report.term > groups[group].term { groups[group].term = report.term }
        case .claiming, .granting, .resuming: break
        }
    }

    private mutating func unblock(_ group: GroupIndex, at now: Instant) {
        if let until = groups[group].blockedUntil, now >= until {
            groups[group].blockedUntil = nil
        }
    }

    /// Whether this node would start the group if it were given it.
    func isEligible(_ group: GroupIndex) -> Bool {
        guard policy.groups[group].enabled, !groups[group].blocked else { return false }
        switch phase {
        case .paired, .alone: return true
        case .waiting, .pausing, .leaving, .left: return false
        }
    }

    /// Both nodes list the same groups in the same order, so that what the peer says of a place in
    /// the list is said of the same group. Where they do not, nothing is claimed, granted, yielded or
    /// taken: the peer would start another group than the one that was meant, and both could run
    /// one (S1). A peer that does not say agrees if its whole file does.
    @inline(__always)
    var groupsAgree: Bool {
        guard let theirs = peer?.groupsDigest else { return true }
        return theirs == 0
            ? peer?.configurationDigest == policy.digest : theirs == policy.groupsDigest
    }

    // MARK: Vacant

    private mutating func stepVacant<Sink: EffectSink>(
        _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        if let report = report(of: group), inContact, phase != .waiting {
            switch report.role {
            case .granting where groupsAgree && report.term > groups[group].term:
                take(report, group, at: now, into: &out)
                return
            case .claiming where groupsAgree && report.term > groups[group].term:
                grant(report.term, group, resumed: false, into: &out)
                return
            case .resuming:
                grant(report.term, group, resumed: true, into: &out)
                return
            case .vacant where groupsAgree && receipt == nil && isMine(group, report):
                claim(group, after: report.term, into: &out)
                return
            case .vacant, .claiming, .holding, .releasing, .granting: break
            }
        }
        takeOver(group, into: &out)
    }

    /// The peer's offer: accepted, or declined by using its term up.
    private mutating func take<Sink: EffectSink>(
        _ report: GroupReport, _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        guard isEligible(group) else {
            groups[group].term = report.term
            return
        }
        guard mayUse(report.term, of: group), let session = peerSession,
            let active = Active(offer: report, group: group, session: session)
        else { return }
        if report.flags.contains(.automatic) { countMove(at: now) }
        activate(active, into: &out)
    }

    private mutating func grant<Sink: EffectSink>(
        _ term: Term, _ group: GroupIndex, resumed: Bool, into out: inout Sink
    ) {
        guard mayUse(term, of: group) else { return }
        groups[group].term = max(groups[group].term, term)
        groups[group].role = .granting(
            Granting(term: term, automatic: false, resumed: resumed))
        memory.groups[group].holder = .peer
        out.emit(.trace(Trace(.granted, group: group, term: term)))
    }

    /// Which of the two starts a vacant group: who can, then who is fit, then who is preferred.
    private func isMine(_ group: GroupIndex, _ report: GroupReport) -> Bool {
        guard isEligible(group), let peer,
            peer.phase == .paired || peer.phase == .alone
                || peer.phase == .leaving || peer.phase == .left
        else { return false }
        guard report.flags.contains(.eligible) else { return true }
        let fit = health.score > 0
        if fit != (peer.health > 0) { return fit }
        return policy.groups[group].prefer == policy.me
    }

    private mutating func claim<Sink: EffectSink>(
        _ group: GroupIndex, after seen: Term, into out: inout Sink
    ) {
        let term = max(groups[group].term, seen).next
        guard mayUse(term, of: group) else { return }
        groups[group].term = term
        groups[group].role = .claiming(Claiming(term: term))
        out.emit(.trace(Trace(.claimed, group: group, term: term, cause: .formation)))
    }

    /// By a receipt. Nothing else lets a node act without the peer's consent.
    private mutating func takeOver<Sink: EffectSink>(
        _ group: GroupIndex, into out: inout Sink
    ) {
        guard let receipt = validReceipt, isEligible(group) else { return }
        let term = takeoverTerm(of: group)
        guard mayUse(term, of: group) else { return }
        let cause: Cause =
            switch receipt.proof {
            case .verifiedOff: .fenced
            case .left: .peerLeft
            case .operatorsWord: .operatorConfirmed
            case .remembered: .aloneAfter
            }
        activate(
            Active(takeover: group, term: term, receipt: receipt, cause: cause), into: &out)
    }

    private mutating func activate<Sink: EffectSink>(
        _ active: Active, into out: inout Sink
    ) {
        let group = active.activation.group
        groups[group].term = active.term
        groups[group].role = .holding(active)
        groups[group].wish = nil
        groups[group].toldRefusal = nil
        memory.groups[group].holder = .me
        #if PICKET_PLANTED_BUGS
            if !planted(.noteAfterStart) { note(into: &out) }
        #else
            note(into: &out)
        #endif
        switch active.run {
        case .starting:
            out.emit(.start(active.activation))
            out.emit(
                .trace(
                    Trace(
                        .activating, group: group, term: active.term,
                        cause: active.activation.cause)))
        case .running:
            out.emit(.adopt(active.activation))
            out.emit(
                .trace(
                    Trace(
                        .adopted, group: group, term: active.term,
                        cause: active.activation.cause)))
        }
    }

    // MARK: Claiming and granting

    private mutating func step<Sink: EffectSink>(
        _ claim: Claiming, _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        guard isEligible(group), groupsAgree else {
            groups[group].role = .vacant
            return
        }
        if let report = report(of: group), inContact, let session = peerSession {
            switch report.role {
            case .granting:
                if let active = Active(
                    from: claim, group: group, report: report, session: session)
                {
                    activate(active, into: &out)
                } else if report.term > claim.term {
                    groups[group].role = .vacant
                }
                return
            case .claiming
            where report.term > claim.term || (report.term == claim.term && policy.me == .high):
                groups[group].role = .vacant
                grant(report.term, group, resumed: false, into: &out)
                return
            case .holding, .releasing, .resuming:
                groups[group].role = .vacant
                return
            #if PICKET_PLANTED_BUGS
                case .vacant where planted(.anyReportGrants):
                    var given = report
                    given.term = claim.term
                    if let active = Active(
                        from: claim, group: group, report: given, session: session)
                    {
                        activate(active, into: &out)
                    }
                    return
            #endif
            case .vacant, .claiming: break
            }
        }
        takeOver(group, into: &out)
    }

    private mutating func step<Sink: EffectSink>(
        _ grant: Granting, _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        guard let report = report(of: group), inContact else {
            takeOver(group, into: &out)
            return
        }
        switch report.role {
        case .holding where report.term >= grant.term,
            .releasing where report.term >= grant.term:
            groups[group].role = .vacant
        case .vacant where report.term >= grant.term && !grant.resumed:
            // Declined, or given back already.
            groups[group].role = .vacant
        case .vacant where grant.resumed:
            groups[group].role = .vacant
        case .claiming where report.term > grant.term, .granting where report.term > grant.term,
            .resuming where report.term != grant.term:
            groups[group].role = .vacant
            stepVacant(group, at: now, into: &out)
        case .vacant, .claiming, .holding, .releasing, .granting, .resuming:
            takeOver(group, into: &out)
        }
    }

    // MARK: Holding

    private mutating func step<Sink: EffectSink>(
        _ active: Active, _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        #if PICKET_PLANTED_BUGS
            if planted(.grantWhileHolding), let report = report(of: group), inContact,
                report.flags.contains(.wanted)
            {
                return grant(takeoverTerm(of: group), group, resumed: false, into: &out)
            }
            let conflicts = !planted(.conflictIgnored)
        #else
            let conflicts = true
        #endif
        if conflicts, let report = report(of: group), inContact, report.role == .holding,
            report.term > active.term
        {
            out.emit(.trace(Trace(.conflict, group: group, term: report.term, cause: .conflict)))
            release(group, cause: .conflict, yields: false, automatic: true, into: &out)
            return
        }
        if leaving != nil {
            release(group, cause: .plannedStop, yields: true, automatic: false, into: &out)
            return
        }
        guard active.run == .running else { return }
        let report = report(of: group)
        if let report, report.flags.contains(.wanted) {
            move(group, cause: .command, automatic: false, at: now, into: &out)
        } else if health.score == 0 {
            move(group, cause: .healthCritical, automatic: true, at: now, into: &out)
        } else if let report, report.flags.contains(.failback) {
            move(group, cause: .failback, automatic: true, at: now, into: &out)
        } else {
            groups[group].toldRefusal = nil
        }
    }

    /// Hands the group over, or says once why not.
    private mutating func move<Sink: EffectSink>(
        _ group: GroupIndex, cause: Cause, automatic: Bool, at now: Instant, into out: inout Sink
    ) {
        if let refusal = moveRefusal(group, automatic: automatic, at: now) {
            guard groups[group].toldRefusal != refusal else { return }
            groups[group].toldRefusal = refusal
            let kind: Trace.Kind =
                refusal == .peerUnfit && health.score == 0 ? .unfitBoth : .moveRefused
            out.emit(.trace(Trace(kind, group: group, cause: cause, refusal: refusal)))
            return
        }
        if automatic { countMove(at: now) }
        release(group, cause: cause, yields: true, automatic: automatic, into: &out)
    }

    func moveRefusal(_ group: GroupIndex, automatic: Bool, at now: Instant) -> Refusal? {
        guard inContact, let peer else { return .notInContact }
        if !groupsAgree { return .groupsDiffer }
        guard let report = report(of: group) else { return .notInContact }
        if phase != .paired || peer.phase != .paired { return .busy }
        if automatic, maintenance || peerMaintenance { return .maintenance }
        if !report.flags.contains(.eligible) { return .peerIneligible }
        if peer.health == 0 { return .peerUnfit }
        if report.sync == .stale || report.sync == .failed { return .peerStale }
        if automatic,
            spent(memory.moves, of: policy.moveBudget, at: now) >= policy.moveBudget.count
        {
            return .moveBudgetSpent
        }
        return nil
    }

    mutating func release<Sink: EffectSink>(
        _ group: GroupIndex, cause: Cause, yields: Bool, automatic: Bool, into out: inout Sink
    ) {
        guard case .holding(let active) = groups[group].role else { return }
        groups[group].role = .releasing(
            Releasing(from: active, cause: cause, yields: yields, automatic: automatic))
        out.emit(.stop(group, cause: cause))
        out.emit(.trace(Trace(.releasing, group: group, term: active.term, cause: cause)))
        #if PICKET_PLANTED_BUGS
            if planted(.releasedBeforeStopped) { released(group, at: promised, into: &out) }
        #endif
    }

    // MARK: Releasing and resuming

    private mutating func step<Sink: EffectSink>(
        _ releasing: Releasing, _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        guard releasing.stuck, now >= releasing.retryAt else { return }
        var again = releasing
        again.retryAt = now + .seconds(30)
        groups[group].role = .releasing(again)
        out.emit(.stop(group, cause: releasing.cause))
    }

    private mutating func step<Sink: EffectSink>(
        resuming term: Term, _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        if leaving != nil {
            abandon(term, group, cause: .plannedStop, into: &out)
        } else if let receipt = validReceipt {
            activate(Active(resuming: term, group: group, receipt: receipt), into: &out)
        } else if let report = report(of: group), inContact, let session = peerSession {
            if let active = Active(
                resuming: term, group: group, report: report, session: session)
            {
                activate(active, into: &out)
            } else if isElsewhere(report, resuming: term) {
                abandon(term, group, cause: .conflict, into: &out)
            }
        }
    }

    /// Of two that found it running, the one with the higher term keeps it.
    private func isElsewhere(_ report: GroupReport, resuming term: Term) -> Bool {
        switch report.role {
        case .holding, .granting: true
        case .resuming: report.term > term || (report.term == term && policy.me == .high)
        case .vacant, .claiming, .releasing: false
        }
    }

    private mutating func abandon<Sink: EffectSink>(
        _ term: Term, _ group: GroupIndex, cause: Cause, into out: inout Sink
    ) {
        groups[group].role = .releasing(Releasing(resuming: term, cause: cause))
        out.emit(.stop(group, cause: cause))
        out.emit(.trace(Trace(.orphaned, group: group, term: term, cause: cause)))
    }

    // MARK: Outcomes

    mutating func resources<Sink: EffectSink>(
        _ group: GroupIndex, _ outcome: ResourceOutcome, at now: Instant, into out: inout Sink
    ) {
        guard group < groups.count else { return }
        switch (groups[group].role, outcome) {
        case (.holding(var active), .started):
            active.run = .running
            groups[group].role = .holding(active)
            groups[group].failures = 0
            out.emit(
                .trace(
                    Trace(
                        .active, group: group, term: active.term, cause: active.activation.cause)))
        case (.holding(let active), .startFailed):
            out.emit(
                .trace(
                    Trace(
                        .startFailed, group: group, term: active.term,
                        cause: active.activation.cause)))
            block(group, at: now)
            groups[group].role = .releasing(
                Releasing(from: active, cause: .startFailed, yields: true, automatic: true))
            released(group, at: now, into: &out)
        case (.holding(let active), .startFailedDirty):
            block(group, at: now)
            var stuck = Releasing(
                from: active, cause: .startFailed, yields: true, automatic: true)
            stick(&stuck, group, at: now, into: &out)
        case (.holding(let active), .failed):
            out.emit(
                .trace(
                    Trace(
                        .monitorFailed, group: group, term: active.term, cause: .monitorFailed)))
            let moves = moveRefusal(group, automatic: true, at: now) == nil
            if moves { countMove(at: now) }
            block(group, at: now)
            release(group, cause: .monitorFailed, yields: moves, automatic: true, into: &out)
        case (.holding(let active), .restarted):
            out.emit(.trace(Trace(.restarted, group: group, term: active.term)))
        case (.releasing, .stopped), (.releasing, .startFailed):
            released(group, at: now, into: &out)
        case (.releasing(var releasing), .stopFailed),
            (.releasing(var releasing), .startFailedDirty):
            stick(&releasing, group, at: now, into: &out)
        case (.releasing, _), (.holding, .stopped), (.holding, .stopFailed), (.vacant, _),
            (.claiming, _), (.granting, _), (.resuming, _):
            break
        }
    }

    /// Every resource is stopped here: the group is offered to the peer, or stays vacant.
    private mutating func released<Sink: EffectSink>(
        _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        guard case .releasing(let releasing) = groups[group].role else { return }
        groups[group].role = .vacant
        if releasing.unknown { return }
        memory.groups[group].holder = .nobody
        out.emit(
            .trace(
                Trace(.released, group: group, term: releasing.term, cause: releasing.cause)))
        guard releasing.yields, groupsAgree, inContact, let report = report(of: group),
            report.flags.contains(.eligible), report.role == .vacant
        else { return }
        let term = takeoverTerm(of: group)
        guard mayUse(term, of: group) else { return }
        groups[group].term = term
        groups[group].role = .granting(
            Granting(term: term, automatic: releasing.automatic))
        memory.groups[group].holder = .peer
        out.emit(.trace(Trace(.yielded, group: group, term: term, cause: releasing.cause)))
    }

    private mutating func stick<Sink: EffectSink>(
        _ releasing: inout Releasing, _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        let first = !releasing.stuck
        releasing.stuck = true
        releasing.retryAt = now + .seconds(30)
        groups[group].role = .releasing(releasing)
        guard first else { return }
        out.emit(.trace(Trace(.stopFailed, group: group, term: releasing.term)))
        if releasing.unknown { return }
        out.emit(.trace(Trace(.askedToBeFenced, group: group, cause: .stopFailed)))
    }

    /// Not here for a while: 10 s, doubled with each failure in a row up to about ten minutes.
    private mutating func block(_ group: GroupIndex, at now: Instant) {
        groups[group].blockedUntil =
            now + .seconds(10) * (1 << min(groups[group].failures, 6))
        groups[group].failures += 1
    }

    // MARK: Wishes

    /// Automatic failback: this node is preferred, the peer holds, and all has been well for long
    /// enough. Also lets an unanswered wish of the operator's lapse.
    private mutating func stepWish(_ group: GroupIndex, at now: Instant) {
        if let wish = groups[group].wish, now >= wish.until { groups[group].wish = nil }
        guard case .auto(let stableFor) = policy.groups[group].failback,
            policy.groups[group].prefer == policy.me, isWell(group)
        else {
            if groups[group].stableSince != nil { groups[group].stableSince = nil }
            if groups[group].wish?.failback == true { groups[group].wish = nil }
            return
        }
        let since = groups[group].stableSince ?? now
        groups[group].stableSince = since
        if now - since >= stableFor, groups[group].wish == nil {
            groups[group].wish = GroupState.Wish(failback: true, until: .distantFuture)
        }
    }

    private func isWell(_ group: GroupIndex) -> Bool {
        guard inContact, phase == .paired, isEligible(group), health.score > 50,
            case .vacant = groups[group].role, let report = report(of: group),
            report.role == .holding, report.flags.contains(.running)
        else { return false }
        switch groups[group].sync {
        case .unknown, .current: return true
        case .stale, .failed: return false
        }
    }
}
