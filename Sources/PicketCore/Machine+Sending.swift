/// Heartbeats, probes and answers. Outgoing.swift keeps what was told, and when.
extension Machine {
    mutating func stepSending<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        if !reportsAreCurrent { outgoing.tell(currentReports()) }
        guard !life.hasLeft || life.leaving?.sequence != nil else { return }
        let doubtful = isInDoubt(at: now)
        if now >= outgoing.next {
            outgoing.schedule(
                now + (doubtful || life.hasSaidAll ? policy.timing.probe : policy.timing.heartbeat))
            peer.stepLinks(by: policy, at: now, into: &out)
            send(outgoing.reports, flags: doubtful ? .probe : [], at: now, into: &out)
        } else if outgoing.changed || outgoing.answer {
            send(outgoing.reports, flags: [], at: now, into: &out)
        }
    }

    /// Probing ends some time after the loss: a peer that is still silent then will say hello.
    @inline(__always)
    private func isInDoubt(at now: Instant) -> Bool {
        switch peer.state {
        case .suspected: return true
        case .lost:
            guard !life.hasReceipt, let age = peer.contact.age(at: now) else { return false }
            return age < policy.timing.deadAfter * 4
        case .never, .established: return false
        }
    }

    mutating func send<Sink: EffectSink>(
        _ reports: [GroupReport], flags extra: Message.Flags, at now: Instant, into out: inout Sink
    ) {
        outgoing.sent()
        var reports = reports
        addData(to: &reports, at: now)
        var maintained = maintainedToTell
        putInOrder(&reports, &maintained)
        // While an order is under way, what this node says of its groups may differ from the view
        // by which it ordered. The peer shall not take the one for the other (S7).
        let seen = fence.isOrdered ? 0 : outgoing.seenGeneration
        // A packet that comes after an order given in a turn is not acknowledged until the order is
        // over, because a peer that learnt of it would count a new loss from there, and with it a
        // turn of its own that this one knows nothing of (FencingTurns).
        var acknowledged: UInt64 = 0
        var echo = Instant(nanoseconds: 0)
        if let newest = peer.message?.sequence, let sentAt = peer.message?.sentAt,
            !disk.mustForget, !fence.isOrderedInTurn
        {
            acknowledged = newest
            echo = sentAt + (now - peer.receivedAt)
        }
        out.emit(
            .send(
                Message(
                    sequence: peer.noteSending(at: now), acknowledged: acknowledged,
                    heardOn: peer.contact.heardOn(within: policy.timing.deadAfter, at: now),
                    sentAt: now, echo: echo, flags: flags.union(extra), phase: life.phase,
                    health: vitals.health.score,
                    watchdogMilliseconds: UInt32(clamping: vitals.watchdog.milliseconds),
                    relayTest: vitals.relayTest, configurationDigest: policy.digest,
                    turnsDigest: policy.turnsDigest, generation: outgoing.generation,
                    seenGeneration: seen, maintenance: disk.memory.maintenance.version,
                    maintained: maintained, gaps: [], goneTerm: goneTermToTell,
                    pause: life.pausing?.length ?? .zero, groups: reports),
                on: .first(policy.linkCount)))
    }

    @inline(__always)
    private var flags: Message.Flags {
        var flags: Message.Flags = []
        if disk.memory.maintenance.isOn { flags.insert(.maintenance) }
        if disk.memory.maintenance == disk.durable.maintenance {
            flags.insert(.maintenanceKept)
        }
        if vitals.drill { flags.insert(.drill) }
        if life.leavesRunning { flags.insert(.leavesRunning) }
        for group in groups.indices
        where groups[group].isHeld && isMaintained(group) && !isMaintained {
            flags.insert(.atWork)
        }
        if disk.isAiling { flags.insert(.diskTakesNothing) }
        if policy.simulated || vitals.health.simulated { flags.insert(.simulated) }
        if peer.pausedUntil != nil { flags.insert(.pauseAgreed) }
        if peer.isLeftDifferences { flags.insert(.leavesDifferences) }
        if peer.differs, heldDifferences { flags.insert(.heldDifferences) }
        // Not while the peer may be about to lose its power by this node's own order (S7).
        guard !fence.isOrdered || planted(.asksWhileFencing) else { return flags }
        for group in groups.indices
        where groups[group].asksToBeFenced && (isMaintained || !isMaintained(group)) {
            flags.insert(.fenceMe)
        }
        return flags
    }

    /// In the order of the file; of what is gone from it the peer hears no more.
    private func putInOrder(_ reports: inout [GroupReport], _ told: inout MaintainedGroup?) {
        guard policy.groups.contains(where: { $0.position != nil || $0.listing == .gone }) else {
            return
        }
        var order = groups.indices.filter { policy.groups[$0].listing != .gone }
        order.sortShort { rank($0) < rank($1) }
        if let group = told?.place {
            let place = order.firstIndex(of: group)
            if let place { told?.place = place } else { told = nil }
        }
        reports = order.map { reports[$0] }
    }

    private func rank(_ group: GroupIndex) -> Int {
        policy.groups[group].listing == .listed
            ? policy.groups[group].position ?? group : policy.groups.count + group
    }

    func currentReports() -> [GroupReport] { groups.indices.map { currentReport(of: $0) } }

    /// The peer was told of the groups as they are now.
    @inline(__always)
    package var reportsAreCurrent: Bool {
        guard outgoing.reports.count == groups.count else { return false }
        for group in groups.indices where outgoing.reports[group] != currentReport(of: group) {
            return false
        }
        return true
    }

    @inline(__always)
    private func currentReport(of group: GroupIndex) -> GroupReport {
        // A peer of 0.1.0 gives away what this node would not take: it is told so beforehand.
        groups[group].report(
            isEligible: isEligible(group) && mayStart(group), of: policy.groups[group])
    }
}
