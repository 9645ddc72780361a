public import PicketCore

/// Proves relay line and feedback without cutting power.
///
/// The line must read back *on*, and the sense line must say *on* while the peer is alive. The
/// second half has a trap: a peer that has just lost its power shows *off* for as long as the pair
/// still believes in the contact, and taking that for a broken sense line would forbid the fence
/// that is about to be needed. So only a round trip whose message was sent *after* the lines were
/// read settles an observation: the peer that answered it had power then, whatever the lines said.
///
/// It proves no more than that: a contact that is welded passes. So the last *real* fence outranks
/// it. One that failed is a failed test until a cut succeeds, or the operator says that it is
/// mended. A worker that does not answer for two periods is a failed test too.
public struct RelaySelfTest: Equatable, Sendable {
    public private(set) var result: Message.RelayTest
    private var pending: RelayObservation?
    /// So many supplies of the peer were off while it answered; 0 where that cannot be believed.
    public private(set) var suppliesOff = 0
    /// The newest look found each supply of the peer off, by feedback that proves it.
    public private(set) var seesOff = false
    /// The last real fence failed.
    public private(set) var isDisproved: Bool
    /// Since when the worker owes an answer; and that it does so for too long.
    private var askedAt: Instant?
    public private(set) var isSilent = false
    /// The worst result of several levels, which a node tells of itself.
    public static func worst(of tests: [RelaySelfTest]) -> Message.RelayTest {
        for result in [Message.RelayTest.failed, .unknown, .passed]
        where tests.contains(where: { $0.result == result }) {
            return result
        }
        return .absent
    }

    /// The observation still waits for a round trip.
    public var isPending: Bool { pending != nil }

    /// So long a worker may owe an answer: two periods.
    public static let patience = Duration.seconds(20)

    /// - Parameters:
    ///   - configured: The node has a relay level.
    ///   - disproved: The last real fence failed, as an agent before this one has noted.
    public init(configured: Bool, disproved: Bool = false) {
        result = disproved ? .failed : configured ? .unknown : .absent
        isDisproved = disproved
    }

    /// The worker is asked to look.
    ///
    /// - Returns: The result, if it is a new one.
    public mutating func ask(at now: Instant) -> Message.RelayTest? {
        let since = askedAt ?? now
        askedAt = since
        guard now - since >= Self.patience, !planted(.silenceIsAPass) else { return nil }
        isSilent = true
        seesOff = false
        pending = nil
        return conclude(.failed)
    }

    /// The worker has said something.
    public mutating func answer() {
        askedAt = nil
        isSilent = false
    }

    /// A real fence by it was seen to cut, or has failed.
    ///
    /// - Returns: The result, if it is a new one.
    public mutating func fenced(_ cut: Bool) -> Message.RelayTest? {
        if cut { return clear() }
        isDisproved = true
        return conclude(.failed)
    }

    /// What failed has cut since, or is mended, as the operator says. The next test tells.
    ///
    /// - Returns: The result, if it is a new one.
    public mutating func clear() -> Message.RelayTest? {
        guard isDisproved else { return nil }
        isDisproved = false
        return conclude(.unknown)
    }

    /// A line that does not read back *on* needs no peer to fail.
    ///
    /// - Returns: The result, if it is a new one.
    public mutating func observe(_ observation: RelayObservation) -> Message.RelayTest? {
        pending = nil
        answer()
        seesOff = observation.feedback.provesOff
        if !observation.linesOn { return conclude(.failed) }
        if observation.feedback.unreadable > 0 { return conclude(.failed) }
        pending = observation
        return nil
    }

    /// - Parameter sentAt: When the newest message that the peer has acknowledged was sent.
    /// - Returns: The result, if it is a new one.
    public mutating func acknowledged(sentAt: Instant) -> Message.RelayTest? {
        guard let observation = pending, sentAt > observation.readAt else { return nil }
        pending = nil
        let credible = observation.feedback.isCredible
        suppliesOff = credible ? observation.feedback.off : 0
        return conclude(credible ? .passed : .failed)
    }

    /// The observation proves nothing any more, because the peer may be without power.
    public mutating func contactLost() { pending = nil }

    /// Takes a result found by another way, such as a fence agent's status.
    ///
    /// - Returns: The result, if it is a new one.
    public mutating func conclude(_ found: Message.RelayTest) -> Message.RelayTest? {
        let found =
            isDisproved && found != .absent && !planted(.testOutranksFence) ? .failed : found
        guard found != result else { return nil }
        result = found
        return found
    }
}

extension SupplyScan {
    /// Of a peer that lives, and so has power from one supply at least. Another one may be dead, if
    /// the line that says so cannot say it because its wire has parted.
    var isCredible: Bool { off == 0 || (unproven == 0 && on + blind > 0) }

    /// Every supply is off, and no parted wire says so.
    var provesOff: Bool { off > 0 && on + blind + unreadable + unproven == 0 }
}

/// One observation of the self-test.
public struct RelayObservation: Equatable, Sendable {
    /// Taken after the last line was read.
    public var readAt: Instant
    /// Every relay line reads back *on*.
    public var linesOn: Bool
    public var feedback: SupplyScan

    public init(readAt: Instant, linesOn: Bool, feedback: SupplyScan) {
        self.readAt = readAt
        self.linesOn = linesOn
        self.feedback = feedback
    }
}
