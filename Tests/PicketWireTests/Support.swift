import PicketCore
import PicketProof

@testable import PicketWire

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
    static func any(_ sequence: UInt64, using chance: inout Chance) -> Message {
        var message = Message(sequence: sequence)
        message.acknowledged = chance.next() & Codec.greatest
        message.heardOn = LinkSet(bits: UInt8.random(in: 0...255, using: &chance))
        message.sentAt = Instant(nanoseconds: Int64(chance.next() & Codec.greatest))
        message.echo = Instant(nanoseconds: Int64(chance.next() & Codec.greatest))
        message.flags = Flags(rawValue: UInt16.random(in: 0...(.max), using: &chance))
            .intersection(.all)
        message.phase = Phase.allCases.randomElement(using: &chance)!
        message.health = UInt8.random(in: 0...100, using: &chance)
        message.watchdogMilliseconds = UInt32.random(in: 0...(.max), using: &chance)
        message.relayTest = RelayTest.allCases.randomElement(using: &chance)!
        message.configurationDigest = chance.next()
        message.turnsDigest = chance.next()
        message.generation = UInt32.random(in: 0...(.max), using: &chance)
        message.seenGeneration = UInt32.random(in: 0...(.max), using: &chance)
        message.maintenance = UInt64.random(in: 0...Maintenance.greatest, using: &chance)
        message.gaps = Gaps(rawValue: UInt32.random(in: 0...(.max), using: &chance))
            .intersection(.all)
        message.goneTerm = Term(chance.next() >> 1)
        message.pause = Duration(nanoseconds: Int64(chance.next() & Codec.greatest))
        message.groups = (0..<Int.random(in: 0...Limits.groups, using: &chance)).map { _ in
            GroupReport(
                role: GroupReport.Role.allCases.randomElement(using: &chance)!,
                term: Term(chance.next() >> 1),
                flags: GroupReport.Flags(rawValue: UInt8.random(in: 0...(.max), using: &chance))
                    .intersection(.all),
                sync: GroupReport.SyncState.allCases.randomElement(using: &chance)!,
                name: chance.next(), priority: UInt32.random(in: 0...(.max), using: &chance),
                resources: UInt32.random(in: 0...(.max), using: &chance),
                settings: UInt32.random(in: 0...(.max), using: &chance),
                data: chance.next() & 1 == 0 ? nil : DataReport.any(using: &chance))
        }
        if let place = message.groups.indices.randomElement(using: &chance) {
            message.maintained = MaintainedGroup(
                place: place,
                Maintenance(
                    isOn: chance.next() & 1 == 0, count: UInt32(chance.next() & 0xFFFF),
                    by: chance.next() & 1 == 0 ? .low : .high), isKept: chance.next() & 1 == 0)
        }
        return message
    }
}

extension DataReport {
    static func any(using chance: inout Chance) -> DataReport {
        DataReport(
            terms: DataTerms(
                own: Term(chance.next() >> 1), heard: Term(chance.next() >> 1),
                isLast: chance.next() & 1 == 0),
            position: DataPosition(
                epoch: UInt32.random(in: 0...(.max), using: &chance), number: chance.next()),
            age: UInt32.random(in: 0...(.max), using: &chance),
            flags: Flags(rawValue: UInt8(chance.next() & 0xFF)).intersection(.all))
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
        hellos: HelloMemory = HelloMemory(life: 1), at now: Instant = .at(milliseconds: 0)
    ) {
        self.me = me
        var chance = Chance(seed: session &* 31 &+ UInt64(me.rawValue))
        channel = Channel(
            keys: keys, me: me, session: SessionID(session), hellos: hellos, at: now,
            random: { chance.next() })
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
        guard case .hello(answer: true, _, _) = open(datagram, link: link, at: now) else {
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

extension DropCounters {
    var total: UInt64 { Drop.allCases.reduce(0) { $0 + self[$1] } }
}

extension Channel.Opened {
    var message: Message? {
        if case .message(let message, _) = self { return message }
        return nil
    }
    var isNewHello: Bool {
        if case .hello(_, _, isNew: true) = self { true } else { false }
    }
    var isMessage: Bool { message != nil }
}
