/// What must be on disk before something else may happen.
///
/// One writing is under way at a time; what changed meanwhile goes with the next. Terms are kept
/// as a ceiling that runs ahead of the terms in use, so that neither a grant nor a takeover waits
/// for a disk: only a ceiling that the disk did not take in time stops them.
extension Machine {
    /// How far the ceiling is raised at once.
    private var headroom: UInt64 { 8 }

    /// Whether `term` lies under the ceiling that is on disk. Raises the ceiling in time.
    mutating func mayUse(_ term: Term, of group: GroupIndex) -> Bool {
        guard term < .highest else { return false }
        #if PICKET_PLANTED_BUGS
            if planted(.termNotPersisted) { return true }
        #endif
        reserve(group)
        if memory.groups[group].term < term {
            memory.groups[group].term = Term(term.value + headroom)
        }
        #if PICKET_PLANTED_BUGS
            if planted(.termPersistedLate) { return true }
        #endif
        return term <= durable.groups[group].term
    }

    private mutating func reserve(_ group: GroupIndex) {
        let used = groups[group].term.value
        if memory.groups[group].term.value < used + headroom / 2, used < Term.highest.value {
            memory.groups[group].term = Term(used + headroom)
        }
    }

    mutating func save<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        #if PICKET_PLANTED_BUGS
            if planted(.termNotPersisted) {
                for group in groups.indices {
                    memory.groups[group].term = durable.groups[group].term
                }
            } else {
                for group in groups.indices { reserve(group) }
            }
        #else
            for group in groups.indices { reserve(group) }
        #endif
        guard saving == nil, memory != durable else { return }
        if let retry = saveRetryAt, now < retry { return }
        ticket += 1
        saving = (ticket, memory)
        out.emit(.persist(memory, ticket: ticket))
    }

    mutating func persisted<Sink: EffectSink>(_ ticket: UInt32, into out: inout Sink) {
        guard let saving, saving.ticket == ticket else { return }
        durable = saving.memory
        self.saving = nil
        if saveRetryAt != nil {
            saveRetryAt = nil
            out.emit(.trace(Trace(.persistRecovered)))
        }
    }

    mutating func persistFailed<Sink: EffectSink>(
        _ ticket: UInt32, at now: Instant, into out: inout Sink
    ) {
        guard let saving, saving.ticket == ticket else { return }
        self.saving = nil
        if saveRetryAt == nil { out.emit(.trace(Trace(.persistFailed))) }
        saveRetryAt = now + .seconds(1)
    }

    /// What runs here, for an agent that would follow in this boot.
    mutating func note<Sink: EffectSink>(into out: inout Sink) {
        // Who has left is no longer armed: its last word is the peer's receipt.
        #if PICKET_PLANTED_BUGS
            let disarmed = phase == .left && !planted(.leftStaysArmed)
        #else
            let disarmed = phase == .left
        #endif
        let armed = hadContact && !disarmed
        let word = receipt != nil && !memory.alone
        guard
            armed != noted.contact || word != noted.word || clockHasMoved
                || memory.maintenance != noted.maintenance || !groupsAreNoted
        else { return }
        var holdings: [Holding] = []
        for group in groups.indices {
            guard let term = runningTerm(of: group) else { continue }
            holdings.append(Holding(group: group, term: term))
        }
        noted = RunNote(
            holdings: holdings, terms: groups.indices.map { knownTerm(of: $0) }, contact: armed,
            clockOffset: contact.clockOffset, word: word, maintenance: memory.maintenance)
        out.emit(.note(noted))
    }

    /// An agent that followed would take its late turns by another clock than this one (S7). Drift
    /// makes it so every few minutes, the peer's reboot at once.
    @inline(__always)
    private var clockHasMoved: Bool {
        #if PICKET_PLANTED_BUGS
            if planted(.oldClockKept) { return false }
        #endif
        guard let known = contact.clockOffset, let told = noted.clockOffset else {
            return (contact.clockOffset == nil) != (noted.clockOffset == nil)
        }
        guard known != told else { return false }
        let slack = FencingTurns.lateTurn(policy.timing) / 16
        return known - told > slack || told - known > slack
    }

    /// The term at which something of the group may run here; `nil` where nothing does.
    @inline(__always)
    private func runningTerm(of group: GroupIndex) -> Term? {
        switch groups[group].role {
        case .holding(let active): active.term
        case .releasing(let it): it.unknown ? nil : it.term
        case .resuming(let term): term
        case .vacant, .claiming, .granting: nil
        }
    }

    /// A life of the agent that never met the peer knows the terms from its disk alone, which may
    /// not have taken the newest. Whatever it takes without the peer, it takes far above (S4); by a
    /// fence, which may end what an operator's word began, farther than by a word.
    mutating func leapTerms(by leaps: UInt64) {
        #if PICKET_PLANTED_BUGS
            if planted(.termsNotLeapt) { return }
        #endif
        for group in groups.indices where groups[group].term < .highest {
            groups[group].term = Term(groups[group].term.value + Machine.leap * leaps)
        }
    }

    static var leap: UInt64 { 1 << 20 }

    /// The highest that this node or its peer has used, as far as this node knows.
    @inline(__always)
    func knownTerm(of group: GroupIndex) -> Term {
        max(groups[group].term, report(of: group)?.term ?? .never)
    }

    /// What runs here; and the terms, since an agent that followed, and never heard the peer, begins
    /// above every one that this one knows, though the disk takes nothing (S4).
    @inline(__always)
    private var groupsAreNoted: Bool {
        guard noted.terms.count == groups.count else { return false }
        var kept = 0
        for group in groups.indices {
            guard noted.terms[group] == knownTerm(of: group) else { return false }
            guard let term = runningTerm(of: group) else { continue }
            guard kept < noted.holdings.count,
                noted.holdings[kept] == Holding(group: group, term: term)
            else { return false }
            kept += 1
        }
        return kept == noted.holdings.count
    }

    /// Entries of the last `budget.window`.
    func spent(_ entries: [Instant], of budget: Budget, at now: Instant) -> Int {
        entries.count { now - $0 < budget.window }
    }

    mutating func countFence(at now: Instant) {
        memory.fences.removeAll { now - $0 >= policy.fenceBudget.window }
        memory.fences.append(now)
    }

    mutating func countMove(at now: Instant) {
        memory.moves.removeAll { now - $0 >= policy.moveBudget.window }
        memory.moves.append(now)
    }
}
