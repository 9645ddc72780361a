import PicketConfig
import PicketCore
import PicketHardware
import PicketLinux
import Testing

@testable import picketd

/// Fencing by a fence agent: what is run, what is believed, what is reported.
struct AgentFenceTests {
    static func level(_ policy: RelayDescription.AfterFence = .reboot) -> AgentFence {
        AgentFence(
            AgentSettings(
                path: "/usr/sbin/fence_test", options: [Setting(name: "ip", value: "10.0.9.2")],
                policy: policy, offWithin: .seconds(3), timeout: .seconds(20)))
    }

    static func order(_ id: UInt32, voidAfter: Instant = Instant(nanoseconds: 50)) -> FenceOrder {
        FenceOrder(
            id: id, level: 0, voidAfter: voidAfter, cause: .contactLost, relayTest: .passed)
    }

    /// Short words for what a level asks for.
    static func words(_ steps: [AgentFence.Step]) -> [String] {
        steps.map { step in
            switch step {
            case .run(let action, _): "run \(action.rawValue)"
            case .report(let id, let outcome): "\(id) \(outcome)"
            case .tested(let result): "tested \(result)"
            case .abort: "abort"
            }
        }
    }

    @Test func `off counts only when the status says so, and the power comes back`() {
        var level = AgentFenceTests.level()
        #expect(AgentFenceTests.words(level.order(AgentFenceTests.order(1))) == ["run off"])
        #expect(
            AgentFenceTests.words(level.ended(.exited(0), timedOut: false)) == ["run status"])
        #expect(
            AgentFenceTests.words(level.ended(.exited(2), timedOut: false))
                == ["1 off", "run on"])
        #expect(
            AgentFenceTests.words(level.ended(.exited(0), timedOut: false)) == ["1 restored"])
        #expect(level.phase == .idle)
    }

    @Test(arguments: [
        (ChildEnd.exited(0), "1 failed(PicketCore.FenceFailure.stillOn)"),
        (.exited(1), "1 failed(PicketCore.FenceFailure.agent)"),
        (.signalled(9), "1 failed(PicketCore.FenceFailure.agent)"),
    ])
    func `a status other than off is a failed fence`(end: ChildEnd, outcome: String) {
        var level = AgentFenceTests.level()
        _ = level.order(AgentFenceTests.order(1))
        _ = level.ended(.exited(0), timedOut: false)
        #expect(
            AgentFenceTests.words(level.ended(end, timedOut: false)) == [outcome, "run on"])
    }

    @Test func `an agent that fails or takes too long has fenced nobody`() {
        for (timedOut, failure) in [(false, FenceFailure.agent), (true, .timeout)] {
            var level = AgentFenceTests.level()
            _ = level.order(AgentFenceTests.order(1))
            #expect(
                AgentFenceTests.words(level.ended(.signalled(9), timedOut: timedOut))
                    == ["1 failed(PicketCore.FenceFailure.\(failure))", "run on"])
        }
    }

    @Test func `an order whose time has passed drives nothing`() {
        var level = AgentFenceTests.level()
        let order = AgentFenceTests.order(1, voidAfter: Instant(nanoseconds: 7))
        guard case .run(.off, let notAfter) = level.order(order).first else {
            Issue.record("nothing is run")
            return
        }
        #expect(notAfter == Instant(nanoseconds: 7))
        #expect(AgentFenceTests.words(level.ended(.late, timedOut: false)) == ["1 voided"])
    }

    @Test func `two orders share one fence, a third one waits for the power to be back`() {
        var level = AgentFenceTests.level()
        _ = level.order(AgentFenceTests.order(1))
        #expect(level.order(AgentFenceTests.order(2)).isEmpty)
        _ = level.ended(.exited(0), timedOut: false)
        #expect(
            AgentFenceTests.words(level.ended(.exited(2), timedOut: false))
                == ["1 off", "2 off", "run on"])
        #expect(level.order(AgentFenceTests.order(3)).isEmpty)
        #expect(
            AgentFenceTests.words(level.ended(.exited(0), timedOut: false))
                == ["1 restored", "2 restored", "run off"])
    }

    @Test func `what waits can be called off, what runs cannot`() {
        var level = AgentFenceTests.level()
        _ = level.order(AgentFenceTests.order(1))
        #expect(level.cancel(1).isEmpty)
        _ = level.ended(.exited(0), timedOut: false)
        _ = level.ended(.exited(2), timedOut: false)
        _ = level.order(AgentFenceTests.order(2))
        #expect(AgentFenceTests.words(level.cancel(2)) == ["2 voided"])
        #expect(
            AgentFenceTests.words(level.ended(.exited(0), timedOut: false)) == ["1 restored"])
    }

    @Test func `the policy off leaves the power off`() {
        var level = AgentFenceTests.level(.off)
        _ = level.order(AgentFenceTests.order(1))
        _ = level.ended(.exited(0), timedOut: false)
        #expect(
            AgentFenceTests.words(level.ended(.exited(2), timedOut: false)) == ["1 off"])
        #expect(level.phase == .idle)
    }

    @Test(arguments: [(ChildEnd.exited(0), "tested passed"), (.exited(2), "tested failed")])
    func `the self-test asks whether the power is on`(end: ChildEnd, word: String) {
        var level = AgentFenceTests.level()
        #expect(AgentFenceTests.words(level.test()) == ["run status"])
        #expect(AgentFenceTests.words(level.ended(end, timedOut: false)) == [word])
    }

    @Test func `a fence does not wait for a self-test`() {
        var level = AgentFenceTests.level()
        _ = level.test()
        #expect(AgentFenceTests.words(level.order(AgentFenceTests.order(1))) == ["abort"])
        #expect(
            AgentFenceTests.words(level.ended(.signalled(9), timedOut: false)) == ["run off"])
    }

    @Test func `options and action go to its standard input`() {
        let launch = AgentFenceTests.level().launch(
            .off, environment: ["A=b"], notAfter: .distantFuture)
        #expect(launch.arguments == ["/usr/sbin/fence_test"])
        #expect(launch.environment == ["A=b"])
        #expect(launch.input == Array("ip=10.0.9.2\naction=off\n".utf8))
    }
}
