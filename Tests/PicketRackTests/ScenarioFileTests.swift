import PicketConfig
import PicketCore
import Testing

@testable import PicketRack

struct ScenarioFileTests {
    @Test func `a scenario is read whole`() throws {
        let scenario = try Example.scenario(
            """
            description: Everything.
            repeat: 3
            start: [west]
            before: key of west wrong
            steps:
              - when: [ready, gateway active on west]
                within: 2s
                after: 300ms
                do: [crash west, say It dies.]
              - do: disk of east full
            never: west reports fence_refused
            expect:
              fences: 1
              takeover_ms: "<=2000"
              outcome: takeover
              finally: east is alone
            """)
        #expect(scenario.repetitions == 3)
        #expect(scenario.start == [.high])
        #expect(scenario.before.map(\.action) == [.key(.high, right: false)])
        #expect(scenario.steps.count == 2)
        #expect(
            scenario.steps[0].conditions.map(\.condition) == [.ready, .active("gateway", .high)])
        #expect(scenario.steps[0].within == .seconds(2))
        #expect(scenario.steps[0].after == .milliseconds(300))
        #expect(scenario.steps[0].actions.map(\.action) == [.crash(.high), .say("It dies.")])
        #expect(scenario.steps[1].within == .seconds(15))
        #expect(scenario.never.map(\.condition) == [.reports(.high, "fence_refused", times: 1)])
        #expect(scenario.expectations.count == 4)
        #expect(scenario.needsSmallDisks)
    }

    @Test(arguments: [
        ("1", 1.0, true), ("1", 2, false), ("<=2", 2, true), ("<=2", 2.5, false), (">=1", 1, true),
        (">=1", 0, false), ("<1", 1, false), ("< 1", 0.5, true), (">1", 1.5, true),
        (">1", 1, false),
    ])
    func `a bound admits what it says`(_ text: String, _ value: Double, _ admits: Bool) throws {
        let scenario = try Example.scenario(
            "description: x\nsteps: []\nexpect: { fences: \"\(text)\" }\n")
        guard case .measure("fences", let bound)? = scenario.expectations.first else {
            Issue.record("no measure")
            return
        }
        #expect(bound.admits(value) == admits)
        #expect(!bound.admits(nil))
    }

    @Test(
        arguments: [
            ("crash east", .crash(.low)), ("boot west", .boot(.high)),
            ("cut power of east", .cutPower(.low)), ("kill agent of east", .agent(.low, .kill)),
            ("reload agent of west", .agent(.high, .reload)),
            ("pause east", .pauseNode(.low, true)),
            ("resume east", .pauseNode(.low, false)), ("pause agent of east", .agent(.low, .pause)),
            ("sensor inlet of east reads 83C", .sensorReads(.low, "inlet", 83, within: .zero)),
            (
                "sensor rail of west reads 4.5V within 2s",
                .sensorReads(.high, "rail", 4.5, within: .seconds(2))
            ),
            ("sensor inlet of east is stuck", .sensorFault(.low, "inlet", .stuck)),
            ("sensor inlet of east is well", .sensorFault(.low, "inlet", .none)),
            ("sensor inlet of east drifts 2C", .sensorFault(.low, "inlet", .drift(2))),
            ("bus 1 of east hangs", .bus(.low, 1, hangs: true)),
            ("relay of east is stuck-on", .relay(.low, .stuckOn)),
            ("relay of east is slow 40ms", .relay(.low, .slow(.milliseconds(40)))),
            ("supply 1 of east dead", .supply(.low, 0, dead: true)),
            (
                "agent of west stalls 60ms every 100ms",
                .agentStalls(
                    .high, .init(length: .milliseconds(60), period: .milliseconds(100)))
            ),
            ("agent of west runs", .agentStalls(.high, nil)),
            ("fence worker of west hangs", .fenceWorker(.high, hangs: true)),
            ("feedback of west says opposite", .feedback(.high, .inverted)),
            ("link 1 cut", .link(0, to: nil, .cut)),
            ("link all to east well", .link(nil, to: .low, .well)),
            (
                "link 2 loss 30% delay 5ms",
                .link(1, to: nil, .disturb(Disturbance(loss: 0.3, delay: .milliseconds(5))))
            ),
            (
                "gateway of east stop hangs",
                .workload(.low, group: "gateway", verb: "stop", behaviour: "hang")
            ),
            (
                "gateway of east start slow 2s",
                .workload(.low, group: "gateway", verb: "start", behaviour: "slow 2000")
            ),
            (
                "gateway of east ends",
                .workload(.low, group: "gateway", verb: "run", behaviour: "end")
            ),
            ("command west handover gateway", .command(.high, "handover gateway")),
            ("clock of east -2h", .clock(.low, seconds: -7200)),
            ("disk of west free", .disk(.high, full: false)), ("end capture", .capture(nil)),
            ("disk of west hangs", .diskHangs(.high, true)),
            ("junk to west 50", .junk(.high, 50)),
            ("harness of east parts", .harness(.low, .parts(senseAfter: nil))),
            (
                "harness of west parts sense after 210ms",
                .harness(.high, .parts(senseAfter: .milliseconds(210)))
            ),
            ("harness of west returns", .harness(.high, .returns)),
            ("line RELAY_WEST of east is stuck-low", .line(.low, "RELAY_WEST", stuck: false)),
            ("run on east ls -l /tmp", .run(.low, "ls -l /tmp")),
        ] as [(String, Action)])
    func `an action is read`(_ text: String, _ action: Action) throws {
        #expect(try PhraseReader.action(text, plan: Example.plan()) == action)
    }

    @Test(
        arguments: [
            ("ready", .ready), ("east is paired", .phase(.low, "paired")),
            ("west is silent", .silent(.high)),
            ("east is fit", .fit(.low)), ("west off", .power(.high, on: false)),
            ("east running", .power(.low, on: true)), ("gateway active", .active("gateway", nil)),
            ("gateway active on east", .active("gateway", .low)),
            ("gateway inactive", .inactive("gateway")),
            ("takeovers 2", .count(.takeovers, 2)),
            ("west reports fence_refused 2 times", .reports(.high, "fence_refused", times: 2)),
            ("east says lost its power", .says(.low, "lost its power")),
            ("sensor inlet of east is critical", .sensor(.low, "inlet", "critical")),
        ] as [(String, Condition)])
    func `a condition is read`(_ text: String, _ condition: Condition) throws {
        #expect(try PhraseReader.condition(text, plan: Example.plan()) == condition)
    }

    @Test(arguments: [
        ("do: crash north", "there is no node \"north\""),
        ("do: explode", "\"explode\" is no action"),
        ("do: crash east twice", "\"twice\" is one word too many"),
        ("do: link 3 cut", "links 1 to 2"),
        ("do: link all loss 130%", "expected a percentage"),
        ("do: sensor inlex of east is nak", "there is no sensor \"inlex\""),
        ("do: sensor inlet of east reads hot", "expected a value"),
        ("do: relay of east is welded", "stuck-on"),
        ("do: line RELAY_EAST of east is well", "known are RELAY_WEST"),
        ("do: clock of east 5", "expected a step"),
        ("when: gateway asleep", "expected active, inactive"),
        ("when: fences many", "expected a count"),
        ("when: []\n    then: crash east", "unknown key"),
        ("within: soon", "expected"),
        (
            "when: west reports fence_refsued",
            "\"fence_refsued\" is no kind of history entry; did you mean fence_refused?"
        ),
    ])
    func `a phrase that is none is refused with its place`(_ step: String, _ reason: String) {
        let text = "description: x\nsteps:\n  - \(step)\nexpect: {}\n"
        let told = Example.mistakes { () throws(ConfigurationErrors) in
            let plan = try Example.plan()
            _ = try Scenario.load(
                Array(text.utf8), file: "bad.yaml", name: "bad", plan: plan)
        }
        #expect(told.contains("bad.yaml:"), "\(told)")
        #expect(told.contains(reason), "\(told)")
    }

    @Test func `a configuration of its own is known before the rest is read`() throws {
        let named = "configuration: other.yaml\nsteps: nonsense\n"
        #expect(try Scenario.configuration(Array(named.utf8), file: "s.yaml") == "other.yaml")
        #expect(try Scenario.configuration(Array("description: x\n".utf8), file: "s.yaml") == nil)
    }
}
