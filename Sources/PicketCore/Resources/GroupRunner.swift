/// Turns the machine's `start`, `adopt` and `stop` of one group into processes, and their ends into
/// outcomes.
///
///     stopped ──start──▶ up: start 0, promote 0, start 1 … ──▶ running ─monitor fails─▶ restart
///        ▲                │ fails, or stop comes                │ stop        (down to it, up)
///        └── down: … demote 1, stop 1, demote 0, stop 0 ◀───────┴────────────────────────┘
///                         │ a stop fails twice
///                         ▼
///                       stuck ──stop──▶ down
///
/// At most one process of the group is under way at a time, save monitors: they run beside each
/// other, and are killed and forgotten when anything else begins.
///
/// `top` is the highest resource that may be up; all below it may be too. A `start` raises it
/// before its process begins, and only a `stop` that succeeded lowers it. "Stopped" is said when
/// nothing may be up any more, and no process that was killed is still there. The peer's right to
/// start the group rests on this (S1).
///
/// The shell hands in the processes that have ended before it calls `tick`, so that a loop that
/// woke up late takes none that ended in time for overdue.
public struct GroupRunner: Sendable {
    public let group: GroupIndex
    public private(set) var plan: GroupPlan
    public private(set) var state: State

    /// What is going on, also for the status.
    public enum State: Equatable, Sendable {
        /// Nothing is under way, and no monitors run.
        case stopped
        case busy(Job)
        case running
        /// The monitors failed too often: the machine was told, and will stop the group.
        case failed
        /// A stop failed: something may still run here. A further stop tries again.
        case stuck
    }

    /// One process under way, and what it is part of.
    public struct Job: Equatable, Sendable {
        public var purpose: Purpose
        public var resource: Int
        public var action: ResourceAction
        /// The first try is 1.
        public var attempt: Int
        /// Kills it; or, once it was killed, gives it up for lost.
        public var deadline: Instant
        var run: RunID
        var killed: Bool
        /// A try before this one has failed.
        var hasFailed = false
    }

    public enum Purpose: Equatable, Sendable {
        case start
        /// A start failed: stop what was started.
        case unwind
        /// A monitor failed: stop the resources down to `resource` …
        case restartDown(to: Int)
        /// … and start them again.
        case restartUp(from: Int)
        case stop
        /// Stop the resources down to `resource`, which the changed configuration has otherwise.
        case drop(to: Int)
    }

    /// How long a killed process may take to end before it is given up for lost: it hangs in the
    /// kernel, and nobody knows what it may still do.
    public static let killedWithin = Duration.seconds(2)

    private struct Lost: Equatable, Sendable {
        var run: RunID
        var resource: Int
    }

    private struct Monitor: Equatable, Sendable {
        var run: RunID?
        /// When it is due; or, with `run`, overdue.
        var at: Instant
    }

    private var top: Int
    /// How many resources are to be up: of a changed group not those that are added yet.
    public private(set) var wanted: Int
    /// What is taken up when the resources from the first that differs are stopped.
    private var change: (plan: GroupPlan, first: Int)?
    /// What the changed plan adds is to be started.
    private var isAdding = false
    private var term: Term
    private var cause: Cause = .none
    private var monitors: [Monitor]
    /// When resources were restarted on this node, oldest first.
    private var restarts: [Instant] = []
    /// Killed, and not ended.
    private var lost: [Lost] = []
    /// The topmost resource of which a lost process has ended since. That process may have brought
    /// it up, whatever was stopped before. −1: none.
    private var mayBeUp = -1
    /// The start that is undone was refused by data of this term.
    private var refusedBy: Term?
    private var runs: UInt32 = 0
    /// In maintenance: what fails is told, and nothing is done about it.
    private var isLeftAlone = false
    /// The resources whose monitors fail meanwhile.
    private var ailing: [Int] = []
    /// In maintenance, of a group that is not up by this agent: whether each resource is seen to run;
    /// `nil` where its monitor has not said so.
    private var sights: [Bool?] = []
    /// What was told of that.
    private var isSeen: Bool?

    /// - Parameter term: the one that the group was last held at, for processes that stop what an
    ///   earlier life of the agent left.
    public init(group: GroupIndex, plan: GroupPlan, term: Term = .never) {
        self.group = group
        self.plan = plan
        self.term = term
        state = .stopped
        // An earlier life of the agent may have left anything.
        top = plan.resources.count - 1
        wanted = plan.resources.count
        monitors = plan.resources.map { _ in Monitor(run: nil, at: .distantFuture) }
    }

    /// Nothing is being done to the resources but monitoring.
    package var isAtRest: Bool {
        switch state {
        case .stopped, .running: lost.isEmpty
        case .busy, .failed, .stuck: false
        }
    }

    /// A start or a stop has begun and not ended.
    package var isUnderWay: Bool {
        guard case .busy(let job) = state else { return false }
        switch job.purpose {
        case .start, .unwind, .stop, .drop: return true
        case .restartDown, .restartUp: return false
        }
    }

    /// Every resource is stopped.
    package var isDown: Bool { state == .stopped && lost.isEmpty }

    /// When `tick` is next to be called.
    public var nextDeadline: Instant {
        switch state {
        case .stopped where !isLooking, .failed, .stuck: .distantFuture
        case .busy(let job): job.deadline
        case .stopped, .running: monitors.reduce(.distantFuture) { min($0, $1.at) }
        }
    }
}

// MARK: - What comes in

extension GroupRunner {
    /// Starts the resources, in order. Only of a group that is stopped here.
    public mutating func start<Sink: ResourceSink>(
        _ activation: Activation, at now: Instant, into out: inout Sink
    ) {
        accept(activation)
        endLooking(into: &out)
        top = -1
        wanted = plan.resources.count
        up(.start, from: 0, at: now, into: &out)
    }

    /// The resources run already: monitors them, from now on.
    public mutating func adopt<Sink: ResourceSink>(
        _ activation: Activation, at now: Instant, into out: inout Sink
    ) {
        accept(activation)
        endLooking(into: &out)
        top = plan.resources.count - 1
        wanted = plan.resources.count
        state = .running
        for index in monitors.indices where plan.resources[index].monitor != nil {
            monitors[index] = Monitor(run: nil, at: now)
        }
        runDueMonitors(at: now, into: &out)
    }

    private mutating func accept(_ activation: Activation) {
        precondition(activation.group == group, "another group's activation")
        precondition(isDown, "started before it was stopped")
        term = activation.term
        cause = activation.cause
        restarts.removeAll(keepingCapacity: true)
        ailing = []
        refusedBy = nil
    }

    /// Nothing more is done to the resources by itself, or again so: then what fails is looked at
    /// anew.
    public mutating func leaveAlone<Sink: ResourceSink>(
        _ on: Bool, at now: Instant, into out: inout Sink
    ) {
        isLeftAlone = on
        endLooking(into: &out)
        look(at: now, into: &out)
        guard !on, !ailing.isEmpty else { return }
        ailing = []
        guard state == .running else { return }
        for index in monitors.indices.prefix(wanted) where monitors[index].run == nil {
            if plan.resources[index].monitor != nil { monitors[index].at = now }
        }
    }

    // MARK: A changed configuration

    /// Takes up another plan. Where the resources are the same, nothing else comes of it; else only
    /// of a group that is stopped here, and then anything may be up.
    public mutating func replace(_ new: GroupPlan, resourcesDiffer: Bool) {
        guard resourcesDiffer else {
            plan = new
            return
        }
        precondition(isDown, "changed before it was stopped")
        take(new, keeping: new.resources.count)
    }

    /// Stops the resources from `first` on, as they were, and takes up another plan, of which the
    /// resources before that are the same. What it has beyond them waits for `add`. Where nothing is
    /// the same, that is for the caller to stop.
    public mutating func change<Sink: ResourceSink>(
        to new: GroupPlan, from first: Int, at now: Instant, into out: inout Sink
    ) {
        guard first > 0 else { return out.emit(.outcome(.outgrown)) }
        change = (new, first)
        cause = .configurationChanged
        switch state {
        case .running: drop(first, at: now, into: &out)
        // Then it is done, or the group is stopped as a whole.
        case .busy: break
        case .stopped, .failed, .stuck: change = nil
        }
    }

    /// Starts what the changed plan has beyond what is up, at this term.
    public mutating func add<Sink: ResourceSink>(
        term: Term, at now: Instant, into out: inout Sink
    ) {
        self.term = term
        wanted = plan.resources.count
        isAdding = true
        // A restart that is under way goes on to what is added.
        guard state == .running else { return }
        killMonitors(into: &out)
        cause = .configurationChanged
        up(.start, from: top + 1, at: now, into: &out)
    }

    private mutating func take(_ new: GroupPlan, keeping count: Int) {
        plan = new
        wanted = count
        top = count - 1
        monitors = plan.resources.map { _ in Monitor(run: nil, at: .distantFuture) }
        ailing = []
        sights = []
    }

    private mutating func drop<Sink: ResourceSink>(
        _ first: Int, at now: Instant, into out: inout Sink
    ) {
        killMonitors(into: &out)
        down(.drop(to: first), to: first, at: now, into: &out)
    }

    private mutating func monitorAll(at now: Instant) {
        state = .running
        for index in monitors.indices.prefix(wanted) where plan.resources[index].monitor != nil {
            monitors[index] = Monitor(run: nil, at: now + plan.resources[index].monitorInterval)
        }
    }

    /// Stops the resources, in reverse order, whatever is going on.
    public mutating func stop<Sink: ResourceSink>(
        cause: Cause, at now: Instant, into out: inout Sink
    ) {
        self.cause = cause
        change = nil
        isAdding = false
        switch state {
        case .stopped, .failed, .stuck:
            endLooking(into: &out)
            down(.stop, to: 0, at: now, into: &out)
        case .running:
            killMonitors(into: &out)
            down(.stop, to: 0, at: now, into: &out)
        case .busy(var job):
            let cancels = job.action == .start || job.action == .promote
            if cancels && !job.killed { kill(&job, at: now, into: &out) }
            job.purpose = .stop
            state = .busy(job)
        }
    }

    /// A process ended, or could not be started.
    ///
    /// - Parameters:
    ///   - succeeded: it exited with status 0.
    ///   - unknown: it could not be started for want of what the system may have again in a moment.
    ///   - refusal: it ended with the exit code that refuses a term.
    public mutating func exited<Sink: ResourceSink>(
        _ run: RunID, succeeded: Bool, unknown: Bool = false, refusal: TermRefusal? = nil,
        at now: Instant, into out: inout Sink
    ) {
        if let index = lost.firstIndex(where: { $0.run == run }) {
            mayBeUp = max(mayBeUp, lost[index].resource)
            lost.remove(at: index)
        }
        switch state {
        case .busy(let job) where job.run == run:
            if !succeeded && !job.killed { tell(failure(of: job, refusal), job, into: &out) }
            ended(
                job, succeeded: succeeded && !job.killed, unknown: unknown, at: now, into: &out)
        case .running:
            guard let index = monitors.firstIndex(where: { $0.run == run }) else { return }
            monitors[index] = Monitor(
                run: nil, at: now + plan.resources[index].monitorInterval)
            monitored(index, succeeded ? nil : .failed, at: now, into: &out)
        case .stopped:
            guard let index = monitors.firstIndex(where: { $0.run == run }) else { return }
            looked(index, unknown ? nil : succeeded, at: now, into: &out)
        case .busy, .failed, .stuck:
            break
        }
    }

    /// A refused start is told as such once everything is stopped again.
    private mutating func failure(
        of job: Job, _ refusal: TermRefusal?
    ) -> ResourceFailure.Kind {
        guard let refusal, job.action == .start || job.action == .promote else { return .failed }
        guard let dataTerm = refusal.dataTerm(above: term) else {
            return .refusedWrongly(refusal.dataTerm)
        }
        if job.purpose == .start { refusedBy = dataTerm }
        return .refused(dataTerm)
    }

    /// The deadline has come.
    public mutating func tick<Sink: ResourceSink>(at now: Instant, into out: inout Sink) {
        switch state {
        case .stopped:
            guard isLooking else { return }
            if let overdue = monitors.firstIndex(where: { $0.run != nil && now >= $0.at }) {
                if let run = monitors[overdue].run { out.emit(.kill(run)) }
                looked(overdue, nil, at: now, into: &out)
            }
            runDueMonitors(at: now, into: &out)
        case .failed, .stuck:
            break
        case .busy(var job):
            guard now >= job.deadline else { return }
            if job.killed {
                lost.append(Lost(run: job.run, resource: job.resource))
                tell(.unkillable, job, into: &out)
                ended(job, succeeded: false, at: now, into: &out)
            } else {
                tell(.timedOut, job, into: &out)
                kill(&job, at: now, into: &out)
                state = .busy(job)
            }
        case .running:
            let overdue = monitors.firstIndex { $0.run != nil && now >= $0.at }
            if let overdue {
                monitored(overdue, .timedOut, at: now, into: &out)
            } else {
                runDueMonitors(at: now, into: &out)
            }
        }
    }

    private func kill<Sink: ResourceSink>(
        _ job: inout Job, at now: Instant, into out: inout Sink
    ) {
        out.emit(.kill(job.run))
        job.killed = true
        job.deadline = now + GroupRunner.killedWithin
    }

    private func tell<Sink: ResourceSink>(
        _ kind: ResourceFailure.Kind, _ job: Job, into out: inout Sink
    ) {
        out.emit(
            .failure(ResourceFailure(resource: job.resource, action: job.action, kind: kind)))
    }
}

// MARK: - Up and down

extension GroupRunner {
    private mutating func up<Sink: ResourceSink>(
        _ purpose: Purpose, from resource: Int, at now: Instant, into out: inout Sink
    ) {
        guard resource < wanted else {
            monitorAll(at: now)
            if purpose == .start || isAdding { out.emit(.outcome(.started)) }
            isAdding = false
            if let change { drop(change.first, at: now, into: &out) }
            return
        }
        top = resource
        begin(.start, resource, for: purpose, at: now, into: &out)
    }

    /// Stops the resources from `top` down to `last`.
    private mutating func down<Sink: ResourceSink>(
        _ purpose: Purpose, to last: Int, at now: Instant, into out: inout Sink
    ) {
        guard top >= last else {
            isDown(purpose, at: now, into: &out)
            return
        }
        let demotes = plan.resources[top].demote != nil
        begin(demotes ? .demote : .stop, top, for: purpose, at: now, into: &out)
    }

    private mutating func begin<Sink: ResourceSink>(
        _ action: ResourceAction, _ resource: Int, for purpose: Purpose, attempt: Int = 1,
        hasFailed: Bool = false, at now: Instant, into out: inout Sink
    ) {
        let timeout = plan.resources[resource].timeout(of: action)!
        let id = run(action, resource, timeout, into: &out)
        state = .busy(
            Job(
                purpose: purpose, resource: resource, action: action, attempt: attempt,
                deadline: now + timeout, run: id, killed: false, hasFailed: hasFailed))
    }

    private mutating func run<Sink: ResourceSink>(
        _ action: ResourceAction, _ resource: Int, _ timeout: Duration, into out: inout Sink
    ) -> RunID {
        runs &+= 1
        let id = RunID(group: group, number: runs)
        out.emit(
            .run(
                ResourceRun(
                    id: id, group: group, resource: resource, action: action,
                    timeout: timeout, term: term, cause: cause)))
        return id
    }

    private mutating func ended<Sink: ResourceSink>(
        _ job: Job, succeeded: Bool, unknown: Bool = false, at now: Instant, into out: inout Sink
    ) {
        switch job.action {
        case .start, .promote:
            rose(job, succeeded: succeeded, at: now, into: &out)
        case .demote:
            // The stop decides, whatever came of it.
            begin(.stop, job.resource, for: job.purpose, at: now, into: &out)
        case .stop where succeeded:
            top = job.resource - 1
            down(job.purpose, to: last(of: job.purpose), at: now, into: &out)
        case .stop where job.attempt == 1 && lost.isEmpty:
            begin(
                .stop, job.resource, for: job.purpose, attempt: 2, hasFailed: !unknown, at: now,
                into: &out)
        case .stop:
            let isUnknown = unknown && !job.hasFailed && lost.isEmpty
            stick(job.purpose, unknown: isUnknown, into: &out)
        case .monitor:
            preconditionFailure("monitors are no jobs")
        }
    }

    private func last(of purpose: Purpose) -> Int {
        switch purpose {
        case .restartDown(let last), .drop(let last): last
        case .start, .unwind, .restartUp, .stop: 0
        }
    }

    /// A start or promotion ended, or was cancelled by a stop.
    private mutating func rose<Sink: ResourceSink>(
        _ job: Job, succeeded: Bool, at now: Instant, into out: inout Sink
    ) {
        switch job.purpose {
        case .start, .restartUp:
            if succeeded {
                if job.action == .start, plan.resources[job.resource].promote != nil {
                    begin(.promote, job.resource, for: job.purpose, at: now, into: &out)
                } else {
                    up(job.purpose, from: job.resource + 1, at: now, into: &out)
                }
            } else if case .restartUp(let first) = job.purpose {
                restart(from: first, after: job.action, at: now, into: &out)
            } else {
                cause = .startFailed
                fall(.unwind, after: job.action, to: 0, at: now, into: &out)
            }
        case .stop:
            fall(.stop, after: job.action, to: 0, at: now, into: &out)
        case .unwind, .restartDown, .drop:
            preconditionFailure("nothing is started on the way down")
        }
    }

    /// Stops the resources that came up, after a start that did not end well: one that was never
    /// promoted is not demoted.
    private mutating func fall<Sink: ResourceSink>(
        _ purpose: Purpose, after action: ResourceAction, to last: Int, at now: Instant,
        into out: inout Sink
    ) {
        if action == .start {
            begin(.stop, top, for: purpose, at: now, into: &out)
        } else {
            down(purpose, to: last, at: now, into: &out)
        }
    }

    private mutating func isDown<Sink: ResourceSink>(
        _ purpose: Purpose, at now: Instant, into out: inout Sink
    ) {
        guard lost.isEmpty else {
            stick(purpose, into: &out)
            return
        }
        if mayBeUp >= last(of: purpose) {
            top = mayBeUp
            mayBeUp = -1
            down(purpose, to: last(of: purpose), at: now, into: &out)
            return
        }
        switch purpose {
        case .stop:
            state = .stopped
            out.emit(.outcome(.stopped))
            look(at: now, into: &out)
        case .unwind:
            state = .stopped
            out.emit(.outcome(refusedBy.map { .startRefused($0) } ?? .startFailed))
            look(at: now, into: &out)
        case .restartDown(let first):
            up(.restartUp(from: first), from: first, at: now, into: &out)
        case .drop(let first):
            if let change { take(change.plan, keeping: min(first, top + 1)) }
            change = nil
            monitorAll(at: now)
            out.emit(.outcome(.dropped))
        case .start, .restartUp:
            preconditionFailure("nothing is stopped on the way up")
        }
    }

    /// Something may still be up here. `unknown`: the stop could not be tried even once.
    private mutating func stick<Sink: ResourceSink>(
        _ purpose: Purpose, unknown: Bool = false, into out: inout Sink
    ) {
        if planted(.failedStopReleases), case .stop = purpose {
            lost.removeAll()
            state = .stopped
            return out.emit(.outcome(.stopped))
        }
        state = .stuck
        switch purpose {
        case .stop: out.emit(.outcome(unknown ? .stopUnknown : .stopFailed))
        case .unwind: out.emit(.outcome(unknown ? .startFailedUnknown : .startFailedDirty))
        case .restartDown, .restartUp, .start, .drop: out.emit(.outcome(.failed))
        }
    }
}

// MARK: - Monitors

extension GroupRunner {
    private mutating func runDueMonitors<Sink: ResourceSink>(
        at now: Instant, into out: inout Sink
    ) {
        for index in monitors.indices where monitors[index].run == nil && now >= monitors[index].at
        {
            guard let timeout = plan.resources[index].monitor else { continue }
            let id = run(.monitor, index, timeout, into: &out)
            monitors[index] = Monitor(run: id, at: now + timeout)
        }
    }

    private mutating func killMonitors<Sink: ResourceSink>(into out: inout Sink) {
        for index in monitors.indices {
            if let run = monitors[index].run { out.emit(.kill(run)) }
            monitors[index] = Monitor(run: nil, at: .distantFuture)
        }
    }

    // MARK: What somebody else has started

    /// Hands are off a group that is not up here by this agent.
    public var isLooking: Bool { isLeftAlone && state == .stopped }

    /// Whether each of its monitors has told since the looking began, or since it was to begin anew.
    public var hasLooked: Bool {
        guard isLooking else { return true }
        return monitors.indices.allSatisfy {
            plan.resources[$0].monitor == nil || $0 < sights.count && sights[$0] != nil
        }
    }

    /// Looks whether something of it runs all the same, from now on and at once.
    public mutating func look<Sink: ResourceSink>(at now: Instant, into out: inout Sink) {
        guard isLooking else { return }
        sights = plan.resources.map { _ in nil }
        for index in monitors.indices where plan.resources[index].monitor != nil {
            if monitors[index].run == nil { monitors[index].at = now }
        }
        tellSight(into: &out)
        runDueMonitors(at: now, into: &out)
    }

    private mutating func endLooking<Sink: ResourceSink>(into out: inout Sink) {
        guard !sights.isEmpty else { return }
        sights = []
        isSeen = nil
        if state == .stopped { killMonitors(into: &out) }
    }

    /// A monitor that could not be run, or gave no answer, has seen nothing new.
    private mutating func looked<Sink: ResourceSink>(
        _ resource: Int, _ isUp: Bool?, at now: Instant, into out: inout Sink
    ) {
        monitors[resource] = Monitor(
            run: nil, at: now + plan.resources[resource].monitorInterval)
        guard isLooking, resource < sights.count else { return }
        if let isUp { sights[resource] = isUp }
        tellSight(into: &out)
    }

    /// What has no monitor cannot be seen.
    private mutating func tellSight<Sink: ResourceSink>(into out: inout Sink) {
        let isUp = sights.contains(true)
        guard isUp || hasLooked, isUp != isSeen else { return }
        isSeen = isUp
        // Whatever else of it runs: the next stop leaves nothing out.
        if isUp { top = plan.resources.count - 1 }
        out.emit(.outcome(isUp ? .seen : .unseen))
    }

    private mutating func monitored<Sink: ResourceSink>(
        _ resource: Int, _ failure: ResourceFailure.Kind?, at now: Instant, into out: inout Sink
    ) {
        guard isLeftAlone, !planted(.maintenanceRestarts) else {
            if let failure { monitorFailed(resource, failure, at: now, into: &out) }
            return
        }
        let wasWell = ailing.isEmpty
        if let failure {
            // One that is overdue is not waited for.
            if let run = monitors[resource].run { out.emit(.kill(run)) }
            monitors[resource] = Monitor(
                run: nil, at: now + plan.resources[resource].monitorInterval)
            guard !ailing.contains(resource) else { return }
            out.emit(
                .failure(
                    ResourceFailure(resource: resource, action: .monitor, kind: failure)))
            ailing.append(resource)
            if wasWell { out.emit(.outcome(.ailing)) }
        } else {
            ailing.removeAll { $0 == resource }
            if !wasWell, ailing.isEmpty { out.emit(.outcome(.recovered)) }
        }
    }

    private mutating func monitorFailed<Sink: ResourceSink>(
        _ resource: Int, _ kind: ResourceFailure.Kind, at now: Instant, into out: inout Sink
    ) {
        out.emit(
            .failure(ResourceFailure(resource: resource, action: .monitor, kind: kind)))
        killMonitors(into: &out)
        restart(from: resource, after: .monitor, at: now, into: &out)
    }

    /// Restarts this resource and all that come after it, if the budget allows it.
    private mutating func restart<Sink: ResourceSink>(
        from resource: Int, after action: ResourceAction, at now: Instant, into out: inout Sink
    ) {
        restarts.removeAll { now - $0 >= plan.restarts.window }
        guard restarts.count < plan.restarts.count,
            !isLeftAlone || planted(.maintenanceRestarts)
        else {
            state = .failed
            out.emit(.outcome(.failed))
            return
        }
        restarts.append(now)
        cause = .monitorFailed
        out.emit(.outcome(.restarted))
        fall(.restartDown(to: resource), after: action, to: resource, at: now, into: &out)
    }
}
