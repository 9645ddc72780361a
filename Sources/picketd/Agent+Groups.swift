import PicketConfig
import PicketControl
import PicketCore
import PicketLinux

extension Agent {
    func start(_ activation: Activation) {
        var effects = ResourceEffects()
        groups.runners[activation.group].start(activation, at: now, into: &effects)
        perform(effects, of: activation.group)
    }

    func adopt(_ activation: Activation) {
        var effects = ResourceEffects()
        groups.runners[activation.group].adopt(activation, at: now, into: &effects)
        perform(effects, of: activation.group)
    }

    func stop(_ group: GroupIndex, cause: Cause) {
        var effects = ResourceEffects()
        groups.runners[group].stop(cause: cause, at: now, into: &effects)
        perform(effects, of: group)
    }

    func groupsDue() {
        for group in groups.runners.indices where now >= groups.runners[group].nextDeadline {
            var effects = ResourceEffects()
            groups.runners[group].tick(at: now, into: &effects)
            perform(effects, of: group)
        }
        announceAgain()
        for group in groups.probes.indices where now >= groups.probes[group].due { probe(group) }
        drainFollowUps()
    }

    private func perform(_ effects: ResourceEffects, of group: GroupIndex) {
        for effect in effects.items {
            switch effect {
            case .run(let run): begin(run)
            case .kill(let run): kill(run.value)
            case .outcome(let outcome): followUps.append(.resources(group, outcome))
            case .failure(let failure): note(failure, of: group)
            }
        }
    }

    private func begin(_ run: ResourceRun) {
        guard let arguments = groups.arguments(for: run) else {
            exited(run.id, succeeded: true)
            return
        }
        let names = narrator.names
        let environment =
            processes.environment + groups.environment(of: run.group) + [
                "PICKET_NODE=\(names.node)", "PICKET_GROUP=\(names.group(run.group))",
                "PICKET_RESOURCE=\(groups.resource(run).name)",
                "PICKET_ACTION=\(run.action.text)", "PICKET_TERM=\(run.term.value)",
                "PICKET_CAUSE=\(run.cause.label)",
                "PICKET_DRILL=\(drills.runner.drill == nil ? 0 : 1)",
            ]
        // The runner sees to its time.
        let id = processes.begin(.resource(run.id), deadline: .distantFuture)
        log(.debug, "\(title(run)): \(arguments)")
        let bringsUp = run.action == .start || run.action == .promote
        launches.append(
            (
                id,
                Launch(
                    arguments: arguments, environment: environment, endsWithAgent: bringsUp)
            ))
    }

    /// Starts a process of the shell's own.
    func run(_ launch: Launch, as purpose: Processes.Purpose, within limit: Duration) {
        let id = processes.begin(purpose, deadline: now + limit)
        children.launch(id, launch)
    }

    func launchAll() {
        for next in launches { children.launch(next.id, next.launch) }
        launches.removeAll(keepingCapacity: true)
    }

    func kill(_ id: UInt32) {
        launchAll()
        children.kill(id)
    }

    private func exited(_ run: RunID, succeeded: Bool) {
        var effects = ResourceEffects()
        groups.runners[run.group].exited(run, succeeded: succeeded, at: now, into: &effects)
        perform(effects, of: run.group)
    }

    // MARK: What processes bring

    func drainChildren() {
        guard
            ready.contains(Token.children) || ready.contains(Token.output)
                || ready.contains(Token.signals) || now >= children.nextDeadline
        else { return }
        var events: [Children.Event] = []
        children.turn(
            watch: { fd in
                do throws(SystemError) { try poller.add(fd, token: Token.output) } catch {
                    log(.warning, error.description)
                }
            }, { events.append($0) })
        for event in events {
            switch event {
            case .line(let id, let line):
                let purpose = processes.spoke(id, line)
                log(.info, "\(purpose.map { title($0) } ?? "process"): \(line)")
            case .ended(let id, let end): ended(id, end)
            }
        }
        drainFollowUps()
    }

    private func ended(_ id: UInt32, _ end: ChildEnd) {
        guard let ended = processes.end(id) else { return }
        switch ended.purpose {
        case .resource(let run):
            let good = groups.succeeded(run, end, spoke: ended.firstLine != nil, at: now)
            if !good { log(.debug, "\(title(ended.purpose)): \(Agent.text(end))") }
            exited(run, succeeded: good)
        case .fenceAgent(let level):
            let testing = fencing.isTesting(level)
            log(testing ? .debug : .info, "\(title(ended.purpose)): \(Agent.text(end))")
            fenceAgent(level, ended: end, timedOut: ended.timedOut)
        case .sync(let group): probed(group, end, ended.firstLine)
        }
    }

    // MARK: Announcing addresses

    private func announceAgain() {
        for index in groups.announcements.indices where now >= groups.announcements[index].at {
            let address = groups.announcements[index].address
            if let refused = AddressAnnouncement.send(
                address.address, device: address.device)
            {
                log(.warning, "\(address.text) is not announced: \(refused)")
            }
            groups.announcements[index].left -= 1
            groups.announcements[index].at = now + .seconds(1)
        }
        groups.announcements.removeAll { $0.left <= 0 }
    }

    // MARK: The standby's copy

    private func probe(_ group: GroupIndex) {
        guard let sync = groups.sync(group), !groups.probes[group].running else { return }
        groups.probes[group].due = now + sync.interval
        groups.probes[group].running = true
        run(
            Launch(
                arguments: sync.probe,
                environment: processes.environment + groups.environment(of: group) + [
                    "PICKET_NODE=\(narrator.names.node)",
                    "PICKET_GROUP=\(narrator.names.group(group))",
                ]), as: .sync(group), within: sync.timeout)
    }

    private func probed(_ group: GroupIndex, _ end: ChildEnd, _ line: String?) {
        groups.probes[group].running = false
        guard let sync = groups.sync(group) else { return }
        var state = GroupReport.SyncState.failed
        if end == .exited(0), let lag = line.flatMap({ Groups.lag($0) }) {
            state = lag <= sync.maxLag ? .current : .stale
        }
        handle(.sync(group, state))
    }

    // MARK: In words

    private func title(_ run: ResourceRun) -> String {
        "\(narrator.names.group(run.group)) \(groups.resource(run).name) \(run.action.text)"
    }

    private func title(_ purpose: Processes.Purpose) -> String {
        switch purpose {
        case .resource(let run): narrator.names.group(run.group)
        case .fenceAgent(let level): narrator.names.fenceLevel(level)
        case .sync(let group): "\(narrator.names.group(group)) sync probe"
        }
    }

    private func note(_ failure: ResourceFailure, of group: GroupIndex) {
        let resource = settings.groups[group].resources[failure.resource].name
        let how =
            switch failure.kind {
            case .failed: "failed"
            case .timedOut: "did not end in its time and was killed"
            case .unkillable: "was killed and does not end: it hangs in the kernel"
            }
        tell(
            "resource", failure.kind == .unkillable ? .alarm : .warning,
            "\(narrator.names.group(group)): \(failure.action.text) of \(resource) \(how).",
            simulated: false)
    }

    static func text(_ end: ChildEnd) -> String {
        switch end {
        case .exited(let code): "ended with exit code \(code)"
        case .signalled(let signal): "was killed by signal \(signal)"
        case .notStarted(let reason): "could not be started: \(reason)"
        case .late: "was not started any more: its time had passed"
        }
    }
}
