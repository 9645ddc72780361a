/// Maintenance as the pair's one state (Maintenance.swift), and the order that waits for both nodes.
extension Machine {
    /// Hands are off every group.
    @inline(__always)
    package var isMaintained: Bool { disk.memory.maintenance.isOn || peer.maintainsUnversioned }

    /// Hands are off this group.
    @inline(__always)
    package func isMaintained(_ group: GroupIndex) -> Bool {
        isMaintained
            || disk.memory.groups[group].maintenance.isOn && !planted(.maintainedForgotten)
    }

    /// The operator's order. It takes effect here at once, and is answered when both nodes have it
    /// on disk.
    mutating func order<Sink: EffectSink>(
        maintenance on: Bool, of group: GroupIndex?, despite: GroupSet, id: UInt32,
        at now: Instant, into out: inout Sink
    ) -> CommandResult? {
        if let group, !groups.indices.contains(group) || policy.groups[group].listing != .listed {
            return .refused(.unknownGroup)
        }
        if !on, let wrong = firstWrong(of: group, besides: despite) {
            return .refusedFor(.groupWrong, wrong)
        }
        // It would be as it was: the pair's order holds for all groups.
        if !on, let group, isMaintained, !disk.memory.groups[group].maintenance.isOn {
            return .refused(.maintenance)
        }
        if let order = disk.order { out.emit(.answer(id: order.command, .refused(.busy))) }
        let ordered = disk.maintenance(group).next(isOn: on, by: policy.me)
        disk.maintain(ordered, group)
        if !on, group == nil, !inContact { peer.forgetMaintenance() }
        outgoing.noteChange()
        tellOfMaintenance(on, group, cause: .command, into: &out)
        disk.await(
            MaintenanceOrder(
                command: id, group: group, ordered: ordered, until: now + .seconds(3),
                since: peer.contact.sequence + 1))
        return nil
    }

    /// The first group that the end of maintenance would have stopped, restarted or its node fenced
    /// for: it is down where it should run, or may run where it should not.
    private func firstWrong(of one: GroupIndex?, besides named: GroupSet) -> GroupIndex? {
        for group in groups.indices where !named.contains(group) && isMaintained(group) {
            guard one ?? group == group, one != nil || isMaintained else { continue }
            if groups[group].isAiling || groups[group].isStuck { return group }
            if groups[group].isLeftUnstopped || groups[group].isSeen, !planted(.endUnlooked) {
                return group
            }
            guard inContact, let report = report(of: group) else { continue }
            switch report.role {
            case .holding where !report.flags.contains(.running), .releasing: return group
            case .vacant where report.flags.contains(.running) && !planted(.endUnlooked),
                .granting where report.flags.contains(.running) && !planted(.endUnlooked):
                return group
            case .vacant, .claiming, .holding, .granting, .resuming: break
            }
        }
        return nil
    }

    /// The peer tells what it knows of it.
    mutating func hear<Sink: EffectSink>(
        _ told: Maintenance?, _ group: GroupIndex?, into out: inout Sink
    ) {
        guard let told else { return }
        let known = disk.maintenance(group)
        guard told.isNewer(than: known) || (planted(.olderMaintenanceWins) && told != known) else {
            return
        }
        disk.maintain(told, group)
        outgoing.noteChange()
        guard told.isOn != known.isOn else { return }
        tellOfMaintenance(told.isOn, group, into: &out)
    }

    /// The end of a group's own changes nothing while the pair's goes on.
    private func tellOfMaintenance<Sink: EffectSink>(
        _ isOn: Bool, _ group: GroupIndex?, cause: Cause = .none, into out: inout Sink
    ) {
        let refusal: Refusal? = !isOn && group != nil && isMaintained ? .maintenance : nil
        out.emit(
            .trace(
                Trace(
                    .maintenance, group: group, cause: cause, refusal: refusal,
                    number: isOn ? 1 : 0)))
    }

    mutating func stepMaintenance<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        for group in groups.indices where groups[group].isLeftAlone != isMaintained(group) {
            groups[group].leaveAlone(isMaintained(group))
            if !isMaintained(group), !planted(.maintainedNotTold) { tellAnew(group) }
            out.emit(.leaveAlone(group, isMaintained(group)))
        }
        guard let order = disk.order else { return }
        let known = disk.maintenance(order.group)
        if known != order.ordered, known.isOn != order.ordered.isOn {
            disk.await(nil)
            out.emit(.answer(id: order.command, .refused(.overruled)))
            return
        }
        let isKept = disk.keepsMaintenance(order.group)
        if isKept, peerHolds(order) {
            disk.await(nil)
            out.emit(.answer(id: order.command, .accepted))
        } else if now >= order.until {
            disk.await(nil)
            let refusal: Refusal = isKept ? .peerUnaware : .notPersisted
            out.emit(.answer(id: order.command, .refused(refusal)))
        }
    }

    /// A peer of 0.1.0 is told when it has acknowledged a message that tells of it. It keeps nothing
    /// of it.
    private func peerHolds(_ order: MaintenanceOrder) -> Bool {
        if let group = order.group {
            let told = peer.maintained.first { $0.place == group }
            return inContact && told?.isKept == true
                && told?.maintenance == disk.maintenance(group)
        }
        guard inContact, let version = peer.message?.maintenance else { return false }
        if version == 0 { return peer.contact.reachedSequence >= order.since }
        return version == disk.memory.maintenance.version
            && peer.message?.flags.contains(.maintenanceKept) == true
    }

    // MARK: One group

    /// In the message that is sent now: every other time the one that the peer told of last,
    /// because an order there may wait for that; else the one that an order waits for here, or one
    /// of those that ever had an order. A group that is gone from the file is told of no more. By
    /// this node's places.
    var maintainedToTell: MaintainedGroup? {
        let sequence = Int(truncatingIfNeeded: peer.contact.sequence & 0xFFFF)
        if sequence % 2 == 1, let group = peer.maintained.last?.place, hadOrder(group) {
            return told(of: group)
        }
        if let group = disk.order?.group { return told(of: group) }
        let ordered = groups.indices.count { hadOrder($0) }
        guard ordered > 0 else { return nil }
        var left = sequence / 2 % ordered
        for group in groups.indices where hadOrder(group) {
            if left == 0 { return told(of: group) }
            left -= 1
        }
        return nil
    }

    private func hadOrder(_ group: GroupIndex) -> Bool {
        disk.memory.groups[group].maintenance != .never
            && policy.groups[group].listing == .listed
    }

    private func told(of group: GroupIndex) -> MaintainedGroup {
        MaintainedGroup(
            place: group, disk.maintenance(group), isKept: disk.keepsMaintenance(group))
    }

    /// Nobody gains by a fence of the peer: each group is left alone, or runs here and the peer has
    /// one that is left alone. A node on which somebody works is fenced only for a group that is to
    /// be taken over from it.
    func isFenceForNothing(at now: Instant) -> Bool {
        var othersRunHere = false
        var theyAreAtWork =
            peer.message?.flags.contains(.atWork) == true && !planted(.maintainedFenced)
        for group in groups.indices where policy.groups[group].enabled {
            if isMaintained(group) {
                let isTheirs =
                    report(of: group).map { $0.role.isHeld }
                    ?? (disk.memory.groups[group].holder == .peer)
                theyAreAtWork = theyAreAtWork || isTheirs && !planted(.maintainedFenced)
            } else if !groups[group].isHeld, !groups[group].isBlocked, !isGivenUp(group, at: now) {
                return false
            } else {
                othersRunHere = true
            }
        }
        return theyAreAtWork || !othersRunHere && groups.indices.contains { isMaintained($0) }
    }

    /// By a peer that leaves, and takes nothing on before it has. Where its last word is lost, or is
    /// no receipt, the group does not wait for ever.
    private func isGivenUp(_ group: GroupIndex, at now: Instant) -> Bool {
        guard peer.message?.phase == .leaving, report(of: group)?.role == .vacant,
            let heard = peer.contact.heard
        else { return false }
        return now - heard <= policy.timing.leaveWithin
    }
}

/// Some of the groups, by index.
public struct GroupSet: Equatable, Sendable {
    public private(set) var bits: UInt16
    public init(bits: UInt16 = 0) { self.bits = bits }
    public static let none = GroupSet()
    public static let all = GroupSet(bits: .max)
    public func contains(_ group: GroupIndex) -> Bool {
        group < Limits.groups && bits >> UInt16(group) & 1 == 1
    }
    public mutating func insert(_ group: GroupIndex) { bits |= 1 << UInt16(group) }
}
