/// The groups' rules: formation, handover, failback, takeover, and what fails.
///
/// Group.swift draws the states. Each rule here looks at this node's state, the newest report
/// of the peer's, the contact and the receipt, and makes at most one transition.
extension Machine {
    mutating func stepGroup<Sink: EffectSink>(
        _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        absorbTerm(group)
        noteHolder(group)
        stepFailures(group, at: now)
        if let sync = policy.groups[group].sync {
            stepData(group, sync, at: now, into: &out)
            stepReplication(group, sync, at: now, into: &out)
        }
        if groups[group].isBlockOver(at: now) { groups[group].unblock() }
        if policy.groups[group].takeover == .ask { stepQuestion(group) }
        switch groups[group].role {
        case .vacant where isToBeStopped(group), .unknown where isToBeStopped(group),
            .releasing where isToBeStopped(group):
            stopLeft(group, into: &out)
        case .unknown, .releasing: retryStop(group, at: now, into: &out)
        case .vacant: stepVacant(group, at: now, into: &out)
        case .claiming(let claim): step(claim, group, at: now, into: &out)
        case .granting(let grant): step(grant, group, at: now, into: &out)
        case .holding(let active): step(active, group, at: now, into: &out)
        case .resuming(let term): step(resuming: term, group, at: now, into: &out)
        }
        stepWish(group, at: now)
    }

    /// Hands were off it. It may run here, and this node does not hold it.
    @inline(__always)
    private func isToBeStopped(_ group: GroupIndex) -> Bool {
        (groups[group].isStopDue || groups[group].isStray) && !isMaintained(group)
            && !planted(.leftRunningAtEnd)
    }

    private mutating func stopLeft<Sink: EffectSink>(_ group: GroupIndex, into out: inout Sink) {
        groups[group].beginStop()
        out.emit(.stop(group, cause: groups[group].isSeen ? .conflict : .agentRestarted))
    }

    /// The operator's answer holds as long as the receipt. What was active here already when the
    /// peer went off is no takeover.
    private mutating func stepQuestion(_ group: GroupIndex) {
        if life.validReceipt == nil {
            groups[group].dropQuestion()
        } else if groups[group].isHolding {
            groups[group].answerQuestion()
        }
    }

    /// What failed here lately, and whether it may start on the peer.
    @inline(__always)
    private mutating func stepFailures(_ group: GroupIndex, at now: Instant) {
        if groups[group].failures > 0 {
            groups[group].noteRuns(
                runsWell(group), for: policy.groups[group].forgetsAfter, at: now)
        }
        let isRefused = groups[group].refusedBy != nil
        guard groups[group].hasFailed || isRefused else { return }
        if inContact, report(of: group)?.role == .holding {
            groups[group].forgetFailing()
            groups[group].forgetRefusedTerm()
        } else {
            let stays =
                !groups[group].isHeld && peer.knowsMaintenance && hasCopy(group)
                && (isRefused && isEligible(group)
                    || groups[group].hasFailed && isMoveBudgetSpent(at: now))
            if stays != groups[group].stays { groups[group].stay(stays) }
        }
    }

    /// It is up, here or on the peer.
    private func runsWell(_ group: GroupIndex) -> Bool {
        if case .holding(let active) = groups[group].role { return active.run == .running }
        guard inContact, let report = report(of: group) else { return false }
        return report.role == .holding && report.flags.contains(.running)
    }

    /// The peer alone starts it again.
    func theyStay(_ group: GroupIndex, _ report: GroupReport) -> Bool {
        report.flags.contains(.stays) && !groups[group].stays
    }

    private func isMoveBudgetSpent(at now: Instant) -> Bool {
        policy.moveBudget.spent(disk.memory.moves, at: now) >= policy.moveBudget.count
    }

    /// A peer that holds a term, or knows of it, has used it up. A claim uses nothing until it is
    /// granted, and an offer is used up by accepting or declining it.
    @inline(__always)
    private mutating func absorbTerm(_ group: GroupIndex) {
        guard let report = report(of: group), report.term > groups[group].term,
            !planted(.termOfPeerForgotten)
        else { return }
        switch report.role {
        case .vacant, .holding, .releasing: groups[group].use(report.term)
        case .claiming, .granting, .resuming: break
        }
    }

    /// Whoever gave it the right: an agent that follows is to know where somebody works, though it
    /// may not hear its peer.
    @inline(__always)
    private mutating func noteHolder(_ group: GroupIndex) {
        guard disk.memory.groups[group].maintenance.isOn,
            disk.memory.groups[group].holder != .peer, inContact, !groups[group].isHeld,
            report(of: group)?.role == .holding, !planted(.holderForgotten)
        else { return }
        disk.note(.peer, of: group)
    }

    /// Whether this node would start the group if it were given it: it is willing, and its disk has
    /// room for the term that it would be given, or may have it in a moment.
    func isEligible(_ group: GroupIndex) -> Bool {
        isWilling(group) && isKept(group)
    }

    /// The disk takes what a start needs, or will in a moment.
    func isKept(_ group: GroupIndex) -> Bool { !disk.isAiling || isInReserve(group) }

    /// It starts without its disk.
    func isInReserve(_ group: GroupIndex) -> Bool {
        hasRoom(group) && !isStateful(group) || planted(.eligibleWithoutRoom)
    }

    /// The next term is two above what is known, at most: another node's numbers may come between. Each
    /// other group may be started before.
    private func hasRoom(_ group: GroupIndex) -> Bool {
        let known = highestTerm(for: group)
        return disk.hasRoom(for: Term(known.value + 2 * UInt64(groups.count)), of: group)
    }

    /// Whether anything but the disk keeps this node from starting the group.
    func isWilling(_ group: GroupIndex) -> Bool {
        guard policy.groups[group].enabled, !groups[group].isBlocked, !vitals.isGivingUp,
            !waitsForRetired(group), groups[group].isReady || planted(.unreadyIsWilling)
        else { return false }
        switch life {
        case .paired, .alone, .returning: return true
        case .waiting, .pausing, .leaving, .left: return false
        }
    }

    mutating func noteReady<Sink: EffectSink>(
        _ group: GroupIndex, _ isReady: Bool, into out: inout Sink
    ) {
        guard groups.indices.contains(group), groups[group].note(ready: isReady) else { return }
        out.emit(.trace(Trace(isReady ? .readyAgain : .unready, group: group)))
    }

    /// Both files give the group the same resources, so that it is the same group to both. Where
    /// they do not, it is neither claimed, granted nor yielded: a resource may have moved from one
    /// group to another, and each node could run it under another name (S1). What runs goes on.
    @inline(__always)
    func mayStart(_ group: GroupIndex) -> Bool {
        (group >= peer.matches.count || !peer.matches[group].bars || planted(.resourcesIgnored))
            && !waitsForRetired(group)
    }

    /// Something that is gone from the file may run here still, and the group may have what it had.
    @inline(__always)
    func waitsForRetired(_ group: GroupIndex) -> Bool {
        policy.groups[group].isAdded && !planted(.retiredNotAwaited)
            && isDropping
    }

    /// The node that starts a group that neither has. Files that differ in that, too, may make each
    /// prefer the other.
    func isPreferred(_ group: GroupIndex) -> Bool {
        peer.difference(of: group).contains(.settings)
            ? policy.me == .low : policy.groups[group].prefer == policy.me
    }

    // MARK: What the files have otherwise

    /// One node alone starts it, by its own file: the one that has something of it or had it last,
    /// else the lower. The other one leaves it all to that node, for as long as that node's session
    /// lives: one name need not mean one thing, so the promise is for all groups at once. Where both
    /// leave it, the higher node is held to it.
    mutating func stepDifferences() {
        guard inContact, life.isPaired else { return }
        if peer.isLeftDifferences {
            if peer.leavesDifferences, policy.me == .low { leaveDifferences(false) }
            return
        }
        guard !peer.leavesDifferences else { return }
        var mine = false
        for group in groups.indices where differs(group) {
            if let report = report(of: group), report.role == .holding {
                disk.note(.peer, of: group)
            }
            guard case .vacant = groups[group].role else { return }
            mine = mine || hadLast(group)
        }
        let theirs = peer.heldDifferences
        if peer.runsDifferences || (theirs == mine ? policy.me == .high : theirs) {
            leaveDifferences(true)
        }
    }

    private mutating func leaveDifferences(_ leaves: Bool) {
        peer.leaveDifferences(leaves)
        outgoing.noteChange()
    }

    private func hadLast(_ group: GroupIndex) -> Bool {
        groups[group].runningTerm != nil || disk.memory.groups[group].holder == .me
    }

    /// Something that differs is active here, or was so last.
    var heldDifferences: Bool { groups.indices.contains { differs($0) && hadLast($0) } }

    /// Or is about to, because the file changes it.
    private func differs(_ group: GroupIndex) -> Bool {
        !mayStart(group) || groups[group].next != nil
    }

    /// What the peer leaves to this node.
    private mutating func startDifferent<Sink: EffectSink>(
        _ group: GroupIndex, into out: inout Sink
    ) {
        guard mayForm(group), inContact, life.isPaired, let session = peer.session,
            isEligible(group), !peer.mayRunDifferences,
            peer.leavesDifferences && !peer.isLeftDifferences || planted(.differencesNotLeft),
            knowsMyTerm(of: group), startsDifferentByData(group, into: &out)
        else { return }
        let term = nextTerm(of: group)
        guard mayUse(term, of: group), mayOwnData(term, of: group) else { return }
        activate(Active(leftBy: session, group: group, term: term), into: &out)
    }

    /// The peer has heard of the last term at which this node started the group. So at most one is
    /// unknown to it when it takes the group over.
    private func knowsMyTerm(of group: GroupIndex) -> Bool {
        peer.message?.seenGeneration == outgoing.generation
            && outgoing.reports.indices.contains(group)
            && outgoing.reports[group].role == .vacant
            && outgoing.reports[group].term == groups[group].term
    }

    // MARK: Vacant

    /// In maintenance nothing is started but what the operator hands over.
    private func mayForm(_ group: GroupIndex) -> Bool {
        !isMaintained(group) || planted(.maintenanceClaims)
    }

    private mutating func stepVacant<Sink: EffectSink>(
        _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        if let report = report(of: group), inContact, !life.isWaiting {
            switch report.role {
            case .granting where report.term > groups[group].term:
                take(report, group, at: now, into: &out)
                return
            case .claiming
            where mayStart(group) && !isMaintained(group) && !groups[group].stays
                && report.term > groups[group].term:
                grant(report.term, group, resumed: false, at: now, into: &out)
                return
            case .resuming:
                grant(report.term, group, resumed: true, at: now, into: &out)
                return
            case .vacant where mayStart(group) && mayForm(group) && !life.hasReceipt:
                guard isMine(group, report, into: &out) else { break }
                claim(group, into: &out)
                return
            case .vacant, .claiming, .holding, .releasing, .granting: break
            }
        }
        if !mayStart(group) { startDifferent(group, into: &out) }
        if case .vacant = groups[group].role { takeOver(group, into: &out) }
    }

    /// The peer's offer: accepted, or declined by using its term up.
    private mutating func take<Sink: EffectSink>(
        _ report: GroupReport, _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        guard isWilling(group), mayStart(group), hasCopy(group) else {
            groups[group].use(report.term)
            return
        }
        guard mayUse(report.term, of: group), mayOwnData(report.term, of: group) else {
            if disk.takesNothing { groups[group].use(report.term) }
            return
        }
        guard let session = peer.session,
            let active = Active(offer: report, group: group, session: session)
        else { return }
        if report.flags.contains(.automatic) { countMove(at: now) }
        activate(active, into: &out)
    }

    private mutating func grant<Sink: EffectSink>(
        _ term: Term, _ group: GroupIndex, resumed: Bool, at now: Instant, into out: inout Sink
    ) {
        guard mayGrant(term, of: group) else { return }
        let moves = groups[group].hasFailed && !resumed
        if moves { countMove(at: now) }
        groups[group].grant(term, automatic: moves, resumed: resumed)
        leave(group)
        out.emit(.trace(Trace(.granted, group: group, term: term)))
    }

    /// A term that is granted is on the disk of the node that uses it, and a node that has not
    /// heard its peer leaps above what it cannot know (`leapTerms`). So a disk that takes nothing
    /// keeps nobody from starting. One that is only late is waited for.
    private mutating func mayGrant(_ term: Term, of group: GroupIndex) -> Bool {
        if mayUse(term, of: group) { return true }
        return disk.takesNothing && term < .highest && !planted(.grantWaitsForDisk)
    }

    /// Which of the two starts a vacant group: the node that can, then the one that is fit, then
    /// the preferred one.
    private mutating func isMine<Sink: EffectSink>(
        _ group: GroupIndex, _ report: GroupReport, into out: inout Sink
    ) -> Bool {
        guard isEligible(group), let phase = peer.message?.phase, let theirs = peer.message?.health
        else { return false }
        switch phase {
        case .paired, .alone, .leaving, .left: break
        case .waiting, .pausing: return false
        }
        if theyStay(group, report) { return false }
        if let forms = formsByData(group, report, into: &out) { return forms }
        if groups[group].stays, !report.flags.contains(.stays) { return true }
        guard report.flags.contains(.eligible) else { return true }
        let fit = vitals.health.score > 0
        if fit != (theirs > 0) { return fit }
        return isPreferred(group)
    }

    private mutating func claim<Sink: EffectSink>(
        _ group: GroupIndex, into out: inout Sink
    ) {
        let term = highestTerm(for: group).next
        guard mayUse(term, of: group) else { return }
        groups[group].claim(term)
        out.emit(.trace(Trace(.claimed, group: group, term: term, cause: .formation)))
    }

    /// By a receipt. Nothing else lets a node act without the peer's consent.
    @inline(__always)
    private mutating func takeOver<Sink: EffectSink>(
        _ group: GroupIndex, into out: inout Sink
    ) {
        guard let receipt = life.validReceipt, isWilling(group), mayForm(group),
            covers(receipt, group)
        else { return }
        takeOver(group, by: receipt, into: &out)
    }

    /// What the peer left running is not covered by its last word; nor is what the files have
    /// otherwise, because a part of it may run there under another name.
    func covers(_ receipt: Receipt, _ group: GroupIndex) -> Bool {
        receipt.isWhole || !receipt.bars.contains(group) && mayStart(group)
            || planted(.restIsNotBarred)
    }

    private mutating func takeOver<Sink: EffectSink>(
        _ group: GroupIndex, by receipt: Receipt, into out: inout Sink
    ) {
        // Its question comes once the answer would start it.
        if mustAsk(group, receipt), startsOnCopy(group) || planted(.askedOnOldCopy) {
            groups[group].vacate()
            if groups[group].askForTakeover() {
                out.emit(.trace(Trace(.takeoverAsked, group: group)))
            }
            return
        }
        guard mayTakeOver(group, into: &out) else { return groups[group].vacate() }
        let term = takeoverTerm(of: group)
        guard mayUse(term, of: group), mayOwnData(term, of: group, takesOver: true) else { return }
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

    /// An operator who says that the peer is off wants this node to go on.
    func mustAsk(_ group: GroupIndex, _ receipt: Receipt) -> Bool {
        policy.groups[group].takeover == .ask && receipt.proof != .operatorsWord
            && groups[group].question != .answered && !planted(.questionSkipped)
    }

    private mutating func activate<Sink: EffectSink>(
        _ active: Active, into out: inout Sink
    ) {
        let group = active.activation.group
        groups[group].hold(active)
        disk.note(.me, of: group)
        if !planted(.noteAfterStart) { note(into: &out) }
        switch active.run {
        case .starting:
            out.emit(.start(active.activation))
            out.emit(
                .trace(
                    Trace(
                        .activating, group: group, term: active.term,
                        cause: active.activation.cause)))
        case .running, .ailing, .broken:
            // One that ran before its data had terms has the newest.
            if isStateful(group) {
                _ = disk.ownData(active.term, of: group, knowing: .never, isLast: true)
            }
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
        guard isWilling(group), mayStart(group), mayForm(group) else {
            groups[group].vacate()
            return
        }
        if let report = report(of: group), inContact, let session = peer.session {
            switch report.role {
            case .granting:
                if let active = Active(
                    from: claim, group: group, report: report, session: session)
                {
                    if mayOwnData(active.term, of: group) {
                        if report.flags.contains(.automatic) { countMove(at: now) }
                        activate(active, into: &out)
                    } else if disk.takesNothing {
                        groups[group].vacate()
                    }
                } else if report.term > claim.term {
                    groups[group].vacate()
                }
                return
            case .vacant where theyStay(group, report), .claiming where theyStay(group, report):
                groups[group].vacate()
                return
            // The peer has withdrawn, and its term is above this claim: it is made anew.
            case .vacant where groups[group].stays && report.term > claim.term:
                groups[group].vacate()
                return
            case .claiming where groups[group].stays && !report.flags.contains(.stays): break
            case .claiming
            where report.term > claim.term || (report.term == claim.term && policy.me == .high):
                groups[group].vacate()
                grant(report.term, group, resumed: false, at: now, into: &out)
                return
            case .holding, .releasing, .resuming:
                groups[group].vacate()
                return
            case .vacant where planted(.anyReportGrants):
                let given = GroupReport(role: .granting, term: claim.term)
                Active(from: claim, group: group, report: given, session: session).map {
                    activate($0, into: &out)
                }
                return
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
            groups[group].vacate()
        // Declined, or given back already; or the group that was to go on runs no more.
        case .vacant where grant.resumed || report.term >= grant.term: groups[group].vacate()
        case .claiming where report.term > grant.term, .granting where report.term > grant.term,
            .resuming where report.term != grant.term:
            groups[group].vacate()
            stepVacant(group, at: now, into: &out)
        case .vacant, .claiming, .holding, .releasing, .granting, .resuming:
            takeOver(group, into: &out)
        }
    }

    // MARK: Holding

    private mutating func step<Sink: EffectSink>(
        _ active: Active, _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        if planted(.grantWhileHolding), inContact,
            report(of: group)?.flags.contains(.wanted) == true
        {
            return grant(nextTerm(of: group), group, resumed: false, at: now, into: &out)
        }
        if let report = report(of: group), inContact, report.role == .holding,
            report.term > active.term, !planted(.conflictIgnored)
        {
            out.emit(.trace(Trace(.conflict, group: group, term: report.term, cause: .conflict)))
            release(group, cause: .conflict, yields: false, automatic: true, into: &out)
            return
        }
        if life.isLeaving, !isMaintained(group) {
            if awaitsPeersCopy(active, group, at: now, into: &out) { return }
            release(group, cause: .plannedStop, yields: true, automatic: false, into: &out)
            return
        }
        if active.run == .broken, !isMaintained(group) {
            fail(group, at: now, into: &out)
            return
        }
        if stepChange(active, group, at: now, into: &out) || active.run == .starting { return }
        let report = report(of: group)
        if let report, report.flags.contains(.wanted) {
            move(group, cause: .command, automatic: false, at: now, into: &out)
        } else if vitals.health.score == 0 {
            move(group, cause: .healthCritical, automatic: true, at: now, into: &out)
        } else if vitals.isGivingUp {
            move(group, cause: .stopFailed, automatic: true, at: now, into: &out)
        } else if let report, report.flags.contains(.failback) {
            move(group, cause: .failback, automatic: true, at: now, into: &out)
        } else {
            if groups[group].toldRefusal != nil { groups[group].forgetRefusal() }
        }
    }

    /// Hands the group over, or says once why not.
    private mutating func move<Sink: EffectSink>(
        _ group: GroupIndex, cause: Cause, automatic: Bool, at now: Instant, into out: inout Sink
    ) {
        let charged = automatic && !(cause == .healthCritical && isRehearsed)
        if let refusal = moveRefusal(group, automatic: automatic, charged: charged, at: now) {
            refuseMove(group, cause: cause, refusal, at: now, into: &out)
            return
        }
        if charged { countMove(at: now) }
        release(group, cause: cause, yields: true, automatic: charged, into: &out)
    }

    private mutating func refuseMove<Sink: EffectSink>(
        _ group: GroupIndex, cause: Cause, _ refusal: Refusal, at now: Instant,
        into out: inout Sink
    ) {
        guard groups[group].tell(refusal) else { return }
        let kind: Trace.Kind =
            refusal == .peerUnfit && vitals.health.score == 0 ? .unfitBoth : .moveRefused
        let until =
            refusal == .moveBudgetSpent
            ? policy.moveBudget.refillsIn(disk.memory.moves, at: now) : nil
        out.emit(
            .trace(
                Trace(kind, group: group, cause: cause, refusal: refusal, duration: until)))
    }

    /// A drill made this node unfit: what moves then is on record, and costs nothing.
    var isRehearsed: Bool { vitals.drill && vitals.health.simulated }

    /// - Parameter charged: the move counts against the budget, so it needs one that is left.
    func moveRefusal(
        _ group: GroupIndex, automatic: Bool, charged: Bool, at now: Instant
    ) -> Refusal? {
        guard inContact, let phase = peer.message?.phase, let theirHealth = peer.message?.health
        else { return .notInContact }
        if !mayStart(group) { return .groupsDiffer }
        guard let report = report(of: group) else { return .notInContact }
        if !life.isPaired || phase != .paired { return .busy }
        if automatic, isMaintained(group) { return isMaintained ? .maintenance : .groupMaintained }
        if report.flags.contains(.unready), !planted(.unreadyIsWilling) { return .peerNotReady }
        if !report.flags.contains(.eligible) {
            return peer.hasFullDisk ? .peerNotPersisted : .peerIneligible
        }
        if theirHealth == 0 { return .peerUnfit }
        if !report.sync.suffices(stateful: isStateful(group)) { return .peerStale }
        if charged, isMoveBudgetSpent(at: now) { return .moveBudgetSpent }
        return report.role == .vacant || planted(.movesToTheUnready) ? nil : .peerStops
    }

    private mutating func countMove(at now: Instant) {
        disk.countMove(of: policy.moveBudget, at: now)
    }

    mutating func release<Sink: EffectSink>(
        _ group: GroupIndex, cause: Cause, yields: Bool, automatic: Bool, into out: inout Sink
    ) {
        guard case .holding(let active) = groups[group].role else { return }
        groups[group].release(
            Releasing(from: active, cause: cause, yields: yields, automatic: automatic))
        note(into: &out)
        out.emit(.stop(group, cause: cause))
        out.emit(.trace(Trace(.releasing, group: group, term: active.term, cause: cause)))
        if planted(.releasedBeforeStopped) { released(group, at: promised, into: &out) }
    }

    // MARK: Releasing and resuming

    /// A stop that failed is tried again.
    @inline(__always)
    private mutating func retryStop<Sink: EffectSink>(
        _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        guard let cause = groups[group].stopDue(at: now) else { return }
        groups[group].retryStop(at: now + Group.stopRetry)
        out.emit(.stop(group, cause: cause))
    }

    private mutating func step<Sink: EffectSink>(
        resuming term: Term, _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        if life.isLeaving, !isMaintained(group) {
            abandon(term, group, cause: .plannedStop, into: &out)
        } else if let receipt = life.validReceipt, covers(receipt, group) {
            activate(Active(resuming: term, group: group, receipt: receipt), into: &out)
        } else if inContact, let session = peer.session, peer.doesNotList(group) {
            activate(
                Active(resuming: term, group: group, unlistedBy: session), into: &out)
        } else if let report = report(of: group), inContact, let session = peer.session {
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

    mutating func abandon<Sink: EffectSink>(
        _ term: Term, _ group: GroupIndex, cause: Cause, into out: inout Sink
    ) {
        groups[group].release(Releasing(resuming: term, cause: cause))
        note(into: &out)
        out.emit(.stop(group, cause: cause))
        out.emit(.trace(Trace(.orphaned, group: group, term: term, cause: cause)))
    }

    // MARK: Outcomes

    mutating func resources<Sink: EffectSink>(
        _ group: GroupIndex, _ outcome: ResourceOutcome, at now: Instant, into out: inout Sink
    ) {
        guard group < groups.count else { return }
        switch (groups[group].role, outcome) {
        case (.holding(let active), .started):
            groups[group].noteRunning()
            addedAll(group)
            tellAnew(group)
            out.emit(
                .trace(
                    Trace(
                        .active, group: group, term: active.term, cause: active.activation.cause)))
        case (.holding(let active), .startFailed):
            tellOfFailure(of: active, group, into: &out)
            failStart(of: active, group, at: now, into: &out)
            released(group, at: now, into: &out)
        case (.holding(let active), .startRefused(let dataTerm)):
            refuseStart(of: active, by: dataTerm, group, at: now, into: &out)
            released(group, at: now, into: &out)
        case (.holding(let active), .startFailedDirty), (.holding(let active), .startFailedUnknown):
            // It may have run, and written.
            disk.useData(of: group)
            tellOfFailure(of: active, group, into: &out)
            failStart(of: active, group, at: now, into: &out)
            let isUnknown = outcome == .startFailedUnknown
            stick(group, by: isUnknown ? .unknown : .dirtyStart, at: now, into: &out)
        case (.holding(let active), .failed) where isMaintained(group):
            groups[group].noteAiling(isBroken: true)
            out.emit(.trace(Trace(.ailing, group: group, term: active.term)))
        case (.holding(let active), .failed):
            out.emit(
                .trace(
                    Trace(
                        .monitorFailed, group: group, term: active.term, cause: .monitorFailed,
                        duration: groups[group].nextBlock)))
            fail(group, at: now, into: &out)
        case (.holding(let active), .ailing):
            groups[group].noteAiling(isBroken: false)
            out.emit(.trace(Trace(.ailing, group: group, term: active.term)))
        case (.holding(let active), .recovered):
            groups[group].noteRunning()
            out.emit(.trace(Trace(.recovered, group: group, term: active.term)))
        case (.holding(let active), .restarted):
            groups[group].noteRunning()
            groups[group].noteRestarted()
            if planted(.restartedIsBehind) { tellAnew(group) }
            out.emit(.trace(Trace(.restarted, group: group, term: active.term)))
        case (.holding, .dropped): dropped(group, into: &out)
        case (.vacant, .seen), (.claiming, .seen), (.granting, .seen), (.unknown, .seen):
            if groups[group].note(seen: true) { out.emit(.trace(Trace(.strayed, group: group))) }
        case (.vacant, .unseen), (.claiming, .unseen), (.granting, .unseen), (.unknown, .unseen):
            if groups[group].note(seen: false) {
                out.emit(.trace(Trace(.strayGone, group: group)))
            }
            if groups[group].isLeftUnstopped { stopLeft(group, into: &out) }
        // It starts anew, as one that nobody has.
        case (.holding, .outgrown):
            release(
                group, cause: .configurationChanged, yields: false, automatic: false, into: &out)
        case (.releasing, .stopped), (.releasing, .startFailed), (.releasing, .startRefused):
            released(group, at: now, into: &out)
        case (.unknown, .stopped), (.unknown, .startFailed), (.unknown, .startRefused):
            groups[group].noteStopped()
            retire(group, into: &out)
            settle(group, into: &out)
        case (.releasing, .stopFailed), (.unknown, .stopFailed):
            stick(group, by: .failed, at: now, into: &out)
        case (.releasing, .startFailedDirty), (.unknown, .startFailedDirty):
            stick(group, by: .dirtyStart, at: now, into: &out)
        case (.releasing, .stopUnknown), (.unknown, .stopUnknown),
            (.releasing, .startFailedUnknown), (.unknown, .startFailedUnknown):
            stick(group, by: .unknown, at: now, into: &out)
        case (.releasing, _), (.unknown, _), (.holding, .stopped), (.holding, .stopFailed),
            (.holding, .stopUnknown), (.holding, .seen), (.holding, .unseen), (.vacant, _),
            (.claiming, _), (.granting, _), (.resuming, _):
            break
        }
    }

    /// Its local restarts are used up: it stops here, and moves if it may.
    private mutating func fail<Sink: EffectSink>(
        _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        let refusal = refuseFailing(group, cause: .monitorFailed, at: now, into: &out)
        if refusal == nil { countMove(at: now) }
        groups[group].block(at: now)
        release(
            group, cause: .monitorFailed, yields: refusal == nil, automatic: true, into: &out)
    }

    private func tellOfFailure<Sink: EffectSink>(
        of active: Active, _ group: GroupIndex, into out: inout Sink
    ) {
        out.emit(
            .trace(
                Trace(
                    .startFailed, group: group, term: active.term,
                    cause: active.activation.cause, duration: groups[group].nextBlock)))
    }

    /// A start failed. The move is counted when it is known to be one (`released`).
    private mutating func failStart<Sink: EffectSink>(
        of active: Active, _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        let refusal = refuseFailing(group, cause: .startFailed, at: now, into: &out)
        groups[group].block(at: now)
        groups[group].release(
            Releasing(
                from: active, cause: .startFailed, yields: refusal == nil, automatic: true))
    }

    /// The data of the group are of a later term than the start. It is no failure the first time:
    /// the terms leap above that, and the group starts again here.
    private mutating func refuseStart<Sink: EffectSink>(
        of active: Active, by dataTerm: Term, _ group: GroupIndex, at now: Instant,
        into out: inout Sink
    ) {
        out.emit(
            .trace(
                Trace(
                    .startRefused, group: group, term: active.term,
                    number: dataTerm.value)))
        if groups[group].refuse(by: dataTerm) {
            groups[group].release(
                Releasing(from: active, cause: .termRefused, yields: false, automatic: false))
        } else {
            tellOfFailure(of: active, group, into: &out)
            failStart(of: active, group, at: now, into: &out)
        }
    }

    /// Why what fails here may not move; a budget that is spent is told of.
    private mutating func refuseFailing<Sink: EffectSink>(
        _ group: GroupIndex, cause: Cause, at now: Instant, into out: inout Sink
    ) -> Refusal? {
        let refusal = moveRefusal(group, automatic: true, charged: true, at: now)
        if refusal == .moveBudgetSpent {
            refuseMove(group, cause: cause, .moveBudgetSpent, at: now, into: &out)
        }
        // It stops here anyway, and the peer may be done by then.
        return refusal == .peerStops ? nil : refusal
    }

    /// The peer has the right, and may write from now on.
    private mutating func leave(_ group: GroupIndex) {
        disk.note(.peer, of: group)
        if isStateful(group), !planted(.yielderKeepsCopy) { groups[group].giveCopy() }
    }

    /// Every resource is stopped here: the group is offered to the peer, or stays vacant.
    private mutating func released<Sink: EffectSink>(
        _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        guard case .releasing(let releasing) = groups[group].role else { return }
        groups[group].noteStopped()
        disk.note(.nobody, of: group)
        out.emit(
            .trace(
                Trace(.released, group: group, term: releasing.term, cause: releasing.cause)))
        retire(group, into: &out)
        settle(group, into: &out)
        guard releasing.yields, case .vacant = groups[group].role,
            let report = takersReport(of: group)
        else { return }
        guard !isStateful(group) || report.sync == .current else {
            tellOfPeersCopy(group, cause: releasing.cause, at: now, into: &out)
            return
        }
        let term = nextTerm(of: group)
        guard mayGrant(term, of: group) else { return }
        // A move for a failing monitor or for health was counted when it was decided.
        if releasing.cause == .startFailed { countMove(at: now) }
        groups[group].grant(term, automatic: releasing.automatic)
        leave(group)
        out.emit(.trace(Trace(.yielded, group: group, term: term, cause: releasing.cause)))
    }

    /// What the peer says of a group that it would start if it were given it, whatever its copy is.
    func takersReport(of group: GroupIndex) -> GroupReport? {
        guard mayStart(group), inContact, let report = report(of: group),
            report.flags.contains(.eligible), report.role == .vacant
        else { return nil }
        return report
    }

    /// It is stopped, and not given to the peer, whose copy is not current.
    private mutating func tellOfPeersCopy<Sink: EffectSink>(
        _ group: GroupIndex, cause: Cause, at now: Instant, into out: inout Sink
    ) {
        guard life.isLeaving else {
            return refuseMove(group, cause: cause, .peerStale, at: now, into: &out)
        }
        let isTaken = policy.groups[group].sync?.takesOverStale == true
        out.emit(
            .trace(Trace(.leftStale, group: group, number: isTaken ? 1 : 0)))
    }

    private mutating func stick<Sink: EffectSink>(
        _ group: GroupIndex, by end: StuckBy, at now: Instant, into out: inout Sink
    ) {
        let (wasStuck, asked) = (groups[group].isStuck, groups[group].asksToBeFenced)
        groups[group].stick(by: end, at: now)
        if !wasStuck {
            let term = groups[group].stoppingTerm
            out.emit(.trace(Trace(.stopFailed, group: group, term: term)))
        }
        if groups[group].asksToBeFenced, !asked, isMaintained || !isMaintained(group) {
            out.emit(.trace(Trace(.askedToBeFenced, group: group, cause: .stopFailed)))
        }
    }

    // MARK: Wishes

    /// Automatic failback: this node is preferred, the peer holds, and all has been well for long
    /// enough. Also lets an unanswered wish of the operator's lapse.
    @inline(__always)
    private mutating func stepWish(_ group: GroupIndex, at now: Instant) {
        if groups[group].hasLapsed(at: now) { groups[group].dropWish() }
        guard case .auto(let stableFor) = policy.groups[group].failback,
            policy.groups[group].prefer == policy.me, isWell(group)
        else {
            if groups[group].isThoughtWell { groups[group].noteUnwell() }
            return
        }
        let since = groups[group].noteWell(at: now)
        if now - since >= stableFor, groups[group].wish == nil {
            groups[group].ask(failback: true, until: .distantFuture)
        }
    }

    @inline(__always)
    private func isWell(_ group: GroupIndex) -> Bool {
        guard case .vacant = groups[group].role, inContact, life.isPaired, mayStart(group),
            !peer.difference(of: group).contains(.settings), isEligible(group),
            vitals.health.score > 50, let report = report(of: group),
            report.role == .holding, report.flags.contains(.running)
        else { return false }
        return groups[group].copy.state.suffices(stateful: isStateful(group))
    }
}
