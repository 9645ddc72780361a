/// What the machine asks of the shell, in the order in which it must be done. The order is part
/// of the contract: persist, then fence, then confirm, then activate.
public enum Effect: Equatable, Sendable {
    /// Seal it and send it on these links, at once.
    case send(Message, on: LinkSet)
    /// Write it to disk durably, then answer `persisted` (or `persistFailed`) with the ticket.
    case persist(Memory, ticket: UInt32)
    /// See whether the disk would take it, and answer in the same way. A `persist` does not wait for
    /// that.
    case lookAtDisk(ticket: UInt32)
    /// Write it under /run at once, before the next effect.
    case note(RunNote)
    case fence(FenceOrder)
    /// Cancel it if the relay has not moved; answered by `voided` or by its outcome.
    case cancelFence(id: UInt32)
    /// Start the group's resources, in order.
    case start(Activation)
    /// The group's resources run already (an agent was restarted): monitor them.
    case adopt(Activation)
    /// Stop the group's resources, in reverse order; answered by `stopped` or `stopFailed`.
    case stop(GroupIndex, cause: Cause)
    /// From now on do nothing to the group but what is asked for here: monitors go on, and only
    /// tell. Or no longer so.
    case leaveAlone(GroupIndex, Bool)
    /// Take up what the changed configuration says of the group, or a part of it.
    case change(GroupIndex, GroupChange)
    /// Tell the database of a strict group, which runs here at this term; answered by `replicated`. A
    /// stop of the group kills what is under way of it.
    case replicate(GroupIndex, ReplicationAction, Term)
    /// Feed the hardware watchdog: this turn was whole and healthy.
    case feedWatchdog
    /// Nothing of this session of the peer's is to be accepted any more.
    case ban(SessionID)
    case answer(id: UInt32, CommandResult)
    case trace(Trace)
    /// The agent may end now.
    case exit(Departure)
}

/// How far a group takes up the changed configuration.
public enum GroupChange: Equatable, Sendable {
    /// Nothing of it is up.
    case whole
    /// Stop what it no longer has and what comes after that, as it was started; answered by
    /// `dropped`, or by `outgrown`.
    case drop
    /// Start the rest, at this term; answered by `started`.
    case add(Term)
}

/// What an agent that ends leaves behind.
public enum Departure: Sendable {
    /// Nothing is held here: the watchdog may be disarmed.
    case released
    /// The groups keep running for an agent that follows at once, or the watchdog resets the node.
    case running
    /// In maintenance the groups keep running with nobody to watch them: the watchdog is disarmed.
    case unattended
}

/// Receives effects without allocating.
public protocol EffectSink {
    mutating func emit(_ effect: Effect)
}

public struct FenceOrder: Equatable, Sendable {
    public var id: UInt32
    /// Index in `Policy.fenceLevels`.
    public var level: Int
    /// The worker looks at the clock last, and drives nothing after this instant.
    public var voidAfter: Instant
    public var cause: Cause
    /// The pair was in contact and the sense line, if any, must have read *on* in the last
    /// self-test; a line that did not is no proof of *off*.
    public var relayTest: Message.RelayTest
    /// The peer gets its power back whatever the level's policy says: the node that cuts it is not
    /// fit itself.
    public var reboots: Bool
    /// Nothing is driven if the peer's supply is found on.
    public var onlyIfOff: Bool

    public init(
        id: UInt32, level: Int, voidAfter: Instant, cause: Cause, relayTest: Message.RelayTest,
        reboots: Bool = false, onlyIfOff: Bool = false
    ) {
        self.id = id
        self.level = level
        self.voidAfter = voidAfter
        self.cause = cause
        self.relayTest = relayTest
        self.reboots = reboots
        self.onlyIfOff = onlyIfOff
    }
}

/// Why something happened: one list for trace, history and the resources' environment.
public enum Cause: UInt8, CaseIterable, Equatable, Sendable {
    case contactLost = 1
    case command = 2
    case peerAskedForIt = 3
    case healthCritical = 4
    case monitorFailed = 5
    case startFailed = 6
    case stopFailed = 7
    case failback = 8
    case formation = 9
    case peerYielded = 10
    case peerLeft = 11
    case aloneAfter = 12
    case operatorConfirmed = 13
    case fenced = 14
    case agentRestarted = 15
    case plannedStop = 16
    case drill = 17
    /// The peer answered after it had been verified off: the relay or its sense line lies.
    case fenceDisproved = 18
    case conflict = 19
    case peerAnswered = 20
    case late = 21
    case configurationChanged = 22
    /// The group's data are of a later term than the one it was to start at.
    case termRefused = 23
    case none = 0
}
