/// How two sessions find each other.
///
/// Messages can be sealed only when each side knows the other's session. A hello, sealed with a
/// key that needs no session, carries it. Anyone can record a hello and send it again, so it proves
/// nothing by itself: each side draws a random *challenge*, and takes another session for the
/// peer's only when a hello of that session echoes it. The challenge is drawn anew whenever the
/// established session changes, so an echo serves once.
///
///     restarted A                                   B, established with A's former session
///       hello(challenge a)                    →
///                                             ←     hello(challenge b, echo a)
///       B is established
///       hello(challenge a′, echo b, knows B)  →
///                                                   A is established
///
/// A hello is answered only while one of the two lacks something: the sender does not know my
/// session, or I have no echo of it yet. Two established nodes thus say nothing, and no exchange is
/// longer than the one above. All hellos have one length, so an answer is never longer than the
/// hello that it answers. Therefore a hello does not grow from version to version: new fields go
/// into messages (Codec.swift).
///
/// The first 8 bytes of a hello's nonce count the sender's hellos, the others are random. So a
/// recording is known where this agent has heard the same, or a later one. An older version draws
/// all 24, and few of its hellos pass for new ones.
internal import PicketCore

struct Hello: Equatable {
    /// The peer's session as established with the sender; 0 for none.
    var knows: UInt64
    var challenge: UInt64
    /// The session that `echo` is meant for, and the challenge of that session; 0 for none.
    var to: UInt64
    var echo: UInt64
    /// The keys that the sender accepts.
    var keys: KeyIDs

    static let bodyLength = 41
    static let length = Wire.headerLength + Wire.nonceLength + bodyLength + Wire.tagLength

    func encode(into bytes: inout [UInt8]) {
        bytes.removeAll(keepingCapacity: true)
        bytes.write(knows)
        bytes.write(challenge)
        bytes.write(to)
        bytes.write(echo)
        Codec.encode(keys, into: &bytes)
    }

    /// Bytes after the known fields are skipped.
    static func decode(_ bytes: [UInt8], _ range: Range<Int>) throws(Drop) -> Hello {
        var reader = ByteReader(bytes, range)
        return Hello(
            knows: try reader.take(), challenge: try reader.take(), to: try reader.take(),
            echo: try reader.take(), keys: try Codec.decodeKeys(&reader))
    }
}

/// Of each session of the peer's that said hello, the newest number: what comes a second time is a
/// recording, and no sign of life. A session is one that the peer has had, so there are few of them.
struct HelloNumbers {
    private var newest: [(session: UInt64, number: UInt64)] = []

    private static let mostSessions = 64

    /// Returns whether this one is newer than all that came of its session.
    mutating func note(_ number: UInt64, of session: UInt64) -> Bool {
        if let index = newest.firstIndex(where: { $0.session == session }) {
            guard number > newest[index].number else { return false }
            newest[index].number = number
            return true
        }
        if newest.count == HelloNumbers.mostSessions { newest.removeFirst() }
        newest.append((session, number))
        return true
    }
}

/// Lets through a burst and then one per interval.
struct TokenBucket {
    private let burst: Int64
    private let interval: Duration
    private var tokens: Int64
    private var filled: Instant

    init(burst: Int64, interval: Duration, at now: Instant) {
        self.burst = burst
        self.interval = interval
        tokens = burst
        filled = now
    }

    mutating func take(at now: Instant) -> Bool {
        let passed = (now - filled).nanoseconds / interval.nanoseconds
        if passed > 0 {
            tokens = passed >= burst ? burst : min(burst, tokens + passed)
            filled = filled + interval * passed
        }
        guard tokens > 0 else { return false }
        tokens -= 1
        return true
    }
}
