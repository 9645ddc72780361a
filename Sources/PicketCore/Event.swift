/// Everything that can happen to the machine. Outcomes of effects come back as events; so do
/// failures: the core does not throw.
public enum Event: Equatable, Sendable {
    /// The deadline that the machine asked for has come, or the shell completed a turn without
    /// any other event.
    case tick
    /// The first copy of an authenticated message of the peer.
    case received(Message, session: SessionID, link: Int)
    /// A later copy of it, over another link.
    case copied(session: SessionID, link: Int)
    /// A hello that only the peer's key can seal, and that has not come before. An agent that has
    /// just begun cannot tell it from a recording.
    case hailed
    /// The memory of this ticket is on disk.
    case persisted(ticket: UInt32)
    /// The memory of this ticket could not be written. The core asks again by itself.
    case persistFailed(ticket: UInt32)
    case fence(id: UInt32, FenceOutcome)
    case resources(GroupIndex, ResourceOutcome)
    /// From sensors and the node's own self-checks.
    case health(Health)
    /// Whether all is there that the group needs to start here, as far as the shell has looked.
    case ready(GroupIndex, Bool)
    /// From a probe that tells how far the copy is behind, or that failed.
    case sync(GroupIndex, GroupReport.SyncState)
    /// From a probe that tells where the copy stands.
    case position(GroupIndex, DataPosition)
    /// The command for the database of a strict group has ended, or was killed.
    case replicated(GroupIndex, ReplicationAction, succeeded: Bool)
    /// Its time is up, and it was killed. Its end is told by `replicated` as well.
    case replicationOverdue(GroupIndex, ReplicationAction)
    case relayTest(Message.RelayTest)
    /// A look at the peer's supplies. `off`: each is off, by feedback that no broken wire turns to
    /// *off*.
    case peerSupply(off: Bool)
    /// The hardware watchdog's timeout; zero when it is not armed.
    case watchdog(Duration)
    case command(Command, id: UInt32)
}

public struct Health: Equatable, Sendable {
    /// 0 (unfit) … 100.
    public var score: UInt8
    /// A drill or a simulated board made it, in part or wholly.
    public var simulated: Bool
    public init(score: UInt8, simulated: Bool = false) {
        self.score = score
        self.simulated = simulated
    }
}

public enum FenceOutcome: Equatable, Sendable {
    /// Every supply of the peer is off, as verified by sense line or rail; or, only where the
    /// configuration says that there is no feedback, the full off time has passed.
    case off
    /// The supplies are on again and verified; the fence is over.
    case restored
    /// The order came to the worker after its `voidAfter`, or was cancelled before the relay moved.
    /// Nothing was driven.
    case voided
    /// The peer may or may not be off. The level's supplies have been returned to *on*.
    case failed(FenceFailure)
    /// The peer is off, and could not be switched on again. The fence itself counts.
    case notRestored
}

public enum FenceFailure: UInt8, Equatable, Sendable {
    /// The sense line still reads *on*.
    case stillOn = 1
    /// The relay or its line could not be driven.
    case unreachable = 2
    /// Read-back or sense line contradicts what was known before the cut.
    case contradictory = 3
    case timeout = 4
    /// A fence agent exited with an error.
    case agent = 5
    /// The supply reads *off*, or would, where the wire that says so has parted as well.
    case unproven = 6
    /// The feedback could not be read.
    case unreadable = 7
    /// It was read, and says neither *on* nor *off*: two contacts read alike, or a rail is between.
    case undecided = 8
}

public enum ResourceOutcome: Equatable, Sendable {
    case started
    /// A start failed or timed out; whatever had been started was stopped again.
    case startFailed
    /// A start failed and what had been started could not be stopped.
    case startFailedDirty
    /// A start failed, and to stop what had been started could not be tried.
    case startFailedUnknown
    /// A start was refused because a resource's data are of this later term; whatever had been
    /// started was stopped again.
    case startRefused(Term)
    case stopped
    /// A stop failed or hung, and killing did not help: something may still run here.
    case stopFailed
    /// A stop could not be tried, for want of processes, of a disk or of root's helper.
    case stopUnknown
    /// The monitor failed beyond the limit of local restarts. The resources are in an unknown
    /// state until stopped.
    case failed
    /// The monitor failed and a local restart is under way (for the trace).
    case restarted
    /// The monitor failed, and nothing is done about it because the group is left alone …
    case ailing
    /// … and it is well again.
    case recovered
    /// In maintenance, of a group that is not up here by this agent: something of it is seen to run
    case seen
    /// … or nothing that a monitor could see.
    case unseen
    /// What a changed group no longer has is stopped; the rest goes on.
    case dropped
    /// Nothing of it is in the changed group.
    case outgrown
}

/// The operator's orders and word, after the command line has asked what it must ask.
public enum Command: Equatable, Sendable {
    /// Moves one group, or all (`nil`), to the other node, from whichever holds them.
    case handover(GroupIndex?)
    /// Returns one group, or all (`nil`), to their preferred nodes.
    case failback(GroupIndex?)
    /// Fences the peer now, in contact or not.
    case fence
    /// The operator's word that the peer is off. Refused while in contact.
    case confirmFence
    /// Of one group, or of the whole pair (`nil`). Its end is refused while a group that is not among
    /// those named is down where it should run, or may run where it should not.
    case maintenance(Bool, of: GroupIndex? = nil, despite: GroupSet = .none)
    /// Agrees a pause with the peer, then asks the shell to end the process without releasing.
    case pause(Duration)
    /// A planned stop (also SIGTERM): releases, tells the peer, and ends.
    case leave
    /// Clears what a failed start or fence left behind, so that it is tried again.
    case clear(GroupIndex?)
    /// Gives back what was spent of the budgets of fences and moves.
    case clearBudgets
    /// Takes over one group, or all (`nil`), that wait for this order (`GroupPolicy.Takeover.ask`);
    /// `stale`: also with a copy of the data that is not current.
    case take(GroupIndex?, stale: Bool)
    /// Tells what a fence of the peer would do now, and, if live, does it.
    case drillFailover(live: Bool)
    /// Marks the node as being in a drill (from the shell, which injects), or no longer.
    case drill(Bool)
}

public enum CommandResult: Equatable, Sendable {
    /// Done, or begun; the trace tells the rest.
    case accepted
    case refused(Refusal)
    case refusedFor(Refusal, GroupIndex)
}

/// Why the machine will not do something. One list for commands, fences and moves, so that a
/// reason reads the same wherever it shows.
public enum Refusal: UInt8, CaseIterable, Equatable, Sendable {
    case notInContact = 1
    case inContact = 2
    case maintenance = 3
    /// No contact with the peer in this boot.
    case notArmed = 4
    case fenceBudgetSpent = 5
    case moveBudgetSpent = 6
    /// No fence level is configured.
    case noFence = 7
    /// Another fence, move or pause is under way.
    case busy = 8
    case peerUnfit = 9
    case selfUnfit = 10
    /// The standby's copy is stale or its probe failed.
    case peerStale = 11
    case notHeld = 12
    case alreadyThere = 13
    case unknownGroup = 14
    /// The peer failed to start the group, or refuses it.
    case peerIneligible = 15
    case leaving = 16
    /// The known facts do not show that the peer cannot be the holder.
    case peerMayHold = 17
    case drill = 18
    case tooLong = 19
    /// The peer left by a planned stop: there is nothing to fence.
    case peerLeft = 20
    /// The disk does not take what must be remembered first.
    case notPersisted = 21
    case selfIneligible = 22
    /// The nodes' files list other groups, or in another order.
    case groupsDiffer = 23
    /// The peer's present session was heard a moment ago.
    case peerHeard = 24
    /// The peer's disk takes nothing, and has no room for one more term.
    case peerNotPersisted = 25
    /// No group waits for the operator to take it over.
    case notAsked = 26
    /// The peer has not shown that it knows: what is ordered holds here, and not there.
    case peerUnaware = 27
    /// A group is down where it should run, or may run where it should not.
    case groupWrong = 28
    /// This node's copy of the group's data is not known to be current.
    case copyNotCurrent = 29
    /// Hands are off a group: it is in maintenance, the others are not.
    case groupMaintained = 30
    /// A newer order of the other node's says the opposite.
    case overruled = 31
    /// The peer has not stopped the group yet, or is about to start it.
    case peerStops = 32
    /// The nodes' times differ, and no turn is certain to be this node's alone.
    case timesDiffer = 33
    /// Something that the group needs to start is missing here …
    case notReady = 34
    /// … or on the peer.
    case peerNotReady = 35
    /// There was contact in this boot, but not enough with this agent to know when it is its turn.
    case turnUnknown = 36
    /// The peer was verified off, or an operator said so: this node goes on without it.
    case peerOff = 37
    /// Every way to fence the peer has failed, and is tried again.
    case fenceFailed = 38
    /// The peer is off, and the group waits for the operator's order (`GroupPolicy.Takeover.ask`).
    case takeoverAsked = 39
    /// The peer is the node that starts the group.
    case peersTurn = 40
    /// The peer has not agreed yet that this node starts the group.
    case notGranted = 41
    /// Something of the group, or of one that the file has no more, is not stopped here yet.
    case selfStops = 42
    /// The file has the group disabled.
    case disabled = 43
}
