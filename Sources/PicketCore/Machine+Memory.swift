/// What must be on disk before something else may happen, and what an agent that follows must know.
/// Disk.swift keeps both.
extension Machine {
    /// Whether `term` lies under the ceiling that is on disk. Raises the ceiling in time.
    mutating func mayUse(_ term: Term, of group: GroupIndex) -> Bool {
        disk.mayUse(term, of: group, used: groups[group].term, headroom: headroom)
    }

    /// All groups may be taken over at once, each at a term of its own, two above the one before, and
    /// beyond what the peer may have started since it was heard (`nextTerm`). Half of this is there at
    /// all times.
    private var headroom: UInt64 { 8 * UInt64(max(groups.count, peer.listed)) }

    mutating func save<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        let highest = highestTerm()
        let headroom = headroom
        for group in groups.indices {
            disk.reserve(group, used: highest, headroom: headroom)
        }
        disk.save(at: now, looks: inContact, into: &out)
    }

    /// What runs here, for an agent that would follow in this boot.
    mutating func note<Sink: EffectSink>(into out: inout Sink) {
        // A node that has left is no longer armed, because its last word is the peer's receipt. Nor
        // is one beside a peer that left something running, which the next agent does not know.
        let hasLeft =
            life.hasLeft && !planted(.leftStaysArmed)
            || life.leavesRunning && !isMaintained && !planted(.leavesRunningArmed)
        let hasRest = life.receipt.map { !$0.isWhole } ?? false
        let isArmed = peer.isArmed && !hasLeft && !hasRest
        let word = life.hasReceipt && !disk.memory.alone && !hasRest
        let maintenance = disk.memory.maintenance
        guard
            isArmed != disk.noted.contact || word != disk.noted.word || clockHasMoved
                || maintenance != disk.noted.maintenance || !groupsAreNoted
                || !maintainedAreNoted || goneTerm > disk.noted.goneTerm
        else { return }
        var holdings: [Holding] = []
        for group in groups.indices {
            if let holding = groups[group].holding(group) { holdings.append(holding) }
        }
        disk.note(
            RunNote(
                holdings: holdings, terms: groups.indices.map { knownTerm(of: $0) },
                contact: isArmed, clockOffset: peer.contact.clockOffset, word: word,
                maintenance: maintenance, maintained: maintainedToNote, goneTerm: goneTerm),
            into: &out)
    }

    private var maintainedToNote: [Maintenance] {
        guard disk.memory.groups.contains(where: { $0.maintenance != .never }) else { return [] }
        return disk.memory.groups.map { $0.maintenance }
    }

    @inline(__always)
    private var maintainedAreNoted: Bool {
        for group in groups.indices {
            let noted = group < disk.noted.maintained.count ? disk.noted.maintained[group] : .never
            if noted != disk.memory.groups[group].maintenance { return false }
        }
        return true
    }

    /// An agent that followed would take its late turns by another clock than this one (S7). Drift
    /// makes it so every few minutes, the peer's reboot at once.
    @inline(__always)
    private var clockHasMoved: Bool {
        if planted(.oldClockKept) { return false }
        guard let known = peer.contact.clockOffset, let told = disk.noted.clockOffset else {
            return (peer.contact.clockOffset == nil) != (disk.noted.clockOffset == nil)
        }
        guard known != told else { return false }
        let slack = FencingTurns.lateTurn(policy.timing) / 16
        return known - told > slack || told - known > slack
    }

    /// A life of the agent that never met the peer knows the terms from its disk alone, which may
    /// not have taken the newest. A group that it takes without the peer, it takes at a term far
    /// above them (S4): farther by a fence than by the operator's word, because a fence may end what
    /// a word began.
    ///
    /// - Parameter unmet: Nobody has ordered it. A disk that took nothing may let the node begin at
    ///   the same terms once more, so each life of an agent leaps by another distance.
    mutating func leapTerms(by leaps: UInt64, unmet: Bool = false) {
        let more = unmet ? session.value % (Machine.leap / 32) * 2 : 0
        for group in groups.indices where !planted(.termsNotLeapt) {
            groups[group].use(highestTerm(for: group))
        }
        for group in groups.indices where !planted(.termsNotLeapt) {
            groups[group].leap(by: Machine.leap * leaps + more)
        }
    }

    package static var leap: UInt64 { 1 << 20 }

    /// The highest that this node or its peer has used of the group, as far as this node knows.
    @inline(__always)
    private func knownTerm(of group: GroupIndex) -> Term {
        max(groups[group].term, report(of: group)?.term ?? .never)
    }

    /// The same of all groups but this one, also of those that either node's file does not have.
    func highestTerm(besides group: GroupIndex? = nil) -> Term {
        var highest = max(goneTerm, peer.highestTerm(besides: group))
        for other in groups.indices where other != group {
            highest = max(highest, groups[other].term)
        }
        return highest
    }

    /// What the group is started at comes after this. A resource of it may have run in another group
    /// before, and its fencing token must not fall either (S4).
    func highestTerm(for group: GroupIndex) -> Term {
        planted(.termsOfGroupAlone) ? knownTerm(of: group) : highestTerm()
    }

    /// The peer does not hear of groups that are gone from the file, but of their terms.
    var goneTermToTell: Term {
        var highest = goneTerm
        for group in groups.indices where policy.groups[group].listing == .gone {
            highest = max(highest, groups[group].term)
        }
        return planted(.goneTermsForgotten) ? .never : highest
    }

    /// What runs here; and the terms, since an agent that followed, and never heard the peer,
    /// begins above every one that this one knows, though the disk takes nothing (S4).
    @inline(__always)
    private var groupsAreNoted: Bool {
        guard disk.noted.terms.count == groups.count else { return false }
        var kept = 0
        for group in groups.indices {
            guard disk.noted.terms[group] == knownTerm(of: group) else { return false }
            guard let holding = groups[group].holding(group) else { continue }
            guard kept < disk.noted.holdings.count, disk.noted.holdings[kept] == holding
            else { return false }
            kept += 1
        }
        return kept == disk.noted.holdings.count
    }
}
