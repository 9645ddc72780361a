/// One node's side of the pair's protocol: a pure value that turns events into effects.
///
/// `handle(event, at: now, into: &effects)` first settles how long the agent stood still, then
/// takes the event in, then runs the same fixed list of rules over the whole state (`step`): the
/// contact, the node's own life, fencing, each group, memory, sending. The rules are
/// level-triggered, so no event can be missed and their order is all there is to know.
///
/// The state has owners. Each is a type in a file of its own that alone can write what it holds:
///
///   - `Peer`       the peer's sessions, its newest message, the contact with it
///   - `Life`       waiting, paired, alone, pausing, leaving; the receipt that goes with it
///   - `Fence`      how far the fence of the peer has come
///   - `Group`      one group, as this node has it
///   - `Disk`       what must outlive the agent
///   - `Outgoing`   what the peer is told, and when
///   - `Vitals`     what the shell reports of the node itself
///   - `Lateness`   how late the loop comes
///
/// The rules ask the owners and call them; no rule writes a field of theirs:
///
///   - `Machine+Peer`      what the peer's messages mean; sessions, receipts, contact
///   - `Machine+Life`      waiting, alone, pause, leaving
///   - `Machine+Fencing`   who may fence, when, and what the outcome is worth
///   - `Machine+Data`      whose data are newer, and whether a copy may be started
///   - `Machine+Replication`  what the database of a strict group waits for
///   - `Machine+Groups`    formation, handover, failback, takeover, failures
///   - `Machine+Reset`     a group that cannot be stopped, beside a peer that cannot fence
///   - `Machine+Commands`  the operator
///   - `Machine+Maintenance`  hands off, as the pair's one state
///   - `Machine+Reload`    groups that a changed configuration adds, changes or removes
///   - `Machine+Memory`    terms, the state file, the run note
///   - `Machine+Sending`   heartbeats, probes, answers
///   - `Machine+Status`    what is shown
///
/// The shell promises to call again by `nextDeadline`. Lateness beyond it counts as the agent's own
/// absence and is no evidence against the peer.
public struct Machine: Sendable {
    public private(set) var policy: Policy
    package private(set) var session: SessionID
    package private(set) var startedAt: Instant
    /// The highest that is known of groups that this node's file does not have: its former ones, and
    /// the peer's.
    package internal(set) var goneTerm: Term
    private(set) var begun = false
    package private(set) var exited = false
    /// The first message of the present configuration, and the times of the one before it.
    private(set) var configuredSince: UInt64 = 1
    /// The same of the list of groups, and of what each of them has here.
    var changedSince: UInt64 = 1
    private(set) var formerTiming: Timing?
    package private(set) var lateness: Lateness
    /// `nextDeadline`, as it was after the newest event.
    package private(set) var promised: Instant

    package internal(set) var peer: Peer
    package internal(set) var life: Life
    package internal(set) var fence = Fence()
    package internal(set) var groups: [Group]
    package internal(set) var disk: Disk
    package internal(set) var outgoing: Outgoing
    package internal(set) var vitals: Vitals

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
        startedAt = now
        promised = now
        lateness = Lateness(at: now)
        peer = Peer(linkCount: policy.linkCount, note: note, at: now)
        disk = Disk(memory, note: note)
        outgoing = Outgoing(at: now)
        vitals = Vitals(canFence: !policy.fenceLevels.isEmpty)
        for group in policy.groups.indices where policy.groups[group].sync != nil {
            disk.takeHolderForData(of: group)
        }
        life = .waiting(note.word ? .operatorsWord(on: nil) : Receipt(remembered: disk.memory))
        // What is noted was used in this boot, and nothing above it. Where there is no note, anything up
        // to the ceiling may have been.
        func used(noted: Term, ceiling: Term) -> Term {
            noted == .never || planted(.termsNotNoted) ? ceiling : noted
        }
        goneTerm =
            planted(.goneTermsForgotten)
            ? .never : used(noted: note.goneTerm, ceiling: memory.goneTerm)
        let left = disk.memory
        groups = memory.groups.indices.map { group in
            Group(
                term: used(
                    noted: group < note.terms.count ? note.terms[group] : .never,
                    ceiling: memory.groups[group].term),
                noted: note.holdings.first { $0.group == group },
                isListed: policy.groups[group].listing == .listed,
                mayBeOutdated: note.contact || !memory.alone,
                isLeft: (left.maintenance.isOn || left.groups[group].maintenance.isOn)
                    && !planted(.restartStopsInMaintenance),
                wasKnown: group < note.terms.count && note.terms[group] > .never)
        }
    }

    public mutating func handle<Sink: EffectSink>(
        _ event: consuming Event, at now: Instant, into out: inout Sink
    ) {
        guard !exited else { return }
        noteStall(at: now, into: &out)
        if planted(.fedByAnyEvent) { feed(at: now, into: &out) }
        switch consume event {
        case .tick: break
        case .received(let message, let session, let link):
            receive(message, session: session, link: link, at: now, into: &out)
        case .copied(let session, let link):
            if session == peer.session { peer.noteHeard(on: link, at: now) }
        case .hailed: peer.noteHailed(at: now)
        case .persisted(let ticket): disk.persisted(ticket, into: &out)
        case .persistFailed(let ticket): disk.persistFailed(ticket, at: now, into: &out)
        case .fence(let id, let outcome): fenced(id, outcome, at: now, into: &out)
        case .resources(let group, let outcome): resources(group, outcome, at: now, into: &out)
        case .health(let new): if vitals.note(new, into: &out) { outgoing.noteChange() }
        case .ready(let group, let isReady): noteReady(group, isReady, into: &out)
        case .sync(let group, let state): noteSync(group, state, at: now, into: &out)
        case .position(let group, let position):
            notePosition(group, position, at: now, into: &out)
        case .replicated(let group, let action, let succeeded):
            replicated(group, action, succeeded: succeeded, at: now, into: &out)
        case .replicationOverdue(let group, let action):
            replicationOverdue(group, action, at: now, into: &out)
        case .relayTest(let result): vitals.note(result, into: &out)
        case .peerSupply(let off): vitals.note(peerOff: off, at: now)
        case .watchdog(let timeout): vitals.note(watchdog: timeout, into: &out)
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
        if !begun { begin(into: &out) }
        stepContact(at: now, into: &out)
        stepMaintenance(at: now, into: &out)
        stepLife(at: now, into: &out)
        stepFencing(at: now, into: &out)
        if peer.differs { stepDifferences() }
        for group in groups.indices { stepGroup(group, at: now, into: &out) }
        stepReset(at: now, into: &out)
        outgoing.see(peer.message?.generation ?? 0)
        note(into: &out)
        save(at: now, into: &out)
        stepSending(at: now, into: &out)
        if let leaving = life.leaving { step(leaving, at: now, into: &out) }
    }

    /// First of all the machine stops every group that the note does not show as held: the system
    /// may have started a unit by itself, or an agent whose note is lost may have left something
    /// behind. In maintenance somebody may have started it by hand. It is then stopped when nothing
    /// of it is seen to run (`.unseen`), or when the maintenance ends. Somebody may also be at work on
    /// what the agent before had not come to an end with: that waits for the end.
    private mutating func begin<Sink: EffectSink>(into out: inout Sink) {
        begun = true
        for group in groups.indices {
            switch groups[group].role {
            case .unknown where isMaintained(group) && !planted(.restartStopsInMaintenance),
                .releasing
            where isMaintained(group) && !planted(.partialStopsInMaintenance)
                && !planted(.renamedStopsInMaintenance):
                groups[group].awaitStop()
                continue
            case .unknown, .releasing: break
            case .vacant, .claiming, .holding, .granting, .resuming: continue
            }
            if policy.groups[group].listing == .retiring, planted(.retiredNotStopped) {
                groups[group].noteStopped()
                retire(group, into: &out)
                continue
            }
            out.emit(.stop(group, cause: .agentRestarted))
        }
    }

    /// The agent ends. Nothing is handled any more.
    mutating func exit<Sink: EffectSink>(_ departure: Departure, into out: inout Sink) {
        exited = true
        out.emit(.exit(departure))
    }

    /// Takes the settings of the pair from another policy, and leaves the groups as they are.
    mutating func takeSettings(of new: Policy) {
        if new.digest != policy.digest {
            configuredSince = peer.contact.sequence + 1
            let unknown = configurationIsAgreed ? nil : formerTiming
            formerTiming = FencingTurns.slower(policy.timing, unknown)
        }
        let groups = policy.groups
        policy = new
        policy.groups = groups
    }

    mutating func list(_ group: GroupPolicy, at place: GroupIndex) {
        if place == policy.groups.count { policy.groups.append(group) }
        policy.groups[place] = group
        peer.match(policy)
    }

    /// The shell must call again, with `tick` if nothing else happens, no later than this.
    public var nextDeadline: Instant { deadline }

    /// The timers for which the machine must be called in time. Everything else that it waits for
    /// (pauses, retries, blocks, wishes) comes soon enough with the next heartbeat.
    private enum Timer {
        case heartbeat, fencingTurn, suspicion, loss
        static var first: Timer { .heartbeat }
    }

    /// The least of all timers. The switch runs through every case, so that the compiler asks for
    /// the one that is missing here. It is inlined, like every function that only looks, because
    /// otherwise it is given a copy of the machine.
    @inline(__always)
    private var deadline: Instant {
        var next = Instant.distantFuture
        switch Timer.first {
        case .heartbeat:
            next = outgoing.next
            fallthrough
        case .fencingTurn:
            if let at = fence.opensAt { next = min(next, at) }
            fallthrough
        case .suspicion:
            if peer.state == .established, let at = peer.contact.deadline(for: suspicionAge) {
                next = min(next, at)
            }
            fallthrough
        case .loss:
            if peer.state == .established || peer.state == .suspected,
                let at = peer.contact.deadline(for: policy.timing.deadAfter)
            {
                next = min(next, at)
            }
        }
        return next
    }

    /// Lateness below this is the ordinary jitter of a loop.
    private var stallSlack: Duration { max(.milliseconds(1), policy.timing.deadAfter / 16) }

    private mutating func noteStall<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        defer { lateness.look(at: now, into: &out) }
        let late = now - promised
        guard late > stallSlack, !planted(.stallNotForgiven) else { return }
        lateness.note(late)
        peer.forgive(late)
        fence.forgive(late)
        disk.forgive(late)
        if late > policy.timing.deadAfter / 4 {
            out.emit(.trace(Trace(.stalled, duration: late)))
            // Nobody looked meanwhile.
            vitals.note(peerOff: false, at: now)
        }
    }

    /// S8: reached only by `completeTurn`.
    private mutating func feed<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        vitals.feed(every: policy.timing.feed, at: now, into: &out)
    }

    var peerID: NodeID { policy.me.peer }
    var suspicionAge: Duration { policy.timing.deadAfter / 2 }
    @inline(__always)
    var inContact: Bool { peer.inContact }
    @inline(__always)
    func report(of group: GroupIndex) -> GroupReport? { peer.report(of: group) }
}

extension Machine {
    /// As an image has it; `other` gives what an image does not hold.
    ///
    /// - Parameters:
    ///   - isTold: the peer was told of the groups as they are.
    ///   - late: for how long the deadline has passed; zero if it is still to come.
    package init(
        session: SessionID, startedAt: Instant, exited: Bool, peer: Peer, life: Life, fence: Fence,
        groups: [Group], disk: Disk, outgoing: Outgoing, isTold: Bool, vitals: Vitals,
        goneTerm: Term, late: Duration, at now: Instant, like other: Machine
    ) {
        self = other
        self.session = session
        self.startedAt = startedAt
        begun = true
        self.exited = exited
        self.peer = peer
        self.life = life
        self.fence = fence
        self.groups = groups
        self.disk = disk
        self.outgoing = outgoing
        self.vitals = vitals
        self.goneTerm = goneTerm
        self.peer.match(policy)
        for group in groups.indices { self.groups[group].leaveAlone(isMaintained(group)) }
        if isTold { self.outgoing.assumeTold(currentReports()) }
        promised = late > .zero ? now - late : deadline
    }

    /// For the checker, after a round trip.
    package mutating func knowCommonClock() { if inContact { peer.knowCommonClock() } }
}
