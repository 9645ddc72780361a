/// Root's helper (picket-units) and the groups' units, as the agent sees them now and then.
///
/// A takeover is too late to find out that the helper is gone. And what starts a unit by itself, or
/// has started it, is no affair of the group's runner, which knows of its own actions only:
///
/// - A unit that runs though its group is not active here, whoever started it, or by a person's hand
///   after maintenance, is a *stray*: the peer may run it as well. It is alarmed and, but for
///   maintenance, stopped. A start of the group's takes that stop back.
/// - What systemd would start a unit for is told. The guard keeps it from that, as long as the
///   agent is enabled.
/// - A group of which a unit cannot be started here is not *ready*, and the machine is told: the group
///   is not handed over to this node, nor taken over by it.
/// - A unit of a group that runs here without a warrant was started by an agent that knew of none:
///   it is given one.

import PicketConfig
import PicketControl
import PicketCore
import PicketLinux
import PicketText

final class Units: Part {
    struct Named: Equatable {
        var group: GroupIndex
        var unit: String
    }

    private var named: [Named]
    private var lookAt: Instant
    private var isLooking = false
    /// The groups that were not active here when the look began. What it finds of one that was is
    /// older than what the agent knows.
    private var wereVacant: [GroupIndex] = []
    private var lines: [String] = []
    /// Looks in a row to which the helper gave no answer. One may be late on a busy computer.
    private var silences = 0
    /// Why not all units could be started or stopped, and what to do; `nil` where they could.
    private(set) var fault: String?
    private(set) var strays: [Named] = []
    /// What would start a unit by itself.
    private(set) var starters: [String] = []

    static let interval = Duration.seconds(10)
    static let within = Duration.seconds(5)

    /// - Parameter settings: none where nothing is to be looked at.
    init(_ settings: Configuration?, at now: Instant) {
        named = settings.map { Units.named($0) } ?? []
        lookAt = now
    }

    /// The configuration was changed.
    func takeUp(_ settings: Configuration, _ agent: Agent) {
        let now = agent.now
        named = Units.named(settings)
        tell(unready: [], among: { group in !named.contains { $0.group == group } }, agent)
        strays.removeAll { !named.contains($0) }
        lookAt = min(lookAt, now + .seconds(1))
    }

    /// The units of what is retired may be those of a group that is listed.
    private static func named(_ settings: Configuration) -> [Named] {
        var named: [Named] = []
        for (index, group) in settings.groups.enumerated()
        where settings.policy.groups[index].listing == .listed {
            for case .unit(let unit) in group.resources.map({ $0.kind }) {
                named.append(Named(group: index, unit: unit))
            }
        }
        return named
    }

    override var due: Instant { named.isEmpty || isLooking ? .distantFuture : lookAt }

    override func pass(_ agent: Agent) {
        lookAt = agent.now + Units.interval
        isLooking = true
        lines = []
        wereVacant = agent.status.groups.indices.filter {
            agent.status.groups[$0].role == .vacant
        }
        ask(["look"], as: .units, agent)
    }

    private func ask(_ words: [String], as purpose: ProcessTable.Purpose, _ agent: Agent) {
        agent.processes.run(
            Launch(
                arguments: ["picket-units"] + HelperPlace.connected + ["--patience", "1000"]
                    + words,
                environment: agent.processes.environment, mostLines: 20_000,
                connection: Launch.Connection(
                    to: agent.options.helper, within: .seconds(1))),
            as: purpose, until: agent.now + Units.within)
    }

    func heard(_ line: String) { lines.append(line) }

    /// Something was done about what was seen.
    func lookSoon(_ agent: Agent) { lookAt = min(lookAt, agent.now + .seconds(1)) }

    func looked(_ end: ChildEnd, _ agent: Agent) {
        isLooking = false
        let (faultBefore, straysBefore, startersBefore) = (fault, strays, starters)
        let states = end == .exited(0) ? UnitState.read(lines) : []
        fault = Units.fault(named.map { $0.unit }, states, answers: end == .exited(0))
        silences = end == .exited(0) ? 0 : silences + 1
        if end == .exited(0) { judge(states, agent) }
        if silences == 1 {
            lookSoon(agent)
        } else {
            tell(unready: Units.unready(named, states), among: { _ in true }, agent)
        }
        guard fault != faultBefore || strays != straysBefore || starters != startersBefore else {
            return
        }
        agent.noteChange()
        if let fault, fault != faultBefore { agent.log(.critical, fault) }
    }

    private func judge(_ states: [UnitState], _ agent: Agent) {
        // A unit that leaves one group for another runs until it is stopped for the one.
        guard !agent.isDropping else { return lookSoon(agent) }
        let status = agent.status
        let hands = status.maintenance || status.peerMaintenance
        var found: [Named] = []
        for one in named {
            guard let state = UnitState.of(one.unit, in: states) else { continue }
            let group = status.groups[one.group]
            if group.role == .vacant, !wereVacant.contains(one.group) { continue }
            // The helper clears nothing that has the group's warrant.
            let stop = [state.warrant == .group ? "stop" : "clear", one.unit]
            let isLeft = hands || group.maintained
            // What waits to be added to a group has no right to run yet.
            let isUp = group.running && agent.isUpAsListed(one.group)
            let need = UnitNeed(
                runs: state.runs, warrant: state.warrant, group.role, isRunning: isUp,
                inMaintenance: isLeft)
            switch need {
            case .nothing: continue
            case .warrant: ask(["adopt", one.unit], as: .warrant(one.group), agent)
            case .clearing: ask(stop, as: .stray(one.group), agent)
            case .alarm(let stops):
                if !strays.contains(one) {
                    agent.tell(.unitConflict(one.group, unit: one.unit, stops: stops))
                }
                if stops { ask(stop, as: .stray(one.group), agent) }
                found.append(one)
            }
        }
        strays = found
        starters = Units.starters(named.map { $0.unit }, states)
    }

    private func tell(
        unready: [GroupIndex], among isMeant: (GroupIndex) -> Bool, _ agent: Agent
    ) {
        for (group, status) in agent.status.groups.enumerated() where isMeant(group) {
            let isReady = !unready.contains(group)
            if status.ready != isReady { agent.follow(.ready(group, isReady)) }
        }
        agent.drainFollowUps()
    }

    // MARK: What is seen

    /// Groups of which a unit could not be started.
    static func unready(_ named: [Named], _ states: [UnitState]) -> [GroupIndex] {
        named.filter { UnitState.of($0.unit, in: states)?.isMissing ?? true }.map { $0.group }
    }

    static func fault(_ named: [String], _ states: [UnitState], answers: Bool) -> String? {
        guard answers else {
            return "the helper that starts and stops units does not answer: systemctl start"
                + " picket-units, and see: journalctl -u picket-units"
        }
        let unknown = named.filter { UnitState.of($0, in: states) == nil }
        guard unknown.isEmpty else {
            return "the helper that starts and stops units does not know \(Text.list(unknown)): the"
                + " configuration must be root's alone to write; see: journalctl -u picket-units"
        }
        let missing = named.filter { UnitState.of($0, in: states)?.isMissing == true }
        return missing.isEmpty ? nil : "systemd has no \(Text.list(missing)): install the unit"
    }

    /// What is no unit of a group, and would start one.
    static func starters(_ named: [String], _ states: [UnitState]) -> [String] {
        var all: [String] = []
        for unit in named {
            guard let state = UnitState.of(unit, in: states) else { continue }
            for starter in state.starters where UnitState.of(starter, in: states) == nil {
                all.append("\(starter) (\(unit))")
            }
        }
        return all
    }
}

/// What systemd says of a unit (`systemctl show`), and whether it has a warrant.
struct UnitState: Equatable {
    var names: [String] = []
    var runs = false
    var isMissing = false
    /// What wants, requires or triggers it.
    var starters: [String] = []
    var warrant: UnitWarrant?

    static func of(_ unit: String, in states: [UnitState]) -> UnitState? {
        states.first { $0.names.contains(unit) }
    }

    static func read(_ lines: [String]) -> [UnitState] {
        var states: [UnitState] = []
        var warrants: [[String]] = []
        var state = UnitState()
        for line in lines + [""] {
            let parts = line.parts(between: "=", keepingEmpty: true)
            let words = parts.count == 2 ? parts[1].parts(between: " ") : []
            switch parts[0] {
            case "" where !state.names.isEmpty:
                states.append(state)
                state = UnitState()
            case "Names": state.names = words
            case "ActiveState":
                state.runs = ["active", "activating", "reloading"].contains(words.first)
            case "LoadState": state.isMissing = words == ["not-found"]
            case "WantedBy", "RequiredBy", "UpheldBy", "TriggeredBy": state.starters += words
            case "Warrant": warrants.append(words)
            default: break
            }
        }
        for warrant in warrants where warrant.count == 2 {
            for index in states.indices where states[index].names.contains(warrant[0]) {
                states[index].warrant = warrant[1] == "group" ? .group : .hand
            }
        }
        return states
    }
}
