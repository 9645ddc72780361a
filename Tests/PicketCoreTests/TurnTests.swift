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
}
