/// How bad it is, as far as it is known.
public enum Level: UInt8, Comparable, Sendable {
    case ok = 0
    /// Never read, or failed where the configuration says to ignore that.
    case unknown = 1
    case warn = 2
    case critical = 3

    public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
}

/// A level, and whether it comes from a sensor that gives no value: a failed sensor lowers health
/// less than a hot one.
public struct Verdict: Equatable, Comparable, Sendable {
    public var level: Level
    public var failed: Bool

    public init(_ level: Level, failed: Bool = false) {
        self.level = level
        self.failed = failed
    }

    /// From good to bad; at the same level a measured value is worse than a failed sensor.
    public static func < (a: Verdict, b: Verdict) -> Bool {
        (a.level, a.failed ? 0 : 1) < (b.level, b.failed ? 0 : 1)
    }
}

/// A change of a sensor's verdict, as the history keeps it.
public struct SensorChange: Equatable, Sendable {
    public var from: Verdict
    public var to: Verdict
    /// The reading that made it; an injected one if `simulated`.
    public var reading: Reading
    public var simulated: Bool

    public init(from: Verdict, to: Verdict, reading: Reading, simulated: Bool) {
        self.from = from
        self.to = to
        self.reading = reading
        self.simulated = simulated
    }
}
