/// What must survive a power cut.
///
/// The core decides what is in it and when it must be on disk: an effect `persist` is answered by
/// the event `persisted`, and everything that depends on it waits for that event (S4). The shell
/// writes it whole, atomically, with a checksum; a damaged file is refused, never guessed at.
public struct Memory: Equatable, Sendable {
    /// By group index; the file names the groups.
    public var groups: [GroupMemory]
    /// A receipt that outlives the agent: since the fence (or clean departure) of the peer, no
    /// packet of a later session of the peer has been answered. The peer thus has no right to fence
    /// this node, and none to a group but by an operator's word. So this node may go on alone after
    /// a reboot, once it has fenced the peer. An operator's word never makes such a receipt, and
    /// neither does a fence that the operator ordered before there was contact, because they leave
    /// the peer free to remember a receipt of its own. Cleared on disk *before* the first packet of
    /// a new session of the peer is answered.
    public var alone: Bool
    /// The newest that this node has heard of.
    public var maintenance: Maintenance
    /// A verified fence of this node's turned out to be none. No fence of it is believed, whatever
    /// life of the agent asks, until the operator says that it is mended.
    public var distrusted: Bool
    /// When fences and moves were ordered, oldest first, for the budgets. Instants of this boot;
    /// the shell converts them by the wall clock when it stores and loads them.
    public var fences: [Instant]
    public var moves: [Instant]
    /// The highest ceiling of the groups that the file does not have any more, as it was read. It is
    /// not written: each of them keeps its line.
    public var goneTerm: Term

    public init(
        groups: [GroupMemory], alone: Bool = false, maintenance: Maintenance = .never,
        distrusted: Bool = false, fences: [Instant] = [], moves: [Instant] = [],
        goneTerm: Term = .never
    ) {
        self.groups = groups
        self.alone = alone
        self.maintenance = maintenance
        self.distrusted = distrusted
        self.fences = fences
        self.moves = moves
        self.goneTerm = goneTerm
    }

    /// The memory of a node that was never started.
    public static func blank(groups: Int) -> Memory {
        Memory(groups: Array(repeating: GroupMemory(), count: groups))
    }
}

public struct GroupMemory: Equatable, Sendable {
    /// A ceiling: no term above it has been used or granted by this node. It runs ahead of the
    /// terms in use, so that no takeover has to wait for a disk; an agent that starts begins above
    /// it, so that terms never repeat (S4).
    public var term: Term
    /// For people: an operator who starts a pair after both nodes lost their power asks for it.
    public var holder: LastHolder
    public var data: DataTerms
    public var branch: Branch
    /// Of a strict group: the peer, which holds it, goes on without this node's copy, or may.
    public var isOutOfStep: Bool
    /// Of this group alone, as this node has heard of it last.
    public var maintenance: Maintenance

    public enum LastHolder: UInt8, Sendable {
        case nobody = 0
        case me = 1
        /// Holds it, or was granted it and may hold it.
        case peer = 2
    }

    public init(
        term: Term = .never, holder: LastHolder = .nobody, data: DataTerms = .never,
        branch: Branch = .none, isOutOfStep: Bool = false, maintenance: Maintenance = .never
    ) {
        self.term = term
        self.holder = holder
        self.data = data
        self.branch = branch
        self.isOutOfStep = isOutOfStep
        self.maintenance = maintenance
    }
}

/// Who started a stateful group last. Terms alone do not tell: two nodes that started it without
/// hearing of each other have one term each, and neither has the newest data.
public struct DataTerms: Equatable, Sendable {
    /// At which this node last had the right to start it.
    public var own: Term
    /// The newest that this node has heard of from its peer: one of the peer's, or one of its own
    /// that it has lost.
    public var heard: Term
    /// This node started it, and has heard of no start since that it had not heard of before.
    public var isLast: Bool

    public init(own: Term, heard: Term, isLast: Bool) {
        self.own = own
        self.heard = heard
        self.isLast = isLast
    }

    public static let never = DataTerms(own: .never, heard: .never, isLast: false)
}

/// Where the data of a group that this node took over on a copy that was not current parted from its
/// peer's.
public struct Branch: Equatable, Sendable {
    /// How far this node's copy had come by then, in the line of history that the peer wrote. None
    /// where no probe told, and once the peer's copy follows.
    public var position: DataPosition
    /// The peer has something of beyond that, or each node wrote without the other. So it is until
    /// the peer's copy follows or has been wound back, or an operator names one.
    public var isDiverged: Bool

    public init(position: DataPosition, isDiverged: Bool = false) {
        self.position = position
        self.isDiverged = isDiverged
    }

    public static let none = Branch(position: .none)
}

/// A note under /run, for an agent that is restarted on a node that did not reboot: what the
/// agent before it ran and knew. Gone with a reboot, and worthless with another boot id.
public struct RunNote: Equatable, Sendable {
    public var holdings: [Holding]
    /// By group index, the highest terms known; none in a blank note. The disk may not have taken
    /// them.
    public var terms: [Term]
    /// This boot has had contact with the peer.
    public var contact: Bool
    /// The peer's clock less this node's, as last measured.
    public var clockOffset: Duration?
    /// This node goes on alone by the operator's word, or by a fence on the operator's order, and
    /// has not heard the peer since.
    /// It is not on disk: a node that lost its power asks again.
    public var word: Bool
    /// Maintenance as this node last knew it, because the disk may not have taken that; none in a
    /// blank note.
    public var maintenance: Maintenance?
    /// The same of each group; none in a blank note.
    public var maintained: [Maintenance]
    /// The highest of groups that are not among these.
    public var goneTerm: Term

    public static let blank = RunNote(holdings: [], terms: [], contact: false, clockOffset: nil)

    public init(
        holdings: [Holding], terms: [Term], contact: Bool, clockOffset: Duration?,
        word: Bool = false, maintenance: Maintenance? = nil, maintained: [Maintenance] = [],
        goneTerm: Term = .never
    ) {
        self.holdings = holdings
        self.terms = terms
        self.contact = contact
        self.clockOffset = clockOffset
        self.word = word
        self.maintenance = maintenance
        self.maintained = maintained
        self.goneTerm = goneTerm
    }

    /// Starts of these groups were under way when the agent died that had begun them, also in the
    /// course of a restart: nobody knows how far they have come. From what is in maintenance hands
    /// are off all the same.
    public mutating func interrupt(_ groups: [GroupIndex]) {
        guard !planted(.restartAdopted), !planted(.startAdopted) else { return }
        for index in holdings.indices
        where groups.contains(holdings[index].group) && !isMaintained(holdings[index].group) {
            holdings[index].isPartial = true
        }
    }

    /// Hands are off this group. An agent that finds it running takes no file up that would have it
    /// stopped, as a living one does not.
    public func isMaintained(_ group: GroupIndex) -> Bool {
        guard !planted(.renamedStopsInMaintenance) else { return false }
        return maintenance?.isOn == true || group < maintained.count && maintained[group].isOn
    }
}

/// A group whose resources this node runs, and the term at which it was activated.
public struct Holding: Equatable, Sendable {
    public var group: GroupIndex
    public var term: Term
    /// Nobody knows how far it has come: its start or its stop was under way. It is stopped first,
    /// and starts anew.
    public var isPartial: Bool

    public init(group: GroupIndex, term: Term, isPartial: Bool = false) {
        self.group = group
        self.term = term
        self.isPartial = isPartial
    }

    /// Else something of it may run here that this node had no right to: a stop at an agent's start
    /// has failed.
    public var isByRight: Bool { term > .never }
}

/// A group that runs on this node, as the agent that started it knows it.
public struct RunningGroup: Equatable, Sendable {
    public var name: String
    /// As in `GroupPolicy`; `nil` where it is not known.
    public var resources: UInt32?
    /// Hands are off it.
    public var isMaintained: Bool

    public init(name: String, resources: UInt32?, isMaintained: Bool = false) {
        self.name = name
        self.resources = resources
        self.isMaintained = isMaintained
    }
}
