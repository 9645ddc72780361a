import ArgumentParser
import Foundation
import PicketCore
import PicketProof

/// Each planted bug must be found, or the tools that look for bugs are worth nothing.
///
/// The swarm finds a bug if a world violates a property with it, and the same world does not
/// without it. The checker finds it if some state within the bounds violates one. Each does so
/// within its budget, which the table states. A world that violates a property without any planted
/// bug is an error of the agent or of the watch, which hides what it was played for.
struct Bugs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Switches on one planted bug after the other, and finds each (make sim only).",
        discussion: """
            Prints a table, with the seconds of a core that each took. Exit 1 if a bug was not found within its budget, or if a world that was
            played for it violates a property without it.
            """)

    @Option(help: "The first seed.") var seed: UInt64 = 1
    @Option(help: "Only this one.") var only: String?

    @OptionGroup var option: CoresOption

    private struct Hunted: Codable {
        var row: String
        var isFound: Bool
        var violated: [String]
    }

    func run() throws {
        try PlantedSwitch.require()
        let bugs = PlantedBug.allCases.filter { only == nil || only == $0.rawValue }
        guard !bugs.isEmpty else {
            Story.complain("--only \(only ?? ""): no such planted bug")
            throw ExitCode(2)
        }
        var missed = 0
        var violated: [String] = []
        print("| planted bug | property | found by | after | of at most | s | what was seen |")
        print("|---|---|---|---|---|---|---|")
        try Cores.play(
            bugs.count, on: option.cores, naming: { bugs[$0].rawValue }, { find(bugs[$0]) }
        ) { _, hunted in
            print(hunted.row)
            fflush(nil)
            if !hunted.isFound { missed += 1 }
            violated += hunted.violated
            return true
        }
        print("\n\(bugs.count) planted bugs, \(missed) not found")
        for each in violated { print("VIOLATION without any planted bug: \(each)") }
        if missed > 0 || !violated.isEmpty { throw ExitCode(1) }
    }

    private func find(_ bug: PlantedBug) -> Hunted {
        let before = Cores.seconds
        let found: (property: String, after: String, text: String)?
        let by: String
        let budget: String
        var violated: [String] = []
        switch Hunt(bug) {
        case .swarm(let focus, let seeds):
            by = focus == .any ? "swarm" : "swarm, \(focus.rawValue)"
            budget = "\(seeds) seeds"
            found = search(bug, focus, seeds, &violated)
        case .checker(let bounds, let text):
            by = "checker, \(text)"
            budget = "\(bounds.mostStates) states"
            found = check(bug, bounds)
        }
        let seconds = String(format: "%.1f", Cores.seconds - before)
        let row =
            "| \(bug.rawValue) | \(found?.property ?? "NOT FOUND") | \(by) | "
            + "\(found?.after ?? "-") | \(budget) | \(seconds) | \(found?.text ?? "") |"
        return Hunted(row: row, isFound: found != nil, violated: violated)
    }

    private func search(
        _ bug: PlantedBug, _ focus: Swarm.Focus, _ seeds: UInt64, _ violated: inout [String]
    ) -> (String, String, String)? {
        for seed in seed..<(seed + seeds) {
            let plan = Swarm.plan(seed: seed, focus: focus)
            unsafe PlantedBug.active = bug
            let world = World(plan, remembering: 1)
            let good = world.run()
            unsafe PlantedBug.active = nil
            guard !good, let violation = world.violation else { continue }
            let without = World(plan, remembering: 1)
            guard without.run() else {
                let property = without.violation?.property ?? ""
                violated.append("\(property) of seed \(seed), --focus \(focus.rawValue)")
                continue
            }
            return (violation.property, "\(seed - self.seed + 1) seeds", violation.text)
        }
        return nil
    }

    private func check(_ bug: PlantedBug, _ bounds: CheckBounds) -> (String, String, String)? {
        unsafe PlantedBug.active = bug
        defer { unsafe PlantedBug.active = nil }
        var checker = Checker(bounds)
        let result = checker.run()
        guard case .violated(let broken) = result.verdict else { return nil }
        return (broken.property, "\(result.states) states", broken.text)
    }
}

/// The tool that looks for a bug, where it looks, and for how long at most.
private enum Hunt {
    case swarm(Swarm.Focus, seeds: UInt64)
    case checker(CheckBounds, String)

    init(_ bug: PlantedBug) {
        switch bug {
        case .turnFromReached, .oneRankInTransfer, .everybodyHolds, .contactFromReception:
            var bounds = CheckBounds()
            bounds.faults = 0
            bounds.mostStates = 400_000
            self = .checker(bounds, "no faults, 1 fence")
        case .untoldIsClear, .asksWhileFencing:
            var bounds = CheckBounds()
            bounds.faults = 1
            bounds.kinds = [.resource]
            bounds.mostStates = 1_200_000
            self = .checker(bounds, "1 failing resource, 1 fence")
        case .oldSessionSpeaks, .anyReportGrants:
            var bounds = CheckBounds()
            bounds.faults = 1
            bounds.fences = 0
            bounds.kinds = [.crash]
            bounds.mostStates = 500_000
            self = .checker(bounds, "1 crash")
        case .tieUnbroken, .lateTurnsOverlap: self = .swarm(.partitions, seeds: 200)
        case .configurationIgnored: self = .swarm(.configurations, seeds: 3000)
        case .leavesRunningArmed, .restIsNoReceipt, .leavesHalfWay, .holderForgotten:
            self = .swarm(.work, seeds: 100)
        case .restartStopsInMaintenance, .endUnlooked, .leftRunningAtEnd:
            self = .swarm(.hands, seeds: 20)
        case .strayUnseen, .strayAdopted: self = .swarm(.strays, seeds: 20)
        case .startAdopted: self = .swarm(.moves, seeds: 400)
        case .movesToTheUnready: self = .swarm(.moves, seeds: 100)
        case .unreadyIsWilling: self = .swarm(.readiness, seeds: 100)
        case .turnPromised: self = .swarm(.configurations, seeds: 100)
        case .retiredNotStopped, .removedComesBack: self = .swarm(.lists, seeds: 400)
        case .termsOfGroupAlone, .goneTermsForgotten, .retiredNotAwaited,
            .renamedStopsInMaintenance:
            self = .swarm(.renames, seeds: 100)
        case .reloadLeavesRemoved, .reloadForgetsWhatRuns: self = .swarm(.lists, seeds: 100)
        case .reloadDoesNotWait, .addedAtFormerTerm: self = .swarm(.reloads, seeds: 20)
        case .linksNotRenumbered, .linksByPeersNumbers, .lastLinkDropped:
            self = .swarm(.links, seeds: 50)
        case .fencesAnewInFence, .levelOutlivesFence: self = .swarm(.levels, seeds: 50)
        case .barredReceiptAdds: self = .swarm(.reloads, seeds: 200)
        case .groupsByPlace, .resourcesIgnored, .differencesNotLeft, .differentOnOldCopy:
            self = .swarm(.lists, seeds: 200)
        case .testOutranksFence, .silenceIsAPass, .distrustForgotten, .anyClearTrusts:
            self = .swarm(.trust, seeds: 50)
        case .wordOutlivesSpeech, .helloUnheard: self = .swarm(.words, seeds: 100)
        case .recordedHelloCounts, .heardForgotten: self = .swarm(.recordings, seeds: 20)
        case .clockReadBefore: self = .swarm(.turns, seeds: 200)
        case .turnsByUsualTime: self = .swarm(.outlets, seeds: 50)
        case .oldClockKept: self = .swarm(.clocks, seeds: 200)
        case .drillRaisesHealth, .hysteresisMissing, .debounceMissing, .failedIsCritical,
            .goneSensorCounts:
            self = .swarm(.sensors, seeds: 100)
        case .aloneAnsweredFirst, .aloneNeverForgotten, .termPersistedLate,
            .termOfPeerForgotten, .termsNotLeapt:
            self = .swarm(.disks, seeds: 200)
        case .eligibleWithoutRoom, .grantWaitsForDisk, .hungDiskIsSlow:
            self = .swarm(.disks, seeds: 100)
        case .diskNotLookedAt, .failedLookIgnored, .fullDiskLeftAlone, .fencesForNothing:
            self = .swarm(.fullDisks, seeds: 50)
        case .termsNotNoted: self = .swarm(.terms, seeds: 100)
        case .fenceBudgetIgnored: self = .swarm(.budgets, seeds: 50)
        case .futureStampsAreNow, .unsynchronisedBelieved: self = .swarm(.budgets, seeds: 200)
        case .clockNotLookedAt, .cancelIgnored, .latenessUntold:
            self = .swarm(.lateness, seeds: 200)
        case .adoptsAfterReboot, .leavesHolding, .leftStaysArmed:
            self = .swarm(.lives, seeds: 200)
        case .noteAfterStart: self = .swarm(.moves, seeds: 400)
        case .foundOffForgotten: self = .swarm(.lives, seeds: 100)
        case .partedCountsAsOff, .plugIgnored, .plugNotAwaited, .equalContactsAreOff:
            self = .swarm(.plugs, seeds: 200)
        case .oneSupplyIsEnough, .deadSupplyIsNotCut: self = .swarm(.supplies, seeds: 200)
        case .lossHidesReason: self = .swarm(.budgets, seeds: 50)
        case .deadPeerShown, .speechOutlivesPeer: self = .swarm(.any, seeds: 50)
        case .askedOnOldCopy: self = .swarm(.copies, seeds: 200)
        case .failureUnsaid: self = .swarm(.flaps, seeds: 100)
        case .everybodyFit, .ranksByPeersFitness: self = .swarm(.fitness, seeds: 200)
        case .oldReadingTold: self = .swarm(.copies, seeds: 100)
        case .divergedForms, .aheadIsLast, .branchUnasked, .branchIsOld, .branchUnnoted,
            .agreedTailDiverges, .termsAloneDecide, .epochIgnored:
            self = .swarm(.branches, seeds: 100)
        case .refusedTermIgnored, .refusalsNeverFail: self = .swarm(.guards, seeds: 50)
        case .oldCopyForms, .staleTakesOver, .judgementOutlivesContact, .judgementNeverSpent,
            .lagIgnored, .dataTermLate, .copyNotAwaited, .yielderKeepsCopy:
            self = .swarm(.data, seeds: 400)
        case .degradesUntold, .neverDegrades, .degradedIsCurrent, .inStepAtOnce, .tailForgotten,
            .fullDiskNotesNothing, .overdueIsOver, .failedRestoreStands, .startWaitsForPeer,
            .restartedIsBehind, .maintainedNotTold, .restoresInMaintenance:
            self = .swarm(.strict, seeds: 200)
        case .aloneUnfenced: self = .swarm(.blackouts, seeds: 400)
        case .aloneUnseen: self = .swarm(.lives, seeds: 100)
        case .challengeIgnored, .replaysTaken: self = .swarm(.replays, seeds: 100)
        case .conflictIgnored: self = .swarm(.words, seeds: 100)
        case .formationIsNoMove, .failuresForgottenAtStart: self = .swarm(.flaps, seeds: 100)
        case .restartAdopted: self = .swarm(.starts, seeds: 100)
        case .partialStopsInMaintenance, .leftBehindGoesOn: self = .swarm(.starts, seeds: 100)
        case .stopAdopted, .partialIsUnknown: self = .swarm(.stuck, seeds: 200)
        case .requestInMaintenance, .neverReset, .unknownStopsCount, .unknownStopsAsk,
            .resetForAnyPeer, .resetNotCounted:
            self = .swarm(.stuck, seeds: 200)
        case .maintenanceIgnored, .olderMaintenanceWins, .maintenanceRestarts, .maintenanceClaims,
            .maintainedForgotten, .maintainedFenced, .restIsNotBarred:
            self = .swarm(.maintenance, seeds: 100)
        case .orderRemembered: self = .swarm(.strangers, seeds: 400)
        case .failedStopReleases, .releasedBeforeStopped: self = .swarm(.resources, seeds: 100)
        case .noHeadStart, .fenceFromWaiting, .stallNotForgiven,
            .pauseUnbounded, .drillFences, .failedFenceCounts, .unverifiedFence,
            .receiptOutlivesSession, .questionSkipped, .termNotPersisted, .grantWhileHolding,
            .fedByAnyEvent:
            self = .swarm(.any, seeds: 100)
        }
    }
}
