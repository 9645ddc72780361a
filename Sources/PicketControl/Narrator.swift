public import PicketCore
import PicketText

/// Says in one plain sentence what a trace entry means, with the operator's own names.
///
/// The same sentence stands in the log, in the history and on the terminal, so that one person can
/// search for the sentence that another reads at night. A sentence names who did what, then why;
/// numbers follow in the unit that a person thinks in.
public struct Narrator: Equatable, Sendable {
    public var names: Names

    public init(names: Names) { self.names = names }

    public func sentence(_ trace: Trace) -> String {
        fill(head(trace), trace) + reason(trace) + "."
    }

    /// A command was refused: why, and what to do about it.
    public func refusal(_ refusal: Refusal) -> String {
        let reason = why(refusal)
        // A name stays as the operator wrote it.
        let isName = reason.hasPrefix(names.node + " ") || reason.hasPrefix(names.peer + " ")
        return "\(isName ? reason : Self.capitalised(reason)). \(advice(refusal))"
    }

    /// The same for one group.
    public func refusal(_ refusal: Refusal, of group: GroupIndex) -> String {
        guard refusal == .groupWrong else { return self.refusal(refusal) }
        let name = names.group(group)
        return "\(name) is down where it should run, or may run where it should not "
            + "(\"picket status\" shows which). Mend it first; or let the pair restart it, "
            + "move it, or fence a node for it: give the same order with \"--despite \(name)\"."
    }

    // MARK: - Sentences

    /// The sentences below have their varying parts in braces: `{me}`, `{peer}`, `{group}`,
    /// `{term}` and so on, as `value` knows them. `{+ after }` is " after 41 ms" where there is a
    /// duration, else nothing. Filling them in here, in one place, costs the agent a third of as
    /// many string interpolations.
    func filled(_ template: String) -> String { fill(template, nil) }

    private func fill(_ template: String, _ trace: Trace?) -> String {
        var filled: [UInt8] = []
        var name: [UInt8]?
        for byte in template.utf8 {
            if byte == UInt8(ascii: "{") {
                name = []
            } else if let word = name, byte == UInt8(ascii: "}") {
                filled.append(contentsOf: value(String(decoding: word, as: UTF8.self), trace).utf8)
                name = nil
            } else if name != nil {
                name?.append(byte)
            } else {
                filled.append(byte)
            }
        }
        return String(decoding: filled, as: UTF8.self)
    }

    private func value(_ name: String, _ trace: Trace?) -> String {
        if name == "me" { return names.node }
        if name == "peer" { return names.peer }
        guard let trace else { return name }
        if name.utf8.first == UInt8(ascii: "+") {
            guard let duration = trace.duration else { return "" }
            return String(decoding: name.utf8.dropFirst(), as: UTF8.self) + Text.span(duration)
        }
        switch name {
        case "group", "GROUP": return names.group(trace.group)
        case "term": return trace.term.map { " (term " + String($0.value) + ")" } ?? ""
        case "Link": return Self.capitalised(link(trace))
        case "level": return level(trace)
        case "way": return names.fenceLevels.isEmpty ? "its fence" : names.fenceLevel(0)
        case "score": return score(trace)
        case "sync": return sync(trace)
        case "failure": return failure(trace)
        default: preconditionFailure("a sentence names what there is not")
        }
    }

    // MARK: - What happened

    /// One sentence for each kind; a new kind does not compile without its own.
    private func head(_ trace: Trace) -> String {
        switch trace.kind {
        case .contact:
            return "{me} and {peer} are in contact{+, round trip }"
        case .suspicion:
            return "{peer} has not answered{+ for }; {me} probes it on every link"
        case .contactLost:
            return "Contact with {peer} is lost{+: no answer for }"
        case .peerSession: return "The agent on {peer} has begun a new session"
        case .armed:
            return "{me} is armed: it will fence {peer} if contact is lost"
        case .peerLeft where trace.number != nil:
            return "{peer} has left by a planned stop: what is in maintenance runs on there, and "
                + "it holds nothing else"
        case .peerLeft: return "{peer} has left by a planned stop and holds no group"
        case .leaving: return "{me} is leaving: it stops its groups and gives them up"
        case .left: return "{me} has left and holds no group"
        case .pausing:
            return "{me} asks {peer} for a pause{+ of } to restart its agent"
        case .paused:
            return "{peer} agreed to the pause{+ of }; the agent on {me} ends "
                + "and its groups keep running"
        case .peerPaused:
            return "The agent on {peer} pauses{+ for up to }; {me} will not "
                + "fence it meanwhile"
        case .peerPauseEnded:
            return "The pause of {peer} is over and its agent has not come back: from now on "
                + "{peer} counts as silent"
        case .stalled:
            return "The agent on {me} did not run{+ for }; that time does "
                + "not count against {peer}"
        case .linkUp: return "{Link} carries both ways"
        case .linkDown: return "{Link} no longer carries both ways"
        case .fencePlanned where trace.number == 1:
            return "{me} is not fit to go on, and leaves the first turn to {peer}: it will fence "
                + "{peer}{+ in }"
        case .fencePlanned: return "{me} will fence {peer}{+ in }"
        case .fenceRefused: return "{me} does not fence {peer}{+ for }"
        case .fenceOrdered: return "{me} fences {peer} by {level}"
        case .fenceCancelled: return "The fence of {peer} is called off"
        case .fenceVoided where trace.cause == .none:
            return "The fence of {peer} by {level} cut nothing: the supply was on, or it came "
                + "too late"
        case .fenceVoided:
            return "The fence of {peer} by {level} came too late and cut nothing"
        case .fenceVerified:
            return "{peer} is verified off by {level}{+ after }"
        case .fenceFailed: return "The fence of {peer} failed{failure}"
        case .fenceRestored: return "{peer} has its power back and may boot"
        case .fenceNotRestored:
            return "A supply of {peer} stays off though it was to be switched on again: see that "
                + "it has power, look at {level}, or switch {peer} on by hand"
        case .fenceExhausted:
            return "Every way to fence {peer} has failed; {me} takes nothing over and tries "
                + "again{+ in }"
        case .fenceConfirmed: return "The operator gave their word that {peer} is off"
        case .fenceDisproved where trace.cause == .operatorConfirmed:
            return "{peer} lives: the operator's word that it is off is void"
        case .fenceDisproved:
            return "{peer} answered after it had been verified off: its fence, or what tells that "
                + "it is off, does not tell the truth"
        case .askedToBeFenced:
            return "{me} asks {peer} to fence {me}: a group that {me} agreed to hand over is not "
                + "stopped"
        case .claimed: return "{me} asks {peer} for {group}{term}"
        case .granted: return "{me} grants {group} to {peer}{term}"
        case .activating: return "{me} starts {group}{term}"
        case .active:
            return "{group} is active on {me}{term}{+ after }"
        case .releasing: return "{me} stops {group}"
        case .released:
            return "{group} is stopped on {me}{+ after }"
        case .yielded: return "{me} yields {group} to {peer}{term}"
        case .taken:
            // Without a group: the node goes on by itself, and its groups follow one by one.
            if trace.group == nil { return "{me} goes on without {peer}" }
            return "{me} takes {group} over from {peer}{term}"
        case .adopted:
            return "{me} found {group} running and keeps it{term}"
        case .startFailed:
            return "{group} failed to start on {me}{+; it is not tried again there for }"
        case .stopFailed:
            return "{group} could not be stopped on {me}: a part of it may still run here"
        case .monitorFailed:
            return "{group} failed its monitor on {me} more often than restart_limit allows"
                + "{+; it is not tried again there for }"
        case .restarted: return "{group} failed its monitor on {me} and is restarted here"
        case .moveRefused: return "{group} does not move{+ for }"
        case .conflict: return "{me} and {peer} disagree on who holds {group}{term}"
        case .syncChanged: return "The copy of {group} on {me} {sync}"
        case .degraded:
            return "{group} goes on alone on {me}: {peer} has no copy of what it writes from now "
                + "on, and does not take it over"
        case .restored:
            return "{group} is in step: its database on {me} acknowledges only what {peer} has as "
                + "well"
        case .degradeFailed:
            return "The degrade command of {group} failed on {me}: its commits may wait for "
                + "{peer}. It is tried again"
        case .restoreFailed:
            return "The restore command of {group} failed on {me}: it may go on alone, and {peer} "
                + "does not take it over. It is tried again"
        case .commitsWait:
            return "The commits of {group} on {me} may wait for {peer}: they go on alone once "
                + "{peer} is fenced, or has noted that it has no copy of them"
                + (trace.number == 1
                    ? "; it never notes that as long as its file has no strict for {group}" : "")
        case .diverged:
            return "The data of {group} have diverged: "
                + (trace.number == 2
                    ? "{peer} started it after {me}, and lacks something that {me} has"
                    : "{me} started it after {peer}, and lacks something that {peer} has")
                + ". Where nobody runs it, neither node starts it by itself. Make the one copy anew "
                + "from the other, or say \"picket take {group} --stale\" on the node whose data "
                + "are to stay"
        case .convergent:
            return "The data of {group} have diverged no longer: one copy follows the other, has "
                + "been wound back, or was named to stay"
        case .orphaned:
            return "{group} has no holder{term}"
        case .takeoverAsked:
            return "{peer} is off, and {group} waits for the operator: \"picket take {group}\" "
                + "starts it on {me}"
        case .copyRefused:
            return "{group} is not started on {me}: its copy of the data there is not known to be "
                + "the newest; \"picket take {group} --stale\" starts it on {me} all the same"
        case .staleTaken:
            return trace.cause == .command
                ? "{group} is to start on {me} whatever its copy of the data is"
                : "{group} starts on {me} with a copy of its data that is not current, as its "
                    + "\"takeover: allow\" has it: the newest data may be lost"
        case .copyAwaited:
            return "{me} waits with its planned stop{+ for up to } until the copy of {group} on "
                + "{peer} is current"
        case .leftStale:
            return trace.number == 1
                ? "{me} leaves, and {peer} goes on with {group} by a copy of its data that is not "
                    + "current, as its \"takeover: allow\" has it: the newest data may be lost"
                : "{me} leaves, and {peer} does not go on with {group}: the copy of its data there is "
                    + "not current. The group starts when the agent on {me} does"
        case .resetDue:
            return "{group} cannot be stopped on {me}, and {peer} cannot fence: {me} feeds its "
                + "watchdog no more, which resets it{+ within }"
        case .alwaysLate:
            return "The agent on {me} does not run when it should, again and again{+, in the last "
                + "10 s for }: it would find {peer} dead later than detect_within allows"
        case .inTimeAgain: return "The agent on {me} runs when it should again"
        case .changed: return "{group} goes by the changed configuration on {me}"
        case .changeWaits:
            return "{group} starts what is new of it on {me} once {peer} has the same groups"
        case .unready:
            return "Something that {group} needs to start is missing on {me}: it is not taken here"
        case .readyAgain: return "All that {group} needs to start is there again on {me}"
        case .retired:
            return "{group}, which the configuration no longer has, is stopped on {me}"
        case .startRefused:
            return "{group} does not start on {me}{term}: its data are of term "
                + "\(trace.number ?? 0), and it is to start above that"
        case .resetCalledOff: return "{me} feeds its watchdog again"
        case .resetRefused:
            return "{me} is not reset for {group}, which cannot be stopped here{+ for }"
        case .healthChanged: return "The health of {me} is {score}"
        case .peerHealthChanged: return "The health of {peer} is {score}"
        case .unfitBoth:
            return "Both nodes are unfit: {group} stays where it is"
        case .maintenance:
            let heard = trace.cause == .command ? "" : ", as was ordered on {peer}"
            if trace.group != nil, trace.refusal != nil {
                return "Maintenance of {group} alone is off" + heard
                    + ", and nothing is done about it yet"
            }
            if trace.group != nil {
                return trace.number == 0
                    ? "Maintenance of {group} is off: {me} starts and moves it again" + heard
                    : "Maintenance of {group} is on: {me} starts, restarts, moves and takes over "
                        + "all but this group by itself" + heard
            }
            return trace.number == 0
                ? "Maintenance is off: {me} fences and moves groups again" + heard
                : Self.maintenanceIsOn + heard
        case .ailing:
            return "{group} fails its monitor on {me}: nothing is done about it in maintenance"
        case .strayed:
            return "Something of {group} runs on {me}, which does not hold it: nothing is done "
                + "about it in maintenance"
        case .strayGone: return "Nothing of {group} is seen to run on {me} any more"
        case .recovered: return "{group} is well again on {me}"
        case .budgetsCleared:
            return "What {me} has spent of its fences and moves is given back; {peer} counts for "
                + "itself"
        case .leftRunning:
            return "The agent on {me} ends: what is in maintenance there keeps running, and nobody "
                + "watches it"
        case .peerMaintenance:
            return trace.number == 0
                ? "{peer} is out of maintenance" : "{peer} is in maintenance"
        case .relayTestFailed:
            return "The self-test of the fence failed: {me} could not fence {peer} now"
        case .relayTestPassed:
            return "The self-test of the fence passed: it answers, and sees {peer} on"
        case .watchdogUnarmed:
            return "The hardware watchdog of {me} is not armed: a hang of this node ends only "
                + "when {peer} fences it"
        case .watchdogArmed:
            return "The hardware watchdog of {me} is armed{+ with a timeout of }"
        case .configurationDiffers:
            return "The configurations of {me} and {peer} differ in settings that must agree: "
                + "compare the two files"
        case .groupDiffers: return difference(trace.number ?? 0)
        case .groupAgrees: return "The files of {me} and {peer} agree on {group}"
        case .peerListsOthers:
            return trace.number == 0
                ? "{me} lists every group that {peer} lists"
                : "{peer} lists groups that {me} does not: \(trace.number ?? 0)"
        case .configurationAgrees: return "The configurations of {me} and {peer} agree"
        case .persistFailed:
            let what =
                trace.duration == nil
                ? "cannot be written" : "is not written, for its disk has not answered{+ for }"
            return "The state file of {me} " + what + ": until it can be, a group is taken over "
                + "by terms in reserve, which are enough for once or twice, and a group with sync "
                + "not at all"
        case .persistRecovered: return "The state file of {me} can be written again"
        case .drillBegan: return "A drill has begun on {me}"
        case .drillEnded: return "The drill on {me} has ended"
        case .drillPlan: return plan(trace)
        case .commandRefused: return "The operator's order is refused"
        }
    }

    private func difference(_ bits: UInt64) -> String {
        let difference = GroupDifference(rawValue: UInt8(truncatingIfNeeded: bits))
        if difference.contains(.unlisted) {
            return "{peer} does not list {group}: it cannot move there until both files list it"
        }
        return difference.contains(.resources)
            ? "The files of {me} and {peer} give {group} other resources: it does not move until "
                + "they agree, unless one node is off"
            : "The files of {me} and {peer} differ in the settings of {group}"
    }

    static var maintenanceIsOn: String {
        "Maintenance is on: {me} fences nobody, and starts, restarts and moves nothing by itself"
    }

    private func plan(_ trace: Trace) -> String {
        switch trace.refusal {
        case .notReady, .notPersisted, .copyNotCurrent:
            return "If {peer} died now, {me} would not take over all that it holds"
        case .some: return "If {peer} died now, {me} would not fence it"
        case nil: break
        }
        if trace.group != nil {
            return "{group} would wait on {me} for the operator, who starts it with \"picket take "
                + "{group}\""
        }
        return "If {peer} died now, {me} would fence it by {way}{+, have it off within }, "
            + "and take over what it holds"
    }

    // MARK: - The parts of a sentence

    private func reason(_ trace: Trace) -> String {
        if let refusal = trace.refusal { return ": \(why(refusal, trace))" }
        // The sentence itself says it, or says what the cause was not of.
        if trace.kind == .startFailed || trace.kind == .monitorFailed { return "" }
        if trace.kind == .fenceDisproved,
            trace.cause == .operatorConfirmed || trace.cause == .fenceDisproved
        {
            return ""
        }
        // A sentence about a drill says so already.
        if trace.cause == .drill, isAboutADrill(trace.kind) { return "" }
        let cause = why(trace.cause)
        return cause.isEmpty ? "" : ", because \(cause)"
    }

    private func isAboutADrill(_ kind: Trace.Kind) -> Bool {
        kind == .drillBegan || kind == .drillEnded || kind == .drillPlan
    }

    private func link(_ trace: Trace) -> String {
        trace.number.map { names.link(Int(truncatingIfNeeded: $0 & 0xFF)) } ?? "a link"
    }

    private func level(_ trace: Trace) -> String {
        guard let number = trace.number else { return "its fence" }
        return names.fenceLevel(Int(truncatingIfNeeded: number & 0xFF))
    }

    /// `number` of `fenceFailed`.
    private func failure(_ trace: Trace) -> String {
        switch FenceFailure(rawValue: UInt8(truncatingIfNeeded: trace.number ?? 0)) {
        case .stillOn: ": its feedback still reads on"
        case .unreachable: ": the relay or its line could not be driven"
        case .contradictory: ": its feedback contradicts what was known before the cut"
        case .unreadable: ": its feedback could not be read"
        case .undecided:
            ": its feedback reads neither on nor off (two contacts that must differ read alike, or a "
                + "rail's voltage is between the two)"
        case .timeout: ": it did not report in time"
        case .agent: ": the fence agent ended with an error"
        case .unproven:
            ": a sense wire that has parted would read off as well, which proves nothing; wire it "
                + "so that it then reads on (boards/README.md) and write \"unplugged: on\""
        case nil: ""
        }
    }

    private func score(_ trace: Trace) -> String {
        guard let number = trace.number else { return "changed" }
        return number == 0 ? "0 of 100 (unfit)" : "\(number) of 100"
    }

    private func sync(_ trace: Trace) -> String {
        switch GroupReport.SyncState(rawValue: UInt8(truncatingIfNeeded: trace.number ?? 0)) {
        case .current: "is current"
        case .stale: "is too far behind"
        case .failed: "could not be checked: its probe failed"
        case .unknown, nil: "is no longer watched"
        }
    }

    /// A clause that follows "because"; empty for `none`.
    func why(_ cause: Cause) -> String { fill(clause(cause), nil) }

    private func clause(_ cause: Cause) -> String {
        switch cause {
        case .contactLost: return "contact with {peer} is lost"
        case .command: return "the operator ordered it"
        case .peerAskedForIt: return "{peer} asked for it"
        case .healthCritical: return "a node is unfit"
        case .monitorFailed: return "a monitor failed"
        case .startFailed: return "a start failed"
        case .stopFailed: return "a stop failed"
        case .failback: return "the group belongs on its preferred node"
        case .formation: return "the pair is forming and nobody holds it"
        case .peerYielded: return "{peer} yielded it"
        case .peerLeft: return "{peer} left by a planned stop"
        case .aloneAfter: return "{me} has not heard {peer} since it booted"
        case .operatorConfirmed: return "the operator confirmed that {peer} is off"
        case .fenced: return "{peer} is fenced"
        case .agentRestarted: return "the agent was restarted"
        case .plannedStop: return "a planned stop was asked for"
        case .drill: return "of a drill"
        case .fenceDisproved: return "{peer} answered after it had been verified off"
        case .conflict: return "the two nodes disagreed"
        case .peerAnswered: return "{peer} answered in time"
        case .late: return "it came too late"
        case .configurationChanged: return "the configuration was changed"
        case .termRefused: return "its data are of a later term"
        case .none: return ""
        }
    }

    /// A whole clause without its full stop.
    func why(_ refusal: Refusal, _ trace: Trace? = nil) -> String { fill(clause(refusal), trace) }

    private func clause(_ refusal: Refusal) -> String {
        switch refusal {
        case .notInContact: return "{me} is not in contact with {peer}"
        case .inContact: return "{me} is in contact with {peer}"
        case .maintenance: return "the pair is in maintenance"
        case .groupMaintained: return "a group is in maintenance"
        case .notArmed: return "{me} has had no contact with {peer} since it booted"
        case .turnUnknown:
            return "{me} has heard too little of {peer} since its agent started to know when it is "
                + "its turn"
        case .fenceBudgetSpent: return "{me} has fenced {peer} too often lately"
        case .moveBudgetSpent: return "groups have moved too often lately"
        case .noFence: return "no way to fence {peer} is configured, or can be believed"
        case .busy: return "another fence, move, pause or drill is under way"
        case .peerUnfit: return "{peer} is unfit"
        case .peerStops: return "{peer} is not done with stopping the group"
        case .selfUnfit: return "{me} is unfit"
        case .peerStale: return "the copy on {peer} is too far behind, or its probe failed"
        case .notHeld: return "no node holds the group"
        case .alreadyThere: return "the group is where it should be already"
        case .unknownGroup: return "this pair has no such group"
        case .peerIneligible: return "{peer} failed to start the group, or refuses it"
        case .leaving: return "a node is leaving"
        case .peerMayHold: return "{peer} may hold a group, as far as {me} knows"
        case .drill: return "a drill is under way"
        case .tooLong: return "the time asked for is too long"
        case .peerLeft: return "{peer} left by a planned stop and holds nothing"
        case .notPersisted: return "the state file on {me} cannot be written"
        case .selfIneligible: return "{me} failed to start the group"
        case .groupsDiffer:
            return "only one of the files of {me} and {peer} lists it, or they give it other "
                + "resources"
        case .peerHeard: return "{peer} was heard only a moment ago"
        case .peerNotPersisted:
            return "the state file on {peer} cannot be written, and no term is left in it"
        case .notAsked: return "no group waits on {me} to be taken over"
        case .peerUnaware: return "{peer} has not shown that it knows"
        case .groupWrong:
            return "{group} is down where it should run, or may run where it should not"
        case .copyNotCurrent:
            return "the copy of its data on {me} is not known to be current"
        case .notReady: return "something that the group needs to start is missing on {me}"
        case .peerNotReady: return "something that the group needs to start is missing on {peer}"
        case .timesDiffer:
            return "the times in the files of {me} and {peer} differ, or {peer} does not know yet "
                + "that they are the same, and neither node has a turn that is certain to be its own"
        case .overruled: return "a newer order, given on {peer}, says the opposite"
        case .peerOff: return "{peer} is off, as a fence or the operator's word has it"
        case .fenceFailed: return "every way to fence {peer} has failed"
        case .takeoverAsked: return "{peer} is off, and the group waits for the operator"
        case .peersTurn: return "{peer} is to start the group"
        case .notGranted: return "{peer} has not agreed yet that {me} starts the group"
        case .selfStops: return "{me} is not done with stopping it, or what was in its place"
        case .disabled: return "the file has the group disabled"
        }
    }

    /// What the operator can do about it: one or two sentences.
    func advice(_ refusal: Refusal) -> String { fill(remedy(refusal), nil) }

    /// The same of one group.
    func advice(_ refusal: Refusal, of group: GroupIndex) -> String {
        fill(remedy(refusal), Trace(.commandRefused, group: group))
    }

    /// Advises no word that a peer is off which speaks, or would be refused it.
    func advice(_ refusal: Refusal, of group: GroupIndex? = nil, _ status: Status) -> String {
        let usual = group.map { advice(refusal, of: $0) } ?? advice(refusal)
        switch refusal {
        case .notInContact, .notArmed, .turnUnknown, .peerMayHold, .fenceFailed:
            if status.peerSpeaks {
                return fill("It speaks, so it is not off: mend the links.", nil)
            }
            guard status.peerWasHeard else { return usual }
            return fill(
                "Mend the links, or start its agent. It was heard a moment ago: if it is off, say so "
                    + "with \"picket fence confirm {peer}\" once it has been silent for 10 s (or for "
                    + "three times detect_within, where that is longer).", nil)
        case .noFence:
            guard status.peerWasHeard else { return usual }
            return fill(
                "Add a relay or a fence agent under \"fence:\", or mend the one that failed and say "
                    + "so with \"picket clear\".", nil)
        default: return usual
        }
    }

    private func remedy(_ refusal: Refusal) -> String {
        switch refusal {
        case .notInContact:
            return "Bring the agent on {peer} or a link back first (\"picket status\" shows "
                + "which); if {peer} is dead and off, say so with \"picket fence confirm "
                + "{peer}\"."
        case .inContact:
            return "A node that answers is not off. To cut its power nevertheless, use \"picket "
                + "fence {peer}\"."
        case .maintenance: return "End it with \"picket maintenance off\", on either node."
        case .groupMaintained:
            return "End it with \"picket maintenance off {GROUP}\", on either node."
        case .notArmed, .turnUnknown:
            return "Start the agent on {peer} and wait for contact; if {peer} is known to be "
                + "off, say so with \"picket fence confirm {peer}\"."
        case .fenceBudgetSpent:
            return "Find out why with \"picket history\"; the budget refills with time, and at "
                + "once with \"picket clear budgets\". On your order, \"picket fence {peer}\", {me} "
                + "fences {peer} at once."
        case .moveBudgetSpent:
            return "Find out why with \"picket history\"; the budget refills with time, and at "
                + "once with \"picket clear budgets\" on both nodes."
        case .noFence:
            return "Add a relay or a fence agent under \"fence:\", or mend the one that failed and "
                + "say so with \"picket clear\"; without one, only \"picket fence confirm {peer}\" "
                + "lets {me} take over."
        case .busy:
            return "Wait for it to end (\"picket history --follow\" shows it), then ask again."
        case .peerUnfit:
            return "See its sensors with \"picket status\" on {peer}, and mend what is critical."
        case .peerStops:
            return "Wait a moment, then ask again; if it stays so, see \"picket status\" on {peer}."
        case .selfUnfit:
            return "See the sensors in \"picket status\", and mend what is critical."
        case .peerStale:
            return "Wait until the copy has caught up, and see why the probe fails on {peer}."
        case .notHeld:
            return "See \"picket history\" for why it stopped; \"picket clear\" lets it be tried "
                + "again."
        case .alreadyThere: return "There is nothing to do."
        case .unknownGroup: return "\"picket status\" lists the groups."
        case .peerIneligible:
            return "Find out why with \"picket history\" on {peer}, mend it, and run \"picket "
                + "clear\" there."
        case .leaving: return "Wait until its agent has been started again."
        case .peerMayHold:
            return "Start {peer}, or make certain that it is off and say so with \"picket fence "
                + "confirm {peer}\"."
        case .drill: return "Wait for it to end, or end it with ctrl-C where it was started."
        case .tooLong: return "Ask for less; \"picket timing\" shows the longest pause."
        case .peerLeft: return "Start the agent on {peer} if it is to come back."
        case .notPersisted:
            return "Free space on its disk, or mend the disk; the agent tries again by itself."
        case .selfIneligible:
            return "Find out why with \"picket history\", mend it, and run \"picket clear\"."
        case .groupsDiffer:
            return
                "Give both nodes the same file with \"picket apply FILE\", or make the files equal "
                + "and reload (\"systemctl reload picketd\"); until then a group that differs does "
                + "not move."
        case .peerNotPersisted:
            return "Free space on the disk of {peer}, or mend the disk; its agent tries again by "
                + "itself."
        case .peerUnaware: return "Say the same on {peer}, or mend the links."
        case .groupWrong:
            return "Mend it, or give the same order with \"--despite {GROUP}\"."
        case .peerHeard:
            return
                "A node that speaks is not off. Make certain that it has no power, wait until it "
                + "has been silent for 10 s (or for three times detect_within, where that is "
                + "longer), and confirm it again."
        case .notAsked:
            return "\"picket status\" shows which group waits; one that {peer} runs moves by "
                + "\"picket handover\"."
        case .copyNotCurrent:
            return "Start the node that has the newest data. Where they are lost, or this copy is "
                + "the newest after all, \"picket take {GROUP} --stale\" starts it here."
        case .notReady:
            return "\"picket status\" shows what; once it is there, the agent notices by itself."
        case .peerNotReady:
            return "\"picket status\" on {peer} shows what; once it is there, its agent notices by "
                + "itself."
        case .timesDiffer:
            return "Give both nodes the same file with \"picket apply FILE\". On your order, "
                + "\"picket fence {peer}\", {me} fences {peer} at once."
        case .overruled:
            return "Ask who gave it (\"picket history\" shows it), then give the order again."
        case .peerOff:
            return "Find out why with \"picket history\", then mend {peer} and switch it on."
        case .fenceFailed:
            return "See how it failed with \"picket history\"; {me} tries again by itself. If "
                + "{peer} is off, say so with \"picket fence confirm {peer}\"."
        case .takeoverAsked: return "\"picket take {GROUP}\" starts it on {me}."
        case .peersTurn, .notGranted: return "See \"picket status\" on {peer}."
        case .selfStops:
            return "See what does not end with \"picket history\"; once it is mended, \"picket "
                + "clear\" tries again at once."
        case .disabled: return "Enable it in both files, and reload."
        }
    }

    private static func capitalised(_ text: String) -> String {
        guard let first = text.utf8.first, first >= UInt8(ascii: "a"), first <= UInt8(ascii: "z")
        else { return text }
        var bytes = Array(text.utf8)
        bytes[0] = first - 32
        return String(decoding: bytes, as: UTF8.self)
    }
}
