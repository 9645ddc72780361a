public import PicketCore
public import PicketHardware

/// Everything that one configuration file says, read, checked and completed.
///
/// `Configuration.load` makes one from YAML, and only if every setting is valid and the timings can
/// hold. Code that is handed a `Configuration` checks nothing again. The same file serves both
/// nodes of a pair: settings that belong to one node are kept `PerNode`, and `me` says which of
/// them this one is.
///
/// Defaults are filled in here, so an optional means "there is none", never "not stated".
/// Nothing of it changes once it is loaded.
public final class Configuration: @unchecked Sendable {
    /// This node's name, and its place in the order of the two names.
    public let node: String
    public let me: NodeID
    /// The pair's name, and its nodes' names; the lower name is `.low`.
    public let pair: String
    public let names: PerNode<String>
    /// Paths of the pair's 32-byte keys: the one in use, and during a rotation a second valid one.
    public let keys: [String]
    /// At least one, at most `Limits.links`; the same order on both nodes.
    public let links: [PerNode<LinkAddress>]
    /// The core's share: derived timing, budgets, fence levels, groups and digest.
    public internal(set) var policy: Policy
    /// As the file states it; what that comes to is in `policy`.
    let startup: Startup?
    /// How `policy.timing` came about, and how long a takeover may take.
    public let timing: TimingBudget
    public let board: Board?
    /// `nil`: the file says `watchdog: none`.
    public let watchdog: WatchdogSettings?
    /// In the order of the file.
    public let sensors: [SensorDescription]
    /// How each node is cut, by the node that is cut.
    public let cuts: PerNode<[FenceSettings]>
    /// In the order of the file, and then what is retired, or at the places where the agent has them
    /// that lives; the index is the core's `GroupIndex`.
    public private(set) var groups: [GroupSettings]
    public let paths: Paths
    /// A level that was not seen to cut for longer weakens the pair.
    public internal(set) var rehearseEvery = Duration.seconds(90 * 86_400)
    /// Settings that are allowed but look like mistakes; `picket check` and the log show them.
    public internal(set) var warnings: [ConfigurationError]
    /// The file that says all this.
    public internal(set) var text: [UInt8] = []
    /// Its name, and the lines of its sections and groups.
    private var file = ""
    private var lines: [(path: String, line: Int)] = []

    init(
        node: String, me: NodeID, pair: String, names: PerNode<String>, keys: [String],
        links: [PerNode<LinkAddress>], policy: Policy, startup: Startup?, timing: TimingBudget,
        board: Board?,
        watchdog: WatchdogSettings?, sensors: [SensorDescription], cuts: PerNode<[FenceSettings]>,
        groups: [GroupSettings], paths: Paths
    ) {
        self.node = node
        self.me = me
        self.pair = pair
        self.names = names
        self.keys = keys
        self.links = links
        self.policy = policy
        self.startup = startup
        self.timing = timing
        self.board = board
        self.watchdog = watchdog
        self.sensors = sensors
        self.cuts = cuts
        self.groups = groups
        self.paths = paths
        warnings = []
        self.policy.digest = digest
        self.policy.turnsDigest = turnsDigest
        for (index, group) in groups.enumerated() {
            group.identify(&self.policy.groups[index])
        }
    }

    public var peerName: String { names[me.peer] }
    /// How this node cuts its peer: one for each of `policy.fenceLevels`, in that order.
    public var fence: [FenceSettings] { cuts[me.peer] }
}

extension Configuration {
    /// What runs on this node and is not in this file is stopped as the file had it by which it was
    /// started. Nothing that this file adds to that one starts before.
    ///
    /// - Returns: those of them that the other file does not have either, or that are too many.
    public func retire(_ names: [String], of started: Configuration) -> [String] {
        noteAdded(to: started)
        var unknown: [String] = []
        for name in names {
            guard let index = started.groups.firstIndex(where: { $0.name == name }),
                groups.count < Limits.groups
            else {
                unknown.append(name)
                continue
            }
            append(started.groups[index], started.policy.groups[index].retired())
        }
        return unknown
    }

    /// What runs on this node and has other resources by this file is what the file had by which it
    /// was started, until this file is taken up as a change. Whether a group has data of its own is
    /// no such change.
    ///
    /// - Returns: whether there is any.
    public func keep(_ names: [String], of started: Configuration) -> Bool {
        noteAdded(to: started)
        var keeps = false
        for (index, group) in groups.enumerated() where names.contains(group.name) {
            guard let same = started.groups.firstIndex(where: { $0.name == group.name }),
                !changesData(of: group.name, from: started)
            else { continue }
            groups[index] = started.groups[same]
            policy.groups[index].resources = started.policy.groups[same].resources
            policy.groups[index].sync = started.policy.groups[same].sync
            policy.groups[index].isAdded = false
            keeps = true
        }
        return keeps
    }

    /// The group is in both files, and has data of its own by one of them alone.
    public func changesData(of name: String, from former: Configuration) -> Bool {
        guard let now = listed(name), let before = former.listed(name) else { return false }
        return (now.sync == nil) != (before.sync == nil)
    }

    private func listed(_ name: String) -> GroupPolicy? {
        groups.firstIndex { $0.name == name }.map { policy.groups[$0] }.flatMap {
            $0.listing == .listed ? $0 : nil
        }
    }

    private func noteAdded(to started: Configuration) {
        for (index, group) in groups.enumerated() {
            let same = started.groups.firstIndex { $0.name == group.name }
            let resources = same.map { started.policy.groups[$0].resources }
            policy.groups[index].isAdded = resources != policy.groups[index].resources
        }
    }

    /// Its groups at the places where an agent has them that goes by the configuration before this
    /// one.
    public func keepPlaces(of former: Configuration) {
        let places = former.policy.places(of: policy.groups)
        policy.groups = former.policy.taking(policy.groups)
        let file = groups
        groups = places.enumerated().map { place, number in
            var group = number.map { file[$0] } ?? former.groups[place]
            if number == nil { group.sync = nil }
            return group
        }
    }

    private func append(_ group: GroupSettings, _ policy: GroupPolicy) {
        var group = group
        group.sync = nil
        groups.append(group)
        self.policy.groups.append(policy)
    }
}

extension Configuration {
    func noteLines(of root: YamlNode, in file: String) {
        self.file = file
        guard case .mapping(let sections) = root.content else { return }
        for section in sections {
            lines.append((section.key, section.keyPosition.line))
            guard section.key == "groups", case .mapping(let groups) = section.value.content
            else { continue }
            for group in groups {
                lines.append(("groups." + group.key, group.keyPosition.line))
            }
        }
    }

    /// `picket.yaml:12: groups.web`, of a section or a group; its name alone where the file does not
    /// have it.
    public func place(of path: String) -> String {
        guard let known = lines.first(where: { $0.path == path }) else { return path }
        return "\(file):\(known.line): \(path)"
    }
}

/// One value for each node of the pair.
public struct PerNode<Value> {
    public var low: Value
    public var high: Value

    public init(low: Value, high: Value) {
        self.low = low
        self.high = high
    }

    public subscript(node: NodeID) -> Value {
        get { node == .low ? low : high }
        set { if node == .low { low = newValue } else { high = newValue } }
    }
}

extension PerNode: Equatable where Value: Equatable {}
extension PerNode: Sendable where Value: Sendable {}

/// An address of one end of a link: an IP address in its text form (never a host name: a failover
/// must not wait for a resolver) and a UDP port.
public struct LinkAddress: Equatable, Sendable {
    /// As inet_pton(3) takes it: `10.0.0.1`, `fd00::1`.
    public var host: String
    public var port: UInt16
    public var isIPv6: Bool

    public init(host: String, port: UInt16, isIPv6: Bool = false) {
        self.host = host
        self.port = port
        self.isIPv6 = isIPv6
    }
    /// `10.0.0.1:7780`, `[fd00::1]:7780`.
    public var text: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

public struct WatchdogSettings: Equatable, Sendable {
    /// After this long without a feed the hardware resets the node. Most drivers take whole
    /// seconds; the value that the driver sets is read back.
    public var timeout: Duration
    /// Time before the reset for the kernel to leave a trace, where the hardware can give it.
    public var pretimeout: Duration?
    /// Paths or identities; empty: the board's, or the first that is hardware.
    public var devices: [String]
    /// `Policy.resetAfterStops`.
    public var resetAfterStops: Int?

    public init(timeout: Duration, pretimeout: Duration? = nil, devices: [String] = []) {
        self.timeout = timeout
        self.pretimeout = pretimeout
        self.devices = devices
    }
}

public struct Paths: Equatable, Sendable {
    /// Survives a reboot; default `/var/lib/picket`.
    public var stateDirectory: String
    /// Emptied by a reboot; default `/run/picket`.
    public var runDirectory: String
    /// Default `<run>/picketd.sock`.
    public var controlSocket: String
    /// The Unix group whose members may use the control socket; `nil`: root alone.
    public var controlGroup: String?

    public init(
        stateDirectory: String = "/var/lib/picket", runDirectory: String = "/run/picket",
        controlSocket: String = "/run/picket/picketd.sock", controlGroup: String? = nil
    ) {
        self.stateDirectory = stateDirectory
        self.runDirectory = runDirectory
        self.controlSocket = controlSocket
        self.controlGroup = controlGroup
    }
}

// MARK: - Fence

public enum FenceSettings: Equatable, Sendable {
    case relay(RelayDescription)
    case agent(AgentSettings)

    /// Whether it can show that a peer is off without having cut it.
    var provesOff: Bool {
        switch self {
        case .relay(let relay): relay.verified && relay.offProves == .always
        case .agent: false
        }
    }
}

/// A ClusterLabs fence agent: options as `name=value` lines on its standard input.
public struct AgentSettings: Equatable, Sendable {
    public var path: String
    /// In the order of the file. `action` is not among them.
    public var options: [Setting]
    public var policy: RelayDescription.AfterFence
    /// The longest time from the order until the power is off.
    public var offWithin: Duration
    /// After this the agent is killed and the level has failed. Not beyond `offWithin`.
    public var timeout: Duration

    public init(
        path: String, options: [Setting], policy: RelayDescription.AfterFence,
        offWithin: Duration, timeout: Duration
    ) {
        self.path = path
        self.options = options
        self.policy = policy
        self.offWithin = offWithin
        self.timeout = timeout
    }
}

public struct Setting: Equatable, Sendable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

// MARK: - Groups

public struct GroupSettings: Equatable, Sendable {
    public var name: String
    public var standby: Standby
    /// Started in this order, stopped in reverse.
    public var resources: [ResourceSettings]
    /// Bounds of the whole group; the timeouts of the resources add up to no more.
    public var startWithin: Duration
    public var stopWithin: Duration
    /// Between two monitor runs of one resource.
    public var monitorInterval: Duration
    /// The local restarts allowed in `window`; after them the group is handed over.
    public var restarts: Budget
    public var sync: SyncSettings?
    /// Given to every command besides the PICKET_… variables.
    public var environment: [Setting]

    /// What runs on the standby. Cold: nothing. Warm: the resources that have `promote` are
    /// started there. Hot: the same, and a takeover is a `promote` alone.
    public enum Standby: UInt8, Equatable, Sendable { case cold, warm, hot }
}

extension GroupSettings {
    /// How many of the first resources are the same.
    public func sharedResources(with other: GroupSettings) -> Int {
        var count = 0
        while count < min(resources.count, other.resources.count),
            resources[count].name == other.resources[count].name,
            resources[count].kind == other.resources[count].kind
        { count += 1 }
        return count
    }

    public func hasResources(of other: GroupSettings) -> Bool {
        resources.count == other.resources.count && sharedResources(with: other) == resources.count
    }
}

extension Configuration {
    /// The systemd units of all groups.
    public var units: [String] {
        var units: [String] = []
        for group in groups {
            for case .unit(let unit) in group.resources.map({ $0.kind }) { units.append(unit) }
        }
        return units
    }
}

public struct ResourceSettings: Equatable, Sendable {
    /// Unique in its group; by default from what it is: `ip-10.0.0.100`, `gateway.service`,
    /// `command-3`.
    public var name: String
    public var kind: Kind
    public var timeouts: Timeouts

    public enum Kind: Equatable, Sendable {
        case ip(VirtualAddress)
        /// A systemd unit with its suffix.
        case unit(String)
        case command(CommandSettings)
    }

    public struct Timeouts: Equatable, Sendable {
        public var start: Duration
        public var stop: Duration
        public var monitor: Duration
        public var promote: Duration
        public var demote: Duration
    }
}

public struct VirtualAddress: Equatable, Sendable {
    public var address: String
    public var isIPv6: Bool
    public var prefix: UInt8
    /// The network interface.
    public var device: String

    /// `10.0.0.100/24@eth0`
    public var text: String { "\(address)/\(prefix)@\(device)" }
}

/// Argument vectors: run as they stand, never by a shell. The first element is a path or a name to
/// be found in PATH.
public struct CommandSettings: Equatable, Sendable {
    public var start: [String]
    public var stop: [String]
    public var monitor: [String]?
    public var promote: [String]?
    public var demote: [String]?
}

/// How the standby's copy of the data is judged: the probe prints where the copy stands
/// (`epoch:number`) or its lag in seconds, or exits with an error.
public struct SyncSettings: Equatable, Sendable {
    public var probe: [String]
    /// The probe stays, and prints a line for each change, and at least one in each interval.
    public var follows: Bool
    public var maxLag: Duration
    var statedInterval: Duration?
    var statedTimeout: Duration?
    public var takesOverStale: Bool
    /// `nil` of a group whose database need not wait for the standby's copy.
    public var strict: StrictCommands?

    /// What tells the database to go on without the standby's copy, and to wait for it again.
    public struct StrictCommands: Equatable, Sendable {
        public var degrade: [String]
        public var restore: [String]
    }

    public var interval: Duration { statedInterval ?? min(.seconds(10), maxLag / 3) }
    public var timeout: Duration { statedTimeout ?? min(interval, .seconds(5)) }

    /// For how long a command for the database may take.
    public var commandTimeout: Duration { max(timeout, .seconds(10)) }

    /// For how long it may say nothing.
    public var patience: Duration { follows ? interval + timeout : timeout }

    /// As 0.1.0 has them of the same file, which knows no default that depends on `max_lag`.
    var formerInterval: Duration { statedInterval ?? .seconds(10) }
    var formerTimeout: Duration { statedTimeout ?? min(formerInterval, .seconds(5)) }
}

// MARK: - Board

/// A file of boards/: what the hardware is called and what it can do.
public struct Board: Equatable, Sendable {
    public var name: String
    public var description: String
    /// Nothing of it is real.
    public var simulated: Bool
    public var chips: [Chip]
    /// Numbers of the I2C buses.
    public var buses: [Int]
    public var connectors: [Connector] = []
    public var watchdog: Watchdog?
    public var caveats: [String]
    /// How the computer's own name begins (device tree, or the firmware's tables); empty: the board
    /// is no computer of its own, or says nothing of itself.
    public var models: [String]

    public struct Chip: Equatable, Sendable {
        /// A name or label, as gpiodetect(1) shows them: `gpiochip0`, `pinctrl-bcm2711`.
        public var name: String
        /// Names of lines that the kernel does not name itself, and their offsets.
        public var lines: [Line]
    }
    public struct Line: Equatable, Sendable {
        public var name: String
        public var offset: UInt32
        public var active: LineDescription.Active?
        public var bias = LineDescription.Bias.asIs
        public var drive = LineDescription.Drive.pushPull
        /// As a sense line: it reads *on* where its wire has parted.
        public var partedReadsOn = false
    }
    /// One plug, whose wires part together.
    public struct Connector: Equatable, Sendable {
        public var name: String
        /// Names of lines; `link` for a link of the pair.
        public var carries: [String]
    }
    public struct Watchdog: Equatable, Sendable {
        /// The driver's name, /sys/class/watchdog/watchdogN/identity.
        public var identity: String?
        /// Zero and a day where the file does not tell.
        public var minimum: Duration
        public var maximum: Duration
    }
}
