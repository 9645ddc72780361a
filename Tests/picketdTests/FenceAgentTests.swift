import PicketConfig
import PicketCore
import PicketHardware
import PicketLinux
import Testing

@testable import picketd

/// Fencing by a fence agent: what is run, what is believed, what is reported.
struct FenceAgentTests {
    static func level(_ policy: RelayDescription.AfterFence = .reboot) -> FenceAgent {
        FenceAgent(
            AgentSettings(
                path: "/usr/sbin/fence_test", options: [Setting(name: "ip", value: "10.0.9.2")],
                policy: policy, offWithin: .seconds(3), timeout: .seconds(2)))
    }

    static func order(
        _ id: UInt32, voidAfter: Instant = Instant(nanoseconds: 50), reboots: Bool = false
    ) -> FenceOrder {
        FenceOrder(
            id: id, level: 0, voidAfter: voidAfter, cause: .contactLost, relayTest: .passed,
            reboots: reboots)
    }

    /// Short words for what a level asks for.
    static func words(_ steps: [FenceAgent.Step]) -> [String] {
        steps.map { step in
            switch step {
            case .mark: "mark"
            case .unmark: "unmark"
            case .run(let action, _): "run \(action.rawValue)"
            case .report(let id, let outcome): "\(id) \(outcome)"
            case .tested(let result): "tested \(result)"
            case .proved(let cut): cut ? "cuts" : "fails to cut"
            case .abort: "abort"
            }
        }
    }

    let start = Instant(nanoseconds: 0)

    func begin(_ level: inout FenceAgent) {
        _ = level.met()
        _ = level.order(FenceAgentTests.order(1))
    }

    @Test func `a peer that was off already is cut by nobody`() {
        var level = FenceAgentTests.level()
        func end(_ end: ChildEnd) -> [String] {
            FenceAgentTests.words(level.ended(end, timedOut: false, at: start))
        }
        _ = level.test()
        _ = end(.exited(2))
        _ = level.order(FenceAgentTests.order(1))
        _ = end(.exited(0))
        #expect(end(.exited(2)) == ["1 off", "run on"])
        _ = end(.exited(0))
        // It is on now.
        _ = level.order(FenceAgentTests.order(2))
        _ = end(.exited(0))
        #expect(end(.exited(2)) == ["2 off", "cuts", "run on"])
    }

    @Test func `off counts only when the status says so, and the power comes back`() {
        var level = FenceAgentTests.level()
        #expect(FenceAgentTests.words(level.met()) == ["mark"])
        #expect(FenceAgentTests.words(level.order(FenceAgentTests.order(1))) == ["run off"])
        #expect(
            FenceAgentTests.words(level.ended(.exited(0), timedOut: false, at: start)) == [
                "run status"
            ])
        #expect(
            FenceAgentTests.words(level.ended(.exited(2), timedOut: false, at: start))
                == ["1 off", "cuts", "run on"])
        #expect(
            FenceAgentTests.words(level.ended(.exited(0), timedOut: false, at: start)) == [
                "1 restored"
            ])
        #expect(level.phase == .idle)
    }

    @Test(arguments: [
        (ChildEnd.exited(0), "1 failed(PicketCore.FenceFailure.stillOn)"),
        (.exited(1), "1 failed(PicketCore.FenceFailure.agent)"),
        (.signalled(9), "1 failed(PicketCore.FenceFailure.agent)"),
    ])
    func `a status other than off is a failed fence`(end: ChildEnd, outcome: String) {
        var level = FenceAgentTests.level()
        begin(&level)
        _ = level.ended(.exited(0), timedOut: false, at: start)
        #expect(
            FenceAgentTests.words(level.ended(end, timedOut: false, at: start)) == [
                outcome, "fails to cut", "run on",
            ])
    }

    @Test func `an agent that fails or takes too long has fenced nobody`() {
        for (timedOut, failure) in [(false, FenceFailure.agent), (true, .timeout)] {
            var level = FenceAgentTests.level()
            begin(&level)
            #expect(
                FenceAgentTests.words(level.ended(.signalled(9), timedOut: timedOut, at: start))
                    == [
                        "1 failed(PicketCore.FenceFailure.\(failure))", "fails to cut", "run on",
                    ])
        }
    }

    @Test func `an order whose time has passed drives nothing`() {
        var level = FenceAgentTests.level()
        let order = FenceAgentTests.order(1, voidAfter: Instant(nanoseconds: 7))
        guard case .run(.off, let notAfter) = level.order(order).first else {
            Issue.record("nothing is run")
            return
        }
        #expect(notAfter == Instant(nanoseconds: 7))
        #expect(
            FenceAgentTests.words(level.ended(.late, timedOut: false, at: start)) == ["1 voided"])
    }

    @Test func `two orders share one fence, a third one waits for the power to be back`() {
        var level = FenceAgentTests.level()
        begin(&level)
        #expect(level.order(FenceAgentTests.order(2)).isEmpty)
        _ = level.ended(.exited(0), timedOut: false, at: start)
        #expect(
            FenceAgentTests.words(level.ended(.exited(2), timedOut: false, at: start))
                == ["1 off", "2 off", "cuts", "run on"])
        #expect(level.order(FenceAgentTests.order(3)).isEmpty)
        #expect(
            FenceAgentTests.words(level.ended(.exited(0), timedOut: false, at: start))
                == ["1 restored", "2 restored", "run off"])
    }

    @Test func `what waits can be called off, what runs cannot`() {
        var level = FenceAgentTests.level()
        begin(&level)
        #expect(level.cancel(1).isEmpty)
        _ = level.ended(.exited(0), timedOut: false, at: start)
        _ = level.ended(.exited(2), timedOut: false, at: start)
        _ = level.order(FenceAgentTests.order(2))
        #expect(FenceAgentTests.words(level.cancel(2)) == ["2 voided"])
        #expect(
            FenceAgentTests.words(level.ended(.exited(0), timedOut: false, at: start)) == [
                "1 restored"
            ])
    }

    @Test func `the policy off leaves the power off`() {
        var level = FenceAgentTests.level(.off)
        begin(&level)
        _ = level.ended(.exited(0), timedOut: false, at: start)
        #expect(
            FenceAgentTests.words(level.ended(.exited(2), timedOut: false, at: start))
                == ["1 off", "cuts", "unmark"])
        #expect(level.phase == .idle)
    }

    @Test func `power that the policy leaves off is somebody's to give back, until it is on`() {
        func seen(_ level: inout FenceAgent, _ end: ChildEnd) -> Bool {
            _ = level.test()
            _ = level.ended(end, timedOut: false, at: start)
            return level.leavesOff
        }
        func cut(_ level: inout FenceAgent) {
            begin(&level)
            _ = level.ended(.exited(0), timedOut: false, at: start)
            _ = level.ended(.exited(2), timedOut: false, at: start)
        }
        var level = FenceAgentTests.level(.off)
        #expect(!level.leavesOff && !seen(&level, .exited(0)))
        cut(&level)
        #expect(level.leavesOff && seen(&level, .exited(2)) && seen(&level, .exited(1)))
        _ = level.switchOn()
        #expect(level.leavesOff)
        _ = level.ended(.exited(0), timedOut: false, at: start)
        #expect(!level.leavesOff)
        cut(&level)
        // Somebody has switched it on by hand.
        #expect(level.leavesOff && !seen(&level, .exited(0)))
        var reboots = FenceAgentTests.level()
        #expect(!seen(&reboots, .exited(2)))
    }

    @Test func `a node that is unfit gives the power back, whatever the policy`() {
        var level = FenceAgentTests.level(.off)
        #expect(
            FenceAgentTests.words(level.order(FenceAgentTests.order(1, reboots: true)))
                == ["run off", "mark"])
        _ = level.ended(.exited(0), timedOut: false, at: start)
        #expect(
            FenceAgentTests.words(level.ended(.exited(2), timedOut: false, at: start))
                == ["1 off", "cuts", "run on"])
        #expect(
            FenceAgentTests.words(level.ended(.exited(0), timedOut: false, at: start))
                == ["1 restored", "unmark"])
    }

    @Test(arguments: [(ChildEnd.exited(0), "tested passed"), (.exited(2), "tested failed")])
    func `the self-test asks whether the power is on`(end: ChildEnd, word: String) {
        var level = FenceAgentTests.level()
        #expect(FenceAgentTests.words(level.test()) == ["run status"])
        #expect(FenceAgentTests.words(level.ended(end, timedOut: false, at: start)) == [word])
    }

    @Test func `a fence does not wait for a self-test`() {
        var level = FenceAgentTests.level()
        _ = level.test()
        #expect(
            FenceAgentTests.words(level.order(FenceAgentTests.order(1))) == ["abort"])
        #expect(
            FenceAgentTests.words(level.ended(.signalled(9), timedOut: false, at: start)) == [
                "run off", "mark",
            ])
    }

    @Test func `the mark is written ahead, and no fence waits for it`() {
        var level = FenceAgentTests.level()
        #expect(
            FenceAgentTests.words(level.order(FenceAgentTests.order(1))) == ["run off", "mark"])
        var ahead = FenceAgentTests.level()
        #expect(FenceAgentTests.words(ahead.met()) == ["mark"])
        #expect(ahead.met().isEmpty)
        #expect(FenceAgentTests.words(ahead.order(FenceAgentTests.order(1))) == ["run off"])
        #expect(ahead.parted().isEmpty)
    }

    @Test func `a node that leaves, or is left, switches nothing on later`() {
        var level = FenceAgentTests.level()
        _ = level.met()
        #expect(FenceAgentTests.words(level.parted()) == ["unmark"])
        #expect(level.parted().isEmpty)
    }

    @Test func `power that cannot be switched on is alarmed once and tried again`() {
        var level = FenceAgentTests.level()
        begin(&level)
        _ = level.ended(.exited(0), timedOut: false, at: start)
        _ = level.ended(.exited(2), timedOut: false, at: start)
        #expect(
            FenceAgentTests.words(level.ended(.exited(1), timedOut: false, at: start))
                == ["1 notRestored"])
        #expect(level.due == start + .seconds(5))
        #expect(FenceAgentTests.words(level.tick(at: level.due)) == ["run on"])
        #expect(level.ended(.exited(1), timedOut: false, at: start).isEmpty)
        #expect(FenceAgentTests.words(level.tick(at: level.due)) == ["run on"])
        #expect(
            FenceAgentTests.words(level.ended(.exited(0), timedOut: false, at: start))
                == ["1 restored"])
    }

    @Test func `after a failed fence power that cannot be switched on is alarmed too`() {
        var level = FenceAgentTests.level()
        begin(&level)
        _ = level.ended(.exited(1), timedOut: false, at: start)
        #expect(
            FenceAgentTests.words(level.ended(.exited(1), timedOut: false, at: start))
                == ["0 notRestored"])
        _ = level.tick(at: level.due)
        #expect(
            FenceAgentTests.words(level.ended(.exited(0), timedOut: false, at: start))
                == ["0 restored"])
    }

    @Test func `an agent that finds the mark switches on what is not on`() {
        var level = FenceAgent(FenceAgentTests.level().settings, owes: true)
        #expect(level.due <= start)
        #expect(FenceAgentTests.words(level.tick(at: level.due)) == ["run status"])
        #expect(
            FenceAgentTests.words(level.ended(.exited(2), timedOut: false, at: start))
                == ["run on"])
        #expect(
            FenceAgentTests.words(level.ended(.exited(0), timedOut: false, at: start))
                == ["0 restored"])
        #expect(level.phase == .idle)
    }

    @Test func `an agent that finds the mark, and the power on, switches nothing`() {
        var level = FenceAgent(FenceAgentTests.level().settings, owes: true)
        _ = level.tick(at: level.due)
        #expect(
            FenceAgentTests.words(level.ended(.exited(0), timedOut: false, at: start))
                == ["tested passed"])
        #expect(level.phase == .idle)
        #expect(level.due == .distantFuture)
    }

    @Test func `an order that comes too late leaves the power owed`() {
        var level = FenceAgent(FenceAgentTests.level().settings, owes: true)
        begin(&level)
        #expect(
            FenceAgentTests.words(level.ended(.late, timedOut: false, at: start)) == ["1 voided"])
        #expect(FenceAgentTests.words(level.tick(at: level.due)) == ["run on"])
    }

    @Test func `the operator's order switches on what the policy left off`() {
        var level = FenceAgentTests.level(.off)
        begin(&level)
        #expect(level.switchOn().isEmpty)
        _ = level.ended(.exited(0), timedOut: false, at: start)
        _ = level.ended(.exited(2), timedOut: false, at: start)
        #expect(FenceAgentTests.words(level.switchOn()) == ["run on"])
        #expect(
            FenceAgentTests.words(level.ended(.exited(0), timedOut: false, at: start))
                == ["0 restored"])
    }

    @Test func `options and action go to its standard input`() {
        let launch = FenceAgentTests.level().launch(
            .off, environment: ["A=b"], notAfter: .distantFuture)
        #expect(launch.arguments == ["/usr/sbin/fence_test"])
        #expect(launch.environment == ["A=b"])
        #expect(launch.input == Array("ip=10.0.9.2\naction=off\n".utf8))
    }
}
