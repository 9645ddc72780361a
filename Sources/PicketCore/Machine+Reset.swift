/// A group that cannot be stopped, beside a peer that cannot fence.
///
/// Something of the group may still run here, so the peer may not start it, and nothing but the end
/// of this node makes certain that it does not. Its own watchdog can end it, where the operator
/// allows that (`Policy.resetAfterStops`): all that runs moves to the peer first, the reset is
/// counted as a fence, and then this node feeds its watchdog no more.
///
/// Every condition is looked at anew at each step. As soon as one of them is gone the watchdog is
/// fed again.
extension Machine {
    mutating func stepReset<Sink: EffectSink>(at now: Instant, into out: inout Sink) {
        guard let stuck = groupToResetFor(at: now), !planted(.neverReset) else {
            vitals.callOffReset(into: &out)
            return
        }
        if let refusal = resetRefusal(at: now) {
            let until =
                refusal == .fenceBudgetSpent
                ? policy.fenceBudget.refillsIn(disk.memory.fences, at: now) : nil
            vitals.refuseReset(refusal, of: stuck, until: until, into: &out)
            return
        }
        vitals.giveUp()
        guard isHandedOver else { return }
        if vitals.planReset(), !planted(.resetNotCounted) {
            disk.countFence(of: policy.fenceBudget, at: now)
        }
        if disk.lastFenceIsKept { vitals.reset(for: stuck, into: &out) }
    }

    /// The first group for which nothing but the end of this node is left; `nil` while the peer
    /// can fence, or would not start each such group.
    private func groupToResetFor(at now: Instant) -> GroupIndex? {
        guard let most = policy.resetAfterStops, vitals.watchdog > .zero, peerSaysItCannotFence,
            !vitals.drill
        else { return nil }
        // What a person works on would end with the node.
        if groups.indices.contains(where: { isMaintained($0) && groups[$0].isHeld }) { return nil }
        var first: GroupIndex?
        for group in groups.indices where groups[group].isStuck(after: most) {
            let refusal = moveRefusal(group, automatic: true, charged: false, at: now)
            let isPeers = refusal == .peerUnfit || refusal == .peerIneligible
            if refusal != nil, !isPeers || !planted(.resetForAnyPeer) { return nil }
            first = first ?? group
        }
        return first
    }

    private var peerSaysItCannotFence: Bool {
        guard inContact, let message = peer.message, !message.flags.contains(.drill) else {
            return false
        }
        switch message.relayTest {
        case .failed, .absent: return true
        case .unknown, .passed: return false
        }
    }

    private func resetRefusal(at now: Instant) -> Refusal? {
        if vitals.isResetPlanned, disk.lastFenceIsKept { return nil }
        if disk.takesNothing { return .notPersisted }
        let spent = policy.fenceBudget.spent(disk.memory.fences, at: now)
        return spent >= policy.fenceBudget.count && !vitals.isResetPlanned
            ? .fenceBudgetSpent : nil
    }

    /// Nothing runs here, or is about to move, but what has failed to stop often enough.
    private var isHandedOver: Bool {
        guard let most = policy.resetAfterStops else { return false }
        for group in groups.indices {
            switch groups[group].role {
            case .vacant: break
            // It is not known to run for the pair: the reset only makes that certain.
            case .unknown where groups[group].isStuck: break
            case .releasing where groups[group].isStuck(after: most): break
            case .unknown, .releasing, .claiming, .granting, .holding, .resuming: return false
            }
        }
        return true
    }
}
