import PicketControl
import PicketCore
import Testing

/// Drives a runner as the daemon does, on a clock of its own.
struct Bench {
    var runner = DrillRunner(narrator: Narrator(names: names))
    var now = Instant(nanoseconds: 5_000_000_000)

    mutating func begin(
        _ drill: Drill, _ change: (inout StatusReport) -> Void = { _ in }
    ) throws -> [DrillRunner.Action] {
        try runner.begin(
            drill, given: report(change), at: now, milliseconds: 1_795_420_159_123)
    }

    mutating func after(_ event: DrillRunner.Event) -> [DrillRunner.Action] {
        after(.milliseconds(10), event)
    }

    mutating func after(
        _ duration: Duration, _ event: DrillRunner.Event
    ) -> [DrillRunner.Action] {
        now = now + duration
        return runner.handle(event, at: now)
    }
}

/// Without what is said.
func deeds(_ actions: [DrillRunner.Action]) -> [DrillRunner.Action] {
    actions.filter { if case .say = $0 { false } else { true } }
}

func reports(_ actions: [DrillRunner.Action]) -> [DrillReport] {
    actions.compactMap { if case .finish(let report) = $0 { report } else { nil } }
}

let hot = Drill.sensor(name: "inlet", .value(95, unit: "C"), for: .seconds(10))
let cut = Drill.link(1, for: .seconds(5), live: false)

struct DrillTests {
    @Test func `a sensor drill marks, injects, takes back and reports`() throws {
        var bench = Bench()
        #expect(deeds(try bench.begin(hot)) == [.mark(hot), .command(.drill(true))])
        #expect(
            deeds(bench.after(.answered(.accepted)))
                == [.inject(sensor: 0, .value(95, unit: "C"), until: bench.now + .seconds(10))])
        #expect(deeds(bench.after(.seconds(2), .sensor(0, .critical))) == [])
        #expect(deeds(bench.after(.seconds(7), .tick)) == [])
        #expect(
            deeds(bench.after(.seconds(1), .tick))
                == [.clearInjection(sensor: 0), .command(.drill(false))])
        #expect(deeds(bench.after(.answered(.accepted))) == [])
        let end = reports(bench.after(.seconds(1), .sensor(0, .normal)))
        #expect(end.map { $0.verdict } == [.passed])
        #expect(bench.runner.drill == nil)
        #expect(end[0].identifier == "2026-11-23T07-49-19Z-sensor")
        #expect(end[0].text.contains("inlet is now critical."))
    }

    @Test func `a value that passes no limit proves nothing`() throws {
        var bench = Bench()
        _ = try bench.begin(hot)
        _ = bench.after(.answered(.accepted))
        let end = bench.after(.seconds(10), .tick)
        #expect(reports(end).map { $0.verdict } == [.inconclusive])
        #expect(deeds(end).first == .clearInjection(sensor: 0))
    }

    @Test(arguments: [
        (Drill.SensorFault.value(95, unit: "C"), SensorReport.State.stale), (.fail, .stale),
        (.fail, .warn), (.stuck, .warn),
    ])
    func `a state that the drill did not make proves nothing`(
        fault: Drill.SensorFault, state: SensorReport.State
    ) throws {
        var bench = Bench()
        _ = try bench.begin(.sensor(name: "inlet", fault, for: .seconds(10)))
        _ = bench.after(.answered(.accepted))
        _ = bench.after(.sensor(0, state))
        #expect(reports(bench.after(.seconds(10), .tick)).map { $0.verdict } == [.inconclusive])
    }

    @Test func `a sensor that is well again before the drill's end has come back`() throws {
        var bench = Bench()
        _ = try bench.begin(hot)
        _ = bench.after(.answered(.accepted))
        _ = bench.after(.sensor(0, .critical))
        _ = bench.after(.sensor(0, .normal))
        let end = reports(bench.after(.seconds(10), .tick))
        #expect(end.map { $0.verdict } == [.passed])
        #expect(end[0].conclusion == "inlet was critical and has come back.")
    }

    @Test func `a sensor that stays down after the drill has failed it`() throws {
        var bench = Bench()
        _ = try bench.begin(hot)
        _ = bench.after(.answered(.accepted))
        _ = bench.after(.sensor(0, .critical))
        #expect(reports(bench.after(.seconds(10), .tick)).isEmpty)
        #expect(reports(bench.after(.seconds(10), .tick)).map { $0.verdict } == [.failed])
    }

    @Test(arguments: [DrillRunner.Event.clientGone, .stopping])
    func `whoever goes away, the drill is undone`(event: DrillRunner.Event) throws {
        for (drill, undo) in [
            (hot, DrillRunner.Action.clearInjection(sensor: 0)), (cut, .unblock(link: 1)),
        ] {
            var bench = Bench()
            _ = try bench.begin(drill)
            _ = bench.after(.answered(.accepted))
            let end = bench.after(.seconds(1), event)
            #expect(deeds(end).prefix(2) == [undo, .command(.drill(false))])
            #expect(reports(end).map { $0.verdict } == [.interrupted])
        }
    }

    @Test func `gone before the machine answered, nothing was injected and the mark is undone`()
        throws
    {
        var bench = Bench()
        _ = try bench.begin(cut)
        let end = bench.after(.clientGone)
        #expect(deeds(end).first == .command(.drill(false)))
        #expect(!end.contains(.unblock(link: 1)))
        // Both answers come late, into the next drill.
        _ = try bench.begin(hot)
        #expect(deeds(bench.after(.answered(.accepted))) == [])
        #expect(deeds(bench.after(.answered(.accepted))) == [])
        #expect(deeds(bench.after(.answered(.accepted))).count == 1)
    }

    @Test func `a drill that the machine refuses injects nothing`() throws {
        var bench = Bench()
        _ = try bench.begin(hot)
        let end = bench.after(.answered(.refused(.busy)))
        #expect(deeds(end).count == 1)
        #expect(reports(end).map { $0.verdict } == [.failed])
        #expect(bench.after(.tick) == [])
    }

    @Test func `a machine that never answers ends the drill`() throws {
        var bench = Bench()
        _ = try bench.begin(hot)
        let end = bench.after(.seconds(6), .tick)
        #expect(deeds(end).first == .command(.drill(false)))
        #expect(reports(end).map { $0.verdict } == [.failed])
    }

    @Test func `a link that is missed and comes back passes`() throws {
        var bench = Bench()
        _ = try bench.begin(cut)
        #expect(deeds(bench.after(.answered(.accepted))) == [.block(link: 1)])
        _ = bench.after(.observed(Trace(.linkDown, number: 1)))
        #expect(
            deeds(bench.after(.seconds(5), .tick)) == [.unblock(link: 1), .command(.drill(false))])
        let end = reports(bench.after(.observed(Trace(.linkUp, number: 1))))
        #expect(end.map { $0.verdict } == [.passed])
    }

    @Test func `a link that nobody missed fails, and so does lost contact`() throws {
        for trace in [Trace(.linkDown, number: 0), Trace(.contactLost)] {
            var bench = Bench()
            _ = try bench.begin(cut)
            _ = bench.after(.answered(.accepted))
            _ = bench.after(.observed(trace))
            #expect(reports(bench.after(.seconds(5), .tick)).map { $0.verdict } == [.failed])
        }
    }

    @Test func `the last link is cut only on the operator's order`() throws {
        var bench = Bench()
        let error = #expect(throws: RequestError.self) {
            try bench.begin(cut) { $0.status.linksUp = LinkSet(bits: 2) }
        }
        #expect(error?.code == .refused)
        #expect(bench.runner.drill == nil)
        _ = try bench.begin(.link(1, for: .seconds(5), live: true)) {
            $0.status.linksUp = LinkSet(bits: 2)
        }
    }

    @Test func `one drill at a time, on either node`() throws {
        var bench = Bench()
        _ = try bench.begin(hot)
        #expect(throws: RequestError.self) { try bench.begin(cut) }
        var other = Bench()
        #expect(throws: RequestError.self) { try other.begin(cut) { $0.status.peerDrill = true } }
    }

    @Test func `what the pair does not have is refused by name`() {
        var bench = Bench()
        #expect(throws: RequestError.self) {
            try bench.begin(.sensor(name: "outlet", .fail, for: .seconds(1)))
        }
        #expect(throws: RequestError.self) {
            try bench.begin(.sensor(name: "inlet", .value(5, unit: "V"), for: .seconds(1)))
        }
        #expect(throws: RequestError.self) {
            try bench.begin(.link(2, for: .seconds(1), live: true))
        }
    }

    @Test(arguments: [
        (Message.RelayTest.passed, DrillReport.Verdict.passed), (.failed, .failed),
        (.absent, .inconclusive),
    ])
    func `a relay drill says what the self-test said`(
        result: Message.RelayTest, verdict: DrillReport.Verdict
    ) throws {
        var bench = Bench()
        _ = try bench.begin(.relay(live: false))
        #expect(deeds(bench.after(.answered(.accepted))) == [.testRelay(live: false)])
        let end = reports(bench.after(.relayTested(result, detail: "The line answered.")))
        #expect(end.map { $0.verdict } == [verdict])
    }

    @Test func `no supply is cut in maintenance, not even alone`() throws {
        var bench = Bench()
        #expect(throws: RequestError.self) {
            try bench.begin(.relay(live: true)) { $0.status.maintenance = true }
        }
        #expect(throws: RequestError.self) {
            try bench.begin(.relay(live: true)) { $0.status.peerMaintenance = true }
        }
        _ = try bench.begin(.relay(live: false)) { $0.status.maintenance = true }
    }

    @Test func `a failover drill without live is a plan`() throws {
        var bench = Bench()
        #expect(
            deeds(try bench.begin(.failover(live: false)))
                == [.mark(.failover(live: false)), .command(.drill(true))])
        #expect(
            deeds(bench.after(.answered(.accepted))) == [.command(.drillFailover(live: false))])
        _ = bench.runner.handle(
            .observed(Trace(.drillPlan, duration: .milliseconds(500), number: 0)), at: bench.now)
        _ = bench.runner.handle(.answered(.accepted), at: bench.now)
        let actions = bench.after(.milliseconds(100), .tick)
        #expect(deeds(actions).first == .command(.drill(false)))
        let end = reports(actions)
        #expect(end.map { $0.verdict } == [.passed])
        #expect(end[0].text.contains("would fence it by relay RELAY_WEST"))
    }

    @Test func `a plan with a gap has failed`() throws {
        var bench = Bench()
        _ = try bench.begin(.failover(live: false))
        _ = bench.after(.answered(.accepted))
        _ = bench.after(.observed(Trace(.drillPlan, refusal: .notArmed)))
        let end = bench.after(.answered(.refused(.notArmed)))
        #expect(deeds(end).first == .command(.drill(false)))
        #expect(reports(end).map { $0.verdict } == [.failed])
    }

    @Test func `a plan passes only where the status has no gap`() throws {
        var bench = Bench()
        _ = try bench.begin(.failover(live: false)) {
            $0.policy.fenceLevels = [.agent]
            $0.cuts = [RealCut(age: nil)]
        }
        _ = bench.after(.answered(.accepted))
        _ = bench.after(.observed(Trace(.drillPlan, duration: .milliseconds(500), number: 1)))
        _ = bench.after(.observed(Trace(.drillPlan, group: 1, cause: .drill)))
        _ = bench.runner.handle(.answered(.accepted), at: bench.now)
        let end = reports(bench.after(.milliseconds(100), .tick))
        #expect(end.map { $0.verdict } == [.failed])
        #expect(end[0].conclusion.contains("was never seen to say off"))
        #expect(end[0].text.contains("historian would wait on east for the operator"))
    }

    @Test func `a live failover ends when the groups are active`() throws {
        var bench = Bench()
        _ = try bench.begin(.failover(live: true))
        _ = bench.after(.answered(.accepted))
        _ = bench.after(.answered(.accepted))
        _ = bench.after(.observed(Trace(.fenceOrdered, number: 0)))
        _ = bench.after(.observed(Trace(.fenceVerified, number: 0)))
        _ = bench.after(.observed(Trace(.activating, group: 1)))
        #expect(deeds(bench.after(.seconds(10), .tick)).isEmpty)
        _ = bench.after(.observed(Trace(.active, group: 1)))
        #expect(bench.runner.deadline == bench.now + .seconds(3))
        #expect(deeds(bench.after(.seconds(1), .tick)).isEmpty)
        #expect(reports(bench.after(.seconds(3), .tick)).map { $0.verdict } == [.passed])
    }

    @Test func `a link drill too short to be missed proves nothing`() throws {
        var bench = Bench()
        _ = try bench.begin(.link(1, for: .milliseconds(300), live: false))
        _ = bench.after(.answered(.accepted))
        let end = reports(bench.after(.milliseconds(300), .tick))
        #expect(end.map { $0.verdict } == [.inconclusive])
    }

    @Test func `a live failover whose fence fails has failed`() throws {
        var bench = Bench()
        _ = try bench.begin(.failover(live: true))
        _ = bench.after(.answered(.accepted))
        _ = bench.after(.answered(.accepted))
        let end = bench.after(.observed(Trace(.fenceExhausted)))
        #expect(reports(end).map { $0.verdict } == [.failed])
    }

    @Test func `a hang is planned unless it is live`() throws {
        var bench = Bench()
        let plan = try bench.begin(.hang(live: false))
        #expect(reports(plan).map { $0.verdict } == [.passed])
        #expect(deeds(plan).count == 1)
        #expect(throws: RequestError.self) {
            try bench.begin(.hang(live: true)) { $0.status.watchdog = .zero }
        }
        #expect(
            deeds(try bench.begin(.hang(live: true)))
                == [.mark(.hang(live: true)), .command(.drill(true))])
        #expect(deeds(bench.after(.answered(.accepted))) == [])
        #expect(deeds(bench.after(.seconds(1), .tick)) == [.hang])
    }

    @Test(arguments: [hot, cut, .hang(live: true), .failover(live: true)])
    func `a mark comes back from disk`(drill: Drill) throws {
        let mark = DrillMark(beganMilliseconds: 42, boot: "b-1", drill: drill)
        #expect(DrillMark.parse(Array(mark.line.utf8)) == mark)
        #expect(DrillMark.parse(Array(mark.line.utf8.dropLast())) == nil)
        #expect(DrillMark.parse(Array("42 b-1 status\n".utf8)) == nil)
        #expect(DrillMark.parse([0xFF, 0x0A]) == nil)
        #expect(DrillMark.parse(Array("-9223372036854775808 b-1 drill relay\n".utf8)) == nil)
    }

    @Test func `a live hang passes if the node was reset`() {
        let mark = DrillMark(beganMilliseconds: 42, boot: "b-1", drill: .hang(live: true))
        #expect(mark.report(node: "east", boot: "b-2", milliseconds: 9_042).verdict == .passed)
        #expect(mark.report(node: "east", boot: "b-1", milliseconds: 9_042).verdict == .failed)
        let other = DrillMark(beganMilliseconds: 42, boot: "b-1", drill: hot)
        #expect(other.report(node: "east", boot: "b-2", milliseconds: 1).verdict == .interrupted)
    }

    @Test func `a report is one line of JSON`() throws {
        var bench = Bench()
        let end = reports(try bench.begin(.hang(live: false)))
        let json = try decode(end[0].json)
        #expect(json["type"] as? String == "report")
        #expect(json["verdict"] as? String == "passed")
        #expect((json["timeline"] as? [[String: Any]])?.isEmpty == false)
    }
}
