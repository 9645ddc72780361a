@testable import PicketCore

/// What a scripted process does.
enum Behaviour: Equatable {
    case succeeds(after: Int64)
    case fails(after: Int64)
    /// Ends with the exit code that refuses a term, and names this one.
    case refuses(Term?)
    /// Runs until it is killed.
    case hangs
    /// Runs on even when it is killed, for so long.
    case unkillable(Int64)
}

/// Plays the shell and the resources' processes for one runner, in milliseconds.
struct Stage: ResourceSink {
    private(set) var runner: GroupRunner
    private(set) var now = Instant(nanoseconds: 0)
    /// In plain words, what the runner asked for.
    private(set) var log: [String] = []
    private(set) var outcomes: [ResourceOutcome] = []
    private(set) var processes: [Process] = []
    /// What really is up.
    private(set) var up: Set<Int> = []
    /// Every rule that was broken.
    private(set) var violations: [String] = []
    var script: (Int, ResourceAction) -> Behaviour

    struct Process {
        var run: ResourceRun
        var endsAt: Instant?
        var succeeds: Bool
        var refusal: TermRefusal?
        var survivesKill: Int64?
        var killed = false
    }

    private var pending: [ResourceEffect] = []

    init(
        _ plan: GroupPlan,
        script: @escaping (Int, ResourceAction) -> Behaviour = { _, _ in
            .succeeds(after: 10)
        }
    ) {
        runner = GroupRunner(group: 3, plan: plan)
        self.script = script
    }

    mutating func emit(_ effect: ResourceEffect) { pending.append(effect) }

    static func activation(term: UInt64 = 7) -> Activation {
        Activation(
            group: 3, term: Term(term), cause: .formation,
            warrant: Warrant(.operatorsWord(on: nil)))
    }

    mutating func start(term: UInt64 = 7) {
        with { $0.start(Stage.activation(term: term), at: $1, into: &$2) }
    }
    mutating func adopt() {
        up = Set(runner.plan.resources.indices)
        with { $0.adopt(Stage.activation(), at: $1, into: &$2) }
    }
    mutating func leaveAlone(_ on: Bool) {
        with { runner, now, out in runner.leaveAlone(on, at: now, into: &out) }
    }
    mutating func change(to plan: GroupPlan, from first: Int) {
        with { $0.change(to: plan, from: first, at: $1, into: &$2) }
    }
    mutating func add(term: UInt64 = 8) {
        with { $0.add(term: Term(term), at: $1, into: &$2) }
    }
    mutating func stop(_ cause: Cause = .command) {
        with { $0.stop(cause: cause, at: $1, into: &$2) }
    }

    private mutating func with(_ act: (inout GroupRunner, Instant, inout Stage) -> Void) {
        var inner = runner
        act(&inner, now, &self)
        runner = inner
        let effects = pending
        pending = []
        for effect in effects { carryOut(effect) }
    }

    /// Lets this much time pass.
    mutating func pass(_ milliseconds: Int64) {
        let end = now + .milliseconds(milliseconds)
        while true {
            let ends = processes.compactMap(\.endsAt).min() ?? .distantFuture
            let next = min(ends, runner.nextDeadline)
            guard next <= end else { break }
            now = max(now, next)
            if ends <= now, let index = processes.firstIndex(where: { $0.endsAt == ends }) {
                finish(processes.remove(at: index))
            } else {
                with { $0.tick(at: $1, into: &$2) }
            }
        }
        now = end
    }

    private mutating func finish(_ process: Process) {
        let run = process.run
        if process.succeeds && run.action == .stop { up.remove(run.resource) }
        let (succeeded, refusal) = (process.succeeds, process.refusal)
        with { $0.exited(run.id, succeeded: succeeded, refusal: refusal, at: $1, into: &$2) }
    }

    private mutating func carryOut(_ effect: ResourceEffect) {
        switch effect {
        case .run(let run): launch(run)
        case .kill(let id): kill(id)
        case .failure(let failure):
            log.append("\(failure.action.text) \(failure.resource) \(failure.kind)")
        case .outcome(let outcome):
            log.append("→ \(outcome)")
            outcomes.append(outcome)
            check(outcome)
        }
    }

    private mutating func launch(_ run: ResourceRun) {
        log.append("\(run.action.text) \(run.resource)")
        let others = processes.filter { $0.run.action != .monitor && !$0.killed }
        if run.action != .monitor, !others.isEmpty {
            violations.append("two processes at once")
        }
        if processes.contains(where: { $0.run.id == run.id }) { violations.append("an id twice") }
        switch run.action {
        case .start:
            if up.contains(where: { $0 > run.resource }) { violations.append("started below") }
            up.insert(run.resource)
        case .stop:
            if up.contains(where: { $0 > run.resource }) { violations.append("stopped below") }
        case .monitor, .promote, .demote: break
        }
        var process = Process(run: run, succeeds: false)
        switch script(run.resource, run.action) {
        case .succeeds(let after):
            process.endsAt = now + .milliseconds(after)
            process.succeeds = true
        case .fails(let after): process.endsAt = now + .milliseconds(after)
        case .hangs: break
        case .refuses(let dataTerm):
            process.endsAt = now + .milliseconds(5)
            process.refusal = TermRefusal(dataTerm: dataTerm)
        case .unkillable(let after): process.survivesKill = after
        }
        processes.append(process)
    }

    private mutating func kill(_ id: RunID) {
        guard let index = processes.firstIndex(where: { $0.run.id == id }) else { return }
        log.append("kill \(processes[index].run.action.text) \(processes[index].run.resource)")
        processes[index].killed = true
        processes[index].succeeds = false
        processes[index].endsAt =
            now + .milliseconds(processes[index].survivesKill ?? 1)
    }

    /// S1 rests on this.
    private mutating func check(_ outcome: ResourceOutcome) {
        switch outcome {
        case .stopped, .startFailed, .startRefused: break
        default: return
        }
        if !up.isEmpty { violations.append("said to be stopped while something is up") }
        if processes.contains(where: { $0.run.action != .monitor }) {
            violations.append("said to be stopped while a process is left")
        }
    }
}

extension GroupPlan {
    /// Resources that start and stop within 100 ms each, with a monitor every second.
    static func simple(_ count: Int, restarts: Int = 2, promotes: Bool = false) -> GroupPlan {
        GroupPlan(
            resources: Array(
                repeating: ResourcePlan(
                    start: .milliseconds(100), stop: .milliseconds(100),
                    monitor: .milliseconds(50), monitorInterval: .seconds(1),
                    promote: promotes ? .milliseconds(100) : nil,
                    demote: promotes ? .milliseconds(100) : nil), count: count),
            restarts: Budget(count: restarts, window: .seconds(60)))
    }

    /// The same without monitors.
    static func quiet(_ count: Int, promotes: Bool = false) -> GroupPlan {
        var plan = GroupPlan.simple(count, promotes: promotes)
        for index in plan.resources.indices { plan.resources[index].monitor = nil }
        return plan
    }
}
