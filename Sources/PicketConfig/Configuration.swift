public import PicketCore

/// Everything that one configuration file says, read, checked and completed.
///
/// These are plain values. `Configuration.load` is what makes one from YAML, and it returns one
/// only if every setting is valid and the timings can hold; whoever is handed a `Configuration`
/// checks nothing again. The same file serves both nodes of a pair: what belongs to one node is
/// kept `PerNode`, and `me` says which of them this one is.
///
/// Defaults are filled in here, so an optional means "there is none", never "not stated".
public struct Configuration: Equatable, Sendable {
    /// This node's name, and its place in the order of the two names.
    public var node: String
    public var me: NodeID
    /// The pair's name, and its nodes' names; the lower name is `.low`.
    public var pair: String
    public var names: PerNode<String>
    /// Paths of the pair's 32-byte keys: the one in use, and during a rotation a second valid one.
    public var keys: [String]
    /// At least one, at most `Limits.links`; the same order on both nodes.
    public var links: [PerNode<LinkAddress>]
    /// What the core is given: derived timing, budgets, fence levels, groups and digest.
    public var policy: Policy
    /// How `policy.timing` came about, and what a takeover may take.
    public var timing: TimingBudget
    public var board: Board?
    /// `nil`: the file says `watchdog: none`.
    public var watchdog: WatchdogSettings?
    /// In the order of the file.
    public var sensors: [SensorSettings]
    /// How each node is cut, by the node that is cut.
    public var cuts: PerNode<[FenceSettings]>
    /// In the order of the file; the index is the core's `GroupIndex`.
    public var groups: [GroupSettings]
    public var paths: Paths
    /// What is allowed but looks like a mistake; `picket check` and the log show it.
    public var warnings: [ConfigurationError]

    public var peerName: String { names[me.peer] }
    /// How this node cuts its peer: one for each of `policy.fenceLevels`, in that order.
    public var fence: [FenceSettings] { cuts[me.peer] }
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
    /// After this long without a feed the hardware resets the node. Whole seconds are what most
    /// drivers take; what the driver makes of it is read back.
    public var timeout: Duration

    public init(timeout: Duration) { self.timeout = timeout }
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

// MARK: - Sensors

public struct SensorSettings: Equatable, Sendable {
    public var name: String
    public var driver: SensorDriver
    /// N of /dev/i2c-N.
    public var bus: Int
    /// 7-bit address, 0x08 ... 0x77.
    public var address: UInt8
    /// The unit of every value below, and of the readings: `C`, `V`, `A`, `W` or the one that the
    /// file names.
    public var unit: String
    public var interval: Duration
    public var warn: Thresholds
    public var critical: Thresholds
    /// By how much a value must come back over a threshold before it counts as back.
    public var hysteresis: Double
    /// So many readings in a row must agree before the state changes; at least 1.
    public var debounce: Int
    /// A reading outside is a failed one.
    public var plausible: ClosedRange<Double>?
    /// A reading that has been exactly the same for this long is a failed one.
    public var stuckAfter: Duration?
    /// Without a good reading for this long the sensor is stale.
    public var staleAfter: Duration
    /// What a failed or stale sensor means for the node's health.
    public var onFail: OnFail

    public enum OnFail: UInt8, Equatable, Sendable { case ignore, warn, critical }
}

/// A value above `above` or below `below` is over the threshold.
public struct Thresholds: Equatable, Sendable {
    public var above: Double?
    public var below: Double?

    public init(above: Double? = nil, below: Double? = nil) {
        self.above = above
        self.below = below
    }
    public var isEmpty: Bool { above == nil && below == nil }
}

public enum SensorDriver: Equatable, Sendable {
    case tmp102
    case lm75
    case ina219(INA219Settings)
    case ads1115(ADS1115Settings)
    case register(RegisterSettings)
}

public struct INA219Settings: Equatable, Sendable {
    /// Ohms. 0 where only the bus voltage is measured.
    public var shunt: Double
    public var measure: Measure

    public enum Measure: UInt8, Equatable, Sendable { case voltage, current, power }
}

public struct ADS1115Settings: Equatable, Sendable {
    /// 0 ... 3; with `negative`, the difference of the two.
    public var positive: UInt8
    public var negative: UInt8?
    /// Full scale in volts: 6.144, 4.096, 2.048, 1.024, 0.512 or 0.256.
    public var fullScale: Double
    /// Reading = volts × scale + offset.
    public var scale: Double
    public var offset: Double
}

/// A chip that the file describes wholly: read `register`, take the bits, scale.
public struct RegisterSettings: Equatable, Sendable {
    public var register: UInt8
    /// 8, 16, 24 or 32.
    public var widthBits: UInt8
    public var littleEndian: Bool
    /// Two's complement, of the bits that mask and shift leave.
    public var signed: Bool
    /// Applied first.
    public var mask: UInt32
    /// To the right, after the mask.
    public var shift: UInt8
    /// Reading = raw × scale + offset.
    public var scale: Double
    public var offset: Double
}

// MARK: - Fence

public enum FenceSettings: Equatable, Sendable {
    case relay(RelaySettings)
    case agent(AgentSettings)
}

public struct RelaySettings: Equatable, Sendable {
    /// All off and verified, then all on.
    public var supplies: [Supply]
    /// From the order to the rail known to be off.
    public var offWithin: Duration
    /// For how long the supplies stay off.
    public var offTime: Duration
    public var policy: AfterFence

    /// Every supply has feedback.
    public var verified: Bool { supplies.allSatisfy { $0.sense != nil } }

    public struct Supply: Equatable, Sendable {
        /// The name of the line, by board file or gpio-line-names.
        public var line: String
        /// The line's level when the relay is energised.
        public var activeLow: Bool
        /// True: an energised relay disconnects the supply, and a dead agent leaves the peer
        /// powered. False: an energised relay connects it.
        public var normallyClosed: Bool
        /// `nil`: the file says `verify: none`.
        public var sense: SenseSettings?
    }
}

/// The line that reads whether a supply is on.
public struct SenseSettings: Equatable, Sendable {
    public var line: String
    /// True: a low level means that the supply is on.
    public var activeLow: Bool
}

public enum AfterFence: UInt8, Equatable, Sendable {
    /// On again after `offTime`.
    case reboot
    case off
}

/// A ClusterLabs fence agent: options as `name=value` lines on its standard input.
public struct AgentSettings: Equatable, Sendable {
    public var path: String
    /// In the order of the file. `action` is not among them.
    public var options: [Setting]
    public var policy: AfterFence
    public var timeout: Duration
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
    /// So many local restarts in `window`; then the group is handed over.
    public var restarts: Budget
    public var sync: SyncSettings?
    /// Given to every command besides the PICKET_… variables.
    public var environment: [Setting]

    /// What runs on the standby. Cold: nothing. Warm: the resources that have `promote` are
    /// started there. Hot: the same, and a takeover is a `promote` alone.
    public enum Standby: UInt8, Equatable, Sendable { case cold, warm, hot }
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

/// How the standby's copy of the data is judged: the probe prints its lag in seconds, or exits with
/// an error.
public struct SyncSettings: Equatable, Sendable {
    public var probe: [String]
    public var maxLag: Duration
    public var interval: Duration
    public var timeout: Duration
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
    public var watchdog: Watchdog?
    public var caveats: [String]

    public struct Chip: Equatable, Sendable {
        /// The GPIO chip's label, as gpiodetect(1) shows it.
        public var label: String
        /// Names of lines that the kernel does not name itself, and their offsets.
        public var lines: [Line]
    }
    public struct Line: Equatable, Sendable {
        public var name: String
        public var offset: UInt32
    }
    public struct Watchdog: Equatable, Sendable {
        /// The driver's name, /sys/class/watchdog/watchdogN/identity.
        public var identity: String?
        public var minimum: Duration
        public var maximum: Duration
    }
}

extension Configuration {
    /// Reads a configuration file.
    ///
    /// - Parameters:
    ///   - bytes: the file's content; it need not be valid UTF-8 to be refused politely.
    ///   - file: its name, for the errors.
    ///   - node: this node's name, in place of the file's `node:`.
    ///   - boards: the board files that `board:` may name (see `BoardLibrary`).
    /// - Throws: every mistake of the file at once.
    public static func load(
        _ bytes: [UInt8], file: String, node: String? = nil, boards: BoardLibrary = BoardLibrary()
    ) throws(ConfigurationErrors) -> Configuration {
        throw ConfigurationErrors([
            ConfigurationError(
                file: file, position: Position(line: 1, column: 1), path: "",
                message: "reading a configuration is not built yet")
        ])
    }
}

/// The board files found by the caller: this module reads no directories.
public struct BoardLibrary: Sendable {
    public var files: [BoardFile]
    public init(_ files: [BoardFile] = []) { self.files = files }
}

public struct BoardFile: Sendable {
    /// The file's name without `.yaml`: what `board:` says.
    public var name: String
    /// Its path, for errors.
    public var path: String
    public var bytes: [UInt8]

    public init(name: String, path: String, bytes: [UInt8]) {
        self.name = name
        self.path = path
        self.bytes = bytes
    }
}
