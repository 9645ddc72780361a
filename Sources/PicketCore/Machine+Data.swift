/// The rules of stateful groups: whose data are newer, and whether this node's copy may be started.
/// Copy.swift judges a copy; Disk.swift keeps the data terms.
extension Machine {
    @inline(__always)
    func isStateful(_ group: GroupIndex) -> Bool { policy.groups[group].sync != nil }

    // MARK: What the probe says

    mutating func noteSync<Sink: EffectSink>(
        _ group: GroupIndex, _ state: GroupReport.SyncState, at now: Instant, into out: inout Sink
    ) {
        guard group < groups.count else { return }
        if isStateful(group) {
            groups[group].edit { $0.read(state, at: now) }.map { tell($0, group, into: &out) }
        } else {
            groups[group].edit { $0.take(state) }.map { tell($0, group, into: &out) }
        }
    }

    mutating func notePosition<Sink: EffectSink>(
        _ group: GroupIndex, _ position: DataPosition, at now: Instant, into out: inout Sink
    ) {
        guard group < groups.count, isStateful(group) else { return }
        groups[group].edit { $0.read(position, at: now) }.map { tell($0, group, into: &out) }
        groups[group].replicate { $0.read(position) }
    }

    private func tell<Sink: EffectSink>(
        _ state: GroupReport.SyncState, _ group: GroupIndex, into out: inout Sink
    ) {
        out.emit(.trace(Trace(.syncChanged, group: group, number: UInt64(state.rawValue))))
    }

    // MARK: The judgement

    /// Before the group's own rules: what is known of its data now.
    mutating func stepData<Sink: EffectSink>(
        _ group: GroupIndex, _ sync: GroupPolicy.Sync, at now: Instant, into out: inout Sink
    ) {
        if !groups[group].isHeld, !fence.isOrdered { disk.disownData(of: group) }
        hearOfData(group)
        if sync.strict { noteStep(group) }
        let changed: GroupReport.SyncState?
        if case .holding(let active) = groups[group].role {
            let runs = active.run != .starting
            if runs { disk.useData(of: group) }
            changed = groups[group].edit { $0.lead(runs: runs, at: now) }
        } else if let receipt = life.validReceipt, covers(receipt, group) {
            // What a peer that left by plan wrote last, it wrote in contact; and what is in step
            // lacks nothing that was acknowledged since.
            let isLimited = receipt.proof != .left && !sync.strict
            let limit = isLimited ? sync.maxLag + policy.timing.deadAfter : nil
            changed = groups[group].edit { $0.seal(limit: limit, at: now) }
        } else if inContact, let report = report(of: group) {
            let holds = report.role == .holding || report.role == .releasing
            let runs = report.role == .holding && report.flags.contains(.running)
            let (arrivedAt, isInStep) = (peer.receivedAt, isInStep(group, report))
            changed = groups[group].edit {
                $0.follow(
                    report.data, holds: holds, runs: runs, isInStep: isInStep, within: sync.maxLag,
                    arrivedAt: arrivedAt)
            }
        } else {
            changed = groups[group].edit { $0.freeze() }
        }
        if let changed { tell(changed, group, into: &out) }
        stepBranch(group, at: now, into: &out)
        if groups[group].copyIsRefused, groups[group].isHeld || isHeldByPeer(group) {
            _ = groups[group].noteCopy(refused: false)
        }
    }

    func isHeldByPeer(_ group: GroupIndex) -> Bool {
        inContact && report(of: group)?.role == .holding
    }

    /// A peer that holds a group has its newest data, also if it is too old to say so.
    private mutating func hearOfData(_ group: GroupIndex) {
        guard inContact, let report = report(of: group) else { return }
        groups[group].noteTerms()
        guard let data = report.data else {
            if report.role == .holding {
                disk.hearOfData(report.term, heard: .never, of: group)
            }
            return
        }
        disk.hearOfData(data.terms.own, heard: data.terms.heard, of: group)
        switch (groups[group].role, report.role) {
        // The right that the peer was given is gone, and its data term says whether it was used.
        case (.vacant, .vacant), (.vacant, .claiming), (.vacant, .granting):
            if disk.memory.groups[group].holder == .peer { disk.note(.nobody, of: group) }
        case (_, _): break
        }
    }

    // MARK: Whether it may start here

    /// This node started the group last, has not given the right to it away since, and the peer has
    /// nothing that it lacks.
    func isLastHolder(_ group: GroupIndex) -> Bool {
        let memory = disk.memory.groups[group]
        let isLast =
            memory.data.isLast
            || memory.data.own > memory.data.heard && planted(.termsAloneDecide)
        return isLast && (!disk.isDiverged(group) || planted(.divergedForms))
            && !groups[group].copy.mayBeOutdated
            && (memory.holder != .peer || planted(.yielderKeepsCopy))
    }

    /// Whether this node's copy of the data is fit to be started, if it has any.
    func hasCopy(_ group: GroupIndex) -> Bool {
        guard isStateful(group) else { return true }
        return groups[group].copy.state == .current || groups[group].copy.isNamed
            || isLastHolder(group) || planted(.staleTakesOver)
    }

    /// The same for a takeover, where the file may have it started on any copy.
    func startsOnCopy(_ group: GroupIndex) -> Bool {
        hasCopy(group) || policy.groups[group].sync?.takesOverStale == true
    }

    /// Whether it takes over on its copy. Alarms once where the copy is not fit.
    mutating func mayTakeOver<Sink: EffectSink>(
        _ group: GroupIndex, into out: inout Sink
    ) -> Bool {
        guard let sync = policy.groups[group].sync, !hasCopy(group) else { return true }
        tellOfCopy(group, sync.takesOverStale ? .staleTaken : .copyRefused, into: &out)
        return sync.takesOverStale
    }

    /// Once for as long as it is so.
    private mutating func tellOfCopy<Sink: EffectSink>(
        _ group: GroupIndex, _ kind: Trace.Kind, into out: inout Sink
    ) {
        guard groups[group].noteCopy(refused: true) else { return }
        out.emit(.trace(Trace(kind, group: group)))
    }

    /// Who forms a stateful group that nobody has: the last holder, or the node that the operator
    /// names. `nil`: neither ever had it, and there is nothing to lose.
    mutating func formsByData<Sink: EffectSink>(
        _ group: GroupIndex, _ report: GroupReport, into out: inout Sink
    ) -> Bool? {
        guard isStateful(group), !planted(.oldCopyForms) else { return nil }
        if groups[group].copy.isNamed { return true }
        let mine = disk.memory.groups[group].data
        if mine.own == .never, mine.heard == .never { return nil }
        let theyAreLast = report.data?.terms.isLast == true
        if isLastHolder(group), !theyAreLast { return !awaitsPosition(of: group) }
        // It alone may start the group, which failed here before it wrote, and has its data.
        if groups[group].stays, groups[group].copy.state == .current { return true }
        if !theyAreLast { tellOfCopy(group, .copyRefused, into: &out) }
        return false
    }

    /// Whether this node may start a stateful group that the files have otherwise. A peer that keeps
    /// no data terms of it cannot say whether it had the group since.
    mutating func startsDifferentByData<Sink: EffectSink>(
        _ group: GroupIndex, into out: inout Sink
    ) -> Bool {
        guard isStateful(group), !planted(.differentOnOldCopy) else { return true }
        if groups[group].copy.isNamed { return true }
        if let report = report(of: group), report.data != nil,
            formsByData(group, report, into: &out) ?? true
        {
            return true
        }
        tellOfCopy(group, .copyRefused, into: &out)
        return false
    }

    /// The group waits for the operator to name a copy.
    func waitsForCopy(_ group: GroupIndex) -> Bool {
        (groups[group].copyIsRefused || groups[group].question == .asked)
            && !groups[group].isHeld && !(inContact ? formsAlone(group) : hasCopy(group))
    }

    private func formsAlone(_ group: GroupIndex) -> Bool {
        isLastHolder(group) || groups[group].copy.isNamed
    }

    /// A stateful group starts once its data term is on disk: a node that forgot it would be taken
    /// for one with older data. A right that cannot be kept is given back.
    ///
    /// - Parameter takesOver: by a receipt, without the peer.
    mutating func mayOwnData(
        _ term: Term, of group: GroupIndex, takesOver: Bool = false
    ) -> Bool {
        guard isStateful(group) else { return true }
        if disk.takesNothing {
            disk.disownData(of: group)
            return false
        }
        return disk.ownData(
            term, of: group, knowing: groups[group].given, isLast: hasCopy(group),
            branch: branch(of: group, takesOver: takesOver))
    }

    /// Beside the fence, so that the takeover does not wait for the disk. A node that loses its power
    /// before it takes over has not had the group, and is no last holder by that.
    mutating func ownDataAhead(of group: GroupIndex) {
        guard let sync = policy.groups[group].sync, policy.groups[group].takeover == .auto,
            hasCopy(group) || sync.takesOverStale, !planted(.dataTermLate)
        else { return }
        _ = disk.ownData(
            takeoverTerm(of: group), of: group, knowing: groups[group].given,
            isLast: disk.usedData(of: group).isLast || planted(.aheadIsLast),
            branch: branch(of: group, takesOver: true))
    }

    // MARK: Where the nodes' data part

    /// Where this node takes over on a copy that is not current; `nil` leaves what is known. What a
    /// current one lacks may be lost, as the file has it, and nobody is asked for that. What the
    /// operator names beside the other one, or knowing that they have diverged, is to stay.
    private func branch(of group: GroupIndex, takesOver: Bool) -> Branch? {
        let copy = groups[group].copy
        if copy.isNamed, !takesOver || groups[group].divergence != .none { return Branch.none }
        let mayHaveLess =
            !disk.usedData(of: group).isLast || disk.memory.groups[group].holder == .peer
        let isAgreed = copy.state == .current && !planted(.agreedTailDiverges)
        guard takesOver, mayHaveLess, !isAgreed, !planted(.branchUnnoted) else { return nil }
        return Branch(position: copy.parting)
    }

    private mutating func stepBranch<Sink: EffectSink>(
        _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) {
        disk.raiseBranch(of: group, to: groups[group].copy.followed)
        judgeBranch(group, at: now)
        let divergence = divergence(of: group)
        guard divergence != groups[group].divergence else { return }
        groups[group].noteData(divergence)
        let kind: Trace.Kind = divergence == .none ? .convergent : .diverged
        out.emit(.trace(Trace(kind, group: group, number: UInt64(divergence.rawValue))))
    }

    private mutating func judgeBranch(_ group: GroupIndex, at now: Instant) {
        let (known, data) = (disk.memory.groups[group].branch, disk.memory.groups[group].data)
        guard inContact, let report = report(of: group), let told = report.data else { return }
        let theirs = told.position
        switch groups[group].role {
        case .holding(let active) where active.run != .starting:
            guard known != .none || !data.isLast else { return }
            let mine = groups[group].copy.position(holds: true, at: now).0
            if report.sync == .current || mine.epoch != 0 && mine.epoch == theirs.epoch {
                return disk.joinData(of: group, leads: true)
            }
            // Such a probe names the former line and the new one alike.
            if mine.epoch == known.position.epoch, mine.number > known.position.number,
                !known.isDiverged
            {
                return disk.settleBranch(of: group)
            }
        case .vacant where report.role == .holding && groups[group].copy.state == .current:
            if known != .none || data.isLast { disk.joinData(of: group, leads: false) }
            return
        case .unknown, .vacant, .claiming, .holding, .releasing, .granting, .resuming: break
        }
        guard known.position.epoch != 0, theirs.epoch == known.position.epoch else { return }
        let isBeyond = theirs.number > known.position.number
        if isBeyond != known.isDiverged { disk.note(diverged: isBeyond, group) }
    }

    private func divergence(of group: GroupIndex) -> Group.Divergence {
        if disk.isDiverged(group) { return .seen }
        guard inContact, let report = report(of: group) else {
            return groups[group].divergence == .told ? .told : .none
        }
        return report.data?.flags.contains(.diverged) == true ? .told : .none
    }

    /// A node that took over asks the peer's probe first whether its copy is one that parted. One
    /// that does not tell within `max_lag` is not waited for.
    private func awaitsPosition(of group: GroupIndex) -> Bool {
        disk.memory.groups[group].branch.position.epoch != 0 && groups[group].copy.awaitsTheirs
            && !planted(.branchUnasked)
    }

    // MARK: A planned stop

    /// What runs here goes on for a while, where the peer would take it but for its copy.
    mutating func awaitsPeersCopy<Sink: EffectSink>(
        _ active: Active, _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) -> Bool {
        guard let sync = policy.groups[group].sync, !planted(.copyNotAwaited),
            active.run == .starting || active.run == .running,
            let report = takersReport(of: group), report.sync != .current
        else { return false }
        if let until = groups[group].awaitsCopyUntil { return now < until }
        groups[group].awaitCopy(until: now + sync.waits)
        guard sync.waits > .zero else { return false }
        out.emit(
            .trace(
                Trace(
                    .copyAwaited, group: group, cause: .plannedStop, duration: sync.waits)))
        return true
    }

    // MARK: What the peer is told

    /// Added to reports that are sent, because it changes all the time and says nothing of who
    /// works.
    func addData(to reports: inout [GroupReport], at now: Instant) {
        for group in reports.indices {
            guard group < groups.count, let sync = policy.groups[group].sync else { continue }
            var data = DataReport(terms: disk.usedData(of: group))
            let holds = if case .holding = groups[group].role { true } else { false }
            let (position, age) = groups[group].copy.position(holds: holds, at: now)
            if age <= sync.maxLag {
                data.position = position
                data.age = UInt32(clamping: age.milliseconds + 1)
            }
            data.flags = stepFlags(of: group)
            if disk.isDiverged(group) {
                data.flags.insert(.diverged)
                data.terms.isLast = false
            }
            reports[group].data = data
        }
    }
}
