import PicketControl
import PicketCore
import PicketHardware
import PicketText
import Testing

struct ProtectionTests {
    @Test func `a pair for which all is well is protected`() {
        let protection = Protection(report())
        #expect(protection.verdict == .protected)
        #expect(protection.lines.map { $0.failure }.prefix(2) == ["west dies", "east dies"])
    }

    @Test func `a node that is unfit says how late it would fence`() {
        let unfit = report()
        unfit.status.health.score = 0
        unfit.status.fitForTurns = false
        unfit.status.peerHealth = 0
        let timing = unfit.policy.timing
        let text = Protection(unfit).lines.prefix(2).map { $0.text }
        for line in text { #expect(line.contains(" only \(Text.span(timing.unfitWithin)) after")) }
        #expect(timing.unfitWithin > timing.detectWithin)
    }

    struct Case: Sendable {
        var what: String
        var verdict: Protection.Verdict
        var change: @Sendable (inout StatusReport) -> Void
        init(
            _ what: String, _ verdict: Protection.Verdict,
            _ change: @escaping @Sendable (inout StatusReport) -> Void
        ) {
            self.what = what
            self.verdict = verdict
            self.change = change
        }
    }

    static let cases: [Case] = [
        Case("one supply of the peer's dead", .weakened) { $0.peerSuppliesOff = 1 },
        Case("peer's supply unproven", .unprotected) {
            $0.unproven.peer = UnprovenFeedback(name: "WEST_PGOOD", never: false)
        },
        Case("own supply unproven", .unprotected) {
            $0.unproven.me = UnprovenFeedback(name: "EAST_PGOOD", never: false)
        },
        Case("one plug", .unprotected) {
            $0.unproven.peer = UnprovenFeedback(name: "WEST_PGOOD", never: true)
        },
        Case("not armed", .unprotected) { $0.status.protectionGap = .notArmed },
        Case("relay failed", .unprotected) { $0.status.relayTest = .failed },
        Case("never seen to cut", .weakened) { $0.cuts = [RealCut(age: nil)] },
        Case("not rehearsed for long", .weakened) {
            $0.cuts = [RealCut(age: .seconds(91 * 86_400))]
            $0.rehearseEvery = .seconds(90 * 86_400)
        },
        Case("rehearsed", .protected) {
            $0.cuts = [RealCut(age: .seconds(89 * 86_400))]
            $0.rehearseEvery = .seconds(90 * 86_400)
        },
        Case("failed when it was needed", .unprotected) {
            $0.cuts = [RealCut(age: nil, failed: true)]
        },
        Case("relay untested", .weakened) { $0.status.relayTest = .unknown },
        Case("unfit", .unprotected) { $0.status.health.score = 0 },
        Case("peer silent", .unprotected) { $0.status.contact = .lost },
        Case("peer never seen", .unprotected) { $0.status.contact = .never },
        Case("maintenance", .unprotected) { $0.status.maintenance = true },
        Case("peer in maintenance", .unprotected) { $0.status.peerMaintenance = true },
        Case("peer unfit", .unprotected) { $0.status.peerHealth = 0 },
        Case("peer's relay failed", .unprotected) { $0.status.peerRelayTest = .failed },
        Case("peer cannot fence", .unprotected) { $0.status.peerRelayTest = .absent },
        Case("not ready here", .unprotected) {
            $0.status.groups[1].ready = false
            $0.status.groups[1].willing = false
            $0.status.protectionGap = .notReady
        },
        Case("not ready there", .unprotected) {
            $0.status.groups[0].peerReady = false
            $0.status.groups[0].peerEligible = false
        },
        Case("a peer without gaps", .protected) { $0.status.peerGaps = [] },
        Case("the peer's relay never cut", .weakened) { $0.status.peerGaps = .neverCut },
        Case("nor for long", .weakened) { $0.status.peerGaps = .cutLongAgo },
        Case("the peer's agent never said off", .unprotected) {
            $0.status.peerGaps = [.neverCut, .neverSaidOff]
        },
        Case("the peer has no turn", .unprotected) { $0.status.peerGaps = .noTurn },
        Case("the peer's budget is spent", .unprotected) { $0.status.peerGaps = .budgetSpent },
        Case("the peer is late", .weakened) { $0.status.peerGaps = .alwaysLate },
        Case("the peer's state in memory", .weakened) { $0.status.peerGaps = .volatileState },
        Case("the peer's units", .unprotected) { $0.status.peerGaps = .units },
        Case("the peer's strays", .unprotected) { $0.status.peerGaps = .strayUnits },
        Case("what starts units there", .weakened) { $0.status.peerGaps = .unitStarters },
        Case("the peer is blind", .weakened) { $0.status.peerGaps = .blindSensor },
        Case("no real-time priority there", .weakened) { $0.status.peerGaps = .notRealTime },
        Case("memory not locked there", .weakened) { $0.status.peerGaps = .notLocked },
        Case("times differ", .unprotected) { $0.status.protectionGap = .timesDiffer },
        Case("an agent whose status never said off", .unprotected) {
            $0.policy.fenceLevels = [.agent]
            $0.cuts = [RealCut(age: nil)]
        },
        Case("such an agent after a relay", .weakened) {
            $0.cuts = [RealCut(age: .zero), RealCut(age: nil)]
        },
        Case("an agent whose status said off", .protected) {
            $0.policy.fenceLevels = [.agent]
            $0.cuts = [RealCut(age: .zero)]
            $0.rehearseEvery = .seconds(90 * 86_400)
        },
        Case("peer waits", .unprotected) { $0.status.peerPhase = .waiting },
        Case("peer pauses", .weakened) {
            $0.status.peerPhase = .pausing
            $0.status.groups[0].peerEligible = false
        },
        Case("standby stale", .unprotected) { $0.status.groups[1].sync = .stale },
        Case("peer's standby stale", .unprotected) { $0.status.groups[0].peerSync = .failed },
        Case("goes on alone", .unprotected) { $0.status.groups[0].replication = .degraded },
        Case("is to go on alone", .unprotected) { $0.status.groups[0].replication = .degrading },
        Case("is restored", .unprotected) { $0.status.groups[0].replication = .restoring },
        Case("the peer goes on alone", .unprotected) { $0.status.groups[1].outOfStep = true },
        Case("commits wait", .unprotected) { $0.status.groups[0].commitsWait = true },
        Case("failed start here", .unprotected) { $0.status.groups[1].willing = false },
        Case("failed start there", .unprotected) { $0.status.groups[0].peerEligible = false },
        Case("no term left here", .unprotected) {
            $0.status.protectionGap = .notPersisted
            $0.status.takeoverIsKept = false
        },
        Case("a data term that cannot be kept", .unprotected) {
            $0.status.protectionGap = .notPersisted
            $0.status.diskTakesNothing = true
            $0.status.groups[1].eligible = false
        },
        Case("a full disk beside groups of the peer's own", .unprotected) {
            $0.status.diskTakesNothing = true
            $0.status.peerHoldsOthers = true
        },
        Case("a late loop beside a fence that may lie", .unprotected) {
            $0.status.alwaysLate = true
            $0.policy.fenceLevels = [.agent]
            $0.cuts = [RealCut(age: nil)]
        },
        Case("a pause beside a stale copy there", .unprotected) {
            $0.status.peerPhase = .pausing
            $0.status.groups[0].peerEligible = false
            $0.status.groups[0].peerSync = .stale
        },
        Case("a full disk here", .weakened) { $0.status.diskTakesNothing = true },
        Case("a loop that is always late", .weakened) { $0.status.alwaysLate = true },
        Case("a full disk there", .weakened) { $0.status.peerDiskTakesNothing = true },
        Case("a state in memory", .weakened) { $0.process.volatileState = "a tmpfs" },
        Case("may not answer", .unprotected) {
            $0.status.contact = .never
            $0.status.awaitsForgetting = true
        },
        Case("a group without a holder", .unprotected) {
            $0.status.groups[0].role = .vacant
            $0.status.groups[0].running = false
        },
        Case("a group starting", .weakened) { $0.status.groups[0].running = false },
        Case("no watchdog", .weakened) { $0.status.watchdog = .zero },
        Case("no watchdog there", .weakened) { $0.status.peerWatchdogMilliseconds = 0 },
        Case("one link left", .weakened) { $0.status.linksUp = .first(1) },
        Case("no link left", .unprotected) { $0.status.linksUp = .none },
        Case("one link in all", .weakened) {
            $0.policy.linkCount = 1
            $0.status.linksUp = .first(1)
        },
        Case("a failed sensor", .weakened) { $0.sensors[0].state = .failed },
        Case("configurations differ", .unprotected) { $0.status.configurationAgrees = false },
        Case("no real-time priority", .weakened) { $0.process.realTimeRefused = "EPERM" },
        Case("memory not locked", .weakened) { $0.process.lockedMemoryRefused = "ENOMEM" },
    ]

    /// Two levels, of which one was not seen to cut lately, or ever.
    @Test(arguments: [0, 1])
    func `a level that is to be rehearsed is named, and for how long it was not`(level: Int) {
        let name = names.fenceLevels[level]
        func line(_ age: Duration?) -> Protection.Line {
            Protection(
                report {
                    $0.cuts = [RealCut(age: .zero), RealCut(age: .zero)]
                    $0.cuts[level].age = age
                    $0.rehearseEvery = .seconds(90 * 86_400)
                }
            ).lines[0]
        }
        #expect(line(.seconds(90 * 86_400)).verdict == .protected)
        let late = line(.seconds(91 * 86_400))
        #expect(late.verdict == .weakened)
        #expect(late.text.contains("\(name) was last seen to cut 91 d ago"), "\(late.text)")
        let never = line(nil)
        #expect(never.verdict == .weakened)
        #expect(never.text.contains("\(name) was never seen to cut"), "\(never.text)")
        #expect(never.text.hasSuffix("Rehearse it: \"picket drill failover --live\"."))
    }

    @Test(arguments: cases.indices)
    func `what is missing shows`(index: Int) {
        let item = Self.cases[index]
        let protection = Protection(report(item.change))
        #expect(protection.verdict == item.verdict, "\(item.what): \(protection.lines)")
        #expect(protection.lines.allSatisfy { $0.text.hasSuffix(".") && !$0.text.contains("{") })
    }

    @Test func `a database that waits, or goes on alone, is a gap of its own`() {
        func text(_ change: @escaping @Sendable (inout StatusReport) -> Void) -> [String] {
            Protection(
                report {
                    // Nor does it matter what else is missing.
                    $0.status.contact = .lost
                    change(&$0)
                }
            ).lines.filter { $0.verdict == .unprotected }.map { "\($0.failure) \($0.text)" }
        }
        let name = report().names.group(0)
        let waits = text { $0.status.groups[0].commitsWait = true }
        #expect(waits.contains { $0.hasPrefix("\(name) waits for west with each commit") })
        let never = text {
            $0.status.groups[0].commitsWait = true
            $0.status.groups[0].peerCannotNote = true
        }
        #expect(never.contains { $0.contains("west's file has no strict for \(name)") })
        let alone = text { $0.status.groups[0].replication = .degraded }
        #expect(alone.contains { $0.hasPrefix("\(name) goes on alone: the copy on west") })
        let there = text { $0.status.groups[1].outOfStep = true }
        #expect(there.contains { $0.contains("goes on alone on west, or may") })
    }

    @Test func `each gap that a node sees of itself is told, and shows at its peer`() {
        let agents: (inout StatusReport) -> Void = {
            $0.policy.fenceLevels = [.agent]
            $0.cuts = [RealCut(age: nil)]
        }
        let told: [(Gaps, (inout StatusReport) -> Void)] = [
            ([], { _ in }),
            (.neverCut, { $0.cuts = [RealCut(age: nil)] }),
            (.cutLongAgo, { $0.cuts = [RealCut(age: .seconds(1))] }),
            ([.neverCut, .neverSaidOff], agents),
            (.noTurn, { $0.status.protectionGap = .timesDiffer }),
            (.budgetSpent, { $0.status.protectionGap = .fenceBudgetSpent }),
            (.alwaysLate, { $0.status.alwaysLate = true }),
            (.volatileState, { $0.process.volatileState = "a tmpfs" }),
            (.units, { $0.unitsFault = "no helper" }),
            (.strayUnits, { $0.strayUnits = ["a.service"] }),
            (.unitStarters, { $0.unitStarters = ["a.socket"] }),
            (.blindSensor, { $0.sensors[0].state = .stale }),
            (.notRealTime, { $0.process.realTimeRefused = "EPERM" }),
            (.notLocked, { $0.process.lockedMemoryRefused = "ENOMEM" }),
        ]
        var seen: Gaps = []
        for (gaps, change) in told {
            #expect(report(change).gaps == gaps)
            seen.formUnion(gaps)
            // As bad there as here, but for the level that is only one of two.
            let (here, there) = (
                Protection(report(change)).verdict,
                Protection(report { $0.status.peerGaps = gaps }).verdict
            )
            #expect(here == there, "\(gaps)")
        }
        #expect(seen == .all)
    }

    @Test func `a group whose takeover is asked for is said to wait`() {
        let asks = report {
            $0.policy.groups[0].takeover = .ask
            $0.policy.groups[1].takeover = .ask
        }
        let waits = [
            " historian waits for the operator: \"picket take historian\" on east.",
            " gateway waits for the operator: \"picket take gateway\" on west.",
        ]
        var lines = Protection(asks).lines.prefix(2).map { $0.text }
        #expect(
            lines == [
                "east fences it by relay RELAY_WEST." + waits[0], "west fences it." + waits[1],
            ])
        asks.cuts = [RealCut(age: nil)]
        asks.status.peerGaps = .neverCut
        lines = Protection(asks).lines.prefix(2).map { $0.text }
        for (line, wait) in zip(lines, waits) { #expect(line.hasSuffix(wait)) }
        let mixed = report {
            $0.status.groups[0].peerRole = .holding
            $0.policy.groups[1].takeover = .ask
        }
        #expect(
            Protection(mixed).lines[0].text
                == "east fences it by relay RELAY_WEST and takes over the rest of what it holds."
                + waits[0])
    }

    private func off(_ change: (inout StatusReport) -> Void = { _ in }) -> StatusReport {
        report {
            $0.status.contact = .lost
            $0.status.receipt = .verifiedOff
            $0.status.protectionGap = .peerOff
            $0.status.groups[1].peerRole = nil
            $0.status.groups[1].peerRunning = false
            $0.status.groups[1].difference = []
            change(&$0)
        }
    }

    @Test func `a peer that is off is said to be off, and not to speak`() {
        let lines = Protection(off { $0.status.peerWasHeard = true }).lines
        #expect(
            lines[0].text.hasPrefix(
                "west is off already, and historian does not run on east: see below."))
        #expect(lines[1].text.hasPrefix("west is off, and would not take over."))
        for line in lines { #expect(!line.text.contains("speak"), "\(line)") }
        let alone = Protection(
            off {
                $0.status.groups[1].role = .holding
                $0.status.groups[1].running = true
            }
        ).lines
        #expect(alone[0].text.hasPrefix("west is off already, and east goes on alone."))
    }

    @Test(arguments: [Status.FenceStatus.waiting, .ordered])
    func `in the middle of a takeover each line says so, and none advises a word`(
        fence: Status.FenceStatus
    ) {
        for gap in fence == .ordered ? [Refusal.notInContact, .noFence] : [.notInContact] {
            let lines = Protection(
                report {
                    $0.status.contact = .lost
                    $0.status.fence = fence
                    $0.status.protectionGap = gap
                    $0.status.groups[1].obstacle = gap
                    $0.status.peerWasHeard = true
                    $0.status.peerSpeaks = true
                }
            ).lines
            let historian = lines.filter { $0.failure == "historian" }
            for line in lines.prefix(2) + historian {
                #expect(line.text.contains("east is about to fence"), "\(line)")
                #expect(line.verdict == .unprotected)
            }
            for line in lines {
                #expect(!line.text.contains("speak"), "\(line)")
                #expect(!line.text.contains("fence confirm"), "\(line)")
                #expect(!line.text.contains("does not take it over"), "\(line)")
            }
        }
    }

    @Test func `what keeps one group from being taken over is said of that group`() {
        let text = Protection(
            report {
                $0.status.protectionGap = .notPersisted
                $0.status.diskTakesNothing = true
                $0.status.groups[1].eligible = false
            }
        ).lines[0].text
        #expect(
            text.hasPrefix(
                "historian does not start on east while its state file cannot be written. Free"),
            "\(text)")
    }

    @Test func `a word is advised once it would be taken`() {
        func text(_ change: (inout StatusReport) -> Void) -> String {
            Protection(
                report {
                    $0.status.contact = .lost
                    $0.status.protectionGap = .notInContact
                    change(&$0)
                }
            ).lines[0].text
        }
        let silent = text { _ in }
        #expect(silent.contains("say so with \"picket fence confirm west\"."), "\(silent)")
        let heard = text { $0.status.peerWasHeard = true }
        #expect(heard.contains("once it has been silent for 10 s"), "\(heard)")
        let speaks = text {
            $0.status.peerWasHeard = true
            $0.status.peerSpeaks = true
        }
        #expect(speaks.hasSuffix("It speaks, so it is not off: mend the links."))
        let fences = text { $0.status.fence = .waiting }
        #expect(fences.contains("east is about to fence it"))
    }

    /// What bites, and how to end it.
    static let downs: [(Refusal, String)] = [
        (
            .takeoverAsked,
            "west is off, and the group waits for the operator. \"picket take historian\" starts it "
                + "on east."
        ),
        (.fenceBudgetSpent, "east has fenced west too often lately. Find out why"),
        (.maintenance, "the pair is in maintenance. End it with \"picket maintenance off\""),
        (.groupMaintained, "\"picket maintenance off historian\""),
        (.copyNotCurrent, "\"picket take historian --stale\" starts it here."),
        (
            .selfIneligible,
            "it failed on east 3 times in a row, and is not tried there again for 40 s."
        ),
        (.notPersisted, "the state file on east cannot be written. Free space"),
        (.peersTurn, "west is to start the group. See \"picket status\" on west."),
    ]

    @Test(arguments: downs.indices)
    func `a group that runs nowhere says why, and what to do`(index: Int) {
        let (obstacle, text) = Self.downs[index]
        let lines = Protection(
            off {
                $0.status.groups[1].obstacle = obstacle
                $0.status.groups[1].failures = 3
                $0.status.groups[1].blockedFor = .seconds(40)
            }
        ).lines
        let line = lines.first { $0.failure == "historian" }
        #expect(line?.text.hasPrefix("runs on no node: ") == true)
        #expect(line?.text.contains(text) == true, "\(line?.text ?? "")")
    }

    @Test func `each reason why a group is down has its sentence and its way out`() {
        for obstacle in Refusal.allCases {
            let line = Protection(off { $0.status.groups[1].obstacle = obstacle }).lines
                .first { $0.failure == "historian" }
            let text = line?.text ?? ""
            #expect(text.hasSuffix("."), "\(obstacle)")
            #expect(!text.contains("GROUP") && !text.contains("{"), "\(text)")
        }
    }

    @Test func `what a lost peer had is not said to run`() {
        let lines = Protection(
            report {
                $0.status.contact = .lost
                $0.status.protectionGap = .fenceBudgetSpent
                $0.status.groups[1].obstacle = .fenceBudgetSpent
            }
        ).lines
        #expect(lines[0].text.contains("\"picket clear budgets\""))
        let line = lines.first { $0.failure == "historian" }
        #expect(
            line?.text.hasPrefix(
                "was active on west when that was last heard, and east does not take it over: ")
                == true)
    }

    @Test func `a node that never heard its peer does not say that a group runs nowhere`() {
        let lines = Protection(
            off {
                $0.status.contact = .never
                $0.status.receipt = nil
                $0.status.protectionGap = .notArmed
                $0.status.groups[1].obstacle = .notArmed
            }
        ).lines
        let line = lines.first { $0.failure == "historian" }
        #expect(
            line?.text.hasPrefix("does not run on east, which cannot tell whether west runs it: ")
                == true)
    }

    @Test func `where the fence of a lost peer fails the way out is said`() {
        for gap in [Refusal.fenceFailed, .noFence] {
            let lines = Protection(
                report {
                    $0.status.contact = .lost
                    $0.status.protectionGap = gap
                    $0.status.relayTest = .failed
                    $0.cuts = [RealCut(age: nil, failed: true)]
                }
            ).lines
            #expect(lines[0].text.contains("\"picket fence confirm west\""), "\(lines[0])")
        }
    }

    @Test func `no advice names a group on a node whose file does not list it`() {
        let lines = Protection(
            report {
                $0.policy.groups[0].takeover = .ask
                $0.status.groups[0].difference = .unlisted
                $0.status.groups[0].peerRole = nil
            }
        ).lines
        #expect(
            lines[1].text.hasPrefix(
                "west would not take gateway over, which its file does not list."))
        for line in lines { #expect(!line.text.contains("picket take gateway"), "\(line)") }
        let others = Protection(report { $0.status.peerHoldsOthers = true })
        #expect(others.lines[0].text.hasPrefix("it has groups that only its file lists"))
    }

    @Test func `a group that is switched off is nobody's gap`() {
        let protection = Protection(
            report {
                $0.policy.groups[1].enabled = false
                $0.status.groups[1].peerRunning = false
                $0.status.groups[1].peerRole = .vacant
            })
        #expect(protection.verdict == .protected)
    }
}
