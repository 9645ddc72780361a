/// One node's side of the pair's protocol: a pure value that turns events into effects.
///
/// `handle(event, at: now, into: &effects)` first settles how long the agent stood still, then
/// takes the event in, then runs the same fixed list of rules over the whole state (`step`): the
/// contact, the node's own life, fencing, each group, memory, sending. The rules are
/// level-triggered, so no event can be missed and their order is all there is to know:
///
///   - `Machine+Peer`      what the peer's messages mean; sessions, receipts, contact
///   - `Machine+Life`      waiting, alone, pause, leaving
///   - `Machine+Fencing`   who may fence, when, and what the outcome is worth
///   - `Machine+Groups`    formation, handover, failback, takeover, failures
///   - `Machine+Commands`  the operator
///   - `Machine+Memory`    what must be on disk first
///   - `Machine+Sending`   heartbeats, probes, answers
///   - `Machine+Status`    what is shown
///
/// The shell promises to call again by `nextDeadline`. What comes later than that counts as the
/// agent's own absence and is no evidence against the peer.
public struct Machine: Sendable {
    public private(set) var policy: Policy
    var session: SessionID

    // Peer and contact
    package internal(set) var contact: Contact
    var contactState = Status.Contact.never
    var peerSession: SessionID?
    /// When that session was first heard.
    var metAt = Instant(nanoseconds: .min / 2)
    /// The newest message of the peer's present session.
    var peer: Message?
    var peerReceivedAt = Instant(nanoseconds: 0)
    var banned: [SessionID] = []
    /// The newest sequence number when the peer was verified off: a banned session that
    /// acknowledges a later one is alive, and the fence was a lie.
    var sequenceAtVerification: UInt64 = .max
    var linksUp = LinkSet.none
    var peerMaintenance = false
    var configurationAgrees = true
    /// The first message of the present configuration, and the times of the one before it.
    var configuredSince: UInt64 = 1
    var formerTiming: Timing?

    // Life
    package internal(set) var phase = Message.Phase.waiting
    var startedAt: Instant
    var begun = false
    /// Contact in this boot, by this agent or the one before it.
    var hadContact: Bool
    var receipt: Receipt?
    public internal(set) var relayTest = Message.RelayTest.unknown
    var watchdog = Duration.zero
    var health = Health(score: 100)
    var maintenance: Bool { memory.maintenance }
    var drill = false
    var pauseUntil: Instant?
    var pausing: Pausing?
    var leaving: Leaving?
    var exited = false

    // Fencing
    var fence = FenceState()

    // Groups
    var groups: [GroupState]
    var unfitBothTold = false

    // Memory
    /// As it should be on disk, as it is known to be, and what is being written.
    package internal(set) var memory: Memory
    package internal(set) var durable: Memory
    var saving: (ticket: UInt32, memory: Memory)?
    var ticket: UInt32 = 0
    var saveRetryAt: Instant?
    var noted = RunNote.blank
    /// A new session of the peer's may not be answered before `alone` is cleared on disk.
    var mustForget = false

    // Sending
    var reports: [GroupReport] = []
    var generation: UInt32 = 0
    var seenGeneration: UInt32 = 0
    var nextSending: Instant
    var sendDue = false
    var answerDue = false

    // Time
    /// `nextDeadline`, as it was after the newest event.
    package internal(set) var promised: Instant
    var fedAt = Instant(nanoseconds: .min / 2)

    struct Pausing: Sendable {
        var length: Duration
        var until: Instant
        var command: UInt32
    }
    struct Leaving: Sendable {
        var until: Instant
        /// The first message that said `left`.
        var sequence: UInt64?
    }

    /// - Parameters:
    ///   - memory: as loaded from disk; blank for a node that was never started.
    ///   - session: freshly drawn.
    ///   - note: of the agent before this one in the same boot; blank after a reboot.
    public init(
        policy: Policy, memory: Memory, session: SessionID, note: RunNote, at now: Instant
    ) {
        precondition(memory.groups.count == policy.groups.count, "memory of another configuration")
        self.policy = policy
        self.session = session
        self.memory = memory
        if let told = note.maintenance { self.memory.maintenance = told }
        durable = memory
        contact = Contact(linkCount: policy.linkCount, clockOffset: note.clockOffset)
        hadContact = note.contact
        #if PICKET_PLANTED_BUGS
            if planted(.fenceFromWaiting) {
                hadContact = true
                contact.assume(at: now)
                contact.clockOffsetForWaiting()
            }
        #endif
        startedAt = now
        nextSending = now
        promised = now
        #if PICKET_PLANTED_BUGS
            let noted = planted(.termsNotNoted) ? [] : note.terms
        #else
            let noted = note.terms
        #endif
        let terms = memory.groups.indices.map {
            max(memory.groups[$0].term, $0 < noted.count ? noted[$0] : .never)
        }
        groups = terms.map { GroupState(role: .releasing(Releasing(unknownAt: $0)), term: $0) }
        for holding in note.holdings where holding.group < groups.count {
            groups[holding.group].role = .resuming(holding.term)
        }
        #if PICKET_PLANTED_BUGS
            if planted(.noteAfterStart) {
                groups = terms.map { GroupState(role: .vacant, term: $0) }
                for holding in note.holdings where holding.group < groups.count {
                    groups[holding.group].role = .resuming(holding.term)
                }
            }
        #endif
        receipt = note.word ? .operatorsWord(on: nil) : Receipt(remembered: memory)
        if note.contact { contact.assume(at: now) }
        relayTest = policy.fenceLevels.isEmpty ? .absent : .unknown
    }

    public mutating func handle<Sink: EffectSink>(
        _ event: consuming Event, at now: Instant, into out: inout Sink
    ) {
        guard !exited else { return }
        noteStall(at: now, into: &out)
        #if PICKET_PLANTED_BUGS
            if planted(.fedByAnyEvent) { feed(at: now, into: &out) }
        #endif
        switch consume event {
        case .tick: break
        case .received(let message, let session, let link):
            receive(message, session: session, link: link, at: now, into: &out)
        case .copied(let session, let link):
            if session == peerSession { contact.noteHeard(on: link, at: now) }
        case .persisted(let ticket): persisted(ticket, into: &out)
        case .persistFailed(let ticket): persistFailed(ticket, at: now, into: &out)
        case .fence(let id, let outcome): fenced(id, outcome, at: now, into: &out)
        case .resources(let group, let outcome): resources(group, outcome, at: now, into: &out)
        case .health(let new): noteHealth(new, into: &out)
        case .sync(let group, let state): noteSync(group, state, into: &out)
        case .relayTest(let result): noteRelayTest(result, into: &out)
        case .watchdog(let timeout): noteWatchdog(timeout, into: &out)
        case .command(let command, let id): obey(command, id: id, at: now, into: &out)
        }
        step(at: now, into: &out)
        promised = deadline
    }

    /// A full healthy turn of the loop is complete.
    public mutating func completeTurn<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        if !exited { feed(at: now, into: &out) }
    }

    /// The rules, in their order.
    private mutating func step<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        begin(into: &out)
        stepContact(at: now, into: &out)
        stepLife(at: now, into: &out)
        stepFencing(at: now, into: &out)
        for group in groups.indices { stepGroup(group, at: now, into: &out) }
        seenGeneration = peer?.generation ?? 0
        note(into: &out)
        save(at: now, into: &out)
        stepSending(at: now, into: &out)
        stepLeaving(at: now, into: &out)
    }

    /// Replaces the policy by another for the same pair and groups. Roles are untouched.
    ///
    /// - Returns: false, and nothing changes, if node, links or the number of groups differ.
    public mutating func reload(_ new: Policy) -> Bool {
        guard new.me == policy.me, new.linkCount == policy.linkCount,
            new.groups.count == policy.groups.count
        else { return false }
        if new.digest != policy.digest {
            configuredSince = contact.sequence + 1
            let unknown = configurationIsAgreed ? nil : formerTiming
            formerTiming = FencingTurns.slower(policy.timing, unknown)
        }
        policy = new
        return true
    }

    /// The shell must call again, with `tick` if nothing else happens, no later than this.
    public var nextDeadline: Instant { deadline }

    // Here and elsewhere: what only looks is given a copy of the machine unless it is inlined.
    @inline(__always)
    private var deadline: Instant {
        var next = nextSending
        if let at = fence.opensAt { next = min(next, at) }
        if contactState == .established, let at = contact.deadline(for: suspicionAge) {
            next = min(next, at)
        }
        if contactState == .established || contactState == .suspected,
            let at = contact.deadline(for: policy.timing.deadAfter)
        {
            next = min(next, at)
        }
        return next
    }

    /// Lateness below this is the ordinary jitter of a loop.
    private var stallSlack: Duration { max(.milliseconds(1), policy.timing.deadAfter / 16) }

    private mutating func noteStall<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        let lateness = now - promised
        guard lateness > stallSlack else { return }
        #if PICKET_PLANTED_BUGS
            if planted(.stallNotForgiven) { return }
        #endif
        contact.forgive(lateness)
        fence.forgive(lateness)
        if lateness > policy.timing.deadAfter / 4 {
            out.emit(.trace(Trace(.stalled, duration: lateness)))
        }
    }

    /// S8: the only place that feeds, reached only by `completeTurn`.
    private mutating func feed<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        // The driver may have made another timeout of the one that was asked for.
        guard watchdog > .zero,
            now - fedAt >= min(policy.timing.feed, max(.milliseconds(200), watchdog / 4))
        else {
            return
        }
        fedAt = now
        out.emit(.feedWatchdog)
    }

    var peerID: NodeID { policy.me.peer }
    var suspicionAge: Duration { policy.timing.deadAfter / 2 }
    /// A fresh round trip with the peer's present session.
    @inline(__always)
    var inContact: Bool {
        // `peer != nil` would compare two messages, and copy the one.
        guard case .some = peer else { return false }
        switch contactState {
        case .established, .suspected: return true
        case .never, .lost: return false
        }
    }
    /// The receipt, as long as it is worth anything.
    var validReceipt: Receipt? {
        guard let receipt, phase == .alone || phase == .leaving else { return nil }
        return receipt
    }
    @inline(__always)
    func report(of group: GroupIndex) -> GroupReport? {
        guard let count = peer?.groups.count, group < count else { return nil }
        return peer?.groups[group]
    }
}
