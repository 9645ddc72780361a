import PicketCore
import PicketProof
import Testing

@testable import PicketWire

struct ParcelTests {
    private func any(using chance: inout Chance) -> Parcel {
        var parcel = Parcel(
            Parcel.Kind.allCases.randomElement(using: &chance)!, of: chance.next(),
            number: UInt32.random(in: 0...(.max), using: &chance))
        parcel.offset = UInt32.random(in: 0...(.max), using: &chance)
        parcel.size = UInt32.random(in: 0...(.max), using: &chance)
        parcel.digest = chance.next()
        parcel.within = UInt32.random(in: 0...(.max), using: &chance)
        parcel.answer = Parcel.Answer.allCases.randomElement(using: &chance)!
        parcel.bytes = (0..<Int.random(in: 0...Parcel.mostBytes, using: &chance)).map { _ in
            UInt8(truncatingIfNeeded: chance.next())
        }
        return parcel
    }

    @Test func `parcels pass both ways, beside messages`() {
        let (a, b) = establishedPair()
        var chance = Chance(seed: 11)
        for _ in 1...500 {
            for (from, to) in [(a, b), (b, a)] {
                let parcel = any(using: &chance)
                #expect(from.channel.seal(parcel) == true)
                #expect(from.channel.datagram.count <= Wire.longest)
                #expect(to.open(from.channel.datagram) == .parcel(parcel))
                #expect(to.open(from.message()!).isMessage)
            }
        }
        #expect(a.channel.drops.total == 0 && b.channel.drops.total == 0)
    }

    @Test func `a parcel is opened once, over whichever link it comes`() {
        let (a, b) = establishedPair()
        #expect(a.channel.seal(Parcel(.commit, of: 7)) == true)
        let parcel = a.channel.datagram
        #expect(b.open(parcel).isParcel)
        for link in 0..<Limits.links {
            #expect(b.open(parcel, link: link) == .dropped(.duplicate))
        }
    }

    @Test func `a parcel of another session is worthless`() {
        let (a, b) = establishedPair()
        #expect(a.channel.seal(Parcel(.commit, of: 7)) == true)
        let recorded = a.channel.datagram
        let (_, other) = establishedPair(101, 201)
        #expect(other.open(recorded) == .dropped(.unknownSession))
        b.channel.ban(SessionID(100))
        #expect(b.open(recorded) == .dropped(.banned))
    }

    @Test func `nothing is sealed for a peer that is not known, and nothing too long`() {
        #expect(Node(.low, session: 1).channel.seal(Parcel(.look, of: 7)) == false)
        let (a, _) = establishedPair()
        var long = Parcel(.piece, of: 7)
        long.bytes = [UInt8](repeating: 0, count: Parcel.mostBytes + 1)
        #expect(a.channel.seal(long) == false)
    }

    /// A message and a parcel of one number have nonces of their own.
    @Test func `a parcel is no message, and a message no parcel`() {
        let (a, b) = establishedPair()
        #expect(a.channel.seal(Parcel(.look, of: 7)) == true)
        var datagram = a.channel.datagram
        #expect(datagram[3] == 3)
        datagram[3] = 2
        #expect(b.open(datagram) == .dropped(.notAuthentic))
    }

    @Test func `every truncation and every flipped bit is noticed`() {
        let (a, b) = establishedPair()
        var parcel = Parcel(.piece, of: 7)
        parcel.bytes = Array("node: east".utf8)
        #expect(a.channel.seal(parcel) == true)
        let datagram = a.channel.datagram
        for length in 0..<datagram.count {
            guard case .dropped = b.open(Array(datagram[..<length])) else {
                Issue.record("\(length) bytes are enough")
                return
            }
        }
        for bit in 0..<(8 * datagram.count) {
            var bytes = datagram
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            guard case .dropped = b.open(bytes) else {
                Issue.record("bit \(bit) is not protected")
                return
            }
        }
        #expect(b.open(datagram) == .parcel(parcel))
    }

    @Test func `content of any kind is read or refused, and what a newer agent adds is skipped`() {
        var chance = Chance(seed: 12)
        for _ in 0..<20_000 {
            let parcel = any(using: &chance)
            var body: [UInt8] = []
            #expect(parcel.encode(into: &body))
            #expect((try? Parcel.decode(body + [1, 2, 3], 0..<(body.count + 3))) == parcel)
            let cut = Int.random(in: 0..<body.count, using: &chance)
            #expect(throws: Drop.truncated) { try Parcel.decode(body, 0..<cut) }
            body[Int.random(in: 0..<body.count, using: &chance)] ^= UInt8.random(
                in: 1...255, using: &chance)
            _ = try? Parcel.decode(body, 0..<body.count)
        }
    }
}

extension Channel.Opened {
    fileprivate var isParcel: Bool { if case .parcel = self { true } else { false } }
}
