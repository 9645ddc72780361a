import Foundation
import Testing

/// Two agents with two links, in network namespaces. One link is flooded as fast as it goes.
@Suite(.alone, .enabled(if: WiredPair.isAllowed, WiredPair.refusal))
struct FloodTests {
    /// From a stranger's address, and from the peer's own.
    @Test(arguments: ["10.99.1.77", "10.99.1.2"])
    func `a flood on one link loses no contact on the other`(source: String) throws {
        let pair = try WiredPair(
            cables: 2, outletAfter: 0, offWithin: "1s", detectWithin: "2500ms")
        defer { pair.end() }
        // A message of the peer's present session, with a seal that is not its.
        var datagram = try pair.capture()
        datagram = datagram.dropLast() + (datagram.last == "0" ? "1" : "0")
        let sent = try pair.flood(from: source, datagram, seconds: 8)
        let told = try pair.kinds(of: "east")
        #expect(!told.contains("contact_lost"), "\(pair.story)")
        #expect(try pair.status(of: "east")["contact"] as? String == "established")
        #expect(pair.cuts.isEmpty && pair.isUp("east"), "\(pair.story)")
        // Whom it says that it comes from decides what a datagram costs: a look at its seal, once,
        // or none.
        let refused = try pair.counter("dropped_foreign_source", of: "east")
        let opened = try pair.counter("dropped_not_authentic", of: "east")
        let (flooded, spared) = source == "10.99.1.2" ? (opened, refused) : (refused, opened)
        #expect(flooded > 10_000 && flooded <= sent && spared == 0, "\(flooded) of \(sent)")
    }
}
