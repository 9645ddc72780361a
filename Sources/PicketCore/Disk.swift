/// What must outlive the agent: the state file on disk, and the note under /run.
///
/// One writing is under way at a time; later changes go with the next. In quiet times the disk is
/// looked at, beside them: what a look finds is said, and nothing is left undone for it, since the
/// disk may take the next writing. Terms are kept as a ceiling that runs ahead of the terms in use,
/// so that neither a grant nor a takeover waits for a disk. A node takes over as long as the ceiling
/// that is on disk has room; it grants without any room where its disk takes nothing, because the
/// term is on the disk of the node that uses it.
package struct Disk: Sendable {
    /// As it should be on disk.
    package private(set) var memory: Memory
    /// As it is known to be on disk.
    package private(set) var durable: Memory
    package private(set) var saving: (ticket: UInt32, memory: Memory)?
    private var ticket: UInt32 = 0
    /// Since when the disk has not answered.
    private var askedAt: Instant?
    /// It has not answered for so long that no answer is expected.
    private var hangs = false
    /// By group: what the data terms and the branch were before a right that is not used yet.
    private var formerData: [(terms: DataTerms, branch: Branch)?]
    /// When the disk is tried again, because it took nothing.
    package private(set) var retryAt: Instant?
    /// The look that is under way.
    private var looking: (ticket: UInt32, askedAt: Instant)?
    /// When the disk is looked at, unless something is written before.
    private var lookAt = Instant(nanoseconds: 0)
    /// The newest look failed, or does not end.
    private var lookFails = false
    /// A new session of the peer's may not be answered before `alone` is cleared on disk.
    package private(set) var mustForget = false
    package private(set) var noted = RunNote.blank
    /// The operator's order on maintenance that both disks are to take.
    package private(set) var order: MaintenanceOrder?

    init(_ memory: Memory, note: RunNote) {
        durable = memory
        self.memory = memory
        formerData = Array(repeating: nil, count: memory.groups.count)
        if planted(.distrustForgotten) { self.memory.distrusted = false }
        if let told = note.maintenance, !memory.maintenance.isNewer(than: told) {
            self.memory.maintenance = told
        }
        for (group, told) in note.maintained.enumerated()
        where told.isNewer(than: memory.groups[group].maintenance) {
            self.memory.groups[group].maintenance = told
        }
    }

    /// The changed configuration has one more, of which the disk says this.
    mutating func add(_ group: GroupMemory) {
        memory.groups.append(group)
        durable.groups.append(group)
        saving?.memory.groups.append(group)
        formerData.append(nil)
    }

    package var isSaving: Bool { saving != nil }
    /// The newest writing failed, or does not end: until one succeeds, only what is on disk can be
    /// counted on.
    package var takesNothing: Bool { retryAt != nil || hangs }
    /// What is said of it: it takes nothing, or a look has found that it would not.
    package var isAiling: Bool { takesNothing || lookFails }
    /// All that is to be remembered is on disk.
    package var isKept: Bool { durable == memory }

    // MARK: Terms

    /// Whether `term` lies under the ceiling that is on disk. Raises the ceiling in time.
    ///
    /// - Parameters:
    ///   - used: the highest term of the group that is in use.
    ///   - headroom: how far the ceiling is raised at once.
    mutating func mayUse(
        _ term: Term, of group: GroupIndex, used: Term, headroom: UInt64
    ) -> Bool {
        guard term < .highest else { return false }
        if planted(.termNotPersisted) { return true }
        reserve(group, used: used, headroom: headroom)
        if memory.groups[group].term < term {
            raise(group, to: Term(term.value + headroom))
        }
        return hasRoom(for: term, of: group) || planted(.termPersistedLate)
    }

    /// Whether the ceiling that *is* on disk leaves room for this term.
    func hasRoom(for term: Term, of group: GroupIndex) -> Bool {
        term <= durable.groups[group].term
    }

    mutating func reserve(_ group: GroupIndex, used: Term, headroom: UInt64) {
        let ceiling = memory.groups[group].term.value
        if ceiling < used.value + headroom / 2, used < .highest {
            raise(group, to: Term(used.value + headroom))
        }
        if planted(.termNotPersisted) { raise(group, to: durable.groups[group].term) }
    }

    /// Not inlined, because a loop over the groups would copy what the disk has taken, though it
    /// changes nothing: what is equal is then compared entry by entry.
    @inline(never)
    private mutating func raise(_ group: GroupIndex, to ceiling: Term) {
        memory.groups[group].term = ceiling
    }

    // MARK: Data terms

    /// This node may start a stateful group at this term. Returns whether the disk has that.
    ///
    /// - Parameters:
    ///   - known: the peer was given this term, and may have lost its power in the start.
    ///   - isLast: its copy is fit. Where it is not, only a start that succeeded makes this node the
    ///     last holder.
    ///   - branch: where its data part from the peer's by that; `nil` leaves what is known of it.
    mutating func ownData(
        _ term: Term, of group: GroupIndex, knowing known: Term, isLast: Bool,
        branch: Branch? = nil
    ) -> Bool {
        if formerData[group] == nil {
            formerData[group] = (memory.groups[group].data, memory.groups[group].branch)
        }
        if let branch { memory.groups[group].branch = branch }
        memory.groups[group].data.own = term
        memory.groups[group].data.heard = max(memory.groups[group].data.heard, known)
        memory.groups[group].data.isLast = isLast
        let (kept, known) = (durable.groups[group].data, memory.groups[group].data)
        return kept.own == known.own && kept.heard == known.heard
            && (known.isLast || !kept.isLast) && keepsBranch(of: group)
            || planted(.dataTermLate)
    }

    /// One that lies before the true one tells of too much, and not of too little. So nothing waits
    /// for a copy that still moves.
    private func keepsBranch(of group: GroupIndex) -> Bool {
        let (kept, known) = (durable.groups[group].branch, memory.groups[group].branch)
        return kept.isDiverged == known.isDiverged
            && kept.position.epoch == known.position.epoch
            && kept.position.number <= known.position.number
    }

    /// The start succeeded: from now on it writes.
    mutating func useData(of group: GroupIndex) {
        guard formerData[group] != nil else { return }
        formerData[group] = nil
        memory.groups[group].data.isLast = true
    }

    /// The right is given back unused.
    mutating func disownData(of group: GroupIndex) {
        guard let former = formerData[group] else { return }
        formerData[group] = nil
        memory.groups[group].data = former.terms
        memory.groups[group].branch = former.branch
    }

    /// What the peer is told: a right that is not used yet has changed no data.
    func usedData(of group: GroupIndex) -> DataTerms {
        formerData[group]?.terms ?? memory.groups[group].data
    }

    func isDiverged(_ group: GroupIndex) -> Bool {
        (formerData[group]?.branch ?? memory.groups[group].branch).isDiverged
    }

    /// A file of 0.1.0, or of a group that had no `sync:` yet, tells only who held it last.
    mutating func takeHolderForData(of group: GroupIndex) {
        guard memory.groups[group].data == .never else { return }
        switch memory.groups[group].holder {
        case .nobody: break
        case .me:
            memory.groups[group].data = DataTerms(own: Term(1), heard: .never, isLast: true)
        case .peer: memory.groups[group].data.heard = Term(1)
        }
    }

    /// - Parameters:
    ///   - theirs: at which the peer started it last.
    ///   - heard: the newest of this node's that the peer has heard of.
    mutating func hearOfData(_ theirs: Term, heard: Term, of group: GroupIndex) {
        let known = memory.groups[group].data
        let newest = heard > known.own ? max(theirs, heard) : theirs
        guard newest > known.heard else { return }
        // Who started it after this node has the newest data. Who did before, unheard, has some of
        // its own.
        if newest > known.own {
            settleBranch(of: group)
        } else if known.isLast {
            note(diverged: true, group)
        }
        memory.groups[group].data.heard = newest
        memory.groups[group].data.isLast = false
        formerData[group]?.terms.heard = newest
        formerData[group]?.terms.isLast = false
    }

    // MARK: The branch

    /// While the group starts by a right that is not used yet, its copy is seen to have come as far
    /// as this.
    mutating func raiseBranch(of group: GroupIndex, to position: DataPosition) {
        let known = memory.groups[group].branch.position
        guard formerData[group] != nil, position.epoch == known.epoch,
            position.number > known.number
        else { return }
        memory.groups[group].branch.position = position
    }

    mutating func note(diverged: Bool, _ group: GroupIndex) {
        memory.groups[group].branch.isDiverged = diverged
        formerData[group]?.branch.isDiverged = diverged
    }

    /// There is one line of history again.
    mutating func settleBranch(of group: GroupIndex) {
        memory.groups[group].branch = .none
        formerData[group]?.branch = .none
    }

    /// The copy of one node follows what the other one writes.
    ///
    /// - Parameter leads: it is this node that writes.
    mutating func joinData(of group: GroupIndex, leads: Bool) {
        settleBranch(of: group)
        if formerData[group] == nil { memory.groups[group].data.isLast = leads }
    }

    // MARK: Copies in step

    mutating func note(outOfStep: Bool, of group: GroupIndex) {
        guard memory.groups[group].isOutOfStep != outOfStep else { return }
        memory.groups[group].isOutOfStep = outOfStep
    }

    /// It is on disk, and no writing that is under way takes it away. Where the disk takes nothing the
    /// memory is enough: no data term could be kept, so that nothing stateful starts here before a
    /// writing succeeds that has the note as well; and an agent that follows knows nothing of its copy.
    func keepsOutOfStep(_ group: GroupIndex) -> Bool {
        guard memory.groups[group].isOutOfStep else { return false }
        if takesNothing, !planted(.fullDiskNotesNothing) { return true }
        return durable.groups[group].isOutOfStep
            && saving?.memory.groups[group].isOutOfStep != false
    }

    // MARK: What else is remembered

    /// The peer's session has ended for good, by a proof that outlives this agent.
    mutating func rememberAlone() {
        memory.alone = true
    }

    /// The peer said itself that it has left: its session has been answered before.
    mutating func rememberPeerLeft() {
        memory.alone = true
        mustForget = false
    }

    /// The peer is back. It is not answered before the disk has forgotten, too.
    mutating func forgetAlone() {
        let isKept = memory.alone || durable.alone || saving?.memory.alone == true
        let forgets = !planted(.aloneNeverForgotten)
        mustForget = isKept && forgets && !planted(.aloneAnsweredFirst)
        if forgets { memory.alone = false }
    }

    /// The disk has forgotten that this node may go on alone.
    mutating func settleForgetting() {
        if mustForget, !durable.alone, saving?.memory.alone != true { mustForget = false }
    }

    mutating func note(_ holder: GroupMemory.LastHolder, of group: GroupIndex) {
        memory.groups[group].holder = holder
    }

    /// The fence lies, or is mended, as the operator says.
    mutating func distrust(_ lies: Bool) { memory.distrusted = lies }

    /// - Parameter group: `nil` for the whole pair.
    mutating func maintain(_ newest: Maintenance, _ group: GroupIndex? = nil) {
        if let group {
            memory.groups[group].maintenance = newest
        } else {
            memory.maintenance = newest
        }
    }

    func maintenance(_ group: GroupIndex?) -> Maintenance {
        group.map { memory.groups[$0].maintenance } ?? memory.maintenance
    }

    /// What is known of it is on disk.
    func keepsMaintenance(_ group: GroupIndex?) -> Bool {
        let kept = group.map { durable.groups[$0].maintenance } ?? durable.maintenance
        return kept == maintenance(group)
    }

    mutating func await(_ order: MaintenanceOrder?) { self.order = order }

    mutating func countFence(of budget: Budget, at now: Instant) {
        memory.fences.removeAll { now - $0 >= budget.window }
        memory.fences.append(now)
    }

    mutating func countMove(of budget: Budget, at now: Instant) {
        memory.moves.removeAll { now - $0 >= budget.window }
        memory.moves.append(now)
    }

    /// What was spent is given back.
    mutating func clearBudgets() {
        memory.fences = []
        memory.moves = []
    }

    /// A disk that takes nothing lets an agent fence once, not once more after each restart,
    /// because a fence that is not on disk counts against no budget.
    package var lastFenceIsKept: Bool {
        memory.fences.last == nil || memory.fences.last == durable.fences.last
    }

    // MARK: Writing

    /// - Parameter looks: where nothing is to be written, the disk may be looked at.
    @inline(__always)
    mutating func save<Sink: EffectSink>(at now: Instant, looks: Bool, into out: inout Sink) {
        awaitAnswer(at: now, into: &out)
        guard saving == nil else { return }
        guard memory != durable || retryAt != nil && !planted(.fullDiskLeftAlone) else {
            if looks || lookFails { look(at: now, into: &out) }
            return
        }
        if let retryAt, now < retryAt { return }
        ticket += 1
        saving = (ticket, memory)
        askedAt = now
        lookAt = now + Disk.lookInterval
        out.emit(.persist(memory, ticket: ticket))
    }

    /// How often the disk is looked at where nothing is to be remembered: a node that writes nothing
    /// would find a full disk on the day on which it is to take over.
    package static var lookInterval: Duration { .seconds(30) }

    @inline(__always)
    private mutating func look<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard looking == nil, now >= lookAt, !planted(.diskNotLookedAt),
            !lookFails || !planted(.fullDiskLeftAlone)
        else { return }
        ticket += 1
        looking = (ticket, now)
        lookAt = now + Disk.lookInterval
        out.emit(.lookAtDisk(ticket: ticket))
    }

    /// A disk may be slow. One that does not answer for so long may never do.
    private static var patience: Duration { .seconds(10) }

    @inline(__always)
    private mutating func awaitAnswer<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        let isOver = { (since: Instant) in
            now - since >= Disk.patience && !planted(.hungDiskIsSlow)
        }
        if let askedAt, saving != nil, !hangs, isOver(askedAt) {
            tellOfFailure(after: now - askedAt, into: &out)
            hangs = true
        }
        if let looking, !lookFails, isOver(looking.askedAt) {
            tellOfFailure(after: now - looking.askedAt, into: &out)
            lookFails = true
        }
    }

    /// Once, until it works again.
    private func tellOfFailure<Sink: EffectSink>(
        after waited: Duration? = nil, into out: inout Sink
    ) {
        if !isAiling { out.emit(.trace(Trace(.persistFailed, duration: waited))) }
    }

    /// The agent did not run for this long, and could not hear of an answer.
    mutating func forgive(_ lateness: Duration) {
        if let since = askedAt { askedAt = since + lateness }
        if let look = looking { looking = (look.ticket, look.askedAt + lateness) }
    }

    mutating func persisted<Sink: EffectSink>(_ ticket: UInt32, into out: inout Sink) {
        let wasAiling = isAiling
        if let saving, saving.ticket == ticket {
            durable = saving.memory
            self.saving = nil
            retryAt = nil
            hangs = false
        } else if looking?.ticket != ticket {
            return
        }
        looking = nil
        lookFails = false
        if wasAiling, !isAiling { out.emit(.trace(Trace(.persistRecovered))) }
    }

    mutating func persistFailed<Sink: EffectSink>(
        _ ticket: UInt32, at now: Instant, into out: inout Sink
    ) {
        let again = now + .seconds(1)
        if let saving, saving.ticket == ticket {
            tellOfFailure(into: &out)
            self.saving = nil
            hangs = false
            retryAt = again
        } else if looking?.ticket == ticket {
            looking = nil
            if planted(.failedLookIgnored) { return }
            tellOfFailure(into: &out)
            lookFails = true
            lookAt = again
        }
    }

    mutating func note<Sink: EffectSink>(_ note: RunNote, into out: inout Sink) {
        noted = note
        out.emit(.note(note))
    }
}

extension Disk {
    /// As an image has it.
    package init(
        memory: Memory, durable: Memory, saving: Memory?, retryAt: Instant?, mustForget: Bool,
        noted: RunNote
    ) {
        self.memory = memory
        self.durable = durable
        formerData = Array(repeating: nil, count: memory.groups.count)
        ticket = 1
        self.saving = saving.map { (1, $0) }
        // An image has no time for it: the checker writes only what is to be remembered.
        lookAt = .distantFuture
        self.retryAt = retryAt
        self.mustForget = mustForget
        self.noted = noted
    }
}

extension Budget {
    /// How many of these instants lie within the window.
    func spent(_ entries: [Instant], at now: Instant) -> Int {
        entries.count { now - $0 < window }
    }

    /// How long it takes until one is free again; `nil` where one is free now.
    func refillsIn(_ entries: [Instant], at now: Instant) -> Duration? {
        let taken = spent(entries, at: now)
        guard count > 0, taken >= count else { return nil }
        return window - (now - entries[entries.count - count])
    }
}
