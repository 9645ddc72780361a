import PicketCore
import PicketProof
import Testing

@testable import PicketWire

struct SealingTests {
    @Test func `messages pass both ways`() {
        let (a, b) = establishedPair()
        var chance = Chance(seed: 3)
        for sequence in 1...500 {
            let message = Message.any(UInt64(sequence), using: &chance)
            #expect(a.channel.seal(message) == .sealed)
            #expect(a.channel.datagram.count <= Wire.longest)
            let opened = b.open(a.channel.datagram)
            // Before b's first message, a has nothing to acknowledge.
            if sequence > 1 {
                #expect(opened == .message(message, session: SessionID(100)))
            }
            if sequence == 1 { #expect(a.open(b.message()!).isMessage) }
        }
        #expect(a.channel.drops.total == 0 && b.channel.drops.total == 0)
    }

    @Test func `a sequence number is sealed once`() {
        let (a, _) = establishedPair()
        #expect(a.channel.seal(Message(sequence: 5)) == .sealed)
        #expect(a.channel.seal(Message(sequence: 5)) == .sequenceReused)
        #expect(a.channel.seal(Message(sequence: 4)) == .sequenceReused)
        #expect(a.channel.seal(Message(sequence: 6)) == .sealed)
    }

    @Test func `nothing is sealed for a peer that is not known`() {
        let a = Node(.low, session: 1)
        #expect(a.channel.seal(Message(sequence: 1)) == .noSession)
    }

    @Test func `no acknowledgement goes to a session that the core has not heard`() {
        let (a, b) = establishedPair()
        func speak(_ message: inout Message) {
            message.acknowledged = 40
            message.seenGeneration = 4
            message.echo = .at(milliseconds: 7)
        }
        let early = b.open(a.message(speak)!).message
        #expect(early?.acknowledged == 0 && early?.seenGeneration == 0)
        #expect(early?.echo == Instant(nanoseconds: 0))
        _ = a.open(b.message()!)
        let late = b.open(a.message(speak)!).message
        #expect(late?.acknowledged == 40 && late?.seenGeneration == 4)
    }

    @Test func `every truncation of a datagram is dropped`() {
        let (a, b) = establishedPair()
        let datagram = a.message()!
        let hello = Node(.low, session: 9).hellos()
        for whole in [datagram, hello] {
            for length in 0..<whole.count {
                guard case .dropped = b.open(Array(whole[..<length])) else {
                    Issue.record("\(length) bytes are enough")
                    return
                }
            }
        }
        #expect(b.open(datagram).isMessage)
    }

    @Test func `every flipped bit is noticed`() {
        let (a, b) = establishedPair()
        let datagram = a.message { $0.groups = [GroupReport(), GroupReport()] }!
        let hello = Node(.low, session: 9).hellos()
        for whole in [datagram, hello] {
            for bit in 0..<(8 * whole.count) {
                var bytes = whole
                bytes[bit / 8] ^= 1 << UInt8(bit % 8)
                guard case .dropped = b.open(bytes) else {
                    Issue.record("bit \(bit) is not protected")
                    return
                }
            }
        }
        #expect(b.channel.peerSession == SessionID(100))
        #expect(b.open(datagram).isMessage)
    }

    @Test func `random datagrams change nothing but counters`() {
        let (a, b) = establishedPair()
        var chance = Chance(seed: 4)
        let noise = (0..<100_000).map { _ in UInt8(truncatingIfNeeded: chance.next()) }
        let sound = a.message()!
        for round in 0..<100_000 {
            let length = Int.random(in: 0...1300, using: &chance)
            let place = Int.random(in: 0..<(noise.count - length), using: &chance)
            var bytes = Array(noise[place..<(place + length)])
            // The header is likelier to be right than by chance.
            for index in 0..<min(round % 30, length) { bytes[index] = sound[index] }
            guard case .dropped = b.open(bytes, link: round % Limits.links) else {
                Issue.record("round \(round) got through")
                return
            }
        }
        #expect(b.channel.drops.total == 100_000)
        #expect(b.channel.peerSession == SessionID(100))
        #expect(b.channel.nextHello == .at(milliseconds: 1000))
        #expect(b.open(sound).isMessage)
    }

    @Test func `authentic content of any kind never traps`() {
        let (_, b) = establishedPair()
        var chance = Chance(seed: 5)
        let secret = key(1).sessionSecret(from: .low, low: 100, high: 200)
        for sequence in 1...20_000 as ClosedRange<UInt64> {
            var datagram: [UInt8] = []
            Header(kind: .message, keyID: key(1).id, sender: .low, session: 100, sequence: sequence)
                .write(to: &datagram)
            var nonce = [UInt8](repeating: 0, count: Wire.nonceLength)
            nonce.put(sequence, at: 0)
            let length = Int.random(in: 0...200, using: &chance)
            let content = (0..<length).map { index in
                index == 0 ? UInt8(1 + sequence % 3) : UInt8(truncatingIfNeeded: chance.next())
            }
            secret.seal(content, nonce: nonce, into: &datagram)
            guard case .dropped(let reason) = b.open(datagram) else {
                Issue.record("nonsense was understood")
                return
            }
            #expect(reason != .notAuthentic)
        }
    }

    @Test(
        arguments: [
            ([], Drop.tooShort), ([0x50], .tooShort), ([0x50, 0x4B], .tooShort),
            ([0x51, 0x4B, 1, 2], .notOurs), ([0x50, 0x4B, 2, 2], .unknownVersion),
            ([0x50, 0x4B, 1, 2], .tooShort),
            ([0x50, 0x4B, 1, 4] + [UInt8](repeating: 1, count: 60), .unknownType),
            ([0x50, 0x4B, 1, 2] + [UInt8](repeating: 2, count: 60), .badHeader),
            ([UInt8](repeating: 0x50, count: 1201), .tooLong),
        ] as [([UInt8], Drop)])
    func `a datagram is refused in clear with its reason`(bytes: [UInt8], expected: Drop) {
        let b = Node(.high, session: 2)
        #expect(b.open(bytes) == .dropped(expected))
        #expect(b.channel.drops[expected] == 1 && b.channel.drops.total == 1)
    }

    @Test func `only the counted bytes of a buffer are read`() {
        let (a, b) = establishedPair()
        let datagram = a.message()!
        let buffer = datagram + [UInt8](repeating: 0xAA, count: 800)
        let opened = b.channel.open(
            buffer, count: datagram.count, link: 0, at: .at(milliseconds: 0))
        #expect(opened.isMessage)
    }

    @Test func `another pair's key opens nothing`() {
        let (a, _) = establishedPair()
        let stranger = Node(.high, session: 200, keys: [key(9)])
        #expect(stranger.open(a.message()!) == .dropped(.unknownKey))
        #expect(stranger.open(a.sent[0]) == .dropped(.unknownKey))
        // Even if it lies about the id.
        var forged = a.sent[0]
        forged.put(key(9).id, at: 4)
        #expect(stranger.open(forged) == .dropped(.notAuthentic))
        #expect(stranger.channel.peerSession == nil)
    }

    @Test func `what comes back to its sender is dropped`() {
        let (a, b) = establishedPair()
        for datagram in a.sent + [a.message()!] {
            #expect(a.open(datagram) == .dropped(.reflected))
            // Nor does it pass for the peer's.
            var turned = datagram
            turned[8] = 1
            #expect(a.open(turned) != .hello(answer: true, established: nil, isNew: true))
        }
        #expect(a.channel.drops[.notAuthentic] + a.channel.drops[.reflected] > 0)
        #expect(a.open(b.message()!).isMessage)
    }
}

extension Node {
    /// The first hello of a node.
    func hellos() -> [UInt8] {
        hello(at: .at(milliseconds: 0))!
    }
}

struct LinkTests {
    @Test func `a copy over each other link is told from a duplicate`() {
        let (a, b) = establishedPair()
        let datagram = a.message()!
        #expect(b.open(datagram, link: 1).isMessage)
        #expect(b.open(datagram, link: 0) == .copy(session: SessionID(100)))
        #expect(b.open(datagram, link: 2) == .copy(session: SessionID(100)))
        for link in 0...2 { #expect(b.open(datagram, link: link) == .dropped(.duplicate)) }
        #expect(b.channel.drops[.duplicate] == 3)
    }

    @Test func `a copy far behind says nothing of its link`() {
        let (a, b) = establishedPair()
        let datagrams = (1...200).map { _ in a.message()! }
        for datagram in datagrams { #expect(b.open(datagram).isMessage) }
        #expect(b.open(datagrams[0], link: 1) == .dropped(.tooOld))
        #expect(b.open(datagrams[199], link: 1) == .copy(session: SessionID(100)))
    }

    @Test func `reordered messages come out once each until they are too old`() {
        let (a, b) = establishedPair()
        let count = Int(ReplayWindow.reach)
        let datagrams = (0...count).map { _ in a.message()! }
        #expect(b.open(datagrams[count]).isMessage)
        #expect(b.open(datagrams[0]) == .dropped(.tooOld))
        for datagram in datagrams[1..<count].reversed() { #expect(b.open(datagram).isMessage) }
        for datagram in datagrams[1...count].dropFirst(count - 50) {
            #expect(b.open(datagram) == .dropped(.duplicate))
        }
    }
}
