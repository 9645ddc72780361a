/// What agents of 0.1.0 wrote to the wire and what they read from it, kept as it was.
///
/// Today's agent must speak with the last release, or a pair could not be upgraded one node at a
/// time (ARCHITECTURE, "Versions"). Nothing here is shared with today's codec, so no change of that
/// one can change this one with it. Only bodies that 0.1.0 would send come here: it checked the
/// bounds of what it read, and that is left out.

public import PicketCore

public enum Release010 {
    /// Those of its flags that it took from a peer. `automatic`, the fifth of a group's, was missing.
    private static let flags: UInt16 = 0xFF
    private static let groupFlags: UInt8 = 0xF

    /// The body of a datagram, from an agent that accepts the keys 1 and 2.
    public static func encode(_ message: Message) -> [UInt8] {
        var state = Bytes()
        state.put(message.acknowledged)
        state.put(message.heardOn.bits)
        state.put(UInt64(message.sentAt.nanoseconds))
        state.put(UInt64(message.echo.nanoseconds))
        state.put(message.flags.rawValue)
        state.put(message.phase.rawValue)
        state.put(message.health)
        state.put(message.watchdogMilliseconds)
        state.put(message.relayTest.rawValue)
        state.put(message.configurationDigest)
        state.put(message.generation)
        state.put(message.seenGeneration)
        state.put(UInt64(message.pause.nanoseconds))
        var groups = Bytes()
        groups.put(UInt8(11))
        groups.put(UInt8(message.groups.count))
        for group in message.groups {
            groups.put(group.role.rawValue)
            groups.put(group.term.value)
            groups.put(group.flags.rawValue)
            groups.put(group.sync.rawValue)
        }
        var keys = Bytes()
        keys.put(UInt8(2))
        keys.put(UInt32(1))
        keys.put(UInt32(2))
        var body = Bytes()
        for (tag, section) in [(1, state), (2, groups), (3, keys)] as [(UInt8, Bytes)] {
            body.put(tag)
            body.put(UInt16(section.all.count))
            body.all += section.all
        }
        return body.all
    }

    /// What an agent of 0.1.0 made of a body; `nil` where it dropped the datagram.
    public static func decode(_ body: [UInt8], sequence: UInt64) -> Message? {
        var bytes = Bytes(all: body)
        var message: Message?
        var groups: [GroupReport]?
        var hasKeys = false
        while !bytes.all.isEmpty {
            guard let tag: UInt8 = bytes.take(), let length: UInt16 = bytes.take(),
                var section = bytes.take(Int(length))
            else { return nil }
            switch tag {
            case 1: message = state(&section, sequence)
            case 2: groups = reports(&section)
            case 3: hasKeys = section.all.count >= 9
            default: break
            }
        }
        guard var message, let groups, hasKeys else { return nil }
        message.groups = groups
        return message
    }

    private static func state(_ bytes: inout Bytes, _ sequence: UInt64) -> Message? {
        guard let acknowledged: UInt64 = bytes.take(), let heardOn: UInt8 = bytes.take(),
            let sentAt: Int64 = bytes.take(), let echo: Int64 = bytes.take(),
            let flags: UInt16 = bytes.take(), let phaseByte: UInt8 = bytes.take(),
            let phase = Message.Phase(rawValue: phaseByte), let health: UInt8 = bytes.take(),
            let watchdog: UInt32 = bytes.take(), let testByte: UInt8 = bytes.take(),
            let relayTest = Message.RelayTest(rawValue: testByte),
            let digest: UInt64 = bytes.take(), let generation: UInt32 = bytes.take(),
            let seen: UInt32 = bytes.take(), let pause: Int64 = bytes.take()
        else { return nil }
        return Message(
            sequence: sequence, acknowledged: acknowledged, heardOn: LinkSet(bits: heardOn),
            sentAt: Instant(nanoseconds: sentAt), echo: Instant(nanoseconds: echo),
            flags: Message.Flags(rawValue: flags & Self.flags), phase: phase, health: health,
            watchdogMilliseconds: watchdog, relayTest: relayTest, configurationDigest: digest,
            generation: generation, seenGeneration: seen, pause: Duration(nanoseconds: pause))
    }

    private static func reports(_ bytes: inout Bytes) -> [GroupReport]? {
        guard let length: UInt8 = bytes.take(), let count: UInt8 = bytes.take() else { return nil }
        var groups: [GroupReport] = []
        for _ in 0..<count {
            guard var entry = bytes.take(Int(length)), let roleByte: UInt8 = entry.take(),
                let role = GroupReport.Role(rawValue: roleByte), let term: UInt64 = entry.take(),
                let flags: UInt8 = entry.take(), let syncByte: UInt8 = entry.take(),
                let sync = GroupReport.SyncState(rawValue: syncByte)
            else { return nil }
            groups.append(
                GroupReport(
                    role: role, term: Term(term),
                    flags: GroupReport.Flags(rawValue: flags & groupFlags), sync: sync))
        }
        return groups
    }
}

/// Numbers at the end of a row of bytes, or off its front; little endian.
private struct Bytes {
    var all: [UInt8] = []

    mutating func put(_ number: some FixedWidthInteger) {
        for byte in 0..<number.bitWidth / 8 {
            all.append(UInt8(truncatingIfNeeded: number >> (8 * byte)))
        }
    }

    mutating func take<Number: FixedWidthInteger>() -> Number? {
        guard let bytes = take(Number.bitWidth / 8)?.all else { return nil }
        return bytes.reversed().reduce(0) { ($0 << 8) | Number(truncatingIfNeeded: $1) }
    }

    mutating func take(_ count: Int) -> Bytes? {
        guard all.count >= count else { return nil }
        let part = Bytes(all: Array(all.prefix(count)))
        all.removeFirst(count)
        return part
    }
}
