public import PicketCore

/// One sensor as the configuration describes it. PicketConfig makes it and checks it.
public struct SensorDescription: Equatable, Sendable {
    public var name: String
    public var driver: DriverDescription
    /// The N of /dev/i2c-N.
    public var bus: Int
    /// 7 bits, 0x08…0x77.
    public var address: UInt8
    public var watch: SensorWatch

    public init(
        name: String, driver: DriverDescription, bus: Int, address: UInt8,
        watch: SensorWatch = SensorWatch()
    ) {
        self.name = name
        self.driver = driver
        self.bus = bus
        self.address = address
        self.watch = watch
    }

    /// The same value under the same name; how often, and how it is judged, may differ. The address of
    /// what the kernel reads is made up.
    public func isReadAs(_ other: SensorDescription) -> Bool {
        name == other.name && driver == other.driver && bus == other.bus
            && (address == other.address || bus == HwmonDescription.noBus)
    }
}

/// How the values of one sensor are judged. Numbers are in the sensor's own unit.
public struct SensorWatch: Equatable, Sendable {
    /// Any of them makes the level.
    public var warn: [Threshold]
    public var critical: [Threshold]
    /// How far a value must come back from a threshold to leave its level; at least 0.
    public var hysteresis: Double
    /// How many readings in a row make a level, better or worse, or a failure; at least 1.
    public var debounce: Int
    /// Between readings.
    public var interval: Duration
    /// A value older than this is no value any more.
    public var staleAfter: Duration
    /// The values that the sensor in its place can read at all.
    public var plausible: ClosedRange<Double>?
    /// The same bits for longer than this are a failure.
    public var stuckAfter: Duration?
    /// The fastest possible change, per second.
    public var rateLimit: Double?
    public var onFail: OnFail

    public enum OnFail: UInt8, Sendable { case warn, critical, ignore }

    public init(
        warn: [Threshold] = [], critical: [Threshold] = [], hysteresis: Double = 0,
        debounce: Int = 3, interval: Duration = .seconds(1), staleAfter: Duration = .seconds(5),
        plausible: ClosedRange<Double>? = nil, stuckAfter: Duration? = nil,
        rateLimit: Double? = nil, onFail: OnFail = .warn
    ) {
        self.warn = warn
        self.critical = critical
        self.hysteresis = hysteresis
        self.debounce = debounce
        self.interval = interval
        self.staleAfter = staleAfter
        self.plausible = plausible
        self.stuckAfter = stuckAfter
        self.rateLimit = rateLimit
        self.onFail = onFail
    }
}

public enum Threshold: Equatable, Sendable {
    /// `">75C"`
    case above(Double)
    /// `"<4.65V"`
    case below(Double)

    /// Crossed by a value that comes from the good side.
    public func isCrossed(by value: Double) -> Bool {
        switch self {
        case .above(let limit): value > limit
        case .below(let limit): value < limit
        }
    }

    /// Still crossed by a value that comes from the bad side.
    public func isCrossed(by value: Double, hysteresis: Double) -> Bool {
        switch self {
        case .above(let limit): value > limit - hysteresis
        case .below(let limit): value < limit + hysteresis
        }
    }
}
