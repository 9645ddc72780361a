public import PicketCore

/// The timer in hardware that resets the node unless it is fed.
///
/// A conforming type owns the device. Ending its life in any other way than by `disarm` leaves the
/// watchdog armed, so that the agent's death ends in a reset (S8); that is why `disarm` consumes.
/// Source: Linux Documentation/watchdog/watchdog-api.rst.
public protocol HardwareWatchdog: ~Copyable {
    /// The timeout as the driver set it on request: whole seconds on most hardware. A feed is due
    /// at the latest after half of it.
    var timeout: Duration { get }
    /// `false`: the driver refuses to stop it (nowayout), and after `disarm` the reset comes.
    var stoppable: Bool { get }
    /// Never blocks for longer than one system call.
    mutating func feed() throws(WatchdogError)
    /// A clean stop: the magic close where there is one.
    consuming func disarm() throws(WatchdogError)
}

public enum WatchdogError: Error, Equatable, Sendable {
    case absent
    /// Another error of the system, an errno of errno(3).
    case other(errno: Int32)
}
