import PicketConfig
import PicketCore
import Testing

@testable import PicketRack

/// The weather on the links: what comes in at one end, and what comes out at the other.
struct NetworkTests {
    private let loop = EventLoop()
    private let ends = [
        PerNode(low: FakeEnd(), high: FakeEnd()), PerNode(low: FakeEnd(), high: FakeEnd()),
    ]
    private let network: Network

    init() throws {
        let ends = ends
        network = try Network(loop: loop, linkCount: 2) {
            PerNode(low: ends[$0].low, high: ends[$0].high)
        }
    }

    private func pass(_ count: UInt8, link: Int = 0, to: NodeID = .low) -> [[UInt8]] {
        let before = ends[link][to].delivered.count
        for index in 0..<count { ends[link][to].send([index]) }
        loop.run(for: .milliseconds(20))
        return Array(ends[link][to].delivered.dropFirst(before))
    }

    @Test func `on a link that is well all passes in its order`() {
        #expect(pass(5) == [[0], [1], [2], [3], [4]])
        #expect(ends[0].high.delivered.isEmpty && ends[1].low.delivered.isEmpty)
    }

    @Test func `a cut is of one direction of one link`() {
        network.disturb(link: 0, to: .low) { $0.cut = true }
        #expect(pass(3).isEmpty)
        #expect(pass(3, to: .high).count == 3)
        #expect(pass(3, link: 1).count == 3)
        network.disturb(link: nil, to: nil) { $0 = .none }
        #expect(pass(3).count == 3)
    }

    @Test func `loss takes its share, and duplication adds its own`() {
        network.disturb(link: 0, to: .low) { $0.loss = 1 }
        #expect(pass(20).isEmpty)
        network.disturb(link: 0, to: .low) { $0.loss = 0.5 }
        #expect((20..<180).contains(pass(200).count))
        network.disturb(link: 0, to: .low) { $0 = Disturbance(duplication: 1) }
        #expect(pass(2) == [[0], [0], [1], [1]])
    }

    @Test func `what is delayed comes late, and not at all over a link that was cut meanwhile`() {
        network.disturb(link: 0, to: .low) { $0.delay = .milliseconds(60) }
        #expect(pass(2).isEmpty)
        loop.run(for: .milliseconds(80))
        #expect(ends[0].low.delivered == [[0], [1]])
        #expect(pass(2).isEmpty)
        network.disturb(link: 0, to: .low) { $0.cut = true }
        loop.run(for: .milliseconds(80))
        #expect(ends[0].low.delivered.count == 2)
    }

    @Test func `reordering lets later ones pass`() {
        network.disturb(link: 0, to: .low) { $0.reordering = 0.5 }
        _ = pass(60)
        loop.run(for: .milliseconds(150))
        let seen = ends[0].low.delivered.map { $0[0] }
        #expect(seen.sorted() == Array(0..<60))
        #expect(seen != seen.sorted())
    }

    @Test func `a capture is replayed where it went, whatever the weather`() {
        network.capture("east")
        _ = pass(3)
        network.capture(nil)
        _ = pass(1)
        #expect(network.captured("east") == 3 && network.captured("west") == 0)
        network.disturb(link: nil, to: nil) { $0.cut = true }
        network.replay("east")
        loop.run(for: .milliseconds(20))
        #expect(ends[0].low.delivered == [[0], [1], [2], [0], [0], [1], [2]])
    }

    @Test func `junk is made as the link carries it`() {
        network.junk(to: .high, count: 12)
        loop.run(for: .milliseconds(40))
        let all = ends[0].high.delivered + ends[1].high.delivered
        #expect(all.count == 12)
        #expect(all.allSatisfy { $0.first == 0xEE })
        #expect(ends[0].low.delivered.isEmpty && ends[1].low.delivered.isEmpty)
    }
}
