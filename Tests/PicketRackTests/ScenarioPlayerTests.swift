import PicketCore
import Testing

@testable import PicketRack

struct ScenarioPlayerTests {
    private func play(_ text: String, on fake: FakeRack, repetitions: Int? = nil) throws -> Summary
    {
        let scenario = try Example.scenario("description: x\n" + text)
        let player = ScenarioPlayer(scenario, on: fake.rack, repetitions: repetitions)
        player.play()
        return player.judge()
    }

    @Test func `steps are played in their order, and the end is judged`() throws {
        let fake = try FakeRack()
        let summary = try play(
            """
            start: [east]
            before: disk of east full
            steps:
              - when: east running
                after: 20ms
                do: [kill agent of east, cut power of east]
              - when: east off
                do: boot east
            expect: { fences: 0, finally: east running, outcome: down }
            """, on: fake)
        #expect(summary.failures == [])
        #expect(summary.text.hasPrefix("PASSED tested: down; 0 fences"))
        #expect(
            fake.body(.low).log == [
                "fill", "boot: power on", "kill", "loses power", "boot: power on",
            ])
        #expect(fake.body(.high).log.isEmpty)
    }

    @Test func `a step that does not come true in time fails, with what was missing`() throws {
        let fake = try FakeRack()
        let summary = try play(
            "steps: [{ when: [east running, takeovers 1], within: 40ms }]\nexpect: { takeovers: 1 }\n",
            on: fake)
        #expect(
            summary.failures == [
                "waited 40 ms in vain for: takeovers 1", "takeovers is 0, not 1",
            ])
        #expect(!summary.passed)
    }

    @Test func `what must never be ends the story`() throws {
        let fake = try FakeRack()
        let summary = try play(
            "steps: [{ after: 5s }]\nnever: east running\nexpect: {}\n", on: fake)
        #expect(summary.failures == ["this must never hold: east running"])
    }

    @Test func `a command that fails fails the scenario`() throws {
        let fake = try FakeRack()
        let summary = try play(
            "steps: [{ do: run on east true }, { do: run on east false }]\nexpect: {}\n", on: fake)
        #expect(summary.failures == ["east: false ends with status 1"])
    }

    @Test func `patience stretches what is waited for and what is measured`() throws {
        let fake = try FakeRack(patience: 5)
        let began = fake.rack.loop.now
        _ = try play("steps: [{ when: takeovers 1, within: 20ms }]\nexpect: {}\n", on: fake)
        #expect(fake.rack.loop.now - began >= .milliseconds(100))
    }

    @Test func `counts are for one time, whatever the repetitions`() throws {
        let fake = try FakeRack()
        let summary = try play(
            """
            start: [west]
            steps:
              - when: west running
                do: cut power of east
            expect: { fences: 0, edges: 1 }
            """, on: fake, repetitions: 3)
        #expect(summary.failures == ["edges is 0, not 3"])
        #expect(fake.kinds.filter { $0 == "again" }.count == 2)
    }

    @Test(arguments: [
        ("expect: {}", true), ("expect: { dual_active_ms: \">0\", outcome: dual-active }", false),
    ])
    func `two at once fail every scenario that does not speak of it`(
        _ expectation: String, _ fails: Bool
    ) throws {
        let fake = try FakeRack()
        for (node, process) in [("east", 1), ("west", 2), ("east", 1), ("west", 2)] {
            try fake.record(node, process, term: process)
        }
        let failures = try play("steps: []\n\(expectation)\n", on: fake).failures
        #expect(failures.contains("a group was active on both nodes") == fails)
    }
}
