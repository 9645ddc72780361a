/// Whether the database of a *strict* group waits for the peer's copy with each commit.
///
/// A strict group (`sync: { strict: true }`) acknowledges nothing that the peer's copy lacks, until
/// this node tells it to go on alone (*degrade*), and again from the time at which it was told to wait
/// (*restore*). So the peer may take over by a copy that is in step and lose nothing, however late
/// the fence comes:
///
///     degrading ──degrade──▶ degraded       inStep ──the copy falls behind, or the peer is off──▶
///      ▲    └──the copy keeps up──┐ │        ▲                                        degrading
///      │                          ▼ ▼        │
///      └──it falls behind──── restoring ──restored, and the copy has all that was written──┘
///
/// The order of the records makes it safe. Every message tells whether the holder is in step. A peer
/// that hears that it is not notes so on its disk, and says that it has (a disk that takes nothing
/// starts nothing stateful, and needs no note). The database goes on alone only after the peer has
/// acknowledged such a message with its note, or by a receipt: the session that believed itself in
/// step is over. The mere loss of contact is neither, and so the
/// commits wait until the peer is fenced.
///
/// Of a group that has just started, or was found running, nothing is known of what its database
/// does: it is told. What was acknowledged before a restore may still be missing in the peer's copy;
/// so the group is in step once that has reached where the holder stood after the restore.
package struct Replication: Sendable {
    /// `nil` while the group does not run here.
    package private(set) var state: ReplicationState?
    /// The first message that told the peer that the group is not in step.
    private var toldSince: UInt64 = 0
    /// The command that is under way; and whether its end tells nothing of what runs now.
    private(set) var job: ReplicationAction?
    private var jobIsVoid = false
    /// Its time is up. It was killed, and may still take effect, so that nothing else is begun.
    private var jobIsOverdue = false
    /// The last restore failed: the database may wait for the peer, or not.
    private var isUncertain = false
    /// Where the holder stood after the restore. The first reading after it may have begun before.
    private var target: DataPosition?
    private var readings = 0
    /// Since when the copy keeps up, or the peer has not judged it.
    private var keptUpSince: Instant?
    private var unjudgedSince: Instant?
    private var degradeTries = Tries()
    private var restoreTries = Tries()
    /// Since when the commits may wait for the peer in vain; and whether that was told.
    private var waitsSince: Instant?
    private var isWaitTold = false
    /// What the peer was told last.
    private var told: DataReport.Flags = []

    /// How often a command has failed in a row, and when it is tried again: after 1 s, doubled with
    /// each failure up to 16 s.
    struct Tries {
        private(set) var failures: Int64 = 0
        private(set) var retryAt = Instant(nanoseconds: .min)

        fileprivate mutating func fail(at now: Instant) {
            failures += 1
            retryAt = now + .seconds(1) * (1 << min(failures - 1, 4))
        }
    }

    /// What the holder knows of its peer.
    struct Sight {
        var copy: Copy
        /// A receipt says that its session has ended.
        var isOff: Bool
        /// The newest message that it has acknowledged, if it keeps the note; else 0.
        var noted: UInt64
        /// Where its copy stands.
        var position: DataPosition

        enum Copy { case unheard, unjudged, behind, keepsUp }
    }

    init() {}

    var isInStep: Bool { state == .inStep || state == .restoring && planted(.inStepAtOnce) }

    // MARK: The group

    /// It runs here.
    ///
    /// - Parameter next: the number of the next message to the peer.
    mutating func begin(next: UInt64) {
        if state == nil { beginAnew(next: next) }
    }

    /// Nothing is known any more of what its database does.
    mutating func beginAnew(next: UInt64) {
        end()
        fall(next: next)
    }

    /// The stop of the group kills the command that is under way.
    mutating func giveUpJob() { jobIsVoid = job != nil }

    /// It does not run here any more.
    mutating func end() {
        state = nil
        giveUpJob()
        isUncertain = false
        (keptUpSince, unjudgedSince, waitsSince) = (nil, nil, nil)
        isWaitTold = false
        (degradeTries, restoreTries) = (Tries(), Tries())
    }

    /// Where it stands here.
    mutating func read(_ position: DataPosition) {
        guard state == .restoring, job == nil, position.epoch != 0 else { return }
        readings += 1
        if readings == 2 || target.map({ $0.epoch != position.epoch }) == true {
            target = position
        }
    }

    // MARK: The rules

    /// Returns the command that is to be begun.
    ///
    /// - Parameter mayRestore: nobody works on the group.
    mutating func step(
        _ peer: Sight, within maxLag: Duration, mayRestore: Bool, next: UInt64, at now: Instant
    ) -> ReplicationAction? {
        keptUpSince = peer.copy == .keepsUp ? keptUpSince ?? now : nil
        unjudgedSince = peer.copy == .unjudged ? unjudgedSince ?? now : nil
        let isUnjudged = unjudgedSince.map { now - $0 >= maxLag } ?? false
        let fallsBehind = peer.isOff || peer.copy == .behind || isUnjudged
        let mayDegrade =
            peer.isOff || peer.noted >= toldSince && peer.noted > 0 || planted(.degradesUntold)
        let goesOn = state == .degraded && !isUncertain
        let waits =
            ((fallsBehind || peer.copy == .unheard || isUncertain) && !mayDegrade && !goesOn)
            || jobIsOverdue
        waitsSince = waits ? waitsSince ?? now : nil
        guard job == nil, let state else { return nil }
        switch state {
        case .inStep:
            if fallsBehind, !planted(.neverDegrades) { fall(next: next) }
        case .restoring:
            if fallsBehind {
                self.state = .degrading
            } else if hasAll(peer) {
                self.state = .inStep
                isWaitTold = false
                degradeTries = Tries()
            }
        case .degraded where isUncertain && mayDegrade:
            return begin(.degrade, at: now)
        case .degraded where isUncertain && fallsBehind:
            self.state = .degrading
        case .degraded:
            guard let since = keptUpSince, now - since >= maxLag, mayRestore else { break }
            return begin(.restore, at: now)
        case .degrading:
            if peer.copy == .keepsUp, mayRestore { return begin(.restore, at: now) }
            if fallsBehind, mayDegrade { return begin(.degrade, at: now) }
        }
        return nil
    }

    private func hasAll(_ peer: Sight) -> Bool {
        guard peer.copy == .keepsUp else { return false }
        if planted(.tailForgotten) { return true }
        guard let target else { return false }
        return peer.position.epoch == target.epoch && peer.position.number >= target.number
    }

    private mutating func fall(next: UInt64) {
        state = .degrading
        toldSince = next
    }

    private mutating func begin(
        _ action: ReplicationAction, at now: Instant
    ) -> ReplicationAction? {
        guard now >= tries(of: action).retryAt else { return nil }
        job = action
        (jobIsVoid, jobIsOverdue) = (false, false)
        (target, readings) = (nil, 0)
        state = action == .restore ? .restoring : .degrading
        return action
    }

    /// The command has ended. Returns whether that says something of what runs now.
    mutating func ended(
        _ action: ReplicationAction, succeeded: Bool, at now: Instant
    ) -> Bool {
        guard job == action else { return false }
        job = nil
        // One that was overdue has failed already.
        guard !jobIsVoid, !jobIsOverdue, state != nil else { return false }
        guard succeeded else {
            fail(action, at: now)
            return true
        }
        isUncertain = false
        switch action {
        case .degrade:
            degradeTries = Tries()
            state = .degraded
            isWaitTold = false
        case .restore: restoreTries = Tries()
        }
        return true
    }

    /// Its time is up: it has failed. Returns whether that was not known yet.
    mutating func overdue(_ action: ReplicationAction, at now: Instant) -> Bool {
        guard job == action, !jobIsVoid, !jobIsOverdue, state != nil else { return false }
        if planted(.overdueIsOver) { job = nil } else { jobIsOverdue = true }
        fail(action, at: now)
        return true
    }

    private mutating func fail(_ action: ReplicationAction, at now: Instant) {
        switch action {
        case .degrade: degradeTries.fail(at: now)
        case .restore:
            restoreTries.fail(at: now)
            state = .degraded
            isUncertain = !planted(.failedRestoreStands)
        }
    }

    // MARK: What is told

    /// The commits wait for the peer, and that was told; or the database cannot be told to go on.
    var keepsWaiting: Bool {
        waitsSince != nil && isWaitTold || state == .degrading && degradeTries.failures > 0
    }

    func tries(of action: ReplicationAction) -> Tries {
        action == .degrade ? degradeTries : restoreTries
    }

    /// Returns whether it is to be told that the commits wait: once, until it is in step again.
    mutating func tellsWait(after patience: Duration, at now: Instant) -> Bool {
        guard !isWaitTold, let since = waitsSince, now - since >= patience else { return false }
        isWaitTold = true
        return true
    }

    /// Returns whether that is another word than the last.
    mutating func tell(_ flags: DataReport.Flags) -> Bool {
        defer { told = flags }
        return told != flags
    }
}

/// What the database of a strict group does, as the holder knows it.
public enum ReplicationState: UInt8, Sendable {
    /// It waits for the peer's copy with each commit.
    case inStep
    /// It is to go on alone, and may not yet; or nobody knows what it does.
    case degrading
    /// It goes on alone.
    case degraded
    /// It is told to wait for the peer's copy again, or that has not caught up yet.
    case restoring
}

/// What the database of a strict group is told.
public enum ReplicationAction: UInt8, Sendable {
    case degrade, restore

    /// As commands and people are told it.
    public var text: String { self == .degrade ? "degrade" : "restore" }
}
