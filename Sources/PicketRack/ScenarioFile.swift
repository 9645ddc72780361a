/// A scenario file: what happens on the rack, and what must come of it.
///
///     description: >
///       The holder's kernel dies. The standby cuts its power, sees it off and takes over.
///     repeat: 10                          # plays the steps so often; counts below are for one time
///     start: [east, west]                 # what is switched on at first; both by default
///     before: [key of west wrong]         # done before anything is switched on
///     steps:
///       - when: ready                     # one condition or a list; all must hold
///         within: 10s                     # or the scenario fails; 15s by default
///         after: 300ms                    # then waits so long
///         do: crash east                  # one action or a list
///       - when: gateway active on west
///       - after: 1s
///     never: [west reports fence_refused] # must not hold at any time
///     expect:
///       fences: 1                         # a number, or as in "<=2", ">=1"
///       takeover_ms: "<=2000"
///       outcome: takeover
///       finally: [gateway active on west, east is paired]
///
/// The phrases are those of Phrases.swift.

package import PicketConfig
import PicketControl
import PicketCore
import PicketText

package struct Scenario {
    var name: String
    var repetitions: Int
    var start: [NodeID]
    var before: [Step.Phrase]
    var steps: [Step]
    var never: [(text: String, condition: Condition)]
    var expectations: [Expectation]

    struct Step {
        var conditions: [(text: String, condition: Condition)] = []
        var within: Duration
        var after: Duration?
        var actions: [Phrase] = []

        struct Phrase {
            var text: String
            var action: Action
        }
    }

    enum Expectation {
        case measure(String, Bound)
        case outcome(String)
        /// At the end.
        case finally(String, Condition)
    }

    struct Bound {
        var relation: Relation
        var value: Double
        enum Relation: String {
            case equal = "", atMost = "<=", atLeast = ">=", less = "<", more = ">"
        }

        func admits(_ found: Double?) -> Bool {
            guard let found else { return false }
            switch relation {
            case .equal: return found == value
            case .atMost: return found <= value
            case .atLeast: return found >= value
            case .less: return found < value
            case .more: return found > value
            }
        }
        var text: String { relation.rawValue + Text.number(value) }
    }

    static let measures = [
        "fences", "attempts", "takeovers", "handovers", "resets", "edges", "dual_active_ms",
        "both_off_ms", "lost_commits",
        "detection_ms", "fence_ms", "activation_ms", "takeover_ms", "slowest_takeover_ms",
        "own_p50_ms", "own_p99_ms", "driver_p99_ms",
    ]
    /// Of these, each time of a repeated scenario adds its own.
    static let counts = ["fences", "attempts", "takeovers", "handovers", "resets", "edges"]
    static let outcomes = ["takeover", "handover", "unchanged", "down", "dual-active"]

    /// It fills a disk.
    package var needsSmallDisks: Bool {
        (before + steps.flatMap(\.actions)).contains {
            if case .disk = $0.action { true } else { false }
        }
    }
}

extension Scenario {
    /// What must be known before the rest can be read: the configuration that it asks for.
    package static func configuration(_ bytes: [UInt8], file: String) throws(ConfigurationErrors)
        -> String?
    {
        let problems = Problems(file: file)
        let root = Found(try YamlNode.parse(bytes, file: file), problems)
        let path = root.mapping(keys, "a scenario")["configuration"]?.line("a path")
        return path
    }

    private static let keys = [
        "description", "configuration", "repeat", "start", "before", "steps", "never", "expect",
    ]

    /// - Throws: every mistake of the file at once.
    package static func load(
        _ bytes: [UInt8], file: String, name: String, plan: RackPlan
    ) throws(ConfigurationErrors) -> Scenario {
        let problems = Problems(file: file)
        let root = Found(try YamlNode.parse(bytes, file: file), problems)
        let top = root.mapping(keys, "a scenario")
        let reader = ScenarioReader(plan: plan)
        _ = top.required("description", "a text that says what it shows")?.text("text")
        let scenario = Scenario(
            name: name,
            repetitions: top["repeat"]?.integer(in: 1...100_000) ?? 1,
            start: top["start"].map { reader.nodes($0) } ?? [.low, .high],
            before: top["before"].map { reader.actions($0) } ?? [],
            steps: (top.required("steps", "a list of steps")?.list() ?? []).map { reader.step($0) },
            never: top["never"].map { reader.conditions($0) } ?? [],
            expectations: top.required("expect", "the outcome that must come of it").map {
                reader.expectations($0)
            }
                ?? [])
        try problems.throwIfAny()
        return scenario
    }
}

private struct ScenarioReader {
    let plan: RackPlan

    /// One phrase, or a list of them.
    private func phrases(_ found: Found) -> [(Found, String)] {
        let items = found.isSequence ? found.list() ?? [] : [found]
        return items.compactMap { item in item.text("a phrase").map { (item, $0) } }
    }

    func nodes(_ found: Found) -> [NodeID] {
        phrases(found).compactMap { item, text in
            guard let node = plan.node(named: text) else {
                item.expected("\(plan.names.low) or \(plan.names.high)")
                return nil
            }
            return node
        }
    }

    func actions(_ found: Found) -> [Scenario.Step.Phrase] {
        phrases(found).compactMap { item, text in
            do throws(PhraseError) {
                return Scenario.Step.Phrase(
                    text: text, action: try PhraseReader.action(text, plan: plan))
            } catch {
                item.fail("\"\(text)\" is no action: \(error.text)")
                return nil
            }
        }
    }

    func conditions(_ found: Found) -> [(text: String, condition: Condition)] {
        phrases(found).compactMap { item, text in
            do throws(PhraseError) {
                return (text, try PhraseReader.condition(text, plan: plan))
            } catch {
                item.fail("\"\(text)\" is no condition: \(error.text)")
                return nil
            }
        }
    }

    func step(_ found: Found) -> Scenario.Step {
        let map = found.mapping(["when", "within", "after", "do"], "a step")
        return Scenario.Step(
            conditions: map["when"].map { conditions($0) } ?? [],
            within: map["within"]?.duration(in: .milliseconds(1) ... .seconds(600)) ?? .seconds(15),
            after: map["after"]?.duration(in: .zero ... .seconds(600)),
            actions: map["do"].map { actions($0) } ?? [])
    }

    func expectations(_ found: Found) -> [Scenario.Expectation] {
        let map = found.mapping(Scenario.measures + ["outcome", "finally"], "expectations")
        var all: [Scenario.Expectation] = []
        for measure in Scenario.measures {
            guard let value = map[measure] else { continue }
            if let bound = bound(value) { all.append(.measure(measure, bound)) }
        }
        if let outcome = map["outcome"] {
            let word: String? = outcome.word(Scenario.outcomes.map { ($0, $0) })
            if let word { all.append(.outcome(word)) }
        }
        if let finally = map["finally"] {
            all += conditions(finally).map { .finally($0.text, $0.condition) }
        }
        return all
    }

    private func bound(_ found: Found) -> Scenario.Bound? {
        guard let text = found.text("a number, or as in \"<=2\"") else { return nil }
        let relations: [Scenario.Bound.Relation] = [.atMost, .atLeast, .less, .more, .equal]
        let relation = relations.first { text.hasPrefix($0.rawValue) }!
        let digits = text.dropFirst(relation.rawValue.count).filter { $0 != " " }
        guard let value = Double(digits) else {
            found.expected("a number, or as in \"<=2\"")
            return nil
        }
        return Scenario.Bound(relation: relation, value: value)
    }
}
