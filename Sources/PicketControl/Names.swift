public import PicketCore

/// The operator's names for the things that the core knows by number.
///
/// Links and fence levels have no name of their own in the configuration; they are counted from
/// 1, as they stand there, wherever a person or a request speaks of them.
public struct Names: Equatable, Sendable {
    /// The pair's name.
    public var pair: String
    /// This node, as the core numbers it.
    public var me: NodeID
    /// By `NodeID.rawValue`.
    public var nodes: [String]
    /// By `GroupIndex`.
    public var groups: [String]
    /// The two ends of each link, as in "10.0.0.1:7780 to 10.0.0.2:7780".
    public var links: [String]
    public var sensors: [String]
    /// As in "relay RELAY_WEST" or "agent fence_ipmilan", in the order in which they are tried.
    public var fenceLevels: [String]

    public init(
        pair: String, me: NodeID, nodes: [String], groups: [String], links: [String] = [],
        sensors: [String] = [], fenceLevels: [String] = []
    ) {
        precondition(nodes.count == 2, "a pair has two nodes")
        self.pair = pair
        self.me = me
        self.nodes = nodes
        self.groups = groups
        self.links = links
        self.sensors = sensors
        self.fenceLevels = fenceLevels
    }

    /// This node's name.
    public var node: String { name(of: me) }
    /// The peer's name.
    public var peer: String { name(of: me.peer) }

    public func name(of node: NodeID) -> String { nodes[Int(node.rawValue)] }

    /// Never fails: a number without a name is shown as a number.
    public func group(_ index: GroupIndex?) -> String {
        guard let index else { return "every group" }
        return groups.indices.contains(index) ? groups[index] : "group \(index + 1)"
    }

    public func link(_ index: Int) -> String {
        guard links.indices.contains(index) else { return "link \(index + 1)" }
        return "link \(index + 1) (\(links[index]))"
    }

    public func fenceLevel(_ index: Int) -> String {
        guard fenceLevels.indices.contains(index) else { return "fence level \(index + 1)" }
        return fenceLevels[index]
    }

    public func groupIndex(_ name: String) -> GroupIndex? { groups.firstIndex(of: name) }
    public func sensorIndex(_ name: String) -> Int? { sensors.firstIndex(of: name) }
}
