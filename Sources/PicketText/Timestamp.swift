extension Text {
    /// RFC 3339 in UTC with milliseconds: "2026-11-23T07:49:19.123Z".
    ///
    /// - Parameter milliseconds: since 1970-01-01T00:00:00Z.
    public static func timestamp(_ milliseconds: Int64) -> String {
        let days = floorDivide(milliseconds, 86_400_000)
        let inDay = milliseconds - days * 86_400_000
        let (year, month, day) = civil(days)
        let seconds = inDay / 1_000
        let date = "\(year)-\(digits(month, 2))-\(digits(day, 2))"
        let minutes = "\(digits(seconds / 3_600, 2)):\(digits(seconds / 60 % 60, 2))"
        return "\(date)T\(minutes):\(digits(seconds % 60, 2)).\(digits(inDay % 1_000, 3))Z"
    }

    @inline(never)
    private static func digits(_ n: Int64, _ count: Int) -> String {
        padded("\(n)", to: count, with: "0")
    }

    private static func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
        a >= 0 ? a / b : -((-a + b - 1) / b)
    }

    /// Days since 1970-01-01 to a date of the Gregorian calendar (Howard Hinnant,
    /// "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let z = days + 719_468
        let era = floorDivide(z, 146_097)
        let dayOfEra = z - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month,
            dayOfYear - (153 * shifted + 2) / 5 + 1
        )
    }
}
