import Testing

@testable import PicketCore

/// A copy is judged by both sides, in contact.
struct CopyTests {
    var copy = Copy(mayBeOutdated: false)
    let maxLag = Duration.seconds(3)

    private func at(_ seconds: Double) -> Instant {
        Instant(nanoseconds: 1_000_000_000_000 + Int64(seconds * 1e9))
    }

    private func holder(_ epoch: UInt32, _ number: UInt64, age: UInt32 = 0) -> DataReport {
        DataReport(position: DataPosition(epoch: epoch, number: number), age: age)
    }

    private mutating func hear(
        _ report: DataReport?, _ seconds: Double, holds: Bool = true, runs: Bool = true,
        isInStep: Bool? = nil
    ) {
        copy.follow(
            report, holds: holds, runs: runs, isInStep: isInStep, within: maxLag,
            arrivedAt: at(seconds))
    }

    private mutating func read(_ epoch: UInt32, _ number: UInt64, _ seconds: Double) {
        copy.read(DataPosition(epoch: epoch, number: number), at: at(seconds))
    }

    @Test mutating func `a copy that is where the holder was a moment ago is current`() {
        read(1, 100, 0)
        hear(holder(1, 100), 0.1)
        #expect(copy.state == .current)
        for second in 1...20 {
            hear(holder(1, 100 + UInt64(second) * 10), Double(second))
            read(1, 90 + UInt64(second) * 10, Double(second))
        }
        #expect(copy.state == .current)
    }

    @Test mutating func `the copy of a strict group is current while it is in step`() {
        read(1, 100, 0)
        hear(holder(1, 100), 0.1, isInStep: false)
        #expect(copy.state == .stale && copy.keepsUp)
        hear(holder(1, 100), 0.2, isInStep: true)
        #expect(copy.state == .current)
        copy.seal(limit: nil, at: at(1_000))
        #expect(copy.state == .current, "nothing was acknowledged since")
        copy.forget()
        copy.read(.current, at: at(1_001))
        hear(holder(1, 100), 1_001.1, isInStep: true)
        #expect(copy.state == .stale && !copy.keepsUp, "a lag tells nothing")
    }

    @Test(arguments: [false, true])
    mutating func `a slow start that fails leaves a copy that was in step as it was`(
        used: Bool
    ) {
        read(1, 100, 0)
        hear(holder(1, 100), 0.1, isInStep: true)
        copy.give()
        #expect(copy.state == .current && !copy.keepsUp)
        for second in 1...10 { hear(DataReport(), Double(second), runs: false, isInStep: false) }
        var last = DataReport()
        if used { last.terms.own = Term(9) }
        hear(last, 11, holds: false, runs: false, isInStep: false)
        #expect((copy.state == .current) != used, "the start may have written")
    }

    @Test mutating func `a copy that was not in step is old after a slow start, or a grant`() {
        read(1, 100, 0)
        hear(holder(1, 100), 0.1)
        var given = copy
        given.give()
        #expect(given.state == .unknown)
        for second in 1...10 { hear(DataReport(), Double(second), runs: false) }
        #expect(copy.state == .stale)
    }

    @Test mutating func `one that stands still is stale after max_lag`() {
        read(1, 100, 0)
        for second in 0...3 { hear(holder(1, 100 + UInt64(second)), Double(second)) }
        #expect(copy.state == .current)
        for second in 4...5 { hear(holder(1, 100 + UInt64(second)), Double(second)) }
        #expect(copy.state == .stale)
    }

    @Test mutating func `another epoch, an empty copy and no word of the holder are not current`() {
        read(1, 1_000, 0)
        hear(holder(2, 100), 0.1)
        #expect(copy.state == .stale)
        read(0, 0, 1)
        hear(holder(2, 100), 1.1)
        #expect(copy.state == .failed)
        read(2, 100, 2)
        hear(holder(2, 100), 2.1)
        #expect(copy.state == .current)
        hear(nil, 6)
        #expect(copy.state == .stale)
        copy.read(.failed, at: at(7))
        hear(holder(2, 100), 7.1)
        #expect(copy.state == .failed)
    }

    @Test mutating func `a holder's old reading counts as of when it was read`() {
        read(1, 100, 0)
        hear(holder(1, 101, age: 2_900), 0)
        #expect(copy.state == .stale)
        read(1, 101, 0.2)
        hear(holder(1, 101, age: 3_100), 0.2)
        #expect(copy.state == .unknown, "it was read longer ago than max_lag")
    }

    @Test mutating func `what was judged stands while the holder does not run, and at the loss`() {
        read(1, 100, 0)
        hear(holder(1, 100), 0.1)
        hear(nil, 20, holds: false, runs: false)
        #expect(copy.state == .current)
        copy.freeze()
        #expect(copy.state == .current)
    }

    @Test mutating func `a holder tells nothing that was read before it ran`() {
        read(1, 100, 0)
        #expect(copy.position(holds: true, at: at(1)).0 == .none)
        #expect(copy.position(holds: false, at: at(1)).0.number == 100)
        copy.lead(runs: false, at: at(1))
        #expect(copy.position(holds: false, at: at(2)).0 == .none)
        copy.lead(runs: true, at: at(3))
        #expect(copy.position(holds: false, at: at(3)).0 == .none)
        read(2, 101, 4)
        #expect(copy.position(holds: false, at: at(4)).0.number == 101)
    }

    @Test mutating func `a holder that does not say that it runs may write all the same`() {
        read(1, 100, 0)
        hear(holder(1, 100), 0.1)
        hear(nil, 2, runs: false)
        #expect(copy.state == .current)
        hear(nil, 4, runs: false)
        #expect(copy.state == .stale)
        read(1, 200, 5)
        hear(holder(1, 200), 5, runs: false)
        #expect(copy.state == .current)
    }

    @Test(arguments: [(2.0, GroupReport.SyncState.current), (5.0, .stale)])
    mutating func `it is spent by a receipt that comes late`(
        after seconds: Double, state: GroupReport.SyncState
    ) {
        read(1, 100, 0)
        hear(holder(1, 100), 0)
        copy.freeze()
        copy.seal(limit: maxLag + .seconds(1), at: at(seconds))
        #expect(copy.state == state)
        copy.seal(limit: maxLag + .seconds(1), at: at(100))
        #expect(copy.state == state, "the peer is off and writes nothing")
    }

    @Test mutating func `a peer that left by plan wrote nothing since`() {
        read(1, 100, 0)
        hear(holder(1, 100), 0)
        copy.seal(limit: nil, at: at(50))
        #expect(copy.state == .current)
    }

    @Test mutating func `it says nothing any more once the peer is heard again`() {
        read(1, 100, 0)
        hear(holder(1, 100), 0)
        copy.freeze()
        hear(nil, 50)
        #expect(copy.state == .unknown, "the holder has read nothing yet")
        hear(nil, 54)
        #expect(copy.state == .stale)
        hear(holder(1, 100), 55)
        #expect(copy.state == .current)
        copy.forget()
        #expect(copy.state == .unknown)
    }
}
