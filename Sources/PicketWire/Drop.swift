/// Why a datagram was dropped. Nothing but a counter changes when one is; the counters by reason
/// are shown in the status.
public enum Drop: UInt8, CaseIterable, Equatable, Sendable, Error {
    // Read in clear, before any key is tried.
    case tooShort = 0
    /// More than `Wire.longest` bytes.
    case tooLong
    /// Not Picket's: the first two bytes are not "PK".
    case notOurs
    /// A version of the protocol that this agent does not speak.
    case unknownVersion
    case unknownType
    /// Sealed with a key that this node does not have.
    case unknownKey
    /// Says that this very node sent it: reflected, or both nodes are configured with one name.
    case reflected
    /// A sender other than the two nodes, session 0, or a sequence number out of bounds.
    case badHeader
    /// Of a session that was banned: it was fenced.
    case banned
    /// Of a session that a later one has replaced.
    case retired

    // Known only with the key.
    case notAuthentic
    /// Authentic, but of a session that has not (yet) proved that it is the peer's present one.
    case unknownSession
    /// Came before, over the same link.
    case duplicate
    /// Behind the window of sequence numbers that are remembered.
    case tooOld

    // Authentic, and yet not understood.
    case truncated
    case missingSection
    case repeatedSection
    case tooManyGroups
    case unknownPhase
    case unknownRole
    case unknownSync
    case unknownRelayTest
    case badHealth
    /// A term beyond `Term.highest`.
    case badTerm
    /// A time or a sequence number beyond what the core computes with.
    case badNumber
    case unknownParcel

    /// In words, for the status.
    public var text: String {
        switch self {
        case .tooShort: "too short"
        case .tooLong: "too long"
        case .notOurs: "not picket's"
        case .unknownVersion: "unknown version"
        case .unknownType: "unknown type"
        case .unknownKey: "unknown key"
        case .reflected: "reflected"
        case .badHeader: "bad header"
        case .banned: "banned session"
        case .retired: "replaced session"
        case .notAuthentic: "not authentic"
        case .unknownSession: "unproven session"
        case .duplicate: "duplicate"
        case .tooOld: "too old"
        case .truncated: "truncated content"
        case .missingSection: "missing section"
        case .repeatedSection: "repeated section"
        case .tooManyGroups: "too many groups"
        case .unknownPhase: "unknown phase"
        case .unknownRole: "unknown role"
        case .unknownSync: "unknown sync state"
        case .unknownRelayTest: "unknown relay test"
        case .badHealth: "health beyond 100"
        case .badTerm: "term out of bounds"
        case .badNumber: "number out of bounds"
        case .unknownParcel: "unknown parcel"
        }
    }
}

/// How many datagrams were dropped, by reason.
public struct DropCounters: Equatable, Sendable {
    private var counts: [UInt64]

    init() { counts = Array(repeating: 0, count: Drop.allCases.count) }

    public subscript(reason: Drop) -> UInt64 { counts[Int(reason.rawValue)] }

    mutating func count(_ reason: Drop) { counts[Int(reason.rawValue)] &+= 1 }
}
