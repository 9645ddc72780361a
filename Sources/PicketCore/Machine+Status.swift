/// What is shown of the machine.
extension Machine {
    /// Why the pair would not survive the peer's death now; `nil` if it would.
    package func protectionGap(at now: Instant) -> Refusal? {
        if life.receipt?.proof == .left, life.receipt?.isWhole == true { return .peerLeft }
        // Without a round trip with this session no turn would come.
        if !inContact || peer.contact.clockOffset == nil { return .notInContact }
        if let refusal = fenceRefusal(at: now),
            refusal != .timesDiffer || !planted(.turnPromised)
        {
            return refusal
        }
        if vitals.relayTest == .failed { return .noFence }
        if !isTakeoverKept, !planted(.eligibleWithoutRoom) { return .notPersisted }
        for group in groups.indices
        where isHeldByPeer(group) && !groups[group].isReady && !isMaintained(group)
            && !planted(.unreadyIsWilling)
        {
            return .notReady
        }
        let hasCopies = groups.indices.allSatisfy {
            !isHeldByPeer($0) || hasCopy($0) || isMaintained($0)
                || policy.groups[$0].sync?.takesOverStale == true
        }
        return hasCopies ? nil : .copyNotCurrent
    }

    public func status(at now: Instant) -> Status {
        Status(
            phase: life.phase, contact: peer.state, armed: peer.isArmed,
            maintenance: disk.memory.maintenance.isOn, peerMaintenance: peer.maintenance,
            drill: vitals.drill, peerDrill: peer.message?.flags.contains(.drill) ?? false,
            health: vitals.health, peerHealth: peer.message?.health,
            peerPhase: peer.message?.phase, peerSession: peer.session,
            peerSimulated: peer.message?.flags.contains(.simulated) ?? false,
            peerWatchdogMilliseconds: peer.message?.watchdogMilliseconds ?? 0,
            peerRelayTest: peer.message?.relayTest ?? .unknown, relayTest: vitals.relayTest,
            watchdog: vitals.watchdog, configurationAgrees: peer.configurationAgrees,
            linksUp: peer.linksUp, age: peer.contact.age(at: now),
            roundTrip: peer.contact.roundTrip, fence: fence.status,
            fencesInWindow: policy.fenceBudget.spent(disk.memory.fences, at: now),
            movesInWindow: policy.moveBudget.spent(disk.memory.moves, at: now),
            fencesRefillIn: policy.fenceBudget.refillsIn(disk.memory.fences, at: now),
            movesRefillIn: policy.moveBudget.refillsIn(disk.memory.moves, at: now),
            protectionGap: protectionGap(at: now), groups: groups.indices.map { groupStatus($0) },
            receipt: life.validReceipt?.proof, diskTakesNothing: disk.takesNothing,
            alwaysLate: lateness.isLasting, fitForTurns: isFitForTurns,
            peerDiskTakesNothing: peer.hasFullDisk,
            awaitsForgetting: disk.mustForget && disk.takesNothing,
            peerSpeaks: wasJustHeard(at: now), peerGaps: peer.message?.gaps)
    }

    private func groupStatus(_ group: GroupIndex) -> GroupStatus {
        let state = groups[group]
        let report = report(of: group)
        let told = outgoing.reports.indices.contains(group) ? outgoing.reports[group] : nil
        return GroupStatus(
            ailing: state.isAiling, role: told?.role ?? .vacant,
            running: told?.isUp ?? false,
            eligible: isEligible(group), term: told?.term ?? state.term, peerRole: report?.role,
            peerRunning: report?.isUp ?? false,
            peerTerm: report?.term ?? .never, sync: state.copy.state,
            peerSync: report?.sync ?? .unknown,
            lastHolder: disk.memory.groups[group].holder, difference: peer.difference(of: group),
            willing: isWilling(group), peerEligible: report?.flags.contains(.eligible),
            asked: state.question == .asked, stateful: isStateful(group),
            waitsForCopy: waitsForCopy(group), diverged: state.divergence != .none,
            replication: state.replication.state,
            commitsWait: state.replication.keepsWaiting,
            peerCannotNote: state.isHolding && peerCannotNote(group),
            outOfStep: !state.isHolding && policy.groups[group].sync?.strict == true
                && disk.memory.groups[group].isOutOfStep,
            maintained: disk.memory.groups[group].maintenance.isOn, ready: state.isReady,
            peerReady: peer.message?.gaps == nil ? nil : report.map { !$0.flags.contains(.unready) }
        )
    }
}
