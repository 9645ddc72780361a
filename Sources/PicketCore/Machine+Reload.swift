/// A changed configuration that a living agent takes up.
///
/// A group stays at its place in the list as long as the agent lives. What the file does not have
/// any more is stopped as it was listed; what it has anew may be up for any reason, and is stopped
/// first, as at an agent's start. Of a group that is held, the resources before the first that
/// differs go on. The others are stopped, and the peer is told the former digest until they are. What
/// the file adds to such a group is started when nothing that is gone is up any more, here or on the
/// peer (`mayAdd`), at a term above those of all other groups (`raise`). A group of which nothing goes
/// on is given up, and starts as one that nobody has.
///
/// An agent that is restarted with a changed file begins with what runs as it was started, and takes
/// the file up in the same way.
extension Machine {
    /// Takes up another policy for the same pair, whose groups are at their places
    /// (`Policy.taking`).
    ///
    /// - Parameters:
    ///   - added: what the disk says of the groups that come last.
    ///   - links: by link, the number that it has had; `nil` for one that is new. Where it is not
    ///     given, the links are the same.
    ///   - fencesAnew: the levels of fencing are not those that there were.
    /// - Returns: false, and nothing changes, if the node differs, contact would be lost with a link,
    ///   a fence is under way by levels that change, something that the change before this one drops
    ///   is still being stopped, or a pause is being agreed.
    public mutating func reload<Sink: EffectSink>(
        _ new: Policy, adding added: [GroupMemory] = [], links: [Int?]? = nil,
        fencesAnew: Bool = false, at now: Instant, into out: inout Sink
    ) -> Bool {
        let links = links ?? (0..<policy.linkCount).map { $0 }
        guard new.me == policy.me, new.linkCount == links.count, keepsContact(by: links),
            new.groups.count == groups.count + added.count, !exited, !isBetweenLists,
            !fencesAnew || mayFenceAnew
        else { return false }
        peer.renumberLinks(links)
        if fencesAnew { fence.beginAnew() }
        takeSettings(of: new)
        for group in groups.indices { take(new.groups[group], group, into: &out) }
        for memory in added { add(new.groups[groups.count], memory, into: &out) }
        changedSince = peer.contact.sequence + 1
        // The peer is to know of the list before anything is done by it.
        outgoing.tell(currentReports())
        return true
    }

    /// A peer in contact is heard on a link that stays. It would take this node for dead if none of
    /// those did, and be fenced by it or fence it.
    ///
    /// - Parameter links: as `reload` takes them.
    public func keepsContact(by links: [Int?]) -> Bool {
        guard inContact, !planted(.lastLinkDropped),
            (0..<policy.linkCount).contains(where: { !links.contains($0) })
        else { return true }
        return links.contains { $0.map(peer.linksUp.contains) ?? false }
    }

    /// No fence is under way or about to be ordered, so that no order is left to a level that another
    /// file does not have. One that has failed by all levels may be tried by others.
    public var mayFenceAnew: Bool { fence.isAtRest || planted(.fencesAnewInFence) }

    /// A person may be at work on this group, and the policy changes what is up of it. `nil` where
    /// there is none.
    public func maintained(changedBy new: Policy) -> GroupIndex? {
        let known = groups.indices.map { groups[$0].next ?? policy.groups[$0] }
        return new.changes(of: known) { $0.map(isMaintained) ?? isMaintained }.first
    }

    /// Of a group that runs, a part is being stopped for the last change, or the peer was promised
    /// that everything runs on.
    public var isBetweenLists: Bool {
        life.pausing != nil || groups.contains { $0.change == .dropping }
    }

    /// Something of it runs here, by right.
    public func runs(_ group: GroupIndex) -> Bool { groups[group].runningTerm != nil }

    /// What the file has it be is up here, and nothing is added to it any more.
    public func isUpAsListed(_ group: GroupIndex) -> Bool {
        groups[group].runningTerm != nil && !groups[group].isStarting
    }

    private mutating func add<Sink: EffectSink>(
        _ listed: GroupPolicy, _ memory: GroupMemory, into out: inout Sink
    ) {
        let group = groups.count
        disk.add(memory)
        groups.append(
            Group(term: memory.term, noted: nil, isListed: true, mayBeOutdated: true))
        list(added(listed), at: group)
        if listed.sync != nil { disk.takeHolderForData(of: group) }
        out.emit(.stop(group, cause: .configurationChanged))
    }

    private func added(_ listed: GroupPolicy) -> GroupPolicy {
        var group = listed
        group.isAdded = true
        return group
    }

    private mutating func take<Sink: EffectSink>(
        _ new: GroupPolicy, _ group: GroupIndex, into out: inout Sink
    ) {
        let known = policy.groups[group]
        guard new.listing == .listed else {
            if !planted(.removedComesBack) { groups[group].await(nil) }
            if known.listing == .listed { drop(new, group, into: &out) }
            return
        }
        if new.resources == known.resources, known.listing != .gone {
            groups[group].await(nil)
            var taken = known.listing == .listed ? new : added(new)
            taken.isAdded = taken.isAdded || known.isAdded
            list(taken, at: group)
            return
        }
        if planted(.reloadForgetsWhatRuns) { return list(new, at: group) }
        groups[group].await(new)
        settle(group, into: &out)
    }

    /// It is gone from the file.
    private mutating func drop<Sink: EffectSink>(
        _ retired: GroupPolicy, _ group: GroupIndex, into out: inout Sink
    ) {
        groups[group].vacate()
        groups[group].dropWish()
        var gone = policy.groups[group].retired()
        gone.listing = .retiring
        list(gone, at: group)
        switch groups[group].role {
        case .vacant, .claiming, .granting: retire(group, into: &out)
        case .holding:
            if planted(.reloadLeavesRemoved) { return retire(group, into: &out) }
            release(
                group, cause: .configurationChanged, yields: false, automatic: false, into: &out)
        case .resuming(let term):
            abandon(term, group, cause: .configurationChanged, into: &out)
        case .unknown, .releasing: break
        }
    }

    /// What the file does not have any more has been stopped here.
    mutating func retire<Sink: EffectSink>(_ group: GroupIndex, into out: inout Sink) {
        guard policy.groups[group].listing == .retiring else { return }
        var gone = policy.groups[group]
        gone.listing = .gone
        list(gone, at: group)
        disk.note(.nobody, of: group)
        out.emit(.trace(Trace(.retired, group: group)))
    }

    /// Nothing of it is up here: it is what the file has it be.
    mutating func settle<Sink: EffectSink>(_ group: GroupIndex, into out: inout Sink) {
        guard let next = groups[group].next else { return }
        groups[group].vacate()
        guard case .vacant = groups[group].role else { return }
        groups[group].await(nil)
        list(added(next), at: group)
        groups[group].forgetStopped()
        out.emit(.change(group, .whole))
        out.emit(.stop(group, cause: .configurationChanged))
        out.emit(.trace(Trace(.changed, group: group)))
    }

    /// The file changes what runs here. Returns whether that is under way.
    mutating func stepChange<Sink: EffectSink>(
        _ active: Active, _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) -> Bool {
        switch groups[group].change {
        case .none, .waiting, .raised:
            if groups[group].next != nil {
                guard active.run == .running, !isMaintained(group) else { return false }
                groups[group].note(.dropping)
                note(into: &out)
                out.emit(.change(group, .drop))
                return true
            }
            guard groups[group].change != .none, !isMaintained(group) else { return false }
            guard groups[group].change == .waiting || isRaiseTold else { return false }
            guard mayAdd(group) else {
                groups[group].note(.waiting)
                return false
            }
            let isLater = active.term > highestTerm(besides: group) || planted(.addedAtFormerTerm)
            if groups[group].change == .waiting, !isLater {
                return raise(group, at: now, into: &out)
            }
            groups[group].note(.adding)
            out.emit(.change(group, .add(active.term)))
            return true
        case .dropping, .adding: return true
        }
    }

    /// What is added may have run at a later term in another group (S4), so the group gets a later one.
    /// What goes on is not started anew for that: a process of it sees the new term when it is next
    /// run. A disk that takes nothing may have no room for it, and the peer's may. Returns whether the
    /// group is given up for that.
    private mutating func raise<Sink: EffectSink>(
        _ group: GroupIndex, at now: Instant, into out: inout Sink
    ) -> Bool {
        let term = nextTerm(of: group)
        guard mayUse(term, of: group) else {
            guard disk.takesNothing,
                moveRefusal(group, automatic: false, charged: false, at: now) == nil
            else { return false }
            release(
                group, cause: .configurationChanged, yields: true, automatic: false, into: &out)
            return true
        }
        groups[group].raise(to: term)
        groups[group].note(.raised)
        changedSince = peer.contact.sequence + 1
        note(into: &out)
        return false
    }

    /// A peer that did not know of the term could take the group over at a lower one.
    private var isRaiseTold: Bool {
        life.validReceipt?.isWhole == true || hasHeardOfChange
    }

    private var hasHeardOfChange: Bool { (peer.message?.acknowledged ?? 0) >= changedSince }

    /// A resource of it may have been another group's, here or on the peer. The peer could start the
    /// group as it is here, or has the same groups altogether, or leaves to this node what differs.
    private func mayAdd(_ group: GroupIndex) -> Bool {
        if planted(.reloadDoesNotWait) { return true }
        if isDropping { return false }
        if let receipt = life.validReceipt, receipt.isWhole || planted(.barredReceiptAdds) {
            return true
        }
        guard inContact, life.isPaired else { return false }
        if let report = report(of: group), report.role == .vacant {
            if peer.lists(policy) { return true }
            if peer.namesGroups, mayStart(group), report.flags.contains(.eligible) { return true }
        }
        return peer.leavesDifferences && !peer.isLeftDifferences && !peer.mayRunDifferences
            && hasHeardOfChange
    }

    /// Something that is gone from the file may be up here.
    public var isDropping: Bool {
        policy.groups.contains { $0.listing == .retiring }
            || groups.contains { $0.next != nil }
    }

    /// What the file does not have any more is stopped; the rest of a group that is held is up.
    mutating func dropped<Sink: EffectSink>(_ group: GroupIndex, into out: inout Sink) {
        guard groups[group].change == .dropping, let next = groups[group].next else { return }
        groups[group].await(nil)
        groups[group].note(.waiting)
        list(added(next), at: group)
        tellAnew(group)
        changedSince = peer.contact.sequence + 1
        out.emit(.trace(Trace(.changed, group: group)))
        if !mayAdd(group) { out.emit(.trace(Trace(.changeWaits, group: group))) }
    }

    mutating func addedAll(_ group: GroupIndex) {
        if groups[group].change == .adding { groups[group].note(.none) }
    }
}
