/// What the nodes tell each other.
///
/// There is one kind of message: the sender's whole state. Nothing is an order, and nothing has
/// to arrive: a lost message is made good by the next one. PicketWire encodes and seals it; the
/// sequence number and the sender's session travel in the datagram's header.

public struct Message: Equatable, Sendable {
    /// Per session of the sender, from 1, never reused.
    public var sequence: UInt64
    /// The newest sequence number received from the peer's present session; 0 for none.
    public var acknowledged: UInt64
    /// The links on which something of the peer's arrived lately.
    public var heardOn: LinkSet
    /// The sender's clock at sending, and the peer's `sentAt` of the message acknowledged,
    /// increased by the time for which the acknowledgement was held back. Together they give the
    /// round trip and the offset of the two clocks (RFC 5905 §8).
    public var sentAt: Instant
    public var echo: Instant
    public var flags: Flags
    public var phase: Phase
    /// 0 (unfit) … 100.
    public var health: UInt8
    /// The hardware watchdog's timeout in milliseconds; 0 when it is not armed.
    public var watchdogMilliseconds: UInt32
    public var relayTest: RelayTest
    /// Digest of all settings that must agree between the nodes.
    public var configurationDigest: UInt64
    /// Digest of what the sender's turns of fencing go by; 0 where it is too old to say, and then
    /// its groups have no names either.
    public var turnsDigest: UInt64
    /// Counts the changes of roles in `groups`; and the peer's newest count that the sender has
    /// acted on.
    public var generation: UInt32
    public var seenGeneration: UInt32
    /// Of maintenance as the sender knows it (`Maintenance.version`); 0 where the sender is too old
    /// to say. Whether it is on stands in the flags.
    public var maintenance: UInt64
    /// The same of one group; `nil` where no group ever had an order, or the sender is too old.
    public var maintained: MaintainedGroup?
    /// What the sender alone sees of itself; `nil` where it is too old to say, and then it does not
    /// say of its groups whether they are ready either.
    public var gaps: Gaps?
    /// The highest term that the sender knows of groups that its file does not have, and which it does
    /// not report; 0 where there is none, or where it is too old to say.
    public var goneTerm: Term
    /// The length of the pause asked for (by `Phase.pausing`) or agreed to; 0 for none.
    public var pause: Duration
    /// In the order of the sender's list, at most `Limits.groups`.
    public var groups: [GroupReport]

    public struct Flags: OptionSet, Equatable, Sendable {
        public let rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }
        /// Answer at once: the sender doubts the contact.
        public static let probe = Flags(rawValue: 1 << 0)
        public static let maintenance = Flags(rawValue: 1 << 1)
        /// A drill is under way on the sender.
        public static let drill = Flags(rawValue: 1 << 2)
        /// The sender's hardware, or a part of it, is simulated.
        public static let simulated = Flags(rawValue: 1 << 3)
        /// The sender failed to release a group that it agreed to hand over: fence it (S5).
        public static let fenceMe = Flags(rawValue: 1 << 4)
        /// The sender agrees to the pause that the peer asked for.
        public static let pauseAgreed = Flags(rawValue: 1 << 5)
        // Bit 6 stays free: agents of 0.1.0 know it as a flag that nobody ever set or read.
        /// The life before this session of the receiver's ended by the sender's fence. Said for
        /// people: no rule of the pair looks at it.
        public static let fencedYou = Flags(rawValue: 1 << 7)
        /// The sender's disk takes nothing. Said for people: what follows from it, the sender says
        /// itself, as `eligible`.
        public static let diskTakesNothing = Flags(rawValue: 1 << 8)
        /// The sender has what it says of maintenance on its disk.
        public static let maintenanceKept = Flags(rawValue: 1 << 9)
        /// Where the files differ in resources: the sender starts nothing of that until the
        /// receiver's session has ended, and so the receiver may.
        public static let leavesDifferences = Flags(rawValue: 1 << 10)
        /// Something that the files differ in is active on the sender, or was so last.
        public static let heldDifferences = Flags(rawValue: 1 << 11)
        /// With `leaving`: the sender's agent ends, and takes nothing on before. What it reports to
        /// have something of goes on in maintenance; all else it has given up.
        public static let leavesRunning = Flags(rawValue: 1 << 12)
        /// Somebody works on the sender: something may run there that alone is in maintenance. The
        /// receiver's file may not have it.
        public static let atWork = Flags(rawValue: 1 << 13)

        /// Every flag there is. One that is missing here is refused by the codec when it is sent.
        public static var all: Flags {
            [
                .probe, .maintenance, .drill, .simulated, .fenceMe, .pauseAgreed, .fencedYou,
                .diskTakesNothing, .maintenanceKept, .leavesDifferences, .heldDifferences,
                .leavesRunning, .atWork,
            ]
        }
    }

    /// Where the sender is in its life (ARCHITECTURE, "Coming and going").
    public enum Phase: UInt8, CaseIterable, Sendable {
        /// No contact yet in this boot: holds nothing, fences nobody.
        case waiting = 1
        case paired = 2
        /// Goes on without a peer, by a receipt or the operator's word.
        case alone = 3
        /// Is about to restart its agent; its groups keep running meanwhile.
        case pausing = 4
        /// A planned stop: gives up its groups.
        case leaving = 5
        /// Holds nothing and never will again in this session: a receipt in itself.
        case left = 6
    }

    public enum RelayTest: UInt8, CaseIterable, Sendable {
        case unknown = 0
        case passed = 1
        case failed = 2
        /// No relay is configured.
        case absent = 3
    }

    public init(
        sequence: UInt64, acknowledged: UInt64 = 0, heardOn: LinkSet = .none,
        sentAt: Instant = Instant(nanoseconds: 0), echo: Instant = Instant(nanoseconds: 0),
        flags: Flags = [], phase: Phase = .waiting, health: UInt8 = 100,
        watchdogMilliseconds: UInt32 = 0, relayTest: RelayTest = .unknown,
        configurationDigest: UInt64 = 0, turnsDigest: UInt64 = 0, generation: UInt32 = 0,
        seenGeneration: UInt32 = 0, maintenance: UInt64 = 0, maintained: MaintainedGroup? = nil,
        gaps: Gaps? = nil, goneTerm: Term = .never, pause: Duration = .zero,
        groups: [GroupReport] = []
    ) {
        self.sequence = sequence
        self.acknowledged = acknowledged
        self.heardOn = heardOn
        self.sentAt = sentAt
        self.echo = echo
        self.flags = flags
        self.phase = phase
        self.health = health
        self.watchdogMilliseconds = watchdogMilliseconds
        self.relayTest = relayTest
        self.configurationDigest = configurationDigest
        self.turnsDigest = turnsDigest
        self.generation = generation
        self.seenGeneration = seenGeneration
        self.maintenance = maintenance
        self.maintained = maintained
        self.gaps = gaps
        self.goneTerm = goneTerm
        self.pause = pause
        self.groups = groups
    }
}

/// What keeps the sender, or may keep it, from doing its part when the receiver fails, and what it
/// would suffer itself. Said for people: no rule of the pair looks at it. A gap that other fields
/// tell of is not among them.
public struct Gaps: OptionSet, Equatable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// A level of its fence was never seen to cut the receiver …
    public static let neverCut = Gaps(rawValue: 1 << 0)
    /// … or longer ago than `rehearse_every`.
    public static let cutLongAgo = Gaps(rawValue: 1 << 1)
    /// It fences by fence agents alone, and no status of theirs was ever seen to say *off*.
    public static let neverSaidOff = Gaps(rawValue: 1 << 2)
    /// It has no turn in which it may fence (`Refusal.timesDiffer`).
    public static let noTurn = Gaps(rawValue: 1 << 3)
    /// It may begin no more fence for now.
    public static let budgetSpent = Gaps(rawValue: 1 << 4)
    /// Its loop comes late again and again.
    public static let alwaysLate = Gaps(rawValue: 1 << 5)
    /// Its state is forgotten with its power.
    public static let volatileState = Gaps(rawValue: 1 << 6)
    /// Units cannot be started or stopped there.
    public static let units = Gaps(rawValue: 1 << 7)
    /// A unit of a group runs there, where the group is not active.
    public static let strayUnits = Gaps(rawValue: 1 << 8)
    /// Something starts a unit there by itself.
    public static let unitStarters = Gaps(rawValue: 1 << 9)
    /// A sensor there tells nothing.
    public static let blindSensor = Gaps(rawValue: 1 << 10)
    /// Its agent has no real-time priority …
    public static let notRealTime = Gaps(rawValue: 1 << 11)
    /// … or may be swapped out.
    public static let notLocked = Gaps(rawValue: 1 << 12)

    /// Every gap there is. The codec takes no other.
    public static var all: Gaps { Gaps(rawValue: 1 << 13 - 1) }
}

/// What a node says of one group. Its own role only; it never speaks for the peer.
public struct GroupReport: Equatable, Sendable {
    public var role: Role
    /// The term that `role` speaks of; for `vacant` the highest term known.
    public var term: Term
    public var flags: Flags
    /// The sender's judgement of its copy.
    public var sync: SyncState
    /// Which group it is, and how the sender's file has it: as in `GroupPolicy`.
    public var name: UInt64
    public var priority: UInt32
    public var resources: UInt32
    public var settings: UInt32
    /// `nil` of a group without data, and from a sender that is too old to say. It is no part of
    /// what a node compares to see whether something changed.
    public var data: DataReport?

    public enum Role: UInt8, CaseIterable, Sendable {
        /// Not held here: every resource of the group is stopped on this node.
        case vacant = 0
        /// Asks for the peer's grant of `term`.
        case claiming = 1
        /// Starting, running or restarting here.
        case holding = 2
        /// Stopping here, to be yielded.
        case releasing = 3
        /// Not held here, and the peer is granted `term`.
        case granting = 4
        /// A restarted agent found the group running on this node and asks to keep it at `term`.
        case resuming = 5

        /// Something of it may run on the sender.
        var isHeld: Bool {
            switch self {
            case .holding, .releasing, .resuming: true
            case .vacant, .claiming, .granting: false
            }
        }
    }

    public struct Flags: OptionSet, Equatable, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The sender would start the group if it were given it.
        public static let eligible = Flags(rawValue: 1 << 0)
        /// The sender asks the holder to hand the group over: by the operator's order …
        public static let wanted = Flags(rawValue: 1 << 1)
        /// … or because the group prefers this node and its failback is automatic.
        public static let failback = Flags(rawValue: 1 << 2)
        /// Held and every resource is up; not held, and something of it is seen to run all the same.
        public static let running = Flags(rawValue: 1 << 3)
        /// With `granting`: neither the operator nor a drill ordered the move, so it counts
        /// against the budget.
        public static let automatic = Flags(rawValue: 1 << 4)

        /// It failed here, and no move is left in the budget: the sender alone starts it again.
        public static let stays = Flags(rawValue: 1 << 5)
        /// Something that the group needs to start is missing on the sender. Said for people: what
        /// follows from it, the sender says itself, as `eligible`.
        public static let unready = Flags(rawValue: 1 << 6)

        /// Every flag there is. One that is missing here is refused by the codec when it is sent.
        public static var all: Flags {
            [.eligible, .wanted, .failback, .running, .automatic, .stays, .unready]
        }
    }

    /// The state of a copy of the group's data: of a stateful group by the sender's judgement
    /// (Copy.swift), else as its own probe tells it.
    public enum SyncState: UInt8, CaseIterable, Sendable {
        /// Not judged yet, or no probe is configured.
        case unknown = 0
        case current = 1
        /// Further behind than the group's `max_lag`.
        case stale = 2
        case failed = 3

        /// The group may go to the node whose copy this is. One that is unknown is good enough for
        /// a group without data of its own.
        public func suffices(stateful: Bool) -> Bool {
            switch self {
            case .unknown: !stateful
            case .current: true
            case .stale, .failed: false
            }
        }
    }

    /// Held and every resource is up.
    var isUp: Bool { role.isHeld && flags.contains(.running) }

    public init(
        role: Role = .vacant, term: Term = .never, flags: Flags = [], sync: SyncState = .unknown,
        name: UInt64 = 0, priority: UInt32 = 0, resources: UInt32 = 0, settings: UInt32 = 0,
        data: DataReport? = nil
    ) {
        self.role = role
        self.term = term
        self.flags = flags
        self.sync = sync
        self.name = name
        self.priority = priority
        self.resources = resources
        self.settings = settings
        self.data = data
    }
}
