/// How old a node's copy of a stateful group's data is.
///
/// A probe on a standby whose source has died proves nothing, so a copy is judged by both sides, in
/// contact. The holder tells where it stands. The copy is *current* while it stands in the holder's
/// epoch and not behind where the holder stood `max_lag` ago. The holder's readings of the last
/// `max_lag` are kept for that: the oldest of them is not before where it stood then. A holder that
/// tells no readings any more leaves the copy stale.
///
/// The judgement is frozen when contact is lost, and the first message after that begins a new one.
/// It is *spent* by a restart of the agent or of the node, which know nothing of it, and by a
/// receipt that comes later than `max_lag` after the loss, because until then the holder may have
/// written on. A peer that left by plan had stopped before, and one that was in step with a strict
/// group has acknowledged nothing since that the copy lacks.
///
/// Beside the judgement there are the *data terms* (DataTerms): the last holder has the newest data,
/// whatever its probe says.
package struct Copy: Sendable {
    /// What the peer and people are told: in a holder whether its probe tells something, else the
    /// judgement.
    package private(set) var state: GroupReport.SyncState
    /// By its position it is current, whatever the database of a strict group waits for.
    private(set) var keepsUp = false
    /// The operator said that it shall start here, whatever the copy is.
    private(set) var isNamed = false
    /// The peer may have started the group since, for all that this agent knows: it has not been
    /// heard yet, and no receipt on disk says that it has done nothing.
    private(set) var mayBeOutdated: Bool
    /// This node holds the group; and since when it runs here, or on the peer in this contact.
    private var leads = false
    private var runsSince: Instant?
    private var reading = Reading.none
    private var readAt = Instant(nanoseconds: 0)
    /// The last position that was read of it as a copy. It may still grow when contact is lost, but
    /// not go over to another line of history.
    private(set) var followed = DataPosition.none
    /// Since when the peer is in contact, and whether where its copy stands is still to be told.
    private var metAt: Instant?
    private(set) var awaitsTheirs = false
    /// The holder's, the oldest first.
    private var trail: [Mark] = []
    private var judgedAt = Instant(nanoseconds: 0)
    /// The peer's data term then, if the copy was current and in step.
    private var inStepAt: Term?
    /// Contact was lost, or a receipt came, since.
    private var isFrozen = false
    private var isSealed = false

    private enum Reading {
        case none, position(DataPosition), state(GroupReport.SyncState)
    }

    private struct Mark {
        var readAt: Instant
        var position: DataPosition
    }

    init(mayBeOutdated: Bool) {
        state = .unknown
        self.mayBeOutdated = mayBeOutdated
    }

    /// As an image has it, which holds no stateful groups.
    package init(imaged state: GroupReport.SyncState) {
        self.state = state
        mayBeOutdated = false
    }

    // MARK: What the probe says

    /// Of a group without a policy for its copy: the probe's word is the state.
    mutating func take(_ state: GroupReport.SyncState) { self.state = state }

    mutating func read(_ position: DataPosition, at now: Instant) {
        reading = position.epoch == 0 ? .state(.failed) : .position(position)
        readAt = now
        guard position.epoch != 0 else { return }
        let mayBeOwn = leads || isFrozen && followed.epoch != 0
        let grows = position.epoch == followed.epoch && position.number > followed.number
        if mayBeOwn ? grows && !planted(.branchIsOld) : true { followed = position }
    }

    mutating func read(_ state: GroupReport.SyncState, at now: Instant) {
        reading = .state(state)
        readAt = now
    }

    /// Where it stands, and for how long that is known. `holds`: the group is here by now, though
    /// perhaps not judged as such yet.
    func position(holds: Bool, at now: Instant) -> (DataPosition, age: Duration) {
        guard case .position(let position) = reading else { return (.none, .zero) }
        if holds || leads {
            guard let runsSince, leads && readAt >= runsSince || planted(.oldReadingTold) else {
                return (.none, .zero)
            }
        }
        return (position, now - readAt)
    }

    /// How far it had come in the line of history that the peer wrote last.
    var parting: DataPosition {
        guard let line = trail.last?.position.epoch, followed.epoch != 0, line != followed.epoch
        else { return followed }
        return DataPosition(epoch: line, number: 0)
    }

    // MARK: The judgement

    /// This node holds the group. Where it stood before it ran tells nothing of where it stands.
    mutating func lead(runs: Bool, at now: Instant) {
        note(leads: true, runs: runs, at: now)
        inStepAt = nil
        guard runs else { return }
        switch reading {
        case .none: state = .unknown
        case .position: state = .current
        case .state(let told): state = told
        }
        judgedAt = now
        isNamed = false
        keepsUp = false
        trail.removeAll(keepingCapacity: true)
    }

    /// The peer is in contact, and says this of its data. `arrivedAt`: when it said so. `holds`: it
    /// may write, though it does not say that it runs; a position is told only by one that does.
    /// `isInStep`: of a strict group, whether the copy has all that is acknowledged. There a lag tells
    /// nothing.
    mutating func follow(
        _ theirs: DataReport?, holds: Bool, runs: Bool, isInStep: Bool? = nil,
        within maxLag: Duration, arrivedAt: Instant
    ) {
        let runs = runs || holds && (theirs?.position.epoch ?? 0) != 0
        note(leads: false, runs: runs, at: arrivedAt)
        if isFrozen { forget() }
        metAt = metAt ?? arrivedAt
        awaitsTheirs = theirs?.position.epoch == 0 && arrivedAt - metAt! <= maxLag
        guard runs else {
            guard state == .current else { return }
            let isOutrun =
                if let inStepAt { theirs?.terms.own != inStepAt } else {
                    holds && arrivedAt - judgedAt > maxLag
                }
            if isOutrun { state = .stale }
            return
        }
        isNamed = false
        guard arrivedAt > judgedAt else { return }
        hear(theirs, within: maxLag, arrivedAt: arrivedAt)
        judgedAt = arrivedAt
        inStepAt = nil
        state = judgement(within: maxLag)
        keepsUp = state == .current
        guard let isInStep, keepsUp else { return }
        if case .position = reading {} else { keepsUp = false }
        if !keepsUp || !isInStep { state = .stale }
        if state == .current { inStepAt = theirs?.terms.own }
    }

    private mutating func note(leads: Bool, runs: Bool, at now: Instant) {
        if leads != self.leads || !runs { runsSince = nil }
        self.leads = leads
        if runs, runsSince == nil { runsSince = now }
    }

    private func judgement(within maxLag: Duration) -> GroupReport.SyncState {
        switch reading {
        case .none: return .unknown
        case .state(let told): return told
        case .position(let mine):
            guard let newest = trail.last, let oldest = trail.first else {
                // A holder that has just started has not read anything yet.
                return judgedAt - (runsSince ?? judgedAt) > maxLag ? .stale : .unknown
            }
            if mine.epoch != newest.position.epoch, !planted(.epochIgnored) { return .stale }
            return mine.number >= oldest.position.number || planted(.lagIgnored)
                ? .current : .stale
        }
    }

    /// Keeps what the holder's position was in the last `max_lag`, in steps of an eighth of it.
    private mutating func hear(
        _ theirs: DataReport?, within maxLag: Duration, arrivedAt: Instant
    ) {
        while let oldest = trail.first, arrivedAt - oldest.readAt > maxLag { trail.removeFirst() }
        guard let theirs, theirs.position.epoch != 0 else { return }
        if trail.last?.position.epoch != theirs.position.epoch {
            trail.removeAll(keepingCapacity: true)
        }
        let read = arrivedAt - .milliseconds(Int64(theirs.age))
        guard arrivedAt - read <= maxLag else { return }
        if let last = trail.last, read - last.readAt < maxLag / 8 { return }
        trail.append(Mark(readAt: read, position: theirs.position))
    }

    /// Another life of the peer's, or a new contact: what was judged before says nothing any more.
    mutating func forget() {
        if planted(.judgementOutlivesContact) { return }
        state = .unknown
        inStepAt = nil
        keepsUp = false
        isFrozen = false
        isSealed = false
        trail.removeAll(keepingCapacity: true)
    }

    /// The peer is given the right to start. If it does not use that, a copy that was in step is what it
    /// was.
    mutating func give() {
        guard inStepAt != nil, state == .current, !isFrozen else { return forget() }
        keepsUp = false
        trail.removeAll(keepingCapacity: true)
    }

    /// Contact is lost.
    mutating func freeze() {
        note(leads: false, runs: false, at: judgedAt)
        isFrozen = true
        metAt = nil
    }

    /// The peer can write no more, since now at the latest; `limit`: for how long it may have
    /// written on since it was last heard.
    mutating func seal(limit: Duration?, at now: Instant) {
        freeze()
        guard !isSealed else { return }
        isSealed = true
        guard state == .current, let limit, now - judgedAt > limit else { return }
        if !planted(.judgementNeverSpent) { state = .stale }
    }

    /// The peer has told what it knows of the data terms.
    mutating func noteTermsHeard() { mayBeOutdated = false }

    // MARK: The operator

    mutating func name() { isNamed = true }
}

/// Where a copy of a group's data stands: how far it has come, in which line of history.
public struct DataPosition: Equatable, Sendable {
    /// Names the line of history (a timeline, a replication id, a generation); 0 for none.
    public var epoch: UInt32
    /// Grows with every write.
    public var number: UInt64

    public init(epoch: UInt32, number: UInt64) {
        self.epoch = epoch
        self.number = number
    }

    public static let none = DataPosition(epoch: 0, number: 0)
}

/// What a node tells of a stateful group's data.
public struct DataReport: Equatable, Sendable {
    public var terms: DataTerms
    public var position: DataPosition
    /// The age of the position, in milliseconds.
    public var age: UInt32
    public var flags: Flags

    /// All but the last are of a strict group (Replication.swift).
    public struct Flags: OptionSet, Equatable, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The holder's database acknowledges nothing that the receiver's copy lacks.
        public static let inStep = Flags(rawValue: 1 << 0)
        /// By its position the sender's copy is current.
        public static let keepsUp = Flags(rawValue: 1 << 1)
        /// The sender has noted for good that the holder is not in step.
        public static let outOfStep = Flags(rawValue: 1 << 2)
        /// By the sender's file the group is strict.
        public static let strict = Flags(rawValue: 1 << 3)
        /// The sender started the group last, and each node has something that the other lacks.
        public static let diverged = Flags(rawValue: 1 << 4)

        public static var all: Flags { [.inStep, .keepsUp, .outOfStep, .strict, .diverged] }
    }

    public init(
        terms: DataTerms = .never, position: DataPosition = .none, age: UInt32 = 0,
        flags: Flags = []
    ) {
        self.terms = terms
        self.position = position
        self.age = age
        self.flags = flags
    }
}
