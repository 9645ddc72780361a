/// What is to be done about a unit of a group, by what systemd says of it.
///
/// A group's runner knows of its own actions only. A unit that runs though its group is not active
/// here was started by somebody else: the peer may run it as well. It is a *stray*: no reason to take
/// the group for held here, nor to stop it on the peer.

/// For whom root's helper may start a unit.
public enum UnitWarrant: Equatable, Sendable {
    case group, hand
}

public enum UnitNeed: Equatable, Sendable {
    case nothing
    /// It runs with its group, and may be started again.
    case warrant
    /// A warrant has outlived what it was given for: a person's the maintenance, another one
    /// its group.
    case clearing
    /// It is a stray, and to be stopped but for maintenance.
    case alarm(stops: Bool)

    /// - Parameter isRunning: the group runs here, as it is listed.
    public init(
        runs: Bool, warrant: UnitWarrant?, _ role: GroupReport.Role, isRunning: Bool,
        inMaintenance: Bool
    ) {
        switch role {
        case .holding where isRunning:
            self = runs && warrant != .group ? .warrant : .nothing
        case .vacant where warrant != .hand || !inMaintenance:
            if runs, planted(.strayAdopted) {
                self = .warrant
            } else if runs, !planted(.strayUnseen) {
                self = .alarm(stops: !inMaintenance)
            } else {
                self = warrant == nil ? .nothing : .clearing
            }
        // The runner is at it, or will be.
        default: self = .nothing
        }
    }
}
