/// What a node keeps for one session of its peer: the keys of the two sessions, and which packets
/// came.
internal import PicketCore

/// The keys of one pair of sessions under one of the pair's keys.
struct SessionKeys {
    let keyID: UInt32
    let send: Secret
    let receive: Secret

    init(_ key: Key, me: NodeID, mine: UInt64, theirs: UInt64) {
        let low = me == .low ? mine : theirs
        let high = me == .low ? theirs : mine
        keyID = key.id
        send = key.sessionSecret(from: me, low: low, high: high)
        receive = key.sessionSecret(from: me.peer, low: low, high: high)
    }

    static func all(_ keys: [Key], me: NodeID, mine: UInt64, theirs: UInt64) -> [SessionKeys] {
        keys.map { SessionKeys($0, me: me, mine: mine, theirs: theirs) }
    }
}

/// The session that has proved to be the peer's present one.
struct Established {
    let session: UInt64
    private(set) var keys: [SessionKeys]
    /// Of the pair's keys, those that the peer said it accepts.
    private var accepted: KeyIDs
    /// The key of the newest packet that came: the peer has it for certain.
    private var lastUsed: UInt32
    private var window = ReplayWindow()
    private var parcels = ReplayWindow()
    private var windows = [ReplayWindow](repeating: ReplayWindow(), count: Limits.links)
    /// A message of this session went to the core, so the core's acknowledgements are of this
    /// session.
    private(set) var isKnownToCore = false
    var lastHeard: Instant

    init(session: UInt64, keys: [SessionKeys], accepted: KeyIDs, used: UInt32, at now: Instant) {
        self.session = session
        self.keys = keys
        self.accepted = accepted
        lastUsed = used
        lastHeard = now
    }

    /// A copy this far behind the newest says nothing of the link that it came over.
    private static let copyReach: UInt64 = 128

    enum Arrival: Equatable {
        case first
        case copy
    }

    /// Sorts an authentic packet, and notes it.
    mutating func arrive(
        _ sequence: UInt64, link: Int, at now: Instant
    ) throws(Drop) -> Arrival {
        switch window.standing(of: sequence) {
        case .tooOld:
            throw .tooOld
        case .new:
            window.insert(sequence)
            if windows[link].standing(of: sequence) == .new { windows[link].insert(sequence) }
            lastHeard = now
            return .first
        case .seen:
            guard window.newest - sequence < Established.copyReach else { throw .tooOld }
            guard windows[link].standing(of: sequence) == .new else { throw .duplicate }
            windows[link].insert(sequence)
            return .copy
        }
    }

    /// A parcel comes over one link only, and is no sign of life.
    mutating func arrive(parcel sequence: UInt64) throws(Drop) {
        switch parcels.standing(of: sequence) {
        case .tooOld: throw .tooOld
        case .seen: throw .duplicate
        case .new: parcels.insert(sequence)
        }
    }

    /// Notes what a message says of the peer's keys, unless a newer one has said it.
    mutating func note(keys accepted: KeyIDs, used: UInt32, sequence: UInt64) {
        isKnownToCore = true
        guard sequence == window.newest else { return }
        self.accepted = accepted
        lastUsed = used
    }

    /// The newest of my keys that the peer accepts.
    var sendKeys: SessionKeys {
        for candidate in keys where accepted.contains(candidate.keyID) { return candidate }
        for candidate in keys where candidate.keyID == lastUsed { return candidate }
        return keys[0]
    }

    func accepts(_ key: UInt32) -> Bool { accepted.contains(key) }

    mutating func replace(keys: [SessionKeys]) { self.keys = keys }
}

/// The last few sessions of which nothing is accepted any more.
struct SessionRing {
    private var sessions: [UInt64]
    private var next = 0

    init(count: Int) { sessions = Array(repeating: 0, count: count) }

    func contains(_ session: UInt64) -> Bool { sessions.contains(session) }

    mutating func insert(_ session: UInt64) {
        guard session != 0, !contains(session) else { return }
        sessions[next] = session
        next = (next + 1) % sessions.count
    }
}
