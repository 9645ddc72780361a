public import PicketCore
import PicketText

/// Runs one drill at a time, from the request to the report.
///
/// It is a pure state machine: the shell tells it what happens and does what it is told, in order.
/// It goes through at most four steps:
///
///     marking     the machine was asked to mark the node as in a drill; nothing is injected yet
///     injected    the failure is there, until the drill's time is up
///     settling    it is gone again; watching that everything comes back
///     idle        the report is out
///
/// However a drill ends (time up, refusal, the client gone, the agent stopping), it passes through
/// `undo`, the one place that takes back the injection and the mark. The injection lives in the
/// agent's memory alone, so that the agent's death undoes it as well. The mark on disk
/// (`DrillMark`) makes the next agent write the report.
///
/// The shell's part of S9: an injected value may lower the node's health and never raise it.
public struct DrillRunner: Sendable {
    public enum Event: Equatable, Sendable {
        /// `deadline` has come, or any turn of the loop.
        case tick
        /// The client that asked for the drill has closed.
        case clientGone
        /// The agent is about to end.
        case stopping
        /// The machine's answer to an `Action.command`, in the order of the commands.
        case answered(CommandResult)
        case observed(Trace)
        /// A sensor's state changed, by index.
        case sensor(Int, SensorReport.State)
        /// The answer to `testRelay`; `detail` says what the line or its feedback did.
        case relayTested(Message.RelayTest, detail: String)
    }

    public enum Action: Equatable, Sendable {
        /// Write this mark to disk, durably, before the next action.
        case mark(Drill)
        /// Until `clearInjection`, and in no case longer than to this instant.
        case inject(sensor: Int, Drill.SensorFault, until: Instant)
        case clearInjection(sensor: Int)
        /// Drop all that arrives or leaves on this link, at the socket.
        case block(link: Int)
        case unblock(link: Int)
        /// Live: of several supplies each is cut alone.
        case testRelay(live: Bool)
        case command(Command)
        /// Stop the loop for good, feeding nothing, so that the watchdog resets the node.
        case hang
        /// Send this to the client that asked.
        case say([UInt8])
        /// Store the report, remove the mark, send `report.json` to the client and close.
        case finish(DrillReport)
    }

    private enum Step: Equatable { case marking, injected, settling }

    private struct Run: Sendable {
        var drill: Drill
        var step = Step.marking
        var began: Instant
        var beganMilliseconds: Int64
        var deadline: Instant
        /// When to look once more, before the deadline.
        var wake = Instant.distantFuture
        /// A link must be silent for longer than this to be missed.
        var noticeable: Duration
        /// By index, where the drill is about a sensor.
        var sensor: Int?
        /// How that sensor stood before.
        var stood = SensorReport.State.normal
        var timeline: [DrillReport.Moment] = []
        var seen = Seen()
        /// What would not go well if the peer died, as the status has it; `nil` if all would.
        var gap: String?
    }

    /// The observations so far that the verdict depends on.
    private struct Seen: Sendable {
        /// The state by which the injected failure was noticed, and the newest one.
        var noticed: SensorReport.State?
        var sensor: SensorReport.State?
        var contactLost = false
        var linkDown = false
        var linkUp = false
        var relay: Message.RelayTest?
        var planned = 0
        var planRefused = false
        var fenceVerified = false
        var fenceFailed = false
        var starting = 0
        var startFailed = false
        var asked = false
        var lastChange: Instant?
    }

    private var run: Run?
    private var narrator: Narrator
    /// Answers of the machine that are still to come and are not this run's business.
    private var staleAnswers = 0
    /// Answers of the machine that this run waits for.
    private var openAnswers = 0

    public init(narrator: Narrator) { self.narrator = narrator }

    /// A reload may change the names.
    public mutating func rename(_ names: Names) {
        narrator.names = names
        if case .sensor(let name, _, for: _)? = drill { run?.sensor = names.sensorIndex(name) }
    }

    /// The drill under way.
    public var drill: Drill? { run?.drill }
    /// When `tick` is due; `nil` while idle.
    public var deadline: Instant? { run.map { min($0.deadline, $0.wake) } }

    static let answerWithin = Duration.seconds(5)
    static let settleWithin = Duration.seconds(10)
    static let relayWithin = Duration.seconds(30)
    static let failoverWithin = Duration.seconds(120)
    static let afterPlan = Duration.milliseconds(100)
    static let quietAfterFailover = Duration.seconds(3)
    /// Time for the mark to reach the peer before the loop stops.
    static let beforeHang = Duration.seconds(1)
    static let longestTimeline = 200

    // MARK: - Begin

    /// Begins a drill, or throws why not; then nothing has been done.
    ///
    /// - Parameters:
    ///   - report: the node's status now.
    ///   - milliseconds: the wall clock, for the report's name.
    public mutating func begin(
        _ drill: Drill, given report: StatusReport, at now: Instant, milliseconds: Int64
    ) throws(RequestError) -> [Action] {
        guard run == nil, !report.status.drill else {
            throw Self.refusal("another drill is under way on this node; wait for its end.")
        }
        if report.status.peerDrill {
            throw Self.refusal(
                "a drill is under way on \(report.names.peer); two at once would prove nothing.")
        }
        let sensor = try check(drill, report)
        var run = Run(
            drill: drill, began: now, beganMilliseconds: milliseconds,
            deadline: now + Self.answerWithin, noticeable: report.policy.timing.detectWithin * 2,
            sensor: sensor)
        if let sensor, report.sensors.indices.contains(sensor) {
            run.stood = report.sensors[sensor].state
        }
        let outcome = Protection(report).lines.first { $0.failure == "\(report.names.peer) dies" }
        if let outcome, outcome.verdict == .unprotected { run.gap = outcome.text }
        if case .hang(live: false) = drill {
            self.run = run
            return plan(report, at: now)
        }
        self.run = run
        openAnswers = 1
        return [
            say("Drill \(drill.line): begins.", at: now), .mark(drill), .command(.drill(true)),
        ]
    }

    private func check(_ drill: Drill, _ report: StatusReport) throws(RequestError) -> Int? {
        switch drill {
        case .sensor(let name, let fault, for: _): return try checkSensor(name, fault, report)
        case .link(let link, for: _, let live):
            guard link < report.policy.linkCount else {
                throw RequestError(
                    .unknownName, "This pair has \(report.policy.linkCount) links, counted from 1.")
            }
            var left = report.status.linksUp
            left.remove(link)
            if left.isEmpty, !live {
                throw Self.refusal(
                    "link \(link + 1) is the last one that works: without it the pair loses "
                        + "contact and a node is fenced. If that is meant, add --live.")
            }
        case .relay(live: true) where report.status.maintenance || report.status.peerMaintenance:
            throw Self.refusal(
                "the pair is in maintenance, in which no supply is cut. End it with \"picket "
                    + "maintenance off\", or leave --live out.")
        case .relay, .failover: break
        case .hang(let live):
            if live, report.status.watchdog <= .zero {
                throw Self.refusal(
                    "no watchdog is armed on \(report.names.node): nothing here would end the "
                        + "hang. Arm one first.")
            }
        }
        return nil
    }

    private func checkSensor(
        _ name: String, _ fault: Drill.SensorFault, _ report: StatusReport
    ) throws(RequestError) -> Int {
        guard let index = report.names.sensorIndex(name) else {
            throw RequestError(
                .unknownName,
                "There is no sensor \"\(name)\"; \(report.names.node) has "
                    + "\(Text.list(report.names.sensors)).")
        }
        if case .value(_, let unit) = fault, !unit.isEmpty, report.sensors.indices.contains(index),
            unit != report.sensors[index].unit
        {
            throw RequestError(
                .malformed, "\(name) reads in \(report.sensors[index].unit), not in \(unit).")
        }
        return index
    }

    private static func refusal(_ text: String) -> RequestError {
        RequestError(.refused, "The drill is refused: \(text)")
    }

    /// `drill hang` without `live`: says what would happen, and is over.
    private mutating func plan(_ report: StatusReport, at now: Instant) -> [Action] {
        let (me, peer) = (report.names.node, report.names.peer)
        var actions = [say("If the agent on \(me) hung now:", at: now)]
        let watchdog = report.status.watchdog
        if watchdog > .zero {
            actions.append(
                say("its watchdog would reset \(me) within \(Text.span(watchdog)).", at: now))
        } else {
            actions.append(say("no watchdog is armed: nothing here would reset \(me).", at: now))
        }
        let protection = Protection(report)
        let outcome = protection.lines.first { $0.failure == "\(me) dies" }
        let detect = Text.span(report.policy.timing.detectWithin)
        if let outcome, outcome.verdict != .unprotected {
            actions.append(
                say("\(peer) would notice within \(detect): \(outcome.text)", at: now))
        } else {
            actions.append(
                say("\(peer) would not take over: \(outcome?.text ?? "no contact.")", at: now))
        }
        let ends = watchdog > .zero || outcome?.verdict == .protected
        return actions
            + finish(
                ends ? .passed : .failed,
                ends
                    ? "Such a hang would end. Nothing was stopped; \"picket drill hang --live\" does it."
                    : "Nothing would end the hang and nobody would take over.", at: now,
                marked: false)
    }

    // MARK: - Events

    public mutating func handle(_ event: Event, at now: Instant) -> [Action] {
        if case .answered(let result) = event { return answered(result, at: now) }
        guard run != nil else { return [] }
        switch event {
        case .answered: return []
        case .tick: return tick(at: now)
        case .clientGone:
            return finish(
                .interrupted,
                "The command that asked for the drill went away; the drill was undone.",
                at: now)
        case .stopping:
            return finish(.interrupted, "The agent was stopped; the drill was undone.", at: now)
        case .observed(let trace): return observed(trace, at: now)
        case .sensor(let index, let state): return sensor(index, state, at: now)
        case .relayTested(let result, let detail):
            guard case .relay? = run?.drill else { return [] }
            return relayTested(result, detail, at: now)
        }
    }

    private mutating func answered(_ result: CommandResult, at now: Instant) -> [Action] {
        if staleAnswers > 0 {
            staleAnswers -= 1
            return []
        }
        guard openAnswers > 0, let run else { return [] }
        openAnswers -= 1
        if case .refused(let refusal) = result {
            return finish(
                .failed, "Refused: " + narrator.refusal(refusal), at: now,
                marked: run.step == .injected)
        }
        guard run.step == .marking else { return [] }
        return inject(at: now)
    }

    private mutating func inject(at now: Instant) -> [Action] {
        guard let drill = run?.drill else { return [] }
        run?.step = .injected
        switch drill {
        case .sensor(let name, let fault, let span):
            run?.deadline = now + span
            let what =
                switch fault {
                case .value(let value, let unit): "reads \(Text.number(value))\(unit)"
                case .fail: "fails every reading"
                case .stuck: "repeats its last reading"
                }
            return [
                .inject(sensor: run?.sensor ?? 0, fault, until: now + span),
                say("Injected: \(name) \(what) for \(Text.span(span)).", at: now),
            ]
        case .link(let link, let span, _):
            run?.deadline = now + span
            return [
                .block(link: link),
                say("Injected: link \(link + 1) drops everything for \(Text.span(span)).", at: now),
            ]
        case .hang:
            run?.deadline = now + Self.beforeHang
            return [say("The agent stops its loop in \(Text.span(Self.beforeHang)).", at: now)]
        case .relay(let live):
            run?.deadline = now + Self.relayWithin
            return [.testRelay(live: live)]
        case .failover(let live):
            run?.deadline = now + (live ? Self.failoverWithin : Self.answerWithin)
            openAnswers = 1
            return [.command(.drillFailover(live: live))]
        }
    }

    private mutating func tick(at now: Instant) -> [Action] {
        guard let run else { return [] }
        self.run?.wake = .distantFuture
        if case .failover = run.drill, let done = failoverDone(run, at: now) { return done }
        guard now >= run.deadline else { return [] }
        switch (run.drill, run.step) {
        case (_, .marking):
            return finish(
                .failed, "The agent did not answer in time; nothing was injected.", at: now)
        case (.hang, .injected): return [.hang]
        case (.sensor, .injected), (.link, .injected):
            let told = say("The failure is taken back; all must recover now.", at: now)
            let actions = undo()
            self.run?.step = .settling
            self.run?.deadline = now + Self.settleWithin
            return [told] + actions + settled(at: now)
        case (.relay, .injected):
            return finish(.failed, "The relay's self-test gave no answer in time.", at: now)
        case (.failover, .injected):
            return finish(
                .failed, "The failover was not over within \(Text.span(Self.failoverWithin)).",
                at: now)
        case (_, .settling): return conclude(at: now)
        }
    }

    private mutating func observed(_ trace: Trace, at now: Instant) -> [Action] {
        guard var run else { return [] }
        switch trace.kind {
        case .contactLost: run.seen.contactLost = true
        case .linkDown where isDrilled(trace, run): run.seen.linkDown = true
        case .linkUp where isDrilled(trace, run): run.seen.linkUp = run.step == .settling
        case .drillPlan:
            run.seen.planned += 1
            if !run.drill.isLive { run.wake = now + Self.afterPlan }
            if trace.refusal != nil { run.seen.planRefused = true }
        case .fenceVerified: run.seen.fenceVerified = true
        case .fenceExhausted, .fenceRefused: run.seen.fenceFailed = true
        case .activating: run.seen.starting += 1
        case .active: run.seen.starting -= 1
        case .takeoverAsked: run.seen.asked = true
        case .startFailed:
            run.seen.starting -= 1
            run.seen.startFailed = true
        default: break
        }
        run.seen.lastChange = now
        if run.seen.fenceVerified { run.wake = now + Self.quietAfterFailover }
        self.run = run
        if trace.kind.severity == .debug { return [] }
        let words = say(narrator.sentence(trace), trace.kind.severity, at: now)
        return [words] + settled(at: now) + (failoverDone(self.run ?? run, at: now) ?? [])
    }

    private func isDrilled(_ trace: Trace, _ run: Run) -> Bool {
        guard case .link(let link, for: _, live: _) = run.drill else { return false }
        return trace.number == UInt64(link)
    }

    private mutating func sensor(
        _ index: Int, _ state: SensorReport.State, at now: Instant
    ) -> [Action] {
        guard let run else { return [] }
        let name =
            narrator.names.sensors.indices.contains(index)
            ? narrator.names.sensors[index] : "sensor \(index + 1)"
        let severity: Trace.Kind.Severity = state == .normal ? .notice : .warning
        let words = say("\(name) is now \(state.label).", severity, at: now)
        guard run.sensor == index else { return [words] }
        self.run?.seen.sensor = state
        if state != run.stood, run.step == .injected, isMeant(state, run.drill) {
            self.run?.seen.noticed = state
        }
        return [words] + settled(at: now)
    }

    /// Whether the injection can be the cause of this state of the sensor: a value that is too high
    /// or low or cannot be, or a reading that fails. Silence is the sensor's own.
    private func isMeant(_ state: SensorReport.State, _ drill: Drill) -> Bool {
        guard case .sensor(_, let fault, for: _) = drill else { return false }
        return switch (fault, state) {
        case (.value, .warn), (.value, .critical), (_, .failed): true
        case (.fail, .critical), (.stuck, .critical): true
        case (_, .unknown), (_, .normal), (_, .stale), (.fail, .warn), (.stuck, .warn): false
        }
    }

    private mutating func relayTested(
        _ result: Message.RelayTest, _ detail: String, at now: Instant
    ) -> [Action] {
        let words = say(detail, result == .failed ? .alarm : .info, at: now)
        let peer = narrator.names.peer
        return [words]
            + {
                switch result {
                case .passed:
                    finish(
                        .passed,
                        "Each level of \(peer)'s fence answers as it should; \(peer) kept its power.",
                        at: now)
                case .failed:
                    finish(
                        .failed,
                        "\(peer) could not be fenced now. Check relay, wiring and sense line, or the fence agent.",
                        at: now)
                case .absent: finish(.inconclusive, "No fence is configured.", at: now)
                case .unknown: finish(.inconclusive, "The test did not run.", at: now)
                }
            }()
    }

    // MARK: - Ends

    /// Takes back the injection and the mark. Harmless when there is nothing to take back.
    private mutating func undo(marked: Bool = true) -> [Action] {
        guard let run, run.step != .settling else { return [] }
        var actions: [Action] = []
        if run.step == .injected {
            switch run.drill {
            case .sensor: actions.append(.clearInjection(sensor: run.sensor ?? 0))
            case .link(let link, for: _, live: _): actions.append(.unblock(link: link))
            case .relay, .failover, .hang: break
            }
        }
        staleAnswers += openAnswers
        openAnswers = 0
        if marked {
            actions.append(.command(.drill(false)))
            staleAnswers += 1
        }
        return actions
    }

    /// While settling: is everything back already?
    private mutating func settled(at now: Instant) -> [Action] {
        guard let run, run.step == .settling else { return [] }
        switch run.drill {
        case .sensor:
            return run.seen.noticed != nil && run.seen.sensor != run.stood ? [] : conclude(at: now)
        case .link: return run.seen.linkDown && !run.seen.linkUp ? [] : conclude(at: now)
        case .relay, .failover, .hang: return []
        }
    }

    private mutating func conclude(at now: Instant) -> [Action] {
        guard let run else { return [] }
        let seen = run.seen
        switch run.drill {
        case .sensor(let name, let fault, _):
            guard let noticed = seen.noticed else {
                return finish(.inconclusive, unnoticed(name, fault), at: now)
            }
            return seen.sensor == run.stood
                ? finish(.passed, "\(name) was \(noticed.label) and has come back.", at: now)
                : finish(.failed, "\(name) was \(noticed.label) and has not come back.", at: now)
        case .link(let link, for: let span, let live):
            if seen.contactLost, !live {
                return finish(
                    .failed, "The pair lost contact, though only link \(link + 1) was cut.", at: now
                )
            }
            if !seen.linkDown, span <= run.noticeable {
                return finish(
                    .inconclusive,
                    "The drill was too short to be noticed: give it more than "
                        + "\(Text.span(run.noticeable)).",
                    at: now)
            }
            if !seen.linkDown {
                return finish(
                    .failed, "Nobody noticed that link \(link + 1) carried nothing.", at: now)
            }
            return seen.linkUp
                ? finish(.passed, "Link \(link + 1) was missed and has come back.", at: now)
                : finish(.failed, "Link \(link + 1) was missed and has not come back.", at: now)
        case .relay, .failover, .hang: return []
        }
    }

    private func unnoticed(_ name: String, _ fault: Drill.SensorFault) -> String {
        switch fault {
        case .value(let value, let unit):
            "\(name) crossed no limit: \(Text.number(value))\(unit) is within all of them, or the "
                + "drill was shorter than the sensor's debounce."
        case .fail:
            "\(name) was not called failed: the drill was shorter than the sensor's debounce."
        case .stuck:
            "\(name) was not called failed: it has no stuck_after, or the drill was shorter than that."
        }
    }

    /// The end of a failover drill, if it has come.
    private mutating func failoverDone(_ run: Run, at now: Instant) -> [Action]? {
        guard case .failover(let live) = run.drill, openAnswers == 0 else { return nil }
        let seen = run.seen
        if !live {
            guard seen.planned > 0 || now >= run.deadline else { return nil }
            // The plan's lines come in one turn; the tick after them ends it.
            guard seen.lastChange.map({ now > $0 }) ?? true else { return nil }
            return seen.planRefused || seen.planned == 0
                ? finish(.failed, "As things are, nothing would be taken over.", at: now)
                : run.gap.map { finish(.failed, "As things are: \($0)", at: now) }
                    ?? finish(
                        .passed,
                        "The way is clear. The relay was not touched; \"picket drill failover --live\" cuts the "
                            + "power for real.",
                        at: now)
        }
        if seen.fenceFailed {
            return finish(.failed, "The fence failed; nothing was taken over.", at: now)
        }
        if seen.startFailed { return finish(.failed, "A group failed to start.", at: now) }
        guard seen.fenceVerified, seen.starting <= 0, let last = seen.lastChange,
            now - last >= Self.quietAfterFailover
        else { return nil }
        return finish(
            .passed,
            seen.asked
                ? "\(narrator.names.peer) was verified off. Its groups are active here, but for those "
                    + "that wait for the operator (\"picket take\")."
                : "\(narrator.names.peer) was verified off and its groups are active here.",
            at: now)
    }

    private mutating func finish(
        _ verdict: DrillReport.Verdict, _ conclusion: String, at now: Instant, marked: Bool = true
    ) -> [Action] {
        guard let run else { return [] }
        let undone = undo(marked: marked)
        self.run = nil
        return undone + [
            .finish(
                DrillReport(
                    identifier: DrillReport.identifier(run.drill, run.beganMilliseconds),
                    node: narrator.names.node, drill: run.drill.line, live: run.drill.isLive,
                    beganMilliseconds: run.beganMilliseconds, lasted: now - run.began,
                    timeline: run.timeline, verdict: verdict, conclusion: conclusion))
        ]
    }

    private mutating func say(
        _ text: String, _ severity: Trace.Kind.Severity = .info, at now: Instant
    ) -> Action {
        let moment = DrillReport.Moment(now - (run?.began ?? now), severity, text)
        if let count = run?.timeline.count, count < Self.longestTimeline {
            run?.timeline.append(moment)
        }
        return .say(moment.json)
    }
}
