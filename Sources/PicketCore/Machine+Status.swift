/// What is shown of the machine.
extension Machine {
    /// Why the pair would not survive the peer's death now; `nil` if it would.
    func protectionGap(at now: Instant) -> Refusal? {
        if receipt?.proof == .left { return .peerLeft }
        if !inContact { return .notInContact }
        if let refusal = fenceRefusal(at: now) { return refusal }
        if relayTest == .failed { return .noFence }
        return nil
    }

    public func status(at now: Instant) -> Status {
        Status(
            phase: phase, contact: contactState, armed: hadContact, maintenance: maintenance,
            peerMaintenance: peerMaintenance, drill: drill,
            peerDrill: peer?.flags.contains(.drill) ?? false, health: health,
            peerHealth: peer?.health, peerPhase: peer?.phase, peerSession: peerSession,
            peerSimulated: peer?.flags.contains(.simulated) ?? false,
            peerWatchdogMilliseconds: peer?.watchdogMilliseconds ?? 0,
            peerRelayTest: peer?.relayTest ?? .unknown, relayTest: relayTest,
            watchdog: watchdog, configurationAgrees: configurationAgrees, linksUp: linksUp,
            age: contact.age(at: now), roundTrip: contact.roundTrip, fence: fenceStatus,
            fencesInWindow: spent(memory.fences, of: policy.fenceBudget, at: now),
            movesInWindow: spent(memory.moves, of: policy.moveBudget, at: now),
            protectionGap: protectionGap(at: now), groups: groups.indices.map { groupStatus($0) },
            receipt: validReceipt?.proof)
    }

    private var fenceStatus: Status.FenceStatus {
        switch fence.step {
        case .idle: fence.opensAt == nil ? .idle : .waiting
        case .ordered: .ordered
        case .restoring: .restoring
        case .failed: .failed
        }
    }

    private func groupStatus(_ group: GroupIndex) -> GroupStatus {
        let state = groups[group]
        let report = report(of: group)
        let told = reports.indices.contains(group) ? reports[group] : nil
        return GroupStatus(
            role: told?.role ?? .vacant, running: told?.flags.contains(.running) ?? false,
            eligible: isEligible(group), term: told?.term ?? state.term, peerRole: report?.role,
            peerRunning: report?.flags.contains(.running) ?? false,
            peerTerm: report?.term ?? .never, sync: state.sync,
            peerSync: report?.sync ?? .unknown)
    }
}
