/// The machine's part of an image (Image.swift): each stored property is either written here or
/// named in the comment that says why it need not be.

internal import PicketCore

extension Machine {
    /// `handle`, compiled for one sink.
    mutating func take(_ event: Event, at now: Instant, into out: inout Recorder) {
        handle(event, at: now, into: &out)
    }

    var isHolding: Bool { groups.contains { $0.isHeld } }

    /// The sequence numbers of this session that this machine refers to.
    func use(_ ranks: inout Ranks) {
        ranks.use(peer.contact.reachedSequence)
        if peer.sequenceAtVerification != .max { ranks.use(peer.sequenceAtVerification) }
        if let sequence = life.leaving?.sequence {
            ranks.use(sequence)
            ranks.use(peer.message?.acknowledged ?? 0)
        }
    }

    /// An acknowledgement that says nothing new is as good as none.
    func worth(_ acknowledged: UInt64) -> UInt64 {
        acknowledged <= peer.contact.reachedSequence && peer.sequenceAtVerification == .max
            && life.leaving == nil ? 0 : acknowledged
    }

    /// - Parameters:
    ///   - mine: of this session's sequence numbers.
    ///   - live: those of them that may still be acknowledged.
    ///   - peers: of the sequence numbers of the session that the peer's message comes from.
    ///   - isPresent: whether the peer's message tells of the present generation of its sender's
    ///     reports.
    func write(
        to image: inout ImageWriter, mine: Ranks, live: Ranks, peers: Ranks, isPresent: Bool
    ) {
        let lateness = max(0, image.now - promised.nanoseconds)
        let late = lateness > 1 ? lateness : 0
        image.put(age: late)
        image.put(exited)
        peer.contact.write(to: &image, late: late, startedAt: startedAt, mine: mine, live: live)
        // Asked only whether it is longer ago than `deadAfter`.
        let patience = policy.timing.deadAfter + .nanoseconds(image.step + 1)
        image.put(past: max(peer.metAt, Instant(nanoseconds: image.now) - patience))
        let isHeard = peer.message != nil
        image.put(isHeard)
        if let message = peer.message {
            message.write(
                to: &image, sequence: peers.rank(message.sequence),
                acknowledged: life.leaving?.sequence == nil ? 0 : mine.rank(message.acknowledged),
                isPresent: isPresent, hasSeen: message.seenGeneration == outgoing.generation)
        }
        peer.write(to: &image, mine: mine)
        life.write(to: &image, mine: mine)
        if waitsForPatience { image.put(past: startedAt) }
        fence.write(to: &image)
        for group in groups { group.write(to: &image) }
        disk.write(to: &image)
        image.put(exact: outgoing.next)
        // These two outlive an event only in a machine that has left.
        image.put(outgoing.changed)
        image.put(outgoing.answer)
        // Whether the newest reports on the groups still hold.
        image.put(reportsAreCurrent)
        image.put(vitals.health.score)
        image.put(vitals.drill)
        image.put(goneTerm)
        // Not written: the policy, which does not change; when the peer's message came, for the
        // round trip; `configuredSince`, `changedSince`, `formerTiming`: no configuration changes; the links,
        // whether the configurations agree, and everything else that was told, which only the trace
        // shows; the order that waits for both nodes, which is only answered; the relay's test and the watchdog, which the checker leaves alone; the generation
        // that was seen, the peer's own; the run note, which is the node's; the ticket.
    }

    /// When it started still counts.
    private var waitsForPatience: Bool {
        guard life.isWaiting, case .aloneAfter = policy.startup else { return false }
        return true
    }

    /// The machine of an image. `self` gives the parts that an image does not hold.
    ///
    /// - Parameter theirs: the peer's policy.
    mutating func read(
        from image: inout ImageReader, session value: UInt64, note: RunNote, theirs: Policy
    ) {
        let now = Instant(nanoseconds: image.now)
        let late = image.age()
        let exited = image.flag()
        var contact = peer.contact
        var startedAt = contact.read(from: &image, late: late)
        let metAt = image.past()
        let message = image.flag() ? Message(from: &image, of: theirs) : nil
        let peer = Peer(
            from: &image, metAt: metAt, message: message, contact: contact, like: self.peer)
        let life = Life(from: &image)
        if case .waiting = life, case .aloneAfter = policy.startup { startedAt = image.past() }
        let fence = Fence(from: &image)
        let groups = self.groups.indices.map { Group(from: &image, index: $0) }
        let disk = Disk(from: &image, groups: groups.count, noted: note)
        let next = image.exact()
        let outgoing = Outgoing(
            seenGeneration: message?.generation ?? 0, next: next, changed: image.flag(),
            answer: image.flag())
        let isTold = image.flag()
        let vitals = Vitals(
            health: Health(score: image.byte()), drill: image.flag(), like: self.vitals)
        let goneTerm = image.term()
        self = Machine(
            session: SessionID(value), startedAt: startedAt, exited: exited, peer: peer, life: life,
            fence: fence, groups: groups, disk: disk, outgoing: outgoing, isTold: isTold,
            vitals: vitals, goneTerm: goneTerm, late: Duration(nanoseconds: late), at: now,
            like: self)
    }
}

extension Contact {
    fileprivate func write(
        to image: inout ImageWriter, late: Int64, startedAt: Instant, mine: Ranks, live: Ranks
    ) {
        let running = image.now - stalled.nanoseconds - late
        image.put(UInt8(mine.highest))
        image.put(UInt8(mine.rank(reachedSequence)))
        image.put(reachedReal != nil)
        if let real = reachedReal, let at = reachedRunning {
            image.put(past: real)
            image.put(age: running - at.nanoseconds)
        }
        // Asked for only together with the newest sending that was acknowledged.
        image.put(heard != nil)
        if let heard {
            image.put(past: max(heard, reachedReal ?? heard))
        } else {
            image.put(past: startedAt)
        }
        image.put(clockOffset != nil)
        var count: UInt8 = 0
        let relevant = { (sending: Sending) in
            sending.sequence > reachedSequence && live.isUsed(sending.sequence)
        }
        for sending in sendings where relevant(sending) { count += 1 }
        image.put(count)
        let oldest = reachedSequence + 1
        guard count > 0, oldest <= sequence else { return }
        for sequence in oldest...sequence {
            let sending = sendings[Int(sequence % UInt64(sendings.count))]
            guard sending.sequence == sequence, relevant(sending) else { continue }
            image.put(UInt8(mine.rank(sequence)))
            image.put(past: sending.real)
            image.put(age: running - sending.running.nanoseconds)
        }
        // Not written: `heardOnLink`, for the trace; what the clocks' offset was taken from. The
        // offset is zero, if it is known at all.
    }

    /// Returns when the agent started, for a machine that has heard nothing yet.
    fileprivate mutating func read(from image: inout ImageReader, late: Int64) -> Instant {
        let sequence = UInt64(image.byte())
        let reached = UInt64(image.byte())
        var real: Instant?
        var running: Instant?
        if image.flag() {
            real = image.past()
            running = Instant(nanoseconds: image.now - late - image.age())
        }
        let wasHeard = image.flag()
        let heard = image.past()
        let clockIsKnown = image.flag()
        var sendings = [Sending](repeating: Sending(), count: 32)
        for _ in 0..<image.byte() {
            let sequence = UInt64(image.byte())
            let real = image.past()
            sendings[Int(sequence % 32)] = Sending(
                sequence: sequence, real: real,
                running: Instant(nanoseconds: image.now - late - image.age()))
        }
        restore(
            sequence: sequence, reached: reached, real: real, running: running,
            heard: wasHeard ? heard : nil, sendings: sendings, clockIsKnown: clockIsKnown)
        return heard
    }
}

extension Peer {
    fileprivate func write(to image: inout ImageWriter, mine: Ranks) {
        image.put(UInt8(session?.value ?? 0))
        image.put(state.rawValue)
        image.put(isArmed)
        image.put(UInt8(banned.count))
        for session in banned { image.put(UInt8(session.value)) }
        image.put(
            sequenceAtVerification == .max ? 255 : UInt8(mine.rank(sequenceAtVerification)))
        image.put(UInt8((maintenance ? 1 : 0) | (isLeftDifferences ? 2 : 0)))
        image.put(optional: pausedUntil)
    }

    fileprivate init(
        from image: inout ImageReader, metAt: Instant, message: Message?, contact: Contact,
        like other: Peer
    ) {
        let session = image.session()
        let state = Status.Contact(rawValue: image.byte())!
        let isArmed = image.flag()
        var banned: [SessionID] = []
        for _ in 0..<image.byte() { banned.append(SessionID(UInt64(image.byte()))) }
        let verified = image.byte()
        let bits = image.byte()
        self.init(
            session: session, metAt: metAt, message: message, contact: contact, state: state,
            isArmed: isArmed, banned: banned,
            sequenceAtVerification: verified == 255 ? .max : UInt64(verified),
            maintenance: bits & 1 != 0, pausedUntil: image.optional(),
            isLeftDifferences: bits & 2 != 0, like: other)
    }
}

extension Life {
    fileprivate func write(to image: inout ImageWriter, mine: Ranks) {
        switch self {
        case .waiting: image.put(0)
        case .paired: image.put(1)
        case .alone: image.put(2)
        case .returning: image.put(3)
        case .pausing(let pausing, _):
            image.put(4)
            image.put(until: pausing.until)
            image.put(age: pausing.length.nanoseconds)
        case .leaving(let leaving, _):
            image.put(5)
            image.put(until: leaving.until)
        case .left(let leaving, _):
            image.put(6)
            image.put(until: leaving.until)
            image.put(UInt8(mine.rank(leaving.sequence ?? 0)))
        }
        image.put(receipt.map { $0.proof.rawValue } ?? 0)
        if let receipt { image.put(UInt8(receipt.session?.value ?? 0)) }
    }

    fileprivate init(from image: inout ImageReader) {
        switch image.byte() {
        case 0: self = .waiting(Receipt(from: &image))
        case 1:
            _ = image.byte()
            self = .paired
        case 2: self = .alone(Receipt(from: &image)!)
        case 3:
            _ = image.byte()
            self = .returning
        case 4:
            let until = image.until()
            let length = Duration(nanoseconds: image.age())
            self = .pausing(
                Pausing(length: length, until: until, command: 0), Receipt(from: &image))
        case 5: self = .leaving(Leaving(until: image.until()), Receipt(from: &image))
        default:
            let until = image.until()
            let sequence = UInt64(image.byte())
            self = .left(
                Leaving(until: until, sequence: sequence == 0 ? nil : sequence),
                Receipt(from: &image))
        }
    }
}

extension Disk {
    fileprivate func write(to image: inout ImageWriter) {
        memory.write(to: &image)
        image.put(durable != memory)
        if durable != memory { durable.write(to: &image) }
        image.put(saving != nil)
        if let saving {
            image.put(saving.memory == memory)
            if saving.memory != memory { saving.memory.write(to: &image) }
        }
        image.put(mustForget)
        image.put(optional: retryAt)
    }

    fileprivate init(from image: inout ImageReader, groups count: Int, noted: RunNote) {
        let memory = Memory(from: &image, groups: count)
        let durable = image.flag() ? Memory(from: &image, groups: count) : memory
        var saving: Memory?
        if image.flag() {
            saving = image.flag() ? memory : Memory(from: &image, groups: count)
        }
        let mustForget = image.flag()
        self.init(
            memory: memory, durable: durable, saving: saving, retryAt: image.optional(),
            mustForget: mustForget, noted: noted)
    }
}

extension Receipt {
    /// The receipt that once was made from its proof; `nil` where the image has none.
    fileprivate init?(from image: inout ImageReader) {
        guard let proof = Proof(rawValue: image.byte()) else { return nil }
        let session = image.session()
        self.init(imaged: proof, of: session)
    }
}

extension Message {
    /// Not written: the times and `heardOn`, which the checker blanks; fields that do not change.
    func write(
        to image: inout ImageWriter, sequence: UInt64, acknowledged: UInt64, isPresent: Bool,
        hasSeen: Bool
    ) {
        precondition(
            flags.rawValue < 1 << 14 && phase.rawValue < 1 << 3 && maintenance < 1 << 8,
            "a flag, a phase or a version that the image has no bit for")
        image.put(UInt8(sequence))
        image.put(UInt8(acknowledged))
        image.put(UInt8(flags.rawValue & 255))
        image.put(
            phase.rawValue | (isPresent ? 8 : 0) | (hasSeen ? 16 : 0)
                | UInt8(flags.rawValue >> 8 & 7) << 5)
        image.put(UInt8(maintenance))
        image.put(health | UInt8(flags.rawValue >> 11) << 7)
        if phase == .pausing { image.put(age: pause.nanoseconds) }
        let hasGone = goneTerm != .never
        image.put(UInt8(groups.count) | (hasGone ? 32 : 0) | UInt8(flags.rawValue >> 12) << 6)
        if hasGone { image.put(goneTerm) }
        for group in groups {
            precondition(
                group.role.rawValue < 1 << 3 && group.flags.rawValue < 1 << 7,
                "a role or a flag that the image has no bit for")
            image.put(group.role.rawValue)
            image.put(group.flags.rawValue)
            image.put(group.term)
        }
    }

    /// - Parameter policy: the sender's, which says what does not change.
    init(from image: inout ImageReader, of policy: Policy) {
        self.init(
            sequence: UInt64(image.byte()), configurationDigest: policy.digest,
            turnsDigest: policy.turnsDigest)
        acknowledged = UInt64(image.byte())
        let low = UInt16(image.byte())
        let bits = image.byte()
        phase = Phase(rawValue: bits & 7)!
        maintenance = UInt64(image.byte())
        generation = bits & 8 != 0 ? 1 : 0
        seenGeneration = bits & 16 != 0 ? 1 : 0
        let last = image.byte()
        health = last & 127
        flags = Flags(rawValue: low | UInt16(bits >> 5) << 8 | UInt16(last >> 7) << 11)
        if phase == .pausing { pause = Duration(nanoseconds: image.age()) }
        let count = image.byte()
        flags.formUnion(Flags(rawValue: UInt16(count >> 6) << 12))
        if count & 32 != 0 { goneTerm = image.term() }
        for index in 0..<Int(count & 31) {
            let role = GroupReport.Role(rawValue: image.byte())!
            let flags = GroupReport.Flags(rawValue: image.byte())
            let group = policy.groups[index]
            groups.append(
                GroupReport(
                    role: role, term: image.term(), flags: flags, name: group.name,
                    priority: group.priority, resources: group.resources,
                    settings: group.settings))
        }
    }
}

extension Memory {
    func write(to image: inout ImageWriter) {
        image.put(UInt8((alone ? 1 : 0) | (maintenance.isOn ? 2 : 0) | (distrusted ? 4 : 0)))
        image.put(UInt8(maintenance.version))
        image.put(UInt8(fences.count))
        image.put(UInt8(moves.count))
        for group in groups {
            image.put(group.term)
            image.put(group.holder.rawValue)
        }
    }

    init(from image: inout ImageReader, groups count: Int) {
        self = .blank(groups: count)
        let flags = image.byte()
        alone = flags & 1 != 0
        distrusted = flags & 4 != 0
        maintenance = Maintenance(isOn: flags & 2 != 0, version: UInt64(image.byte()))!
        let at = Instant(nanoseconds: image.now)
        fences = Array(repeating: at, count: Int(image.byte()))
        moves = Array(repeating: at, count: Int(image.byte()))
        for index in groups.indices {
            groups[index].term = image.term()
            groups[index].holder = GroupMemory.LastHolder(rawValue: image.byte())!
        }
    }
}

extension Fence {
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

    fileprivate init(from image: inout ImageReader) {
        let step: Step
        switch image.byte() {
        case 0: step = .idle
        case 1:
            step = .ordered(
                Ordered(
                    session: image.session(), cause: Cause(rawValue: image.byte())!,
                    level: Int(image.byte()), at: image.past(), cancelled: image.flag()))
        case 2: step = .restoring
        default: step = .failed(until: image.until())
        }
        let flags = image.byte()
        var episode: Episode?
        if flags & 4 != 0 {
            episode = Episode(
                cause: Cause(rawValue: image.byte())!, commanded: flags & 8 != 0,
                counted: flags & 16 != 0)
        }
        let opensAt = flags & 32 != 0 ? image.exact() : nil
        let level = Int(image.byte())
        self.init(
            step: step, level: level, attempts: Int64(image.byte()), firstTurn: flags & 1 != 0,
            opensAt: opensAt, episode: episode)
    }
}

extension Group {
    fileprivate func write(to image: inout ImageWriter) {
        switch role {
        case .vacant: image.put(0)
        case .claiming(let claim):
            image.put(1)
            image.put(claim.term)
        case .holding(let active):
            switch active.run {
            case .running: image.put(2)
            case .starting: image.put(3)
            case .ailing: image.put(8)
            case .broken: image.put(9)
            }
            image.put(active.term)
        case .releasing(let it):
            image.put(4)
            image.put(it.term)
            image.put(
                (it.yields ? 1 : 0) | (it.automatic ? 2 : 0) | (it.asksToBeFenced ? 8 : 0))
            image.put(optional: it.retryAt)
        // Not written: how many stops have failed, and since when none could be tried. Nothing
        // in the checker is reset, and each of its stops can be tried.
        case .granting(let grant):
            image.put(5)
            image.put(grant.term)
            image.put((grant.automatic ? 1 : 0) | (grant.resumed ? 2 : 0))
        case .resuming(let term):
            image.put(6)
            image.put(term)
        case .unknown(let it):
            image.put(it.notedAt != nil ? 10 : 7)
            image.put(it.term)
            image.put(optional: it.retryAt)
        }
        image.put(term)
        image.put(copy.state.rawValue)
        var flags: UInt8 = blockedUntil != nil ? 1 : 0
        if let wish { flags |= wish.failback ? 6 : 2 }
        if stableSince != nil { flags |= 8 }
        flags |= question.rawValue << 4
        image.put(flags)
        image.put(
            (runsSince != nil ? 1 : 0) | (hasFailed ? 2 : 0) | (stays ? 4 : 0)
                | (isStopDue ? 8 : 0))
        if let blockedUntil { image.put(until: blockedUntil) }
        if let wish { image.put(until: wish.until) }
        if let stableSince { image.put(past: stableSince) }
        if let runsSince { image.put(past: runsSince) }
        image.put(UInt8(min(6, failures)))
        // Not written: `toldRefusal` and the causes, which only the trace shows; `isSeen`, because
        // nobody in the checker works by hand.
    }

    fileprivate init(from image: inout ImageReader, index: GroupIndex) {
        let kind = image.byte()
        let at = kind == 0 ? Term.never : image.term()
        let role: Role
        switch kind {
        case 0: role = .vacant
        case 1: role = .claiming(Claiming(term: at))
        case 2: role = .holding(Active(imaged: index, term: at, run: .running))
        case 3: role = .holding(Active(imaged: index, term: at, run: .starting))
        case 8: role = .holding(Active(imaged: index, term: at, run: .ailing))
        case 9: role = .holding(Active(imaged: index, term: at, run: .broken))
        case 4:
            var it = Releasing(resuming: at, cause: .none)
            let flags = image.byte()
            it.yields = flags & 1 != 0
            it.automatic = flags & 2 != 0
            it.asksToBeFenced = flags & 8 != 0
            it.retryAt = image.optional()
            role = .releasing(it)
        case 5:
            let flags = image.byte()
            role = .granting(
                Granting(term: at, automatic: flags & 1 != 0, resumed: flags & 2 != 0))
        case 6: role = .resuming(at)
        default:
            role = .unknown(
                Unknown(term: at, retryAt: image.optional(), notedAt: kind == 10 ? .never : nil))
        }
        let term = image.term()
        let sync = GroupReport.SyncState(rawValue: image.byte())!
        let flags = image.byte()
        let failing = image.byte()
        let blockedUntil = flags & 1 != 0 ? image.until() : nil
        let wish = flags & 2 != 0 ? Wish(failback: flags & 4 != 0, until: image.until()) : nil
        let stableSince = flags & 8 != 0 ? image.past() : nil
        let runsSince = failing & 1 != 0 ? image.past() : nil
        self.init(
            role: role, term: term, sync: sync, blockedUntil: blockedUntil,
            failures: Int64(image.byte()), runsSince: runsSince, hasFailed: failing & 2 != 0,
            stays: failing & 4 != 0, wish: wish, stableSince: stableSince,
            question: Question(rawValue: flags >> 4)!, isStopDue: failing & 8 != 0)
    }
}
