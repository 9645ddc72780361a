public import PicketCore

/// Proves relay line and feedback without cutting power.
///
/// The line must read back *on*, and the sense line must say *on* while the peer is alive. The
/// second half has a trap: a peer that has just lost its power shows *off* for as long as the pair
/// still believes in the contact, and taking that for a broken sense line would forbid the fence
/// that is about to be needed. So only a round trip whose message was sent *after* the lines were
/// read settles an observation: the peer that answered it had power then, whatever the lines said.
public struct RelaySelfTest: Equatable, Sendable {
    public private(set) var result: Message.RelayTest
    private var pending: RelayObservation?
    /// So many supplies of the peer were off while it answered; 0 where that cannot be believed.
    public private(set) var suppliesOff = 0
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

    /// - Parameter configured: The node has a relay level.
    public init(configured: Bool) { result = configured ? .unknown : .absent }

    /// A line that does not read back *on* needs no peer to fail.
    ///
    /// - Returns: The result, if it is a new one.
    public mutating func observe(_ observation: RelayObservation) -> Message.RelayTest? {
        pending = nil
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
        guard found != result else { return nil }
        result = found
        return found
    }
}

extension SupplyScan {
    /// Of a peer that lives, and so has power from one supply at least. Another one may be dead, if
    /// the line that says so cannot say it because its wire has parted.
    var isCredible: Bool { off == 0 || (unproven == 0 && on + blind > 0) }
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
