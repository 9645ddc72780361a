/// A rack as it is to be built: what the rack file says, completed from the configuration file.

package import PicketConfig
package import PicketCore
import PicketHardware

package struct RackPlan {
    /// The user's configuration as each node reads it.
    package var configurations: PerNode<Configuration>
    /// The same as the agents on the rack are given it: with stand-ins for the resources, and with the
    /// rack's own key.
    var rehearsed: String
    var nodes: PerNode<NodePlan>

    package var names: PerNode<String> { configurations.low.names }
    var groups: [String] { configurations.low.groups.map(\.name) }
    package var linkCount: Int { configurations.low.links.count }

    func node(named name: String) -> NodeID? {
        if name == names.low { return .low }
        if name == names.high { return .high }
        return nil
    }
}

package struct NodePlan {
    /// From power on to the start of the agent.
    var bootTime: Duration
    /// From the end of an agent to the start of the next.
    package var restartDelay: Duration
    /// A virtual machine's GPIO lines keep their level when its agent lets go of them.
    package var holdsLines = true
    /// In the order of the configuration.
    var sensors: [SensorPlan]
    /// The supplies that feed this node. The peer drives them.
    var supplies: [SupplyPlan]
    /// The outlets before its supplies: one for each fence agent that cuts it.
    var outlets: [SupplyPlan] = []
}

struct SensorPlan {
    var settings: SensorDescription
    /// In the sensor's unit.
    var value: Double
    /// It sits on the peer's rail and shows whether the peer is on.
    var sensesPeer: Bool
}

package struct SupplyPlan {
    package var line: String
    /// `nil`: nothing reads it.
    package var sense: String?
    /// The second of two contacts: closed while there is no power.
    package var opposite: String?
    /// The sense line reads so where its wire has parted.
    package var partedReadsOn = false
    package var normallyClosed: Bool
    /// From the line's edge to the contact's.
    var delay: Duration
    /// Of a virtual machine's wires: the level that energises the relay, and by which the sense line
    /// says that the supply is on.
    package var activeHigh = true
    package var senseActiveHigh = true
}

/// Where the rack finds its programs.
package struct RackPrograms {
    package var picketd: String
    package var workload: String

    package init(picketd: String, workload: String) {
        self.picketd = picketd
        self.workload = workload
    }
}

/// Something that happened, and who says so.
package struct RackEvent {
    var at: Instant
    var source: Source
    /// The node that it is about, if one.
    var node: String?
    /// One or two words in snake_case, for programs.
    var kind: String
    /// One sentence, for people.
    var text: String
    var severity: Severity = .normal
    /// What an agent's own history adds to it.
    var group: String?
    var cause: String?

    package enum Source: String {
        /// Power, relays, sensors, links: what the rack did or saw itself.
        case rack
        /// The groups' own records.
        case workload
        /// What an agent says of itself.
        case agent
        /// The scenario, or the person at the keys.
        case scenario
    }
    package enum Severity: Int { case quiet, normal, good, warning, alarm }
}

/// Why the rack cannot be built or go on.
package struct RackFailure: Error {
    package var text: String
    package init(_ text: String) { self.text = text }
}
