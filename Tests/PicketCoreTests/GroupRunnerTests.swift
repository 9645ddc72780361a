import PicketProof
import Testing

@testable import PicketCore

struct GroupRunnerTests {
    // MARK: Start and stop

    @Test func `resources start in order and stop in reverse`() {
        var stage = Stage(.quiet(3))
        stage.start()
        stage.pass(1000)
        #expect(stage.log == ["start 0", "start 1", "start 2", "→ started"])
        #expect(stage.runner.state == .running && stage.runner.nextDeadline == .distantFuture)
        stage.stop()
        stage.pass(1000)
        #expect(stage.log.dropFirst(4) == ["stop 2", "stop 1", "stop 0", "→ stopped"])
        #expect(stage.runner.state == .stopped && stage.up.isEmpty)
    }

    @Test func `promotion follows start and demotion goes before stop`() {
        var stage = Stage(.quiet(2, promotes: true))
        stage.start()
        stage.pass(1000)
        stage.stop()
        stage.pass(1000)
        #expect(
            stage.log == [
                "start 0", "promote 0", "start 1", "promote 1", "→ started",
                "demote 1", "stop 1", "demote 0", "stop 0", "→ stopped",
            ])
    }

    @Test func `an empty group is started and stopped at once`() {
        var stage = Stage(.quiet(0))
        stage.start()
        stage.stop()
        #expect(stage.outcomes == [.started, .stopped])
    }

    @Test func `a new runner stops whatever an earlier life left`() {
        var stage = Stage(.quiet(2))
        stage.stop(.conflict)
        stage.pass(1000)
        #expect(stage.log == ["stop 1", "stop 0", "→ stopped"])
        stage.stop()
        #expect(stage.log.last == "→ stopped" && stage.log.count == 4)
    }

    @Test func `processes are told term and cause`() {
        var stage = Stage(.quiet(1), script: { _, _ in .hangs })
        stage.start(term: 9)
        #expect(stage.processes.map(\.run.term) == [Term(9)])
        #expect(stage.processes.map(\.run.cause) == [.formation])
        stage.stop(.failback)
        stage.pass(1)
        #expect(stage.processes.map(\.run.action) == [.stop])
        #expect(stage.processes.map(\.run.term) == [Term(9)])
        #expect(stage.processes.map(\.run.cause) == [.failback])
        #expect(stage.processes[0].run.id.group == 3)
    }

    // MARK: What goes wrong on the way up and down

    /// Three resources; one action of one of them misbehaves, each time.
    @Test(
        arguments: [
            (
                1, ResourceAction.start, Behaviour.fails(after: 5),
                "start 0, start 1, start 1 failed, stop 1, stop 0, → startFailed"
            ),
            (
                2, .start, .hangs,
                "start 0, start 1, start 2, start 2 timedOut, kill start 2, stop 2, stop 1, "
                    + "stop 0, → startFailed"
            ),
            (
                0, .start, .unkillable(60_000),
                "start 0, start 0 timedOut, kill start 0, start 0 unkillable, stop 0, "
                    + "→ startFailedDirty"
            ),
            (
                1, .promote, .fails(after: 5),
                "start 0, start 1, promote 1, promote 1 failed, stop 1, stop 0, → startFailed"
            ),
            (
                1, .promote, .hangs,
                "start 0, start 1, promote 1, promote 1 timedOut, kill promote 1, stop 1, stop 0, "
                    + "→ startFailed"
            ),
        ] as [(Int, ResourceAction, Behaviour, String)])
    func `a start that fails stops what was started`(
        resource: Int, action: ResourceAction, behaviour: Behaviour, expected: String
    ) {
        var plan = GroupPlan.quiet(3)
        if action == .promote { plan.resources[1].promote = .milliseconds(100) }
        var stage = Stage(plan) { index, asked in
            index == resource && asked == action ? behaviour : .succeeds(after: 10)
        }
        stage.start()
        stage.pass(5000)
        #expect(stage.log.joined(separator: ", ") == expected)
        #expect(stage.violations == [])
    }

    @Test(
        arguments: [
            (1, .start, Term(8), "refused(PicketCore.Term(value: 8))", .startRefused(Term(8))),
            (2, .start, Term((1 << 62) - 1), nil, .startRefused(Term((1 << 62) - 1))),
            (1, .promote, Term(41), nil, .startRefused(Term(41))),
            (1, .start, Term(7), nil, .startFailed), (1, .start, Term(6), nil, .startFailed),
            (1, .start, Term(1 << 62), nil, .startFailed), (1, .start, nil, nil, .startFailed),
        ] as [(Int, ResourceAction, Term?, String?, ResourceOutcome)])
    func `a start that data refuse stops what was started, and names their term if it is later`(
        resource: Int, action: ResourceAction, dataTerm: Term?, said: String?,
        outcome: ResourceOutcome
    ) {
        var plan = GroupPlan.quiet(3)
        plan.resources[1].promote = .milliseconds(100)
        var stage = Stage(plan) { index, asked in
            index == resource && asked == action ? .refuses(dataTerm) : .succeeds(after: 10)
        }
        stage.start(term: 7)
        stage.pass(5000)
        #expect(stage.outcomes == [outcome])
        let wrong = outcome == .startFailed
        #expect(stage.log.contains { $0.contains("refusedWrongly") } == wrong, "\(stage.log)")
        if let said { #expect(stage.log.contains("start \(resource) \(said)"), "\(stage.log)") }
        #expect(stage.up.isEmpty && stage.violations == [])
        // What refused one start says nothing of the next.
        stage.script = { _, action in action == .start ? .fails(after: 1) : .succeeds(after: 1) }
        stage.start(term: 50)
        stage.pass(5000)
        #expect(stage.outcomes == [outcome, .startFailed])
    }

    @Test func `a restart that is refused has failed`() {
        var stage = Stage(.simple(1, restarts: 1))
        stage.start()
        stage.pass(500)
        stage.script = { _, action in
            switch action {
            case .monitor: .fails(after: 1)
            case .start: .refuses(Term(9))
            case .stop, .promote, .demote: .succeeds(after: 1)
            }
        }
        stage.pass(5000)
        #expect(stage.outcomes == [.started, .restarted, .failed])
    }

    @Test(arguments: [
        (
            Behaviour.fails(after: 5),
            "stop 2, stop 1, stop 1 failed, stop 1, stop 1 failed, → stopFailed"
        ),
        (
            .hangs,
            "stop 2, stop 1, stop 1 timedOut, kill stop 1, stop 1, stop 1 timedOut, "
                + "kill stop 1, → stopFailed"
        ),
        (
            .unkillable(60_000),
            "stop 2, stop 1, stop 1 timedOut, kill stop 1, stop 1 unkillable, → stopFailed"
        ),
    ])
    func `a stop that fails twice is given up`(behaviour: Behaviour, expected: String) {
        var stage = Stage(.quiet(3))
        stage.start()
        stage.pass(1000)
        let begun = stage.log.count
        stage.script = { index, action in
            index == 1 && action == .stop ? behaviour : .succeeds(after: 10)
        }
        stage.stop()
        stage.pass(10_000)
        #expect(stage.log.dropFirst(begun).joined(separator: ", ") == expected)
        #expect(stage.runner.state == .stuck && stage.up == [0, 1])
        #expect(stage.violations == [])
    }

    @Test func `a stop that fails once is tried again`() {
        var stage = Stage(.quiet(2))
        stage.start()
        stage.pass(1000)
        var stops = 0
        stage.script = { index, action in
            stops += 1
            return stops == 1 ? .fails(after: 5) : .succeeds(after: 5)
        }
        stage.stop()
        stage.pass(1000)
        #expect(stage.outcomes == [.started, .stopped])
    }

    @Test func `a group that is stuck is stopped from where it stuck`() {
        var stage = Stage(.quiet(3))
        stage.start()
        stage.pass(1000)
        stage.script = { index, _ in index == 1 ? .fails(after: 5) : .succeeds(after: 5) }
        stage.stop()
        stage.pass(1000)
        stage.script = { _, _ in .succeeds(after: 5) }
        let begun = stage.log.count
        stage.stop()
        stage.pass(1000)
        #expect(stage.log.dropFirst(begun) == ["stop 1", "stop 0", "→ stopped"])
    }

    @Test func `a process that cannot be killed keeps the group from being stopped`() {
        var stage = Stage(.quiet(1)) { _, action in
            action == .start ? .unkillable(20_000) : .succeeds(after: 5)
        }
        stage.start()
        stage.pass(10_000)
        #expect(stage.outcomes == [.startFailedDirty] && stage.up.isEmpty)
        stage.stop()
        #expect(stage.outcomes.last == .stopFailed)
        stage.pass(20_000)
        // What ended at last may have come up after it was stopped.
        let begun = stage.log.count
        stage.stop()
        stage.pass(1000)
        #expect(stage.log.dropFirst(begun) == ["stop 0", "→ stopped"])
        #expect(stage.violations == [])
    }

    @Test func `a failed start whose stop fails is dirty`() {
        var stage = Stage(.quiet(2)) { index, action in
            action == .start && index == 0 ? .succeeds(after: 5) : .fails(after: 5)
        }
        stage.start()
        stage.pass(1000)
        #expect(stage.outcomes == [.startFailedDirty] && stage.runner.state == .stuck)
    }

    @Test func `what was never promoted is not demoted`() {
        var stage = Stage(.quiet(2, promotes: true)) { index, action in
            action == .start && index == 1 ? .fails(after: 5) : .succeeds(after: 5)
        }
        stage.start()
        stage.pass(1000)
        #expect(
            stage.log == [
                "start 0", "promote 0", "start 1", "start 1 failed", "stop 1", "demote 0",
                "stop 0", "→ startFailed",
            ])
    }

    @Test func `a stop that ends well only after it was killed has not succeeded`() {
        var runner = GroupRunner(group: 3, plan: .quiet(1))
        var list = ResourceRecorder()
        runner.stop(cause: .command, at: Instant(nanoseconds: 0), into: &list)
        let late = Instant(nanoseconds: 0) + .milliseconds(100)
        runner.tick(at: late, into: &list)
        guard case .run(let run) = list.items[0], list.items.last == .kill(run.id) else {
            Issue.record("the stop was not killed")
            return
        }
        runner.exited(run.id, succeeded: true, at: late, into: &list)
        guard case .run(let again) = list.items.last else {
            Issue.record("the stop was not tried again")
            return
        }
        #expect(again.action == .stop && again.id != run.id)
    }

    @Test func `a stop that could not be begun even once is told as that`() {
        var runner = GroupRunner(group: 3, plan: .quiet(1))
        var list = ResourceRecorder()
        let now = Instant(nanoseconds: 0)
        runner.stop(cause: .command, at: now, into: &list)
        for unknown in [true, true, false, true, true, false] {
            guard case .run(let run) = list.items.last(where: \.isRun) else {
                Issue.record("nothing was begun")
                return
            }
            runner.exited(run.id, succeeded: false, unknown: unknown, at: now, into: &list)
            if runner.state == .stuck { runner.stop(cause: .command, at: now, into: &list) }
        }
        let outcomes = list.items.filter(\.isOutcome)
        #expect(
            outcomes == [.outcome(.stopUnknown), .outcome(.stopFailed), .outcome(.stopFailed)])
    }

    @Test func `a demotion that fails does not keep a resource from being stopped`() {
        var stage = Stage(.quiet(1, promotes: true)) { _, action in
            action == .demote ? .hangs : .succeeds(after: 5)
        }
        stage.start()
        stage.pass(1000)
        stage.stop()
        stage.pass(1000)
        #expect(stage.outcomes == [.started, .stopped])
    }

    // MARK: Stop at any time

    @Test func `a stop cancels a start at once`() {
        var stage = Stage(.quiet(3)) { index, action in
            action == .start && index == 1 ? .hangs : .succeeds(after: 10)
        }
        stage.start()
        stage.pass(50)
        stage.stop()
        stage.pass(100)
        #expect(
            stage.log == [
                "start 0", "start 1", "kill start 1", "stop 1", "stop 0", "→ stopped",
            ])
        #expect(stage.violations == [])
    }

    @Test func `a stop while a failed start is being undone only changes the outcome`() {
        var stage = Stage(.quiet(2)) { _, action in
            action == .start ? .fails(after: 5) : .succeeds(after: 50)
        }
        stage.start()
        stage.pass(20)
        stage.stop()
        stage.pass(1000)
        #expect(stage.log == ["start 0", "start 0 failed", "stop 0", "→ stopped"])
    }

    @Test func `a second stop joins the first`() {
        var stage = Stage(.quiet(2))
        stage.start()
        stage.pass(1000)
        stage.stop()
        stage.pass(5)
        stage.stop()
        stage.pass(1000)
        #expect(stage.log.suffix(3) == ["stop 1", "stop 0", "→ stopped"])
    }

    @Test func `a group may be started again after it was stopped`() {
        var stage = Stage(.quiet(1))
        for term in 1...3 as ClosedRange<UInt64> {
            stage.start(term: term)
            stage.pass(100)
            stage.stop()
            stage.pass(100)
        }
        #expect(stage.outcomes == [.started, .stopped, .started, .stopped, .started, .stopped])
    }

    // MARK: Monitors

    @Test func `monitors run at their interval, beside each other`() {
        var stage = Stage(.simple(2))
        stage.start()
        stage.pass(20)
        #expect(stage.log.last == "→ started")
        stage.pass(3100)
        #expect(
            stage.log.dropFirst(3)
                == Array(repeating: ["monitor 0", "monitor 1"], count: 3)
                .flatMap { $0 }[...])
        #expect(stage.outcomes == [.started])
    }

    @Test func `an adopted group is monitored at once and not started`() {
        var stage = Stage(.simple(2))
        stage.adopt()
        #expect(stage.log == ["monitor 0", "monitor 1"] && stage.outcomes == [])
        stage.pass(20)
        stage.stop()
        stage.pass(100)
        #expect(stage.log.dropFirst(2) == ["stop 1", "stop 0", "→ stopped"])
    }

    @Test(arguments: [Behaviour.fails(after: 5), .hangs])
    func `a failed monitor restarts its resource and those after it`(behaviour: Behaviour) {
        var failures = 1
        var stage = Stage(.simple(3)) { index, action in
            guard action == .monitor, index == 1, failures > 0 else { return .succeeds(after: 1) }
            failures -= 1
            return behaviour
        }
        stage.start()
        stage.pass(1500)
        let expected = behaviour == .hangs ? "timedOut" : "failed"
        #expect(
            stage.log.filter { !$0.hasPrefix("kill") }.dropFirst(7) == [
                "monitor 1 \(expected)", "→ restarted", "stop 2", "stop 1", "start 1", "start 2",
            ])
        #expect(stage.runner.state == .running)
        stage.pass(1000)
        #expect(stage.log.suffix(3) == ["monitor 0", "monitor 1", "monitor 2"])
        #expect(stage.violations == [])
    }

    @Test func `of a changed group what comes before the first difference runs on`() {
        var stage = Stage(.simple(3))
        stage.start()
        stage.pass(100)
        let begun = stage.log.count
        stage.change(to: .simple(4), from: 1)
        stage.pass(100)
        #expect(stage.log.dropFirst(begun) == ["stop 2", "stop 1", "→ dropped"])
        #expect(stage.up == [0])
        stage.pass(1_500)
        #expect(stage.log.dropFirst(begun + 3).allSatisfy { $0.hasSuffix("monitor 0") })
        stage.add()
        stage.pass(100)
        let added = stage.log.filter { !$0.hasPrefix("kill") && !$0.hasPrefix("monitor") }
        #expect(added.suffix(4) == ["start 1", "start 2", "start 3", "→ started"])
        #expect(stage.up == [0, 1, 2, 3])
        stage.stop()
        stage.pass(100)
        #expect(stage.up.isEmpty)
        #expect(stage.violations == [])
    }

    @Test func `a change waits for a restart that is under way, and a stop ends it`() {
        var failures = 1
        var stage = Stage(.simple(2)) { index, action in
            guard action == .monitor, index == 0, failures > 0 else { return .succeeds(after: 10) }
            failures -= 1
            return .fails(after: 1)
        }
        stage.start()
        while stage.outcomes.last != .restarted { stage.pass(1) }
        stage.change(to: .simple(1), from: 1)
        stage.pass(100)
        #expect(stage.outcomes == [.started, .restarted, .dropped])
        #expect(stage.up == [0])
        stage.change(to: .simple(2), from: 0)
        stage.stop()
        stage.pass(100)
        #expect(stage.outcomes.last == .stopped)
        #expect(stage.up.isEmpty)
        #expect(stage.violations == [])
    }

    @Test func `restarts are limited within the window`() {
        var stage = Stage(.simple(1, restarts: 2)) { _, action in
            action == .monitor ? .fails(after: 1) : .succeeds(after: 1)
        }
        stage.start()
        stage.pass(60_000)
        #expect(stage.outcomes == [.started, .restarted, .restarted, .failed])
        #expect(stage.runner.state == .failed && stage.runner.nextDeadline == .distantFuture)
        stage.stop()
        stage.pass(100)
        #expect(stage.outcomes.last == .stopped)
    }

    @Test func `restarts further apart than the window go on`() {
        var plan = GroupPlan.simple(1, restarts: 1)
        plan.restarts.window = .milliseconds(900)
        var stage = Stage(plan) { _, action in
            action == .monitor ? .fails(after: 1) : .succeeds(after: 1)
        }
        stage.start()
        stage.pass(10_000)
        #expect(stage.outcomes.count(where: { $0 == .restarted }) >= 8)
        #expect(!stage.outcomes.contains(.failed))
    }

    @Test func `without restarts the first failure is the last`() {
        var stage = Stage(.simple(1, restarts: 0)) { _, action in
            action == .monitor ? .fails(after: 1) : .succeeds(after: 1)
        }
        stage.start()
        stage.pass(5000)
        #expect(stage.outcomes == [.started, .failed])
    }

    @Test func `a restart whose start fails counts as another failure`() {
        var started = false
        var stage = Stage(.simple(2, restarts: 2)) { index, action in
            if action == .monitor { return .fails(after: 1) }
            if action == .start, index == 1 {
                defer { started = true }
                return started ? .fails(after: 1) : .succeeds(after: 1)
            }
            return .succeeds(after: 1)
        }
        stage.start()
        stage.pass(60_000)
        #expect(stage.outcomes == [.started, .restarted, .restarted, .failed])
        stage.stop()
        stage.pass(1000)
        #expect(stage.outcomes.last == .stopped && stage.violations == [])
    }

    @Test func `a restart whose stop fails gives the group up`() {
        var stage = Stage(.simple(1)) { _, action in
            action == .start ? .succeeds(after: 1) : .fails(after: 1)
        }
        stage.start()
        stage.pass(5000)
        #expect(stage.outcomes == [.started, .restarted, .failed])
        stage.stop()
        stage.pass(1000)
        #expect(stage.outcomes.last == .stopFailed)
    }

    @Test func `a stop during a restart stops everything`() {
        var stage = Stage(.simple(3)) { index, action in
            switch action {
            case .monitor: index == 1 ? .fails(after: 1) : .succeeds(after: 1)
            case .stop: .succeeds(after: 40)
            case .start, .promote, .demote: .succeeds(after: 1)
            }
        }
        stage.start()
        stage.pass(1020)
        #expect(stage.log.suffix(2) == ["→ restarted", "stop 2"])
        stage.stop()
        stage.pass(1000)
        #expect(stage.log.suffix(4) == ["stop 2", "stop 1", "stop 0", "→ stopped"])
    }

    @Test func `a monitor under way is killed by a stop, and does not delay it`() {
        var stage = Stage(.simple(1)) { _, action in
            action == .monitor ? .unkillable(60_000) : .succeeds(after: 1)
        }
        stage.start()
        stage.pass(1010)
        stage.stop()
        stage.pass(10)
        #expect(stage.log.suffix(3) == ["kill monitor 0", "stop 0", "→ stopped"])
    }

    @Test func `an end that is handed in late but before the tick is in time`() {
        var runner = GroupRunner(group: 3, plan: .quiet(1))
        var list = ResourceRecorder()
        runner.start(Stage.activation(), at: Instant(nanoseconds: 0), into: &list)
        guard case .run(let run) = list.items[0] else {
            Issue.record("nothing was run")
            return
        }
        let late = Instant(nanoseconds: 0) + .seconds(30)
        runner.exited(run.id, succeeded: true, at: late, into: &list)
        runner.tick(at: late, into: &list)
        #expect(list.items.dropFirst() == [.outcome(.started)])
    }

    @Test func `ends of unknown processes are ignored`() {
        var stage = GroupRunner(group: 3, plan: .quiet(1))
        var list = ResourceRecorder()
        stage.exited(RunID(77), succeeded: false, at: Instant(nanoseconds: 0), into: &list)
        #expect(list.items.isEmpty && stage.state == .stopped)
    }

    // MARK: Anything

    /// Random behaviour of everything, random commands, and every rule that Stage knows.
    @Test(arguments: 1...300) func `whatever happens, stopped means stopped`(seed: UInt64) {
        var chance = Chance(seed: seed)
        let count = Int(chance.below(4))
        let plan = GroupPlan.simple(
            count, restarts: Int(chance.below(4)), promotes: chance.below(2) == 0)
        var fate = chance.fork()
        let badness = chance.below(60)
        var stage = Stage(plan) { _, _ in
            let after = fate.below(150)
            guard fate.below(100) < badness else { return .succeeds(after: after) }
            switch fate.below(3) {
            case 0: return .fails(after: after)
            case 1: return .hangs
            default: return .unkillable(after * 40)
            }
        }
        for _ in 0..<60 {
            stage.pass(chance.below(1500))
            switch (stage.runner.state, chance.below(3)) {
            case (.stopped, 0): stage.start()
            case (.stopped, _): break
            case (.failed, _), (_, 0): stage.stop()
            default: break
            }
        }
        // Once nothing goes wrong any more, it can be stopped.
        stage.script = { _, _ in .succeeds(after: 1) }
        for _ in 0..<3 {
            stage.pass(10_000)
            stage.stop()
        }
        stage.pass(10_000)
        #expect(stage.runner.state == .stopped && stage.outcomes.last == .stopped)
        #expect(stage.up.isEmpty && stage.violations == [])
    }
}

extension ResourceEffect {
    fileprivate var isRun: Bool { if case .run = self { true } else { false } }
    fileprivate var isOutcome: Bool { if case .outcome = self { true } else { false } }
}
