/// Strict groups: what the holder's database may acknowledge, and what the peer notes of that.
/// Replication.swift has the order of it.
extension Machine {
    // MARK: The peer of a holder

    /// What the holder says of a strict group is noted before the copy is judged by it.
    mutating func noteStep(_ group: GroupIndex) {
        if case .holding(let active) = groups[group].role {
            if active.run != .starting { disk.note(outOfStep: false, of: group) }
        } else if inContact, let report = report(of: group),
            report.role == .holding || report.role == .releasing
        {
            disk.note(outOfStep: !tellsInStep(report), of: group)
        }
    }

    private func tellsInStep(_ report: GroupReport) -> Bool {
        report.data?.flags.contains(.inStep) ?? false
    }

    /// Whether this node's copy is in step with the holder, by its last word and this node's disk;
    /// `nil` of a group that is not strict.
    func isInStep(_ group: GroupIndex, _ report: GroupReport) -> Bool? {
        guard policy.groups[group].sync?.strict == true else { return nil }
        return tellsInStep(report) && !disk.memory.groups[group].isOutOfStep
            || planted(.degradedIsCurrent)
    }

    // MARK: The holder

    mutating func stepReplication<Sink: EffectSink>(
        _ group: GroupIndex, _ sync: GroupPolicy.Sync, at now: Instant, into out: inout Sink
    ) {
        switch groups[group].role {
        // What starts may have to commit already, and waits for a peer that is off.
        case .holding(let active)
        where sync.strict
            && (active.run != .starting
                || sight(of: group).isOff && !planted(.startWaitsForPeer)):
            let before = groups[group].replication.state
            let (peer, next) = (sight(of: group), peer.contact.sequence + 1)
            let mayRestore = !isMaintained(group) || planted(.restoresInMaintenance)
            let action = groups[group].replicate {
                $0.begin(next: next)
                return $0.step(
                    peer, within: sync.maxLag, mayRestore: mayRestore, next: next, at: now)
            }
            if let action { out.emit(.replicate(group, action, active.term)) }
            if groups[group].replication.state == .inStep, before != .inStep {
                out.emit(.trace(Trace(.restored, group: group)))
            }
            if groups[group].replicate({ $0.tellsWait(after: sync.maxLag, at: now) }) {
                let number: UInt64? = peerCannotNote(group) ? 1 : nil
                out.emit(.trace(Trace(.commitsWait, group: group, number: number)))
            }
        // What it was told last holds until it is stopped.
        case .releasing where sync.strict: groups[group].replicate { $0.giveUpJob() }
        case .unknown, .vacant, .claiming, .holding, .releasing, .granting, .resuming:
            if groups[group].replication.state != nil { groups[group].replicate { $0.end() } }
        }
        let flags = stepFlags(of: group)
        if groups[group].replicate({ $0.tell(flags) }) { outgoing.noteChange() }
    }

    private func sight(of group: GroupIndex) -> Replication.Sight {
        var sight = Replication.Sight(
            copy: .unheard, isOff: life.validReceipt.map { covers($0, group) } ?? false, noted: 0,
            position: .none)
        guard !sight.isOff, inContact, let report = report(of: group) else { return sight }
        let flags = report.data?.flags ?? []
        if flags.contains(.keepsUp) {
            sight.copy = .keepsUp
        } else {
            sight.copy = report.sync == .unknown ? .unjudged : .behind
        }
        if flags.contains(.outOfStep) { sight.noted = peer.message?.acknowledged ?? 0 }
        sight.position = report.data?.position ?? .none
        return sight
    }

    /// The peer's file does not have the group, or not as strict: it will never note anything.
    func peerCannotNote(_ group: GroupIndex) -> Bool {
        guard inContact, policy.groups[group].sync?.strict == true else { return false }
        guard let report = report(of: group) else { return peer.doesNotList(group) }
        return report.data?.flags.isDisjoint(with: [.strict, .outOfStep]) ?? true
    }

    mutating func replicated<Sink: EffectSink>(
        _ group: GroupIndex, _ action: ReplicationAction, succeeded: Bool, at now: Instant,
        into out: inout Sink
    ) {
        guard group < groups.count,
            groups[group].replicate({ $0.ended(action, succeeded: succeeded, at: now) })
        else { return }
        if !succeeded {
            tellOfFailure(of: action, group, into: &out)
        } else if action == .degrade {
            out.emit(.trace(Trace(.degraded, group: group)))
        }
    }

    /// It may hang in the kernel, and end late.
    mutating func replicationOverdue<Sink: EffectSink>(
        _ group: GroupIndex, _ action: ReplicationAction, at now: Instant, into out: inout Sink
    ) {
        guard group < groups.count,
            groups[group].replicate({ $0.overdue(action, at: now) })
        else { return }
        tellOfFailure(of: action, group, into: &out)
    }

    private func tellOfFailure<Sink: EffectSink>(
        of action: ReplicationAction, _ group: GroupIndex, into out: inout Sink
    ) {
        let isStarting =
            if case .holding(let active) = groups[group].role { active.run == .starting } else {
                false
            }
        let failures = groups[group].replication.tries(of: action).failures
        guard failures == 1, !isStarting else { return }
        let isDegrade = action == .degrade
        out.emit(.trace(Trace(isDegrade ? .degradeFailed : .restoreFailed, group: group)))
    }

    /// The database may be another one, or somebody may have told it something else.
    mutating func tellAnew(_ group: GroupIndex) {
        guard groups[group].replication.state != nil else { return }
        let next = peer.contact.sequence + 1
        groups[group].replicate { $0.beginAnew(next: next) }
    }

    // MARK: What the peer is told

    func stepFlags(of group: GroupIndex) -> DataReport.Flags {
        guard policy.groups[group].sync?.strict == true else { return [] }
        var flags: DataReport.Flags = .strict
        switch groups[group].role {
        case .holding, .releasing:
            if groups[group].replication.isInStep { flags.insert(.inStep) }
            return flags
        case .unknown, .vacant, .claiming, .granting, .resuming: break
        }
        if groups[group].copy.keepsUp { flags.insert(.keepsUp) }
        if disk.keepsOutOfStep(group) { flags.insert(.outOfStep) }
        return flags
    }
}
