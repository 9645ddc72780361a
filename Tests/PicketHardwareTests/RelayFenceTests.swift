import PicketCore
import PicketHardware
import Testing

struct RelayFenceTests {
    @Test func `a fence is verified at once, holds the off time, and restores`() throws {
        let bench = Bench()
        bench.order()
        bench.run()
        #expect(bench.outcomes() == [.off, .restored])
        // Opens in 8 ms; seen twice, 1 ms apart.
        #expect(try #require(bench.when(.off)) == .at(0.009))
        #expect(try #require(bench.when(.restored)) == .at(5.012))
        #expect(bench.supplies[0].driven == [false, true])
    }

    @Test func `what was seen before the process stood still fails no fence`() {
        let supply = SupplyDescription(
            line: LineDescription(name: "R"), feedback: .line(LineDescription(name: "S")))
        var fence = RelayFence(
            RelayDescription(
                supplies: [supply], offWithin: .milliseconds(20), offTime: .seconds(1)))
        fence.accept(
            .order(
                FenceOrder(
                    id: 1, level: 0, voidAfter: .distantFuture, cause: .contactLost,
                    relayTest: .passed)), at: .at(0))
        #expect(fence.step(at: .at(0)) == .look)
        fence.take(.seen(SupplyScan(on: 1)), at: .at(0))
        #expect(fence.step(at: .at(0)) == .cut(unlessAfter: .distantFuture))
        fence.take(.cut(.done), at: .at(0.001))
        #expect(fence.step(at: .at(0.001)) == .look)
        // The process stands still, and what it saw is a second old.
        fence.take(.seen(SupplyScan(on: 1)), at: .at(1))
        for look in [1.01, 1.02] {
            #expect(fence.step(at: .at(look)) == .look)
            fence.take(.seen(SupplyScan(off: 1)), at: .at(look))
        }
        #expect(fence.step(at: .at(1.02)) == .report(id: 1, .off))
    }

    @Test func `every supply is cut, and the peer is off when the last one is`() throws {
        let bench = Bench(supplies: 3)
        bench.supplies[1].opens = .milliseconds(30)
        bench.order()
        bench.run()
        #expect(bench.outcomes() == [.off, .restored])
        #expect(try #require(bench.when(.off)) == .at(0.031))
        for supply in bench.supplies { #expect(supply.driven == [false, true]) }
    }

    struct Failing: Sendable {
        var name: String
        var fault = BenchSupply.Fault.none
        var feedback = BenchSupply.Feedback.honest
        var relayTest = Message.RelayTest.passed
        var outcomes: [FenceOutcome]
        /// A fence that would prove nothing cuts nothing.
        var cuts: Bool
    }

    @Test(
        arguments: [1, 2],
        [
            Failing(name: "stuck on", fault: .stuckOn, outcomes: [.failed(.stillOn)], cuts: true),
            Failing(
                name: "feedback always on", feedback: .alwaysOn, outcomes: [.failed(.stillOn)],
                cuts: true),
            Failing(
                name: "feedback always off, as the self-test found", feedback: .alwaysOff,
                relayTest: .failed, outcomes: [.failed(.contradictory)], cuts: false),
            Failing(
                name: "feedback always off, never tested", feedback: .alwaysOff,
                relayTest: .unknown,
                outcomes: [.failed(.contradictory)], cuts: false),
            Failing(
                name: "feedback off, test absent", feedback: .alwaysOff, relayTest: .absent,
                outcomes: [.failed(.contradictory)], cuts: false),
            Failing(
                name: "feedback unreadable", feedback: .unreadable,
                outcomes: [.failed(.unreadable)], cuts: false),
            Failing(
                name: "contacts that read alike", feedback: .undecided,
                outcomes: [.failed(.undecided)], cuts: false),
            Failing(
                name: "feedback flickers", feedback: .flickers, outcomes: [.failed(.stillOn)],
                cuts: true),
            Failing(
                name: "line cannot be driven", fault: .deadLine, outcomes: [.failed(.unreachable)],
                cuts: false),
            Failing(
                name: "line cannot be read back", fault: .deafReadBack,
                outcomes: [.failed(.unreachable)], cuts: true),
            Failing(
                name: "line reads back on", fault: .readBackLies,
                outcomes: [.failed(.contradictory)], cuts: true),
        ])
    func `a fence that cannot be verified is a failed fence, and the supplies are back on`(
        supplies: Int, row: Failing
    ) {
        let bench = Bench(supplies: supplies)
        bench.supplies[supplies - 1].fault = row.fault
        bench.supplies[supplies - 1].feedback = row.feedback
        bench.order(relayTest: row.relayTest)
        bench.run()
        #expect(bench.outcomes() == row.outcomes, "\(row.name)")
        #expect(bench.allOn, "\(row.name)")
        #expect(bench.supplies[supplies - 1].driven.isEmpty == !row.cuts, "\(row.name)")
    }

    @Test func `a relay that opens too late has failed`() throws {
        let bench = Bench()
        bench.supplies[0].opens = .milliseconds(80)
        bench.order()
        bench.run()
        #expect(bench.outcomes() == [.failed(.stillOn)])
        #expect(try #require(bench.when(.failed(.stillOn))) == .at(0.05))
        #expect(bench.allOn)
    }

    @Test func `a slow relay within its time is a good one`() {
        let bench = Bench()
        bench.supplies[0].opens = .milliseconds(45)
        bench.order()
        bench.run()
        #expect(bench.outcomes() == [.off, .restored])
    }

    @Test func `feedback that says nothing after the cut is no proof, and is called what it is`() {
        for (feedback, failure) in [
            (BenchSupply.Feedback.unreadable, FenceFailure.unreadable),
            (.undecided, .undecided),
        ] {
            let bench = Bench()
            bench.order()
            bench.at(0.004) { $0.supplies[0].feedback = feedback }
            bench.run()
            #expect(bench.outcomes() == [.failed(failure)])
            #expect(bench.allOn)
        }
    }

    @Test func `one bad look before the cut is looked at again`() {
        let bench = Bench()
        bench.supplies[0].feedback = .unreadable
        bench.order()
        bench.at(0.001) { $0.supplies[0].feedback = .honest }
        bench.run()
        #expect(bench.outcomes() == [.off, .restored])
    }

    @Test func `a peer that lost its power by itself is cut all the same, for the whole time`()
        throws
    {
        let bench = Bench()
        bench.supplies[0].dead = true
        bench.order()
        bench.at(5) { $0.supplies[0].dead = false }
        bench.run()
        #expect(bench.outcomes() == [.off, .restored])
        #expect(try #require(bench.when(.off)) == .at(0.05))
        #expect(bench.supplies[0].driven == [false, true])
    }

    // MARK: Without feedback

    @Test func `without feedback off is what the whole off time proves`() throws {
        let bench = Bench()
        bench.order()
        bench.run(feedback: false)
        #expect(bench.outcomes() == [.off, .restored])
        #expect(try #require(bench.when(.off)) == .at(5))
        #expect(bench.supplies[0].driven == [false, true])
    }

    // MARK: Void and cancelled orders

    @Test func `an order that comes late drives nothing`() {
        let bench = Bench()
        bench.order(validFor: -0.001)
        bench.run()
        #expect(bench.outcomes() == [.voided])
        #expect(bench.supplies[0].driven.isEmpty)
    }

    @Test func `an order that is only for a peer without power drives nothing where it has some`() {
        let bench = Bench()
        bench.order(onlyIfOff: true)
        bench.run()
        #expect(bench.outcomes() == [.voided])
        #expect(bench.supplies[0].driven.isEmpty)
    }

    /// Another order may stand beside it.
    @Test func `it keeps no other order from cutting`() {
        let bench = Bench()
        bench.order(1, onlyIfOff: true)
        bench.order(2)
        bench.run()
        #expect(bench.outcomes(2).first == .off)
    }

    @Test func `a pause between the look and the cut voids the order`() {
        let bench = Bench()
        bench.pauseBeforeCut = .milliseconds(1_001)
        bench.order(validFor: 1)
        bench.run()
        #expect(bench.outcomes() == [.voided])
        #expect(bench.supplies[0].driven.isEmpty)
    }

    @Test func `a pause between two supplies undoes the first`() {
        let bench = Bench(supplies: 2)
        bench.pauseBetweenCuts = .milliseconds(1_001)
        bench.order(validFor: 1)
        bench.run()
        #expect(bench.outcomes() == [.failed(.timeout)])
        #expect(bench.supplies[0].driven == [false, true])
        #expect(bench.supplies[1].driven.isEmpty)
    }

    @Test func `an order at its last instant is carried out`() {
        let bench = Bench()
        bench.order(validFor: 0)
        bench.run()
        #expect(bench.outcomes() == [.off, .restored])
    }

    @Test func `a cancelled order drives nothing`() {
        let bench = Bench()
        bench.order()
        bench.at(0) { $0.mailbox.append(.cancel(id: 1)) }
        bench.run()
        #expect(bench.outcomes() == [.voided])
        #expect(bench.supplies[0].driven.isEmpty)
    }

    @Test func `a fence whose relay has moved is not cancelled`() {
        let bench = Bench()
        bench.order()
        bench.at(0.004) { $0.mailbox.append(.cancel(id: 1)) }
        bench.run()
        #expect(bench.outcomes() == [.off, .restored])
    }

    @Test func `a cancelled order leaves the one that merged with it its own fence`() {
        let bench = Bench()
        bench.order(1)
        bench.order(2)
        bench.at(0) { $0.mailbox.append(.cancel(id: 1)) }
        bench.run()
        #expect(bench.outcomes(1) == [.voided])
        #expect(bench.outcomes(2) == [.off, .restored])
    }

    @Test func `a void order leaves the one that merged with it its own fence`() {
        let bench = Bench()
        bench.order(1, validFor: -0.001)
        bench.order(2)
        bench.run()
        #expect(bench.outcomes(1) == [.voided])
        #expect(bench.outcomes(2) == [.off, .restored])
    }

    // MARK: A second order

    @Test func `an order while one clears shares its outcome`() {
        let bench = Bench()
        bench.order(1)
        bench.order(2, at: 0.004)
        bench.run()
        #expect(bench.outcomes(1) == [.off, .restored])
        #expect(bench.outcomes(2) == [.off, .restored])
        #expect(bench.supplies[0].driven == [false, true])
    }

    @Test func `an order while the peer is held off is void after its time`() {
        let bench = Bench()
        bench.order(1)
        bench.order(2, at: 3, validFor: -0.001)
        bench.run()
        #expect(bench.outcomes(1) == [.off, .restored])
        #expect(bench.outcomes(2) == [.voided])
    }

    @Test func `power that came back during a hold is no proof for a later order`() {
        let bench = Bench()
        bench.order(1)
        bench.at(2) { $0.supplies[0].fault = .stuckOn }
        bench.order(2, at: 3)
        bench.run()
        #expect(bench.outcomes(1) == [.off, .failed(.stillOn)])
        #expect(bench.outcomes(2) == [.failed(.stillOn)])
        #expect(bench.allOn)
    }

    @Test func `an order while the peer is held off is off after a look of its own`() throws {
        let bench = Bench()
        bench.order(1)
        bench.order(2, at: 3)
        bench.run()
        #expect(try #require(bench.when(.off, 2)) == .at(3.001))
        #expect(bench.outcomes(1) == [.off, .restored])
        #expect(bench.outcomes(2) == [.off, .restored])
        #expect(bench.supplies[0].driven == [false, true])
    }

    @Test func `an order while the supplies come back is a fence of its own`() throws {
        let bench = Bench()
        bench.order(1)
        bench.order(2, at: 5.005)
        bench.run()
        #expect(bench.outcomes(1) == [.off, .restored])
        #expect(bench.outcomes(2) == [.off, .restored])
        #expect(bench.supplies[0].driven == [false, true, false, true])
        #expect(try #require(bench.when(.off, 2)) > #require(bench.when(.restored, 1)))
    }

    @Test func `merged orders share a failure`() {
        let bench = Bench()
        bench.supplies[0].fault = .stuckOn
        bench.order(1)
        bench.order(2, at: 0.01)
        bench.run()
        #expect(bench.outcomes(1) == [.failed(.stillOn)])
        #expect(bench.outcomes(2) == [.failed(.stillOn)])
    }

    @Test func `one fence after another`() {
        let bench = Bench()
        bench.order(1)
        bench.order(2, at: 10)
        bench.run()
        #expect(bench.outcomes(1) == [.off, .restored])
        #expect(bench.outcomes(2) == [.off, .restored])
    }

    // MARK: Coming back

    @Test func `a relay that stays off is said not to be restored, and tried again`() throws {
        let bench = Bench()
        bench.supplies[0].fault = .stuckOff
        bench.order()
        bench.at(12) { $0.supplies[0].fault = .none }
        bench.run()
        #expect(bench.outcomes() == [.off, .notRestored, .restored])
        #expect(try #require(bench.when(.notRestored)) == .at(5.1))
        #expect(bench.allOn)
    }

    @Test func `no order waits for one more attempt to switch on a dead supply`() throws {
        let bench = Bench(supplies: 2)
        bench.supplies[1].dead = true
        bench.order(1)
        // Tried again at 10.1 for 100 ms.
        bench.order(2, at: 10.12)
        bench.run()
        #expect(bench.outcomes(1) == [.off, .notRestored])
        #expect(bench.outcomes(2) == [.off, .notRestored])
        #expect(try #require(bench.when(.off, 2)) == .at(10.17))
    }

    @Test func `the agent's end during a hold brings the peer back first`() throws {
        let bench = Bench(end: 2)
        bench.order()
        bench.run()
        #expect(bench.outcomes() == [.off, .restored])
        #expect(try #require(bench.when(.restored)) == .at(2.012))
        #expect(bench.allOn)
    }

    @Test func `the agent's end before the proof is a failed fence`() {
        let bench = Bench(end: 0.004)
        bench.order()
        bench.run()
        #expect(bench.outcomes() == [.failed(.timeout)])
        #expect(bench.allOn)
    }

    // MARK: Policy off

    @Test func `by policy off the peer stays off and nothing more is said`() {
        let bench = Bench()
        bench.order()
        bench.run(policy: .off)
        #expect(bench.outcomes() == [.off])
        #expect(bench.supplies[0].driven == [false])
    }

    @Test func `a fence by a node that is unfit gives the power back, whatever the policy`() throws
    {
        let bench = Bench()
        bench.order(reboots: true)
        bench.order(2, at: 1)
        bench.run(policy: .off)
        #expect(bench.outcomes() == [.off, .restored])
        #expect(try #require(bench.when(.restored)) == .at(5.012))
    }

    @Test func `the operator switches it on later`() throws {
        let bench = Bench()
        bench.order()
        bench.at(20) { $0.mailbox.append(.switchOn(id: 1)) }
        bench.run(policy: .off)
        #expect(bench.outcomes() == [.off, .restored])
        #expect(try #require(bench.when(.restored)) == .at(20.012))
    }

    @Test func `the operator's order during the hold waits for its end`() throws {
        let bench = Bench()
        bench.order()
        bench.at(2) { $0.mailbox.append(.switchOn(id: 7)) }
        bench.run(policy: .off)
        #expect(bench.outcomes(7) == [.restored])
        #expect(try #require(bench.when(.restored, 7)) == .at(5.012))
    }

    @Test func `what is held off by policy is off to a later order, tested or not`() {
        let bench = Bench()
        bench.order(1)
        bench.order(2, at: 20, relayTest: .unknown)
        bench.order(3, at: 30, validFor: -1)
        bench.run(policy: .off)
        #expect(bench.outcomes(2) == [.off])
        #expect(bench.outcomes(3) == [.voided])
        #expect(bench.supplies[0].driven == [false])
    }

    // MARK: Found off

    @Test func `a peer that the agent before left off comes back after the off time`() throws {
        let bench = Bench(supplies: 2)
        bench.supplies.forEach { $0.leave(false) }
        bench.run()
        #expect(bench.outcomes(RelayFence.foundOff) == [.restored])
        #expect(try #require(bench.when(.restored, RelayFence.foundOff)) == .at(5.012))
        #expect(bench.allOn)
    }

    @Test func `one supply that was left off comes back at once, whatever the policy`() throws {
        for policy in [RelayDescription.AfterFence.reboot, .off] {
            let bench = Bench(supplies: 2)
            bench.supplies[1].leave(false)
            bench.run(policy: policy)
            #expect(try #require(bench.when(.restored, RelayFence.foundOff)) == .at(0.012))
            #expect(bench.allOn)
        }
    }

    @Test func `by policy off what was left off stays so until the operator's order`() {
        let bench = Bench()
        bench.supplies[0].leave(false)
        bench.at(20) { $0.mailbox.append(.switchOn(id: 9)) }
        bench.order(1, at: 10, relayTest: .unknown)
        bench.run(policy: .off)
        #expect(bench.outcomes(RelayFence.foundOff).isEmpty)
        #expect(bench.outcomes(1) == [.off])
        #expect(bench.outcomes(9) == [.restored])
    }

    @Test func `what was left off and cannot be switched on is said, and tried again`() {
        let bench = Bench()
        bench.supplies[0].leave(false)
        bench.supplies[0].feedback = .alwaysOff
        bench.at(12) { $0.supplies[0].heal() }
        bench.run()
        #expect(bench.outcomes(RelayFence.foundOff) == [.notRestored, .restored])
    }

    @Test func `an order for a peer that was left off has its own proof`() throws {
        let bench = Bench()
        bench.supplies[0].leave(false)
        bench.order(1, at: 1)
        bench.run()
        #expect(try #require(bench.when(.off)) < .at(1.002))
        #expect(bench.outcomes() == [.off, .restored])
    }

    @Test func `without feedback what was left off is proved by the whole off time`() throws {
        let bench = Bench()
        bench.supplies[0].leave(false)
        bench.order(1, at: 1, validFor: 10)
        bench.run(feedback: false)
        #expect(try #require(bench.when(.off)) == .at(5))
    }

    // MARK: Late and gone

    @Test func `a line that was driven in the peer's turn is taken back`() {
        let bench = Bench()
        bench.pauseBetweenCuts = .milliseconds(1_051)
        bench.order()
        bench.run()
        #expect(bench.outcomes() == [.failed(.timeout)])
        #expect(bench.allOn)
    }

    @Test func `lines whose chip is gone are given up, and not in a fence`() {
        let bench = Bench(end: 60)
        bench.order()
        bench.at(2) { $0.supplies[0].fault = .chipGone }
        #expect(bench.run() == .linesGone)
        #expect(bench.outcomes() == [.off, .notRestored])
        #expect(bench.now < .at(10))
    }

    @Test func `the self-test finds that a chip is gone`() {
        let bench = Bench(end: 60)
        bench.at(2) { $0.supplies[0].fault = .chipGone }
        bench.at(10) { $0.mailbox.append(.test) }
        #expect(bench.run() == .linesGone)
        #expect(bench.observations.map { $0.linesOn } == [false])
        #expect(bench.now == .at(10))
    }

    // MARK: Self-test

    @Test func `the self-test looks and cuts nothing`() throws {
        let bench = Bench(supplies: 2)
        bench.at(1) { $0.mailbox.append(.test) }
        bench.run()
        let observation = try #require(bench.observations.first)
        #expect(observation.linesOn)
        #expect(observation.feedback == SupplyScan(on: 2))
        #expect(bench.supplies.allSatisfy { $0.driven.isEmpty })
    }

    @Test func `no self-test while a fence is under way`() {
        let bench = Bench()
        bench.order()
        bench.at(2) { $0.mailbox.append(.test) }
        bench.run()
        #expect(bench.observations.isEmpty)
    }
}

struct RelaySelfTestTests {
    func observation(
        linesOn: Bool = true, _ feedback: SupplyScan = SupplyScan(on: 1)
    ) -> RelayObservation {
        RelayObservation(readAt: .at(10), linesOn: linesOn, feedback: feedback)
    }

    @Test func `on, and then an answer of the peer, is a pass`() {
        var test = RelaySelfTest(configured: true)
        #expect(test.observe(observation()) == nil)
        #expect(test.result == .unknown)
        #expect(test.acknowledged(sentAt: .at(10)) == nil)
        #expect(test.acknowledged(sentAt: .at(10.1)) == .passed)
        #expect(test.acknowledged(sentAt: .at(10.2)) == nil)
    }

    @Test func `no self-test makes up for a real fence that failed`() {
        var test = RelaySelfTest(configured: true)
        _ = test.observe(observation())
        #expect(test.acknowledged(sentAt: .at(10.1)) == .passed)
        #expect(test.fenced(false) == .failed)
        _ = test.observe(observation())
        #expect(test.acknowledged(sentAt: .at(20)) == nil)
        #expect(test.result == .failed)
        // A cut that was seen, or the operator's word, makes the next test count again.
        #expect(test.fenced(true) == .unknown)
        _ = test.observe(observation())
        #expect(test.acknowledged(sentAt: .at(30)) == .passed)
        #expect(test.fenced(true) == nil)
        var remembered = RelaySelfTest(configured: true, disproved: true)
        #expect(remembered.result == .failed)
        #expect(remembered.clear() == .unknown)
    }

    @Test func `a worker that gives no answer for two periods has failed`() {
        var test = RelaySelfTest(configured: true)
        _ = test.observe(observation())
        _ = test.acknowledged(sentAt: .at(10.1))
        #expect(test.ask(at: .at(20)) == nil)
        #expect(test.ask(at: .at(30)) == nil)
        #expect(test.ask(at: .at(40)) == .failed)
        #expect(test.isSilent)
        _ = test.observe(observation())
        #expect(!test.isSilent)
        #expect(test.acknowledged(sentAt: .at(41)) == .passed)
    }

    @Test func `off, and then an answer of the peer, is a line that lies`() {
        var test = RelaySelfTest(configured: true)
        #expect(test.observe(observation(SupplyScan(on: 1, off: 1, unproven: 1))) == nil)
        #expect(test.acknowledged(sentAt: .at(10.1)) == .failed)
    }

    @Test func `a peer that has just died does not spoil the proof that its fence needs`() {
        var test = RelaySelfTest(configured: true)
        _ = test.observe(observation())
        _ = test.acknowledged(sentAt: .at(10.1))
        _ = test.observe(
            RelayObservation(
                readAt: .at(20), linesOn: true, feedback: SupplyScan(off: 1)))
        // It has answered what was sent before the look, and answers nothing sent after it.
        #expect(test.acknowledged(sentAt: .at(19.9)) == nil)
        test.contactLost()
        #expect(test.acknowledged(sentAt: .at(30)) == nil)
        #expect(test.result == .passed)
    }

    @Test(arguments: [
        (false, SupplyScan(on: 1)), (true, SupplyScan(unreadable: 1)),
        (true, SupplyScan(on: 1, unreadable: 1)),
    ])
    func `a line that cannot be read or does not read on needs no peer to fail`(
        linesOn: Bool, feedback: SupplyScan
    ) {
        var test = RelaySelfTest(configured: true)
        #expect(test.observe(observation(linesOn: linesOn, feedback)) == .failed)
    }

    @Test(arguments: [
        (SupplyScan(off: 2), true), (SupplyScan(on: 1, off: 1), false),
        (SupplyScan(off: 1, unproven: 1), false), (SupplyScan(off: 1, blind: 1), false),
        (SupplyScan(off: 1, unreadable: 1), false), (SupplyScan(blind: 1), false),
    ])
    func `a peer is seen off where every supply reads so, and no parted wire`(
        feedback: SupplyScan, off: Bool
    ) {
        var test = RelaySelfTest(configured: true)
        _ = test.observe(observation(linesOn: false, feedback))
        #expect(test.seesOff == off)
        _ = test.ask(at: .at(20))
        _ = test.ask(at: .at(40))
        #expect(!test.seesOff)
    }

    @Test func `without feedback the line alone is tested`() {
        var test = RelaySelfTest(configured: true)
        _ = test.observe(observation(SupplyScan(blind: 1)))
        #expect(test.acknowledged(sentAt: .at(11)) == .passed)
    }

    @Test(arguments: [
        ([Message.RelayTest.passed, .failed, .unknown], Message.RelayTest.failed),
        ([.passed, .unknown], .unknown), ([.passed, .passed], .passed), ([], .absent),
    ])
    func `a node tells of the worst of its levels`(
        results: [Message.RelayTest], worst: Message.RelayTest
    ) {
        let tests = results.map { result in
            var test = RelaySelfTest(configured: true)
            _ = test.conclude(result)
            return test
        }
        #expect(RelaySelfTest.worst(of: tests) == worst)
    }

    @Test func `without a relay there is nothing to test`() {
        #expect(RelaySelfTest(configured: false).result == .absent)
    }
}

struct RelayDescriptionTests {
    @Test(arguments: [
        (SupplyDescription.Wiring.normallyClosed, LineDescription.Active.high, true, false),
        (.normallyClosed, .high, false, true),
        (.normallyClosed, .low, true, true),
        (.normallyClosed, .low, false, false),
        (.normallyOpen, .high, true, true),
        (.normallyOpen, .high, false, false),
        (.normallyOpen, .low, true, false),
        (.normallyOpen, .low, false, true),
    ])
    func `wiring and active level make the electrical level`(
        wiring: SupplyDescription.Wiring, active: LineDescription.Active, on: Bool, high: Bool
    ) {
        let supply = SupplyDescription(
            line: LineDescription(name: "R", active: active), wiring: wiring, feedback: .none)
        #expect(supply.isHigh(on: on) == high)
    }

    // MARK: What off proves

    @Test func `off at the first look is no proof where a parted wire reads off too`() {
        let bench = Bench()
        bench.supplies[0].dead = true
        bench.order()
        bench.run(partedReadsOn: false)
        #expect(bench.outcomes() == [.failed(.unproven)])
        #expect(bench.supplies[0].driven.isEmpty)
    }

    @Test func `a supply that is seen to go off is proof there`() {
        let bench = Bench()
        bench.order()
        // An order in the hold shares what this worker saw.
        bench.order(2, at: 1)
        bench.run(partedReadsOn: false)
        #expect(bench.outcomes() == [.off, .restored])
        #expect(bench.outcomes(2) == [.off, .restored])
    }

    @Test func `what another agent left off is no proof there`() {
        let bench = Bench()
        bench.supplies[0].leave(false)
        bench.order(at: 0.1)
        bench.run(partedReadsOn: false)
        #expect(bench.outcomes() == [.failed(.unproven)])
        #expect(bench.outcomes(RelayFence.foundOff) == [.restored])
    }

    @Test func `where sense wire and link share a plug even the edge is no proof`() {
        let bench = Bench()
        bench.order()
        bench.run(partedReadsOn: false, plug: .link)
        #expect(bench.outcomes() == [.failed(.unproven)])
        #expect(bench.supplies[0].driven.isEmpty)
    }

    @Test(arguments: [true, false])
    func `a peer with one dead supply of two is cut where that one can be proven off`(
        provable: Bool
    ) throws {
        let bench = Bench(supplies: 2)
        bench.supplies[1].dead = true
        bench.at(0) { $0.mailbox.append(.test) }
        bench.order(at: 1)
        bench.run(partedReadsOn: provable)
        #expect(bench.outcomes() == (provable ? [.off, .notRestored] : [.failed(.unproven)]))
        // The peer answers: it has power from the other one.
        var test = RelaySelfTest(configured: true)
        let observation = try #require(bench.observations.first)
        #expect(test.observe(observation) == nil)
        #expect(
            test.acknowledged(sentAt: observation.readAt + .milliseconds(1))
                == (provable ? .passed : .failed))
    }

    @Test func `a peer that lives with every supply off has a sense line that lies`() {
        var test = RelaySelfTest(configured: true)
        _ = test.observe(
            RelayObservation(readAt: .at(1), linesOn: true, feedback: SupplyScan(off: 2)))
        #expect(test.acknowledged(sentAt: .at(2)) == .failed)
    }

    /// What the worker said of its relays, cut by cut.
    private func proofs(_ bench: Bench) -> [Bool] {
        bench.reports.compactMap {
            if case .proof(let cut) = $0.report { cut } else { nil }
        }
    }

    @Test func `a fence proves that the relay cuts, once, or that it does not`() {
        let bench = Bench()
        bench.order()
        // Of what it keeps off it sees nothing go off.
        bench.order(2, at: 2)
        bench.run()
        #expect(bench.outcomes(2).first == .off)
        #expect(proofs(bench) == [true])
        let welded = Bench()
        welded.supplies[0].fault = .stuckOn
        welded.order()
        welded.run()
        #expect(proofs(welded) == [false])
        let blind = Bench()
        blind.order()
        blind.run(feedback: false)
        #expect(blind.outcomes().first == .off)
        #expect(proofs(blind).isEmpty)
    }

    @Test(arguments: [0, 1])
    func `a fence of two supplies proves the relays only where it saw both go off`(dead: Int) {
        let both = Bench(supplies: 2)
        both.order()
        both.run()
        #expect(proofs(both) == [true])
        let bench = Bench(supplies: 2)
        bench.supplies[dead].dead = true
        bench.order()
        bench.run()
        #expect(bench.outcomes().first == .off)
        #expect(proofs(bench).isEmpty)
    }

    @Test func `a rehearsal cuts one supply at a time`() {
        let bench = Bench(supplies: 2)
        var mostOff = 0
        bench.at(1) { $0.mailbox.append(.rehearse) }
        bench.onCut = { mostOff = max(mostOff, $0.supplies.count { !$0.line }) }
        bench.run()
        #expect(proofs(bench) == [true])
        #expect(bench.cuts == 2)
        #expect(mostOff == 1)
        #expect(bench.allOn)
    }

    @Test func `a rehearsal finds the contact that is welded`() {
        let bench = Bench(supplies: 2)
        bench.supplies[1].fault = .stuckOn
        bench.at(1) { $0.mailbox.append(.rehearse) }
        bench.run()
        #expect(proofs(bench) == [false])
        #expect(bench.allOn)
    }

    @Test func `a rehearsal never cuts the supply that the peer lives by`() {
        let bench = Bench(supplies: 2)
        bench.supplies[1].dead = true
        bench.at(1) { $0.mailbox.append(.rehearse) }
        bench.run()
        #expect(bench.cuts == 0 && proofs(bench).isEmpty)
        let single = Bench()
        single.at(1) { $0.mailbox.append(.rehearse) }
        single.run()
        #expect(single.cuts == 0)
        #expect(single.observations.count == 1)
    }

    @Test func `a fence does not wait for the end of a rehearsal`() {
        let bench = Bench(supplies: 2)
        bench.supplies[0].fault = .stuckOn
        bench.at(1) { $0.mailbox.append(.rehearse) }
        bench.at(1.001) { bench in bench.supplies[0].fault = .none }
        bench.order(at: 1.002)
        bench.run()
        #expect(bench.outcomes() == [.off, .restored])
    }

    @Test func `two contacts that read alike say nothing`() throws {
        #expect(try SupplyDescription.says(on: true, off: false))
        #expect(try !SupplyDescription.says(on: false, off: true))
        for alike in [true, false] {
            #expect(throws: LineError.undecided) {
                try SupplyDescription.says(on: alike, off: alike)
            }
        }
    }
}
