/// The two clocks.
///
/// All that the agent decides is decided by CLOCK_BOOTTIME: it does not jump, and it goes on while
/// the machine is suspended. The wall clock is for logs and for ages that outlive a boot, and may
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

    /// As RFC 3339 writes it, in UTC with milliseconds: `2026-11-23T07:49:01.250Z`.
    public static func text(_ nanoseconds: Int64) -> String {
        let milliseconds = floorDivide(nanoseconds, 1_000_000)
        let days = floorDivide(milliseconds, 86_400_000)
        let inDay = milliseconds - days * 86_400_000
        let (year, month, day) = date(days)
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T"
            + "\(padded(inDay / 3_600_000, 2)):\(padded(inDay / 60_000 % 60, 2)):"
            + "\(padded(inDay / 1000 % 60, 2)).\(padded(inDay % 1000, 3))Z"
    }

    /// The Gregorian date of a day counted from 1970-01-01, by eras of 400 years that begin in
    /// March, so that the leap day comes last.
    private static func date(_ days: Int64) -> (Int64, Int64, Int64) {
        let shifted = days + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
        a >= 0 ? a / b : -((b - 1 - a) / b)
    }

    private static func padded(_ value: Int64, _ digits: Int) -> String {
        let text = "\(value)"
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
}
