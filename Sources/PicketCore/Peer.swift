/// What this node knows of its peer: its sessions, its newest message, and the contact with it.
///
/// The peer's agent has one session at a time. Everything said in an earlier one is void: messages,
/// grants, an agreed pause and the offset of the clocks. A session that was verified off, or that
/// an operator declared off, is *banned*: its messages count for nothing, unless they show that it
/// lives.
package struct Peer: Sendable {
    /// `nil` until this life of the agent hears one.
    package private(set) var session: SessionID?
    /// When the present session was first heard.
    package private(set) var metAt = Instant(nanoseconds: .min / 2)
    /// The newest message of the present session.
    package private(set) var message: Message?
    /// By group of this node: what `message` says of it; empty as long as there is none.
    package private(set) var matches: [GroupMatch] = []
    /// The peer has, gives or asks for something that this node does not list.
    private(set) var worksOnOthers = false
    /// How many groups the peer lists that this node does not.
    private(set) var others = 0
    /// The files differ in resources, and the peer can say so.
    private(set) var differs = false
    /// This node starts nothing that differs as long as the present session lives.
    package private(set) var isLeftDifferences = false
    /// When `message` came.
    package private(set) var receivedAt = Instant(nanoseconds: 0)
    package private(set) var contact: Contact
    package private(set) var state = Status.Contact.never
    /// There was contact in this boot, by this agent or the one before it: this node may fence.
    package private(set) var isArmed: Bool
    /// Newest last.
    package private(set) var banned: [SessionID] = []
    /// The newest sequence number of this agent when the peer was verified off. A banned session
    /// that acknowledges a later one is alive, and the fence was a lie.
    package private(set) var sequenceAtVerification: UInt64 = .max
    /// When an operator declared the session off that was banned last. What it sent after that shows
    /// that it lives, though it may hear nothing.
    private var declaredOffAt: Instant?
    /// The links that carry both ways.
    package private(set) var linksUp = LinkSet.none
    package private(set) var maintenance = false
    /// It says so, and tells no version of it: its flag alone counts.
    package private(set) var maintainsUnversioned = false
    /// It tells versions of maintenance; 0.1.0 knows neither those nor groups that stay.
    var knowsMaintenance: Bool { (message?.maintenance ?? 0) > 0 }
    package private(set) var configurationAgrees = true
    /// What the present session tells of the maintenance of groups, by group of this node.
    private(set) var maintained: [MaintainedGroup] = []
    private var toldDifferences: [GroupDifference] = []
    private var toldOthers = 0
    /// When a hello came that only its key can seal, of any session of it, and no other twice.
    private(set) var hailed: Instant?
    /// Until when this node agreed that the peer's agent may be away.
    package private(set) var pausedUntil: Instant?

    init(linkCount: Int, note: RunNote, at now: Instant) {
        contact = Contact(linkCount: linkCount, clockOffset: note.clockOffset)
        isArmed = note.contact || planted(.fenceFromWaiting)
        if planted(.fenceFromWaiting), note.clockOffset == nil { contact.knowCommonClock() }
        if isArmed { contact.assume(at: now) }
    }

    /// A fresh round trip with the present session.
    @inline(__always)
    package var inContact: Bool {
        // `message != nil` would compare two messages, and copy the one.
        guard case .some = message else { return false }
        switch state {
        case .established, .suspected: return true
        case .never, .lost: return false
        }
    }

    @inline(__always)
    func report(of group: GroupIndex) -> GroupReport? {
        guard group < matches.count, matches[group].place >= 0 else { return nil }
        return message?.groups[matches[group].place]
    }

    /// How many groups its newest message tells of.
    @inline(__always)
    var listed: Int { message?.groups.count ?? 0 }

    /// The highest term that its newest message tells of, of any group but this one of this node's.
    func highestTerm(besides group: GroupIndex?) -> Term {
        guard let theirs = message?.groups else { return .never }
        let place = group.map { $0 < matches.count ? matches[$0].place : -1 } ?? -1
        var highest = message?.goneTerm ?? .never
        for other in theirs.indices where other != place {
            highest = max(highest, theirs[other].term)
        }
        return highest
    }

    /// The same of the groups that this node's file does not have.
    var othersTerm: Term {
        guard let theirs = message?.groups else { return .never }
        var highest = message?.goneTerm ?? .never
        guard others > 0 else { return highest }
        for other in theirs.indices where !matches.contains(where: { $0.place == other }) {
            highest = max(highest, theirs[other].term)
        }
        return highest
    }

    /// Its file does not have the group. A peer of 0.1.0 cannot say so.
    func doesNotList(_ group: GroupIndex) -> Bool {
        difference(of: group).contains(.unlisted) && namesGroups
    }

    /// The peer starts nothing that differs.
    var leavesDifferences: Bool { message?.flags.contains(.leavesDifferences) ?? false }
    var heldDifferences: Bool { message?.flags.contains(.heldDifferences) ?? false }

    /// Something that differs is active there.
    var runsDifferences: Bool { hasDifference { $0 == .holding || $0 == .resuming } }

    /// Something that differs may be up there, or be about to be.
    var mayRunDifferences: Bool { hasDifference { $0 != .vacant && $0 != .claiming } }

    private func hasDifference(in isMeant: (GroupReport.Role) -> Bool) -> Bool {
        guard let theirs = message?.groups else { return false }
        return theirs.indices.contains { place in
            isMeant(theirs[place].role) && !matches.contains { $0.place == place && !$0.bars }
        }
    }

    /// What it has something of, by group of this node; `nil` where the files have some of that
    /// otherwise.
    var held: GroupSet? {
        guard let theirs = message?.groups else { return nil }
        var held = GroupSet.none
        for place in theirs.indices where theirs[place].role.isHeld {
            guard let group = matches.firstIndex(where: { $0.place == place && !$0.bars }) else {
                return nil
            }
            held.insert(group)
        }
        return held
    }

    /// 0.1.0 speaks of groups by their place.
    var namesGroups: Bool { (message?.turnsDigest ?? 0) != 0 }

    /// It gives every group the resources that this node gives it, as far as it says.
    func lists(_ policy: Policy) -> Bool {
        guard let message else { return false }
        return namesGroups ? !differs : message.configurationDigest == policy.digest
    }

    mutating func leaveDifferences(_ leaves: Bool) { isLeftDifferences = leaves }

    /// Nothing is known to differ from a peer that has not said anything yet.
    @inline(__always)
    func difference(of group: GroupIndex) -> GroupDifference {
        group < matches.count ? matches[group].difference : []
    }

    /// Finds this node's groups in the newest message, by their names.
    mutating func match(_ policy: Policy) {
        guard let theirs = message?.groups else {
            matches.removeAll(keepingCapacity: true)
            differs = false
            return
        }
        // 0.1.0 speaks of groups by their place, which means the same as long as the files do.
        let isNamed = namesGroups
        let sameFile = message?.configurationDigest == policy.digest
        var found = 0
        for group in policy.groups.indices {
            var match = GroupMatch()
            if policy.groups[group].listing == .gone {
                match = .gone
            } else if !isNamed || planted(.groupsByPlace) {
                let place = policy.groups[group].position ?? group
                if sameFile || isNamed, place < theirs.count {
                    match = GroupMatch(place: place, difference: [])
                }
            } else {
                match = GroupMatch(of: policy.groups[group], near: group, among: theirs)
            }
            if match.place >= 0 { found += 1 }
            if group < matches.count { matches[group] = match } else { matches.append(match) }
        }
        others = theirs.count - found
        differs = isNamed && (others > 0 || matches.contains { $0.bars })
        worksOnOthers = false
        guard others > 0 else { return }
        for place in theirs.indices where theirs[place].role != .vacant {
            if !matches.contains(where: { $0.place == place }) { worksOnOthers = true }
        }
    }

    /// What differs about the groups, told once.
    private mutating func tellDifferences<Sink: EffectSink>(into out: inout Sink) {
        guard namesGroups else { return }
        while toldDifferences.count < matches.count { toldDifferences.append([]) }
        for group in matches.indices where matches[group].difference != toldDifferences[group] {
            let difference = matches[group].difference
            toldDifferences[group] = difference
            if matches[group].isGone { continue }
            out.emit(
                .trace(
                    Trace(
                        difference.isEmpty ? .groupAgrees : .groupDiffers, group: group,
                        number: UInt64(difference.rawValue))))
        }
        guard others != toldOthers else { return }
        toldOthers = others
        out.emit(.trace(Trace(.peerListsOthers, number: UInt64(others))))
    }

    /// Its disk takes nothing, it says.
    var hasFullDisk: Bool { message?.flags.contains(.diskTakesNothing) ?? false }

    // MARK: What comes

    mutating func noteHailed(at now: Instant) {
        if !planted(.helloUnheard) { hailed = now }
    }

    /// A banned session that acknowledges what was sent after it was verified off, or that speaks
    /// after it was declared off. Where the clocks cannot tell, it did so after.
    func isAlive(_ session: SessionID, by message: borrowing Message) -> Bool {
        guard session == banned.last else { return false }
        if message.acknowledged > sequenceAtVerification { return true }
        guard let declaredOffAt, !planted(.wordOutlivesSpeech) else { return false }
        return contact.clockOffset.map { message.sentAt - $0 > declaredOffAt } ?? true
    }

    /// The peer is told what came of a banned session, and nothing more follows from it: if both
    /// nodes banned each other by two false words, neither could show the other that it lives.
    mutating func noteArrival(_ sequence: UInt64, of session: SessionID) {
        guard session == self.session, sequence > (message?.sequence ?? .max) else { return }
        message?.sequence = sequence
    }

    /// A new life of the peer's agent.
    mutating func meet(_ session: SessionID, at now: Instant) {
        self.session = session
        metAt = now
        if !planted(.oldClockKept) { contact.forgetClock() }
        if !planted(.oldSessionSpeaks) {
            message = nil
            matches.removeAll(keepingCapacity: true)
        }
        maintained = []
        pausedUntil = nil
        isLeftDifferences = false
    }

    mutating func noteHeard(on link: Int, at now: Instant) { contact.noteHeard(on: link, at: now) }

    /// Whether the message acknowledges something new.
    mutating func noteAcknowledged(_ message: borrowing Message, at now: Instant) -> Bool {
        contact.noteAcknowledged(message, at: now)
    }

    /// Takes the newest message in, and tells what changed in the peer's word on itself.
    mutating func take<Sink: EffectSink>(
        _ new: consuming Message, by policy: Policy, at now: Instant,
        into out: inout Sink
    ) {
        receivedAt = now
        if let before = message?.health, (before == 0) != (new.health == 0) {
            out.emit(.trace(Trace(.peerHealthChanged, number: UInt64(new.health))))
        }
        let maintained = new.flags.contains(.maintenance)
        maintainsUnversioned = maintained && new.maintenance == 0
        if maintained != maintenance {
            maintenance = maintained
            out.emit(.trace(Trace(.peerMaintenance, number: maintained ? 1 : 0)))
        }
        let agrees = new.configurationDigest == policy.digest
        if agrees != configurationAgrees {
            configurationAgrees = agrees
            out.emit(.trace(Trace(agrees ? .configurationAgrees : .configurationDiffers)))
        }
        message = new
        match(policy)
        tellDifferences(into: &out)
    }

    /// What the newest message tells of the maintenance of one group; the place is that of this node.
    mutating func hearMaintained() -> MaintainedGroup? {
        guard var told = message?.maintained,
            let group = matches.firstIndex(where: { $0.place == told.place })
        else { return nil }
        told.place = group
        maintained.removeAll { $0.place == group }
        maintained.append(told)
        return told
    }

    /// The peer said that it is in maintenance, and cannot be asked any more.
    mutating func forgetMaintenance() {
        maintenance = false
        maintainsUnversioned = false
    }

    // MARK: Contact

    mutating func forgive(_ lateness: Duration) { contact.forgive(lateness) }

    /// The sequence number for a message that is sent now.
    mutating func noteSending(at now: Instant) -> UInt64 { contact.noteSending(at: now) }

    /// For the checker, whose nodes' clocks agree: what a round trip would have shown.
    mutating func knowCommonClock() { contact.knowCommonClock() }

    mutating func settle(_ state: Status.Contact) { self.state = state }

    /// This node may fence from now on, in this boot. Returns whether that is new.
    mutating func arm() -> Bool {
        defer { isArmed = true }
        return !isArmed
    }

    /// The round trip that contact is made of has not come for too long, or the peer is off.
    mutating func lose() {
        state = .lost
        linksUp = .none
    }

    /// The links have other numbers now (`Contact.renumber`). What is known of one that stays goes
    /// with it.
    mutating func renumberLinks(_ former: [Int?]) {
        if planted(.linksNotRenumbered) { return }
        contact.renumber(former)
        var up = LinkSet.none
        for (link, known) in former.enumerated() {
            if let known, linksUp.contains(known) { up.insert(link) }
        }
        linksUp = up
    }

    /// Which links carry both ways. The peer numbers them by its file, so that its word says nothing
    /// while the files differ: then a link is up as long as something is heard on it.
    mutating func stepLinks<Sink: EffectSink>(
        by policy: Policy, at now: Instant, into out: inout Sink
    ) {
        guard inContact, let theirs = message?.heardOn else { return }
        let heard = contact.heardOn(within: policy.timing.deadAfter, at: now)
        let sameNumbers =
            message?.configurationDigest == policy.digest || planted(.linksByPeersNumbers)
        for link in 0..<policy.linkCount {
            let up = heard.contains(link) && (!sameNumbers || theirs.contains(link))
            guard up != linksUp.contains(link) else { continue }
            if up { linksUp.insert(link) } else { linksUp.remove(link) }
            out.emit(.trace(Trace(up ? .linkUp : .linkDown, number: UInt64(link))))
        }
    }

    // MARK: Banning

    /// The present session was verified off, or declared off: nothing of it counts any more.
    ///
    /// - Parameter declaredAt: By an operator's word, and when.
    mutating func ban(_ session: SessionID, declaredAt: Instant? = nil) {
        declaredOffAt = declaredAt
        hailed = nil
        banned.append(session)
        if banned.count > 16 { banned.removeFirst() }
        sequenceAtVerification = contact.sequence
    }

    /// The session that was banned last has shown that it lives.
    mutating func unban(_ session: SessionID) {
        banned.removeLast()
        isLeftDifferences = false
        sequenceAtVerification = .max
        declaredOffAt = nil
        self.session = session
    }

    // MARK: Pause

    mutating func agreeToPause(until: Instant) { pausedUntil = until }
    mutating func endPause() { pausedUntil = nil }
}

/// Where the peer's newest message speaks of a group of this node.
package struct GroupMatch: Equatable, Sendable {
    /// In the peer's list; -1 where it does not have the group.
    package var place = -1
    package var difference = GroupDifference.unlisted

    /// It neither moves nor newly starts.
    @inline(__always)
    var bars: Bool { !difference.isDisjoint(with: [.unlisted, .resources]) }

    init() {}

    /// This node's file does not have it any more.
    static let gone = GroupMatch(place: -1, difference: [])
    var isGone: Bool { self == .gone }

    init(place: Int, difference: GroupDifference) {
        self.place = place
        self.difference = difference
    }

    /// Most files agree, so its own place is looked at first.
    init(of mine: GroupPolicy, near place: Int, among theirs: [GroupReport]) {
        let near = place < theirs.count && theirs[place].name == mine.name
        guard let place = near ? place : theirs.firstIndex(where: { $0.name == mine.name })
        else { return }
        self.place = place
        difference = []
        if theirs[place].resources != mine.resources { difference.insert(.resources) }
        if theirs[place].settings != mine.settings || theirs[place].priority != mine.priority {
            difference.insert(.settings)
        }
    }
}

/// What the two files do not agree on about a group.
public struct GroupDifference: OptionSet, Equatable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// The peer does not list it.
    public static let unlisted = GroupDifference(rawValue: 1 << 0)
    public static let resources = GroupDifference(rawValue: 1 << 1)
    public static let settings = GroupDifference(rawValue: 1 << 2)
}

extension Peer {
    /// As an image has it; `other` gives what an image does not hold.
    package init(
        session: SessionID?, metAt: Instant, message: Message?, contact: Contact,
        state: Status.Contact, isArmed: Bool, banned: [SessionID],
        sequenceAtVerification: UInt64, maintenance: Bool, pausedUntil: Instant?,
        isLeftDifferences: Bool, like other: Peer
    ) {
        self = other
        self.session = session
        self.metAt = metAt
        self.message = message
        self.contact = contact
        self.state = state
        self.isArmed = isArmed
        self.banned = banned
        self.sequenceAtVerification = sequenceAtVerification
        self.maintenance = maintenance
        self.pausedUntil = pausedUntil
        self.isLeftDifferences = isLeftDifferences
        // The checker's messages do not say when they were sent.
        declaredOffAt = nil
    }
}
