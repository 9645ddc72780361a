import PicketProof
import Testing

@testable import PicketCore

/// What the exhaustive checker found in the fencing turns, as stories of one machine.
struct TurnTests {
    /// The sendings of a machine until its next deadline has passed.
    private func sent(
        by machine: inout Machine, after event: Event, at now: Instant
    ) -> [Message] {
        var recorder = Recorder()
        machine.handle(event, at: now, into: &recorder)
        machine.handle(.tick, at: max(now, machine.nextDeadline), into: &recorder)
        return recorder.items.compactMap { effect in
            if case .send(let message, _) = effect { message } else { nil }
        }
    }

    /// Else the peer counts a new loss from there, takes a turn of its own, and both are cut.
    @Test func `what comes after the order to fence is not acknowledged until the order is over`()
        throws
    {
        let world = SmallWorld()
        world.bootBoth()
        world.relays[0] = .unreachable
        world.relays[1] = .unreachable
        world.cutAll()
        let ordered = world.run(until: { world.high.has(.fenceOrdered) }, within: .seconds(2))
        try #require(ordered)
        var machine = try #require(world.high.machine)
        // The order is with the worker; its outcome has not come yet.
        machine.fence.order(
            session: machine.peer.session, cause: .contactLost, at: world.clock(world.high))
        var late = try #require(machine.peer.message)
        late.sequence += 1
        let received = Event.received(late, session: world.low.session, link: 0)
        let during = sent(by: &machine, after: received, at: world.clock(world.high))
        #expect(!during.isEmpty)
        #expect(during.allSatisfy { $0.acknowledged == 0 && $0.echo.nanoseconds == 0 })
        let voided = Event.fence(id: machine.fence.id, .voided)
        let after = sent(by: &machine, after: voided, at: machine.nextDeadline)
        #expect(after.contains { $0.acknowledged == late.sequence })
    }

    // MARK: Fitness

    private func unfit(_ node: TestNode, in world: SmallWorld, score: UInt8 = 0) {
        world.handle(.health(Health(score: score)), on: node)
    }

    /// What a first turn of the last rank is waited out for.
    private var firstTurns: Duration {
        let timing = SmallWorld.policy(me: .low).timing
        return timing.unfitWithin - timing.detectWithin + timing.headStart + timing.deadAfter
    }

    private func moveless() -> SmallWorld {
        let world = SmallWorld { $0.moveBudget = Budget(count: 0, window: .seconds(3600)) }
        world.bootBoth()
        return world
    }

    @Test func `a holder that is unfit leaves the first turn to a fit standby`() {
        let world = moveless()
        unfit(world.low, in: world)
        world.run(for: .seconds(1))
        #expect(world.holder() == .low)
        world.cutAll()
        #expect(world.run(until: { world.holder() == .high }, within: .milliseconds(700)))
        #expect(world.fences == [.low])
        #expect(!world.low.has(.fenceOrdered))
        #expect(world.violations.isEmpty, "\(world.violations)")
    }

    @Test func `of two that are unfit the holder is first, and late`() {
        let world = moveless()
        unfit(world.low, in: world)
        unfit(world.high, in: world)
        world.run(for: .seconds(1))
        world.cutAll()
        world.run(for: .milliseconds(1_600))
        #expect(world.fences.isEmpty)
        world.run(for: .milliseconds(600))
        #expect(world.fences == [.high])
        #expect(world.holder() == .low)
        #expect(world.violations.isEmpty, "\(world.violations)")
    }

    @Test func `a drill makes nobody unfit for turns`() {
        let world = moveless()
        _ = world.command(.drill(true), on: world.high)
        world.handle(.health(Health(score: 0, simulated: true)), on: world.high)
        world.run(for: .seconds(1))
        world.cutPower(world.low)
        #expect(world.run(until: { world.holder() == .high }, within: .milliseconds(700)))
    }

    @Test func `a standby on which the group fails is unfit for what its peer holds`() {
        let world = SmallWorld()
        world.bootBoth()
        world.high.failStart = true
        _ = world.command(.handover(0), on: world.low)
        world.run(for: .seconds(1))
        world.high.failStart = false
        #expect(world.holder() == .low)
        let lost = world.now
        world.cutPower(world.low)
        #expect(world.run(until: { world.high.has(.fenceOrdered) }, within: .seconds(5)))
        #expect(world.now - lost > firstTurns - world.high.policy.timing.heartbeat)
    }

    /// The late turns of 0.1.0 may begin before rank 4 is over.
    @Test(arguments: [true, false])
    func `beside 0.1.0 an unfit node has late turns only`(holder: Bool) throws {
        let world = SmallWorld { $0.moveBudget = Budget(count: 0, window: .seconds(3600)) }
        let node = holder ? world.low : world.high
        world.other(node).installed = .of010
        world.bootBoth()
        // Its peer fences nobody.
        world.relays[Int(node.id.peer.rawValue)] = .unreachable
        unfit(node, in: world)
        world.run(for: .seconds(1))
        let lost = world.now
        world.cutAll()
        #expect(world.run(until: { node.has(.fenceOrdered) }, within: .seconds(8)))
        let timing = node.policy.timing
        let lastOver = firstTurns + timing.deadAfter + timing.offWithin
        #expect(world.now - lost > lastOver)
        #expect(world.violations.isEmpty, "\(world.violations)")
    }

    /// Each goes by its own fitness, so it may change at any time and be known to nobody.
    @Test(arguments: [Release.of010, .present])
    func `however fitness comes and goes in a partition, one node is cut at most`(
        release: Release
    ) {
        for seed in 1...10 {
            let world = SmallWorld(seed: UInt64(seed)) {
                $0.moveBudget = Budget(count: 0, window: .seconds(3600))
            }
            world.high.installed = release
            world.bootBoth()
            for node in world.nodes where world.chance.percent(50) { unfit(node, in: world) }
            world.run(for: .milliseconds(world.chance.below(100)))
            world.cutAll()
            while world.fences.isEmpty, world.now < Instant(nanoseconds: 1_020_000_000_000) {
                let node = world.nodes[Int(world.chance.below(2))]
                unfit(node, in: world, score: world.chance.percent(50) ? 0 : 100)
                world.run(for: .milliseconds(1 + world.chance.below(300)))
            }
            world.run(for: .seconds(1))
            #expect(world.fences.count == 1, "seed \(seed)")
            #expect(world.violations.isEmpty, "seed \(seed): \(world.violations)")
        }
    }

    /// What a person orders goes by the policy that the file states.
    @Test func `a node that is unfit gives its peer the power back`() throws {
        for (isFit, command) in [(true, nil), (false, nil), (false, Command.fence)] {
            let world = moveless()
            if !isFit { unfit(world.low, in: world) }
            world.run(for: .seconds(1))
            var machine = try #require(world.low.machine)
            var recorder = Recorder()
            var now = world.clock(world.low)
            if let command { machine.handle(.command(command, id: 1), at: now, into: &recorder) }
            while now < world.clock(world.low) + .seconds(8) {
                now = max(now + .milliseconds(1), machine.nextDeadline)
                machine.handle(.tick, at: now, into: &recorder)
            }
            let orders = recorder.items.compactMap { effect in
                if case .fence(let order) = effect { order } else { nil }
            }
            #expect(try #require(orders.first).reboots == (!isFit && command == nil))
        }
    }
}
