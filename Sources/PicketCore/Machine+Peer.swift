/// What the peer's messages mean: its sessions, the contact with it, and what its last word is
/// worth.
extension Machine {
    mutating func receive<Sink: EffectSink>(
        _ message: consuming Message, session: SessionID, link: Int, at now: Instant,
        into out: inout Sink
    ) {
        if peer.banned.contains(session) {
            guard peer.isAlive(session, by: message) else {
                peer.noteArrival(message.sequence, of: session)
                return
            }
            disprove(session, into: &out)
        }
        if session != peer.session { meet(session, at: now, into: &out) }
        peer.noteHeard(on: link, at: now)
        if peer.noteAcknowledged(message, at: now) { regain(at: now, into: &out) }
        if message.flags.contains(.probe) { outgoing.askedToAnswer() }
        guard message.sequence > (peer.message?.sequence ?? 0) else { return }
        // Only a session that has acknowledged this one has forgotten, on disk, that it may go on
        // alone.
        if message.phase == .left, message.acknowledged > 0,
            let left = Receipt(copy message, of: session)
        {
            takeLeave(left, into: &out)
        }
        let maintenance = Maintenance(
            isOn: message.flags.contains(.maintenance), version: message.maintenance)
        peer.take(message, by: policy, at: now, into: &out)
        if !planted(.goneTermsForgotten) { goneTerm = max(goneTerm, peer.othersTerm) }
        if peer.message?.flags.contains(.leavesRunning) == true { hearOfRest(into: &out) }
        hear(maintenance, nil, into: &out)
        if let told = peer.hearMaintained() { hear(told.maintenance, told.place, into: &out) }
    }

    /// A new life of the peer's agent. Every receipt, and every grant given or asked for, was for
    /// the life before it.
    private mutating func meet<Sink: EffectSink>(
        _ session: SessionID, at now: Instant, into out: inout Sink
    ) {
        peer.meet(session, at: now)
        disk.forgetAlone()
        if !planted(.receiptOutlivesSession) { life.voidReceipt() }
        for group in groups.indices where isStateful(group) && !groups[group].isHolding {
            groups[group].forgetCopy()
        }
        if !planted(.oldSessionSpeaks) {
            for group in groups.indices { groups[group].vacate() }
        }
        fence.cancel(cause: .peerAnswered, into: &out)
        if let fenced = peer.banned.last { out.emit(.ban(fenced)) }
        out.emit(.trace(Trace(.peerSession, number: session.value)))
    }

    /// A session that was verified off, or declared off, has shown that it lives.
    private mutating func disprove<Sink: EffectSink>(
        _ session: SessionID, into out: inout Sink
    ) {
        let byWord = life.receipt?.proof == .operatorsWord
        if life.receipt?.proof == .verifiedOff { disk.distrust(true) }
        fence.disprove()
        peer.unban(session)
        disk.forgetAlone()
        life.voidReceipt()
        if !life.isWaiting { life.pair() }
        out.emit(
            .trace(Trace(.fenceDisproved, cause: byWord ? .operatorConfirmed : .fenceDisproved)))
    }

    /// The peer's last word in this session: it holds nothing and never will again. A node that has
    /// said the same keeps nothing by it, because if both remembered the other's word, both would
    /// boot alone.
    private mutating func takeLeave<Sink: EffectSink>(_ left: Receipt, into out: inout Sink) {
        let known = life.receipt
        guard !life.hasSaidAll, known.map({ !$0.isWhole && $0 != left }) ?? true else { return }
        life.take(left)
        if left.isWhole { disk.rememberPeerLeft() }
        guard known == nil else { return }
        fence.cancel(cause: .peerLeft, into: &out)
        out.emit(
            .trace(Trace(.peerLeft, cause: .peerLeft, number: left.isWhole ? nil : 1)))
    }

    /// The peer's agent ends, and leaves something running. That is no proof for what it still has,
    /// nor is it kept: an agent that followed this one would not know what it does not hold for.
    private mutating func hearOfRest<Sink: EffectSink>(into out: inout Sink) {
        guard let message = peer.message, message.acknowledged > 0, let session = peer.session,
            let held = peer.held, let left = Receipt(message, of: session, barring: held),
            !planted(.restIsNoReceipt)
        else { return }
        takeLeave(left, into: &out)
    }

    /// Something that was sent not long ago was acknowledged.
    private mutating func regain<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard let age = peer.contact.age(at: now), age <= policy.timing.deadAfter else { return }
        let regained = isContactNew
        if age <= suspicionAge {
            peer.settle(.established)
        } else if regained {
            peer.settle(.suspected)
        }
        fence.renewFirstTurn()
        if regained { establish(into: &out) }
    }

    /// An agent that was restarted goes on alone before it has missed its peer.
    private var isContactNew: Bool {
        switch peer.state {
        case .never, .lost: true
        case .established, .suspected: life.awaitsContact
        }
    }

    private mutating func establish<Sink: EffectSink>(into out: inout Sink) {
        if peer.arm() { out.emit(.trace(Trace(.armed))) }
        fence.cancel(cause: .peerAnswered, into: &out)
        fence.settle()
        if !life.hasReceipt {
            life.pair()
            out.emit(.trace(Trace(.contact, duration: peer.contact.roundTrip)))
        }
    }

    /// Suspicion and loss, by the running clock.
    mutating func stepContact<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard let age = peer.contact.age(at: now) else { return }
        switch peer.state {
        case .never where peer.isArmed: peer.settle(.suspected)
        case .never, .lost: return
        case .established where age > suspicionAge:
            peer.settle(.suspected)
            outgoing.schedule(now)
            out.emit(.trace(Trace(.suspicion, duration: age)))
        case .established, .suspected: break
        }
        if age > policy.timing.deadAfter {
            peer.lose()
            if !life.hasReceipt { out.emit(.trace(Trace(.contactLost, duration: age))) }
        }
    }
}
