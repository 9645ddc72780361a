import PicketConfig
import PicketCore
import Testing

@testable import PicketRack

/// What the rack counts and measures, in milliseconds.
struct TallyTests {
    private func at(_ milliseconds: Int64) -> Instant {
        Instant(nanoseconds: milliseconds * 1_000_000)
    }

    private func activity(_ node: String, at first: Int64, ended: Bool = false) -> Activity {
        Activity(
            node: node, group: "g", term: 1, process: 1, first: at(first), last: at(first),
            ended: ended)
    }

    @Test func `a takeover is measured from the death to the first record`() throws {
        var tally = Tally(plan: try Example.plan())
        #expect(tally.began(activity("east", at: 0), after: nil) == " (formation)")
        tally.died(.low, at: at(1000))
        tally.lineOff(feeding: .low, at: at(1400))
        tally.contactsOpen(feeding: .low, at: at(1403))
        tally.railOff(.low, at: at(1410))
        let text = tally.began(activity("west", at: 1500), after: activity("east", at: 0))
        #expect(text == " (takeover from east)")
        #expect(tally.detection == .milliseconds(400))
        #expect(tally.fence == .milliseconds(10))
        #expect(tally.activation == .milliseconds(90))
        #expect(tally.takeover == .milliseconds(500))
        #expect((tally.fenceCount, tally.attemptCount, tally.takeovers) == (1, 1, 1))
    }

    @Test func `a group that was stopped before is handed over`() throws {
        var tally = Tally(plan: try Example.plan())
        let before = activity("east", at: 0, ended: true)
        #expect(tally.began(activity("west", at: 9), after: before) == " (handover from east)")
        #expect((tally.handovers, tally.takeovers) == (1, 0))
        #expect(tally.takeover == nil)
    }

    @Test func `a group that starts again on its node is no takeover`() throws {
        var tally = Tally(plan: try Example.plan())
        #expect(tally.began(activity("east", at: 9), after: activity("east", at: 0)) == " (again)")
        #expect(tally.takeovers == 0)
    }

    @Test func `lines of one node that go off together are one attempt`() throws {
        var tally = Tally(plan: try Example.plan())
        tally.lineOff(feeding: .low, at: at(100))
        tally.lineOff(feeding: .low, at: at(110))
        tally.lineOff(feeding: .high, at: at(110))
        tally.lineOff(feeding: .low, at: at(200))
        #expect(tally.attempts.low == 2 && tally.attempts.high == 1)
        // The contacts stayed closed.
        #expect(tally.fenceCount == 0)
    }

    @Test func `a contact that opens by itself is no fence, and one fence counts once`() throws {
        var tally = Tally(plan: try Example.plan())
        tally.contactsOpen(feeding: .low, at: at(50))
        #expect(tally.fenceCount == 0)
        tally.lineOff(feeding: .low, at: at(100))
        tally.contactsOpen(feeding: .low, at: at(103))
        tally.contactsOpen(feeding: .low, at: at(105))
        #expect(tally.fenceCount == 1)
        tally.contactsClosed(feeding: .low)
        tally.lineOff(feeding: .low, at: at(500))
        tally.contactsOpen(feeding: .low, at: at(503))
        #expect(tally.fenceCount == 2)
    }

    @Test func `the first takeover is told, and the slowest`() throws {
        var tally = Tally(plan: try Example.plan())
        for (death, first) in [(0, 500), (1000, 1900), (3000, 3300)] as [(Int64, Int64)] {
            tally.died(.low, at: at(death))
            _ = tally.began(activity("west", at: first), after: activity("east", at: death))
        }
        #expect(tally.takeover == .milliseconds(500))
        #expect(tally.slowestTakeover == .milliseconds(900))
    }
}
