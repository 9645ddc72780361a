/// The machine's part of an image (Image.swift): each stored property is either written here or
/// named in the comment that says why it need not be.

extension Machine {
    /// `handle`, compiled for one sink.
    package mutating func take(_ event: Event, at now: Instant, into out: inout Recorder) {
        handle(event, at: now, into: &out)
    }

    /// For the checker, after a round trip.
    package mutating func knowCommonClock() { if inContact { contact.knowCommonClock() } }

    package var sessionValue: UInt64 { session.value }
    package var newestSequence: UInt64 { contact.sequence }
    package var presentGeneration: UInt32 { generation }
    package var peerMessage: Message? { peer }
    package var peerSessionValue: UInt64 { peerSession?.value ?? 0 }
    package var presentTicket: UInt32? { saving?.ticket }
    package var presentFence: UInt32 { fence.id }
    package var memoryBeingSaved: Memory? { saving?.memory }
    package var isSaving: Bool { saving != nil }
    package var isLeaving: Bool { leaving != nil }
    package var isPaired: Bool { phase == .paired }
    package var isInContact: Bool { inContact }
    package var isMaintained: Bool { memory.maintenance }
    package var healthScore: UInt8 { health.score }
    package var wasDistrusted: Bool { fence.distrusted }
    package var isHolding: Bool { groups.contains { $0.isHeld } }

    /// The sequence numbers of this session that this machine refers to.
    package func use(_ ranks: inout Ranks) {
        ranks.use(contact.reachedSequence)
        if sequenceAtVerification != .max { ranks.use(sequenceAtVerification) }
        if let sequence = leaving?.sequence {
            ranks.use(sequence)
            ranks.use(peer?.acknowledged ?? 0)
        }
    }

    /// An acknowledgement that says nothing new is as good as none.
    package func worth(_ acknowledged: UInt64) -> UInt64 {
        acknowledged <= contact.reachedSequence && sequenceAtVerification == .max
            && leaving == nil ? 0 : acknowledged
    }

    /// - Parameters:
    ///   - mine: of this session's sequence numbers.
    ///   - live: those of them that may still be acknowledged.
    ///   - peers: of those of the session that `peer` is of.
    ///   - isPresent: whether `peer` tells of the present generation of its sender's reports.
    package func write(
        to image: inout ImageWriter, mine: Ranks, live: Ranks, peers: Ranks, isPresent: Bool
    ) {
        let lateness = max(0, image.now - promised.nanoseconds)
        let late = lateness > 1 ? lateness : 0
        image.put(age: late)
        write(contact, late: late, to: &image, mine: mine, live: live)
        image.put(contactState.rawValue)
        image.put(UInt8(peerSession?.value ?? 0))
        // Asked only whether it is longer ago than `deadAfter`.
        let patience = policy.timing.deadAfter + .nanoseconds(image.step + 1)
        image.put(past: max(metAt, Instant(nanoseconds: image.now) - patience))
        image.put(peer != nil)
        if let peer {
            peer.write(
                to: &image, sequence: peers.rank(peer.sequence),
                acknowledged: leaving?.sequence == nil ? 0 : mine.rank(peer.acknowledged),
                isPresent: isPresent, hasSeen: peer.seenGeneration == generation)
        }
        image.put(UInt8(banned.count))
        for session in banned { image.put(UInt8(session.value)) }
        image.put(
            sequenceAtVerification == .max
                ? 255 : UInt8(mine.rank(sequenceAtVerification)))
        writeLife(to: &image, mine: mine)
        fence.write(to: &image)
        for group in groups { group.write(to: &image) }
        memory.write(to: &image)
        image.put(durable != memory)
        if durable != memory { durable.write(to: &image) }
        image.put(saving != nil)
        if let saving {
            image.put(saving.memory == memory)
            if saving.memory != memory { saving.memory.write(to: &image) }
        }
        image.put(exact: nextSending)
        // `sendDue` and `answerDue` outlive an event only in a machine that has left.
        image.put(sendDue)
        image.put(answerDue)
        // What was told of the groups, where it is no longer what is so.
        image.put(reports.count == groups.count && reports == currentReports())
        // Not written: the policy, which does not change; `peerReceivedAt`, for the round trip;
        // `configuredSince`, `formerTiming`: no configuration changes;
        // `linksUp`, `configurationAgrees`, `unfitBothTold` and whatever else was told, which only
        // the trace shows; `relayTest`, `watchdog`, `fedAt`, which the checker leaves alone;
        // `seenGeneration`, the peer's own; `noted`, which is the node's note; `ticket`.
    }

    private func write(
        _ contact: Contact, late: Int64, to image: inout ImageWriter, mine: Ranks, live: Ranks
    ) {
        let running = image.now - contact.stalled.nanoseconds - late
        image.put(UInt8(mine.highest))
        image.put(UInt8(mine.rank(contact.reachedSequence)))
        image.put(contact.reachedReal != nil)
        if let real = contact.reachedReal, let at = contact.reachedRunning {
            image.put(past: real)
            image.put(age: running - at.nanoseconds)
        }
        // Asked for only together with the newest sending that was acknowledged.
        image.put(contact.heard != nil)
        if let heard = contact.heard {
            image.put(past: max(heard, contact.reachedReal ?? heard))
        } else {
            image.put(past: startedAt)
        }
        var count: UInt8 = 0
        let relevant = { (sending: Contact.Sending) in
            sending.sequence > contact.reachedSequence && live.isUsed(sending.sequence)
        }
        for sending in contact.sendings where relevant(sending) { count += 1 }
        image.put(count)
        let oldest = contact.reachedSequence + 1
        guard count > 0, oldest <= contact.sequence else { return }
        for sequence in oldest...contact.sequence {
            let sending = contact.sendings[Int(sequence % UInt64(contact.sendings.count))]
            guard sending.sequence == sequence, relevant(sending) else { continue }
            image.put(UInt8(mine.rank(sequence)))
            image.put(past: sending.real)
            image.put(age: running - sending.running.nanoseconds)
        }
        // Not written: `heardOnLink`, for the trace; what the clocks' offset was taken from. The
        // offset is zero, if it is known at all (`writeLife`).
    }

    /// When it started still counts.
    private var waitsForPatience: Bool {
        guard phase == .waiting, case .aloneAfter = policy.startup else { return false }
        return true
    }

    private func writeLife(to image: inout ImageWriter, mine: Ranks) {
        image.put(phase.rawValue)
        if waitsForPatience { image.put(past: startedAt) }
        var flags: UInt8 = hadContact ? 1 : 0
        if peerMaintenance { flags |= 2 }
        if drill { flags |= 4 }
        if mustForget { flags |= 8 }
        if exited { flags |= 16 }
        if pauseUntil != nil { flags |= 32 }
        if saveRetryAt != nil { flags |= 64 }
        if contact.clockOffset != nil { flags |= 128 }
        image.put(flags)
        if let pauseUntil { image.put(until: pauseUntil) }
        if let saveRetryAt { image.put(until: saveRetryAt) }
        image.put(health.score)
        image.put(receipt.map { $0.proof.rawValue } ?? 0)
        if let receipt { image.put(UInt8(receipt.session?.value ?? 0)) }
        image.put(pausing != nil)
        if let pausing {
            image.put(until: pausing.until)
            image.put(age: pausing.length.nanoseconds)
        }
        image.put(leaving != nil)
        if let leaving {
            image.put(until: leaving.until)
            image.put(UInt8(mine.rank(leaving.sequence ?? 0)))
        }
    }

    /// The machine of an image. `self` gives what an image does not hold.
    package mutating func read(from image: inout ImageReader, session value: UInt64, note: RunNote)
    {
        session = SessionID(value)
        let late = image.age()
        readContact(from: &image, late: late)
        contactState = Status.Contact(rawValue: image.byte())!
        let theirs = UInt64(image.byte())
        peerSession = theirs == 0 ? nil : SessionID(theirs)
        metAt = image.past()
        generation = 1
        peer = image.flag() ? Message(from: &image) : nil
        seenGeneration = peer?.generation ?? 0
        banned.removeAll()
        for _ in 0..<image.byte() { banned.append(SessionID(UInt64(image.byte()))) }
        let verified = image.byte()
        sequenceAtVerification = verified == 255 ? .max : UInt64(verified)
        readLife(from: &image)
        fence = FenceState(from: &image, at: Instant(nanoseconds: image.now))
        groups = groups.indices.map { GroupState(from: &image, index: $0) }
        let count = groups.count
        memory = Memory(from: &image, groups: count)
        durable = image.flag() ? Memory(from: &image, groups: count) : memory
        saving = nil
        ticket = 1
        if image.flag() {
            let same = image.flag()
            saving = (1, same ? memory : Memory(from: &image, groups: count))
        }
        nextSending = image.exact()
        sendDue = image.flag()
        answerDue = image.flag()
        noted = note
        exited = false
        begun = true
        reports = image.flag() ? currentReports() : []
        promised = nextDeadline
        if late > 0 { promised = Instant(nanoseconds: image.now - late) }
    }

    private mutating func readContact(from image: inout ImageReader, late: Int64) {
        contact.stalled = .zero
        contact.sequence = UInt64(image.byte())
        contact.reachedSequence = UInt64(image.byte())
        contact.reachedReal = nil
        contact.reachedRunning = nil
        if image.flag() {
            contact.reachedReal = image.past()
            contact.reachedRunning = Instant(nanoseconds: image.now - late - image.age())
        }
        let wasHeard = image.flag()
        startedAt = image.past()
        contact.heard = wasHeard ? startedAt : nil
        contact.sendings = Contact.none
        for _ in 0..<image.byte() {
            let sequence = UInt64(image.byte())
            let real = image.past()
            contact.sendings[Int(sequence % 32)] = Contact.Sending(
                sequence: sequence, real: real,
                running: Instant(nanoseconds: image.now - late - image.age()))
        }
    }

    private mutating func readLife(from image: inout ImageReader) {
        phase = Message.Phase(rawValue: image.byte())!
        if waitsForPatience { startedAt = image.past() }
        let flags = image.byte()
        hadContact = flags & 1 != 0
        peerMaintenance = flags & 2 != 0
        drill = flags & 4 != 0
        mustForget = flags & 8 != 0
        exited = flags & 16 != 0
        contact.forgetClock()
        if flags & 128 != 0 { contact.knowCommonClock() }
        pauseUntil = flags & 32 != 0 ? image.until() : nil
        saveRetryAt = flags & 64 != 0 ? image.until() : nil
        health = Health(score: image.byte())
        receipt = nil
        if let proof = Receipt.Proof(rawValue: image.byte()) {
            let value = UInt64(image.byte())
            receipt = Receipt(proof, of: value == 0 ? nil : SessionID(value))
        }
        pausing = nil
        if image.flag() {
            let until = image.until()
            pausing = Pausing(
                length: Duration(nanoseconds: image.age()), until: until, command: 0)
        }
        leaving = nil
        if image.flag() {
            let until = image.until()
            let sequence = UInt64(image.byte())
            leaving = Leaving(until: until, sequence: sequence == 0 ? nil : sequence)
        }
    }
}

extension Contact {
    /// No sending: what a machine of an image starts with.
    static let none = [Sending](repeating: Sending(), count: 32)
}

extension Receipt {
    /// The receipt that once was made from its proof.
    fileprivate init?(_ proof: Proof, of session: SessionID?) {
        switch proof {
        case .verifiedOff: self.init(FenceOutcome.off, of: session)
        case .left:
            guard let session else { return nil }
            self.init(Message(sequence: 1, phase: .left), of: session)
        case .operatorsWord: self = Receipt.operatorsWord(on: session)
        case .remembered: self.init(remembered: Memory(groups: [], alone: true))
        }
    }
}

extension Message {
    /// Not written: the times and `heardOn`, which the checker blanks; what does not change.
    package func write(
        to image: inout ImageWriter, sequence: UInt64, acknowledged: UInt64, isPresent: Bool,
        hasSeen: Bool
    ) {
        precondition(
            flags.rawValue < 1 << 8 && phase.rawValue < 1 << 4,
            "a flag or a phase that the image has no bit for")
        image.put(UInt8(sequence))
        image.put(UInt8(acknowledged))
        image.put(UInt8(flags.rawValue))
        image.put(phase.rawValue | (isPresent ? 16 : 0) | (hasSeen ? 32 : 0))
        image.put(health)
        if pause != .zero || phase == .pausing { image.put(age: pause.nanoseconds) }
        image.put(UInt8(groups.count))
        for group in groups {
            precondition(
                group.role.rawValue < 1 << 3 && group.flags.rawValue < 1 << 5,
                "a role or a flag that the image has no bit for")
            image.put(group.role.rawValue | group.flags.rawValue << 3)
            image.put(group.term)
        }
    }

    package init(from image: inout ImageReader) {
        self.init(sequence: UInt64(image.byte()))
        acknowledged = UInt64(image.byte())
        flags = Flags(rawValue: UInt16(image.byte()))
        let bits = image.byte()
        phase = Phase(rawValue: bits & 15)!
        generation = bits & 16 != 0 ? 1 : 0
        seenGeneration = bits & 32 != 0 ? 1 : 0
        health = image.byte()
        if phase == .pausing { pause = Duration(nanoseconds: image.age()) }
        for _ in 0..<image.byte() {
            let bits = image.byte()
            groups.append(
                GroupReport(
                    role: GroupReport.Role(rawValue: bits & 7)!, term: image.term(),
                    flags: GroupReport.Flags(rawValue: bits >> 3)))
        }
    }
}

extension Memory {
    package func write(to image: inout ImageWriter) {
        image.put(UInt8((alone ? 1 : 0) | (maintenance ? 2 : 0)))
        image.put(UInt8(fences.count))
        image.put(UInt8(moves.count))
        for group in groups {
            image.put(group.term)
            image.put(group.holder.rawValue)
        }
    }

    package init(from image: inout ImageReader, groups count: Int) {
        self = .blank(groups: count)
        let flags = image.byte()
        alone = flags & 1 != 0
        maintenance = flags & 2 != 0
        let at = Instant(nanoseconds: image.now)
        fences = Array(repeating: at, count: Int(image.byte()))
        moves = Array(repeating: at, count: Int(image.byte()))
        for index in groups.indices {
            groups[index].term = image.term()
            groups[index].holder = GroupMemory.LastHolder(rawValue: image.byte())!
        }
    }
}

extension FenceState {
    fileprivate func write(to image: inout ImageWriter) {
        switch step {
        case .idle: image.put(0)
        case .ordered(let order):
            image.put(1)
            image.put(UInt8(order.session?.value ?? 0))
            image.put(order.cause.rawValue)
            image.put(UInt8(order.level))
            image.put(past: order.at + order.stood)
            image.put(order.cancelled)
        case .restoring: image.put(2)
        case .failed(let until):
            image.put(3)
            image.put(until: until)
        }
        var flags: UInt8 = firstTurn ? 1 : 0
        if distrusted { flags |= 2 }
        if let episode {
            flags |= 4
            if episode.commanded { flags |= 8 }
            if episode.counted { flags |= 16 }
        }
        if opensAt != nil { flags |= 32 }
        image.put(flags)
        if let episode { image.put(episode.cause.rawValue) }
        if let opensAt { image.put(exact: opensAt) }
        image.put(UInt8(level))
        image.put(UInt8(min(4, attempts)))
        // Not written: `toldRefusal`, for the trace; `id`, which is 1 while it is the present one.
    }

    fileprivate init(from image: inout ImageReader, at now: Instant) {
        self.init()
        id = 1
        switch image.byte() {
        case 0: step = .idle
        case 1:
            let value = UInt64(image.byte())
            step = .ordered(
                Ordered(
                    session: value == 0 ? nil : SessionID(value),
                    cause: Cause(rawValue: image.byte())!, level: Int(image.byte()),
                    at: image.past(), cancelled: image.flag()))
        case 2: step = .restoring
        default: step = .failed(until: image.until())
        }
        let flags = image.byte()
        firstTurn = flags & 1 != 0
        distrusted = flags & 2 != 0
        if flags & 4 != 0 {
            episode = Episode(
                cause: Cause(rawValue: image.byte())!, commanded: flags & 8 != 0,
                counted: flags & 16 != 0)
        }
        opensAt = flags & 32 != 0 ? image.exact() : nil
        level = Int(image.byte())
        attempts = Int64(image.byte())
    }
}

extension GroupState {
    fileprivate func write(to image: inout ImageWriter) {
        switch role {
        case .vacant: image.put(0)
        case .claiming(let claim):
            image.put(1)
            image.put(claim.term)
        case .holding(let active):
            image.put(active.run == .running ? 2 : 3)
            image.put(active.term)
        case .releasing(let it):
            image.put(4)
            image.put(it.term)
            image.put(
                (it.yields ? 1 : 0) | (it.automatic ? 2 : 0) | (it.stuck ? 4 : 0)
                    | (it.unknown ? 8 : 0))
            image.put(until: it.retryAt)
        case .granting(let grant):
            image.put(5)
            image.put(grant.term)
            image.put((grant.automatic ? 1 : 0) | (grant.resumed ? 2 : 0))
        case .resuming(let term):
            image.put(6)
            image.put(term)
        }
        image.put(term)
        image.put(sync.rawValue)
        var flags: UInt8 = blockedUntil != nil ? 1 : 0
        if let wish { flags |= wish.failback ? 6 : 2 }
        if stableSince != nil { flags |= 8 }
        image.put(flags)
        if let blockedUntil { image.put(until: blockedUntil) }
        if let wish { image.put(until: wish.until) }
        if let stableSince { image.put(past: stableSince) }
        image.put(UInt8(min(6, failures)))
        // Not written: `toldRefusal` and the causes, which only the trace shows.
    }

    fileprivate init(from image: inout ImageReader, index: GroupIndex) {
        self.init(term: .never)
        let kind = image.byte()
        let at = kind == 0 ? Term.never : image.term()
        switch kind {
        case 0: role = .vacant
        case 1: role = .claiming(Claiming(term: at))
        case 2, 3: role = .holding(Active(imaged: index, term: at, runs: kind == 2))
        case 4:
            var it = Releasing(resuming: at, cause: .none)
            let flags = image.byte()
            it.yields = flags & 1 != 0
            it.automatic = flags & 2 != 0
            it.stuck = flags & 4 != 0
            it.unknown = flags & 8 != 0
            it.retryAt = image.until()
            role = .releasing(it)
        case 5:
            let flags = image.byte()
            role = .granting(
                Granting(term: at, automatic: flags & 1 != 0, resumed: flags & 2 != 0))
        default: role = .resuming(at)
        }
        term = image.term()
        sync = GroupReport.SyncState(rawValue: image.byte())!
        let flags = image.byte()
        blockedUntil = flags & 1 != 0 ? image.until() : nil
        if flags & 2 != 0 { wish = Wish(failback: flags & 4 != 0, until: image.until()) }
        stableSince = flags & 8 != 0 ? image.past() : nil
        failures = Int64(image.byte())
    }
}

extension Active {
    /// A group that was activated by a warrant which its image does not tell.
    fileprivate init(imaged group: GroupIndex, term: Term, runs: Bool) {
        activation = Activation(
            group: group, term: term, cause: .none, warrant: Warrant(.operatorsWord(on: nil)))
        run = runs ? .running : .starting
    }
}
