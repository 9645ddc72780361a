public import PicketCore
public import PicketHardware
import PicketText

/// A notice of the agent's, besides its machine's trace: on power and relays, watchdogs and resets,
/// resources and sensors, its configuration and drills. It stands in log and history, as a `Trace`
/// does.
public enum Notice: Sendable {
    // The peer's power, where no order of the machine's is behind it
    case powerIsBack
    case powerIsNotBack
    /// The agent ends before its fence has ended.
    case powerIsLeft
    case fenceTimed(own: Duration, inDriver: Duration)
    case relayTrouble(String)
    case relayReady
    // This node's watchdog, and why the node started again
    case noWatchdog(String)
    case watchdogUnfed
    case resetByWatchdog
    case plannedEnd
    case powerWasLost
    case wasFenced
    // What runs here
    case resource(GroupIndex, resource: String, ResourceAction, ResourceFailure.Kind)
    /// A unit runs here, and its group is not active here. It is stopped, or in maintenance left.
    case unitConflict(GroupIndex, unit: String, stops: Bool)
    case runNotNoted(reason: String)
    /// An agent that starts finds it so.
    case runNoteDamaged(reason: String)
    case stateRestored(reason: String)
    case sensor(name: String, Verdict, reading: String, simulated: Bool)
    // The changed configuration
    case reloadNeedsRestart(for: [String])
    case reloadOfAnotherPair
    case reloaded
    case reloadRefused(errors: Int)
    case drill(DrillReport)
    case apply(ApplyNews)

    /// What became of a configuration that was applied to both nodes.
    public enum ApplyNews: Equatable, Sendable {
        case refused(by: String)
        case taken(byPeer: Bool, within: UInt32)
        case confirmed
        case takenBack
        case notTakenBack(reason: String)
        case notPutInPlace(reason: String)
        /// A restarted agent finds it so.
        case unsettled(isNew: Bool)
    }

    /// The kind under which it stands in the history.
    public enum Kind: UInt8, CaseIterable, Sendable {
        case apply, drill, fenceTiming, note, power, relay, reload, reset, resource, sensor
        case state, watchdog

        public var label: String {
            switch self {
            case .apply: "apply"
            case .drill: "drill"
            case .fenceTiming: "fence_timing"
            case .note: "note"
            case .power: "power"
            case .relay: "relay"
            case .reload: "reload"
            case .reset: "reset"
            case .resource: "resource"
            case .sensor: "sensor"
            case .state: "state"
            case .watchdog: "watchdog"
            }
        }
    }
}

extension Notice {
    public var kind: Kind {
        switch self {
        case .powerIsBack, .powerIsNotBack, .powerIsLeft: .power
        case .fenceTimed: .fenceTiming
        case .relayTrouble, .relayReady: .relay
        case .noWatchdog, .watchdogUnfed: .watchdog
        case .resetByWatchdog, .plannedEnd, .powerWasLost, .wasFenced: .reset
        case .resource, .unitConflict: .resource
        case .runNotNoted, .runNoteDamaged: .note
        case .stateRestored: .state
        case .sensor: .sensor
        case .reloadNeedsRestart, .reloadOfAnotherPair, .reloaded, .reloadRefused: .reload
        case .drill: .drill
        case .apply: .apply
        }
    }

    public var severity: Trace.Kind.Severity {
        switch self {
        case .fenceTimed: .info
        case .powerIsBack, .relayReady, .plannedEnd, .reloaded: .notice
        case .resetByWatchdog, .powerWasLost, .wasFenced, .reloadNeedsRestart,
            .reloadOfAnotherPair, .reloadRefused, .stateRestored:
            .warning
        case .powerIsNotBack, .powerIsLeft, .relayTrouble, .noWatchdog, .watchdogUnfed,
            .runNotNoted, .runNoteDamaged, .unitConflict:
            .alarm
        case .resource(_, _, _, let failure): failure == .unkillable ? .alarm : .warning
        case .sensor(_, let verdict, _, _):
            switch verdict.level {
            case .ok: .notice
            case .unknown, .warn: .warning
            case .critical: .alarm
            }
        case .drill(let report): report.verdict == .failed ? .warning : .notice
        case .apply(let news):
            switch news {
            case .taken, .confirmed: .notice
            case .refused, .takenBack, .unsettled: .warning
            case .notTakenBack, .notPutInPlace: .alarm
            }
        }
    }

    /// A drill had a part in it.
    var isSimulated: Bool {
        switch self {
        case .drill: true
        case .sensor(_, _, _, let simulated): simulated
        default: false
        }
    }

    /// The measured figures, by the names of JSON's fields.
    var figures: [(name: String, value: Double)] {
        guard case .fenceTimed(let own, let inDriver) = self else { return [] }
        return [("own_ms", inMilliseconds(own)), ("driver_ms", inMilliseconds(inDriver))]
    }
}

extension Narrator {
    @inline(never)
    public func sentence(_ notice: Notice) -> String {
        switch notice {
        case .powerIsBack: return filled("{peer} has its power back.")
        case .powerIsNotBack:
            return filled(
                "The power of {peer} could not be switched on again; {me} tries every 5 s.")
        case .powerIsLeft:
            return filled(
                "{peer} may be left without power: the agent on {me} ends before its fence has.")
        case .fenceTimed(let own, let inDriver):
            return "From the sense line's edge to the proof the agent took"
                + " \(Text.number(inMilliseconds(own))) ms, and the line's driver"
                + " \(Text.number(inMilliseconds(inDriver))) ms."
        case .relayTrouble(let trouble): return "No fence by relay: \(trouble)."
        case .relayReady: return "The relay's lines are open."
        case .noWatchdog(let fault): return "No watchdog: \(fault)."
        case .watchdogUnfed: return "The watchdog could not be fed."
        case .resetByWatchdog: return filled("{me} was reset by its watchdog.")
        case .plannedEnd: return filled("{me} starts again after a planned stop.")
        case .powerWasLost:
            return filled("{me} lost its power or was reset, without a planned stop.")
        case .wasFenced: return filled("{me} was fenced: {peer} cut its power.")
        case .resource(let group, let resource, let action, let failure):
            return "\(names.group(group)): \(action.text) of \(resource) \(how(failure))."
        case .unitConflict(let group, let unit, let stops):
            return filled(
                "\(names.group(group)): \(unit) runs on {me}, where the group is not active. "
                    + (stops ? "It is stopped." : "In maintenance nothing is done about it."))
        case .runNotNoted(let reason):
            return "The note of what runs here cannot be written (\(reason)): a restarted agent"
                + " will not know it."
        case .runNoteDamaged(let reason):
            return filled(
                "The note of what runs here is damaged (\(reason)): it is not known what runs on {me}. "
                    + "Every group is stopped here before it starts anywhere.")
        case .stateRestored(let reason):
            return "The state file was not whole (\(reason)). It is restored from its second copy,"
                + " which was the same; see to the disk."
        case .sensor(let name, let verdict, let reading, let simulated):
            return "Sensor \(name) is \(verdict.words): \(reading)"
                + (simulated ? " (drill)." : ".")
        case .reloadNeedsRestart(let settings):
            return "The changed configuration is not taken up: \(Text.list(settings)) can change"
                + " only with a restart (\"picket pause\", then restart the agent)."
        case .reloadOfAnotherPair:
            return "The changed configuration is not taken up, because it is for another pair."
        case .reloaded: return "The changed configuration is taken up."
        case .reloadRefused(let errors):
            return "The changed configuration is refused as a whole: it has"
                + " \(errors == 1 ? "an error" : "\(errors) errors")."
                + " The agent goes on with the one it has."
        case .drill(let report):
            return "Drill \(report.drill): \(report.verdict.label). \(report.conclusion)"
        case .apply(let news): return sentence(news)
        }
    }

    private func sentence(_ news: Notice.ApplyNews) -> String {
        switch news {
        case .refused(let node):
            return "A configuration for both nodes is refused by \(node); nothing is changed."
        case .taken(let byPeer, let within):
            return filled("{me} goes by the configuration that was applied on ")
                + (byPeer ? names.peer : names.node)
                + (within == 0
                    ? "."
                    : ". It is taken back in \(Text.span(.seconds(Int64(within)))) unless it is"
                        + " confirmed.")
        case .confirmed: return filled("The applied configuration stays on {me}.")
        case .takenBack: return filled("The applied configuration is taken back on {me}.")
        case .notTakenBack(let reason):
            return filled("The applied configuration is not taken back on {me}: ") + reason + "."
        case .notPutInPlace(let reason):
            return filled("The applied configuration is not put in place on {me}: ") + reason + "."
        case .unsettled(let isNew):
            return filled("An applied configuration is not settled: {me} has the ")
                + "\(isNew ? "new" : "old") one. \"picket status\" tells what to do."
        }
    }

    private func how(_ failure: ResourceFailure.Kind) -> String {
        switch failure {
        case .failed: "failed"
        case .timedOut: "did not end in its time and was killed"
        case .unkillable: "was killed and does not end: it hangs in the kernel"
        case .refused(let term):
            "was refused: its data are of term \(term.value), which is later"
        case .refusedWrongly(nil):
            "failed: it ended with exit code 79, which refuses a term, and printed no line"
                + " \"term N\" that names the term of its data"
        case .refusedWrongly(let term?):
            "failed: it refused the term that it was given and printed \"term \(term.value)\", which "
                + (term < .highestOfData ? "is not above that" : "no group can have")
        }
    }
}
