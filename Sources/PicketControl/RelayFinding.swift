/// A finding of a drill of the fence's levels, for its report.
public enum RelayFinding: Sendable {
    case lineNotOn
    case feedbackUnreadable
    /// The feedback of a relay whose line is on, while the peer lives.
    case feedback(saysOn: Bool)
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
        case .fenceAgent(saysOn: true): "The fence agent answers, and says that the power is on."
        case .fenceAgent(saysOn: false): "The fence agent does not say that the power is on."
        }
    }
}
