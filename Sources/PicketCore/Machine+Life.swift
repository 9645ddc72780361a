/// The node's own life (Life.swift): waiting, alone, pausing, leaving.
extension Machine {
    mutating func stepLife<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        switch life {
        case .waiting(let receipt): stepWaiting(receipt, at: now, into: &out)
        case .pausing(let asked, _): step(asked, at: now, into: &out)
        case .paired, .alone, .returning, .leaving, .left: break
        }
        stepAgreedPause(at: now, into: &out)
        disk.settleForgetting()
    }

    /// Alone in this boot. This node may go on only by a receipt that outlived its agent, because
    /// then the peer cannot have fenced this node. Without such a receipt this node may itself have
    /// been fenced, so it waits for the peer or the operator (S7), or until it has seen the peer's
    /// supply off for long enough. After a reboot the peer may work by an operator's word that was
    /// given while this node was dark, so the peer is fenced first (`stepBootAlone`).
    private mutating func stepWaiting<Sink: EffectSink>(
        _ receipt: Receipt?, at now: Instant, into out: inout Sink
    ) {
        if let receipt,
            receipt.proof == .operatorsWord
                || groups.contains(where: { $0.runningTerm != nil })
        {
            goOn(by: receipt, cause: .agentRestarted, into: &out)
            return
        }
        guard patienceIsOver(at: now) else { return }
        if let receipt {
            if receipt.proof != .remembered || planted(.aloneUnfenced) {
                goOn(by: receipt, cause: .aloneAfter, into: &out)
            }
        } else if peer.state == .never, !mayFenceUnmet(at: now) {
            fence.tell(.peerMayHold, cause: .aloneAfter, into: &out)
        }
    }

    /// The node has been without its peer since the agent's start for as long as `alone_after`
    /// asks.
    func patienceIsOver(at now: Instant) -> Bool {
        guard case .aloneAfter(let patience, _) = policy.startup else { return false }
        return now - startedAt >= patience
    }

    /// Without a receipt, and without having met its peer in this boot.
    func mayFenceUnmet(at now: Instant) -> Bool {
        peer.state == .never
            && (hasSeenPeerOff(at: now) || policy.startup.fencesUnreachable
                || planted(.aloneUnseen))
    }

    /// The peer's supply has been off for as long as `alone_after` asks: it cannot work.
    func hasSeenPeerOff(at now: Instant) -> Bool {
        guard case .aloneAfter(let patience, _) = policy.startup, let since = vitals.peerOffSince
        else { return false }
        return now - since >= patience
    }

    /// Goes on by this receipt.
    mutating func goOn<Sink: EffectSink>(
        by receipt: Receipt, cause: Cause, into out: inout Sink
    ) {
        life.goOn(by: receipt)
        if receipt.proof != .operatorsWord, receipt.isWhole { disk.rememberAlone() }
        out.emit(.trace(Trace(.taken, cause: cause)))
    }

    private mutating func step<Sink: EffectSink>(
        _ asked: Life.Pausing, at now: Instant, into out: inout Sink
    ) {
        if inContact, peer.message?.flags.contains(.pauseAgreed) == true {
            out.emit(.answer(id: asked.command, .accepted))
            out.emit(.trace(Trace(.paused, duration: asked.length)))
            note(into: &out)
            exit(.running, into: &out)
        } else if now >= asked.until {
            life.resume()
            out.emit(.answer(id: asked.command, .refused(.notInContact)))
        }
    }

    /// The peer's pause: agreed once a session, and bounded from then on.
    @inline(__always)
    private mutating func stepAgreedPause<Sink: EffectSink>(
        at now: Instant, into out: inout Sink
    ) {
        if let until = peer.pausedUntil, now >= until, !planted(.pauseUnbounded) {
            peer.endPause()
            fence.forgoFirstTurn()
            out.emit(.trace(Trace(.peerPauseEnded)))
        }
        if peer.message?.phase == .pausing { agreeToPause(at: now, into: &out) }
    }

    private mutating func agreeToPause<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard let length = peer.message?.pause, peer.pausedUntil == nil, inContact, life.isPaired,
            length > .zero, length <= policy.timing.longestPause, fence.isIdle
        else { return }
        peer.agreeToPause(until: now + length)
        out.emit(.trace(Trace(.peerPaused, duration: length)))
    }

    mutating func leave<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard !life.isLeaving else { return }
        life.leave(until: now + policy.timing.leaveWithin)
        fence.cancel(cause: .plannedStop, into: &out)
        if !leavesRunning || !isMaintained {
            out.emit(.trace(Trace(.leaving, cause: .plannedStop)))
        }
    }

    /// In maintenance what runs goes on, and an agent that follows finds it in the note.
    private var leavesRunning: Bool {
        groups.indices.contains {
            isMaintained($0) && (groups[$0].runningTerm != nil || groups[$0].isLeftUnstopped)
        }
    }

    /// All that is not in maintenance is with the peer, or stopped; and nothing is being done to
    /// what is, as long as there is time.
    private func hasGivenRest(at now: Instant, until end: Instant) -> Bool {
        groups.indices.allSatisfy { group in
            switch groups[group].role {
            case .vacant, .claiming: return true
            case .granting: return !inContact || isMaintained(group) && now >= end
            case .holding, .resuming, .unknown, .releasing:
                return isMaintained(group)
                    && (groups[group].isAtRest || now >= end || planted(.leavesHalfWay))
            }
        }
    }

    /// Once nothing is held: says so until the peer has heard it, then ends.
    mutating func step<Sink: EffectSink>(
        _ leaving: Life.Leaving, at now: Instant, into out: inout Sink
    ) {
        guard !exited else { return }
        if leavesRunning, !fence.isOrdered, hasGivenRest(at: now, until: leaving.until) {
            if !life.leavesRunning { leaveRunning(at: now, into: &out) }
            guard isMaintained || lastWordIsHeard || !inContact || now >= leaving.until else {
                return
            }
            out.emit(.trace(Trace(.leftRunning, cause: .plannedStop)))
            exit(.unattended, into: &out)
            return
        }
        // A fence that was ordered is over first: if it succeeded after the peer has this node's
        // last word, both would remember a receipt (S7).
        let released =
            (!fence.isOrdered && !groups.contains { $0.isHeld }) || planted(.leavesHolding)
        if released, !life.hasLeft {
            life.release()
            for group in groups.indices { groups[group].withdrawClaim() }
            note(into: &out)
            send(currentReports(), flags: [], at: now, into: &out)
            life.noteLastWord(peer.contact.sequence)
        }
        guard (released && (lastWordIsHeard || !inContact)) || now >= leaving.until else { return }
        out.emit(.trace(Trace(.left, cause: .plannedStop)))
        exit(released ? .released : .running, into: &out)
    }

    private var lastWordIsHeard: Bool {
        life.leaving?.sequence.map { (peer.message?.acknowledged ?? 0) >= $0 } ?? false
    }

    /// The peer takes the last word for a receipt. In maintenance of the pair it could do nothing
    /// by one, and is told nothing.
    private mutating func leaveRunning<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        life.leaveRunning()
        note(into: &out)
        guard !isMaintained else { return }
        send(currentReports(), flags: [], at: now, into: &out)
        life.noteLastWord(peer.contact.sequence)
    }
}
