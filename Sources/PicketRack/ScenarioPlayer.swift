/// Plays a scenario's steps, one after the other, and judges what came of them.
import PicketConfig
import PicketControl
import PicketCore
import PicketText

package final class ScenarioPlayer {
    private let scenario: Scenario
    private let repetitions: Int
    private var played = 0
    private unowned let rack: Rack
    private var step = 0
    private var since: Instant
    private var met = false
    private(set) var failures: [String] = []
    private var causes: [String] = []
    private var ended: (() -> Void)?

    /// - Parameter repetitions: in place of the scenario's own.
    package init(_ scenario: Scenario, on rack: Rack, repetitions: Int? = nil) {
        self.repetitions = repetitions ?? scenario.repetitions
        self.scenario = scenario
        self.rack = rack
        since = rack.loop.now
        rack.listen { [unowned self] event in
            guard event.source == .agent else { return }
            if event.kind == "activating" || event.kind == "taken", let cause = event.cause {
                causes.append(cause)
            }
        }
    }

    /// Plays to the end; the loop has stopped when it returns.
    package func play() {
        begin { [unowned self] in rack.loop.stop() }
        rack.loop.run()
    }

    /// Plays while the loop runs; at the end, or at the first failure, calls `ended`.
    func begin(_ ended: @escaping () -> Void) {
        self.ended = ended
        for phrase in scenario.before { perform(phrase) }
        for id in scenario.start { rack[id].switchOn() }
        since = rack.loop.now
        // Not before the loop runs: a failure at once would stop it before it begins.
        rack.loop.after(.zero) { [unowned self] in
            rack.loop.every(.milliseconds(10)) { [unowned self] in
                if self.ended != nil { look() }
            }
        }
    }

    private func end() {
        let ended = ended
        self.ended = nil
        ended?()
    }

    /// Stops as soon as a step cannot come true any more.
    private func look() {
        for (text, condition) in scenario.never where rack.holds(condition) {
            return fail("this must never hold: \(text)")
        }
        if let failed = rack.failedCommand { return fail(failed) }
        if rack.commandsUnderWay > 0, let last = scenario.steps[..<step].last {
            let within = last.within * Int64(rack.patience)
            if rack.loop.now - since > within {
                fail("waited \(Text.span(within)) in vain for the end of a command")
            }
            return
        }
        guard step < scenario.steps.count else { return again() }
        let current = scenario.steps[step]
        if !met {
            if let missing = current.conditions.first(where: { !rack.holds($0.condition) }) {
                let within = current.within * Int64(rack.patience)
                if rack.loop.now - since > within {
                    fail("waited \(Text.span(within)) in vain for: \(missing.text)")
                }
                return
            }
            met = true
            since = rack.loop.now
        }
        guard rack.loop.now - since >= current.after ?? .zero else { return }
        for phrase in current.actions { perform(phrase) }
        step += 1
        met = false
        since = rack.loop.now
    }

    private func again() {
        played += 1
        guard played < repetitions else { return end() }
        rack.tell(.scenario, "again", "\(played) of \(repetitions) times played")
        step = 0
    }

    private func perform(_ phrase: Scenario.Step.Phrase) {
        let text: String
        if case .say(let words) = phrase.action { text = words } else { text = phrase.text }
        rack.tell(.scenario, "action", text, .good)
        rack.perform(phrase.action)
    }

    private func fail(_ reason: String) {
        failures.append(reason)
        rack.tell(.scenario, "failed", reason, .alarm)
        end()
    }

    // MARK: - Judgement

    package func judge() -> Summary {
        var summary = Summary(
            rack: rack, scenario: scenario.name, repetitions: repetitions, cause: causes.last)
        if let reason = rack.failure { failures.append(reason) }
        for expectation in scenario.expectations { check(expectation, summary) }
        // Whatever the scenario says: two at once, or a token that fell, is never what was wanted.
        let saysDual = scenario.expectations.contains {
            if case .measure("dual_active_ms", _) = $0 { true } else { false }
        }
        if !saysDual, summary.dualActive > .zero {
            failures.append("a group was active on both nodes")
        }
        if rack.evidence.fallenTerms > 0 { failures.append("a term fell") }
        summary.failures = failures
        return summary
    }

    private func check(_ expectation: Scenario.Expectation, _ summary: Summary) {
        switch expectation {
        case .measure(let name, let bound):
            let found = summary.measure(name)
            var bound = bound
            if Scenario.counts.contains(name) { bound.value *= Double(repetitions) }
            if name.hasSuffix("_ms"), [.atMost, .less].contains(bound.relation) {
                bound.value *= Double(rack.patience)
            }
            guard !bound.admits(found) else { return }
            let shown = found.map { Text.number($0) } ?? "nothing"
            failures.append("\(name) is \(shown), not \(bound.text)")
        case .outcome(let word):
            guard summary.outcome != word else { return }
            failures.append("the outcome is \(summary.outcome), not \(word)")
        case .finally(let text, let condition):
            guard !rack.holds(condition) else { return }
            failures.append("at the end this does not hold: \(text)")
        }
    }
}
