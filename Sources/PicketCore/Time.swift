/// Time as the core knows it: a number that is handed in.
///
/// Nothing in this module reads a clock. An `Instant` counts nanoseconds of one monotonic clock
/// of one node (the daemon uses CLOCK_BOOTTIME, the simulator its own) and means nothing on
/// another node or after a reboot.

/// A span of time in nanoseconds; may be negative.
public struct Duration: Equatable, Comparable, Hashable, Sendable {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static let zero = Duration(nanoseconds: 0)
    public static func nanoseconds(_ n: Int64) -> Duration { Duration(nanoseconds: n) }
    public static func microseconds(_ n: Int64) -> Duration { Duration(nanoseconds: n * 1_000) }
    public static func milliseconds(_ n: Int64) -> Duration {
        Duration(nanoseconds: n * 1_000_000)
    }
    public static func seconds(_ n: Int64) -> Duration { Duration(nanoseconds: n * 1_000_000_000) }

    /// Whole milliseconds, rounded towards zero.
    public var milliseconds: Int64 { nanoseconds / 1_000_000 }
    public var microseconds: Int64 { nanoseconds / 1_000 }

    public static func < (a: Duration, b: Duration) -> Bool { a.nanoseconds < b.nanoseconds }
    public static func + (a: Duration, b: Duration) -> Duration {
        Duration(nanoseconds: a.nanoseconds + b.nanoseconds)
    }
    public static func - (a: Duration, b: Duration) -> Duration {
        Duration(nanoseconds: a.nanoseconds - b.nanoseconds)
    }
    public static func * (a: Duration, n: Int64) -> Duration {
        Duration(nanoseconds: a.nanoseconds * n)
    }
    public static func / (a: Duration, n: Int64) -> Duration {
        Duration(nanoseconds: a.nanoseconds / n)
    }
}

/// A point of one node's monotonic clock.
public struct Instant: Equatable, Comparable, Hashable, Sendable {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static let distantFuture = Instant(nanoseconds: .max)

    public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }
    public static func + (a: Instant, d: Duration) -> Instant {
        Instant(nanoseconds: a.nanoseconds + d.nanoseconds)
    }
    public static func - (a: Instant, d: Duration) -> Instant {
        Instant(nanoseconds: a.nanoseconds - d.nanoseconds)
    }
    public static func - (a: Instant, b: Instant) -> Duration {
        Duration(nanoseconds: a.nanoseconds - b.nanoseconds)
    }
}
