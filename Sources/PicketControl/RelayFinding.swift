/// A finding of a drill of the fence's levels, for its report.
public enum RelayFinding: Sendable {
    case lineNotOn
    case feedbackUnreadable
    /// The feedback of a relay whose line is on, while the peer lives.
    case feedback(saysOn: Bool)
    /// Its worker has not answered for two periods.
    case noAnswer
    /// Each of several supplies was cut alone.
    case cutOneByOne
    /// No level has several supplies.
    case nothingToSpare
    /// Whatever was seen now.
    case lastFenceFailed
    /// The answer of a fence agent, while the peer lives.
    case fenceAgent(saysOn: Bool)

    public var sentence: String {
        switch self {
        case .lineNotOn: "The relay's line could not be set or does not read back on."
        case .feedbackUnreadable: "The feedback cannot be read."
        case .feedback(saysOn: true):
            "The relay's line reads back on, and the feedback says on while the peer lives."
        case .feedback(saysOn: false):
            "The feedback says off while the peer answers: it cannot be believed."
        case .noAnswer: "The worker that drives the relay gives no answer."
        case .cutOneByOne: "Each supply was cut alone, read off, and came back."
        case .nothingToSpare:
            "No relay cuts several supplies, so none can be cut without the peer. \"picket drill "
                + "failover --live\" cuts the peer."
        case .lastFenceFailed:
            "The last real fence by it failed, and a test that cuts nothing does not make up for that."
        case .fenceAgent(saysOn: true): "The fence agent answers, and says that the power is on."
        case .fenceAgent(saysOn: false): "The fence agent does not say that the power is on."
        }
    }
}
