/// The sealed way between the two nodes of a pair: datagrams in, messages out, and back.
///
/// A channel does no I/O and reads no clock. The shell gives it each datagram that it received,
/// and sends what `seal`, `hello` and the answers leave in `datagram`.
///
/// **What it promises.** A message comes out of `open` only if the peer's present session sealed
/// it for this session, and only once. A recorded packet, replayed at any time, gives at most an
/// answer to a hello, limited in rate and no longer than the recording. It never changes which
/// session is the peer's (see Hello.swift), and it is never a message.
///
/// **What it does not promise.** A packet may be arbitrarily late: only an acknowledgement shows
/// that the peer is alive. A hello is no contact: it is answered even where the core must first
/// write to disk before it answers a new session.
///
/// **Several links.** A message is sealed once and sent over every link. The first copy comes out
/// as `.message`, one more over each other link as `.copy`.
///
/// **Rotating the pair's key.** A node may have two keys, newest first. It opens packets of both,
/// and seals with the newest that the peer has said it accepts. So: put the new key first and the
/// old second on one node, then on the other (in either order, at any time); when both report
/// `keyInUse` as the new one's (`picket status`), drop the old from both. No packet is lost in
/// between.
public import PicketCore

public struct Channel {
    /// How often hellos are sent.
    public struct Pace: Equatable, Sendable {
        /// Between hellos while no session is established. Must be positive.
        public var hello: Duration
        /// An established peer gets hellos too once it has been silent for so long.
        public var silence: Duration
        public init(hello: Duration = .milliseconds(100), silence: Duration = .seconds(1)) {
            precondition(hello > .zero && silence > .zero)
            self.hello = hello
            self.silence = silence
        }
    }

    /// What became of a datagram.
    public enum Opened: Equatable, Sendable {
        /// A message of the peer's present session, for the first time.
        case message(Message, session: SessionID)
        /// A message that came already, now over another link, not much behind the newest.
        case copy(session: SessionID)
        case parcel(Parcel)
        /// A hello. With `answer`, send `datagram` back over the link that it came from;
        /// `established` is the peer's new session, if it has just proved to be so. `isNew`: it is no
        /// recording, as far as this node can tell (Hello.swift).
        case hello(answer: Bool, established: SessionID?, isNew: Bool)
        case dropped(Drop)
    }

    /// What became of a message to be sealed.
    public enum Sealing: Equatable, Sendable {
        /// It is in `datagram`.
        case sealed
        /// The peer's session is not known; hellos are on their way.
        case noSession
        /// A number that is not beyond the last one: sealing it would give the cipher away.
        case sequenceReused
        /// The peer would refuse it.
        case notEncodable
    }

    public let me: NodeID
    public let session: SessionID
    /// What to send: the result of the last `seal`, `hello` or answer.
    public private(set) var datagram: [UInt8] = []
    public private(set) var drops = DropCounters()

    private var keys: [Key]
    private let pace: Pace
    private let random: () -> UInt64

    private var peer: Established?
    private var challenge: UInt64 = 0
    private var banned = SessionRing(count: 16)
    private var retired = SessionRing(count: 16)
    private var helloSecrets: [HelloSecrets] = []
    /// By link. Hellos that name this node's session have tokens of their own, because a recording
    /// of an earlier session cannot name it, and so cannot keep the peer's answer away.
    private var answers: [(named: TokenBucket, unnamed: TokenBucket)]
    private var lastSealed: UInt64 = 0
    private var lastParcel: UInt64 = 0

    /// The last session that sent an authentic message without being established, and its keys.
    private var stranger: (session: UInt64, keys: [SessionKeys])?
    private var lastHello: Instant?
    private var strangerWaits = false
    private var helloCount = 0
    private var helloNumber: UInt64 = 0
    private let life: UInt32
    private var hellos: HelloNumbers

    // Reused from packet to packet.
    private var plain = [UInt8](repeating: 0, count: Wire.longest)
    private var body: [UInt8] = []
    private var nonce = [UInt8](repeating: 0, count: Wire.nonceLength)

    private struct HelloSecrets {
        let keyID: UInt32
        let send: Secret
        let receive: Secret
    }

    /// - Parameters:
    ///   - keys: one or two, the newest first.
    ///   - session: `Channel.randomSession()`, drawn at this start of the agent.
    ///   - hellos: what the agents before this one have left, with the life of this one.
    ///   - random: 64 unpredictable bits; the simulator gives its own.
    public init(
        keys: [Key], me: NodeID, session: SessionID, pace: Pace = Pace(),
        hellos: HelloMemory = HelloMemory(life: 1), at now: Instant,
        random: @escaping () -> UInt64 = { Sodium.random() }
    ) {
        precondition(session.value != 0, "session 0 means none")
        self.me = me
        self.session = session
        self.keys = []
        self.pace = pace
        life = hellos.life
        self.hellos = HelloNumbers(newest: hellos.heard)
        self.random = random
        let bucket = TokenBucket(burst: 8, interval: .milliseconds(20), at: now)
        answers = Array(repeating: (bucket, bucket), count: Limits.links)
        datagram.reserveCapacity(Wire.longest)
        body.reserveCapacity(Wire.longest)
        replace(keys: keys)
        drawChallenge()
    }

    /// A session id for this life of the agent.
    public static func randomSession() -> SessionID {
        var value = Sodium.random()
        while value == 0 { value = Sodium.random() }
        return SessionID(value)
    }

    /// The peer's present session, as far as it has proved it.
    public var peerSession: SessionID? { peer.map { SessionID($0.session) } }

    /// For the agent after this one.
    public var helloMemory: HelloMemory { HelloMemory(life: life, heard: hellos.newest) }

    /// The id of the key that messages are sealed with; `nil` while no session is established.
    public var keyInUse: UInt32? { peer?.sendKeys.keyID }

    /// Takes other keys into use, the newest first (a reload, to rotate the key). The established
    /// session stays.
    public mutating func replace(keys: [Key]) {
        precondition((1...2).contains(keys.count), "one key, or two while the key is rotated")
        let mine = session.value
        let node = me
        self.keys = keys
        helloSecrets = keys.map { key in
            HelloSecrets(
                keyID: key.id, send: key.helloSecret(from: node),
                receive: key.helloSecret(from: node.peer))
        }
        stranger = nil
        if let theirs = peer?.session {
            peer?.replace(keys: SessionKeys.all(keys, me: node, mine: mine, theirs: theirs))
        }
    }

    /// Whether the peer opens what is sealed with one of these: it has said so. True where no
    /// session is established.
    public func peerHas(oneOf keys: [Key]) -> Bool {
        peer.map { peer in keys.contains { peer.accepts($0.id) } } ?? true
    }

    /// Notes that the peer was heard, as `open` does. For the proof's world, which does not seal
    /// every message.
    package mutating func noteHeard(at now: Instant) { peer?.lastHeard = now }

    /// Nothing of this session is accepted any more.
    public mutating func ban(_ session: SessionID) {
        banned.insert(session.value)
        if stranger?.session == session.value {
            stranger = nil
            strangerWaits = false
        }
        if peer?.session == session.value {
            peer = nil
            drawChallenge()
        }
    }

    private var acceptedKeys: KeyIDs {
        KeyIDs(first: keys[0].id, second: keys.count > 1 ? keys[1].id : 0)
    }

    /// A new challenge makes every hello that was recorded before worthless.
    private mutating func drawChallenge() {
        repeat { challenge = random() } while challenge == 0
    }
}

// MARK: - Sending

extension Channel {
    /// Seals a message for the peer's present session into `datagram`. Once for all links: a
    /// sequence number is sealed once and no more.
    ///
    /// Until `open` has given out a message of that session, the acknowledgement is left out: the
    /// core still speaks of another session's messages.
    public mutating func seal(_ message: Message) -> Sealing {
        guard let peer else { return .noSession }
        guard message.sequence > lastSealed else { return .sequenceReused }
        var message = message
        if !peer.isKnownToCore {
            message.acknowledged = 0
            message.seenGeneration = 0
            message.echo = Instant(nanoseconds: 0)
        }
        guard Codec.encode(message, keys: acceptedKeys, into: &body) else { return .notEncodable }
        lastSealed = message.sequence
        let secrets = peer.sendKeys
        begin(.message, key: secrets.keyID, sequence: message.sequence)
        setNonce(.message, message.sequence)
        secrets.send.seal(body, nonce: nonce, into: &datagram)
        return .sealed
    }

    /// Seals a parcel into `datagram`, for one link. False where there is no session, or it is too
    /// long.
    public mutating func seal(_ parcel: Parcel) -> Bool {
        guard let peer, parcel.encode(into: &body) else { return false }
        lastParcel += 1
        let secrets = peer.sendKeys
        begin(.parcel, key: secrets.keyID, sequence: lastParcel)
        setNonce(.parcel, lastParcel)
        secrets.send.seal(body, nonce: nonce, into: &datagram)
        return true
    }

    /// When `hello` will next have something to send.
    public var nextHello: Instant {
        let paced = lastHello.map { $0 + pace.hello } ?? Instant(nanoseconds: 0)
        guard let peer, !strangerWaits else { return paced }
        return max(paced, peer.lastHeard + pace.silence)
    }

    /// Leaves a hello in `datagram`, for all links, if one is due: while no session is established,
    /// while the established one is silent, and when another one of the peer's shows up.
    public mutating func hello(at now: Instant) -> Bool {
        guard now >= nextHello else { return false }
        lastHello = now
        strangerWaits = false
        // The peer may have only one of the two keys.
        let key = helloCount % helloSecrets.count
        helloCount &+= 1
        write(
            Hello(
                knows: peer?.session ?? 0, challenge: challenge, to: 0, echo: 0,
                keys: acceptedKeys), key: key)
        return true
    }

    private mutating func write(_ hello: Hello, key: Int) {
        hello.encode(into: &body)
        begin(.hello, key: helloSecrets[key].keyID, sequence: 0)
        helloNumber += 1
        nonce.put(UInt64(life) << 32 + helloNumber, at: 0)
        nonce.put(random(), at: 8)
        nonce.put(random() & ~HelloNumbers.marked | HelloNumbers.mark, at: 16)
        for byte in nonce { datagram.append(byte) }
        helloSecrets[key].send.seal(body, nonce: nonce, into: &datagram)
    }

    private mutating func begin(_ kind: Header.Kind, key: UInt32, sequence: UInt64) {
        datagram.removeAll(keepingCapacity: true)
        Header(kind: kind, keyID: key, sender: me, session: session.value, sequence: sequence)
            .write(to: &datagram)
    }

    private mutating func setNonce(_ kind: Header.Kind, _ sequence: UInt64) {
        nonce.put(sequence, at: 0)
        nonce.put(kind == .message ? UInt64(0) : UInt64(kind.rawValue), at: 8)
        nonce.put(UInt64(0), at: 16)
    }
}

// MARK: - Receiving

extension Channel {
    /// Opens the first `count` bytes of `buffer`, received over `link`. Any content is allowed.
    public mutating func open(
        _ buffer: [UInt8], count: Int, link: Int, at now: Instant
    ) -> Opened {
        precondition(count >= 0 && count <= buffer.count, "more than the buffer holds")
        precondition(link >= 0 && link < Limits.links, "no such link")
        do throws(Drop) {
            let header = try Header.read(buffer, count: count)
            guard header.sender != me else { throw .reflected }
            guard !banned.contains(header.session) else { throw .banned }
            guard planted(.challengeIgnored) || !retired.contains(header.session) else {
                throw .retired
            }
            switch header.kind {
            case .message: return try openMessage(buffer, count, header, link: link, at: now)
            case .parcel: return try openParcel(buffer, count, header)
            case .hello: return try openHello(buffer, count, header, link: link, at: now)
            }
        } catch {
            drops.count(error)
            return .dropped(error)
        }
    }

    private mutating func openMessage(
        _ buffer: [UInt8], _ count: Int, _ header: Header, link: Int, at now: Instant
    ) throws(Drop) -> Opened {
        guard let secrets = peer?.keys, peer?.session == header.session else {
            return try openStranger(buffer, count, header)
        }
        let length = try unseal(buffer, count, header, with: secrets)
        let arrival = try self.peer!.arrive(header.sequence, link: link, at: now)
        let session = SessionID(header.session)
        guard arrival == .first else { return .copy(session: session) }
        let body = try Codec.decode(plain, 0..<length, sequence: header.sequence)
        self.peer!.note(keys: body.keys, used: header.keyID, sequence: header.sequence)
        return .message(body.message, session: session)
    }

    private mutating func openParcel(
        _ buffer: [UInt8], _ count: Int, _ header: Header
    ) throws(Drop) -> Opened {
        guard let secrets = peer?.keys, peer?.session == header.session else {
            throw .unknownSession
        }
        let length = try unseal(buffer, count, header, with: secrets)
        try peer!.arrive(parcel: header.sequence)
        return .parcel(try Parcel.decode(plain, 0..<length))
    }

    /// A message of a session that is not established. Its sender knows my session, so it is one of
    /// the peer's sessions, but it may be a former one. A hello of mine, with my challenge, tells.
    private mutating func openStranger(
        _ buffer: [UInt8], _ count: Int, _ header: Header
    ) throws(Drop) -> Opened {
        let secrets: [SessionKeys]
        if let stranger, stranger.session == header.session {
            secrets = stranger.keys
        } else {
            secrets = SessionKeys.all(
                keys, me: me, mine: session.value, theirs: header.session)
        }
        _ = try unseal(buffer, count, header, with: secrets)
        stranger = (header.session, secrets)
        strangerWaits = true
        throw .unknownSession
    }

    /// Opens the sealed part into `plain`, and returns its length.
    private mutating func unseal(
        _ buffer: [UInt8], _ count: Int, _ header: Header, with keys: [SessionKeys]
    ) throws(Drop) -> Int {
        guard let index = keys.firstIndex(where: { $0.keyID == header.keyID }) else {
            throw .unknownKey
        }
        setNonce(header.kind, header.sequence)
        guard
            let length = keys[index].receive.open(
                buffer, sealed: Wire.headerLength..<count,
                nonce: nonce, into: &plain)
        else { throw .notAuthentic }
        return length
    }

    private mutating func openHello(
        _ buffer: [UInt8], _ count: Int, _ header: Header, link: Int, at now: Instant
    ) throws(Drop) -> Opened {
        guard count >= Hello.length else { throw .tooShort }
        guard let key = helloSecrets.firstIndex(where: { $0.keyID == header.keyID }) else {
            throw .unknownKey
        }
        for index in 0..<Wire.nonceLength { nonce[index] = buffer[Wire.headerLength + index] }
        guard
            let length = helloSecrets[key].receive.open(
                buffer,
                sealed: (Wire.headerLength + Wire.nonceLength)..<count, nonce: nonce,
                into: &plain)
        else { throw .notAuthentic }
        let hello = try Hello.decode(plain, 0..<length)
        let isNewHello = hellos.note(
            hello, try HelloNumber(nonce), of: header.session, by: session.value)
        let isFresh = hello.echo == challenge || planted(.challengeIgnored)
        let isProof = hello.to == session.value && isFresh
        let isNew = isProof && peer?.session != header.session
        if isNew { establish(header, hello, at: now) }
        let answer = answers(hello, header, isNew: isNew, link: link, at: now)
        if answer {
            write(
                Hello(
                    knows: peer?.session ?? 0, challenge: challenge, to: header.session,
                    echo: hello.challenge, keys: acceptedKeys), key: key)
        }
        return .hello(
            answer: answer, established: isNew ? SessionID(header.session) : nil,
            isNew: isNewHello || planted(.recordedHelloCounts))
    }

    private mutating func establish(_ header: Header, _ hello: Hello, at now: Instant) {
        if let peer { retired.insert(peer.session) }
        peer = Established(
            session: header.session,
            keys: SessionKeys.all(
                keys, me: me, mine: session.value, theirs: header.session),
            accepted: hello.keys, used: header.keyID, at: now)
        stranger = nil
        strangerWaits = false
        drawChallenge()
    }

    /// Whether a hello is answered: only while one of the two sides lacks something, and at a
    /// limited rate. The proof that a session is the present one comes once and is always answered.
    private mutating func answers(
        _ hello: Hello, _ header: Header, isNew: Bool, link: Int, at now: Instant
    ) -> Bool {
        let knowsMe = hello.knows == session.value
        let isKnown = peer?.session == header.session
        if knowsMe && isKnown { return false }
        if isNew { return true }
        return knowsMe || hello.to == session.value
            ? answers[link].named.take(at: now) : answers[link].unnamed.take(at: now)
    }
}
