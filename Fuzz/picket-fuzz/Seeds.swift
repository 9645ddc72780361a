import Foundation
import PicketCore

@testable import PicketWire

/// Sound packets to begin with, for the corpora that no person can write.
func writeSeeds(to directory: String) {
    precondition(Sodium.initialise())
    var message = Message(sequence: 9, acknowledged: 7, phase: .paired, generation: 3)
    message.groups = [
        GroupReport(role: .holding, term: Term(5), flags: [.eligible, .running]),
        GroupReport(role: .granting, term: Term(6), flags: .automatic, sync: .stale),
    ]
    var body: [UInt8] = []
    precondition(Codec.encode(message, keys: KeyIDs(first: 1, second: 2), into: &body))
    write(body, to: directory + "/message/sound")
    Hello(knows: 1, challenge: 2, to: 3, echo: 4, keys: KeyIDs(first: 1, second: 0))
        .encode(into: &body)
    write(body, to: directory + "/hello/sound")
    let key = Key([UInt8](repeating: 7, count: 32))!
    let start = Instant(nanoseconds: 1_000_000_000)
    var low = Channel(keys: [key], me: .low, session: SessionID(42), at: start) { 5 }
    var high = Channel(keys: [key], me: .high, session: SessionID(43), at: start) { 6 }
    precondition(high.hello(at: start))
    write(high.datagram, to: directory + "/datagram/hello")
    for _ in 0..<2 {
        _ = low.open(high.datagram, count: high.datagram.count, link: 0, at: start)
        _ = high.open(low.datagram, count: low.datagram.count, link: 0, at: start)
    }
    precondition(high.seal(message) == .sealed, "the channels are established")
    write(high.datagram, to: directory + "/datagram/message")
}

private func write(_ bytes: [UInt8], to path: String) {
    do { try Data(bytes).write(to: URL(fileURLWithPath: path)) } catch {
        fatalError("\(path): \(error)")
    }
}
