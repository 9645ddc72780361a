/// Maintenance: hands off. No node fences, starts, restarts or moves anything by itself; monitors
/// go on and only alarm.
///
/// It is one state of the pair. Each order of the operator's makes a new version of it, and each
/// node tells the version that it has in every message. The newer version wins wherever two meet:
/// the one of more orders, and of two with as many the one that is *on*, because hands that are off
/// by mistake lose less than a node that is cut by mistake. So a node that was away, and comes back
/// with what it remembers, cannot bring back what has ended meanwhile.
///
/// Each group has such a state of its own besides. In it that group alone is left alone: the pair
/// fences and moves on for the others. A message has room for one of them, so each message that is
/// sent tells of another group. A peer that is too old for it tells of none.
///
/// A peer of 0.1.0 tells no version. Beside it the flag alone counts, as it did there.
public struct Maintenance: Equatable, Sendable {
    public var isOn: Bool
    /// How many orders led to it.
    public var count: UInt32
    /// The node at which the last of them was given.
    public var by: NodeID

    public init(isOn: Bool, count: UInt32, by: NodeID) {
        self.isOn = isOn
        self.count = count
        self.by = by
    }

    /// No order was ever given.
    public static let never = Maintenance(isOn: false, count: 0, by: .low)

    /// Count and node as one number, as messages and files have them. Never 0, which stands for a
    /// node that tells none.
    public var version: UInt64 { (UInt64(count) << 1 | UInt64(by.rawValue)) + 1 }

    /// `nil` for a version that nobody tells.
    public init?(isOn: Bool, version: UInt64) {
        guard version > 0, version <= Maintenance.greatest else { return nil }
        self.isOn = isOn
        count = UInt32(truncatingIfNeeded: (version - 1) >> 1)
        by = (version - 1) & 1 == 0 ? .low : .high
    }

    /// No version is greater.
    public static let greatest: UInt64 = 1 << 33

    /// What the operator orders next, at this node.
    func next(isOn: Bool, by node: NodeID) -> Maintenance {
        Maintenance(isOn: isOn, count: count &+ 1, by: node)
    }

    func isNewer(than other: Maintenance) -> Bool {
        if count != other.count { return count > other.count }
        if isOn != other.isOn { return isOn }
        return by.rawValue > other.by.rawValue
    }
}

/// The operator's order, until both nodes have it on disk.
package struct MaintenanceOrder: Sendable {
    /// The order's id.
    package var command: UInt32
    /// `nil` for the whole pair.
    package var group: GroupIndex?
    package var ordered: Maintenance
    /// The answer does not wait longer.
    package var until: Instant
    /// The first message that told of it.
    package var since: UInt64
}

/// What a message tells of the maintenance of one group.
public struct MaintainedGroup: Equatable, Sendable {
    /// In the message's list of groups.
    public var place: Int
    public var maintenance: Maintenance
    /// The sender has it on its disk.
    public var isKept: Bool

    public init(place: Int, _ maintenance: Maintenance, isKept: Bool) {
        self.place = place
        self.maintenance = maintenance
        self.isKept = isKept
    }
}
