import PicketCore
import PicketHardware
import PicketText

/// Would the pair survive a failure now?
///
/// The question is taken apart into the failures that a pair is there for. One line answers for
/// each: what happens and, if it would not go well, what is missing. A line that fails makes the
/// pair *unprotected*: that failure, now, ends the service or may not be taken over. A line that
/// only lacks its spare (one of two links is down, a sensor is stale) makes it *weakened*.
///
/// It is one node's view. It knows of the peer only what the peer's last message said.
public struct Protection: Equatable, Sendable {
    public enum Verdict: UInt8, Comparable, CaseIterable, Sendable {
        case protected, weakened, unprotected

        public var label: String {
            switch self {
            case .protected: "protected"
            case .weakened: "weakened"
            case .unprotected: "unprotected"
            }
        }
        public static func < (a: Verdict, b: Verdict) -> Bool { a.rawValue < b.rawValue }
    }

    public struct Line: Equatable, Sendable {
        /// The failure, as in "west dies".
        public var failure: String
        public var verdict: Verdict
        /// What would happen, or what is missing and what to do.
        public var text: String
    }

    public private(set) var lines: [Line] = []
    private let narrator: Narrator

    /// The worst of the lines.
    public var verdict: Verdict {
        var worst = Verdict.protected
        for line in lines where line.verdict > worst { worst = line.verdict }
        return worst
    }

    public init(_ report: StatusReport) {
        narrator = Narrator(names: report.names)
        peerDies(report)
        addAsked(of: .peer, report, on: report.names.node)
        selfDies(report)
        addAsked(of: .me, report, on: report.names.peer)
        losesSupply("{peer}", report.unproven.peer)
        losesSupply("{me}", report.unproven.me)
        if report.peerSuppliesOff > 0 {
            add(
                "{peer} loses a supply", .weakened,
                "one of its supplies is off already. Mend it; a fence of "
                    + "{peer} cuts all of them.")
        }
        hang(report)
        links(report)
        services(report)
        moves(report)
        health(report)
        settings(report)
        peersGaps(report)
    }

    /// Texts stand as the narrator fills them in: `{me}` and `{peer}` are the nodes' names.
    private mutating func add(_ failure: String, _ verdict: Verdict, _ text: String) {
        lines.append(
            Line(
                failure: narrator.filled(failure), verdict: verdict, text: narrator.filled(text)))
    }

    private mutating func peerDies(_ report: StatusReport) {
        let (status, names) = (report.status, report.names)
        let failure = "{peer} dies"
        if status.awaitsForgetting {
            return add(
                failure, .unprotected,
                "{me} may not answer {peer}, because its disk says that {me} may go on alone and "
                    + "takes nothing that takes this back. \(narrator.advice(.notPersisted))")
        }
        let isHeard = status.isPeerHeard
        // In an outage it matters first what can be done about that.
        if isHeard, let level = report.cuts.firstIndex(where: { $0.failed }) {
            return add(
                failure, .unprotected,
                "{me} may not be able to fence it: the last real fence by \(names.fenceLevel(level)) "
                    + "failed, and no self-test makes up for that. Mend it, say so with \"picket "
                    + "clear\", and see it cut with \"picket drill failover --live\".")
        }
        let gap = status.protectionGap
        if gap == .peerOff {
            return add(
                failure, .unprotected,
                "{peer} is off already, and \(whatGoesOn(report)) " + narrator.advice(.peerOff))
        }
        if isAboutToFence(status) {
            return add(
                failure, .unprotected,
                "contact with it is lost, and {me} is about to fence it; see \"picket history\".")
        }
        // What these keep from one group is said of that group.
        let isOfOne = gap == .notReady || gap == .notPersisted && status.takeoverIsKept
        if let gap, gap != .noFence || status.relayTest != .failed, !isOfOne {
            return add(
                failure, .unprotected,
                "nothing would be taken over: \(narrator.why(gap)). "
                    + narrator.advice(gap, status))
        }
        if status.relayTest == .failed {
            return add(
                failure, .unprotected,
                "{me} could not fence it: the self-test of its fence failed. Check relay, wiring and "
                    + "sense line, or the fence agent, then run \"picket drill relay\"."
                    + (isHeard ? "" : " " + narrator.advice(.notInContact, status)))
        }
        if status.health.score == 0 {
            return add(
                failure, .unprotected,
                "{me} is unfit: see its sensors below." + late(report))
        }
        var lacking: [String] = []
        for (index, group) in status.groups.enumerated() where isEnabled(index, report) {
            guard group.role != .holding, !group.maintained else { continue }
            if !group.ready {
                lacking.append("something that \(names.group(index)) needs is missing here")
            } else if !group.willing {
                lacking.append("\(names.group(index)) failed to start here")
            } else if gap == .notPersisted, !group.eligible {
                lacking.append(
                    "\(names.group(index)) does not start on {me} while its state file cannot be "
                        + "written")
            }
            if group.outOfStep {
                lacking.append(
                    "{peer} goes on with \(names.group(index)) without the copy here, or may")
            } else if !group.sync.suffices(stateful: group.stateful) {
                lacking.append("the copy of \(names.group(index)) here is \(group.sync.label)")
            }
        }
        guard lacking.isEmpty else {
            let advice = gap == .notPersisted ? " " + narrator.advice(.notPersisted) : ""
            return add(failure, .unprotected, Text.list(lacking) + "." + advice + late(report))
        }
        if let unproven = report.unproven.peer, unproven.never {
            return add(failure, .unprotected, "it " + Self.text(unproven))
        }
        if status.peerHoldsOthers {
            return add(
                failure, .unprotected,
                "it has groups that only its file lists: {me} would not go on with those. "
                    + narrator.advice(.groupsDiffer))
        }
        let way = report.policy.fenceLevels.isEmpty ? "its fence" : names.fenceLevel(0)
        if report.neverSaidOff {
            return add(
                failure, .unprotected,
                "{me} may not be able to fence it: the status of \(way) was never seen to say off, "
                    + "and one that cannot passes every self-test. Rehearse it: \"picket drill "
                    + "failover --live\".")
        }
        if status.diskTakesNothing {
            return add(
                failure, .weakened,
                "{me} would take over once: its disk takes nothing, and no more terms are in "
                    + "reserve. \(narrator.advice(.notPersisted))")
        }
        if status.alwaysLate {
            return add(
                failure, .weakened,
                "the agent on {me} does not run when it should, and would find {peer} dead late. See "
                    + "what keeps the processor, and that the agent may run in real time.")
        }
        if status.relayTest == .unknown {
            return add(
                failure, .weakened,
                "{me} would fence it by \(way), which has not been tested yet; run "
                    + "\"picket drill relay\".")
        }
        if let level = report.cuts.firstIndex(where: {
            $0.age.map { $0 > report.rehearseEvery } ?? true
        }) {
            let age = report.cuts[level].age
            return add(
                failure, .weakened,
                "{me} fences it by \(way), as far as a self-test can tell: \(names.fenceLevel(level)) "
                    + (age.map { "was last seen to cut \(Text.span($0)) ago" }
                        ?? "was never seen to cut")
                    + ". Rehearse it: \"picket drill failover --live\".")
        }
        add(
            failure, .protected,
            "{me} fences it by \(way)\(goesOn(with: .peer, report))")
    }

    /// A fence waits for its turn, and nothing else keeps this node from it; or it is ordered.
    private func isAboutToFence(_ status: Status) -> Bool {
        guard !status.isPeerHeard else { return false }
        return status.fence == .ordered
            || status.fence == .waiting && status.protectionGap == .notInContact
    }

    /// Beside a peer that is off.
    private func whatGoesOn(_ report: StatusReport) -> String {
        var down: [String] = []
        for (index, group) in report.status.groups.enumerated() where isEnabled(index, report) {
            if group.role == .holding || group.role == .resuming { continue }
            down.append(report.names.group(index))
        }
        return down.isEmpty
            ? "{me} goes on alone."
            : "\(Text.list(down)) \(down.count == 1 ? "does" : "do") not run on {me}: see below."
    }

    /// The groups of a node whose takeover by the other one waits for the operator, and whether there
    /// are others.
    private func asked(
        of holder: GroupMemory.LastHolder, _ report: StatusReport
    ) -> (names: [String], all: Bool) {
        var names: [String] = []
        var all = true
        for (index, group) in report.status.groups.enumerated() where isEnabled(index, report) {
            guard (holder == .me ? group.role : group.peerRole) == .holding else { continue }
            // There is no such group on the other node.
            if group.difference.contains(.unlisted) { continue }
            if report.policy.groups[index].takeover == .ask {
                names.append(report.names.group(index))
            } else {
                all = false
            }
        }
        return (names, all)
    }

    private func goesOn(with holder: GroupMemory.LastHolder, _ report: StatusReport) -> String {
        let asked = asked(of: holder, report)
        if asked.names.isEmpty { return " and takes over what it holds." }
        return asked.all ? "." : " and takes over the rest of what it holds."
    }

    /// To the line before: what waits for the operator is taken over by nobody else.
    private mutating func addAsked(
        of holder: GroupMemory.LastHolder, _ report: StatusReport, on other: String
    ) {
        let names = asked(of: holder, report).names
        guard !names.isEmpty, lines[lines.count - 1].verdict != .unprotected else { return }
        let orders = names.map { "\"picket take \($0)\"" }
        lines[lines.count - 1].text +=
            " \(Text.list(names)) \(names.count == 1 ? "waits" : "wait") for the operator: "
            + "\(Text.list(orders)) on \(other)."
    }

    /// `detect_within` holds for a node that is fit.
    private func late(_ report: StatusReport) -> String {
        guard !report.status.fitForTurns else { return "" }
        return " It would fence {peer} only \(Text.span(report.policy.timing.unfitWithin)) after "
            + "the death, because a fit node goes first."
    }

    private mutating func selfDies(_ report: StatusReport) {
        let (status, names) = (report.status, report.names)
        let failure = "{me} dies"
        guard status.isPeerHeard else {
            if status.protectionGap == .peerOff {
                return add(
                    failure, .unprotected,
                    "{peer} is off, and would not take over. " + narrator.advice(.peerOff))
            }
            if isAboutToFence(status) {
                return add(
                    failure, .unprotected,
                    "{peer} does not answer, and {me} is about to fence it: nobody would take over."
                )
            }
            if status.peerSpeaks {
                return add(
                    failure, .unprotected,
                    "{peer} speaks, and does not hear {me}: it would not take over. Mend the links."
                )
            }
            if status.peerDiskTakesNothing {
                return add(
                    failure, .unprotected,
                    "{peer} said last that its disk takes nothing: it may have to forget on disk "
                        + "that it may go on alone, before it answers. Free space there; or switch "
                        + "{peer} off, and say so with \"picket fence confirm {peer}\".")
            }
            return add(
                failure, .unprotected,
                "{peer} does not answer, and would not take over. Start its agent or mend "
                    + "the links.")
        }
        if status.peerMaintenance || status.maintenance {
            return add(
                failure, .unprotected,
                "{peer} would not take over: the pair is in maintenance. End it with "
                    + "\"picket maintenance off\".")
        }
        let mine = status.groups.indices.filter {
            isEnabled($0, report) && status.groups[$0].role == .holding
        }
        if !mine.isEmpty, mine.allSatisfy({ status.groups[$0].maintained }) {
            return add(
                failure, .unprotected,
                "{peer} would not take over: all that runs on {me} is in maintenance.")
        }
        if status.peerHealth == 0 {
            return add(
                failure, .unprotected,
                "{peer} is unfit, and would fence {me} only "
                    + "\(Text.span(report.policy.timing.unfitWithin)) after the death, because a fit "
                    + "node goes first. See its sensors with \"picket status\" there.")
        }
        if status.peerRelayTest == .failed {
            return add(
                failure, .unprotected,
                "{peer} could not fence {me}: its fence failed the self-test, or when it was last "
                    + "needed. See \"picket status\" there.")
        }
        if status.peerRelayTest == .absent {
            return add(
                failure, .unprotected,
                "{peer} has no way to fence {me}, and would take nothing over. Add one under "
                    + "\"fence:\"; without one, only the operator's word lets it: \"picket fence "
                    + "confirm {me}\" on {peer}.")
        }
        for (gap, lack) in Self.lacksOfFence where status.peerGaps?.contains(gap) == true {
            return add(failure, .unprotected, lack)
        }
        let isPausing = status.peerPhase == .pausing
        if let phase = status.peerPhase, phase != .paired, !isPausing {
            return add(
                failure, .unprotected, "{peer} is \(phase.label) and would not take over.")
        }
        if let unproven = report.unproven.me, unproven.never {
            return add(failure, .unprotected, "it " + Self.text(unproven))
        }
        for (index, group) in status.groups.enumerated()
        where isEnabled(index, report) && group.role == .holding {
            if group.difference.contains(.unlisted) {
                return add(
                    failure, .unprotected,
                    "{peer} would not take \(names.group(index)) over, which its file does not list. "
                        + narrator.advice(.groupsDiffer))
            }
            if let lack = lack(of: group.replication, names.group(index)) {
                return add(failure, .unprotected, lack)
            }
            if !group.peerSync.suffices(stateful: group.stateful) {
                return add(
                    failure, .unprotected,
                    "the copy of \(names.group(index)) on {peer} is \(group.peerSync.label).")
            }
            // It starts nothing as long as it pauses.
            guard group.peerEligible == false, !isPausing || group.peerReady == false else {
                continue
            }
            let refusal: Refusal =
                group.peerReady == false
                ? .peerNotReady
                : status.peerDiskTakesNothing ? .peerNotPersisted : .peerIneligible
            return add(
                failure, .unprotected,
                "{peer} would not take \(names.group(index)) over: \(narrator.why(refusal)). "
                    + narrator.advice(refusal))
        }
        if isPausing {
            return add(failure, .weakened, "{peer} is pausing and would not take over.")
        }
        if status.peerDiskTakesNothing {
            return add(
                failure, .weakened,
                "{peer} would take over once: its disk takes nothing. "
                    + narrator.advice(.peerNotPersisted))
        }
        if status.peerRelayTest == .unknown {
            return add(
                failure, .weakened,
                "{peer} would take over, by a fence that it has not tested yet.")
        }
        for (gap, lack) in Self.weakFences where status.peerGaps?.contains(gap) == true {
            return add(failure, .weakened, lack)
        }
        add(failure, .protected, "{peer} fences it\(goesOn(with: .me, report))")
    }

    /// Why the peer would not fence this node, as it says itself.
    private static var lacksOfFence: [(Gaps, String)] {
        [
            (
                .noTurn,
                "{peer} would not fence {me}: the times in the files differ, and neither node has a "
                    + "turn that is certain to be its own. Give both nodes the same file with "
                    + "\"picket apply FILE\"."
            ),
            (
                .budgetSpent,
                "{peer} would not fence {me}: it has done so too often lately. Find out why with "
                    + "\"picket history\" on {peer}; \"picket clear budgets\" there gives the fences "
                    + "back."
            ),
            (
                .neverSaidOff,
                "{peer} may not be able to fence {me}: the status of its fence agent was never seen "
                    + "to say off. Rehearse it with \"picket drill failover --live\" on {peer}."
            ),
        ]
    }

    /// Why its fence may fail, or come late.
    private static var weakFences: [(Gaps, String)] {
        [
            (
                .alwaysLate,
                "the agent on {peer} does not run when it should, and would find {me} dead late. See "
                    + "what keeps the processor there, and that the agent may run in real time."
            ),
            (
                .neverCut,
                "{peer} fences it as far as a self-test can tell: its fence was never seen to cut "
                    + "{me}. Rehearse it with \"picket drill failover --live\" on {peer}."
            ),
            (
                .cutLongAgo,
                "{peer} fences it as far as a self-test can tell: its fence was not seen to cut {me} "
                    + "for longer than rehearse_every. Rehearse it with \"picket drill failover "
                    + "--live\" on {peer}."
            ),
        ]
    }

    /// What else the peer sees of itself.
    private static var gapsOfPeer: [(Gaps, failure: String, Verdict, String)] {
        let there = " See \"picket status\" on {peer}."
        return [
            (
                .units, "a unit must start or stop", .unprotected,
                "it would not on {peer}." + there
            ),
            (
                .strayUnits, "a unit runs beside its group", .unprotected,
                "one does on {peer}, where the group is not active." + there
            ),
            (
                .unitStarters, "a unit starts by itself", .weakened,
                "systemd would start one on {peer}, without asking picket." + there
            ),
            (
                .blindSensor, "a sensor's limit is passed", .weakened,
                "nobody would see it at a sensor of {peer}." + there
            ),
            (
                .volatileState, "{peer} loses its power", .weakened,
                "it forgets its terms, and they may be used again: its state directory lies in "
                    + "memory. Put it on a disk."
            ),
            (
                .notRealTime, "the node is overloaded", .weakened,
                "the agent on {peer} has no real-time priority and may be late." + there
            ),
            (
                .notLocked, "memory runs out", .weakened,
                "the memory of the agent on {peer} is not locked and may be swapped out." + there
            ),
        ]
    }

    /// What its database does, as long as it is not in step for some time.
    private func inStepLack(of group: GroupStatus, _ name: String) -> String? {
        if group.commitsWait {
            let way =
                group.peerCannotNote
                ? "{peer}'s file has no strict for \(name), so that {peer} cannot note that it has no "
                    + "copy. Make the files equal with \"picket apply\"."
                : "it does once the copy on {peer} follows, {peer} has noted that it has none, or "
                    + "{peer} is known to be off. See why with \"picket history\"."
            return "waits for {peer} with each commit, and cannot go on: \(way)"
        }
        if group.replication == .degraded {
            return
                "goes on alone: the copy on {peer} is not in step, and {peer} does not take it over."
        }
        guard group.outOfStep, group.peerRole == .holding else { return nil }
        return
            "goes on alone on {peer}, or may: the copy on {me} is not in step, and {me} does not "
            + "take it over."
    }

    /// What a strict group that is not in step lacks.
    private func lack(of state: ReplicationState?, _ group: String) -> String? {
        switch state {
        case nil, .inStep: nil
        case .degrading:
            "the commits of \(group) may wait for {peer}, which has no current copy, or are about to go"
                + " on alone. See why with \"picket history\"."
        case .degraded:
            "{peer} has no copy of what \(group) writes now: it goes on alone. It is brought in step"
                + " once the copy on {peer} has kept up for a while."
        case .restoring:
            "{peer} may not have all that \(group) has written: it is being brought in step."
        }
    }

    /// Without supply it reads *off* before it is fenced.
    private mutating func losesSupply(_ node: String, _ unproven: UnprovenFeedback?) {
        guard let unproven, !unproven.never else { return }
        add(
            "\(node) loses its supply", .unprotected,
            "\(node) without supply "
                + Self.text(unproven))
    }

    private static func text(_ unproven: UnprovenFeedback) -> String {
        "would not be taken over: \(unproven.name) "
            + (unproven.never ? "shares a plug with a link, and " : "")
            + "may read off where its wire has parted, too. Wire it so that it then reads on, and "
            + "write \"unplugged: on\", or use two contacts (boards/README.md)."
    }

    private mutating func hang(_ report: StatusReport) {
        let status = report.status
        if status.watchdog > .zero {
            add(
                "{me} hangs", .protected,
                "its watchdog resets it within \(Text.span(status.watchdog)).")
        } else {
            add(
                "{me} hangs", .weakened,
                "no watchdog is armed here\(report.watchdog.fault.map { " (\($0))" } ?? ""); only "
                    + "{peer}'s fence would end it.")
        }
        guard status.isPeerHeard else { return }
        if status.peerWatchdogMilliseconds > 0 {
            let timeout = Duration.milliseconds(Int64(status.peerWatchdogMilliseconds))
            add(
                "{peer} hangs", .protected,
                "its watchdog resets it within \(Text.span(timeout)).")
        } else {
            add(
                "{peer} hangs", .weakened,
                "no watchdog is armed there; only {me}'s fence would end it.")
        }
    }

    private mutating func links(_ report: StatusReport) {
        let (status, names) = (report.status, report.names)
        let up = status.linksUp.count
        let configured = report.policy.linkCount
        if up == 0 {
            add("a link fails", .unprotected, "no link carries both ways now.")
        } else if configured == 1 {
            add(
                "the link fails", .weakened,
                "it is the only one: a node would be fenced for a cable. Add a second under "
                    + "\"links:\".")
        } else if up == 1 {
            let down = (0..<configured).filter { !status.linksUp.contains($0) }
            add(
                "a link fails", .weakened,
                "only one of \(configured) is left; down: "
                    + "\(Text.list(down.map { names.link($0) })).")
        } else if up < configured {
            add("a link fails", .weakened, "\(up - 1) would be left; down now: \(configured - up).")
        } else {
            add("a link fails", .protected, "\(up - 1) of \(up) would carry on.")
        }
    }

    private mutating func services(_ report: StatusReport) {
        let (status, names) = (report.status, report.names)
        for (index, group) in status.groups.enumerated() where isEnabled(index, report) {
            if let lack = inStepLack(of: group, names.group(index)) {
                add(names.group(index), .unprotected, lack)
            }
            if group.maintained {
                let isUp = group.running || group.peerRunning
                add(
                    names.group(index), .unprotected,
                    "is in maintenance\(isUp ? "" : " and down"): whatever fails, it is not taken "
                        + "over. End it with \"picket maintenance off \(names.group(index))\".")
                continue
            }
            if group.diverged {
                let isUp = group.running || group.peerRunning
                add(
                    names.group(index), .unprotected,
                    "has data that have diverged: each node has something that the other lacks. "
                        + (isUp
                            ? "Make the copy of the node that does not run it anew."
                            : "Say \"picket take \(names.group(index)) --stale\" on the node whose "
                                + "data are to stay."))
                continue
            }
            let isHeard = status.isPeerHeard
            if group.running || isHeard && group.peerRunning { continue }
            if status.maintenance || status.peerMaintenance {
                add(
                    names.group(index), .unprotected,
                    "is down, and nothing is done about it in maintenance. "
                        + narrator.advice(.maintenance))
                continue
            }
            if group.role == .holding || isHeard && group.peerRole == .holding {
                add(names.group(index), .weakened, "is being started; it does not run yet.")
            } else {
                add(names.group(index), .unprotected, whyDown(index, group, status))
            }
        }
    }

    /// Why a group that no node is known to run does not start here, and what to do.
    private func whyDown(_ index: GroupIndex, _ group: GroupStatus, _ status: Status) -> String {
        let isKnown =
            status.isPeerHeard || status.receipt != nil
        var down =
            group.peerRunning
            ? "was active on {peer} when that was last heard"
            : isKnown
                ? "runs on no node"
                : "does not run on {me}, which cannot tell whether {peer} runs it"
        if isAboutToFence(status), group.obstacle == status.protectionGap {
            return down + ": {me} is about to fence {peer}. See \"picket history\"."
        }
        down += group.peerRunning ? ", and {me} does not take it over: " : ": "
        guard let obstacle = group.obstacle else {
            return down + "it is about to be started. See \"picket history\"."
        }
        var why = narrator.why(obstacle)
        if obstacle == .selfIneligible {
            why = "it failed on {me}"
            if group.failures > 1 { why += " \(group.failures) times in a row" }
            if let wait = group.blockedFor {
                why += ", and is not tried there again for \(Text.span(wait))"
            }
        }
        return down + why + ". " + narrator.advice(obstacle, of: index, status)
    }

    private mutating func moves(_ report: StatusReport) {
        guard let refill = report.status.movesRefillIn else { return }
        add(
            "a service fails", .weakened,
            "it stays where it is: groups have moved too often lately. One may move again in "
                + "\(Text.span(refill)), or after \"picket clear budgets\" on both nodes.")
    }

    private mutating func health(_ report: StatusReport) {
        var blind: [String] = []
        for sensor in report.sensors where sensor.isBlind {
            blind.append("\(sensor.name) (\(sensor.fault ?? sensor.state.label))")
        }
        guard !blind.isEmpty else { return }
        add("a sensor's limit is passed", .weakened, "nobody would see it at \(Text.list(blind)).")
    }

    private mutating func settings(_ report: StatusReport) {
        let status = report.status
        if !status.configurationAgrees, status.contact == .established {
            var stay: [String] = []
            for (index, group) in status.groups.enumerated()
            where !group.difference.isDisjoint(with: [.unlisted, .resources]) {
                stay.append(report.names.group(index))
            }
            let groups =
                stay.isEmpty
                ? "" : " \(Text.list(stay)) cannot move: only one file lists it, or the two differ."
            add(
                "the configurations differ", .unprotected,
                "{me} and {peer} do not agree on settings of the pair; compare "
                    + "their files and reload.\(groups)")
        }
        if let fault = report.unitsFault {
            add("a unit must start or stop", .unprotected, "it would not on {me}: \(fault).")
        }
        if !report.strayUnits.isEmpty {
            add(
                "a unit runs beside its group", .unprotected,
                "\(Text.list(report.strayUnits)) on {me}, where the group is not active. Stop it, and "
                    + "see who has started it.")
        }
        if !report.unitStarters.isEmpty {
            add(
                "a unit starts by itself", .weakened,
                "systemd would start it on {me}, without asking picket: "
                    + "\(Text.list(report.unitStarters)). Disable that, or name it among the "
                    + "group's resources.")
        }
        if let place = report.process.volatileState {
            add(
                "{me} loses its power", .weakened,
                "it forgets its terms, and they may be used again: its state directory lies on "
                    + "\(place). Put it on a disk.")
        }
        if let refused = report.process.realTimeRefused {
            add(
                "the node is overloaded", .weakened,
                "the agent has no real-time priority (\(refused)) and may be late.")
        }
        if let refused = report.process.lockedMemoryRefused {
            add(
                "memory runs out", .weakened,
                "the agent's memory is not locked (\(refused)) and may be swapped out.")
        }
    }

    private mutating func peersGaps(_ report: StatusReport) {
        guard report.status.isPeerHeard, let gaps = report.status.peerGaps else { return }
        for (gap, failure, verdict, text) in Self.gapsOfPeer where gaps.contains(gap) {
            add(failure, verdict, text)
        }
    }

    private func isEnabled(_ group: GroupIndex, _ report: StatusReport) -> Bool {
        report.policy.groups.indices.contains(group) && report.policy.groups[group].enabled
    }
}
