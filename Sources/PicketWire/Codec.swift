/// A message's body: what is inside the seal.
///
/// A body is a row of sections: tag (1 byte), length (2 bytes), content. It grows at its ends only:
/// a newer agent may append fields to a section, append fields to the entries of a table, or append
/// sections (ARCHITECTURE, "Versions").
///
/// - A longer part comes from a newer agent: the rest is skipped.
/// - A shorter part comes from an older agent: an absent field has the value that is written here.
///   The fields that 0.1.0 wrote are always there.
/// - An unknown section is skipped. An unknown flag is ignored, so each flag must be safe to
///   ignore.
/// - An unknown phase, role, sync state or relay test is refused with its reason: no rule of the
///   pair could be trusted with it.
///
///     1  state   acknowledged u64, heard on u8, sent at i64, echo i64, flags u16, phase u8,
///                health u8, watchdog u32, relay test u8, configuration digest u64,
///                generation u32, seen generation u32, pause i64, turns digest u64 (absent: 0),
///                maintenance's version u64 (absent: 0), of one group: place in 2 u8 (absent: none),
///                bits u8 (1 on, 2 ordered on the higher node, 4 on disk), count of orders u32,
///                gaps u32: bit 31, and those of the sender (absent: it does not say),
///                highest term of groups that it does not report u64 (absent: 0)
///     2  groups  length of an entry u8, number of entries u8, entries: role u8, term u64,
///                flags u8, sync u8, name u64, priority u32, resources u32, settings u32
///                (absent: 0)
///     3  keys    number u8, ids u32: the pair's keys that the sender accepts
///     4  data    length of an entry u8, number of entries u8, entries for the groups that have
///                data: place in 2 u8, own data term u64, heard u64, epoch u32, position u64,
///                age u32, flags u8: 1 last, the others from 2 on (absent with all groups that have
///                none)
package import PicketCore

/// The ids of the one or two keys that a node accepts, in the order of its configuration, the
/// newest first; 0 for none.
package struct KeyIDs: Equatable {
    package var first: UInt32
    package var second: UInt32

    package init(first: UInt32 = 0, second: UInt32 = 0) {
        self.first = first
        self.second = second
    }

    func contains(_ id: UInt32) -> Bool { id != 0 && (id == first || id == second) }
}

package enum Codec {
    /// Times, durations and sequence numbers beyond this are damage. It leaves the core room to
    /// add two of them.
    static let greatest: UInt64 = 1 << 62 - 1

    private enum Tag {
        static let state: UInt8 = 1
        static let groups: UInt8 = 2
        static let keys: UInt8 = 3
        static let data: UInt8 = 4
    }

    package struct Body: Equatable {
        package var message: Message
        package var keys: KeyIDs
    }

    // MARK: Encoding

    /// Writes the body, which replaces what was in `bytes`. False if a peer would refuse it.
    package static func encode(
        _ message: Message, keys: KeyIDs, into bytes: inout [UInt8]
    ) -> Bool {
        guard isEncodable(message) else { return false }
        bytes.removeAll(keepingCapacity: true)
        let state = bytes.beginSection(Tag.state)
        encodeState(message, into: &bytes)
        bytes.endSection(state)
        let groups = bytes.beginSection(Tag.groups)
        encodeGroups(message.groups, into: &bytes)
        bytes.endSection(groups)
        let accepted = bytes.beginSection(Tag.keys)
        encode(keys, into: &bytes)
        bytes.endSection(accepted)
        if message.groups.contains(where: { $0.data != nil }) {
            let data = bytes.beginSection(Tag.data)
            encodeData(message.groups, into: &bytes)
            bytes.endSection(data)
        }
        return true
    }

    private static func encodeData(_ groups: [GroupReport], into bytes: inout [UInt8]) {
        bytes.write(UInt8(34))
        bytes.write(UInt8(groups.count { $0.data != nil }))
        for (place, group) in groups.enumerated() {
            guard let data = group.data else { continue }
            bytes.write(UInt8(place))
            bytes.write(data.terms.own.value)
            bytes.write(data.terms.heard.value)
            bytes.write(data.position.epoch)
            bytes.write(data.position.number)
            bytes.write(data.age)
            bytes.write((data.terms.isLast ? 1 : 0) | data.flags.rawValue << 1)
        }
    }

    /// Nine bytes.
    static func encode(_ keys: KeyIDs, into bytes: inout [UInt8]) {
        bytes.write(UInt8(keys.second == 0 ? 1 : 2))
        bytes.write(keys.first)
        bytes.write(keys.second)
    }

    private static func encodeState(_ message: Message, into bytes: inout [UInt8]) {
        bytes.write(message.acknowledged)
        bytes.write(message.heardOn.bits)
        bytes.write(message.sentAt.nanoseconds)
        bytes.write(message.echo.nanoseconds)
        bytes.write(message.flags.rawValue)
        bytes.write(message.phase.rawValue)
        bytes.write(message.health)
        bytes.write(message.watchdogMilliseconds)
        bytes.write(message.relayTest.rawValue)
        bytes.write(message.configurationDigest)
        bytes.write(message.generation)
        bytes.write(message.seenGeneration)
        bytes.write(message.pause.nanoseconds)
        bytes.write(message.turnsDigest)
        bytes.write(message.maintenance)
        encode(message.maintained, into: &bytes)
        bytes.write(message.gaps.map { $0.rawValue | saysGaps } ?? 0)
        bytes.write(message.goneTerm.value)
    }

    private static let saysGaps: UInt32 = 1 << 31

    private static func encode(_ told: MaintainedGroup?, into bytes: inout [UInt8]) {
        bytes.write(told.map { UInt8($0.place) } ?? noPlace)
        let isHigh = told?.maintenance.by == .high
        bytes.write(
            UInt8(told?.maintenance.isOn == true ? 1 : 0) | (isHigh ? 2 : 0)
                | (told?.isKept == true ? 4 : 0))
        bytes.write(told?.maintenance.count ?? 0)
    }

    private static let noPlace = UInt8.max

    private static func encodeGroups(_ groups: [GroupReport], into bytes: inout [UInt8]) {
        let start = bytes.count
        bytes.write(UInt8(0))
        bytes.write(UInt8(groups.count))
        for (index, group) in groups.enumerated() {
            bytes.write(group.role.rawValue)
            bytes.write(group.term.value)
            bytes.write(group.flags.rawValue)
            bytes.write(group.sync.rawValue)
            bytes.write(group.name)
            bytes.write(group.priority)
            bytes.write(group.resources)
            bytes.write(group.settings)
            if index == 0 { bytes.put(UInt8(bytes.count - start - 2), at: start) }
        }
    }

    /// Whether a peer of this version reads the message as it is.
    package static func isEncodable(_ message: Message) -> Bool {
        message.sequence > 0 && message.sequence <= greatest && message.acknowledged <= greatest
            && isSound(message.sentAt.nanoseconds) && isSound(message.echo.nanoseconds)
            && isSound(message.pause.nanoseconds) && message.health <= 100
            && message.maintenance <= Maintenance.greatest && message.goneTerm <= .highest
            && message.flags.isSubset(of: .all) && message.gaps?.isSubset(of: .all) ?? true
            && message.groups.count <= Limits.groups
            && message.maintained.map { message.groups.indices.contains($0.place) } ?? true
            && message.groups.allSatisfy {
                $0.term <= .highest && $0.flags.isSubset(of: .all)
                    && ($0.data?.terms.own ?? .never) <= .highest
                    && ($0.data?.terms.heard ?? .never) <= .highest
            }
    }

    private static func isSound(_ nanoseconds: Int64) -> Bool {
        nanoseconds >= 0 && UInt64(nanoseconds) <= greatest
    }

    // MARK: Decoding

    /// Reads the body in `bytes[range]` of the message with this sequence number.
    package static func decode(
        _ bytes: [UInt8], _ range: Range<Int>, sequence: UInt64
    ) throws(Drop) -> Body {
        var reader = ByteReader(bytes, range)
        var message: Message?
        var groups: [GroupReport]?
        var keys: KeyIDs?
        var data: ByteReader?
        while reader.remaining > 0 {
            let tag: UInt8 = try reader.take()
            var section = try reader.section(Int(try reader.take(UInt16.self)))
            switch tag {
            case Tag.state:
                guard message == nil else { throw .repeatedSection }
                message = try decodeState(&section, sequence: sequence)
            case Tag.groups:
                guard groups == nil else { throw .repeatedSection }
                groups = try decodeGroups(&section)
            case Tag.keys:
                guard keys == nil else { throw .repeatedSection }
                keys = try decodeKeys(&section)
            case Tag.data:
                guard data == nil else { throw .repeatedSection }
                data = section
            default:
                break
            }
        }
        guard var message, var groups, let keys else { throw .missingSection }
        if let told = message.maintained, told.place >= groups.count { throw .tooManyGroups }
        if var data { try decodeData(&data, into: &groups) }
        message.groups = groups
        return Body(message: message, keys: keys)
    }

    private static func decodeState(
        _ reader: inout ByteReader, sequence: UInt64
    ) throws(Drop) -> Message {
        var message = Message(sequence: sequence)
        message.acknowledged = try reader.take()
        guard message.acknowledged <= greatest else { throw .badNumber }
        message.heardOn = LinkSet(bits: try reader.take())
        message.sentAt = Instant(nanoseconds: try time(&reader))
        message.echo = Instant(nanoseconds: try time(&reader))
        let flags = Message.Flags(rawValue: try reader.take())
        message.flags = flags.intersection(.all)
        guard let phase = Message.Phase(rawValue: try reader.take()) else { throw .unknownPhase }
        message.phase = phase
        message.health = try reader.take()
        guard message.health <= 100 else { throw .badHealth }
        message.watchdogMilliseconds = try reader.take()
        guard let relayTest = Message.RelayTest(rawValue: try reader.take()) else {
            throw .unknownRelayTest
        }
        message.relayTest = relayTest
        message.configurationDigest = try reader.take()
        message.generation = try reader.take()
        message.seenGeneration = try reader.take()
        message.pause = Duration(nanoseconds: try time(&reader))
        // What 0.1.0 writes ends here.
        message.turnsDigest = try reader.take(absent: 0)
        message.maintenance = try reader.take(absent: 0)
        guard message.maintenance <= Maintenance.greatest else { throw .badNumber }
        message.maintained = try decodeMaintained(&reader)
        let gaps: UInt32 = try reader.take(absent: 0)
        if gaps & saysGaps != 0 { message.gaps = Gaps(rawValue: gaps).intersection(.all) }
        message.goneTerm = Term(try reader.take(absent: 0))
        guard message.goneTerm <= .highest else { throw .badTerm }
        return message
    }

    private static func decodeMaintained(
        _ reader: inout ByteReader
    ) throws(Drop) -> MaintainedGroup? {
        let place: UInt8 = try reader.take(absent: noPlace)
        let bits: UInt8 = try reader.take(absent: 0)
        let count: UInt32 = try reader.take(absent: 0)
        guard place != noPlace else { return nil }
        return MaintainedGroup(
            place: Int(place),
            Maintenance(isOn: bits & 1 != 0, count: count, by: bits & 2 == 0 ? .low : .high),
            isKept: bits & 4 != 0)
    }

    private static func time(_ reader: inout ByteReader) throws(Drop) -> Int64 {
        let nanoseconds: Int64 = try reader.take()
        guard isSound(nanoseconds) else { throw .badNumber }
        return nanoseconds
    }

    private static func decodeGroups(_ reader: inout ByteReader) throws(Drop) -> [GroupReport] {
        let length = Int(try reader.take(UInt8.self))
        let count = Int(try reader.take(UInt8.self))
        guard count <= Limits.groups else { throw .tooManyGroups }
        var groups: [GroupReport] = []
        groups.reserveCapacity(count)
        for _ in 0..<count {
            // Here too, a field that 0.1.0 does not write is taken with `absent`.
            var entry = try reader.section(length)
            groups.append(try decodeGroup(&entry))
        }
        return groups
    }

    private static func decodeGroup(_ reader: inout ByteReader) throws(Drop) -> GroupReport {
        guard let role = GroupReport.Role(rawValue: try reader.take()) else {
            throw .unknownRole
        }
        let term = Term(try reader.take())
        guard term <= Term.highest else { throw .badTerm }
        let flags = GroupReport.Flags(rawValue: try reader.take())
        guard let sync = GroupReport.SyncState(rawValue: try reader.take()) else {
            throw .unknownSync
        }
        // What 0.1.0 writes ends here.
        return GroupReport(
            role: role, term: term, flags: flags.intersection(.all), sync: sync,
            name: try reader.take(absent: 0), priority: try reader.take(absent: 0),
            resources: try reader.take(absent: 0), settings: try reader.take(absent: 0))
    }

    private static func decodeData(
        _ reader: inout ByteReader, into groups: inout [GroupReport]
    ) throws(Drop) {
        let length = Int(try reader.take(UInt8.self))
        for _ in 0..<(try reader.take(UInt8.self)) {
            var entry = try reader.section(length)
            let place = Int(try entry.take(UInt8.self))
            guard place < groups.count else { throw .tooManyGroups }
            let (own, heard) = (Term(try entry.take()), Term(try entry.take()))
            guard own <= .highest, heard <= .highest else { throw .badTerm }
            let position = DataPosition(epoch: try entry.take(), number: try entry.take())
            let age: UInt32 = try entry.take()
            let bits: UInt8 = try entry.take()
            let terms = DataTerms(own: own, heard: heard, isLast: bits & 1 != 0)
            let flags = DataReport.Flags(rawValue: bits >> 1)
            groups[place].data = DataReport(
                terms: terms, position: position, age: age, flags: flags.intersection(.all))
        }
    }

    static func decodeKeys(_ reader: inout ByteReader) throws(Drop) -> KeyIDs {
        let count: UInt8 = try reader.take()
        let first: UInt32 = try reader.take()
        let second: UInt32 = try reader.take()
        return KeyIDs(first: count > 0 ? first : 0, second: count > 1 ? second : 0)
    }
}
