/// The node's own life: waiting, alone, pausing, leaving.
///
///     waiting ──contact──▶ paired ◀──contact with a new session── alone
///        │                   │  └──receipt, operator's word──────▶ │
///        └─ alone_after, a remembered receipt and a fence, or word ┘
///     paired ──pause agreed──▶ (exit, groups keep running)
///     any    ──leave──▶ leaving ──all released──▶ left ──acknowledged, or time──▶ (exit)
extension Machine {
    /// First of all, what the note does not say to be held is stopped: a unit that the system
    /// started by itself, or what an agent left behind whose note is lost.
    mutating func begin<Sink: EffectSink>(into out: inout Sink) {
        guard !begun else { return }
        begun = true
        for group in groups.indices {
            guard case .releasing(let releasing) = groups[group].role, releasing.unknown else {
                continue
            }
            out.emit(.stop(group, cause: .agentRestarted))
        }
    }

    mutating func stepLife<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        switch phase {
        case .waiting: stepWaiting(at: now, into: &out)
        case .pausing: stepPausing(at: now, into: &out)
        case .paired, .alone, .leaving, .left: break
        }
        stepAgreedPause(at: now, into: &out)
        if mustForget, !durable.alone, saving?.memory.alone != true { mustForget = false }
    }

    /// Alone in this boot. What may be gone on with is only what a receipt covers that outlived its
    /// agent: then the peer cannot have fenced this node. Without one, this node may itself have
    /// been fenced, and waits for the peer or the operator (S7). After a reboot the peer may work by
    /// an operator's word, given while this node was dark: it is fenced first (`stepBootAlone`).
    private mutating func stepWaiting<Sink: EffectSink>(
        at now: Instant, into out: inout Sink
    ) {
        let resuming = groups.contains {
            if case .resuming = $0.role { true } else { false }
        }
        if let receipt, resuming || receipt.proof == .operatorsWord {
            goOn(cause: .agentRestarted, into: &out)
            return
        }
        guard case .aloneAfter(let patience) = policy.startup, now - startedAt >= patience else {
            return
        }
        if let receipt {
            #if PICKET_PLANTED_BUGS
                if planted(.aloneUnfenced) { goOn(cause: .aloneAfter, into: &out) }
            #endif
            if receipt.proof != .remembered { goOn(cause: .aloneAfter, into: &out) }
        } else if fence.toldRefusal != .peerMayHold, contactState == .never {
            fence.toldRefusal = .peerMayHold
            out.emit(.trace(Trace(.fenceRefused, cause: .aloneAfter, refusal: .peerMayHold)))
        }
    }

    /// Goes on by the receipt in hand.
    mutating func goOn<Sink: EffectSink>(cause: Cause, into out: inout Sink) {
        phase = .alone
        if receipt?.proof != .operatorsWord { memory.alone = true }
        out.emit(.trace(Trace(.taken, cause: cause)))
    }

    private mutating func stepPausing<Sink: EffectSink>(
        at now: Instant, into out: inout Sink
    ) {
        guard let asked = pausing else { return }
        if let peer, inContact, peer.flags.contains(.pauseAgreed) {
            out.emit(.answer(id: asked.command, .accepted))
            out.emit(.trace(Trace(.paused, duration: asked.length)))
            note(into: &out)
            exited = true
            out.emit(.exit(released: false))
        } else if now >= asked.until {
            pausing = nil
            phase = receipt == nil ? .paired : .alone
            out.emit(.answer(id: asked.command, .refused(.notInContact)))
        }
    }

    /// The peer's pause: agreed once a session, and bounded from then on.
    private mutating func stepAgreedPause<Sink: EffectSink>(
        at now: Instant, into out: inout Sink
    ) {
        #if PICKET_PLANTED_BUGS
            let bounded = !planted(.pauseUnbounded)
        #else
            let bounded = true
        #endif
        if bounded, let until = pauseUntil, now >= until {
            pauseUntil = nil
            fence.firstTurn = false
            out.emit(.trace(Trace(.peerPauseEnded)))
        }
        guard peer?.phase == .pausing, let peer, pauseUntil == nil, inContact, phase == .paired,
            peer.pause > .zero, peer.pause <= policy.timing.longestPause, fence.step == .idle
        else { return }
        pauseUntil = now + peer.pause
        out.emit(.trace(Trace(.peerPaused, duration: peer.pause)))
    }

    mutating func leave<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard leaving == nil else { return }
        leaving = Leaving(until: now + policy.timing.leaveWithin, sequence: nil)
        phase = .leaving
        pausing = nil
        cancelFence(cause: .plannedStop, into: &out)
        out.emit(.trace(Trace(.leaving, cause: .plannedStop)))
    }

    /// Once nothing is held: says so until the peer has heard it, then ends.
    mutating func stepLeaving<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard let leaving, !exited else { return }
        // A fence that was ordered is over first: were it to succeed after the peer has this node's last
        // word, both would remember a receipt (S7).
        var released = !isFencing && !groups.contains { $0.isHeld }
        #if PICKET_PLANTED_BUGS
            if planted(.leavesHolding) { released = true }
        #endif
        if released, phase == .leaving {
            phase = .left
            for group in groups.indices {
                if case .claiming = groups[group].role { groups[group].role = .vacant }
            }
            note(into: &out)
            send(currentReports(), flags: [], at: now, into: &out)
            self.leaving?.sequence = contact.sequence
        }
        let heard = leaving.sequence.map { (peer?.acknowledged ?? 0) >= $0 } ?? false
        guard (released && (heard || !inContact)) || now >= leaving.until else { return }
        exited = true
        out.emit(.trace(Trace(.left, cause: .plannedStop)))
        out.emit(.exit(released: released))
    }
}
