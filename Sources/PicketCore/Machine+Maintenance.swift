/// Maintenance as the pair's one state (Maintenance.swift), and the order that waits for both nodes.
extension Machine {
    /// Hands are off every group.
    @inline(__always)
    package var isMaintained: Bool { disk.memory.maintenance.isOn || peer.maintainsUnversioned }

    /// The operator's order. It takes effect here at once, and is answered when both nodes have it
    /// on disk.
    mutating func order<Sink: EffectSink>(
        maintenance on: Bool, despite: GroupSet, id: UInt32, at now: Instant, into out: inout Sink
    ) -> CommandResult? {
        if !on, let group = firstWrong(besides: despite) {
            return .refusedFor(.groupWrong, group)
        }
        if let order = disk.order { out.emit(.answer(id: order.command, .refused(.busy))) }
        disk.maintain(disk.memory.maintenance.next(isOn: on, by: policy.me))
        if !on, !inContact { peer.forgetMaintenance() }
        outgoing.noteChange()
        out.emit(.trace(Trace(.maintenance, cause: .command, number: on ? 1 : 0)))
        disk.await(
            MaintenanceOrder(
                command: id, until: now + .seconds(3), since: peer.contact.sequence + 1))
        return nil
    }

    /// The first group that the end of maintenance would have stopped, restarted or its node fenced
    /// for: it is down where it should run, or may run where it should not.
    private func firstWrong(besides named: GroupSet) -> GroupIndex? {
        guard isMaintained else { return nil }
        for group in groups.indices where !named.contains(group) {
            if groups[group].isAiling || groups[group].isStuck { return group }
            guard inContact, let report = report(of: group) else { continue }
            switch report.role {
            case .holding where !report.flags.contains(.running), .releasing: return group
            case .vacant, .claiming, .holding, .granting, .resuming: break
            }
        }
        return nil
    }

    /// The peer tells what it knows of it.
    mutating func hear<Sink: EffectSink>(_ told: Maintenance?, into out: inout Sink) {
        guard let told else { return }
        let known = disk.memory.maintenance
        guard told.isNewer(than: known) || (planted(.olderMaintenanceWins) && told != known) else {
            return
        }
        disk.maintain(told)
        outgoing.noteChange()
        guard told.isOn != known.isOn else { return }
        out.emit(.trace(Trace(.maintenance, number: told.isOn ? 1 : 0)))
    }

    mutating func stepMaintenance<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        for group in groups.indices where groups[group].isLeftAlone != isMaintained {
            groups[group].leaveAlone(isMaintained)
            out.emit(.leaveAlone(group, isMaintained))
        }
        guard let order = disk.order else { return }
        let isKept = disk.durable.maintenance == disk.memory.maintenance
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
        guard inContact, let version = peer.message?.maintenance else { return false }
        if version == 0 { return peer.contact.reachedSequence >= order.since }
        return version == disk.memory.maintenance.version
            && peer.message?.flags.contains(.maintenanceKept) == true
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
