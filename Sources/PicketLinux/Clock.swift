/// The two clocks.
///
/// All that the agent decides is decided by CLOCK_BOOTTIME: it does not jump, and it goes on while
/// the computer is suspended. The wall clock is for logs and for ages that outlive a boot, and may
/// step at any time.

import CPicket
public import PicketCore

/// One thread's view of CLOCK_BOOTTIME.
public struct Clock: Sendable {
    private var latest = Instant(nanoseconds: .min)

    public init() {}

    /// A clock that falls is broken hardware or a broken kernel: nothing built on it can be
    /// trusted, and the agent ends here.
    public mutating func now() -> Instant {
        let now = Instant(nanoseconds: picket_boot_time())
        precondition(now >= latest, "CLOCK_BOOTTIME fell")
        latest = now
        return now
    }
}

public enum WallClock {
    /// Nanoseconds since 1970-01-01 UTC.
    public static func now() -> Int64 { picket_wall_time() }

    /// Something keeps it right, as far as this process may know: the kernel tells, or systemd.
    public static var isSynchronised: Bool {
        if picket_clock_is_synchronised() { return true }
        return unsafe access("/run/systemd/timesync/synchronized", F_OK) == 0
    }
}
