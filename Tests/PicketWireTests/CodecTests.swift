import PicketCore
import PicketProof
import Testing

@testable import PicketWire

struct CodecTests {
    func encoded(_ message: Message) -> [UInt8] {
        var bytes: [UInt8] = []
        #expect(Codec.encode(message, keys: KeyIDs(first: 7), into: &bytes))
        return bytes
    }

    func reason(_ bytes: [UInt8]) -> Drop? {
        do throws(Drop) {
            _ = try Codec.decode(bytes, 0..<bytes.count, sequence: 1)
            return nil
        } catch {
            return error
        }
    }

    @Test func `any message comes out as it went in`() throws {
        var chance = Chance(seed: 1)
        for sequence in 1...5000 {
            let message = Message.any(UInt64(sequence), using: &chance)
            let bytes = encoded(message)
            let body = try Codec.decode(bytes, 0..<bytes.count, sequence: UInt64(sequence))
            #expect(body == Codec.Body(message: message, keys: KeyIDs(first: 7)))
        }
    }

    /// A field that is new and not in the codec, or not in the generator, has one value only.
    @Test func `every field of a message and of a report is carried`() throws {
        var chance = Chance(seed: 8)
        var values: [String: Set<String>] = [:]
        func note(_ subject: Any) {
            for child in Mirror(reflecting: subject).children {
                values[child.label!, default: []].insert("\(child.value)")
            }
        }
        for sequence in 1...100 as ClosedRange<UInt64> {
            let bytes = encoded(Message.any(sequence, using: &chance))
            let message = try Codec.decode(bytes, 0..<bytes.count, sequence: sequence).message
            note(message)
            for group in message.groups { note(group) }
        }
        for (label, seen) in values { #expect(seen.count > 1, "\(label) is always \(seen)") }
    }

    @Test func `the largest message fits a datagram`() {
        let groups = Array(
            repeating: GroupReport(term: .highest, data: DataReport()), count: Limits.groups)
        let length = encoded(Message(sequence: Codec.greatest, groups: groups)).count
        #expect(Wire.headerLength + length + Wire.tagLength <= Wire.longest)
    }

    @Test func `every truncation of a body is refused`() {
        let bytes = encoded(Message(sequence: 1, groups: [GroupReport(), GroupReport()]))
        for length in 0..<bytes.count {
            let expected: [Drop] = [.truncated, .missingSection]
            #expect(reason(Array(bytes[..<length])).map(expected.contains) == true)
        }
    }

    @Test func `random bodies never trap`() {
        var chance = Chance(seed: 2)
        let sound = encoded(Message(sequence: 1, groups: [GroupReport()]))
        for _ in 0..<100_000 {
            var bytes = sound
            for _ in 0..<Int.random(in: 1...8, using: &chance) {
                let place = Int.random(in: 0..<bytes.count, using: &chance)
                bytes[place] = UInt8.random(in: 0...255, using: &chance)
            }
            _ = reason(bytes)
        }
    }

    /// Offsets in the body: the state's content starts at 3, the groups' entries at 3 + 92 + 5.
    @Test(
        arguments: [
            (30, 0, Drop.unknownPhase), (30, 7, .unknownPhase), (31, 101, .badHealth),
            (36, 4, .unknownRelayTest), (96, 17, .truncated), (99, 17, .tooManyGroups),
            (100, 6, .unknownRole), (108, 0x81, .badTerm), (110, 4, .unknownSync),
            (94, 0x81, .badTerm),
            (76, 1, .badNumber), (77, 0, nil), (77, 1, .tooManyGroups),
            (10, 0x40, .badNumber), (19, 0x80, .badNumber), (27, 0x40, .badNumber), (27, 0x3F, nil),
        ] as [(Int, UInt8, Drop?)])
    func `a value out of bounds is refused with its reason`(
        offset: Int, value: UInt8, expected: Drop?
    ) {
        var bytes = encoded(Message(sequence: 1, groups: [GroupReport()]))
        bytes[offset] = value
        #expect(reason(bytes) == expected)
    }

    @Test func `a pause beyond reason is refused`() {
        var bytes = encoded(Message(sequence: 1))
        bytes[60] = 0x80
        #expect(reason(bytes) == .badNumber)
    }

    @Test func `what a peer would refuse is not encoded`() {
        var bytes: [UInt8] = []
        let group = GroupReport(term: Term(Term.highest.value + 1))
        let refused = [
            Message(sequence: 0), Message(sequence: .max),
            Message(sequence: 1, acknowledged: .max), Message(sequence: 1, health: 101),
            Message(sequence: 1, sentAt: Instant(nanoseconds: -1)),
            Message(sequence: 1, echo: .distantFuture), Message(sequence: 1, groups: [group]),
            Message(sequence: 1, pause: .nanoseconds(-1)),
            Message(sequence: 1, maintenance: Maintenance.greatest + 1),
            Message(sequence: 1, goneTerm: group.term),
            Message(sequence: 1, groups: Array(repeating: GroupReport(), count: 17)),
            Message(sequence: 1, flags: Message.Flags(rawValue: 1 << 6)),
            Message(sequence: 1, groups: [GroupReport(flags: GroupReport.Flags(rawValue: 1 << 7))]),
        ]
        for message in refused {
            #expect(!Codec.encode(message, keys: KeyIDs(first: 1), into: &bytes))
        }
    }

    @Test func `a section that comes twice or not at all is refused`() {
        let bytes = encoded(Message(sequence: 1))
        #expect(reason(bytes + bytes) == .repeatedSection)
        #expect(reason(Array(bytes[95...])) == .missingSection)
        #expect(reason([]) == .missingSection)
    }
}

struct ReplayWindowTests {
    @Test func `a number is new once`() {
        var window = ReplayWindow()
        for number in [1, 3, 2, 64, 63, 65, 5000, 4999] as [UInt64] {
            #expect(window.standing(of: number) == .new)
            window.insert(number)
            #expect(window.standing(of: number) == .seen)
        }
    }

    @Test func `the window's far edge is exact`() {
        var window = ReplayWindow()
        #expect(ReplayWindow.reach >= 1024)
        window.insert(10_000)
        let last = 10_000 - ReplayWindow.reach + 1
        #expect(window.standing(of: last) == .new)
        window.insert(last)
        #expect(window.standing(of: last) == .seen)
        #expect(window.standing(of: last - 1) == .tooOld)
        #expect(window.newest == 10_000)
    }

    @Test func `the greatest number does not trap`() {
        var window = ReplayWindow()
        window.insert(1)
        window.insert(.max)
        #expect(window.standing(of: .max) == .seen)
        #expect(window.standing(of: .max - 1) == .new)
        #expect(window.standing(of: 1) == .tooOld)
    }

    /// Against a model that remembers everything.
    @Test(arguments: 1...8) func `it agrees with a set of all numbers`(seed: UInt64) {
        var chance = Chance(seed: seed)
        var window = ReplayWindow()
        var all: Set<UInt64> = []
        var newest: UInt64 = 0
        for _ in 0..<20_000 {
            let behind = UInt64.random(in: 0..<(ReplayWindow.reach + 100), using: &chance)
            let jump = UInt64.random(in: 0..<(seed * 40), using: &chance)
            let number = Bool.random(using: &chance) ? newest + jump : newest - min(newest, behind)
            guard number > 0 else { continue }
            let expected: ReplayWindow.Standing =
                all.contains(number) && newest - number < ReplayWindow.reach
                ? .seen
                : number > newest
                    || newest - number < ReplayWindow.reach ? .new : .tooOld
            #expect(window.standing(of: number) == expected)
            guard expected == .new else { continue }
            window.insert(number)
            all.insert(number)
            newest = max(newest, number)
        }
    }
}
