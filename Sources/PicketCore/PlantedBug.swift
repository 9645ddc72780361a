/// Wrong machines, for the proof's tools to find: a tool that finds none of them proves nothing.
///
/// They work only in the simulation build (`make sim`). Each case is one expression at one or two
/// places of Core, Wire or Hardware; `picket-sim bugs` tells which property each breaks, and who
/// found it.
public enum PlantedBug: String, CaseIterable, Sendable {
    // Who may fence, and when
    /// Every rank's turn opens at once.
    case noHeadStart
    /// Each node takes itself for the clear holder.
    case everybodyHolds
    /// Equal sums of priorities make both the holder.
    case tieUnbroken
    /// Turns of a lower rank are counted from what this node reached, not from what it heard.
    case turnFromReached
    /// Contact is measured from when an acknowledgement came, not from what it acknowledges.
    case contactFromReception
    /// In transfer both nodes have one rank.
    case oneRankInTransfer
    /// Turns go by what the peer says of its own fitness, in place of this node's.
    case ranksByPeersFitness
    /// … or by nobody's.
    case everybodyFit
    /// A node takes its view for clear though the peer was not told of its newest change.
    case untoldIsClear
    /// A node that has ordered a fence asks the peer to do the same to it.
    case asksWhileFencing
    /// A node that missed its turn fences as soon as it likes.
    case lateTurnsOverlap
    /// Turns are apart by the time in which an outlet usually switches, not by the longest.
    case turnsByUsualTime
    /// They go by the clock that the peer had before it booted.
    case oldClockKept
    case fenceFromWaiting
    case stallNotForgiven
    /// A turn looks at the clock once, before it receives what may have come since.
    case clockReadBefore
    /// A loop that comes late again and again says nothing of it.
    case latenessUntold
    case fenceBudgetIgnored
    /// Budgets go by the wall clock, and a stamp from the future counts as of now.
    case futureStampsAreNow
    /// The age of an entry goes by a wall clock that nothing keeps right.
    case unsynchronisedBelieved
    /// A node fences in it.
    case maintenanceIgnored
    /// It tries a fence again that the peer had asked for before.
    case requestInMaintenance
    /// Whatever the peer says of maintenance last is believed, though it be older.
    case olderMaintenanceWins
    /// A failed service is restarted in maintenance.
    case maintenanceRestarts
    /// A group that alone is in maintenance is handled like the others …
    case maintainedForgotten
    /// … and its node is fenced for nothing.
    case maintainedFenced
    /// … because nobody remembers on disk where it runs.
    case holderForgotten
    /// A vacant group is started in maintenance.
    case maintenanceClaims
    /// An agent starts with a file that lacks what is left running in maintenance, and stops that.
    case renamedStopsInMaintenance
    /// … or stops what a person has started by hand …
    case restartStopsInMaintenance
    /// … or what the agent before it had begun to start.
    case partialStopsInMaintenance
    /// Maintenance ends though such a thing runs where it should not …
    case endUnlooked
    /// … and it runs on when the operator has named it.
    case leftRunningAtEnd
    case pauseUnbounded
    /// First turns are taken though the nodes' configurations differ.
    case configurationIgnored
    case drillFences

    // What a fence is worth
    case failedFenceCounts
    /// The sense line is not looked at.
    case unverifiedFence
    /// The worker drives the relay however late it is.
    case clockNotLookedAt
    case cancelIgnored
    /// A self-test makes up for a real fence that failed.
    case testOutranksFence
    /// A worker that gives no answer has passed.
    case silenceIsAPass
    /// A node that boots alone fences a peer whose supply it has not seen off.
    case aloneUnseen
    /// An agent that starts believes a fence that was disproved.
    case distrustForgotten
    /// Who clears a group that failed says that the fence is mended.
    case anyClearTrusts
    /// A worker that finds the peer's supply off takes it for on.
    case foundOffForgotten
    /// A wire that has parted counts as *off*: at the first look …
    case partedCountsAsOff
    /// … or when it parts after it, together with the link, as is stated …
    case plugIgnored
    /// … or as may be, because nothing is stated …
    case plugNotAwaited
    /// … or where it is one of two contacts that ought to differ.
    case equalContactsAreOff
    case receiptOutlivesSession
    /// A word that the peer is off stands though it speaks.
    case wordOutlivesSpeech
    /// What a peer says before it has a session here counts for nothing.
    case helloUnheard
    /// … and what somebody has recorded of it counts again and again.
    case recordedHelloCounts
    /// … or once more with each start of the agent.
    case heardForgotten
    /// A takeover that is to be asked for is not.
    case questionSkipped
    /// A receipt stays on disk after the peer is back …
    case aloneNeverForgotten
    /// … or until after the peer has been answered.
    case aloneAnsweredFirst
    /// A node that boots alone by a remembered receipt goes on without fencing the peer.
    case aloneUnfenced
    /// An agent that comes back after its node has left is still armed.
    case leftStaysArmed
    /// The same of one that has left something running in maintenance.
    case leavesRunningArmed
    /// A peer that leaves something running has given up nothing else.
    case restIsNoReceipt
    /// What such a peer leaves running is started when its maintenance ends, without a fence.
    case restIsNotBarred
    /// An agent leaves what is in maintenance in the middle of a start or a stop.
    case leavesHalfWay
    /// A group is stopped for a move though the peer is not done with it.
    case movesToTheUnready
    /// A fence that the operator ordered before there was contact is remembered on disk.
    case orderRemembered

    // Terms
    case termNotPersisted
    /// Used before the disk has it.
    case termPersistedLate
    /// A node says that it would take over, and its disk has no room for the term.
    case eligibleWithoutRoom
    /// A node whose disk takes nothing grants nothing.
    case grantWaitsForDisk
    /// A disk that never answers is waited for, and nobody is told.
    case hungDiskIsSlow
    /// A disk is written to only when something is to be remembered, and so found full too late …
    case diskNotLookedAt
    /// … or what the look has found is told to nobody …
    case failedLookIgnored
    /// … or it is not tried again before something is to be remembered.
    case fullDiskLeftAlone
    /// A node fences its peer though its disk lets it start nothing.
    case fencesForNothing
    /// The terms that the peer has used are not learned.
    case termOfPeerForgotten
    /// An agent that never met its peer goes on by the terms of its disk.
    case termsNotLeapt
    /// The terms that an agent heard are lost with it, where the disk takes nothing.
    case termsNotNoted
    /// A group's next term is above its own ones, and not above those of all groups.
    case termsOfGroupAlone
    /// So is what is added to a group that goes on.
    case addedAtFormerTerm
    /// The terms of groups that are not in the file are neither told nor remembered.
    case goneTermsForgotten

    // What the status says in an outage
    /// That there is no contact hides why nothing is taken over.
    case lossHidesReason
    /// A peer that was verified off is shown with what it had.
    case deadPeerShown
    /// It is said to speak for as long as no word that it is off would be taken.
    case speechOutlivesPeer
    /// Of a group that runs nowhere because it has failed nothing is said.
    case failureUnsaid
    /// A takeover on an old copy is asked for, and the answer starts nothing.
    case askedOnOldCopy

    // Who may act
    case anyReportGrants
    /// The words of the peer's last life still count, grants and all.
    case oldSessionSpeaks
    case grantWhileHolding
    case releasedBeforeStopped
    case failedStopReleases
    /// Groups are known by their place in the list, whatever the other file lists.
    case groupsByPlace
    /// A group moves and starts though the nodes' files differ about its resources.
    case resourcesIgnored
    /// A node starts what the files have otherwise, though its peer does not leave it to it.
    case differencesNotLeft
    /// … or on whatever copy of its data.
    case differentOnOldCopy
    case leavesHolding
    case conflictIgnored
    /// A group that runs is noted after it was started, and one that no note tells of is not
    /// stopped.
    case noteAfterStart
    /// A start that was under way is noted like what runs, and adopted.
    case startAdopted
    /// The same of a start in the course of a restart.
    case restartAdopted
    /// A stop that was under way is noted like what runs, and adopted.
    case stopAdopted
    /// A node that cannot stop what it has begun to start, as its note says, asks for no fence.
    case partialIsUnknown
    /// What is gone from the file runs on when the agent is restarted.
    case retiredNotStopped
    /// What is added starts before that is stopped.
    case retiredNotAwaited
    /// A group that the file has no more comes back as a file before had it.
    case removedComesBack
    /// A reload leaves a group running that the file does not have any more …
    case reloadLeavesRemoved
    /// … or does not stop what it has no more of a group that runs …
    case reloadForgetsWhatRuns
    /// … or starts what it adds to a group at once …
    case reloadDoesNotWait
    /// … or beside a peer that left something running.
    case barredReceiptAdds
    /// A start of an agent that died goes on, whatever its successor does.
    case leftBehindGoesOn
    /// The note of what runs survives a reboot.
    case adoptsAfterReboot

    // Moves
    /// A group that fails, and starts on the peer because the pair is forming, has not moved.
    case formationIsNoMove
    /// Failures are forgotten when the group starts, not when it has run well.
    case failuresForgottenAtStart
    /// A node whose group cannot be stopped goes on for ever, though its peer cannot fence it …
    case neverReset
    /// … or is reset after stops that could not even be tried …
    case unknownStopsCount
    /// … or asks its peer to fence it for the first of them …
    case unknownStopsAsk
    /// … or though its peer would not start what it cannot stop …
    case resetForAnyPeer
    /// … or again and again.
    case resetNotCounted
    /// A start that its data refuse is tried again below their term …
    case refusedTermIgnored
    /// … or at once, however often it is refused.
    case refusalsNeverFail

    // Whose data are newer
    /// The preferred node forms a stateful group, whatever it remembers.
    case oldCopyForms
    /// A takeover asks nothing of the copy.
    case staleTakesOver
    /// What was judged at the loss of contact counts however late the peer is off …
    case judgementNeverSpent
    /// … and after the peer has been heard again.
    case judgementOutlivesContact
    /// Who gave the right to the peer goes on as the last holder.
    case yielderKeepsCopy
    /// The highest data term is the newest, though nobody who started at it had heard of the other.
    case termsAloneDecide
    /// A holder tells where its copy stood before it ran.
    case oldReadingTold
    /// A copy of another line of history is judged by its number alone.
    case epochIgnored
    /// A copy in the holder's epoch is current however far it is behind.
    case lagIgnored
    /// A node that took over forms the group again, though its peer has what it lacks …
    case divergedForms
    /// … or before the peer has told where its copy stands.
    case branchUnasked
    /// How far a copy had come when it was taken over is known by a reading of before.
    case branchIsOld
    /// Where a copy that was not current parted is not written down …
    case branchUnnoted
    /// … or also where a current one did, which may lack what the file says.
    case agreedTailDiverges
    /// The data term that is written beside a fence counts though nothing was started.
    case aheadIsLast
    /// A stateful group starts before its data term is on disk.
    case dataTermLate
    /// A planned stop waits for no copy.
    case copyNotAwaited
    /// A strict group goes on alone before its peer has that on disk …
    case degradesUntold
    /// … or never, however far the peer's copy is behind.
    case neverDegrades
    /// A copy that keeps up counts, though the holder acknowledges what it lacks.
    case degradedIsCurrent
    /// A holder is in step before its database was told to wait …
    case inStepAtOnce
    /// … or before the copy has what was acknowledged until then.
    case tailForgotten
    /// A peer whose disk takes nothing cannot note that it is not in step.
    case fullDiskNotesNothing
    /// A command whose time is up is taken for ended, though it may still take effect.
    case overdueIsOver
    /// A restore that failed is taken for one that did nothing.
    case failedRestoreStands
    /// What starts by a receipt is not told to go on alone, though it may have to commit.
    case startWaitsForPeer
    /// A restart of the database makes the peer's copy count as old.
    case restartedIsBehind
    /// After a maintenance the database is not told anew …
    case maintainedNotTold
    /// … or it is told to wait while somebody works on it.
    case restoresInMaintenance

    // Two supplies
    /// A peer counts as off where one of its supplies is.
    case oneSupplyIsEnough
    /// A peer is not cut while one of its supplies is off already.
    case deadSupplyIsNotCut

    // The wire
    case challengeIgnored
    case replaysTaken

    // The node
    case fedByAnyEvent
    /// The values that a drill pretends take the place of the readings.
    case drillRaisesHealth
    case hysteresisMissing
    case debounceMissing
    /// A sensor that cannot be read makes its node unfit.
    case failedIsCritical
    /// What a sensor said counts though the file has it no more.
    case goneSensorCounts

    // Links at a reload
    /// What is known of a link stays with its number, whichever link has that now.
    case linksNotRenumbered
    /// A link is judged by the peer's number of another one, because the files differ.
    case linksByPeersNumbers
    /// The file is taken up though it keeps no link on which the peer is heard.
    case lastLinkDropped

    // Levels of fencing at a reload
    /// The file's levels are taken up while a fence by the former ones is under way.
    case fencesAnewInFence
    /// The level that was to be tried next is the first one of the next fence.
    case levelOutlivesFence

    // What is promised
    /// Status and drill do not ask whether this node has a turn in which it may fence.
    case turnPromised
    /// What a person starts beside a group that is not active here is not looked for …
    case strayUnseen
    /// … or is taken for the group's.
    case strayAdopted
    /// A node for which something is missing takes the group all the same, and says nothing.
    case unreadyIsWilling

    /// The one that is switched on. Set before any machine is made, and never while one runs.
    nonisolated(unsafe) public static var active: PlantedBug?

    /// Whether `active` has any effect: in the simulation build alone.
    public static var areBuiltIn: Bool {
        #if PICKET_PLANTED_BUGS
            true
        #else
            false
        #endif
    }
}

/// Whether this bug is switched on. A constant outside the simulation build, so that a place where
/// one is planted costs an agent nothing and needs no second copy of its code.
@inlinable @inline(__always)
public func planted(_ bug: PlantedBug) -> Bool {
    #if PICKET_PLANTED_BUGS
        unsafe PlantedBug.active == bug
    #else
        false
    #endif
}
