/// Heartbeats, probes and answers.
extension Machine {
    mutating func stepSending<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        if !reportsAreCurrent {
            let told = currentReports()
            if !Machine.rolesAgree(told, reports) { generation &+= 1 }
            reports = told
            sendDue = true
        }
        guard phase != .left || leaving?.sequence != nil else { return }
        let doubtful = isInDoubt(at: now)
        if now >= nextSending {
            let interval =
                doubtful || phase == .left ? policy.timing.probe : policy.timing.heartbeat
            nextSending = now + interval
            stepLinks(at: now, into: &out)
            send(reports, flags: doubtful ? .probe : [], at: now, into: &out)
        } else if sendDue || answerDue {
            send(reports, flags: [], at: now, into: &out)
        }
    }

    /// Only roles decide who works. A wish that lapses when contact is lost must not make the view
    /// unclear, and the fence late.
    private static func rolesAgree(_ a: [GroupReport], _ b: [GroupReport]) -> Bool {
        guard a.count == b.count else { return false }
        for index in a.indices where a[index].role != b[index].role { return false }
        return true
    }

    /// Probing ends some time after the loss: what is still silent then will say hello.
    @inline(__always)
    private func isInDoubt(at now: Instant) -> Bool {
        switch contactState {
        case .suspected: return true
        case .lost:
            guard receipt == nil, let age = contact.age(at: now) else { return false }
            return age < policy.timing.deadAfter * 4
        case .never, .established: return false
        }
    }

    mutating func send<Sink: EffectSink>(
        _ reports: [GroupReport], flags extra: Message.Flags, at now: Instant, into out: inout Sink
    ) {
        sendDue = false
        answerDue = false
        // What this node says of its groups while an order is under way may differ from the view by
        // which it ordered: the peer shall not take the two for one (S7).
        let seen = isFencing ? 0 : seenGeneration
        var acknowledged: UInt64 = 0
        var echo = Instant(nanoseconds: 0)
        if let newest = peer?.sequence, let sentAt = peer?.sentAt, !mustForget, !hasTakenItsTurn {
            acknowledged = newest
            echo = sentAt + (now - peerReceivedAt)
        }
        out.emit(
            .send(
                Message(
                    sequence: contact.noteSending(at: now), acknowledged: acknowledged,
                    heardOn: contact.heardOn(within: policy.timing.deadAfter, at: now), sentAt: now,
                    echo: echo, flags: flags.union(extra), phase: phase, health: health.score,
                    watchdogMilliseconds: UInt32(clamping: watchdog.milliseconds),
                    relayTest: relayTest, configurationDigest: policy.digest,
                    groupsDigest: policy.groupsDigest, generation: generation, seenGeneration: seen,
                    pause: pausing?.length ?? .zero, groups: reports),
                on: .first(policy.linkCount)))
    }

    /// An order stands that was given in a turn, on what had been heard by then. What comes later is
    /// not acknowledged until the order is over: a peer that learnt of it would count a new loss
    /// from there, and with it a turn of its own that this one knows nothing of (FencingTurns).
    @inline(__always)
    private var hasTakenItsTurn: Bool {
        guard case .ordered(let order) = fence.step else { return false }
        return order.cause == .contactLost || order.cause == .aloneAfter
    }

    @inline(__always)
    private var flags: Message.Flags {
        var flags: Message.Flags = []
        if maintenance { flags.insert(.maintenance) }
        if drill { flags.insert(.drill) }
        if policy.simulated || health.simulated { flags.insert(.simulated) }
        if pauseUntil != nil { flags.insert(.pauseAgreed) }
        // Not while the peer may be about to lose its power by this node's own order (S7).
        #if PICKET_PLANTED_BUGS
            guard !isFencing || planted(.asksWhileFencing) else { return flags }
        #else
            guard !isFencing else { return flags }
        #endif
        for group in groups.indices {
            if case .releasing(let releasing) = groups[group].role, releasing.stuck,
                !releasing.unknown
            {
                flags.insert(.fenceMe)
            }
        }
        return flags
    }

    func currentReports() -> [GroupReport] { groups.indices.map { currentReport(of: $0) } }

    /// What was told of the groups is what is so.
    @inline(__always)
    var reportsAreCurrent: Bool {
        guard reports.count == groups.count else { return false }
        for group in groups.indices where reports[group] != currentReport(of: group) {
            return false
        }
        return true
    }

    @inline(__always)
    private func currentReport(of index: GroupIndex) -> GroupReport {
        var report = GroupReport(term: groups[index].term, sync: groups[index].sync)
        switch groups[index].role {
        case .vacant: report.role = .vacant
        case .claiming(let claim):
            report.role = .claiming
            report.term = claim.term
        case .granting(let grant):
            report.role = .granting
            report.term = grant.term
            if grant.automatic { report.flags.insert(.automatic) }
        case .holding(let active):
            report.role = .holding
            report.term = active.term
            if active.run == .running { report.flags.insert(.running) }
        case .releasing(let releasing):
            report.role = .releasing
            report.term = releasing.term
        case .resuming(let term):
            report.role = .resuming
            report.term = term
            report.flags.insert(.running)
        }
        if isEligible(index) { report.flags.insert(.eligible) }
        if let wish = groups[index].wish {
            report.flags.insert(wish.failback ? .failback : .wanted)
        }
        return report
    }
}
