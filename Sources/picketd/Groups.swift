/// Hosts the groups: their runners, which say what is to be run and when, and the probes of the
/// standby's copies.

import PicketConfig
import PicketControl
import PicketCore
import PicketLinux
import PicketText

final class Groups: Part {
    private var runners: [GroupRunner] = []
    private var actions: ResourceActions
    /// As they are started and stopped.
    private var settings: [GroupSettings]
    /// As the changed configuration has them.
    private var wanted: [GroupSettings]
    /// By group: when its copy is probed next, and whether a probe runs.
    private var probes: [Probe] = []

    private struct Probe {
        var due: Instant
        var running = false
        /// What it says counts no more: it has failed, or the file has another one.
        var isOver = false
        /// By what it was started.
        var sync: SyncSettings?
        var environment: [String] = []
    }

    /// - Parameter held: what the agent before this one ran in this boot.
    init(_ settings: [GroupSettings], held: [Holding]) {
        self.settings = settings
        wanted = settings
        actions = ResourceActions(settings)
        for (index, group) in settings.enumerated() {
            runners.append(
                GroupRunner(
                    group: index, plan: Groups.plan(group),
                    term: held.first { $0.group == index }?.term ?? .never))
            probes.append(
                Probe(due: group.sync == nil ? .distantFuture : Instant(nanoseconds: 0)))
        }
    }

    private static func plan(_ group: GroupSettings) -> GroupPlan {
        GroupPlan(
            resources: group.resources.map { resource in
                var plan = ResourcePlan(
                    start: resource.timeouts.start, stop: resource.timeouts.stop,
                    monitor: resource.timeouts.monitor, monitorInterval: group.monitorInterval)
                if case .command(let command) = resource.kind {
                    if command.monitor == nil { plan.monitor = nil }
                    if command.promote != nil { plan.promote = resource.timeouts.promote }
                    if command.demote != nil { plan.demote = resource.timeouts.demote }
                }
                return plan
            }, restarts: group.restarts)
    }

    // MARK: A changed configuration

    /// Groups at their places; new ones come last. One that has other resources waits for the
    /// machine's word.
    func takeUp(_ groups: [GroupSettings], _ agent: Agent) {
        wanted = groups
        for (group, new) in groups.enumerated() {
            if group == settings.count {
                settings.append(new)
                runners.append(GroupRunner(group: group, plan: Groups.plan(new)))
                probes.append(Probe(due: .distantFuture))
            } else if settings[group].hasResources(of: new) {
                settings[group] = new
                runners[group].replace(Groups.plan(new), resourcesDiffer: false)
            }
            renewProbe(of: group, agent)
        }
        actions.takeUp(settings)
    }

    func change(_ group: GroupIndex, _ part: GroupChange, _ agent: Agent) {
        var effects = ResourceEffects()
        let plan = Groups.plan(wanted[group])
        switch part {
        case .whole:
            take(group, agent)
            runners[group].replace(plan, resourcesDiffer: true)
        case .drop:
            runners[group].change(
                to: plan, from: settings[group].sharedResources(with: wanted[group]),
                at: agent.now, into: &effects)
        case .add(let term): runners[group].add(term: term, at: agent.now, into: &effects)
        }
        perform(effects, of: group, agent)
    }

    private func take(_ group: GroupIndex, _ agent: Agent) {
        settings[group] = wanted[group]
        actions.takeUp(settings)
        renewProbe(of: group, agent)
    }

    // MARK: What the machine asks for

    func start(_ activation: Activation, _ agent: Agent) {
        agent.processes.kill(all: .stray(activation.group))
        var effects = ResourceEffects()
        runners[activation.group].start(activation, at: agent.now, into: &effects)
        perform(effects, of: activation.group, agent)
    }

    func adopt(_ activation: Activation, _ agent: Agent) {
        agent.processes.kill(all: .stray(activation.group))
        var effects = ResourceEffects()
        runners[activation.group].adopt(activation, at: agent.now, into: &effects)
        perform(effects, of: activation.group, agent)
    }

    func stop(_ group: GroupIndex, cause: Cause, _ agent: Agent) {
        // None may be given after the stop has taken it away.
        agent.processes.kill(all: .warrant(group))
        // Nothing is to be told to a database that may start elsewhere meanwhile.
        for action in [ReplicationAction.degrade, .restore] {
            agent.processes.kill(all: .replication(group, action))
        }
        var effects = ResourceEffects()
        runners[group].stop(cause: cause, at: agent.now, into: &effects)
        perform(effects, of: group, agent)
    }

    func leaveAlone(_ group: GroupIndex, _ on: Bool, _ agent: Agent) {
        var effects = ResourceEffects()
        runners[group].leaveAlone(on, at: agent.now, into: &effects)
        perform(effects, of: group, agent)
    }

    /// Whether something runs here that this node does not hold, as it is now (`hasLooked`).
    func look(_ agent: Agent) {
        for group in runners.indices {
            var effects = ResourceEffects()
            runners[group].look(at: agent.now, into: &effects)
            perform(effects, of: group, agent)
        }
    }

    var hasLooked: Bool { runners.allSatisfy { $0.hasLooked } }

    private func perform(_ effects: ResourceEffects, of group: GroupIndex, _ agent: Agent) {
        for effect in effects.items {
            switch effect {
            case .run(let run): begin(run, agent)
            case .kill(let run):
                actions.kill(run)
                agent.processes.kill(run)
            case .outcome(let outcome):
                if outcome == .dropped { take(group, agent) }
                // What it writes is told soon, so that the standby's copy can be judged.
                if outcome == .started, settings[group].sync != nil {
                    probes[group].due = agent.now
                }
                agent.follow(.resources(group, outcome))
            case .failure(let failure): note(failure, of: group, agent)
            }
        }
    }

    private func begin(_ run: ResourceRun, _ agent: Agent) {
        guard let arguments = actions.arguments(for: run) else {
            exited(run.id, succeeded: true, agent)
            return
        }
        let names = agent.names
        let resource = settings[run.group].resources[run.resource].name
        let environment =
            environment(of: run.group, agent) + [
                "PICKET_RESOURCE=\(resource)", "PICKET_ACTION=\(run.action.text)",
                "PICKET_TERM=\(run.term.value)", "PICKET_CAUSE=\(run.cause.label)",
                "PICKET_DRILL=\(agent.drills.isUnderWay ? 1 : 0)",
            ]
        agent.log(
            .debug, "\(names.group(run.group)) \(resource) \(run.action.text): \(arguments)")
        let bringsUp = run.action == .start || run.action == .promote
        agent.processes.begin(
            Launch(
                arguments: arguments, environment: environment, endsWithAgent: bringsUp,
                starts: bringsUp ? names.group(run.group) : "",
                connection: actions.connection(for: run, to: agent.options.helper)),
            of: run.id)
    }

    private func environment(of group: GroupIndex, _ agent: Agent) -> [String] {
        var all = agent.processes.environment
        for setting in settings[group].environment {
            all.append("\(setting.name)=\(setting.value)")
        }
        all.append("PICKET_NODE=\(agent.names.node)")
        all.append("PICKET_GROUP=\(agent.names.group(group))")
        return all
    }

    // MARK: What processes bring

    func ended(
        _ run: RunID, _ end: ChildEnd, spoke: Bool, dataTerm: Term?, _ agent: Agent
    ) {
        let refusal =
            end == .exited(TermRefusal.exitCode) && actions.isCommand(run)
            ? TermRefusal(dataTerm: dataTerm) : nil
        let good = actions.succeeded(run, end, spoke: spoke, at: agent.now)
        if !good {
            agent.log(.debug, "\(agent.names.group(run.group)): \(Processes.text(end))")
        }
        exited(
            run, succeeded: good, unknown: actions.isUnknown(run, end), refusal: refusal, agent)
    }

    private func exited(
        _ run: RunID, succeeded: Bool, unknown: Bool = false, refusal: TermRefusal? = nil,
        _ agent: Agent
    ) {
        var effects = ResourceEffects()
        runners[run.group].exited(
            run, succeeded: succeeded, unknown: unknown, refusal: refusal, at: agent.now,
            into: &effects)
        perform(effects, of: run.group, agent)
        if hasLooked { agent.control.looked(agent) }
    }

    private func note(_ failure: ResourceFailure, of group: GroupIndex, _ agent: Agent) {
        let resource = settings[group].resources[failure.resource].name
        agent.tell(.resource(group, resource: resource, failure.action, failure.kind))
    }

    // MARK: What is due

    override var due: Instant {
        var next = actions.nextAnnouncement
        for runner in runners { next = min(next, runner.nextDeadline) }
        for probe in probes where !probe.running { next = min(next, probe.due) }
        return next
    }

    override func pass(_ agent: Agent) {
        for group in runners.indices where agent.now >= runners[group].nextDeadline {
            var effects = ResourceEffects()
            runners[group].tick(at: agent.now, into: &effects)
            perform(effects, of: group, agent)
        }
        for address in actions.takeAnnouncements(at: agent.now) {
            if let refused = AddressAnnouncement.send(address.address, device: address.device) {
                agent.log(.warning, "\(address.text) is not announced: \(refused)")
            }
        }
        for group in probes.indices where agent.now >= probes[group].due { probe(group, agent) }
        agent.drainFollowUps()
    }

    // MARK: The standby's copy

    private func probe(_ group: GroupIndex, _ agent: Agent) {
        guard let sync = settings[group].sync, !probes[group].running else { return }
        let environment = environment(of: group, agent)
        probes[group] = Probe(
            due: agent.now + sync.interval, running: true, sync: sync, environment: environment)
        agent.processes.run(
            Launch(
                arguments: sync.probe, environment: environment, follows: sync.follows,
                pace: sync.follows ? sync.interval / 10 : .zero),
            as: .sync(group), until: agent.now + sync.patience)
    }

    /// The peer is being fenced: how far each copy has come is soon to be known.
    func probeSoon(_ agent: Agent) {
        for group in probes.indices where settings[group].sync != nil {
            probes[group].due = min(probes[group].due, agent.now)
        }
    }

    /// As the group is set now; what runs by other settings is ended first.
    private func renewProbe(of group: GroupIndex, _ agent: Agent) {
        let isCopied = settings[group].sync != nil
        probes[group].due = isCopied ? min(probes[group].due, agent.now) : .distantFuture
        let probe = probes[group]
        guard probe.running, !probe.isOver else { return }
        if settings[group].sync == probe.sync,
            environment(of: group, agent) == probe.environment
        {
            return
        }
        probes[group].isOver = true
        agent.processes.kill(all: .sync(group))
    }

    /// A probe has said a line. False for one that ends by itself: its first line counts then.
    func followed(_ group: GroupIndex, _ line: String, _ agent: Agent) -> Bool {
        guard let sync = probes[group].sync, sync.follows else { return false }
        guard !probes[group].isOver else { return true }
        guard let reading = Groups.reading(line, of: group, sync) else {
            agent.log(
                .warning,
                "\(Processes.title(.sync(group), agent)): found \(Text.quoted(line)),"
                    + " expected EPOCH:NUMBER or seconds; it is started again")
            agent.processes.kill(all: .sync(group))
            failed(group, agent)
            return true
        }
        agent.processes.extendProbe(group, until: agent.now + sync.patience)
        agent.handle(reading)
        return true
    }

    /// A probe is killed, or has ended without a word.
    func failed(_ group: GroupIndex, _ agent: Agent) {
        guard !probes[group].isOver, let sync = probes[group].sync else { return }
        probes[group].isOver = true
        // The group may be about to start.
        let soon = min(probes[group].due, agent.now + sync.interval / 4)
        probes[group].due = sync.follows ? agent.now + sync.interval : soon
        agent.handle(.sync(group, .failed))
    }

    func probed(_ group: GroupIndex, _ end: ChildEnd, _ line: String?, _ agent: Agent) {
        probes[group].running = false
        guard !probes[group].isOver, let sync = probes[group].sync else { return }
        if sync.follows {
            agent.log(
                .warning,
                "\(Processes.title(.sync(group), agent)) \(Processes.text(end)), though it"
                    + " is to follow; it is started again")
        } else if end == .exited(0), let reading = Groups.reading(line ?? "", of: group, sync) {
            agent.handle(reading)
            return
        }
        failed(group, agent)
    }

    /// What a line tells of a copy.
    static func reading(_ line: String, of group: GroupIndex, _ sync: SyncSettings) -> Event? {
        if let position = position(line) { return .position(group, position) }
        return lag(line).map { .sync(group, $0 <= sync.maxLag ? .current : .stale) }
    }

    // MARK: The database of a strict group

    /// The command ends with its agent: the next one begins anew, and an older command must not take
    /// effect after it.
    func replicate(
        _ group: GroupIndex, _ action: ReplicationAction, _ term: Term, _ agent: Agent
    ) {
        guard let sync = settings[group].sync, let strict = sync.strict else {
            return agent.follow(.replicated(group, action, succeeded: false))
        }
        agent.processes.run(
            Launch(
                arguments: action == .degrade ? strict.degrade : strict.restore,
                environment: environment(of: group, agent) + [
                    "PICKET_ACTION=\(action.text)", "PICKET_TERM=\(term.value)",
                ], endsWithAgent: true),
            as: .replication(group, action), until: agent.now + sync.commandTimeout)
    }

    func replicated(
        _ group: GroupIndex, _ action: ReplicationAction, _ end: ChildEnd, _ agent: Agent
    ) {
        if end != .exited(0) {
            agent.log(
                .warning, "\(agent.names.group(group)) \(action.text): \(Processes.text(end))")
        }
        agent.handle(.replicated(group, action, succeeded: end == .exited(0)))
    }

    /// Where a copy stands, as its probe's line tells: `epoch:number`. The epoch is any text.
    static func position(_ line: String) -> DataPosition? {
        let bytes = Array(line.utf8)
        guard let colon = bytes.lastIndex(of: UInt8(ascii: ":")), colon > 0,
            let number = UInt64(
                Text.trimmed(String(decoding: bytes[(colon + 1)...], as: UTF8.self)))
        else { return nil }
        // FNV-1a, 32 bits.
        var epoch: UInt32 = 0x811C_9DC5
        for byte in bytes[..<colon] { epoch = (epoch ^ UInt32(byte)) &* 0x0100_0193 }
        return DataPosition(epoch: max(1, epoch), number: number)
    }

    /// How far a copy lags, as its probe's line tells in seconds; a negative lag is none.
    static func lag(_ line: String) -> Duration? {
        guard let (seconds, _) = Text.quantity(line) else { return nil }
        return Duration(nanoseconds: Int64(max(0, min(seconds, 1e9)) * 1e9))
    }
}

/// Collects what a runner asks for.
struct ResourceEffects: ResourceSink {
    var items: [ResourceEffect] = []
    @inline(never)
    mutating func emit(_ effect: ResourceEffect) { items.append(effect) }
}
