/// What is shown of the machine.
extension Machine {
    /// Why the pair would not survive the peer's death now; `nil` if it would.
    package func protectionGap(at now: Instant) -> Refusal? {
        if life.receipt?.proof == .left, life.receipt?.isWhole == true { return .peerLeft }
        // Without a round trip with this session no turn would come.
        if !inContact || peer.contact.clockOffset == nil { return lossGap(at: now) }
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
            !isHeldByPeer($0) || startsOnCopy($0) || isMaintained($0)
        }
        return hasCopies ? nil : .copyNotCurrent
    }

    /// The peer is not heard: why nothing is taken over from it. First comes what an operator can
    /// end; that there is no contact is said where nothing else keeps this node from going on.
    private func lossGap(at now: Instant) -> Refusal {
        if planted(.lossHidesReason) { return .notInContact }
        if let receipt = life.validReceipt, receipt.isWhole { return .peerOff }
        if case .waiting(let receipt) = life, !inContact, !peer.isArmed {
            guard patienceIsOver(at: now) else { return .notArmed }
            if receipt == nil, !mayFenceUnmet(at: now) { return .peerMayHold }
            return bootAloneRefusal(at: now) ?? failedFence ?? .notArmed
        }
        if let refusal = fenceRefusal(at: now) { return refusal }
        if turn(at: now) == nil { return .turnUnknown }
        if !isFenceKept, !planted(.eligibleWithoutRoom) { return .notPersisted }
        return failedFence ?? .notInContact
    }

    /// It is lost, and no way to fence it works.
    private var failedFence: Refusal? {
        if case .failed = fence.step { return .fenceFailed }
        return vitals.relayTest == .failed ? .noFence : nil
    }

    // MARK: Why a group does not start

    /// Why a group that no node is known to run does not start here. `nil`: it is held, here or by the
    /// peer, or is about to be.
    package func obstacle(of group: GroupIndex, at now: Instant) -> Refusal? {
        let isFree: Bool
        switch groups[group].role {
        case .holding, .resuming: return nil
        case .unknown, .releasing: return isMaintained(group) ? handsOff : .selfStops
        case .claiming where inContact && !isHeldByPeer(group): return .notGranted
        case .granting where inContact && !isHeldByPeer(group): return .peersTurn
        case .vacant, .claiming, .granting: isFree = !isHeldByPeer(group)
        }
        guard isFree else { return nil }
        if !policy.groups[group].enabled { return .disabled }
        if isMaintained(group) { return handsOff }
        if let refusal = ownObstacle(of: group) { return refusal }
        if inContact { return obstacleInContact(of: group) }
        guard let receipt = life.validReceipt else {
            let gap = protectionGap(at: now)
            return gap == .notInContact && !isKept(group) ? .notPersisted : gap
        }
        guard covers(receipt, group) else {
            return receipt.bars.contains(group) ? .groupMaintained : .groupsDiffer
        }
        if mustAsk(group, receipt), startsOnCopy(group) || planted(.askedOnOldCopy) {
            return .takeoverAsked
        }
        if !startsOnCopy(group) { return .copyNotCurrent }
        return isKept(group) ? nil : .notPersisted
    }

    private var handsOff: Refusal { isMaintained ? .maintenance : .groupMaintained }

    /// What has nothing to do with the peer.
    private func ownObstacle(of group: GroupIndex) -> Refusal? {
        switch life {
        case .leaving, .left: return .leaving
        case .pausing: return .busy
        case .waiting, .paired, .alone, .returning: break
        }
        if groups[group].isBlocked, !planted(.failureUnsaid) { return .selfIneligible }
        if !groups[group].isReady { return .notReady }
        return waitsForRetired(group) || vitals.isGivingUp ? .selfStops : nil
    }

    /// As the rules have it (`stepVacant`, `isMine`), of a group that the peer does not hold.
    private func obstacleInContact(of group: GroupIndex) -> Refusal? {
        if !mayStart(group) { return .groupsDiffer }
        guard let report = report(of: group), let phase = peer.message?.phase,
            !life.isWaiting, phase != .waiting, phase != .pausing
        else { return .busy }
        switch report.role {
        case .releasing: return .peerStops
        case .resuming: return .peersTurn
        case .granting where !isKept(group), .claiming where !isKept(group): return .notPersisted
        case .granting where !hasCopy(group): return .copyNotCurrent
        case .granting, .claiming, .holding: return nil
        case .vacant: break
        }
        if !isKept(group) { return .notPersisted }
        if theyStay(group, report) { return .peersTurn }
        let stays = groups[group].stays
        if isStateful(group), !groups[group].copy.isNamed, hasStarted(group) {
            if isLastHolder(group), report.data?.terms.isLast != true { return nil }
            if stays, groups[group].copy.state == .current { return nil }
            return report.data?.terms.isLast == true ? .peersTurn : .copyNotCurrent
        }
        if stays && !report.flags.contains(.stays) { return nil }
        guard report.flags.contains(.eligible) else { return nil }
        let fit = vitals.health.score > 0
        if fit != (peer.message?.health ?? 0 > 0) { return fit ? nil : .selfUnfit }
        return isPreferred(group) ? nil : .peersTurn
    }

    /// It has data, as far as this node knows.
    private func hasStarted(_ group: GroupIndex) -> Bool {
        let data = disk.memory.groups[group].data
        return data.own != .never || data.heard != .never
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
            protectionGap: protectionGap(at: now),
            groups: groups.indices.map { groupStatus($0, at: now) },
            receipt: life.validReceipt?.proof, diskTakesNothing: disk.isAiling,
            takeoverIsKept: isFenceKept, alwaysLate: lateness.isLasting, fitForTurns: isFitForTurns,
            peerDiskTakesNothing: peer.hasFullDisk,
            awaitsForgetting: disk.mustForget && disk.takesNothing,
            peerSpeaks: speaks(at: now), peerWasHeard: wasJustHeard(at: now),
            peerHoldsOthers: inContact && peer.worksOnOthers, peerGaps: peer.message?.gaps)
    }

    private func groupStatus(_ group: GroupIndex, at now: Instant) -> GroupStatus {
        let state = groups[group]
        // What the peer said last of a group is over where it is known to run nothing of it.
        let isOver = life.validReceipt.map { covers($0, group) } ?? false
        let report = isOver && !planted(.deadPeerShown) ? nil : report(of: group)
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
            peerReady: peer.message?.gaps == nil
                ? nil : report.map { !$0.flags.contains(.unready) },
            obstacle: obstacle(of: group, at: now), failures: Int(state.failures),
            blockedFor: state.blockedUntil.map { max(.zero, $0 - now) }
        )
    }
}
