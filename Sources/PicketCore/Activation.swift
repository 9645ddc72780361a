/// The right to run a group (S2).
///
/// An `Activation` alone makes the shell start a group, and it cannot be made without a `Warrant`.
/// Outside this file a `Warrant` can be made only from evidence: the peer's grant in its present
/// session, a receipt, or the operator's recorded word.

public struct Activation: Equatable, Sendable {
    public let group: GroupIndex
    public let term: Term
    public let cause: Cause
    public let warrant: Warrant

    init(group: GroupIndex, term: Term, cause: Cause, warrant: Warrant) {
        precondition(term > .never, "a group is never active at term 0")
        self.group = group
        self.term = term
        self.cause = cause
        self.warrant = warrant
    }
}

/// Proof that the peer cannot act on a group.
public struct Warrant: Equatable, Sendable {
    public enum Evidence: Equatable, Sendable {
        /// The peer's present session holds nothing of this group and granted this term.
        case grant(from: SessionID, term: Term)
        /// The peer's present session does not have this group in its list. It vouches only for
        /// what runs already: what the peer runs of it under another name it could not know.
        case unlisted(by: SessionID)
        /// The peer's present session starts nothing that the files have otherwise.
        case left(by: SessionID)
        /// The peer was verified off, or left cleanly. Bound to the session that ended.
        case receipt(Receipt)
    }
    public let evidence: Evidence

    private init(_ evidence: Evidence) { self.evidence = evidence }

    /// A grant, as the peer's message states it. `nil` if the message grants nothing.
    init?(_ report: GroupReport, from session: SessionID) {
        guard report.role == .granting, report.term > .never else { return nil }
        self.init(.grant(from: session, term: report.term))
    }

    init(_ receipt: Receipt) { self.init(.receipt(receipt)) }
    init(unlistedBy session: SessionID) { self.init(.unlisted(by: session)) }
    init(leftBy session: SessionID) { self.init(.left(by: session)) }
}

/// Proof that one session of the peer has ended for good. Worthless against any later session.
public struct Receipt: Equatable, Sendable {
    /// The session that ended; `nil` where this life of the agent never knew one.
    public let session: SessionID?
    public let proof: Proof
    /// What that session left running in maintenance, by group of this node: no proof for these.
    public let bars: GroupSet

    public enum Proof: UInt8, Equatable, Sendable {
        case verifiedOff = 1
        case left = 2
        case operatorsWord = 3
        /// A receipt of an earlier life of this agent: `Memory.alone`.
        case remembered = 4
    }

    private init(session: SessionID?, proof: Proof, bars: GroupSet = .none) {
        self.session = session
        self.proof = proof
        self.bars = bars
    }

    /// It holds for everything that the peer had.
    var isWhole: Bool { bars == .none }

    /// The fence worker's word; any other outcome is no receipt (S3).
    init?(_ outcome: FenceOutcome, of session: SessionID?) {
        switch outcome {
        case .off: self.init(session: session, proof: .verifiedOff)
        case .restored, .voided, .failed, .notRestored: return nil
        }
    }

    /// The peer's own last word in this session.
    init?(_ message: Message, of session: SessionID) {
        guard message.phase == .left,
            message.groups.allSatisfy({ $0.role == .vacant || $0.role == .granting })
        else { return nil }
        self.init(session: session, proof: .left)
    }

    /// The same of a peer whose agent ends, and leaves running what is in maintenance there.
    ///
    /// - Parameter bars: what the message says that the peer has something of.
    init?(_ message: Message, of session: SessionID, barring bars: GroupSet) {
        guard message.flags.contains(.leavesRunning), message.phase == .leaving, bars != .none
        else { return nil }
        self.init(session: session, proof: .left, bars: bars)
    }

    static func operatorsWord(on session: SessionID?) -> Receipt {
        Receipt(session: session, proof: .operatorsWord)
    }

    init?(remembered memory: Memory) {
        guard memory.alone else { return nil }
        self.init(session: nil, proof: .remembered)
    }
}

extension Receipt {
    /// For the proof's images, which keep a receipt's proof and not what it was made from.
    package init?(imaged proof: Proof, of session: SessionID?) {
        switch proof {
        case .verifiedOff: self.init(FenceOutcome.off, of: session)
        case .left:
            guard let session else { return nil }
            self.init(Message(sequence: 1, phase: .left), of: session)
        case .operatorsWord: self = .operatorsWord(on: session)
        case .remembered: self.init(remembered: Memory(groups: [], alone: true))
        }
    }
}
