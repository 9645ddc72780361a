import PicketCore
import Testing

@testable import PicketRack

/// The contact model: what the contact does after the line's edge.
struct SimulatedRelayTests {
    private let loop = EventLoop()

    private final class Contacts {
        var seen: [(on: Bool, at: Instant)] = []
    }

    private func relay(
        normallyClosed: Bool = true, delay: Duration = .milliseconds(10)
    ) -> (SimulatedRelay, Contacts) {
        let plan = SupplyPlan(
            line: "RELAY", sense: nil, normallyClosed: normallyClosed, delay: delay)
        let relay = SimulatedRelay(plan: plan, driver: .low, loop: loop)
        let contacts = Contacts()
        relay.moved = { [unowned relay] in contacts.seen.append((relay.contact, loop.now)) }
        return (relay, contacts)
    }

    @Test func `the contact follows its line after the delay, and feeds the peer`() {
        let (relay, contacts) = relay()
        let began = loop.now
        relay.drive(on: false)
        #expect(relay.contact && !relay.commanded)
        loop.run(for: .milliseconds(40))
        #expect(contacts.seen.map(\.on) == [false])
        #expect(contacts.seen[0].at - began >= .milliseconds(10))
        #expect(relay.fed == .high)
    }

    @Test func `an outlet stays off when the node goes dark that switched it`() {
        let plan = SupplyPlan(
            line: "OUTLET", sense: nil, normallyClosed: true, delay: .milliseconds(10))
        let outlet = SimulatedRelay(plan: plan, driver: .low, isOutlet: true, loop: loop)
        outlet.set(.slow(.milliseconds(20)))
        outlet.drive(on: false)
        outlet.driverDied()
        #expect(outlet.feeds)
        loop.run(for: .milliseconds(50))
        #expect(!outlet.feeds && !outlet.commanded)
    }

    @Test func `a dead supply feeds nobody, whatever its contact does`() {
        let (relay, _) = relay()
        relay.isDead = true
        #expect(relay.contact && !relay.feeds)
    }

    @Test func `a line that changes its mind in time moves no contact`() {
        let (relay, contacts) = relay()
        relay.drive(on: false)
        loop.run(for: .milliseconds(2))
        relay.drive(on: true)
        loop.run(for: .milliseconds(40))
        #expect(contacts.seen.isEmpty)
    }

    @Test func `a welded contact stays closed until it is well again`() {
        let (relay, contacts) = relay(delay: .zero)
        relay.set(.stuckOn)
        relay.drive(on: false)
        #expect(relay.contact)
        relay.set(.none)
        #expect(!relay.contact)
        #expect(contacts.seen.map(\.on) == [false])
    }

    @Test func `a contact that is stuck off opens at once, whatever the line says`() {
        let (relay, _) = relay()
        relay.set(.stuckOff)
        #expect(!relay.contact)
        relay.drive(on: true)
        #expect(!relay.contact)
    }

    @Test func `a slow contact takes its own time`() {
        let (relay, contacts) = relay(delay: .zero)
        relay.set(.slow(.milliseconds(25)))
        let began = loop.now
        relay.drive(on: false)
        loop.run(for: .milliseconds(60))
        #expect(contacts.seen.map(\.on) == [false])
        #expect(contacts.seen[0].at - began >= .milliseconds(25))
    }

    @Test func `a bouncing contact chatters, and rests as it was told`() {
        let (relay, contacts) = relay(delay: .milliseconds(1))
        relay.set(.bouncing)
        relay.drive(on: false)
        loop.run(for: .milliseconds(40))
        #expect(contacts.seen.map(\.on) == [false, true, false, true, false])
        #expect(!relay.contact)
    }

    @Test(arguments: [true, false])
    func `a driver that dies leaves the relay at rest`(normallyClosed: Bool) {
        let (relay, _) = relay(normallyClosed: normallyClosed, delay: .zero)
        relay.drive(on: !normallyClosed)
        relay.driverDied()
        #expect(relay.contact == normallyClosed)
    }
}

struct EventLoopTests {
    @Test func `timers go by their times, and equals in the order in which they were asked for`() {
        let loop = EventLoop()
        var seen = ""
        let now = loop.now
        loop.at(now + .milliseconds(4)) { seen += "c" }
        loop.at(now + .milliseconds(2)) { seen += "a" }
        loop.at(now + .milliseconds(2)) { seen += "b" }
        let cancelled = loop.at(now + .milliseconds(3)) { seen += "x" }
        loop.cancel(cancelled)
        loop.at(now + .milliseconds(5)) { loop.stop() }
        loop.run()
        #expect(seen == "abc")
    }

    @Test func `a descriptor is heard until it is watched no more`() {
        let loop = EventLoop()
        let end = FakeEnd()
        var calls = 0
        loop.watch(end.entry) {
            calls += 1
            loop.unwatch(end.entry)
        }
        end.send([1])
        end.send([2])
        loop.run(for: .milliseconds(20))
        #expect(calls == 1)
    }
}
