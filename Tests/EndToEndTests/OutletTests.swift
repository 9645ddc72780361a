import Foundation
import Testing

extension EndToEnd {
    /// Two agents, not on a rack: each in a network namespace of its own, with a fence agent whose
    /// outlet switches only after five seconds, whatever becomes of the node that ordered it.
    @Suite(.enabled(if: WiredPair.isAllowed, WiredPair.refusal))
    struct OutletTests {
        @Test func `a partition cuts one node, however late its outlet switches`() throws {
            let pair = try WiredPair(outletAfter: 5, offWithin: "6s", detectWithin: "9s")
            defer { pair.end() }
            try pair.part()
            let deadline = Date() + 30
            while pair.cuts.isEmpty, Date() < deadline { Thread.sleep(forTimeInterval: 0.1) }
            // The other node's order, if there is one, takes effect by then.
            Thread.sleep(forTimeInterval: 8)
            #expect(pair.cuts.count == 1, "\(pair.story)")
            let survivor = pair.cuts.first == "east" ? "west" : "east"
            #expect(try pair.holds(survivor), "\(pair.story)")
            #expect(pair.isUp(survivor))
        }
    }
}
