import PicketCore
import PicketProof
import TestSupport
import Testing

@testable import PicketWire

/// Today's agent against one of 0.1.0, and against one that is yet to come.
struct VersionTests {
    /// The bytes that an agent of 0.1.0 sent for a message with something in every field. Its flags
    /// have all eight bits set: the seventh was a flag that is no more.
    static let recorded = bytes(
        """
        013a0007000000000000000307ca9a3b0000000003ca9a3b00000000ff0004581027000001efcdab89674523
        010300000002000000005847f80d0000000218000b0202050000000000000009010406000000000000001602
        030900020100000002000000
        """)

    /// Flags that 0.1.0 does not know.
    static let newer: Message.Flags = [
        .diskTakesNothing, .maintenanceKept, .leavesDifferences, .heldDifferences,
        .leavesRunning, .atWork,
    ]

    static let message = Message(
        sequence: 9, acknowledged: 7, heardOn: LinkSet(bits: 3),
        sentAt: Instant(nanoseconds: 1_000_000_007), echo: Instant(nanoseconds: 1_000_000_003),
        flags: .all.subtracting(newer), phase: .pausing, health: 88,
        watchdogMilliseconds: 10_000, relayTest: .passed,
        configurationDigest: 0x0123_4567_89AB_CDEF, generation: 3, seenGeneration: 2,
        pause: .seconds(60),
        groups: [
            GroupReport(
                role: .holding, term: Term(5), flags: [.eligible, .running], sync: .current),
            GroupReport(
                role: .granting, term: Term(6), flags: [.wanted, .failback, .automatic],
                sync: .stale),
        ])

    static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count, by: 2).map {
            UInt8(digits[$0] * 16 + digits[$0 + 1])
        }
    }

    func decode(_ bytes: [UInt8], sequence: UInt64) throws -> Message {
        try Codec.decode(bytes, 0..<bytes.count, sequence: sequence).message
    }

    @Test func `the kept encoder writes what 0,1,0 wrote`() throws {
        var sent = Self.message
        sent.flags = Message.Flags(rawValue: 0xFF)
        #expect(Release010.encode(sent) == Self.recorded)
        #expect(try decode(Self.recorded, sequence: 9) == Self.message)
    }

    @Test func `what 0,1,0 says is understood, and what it does not say has its default`() throws {
        var chance = Chance(seed: 6)
        for sequence in 1...2000 as ClosedRange<UInt64> {
            var message = Message.any(sequence, using: &chance)
            let bytes = Release010.encode(message)
            message.forget()
            #expect(try decode(bytes, sequence: sequence) == message)
        }
    }

    @Test func `0,1,0 understands all that it knows of`() {
        var chance = Chance(seed: 7)
        for sequence in 1...2000 as ClosedRange<UInt64> {
            var message = Message.any(sequence, using: &chance)
            var bytes: [UInt8] = []
            #expect(Codec.encode(message, keys: KeyIDs(first: 1), into: &bytes))
            message.forget()
            for index in message.groups.indices {
                message.groups[index].flags.subtract([.automatic, .stays, .unready])
            }
            message.flags.subtract(VersionTests.newer)
            #expect(Release010.decode(bytes, sequence: sequence) == message)
        }
    }

    @Test func `a newer agent may add fields, sections and flags`() throws {
        var message = Self.message
        message.flags = .drill
        message.groups = [GroupReport(role: .holding, term: Term(3))]
        message.turnsDigest = 8
        var bytes: [UInt8] = []
        #expect(Codec.encode(message, keys: KeyIDs(first: 7), into: &bytes))
        let groups = 3 + Int(bytes[1])
        // Two bytes more in an entry, and a flag that nobody knows.
        bytes[groups + 14] |= 0x80
        bytes[groups + 3] += 2
        bytes[groups + 1] += 2
        bytes.insert(contentsOf: [9, 9], at: groups + 5 + Int(bytes[groups + 3]) - 2)
        // Three bytes more in the state, and a flag that nobody knows.
        bytes[29] |= 0x80
        bytes[1] += 3
        bytes.insert(contentsOf: [1, 2, 3], at: groups)
        // Sections that nobody knows, one of them empty.
        bytes += [200, 2, 0, 5, 5, 201, 0, 0]
        #expect(try decode(bytes, sequence: 9) == message)
    }

    /// What agents before this one send ends with the gaps, or with the one group's maintenance.
    @Test func `of a peer that is too old to say it, gaps and gone terms are not known`() throws {
        var message = Self.message
        message.gaps = [.neverCut, .notLocked]
        message.goneTerm = Term(9)
        var bytes: [UInt8] = []
        #expect(Codec.encode(message, keys: KeyIDs(first: 7), into: &bytes))
        #expect(try decode(bytes, sequence: 9) == message)
        func shorten(by count: UInt8) {
            let end = 3 + Int(bytes[1])
            bytes[1] -= count
            bytes.removeSubrange(end - Int(count)..<end)
        }
        shorten(by: 8)
        message.goneTerm = .never
        #expect(try decode(bytes, sequence: 9) == message)
        shorten(by: 4)
        message.gaps = nil
        #expect(try decode(bytes, sequence: 9) == message)
    }

    @Test func `a part of a field is no field`() {
        var bytes: [UInt8] = []
        #expect(Codec.encode(Self.message, keys: KeyIDs(first: 7), into: &bytes))
        let end = 3 + Int(bytes[1])
        bytes[1] -= 1
        bytes.remove(at: end - 1)
        #expect(throws: Drop.truncated) { try decode(bytes, sequence: 9) }
    }

    /// Two datagrams of an agent of 0.1.0: the first hello of its session 43, and message 9 of that
    /// session to session 42.
    @Test func `a datagram of 0,1,0 is opened`() throws {
        let pair = [key(7)]
        let hello = Self.bytes(
            """
            504b010149a7f199012b000000000000000000000000000000060000000000000006000000000000
            000600000000000000d4930e861c0556c8400c7c7828fa031c066f3f3c09b55939b508a9d42be5bd
            3c53e29b3189ebe5526a81c6a14b9bef32177cd431312a80eca9
            """)
        let message = Self.bytes(
            """
            504b010249a7f199012b000000000000000900000000000000a28b3af0175c7a8834d0c3b1760d61
            661efbb27a0f937f8f227977753eff01229aa92ee14e4f12c597b30ce04b327997221f0401b02c1e
            dc4e1d8003515089deb535d9e5487bda9c66baac582b01b42998e75c299347014eb87bda280e9234
            8e700e8ae36963dedb6121ef40d49df4b85fd2b730
            """)
        let low = Node(.low, session: 42, keys: pair)
        let start = Instant.at(milliseconds: 0)
        #expect(low.answer(hello, at: start) != nil)
        #expect(hello.count == Hello.length)
        let high = Node(.high, session: 43, keys: pair)
        carry(high.hello(at: start)!, from: high, to: low, at: start)
        let opened = try #require(low.open(message).message)
        #expect(opened.sequence == 9 && opened.phase == .paired && opened.groups.count == 2)
    }
}

extension Message {
    /// What 0.1.0 does not say.
    fileprivate mutating func forget() {
        turnsDigest = 0
        maintenance = 0
        maintained = nil
        gaps = nil
        goneTerm = .never
        for index in groups.indices {
            let group = groups[index]
            groups[index] = GroupReport(
                role: group.role, term: group.term, flags: group.flags, sync: group.sync)
        }
    }
}
