import PicketCore

@testable import PicketWire

/// A seed makes every test the same each time (SplitMix64).
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

let sodium: Bool = Sodium.initialise()

func key(_ fill: UInt8) -> Key {
    precondition(sodium)
    return Key([UInt8](repeating: fill, count: Key.size))!
}

extension Instant {
    static func at(milliseconds: Int64) -> Instant {
        Instant(nanoseconds: 0) + .milliseconds(milliseconds)
    }
}

extension Message {
    /// Any message that may be sent.
    static func any(_ sequence: UInt64, using random: inout Seeded) -> Message {
        var message = Message(sequence: sequence)
        message.acknowledged = random.next() & Codec.greatest
        message.heardOn = LinkSet(bits: UInt8.random(in: 0...255, using: &random))
        message.sentAt = Instant(nanoseconds: Int64(random.next() & Codec.greatest))
        message.echo = Instant(nanoseconds: Int64(random.next() & Codec.greatest))
        message.flags = Flags(rawValue: UInt16.random(in: 0...(.max), using: &random))
            .intersection(.all)
        message.phase = Phase.allCases.randomElement(using: &random)!
        message.health = UInt8.random(in: 0...100, using: &random)
        message.watchdogMilliseconds = UInt32.random(in: 0...(.max), using: &random)
        message.relayTest = RelayTest.allCases.randomElement(using: &random)!
        message.configurationDigest = random.next()
        message.generation = UInt32.random(in: 0...(.max), using: &random)
        message.seenGeneration = UInt32.random(in: 0...(.max), using: &random)
        message.pause = Duration(nanoseconds: Int64(random.next() & Codec.greatest))
        message.groups = (0..<Int.random(in: 0...Limits.groups, using: &random)).map { _ in
            GroupReport(
                role: GroupReport.Role.allCases.randomElement(using: &random)!,
                term: Term(random.next() >> 1),
                flags: GroupReport.Flags(rawValue: UInt8.random(in: 0...(.max), using: &random))
                    .intersection(.all),
                sync: GroupReport.SyncState.allCases.randomElement(using: &random)!)
        }
        return message
    }
}

/// Channel and all that was ever sent over it.
final class Node {
    let me: NodeID
    var channel: Channel
    var sequence: UInt64 = 0
    var sent: [[UInt8]] = []

    init(
        _ me: NodeID, session: UInt64, keys: [Key] = [key(1)],
        at now: Instant = .at(milliseconds: 0)
    ) {
        self.me = me
        let box = Box(Seeded(session &* 31 &+ UInt64(me.rawValue)))
        channel = Channel(
            keys: keys, me: me, session: SessionID(session), at: now, random: { box.next() })
    }

    final class Box {
        var random: Seeded
        init(_ random: Seeded) { self.random = random }
        func next() -> UInt64 { random.next() }
    }

    func message(_ change: (inout Message) -> Void = { _ in }) -> [UInt8]? {
        sequence += 1
        var message = Message(sequence: sequence)
        change(&message)
        guard channel.seal(message) == .sealed else { return nil }
        sent.append(channel.datagram)
        return channel.datagram
    }

    func hello(at now: Instant) -> [UInt8]? {
        guard channel.hello(at: now) else { return nil }
        sent.append(channel.datagram)
        return channel.datagram
    }

    func open(
        _ datagram: [UInt8], link: Int = 0, at now: Instant = .at(milliseconds: 0)
    ) -> Channel.Opened {
        channel.open(datagram, count: datagram.count, link: link, at: now)
    }

    /// Opens it and returns the answer that it gets.
    func answer(_ datagram: [UInt8], link: Int = 0, at now: Instant) -> [UInt8]? {
        guard case .hello(answer: true, _) = open(datagram, link: link, at: now) else {
            return nil
        }
        sent.append(channel.datagram)
        return channel.datagram
    }
}

/// Carries a datagram and all the answers that follow to and fro; how many were sent in all.
@discardableResult
func carry(_ first: [UInt8], from a: Node, to b: Node, at now: Instant) -> Int {
    var datagram: [UInt8]? = first
    var count = 0
    while let current = datagram {
        count += 1
        precondition(count < 100, "hellos for ever")
        datagram =
            count % 2 == 1 ? b.answer(current, at: now) : a.answer(current, at: now)
    }
    return count
}

/// Two nodes that are established with each other.
func establishedPair(
    _ low: UInt64 = 100, _ high: UInt64 = 200, keys: [Key] = [key(1)]
) -> (a: Node, b: Node) {
    let a = Node(.low, session: low, keys: keys)
    let b = Node(.high, session: high, keys: keys)
    carry(a.hello(at: .at(milliseconds: 0))!, from: a, to: b, at: .at(milliseconds: 0))
    precondition(a.channel.peerSession == SessionID(high))
    precondition(b.channel.peerSession == SessionID(low))
    return (a, b)
}

extension Channel.Opened {
    var message: Message? {
        if case .message(let message, _) = self { return message }
        return nil
    }
    var isMessage: Bool { message != nil }
}
