/// What the peer's messages mean: its sessions, the contact with it, and what its last word is
/// worth.
extension Machine {
    mutating func receive<Sink: EffectSink>(
        _ message: consuming Message, session: SessionID, link: Int, at now: Instant,
        into out: inout Sink
    ) {
        if banned.contains(session) {
            guard session == banned.last, message.acknowledged > sequenceAtVerification else {
                // It is told what came, and nothing more: were both nodes to ban each other by two
                // false words, neither could ever show the other that it lives.
                if session == peerSession, message.sequence > (peer?.sequence ?? .max) {
                    peer?.sequence = message.sequence
                }
                return
            }
            disprove(session, into: &out)
        }
        if session != peerSession { meet(session, at: now, into: &out) }
        contact.noteHeard(on: link, at: now)
        if contact.noteAcknowledged(message, at: now) { regain(at: now, into: &out) }
        if message.flags.contains(.probe) { answerDue = true }
        guard message.sequence > (peer?.sequence ?? 0) else { return }
        let wasUnfit = peer.map { $0.health == 0 }
        peerReceivedAt = now
        // Only what has acknowledged this session has forgotten, on disk, that it may go on alone.
        if message.phase == .left, message.acknowledged > 0,
            let left = Receipt(copy message, of: session)
        {
            takeLeave(left, into: &out)
        }
        compare(message, wasUnfit: wasUnfit, into: &out)
        peer = message
    }

    /// A new life of the peer's agent. Every receipt was for the life before it, and so were the
    /// grants given and asked for.
    private mutating func meet<Sink: EffectSink>(
        _ session: SessionID, at now: Instant, into out: inout Sink
    ) {
        peerSession = session
        metAt = now
        #if PICKET_PLANTED_BUGS
            if !planted(.oldClockKept) { contact.forgetClock() }
        #else
            contact.forgetClock()
        #endif
        #if PICKET_PLANTED_BUGS
            let old = peer
            let oldRoles = groups.map(\.role)
        #endif
        peer = nil
        mustForget = memory.alone || durable.alone || saving?.memory.alone == true
        #if PICKET_PLANTED_BUGS
            if planted(.aloneAnsweredFirst) { mustForget = false }
            let kept = (memory.alone, receipt)
        #endif
        memory.alone = false
        receipt = nil
        #if PICKET_PLANTED_BUGS
            if planted(.aloneNeverForgotten) { (memory.alone, mustForget) = (kept.0, false) }
            if planted(.receiptOutlivesSession) { receipt = kept.1 }
        #endif
        for group in groups.indices {
            switch groups[group].role {
            case .claiming, .granting: groups[group].role = .vacant
            case .vacant, .holding, .releasing, .resuming: break
            }
        }
        #if PICKET_PLANTED_BUGS
            if planted(.oldSessionSpeaks) {
                peer = old
                for group in groups.indices { groups[group].role = oldRoles[group] }
            }
        #endif
        pauseUntil = nil
        cancelFence(cause: .peerAnswered, into: &out)
        if let fenced = banned.last { out.emit(.ban(fenced)) }
        out.emit(.trace(Trace(.peerSession, number: session.value)))
    }

    /// A fenced session that acknowledges what was sent after it was verified off.
    private mutating func disprove<Sink: EffectSink>(
        _ session: SessionID, into out: inout Sink
    ) {
        banned.removeLast()
        sequenceAtVerification = .max
        if receipt?.proof == .verifiedOff { fence.distrusted = true }
        receipt = nil
        mustForget = memory.alone || durable.alone || saving?.memory.alone == true
        memory.alone = false
        fence.step = .idle
        peerSession = session
        if phase == .alone { phase = .paired }
        out.emit(.trace(Trace(.fenceDisproved, cause: .fenceDisproved)))
    }

    /// The peer's last word in this session: it holds nothing and never will again. Who has said so
    /// itself keeps nothing by it: were both to remember the other's, both would boot alone.
    private mutating func takeLeave<Sink: EffectSink>(_ left: Receipt, into out: inout Sink) {
        guard receipt == nil, phase != .left else { return }
        receipt = left
        if phase == .paired { phase = .alone }
        memory.alone = true
        mustForget = false
        cancelFence(cause: .peerLeft, into: &out)
        out.emit(.trace(Trace(.peerLeft, cause: .peerLeft)))
    }

    /// Something that was sent not long ago was acknowledged.
    private mutating func regain<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard let age = contact.age(at: now), age <= policy.timing.deadAfter else { return }
        // An agent that was restarted goes on alone before it has missed anybody.
        let regained =
            contactState == .lost || contactState == .never || phase == .waiting
            || (phase == .alone && receipt == nil)
        if age <= suspicionAge {
            contactState = .established
        } else if regained {
            contactState = .suspected
        }
        fence.firstTurn = true
        if regained { establish(into: &out) }
    }

    private mutating func establish<Sink: EffectSink>(into out: inout Sink) {
        if !hadContact {
            hadContact = true
            out.emit(.trace(Trace(.armed)))
        }
        cancelFence(cause: .peerAnswered, into: &out)
        fence.episode = nil
        // A peer that was left off (policy) and is back needs no more restoring.
        if fence.step == .restoring { fence.step = .idle }
        if receipt == nil {
            if phase == .waiting || phase == .alone { phase = .paired }
            out.emit(.trace(Trace(.contact, duration: contact.roundTrip)))
        }
    }

    /// Suspicion and loss, by the running clock.
    mutating func stepContact<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard let age = contact.age(at: now) else { return }
        switch contactState {
        case .never where hadContact: contactState = .suspected
        case .never, .lost: return
        case .established where age > suspicionAge:
            contactState = .suspected
            nextSending = now
            out.emit(.trace(Trace(.suspicion, duration: age)))
        case .established, .suspected: break
        }
        if age > policy.timing.deadAfter {
            contactState = .lost
            linksUp = .none
            if receipt == nil { out.emit(.trace(Trace(.contactLost, duration: age))) }
        }
    }

    /// Which links carry both ways; looked at with every heartbeat.
    mutating func stepLinks<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard inContact, let theirs = peer?.heardOn else { return }
        let heard = contact.heardOn(within: policy.timing.deadAfter, at: now)
        for link in 0..<policy.linkCount {
            let up = heard.contains(link) && theirs.contains(link)
            guard up != linksUp.contains(link) else { continue }
            if up { linksUp.insert(link) } else { linksUp.remove(link) }
            out.emit(.trace(Trace(up ? .linkUp : .linkDown, number: UInt64(link))))
        }
    }

    /// What changed in what the peer says of itself.
    private mutating func compare<Sink: EffectSink>(
        _ message: Message, wasUnfit: Bool?, into out: inout Sink
    ) {
        if let wasUnfit, wasUnfit != (message.health == 0) {
            out.emit(.trace(Trace(.peerHealthChanged, number: UInt64(message.health))))
        }
        let maintained = message.flags.contains(.maintenance)
        if maintained != peerMaintenance {
            peerMaintenance = maintained
            out.emit(.trace(Trace(.peerMaintenance, number: maintained ? 1 : 0)))
        }
        let agrees = message.configurationDigest == policy.digest
        if agrees != configurationAgrees {
            configurationAgrees = agrees
            out.emit(.trace(Trace(agrees ? .configurationAgrees : .configurationDiffers)))
        }
    }
}
