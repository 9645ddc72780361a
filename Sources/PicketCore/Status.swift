/// The machine's state, as a person or a monitor is shown it.
public struct Status: Equatable, Sendable {
    public var phase: Message.Phase
    public var contact: Contact
    public var armed: Bool
    public var maintenance: Bool
    public var peerMaintenance: Bool
    public var drill: Bool
    public var peerDrill: Bool
    public var health: Health
    public var peerHealth: UInt8?
    public var peerPhase: Message.Phase?
    public var peerSession: SessionID?
    public var peerSimulated: Bool
    public var peerWatchdogMilliseconds: UInt32
    public var peerRelayTest: Message.RelayTest
    public var relayTest: Message.RelayTest
    public var watchdog: Duration
    public var configurationAgrees: Bool
    /// Bit n: link n carries both ways.
    public var linksUp: LinkSet
    /// Since the sending of the newest acknowledged message; `nil` if there is none.
    public var age: Duration?
    public var roundTrip: Duration?
    public var fence: FenceStatus
    public var fencesInWindow: Int
    public var movesInWindow: Int
    /// How long until one is left again; `nil` where one is left now.
    public var fencesRefillIn: Duration?
    public var movesRefillIn: Duration?
    /// Why the peer would not be fenced if it died now; `nil` if it would.
    public var protectionGap: Refusal?
    public var groups: [GroupStatus]
    /// By what this node goes on without its peer, if it does.
    public var receipt: Receipt.Proof?
    /// The newest writing of the state file failed, here or on the peer.
    public var diskTakesNothing = false
    /// Its disk keeps what it needs to fence, and to go on with some group at least.
    public var takeoverIsKept = true
    /// Its loop comes late again and again.
    public var alwaysLate = false
    /// It could go on with what the peer holds, and fences in time if the peer dies.
    public var fitForTurns = true
    public var peerDiskTakesNothing = false
    /// This node may not answer its peer before the disk has forgotten that it may go on alone, and
    /// the disk takes nothing.
    public var awaitsForgetting = false
    /// The peer speaks; or it spoke so lately that no word would be taken that it is off.
    public var peerSpeaks = false
    public var peerWasHeard = false
    /// It has groups of its own, which this node does not list.
    public var peerHoldsOthers = false
    /// What the peer alone sees of itself; `nil` where it was not heard, or is too old to say.
    public var peerGaps: Gaps?

    /// There is contact with the peer.
    public var isPeerHeard: Bool { contact == .established || contact == .suspected }

    public enum Contact: UInt8, Sendable { case never, established, suspected, lost }
    public enum FenceStatus: UInt8, Sendable {
        case idle, waiting, ordered, restoring, failed
    }
}

public struct GroupStatus: Equatable, Sendable {
    /// In maintenance its monitor fails here, and nothing is done about it.
    public var ailing = false
    public var role: GroupReport.Role
    public var running: Bool
    public var eligible: Bool
    public var term: Term
    /// What the peer last said of it.
    public var peerRole: GroupReport.Role?
    public var peerRunning: Bool
    public var peerTerm: Term
    public var sync: GroupReport.SyncState
    public var peerSync: GroupReport.SyncState
    /// Who held it last, as far as this node remembers, also across a loss of power.
    public var lastHolder: GroupMemory.LastHolder
    /// What the peer's file says otherwise of it.
    public var difference: GroupDifference
    /// Nothing but the disk keeps this node from starting it.
    public var willing = true
    /// Whether the peer would start it, in its own words; `nil` where it was not heard.
    public var peerEligible: Bool?
    /// This node waits for the operator's order to take it over.
    public var asked = false
    /// It has data of its own, whose copy is judged.
    public var stateful = false
    /// Its copy keeps it from starting here: it waits for the operator.
    public var waitsForCopy = false
    /// Each node's data have something that the other's lack.
    public var diverged = false
    /// Held here, and strict: what its database does.
    public var replication: ReplicationState?
    /// Its commits wait for the peer, and have for long; and whether the peer's file keeps it from
    /// ever noting that it has no copy.
    public var commitsWait = false
    public var peerCannotNote = false
    /// Strict, and by this node's disk the peer goes on without the copy here, or may.
    public var outOfStep = false
    /// Hands are off this group, whatever the pair does with the others.
    public var maintained = false
    /// All is there that it needs to start here, and on the peer; `nil` where that is not known.
    public var ready = true
    public var peerReady: Bool?
    /// Where no node is known to run it: why it does not start here; `nil` where it is about to.
    public var obstacle: Refusal?
    /// How often it failed here in a row, and how long until it may start here again.
    public var failures = 0
    public var blockedFor: Duration?
}
