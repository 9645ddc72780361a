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
/// **What is a recording, and what shows that the peer is there?** (An operator's word that it is off
/// is refused while it is heard.) A hello that names my session was said in my life: of a session's
/// none counts again that I have heard. A peer that hears nothing of me cannot name my session. So
/// the first 8 bytes of a hello's nonce are a number that grows over all lives of its sender, and of
/// hellos that do not name me only what is beyond the newest that was ever heard counts. The agent
/// leaves that number for the next one. Bytes 16 to 19 say that it is such a number, the others are
/// random. An older version draws all 24: few of its hellos pass for new ones, and none that does
/// not name me once the peer has said a number.
internal import PicketCore

/// What of hellos outlives an agent: its own part, and what it has heard.
public struct HelloMemory: Equatable, Sendable {
    /// Above that of every life of this node's agents before.
    public var life: UInt32
    /// The newest number of the peer's.
    public var heard: UInt64

    public init(life: UInt32 = 0, heard: UInt64 = 0) {
        self.life = life
        self.heard = heard
    }

    /// What two files tell of one node. Each may be the newer one.
    public func joined(with other: HelloMemory) -> HelloMemory {
        HelloMemory(life: max(life, other.life), heard: max(heard, other.heard))
    }

    /// Of the life that begins now: a clock that was set back, or a file that was lost, alone makes
    /// no number come twice.
    public func next(wallSeconds: Int64) -> HelloMemory {
        let clock = UInt32(truncatingIfNeeded: max(0, min(wallSeconds, Int64(UInt32.max))))
        return HelloMemory(life: max(life == .max ? life : life + 1, clock), heard: heard)
    }
}

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

/// The number of a hello, by its nonce.
struct HelloNumber {
    let value: UInt64
    /// It grows over all lives of its sender.
    let outlivesAgents: Bool

    init(_ nonce: [UInt8]) throws(Drop) {
        var (number, last) = (ByteReader(nonce, 0..<8), ByteReader(nonce, 16..<24))
        value = try number.take()
        let end: UInt64 = try last.take()
        outlivesAgents = end & HelloNumbers.marked == HelloNumbers.mark
    }
}

/// Which hellos are no recordings, as far as this node can tell.
struct HelloNumbers {
    /// Of any life of the peer's.
    private(set) var newest: UInt64
    /// By session of the peer's.
    private var numbers: [(session: UInt64, number: UInt64)] = []

    private static let mostSessions = 64
    /// "PIC1", in these bytes of the nonce's last 8.
    static let mark: UInt64 = 0x5049_4331
    static let marked: UInt64 = 0xffff_ffff

    init(newest: UInt64) { self.newest = planted(.heardForgotten) ? 0 : newest }

    /// Returns whether this one is none. `mine` is the session that hears it.
    mutating func note(
        _ hello: Hello, _ number: HelloNumber, of session: UInt64, by mine: UInt64
    ) -> Bool {
        let said = number.outlivesAgents ? number.value : 0
        let isBeyond = said > newest
        newest = max(newest, said)
        let isNew = note(number.value, of: session)
        if hello.knows == mine || hello.to == mine { return isNew }
        return newest > 0 ? isBeyond : isNew
    }

    /// Whether it is newer than all that came of its session.
    private mutating func note(_ number: UInt64, of session: UInt64) -> Bool {
        if let index = numbers.firstIndex(where: { $0.session == session }) {
            guard number > numbers[index].number else { return false }
            numbers[index].number = number
            return true
        }
        if numbers.count == HelloNumbers.mostSessions { numbers.removeFirst() }
        numbers.append((session, number))
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
