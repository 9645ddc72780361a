/// All that can go wrong in the world, one entry of the script each.
public import PicketCore

public struct FaultEntry: Equatable, Sendable {
    /// Since the world's beginning.
    public var at: Duration
    /// Zero: for ever, or until the faults stop; without meaning for a fault that happens at once.
    public var lasting: Duration
    public var fault: Fault

    public init(at: Duration, lasting: Duration = .zero, _ fault: Fault) {
        self.at = at
        self.lasting = lasting
        self.fault = fault
    }
}

public enum Fault: Equatable, Sendable {
    // Network, from one node to the other; link nil for all
    case cut(from: NodeID, link: Int?)
    case loss(from: NodeID, link: Int?, percent: Int)
    case delay(from: NodeID, link: Int?, upTo: Duration)
    case duplicate(from: NodeID, link: Int?, percent: Int)
    case corrupt(from: NodeID, link: Int?, percent: Int)
    /// This many datagrams that anybody ever sent arrive once more.
    case replay(to: NodeID, count: Int)

    // Agents
    /// The whole process stands still.
    case pause(NodeID)
    /// The whole process stands still in the middle of a turn, after so many of its steps from now.
    case pauseAfter(NodeID, steps: Int)
    /// Only the loop stands still; its workers go on.
    case hang(NodeID)
    /// The loop goes on, and never completes a healthy turn.
    case livelock(NodeID)
    case crash(NodeID)
    /// Dies between two effects, so many from now.
    case crashAfter(NodeID, effects: Int)
    /// Loops and workers wake up late by up to this.
    case late(NodeID, upTo: Duration)

    // Disks
    case loseState(NodeID)
    case damageState(NodeID)
    case diskFull(NodeID)
    case diskSlow(NodeID, upTo: Duration)
    /// What is written to it is not answered until the end.
    case diskHangs(NodeID)

    // Power and hardware
    case powerLoss(NodeID)
    /// Of the relay that this node drives.
    case relay(NodeID, RelayFault)
    /// The plug of all wires by which this node hears, cuts and senses its peer: each of them parts at
    /// a time of its own, and so comes back.
    case harness(NodeID)
    /// The first (0) or the second (1) of two supplies of a node gives no power.
    case deadSupply(NodeID, Int)
    case deadWatchdog(NodeID)
    case wallStep(NodeID, Duration)
    /// Its file differs from the peer's in settings that must agree.
    case otherConfiguration(NodeID)
    /// Its file lists these groups, for the agent that starts next …
    case list(NodeID, [ListedGroup])
    /// … or for the one that lives, which is told to read it.
    case reload(NodeID)
    /// Its file has these links, by the plan's numbers and in this order, and its agent is told.
    case links(NodeID, [Int])
    /// Its file has other levels of fencing, for the same relay, and its agent is told.
    case fenceAnew(NodeID, levels: Int)
    /// Its agent starts anew with another key than the pair's.
    case wrongKey(NodeID)

    // Health and resources
    /// The node's sensors are 0, a temperature, and 1, a voltage.
    case sensor(NodeID, Int, SensorFault)
    /// Its file does not have this sensor, and its agent is told.
    case sensorGone(NodeID, Int)
    case drill(NodeID, DrillKind)
    case sync(NodeID, GroupIndex, GroupReport.SyncState)
    case resource(NodeID, GroupIndex, ResourceFault)

    // Operators
    case command(NodeID, Command)
    /// Somebody starts a group's resources, in maintenance, beside the agent; and stops them in the
    /// end.
    case byHand(NodeID, GroupIndex)
    /// Somebody starts them outside maintenance, whatever the pair does.
    case stray(NodeID, GroupIndex)
    /// `confirmFence` though the peer may well be alive.
    case falseWord(NodeID)
}

public enum RelayFault: String, CaseIterable, Sendable {
    case stuckOn = "stuck-on"
    case stuckOff = "stuck-off"
    case slow
    case bouncing
    case senseOn = "sense-on"
    case senseOff = "sense-off"
    case unreachable
    /// A double fault: stuck, and its sense line says that it moved.
    case lies
    /// The worker hangs: it does nothing, and gives no answer.
    case hangs
}

public enum ResourceFault: String, CaseIterable, Sendable {
    case startFails = "start-fails"
    case startHangs = "start-hangs"
    case stopFails = "stop-fails"
    case stopHangs = "stop-hangs"
    /// It cannot even be begun.
    case stopUnknown = "stop-unknown"
    case monitorFails = "monitor-fails"
    case slow
    case unkillable
    /// Its monitor fails some seconds after each start.
    case flaps
    /// It refuses every term, and names a later one each time.
    case startRefused = "start-refused"
    /// Its unit is gone: what runs goes on, no start succeeds, and its agent sees it at its next look.
    case unitMissing = "unit-missing"
    /// The commands that tell the store of a strict group.
    case commandsFail = "commands-fail"
    /// They hang until they are killed, and may hang on, and take effect late.
    case commandsHang = "commands-hang"
}

extension Fault {
    /// For the coverage table: what kind of fault it is.
    public var name: String { FaultText.words(self)[0] }

    /// All names that a coverage table lists.
    public static let names: [String] = [
        "cut", "loss", "delay", "duplicate", "corrupt", "replay", "pause", "pause-after", "hang",
        "livelock",
        "crash", "crash-after", "late", "lose-state", "damage-state", "disk-full", "disk-slow",
        "disk-hangs",
        "power-loss", "relay", "harness", "dead-supply", "dead-watchdog", "other-configuration",
        "list", "links", "fence-anew", "wrong-key",
        "wall-step", "reload", "sensor", "sensor-gone", "drill", "sync",
        "resource", "command", "by-hand", "stray", "false-word",
    ]
}
